"""How `turn_over` is examined."""

from dataclasses import replace

import numpy as np
import torch

from convcraft.exam import aspect, exercise, habits


def _turned_over(x, horizontally=False, vertically=False, turns=0):
    axes = [axis for axis, wanted in ((-1, horizontally), (-2, vertically)) if wanted]
    return torch.rot90(x.flip(axes), turns, (-2, -1))


@exercise(points=6, reference=_turned_over)
def turn_over(impl, draw):
    def leading():
        return [impl(draw.normal(2, 3, 4, 5), True, False, 1), impl(draw.normal(4, 6), False, True, 1)]

    def defaults():
        x = draw.normal(1, 3, 5)
        return [impl(x), impl(x, horizontally=True), impl(x, vertically=True), impl(x, turns=1)]

    yield aspect("horizontally", "With `horizontally` left and right are exchanged: column j moves to column W − 1 − "
                                 "j.",
                 lambda: impl(draw.normal(2, 4, 6), True, False, 0))
    yield aspect("vertically", "With `vertically` top and bottom are exchanged: row i moves to row H − 1 − i.",
                 lambda: impl(draw.normal(2, 4, 6), False, True, 0))
    yield aspect("one turn", "One turn takes the right border to the top, counter-clockwise; height and width change "
                             "places.",
                 lambda: impl(draw.normal(2, 4, 6), False, False, 1))
    yield aspect("any whole number", "`turns` is any whole number: 0 and 4 change nothing, −1 is clockwise, 5 is 1.",
                 lambda: [impl(draw.normal(1, 3, 5), False, False, turns) for turns in (3, 2, -1, 5, -2, 4, 0, -7)])
    yield aspect("both at once", "The mirrors come first, then the turns: in the other order the picture is another "
                                 "one.",
                 lambda: [impl(draw.normal(1, 3, 5), True, False, 1), impl(draw.normal(1, 3, 5), False, True, 3),
                          impl(draw.normal(1, 3, 5), True, True, 1)])
    yield aspect("left out", "What is left out is not done: no mirror, no turn.", defaults)
    yield aspect("leading axes", "The last two axes are meant, whatever stands before them: (H, W), (C, H, W), (N, C, "
                                 "H, W).", leading)
    house = habits("House rules hold: `x` stays as it was, dtype in is dtype out, bytes included, any layout in "
                   "memory, gradients flow.", impl, lambda: (draw.normal(3, 4, 5), True, False, 1))

    def with_bytes():
        return house.look() | {"bytes": impl(draw.integers(0, 256, 3, 4, 5).to(torch.uint8), True, False, 1)}

    yield replace(house, look=with_bytes)


@turn_over.misconception("The picture turns clockwise. Counter-clockwise is against the clock's hands: what was on the "
                         "right is at the top after one turn.")
def turns_clockwise_over(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically, -turns)


@turn_over.misconception("`horizontally` and `vertically` are exchanged. A horizontal flip moves along the horizontal: "
                         "left and right change places, axis −1.")
def exchanges_the_mirrors(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, vertically, horizontally, turns)


@turn_over.misconception("The picture was turned first and mirrored then. A mirror that follows a quarter turn works "
                         "on another axis of the picture: mirrors first.")
