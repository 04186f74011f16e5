"""The figures of chapter 2."""

import io

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.patches import ConnectionPatch, Rectangle
from PIL import Image

from convcraft import data, plots
from convcraft.plots import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

TABLE = torch.tensor([[1, 0, 3, 2], [0, -1, 5, 4], [-3, -2, -8, -6], [-1, -4, -7, -9]])


def _frame(figure):
    """A matplotlib figure as one picture of an animation, with few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, facecolor="white")
    plt.close(figure)
    return Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)


def max_and_average():
    """A 2 × 2 window walks over the table; beside it grow the maxima and the means."""
    frames = []
    for step in range(4):
        row, column = divmod(step, 2)
        figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.3), width_ratios=(2, 1, 1))
        plots.numbers(axes[0], TABLE, highlight=(2 * row, 2 * column, 2, 2))
        windows = TABLE.float().unfold(0, 2, 2).unfold(1, 2, 2)
        for place, values, colour in ((1, windows.amax((2, 3)), ORANGE), (2, windows.mean((2, 3)), BLUE)):
            _growing(axes[place], values, step, colour)
        frames.append(_frame(figure))
    return frames, 1200


def _growing(axes, values, step, colour):
    """A 2 × 2 grid of numbers of which the first `step` + 1 are known, the last one coloured."""
    for index in range(4):
        row, column = divmod(index, 2)
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor="white", edgecolor="#999999", linewidth=0.8))
        if index == step:
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=0.3))
        if index <= step:
            text = f"{values[row, column].item():g}".replace("-", "−")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color=plots.DARK)
    axes.set(xlim=(-0.1, 2.1), ylim=(2.1, -0.1), aspect="equal")
    axes.set_axis_off()


def three_ways_to_shrink():
    """A part of the photograph, and 8 × 8 pixels made one in three ways."""
    whole = data.photo("china")[None, :, 16:368, 32:384]
    small = {"every eighth pixel": whole[:, :, ::8, ::8], "mean of 8×8": F.avg_pool2d(whole, 8),
             "largest of 8×8": F.max_pool2d(whole, 8)}
    shown = [F.interpolate(whole, 176, mode="area")[0], *(picture[0] for picture in small.values())]
    return plots.images(shown, ["352×352 pixels", *(f"{title}: 44×44" for title in small)], height=2.5)


def border():
    """How many of a 3 × 3 window's places lie inside a 4 × 4 picture, and what a picture of ones becomes."""
    ones = torch.ones(1, 1, 4, 4)
    places = F.conv2d(ones, torch.ones(1, 1, 3, 3), padding=1)[0, 0]
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.3))
    axes[0].set_title("places inside the picture")
    plots.numbers(axes[0], places)
    for index, (flag, colour) in enumerate(((True, BLUE), (False, GREEN)), 1):
        pooled = F.avg_pool2d(ones, 3, 1, 1, count_include_pad=flag)[0, 0]
        for (row, column), value in zip(torch.cartesian_prod(torch.arange(4), torch.arange(4)), pooled.flatten(),
                                        strict=True):
            axes[index].add_patch(Rectangle((column, row), 1, 1, facecolor="white", edgecolor="#999999", linewidth=0.8))
            axes[index].add_patch(Rectangle((column, row), 1, 1, facecolor=colour, alpha=value.item() ** 2 * 0.4))
            axes[index].text(column + 0.5, row + 0.5, f"{value.item():.2f}", ha="center", va="center", fontsize=11,
                             color=plots.DARK)
        axes[index].set(xlim=(-0.1, 4.1), ylim=(4.1, -0.1), aspect="equal", title=f"count_include_pad={flag}")
        axes[index].set_axis_off()
    return figure


