"""How the exercises of chapter 3 are examined: ReLU, its relatives, dead units, initialisation, gradients by depth."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from convcraft.exam import aspect, exercise, gradients, habits


def _gradient(function, x):
    """The gradient of the sum of `function(x)`, in the dtype of x; what is no tensor comes back as it is."""
    leaf = x.detach().clone().requires_grad_()
    result = function(leaf)
    if not isinstance(result, torch.Tensor):
        return result
    result.sum().backward()
    return leaf.grad


# ---------------------------------------------------------------------------------------------------------------- relu


@exercise(points=8, reference=torch.relu, bans=frozenset({"aten::relu", "aten::relu_"}))
def relu(impl, draw):
    def left_alone():
        x = 2 * draw.distinct(4, 6)
        return {"result": impl(x), "x afterwards": x}

    yield aspect("values", "What is above 0 passes; everything else becomes 0.", lambda: impl(5 * draw.distinct(4, 6)))
    yield aspect("shapes", "`x` has any shape, from a single number to (N, C, H, W); the result has the same shape.",
                 lambda: [impl(-draw.uniform(low=1, high=2)), impl(draw.normal(7)), impl(draw.normal(2, 3, 4, 5))])
    yield aspect("input left alone", "`x` stays as it was: the result is a new tensor.", left_alone)
    yield aspect("gradient", "Gradients flow through, 1 where `x` passed and 0 where it did not.",
                 lambda: gradients(impl, 2 * draw.distinct(4, 5)))
    yield aspect("dtype and layout", "The dtype stays (float32, float64), and `x` need not be contiguous.",
                 lambda: [impl(2 * draw.distinct(3, 4).double()), impl(2 * draw.distinct(5, 4).t())])


@relu.misconception("`x` itself was changed, and the caller still needs its numbers. Look for a method that ends in "
                    "`_`, or an assignment into `x[...]`: a function without an underscore leaves its input alone.")
def overwrites_x(x):
    x[x < 0] = 0
    return x


@relu.misconception("Autograd cannot follow: the graph was cut by `detach`, `.data`, NumPy or `no_grad`, by returning "
                    "a mask or building a fresh tensor. No layer below this one would ever learn.")
def cuts_the_graph(x):
    return x.detach().clamp(min=0)


@relu.misconception("Negative numbers came out positive: that is the absolute value, |x|. ReLU sends them to 0.")
def takes_absolute_values(x):
    return x.abs()


@relu.misconception("Negative numbers came out a little negative: that is a leaky ReLU. ReLU itself lets nothing of "
                    "them through.")
def leaks_below_zero(x):
    return torch.where(x > 0, x, 0.01 * x)


@relu.misconception("`torch.max(x, 0)` is not the maximum of x and 0: the 0 is an axis, and the largest values along "
                    "it come back with their places. Look for the function that compares element by element.")
def takes_the_maximum_along_an_axis(x):
    return torch.max(x, 0)


@relu.misconception("`torch.max` takes the 0 for an axis; its `.values` are the largest of each column, and nothing "
                    "was compared with 0. Look for the function that compares element by element.")
def keeps_the_largest_of_each_column(x):
    return torch.max(x, 0).values


@relu.misconception("Python's own `max` and `if` want one answer for all of `x`, and a tensor has one for each of "
                    "its numbers. Use an operation of tensors, one that works element by element.")
def uses_pythons_max(x):
    return max(x, 0 * x)


@relu.misconception("The numbers that are not above 0 were thrown away, and with them the shape. They become 0 and "
                    "stay in their places.")
def drops_numbers(x):
    return x[x > 0]


@relu.misconception("All that passed came out as 1: that is the step function, and its gradient is 0 everywhere. ReLU "
                    "lets a positive number pass unchanged.")
def takes_the_step_function(x):
    return (x > 0).to(x.dtype) + 0 * x


@relu.misconception("The negative side was kept and the positive one set to 0. It is the other way round: max(x, 0), "
                    "not min(x, 0).")
def keeps_the_negative(x):
    return x.clamp(max=0)


@relu.misconception("`view` refuses a tensor whose numbers do not lie one behind the other in memory, a transposed "
                    "one for instance. Operations that work element by element need no flattening at all.")
def flattens_by_view(x):
    return x.view(-1).clamp(min=0).view(x.shape)


@relu.misconception("Large numbers were cut off at 6: that is ReLU6, a relative for small devices. ReLU itself has no "
                    "ceiling.")
def has_a_high_ceiling(x):
    return x.clamp(0, 6)


@relu.misconception("Large numbers were cut off at 1. ReLU has a floor and no ceiling: 5 stays 5.")
def has_a_ceiling(x):
    return x.clamp(0, 1)


@relu.misconception("This is softplus, log(1 + eˣ), a smooth relative: near 0 it is too high, and negative numbers do "
                    "not become exactly 0.")
def smooths_the_corner(x):
    return torch.log1p(torch.exp(-x.abs())) + (x + x.abs()) / 2


@relu.misconception("The result is always float32. A layer keeps the dtype it is given: float64 in, float64 out.")
def always_float32(x):
    return x.clamp(min=0).float()


@relu.alternative
def by_clamp(x):
    return x.clamp(min=0)


@relu.alternative
def by_where(x):
    return torch.where(x > 0, x, torch.zeros_like(x))


@relu.alternative
def by_mask(x):
    return x * (x > 0)


@relu.alternative
def by_absolute_value(x):
    return (x + x.abs()) / 2


@relu.alternative
def on_a_copy(x):
    result = x.clone()
    result[result < 0] = 0
    return result


@relu.alternative
def by_maximum(x):
    return torch.maximum(x, x.new_zeros(()))


# --------------------------------------------------------------------------------------------------------------- relu_


class _Allocations(TorchDispatchMode):
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
    sizes = draw.uniform(6, low=0.5, high=2) * torch.tensor([1.0, 1, 1, -1, -1, -1])
    return sizes[torch.argsort(draw.distinct(6))]


@exercise(points=10, reference=torch.relu_, bans=frozenset({"aten::relu", "aten::relu_"}))
def relu_(impl, draw):
    def in_place():
        x = draw.normal(4, 6)
        impl(x)
        return x

    def same_tensor():
        x = draw.normal(4, 6)
        result = impl(x)
        return {"result": result, "is x itself": result is x}

    def memory():
        x = draw.normal(10, 20)
        with _Allocations() as seen:
            impl(x)
        return {"x afterwards": x, "bytes allocated": seen.bytes}

    def view():
        whole = draw.normal(5, 7)
        x = whole[:, ::2]
        result = impl(x)
        return {"result": result, "is x itself": result is x, "the larger tensor": whole}

    def shapes():
        given = [-draw.uniform(low=1, high=2), draw.normal(5, dtype=torch.float64), draw.normal(2, 3, 2, 2)]
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
    yield aspect("shapes and dtypes", "Any shape and any floating dtype will do.", shapes)


@relu_.misconception("`x = ...` gave the name `x` to a new tensor; the caller's tensor never changed. Change the "
                     "memory of the tensor you were given, with an operation that works in place.")
def rebinds_the_name(x):
    x = x.clamp(min=0)
    return x


@relu_.misconception("`x` was changed as it should be, but nothing came back: the function has no `return`. In-place "
                     "functions return their tensor, so that calls can be chained.")
def returns_nothing(x):
    x.clamp_(min=0)


@relu_.misconception("A mask was built on the way: `x < 0` is a tensor with one byte for each number of `x`. The "
                     "values are right, the memory is not. There is an operation that compares and writes in one go.")
def builds_a_mask(x):
    x[x < 0] = 0
    return x


@relu_.misconception("The values are right, but a second tensor as large as `x` was made: a ReLU to copy back, or "
                     "zeros to compare with. Not to need that memory is what an in-place function is for.")
def copies_back(x):
    x.copy_(x.clamp(min=0))
    return x


@relu_.misconception("`x.data = ...` gave `x` other memory instead of writing into its own. Views of `x` and tensors "
                     "that share its memory still hold the old numbers, and a second tensor was allocated.")
def exchanges_the_data(x):
    x.data = x.clamp(min=0)
    return x


@relu_.misconception("The numbers changed in place, but what came back is another tensor that shares `x`'s memory "
                     "(`.data`, `detach()` and views make one). Return `x` itself.")
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


@relu_.alternative
def by_clamp_min(x):
    return x.clamp_min_(0)


@relu_.alternative
def by_clamp_out(x):
    torch.clamp(x, min=0, out=x)
    return x


@relu_.alternative
def by_threshold(x):
    return F.threshold_(x, 0, 0)


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


# -------------------------------------------------------------------------------------------------------- ReLUFunction


class ReferenceReLU(torch.autograd.Function):
    """ReLU by hand, the output kept for the backward pass."""

    @staticmethod
    def forward(ctx, x):
        result = x.clamp(min=0)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return grad_out * (result > 0)


def _kept(x, result):
    """What a result's node keeps for the backward pass, and where."""
    node = result.grad_fn
    saved = [tensor for tensor in node.saved_tensors if tensor is not None]
    hung = [value for value in vars(node).values() if isinstance(value, torch.Tensor)]
    memory = {tensor.data_ptr() for tensor in (x, result)}
    size = sum(tensor.numel() * tensor.element_size() for tensor in (*saved, *hung))
    return {
        "tensors kept": len(saved) + len(hung),
        "bytes more than x has": max(0, size - x.numel() * x.element_size()),
        "x or the result is an attribute": any(tensor.data_ptr() in memory for tensor in hung),
    }


