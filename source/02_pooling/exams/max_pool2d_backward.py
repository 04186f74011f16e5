"""How `max_pool2d_backward` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _pair, _windows


def _places(x, kernel_size, stride=None):
    """Where each window's first maximum is, as an index into the flattened picture: (N, C, H', W')."""
    height, width = x.shape[2:]
    index = torch.arange(height * width).reshape(1, 1, height, width).expand_as(x)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1, keepdim=True)
    return _windows(index, kernel_size, stride, fill=0).flatten(-2).gather(-1, inside).squeeze(-1)


def _max_pool2d_backward(grad_out, x, kernel_size, stride=None):
    places = _places(x, kernel_size, stride)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), grad_out.flatten(2)).reshape(x.shape)


@exercise(points=13, reference=_max_pool2d_backward, bans=ops.POOLING | ops.AUTOGRAD)
def max_pool2d_backward(impl, draw):
    yield aspect("values",
                 "Each number in `grad_out` goes to the pixel that was its window's maximum; every other pixel gets "
                 "0.",
                 lambda: [impl(draw.normal(2, channels, 4, 3), draw.distinct(2, channels, 8, 6), 2)
                          for channels in (3, 1, 5)])
    yield aspect("overlaps",
                 "A pixel that wins in several windows gets the sum of their gradients.",
                 lambda: [impl(draw.normal(2, 2, 5, 6), draw.distinct(2, 2, 7, 8), 3, 1),
                          impl(draw.normal(2, 2, 3, 4), draw.distinct(2, 2, 7, 9), 3, stride=2)])
    yield aspect("ties",
                 "Where the maximum occurs twice in a window, the first one in reading order gets everything.",
                 lambda: [impl(draw.normal(2, 2, 4, 4), draw.integers(0, 3, 2, 2, 8, 8).float(), 2),
                          impl(draw.normal(2, 2, 4, 4), draw.integers(-1, 1, 2, 2, 9, 9).float(), 3, 2)])
    yield aspect("left out",
                 "The result has the shape of `x`, with 0 where no window looks.",
                 lambda: [impl(draw.normal(2, 2, 3, 3), draw.distinct(2, 2, 9, 8), 2, 3),
                          impl(draw.normal(2, 2, 2, 3), draw.distinct(2, 2, 5, 7), 2)])
    yield aspect("default stride",
                 "Without a stride it is the kernel's size, as in the forward pass.",
                 lambda: [impl(draw.normal(2, 2, 3, 2), draw.distinct(2, 2, 9, 6), 3),
                          impl(draw.normal(2, 2, 2, 3), draw.distinct(2, 2, 8, 10), (4, 3))])
    yield aspect("pairs",
                 "`kernel_size` and `stride` are a number or a pair (height, width).",
                 lambda: [impl(draw.normal(2, 2, 3, 3), draw.distinct(2, 2, 7, 9), (3, 2), (2, 3)),
                          impl(draw.normal(2, 2, 2, 7), draw.distinct(2, 2, 7, 9), (2, 3), (3, 1))])
    yield habits("House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory; no gradient "
                 "of this gradient is asked for.", impl,
                 lambda: (draw.normal(2, 2, 3, 3), draw.distinct(2, 2, 6, 6), 2), gradient=False)


@max_pool2d_backward.misconception(
    "Where windows overlap, the last gradient overwrote the ones before. A pixel that wins twice moves two outputs: "
    "its gradients add up.")
def back_overwrites(grad_out, x, kernel_size, stride=None):
    places, flat = _places(x, kernel_size, stride).flatten(2), torch.zeros_like(x).flatten(2)
    source = grad_out.flatten(2)
    for index in range(places.shape[2]):
        flat.scatter_(2, places[:, :, index:index + 1], source[:, :, index:index + 1])
    return flat.reshape(x.shape)


