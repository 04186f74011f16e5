"""Three light exercises for the grader's tests."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, error_of, exercise, habits


@exercise(points=40, reference=F.relu, bans=frozenset({"aten::relu", "aten::threshold"}))
def toy_relu(impl, draw):
    yield aspect("values", "Negative numbers become zero.", lambda: impl(draw.normal(4, 8)))
    yield habits("The input stays as it was.", impl, lambda: (draw.normal(4, 8),))


def _affine(x, scale, shift=0.0):
    return x * scale + shift


@exercise(points=30, reference=_affine)
def toy_affine(impl, draw):
    yield aspect("values", "Scale, then shift.", lambda: impl(draw.normal(3, 4), 2.5, -1.25))
    yield aspect("default", "Without a shift nothing is added.", lambda: impl(draw.normal(6), 3.0))
    yield aspect("third", "It takes whole numbers, too.", lambda: impl(draw.normal(2, 3), 2, 7))


def _average(x):
    if not x.numel():
        raise ValueError("empty")
    return x.sum() / x.numel()


@exercise(points=30, reference=_average)
def toy_average(impl, draw):
    yield aspect("values", "The mean of all numbers.", lambda: impl(draw.normal(5, 7)))
    yield aspect("nothing to average", "Of nothing there is no mean: raise a ValueError.",
                 lambda: [impl(draw.normal(4)), error_of(lambda: impl(torch.empty(0)), ValueError)])


@toy_relu.misconception("The sign was dropped instead of the negative numbers.")
def takes_absolute_values(x):
    return x.abs()


@toy_affine.misconception("The shift was added before scaling.")
def shifts_first(x, scale, shift=0.0):
    return (x + shift) * scale


@toy_average.misconception("The sum was not divided by how many numbers there are.")
def sums(x):
    if not x.numel():
        raise ValueError("empty")
    return x.sum()
