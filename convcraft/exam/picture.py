"""Two tensors that should be alike, drawn beside each other: yours, expected, the difference.

Every number becomes a square of one colour, written as a PNG without a plotting library: a class's mistakes are drawn
by the thousand.
"""

import base64
import html
import io
from dataclasses import dataclass

import matplotlib
import torch
from PIL import Image
from torch import Tensor

from convcraft.language import _

SIDE = 150  # pixels of the longer side, about
_VALUES, _SIGNED = "viridis", "PuOr"


@dataclass(frozen=True)
class Panel:
    """One of the three.

    Attributes:
        scaled: (H, W), from 0 to 1 between `low` and `high`; what is no number has no colour.
        colours: the name of a colour map.
        alt: what a reader who cannot see it is told.
    """

    title: str
    scaled: Tensor
    low: float
    high: float
    colours: str
    alt: str


def panels(yours: Tensor, expected: Tensor, caption: str) -> list[Panel]:
    """Yours, expected and the difference of the first channel that differs; empty where there is nothing to draw.

    Args:
        yours, expected: (..., H, W); where their shapes differ there is nothing to draw.
        caption: what a reader who cannot see it is told.
    """
    channel = _channel(yours, expected)
    if channel is None:
        return []
    yours, expected = channel
    difference = yours - expected
    finite = torch.cat([panel[panel.isfinite()] for panel in channel])
    low, high = (finite.min().item(), finite.max().item()) if finite.numel() else (0.0, 1.0)
    reach = difference[difference.isfinite()].abs().max().item() if difference.isfinite().any() else 1.0
    return [_panel(_("yours"), yours, low, high, _VALUES,
                   _("Three pictures of {caption} The first is yours.").format(caption=caption)),
            _panel(_("expected"), expected, low, high, _VALUES, _("The second is what was expected.")),
            _panel(_("difference"), difference, -reach, reach, _SIGNED, _("The third is the difference."))]


def _panel(title: str, values: Tensor, low: float, high: float, colours: str, alt: str) -> Panel:
    return Panel(title, (values - low) / max(high - low, 1e-300), low, high, colours, alt)


def picture(yours: Tensor, expected: Tensor, caption: str) -> str:
    """HTML with the three panels; empty where there is nothing to draw. See `panels`."""
    drawn = "".join(map(_figure, panels(yours, expected, caption)))
    return drawn and ('<div style="display:flex;flex-wrap:wrap;gap:.4em 1.4em;margin:.4em 0;padding:.5em .7em;'
                      f'width:fit-content;color:#000;background:#fff;border-radius:4px">{drawn}</div>')


def _figure(panel: Panel) -> str:
    bar, to = torch.linspace(0, 1, 60).expand(6, 60), html.escape(_("to"), quote=True)
    return ('<div style="text-align:center;font-size:12px;line-height:1.5">'
            f'<div>{panel.title}</div>'
            f'<img alt="{html.escape(panel.alt, quote=True)}" src="{_enlarged(panel.scaled, panel.colours)}">'
            f'<div>{number(panel.low)} <img alt="{to}" src="{_enlarged(bar, panel.colours)}" '
            f'style="vertical-align:middle"> {number(panel.high)}</div></div>')


def pixels(scaled: Tensor, colours: str) -> Image.Image:
    """Numbers from 0 to 1 as a picture, a pixel each; what is no number is left white."""
    coloured = Image.fromarray(matplotlib.colormaps[colours](scaled.numpy(), bytes=True))
    paper = Image.new("RGBA", coloured.size, "white")
    paper.alpha_composite(coloured)
    return paper.convert("RGB")


def data_url(image: Image.Image) -> str:
    """A picture as a PNG in a URL."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _enlarged(scaled: Tensor, colours: str) -> str:
    image = pixels(scaled, colours)
    factor = max(1, SIDE // max(image.size))
    return data_url(image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST))


def number(value: float) -> str:
    """A number as it is written beside a bar of colours."""
    return f"{value:.3g}".replace("-", "−")


def _channel(yours: Tensor, expected: Tensor) -> tuple[Tensor, Tensor] | None:
    if yours.shape != expected.shape or yours.ndim < 2 or yours.is_complex() or min(yours.shape[-2:]) < 2:
        return None
    size = yours.shape[-2:]
    mine, right = (tensor.to(torch.float64).reshape(-1, *size) for tensor in (yours, expected))
    error = (mine - right).abs().nan_to_num(nan=float("inf"))
    scale = max(1.0, right.abs().nan_to_num(0, 0, 0).max().item())
    channels = (error.flatten(1).amax(1) > 1e-5 * scale).nonzero()
    index = int(channels[0]) if len(channels) else 0
    return mine[index], right[index]
