"""The figures of chapter 6."""

import io

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image
from torch import nn

from convcraft.data import digits
from convcraft.plots import BLUE, DARK, GREEN, GREY, INK, ORANGE, RED

_PALE = {BLUE: "#d6e8f4", ORANGE: "#fbecc8", GREEN: "#d0ece3", GREY: "#ececec", RED: "#f8dcc8", "white": "white"}


def _box(axes, x, y, width, height, text, colour=GREY, fill=None, size=9, weight="normal", family="sans-serif"):
    """A rounded box around (x, y), its centre, with text in it."""
    axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.02",
                                  facecolor=_PALE[colour] if fill is None else fill, edgecolor=colour, linewidth=1.4))
    axes.text(x, y, text, ha="center", va="center", fontsize=size, weight=weight, family=family, linespacing=1.3,
              color=DARK)


def _arrow(axes, start, end, colour=GREY, width=1.4, style="-|>"):
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle=style, mutation_scale=11, color=colour, linewidth=width,
                                   shrinkA=0, shrinkB=0))


def _blank(width, height, xlim, ylim) -> tuple[Figure, plt.Axes]:
    figure, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=xlim, ylim=ylim)
    axes.set_axis_off()
    return figure, axes


# ------------------------------------------------------------------------------------------------- the tree of a net


class _ResBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)


class _SmallResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.block = _ResBlock(16)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))


def tree() -> Figure:
    """A small residual net and its children, from left to right."""
    figure, axes = _blank(8.6, 5.0, (-0.95, 6.75), (9.6, -0.95))
    row = iter(range(100))

    def draw(name, module, depth):
        children = list(module.named_children())
        places = [draw(child_name, child, depth + 1) for child_name, child in children]
        y = sum(places) / len(places) if places else next(row)
        count = sum(parameter.numel() for parameter in module.parameters())
        own = any(True for _ in module.parameters(recurse=False))
        colour, fill = (BLUE, None) if own else (GREY, "white") if count else (GREY, None)
        x = 2.9 * depth
        for place in places:
            axes.plot([x + 0.85, x + 1.25, x + 1.25, x + 2.05], [y, y, place, place], color=GREY, zorder=0)
        kind = type(module).__name__.lstrip("_")
        label = f"{name}: {kind}" if name else kind
        _box(axes, x, y, 1.72, 0.72, f"{label}\n{count:,}", colour, fill, size=8.5)
        return y

    draw("", _SmallResNet(), 0)
    for x, text in ((0, "the net"), (2.9, "its children"), (5.8, "their children")):
        axes.text(x, -0.72, text, ha="center", fontsize=9, color=GREY, style="italic")
    return figure


# --------------------------------------------------------------------------------------------- an assignment, sorted


def registration() -> Figure:
    """What __setattr__ does with a value."""
    figure, axes = _blank(8.6, 3.3, (0, 13.4), (0, 5))
    lines = [("self.conv = nn.Conv2d(1, 3, 3)", GREEN, 4.2), ("self.scale = nn.Parameter(…)", BLUE, 2.5),
             ("self.size = 28", GREY, 0.8)]
    _box(axes, 5.75, 2.5, 1.7, 3.9, "__setattr__\n\nwhat\nis it?", ORANGE, size=10)
    for text, colour, y in lines:
        axes.text(0.05, y, text, va="center", fontsize=9.5, family="monospace", color=INK)
        _arrow(axes, (4.35, y), (4.83, y), colour, 1.8)
        _arrow(axes, (6.67, y), (8.15, y), colour, 1.8)
    _box(axes, 10.75, 4.2, 4.9, 1.15, "_modules\n{\"conv\": Conv2d(…)}", GREEN, family="monospace")
    _box(axes, 10.75, 2.5, 4.9, 1.15, "_parameters\n{\"scale\": Parameter(…)}", BLUE, family="monospace")
    _box(axes, 10.75, 0.8, 4.9, 1.15, "plain attributes: __dict__\n{\"size\": 28}", GREY, family="monospace")
    axes.text(7.36, 4.5, "a Module", ha="center", fontsize=8.5, color=GREEN)
    axes.text(7.36, 2.8, "a Parameter", ha="center", fontsize=8.5, color=BLUE)
    axes.text(7.36, 1.1, "else", ha="center", fontsize=8.5, color=GREY)
    return figure


# --------------------------------------------------------------------------------------------- a digit's way through


