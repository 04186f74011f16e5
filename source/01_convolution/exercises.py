"""How the exercises of chapter 1 are examined, and what is known about wrong answers to them."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, count_operators, error_of, exercise, habits, ops


def _pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def _zero_border(x, padding):
    height, width = _pair(padding)
    return F.pad(x, (width, width, height, height))


def _windows(x, kernel_size, stride=1, padding=0):
    """(N, C, H', W', kH, kW)"""
    (kernel_height, kernel_width), (down, right) = _pair(kernel_size), _pair(stride)
    return _zero_border(x, padding).unfold(2, kernel_height, down).unfold(3, kernel_width, right)


def _correlate(x, weight, stride=1, padding=0):
    return torch.einsum("nchwij,ocij->nohw", _windows(x, weight.shape[2:], stride, padding), weight)


def _with_bias(out, bias):
    return out if bias is None else out + bias[:, None, None]


def _whole(draw, low, high):
    """A drawn whole number, low <= number < high."""
    return int(draw.integers(low, high))


def _item(result, index, count):
    """One of the `count` things that an answer returns together."""
    if result is None:
        return None  # that a `return` is missing will be told
    if not isinstance(result, (tuple, list)):
        raise ValueError(f"the task wants a tuple of {count} results, not one {type(result).__name__[:40]}")
    if len(result) <= index:
        raise ValueError(f"the task wants a tuple of {count} results, and there are {len(result)} in yours")
    return result[index]


# ---------------------------------------------------------------------------------------------------------------------
# cross_correlate


def _correlate_image(image, kernel):
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]


@exercise(points=10, reference=_correlate_image, bans=ops.CONVOLUTION)
def cross_correlate(impl, draw):
    yield aspect("values", "Lay the kernel on the image, multiply the numbers that meet, and add the products.",
                 lambda: impl(draw.normal(6, 6), draw.normal(3, 3)))
    yield aspect("shapes", "Neither the image nor the kernel has to be square.",
                 lambda: [impl(draw.normal(5, 9), draw.normal(2, 4)), impl(draw.normal(8, 5), draw.normal(4, 1))])
    yield aspect("extremes", "The smallest kernel is 1×1; the largest is as large as the image and leaves one number.",
                 lambda: [impl(draw.normal(3, 4), draw.normal(1, 1)), impl(draw.normal(4, 5), draw.normal(4, 5))])
    yield habits("Both inputs stay as they were, gradients flow to both, float64 inputs give a float64 result, and no "
                 "input need be contiguous in memory.",
                 impl, lambda: (draw.normal(4, 6), draw.normal(2, 3)))


@cross_correlate.misconception("The kernel was flipped: that is the convolution of mathematics. Here the kernel's "
                               "upper left number meets the window's upper left number.")
def flips_the_kernel(image, kernel):
    return _correlate_image_by_windows(image, kernel.flip(0, 1))


def _correlate_image_by_windows(image, kernel):
    return _correlate(image[None, None], kernel[None, None])[0, 0]


@cross_correlate.misconception("The last row and the last column of windows are missing. Count the places where a "
                               "kernel of 3 fits on 4 numbers: there are two.")
def stops_one_early(image, kernel):
    return _correlate_image_by_windows(image, kernel)[:-1, :-1]


@cross_correlate.misconception("A border of zeros was added to keep the image's size. There is no padding in this "
                               "task: a window must lie wholly on the image.")
def keeps_the_size(image, kernel):
    height, width = kernel.shape
    bordered = F.pad(image, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    return _correlate_image_by_windows(bordered, kernel)


@cross_correlate.misconception("The products were averaged. They are added up: a kernel of nine ones adds nine "
                               "numbers and does not divide by nine.")
def averages(image, kernel):
    return _correlate_image_by_windows(image, kernel) / kernel.numel()


@cross_correlate.misconception("The window and the kernel were multiplied as matrices (`@`). Each number of the "
                               "window meets just one number of the kernel: that product is `*`.")
def multiplies_matrices(image, kernel):
    height, width = kernel.shape
    rows = [torch.stack([(image[i:i + height, j:j + width] @ kernel).sum()
                         for j in range(image.shape[1] - width + 1)]) for i in range(image.shape[0] - height + 1)]
    return torch.stack(rows)


@cross_correlate.misconception("The kernel was laid on its side: rows and columns of the kernel are exchanged.")
def turns_the_kernel(image, kernel):
    return _correlate_image_by_windows(image, kernel.T)


@cross_correlate.misconception("The result lies on its side: what belongs to place (p, q) stands at (q, p). The first "
                               "index counts downwards, in the result as in the image.")
def lays_the_result_on_its_side(image, kernel):
    return _correlate_image_by_windows(image, kernel).T


@cross_correlate.misconception("Height and width of the kernel are exchanged when the window is cut out. In "
                               "`kernel.shape` the height comes first. With square kernels nobody notices.")
def exchanges_height_and_width(image, kernel):
    width, height = kernel.shape
    out = torch.empty(image.shape[0] - height + 1, image.shape[1] - width + 1, dtype=image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + height, j:j + width] * kernel).sum()
    return out


@cross_correlate.misconception("The sums left PyTorch, by `.item()`, `torch.tensor()` or NumPy, so autograd lost "
                               "their trace. Put the 0-dimensional tensor itself into the result.")
def takes_items(image, kernel):
    out = torch.empty(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1, dtype=image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + kernel.shape[0], j:j + kernel.shape[1]] * kernel).sum().item()
    return out


@cross_correlate.misconception("The result is always float32: `torch.zeros(height, width)` makes float32 whatever the "
                               "image is. Tell it the image's dtype.")
def always_single_precision(image, kernel):
    out = torch.zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + kernel.shape[0], j:j + kernel.shape[1]] * kernel).sum()
    return out


@cross_correlate.alternative
def stacks_rows(image, kernel):
    height, width = kernel.shape
    return torch.stack([
        torch.stack([torch.tensordot(image[i:i + height, j:j + width], kernel, dims=2)
                     for j in range(image.shape[1] - width + 1)])
        for i in range(image.shape[0] - height + 1)])


@cross_correlate.alternative
def shifts_the_image(image, kernel):
    height, width = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    return sum(kernel[i, j] * image[i:i + height, j:j + width]
               for i in range(kernel.shape[0]) for j in range(kernel.shape[1]))


@cross_correlate.alternative
def in_double_precision(image, kernel):
    windows = image.double().unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows * kernel.double()).sum((-2, -1)).to(image.dtype)


@cross_correlate.alternative
def with_python_numbers_added(image, kernel):
    out = image.new_zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    out[i, j] += image[i + a, j + b] * kernel[a, b]
    return out


# ---------------------------------------------------------------------------------------------------------------------
# edge_kernels


def _sobel():
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    return torch.stack([across, across.T])[:, None]


def _either_sign(mine, right):
    """A kernel with the sign that suits the right one; where neither does, with one that does not depend on its own."""
    agreement = (mine * right).sum() or mine.flatten() @ torch.arange(mine.numel(), dtype=mine.dtype)
    return mine if agreement >= 0 else -mine


def _sizes_in_order(kernels):
    """Each kernel's numbers without their signs, sorted; shape and dtype stay as they are."""
    if not isinstance(kernels, torch.Tensor):
        return kernels
    return kernels.abs().flatten(1).sort().values.reshape(kernels.shape)


