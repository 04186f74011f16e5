"""How `dead_fraction` is examined."""

import torch

from convcraft.exam import aspect, exercise

from .shared import plain


def _share_of_silent_units(activations):
    units = activations.transpose(0, 1).flatten(1)
    return (units.amax(1) <= 0).double().mean().item()


def _firing(draw, dead, *shape):
    """Activations after a ReLU: `dead` channels are 0, the others fire here and there."""
    x = draw.normal(*shape).sub(1).clamp(min=0)
    units = draw.distinct(shape[1]).argsort()
    x[:, units[:dead]] = 0
    x[int(draw.integers(1, shape[0] - 1)), units[dead:]] += 0.5
    x[[0, -1], units[dead]] = 0  # one example alone, the first or the last, says nothing of this unit
    return x


def _faint(draw, count, alive):
    """Units that fire so little that a small limit takes them for dead, beside dead ones; one place each."""
    x = -draw.uniform(6, count, low=0.1, high=3)
    units = draw.distinct(count).argsort()[:alive]
    x[draw.integers(0, 6, alive), units] = 10 ** -draw.uniform(alive, low=9, high=30)
    return x


@exercise(points=8, reference=_share_of_silent_units)
def dead_fraction(impl, draw):
    def share(activations):
        return {"share of dead units": plain(impl(activations))}

    def sequences():
        seen, more = share(_firing(draw, 5, 15, 8, 7)), []
        for units, alive, length in ((9, 4, 11), (7, 5, 6), (11, 3, 8), (13, 6, 7)):
            x = -draw.uniform(6, units, length, low=0.1, high=3)
            fires = draw.distinct(units).argsort()[:alive]
            x[draw.integers(0, 6, alive), fires, draw.integers(0, length, alive)] = 1.5
            one, other = (plain(impl(each.clone())) for each in (x, x[..., None]))
            if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
                return seen
            more.append(float(one - other))
        return {**seen, "more than of the same numbers as (N, C, L, 1)": more}

    def one_place():
        x = torch.zeros(3, 8, 4, 4)
        alive = draw.distinct(8).argsort()[:3]
        for channel in alive.tolist():
            x[int(draw.integers(0, 3)), channel, int(draw.integers(0, 4)), int(draw.integers(0, 4))] = 1.5
        return share(x)

    def below_zero():
        x = -draw.uniform(20, 10, low=0.1, high=3)
        units = draw.distinct(10).argsort()
        x[int(draw.integers(0, 20)), units[:4]] = 0.25
        x[:, units[4]] = 0
        x[:, units[5]] = draw.uniform(20, low=1, high=2)
        x[int(draw.integers(0, 20)), units[5]] = -0.5
        maps = -draw.uniform(3, 8, 2, 3, low=0.5, high=1)
        maps[1, draw.distinct(8).argsort()[:3], 1, 2] = 0.25
        once = -draw.uniform(4, 23, 3, 3, low=0.5, high=1)  # each unit fires at one place, for one example, if at all
        once[draw.integers(0, 4, 7), draw.distinct(23).argsort()[:7], 0, 1] = 0.25
        faint = [_faint(draw, count, alive) for count, alive in ((7, 4), (11, 3), (13, 6), (17, 5))]
        return [share(x), share(maps), share(once), share(once[:, :13]), *map(share, faint)]

    def none_and_all():
        once = torch.zeros(5, 6)
        once[int(draw.integers(0, 5))] = 0.5
        return [share(once), share(torch.zeros(4, 3, 2, 2)), share(_firing(draw, 1, 5, 4))]

    def a_float():
        result = impl(_firing(draw, 2, 15, 8))
        return [plain(result), "a tensor" if isinstance(result, torch.Tensor) else "a number"]

    def left_alone():
        x = _firing(draw, 2, 16, 5, 4)
        x -= 0.01 * ((x == 0) & (x.amax((0, 2), keepdim=True) > 0))  # in living units, so that 0 and below differ
        return {**share(x), "activations afterwards": x}

    yield aspect("a linear layer", "For a linear layer, activations are (N, C): N examples, C units.",
                 lambda: share(_firing(draw, 3, 39, 8)))
    yield aspect("feature maps", "For a convolution they are (N, C, H, W), and a unit is a whole channel: it is "
                 "alive if it fires for any example, at any place.",
                 lambda: [share(_firing(draw, 2, 13, 10, 2, 5)), one_place()])
    yield aspect("sequences", "Units are always dimension 1, whatever follows: (N, C, L) works, too.",
                 sequences)
    yield aspect("below 0", "To fire means to be above 0. A unit that gives only zeros or negative numbers is dead.",
                 below_zero)
    yield aspect("input left alone", "`activations` are only looked at: shape and numbers stay.", left_alone)
    yield aspect("none and all", "The result is 0.0 where every unit fires and 1.0 where none does.",
                 none_and_all)
    yield aspect("a float", "It is a Python float, not a tensor.", a_float)


