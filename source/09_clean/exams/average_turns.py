"""How `average_turns` is examined."""

import torch

from convcraft.exam import aspect, exercise

from .shared import _Net, _turned, _turned_back


def _run(net, image):
    with torch.no_grad():
        return net(image[None])[0]


def _averaged(net, image, turns=range(8), back=_turned_back):
    return torch.stack([back(_run(net, _turned(image, turn)), turn) for turn in turns]).mean(0)


def _mirrored_back(x, turn):
    return x.flip(-1) if turn >= 4 else x


def _reference(net, image):
    return _averaged(net, image)


def _ramp(x):
    """A net with an idea of where a pixel is: what lies at the lower right counts more, whatever it shows."""
    rows, columns = torch.arange(x.shape[-2])[:, None], torch.arange(x.shape[-1])
    return x * (1 + (rows * rows * columns + 3 * columns).to(x.dtype) / 20)


def _which(given, image):
    """Which turns of the picture the net was given, by their names, in alphabetical order."""
    names = ("as it is", "one quarter turn", "half a turn", "three quarter turns", "mirrored",
             "mirrored, one quarter turn", "mirrored, half a turn", "mirrored, three quarter turns")
    known = {name: _turned(image, number) for number, name in enumerate(names)}
    return sorted(next((name for name, turned in known.items() if torch.equal(turned, x)), "another picture")
                  for batch in given for x in batch)


@exercise(points=14, reference=_reference)
def average_turns(impl, draw):
    def net(function):
        return _Net(function).eval()

    def asked(*shape):
        own, image = net(lambda x: x / 2), draw.normal(*shape)
        return {"the net is given": _which(own.given, image)} if impl(own, image.clone()) is not None else None

    def plain(channels, height, width, low=0.2, high=0.45):
        """A picture of one tone a channel: that it was turned back wrongly makes no difference."""
        return draw.uniform(channels, 1, 1, low=low, high=high).expand(channels, height, width).clone()

    def mean():
        return impl(net(lambda x: 3 * x - 0.5), plain(1, 4, 4, low=1.0, high=2.0))  # not between 0 and 1

    def left_alone():
        kept = plain(1, 4, 4)
        return [impl(net(lambda x: 3 * x - 0.5), kept), kept]

    yield aspect("eight turns", "The net is given the picture in each of its eight turns, once: four quarter turns of "
                 "it, and four of its mirror image.", lambda: asked(1, 5, 5), weight=2)
    yield aspect("turned back", "Each result is turned back before they are put together.",
                 lambda: impl(net(_ramp), draw.normal(1, 4, 4)), weight=2)
    yield aspect("mean", "The result is the mean of the eight.", mean)
    yield aspect("any shape", "The picture need not be a square, and may have several channels; the result has its "
                 "shape (C, H, W).",
                 lambda: [impl(net(lambda x: x / 2), plain(*shape)) for shape in ((1, 3, 5), (3, 6, 4))])
    yield aspect("left alone", "`average_turns` leaves the picture as it was.", left_alone)


@average_turns.misconception("The results were not turned back: the mean is of a picture and its turns, a blur with "
                             "eight ghosts.")
def never_turns_back(net, image):
    return _averaged(net, image, back=lambda x, turn: x)


@average_turns.misconception("The results were turned on in the same direction, not back: after one quarter turn come "
                             "three more, or one the other way.")
def turns_on(net, image):
    return _averaged(net, image, back=lambda x, turn: _mirrored_back(x.rot90(turn % 4, (-2, -1)), turn))


@average_turns.misconception("The quarter turns were undone, the mirror was not: four of the eight results are still "
                             "mirror images.")
def leaves_the_mirror(net, image):
    return _averaged(net, image, back=lambda x, turn: x.rot90(-(turn % 4), (-2, -1)))


@average_turns.misconception("The mirror was undone, the quarter turns were not: the results lie in four directions.")
def leaves_the_turns(net, image):
    return _averaged(net, image, back=_mirrored_back)


@average_turns.misconception("Turn and mirror were undone in the wrong order. What was done last is undone first, as "
                             "with shoes and socks.")
def undoes_in_the_wrong_order(net, image):
    return _averaged(net, image, back=lambda x, turn: _mirrored_back(x, turn).rot90(-(turn % 4), (-2, -1)))


@average_turns.misconception("Only the four quarter turns were taken. The mirror image has four more.")
def takes_four_turns(net, image):
    return _averaged(net, image, range(4))


@average_turns.misconception("Only mirrors were taken, left and right, top and bottom: four turns of eight. Rows must "
                             "become columns, too.")