def routing():
    """Two overlapping windows have the same maximum, which gets the sum of their gradients."""
    figure, axes = plt.subplots(1, 3, figsize=(9.2, 3.0), width_ratios=(3, 2, 3))
    plots.numbers(axes[0], torch.tensor([[1, 5, 2], [4, 3, 0]]))
    plots.numbers(axes[1], torch.tensor([[10, 7]]))
    plots.numbers(axes[2], torch.tensor([[0, 17, 0], [0, 0, 0]]), highlight=(0, 1, 1, 1), colour=PURPLE)
    for axis, title in zip(axes, ("x", "grad_out", "grad_x"), strict=True):
        axis.set_ylim(2.4, -0.9)
        axis.text(0, -0.55, title, ha="left", va="center", fontsize=12)
    for left, colour, inset, bend in ((0, ORANGE, 0.05, -0.3), (1, BLUE, 0.12, -0.25)):
        axes[0].add_patch(Rectangle((left + inset, inset), 2 - 2 * inset, 2 - 2 * inset, fill=False, edgecolor=colour,
                                    linewidth=2.5, zorder=3))
        axes[1].add_patch(Rectangle((left, 0), 1, 1, facecolor=colour, alpha=0.3))
        figure.add_artist(ConnectionPatch(
            (left + 0.5, 1.02 if left == 0 else -0.02), (1.05, 0.85 if left == 0 else 0.15), "data", "data",
            axesA=axes[1], axesB=axes[2], arrowstyle="-|>", color=colour, linewidth=1.8, mutation_scale=14,
            connectionstyle=f"arc3,rad={-bend if left == 0 else bend}"))
    return figure


def nearest_and_bilinear():
    """A real digit of 8 × 8 pixels, made eight times as large in two ways; a section through both."""
    digit = data.digits()[0][13:14]
    grown = {"nearest": F.interpolate(digit, scale_factor=8, mode="nearest")[0, 0],
             "bilinear": F.interpolate(digit, scale_factor=8, mode="bilinear")[0, 0]}
    figure, axes = plt.subplots(1, 4, figsize=(10.4, 2.7), width_ratios=(1, 1, 1, 1.5))
    for axis, picture, title in zip(axes, (digit[0, 0], *grown.values()), ("8×8 pixels", "nearest, ×8", "bilinear, ×8"),
                                    strict=False):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
    for axis in axes[1:3]:
        axis.axhline(27.5, color=ORANGE, linewidth=1.5)
    for (name, picture), colour in zip(grown.items(), (BLUE, RED), strict=True):
        axes[3].plot(picture[27:29].mean(0), color=colour, label=name,
                     drawstyle="steps-mid" if name == "nearest" else "default")
    axes[3].plot(torch.arange(8) * 8 + 3.5, digit[0, 0, 3], "o", color=plots.INK, markersize=4, label="the 8 pixels")
    axes[3].set(title="along the line", xlabel="column", ylim=(-0.05, 1.5), yticks=(0, 0.5, 1))
    axes[3].legend(loc="upper left", ncols=2, fontsize=8, columnspacing=1)
    return figure


def pixel_centres():
    """Where eight new pixels look in a row of four old ones, under both conventions."""
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 2.9))
    new = torch.arange(8.0)
    half = (new + 0.5) / 2 - 0.5
    aligned = new * 3 / 7
    for axis, title, look in ((axes[0], "half-pixel centres (align_corners=False)", half),
                              (axes[1], "aligned corners (align_corners=True)", aligned)):
        step = (look[1] - look[0]).item()
        old_edges, new_edges = torch.arange(5.0) - 0.5, look[0] + (torch.arange(9.0) - 0.5) * step
        for edges, height, colour in ((old_edges, 0.0, BLUE), (new_edges, 1.2, ORANGE)):
            for left, right in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                axis.add_patch(Rectangle((left, height), right - left, 0.6, facecolor=colour, alpha=0.25,
                                         edgecolor=colour, linewidth=1.2))
        for position in look.tolist():
            axis.plot([position, position], [1.5, 0.3], color=GREY, linewidth=0.8, linestyle=":")
        axis.plot(range(4), [0.3] * 4, "o", color=BLUE, markersize=8)
        axis.plot(look, [1.5] * 8, "o", color=ORANGE, markersize=6)
        for position in look[[0, 1, 2]].tolist():
            axis.text(position, 1.95, f"{position:.2f}".replace("-", "−"), ha="center", fontsize=8.5)
        axis.text(3.65, 1.5, "8 new", va="center", color=plots.INK)
        axis.text(3.65, 0.3, "4 old", va="center", color=plots.INK)
        axis.set(xlim=(-0.65, 4.3), ylim=(-0.45, 2.3), title=title, yticks=[])
        axis.spines["left"].set_visible(False)
        axis.set_xticks(range(4), [f"{place}" for place in range(4)])
        axis.set_xlabel("source coordinate")
    return figure


