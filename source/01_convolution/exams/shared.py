"""What several exams of this chapter need."""

import torch
import torch.nn.functional as F

_HOUSE_RULES = ("House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients "
                "flow.")


def _scattered(draw, *shape):
    """Drawn numbers that do not lie one after the other in memory: dimensions in reverse order, and gaps between."""
    return draw.normal(*reversed(shape), 2)[..., 0].permute(*reversed(range(len(shape))))


def _and_inputs(impl, *inputs):
    """The result, and what the inputs are afterwards."""
    return [impl(*inputs), *inputs]


def _whole_or_not(number):
    """An int for a float that is a whole number: of which kind it is, is another aspect's business."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _but_for_an_offset(seen, right):
    """Of several numbers how much more each is than the first, so that one too many in each is one slip."""
    numbers = [_whole_or_not(part["the view"] if isinstance(part, dict) else part) for part in seen]
    told = ["the first result", *(f"{number - numbers[0]} more than the first result" for number in numbers[1:])]
    return [[words, part["the list afterwards"]] if isinstance(part, dict) else words
            for words, part in zip(told, seen, strict=True)]


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


def _columns(windows):
    """(N, C, H', W', kH, kW) to (N, C·kH·kW, L)"""
    return windows.permute(0, 1, 4, 5, 2, 3).flatten(1, 3).flatten(2)
