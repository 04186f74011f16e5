"""The figures of the chapter on residual networks."""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, FancyBboxPatch, Rectangle
from torch import Tensor, nn

from convcraft.data import digits, photo
from convcraft.plots import BLUE, DARK, GREEN, GREY, INK, ORANGE, RED, SKY


def photo_through_layers() -> Figure:
    """A photograph behind 0, 2, 8 and 20 random blocks, plain and residual."""
    shown = (0, 2, 8, 20)
    picture = photo("china", height=96)[None]
    figure, grid = plt.subplots(2, len(shown), figsize=(9, 3.5))
    for row, (skip, gamma, label) in zip(grid, ((False, 1.0, "plain"), (True, 0.1, "residual")), strict=True):
        x = picture
        generator = torch.Generator().manual_seed(3)
        states = [x]
        for _ in range(max(shown)):
            x = _random_block(x, skip, gamma, generator)
            states.append(x)
        for axes, count in zip(row, shown, strict=True):
            axes.imshow(states[count][0].mean(0), cmap="gray", interpolation="none")
            axes.set(xticks=[], yticks=[], title=f"{label}, {count} blocks" if count else "the photograph")
            axes.spines[:].set_visible(False)
    return figure


def _random_block(x: Tensor, skip: bool, gamma: float, generator: torch.Generator) -> Tensor:
    out = x
    for number in (1, 2):
        kernel = torch.randn(3, 3, 3, 3, generator=generator) * (2 / 27) ** 0.5
        out = F.batch_norm(F.conv2d(F.pad(out, (1,) * 4, mode="replicate"), kernel), None, None, training=True)
        out = F.relu(out) if number == 1 else out
    return F.relu(x + gamma * out) if skip else F.relu(out)


def blocks() -> Figure:
    """A plain block, a ResBlock, a ResBlock with a projection and a Bottleneck."""
    figure, row = plt.subplots(1, 4, figsize=(10, 5.4))
    two = [("3×3 conv", BLUE), ("BatchNorm", GREEN), ("ReLU", ORANGE), ("3×3 conv", BLUE), ("BatchNorm", GREEN)]
    three = [("1×1 conv, narrow", BLUE), ("BatchNorm", GREEN), ("ReLU", ORANGE), *two[:3],
             ("1×1 conv, widen", BLUE), ("BatchNorm", GREEN)]
    projected = [("3×3 conv, stride 2", BLUE), *two[1:]]
    _chain(row[0], "plain", two, None)
    _chain(row[1], "ResBlock", two, [])
    _chain(row[2], "ResBlock, other shape", projected, [("1×1 conv,\nstride 2", BLUE), ("BatchNorm", GREEN)])
    _chain(row[3], "Bottleneck", three, [])
    return figure


def _chain(axes: Axes, title: str, layers: list[tuple[str, str]], side: list[tuple[str, str]] | None) -> None:
    """Boxes from top to bottom, the shortcut on the right, the last ReLU at the foot. No `side`, no shortcut."""
    middle, right, top, foot = 1.7, 4.3, 9.3, 0.7
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}

    def box(x: float, y: float, text: str, colour: str, width: float = 2.9, height: float = 0.62) -> None:
        for face, alpha in (("white", 1), (colour, 0.22)):
            axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.02",
                                          facecolor=face, alpha=alpha, edgecolor="none", zorder=3))
        axes.text(x, y, text, ha="center", va="center", fontsize=8.5, zorder=4, color=DARK)

    axes.text(middle, top + 0.55, "x", ha="center", va="center", fontsize=12, style="italic")
    axes.plot([middle, middle], [top + 0.3, foot], color=INK, linewidth=1.2, zorder=1)
    axes.annotate("", (middle, foot - 1.05), (middle, foot), arrowprops=arrow, zorder=1)
    spacing = 0.79 if len(layers) > 5 else 1.2
    for index, (text, colour) in enumerate(layers):
        box(middle, top - 0.6 - spacing * index, text, colour)
    box(middle, foot - 0.25, "ReLU", ORANGE)
    if side is None:
        axes.text(middle + 0.3, foot + 1.2, "no way around", va="center", fontsize=9, color=GREY)
    else:
        axes.plot([middle, right, right], [top + 0.1, top + 0.1, foot + 1.2], color=RED, linewidth=2.2, zorder=2)
        axes.annotate("", (middle + 0.28, foot + 1.2), (right + 0.03, foot + 1.2),
                      arrowprops={**arrow, "color": RED, "linewidth": 2.2}, zorder=2)
        axes.text(middle, foot + 1.2, "+", ha="center", va="center", fontsize=12, zorder=4, color=DARK,
                  bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": INK})
        for index, (text, colour) in enumerate(side):
            box(right, 6.2 - 1.2 * index, text, colour, 1.9, 0.9)
        if not side:
            axes.text(right + 0.16, 5.6, "the input itself", rotation=270, va="center", fontsize=9, color=RED)
    axes.set(xlim=(-0.1, 5.6), ylim=(-0.5, 10.2), title=title)
    axes.set_axis_off()


def gradient_norms() -> Figure:
    """Gradient norm by layer for 8 to 56 layers: plain, plain with BatchNorm, residual with BatchNorm."""
    kinds = (("plain, no BatchNorm", False, False), ("plain, BatchNorm", True, False),
             ("residual, BatchNorm", True, True))
    depths = (8, 20, 32, 44, 56)
    colours = (SKY, BLUE, GREEN, ORANGE, RED)
    images, labels = digits()
    x, y = images[:48].double(), labels[:48]
    figure, row = plt.subplots(1, 3, figsize=(10, 3.4), sharex=True)
    for axes, (title, norm, skip) in zip(row, kinds, strict=True):
        for depth, colour in zip(depths, colours, strict=True):
            norms = torch.stack([_norms(_net(depth, norm, skip, seed), x, y) for seed in range(2)]).log().mean(0).exp()
            axes.semilogy(torch.linspace(0, 1, len(norms)), norms, color=colour, linewidth=1.8, label=f"{depth} layers")
        axes.set(title=title, xlabel="first layer → last layer", xticks=[])
    row[0].set(ylabel="L2 norm of the weight's gradient", ylim=(1e-26, 1e2))
    row[1].set(ylim=(1e-2, 3e2))
    row[2].set(ylim=(1e-2, 3e2))
    row[2].legend(fontsize=8.5, loc="upper right")
    return figure


def _layer(before: int, after: int, norm: bool) -> list[nn.Module]:
    return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after) if norm else nn.Identity()]


