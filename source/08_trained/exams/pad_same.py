"""How `pad_same` is examined."""

import math

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits

from .shared import _same


@exercise(points=10, reference=_same)
def pad_same(impl, draw):
    yield aspect("even", "So much is padded each way that ⌈size / stride⌉ windows fit; with a stride of 1 the picture "
                 "then keeps its size through the convolution.",
                 lambda: {"kernel 3": impl(draw.normal(1, 2, 4, 5), 3, 1),
                          "kernel 5": impl(draw.normal(2, 1, 6, 5), 5, 1)})
    yield aspect("uneven", "Where the number of rows or columns to be padded is odd, the right and the bottom get the "
                 "one more.",
                 lambda: {"kernel 3, stride 2": impl(draw.normal(1, 2, 6, 8), 3, 2),
                          "kernel 5, stride 2": impl(draw.normal(1, 2, 8, 6), 5, 2),
                          "kernel 4, stride 1": impl(draw.normal(1, 1, 5, 4), 4, 1)}, weight=2)
    yield aspect("each way", "Height and width are looked at apart: one may need more than the other.",
                 lambda: {"5×8": impl(draw.normal(1, 2, 5, 8), 3, 2), "8×5": impl(draw.normal(1, 2, 8, 5), 3, 2),
                          "7×6": impl(draw.normal(1, 2, 7, 6), 5, 3), "5×6": impl(draw.normal(1, 2, 5, 6), 2, 2),
                          "6×5": impl(draw.normal(1, 2, 6, 5), 2, 2)}, weight=2)
    yield aspect("nothing to pad", "Where nothing is missing, nothing is padded and nothing is cut off: a stride may "
                 "be larger than the kernel.",
                 lambda: {"kernel 1, stride 2": impl(draw.normal(1, 2, 6, 8), 1, 2),
                          "kernel 2, stride 2": impl(draw.normal(1, 2, 6, 8), 2, 2),
                          "kernel 2, stride 3": impl(draw.normal(1, 2, 6, 9), 2, 3)})
    yield habits("House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients "
                 "flow.", impl, lambda: (draw.normal(2, 2, 4, 6), 3, 2))


