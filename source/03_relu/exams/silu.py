"""silu: x times its sigmoid."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, gradients, habits

from .shared import a_billion_times, far_numbers, gradient_of


@exercise(points=6, reference=F.silu, bans=frozenset({"aten::silu", "aten::silu_", "aten::hardswish", "aten::mish"}))
def silu(impl, draw):
    def far():
        x = far_numbers(draw)
        return {"values": impl(x.clone()), "gradient": gradient_of(impl, x)}

    yield aspect("values", "SiLU is x · σ(x), for each number of `x` alone; the shape stays.",
                 lambda: [impl(4 * draw.distinct(4, 6)), impl(draw.normal()), impl(draw.normal(2, 2, 3, 2))])
    yield aspect("far values", "Far out, at −1000 and 1000, the result is 0 and 1000, never NaN.",
                 lambda: [impl(far_numbers(draw)), a_billion_times(impl(-draw.uniform(8, low=110, high=1000)))])
    yield aspect("gradient", "Gradients flow through; they equal σ(x) · (1 + x · (1 − σ(x))).",
                 lambda: gradients(impl, 4 * draw.distinct(4, 5)))
    yield aspect("far gradient", "Far out the gradient is 0 on the left and 1 on the right, never NaN.", far)
    yield habits("The dtype stays, and `x` stays as it was.", impl, lambda: (3 * draw.distinct(3, 5),), gradient=False)


@silu.misconception("This is the gate alone, the sigmoid. SiLU multiplies it by x.")
def gives_the_gate(x):
    return torch.sigmoid(x)


@silu.misconception("The sigmoid was added to x. It is a gate: multiply.")
def adds_the_gate(x):
    return x + torch.sigmoid(x)


@silu.misconception("The gate is the wrong way round: it is open on the left and closed on the right. It is σ(x), not "
                    "σ(−x).")
def opens_on_the_wrong_side(x):
    return x * torch.sigmoid(-x)


@silu.misconception("The gate is twice too steep: σ(2x). If it is made of tanh, x/2 goes inside: σ(x) = "
                    "(1 + tanh(x/2)) / 2.")
def opens_too_fast(x):
    return x * (1 + torch.tanh(x)) / 2


@silu.misconception("The gate is tanh, which runs from −1 to 1: numbers below 0 came out positive. The sigmoid runs "
                    "from 0 to 1.")
def takes_tanh_for_the_gate(x):
    return x * torch.tanh(x)


@silu.misconception("Here the gate is σ(1.702·x): that is a quick formula for GELU. SiLU's gate has no factor inside.")
def takes_the_quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


@silu.misconception("This is the hard swish: the gate is a straight line between two flat parts. SiLU's is the sigmoid "
                    "itself.")
def has_a_gate_of_straight_lines(x):
    return x * ((x + 3).clamp(0, 6) / 6)


@silu.misconception("This is Mish, a relative: its gate is tanh(ln(1 + eˣ)). SiLU's gate is the sigmoid.")
def takes_mish(x):
    return x * torch.tanh(F.softplus(x))


@silu.misconception("This is softplus, ln(1 + eˣ): it never falls below 0. SiLU dips to −0.278.")
def takes_softplus(x):
    return F.softplus(x)


@silu.misconception("This is x / (1 + e⁻ˣ) as it stands. Far below 0, e⁻ˣ is infinite: the value survives, and its "
                    "gradient is NaN. Build on a sigmoid that survives.")
def takes_the_formula_of_silu(x):
    return x / (1 + torch.exp(-x))


@silu.misconception("x · eˣ / (1 + eˣ) is ∞/∞ = NaN far above 0. Never let `exp` see a large number.")
def divides_infinities_of_silu(x):
    return x * torch.exp(x) / (1 + torch.exp(x))


@silu.misconception("The values are right, and the gate was cut out of the graph: the gradient is σ(x) alone. The gate "
                    "depends on x, too.")
def detaches_the_gate(x):
    return x * torch.sigmoid(x.detach())


@silu.misconception("Autograd cannot follow: the graph was cut by `detach`, `.data`, NumPy or `no_grad`. No layer "
                    "below this one would ever learn.")
def cuts_the_graph_of_silu(x):
    x = x.detach()
    return x * torch.sigmoid(x)


@silu.misconception("`x` was overwritten: a method with an underscore at its end, or `*=`, wrote into the caller's "
                    "tensor.")
def overwrites_x_with_silu(x):
    gate = torch.sigmoid(x)
    x *= gate
    return x


@silu.misconception("The result is always float32. A layer keeps the dtype it is given: float64 in, float64 out.")
def gives_float32_of_silu(x):
    return (x * torch.sigmoid(x)).float()


@silu.misconception("`x` was clipped at −10 inside of the gate: below it the gate stands open by 0.00005, so that at "
                    "−1000 −0.05 is left. `exp` of a float32 is finite up to 88.")
def clips_the_gate_at_ten(x):
    return x / (1 + torch.exp(-x.clamp(-10, 10)))


@silu.misconception("`x` was clipped at −20 inside of the gate: below it the gate stands open by 2e-9, so that at "
                    "−1000 −0.000002 is left. `exp` of a float32 is finite up to 88.")
def clips_the_gate_at_twenty(x):
    return x / (1 + torch.exp(-x.clamp(-20, 20)))


@silu.misconception("`x` was clipped at ±500 inside of the gate, which is too late: `exp` of a float32 is infinite "
                    "beyond 88. The gradient between −500 and −88 is NaN.")
def clips_the_gate_at_five_hundred(x):
    return x / (1 + torch.exp(-x.clamp(-500, 500)))


@silu.misconception("All that is below 0 came out as 0, as from a ReLU. SiLU's gate is never quite shut: at −1 the "
                    "value is −0.269.")
def cuts_off_below_zero(x):
    return x.clamp(min=0) * torch.sigmoid(x)


@silu.misconception("`torch.where` chose the stable formula, but both were computed, and the one not chosen has the "
                    "gradient 0 · ∞ = NaN. Make the input of `exp` safe before you choose.")
def chooses_too_late_for_silu(x):
    return torch.where(x >= 0, x / (1 + torch.exp(-x)), x * torch.exp(x) / (1 + torch.exp(x)))


@silu.misconception("The NaN was replaced in the value alone. The gradient still runs through the overflowed `exp` and "
                    "is NaN there. Avoid the overflow instead of painting over it.")
def paints_over_nan_of_silu(x):
    value = x * torch.exp(x) / (1 + torch.exp(x))
    return torch.where(value.isnan(), x, value)


@silu.misconception("float64 only moves the cliff: there `exp` overflows beyond 709, and at −1000 your gradient is NaN "
                    "as before. Change the formula, not the precision.")
def computes_silu_in_float64(x):
    return (x.double() / (1 + torch.exp(-x.double()))).to(x.dtype)


@silu.misconception("The values are right, and the factor x was cut out of the graph: the gradient runs through the "
                    "gate alone. Both factors depend on x.")
def detaches_the_factor(x):
    return x.detach() * torch.sigmoid(x)


@silu.misconception("This is GELU, a relative: its gate is the normal distribution's Φ. SiLU's gate is the sigmoid.")
def takes_gelu(x):
    return F.gelu(x)


@silu.alternative
def by_sigmoid(x):
    return x * torch.sigmoid(x)


@silu.alternative
def by_tanh_of_half(x):
    return x * (1 + torch.tanh(x / 2)) / 2


@silu.alternative
def by_log_sigmoid_of_silu(x):
    return x * F.logsigmoid(x).exp()


@silu.alternative
def by_glu(x):
    return F.glu(torch.stack([x, x]), dim=0)[0]


class SiLUByHand(torch.autograd.Function):
    """SiLU with a backward pass of its own."""

    @staticmethod
    def forward(ctx, x):
        gate = torch.sigmoid(x)
        ctx.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    def backward(ctx, grad_out):
        x, gate = ctx.saved_tensors
        return grad_out * gate * (1 + x * (1 - gate))


@silu.alternative
def by_own_backward_of_silu(x):
    return SiLUByHand.apply(x)
