"""How `max_pool2d` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _HOUSE_RULES, _pair, _windows


def _in_units(result, unit):
    """A tensor counted in units so large that every number that is merely small comes out as 0."""
    return {f"in units of {unit:g}": result / unit} if isinstance(result, torch.Tensor) else result


@exercise(points=15, reference=F.max_pool2d, bans=ops.POOLING)
def max_pool2d(impl, draw):
    yield aspect("values",
                 "Slide a window over each channel and keep its largest value.",
                 lambda: [impl(draw.normal(2, channels, 8, 6) - 1, 2) for channels in (3, 1)])
    yield aspect("stride",
                 "The stride is how far the window moves: less than the kernel, windows overlap; more, they leave "
                 "gaps.",
                 lambda: [impl(draw.uniform(2, 2, 7, 8), 3, 1), impl(draw.uniform(1, 1, 8, 11), 2, stride=3)])
    yield aspect("default stride",
                 "Without a stride, windows do not overlap: the stride is the kernel's size.",
                 lambda: [impl(draw.uniform(2, 1, 9, 12), 3), impl(draw.uniform(2, 3, 8, 9), (4, 3))])
    yield aspect("leftover",
                 "A last window that does not fit is left out.",
                 lambda: impl(draw.uniform(1, 5, 8, 9), 3, 2))
    yield aspect("pairs",
                 "`kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: [impl(draw.uniform(2, 3, 8, 9, low=1, high=2), (3, 2), (2, 1), (1, 0)),
                          impl(draw.uniform(2, 3, 7, 8, low=1, high=2), 3, (1, 2), padding=(0, 1)),
                          impl(draw.uniform(1, 2, 7, 8, low=1, high=2), (4, 2), 2, (2, 1)),
                          impl(draw.uniform(1, 2, 6, 7, low=1, high=2), (1, 3), 2, (0, 1))])
    yield aspect("border",
                 "An empty place never wins, however small the numbers in the window are.",
                 lambda: [impl(draw.normal(2, 3, 7, 9) - 5, 3, 2, 1),
                          _in_units(impl(draw.uniform(2, 3, 6, 6, low=-3, high=1) * 1e38, 2, 2, 1), 1e38),
                          impl(draw.normal(2, 2, 5, 6).clamp(max=0), 3, 1, 1)])
    yield habits(_HOUSE_RULES, impl, lambda: (draw.distinct(2, 3, 6, 6) - 1, 2),
                 further=lambda: (draw.distinct(1, 2, 7, 7) + 4, 3, 2, 1))  # above 0: what pads is another aspect's


@max_pool2d.misconception(
    "The border was padded with zeros. A maximum needs minus infinity there: where a window holds only negative "
    "values, your zero wins.")
def pads_max_with_zeros(x, kernel_size, stride=None, padding=0):
    return _windows(x, kernel_size, stride, padding).amax((-2, -1))


@max_pool2d.misconception(
    "The border was padded with a number that is merely very small, such as −1000 or −1e9. Somewhere values are "
    "smaller still, and then the padding wins. One float is below all others.")
def pads_max_with_a_small_number(x, kernel_size, stride=None, padding=0):
    return _windows(x, kernel_size, stride, padding, fill=-1e9).amax((-2, -1))


@max_pool2d.misconception(
    "`padding` was not used: your windows never hang over the border. The picture grows by `padding` on each of its "
    "four sides before the window moves.")
def max_ignores_padding(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride)


@max_pool2d.misconception(
    "The padding went to the wrong axis. `F.pad` counts from the last dimension: its first two numbers are left and "
    "right (width), the next two top and bottom (height).")
def max_pads_the_wrong_axis(x, kernel_size, stride=None, padding=0):
    (ph, pw), stride = _pair(padding), kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, (pw, ph), fill=float("-inf")).amax((-2, -1))


@max_pool2d.misconception(
    "The border counts at the top and left alone: it was added only there, or the size has `padding` once. It goes on "
    "all four sides; the formula for the size has 2·padding.")
def max_pads_one_side(x, kernel_size, stride=None, padding=0):
    ph, pw = _pair(padding)
    padded = F.pad(x, (pw, 0, ph, 0), value=float("-inf"))
    return _windows(padded, kernel_size, stride).amax((-2, -1))


@max_pool2d.misconception(
    "Without a stride your window moves by 1. That is the convolution's default; pooling's is the kernel's own size, "
    "so that windows lie side by side.")
def max_moves_by_one(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, 1 if stride is None else stride, padding)


@max_pool2d.misconception(
    "Without a stride your window always moves by 2. Two is right for a 2×2 window alone: a 3×3 window then overlaps "
    "with its neighbour.")
def max_moves_by_two(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, 2 if stride is None else stride, padding)


@max_pool2d.misconception(
    "The stride was ignored: the picture was cut into tiles as large as the kernel. Where a stride is given, the "
    "window moves by that, and windows overlap or leave gaps.")
def max_cuts_into_tiles(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, kernel_size, padding)


@max_pool2d.misconception(
    "A last window that hangs over the edge was kept (ceil where floor was asked). Count only the windows that fit.")
def max_rounds_up(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding, ceil_mode=True)


@max_pool2d.misconception(
    "The output has H // stride rows, as if every pixel could start a window. The last window must still fit: the "
    "kernel's size belongs in the formula.")
def max_forgets_the_kernel_in_the_size(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    rows = [[x[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw].amax((-2, -1)) for j in range(x.shape[3] // sw)]
            for i in range(x.shape[2] // sh)]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


@max_pool2d.misconception("The last window that fits was dropped: a row and a column are missing. From the first "
                          "start to the last there are (H + 2·padding − kernel) // stride steps, and one start more.")
def max_drops_the_last_window(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding)[:, :, :-1, :-1]


@max_pool2d.misconception(
    "Height and width changed places: a pair is (height, width), the first number belongs to the rows, dimension 2 of"
    " x.")
def max_swaps_height_and_width(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return F.max_pool2d(x, _pair(kernel_size)[::-1], _pair(stride)[::-1], _pair(padding)[::-1])


@max_pool2d.misconception(
    "Of each pair only the first number was used, for both directions. Rows and columns have a kernel size, a stride "
    "and a padding of their own.")
def max_uses_the_first_of_a_pair(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return F.max_pool2d(x, _pair(kernel_size)[0], _pair(stride)[0], _pair(padding)[0])


@max_pool2d.misconception(
    "The value farthest from zero was kept, its sign dropped. The largest of −9 and 1 is 1.")
def max_of_absolute_values(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x.abs(), kernel_size, stride, padding)


@max_pool2d.misconception(
    "Your windows are averaged. The task keeps the one largest value of each window.")
def max_that_averages(x, kernel_size, stride=None, padding=0):
    return F.avg_pool2d(x, kernel_size, stride, padding)


@max_pool2d.misconception(
    "The maximum ran over the channels, too, so one channel is left. Each channel is pooled on its own: reduce over "
    "the window's two axes alone.")
def max_over_the_channels(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding).amax(1, keepdim=True)


@max_pool2d.misconception(
    "The results were copied into a new float32 tensor. Give it the dtype of `x`: a float64 picture must come out as "
    "float64.")
def max_in_a_float32_buffer(x, kernel_size, stride=None, padding=0):
    windows = _windows(x, kernel_size, stride, padding, fill=float("-inf"))
    result = torch.zeros(windows.shape[:4])
    result[:] = windows.amax((-2, -1))
    return result


@max_pool2d.misconception(
    "The search for the largest value began at 0, so a window without a positive value gives 0. Begin with something "
    "that every value beats, or with a value of the window.")
def max_begins_at_zero(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding).clamp_min(0)


@max_pool2d.misconception(
    "Without a stride both directions moved by the kernel's height. A 4×3 window that tiles the picture moves 4 down "
    "and 3 to the right.")
def max_moves_by_the_height(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, _pair(kernel_size)[0] if stride is None else stride, padding)


@max_pool2d.misconception(
    "`view` works only where the numbers lie in memory in the order of the dimensions. `x` may be transposed, and then"
    " your code stops: `reshape` copies where it must.")
def max_needs_contiguous(x, kernel_size, stride=None, padding=0):
    pooled = F.max_pool2d(x.view(-1, 1, *x.shape[2:]), kernel_size, stride, padding)
    return pooled.view(*x.shape[:2], *pooled.shape[2:])


@max_pool2d.misconception(
    "The values are right, but the way back to `x` is lost: `.item()`, `.data`, `.detach()`, NumPy or "
    "torch.tensor(...) cut the graph, and a net in front of this layer would never learn.")
def max_cuts_the_graph(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x.detach(), kernel_size, stride, padding)


@max_pool2d.misconception(
    "The code counts on three channels, as in `range(3)`. There may be any number: ask `x.shape[1]`.")
def max_of_three_channels(x, kernel_size, stride=None, padding=0):
    return torch.cat([F.max_pool2d(x[:, channel:channel + 1], kernel_size, stride, padding) for channel in range(3)], 1)


@max_pool2d.misconception(
    "Nothing was padded where one of the two numbers of `padding` is 0, as by `if pH and pW`. The other direction "
    "still wants its border.")
def max_pads_only_where_both_are_given(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding if all(_pair(padding)) else 0)


@max_pool2d.misconception(
    "The two numbers of the stride are exchanged: the first one is the step downwards.")
def max_exchanges_the_stride(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, None if stride is None else _pair(stride)[::-1], padding)


@max_pool2d.misconception(
    "Height and width of the window are exchanged. `kernel_size` is (height, width).")
def max_exchanges_the_kernel(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return _windows(x, _pair(kernel_size)[::-1], stride, padding, fill=float("-inf")).amax((-2, -1))


@max_pool2d.misconception(
    "The value farthest from zero was kept, with its sign. The largest of −9 and 1 is 1: do not compare sizes without "
    "signs.")
def max_keeps_the_farthest_from_zero(x, kernel_size, stride=None, padding=0):
    flat = _windows(x, kernel_size, stride, padding).flatten(-2)
    return flat.gather(-1, flat.abs().argmax(-1, keepdim=True)).squeeze(-1)


@max_pool2d.misconception(
    "Every channel got the largest value of all channels. Each channel is pooled on its own.")
def max_of_all_channels_for_each(x, kernel_size, stride=None, padding=0):
    pooled = F.max_pool2d(x, kernel_size, stride, padding)
    return pooled.amax(1, keepdim=True).expand_as(pooled)


@max_pool2d.misconception(
    "All of the border was added at the bottom and right: the size is right, the windows are shifted. Half of it "
    "belongs to the top and left.")
def max_pads_at_the_end(x, kernel_size, stride=None, padding=0):
    ph, pw = _pair(padding)
    return _windows(F.pad(x, (0, 2 * pw, 0, 2 * ph), value=float("-inf")), kernel_size, stride).amax((-2, -1))


@max_pool2d.misconception(
    "`as_strided` was given steps that hold for a picture that lies in memory row after row. `x` need not: ask "
    "`x.stride()`.")
def max_assumes_a_contiguous_picture(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf")) if ph or pw else x
    n, c, h, w = x.shape
    shape = (n, c, (h - kh) // sh + 1, (w - kw) // sw + 1, kh, kw)
    return x.as_strided(shape, (c * h * w, h * w, w * sh, sw, w, 1)).amax((-2, -1))


@max_pool2d.misconception("The largest value was taken over the channels, too. Each channel keeps a picture of its "
                          "own.")
def mixes_channels(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding).amax(1)


@max_pool2d.misconception(
    "A number that is exactly 0 was taken for an empty place. Behind a ReLU half of the picture is 0, and belongs to "
    "it: whether a place is border does not depend on its value.")
def max_takes_zeros_for_the_border(x, kernel_size, stride=None, padding=0):
    windows = _windows(x, kernel_size, stride, padding)
    return windows.masked_fill(windows == 0, float("-inf")).amax((-2, -1))


@max_pool2d.misconception(
    "Where in its window the largest value stands came back (`argmax`, or the second result of `max`), not the value.")
def max_gives_the_places(x, kernel_size, stride=None, padding=0):
    return _windows(x, kernel_size, stride, padding, fill=float("-inf")).flatten(-2).argmax(-1)


@max_pool2d.misconception(
    "The search for the largest value began at a number that is merely very small, as −1e9. Where all values are "
    "smaller still, it wins. Begin with −∞, or with a value of the window.")
def max_begins_at_a_small_number(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride, padding).clamp_min(-1e9)


def _max_at(starts, x, kernel_size, stride, padding):
    """The largest value of what lies in the window, for every start in `starts(length, window, step, border)`."""
    kernel, border = _pair(kernel_size), _pair(padding)
    tops, lefts = (starts(length, *each) for length, *each in zip(
        x.shape[2:], kernel, _pair(kernel_size if stride is None else stride), border, strict=True))
    x = F.pad(x, (border[1], border[1], border[0], border[0]), value=float("-inf"))
    rows = [torch.stack([x[:, :, top:top + kernel[0], left:left + kernel[1]].amax((2, 3)) for left in lefts], -1)
            for top in tops]
    return torch.stack(rows, -2)


@max_pool2d.misconception(
    "A window was begun every `stride` pixels to the very end of the bordered picture, and the last ones are cut off "
    "there. Begin only where a whole window fits: up to H + 2·padding − kernel.")
def max_begins_windows_to_the_end(x, kernel_size, stride=None, padding=0):
    return _max_at(lambda length, window, step, border: range(0, length + 2 * border, step),
                   x, kernel_size, stride, padding)


@max_pool2d.misconception(
    "A window was begun at every `stride`-th of the H rows and W columns, whether it fits or not: some are cut off. "
    "Begin where a whole window fits, border and all.")
def max_begins_windows_by_the_pictures_size(x, kernel_size, stride=None, padding=0):
    return _max_at(lambda length, window, step, border: range(0, length, step), x, kernel_size, stride, padding)


@max_pool2d.misconception(
    "A window that ends just at the border's edge was left out. The last one may begin at H + 2·padding − kernel, and "
    "`range(0, H + 2·padding − kernel)` stops before.")
def max_stops_before_the_last_start(x, kernel_size, stride=None, padding=0):
    return _max_at(lambda length, window, step, border: range(0, length + 2 * border - window, step),
                   x, kernel_size, stride, padding)


@max_pool2d.misconception(
    "Your loop begins more windows than fit, and ran over the end of the result (IndexError). Loop over the places of "
    "the result: (size + 2·padding − kernel) // stride + 1 of them.")
def max_loops_over_more_than_fits(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    result = x.new_zeros(*x.shape[:2], (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1)
    for row in range(0, x.shape[2], sh):
        for column in range(0, x.shape[3], sw):
            result[:, :, row // sh, column // sw] = x[:, :, row:row + kh, column:column + kw].amax((2, 3))
    return result


@max_pool2d.misconception(
    "Of each pair only the second number was used, for both directions. Rows and columns have a kernel size, a stride "
    "and a padding of their own.")
def max_uses_the_second_of_a_pair(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return _windows(x, _pair(kernel_size)[1], _pair(stride)[1], _pair(padding)[1], float("-inf")).amax((-2, -1))


@max_pool2d.misconception(
    "Without a stride both directions moved by the kernel's width. A 4×3 window that tiles the picture moves 4 down "
    "and 3 to the right.")
def max_moves_by_the_width(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, _pair(kernel_size)[1] if stride is None else stride, padding)


@max_pool2d.misconception(
    "Of a pair for `stride` only the first number was used, for both directions. The first is the step downwards, the "
    "second the step to the right.")
def max_uses_the_first_of_the_stride(x, kernel_size, stride=None, padding=0):
    return F.max_pool2d(x, kernel_size, stride if stride is None else _pair(stride)[0], padding)


@max_pool2d.misconception(
    "Of a pair for `padding` only the first number was used, on all four sides. The first is for top and bottom, the "
    "second for left and right.")
def max_uses_the_first_of_the_padding(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, _pair(padding)[0], fill=float("-inf")).amax((-2, -1))


@max_pool2d.misconception(
    "The smallest value of each window was kept (`min` or `amin`). Max pooling keeps the largest.")
def max_keeps_the_smallest(x, kernel_size, stride=None, padding=0):
    return _windows(x, kernel_size, stride, padding, fill=float("-inf")).amin((-2, -1))


@max_pool2d.alternative
def max_window_by_window(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    padded = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    height, width = (padded.shape[2] - kh) // sh + 1, (padded.shape[3] - kw) // sw + 1
    found = [padded[:, :, row * sh:row * sh + kh, column * sw:column * sw + kw].flatten(2).max(2).values
             for row in range(height) for column in range(width)]
    return torch.stack(found, 2).reshape(*x.shape[:2], height, width)


@max_pool2d.alternative
def max_by_shifted_pictures(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    padded = x.new_full((*x.shape[:2], x.shape[2] + 2 * ph, x.shape[3] + 2 * pw), torch.finfo(x.dtype).min)
    padded[:, :, ph:ph + x.shape[2], pw:pw + x.shape[3]] = x
    height, width = (padded.shape[2] - kh) // sh + 1, (padded.shape[3] - kw) // sw + 1
    best = None
    for dy in range(kh):
        for dx in range(kw):
            shifted = padded[:, :, dy:dy + (height - 1) * sh + 1:sh, dx:dx + (width - 1) * sw + 1:sw]
            best = shifted if best is None else torch.maximum(best, shifted)
    return best


@max_pool2d.alternative
def max_by_im2col(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    padded = F.pad(x, (pw, pw, ph, ph), value=-torch.inf)
    columns = F.unfold(padded, (kh, kw), stride=(sh, sw)).unflatten(1, (x.shape[1], kh * kw))
    return columns.sort(2).values[:, :, -1].unflatten(-1, ((padded.shape[2] - kh) // sh + 1, -1))


@max_pool2d.alternative
def max_rows_then_columns(x, kernel_size, stride=None, padding=0):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    x = F.pad(x, (pw, pw, ph, ph), "constant", float("-inf")).contiguous()
    n, c, h, w = x.shape
    a, b, r, s = x.stride()
    x = x.as_strided((n, c, (h - kh) // sh + 1, w, kh), (a, b, r * sh, s, r)).amax(-1)
    return x.unfold(-1, kw, sw).amax(-1)


@max_pool2d.alternative
def repeats_the_edge(x, kernel_size, stride=None, padding=0):
    """A window holds whatever edge pixel its empty places repeat, for it hangs over by half its size at most."""
    (high, wide), (down, right) = _pair(kernel_size), _pair(kernel_size if stride is None else stride)
    height, width = _pair(padding)
    bordered = F.pad(x, (width, width, height, height), mode="replicate")
    return bordered.unfold(2, high, down).unfold(3, wide, right).amax((-2, -1))
