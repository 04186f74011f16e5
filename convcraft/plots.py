"""Pictures for chapters: one palette, rows of images, grids of numbers, explorers."""

import base64
import html
import io
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import Rectangle
from torch import Tensor

from convcraft.language import _, current, ngettext

# After Okabe and Ito's palette: told apart with any colour vision; orange and sky darker than theirs, so that each has
# a contrast of 3:1 to white and to a dark theme's background. YELLOW fills areas only.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#B87D00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, GREY = "#CC79A7", "#3B9AD0", "#F0E442", "#7A7A7A"
INK = "#767676"  # words, axes and outlines: 4:1 on white and on black alike, since a figure has no background
DARK = "#222222"  # words that stand on a light plate of their own

CHINESE = "ConvCraft Sans SC"  # the letters of the course's Chinese texts; beside it what a system has, for readers'
FONT = Path(__file__).parent / "fonts/ConvCraftSansSC.otf"
_OF_SYSTEMS = ("Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei")

_STYLE: dict[Any, Any] = {
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "figure.facecolor": "none",
    "font.size": 10,
    "image.interpolation": "nearest",
    "legend.frameon": False,
    "patch.edgecolor": INK,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def use_style() -> None:
    """Set matplotlib's defaults to the course's, fonts included; in a notebook, figures are shown with an alt text."""
    from IPython import get_ipython

    plt.rcParams.update(_STYLE | {"font.family": families()})
    shell = get_ipython()
    if shell is not None:
        shell.display_formatter.ipython_display_formatter.for_type(Figure, _show)


def families() -> list[str]:
    """The fonts that letters are looked for in, one after the other: Latin ones alike in every language."""
    if current() != "zh":
        return ["sans-serif"]
    if FONT not in map(Path, (font.fname for font in fontManager.ttflist)):
        fontManager.addfont(FONT)
    known = set(fontManager.get_font_names())
    return ["DejaVu Sans", CHINESE, *(name for name in _OF_SYSTEMS if name in known)]


def _show(figure: Figure) -> None:
    """Display a figure as HTML: to an output that is a PNG, JupyterLab gives no alt text."""
    from IPython.core.pylabtools import print_figure
    from IPython.display import display

    data = {"text/plain": repr(figure)}
    if picture := print_figure(figure, base64=True):  # None: there is nothing in it
        data["text/html"] = _img(describe(figure), picture)
    display(data, raw=True)


def _img(alt: str, picture: str) -> str:
    """The HTML element of a PNG in base64."""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{picture}">'


def describe(figure: Figure) -> str:
    """What a reader who cannot see a figure is told: titles, labels of axes, names of curves, texts, as they stand."""
    parts = [figure.get_suptitle()]
    for kind, panels in groupby(figure.axes, _kind):
        said = [_said(axes) for axes in panels]
        what = _counted(kind, len(said))
        told = _("; ").join(filter(None, said))
        parts.append(_("{what}: {told}").format(what=what, told=told) if told else what)
    return " ".join(_("{sentence}.").format(sentence=part) for part in parts if part)


def _kind(axes: Axes) -> str:
    return "picture" if axes.images else "plot" if axes.axison else "drawing"


def _counted(kind: str, count: int) -> str:
    match kind:
        case "picture":
            return ngettext("Picture", "{count} pictures", count).format(count=count)
        case "plot":
            return ngettext("Plot", "{count} plots", count).format(count=count)
    return ngettext("Drawing", "{count} drawings", count).format(count=count)


def _said(axes: Axes) -> str:
    """All that is written in one panel, on one line."""
    legend = axes.get_legend()
    across, up = axes.get_xlabel(), axes.get_ylabel()
    both = _("{up} over {across}").format(up=up, across=across) if up and across else up or across
    written = [axes.get_title(), both,
               *(text.get_text() for text in (legend.get_texts() if legend else ())),
               " ".join(text.get_text() for text in axes.texts)]
    return " ".join(_(", ").join(filter(None, written)).split())


def images(pictures: Sequence[Tensor], titles: Sequence[str] | None = None, cmap: str = "gray",
           vmin: float | None = None, vmax: float | None = None, height: float = 2.2) -> Figure:
    """Draw pictures in a row.

    Args:
        pictures: tensors (H, W), (1, H, W) or (3, H, W); colours in [0, 1].
        titles: one for each.
        vmin, vmax: the values drawn darkest and lightest; each picture's own by default.
        height: of a picture, in inches.
    """
    shown = [picture.detach().squeeze(0) if picture.ndim == 3 else picture.detach() for picture in pictures]
    shown = [picture.permute(1, 2, 0) if picture.ndim == 3 else picture for picture in shown]
    ratios = [picture.shape[1] / picture.shape[0] for picture in shown]
    figure, row = plt.subplots(1, len(shown), figsize=(height * sum(ratios) + 0.1 * len(shown), height + 0.35),
                               width_ratios=ratios, squeeze=False)
    for index, (axes, picture) in enumerate(zip(row[0], shown, strict=True)):
        axes.imshow(picture, cmap=cmap, vmin=vmin, vmax=vmax)
        axes.set_axis_off()
        if titles is not None:
            axes.set_title(titles[index])
    return figure


def numbers(axes: Axes, array: Tensor, highlight: tuple[int, int, int, int] | None = None, fmt: str = "{:g}",
            colour: str = ORANGE) -> None:
    """Draw a matrix as a grid of numbers.

    Args:
        array: (H, W).
        highlight: (row, column, height, width) of a window to mark.
        fmt: format of one number.
        colour: of the window.
    """
    array = torch.as_tensor(array)
    rows, columns = array.shape
    for row in range(rows):
        for column in range(columns):
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor="white", edgecolor="#999999", linewidth=0.8))
            text = fmt.format(array[row, column].item()).replace("-", "−")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=11, color=DARK)
    if highlight is not None:
        row, column, height, width = highlight
        axes.add_patch(Rectangle((column, row), width, height, facecolor=colour, alpha=0.3))
        axes.add_patch(Rectangle((column, row), width, height, fill=False, edgecolor=colour, linewidth=2.5))
    axes.set(xlim=(-0.1, columns + 0.1), ylim=(rows + 0.1, -0.1), aspect="equal")
    axes.set_axis_off()