def _on_ramps(kernels, draw):
    """How strongly each kernel answers to flat ground, and to a slope that rises to the right, or downwards."""
    if not isinstance(kernels, torch.Tensor):
        return kernels
    flat, slope = _whole(draw, 4, 20) / 4, _whole(draw, 4, 12) / 4  # quarters: their sums leave no rounding errors
    to_the_right = (slope * torch.arange(5.0)).expand(5, 5)
    grounds = torch.stack([torch.full((5, 5), flat), to_the_right, to_the_right.T])[:, None]
    return F.conv2d(grounds, kernels).abs().mean((2, 3))


@exercise(points=7, reference=_sobel)
def edge_kernels(impl, draw):
    yield aspect("form", "The result is one float32 tensor of shape (2, 1, 3, 3), its numbers are 0, ±1 and ±2.",
                 lambda: _sizes_in_order(impl()))
    yield aspect("vertical edges", "Kernel 0 answers to vertical edges: it compares the column on the right with the "
                 "column on the left.", lambda: impl()[0], view=_either_sign)
    yield aspect("horizontal edges", "Kernel 1 answers to horizontal edges: it compares the row below with the row "
                 "above.", lambda: impl()[1], view=_either_sign)
    yield aspect("slopes", "On flat ground both answer 0; where brightness grows by 1 per pixel, the kernel whose "
                 "business it is answers 8 or −8, the other 0.", lambda: _on_ramps(impl(), draw))


@edge_kernels.misconception("The two kernels are exchanged. A vertical edge separates left from right, so the first "
                            "kernel must compare columns, not rows.")
def exchanges_the_pair():
    return _sobel().flip(0)


@edge_kernels.misconception("Both kernels look for vertical edges. The second one must compare rows: the row below "
                            "with the row above.")
def compares_columns_twice():
    return _sobel()[[0, 0]]


@edge_kernels.misconception("Both kernels look for horizontal edges. The first one must compare columns: the one on "
                            "the right with the one on the left.")
def compares_rows_twice():
    return _sobel()[[1, 1]]


@edge_kernels.misconception("Both sides of the kernel have the same sign, so it adds left and right and answers to "
                            "flat ground. To compare means to subtract: one side is negative.")
def gives_both_sides_one_sign():
    return _sobel().abs()


@edge_kernels.misconception("All weights are ±1 (that is Prewitt's kernel). Sobel's gives the row, or column, through "
                            "the centre twice the weight.")
def forgets_the_twos():
    return _sobel().sign()


@edge_kernels.misconception("The channel dimension is missing. A weight has shape (out_channels, in_channels, kH, kW), "
                            "and there is one input channel.")
def forgets_the_channel():
    return _sobel()[:, 0]


@edge_kernels.misconception("The kernels hold whole numbers (int64), and PyTorch does not convolve a float32 picture "
                            "with them. Write at least one number with a point, or give the dtype.")
def gives_whole_numbers():
    return _sobel().long()


@edge_kernels.misconception("The kernels were divided by 8. That makes them measure the slope itself, but the task "
                            "wants the numbers 0, ±1 and ±2.")
