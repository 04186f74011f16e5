"""How `random_crop` is examined."""

import random

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _alike, _numbered, _pair


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


def _shares(seen):
    """Which of four places came as often as the others: 500 times of 2,000, 126 more or less.

    That is 6.5 standard deviations: a right answer misses it once in three billion draws. Rounding a number from 0 to 3
    gives the two ends 333 times each.
    """
    counts = torch.bincount(seen[:, 0, 0, 0].round().long() - 1, minlength=4)[:4]
    return {f"place {place}": "as often as the others" if abs(count - 500) <= 126 else
            "too often" if count > 500 else "too seldom" for place, count in enumerate(counts.tolist())}


def _stacked(windows):
    """Windows of one size as one tensor."""
    sizes = sorted({tuple(window.shape[-2:]) for window in windows})
    if len(sizes) > 1:
        raise ValueError("the windows are not all of one size: " + ", ".join(f"{h} × {w}" for h, w in sizes))
    return torch.stack(windows)


@exercise(points=10, reference=_window_drawn)
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
        return [x, impl(x, 6, 1, generator=draw.generator()), x, impl(x.float(), 4, generator=draw.generator())]

    yield aspect("windows", "Every output is a window of the picture, and every window can come.",
                 lambda: crops(_numbered(2, 5, 6), 3),
                 view=lambda seen, right: _crop_facts(seen, right, _numbered(2, 5, 6), 0))
    yield aspect("padding", "With `padding` the picture gets a frame of that many zeros on every side first, and every "
                            "window of the framed picture can come.",
                 lambda: crops(_numbered(1, 3, 4), 3, 1),
                 view=lambda seen, right: _crop_facts(seen, right, _numbered(1, 3, 4), 1))
    yield aspect("evenly", "All windows come equally often.", lambda: crops(_numbered(1, 1, 6), (1, 3), count=2000),
                 view=lambda seen, right: _shares(right if _alike(seen) and 1 <= seen[0, 0, 0, 0] <= 4 else seen))
    yield aspect("pair", "`size` is a number, or a pair (height, width).", pair)
    yield aspect("whole picture", "A window as large as the framed picture has one place only.", whole)
    yield aspect("seed", "Where the window lies is drawn from `generator` alone: the same seed, the same window.",
                 lambda: seeded(lambda generator: _stacked(
                     [impl(_numbered(1, 9, 9), 3, generator=generator) for _ in range(12)]), draw), view=seed_facts)
    yield aspect("without one", "Without a generator, torch's own numbers say where the window lies.",
                 lambda: own_numbers(lambda: _stacked([impl(_numbered(1, 9, 9), 3) for _ in range(12)])),
                 view=seed_facts)
    yield aspect("one draw a call",
                 "One call draws one place: a batch (N, C, H, W) is cut at the same place throughout.",
                 batch, view=together)
    yield aspect("left alone", "`random_crop` leaves `x` as it was and keeps its dtype.", left_alone, dtype=True)


@random_crop.misconception("The last row and the last column are never reached. `randint(n)` ends at n − 1; of H − h "
                           "+ 1 places that leaves out one.")
def misses_the_last_place(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = int(torch.randint(max(x.shape[-2] - height, 1), (), generator=generator))
    left = int(torch.randint(max(x.shape[-1] - width, 1), (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The windows never touch the first row and column: the draw starts at 1. The first place "
                           "is number 0.")
def misses_the_first_place(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    spare = x.shape[-2] - height, x.shape[-1] - width
    top, left = (int(torch.randint(min(1, room), room + 1, (), generator=generator)) for room in spare)
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The windows at the border come half as often as the others: a number was rounded, and only "
                           "half a step rounds to each end. Draw a whole number.")
def rounds_a_number(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = round(torch.rand((), generator=generator).item() * (x.shape[-2] - height))
    left = round(torch.rand((), generator=generator).item() * (x.shape[-1] - width))
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
    x = F.pad(x, (padding,) * 4, mode="reflect") if padding else x
    top = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width + 1, (), generator=generator))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("No window reaches the frame on the right and at the bottom: it was added on the left and "
                           "at the top only, or places were counted with one `padding`, not two.")
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
                           "same place. Draw from `generator` as it comes; it moves on by itself.", literal=True)
def crops_by_a_seed_of_its_own(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding, torch.Generator().manual_seed(0))


@random_crop.misconception("The place comes from other numbers than the generator's: the same seed gives another "
                           "window. Hand `generator` to `torch.randint`.", literal=True)
def draws_a_place_elsewhere(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding)


@random_crop.misconception("One of the place's two numbers comes from the generator, the other does not. Hand "
                           "`generator` to both draws.", literal=True)
def draws_the_column_elsewhere(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top = int(torch.randint(x.shape[-2] - height + 1, (), generator=generator))
    left = int(torch.randint(x.shape[-1] - width + 1, ()))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("The place comes from Python's or NumPy's numbers, which know neither `generator` nor "
                           "`torch.manual_seed`: no seed of torch's repeats it. `torch.randint` takes the generator.",
                           literal=True)
def draws_by_pythons_numbers(x, size, padding=0, generator=None):
    height, width = _pair(size)
    x = F.pad(x, (padding,) * 4)
    top, left = (random.randint(0, room) for room in (x.shape[-2] - height, x.shape[-1] - width))
    return x[..., top:top + height, left:left + width]


@random_crop.misconception("Each call draws from a copy of the generator, or from its first seed again: the next call "
                           "gives the same place. Draw from `generator` itself, so that it moves on.", literal=True)
def crops_from_a_copy(x, size, padding=0, generator=None):
    return _window_drawn(x, size, padding, None if generator is None else generator.clone_state())


@random_crop.misconception("Each picture of a batch was cut at a place of its own. One call draws once here; the "
                           "loader calls the transform picture by picture.")
def draws_for_each_picture(x, size, padding=0, generator=None):
    if x.ndim == 4:
        return torch.stack([_window_drawn(picture, size, padding, generator) for picture in x])
    return _window_drawn(x, size, padding, generator)


@random_crop.misconception("Where no generator is given, a new one is made in each call. All new ones start from the "
                           "same number, so every window lies at the same place. `torch.randint` takes "
                           "`generator=None`.", literal=True)
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