def takes_mirrors_alone(net, image):
    return _averaged(net, image, (0, 2, 4, 6))


@average_turns.misconception("Some turns were taken twice and others never: half a turn is both mirrors at once. Take "
                             "four quarter turns, of the picture and of one mirror image.")
def takes_both_mirrors(net, image):
    return torch.stack([change(_run(net, change(image))) for change in (
        lambda x: x, lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.flip((-2, -1)))] + [
        _turned_back(_run(net, _turned(image, turn)), turn) for turn in range(4)]).mean(0)


@average_turns.misconception("The picture was turned, but the net was given the picture as it is each time: the mean "
                             "is of eight equal results.")
def gives_the_same_eight_times(net, image):
    return torch.stack([_run(net, image) for _ in range(8)]).mean(0)


@average_turns.misconception("One of the eight turns is missing: the mirror image's three quarters. Perhaps a `range` "
                             "that ends one too early.")
def takes_seven_turns(net, image):
    return _averaged(net, image, range(7))


@average_turns.misconception("The picture itself is in the sum. Only the eight results of the net are averaged: begin "
                             "with zeros.")
def begins_with_the_picture(net, image):
    return image / 8 + _averaged(net, image)


@average_turns.misconception("The picture itself is a ninth part of the mean. Only the eight results of the net are "
                             "averaged.")
def counts_the_picture_in(net, image):
    return (image + 8 * _averaged(net, image)) / 9


@average_turns.misconception("The largest of the eight was taken at each pixel. The task asks for the mean.")
def takes_the_largest(net, image):
    return torch.stack([_turned_back(_run(net, _turned(image, turn)), turn) for turn in range(8)]).amax(0)


@average_turns.misconception("The result was clamped to [0, 1]. Give the mean as it is; whoever shows it may clamp.")
def clamps_the_mean(net, image):
    return _averaged(net, image).clamp(0, 1)


@average_turns.misconception("The eight results were added up, not averaged.")
def adds_them_up(net, image):
    return 8 * _averaged(net, image)


@average_turns.misconception("The turned pictures were averaged before the net, which saw one blurred picture. Run it "
                             "on each of the eight.")
def averages_before_the_net(net, image):
    return _run(net, torch.stack([_turned(image, turn) for turn in range(8)]).mean(0))


@average_turns.misconception("The median of the eight was taken. The task asks for the mean.")
def takes_the_median(net, image):
    return torch.stack([_turned_back(_run(net, _turned(image, turn)), turn) for turn in range(8)]).median(0).values


@average_turns.misconception("The quarter turns go about the first two axes: channels became rows. Rows and columns "
                             "are the last two: `rot90(turns, (-2, -1))`.")
def turns_about_the_first_axes(net, image):
    results = []
    for turn in range(8):
        turned = (image.flip(-1) if turn >= 4 else image).rot90(turn % 4)
        result = _run(net, turned).rot90(-(turn % 4))
        results.append(result.flip(-1) if turn >= 4 else result)
    return torch.stack(results).mean(0)


@average_turns.misconception("The picture was turned in place, or the results were written into it. The caller still "
                             "needs it.", literal=True)
def writes_into_the_image(net, image):
    return image.copy_(_averaged(net, image))


@average_turns.alternative
def by_two_batches(net, image):
    mirrored = image.flip(-2)
    lying = torch.stack([image, image.rot90(2, (1, 2)), mirrored, mirrored.rot90(2, (1, 2))])
    with torch.no_grad():
        first, second = net(lying), net(lying.mT.contiguous()).mT
    both = (first + second) / 2
    return (both[0] + both[1].rot90(2, (1, 2)) + both[2].flip(-2) + both[3].rot90(2, (1, 2)).flip(-2)) / 4


@average_turns.alternative
def by_a_running_sum(net, image):
    total = torch.zeros_like(image)
    for mirror in (False, True):
        for turns in range(4):
            turned = torch.rot90(torch.flip(image, [2]) if mirror else image, turns, [1, 2])
            with torch.inference_mode():
                clean = net(turned.unsqueeze(0)).squeeze(0)
            clean = torch.rot90(clean, 4 - turns, [1, 2])
            total += torch.flip(clean, [2]) if mirror else clean
    return total / 8


@average_turns.alternative
def by_transposing(net, image):
    results = []
    for number in range(8):
        changes = [change for bit, change in enumerate((lambda x: x.mT, lambda x: x.flip(1), lambda x: x.flip(2)))
                   if number >> bit & 1]
        x = image
        for change in changes:
            x = change(x)
        x = net(x[None]).detach()[0]
        for change in reversed(changes):
            x = change(x)
        results.append(x)
    return sum(results) / 8