def stamps():
    """A transposed convolution of three pixels, stride 2: stamp after stamp, overlaps added."""
    x, kernel = [1, 10, 2], [1, 2, 3]
    colours = (ORANGE, BLUE, GREEN)
    frames = []
    for done in range(len(x) + 1):
        figure, axes = plt.subplots(figsize=(7.6, 3.5))
        for index, value in enumerate(x):
            _cell(axes, 2 * index + 1, 4.2, value, colours[index] if index < done else None)
        axes.text(-0.2, 4.7, "x", ha="right", va="center")
        for index in range(done):
            for offset, weight in enumerate(kernel):
                _cell(axes, 2 * index + offset, 2.9 - index % 2, x[index] * weight, colours[index])
        axes.text(-0.2, 2.9, "x · [1, 2, 3]", ha="right", va="center")
        total = [0] * 7
        for index in range(done):
            for offset, weight in enumerate(kernel):
                total[2 * index + offset] += x[index] * weight
        for place, value in enumerate(total):
            overlap = place in (2, 4) and place <= 2 * (done - 1)
            _cell(axes, place, 0.2, value if done else "", GREY if overlap else None)
        axes.text(-0.2, 0.7, "+", ha="right", va="center")
        axes.set(xlim=(-2.4, 7.2), ylim=(0, 5.4), aspect="equal")
        axes.set_axis_off()
        frames.append(_frame(figure))
    return [*frames, frames[-1]], 1100


def _cell(axes, left, bottom, value, colour):
    axes.add_patch(Rectangle((left, bottom), 1, 1, facecolor=colour or "white", alpha=0.3 if colour else 1))
    axes.add_patch(Rectangle((left, bottom), 1, 1, fill=False, edgecolor="#999999", linewidth=0.8))
    axes.text(left + 0.5, bottom + 0.5, f"{value}", ha="center", va="center", fontsize=11, color=plots.DARK)


def checkerboard():
    """How many stamps cover each place, and what a random kernel makes of a flat picture, three ways."""
    generator = torch.Generator().manual_seed(1)
    flat = torch.ones(1, 1, 8, 8)
    figure, axes = plt.subplots(2, 3, figsize=(8.6, 5.6), height_ratios=(1, 1))
    for column, (size, title) in enumerate(((3, "kernel 3, stride 2"), (4, "kernel 4, stride 2"))):
        cover = F.conv_transpose2d(flat, torch.ones(1, 1, size, size), stride=2, padding=1)[0, 0]
        plots.numbers(axes[0, column], cover[4:9, 4:9])
        _tint(axes[0, column], cover[4:9, 4:9])
        kernel = torch.rand(1, 1, size, size, generator=generator) + 0.5
        axes[0, column].set_title(title)
        axes[1, column].imshow(F.conv_transpose2d(flat, kernel, stride=2, padding=1)[0, 0, 2:-2, 2:-2], cmap="gray",
                               vmin=0, vmax=5)
    kernel = torch.rand(1, 1, 3, 3, generator=generator) + 0.5
    grown = F.interpolate(flat, scale_factor=2, mode="nearest")
    cover = F.conv2d(grown, torch.ones(1, 1, 3, 3), padding=1)[0, 0]
    plots.numbers(axes[0, 2], cover[4:9, 4:9])
    _tint(axes[0, 2], cover[4:9, 4:9])
    axes[0, 2].set_title("nearest ×2, then 3×3 convolution")
    axes[1, 2].imshow(F.conv2d(grown, kernel, padding=1)[0, 0, 2:-2, 2:-2], cmap="gray", vmin=0, vmax=12)
    for axis in axes[1]:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    axes[0, 0].text(-0.4, 2.5, "stamps on each place", rotation=90, va="center", ha="center")
    axes[1, 0].set_ylabel("a flat picture\nthrough a random kernel")
    return figure


def _tint(axes, cover):
    for row in range(cover.shape[0]):
        for column in range(cover.shape[1]):
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=ORANGE, alpha=0.06 * cover[row, column].item()))