def _spread_over(mask_of, grad_out, x, kernel_size, stride):
    """Add each gradient times a mask of its window, made by `mask_of`."""
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    result = torch.zeros_like(x)
    for i in range(grad_out.shape[2]):
        for j in range(grad_out.shape[3]):
            rows, columns = slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw)
            window = x[:, :, rows, columns]
            if window.numel():
                result[:, :, rows, columns] += mask_of(window) * grad_out[:, :, i:i + 1, j:j + 1]
    return result


def _first_maximum(window):
    flat = window.flatten(2)
    return torch.zeros_like(flat).scatter(2, flat.argmax(2, keepdim=True), 1.0).reshape(window.shape)


def _all_maxima(window):
    return (window == window.amax((2, 3), keepdim=True)).to(window.dtype)


def _shared_maxima(window):
    return _all_maxima(window) / _all_maxima(window).sum((2, 3), keepdim=True)


def _last_maximum(window):
    flat = window.flatten(2)
    place = flat.shape[2] - 1 - flat.flip(2).argmax(2, keepdim=True)
    return torch.zeros_like(flat).scatter(2, place, 1.0).reshape(window.shape)


def _first_maximum_down_the_columns(window):
    flat = window.mT.flatten(2)
    one = torch.zeros_like(flat).scatter(2, flat.argmax(2, keepdim=True), 1.0)
    return one.reshape(window.mT.shape).mT


def _everywhere(window):
    return torch.full_like(window, 1 / (window.shape[2] * window.shape[3]))


def _maximum_itself(window):
    return _all_maxima(window) * window


@max_pool2d_backward.misconception(
    "Every pixel that equals the window's maximum got the whole gradient. In a tie one output is then counted twice; "
    "only the first in reading order gets it.")
def back_to_all_maxima(grad_out, x, kernel_size, stride=None):
    return _spread_over(_all_maxima, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "In a tie the gradient was shared equally. That is what `amax` does; max pooling gives all of it to the first "
    "maximum in reading order.")
def back_shares_ties(grad_out, x, kernel_size, stride=None):
    return _spread_over(_shared_maxima, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "In a tie the last maximum got the gradient. It goes to the first: a later value must be strictly larger to take "
    "its place.")
def back_to_the_last_maximum(grad_out, x, kernel_size, stride=None):
    return _spread_over(_last_maximum, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "In a tie you read the window column by column. Reading order is row by row, from left to right.")
def back_reads_down_the_columns(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum_down_the_columns, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "The gradient was spread evenly over the window. That is average pooling's way back; in a maximum only the winner"
    " moves the output.")
def back_as_average_pooling(grad_out, x, kernel_size, stride=None):
    return _spread_over(_everywhere, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "The gradient was multiplied by the maximum's value. Where a pixel wins, the output moves exactly as the pixel "
    "does: the factor is 1.")
def back_times_the_maximum(grad_out, x, kernel_size, stride=None):
    return _spread_over(_maximum_itself, grad_out, x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "Each gradient landed in the top left pixel of its window, whichever pixel had won. Where did the maximum sit?")
def back_to_the_corner(grad_out, x, kernel_size, stride=None):
    sh, sw = _pair(kernel_size if stride is None else stride)
    result = torch.zeros_like(x)
    result[:, :, :grad_out.shape[2] * sh:sh, :grad_out.shape[3] * sw:sw] = grad_out
    return result


@max_pool2d_backward.misconception(
    "The place inside the window was used as the place in the picture: everything landed at the top left of `x`. Add "
    "where the window starts.")
def back_forgets_where_the_window_starts(grad_out, x, kernel_size, stride=None):
    kw = _pair(kernel_size)[1]
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1).flatten(2)
    places = inside // kw * x.shape[3] + inside % kw
    return torch.zeros_like(x).flatten(2).scatter_add(2, places, grad_out.flatten(2)).reshape(x.shape)


@max_pool2d_backward.misconception(
    "The index inside the window was taken apart with the kernel's height. Row and column are index // kW and index %"
    " kW: a row of the window is kW long.")
