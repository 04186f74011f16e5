"""What several exams of this chapter need."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import nets

STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
          (1, 3, 1, 6, 320))  # of EfficientNet-Lite0: blocks, kernel size, stride, expansion, channels


def _same(x, kernel_size, stride):
    """Zeros around a batch so that ⌈size/stride⌉ windows fit each way; what is odd goes to the right and the bottom."""
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


def _hooks(net):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
               for module in net.modules())


def _lively(module):
    """Its norms divide by so much that their eps is not seen, no gain is small, and every ReLU6 cuts at both ends."""
    with torch.no_grad():
        for part in nets.unbiased(module).modules():
            if isinstance(part, nn.Conv2d):
                part.weight *= 30
            elif isinstance(part, nn.BatchNorm2d):
                part.running_var *= 900
                part.weight += part.weight.sign()
                part.weight *= 10
    return module
