"""How the exercises of chapter 6 are examined: modules, their tree, and what is written to disk."""

import io
import math
import os
import shutil
import tempfile
import zipfile
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, error_of, exercise


@contextmanager
def _made(kind):
    """A list that grows with every object of one of PyTorch's classes that is made inside the block."""
    made, usual = [], kind.__init__

    def noticed(self, *args, **kwargs):
        made.append(type(self).__name__)
        usual(self, *args, **kwargs)

    kind.__init__ = noticed
    try:
        yield made
    finally:
        kind.__init__ = usual


def _reached(tensors):
    """Where a gradient has arrived, and which."""
    return {"a gradient reaches": {name: tensor.grad is not None for name, tensor in tensors.items()},
            "gradients": {name: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
                          for name, tensor in tensors.items()}}


# ---------------------------------------------------------------------------------------------------------- Linear


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


@exercise(points=8, reference=PlainLinear)
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
        for name, parameter in impl(16, 10_000).named_parameters():
            scaled = parameter.detach() * math.sqrt(16)
            seen |= {f"{name}, its mean times √in_features": scaled.mean().item(),
                     f"{name}, its standard deviation times √in_features": scaled.std().item(),
                     f"{name}, some outside ±1/√in_features": bool((scaled.abs() > 1.0001).any())}
        return seen

    def interchange():
        mine, theirs = draw.fill_(impl(5, 4)), draw.fill_(nn.Linear(5, 4))
        from_theirs = {name: tensor + 1 for name, tensor in theirs.state_dict().items()}
        from_mine = {name: tensor.clone() for name, tensor in mine.state_dict().items()}
        return {"yours takes nn.Linear's": error_of(lambda: mine.load_state_dict(from_theirs)),
                "nn.Linear takes yours": error_of(lambda: theirs.load_state_dict(from_mine)),
                "names": sorted(from_mine), "yours": mine(x := draw.normal(3, 5)), "nn.Linear": theirs(x)}

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
                      "and the task asks for: the bias is drawn from the same interval as the weights.")
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
                      "as PyTorch's own does, then stops with an AttributeError: assign None.")
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
                      "are what you are to make here.")
class InheritsTheLayer(nn.Linear):
    pass


@Linear.misconception("The numbers of the parameters are used without their history (`.data` or `.detach()`): the "
                      "values are right, but no gradient reaches `weight` and `bias`, so nothing can be learned.")
class UsesTheData(PlainLinear):
    def forward(self, x):
        return F.linear(x, self.weight.data, None if self.bias is None else self.bias.data)


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


# --------------------------------------------------------------------------------------------------------- Flatten


class PlainFlatten(nn.Module):
    """Every dimension from start_dim on becomes one."""

    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        return torch.flatten(x, self.start_dim)


@exercise(points=5, reference=PlainFlatten)
def Flatten(impl, draw):
    def values():
        with _made(nn.Flatten) as made:
            result = impl()(draw.normal(2, 3, 4, 5))
        return {"result": result, "PyTorch's own class is used": bool(made)}

    def in_a_net():
        first, last = draw.fill_(nn.Conv2d(1, 2, 3)).double(), draw.fill_(nn.Linear(18, 3)).double()
        layer = impl()
        net = nn.Sequential(first, layer, last)
        x = draw.normal(4, 1, 5, 5, dtype=torch.float64).requires_grad_()
        y = net(x)
        y.square().sum().backward()
        return {"result": y, "parameters": len(list(layer.parameters()))} | _reached({"x": x})

    yield aspect("values",
                 "With `start_dim=1` it keeps the batch: (N, C, H, W) becomes (N, C·H·W), channel after channel and "
                 "row after row.",
                 values)
    yield aspect("start_dim",
                 "`start_dim` counts from the front or, negative, from the back: every dimension from there on becomes "
                 "one.",
                 lambda: {f"start_dim={start}": impl(start)(draw.normal(2, 3, 4, 5)) for start in (0, 2, 3, -3)})
    yield aspect("non-contiguous",
                 "The input need not be contiguous: a permuted or a cut-out tensor is flattened in the order in which "
                 "it is read, too.",
                 lambda: {"permuted": impl()(draw.normal(2, 4, 5, 3).permute(0, 3, 1, 2)),
                          "every second column": impl()(draw.normal(2, 3, 6, 6)[..., ::2])})
    yield aspect("empty batch",
                 "An empty batch (0, C, H, W) becomes (0, C·H·W).",
                 lambda: {"no image": impl()(draw.normal(0, 3, 5, 7)), "one image": impl()(draw.normal(1, 3, 5, 7))})
    yield aspect("in a net",
                 "It is a module without parameters: it stands inside `nn.Sequential`, and gradients flow through it.",
                 in_a_net)


@Flatten.misconception("`view` was used. It never copies, so it refuses a tensor whose numbers do not lie in order, a "
                       "permuted one for instance. `reshape` and `flatten` copy where they must.")
class UsesView(nn.Module):
    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        start = self.start_dim % x.ndim
        return x.view(*x.shape[:start], math.prod(x.shape[start:]))


@Flatten.misconception("The batch was flattened, too: the result has one dimension. Each image of a batch has to stay "
                       "a row of its own.")
class FlattensTheBatch(PlainFlatten):
    def forward(self, x):
        return x.reshape(-1)


@Flatten.misconception("`start_dim` is taken and then not used: the result always has the shape (N, the rest).")
class IgnoresStartDim(PlainFlatten):
    def forward(self, x):
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))


@Flatten.misconception("The wrong end was flattened: the dimensions before `start_dim` became one, and those from it "
                       "on stayed.")
class FlattensTheFront(PlainFlatten):
    def forward(self, x):
        return x.flatten(0, self.start_dim)


@Flatten.misconception("−1 asks PyTorch to work a size out by division. In an empty batch there are 0 numbers, any "
                       "size would fit, and it refuses: multiply the sizes yourself, or use a function that does.")
class AsksForMinusOne(PlainFlatten):
    def forward(self, x):
        return x.reshape(*x.shape[:self.start_dim], -1)


@Flatten.misconception("The channels were put last before flattening. The linear layer behind it then meets the right "
                       "numbers in the wrong order: PyTorch flattens channel after channel.")
class PutsChannelsLast(PlainFlatten):
    def forward(self, x):
        return (x.movedim(1, -1) if x.ndim == 4 else x).flatten(self.start_dim)


@Flatten.misconception("PyTorch's `nn.Flatten` does the work, inherited or inside. Write the class yourself, on "
                       "`nn.Module`; every method of a tensor is yours.")
class InheritsFlatten(nn.Flatten):
    pass


@Flatten.misconception("The result was cut off from the graph (`detach`, `data` or `no_grad`): every layer before the "
                       "flatten stops learning.")
class CutsTheGraph(PlainFlatten):
    def forward(self, x):
        return x.detach().flatten(self.start_dim)


@Flatten.misconception("A negative `start_dim` was not understood: it counts from the back, so that −2 means the last "
                       "two dimensions.")
class CountsFromTheFrontAlone(PlainFlatten):
    def forward(self, x):
        start = abs(self.start_dim)
        return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))


@Flatten.alternative
class ByReshape(nn.Module):
    def __init__(self, start_dim=1):
        super().__init__()
        self.first = start_dim

    def forward(self, x):
        kept = x.shape[:self.first]
        return x.reshape(*kept, x.shape[self.first:].numel())


@Flatten.alternative
class ByContiguousView(nn.Module):
    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        start = self.start_dim if self.start_dim >= 0 else x.dim() + self.start_dim
        size = 1
        for length in x.shape[start:]:
            size *= length
        return x.contiguous().view(*x.shape[:start], size)


@Flatten.alternative
class OneDimensionAtATime(nn.Module):
    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        start = self.start_dim % x.ndim
        while x.ndim > start + 1:
            x = x.flatten(-2)
        return x


# --------------------------------------------------------------------------------------------------------- TestNet


