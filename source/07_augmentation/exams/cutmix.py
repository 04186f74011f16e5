"""How `cutmix` is examined."""

import math
import random

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _alike, _beta, _label_kind, _numbered


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


def _partners(partner):
    """Whether the pictures of a batch have partners of their own; (n, N), −1 where a picture has none."""
    same = [max(row.count(number) for number in range(len(row))) for row in partner.tolist()]
    return "one and the same for all" if sum(most >= len(partner[0]) - 1 for most in same) > len(same) / 2 \
        else "different ones"


def _middle(box):
    """The middle of a box in a mask (H, W)."""
    return tuple(box.nonzero().double().mean(0).tolist())


def _planned(source, labels, weights, y):
    """Whether the labels (n, 4, classes) are those of the boxes as they were planned: right where no border cuts."""
    own = torch.arange(4)
    foreign = (source != own[:, None, None, None])[:, :, 0]
    rim = foreign[..., 0].any(-1) | foreign[..., -1].any(-1) | foreign[..., 0, :].any(-1) | foreign[..., -1, :].any(-1)
    error = weights.diagonal(dim1=1, dim2=2) - labels[:, own, y]
    inside = error[foreign.any(-1).any(-1) & ~rim]
    return len(inside) > 4 and bool(inside.mean().abs() < 0.02 and inside.abs().max() < 0.1)


@exercise(points=9, reference=_pasted)
def cutmix(impl, draw):
    shape, y = (4, 2, 6, 8), torch.tensor((3, 0, 6, 1))  # the last of 7 classes is there: `shapes` looks at the others

    def pastes(count, alpha, shape=shape):
        generator = draw.generator()
        classes = y.repeat(2)[:shape[0]]
        seen = [impl(_numbered(*shape), classes.clone(), alpha, 7, generator=generator) for _ in range(count)]
        return [torch.stack([x for x, _ in seen]), torch.stack([labels.float() for _, labels in seen])]

    def whole(seen):
        return bool((seen[0] == seen[0].round()).all() and (seen[0] > 0).all())

    def one_box(seen, shape):
        """Whether all batches are alike, and pasted."""
        return _alike(seen[0]) and bool((seen[0][0] != _numbered(*shape)).any()) and whole(seen)

    def pixels(seen, right):
        if one_box(seen, shape):
            return {**pixels(right, None), "another box or partners each time": False}
        source, place = _sources(seen[0], shape)
        own = torch.arange(4)[:, None, None, None]
        foreign = source != own
        partner = torch.where(foreign, source, -1).amax((2, 3, 4), keepdim=True)
        rows, columns = foreign.any(4).any(2), foreign.any(3).any(2)
        boxes = rows[..., :, None] & columns[..., None, :]
        return {"another box or partners each time": True, "black pixels": bool((seen[0] == 0).any()),
                "whole pixels, each from its own place": bool(
                    (seen[0] == seen[0].round()).all() and (place == torch.arange(96).reshape(2, 6, 8)).all()),
                "one partner": bool(((source == own) | (source == partner)).all()),
                "one box through all channels": bool((foreign == boxes[:, :, None]).all()),
                "boxes are there": bool(foreign.any()), "partners": _partners(partner.flatten(1)),
                "partners drawn anew": len(partner.flatten(1).unique(dim=0)) > 1,
                "the box moves": len({_middle(box) for box in boxes[:, 0] if box.any()}) > 4}

    large = (4, 1, 24, 32)  # so large that a side's rounding hardly changes an area

    def labels(seen, right):
        if one_box(seen, large) and _alike(seen[1]):
            seen = right
        source, _ = _sources(seen[0], large)
        weights = torch.stack([(source == number).float().mean((2, 3, 4)) for number in range(4)], -1)
        mixed = torch.stack([weights.diagonal(dim1=1, dim2=2) < 0.9, weights.diagonal(dim1=1, dim2=2) > 0.1]).all(0)
        kind = _label_kind(seen[1], weights, y)
        if kind == "the right classes, other shares" and _planned(source, seen[1], weights, y):
            kind = "right but where the border cuts the box"
        return {"labels": kind, "mixed": bool(mixed.any())}

    def sizes(seen, right):
        if one_box(seen, (8, 1, 12, 24)):
            seen = right
        source, _ = _sources(seen[0], (8, 1, 12, 24))
        shares = (source != torch.arange(8)[:, None, None, None]).float().mean((2, 3, 4))
        boxes = shares[shares > 0]
        largest = boxes.max().item() if len(boxes) else 0.0
        return {"whole pixels": whole(seen),
                "a box in nearly every batch": bool((shares > 0).any(1).float().mean() > 0.7),
                "none nearly empty": bool((boxes > 0.04).all()),
                "the largest": "less than a third" if largest < 0.35 else
                "about a half" if largest < 0.6 else "nearly all"}

    def extremes(seen, right):
        if one_box(seen, (4, 1, 16, 16)):
            seen = right
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
        return {"`x` is as it was": torch.equal(x, _numbered(*shape)), "`y` is as it was": torch.equal(classes, y),
                "shapes": [[list(out.shape), list(labels.shape)] for out, labels in shown]}

    yield aspect("pixels",
                 "A box of each picture is replaced by the same box of its partner: same place, all channels.",
                 lambda: pastes(60, 1.0), view=pixels)
    yield aspect("labels", "The labels are mixed by the areas that are really there, after the border has cut the box.",
                 lambda: pastes(30, 1.0, large), view=labels)
    yield aspect("shapes", "`cutmix` returns what `mixup` returns: pixels of the old shape and dtype, float32 labels "
                           "(N, num_classes).", real, dtype=True)
    yield aspect("λ near a half",
                 "λ is drawn from Beta(α, α): for a large α the boxes take about half of the picture, less where the "
                 "border cuts them.",
                 lambda: pastes(100, 10_000.0, (8, 1, 12, 24)), view=sizes)
    yield aspect("λ near the ends", "For a small α most boxes take nearly nothing or nearly all.",
                 lambda: pastes(80, 0.1, (4, 1, 16, 16)), view=extremes)
    yield aspect("seed", "λ, box and partners are drawn from `generator` alone.",
                 lambda: seeded(lambda generator: both(generator=generator), draw), view=seed_facts)
    yield aspect("without one", "Without a generator all three come from torch's own numbers.",
                 lambda: own_numbers(both), view=seed_facts)
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


