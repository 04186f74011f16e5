"""How `random_resized_crop` is examined."""

import math
import random

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _alike, _pair


def _uniform(low, high, generator):
    return low + (high - low) * torch.rand((), generator=generator).item()


def _sides(x, scale, ratio, generator):
    """Height and width of a box."""
    area = _uniform(*scale, generator) * x.shape[-2] * x.shape[-1]
    shape = math.exp(_uniform(math.log(ratio[0]), math.log(ratio[1]), generator))
    return round(math.sqrt(area / shape)), round(math.sqrt(area * shape))


def _resized(box, size):
    leading = box.shape[:-2]
    result = F.interpolate(box.reshape(1, -1, *box.shape[-2:]), _pair(size), mode="bilinear", align_corners=False)
    return result.reshape(*leading, *result.shape[-2:])


def _zoomed(x, size, scale, ratio, generator=None, sides=_sides, resized=_resized, margin=1):
    for _ in range(10):
        height, width = sides(x, scale, ratio, generator)
        if 0 < height <= x.shape[-2] and 0 < width <= x.shape[-1]:
            top = int(torch.randint(max(x.shape[-2] - height + margin, 1), (), generator=generator))
            left = int(torch.randint(max(x.shape[-1] - width + margin, 1), (), generator=generator))
            return resized(x[..., top:top + height, left:left + width], size)
    return resized(x, size)


_HEIGHT = 40
_WIDTH = 60


def _places(height=_HEIGHT, width=_WIDTH):
    """(2, H, W): each pixel says its row and its column."""
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    return torch.stack([rows, columns])


def _boxes(seen):
    """Of results (n, 2, h, w), each made by shrinking: the box's top, left, height and width.

    A ramp that is read between its pixels stays a ramp: its step is the box's side over the result's.
    """
    rows, columns = seen[:, 0].double(), seen[:, 1].double()
    down, right = (rows[:, -1, 0] - rows[:, 0, 0]), (columns[:, 0, -1] - columns[:, 0, 0])
    down, right = down / (seen.shape[-2] - 1), right / (seen.shape[-1] - 1)
    top, left = rows[:, 0, 0] - (down - 1) / 2, columns[:, 0, 0] - (right - 1) / 2
    return top, left, down * seen.shape[-2], right * seen.shape[-1]


def _upright(seen):
    """Whether every result is a box that was read row by row, evenly."""
    steps = (seen[:, 0].diff(dim=-2), seen[:, 1].diff(dim=-1))
    even = all(bool((step - step[:, :1, :1]).abs().max() < 1e-2) for step in steps)
    return even and bool(seen[:, 0].diff(dim=-1).abs().max() < 1e-2 and seen[:, 1].diff(dim=-2).abs().max() < 1e-2)


def _area(seen, low, high):
    _, _, height, width = _boxes(seen)
    share = height * width / (_HEIGHT * _WIDTH)
    place = (share - low) / (high - low)  # uniform: of 300, 150 in the lower half, 56 more or less
    return {"boxes, read evenly": _upright(seen), "within `scale`": bool(((place > -0.1) & (place < 1.1)).all()),
            "from end to end": _alike(seen) or bool(place.min() < 0.1 and place.max() > 0.9),
            "evenly": _alike(seen) or bool(94 < (place < 0.5).sum() < 206)}


def _shape(seen, low, high):
    _, _, height, width = _boxes(seen)
    place = (width / height).log() / math.log(high)  # from −1 to 1
    lower = math.log(low) / math.log(high)
    inside = (place > lower - 0.15) & (place < 1.15)
    return {"boxes, read evenly": _upright(seen), "within `ratio`": bool(inside.all()),
            "wide ones": _alike(seen) or bool(place.max() > 0.75),
            "high ones": _alike(seen) or bool(place.min() < lower + 0.25),
            # Of 800, 400 and 92 more or less: six standard deviations.
            "as many in the lower half": _alike(seen) or bool(308 < (place < (1 + lower) / 2).sum() < 492)}


