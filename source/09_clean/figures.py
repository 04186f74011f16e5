"""The figures of the chapter on cleaning photographs."""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from scipy.ndimage import gaussian_filter
from torch import Tensor

from convcraft.data import denoiser, photo
from convcraft.plots import BLUE, DARK, GREEN, INK, ORANGE, PURPLE, SKY

_SIGMA = 25 / 255


def before_after() -> Figure:
    """A cut-out of a portrait: noisy, behind a Gaussian, behind the course's own net, and as it was."""
    clean = photo("astronaut", height=300)
    noisy = clean + _SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    smooth = torch.stack([torch.from_numpy(gaussian_filter(channel.numpy(), 1.0)) for channel in noisy])
    shown = {"with noise": noisy, "a Gaussian": smooth, "a net": _cleaned(noisy), "the photograph": clean}
    figure, row = plt.subplots(1, 4, figsize=(9.6, 2.7))
    for axes, (name, picture) in zip(row, shown.items(), strict=True):
        axes.imshow(picture[:, 6:126, 75:195].clamp(0, 1).permute(1, 2, 0), interpolation="none")
        axes.set_title(name)
        axes.set_axis_off()
    return figure


def _cleaned(noisy: Tensor) -> Tensor:
    """What the course's own U-Net makes of each channel, from its weights alone; in float64, alike on any machine."""
    weights = {name: weight.double() for name, weight in denoiser().items()}

    def brick(x: Tensor, name: str) -> Tensor:
        for number in (1, 2):
            norm = [weights[f"{name}.bn{number}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")]
            x = F.relu(F.batch_norm(F.conv2d(x, weights[f"{name}.conv{number}.weight"], padding=1), *norm))
        return x

    x = noisy.double()[:, None]
    first = brick(x, "down.0")
    second = brick(F.max_pool2d(first, 2), "down.1")
    below = brick(F.max_pool2d(second, 2), "bottom")
    below = brick(torch.cat([second, F.interpolate(below, scale_factor=2)], 1), "up.0")
    below = brick(torch.cat([first, F.interpolate(below, scale_factor=2)], 1), "up.1")
    return (x - F.conv2d(below, weights["out.weight"], weights["out.bias"]))[:, 0]


def unet() -> Figure:
    """The net, drawn as a U: three levels, maps brought across, the noise subtracted."""
    figure, axes = plt.subplots(figsize=(9, 4.6))
    axes.set(xlim=(0, 18), ylim=(0, 9.4))
    axes.set_axis_off()
    boxes = {"down[0]": (3.2, 6.2, "1 → 16", BLUE), "down[1]": (4.6, 3.6, "16 → 32", BLUE),
             "bottom": (8.0, 1.0, "32 → 64", PURPLE), "up[0]": (11.4, 3.6, "96 → 32", GREEN),
             "up[1]": (12.8, 6.2, "48 → 16", GREEN)}
    for name, (x, y, channels, colour) in boxes.items():
        _box(axes, x, y, f"{name}\n{channels}", colour)
    _box(axes, 15.4, 6.2, "out\n16 → 1", ORANGE, wide=1.5)
    axes.text(0.9, 6.75, "noisy\nH × W", ha="center", va="center")
    for begin, end in (((1.6, 6.75), (3.2, 6.75)), ((14.8, 6.75), (15.4, 6.75))):
        _arrow(axes, begin, end)
    for begin, end, words, left in (((4.2, 6.2), (5.3, 4.7), "halve", True), ((5.6, 3.6), (8.3, 2.1), "halve", True),
                                    ((9.7, 2.1), (12.1, 4.7 - 1.1), "double", False),
                                    ((12.4, 4.7), (13.5, 6.2), "double", False)):
        _arrow(axes, begin, end)
        middle = (begin[0] + end[0]) / 2 + (-0.25 if left else 0.25), (begin[1] + end[1]) / 2
        axes.text(*middle, words, ha="right" if left else "left", va="center", fontsize=9)
    for y, begin, end, words in ((6.75, 5.2, 12.8, "16 channels across, H × W"),
                                 (4.15, 6.6, 11.4, "32 across, H/2 × W/2")):
        _arrow(axes, (begin, y), (end, y), dashed=True)
        axes.text((begin + end) / 2, y + 0.2, words, ha="center", va="bottom", fontsize=9)
    axes.text(9, 0.55, "H/4 × W/4", ha="center", va="center", fontsize=9)
    axes.plot([0.9, 0.9, 16.15], [7.4, 8.7, 8.7], color=INK, linewidth=1.4)
    _arrow(axes, (16.15, 7.3), (16.15, 8.3))
    axes.text(16.4, 7.75, "the noise", ha="left", va="center", fontsize=9)
    axes.text(16.15, 8.7, "−", ha="center", va="center", fontsize=17, color=DARK,
              bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": INK})
    _arrow(axes, (16.6, 8.7), (17.6, 8.7))
    axes.text(17.3, 9.1, "clean", ha="center", va="center")
    return figure


def _box(axes: Axes, x: float, y: float, words: str, colour: str, wide: float = 2.0) -> None:
    axes.add_patch(FancyBboxPatch((x, y), wide, 1.1, boxstyle="round,pad=0,rounding_size=0.15", facecolor="white",
                                  edgecolor=colour, linewidth=2))
    axes.text(x + wide / 2, y + 0.55, words, ha="center", va="center", fontsize=9.5, color=DARK)


def _arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], dashed: bool = False) -> None:
    axes.annotate("", end, begin, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4, "shrinkA": 0,
                                              "shrinkB": 0, "linestyle": "--" if dashed else "-"})