@exercise(points=16, reference=ReferenceReLU, bans=frozenset({"aten::relu", "aten::relu_"}))
def ReLUFunction(impl, draw):
    def forward():
        x = draw.normal(8, 12)
        return {"result": impl.apply(x), "x afterwards": x}

    def at_zero():
        x = draw.normal(8, 12)
        x[:, ::2] = 0
        return gradients(impl.apply, x)

    def kept():
        x = draw.normal(8, 12).requires_grad_()
        result = impl.apply(x)
        facts = _kept(x, result)
        return {"gradient": torch.autograd.grad(result, x, draw.normal(8, 12))[0], **facts}

    def incoming():
        x, grad_out = draw.normal(8, 12).requires_grad_(), draw.normal(8, 12)
        gradient, = torch.autograd.grad(impl.apply(x), x, grad_out)
        return {"gradient": gradient, "incoming gradient afterwards": grad_out}

    def two_calls():
        first, second = draw.normal(8, 12).requires_grad_(), draw.normal(8, 12).requires_grad_()
        results = impl.apply(first), impl.apply(second)
        return list(torch.autograd.grad(results, (first, second), (draw.normal(8, 12), draw.normal(8, 12))))

    yield aspect("forward", "`forward` returns ReLU(x) as a new tensor; `x` stays as it was.", forward)
    yield aspect("backward", "`backward` multiplies the gradient that comes in by the slope: 1 where `x` was above 0, "
                 "0 elsewhere.", lambda: gradients(impl.apply, draw.normal(8, 12)))
    yield aspect("at exactly 0", "At exactly 0, where the curve has its corner, the gradient is 0.", at_zero)
    yield aspect("what is kept", "Keep one tensor for `backward`, with no more bytes than `x` has, and hand it over "
                 "through `ctx.save_for_backward`.", kept)
    yield aspect("incoming gradient", "The gradient that comes in is not yours: it stays as it was.", incoming)
    yield aspect("two calls", "Two calls do not disturb each other: each `backward` uses what its own `forward` kept.",
                 two_calls)


@ReLUFunction.misconception("The gradient at exactly 0 came out as 1. The task asks for 0 there: compare with > "
                            "instead of ≥. Zeros are common: every ReLU below makes them by the thousand.")
class PassesAtZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x >= 0)


@ReLUFunction.misconception("The gradient at exactly 0 came out as half of what came in. The mean of both slopes is a "
                            "fair choice, but the task (and PyTorch) takes 0 there.")
class HalvesAtZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x.sign() + 1) / 2


@ReLUFunction.misconception("`backward` returned the slope alone. The chain rule multiplies it by the gradient that "
                            "comes in from the layers above; without it, this layer works only directly below a sum.")
class ForgetsTheChainRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (x > 0).to(grad_out.dtype)


@ReLUFunction.misconception("`backward` handed on the whole gradient. Where `x` was not above 0, the result did not "
                            "depend on it: nothing may pass there. (The *output* is never below 0, so ≥ lets "
                            "everything pass.)")
class PassesEverything(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clone()


@ReLUFunction.misconception("The gradient itself went through a ReLU: its negative entries are gone. What decides is "
                            "the sign of `x` in the forward pass, not the sign of the gradient.")
class RectifiesTheGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clamp(min=0)


@ReLUFunction.misconception("Two masks were applied: one by the sign of `x`, as it should be, and one by the sign of "
                            "the gradient. Negative gradients pass where `x` was above 0.")
class RectifiesTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out.clamp(min=0) * (x > 0)


@ReLUFunction.misconception("The mask is the wrong way round: the gradient came through where `x` was not above 0, and "
                            "was stopped where it was.")
class PassesTheOtherHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x <= 0)


@ReLUFunction.misconception("`ctx.saved_tensors` is a tuple, even when one tensor was saved. Take the tensor out of it "
                            "before you compare; the pattern `Square` shows how.")
class ComparesTheTuple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.saved_tensors > 0)


@ReLUFunction.misconception("The gradient was multiplied by the output of ReLU. It is multiplied by the slope of "
                            "ReLU, which is 1 or 0 and does not grow with `x`.")
class MultipliesByTheOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x.clamp(min=0)


@ReLUFunction.misconception("`forward` overwrote its input. Who called it may still need `x`: for a shortcut around "
                            "the layer, for one. Compute into a new tensor.")
class OverwritesItsInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.clamp_(min=0).clone()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return grad_out * (result > 0)


@ReLUFunction.misconception("`backward` wrote into the gradient that came in. Autograd may hand that same tensor to "
                            "another branch of the net, which then gets your zeros. Make a new tensor.")
class OverwritesTheGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        grad_out[x <= 0] = 0
        return grad_out


@ReLUFunction.misconception("Two tensors were saved. The slope can be read off either of them; the second one costs "
                            "memory in every layer of the net until `backward` has run.")
class SavesInputAndOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.clamp(min=0)
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        x, _ = ctx.saved_tensors
        return grad_out * (x > 0)


@ReLUFunction.misconception("What was saved has more bytes than `x`: an int64 takes 8 bytes, a float32 of `x` takes "
                            "4. Save `x`, the result, or a mask of bools, which take one byte each.")
class SavesWholeNumbers(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.where(x > 0, 1, 0))
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (passed,) = ctx.saved_tensors
        return grad_out * passed


@ReLUFunction.misconception("A tensor was kept as an attribute, like `ctx.x = x`. It belongs in "
                            "`ctx.save_for_backward`: only there is a change in place noticed, and the memory freed "
                            "in time.")
class KeepsAnAttribute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.x > 0)


@ReLUFunction.misconception("What `backward` needs was kept on the class, which all calls share: the second call "
                            "overwrote what the first had kept. `ctx` is there because it is new in every call.")
class KeepsItOnTheClass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        KeepsItOnTheClass.passed = x > 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * KeepsItOnTheClass.passed


@ReLUFunction.misconception("`backward` returned None, so no gradient reaches `x`. It returns one gradient for each "
                            "input of `forward`. Is a `return` missing?")
class ReturnsNoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return None


@ReLUFunction.alternative
class SavesTheInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.maximum(x, torch.zeros_like(x))

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        grad_x = grad_out.clone()
        grad_x[x <= 0] = 0
        return grad_x


@ReLUFunction.alternative
class SavesAMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        positive = x > 0
        ctx.save_for_backward(positive)
        return x * positive

    @staticmethod
    def backward(ctx, grad_out):
        (positive,) = ctx.saved_tensors
        return torch.where(positive, grad_out, 0.0)