class PlainTestNet(nn.Module):
    """(N, 1, 28, 28) to (N, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


def _filled_by_shape(module, base):
    """Parameters filled with numbers that depend on their shapes alone: names and order are free."""
    with torch.no_grad():
        for parameter in module.parameters():
            place = 0
            for size in parameter.shape:
                place = (1009 * place + size) % 2**30
            generator = torch.Generator().manual_seed(base + place)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return module


@exercise(points=8, reference=PlainTestNet)
def TestNet(impl, draw):
    def net():
        return _filled_by_shape(impl(), draw.seed())

    def other_sizes():
        made = net()
        return {"one image": made(draw.normal(1, 1, 28, 28)), "five images": made(draw.normal(5, 1, 28, 28))}

    def parameters():
        found = list(impl().parameters())
        shapes = [str(tuple(parameter.shape)) for parameter in found]
        return {"how many of each shape": {shape: shapes.count(shape) for shape in shapes},
                "numbers": sum(parameter.numel() for parameter in found),
                "frozen": sum(not parameter.requires_grad for parameter in found)}

    def twice():
        made, x = net(), draw.normal(2, 1, 28, 28)
        first, second, other = made(x), made(x), made(x + 1)
        return {"shape": list(first.shape), "the same image gives the same": torch.equal(first, second),
                "another image gives the same": torch.equal(first, other),
                "numbers to train": sum(parameter.numel() for parameter in made.parameters())}

    def saved():
        made, fresh = net(), impl()
        fresh.load_state_dict(made.state_dict())
        return fresh(draw.normal(2, 1, 28, 28))

    def trained():
        made = net()
        F.cross_entropy(made(draw.normal(3, 1, 28, 28)), draw.integers(0, 10, 3)).backward()
        return _reached({str(tuple(parameter.shape)): parameter for parameter in made.parameters()})

    yield aspect("values",
                 "Convolution, pool, flatten, linear, in this order and nothing else: what comes out are raw scores, "
                 "(N, 1, 28, 28) to (N, 10).",
                 lambda: net()(draw.normal(3, 1, 28, 28)))
    yield aspect("batches",
                 "The batch may have any size, one image included.",
                 other_sizes)
    yield aspect("parameters",
                 "Four parameters, 31,530 numbers, and all of them are found by `parameters()`.",
                 parameters)
    yield aspect("twice",
                 "The layers are made once, in `__init__`: the same image gives the same scores twice.",
                 twice)
    yield aspect("state dict",
                 "A second net that loads the first one's state dict computes what the first one computes.",
                 saved)
    yield aspect("gradients",
                 "A backward pass leaves a gradient at every parameter.",
                 trained)


@TestNet.misconception("The linear layer was made for 1·14·14 numbers, as in the notes. The pool gives 16 channels of "
                       "14×14 each: all of them reach the linear layer.")
class ForgetsTheChannels(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(1 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The convolution was given no `kernel_size`, as in the notes. It has no default: a convolution "
                       "without a window is none.")
class ForgetsTheKernel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, stride=1, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("`super().__init__()` is missing. It makes the registers into which a module enters its layers: "
                       "before it has run, no layer can be assigned.")
class ForgetsSuper(nn.Module):
    def __init__(self):
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The layers are in a Python list, and a module does not look into lists: `parameters()` finds "
                       "nothing, nothing is trained or saved. `nn.Sequential` or `nn.ModuleList` is seen.")
class KeepsThemInAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 14 * 14, 10)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@TestNet.misconception("The layers are made in `forward`: every call starts from new random numbers, and the net can "
                       "neither learn nor be saved. Make them in `__init__`, use them in `forward`.")
class MakesThemInForward(nn.Module):
    def forward(self, x):
        x = nn.Conv2d(1, 16, 3, padding=1)(x)
        return nn.Linear(16 * 14 * 14, 10)(F.max_pool2d(x, 2).flatten(1))


@TestNet.misconception("The linear layer is made in `forward`: each call makes a new one of new random numbers, and "
                       "no optimizer ever sees it. Work its size out, and make it in `__init__`.")
class MakesTheLinearInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(self.conv(x), 2).flatten(1)
        return nn.Linear(x.shape[1], 10)(x)


@TestNet.misconception("The border was not padded: the convolution gives 26×26, the pool 13×13, and the linear layer "
                       "has 16·13·13 inputs. The task wants the size kept, 28×28.")
class ForgetsThePadding(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 13 * 13, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("A softmax stands at the end. The task wants raw scores: cross-entropy takes the softmax "
                       "itself, and two in a row make the gradients small.")
class EndsInASoftmax(PlainTestNet):
    def forward(self, x):
        return self.net(x).softmax(1)


@TestNet.misconception("A log-softmax stands at the end. That belongs to `nll_loss`; the task wants the raw scores, as "
                       "cross-entropy does, which takes the log-softmax itself.")
class EndsInALogSoftmax(PlainTestNet):
    def forward(self, x):
        return self.net(x).log_softmax(1)


@TestNet.misconception("The convolution has no bias. Before a normalisation one leaves it out, but none follows here, "
                       "and the task counts 16·1·3·3 + 16 numbers.")
class ForgetsTheBias(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("A BatchNorm was added. It is the notes' next net that has one; this one has four layers and "
                       "four parameters.")
class AddsABatchNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The pool averages. The notes' net, and the task, keep the largest of each 2×2 window.")
class PoolsTheMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.AvgPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("There is no flatten before the linear layer. It works on the last dimension alone and meets "
                       "rows of 14 numbers where it was made for 3,136.")
class ForgetsTheFlatten(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("An activation was added. A good idea in a real net, but the task's net has four layers and no "
                       "ReLU.")
class AddsARelu(PlainTestNet):
    def forward(self, x):
        convolution, pool, flatten, linear = self.net
        return linear(flatten(pool(convolution(x).relu())))


@TestNet.misconception("`view(1, −1)` makes a single row of the whole batch. Keep the first dimension: `start_dim=1`.")
class FlattensToOneRow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16 * 14 * 14, 10)

    def forward(self, x):
        return self.fc(F.max_pool2d(self.conv(x), 2).view(1, -1))


@TestNet.alternative
class NamedLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, kernel_size=(3, 3), stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(3136, 10)

    def forward(self, x):
        x = self.pool(self.conv(x))
        return self.fc(x.flatten(start_dim=1))


@TestNet.alternative
class LinearFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16 * 14 * 14, 10)
        self.body = nn.ModuleList([nn.Conv2d(1, 16, 3, padding="same"), nn.MaxPool2d(2)])

    def forward(self, x):
        for layer in self.body:
            x = layer(x)
        return self.head(x.reshape(len(x), -1))


@TestNet.alternative
class OwnParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(16, 1, 3, 3) / 3)
        self.kernel_bias = nn.Parameter(torch.zeros(16))
        self.matrix = nn.Parameter(torch.randn(10, 3136) / 56)
        self.matrix_bias = nn.Parameter(torch.zeros(10))

    def forward(self, x):
        x = F.conv2d(x, self.kernel, self.kernel_bias, padding=1)
        x = x.unflatten(2, (14, 2)).unflatten(4, (14, 2)).amax(dim=(3, 5))
        return F.linear(x.flatten(1), self.matrix, self.matrix_bias)


# ------------------------------------------------------------------------------------------------------ Sequential


class PlainSequential(nn.Module):
    """Modules in a row, named 0, 1, 2, …"""

    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def forward(self, x):
        for module in self._modules.values():
            x = module(x)
        return x

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, index):
        names = list(self._modules)
        if not isinstance(index, slice):
            return self._modules[names[index]]
        part = type(self)()
        for name in names[index]:
            part.add_module(name, self._modules[name])
        return part


def _linear(draw, in_features, out_features):
    """A linear layer with drawn numbers, whatever it will be called."""
    layer = nn.Linear(in_features, out_features)
    with torch.no_grad():
        layer.weight.copy_(draw.normal(out_features, in_features))
        layer.bias.copy_(draw.normal(out_features))
    return layer


def _which(net, index, parts):
    """Which of the parts stands at a place: its number, or what was found or raised in its stead."""
    try:
        found = net[index]
    except (LookupError, AttributeError) as error:
        return type(error).__name__
    return next((number for number, part in enumerate(parts) if part is found), "another object")


@exercise(points=12, reference=PlainSequential)
def Sequential(impl, draw):
    def layers():
        return [_linear(draw, 4, 4), nn.Tanh(), _linear(draw, 4, 4), nn.Softmax(-1)]

    def order():
        with _made(nn.Sequential) as made:
            net, long = impl(*layers()), impl(*layers(), *layers(), *layers())
            result, twelve = net(draw.normal(3, 4)), long(draw.normal(3, 4))
        heard = []
        net[2].register_forward_hook(lambda module, inputs, output: heard.append(1))
        net(draw.normal(3, 4))
        return {"result": result, "twelve in a row": twelve, "times a layer's hook was run": len(heard),
                "PyTorch's own class is used": bool(made)}

    def names():
        inner = impl(nn.Tanh(), _linear(draw, 4, 2))
        net = impl(_linear(draw, 4, 4), inner)
        net.eval()
        return {"state dict": " ".join(net.state_dict()), "modules": " ".join(name for name, _ in net.named_modules()),
                "result": net(draw.normal(3, 4)), "inner one trains": inner[1].training}

    def indexing():
        parts = layers()
        net = impl(*parts)
        return {"result": net(draw.normal(3, 4)),
                "found": {f"net[{index}]": _which(net, index, parts) for index in (0, 2, 3, -1, -4)},
                "too far": error_of(lambda: net[4], IndexError), "too far back": error_of(lambda: net[-5], IndexError)}

    def slicing():
        parts = layers()
        net = impl(*parts)
        middle, ends = net[1:3], net[::2]
        cut = {"net[1:3]": middle, "net[::2]": ends, "net[2:][1:]": net[2:][1:], "net[-2:]": net[-2:],
               "net[:99]": net[:99]}
        return {"is one, too": [isinstance(part, impl) for part in (middle, ends)],
                "names in": {which: " ".join(name for name, _ in part.named_children()) for which, part in cut.items()},
                "same modules": [_which(middle, 0, parts), _which(middle, 1, parts), _which(ends, 1, parts),
                                 _which(net[2:][1:], 0, parts)],
                "result": net[2:](draw.normal(3, 4)), "the whole is still whole": net(draw.normal(3, 4))}

    def length():
        parts = layers()
        net = impl(*parts)
        walked = list(islice(iter(net), 20))
        return {"lengths": {"of four": len(net), "of net[1:]": len(net[1:]), "of nothing": len(impl())},
                "in a loop": [len(walked), *(one is other for one, other in zip(walked, parts, strict=False))],
                "result": net(draw.normal(3, 4))}

    def repeats():
        first, tanh = _linear(draw, 4, 4), nn.Tanh()
        net = impl(first, tanh, first, tanh)
        return {"result": net(draw.normal(3, 4)), "length": len(net),
                "modules in a loop": len(list(islice(iter(net), 20))), "state dict": " ".join(net.state_dict()),
                "numbers to train": sum(parameter.numel() for parameter in net.parameters())}

    def refusals():
        return {"result": impl(*layers())(draw.normal(3, 4)),
                "a function": error_of(lambda: impl(nn.Tanh(), torch.tanh), TypeError)}

    yield aspect("order",
                 "The output of each module is the input of the next, in the order in which they were given.",
                 order)
    yield aspect("names",
                 "The modules are registered as `0`, `1`, `2`, …, and so are nested ones: `1.0.weight` is the weight "
                 "of the first module inside the second.",
                 names)
    yield aspect("indexing",
                 "`net[i]` is the i-th module itself, `net[-1]` the last; outside there is an IndexError.",
                 indexing)
    yield aspect("slicing",
                 "`net[1:3]` is a Sequential of the same modules, not copies, and they keep their names: `1` and `2`, "
                 "although its first module is now `net[1:3][0]`.",
                 slicing)
    yield aspect("length",
                 "`len(net)` counts the modules, and `for layer in net` gives them in order.",
                 length)
    yield aspect("repeats",
                 "The same module may be given twice: it then works twice, and its parameters count once.",
                 repeats)
    yield aspect("nothing in it",
                 "A Sequential of nothing returns its input.",
                 lambda: {"nothing": impl()(draw.normal(2, 3)), "one module": impl(nn.Tanh())(draw.normal(2, 3))})
    yield aspect("refusals",
                 "What is no module is refused with a TypeError.",
                 refusals)


@Sequential.misconception("The modules are in a Python list, which a module does not look into: no parameter is found, "
                          "no state saved, and `eval()` reaches none of them. Register each, by name.")
class KeepsAPythonList(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        for module in modules:
            if not isinstance(module, nn.Module):
                raise TypeError(f"{module} is no module")
        self.items = list(modules)

    def forward(self, x):
        for module in self.items:
            x = module(x)
        return x

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return type(self)(*self.items[index]) if isinstance(index, slice) else self.items[index]


@Sequential.misconception("`forward` walks over `children()`, which names a module only once. Where the same module "
                          "was given twice, its second turn is left out.")
class WalksOverChildren(PlainSequential):
    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


@Sequential.misconception("A slice starts counting from 0 again. Slices keep the names of the whole, so that a part's "
                          "state dict still fits the whole net's.")
class NumbersSlicesAnew(PlainSequential):
    def __getitem__(self, index):
        modules = list(self._modules.values())[index]
        return type(self)(*modules) if isinstance(index, slice) else modules


@Sequential.misconception("A module is looked up by its name, `str(i)`. In a slice names and places differ: the first "
                          "module of `net[1:3]` is called 1. Count places instead.")
class LooksUpByName(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return getattr(self, str(index % len(self)))


@Sequential.misconception("A negative index finds nothing. As in a list, −1 is the last module and −len(net) the "
                          "first.")
class KnowsNoNegativeIndex(PlainSequential):
    def __getitem__(self, index):
        if not isinstance(index, slice) and index < 0:
            raise IndexError(f"index {index} is out of range")
        return super().__getitem__(index)


@Sequential.misconception("A slice is a plain list. It cannot be called, moved or saved: `net[1:3]` should be a net "
                          "again.")
class SlicesToALists(PlainSequential):
    def __getitem__(self, index):
        return list(self._modules.values())[index]


@Sequential.misconception("An index that is too large ends in a KeyError. A `for` loop over the net asks for 0, 1, 2, "
                          "… and stops at an IndexError alone.")
class RaisesKeyErrors(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        names = list(self._modules)
        return self._modules[names[index] if -len(names) <= index < len(names) else str(index)]


@Sequential.misconception("The modules got names of your own, not `0`, `1`, `2`. A state dict is addressed by these "
                          "names: no `nn.Sequential`'s checkpoint would fit.")
class InventsNames(PlainSequential):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            self.add_module(f"layer{index}", module)


@Sequential.misconception("The names count from 1. PyTorch's start at 0, like every index in Python.")
class CountsFromOne(PlainSequential):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules, 1):
            self.add_module(str(index), module)


@Sequential.misconception("A slice holds copies. Train the slice, and the whole net does not notice: share the "
                          "modules.")
class CopiesIntoSlices(PlainSequential):
    def __getitem__(self, index):
        import copy

        part = super().__getitem__(index)
        return copy.deepcopy(part) if isinstance(index, slice) else part


@Sequential.misconception("Every module was given the original input, and the last one's output returned. Each has to "
                          "take what the one before gave.")
class FeedsEachTheInput(PlainSequential):
    def forward(self, x):
        y = x
        for module in self._modules.values():
            y = module(x)
        return y


@Sequential.misconception("The modules run from the last to the first. f(g(x)) is written from the outside, but a net "
                          "is listed in the order in which it works.")
class RunsBackwards(PlainSequential):
    def forward(self, x):
        for module in reversed(self._modules.values()):
            x = module(x)
        return x


@Sequential.misconception("Anything is let in. A function such as `torch.tanh` seems to work, until `named_modules()` "
                          "or a state dict meets it: check, or let `add_module` check.")
class TakesAnything(PlainSequential):
    def __init__(self, *modules):
        nn.Module.__init__(self)
        for index, module in enumerate(modules):
            self._modules[str(index)] = module


@Sequential.misconception("With no module inside, nothing is returned. What passes through an empty net comes out as "
                          "it went in.")
class ReturnsNothingForNothing(PlainSequential):
    def forward(self, x):
        y = None
        for module in self._modules.values():
            y = module(x if y is None else y)
        return y


@Sequential.misconception("The modules are in a `ModuleList`, which does register them, but under its own name: "
                          "`layers.0.weight` where `0.weight` was expected. Register each in the net itself.")
class KeepsAModuleList(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.layers = nn.ModuleList(modules)

    def forward(self, x):
        for module in self.layers:
            x = module(x)
        return x

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, index):
        return type(self)(*self.layers[index]) if isinstance(index, slice) else self.layers[index]


@Sequential.misconception("A slice's start and stop were used as they stand. They may be negative, or lie beyond the "
                          "end, and mean what they mean in a list: let a list of the names be sliced.")
class TakesBoundsAsTheyStand(PlainSequential):
    def __getitem__(self, index):
        names = list(self._modules)
        if not isinstance(index, slice):
            return self._modules[names[index]]
        part = type(self)()
        for place in range(index.start or 0, index.stop or len(names), index.step or 1):
            if place < len(names):
                part.add_module(names[place], self._modules[names[place]])
        return part


@Sequential.misconception("An index beyond the end starts from the front again (`%`): nobody hears of the mistake, and "
                          "a `for` loop over the net never ends. Outside there is an IndexError.")
class GoesRound(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        return list(self._modules.values())[index % len(self)]


@Sequential.misconception("The loop goes over `children()`, which leaves repeats out: a module that was given twice "
                          "comes once in `for layer in net`.")
class LoopsOverChildren(PlainSequential):
    def __iter__(self):
        return self.children()


@Sequential.misconception("The length counts different modules (`children()` or `modules()`). A module that was given "
                          "twice stands in two places: `len` counts the places.")
class CountsChildren(PlainSequential):
    def __len__(self):
        return len(list(self.children()))


@Sequential.misconception("`forward` calls each module's `forward` directly. Hooks are run by the call, `layer(x)`: "
                          "who listens to a layer of yours hears nothing.")
class CallsForward(PlainSequential):
    def forward(self, x):
        for module in self._modules.values():
            x = module.forward(x)
        return x


@Sequential.misconception("PyTorch's `nn.Sequential` does the work, inherited or inside. Write the class yourself, on "
                          "`nn.Module`.")
class InheritsSequential(nn.Sequential):
    pass


@Sequential.alternative
class ByAttributes(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            if not isinstance(module, nn.Module):
                raise TypeError(f"{type(module).__name__} is no module")
            setattr(self, str(index), module)

    def __iter__(self):
        return iter(self._modules.values())

    def forward(self, x):
        for module in self:
            x = module(x)
        return x

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, index):
        items = list(self._modules.items())[index]
        if isinstance(index, int):
            return items[1]
        part = type(self)()
        part._modules.update(items)
        return part


@Sequential.alternative
class ByNamesList(nn.Module):
    def __init__(self, *modules, names=None):
        super().__init__()
        self.names = [str(index) for index in range(len(modules))] if names is None else names
        for name, module in zip(self.names, modules, strict=True):
            self.register_module(name, module)

    def forward(self, x):
        if self.names:
            for name in self.names:
                x = getattr(self, name)(x)
        return x

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return ByNamesList(*(getattr(self, name) for name in self.names[index]), names=self.names[index])
        return getattr(self, self.names[index])


@Sequential.alternative
class ByListAndRegister(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.steps = []
        for number, module in enumerate(modules):
            self._enter(f"{number}", module)

    def _enter(self, name, module):
        self.add_module(name, module)
        self.steps.append((name, module))

    def forward(self, x):
        for _, module in self.steps:
            x = module(x)
        return x

    def __len__(self):
        return len(self.steps)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.steps[index][1]
        other = ByListAndRegister()
        for name, module in self.steps[index]:
            other._enter(name, module)
        return other


# ------------------------------------------------------------------------------------------------------ MiniModule


def _is_parameter(value):
    return isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad


class PlainMini:
    """nn.Module's bookkeeping, and nothing of torch.nn."""

    def __init__(self):
        self._parameters, self._modules, self.training = {}, {}, True

    def __setattr__(self, name, value):
        entered = _is_parameter(value) or isinstance(value, PlainMini)
        if entered and "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        self._forget(name)
        if entered:
            (self._parameters if _is_parameter(value) else self._modules)[name] = value
        object.__setattr__(self, name, value)

    def _forget(self, name):
        for register in ("_parameters", "_modules"):
            self.__dict__.get(register, {}).pop(name, None)

    def __call__(self, *args):
        return self.forward(*args)

    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            yield from child._all(f"{prefix}{name}.")

    def named_parameters(self):
        seen = set()
        for name, parameter in self._all():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self):
        for _, parameter in self.named_parameters():
            yield parameter

    def train(self, mode=True):
        self.training = mode
        for child in self._modules.values():
            child.train(mode)
        return self

    def eval(self):
        return self.train(False)

    def state_dict(self):
        return {name: parameter.detach() for name, parameter in self._all()}

    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