def _sides(x, kernel_size, stride, split):
    """Padded by what `split(total)` gives for (before, after)."""
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        sides += split(max((-(-size // stride) - 1) * stride + kernel_size - size, 0))
    return F.pad(x, sides)


@pad_same.misconception("The padding is the same on both sides, kernel_size // 2. That is right for a stride of 1; "
                        "with stride 2 every window then begins one pixel too early where the size is even.")
def pads_both_sides_alike(x, kernel_size, stride):
    return F.pad(x, [kernel_size // 2] * 4)


@pad_same.misconception("The one more is on the left and at the top. These weights were trained with it on the right "
                        "and at the bottom: the smaller half comes first.")
def gives_the_more_to_the_left(x, kernel_size, stride):
    return _sides(x, kernel_size, stride, lambda total: [total - total // 2, total // 2])


@pad_same.misconception("An odd number to be padded is halved and the rest dropped: one row or column is missing, and "
                        "one window less fits.")
def drops_the_odd_one(x, kernel_size, stride):
    return _sides(x, kernel_size, stride, lambda total: [total // 2, total // 2])


@pad_same.misconception("An odd number to be padded is halved and rounded up on both sides: one row or column too many "
                        "is padded.")
def rounds_both_up(x, kernel_size, stride):
    return _sides(x, kernel_size, stride, lambda total: [total - total // 2] * 2)


@pad_same.misconception("Everything was padded on the right and at the bottom. It is shared by both sides; only the "
                        "odd one goes there.")
def pads_one_side_alone(x, kernel_size, stride):
    return _sides(x, kernel_size, stride, lambda total: [0, total])


@pad_same.misconception("Always kernel_size − 1 is padded. With a stride the last window begins later: how many are "
                        "missing depends on the size, too.")
def forgets_the_size(x, kernel_size, stride):
    before = (kernel_size - 1) // 2
    return F.pad(x, [before, kernel_size - 1 - before] * 2)


@pad_same.misconception("kernel_size − stride was padded. That is right where the stride divides the size; elsewhere "
                        "the last window needs more: how many are missing depends on the size.")
def pads_kernel_minus_stride(x, kernel_size, stride):
    total = max(kernel_size - stride, 0)
    return F.pad(x, [total // 2, total - total // 2] * 2)


@pad_same.misconception("Height and width are exchanged: `F.pad` takes the last axis first, left, right, top, bottom.")
def exchanges_the_axes(x, kernel_size, stride):
    return _same(x.transpose(-1, -2), kernel_size, stride).transpose(-1, -2) if x.shape[-1] == x.shape[-2] else F.pad(
        x, [side for size in (x.shape[-2], x.shape[-1]) for side in _halves(size, kernel_size, stride)])


def _halves(size, kernel_size, stride):
    total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
    return [total // 2, total - total // 2]


@pad_same.misconception("The height's padding was used for the width, too. Each axis has a number of its own.")
def uses_the_height_for_both(x, kernel_size, stride):
    return F.pad(x, _halves(x.shape[-2], kernel_size, stride) * 2)


@pad_same.misconception("The width's padding was used for the height, too. Each axis has a number of its own.")
def uses_the_width_for_both(x, kernel_size, stride):
    return F.pad(x, _halves(x.shape[-1], kernel_size, stride) * 2)


@pad_same.misconception("The number of windows was rounded down: ⌊size / stride⌋. The last pixels then belong to no "
                        "window; it is ⌈size / stride⌉.")
def rounds_windows_down(x, kernel_size, stride):
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max((size // stride - 1) * stride + kernel_size - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


@pad_same.misconception("Where the last window ends before the picture does, something is cut off: `F.pad` takes a "
                        "negative number as that. Nothing is missing there: pad 0.")
def cuts_off(x, kernel_size, stride):
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        total = (-(-size // stride) - 1) * stride + kernel_size - size
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


@pad_same.misconception("The border is filled with the picture's outermost pixels, repeated. These weights were "
                        "trained with zeros there.")
def repeats_the_border(x, kernel_size, stride):
    return F.pad(x, [side for size in (x.shape[-1], x.shape[-2]) for side in _halves(size, kernel_size, stride)],
                 mode="replicate")


@pad_same.misconception("The border is filled with the picture's own pixels, reflected. These weights were trained "
                        "with zeros there.")
def reflects_at_the_border(x, kernel_size, stride):
    return F.pad(x, [side for size in (x.shape[-1], x.shape[-2]) for side in _halves(size, kernel_size, stride)],
                 mode="reflect")


@pad_same.misconception("The four numbers for `F.pad` are in the order left, top, right, bottom. It takes them by "
                        "axis, the last axis first: left, right, top, bottom.")
def takes_the_corners(x, kernel_size, stride):
    (left, right), (top, bottom) = (_halves(size, kernel_size, stride) for size in (x.shape[-1], x.shape[-2]))
    return F.pad(x, (left, top, right, bottom))


@pad_same.misconception("Where the stride divides the size there is room for one window too many: the number of "
                        "windows is ⌈size / stride⌉, not ⌊size / stride⌋ + 1.")
def counts_one_window_more(x, kernel_size, stride):
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        total = max(size // stride * stride + kernel_size - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(x, sides)


@pad_same.alternative
def into_zeros(x, kernel_size, stride):
    high, wide = x.shape[-2:]
    down = max((math.ceil(high / stride) - 1) * stride + kernel_size - high, 0)
    across = max((math.ceil(wide / stride) - 1) * stride + kernel_size - wide, 0)
    out = x.new_zeros(*x.shape[:-2], high + down, wide + across)
    out[..., down // 2:down // 2 + high, across // 2:across // 2 + wide] = x
    return out


@pad_same.alternative
def by_the_remainder(x, kernel_size, stride):
    def missing(size):
        rest = size % stride or stride
        return max(kernel_size - rest, 0)

    down, across = missing(x.size(2)), missing(x.size(3))
    return F.pad(x, (across // 2, (across + 1) // 2, down // 2, (down + 1) // 2))


@pad_same.alternative
def by_zeros_beside(x, kernel_size, stride):
    for axis in (-1, -2):
        size = x.shape[axis]
        windows = (size + stride - 1) // stride
        total = max(0, stride * (windows - 1) + kernel_size - size)
        shape = list(x.shape)
        parts = []
        for count in (total // 2, total - total // 2):
            shape[axis] = count
            parts.append(torch.zeros(shape, dtype=x.dtype))
        x = torch.cat([parts[0], x, parts[1]], axis)
    return x


pad_same.equivalent(
    "for size in (x.shape[-1], x.shape[-2]): -> for size in (x.shape[-1], x.shape[2]):",
    "A batch of pictures has four axes: its third is its last but one.")
pad_same.equivalent(
    "missing = max((-(-size // stride) - 1) * stride + kernel_size - size, 0) -> "
    "missing = max(0, (-(-size // stride) - 1) * stride + kernel_size - size)",
    "The larger of two whole numbers is the same in either order.")