@ReLUFunction.alternative
class HangsAMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.positive = x > 0
        return torch.where(ctx.positive, x, 0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.masked_fill(~ctx.positive, 0)


@ReLUFunction.alternative
class SetsUpItsContext(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_out):
        (output,) = ctx.saved_tensors
        return grad_out * output.sign()


ReLUFunction.equivalent("@staticmethod -> ", "`apply` looks both methods up on the class, where a plain function is "
                        "called the same way: PyTorch asks for static methods, but does not insist.")


# ---------------------------------------------------------------------------------------------------------- leaky_relu


@exercise(points=10, reference=F.leaky_relu, bans=frozenset({"aten::leaky_relu", "aten::leaky_relu_"}))
def leaky_relu(impl, draw):
    yield aspect("values", "What is above 0 passes; everything else is multiplied by `negative_slope`.",
                 lambda: impl(10 * draw.normal(4, 6), 0.2))
    yield aspect("the default", "Without a `negative_slope` the slope is 0.01.", lambda: impl(100 * draw.normal(3, 5)))
    yield aspect("slope 0", "With a `negative_slope` of 0 it is ReLU.", lambda: impl(10 * draw.normal(4, 6), 0.0))
    yield aspect("slope above 1", "A slope above 1 is allowed: the negative side is then the steeper one.",
                 lambda: impl(draw.normal(4, 6), 2.5))
    yield aspect("input left alone", "`x` is not changed.", lambda: _leaves_alone(impl, draw.normal(4, 6), 0.3))
    yield aspect("gradient", "Gradients flow: 1 on the positive side, `negative_slope` on the negative one.",
                 lambda: _values_and_gradient(lambda x: impl(x, 0.3), draw.normal(4, 5)))
    yield aspect("shapes and dtypes", "Shape and dtype stay, whatever they are.", lambda: [
        impl(-draw.uniform(low=1, high=2), 0.3), impl(draw.normal(2, 3, 4, 2), 0.3),
        impl(draw.normal(3, 4, dtype=torch.float64), 0.3), impl(draw.normal(5, 4).t(), 0.3)])


def _values_and_gradient(function, x):
    return {"gradient": gradients(function, x), "values": function(x)}


def _leaves_alone(impl, x, *arguments):
    result = impl(x, *arguments)
    return {"result": result, "x afterwards": x}


@leaky_relu.misconception("max(x, slope · x) is the leaky ReLU only while the slope is below 1. Above 1 the larger of "
                          "the two is the wrong one, on both sides of 0. Choose by the sign of x, not by size.")
def takes_the_larger(x, negative_slope=0.01):
    return torch.maximum(x, negative_slope * x)


@leaky_relu.misconception("A slope of 0 was taken for a missing one: `negative_slope or 0.01` replaces 0, since 0 "
                          "counts as false. The signature's default is enough.")
def replaces_zero(x, negative_slope=0.01):
    negative_slope = negative_slope or 0.01
    return torch.where(x > 0, x, negative_slope * x)


@leaky_relu.misconception("The slope is always 0.01: the argument `negative_slope` was not used.")
def ignores_the_slope(x, negative_slope=0.01):
    return torch.where(x > 0, x, 0.01 * x)


@leaky_relu.misconception("Negative numbers came out positive. The negative part keeps its sign: −5 with slope 0.2 "
                          "gives −1. If you wrote it as relu(x) and relu(−x), look at the sign between them.")
def turns_the_leak_upwards(x, negative_slope=0.01):
    return x.clamp(min=0) + negative_slope * (-x).clamp(min=0)


@leaky_relu.misconception("The slope was used on both sides. Only negative numbers are scaled; positive ones pass as "
                          "they are.")
def scales_both_sides(x, negative_slope=0.01):
    return negative_slope * x


@leaky_relu.misconception("The sides are exchanged: positive numbers were scaled and negative ones passed.")
def exchanges_the_sides(x, negative_slope=0.01):
    return torch.where(x > 0, negative_slope * x, x)


@leaky_relu.misconception("All negative numbers came out alike, at −negative_slope: that is a floor. The leak is a "
                          "slope: twice as far below 0 gives twice as much.")
def has_a_floor(x, negative_slope=0.01):
    return torch.where(x > 0, x, torch.full_like(x, -negative_slope))


@leaky_relu.misconception("The whole scaled input was added to ReLU(x), so positive numbers are too large, by the "
                          "factor 1 + negative_slope. Add the leak on the negative side alone.")
def adds_the_leak_everywhere(x, negative_slope=0.01):
    return x.clamp(min=0) + negative_slope * x


@leaky_relu.misconception("The negative side was bent: this is the ELU, slope · (eˣ − 1), which flattens out. A leaky "
                          "ReLU is a straight line there.")
def bends_the_negative_side(x, negative_slope=0.01):
    return torch.where(x > 0, x, negative_slope * torch.expm1(x))


@leaky_relu.misconception("`x` was overwritten: the result is right, but the caller's tensor changed with it. Look "
                          "for an assignment into `x[...]`, an `*=` or a method that ends in `_`.")
def overwrites_x_leaking(x, negative_slope=0.01):
    x[x < 0] *= negative_slope
    return x


@leaky_relu.misconception("Autograd lost track of the input (`detach`, `.data`, `no_grad`, NumPy or a fresh tensor). "
                          "The numbers are right, but nothing beneath this layer could learn.")
def cuts_the_graph_leaking(x, negative_slope=0.01):
    x = x.detach()
    return torch.where(x > 0, x, negative_slope * x)


@leaky_relu.misconception("The values are right, but the leak was cut out of the graph: on the negative side the "
                          "gradient is 0, and a dead unit stays dead. The gradient through the leak is what it is "
                          "there for.")
def cuts_the_leak(x, negative_slope=0.01):
    return torch.where(x > 0, x, negative_slope * x.detach())


@leaky_relu.alternative
def by_choice(x, negative_slope=0.01):
    return torch.where(x > 0, x, negative_slope * x)


@leaky_relu.alternative
def by_two_relus(x, negative_slope=0.01):
    return F.relu(x) - negative_slope * F.relu(-x)


@leaky_relu.alternative
def by_two_clamps(x, negative_slope=0.01):
    return x.clamp(min=0) + negative_slope * x.clamp(max=0)


@leaky_relu.alternative
def by_factors(x, negative_slope=0.01):
    factors = torch.ones_like(x)
    factors[x < 0] = negative_slope
    return x * factors


@leaky_relu.alternative
def by_prelu(x, negative_slope=0.01):
    return F.prelu(x, torch.tensor(negative_slope, dtype=x.dtype))


# ------------------------------------------------------------------------------------------------------------- sigmoid


def _far(draw):
    """Ordinary numbers, then far ones on both sides: around 100, and 1000."""
    far = torch.cat([draw.uniform(3, low=90, high=300), torch.tensor([1000.0])])
    return torch.cat([draw.normal(4), far, -far])


@exercise(points=14, reference=torch.sigmoid, bans=frozenset({"aten::sigmoid", "aten::sigmoid_"}))
def sigmoid(impl, draw):
    def far_gradient():
        x = _far(draw)
        return {"values": impl(x.clone()), "gradient": _gradient(impl, x)}

    def kept():
        x = draw.distinct(3, 5)
        return {"float64 input": impl(x.double()), "non-contiguous input": impl(draw.distinct(5, 3).t()),
                "input left alone": impl(x), "x afterwards": x}

    yield aspect("values", "σ(x) = 1 / (1 + e⁻ˣ), for each number of `x` alone; the shape stays.",
                 lambda: [impl(4 * draw.distinct(4, 6)), impl(draw.normal()), impl(draw.normal(2, 2, 3, 2))])
    yield aspect("far values", "In float32, far out to −1000 and 1000, the result is 0 and 1, never NaN.",
                 lambda: impl(_far(draw)))
    yield aspect("gradient", "Gradients flow through; they equal σ(x)·(1 − σ(x)).",
                 lambda: gradients(impl, 4 * draw.distinct(4, 5)))
    yield aspect("far gradient", "The gradient is as well-behaved as the value: 0 at −1000 and at 1000, never NaN.",
                 far_gradient, weight=2)
    yield aspect("gradient at 0", "At exactly 0 the gradient is 1/4, the steepest point of the curve.",
                 lambda: _gradient(impl, torch.cat([torch.zeros(3), draw.normal(3), -torch.zeros(2)])))
    yield aspect("habits", "float64 stays float64, a non-contiguous `x` is welcome, and `x` is left untouched.", kept)


@sigmoid.misconception("This is the formula as it stands. Far below 0, e⁻ˣ is infinite: the value survives, but in "
                       "the gradient the chain rule multiplies ∞ by 0, which is NaN. Never let `exp` see a large "
                       "number.")
def takes_the_formula(x):
    return 1 / (1 + torch.exp(-x))


@sigmoid.misconception("eˣ/(1 + eˣ) gives ∞/∞ = NaN for large x: `exp` overflows float32 beyond 88. Find a form in "
                       "which `exp` sees only numbers that are not positive.")
def divides_infinities(x):
    return torch.exp(x) / (1 + torch.exp(x))


@sigmoid.misconception("`torch.where` chose the stable formula, but both were computed, and the one not chosen has "
                       "the gradient 0 · ∞ = NaN. Make the input of `exp` safe before you choose.")
def chooses_too_late(x):
    return torch.where(x >= 0, 1 / (1 + torch.exp(-x)), torch.exp(x) / (1 + torch.exp(x)))


@sigmoid.misconception("The NaN was replaced in the value alone. The gradient still runs through the overflowed `exp` "
                       "and is NaN there. Avoid the overflow instead of painting over it.")
def paints_over_nan(x):
    return torch.nan_to_num(torch.exp(x) / (1 + torch.exp(x)), nan=1.0)


@sigmoid.misconception("float64 only moves the cliff: there `exp` overflows beyond 709, and at −1000 your gradient is "
                       "NaN as before. Change the formula, not the precision.")
def computes_in_float64(x):
    return (1 / (1 + torch.exp(-x.double()))).to(x.dtype)


@sigmoid.misconception("At exactly 0 the gradient came out as 0, not 1/4; all else is right. `abs` has the slope 0 at "
                       "its corner, and so has a 0.5 put in by hand. Choose between x and −x in another way.")
def trips_over_the_corner(x):
    z = torch.exp(-x.abs())
    return torch.where(x >= 0, 1 / (1 + z), z / (1 + z))


@sigmoid.misconception("`x` was clipped too close to 0. Beyond the clip the curve stands still above 0 and below 1, "
                       "and its gradient is exactly 0 where it should only be small.")
def clips_too_early(x):
    return 1 / (1 + torch.exp(-x.clamp(-5, 5)))


@sigmoid.misconception("The curve falls where it should rise: the sign in the exponent is wrong. σ of a large "
                       "positive number is 1.")
def falls_where_it_should_rise(x):
    x = x.clamp(-80, 80)
    return 1 / (1 + torch.exp(x))


@sigmoid.misconception("The curve is twice as steep as it should be. σ(x) and the hyperbolic tangent are the same "
                       "curve, but tanh needs half of x inside.")
def forgets_the_half(x):
    return (1 + torch.tanh(x)) / 2


@sigmoid.misconception("Brackets are missing: `1 / 1 + exp(−x)` divides first and then adds, so your numbers are above "
                       "1. The whole sum 1 + e⁻ˣ stands below the line.")
def forgets_the_brackets(x):
    return 1 / 1 + torch.exp(-x)


@sigmoid.misconception("This is a softmax over an axis of `x`: its numbers share 1 among themselves. A sigmoid looks "
                       "at each number alone.")
def takes_softmax_over_an_axis(x):
    return torch.softmax(x, dim=-1)


@sigmoid.misconception("`if` asks for one sign of all of `x`, but each number has its own. Let an operation of tensors "
                       "choose, number by number.")
def decides_for_the_whole(x):
    if x >= 0:
        return 1 / (1 + torch.exp(-x))
    return torch.exp(x) / (1 + torch.exp(x))


@sigmoid.misconception("`view` wants numbers that lie one behind the other in memory, and a transposed `x` has them in "
                       "another order. No flattening is needed here.")
def flattens_by_view_first(x):
    return ((1 + torch.tanh(x.view(-1) / 2)) / 2).view(x.shape)


@sigmoid.misconception("This is the hyperbolic tangent, from −1 to 1. The sigmoid runs from 0 to 1: scale and shift "
                       "it.")
def takes_tanh(x):
    return torch.tanh(x / 2)


@sigmoid.misconception("This is a straight line between two flat parts, the hard sigmoid. The sigmoid is smooth, and "
                       "never quite flat.")
def cuts_corners(x):
    return (x / 4 + 0.5).clamp(0, 1)


@sigmoid.misconception("The numbers are right, and `x` is gone: an operation with an underscore at its end wrote into "
                       "the caller's tensor. Compute with new tensors.")
def overwrites_x_with_sigmoid(x):
    return (1 + x.div_(2).tanh()) / 2


@sigmoid.misconception("The result is cut off from its input: under `no_grad`, after `detach` or through NumPy, "
                       "autograd sees nothing, and a sigmoid without gradient teaches nothing.")
def cuts_the_graph_of_sigmoid(x):
    return (1 + torch.tanh(x.detach() / 2)) / 2


@sigmoid.alternative
def by_tanh(x):
    return (1 + torch.tanh(x / 2)) / 2


@sigmoid.alternative
def by_logaddexp(x):
    return torch.exp(-torch.logaddexp(torch.zeros_like(x), -x))


@sigmoid.alternative
def by_softmax(x):
    return torch.softmax(torch.stack([x, torch.zeros_like(x)]), dim=0)[0]


@sigmoid.alternative
def by_safe_choice(x):
    positive = x >= 0
    z = torch.exp(torch.where(positive, -x, x))
    return torch.where(positive, 1 / (1 + z), z / (1 + z))


@sigmoid.alternative
def by_log_sigmoid(x):
    return F.logsigmoid(x).exp()


@sigmoid.alternative
def by_wide_clip(x):
    return 1 / (1 + torch.exp(-x.clamp(-80, 80)))


class SigmoidByHand(torch.autograd.Function):
    """The sigmoid with a backward pass of its own."""

    @staticmethod
    def forward(ctx, x):
        result = 1 / (1 + torch.exp(-x))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return grad_out * result * (1 - result)


@sigmoid.alternative
def by_own_backward(x):
    return SigmoidByHand.apply(x)


# ------------------------------------------------------------------------------------------------------- dead_fraction


def _share_of_silent_units(activations):
    units = activations.transpose(0, 1).flatten(1)
    return (units.amax(1) <= 0).double().mean().item()


def _firing(draw, dead, *shape):
    """Activations after a ReLU: `dead` channels are 0, the others fire here and there."""
    x = draw.normal(*shape).sub(1).clamp(min=0)
    units = draw.distinct(shape[1]).argsort()
    x[:, units[:dead]] = 0
    x[int(draw.integers(0, shape[0])), units[dead:]] += 0.5
    return x


@exercise(points=10, reference=_share_of_silent_units)
def dead_fraction(impl, draw):
    def one_place():
        x = torch.zeros(3, 8, 4, 4)
        alive = draw.distinct(8).argsort()[:3]
        for channel in alive.tolist():
            x[int(draw.integers(0, 3)), channel, int(draw.integers(0, 4)), int(draw.integers(0, 4))] = 1.5
        return impl(x)

    def below_zero():
        x = -draw.uniform(20, 10, low=0.1, high=3)
        units = draw.distinct(10).argsort()
        x[int(draw.integers(0, 20)), units[:4]] = 0.25
        x[:, units[4]] = 0
        x[:, units[5]] = draw.uniform(20, low=1, high=2)
        x[int(draw.integers(0, 20)), units[5]] = -0.5
        maps = -draw.uniform(3, 8, 2, 3, low=0.5, high=1)
        maps[1, draw.distinct(8).argsort()[:3], 1, 2] = 0.25
        return [impl(x), impl(maps)]

    def none_and_all():
        once = torch.zeros(5, 6)
        once[int(draw.integers(0, 5))] = 0.5
        return [impl(once), impl(torch.zeros(4, 3, 2, 2)), impl(_firing(draw, 1, 5, 4))]

    def left_alone():
        x = _firing(draw, 2, 16, 5, 4)
        x -= 0.01 * ((x == 0) & (x.amax((0, 2), keepdim=True) > 0))  # in living units, so that 0 and below differ
        return {"share": impl(x), "activations afterwards": x}

    yield aspect("a linear layer", "For a linear layer, activations are (N, C): N examples, C units.",
                 lambda: impl(_firing(draw, 3, 39, 8)))
    yield aspect("feature maps", "For a convolution they are (N, C, H, W), and a unit is a whole channel: it is "
                 "alive if it fires for any example, at any place.",
                 lambda: [impl(_firing(draw, 2, 13, 10, 2, 5)), one_place()])
    yield aspect("sequences", "Units are always dimension 1, whatever follows: (N, C, L) works, too.",
                 lambda: impl(_firing(draw, 5, 15, 8, 7)))
    yield aspect("below 0", "To fire means to be above 0. A unit that gives only zeros or negative numbers is dead.",
                 below_zero)
    yield aspect("input left alone", "`activations` are only looked at: shape and numbers stay.", left_alone)
    yield aspect("none and all", "The result is 0.0 where every unit fires and 1.0 where none does.",
                 none_and_all)


@dead_fraction.misconception("You gave the share of zeros among all activations. Half may be 0 with every unit alive: "
                             "a dead unit is silent for all examples. First decide for each unit, then count.")
def counts_zeros(activations):
    return (activations <= 0).float().mean().item()


@dead_fraction.misconception("You called a unit dead that is silent for some example. It must be silent for every "
                             "one: look for the place where `any` and `all` (or `min` and `max`) are exchanged.")
def one_silence_is_enough(activations):
    units = activations.transpose(0, 1).flatten(1)
    return (units <= 0).any(1).float().mean().item()


@dead_fraction.misconception("You looked for examples that fire no unit. Dimension 0 is the batch; units are "
                             "dimension 1.")
def counts_examples(activations):
    return (activations.flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("You counted each place of a feature map as a unit. All places of a channel share one "
                             "filter: the channel is dead only if it fires at no place.")
def counts_places(activations):
    return (activations <= 0).all(0).float().mean().item()


@dead_fraction.misconception("You looked for a unit in the last dimension. In (N, C, H, W) that is the width; units "
                             "are dimension 1.")
def takes_the_last_dimension(activations):
    return (activations <= 0).flatten(0, -2).all(0).float().mean().item()


@dead_fraction.misconception("This is the number of dead units. The task asks for their share: divide by how many "
                             "units there are.")
def counts_units(activations):
    return float((activations.transpose(0, 1).flatten(1) <= 0).all(1).sum())


@dead_fraction.misconception("This is the share of units that are alive; the dead ones are the others.")
def counts_the_living(activations):
    return (activations.transpose(0, 1).flatten(1) > 0).any(1).float().mean().item()


@dead_fraction.misconception("You asked for exactly 0. A unit that gives only negative numbers (before the ReLU, or "
                             "behind a leaky one) never fires either: dead is what is never above 0.")
def wants_exact_zeros(activations):
    return (activations.transpose(0, 1).flatten(1) == 0).all(1).float().mean().item()


@dead_fraction.misconception("You added a unit's activations up (or averaged them). Where there are negative numbers "
                             "they cancel the positive ones, and a unit that does fire looks dead. Look at its "
                             "largest.")
def adds_up(activations):
    return (activations.transpose(0, 1).flatten(1).sum(1) <= 0).float().mean().item()


@dead_fraction.misconception("You took 0 for firing: with ≥ in place of >, a unit that gives only zeros counts as "
                             "alive, and behind a ReLU no unit is ever dead.")
def takes_zero_for_firing(activations):
    return 1.0 - (activations.transpose(0, 1).flatten(1) >= 0).any(1).float().mean().item()


@dead_fraction.misconception("The result is a tensor. The task asks for a Python float, a plain number to print and "
                             "to plot: look for the method that takes the number out of a tensor.")
def returns_a_tensor(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).float().mean()


@dead_fraction.misconception("This is a percentage. A share lies between 0 and 1.")
def gives_percent(activations):
    return 100 * (activations.transpose(0, 1).flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("The share is right, but the caller's tensor has another shape now: `transpose_`, with an "
                             "underscore at its end, turned it. Measuring changes nothing.")
def changes_what_it_measures(activations):
    return (activations.transpose_(0, 1).flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("The share is right, but negative activations of the caller's became 0: a method with an "
                             "underscore at its end (`clamp_`, `relu_`) or an assignment wrote into them. Only look.")
def rectifies_what_it_measures(activations):
    return (activations.clamp_(min=0).transpose(0, 1).flatten(1) == 0).all(1).float().mean().item()


@dead_fraction.misconception("You averaged (or added) over the places of a feature map before asking who fires. One "
                             "place above 0 is enough to live, whatever the others say: averages hide it.")
def averages_the_places(activations):
    maps = activations.reshape(*activations.shape[:2], -1)
    return (maps.mean(2) <= 0).all(0).float().mean().item()


@dead_fraction.misconception("`reshape` and `view` cut memory into new rows; they exchange no axes. Your rows mix "
                             "several units. First bring dimension 1 to the front, then flatten the others.")
def reshapes_without_moving(activations):
    return (activations.reshape(activations.shape[1], -1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("You divided by the size of the batch. A share of units is divided by the number of "
                             "units, the size of dimension 1.")
def divides_by_the_batch(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).sum().item() / len(activations)


@dead_fraction.misconception("You divided by the number of all activations. What you count are units, and there are as "
                             "many as dimension 1 is long.")
def divides_by_everything(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).sum().item() / activations.numel()


@dead_fraction.misconception("The result was rounded to a whole number: `//` drops the fraction (so does `int`), and "
                             "any share below 1 becomes 0.")
def drops_the_fraction(activations):
    dead = (activations.transpose(0, 1).flatten(1) <= 0).all(1)
    return float(dead.sum().item() // len(dead))


@dead_fraction.alternative
def unit_by_unit(activations):
    channels = activations.shape[1]
    return sum(not (activations[:, channel] > 0).any() for channel in range(channels)) / channels


@dead_fraction.alternative
def by_axes(activations):
    axes = [axis for axis in range(activations.ndim) if axis != 1]
    return 1 - (activations > 0).sum(axes).bool().double().mean().item()


@dead_fraction.alternative
def by_largest(activations):
    largest = activations.movedim(1, -1).reshape(-1, activations.shape[1]).max(dim=0).values
    return int((largest <= 0).sum()) / len(largest)


@dead_fraction.alternative
def by_numpy(activations):
    array = activations.detach().numpy().swapaxes(0, 1)
    return float((array.reshape(len(array), -1).max(axis=1) <= 0).mean())


# ----------------------------------------------------------------------------------------------------- kaiming_normal_


def _kaiming(weight, negative_slope=0.0, generator=None):
    return nn.init.kaiming_normal_(weight, a=negative_slope, generator=generator)


def _spread(weight, fan_in):
    """The standard deviation in units that make it comparable: √2 is what a ReLU wants."""
    if len(weight) > 1 and torch.equal(weight, weight[:1].expand_as(weight)):
        return "the same row again and again"
    return weight.detach().double().std().item() * fan_in**0.5


def _is_filled(weight, fan_in):
    """Whether it holds random numbers of the right size, more or less: how large exactly is for other aspects."""
    return 0.5 < weight.detach().double().std().item() * fan_in**0.5 < 4


def _filled(impl, draw, *shape, **arguments):
    """A weight that holds 7 everywhere until `impl` fills it in place."""
    weight = torch.full(shape, 7.0)
    impl(weight, **arguments, generator=draw.generator())
    return weight


@exercise(points=16, reference=_kaiming)
def kaiming_normal_(impl, draw):
    def shape_of_the_distribution():
        weight = _filled(impl, draw, 200, 200).double()
        spread = weight.std()
        return {"mean over σ": (weight.mean() / spread).item(),
                "share within 1 σ": (weight.abs() < spread).double().mean().item(),
                "rows differ": bool(weight.std(0).mean() > spread / 2),
                "columns differ": bool(weight.std(1).mean() > spread / 2)}

    def slopes():
        seen = {f"a = {slope:g}": _spread(_filled(impl, draw, 200, 60, negative_slope=slope), 60)
                for slope in (0.5, 1.5)}
        seed, weights = draw.seed(), [torch.full((20, 30), 7.0) for _ in range(2)]
        for weight, slope in zip(weights, ({}, {"negative_slope": 0.0}), strict=True):
            torch.default_generator.manual_seed(seed)  # whichever generator is used: that is not the question here
            impl(weight, **slope, generator=torch.Generator().manual_seed(seed))
        return {**seen, "left out, it is 0": torch.equal(*weights)}

    def in_place():
        weight = nn.Parameter(torch.full((100, 50), 7.0))
        result = impl(weight, generator=draw.generator())
        returns = "the weight" if result is weight else "nothing" if result is None else "something else"
        return {"filled": _is_filled(weight, 50), "returns": returns,
                "is still trained": weight.requires_grad, "is still a leaf": weight.is_leaf}

    def generator_alone():
        seed, outside = draw.seed(), torch.get_rng_state()
        same = [torch.full((50, 40), 7.0) for _ in range(2)]
        for weight in same:
            impl(weight, generator=torch.Generator().manual_seed(seed))
        return {"filled": _is_filled(same[0], 40), "same seed, same weights": torch.equal(*same),
                "another seed, the same weights": torch.equal(same[0], _filled(impl, draw, 50, 40)),
                "PyTorch's own generator untouched": torch.equal(outside, torch.get_rng_state())}

    def no_generator():
        weights = [torch.full((50, 40), 7.0) for _ in range(2)]
        for weight in weights:
            impl(weight)
        return {"filled": _is_filled(weights[0], 40), "the same twice": torch.equal(*weights)}

    def thirty_layers():
        x, generator = draw.normal(40, 128), draw.generator()
        before = x.square().mean()
        for _ in range(30):
            weight = torch.full((128, 128), 7.0)
            impl(weight, generator=generator)
            x = (x @ weight.T).clamp(min=0)
        return (x.double().square().mean() / before).log().item()

    yield aspect("linear weights", "For a linear weight (out_features, in_features), fan-in is in_features. There may "
                 "be a single output.", lambda: {"50 → 400": _spread(_filled(impl, draw, 400, 50), 50),
                                                 "20000 → 1": _spread(_filled(impl, draw, 1, 20_000), 20_000),
                                                 "3 → 6000": _spread(_filled(impl, draw, 6000, 3), 3)},
                 rtol=0.05, atol=0)
    yield aspect("convolution weights", "For a convolution weight (out_channels, in_channels / groups, kH, kW), "
                 "fan-in is in_channels / groups · kH · kW: the numbers that one output adds up.",
                 lambda: {"16 → 24, 3×5": _spread(_filled(impl, draw, 24, 16, 3, 5), 240),
                          "depthwise, 5×5": _spread(_filled(impl, draw, 200, 1, 5, 5), 25),
                          "16 → 60, length 5": _spread(_filled(impl, draw, 60, 16, 5), 80)}, rtol=0.09, atol=0)
    yield aspect("negative_slope", "A leaky ReLU passes more, so the variance is 2 / ((1 + a²) · fan-in), where a is "
                 "the `negative_slope`.", slopes, rtol=0.05, atol=0)
    yield aspect("normal distribution", "The numbers are normally distributed around 0, each drawn for itself.",
                 shape_of_the_distribution, rtol=0, atol=0.045)
    yield aspect("in place", "It fills `weight` in place and returns it; `weight` may be an `nn.Parameter`, which is "
                 "still trained afterwards.", in_place)
    yield aspect("generator", "All randomness comes from `generator`: the same seed gives the same weights, and "
                 "PyTorch's own generator is not touched.", generator_alone)
    yield aspect("no generator", "Without one, PyTorch's own generator is used, and two calls give two different "
                 "weights.", no_generator)
    yield aspect("thirty layers", "Through 30 linear layers with ReLU, the mean square of the activations then stays "
                 "of the same order of magnitude.", thirty_layers, rtol=0, atol=9)


def _fill(weight, deviation, generator):
    """For the wrong answers: normal numbers with a standard deviation, in place."""
    with torch.no_grad():
        return weight.normal_(0, deviation, generator=generator)


@kaiming_normal_.misconception("You divided by the fan-out, the number of outputs (a weight's first axis). In the "
                               "forward pass what counts is how many numbers are added up into one output: the fan-in.")
def takes_fan_out(weight, negative_slope=0.0, generator=None):
    fan_out = weight.shape[0] * weight[0, 0].numel()
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_out)) ** 0.5, generator)


@kaiming_normal_.misconception("The gain is missing: the variance is 1 / fan-in. ReLU throws half of the signal away, "
                               "and the 2 makes up for it; without it, 30 layers shrink the mean square to a "
                               "billionth.")
def forgets_the_gain(weight, negative_slope=0.0, generator=None):
    return _fill(weight, weight[0].numel() ** -0.5, generator)


@kaiming_normal_.misconception("Only the input channels were counted. One output of a convolution adds up kH · kW "
                               "numbers of each of them; all belong to the fan-in.")
def forgets_the_window(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight.shape[1])) ** 0.5, generator)


@kaiming_normal_.misconception("You looked at a row that is not there: a layer with a single output has one row, "
                               "number 0. The fan-in is a matter of the other axes' sizes alone.")
def looks_at_the_second_row(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[1].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("All numbers of the weight were counted. Fan-in is what enters one output: leave out "
                               "the first axis.")
def counts_the_whole_weight(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight.numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The variance was used as the standard deviation. The formula gives a variance; "
                               "`normal_` and `randn` want its square root.")
def forgets_the_root(weight, negative_slope=0.0, generator=None):
    return _fill(weight, 2 / ((1 + negative_slope**2) * weight[0].numel()), generator)


@kaiming_normal_.misconception("`negative_slope` was not used. A leaky ReLU with slope a passes 1 + a² times as much, "
                               "so its weights must be smaller.")
def ignores_the_leak(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The slope went in as 1 + a. It enters squared, 1 + a², since it is the mean square "
                               "that is to be kept.")
def forgets_to_square_the_slope(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("Left out, `negative_slope` is 0, as the task's signature says, since most layers have "
                               "a plain ReLU behind them. Your default is another number.")
def leaks_by_default(weight, negative_slope=0.01, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The variance was multiplied by 1 + a². A leaky ReLU passes more than a ReLU, so its "
                               "weights must be smaller: divide.")
def multiplies_by_the_leak(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 * (1 + negative_slope**2) / weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The slope went in as (1 + a)². Each half of the numbers keeps its own share of the "
                               "mean square, 1 and a²: square first, then add.")
def squares_the_sum(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope) ** 2 * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("Only the 2 (with the slope) is under the root; the fan-in stands outside of it. The "
                               "standard deviation is the root of the whole fraction.")
def leaves_the_fan_in_outside(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / (1 + negative_slope**2)) ** 0.5 / weight[0].numel(), generator)


@kaiming_normal_.misconception("Only the denominator is under the root; the 2 stands outside of it, so each layer "
                               "doubles the mean square. The standard deviation is the root of the whole fraction.")
def leaves_the_2_outside(weight, negative_slope=0.0, generator=None):
    return _fill(weight, 2 / ((1 + negative_slope**2) * weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The bias was counted: you divided by fan-in + 1. The fan-in is the number of inputs, "
                               "and a bias that starts at 0 adds nothing.")
def counts_the_bias(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * (weight[0].numel() + 1))) ** 0.5, generator)


@kaiming_normal_.misconception("One side of the window was squared. A window need not be square: multiply its height "
                               "by its width.")
def squares_one_side(weight, negative_slope=0.0, generator=None):
    fan_in = weight.shape[1] * weight.shape[-1] ** (weight.ndim - 2)
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_in)) ** 0.5, generator)


