"""What several exams of this chapter need."""

import inspect
import math

import numpy as np
import torch
import torch.nn.functional as F


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def _takes_generator(transform):
    return "generator" in inspect.signature(transform).parameters


def _numbered(*shape):
    """1, 2, 3 ... : a picture whose every pixel says where it was."""
    return torch.arange(1, math.prod(shape) + 1, dtype=torch.float32).reshape(shape)


def _plus_one(x):
    return x + 1


def _noisy(x, generator=None):
    return x + torch.rand(x.shape, generator=generator)


class _Noise:
    def __call__(self, x, generator=None):
        return x - torch.rand(x.shape, generator=generator)


def _scaled_noise(x, scale, generator=None):
    return x + scale * torch.rand(x.shape, generator=generator)


def _read(x, rows, columns):
    """x at fractional places, from its four neighbours; beyond the border everything is 0."""
    height, width = x.shape[-2:]
    result = torch.zeros(*x.shape[:-2], *rows.shape, dtype=x.dtype)
    for row in (rows.floor(), rows.floor() + 1):
        for column in (columns.floor(), columns.floor() + 1):
            weight = (1 - (rows - row).abs()) * (1 - (columns - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = x[..., row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
            result = result + pixels * (weight * inside).to(x.dtype)
    return result


def _alike(seen):
    """Whether several calls all gave the same: what hangs on where they fell then says nothing more."""
    return bool((seen == seen[:1]).all())


def _beta(alpha, generator):
    """One number from Beta(alpha, alpha), drawn from a torch.Generator."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _swap_shares(weights):
    """The same mixtures, the shares of the picture itself (the diagonal) and of its partner exchanged."""
    own = torch.diag_embed(weights.diagonal(dim1=-2, dim2=-1))
    other = weights - own
    rest = other.sum(-1, keepdim=True)
    partner = torch.where(rest > 0, other / rest.clamp(min=1e-9), torch.eye(weights.shape[-1]))
    return torch.diag_embed(rest.squeeze(-1)) + own.sum(-1, keepdim=True) * partner


def _label_kind(labels, weights, y):
    """How labels (n, N, classes) hang together with the shares (n, N, N) of the pictures that made the pixels."""
    right = weights @ F.one_hot(y, labels.shape[-1]).to(weights.dtype)
    if torch.allclose(labels, right, atol=1e-4):
        return "as the pixels"
    swapped = _swap_shares(weights) @ F.one_hot(y, labels.shape[-1]).to(weights.dtype)
    own = weights.diagonal(dim1=-2, dim2=-1)
    mixed = (own > 0.01) & (own < 0.99)  # a picture that met itself, or hardly anybody, tells nothing more
    if not mixed.any():
        return "of a mixture, but the pixels are not mixed"
    if torch.allclose(labels[mixed], swapped[mixed], atol=1e-4):
        return "the two shares exchanged"
    if ((labels[mixed] > 0).sum(-1) == 1).all():
        return "one class alone"
    if not torch.allclose(labels.sum(-1), torch.ones(()), atol=1e-4):
        return "shares that do not add up to one"
    if ((labels[mixed] - 0.5).abs() < 1e-4).any(-1).all():
        return "half and half"
    if not (labels[mixed] > 1e-6)[right[mixed] == 0].any():
        return "the right classes, other shares"
    if (labels.gather(-1, y.expand(own.shape)[..., None])[..., 0] > own - 1e-4)[mixed].all():
        return "another partner"
    return "other"


_CLASSES = (3, 0, 4, 1, 6, 2)
