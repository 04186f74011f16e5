"""How `rotate` is examined."""

import math
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from convcraft.exam import aspect, exercise, habits

from .shared import _read


def _offsets(x):
    """How far each pixel lies from the centre: rows (H, 1) and columns (1, W)."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    return rows[:, None], columns[None]


def _turned(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (x.shape[-2] - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (x.shape[-1] - 1) / 2
    return _read(x, rows, columns)


@exercise(points=9, reference=_turned)
def rotate(impl, draw):
    yield aspect("quarter turn", "By 90 degrees the right border comes to the top, as in `rot90` with one turn.",
                 lambda: impl(draw.normal(1, 5, 5), 90))
    yield aspect("small angles", "Between the pixels the four neighbours are mixed (bilinear).",
                 lambda: [impl(draw.normal(1, 7, 7), 20), impl(draw.normal(1, 6, 6), 3.5)])
    yield aspect("the other way", "A positive angle turns counter-clockwise, a negative one clockwise.",
                 lambda: [impl(draw.normal(1, 6, 6), -35), impl(draw.normal(1, 5, 5), 200)])
    yield aspect("oblong pictures", "A picture that is not square is turned, not sheared; its size stays.",
                 lambda: [impl(draw.normal(1, 5, 9), 30), impl(draw.normal(1, 8, 4), 90)])
    yield aspect("no turn", "By 0 degrees nothing changes, and by 360 nothing that is not rounding.",
                 lambda: [impl(draw.normal(1, 4, 5), 0), impl(draw.normal(1, 5, 5), 360)], atol=1e-4)
    yield aspect("outside", "Beyond the border everything is 0, so a turned white square has black corners.",
                 lambda: impl(torch.ones(1, 8, 8) + draw.uniform(1, 8, 8), 45))
    yield aspect("leading axes", "`rotate` takes (..., H, W), as the flips do.",
                 lambda: [impl(draw.normal(2, 3, 5, 5), 15), impl(draw.normal(5, 6), 15),
                          impl(draw.normal(2, 5, 6, 3).permute(0, 3, 1, 2), 15)])
    yield replace(habits("`rotate` leaves `x` as it was and keeps its dtype.", impl, lambda: (draw.normal(2, 5, 6), 25),
                         gradient=False), rtol=1e-4, atol=1e-4)


@rotate.misconception("It turns clockwise. The grid says where an output pixel *reads*: to turn the picture one way, "
                      "the places that are read must turn the other way. Rows count downwards, too.")
def rotates_clockwise(x, degrees):
    return _turned(x, -degrees)


@rotate.misconception("The angle was taken in radians. `math.cos` wants radians and the task gives degrees: 90 of "
                      "them are π / 2.")
def takes_radians(x, degrees):
    return _turned(x, math.degrees(degrees))


@rotate.misconception("It turns about the corner, row 0 and column 0: most of the picture swings out of sight. Count "
                      "the offsets from the centre.")
def turns_about_the_corner(x, degrees):
    angle = math.radians(degrees)
    down = torch.arange(x.shape[-2], dtype=torch.float64)[:, None]
    right = torch.arange(x.shape[-1], dtype=torch.float64)[None]
    return _read(x, math.sin(angle) * right + math.cos(angle) * down, math.cos(angle) * right - math.sin(angle) * down)


@rotate.misconception("The centre is half a pixel off: H / 2 in place of (H − 1) / 2. The pixels 0, 1, 2, 3 have "
                      "their middle at 1.5, not at 2.")
def centres_half_a_pixel_off(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down = torch.arange(height, dtype=torch.float64)[:, None] - height / 2
    right = torch.arange(width, dtype=torch.float64)[None] - width / 2
    return _read(x, math.sin(angle) * right + math.cos(angle) * down + height / 2,
                 math.cos(angle) * right - math.sin(angle) * down + width / 2)


@rotate.misconception("The turn was made in coordinates from −1 to 1. On a picture that is not square these are "
                      "stretched, so the turn shears. Turn in pixels, then scale each axis by its own half size.")
def shears_oblong_pictures(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    down, right = down / height, right / width
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width + (width - 1) / 2)


@rotate.misconception("The grid and `grid_sample` disagree about ±1: the middle of the border pixel for one "
                      "(`align_corners=True`), its outer edge for the other. The picture comes out scaled.")
def disagrees_about_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height / (height - 1) + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width / (width - 1) + (width - 1) / 2)


@rotate.misconception("`grid_sample` was called with `align_corners=True`, but the grid counts to the outer edges: at "
                      "±1 it now reads the middle of the border pixel, and even by 0 degrees the picture grows.")
def reads_with_aligned_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * (height - 1) / height + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * (width - 1) / width + (width - 1) / 2)


@rotate.misconception("The offsets were counted from H / 2 and W / 2, and the picture is shifted by half a pixel, even "
                      "by 0 degrees. The first pixel's middle lies (H − 1) / 2 above the centre.")
def counts_offsets_from_the_wrong_centre(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down = torch.arange(height, dtype=torch.float64)[:, None] - height / 2
    right = torch.arange(width, dtype=torch.float64)[None] - width / 2
    return _read(x, math.sin(angle) * right + math.cos(angle) * down + (height - 1) / 2,
                 math.cos(angle) * right - math.sin(angle) * down + (width - 1) / 2)


@rotate.misconception("The turn was made in numbers from `linspace(-1, 1)`, where a step down is not as long as a step "
                      "to the right unless the picture is square: the rest come out sheared. Turn in pixels.")
def shears_between_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    down, right = down / (height - 1), right / (width - 1)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * (height - 1) + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * (width - 1) + (width - 1) / 2)


@rotate.misconception("The two scales changed places: the offset to the right was divided by the height, the one "
                      "downwards by the width. Only a square picture forgives that.")
def scales_by_the_other_side(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height / width + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width / height + (width - 1) / 2)


@rotate.misconception("Each input pixel was sent to the place where it goes, rounded. Some places get none and stay "
                      "black, others get two. Ask for each output pixel where it comes from.")
def sends_the_pixels(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = (math.cos(angle) * down - math.sin(angle) * right + (height - 1) / 2).round().long()
    columns = (math.cos(angle) * right + math.sin(angle) * down + (width - 1) / 2).round().long()
    out = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            if 0 <= rows[i, j] < height and 0 <= columns[i, j] < width:
                out[..., rows[i, j], columns[i, j]] = x[..., i, j]
    return out


@rotate.misconception("One axis was put in front of `x`, which makes a batch of (C, H, W) alone. All that stands "
                      "before H and W can be made into channels for a moment, however many axes that is.")
def adds_one_axis(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    across = 2 / width * (math.cos(angle) * right - math.sin(angle) * down)
    along = 2 / height * (math.sin(angle) * right + math.cos(angle) * down)
    return F.grid_sample(x[None], torch.stack([across, along], -1)[None].to(x.dtype), align_corners=False)[0]


@rotate.misconception("`view` puts axes together only where the numbers lie in memory in that order. A batch whose "
                      "axes were permuted does not; `reshape` copies it if it must.")
def views_the_batch(x, degrees):
    height, width = x.shape[-2:]
    return _turned(x.view(1, -1, height, width), degrees).view(x.shape)


@rotate.misconception("Beyond the border the picture was mirrored. Nothing is there: zeros, as "
                      "`padding_mode=\"zeros\"` reads them.")
def mirrors_the_border(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    across = 2 / width * (math.cos(angle) * right - math.sin(angle) * down)
    along = 2 / height * (math.sin(angle) * right + math.cos(angle) * down)
    grid = torch.stack([across, along], -1)[None].to(x.dtype)
    flat = x.reshape(1, -1, height, width)
    return F.grid_sample(flat, grid, padding_mode="reflection", align_corners=False).reshape(x.shape)


@rotate.misconception("The grid gives (row, column). `grid_sample` wants x, the column, first and y, the row, second; "
                      "in the other order the picture is reflected in its diagonal.")
def gives_rows_first(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = (math.cos(angle) * right - math.sin(angle) * down) / width * height
    columns = (math.sin(angle) * right + math.cos(angle) * down) / height * width
    return _read(x, rows + (height - 1) / 2, columns + (width - 1) / 2)


@rotate.misconception("Each output pixel is a copy of the nearest one. The task asks for a mixture of the four "
                      "neighbours: `mode=\"bilinear\"`.")
def takes_the_nearest(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (x.shape[-2] - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (x.shape[-1] - 1) / 2
    return _read(x, rows.round(), columns.round())


@rotate.misconception("Beyond the border the last pixel was repeated. There is nothing there: zeros, as "
                      "`padding_mode=\"zeros\"` reads them.")
def repeats_the_border(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (height - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (width - 1) / 2
    return _read(x, rows.clamp(0, height - 1), columns.clamp(0, width - 1))


@rotate.misconception("The grid reaches from −½ to ½: what lies at the edge has half a size from the centre, but −1 … "
                      "1 is two wide. Only the middle of the picture is seen, twice as large: `2 * right / width`.")
def forgets_that_it_is_two_wide(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) / 2 + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) / 2 + (width - 1) / 2)


@rotate.misconception("The grid holds pixels. `grid_sample` counts from −1 to 1 from edge to edge, so all but the "
                      "middle lies far outside and is black: divide by half the width and half the height.")
def leaves_the_grid_in_pixels(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height / 2 + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width / 2 + (width - 1) / 2)


@rotate.misconception("Both sines have the same sign. Then the picture is squeezed along one diagonal instead of "
                      "turned: r' takes d sin θ away, d' adds r sin θ.")
def gives_both_sines_one_sign(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    return _read(x, math.sin(angle) * right + math.cos(angle) * down + (x.shape[-2] - 1) / 2,
                 math.cos(angle) * right + math.sin(angle) * down + (x.shape[-1] - 1) / 2)


@rotate.misconception("The second line of the turn used what the first had made: r was written over by r' before d' "
                      "was taken from it. Give r' a name of its own.")
def turns_what_is_turned(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    right = math.cos(angle) * right - math.sin(angle) * down
    down = math.sin(angle) * right + math.cos(angle) * down
    return _read(x, down + (x.shape[-2] - 1) / 2, right + (x.shape[-1] - 1) / 2)


@rotate.misconception("A place beyond the middle of a border pixel was taken for outside. Half a pixel further it "
                      "still reads half of that pixel: ask of each of the four neighbours whether it is there.")
def reads_between_middles_alone(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (height - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (width - 1) / 2
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)
    return _read(x, rows, columns) * inside.to(x.dtype)


@rotate.alternative
def rotates_with_aligned_corners(x, degrees):
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x_ = (offsets.float() for offsets in _offsets(x))
    y, x_ = torch.broadcast_tensors(y, x_)
    grid = torch.stack([(cos * x_ - sin * y) * 2 / (width - 1), (sin * x_ + cos * y) * 2 / (height - 1)], -1)
    flat = x.reshape(1, -1, height, width)
    return F.grid_sample(flat, grid[None].to(x.dtype), align_corners=True).reshape(x.shape)


@rotate.alternative
def rotates_with_affine_grid(x, degrees):
    height, width = x.shape[-2:]
    flat = x.reshape(-1, 1, height, width)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    theta = torch.tensor([[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]], dtype=x.dtype)
    grid = F.affine_grid(theta.expand(len(flat), 2, 3), flat.shape, align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).reshape(x.shape)


@rotate.alternative
def rotates_with_scipy(x, degrees):
    height, width = x.shape[-2:]
    turn = np.array([[1.0, 0.0], [0.0, 1.0]]) * math.cos(math.radians(degrees))
    turn += np.array([[0.0, 1.0], [-1.0, 0.0]]) * math.sin(math.radians(degrees))
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    turned = [ndimage.affine_transform(picture, turn, centre - turn @ centre, order=1, mode="grid-constant")
              for picture in x.double().reshape(-1, height, width).numpy()]
    return torch.from_numpy(np.stack(turned)).to(x.dtype).reshape(x.shape)


@rotate.alternative
def rotates_pixel_by_pixel(x, degrees):
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = torch.zeros(x.shape, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            dy, dx = i - (height - 1) / 2, j - (width - 1) / 2
            row, column = sin * dx + cos * dy + (height - 1) / 2, cos * dx - sin * dy + (width - 1) / 2
            for r in (math.floor(row), math.floor(row) + 1):
                for c in (math.floor(column), math.floor(column) + 1):
                    if 0 <= r < height and 0 <= c < width:
                        out[..., i, j] += (1 - abs(row - r)) * (1 - abs(column - c)) * x[..., r, c]
    return out


rotate.equivalent(
    "return F.grid_sample(channels, grid[None].to(x.dtype), align_corners=False).reshape(x.shape) -> "
    "return F.grid_sample(channels, grid[None].to(x.dtype)).reshape(x.shape)",
    "False is PyTorch's default; leaving it out gives a warning and the same values")
