"""How `toy_relu` is examined."""

import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits


@exercise(points=40, reference=F.relu, bans=frozenset({"aten::relu", "aten::threshold"}))
def toy_relu(impl, draw):
    yield aspect("values", "Negative numbers become zero.", lambda: impl(draw.normal(4, 8)))
    yield habits("The input stays as it was.", impl, lambda: (draw.normal(4, 8),))


@toy_relu.misconception("The sign was dropped instead of the negative numbers.")
def takes_absolute_values(x):
    return x.abs()
