"""How `conv_transpose2d` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops
from convcraft.exam.ops import unwatched

from .shared import _HOUSE_RULES, _pair


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


@exercise(points=13, reference=_conv_transpose2d, bans=ops.CONVOLUTION)
def conv_transpose2d(impl, draw):
    yield aspect("stamps",
                 "Every pixel of `x` stamps the kernel, times its value, onto the result; where stamps overlap they "
                 "add.",
                 lambda: impl(draw.normal(2, 1, 4, 5), draw.normal(1, 1, 3, 3)))
    yield aspect("channels",
                 "Every input channel adds to every output channel.",
                 lambda: [impl(draw.normal(2, channels, 4, 5), draw.normal(channels, channels, 3, 3))
                          for channels in (3, 2)])
    yield aspect("weight",
                 "The weight has shape (in_channels, out_channels, kH, kW).",
                 lambda: [impl(draw.normal(2, 3, 4, 5), draw.normal(3, 2, 2, 3)),
                          impl(draw.normal(1, 1, 3, 3), draw.normal(1, 4, 2, 2)),
                          impl(draw.normal(1, 5, 3, 2), draw.normal(5, 2, 2, 2))])
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
    yield habits(_HOUSE_RULES, impl,
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


@conv_transpose2d.misconception(
    "Where stamps overlap, the last one replaced the others: place by place of the kernel you wrote `=`. They add up: "
    "`+=`.")
def stamps_overwrite_place_by_place(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    (kh, kw), (h, w) = weight.shape[2:], x.shape[2:]
    result = x.new_zeros(x.shape[0], weight.shape[1], (h - 1) * sh + kh, (w - 1) * sw + kw)
    for i in range(kh):
        for j in range(kw):
            result[:, :, i:i + (h - 1) * sh + 1:sh, j:j + (w - 1) * sw + 1:sw] = torch.einsum(
                "nihw,io->nohw", x, weight[:, :, i, j])
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "Nothing was cut off where one of the two numbers of `padding` is 0, as by `if pH and pW`. The other direction "
    "still loses its rows or columns.")
def stamps_cut_only_where_both_are_given(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride, padding if all(_pair(padding)) else 0)


@conv_transpose2d.misconception(
    "The two numbers of the stride are exchanged: the first one is the step downwards.")
def stamps_exchange_the_stride(x, weight, stride=1, padding=0):
    return _stamped(x, weight, _pair(stride)[::-1], padding)


@conv_transpose2d.misconception(
    "All of the padding was cut off at the top and left: the size is right, the picture is shifted. Half of it belongs "
    "to the bottom and right.")
def stamps_cut_at_the_start(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return _stamped(x, weight, stride)[:, :, 2 * ph:, 2 * pw:]


@conv_transpose2d.misconception(
    "Only the first input channel was stamped. An output channel adds up the stamps of all input channels.")
def stamps_the_first_channel(x, weight, stride=1, padding=0):
    return _stamped(x[:, :1], weight[:1], stride, padding)


@conv_transpose2d.misconception(
    "The code counts on three input channels, as in `range(3)`. There may be any number: ask `x.shape[1]`.")
def stamps_three_channels(x, weight, stride=1, padding=0):
    return sum(_stamped(x[:, channel:channel + 1], weight[channel:channel + 1], stride, padding)
               for channel in range(3))


@conv_transpose2d.misconception("The canvas is H · stride high, and what the last stamps print beyond it was cut off. "
                                "Without padding it is (H − 1) · stride + kH high.")
def cuts_the_last_stamps(x, weight, stride=1, padding=0):
    (down, right), (height, width) = _pair(stride), _pair(padding)
    canvas = F.conv_transpose2d(x, weight, stride=stride)[:, :, :x.shape[2] * down, :x.shape[3] * right]
    return canvas[:, :, height:canvas.shape[2] - height, width:canvas.shape[3] - width]


@conv_transpose2d.misconception(
    "The two numbers of the padding are exchanged: the first one is cut off at the top and at the bottom.")
def stamps_exchange_the_padding(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride, _pair(padding)[::-1])


@conv_transpose2d.misconception(
    "The stride changes how large the result is, but not where stamps stand: pixel (i, j) still stamps at (i, j). Its "
    "stamp begins at row i·s and column j·s.")
def stamps_side_by_side(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw), (h, w) = _pair(stride), _pair(padding), x.shape[2:]
    result = F.pad(_stamped(x, weight), (0, (w - 1) * (sw - 1), 0, (h - 1) * (sh - 1)))
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "Of a pair for `stride` only the first number was used, for both directions. The second one is the step to the "
    "right.")
def stamps_use_the_first_stride(x, weight, stride=1, padding=0):
    return _stamped(x, weight, _pair(stride)[0], padding)


@conv_transpose2d.misconception(
    "Of a pair for `padding` only the first number was used, on all four sides. The second one is cut off left and "
    "right.")
def stamps_use_the_first_padding(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride, _pair(padding)[0])


@conv_transpose2d.misconception(
    "The input channels were averaged. Their stamps add up: nothing divides by the number of channels.")
def stamps_average_the_channels(x, weight, stride=1, padding=0):
    return _stamped(x, weight, stride, padding) / x.shape[1]


@conv_transpose2d.misconception(
    "Each kernel was laid on its side, rows and columns exchanged. A stamp shows the kernel as it is.")
def stamps_lie_on_their_side(x, weight, stride=1, padding=0):
    return _stamped(x, weight.mT, stride, padding)


@conv_transpose2d.misconception(
    "Twice the padding was cut off at each side. Cut `padding` at each of the four sides: 2·padding of each size.")
def stamps_cut_twice(x, weight, stride=1, padding=0):
    ph, pw = _pair(padding)
    return _stamped(x, weight, stride, (2 * ph, 2 * pw))


@conv_transpose2d.misconception(
    "Your result has s − 1 rows and columns too many at the end: zeros were put behind the last pixel, too. They "
    "belong between the pixels: (H − 1)·s + 1 places in all.")
def stamps_with_zeros_behind_the_last_pixel(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw) = _pair(stride), _pair(padding)
    result = F.pad(_stamped(x, weight, stride), (0, sw - 1, 0, sh - 1))
    return result[:, :, ph:result.shape[2] - ph, pw:result.shape[3] - pw]


@conv_transpose2d.misconception(
    "The kernel slid over the spread picture without a border of kH − 1 and kW − 1 zeros: stamps that hang over its "
    "edge are missing. All stamps together take (H − 1)·s + kH rows.")
def stamps_only_inside(x, weight, stride=1, padding=0):
    (sh, sw), (ph, pw), (kh, kw) = _pair(stride), _pair(padding), weight.shape[2:]
    spread = x.new_zeros(*x.shape[:2], (x.shape[2] - 1) * sh + 1, (x.shape[3] - 1) * sw + 1)
    spread[:, :, ::sh, ::sw] = x
    windows = F.pad(spread, (pw, pw, ph, ph)).unfold(2, kh, 1).unfold(3, kw, 1)
    return torch.einsum("nihwab,ioab->nohw", windows, weight.flip((2, 3)))


@conv_transpose2d.misconception(
    "Only the last input channel is left: each one's stamps replaced those of the one before. They add up.")
def stamps_the_last_channel(x, weight, stride=1, padding=0):
    return _stamped(x[:, -1:], weight[-1:], stride, padding)


@conv_transpose2d.misconception(
    "The padding was cut off at the bottom and right alone. Cut it off at all four sides.")
def stamps_cut_the_other_side(x, weight, stride=1, padding=0):
    (ph, pw), result = _pair(padding), _stamped(x, weight, stride)
    return result[:, :, :result.shape[2] - ph, :result.shape[3] - pw]


@conv_transpose2d.misconception("Only the first picture of the batch was stamped. The result has as many pictures as "
                                "`x`.")
def stamps_the_first_picture(x, weight, stride=1, padding=0):
    return _stamped(x[:1], weight, stride, padding)


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
