"""How `normalize` is examined."""

import torch

from convcraft.exam import aspect, exercise, habits

from .shared import _spread_of


def _normalize(x, mean, std):
    return (x - mean[:, None, None]) / std[:, None, None]


@exercise(points=6, reference=_normalize)
def normalize(impl, draw):
    yield aspect("a batch", "Subtract the channel's mean, then divide by the channel's standard deviation.",
                 lambda: [impl(draw.uniform(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)),
                          impl(draw.normal(4, 1, 5, 3), draw.normal(1), _spread_of(draw, 1))])
    yield aspect("one picture", "A single picture (C, H, W) gives (C, H, W).",
                 lambda: impl(draw.uniform(3, 5, 4), draw.uniform(3), _spread_of(draw)))
    yield aspect("as wide as deep", "`mean[c]` and `std[c]` belong to channel c, also where a picture is as wide, or a "
                 "batch as long, as it has channels.",
                 lambda: {"three of everything": impl(draw.uniform(3, 3, 3, 3), draw.uniform(3), _spread_of(draw)),
                          "four channels": impl(draw.uniform(4, 4, 4), draw.uniform(4), _spread_of(draw, 4))})
    yield aspect("nothing added", "Nothing is added to `std`, however small, and no result is clipped.",
                 lambda: {f"std near {low:g}": impl(draw.uniform(2, 3, 4, 5), draw.uniform(3),
                                                    draw.uniform(3, low=low, high=2 * low))
                          for low in (1e-3, 1e-6, 1e-9)})
    yield habits("`x`, `mean` and `std` stay as they were; float64 in gives float64 out; gradients flow through.", impl,
                 lambda: (draw.uniform(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)))


@normalize.misconception("You wrote (x − mean) / std as it stands. Broadcasting starts at the last axis, so channel "
                         "means are subtracted from columns, or the sizes do not fit. Give them two more axes.")
def broadcasts_along_the_columns(x, mean, std):
    return (x - mean) / std


@normalize.misconception("You divided first and subtracted the mean afterwards. The mean is in the pixels' unit: it "
                         "goes before the division.")
def divides_first(x, mean, std):
    return x / std[:, None, None] - mean[:, None, None]


@normalize.misconception("Without parentheses, `x - mean / std` divides the mean alone. The difference is what must "
                         "be divided.")
def divides_the_mean_alone(x, mean, std):
    return x - mean[:, None, None] / std[:, None, None]


@normalize.misconception("You took the root of `std`. It is a root already, that of the variance: divide by it as it "
                         "is.")
def takes_another_root(x, mean, std):
    return (x - mean[:, None, None]) / std[:, None, None].sqrt()


@normalize.misconception("You counted on three channels. Grey pictures have one, others four: take as many as `mean` "
                         "has.")
def counts_on_three_channels(x, mean, std):
    return (x - mean.reshape(3, 1, 1)) / std.reshape(3, 1, 1)


@normalize.misconception("A tensor left the graph on its way (`detach`, `.data`, `.item()`, `.tolist()`, NumPy, "
                         "`torch.tensor(…)`), so no gradient comes back to it. Compute with the tensors you were "
                         "given.")
def takes_the_statistics_as_numbers(x, mean, std):
    return torch.stack([(channel - m) / s for channel, m, s in zip(x.unbind(-3), mean.tolist(), std.tolist(),
                                                                   strict=True)], -3)


@normalize.misconception("You multiplied by the standard deviation. A wide channel then becomes wider still; divide.")
def multiplies_by_std(x, mean, std):
    return (x - mean[:, None, None]) * std[:, None, None]


@normalize.misconception("You divided by std². `std` is already the root of the variance.")
def divides_by_the_variance(x, mean, std):
    return (x - mean[:, None, None]) / std[:, None, None] ** 2


@normalize.misconception("You added a small number to `std`. BatchNorm does so because a batch may be constant; here "
                         "`std` is given, and whoever undoes the normalisation would not get the same picture back.")
def adds_an_epsilon(x, mean, std):
    return (x - mean[:, None, None]) / (std[:, None, None] + 1e-5)


@normalize.misconception("You added something like 1e-8 to `std`. No division by zero threatens here, and beside a "
                         "`std` of a millionth even 1e-8 shows.")