@cutmix.misconception("The box lies at the same place every time, in the middle. Its place is drawn, as its size is: "
                      "else the net learns that the middle may be foreign, and the rim never.")
def pastes_into_the_middle(x, y, alpha, num_classes, generator=None):
    height, width = x.shape[-2:]
    side = math.sqrt(1 - _beta(alpha, generator)) / 2
    box = (round(height / 2 - side * height), round(height / 2 + side * height),
           round(width / 2 - side * width), round(width / 2 + side * width))
    return _pasted_box(x, y, box, num_classes, generator)


@cutmix.misconception("One picture is the partner of the whole batch. Each picture has a partner of its own: a random "
                      "permutation gives one to each.")
def takes_one_partner_for_all_boxes(x, y, alpha, num_classes, generator=None):
    top, bottom, left, right = _box(*x.shape[-2:], _beta(alpha, generator), generator)
    partner = torch.randint(len(x), (1,), generator=generator).expand(len(x))
    labels = F.one_hot(y, num_classes).float()
    out = x.clone()
    out[..., top:bottom, left:right] = x[partner][..., top:bottom, left:right]
    share = 1 - (bottom - top) * (right - left) / (x.shape[-2] * x.shape[-1])
    return out, share * labels + (1 - share) * labels[partner]


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


@cutmix.misconception("The batch that was given, `x`, has other pixels afterwards, and the caller still holds it. "
                      "Paste into a copy.", literal=True)
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
                      "elsewhere.", literal=True)
def pastes_by_some_other_numbers(x, y, alpha, num_classes, generator=None):
    return _pasted_box(x, y, _box(*x.shape[-2:], _beta(alpha, generator), generator), num_classes, None)


@cutmix.misconception("`generator` is used nowhere: λ, box and partners come from torch's own numbers. Hand it to "
                      "everything that draws.", literal=True)
def pastes_by_other_numbers(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, num_classes)


@cutmix.misconception("Box, λ or partners come from NumPy's or Python's numbers, which know neither `generator` nor "
                      "`torch.manual_seed`: no seed of torch's repeats the batch.", literal=True)
def pastes_by_pythons_numbers(x, y, alpha, num_classes, generator=None):
    own = torch.Generator().manual_seed(random.randrange(2**40))
    return _pasted_box(x, y, _box(*x.shape[-2:], _beta(alpha, generator), own), num_classes, generator)


@cutmix.misconception("A generator is made, or set back to its seed, in each call: every batch gets the same box and "
                      "the same partners. Draw from `generator` as it comes.", literal=True)
def pastes_by_a_seed_of_its_own(x, y, alpha, num_classes, generator=None):
    return _pasted(x, y, alpha, num_classes, torch.Generator().manual_seed(0))


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
                      "number, so every batch gets the same box and the same partners. Pass None on, as it is.",
                      literal=True)
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
    places = int(torch.randint(len(x), (), generator=generator))
    out = x.clone()
    out[:, :, top:top + tall, left:left + wide] = x.roll(places, 0)[:, :, top:top + tall, left:left + wide]
    part = tall * wide / (height * width)
    labels = F.one_hot(y, num_classes).float()
    return out, torch.lerp(labels, labels.roll(places, 0), part)


_BOX = "box = (2 * abs(down) < side * height)[:, None] & (2 * abs(right) < side * width)"


cutmix.equivalent(f"{_BOX} -> {_BOX.replace('abs(down) <', 'abs(down) <=')}",
                  "they differ only where a side is an even number to the last digit, and any box will do")


cutmix.equivalent(f"{_BOX} -> {_BOX.replace('abs(right) <', 'abs(right) <=')}",
                  "they differ only where a side is an even number to the last digit, and any box will do")