def _leaf(*values):
    return torch.tensor(values, requires_grad=True)


def _net(impl, draw):
    """An object of a class built on impl: own numbers, a child, a grandchild; drawn values."""
    class Affine(impl):
        def __init__(self, size):
            super().__init__()
            self.weight = draw.normal(size).requires_grad_()
            self.size = size
            self.shift = draw.normal(size).requires_grad_()

        def forward(self, x):
            return x * self.weight + self.shift

    class Pair(impl):
        def __init__(self):
            super().__init__()
            self.inner = Affine(3)
            self.gain = draw.normal(1).requires_grad_()

        def forward(self, x):
            return self.inner(x) * self.gain

    class Whole(impl):
        def __init__(self):
            super().__init__()
            self.name = "whole"
            self.head = Affine(3)
            self.pair = Pair()
            self.offset = draw.normal(3).requires_grad_()

        def forward(self, x):
            return self.pair(self.head(x)) + self.offset

    return Whole()


def _empty(impl):
    """An object of a class built on impl that has nothing yet."""
    class Empty(impl):
        def __init__(self):
            super().__init__()

    return Empty()


def _same_objects(before, after):
    """Object by object, whether it is still the same one."""
    return [len(before) == len(after), *(one is other for one, other in zip(before, after, strict=False))]


def _listed(module):
    """The parameters by name, as copies."""
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


