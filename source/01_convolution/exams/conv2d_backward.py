"""How `conv2d_backward` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _and_inputs, _columns, _correlate, _item, _pair, _scattered, _windows, _zero_border


def _gradients_of_pytorch(grad_out, x, weight, stride=1, padding=0):
    return (torch.nn.grad.conv2d_input(x.shape, weight, grad_out, stride, padding),
            torch.nn.grad.conv2d_weight(x, weight.shape, grad_out, stride, padding), grad_out.sum((0, 2, 3)))


def _grad_weight(grad_out, x, weight, stride=1, padding=0):
    windows = _windows(x, weight.shape[2:], stride, padding)
    return torch.einsum("nohw,nchwij->ocij", grad_out, windows[:, :, :grad_out.shape[2], :grad_out.shape[3]])


def _spread(grad_out, weight, size, stride=1, add=True):
    """Every number of grad_out, times the kernel, laid down where its window was; on (N, C, *size)."""
    down, right = _pair(stride)
    out = grad_out.new_zeros(grad_out.shape[0], weight.shape[1], *size)
    height, width = grad_out.shape[2:]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            part = torch.einsum("nohw,oc->nchw", grad_out, weight[:, :, i, j])
            place = out[:, :, i:i + down * height:down, j:j + right * width:right]
            place.copy_(place + part if add else part)
    return out


def _bordered_size(x, padding):
    height, width = _pair(padding)
    return x.shape[2] + 2 * height, x.shape[3] + 2 * width


def _without_border(bordered, x, padding):
    height, width = _pair(padding)
    return bordered[:, :, height:height + x.shape[2], width:width + x.shape[3]]


def _grad_x(grad_out, x, weight, stride=1, padding=0):
    return _without_border(_spread(grad_out, weight, _bordered_size(x, padding), stride), x, padding)


def _backward_case(draw, size, kernel, stride=1, padding=0, counts=(3, 2, 4)):
    """Pictures, channels and filters (in `counts`), and the gradient that comes from above."""
    pictures, channels, filters = counts
    lengths = [(length + 2 * border - window) // step + 1 for length, window, step, border in
               zip(size, kernel, _pair(stride), _pair(padding), strict=True)]
    return (draw.normal(pictures, filters, *lengths), draw.normal(pictures, channels, *size),
            draw.normal(filters, channels, *kernel), stride, padding)


def _scattered_case(draw):
    return _scattered(draw, 2, 2, 3, 4), _scattered(draw, 2, 3, 4, 5), _scattered(draw, 2, 3, 2, 2)


_HOUSE_RULES_OF_GRADIENTS = ("House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory; "
                             "gradients of these gradients are not asked for.")


@exercise(points=16, reference=_gradients_of_pytorch, bans=ops.CONVOLUTION | ops.AUTOGRAD)
def conv2d_backward(impl, draw):
    yield aspect("grad_bias", "`grad_bias[o]` is the sum of `grad_out` over pictures, rows and columns of channel o.",
                 lambda: [_item(impl(*_backward_case(draw, (5, 6), (3, 3), counts=counts)), 2, 3)
                          for counts in ((3, 2, 4), (2, 3, 1))], weight=3)
    yield aspect("grad_weight", "`grad_weight[o, c, i, j]` adds up, over the whole batch, `grad_out` times the number "
                 "of `x` that this weight met.",
                 lambda: [_item(impl(*_backward_case(draw, (5, 6), (3, 3), counts=counts)[:3]), 1, 3)
                          for counts in ((3, 2, 4), (2, 2, 2), (2, 5, 3))], weight=3)
    yield aspect("grad_x", "`grad_x` adds up, for each number of `x`, what comes back through all windows that saw it.",
                 lambda: [_item(impl(*_backward_case(draw, (6, 5), (3, 3), counts=counts)[:3]), 0, 3)
                          for counts in ((3, 2, 4), (2, 2, 2), (1, 5, 3), (2, 1, 2))], weight=3)
    yield aspect("grad_weight, in full", "Stride and padding decide which number of `x` a weight met.",
                 lambda: _item(impl(*_backward_case(draw, (8, 7), (3, 3), 2, 1)), 1, 3), weight=3)
    yield aspect("grad_x, in full", "`grad_x` has the shape of `x`: no border, and zeros where no window ever looked.",
                 lambda: _item(impl(*_backward_case(draw, (9, 8), (2, 2), 3, 1)), 0, 3), weight=3)
    yield aspect("pairs", "`stride` and `padding` are, as before, a number or a pair (height, width); the kernel may "
                 "be oblong.",
                 lambda: [impl(*_backward_case(draw, (7, 6), (3, 2), (3, 1), (1, 2))),
                          impl(*_backward_case(draw, (6, 5), (3, 3), 1, (0, 1), (2, 2, 3))),
                          impl(*_backward_case(draw, (6, 6), (2, 3), (1, 2), (2, 0), (1, 3, 2)))])
    yield habits(_HOUSE_RULES_OF_GRADIENTS, impl, lambda: _backward_case(draw, (5, 6), (3, 3), 2, 1), gradient=False)
    yield aspect("no extras", _HOUSE_RULES_OF_GRADIENTS,
                 lambda: {"non-contiguous input": impl(*_scattered_case(draw)),
                          "input left alone": _and_inputs(impl, *_backward_case(draw, (4, 5), (2, 2))[:3])})


@conv2d_backward.misconception("`grad_weight` was averaged over the batch. Every picture has its own share in the "
                               "loss, and the shares are added.")
def averages_over_the_batch(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding),
            _grad_weight(grad_out, x, weight, stride, padding) / x.shape[0], grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_weight` was not summed over the batch: there is one gradient for each picture, "
                               "but all pictures share one weight.")
def keeps_the_batch(grad_out, x, weight, stride=1, padding=0):
    each = [_grad_weight(grad_out[n:n + 1], x[n:n + 1], weight, stride, padding) for n in range(x.shape[0])]
    return _grad_x(grad_out, x, weight, stride, padding), torch.stack(each), grad_out.sum((0, 2, 3))


@conv2d_backward.misconception("`grad_weight` comes from the first picture alone. All pictures share the weight, so "
                               "the contributions of the whole batch are added.")
def takes_the_first_picture(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding),
            _grad_weight(grad_out[:1], x[:1], weight, stride, padding), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("For `grad_x` the kernel was laid down flipped (as a convolution over `grad_out`: not "
                               "flipped). What weight (i, j) took from a place goes back to that same place.")
def forgets_to_flip(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight.flip(2, 3), stride, padding),
            _grad_weight(grad_out, x, weight, stride, padding), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_weight` came out upside down: its kernel places are reversed. Weight (0, 0) met "
                               "the upper left number of each window.")
def flips_the_weight_gradient(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding),
            _grad_weight(grad_out, x, weight, stride, padding).flip(2, 3), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_x` ignores the stride: neighbouring outputs came from windows that lie `stride` "
                               "apart, so their gradients go back that far apart.")
def spreads_without_stride(grad_out, x, weight, stride=1, padding=0):
    bordered = _spread(grad_out, weight, _bordered_size(x, padding))
    return (_without_border(bordered, x, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_weight` ignores the stride: it pairs each output with the window that lies one "
                               "pixel further, not `stride` pixels further.")
def weighs_without_stride(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, 1, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("Where windows overlap in `grad_x`, the last one won. A number that several windows saw "
                               "gets the sum of what comes back through each.")
def overwrites_overlaps(grad_out, x, weight, stride=1, padding=0):
    bordered = _spread(grad_out, weight, _bordered_size(x, padding), stride, add=False)
    return (_without_border(bordered, x, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_x` still has the padded border. The border's zeros are not part of `x`: cut them "
                               "off at the end.")
def keeps_the_border(grad_out, x, weight, stride=1, padding=0):
    return (_spread(grad_out, weight, _bordered_size(x, padding), stride),
            _grad_weight(grad_out, x, weight, stride, padding), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("The border was cut off by a slice like `[p:-p]`. Without padding that is `[0:-0]`, and "
                               "`-0` is 0: nothing is left of `grad_x`. Say where it ends by the size of `x`.")
def cuts_with_minus_zero(grad_out, x, weight, stride=1, padding=0):
    top, left = _pair(padding)
    bordered = _spread(grad_out, weight, _bordered_size(x, padding), stride)
    return (bordered[:, :, top:-top, left:-left], _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_x` has the right size, but it was cut out of the upper left corner, border and "
                               "all. The border lies on all four sides, so `x` begins behind it.")
def cuts_the_corner_out(grad_out, x, weight, stride=1, padding=0):
    bordered = _spread(grad_out, weight, _bordered_size(x, padding), stride)
    return (bordered[:, :, :x.shape[2], :x.shape[3]], _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("The gradients are always float32: tensors made by `torch.zeros(...)` are, whatever the "
                               "inputs are. Tell them the dtype.")
def goes_back_in_single_precision(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding).float(),
            _grad_weight(grad_out, x, weight, stride, padding).float(), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_x` ends with the last window. Rows and columns that no window reached are part "
                               "of `x`, too: their gradient is zero, and it must be there.")
def ends_with_the_last_window(grad_out, x, weight, stride=1, padding=0):
    reached = [(length - 1) * step + window - border for length, step, window, border in
               zip(grad_out.shape[2:], _pair(stride), weight.shape[2:], _pair(padding), strict=True)]
    grad_x = _grad_x(grad_out, x, weight, stride, padding)[:, :, :reached[0], :reached[1]]
    return grad_x, _grad_weight(grad_out, x, weight, stride, padding), grad_out.sum((0, 2, 3))


@conv2d_backward.misconception("`grad_bias` is a mean. The bias was added to every pixel of every picture, so it "
                               "collects the sum of all their gradients.")
def averages_the_bias_gradient(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.mean((0, 2, 3)))


@conv2d_backward.misconception("`grad_bias` was not summed over the batch: it has one row for each picture. There is "
                               "one bias for all of them.")
def keeps_the_batch_in_the_bias(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((2, 3)))


@conv2d_backward.misconception("The gradients come in another order. The function returns grad_x, then grad_weight, "
                               "then grad_bias.")
def returns_the_weight_first(grad_out, x, weight, stride=1, padding=0):
    return (_grad_weight(grad_out, x, weight, stride, padding), _grad_x(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_out` was left out, as if it were all ones. By the chain rule every local "
                               "derivative is multiplied by what comes from above.")
def leaves_out_the_chain_rule(grad_out, x, weight, stride=1, padding=0):
    ones = torch.ones_like(grad_out)
    return (_grad_x(ones, x, weight, stride, padding), _grad_weight(ones, x, weight, stride, padding),
            ones.sum((0, 2, 3)))


@conv2d_backward.misconception("Height and width are exchanged in `stride` and `padding`. Pairs are (height, width).")
def goes_back_with_exchanged_pairs(grad_out, x, weight, stride=1, padding=0):
    stride, padding = _pair(stride)[::-1], _pair(padding)[::-1]
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("The border is still there where one of the two numbers of `padding` is 0, as by `if pH "
                               "and pW`. Cut by the size of `x`: from pH to pH + H, from pW to pW + W.")
def cuts_only_where_both_are_given(grad_out, x, weight, stride=1, padding=0):
    bordered = _spread(grad_out, weight, _bordered_size(x, padding), stride)
    return (_without_border(bordered, x, padding) if all(_pair(padding)) else bordered,
            _grad_weight(grad_out, x, weight, stride, padding), grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_bias` has dimensions of size 1 left over. The bias has shape (O,): no `keepdim`.")
def keeps_the_dimensions_of_the_bias(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3), keepdim=True))


@conv2d_backward.misconception("For `grad_x` the weight's two channel axes were exchanged. What filter o took from "
                               "channel c goes back to channel c: sum over o.")
def exchanges_the_channel_axes(grad_out, x, weight, stride=1, padding=0):
    turned = weight.transpose(0, 1) if weight.shape[0] == weight.shape[1] else weight
    return (_grad_x(grad_out, x, turned, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("For `grad_weight` all zeros of the border were put below and to the right. With "
                               "padding, weight (0, 0) met the border first: zeros go on all four sides.")
def weighs_with_the_border_at_the_end(grad_out, x, weight, stride=1, padding=0):
    moved = torch.zeros_like(_zero_border(x, padding))
    moved[:, :, :x.shape[2], :x.shape[3]] = x
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, moved, weight, stride),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("The border of `x` was mirrored. `padding` means zeros here, and zeros give "
                               "`grad_weight` no share.")
def mirrors_the_border_of_x(grad_out, x, weight, stride=1, padding=0):
    height, width = _pair(padding)
    bordered = F.pad(x, (width, width, height, height), mode="reflect")
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, bordered, weight, stride),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("For `grad_x` a later window wrote over the one before. A number that several windows "
                               "saw gets the sum of what comes back through them.")
def writes_windows_over_each_other(grad_out, x, weight, stride=1, padding=0):
    (down, right), (tall, wide) = _pair(stride), weight.shape[2:]
    bordered = x.new_zeros(*x.shape[:2], *_bordered_size(x, padding))
    for p in range(grad_out.shape[2]):
        for q in range(grad_out.shape[3]):
            bordered[:, :, p * down:p * down + tall, q * right:q * right + wide] = torch.einsum(
                "no,ocij->ncij", grad_out[:, :, p, q], weight)
    return (_without_border(bordered, x, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum((0, 2, 3)))


@conv2d_backward.misconception("`grad_weight` and `grad_bias` were averaged over the batch. Every picture has its own "
                               "share in the loss, and the shares are added.")
def averages_both_over_the_batch(grad_out, x, weight, stride=1, padding=0):
    grad_x, grad_weight, grad_bias = _gradients_of_pytorch(grad_out, x, weight, stride, padding)
    return grad_x, grad_weight / len(x), grad_bias / len(x)


@conv2d_backward.misconception("`grad_bias` comes from the first picture alone. All pictures share the bias: sum over "
                               "the batch, too.")
def takes_the_bias_of_the_first_picture(grad_out, x, weight, stride=1, padding=0):
    return *_gradients_of_pytorch(grad_out, x, weight, stride, padding)[:2], grad_out[0].sum((1, 2))


@conv2d_backward.misconception("`grad_bias` was summed over the channels and not over the batch: it has one number "
                               "for each picture. The bias has one for each channel o.")
def sums_the_bias_over_channels(grad_out, x, weight, stride=1, padding=0):
    return *_gradients_of_pytorch(grad_out, x, weight, stride, padding)[:2], grad_out.sum((1, 2, 3))


@conv2d_backward.misconception("All three gradients were divided by the size of the batch. Where a loss is a mean, "
                               "`grad_out` has that division in it: add what comes from above.")
def averages_all_over_the_batch(grad_out, x, weight, stride=1, padding=0):
    return tuple(each / len(x) for each in _gradients_of_pytorch(grad_out, x, weight, stride, padding))


@conv2d_backward.misconception("`grad_x` comes back from the first filter alone. Every filter saw `x`: sum over o.")
def goes_back_through_the_first_filter(grad_out, x, weight, stride=1, padding=0):
    _, *others = _gradients_of_pytorch(grad_out, x, weight, stride, padding)
    return _grad_x(grad_out[:, :1], x, weight[:1], stride, padding), *others


@conv2d_backward.misconception("`grad_x` has the right size, but twice the border was cut off above and on the left, "
                               "and none below and on the right. It lies on all four sides: `padding` of it at each.")
def cuts_the_border_at_the_start(grad_out, x, weight, stride=1, padding=0):
    _, *others = _gradients_of_pytorch(grad_out, x, weight, stride, padding)
    (height, width), bordered = _pair(padding), _spread(grad_out, weight, _bordered_size(x, padding), stride)
    return bordered[:, :, 2 * height:, 2 * width:], *others


@conv2d_backward.misconception("`grad_x` does not know the weight, as if it were all ones. By the chain rule each "
                               "gradient goes back times the weight that `x` met.")
def goes_back_without_the_weight(grad_out, x, weight, stride=1, padding=0):
    return _gradients_of_pytorch(grad_out, x, torch.ones_like(weight), stride, padding)


@conv2d_backward.alternative
def kernel_place_by_place(grad_out, x, weight, stride=1, padding=0):
    return (_grad_x(grad_out, x, weight, stride, padding), _grad_weight(grad_out, x, weight, stride, padding),
            grad_out.sum(dim=(0, 2, 3)))


@conv2d_backward.alternative
def output_by_output(grad_out, x, weight, stride=1, padding=0):
    (down, right), (top, left), (tall, wide) = _pair(stride), _pair(padding), weight.shape[2:]
    bordered = _zero_border(x, padding)
    grad_bordered, grad_weight = torch.zeros_like(bordered), torch.zeros_like(weight)
    for p in range(grad_out.shape[2]):
        for q in range(grad_out.shape[3]):
            rows, columns = slice(p * down, p * down + tall), slice(q * right, q * right + wide)
            above = grad_out[:, :, p, q]
            grad_weight += torch.einsum("no,ncij->ocij", above, bordered[:, :, rows, columns])
            grad_bordered[:, :, rows, columns] += torch.einsum("no,ocij->ncij", above, weight)
    grad_x = grad_bordered[:, :, top:top + x.shape[2], left:left + x.shape[3]]
    return grad_x, grad_weight, grad_out.sum((0, 2, 3))


@conv2d_backward.alternative
def as_two_correlations(grad_out, x, weight, stride=1, padding=0):
    (down, right), (tall, wide) = _pair(stride), weight.shape[2:]
    height, width = _bordered_size(x, padding)
    apart = grad_out.new_zeros(*grad_out.shape[:2], height + tall - 1, width + wide - 1)
    apart[:, :, tall - 1:tall - 1 + down * grad_out.shape[2]:down,
          wide - 1:wide - 1 + right * grad_out.shape[3]:right] = grad_out
    grad_x = _without_border(_correlate(apart, weight.flip(2, 3).transpose(0, 1)), x, padding)
    inner = apart[:, :, tall - 1:height, wide - 1:width]
    grad_weight = _correlate(_zero_border(x, padding).transpose(0, 1), inner.transpose(0, 1)).transpose(0, 1)
    return grad_x, grad_weight, grad_out.flatten(2).sum((0, 2))


@conv2d_backward.alternative
def through_columns_in_double_precision(grad_out, x, weight, stride=1, padding=0):
    (down, right), (tall, wide) = _pair(stride), weight.shape[2:]
    columns = _columns(_windows(x.double(), (tall, wide), stride, padding))
    above, (above_height, above_width) = grad_out.double().flatten(2), grad_out.shape[2:]
    grad_weight = (above @ columns.transpose(1, 2)).sum(0).reshape(weight.shape)
    back = (weight.double().flatten(1).T @ above).reshape(*x.shape[:2], tall, wide, above_height, above_width)
    bordered = torch.zeros_like(_zero_border(x, padding), dtype=torch.float64)
    for i in range(tall):
        for j in range(wide):
            rows, cells = slice(i, i + down * above_height, down), slice(j, j + right * above_width, right)
            bordered[:, :, rows, cells] += back[:, :, i, j]
    grad_x = _without_border(bordered, x, padding)
    return tuple(gradient.to(x.dtype) for gradient in (grad_x, grad_weight, above.sum((0, 2))))
