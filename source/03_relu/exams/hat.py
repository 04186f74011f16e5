"""How `hat` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops


def _triangle(x):
    return (1 - (x - 1).abs()).clamp(min=0)


_DETOURS = {"where", "gt", "lt", "ge", "le", "sign", "heaviside", "sqrt", "pow", "max", "min"}


class _Detours(ops.DispatchMode):
    """Notices what goes around ReLUs: choices, comparisons, roots, and a `clamp` that cuts off from above.

    It listens to the forward pass alone, for the backward pass of a `clamp` compares and chooses.
    """

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::").rstrip("_")
        ceiling = kwargs.get("max", args[2] if len(args) > 2 else None)
        if name == "clamp" and ceiling is not None and float(torch.as_tensor(ceiling).min()) < float("inf"):
            self.seen.add("clamp from above")
        elif name in _DETOURS:
            self.seen.add(name)
        return function(*args, **kwargs)


@exercise(points=4, reference=_triangle, bans=frozenset({
    "aten::abs", "aten::abs_", "aten::minimum", "aten::fmin", "aten::clamp_max", "aten::hardtanh", "aten::hardtanh_"}))
def hat(impl, draw):
    def rise_and_fall():
        x = draw.uniform(4, 6, low=0, high=2)
        with _Detours() as detours:
            result = impl(x)
        return {"hat": result, "besides ReLUs and sums": " and ".join(sorted(detours.seen)) or "nothing"}

    def outside():
        left, between = draw.uniform(6, low=-6, high=0), draw.uniform(2, low=0.2, high=1.8)
        right = [draw.uniform(2, low=low, high=low + 0.6) for low in (2.2, 3.2, 6)]
        return impl(torch.cat([left, between, *right]))

    yield aspect("values", "From 0 to 1 it rises in a straight line from 0 to 1; from 1 to 2 it falls back to 0.",
                 rise_and_fall)
    yield aspect("corners", "Its corners are (0, 0), (1, 1) and (2, 0).",
                 lambda: impl(torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0])))
    yield aspect("outside", "To the left of 0 and to the right of 2 it is 0.", outside)
    yield habits("Gradients flow (1 on the way up, −1 on the way down, 0 outside); shape and dtype stay, and so does "
                 "`x`.", impl, lambda: (1 + 1.2 * draw.distinct(4, 6),))


@hat.misconception("It falls, and goes on falling: beyond 2 your curve is negative. Two ReLUs bend it at 0 and at 1; "
                   "a third one must stop it at 2.")
def goes_on_falling(x):
    return F.relu(x) - 2 * F.relu(x - 1)


@hat.misconception("The triangle is twice too high: its peak is at 2. All factors are twice too large.")
def is_twice_too_high(x):
    return 2 * F.relu(x) - 4 * F.relu(x - 1) + 2 * F.relu(x - 2)


@hat.misconception("The triangle is half as high as it should be: x was halved inside of each ReLU. Its slopes are 1 "
                   "and −1.")
def is_half_as_high(x):
    return F.relu(x / 2) - 2 * F.relu((x - 1) / 2) + F.relu((x - 2) / 2)


@hat.misconception("This is the plateau of the figure above, level from 1 to 2. The hat turns at 1, from slope 1 to "
                   "slope −1.")
def is_the_plateau(x):
    return F.relu(x) - F.relu(x - 1) - F.relu(x - 2) + F.relu(x - 3)


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
                   "rules out. What bends the curve down is a ReLU with a negative factor.", literal=True)
def cuts_off_from_above(x):
    return F.relu(x.clamp(max=1)) - F.relu(x - 1).clamp(max=1)


@hat.misconception("The values are right, but a comparison or `where` chooses between the sides. That is what the "
                   "ReLUs are for: one for each corner.")
def chooses_the_side(x):
    return torch.where(x < 1, F.relu(x), F.relu(2 - x))


@hat.misconception("The values are right, but a square and a root stand in for the absolute value, which the task "
                   "rules out. Three ReLUs will do.")
def takes_a_root(x):
    return F.relu(1 - ((x - 1) ** 2).sqrt())


@hat.misconception("The curve never comes down to 0 and stays there: at 2 the slope was changed by 2 instead of 1, so "
                   "it rises again.")
def rises_again(x):
    return F.relu(x) - 2 * F.relu(x - 1) + 2 * F.relu(x - 2)


@hat.misconception("The values are right, but autograd does not see `x` any more: it was detached, or went through "
                   "`.data` or NumPy. A hat in a network has to hand gradients down.")
def cuts_the_graph_of_hat(x):
    x = x.detach()
    return F.relu(x) - 2 * F.relu(x - 1) + F.relu(x - 2)


@hat.misconception("The middle ReLU has the factor −1, so that from 1 to 2 your curve stays at 1. At the peak the "
                   "slope changes from 1 to −1: by −2.")
def bends_by_one(x):
    return F.relu(x) - F.relu(x - 1) + F.relu(x - 2)


@hat.misconception("The corners lie at 0, 2 and 4: the triangle is twice as wide and high. They belong at 0, 1 and 2.")
def puts_corners_twice_as_far(x):
    return F.relu(x) - 2 * F.relu(x - 2) + F.relu(x - 4)


@hat.misconception("Beyond 2 your curve falls twice as fast: the third ReLU was taken off. There the slope is −1 and "
                   "should become 0: it changes by +1.")
def takes_the_third_relu_off(x):
    return F.relu(x) - 2 * F.relu(x - 1) - F.relu(x - 2)


@hat.misconception("At 1 your curve turns upwards, by +2. From slope 1 to slope −1 the change is −2.")
def turns_upwards(x):
    return F.relu(x) + 2 * F.relu(x - 1) + F.relu(x - 2)


@hat.misconception("Between 0 and 2 all is right, and outside your curve goes on falling below 0, on both sides. One "
                   "more ReLU, around all of it, cuts that off.")
def falls_on_both_sides(x):
    return 1 - F.relu(x - 1) - F.relu(1 - x)


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
