"""The figures of chapter 1."""

import io
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from convcraft import data
from convcraft.plots import BLUE, DARK, GREEN, GREY, INK, ORANGE, PURPLE, SKY, numbers

_IMAGE = torch.tensor([[1, 2, 0, 3, 1], [0, 1, 3, 1, 0], [2, 0, 1, 2, 2], [1, 3, 0, 1, 0], [0, 1, 2, 0, 1]])
_KERNEL = torch.tensor([[1, 0, 2], [0, -1, 0], [3, 0, 1]])


def _signed(number: int) -> str:
    return f"({number})".replace("-", "−") if number < 0 else str(number)


def _products(window: torch.Tensor, kernel: torch.Tensor) -> str:
    lines = [" + ".join(f"{pixel}·{_signed(weight)}" for pixel, weight in zip(pixels, weights, strict=True))
             for pixels, weights in zip(window.tolist(), kernel.tolist(), strict=True)]
    return "\n+ ".join(lines) + f"\n= {(window * kernel).sum().item()}".replace("-", "−")


def _blank(axes, width: float, height: float) -> None:
    axes.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    axes.set_axis_off()


def _cells(axes, top: float, left: float, rows: int, columns: int, size: float = 1.0, face="white", edge="#999999",
           **style) -> None:
    for row in range(rows):
        for column in range(columns):
            axes.add_patch(Rectangle((left + column * size, top + row * size), size, size, facecolor=face,
                                     edgecolor=edge, linewidth=0.7, **style))


def sliding_window() -> tuple[list[Image.Image], int]:
    """A 3×3 window visits the nine places of a 5×5 image; each sum is spelled out."""
    frames, out = [], torch.full((3, 3), float("nan"))
    for i in range(3):
        for j in range(3):
            window = _IMAGE[i:i + 3, j:j + 3]
            out[i, j] = (window * _KERNEL).sum()
            figure, axes = plt.subplots(1, 4, figsize=(8.6, 2.9), dpi=80, width_ratios=(5, 3, 4.6, 3))
            numbers(axes[0], _IMAGE, (i, j, 3, 3))
            numbers(axes[1], _KERNEL)
            axes[1].add_patch(Rectangle((0, 0), 3, 3, fill=False, edgecolor=ORANGE, linewidth=2.5))
            axes[2].set_axis_off()
            axes[2].text(0.5, 0.5, _products(window, _KERNEL), ha="center", va="center", fontsize=13,
                         linespacing=1.6, transform=axes[2].transAxes)
            _growing(axes[3], out, i, j)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", facecolor="white")
            plt.close(figure)
            frames.append(Image.open(buffer).convert("RGB").quantize(48, dither=Image.Dither.NONE))
    return frames, 1600


def _growing(axes, out: torch.Tensor, i: int, j: int) -> None:
    """The numbers found so far; the newest one marked."""
    for row in range(3):
        for column in range(3):
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor="white", edgecolor="#999999", linewidth=0.8))
            if not out[row, column].isnan():
                axes.text(column + 0.5, row + 0.5, f"{out[row, column].item():g}".replace("-", "−"), ha="center",
                          va="center", fontsize=11, color=DARK)
    axes.add_patch(Rectangle((j, i), 1, 1, facecolor=BLUE, alpha=0.25))
    axes.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=BLUE, linewidth=2.5))
    _blank(axes, 3, 3)


def two_conventions() -> Figure:
    """One bright pixel through cross-correlation and through convolution."""
    image = torch.zeros(5, 5)
    image[2, 2] = 1
    kernel = torch.arange(1.0, 10).reshape(3, 3)
    figure, axes = plt.subplots(1, 4, figsize=(8.6, 2.7), width_ratios=(5, 3, 3, 3))
    numbers(axes[0], image, (2, 2, 1, 1), colour=BLUE)
    numbers(axes[1], kernel)
    numbers(axes[2], kernel.flip(0, 1))
    numbers(axes[3], kernel)
    for one, title in zip(axes, ("one bright pixel", "kernel", "cross-correlation\n(nn.Conv2d)",
                                 "convolution\n(mathematics)"), strict=True):
        one.set_title(title)
    return figure


