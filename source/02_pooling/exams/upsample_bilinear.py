"""How `upsample_bilinear` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, in_any_order, ops

from .shared import _HOUSE_RULES


def _upsample_bilinear(x, scale_factor, align_corners=False):
    return F.interpolate(x, scale_factor=scale_factor, mode="bilinear", align_corners=align_corners)


def _inside(result, scale_factor):
    """The result without its border, where no coordinate lies outside the outermost centres."""
    edge = slice(scale_factor, -scale_factor)
    return result[:, :, edge, edge] if isinstance(result, torch.Tensor) and result.ndim == 4 else result


@exercise(points=14, reference=_upsample_bilinear, bans=ops.UPSAMPLING)
def upsample_bilinear(impl, draw):
    yield aspect("half-pixel centres",
                 "By default pixel i of the result looks at the source coordinate (i + ½) / scale_factor − ½.",
                 lambda: [_inside(impl(draw.normal(2, 3, 5, 6), 2), 2), _inside(impl(draw.normal(2, 2, 6, 4), 3), 3)],
                 weight=2)
    yield aspect("one line",
                 "Between two neighbours the value changes in a straight line: at coordinate 2.25 it is ¾ of pixel 2 "
                 "plus ¼ of pixel 3.",
                 lambda: in_any_order(_inside(impl(draw.normal(2, 2, 4, 5), 4), 4)))
    yield aspect("border",
                 "A coordinate outside the first or last centre gets that pixel's value: nothing is extrapolated.",
                 lambda: [in_any_order(impl(draw.normal(2, 2, 3, 3) + 4, 4)),
                          in_any_order(impl(draw.normal(2, 2, 2, 2) + 4, 5))])
    yield aspect("aligned corners",
                 "With `align_corners=True` pixel i looks at i · (H − 1) / (H·scale_factor − 1), so the first and "
                 "last pixels of both pictures coincide.",
                 lambda: [impl(draw.normal(2, 3, 4, 5), 2, True), impl(draw.normal(2, 2, 5, 3), 3, align_corners=True)])
    yield aspect("thin pictures",
                 "A picture of one row, one column or one pixel works with both settings, and so does the factor 1.",
                 lambda: [in_any_order(impl(draw.normal(2, 2, height, width), factor, corners))
                          for corners in (False, True)
                          for height, width, factor in ((1, 4, 3), (5, 1, 2), (1, 1, 2), (1, 2, 1))])
    yield aspect("precision",
                 "A float64 picture is computed in float64 throughout: coordinates and weights have the dtype of `x`.",
                 lambda: [in_any_order(impl(draw.normal(2, 2, 4, 5).double(), 3)),
                          in_any_order(impl(draw.normal(1, 2, 5, 4).double(), 3, True))])
    yield habits(_HOUSE_RULES, impl, lambda: (draw.normal(2, 3, 4, 5), 2),
                 further=lambda: (draw.normal(1, 2, 3, 4), 2, True))


def _interpolated(x, coordinates, clamp=True):
    """Bilinear values at the product of two lists of coordinates, rows and columns."""
    for dim, places in zip((2, 3), coordinates, strict=True):
        size = x.shape[dim]
        places = places.to(x.dtype)
        if clamp:
            places = places.clamp(0, size - 1)
        low = places.floor().long().clamp(0, max(size - 2, 0))
        share = places - low
        if dim == 2:
            share = share[:, None]
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, (low + 1).clamp_max(size - 1)) * share
    return x


def _half_pixel(size, scale_factor):
    return (torch.arange(size * scale_factor, dtype=torch.float64) + 0.5) / scale_factor - 0.5


def _aligned(size, scale_factor):
    return torch.linspace(0, size - 1, size * scale_factor, dtype=torch.float64)


upsample_bilinear.equivalent(
    "place = i * (size - 1) / max(size * scale_factor - 1, 1) -> "
    "place = i * (size - 1) / max(1, size * scale_factor - 1)",
    "The larger of two whole numbers is the same whichever comes first.")


@upsample_bilinear.misconception(
    "`align_corners` is ignored: the corners are always aligned. By default pixels sit at half-pixel centres.")
def bilinear_always_aligned(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x, scale_factor, True)


@upsample_bilinear.misconception(
    "`align_corners` is ignored: coordinates always come from half-pixel centres. With True, the first and last "
    "pixels of both pictures must coincide.")
def bilinear_never_aligned(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x, scale_factor)


@upsample_bilinear.misconception(
    "The two settings of `align_corners` changed places. False means half-pixel centres; True, that the outermost "
    "pixels coincide.")
def bilinear_flag_turned_round(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x, scale_factor, not align_corners)


@upsample_bilinear.misconception("Source coordinates are i / scale_factor: the pixels' corners coincide, and the "
                                 "picture moves up and left. Align centres: add half a pixel before the division, "
                                 "take it off after.")
def bilinear_without_half_pixels(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    return _interpolated(x, [_half_pixel(size, scale_factor) + 0.5 - 0.5 / scale_factor for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "Half a pixel was added before dividing but not taken off afterwards. The picture moves half a pixel: the centre "
    "of pixel 0 is at coordinate 0, its left edge at −½.")
def bilinear_half_of_the_half_pixels(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    return _interpolated(x, [_half_pixel(size, scale_factor) + 0.5 for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "At the border the line through the last two pixels was drawn on, beyond the last centre. Clamp the coordinate to"
    " [0, size − 1] first: outside, the outermost pixel's value holds.")
def bilinear_extrapolates(x, scale_factor, align_corners=False):
    if align_corners or min(x.shape[2:]) == 1:
        return _upsample_bilinear(x, scale_factor, align_corners)
    return _interpolated(x, [_half_pixel(size, scale_factor) for size in x.shape[2:]], clamp=False)


@upsample_bilinear.misconception("At the top and left your share is negative: the neighbour's index was clamped to 0, "
                                 "the coordinate was not. Clamp the coordinate before you take it apart.")
def bilinear_extrapolates_at_the_start(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    for dim in (2, 3):
        size = x.shape[dim]
        place = _half_pixel(size, scale_factor).to(x.dtype)
        low = place.floor().long().clamp(0, size - 1)
        share = (place - low).reshape(-1, *[1] * (3 - dim))
        right = (low + 1).clamp_max(size - 1)
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, right) * share
    return x


@upsample_bilinear.misconception(
    "At the top and left the opposite edge shows through: a coordinate below 0, rounded down, is index −1, and that "
    "picks the last pixel. Clamp the coordinate at 0 first.")
def bilinear_wraps_round(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    for dim in (2, 3):
        size = x.shape[dim]
        place = _half_pixel(size, scale_factor).to(x.dtype)
        low = place.floor().long()
        share = (place - low).reshape(-1, *[1] * (3 - dim))
        right = (low + 1).clamp_max(size - 1)
        x = x.index_select(dim, low % size) * (1 - share) + x.index_select(dim, right) * share
    return x


@upsample_bilinear.misconception(
    "Beyond the border you mix in zeros, so the edges darken. Outside the first or last centre the outermost pixel's "
    "value holds.")
def bilinear_darkens_the_border(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    coordinates = [_half_pixel(size, scale_factor) + 1 for size in x.shape[2:]]
    return _interpolated(F.pad(x, (1, 1, 1, 1)), coordinates)


@upsample_bilinear.misconception(
    "The two shares changed places: at coordinate 2.25, pixel 2 is nearer and has the share ¾, pixel 3 has ¼.")
def bilinear_shares_swapped(x, scale_factor, align_corners=False):
    for dim in (2, 3):
        size = x.shape[dim]
        places = (_aligned if align_corners else _half_pixel)(size, scale_factor).clamp(0, size - 1).to(x.dtype)
        low = places.floor().long()
        share = (places - low).reshape(-1, *[1] * (3 - dim))
        x = x.index_select(dim, low) * share + x.index_select(dim, (low + 1).clamp_max(size - 1)) * (1 - share)
    return x


@upsample_bilinear.misconception(
    "The nearest pixel was copied; nothing is blended. Mix the two neighbours in each direction by how near they are.")
def bilinear_as_nearest(x, scale_factor, align_corners=False):
    return F.interpolate(x, scale_factor=scale_factor, mode="nearest")


@upsample_bilinear.misconception(
    "Only the rows were interpolated; columns were copied. Bilinear means linear in both directions, one after the "
    "other.")
def bilinear_in_one_direction(x, scale_factor, align_corners=False):
    coordinates = (_aligned if align_corners else _half_pixel)(x.shape[2], scale_factor)
    copied = torch.arange(x.shape[3] * scale_factor) // scale_factor
    return _interpolated(x, [coordinates, copied])


@upsample_bilinear.misconception(
    "Only the width grew. What you did along the rows must be done along the columns, too.")
def bilinear_grows_in_width_alone(x, scale_factor, align_corners=False):
    place = (_aligned if align_corners else _half_pixel)(x.shape[3], scale_factor)
    return _interpolated(x, [torch.arange(x.shape[2]), place])


@upsample_bilinear.misconception(
    "Only the height grew. The same is missing for the width.")
def bilinear_grows_in_height_alone(x, scale_factor, align_corners=False):
    place = (_aligned if align_corners else _half_pixel)(x.shape[2], scale_factor)
    return _interpolated(x, [place, torch.arange(x.shape[3])])


@upsample_bilinear.misconception(
    "Your result lies on its side: the picture was transposed for the second direction and not turned back.")
def bilinear_lies_on_its_side(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x, scale_factor, align_corners).mT


@upsample_bilinear.misconception(
    "With aligned corners you divide by H·scale_factor, so the last pixel falls short of the corner. Between the "
    "first and last of n pixels there are n − 1 steps, in both pictures.")
def bilinear_counts_pixels_for_steps(x, scale_factor, align_corners=False):
    if not align_corners:
        return _upsample_bilinear(x, scale_factor)
    return _interpolated(x, [torch.arange(size * scale_factor, dtype=torch.float64) * (size - 1) / (size * scale_factor)
                             for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "With aligned corners and a single row or column, H·scale_factor − 1 can be 0, and 0 / 0 is NaN. One row has only"
    " one place to look: coordinate 0.")
def bilinear_divides_nothing_by_nothing(x, scale_factor, align_corners=False):
    if not align_corners:
        return _upsample_bilinear(x, scale_factor)
    steps = [size * scale_factor - 1 for size in x.shape[2:]]
    bad = x.new_tensor(float("nan") if 0 in steps else 0.0)
    return _upsample_bilinear(x, scale_factor, True) + bad


@upsample_bilinear.misconception("Coordinates were computed in float32 whatever the dtype of `x`. For float64 "
                                 "pictures the weights are wrong in the eighth digit: give arange the dtype of `x`.")
def bilinear_with_float32_coordinates(x, scale_factor, align_corners=False):
    for dim in (2, 3):
        size = x.shape[dim]
        i = torch.arange(size * scale_factor)
        place = i * (size - 1) / max(len(i) - 1, 1) if align_corners else (i + 0.5) / scale_factor - 0.5
        place = place.clamp(0, size - 1)
        low = place.floor().long()
        share = (place - low).reshape(-1, *[1] * (3 - dim))
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, (low + 1).clamp_max(size - 1)) * share
    return x


@upsample_bilinear.misconception(
    "The result is float32 even where a float64 picture came in. Keep the dtype of `x`.")
def bilinear_gives_float32(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x, scale_factor, align_corners).float()


@upsample_bilinear.misconception(
    "The picture is right, but autograd cannot see how it depends on `x`: the graph was cut, by `.detach()`, `.data`,"
    " `.item()`, NumPy or torch.tensor(...).")
def bilinear_cuts_the_graph(x, scale_factor, align_corners=False):
    return _upsample_bilinear(x.detach(), scale_factor, align_corners)


@upsample_bilinear.misconception(
    "With aligned corners the coordinates are i / scale_factor. Between the first and last of n pixels there are n − 1 "
    "steps: i · (H − 1) / (H·scale_factor − 1).")
def bilinear_aligned_by_the_factor(x, scale_factor, align_corners=False):
    if not align_corners:
        return _upsample_bilinear(x, scale_factor)
    return _interpolated(x, [torch.arange(size * scale_factor, dtype=torch.float64) / scale_factor
                             for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "With aligned corners and a single new pixel, Python divided by zero. A picture of one row has only one place to "
    "look: coordinate 0.")
def bilinear_stops_at_one_pixel(x, scale_factor, align_corners=False):
    if align_corners:
        for size in x.shape[2:]:
            (size - 1) / (size * scale_factor - 1)
    return _upsample_bilinear(x, scale_factor, align_corners)


@upsample_bilinear.misconception(
    "With aligned corners the height was used for the columns, too. Columns do the same with W, which is another "
    "number.")
def bilinear_aligns_columns_by_the_height(x, scale_factor, align_corners=False):
    if not align_corners:
        return _upsample_bilinear(x, scale_factor)
    height, width = x.shape[2:]
    step = (height - 1) / max(height * scale_factor - 1, 1)
    return _interpolated(x, [_aligned(height, scale_factor),
                             torch.arange(width * scale_factor, dtype=torch.float64) * step])


@upsample_bilinear.misconception(
    "The nearest pixel's value was taken, by rounding the coordinate. Bilinear means a mixture of both neighbours: the "
    "nearer one has the larger share.")
def bilinear_rounds_the_coordinate(x, scale_factor, align_corners=False):
    places = _aligned if align_corners else _half_pixel
    return _interpolated(x, [places(size, scale_factor).clamp(0, size - 1).round() for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "Left out, `align_corners` is True in your code. The signature's default is False: half-pixel centres.")
def bilinear_aligned_by_default(x, scale_factor, align_corners=True):
    return _upsample_bilinear(x, scale_factor, align_corners)


@upsample_bilinear.misconception(
    "At the bottom and right the line was drawn on, beyond the last centre: coordinates were clamped at 0 alone. The "
    "largest one is size − 1.")
def bilinear_clamps_at_zero_alone(x, scale_factor, align_corners=False):
    if align_corners or min(x.shape[2:]) == 1:
        return _upsample_bilinear(x, scale_factor, align_corners)
    return _interpolated(x, [_half_pixel(size, scale_factor).clamp(min=0) for size in x.shape[2:]], clamp=False)


@upsample_bilinear.misconception(
    "The two halves changed places: you took half a pixel off before dividing and added it after. It is (i + ½) / "
    "scale_factor − ½.")
def bilinear_exchanges_the_halves(x, scale_factor, align_corners=False):
    if align_corners:
        return _upsample_bilinear(x, scale_factor, True)
    return _interpolated(x, [(torch.arange(size * scale_factor, dtype=torch.float64) - 0.5) / scale_factor + 0.5
                             for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "The second neighbour of the last pixel does not exist: low + 1 ran out of the picture. Where the first one is the "
    "last pixel, take the same pixel again; its share is 0.")
def bilinear_runs_out_of_the_picture(x, scale_factor, align_corners=False):
    for dim in (2, 3):
        size = x.shape[dim]
        place = (_aligned if align_corners else _half_pixel)(size, scale_factor).clamp(0, size - 1).to(x.dtype)
        low = place.floor().long()
        share = (place - low).reshape(-1, *[1] * (3 - dim))
        x = x.index_select(dim, low) * (1 - share) + x.index_select(dim, low + 1) * share
    return x


@upsample_bilinear.misconception(
    "The second neighbour of the last pixel does not exist: an index of low + 1 is out of bounds. Clamp it to size − "
    "1; its share is 0 there.")
def bilinear_indexes_out_of_the_picture(x, scale_factor, align_corners=False):
    for _ in range(2):
        size = x.shape[3]
        place = (_aligned if align_corners else _half_pixel)(size, scale_factor).clamp(0, size - 1).to(x.dtype)
        low = place.floor().long()
        share = place - low
        x = (x[..., low] * (1 - share) + x[..., low + 1] * share).mT
    return x


@upsample_bilinear.misconception(
    "With aligned corners H stands above the line, where H − 1 belongs: the last pixel's coordinate is H − 1.")
def bilinear_aligned_by_the_size(x, scale_factor, align_corners=False):
    if not align_corners:
        return _upsample_bilinear(x, scale_factor)
    return _interpolated(x, [torch.arange(size * scale_factor, dtype=torch.float64) * size
                             / max(size * scale_factor - 1, 1) for size in x.shape[2:]])


@upsample_bilinear.misconception(
    "The picture was taken to be square: the rows' coordinates were used for the columns, too. Columns are counted by "
    "`x.shape[3]`.")
def bilinear_of_square_pictures(x, scale_factor, align_corners=False):
    place = (_aligned if align_corners else _half_pixel)(x.shape[2], scale_factor)
    return _interpolated(x, [place, place])


@upsample_bilinear.misconception(
    "Only the columns were interpolated; rows were copied. Bilinear means linear in both directions, one after the "
    "other.")
def bilinear_along_the_rows_alone(x, scale_factor, align_corners=False):
    coordinates = (_aligned if align_corners else _half_pixel)(x.shape[3], scale_factor)
    return _interpolated(x, [torch.arange(x.shape[2] * scale_factor) // scale_factor, coordinates])


@upsample_bilinear.alternative
def bilinear_by_matrices(x, scale_factor, align_corners=False):
    def matrix(size):
        places = torch.arange(size * scale_factor, dtype=x.dtype)
        if align_corners:
            places = places * ((size - 1) / max(size * scale_factor - 1, 1))
        else:
            places = ((places + 0.5) / scale_factor - 0.5).clamp(0, size - 1)
        return (1 - (places[:, None] - torch.arange(size, dtype=x.dtype)).abs()).clamp_min(0)

    return torch.einsum("ih,nchw,jw->ncij", matrix(x.shape[2]), x, matrix(x.shape[3]))


@upsample_bilinear.alternative
def bilinear_from_four_corners(x, scale_factor, align_corners=False):
    sides = []
    for size in x.shape[2:]:
        place = (_aligned if align_corners else _half_pixel)(size, scale_factor).to(x.dtype).clamp(0, size - 1)
        low = place.floor().long()
        sides.append((low, (low + 1).clamp(max=size - 1), place - low))
    (top, bottom, v), (left, right, u) = sides
    v = v[:, None]

    def corner(rows, columns):
        return x[:, :, rows[:, None], columns]

    return ((1 - v) * (1 - u) * corner(top, left) + (1 - v) * u * corner(top, right)
            + v * (1 - u) * corner(bottom, left) + v * u * corner(bottom, right))


@upsample_bilinear.alternative
def bilinear_by_lerp(x, scale_factor, align_corners=False):
    for _ in range(2):
        x = x.transpose(2, 3)
        size = x.shape[3]
        i = torch.arange(size * scale_factor, dtype=torch.float64)
        place = i * (size - 1) / (len(i) - 1 or 1) if align_corners else (2 * i + 1 - scale_factor) / (2 * scale_factor)
        place = place.clamp(0, size - 1)
        first = place.long()
        second = first + (first + 1 < size)
        x = torch.lerp(x[..., first], x[..., second], (place - first).to(x.dtype))
    return x


@upsample_bilinear.alternative
def bilinear_pixel_by_pixel(x, scale_factor, align_corners=False):
    def neighbours(i, size):
        place = (i * (size - 1) / max(size * scale_factor - 1, 1) if align_corners
                 else min(max((i + 0.5) / scale_factor - 0.5, 0), size - 1))
        low = min(int(place), size - 1)
        return low, min(low + 1, size - 1), place - low

    rows = []
    for i in range(x.shape[2] * scale_factor):
        top, bottom, v = neighbours(i, x.shape[2])
        row = []
        for j in range(x.shape[3] * scale_factor):
            left, right, u = neighbours(j, x.shape[3])
            upper = x[:, :, top, left] * (1 - u) + x[:, :, top, right] * u
            lower = x[:, :, bottom, left] * (1 - u) + x[:, :, bottom, right] * u
            row.append(upper * (1 - v) + lower * v)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)