def _spots(seen):
    top, left, height, width = _boxes(seen)
    below, right = _HEIGHT - top - height, _WIDTH - left - width
    rooms = torch.stack([top / (top + below).clamp_min(1), left / (left + right).clamp_min(1)])
    moves = bool((rooms.std(1) > 1e-3).all())
    alike = _alike(seen)
    edges = {"upper": top, "left": left, "lower": below, "right": right}
    return {"boxes, read evenly": _upright(seen),
            "another box each time": not alike,
            "it moves": alike or moves,
            # Of 800 boxes whose row and column are drawn apart, 0.22 is more than six standard deviations.
            "row and column are drawn apart": alike or (moves and bool(torch.corrcoef(rooms)[0, 1].abs() < 0.22)),
            "outside the picture": bool(torch.stack([*edges.values()]).min() < -0.3),
            **{f"reaches the {name} border": alike or bool(gap.min() < 0.5) for name, gap in edges.items()}}


@exercise(points=6, reference=_zoomed)
def random_resized_crop(impl, draw):
    def many(scale, ratio, size, count=300):
        generator, picture = draw.generator(), _places()
        return torch.stack([impl(picture, size, scale, ratio, generator=generator) for _ in range(count)])

    def whole():
        x = draw.normal(2, 4, 6)
        return [impl(x, (8, 9), (1.0, 1.0), (1.5, 1.5), generator=draw.generator()),
                impl(x, 5, (1.0, 1.0), (1.5, 1.5), generator=draw.generator())]

    def too_wide():
        picture, generator = _places(), draw.generator()
        wide = torch.stack([impl(picture, 6, (0.9, 1.0), (5.0, 6.0), generator=generator) for _ in range(3)])
        return [wide, many((2 / 3, 2 / 3), (2.25, 2.25), 6, count=4), many((0.5, 0.5), (0.75, 0.75), 6, count=4)]

    def just_fits(seen, right):
        wide, flat, slim = seen
        return {"too wide": wide, "exactly as wide as the picture": bool(_boxes(flat)[2].max() < 0.8 * _HEIGHT),
                "exactly as high as the picture": bool(_boxes(slim)[3].max() < 0.8 * _WIDTH)}

    def batch():
        picture = _places()
        return impl(torch.stack([picture, picture + 100, picture]), 6, (0.2, 0.6), (0.8, 1.25),
                    generator=draw.generator())

    def together(seen, right):
        return {"one box": bool(torch.allclose(seen[0], seen[2]) and torch.allclose(seen[0] + 100, seen[1], atol=1e-2)),
                "shape": list(seen.shape)}

    def left_alone():
        x = draw.normal(3, 6, 6)
        return [x, impl(x.double(), 4, (1.0, 1.0), (1.0, 1.0), generator=draw.generator()),
                impl(x[0], 4, (1.0, 1.0), (1.0, 1.0), generator=draw.generator()), x]

    def zoomed(**generator):
        return torch.stack([impl(_places(), 6, (0.1, 0.9), (0.75, 4 / 3), **generator) for _ in range(8)])

    yield aspect("area", "The box takes a share of the picture's area that is uniform in `scale`.",
                 lambda: many((0.2, 0.7), (1.0, 1.0), 6), view=lambda seen, right: _area(seen, 0.2, 0.7))
    yield aspect("shape", "Its width is r times its height, where log r is uniform: twice as wide comes as often as "
                          "twice "
                          "as high.",
                 lambda: many((0.15, 0.25), (0.5, 3.0), 7, count=800), view=lambda seen, right: _shape(seen, 0.5, 3.0))
    yield aspect("place", "It lies anywhere in the picture, and wholly in it.",
                 lambda: many((0.5, 0.5), (0.75, 4 / 3), 7, count=800), view=lambda seen, right: _spots(seen))
    yield aspect("size", "What is in the box is resized to `size`, a number or a pair (height, width), bilinear, outer "
                         "edges aligned, without antialiasing.",
                 whole)
    yield aspect("does not fit", "A box that is too wide or too high is drawn anew; after ten that did not fit it is "
                                 "the "
                                 "whole picture.", too_wide, view=just_fits)
    yield aspect("seed", "All is drawn from `generator` alone, without one from torch's own numbers.",
                 lambda: [seeded(lambda generator: zoomed(generator=generator), draw), own_numbers(zoomed)],
                 view=lambda seen, right: [seed_facts(shown, right) for shown in seen])
    yield aspect("one draw a call", "One call draws one box, for a whole batch, too.", batch, view=together)
    yield aspect("left alone", "`x`, (..., H, W), stays as it was; its dtype stays.", left_alone, dtype=True)


