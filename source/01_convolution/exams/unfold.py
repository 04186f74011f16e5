"""How `unfold` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, count_operators, exercise, gradients, habits, in_any_order, ops

from .shared import _HOUSE_RULES, _and_inputs, _columns, _pair, _scattered, _windows, _zero_border


def _columns_of_pytorch(x, kernel_size, stride=1, padding=0):
    return F.unfold(x, kernel_size, stride=stride, padding=padding)


def _twice(impl, draw):
    """The result on a large picture, and whether it took about as many operators as on a small one."""
    _, few = count_operators(lambda: impl(draw.normal(1, 2, 5, 5), 2, 1, 2))
    result, many = count_operators(lambda: impl(draw.normal(1, 2, 17, 20), 2, 1, 2))
    return [in_any_order(result), "no loop" if many <= few + 5 else "more operators on a larger picture"]


@exercise(points=10, reference=_columns_of_pytorch, bans=ops.CONVOLUTION)
def unfold(impl, draw):
    yield aspect("windows", "Column number l is window number l, counted as one reads: to the right, then down.",
                 lambda: [impl(draw.normal(1, 1, 4, 6), 2), impl(draw.normal(3, 1, 5, 4), 3),
                          impl(draw.normal(2, 1, 3, 4), 1)])
    yield aspect("rows", "Row number c·kH·kW + i·kW + j holds what stands at place (i, j) of the window in channel c.",
                 lambda: [impl(draw.normal(2, channels, 5, 6), (2, 3)) for channels in (1, 2, 5)])
    yield aspect("padding", "`padding` zeros lie around the picture, on all four sides.",
                 lambda: [in_any_order(impl(draw.normal(1, 1, 4, 5), 3, padding=2)),
                          in_any_order(impl(draw.normal(1, 1, 3, 3), 2, 1, 1))])
    yield aspect("stride", "The window moves by `stride`, downwards and to the right; a last step that leads off the "
                 "picture is left out.",
                 lambda: [in_any_order(impl(draw.normal(1, 1, 8, 9), 3, 2)),
                          in_any_order(impl(draw.normal(1, 1, 9, 8), 2, stride=3))])
    yield aspect("pairs", "`kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: [in_any_order(impl(draw.normal(1, 1, 9, 8), (3, 2), (3, 1), (1, 2))),
                          in_any_order(impl(draw.normal(1, 1, 5, 6), 3, 1, (0, 1))),
                          in_any_order(impl(draw.normal(1, 1, 6, 5), 3, padding=(2, 0)))])
    yield aspect("no loop over pixels", "No Python loop over pixels or windows: the number of PyTorch calls must not "
                 "grow with the picture.", lambda: _twice(impl, draw))
    yield habits(_HOUSE_RULES, impl, lambda: (draw.normal(2, 2, 6, 5), 3, 2, 1))
    yield aspect("no extras", _HOUSE_RULES,
                 lambda: {"non-contiguous input": impl(_scattered(draw, 2, 2, 4, 5), 2),
                          "gradient": gradients(lambda x: impl(x, 2), draw.normal(2, 1, 4, 5)),
                          "input left alone": _and_inputs(lambda x: impl(x, 2), draw.normal(1, 2, 4, 4))},
                 rtol=1e-4, atol=1e-5)


@unfold.misconception("Within a column the kernel's places come before the channels. All places of channel 0 come "
                      "first, then all of channel 1: that is how `weight.flatten(1)` is ordered.")
def puts_places_before_channels(x, kernel_size, stride=1, padding=0):
    return _windows(x, kernel_size, stride, padding).permute(0, 4, 5, 1, 2, 3).flatten(1, 3).flatten(2)


@unfold.misconception("The windows are counted down the first column of the picture, then down the next one. Count as "
                      "one reads: along a row, then the next row.")
def counts_windows_downwards(x, kernel_size, stride=1, padding=0):
    return _windows(x, kernel_size, stride, padding).permute(0, 1, 4, 5, 3, 2).flatten(1, 3).flatten(2)


@unfold.misconception("The places of a window are counted down its columns. Count as one reads: along the window's "
                      "first row, then its next row.")
def counts_places_downwards(x, kernel_size, stride=1, padding=0):
    return _windows(x, kernel_size, stride, padding).permute(0, 1, 5, 4, 2, 3).flatten(1, 3).flatten(2)


@unfold.misconception("The windows are the rows of the result. In (N, C·kH·kW, L) each window is a column.")
def makes_windows_rows(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, padding)).transpose(1, 2)


@unfold.misconception("The shape was forced with `reshape` or `view` while the dimensions were still in another order, "
                      "so windows and places are mixed up. Put them in order with `permute` first.")
def reshapes_without_permuting(x, kernel_size, stride=1, padding=0):
    windows = _windows(x, kernel_size, stride, padding)
    count, channels, height, width, tall, wide = windows.shape
    return windows.reshape(count, channels * tall * wide, height * width)


@unfold.misconception("The stride was ignored: the window moved by one pixel at a time.")
def unfolds_without_stride(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, 1, padding))


@unfold.misconception("The stride was used in one direction only. The window jumps downwards and to the right.")
def unfolds_with_one_stride(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, (_pair(stride)[0], 1), padding))


@unfold.misconception("Zeros count above and on the left alone: they were put on those two sides only, or the size has "
                      "`padding` once. They go on all four sides, and count twice in the size.")
def unfolds_with_two_borders(x, kernel_size, stride=1, padding=0):
    height, width = _pair(padding)
    return _columns(_windows(F.pad(x, (width, 0, height, 0)), kernel_size, stride))


@unfold.misconception("The padding was forgotten: without it fewer windows fit.")
def unfolds_without_border(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride))


@unfold.misconception("Height and width are exchanged in the pairs. Pairs are (height, width); only `F.pad` starts "
                      "with the last dimension.")
def unfolds_with_exchanged_pairs(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, *(_pair(value)[::-1] for value in (kernel_size, stride, padding))))


@unfold.misconception("The padding's height and width are exchanged: `F.pad` starts with the last dimension, the "
                      "width.")
def unfolds_with_exchanged_padding(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, _pair(padding)[::-1]))


@unfold.misconception("The stride's two numbers are exchanged: the first one is the step downwards (height).")
def unfolds_with_exchanged_stride(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, _pair(stride)[::-1], padding))


@unfold.misconception("The last row and the last column of windows are missing: where the window has taken all its "
                      "steps, it stands at one place more than it took steps.")
def unfolds_one_window_short(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, padding)[:, :, :-1, :-1])


@unfold.misconception("The result is always float32: a buffer made by `torch.zeros(...)` or `torch.empty(...)` is, "
                      "whatever `x` is. Tell it the dtype of `x`.")
def unfolds_into_single_precision(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, padding)).float()


@unfold.misconception("The numbers are right, but Python visits the windows one by one, or row by row. Loop over the "
                      "places of the kernel instead, or let `Tensor.unfold` cut all windows at once.")
def visits_every_window(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right), bordered = _pair(kernel_size), _pair(stride), _zero_border(x, padding)
    return torch.stack([bordered[:, :, top:top + tall, left:left + wide].flatten(1)
                        for top in range(0, bordered.shape[2] - tall + 1, down)
                        for left in range(0, bordered.shape[3] - wide + 1, right)], dim=2)


@unfold.misconception("Nothing was padded where one of the two numbers of `padding` is 0, as by `if pH and pW`. The "
                      "other one still wants its zeros.")
def unfolds_with_border_only_where_both_are_given(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, padding if all(_pair(padding)) else 0))


@unfold.misconception("`as_strided` was given steps that hold for a picture that lies in memory row after row. `x` "
                      "need not: ask `x.stride()`.")
def unfolds_contiguous_pictures_alone(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    x = _zero_border(x, padding) if any(_pair(padding)) else x
    count, channels, rows, columns = x.shape
    shape = (count, channels, (rows - tall) // down + 1, (columns - wide) // right + 1, tall, wide)
    steps = (channels * rows * columns, rows * columns, columns * down, right, columns, 1)
    return _columns(x.as_strided(shape, steps))


@unfold.misconception("`view` cannot join dimensions that were exchanged by `permute`: their numbers do not lie one "
                      "after the other. `reshape` and `flatten` copy where they must.")
def joins_by_view(x, kernel_size, stride=1, padding=0):
    windows = _windows(x, kernel_size, stride, padding)
    count, channels, height, width, tall, wide = windows.shape
    return windows.permute(0, 1, 4, 5, 2, 3).view(count, channels * tall * wide, height * width)


@unfold.misconception("Only the first picture of the batch was unfolded. The result has as many pictures as `x`.")
def unfolds_the_first_picture(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x[:1], kernel_size, stride, padding))


@unfold.misconception("The border mirrors the picture. `padding` means zeros here.")
def unfolds_with_a_mirrored_border(x, kernel_size, stride=1, padding=0):
    height, width = _pair(padding)
    return _columns(_windows(F.pad(x, (width, width, height, height), mode="reflect"), kernel_size, stride))


@unfold.misconception("The window was taken to be square, as wide as it is high. `kernel_size` may be a pair of two "
                      "different numbers.")
def unfolds_square_windows(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, _pair(kernel_size)[0], stride, padding))


@unfold.misconception("The result has the shape (N, C·kH·kW, H′, W′). The windows stand in one row of L = H′·W′: join "
                      "the last two dimensions.")
def keeps_the_places_apart(x, kernel_size, stride=1, padding=0):
    return _windows(x, kernel_size, stride, padding).permute(0, 1, 4, 5, 2, 3).flatten(1, 3)


@unfold.misconception("The number of places was divided by the stride. Of the places 0 to 4, a stride of 2 keeps "
                      "three: divide the room to move, and the first place comes on top.")
def divides_the_places(x, kernel_size, stride=1, padding=0):
    windows, (down, right) = _windows(x, kernel_size, 1, padding), _pair(stride)
    height, width = windows.shape[2] // down, windows.shape[3] // right
    return _columns(windows[:, :, ::down, ::right][:, :, :height, :width])


@unfold.misconception("Of a pair for `stride` only the first number was used, for both directions. The second one is "
                      "the step to the right.")
def unfolds_with_the_first_stride(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, _pair(stride)[0], padding))


@unfold.misconception("Of a pair for `padding` only the first number was used, on all four sides. The second one is "
                      "for left and right.")
def unfolds_with_the_first_padding(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, kernel_size, stride, _pair(padding)[0]))


@unfold.misconception("Left out, the stride is the kernel's size in your code. That is pooling's default; here it is "
                      "1.")
def unfolds_side_by_side(x, kernel_size, stride=None, padding=0):
    return _columns(_windows(x, kernel_size, kernel_size if stride is None else stride, padding))


@unfold.misconception("All zeros of the border were put below and on the right: the size is right, the windows are "
                      "shifted. `padding` goes on all four sides.")
def unfolds_with_the_border_at_the_end(x, kernel_size, stride=1, padding=0):
    height, width = _pair(padding)
    return _columns(_windows(F.pad(x, (0, 2 * width, 0, 2 * height)), kernel_size, stride))


@unfold.misconception("The border repeats the picture's edge. `padding` means zeros here.")
def unfolds_with_a_repeated_edge(x, kernel_size, stride=1, padding=0):
    height, width = _pair(padding)
    return _columns(_windows(F.pad(x, (width, width, height, height), mode="replicate"), kernel_size, stride))


@unfold.misconception("Height and width of the window are exchanged: `kernel_size` is (height, width).")
def unfolds_with_exchanged_windows(x, kernel_size, stride=1, padding=0):
    return _columns(_windows(x, _pair(kernel_size)[::-1], stride, padding))


@unfold.misconception("A last window that hangs over the edge was kept (rounded up where it is rounded down). A last "
                      "step that leads off the picture is left out.")
def unfolds_what_hangs_over(x, kernel_size, stride=1, padding=0):
    bordered = _zero_border(x, padding)
    more = [(window - size) % step for size, window, step in
            zip(bordered.shape[2:], _pair(kernel_size), _pair(stride), strict=True)]
    return _columns(_windows(F.pad(bordered, (0, more[1], 0, more[0])), kernel_size, stride))


@unfold.misconception("The slices of `x` have no end. Here they differ in length and cannot be stacked. Place "
                      "(i, j) meets just H′·W′ pixels: a slice from i in steps of the stride, H′ long.")
def leaves_slices_without_an_end(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right), bordered = _pair(kernel_size), _pair(stride), _zero_border(x, padding)
    places = [bordered[:, :, i::down, j::right].flatten(2) for i in range(tall) for j in range(wide)]
    return torch.stack(places, dim=2).flatten(1, 2)


@unfold.misconception("The code counts on three channels, as in `range(3)`. There may be any number: ask `x.shape[1]`.")
def unfolds_three_channels(x, kernel_size, stride=1, padding=0):
    return torch.cat([_columns(_windows(x[:, c:c + 1], kernel_size, stride, padding)) for c in range(3)], 1)


@unfold.alternative
def stacks_places(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right), bordered = _pair(kernel_size), _pair(stride), _zero_border(x, padding)
    height, width = (bordered.shape[2] - tall) // down + 1, (bordered.shape[3] - wide) // right + 1
    places = [bordered[:, :, i:i + down * height:down, j:j + right * width:right].flatten(2)
              for i in range(tall) for j in range(wide)]
    return torch.stack(places, dim=2).flatten(1, 2)


@unfold.alternative
def gathers_by_index(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right), bordered = _pair(kernel_size), _pair(stride), _zero_border(x, padding)
    height, width = (bordered.shape[2] - tall) // down + 1, (bordered.shape[3] - wide) // right + 1
    rows = (torch.arange(tall)[:, None] + down * torch.arange(height))[:, None, :, None]
    columns = (torch.arange(wide)[:, None] + right * torch.arange(width))[None, :, None, :]
    return bordered[:, :, rows, columns].reshape(x.shape[0], x.shape[1] * tall * wide, height * width)


@unfold.alternative
def looks_through_strides(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    bordered = _zero_border(x, padding).contiguous()
    height, width = (bordered.shape[2] - tall) // down + 1, (bordered.shape[3] - wide) // right + 1
    picture, channel, row, pixel = bordered.stride()
    view = bordered.as_strided((*bordered.shape[:2], tall, wide, height, width),
                               (picture, channel, row, pixel, row * down, pixel * right))
    return view.reshape(x.shape[0], -1, height * width)


@unfold.alternative
def fills_a_buffer(x, kernel_size, stride=1, padding=0):
    windows = _windows(x, kernel_size, stride, padding)
    count, channels, height, width, tall, wide = windows.shape
    out = x.new_empty(count, channels, tall, wide, height * width)
    for i in range(tall):
        for j in range(wide):
            out[:, :, i, j] = windows[..., i, j].flatten(2)
    return out.view(count, -1, height * width)
