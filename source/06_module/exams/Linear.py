"""How `Linear` is examined."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, error_of, exercise

from .shared import _made, _reached


class PlainLinear(nn.Module):
    """x @ weight.T + bias."""

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x):
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


@exercise(points=10, reference=PlainLinear)
def Linear(impl, draw):
    def values():
        with _made(nn.Linear) as made:
            layer = draw.fill_(impl(4, 3))
            result = layer(draw.normal(5, 4))
        return {"result": result, "PyTorch's own layer is used": bool(made)}

    def leading():
        layer = draw.fill_(impl(4, 3))
        return {"(in_features,)": layer(draw.normal(4)), "(1, in_features)": layer(draw.normal(1, 4)),
                "(N, T, in_features)": layer(draw.normal(2, 6, 4))}

    def without_bias():
        layer = draw.fill_(impl(4, 3, bias=False))
        return {"bias": getattr(layer, "bias", "there is no attribute bias"), "state dict": list(layer.state_dict()),
                "result": layer(draw.normal(5, 4))}

    def parameters():
        return {name: {"shape": str(tuple(parameter.shape)), "requires grad": parameter.requires_grad}
                for name, parameter in impl(4, 3).named_parameters()}

    def start():
        seen = {}
        for in_features, out_features in ((16, 10_000), (9, 12_000), (5, 20_000)):
            for name, parameter in impl(in_features, out_features).named_parameters():
                scaled = parameter.detach() * math.sqrt(in_features)
                which = f"{in_features} → {out_features}, {name}"
                seen |= {f"{which}, its mean times √in_features": scaled.mean().item(),
                         f"{which}, its standard deviation times √in_features": scaled.std().item(),
                         f"{which}, the share of its inner half": (scaled.abs() < 0.5).sum().item() / scaled.numel(),
                         f"{which}, some outside ±1/√in_features": bool((scaled.abs() > 1.0001).any()),
                         f"{which}, only zeros": not scaled.any()}
        return seen

    def anew():
        torch.manual_seed(before := draw.seed())
        one, other = impl(16, 40), impl(16, 40)
        return {"two layers start alike": {name: torch.equal(parameter, dict(other.named_parameters())[name])
                                           for name, parameter in one.named_parameters()},
                "rows of weight that are different": len(one.weight.detach().unique(dim=0)),
                "PyTorch was seeded meanwhile": torch.initial_seed() != before}

    def interchange():
        mine, theirs, x = draw.fill_(impl(5, 4)), draw.fill_(nn.Linear(5, 4)), draw.normal(3, 5)
        from_theirs = {name: tensor + 1 for name, tensor in theirs.state_dict().items()}
        from_mine = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
        return {"yours takes nn.Linear's": error_of(lambda: mine.load_state_dict(from_theirs)),
                "nn.Linear takes yours": error_of(lambda: theirs.load_state_dict(from_mine)),
                "names": sorted(from_mine), "yours": mine(torch.cat([x, -x])), "nn.Linear": theirs(x)}

    def gradients_():
        layer = draw.fill_(impl(4, 3)).double()
        x = draw.normal(5, 4, dtype=torch.float64).requires_grad_()
        (layer(x) * draw.normal(5, 3, dtype=torch.float64)).sum().backward()
        return {"require grad": [parameter.requires_grad for parameter in layer.parameters()]} | _reached(
            {"x": x, **dict(layer.named_parameters())})

    yield aspect("values",
                 "For `x` of shape (N, in_features) it returns `x @ weight.T + bias`, of shape (N, out_features).",
                 values)
    yield aspect("leading dimensions",
                 "Any number of dimensions may come before the last: (in_features,), (N, in_features), (N, T, "
                 "in_features).",
                 leading)
    yield aspect("without bias",
                 "With `bias=False` nothing is added, `layer.bias` is None, and the state dict holds `weight` alone.",
                 without_bias)
    yield aspect("parameters",
                 "`weight` (out_features, in_features) and `bias` (out_features,) are parameters: `named_parameters()` "
                 "lists them, and they require grad.",
                 parameters)
    yield aspect("start",
                 "Both start uniform between −1/√in_features and +1/√in_features, as PyTorch's do.",
                 start, rtol=0.03, atol=0.05)
    yield aspect("drawn anew",
                 "Two layers that are made one after the other start differently, and making one does not seed "
                 "PyTorch's random numbers.",
                 anew)
    yield aspect("interchange",
                 "State dicts are interchangeable: yours loads `nn.Linear`'s, and `nn.Linear` loads yours.",
                 interchange)
    yield aspect("gradients",
                 "Gradients reach `weight`, `bias` and `x`.",
                 gradients_)


@Linear.misconception("The weights start from a standard normal, as `torch.randn` gives it. That is too large by about "
                      "√(3·in_features): the outputs of a wide layer explode. Look at the bound in the task.")
class StartsFromRandn(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features))
        self.bias = nn.Parameter(torch.randn(out_features)) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


@Linear.misconception("`weight` and `bias` are plain tensors. A module only sees an `nn.Parameter`: an optimizer that "
                      "is given `parameters()` would never move yours, and no state dict would hold them.")
class HoldsPlainTensors(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = torch.empty(out_features, in_features).uniform_(-bound, bound).requires_grad_()
        self.bias = torch.empty(out_features).uniform_(-bound, bound).requires_grad_() if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


@Linear.misconception("The weight is stored as (in_features, out_features). PyTorch keeps (out_features, "
                      "in_features), a row an output, and transposes in forward; else no saved `nn.Linear` fits.")
class StoresTheTranspose(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(in_features, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


@Linear.misconception("The parameters are called `w` and `b`, as in the notes. An attribute's name is its name in the "
                      "state dict: what `nn.Linear` saved as `weight` and `bias` finds no place in yours.")
class CallsThemWAndB(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.w = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x):
        return F.linear(x, self.w, self.b)


@Linear.misconception("The bias starts at zero. That is a fair choice in many papers, but not what `nn.Linear` does "
                      "and the task asks for: the bias is drawn from the same interval as the weights.", literal=True)
class StartsTheBiasAtZero(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        if bias:
            nn.init.zeros_(self.bias)


@Linear.misconception("The interval was computed from out_features. What a sum over in_features terms needs is a bound "
                      "that shrinks with in_features, so that the sum keeps its size.")
class BoundsByOutFeatures(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(out_features), 1 / math.sqrt(out_features))


@Linear.misconception("The interval of the bias was computed from out_features. Weights and bias share one interval, "
                      "that of in_features: what they are added up to has in_features terms.")
class BoundsTheBiasByOutFeatures(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        if bias:
            nn.init.uniform_(self.bias, -1 / math.sqrt(out_features), 1 / math.sqrt(out_features))


@Linear.misconception("Making a layer seeds PyTorch (`torch.manual_seed`): all layers of a size start alike, and what "
                      "the reader has seeded is lost. A layer draws, and leaves seeding to the program.", literal=True)
class SeedsPyTorch(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        torch.manual_seed(0)
        super().__init__(in_features, out_features, bias)


@Linear.misconception("Every layer of a size starts with the same numbers, as from a generator with a fixed seed. Two "
                      "layers in a net should start differently.", literal=True)
class HasAFixedSeed(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        generator, bound = torch.Generator().manual_seed(0), 1 / math.sqrt(in_features)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound, generator=generator)


@Linear.misconception("All outputs start with the same row of weights. Then they compute the same, get the same "
                      "gradient and stay alike: draw a number for each place of `weight`.", literal=True)
class RepeatsARow(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        self.weight = nn.Parameter(self.weight.detach()[:1].repeat(out_features, 1))


@Linear.misconception("The product takes matrices alone (`torch.mm`, `addmm`). What comes before the last dimension is "
                      "free, a single row (in_features,) among it: `@` and `F.linear` take any.", literal=True)
class MultipliesMatricesAlone(PlainLinear):
    def forward(self, x):
        y = torch.mm(x, self.weight.t())
        return y if self.bias is None else y + self.bias


@Linear.misconception("The interval was computed without the square root, as 1/in_features. A sum of many small terms "
                      "grows only like √in_features: a wide layer's output would shrink towards zero.")
class ForgetsTheRoot(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / in_features, 1 / in_features)


@Linear.misconception("All numbers start positive: `torch.rand` draws between 0 and 1. The interval of the task lies "
                      "on both sides of zero; otherwise all outputs of a layer start nearly alike.")
class StartsPositive(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, 0, 1 / math.sqrt(in_features))


@Linear.misconception("This is Kaiming's start for a ReLU, a bound of √(6/in_features). `nn.Linear` calls the same "
                      "function with a = √5, and that makes its bound 1/√in_features.")
class StartsForARelu(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        nn.init.kaiming_uniform_(self.weight)


@Linear.misconception("The numbers are drawn from a normal distribution of the right spread. It has no bounds: about "
                      "one weight in twelve lies outside the interval of the task, which asks for uniform numbers.")
class StartsFromANormal(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=1 / math.sqrt(3 * in_features))


@Linear.misconception("`bias=False` was read and then forgotten: the layer still has a bias and adds it.")
class AlwaysHasABias(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features)


@Linear.misconception("Without a bias the attribute `bias` does not exist at all. Code that asks `layer.bias is None`, "
                      "as PyTorch's own does, then stops with an AttributeError: assign None.", literal=True)
class LeavesTheBiasOut(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        if not bias:
            del self.bias

    def forward(self, x):
        return F.linear(x, self.weight, self.bias if hasattr(self, "bias") else None)


@Linear.misconception("The input was flattened to two dimensions and stayed so. Leading dimensions go through a linear "
                      "layer untouched: (N, T, in_features) gives (N, T, out_features).")
class LosesLeadingDimensions(PlainLinear):
    def forward(self, x):
        return super().forward(x.reshape(-1, x.shape[-1]))


@Linear.misconception("The parameters do not require grad: no gradient ever reaches them and training leaves them as "
                      "they were. An `nn.Parameter` requires grad unless it is told otherwise.")
class IsFrozen(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        self.requires_grad_(False)


@Linear.misconception("Inside, this is PyTorch's own `nn.Linear`. It computes the right thing, but the two parameters "
                      "are what you are to make here.", literal=True)
class InheritsTheLayer(nn.Linear):
    pass


@Linear.misconception("The numbers of the parameters are used without their history (`.data` or `.detach()`): the "
                      "values are right, but no gradient reaches `weight` and `bias`, so nothing can be learned.")
class UsesTheData(PlainLinear):
    def forward(self, x):
        return F.linear(x, self.weight.data, None if self.bias is None else self.bias.data)


@Linear.misconception("The numbers come from a normal distribution, scaled by 1/√in_features. `nn.Linear` draws from "
                      "a uniform one: none lies beyond the bound, and all within are equally likely.")
class ScalesANormal(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        scale = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * scale)
        self.bias = nn.Parameter(torch.randn(out_features) * scale) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


@Linear.misconception("The interval is half as wide: from −1/2 to 1/2 of the bound, as `torch.rand(…) - 0.5` gives "
                      "it. It reaches from minus the bound to the bound.")
class DrawsFromHalfTheInterval(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = nn.Parameter((torch.rand(out_features, in_features) - 0.5) * bound)
        self.bias = nn.Parameter((torch.rand(out_features) - 0.5) * bound) if bias else None

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


@Linear.misconception("The bias is subtracted. It is added to what the weights give.")
class SubtractsTheBias(PlainLinear):
    def forward(self, x):
        return x @ self.weight.T - (0 if self.bias is None else self.bias)


@Linear.misconception("The bias is added twice, in the product and once more behind it.")
class AddsTheBiasTwice(PlainLinear):
    def forward(self, x):
        return super().forward(x) + (0 if self.bias is None else self.bias)


@Linear.misconception("The bias has the shape (1, out_features). It is (out_features,), one number an output; "
                      "broadcasting does the rest.")
class ShapesTheBiasAsARow(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        if bias:
            self.bias = nn.Parameter(self.bias.detach()[None])


@Linear.misconception("The weights start at zero. Then all outputs are alike and stay alike: draw them from the task's "
                      "interval.", literal=True)
class StartsTheWeightAtZero(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        nn.init.zeros_(self.weight)


@Linear.misconception("The numbers start between −1 and 1, however many inputs there are. The bound shrinks with them: "
                      "1/√in_features.")
class StartsBetweenMinusOneAndOne(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1, 1)


@Linear.misconception("The weights have Xavier's start, whose bound counts inputs and outputs together. `nn.Linear`'s "
                      "is 1/√in_features.")
class StartsAsXavierDid(PlainLinear):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__(in_features, out_features, bias)
        nn.init.xavier_uniform_(self.weight)


@Linear.misconception("A ReLU was applied to the result. A linear layer ends with the bias; the ReLU is a layer of its "
                      "own.")
class EndsInARelu(PlainLinear):
    def forward(self, x):
        return super().forward(x).relu()


@Linear.alternative
class AsPyTorchWritesIt(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        if bias:
            self.bias = nn.Parameter(torch.empty(out_features))
        else:
            self.register_parameter("bias", None)
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if bias:
            nn.init.uniform_(self.bias, -1 / math.sqrt(in_features), 1 / math.sqrt(in_features))

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


@Linear.alternative
class BiasFirst(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        nn.Module.__init__(self)
        self.in_features, self.out_features = in_features, out_features
        self.bias = nn.Parameter((2 * torch.rand(out_features) - 1) * in_features ** -0.5) if bias else None
        self.weight = nn.Parameter((2 * torch.rand(out_features, in_features) - 1) * in_features ** -0.5)

    def forward(self, x):
        y = torch.einsum("...i,oi->...o", x, self.weight)
        if self.bias is not None:
            y = y + self.bias
        return y


@Linear.alternative
class RowByRow(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = 1 / in_features ** 0.5
        self.register_parameter("weight", nn.Parameter(torch.rand(out_features, in_features) * 2 * bound - bound))
        self.register_parameter("bias", nn.Parameter(torch.rand(out_features) * 2 * bound - bound) if bias else None)

    def forward(self, x):
        y = torch.stack([(x * row).sum(-1) for row in self.weight], dim=-1)
        return y + self.bias if self.bias is not None else y
