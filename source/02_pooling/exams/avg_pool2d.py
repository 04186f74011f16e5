"""How `avg_pool2d` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, but_for_scale, exercise, habits, ops

from .shared import _HOUSE_RULES, _pair, _windows


def _avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=count_include_pad)


@exercise(points=15, reference=_avg_pool2d, bans=ops.POOLING)
def avg_pool2d(impl, draw):
    def scaled(*args):
        return but_for_scale(impl(*args))

    yield aspect("values",
                 "Now keep each window's mean.",
                 lambda: [impl(draw.normal(2, channels, 8, 6), 2) for channels in (3, 1)])
    yield aspect("stride",
                 "The stride works as before: left out, it is the kernel's size.",
                 lambda: [scaled(draw.normal(2, 1, 9, 8), 3, 2), scaled(draw.normal(1, 2, 9, 12), 3),
                          scaled(draw.normal(2, 3, 8, 9), (4, 3))])
    yield aspect("border counts",
                 "By default the border's zeros count: the divisor is kH·kW in every window.",
                 lambda: impl(draw.normal(2, 3, 7, 9) + 2, 3, 2, 1))
    yield aspect("border left out",
                 "With `count_include_pad=False` the divisor is the number of places in the window that lie inside "
                 "the picture.",
                 lambda: [impl(draw.normal(2, 3, 7, 9) + 2, 3, 2, 1, False),
                          impl(draw.normal(2, 3, 6, 6) + 2, 4, 1, padding=2, count_include_pad=False)])
    yield aspect("true zeros",
                 "A zero that belongs to the picture counts like any other value, with either setting.",
                 lambda: [scaled(draw.normal(2, 3, 6, 6).clamp_min(0), 2, 1, 0, False),
                          scaled(draw.normal(2, 3, 7, 7).clamp_min(0), 3, 3, 0, True)])
    yield aspect("pairs",
                 "Here, too, `kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: [impl(draw.normal(2, 3, 8, 9), (3, 2), (2, 1), (1, 0)),
                          impl(draw.normal(2, 3, 7, 9), (2, 5), (1, 3), (0, 2), False),
                          impl(draw.normal(1, 2, 6, 7), (3, 2), 1, (1, 0), False)])
    yield habits(_HOUSE_RULES, impl, lambda: (draw.normal(2, 3, 6, 6), 2),
                 further=lambda: (draw.normal(1, 2, 7, 7), 3, 2, 1))


@avg_pool2d.misconception(
    "`count_include_pad` makes no difference in your code: the border's zeros are counted always. Set to False, "
    "divide by the places that lie inside the picture.")
def avg_always_counts_the_border(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding)


@avg_pool2d.misconception("The border was left out of the count although nobody asked for it. `count_include_pad` is "
                          "True unless it is given: the border's zeros count, and the divisor is always the same.")
def avg_never_counts_the_border(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=False)


@avg_pool2d.misconception(
    "`count_include_pad` works the wrong way round: True counts the border's zeros among the places, False leaves "
    "them out.")
def avg_turns_the_flag_round(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=not count_include_pad)


@avg_pool2d.misconception(
    "The divisor was found by counting the values that are not zero. A black pixel is zero and still belongs to the "
    "picture; whether a place is border does not depend on its value.")
def avg_counts_what_is_not_zero(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    windows = _windows(x, kernel_size, stride, padding)
    if count_include_pad:
        return windows.mean((-2, -1))
    return windows.sum((-2, -1)) / (windows != 0).sum((-2, -1))


@avg_pool2d.misconception(
    "Only the values that are not zero were counted, and where there was none you divided by 1. That hides the 0/0, "
    "but black pixels are still left out. Count places, not values.")
def avg_counts_what_is_not_zero_but_one_at_least(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    windows = _windows(x, kernel_size, stride, padding)
    if count_include_pad:
        return windows.mean((-2, -1))
    return windows.sum((-2, -1)) / (windows != 0).sum((-2, -1)).clamp_min(1)


@avg_pool2d.misconception(
    "With `count_include_pad=False` you did not pad at all, so windows are missing. The same windows hang over the "
    "border with either setting; only the divisor changes.")
def avg_does_not_pad_if_not_counted(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding if count_include_pad else 0)


@avg_pool2d.misconception(
    "With `count_include_pad=False` every window was divided by the same smaller number. A window in a corner has "
    "fewer places inside than one at an edge, and one in the middle has all.")
def avg_one_divisor_for_all(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    (kh, kw), (ph, pw) = _pair(kernel_size), _pair(padding)
    inside = kh * kw if count_include_pad else (kh - ph) * (kw - pw)
    return _windows(x, kernel_size, stride, padding).sum((-2, -1)) / inside


@avg_pool2d.misconception(
    "The border was padded with minus infinity. That suits a maximum; in a sum it swallows every other value. An "
    "average wants zeros there.")
def avg_pads_with_minus_infinity(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    windows = _windows(x, kernel_size, stride, padding, fill=float("-inf"))
    if count_include_pad:
        return windows.mean((-2, -1))
    inside = _windows(torch.ones_like(x), kernel_size, stride, padding).sum((-2, -1))
    return windows.sum((-2, -1)) / inside


@avg_pool2d.misconception(
    "The border repeats the outermost pixels. Pooling pads with zeros; whether those count is what "
    "`count_include_pad` decides.")
def avg_repeats_the_edge(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    ph, pw = _pair(padding)
    return _windows(F.pad(x, (pw, pw, ph, ph), "replicate"), kernel_size, stride).mean((-2, -1))


@avg_pool2d.misconception(
    "Your windows are summed, not averaged: nothing is divided.")
def avg_that_sums(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _windows(x, kernel_size, stride, padding).sum((-2, -1))


@avg_pool2d.misconception(
    "The sum was divided by kernel_size², the kernel's height squared. A window of kH × kW has kH·kW places.")
def avg_divides_by_the_square(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    kh, kw = _pair(kernel_size)
    return _avg_pool2d(x, kernel_size, stride, padding, count_include_pad) * kw / kh


@avg_pool2d.misconception(
    "Without a stride your window moves by 1. Pooling's default is the kernel's own size.")
def avg_moves_by_one(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, 1 if stride is None else stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "A last window that does not fit was kept, ceil where floor was asked. Count only the windows that fit.")
def avg_rounds_up(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding, True, count_include_pad)


@avg_pool2d.misconception(
    "One row and one column of means are missing at the end: the last window that fits was dropped. The formula ends "
    "in + 1.")
def avg_drops_the_last_window(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, stride, padding, count_include_pad)[:, :, :-1, :-1]


@avg_pool2d.misconception(
    "In your code the width comes first in a pair. It is (height, width): the first number is for the rows.")
def avg_swaps_height_and_width(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    stride = kernel_size if stride is None else stride
    return _avg_pool2d(x, _pair(kernel_size)[::-1], _pair(stride)[::-1], _pair(padding)[::-1], count_include_pad)


@avg_pool2d.misconception(
    "The zeros for the height were added to the width, and the other way round. `F.pad` starts at the last dimension: "
    "left, right, then top, bottom.")
def avg_pads_the_wrong_axis(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    stride, padding = kernel_size if stride is None else stride, _pair(padding)[::-1]
    sums = _windows(x, kernel_size, stride, padding).sum((-2, -1))
    if count_include_pad:
        kh, kw = _pair(kernel_size)
        return sums / (kh * kw)
    return sums / _windows(torch.ones_like(x), kernel_size, stride, padding).sum((-2, -1))


@avg_pool2d.misconception(
    "Every result is a sum over all channels. With a convolution, that needs one kernel a channel and "
    "`groups=channels`; otherwise each output channel adds up all input channels.")
def avg_adds_up_the_channels(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x.sum(1, keepdim=True).expand_as(x), kernel_size, stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "Averages were kept in a float32 tensor whatever came in. Make it with the dtype of `x`.")
def avg_in_a_float32_buffer(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, stride, padding, count_include_pad).float()


@avg_pool2d.misconception(
    "`view` was asked to merge dimensions of a tensor that is not contiguous, a transposed one for example, and that "
    "it cannot do. `reshape` can.")
def avg_needs_contiguous(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    pooled = _avg_pool2d(x.view(-1, 1, *x.shape[2:]), kernel_size, stride, padding, count_include_pad)
    return pooled.view(*x.shape[:2], *pooled.shape[2:])


@avg_pool2d.misconception(
    "The means are right, but autograd cannot follow how they came about: the graph was cut on the way, by `.item()`,"
    " `.detach()`, NumPy or torch.tensor(...).")
def avg_cuts_the_graph(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x.detach(), kernel_size, stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "The code counts on three channels, as in `range(3)`. There may be any number: ask `x.shape[1]`.")
def avg_of_three_channels(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return torch.cat([_avg_pool2d(x[:, channel:channel + 1], kernel_size, stride, padding, count_include_pad)
                      for channel in range(3)], 1)


@avg_pool2d.misconception(
    "Nothing was padded where one of the two numbers of `padding` is 0, as by `if pH and pW`. The other direction "
    "still wants its zeros.")
def avg_pads_only_where_both_are_given(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, stride, padding if all(_pair(padding)) else 0, count_include_pad)


@avg_pool2d.misconception(
    "The border mirrors the picture. Pooling pads with zeros; whether those count is what `count_include_pad` decides.")
def avg_mirrors_the_edge(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    ph, pw = _pair(padding)
    return _windows(F.pad(x, (pw, pw, ph, ph), "reflect"), kernel_size, stride).mean((-2, -1))


@avg_pool2d.misconception(
    "The two numbers of the stride are exchanged: the first one is the step downwards.")
def avg_exchanges_the_stride(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, None if stride is None else _pair(stride)[::-1], padding, count_include_pad)


@avg_pool2d.misconception(
    "With `count_include_pad=True` the sum was divided by kernel_size², with the height alone. A window of kH × kW has "
    "kH·kW places.")
def avg_divides_by_the_square_where_all_count(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    kh, kw = _pair(kernel_size)
    factor = kw / kh if count_include_pad else 1
    return _avg_pool2d(x, kernel_size, stride, padding, count_include_pad) * factor


@avg_pool2d.misconception("The median was taken: the number in the middle. A mean adds all numbers and divides by how "
                          "many there are.")
def takes_the_median(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _windows(x, kernel_size, stride, padding).flatten(-2).median(-1).values


@avg_pool2d.misconception(
    "`padding` was not used: your windows never hang over the border. The picture grows by `padding` on each of its "
    "four sides before the window moves.")
def avg_ignores_padding(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride)


@avg_pool2d.misconception("The largest value of each window was kept: that is max pooling. The task asks for the mean.")
def avg_keeps_the_largest(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _windows(x, kernel_size, stride, padding).amax((-2, -1))


def _avg_at(starts, x, kernel_size, stride, padding, count_include_pad, by_what_is_there=False):
    """The mean of what lies in the window, for every start in `starts(length, window, step, border)`."""
    kernel, border = _pair(kernel_size), _pair(padding)
    tops, lefts = (starts(length, *each) for length, *each in zip(
        x.shape[2:], kernel, _pair(kernel_size if stride is None else stride), border, strict=True))
    picture, inside = (F.pad(each, (border[1], border[1], border[0], border[0])) for each in (x, torch.ones_like(x)))

    def mean(top, left):
        window, places = (each[:, :, top:top + kernel[0], left:left + kernel[1]] for each in (picture, inside))
        if not count_include_pad:
            return window.sum((2, 3)) / places.sum((2, 3))
        return window.mean((2, 3)) if by_what_is_there else window.sum((2, 3)) / (kernel[0] * kernel[1])

    return torch.stack([torch.stack([mean(top, left) for left in lefts], -1) for top in tops], -2)


@avg_pool2d.misconception(
    "A window was begun every `stride` pixels to the very end of the bordered picture, and the last ones are cut off "
    "there. Begin only where a whole window fits: up to H + 2·padding − kernel.")
def avg_begins_windows_to_the_end(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_at(lambda length, window, step, border: range(0, length + 2 * border, step),
                   x, kernel_size, stride, padding, count_include_pad, by_what_is_there=True)


@avg_pool2d.misconception(
    "Windows were begun every `stride` pixels to the very end of the picture; the last ones are cut off, and yet were "
    "divided by kH·kW. Begin only where a whole window fits.")
def avg_begins_windows_to_the_end_and_divides_by_all(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_at(lambda length, window, step, border: range(0, length + 2 * border, step),
                   x, kernel_size, stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "A window was begun at every `stride`-th of the H rows and W columns, whether it fits or not: some are cut off. "
    "Begin where a whole window fits, border and all.")
def avg_begins_windows_by_the_pictures_size(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_at(lambda length, window, step, border: range(0, length, step),
                   x, kernel_size, stride, padding, count_include_pad, by_what_is_there=True)


@avg_pool2d.misconception(
    "A window that ends just at the border's edge was left out. The last one may begin at H + 2·padding − kernel, and "
    "`range(0, H + 2·padding − kernel)` stops before.")
def avg_stops_before_the_last_start(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_at(lambda length, window, step, border: range(0, length + 2 * border - window, step),
                   x, kernel_size, stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "Your loop begins more windows than fit, and ran over the end of the result (IndexError). Loop over the places of "
    "the result: (size + 2·padding − kernel) // stride + 1 of them.")
def avg_loops_over_more_than_fits(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    x = F.pad(x, (pw, pw, ph, ph))
    result = x.new_zeros(*x.shape[:2], (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1)
    for row in range(0, x.shape[2], sh):
        for column in range(0, x.shape[3], sw):
            result[:, :, row // sh, column // sw] = x[:, :, row:row + kh, column:column + kw].mean((2, 3))
    return result


@avg_pool2d.misconception(
    "The output has H // stride rows, as if every pixel could start a window. The last window must still fit: the "
    "kernel's size belongs in the formula.")
def avg_forgets_the_kernel_in_the_size(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_at(lambda length, window, step, border: range(0, (length + 2 * border) // step * step, step),
                   x, kernel_size, stride, padding, count_include_pad, by_what_is_there=True)


@avg_pool2d.misconception(
    "The stride was ignored: the picture was cut into tiles as large as the kernel. Where a stride is given, the "
    "window moves by that, and windows overlap or leave gaps.")
def avg_cuts_into_tiles(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, None, padding, count_include_pad)


@avg_pool2d.misconception(
    "Without a stride your window always moves by 2. Two is right for a 2×2 window alone: the stride is the kernel's "
    "size.")
def avg_moves_by_two(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, 2 if stride is None else stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "Without a stride both directions moved by the kernel's height. A 4×3 window that tiles the picture moves 4 down "
    "and 3 to the right.")
def avg_moves_by_the_height(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return _avg_pool2d(x, kernel_size, _pair(kernel_size)[0] if stride is None else stride, padding, count_include_pad)


@avg_pool2d.misconception(
    "Of each pair only the first number was used, for both directions. Rows and columns have a kernel size, a stride "
    "and a padding of their own.")
def avg_uses_the_first_of_a_pair(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    kernel_size, stride, padding = (_pair(each)[0] for each in (
        kernel_size, kernel_size if stride is None else stride, padding))
    sums = _windows(x, kernel_size, stride, padding).sum((-2, -1))
    if count_include_pad:
        return sums / kernel_size**2
    return sums / _windows(torch.ones_like(x), kernel_size, stride, padding).sum((-2, -1))


@avg_pool2d.misconception(
    "Height and width of the window are exchanged. `kernel_size` is (height, width).")
def avg_exchanges_the_kernel(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    stride, (kw, kh) = kernel_size if stride is None else stride, _pair(kernel_size)
    sums = _windows(x, (kh, kw), stride, padding).sum((-2, -1))
    if count_include_pad:
        return sums / (kh * kw)
    return sums / _windows(torch.ones_like(x), (kh, kw), stride, padding).sum((-2, -1))


@avg_pool2d.misconception(
    "The border counts at the top and left alone: it was added only there, or the size has `padding` once. It goes on "
    "all four sides; the formula for the size has 2·padding.")
def avg_pads_one_side(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    ph, pw = _pair(padding)
    picture, inside = (F.pad(each, (pw, 0, ph, 0)) for each in (x, torch.ones_like(x)))
    windows = _windows(picture, kernel_size, stride)
    if count_include_pad:
        return windows.mean((-2, -1))
    return windows.sum((-2, -1)) / _windows(inside, kernel_size, stride).sum((-2, -1))


@avg_pool2d.misconception(
    "All of the border was added at the bottom and right: the size is right, the windows are shifted. Half of it "
    "belongs to the top and left.")
def avg_pads_at_the_end(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    ph, pw = _pair(padding)
    picture, inside = (F.pad(each, (0, 2 * pw, 0, 2 * ph)) for each in (x, torch.ones_like(x)))
    windows = _windows(picture, kernel_size, stride)
    if count_include_pad:
        return windows.mean((-2, -1))
    return windows.sum((-2, -1)) / _windows(inside, kernel_size, stride).sum((-2, -1))


@avg_pool2d.misconception(
    "The sum was divided by the kernel's height alone (`kernel_size`, not its square). A window of kH × kW has kH·kW "
    "places.")
def avg_divides_by_one_side(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    factor = _pair(kernel_size)[1] if count_include_pad else 1
    return _avg_pool2d(x, kernel_size, stride, padding, count_include_pad) * factor


@avg_pool2d.alternative
def avg_window_by_window(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    h, w = x.shape[2:]
    rows = []
    for top in range(-ph, h + ph - kh + 1, sh):
        row = []
        for left in range(-pw, w + pw - kw + 1, sw):
            inside = x[:, :, max(top, 0):top + kh, max(left, 0):left + kw]
            places = kh * kw if count_include_pad else inside.shape[2] * inside.shape[3]
            row.append(inside.sum((2, 3)) / places)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


@avg_pool2d.alternative
def avg_as_convolution(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    kh, kw = _pair(kernel_size)
    stride, channels = kernel_size if stride is None else stride, x.shape[1]
    sums = F.conv2d(x, x.new_ones(channels, 1, kh, kw), None, stride, padding, groups=channels)
    if count_include_pad:
        return sums / (kh * kw)
    return sums / F.conv2d(x.new_ones(1, 1, *x.shape[2:]), x.new_ones(1, 1, kh, kw), None, stride, padding)


@avg_pool2d.alternative
def avg_by_running_sums(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)

    def sums(picture):
        total = F.pad(picture.double(), (pw + 1, pw, ph + 1, ph)).cumsum(2).cumsum(3)
        total = total[:, :, kh:] - total[:, :, :-kh]
        return (total[..., kw:] - total[..., :-kw])[:, :, ::sh, ::sw]

    places = sums(torch.ones_like(x)) if not count_include_pad else kh * kw
    return (sums(x) / places).to(x.dtype)


@avg_pool2d.alternative
def avg_by_einsum(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    windows = _windows(x, kernel_size, stride, padding)
    if count_include_pad:
        return windows.mean((-2, -1))
    places = _windows(torch.ones_like(x), kernel_size, stride, padding)
    return torch.einsum("nchwij->nchw", windows) / torch.einsum("nchwij->nchw", places)
