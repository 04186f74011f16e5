"""How `conv_output_size` is examined."""

import math

import torch
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _but_for_an_offset, _whole, _whole_or_not


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
        result = impl(*numbers)
        returned = isinstance(result, Exception) or (isinstance(result, type) and issubclass(result, Exception))
        return "an error that was returned" if returned else f"a size of {_whole_or_not(result)}"
    except (ValueError, AssertionError) as error:
        return "a ValueError" if isinstance(error, ValueError) else "an AssertionError"


def _sizes(impl, cases):
    return [_whole_or_not(impl(*numbers)) for numbers in cases]


@exercise(points=8, reference=_count_starts)
def conv_output_size(impl, draw):
    yield aspect("kernel alone", "Without stride, padding and dilation there are `size - kernel_size + 1` windows.",
                 lambda: _sizes(impl, [(_whole(draw, 10, 40), kernel_size) for kernel_size in (1, 2, 3, 7)]))
    yield aspect("padding", "`padding` is added on both sides.",
                 lambda: _sizes(impl, [(_whole(draw, 10, 40), size, 1, padding)
                                       for size, padding in ((3, 1), (5, 2), (7, 3), (4, 2), (2, 1))]),
                 view=_but_for_an_offset)
    yield aspect("stride", "A last step that leads off the picture is left out: round down.",
                 lambda: _sizes(impl, [(*_uneven(draw, stride), stride) for stride in (2, 3, 4, 5)]
                                + [(27, 3, 4), (30, 3, 4), (7, 3, 9)]), view=_but_for_an_offset)
    yield aspect("dilation", "With a dilation of d, neighbours in the kernel look at numbers that lie d apart.",
                 lambda: _sizes(impl, [(_whole(draw, 20, 40), size, 1, 0, dilation)
                                       for size, dilation in ((3, 2), (5, 3), (4, 4), (1, 3))]),
                 view=_but_for_an_offset)
    yield aspect("together", "All five numbers may be given at once, in the order of the signature below.",
                 lambda: _sizes(impl, [(_whole(draw, 20, 60), _whole(draw, 3, 6), stride, _whole(draw, 1, 4),
                                        _whole(draw, 2, 4)) for stride in (1, 2, 3, 2, 3)] + [(31, 3, 4, 2, 2)]),
                 view=_but_for_an_offset)
    yield aspect("no room", "Where not even one window fits, raise a `ValueError`; a window that just fits counts.",
                 lambda: [_size_or_error(impl, *numbers) for numbers in (
                     (5, 5), (3, 5, 1, 2), (3, 7, 1, 2), (9, 3, 2, 1, 5), (4, 5), (2, 7, 1, 2), (8, 3, 1, 0, 4),
                     (4, 6, 3), (4, 7), (3, 9, 1, 2), (2, 8, 4), (3, 3, 2, 0, 4))])
    yield aspect("whole numbers", "The result is a whole number (`int`).",
                 lambda: [impl(_whole(draw, 10, 40), 3), impl(size=28, kernel_size=3, padding=1, stride=2)])


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


@conv_output_size.misconception("A size below zero was refused, but not a size of 0: with 4 pixels and a kernel of 5 "
                                "there is no window. The result is 1 at least.")
def refuses_sizes_below_zero_alone(size, kernel_size, stride=1, padding=0, dilation=1):
    result = raises_nothing(size, kernel_size, stride, padding, dilation)
    if result < 0:
        raise ValueError("no window fits")
    return result


@conv_output_size.misconception("A size of 0 was refused, but not a size below zero: with 4 pixels and a kernel of 7 "
                                "the formula gives −2. The result is 1 at least.")
def refuses_a_size_of_zero_alone(size, kernel_size, stride=1, padding=0, dilation=1):
    result = raises_nothing(size, kernel_size, stride, padding, dilation)
    if result == 0:
        raise ValueError("no window fits")
    return result


@conv_output_size.misconception("Where no window fits, a size of 0 came out. Such a layer cannot be: raise ValueError.")
def gives_zero(size, kernel_size, stride=1, padding=0, dilation=1):
    return max(0, raises_nothing(size, kernel_size, stride, padding, dilation))


@conv_output_size.misconception("An `assert` stopped the function, which raises an AssertionError. The task wants "
                                "`raise ValueError(...)`: an assert is for what can never happen.")
def asserts(size, kernel_size, stride=1, padding=0, dilation=1):
    result = raises_nothing(size, kernel_size, stride, padding, dilation)
    assert result >= 1
    return result


@conv_output_size.misconception("The number is right, but it is a float. Sizes are whole: `//` gives an int between "
                                "ints, and `int(...)` makes one.", literal=True)
def floors_to_a_float(size, kernel_size, stride=1, padding=0, dilation=1):
    return float(_count_starts(size, kernel_size, stride, padding, dilation))


@conv_output_size.misconception("A kernel larger than the picture was refused, whatever the padding. With it, the "
                                "row has `size + 2 * padding` numbers, and the window may fit.")
def refuses_kernels_larger_than_the_picture(size, kernel_size, stride=1, padding=0, dilation=1):
    if kernel_size > size:
        raise ValueError("no window fits")
    return raises_nothing(size, kernel_size, stride, padding, dilation)


@conv_output_size.misconception("When it was checked whether a window fits, the padding was added once. It is added on "
                                "both sides, there as in the result.")
def checks_with_one_padding(size, kernel_size, stride=1, padding=0, dilation=1):
    if dilation * (kernel_size - 1) + 1 > size + padding:
        raise ValueError("no window fits")
    return raises_nothing(size, kernel_size, stride, padding, dilation)


@conv_output_size.misconception("The ValueError was returned like a number, and nobody is stopped by it. An error is "
                                "raised: `raise ValueError(...)`.", literal=True)
def returns_the_error(size, kernel_size, stride=1, padding=0, dilation=1):
    result = raises_nothing(size, kernel_size, stride, padding, dilation)
    return result if result >= 1 else ValueError("no window fits")


@conv_output_size.misconception("Stride and padding are exchanged: the task's order is size, kernel_size, stride, "
                                "padding, dilation.")
def exchanges_stride_and_padding(size, kernel_size, padding=0, stride=1, dilation=1):
    return raises_nothing(size, kernel_size, stride, padding, dilation)


@conv_output_size.misconception("Where no window fits, a size of 1 came out, as by `max(1, …)`. Such a layer cannot "
                                "be: raise ValueError.")
def gives_one_at_least(size, kernel_size, stride=1, padding=0, dilation=1):
    return max(1, (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1)


@conv_output_size.misconception("Where no window fits, None came out, and nobody is stopped by it. Raise ValueError.")
def gives_none(size, kernel_size, stride=1, padding=0, dilation=1):
    count = (size + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1
    return count if count > 0 else None


@conv_output_size.misconception("The padding was counted four times. One `padding` lies on each side: 2·padding in "
                                "all.")
def pads_four_times(size, kernel_size, stride=1, padding=0, dilation=1):
    return _count_starts(size, kernel_size, stride, 2 * padding, dilation)


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