def adds_a_tiny_epsilon(x, mean, std):
    return (x - mean[:, None, None]) / (std[:, None, None] + 1e-8)


@normalize.misconception("You clipped the result to [0, 1]. Normalised pixels lie on both sides of zero: about half "
                         "of them were lost.")
def clips_to_pixels(x, mean, std):
    return ((x - mean[:, None, None]) / std[:, None, None]).clamp(0, 1)


@normalize.misconception("You normalised with the statistics of `x` itself. The task gives `mean` and `std`: every "
                         "picture must be moved by the same amounts, or bright and dark look alike.")
def uses_its_own_statistics(x, mean, std):
    axes = [axis for axis in range(x.ndim) if axis != x.ndim - 3]
    own = torch.std_mean(x, axes, correction=0, keepdim=True)
    return (x - own[1]) / own[0]


@normalize.misconception("A single picture came back with a batch axis in front. Three axes in, three axes out.")
def always_gives_a_batch(x, mean, std):
    return (x - mean.reshape(1, -1, 1, 1)) / std.reshape(1, -1, 1, 1)


@normalize.misconception("You told a single picture from a batch by comparing a length with the number of channels. A "
                         "batch may be as long as it has channels: ask `x.ndim`, or count the axes from the end.")
def guesses_from_the_first_length(x, mean, std):
    shape = (-1, *[1] * (x.ndim - 1)) if len(x) == len(mean) else (1, -1, 1, 1)
    return (x - mean.reshape(shape)) / std.reshape(shape)


@normalize.misconception("You changed what you were given in place (`-=`, `sub_`, `unsqueeze_`, …). The caller still "
                         "needs it as it was: compute new tensors.")
def overwrites_the_picture(x, mean, std):
    return x.sub_(mean[:, None, None]).div_(std[:, None, None])


@normalize.misconception("ImageNet's famous triples stand in the code, and the `mean` and `std` that were given are "
                         "not used.")
def takes_imagenets_numbers(x, mean, std):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return (x - mean[:, None, None]) / std[:, None, None]


@normalize.misconception("You normalised with the statistics of `x` itself, its variance divided by n − 1. The task "
                         "gives `mean` and `std`: use those.")
def uses_its_own_unbiased_statistics(x, mean, std):
    axes = [axis for axis in range(x.ndim) if axis != x.ndim - 3]
    own = torch.std_mean(x, axes, keepdim=True)
    return (x - own[1]) / own[0]


@normalize.misconception("The channels were looked for at axis 1, whatever x is. A single picture (C, H, W) has them "
                         "at axis 0: count the axes from the end, where both kinds agree.")
def looks_at_axis_1(x, mean, std):
    shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
    return (x - mean.reshape(shape)) / std.reshape(shape)


@normalize.misconception("`mean` and `std` met the rows: with one more axis they line up with H. The channels stand "
                         "three from the end, so they need two more axes.")
def meets_the_rows(x, mean, std):
    return (x - mean[:, None]) / std[:, None]


@normalize.misconception("You added the mean. It is to be taken away, so that what was at the mean becomes 0.")
def adds_the_mean(x, mean, std):
    return (x + mean[:, None, None]) / std[:, None, None]


@normalize.misconception("`mean` and `std` changed places: you subtracted the deviation and divided by the mean.")
def exchanges_mean_and_std(x, mean, std):
    return (x - std[:, None, None]) / mean[:, None, None]


@normalize.misconception("You divided by `std`, and `mean` was never subtracted.")
def forgets_the_mean(x, mean, std):
    return x / std[:, None, None]


@normalize.misconception("You subtracted the mean, and nothing was divided by `std`.")
def forgets_the_deviation(x, mean, std):
    return x - mean[:, None, None]


@normalize.alternative
def with_the_channels_last(x, mean, std):
    return ((x.movedim(-3, -1) - mean) / std).movedim(-1, -3)


@normalize.alternative
def one_channel_at_a_time(x, mean, std):
    channels = [(channel - m) / s for channel, m, s in zip(x.unbind(-3), mean, std, strict=True)]
    return torch.stack(channels, dim=-3)


@normalize.alternative
def with_views(x, mean, std):
    result = x.clone()
    result = result - mean.reshape(-1, 1, 1).expand(x.shape[-3:])
    return result / std.reshape(-1, 1, 1)
