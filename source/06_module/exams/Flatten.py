"""How `Flatten` is examined."""

import math

import torch
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _made, _reached


class PlainFlatten(nn.Module):
    """Every dimension from start_dim on becomes one."""

    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        return torch.flatten(x, self.start_dim)


@exercise(points=6, reference=PlainFlatten)
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
                       "`nn.Module`; every method of a tensor is yours.", literal=True)
class InheritsFlatten(nn.Flatten):
    pass


@Flatten.misconception("The result was cut off from the graph (`detach`, `data` or `no_grad`): every layer before the "
                       "flatten stops learning.", literal=True)
class CutsTheGraph(PlainFlatten):
    def forward(self, x):
        return x.detach().flatten(self.start_dim)


@Flatten.misconception("A negative `start_dim` was not understood: it counts from the back, so that −2 means the last "
                       "two dimensions.")
class CountsFromTheFrontAlone(PlainFlatten):
    def forward(self, x):
        start = abs(self.start_dim)
        return x.reshape(*x.shape[:start], math.prod(x.shape[start:]))


@Flatten.misconception("The pictures were flattened one by one and stacked. An empty batch has none to stack: let one "
                       "call flatten all of them.", literal=True)
class StacksPictures(PlainFlatten):
    def forward(self, x):
        return torch.stack([image.reshape(-1) for image in x]) if self.start_dim == 1 else x.flatten(self.start_dim)


@Flatten.misconception("Height and width were exchanged before flattening. Each picture is read row after row, as it "
                       "lies before you.")
class ReadsColumns(PlainFlatten):
    def forward(self, x):
        return x.transpose(-2, -1).flatten(self.start_dim)


@Flatten.misconception("`squeeze` drops every axis of length 1, the batch's among them where there is one image. "
                       "Flatten from `start_dim` on, and leave the rest.")
class SqueezesTheBatch(PlainFlatten):
    def forward(self, x):
        return x.flatten(self.start_dim).squeeze()


@Flatten.misconception("Where no `start_dim` is given, yours is 0, and the batch is flattened, too. The default is 1.")
class StartsAtZeroByDefault(PlainFlatten):
    def __init__(self, start_dim=0):
        super().__init__(start_dim)


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
