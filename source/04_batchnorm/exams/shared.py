"""What several exams of this chapter need."""

import torch
import torch.nn.functional as F


def _others(x):
    """Every axis but the channels'."""
    return [0, *range(2, x.ndim)]


def _wide(vector, x):
    """One number a channel, in the shape that meets x (N, C, ...)."""
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def _parts(result, *names):
    """A returned tuple, its parts by name. Anything else is told in words."""
    if isinstance(result, tuple | list) and len(result) == len(names):
        return dict(zip(names, result, strict=True))
    if result is None:
        given = "None (is a `return` missing?)"
    elif isinstance(result, tuple | list):
        given = f"{len(result)} values"
    else:
        given = "one tensor" if isinstance(result, torch.Tensor) else "something else"
    raise ValueError(f"the task asks for ({', '.join(names)}); this is {given}")


class _Naming:
    """An answer that returns a tuple, with a name for each part."""

    def __init__(self, impl, *names):
        self.impl, self.names = impl, names

    def __call__(self, *arguments):
        return _parts(self.impl(*arguments), *self.names)


def _spread_of(draw, count=3):
    return draw.uniform(count, low=0.2, high=1.5)


def _batch_norm(x, weight, bias, eps=1e-5):
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def _affine(draw, *shape):
    """A weight and a bias, told apart from 1 and 0, some weights negative."""
    return draw.normal(*shape) + 0.5, draw.normal(*shape)


def _lively(draw, *shape):
    """Numbers whose channels have means and spreads of their own, and whose pictures lie apart."""
    x = draw.normal(*shape)
    apart = draw.normal(shape[0], *[1] * (x.ndim - 1))
    return x * _wide(draw.uniform(shape[1], low=0.5, high=2), x) + _wide(draw.normal(shape[1]), x) + apart


def _apart(x, axis=0):
    """The same, every second along an axis moved up by 20: few numbers, and yet no small variance by chance."""
    return x + (20 * (torch.arange(x.shape[axis]) % 2)).reshape(-1, *[1] * (x.ndim - 1 - axis))
