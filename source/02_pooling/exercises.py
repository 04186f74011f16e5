"""How the exercises of chapter 2 are examined: pooling, its gradient, and three ways back up."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops
from convcraft.exam.ops import unwatched  # not `ops.unwatched`: cloudpickle would take `torch.ops` along

_HABITS = ("As always, `x` stays as it was and need not be contiguous, float64 in gives float64 out, and gradients "
           "flow through.")


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _windows(x, kernel_size, stride=None, padding=0, fill=0.0):
    """All windows, (N, C, H', W', kH, kW)."""
    (kh, kw), (sh, sw), (ph, pw) = _pair(kernel_size), _pair(kernel_size if stride is None else stride), _pair(padding)
    return F.pad(x, (pw, pw, ph, ph), value=fill).unfold(2, kh, sh).unfold(3, kw, sw)


# 2.1 max_pool2d ------------------------------------------------------------------------------------------------------


@exercise(points=15, reference=F.max_pool2d, bans=ops.POOLING)
def max_pool2d(impl, draw):
    yield aspect("values",
                 "Slide a window over each channel and keep its largest value.",
                 lambda: impl(draw.normal(2, 3, 8, 6) - 1, 2))
    yield aspect("stride",
                 "The stride is how far the window moves: less than the kernel, windows overlap; more, they leave "
                 "gaps.",
                 lambda: [impl(draw.uniform(2, 3, 7, 8), 3, 1), impl(draw.uniform(2, 3, 8, 11), 2, stride=3)])
    yield aspect("default stride",
                 "Without a stride, windows do not overlap: the stride is the kernel's size.",
                 lambda: [impl(draw.uniform(2, 3, 9, 12), 3), impl(draw.uniform(2, 3, 8, 9), (4, 3))])
    yield aspect("leftover",
                 "A last window that does not fit is left out.",
                 lambda: impl(draw.uniform(2, 3, 8, 9), 3, 2))
    yield aspect("pairs",
                 "`kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: [impl(draw.uniform(2, 3, 8, 9, low=1, high=2), (3, 2), (2, 1), (1, 0)),
                          impl(draw.uniform(2, 3, 7, 8, low=1, high=2), 3, (1, 2), padding=(0, 1))])
    yield aspect("border",
                 "An empty place never wins, however small the numbers in the window are.",
                 lambda: [impl(draw.normal(2, 3, 7, 9) - 5, 3, 2, 1),
                          impl((draw.normal(2, 3, 6, 6) - 7) * 1e12, 2, 2, 1)])
    yield habits(_HABITS, impl, lambda: (draw.distinct(2, 3, 6, 6) - 1, 2))


@max_pool2d.misconception(
    "The border was padded with zeros. A maximum needs minus infinity there: where a window holds only negative "
    "values, your zero wins.")
def pads_max_with_zeros(x, kernel_size, stride=None, padding=0):
    return _windows(x, kernel_size, stride, padding).amax((-2, -1))


@max_pool2d.misconception(
    "The border was padded with a number that is merely very small, such as −1e9. Somewhere values are smaller still,"
    " and then the padding wins. One float is below all others.")
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
    "The border was added on the top and left alone. Padding goes on all four sides, so the formula for the output's "
    "size has 2·padding in it.")
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


# 2.2 avg_pool2d ------------------------------------------------------------------------------------------------------


def _avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    return F.avg_pool2d(x, kernel_size, stride, padding, count_include_pad=count_include_pad)


@exercise(points=15, reference=_avg_pool2d, bans=ops.POOLING)
def avg_pool2d(impl, draw):
    yield aspect("values",
                 "Now keep each window's mean.", lambda: impl(draw.normal(2, 3, 8, 6), 2))
    yield aspect("stride",
                 "The stride works as before: left out, it is the kernel's size.",
                 lambda: [impl(draw.normal(2, 3, 9, 8), 3, 2), impl(draw.normal(2, 3, 9, 12), 3),
                          impl(draw.normal(2, 3, 8, 9), (4, 3))])
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
                 lambda: [impl(draw.normal(2, 3, 6, 6).clamp_min(0), 2, 1, 0, False),
                          impl(draw.normal(2, 3, 7, 7).clamp_min(0), 3, 3, 0, True)])
    yield aspect("pairs",
                 "Here, too, `kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: [impl(draw.normal(2, 3, 8, 9), (3, 2), (2, 1), (1, 0)),
                          impl(draw.normal(2, 3, 7, 9), (2, 5), (1, 3), (0, 2), False)])
    yield habits(_HABITS, impl, lambda: (draw.normal(2, 3, 6, 6), 2))


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


# 2.3 avg_pool_kernel -------------------------------------------------------------------------------------------------


def _avg_pool_kernel(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / (kh * kw))


def _as_a_layer(x, weight):
    """What the convolution gives, or `weight` itself where it is none."""
    return F.conv2d(x, weight, stride=(3, 2), groups=4) if isinstance(weight, torch.Tensor) else weight


@exercise(points=6, reference=_avg_pool_kernel)
def avg_pool_kernel(impl, draw):
    yield aspect("weight",
                 "Write `avg_pool_kernel(channels, kernel_size)`: the float32 weight, of shape (channels, 1, kH, kW),"
                 " with which `F.conv2d` averages each channel over a window.",
                 lambda: [impl(int(draw.integers(3, 7)), 3), impl(1, 2)])
    yield aspect("pairs",
                 "`kernel_size` is a number or a pair (height, width) again.",
                 lambda: impl(int(draw.integers(2, 5)), (3, 5)))
    yield aspect("as a layer",
                 "With `groups=channels` and the pooling's stride, the convolution gives what average pooling gives.",
                 lambda: _as_a_layer(draw.normal(2, 4, 7, 9), impl(4, (3, 2))))


@avg_pool_kernel.misconception(
    "Your weights are ones, so the convolution sums. A mean gives each place in the window its equal share.")
def kernel_of_ones(channels, kernel_size):
    return torch.ones(channels, 1, *_pair(kernel_size))


@avg_pool_kernel.misconception(
    "The weight has a kernel for every pair of channels and mixes them. Depthwise means one kernel a channel: the "
    "weight's second dimension is in_channels / groups = 1.")
def kernel_that_mixes_channels(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, channels, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "The weight is (channels, channels, kH, kW) with zeros between different channels. As a dense layer that would "
    "average rightly; a depthwise one leaves those zeros out.")
def kernel_dense_with_zeros(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.eye(channels)[:, :, None, None].expand(-1, -1, kh, kw) / (kh * kw)


@avg_pool_kernel.misconception(
    "The weight's first two dimensions changed places. They are (out_channels, in_channels / groups), here (channels,"
    " 1).")
def kernel_with_axes_swapped(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((1, channels, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "The share was divided by the number of channels, too. Each channel is averaged on its own, so only the window's "
    "places count.")
def kernel_divides_by_channels(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / (channels * kh * kw))


@avg_pool_kernel.misconception(
    "The share is 1/kH². In a window that is not square there are kH·kW places.")
def kernel_divides_by_the_square(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / kh**2)


@avg_pool_kernel.misconception(
    "Every weight is ¼, whatever the kernel's size. That is the share in a window of four places; a 3×3 window has "
    "nine.")
def kernel_of_quarters(channels, kernel_size):
    return torch.full((channels, 1, *_pair(kernel_size)), 0.25)


@avg_pool_kernel.misconception(
    "The kernel lies on its side: you made it kW × kH. A pair is (height, width), and so are the last two dimensions "
    "of a weight.")
def kernel_on_its_side(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kw, kh), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "Your weight is float64. A convolution wants picture and weight of one dtype, and pictures here are float32.")
def kernel_of_doubles(channels, kernel_size):
    return _avg_pool_kernel(channels, kernel_size).double()


@avg_pool_kernel.misconception(
    "Only the middle of the kernel has a weight, so the convolution copies one pixel of each window. The mean needs "
    "them all, equally.")
def kernel_that_picks_the_middle(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    weight = torch.zeros(channels, 1, kh, kw)
    weight[:, :, kh // 2, kw // 2] = 1
    return weight


@avg_pool_kernel.alternative
def kernel_from_ones(channels, kernel_size):
    weight = torch.ones(channels, 1, *_pair(kernel_size))
    return weight / weight[0].numel()


@avg_pool_kernel.alternative
def kernel_by_expanding(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.tensor(1 / kh / kw).expand(channels, 1, kh, kw)


@avg_pool_kernel.alternative
def kernel_as_what_pooling_does_to_impulses(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    impulses = torch.eye(kh * kw).reshape(kh * kw, 1, kh, kw)
    return F.avg_pool2d(impulses, (kh, kw)).reshape(1, 1, kh, kw).repeat(channels, 1, 1, 1)


# 2.4 global_avg_pool2d -----------------------------------------------------------------------------------------------


def _global_avg_pool2d(x):
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


@exercise(points=6, reference=_global_avg_pool2d, bans=ops.POOLING)
def global_avg_pool2d(impl, draw):
    yield aspect("values",
                 "Average each channel over all its pixels: (N, C, H, W) becomes (N, C).",
                 lambda: impl((draw.normal(2, 3, 6, 4) + 1).clamp_min(0)))
    yield aspect("any size",
                 "Height and width may be anything, one pixel included.",
                 lambda: [impl(draw.normal(2, 3, height, width)) for height, width in ((7, 7), (1, 5), (9, 2), (1, 1))])
    yield aspect("single",
                 "A batch of one picture stays a batch, and a single channel stays a channel.",
                 lambda: [impl(draw.normal(1, 4, 5, 3)), impl(draw.normal(3, 1, 2, 6)), impl(draw.normal(1, 1, 3, 3))])
    yield aspect("transposed",
                 "A transposed picture, whose rows do not lie side by side in memory, is averaged like any other.",
                 lambda: impl(draw.normal(2, 3, 4, 5).mT))
    yield habits(_HABITS, impl, lambda: (draw.normal(2, 3, 5, 4),))


@global_avg_pool2d.misconception(
    "Two dimensions of size 1 are left over: yours is (N, C, 1, 1). A linear layer wants (N, C).")
def global_keeps_two_dimensions(x):
    return x.mean((2, 3), keepdim=True)


@global_avg_pool2d.misconception(
    "`squeeze()` drops every dimension of size 1, so a batch of one loses its batch dimension. Name the dimensions "
    "that should go.")
def global_squeezes(x):
    return x.mean((2, 3), keepdim=True).squeeze()


@global_avg_pool2d.misconception(
    "The channels were averaged together. Each of the C channels keeps an average of its own.")
def global_mixes_channels(x):
    return x.mean((1, 2, 3))


@global_avg_pool2d.misconception(
    "The pictures of the batch were averaged together. Each of the N pictures keeps averages of its own.")
def global_mixes_pictures(x):
    return x.mean((0, 2, 3))


@global_avg_pool2d.misconception(
    "The pixels were summed and never divided: a larger picture would give larger numbers.")
def global_sums(x):
    return x.sum((2, 3))


@global_avg_pool2d.misconception(
    "The sum was divided by H². The number of pixels is H·W; the two agree on square pictures alone.")
def global_divides_by_the_square(x):
    return x.sum((2, 3)) / x.shape[2] ** 2


@global_avg_pool2d.misconception(
    "The largest pixel of each channel was kept: that is global max pooling. The task asks for the mean.")
def global_takes_the_maximum(x):
    return x.amax((2, 3))


@global_avg_pool2d.misconception(
    "You averaged down the columns alone: one number a column is left, and the shape is (N, C, W). Both H and W must "
    "go.")
def global_averages_one_direction(x):
    return x.mean(2)


@global_avg_pool2d.misconception(
    "You averaged along the rows alone: one number a row is left, and the shape is (N, C, H). Average over the height,"
    " too.")
def global_averages_the_rows_alone(x):
    return x.mean(3)


@global_avg_pool2d.misconception(
    "The sum was divided by how many pixels are not zero. A black pixel is a pixel: it counts in a mean.")
def global_leaves_out_zeros(x):
    return x.sum((2, 3)) / (x != 0).sum((2, 3))


@global_avg_pool2d.misconception(
    "`view` cannot flatten a tensor whose numbers do not lie side by side in memory. `reshape` and `flatten` can, and"
    " a reduction over two dimensions needs neither.")
def global_needs_contiguous(x):
    return x.view(x.shape[0], x.shape[1], -1).mean(2)


@global_avg_pool2d.misconception(
    "The averages are right, but the graph back to `x` is cut: no gradient would reach the net in front. Look for "
    "`.detach()`, `.data`, `.item()` or torch.tensor(...).")
def global_cuts_the_graph(x):
    return x.detach().mean((2, 3))


@global_avg_pool2d.misconception(
    "The averages come out as float32 even where float64 went in. Leave the dtype as it comes.")
def global_in_float32(x):
    return x.float().mean((2, 3))


@global_avg_pool2d.alternative
def global_by_flattening(x):
    return x.flatten(2).mean(-1)


@global_avg_pool2d.alternative
def global_by_einsum(x):
    return torch.einsum("nchw->nc", x) / (x.shape[2] * x.shape[3])


@global_avg_pool2d.alternative
def global_twice(x):
    return x.mean(-1).mean(-1)


@global_avg_pool2d.alternative
def global_picture_by_picture(x):
    return torch.stack([torch.stack([channel.double().mean().to(x.dtype) for channel in picture]) for picture in x])


# 2.5 max_pool2d_backward ---------------------------------------------------------------------------------------------


def _places(x, kernel_size, stride=None):
    """Where each window's first maximum is, as an index into the flattened picture: (N, C, H', W')."""
    height, width = x.shape[2:]
    index = torch.arange(height * width).reshape(1, 1, height, width).expand_as(x)
    inside = _windows(x, kernel_size, stride).flatten(-2).argmax(-1, keepdim=True)
    return _windows(index, kernel_size, stride, fill=0).flatten(-2).gather(-1, inside).squeeze(-1)