@exercise(points=20, reference=PlainMini)
def MiniModule(impl, draw):
    def registration():
        module, other = _empty(impl), _empty(impl)
        weight = draw.normal(2, 3).requires_grad_()
        module.weight = weight
        module.table = draw.normal(4)
        module.doubled = weight * 2
        module.size, module.label, module.nothing = 3, "mine", None
        module.several = [draw.normal(1).requires_grad_(), _empty(impl)]
        module.several[1].inside = draw.normal(1).requires_grad_()
        found = _listed(module)
        other.bias = draw.normal(2).requires_grad_()
        return {"found": found, "found in another object": _listed(other),
                "the tensor itself": [module.weight is weight, next(iter(module.parameters())) is weight],
                "others are there": [module.table, module.size, module.label, module.nothing],
                "an nn.Module": isinstance(module, nn.Module)}

    def nested():
        net = _net(impl, draw)
        return {"names": " ".join(name for name, _ in net.named_parameters()), "values": _listed(net),
                "without names": [parameter.detach() for parameter in net.parameters()]}

    def repeats():
        module, child, other = _empty(impl), _empty(impl), _empty(impl)
        shared, alike = draw.normal(3).requires_grad_(), torch.ones(3, requires_grad=True)
        child.weight, child.ones, other.tied = shared, alike, shared
        other.ones = torch.ones(3, requires_grad=True)
        module.first, module.second, module.again = child, other, child
        module.own = draw.normal(2).requires_grad_()
        return {"names": " ".join(name for name, _ in module.named_parameters()), "values": _listed(module),
                "how many": len(list(module.parameters()))}

    def reassigned():
        module = _empty(impl)
        module.weight = draw.normal(2).requires_grad_()
        module.weight = draw.normal(3).requires_grad_()
        module.bias = draw.normal(2).requires_grad_()
        module.bias = 0.5
        module.part = _empty(impl)
        module.part.weight = draw.normal(2).requires_grad_()
        module.part = draw.normal(4).requires_grad_()
        module.other = draw.normal(5).requires_grad_()
        module.other = _empty(impl)
        module.other.scale = draw.normal(1).requires_grad_()
        module.gone, module.gone_part = draw.normal(1).requires_grad_(), _empty(impl)
        module.gone_part.scale = draw.normal(1).requires_grad_()
        module.gone = module.gone_part = None
        return {"found": _listed(module), "the number": module.bias, "None": [module.gone, module.gone_part],
                "state dict": " ".join(sorted(module.state_dict()))}

    def too_early():
        said = []

        class Block(impl):
            def __init__(self, value):
                self.size = 3
                try:
                    self.early = value
                except AttributeError as error:
                    said.append("__init__" in str(error))
                    raise
                super().__init__()
                self.late = value

        def attempt(value):
            said.clear()
            return {"raises": error_of(lambda: Block(value), AttributeError), "its message names __init__": any(said)}

        seen = {"a parameter too early": attempt(_leaf(1.0, 2.0)), "a child too early": attempt(_empty(impl))}
        seen["a number early"] = error_of(lambda: Block(4))
        if seen["a number early"] == "no error":
            later = Block(4)
            later.weight = draw.normal(2).requires_grad_()
            seen |= {"numbers": [later.size, later.early], "found": _listed(later)}
        return seen

    def modes():
        net = _net(impl, draw)
        seen, same = {}, {}

        def note(when, returned=net):
            same[when] = returned is net
            below = {"the object": net, "head": net.head, "pair": net.pair, "pair.inner": net.pair.inner}
            seen[when] = {name: bool(module.training) for name, module in below.items()}

        note("at first")
        note("after eval()", net.eval())
        net.pair.train()
        note("after pair.train()")
        note("after train()", net.train())
        note("after train(False)", net.train(False))
        return {"training": seen, "returns itself": same, "found": _listed(net)}

    def state():
        net, tied = _net(impl, draw), _empty(impl)
        net.tied, net.twin = tied, net.head
        tied.weight = net.offset
        before = net.state_dict()
        seen = {name: tensor.clone() for name, tensor in before.items()}
        with torch.no_grad():
            net.offset += 1
        return {"values": seen, "names": " ".join(seen), "follows the net": before["offset"] - seen["offset"],
                "require grad": [tensor.requires_grad for tensor in before.values()]}

    def loading():
        net = _net(impl, draw)
        tensors = list(net.parameters())
        given = {name: draw.normal(*tensor.shape) for name, tensor in net.state_dict().items()}
        net.load_state_dict(dict(reversed(given.items())))
        given["offset"] += 1
        after = list(net.parameters())
        return {"values": _listed(net), "the same tensors": _same_objects(tensors, after),
                "leaves that require grad": [tensor.is_leaf and tensor.requires_grad for tensor in after],
                "result": net(torch.ones(3)).detach()}

    def strict():
        net = _net(impl, draw)
        kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        fine = {name: tensor + 1 for name, tensor in kept.items()}
        missing = {name: tensor for name, tensor in fine.items() if name != "pair.inner.shift"}
        extra = fine | {"pair.inner.scale": torch.ones(3)}
        wrong = fine | {"offset": torch.ones(1)}
        mistyped = {name.replace("pair.gain", "pair.gian"): tensor for name, tensor in fine.items()}
        attempts = {"a missing name": missing, "a name too many": extra, "another shape": wrong,
                    "a mistyped name": mistyped}
        raised = {what: error_of(lambda given=given: net.load_state_dict(given), RuntimeError)
                  for what, given in attempts.items()}
        untouched = all(torch.equal(tensor, kept[name]) for name, tensor in net.state_dict().items())
        net.load_state_dict(fine)
        return {"raises": raised, "nothing was loaded": untouched, "then all": _listed(net)}

    def training():
        net = _net(impl, draw)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        x, target = draw.normal(6, 3), draw.normal(6, 3)
        losses = []
        for _ in range(3):
            loss = (net(x) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return {"losses": torch.stack(losses), "afterwards": _listed(net)}

    yield aspect("registration",
                 "A leaf tensor that requires grad becomes a parameter by being assigned to an attribute; every other "
                 "value is a plain attribute.",
                 registration)
    yield aspect("nested",
                 "`named_parameters()` gives pairs (name, tensor): the object's own first, then each child's, in the "
                 "order of assignment, with dotted names such as `pair.inner.weight`; `parameters()` gives the tensors "
                 "alone.",
                 nested)
    yield aspect("repeats",
                 "The same tensor under two names comes once, under the first; equal numbers in two tensors are still "
                 "two.",
                 repeats)
    yield aspect("assigned again",
                 "The last assignment counts: what was a parameter or a child and is overwritten is one no longer.",
                 reassigned)
    yield aspect("too early",
                 "A parameter or a child that is assigned before `MiniModule.__init__` has run raises an "
                 "AttributeError whose message names `__init__`; numbers may come earlier.",
                 too_early)
    yield aspect("modes",
                 "`training` starts as True; `train(mode=True)` and `eval()` set it in the object and everything below "
                 "it, and return the object.",
                 modes)
    yield aspect("state_dict",
                 "`state_dict()` is a dictionary from each qualified name to the tensor, detached, but in shared "
                 "memory; a tensor under two names is in it twice.",
                 state)
    yield aspect("load_state_dict",
                 "`load_state_dict(state_dict)` copies the numbers into the tensors that are there, in any order of "
                 "the names.",
                 loading)
    yield aspect("strict loading",
                 "A missing name, an unexpected name or another shape raises a RuntimeError, and then nothing has been "
                 "loaded.",
                 strict)
    yield aspect("training",
                 "Calling the object calls its `forward`, and an optimizer that is given `parameters()` trains it.",
                 training)


@MiniModule.misconception("`named_parameters()` stops at the object's own tensors. A net is a tree: ask every child "
                          "for its own, and put the child's name and a dot before them.")
class StopsAtItsOwn(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter


@MiniModule.misconception("Only one level below is asked: a child's own tensors are found, a grandchild's are not. Ask "
                          "the child for all that it has, and it will ask its children.")
class GoesOneLevelDown(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            for inner, parameter in child._parameters.items():
                yield f"{prefix}{name}.{inner}", parameter


@MiniModule.misconception("A tensor under two names is given twice. An optimizer would then move it twice a step: "
                          "remember which tensors were seen.")
class GivesRepeats(PlainMini):
    def named_parameters(self):
        yield from self._all()


@MiniModule.misconception("Repeats were looked for by value. Two tensors that hold equal numbers today, two layers of "
                          "ones for instance, are still two: compare identity, `is` or `id`.")
class ComparesValues(PlainMini):
    def named_parameters(self):
        seen = []
        for name, parameter in self._all():
            if not any(torch.equal(parameter, other) for other in seen):
                seen.append(parameter)
                yield name, parameter


@MiniModule.misconception("Repeats were looked for with `in`, which compares tensors by value, number by number, and "
                          "then does not know which truth to take. Keep a set of `id`s.")
class AsksWithIn(PlainMini):
    def named_parameters(self):
        seen = []
        for name, parameter in self._all():
            if parameter not in seen:
                seen.append(parameter)
                yield name, parameter


@MiniModule.misconception("Every tensor was registered. A table of constants or a result of a computation is no "
                          "parameter: only a leaf that requires grad is.")
class RegistersEveryTensor(PlainMini):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, torch.Tensor):
            self._parameters[name] = value


@MiniModule.misconception("What requires grad was registered without asking whether it is a leaf. The result of a "
                          "computation on parameters is no parameter: an optimizer refuses it.")
class RegistersResults(PlainMini):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, torch.Tensor) and value.requires_grad:
            self._parameters[name] = value


@MiniModule.misconception("The names lack the way down: `inner.weight` where `pair.inner.weight` was expected. Each "
                          "level puts its child's name before what the child returns.")
class LosesTheWay(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            yield from child._all(f"{name}.")


@MiniModule.misconception("`train` and `eval` set the mode of the object alone. A Dropout three levels down has to "
                          "hear of it, too: pass it on to every child.")
class KeepsTheModeToItself(PlainMini):
    def train(self, mode=True):
        self.training = mode
        return self


@MiniModule.misconception("`train` and `eval` stop one level down: a child hears of the mode, a grandchild does not. "
                          "Call the child's own `train`, and it passes the mode on.")
class TellsTheChildrenAlone(PlainMini):
    def train(self, mode=True):
        self.training = mode
        for child in self._modules.values():
            child.training = mode
        return self


@MiniModule.misconception("`train(False)` switches training on: `mode` is taken and not used, here or on the way down.")
class IgnoresTheMode(PlainMini):
    def train(self, mode=True):
        self.training = True
        for child in self._modules.values():
            child.train()
        return self

    def eval(self):
        self.training = False
        for child in self._modules.values():
            child.eval()
        return self


@MiniModule.misconception("`train` and `eval` return None. They return the object, so that one can write `net = "
                          "Net().eval()`.")
class ReturnsNoModule(PlainMini):
    def train(self, mode=True):
        super().train(mode)


@MiniModule.misconception("The state dict was made from `named_parameters()`, which leaves repeats out. It has to list "
                          "every name: whoever loads it looks for all of them.")
class LeavesRepeatsOut(PlainMini):
    def state_dict(self):
        return {name: parameter.detach() for name, parameter in self.named_parameters()}


@MiniModule.misconception("The state dict holds the tensors with their history. Detach them: a saved number should not "
                          "drag autograd along.")
class KeepsTheHistory(PlainMini):
    def state_dict(self):
        return dict(self._all())

    def load_state_dict(self, state_dict):
        PlainMini.state_dict(self)
        with torch.no_grad():
            super().load_state_dict(state_dict)


@MiniModule.misconception("The state dict holds copies. PyTorch's shares memory with the net, which costs nothing and "
                          "is how loading reaches the tensors; who wants a snapshot clones.")
class CopiesTheState(PlainMini):
    def state_dict(self):
        return {name: parameter.detach().clone() for name, parameter in self._all()}

    def load_state_dict(self, state_dict):
        own = dict(self._all())
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.detach().copy_(state_dict[name])


@MiniModule.misconception("Loading put new tensors in the place of the old ones. An optimizer that was made before "
                          "still holds the old ones and trains those: copy the numbers into the tensors that are "
                          "there.")
class PutsNewTensors(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in state_dict.items():
            *way, last = name.split(".")
            module = self
            for step in way:
                module = getattr(module, step)
            setattr(module, last, tensor.clone().requires_grad_())


@MiniModule.misconception("The given tensors became the net's own memory (`.data = …`). Whoever changes the dictionary "
                          "afterwards changes the net: copy the numbers over.")
class KeepsTheGivenMemory(PlainMini):
    def load_state_dict(self, state_dict):
        own = dict(self._all())
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.data = state_dict[name]


@MiniModule.misconception("A missing name ends in Python's own KeyError, and a name too many is not noticed at all. "
                          "Compare the two sets of names first, and raise a RuntimeError.")
class RaisesAKeyError(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("The names were counted, not compared. With one missing and another too many, a mistyped "
                          "name for instance, the numbers agree and the names do not.")
class CountsTheNames(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if len(own) != len(state_dict):
            raise RuntimeError("the state dict does not fit")
        if any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("Names that do not fit are passed over. Half of a net is then loaded and half is not, and "
                          "nobody hears of it: raise a RuntimeError.")
class LoadsWhatFits(PlainMini):
    def load_state_dict(self, state_dict):
        for name, tensor in self.state_dict().items():
            if name in state_dict and state_dict[name].shape == tensor.shape:
                tensor.copy_(state_dict[name])


@MiniModule.misconception("The shapes were not compared. `copy_` broadcasts: a tensor of one number fills a whole bias "
                          "without a word. Another shape is an error.")
class BroadcastsWhenLoading(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys():
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("The error comes when half of the tensors have been overwritten. Check all names and shapes "
                          "first, then copy.")
class LoadsHalf(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        for name, tensor in own.items():
            if name not in state_dict or state_dict[name].shape != tensor.shape:
                raise RuntimeError(f"{name} does not fit")
            tensor.copy_(state_dict[name])
        if len(own) != len(state_dict):
            raise RuntimeError("there are names too many")


@MiniModule.misconception("The registers are made when they are first needed, so nothing happens if "
                          "`super().__init__()` comes late. Then it empties them: the early parameter is lost without "
                          "a word.")
class MakesRegistersLate(PlainMini):
    def __setattr__(self, name, value):
        for register in ("_parameters", "_modules"):
            self.__dict__.setdefault(register, {})
        super().__setattr__(name, value)


@MiniModule.misconception("Nothing at all may be assigned before `__init__` has run, not even a number. Only what has "
                          "to be entered needs the registers: let plain values through.")
class RefusesNumbersToo(PlainMini):
    def __init__(self):
        for register in ("_parameters", "_modules"):
            object.__setattr__(self, register, {})
        self.training = True

    def __setattr__(self, name, value):
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        super().__setattr__(name, value)


@MiniModule.misconception("There is an AttributeError, but by accident: it complains of a register that is not there. "
                          "Say what the reader forgot, the call of `__init__`.")
class FailsByAccident(PlainMini):
    def __setattr__(self, name, value):
        self._forget(name)
        if _is_parameter(value):
            self._parameters[name] = value
        elif isinstance(value, PlainMini):
            self._modules[name] = value
        object.__setattr__(self, name, value)


@MiniModule.misconception("A name that is overwritten stays in its old register: the number of today is still listed "
                          "as the parameter of yesterday. Take it out first.")
class NeverForgets(PlainMini):
    def _forget(self, name):
        pass


@MiniModule.misconception("What was a parameter or a child and is set to None is still listed. None is a value like "
                          "any other here: the name leaves its register.")
class KeepsWhatBecameNone(PlainMini):
    def __setattr__(self, name, value):
        if value is None:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


@MiniModule.misconception("The children come before the object's own parameters. PyTorch lists the object's own first, "
                          "then goes down.")
class AsksChildrenFirst(PlainMini):
    def _all(self, prefix=""):
        for name, child in self._modules.items():
            yield from child._all(f"{prefix}{name}.")
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter


@MiniModule.alternative
class LooksThroughItsAttributes:
    """No register at all: the attributes are the register."""

    def __init__(self):
        self.training = True

    def __setattr__(self, name, value):
        if "training" not in vars(self) and (_is_parameter(value) or isinstance(value, LooksThroughItsAttributes)):
            raise AttributeError(f"{name}: call super().__init__() first")
        vars(self).pop(name, None)
        vars(self)[name] = value

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def _children(self):
        return {name: value for name, value in vars(self).items() if isinstance(value, LooksThroughItsAttributes)}

    def _everything(self):
        found = [(name, value) for name, value in vars(self).items() if _is_parameter(value)]
        for name, child in self._children().items():
            found += [(name + "." + rest, value) for rest, value in child._everything()]
        return found

    def named_parameters(self):
        found = {}
        for name, value in self._everything():
            found.setdefault(id(value), (name, value))
        return list(found.values())

    def parameters(self):
        return [value for _, value in self.named_parameters()]

    def train(self, mode=True):
        for child in self._children().values():
            child.train(mode)
        self.training = mode
        return self

    def eval(self):
        return self.train(mode=False)

    def state_dict(self):
        return {name: value.data for name, value in self._everything()}

    def load_state_dict(self, state_dict):
        own = dict(self._everything())
        for name in {*own, *state_dict}:
            if name not in own or name not in state_dict or own[name].shape != state_dict[name].shape:
                raise RuntimeError(name)
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state_dict[name])
        return self


@MiniModule.alternative
class AsPyTorchDoesIt:
    """Parameters and children live in the registers alone, and __getattr__ finds them there."""

    def __init__(self):
        object.__setattr__(self, "training", True)
        object.__setattr__(self, "_parameters", {})
        object.__setattr__(self, "_modules", {})

    def __setattr__(self, name, value):
        registers = [self.__dict__.get("_parameters"), self.__dict__.get("_modules")]
        wanted = 0 if _is_parameter(value) else 1 if isinstance(value, AsPyTorchDoesIt) else None
        if wanted is not None and registers[wanted] is None:
            raise AttributeError("cannot assign parameter or module before MiniModule.__init__() call")
        for register in registers:
            if register is not None:
                register.pop(name, None)
        self.__dict__.pop(name, None)
        if wanted is None:
            object.__setattr__(self, name, value)
        else:
            registers[wanted][name] = value

    def __getattr__(self, name):
        for register in ("_parameters", "_modules"):
            if name in self.__dict__.get(register, {}):
                return self.__dict__[register][name]
        raise AttributeError(name)

    def __call__(self, *args):
        return self.forward(*args)

    def _walk(self, way=()):
        yield way, self
        for name, child in self._modules.items():
            yield from child._walk((*way, name))

    def _all(self):
        return [(".".join((*way, name)), parameter) for way, module in self._walk()
                for name, parameter in module._parameters.items()]

    def named_parameters(self):
        seen = set()
        for name, parameter in self._all():
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            yield name, parameter

    def parameters(self):
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode=True):
        for _, module in self._walk():
            module.training = mode
        return self

    def eval(self):
        return self.train(False)

    def state_dict(self):
        return {name: parameter.detach() for name, parameter in self._all()}

    def load_state_dict(self, state_dict):
        own = dict(self._all())
        if sorted(own) != sorted(state_dict):
            raise RuntimeError("other names")
        if [own[name].shape for name in own] != [state_dict[name].shape for name in own]:
            raise RuntimeError("other shapes")
        for name, parameter in own.items():
            parameter.data.copy_(state_dict[name])


@MiniModule.alternative
class OneRegister:
    """One register for both kinds."""

    def __init__(self):
        self.__dict__.update(_entries={}, training=True)

    def __setattr__(self, name, value):
        special = _is_parameter(value) or isinstance(value, OneRegister)
        if special:
            if "_entries" not in self.__dict__:
                raise AttributeError("OneRegister.__init__() has not been called")
            self._entries.pop(name, None)
            self._entries[name] = value
        elif "_entries" in self.__dict__:
            self._entries.pop(name, None)
        self.__dict__[name] = value

    def __call__(self, x):
        return self.forward(x)

    def _items(self, prefix=""):
        tensors = [(prefix + n, v) for n, v in self._entries.items() if isinstance(v, torch.Tensor)]
        for name, value in self._entries.items():
            if isinstance(value, OneRegister):
                tensors.extend(value._items(prefix + name + "."))
        return tensors

    def named_parameters(self):
        found = []
        for name, tensor in self._items():
            if all(tensor is not other for _, other in found):
                found.append((name, tensor))
        return found

    def parameters(self):
        return [tensor for _, tensor in self.named_parameters()]

    def train(self, mode=True):
        self.training = mode
        for value in self._entries.values():
            if isinstance(value, OneRegister):
                value.train(mode)
        return self

    def eval(self):
        self.train(False)
        return self

    def state_dict(self):
        state = {}
        for name, tensor in self._items():
            state[name] = tensor.detach()
        return state

    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if set(own) ^ set(state_dict):
            raise RuntimeError(f"these names do not fit: {set(own) ^ set(state_dict)}")
        for name in own:
            if own[name].size() != state_dict[name].size():
                raise RuntimeError(f"{name} has another shape")
        for name in own:
            own[name][...] = state_dict[name]


# ----------------------------------------------------------------------------------------------------- module_tree


def plain_tree(module):
    """A line a module, indented by depth."""
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


class _Block(nn.Module):
    """A net with a number of its own, a child that is itself a tree, and None where a child could be."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.body = nn.Sequential(nn.Linear(4, 6), nn.Sequential(nn.Tanh(), nn.Linear(6, 2)))
        self.register_module("shortcut", None)
        self.head = nn.Linear(2, 5, bias=False)


class _Tied(nn.Module):
    """Two layers, one weight."""

    def __init__(self):
        super().__init__()
        self.code = nn.Linear(4, 4)
        self.back = nn.Linear(4, 4)
        self.back.weight = self.code.weight


@exercise(points=10, reference=plain_tree)
def module_tree(impl, draw):
    def size():
        return int(draw.integers(2, 9))

    def nested():
        block = _Block()
        block.body[1].append(nn.Sequential(nn.Linear(2, size())))
        return impl(block)

    def same_module():
        layer = nn.Linear(size(), 3)
        return impl(nn.Sequential(layer, nn.ReLU(), layer))

    def frozen():
        net = nn.Sequential(nn.Linear(size(), 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4))
        net[0].requires_grad_(False)
        return impl(net)

    def large():
        width = 1000 + size()
        with torch.device("meta"):
            net = nn.Sequential(nn.Linear(width, 1000), nn.Linear(1000, 9))
        return impl(net.to_empty(device="cpu"))

    yield aspect("a row of layers",
                 "The first line is the module itself, `Class (count)`; under it every child has a line `name: Class "
                 "(count)`, two spaces further in.",
                 lambda: impl(nn.Sequential(nn.Linear(size(), 3), nn.ReLU(), nn.Linear(3, size()))))
    yield aspect("nested",
                 "Below each child stand its own children, another two spaces further in, and so on, in the order in "
                 "which they were registered.",
                 nested)
    yield aspect("shared parameters",
                 "`count` is the number of numbers in all parameters of the module and everything below it; a "
                 "parameter that is shared counts once.",
                 lambda: impl(nn.Sequential(_Tied(), nn.Linear(4, size()))))
    yield aspect("the same module twice",
                 "A module under two names has a line for each name.",
                 same_module)
    yield aspect("frozen and buffers",
                 "Frozen parameters count, buffers do not: they are no parameters.",
                 frozen)
    yield aspect("thousands",
                 "Commas separate the thousands: `1,005,000`.",
                 large)
    yield aspect("a single module",
                 "A module without children has one line, and no line break follows the last line.",
                 lambda: impl(nn.Conv2d(size(), 3, 3)))


@module_tree.misconception("The counts of the children were added up. A parameter that two of them share was counted "
                           "twice: `parameters()` of the whole gives each tensor once.")
def adds_up_children(module, name="", depth=0):
    def count(module):
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        return own + sum(count(child) for child in module._modules.values() if child is not None)

    lines = ["  " * depth + (f"{name}: " if depth else "") + f"{type(module).__name__} ({count(module):,})"]
    for child_name, child in module._modules.items():
        if child is not None:
            lines.append(adds_up_children(child, child_name, depth + 1))
    return "\n".join(lines)


@module_tree.misconception("Each tensor was counted on one line only: what one part has counted, its twin no longer "
                           "shows. A shared parameter counts once within each line, and in every line that holds it.")
def counts_once_in_the_text(module, name=None, depth=0, seen=None):
    seen = set() if seen is None else seen
    count, below = 0, []
    for parameter in module._parameters.values():
        if parameter is not None and id(parameter) not in seen:
            seen.add(id(parameter))
            count += parameter.numel()
    for child_name, child in module._modules.items():
        if child is not None:
            inner, text = counts_once_in_the_text(child, child_name, depth + 1, seen)
            count += inner
            below.append(text)
    label = "  " * depth + (f"{name}: " if depth else "") + f"{type(module).__name__} ({count:,})"
    text = "\n".join([label, *below])
    return (count, text) if depth else text


@module_tree.misconception("Only the module's own parameters were counted. A container has none itself; its count is "
                           "that of everything below it.")
def counts_its_own(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters(recurse=False))
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The state dict was counted, and with it the buffers: BatchNorm's running mean, variance "
                           "and step counter. They are state, but no parameters.")
def counts_buffers(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(tensor.numel() for tensor in child.state_dict().values())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("Frozen parameters were left out. They do not train, but they are there, take memory and "
                           "are saved.")
def counts_what_trains(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters() if parameter.requires_grad)
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("Tensors were counted, not the numbers in them: a linear layer has two tensors, whatever "
                           "its size. `numel()` counts numbers.")
def counts_tensors(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        label = f"{type(child).__name__} ({len(list(child.parameters())):,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("`named_children()` or `named_modules()` names a module once. Where it stands under two "
                           "names, the second line is missing: `named_modules(remove_duplicate=False)` gives all "
                           "names.")
def names_each_once(module):
    lines = []
    for name, child in module.named_modules():
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The module itself is missing: the tree starts with its first child. The root has a line of "
                           "its own, without a name and without indent.")
def leaves_the_root_out(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        if name:
            count = sum(parameter.numel() for parameter in child.parameters())
            lines.append("  " * name.count(".") + f"{name.split('.')[-1]}: {type(child).__name__} ({count:,})")
    return "\n".join(lines)


@module_tree.misconception("The tree stops after the first level. Children have children: call yourself for each, one "
                           "step further in.")
def stops_after_children(module):
    lines = [f"{type(module).__name__} ({sum(p.numel() for p in module.parameters()):,})"]
    for name, child in module._modules.items():
        if child is not None:
            lines.append(f"  {name}: {type(child).__name__} ({sum(p.numel() for p in child.parameters()):,})")
    return "\n".join(lines)


@module_tree.misconception("Every line below the root has the same indent. Two spaces more a level show who belongs to "
                           "whom.")
def indents_once(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append(f"  {name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The lines carry the whole path, `body.1.0`. The indent already says where a child hangs: "
                           "its own name is enough.")
def prints_the_path(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The thousands are not separated. In a format string, `:,` does it.")
def separates_nothing(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        label = f"{type(child).__name__} ({sum(parameter.numel() for parameter in child.parameters())})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("None was taken for a module: a child that is switched off, such as a shortcut that is not "
                           "needed, is kept in the register as None. Pass it over.")
def stumbles_over_none(module, name="", indent=""):
    count = sum(parameter.numel() for parameter in module.parameters())
    lines = [f"{indent}{name}{type(module).__name__} ({count:,})"]
    for child_name, child in module._modules.items():
        lines.append(stumbles_over_none(child, f"{child_name}: ", indent + "  "))
    return "\n".join(lines)


@module_tree.misconception("A line break follows the last line. Join the lines with line breaks between them.")
def ends_in_a_line_break(module):
    return plain_tree(module) + "\n"


@module_tree.misconception("The tree was printed and nothing returned. Return the text; whoever wants to see it prints "
                           "it.")
def prints_the_tree(module):
    print(plain_tree(module))


@module_tree.alternative
def by_recursion(module):
    def lines(name, module, indent):
        count = sum(p.numel() for p in module.parameters())
        yield f"{indent}{name}{type(module).__name__} ({count:,})"
        for key, child in module._modules.items():
            if child is not None:
                yield from lines(f"{key}: ", child, indent + "  ")

    return "\n".join(lines("", module, ""))


@module_tree.alternative
def by_a_set_of_ids(module, name=None, depth=0):
    seen = {}
    for _, inner in module.named_modules():
        for tensor in inner._parameters.values():
            if tensor is not None:
                seen[id(tensor)] = math.prod(tensor.shape)
    text = " " * (2 * depth) + ("" if name is None else name + ": ")
    text += type(module).__name__ + " (" + format(sum(seen.values()), ",") + ")"
    for key in module._modules:
        child = module._modules[key]
        if child is not None:
            text += "\n" + by_a_set_of_ids(child, key, depth + 1)
    return text


@module_tree.alternative
def by_a_stack(module):
    lines, waiting = [], [("", module, 0)]
    while waiting:
        name, current, depth = waiting.pop()
        count = sum(torch.Size(p.shape).numel() for p in set(current.parameters()))
        lines.append("{}{}{} ({:,})".format("  " * depth, name, current.__class__.__name__, count))
        children = [(key + ": ", child, depth + 1) for key, child in current._modules.items() if child is not None]
        waiting.extend(reversed(children))
    return "\n".join(lines)


# ----------------------------------------------------------------------------------------------------- checkpoints


def plain_save(path, net, optimizer, epoch):
    """Everything that training needs to go on, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def plain_load(path, net, optimizer=None, device="cpu"):
    """Read what plain_save wrote."""
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


def _small_net(draw):
    """A net with parameters and buffers, and an optimizer that remembers."""
    net = nn.Sequential(_linear(draw, 4, 6), nn.BatchNorm1d(6), nn.Tanh(), _linear(draw, 6, 2))
    return net, torch.optim.Adam(net.parameters(), lr=0.05)


def _train(net, optimizer, batches):
    for x, y in batches:
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _batches(draw, count):
    return [(draw.normal(8, 4), draw.normal(8, 2)) for _ in range(count)]


def _state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _modes(net):
    return {name or "the net": module.training for name, module in net.named_modules()}


def _equal(module, state):
    return all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def _as_in(module, state):
    """Whether its parameters are those: buffers, forgotten more often, are looked at in few aspects."""
    return all(torch.equal(tensor, state[name]) for name, tensor in module.named_parameters())


def _epoch_in(file):
    """The epoch that a checkpoint holds, or that there is none to be read."""
    try:
        checkpoint = torch.load(file, weights_only=True)
    except FileNotFoundError:
        return "the file is gone"
    except Exception:
        return "the file cannot be read"
    return checkpoint["epoch"] if "epoch" in _keys(checkpoint) else f"a {type(checkpoint).__name__} without an epoch"


def _keys(checkpoint):
    return {str(key): True for key in checkpoint} if isinstance(checkpoint, dict) else {}


def _files(folder):
    return dict.fromkeys(sorted(os.listdir(folder)), True)


class _Unwritable(int):
    """A number at which writing stops, as on a full disk."""

    def __reduce_ex__(self, protocol):
        raise OSError("no space left on device")


@contextmanager
def _witness(path):
    """Notes what stands under a path whenever a file is about to be written or renamed, and where new ones come from.

    It sees what goes through `torch.save`, `os.replace` and `os.rename`, as `Path.replace` and `shutil.move` do.
    """
    seen, inside = set(), []
    usual = {(torch, "save"): torch.save, (os, "replace"): os.replace, (os, "rename"): os.rename}

    def saving(*args, **kwargs):
        seen.add(_epoch_in(path))
        usual[torch, "save"](*args, **kwargs)
        seen.add(_epoch_in(path))

    def renaming(name):
        def rename(source, target, *args, **kwargs):
            seen.add(_epoch_in(path))
            if os.path.abspath(target) == os.path.abspath(path):
                inside.append(path.parent.resolve() in Path(source).resolve().parents)
            return usual[os, name](source, target, *args, **kwargs)
        return rename

    torch.save, os.replace, os.rename = saving, renaming("replace"), renaming("rename")
    try:
        yield seen, inside
    finally:
        for (module, name), function in usual.items():
            setattr(module, name, function)


@exercise(points=10, reference=plain_save)
def save_checkpoint(impl, draw):
    def contents():
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, 2))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 7)
            checkpoint = torch.load(path, weights_only=True)
        keys = _keys(checkpoint)
        return {"the file holds a dictionary": isinstance(checkpoint, dict), "keys": keys,
                "net": dict(checkpoint["net"]) if "net" in keys else {},
                "epoch": checkpoint["epoch"] if "epoch" in keys else None}

    def goes_on():
        net, optimizer = _small_net(draw)
        first, second = _batches(draw, 3), _batches(draw, 3)
        _train(net, optimizer, first)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 3)
            _train(net, optimizer, second)
            checkpoint = torch.load(path, weights_only=True)
        seen = {"the file holds a dictionary": isinstance(checkpoint, dict)}
        for key in ("net", "optimizer"):
            part = checkpoint[key] if key in _keys(checkpoint) else None
            seen[f"a state dict under {key!r}"] = "no" if part is None else "yes" if isinstance(part, dict) else str(
                type(part).__name__)
        if set(seen.values()) != {True, "yes"}:
            return seen | {"bit for bit": False, "the net at the end": {}}
        again, its_optimizer = _small_net(draw)
        again.load_state_dict(checkpoint["net"])
        its_optimizer.load_state_dict(checkpoint["optimizer"])
        _train(again, its_optimizer, second)
        return seen | {"bit for bit": _equal(again, _state(net)), "the net at the end": _state(again)}

    def names():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            impl(f"{folder}/as text.ckpt", net, optimizer, 1)
            impl(Path(folder, "as a path"), net, optimizer, 2)
            return {name: _epoch_in(Path(folder, name)) for name in _files(folder)}

    def in_place():
        net, optimizer = _small_net(draw)
        usual = tempfile.tempdir
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as elsewhere:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            try:
                tempfile.tempdir = elsewhere
                os.utime(elsewhere, (0, 0))
                os.utime(folder, (0, 0))
                with open(path, "rb") as opened_before, _witness(path) as (seen, inside):
                    impl(path, net, optimizer, 2)
                    old = _epoch_in(io.BytesIO(opened_before.read()))
                beside, touched = (os.stat(each).st_mtime != 0 for each in (folder, elsewhere))
            finally:
                tempfile.tempdir = usual
            return {"who had the old file open still reads epoch": old, "the file now holds epoch": _epoch_in(path),
                    "until the move the name stood for epoch": " then ".join(sorted(map(str, seen or {1}))),
                    "files": _files(folder), "it was written beside the old one": beside,
                    "the file came from inside the folder": all(inside),
                    "the system's temporary folder was used": touched}

    def interrupted():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            optimizer.param_groups[0]["schedule"] = lambda step: step  # no file can hold a function of this kind
            raised = error_of(lambda: impl(path, net, optimizer, _Unwritable(2)), Exception) != "no error"
            return {"the error comes through": raised, "the file still holds epoch": _epoch_in(path),
                    "files": _files(folder)}

    def left_alone():
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, 1))
        net[1].eval()
        before = _state(net)
        parameters = list(net.parameters())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 5)
            epoch = _epoch_in(path)
        return {"epoch": epoch, "modes": [module.training for module in net.modules()], "numbers": _equal(net, before),
                "gradients": [parameter.grad is not None and parameter.requires_grad for parameter in parameters]}

    yield aspect("contents",
                 "The file holds a dictionary with the keys `net`, `optimizer` and `epoch`: two state dicts, buffers "
                 "included, and the number; `torch.load(path, weights_only=True)` opens it.",
                 contents)
    yield aspect("goes on",
                 "Training that is resumed from it goes on bit for bit as if it had never stopped, with Adam, too.",
                 goes_on)
    yield aspect("names",
                 "`path` is a string or a `Path`, and the file has exactly that name.",
                 names)
    yield aspect("moved into place",
                 "Write to a temporary file in the same folder, then move it into place with `os.replace`; nothing "
                 "else stays in the folder.",
                 in_place)
    yield aspect("interrupted",
                 "If writing fails half-way, the error comes through, the old file is as it was, and no half-written "
                 "file is left beside it.",
                 interrupted)
    yield aspect("left alone",
                 "Net and optimizer are left as they were: numbers, gradients, modes.",
                 left_alone)


