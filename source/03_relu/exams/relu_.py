"""How `relu_` is examined."""

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_leaves

from convcraft.exam import aspect, exercise, ops

from .shared import RELUS


class _Allocations(ops.DispatchMode):
    """Counts the bytes of every result that does not live in the memory of an argument; single numbers do not count."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        before = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs))
                  if isinstance(leaf, torch.Tensor)}
        result = function(*args, **kwargs)
        for leaf in tree_leaves(result):
            if (isinstance(leaf, torch.Tensor) and leaf.numel() > 1
                    and leaf.untyped_storage().data_ptr() not in before):
                self.bytes += leaf.numel() * leaf.element_size()
        return result


def _signed(draw):
    """Three numbers above and three below 0, never near it, in some order."""
    sizes = draw.uniform(6, low=1.5, high=3) * torch.tensor([1.0, 1, 1, -1, -1, -1])
    return sizes[torch.argsort(draw.distinct(6))]


def _what(result, x):
    if result is x or not isinstance(result, torch.Tensor):
        return "x itself" if result is x else "no tensor"
    return f"another tensor, in {'the memory of x' if result.data_ptr() == x.data_ptr() else 'memory of its own'}"


@exercise(points=8, reference=torch.relu_, bans=RELUS)
def relu_(impl, draw):
    def in_place():
        x = 4 * draw.normal(4, 6)
        impl(x)
        return x

    def same_tensor():
        x = 4 * draw.normal(4, 6)
        result = impl(x)
        return {"result": result, "what comes back": _what(result, x)}

    def memory():
        seen = {}
        for shape, dtype in (((10, 20), torch.float32), ((7, 11), torch.float32), ((41,), torch.float64),
                             ((3, 5, 9), torch.float64)):
            x = draw.normal(*shape, dtype=dtype)
            with _Allocations() as allocations:
                impl(x)
            seen |= {f"x afterwards, {tuple(shape)}": x,
                     f"bytes allocated for {x.numel()} numbers of {x.element_size()} bytes": allocations.bytes}
        return seen

    def view():
        whole = draw.normal(9, 11)
        x = whole[:, ::2]
        result = impl(x)
        return {"result": result, "what comes back": _what(result, x), "the larger tensor": whole}

    def shapes():
        given = [-draw.uniform(low=1, high=2), draw.normal(5, dtype=torch.float64), 4 * draw.normal(2, 3, 2, 2)]
        for x in given:
            impl(x)
        return given

    yield aspect("values", "What comes back holds the same numbers as `relu(x)`.", lambda: impl(_signed(draw)))
    yield aspect("in place", "After the call, `x` itself holds them.", in_place)
    yield aspect("the same tensor", "It returns `x`: not a copy, not a second name for the same memory, but the very "
                 "tensor that it was given.", same_tensor)
    yield aspect("memory", "It allocates nothing of `x`'s size on the way: no copy, and no mask either.", memory,
                 weight=2)
    yield aspect("a view", "`x` may be a view, every second column of a larger tensor for instance. Those columns "
                 "change, the others do not.", view)
    yield aspect("shapes and dtypes", "Any shape and any floating dtype will do.", shapes, dtype=True)


@relu_.misconception("`x = ...` gave the name `x` to a new tensor; the caller's tensor never changed. Change the "
                     "memory of the tensor you were given, with an operation that works in place.")
def rebinds_the_name(x):
    x = x.clamp(min=0)
    return x


@relu_.misconception("`x` was changed as it should be, but nothing came back: the function has no `return`. In-place "
                     "functions return their tensor, so that calls can be chained.", literal=True)
def returns_nothing(x):
    x.clamp_(min=0)


@relu_.misconception("A mask was built on the way: `x < 0` is a tensor with one byte for each number of `x`. The "
                     "values are right, the memory is not. There is an operation that compares and writes in one go.")
def builds_a_mask(x):
    x[x < 0] = 0
    return x


@relu_.misconception("The values are right, but a second tensor as large as `x` was made: a ReLU to copy back, "
                     "zeros, the numbers below 0. Not to need that memory is what in place is for.")
def copies_back(x):
    x.copy_(x.clamp(min=0))
    return x


@relu_.misconception("`x.data = ...` gave `x` other memory instead of writing into its own. Views of `x` and tensors "
                     "that share its memory still hold the old numbers, and a second tensor was allocated.")
def exchanges_the_data(x):
    x.data = x.clamp(min=0)
    return x


@relu_.misconception("The numbers changed in place, but what came back is another tensor that shares `x`'s memory "
                     "(`.data`, `detach()` and views make one). Return `x` itself.", literal=True)
def returns_an_alias(x):
    return x.detach().clamp_(min=0)


@relu_.misconception("`reshape` and `flatten` share memory only where they can. For a view with gaps they make a "
                     "copy; your in-place operation changed that copy, and `x` stayed as it was.")
def flattens_first(x):
    x.reshape(-1).clamp_(min=0)
    return x


@relu_.misconception("`view(-1)` refuses a tensor with gaps in memory, every second column of another one for "
                     "instance. In-place operations need no flattening: they work on any layout.")
def views_first(x):
    x.view(-1).clamp_(min=0)
    return x


@relu_.misconception("The memory beneath the view was changed (`_base`, the storage), and with it numbers that are not "
                     "`x`'s. Change `x` alone: in-place operations work on a view as it is.")
def changes_the_base(x):
    (x if x._base is None else x._base).clamp_(min=0)
    return x


@relu_.misconception("Large numbers were cut off at 1. ReLU has a floor and no ceiling: 5 stays 5.")
def has_a_ceiling_in_place(x):
    return x.clamp_(0, 1)


@relu_.misconception("Negative numbers came out positive: that is the absolute value, in place. ReLU sends them to 0.")
def takes_absolute_values_in_place(x):
    return x.abs_()


@relu_.misconception("The floor became a ceiling: what was above 0 is 0 now, and the negative numbers are still "
                     "there. ReLU keeps the other half.")
def keeps_the_negative_in_place(x):
    return x.clamp_(max=0)


@relu_.misconception("`x` came back as it went in. Giving a loop variable or a local name another value changes no "
                     "tensor; write into the memory of `x`.")
def changes_nothing(x):
    for row in x.reshape(-1):
        row = row.clamp(min=0)
    return x


@relu_.misconception("The numbers changed in place, but a slice of `x` came back: a second name for its memory, and a "
                     "single number has no slices. Return `x` itself.")
def returns_a_slice(x):
    x.clamp_(min=0)
    return x[:]


@relu_.misconception("`contiguous()` returns `x` itself only where it lies in memory without gaps. For a view with "
                     "gaps it makes a copy; that copy was changed and came back, and `x` stayed as it was.")
def makes_it_contiguous_first(x):
    x = x.contiguous()
    return x.clamp_(min=0)


@relu_.misconception("`x` was changed in place, but a copy of it came back. That allocates what in place is there to "
                     "save: return `x` itself.")
def returns_a_clone(x):
    return x.clamp_(min=0).clone()


@relu_.alternative
def by_clamp_min(x):
    return x.clamp_min_(0)


@relu_.alternative
def by_clamp_out(x):
    torch.clamp(x, min=0, out=x)
    return x


@relu_.alternative
def by_maximum_out(x):
    return torch.maximum(x, x.new_zeros(()), out=x)


@relu_.alternative
def by_hardtanh(x):
    return F.hardtanh_(x, 0.0, float("inf"))


@relu_.alternative
def number_by_number(x):
    if x.ndim:
        for part in x:
            number_by_number(part)
    elif x < 0:
        x.fill_(0)
    return x
