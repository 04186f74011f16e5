"""The figures of chapter 4."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from convcraft.data import photo
from convcraft.plots import BLUE, DARK, GREEN, GREY, INK, ORANGE, PURPLE, RED, SKY, YELLOW


def surfaces() -> Figure:
    """The loss over weight and bias, and the path of gradient descent: raw pixels, normalised pixels."""
    pixels = photo("china", height=60).double()
    red, blue = pixels[0].flatten(), pixels[2].flatten()
    figure, panels = plt.subplots(1, 2, figsize=(8.2, 3.9))
    inputs = [("raw pixels", red), ("normalised pixels", (red - red.mean()) / red.std(correction=0))]
    for axes, (title, x) in zip(panels, inputs, strict=True):
        design = torch.stack([x, torch.ones_like(x)], 1)
        hessian = (design.T @ design / len(x)).round(decimals=4)  # the same picture on every processor
        best = torch.linalg.lstsq(design, blue[:, None]).solution[:, 0].round(decimals=4)
        point = best + torch.tensor([-0.9, 1.1], dtype=torch.float64)
        rate = 1.55 / torch.linalg.eigvalsh(hessian)[-1]
        if title.startswith("normalised"):
            rate = rate * 0.45
        path = [point]
        for _ in range(12):
            point = point - rate * hessian @ (point - best)
            path.append(point)
        path = torch.stack(path)
        reach = (torch.arange(60, dtype=torch.float64) * 2 - 59) * 1.5 / 59
        w, b = torch.meshgrid(reach + best[0], reach + best[1], indexing="xy")
        away = torch.stack([w - best[0], b - best[1]], -1)
        loss = torch.einsum("...i,ij,...j->...", away, hessian, away).round(decimals=6)
        axes.contourf(w, b, loss.sqrt(), levels=10, cmap="Blues_r", alpha=0.75)
        axes.contour(w, b, loss.sqrt(), levels=10, colors="white", linewidths=0.6)
        axes.plot(path[:, 0], path[:, 1], "o-", color=RED, markersize=3.5, linewidth=1.4)
        axes.plot(*path[0], "o", color=RED, markersize=7)
        axes.annotate("start", path[0].tolist(), (8, 4), textcoords="offset points", color=RED)
        axes.plot(*best, "*", color=YELLOW, markeredgecolor=INK, markersize=13)
        axes.set(title=title, xlabel="weight w", ylabel="bias b", aspect="equal")
    return figure


def photograph() -> Figure:
    """A photograph, the histograms of its colours, and the same after normalising."""
    pixels = photo("china", height=150)
    std, mean = torch.std_mean(pixels, (1, 2), correction=0, keepdim=True)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 2.6), width_ratios=[1.35, 1, 1])
    left.imshow(pixels.permute(1, 2, 0))
    left.set_axis_off()
    for axes, values, title, limits in [(middle, pixels, "pixels", (0, 1)),
                                        (right, (pixels - mean) / std, "normalised", (-2.5, 2.5))]:
        for channel, colour, name in zip(values, (RED, GREEN, BLUE), ("red", "green", "blue"), strict=True):
            low, high = channel.min().item(), channel.max().item()
            counts = torch.histc(channel, 28, low, high) / channel.numel() * 28 / (high - low)
            edges = torch.linspace(low, high, 29)
            axes.plot((edges[1:] + edges[:-1]) / 2, counts, color=colour, label=name)
        axes.set(title=title, yticks=[], xlim=limits, ylim=(0, None), xlabel="value")
    middle.axvline(mean.mean(), color=GREY, linestyle=":")
    right.axvline(0, color=GREY, linestyle=":")
    middle.legend(fontsize=8, loc="upper left")
    return figure


def three_ways() -> Figure:
    """How x reaches the loss: directly, through the mean, through the variance."""
    figure, axes = plt.subplots(figsize=(8.2, 3))
    boxes = {"x": (0.6, 1.5, "x"), "mean": (2.4, 2.5, "mean μ"), "var": (3.6, 0.5, "variance σ²"),
             "xhat": (5.4, 1.5, "x̂ = (x − μ) / s"), "y": (7.9, 1.5, "y = γ x̂ + β"), "loss": (9.9, 1.5, "loss")}
    half = {"x": 0.3, "mean": 0.55, "var": 0.75, "xhat": 0.95, "y": 0.85, "loss": 0.4}
    for name, (x, y, text) in boxes.items():
        axes.add_patch(FancyBboxPatch((x - half[name], y - 0.28), 2 * half[name], 0.56, boxstyle="round,pad=0.05",
                                      facecolor="white", edgecolor=GREY, linewidth=1.2))
        axes.text(x, y, text, ha="center", va="center", fontsize=12, color=DARK)

    def arrow(start, end, colour, bend=0.0):
        axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=15, color=colour, linewidth=2,
                                       connectionstyle=f"arc3,rad={bend}"))

    arrow((0.97, 1.5), (4.38, 1.5), BLUE)
    arrow((0.85, 1.85), (1.78, 2.5), ORANGE)
    arrow((3.02, 2.5), (5.1, 1.87), ORANGE)
    arrow((0.85, 1.15), (2.78, 0.5), GREEN)
    arrow((4.42, 0.5), (5.1, 1.13), GREEN)
    arrow((6.42, 1.5), (6.98, 1.5), GREY)
    arrow((8.82, 1.5), (9.42, 1.5), GREY)
    axes.text(2.0, 1.64, "directly", color=BLUE, ha="center", fontsize=11)
    axes.text(4.3, 2.5, "through the mean", color=ORANGE, ha="left", fontsize=11)
    axes.text(5.0, 0.55, "through the variance", color=GREEN, ha="left", fontsize=11)
    axes.set(xlim=(0.1, 10.5), ylim=(0, 3), aspect="equal")
    axes.set_axis_off()
    return figure


def running() -> Figure:
    """The running statistics of the notes' example over 50 steps."""
    steps = torch.arange(51)
    left = 0.9**steps
    figure, axes = plt.subplots(figsize=(7, 3.1))
    curves = [("running_var", left + (1 - left) / 12, 1 / 12, ORANGE, "0.908 after one batch", (3, 0.93)),
              ("running_mean", (1 - left) * 0.5, 0.5, BLUE, "0.05 after one batch", (3.4, 0.02))]
    for name, values, truth, colour, text, place in curves:
        axes.plot(steps, values, ".-", color=colour, label=name, markersize=4)
        axes.axhline(truth, color=colour, linestyle=":", linewidth=1)
        axes.plot(1, values[1], "o", color=colour, markersize=8)
        axes.annotate(text, (1, values[1].item()), place, va="center",
                      arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.8})
    axes.text(50, 0.515, "true mean 0.5", ha="right", va="bottom", fontsize=9)
    axes.text(50, 0.065, "true variance 0.083", ha="right", va="top", fontsize=9)
    axes.set(xlabel="batches seen", ylim=(-0.04, 1.04), xlim=(-0.5, 50.5))
    axes.legend(loc="upper right")
    return figure