def back_divides_by_the_height(grad_out, x, kernel_size, stride=None):
    (kh, _), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1)
    rows = torch.arange(grad_out.shape[2])[:, None] * sh + inside // kh
    columns = torch.arange(grad_out.shape[3]) * sw + inside % kh
    places = (rows * x.shape[3] + columns).clamp_max(x.shape[2] * x.shape[3] - 1)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), grad_out.flatten(2)).reshape(x.shape)


@max_pool2d_backward.misconception(
    "Row and column inside the window changed places. The index counts along a row first, so how many whole rows fit "
    "into it is the row, and what remains is the column.")
def back_swaps_row_and_column(grad_out, x, kernel_size, stride=None):
    (_, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1)
    rows = torch.arange(grad_out.shape[2])[:, None] * sh + inside % kw
    columns = torch.arange(grad_out.shape[3]) * sw + inside // kw
    places = (rows * x.shape[3] + columns).clamp_max(x.shape[2] * x.shape[3] - 1)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), grad_out.flatten(2)).reshape(x.shape)


@max_pool2d_backward.misconception(
    "The index inside the window was added to the window's place in the flat picture. A row of the window is kW long, "
    "a row of the picture W: take the index apart first.")
def back_adds_flat_indices(grad_out, x, kernel_size, stride=None):
    sh, sw = _pair(kernel_size if stride is None else stride)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1)
    starts = torch.arange(grad_out.shape[2])[:, None] * sh * x.shape[3] + torch.arange(grad_out.shape[3]) * sw
    places = (starts + inside).clamp_max(x.shape[2] * x.shape[3] - 1)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), grad_out.flatten(2)).reshape(x.shape)


@max_pool2d_backward.misconception(
    "The winners were counted; `grad_out` was not used. A winner gets its window's gradient, whatever number that is.")
def back_counts_the_wins(grad_out, x, kernel_size, stride=None):
    return _max_pool2d_backward(torch.ones_like(grad_out), x, kernel_size, stride)


@max_pool2d_backward.misconception(
    "The result is only as large as the windows reach. Pixels that no window reads have gradient 0, and they belong "
    "to the result: its shape is that of `x`.")
def back_leaves_off_the_rest(grad_out, x, kernel_size, stride=None):
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    height, width = (grad_out.shape[2] - 1) * sh + kh, (grad_out.shape[3] - 1) * sw + kw
    return _max_pool2d_backward(grad_out, x, kernel_size, stride)[:, :, :height, :width]


@max_pool2d_backward.misconception(
    "A given stride was ignored: your windows are tiles as large as the kernel. In the forward pass they moved by the"
    " stride.")
def back_ignores_the_stride(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, kernel_size, kernel_size)


@max_pool2d_backward.misconception(
    "Without a stride your windows move by 2, which is right for a 2×2 kernel alone. The default is the kernel's own "
    "size.")
def back_moves_by_two(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, kernel_size, 2 if stride is None else stride)


@max_pool2d_backward.misconception(
    "The pair was read as (width, height). The first number belongs to the rows.")
def back_swaps_height_and_width(grad_out, x, kernel_size, stride=None):
    stride = kernel_size if stride is None else stride
    return _spread_over(_first_maximum, grad_out, x, _pair(kernel_size)[::-1], _pair(stride)[::-1])


@max_pool2d_backward.misconception(
    "Your function writes into `x`. The forward pass's input is still needed by others: make a new tensor for the "
    "gradient.")
def back_writes_into_x(grad_out, x, kernel_size, stride=None):
    gradient = _max_pool2d_backward(grad_out, x, kernel_size, stride)
    return x.copy_(gradient)


@max_pool2d_backward.misconception(
    "`view` needs numbers that lie in memory in the order of the dimensions, and neither `x` nor `grad_out` promises "
    "that. `flatten` and `reshape` do not need it.")