@kaiming_normal_.misconception("This is Glorot's rule, 2 / (fan-in + fan-out), made for tanh. It knows nothing of the "
                               "half that ReLU throws away.")
def takes_glorots_rule(weight, negative_slope=0.0, generator=None):
    fans = weight[0].numel() + weight.shape[0] * weight[0, 0].numel()
    return _fill(weight, (2 / fans) ** 0.5, generator)


@kaiming_normal_.misconception("The numbers are uniformly distributed. Their variance may be right, but the name says "
                               "normal: look for `normal_` or `randn`.")
def draws_uniform_numbers(weight, negative_slope=0.0, generator=None):
    bound = (6 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        return weight.uniform_(-bound, bound, generator=generator)


@kaiming_normal_.misconception("All weights are positive: `rand` draws uniformly from 0 to 1. The task asks for normal "
                               "numbers around 0; the function you want has one letter more.")
def draws_positive_numbers(weight, negative_slope=0.0, generator=None):
    numbers = torch.rand(weight.shape, generator=generator)
    with torch.no_grad():
        return weight.copy_(numbers * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5)


@kaiming_normal_.misconception("All outputs got the same weights: one row was drawn and repeated. Units that start "
                               "alike stay alike, for they get the same gradients. Draw every number for itself.")
def repeats_one_row(weight, negative_slope=0.0, generator=None):
    row = torch.randn(weight.shape[1:], generator=generator)
    with torch.no_grad():
        return weight.copy_((row * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5).expand_as(weight))


@kaiming_normal_.misconception("A new tensor was returned and `weight` itself never filled: a name was bound anew. "
                               "The layer holds the old tensor and would train from there. Write into `weight`.")
def returns_a_new_tensor(weight, negative_slope=0.0, generator=None):
    weight = torch.randn(weight.shape, generator=generator) * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    return weight


@kaiming_normal_.misconception("`generator` was not used: the numbers came from PyTorch's own generator. Who asks for "
                               "the same weights again, with the same seed, does not get them. Hand it on.")
def ignores_the_generator(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, None)


@kaiming_normal_.misconception("A seed was fixed inside the function, so every layer gets the same numbers, call "
                               "after call. Fixing seeds is the caller's business.")
def fixes_a_seed(weight, negative_slope=0.0, generator=None):
    generator = generator or torch.Generator().manual_seed(0)
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("An `nn.Parameter` may not be changed in place while autograd is watching: it is a "
                               "leaf that requires a gradient. Filling it is no part of the computation; tell "
                               "autograd to look away.")
def lets_autograd_watch(weight, negative_slope=0.0, generator=None):
    return weight.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("The weight is filled, but the function returns nothing. Like PyTorch's own, it "
                               "returns the weight, so that `w = kaiming_normal_(torch.empty(…))` works.")
def returns_no_weight(weight, negative_slope=0.0, generator=None):
    _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The weight is filled, but what comes back is another tensor that shares its memory "
                               "(`.data` and `detach()` make one). Return the `weight` that you were given.")