def edges_of_the_palace() -> Figure:
    """A photograph, and how Sobel's two kernels answer to it."""
    grey = data.photo("china", height=130).mean(0)
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    vertical, horizontal = F.conv2d(grey[None, None], torch.stack([across, across.T])[:, None])[0]
    figure, axes = plt.subplots(2, 2, figsize=(7.4, 5.5))
    strength = (vertical**2 + horizontal**2).sqrt()
    shown = ((grey, "the photograph", "gray", 0, 1), (vertical, "vertical edges", "PuOr", -1.5, 1.5),
             (horizontal, "horizontal edges", "PuOr", -1.5, 1.5), (strength, "both together", "gray_r", 0, 1.8))
    for one, (picture, title, colours, low, high) in zip(axes.flat, shown, strict=True):
        one.imshow(picture, cmap=colours, vmin=low, vmax=high)
        one.set_title(title)
        one.set_axis_off()
    return figure


def window_places() -> Figure:
    """Where a 3×3 window may stand on 7×7 pixels: plain, padded, with a stride, dilated."""
    figure, axes = plt.subplots(1, 4, figsize=(9.2, 2.9))
    cases = (("no extras", 1, 0, 1), ("padding 1", 1, 1, 1), ("padding 1, stride 2", 2, 1, 1), ("dilation 2", 1, 0, 2))
    for one, (title, stride, padding, dilation) in zip(axes, cases, strict=True):
        side, extent = 7 + 2 * padding, 2 * dilation + 1
        _cells(one, 0, 0, side, side, face="#eeeeee", edge=GREY, linestyle=":")
        _cells(one, padding, padding, 7, 7)
        for i in range(3):
            for j in range(3):
                one.add_patch(Rectangle((j * dilation, i * dilation), 1, 1, facecolor=ORANGE, alpha=0.45))
        one.add_patch(Rectangle((0, 0), extent, extent, fill=False, edgecolor=ORANGE, linewidth=2.2))
        starts = torch.arange(0, side - extent + 1, stride) + extent / 2
        rows, columns = torch.meshgrid(starts, starts, indexing="ij")
        one.scatter(columns.flatten(), rows.flatten(), s=14, color=BLUE, zorder=3)
        one.set_title(f"{title}\n7×7 → {len(starts)}×{len(starts)}")
        _blank(one, side, side)
        one.set(xlim=(-1.1 + padding, 8.1 + padding), ylim=(8.1 + padding, -1.1 + padding))
    return figure


