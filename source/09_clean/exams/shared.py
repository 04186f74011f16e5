"""What several exams of this chapter need."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import nets


def _turned(image, number):
    """One of the eight turns of (..., H, W): number % 4 quarter turns, from number 4 on mirrored first."""
    return (image.flip(-1) if number >= 4 else image).rot90(number % 4, (-2, -1))


def _turned_back(image, number):
    image = image.rot90(-(number % 4), (-2, -1))
    return image.flip(-1) if number >= 4 else image


class _Net(nn.Module):
    """The exam's own net: `function` of a batch of pictures; at each call it notes what it was given, and how.

    What it gives hangs on a graph, as a real net's does, and is right in evaluation mode alone where `moody`.
    """

    def __init__(self, function, depth=0, moody=False):
        super().__init__()
        self.function, self.depth, self.moody = function, depth, moody
        self.weight = nn.Parameter(torch.ones(()))
        self.inner = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity()))  # so that modes can be mixed
        self.given, self.modes, self.graphs, self.alive, self.tokens = (nets.Log() for _ in range(5))

    def forward(self, x):
        if not isinstance(x, torch.Tensor) or x.ndim != 4:
            raise ValueError("a net takes a batch (N, C, H, W)")
        modes = {module.training for module in self.modules()}
        self.given.append(x.detach().clone())
        self.modes.append("some parts" if len(modes) == 2 else "all parts" if self.training else "no part")
        self.graphs.append(torch.is_grad_enabled())
        self.alive.append(sum(token() is not None for token in self.tokens))
        y = self.function(x) * self.weight.to(x.dtype)
        return nets.Marked.apply(y + 1 if self.moody and self.training else y, self.tokens)

    @property
    def shapes(self):
        """The shapes that it was given, as text."""
        return [str(tuple(x.shape)) for x in self.given]


def _each_pixel(x):
    """A net that looks at no neighbour: how the picture was padded or cut makes no difference."""
    return 2 * x - 0.25


class _Brick(nn.Module):
    """Convolution, norm, ReLU, and the same again."""

    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
