"""gelu: x times the share of normally distributed numbers below it, exact."""

import math

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, gradients, habits

from .shared import far_numbers, gradient_of


@exercise(points=6, reference=F.gelu, bans=frozenset({"aten::gelu", "aten::gelu_"}))
def gelu(impl, draw):
    def far():
        x = far_numbers(draw)
        return {"values": impl(x.clone()), "gradient": gradient_of(impl, x)}

    yield aspect("values", "GELU is x · Φ(x), for each number of `x` alone; the shape stays.",
                 lambda: [impl(2 * draw.distinct(4, 6)), impl(draw.normal()), impl(draw.normal(2, 2, 3, 2))],
                 rtol=0, atol=2e-3)
    yield aspect("exact", "It is the exact curve, by erf.",
                 lambda: impl(draw.uniform(40, low=-3.5, high=3.5).double()), rtol=0, atol=1e-5)
    yield aspect("gradient", "Gradients flow through; they equal Φ(x) + x · φ(x), where φ(x) = e^(−x²/2) / √(2π) is "
                 "the density.", lambda: gradients(impl, 2 * draw.distinct(4, 5)), rtol=0, atol=5e-3)
    yield aspect("far out", "Far out, at −1000 and 1000, values are 0 and 1000, and gradients 0 and 1, never NaN.", far,
                 rtol=0, atol=5e-3)
    yield habits("The dtype stays, and `x` stays as it was.", impl, lambda: (2 * draw.distinct(3, 5),), gradient=False)


@gelu.misconception("This is the formula with tanh. It is close, and off by up to 0.0005; the task asks for the exact "
                    "curve, by erf.")
def takes_the_formula_with_tanh(x):
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


@gelu.misconception("This is x · σ(1.702·x), a quick formula that is off by up to 0.02. The task asks for the exact "
                    "curve, by erf.")
def takes_the_formula_with_sigmoid(x):
    return x * torch.sigmoid(1.702 * x)


@gelu.misconception("erf was given x, where Φ wants x/√2 inside: your bell is narrower than the normal distribution's.")
def forgets_the_root_of_two(x):
    return x * (1 + torch.erf(x)) / 2


@gelu.misconception("erf was given x/2, where Φ wants x/√2 inside.")
def takes_half_for_the_root(x):
    return x * (1 + torch.erf(x / 2)) / 2


@gelu.misconception("The half is missing: 1 + erf(…) runs from 0 to 2, and Φ from 0 to 1. Your numbers are twice too "
                    "large.")
def forgets_the_half_of_gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2)))


@gelu.misconception("The gate is erf alone, from −1 to 1: numbers below 0 came out positive. Φ runs from 0 to 1: add 1 "
                    "and halve.")
def takes_erf_for_the_gate(x):
    return x * torch.erf(x / math.sqrt(2))


@gelu.misconception("This is Φ(x), the gate alone. GELU multiplies it by x.")
def gives_the_share_alone(x):
    return (1 + torch.erf(x / math.sqrt(2))) / 2


@gelu.misconception("x was multiplied by the density φ(x), the bell. The gate is Φ(x), the share that lies below x.")
def takes_the_density(x):
    return x * torch.exp(-x**2 / 2) / math.sqrt(2 * math.pi)


@gelu.misconception("The gate is the wrong way round: 1 − Φ(x) is open on the left. (`erfc` wants −x/√2 inside.)")
def takes_the_other_tail(x):
    return x * torch.erfc(x / math.sqrt(2)) / 2


@gelu.misconception("This is SiLU, x · σ(x). GELU's gate is Φ, the normal distribution's.")
def takes_silu_for_gelu(x):
    return x * torch.sigmoid(x)


@gelu.misconception("The values are right, and the gate was cut out of the graph: the gradient is Φ(x) alone. The gate "
                    "depends on x, too.")
def detaches_the_gate_of_gelu(x):
    return x * (1 + torch.erf(x.detach() / math.sqrt(2))) / 2


@gelu.misconception("Autograd cannot follow: the graph was cut by `detach`, `.data`, NumPy or `no_grad`. No layer "
                    "below this one would ever learn.")
def cuts_the_graph_of_gelu(x):
    x = x.detach()
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


@gelu.misconception("`x` was overwritten: a method with an underscore at its end, or `*=`, wrote into the caller's "
                    "tensor.")
def overwrites_x_with_gelu(x):
    gate = (1 + torch.erf(x / math.sqrt(2))) / 2
    x *= gate
    return x


@gelu.misconception("The result is always float32. A layer keeps the dtype it is given: float64 in, float64 out.")
def gives_float32_of_gelu(x):
    return (x * (1 + torch.erf(x / math.sqrt(2))) / 2).float()


@gelu.misconception("The 1 is missing: erf alone runs from −1 to 1, and half of it from −½ to ½. Φ runs from 0 to 1: "
                    "(1 + erf(…)) / 2.")
def leaves_out_the_1(x):
    return x * torch.erf(x / 2**0.5) / 2


@gelu.misconception("erf was given x·√2, where Φ wants x/√2 inside: your bell is half as wide as the normal "
                    "distribution's.")
def multiplies_by_the_root_of_two(x):
    return x * (1 + torch.erf(x * math.sqrt(2))) / 2


@gelu.misconception("Only erf was halved: 1 + erf(…)/2 runs from ½ to 3/2, and Φ from 0 to 1. The sum of both is "
                    "halved.")
def halves_erf_alone(x):
    return x * (1 + torch.erf(x / math.sqrt(2)) / 2)


@gelu.misconception("√2 was rounded to 1.414, so that the curve is off in the fifth digit. Take the root "
                    "itself: `math.sqrt(2)`.")
def rounds_the_root_of_two(x):
    return x * (1 + torch.erf(x / 1.414)) / 2


@gelu.misconception("erf itself was divided by √2, and was given x. The root belongs inside: erf(x/√2).")
def divides_erf_by_the_root(x):
    return x * (1 + torch.erf(x) / math.sqrt(2)) / 2


@gelu.misconception("Only the x in front was halved: x/2 + erf(…). Brackets are missing: x/2 multiplies the whole of 1 "
                    "+ erf(…).")
def forgets_the_brackets_of_gelu(x):
    return 0.5 * x * 1 + torch.erf(x / math.sqrt(2))


@gelu.misconception("The gate was added to x. It is a gate: multiply.")
def adds_the_gate_of_gelu(x):
    return x + (1 + torch.erf(x / math.sqrt(2))) / 2


@gelu.alternative
def by_erf(x):
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


@gelu.alternative
def by_ndtr(x):
    return x * torch.special.ndtr(x)


@gelu.alternative
def by_erfc(x):
    return x * torch.erfc(-x / math.sqrt(2)) / 2


@gelu.alternative
def by_a_distribution(x):
    return x * torch.distributions.Normal(0.0, 1.0).cdf(x)


class GELUByHand(torch.autograd.Function):
    """GELU with a backward pass of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.special.ndtr(x)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (torch.special.ndtr(x) + x * torch.exp(-x**2 / 2) / math.sqrt(2 * math.pi))


@gelu.alternative
def by_own_backward_of_gelu(x):
    return GELUByHand.apply(x)
