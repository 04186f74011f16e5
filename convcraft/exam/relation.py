"""What a wrong result has to do with the right one, where no known mistake explains it.

Of a result that differs everywhere the first differing number says little; that all of it is the right result, halved,
upside down, or right but for the border, says nearly all. A relation is told only where it holds exactly, within
rounding, of numbers varied enough to show it. Where two relations of the whole hold at once, neither is told: it could
be either.
"""

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import permutations

import torch
from torch import Tensor

from convcraft.language import N_, _, ngettext

_ROUNDING = {torch.float16: 2e-3, torch.bfloat16: 2e-2, torch.float32: 2e-5, torch.float64: 1e-9}
_VARIED = 4  # different numbers that a relation of the whole is seen in, at least
_FINE = 2e-6  # of the largest number: float32's own rounding, a few operations of it
_ACCIDENT = 1e-3  # the chance at which a place is called one
_ORDINARY = 64  # the largest denominator of a factor that is shown as a fraction


def relation(yours: Tensor, expected: Tensor) -> str:
    """One sentence that says how `yours` hangs together with `expected`, or nothing.

    Args:
        yours, expected: two tensors that differ, in shape, dtype or value.
    """
    if not expected.numel() or not yours.numel() or yours.is_complex() or expected.is_complex():
        return ""
    rounding = max(_ROUNDING.get(tensor.dtype, 1e-9) for tensor in (yours, expected))
    mine, right = yours.detach().to(torch.float64), expected.detach().to(torch.float64)
    whole = list(dict.fromkeys(_of_the_whole(mine, right, rounding)))
    if whole:
        return whole[0] if len(whole) == 1 else ""
    if yours.shape != expected.shape:
        return ""
    if expected.dtype == torch.float64 and (mine - right).abs().max() <= _FINE * right.abs().max():
        return _("Yours is right to float32's precision and no further: somewhere on the way the numbers were float32.")
    return next(_of_parts(mine, right, rounding), "")


def _close(mine: Tensor, right: Tensor, rounding: float) -> Tensor:
    """Which numbers are alike, within what rounding does to the largest of them."""
    scale = right[right.isfinite()].abs().amax() if right.isfinite().any() else torch.tensor(1.0)
    return ((mine - right).abs() <= rounding * scale) | (mine == right) | (mine.isnan() & right.isnan())


def _is(mine: Tensor, right: Tensor, rounding: float) -> bool:
    """Whether two tensors are one, and so varied that this is no accident."""
    if mine.shape != right.shape or not right.isfinite().all() or not _close(mine, right, rounding).all():
        return False
    return _is_varied(right, rounding)


def _is_varied(tensor: Tensor, rounding: float) -> bool:
    step = 50 * rounding * tensor.abs().max().item()
    return step > 0 and len((tensor / step).round().unique()) >= _VARIED


