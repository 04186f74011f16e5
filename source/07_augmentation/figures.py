"""The figures of chapter 7."""

import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from PIL import Image, ImageDraw, ImageFont

from convcraft import plots
from convcraft.data import digits, photo


def _turned(x, degrees):
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    down, right = torch.arange(height)[:, None] - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    grid = torch.stack([2 * (cos * right - sin * down) / width, 2 * (sin * right + cos * down) / height], -1)
    return F.grid_sample(x[None], grid[None], align_corners=False)[0]


def one_flower() -> Figure:
    """A photograph and seven augmented versions of it."""
    flower, temple = photo("flower", height=84), photo("china", height=84)
    width = flower.shape[2]
    cropped = F.interpolate(flower[None, :, 8:72, 30:30 + round(64 * width / 84)], (84, width), mode="bilinear")[0]
    coarse = F.interpolate(flower[None], (21, width // 4), mode="bilinear", antialias=True)[0]
    holed, pasted = flower.clone(), flower.clone()
    holed[:, 30:66, 24:60] = 0
    pasted[:, 10:60, 60:110] = temple[:, 10:60, 60:110]
    shown = {"as it is": flower, "mirrored": flower.flip(-1), "random_crop": cropped, "rotate": _turned(flower, 20),
             "resize": coarse, "cutout": holed, "mixup": 0.65 * flower + 0.35 * temple, "cutmix": pasted}
    figure, panels = plt.subplots(2, 4, figsize=(8.4, 3.2))
    for axes, (name, picture) in zip(panels.flat, shown.items(), strict=True):
        axes.imshow(picture.permute(1, 2, 0))
        axes.set_title(name)
        axes.set_axis_off()
    return figure


def digits_turned() -> Figure:
    """Ten digits under flips and quarter turns; where one becomes another it is framed."""
    images, labels = digits()
    images = F.interpolate(images, (32, 32), mode="bicubic").clamp(0, 1)  # easier on the eye than 8 × 8
    picked = [images[int((labels == digit).nonzero()[0]), 0] for digit in range(10)]
    rows = {"as it is": lambda x: x, "mirrored": lambda x: x.flip(-1), "upside down": lambda x: x.flip(-2),
            "90°": torch.rot90, "180°": lambda x: torch.rot90(x, 2), "270°": lambda x: torch.rot90(x, 3)}
    figure, panels = plt.subplots(len(rows), 10, figsize=(7.2, 4.5))
    for line, (name, change) in zip(panels, rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for digit, axes in enumerate(line):
            axes.imshow(change(picked[digit]), cmap="gray")
            axes.set_xticks([])
            axes.set_yticks([])
            framed = name == "180°" and digit in (6, 9)
            axes.spines[:].set_visible(framed)
            axes.spines[:].set(color=plots.ORANGE, linewidth=4)
    return figure


def places() -> Figure:
    """The framed picture, and the windows at its four corners."""
    flower = F.pad(photo("flower", height=60)[:, :, 15:75], (12,) * 4)
    size, far = 60, flower.shape[1] - 60
    corners = {(0, 0): plots.BLUE, (0, far): plots.ORANGE, (far, 0): plots.GREEN, (far, far): plots.PURPLE}
    figure, panels = plt.subplots(1, 5, figsize=(8, 2.1), width_ratios=(1.4, 1, 1, 1, 1))
    panels[0].imshow(flower.permute(1, 2, 0))
    panels[0].set_title("padding = 12")
    for axes, ((top, left), colour) in zip(panels[1:], corners.items(), strict=True):
        window = Rectangle((left + 1, top + 1), size - 3, size - 3, fill=False, edgecolor=colour, linewidth=2)
        panels[0].add_patch(window)
        axes.imshow(flower[:, top:top + size, left:left + size].permute(1, 2, 0))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set(visible=True, color=colour, linewidth=3)
    panels[0].set_axis_off()
    return figure


def backwards() -> Figure:
    """Where the pixels of a turned picture read."""
    images, _ = digits()
    picture, angle = images[4, 0], math.radians(30)
    down, right = torch.meshgrid(torch.arange(8) - 3.5, torch.arange(8) - 3.5, indexing="ij")
    read_right = math.cos(angle) * right - math.sin(angle) * down + 3.5
    read_down = math.sin(angle) * right + math.cos(angle) * down + 3.5
    figure, (left, centre) = plt.subplots(1, 2, figsize=(7.4, 3.7))
    left.imshow(_turned(picture[None], 30)[0], cmap="gray", vmax=1.6)
    left.scatter(right + 3.5, down + 3.5, s=12, color=plots.SKY)
    centre.imshow(picture, cmap="gray", vmax=1.6)
    centre.scatter(read_right, read_down, s=12, color=plots.SKY)
    row, column = 1, 4
    left.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=plots.ORANGE, linewidth=2.5))
    x, y = read_right[row, column].item(), read_down[row, column].item()
    for neighbour_row in (math.floor(y), math.floor(y) + 1):
        for neighbour_column in (math.floor(x), math.floor(x) + 1):
            centre.add_patch(Rectangle((neighbour_column - 0.5, neighbour_row - 0.5), 1, 1, fill=False,
                                       edgecolor=plots.YELLOW, linewidth=1.5))
    centre.scatter([x], [y], s=50, color=plots.ORANGE, zorder=3)
    left.set_title("output, turned by +30°: one pixel …")
    centre.set_title("… reads here, between four pixels of the input")
    for axes in (left, centre):
        axes.set(xlim=(-2.2, 9.2), ylim=(9.2, -2.2), xticks=[], yticks=[], facecolor=plots.INK)
        axes.spines[:].set_visible(False)
    return figure


def half_pixels() -> Figure:
    """Two input pixels, four output pixels, three conventions of where the outputs read."""
    ways = {
        "halves kept: (j + ½) · W / W′ − ½": [(j + 0.5) / 2 - 0.5 for j in range(4)],
        "halves forgotten: j · W / W′": [j / 2 for j in range(4)],
        "align_corners=True: j · (W − 1) / (W′ − 1)": [j / 3 for j in range(4)],
    }
    figure, panels = plt.subplots(3, 1, figsize=(6.6, 4.6))
    for axes, (name, reads) in zip(panels, ways.items(), strict=True):
        for pixel, shade in enumerate(("#dddddd", "#bbbbbb")):
            axes.add_patch(Rectangle((pixel, 0), 1, 0.5, facecolor=shade, edgecolor=plots.INK))
            axes.plot(pixel + 0.5, 0.25, "o", color=plots.INK, markersize=5)
        for pixel, read in enumerate(reads):
            axes.add_patch(Rectangle((pixel / 2, 1.1), 0.5, 0.5, facecolor="white", edgecolor=plots.BLUE))
            axes.annotate("", (read + 0.5, 0.27), (pixel / 2 + 0.25, 1.35), arrowprops=dict(
                arrowstyle="-|>", color=plots.ORANGE, linewidth=1.6, shrinkA=0, shrinkB=0))
        axes.text(-0.05, 1.35, "output", ha="right", va="center", color=plots.BLUE)
        axes.text(-0.05, 0.25, "input", ha="right", va="center")
        axes.set(xlim=(-0.5, 2.4), ylim=(-0.05, 1.7))
        axes.set_title(name, loc="left")
        axes.set_axis_off()
    return figure


def beta() -> Figure:
    """Densities of Beta(α, α)."""
    figure, axes = plt.subplots(figsize=(5.2, 2.6))
    share = torch.linspace(0.005, 0.995, 199, dtype=torch.float64)
    for alpha, colour, style in ((0.2, plots.BLUE, "-"), (1.0, plots.GREY, "--"), (4.0, plots.ORANGE, "-")):
        density = torch.distributions.Beta(torch.tensor(alpha, dtype=torch.float64),
                                           torch.tensor(alpha, dtype=torch.float64)).log_prob(share).exp()
        axes.plot(share, density, color=colour, linestyle=style, label=f"α = {alpha:g}")
    axes.set(xlabel="λ, the picture's own share", ylabel="density", ylim=(0, 4.4), xlim=(0, 1))
    axes.legend(loc="upper center", ncols=3)
    return figure


def two_roads() -> Figure:
    """What happens to training and to validation pictures."""
    figure, axes = plt.subplots(figsize=(8, 2.7))

    def box(x, y, text, colour, width=1.75):
        axes.add_patch(FancyBboxPatch((x, y - 0.32), width, 0.64, boxstyle="round,pad=0.04", facecolor="white",
                                      edgecolor=colour, linewidth=2))
        axes.text(x + width / 2, y, text, ha="center", va="center", fontsize=9.5, color=plots.DARK)

    def arrow(start, end, colour=plots.INK, style="-"):
        axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, color=colour, linewidth=1.4,
                                       linestyle=style, shrinkA=2, shrinkB=2))

    box(0, 1.5, "all pictures", plots.GREY)
    box(2.4, 2.4, "training, 80 %", plots.BLUE)
    box(2.4, 0.6, "validation, 20 %", plots.ORANGE)
    box(4.8, 2.4, "transform\n(draws anew)", plots.BLUE)
    box(7.2, 2.4, "normalise", plots.BLUE)
    box(7.2, 0.6, "normalise", plots.ORANGE)
    box(4.8, 1.5, "mean, std", plots.BLUE)
    arrow((1.8, 1.6), (2.35, 2.3))
    arrow((1.8, 1.4), (2.35, 0.7))
    arrow((4.2, 2.4), (4.75, 2.4), plots.BLUE)
    arrow((6.6, 2.4), (7.15, 2.4), plots.BLUE)
    arrow((4.2, 0.6), (7.15, 0.6), plots.ORANGE)
    arrow((4.2, 2.2), (4.75, 1.65), plots.BLUE, ":")
    arrow((6.6, 1.6), (7.3, 2.05), plots.BLUE, ":")
    arrow((6.6, 1.4), (7.3, 0.95), plots.BLUE, ":")
    axes.set(xlim=(-0.1, 9.1), ylim=(0.15, 2.85))
    axes.set_axis_off()
    return figure


def epochs() -> tuple[list[Image.Image], int]:
    """One digit as a loader gives it, epoch after epoch."""
    images, _ = digits()
    generator = torch.Generator().manual_seed(2)
    frames = []
    for epoch in range(1, 13):
        x = _turned(images[3], (2 * torch.rand((), generator=generator).item() - 1) * 10)
        top, left = (int(torch.randint(3, (), generator=generator)) for _ in range(2))
        x = F.pad(x, (1,) * 4)[:, top:top + 8, left:left + 8]
        pixels = (x[0].clamp(0, 1) * 255).to(torch.uint8).numpy()
        frame = Image.new("L", (176, 200), 255)
        frame.paste(Image.fromarray(pixels).resize((160, 160), Image.Resampling.NEAREST), (8, 8))
        ImageDraw.Draw(frame).text((88, 178), str(epoch), fill=0, anchor="ma", font=ImageFont.load_default(14))
        frames.append(frame)
    return frames, 500