def filters_and_channels() -> Figure:
    """Three input channels, two filters of three kernels each, two output channels."""
    figure, axes = plt.subplots(figsize=(8.6, 4.6))
    colours, names = (BLUE, GREEN, PURPLE), ("channel 0", "channel 1", "channel 2")
    for c, (colour, name) in enumerate(zip(colours, names, strict=True)):
        top = c * 5.2
        _cells(axes, top, 0, 6, 6, 0.7, face=colour, alpha=0.25, edge="white")
        axes.add_patch(Rectangle((0, top), 4.2, 4.2, fill=False, edgecolor=colour))
        axes.add_patch(Rectangle((0.7, top + 0.7), 2.1, 2.1, facecolor=ORANGE, alpha=0.35, edgecolor=ORANGE))
        axes.text(-0.4, top + 2.1, name, ha="right", va="center")
        for o in range(2):
            left, low = 8.2 + 4.4 * o, top + 1.05
            _cells(axes, low, left, 3, 3, 0.7, face=colour, alpha=0.4, edge="white")
            axes.add_patch(Rectangle((left, low), 2.1, 2.1, fill=False, edgecolor=ORANGE, linewidth=2))
            axes.text(left + 1.05, low + 2.2, f"weight[{o}, {c}]", ha="center", va="top", fontsize=9)
            if c < 2:
                axes.text(left + 1.05, top + 4.95, "+", ha="center", va="center", fontsize=15)
    for o in range(2):
        axes.text(9.25 + 4.4 * o, -0.2, f"filter {o}", ha="center", va="bottom", fontsize=11, weight="bold")
        axes.text(9.25 + 4.4 * o, 15.4, f"+ bias[{o}]", ha="center", va="center", fontsize=11)
        top = 2.2 + 6.6 * o
        _cells(axes, top, 19.5, 4, 4, 0.7, face=GREY, alpha=0.3, edge="white")
        axes.add_patch(Rectangle((19.5, top), 2.8, 2.8, fill=False, edgecolor=GREY))
        axes.add_patch(Rectangle((20.2, top + 0.7), 0.7, 0.7, facecolor=ORANGE, edgecolor=ORANGE))
        axes.text(20.9, top + 3.1, f"output channel {o}", ha="center", va="top")
    axes.annotate("", (7.6, 7.3), (4.9, 7.3), arrowprops=dict(arrowstyle="->", color=GREY, lw=1.5))
    axes.annotate("", (18.9, 7.3), (16.0, 7.3), arrowprops=dict(arrowstyle="->", color=GREY, lw=1.5))
    axes.text(2.1, 15.4, "(3, 6, 6)", ha="center", va="center", color=GREY)
    axes.text(20.9, 15.4, "(2, 4, 4)", ha="center", va="center", color=GREY)
    axes.set(xlim=(-4, 23), ylim=(16, -1.2), aspect="equal")
    axes.set_axis_off()
    return figure


def _numbered(axes, left: float, top: float, width: float, number: int) -> None:
    """A cell with a number, the first three blue, the others orange, on a plate that is light in any theme."""
    axes.add_patch(Rectangle((left, top), width, 1, facecolor="white", edgecolor=INK))
    axes.add_patch(Rectangle((left, top), width, 1, facecolor=BLUE if number < 4 else ORANGE, alpha=0.3))
    axes.text(left + width / 2, top + 0.5, f"{number}", ha="center", va="center", fontsize=12, color=DARK)


def in_memory() -> Figure:
    """One row of six numbers in memory, read by a table row after row and by its transpose to and fro."""
    figure, axes = plt.subplots(figsize=(8.6, 4.3))
    for place in range(6):
        left = 2 + 1.5 * place
        _numbered(axes, left, 4, 1.2, place + 1)
        axes.text(left + 0.6, 5.25, f"place {place}", ha="center", va="top", fontsize=8)
    axes.text(1.6, 4.5, "memory", ha="right", va="center")
    table = torch.arange(1, 7).reshape(2, 3)
    tables = ((table, 1.4, "table, steps (3, 1)", range(6)),
              (table.T, 5.4, "table.T, steps (1, 3)", (0, 3, 1, 4, 2, 5)))
    for array, top, name, order in tables:
        for row in range(array.shape[0]):
            for column in range(array.shape[1]):
                _numbered(axes, 13 + 1.1 * column, top + row, 1.1, array[row, column].item())
        axes.text(13, top - 0.25, name, va="bottom")
        above = top < 4
        for one, two in pairwise(order):
            ends = [(2.6 + 1.5 * place, 3.9 if above else 5.9) for place in (one, two)]
            bend = (-0.5 if two > one else 0.5) if above else (0.35 if two > one else -0.35)
            axes.annotate("", ends[1], ends[0], arrowprops=dict(
                arrowstyle="-|>", color=GREEN if above else PURPLE, lw=1.5, shrinkA=2, shrinkB=2,
                connectionstyle=f"arc3,rad={bend}"))
        axes.text(6.3, 2.4 if above else 7.9, "read row after row: contiguous" if above else
                  "read row after row: to and fro, not contiguous", ha="center", va="center",
                  color=GREEN if above else PURPLE)
    axes.set(xlim=(-0.6, 17), ylim=(8.7, 0.2), aspect="equal")
    axes.set_axis_off()
    return figure