def _of_the_whole(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if mine.shape == right.shape:
        if _is(mine, right, rounding):
            yield _("The numbers are right; only their dtype is not.")
            return
        yield from _arithmetic(mine, right, rounding)
        yield from _mirrored(mine, right, rounding)
        yield from _shifted(mine, right, rounding)
        yield from _channels(mine, right, rounding)
    else:
        yield from _reshaped(mine, right, rounding)
    yield from _permuted(mine, right, rounding)


def _arithmetic(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if not (mine.isfinite().all() and right.isfinite().all()):
        return
    if mine.numel() >= _VARIED and (mine == mine.flatten()[0]).all():
        yield _("All of your {count} numbers are {number}.").format(
            count=mine.numel(), number=_shown(mine.flatten()[0].item()))
        return
    largest = right.abs().argmax()
    factor = (mine.flatten()[largest] / right.flatten()[largest]).item()
    if factor == -1 or (math.isfinite(factor) and abs(factor + 1) < rounding):
        if _is(mine, -right, rounding):
            yield _("The sign is wrong: yours is minus what was expected.")
    elif math.isfinite(factor) and _is(mine, factor * right, rounding):
        yield _("Yours is {factor} times what was expected, throughout.").format(factor=_factor(factor, rounding))
    offset = (mine - right).mean().item()
    if _is_varied(right, rounding) and _is(mine, right + offset, rounding):
        sentence = (_("Yours is {amount} more than what was expected, throughout.") if offset > 0 else
                    _("Yours is {amount} less than what was expected, throughout."))
        yield sentence.format(amount=_shown(abs(offset)))


def _mirrored(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if right.ndim == 1:
        if _is(mine, right.flip(0), rounding):
            yield _("Yours is in reverse order.")
        return
    for axes, sentence in (((-1,), N_("Yours is mirrored: left and right are exchanged.")),
                           ((-2,), N_("Yours is upside down: top and bottom are exchanged.")),
                           ((-2, -1), N_("Yours is turned by half a turn."))):
        if right.ndim >= 2 and _is(mine, right.flip(axes), rounding):
            yield _(sentence)
    if right.ndim >= 2 and right.shape[-1] == right.shape[-2]:
        for turns, sentence in ((1, N_("Yours is turned by a quarter turn, counter-clockwise.")),
                                (3, N_("Yours is turned by a quarter turn, clockwise."))):
            if _is(mine, right.rot90(turns, (-2, -1)), rounding):
                yield _(sentence)


def _shifted(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if right.ndim < 2 or min(right.shape[-2:]) < 3:
        return
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            moved, place = _overlap(mine, down, across), _overlap(right, -down, -across)
            if (down or across) and _is(moved, place, rounding):
                yield _(_SHIFTS[down, across])


_SHIFTS = {  # down, across
    (-1, -1): N_("Yours is shifted by one pixel up and to the left."),
    (-1, 0): N_("Yours is shifted by one pixel up."),
    (-1, 1): N_("Yours is shifted by one pixel up and to the right."),
    (0, -1): N_("Yours is shifted by one pixel to the left."),
    (0, 1): N_("Yours is shifted by one pixel to the right."),
    (1, -1): N_("Yours is shifted by one pixel down and to the left."),
    (1, 0): N_("Yours is shifted by one pixel down."),
    (1, 1): N_("Yours is shifted by one pixel down and to the right."),
}


def _overlap(tensor: Tensor, down: int, across: int) -> Tensor:
    """What is left of a picture when its first (1) or last (−1) row and column are taken off."""
    rows, columns = ({1: slice(1, None), 0: slice(None), -1: slice(None, -1)}[way] for way in (down, across))
    return tensor[..., rows, columns]


def _channels(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if right.ndim < 3 or not 1 < right.shape[-3] <= 64:
        return
    channels = [right.select(-3, index) for index in range(right.shape[-3])]
    order = []
    for index in range(len(channels)):
        like = [number for number, channel in enumerate(channels)
                if _close(mine.select(-3, index), channel, rounding).all()]
        if len(like) != 1:
            break
        order += like
    if len(order) == len(channels) and order != sorted(order) and _is_varied(right, rounding):
        if len(set(order)) == len(order):
            yield _("The channels are in another order: yours are channels {order} of what was expected.").format(
                order=_listed(order))
        else:
            yield _("Channels are repeated: yours are channels {order} of what was expected.").format(
                order=_listed(order))
    if _is(mine, right.sum(-3, keepdim=True).expand(right.shape), rounding):
        yield _("Each of your channels is the sum of all channels of what was expected.")


def _reshaped(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if mine.numel() == right.numel() and _is(mine.flatten(), right.flatten(), rounding):
        ones = [sum(size == 1 for size in tensor.shape) for tensor in (mine, right)]
        if [size for size in mine.shape if size != 1] != [size for size in right.shape if size != 1]:
            yield _("The numbers are right, and in the right order; only the shape is not.")
        elif ones[0] != ones[1]:
            count = abs(ones[0] - ones[1])
            yield (ngettext("The numbers are right; the shape has one axis of size 1 too many.",
                            "The numbers are right; the shape has axes of size 1 too many.", count)
                   if ones[0] > ones[1] else
                   ngettext("The numbers are right; the shape has one axis of size 1 too few.",
                            "The numbers are right; the shape has axes of size 1 too few.", count))
        else:
            yield _("The numbers are right; an axis of size 1 stands in another place.")
        return
    if right.ndim >= 3:
        for keepdim in (True, False):
            for sentence, all_of in (
                    (N_("The channels have become one: yours is the sum of those that were expected."),
                     right.sum(-3, keepdim=keepdim)),
                    (N_("The channels have become one: yours is the mean of those that were expected."),
                     right.mean(-3, keepdim=keepdim)),
                    (N_("The channels have become one: yours is the largest of those that were expected."),
                     right.amax(-3, keepdim=keepdim))):
                if right.shape[-3] > 1 and _is(mine, all_of, rounding):
                    yield _(sentence)
    if mine.numel() > right.numel() and _broadcasts(right.shape, mine.shape) \
            and _is(mine, right.expand(mine.shape), rounding):
        yield _("Your numbers are the right ones, each of them repeated: a shape was broadcast.")
    if mine.ndim == right.ndim >= 2 and mine.shape[:-2] == right.shape[:-2]:
        yield from _cut(mine, right, rounding)


def _cut(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    (height, width), (high, wide) = mine.shape[-2:], right.shape[-2:]
    smaller = height <= high and width <= wide
    if not min(mine.shape[-2:]) or not (smaller or (height >= high and width >= wide)):
        return
    whole, part = (right, mine) if smaller else (mine, right)
    (high, wide), (height, width) = whole.shape[-2:], part.shape[-2:]
    for top, left in sorted({(0, 0), ((high - height) // 2, (wide - width) // 2), (high - height, wide - width)}):
        if _is(whole[..., top:top + height, left:left + width], part, rounding):
            sentence = (
                _("Yours is a part of what was expected: rows {top} to {bottom} of {high}, columns {left} to {right} "
                  "of {wide}.") if smaller else
                _("What was expected is a part of yours: rows {top} to {bottom} of {high}, columns {left} to {right} "
                  "of {wide}. The rest is too much."))
            yield sentence.format(top=top, bottom=top + height - 1, high=high, left=left, right=left + width - 1,
                                  wide=wide)


def _broadcasts(small: torch.Size, large: torch.Size) -> bool:
    return len(small) <= len(large) and all(size in (1, other) for size, other in zip(small[::-1], large[::-1],
                                                                                      strict=False))


def _permuted(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    if not 2 <= right.ndim == mine.ndim <= 6 or mine.numel() != right.numel():
        return
    for order in permutations(range(right.ndim)):
        if list(order) != sorted(order) and right.permute(order).shape == mine.shape \
                and _is(mine, right.permute(order), rounding):
            moved = [axis for axis, source in enumerate(order) if axis != source]
            if right.ndim == 2:
                yield _("Yours is transposed: rows and columns are exchanged.")
            elif len(moved) == 2:
                yield _("Axes {first} and {second} are exchanged: the numbers are right otherwise.").format(
                    first=moved[0], second=moved[1])
            else:
                yield _("The axes are in another order: yours are axes {order} of what was expected.").format(
                    order=_listed(order))


def _of_parts(mine: Tensor, right: Tensor, rounding: float) -> Iterator[str]:
    """What is right and what is not; several of these can be true, the first is the most telling."""
    wrong = ~_close(mine, right, rounding)
    good = int((~wrong).sum())
    if not wrong.any() or good < _VARIED:
        return
    nothing = mine.isnan() & ~right.isnan()
    if torch.equal(wrong, nothing):
        sentence = (_("Yours is NaN where 0 was expected; the other {good} numbers are right.")
                    if torch.equal(nothing, right == 0) else
                    _("Yours is NaN at {count} places; the other {good} numbers are right."))
        yield sentence.format(count=int(nothing.sum()), good=good)
    if right.ndim >= 4:
        yield from _along(wrong.flatten(1).any(1), N_("All is right but for picture (or filter) {index}."),
                          N_("Only picture (or filter) {index} is right."))
    if right.ndim >= 3:  # of three axes the first may be channels or a batch
        said = ((N_("All is right but for channel {index}."), N_("Only channel {index} is right."))
                if right.ndim > 3 else (N_("All is right but for number {index} along the first axis."),
                                        N_("Only number {index} along the first axis is right.")))
        yield from _along(wrong.movedim(-3, 0).flatten(1).any(1), *said)
    values = mine[wrong]
    if len(values) >= _VARIED and (values == values[0]).all() and _is_varied(right[wrong], rounding):
        yield _("Yours is {number} at {count} places; the other {good} numbers are right.").format(
            number=_shown(values[0].item()), count=len(values), good=good)
    if right.ndim >= 2 and min(right.shape[-2:]) >= 3 and _is_the_border(wrong):
        yield _("All is right but for the border: only numbers in the outermost rows and columns differ.")


def _is_the_border(wrong: Tensor) -> bool:
    """Whether what is wrong lies in the outermost rows and columns, and lies there by no accident.

    Of a small picture the border is the larger part, and a few numbers fall into it by chance.
    """
    count, border = int(wrong.sum()), wrong.numel() - wrong[..., 1:-1, 1:-1].numel()
    if wrong[..., 1:-1, 1:-1].any():
        return False
    return 2 * count >= border or (border / wrong.numel()) ** count < _ACCIDENT


def _along(wrong: Tensor, all_but: str, only: str) -> Iterator[str]:
    """`wrong`: for each picture, or channel, whether anything in it is; the sentences name one by its `index`."""
    if len(wrong) < 2:
        return
    if int(wrong.sum()) == 1:
        yield _(all_but).format(index=int(wrong.nonzero()[0]))
    elif int((~wrong).sum()) == 1:
        yield _(only).format(index=int((~wrong).nonzero()[0]))


def _factor(factor: float, rounding: float) -> str:
    if abs(float(f"{factor:.4g}") - factor) <= rounding * abs(factor):
        return _shown(factor)
    fraction = Fraction(factor).limit_denominator(_ORDINARY)
    if fraction and fraction.denominator > 1 and abs(float(fraction) - factor) <= rounding * abs(factor):
        return f"{fraction.numerator}/{fraction.denominator}".replace("-", "−")
    return _shown(factor)


def _shown(number: float) -> str:
    return f"{number:.4g}".replace("-", "−")


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