def journey() -> Figure:
    """A real digit on its way through the mended net, after a little training."""
    images, labels = digits()
    large = F.interpolate(images, (28, 28), mode="bilinear")
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for step in range(25):
        batch = slice(64 * step + 10, 64 * step + 74)
        loss = F.cross_entropy(net(large[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        stages = [large[7:8]]
        for layer in net:
            stages.append(layer(stages[-1]))

    figure, row = plt.subplots(1, 5, figsize=(9.2, 2.75), width_ratios=[1.0, 1.55, 1.0, 0.32, 1.1])
    for axes, maps, columns in ((row[0], stages[0], 1), (row[1], stages[1], 4), (row[2], stages[2], 4)):
        axes.imshow(_mosaic(maps[0], columns), cmap="gray")
        axes.set_axis_off()
    flat = stages[3][0]
    row[3].imshow(flat.reshape(-1, 1).expand(-1, 400), cmap="gray", aspect="auto", interpolation="antialiased")
    row[3].set_axis_off()
    scores = stages[4][0]
    colours = [ORANGE if digit == int(scores.argmax()) else GREY for digit in range(10)]
    row[4].barh(range(10), scores, color=colours)
    row[4].set(yticks=range(10), xticks=[])
    row[4].invert_yaxis()
    row[4].axvline(0, color=INK, linewidth=0.8)
    row[4].spines[["left", "bottom"]].set_visible(False)
    row[4].tick_params(left=False, labelsize=8)
    titles = ["the digit\n1 × 28 × 28", "Conv2d(1, 16, 3, padding=1)\n16 × 28 × 28", "MaxPool2d(2)\n16 × 14 × 14",
              "Flatten\n3,136", "Linear(3136, 10)\n10 scores"]
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title, fontsize=8.5)
    return figure


def _mosaic(maps, columns):
    """Channels (C, H, W) side by side in a grid, each stretched to its own range, white lines between."""
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    maps = F.pad((maps - low) / (high - low).clamp_min(1e-6), (1, 1, 1, 1), value=1.0)
    rows = maps.split(columns)
    return torch.cat([torch.cat(list(line), dim=1) for line in rows], dim=0)


# ---------------------------------------------------------------------------------------------- writing a checkpoint


def half_written() -> Figure:
    """What stands under the file's name while a checkpoint is written in two ways."""
    figure, axes = _blank(8.6, 3.9, (-2.75, 11.2), (-0.6, 6.5))
    crash = 4.6

    def stretch(y, start, end, text, colour, hatch=None):
        axes.add_patch(Rectangle((start, y), end - start, 0.8, facecolor=_PALE[colour], edgecolor=colour, linewidth=1.3,
                                 hatch=hatch))
        axes.text((start + end) / 2, y + 0.4, text, ha="center", va="center", fontsize=8.5, color=DARK,
                  bbox=dict(facecolor=_PALE[colour], edgecolor="none", pad=1.5) if hatch else None)

    axes.text(-2.7, 6.05, "written in place", fontsize=10, weight="bold")
    axes.text(-0.15, 5.1, "last.pt", ha="right", va="center", fontsize=9, family="monospace")
    stretch(4.7, 0, 2.5, "epoch 3, whole", BLUE)
    stretch(4.7, 2.5, 7, "half of epoch 4", RED, "////")
    stretch(4.7, 7, 9, "epoch 4, whole", GREEN)

    axes.text(-2.7, 3.4, "written beside, then renamed", fontsize=10, weight="bold")
    axes.text(-0.15, 2.45, "last.pt", ha="right", va="center", fontsize=9, family="monospace")
    axes.text(-0.15, 1.05, "last.pt.tmp", ha="right", va="center", fontsize=9, family="monospace")
    stretch(2.05, 0, 7, "epoch 3, whole", BLUE)
    stretch(2.05, 7, 9, "epoch 4, whole", GREEN)
    stretch(0.65, 2.5, 7, "half of epoch 4", RED, "////")
    _arrow(axes, (7, 1.05), (7.6, 2.0), GREEN, 1.8)
    axes.text(7.55, 1.25, "os.replace", fontsize=8.5, family="monospace")

    axes.plot([crash, crash], [0.2, 5.95], color=RED, linewidth=1.8, linestyle="--")
    axes.text(crash, 6.05, "the power fails here", ha="center", fontsize=9, color=RED)
    axes.text(9.15, 5.1, "then nothing\nis left to load", va="center", fontsize=8.5, color=RED)
    axes.text(9.15, 2.45, "then epoch 3\nis still there", va="center", fontsize=8.5, color=BLUE)
    _arrow(axes, (0, -0.25), (9, -0.25), GREY)
    axes.text(9.15, -0.25, "time", va="center", fontsize=9, color=GREY)
    return figure


# ---------------------------------------------------------------------------------------------- a walk over the tree

_WALK = [  # node: name, label, x, y, its parent
    ("", "Net", 0.0, 2.0, None), ("net", "Sequential", 1.9, 2.0, 0), ("0", "BasicNet", 3.8, 0.7, 1),
    ("1", "ReLU", 3.8, 2.0, 1), ("2", "Linear", 3.8, 3.3, 1), ("net", "Linear", 5.7, 0.7, 2),
]
_STEPS = [  # nodes lit up, names written down so far
    ([0], 0), ([0, 1], 0), ([0, 1, 2], 0), ([0, 1, 2, 5], 0), ([0, 1, 2, 5], 1), ([0, 1, 2, 5], 2), ([0, 1, 3], 2),
    ([0, 1, 4], 2), ([0, 1, 4], 3), ([0, 1, 4], 4), ([], 4),
]
_NAMES = ["net.0.net.weight", "net.0.net.bias", "net.2.weight", "net.2.bias"]


def walk() -> tuple[list[Image.Image], int]:
    """named_parameters on its way through the notes' Net, a frame a step."""
    return [_frame(lit, written) for lit, written in _STEPS], 900


def _frame(lit, written) -> Image.Image:
    figure, axes = _blank(8.4, 2.9, (-0.9, 9.7), (4.05, -0.1))
    for index, (name, label, x, y, parent) in enumerate(_WALK):
        on = index in lit
        if parent is not None:
            px, py = _WALK[parent][2:4]
            axes.plot([px + 0.75, px + 0.95, px + 0.95, x - 0.75], [py, py, y, y], zorder=0,
                      color=ORANGE if on else "#bbbbbb", linewidth=3 if on else 1.3)
        _box(axes, x, y, 1.46, 0.76, f"{name}: {label}" if name else label, ORANGE if on else GREY,
             None if on else "white", size=8.5)
    way = "".join(f"{_WALK[index][0]}." for index in lit if _WALK[index][0])
    axes.text(-0.75, 3.65, f'"{way}"', fontsize=10, family="monospace", color=RED if way else GREY)
    for index in range(written):
        axes.text(6.75, 0.85 + 0.55 * index, _NAMES[index], fontsize=10, family="monospace",
                  weight="bold" if index == written - 1 and lit else "normal")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    plt.close(figure)
    buffer.seek(0)
    return Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