@dead_fraction.misconception("You gave the share of zeros among all activations. Half may be 0 with every unit alive: "
                             "a dead unit is silent for all examples. First decide for each unit, then count.")
def counts_zeros(activations):
    return (activations <= 0).float().mean().item()


@dead_fraction.misconception("You called a unit dead that is silent for some example. It must be silent for every "
                             "one: look for the place where `any` and `all` (or `min` and `max`) are exchanged.")
def one_silence_is_enough(activations):
    units = activations.transpose(0, 1).flatten(1)
    return (units <= 0).any(1).float().mean().item()


@dead_fraction.misconception("You looked for examples that fire no unit. Dimension 0 is the batch; units are "
                             "dimension 1.")
def counts_examples(activations):
    return (activations.flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("You counted each place of a feature map as a unit. All places of a channel share one "
                             "filter: the channel is dead only if it fires at no place.")
def counts_places(activations):
    return (activations <= 0).all(0).float().mean().item()


@dead_fraction.misconception("You looked for a unit in the last dimension. In (N, C, H, W) that is the width; units "
                             "are dimension 1.")
def takes_the_last_dimension(activations):
    return (activations <= 0).flatten(0, -2).all(0).float().mean().item()


@dead_fraction.misconception("This is the number of dead units. The task asks for their share: divide by how many "
                             "units there are.")
def counts_units(activations):
    return float((activations.transpose(0, 1).flatten(1) <= 0).all(1).sum())


@dead_fraction.misconception("This is the share of units that are alive; the dead ones are the others.")
def counts_the_living(activations):
    return (activations.transpose(0, 1).flatten(1) > 0).any(1).float().mean().item()


@dead_fraction.misconception("You asked for exactly 0. A unit that gives only negative numbers (before the ReLU, or "
                             "behind a leaky one) never fires either: dead is what is never above 0.")
def wants_exact_zeros(activations):
    return (activations.transpose(0, 1).flatten(1) == 0).all(1).float().mean().item()


@dead_fraction.misconception("You added a unit's activations up (or averaged them). Where there are negative numbers "
                             "they cancel the positive ones, and a unit that does fire looks dead. Look at its "
                             "largest.")
def adds_up(activations):
    return (activations.transpose(0, 1).flatten(1).sum(1) <= 0).float().mean().item()


@dead_fraction.misconception("You took 0 for firing: with ≥ in place of >, a unit that gives only zeros counts as "
                             "alive, and behind a ReLU no unit is ever dead.")
def takes_zero_for_firing(activations):
    return 1.0 - (activations.transpose(0, 1).flatten(1) >= 0).any(1).float().mean().item()


@dead_fraction.misconception("The result is a tensor. The task asks for a Python float, a plain number to print and "
                             "to plot: look for the method that takes the number out of a tensor.", literal=True)
def returns_a_tensor(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).float().mean()


@dead_fraction.misconception("This is a percentage. A share lies between 0 and 1.")
def gives_percent(activations):
    return 100 * (activations.transpose(0, 1).flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("The share is right, but the caller's tensor has another shape now: `transpose_`, with an "
                             "underscore at its end, turned it. Measuring changes nothing.")
def changes_what_it_measures(activations):
    return (activations.transpose_(0, 1).flatten(1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("The share is right, but negative activations of the caller's became 0: a method with an "
                             "underscore at its end (`clamp_`, `relu_`) or an assignment wrote into them. Only look.")
def rectifies_what_it_measures(activations):
    return (activations.clamp_(min=0).transpose(0, 1).flatten(1) == 0).all(1).float().mean().item()


@dead_fraction.misconception("You averaged (or added) over the places of a feature map before asking who fires. One "
                             "place above 0 is enough to live, whatever the others say: averages hide it.")
def averages_the_places(activations):
    maps = activations.reshape(*activations.shape[:2], -1)
    return (maps.mean(2) <= 0).all(0).float().mean().item()


@dead_fraction.misconception("`reshape` and `view` cut memory into new rows; they exchange no axes. Your rows mix "
                             "several units. First bring dimension 1 to the front, then flatten the others.")
def reshapes_without_moving(activations):
    return (activations.reshape(activations.shape[1], -1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("You divided by the size of the batch. A share of units is divided by the number of "
                             "units, the size of dimension 1.")
def divides_by_the_batch(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).sum().item() / len(activations)


@dead_fraction.misconception("You divided by the number of all activations. What you count are units, and there are as "
                             "many as dimension 1 is long.")
def divides_by_everything(activations):
    return (activations.transpose(0, 1).flatten(1) <= 0).all(1).sum().item() / activations.numel()


@dead_fraction.misconception("The result was rounded to a whole number: `//` drops the fraction (so does `int`), and "
                             "any share below 1 becomes 0.")
def drops_the_fraction(activations):
    dead = (activations.transpose(0, 1).flatten(1) <= 0).all(1)
    return float(dead.sum().item() // len(dead))


@dead_fraction.misconception("A unit that gives very little was called dead: to fire means to be above 0, however "
                             "little. Leave the small limit out.")
def wants_more_than_a_little(activations):
    return (activations.transpose(0, 1).flatten(1) < 1e-3).all(1).float().mean().item()


@dead_fraction.misconception("You looked at one example alone. A unit is dead that fires for none of the batch.")
def looks_at_one_example(activations):
    return (activations[0].reshape(activations.shape[1], -1) <= 0).all(1).float().mean().item()


@dead_fraction.misconception("You counted a silent unit anew for each example: the share of pairs of example and unit. "
                             "A unit is dead or not, for the batch as a whole.")
def counts_pairs(activations):
    maps = activations.reshape(*activations.shape[:2], -1)
    return (maps.amax(2) <= 0).float().mean().item()


@dead_fraction.misconception("This works on four axes alone: the axes 2 and 3 were named. Units are dimension 1, "
                             "whatever follows it; nothing may.")
def wants_four_axes(activations):
    return (activations.amax((0, 2, 3)) <= 0).float().mean().item()


@dead_fraction.misconception("In a sequence, each place was counted as a unit of its own; in feature maps you looked "
                             "over all places. (N, C, L) has one unit for each channel, too.")
def knows_two_and_four_axes(activations):
    largest = activations.amax((0, 2, 3)) if activations.ndim == 4 else activations.amax(0)
    return (largest <= 0).float().mean().item()


@dead_fraction.misconception("You called a channel alive only if it fires at every place of its map. One place, for "
                             "one example, is enough.")
def wants_every_place_to_fire(activations):
    fires = (activations > 0).any(0)
    return 1.0 - fires.reshape(len(fires), -1).all(1).float().mean().item()


@dead_fraction.misconception("In (N, C) there are no axes behind the second one, and `amax(())` or `sum(())` reduces "
                             "over all axes, not over none. Flatten first, or name axis 0 as well.")
def reduces_over_no_axes(activations):
    largest = activations.amax(tuple(range(2, activations.ndim)))
    return (largest <= 0).all(0).float().mean().item()


@dead_fraction.alternative
def unit_by_unit(activations):
    channels = activations.shape[1]
    return sum(not (activations[:, channel] > 0).any() for channel in range(channels)) / channels


@dead_fraction.alternative
def by_axes(activations):
    axes = [axis for axis in range(activations.ndim) if axis != 1]
    return 1 - (activations > 0).sum(axes).bool().double().mean().item()


@dead_fraction.alternative
def by_largest(activations):
    largest = activations.movedim(1, -1).reshape(-1, activations.shape[1]).max(dim=0).values
    return int((largest <= 0).sum()) / len(largest)


@dead_fraction.alternative
def by_numpy(activations):
    array = activations.detach().numpy().swapaxes(0, 1)
    return float((array.reshape(len(array), -1).max(axis=1) <= 0).mean())