class _Block(nn.Module):
    def __init__(self, channels: int, norm: bool, skip: bool):
        super().__init__()
        self.skip = skip
        self.branch = nn.Sequential(*_layer(channels, channels, norm), nn.ReLU(), *_layer(channels, channels, norm))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + x if self.skip else self.branch(x))


def _net(depth: int, norm: bool, skip: bool, seed: int, channels: int = 8) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            *_layer(1, channels, norm), nn.ReLU(),
            *(_Block(channels, norm, skip) for _ in range((depth - 2) // 2)),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10)).double()


def _norms(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    weights = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    gradients = torch.autograd.grad(F.cross_entropy(net(x), y), weights)
    return torch.stack([gradient.norm() for gradient in gradients[:-1]])  # the convolutions


def which_pixels_are_seen() -> Figure:
    """The pixels of a 9×9 picture that a convolution with stride 2 looks at: 1×1 and 3×3."""
    figure, row = plt.subplots(1, 2, figsize=(6.4, 3.2))
    centres = [(i, j) for i in range(0, 9, 2) for j in range(0, 9, 2)]
    for axes, size, title in ((row[0], 1, "1×1, stride 2: sees 25 of 81"), (row[1], 3, "3×3, stride 2: sees all 81")):
        seen = torch.zeros(9, 9)
        for i, j in centres:
            reach = size // 2
            seen[max(0, i - reach):i + reach + 1, max(0, j - reach):j + reach + 1] += 1
        for i in range(9):
            for j in range(9):
                strength = 0.25 + 0.15 * seen[i, j].item() if seen[i, j] else 0
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor=BLUE, alpha=strength))
                axes.add_patch(Rectangle((j, i), 1, 1, fill=False, edgecolor=GREY, linewidth=0.6))
        axes.plot(*zip(*((j + 0.5, i + 0.5) for i, j in centres), strict=True), ".", color=INK, markersize=4)
        axes.set(xlim=(-0.1, 9.1), ylim=(9.1, -0.1), aspect="equal", title=title)
        axes.set_axis_off()
    return figure


def resnet18() -> Figure:
    """ResNet-18 on a 224×224 photograph: size and number of channels, stage by stage."""
    parts = [("input", 3, 224, GREY), ("conv1", 64, 112, BLUE), ("maxpool", 64, 56, ORANGE), ("layer1", 64, 56, GREEN),
             ("layer2", 128, 28, GREEN), ("layer3", 256, 14, GREEN), ("layer4", 512, 7, GREEN),
             ("average", 512, 1, ORANGE), ("fc", 1000, None, BLUE)]
    figure, axes = plt.subplots(figsize=(10, 3.3))
    left = 0.0
    for name, channels, size, colour in parts:
        height = 2.6 * (size / 224) ** 0.6 if size else 1.5
        width = 0.22 + channels / 640 if size else 0.16
        axes.add_patch(Rectangle((left, -height / 2), width, height, facecolor=colour, alpha=0.45, edgecolor=colour))
        centre = left + width / 2
        stage = name.startswith("layer")
        axes.text(centre, 1.75, f"{name} ×2" if stage else name, ha="center", va="bottom", fontsize=9.5)
        for block in range(2 if stage else 0):  # a shortcut over each block, dashed where it projects
            projects = block == 0 and name != "layer1"
            axes.add_patch(Arc((left + width * (0.25 + 0.5 * block), height / 2 + 0.04), width * 0.46, 0.5, theta2=180,
                               edgecolor=RED, linewidth=1.8, linestyle=(0, (1.5, 1)) if projects else "-"))
        below = f"{channels}\n{size}×{size}" if size else f"{channels}\n"
        axes.text(centre, -1.5, below, ha="center", va="top", fontsize=9)
        left += width + 0.62
    axes.text(-0.35, -1.5, "channels\nsize", ha="right", va="top", fontsize=9, color=GREY)
    axes.set(xlim=(-1.3, left - 0.2), ylim=(-2.15, 2.1))
    axes.set_axis_off()
    return figure