@save_checkpoint.misconception("The temporary file is moved into place also when writing it has failed: half of a new "
                               "checkpoint replaces a whole old one. Move it only after it has been written.")
def moves_it_in_any_case(path, net, optimizer, epoch):
    temporary = f"{path}.tmp"
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
    finally:
        os.replace(temporary, path)


@save_checkpoint.misconception("The file is written where the old one lies. From the first byte on the old checkpoint "
                               "is gone, and until the last byte the new one is not there: a crash in between costs "
                               "both.")
def writes_in_place(path, net, optimizer, epoch):
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)


@save_checkpoint.misconception("The old file is deleted before the new one is there. If the program dies in between, "
                               "there is none: `os.replace` puts the new in the old one's place in one step.")
def deletes_first(path, net, optimizer, epoch):
    path = Path(path)
    path.unlink(missing_ok=True)
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.misconception("The old file is deleted just before the new one is renamed. A crash in between leaves "
                               "no file under the name: `os.replace` writes over the old name in one step.")
def deletes_before_the_move(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        path.unlink(missing_ok=True)
        os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The old file was renamed first, and the new one written under the name. Until it is "
                               "whole, nobody finds a checkpoint there: rename the new file, not the old one.")
def renames_the_old_file(path, net, optimizer, epoch):
    path = Path(path)
    old = path.with_name(path.name + ".old")
    if path.exists():
        os.replace(path, old)
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)
    except Exception:
        path.unlink(missing_ok=True)
        if old.exists():
            os.replace(old, path)
        raise
    old.unlink(missing_ok=True)


