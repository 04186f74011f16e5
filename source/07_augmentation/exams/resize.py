"""How `resize` is examined."""

from dataclasses import replace

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits

from .shared import _pair, _read


def _resized(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=False)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@exercise(points=8, reference=_resized, listed=False)
def resize(impl, draw):
    yield aspect("larger",
                 "Output pixel j reads at (j + ½) · W / W′ − ½, rows likewise: the outer edges of both pictures "
                 "coincide.",
                 lambda: [impl(draw.normal(1, 4, 6), (9, 8)), impl(draw.normal(1, 3, 3), 7)])
    yield aspect("smaller",
                 "When it shrinks, it still mixes two pixels per axis and skips the others (no antialiasing).",
                 lambda: [impl(draw.normal(1, 11, 9), (4, 3)), impl(draw.normal(1, 8, 8), 3)])
    yield aspect("border", "A place beyond the middle of a border pixel takes that pixel as it is.",
                 lambda: impl(draw.uniform(1, 3, 2) + 5, (12, 10)))
    yield aspect("one number", "One number makes both sides; a pair is (height, width).",
                 lambda: [impl(draw.normal(1, 5, 9), 6), impl(draw.normal(1, 5, 9), (3, 7))])
    yield aspect("same size", "To its own size it changes nothing.", lambda: impl(draw.normal(2, 5, 4), (5, 4)))
    yield aspect("leading axes", "`resize` takes (..., H, W), too.",
                 lambda: [impl(draw.normal(2, 3, 4, 5), (6, 6)), impl(draw.normal(4, 5), 7),
                          impl(draw.normal(2, 4, 5, 3).permute(0, 3, 1, 2), (6, 6))])
    yield replace(habits("`resize` leaves `x` as it was and keeps its dtype.",
                         impl, lambda: (draw.normal(2, 4, 5), (7, 3)),
                         gradient=False), rtol=1e-4, atol=1e-4)


@resize.misconception("The middles of the corner pixels were laid on each other: `align_corners=True`. Here the outer "
                      "edges coincide, so output pixel 0 reads at ½ · W / W′ − ½.")
def aligns_corners(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=True)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("The halves were forgotten: output pixel j reads at j · W / W′. A pixel's middle lies half a "
                      "pixel in from its edge, in both pictures; without it the picture creeps to the upper left.")
def forgets_the_halves(x, size):
    height, width = _pair(size)
    rows = torch.arange(height, dtype=torch.float64)[:, None] * x.shape[-2] / height
    columns = torch.arange(width, dtype=torch.float64)[None] * x.shape[-1] / width
    return _read(x, rows.clamp(max=x.shape[-2] - 1), columns.clamp(max=x.shape[-1] - 1))


def _sampled(x, rows, columns, **options):
    """x read by `grid_sample` at rows and columns between −1 and 1."""
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)[None].to(x.dtype)
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.grid_sample(flat, grid, padding_mode="border", **options)
    return out.reshape(*x.shape[:-2], len(rows), len(columns))


@resize.misconception("`grid_sample` was called with `align_corners=True`, but the grid counts from edge to edge. Its "
                      "±1 is then the middle of the border pixel, and the picture comes out a little enlarged.")
def reads_aligned_corners(x, size):
    rows, columns = ((2 * torch.arange(side) + 1) / side - 1 for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=True)


@resize.misconception("`linspace(-1, 1)` puts the first place on the very edge of the picture, where no output pixel "
                      "has its middle. The first middle lies half an output pixel further in.")
def starts_at_the_edge(x, size):
    rows, columns = (torch.linspace(-1, 1, side) for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The half of the output pixel is missing: it was asked where its left edge lies, not its middle. "
                      "It reads at j · W / W′ − ½, half an output pixel too far up and left.")
def forgets_the_output_half(x, size):
    rows, columns = (2 * torch.arange(side) / side - 1 for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The ½ was taken off twice. The −½ of the formula turns a place into a pixel number; "
                      "`grid_sample` wants places, from edge to edge, and takes it off itself.")