def returns_its_data(weight, negative_slope=0.0, generator=None):
    return weight.data.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("`requires_grad` was switched off to fill the parameter and never on again "
                               "(`detach_()` does that, too): no optimizer will change this layer. Keep autograd from "
                               "looking for a moment only.")
def stops_the_training(weight, negative_slope=0.0, generator=None):
    weight.requires_grad_(False)
    return weight.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.alternative
def through_init(weight, negative_slope=0.0, generator=None):
    gain = nn.init.calculate_gain("leaky_relu", negative_slope)
    return nn.init.normal_(weight, 0.0, gain / weight[0].numel() ** 0.5, generator=generator)


@kaiming_normal_.alternative
def by_randn(weight, negative_slope=0.0, generator=None):
    fan_in = weight.numel() // weight.shape[0]
    numbers = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    with torch.no_grad():
        weight.copy_(numbers * (2 / (fan_in * (1 + negative_slope * negative_slope))) ** 0.5)
    return weight


@kaiming_normal_.alternative
def through_data(weight, negative_slope=0.0, generator=None):
    fan_in = 1
    for size in weight.shape[1:]:
        fan_in *= size
    weight.data.normal_(generator=generator).mul_(((1 + negative_slope**2) * fan_in / 2) ** -0.5)
    return weight