@random_resized_crop.misconception("The ratio was drawn evenly, not its logarithm. From 0.5 to 2 two thirds of the "
                                   "boxes are then wide: twice as wide must come as often as twice as high.")
def draws_the_ratio_itself(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        area = _uniform(*scale, generator) * x.shape[-2] * x.shape[-1]
        shape = _uniform(*ratio, generator)
        return round(math.sqrt(area / shape)), round(math.sqrt(area * shape))

    return _zoomed(x, size, scale, ratio, generator, sides)


@random_resized_crop.misconception("`scale` was taken for the sides. It is a share of the area: half of the area is a "
                                   "box with 0.71 of each side.")
def scales_the_sides(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        return _sides(x, [share ** 2 for share in scale], ratio, generator)

    return _zoomed(x, size, scale, ratio, generator, sides)


@random_resized_crop.misconception("Height and width are exchanged: r is the width over the height, so the width is "
                                   "√(area · r).")
def exchanges_height_and_width(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, generator, lambda *given: _sides(*given)[::-1])


@random_resized_crop.misconception("The box always lies in the middle. Where it lies is drawn, too.")
def stays_in_the_middle(x, size, scale, ratio, generator=None):
    for _ in range(10):
        height, width = _sides(x, scale, ratio, generator)
        if height <= x.shape[-2] and width <= x.shape[-1]:
            top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
            return _resized(x[..., top:top + height, left:left + width], size)
    return _resized(x, size)


@random_resized_crop.misconception("The box always lies in the upper left corner. Where it lies is drawn, too.",
                                   literal=True)
def stays_in_the_corner(x, size, scale, ratio, generator=None):
    for _ in range(10):
        height, width = _sides(x, scale, ratio, generator)
        if height <= x.shape[-2] and width <= x.shape[-1]:
            return _resized(x[..., :height, :width], size)
    return _resized(x, size)


@random_resized_crop.misconception("One number gives row and column: the box moves along a diagonal, and two corners "
                                   "never see it. Draw each.", literal=True)
def moves_along_a_diagonal(x, size, scale, ratio, generator=None):
    for _ in range(10):
        height, width = _sides(x, scale, ratio, generator)
        if height <= x.shape[-2] and width <= x.shape[-1]:
            place = torch.rand((), generator=generator).item()
            top, left = int(place * (x.shape[-2] - height + 1)), int(place * (x.shape[-1] - width + 1))
            return _resized(x[..., top:top + height, left:left + width], size)
    return _resized(x, size)


@random_resized_crop.misconception("`ratio` plays no part: every box is as wide as it is high. Draw log r evenly "
                                   "between the logarithms of its two ends.")
def takes_squares_alone(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, (1.0, 1.0), generator)


@random_resized_crop.misconception("The share was taken of each side, so the picture's own shape comes into r: in a "
                                   "wide picture all boxes are wide. Compute both sides from the area in pixels.")
def takes_shares_of_the_sides(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        share = _uniform(*scale, generator)
        shape = math.exp(_uniform(math.log(ratio[0]), math.log(ratio[1]), generator))
        return round(x.shape[-2] * math.sqrt(share / shape)), round(x.shape[-1] * math.sqrt(share * shape))

    return _zoomed(x, size, scale, ratio, generator, sides)


@random_resized_crop.misconception("A batch was cut picture by picture, each with a box of its own. One call draws one "
                                   "box.", literal=True)
def draws_a_box_for_each(x, size, scale, ratio, generator=None):
    if x.ndim < 4:
        return _zoomed(x, size, scale, ratio, generator)
    return torch.stack([_zoomed(image, size, scale, ratio, generator) for image in x])


@random_resized_crop.misconception("`antialias=True` was given: where the box becomes smaller, more than four pixels "
                                   "are mixed. The task asks for none.")
def smooths_the_box(x, size, scale, ratio, generator=None):
    def resized(box, size):
        return F.interpolate(box.reshape(1, -1, *box.shape[-2:]), _pair(size), mode="bilinear",
                             antialias=True).reshape(*box.shape[:-2], *_pair(size))

    return _zoomed(x, size, scale, ratio, generator, resized=resized)


@random_resized_crop.misconception("Of the pair `size` one number was used for both sides. It is (height, width).")
def makes_a_square(x, size, scale, ratio, generator=None):
    return _zoomed(x, _pair(size)[0], scale, ratio, generator)


@random_resized_crop.misconception("The box never reaches the lower and the right border: there are H − h + 1 places, "
                                   "from 0 to H − h.", literal=True)
def misses_the_last_place(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, generator, margin=0)


@random_resized_crop.misconception("The box was enlarged with `align_corners=True`: the middles of the corner pixels "
                                   "are aligned, not the outer edges.")
def aligns_the_corners(x, size, scale, ratio, generator=None):
    def resized(box, size):
        return F.interpolate(box.reshape(1, -1, *box.shape[-2:]), _pair(size), mode="bilinear",
                             align_corners=True).reshape(*box.shape[:-2], *_pair(size))

    return _zoomed(x, size, scale, ratio, generator, resized=resized)


@random_resized_crop.misconception("The box was resized by the nearest pixel. Between the pixels the four neighbours "
                                   "are mixed.")
def takes_the_nearest_pixel(x, size, scale, ratio, generator=None):
    def resized(box, size):
        return F.interpolate(box.reshape(1, -1, *box.shape[-2:]), _pair(size)).reshape(*box.shape[:-2], *_pair(size))

    return _zoomed(x, size, scale, ratio, generator, resized=resized)


@random_resized_crop.misconception("A box that did not fit was cut to the picture. Then its area and its shape are not "
                                   "those that were drawn: draw it anew.")
def cuts_what_does_not_fit(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        height, width = _sides(x, scale, ratio, generator)
        return min(height, x.shape[-2]), min(width, x.shape[-1])

    return _zoomed(x, size, scale, ratio, generator, sides)


@random_resized_crop.misconception("A box exactly as wide or as high as the picture was drawn anew. It fits: `<=`, not "
                                   "`<`.", literal=True)
def refuses_what_just_fits(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        height, width = _sides(x, scale, ratio, generator)
        return (height, width) if height < x.shape[-2] and width < x.shape[-1] else (0, 0)

    return _zoomed(x, size, scale, ratio, generator, sides)


@random_resized_crop.misconception("The numbers come from torch's own, not from `generator`: the same seed gives "
                                   "another box.", literal=True)
def zooms_by_other_numbers(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio)


@random_resized_crop.misconception("Some of the numbers come from the generator and others from torch's own. Hand "
                                   "`generator` to every draw: area, shape, row and column.", literal=True)
def places_by_other_numbers(x, size, scale, ratio, generator=None):
    for _ in range(10):
        height, width = _sides(x, scale, ratio, generator)
        if height <= x.shape[-2] and width <= x.shape[-1]:
            top, left = (int(torch.randint(room + 1, ())) for room in (x.shape[-2] - height, x.shape[-1] - width))
            return _resized(x[..., top:top + height, left:left + width], size)
    return _resized(x, size)


@random_resized_crop.misconception("The numbers are Python's or NumPy's, which know neither `generator` nor "
                                   "`torch.manual_seed`: no seed of torch's repeats the box.", literal=True)
def zooms_by_pythons_numbers(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, torch.Generator().manual_seed(random.randrange(2**40)))


@random_resized_crop.misconception("A generator is made, or set back to its seed, in each call: every picture gets the "
                                   "same box. Draw from `generator` as it comes.", literal=True)
def zooms_by_a_seed_of_its_own(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, torch.Generator().manual_seed(0))


@random_resized_crop.misconception("Each call draws from a copy of the generator, or from its first seed again: the "
                                   "next call gives the same box. Draw from `generator` itself, so that it moves on.",
                                   literal=True)
def zooms_from_a_copy(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, None if generator is None else generator.clone_state())


@random_resized_crop.misconception("Where no generator is given, a new one is made in each call. All new ones start "
                                   "from the same number, so every box is the same. `torch.rand` takes "
                                   "`generator=None`.", literal=True)
def zooms_with_a_new_one(x, size, scale, ratio, generator=None):
    return _zoomed(x, size, scale, ratio, generator or torch.Generator())


@random_resized_crop.alternative
def by_a_grid(x, size, scale, ratio, generator=None):
    high, wide = x.shape[-2:]
    h, w = high, wide
    for _ in range(10):
        share, place = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        area = (scale[0] + share * (scale[1] - scale[0])) * high * wide
        r = ratio[0] * (ratio[1] / ratio[0]) ** place
        one, other = round((area / r) ** 0.5), round((area * r) ** 0.5)
        if one <= high and other <= wide:
            h, w = one, other
            break
    top, left = (int(torch.randint(n + 1, (1,), generator=generator)) for n in (high - h, wide - w))
    rows, columns = _pair(size)
    down = (torch.arange(rows, dtype=x.dtype) + 0.5) * 2 / rows - 1
    right = (torch.arange(columns, dtype=x.dtype) + 0.5) * 2 / columns - 1
    grid = torch.stack(torch.meshgrid(right, down, indexing="xy"), -1)[None]
    box = x[..., top:top + h, left:left + w].reshape(1, -1, h, w)
    return F.grid_sample(box, grid, padding_mode="border", align_corners=False).reshape(*x.shape[:-2], rows, columns)


@random_resized_crop.alternative
def place_before_sides(x, size, scale, ratio, generator=None):
    across, down = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    for _ in range(10):
        height, width = _sides(x, scale, ratio, generator)
        if height <= x.shape[-2] and width <= x.shape[-1]:
            break
    else:
        height, width = x.shape[-2:]
    top = math.floor(down * (x.shape[-2] - height + 1))
    left = math.floor(across * (x.shape[-1] - width + 1))
    return _resized(x.narrow(-2, top, height).narrow(-1, left, width), size)


@random_resized_crop.alternative
def by_floor_of_sides(x, size, scale, ratio, generator=None):
    def sides(x, scale, ratio, generator):
        low, high = (math.log(bound) for bound in ratio)
        area = x.shape[-2] * x.shape[-1] * torch.empty(()).uniform_(*scale, generator=generator).item()
        shape = torch.exp(torch.empty(()).uniform_(low, high, generator=generator)).item() if high > low else ratio[0]
        return round((area / shape) ** 0.5), round((area * shape) ** 0.5)

    return _zoomed(x, size, scale, ratio, generator, sides)


random_resized_crop.equivalent(
    "return low + (high - low) * torch.rand((), generator=generator).item() -> "
    "return low + (high - low) * torch.rand((), generator=generator)",
    "A tensor of one number is rounded, and its root and power are taken, as those of the number in it.")
random_resized_crop.equivalent(
    "r = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1]))) -> "
    "r = math.exp(uniform(math.log(ratio[1]), math.log(ratio[0])))",
    "Uniform from one end to the other is uniform from the other to the one.")
random_resized_crop.equivalent(
    "height, width = round(math.sqrt(area / r)), round(math.sqrt(area * r)) -> "
    "height, width = round(math.sqrt(area // r)), round(math.sqrt(area * r))",
    "A box of less than one pixel less has another height only next to where it is rounded: one pixel, now and then.")
random_resized_crop.equivalent(
    "for _ in range(10): -> for _ in range(11):",
    "Ten or one more tell apart only how often a box that seldom fits is the whole picture: thousands of calls.")
random_resized_crop.equivalent(
    "for _ in range(10): -> for _ in range(9):",
    "Ten or one less tell apart only how often a box that seldom fits is the whole picture: thousands of calls.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if 1 < height <= high and 0 < width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if (-1) < height <= high and 0 < width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if 0 <= height <= high and 0 < width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if 0 < height <= high and 1 < width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if 0 < height <= high and (-1) < width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
random_resized_crop.equivalent(
    "if 0 < height <= high and 0 < width <= wide: -> "
    "if 0 < height <= high and 0 <= width <= wide:",
    "Boxes of no pixel or one come of tiny pictures alone, and the task says nothing of them.")
