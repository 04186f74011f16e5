"""How `leaky_relu` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, gradients


@exercise(points=8, reference=F.leaky_relu, bans=frozenset({
    "aten::leaky_relu", "aten::leaky_relu_", "aten::prelu", "aten::_prelu_kernel", "aten::rrelu",
    "aten::rrelu_with_noise"}))
def leaky_relu(impl, draw):
    yield aspect("values", "What is above 0 passes; everything else is multiplied by `negative_slope`.",
                 lambda: impl(10 * draw.normal(4, 6), 0.2))
    yield aspect("the default", "Without a `negative_slope` the slope is 0.01.", lambda: impl(100 * draw.normal(3, 5)))
    yield aspect("slope 0", "With a `negative_slope` of 0 it is ReLU.", lambda: impl(10 * draw.normal(4, 6), 0.0))
    yield aspect("slope above 1", "A slope above 1 is allowed: the negative side is then the steeper one.",
                 lambda: impl(draw.normal(4, 6), 2.5))
    yield aspect("input left alone", "`x` is not changed.", lambda: _leaves_alone(impl, draw.normal(4, 6), 0.3))
    yield aspect("gradient", "Gradients flow: 1 on the positive side, `negative_slope` on the negative one.",
                 lambda: _values_and_gradient(lambda x: impl(x, 0.3), draw.normal(6, 9)))
    yield aspect("shapes and dtypes", "Shape and dtype stay, whatever they are.", lambda: [
        impl(-draw.uniform(low=1, high=2), 0.3), impl(draw.normal(2, 3, 4, 2), 0.3),
        impl(draw.normal(3, 4, dtype=torch.float64), 0.3), impl(draw.normal(5, 4).t(), 0.3)], dtype=True)


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


@leaky_relu.misconception("Left out, the slope is 0.01; yours is ten times as steep. Look at the default in the "
                          "signature.")
def leaks_a_tenth_by_default(x, negative_slope=0.1):
    return torch.where(x > 0, x, negative_slope * x)


@leaky_relu.misconception("Negative numbers were divided by the slope; the leak multiplies: −5 with slope 0.2 gives "
                          "−1.")
def divides_by_the_slope(x, negative_slope=0.01):
    return torch.where(x > 0, x, x / negative_slope if negative_slope else 0 * x)


@leaky_relu.misconception("slope · |x| was subtracted everywhere, so that positive numbers lost a part, too. Take the "
                          "leak off on the negative side alone.")
def subtracts_the_leak_everywhere(x, negative_slope=0.01):
    return x.clamp(min=0) - negative_slope * x.abs()


@leaky_relu.misconception("All negative numbers came out as the slope itself. The leak is slope times x: twice as far "
                          "below 0 gives twice as much.")
def gives_the_slope_itself(x, negative_slope=0.01):
    return torch.where(x > 0, x, torch.full_like(x, negative_slope))


@leaky_relu.misconception("This is ReLU: nothing came through below 0. A leaky ReLU multiplies there by "
                          "`negative_slope`.")
def has_no_leak(x, negative_slope=0.01):
    return F.relu(x)


@leaky_relu.misconception("slope · |x| was added on both sides: negative numbers came out positive, and positive ones "
                          "too large. Below 0 add slope · x, above it nothing.")
def adds_the_absolute_leak(x, negative_slope=0.01):
    return F.relu(x) + negative_slope * x.abs()


@leaky_relu.misconception("`x` was cut off at −negative_slope: that is a floor. The leak is a slope: twice as far "
                          "below 0 gives twice as much.")
def cuts_off_at_the_slope(x, negative_slope=0.01):
    return x.clamp(min=-negative_slope)


@leaky_relu.misconception("`x` itself was changed wherever it asks for no gradient. The task makes no such exception: "
                          "data and frozen layers are the caller's as well.")
def overwrites_x_that_asks_for_no_gradient(x, negative_slope=0.01):
    if x.requires_grad:
        return F.leaky_relu(x, negative_slope)
    x[x < 0] *= negative_slope
    return x


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
def by_absolute_values(x, negative_slope=0.01):
    return ((1 + negative_slope) * x + (1 - negative_slope) * x.abs()) / 2
