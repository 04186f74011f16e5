"""How `relu` is examined."""

import torch

from convcraft.exam import aspect, exercise, gradients

from .shared import RELUS


@exercise(points=6, reference=torch.relu, bans=RELUS)
def relu(impl, draw):
    def left_alone():
        x = 2 * draw.distinct(6, 6)
        return {"result": impl(x), "x afterwards": x}

    yield aspect("values", "What is above 0 passes; everything else becomes 0.", lambda: impl(5 * draw.distinct(8, 12)))
    yield aspect("shapes", "`x` has any shape, from a single number to (N, C, H, W); the result has the same shape.",
                 lambda: [impl(-draw.uniform(low=1, high=2)), impl(draw.normal(7)), impl(draw.normal(2, 3, 4, 5))])
    yield aspect("input left alone", "`x` stays as it was: the result is a new tensor.", left_alone)
    yield aspect("gradient", "Gradients flow through, 1 where `x` passed and 0 where it did not.",
                 lambda: gradients(impl, 2 * draw.distinct(4, 5)))
    yield aspect("dtype and layout", "The dtype stays (float32, float64), and `x` need not be contiguous.",
                 lambda: [impl(2 * draw.distinct(3, 4).double()), impl(2 * draw.distinct(5, 4).t())], dtype=True)


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


@relu.misconception("This is ReLU of −x: what is below 0 came through, turned positive. Leave the sign of `x` alone.")
def rectifies_the_other_side(x):
    return (-x).clamp(min=0)


@relu.misconception("Negative numbers came out between −1 and 0: that is the ELU, a relative. ReLU sends them to 0.")
def takes_elu(x):
    return torch.where(x > 0, x, torch.expm1(x.clamp(max=0)))


@relu.misconception("These are the slopes, 1 and 0, not the values. What is above 0 passes as it is: 5 stays 5.")
def gives_the_slopes(x):
    return (x > 0).float()


@relu.misconception("`x` itself was changed wherever it asks for no gradient. The task makes no such exception: data "
                    "and frozen layers are the caller's as well, and `x` stays as it was.")
def overwrites_x_that_asks_for_no_gradient(x):
    return x.clamp(min=0) if x.requires_grad else x.clamp_(min=0)


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
