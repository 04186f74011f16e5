"""How the exercises of chapter 7 are examined."""

import inspect
import math
import random
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, get_worker_info, random_split

from convcraft.exam import aspect, exercise, habits


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def _takes_generator(transform):
    return "generator" in inspect.signature(transform).parameters


# --- what several probes use -----------------------------------------------------------------------------------------

def _numbered(*shape):
    """1, 2, 3 ... : a picture whose every pixel says where it was."""
    return torch.arange(1, math.prod(shape) + 1, dtype=torch.float32).reshape(shape)


def _seeded(call, draw):
    """What `call(generator)` gives: twice from one seed while torch's own numbers differ, then from another seed."""
    seed = draw.seed()
    shown = []
    for number, own in ((seed, 1), (seed, 2), (seed + 1, 1)):
        torch.manual_seed(own)
        shown.append(call(torch.Generator().manual_seed(number)))
    return shown


def _own_numbers(call):
    """What `call()` gives without a generator: twice after one `torch.manual_seed`, then after another."""
    shown = []
    for seed in (1, 1, 3):
        torch.manual_seed(seed)
        shown.append(call())
    return shown


def _seed_facts(seen, right):
    once, again, other = seen
    return {"the same seed gives the same": torch.equal(once, again),
            "another seed gives another": not torch.equal(once, other),
            "one call differs from the next": bool((once[1:] != once[:1]).any())}


def _hole_facts(seen, picture):
    """For cutouts (n, ..., H, W) of one picture: where they are black, and what else has changed."""
    holes = (seen == 0).flatten(1, -3)
    black = holes.any(1)
    rows, columns = black.any(2), black.any(1)
    heights, widths = rows.sum(1), columns.sum(1)
    new = seen[seen != picture]
    return {"another place each time": bool((seen != seen[:1]).any()),
            "the hole is filled with": "many numbers" if not len(new) or (new != new[0]).any() else f"{new[0]:g}",
            "the same hole in every channel": bool((holes == black[:, None]).all()),
            "a rectangle": bool((black == rows[:, :, None] & columns[:, None]).all()),
            "smallest": [int(heights.min()), int(widths.min())],
            "largest": [int(heights.max()), int(widths.max())],
            "on the diagonal alone": bool((_centre(rows) == _centre(columns)).all()),
            "tops and lefts": [sorted(set(_first(rows))), sorted(set(_first(columns)))]}


def _first(flags):
    return [int(row.nonzero()[0]) if row.any() else -1 for row in flags]


def _centre(flags):
    """The middle of a run of three, also where the border has cut it to two; −9 where it is anything else."""
    size = flags.shape[1]
    centres = torch.arange(size)
    runs = (centres[:, None] - centres).abs() <= 1
    same = (flags[:, None] == runs).all(2)
    return torch.where(same.any(1), same.int().argmax(1), torch.tensor(-9))


# --- hflip -----------------------------------------------------------------------------------------------------------

def _mirrored(x):
    return torch.stack(x.unbind(-1)[::-1], -1)


@exercise(points=4, reference=_mirrored)
def hflip(impl, draw):
    yield aspect("picture", "`hflip` swaps left and right: column j moves to column W − 1 − j.",
                 lambda: impl(draw.normal(1, 5, 7)))
    yield aspect("leading axes",
                 "`hflip` takes (..., H, W): a bare (H, W), one picture (C, H, W), a batch (N, C, H, W).",
                 lambda: [impl(draw.normal(2, 3, 4, 5)), impl(draw.normal(4, 6))])
    yield aspect("whole numbers", "Pixels may be bytes (`uint8`); the dtype stays.",
                 lambda: impl(draw.integers(0, 256, 3, 4, 6).to(torch.uint8)))
    yield habits("`hflip` leaves `x` as it was.", impl, lambda: (draw.normal(3, 4, 5),), gradient=False)


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


# --- vflip -----------------------------------------------------------------------------------------------------------

def _upside_down(x):
    return torch.stack(x.unbind(-2)[::-1], -2)


@exercise(points=4, reference=_upside_down)
def vflip(impl, draw):
    yield aspect("picture", "`vflip` swaps top and bottom: row i moves to row H − 1 − i.",
                 lambda: impl(draw.normal(1, 5, 7)))
    yield aspect("leading axes", "`vflip` takes (..., H, W), too.",
                 lambda: [impl(draw.normal(2, 3, 4, 5)), impl(draw.normal(4, 6))])
    yield aspect("whole numbers", "Again the dtype stays, bytes included.",
                 lambda: impl(draw.integers(0, 256, 3, 4, 6).to(torch.uint8)))
    yield habits("`vflip` leaves `x` as it was.", impl, lambda: (draw.normal(3, 4, 5),), gradient=False)


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


# --- rot90 -----------------------------------------------------------------------------------------------------------

def _quarter(x, turns):
    return torch.rot90(x, turns, (-2, -1))


@exercise(points=6, reference=_quarter)
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


# --- RandomApply -----------------------------------------------------------------------------------------------------

def _plus_one(x):
    return x + 1


def _noisy(x, generator=None):
    return x + torch.rand(x.shape, generator=generator)


class _Noise:
    def __call__(self, x, generator=None):
        return x - torch.rand(x.shape, generator=generator)


def _scaled_noise(x, scale, generator=None):
    return x + scale * torch.rand(x.shape, generator=generator)


class _Applies:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@exercise(points=7, reference=_Applies)
def RandomApply(impl, draw):
    def share(seen, right):
        if (seen != seen[..., :1]).any():
            return "for each pixel"
        decided = seen[..., 0]
        if (decided == decided[:, :1]).all():
            return "the same every time" if (decided == decided[0, 0]).all() else "once for each object"
        part = decided.mean().item()
        return "p" if abs(part - 0.25) < 0.13 else "1 − p" if abs(part - 0.75) < 0.13 else "another share"

    def share_look():
        generator, shown = draw.generator(), []
        for number in range(10):
            torch.manual_seed(number)
            apply = impl(0.25, _plus_one)
            shown.append(torch.stack([apply(torch.zeros(3), generator=generator) for _ in range(25)]))
        return torch.stack(shown)

    def ends():
        x, generator = draw.normal(2, 3), draw.generator()
        return [[impl(p, _plus_one)(x, generator=generator) for _ in range(8)] for p in (1.0, 0.0)]

    def passed_on():
        shown = []
        for transform in (_noisy, _Noise(), partial(_scaled_noise, scale=2.0)):
            apply = impl(1.0, transform)
            shown.append(_seeded(lambda generator, apply=apply: torch.stack(
                [apply(torch.zeros(3), generator=generator) for _ in range(2)]), draw))
        return shown

    def own():
        def decisions(p):
            apply = impl(p, _plus_one)
            return torch.stack([apply(torch.zeros(())) for _ in range(24)])

        return torch.stack([torch.stack(_own_numbers(partial(decisions, p))) for p in (0.4, 0.6)])

    def own_facts(seen, right):
        return [{**_seed_facts(runs, None), "applied":
                 "never" if not runs.any() else "always" if runs.all() else "now and then"} for runs in seen]

    def same_decisions(generator):
        apply = impl(0.5, _plus_one)
        return torch.stack([apply(torch.zeros(()), generator=generator) for _ in range(40)])

    yield aspect("always, never",
                 "With p = 1 the transform is always applied, with p = 0 never: then `x` comes back.",
                 ends)
    yield aspect("share",
                 "Each call decides anew, and applies the transform with probability p.",
                 share_look, view=share)
    yield aspect("seed", "The decision is drawn from `generator` alone: the same seed, the same decisions.",
                 lambda: _seeded(same_decisions, draw), view=_seed_facts)
    yield aspect("passing on", "A transform that takes a generator is given the same one.", passed_on,
                 view=lambda seen, right: [_seed_facts(shown, None) for shown in seen])
    yield aspect("without one", "Without a generator torch's own numbers decide, so `torch.manual_seed` repeats them.",
                 own, view=own_facts)


@RandomApply.misconception("The coin is tossed in `__init__`, once for ever. An object that lives for a whole "
                           "training must toss it in `__call__`, for every picture.")
class TossesOnce:
    def __init__(self, p, transform):
        self.applies, self.transform = bool(torch.rand(()) < p), transform

    def __call__(self, x, generator=None):
        if not self.applies:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("A generator is made and given a seed in each call, so each call draws the same first "
                           "number. Draw from the one that is handed in: it moves on by itself.")
class SeedsInEachCall:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        generator = torch.Generator().manual_seed(0)
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("Where no generator is given, a new one is made in each call. All new ones start from the "
                           "same number, so the decision is the same every time. `torch.rand` takes `generator=None`.")
class MakesOneForNone:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        generator = generator or torch.Generator()
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("Without a generator the transform is never applied. No generator does not mean no chance: "
                           "then torch's own numbers decide.")
class SleepsWithoutOne:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if generator is None or torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin is tossed for each pixel, so parts of two pictures are mixed. One number decides "
                           "for the whole picture.")
class TossesForEachPixel:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        chosen = torch.rand(x.shape, generator=generator) < self.p
        given = {"generator": generator} if _takes_generator(self.transform) else {}
        return torch.where(chosen, self.transform(x, **given), x)


@RandomApply.misconception("The transform is left out with probability p. A number from `rand` is below p in a share "
                           "p of the cases: those are the ones to apply it in.")
class LeavesOut:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) < self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin does not come from `generator` but from numbers of somebody else's: with the "
                           "same seed the decisions differ. Hand the generator to `torch.rand`.")
class TossesElsewhere:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand(()) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin comes from Python's or NumPy's numbers, which know neither `generator` nor "
                           "`torch.manual_seed`: no seed of torch's repeats the decisions.")
class TossesPythonsCoin:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if random.random() >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The generator was handed over by position, and landed in a parameter that comes earlier. "
                           "Not every transform has it second: pass it by its name.")
class HandsOnByPosition:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin is right, but the transform never sees the generator: what it draws comes from "
                           "elsewhere, and no seed repeats it. Pass the generator on.")
class KeepsTheGenerator:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        return self.transform(x) if torch.rand((), generator=generator) < self.p else x


@RandomApply.misconception("The generator is handed to every transform, also to one that has no such parameter (a "
                           "flip draws nothing). Ask first: the notebook has `takes_generator` for it.")
class AlwaysHandsOn:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        return self.transform(x, generator=generator) if torch.rand((), generator=generator) < self.p else x


@RandomApply.misconception("Where the transform is not applied, nothing comes back: `None`. The picture itself must.")
class ForgetsThePicture:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) < self.p:
            return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The generator is set back to its seed at each call, so each call draws the same number. A "
                           "generator moves on by itself: use it as it comes.")
class RewindsTheGenerator:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if generator is not None:
            generator.manual_seed(generator.initial_seed())
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.alternative
class AppliesByBernoulli(nn.Module):
    def __init__(self, p, transform):
        super().__init__()
        self.probability, self.inner = p, transform

    def forward(self, x, generator=None):
        coin = torch.empty(()).bernoulli_(self.probability, generator=generator)
        if not coin:
            return x
        if "generator" in inspect.signature(self.inner).parameters:
            return self.inner(x, generator=generator)
        return self.inner(x)


@RandomApply.alternative
class AppliesAfterTheFact:
    def __init__(self, p, transform):
        self.p = p
        self.transform = transform if _takes_generator(transform) else lambda x, generator: transform(x)

    def __call__(self, x, generator=None):
        changed = self.transform(x, generator=generator)
        return changed if torch.rand(1, generator=generator).item() < self.p else x


@RandomApply.alternative
class AppliesByTrying:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator).item() > 1 - self.p:
            try:
                return self.transform(x, generator=generator)
            except TypeError:
                return self.transform(x)
        return x


RandomApply.equivalent(
    "if torch.rand((), generator=generator) >= self.p: -> if torch.rand((), generator=generator) > self.p:",
    "they differ only where a draw equals p, which happens once in 16 million draws")


# --- Compose ---------------------------------------------------------------------------------------------------------

def _doubled(x):
    return 2 * x


def _negated(x):
    return -x


class _InOrder:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@exercise(points=6, reference=_InOrder)
def Compose(impl, draw):
    def twice():
        chain = impl([_plus_one, _doubled])
        return [chain(draw.normal(2, 3)), chain(draw.normal(2, 3))]

    def stream():
        x = draw.normal(2, 3)
        return impl([_noisy, _doubled, _noisy])(x, generator=draw.generator())

    def kinds():
        chain = impl([_Noise(), _plus_one, partial(_scaled_noise, scale=2.0)])
        generator = draw.generator()
        return [chain(draw.normal(2, 3), generator=generator) for _ in range(2)]

    def empty():
        return [impl([])(draw.normal(2, 3)), impl([])(draw.normal(2, 3), generator=draw.generator())]

    def own():
        chain = impl([_noisy, _doubled, _noisy])
        return torch.stack([chain(torch.zeros(2, 3)) for _ in range(2)])

    yield aspect("order", "The transforms are applied one after the other, the first one first.",
                 lambda: [impl([_plus_one, _doubled])(draw.normal(2, 3)),
                          impl([_doubled, _negated, _plus_one])(draw.normal(2, 3))])
    yield aspect("again", "It can be called as often as you like.", twice)
    yield aspect("one generator", "All that take a generator draw from the same one, in turn.", stream)
    yield aspect("those that take one", "Functions, objects with `__call__`, `functools.partial`: a generator goes to "
                                        "those that take one.", kinds)
    yield aspect("without one", "Without a generator the transforms draw from torch's own numbers.",
                 lambda: _own_numbers(own), view=_seed_facts)
    yield aspect("none at all", "`Compose([])` gives back `x`.", empty)


@Compose.misconception("The last transform is applied first, as in f(g(x)) on paper. In a pipeline the list is read "
                       "from left to right.")