@kaiming_normal_.alternative
@torch.no_grad()
def row_by_row(weight, negative_slope=0.0, generator=None):
    for row in weight.flatten(1):
        row.normal_(0, (2 / (1 + negative_slope**2) / len(row)) ** 0.5, generator=generator)
    return weight


# ----------------------------------------------------------------------------------------------------- layer_gradients


def _norms(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


class _TwoBranches(nn.Module):
    """Made in another order than it runs, and with layers inside of layers."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 2)
        self.body = nn.Sequential(nn.Sequential(nn.Linear(4, 6), nn.Tanh()), nn.Linear(6, 5, bias=False))
        self.shortcut = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x) + self.shortcut(x)))


def _small_net():
    return nn.Sequential(nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def _drawn(draw, net):
    """Filled with weights so large that no activation is almost linear: no gradient has rank one by chance."""
    with torch.no_grad():
        for layer in draw.fill_(net).modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= 4
    return net


class _Offsets(nn.Module):
    """A matrix that is learned and belongs to no linear layer, like the positions of a transformer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 4))

    def forward(self, x):
        return x + self.weight.flatten()


def _mixed_net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), _Offsets(), nn.LayerNorm(8), nn.Linear(8, 4),
                         nn.Tanh(), nn.Linear(4, 3), nn.Tanh())