def turns_first(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(torch.rot90(x, turns, (-2, -1)), horizontally, vertically)


@turn_over.misconception("One turn was made by transposing alone. That reflects in the diagonal, as in a mirror: a "
                         "turn is a transposition and a flip.")
def transposes_alone(x, horizontally=False, vertically=False, turns=0):
    x = _turned_over(x, horizontally, vertically)
    for _ in range(turns % 4):
        x = x.transpose(-1, -2)
    return x


@turn_over.misconception("A negative number of turns does nothing: `range` of it is empty. Minus one turn ends where "
                         "three turns end.")
def passes_over_negative_turns(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically, max(turns, 0))


@turn_over.misconception("Any turn is one turn: `turns` was taken for a yes or no. Turn as often as it says.")
def turns_once(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically, 1 if turns else 0)


@turn_over.misconception("With both mirrors asked for, one alone was done (`elif`). They are two questions.")
def mirrors_once(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically and not horizontally, turns)


@turn_over.misconception("The axes were counted from the front: in (C, H, W) the channels were turned into rows. Count "
                         "from the back, −2 and −1.")
def counts_axes_from_the_front(x, horizontally=False, vertically=False, turns=0):
    axes = [axis for axis, wanted in ((1, horizontally), (0, vertically)) if wanted]
    return torch.rot90(x.flip(axes), turns)


@turn_over.misconception("`fliplr` and `flipud` work on the axes 1 and 0: in (C, H, W) these are rows and channels. "
                         "Say `flip(-1)` and `flip(-2)`.")
def flips_by_fliplr(x, horizontally=False, vertically=False, turns=0):
    x = torch.fliplr(x) if horizontally else x
    return torch.rot90(torch.flipud(x) if vertically else x, turns, (-2, -1))


@turn_over.misconception("A turn was made by `reshape` or `view`: it gives the picture another height and width and "
                         "leaves all numbers in their order, so rows are torn apart. Transpose, then flip.")
def reshapes_to_turn(x, horizontally=False, vertically=False, turns=0):
    x = _turned_over(x, horizontally, vertically)
    for _ in range(turns % 4):
        x = x.reshape(*x.shape[:-2], x.shape[-1], x.shape[-2]).flip(-2)
    return x


@turn_over.misconception("The sign of `turns` was dropped: −1 was turned as 1, counter-clockwise. Minus one turn ends "
                         "where three turns end.")
def drops_the_sign(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically, abs(turns))


@turn_over.misconception("Half a turn was made by one mirror. That leaves writing reflected; half a turn is both "
                         "mirrors, or two quarter turns.")
def mirrors_for_half_a_turn(x, horizontally=False, vertically=False, turns=0):
    if turns % 4 == 2:
        return _turned_over(x, horizontally, not vertically)
    return _turned_over(x, horizontally, vertically, turns)


@turn_over.misconception("The axes are those of (C, H, W), 1 and 2. A bare (H, W) has no axis 2, and in a batch they "
                         "are others: count from the back.")
def assumes_three_axes(x, horizontally=False, vertically=False, turns=0):
    axes = [axis for axis, wanted in ((2, horizontally), (1, vertically)) if wanted]
    return torch.rot90(x.flip(axes), turns, (1, 2))


@turn_over.misconception("The picture that came in was mirrored itself. It belongs to the data set, where the next "
                         "epoch will find it mirrored: return a new one.", literal=True)
def mirrors_the_original(x, horizontally=False, vertically=False, turns=0):
    return torch.rot90(x.copy_(_turned_over(x, horizontally, vertically).clone()), turns, (-2, -1))


@turn_over.misconception("The picture went through NumPy and lost its gradient. PyTorch reverses an axis itself: "
                         "`flip`.",
                         literal=True)
def goes_through_numpy(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x.detach(), horizontally, vertically, turns)


@turn_over.misconception("The mirrors change nothing: `x.flip(-1)` gives a new picture and leaves `x` as it is, and "
                         "nobody took what it gave. Write `x = x.flip(-1)`.")
def throws_the_mirrored_away(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, turns=turns)


@turn_over.misconception("With a mirror asked for, the turns were left out: an `elif`, or a `return` behind the "
                         "mirror, passes them over. Mirror first, then go on.")
def mirrors_or_turns(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically and not horizontally, 0 if horizontally or vertically else turns)


@turn_over.misconception("No turn is made: whatever `turns` says, the mirrors alone are done.")
def never_turns(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically)


@turn_over.misconception("`x.T` reverses all axes, so in (C, H, W) the channels come last. `x.mT` exchanges the last "
                         "two alone, as `x.transpose(-2, -1)` does.")
def reverses_all_axes(x, horizontally=False, vertically=False, turns=0):
    x = _turned_over(x, horizontally, vertically)
    for _ in range(turns % 4):
        x = x.permute(tuple(reversed(range(x.ndim)))).flip(-2)
    return x


@turn_over.misconception("`torch.rot90` turns the first two axes unless it is told which: in (C, H, W) channels became "
                         "rows. Give it the last two, `(-2, -1)`.")
def leaves_the_axes_to_rot90(x, horizontally=False, vertically=False, turns=0):
    return torch.rot90(_turned_over(x, horizontally, vertically), turns)


@turn_over.misconception("Only 1, 2 and 3 turns are known: −1, 5 and whatever else is asked for change nothing. "
                         "`turns % 4` makes one of 0 to 3 of any whole number.")
def knows_three_numbers(x, horizontally=False, vertically=False, turns=0):
    return _turned_over(x, horizontally, vertically, turns if turns in (1, 2, 3) else 0)


@turn_over.alternative
def by_transposing(x, horizontally=False, vertically=False, turns=0):
    if horizontally:
        x = x[..., torch.arange(x.shape[-1] - 1, -1, -1)]
    if vertically:
        x = x.flip(x.ndim - 2)
    for _ in range(turns % 4):
        x = x.transpose(-2, -1).flip(-2)
    return x


@turn_over.alternative
def by_columns_and_rows(x, horizontally=False, vertically=False, turns=0):
    columns = torch.arange(x.shape[-1])
    rows = torch.arange(x.shape[-2])
    x = x.index_select(-1, columns.flip(0) if horizontally else columns)
    x = x.index_select(-2, rows.flip(0) if vertically else rows)
    turns %= 4
    if turns in (1, 3):
        x = x.mT
    return x.flip([-2] if turns == 1 else [-2, -1] if turns == 2 else [-1] if turns == 3 else [])


@turn_over.alternative
def with_a_table_of_places(x, horizontally=False, vertically=False, turns=0):
    height, width = x.shape[-2:]
    places = np.arange(height * width).reshape(height, width)
    places = places[::-1 if vertically else 1, ::-1 if horizontally else 1]
    places = torch.from_numpy(np.rot90(places, turns).copy())
    return x.flatten(-2)[..., places.flatten()].unflatten(-1, tuple(places.shape))
