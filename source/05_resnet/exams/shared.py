"""What several exams of this chapter need."""

import math
import re

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import gradients, nets


def _plain(value):
    """A float, also of a tensor: that a float was asked for is an aspect of its own."""
    return float(value.detach() if isinstance(value, torch.Tensor) else value)


def _trained(module, x, *norms):
    """What a forward pass in training mode gives, and the running statistics that it leaves behind."""
    out = nets.fitting(module.train(), x)
    parts = dict(module.named_modules())
    for name in norms:
        if (parent := name.rpartition(".")[0]) not in parts:
            raise AttributeError(f"there is no `{parent}`")
    return {"output": out, **{f"{name}.{kind}": getattr(parts.get(name), kind, "missing") for name in norms
                              for kind in ("running_mean", "running_var")}}


def _lively(module):
    """Unbiased, and every ReLU between two layers stops some numbers and lets some through, whatever was drawn."""
    with torch.no_grad():
        for part in nets.unbiased(module).modules():
            if isinstance(part, nn.Conv2d):
                part.weight *= 4
            elif isinstance(part, nn.BatchNorm2d):
                part.weight += part.weight.sign() / 2
                part.bias /= 4
    return module


def _rectified(output):
    """ReLU once more, which a block's right output does not notice: its last ReLU is asked for in one aspect alone."""
    return F.relu(output) if isinstance(output, torch.Tensor) else output


def _block(module, x):
    """What a block gives in evaluation mode, rectified."""
    return _rectified(nets.fitting(module.eval(), x))


def _trained_block(module, x, *norms):
    """As `_trained`, the output rectified."""
    seen = _trained(module, x, *norms)
    return {**seen, "output": _rectified(seen["output"])}


def _conduct(module, x):
    """A block's output and its input after a forward pass; the gradient in float64."""
    kept = x.clone()
    return {"output": _block(module, kept), "input left alone": kept,
            "gradient": gradients(lambda x: _rectified(module.double()(x)), x)}


def _beside_the_branch(module):
    """Names and shapes of what is neither a convolution nor a norm of the branch."""
    return {name: shape for name, shape in nets.shapes(module).items() if not re.match(r"(conv|bn)[123]\.", name)}


def _shortcut(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


def by_an_empty_sequential(in_channels, out_channels, stride):
    layers = []
    if not (in_channels == out_channels and stride == 1):
        layers += [nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                   nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers)


def by_a_module_list(in_channels, out_channels, stride):
    net = nn.Sequential()
    if stride > 1 or out_channels != in_channels:
        net.append(nn.Conv2d(in_channels, out_channels, (1, 1), (stride, stride), padding=0, bias=False))
        net.append(nn.BatchNorm2d(out_channels))
    return net


class _Thin(nn.Module):
    """The exam's own block: cheap, and it remembers what it was asked for."""

    expansion = 1

    def __init__(self, taken, width, stride=1):  # names that no reader guesses: they are given by position
        super().__init__()
        self.asked = f"in_channels {taken}, channels {width}, stride {stride}"
        given = width * self.expansion
        self.conv = nn.Conv2d(taken, given, 1, stride, groups=math.gcd(taken, given))

    def forward(self, x):
        return self.conv(x)


class _Thin2(_Thin):
    expansion = 2


class _Thin4(_Thin):
    expansion = 4


def _asked(blocks):
    return {f"block {index}": getattr(block, "asked", f"no block: {type(block).__name__}")
            for index, block in enumerate(blocks)}


def _stage(block, in_channels, channels, blocks, stride):
    first = block(in_channels, channels, stride)
    return nn.Sequential(first, *(block(channels * block.expansion, channels, 1) for _ in range(blocks - 1)))


def by_a_loop(block, in_channels, channels, blocks, stride):
    stage = nn.Sequential()
    for index in range(blocks):
        stage.append(block(in_channels, channels, stride=stride if index == 0 else 1))
        in_channels = channels * block.expansion
    return stage


def by_recursion(block, in_channels, channels, blocks, stride):
    if blocks == 0:
        return nn.Sequential()
    rest = by_recursion(block, block.expansion * channels, channels, blocks - 1, 1)
    return nn.Sequential(block(in_channels, channels, stride), *rest)


class _Parts(nn.Module):
    """The exam's own block, layers and names alone: it is never called. `kernels` names the convolutions' sizes."""

    expansion, kernels = 1, (3, 3)

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        out_channels = channels * self.expansion
        widths = [in_channels, *[channels] * (len(self.kernels) - 1), out_channels]
        for number, size in enumerate(self.kernels, 1):
            before, after = widths[number - 1:number + 1]
            setattr(self, f"conv{number}", nn.Conv2d(before, after, size, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                                            nn.BatchNorm2d(out_channels))
        if torch.get_default_device().type != "meta":  # where only shapes are looked at; elsewhere
            self.register_buffer("of_the_exam", torch.zeros(1))  # these parts are nobody's answer


class _BottleneckParts(_Parts):
    expansion, kernels = 4, (1, 3, 1)


class _Watched(nn.Module):
    """The exam's own classifier: at each call it notes whether a part trains, the gradient mode, live graphs."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.front = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(dropout))  # two levels deep
        self.fc = nn.Linear(6, 4)
        self.modes, self.graphs, self.alive = nets.Log(), nets.Log(), nets.Log()

    @property
    def norm(self):
        return self.front[0]

    def forward(self, x):
        modes = {module.training for module in self.modules()}
        self.modes.append(modes.pop() if len(modes) == 1 else "some parts")
        self.graphs.append(torch.is_grad_enabled())
        self.alive.append(sum(token() is not None for token in _tokens(self)))
        return nets.Marked.apply(self.fc(self.front(x.flatten(1))), _tokens(self))


def _tokens(net):
    return net.__dict__.setdefault("tokens", [])