def axes() -> Figure:
    """Which numbers share a mean: batch, layer, instance and group norm."""
    palette = [BLUE, ORANGE, GREEN, PURPLE, SKY, YELLOW, RED, GREY]
    kinds = [("batch norm", lambda n, c: c, "6 means, each\nover N, H, W"),
             ("layer norm", lambda n, c: n, "4 means, each\nover C, H, W"),
             ("instance norm", lambda n, c: None, "24 means, each\nover H, W"),
             ("group norm, 2 groups", lambda n, c: 2 * n + c // 3, "8 means, each over\nhalf of C, and H, W")]
    figure, panels = plt.subplots(1, 4, figsize=(10.4, 2.75))
    for panel, (title, key, text) in zip(panels, kinds, strict=True):
        for n in range(4):
            for c in range(6):
                which = key(n, c)
                which = 6 * n + c if which is None else which  # 24 sets: eight colours in three strengths
                panel.add_patch(Rectangle((c + 0.06, n + 0.06), 0.88, 0.88, facecolor=palette[which % 8],
                                          alpha=(1, 0.6, 0.3)[which // 8], edgecolor="none"))
                for third in (1, 2):
                    offset = 0.06 + 0.88 * third / 3
                    panel.plot([c + offset] * 2, [n + 0.06, n + 0.94], color="white", linewidth=0.5, alpha=0.7)
                    panel.plot([c + 0.06, c + 0.94], [n + offset] * 2, color="white", linewidth=0.5, alpha=0.7)
        _outline(panel, title)
        panel.set(xlim=(-0.1, 6.1), ylim=(4.1, -0.1), aspect="equal", xticks=[], yticks=[], title=title)
        panel.set_xlabel("channels C →\n\n" + text)
        for spine in panel.spines.values():
            spine.set_visible(False)
    panels[0].set_ylabel("← images N")
    return figure


def _outline(panel, title: str) -> None:
    """A dark frame around one set of squares that share a mean."""
    frames = {"batch norm": (0, 0, 1, 4), "layer norm": (0, 0, 6, 1), "instance norm": (0, 0, 1, 1),
              "group norm, 2 groups": (0, 0, 3, 1)}
    column, row, width, height = frames[title]
    panel.add_patch(Rectangle((column, row), width, height, fill=False, edgecolor=INK, linewidth=2.2))
