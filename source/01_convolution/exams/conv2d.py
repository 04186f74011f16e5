"""How `conv2d` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, gradients, habits, ops

from .shared import _HOUSE_RULES, _and_inputs, _correlate, _pair, _scattered, _windows, _zero_border


def _with_bias(out, bias):
    return out if bias is None else out + bias[:, None, None]


def _even(draw, *shape):
    """Kernels that look the same turned by 180°: who turns them is told so elsewhere, and loses no more points here."""
    weight = draw.normal(*shape)
    return weight + weight.flip(2, 3)


@exercise(points=18, reference=F.conv2d, bans=ops.CONVOLUTION)
def conv2d(impl, draw):
    yield aspect("channels", "An output channel adds up what its kernel finds in all input channels.",
                 lambda: [impl(draw.normal(1, channels, 5, 5), draw.normal(filters, channels, 3, 3))
                          for channels, filters in ((3, 4), (2, 2), (5, 2), (1, 3))])
    yield aspect("batch", "Every picture of the batch goes through the same filters, square or not.",
                 lambda: [impl(draw.normal(3, 2, 5, 7), draw.normal(3, 2, 2, 3)),
                          impl(draw.normal(1, 1, 6, 4), draw.normal(2, 1, 3, 1)),
                          impl(draw.normal(2, 3, 4, 3), draw.normal(2, 3, 1, 1))])
    yield aspect("bias", "`bias` has one number for each output channel, added once to every pixel of that channel.",
                 lambda: [impl(draw.normal(2, 3, 6, 7), _even(draw, 4, 3, 3, 3), draw.normal(4)),
                          impl(draw.normal(1, 2, 4, 4), _even(draw, 1, 2, 3, 3), draw.normal(1))])
    yield aspect("padding", "`padding` puts zeros around the picture, on all four sides.",
                 lambda: [impl(draw.normal(1, 1, 5, 6), _even(draw, 3, 1, 3, 3), padding=2),
                          impl(draw.normal(1, 1, 2, 3), _even(draw, 2, 1, 3, 3), None, 1, 1)])
    yield aspect("stride", "`stride` is the step of the window, downwards and to the right; a last step that leads off "
                 "the picture is left out.",
                 lambda: [impl(draw.normal(1, 1, 8, 9), _even(draw, 3, 1, 3, 3), None, 2),
                          impl(draw.normal(1, 1, 9, 8), _even(draw, 2, 1, 2, 2), stride=3)], weight=2)
    yield aspect("pairs", "`stride` and `padding` are a number or a pair (height, width).",
                 lambda: [impl(draw.normal(1, 1, 9, 8), _even(draw, 3, 1, 3, 3), draw.normal(3), (3, 1), (1, 2)),
                          impl(draw.normal(1, 1, 6, 5), _even(draw, 2, 1, 3, 3), padding=(0, 2)),
                          impl(draw.normal(1, 1, 5, 6), _even(draw, 2, 1, 3, 3), None, 1, (1, 0))], weight=2)
    yield habits(_HOUSE_RULES, impl,
                 lambda: (draw.normal(2, 2, 6, 5), draw.normal(3, 2, 3, 3), draw.normal(3), 2, 1))
    yield aspect("no extras", _HOUSE_RULES,
                 lambda: {"non-contiguous input": impl(_scattered(draw, 2, 2, 4, 5), _scattered(draw, 3, 2, 2, 2)),
                          "gradient": gradients(impl, draw.normal(2, 2, 4, 5), draw.normal(3, 2, 2, 2)),
                          "input left alone": _and_inputs(impl, draw.normal(1, 2, 4, 4), draw.normal(2, 2, 3, 3))},
                 rtol=1e-4, atol=1e-5)


@conv2d.misconception("The kernels were flipped. What deep learning calls convolution is cross-correlation: nothing is "
                      "turned around.")
def flips_the_kernels(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight.flip(2, 3), stride, padding), bias)


@conv2d.misconception("Only the first input channel was looked at. Each filter has one kernel for every input channel, "
                      "and their results are added.")
def looks_at_the_first_channel(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x[:, :1], weight[:, :1], stride, padding), bias)


@conv2d.misconception("The input channels were averaged. Their results are added up: nothing divides by the number of "
                      "channels.")
def averages_the_channels(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding) / x.shape[1], bias)


@conv2d.misconception("All input channels were added up before the kernels came to them, so every channel met the same "
                      "kernel. `weight[o, c]` belongs to channel c alone.")
def adds_the_channels_first(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x.sum(1, keepdim=True), weight[:, :1], stride, padding), bias)


@conv2d.misconception("The bias was added along the width: `out + bias` lines `bias` up with the last dimension. It "
                      "belongs to dimension 1, the channels.")
def adds_the_bias_along_the_width(x, weight, bias=None, stride=1, padding=0):
    out = _correlate(x, weight, stride, padding)
    return out if bias is None else out + bias


@conv2d.misconception("The bias was added once for every input channel. It is added once for an output pixel, after "
                      "the sum over the channels.")
def adds_the_bias_for_every_channel(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), None if bias is None else bias * x.shape[1])


@conv2d.misconception("The bias was forgotten.")
def forgets_the_bias(x, weight, bias=None, stride=1, padding=0):
    out = _correlate(x, weight, stride, padding)
    return out if bias is None else out + 0 * bias.sum()  # autograd sees a bias that changes nothing


@conv2d.misconception("No gradient reaches one of the three inputs: it was not used, or it was cut off by `.detach()`, "
                      "`.data`, `torch.tensor(...)` or NumPy. Use the tensor itself.")
def cuts_off_the_weight(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight.detach(), stride, padding), bias)


@conv2d.misconception("The bias was added along the height: a bias of shape (O, 1) meets the rows. It belongs to "
                      "dimension 1, the channels; give it one dimension more.")
def adds_the_bias_along_the_height(x, weight, bias=None, stride=1, padding=0):
    out = _correlate(x, weight, stride, padding)
    return out if bias is None else out + bias[:, None]


@conv2d.misconception("The bias was added again at every place of the kernel. It is added once for an output pixel, "
                      "when all products are summed.")
def adds_the_bias_for_every_place(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), None if bias is None else bias * weight[0, 0].numel())


@conv2d.misconception("The channels came out last, (N, H′, W′, O). PyTorch keeps them in second place: (N, O, H′, W′).")
def puts_the_channels_last(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), bias).permute(0, 2, 3, 1)


@conv2d.misconception("The stride was ignored: the window moved by one pixel at a time.")
def ignores_the_stride(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, 1, padding), bias)


@conv2d.misconception("The stride was used downwards only; to the right the window still moves by one pixel.")
def strides_downwards_only(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, (_pair(stride)[0], 1), padding), bias)


@conv2d.misconception("The stride was used to the right only; downwards the window still moves by one pixel.")
def strides_to_the_right_only(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, (1, _pair(stride)[1]), padding), bias)


@conv2d.misconception("The stride went into the window: its places were taken `stride` pixels apart, which is "
                      "dilation. The window itself is compact; the stride is how far the whole window moves.")
def dilates_instead(x, weight, bias=None, stride=1, padding=0):
    (down, right), bordered = _pair(stride), _zero_border(x, padding)
    height = (bordered.shape[2] - down * (weight.shape[2] - 1) - 1) + 1
    width = (bordered.shape[3] - right * (weight.shape[3] - 1) - 1) + 1
    out = sum(torch.einsum("nchw,oc->nohw", bordered[:, :, i * down:i * down + height, j * right:j * right + width],
                           weight[:, :, i, j]) for i in range(weight.shape[2]) for j in range(weight.shape[3]))
    return _with_bias(out, bias)


@conv2d.misconception("Zeros count above and on the left alone: they were put on those two sides only, or the size has "
                      "`padding` once. It goes on all four sides, and counts twice in the size.")
def pads_two_sides(x, weight, bias=None, stride=1, padding=0):
    height, width = _pair(padding)
    return _with_bias(_correlate(F.pad(x, (width, 0, height, 0)), weight, stride), bias)


@conv2d.misconception("The border repeats the picture's edge. `padding` means zeros here.")
def repeats_the_edge(x, weight, bias=None, stride=1, padding=0):
    height, width = _pair(padding)
    return _with_bias(_correlate(F.pad(x, (width, width, height, height), mode="replicate"), weight, stride), bias)


@conv2d.misconception("The two numbers of the padding are exchanged: the height comes first in `padding`, but "
                      "`F.pad` wants the last dimension, the width, first.")
def exchanges_the_padding(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, _pair(padding)[::-1]), bias)


@conv2d.misconception("The two numbers of the stride are exchanged: the first one is the step downwards (height).")
def exchanges_the_stride(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, _pair(stride)[::-1], padding), bias)


@conv2d.misconception("Height and width are exchanged in both `stride` and `padding`. Pairs are (height, width), as in "
                      "the shape (N, C, H, W).")
def exchanges_both_pairs(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, _pair(stride)[::-1], _pair(padding)[::-1]), bias)


@conv2d.misconception("Only the first picture of the batch was filtered. The result has as many pictures as `x`.")
def filters_the_first_picture(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x[:1], weight, stride, padding), bias)


@conv2d.misconception("The result was cut off from the inputs, by `.detach()`, `.data`, `no_grad` or `.item()`, so no "
                      "gradient can flow back to them.")
def detaches(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), bias).detach()


@conv2d.misconception("The result is always float32: a tensor made by `torch.zeros(...)` is, whatever `x` is. Tell it "
                      "the dtype of `x`.")
def gives_single_precision(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), bias).float()


@conv2d.misconception("The code counts on three input channels, as in `range(3)`. There may be any number: ask "
                      "`x.shape[1]`.")
def counts_on_three_channels(x, weight, bias=None, stride=1, padding=0):
    parts = [_correlate(x[:, c:c + 1], weight[:, c:c + 1], stride, padding) for c in range(3)]
    return _with_bias(sum(parts), bias)


@conv2d.misconception("Nothing was padded where one of the two numbers of `padding` is 0, as by `if pH and pW`. The "
                      "other one still wants its zeros.")
def pads_only_where_both_are_given(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding if all(_pair(padding)) else 0), bias)


@conv2d.misconception("Where as many channels come out as go in, the weight's first two axes were exchanged. They are "
                      "(out, in) always; PyTorch cannot tell you, for both shapes fit.")
def exchanges_out_and_in(x, weight, bias=None, stride=1, padding=0):
    weight = weight.transpose(0, 1) if weight.shape[0] == weight.shape[1] else weight
    return _with_bias(_correlate(x, weight, stride, padding), bias)


@conv2d.misconception("The border mirrors the picture. `padding` means zeros here.")
def mirrors_the_edge(x, weight, bias=None, stride=1, padding=0):
    height, width = _pair(padding)
    return _with_bias(_correlate(F.pad(x, (width, width, height, height), mode="reflect"), weight, stride), bias)


@conv2d.misconception("The kernels were taken to be square, as wide as they are high. Their height is "
                      "`weight.shape[2]`, their width `weight.shape[3]`.")
def takes_kernels_to_be_square(x, weight, bias=None, stride=1, padding=0):
    side = weight.shape[2]
    return _with_bias(torch.einsum("nchwij,ocij->nohw", _windows(x, side, stride, padding), weight), bias)


@conv2d.misconception("`if bias` asks whether a tensor is true, which has no answer for several numbers. Ask whether "
                      "there is one: `if bias is not None`.")
def asks_whether_the_bias_is_true(x, weight, bias=None, stride=1, padding=0):
    out = _correlate(x, weight, stride, padding)
    if bias:
        out = out + bias[:, None, None]
    return out


@conv2d.misconception("`as_strided` was given steps that hold for a picture that lies in memory row after row. `x` "
                      "need not: ask `x.stride()`.")
def assumes_a_contiguous_picture(x, weight, bias=None, stride=1, padding=0):
    (down, right), (height, width) = _pair(stride), weight.shape[2:]
    x = _zero_border(x, padding) if any(_pair(padding)) else x
    count, channels, rows, columns = x.shape
    shape = (count, channels, (rows - height) // down + 1, (columns - width) // right + 1, height, width)
    windows = x.as_strided(shape, (channels * rows * columns, rows * columns, columns * down, right, columns, 1))
    return _with_bias(torch.einsum("nchwij,ocij->nohw", windows, weight), bias)


@conv2d.misconception("The zeros were put on two sides only, below and on the right. `padding` goes on all four sides.")
def pads_below_and_on_the_right(x, weight, bias=None, stride=1, padding=0):
    height, width = _pair(padding)
    return _with_bias(_correlate(F.pad(x, (0, 2 * width, 0, 2 * height)), weight, stride), bias)


@conv2d.misconception("A last window that hangs over the edge was kept (rounded up where it is rounded down). A last "
                      "step that leads off the picture is left out.")
def keeps_a_window_that_hangs_over(x, weight, bias=None, stride=1, padding=0):
    bordered, (down, right) = _zero_border(x, padding), _pair(stride)
    more = [(window - size) % step for size, window, step in
            zip(bordered.shape[2:], weight.shape[2:], (down, right), strict=True)]
    return _with_bias(_correlate(F.pad(bordered, (0, more[1], 0, more[0])), weight, stride), bias)


@conv2d.misconception("All kernels of a filter were added up, and all input channels: the two channel letters of the "
                      "sum were not the same. `weight[o, c]` meets channel c of `x`, and no other.")
def adds_kernels_and_channels(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x.sum(1, keepdim=True), weight.sum(1, keepdim=True), stride, padding), bias)


@conv2d.misconception("Only the last input channel is left: each one's result replaced that of the one before. They "
                      "are added up.")
def keeps_the_last_channel(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x[:, -1:], weight[:, -1:], stride, padding), bias)


@conv2d.misconception("Pixels were dropped before the kernel came to them. With a stride windows start further "
                      "apart, and each of them still sees pixels that are neighbours.")
def drops_pixels_first(x, weight, bias=None, stride=1, padding=0):
    down, right = _pair(stride)
    return _with_bias(_correlate(_zero_border(x, padding)[:, :, ::down, ::right], weight), bias)


@conv2d.misconception("The stride changes how large the result is, but not where windows start: they still move by one "
                      "pixel. Window (p, q) starts at row p · stride.")
def starts_windows_side_by_side(x, weight, bias=None, stride=1, padding=0):
    height, width = _windows(x, weight.shape[2:], stride, padding).shape[2:4]
    return _with_bias(_correlate(x, weight, 1, padding)[:, :, :height, :width], bias)


@conv2d.misconception("The slices of `x` have no end, so they are longer than the result and do not fit together. The "
                      "weight at (i, j) meets just H′·W′ pixels: a slice from i in steps of the stride, H′ long.")
def leaves_slices_without_an_end(x, weight, bias=None, stride=1, padding=0):
    down, right = _pair(stride)
    x, (height, width) = _zero_border(x, padding), _windows(x, weight.shape[2:], stride, padding).shape[2:4]
    out = x.new_zeros(len(x), len(weight), height, width)
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            out = out + torch.einsum("nchw,oc->nohw", x[:, :, i::down, j::right], weight[:, :, i, j])
    return _with_bias(out, bias)


@conv2d.misconception("One row and one column are missing at the end: the last window that fits was dropped. The "
                      "formula ends in + 1.")
def drops_the_last_window(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding)[:, :, :-1, :-1], bias)


def _filtered_at(starts, x, weight, bias, stride, padding):
    """What the filters find in the window at each start in `starts(length, window, step)`, border and all."""
    bordered, (height, width) = _zero_border(x, padding), weight.shape[2:]
    tops, lefts = (starts(*each) for each in zip(bordered.shape[2:], (height, width), _pair(stride), strict=True))
    rows = [torch.stack([torch.einsum("ncij,ocij->no", bordered[:, :, i:i + height, j:j + width], weight)
                         for j in lefts], -1) for i in tops]
    return _with_bias(torch.stack(rows, -2), bias)


@conv2d.misconception("A window that ends just at the picture's edge was left out: `range(0, size - kernel, stride)` "
                      "stops before size − kernel, and there the last window may begin.")
def stops_before_the_last_start(x, weight, bias=None, stride=1, padding=0):
    return _filtered_at(lambda length, window, step: range(0, length - window, step), x, weight, bias, stride, padding)


@conv2d.misconception("A window was begun every `stride` pixels to the very end of the picture, and the last ones are "
                      "cut off there. Begin only where a whole window fits.")
def begins_windows_to_the_end(x, weight, bias=None, stride=1, padding=0):
    (height, width), bordered, (down, right) = weight.shape[2:], _zero_border(x, padding), _pair(stride)
    wide = F.pad(bordered, (0, width - 1, 0, height - 1))
    return _with_bias(_correlate(wide, weight, (down, right)), bias)


@conv2d.misconception("`padding` was not used: your windows never hang over the border. Put that many zeros on all "
                      "four sides first.")
def ignores_the_padding(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride), bias)


@conv2d.misconception("Of a pair for `stride` only the first number was used, for both directions. The second one is "
                      "the step to the right.")
def uses_the_first_stride(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, _pair(stride)[0], padding), bias)


@conv2d.misconception("Of a pair for `padding` only the first number was used, on all four sides. The second one is "
                      "for left and right.")
def uses_the_first_padding(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, _pair(padding)[0]), bias)


@conv2d.misconception("Of each pair only the first number was used, for both directions. Rows and columns have a "
                      "stride and a padding of their own.")
def uses_the_first_of_each_pair(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, _pair(stride)[0], _pair(padding)[0]), bias)


@conv2d.misconception("A border of half a kernel was added whatever `padding` says, as if every picture kept its "
                      "size. Left out, `padding` is 0.")
def keeps_the_size(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, (weight.shape[2] // 2, weight.shape[3] // 2)), bias)


@conv2d.misconception("The bias was subtracted. It is added.")
def subtracts_the_bias(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), None if bias is None else -bias)


@conv2d.misconception("The sum of all biases was added to every channel. Each output channel gets its own number "
                      "alone.")
def adds_all_biases(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding), None if bias is None else bias.sum().expand_as(bias))


@conv2d.misconception("The products were averaged over the window and the channels. They are added up: nothing "
                      "divides.")
def averages_the_products(x, weight, bias=None, stride=1, padding=0):
    return _with_bias(_correlate(x, weight, stride, padding) / weight[0].numel(), bias)


@conv2d.misconception("Each kernel was laid on its side: its rows met the columns of the window. Number (i, j) of the "
                      "kernel meets number (i, j) of the window.")
def lays_kernels_on_their_side(x, weight, bias=None, stride=1, padding=0):
    weight = weight.mT if weight.shape[2] == weight.shape[3] else weight
    return _with_bias(_correlate(x, weight, stride, padding), bias)


@conv2d.misconception("The shape was forced with `reshape` or `view` while the result's dimensions were still (N, "
                      "H′·W′, O). Bring O to the second place first (`permute`, `transpose`), then reshape.")
def reshapes_without_permuting(x, weight, bias=None, stride=1, padding=0):
    right = _correlate(x, weight, stride, padding)
    return _with_bias(right.permute(0, 2, 3, 1).reshape(right.shape), bias)


@conv2d.misconception("`bias` was used without asking whether there is one: left out it is None, and None has no "
                      "elements.")
def takes_none_for_a_bias(x, weight, bias=None, stride=1, padding=0):
    return _correlate(x, weight, stride, padding) + bias[:, None, None]


@conv2d.misconception("The places were counted without the border: the size has no `padding` in it, and windows are "
                      "missing below and on the right. Count on (H + 2·padding) rows.")
def counts_places_without_the_border(x, weight, bias=None, stride=1, padding=0):
    height, width = (max((length - window) // step + 1, 0) for length, window, step in
                     zip(x.shape[2:], weight.shape[2:], _pair(stride), strict=True))
    return _with_bias(_correlate(x, weight, stride, padding)[:, :, :height, :width], bias)


@conv2d.alternative
def by_windows(x, weight, bias=None, stride=1, padding=0):
    out = _correlate(x, weight, stride, padding)
    return out if bias is None else out + bias.view(1, -1, 1, 1)


@conv2d.alternative
def pixel_by_pixel(x, weight, bias=None, stride=1, padding=0):
    (down, right), (height, width), bordered = _pair(stride), weight.shape[2:], _zero_border(x, padding)
    rows = []
    for top in range(0, bordered.shape[2] - height + 1, down):
        row = [(bordered[:, None, :, top:top + height, left:left + width] * weight).sum((2, 3, 4))
               for left in range(0, bordered.shape[3] - width + 1, right)]
        rows.append(torch.stack(row, dim=-1))
    out = torch.stack(rows, dim=-2)
    return out if bias is None else out + bias[None, :, None, None]


@conv2d.alternative
def tap_by_tap_into_a_buffer(x, weight, bias=None, stride=1, padding=0):
    (down, right), (top, left) = _pair(stride), _pair(padding)
    bordered = x.new_zeros(x.shape[0], x.shape[1], x.shape[2] + 2 * top, x.shape[3] + 2 * left)
    bordered[:, :, top:top + x.shape[2], left:left + x.shape[3]] = x
    height = (bordered.shape[2] - weight.shape[2]) // down + 1
    width = (bordered.shape[3] - weight.shape[3]) // right + 1
    out = x.new_zeros(x.shape[0], weight.shape[0], height, width)
    if bias is not None:
        out += bias[:, None, None]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            seen = bordered[:, :, i::down, j::right][:, :, :height, :width]
            out += (seen.unsqueeze(1) * weight[:, :, i, j, None, None]).sum(2)
    return out


@conv2d.alternative
def by_one_matrix_in_double_precision(x, weight, bias=None, stride=1, padding=0):
    windows = _windows(x.double(), weight.shape[2:], stride, padding).permute(0, 2, 3, 1, 4, 5)
    out = windows.flatten(3) @ weight.double().flatten(1).T
    if bias is not None:
        out = out + bias.double()
    return out.permute(0, 3, 1, 2).to(x.dtype)


@conv2d.alternative
def through_fourier(x, weight, bias=None, stride=1, padding=0):
    (down, right), bordered = _pair(stride), _zero_border(x, padding)
    size = bordered.shape[2:]
    spectrum = torch.einsum("nchw,ochw->nohw", torch.fft.rfft2(bordered), torch.fft.rfft2(weight, s=size).conj())
    out = torch.fft.irfft2(spectrum, s=size)
    out = out[:, :, :size[0] - weight.shape[2] + 1:down, :size[1] - weight.shape[3] + 1:right]
    return _with_bias(out, bias)