@save_checkpoint.misconception("The optimizer's state is not in the file. Adam remembers two averages for every "
                               "number; without them a resumed training stumbles.")
def loses_the_optimizer(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save({"net": net.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Of the optimizer only its settings were kept (`param_groups`), not what it remembers "
                               "of each parameter. `optimizer.state_dict()` has both.")
def keeps_the_settings(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    kept = optimizer.state_dict() | {"state": {}}
    try:
        torch.save({"net": net.state_dict(), "optimizer": kept, "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Of the optimizer only what it remembers was kept (`state`), not its settings, the "
                               "`param_groups`. Without them no optimizer takes it back: save all of "
                               "`optimizer.state_dict()`.")
def keeps_the_averages(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    kept = optimizer.state_dict()["state"]
    try:
        torch.save({"net": net.state_dict(), "optimizer": kept, "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("`named_parameters()` was saved, so the buffers are missing: BatchNorm's running mean "
                               "and variance. `state_dict()` holds them as well.")
def forgets_the_buffers(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    numbers = {name: parameter.detach() for name, parameter in net.named_parameters()}
    try:
        torch.save({"net": numbers, "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The net itself was saved, not its state dict. That is a pickle of your class: it can "
                               "run code when it is opened, breaks when the class moves, and `weights_only=True` "
                               "refuses it.")
def pickles_the_net(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save({"net": net, "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Only the net's state dict is in the file, as in the notes. Fine for using a net, too "
                               "little for training on: where was the optimizer, in which epoch were you?")
def saves_the_net_alone(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save(net.state_dict(), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The temporary file was copied into place, not moved. A copy writes into the old file "
                               "byte by byte, and can be cut off half-way just like any other writing.")
def copies_into_place(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        shutil.copyfile(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("When writing fails, the half-written temporary file stays behind, and with every "
                               "failure one more. Remove it in a `finally`, or before the error goes on.")
def leaves_the_temporary_file(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
    os.replace(temporary, path)


@save_checkpoint.misconception("The temporary file lies in the system's temporary folder. That is often another disk, "
                               "and from disk to disk nothing can be moved in one step: use the checkpoint's own "
                               "folder.")
def uses_the_systems_folder(path, net, optimizer, epoch):
    file, temporary = tempfile.mkstemp()
    os.close(file)
    try:
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        shutil.move(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@save_checkpoint.misconception("The error was caught and swallowed. The old file is safe, but the caller believes that "
                               "the new epoch is saved: let the error go on after cleaning up.")
def swallows_the_error(path, net, optimizer, epoch):
    try:
        plain_save(path, net, optimizer, epoch)
    except Exception as error:
        print(error)


@save_checkpoint.misconception("An ending was added to the file's name. Whoever loads it asks for the name that was "
                               "given.")
def adds_an_ending(path, net, optimizer, epoch):
    plain_save(f"{path}.pt", net, optimizer, epoch)


@save_checkpoint.misconception("The net was put into eval mode to save it, and left there: from the next epoch on "
                               "BatchNorm and Dropout no longer train. Saving needs no mode.")
def leaves_eval_mode_on(path, net, optimizer, epoch):
    net.eval()
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.misconception("The gradients were thrown away while saving. Saving only reads: a loop that saves "
                               "between backward and step would lose its step.")
def throws_gradients_away(path, net, optimizer, epoch):
    optimizer.zero_grad()
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.alternative
def by_a_buffer(path, net, optimizer, epoch):
    buffer = io.BytesIO()
    torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict(), epoch=epoch), buffer)
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            file.write(buffer.getvalue())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


@save_checkpoint.alternative
def by_a_named_temporary_file(path, net, optimizer, epoch):
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as file:
        try:
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": int(epoch)}, file)
            file.flush()
            os.fsync(file.fileno())
            os.rename(file.name, path)
        except Exception:
            os.unlink(file.name)
            raise


@save_checkpoint.alternative
def by_path_replace(path, net, optimizer, epoch):
    path = Path(path)
    new = path.parent / f".{path.name}.new"
    state = {"epoch": epoch}
    state["net"] = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    state["optimizer"] = optimizer.state_dict()
    try:
        torch.save(state, str(new))
    except Exception:
        new.unlink()
        raise
    new.replace(path)


class _Code:
    """An object whose pickle makes a folder when it is opened."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def _as_from_a_gpu(path):
    """Rewrite a checkpoint so that its tensors claim to come from the device cuda:0."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            if name.endswith("data.pkl"):
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            archive.writestr(name, data)


@exercise(points=10, reference=plain_load)
def load_checkpoint(impl, draw):
    def saved(folder, steps=2, epoch=4):
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, steps))
        path = Path(folder) / "last.pt"
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)
        return path, net, optimizer

    def loaded():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            net, optimizer = _small_net(draw)
            epoch = impl(path, net, optimizer)
        return {"epoch": epoch, "net": _state(net)}

    def goes_on():
        with tempfile.TemporaryDirectory() as folder:
            path, net, optimizer = saved(folder, 3)
            rest = _batches(draw, 3)
            _train(net, optimizer, rest)
            again, its_optimizer = _small_net(draw)
            impl(path, again, its_optimizer)
        _train(again, its_optimizer, rest)
        return {"bit for bit": _equal(again, _state(net)), "the net at the end": _state(again)}

    def without_optimizer():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            net, _ = _small_net(draw)
            net[1].eval()
            impl(str(path), net)
            return {"net": _state(net), "training": _modes(net), "files": _files(folder)}

    def code():
        with tempfile.TemporaryDirectory() as folder:
            path, other, optimizer = saved(folder)
            net, _ = _small_net(draw)
            before = _state(net)
            with_code = Path(folder) / "from the net.pt"
            ran = Path(folder) / "the code has run"
            content = {"net": other.state_dict(), "optimizer": optimizer.state_dict(), "epoch": _Code(str(ran))}
            torch.save(content, with_code)
            refused = error_of(lambda: impl(with_code, net), Exception) != "no error"
            seen = {"refused": refused, "its code ran": ran.exists(), "nothing was loaded": _equal(net, before)}
            impl(path, net)
            return seen | {"an honest file is loaded": _as_in(net, other.state_dict())}

    def code_by_default():
        # What torch.load did before version 2.6 where it was not told: with this variable it does so still.
        usual = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
        try:
            return code()
        finally:
            del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
            if usual is not None:
                os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = usual

    def from_a_gpu():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            _as_from_a_gpu(path)
            net, optimizer = _small_net(draw)
            impl(path, net, optimizer, device="cpu")
            # On the device "meta" tensors have no numbers: what was really read to it cannot be loaded into a net.
            try:
                without_numbers = f"returned {impl(path, _small_net(draw)[0], device='meta')}"
            except Exception:
                without_numbers = "an error"
        return {"net": _state(net), "read to the device meta, where tensors are empty": without_numbers}

    def too_soon():
        with tempfile.TemporaryDirectory() as folder:
            path, net, optimizer = saved(folder)
            before = _state(net)
            raised = error_of(lambda: impl(Path(folder) / "never saved.pt", net, optimizer), FileNotFoundError)
            seen = {"no file": raised, "the net is as it was": _equal(net, before), "files": _files(folder)}
            again, its_optimizer = _small_net(draw)
            impl(path, again, its_optimizer)
            return seen | {"with a file it loads": _as_in(again, before)}

    def another_net():
        with tempfile.TemporaryDirectory() as folder:
            path, net, _ = saved(folder)
            longer = nn.Sequential(*net, nn.Linear(2, 2))
            shorter = nn.Sequential(*_small_net(draw)[0][:3])
            own, _ = _small_net(draw)
            impl(path, own)

            def attempt(other):
                returned = []
                raised = error_of(lambda: returned.append(impl(path, other)), RuntimeError)
                return f"{raised}, returned {returned[0]}" if returned else raised

            return {"names too few": attempt(longer), "names too many": attempt(shorter),
                    "its own are loaded": _as_in(own, net.state_dict())}

    yield aspect("loaded",
                 "The net's numbers, buffers included, become those of the file, and the epoch is returned, an int.",
                 loaded)
    yield aspect("goes on",
                 "With an optimizer, its state is loaded, too, and training goes on bit for bit as if it had never "
                 "stopped.",
                 goes_on)
    yield aspect("without optimizer",
                 "Without an optimizer the net alone is loaded; `path` is a string or a `Path`; modes and file stay as "
                 "they are.",
                 without_optimizer)
    yield aspect("a file with code",
                 "A file with code in it is refused with an error, before any of the code has run and before anything "
                 "is loaded.",
                 code)
    yield aspect("an older PyTorch",
                 "Say so yourself, `weights_only=True`: an older PyTorch, where nothing is said, runs the code.",
                 code_by_default)
    yield aspect("from a GPU",
                 "The file's tensors go to `device` while they are read: a checkpoint that was written on a GPU opens "
                 "on a machine that has none.",
                 from_a_gpu)
    yield aspect("before saving",
                 "Loading before anything was saved is a FileNotFoundError, and the net stays as it was.",
                 too_soon)
    yield aspect("another net",
                 "A checkpoint of another net, with names too many or too few, is a RuntimeError.",
                 another_net)


@load_checkpoint.misconception("Whether code may run was left to the default. It is the safe one today; before PyTorch "
                               "2.6 it was not, and you do not choose who runs your program. Write "
                               "`weights_only=True`.")
def trusts_the_default(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The file was opened with `weights_only=False`. That is a pickle, and a pickle may run "
                               "any program on your computer before it returns a single number.")
def opens_any_pickle(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=False)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The optimizer's state was not loaded. Adam starts again with empty averages and "
                               "corrections for a first step: the next steps go elsewhere.")
def forgets_the_optimizer(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The optimizer is always loaded, also when none was given. Whoever only wants to use "
                               "the net has no optimizer: ask whether it is None.")
def wants_an_optimizer(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("`strict=False` hides what does not fit. A checkpoint of another net then loads a part, "
                               "or nothing, and the net computes nonsense without an error.")
def is_not_strict(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"], strict=False)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Without `map_location` every tensor goes back to where it was saved. A checkpoint from "
                               "a GPU then cannot be opened on a laptop: pass `device` on.")
def maps_no_location(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Where there is no file, 0 was returned, as if there were nothing to load. A mistyped "
                               "path then starts the training anew, silently: let the FileNotFoundError through.")
def starts_anew_without_a_file(path, net, optimizer=None, device="cpu"):
    if not os.path.exists(path):
        return 0
    return plain_load(path, net, optimizer, device)


@load_checkpoint.misconception("The whole checkpoint was handed to the net. It is a dictionary of three: the net's own "
                               "state dict lies in it under `net`.")
def hands_over_the_whole_file(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The tensors are always read to the CPU: `device` was taken and not used.")
def reads_to_the_cpu(path, net, optimizer=None, device="cpu"):
    return plain_load(path, net, optimizer, "cpu")


@load_checkpoint.misconception("Every error was caught, and 0 returned: a missing file, a file with code in it, "
                               "another net, all pass as a fresh start. Let errors through; the caller has to know.")
def catches_everything(path, net, optimizer=None, device="cpu"):
    try:
        return plain_load(path, net, optimizer, device)
    except Exception:
        return 0


@load_checkpoint.misconception("The net was put into train mode. Whoever loads in order to use it gets Dropout and "
                               "batch statistics: leave the modes to the caller.")
def loads_for_training(path, net, optimizer=None, device="cpu"):
    epoch = plain_load(path, net, optimizer, device)
    net.train()
    return epoch


@load_checkpoint.misconception("The epoch was not returned. Whoever resumes has to know where to go on.")
def returns_no_epoch(path, net, optimizer=None, device="cpu"):
    plain_load(path, net, optimizer, device)


@load_checkpoint.misconception("The whole checkpoint was returned. Its net and optimizer have been loaded already; the "
                               "epoch alone is asked for.")
def returns_everything(path, net, optimizer=None, device="cpu"):
    plain_load(path, net, optimizer, device)
    return torch.load(path, map_location=device, weights_only=True)


@load_checkpoint.misconception("One was added to the epoch. Return the number that is in the file; what it means to go "
                               "on from there is the training loop's business.")
def returns_the_next_epoch(path, net, optimizer=None, device="cpu"):
    return plain_load(path, net, optimizer, device) + 1


@load_checkpoint.misconception("Only the parameters were copied. The buffers, BatchNorm's running mean and variance, "
                               "kept their first values: in eval mode the net gives other answers than the one that "
                               "was saved.")
def loads_parameters_alone(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    own = {name for name, _ in net.named_parameters()}
    if set(net.state_dict()) != set(checkpoint["net"]):
        raise RuntimeError("another net")
    net.load_state_dict({name: tensor for name, tensor in checkpoint["net"].items() if name in own}, strict=False)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The net got new parameters in place of its old ones (`assign=True` or the like). The "
                               "optimizer still holds the old ones: it steps, and the net does not move.")
def assigns_new_parameters(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"], assign=True)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The net was put into eval mode. Whoever loads in order to train on is not told: leave "
                               "the modes to the caller.")
def loads_for_evaluation(path, net, optimizer=None, device="cpu"):
    epoch = plain_load(path, net, optimizer, device)
    net.eval()
    return epoch


@load_checkpoint.alternative
def by_the_zip_file(path, net, optimizer=None, device="cpu"):
    with open(path, "rb") as file:
        data = torch.load(file, map_location=torch.device(device), weights_only=True)
    net.load_state_dict(data["net"], strict=True)
    if optimizer:
        optimizer.load_state_dict(data["optimizer"])
    return int(data["epoch"])


@load_checkpoint.alternative
def by_map_function(path, net, optimizer=None, device="cpu"):
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: save a checkpoint first")
    def place(storage, saved_on):
        return torch.serialization.default_restore_location(storage, str(device))

    found = torch.load(str(path), place, weights_only=True)
    for part, name in ((net, "net"), (optimizer, "optimizer")):
        if part is not None:
            part.load_state_dict(found[name])
    return found["epoch"]


@load_checkpoint.alternative
def by_copying(path, net, optimizer=None, device="cpu"):
    found = torch.load(path, map_location={"cuda:0": device}, weights_only=True)
    own = net.state_dict()
    if own.keys() != found["net"].keys():
        raise RuntimeError(f"another net: {own.keys() ^ found['net'].keys()}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(found["net"][name])
    if optimizer is not None:
        optimizer.load_state_dict(found["optimizer"])
    return found["epoch"]


# --------------------------------------------------------------------------------------------------- load_matching


def plain_matching(module, state_dict):
    """Load what fits by name and shape; say what did not."""
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    common = [name for name in own if name in state_dict]
    mismatched = [name for name in common if own[name].shape != state_dict[name].shape]
    for name in common:
        if name not in mismatched:
            own[name].copy_(state_dict[name])
    return missing, unexpected, mismatched


def _donor(draw):
    """A trained net: a body with BatchNorm and a head for ten classes."""
    return draw.fill_(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, 10)))


def _pupil(draw, classes):
    """The same body, another head, and one layer more."""
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Linear(6, classes), nn.Linear(classes, 2, bias=False))
    with torch.no_grad():
        for tensor in (*net.parameters(), net[1].running_mean):
            tensor.copy_(draw.normal(*tensor.shape))
    return net


def _three(answer):
    """The names in each of three lists, in order; what is no list of names is shown as it is."""
    titles = ("missing", "unexpected", "mismatched")
    if not isinstance(answer, (tuple, list)) or len(answer) != len(titles):
        return dict.fromkeys(titles, f"not three lists: {type(answer).__name__}")
    return {title: ", ".join(sorted(part)) if isinstance(part, list) and all(isinstance(name, str) for name in part)
            else f"not a list of names: {type(part).__name__}" for title, part in zip(titles, answer, strict=True)}


@exercise(points=9, reference=plain_matching)
def load_matching(impl, draw):
    def everything():
        net = _pupil(draw, 10)[:3]
        net[1].num_batches_tracked.fill_(2)
        given = _state(_donor(draw))
        given["1.num_batches_tracked"].fill_(9)
        given = dict(reversed(given.items()))
        return {"three lists": _three(impl(net, given)), "the net": _state(net)}

    def another_head():
        net = _pupil(draw, 3)
        given = _state(_donor(draw)) | {"aux.weight": draw.normal(2), "aux.bias": draw.normal(3)}
        return {"three lists": _three(impl(net, given)), "the net": _state(net)}

    def whole_or_not():
        net = _pupil(draw, 6)
        net[2].register_buffer("scale", draw.normal(3))
        given = _state(net)
        given = {name: tensor + 1 for name, tensor in given.items()}
        given |= {"0.bias": draw.normal(1), "0.weight": draw.normal(6, 4).T.contiguous(), "2.weight": draw.normal(36),
                  "2.scale": draw.normal(1, 3), "3.weight": draw.normal(2, 1)}
        return {"three lists": _three(impl(net, given)), "the net": _state(net)}

    def nothing():
        net = nn.Sequential(_linear(draw, 4, 3), nn.Tanh(), _linear(draw, 3, 2))
        net[1].register_buffer("scale", draw.normal(3))
        return {"another's": _three(impl(net, {"other.weight": draw.normal(2)})), "nothing": _three(impl(net[:1], {})),
                "the net": _state(net)}

    def in_place():
        net = _pupil(draw, 10)[:3]
        net[0].weight.requires_grad_(False)
        before = list(net.parameters())
        optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
        impl(net, _state(_donor(draw)))
        _train(net, optimizer, [(draw.normal(5, 4), draw.normal(5, 10))])
        return {"the same parameters": _same_objects(before, list(net.parameters())),
                "require grad": [parameter.requires_grad for parameter in net.parameters()],
                "after a step": _state(net)}

    def left_alone():
        net = _pupil(draw, 3)
        given = _state(_donor(draw))
        kept = {name: tensor.clone() for name, tensor in given.items()}
        lists = _three(impl(net, given))
        with torch.no_grad():
            for tensor in net.state_dict().values():
                tensor.add_(1)
        return {"three lists": lists, "names in it": dict.fromkeys(given, True),
                "its numbers are as they were": {name: torch.equal(given[name], kept[name])
                                                 for name in kept if name in given},
                "the net": _state(net)}

    yield aspect("all of it",
                 "Every tensor of `state_dict` whose name and shape fit is loaded, buffers included.",
                 everything)
    yield aspect("another head",
                 "It returns three lists of names: `missing`, in the module but not in `state_dict`; `unexpected`, in "
                 "`state_dict` but not in the module; `mismatched`, in both with different shapes, and then in no "
                 "other list.",
                 another_head)
    yield aspect("whole or not at all",
                 "A tensor is loaded whole or not at all: of another shape, nothing of it is loaded, even where it "
                 "would broadcast or has as many numbers.",
                 whole_or_not)
    yield aspect("nothing fits",
                 "Where nothing fits, nothing is loaded, and no error is raised.",
                 nothing)
    yield aspect("in place",
                 "The module keeps its parameters, the same objects, frozen or not, so that an optimizer that holds "
                 "them goes on working.",
                 in_place)
    yield aspect("left alone",
                 "`state_dict` is left as it was, and shares no memory with the module afterwards.",
                 left_alone)


@load_matching.misconception("What did not fit in shape was filtered out and then reported as missing, too. It is in "
                             "both and does not fit: it belongs into `mismatched` alone.")
def calls_mismatches_missing(module, state_dict):
    own = module.state_dict()
    mismatched = [name for name in state_dict if name in own and own[name].shape != state_dict[name].shape]
    fitting = {name: tensor for name, tensor in state_dict.items() if name not in mismatched}
    missing, unexpected = module.load_state_dict(fitting, strict=False)
    return list(missing), list(unexpected), mismatched


@load_matching.misconception("`strict=False` forgives names, not shapes: another shape still raises a RuntimeError. "
                             "Take the tensors of another shape out yourself.")
def trusts_strict_false(module, state_dict):
    missing, unexpected = module.load_state_dict(state_dict, strict=False)
    return list(missing), list(unexpected), []


@load_matching.misconception("Only parameters were loaded. The buffers belong to the state as well: without its "
                             "running mean and variance a BatchNorm taken over from another net computes something "
                             "else.")
def passes_buffers_over(module, state_dict):
    own = module.state_dict()
    mine = dict(module.named_parameters())
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    for name in mine:
        if name in state_dict and name not in mismatched:
            own[name].copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("The shapes were left to `copy_`, which broadcasts: a bias of one number fills all of "
                             "them. Compare the shapes themselves.")
def lets_it_broadcast(module, state_dict):
    own = module.state_dict()
    mismatched = []
    for name, tensor in own.items():
        if name in state_dict:
            try:
                tensor.copy_(state_dict[name])
            except RuntimeError:
                mismatched.append(name)
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("The number of numbers was compared, not the shape. A 4×6 matrix poured into a 6×4 one "
                             "fits and means nothing.")
def compares_numel(module, state_dict):
    own = module.state_dict()
    mismatched = [name for name in own if name in state_dict and own[name].numel() != state_dict[name].numel()]
    for name in own:
        if name in state_dict and name not in mismatched:
            own[name].copy_(state_dict[name].reshape(own[name].shape))
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("Of a tensor of another shape the part that fits was copied. Half of an old head under "
                             "half of a new one is no head: whole or not at all.")
def loads_the_overlap(module, state_dict):
    own = module.state_dict()
    mismatched = []
    for name, tensor in own.items():
        if name not in state_dict:
            continue
        if tensor.shape != state_dict[name].shape:
            mismatched.append(name)
            if tensor.ndim == state_dict[name].ndim:
                part = tuple(slice(min(sizes)) for sizes in zip(tensor.shape, state_dict[name].shape, strict=True))
                tensor[part] = state_dict[name][part]
        else:
            tensor.copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("`missing` and `unexpected` are exchanged. Missing is what the module wants and does not "
                             "get; unexpected is what it gets and does not want.")
def exchanges_the_lists(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    return unexpected, missing, mismatched


@load_matching.misconception("The tensors were paired by their places (`zip`), not by their names. In a dictionary the "
                             "name tells what belongs where; the order may be another.")
def pairs_by_place(module, state_dict):
    missing, unexpected, mismatched = tells_and_does_not_load(module, state_dict)
    for tensor, given in zip(module.state_dict().values(), state_dict.values(), strict=False):
        if tensor.shape == given.shape:
            tensor.copy_(given)
    return missing, unexpected, mismatched


@load_matching.misconception("What did not fit in shape is among the unexpected names, too. The module does have the "
                             "name: it belongs into `mismatched` alone.")
def calls_mismatches_unexpected(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    return missing, unexpected + mismatched, mismatched


@load_matching.misconception("New `nn.Parameter`s were put where the old ones stood. They require grad even where the "
                             "old ones were frozen, and an optimizer that was made before does not know them: copy.")
def makes_new_parameters(module, state_dict):
    own = module.state_dict()
    for name, tensor in state_dict.items():
        if name in own and own[name].shape == tensor.shape:
            *way, last = name.split(".")
            part = module.get_submodule(".".join(way))
            if last in part._parameters:
                setattr(part, last, nn.Parameter(tensor.clone()))
            else:
                part._buffers[last].copy_(tensor)
    return tells_and_does_not_load(module, state_dict)


@load_matching.misconception("As soon as one name does not fit, nothing at all is loaded. Transfer learning takes what "
                             "fits and leaves the rest.")
def loads_all_or_nothing(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    if not missing and not unexpected and not mismatched:
        module.load_state_dict(state_dict)
    return missing, unexpected, mismatched


@load_matching.misconception("The lists are there, but nothing was loaded. What fits by name and shape goes into the "
                             "module.")
def tells_and_does_not_load(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    return missing, unexpected, mismatched


@load_matching.misconception("The names were taken out of the caller's `state_dict` (`pop` or `del`). It is the "
                             "caller's: build a dictionary of your own.")
def empties_the_state_dict(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = []
    for name, tensor in own.items():
        if name in state_dict:
            given = state_dict.pop(name)
            if given.shape == tensor.shape:
                tensor.copy_(given)
            else:
                mismatched.append(name)
    return missing, unexpected, mismatched


@load_matching.misconception("The module got new parameters (`assign=True` or a new `nn.Parameter`). An optimizer that "
                             "was made before holds the old ones and trains nothing any more; copy into the old ones.")
def replaces_the_parameters(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    fitting = {name: state_dict[name].clone() for name in own if name in state_dict and name not in mismatched}
    module.load_state_dict(fitting, strict=False, assign=True)
    return missing, unexpected, mismatched


@load_matching.misconception("The module's tensors now are the state dict's own memory (`.data = …`). Train the "
                             "module, and the state dict changes with it: copy the numbers.")
def shares_the_memory(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in tensors.items():
        if name in state_dict and name not in mismatched:
            tensor.data = state_dict[name]
    return missing, unexpected, mismatched


@load_matching.misconception("Sets were returned. The task asks for lists, which keep an order and print the same "
                             "every time.")
def returns_sets(module, state_dict):
    return tuple(set(names) for names in plain_matching(module, state_dict))


@load_matching.alternative
def by_load_state_dict(module, state_dict):
    own = module.state_dict()
    fitting = {name: tensor for name, tensor in state_dict.items() if name in own and own[name].shape == tensor.shape}
    module.load_state_dict(fitting, strict=False)
    both = own.keys() & state_dict.keys()
    return sorted(own.keys() - both), sorted(state_dict.keys() - both), sorted(both - fitting.keys())


@load_matching.alternative
def by_filling_up(module, state_dict):
    full = dict(module.state_dict())
    missing, unexpected, mismatched = list(full), [], []
    for name in state_dict:
        if name not in full:
            unexpected.append(name)
            continue
        missing.remove(name)
        if list(full[name].shape) == list(state_dict[name].shape):
            full[name] = state_dict[name]
        else:
            mismatched.append(name)
    module.load_state_dict(full)
    return missing, unexpected, mismatched


@load_matching.alternative
def by_walking_modules(module, state_dict):
    missing, mismatched, known = [], [], set()
    with torch.no_grad():
        for prefix, part in module.named_modules():
            for key, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                name = f"{prefix}.{key}" if prefix else key
                known.add(name)
                if name not in state_dict:
                    missing.append(name)
                elif tensor.size() == state_dict[name].size():
                    tensor.data.copy_(state_dict[name])
                else:
                    mismatched.append(name)
    return missing, [name for name in state_dict if name not in known], mismatched


# --------------------------------------------------------------------------------------------------- record_shapes


def plain_shapes(net, x):
    """The output shape of every module inside, by hooks that are removed again."""
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


class _Branches(nn.Module):
    """Two ways that are added, a layer that works twice, one that never works."""

    def __init__(self, width):
        super().__init__()
        self.left = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Conv2d(width, 4, 1)))
        self.right = nn.Conv2d(1, 4, 1)
        self.pool = nn.MaxPool2d(2)
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.pool(self.pool(self.left(x) + self.right(x))).amax((2, 3)))


class _Stops(nn.Module):
    """Two layers that fit together for 5 numbers in between, and for no other."""

    def __init__(self, between):
        super().__init__()
        self.first, self.second = nn.Linear(4, 5), nn.Linear(between, 2)

    def forward(self, x):
        return self.second(self.first(x))


class _Chooses(nn.Module):
    """One of two layers works: which, the numbers of the input say."""

    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.bright(x) if x.sum() > 0 else self.dark(x)


def _shown(shapes, kinds=(tuple, list)):
    """Shapes as text; what is none is shown with its class."""
    return {name: "×".join(map(str, shape)) if isinstance(shape, kinds) else f"a {type(shape).__name__}: {shape}"
            for name, shape in dict(shapes).items()}


def _hooks(net):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())


@exercise(points=8, reference=plain_shapes)
def record_shapes(impl, draw):
    def row():
        net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5))
        return _shown(impl(net, draw.normal(int(draw.integers(1, 5)), 1, 6, 6)), tuple)

    def branches():
        x = draw.normal(2, 4).abs()
        return {"two branches": _shown(impl(_Branches(int(draw.integers(2, 6))), draw.normal(2, 1, 8, 8))),
                "the numbers choose": [_shown(impl(_Chooses(), x)), _shown(impl(_Chooses(), -x))]}

    def removed():
        net = _Branches(3)
        first = _shown(impl(net, draw.normal(2, 1, 8, 8)))
        net(draw.normal(1, 1, 12, 12))
        return {"shapes": first, "hooks left": _hooks(net)}

    def others():
        net, heard = _Branches(3), []
        net.right.register_forward_hook(lambda module, inputs, output: heard.append("after"))
        net.register_forward_pre_hook(lambda module, inputs: heard.append("before"))
        shapes = _shown(impl(net, draw.normal(2, 1, 8, 8)))
        during = " ".join(heard)
        net(draw.normal(1, 1, 4, 4))
        return {"shapes": shapes, "another's hooks heard": during, "and after the next call": " ".join(heard)}

    def stops():
        net = _Stops(5)
        seen = {"it fits": _shown(impl(net, draw.normal(3, 4))), "hooks left": _hooks(net)}
        net = _Stops(6)
        seen["it does not fit"] = error_of(lambda: impl(net, draw.normal(2, 4)), RuntimeError)
        return seen | {"hooks left after the error": _hooks(net)}

    def left_alone():
        net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Tanh())
        net[1].eval()
        x = draw.normal(3, 4)
        kept = x.clone()
        before = _state(net)
        return {"shapes": _shown(impl(net, x)), "training": _modes(net),
                "input": torch.equal(x, kept), "numbers": _equal(net, before)}

    yield aspect("a row",
                 "The result is a dictionary from the qualified name of every module inside to the shape of its "
                 "output, a tuple; the net itself is not in it.",
                 row)
    yield aspect("branches",
                 "`net(x)` runs once, as it is: branches and containers are seen, a module that works twice has the "
                 "shape of its last output, and one that never works is not in the dictionary.",
                 branches)
    yield aspect("removed",
                 "Afterwards no hook is left on any module.",
                 removed)
    yield aspect("others' hooks",
                 "Hooks that others have registered keep working.",
                 others)
    yield aspect("forward raises",
                 "If the net raises, the error comes through, and no hook is left either.",
                 stops)
    yield aspect("left alone",
                 "Modes, numbers and `x` stay as they were.",
                 left_alone)


@record_shapes.misconception("The hooks stay on the net. Each later call of it still runs them, and they keep your "
                             "dictionary alive: every `register_forward_hook` returns a handle; call its `remove()`.")
def leaves_its_hooks(net, x):
    shapes = {}

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    for name, module in net.named_modules():
        if name:
            module.register_forward_hook(remember(name))
    net(x)
    return dict(shapes)


@record_shapes.misconception("The hooks are removed after `net(x)`, but when `net(x)` raises, that line is never "
                             "reached. What must happen in any case belongs into `finally`.")
def removes_them_if_all_goes_well(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    for name, module in net.named_modules():
        if name:
            handles.append(module.register_forward_hook(remember(name)))
    net(x)
    for handle in handles:
        handle.remove()
    return shapes


@record_shapes.misconception("All hooks were cleared, those of others among them. Keep the handles of your own and "
                             "remove these.")
def clears_all_hooks(net, x):
    try:
        return leaves_its_hooks(net, x)
    finally:
        for module in net.modules():
            module._forward_hooks.clear()


@record_shapes.misconception("The net itself is in the dictionary, under the empty name. Only the modules inside were "
                             "asked for.")
def records_the_root(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    try:
        for name, module in net.named_modules():
            handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("Only the direct children have a hook. `named_modules()` goes all the way down and gives "
                             "dotted names.")
def hooks_the_children(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    try:
        for name, module in net.named_children():
            handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("Only modules without children were recorded. Containers have an output, too, and were "
                             "asked for.")
def hooks_the_leaves(net, x):
    inner = {name for name, module in net.named_modules() if next(module.children(), None) is not None}
    return {name: shape for name, shape in plain_shapes(net, x).items() if name not in inner}


@record_shapes.misconception("These are the shapes of the inputs. A forward hook is given module, inputs and output: "
                             "take the third.")
def records_the_inputs(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(inputs[0].shape)
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("All hooks share the loop's variable `name`, and when they run it holds the last name. "
                             "Bind it for each hook: by a function that makes the hook, `functools.partial` or a "
                             "default value.")
def binds_the_name_late(net, x):
    shapes, handles = {}, []
    try:
        for name, module in net.named_modules():
            if name:
                def hook(module, inputs, output):
                    shapes[name] = tuple(output.shape)  # noqa: B023
                handles.append(module.register_forward_hook(hook))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("The hook returns something, and what a forward hook returns takes the place of the "
                             "module's output: the next layer was given a shape instead of a tensor. Let the hook "
                             "return nothing.")
def returns_from_the_hook(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            return shapes.setdefault(name, tuple(output.shape))
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("The children were called one after the other, as if every net were a row. How they are "
                             "put together only `forward` knows: call the net, and listen with hooks.")
def calls_the_children(net, x):
    shapes = {}

    def run(module, prefix, x):
        for name, child in module.named_children():
            x = child(x) if not list(child.children()) else run(child, f"{prefix}{name}.", x)
            shapes[prefix + name] = tuple(x.shape)
        return x

    run(net, "", x)
    return shapes


@record_shapes.misconception("The class's name was taken as the key. Two layers of one class then share an entry; the "
                             "qualified name, `left.0`, is different for each.")
def names_by_class(net, x):
    shapes, handles = {}, []

    def hook(module, inputs, output):
        shapes[type(module).__name__] = tuple(output.shape)

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(hook))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("The error was caught, and what had been recorded so far was returned. The caller cannot "
                             "see that the net failed: clean up, then let the error go on.")
def hides_the_error(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    for name, module in net.named_modules():
        if name:
            handles.append(module.register_forward_hook(remember(name)))
    try:
        net(x)
    except Exception as error:
        print(error)
    for handle in handles:
        handle.remove()
    return shapes


@record_shapes.misconception("A module that works twice keeps its first shape. Each call writes over what the one "
                             "before has left: the last output was asked for.")
def keeps_the_first_shape(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes.setdefault(name, tuple(output.shape))
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(remember(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("`net.forward(x)` was called instead of `net(x)`. The call is what runs hooks: those that "
                             "others have put on the net itself heard nothing.")
def calls_the_forward(net, x):
    shapes, handles = {}, []

    def remember(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(remember(name)))
        net.forward(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.misconception("The net ran more than once. Who listens hears everything twice, and a BatchNorm in train "
                             "mode moves its statistics twice: one `net(x)` tells all.")
def runs_it_twice(net, x):
    net(x)
    return plain_shapes(net, x)


@record_shapes.misconception("The net was run on something else than `x`, on zeros for instance. A net may choose its "
                             "way by the numbers: run it on what was given.")
def runs_on_zeros(net, x):
    return plain_shapes(net, torch.zeros_like(x))


@record_shapes.misconception("The shapes are lists. The task asks for tuples, as `tuple(output.shape)` gives them.")
def gives_lists(net, x):
    return {name: list(shape) for name, shape in plain_shapes(net, x).items()}


@record_shapes.misconception("The net was put into eval mode and left there. A caller who is training would go on "
                             "without Dropout and batch statistics: leave the modes alone.")
def leaves_it_in_eval_mode(net, x):
    net.eval()
    return plain_shapes(net, x)


@record_shapes.misconception("All of the net was put into one mode at the end, `net.train()` for instance. Every "
                             "module has a mode of its own, and a part may be in eval mode: leave the modes alone.")
def switches_the_mode(net, x):
    net.eval()
    shapes = plain_shapes(net, x)
    net.train()
    return shapes


@record_shapes.alternative
def by_default_arguments(net, x):
    shapes = {}
    handles = [module.register_forward_hook(lambda m, i, o, name=name: shapes.update({name: tuple(o.shape)}))
               for name, module in net.named_modules() if module is not net]
    try:
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


@record_shapes.alternative
def by_an_exit_stack(net, x):
    from contextlib import ExitStack
    from functools import partial

    found = {}

    def hook(name, module, args, output):
        found[name] = output.size()

    with ExitStack() as stack, torch.no_grad():
        for name, module in net.named_modules():
            if name != "":
                stack.callback(module.register_forward_hook(partial(hook, name)).remove)
        net(x)
    return found


@record_shapes.alternative
def by_names_of_modules(net, x):
    names = {module: name for name, module in net.named_modules()}
    shapes, handles = {}, []

    def hook(module, inputs, output):
        shapes[names[module]] = tuple(output.shape)

    del names[net]
    for module in names:
        handles.append(module.register_forward_hook(hook))
    try:
        net(x)
        return shapes
    finally:
        while handles:
            handles.pop().remove()