def error_against_eps() -> Figure:
    """The error of a central difference of the cube, over eps, in float32 and float64, the mean of fifteen places.

    Sums and products alone, on Python's numbers: their rounding, which is what one sees, is that of every processor.
    """
    figure, axes = plt.subplots(figsize=(7.4, 3.6))
    steps = torch.tensor([10.0 ** (k / 6) for k in range(-72, 1)], dtype=torch.float64)
    for dtype, colour, name in ((torch.float32, ORANGE, "float32"), (torch.float64, BLUE, "float64")):
        errors = []
        for at in range(15):
            x, eps = torch.tensor(0.5 + at / 20, dtype=torch.float64).to(dtype), steps.to(dtype)
            right, left = x + eps, x - eps
            slope = (right * right * right - left * left * left) / (2 * eps)
            errors.append((slope.double() - 3 * x.double() * x.double()).abs())
        axes.loglog(steps, torch.stack(errors).mean(0), color=colour, label=name)
    axes.loglog(steps[36:], steps[36:]**2, color=GREY, linestyle=":", label="eps²")
    axes.set(xlabel="eps", ylabel="error of the slope", ylim=(1e-13, 30), xticks=[10.0**k for k in range(-12, 1, 2)])
    axes.legend(loc="lower right")
    return figure