def divides_by_eight():
    return _sobel() / 8


@edge_kernels.misconception("Both kernels sit in one tensor of shape (1, 2, 3, 3): that is one filter for pictures of "
                            "two channels. Here two filters look at one channel.")
def makes_one_filter_of_two_channels():
    return _sobel().transpose(0, 1).contiguous()


@edge_kernels.misconception("The heavy weight 2 is in the corners instead of on the line through the centre.")
def puts_the_twos_in_the_corners():
    across = torch.tensor([[-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]])
    return torch.stack([across, across.T])[:, None]


@edge_kernels.alternative
def with_the_other_sign():
    return -_sobel()


@edge_kernels.alternative
def as_outer_products():
    smooth, differ = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 0.0, -1.0])
    return torch.stack([torch.outer(smooth, differ), torch.outer(differ, smooth)]).unsqueeze(1)


@edge_kernels.alternative
def with_a_sign_each():
    return torch.tensor([[[[1, 0, -1], [2, 0, -2], [1, 0, -1]]], [[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]],
                        dtype=torch.float32)


# ---------------------------------------------------------------------------------------------------------------------
# conv_output_size


def _count_starts(size, kernel_size, stride=1, padding=0, dilation=1):
    """Counts the places where a window may start, one by one."""
    starts = [start for start in range(-padding, size + padding)
              if start + dilation * (kernel_size - 1) < size + padding]
    if not starts:
        raise ValueError("no window fits")
    return len(starts[::stride])


def _uneven(draw, stride):
    """A size and a kernel such that the last stride does not come out even."""
    kernel_size = _whole(draw, 2, 6)
    return kernel_size + stride * _whole(draw, 3, 9) + _whole(draw, 1, stride), kernel_size


def _size_or_error(impl, *numbers):
    """In words, so that a size and an error can be compared."""
    try:
        return f"a size of {impl(*numbers)}"
    except ValueError:
        return "a ValueError"


@exercise(points=8, reference=_count_starts)
def conv_output_size(impl, draw):
    yield aspect("kernel alone", "Without stride, padding and dilation there are `size - kernel_size + 1` windows.",
                 lambda: [impl(_whole(draw, 10, 40), kernel_size) for kernel_size in (1, 2, 3, 7)])
    yield aspect("padding", "`padding` is added on both sides.",
                 lambda: [impl(_whole(draw, 10, 40), 2 * padding + 1, 1, padding) for padding in (1, 2, 3)]
                 + [impl(_whole(draw, 10, 40), 4, padding=2)])
    yield aspect("stride", "A last step that leads off the picture is left out: round down.",
                 lambda: [impl(*_uneven(draw, stride), stride) for stride in (2, 3, 4, 5)]
                 + [impl(size, 3, stride=4) for size in (27, 30)])
    yield aspect("dilation", "With a dilation of d, neighbours in the kernel look at numbers that lie d apart.",
                 lambda: [impl(_whole(draw, 20, 40), _whole(draw, 3, 6), dilation=dilation) for dilation in (2, 3, 4)])
    yield aspect("together", "All five numbers may be given at once, in the order of the signature below.",
                 lambda: [impl(_whole(draw, 20, 60), _whole(draw, 3, 6), stride, _whole(draw, 1, 4), _whole(draw, 2, 4))
                          for stride in (1, 2, 3, 2, 3)] + [impl(31, 3, 4, 2, 2)])
    yield aspect("no room", "Where not even one window fits, raise a `ValueError`; a window that just fits counts.",
                 lambda: [_size_or_error(impl, *numbers) for numbers in (
                     (5, 5), (3, 5, 1, 2), (3, 7, 1, 2), (9, 3, 2, 1, 5),
                     (4, 5), (2, 7, 1, 2), (8, 3, 1, 0, 4), (4, 6, 3))])


@conv_output_size.misconception("The last step was counted although its window hangs over the border: round down, not "
                                "up.")
def rounds_up(size, kernel_size, stride=1, padding=0, dilation=1):
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    if room < 0:
        raise ValueError("no window fits")
    return math.ceil(room / stride) + 1


@conv_output_size.misconception("The result was rounded to the nearest whole number. A window fits or does not fit; "
                                "three quarters of a step are no step.")
def rounds_to_the_nearest(size, kernel_size, stride=1, padding=0, dilation=1):
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    if room < 0:
        raise ValueError("no window fits")
    return round(room / stride) + 1


@conv_output_size.misconception("The dilation was forgotten. A kernel of 3 with dilation 2 reaches over 5 numbers.")
def forgets_the_dilation(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size, stride, padding)


@conv_output_size.misconception("The dilated kernel was taken to be dilation × kernel_size long. There are only "
                                "kernel_size − 1 gaps to stretch: draw a kernel of 3 with dilation 2.")
def multiplies_kernel_by_dilation(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size * dilation, stride, padding)


@conv_output_size.misconception("The padding was added on one side only. `padding=1` puts one zero before the row and "
                                "one after it.")
def pads_one_side(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size + padding, kernel_size, stride, 0, dilation)


@conv_output_size.misconception("One window is missing. You counted the steps; the window stands somewhere before its "
                                "first step, and that place counts, too.")
def forgets_the_first_window(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size, stride, padding, dilation) - 1


@conv_output_size.misconception("There was no ValueError where the kernel is larger than the padded picture. Such a "
                                "layer has no output at all; a size of zero or less would come up much later.")
def raises_nothing(size, kernel_size, stride=1, padding=0, dilation=1):
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


@conv_output_size.misconception("The number of places was divided by the stride. Of the places 0 to 4, a stride of 2 "
                                "keeps three: 0, 2 and 4. Divide the room to move, and the first place comes on top.")
def divides_the_places(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size, 1, padding, dilation) // stride


@conv_output_size.misconception("The dilation was added to the kernel's size once. Each of the kernel_size − 1 gaps "
                                "grows by dilation − 1: draw a kernel of 4 with dilation 3.")
def adds_the_dilation_once(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size + dilation - 1, stride, padding)


@conv_output_size.misconception("The kernel was compared with the picture without its padding, so a layer was refused "
                                "whose window fits once the zeros are there.")
def forgets_the_padding_in_the_check(size, kernel_size, stride=1, padding=0, dilation=1):
    if dilation * (kernel_size - 1) + 1 > size:
        raise ValueError("no window fits")
    return _count_starts(size, kernel_size, stride, padding, dilation)


@conv_output_size.misconception("When it was checked whether a window fits, the kernel was taken without its dilation. "
                                "The holes need room, too.")
def forgets_the_dilation_in_the_check(size, kernel_size, stride=1, padding=0, dilation=1):
    if kernel_size > size + 2 * padding:
        raise ValueError("no window fits")
    return (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1


@conv_output_size.misconception("Room below zero was cut off towards zero: `int(-2 / 3)` is 0, and one window seems to "
                                "fit. Ask whether there is room before you divide.")
def cuts_off_towards_zero(size, kernel_size, stride=1, padding=0, dilation=1):
    result = int((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride) + 1
    if result < 1:
        raise ValueError("no window fits")
    return result


@conv_output_size.misconception("A window that just fits was refused. As large as the padded picture is not too "
                                "large: the result is 1.")
def refuses_an_exact_fit(size, kernel_size, stride=1, padding=0, dilation=1):
    if dilation * (kernel_size - 1) + 1 >= size + 2 * padding:
        raise ValueError("no window fits")
    return _count_starts(size, kernel_size, stride, padding, dilation)


@conv_output_size.misconception("The result is a float, because `/` gives floats. Sizes are whole numbers: divide so "
                                "that the result is an int, rounded down.")
def divides_exactly(size, kernel_size, stride=1, padding=0, dilation=1):
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    if room < 0:
        raise ValueError("no window fits")
    return room / stride + 1


@conv_output_size.alternative
def counts_with_a_range(size, kernel_size, stride=1, padding=0, dilation=1):
    count = len(range(0, size + 2 * padding - dilation * (kernel_size - 1), stride))
    if count < 1:
        raise ValueError(f"kernel size {kernel_size} is too large for size {size}")
    return count


@conv_output_size.alternative
def asks_a_layer(size, kernel_size, stride=1, padding=0, dilation=1):
    layer = nn.Conv1d(1, 1, kernel_size, stride, padding, dilation, device="meta")
    try:
        return layer(torch.empty(1, 1, size, device="meta")).shape[-1]
    except RuntimeError as error:
        raise ValueError(str(error)) from error


@conv_output_size.alternative
def writes_the_floor(size, kernel_size, stride=1, padding=0, dilation=1):
    result = math.floor((size + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1)
    if result <= 0:
        raise ValueError
    return int(result)


# ---------------------------------------------------------------------------------------------------------------------
# conv2d


@exercise(points=18, reference=F.conv2d, bans=ops.CONVOLUTION)
def conv2d(impl, draw):
    yield aspect("channels", "An output channel adds up what its kernel finds in all input channels.",
                 lambda: impl(draw.normal(1, 3, 6, 6), draw.normal(4, 3, 3, 3)))
    yield aspect("batch", "Every picture of the batch goes through the same filters, square or not.",
                 lambda: impl(draw.normal(3, 2, 5, 7), draw.normal(3, 2, 2, 3)))
    yield aspect("bias", "`bias` has one number for each output channel, added once to every pixel of that channel.",
                 lambda: impl(draw.normal(2, 3, 5, 6), draw.normal(4, 3, 2, 3), draw.normal(4)))
    yield aspect("padding", "`padding` puts zeros around the picture, on all four sides.",
                 lambda: impl(draw.normal(2, 2, 5, 6), draw.normal(3, 2, 3, 3), padding=2))
    yield aspect("stride", "`stride` is the step of the window, downwards and to the right; a last step that leads off "
                 "the picture is left out.",
                 lambda: impl(draw.normal(2, 2, 8, 9), draw.normal(3, 2, 3, 3), None, 2))
    yield aspect("pairs", "`stride` and `padding` are a number or a pair (height, width).",
                 lambda: impl(draw.normal(2, 2, 9, 8), draw.normal(3, 2, 3, 2), draw.normal(3), (3, 1), (1, 2)))
    yield habits("`x`, `weight` and `bias` stay as they were, gradients flow to all three, float64 stays float64, and "
                 "no input need be contiguous in memory.",
                 impl, lambda: (draw.normal(2, 2, 6, 5), draw.normal(3, 2, 3, 3), draw.normal(3), 2, 1))


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


@conv2d.misconception("The zeros were put on two sides only, above and on the left. `padding` goes on all four sides.")
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


# ---------------------------------------------------------------------------------------------------------------------
# unfold


def _columns_of_pytorch(x, kernel_size, stride=1, padding=0):
    return F.unfold(x, kernel_size, stride=stride, padding=padding)


def _columns(windows):
    """(N, C, H', W', kH, kW) to (N, C·kH·kW, L)"""
    return windows.permute(0, 1, 4, 5, 2, 3).flatten(1, 3).flatten(2)


def _twice(impl, draw):
    """The result on a large picture, and whether it took about as many operators as on a small one."""
    _, few = count_operators(lambda: impl(draw.normal(1, 2, 5, 5), 2, 1, 2))
    result, many = count_operators(lambda: impl(draw.normal(1, 2, 17, 20), 2, 1, 2))
    return [result, "no loop" if many <= few + 5 else "more operators on a larger picture"]


@exercise(points=18, reference=_columns_of_pytorch, bans=ops.CONVOLUTION)
def unfold(impl, draw):
    yield aspect("windows", "Column number l is window number l, counted as one reads: to the right, then down.",
                 lambda: impl(draw.normal(1, 1, 4, 6), 2))
    yield aspect("rows", "Row number c·kH·kW + i·kW + j holds what stands at place (i, j) of the window in channel c.",
                 lambda: impl(draw.normal(2, 3, 5, 6), (2, 3)))
    yield aspect("padding", "`padding` zeros lie around the picture, on all four sides.",
                 lambda: impl(draw.normal(2, 2, 4, 5), 3, padding=2))
    yield aspect("stride", "The window moves by `stride`, downwards and to the right; a last step that leads off the "
                 "picture is left out.", lambda: impl(draw.normal(2, 2, 8, 9), 3, 2))
    yield aspect("pairs", "`kernel_size`, `stride` and `padding` are a number or a pair (height, width).",
                 lambda: impl(draw.normal(2, 2, 9, 8), (3, 2), (3, 1), (1, 2)))
    yield aspect("no loop over pixels", "No Python loop over pixels or windows: the number of PyTorch calls must not "
                 "grow with the picture.", lambda: _twice(impl, draw))
    yield habits("`x` stays as it was, gradients flow to it, float64 stays float64, and `x` need not be "
                 "contiguous in memory.",
                 impl, lambda: (draw.normal(2, 2, 6, 5), 3, 2, 1))


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


@unfold.misconception("The zeros were put on two sides only, above and on the left. They go on all four sides.")
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


@unfold.misconception("The numbers are right, but Python visits the windows one by one. Loop over the places of the "
                      "kernel instead, or let `Tensor.unfold` cut all windows at once.")
def visits_every_window(x, kernel_size, stride=1, padding=0):
    (tall, wide), (down, right), bordered = _pair(kernel_size), _pair(stride), _zero_border(x, padding)
    return torch.stack([bordered[:, :, top:top + tall, left:left + wide].flatten(1)
                        for top in range(0, bordered.shape[2] - tall + 1, down)
                        for left in range(0, bordered.shape[3] - wide + 1, right)], dim=2)


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


# ---------------------------------------------------------------------------------------------------------------------
# conv2d_backward


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


def _backward_case(draw, size, kernel, stride=1, padding=0):
    """A batch of 3 pictures of 2 channels, 4 filters, and the gradient that comes from above."""
    lengths = [(length + 2 * border - window) // step + 1 for length, window, step, border in
               zip(size, kernel, _pair(stride), _pair(padding), strict=True)]
    return draw.normal(3, 4, *lengths), draw.normal(3, 2, *size), draw.normal(4, 2, *kernel), stride, padding


@exercise(points=22, reference=_gradients_of_pytorch, bans=ops.CONVOLUTION | ops.AUTOGRAD)
def conv2d_backward(impl, draw):
    yield aspect("grad_bias", "`grad_bias[o]` is the sum of `grad_out` over pictures, rows and columns of channel o.",
                 lambda: _item(impl(*_backward_case(draw, (5, 6), (2, 3))), 2, 3))
    yield aspect("grad_weight", "`grad_weight[o, c, i, j]` adds up, over the whole batch, `grad_out` times the number "
                 "of `x` that this weight met.",
                 lambda: _item(impl(*_backward_case(draw, (5, 6), (3, 2))[:3]), 1, 3))
    yield aspect("grad_x", "`grad_x` adds up, for each number of `x`, what comes back through all windows that saw it.",
                 lambda: _item(impl(*_backward_case(draw, (6, 5), (3, 2))[:3]), 0, 3))
    yield aspect("grad_weight, in full", "Stride and padding decide which number of `x` a weight met.",
                 lambda: _item(impl(*_backward_case(draw, (8, 7), (3, 3), 2, 1)), 1, 3))
    yield aspect("grad_x, in full", "`grad_x` has the shape of `x`: no border, and zeros where no window ever looked.",
                 lambda: _item(impl(*_backward_case(draw, (9, 8), (3, 2), 3, 1)), 0, 3))
    yield aspect("pairs", "`stride` and `padding` are, as before, a number or a pair (height, width).",
                 lambda: impl(*_backward_case(draw, (7, 6), (3, 2), (3, 1), (1, 2))))
    yield habits("The three inputs stay as they were, float64 inputs give float64 gradients, and no input need be "
                 "contiguous in memory.",
                 impl, lambda: _backward_case(draw, (5, 6), (3, 3), 2, 1), gradient=False)


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


# ---------------------------------------------------------------------------------------------------------------------
# count_cost


def _cost(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    """Counts on the layer's own weight."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias, device="meta")
    height, width = _pair(out_size)
    return sum(parameter.numel() for parameter in layer.parameters()), layer.weight.numel() * height * width


def _layer(draw, groups=1):
    """in_channels, out_channels, kernel_size, out_size: no two the same by chance where it matters."""
    in_channels = groups * _whole(draw, 2, 6)
    return in_channels, in_channels + groups * _whole(draw, 1, 5), _whole(draw, 2, 6), _whole(draw, 7, 30)


@exercise(points=8, reference=_cost)
def count_cost(impl, draw):
    yield aspect("parameters", "A filter has one weight for each kernel place in each input channel, and one bias.",
                 lambda: [_item(impl(*layer), 0, 2) for layer in (_layer(draw), _layer(draw), (3, 64, 7, 112))])
    yield aspect("multiplications", "Every weight is used once at every output pixel; adding the bias is not counted.",
                 lambda: [_item(impl(*layer), 1, 2) for layer in (_layer(draw), _layer(draw), (3, 64, 7, 112))])
    yield aspect("no bias", "With `bias=False` there are no biases to count.",
                 lambda: [impl(*_layer(draw), bias=False), impl(*_layer(draw), 1, False)])
    yield aspect("groups", "With `groups=g`, a filter sees only one g-th of the input channels.",
                 lambda: [impl(*_layer(draw, groups), groups) for groups in (2, 3, 4)])
    yield aspect("depthwise", "Depthwise means `groups=in_channels`: every filter sees a single channel.",
                 lambda: [impl(channels, channels, 3, _whole(draw, 7, 30), groups=channels, bias=False)
                          for channels in (_whole(draw, 3, 9), _whole(draw, 16, 64))])
    yield aspect("pairs", "`kernel_size` and `out_size` are a number or a pair (height, width).",
                 lambda: [impl(*_layer(draw)[:2], (1, _whole(draw, 3, 8)), _whole(draw, 7, 30)),
                          impl(*_layer(draw)[:3], (_whole(draw, 7, 15), _whole(draw, 15, 30)))])
    yield aspect("bad groups", "Where `groups` does not divide both channel numbers, raise a `ValueError`.",
                 lambda: [impl(6, 9, 3, 10, 3), error_of(lambda: impl(6, 9, 3, 10, groups=2), ValueError),
                          error_of(lambda: impl(9, 6, 3, 10, groups=2), ValueError)])


def _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias):
    (tall, wide), (height, width) = _pair(kernel_size), _pair(out_size)
    weights = out_channels * (in_channels // groups) * tall * wide
    return weights + out_channels * bias, weights * height * width


def _check_groups(in_channels, out_channels, groups):
    if in_channels % groups or out_channels % groups:
        raise ValueError("groups must divide both channel numbers")


@count_cost.misconception("The bias was counted among the multiplications. The MACs here come from the weights alone.")
def counts_the_bias_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    height, width = _pair(out_size)
    return parameters, macs + bias * out_channels * height * width


@count_cost.misconception("The groups were forgotten: each filter was given all input channels.")
def forgets_the_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, 1, bias)


@count_cost.misconception("Both channel numbers were divided by `groups`. That is one group alone: there are g of "
                          "them, so all output channels exist, and only what each one sees shrinks.")
def divides_twice_by_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels // groups, kernel_size, out_size, groups, False)
    return parameters + bias * out_channels, macs


@count_cost.misconception("The parameters were multiplied by the output's size. The weights are shared by all "
                          "places: a layer has as many on a stamp as on a poster.")
def multiplies_parameters_by_size(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    height, width = _pair(out_size)
    return parameters * height * width, macs


@count_cost.misconception("The MACs were not multiplied by the number of output pixels. Sharing weights saves memory, "
                          "not work: each one multiplies again at every pixel.")
def forgets_the_output_pixels(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, _ = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, parameters - bias * out_channels


@count_cost.misconception("A number for `kernel_size` was taken as the number of weights in a kernel. A kernel of 3 is "
                          "3×3: nine weights.")
def takes_the_kernel_as_a_row(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    kernel_size = kernel_size if isinstance(kernel_size, tuple) else (1, kernel_size)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("A number for `out_size` was taken as the number of output pixels. A size of 28 means "
                          "28×28 pixels.")
def takes_the_size_as_pixels(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    out_size = out_size if isinstance(out_size, tuple) else (1, out_size)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("There is one bias for each input channel. A bias belongs to a filter, so count the output "
                          "channels.")
def gives_inputs_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)
    return parameters + bias * in_channels, macs


@count_cost.misconception("The biases were counted although `bias=False`.")
def always_counts_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, True)


@count_cost.misconception("The biases were never counted: by default each filter has one.")
def never_counts_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)


@count_cost.misconception("The two numbers came in the other order. Parameters first, then MACs.")
def returns_the_macs_first(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)[::-1]


@count_cost.misconception("Multiplication and addition were counted separately. A MAC is both together: one for each "
                          "weight and output pixel. (Counted in FLOPs, it would be two.)")
def counts_flops(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, 2 * macs


@count_cost.misconception("The MACs ignore the groups. They save work just as they save weights: what is not stored is "
                          "not multiplied.")
def forgets_the_groups_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, macs * groups


@count_cost.misconception("`out_size` was taken for the size of what goes in, and the kernel was subtracted from it. "
                          "It is the output's size already.")
def takes_the_size_of_the_input(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    out_size = [size - window + 1 for size, window in zip(_pair(out_size), _pair(kernel_size), strict=True)]
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("The weights of one filter alone were counted. There are `out_channels` filters.")
def counts_one_filter(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, 1, kernel_size, out_size, groups, False)
    return parameters + bias * out_channels, macs


@count_cost.misconception("The MACs are those of one filter. Each of the `out_channels` filters multiplies at every "
                          "output pixel.")
def counts_one_filter_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, macs // out_channels


@count_cost.misconception("One bias was counted for the whole layer. Every filter has its own.")
def counts_one_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)
    return parameters + int(bias), macs


@count_cost.misconception("Groups that do not divide the output channels were accepted: only the input channels were "
                          "checked. The filters, too, are shared out evenly among the groups.")
def checks_the_inputs_alone(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, groups, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Groups that do not divide the input channels were accepted: only the output channels were "
                          "checked. With 9 channels and 2 groups, how many would a filter see?")
def checks_the_outputs_alone(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(groups, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Groups that do not divide the channels were accepted. Such a layer cannot be built, so "
                          "there is nothing to count: raise a ValueError.")
def accepts_all_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("The numbers are floats, because `/` gives floats. Counts are whole numbers: divide with "
                          "`//`.")
def counts_in_floats(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    (tall, wide), (height, width) = _pair(kernel_size), _pair(out_size)
    weights = out_channels * in_channels / groups * tall * wide
    return weights + out_channels * bias, weights * height * width


@count_cost.alternative
def by_formula(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.alternative
def group_by_group(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    if in_channels % groups != 0 or out_channels % groups != 0:
        raise ValueError(f"{groups} groups of {in_channels} and {out_channels} channels")
    weights = 0
    for _ in range(groups):
        weights += (in_channels // groups) * (out_channels // groups) * math.prod(_pair(kernel_size))
    return weights + (out_channels if bias else 0), weights * math.prod(_pair(out_size))


@count_cost.alternative
def by_a_layer_in_memory(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    weights = parameters - (out_channels if bias else 0)
    return parameters, weights * math.prod(_pair(out_size))


# ---------------------------------------------------------------------------------------------------------------------
# receptive_field


def _extent_of_what_is_seen(layers):
    """Follows one output back to the set of inputs that it sees."""
    seen = {0}
    for kernel_size, stride, dilation in reversed(layers):
        seen = {place * stride + dilation * tap for place in seen for tap in range(kernel_size)}
    return max(seen) - min(seen) + 1


def _view_and_list(impl, layers):
    """The view, and what the answer has left of the list."""
    return {"the view": impl(layers), "the list afterwards": layers}


@exercise(points=9, reference=_extent_of_what_is_seen)
def receptive_field(impl, draw):
    yield aspect("first layers", "Without a layer an output is an input: `receptive_field([])` is 1. One plain layer "
                 "sees its kernel.", lambda: [impl([]), *(impl([(size, 1, 1)]) for size in (1, 3, 4, 7))])
    yield aspect("stacks", "Without strides, each further layer widens the view by `kernel_size - 1`.",
                 lambda: [impl([(_whole(draw, 2, 8), 1, 1) for _ in range(depth)]) for depth in (2, 3, 5)])
    yield aspect("stride", "A stride spreads out all layers behind it, but not the layer itself.",
                 lambda: [impl([(_whole(draw, 2, 6), 2, 1)]), impl([(3, 3, 1), (_whole(draw, 2, 6), 1, 1)]),
                          impl([(_whole(draw, 2, 6), stride, 1) for stride in (2, 1, 3, 1)]),
                          impl([(3, 2, 1)] * _whole(draw, 3, 6))])
    yield aspect("dilation", "A dilation pulls the kernel apart; the holes count into the view.",
                 lambda: [impl([(_whole(draw, 2, 6), 1, dilation)]) for dilation in (2, 3)]
                 + [impl([(3, 1, 1), (_whole(draw, 2, 5), 1, 4), (3, 1, 2)])])
    yield aspect("whole networks", "Kernel, stride and dilation may change from layer to layer; the list itself stays "
                 "as it was.",
                 lambda: [_view_and_list(impl, [(_whole(draw, 1, 6), stride, _whole(draw, 1, 4)) for stride in strides])
                          for strides in ((2, 1, 2), (3, 2, 1, 2), (1, 2, 2, 1, 3))]
                 + [_view_and_list(impl, [(7, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 2)])])


@receptive_field.misconception("The strides were added up. Each one stretches what comes behind it, so they multiply: "
                               "after strides 2, 2 and 2 one step is worth 8 pixels.")
def adds_up_the_strides(layers):
    field, jump = 1, 1
    for number, (kernel_size, stride, dilation) in enumerate(layers):
        field += dilation * (kernel_size - 1) * jump
        jump = stride if number == 0 else jump + stride
    return field


@receptive_field.misconception("The strides were ignored. Behind a stride of 2, neighbours lie two input pixels apart, "
                               "so every further kernel reaches twice as far.")
def ignores_all_strides(layers):
    return 1 + sum(dilation * (kernel_size - 1) for kernel_size, _, dilation in layers)


@receptive_field.misconception("Only the stride of the layer just before was used. All strides before a layer "
                               "multiply.")
def uses_the_last_stride_only(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump = stride
    return field


@receptive_field.misconception("A layer's own stride was used for its own window. A single 3×3 layer with stride 2 "
                               "still sees 3 pixels: multiply by the strides before it only.")
def strides_too_early(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel_size - 1) * jump
    return field


@receptive_field.misconception("The dilation was ignored. A kernel of 3 with dilation 2 reaches from its first to its "
                               "last number over 5 pixels.")
def ignores_the_dilation(layers):
    return _extent_of_what_is_seen([(kernel_size, stride, 1) for kernel_size, stride, _ in layers])


@receptive_field.misconception("A dilated kernel was taken to be dilation × kernel_size long. It has one gap fewer "
                               "than numbers: dilation × (kernel_size − 1) + 1.")
def stretches_too_far(layers):
    return _extent_of_what_is_seen([(dilation * kernel_size, stride, 1) for kernel_size, stride, dilation in layers])


@receptive_field.misconception("The count starts from 0. Before the first layer an output is one pixel, and that pixel "
                               "is part of the view.")
def starts_from_zero(layers):
    return _extent_of_what_is_seen(layers) - 1


@receptive_field.misconception("The kernel sizes were added. Two 3×3 layers see 5 pixels, not 6: the second window "
                               "starts from a pixel that is already counted.")
def adds_the_kernel_sizes(layers):
    field, jump = 0, 1
    for kernel_size, stride, dilation in layers:
        field += (dilation * (kernel_size - 1) + 1) * jump
        jump *= stride
    return max(field, 1)


@receptive_field.misconception("Each layer widened the view by its whole kernel. One number of the kernel lies on the "
                               "pixel that is counted already; only the others reach further.")
def widens_by_the_whole_kernel(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * kernel_size * jump
        jump *= stride
    return field


@receptive_field.misconception("The dilation was multiplied on with the strides. It pulls one layer's kernel apart and "
                               "leaves the layers behind alone: its outputs still lie `stride` apart.")
def carries_the_dilation_on(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump *= stride * dilation
    return field


@receptive_field.misconception("Stride and dilation are exchanged. A layer's tuple is (kernel_size, stride, dilation).")
def exchanges_stride_and_dilation(layers):
    return _extent_of_what_is_seen([(kernel_size, dilation, stride) for kernel_size, stride, dilation in layers])


@receptive_field.misconception("The number is right, but the caller's list was turned around: `reverse()` works on the "
                               "list itself. `reversed(layers)` leaves it alone.")
def turns_the_list_around(layers):
    layers.reverse()
    return _extent_of_what_is_seen(layers[::-1])


@receptive_field.misconception("The number is right, but the caller's list is empty afterwards: `pop` takes the layers "
                               "out of it. Walk through the list without changing it.")
def empties_the_list(layers):
    field = _extent_of_what_is_seen(layers)
    layers.clear()
    return field


@receptive_field.misconception("The layers were taken from the last to the first. What stretches a layer are the "
                               "strides between it and the picture.")
def begins_at_the_end(layers):
    return _extent_of_what_is_seen(list(reversed(layers)))


@receptive_field.misconception("Only pixels that were really touched were counted. The view reaches from the first to "
                               "the last one; holes count.")
def counts_touched_pixels(layers):
    seen = {0}
    for kernel_size, stride, dilation in reversed(layers):
        seen = {place * stride + dilation * tap for place in seen for tap in range(kernel_size)}
    return len(seen)


@receptive_field.alternative
def grows_by_jumps(layers):
    field = jump = 1
    for kernel_size, stride, dilation in layers:
        field, jump = field + jump * dilation * (kernel_size - 1), jump * stride
    return field


@receptive_field.alternative
def walks_back(layers):
    size = 1
    for kernel_size, stride, dilation in layers[::-1]:
        size = (size - 1) * stride + dilation * (kernel_size - 1) + 1
    return size


@receptive_field.alternative
def asks_autograd(layers):
    size = 1 + sum(dilation * (kernel_size - 1) * math.prod(stride for _, stride, _ in layers)
                   for kernel_size, _, dilation in layers)
    x = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    out = x
    for kernel_size, stride, dilation in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel_size, dtype=torch.float64), stride=stride, dilation=dilation)
    gradient, = torch.autograd.grad(out[0, 0, 0], x)
    places = gradient[0, 0].nonzero()
    return int(places.max() - places.min()) + 1


@receptive_field.alternative
def as_a_sum_of_products(layers):
    jumps = [1]
    for _, stride, _ in layers:
        jumps.append(jumps[-1] * stride)
    return 1 + sum(jump * dilation * (kernel_size - 1)
                   for jump, (kernel_size, _, dilation) in zip(jumps, layers, strict=False))
