"""The figures of the chapter on trained weights."""

from functools import cache

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Rectangle
from torch import Tensor

from convcraft.data import class_names, pixels, trained
from convcraft.plots import BLUE, DARK, GREEN, GREY, INK, ORANGE, RED, SKY, YELLOW

_STAGES = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
           (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))


@cache
def _weights() -> dict[str, Tensor]:
    """In float64, and probabilities to three decimals: the same bytes on any machine."""
    return {name: weight.double() for name, weight in trained().items()}


def _padded(x: Tensor, kernel_size: int, stride: int, same: bool) -> Tensor:
    if not same:
        return F.pad(x, [kernel_size // 2] * 4)
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        missing = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        sides += [missing // 2, missing - missing // 2]
    return F.pad(x, sides)


def _layer(x: Tensor, conv: str, norm: str, bend: bool, kernel_size: int = 1, stride: int = 1, groups: int = 1,
           same: bool = True) -> Tensor:
    weights = _weights()
    x = F.conv2d(_padded(x, kernel_size, stride, same), weights[f"{conv}.weight"], stride=stride, groups=groups)
    x = F.batch_norm(x, weights[f"{norm}.running_mean"], weights[f"{norm}.running_var"], weights[f"{norm}.weight"],
                     weights[f"{norm}.bias"], eps=1e-3)
    return F.relu6(x) if bend else x


@torch.no_grad()
def _probabilities(x: Tensor, same: bool = True) -> Tensor:
    """What the trained net says of one prepared picture: (1000,)."""
    x = _layer(x.double(), "_conv_stem", "_bn0", True, 3, 2, same=same)
    block = 0
    for blocks, kernel_size, first, expansion, channels in _STAGES:
        for index in range(blocks):
            name, stride, out = f"_blocks.{block}", 1 if index else first, x
            if expansion > 1:
                out = _layer(out, f"{name}._expand_conv", f"{name}._bn0", True)
            out = _layer(out, f"{name}._depthwise_conv", f"{name}._bn1", True, kernel_size, stride, out.shape[1], same)
            out = _layer(out, f"{name}._project_conv", f"{name}._bn2", False)
            x = x + out if stride == 1 and x.shape[1] == channels else out
            block += 1
    x = _layer(x, "_conv_head", "_bn1", True).mean((2, 3))
    return F.linear(x, _weights()["_fc.weight"], _weights()["_fc.bias"])[0].softmax(0).round(decimals=3)


def _middle(image: Tensor) -> Tensor:
    """The middle 224 by 224 pixels of a photograph (H, W, 3) whose short side is brought to 256: (1, 3, 224, 224)."""
    height, width = (round(side * 256 / min(image.shape[:2])) for side in image.shape[:2])
    x = F.interpolate(image.permute(2, 0, 1)[None].float(), (height, width), mode="bilinear", antialias=True)
    top, left = (height - 224) // 2, (width - 224) // 2
    return x[..., top:top + 224, left:left + 224]


def fed_wrongly() -> Figure:
    """Three photographs, each fed to the trained net in three ways, and what it says."""
    ways = (("fed rightly", lambda image: (_middle(image) - 127) / 128, GREEN),
            ("fed bytes", _middle, RED),
            ("fed by reshape", lambda image: (_middle(image.reshape(3, *image.shape[:2]).permute(1, 2, 0)) - 127) / 128,
             RED))
    figure, grid = plt.subplots(len(ways), 6, figsize=(10, 5.2), width_ratios=(1, 1.9) * 3)
    for row, (way, feed, colour) in zip(grid, ways, strict=True):
        for number, photograph in enumerate(("coffee", "chelsea", "camera")):
            image = pixels(photograph)
            shown, said = row[2 * number], row[2 * number + 1]
            given = feed(image)
            seen = given if given.max() > 2 else given * 128 + 127
            shown.imshow((seen[0].permute(1, 2, 0) / 255).clamp(0, 1)[::2, ::2], interpolation="none")
            shown.set(xticks=[], yticks=[])
            shown.spines[:].set_visible(False)
            if number == 0:
                shown.set_ylabel(way, fontsize=10)
            values, classes = _probabilities(given).topk(3)
            for place, (value, kind) in enumerate(zip(values.tolist(), classes.tolist(), strict=True)):
                said.barh(-place, value, height=0.5, color=colour)
                said.text(0, -place + 0.3, f"{_called(kind)} {value:.2f}", va="bottom", fontsize=8.5)
            said.set(xlim=(0, 1), ylim=(-2.5, 0.9))
            said.set_axis_off()
    return figure


def _called(kind: int) -> str:
    return class_names()[kind].replace("a cat having a striped coat", "striped cat")


def separable() -> Figure:
    """Which channels see which: an ordinary convolution, a depthwise and a pointwise one."""
    figure, row = plt.subplots(1, 3, figsize=(9, 2.9))
    for axes, title, pairs, outputs, label in (
            (row[0], "convolution", [(i, o) for i in range(4) for o in range(6)], 6, "each line: 3×3 numbers"),
            (row[1], "depthwise", [(i, i) for i in range(4)], 4, "each line: 3×3 numbers"),
            (row[2], "pointwise, 1×1", [(i, o) for i in range(4) for o in range(6)], 6, "each line: one number")):
        thick = 2.2 if "3×3" in label else 0.9
        for taken, given in pairs:
            axes.plot([taken + 1, given + (6 - outputs) / 2], [1, 0], color=BLUE if thick > 1 else ORANGE,
                      linewidth=thick, zorder=1)
        axes.scatter([channel + 1 for channel in range(4)], [1] * 4, s=130, color=GREEN, zorder=2)
        axes.scatter([channel + (6 - outputs) / 2 for channel in range(outputs)], [0] * outputs, s=130, color=SKY,
                     zorder=2)
        axes.text(2.5, 1.22, "channels in", ha="center", fontsize=9)
        axes.text(2.5, -0.32, f"channels out\n{label}", ha="center", va="top", fontsize=9)
        axes.set(title=title, xlim=(-0.6, 5.6), ylim=(-0.95, 1.45))
        axes.set_axis_off()
    return figure


def same_padding() -> Figure:
    """Windows of three with stride 2 over eight pixels: padded by one on both sides, and as SAME."""
    figure, row = plt.subplots(1, 2, figsize=(9.5, 2.4))
    for axes, title, before, after in ((row[0], "padding=1: one before, one after", 1, 1),
                                       (row[1], "SAME: none before, one after", 0, 1)):
        for place in range(-before, 8 + after):
            inside = 0 <= place < 8
            axes.add_patch(Rectangle((place, 0), 1, 1, facecolor="#D6E8F2" if inside else YELLOW, edgecolor=INK))
            axes.text(place + 0.5, 0.5, "abcdefgh"[place] if inside else "0", ha="center", va="center", color=DARK)
        for window in range(4):
            start, height = 2 * window - before, -0.3 - 0.28 * (window % 2)
            axes.plot([start + 0.08, start + 2.92], [height, height], color=RED, linewidth=3.5)
        axes.set(title=title, xlim=(-1.3, 9.3), ylim=(-0.9, 1.2), aspect="equal")
        axes.set_axis_off()
    return figure


def padding_matters() -> Figure:
    """The probability of what seven photographs show, with SAME padding and with padding on both sides alike."""
    shows = {"coffee": 967, "camera": 872, "china": 698, "flower": 985, "rocket": 657, "motorcycle_left": 665,
             "chelsea": 282}
    figure, axes = plt.subplots(figsize=(9, 2.9))
    for shift, same, colour, label in ((-0.2, True, GREEN, "SAME"), (0.2, False, RED, "both sides alike")):
        shares = [_probabilities((_middle(pixels(name)) - 127) / 128, same)[kind].item()
                  for name, kind in shows.items()]
        axes.bar([place + shift for place in range(len(shows))], shares, 0.38, color=colour, label=label)
        for place, share in enumerate(shares):
            axes.text(place + shift, share + 0.02, f"{share:.2f}", ha="center", fontsize=8.5)
    axes.set(ylabel="probability", ylim=(0, 1.12))
    names = [f"{name.replace('_left', '')}:\n{_called(kind)}" for name, kind in shows.items()]
    axes.set_xticks(range(len(shows)), names, fontsize=8.5)
    axes.legend(fontsize=9, loc="upper right")
    return figure


def mbconv() -> Figure:
    """A Bottleneck and an MBConv: how many channels there are, from top to bottom."""
    figure, row = plt.subplots(1, 2, figsize=(9, 3.6))
    _stack(row[0], "Bottleneck: wide, narrow, wide", [256, 64, 64, 256],
           ["1×1, ReLU", "3×3, ReLU", "1×1"], 256, "then ReLU")
    _stack(row[1], "MBConv: narrow, wide, narrow", [24, 144, 144, 24],
           ["1×1, ReLU6", "3×3 depthwise, ReLU6", "1×1"], 144, "no ReLU")
    return figure


def _stack(axes: Axes, title: str, widths: list[int], layers: list[str], most: int, end: str) -> None:
    for level, width in enumerate(widths):
        half = 2 * width / most
        axes.add_patch(Rectangle((-half, -level - 0.14), 2 * half, 0.28, facecolor=BLUE, edgecolor=BLUE))
        axes.text(-2.25, -level, str(width), ha="right", va="center", fontsize=10)
    for level, layer in enumerate(layers):
        axes.text(0, -level - 0.5, layer, ha="center", va="center", fontsize=9)
    axes.add_patch(Arc((2.2, -1.5), 1.5, 3, theta1=270, theta2=90, edgecolor=RED, linewidth=2.2))
    axes.text(3.05, -1.5, "+", fontsize=16, color=RED, va="center")
    axes.text(0, -3.45, end, ha="center", va="center", fontsize=9)
    axes.set(title=title, xlim=(-3.1, 3.6), ylim=(-3.75, 0.4))
    axes.set_axis_off()


def lite0() -> Figure:
    """EfficientNet-Lite0 on a 224×224 photograph: size and number of channels, stage by stage."""
    parts = [("input", 3, 224, 0, GREY), ("stem", 32, 112, 0, BLUE)]
    size = 112
    for number, (blocks, kernel_size, stride, _, channels) in enumerate(_STAGES):
        size //= stride
        parts.append((f"stage {number}\n{blocks} × {kernel_size}×{kernel_size}", channels, size, blocks, GREEN))
    parts += [("head", 1280, 7, 0, BLUE), ("mean", 1280, 1, 0, ORANGE), ("classifier", 1000, 0, 0, BLUE)]
    figure, axes = plt.subplots(figsize=(11, 3.3))
    left = 0.0
    for name, channels, size, blocks, colour in parts:
        height, width = (2.6 * (size / 224) ** 0.6 if size else 1.5), 0.22 + channels / 1400
        axes.add_patch(Rectangle((left, -height / 2), width, height, facecolor=colour))
        for block in range(1, blocks):
            place = left + width * block / blocks
            axes.plot([place, place], [-height / 2, height / 2], color="white", linewidth=1.5)
        centre = left + width / 2
        axes.text(centre, 1.5, name, ha="center", va="bottom", fontsize=8.5)
        below = f"{channels}\n{size}×{size}" if size else f"{channels}\n"
        axes.text(centre, -1.5, below, ha="center", va="top", fontsize=8.5)
        left += width + 0.62
    axes.text(-0.35, -1.5, "channels\nsize", ha="right", va="top", fontsize=8.5, color=GREY)
    axes.set(xlim=(-1.3, left - 0.2), ylim=(-2.15, 2.1))
    axes.set_axis_off()
    return figure