def back_needs_contiguous(grad_out, x, kernel_size, stride=None):
    n, c, h, w = x.shape
    gradient = _max_pool2d_backward(grad_out.view(n * c, 1, *grad_out.shape[2:]), x.view(n * c, 1, h, w), kernel_size,
                                    stride)
    return gradient.view(n, c, h, w)


@max_pool2d_backward.misconception(
    "The gradient is collected in a float32 tensor whatever the input is. Make it like `x`.")
def back_in_float32(grad_out, x, kernel_size, stride=None):
    return _max_pool2d_backward(grad_out, x, kernel_size, stride).float()


@max_pool2d_backward.misconception(
    "Without a stride your windows move by 1, as a convolution's do. Pooling's default is the kernel's own size.")
def back_moves_by_one(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, kernel_size, 1 if stride is None else stride)


@max_pool2d_backward.misconception(
    "The winners of the first picture's first channel were used for all. Every picture and every channel has winners "
    "of its own.")
def back_with_one_channels_winners(grad_out, x, kernel_size, stride=None):
    return _max_pool2d_backward(grad_out, x[:1, :1].expand_as(x).contiguous(), kernel_size, stride)


@max_pool2d_backward.misconception(
    "The two numbers of the stride are exchanged: the first one is the step downwards.")
def back_exchanges_the_stride(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, kernel_size, stride and _pair(stride)[::-1])


@max_pool2d_backward.misconception("Every pixel of a window got its gradient, as in a mean. Only the pixel that won "
                                   "moves the maximum; all others get 0.")
def gives_to_the_whole_window(grad_out, x, kernel_size, stride=None):
    (high, wide), (down, right) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    result = torch.zeros_like(x)
    for i in range(grad_out.shape[2]):
        for j in range(grad_out.shape[3]):
            result[:, :, i * down:i * down + high, j * right:j * right + wide] += grad_out[:, :, i:i + 1, j:j + 1]
    return result


@max_pool2d_backward.misconception(
    "Where a window starts was computed with the kernel's size, not with the stride. Window (i, j) starts at row "
    "i·stride and column j·stride; without a stride both are one.")
def back_starts_at_the_kernels_size(grad_out, x, kernel_size, stride=None):
    (kh, kw), result = _pair(kernel_size), torch.zeros_like(x)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1)
    for n, c, i, j in inside.new_ones(inside.shape).nonzero().tolist():
        row, column = i * kh + int(inside[n, c, i, j]) // kw, j * kw + int(inside[n, c, i, j]) % kw
        if row < x.shape[2] and column < x.shape[3]:
            result[n, c, row, column] += grad_out[n, c, i, j]
    return result


@max_pool2d_backward.misconception(
    "Without a stride both directions moved by the kernel's height. A 4×3 window that tiles the picture moves 4 down "
    "and 3 to the right.")
def back_moves_by_the_height(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, kernel_size, _pair(kernel_size)[0] if stride is None else stride)


@max_pool2d_backward.misconception(
    "Height and width of the window are exchanged. `kernel_size` is (height, width).")
def back_exchanges_the_kernel(grad_out, x, kernel_size, stride=None):
    return _spread_over(_first_maximum, grad_out, x, _pair(kernel_size)[::-1],
                        kernel_size if stride is None else stride)


@max_pool2d_backward.misconception(
    "Your loop begins more windows than fit, and ran over the end of `grad_out` (IndexError). Loop over the places of "
    "`grad_out`: there are just as many windows.")