def explore(draw: Callable[..., Figure], **ranges: Any) -> None:
    """Sliders for a figure; where no widget can run, its first frame folds out as a picture.

    Args:
        draw: draws the figure for one choice of values and returns it.
        ranges: a control each: `(low, high)` or `(low, high, step)` a slider, a list a choice, a bool a tick box.
    """
    import ipywidgets
    from IPython.display import HTML, display

    controls = {name: ipywidgets.interactive.widget_from_abbrev(range_, start(range_))
                for name, range_ in ranges.items()}
    for name, control in controls.items():
        control.description = name.replace("_", " ")
        control.style.description_width = "9em"
        if hasattr(control, "continuous_update"):
            control.continuous_update = False

    first = draw(**{name: control.value for name, control in controls.items()})
    buffer = io.BytesIO()
    first.savefig(buffer, format="png", dpi=80)
    plt.close(first)

    def show(**values: Any) -> None:
        figure = draw(**values)
        display(figure)
        plt.close(figure)

    values = {name: control.value for name, control in controls.items()}
    picture = base64.b64encode(buffer.getvalue()).decode()
    display(ipywidgets.VBox([*controls.values(), ipywidgets.interactive_output(show, controls)]))
    summary = _("The first frame as a picture ({settings})").format(settings=settings(values))
    alt = describe_frame(values, first)
    display(HTML(f"<details><summary>{html.escape(summary)}</summary>{_img(alt, picture)}</details>"))


def settings(values: dict[str, Any]) -> str:
    """What the controls are set to, in words."""
    return _(", ").join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())


def describe_frame(values: dict[str, Any], figure: Figure) -> str:
    """What a reader who cannot see an explorer is told of its figure at some values."""
    return _("The explorer at {settings}. {description}").format(
        settings=settings(values), description=describe(figure))


def start(range_: Any) -> Any:
    """The value that a control starts from: the low end, the first choice, the tick as given."""
    return range_ if isinstance(range_, bool) else range_[0]