def _max_pool2d_backward(grad_out, x, kernel_size, stride=None):
    places = _places(x, kernel_size, stride)
    return torch.zeros_like(x).flatten(2).scatter_add(2, places.flatten(2), grad_out.flatten(2)).reshape(x.shape)


@exercise(points=16, reference=_max_pool2d_backward, bans=ops.POOLING | ops.AUTOGRAD)
def max_pool2d_backward(impl, draw):
    yield aspect("values",
                 "Each number in `grad_out` goes to the pixel that was its window's maximum; every other pixel gets "
                 "0.",
                 lambda: impl(draw.normal(2, 3, 4, 3), draw.distinct(2, 3, 8, 6), 2))
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
    yield habits("`grad_out` and `x` stay as they were and need not be contiguous; float64 in gives float64 out.", impl,
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


# 2.6 upsample_nearest ------------------------------------------------------------------------------------------------


def _upsample_nearest(x, scale_factor):
    return F.interpolate(x, scale_factor=scale_factor, mode="nearest")


@exercise(points=8, reference=_upsample_nearest, bans=ops.UPSAMPLING)
def upsample_nearest(impl, draw):
    yield aspect("twice",
                 "Every pixel becomes a square of scale_factor × scale_factor equal pixels.",
                 lambda: impl(draw.normal(2, 3, 4, 5), 2))
    yield aspect("other factors",
                 "`scale_factor` is a whole number, the same in both directions, and may be 1.",
                 lambda: [impl(draw.normal(*shape), factor)
                          for shape, factor in (((2, 3, 3, 4), 3), ((1, 2, 2, 3), 5), ((2, 2, 3, 2), 1))])
    yield aspect("thin pictures",
                 "A picture of one row, one column or one pixel works like any other.",
                 lambda: [impl(draw.normal(*shape), factor)
                          for shape, factor in (((2, 1, 1, 4), 3), ((1, 3, 4, 1), 2), ((2, 2, 1, 1), 4))])
    yield habits(_HABITS, impl, lambda: (draw.normal(2, 3, 3, 4), 2))


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


# 2.7 upsample_bilinear -----------------------------------------------------------------------------------------------


def _upsample_bilinear(x, scale_factor, align_corners=False):
    return F.interpolate(x, scale_factor=scale_factor, mode="bilinear", align_corners=align_corners)


def _inside(result, scale_factor):
    """The result without its border, where no coordinate lies outside the outermost centres."""
    edge = slice(scale_factor, -scale_factor)
    return result[:, :, edge, edge] if isinstance(result, torch.Tensor) and result.ndim == 4 else result


@exercise(points=18, reference=_upsample_bilinear, bans=ops.UPSAMPLING)
def upsample_bilinear(impl, draw):
    yield aspect("half-pixel centres",
                 "By default pixel i of the result looks at the source coordinate (i + ½) / scale_factor − ½.",
                 lambda: [_inside(impl(draw.normal(2, 3, 5, 6), 2), 2), _inside(impl(draw.normal(2, 2, 6, 4), 3), 3)])
    yield aspect("one line",
                 "Between two neighbours the value changes in a straight line: at coordinate 2.25 it is ¾ of pixel 2 "
                 "plus ¼ of pixel 3.",
                 lambda: _inside(impl(draw.normal(2, 2, 4, 5), 4), 4))
    yield aspect("border",
                 "A coordinate outside the first or last centre gets that pixel's value: nothing is extrapolated.",
                 lambda: [impl(draw.normal(2, 2, 3, 3) + 4, 4), impl(draw.normal(2, 2, 2, 2) + 4, 5)])
    yield aspect("aligned corners",
                 "With `align_corners=True` pixel i looks at i · (H − 1) / (H·scale_factor − 1), so the first and "
                 "last pixels of both pictures coincide.",
                 lambda: [impl(draw.normal(2, 3, 4, 5), 2, True), impl(draw.normal(2, 2, 5, 3), 3, align_corners=True)])
    yield aspect("thin pictures",
                 "A picture of one row, one column or one pixel works with both settings, and so does the factor 1.",
                 lambda: [impl(draw.normal(2, 2, height, width), factor, corners) for corners in (False, True)
                          for height, width, factor in ((1, 4, 3), (5, 1, 2), (1, 1, 2), (1, 2, 1))])
    yield aspect("precision",
                 "A float64 picture is computed in float64 throughout: coordinates and weights have the dtype of `x`.",
                 lambda: [impl(draw.normal(2, 2, 4, 5).double(), 3), impl(draw.normal(1, 2, 5, 4).double(), 3, True)])
    yield habits(_HABITS, impl, lambda: (draw.normal(2, 3, 4, 5), 2))


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


# 2.8 conv_transpose2d ------------------------------------------------------------------------------------------------


def _conv_transpose2d(x, weight, stride=1, padding=0):
    return F.conv_transpose2d(x, weight, None, stride, padding)


def _adjoint(impl, draw):
    """⟨conv2d(y, weight), x⟩ and ⟨y, conv_transpose2d(x, weight)⟩, which are one number, and the shape that it takes.

    A result of another shape than `y` has no such number; then the shape speaks, not an error in the exam's own line.
    """
    seen = []
    for stride, padding in ((1, 0), (2, 1), ((1, 3), (2, 0))):
        weight, y = draw.normal(3, 2, 3, 3).double(), draw.normal(2, 2, 7, 9).double()
        with unwatched():
            forward = F.conv2d(y, weight, None, stride, padding)
        x = torch.ones_like(forward) + draw.normal(*forward.shape).double()
        stamped = impl(x, weight, stride, padding)
        if not isinstance(stamped, torch.Tensor):
            return stamped
        product = y * stamped if stamped.shape == y.shape else stamped
        seen += [(forward * x).sum(), torch.zeros(stamped.shape), product.double().sum()]
    return seen


@exercise(points=16, reference=_conv_transpose2d, bans=ops.CONVOLUTION)
def conv_transpose2d(impl, draw):
    yield aspect("stamps",
                 "Every pixel of `x` stamps the kernel, times its value, onto the result; where stamps overlap they "
                 "add.",
                 lambda: impl(draw.normal(2, 1, 4, 5), draw.normal(1, 1, 3, 3)))
    yield aspect("channels",
                 "Every input channel adds to every output channel.",
                 lambda: impl(draw.normal(2, 3, 4, 5), draw.normal(3, 3, 3, 3)))
    yield aspect("weight",
                 "The weight has shape (in_channels, out_channels, kH, kW).",
                 lambda: [impl(draw.normal(2, 3, 4, 5), draw.normal(3, 2, 2, 3)),
                          impl(draw.normal(1, 1, 3, 3), draw.normal(1, 4, 2, 2))])
    yield aspect("stride",
                 "With stride s the stamps are s apart: H′ = (H − 1)·s + kH without padding.",
                 lambda: [impl(draw.normal(2, 1, 4, 5), draw.normal(1, 1, 3, 3), 2),
                          impl(draw.normal(2, 1, 3, 4), draw.normal(1, 1, 2, 2), stride=3)])
    yield aspect("padding",
                 "Padding does the opposite of what it does in a convolution: `padding` rows and columns are cut off "
                 "at each side.",
                 lambda: [impl(draw.normal(2, 1, 4, 5), draw.normal(1, 1, 4, 4), 2, 1),
                          impl(draw.normal(2, 1, 5, 4), draw.normal(1, 1, 3, 3), padding=2)])
    yield aspect("pairs",
                 "`stride` and `padding` are a number or a pair (height, width); the kernel need not be square.",
                 lambda: [impl(draw.normal(2, 1, 4, 3), draw.normal(1, 1, 3, 5), (1, 3), (0, 2)),
                          impl(draw.normal(2, 1, 3, 4), draw.normal(1, 1, 4, 2), (2, 1), (1, 0))])
    yield aspect("adjoint",
                 "For every y, the sum of conv2d(y, weight) · x equals the sum of y · conv_transpose2d(x, weight), "
                 "stride and padding alike.",
                 lambda: _adjoint(impl, draw), rtol=1e-4, atol=1e-3)
    yield habits("`x` and `weight` stay as they were and need not be contiguous, float64 in gives float64 out, and "
                 "gradients flow to both.", impl,
                 lambda: (draw.normal(2, 1, 3, 4), draw.normal(1, 1, 3, 3), 2))


def _stamped(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (h, w) = weight.shape[2:], x.shape[2:]
    result = x.new_zeros(x.shape[0], weight.shape[1], (h - 1) * sh + kh, (w - 1) * sw + kw)
    for i in range(kh):
        for j in range(kw):
            result[:, :, i:i + (h - 1) * sh + 1:sh, j:j + (w - 1) * sw + 1:sw] += torch.einsum(
                "nihw,io->nohw", x, weight[:, :, i, j])
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "The weight's first two axes were read as a convolution's, (out, in). Here they are (in, out): the first one is "
    "summed over.")
def stamps_with_axes_swapped(x, weight, stride=1, padding=0):
    return _stamped(x, weight.transpose(0, 1), stride, padding)


@conv_transpose2d.misconception(
    "Where stamps overlap, the last one replaced the others. Overlapping stamps add up.")
def stamps_overwrite(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (h, w) = weight.shape[2:], x.shape[2:]
    result = x.new_zeros(x.shape[0], weight.shape[1], (h - 1) * sh + kh, (w - 1) * sw + kw)
    for i in range(h):
        for j in range(w):
            stamp = torch.einsum("ni,ioab->noab", x[:, :, i, j], weight)
            result[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] = stamp
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "Your kernel is upside down. If you put zeros between the pixels and slide the kernel over them, turn it by 180° "
    "first: a stamp shows the kernel as it is.")
def stamps_upside_down(x, weight, stride=1, padding=0):
    return _stamped(x, weight.flip(2, 3), stride, padding)


@conv_transpose2d.misconception(
    "The result grew by the padding. In a transposed convolution padding takes away: cut `padding` rows and columns "
    "off each side.")
def stamps_pad_the_result(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return F.pad(_stamped(x, weight, stride), (pw, pw, ph, ph))


@conv_transpose2d.misconception(
    "`padding` was not used: nothing is cut off the result.")
def stamps_ignore_padding(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride)


@conv_transpose2d.misconception(
    "The padding was cut off at the top and left alone. Cut it off at all four sides.")
def stamps_cut_one_side(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return _stamped(x, weight, stride)[:, :, ph:, pw:]


@conv_transpose2d.misconception(
    "All of the padding was cut off at the bottom and right: the size is right, the picture is shifted. Half of it "
    "belongs to the top and left.")
def stamps_cut_at_the_end(x, weight, stride=1, padding=0):
    (ph, pw), result = _pair(padding), _stamped(x, weight, stride)
    return result[:, :, :result.shape[2] - 2 * ph, :result.shape[3] - 2 * pw]


@conv_transpose2d.misconception(
    "The canvas has s rows and columns too many, which no stamp reaches: H·s + kH instead of (H − 1)·s + kH. Between H"
    " stamps there are H − 1 steps.")
def stamps_on_too_large_a_canvas(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    result = F.pad(_stamped(x, weight, stride), (0, sw, 0, sh))
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "With padding 0 your result is empty: −0 is 0, so the slice [0:−0] ends where it starts. Count the end from the "
    "front, as size − padding.")
def stamps_cut_to_minus_zero(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return _stamped(x, weight, stride)[:, :, ph:-ph, pw:-pw]


@conv_transpose2d.misconception(
    "The input was padded before stamping. Padding is about the result: it is cut off afterwards, `padding` on each "
    "side.")
def stamps_pad_the_input(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return _stamped(F.pad(x, (pw, pw, ph, ph)), weight, stride)


@conv_transpose2d.misconception(
    "The result is H·s long. The last stamp hangs over by the kernel's rest: the size is (H − 1)·s + kH, less the "
    "padding.")
def stamps_cut_to_the_stride(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    result = _stamped(x, weight, stride)[:, :, ph:, pw:]
    return result[:, :, :x.shape[2] * sh, :x.shape[3] * sw]


@conv_transpose2d.misconception(
    "Your stamps are s + 1 apart: s zeros stand between neighbouring pixels. Stride s leaves s − 1 places free "
    "between them.")
def stamps_one_too_far_apart(x, weight, stride=1, padding=0):
    sh, sw = _pair(stride)
    return _stamped(x, weight, (sh + 1, sw + 1), padding)


@conv_transpose2d.misconception(
    "The stride was ignored: your stamps are one pixel apart, so the picture hardly grows. Their corners lie at "
    "multiples of s.")
def stamps_without_stride(x, weight, stride=1, padding=0):
    return _stamped(x, weight, 1, padding)


@conv_transpose2d.misconception(
    "With a stride each pixel was repeated and stamped s × s times. It stamps once; between the stamps' corners there"
    " is nothing.")
def stamps_repeated_pixels(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    x = x.repeat_interleave(sh, 2).repeat_interleave(sw, 3)
    return _stamped(x, weight, 1, (ph, pw))


@conv_transpose2d.misconception(
    "This is an ordinary convolution of the padded input, with the stride as step: the picture shrinks. A transposed "
    "convolution spreads each pixel out instead of gathering.")
def stamps_as_convolution(x, weight, stride=1, padding=0):
    return F.conv2d(x, weight.transpose(0, 1), None, stride, padding)


@conv_transpose2d.misconception(
    "Each input channel went to one output channel alone. Every pair of an input and an output channel has a kernel, "
    "and an output channel sums over all inputs.")
def stamps_channel_by_channel(x, weight, stride=1, padding=0):
    shared = min(weight.shape[:2])
    kept = torch.zeros_like(weight)
    for channel in range(shared):
        kept[channel, channel] = weight[channel, channel]
    return _stamped(x, kept, stride, padding)


@conv_transpose2d.misconception(
    "The overlapping stamps were averaged, each place divided by how many stamps cover it. They add up, even where "
    "that makes a checkerboard.")
def stamps_averaged(x, weight, stride=1, padding=0):
    count = _stamped(torch.ones_like(x[:1, :1]), torch.ones_like(weight[:1, :1]), stride, padding)
    return _stamped(x, weight, stride, padding) / count.clamp_min(1)


@conv_transpose2d.misconception(
    "Height and width changed places in a pair: the first number is for the rows.")
def stamps_swap_height_and_width(x, weight, stride=1, padding=0):
    return _stamped(x, weight, _pair(stride)[::-1], _pair(padding)[::-1])


@conv_transpose2d.misconception(
    "The stamps were added up in a float32 tensor. Give it the dtype of `x`: float64 in, float64 out.")
def stamps_in_float32(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride, padding).float()


@conv_transpose2d.misconception(
    "`view` stopped on a tensor that is not contiguous. Neither `x` nor `weight` need be; `reshape` or `einsum` take "
    "them as they come.")
def stamps_need_contiguous(x, weight, stride=1, padding=0):
    n, c, h, w = x.shape
    return _stamped(x.view(n, c, h * w).view(n, c, h, w), weight.view(c, -1).view(weight.shape), stride, padding)


@conv_transpose2d.misconception(
    "The values are right, but the graph is cut: as a layer this could never learn its weight. Look for `.detach()`, "
    "`.data`, `.item()` or torch.tensor(...).")
def stamps_cut_the_graph(x, weight, stride=1, padding=0):
    return _stamped(x.detach(), weight.detach(), stride, padding)


@conv_transpose2d.alternative
def stamps_pixel_by_pixel(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (h, w) = weight.shape[2:], x.shape[2:]
    full = torch.zeros(x.shape[0], weight.shape[1], (h - 1) * sh + kh, (w - 1) * sw + kw, dtype=x.dtype)
    for i in range(h):
        for j in range(w):
            full[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] += torch.tensordot(x[:, :, i, j], weight, dims=1)
    return full[:, :, ph:full.shape[2] - ph, pw:full.shape[3] - pw]


@conv_transpose2d.alternative
def stamps_by_zeros_between(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (n, c, h, w) = weight.shape[2:], x.shape
    spread = x.new_zeros(n, c, (h - 1) * sh + 1, (w - 1) * sw + 1)
    spread[:, :, ::sh, ::sw] = x
    windows = F.pad(spread, (kw - 1, kw - 1, kh - 1, kh - 1)).unfold(2, kh, 1).unfold(3, kw, 1)
    full = torch.einsum("nihwab,ioab->nohw", windows, weight.flip((2, 3)))
    return full[:, :, ph:full.shape[2] - ph, pw:full.shape[3] - pw]


@conv_transpose2d.alternative
def stamps_by_index_add(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (n, _, h, w) = weight.shape[2:], x.shape
    height, width = (h - 1) * sh + kh, (w - 1) * sw + kw
    rows = torch.arange(h)[:, None] * sh + torch.arange(kh)
    columns = torch.arange(w)[:, None] * sw + torch.arange(kw)
    places = (rows[:, None, :, None] * width + columns[None, :, None, :]).flatten()
    stamps = torch.einsum("nihw,ioab->nohwab", x, weight).flatten(2)
    flat = x.new_zeros(n, weight.shape[1], height * width).index_add(2, places, stamps)
    return flat.unflatten(2, (height, width))[:, :, ph:height - ph, pw:width - pw]


@conv_transpose2d.alternative
def stamps_as_the_adjoint(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (n, _, h, w) = weight.shape[2:], x.shape
    y = x.new_zeros(n, weight.shape[1], (h - 1) * sh + kh - 2 * ph, (w - 1) * sw + kw - 2 * pw, requires_grad=True)
    windows = F.pad(y, (pw, pw, ph, ph)).unfold(2, kh, sh).unfold(3, kw, sw)
    forward = torch.einsum("nohwab,ioab->nihw", windows, weight)
    return torch.autograd.grad(forward, y, x, create_graph=True)[0]