def back_loops_over_more_than_fits(grad_out, x, kernel_size, stride=None):
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    result = torch.zeros_like(x)
    for top in range(0, x.shape[2], sh):
        for left in range(0, x.shape[3], sw):
            incoming = grad_out[:, :, top // sh, left // sw][:, :, None, None]
            result[:, :, top:top + kh, left:left + kw] += _first_maximum(
                x[:, :, top:top + kh, left:left + kw]) * incoming
    return result


@max_pool2d_backward.misconception(
    "The winners are marked with 1; `grad_out` was not used. A winner gets its window's gradient, and the sum where it "
    "wins several times.")
def back_marks_the_winners(grad_out, x, kernel_size, stride=None):
    return (_max_pool2d_backward(torch.ones_like(grad_out), x, kernel_size, stride) > 0).to(x.dtype)


@max_pool2d_backward.misconception(
    "A pixel that wins in several windows got the mean of their gradients. It moves each of those outputs: its "
    "gradients add up.")
def back_averages_overlaps(grad_out, x, kernel_size, stride=None):
    wins = _max_pool2d_backward(torch.ones_like(grad_out), x, kernel_size, stride)
    return _max_pool2d_backward(grad_out, x, kernel_size, stride) / wins.clamp_min(1)


@max_pool2d_backward.misconception(
    "The value farthest from zero was taken for the winner. The maximum of −9 and 1 is 1: look for it in `x` as it is.")
def back_to_the_farthest_from_zero(grad_out, x, kernel_size, stride=None):
    return _max_pool2d_backward(grad_out, x.abs(), kernel_size, stride)


@max_pool2d_backward.misconception(
    "The smallest value of each window got the gradient (`argmin`). The one that moves the output is the largest.")
def back_to_the_minimum(grad_out, x, kernel_size, stride=None):
    return _max_pool2d_backward(grad_out, -x, kernel_size, stride)


@max_pool2d_backward.alternative
def back_by_fold(grad_out, x, kernel_size, stride=None):
    kernel_size, stride = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    n, c, h, w = x.shape
    columns = F.unfold(x.reshape(n * c, 1, h, w), kernel_size, stride=stride)
    winners = torch.zeros_like(columns).scatter_(1, columns.argmax(1, keepdim=True), 1)
    return F.fold(winners * grad_out.reshape(n * c, 1, -1), (h, w), kernel_size, stride=stride).reshape(x.shape)


@max_pool2d_backward.alternative
def back_window_by_window(grad_out, x, kernel_size, stride=None):
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    result = x.new_zeros(x.shape)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(grad_out.shape[2]):
                for j in range(grad_out.shape[3]):
                    place = int(x[n, c, i * sh:i * sh + kh, j * sw:j * sw + kw].argmax())
                    result[n, c, i * sh + place // kw, j * sw + place % kw] += grad_out[n, c, i, j]
    return result


@max_pool2d_backward.alternative
def back_by_index_put(grad_out, x, kernel_size, stride=None):
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    n, c, height, width = grad_out.shape
    winner = x.unfold(2, kh, sh).unfold(3, kw, sw).reshape(n, c, height, width, kh * kw).max(-1).indices
    rows = torch.arange(height).reshape(-1, 1) * sh + winner // kw
    columns = torch.arange(width) * sw + winner % kw
    result = torch.zeros_like(x)
    result.index_put_((torch.arange(n)[:, None, None, None], torch.arange(c)[:, None, None], rows, columns), grad_out,
                      accumulate=True)
    return result


@max_pool2d_backward.alternative
def back_by_shifted_pictures(grad_out, x, kernel_size, stride=None):
    (kh, kw), (sh, sw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    height, width = ((size - 1) * s + 1 for size, s in zip(grad_out.shape[2:], (sh, sw), strict=True))
    shifts = [(slice(i, i + height, sh), slice(j, j + width, sw)) for i in range(kh) for j in range(kw)]
    best = torch.stack([x[:, :, rows, columns] for rows, columns in shifts]).amax(0)
    result, waiting = torch.zeros_like(x), torch.ones_like(best, dtype=torch.bool)
    for rows, columns in shifts:
        wins = waiting & (x[:, :, rows, columns] == best)
        result[:, :, rows, columns] += wins * grad_out
        waiting = waiting & ~wins
    return result