def takes_the_half_off_twice(x, size):
    places = ((torch.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(_pair(size), x.shape[-2:], strict=True))
    rows, columns = (2 * place / old - 1 for place, old in zip(places, x.shape[-2:], strict=True))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The nearest pixel was copied: the picture is made of blocks. Two pixels per axis are mixed, by "
                      "how near they are.")
def copies_the_nearest(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="nearest-exact")
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("Zeros leak in at the border: the outermost places lie beyond the last pixel's middle and were "
                      "mixed with black. There the border pixel counts whole: `padding_mode=\"border\"`.")
def darkens_the_border(x, size):
    height, width = _pair(size)
    rows = (torch.arange(height, dtype=torch.float64)[:, None] + 0.5) * x.shape[-2] / height - 0.5
    columns = (torch.arange(width, dtype=torch.float64)[None] + 0.5) * x.shape[-1] / width - 0.5
    return _read(x, rows.expand(height, width), columns.expand(height, width))


@resize.misconception("The picture was smoothed before it shrank (antialiasing). Good practice with photographs, but "
                      "not what the task asks: two pixels per axis, the others are skipped.")
def smooths_first(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=False, antialias=True)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("One number was used for the shorter side and the proportions were kept. torchvision's `Resize` "
                      "does so; here one number makes both sides.")
def keeps_proportions(x, size):
    height, width = x.shape[-2:]
    if isinstance(size, int):
        size = (size, size * width // height) if height < width else (size * height // width, size)
    return _resized(x, size)


@resize.misconception("The pair was read as (width, height). Sizes go as the axes do: height first.")
def takes_width_first(x, size):
    height, width = _pair(size)
    return _resized(x, (width, height))


@resize.misconception("The grid gives the row before the column. `grid_sample` wants x, the column, first: the "
                      "picture comes out reflected in its diagonal.")
def swaps_the_grid(x, size):
    height, width = _pair(size)
    rows = (torch.arange(height, dtype=torch.float64)[:, None] + 0.5) / height
    columns = (torch.arange(width, dtype=torch.float64)[None] + 0.5) / width
    tall, wide = x.shape[-2:]
    return _read(x, (columns * tall - 0.5).clamp(0, tall - 1).expand(height, width),
                 (rows * wide - 0.5).clamp(0, wide - 1).expand(height, width))


@resize.alternative
def resizes_with_a_grid(x, size):
    height, width = _pair(size)
    y = (2 * torch.arange(height, dtype=x.dtype) + 1) / height - 1
    x_ = (2 * torch.arange(width, dtype=x.dtype) + 1) / width - 1
    grid = torch.stack(torch.meshgrid(x_, y, indexing="xy"), -1)[None]
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return out.reshape(*x.shape[:-2], height, width)


@resize.alternative
def resizes_with_two_matrices(x, size):
    def weights(old, new):
        place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        return (1 - (place[:, None] - torch.arange(old)).abs()).clamp(min=0).to(x.dtype)

    height, width = _pair(size)
    return weights(x.shape[-2], height) @ x @ weights(x.shape[-1], width).T


@resize.alternative
def resizes_one_axis_at_a_time(x, size):
    for axis, new in zip((-2, -1), _pair(size), strict=True):
        old = x.shape[axis]
        place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        low = place.long()
        part = (place - low).to(x.dtype)
        part = part[:, None] if axis == -2 else part
        high = (low + 1).clamp(max=old - 1)
        x = x.index_select(axis, low) * (1 - part) + x.index_select(axis, high) * part
    return x


resize.equivalent(
    'resized = F.grid_sample(channels, grid[None], padding_mode="border", align_corners=False) -> '
    'resized = F.grid_sample(channels, grid[None], padding_mode="border")',
    "False is PyTorch's default; leaving it out gives a warning and the same values")
