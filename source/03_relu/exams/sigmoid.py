"""How `sigmoid` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, gradients

from .shared import a_billion_times, far_numbers, gradient_of


@exercise(points=14, reference=torch.sigmoid, bans=frozenset({
    "aten::sigmoid", "aten::sigmoid_", "aten::silu", "aten::glu"}))
def sigmoid(impl, draw):
    def far_gradient():
        x = far_numbers(draw)
        return {"values": impl(x.clone()), "gradient": gradient_of(impl, x)}

    def at_zero():
        gradient = gradient_of(impl, torch.cat([torch.zeros(3), draw.normal(3), -torch.zeros(2)]))
        result = impl(torch.tensor([0.0, -1e-3, 1e-3]))
        if not isinstance(result, torch.Tensor) or result.shape != (3,):
            return gradient
        return {"gradient": gradient, "value at 0, less the mean of those beside it": result[0] - result[1:].mean()}

    def kept():
        x = draw.distinct(3, 5)
        return {"float64 input": impl(x.double()), "non-contiguous input": impl(draw.distinct(5, 3).t()),
                "input left alone": impl(x), "x afterwards": x}

    yield aspect("values", "σ(x) = 1 / (1 + e⁻ˣ), for each number of `x` alone; the shape stays.",
                 lambda: [impl(4 * draw.distinct(4, 6)), impl(draw.normal()), impl(draw.normal(2, 2, 3, 2))])
    yield aspect("far values", "In float32, far out to −1000 and 1000, the result is 0 and 1, never NaN.",
                 lambda: [impl(far_numbers(draw)), a_billion_times(impl(-draw.uniform(8, low=40, high=1000)))])
    yield aspect("gradient", "Gradients flow through; they equal σ(x)·(1 − σ(x)).",
                 lambda: gradients(impl, 4 * draw.distinct(4, 5)))
    yield aspect("far gradient", "The gradient is as well-behaved as the value: 0 at −1000 and at 1000, never NaN.",
                 far_gradient, weight=2)
    yield aspect("gradient at 0", "At exactly 0 the gradient is 1/4, the steepest point of the curve.",
                 at_zero)
    yield aspect("habits", "float64 stays float64, a non-contiguous `x` is welcome, and `x` is left untouched.", kept,
                 dtype=True)


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
                       "its corner, and so has a 0.5 put in by hand. Choose between x and −x in another way.",
                       literal=True)
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


@sigmoid.misconception("This is tanh(x) itself, from −1 to 1 and twice too steep: σ(x) = (1 + tanh(x/2)) / 2.")
def takes_tanh_of_the_whole(x):
    return torch.tanh(x)


@sigmoid.misconception("This is the curve of erf, the normal distribution's: alike, and not the same. The sigmoid is "
                       "made of eˣ.")
def takes_erf(x):
    return (1 + torch.erf(x / 2)) / 2


@sigmoid.misconception("This is PyTorch's hard sigmoid, x/6 + 1/2 between two flat parts. The sigmoid is smooth, and "
                       "never quite flat.")
def takes_hardsigmoid(x):
    return (x / 6 + 0.5).clamp(0, 1)


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


@sigmoid.misconception("Exactly 0 was left out: it is neither above 0 nor below, and got what the tensor was made "
                       "with. One of the two sides takes it in: ≥ or ≤.")
def leaves_zero_out(x):
    result, above, below = torch.zeros_like(x), x > 0, x < 0
    result[above] = 1 / (1 + torch.exp(-x[above]))
    result[below] = torch.exp(x[below]) / (1 + torch.exp(x[below]))
    return result


class _SlopeAlone(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = (torch.tanh(x / 2) + 1) / 2
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return result * (1 - result)


@sigmoid.misconception("Your `backward` returns the slope alone. The chain rule multiplies it by the gradient that "
                       "comes in from the layers above; without it, this layer works only directly below a sum.")
def forgets_the_chain_rule(x):
    return _SlopeAlone.apply(x)


@sigmoid.misconception("`x` was clipped at ±10: beyond it the curve stands still, at 0.00005 where nothing is left of "
                       "it. `exp` of a float32 is finite up to 88; clip no earlier, or choose another form.")
def clips_at_ten(x):
    return 1 / (1 + torch.exp(-x.clamp(-10, 10)))


@sigmoid.misconception("`x` was clipped at −20: below it the curve stands still, at 2e-9 where nothing is left of it. "
                       "`exp` of a float32 is finite up to 88; clip no earlier, or choose another form.",
                       literal=True)
def clips_at_twenty(x):
    return 1 / (1 + torch.exp(-x.clamp(-20, 20)))


@sigmoid.misconception("`x` was clipped at ±100, which is too late: `exp` of a float32 is infinite beyond 88. The "
                       "gradient between −100 and −88 is NaN.")
def clips_at_a_hundred(x):
    return 1 / (1 + torch.exp(-x.clamp(-100, 100)))


@sigmoid.misconception("`x` was clipped at ±500, which is too late: `exp` of a float32 is infinite beyond 88. The "
                       "gradient between −500 and −88 is NaN.")
def clips_at_five_hundred(x):
    return 1 / (1 + torch.exp(-x.clamp(-500, 500)))


@sigmoid.misconception("Below 0 the curve rises again: σ(−x) came out as σ(x). With |x| in the exponent `exp` is safe, "
                       "but the side below 0 needs a formula of its own.")
def forgets_the_side_below_zero(x):
    return 1 / (1 + torch.exp(-x.abs()))


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