@exercise(points=10, reference=_norms)
def layer_gradients(impl, draw):
    def old_gradients():
        net, x = _drawn(draw, _small_net()), draw.normal(7, 6)
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        return [impl(net, x), impl(net, x)]

    yield aspect("values", "One number for each linear layer: the L2 norm of the gradient of s = net(x).sum() with "
                 "respect to the layer's weight.", lambda: impl(_drawn(draw, _small_net()), draw.normal(7, 6)))
    yield aspect("order", "They come in the order of `net.modules()`, layers inside of other modules included.",
                 lambda: impl(_drawn(draw, _TwoBranches()), draw.normal(6, 4)))
    yield aspect("linear layers alone", "Biases, convolutions, normalisation layers and all other weights are left "
                 "out.", lambda: impl(_drawn(draw, _mixed_net()), 4 * draw.normal(6, 1, 4, 4)))
    yield aspect("old gradients", "Gradients that were there before the call do not count: call it twice, and the "
                 "numbers are the same.", old_gradients)


@layer_gradients.misconception("Old gradients were added in: `backward` accumulates into `.grad`, and nobody had "
                               "emptied it. Clear the gradients first, or ask for them without `.grad`.")
def adds_to_old_gradients(net, x):
    net(x).sum().backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The gradients were emptied after the measurement, not before it. What was in `.grad` "
                               "when your function was called went into its first result.")
def empties_too_late(net, x):
    net(x).sum().backward()
    norms = [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]
    net.zero_grad()
    return norms


@layer_gradients.misconception("`backward` starts from a single number, and `net(x)` has many. Add them up to s first.")
def forgets_the_sum(net, x):
    net.zero_grad()
    net(x).backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The gradient of the bias went into the norm, too. The task asks for the weight's "
                               "alone.")
def mixes_the_bias_in(net, x):
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    found = [torch.autograd.grad(net(x).sum(), list(layer.parameters())) for layer in layers]
    return [sum(gradient.square().sum().item() for gradient in gradients) ** 0.5 for gradients in found]


@layer_gradients.misconception("For a matrix, `torch.linalg.norm(g, 2)` is the largest singular value (the spectral "
                               "norm), smaller than the L2 norm of its entries. Look for the norm of a vector, or "
                               "leave the 2 out.")
def takes_the_spectral_norm(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [torch.linalg.norm(gradient, 2).item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Convolutions are in the list. The task asks for linear layers alone: one kind of "
                               "module.")
def takes_convolutions_too(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Every parameter with two axes was taken for the weight of a linear layer. Other "
                               "modules have matrices, too: ask the module what it is, not the tensor.")
def takes_every_matrix(net, x):
    weights = [parameter for parameter in net.parameters() if parameter.ndim == 2]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The biases are in the list, too. The task asks for one number a linear layer, that of "
                               "its weight.")
def takes_biases_too(net, x):
    parameters = [parameter for module in net.modules() if isinstance(module, nn.Linear)
                  for parameter in module.parameters()]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), parameters)]


