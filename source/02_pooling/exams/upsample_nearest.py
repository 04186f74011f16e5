"""How `upsample_nearest` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, in_any_order, ops

from .shared import _HOUSE_RULES


def _upsample_nearest(x, scale_factor):
    return F.interpolate(x, scale_factor=scale_factor, mode="nearest")


def _thin(impl, x, scale_factor):
    """All numbers in any order, and how far they are from the same rows and columns in a picture twice as large.

    Who lays the picture side by side like tiles does so with both, and loses no points here.
    """
    narrow, farthest = impl(x, scale_factor), 0.0
    height, width = x.shape[2] * scale_factor, x.shape[3] * scale_factor
    wide = impl(x.repeat_interleave(2, 3 if x.shape[3] == 1 else 2), scale_factor)
    if isinstance(narrow, torch.Tensor) and isinstance(wide, torch.Tensor) and narrow.shape[2:] == (height, width) \
            and wide.ndim == narrow.ndim and wide[:, :, :height, :width].shape == narrow.shape:
        farthest = (narrow - wide[:, :, :height, :width]).abs().max().item()
    return [in_any_order(narrow), {"farthest from the same rows and columns of a larger picture": farthest}]


@exercise(points=8, reference=_upsample_nearest, bans=ops.UPSAMPLING)
def upsample_nearest(impl, draw):
    yield aspect("twice",
                 "Every pixel becomes a square of scale_factor × scale_factor equal pixels.",
                 lambda: impl(draw.normal(2, 3, 4, 5), 2))
    yield aspect("other factors",
                 "`scale_factor` is a whole number, the same in both directions, and may be 1.",
                 lambda: [in_any_order(impl(draw.normal(*shape), factor))
                          for shape, factor in (((2, 3, 3, 4), 3), ((1, 2, 2, 3), 5), ((2, 2, 3, 2), 1))])
    yield aspect("thin pictures",
                 "A picture of one row, one column or one pixel works like any other.",
                 lambda: [_thin(impl, draw.normal(*shape), factor)
                          for shape, factor in (((2, 1, 1, 4), 3), ((1, 3, 4, 1), 2), ((2, 2, 1, 1), 4))])
    yield habits(_HOUSE_RULES, impl, lambda: (draw.normal(2, 3, 3, 4), 2))


@upsample_nearest.misconception(
    "The picture was laid side by side like tiles (`repeat`). Not the picture, each pixel is repeated, beside itself.")
def nearest_tiles(x, scale_factor):
    return x.repeat(1, 1, scale_factor, scale_factor)


@upsample_nearest.misconception(
    "Only the rows were repeated: the picture grew in height alone. Repeat the columns as well.")
def nearest_grows_rows_alone(x, scale_factor):
    return x.repeat_interleave(scale_factor, 2)


@upsample_nearest.misconception(
    "Only the columns were repeated: the picture grew in width alone. Repeat the rows as well.")
def nearest_grows_columns_alone(x, scale_factor):
    return x.repeat_interleave(scale_factor, 3)


@upsample_nearest.misconception(
    "The wrong dimensions were repeated: the channels grew. Rows are dimension 2 and columns dimension 3.")
def nearest_repeats_channels(x, scale_factor):
    return x.repeat_interleave(scale_factor, 1).repeat_interleave(scale_factor, 2)


@upsample_nearest.misconception(
    "The new pixels are zeros: each old pixel sits alone in the corner of its square. It should fill the whole "
    "square.")
def nearest_leaves_zeros(x, scale_factor):
    result = x.new_zeros(*x.shape[:2], x.shape[2] * scale_factor, x.shape[3] * scale_factor)
    result[:, :, ::scale_factor, ::scale_factor] = x
    return result


@upsample_nearest.misconception(
    "Source rows were found by rounding i / scale_factor. Squares then start half a pixel early: pixel i of the "
    "result lies in source pixel i // scale_factor.")
def nearest_rounds(x, scale_factor):
    rows, columns = ((torch.arange(size * scale_factor) / scale_factor).round().long().clamp_max(size - 1)
                     for size in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


@upsample_nearest.misconception(
    "The source rows were spaced from the first to the last (linspace), which makes the outer squares smaller than "
    "the inner ones. Every pixel gets a square of the same size.")
def nearest_aligns_corners(x, scale_factor):
    rows, columns = (torch.linspace(0, size - 1, size * scale_factor).round().long() for size in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


@upsample_nearest.misconception(
    "The picture is doubled whatever `scale_factor` says.")
def nearest_always_doubles(x, scale_factor):
    return F.interpolate(x, scale_factor=2)


@upsample_nearest.misconception(
    "The new pixels blend their neighbours: that is bilinear. Nearest copies one pixel and invents no new values.")
def nearest_that_blends(x, scale_factor):
    return F.interpolate(x, scale_factor=scale_factor, mode="bilinear")


@upsample_nearest.misconception(
    "Each pixel's copies all follow it along the row and spill into the next rows: you made scale_factor² copies and "
    "reshaped. The copies below a pixel must come after its whole row.")
def nearest_copies_along_the_row(x, scale_factor):
    n, c, h, w = x.shape
    return x.repeat_interleave(scale_factor * scale_factor, 3).reshape(n, c, h * scale_factor, w * scale_factor)


@upsample_nearest.misconception(
    "One direction is right, in the other the picture was laid side by side like tiles. Both directions need each "
    "pixel beside itself.")
def nearest_tiles_the_columns(x, scale_factor):
    return x.repeat_interleave(scale_factor, 2).repeat(1, 1, 1, scale_factor)


@upsample_nearest.misconception(
    "Rows and columns of the result changed places.")
def nearest_transposes(x, scale_factor):
    return _upsample_nearest(x.mT, scale_factor)


@upsample_nearest.misconception(
    "The picture is right, but the graph back to `x` is cut, so a net below could not learn through it. Look for "
    "NumPy, `.detach()`, `.data` or torch.tensor(...).")
def nearest_cuts_the_graph(x, scale_factor):
    return _upsample_nearest(x.detach(), scale_factor)


@upsample_nearest.misconception(
    "The pixels were copied into a float32 tensor. Make it like `x`, with the dtype that `x` has.")
def nearest_in_a_float32_buffer(x, scale_factor):
    result = torch.zeros(*x.shape[:2], x.shape[2] * scale_factor, x.shape[3] * scale_factor)
    result[:] = _upsample_nearest(x, scale_factor)
    return result


@upsample_nearest.misconception(
    "The picture was taken to be square: its columns were counted by its height. Rows come from `x.shape[2]`, columns "
    "from `x.shape[3]`.")
def nearest_of_square_pictures(x, scale_factor):
    places = torch.arange(x.shape[2] * scale_factor) // scale_factor
    return x[:, :, places][:, :, :, places.clamp_max(x.shape[3] - 1)]


@upsample_nearest.misconception(
    "The picture was taken to be square: indices of rows were used for columns, too, and one was out of range. Columns "
    "are counted by `x.shape[3]`.")
def nearest_runs_out_of_columns(x, scale_factor):
    places = torch.arange(x.shape[2] * scale_factor) // scale_factor
    return x[:, :, places][:, :, :, places]


@upsample_nearest.misconception(
    "The rows were repeated twice, and the columns not at all. Rows are dimension 2, columns dimension 3.")
def nearest_repeats_rows_twice(x, scale_factor):
    return x.repeat_interleave(scale_factor, 2).repeat_interleave(scale_factor, 2)


@upsample_nearest.misconception(
    "Source rows and columns were found by rounding i / scale_factor up. Pixel i of the result lies in source pixel "
    "i // scale_factor.")
def nearest_rounds_up(x, scale_factor):
    rows, columns = ((-(-torch.arange(size * scale_factor) // scale_factor)).clamp_max(size - 1)
                     for size in x.shape[2:])
    return x[:, :, rows][:, :, :, columns]


@upsample_nearest.alternative
def nearest_by_index(x, scale_factor):
    rows, columns = (torch.arange(size * scale_factor) // scale_factor for size in x.shape[2:])
    return x[:, :, rows[:, None], columns]


@upsample_nearest.alternative
def nearest_by_expanding(x, scale_factor):
    n, c, h, w = x.shape
    return x[:, :, :, None, :, None].expand(n, c, h, scale_factor, w, scale_factor).reshape(
        n, c, h * scale_factor, w * scale_factor)


@upsample_nearest.alternative
def nearest_by_stamping_ones(x, scale_factor):
    channels = x.shape[1]
    stamp = x.new_ones(channels, 1, scale_factor, scale_factor)
    return F.conv_transpose2d(x, stamp, stride=scale_factor, groups=channels)


@upsample_nearest.alternative
def nearest_by_kron(x, scale_factor):
    return torch.kron(x.contiguous(), x.new_ones(1, 1, scale_factor, scale_factor))


@upsample_nearest.misconception(
    "`torch.kron` stopped on a tensor that is not contiguous, and `x` need not be. `x.contiguous()` is, with the same "
    "numbers.")
def nearest_by_kron_of_contiguous_pictures_alone(x, scale_factor):
    return torch.kron(x, x.new_ones(1, 1, scale_factor, scale_factor))


@upsample_nearest.alternative
def nearest_by_filling(x, scale_factor):
    result = x.new_empty(*x.shape[:2], x.shape[2] * scale_factor, x.shape[3] * scale_factor)
    for i in range(scale_factor):
        for j in range(scale_factor):
            result[:, :, i::scale_factor, j::scale_factor] = x
    return result
