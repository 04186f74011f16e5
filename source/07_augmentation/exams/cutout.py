"""How `cutout` is examined."""

import random

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _alike, _numbered, _pair


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
    return torch.where(flags.any(1), flags.int().argmax(1), -1).tolist()


def _centre(flags):
    """The middle of a run of three, also where the border has cut it to two; −9 where it is anything else."""
    size = flags.shape[1]
    centres = torch.arange(size)
    runs = (centres[:, None] - centres).abs() <= 1
    same = (flags[:, None] == runs).all(2)
    return torch.where(same.any(1), same.int().argmax(1), torch.tensor(-9))


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

    def sizes(seen, odd, right):
        if _alike(seen) and (seen == 0).any():
            seen = right
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
        batches, bare = (others if _alike(shown) and (shown == 0).any() else shown
                         for shown, others in zip(seen, right, strict=True))
        batches = batches if (seen[0] == seen[0][:, :1]).all() else seen[0]
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
        return {"`x` is as it was": torch.equal(x, kept), "dtype": str(out.dtype), "a hole": bool((out == 0).any()),
                "nothing else": bool(((out == 0) | (out == kept)).all())}

    def draws(seen, right):
        changed = torch.stack(list(seen)) != _numbered(1, 9, 9)
        return {**seed_facts(seen, right), "a part is changed": bool(changed.any() and not changed.all())}

    yield aspect("holes",
                 "A hole of `size` × `size` pixels is filled with zeros, in every channel at the same place; its "
                 "centre is uniform over all pixels, so the border may cut the hole.",
                 lambda: cuts(_numbered(2, 4, 5), 3, 330), view=one_place(holes))
    yield aspect("sizes",
                 "`size` is a number or a pair (height, width); of an even size, either middle may be the centre.",
                 lambda: [cuts(_numbered(1, 7, 9), size, 80) for size in ((2, 4), 4, (5, 7))],
                 view=lambda seen, right: [sizes(*shown) for shown in zip(seen, (0, 0, 1), right, strict=True)])
    yield aspect("seed", "The centre is drawn from `generator` alone: the same seed, the same hole.",
                 lambda: seeded(lambda generator: torch.stack(
                     [impl(_numbered(1, 9, 9), 3, generator=generator) for _ in range(12)]), draw), view=draws)
    yield aspect("without one", "Without a generator the centre is drawn from torch's own numbers.",
                 lambda: own_numbers(lambda: torch.stack([impl(_numbered(1, 9, 9), 3) for _ in range(12)])),
                 view=draws)
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
                      "hole for good, after ten epochs ten. Cut into a copy.", literal=True)
def cuts_into_the_original(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    top, left = row - height // 2, column - width // 2
    x[..., max(top, 0):max(top + height, 0), max(left, 0):max(left + width, 0)] = 0
    return x


@cutout.misconception("The hole always lies inside the picture. Its centre may be any pixel, the corners too; then "
                      "the border cuts it, and the pixels at the rim are covered more often than here.")
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


@cutout.misconception("Near the upper and the left border the hole is as large as elsewhere: its start was clipped at "
                      "0, and its end counted from there. What lies beyond the border is lost; the end comes first.")
def pushes_the_hole_inside(x, size, generator=None):
    height, width = _pair(size)
    row, column = _centre_drawn(x, generator)
    return _cut(x, max(row - height // 2, 0), max(column - width // 2, 0), height, width)


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
                      "same place. Draw from `generator` as it comes.", literal=True)
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
                      "`generator` to `torch.randint`.", literal=True)
def cuts_by_other_numbers(x, size, generator=None):
    return _blackened(x, size)


@cutout.misconception("One of the centre's two numbers comes from the generator, the other does not. Hand `generator` "
                      "to both draws.", literal=True)
def draws_the_column_elsewhere(x, size, generator=None):
    height, width = _pair(size)
    row, column = int(torch.randint(x.shape[-2], (), generator=generator)), int(torch.randint(x.shape[-1], ()))
    return _cut(x, row - height // 2, column - width // 2, height, width)


@cutout.misconception("The hole's place comes from Python's or NumPy's numbers, which know neither `generator` nor "
                      "`torch.manual_seed`: no seed of torch's repeats it. `torch.randint` takes the generator.",
                      literal=True)
def cuts_by_pythons_numbers(x, size, generator=None):
    height, width = _pair(size)
    row, column = (random.randrange(side) for side in x.shape[-2:])
    return _cut(x, row - height // 2, column - width // 2, height, width)


@cutout.misconception("Each call draws from a copy of the generator, or from its first seed again: the next call gives "
                      "the same hole. Draw from `generator` itself, so that it moves on.", literal=True)
def cuts_from_a_copy(x, size, generator=None):
    return _blackened(x, size, None if generator is None else generator.clone_state())


@cutout.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                      "number, so every hole lies at the same place. `torch.randint` takes `generator=None`.",
                      literal=True)
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
