"""How `toy_average` is examined."""

import torch

from convcraft.exam import aspect, error_of, exercise


def _average(x):
    if not x.numel():
        raise ValueError("empty")
    return x.sum() / x.numel()


@exercise(points=30, reference=_average)
def toy_average(impl, draw):
    yield aspect("values", "The mean of all numbers.", lambda: impl(draw.normal(5, 7)))
    yield aspect("nothing to average", "Of nothing there is no mean: raise a ValueError.",
                 lambda: [impl(draw.normal(4)), error_of(lambda: impl(torch.empty(0)), ValueError)])


@toy_average.misconception("The sum was not divided by how many numbers there are.")
def sums(x):
    if not x.numel():
        raise ValueError("empty")
    return x.sum()