@layer_gradients.misconception("This is the squared norm: the root is missing.")
def forgets_the_square_root(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.square().sum().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("This is the sum of absolute values, the L1 norm. The L2 norm is the root of the sum "
                               "of squares.")
def takes_the_l1_norm(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.abs().sum().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("This is the mean absolute value of the gradient. A norm does not divide by the number "
                               "of entries.")
def takes_the_mean(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.abs().mean().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The gradient was taken of the mean of the outputs. The task takes their sum, so your "
                               "numbers are too small by the number of outputs.")
def averages_the_outputs(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).mean(), weights)]


@layer_gradients.misconception("The outputs were squared before they were summed up. The task asks for the plain sum.")
def squares_the_outputs(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).square().sum(), weights)]


@layer_gradients.misconception("The list runs from the last layer to the first, the way backpropagation goes. It "
                               "should follow `net.modules()`.")
def runs_backwards(net, x):
    return _norms(net, x)[::-1]


@layer_gradients.misconception("Only layers at the top of the net were found: `children()` and a loop over a "
                               "Sequential do not look inside of other modules. `modules()` does.")
def looks_at_children_alone(net, x):
    weights = [module.weight for module in net.children() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Everything called `weight` was taken: a convolution and a normalisation layer have "
                               "one, too. Ask each module whether it is an `nn.Linear`.")
def takes_every_weight(net, x):
    weights = [parameter for name, parameter in net.named_parameters() if name.endswith("weight")]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("These are the norms of the weights, not of their gradients: they would be the same "
                               "for any input.")
def measures_the_weights(net, x):
    return [module.weight.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The list holds tensors. The task asks for Python floats: plain numbers that keep no "
                               "graph and that a plot can take.")
def returns_tensors(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.alternative
def by_backward(net, x):
    net.zero_grad()
    net(x).sum().backward()
    return [float(module.weight.grad.norm()) for module in net.modules() if type(module) is nn.Linear]


@layer_gradients.alternative
def by_functional_call(net, x):
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}
    found = torch.func.grad(lambda given: torch.func.functional_call(net, given, (x,)).sum())(parameters)
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return [found[f"{name}.weight"].square().sum().sqrt().item() for name in names]


@layer_gradients.alternative
def on_a_deep_copy(net, x):
    import copy

    twin = copy.deepcopy(net)
    for parameter in twin.parameters():
        parameter.grad = None
    twin(x).sum().backward()
    return [torch.linalg.vector_norm(module.weight.grad).item() for module in twin.modules()
            if isinstance(module, nn.Linear)]


@layer_gradients.alternative
def by_flat_lists(net, x):
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    result = []
    for layer in layers:
        (gradient,) = torch.autograd.grad(net(x).sum(), layer.weight)
        result.append(sum(number**2 for number in gradient.flatten().tolist()) ** 0.5)
    return result


# ----------------------------------------------------------------------------------------------------------------- hat


def _triangle(x):
    return (1 - (x - 1).abs()).clamp(min=0)


class _Ceilings(TorchDispatchMode):
    """Notices a `clamp` that cuts off from above; below Python, so does every way to write one."""

    def __init__(self):
        super().__init__()
        self.seen = False

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function._schema.name in ("aten::clamp", "aten::clamp_"):
            ceiling = kwargs.get("max", args[2] if len(args) > 2 else None)
            self.seen |= ceiling is not None and float(torch.as_tensor(ceiling).min()) < float("inf")
        return function(*args, **kwargs)


@exercise(points=6, reference=_triangle, bans=frozenset({
    "aten::abs", "aten::abs_", "aten::minimum", "aten::fmin", "aten::clamp_max", "aten::hardtanh", "aten::hardtanh_"}))
def hat(impl, draw):
    def rise_and_fall():
        x = draw.uniform(4, 6, low=0, high=2)
        with _Ceilings() as ceilings:
            result = impl(x)
        return {"hat": result, "cut off from above": ceilings.seen}

    def outside():
        left, right = draw.uniform(6, low=-6, high=0), draw.uniform(6, low=2, high=8)
        return impl(torch.cat([left, draw.uniform(2, low=0.2, high=1.8), right]))

    yield aspect("values", "From 0 to 1 it rises in a straight line from 0 to 1; from 1 to 2 it falls back to 0.",
                 rise_and_fall)
    yield aspect("corners", "Its corners are (0, 0), (1, 1) and (2, 0).",
                 lambda: impl(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])))
    yield aspect("outside", "To the left of 0 and to the right of 2 it is 0, however far you go.", outside)
    yield habits("Gradients flow (1 on the way up, −1 on the way down, 0 outside); shape and dtype stay, and so does "
                 "`x`.", impl, lambda: (1 + 1.2 * draw.distinct(4, 6),))


@hat.misconception("It falls, and goes on falling: beyond 2 your curve is negative. Two ReLUs bend it at 0 and at 1; "
                   "a third one must stop it at 2.")
def goes_on_falling(x):
    return F.relu(x) - 2 * F.relu(x - 1)


@hat.misconception("It rises to 1 and stays there: taking one ReLU off at 1 only makes the curve flat. To turn from "
                   "slope 1 to slope −1 the change at the corner must be −2.")
def stays_up(x):
    return F.relu(x) - F.relu(x - 1)


@hat.misconception("The triangle stands on [−2, 0]: the shifts have the wrong sign. F.relu(x − 1) bends at 1, "
                   "F.relu(x + 1) at −1.")
def shifts_the_wrong_way(x):
    return F.relu(x + 2) - 2 * F.relu(x + 1) + F.relu(x)


@hat.misconception("The triangle stands on [−1, 1], with its peak at 0. It should start at 0 and peak at 1.")
def is_centred_at_0(x):
    return F.relu(x + 1) - 2 * F.relu(x) + F.relu(x - 1)


@hat.misconception("ReLUs were multiplied: between 0 and 2 your curve is a parabola. The task allows sums (and "
                   "constant factors) only, which keeps the pieces straight.")
def multiplies_relus(x):
    return F.relu(x) * F.relu(2 - x)


@hat.misconception("Two slopes were added, a ReLU of x and one of 2 − x: their sum is 2 on the whole interval and "
                   "grows on both sides. Start at the left and ask by how much the slope changes at each corner.")
def adds_two_slopes(x):
    return F.relu(x) + F.relu(2 - x)


@hat.misconception("`x` was overwritten by a ReLU that works in place, and the terms after it saw an `x` that is no "
                   "longer the caller's. Use one that leaves its input alone.")
def overwrites_x_with_hat(x):
    return F.relu(x, inplace=True) - 2 * F.relu(x - 1) + F.relu(x - 2)


@hat.misconception("To the left of 0 the curve falls without end: the first term is `x` itself. It needs a ReLU as the "
                   "others do, to start at 0 and not before.")
def forgets_the_first_relu(x):
    return x - 2 * F.relu(x - 1) + F.relu(x - 2)


@hat.misconception("The values are right, but they were cut off from above (`clamp` with a `max`), which the task "
                   "rules out. What bends the curve down is a ReLU with a negative factor.")
def cuts_off_from_above(x):
    return F.relu(x.clamp(max=1)) - F.relu(x - 1).clamp(max=1)


@hat.misconception("The curve never comes down to 0 and stays there: at 2 the slope was changed by 2 instead of 1, so "
                   "it rises again.")
def rises_again(x):
    return F.relu(x) - 2 * F.relu(x - 1) + 2 * F.relu(x - 2)


@hat.misconception("The values are right, but autograd does not see `x` any more: it was detached, or went through "
                   "`.data` or NumPy. A hat in a network has to hand gradients down.")
def cuts_the_graph_of_hat(x):
    x = x.detach()
    return F.relu(x) - 2 * F.relu(x - 1) + F.relu(x - 2)


@hat.alternative
def by_three_relus(x):
    return torch.relu(x) - 2 * torch.relu(x - 1) + torch.relu(x - 2)


@hat.alternative
def by_one_layer(x):
    hidden = F.relu(x[..., None] - torch.arange(3, dtype=x.dtype))
    return hidden @ torch.tensor([1, -2, 1], dtype=x.dtype)


@hat.alternative
def by_nested_relus(x):
    return F.relu(1 - F.relu(x - 1) - F.relu(1 - x))


@hat.alternative
def by_own_relu(x):
    return x.clamp(min=0) - x.sub(1).clamp(min=0) - x.sub(1).clamp(min=0) + x.sub(2).clamp(min=0)
