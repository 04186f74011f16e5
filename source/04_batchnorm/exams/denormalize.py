"""How `denormalize` is examined."""

import torch

from convcraft.exam import aspect, exercise, habits

from .shared import _spread_of


def _denormalize(x, mean, std):
    return x * std[:, None, None] + mean[:, None, None]


@exercise(points=4, reference=_denormalize)
def denormalize(impl, draw):
    yield aspect("a batch", "Undo the two steps in reverse order.",
                 lambda: impl(draw.normal(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)))
    yield aspect("one picture", "Again (N, C, H, W) or (C, H, W), and channel c has its own `mean[c]` and `std[c]`.",
                 lambda: {"three channels": impl(draw.normal(3, 4, 5), draw.uniform(3), _spread_of(draw)),
                          "as wide as deep": impl(draw.normal(4, 4, 4), draw.uniform(4), _spread_of(draw, 4)),
                          "a batch of three": impl(draw.normal(3, 3, 4, 5), draw.uniform(3), _spread_of(draw))})
    yield aspect("there and back", "Normalising and then denormalising gives the same picture, within rounding.",
                 lambda: _there_and_back(impl, draw))
    yield aspect("outside [0, 1]", "What lies outside [0, 1] stays outside: clip where you draw, not here.",
                 lambda: impl(4 * draw.normal(2, 2, 3, 4), draw.uniform(2), _spread_of(draw, 2)))
    yield habits("`x`, `mean` and `std` stay as they were here, too; gradients flow through, in float32 and float64.",
                 impl, lambda: (draw.normal(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)))


def _there_and_back(impl, draw):
    x, mean, std = draw.uniform(2, 3, 5, 5), draw.uniform(3), draw.uniform(3, low=0.2, high=0.3)
    there = (x - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)
    back = impl(there, mean, std)
    return {"the picture": back, "within rounding": (back - x).abs().max() < 1e-5}


@denormalize.misconception("You added the mean before you multiplied. What was done last must be undone first.")
def undoes_in_the_same_order(x, mean, std):
    return (x + mean[:, None, None]) * std[:, None, None]


@denormalize.misconception("You normalised a second time. To undo it, the division becomes a multiplication and the "
                           "subtraction an addition.")
def normalises_again(x, mean, std):
    return (x - mean[:, None, None]) / std[:, None, None]


@denormalize.misconception("You multiplied and added along the columns: broadcasting starts at the last axis. The "
                           "channels stand three from the end, so mean and std need two more axes.")
def undoes_the_columns(x, mean, std):
    return x * std + mean


@denormalize.misconception("You subtracted the mean. Normalising took it away; now it must come back.")
def subtracts_the_mean_again(x, mean, std):
    return x * std[:, None, None] - mean[:, None, None]


@denormalize.misconception("You divided by `std` once more. Normalising divided; to undo that, multiply.")
def divides_once_more(x, mean, std):
    return x / std[:, None, None] + mean[:, None, None]


@denormalize.misconception("A single picture came back as (1, C, H, W). Three axes in, three axes out: mean and std "
                           "must not have four.")
def puts_an_axis_in_front(x, mean, std):
    return x * std.reshape(1, -1, 1, 1) + mean.reshape(1, -1, 1, 1)


@denormalize.misconception("You took it for granted that there are three channels. `mean` and `std` say how many "
                           "there are.")
def reckons_with_three_channels(x, mean, std):
    return x * std.reshape(3, 1, 1) + mean.reshape(3, 1, 1)


@denormalize.misconception("You clipped to [0, 1] inside the function. It then loses what lies outside, and it is no "
                           "longer the inverse. Clip when you draw.")
def clips_inside(x, mean, std):
    return (x * std[:, None, None] + mean[:, None, None]).clamp(0, 1)


@denormalize.misconception("You worked in place (`*=`, `mul_`, `unsqueeze_`, …): whoever still holds the tensor now "
                           "sees another one.")
def overwrites_the_input(x, mean, std):
    return x.mul_(std[:, None, None]).add_(mean[:, None, None])


@denormalize.misconception("You multiplied by the variance. The division was by std, so multiply by std, unsquared.")
def multiplies_by_the_variance(x, mean, std):
    return x * std[:, None, None] ** 2 + mean[:, None, None]


@denormalize.misconception("`mean` and `std` changed places: you multiplied by the mean and added the deviation.")
def exchanges_mean_and_std(x, mean, std):
    return x * mean[:, None, None] + std[:, None, None]


@denormalize.misconception("You told a single picture from a batch by comparing a length with the number of channels. "
                           "A batch may be as long as it has channels: ask `x.ndim`, or count the axes from the end.")
def guesses_from_the_first_length(x, mean, std):
    shape = (-1, *[1] * (x.ndim - 1)) if len(x) == len(mean) else (1, -1, 1, 1)
    return x * std.reshape(shape) + mean.reshape(shape)


@denormalize.misconception("The channels were looked for at axis 1, whatever x is. A single picture (C, H, W) has them "
                           "at axis 0: count the axes from the end.")
def looks_at_axis_1(x, mean, std):
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    return x * std.reshape(shape) + mean.reshape(shape)


@denormalize.misconception("`mean` and `std` met the rows: with one more axis they line up with H. The channels stand "
                           "three from the end, so they need two more axes.")
def meets_the_rows(x, mean, std):
    return x * std[:, None] + mean[:, None]


@denormalize.misconception("You multiplied by `std`, and `mean` was never added.")
def forgets_the_mean(x, mean, std):
    return x * std[:, None, None]


@denormalize.misconception("You added the mean, and nothing was multiplied by `std`.")
def forgets_the_deviation(x, mean, std):
    return x + mean[:, None, None]


@denormalize.misconception("You cut off what is below 0. It belongs to the picture until it is drawn: without it "
                           "nobody can normalise back.")
def cuts_off_what_is_negative(x, mean, std):
    return (x * std[:, None, None] + mean[:, None, None]).clamp_min(0)


@denormalize.misconception("`mean` and `std` left the graph (`detach`, `.data`, `.item()`, NumPy), so no gradient "
                           "comes back to them. Compute with the tensors you were given.")
def takes_the_statistics_as_numbers(x, mean, std):
    return x * std.detach()[:, None, None] + mean.detach()[:, None, None]


@denormalize.alternative
def by_normalising_with_the_inverse(x, mean, std):
    mean, std = mean.reshape(-1, 1, 1), std.reshape(-1, 1, 1)
    return (x - (-mean / std)) / (1 / std)


@denormalize.alternative
def with_addcmul(x, mean, std):
    return torch.addcmul(mean[:, None, None], x, std[:, None, None])


@denormalize.alternative
def channels_moved_to_the_end(x, mean, std):
    return (x.movedim(-3, -1) * std + mean).movedim(-1, -3)
