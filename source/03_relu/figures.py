"""The figures of chapter 3."""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from convcraft import data, plots

DEPTH, WIDTH = 30, 64


def curves() -> Figure:
    """Three activations and their slopes."""
    x = torch.linspace(-6, 6, 601, dtype=torch.float64)
    kinds = [("sigmoid", torch.sigmoid, plots.ORANGE), ("ReLU", torch.relu, plots.BLUE),
             ("leaky ReLU, slope 0.1", lambda x: F.leaky_relu(x, 0.1), plots.GREEN)]
    figure, rows = plt.subplots(2, 3, figsize=(8, 4), sharex=True, height_ratios=(3, 2))
    for column, (name, function, colour) in enumerate(kinds):
        leaf = x.clone().requires_grad_()
        value = function(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
        rows[0, column].plot(x, value.detach(), color=colour, linewidth=2.5)
        rows[0, column].set(title=name, ylim=(-1, 3), yticks=range(-1, 4))
        if name != "sigmoid":
            slope[len(x) // 2] = float("nan")  # at the corner there is none: leave a gap
        rows[1, column].plot(x, slope, color=colour, linewidth=2.5)
        rows[1, column].set(ylim=(-0.08, 1.15), yticks=(0, 0.25, 0.5, 0.75, 1), xlabel="x")
        for axes in rows[:, column]:
            axes.axvline(0, color=plots.GREY, linewidth=0.5, zorder=0)
            axes.axhline(0, color=plots.GREY, linewidth=0.5, zorder=0)
    rows[1, 0].annotate("at most 1/4", (0, 0.25), (1.2, 0.6), arrowprops={"arrowstyle": "->", "color": plots.GREY})
    rows[0, 0].set_ylabel("value")
    rows[1, 0].set_ylabel("slope")
    return figure


def bends() -> Figure:
    """ReLU, SiLU and GELU, and their slopes."""
    x = torch.linspace(-4, 4, 801, dtype=torch.float64)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    for name, function, colour, style in [("ReLU", torch.relu, plots.BLUE, "-"), ("SiLU", F.silu, plots.RED, "--"),
                                          ("GELU", F.gelu, plots.GREEN, "-.")]:
        leaf = x.clone().requires_grad_()
        value = function(leaf)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
        left.plot(x, value.detach(), style, color=colour, linewidth=2.2, label=name)
        if name == "ReLU":
            slope[len(x) // 2] = float("nan")
        right.plot(x, slope, style, color=colour, linewidth=2.2)
    left.set(title="value", xlabel="x", ylim=(-0.5, 2.5))
    right.set(title="slope", xlabel="x", yticks=(0, 0.5, 1))
    left.legend(loc="upper left")
    for axes in (left, right):
        axes.axhline(0, color=plots.INK, linewidth=0.6, zorder=0)
    return figure


def photograph() -> Figure:
    """Edges of a photograph: signed, then the half that ReLU keeps of each sign."""
    grey = data.photo("china", 150).mean(0)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = F.conv2d(grey[None, None], sobel[None, None], padding=1)[0, 0, 2:-2, 2:-2]
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.2))
    axes[0].imshow(grey[2:-2, 2:-2], cmap="gray")
    axes[1].imshow(edges, cmap="PuOr_r", vmin=-1.5, vmax=1.5)
    axes[2].imshow(edges.relu(), cmap="gray", vmin=0, vmax=1.5)
    axes[3].imshow((-edges).relu(), cmap="gray", vmin=0, vmax=1.5)
    for axis, title in zip(axes, ("a photograph", "edges, both signs", "ReLU(edges)", "ReLU(−edges)"), strict=True):
        axis.set_title(title)
        axis.set_axis_off()
    return figure


def backward() -> Figure:
    """What ReLU does to numbers on the way up and to gradients on the way down."""
    x = torch.tensor([[1.5, -2.0, 0.0], [-0.5, 3.0, 0.5]])
    grad_out = torch.tensor([[0.2, 0.7, -0.4], [-0.1, 0.6, -0.3]])
    top = [("x", x), ("ReLU(x)", x.relu())]
    bottom = [("gradient of x", grad_out * (x > 0)), ("gradient that comes in", grad_out)]
    figure, rows = plt.subplots(2, 3, figsize=(7, 4.2), width_ratios=(3, 1.6, 3))
    for (left, middle, right), grids, style, text in [
            (rows[0], top, "-|>", "forward"), (rows[1], bottom, "<|-", "backward")]:
        for axes, (title, grid) in zip((left, right), grids, strict=True):
            plots.numbers(axes, grid + 0.0)
            axes.set_title(title)
            for row, column in (x > 0).nonzero().tolist():
                axes.add_patch(Rectangle((column, row), 1, 1, facecolor=plots.SKY, alpha=0.35))
        middle.set_axis_off()
        middle.annotate("", (1, 0.5), (0, 0.5), xycoords="axes fraction",
                        arrowprops={"arrowstyle": style, "linewidth": 2.5, "color": plots.GREY})
        middle.text(0.5, 0.56, text, ha="center", va="bottom", transform=middle.transAxes)
        middle.text(0.5, 0.44, "blue passes", ha="center", va="top", transform=middle.transAxes, color=plots.INK)
    return figure


def _deep_net(activation: type[nn.Module], gain: float) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(DEPTH):
        layer = nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(layer.weight, 0, gain / WIDTH**0.5, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers)


def _digits(count: int) -> Tensor:
    images, _ = data.digits()
    return ((images - images.mean()) / images.std()).flatten(1)[:count]


def depth() -> Figure:
    """The gradient's norm in each of 30 layers: sigmoid, ReLU without its gain, ReLU with it."""
    x = _digits(128)
    figure, axes = plt.subplots(figsize=(6.8, 3.6))
    for name, activation, gain, colour, style in [
            ("ReLU, variance 2 / fan-in", nn.ReLU, 2**0.5, plots.BLUE, "o-"),
            ("ReLU, variance 1 / fan-in", nn.ReLU, 1.0, plots.SKY, "^-"),
            ("sigmoid, variance 2 / fan-in", nn.Sigmoid, 2**0.5, plots.ORANGE, "s-")]:
        net = _deep_net(activation, gain)
        weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
        norms = [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]
        axes.semilogy(range(1, DEPTH + 1), norms, style, color=colour, markersize=4, label=name)
    axes.set(xlabel="layer (1 is next to the input)", ylabel="norm of the weight's gradient",
             xticks=(1, 5, 10, 15, 20, 25, 30), ylim=(1e-13, 1e6), yticks=[10.0**power for power in range(-12, 6, 3)])
    axes.minorticks_off()
    axes.legend(loc="lower right", bbox_to_anchor=(1, 0.28))
    return figure


def scale() -> Figure:
    """The mean square of the activations through 30 ReLU layers, for three variances of the weights."""
    figure, axes = plt.subplots(figsize=(6.8, 3.4))
    for factor, colour, style in [(3, plots.RED, "s-"), (2, plots.BLUE, "o-"), (1, plots.SKY, "^-")]:
        h, sizes = _digits(128), []
        with torch.no_grad():
            for module in _deep_net(nn.ReLU, factor**0.5):
                h = module(h)
                if isinstance(module, nn.ReLU):
                    sizes.append(h.square().mean().item())
        axes.semilogy(range(1, DEPTH + 1), sizes, style, color=colour, markersize=4,
                      label=f"variance {factor} / fan-in")
    axes.set(xlabel="layer", ylabel="mean square of the output", xticks=(1, 5, 10, 15, 20, 25, 30),
             ylim=(1e-12, 1e8), yticks=[10.0**power for power in range(-12, 9, 4)])
    axes.minorticks_off()
    axes.legend(loc="lower left")
    return figure


def corners() -> Figure:
    """Four ReLUs on the left, their sum on the right: another curve than the one that is to be built."""
    x = torch.linspace(-1, 4, 501)
    parts = [("relu(x)", x.relu(), plots.BLUE, "-"), ("−relu(x − 1)", -(x - 1).relu(), plots.RED, "--"),
             ("−relu(x − 2)", -(x - 2).relu(), plots.ORANGE, ":"), ("relu(x − 3)", (x - 3).relu(), plots.GREEN, "-.")]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.9), sharex=True)
    for name, part, colour, style in parts:
        left.plot(x, part, style, color=colour, linewidth=2.2, label=name)
    left.legend(loc="upper left")
    left.set(title="four ReLUs", xlabel="x", xticks=range(-1, 5), ylim=(-3.2, 4.4))
    right.plot(x, sum(part for _, part, _, _ in parts), color=plots.PURPLE, linewidth=2.5)
    right.set(title="their sum", xlabel="x", ylim=(-0.6, 1.6), yticks=(0, 1))
    for slope, place in (("slope 1", (0.35, 0.7)), ("1 − 1 = 0", (1.1, 1.12)), ("0 − 1 = −1", (2.55, 0.7)),
                         ("−1 + 1 = 0", (3, 0.12))):
        right.annotate(slope, place, fontsize=9, color=plots.INK, ha="right" if place[0] < 1 else "left")
    for axes in (left, right):
        axes.axhline(0, color=plots.GREY, linewidth=0.5, zorder=0)
    return figure
