"""How `rot90` is examined."""

import numpy as np
import torch

from convcraft.exam import aspect, exercise, habits


def _quarter(x, turns):
    return torch.rot90(x, turns, (-2, -1))


@exercise(points=6, reference=_quarter, listed=False)
def rot90(impl, draw):
    yield aspect("one turn", "One turn takes the right border to the top; height and width change places.",
                 lambda: impl(draw.normal(1, 4, 6), 1))
    yield aspect("two and three", "Two turns are a half turn, three are one turn clockwise.",
                 lambda: [impl(draw.normal(1, 4, 6), 2), impl(draw.normal(1, 4, 6), 3)])
    yield aspect("any whole number", "`turns` is any whole number: 0 and 4 change nothing, −1 is clockwise, 5 is 1.",
                 lambda: [impl(draw.normal(1, 3, 5), turns) for turns in (-1, 5, -2, 4, 0, -7)])
    yield aspect("leading axes", "`rot90` turns the last two axes, whatever stands before them.",
                 lambda: [impl(draw.normal(2, 3, 4, 5), 1), impl(draw.normal(4, 6), 1)])
    yield habits("`rot90` leaves `x` as it was and keeps its dtype.", impl, lambda: (draw.normal(3, 4, 5), 1),
                 gradient=False)


@rot90.misconception("The picture turns clockwise. Counter-clockwise is against the clock's hands: what was on the "
                     "right is at the top after one turn.")
def turns_clockwise(x, turns):
    return torch.rot90(x, -turns, (-2, -1))


@rot90.misconception("One turn was made by transposing alone. That reflects in the diagonal: the picture comes out as "
                     "in a mirror. A turn is a transposition and a flip.")
def transposes_each_turn(x, turns):
    for _ in range(turns % 4):
        x = x.transpose(-1, -2)
    return x


@rot90.misconception("The first two axes were turned: `torch.rot90` does so unless it is told others. In (C, H, W) "
                     "that turns channels into rows.")
def turns_the_first_axes(x, turns):
    return torch.rot90(x, turns)


@rot90.misconception("A negative number of turns does nothing: `range` of it is empty. Minus one turn ends where "
                     "three turns end.")
def ignores_negative_turns(x, turns):
    for _ in range(turns):
        x = torch.rot90(x, 1, (-2, -1))
    return x


@rot90.misconception("Only 0, 1, 2 and 3 were thought of, all else comes out unchanged. Four turns are none, so only "
                     "the remainder counts, and Python's `%` is never negative.")
def knows_four_cases(x, turns):
    return torch.rot90(x, turns, (-2, -1)) if turns in (0, 1, 2, 3) else x


@rot90.misconception("Two turns came out as a flip. A half turn reverses the rows and the columns; with one of them "
                     "alone the picture is mirrored.")
def flips_for_two(x, turns):
    return x.flip(-2) if turns % 4 == 2 else torch.rot90(x, turns, (-2, -1))


@rot90.misconception("`turns` was taken for degrees. It counts quarter turns: 1 is 90°.")
def takes_degrees(x, turns):
    return torch.rot90(x, turns // 90, (-2, -1))


@rot90.misconception("`turns` plays no part: the picture is turned once, however many turns were asked for.")
def turns_once(x, turns):
    return torch.rot90(x, 1, (-2, -1))


@rot90.misconception("The sign of `turns` was dropped, so −1 turns the same way as 1. A negative number turns "
                     "clockwise.")
def drops_the_sign(x, turns):
    return torch.rot90(x, abs(turns), (-2, -1))


@rot90.misconception("Axes 1 and 2 are the height and the width of (C, H, W) alone. A batch has them at 2 and 3, a "
                     "bare (H, W) at 0 and 1: count from the back.")
def turns_axes_one_and_two(x, turns):
    return torch.rot90(x, turns, (1, 2))


@rot90.alternative
def turns_by_transposing(x, turns):
    for _ in range(turns % 4):
        x = x.transpose(-1, -2).flip(-2)
    return x


@rot90.alternative
def turns_by_cases(x, turns):
    match turns % 4:
        case 0:
            return x
        case 1:
            return x.flip(-1).transpose(-1, -2)
        case 2:
            return x.flip(-1).flip(-2)
        case _:
            return x.transpose(-1, -2).flip(-1)


@rot90.alternative
def turns_with_numpy(x, turns):
    return torch.from_numpy(np.rot90(x.numpy(), turns, (-2, -1)).copy())
