"""How `crops` is examined."""

import random

import torch

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _turned, _turned_back


def _cut(image, size, generator):
    top, left = (int(torch.randint(side - size + 1, (), generator=generator)) for side in image.shape[-2:])
    return image[..., top:top + size, left:left + size]


def _picked(images, generator):
    return images[int(torch.randint(len(images), (), generator=generator))]


def _turn_drawn(crop, generator):
    return _turned(crop, int(torch.randint(8, (), generator=generator)))


def _crops(images, size, count, generator=None):
    return torch.stack([_turn_drawn(_cut(_picked(images, generator), size, generator), generator)
                        for _ in range(count)])


def _numbered(*sizes):
    """Pictures (1, H, W) of the given sizes; each pixel says where it was: picture, row, column."""
    return [(10_000 * (number + 1) + 100 * torch.arange(height)[:, None] + torch.arange(width))[None].float()
            for number, (height, width) in enumerate(sizes)]


def _read(crops):
    """For crops (n, 1, s, s) of numbered pictures: (picture, row, column, turn) of each, turn −1 where it is none."""
    found = torch.full((len(crops), 4), -1)
    found[:, 0] = crops[:, 0, 0, 0].round().long() // 10_000 - 1
    for turn in range(8):  # where turning back gives rows 100 apart and columns 1 apart
        back = _turned_back(crops, turn)[:, 0]
        steps = 100 * torch.arange(back.shape[-2])[:, None] + torch.arange(back.shape[-1])
        fits = (back - back[:, :1, :1] == steps).flatten(1).all(1)
        corner = back[:, 0, 0].round().long() % 10_000
        found[fits, 1:] = torch.stack([corner // 100, corner % 100, torch.full_like(corner, turn)], 1)[fits]
    return found


_TURNS = ("as it is", "one quarter turn", "half a turn", "three quarter turns", "mirrored", "mirrored and one quarter",
          "mirrored and half", "mirrored and three quarters")


def _seen(values, count):
    """Which of 0 … count − 1 are among the values."""
    return torch.bincount(values[values >= 0], minlength=count)[:count] > 0


def _frequency(values, count, slack):
    """For each of 0 … count − 1, whether it came as often as the others, `slack` times more or less.

    The slack is 6.6 standard deviations: a right answer misses it once in billions of draws. Windows whose place was
    rounded come 250, 500, 250 times of 1,000: the middle one is 167 too often.
    """
    counts = torch.bincount(values[values >= 0], minlength=count)[:count].tolist()
    even = len(values) / count
    return ["as often as the others" if abs(found - even) <= slack else "too often" if found > even else "too seldom"
            for found in counts]


@exercise(points=12, reference=_crops)
def crops(impl, draw):
    def windows():
        out = impl(_numbered((4, 5)), 3, 240, generator=draw.generator())
        found = _read(out)
        of_two = _read(impl(_numbered((3, 5), (6, 3)), 3, 240, generator=draw.generator()))
        return {"shape": str(tuple(out.shape)), "every crop is a window, turned": bool((found[:, 3] >= 0).all()),
                "rows reached": _seen(found[:, 1], 2), "columns reached": _seen(found[:, 2], 3),
                "row and column differ": bool((found[:, 1] != found[:, 2]).any()),
                "of two pictures": [_seen(of_two[of_two[:, 0] == number, axis], count)
                                    for number, axis, count in ((0, 2, 3), (1, 1, 4))]}

    def turns():
        found = _read(impl(_numbered((4, 4)), 3, 240, generator=draw.generator()))
        return dict(zip(_TURNS, _seen(found[:, 3], 8).tolist(), strict=True))

    def evenly():
        generator = draw.generator()
        of_two = _read(impl(_numbered((4, 4), (4, 13)), 3, 300, generator=generator))
        of_one = _read(impl(_numbered((4, 5)), 3, 1000, generator=generator))
        return {"picture": _frequency(of_two[:, 0], 2, 58), "window": _frequency(of_one[:, 2], 3, 98)}

    def together():
        found = _read(impl(_numbered((6, 7), (5, 6)), 3, 240, generator=draw.generator()))
        picture = found[:, 0]
        return {**{name: len(found[:, axis].unique()) > 1
                   for axis, name in enumerate(("pictures differ", "rows differ", "columns differ", "turns differ"))},
                "one picture twice running": bool((picture[1:] == picture[:-1]).any()),
                "three times": bool(((picture[2:] == picture[1:-1]) & (picture[1:-1] == picture[:-2])).any())}

    def left_alone():
        images = [draw.normal(2, 4, 6).double(), draw.normal(2, 5, 4).double()]
        kept = [image.clone() for image in images]
        out = impl(kept, 3, 2, generator=draw.generator())
        known = {value for image in images for value in image.flatten().tolist()}
        return {"images": kept, "its numbers are theirs": {*out.flatten().tolist()} <= known,
                "shape": str(tuple(out.shape)), "of their dtype": [out.new_zeros(1), impl(
                    [image.float() for image in images], 3, 2, generator=draw.generator()).new_zeros(1)]}

    yield aspect("windows", "Each crop is a window of a picture, all channels of it, and every window can come.",
                 windows, weight=2)
    yield aspect("turns", "Each crop is turned into one of its eight turns, and each of the eight can come.", turns,
                 weight=2)
    yield aspect("evenly", "All pictures come equally often, whatever their size, and so do all windows of a picture.",
                 evenly)
    yield aspect("of its own", "Every crop has draws of its own: picture, window and turn.", together)
    yield aspect("seed", "All of it is drawn from `generator` alone: the same seed, the same crops.",
                 lambda: seeded(lambda generator: torch.stack(
                     [impl(_numbered((9, 9), (8, 7)), 3, 12, generator=generator) for _ in range(2)]), draw),
                 view=seed_facts)
    yield aspect("without one", "Without a generator, torch's own numbers decide.",
                 lambda: own_numbers(lambda: torch.stack([impl(_numbered((9, 9), (8, 7)), 3, 12) for _ in range(2)])),
                 view=seed_facts)
    yield aspect("left alone", "`crops` leaves the pictures as they were and keeps their dtype.", left_alone,
                 dtype=True)


@crops.misconception("The last row and the last column are never reached. `randint(n)` ends at n − 1; of H − size + 1 "
                     "places that leaves out one.")
def never_reaches_the_end(images, size, count, generator=None):
    def cut(image):
        top, left = (int(torch.randint(max(side - size, 1), (), generator=generator)) for side in image.shape[-2:])
        return image[..., top:top + size, left:left + size]

    return torch.stack([_turn_drawn(cut(_picked(images, generator)), generator) for _ in range(count)])


@crops.misconception("The crops are never turned. Draw one of the eight turns for each.")
def never_turns(images, size, count, generator=None):
    return torch.stack([_cut(_picked(images, generator), size, generator) for _ in range(count)])


@crops.misconception("There are quarter turns, but no mirror: four turns of eight. Mirror half of the crops, too.",
                     literal=True)
def never_mirrors(images, size, count, generator=None):
    return torch.stack([_cut(_picked(images, generator), size, generator).rot90(
        int(torch.randint(4, (), generator=generator)), (-2, -1)) for _ in range(count)])


@crops.misconception("There are mirrors, but no quarter turn: left and right, top and bottom make four turns of eight. "
                     "Rows must become columns, too.", literal=True)
def only_mirrors(images, size, count, generator=None):
    def turn(crop):
        for axis in (-1, -2):
            if torch.rand((), generator=generator) < 0.5:
                crop = crop.flip(axis)
        return crop

    return torch.stack([turn(_cut(_picked(images, generator), size, generator)) for _ in range(count)])


@crops.misconception("Three quarter turns never come: perhaps `randint(3)`, which is 0, 1 or 2. There are four "
                     "numbers of quarter turns.", literal=True)
def leaves_out_three_quarters(images, size, count, generator=None):
    def turn(crop):
        crop = crop.rot90(int(torch.randint(3, (), generator=generator)), (-2, -1))
        return crop.flip(-1) if torch.rand((), generator=generator) < 0.5 else crop

    return torch.stack([turn(_cut(_picked(images, generator), size, generator)) for _ in range(count)])


@crops.misconception("All crops come from one picture: it was drawn once, before the loop, or is always the first.")
def stays_with_one_picture(images, size, count, generator=None):
    image = _picked(images, generator)
    return torch.stack([_turn_drawn(_cut(image, size, generator), generator) for _ in range(count)])


@crops.misconception("The pictures come in turn, first, second, first, second: nothing is drawn. Draw one for each "
                     "crop.", literal=True)
def takes_pictures_in_turn(images, size, count, generator=None):
    return torch.stack([_turn_drawn(_cut(images[number % len(images)], size, generator), generator)
                        for number in range(count)])


@crops.misconception("The pictures are dealt out like cards: none comes again before all have come. Draw one for each "
                     "crop, from all of them.", literal=True)
def deals_the_pictures(images, size, count, generator=None):
    rounds = -(-count // len(images))
    order = torch.cat([torch.randperm(len(images), generator=generator) for _ in range(rounds)])[:count]
    return torch.stack([_turn_drawn(_cut(images[int(number)], size, generator), generator) for number in order])


@crops.misconception("The last picture never comes. Perhaps `randint(len(images) - 1)`, which stops before its end by "
                     "itself, or the first picture is always taken.")
def never_takes_the_last_picture(images, size, count, generator=None):
    return _crops(images[:max(len(images) - 1, 1)], size, count, generator)


@crops.misconception("All crops lie at the same place: it was drawn once, before the loop.")
def stays_at_one_place(images, size, count, generator=None):
    rooms = [min(image.shape[axis] for image in images) - size + 1 for axis in (-2, -1)]
    top, left = (int(torch.randint(room, (), generator=generator)) for room in rooms)
    return torch.stack([_turn_drawn(_picked(images, generator)[..., top:top + size, left:left + size], generator)
                        for _ in range(count)])


@crops.misconception("All crops have the same turn: it was drawn once, before the loop, or for the whole batch.")
def turns_all_alike(images, size, count, generator=None):
    return _turn_drawn(never_turns(images, size, count, generator), generator)


@crops.misconception("Large pictures come more often than small ones: the draw is among all windows of all pictures. "
                     "Draw the picture first, then a window of it.")
def draws_among_all_windows(images, size, count, generator=None):
    rooms = torch.tensor([(image.shape[-2] - size + 1) * (image.shape[-1] - size + 1) for image in images]).float()
    return torch.stack([_turn_drawn(_cut(images[int(torch.multinomial(rooms, 1, generator=generator))], size,
                                         generator), generator) for _ in range(count)])


@crops.misconception("The windows at the border come half as often as the others: a number was rounded, and only half "
                     "a step rounds to each end. Draw a whole number.")
def rounds_the_place(images, size, count, generator=None):
    def cut(image):
        top, left = (round(torch.rand((), generator=generator).item() * (side - size)) for side in image.shape[-2:])
        return image[..., top:top + size, left:left + size]

    return torch.stack([_turn_drawn(cut(_picked(images, generator)), generator) for _ in range(count)])


@crops.misconception("One number serves for row and column: the windows move along the diagonal only. Draw two.")
def cuts_along_the_diagonal(images, size, count, generator=None):
    def cut(image):
        place = int(torch.randint(min(image.shape[-2:]) - size + 1, (), generator=generator))
        return image[..., place:place + size, place:place + size]

    return torch.stack([_turn_drawn(cut(_picked(images, generator)), generator) for _ in range(count)])


@crops.misconception("The short side's places serve for both sides: windows near the long side's end never come. Rows "
                     "and columns each have a number of places of their own.")
def forgets_the_long_side(images, size, count, generator=None):
    def cut(image):
        places = min(image.shape[-2:]) - size + 1
        top, left = (int(torch.randint(places, (), generator=generator)) for _ in range(2))
        return image[..., top:top + size, left:left + size]

    return torch.stack([_turn_drawn(cut(_picked(images, generator)), generator) for _ in range(count)])


def _in_turns(turn):
    """Crops, each turned by `turn(crop, draw)`; `draw(n)` is one of 0 … n − 1."""
    def answer(images, size, count, generator=None):
        def draw(number):
            return int(torch.randint(number, (), generator=generator))

        return torch.stack([turn(_cut(_picked(images, generator), size, generator), draw) for _ in range(count)])

    return answer


@crops.misconception("The two mirror images along the diagonals never come: a crop is turned, or mirrored, but never "
                     "both. Six of the eight turns are there: mirror half of the turned crops, too.", literal=True)
def turns_or_mirrors_both_ways(images, size, count, generator=None):
    def turn(crop, draw):
        number = draw(6)
        return crop.rot90(number, (-2, -1)) if number < 4 else crop.flip(number - 6)

    return _in_turns(turn)(images, size, count, generator)


@crops.misconception("What is mirrored is never turned: five of the eight turns. Two draws that know nothing of each "
                     "other, one for the turn and one for the mirror, give all eight.", literal=True)
def turns_or_mirrors(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: crop.flip(-1) if draw(2) else crop.rot90(draw(4), (-2, -1)))(
        images, size, count, generator)


@crops.misconception("Two of the mirror image's four turns never come: perhaps `randint(6)`. There are eight turns.",
                     literal=True)
def draws_six_turns(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: _turned(crop, draw(6)))(images, size, count, generator)


@crops.misconception("One of the eight turns never comes, the mirror image's three quarters: perhaps `randint(7)`, "
                     "which ends at 6.", literal=True)
def draws_seven_turns(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: _turned(crop, draw(7)))(images, size, count, generator)


@crops.misconception("No crop comes as it is: perhaps `randint(1, 8)`. Number 0 is one of the eight turns.",
                     literal=True)
def always_changes_something(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: _turned(crop, 1 + draw(7)))(images, size, count, generator)


@crops.misconception("Every crop is turned by one, two or three quarters: perhaps `randint(1, 4)`. No quarter turn is "
                     "one of the four, too.", literal=True)
def always_turns(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: _turned(crop, 1 + draw(3) + 4 * draw(2)))(images, size, count, generator)


@crops.misconception("Every crop is mirrored. Only half of them are to be: toss a coin.", literal=True)
def always_mirrors(images, size, count, generator=None):
    return _in_turns(lambda crop, draw: _turned(crop, 4 + draw(4)))(images, size, count, generator)


@crops.misconception("There is one quarter turn or none, and a mirror or none: four of eight turns. Draw the number of "
                     "quarter turns from 0 to 3.", literal=True)
def turns_once_or_not(images, size, count, generator=None):
    def turn(crop, draw):
        crop = crop.rot90(draw(2), (-2, -1))
        return crop.flip(-1) if draw(2) else crop

    return _in_turns(turn)(images, size, count, generator)


@crops.misconception("Only the first channel is cut. A window goes through all channels of the picture.", literal=True)
def cuts_the_first_channel(images, size, count, generator=None):
    return _crops([image[:1] for image in images], size, count, generator)


@crops.misconception("What is drawn comes from other numbers than the generator's: the same seed gives other crops. "
                     "Hand `generator` to every draw; Python's `random` and NumPy do not know it.", literal=True)
def crops_from_elsewhere(images, size, count, generator=None):
    return _crops(images, size, count)


@crops.misconception("Some draws are the generator's and others are not: picture, window or turn differ for the same "
                     "seed. Hand `generator` to every draw.", literal=True)
def turns_from_elsewhere(images, size, count, generator=None):
    return torch.stack([_turn_drawn(_cut(_picked(images, generator), size, generator), None) for _ in range(count)])


@crops.misconception("Each call draws from a copy of the generator, or from its first seed again: the next batch has "
                     "the same crops. Draw from `generator` itself, so that it moves on.", literal=True)
def crops_from_a_copy(images, size, count, generator=None):
    return _crops(images, size, count, None if generator is None else generator.clone_state())


@crops.misconception("A generator is made, or set back to its seed, in each call: all batches are alike. Draw from "
                     "`generator` as it comes.", literal=True)
def crops_from_a_seed_of_its_own(images, size, count, generator=None):
    return _crops(images, size, count, torch.Generator().manual_seed(0))


@crops.misconception("Something is drawn by Python's or NumPy's numbers, which know neither `generator` nor "
                     "`torch.manual_seed`: no seed of torch's repeats the crops.", literal=True)
def crops_by_pythons_numbers(images, size, count, generator=None):
    return torch.stack([_turn_drawn(_cut(random.choice(images), size, generator), generator) for _ in range(count)])


@crops.misconception("Where no generator is given, a new one is made in each call. New ones all start from the same "
                     "number: all batches are alike. `torch.randint` takes `generator=None`.", literal=True)
def crops_from_a_new_one(images, size, count, generator=None):
    return _crops(images, size, count, generator or torch.Generator())


@crops.misconception("The result is float32, whatever the pictures are: the batch was made without their dtype.")
def fills_a_float32_batch(images, size, count, generator=None):
    out = torch.zeros(count, images[0].shape[0], size, size)
    for place in out:
        place.copy_(_turn_drawn(_cut(_picked(images, generator), size, generator), generator))
    return out


@crops.alternative
def crops_by_transposing(images, size, count, generator=None):
    out = []
    for _ in range(count):
        crop = _cut(_picked(images, generator), size, generator)
        for change in (lambda x: x.mT, lambda x: x.flip(-1), lambda x: x.flip(-2)):
            if torch.rand((), generator=generator) < 0.5:
                crop = change(crop)
        out.append(crop)
    return torch.stack(out)


@crops.alternative
def crops_drawn_beforehand(images, size, count, generator=None):
    numbers = torch.rand(count, 4, generator=generator, dtype=torch.float64)
    out = images[0].new_empty(count, images[0].shape[0], size, size)
    for place, (which, down, across, turn) in zip(out, numbers.tolist(), strict=True):
        image = images[int(which * len(images))]
        top, left = int(down * (image.shape[1] - size + 1)), int(across * (image.shape[2] - size + 1))
        place.copy_(_turned(image[:, top:top + size, left:left + size], int(8 * turn)))
    return out


@crops.alternative
def crops_from_all_windows(images, size, count, generator=None):
    out = []
    for _ in range(count):
        image = _picked(images, generator)
        every = image.unfold(-2, size, 1).unfold(-2, size, 1).flatten(1, 2)
        crop = every[:, int(torch.randint(every.shape[1], (), generator=generator))]
        crop = torch.rot90(crop, int(torch.randint(0, 4, (1,), generator=generator)), dims=(1, 2))
        out.append(crop.flip(1) if int(torch.randint(2, (), generator=generator)) else crop)
    return torch.stack(out)


crops.equivalent(
    "crop = image[:, top:top + size, left:left + size].rot90(draw(4), (1, 2)) -> "
    "crop = image[:, top:top + size, left:left + size].rot90(draw(5), (1, 2))",
    "Four quarter turns are none: all eight turns come, and how often each does the task leaves open.")
crops.equivalent("cut.append(crop.flip(2) if draw(2) else crop) -> cut.append(crop.flip(2) if draw(3) else crop)",
                 "All eight turns come, and how often each does the task leaves open.")
crops.equivalent("cut.append(crop.flip(2) if draw(2) else crop) -> cut.append(crop.flip(2) if not (draw(2)) else crop)",
                 "Heads or tails: a coin mirrors half of the crops either way.")
crops.equivalent("cut.append(crop.flip(2) if draw(2) else crop) -> cut.append(crop.flip(1) if draw(2) else crop)",
                 "The other mirror is this one and half a turn, and every quarter turn comes as often.")