class ComposesBackwards:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in reversed(self.transforms):
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Each transform is applied to the picture as it came, and only the last result is kept. Each "
                       "must go on with what the one before it returned.")
class StartsAfresh:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        result = x
        for transform in self.transforms:
            result = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return result


@Compose.misconception("The generator stops at this class: the transforms draw from elsewhere, so no seed repeats a "
                       "picture. Give it to each transform that takes one.")
class SwallowsTheGenerator:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x)
        return x


@Compose.misconception("Every transform is handed the generator, also one that has no such parameter. Ask first: the "
                       "notebook has `takes_generator` for it.")
class HandsItToAll:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator)
        return x


@Compose.misconception("The generator is the second argument of each call, and where a transform has another second "
                       "parameter it lands there. Pass it by its name.")
class HandsItByPosition:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Each transform starts from a copy of the generator, so all of them draw the same numbers: the "
                       "shift then always goes with the turn. Pass the one generator on; it moves by itself.")
class CopiesTheGenerator:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            own = None if generator is None else generator.clone_state()
            x = transform(x, generator=own) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("The list is used up: each transform is taken out of it, and the second picture meets none. "
                       "Walk over the list, leave it as it is.")
class UsesUpItsList:
    def __init__(self, transforms):
        self.transforms = list(transforms)

    def __call__(self, x, generator=None):
        while self.transforms:
            transform = self.transforms.pop(0)
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Only the first transform is applied: the `return` stands inside the loop. Move it out by one "
                       "level.")
class ReturnsInsideTheLoop:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
            return x
        return x


@Compose.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                       "number, so every picture comes out alike. Pass None on: torch's own numbers serve then.")
class ComposesWithANewOne(_InOrder):
    def __call__(self, x, generator=None):
        return super().__call__(x, generator or torch.Generator())


@Compose.alternative
class ComposesAsModule(nn.Module):
    def __init__(self, transforms):
        super().__init__()
        self.steps = tuple(transforms)

    def forward(self, x, generator=None):
        for step in self.steps:
            extra = {"generator": generator} if "generator" in inspect.signature(step).parameters else {}
            x = step(x, **extra)
        return x


@Compose.alternative
class ComposesByRecursion:
    def __init__(self, transforms):
        self.all = list(transforms)

    def __call__(self, x, generator=None):
        if not self.all:
            return x
        first, rest = self.all[0], ComposesByRecursion(self.all[1:])
        return rest(first(x, generator=generator) if _takes_generator(first) else first(x), generator)


@Compose.alternative
class ComposesByTrying:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            try:
                x = transform(x, generator=generator)
            except TypeError:
                x = transform(x)
        return x


# --- random_crop -----------------------------------------------------------------------------------------------------

def _window_drawn(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width + 1, (), generator=generator))
    return x[..., top:top + height, left:left + width]


def _window_facts(seen, picture, padding):
    """For crops (n, C, h, w) of one picture: whether each is a window of the padded picture, and which were seen."""
    height, width = seen.shape[-2:]
    windows = F.pad(picture, (padding,) * 4).unfold(-2, height, 1).unfold(-2, width, 1)
    places = windows.shape[1:3]
    windows = windows.permute(1, 2, 0, 3, 4).flatten(0, 1)
    same = (seen[:, None] == windows).flatten(2).all(2)
    return {"every output is a window": bool(same.any(1).all()), "places seen": same.any(0).reshape(places)}


