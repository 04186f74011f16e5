"""How `vflip` is examined."""

from dataclasses import replace

import torch

from convcraft.exam import aspect, exercise, habits


def _upside_down(x):
    return torch.stack(x.unbind(-2)[::-1], -2)


@exercise(points=4, reference=_upside_down, listed=False)
def vflip(impl, draw):
    yield aspect("picture", "`vflip` swaps top and bottom: row i moves to row H − 1 − i.",
                 lambda: impl(draw.normal(1, 5, 7)))
    yield aspect("leading axes", "`vflip` takes (..., H, W), too.",
                 lambda: [impl(draw.normal(2, 3, 4, 5)), impl(draw.normal(4, 6))])
    yield aspect("whole numbers", "Again the dtype stays, bytes included.",
                 lambda: [impl(draw.integers(0, 256, 3, 4, 6).to(torch.uint8)), impl(draw.normal(2, 3).double()),
                          impl(draw.normal(2, 3))], dtype=True)
    yield replace(habits("`vflip` leaves `x` as it was.", impl, lambda: (draw.normal(3, 4, 5),), gradient=False),
                  dtype=False)


@vflip.misconception("This is a mirror: the columns were reversed. Top and bottom are swapped along the axis that "
                     "counts rows, and that is H, the last but one.")
def swaps_left_and_right(x):
    return x.flip(-1)


@vflip.misconception("This is a half turn: rows and columns were both reversed. Upside down as in a lake, not as on a "
                     "sheet that you turn: left stays left.")
def makes_a_half_turn(x):
    return x.flip(-1, -2)


@vflip.misconception("Axis 1 is the height of (C, H, W) alone. In a batch (N, C, H, W) it is the channel, and in (H, "
                     "W) the width. Count from the back.")
def counts_rows_from_the_front(x):
    return x.flip(1)


@vflip.misconception("The first axis was reversed. That is the order of the colours in a picture and the order of the "
                     "pictures in a batch; the rows are the last axis but one.")
def reverses_the_first_axis(x):
    return x.flip(0)


@vflip.misconception("The rows were copied inside the picture itself: the lower half is read after it has been "
                     "overwritten. You see the lower half and its reflection, and `x` is spoilt.")
def copies_rows_inside_itself(x):
    height = x.shape[-2]
    for row in range(height):
        x[..., row, :] = x[..., height - 1 - row, :]
    return x


@vflip.misconception("NumPy's step of −1 for the rows: PyTorch's slices cannot go backwards. Ask for the rows by "
                     "number, or tell `torch.flip` the axis.")
def slices_rows_backwards(x):
    return x[..., ::-1, :]


@vflip.misconception("The rows are in the right order, but `x` was overwritten with them. Whoever called still needs "
                     "the old picture: return a new tensor.")
def upends_in_place(x):
    x[...] = x.flip(-2)
    return x


@vflip.alternative
def upends_with_flip(x):
    return torch.flip(x, (-2,))


@vflip.alternative
def upends_by_index(x):
    return x.index_select(-2, torch.arange(x.shape[-2] - 1, -1, -1))


@vflip.alternative
def upends_row_by_row(x):
    return torch.cat([x[..., row:row + 1, :] for row in reversed(range(x.shape[-2]))], -2)
