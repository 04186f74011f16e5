"""How `hflip` is examined."""

from dataclasses import replace

import torch

from convcraft.exam import aspect, exercise, habits


def _mirrored(x):
    return torch.stack(x.unbind(-1)[::-1], -1)


@exercise(points=4, reference=_mirrored, listed=False)
def hflip(impl, draw):
    yield aspect("picture", "`hflip` swaps left and right: column j moves to column W − 1 − j.",
                 lambda: impl(draw.normal(1, 5, 7)))
    yield aspect("leading axes",
                 "`hflip` takes (..., H, W): a bare (H, W), one picture (C, H, W), a batch (N, C, H, W).",
                 lambda: [impl(draw.normal(2, 3, 4, 5)), impl(draw.normal(4, 6))])
    yield aspect("whole numbers", "Pixels may be bytes (`uint8`); the dtype stays.",
                 lambda: [impl(draw.integers(0, 256, 3, 4, 6).to(torch.uint8)), impl(draw.normal(2, 3).double()),
                          impl(draw.normal(2, 3))], dtype=True)
    yield replace(habits("`hflip` leaves `x` as it was.", impl, lambda: (draw.normal(3, 4, 5),), gradient=False),
                  dtype=False)


@hflip.misconception("This turns the picture upside down: the rows were reversed. Left and right are swapped along "
                     "the axis that counts columns, and that is W, the last one.")
def swaps_top_and_bottom(x):
    return x.flip(-2)


@hflip.misconception("Both axes were reversed. A mirror that swaps left and right, and top and bottom as well, is a "
                     "half turn: the d comes out as a p, not as a b.")
def swaps_both(x):
    return x.flip(-1, -2)


@hflip.misconception("The axis was counted from the front. Axis 2 is the width of (C, H, W) alone; in a batch (N, C, "
                     "H, W) it is the height, and (H, W) does not have it. Count from the back.")
def counts_from_the_front(x):
    return x.flip(2)


@hflip.misconception("The first axis was reversed: the colours of a picture change places, or the pictures of a "
                     "batch. The columns are the last axis.")
def reverses_the_colours(x):
    return x.flip(0)


@hflip.misconception("The mirror is right, but it was written into `x` itself, which somebody else still needs. "
                     "Return a new tensor.")
def mirrors_in_place(x):
    x[...] = x.flip(-1)
    return x


@hflip.misconception("Every axis was reversed: the colours and the order of the batch, too. Only the last axis may "
                     "be.")
def reverses_everything(x):
    return x.flip(tuple(range(x.ndim)))


@hflip.misconception("The columns were copied inside the picture itself. When the second half is reached, its sources "
                     "have been overwritten: you see one half and its reflection, and `x` is spoilt.")
def copies_inside_itself(x):
    width = x.shape[-1]
    for column in range(width):
        x[..., column] = x[..., width - 1 - column]
    return x


@hflip.misconception("A step of −1 works in NumPy; PyTorch's slices cannot go backwards. The columns can be asked for "
                     "by number, or `torch.flip` told the axis.")
def slices_backwards(x):
    return x[..., ::-1]


@hflip.misconception("The picture was transposed: rows became columns. A mirror keeps the height and the width.")
def transposes(x):
    return x.transpose(-1, -2)


@hflip.alternative
def mirrors_with_flip(x):
    return torch.flip(x, (-1,))


@hflip.alternative
def mirrors_by_index(x):
    return x[..., torch.arange(x.shape[-1] - 1, -1, -1)]


@hflip.alternative
def mirrors_column_by_column(x):
    out = torch.empty_like(x)
    for column in range(x.shape[-1]):
        out[..., column] = x[..., -1 - column]
    return out