def _crop_facts(seen, right, picture, padding):
    """The same; of crops that are all alike, only that and whether the middle was taken."""
    facts, alike = _window_facts(seen, picture, padding), bool((seen == seen[:1]).all())
    rows, columns = facts["places seen"].shape
    middle = alike and bool(facts["places seen"][(rows - 1) // 2, (columns - 1) // 2])
    if alike and facts["every output is a window"]:
        facts = _window_facts(right, picture, padding)
    return {"another place each time": not alike, "the middle every time": middle, **facts}


def _stacked(windows):
    """Windows of one size as one tensor."""
    sizes = sorted({tuple(window.shape[-2:]) for window in windows})
    if len(sizes) > 1:
        raise ValueError("the windows are not all of one size: " + ", ".join(f"{h} × {w}" for h, w in sizes))
    return torch.stack(windows)


@exercise(points=9, reference=_window_drawn)
def random_crop(impl, draw):
    def crops(picture, *args, count=200):
        generator = draw.generator()
        return _stacked([impl(picture, *args, generator=generator) for _ in range(count)])

    def pair():
        crops, facts = draw.generator(), []
        for _ in range(40):
            out = impl(_numbered(1, 5, 6), (2, 4), generator=crops)
            rows, columns = out[0, :, 0], out[0, 0]
            facts.append([list(out.shape), (rows - rows[0]).tolist(), (columns - columns[0]).tolist()])
        return facts

    def whole():
        x = draw.normal(2, 4, 5)
        return [impl(x, (4, 5), generator=draw.generator()), impl(x, (8, 9), 2, generator=draw.generator()),
                impl(x[0], (4, 5), generator=draw.generator())]

    def batch():
        generator, batch = draw.generator(), _numbered(1, 1, 5, 5).expand(6, 2, 5, 5).clone()
        return _stacked([impl(batch, 3, generator=generator) for _ in range(6)])

    def together(seen, right):
        return {"all alike": bool((seen == seen[:, :1, :1]).all()),
                "windows": _window_facts(seen[:, 0, :1], _numbered(1, 5, 5), 0)["every output is a window"]}

    def left_alone():
        x = draw.normal(1, 4, 4).double()
        return [x, impl(x, 6, 1, generator=draw.generator()), x]

    yield aspect("windows", "Every output is a window of the picture, and every window can come.",
                 lambda: crops(_numbered(2, 5, 6), 3),
                 view=lambda seen, right: _crop_facts(seen, right, _numbered(2, 5, 6), 0))
    yield aspect("padding", "With `padding` the picture gets a frame of that many zeros on every side first, and every "
                            "window of the framed picture can come.",
                 lambda: crops(_numbered(1, 3, 4), 3, 1),
                 view=lambda seen, right: _crop_facts(seen, right, _numbered(1, 3, 4), 1))
    yield aspect("pair", "`size` is a number, or a pair (height, width).", pair)
    yield aspect("whole picture", "A window as large as the framed picture has one place only.", whole)
    yield aspect("seed", "Where the window lies is drawn from `generator` alone: the same seed, the same window.",
                 lambda: _seeded(lambda generator: _stacked(
                     [impl(_numbered(1, 9, 9), 3, generator=generator) for _ in range(12)]), draw), view=_seed_facts)
    yield aspect("without one", "Without a generator, torch's own numbers say where the window lies.",
                 lambda: _own_numbers(lambda: _stacked([impl(_numbered(1, 9, 9), 3) for _ in range(12)])),
                 view=_seed_facts)
    yield aspect("one draw a call",
                 "One call draws one place: a batch (N, C, H, W) is cut at the same place throughout.",
                 batch, view=together)
    yield aspect("left alone", "`random_crop` leaves `x` as it was and keeps its dtype.", left_alone)


@random_crop.misconception("The last row and the last column are never reached. `randint(n)` ends at n − 1; of H − h "
                           "+ 1 places that leaves out one.")
def misses_the_last_place(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = int(torch.randint(x.shape[-2] - height, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width, (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The windows never touch the first row and column: the draw starts at 1. The first place "
                           "is number 0.")
def misses_the_first_place(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    spare = x.shape[-2] - height, x.shape[-1] - width
    top, left = (int(torch.randint(min(1, room), room + 1, (), generator=generator)) for room in spare)
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("One number serves for the row and the column: the window moves along the diagonal only. "
                           "The two are drawn one after the other.")
def moves_along_the_diagonal(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    place = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    return x[..., place:place + height, place:place + width]


@random_crop.misconception("The window is taken from the middle every time. That is the crop of the validation part; "
                           "here its place is drawn.")
def crops_the_middle(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The pair was read as (width, height). Sizes here go as the axes do: height first.")
def reads_width_first(x, size, padding=0, generator=None):
    width, height = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width + 1, (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The frame was made of reflected pixels, not of zeros. That is a fine choice, but another: "
                           "here the digit lies on black.")
def frames_with_reflections(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x[None], (padding,) * 4, mode="reflect")[0]
    top = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width + 1, (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The frame was added on the left and at the top only. `F.pad` takes (left, right, top, "
                           "bottom): all four, or the picture can move one way and not the other.")
def frames_left_and_top(x, size, padding=0, generator=None):
    return _window_drawn(F.pad(x, (padding, 0, padding, 0)), size, 0, generator)


@random_crop.misconception("The frame was added on the right and at the bottom only. All four sides get it: `F.pad` "
                           "takes (left, right, top, bottom).")
def frames_right_and_bottom(x, size, padding=0, generator=None):
    return _window_drawn(F.pad(x, (0, padding, 0, padding)), size, 0, generator)


@random_crop.misconception("The frame has a left and a right side, but no top and no bottom: two numbers in `F.pad` "
                           "are for the last axis alone. Give it four.")
def frames_the_width_alone(x, size, padding=0, generator=None):
    return _window_drawn(F.pad(x, (padding, padding)), size, 0, generator)


@random_crop.misconception("`padding` plays no part: the window is cut from the picture without a frame.")
def forgets_the_frame(x, size, padding=0, generator=None):
    return _window_drawn(x, size, 0, generator)


@random_crop.misconception("The frame was put around the window, after the cut. It belongs around the picture, before "
                           "the place is drawn; the window keeps the size that was asked for.")
def frames_the_window(x, size, padding=0, generator=None):
    return F.pad(_window_drawn(x, size, 0, generator), (padding,) * 4)


@random_crop.misconception("Height and width changed places where the room was counted: rows are drawn from the "
                           "columns' number. In the shape the height comes before the width.")
def counts_rows_as_columns(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    wide, tall = x.shape[-2:]
    top = int(torch.randint(tall - height + 1, (), generator=generator))
    left = int(torch.randint(wide - width + 1, (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("A generator is made, or set back to its seed, in each call: every picture is cut at the "
                           "same place. Draw from `generator` as it comes; it moves on by itself.")
def crops_by_a_seed_of_its_own(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding, torch.Generator().manual_seed(0))


@random_crop.misconception("The place comes from other numbers than the generator's: the same seed gives another "
                           "window. Hand `generator` to `torch.randint`.")
def draws_a_place_elsewhere(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding)


@random_crop.misconception("Each picture of a batch was cut at a place of its own. One call draws once here; the "
                           "loader calls the transform picture by picture.")
def draws_for_each_picture(x, size, padding=0, generator=None):
    if x.ndim == 4:
        return torch.stack([_window_drawn(picture, size, padding, generator) for picture in x])
    return _window_drawn(x, size, padding, generator)


@random_crop.misconception("Where no generator is given, a new one is made in each call. All new ones start from the "
                           "same number, so every window lies at the same place. `torch.randint` takes "
                           "`generator=None`.")
def crops_with_a_new_one(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding, generator or torch.Generator())


@random_crop.alternative
def crops_by_index(x, size, padding=0, generator=None):
    height, width = (size, size) if isinstance(size, int) else size
    *leading, tall, wide = x.shape
    frame = x.new_zeros(*leading, tall + 2 * padding, wide + 2 * padding)
    frame[..., padding:padding + tall, padding:padding + wide] = x
    left = torch.randint(0, frame.shape[-1] - width + 1, (1,), generator=generator)
    top = torch.randint(0, frame.shape[-2] - height + 1, (1,), generator=generator)
    return frame.index_select(-2, top + torch.arange(height)).index_select(-1, left + torch.arange(width))


@random_crop.alternative
def crops_from_all_windows(x, size, padding=0, generator=None):
    height, width = _pair(size)
    windows = F.pad(x, [padding] * 4).unfold(-2, height, 1).unfold(-2, width, 1)
    number = int(torch.randint(windows.shape[-4] * windows.shape[-3], (), generator=generator))
    return windows[..., number // windows.shape[-3], number % windows.shape[-3], :, :].clone()


@random_crop.alternative
def crops_by_rand(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    spare = torch.tensor([x.shape[-2] - height + 1, x.shape[-1] - width + 1])
    top, left = (torch.rand(2, generator=generator, dtype=torch.float64) * spare).long().tolist()
    return x.narrow(-2, top, height).narrow(-1, left, width)


# --- rotate ----------------------------------------------------------------------------------------------------------

def _read(x, rows, columns):
    """x at fractional places, from its four neighbours; beyond the border everything is 0."""
    height, width = x.shape[-2:]
    result = torch.zeros(*x.shape[:-2], *rows.shape, dtype=x.dtype)
    for row in (rows.floor(), rows.floor() + 1):
        for column in (columns.floor(), columns.floor() + 1):
            weight = (1 - (rows - row).abs()) * (1 - (columns - column).abs())
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = x[..., row.clamp(0, height - 1).long(), column.clamp(0, width - 1).long()]
            result = result + pixels * (weight * inside).to(x.dtype)
    return result


def _offsets(x):
    """How far each pixel lies from the centre: rows (H, 1) and columns (1, W)."""
    height, width = x.shape[-2:]
    rows = torch.arange(height, dtype=torch.float64) - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    return rows[:, None], columns[None]


def _turned(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (x.shape[-2] - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (x.shape[-1] - 1) / 2
    return _read(x, rows, columns)


@exercise(points=11, reference=_turned)
def rotate(impl, draw):
    yield aspect("quarter turn", "By 90 degrees the right border comes to the top, as in `rot90` with one turn.",
                 lambda: impl(draw.normal(1, 5, 5), 90))
    yield aspect("small angles", "Between the pixels the four neighbours are mixed (bilinear).",
                 lambda: [impl(draw.normal(1, 7, 7), 20), impl(draw.normal(1, 6, 6), 3.5)])
    yield aspect("the other way", "A positive angle turns counter-clockwise, a negative one clockwise.",
                 lambda: [impl(draw.normal(1, 6, 6), -35), impl(draw.normal(1, 5, 5), 200)])
    yield aspect("oblong pictures", "A picture that is not square is turned, not sheared; its size stays.",
                 lambda: [impl(draw.normal(1, 5, 9), 30), impl(draw.normal(1, 8, 4), 90)])
    yield aspect("no turn", "By 0 degrees nothing changes, and by 360 nothing that is not rounding.",
                 lambda: [impl(draw.normal(1, 4, 5), 0), impl(draw.normal(1, 5, 5), 360)], atol=1e-4)
    yield aspect("outside", "Beyond the border everything is 0, so a turned white square has black corners.",
                 lambda: impl(torch.ones(1, 8, 8) + draw.uniform(1, 8, 8), 45))
    yield aspect("leading axes", "`rotate` takes (..., H, W), as the flips do.",
                 lambda: [impl(draw.normal(2, 3, 5, 5), 15), impl(draw.normal(5, 6), 15),
                          impl(draw.normal(2, 5, 6, 3).permute(0, 3, 1, 2), 15)])
    yield replace(habits("`rotate` leaves `x` as it was and keeps its dtype.", impl, lambda: (draw.normal(2, 5, 6), 25),
                         gradient=False), rtol=1e-4, atol=1e-4)


@rotate.misconception("It turns clockwise. The grid says where an output pixel *reads*: to turn the picture one way, "
                      "the places that are read must turn the other way. Rows count downwards, too.")
def rotates_clockwise(x, degrees):
    return _turned(x, -degrees)


@rotate.misconception("The angle was taken in radians. `math.cos` wants radians and the task gives degrees: 90 of "
                      "them are π / 2.")
def takes_radians(x, degrees):
    return _turned(x, math.degrees(degrees))


@rotate.misconception("It turns about the corner, row 0 and column 0: most of the picture swings out of sight. Count "
                      "the offsets from the centre.")
def turns_about_the_corner(x, degrees):
    angle = math.radians(degrees)
    down = torch.arange(x.shape[-2], dtype=torch.float64)[:, None]
    right = torch.arange(x.shape[-1], dtype=torch.float64)[None]
    return _read(x, math.sin(angle) * right + math.cos(angle) * down, math.cos(angle) * right - math.sin(angle) * down)


@rotate.misconception("The centre is half a pixel off: H / 2 in place of (H − 1) / 2. The pixels 0, 1, 2, 3 have "
                      "their middle at 1.5, not at 2.")
def centres_half_a_pixel_off(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down = torch.arange(height, dtype=torch.float64)[:, None] - height / 2
    right = torch.arange(width, dtype=torch.float64)[None] - width / 2
    return _read(x, math.sin(angle) * right + math.cos(angle) * down + height / 2,
                 math.cos(angle) * right - math.sin(angle) * down + width / 2)


@rotate.misconception("The turn was made in coordinates from −1 to 1. On a picture that is not square these are "
                      "stretched, so the turn shears. Turn in pixels, then scale each axis by its own half size.")
def shears_oblong_pictures(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    down, right = down / height, right / width
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width + (width - 1) / 2)


@rotate.misconception("The grid and `grid_sample` disagree about ±1: the middle of the border pixel for one "
                      "(`align_corners=True`), its outer edge for the other. The picture comes out scaled.")
def disagrees_about_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height / (height - 1) + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width / (width - 1) + (width - 1) / 2)


@rotate.misconception("`grid_sample` was called with `align_corners=True`, but the grid counts to the outer edges: at "
                      "±1 it now reads the middle of the border pixel, and even by 0 degrees the picture grows.")
def reads_with_aligned_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * (height - 1) / height + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * (width - 1) / width + (width - 1) / 2)


@rotate.misconception("The offsets were counted from H / 2 and W / 2, and the picture is shifted by half a pixel, even "
                      "by 0 degrees. The first pixel's middle lies (H − 1) / 2 above the centre.")
def counts_offsets_from_the_wrong_centre(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down = torch.arange(height, dtype=torch.float64)[:, None] - height / 2
    right = torch.arange(width, dtype=torch.float64)[None] - width / 2
    return _read(x, math.sin(angle) * right + math.cos(angle) * down + (height - 1) / 2,
                 math.cos(angle) * right - math.sin(angle) * down + (width - 1) / 2)


@rotate.misconception("The turn was made in numbers from `linspace(-1, 1)`, where a step down is not as long as a step "
                      "to the right unless the picture is square: the rest come out sheared. Turn in pixels.")
def shears_between_corners(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    down, right = down / (height - 1), right / (width - 1)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * (height - 1) + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * (width - 1) + (width - 1) / 2)


@rotate.misconception("The two scales changed places: the offset to the right was divided by the height, the one "
                      "downwards by the width. Only a square picture forgives that.")
def scales_by_the_other_side(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    return _read(x, (math.sin(angle) * right + math.cos(angle) * down) * height / width + (height - 1) / 2,
                 (math.cos(angle) * right - math.sin(angle) * down) * width / height + (width - 1) / 2)


@rotate.misconception("Each input pixel was sent to the place where it goes, rounded. Some places get none and stay "
                      "black, others get two. Ask for each output pixel where it comes from.")
def sends_the_pixels(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = (math.cos(angle) * down - math.sin(angle) * right + (height - 1) / 2).round().long()
    columns = (math.cos(angle) * right + math.sin(angle) * down + (width - 1) / 2).round().long()
    out = torch.zeros_like(x)
    for i in range(height):
        for j in range(width):
            if 0 <= rows[i, j] < height and 0 <= columns[i, j] < width:
                out[..., rows[i, j], columns[i, j]] = x[..., i, j]
    return out


@rotate.misconception("One axis was put in front of `x`, which makes a batch of (C, H, W) alone. All that stands "
                      "before H and W can be made into channels for a moment, however many axes that is.")
def adds_one_axis(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    across = 2 / width * (math.cos(angle) * right - math.sin(angle) * down)
    along = 2 / height * (math.sin(angle) * right + math.cos(angle) * down)
    return F.grid_sample(x[None], torch.stack([across, along], -1)[None].to(x.dtype), align_corners=False)[0]


@rotate.misconception("`view` puts axes together only where the numbers lie in memory in that order. A batch whose "
                      "axes were permuted does not; `reshape` copies it if it must.")
def views_the_batch(x, degrees):
    height, width = x.shape[-2:]
    return _turned(x.view(1, -1, height, width), degrees).view(x.shape)


@rotate.misconception("Beyond the border the picture was mirrored. Nothing is there: zeros, as "
                      "`padding_mode=\"zeros\"` reads them.")
def mirrors_the_border(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    across = 2 / width * (math.cos(angle) * right - math.sin(angle) * down)
    along = 2 / height * (math.sin(angle) * right + math.cos(angle) * down)
    grid = torch.stack([across, along], -1)[None].to(x.dtype)
    flat = x.reshape(1, -1, height, width)
    return F.grid_sample(flat, grid, padding_mode="reflection", align_corners=False).reshape(x.shape)


@rotate.misconception("The grid gives (row, column). `grid_sample` wants x, the column, first and y, the row, second; "
                      "in the other order the picture is reflected in its diagonal.")
def gives_rows_first(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = (math.cos(angle) * right - math.sin(angle) * down) / width * height
    columns = (math.sin(angle) * right + math.cos(angle) * down) / height * width
    return _read(x, rows + (height - 1) / 2, columns + (width - 1) / 2)


@rotate.misconception("Each output pixel is a copy of the nearest one. The task asks for a mixture of the four "
                      "neighbours: `mode=\"bilinear\"`.")
def takes_the_nearest(x, degrees):
    angle = math.radians(degrees)
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (x.shape[-2] - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (x.shape[-1] - 1) / 2
    return _read(x, rows.round(), columns.round())


@rotate.misconception("Beyond the border the last pixel was repeated. There is nothing there: zeros, as "
                      "`padding_mode=\"zeros\"` reads them.")
def repeats_the_border(x, degrees):
    angle = math.radians(degrees)
    height, width = x.shape[-2:]
    down, right = _offsets(x)
    rows = math.sin(angle) * right + math.cos(angle) * down + (height - 1) / 2
    columns = math.cos(angle) * right - math.sin(angle) * down + (width - 1) / 2
    return _read(x, rows.clamp(0, height - 1), columns.clamp(0, width - 1))


@rotate.alternative
def rotates_with_aligned_corners(x, degrees):
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x_ = (offsets.float() for offsets in _offsets(x))
    y, x_ = torch.broadcast_tensors(y, x_)
    grid = torch.stack([(cos * x_ - sin * y) * 2 / (width - 1), (sin * x_ + cos * y) * 2 / (height - 1)], -1)
    flat = x.reshape(1, -1, height, width)
    return F.grid_sample(flat, grid[None].to(x.dtype), align_corners=True).reshape(x.shape)


@rotate.alternative
def rotates_with_affine_grid(x, degrees):
    height, width = x.shape[-2:]
    flat = x.reshape(-1, 1, height, width)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    theta = torch.tensor([[cos, -sin * height / width, 0.0], [sin * width / height, cos, 0.0]], dtype=x.dtype)
    grid = F.affine_grid(theta.expand(len(flat), 2, 3), flat.shape, align_corners=False)
    return F.grid_sample(flat, grid, align_corners=False).reshape(x.shape)


@rotate.alternative
def rotates_with_scipy(x, degrees):
    height, width = x.shape[-2:]
    turn = np.array([[1.0, 0.0], [0.0, 1.0]]) * math.cos(math.radians(degrees))
    turn += np.array([[0.0, 1.0], [-1.0, 0.0]]) * math.sin(math.radians(degrees))
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    turned = [ndimage.affine_transform(picture, turn, centre - turn @ centre, order=1, mode="grid-constant")
              for picture in x.double().reshape(-1, height, width).numpy()]
    return torch.from_numpy(np.stack(turned)).to(x.dtype).reshape(x.shape)


@rotate.alternative
def rotates_pixel_by_pixel(x, degrees):
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    out = torch.zeros(x.shape, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            dy, dx = i - (height - 1) / 2, j - (width - 1) / 2
            row, column = sin * dx + cos * dy + (height - 1) / 2, cos * dx - sin * dy + (width - 1) / 2
            for r in (math.floor(row), math.floor(row) + 1):
                for c in (math.floor(column), math.floor(column) + 1):
                    if 0 <= r < height and 0 <= c < width:
                        out[..., i, j] += (1 - abs(row - r)) * (1 - abs(column - c)) * x[..., r, c]
    return out


rotate.equivalent(
    "return F.grid_sample(channels, grid[None].to(x.dtype), align_corners=False).reshape(x.shape) -> "
    "return F.grid_sample(channels, grid[None].to(x.dtype)).reshape(x.shape)",
    "False is PyTorch's default; leaving it out gives a warning and the same values")


# --- resize ----------------------------------------------------------------------------------------------------------

def _resized(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=False)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@exercise(points=8, reference=_resized)
def resize(impl, draw):
    yield aspect("larger",
                 "Output pixel j reads at (j + ½) · W / W′ − ½, rows likewise: the outer edges of both pictures "
                 "coincide.",
                 lambda: [impl(draw.normal(1, 4, 6), (9, 8)), impl(draw.normal(1, 3, 3), 7)])
    yield aspect("smaller",
                 "When it shrinks, it still mixes two pixels per axis and skips the others (no antialiasing).",
                 lambda: [impl(draw.normal(1, 11, 9), (4, 3)), impl(draw.normal(1, 8, 8), 3)])
    yield aspect("border", "A place beyond the middle of a border pixel takes that pixel as it is.",
                 lambda: impl(draw.uniform(1, 3, 2) + 5, (12, 10)))
    yield aspect("one number", "One number makes both sides; a pair is (height, width).",
                 lambda: [impl(draw.normal(1, 5, 9), 6), impl(draw.normal(1, 5, 9), (3, 7))])
    yield aspect("same size", "To its own size it changes nothing.", lambda: impl(draw.normal(2, 5, 4), (5, 4)))
    yield aspect("leading axes", "`resize` takes (..., H, W), too.",
                 lambda: [impl(draw.normal(2, 3, 4, 5), (6, 6)), impl(draw.normal(4, 5), 7),
                          impl(draw.normal(2, 4, 5, 3).permute(0, 3, 1, 2), (6, 6))])
    yield replace(habits("`resize` leaves `x` as it was and keeps its dtype.",
                         impl, lambda: (draw.normal(2, 4, 5), (7, 3)),
                         gradient=False), rtol=1e-4, atol=1e-4)


@resize.misconception("The middles of the corner pixels were laid on each other: `align_corners=True`. Here the outer "
                      "edges coincide, so output pixel 0 reads at ½ · W / W′ − ½.")
def aligns_corners(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=True)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("The halves were forgotten: output pixel j reads at j · W / W′. A pixel's middle lies half a "
                      "pixel in from its edge, in both pictures; without it the picture creeps to the upper left.")
def forgets_the_halves(x, size):
    height, width = _pair(size)
    rows = torch.arange(height, dtype=torch.float64)[:, None] * x.shape[-2] / height
    columns = torch.arange(width, dtype=torch.float64)[None] * x.shape[-1] / width
    return _read(x, rows.clamp(max=x.shape[-2] - 1), columns.clamp(max=x.shape[-1] - 1))


def _sampled(x, rows, columns, **options):
    """x read by `grid_sample` at rows and columns between −1 and 1."""
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1)[None].to(x.dtype)
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.grid_sample(flat, grid, padding_mode="border", **options)
    return out.reshape(*x.shape[:-2], len(rows), len(columns))


@resize.misconception("`grid_sample` was called with `align_corners=True`, but the grid counts from edge to edge. Its "
                      "±1 is then the middle of the border pixel, and the picture comes out a little enlarged.")
def reads_aligned_corners(x, size):
    rows, columns = ((2 * torch.arange(side) + 1) / side - 1 for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=True)


@resize.misconception("`linspace(-1, 1)` puts the first place on the very edge of the picture, where no output pixel "
                      "has its middle. The first middle lies half an output pixel further in.")
def starts_at_the_edge(x, size):
    rows, columns = (torch.linspace(-1, 1, side) for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The half of the output pixel is missing: it was asked where its left edge lies, not its middle. "
                      "It reads at j · W / W′ − ½, half an output pixel too far up and left.")
def forgets_the_output_half(x, size):
    rows, columns = (2 * torch.arange(side) / side - 1 for side in _pair(size))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The ½ was taken off twice. The −½ of the formula turns a place into a pixel number; "
                      "`grid_sample` wants places, from edge to edge, and takes it off itself.")
def takes_the_half_off_twice(x, size):
    places = ((torch.arange(new) + 0.5) * old / new - 0.5 for new, old in zip(_pair(size), x.shape[-2:], strict=True))
    rows, columns = (2 * place / old - 1 for place, old in zip(places, x.shape[-2:], strict=True))
    return _sampled(x, rows, columns, align_corners=False)


@resize.misconception("The nearest pixel was copied: the picture is made of blocks. Two pixels per axis are mixed, by "
                      "how near they are.")
def copies_the_nearest(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="nearest-exact")
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("Zeros leak in at the border: the outermost places lie beyond the last pixel's middle and were "
                      "mixed with black. There the border pixel counts whole: `padding_mode=\"border\"`.")
def darkens_the_border(x, size):
    height, width = _pair(size)
    rows = (torch.arange(height, dtype=torch.float64)[:, None] + 0.5) * x.shape[-2] / height - 0.5
    columns = (torch.arange(width, dtype=torch.float64)[None] + 0.5) * x.shape[-1] / width - 0.5
    return _read(x, rows.expand(height, width), columns.expand(height, width))


@resize.misconception("The picture was smoothed before it shrank (antialiasing). Good practice with photographs, but "
                      "not what the task asks: two pixels per axis, the others are skipped.")
def smooths_first(x, size):
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.interpolate(flat, size=_pair(size), mode="bilinear", align_corners=False, antialias=True)
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


@resize.misconception("One number was used for the shorter side and the proportions were kept. torchvision's `Resize` "
                      "does so; here one number makes both sides.")
def keeps_proportions(x, size):
    height, width = x.shape[-2:]
    if isinstance(size, int):
        size = (size, size * width // height) if height < width else (size * height // width, size)
    return _resized(x, size)


@resize.misconception("The pair was read as (width, height). Sizes go as the axes do: height first.")
def takes_width_first(x, size):
    height, width = _pair(size)
    return _resized(x, (width, height))


@resize.misconception("The grid gives the row before the column. `grid_sample` wants x, the column, first: the "
                      "picture comes out reflected in its diagonal.")
def swaps_the_grid(x, size):
    height, width = _pair(size)
    rows = (torch.arange(height, dtype=torch.float64)[:, None] + 0.5) / height
    columns = (torch.arange(width, dtype=torch.float64)[None] + 0.5) / width
    tall, wide = x.shape[-2:]
    return _read(x, (columns * tall - 0.5).clamp(0, tall - 1).expand(height, width),
                 (rows * wide - 0.5).clamp(0, wide - 1).expand(height, width))


@resize.alternative
def resizes_with_a_grid(x, size):
    height, width = _pair(size)
    y = (2 * torch.arange(height, dtype=x.dtype) + 1) / height - 1
    x_ = (2 * torch.arange(width, dtype=x.dtype) + 1) / width - 1
    grid = torch.stack(torch.meshgrid(x_, y, indexing="xy"), -1)[None]
    flat = x.reshape(1, -1, *x.shape[-2:])
    out = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return out.reshape(*x.shape[:-2], height, width)


@resize.alternative
def resizes_with_two_matrices(x, size):
    def weights(old, new):
        place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        return (1 - (place[:, None] - torch.arange(old)).abs()).clamp(min=0).to(x.dtype)

    height, width = _pair(size)
    return weights(x.shape[-2], height) @ x @ weights(x.shape[-1], width).T


@resize.alternative
def resizes_one_axis_at_a_time(x, size):
    for axis, new in zip((-2, -1), _pair(size), strict=True):
        old = x.shape[axis]
        place = ((torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5).clamp(0, old - 1)
        low = place.long()
        part = (place - low).to(x.dtype)
        part = part[:, None] if axis == -2 else part
        high = (low + 1).clamp(max=old - 1)
        x = x.index_select(axis, low) * (1 - part) + x.index_select(axis, high) * part
    return x


resize.equivalent(
    'resized = F.grid_sample(channels, grid[None], padding_mode="border", align_corners=False) -> '
    'resized = F.grid_sample(channels, grid[None], padding_mode="border")',
    "False is PyTorch's default; leaving it out gives a warning and the same values")


# --- cutout ----------------------------------------------------------------------------------------------------------

def _blackened(x, size, generator=None):
    height, width = _pair(size)
    row = torch.randint(x.shape[-2], (), generator=generator)
    column = torch.randint(x.shape[-1], (), generator=generator)
    down = torch.arange(x.shape[-2])[:, None] - row + height // 2
    right = torch.arange(x.shape[-1])[None] - column + width // 2
    hole = (down >= 0) & (down < height) & (right >= 0) & (right < width)
    return x.masked_fill(hole, 0)


@exercise(points=8, reference=_blackened)
def cutout(impl, draw):
    def cuts(picture, size, count):
        generator = draw.generator()
        return torch.stack([impl(picture.clone(), size, generator=generator) for _ in range(count)])

    def holes(seen, right):
        facts = _hole_facts(seen, _numbered(2, 4, 5))
        black = (seen == 0).flatten(1, -3).any(1)
        rows, columns = _centre(black.any(2)), _centre(black.any(1))
        known = (rows >= 0) & (columns >= 0)
        counts = torch.zeros(4, 5)
        counts.index_put_((rows[known], columns[known]), torch.ones(int(known.sum())), accumulate=True)
        shares = counts / len(seen)
        places = facts.pop("tops and lefts")
        facts["every pixel is a centre"] = counts > 0
        facts["tops and lefts"] = places
        facts["no row or column is favoured"] = bool(((shares.sum(1) - 0.25).abs() < 0.13).all()
                                                     and ((shares.sum(0) - 0.2).abs() < 0.13).all())
        return facts

    def sizes(seen, odd):
        facts = _hole_facts(seen, _numbered(1, 7, 9))
        names = ["the hole is filled with", "a rectangle", "largest", *(["smallest"] if odd else [])]
        return {name: facts[name] for name in names}

    def one_place(facts):
        """What is seen of holes that are all alike says nothing more: leave it at that."""
        def facts_of(seen, right):
            mine = facts(seen, right)
            return mine if mine["another place each time"] else {**facts(right, right),
                                                                 "another place each time": False}
        return facts_of

    def batch():
        generator = draw.generator()
        x = _numbered(2, 6, 6).expand(4, 2, 6, 6).clone()
        return [torch.stack([impl(x.clone(), 3, generator=generator) for _ in range(100)]),
                torch.stack([impl(x[0, 0].clone(), 3, generator=generator) for _ in range(100)])]

    def together(seen, right):
        batches, bare = seen
        holes = {"a batch": (batches == 0).any(1).any(1), "a bare (H, W)": bare == 0}
        return {"all alike": bool((batches == batches[:, :1]).all()),
                **{f"{name}: {fact}": value for name, black in holes.items() for fact, value in (
                    ("a hole each time", bool(black.flatten(1).any(1).all())),
                    ("not all of it", bool((~black).any())),
                    ("in the upper half", bool(black[:, 0].any())), ("in the lower half", bool(black[:, -1].any())),
                    ("on the left", bool(black[:, :, 0].any())), ("on the right", bool(black[:, :, -1].any())))}}

    def left_alone():
        x = draw.uniform(2, 5, 5).double() + 1
        kept = x.clone()
        generator = draw.generator()
        out = torch.stack([impl(x, 3, generator=generator) for _ in range(20)])
        return [x, str(out.dtype), bool((out == 0).any()), bool(((out == 0) | (out == kept)).all())]

    yield aspect("holes",
                 "A hole of `size` × `size` pixels is filled with zeros, in every channel at the same place; its "
                 "centre is uniform over all pixels, so the border may cut the hole.",
                 lambda: cuts(_numbered(2, 4, 5), 3, 330), view=one_place(holes))
    yield aspect("sizes",
                 "`size` is a number or a pair (height, width); of an even size, either middle may be the centre.",
                 lambda: [cuts(_numbered(1, 7, 9), size, 80) for size in ((2, 4), 4, (5, 7))],
                 view=lambda seen, right: [sizes(shown, odd) for shown, odd in zip(seen, (0, 0, 1), strict=True)])
    yield aspect("seed", "The centre is drawn from `generator` alone: the same seed, the same hole.",
                 lambda: _seeded(lambda generator: torch.stack(
                     [impl(_numbered(1, 9, 9), 3, generator=generator) for _ in range(12)]), draw), view=_seed_facts)
    yield aspect("without one", "Without a generator the centre is drawn from torch's own numbers.",
                 lambda: _own_numbers(lambda: torch.stack([impl(_numbered(1, 9, 9), 3) for _ in range(12)])),
                 view=_seed_facts)
    yield aspect("one draw a call",
                 "One call of `cutout` draws one hole, for a whole batch, too.",
                 batch, view=together)
    yield aspect("left alone", "`cutout` leaves `x` as it was: the hole is in a copy.", left_alone)


def _cut(x, top, left, height, width):
    out = x.clone()
    out[..., max(top, 0):max(top + height, 0), max(left, 0):max(left + width, 0)] = 0
    return out


def _centre_drawn(x, generator):
    return (int(torch.randint(x.shape[-2], (), generator=generator)),
            int(torch.randint(x.shape[-1], (), generator=generator)))


@cutout.misconception("The hole was cut into `x` itself. The data set keeps that picture: after an epoch it has a "
                      "hole for good, after ten epochs ten. Cut into a copy.")
def cuts_into_the_original(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    top, left = row - height // 2, column - width // 2
    x[..., max(top, 0):max(top + height, 0), max(left, 0):max(left + width, 0)] = 0
    return x


@cutout.misconception("The hole always lies inside the picture. Its centre may be any pixel, the corners too; then "
                      "the border cuts it, and the pixels at the rim are covered as often as the others.")
def keeps_the_hole_inside(x, size, generator=None):
    height, width = _pair(size)
    top = int(torch.randint(max(1, x.shape[-2] - height + 1), (), generator=generator))
    left = int(torch.randint(max(1, x.shape[-1] - width + 1), (), generator=generator))
    return _cut(x, top, left, height, width)


@cutout.misconception("The hole is twice as high and wide: `size` was used on each side of the centre. `size` is the "
                      "whole length, half of it lies on each side.")
def doubles_the_hole(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    return _cut(x, row - height, column - width, 2 * height, 2 * width)


@cutout.misconception("The drawn pixel became the hole's upper left corner. It is the centre: now the border can cut "
                      "the hole at the right and at the bottom only.")
def draws_the_corner(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    return _cut(x, row, column, height, width)


@cutout.misconception("Near the upper and the left border the hole is missing. There the slice starts at a negative "
                      "number, and Python counts that from the end: the slice is empty. Clip at 0.")
def slices_from_negative(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    top, left = row - height // 2, column - width // 2
    out = x.clone()
    out[..., top:top + height, left:left + width] = 0
    return out


@cutout.misconception("The hole is white: ones were put in, where the task says zeros.")
def fills_with_ones(x, size, generator=None):
    hole = _blackened(torch.ones_like(x), size, generator) == 0
    return x.masked_fill(hole, 1)


@cutout.misconception("The hole has the picture's mean, not zero. Some people like that; the task says zeros.")
def fills_with_the_mean(x, size, generator=None):
    hole = _blackened(torch.ones_like(x), size, generator) == 0
    return torch.where(hole, x.mean(), x)


@cutout.misconception("An odd size comes out one too small: half of it, rounded down, was taken on both sides of the "
                      "centre. The end is the start plus the size.")
def loses_the_odd_pixel(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    return _cut(x, row - height // 2, column - width // 2, 2 * (height // 2), 2 * (width // 2))


@cutout.misconception("An even size comes out one too large: the rows from −half to +half were taken, both ends "
                      "included. The end is the start plus the size.")
def gains_a_pixel(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    return _cut(x, row - height // 2, column - width // 2, 2 * (height // 2) + 1, 2 * (width // 2) + 1)


@cutout.misconception("The pair was read as (width, height): the hole lies on its side. Height comes first.")
def cuts_width_first(x, size, generator=None):
    return _blackened(x, _pair(size)[::-1], generator)


@cutout.misconception("The last row and the last column are never the centre. `randint(n)` ends at n − 1 by itself: do "
                      "not take off another one.")
def misses_the_last_centre(x, size, generator=None):
    height, width = _pair(size)
    row = int(torch.randint(x.shape[-2] - 1, (), generator=generator))
    column = int(torch.randint(x.shape[-1] - 1, (), generator=generator))
    return _cut(x, row - height // 2, column - width // 2, height, width)


@cutout.misconception("A generator is made, or set back to its seed, in each call: every picture has its hole at the "
                      "same place. Draw from `generator` as it comes.")
def cuts_by_a_seed_of_its_own(x, size, generator=None):
    return _blackened(x, size, torch.Generator().manual_seed(0))


@cutout.misconception("Each picture of a batch got a hole of its own. One call draws one centre; the loader calls the "
                      "transform picture by picture.")
def cuts_each_picture(x, size, generator=None):
    if x.ndim < 4:
        return _blackened(x, size, generator)
    return torch.stack([_blackened(picture, size, generator) for picture in x])


@cutout.misconception("One number was drawn for the row and for the column: the holes lie on the diagonal. Draw two.")
def cuts_on_the_diagonal(x, size, generator=None):
    height, width = _pair(size)
    place = int(torch.randint(x.shape[-2], (), generator=generator))
    return _cut(x, place - height // 2, place - width // 2, height, width)


@cutout.misconception("Each channel has a hole of its own: where red is missing, green still shows what was there. "
                      "One hole goes through all channels.")
def cuts_each_channel(x, size, generator=None):
    if x.ndim < 3:
        return _blackened(x, size, generator)
    return torch.stack([_blackened(part, size, generator) for part in x.unbind(-3)], -3)


@cutout.misconception("The hole's place does not come from the generator: the same seed cuts somewhere else. Hand "
                      "`generator` to `torch.randint`.")
def cuts_by_other_numbers(x, size, generator=None):
    return _blackened(x, size)


@cutout.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                      "number, so every hole lies at the same place. `torch.randint` takes `generator=None`.")
def cuts_with_a_new_one(x, size, generator=None):
    return _blackened(x, size, generator or torch.Generator())


@cutout.alternative
def cuts_a_copy(x, size, generator=None):
    height, width = (size, size) if isinstance(size, int) else size
    column = torch.randint(x.shape[-1], (1,), generator=generator).item()
    row = torch.randint(x.shape[-2], (1,), generator=generator).item()
    out = x.clone()
    top, left = row - height // 2, column - width // 2
    out[..., max(0, top):top + height, max(0, left):left + width] = 0
    return out


@cutout.alternative
def cuts_by_multiplying(x, size, generator=None):
    height, width = _pair(size)
    number = int(torch.randint(x.shape[-2] * x.shape[-1], (), generator=generator))
    row, column = divmod(number, x.shape[-1])
    keep = torch.ones(x.shape[-2:], dtype=x.dtype)
    top, left = row - (height - 1) // 2, column - (width - 1) // 2
    keep[max(0, top):top + height, max(0, left):left + width] = 0
    return x * keep


@cutout.alternative
def cuts_from_a_frame(x, size, generator=None):
    height, width = _pair(size)
    row, column = (int(torch.rand((), generator=generator) * side) for side in x.shape[-2:])
    frame = F.pad(x, (width, width, height, height)).clone()
    top, left = row + height - height // 2, column + width - width // 2
    frame[..., top:top + height, left:left + width] = 0
    return frame[..., height:-height, width:-width]


# --- mixup -----------------------------------------------------------------------------------------------------------

def _beta(alpha, generator):
    """One number from Beta(alpha, alpha), drawn from a torch.Generator."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _mixed(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).to(torch.float32)
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


def _swap_shares(weights):
    """The same mixtures, the shares of the picture itself (the diagonal) and of its partner exchanged."""
    own = torch.diag_embed(weights.diagonal(dim1=-2, dim2=-1))
    other = weights - own
    rest = other.sum(-1, keepdim=True)
    partner = torch.where(rest > 0, other / rest.clamp(min=1e-9), torch.eye(weights.shape[-1]))
    return torch.diag_embed(rest.squeeze(-1)) + own.sum(-1, keepdim=True) * partner


def _label_kind(labels, weights, y):
    """How labels (n, N, classes) hang together with the shares (n, N, N) of the pictures that made the pixels."""
    right = weights @ F.one_hot(y, labels.shape[-1]).to(weights.dtype)
    if torch.allclose(labels, right, atol=1e-4):
        return "as the pixels"
    swapped = _swap_shares(weights) @ F.one_hot(y, labels.shape[-1]).to(weights.dtype)
    own = weights.diagonal(dim1=-2, dim2=-1)
    mixed = (own > 0.01) & (own < 0.99)  # a picture that met itself, or hardly anybody, tells nothing more
    if not mixed.any():
        return "of a mixture, but the pixels are not mixed"
    if torch.allclose(labels[mixed], swapped[mixed], atol=1e-4):
        return "the two shares exchanged"
    if ((labels[mixed] > 0).sum(-1) == 1).all():
        return "one class alone"
    if not torch.allclose(labels.sum(-1), torch.ones(()), atol=1e-4):
        return "shares that do not add up to one"
    if ((labels[mixed] - 0.5).abs() < 1e-4).any(-1).all():
        return "half and half"
    if not (labels[mixed] > 1e-6)[right[mixed] == 0].any():
        return "the right classes, other shares"
    if (labels.gather(-1, y.expand(own.shape)[..., None])[..., 0] > own - 1e-4)[mixed].all():
        return "another partner"
    return "other"


_CLASSES = (3, 0, 4, 1, 6, 2)


@exercise(points=9, reference=_mixed)
def mixup(impl, draw):
    y = torch.tensor(_CLASSES)

    def unit_pictures():
        return torch.eye(6).reshape(6, 1, 2, 3)

    def mixtures():
        generator = draw.generator()
        seen = [impl(unit_pictures(), y.clone(), 2.0, 8, generator=generator) for _ in range(30)]
        return [torch.stack([x for x, _ in seen]), torch.stack([labels.float() for _, labels in seen])]

    def pixels(seen, right):
        weights = seen[0].reshape(-1, 6, 6)
        others = (weights - torch.diag_embed(weights.diagonal(dim1=1, dim2=2))).flatten(0, 1)
        own, rest = weights.diagonal(dim1=1, dim2=2).flatten(), others.sum(1)
        if (weights == weights[:1]).all():
            return {**pixels(right, None), "another mixture each time": False}
        return {"another mixture each time": True, "both have the same share": bool(
                    ((own - rest).abs() < 1e-4)[rest > 0].all()),
                "shares add up to one": bool(((weights.sum(2) - 1).abs() < 1e-4).all() and (weights > -1e-5).all()),
                "at most one partner": bool(((others > 0).sum(1) <= 1).all()),
                "the picture is in it": bool((weights.diagonal(dim1=1, dim2=2) > 0).all()),
                "most have a partner": bool((others > 0).any(1).float().mean() > 0.5)}

    def labels(seen, right):
        weights = seen[0].reshape(-1, 6, 6)
        weights = weights / weights.sum(2, keepdim=True).clamp(min=1e-9)
        return {"labels": _label_kind(seen[1], weights, y),
                "mixed": bool((weights.diagonal(dim1=1, dim2=2) < 0.99).any())}

    def real():
        x, generator = draw.normal(3, 2, 4, 5), draw.generator()
        mixed, labels = impl(x.double(), torch.tensor([1, 1, 1]), 0.4, 3, generator=generator)
        alone, its = impl(x[:1], torch.tensor([2]), 4.0, 4, generator=generator)
        return [list(mixed.shape), str(mixed.dtype), labels, alone, its]

    def shares():
        shown = []
        for alpha in (0.2, 4.0):
            generator, found = draw.generator(), []
            for _ in range(150):
                weights = impl(unit_pictures(), y.clone(), alpha, 7, generator=generator)[0].reshape(6, 6)
                own = weights.diagonal()
                mixed = (weights > 0).sum(1) == 2
                found.append((own * (1 - own))[mixed].mean())
            shown.append(torch.stack(found).nan_to_num(-1.0))
        return shown

    def distribution(seen, right):
        return [_beta_kind(found[found >= 0], alpha) for found, alpha in zip(seen, (0.2, 4.0), strict=True)]

    def both(**generator):
        shown = []
        for _ in range(6):
            x, labels = impl(unit_pictures(), y.clone(), 1.0, 7, **generator)
            shown.append(torch.cat([x.flatten(), labels.float().flatten()]))
        return torch.stack(shown)

    def left_alone():
        x, classes, generator = unit_pictures(), y.clone(), draw.generator()
        mixed, labels = impl(x, classes, 1.0, 8, generator=generator)
        return [x, classes, list(mixed.shape), list(labels.shape)]

    yield aspect("pixels",
                 "Each picture becomes λ times itself plus 1 − λ times its partner, another picture of the batch.",
                 mixtures, view=pixels)
    yield aspect("labels",
                 "Its label becomes λ times its own one-hot label plus 1 − λ times its partner's: the same λ, the "
                 "same partner as for the pixels.",
                 mixtures, view=labels)
    yield aspect("shapes",
                 "The pixels keep shape and dtype, the labels are float32 of shape (N, num_classes); a partner of the "
                 "same class, or a batch of one, changes no label.",
                 real)
    yield aspect("λ", "λ is drawn from Beta(α, α), once per batch or once per picture.", shares, view=distribution)
    yield aspect("seed", "λ and the partners are drawn from `generator` alone.",
                 lambda: _seeded(lambda generator: both(generator=generator), draw), view=_seed_facts)
    yield aspect("without one", "Without a generator, λ and the partners come from torch's own numbers.",
                 lambda: _own_numbers(both), view=_seed_facts)
    yield aspect("left alone", "`mixup` leaves `x` and `y` as they were.", left_alone)


def _beta_kind(found, alpha):
    """Which distribution of λ fits the mean of λ (1 − λ) over 150 batches."""
    if len(found) < 30:
        return "hardly ever mixed"
    if found.std() < 1e-4:
        return "always one half" if (found - 0.25).abs().max() < 1e-4 else "always the same λ"
    mean = found.mean().item()
    fits = {"Beta(α, α)": alpha / (2 * (2 * alpha + 1)), "uniform": 1 / 6}
    width = {"Beta(α, α)": 0.043 if alpha < 1 else 0.018, "uniform": 0.037}
    return next((name for name, value in fits.items() if abs(mean - value) < width[name]), "other")


@mixup.misconception("Pixels and labels disagree: the label has λ where the pixels have 1 − λ. A picture that is nine "
                     "tenths a 3 is now called nine tenths an 8.")
def exchanges_the_shares(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], (1 - share) * labels + share * labels[partner]


@mixup.misconception("Only the pixels were mixed. The label still says that there is one digit in the picture: the "
                     "net is told that a half-erased 3 under an 8 is wholly a 3.")
def mixes_pixels_alone(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], F.one_hot(y, num_classes).float()


@mixup.misconception("The labels have other partners than the pixels: the permutation was drawn twice. Draw it once "
                     "and use it for both.")
def draws_partners_twice(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    labels = F.one_hot(y, num_classes).float()
    partner, other = torch.randperm(len(x), generator=generator), torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[other]


@mixup.misconception("The labels have a λ of their own. It was drawn twice; draw it once and use it for both.")
def draws_shares_twice(x, y, alpha, num_classes, generator=None):
    share, other = _beta(alpha, generator), _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], other * labels + (1 - other) * labels[partner]


@mixup.misconception("λ is uniform, whatever α says. Beta(α, α) is uniform for α = 1 alone; α = 0.2 keeps most "
                     "pictures nearly as they are, α = 4 mixes most of them half and half.")
def draws_a_uniform_share(x, y, alpha, num_classes, generator=None):
    share = torch.rand((), generator=generator).item()
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("α itself was used as the share. It is the parameter of the distribution that λ is drawn from; "
                     "with α = 4 your pictures are four times themselves.")
def takes_alpha_as_share(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return alpha * x + (1 - alpha) * x[partner], alpha * labels + (1 - alpha) * labels[partner]


@mixup.misconception("λ is always ½, whatever α says: no picture stays nearly as it was. λ is drawn.")
def always_mixes_half(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return (x + x[partner]) / 2, (labels + labels[partner]) / 2


@mixup.misconception("Every picture met itself: λ times itself and 1 − λ times itself is what it was. The partner is "
                     "another picture of the batch.")
def mixes_with_itself(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x, share * labels + (1 - share) * labels


@mixup.misconception("Both pictures got λ. What is left for the partner is 1 − λ, so that the picture is neither "
                     "darker nor brighter and the shares of the label add up to 1.")
def gives_lambda_to_both(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + share * x[partner], share * labels + share * labels[partner]


@mixup.misconception("The pixels are mixed by λ, the labels half and half. A picture that is nine tenths a 3 is nine "
                     "tenths a 3 in its label, too.")
def halves_the_labels(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], (labels + labels[partner]) / 2


@mixup.misconception("`num_classes` plays no part: `F.one_hot` without it makes as many columns as the batch happens "
                     "to need. A batch without a 9 has rows of another length then.")
def counts_the_classes_of_the_batch(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("A generator is made, or set back to its seed, in each call: every batch gets the same λ and the "
                     "same partners. Draw from `generator` as it comes.")
def mixes_by_a_seed_of_its_own(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes, torch.Generator().manual_seed(0))


@mixup.misconception("The class numbers were mixed: half a 3 and half an 8 became 5.5, which is no digit. A label "
                     "that can be mixed is a row of shares, one for each class: one-hot first.")
def mixes_class_numbers(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]


@mixup.misconception("`x` was scaled in place and then asked for the partner: the partner had been scaled, too, and "
                     "the shares no longer add up to 1. Make a new tensor.")
def scales_in_place(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    x *= share
    x += (1 - share) * x[partner]
    return x, share * labels + (1 - share) * labels[partner]


@mixup.misconception("λ or the partners come from other numbers than the generator's, so no seed repeats the batch. "
                     "`torch.distributions` cannot take a generator; the notebook's `draw_beta` can.")
def mixes_by_other_numbers(x, y, alpha, num_classes, generator=None):
    share = torch.distributions.Beta(alpha, alpha).sample()
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                     "number, so every batch gets the same λ and the same partners. Pass None on, as it is.")
def mixes_with_a_new_one(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes, generator or torch.Generator())


@mixup.alternative
def mixes_each_picture_its_own_way(x, y, alpha, num_classes, generator=None):
    share = torch.tensor([_beta(alpha, generator) for _ in range(len(x))], dtype=x.dtype)
    partner = torch.randperm(len(x), generator=generator)
    labels = torch.zeros(len(x), num_classes)
    labels[torch.arange(len(x)), y] += share.float()
    labels[torch.arange(len(x)), y[partner]] += 1 - share.float()
    column = share.reshape(-1, *[1] * (x.ndim - 1))
    return column * x + (1 - column) * x[partner], labels


@mixup.alternative
def mixes_by_lerp(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    gammas = torch._standard_gamma(torch.full((2,), float(alpha), dtype=torch.float64), generator=generator)
    share = (gammas[0] / gammas.sum()).item()
    labels = torch.eye(num_classes)[y]
    return torch.lerp(x[partner], x, share), torch.lerp(labels[partner], labels, share)


@mixup.alternative
def mixes_with_the_reverse(x, y, alpha, num_classes, generator=None):
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        share = torch.distributions.Beta(torch.tensor(float(alpha)), torch.tensor(float(alpha))).sample()
    labels = F.one_hot(y, num_classes).to(torch.get_default_dtype())
    return x * share + x.roll(1, 0) * (1 - share), labels * share + labels.roll(1, 0) * (1 - share)


# --- cutmix ----------------------------------------------------------------------------------------------------------

def _box(height, width, share, generator):
    """A box of about 1 − share of the picture: centre uniform, cut by the border; (top, bottom, left, right)."""
    row = int(torch.randint(height, (), generator=generator))
    column = int(torch.randint(width, (), generator=generator))
    half_height, half_width = (side * math.sqrt(1 - share) / 2 for side in (height, width))
    return (max(0, round(row - half_height)), min(height, round(row + half_height)),
            max(0, round(column - half_width)), min(width, round(column + half_width)))


def _pasted(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


def _pasted_box(x, y, box, num_classes, generator):
    """CutMix with a given box (top, bottom, left, right)."""
    top, bottom, left, right = box
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (x.shape[-2] * x.shape[-1])
    return out, share * labels + (1 - share) * labels[partner]


def _sources(seen, shape):
    """For outputs (n, N, C, H, W) made of `_numbered(N, C, H, W)`: each pixel's picture, and its place there."""
    size = math.prod(shape[1:])
    numbers = seen.round().long() - 1
    return numbers // size, numbers % size


@exercise(points=10, reference=_pasted)
def cutmix(impl, draw):
    shape, y = (4, 2, 6, 8), torch.tensor(_CLASSES[:4])

    def pastes(count, alpha, shape=shape):
        generator = draw.generator()
        classes = y.repeat(2)[:shape[0]]
        seen = [impl(_numbered(*shape), classes.clone(), alpha, 7, generator=generator) for _ in range(count)]
        return [torch.stack([x for x, _ in seen]), torch.stack([labels.float() for _, labels in seen])]

    def whole(seen):
        return bool((seen[0] == seen[0].round()).all() and (seen[0] > 0).all())

    def pixels(seen, right):
        source, place = _sources(seen[0], shape)
        own = torch.arange(4)[:, None, None, None]
        foreign = source != own
        partner = torch.where(foreign, source, -1).amax((2, 3, 4), keepdim=True)
        rows, columns = foreign.any(4).any(2), foreign.any(3).any(2)
        boxes = rows[..., :, None] & columns[..., None, :]
        return {"black pixels": bool((seen[0] == 0).any()), "whole pixels, each from its own place": bool(
                    (seen[0] == seen[0].round()).all() and (place == torch.arange(96).reshape(2, 6, 8)).all()),
                "one partner": bool(((source == own) | (source == partner)).all()),
                "one box through all channels": bool((foreign == boxes[:, :, None]).all()),
                "boxes are there": bool(foreign.any())}

    def labels(seen, right):
        source, _ = _sources(seen[0], shape)
        weights = torch.stack([(source == number).float().mean((2, 3, 4)) for number in range(4)], -1)
        mixed = torch.stack([weights.diagonal(dim1=1, dim2=2) < 0.9, weights.diagonal(dim1=1, dim2=2) > 0.1]).all(0)
        return {"labels": _label_kind(seen[1], weights, y), "mixed": bool(mixed.any())}

    def sizes(seen, right):
        source, _ = _sources(seen[0], (8, 1, 16, 16))
        shares = (source != torch.arange(8)[:, None, None, None]).float().mean((2, 3, 4))
        boxes = shares[shares > 0]
        largest = boxes.max().item() if len(boxes) else 0.0
        return {"whole pixels": whole(seen),
                "a box in nearly every batch": bool((shares > 0).any(1).float().mean() > 0.9),
                "none nearly empty": bool((boxes > 0.04).all()),
                "the largest": "less than a third" if largest < 0.35 else
                "about a half" if largest < 0.6 else "nearly all"}

    def extremes(seen, right):
        source, _ = _sources(seen[0], (4, 1, 16, 16))
        shares = (source != torch.arange(4)[:, None, None, None]).float().mean((2, 3, 4))
        return {"whole pixels": whole(seen), "boxes are there": bool((shares > 0).any()),
                "some large": bool((shares > 0.55).any()), "some small or none": bool((shares < 0.05).any())}

    def real():
        generator = draw.generator()
        x = draw.normal(3, 2, 1, 1).expand(3, 2, 5, 7).clone()
        out, labels = impl(x.double(), torch.tensor([1, 1, 1]), 1.0, 3, generator=generator)
        alone, its = impl(x[:1], torch.tensor([2]), 10_000.0, 4, generator=generator)
        return [list(out.shape), str(out.dtype), labels, alone, its]

    def both(**generator):
        shown = []
        for _ in range(6):
            x, labels = impl(_numbered(*shape), y.clone(), 1.0, 7, **generator)
            shown.append(torch.cat([x.flatten(), labels.float().flatten()]))
        return torch.stack(shown)

    def left_alone():
        x, classes = _numbered(*shape), y.clone()
        shown = [impl(x, classes, 1.0, 7, generator=draw.generator()) for _ in range(4)]
        return [x, classes, [[list(out.shape), list(labels.shape)] for out, labels in shown]]

    yield aspect("pixels",
                 "A box of each picture is replaced by the same box of its partner: same place, all channels.",
                 lambda: pastes(60, 1.0), view=pixels)
    yield aspect("labels", "The labels are mixed by the areas that are really there, after the border has cut the box.",
                 lambda: pastes(30, 1.0), view=labels)
    yield aspect("shapes", "`cutmix` returns what `mixup` returns: pixels of the old shape and dtype, float32 labels "
                           "(N, num_classes).", real)
    yield aspect("λ near a half",
                 "λ is drawn from Beta(α, α): for a large α the boxes take about half of the picture, less where the "
                 "border cuts them.",
                 lambda: pastes(100, 10_000.0, (8, 1, 16, 16)), view=sizes)
    yield aspect("λ near the ends", "For a small α most boxes take nearly nothing or nearly all.",
                 lambda: pastes(80, 0.1, (4, 1, 16, 16)), view=extremes)
    yield aspect("seed", "λ, box and partners are drawn from `generator` alone.",
                 lambda: _seeded(lambda generator: both(generator=generator), draw), view=_seed_facts)
    yield aspect("without one", "Without a generator all three come from torch's own numbers.",
                 lambda: _own_numbers(both), view=_seed_facts)
    yield aspect("left alone", "`cutmix` leaves `x` and `y` as they were.", left_alone)


@cutmix.misconception("The labels are mixed by the λ that was drawn, or by the box as it was planned. Where the border "
                      "cut it, less was pasted than that: count the pixels that are really there.")
def labels_by_the_drawn_share(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    top, bottom, left, right = _box(*x.shape[-2:], share, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("The shares are exchanged: the picture's own class got the area of the box. The box belongs to "
                      "the partner.")
def gives_the_box_to_itself(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("The box was pasted, the label left as it was. A box of an 8 inside a 3 must show in the label.")
def keeps_the_labels(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, num_classes, generator)[0], F.one_hot(y, num_classes).float()


@cutmix.misconception("Labels and pixels have different partners: the permutation was drawn twice, or a box was cut "
                      "from a picture that had already been given one itself.")
def pastes_with_other_partners(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner, other = torch.randperm(len(x), generator=generator), torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[other]


@cutmix.misconception("The box is filled from another place of the partner (its upper left corner). It is filled from "
                      "the same rows and columns.")
def pastes_from_the_corner(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., :bottom - top, :right - left]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("The box was pasted into `x` itself, and so into the batch that the caller still holds. Paste "
                      "into a copy.")
def pastes_into_the_original(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    x[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return x, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("λ is uniform, whatever α says: with a large α there should be no tiny boxes and no huge ones.")
def pastes_by_a_uniform_share(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, torch.rand((), generator=generator).item(), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("Every box takes half of the picture: λ was put at its mean, ½. It is drawn anew each time.")
def always_pastes_half(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    half = x.shape[-2] // 2
    top = int(torch.randint(half + 1, (), generator=generator))
    out = x.clone()
    out[..., top:top + half, :] = x[partner][..., top:top + half, :]
    return out, (labels + labels[partner]) / 2


@cutmix.misconception("The sides were made 1 − λ of the picture's. Two such sides make an area of (1 − λ)²: each side "
                      "takes the root.")
def forgets_the_root(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    return _pasted_box(x, y, _box(*x.shape[-2:], 1 - (1 - share) ** 2, generator), num_classes, generator)


@cutmix.misconception("The drawn pixel became the box's upper left corner. It is the centre: as it is, the border cuts "
                      "most boxes, and far too little is pasted.")
def pastes_from_the_drawn_corner(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    side = math.sqrt(1 - _beta(alpha, generator))
    top = int(torch.randint(height, (), generator=generator))
    left = int(torch.randint(width, (), generator=generator))
    box = top, min(height, top + round(side * height)), left, min(width, left + round(side * width))
    return _pasted_box(x, y, box, num_classes, generator)


@cutmix.misconception("The box was filled with zeros. That is cutout; here the partner's pixels fill it.")
def pastes_black(x, y, alpha, num_classes, generator=None):
    top, bottom, left, right = _box(*x.shape[-2:], _beta(alpha, generator), generator)
    _, labels = _pasted_box(x, y, (top, bottom, left, right), num_classes, generator)
    out = x.clone()
    out[..., top:bottom, left:right] = 0
    return out, labels


@cutmix.misconception("The box was filled with the picture's own pixels: the partner was asked for its label only.")
def pastes_its_own_box(x, y, alpha, num_classes, generator=None):
    box = _box(*x.shape[-2:], _beta(alpha, generator), generator)
    return x.clone(), _pasted_box(x, y, box, num_classes, generator)[1]


@cutmix.misconception("The box was cut along axes 1 and 2. In (N, C, H, W) these are channels and rows; height and "
                      "width are the last two.")
def cuts_channels_and_rows(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[:, top:bottom, left:right] = x[partner][:, top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("`F.one_hot` was called without `num_classes`, so the rows are as long as the largest class of "
                      "this batch asks for, and no two batches need agree.")
def takes_the_classes_of_the_batch(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, int(y.max()) + 1, generator)


@cutmix.misconception("In the box the two pictures are blended. That is mixup in a window; CutMix replaces the "
                      "pixels.")
def blends_in_the_box(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    blend = _beta(alpha, generator)
    top, bottom, left, right = _box(height, width, blend, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] *= blend
    out[..., top:bottom, left:right] += (1 - blend) * x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * labels + (1 - share) * labels[partner]


@cutmix.misconception("Box, λ or partners come from other numbers than the generator's, so the same seed pastes "
                      "elsewhere.")
def pastes_by_other_numbers(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, num_classes)


@cutmix.misconception("The class numbers were mixed: a third of an 8 in a 2 became 4. A label that can be mixed is a "
                      "row of shares, one for each class: one-hot first.")
def averages_class_numbers(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    partner = torch.randperm(len(x), generator=generator)
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (height * width)
    return out, share * y + (1 - share) * y[partner]


@cutmix.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                      "number, so every batch gets the same box and the same partners. Pass None on, as it is.")
def pastes_with_a_new_one(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, num_classes, generator or torch.Generator())


@cutmix.alternative
def pastes_with_a_mask(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    partner = torch.randperm(len(x), generator=generator)
    part = inside.float().mean()
    labels = torch.eye(num_classes)[y]
    return torch.where(inside, x[partner], x), (1 - part) * labels + part * labels[partner]


@cutmix.alternative
def pastes_each_picture_its_own_box(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    out, labels = x.clone(), torch.zeros(len(x), num_classes)
    for number in range(len(x)):
        other = (number + 1) % len(x)
        top, bottom, left, right = _box(height, width, _beta(alpha, generator), generator)
        out[number, :, top:bottom, left:right] = x[other, :, top:bottom, left:right]
        part = (bottom - top) * (right - left) / (height * width)
        labels[number, y[number]] += 1 - part
        labels[number, y[other]] += part
    return out, labels


@cutmix.alternative
def pastes_a_box_that_fits(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    share = _beta(alpha, generator)
    tall, wide = round(height * math.sqrt(1 - share)), round(width * math.sqrt(1 - share))
    top = int(torch.randint(height - tall + 1, (), generator=generator))
    left = int(torch.randint(width - wide + 1, (), generator=generator))
    out = x.clone()
    out[:, :, top:top + tall, left:left + wide] = x.flip(0)[:, :, top:top + tall, left:left + wide]
    part = tall * wide / (height * width)
    labels = F.one_hot(y, num_classes).float()
    return out, torch.lerp(labels, labels.flip(0), part)


_BOX = "box = (2 * abs(down) < side * height)[:, None] & (2 * abs(right) < side * width)"
cutmix.equivalent(f"{_BOX} -> {_BOX.replace('abs(down) <', 'abs(down) <=')}",
                  "they differ only where a side is an even number to the last digit, and any box will do")
cutmix.equivalent(f"{_BOX} -> {_BOX.replace('abs(right) <', 'abs(right) <=')}",
                  "they differ only where a side is an even number to the last digit, and any box will do")


# --- label_preserving ------------------------------------------------------------------------------------------------

def _kept(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = [int(digit) for digit in labels.unique()
                      if (predicted[labels == digit] == digit).double().mean().item() >= threshold]
    return kept


def _brightest_column(images):
    """A net of the examiner's: the digit is the brightest of ten columns."""
    return images.mean((1, 2)).argmax(1)


def _columns(digits):
    """Pictures (N, 1, 3, 10) that `_brightest_column` takes for `digits`."""
    return F.one_hot(digits, 10).float()[:, None, None].expand(-1, 1, 3, 10).clone()


def _swap_columns(x):
    return x.flip(-1)


def _swap_rows(x):
    return x.flip(-2)


def _shift_columns(x):
    return x.roll(1, -1)


_HARMLESS = {"upside down": _swap_rows}
_THREE = {"shift": _shift_columns, "mirror": _swap_columns, "upside down": _swap_rows}


@exercise(points=8, reference=_kept)
def label_preserving(impl, draw):
    def guesses(digits, counts, rights):
        """Labels, and pictures of which so many are taken for their digit; the others for the digit before it."""
        labels, seen = [], []
        for digit, count, right in zip(digits, counts, rights, strict=True):
            labels += [digit] * count
            seen += [digit] * right + [(digit - 1) % 10] * (count - right)
        order = torch.randperm(len(labels), generator=draw.generator())
        first = [labels.index(digit) for digit in reversed(digits)]  # nobody meets them in ascending order by chance
        order = first + [place for place in order.tolist() if place not in first]
        return _columns(torch.tensor(seen)[order]), torch.tensor(labels)[order]

    def shuffled(values):
        """A value a digit, in random order; digits 5 (which a mirror may keep) and 9 always get the last two."""
        others = [values[place] for place in torch.randperm(8, generator=draw.generator()).tolist()]
        return [*others[:5], values[8], *others[5:], values[9]]

    def run(transforms, digits, counts, rights, *threshold):
        images, labels = guesses(digits, counts, rights)
        return impl(transforms, images, labels, _brightest_column, *threshold)

    every = list(range(10))

    def left_alone():
        images, labels = guesses(every, [4] * 10, shuffled([4, 4, 4, 4, 4, 2, 2, 0, 0, 0]))
        kept_images, kept_labels = images.clone(), labels.clone()
        kept = impl({"nothing": _swap_rows, "mirror": _swap_columns}, images, labels, _brightest_column, 0.75)
        return [kept, torch.equal(images, kept_images), torch.equal(labels, kept_labels)]

    yield aspect("shares",
                 "For each digit count the share of its pictures that are predicted as that digit after the "
                 "transform; keep the digits whose share is large enough.",
                 lambda: [run(_HARMLESS, every, shuffled([4, 5, 6, 7, 8, 4, 5, 6, 7, 8]), [3] * 10, 0.55),
                          run(_HARMLESS, every, [8] * 10, shuffled([8, 8, 7, 7, 6, 5, 4, 2, 1, 0]), 0.6)])
    yield aspect("every transform",
                 "Each transform starts from the original pictures, and the result has its name.",
                 lambda: run(_THREE, every, [4] * 10,
                             shuffled([4, 4, 4, 4, 4, 4, 4, 0, 0, 0])))
    yield aspect("labels decide", "What counts is the label, not what the net said before the transform.",
                 lambda: [run({"shift": _shift_columns, "upside down": _swap_rows}, every, [4] * 10,
                              shuffled([4, 4, 4, 4, 3, 2, 1, 0, 0, 0]), threshold) for threshold in (0.9, 0.5)])
    yield aspect("at least",
                 "At least that share: a share equal to the threshold is enough.",
                 lambda: [run(_HARMLESS, every, [4] * 10, shuffled([4, 4, 3, 3, 3, 2, 2, 1, 1, 0]), threshold)
                          for threshold in (0.75, 0.5)])
    yield aspect("default", "The threshold is 0.9 if none is given.",
                 lambda: run(_HARMLESS, every, [20] * 10,
                             shuffled([20, 19, 19, 19, 17, 17, 17, 15, 11, 8])))
    yield aspect("digits that are there",
                 "Digits come in ascending order as `int`; one without any picture is not in the list, and a "
                 "transform that keeps none has an empty list.",
                 lambda: run(_THREE, [1, 3, 6, 9], [4, 3, 4, 5], [4, 3, 0, 5]))
    yield aspect("left alone", "`label_preserving` leaves `images` and `labels` as they were.", left_alone)


@label_preserving.misconception("The predictions after the transform were compared with those before it. A picture "
                                "that the net gets wrong both times counts as kept; the label is what must be met.")
def compares_with_predictions(transforms, images, labels, predict, threshold=0.9):
    before = predict(images)
    kept = {}
    for name, transform in transforms.items():
        same = predict(torch.stack([transform(image) for image in images])) == before
        kept[name] = [int(d) for d in labels.unique() if same[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("A share equal to the threshold was not enough: \"at least\" is >=, not >.")
def wants_more_than_the_threshold(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() > threshold]
    return kept


@label_preserving.misconception("The share was taken over all digits together, so all are kept or none. A turn can be "
                                "kind to 8 and 0 and ruin 6 and 9: count for each digit.")
def judges_all_together(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique()] if right.double().mean().item() >= threshold else []
    return kept


@label_preserving.misconception("The share was taken among the pictures that were *predicted* as the digit (its "
                                "precision). It is asked among those that *are* the digit.")
def measures_precision(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = [int(d) for d in labels.unique() if (predicted == d).any()
                      and (labels[predicted == d] == d).double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("Each transform was applied to what the one before had made. They are tried one by "
                                "one, each on the original pictures.")
def chains_the_transforms(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        images = torch.stack([transform(image) for image in images])
        right = predict(images) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("The net was shown the original pictures: the transforms were never applied, and "
                                "every one of them seems harmless.")
def never_transforms(transforms, images, labels, predict, threshold=0.9):
    right = predict(images) == labels
    return {name: [int(d) for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
            for name in transforms}


@label_preserving.misconception("These are the digits that the transform destroys. The ones that it keeps are asked "
                                "for.")
def lists_the_destroyed(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() < threshold]
    return kept


@label_preserving.misconception("The right ones of a digit were divided by the number of all pictures. Divide by the "
                                "number of that digit's pictures, or no share ever reaches 0.9.")
def divides_by_all(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique()
                      if (right & (labels == d)).sum().item() / len(labels) >= threshold]
    return kept


@label_preserving.misconception("The digits are tensors. A list of `int` was asked for: `int(digit)` or `.tolist()` "
                                "makes them.")
def keeps_tensors(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("`threshold` plays no part: 0.9 stands in the code. It is the value where none is "
                                "given; one that is given counts.")
def ignores_the_threshold(transforms, images, labels, predict, threshold=0.9):
    return _kept(transforms, images, labels, predict)


@label_preserving.misconception("The digits stand in the order in which the labels happen to come. They are asked for "
                                "in ascending order.")
def keeps_the_order_of_the_labels(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in dict.fromkeys(labels.tolist())
                      if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("The largest digit is never asked about: `range(n)` ends at n − 1.")
def forgets_the_last_digit(transforms, images, labels, predict, threshold=0.9):
    kept = _kept(transforms, images, labels, predict, threshold)
    return {name: [d for d in digits if d < int(labels.max())] for name, digits in kept.items()}


@label_preserving.misconception("A transform that keeps no digit is missing from the dictionary. It belongs there, "
                                "with an empty list.")
def leaves_out_the_empty(transforms, images, labels, predict, threshold=0.9):
    return {name: kept for name, kept in _kept(transforms, images, labels, predict, threshold).items() if kept}


@label_preserving.alternative
def keeps_by_counting(transforms, images, labels, predict, threshold=0.9):
    total = torch.bincount(labels, minlength=10).tolist()
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(transform(images))
        right = torch.bincount(labels[predicted == labels], minlength=10).tolist()
        kept[name] = [digit for digit in range(10) if total[digit] and right[digit] / total[digit] >= threshold]
    return kept


@label_preserving.alternative
def keeps_picture_by_picture(transforms, images, labels, predict, threshold=0.9):
    def share(transform, digit):
        chosen = [image for image, label in zip(images, labels.tolist(), strict=True) if label == digit]
        return sum(int(predict(transform(image)[None])) == digit for image in chosen) / len(chosen)

    return {name: [digit for digit in sorted(set(labels.tolist())) if share(transform, digit) >= threshold]
            for name, transform in transforms.items()}


@label_preserving.alternative
def keeps_digit_by_digit(transforms, images, labels, predict, threshold=0.9):
    kept = {name: [] for name in transforms}
    for digit in range(int(labels.max()) + 1):
        chosen = images[labels == digit]
        for name, transform in transforms.items():
            if len(chosen):
                hits = predict(torch.stack([transform(image.clone()) for image in chosen])).eq(digit)
                if hits.float().mean() >= threshold:
                    kept[name].append(digit)
    return kept


# --- make_loaders ----------------------------------------------------------------------------------------------------

class _Transformed(Dataset):
    """Pictures that are transformed when they are asked for, then normalised."""

    def __init__(self, images, labels, transform, mean, std, generator):
        self.images, self.labels, self.transform = images, labels, transform
        self.mean, self.std, self.generator = mean, std, generator

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        if self.transform is not None:
            image = _called(self.transform, image, self.generator)
        return (image - self.mean) / self.std, self.labels[index]


def _called(transform, image, generator):
    if get_worker_info() is not None:
        generator = None  # a worker has a copy, the same as the other workers; torch's own is seeded for each
    return transform(image, generator=generator) if _takes_generator(transform) else transform(image)


def _parts(images, generator):
    order = torch.randperm(len(images), generator=generator)
    count = int(0.8 * len(images))
    return order[:count], order[count:]


def _stats(images):
    return images.mean((0, 2, 3))[:, None, None], images.std((0, 2, 3))[:, None, None]


def _two_loaders(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       shuffle=True, generator=generator, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


_COUNT = 50


def _catalogue():
    """Fifty pictures (2, 4, 4), each carrying its number, and two pixels, 0 and 1, that show any scaling."""
    number = torch.arange(_COUNT, dtype=torch.float32)
    images = torch.stack([(number / _COUNT) ** 2, ((17 * number) % _COUNT / _COUNT) ** 3], 1)[..., None, None]
    images = images.repeat(1, 1, 4, 4) * torch.linspace(0.5, 1.5, 16).reshape(4, 4)
    images[..., 0, 0], images[..., 0, 1], images[..., 0, 3] = 0, 1, 0
    images[..., 0, 2] = number[:, None] / 64
    return images


def _classes():
    return torch.arange(_COUNT) * 7 % 10


def _marks(x, generator=None):
    """A transform that writes what it draws into a corner, and beside it how it found the picture."""
    x = x.clone()
    again = 8 * (x[..., 1, 0, 3] > 2)  # it has been here before
    x[..., 0, 0, 3] = torch.rand((), generator=generator)
    x[..., 1, 0, 3] = x[..., 1, 0, 1] - x[..., 1, 0, 0] + x.ndim + again
    return x


def _epoch(loader):
    batches = [(images, labels) for images, labels in loader]
    if not batches:
        raise ValueError("a loader gives no batch at all")
    return {"images": torch.cat([images for images, _ in batches]),
            "labels": torch.cat([labels for _, labels in batches]), "sizes": [len(labels) for _, labels in batches]}


def _raw(images):
    """What the pixels were before the scaling that the two marked pixels show, and (mean, std) of that scaling."""
    low, high = images[..., :1, :1], images[..., :1, 1:2]
    std = 1 / (high - low)
    return (images - low) * std, (-low * std).flatten(1), std.flatten(1)


def _numbers(raw):
    return (raw[:, 0, 0, 2] * 64).round().long()


def _scaled_by(images, train, validation):
    """Whose mean and standard deviation the pixels were normalised with."""
    _, mean, std = _raw(images)
    if mean.std(0).max() > 1e-3 or std.std(0).max() > 1e-3:
        return "each picture its own"
    mean, std, whole = mean.mean(0), std.mean(0), _catalogue()
    for name, part in (("the training part", whole[train]), ("all pictures", whole),
                       ("the validation part", whole[validation])):
        for unbiased in (True, False):
            if torch.allclose(mean, part.mean((0, 2, 3)), rtol=0, atol=1e-4) and torch.allclose(
                    std, part.std((0, 2, 3), unbiased=unbiased), rtol=0, atol=1e-4):
                return name
    part = whole[train]
    if torch.allclose(std, part.var((0, 2, 3)), atol=1e-3) and torch.allclose(mean, part.mean((0, 2, 3)), atol=1e-3):
        return "the variance in place of the standard deviation"
    if torch.allclose(mean, part.mean().expand(2), atol=1e-3) and torch.allclose(std, part.std().expand(2), atol=1e-3):
        return "one mean and one standard deviation for all channels"
    return "0 and 1" if torch.allclose(std, torch.ones(2), atol=1e-4) and mean.abs().max() < 1e-4 else "others"


@exercise(points=10, reference=_two_loaders)
def make_loaders(impl, draw):
    def made(batch_size=16):
        return impl(_catalogue(), _classes(), _marks, batch_size, draw.generator())

    def one_epoch():
        return [_epoch(loader) for loader in made()]

    def split(seen, right):
        train, validation = (_numbers(_raw(part["images"])[0]) for part in seen)
        return {"pictures": [len(train.unique()), len(validation.unique())],
                "in both": len(set(train.tolist()) & set(validation.tolist())),
                "in order": bool((validation.sort().values == torch.arange(40, 50)).all()),
                "each keeps its label": all((_classes()[numbers.clamp(0, 49)] == part["labels"]).all()
                                            for numbers, part in zip((train, validation), seen, strict=True))}

    def two_epochs():
        train, _ = made()
        return [_epoch(train)["images"], _epoch(train)["images"]]

    def drawn(seen, right):
        raws = [_raw(images)[0] for images in seen]
        first, second = (raw[_numbers(raw).argsort()][:, 0, 0, 3] for raw in raws)
        # The transform writes (1 − 0) + 3: it found pixels from 0 to 1, and one picture of three axes.
        found, later = (raw[:, 1, 0, 3] for raw in raws)
        return {"augmented": bool((first.abs() > 1e-6).any()),
                "different draws": "for every picture" if len((first * 1e5).round().unique()) > 36
                                   else "for every batch" if len((first * 1e5).round().unique()) > 1 else "one",
                "anew each epoch": bool(((first - second).abs() > 1e-4).float().mean() > 0.8),
                "always from the original": bool((later < 8).all()),
                "one picture at a time": bool((found.round() == 4).all()),
                "before normalising": bool(((found - found.round()).abs() < 1e-3).all())}

    def order(seen, right):
        first, second = (_numbers(_raw(images)[0]) for images in seen)
        return {"a new order": not torch.equal(first, second), "the same pictures": sorted(first.tolist())
                == sorted(second.tolist()), "each once": len(first.unique()) == len(first)}

    def validation_twice():
        _, validation = made()
        return [_epoch(validation)["images"] for _ in range(2)]

    def untouched(seen, right):
        raws = [_raw(images)[0] for images in seen]
        ordered = [images[_numbers(raw).argsort()] for images, raw in zip(seen, raws, strict=True)]
        return {"as they were": [bool(torch.allclose(raw, _catalogue()[_numbers(raw).clamp(0, 49)], atol=1e-4))
                                 for raw in raws], "the same twice": torch.allclose(*ordered, atol=1e-5)}

    def scaling(seen, right):
        train, validation = (_numbers(_raw(part["images"])[0]).clamp(0, 49) for part in seen)
        return {"training": _scaled_by(seen[0]["images"], train, validation),
                "validation": _scaled_by(seen[1]["images"], train, validation)}

    def batches():
        train, validation = made(12)
        shown = []
        for loader in (train, validation):
            epoch = _epoch(loader)
            shown.append({"a DataLoader": isinstance(loader, DataLoader), "batch sizes": epoch["sizes"],
                          "other processes": getattr(loader, "num_workers", None),
                          "shape": list(epoch["images"].shape), "pixels": str(epoch["images"].dtype),
                          "labels": str(epoch["labels"].dtype)})
        return dict(zip(("training", "validation"), shown, strict=True))

    def both(generator):
        train, validation = impl(_catalogue(), _classes(), _marks, 16, generator)
        return torch.stack([torch.cat([_epoch(train)["images"], _epoch(validation)["images"]]) for _ in range(2)])

    def seeds(seen, right):
        raws = [_raw(images.flatten(0, 1))[0] for images in seen]
        numbers = [_numbers(raw).reshape(2, -1) for raw in raws]
        draws = [raw[:, 0, 0, 3].reshape(2, -1)[:, :40] for raw in raws]
        parts = [set(shown[0, :40].tolist()) for shown in numbers]
        return {"the same seed, the same split": parts[0] == parts[1],
                "the same seed, the same order": torch.equal(numbers[0][:, :40], numbers[1][:, :40]),
                "the same seed, the same draws": torch.allclose(draws[0], draws[1], atol=1e-4),
                "another seed, another split": parts[0] != parts[2],
                "another seed, another order": not torch.equal(numbers[0], numbers[2]),
                "another seed, other draws": not torch.allclose(draws[0], draws[2], atol=1e-4)}

    def left_alone():
        images, labels = _catalogue(), _classes()
        train, validation = impl(images, labels, _marks, 16, draw.generator())
        return [images, labels, [_epoch(train)["sizes"], _epoch(validation)["sizes"]]]

    yield aspect("split",
                 "The split is random, 80 % for training and 20 % for validation; no picture is in both, and each "
                 "keeps its label.",
                 one_epoch, view=split)
    yield aspect("augmentation", "Each training picture is transformed when it is fetched: draws of its own for every "
                                 "picture and every epoch, one (C, H, W) picture at a time, before it is normalised.",
                 two_epochs, view=drawn)
    yield aspect("epochs",
                 "An epoch of training shows each training picture once, in a new order every time.",
                 two_epochs,
                 view=order)
    yield aspect("validation", "The validation pictures are never transformed, only normalised.", validation_twice,
                 view=untouched)
    yield aspect("normalising",
                 "Both parts are normalised channel by channel, with the mean and standard deviation that the training "
                 "part has before augmentation.",
                 one_epoch, view=scaling)
    yield aspect("batches",
                 "Both are `DataLoader`s with `num_workers` processes, none unless asked for, and give batches of "
                 "(images, labels), the last one smaller where the pictures run out.",
                 batches)
    yield aspect("seed", "Split, order and augmentation are drawn from `generator` alone.", lambda: _seeded(both, draw),
                 view=seeds)
    yield aspect("left alone", "`make_loaders` leaves `images` and `labels` as they were.", left_alone)


def _loaders(train, validation, batch_size, generator, num_workers):
    return (DataLoader(train, batch_size, shuffle=True, generator=generator, num_workers=num_workers),
            DataLoader(validation, batch_size, num_workers=num_workers))


@make_loaders.misconception("The validation pictures are augmented, too. Then the measure itself trembles, and tells "
                            "how well the net reads spoilt digits. Only training is augmented.")
def augments_validation(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], transform, mean, std, generator),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Mean and standard deviation were taken over all pictures, those of validation included. "
                            "What is measured with must not have helped to build: take them from the training part.")
def fits_on_everything(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images)
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Each part was normalised with its own figures. The net learns on one scale and is "
                            "measured on another; a single new picture would have no figures at all. Use the training "
                            "part's for both.")
def fits_each_part(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    return _loaders(_Transformed(images[train], labels[train], transform, *_stats(images[train]), generator),
                    _Transformed(images[validation], labels[validation], None, *_stats(images[validation]), None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("One mean and one standard deviation were taken over all channels. Each channel has its "
                            "own: leave out the channels' axis where you average.")
def normalises_channels_alike(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = images[train].mean(), images[train].std()
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pixels were divided by the variance. The standard deviation is its root.")
def divides_by_the_variance(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std ** 2, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std ** 2, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures were split, the labels not, or by other numbers: pictures meet labels that "
                            "are not theirs. Index both with the same numbers.")
def forgets_to_split_the_labels(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[:len(train)], transform, mean, std, generator),
                    _Transformed(images[validation], labels[len(train):], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The transformed picture was written back over the original, so the next epoch transforms "
                            "it again: the turns add up, and in the end little is left. Keep the originals as they "
                            "are.")
def overwrites_the_originals(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    kept = images[train].clone()

    def overwrite(image, generator=None):
        image.copy_(_called(transform, image, generator))
        return image

    return _loaders(_Transformed(kept, labels[train], overwrite, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The validation loader came first. The order is (train, validation).")
def returns_validation_first(images, labels, transform, batch_size, generator, num_workers=0):
    return _two_loaders(images, labels, transform, batch_size, generator, num_workers)[::-1]


@make_loaders.misconception("The order of the epochs does not come from the generator: the training `DataLoader` "
                            "shuffles by numbers of torch's own unless it is given one.")
def shuffles_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, None, num_workers)


@make_loaders.misconception("The split does not come from the generator: the same seed puts other pictures into the "
                            "training part each time.")
def splits_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, None)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Nothing was normalised: the pixels come out from 0 to 1, as in the notes, where the line "
                            "is commented out.")
def forgets_to_normalise(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    return _loaders(_Transformed(images[train], labels[train], transform, 0.0, 1.0, generator),
                    _Transformed(images[validation], labels[validation], None, 0.0, 1.0, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures were normalised before the transform saw them. The transform expects pixels "
                            "from 0 to 1, and the zeros that a crop or a turn puts in are black only then.")
def normalises_first(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    scaled = (images - mean) / std
    return _loaders(_Transformed(scaled[train], labels[train], transform, 0.0, 1.0, generator),
                    _Transformed(scaled[validation], labels[validation], None, 0.0, 1.0, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The transform was called once for a whole batch, so all its pictures were turned by the "
                            "same angle. Call it where one picture is fetched, in the data set's `__getitem__`.")
def draws_once_a_batch(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])

    def collate(items):
        batch = torch.stack([image for image, _ in items])
        return (_called(transform, batch, generator) - mean) / std, torch.stack([label for _, label in items])

    return (DataLoader(TensorDataset(images[train], labels[train]), batch_size, shuffle=True, generator=generator,
                       collate_fn=collate),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size))


@make_loaders.misconception("The training pictures were transformed once, beforehand: every epoch shows the same "
                            "ones. That is a larger effort, not a larger data set. Transform a picture each time it "
                            "is fetched.")
def augments_beforehand(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    changed = torch.stack([_called(transform, image, generator) for image in images[train]])
    return _loaders(_Transformed(changed, labels[train], None, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Nothing is augmented: the transform is never called.")
def forgets_the_transform(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], None, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The training loader shows the pictures in the same order every epoch: `shuffle=True` is "
                            "missing.")
def never_shuffles(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       generator=generator),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size))


@make_loaders.misconception("The first 80 % became the training part. Where a data set is sorted, validation then "
                            "holds digits that training never saw. Draw the split.")
def splits_in_order(images, labels, transform, batch_size, generator, num_workers=0):
    count = int(0.8 * len(images))
    mean, std = _stats(images[:count])
    return _loaders(_Transformed(images[:count], labels[:count], transform, mean, std, generator),
                    _Transformed(images[count:], labels[count:], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The training part holds all pictures, those of validation too: the net is examined on "
                            "what it has learned by heart. The two parts share no picture.")
def trains_on_everything(images, labels, transform, batch_size, generator, num_workers=0):
    _, validation = _parts(images, generator)
    mean, std = _stats(images)
    return _loaders(_Transformed(images, labels, transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures of an incomplete last batch are dropped (`drop_last=True`): part of the "
                            "training part is not seen in an epoch, and validation is measured on fewer than it says.")
def drops_the_last_batch(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       shuffle=True, generator=generator, drop_last=True),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size))


@make_loaders.misconception("The transform was not given the generator, so the same seed gives other pictures. It "
                            "takes one (`takes_generator` tells): hand it on.")
def augments_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.alternative
def loads_by_random_split(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = random_split(TensorDataset(images, labels), [0.8, 0.2], generator=generator)
    pixels = torch.stack([image for image, _ in train])
    mean = pixels.mean(dim=(0, 2, 3)).view(-1, 1, 1)
    std = pixels.var(dim=(0, 2, 3), unbiased=False).sqrt().view(-1, 1, 1)

    def collate(change):
        def make(items):
            pictures = torch.stack([change(image) for image, _ in items])
            return (pictures - mean) / std, torch.stack([label for _, label in items])
        return make

    def augment(image):
        return _called(transform, image, generator)

    return (DataLoader(train, batch_size=batch_size, shuffle=True, generator=generator, num_workers=num_workers,
                       collate_fn=collate(augment)),
            DataLoader(validation, batch_size=batch_size, num_workers=num_workers,
                       collate_fn=collate(lambda image: image)))


@make_loaders.alternative
def loads_by_own_seeds(images, labels, transform, batch_size, generator, num_workers=0):
    order = torch.rand(len(images), generator=generator).argsort()
    train, validation = order[len(order) // 5:], order[:len(order) // 5]
    mean, std = _stats(images[train])
    own = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))
    shuffler = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, own), batch_size, shuffle=True,
                       generator=shuffler, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


@make_loaders.alternative
def loads_two_views_of_one_set(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    augmented = _Transformed(images, labels, transform, mean, std, generator)
    plain = _Transformed(images, labels, None, mean, std, None)
    sampler = torch.utils.data.SubsetRandomSampler(train.tolist(), generator=generator)
    return (DataLoader(augmented, batch_size, sampler=sampler, generator=generator, num_workers=num_workers),
            DataLoader(Subset(plain, validation.tolist()), batch_size, num_workers=num_workers))


@make_loaders.alternative
def loads_shuffled_validation(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    augmented = _Transformed(images[train], labels[train].tolist(), transform, mean, std, generator)
    batches = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(augmented, generator=generator), batch_size,
                                            drop_last=False)
    return (DataLoader(augmented, batch_sampler=batches, generator=generator, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation].tolist(), None, mean, std, None),
                       batch_size, shuffle=True, generator=generator, num_workers=num_workers))


make_loaders.equivalent(
    "return (DataLoader(train, batch_size, shuffle=True, generator=generator, num_workers=num_workers), -> "
    "return (DataLoader(train, batch_size, shuffle=True, generator=generator),",
    "0 is the default, and the loaders are examined without workers")
make_loaders.equivalent(
    "DataLoader(validation, batch_size, num_workers=num_workers)) -> DataLoader(validation, batch_size))",
    "0 is the default, and the loaders are examined without workers")