def windows_to_columns() -> Figure:
    """The four 2×2 windows of a 3×3 picture become the four columns of a matrix."""
    image, colours = torch.arange(1, 10).reshape(3, 3), (ORANGE, SKY, GREEN, PURPLE)
    figure, axes = plt.subplots(1, 6, figsize=(9.2, 2.3), width_ratios=(3, 3, 3, 3, 1.2, 4.6))
    matrix = F.unfold(image[None, None].float(), 2)[0]
    for index, colour in enumerate(colours):
        numbers(axes[index], image, (index // 2, index % 2, 2, 2), colour=colour)
        axes[index].set_title(f"window {index}")
        axes[5].add_patch(Rectangle((index, 0), 1, 4, facecolor=colour, alpha=0.35, zorder=2))
    axes[4].set_axis_off()
    axes[4].text(0.5, 0.5, "→", ha="center", va="center", fontsize=20, transform=axes[4].transAxes)
    numbers(axes[5], matrix)
    axes[5].set_title("unfolded: (kH·kW, L)")
    for row, place in enumerate(("(0, 0)", "(0, 1)", "(1, 0)", "(1, 1)")):
        axes[5].text(4.2, row + 0.5, place, va="center", fontsize=9, color=GREY)
    axes[5].set_xlim(-0.1, 5.6)
    return figure


def gradients_go_back() -> Figure:
    """One output pixel's gradient goes back to the weights, and to the pixels of its window."""
    x = torch.tensor([[1, 2, 0], [0, 1, 3], [2, 1, 1]])
    weight = torch.tensor([[1, -1], [0, 2]])
    grad_out = torch.tensor([[1, 0], [0, 2]])
    figure, grid = plt.subplots(3, 5, figsize=(8.2, 6.2), width_ratios=(3, 1.3, 3, 1.3, 3), height_ratios=(3, 3, 3))
    window = torch.zeros(3, 3, dtype=torch.int64)
    window[1:, 1:] = 2 * weight
    rows = (
        ("forward", (x, (1, 1, 2, 2), ORANGE, "x"), "∗", (weight, None, ORANGE, "weight"), "=",
         (torch.tensor([[1, -5], [1, 0]]), (1, 1, 1, 1), BLUE, "out")),
        ("to the weight", (grad_out, (1, 1, 1, 1), BLUE, "grad_out"), "×",
         (x, (1, 1, 2, 2), ORANGE, "the same window of x"), "→",
         (2 * x[1:, 1:], None, ORANGE, "share in grad_weight")),
        ("to x", (grad_out, (1, 1, 1, 1), BLUE, "grad_out"), "×", (weight, None, ORANGE, "weight"), "→",
         (window, (1, 1, 2, 2), ORANGE, "share in grad_x")),
    )
    out = F.conv2d(x[None, None].float(), weight[None, None].float())[0, 0]
    for line, (name, left, sign, middle, arrow, right) in zip(grid, rows, strict=True):
        if name == "forward":
            right = (out, *right[1:])
        for axes, (array, highlight, colour, title) in zip(line[::2], (left, middle, right), strict=True):
            numbers(axes, array, highlight, colour=colour)
            axes.set_title(title, fontsize=10)
            axes.set(xlim=(-0.6, 3.6) if array.shape[1] == 3 else (-1.1, 3.1),
                     ylim=(3.1, -0.1) if array.shape[0] == 3 else (2.6, -0.6))
        for axes, text in zip(line[1::2], (sign, arrow), strict=True):
            axes.set_axis_off()
            axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=18, transform=axes.transAxes)
        line[0].text(-1.6, 1.5 if left[0].shape[0] == 3 else 1.0, name, rotation=90, ha="center", va="center",
                     fontsize=11, weight="bold")
    return figure


def grouped_filters() -> Figure:
    """Which input channels an output channel looks at: all, half of them, one."""
    figure, axes = plt.subplots(1, 3, figsize=(8.2, 2.5))
    for one, (groups, title) in zip(axes, ((1, "groups=1\n16 kernels"), (2, "groups=2\n8 kernels"),
                                           (4, "groups=4, depthwise\n4 kernels")), strict=True):
        size = 4 // groups
        for o in range(4):
            for c in range(4):
                if o // size == c // size:
                    one.plot((0, 1), (c, o), color=(BLUE, ORANGE, GREEN, PURPLE)[o // size], linewidth=1.5, zorder=1)
        for x, name in ((0, "in"), (1, "out")):
            one.scatter([x] * 4, range(4), s=130, color="white", edgecolor=INK, zorder=2)
            one.text(x, 3.75, name, ha="center", va="top")
        one.set_title(title)
        one.set(xlim=(-0.4, 1.4), ylim=(4.3, -0.5))
        one.set_axis_off()
    return figure


def growing_view() -> Figure:
    """Three layers in one dimension: one output looks at nine inputs."""
    figure, axes = plt.subplots(figsize=(8.2, 3.5))
    layers = ((3, 1), (3, 2), (3, 1))
    places = [torch.arange(13.0)]
    for kernel_size, stride in layers:
        below = places[-1]
        starts = range(0, len(below) - kernel_size + 1, stride)
        places.append(torch.stack([below[start:start + kernel_size].mean() for start in starts]))
    seen = [{1}]
    for kernel_size, stride in reversed(layers):
        seen.append({place * stride + tap for place in seen[-1] for tap in range(kernel_size)})
    seen.reverse()
    for level in range(3):
        kernel_size, stride = layers[level]
        for index, x in enumerate(places[level + 1]):
            for tap in range(kernel_size):
                inside = index in seen[level + 1]
                axes.plot((places[level][index * stride + tap], x), (level, level + 1), zorder=1,
                          color=ORANGE if inside else GREY, linewidth=1.6 if inside else 0.5)
    names = ("the picture", "layer 1: kernel 3, stride 1", "layer 2: kernel 3, stride 2", "layer 3: kernel 3, stride 1")
    for level, (x, name, view) in enumerate(zip(places, names, (1, 3, 5, 9), strict=True)):
        colours = [ORANGE if index in seen[level] else "white" for index in range(len(x))]
        axes.scatter(x, [level] * len(x), s=110, color=colours, edgecolor=INK, zorder=2)
        axes.text(-1, level, name, ha="right", va="center")
        if level:
            axes.text(13, level, f"each sees {view} pixels", ha="left", va="center")
    axes.set(xlim=(-8.8, 18.2), ylim=(-0.5, 3.5))
    axes.set_axis_off()
    return figure