def eight_turns() -> Figure:
    """A photograph in its eight turns."""
    cup = photo("coffee", height=120)[:, 10:110, 35:135]
    figure, grid = plt.subplots(2, 4, figsize=(7.2, 3.9))
    names = ("as it is", "one quarter turn", "two", "three")
    for row, picture, kind in zip(grid, (cup, cup.flip(2)), ((), ("", ", one", ", two", ", three")), strict=True):
        for turns, axes in enumerate(row):
            axes.imshow(picture.rot90(turns, (1, 2)).permute(1, 2, 0), interpolation="none")
            axes.set_title(names[turns] if not kind else f"mirrored{kind[turns]}", fontsize=10)
            axes.set_axis_off()
    return figure


def tiles() -> Figure:
    """Tiles on a photograph: what is kept of two of them, and what the net is given."""
    flower = photo("flower", height=120, grey=True)[0, :, :180]
    figure, axes = plt.subplots(figsize=(6.6, 4.1))
    axes.imshow(flower, cmap="gray", vmin=-0.4, vmax=1.6, interpolation="none", extent=(0, 180, 120, 0))
    for place in range(0, 181, 30):
        axes.plot([place, place], [0, 120], color="white", linewidth=0.8)
    for place in range(0, 121, 30):
        axes.plot([0, 180], [place, place], color="white", linewidth=0.8)
    for top, left in ((30, 90), (90, 0)):
        above, before = max(top - 12, 0), max(left - 12, 0)
        below, after = min(top + 42, 120), min(left + 42, 180)
        axes.add_patch(Rectangle((before, above), after - before, below - above, fill=False, edgecolor=SKY,
                                 linewidth=2.5, linestyle="--"))
        axes.add_patch(Rectangle((left, top), 30, 30, facecolor=ORANGE, alpha=0.45))
        axes.add_patch(Rectangle((left, top), 30, 30, fill=False, edgecolor=ORANGE, linewidth=2.5))
    plate = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.25"}
    axes.text(105, 45, "kept:\ntile", ha="center", va="center", color=DARK, bbox=plate, fontsize=9)
    axes.text(138, 24, "given to the net", ha="left", va="center", color=DARK, bbox=plate, fontsize=9)
    axes.text(48, 84, "ends at the border", ha="left", va="center", color=DARK, bbox=plate, fontsize=9)
    axes.annotate("", (132, 72), (120, 72), arrowprops={"arrowstyle": "<->", "color": "white", "linewidth": 1.5})
    axes.text(126, 80, "overlap", ha="center", va="center", color=DARK, bbox=plate, fontsize=9)
    axes.set_axis_off()
    return figure
