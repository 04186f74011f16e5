"""The picture that is shown where somebody shares a page: what the course is, and the examiner's table."""

from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

_SIZE = (1200, 630)  # pixels, as social networks want it
_INK, _PAPER, _QUIET = "#1f1d1a", "#fffdf9", "#5f5a52"
_TITLE, _LINE = "ConvCraft", "A course on CNNs in PyTorch that says which mistake you made"


def draw(target: Path, table: Path) -> None:
    """Write the card as a PNG; `table` is a picture of the examiner's table."""
    figure = Figure(figsize=(_SIZE[0] / 100, _SIZE[1] / 100), dpi=100, facecolor=_PAPER)
    figure.text(0.06, 0.87, _TITLE, fontsize=40, weight="bold", color=_INK, va="center")
    figure.text(0.06, 0.765, _LINE, fontsize=18, color=_QUIET, va="center")
    with Image.open(table) as picture:
        axes = figure.add_axes((0.06, 0.02, 0.88, 0.68))
        axes.imshow(picture.convert("RGB"), interpolation="lanczos")
    axes.set_anchor("NW")
    axes.set_axis_off()
    figure.savefig(target, format="png")
