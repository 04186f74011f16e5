"""Two tensors that should be alike, drawn beside each other: yours, expected, the difference.

Every number becomes a square of one colour, written as a PNG without a plotting library: a class's mistakes are drawn
by the thousand.
"""

import base64
import html
import io

import matplotlib
import torch
from PIL import Image
from torch import Tensor

_SIDE = 150  # pixels of the longer side, about
_VALUES, _SIGNED = "viridis", "PuOr"


def picture(yours: Tensor, expected: Tensor, caption: str) -> str:
    """HTML with the first channel that differs; empty where there is nothing to draw.

    Args:
        yours, expected: (..., H, W), of the same shape.
        caption: what a reader who cannot see it is told.
    """
    panels = _channel(yours, expected)
    if panels is None:
        return ""
    yours, expected = panels
    difference = yours - expected
    finite = torch.cat([panel[panel.isfinite()] for panel in panels])
    low, high = (finite.min().item(), finite.max().item()) if finite.numel() else (0.0, 1.0)
    reach = difference[difference.isfinite()].abs().max().item() if difference.isfinite().any() else 1.0
    figures = (
        _figure("yours", yours, low, high, _VALUES, f"Three pictures of {caption} The first is yours."),
        _figure("expected", expected, low, high, _VALUES, "The second is what was expected."),
        _figure("difference", difference, -reach, reach, _SIGNED, "The third is the difference."))
    return ('<div style="display:flex;flex-wrap:wrap;gap:.4em 1.4em;margin:.4em 0;padding:.5em .7em;width:fit-content;'
            f'color:#000;background:#fff;border-radius:4px">{"".join(figures)}</div>')


def _figure(title: str, panel: Tensor, low: float, high: float, colours: str, alt: str) -> str:
    scaled = (panel - low) / max(high - low, 1e-300)
    bar = torch.linspace(0, 1, 60).expand(6, 60)
    return ('<div style="text-align:center;font-size:12px;line-height:1.5">'
            f'<div>{title}</div><img alt="{html.escape(alt, quote=True)}" src="{_png(scaled, colours)}">'
            f'<div>{_number(low)} <img alt="to" src="{_png(bar, colours)}" style="vertical-align:middle"> '
            f'{_number(high)}</div></div>')


def _png(scaled: Tensor, colours: str) -> str:
    """Numbers from 0 to 1 as a data URL; what is no number is left white."""
    pixels = Image.fromarray(matplotlib.colormaps[colours](scaled.numpy(), bytes=True))
    paper = Image.new("RGBA", pixels.size, "white")
    paper.alpha_composite(pixels)
    factor = max(1, _SIDE // max(pixels.size))
    buffer = io.BytesIO()
    paper.convert("RGB").resize((pixels.width * factor, pixels.height * factor), Image.NEAREST).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _channel(yours: Tensor, expected: Tensor) -> tuple[Tensor, Tensor] | None:
    if yours.ndim < 2 or yours.is_complex() or min(yours.shape[-2:]) < 2:
        return None
    size = yours.shape[-2:]
    mine, right = (tensor.to(torch.float64).reshape(-1, *size) for tensor in (yours, expected))
    error = (mine - right).abs().nan_to_num(nan=float("inf"))
    scale = max(1.0, right.abs().nan_to_num(0, 0, 0).max().item())
    channels = (error.flatten(1).amax(1) > 1e-5 * scale).nonzero()
    index = channels[0].item() if len(channels) else 0
    return mine[index], right[index]
