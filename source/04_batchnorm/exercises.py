"""How the exercises of chapter 4 are examined."""

import copy

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convcraft.exam import aspect, exercise, gradients, habits, ops


def _others(x):
    """Every axis but the channels'."""
    return [0, *range(2, x.ndim)]


def _wide(vector, x):
    """One number a channel, in the shape that meets x (N, C, ...)."""
    return vector.reshape(1, -1, *[1] * (x.ndim - 2))


def _parts(result, *names):
    """A returned tuple, its parts by name. Anything else is told in words."""
    if isinstance(result, tuple | list) and len(result) == len(names):
        return dict(zip(names, result, strict=True))
    if result is None:
        given = "None (is a `return` missing?)"
    elif isinstance(result, tuple | list):
        given = f"{len(result)} values"
    else:
        given = "one tensor" if isinstance(result, torch.Tensor) else "something else"
    raise ValueError(f"the task asks for ({', '.join(names)}); this is {given}")


class _Naming:
    """An answer that returns a tuple, with a name for each part."""

    def __init__(self, impl, *names):
        self.impl, self.names = impl, names

    def __call__(self, *arguments):
        return _parts(self.impl(*arguments), *self.names)


# ---------------------------------------------------------------- channel_stats


def _channel_stats(images):
    std, mean = torch.std_mean(images, (0, 2, 3), correction=0)
    return mean, std


@exercise(points=7, reference=_channel_stats)
def channel_stats(impl, draw):
    impl = _Naming(impl, "mean", "std")
    yield aspect("mean", "The mean of a channel is taken over all pictures, rows and columns together.",
                 lambda: impl(draw.uniform(4, 3, 5, 6) + draw.normal(3, 1, 1))["mean"])
    yield aspect("std", "The standard deviation is the root of the mean squared distance from that mean: divide by n, "
                 "not by n − 1.", lambda: impl(draw.normal(2, 3, 2, 2) * draw.uniform(3, 1, 1, low=0.5, high=2))["std"])
    yield aspect("pictures that differ", "In a stack of a dark and a bright picture, the distance between the two "
                 "counts, too, not only the spread within each.",
                 lambda: impl(draw.uniform(3, 2, 4, 4) + 5 * draw.normal(3, 1, 1, 1)))
    yield aspect("one of each", "Both results have the shape (C,), also for one picture or one channel.",
                 lambda: {"one picture": impl(draw.normal(1, 3, 4, 5)),
                          "one channel": impl(draw.normal(5, 1, 3, 3))})
    yield aspect("far from zero", "Numbers far from zero, such as 1000 ± 1, keep a standard deviation that is right to "
                 "a thousandth.", lambda: impl(1000 + draw.normal(3, 16, 6, 6)), rtol=1e-3, atol=1e-3)
    yield habits("`images` stay as they were; float64 in gives float64 out.", impl,
                 lambda: (draw.normal(2, 3, 4, 4),), gradient=False)


@channel_stats.misconception("You divided by n − 1. That estimates the spread of a population from a sample; here the "
                             "numbers at hand are all there is, so divide by n. torch's `std` has an argument for it.")
def divides_by_n_minus_1(images):
    return images.mean((0, 2, 3)), images.std((0, 2, 3))


@channel_stats.misconception("You returned the variance. The standard deviation is its root, in the same unit as the "
                             "pixels.")
def returns_the_variance(images):
    return images.mean((0, 2, 3)), images.var((0, 2, 3), correction=0)


@channel_stats.misconception("You averaged each picture's own standard deviation. That misses how the pictures differ "
                             "from one another: take one deviation over all pictures at once.")
def averages_the_stds_of_pictures(images):
    return images.mean((0, 2, 3)), images.std((2, 3), correction=0).mean(0)


@channel_stats.misconception("You measured every pixel from the mean of its own picture. How far the pictures lie "
                             "from one another is then lost: measure from the one mean of the channel.")
def measures_from_the_pictures_means(images):
    return images.mean((0, 2, 3)), images.var((2, 3), correction=0).mean(0).sqrt()


@channel_stats.misconception("You reshaped (N, C, H, W) to C rows as it stands. Reshaping keeps the order in memory, "
                             "so a row holds pieces of several channels. The channels must come first before you "
                             "flatten.")
def flattens_before_moving_the_channels(images):
    rows = images.reshape(images.shape[1], -1)
    return rows.mean(1), rows.std(1, correction=0)


@channel_stats.misconception("You divided the squares by H·W and forgot the pictures: n is N·H·W.")
def forgets_to_count_the_pictures(images):
    mean = images.mean((0, 2, 3))
    squares = (images - mean[:, None, None]).square().sum((0, 2, 3))
    return mean, (squares / (images.shape[2] * images.shape[3])).sqrt()


@channel_stats.misconception("You averaged the distances from the mean without squaring them. The standard deviation "
                             "is the root of the mean *square*.")
def averages_the_distances(images):
    mean = images.mean((0, 2, 3))
    return mean, (images - mean[:, None, None]).abs().mean((0, 2, 3))


@channel_stats.misconception("You computed E[x²] − E[x]². Far from zero these are two huge numbers that almost "
                             "cancel, and float32 loses what is left. Subtract the mean first, then square.")
def subtracts_squares(images):
    mean = images.mean((0, 2, 3))
    return mean, ((images**2).mean((0, 2, 3)) - mean**2).clamp_min(0).sqrt()


@channel_stats.misconception("You kept the averaged axes: (1, C, 1, 1). The task asks for the shape (C,).")
def keeps_the_axes(images):
    std, mean = torch.std_mean(images, (0, 2, 3), correction=0, keepdim=True)
    return mean, std


@channel_stats.misconception("You averaged over the pictures alone, which leaves a mean for every pixel (C, H, W). A "
                             "channel has one mean: average over rows and columns, too.")
def averages_over_the_pictures_alone(images):
    std, mean = torch.std_mean(images, 0, correction=0)
    return mean, std


@channel_stats.misconception("You averaged over everything, channels included, so that all colours get the same two "
                             "numbers. Each channel has its own.")
def mixes_the_channels(images):
    ones = images.new_ones(images.shape[1])
    return images.mean() * ones, images.std(correction=0) * ones


@channel_stats.misconception("You returned (std, mean). The task asks for the mean first.")
def swaps_the_results(images):
    return torch.std_mean(images, (0, 2, 3), correction=0)


@channel_stats.misconception("You subtracted the mean in place: the caller's pictures are changed for good.")
def centres_in_place(images):
    mean = images.mean((0, 2, 3))
    images -= mean[:, None, None]
    return mean, images.square().mean((0, 2, 3)).sqrt()


@channel_stats.alternative
def by_a_matrix_of_channels(images):
    rows = images.transpose(0, 1).reshape(images.shape[1], -1)
    mean = rows.mean(1)
    return mean, (rows - mean[:, None]).pow(2).mean(1).sqrt()


@channel_stats.alternative
def channel_after_channel(images):
    means, stds = [], []
    for channel in images.unbind(1):
        mean = channel.sum() / channel.numel()
        means.append(mean)
        stds.append(torch.sqrt(((channel - mean) ** 2).sum() / channel.numel()))
    return torch.stack(means), torch.stack(stds)


@channel_stats.alternative
def squares_in_float64(images):
    wide = images.double()
    count = wide.numel() / wide.shape[1]
    mean = torch.einsum("nchw->c", wide) / count
    var = torch.einsum("nchw,nchw->c", wide, wide) / count - mean**2
    return mean.to(images.dtype), var.clamp_min(0).sqrt().to(images.dtype)


# ---------------------------------------------------------------- normalize


def _normalize(x, mean, std):
    return (x - mean[:, None, None]) / std[:, None, None]


def _spread_of(draw, count=3):
    return draw.uniform(count, low=0.2, high=1.5)


@exercise(points=6, reference=_normalize)
def normalize(impl, draw):
    yield aspect("a batch", "Subtract the channel's mean, then divide by the channel's standard deviation.",
                 lambda: impl(draw.uniform(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)))
    yield aspect("one picture", "A single picture (C, H, W) gives (C, H, W).",
                 lambda: impl(draw.uniform(3, 5, 4), draw.uniform(3), _spread_of(draw)))
    yield aspect("as wide as deep", "`mean[c]` and `std[c]` belong to channel c, also where a picture is as wide, or a "
                 "batch as long, as it has channels.",
                 lambda: {"three of everything": impl(draw.uniform(3, 3, 3, 3), draw.uniform(3), _spread_of(draw)),
                          "four channels": impl(draw.uniform(4, 4, 4), draw.uniform(4), _spread_of(draw, 4))})
    yield aspect("nothing added", "Nothing is added to `std`, however small, and no result is clipped.",
                 lambda: {f"std near {low:g}": impl(draw.uniform(2, 3, 4, 5), draw.uniform(3),
                                                    draw.uniform(3, low=low, high=2 * low))
                          for low in (1e-3, 1e-6)})
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


@normalize.misconception("You changed what you were given in place (`-=`, `sub_`, `unsqueeze_`, …). The caller still "
                         "needs it as it was: compute new tensors.")
def overwrites_the_picture(x, mean, std):
    return x.sub_(mean[:, None, None]).div_(std[:, None, None])


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


# ---------------------------------------------------------------- denormalize


def _denormalize(x, mean, std):
    return x * std[:, None, None] + mean[:, None, None]


@exercise(points=5, reference=_denormalize)
def denormalize(impl, draw):
    yield aspect("a batch", "Undo the two steps in reverse order.",
                 lambda: impl(draw.normal(2, 3, 4, 5), draw.uniform(3), _spread_of(draw)))
    yield aspect("one picture", "Again (N, C, H, W) or (C, H, W), and channel c has its own `mean[c]` and `std[c]`.",
                 lambda: {"three channels": impl(draw.normal(3, 4, 5), draw.uniform(3), _spread_of(draw)),
                          "as wide as deep": impl(draw.normal(4, 4, 4), draw.uniform(4), _spread_of(draw, 4))})
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


# ---------------------------------------------------------------- batch_norm


def _batch_norm(x, weight, bias, eps=1e-5):
    return F.batch_norm(x, None, None, weight, bias, training=True, eps=eps)


def _affine(draw, *shape):
    """A weight and a bias, told apart from 1 and 0, some weights negative."""
    return draw.normal(*shape) + 0.5, draw.normal(*shape)


def _lively(draw, *shape):
    """Numbers whose channels have means and spreads of their own."""
    x = draw.normal(*shape)
    return x * _wide(draw.uniform(shape[1], low=0.5, high=2), x) + _wide(draw.normal(shape[1]), x)


def _apart(x, axis=0):
    """The same, every second along an axis moved up by 20: few numbers, and yet no small variance by chance."""
    return x + (20 * (torch.arange(x.shape[axis]) % 2)).reshape(-1, *[1] * (x.ndim - 1 - axis))


@exercise(points=12, reference=_batch_norm, bans=ops.NORM)
def batch_norm(impl, draw):
    yield aspect("images", "For images, the mean and the variance of channel c are taken over the batch and all "
                 "pixels, n = N·H·W numbers.", lambda: impl(_lively(draw, 3, 4, 5, 6), torch.ones(4), torch.zeros(4)))
    yield aspect("weight and bias", "Channel c is then multiplied by `weight[c]` and shifted by `bias[c]`, also where "
                 "the picture is as wide as it has channels.",
                 lambda: {"as wide as deep": impl(_lively(draw, 2, 4, 4, 4), *_affine(draw, 4)),
                          "five channels": impl(_lively(draw, 3, 5, 2, 3), *_affine(draw, 5))})
    yield aspect("vectors", "For (N, C) the average runs over the batch alone.",
                 lambda: impl(10 * _lively(draw, 6, 3), *_affine(draw, 3)))
    yield aspect("sequences", "For (N, C, L) it runs over the batch and the L positions.",
                 lambda: impl(10 * _lively(draw, 4, 3, 5), *_affine(draw, 3)))
    yield aspect("divisor", "The variance is divided by n, not by n − 1.",
                 lambda: impl(_apart(10 * _lively(draw, 2, 3, 1, 2)), *_affine(draw, 3)))
    yield aspect("eps", "`eps` stands inside the root; it is 1e-5 unless the caller gives another.",
                 lambda: {"eps=0.5": impl(_lively(draw, 3, 2, 4, 4), *_affine(draw, 2), 0.5),
                          "eps left to you": impl(0.003 * draw.normal(3, 2, 4, 4), *_affine(draw, 2))})
    yield aspect("constant channel", "A constant channel becomes its `bias`, not NaN.",
                 lambda: impl(draw.normal(3, 1, 1).expand(2, 3, 4, 4).clone(), *_affine(draw, 3)), atol=1e-3)
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised as well as 0 ± 1, to a thousandth.",
                 lambda: impl(1000 + draw.normal(4, 16, 5, 5), *_affine(draw, 16)), rtol=2e-3, atol=2e-3)
    yield habits("Gradients flow through the mean and the variance, too; no input is changed; float64 stays float64.",
                 impl, lambda: (_lively(draw, 3, 2, 3, 3), *_affine(draw, 2)))


@batch_norm.misconception("`eps` was added to the root. It belongs inside: √(var + eps). For an ordinary channel the "
                          "two agree; where the variance is as small as eps they do not.")
def adds_eps_outside(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var.sqrt() + eps) * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You divided the variance by n − 1 (torch's default). The batch is normalised with its own "
                          "spread, divided by n; n − 1 comes back only in the running variance.")
def normalises_with_n_minus_1(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You took the mean and the variance out of the graph (`detach`, `no_grad`, `.data`). The "
                          "output is right, the gradient is not: x moves the mean and the variance, too.")
def detaches_the_statistics(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x.detach(), _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You averaged over the batch alone, a mean for every pixel. A channel's mean runs over the "
                          "batch and every position.")
def averages_over_the_batch_alone(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, 0, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You averaged within each picture: that is instance norm. The B in BatchNorm: average over "
                          "the batch, too.")
def averages_within_a_picture(x, weight, bias, eps=1e-5):
    axes = list(range(2, x.ndim)) or 0
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You averaged over everything but the batch: that is layer norm. BatchNorm keeps the "
                          "channels apart and mixes the pictures.")
def averages_over_the_channels(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, list(range(1, x.ndim)), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("One mean and one variance for everything: the channels were mixed. Each channel has its "
                          "own two.")
def averages_over_everything(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, correction=0)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("The mean is right, but the variance was measured within each picture and then averaged. It "
                          "misses how the pictures differ: measure all from the channel's one mean.")
def averages_the_variances_of_pictures(x, weight, bias, eps=1e-5):
    mean = x.mean(_others(x), keepdim=True)
    within = x.flatten(2).var(2, correction=0) if x.ndim > 2 else (x - mean) ** 2
    return (x - mean) / (_wide(within.mean(0), x) + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You reshaped x to C rows as it stands. The batch comes first in memory, so a row holds "
                          "pieces of several channels. Bring the channels to the front, then flatten.")
def reshapes_without_moving(x, weight, bias, eps=1e-5):
    rows = x.reshape(x.shape[1], -1)
    var, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
    rows = (rows - mean) / (var + eps).sqrt() * weight[:, None] + bias[:, None]
    return rows.reshape(x.shape)


@batch_norm.misconception("You brought the channels to the front, and never back: reshaping to x's shape deals the "
                          "numbers out to the wrong places. Undo the swap of axes, too.")
def forgets_to_move_back(x, weight, bias, eps=1e-5):
    rows = x.transpose(0, 1).reshape(x.shape[1], -1)
    var, mean = torch.var_mean(rows, 1, correction=0, keepdim=True)
    rows = (rows - mean) / (var + eps).sqrt() * weight[:, None] + bias[:, None]
    return rows.reshape(x.shape)


@batch_norm.misconception("`weight` or `bias` left the graph (`detach`, `.data`, `.item()`, NumPy): training could "
                          "never change them.")
def takes_the_weight_out_of_the_graph(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight.detach(), x) + _wide(bias.detach(), x)


@batch_norm.misconception("`bias` is not added. After the scale comes the shift.")
def leaves_out_the_bias(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x)


@batch_norm.misconception("The shift was scaled as well: γ (x̂ + β). β is added last, after the multiplication.")
def shifts_before_it_scales(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return ((x - mean) / (var + eps).sqrt() + _wide(bias, x)) * _wide(weight, x)


@batch_norm.misconception("`weight` and `bias` met the last axis instead of the channels. Broadcasting starts at the "
                          "end: give them the shape (1, C, 1, 1), or as many ones as x has axes.")
def scales_the_last_axis(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@batch_norm.misconception("You left out `weight` and `bias`. After normalising, each channel is scaled and shifted "
                          "again by what the net has learned.")
def leaves_out_the_affine_part(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt()


@batch_norm.misconception("You divided by the variance. Divide by its root, or the result's spread is 1/σ, not 1.")
def forgets_the_root(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps) * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("`eps` is fixed at 1e-5, whatever the caller gives.")
def ignores_the_given_eps(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You left `eps` out. A channel without spread then becomes 0/0, which is NaN, and the NaN "
                          "spreads through the whole net.")
def leaves_eps_out(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / var.sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You took the larger of variance and `eps`. It is the sum that stands under the root.")
def takes_the_larger(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / var.clamp_min(eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You computed the variance as E[x²] − E[x]². At 1000 ± 1 this is a million minus a million: "
                          "float32 keeps seven digits, and none is left. Square the distances from the mean.")
def loses_the_digits(x, weight, bias, eps=1e-5):
    mean = x.mean(_others(x), keepdim=True)
    var = (x**2).mean(_others(x), keepdim=True) - mean**2
    return (x - mean) / (var.clamp_min(0) + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You worked in place (`-=`, `sub_`, `div_`, …) on what you were given: the caller's tensors "
                          "are changed.")
def normalises_in_place(x, weight, bias, eps=1e-5):
    x -= x.mean(_others(x), keepdim=True)
    var = x.square().mean(_others(x), keepdim=True)
    return x / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.alternative
def as_rows_of_channels(x, weight, bias, eps=1e-5):
    rows = x.movedim(1, 0).flatten(1)
    centred = rows - rows.mean(1, keepdim=True)
    scaled = centred * torch.rsqrt(centred.pow(2).mean(1, keepdim=True) + eps)
    scaled = scaled * weight[:, None] + bias[:, None]
    return scaled.unflatten(1, (x.shape[0], *x.shape[2:])).movedim(0, 1)


@batch_norm.alternative
def channel_by_channel(x, weight, bias, eps=1e-5):
    done = []
    for channel, w, b in zip(x.unbind(1), weight, bias, strict=True):
        mean = channel.mean()
        var = ((channel - mean) ** 2).mean()
        done.append(w * (channel - mean) / torch.sqrt(var + eps) + b)
    return torch.stack(done, 1)


@batch_norm.alternative
def as_one_scale_and_shift(x, weight, bias, eps=1e-5):
    wide = x.double()
    var, mean = torch.var_mean(wide, _others(x), correction=0)
    scale = weight / (var + eps).sqrt()
    return (wide * _wide(scale, x) + _wide(bias - mean * scale, x)).to(x.dtype)


@batch_norm.alternative
def with_the_channels_at_the_end(x, weight, bias, eps=1e-5):
    last = x.movedim(1, -1)
    axes = tuple(range(last.ndim - 1))
    centred = last - last.mean(axes)
    return (weight * centred / (centred.square().mean(axes) + eps) ** 0.5 + bias).movedim(-1, 1)


# ---------------------------------------------------------------- batch_norm_backward


def _batch_norm_backward(grad_out, x, weight, eps=1e-5):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, weight, torch.zeros_like(weight))]
    return torch.autograd.grad(_batch_norm(*leaves, eps), leaves, grad_out)


def _backward_inputs(draw, *shape, scale=1):
    return draw.normal(*shape), scale * _lively(draw, *shape), draw.normal(shape[1]) + 0.5


@exercise(points=16, reference=_batch_norm_backward, bans=ops.NORM | ops.AUTOGRAD)
def batch_norm_backward(impl, draw):
    impl = _Naming(impl, "grad_x", "grad_weight", "grad_bias")
    yield aspect("grad_bias", "`grad_bias`, of shape (C,), is the sum of `grad_out` over everything but the channels.",
                 lambda: impl(*_backward_inputs(draw, 3, 4, 3, 5))["grad_bias"])
    yield aspect("grad_weight", "`grad_weight`, of shape (C,), is the sum of `grad_out` times the normalised x.",
                 lambda: impl(*_backward_inputs(draw, 3, 4, 3, 5))["grad_weight"])
    yield aspect("grad_x", "`grad_x` has the shape of x and counts all three ways by which x reaches the output: "
                 "directly, through the mean, through the variance.",
                 lambda: impl(*_backward_inputs(draw, 3, 4, 3, 5))["grad_x"], weight=3)
    yield aspect("vectors and sequences", "It takes (N, C), (N, C, L) and (N, C, H, W), as `batch_norm` does.",
                 lambda: {"(N, C)": impl(*_backward_inputs(draw, 6, 3, scale=10)),
                          "(N, C, L)": impl(*_backward_inputs(draw, 3, 2, 4, scale=10))}, weight=2)
    yield aspect("eps", "`eps` counts as it did on the way forward: inside the root, 1e-5 by default.",
                 lambda: {"eps=0.5": impl(*_backward_inputs(draw, 2, 3, 3, 3), 0.5),
                          "eps left to you": impl(draw.normal(2, 2, 3, 3), 0.003 * draw.normal(2, 2, 3, 3),
                                                  draw.normal(2))})
    yield habits("No input is changed, and float64 gradients come out where float64 goes in.", impl,
                 lambda: _backward_inputs(draw, 3, 2, 3, 3), gradient=False)


def _normalised(x, eps):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    root = (var + eps).sqrt()
    return (x - mean) / root, root


@batch_norm_backward.misconception("You treated the mean and the variance as constants. They move with x: every pixel "
                                   "touches every other pixel of its channel through them.")
def holds_the_statistics_still(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    return _wide(weight, x) * grad_out / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("The way through the variance is missing. The part of the gradient that points "
                                   "along the normalised x must be taken away, too.")
def forgets_the_variance(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("The way through the mean is missing. Moving all of a channel by the same amount "
                                   "changes nothing, so a channel's gradient must add up to zero; yours does not.")
def forgets_the_mean(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


def _right_grad_x(grad_out, x, weight, eps):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True) - xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root


@batch_norm_backward.misconception("`grad_x` lacks the factor `weight`: the normalised x was multiplied by γ on the "
                                   "way forward, so the gradient is multiplied by γ on the way back.")
def forgets_the_weight(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    grad_x = _right_grad_x(grad_out, x, torch.ones_like(weight), eps)
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("`grad_weight` was computed with x itself. The weight multiplies the normalised x, "
                                   "so its gradient holds the normalised x.")
def weighs_with_x_itself(grad_out, x, weight, eps=1e-5):
    return _right_grad_x(grad_out, x, weight, eps), (grad_out * x).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("`grad_weight` holds the output instead of the normalised x: γ is in it once too "
                                   "often.")
def weighs_with_the_output(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return (_right_grad_x(grad_out, x, weight, eps), (grad_out * xhat * _wide(weight, x)).sum(_others(x)),
            grad_out.sum(_others(x)))


@batch_norm_backward.misconception("You averaged `grad_weight` and `grad_bias`. One weight serves n places, and what "
                                   "flows back from them adds up.")
def averages_the_sums(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return (_right_grad_x(grad_out, x, weight, eps), (grad_out * xhat).mean(_others(x)), grad_out.mean(_others(x)))


@batch_norm_backward.misconception("You summed `grad_weight` and `grad_bias` over the batch alone: they still have a "
                                   "row and a column for every pixel. A channel has one weight.")
def sums_over_the_batch_alone(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return _right_grad_x(grad_out, x, weight, eps), (grad_out * xhat).sum(0), grad_out.sum(0)


@batch_norm_backward.misconception("You divided by N where the channel's mean runs over N·H·W numbers. For (N, C) the "
                                   "two agree; for images they do not.")
def divides_by_the_batch_size(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    sums = [part.sum(_others(x), keepdim=True) / len(x) for part in (grad_out, grad_out * xhat)]
    grad_x = _wide(weight, x) * (grad_out - sums[0] - xhat * sums[1]) / root
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("`eps` is missing on the way back. It stood under the root on the way forward, so "
                                   "the normalised x and the root contain it here, too.")
def forgets_eps_on_the_way_back(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, 0)
    return _right_grad_x(grad_out, x, weight, 0), (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You rebuilt the variance with n − 1 (torch's default). On the way forward it was "
                                   "divided by n; use the same on the way back.")
def goes_back_with_n_minus_1(grad_out, x, weight, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), keepdim=True)
    root = (var + eps).sqrt()
    xhat = (x - mean) / root
    grad = grad_out - grad_out.mean(_others(x), keepdim=True) - xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You returned `grad_bias` before `grad_weight`. The order is that of x, weight, "
                                   "bias.")
def swaps_weight_and_bias(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return _right_grad_x(grad_out, x, weight, eps), grad_out.sum(_others(x)), (grad_out * xhat).sum(_others(x))


@batch_norm_backward.misconception("`grad_x` is not divided by s = √(var + eps). The way forward divided by it; so "
                                   "does the way back.")
def forgets_to_divide_by_the_root(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad_x = _right_grad_x(grad_out, x, weight, eps) * root
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("The ways through the mean and the variance hold sums where averages belong: a 1/n "
                                   "is missing (∂μ/∂x is 1/n).")
def sums_where_it_should_average(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    sums = [part.sum(_others(x), keepdim=True) for part in (grad_out, grad_out * xhat)]
    grad_x = _wide(weight, x) * (grad_out - sums[0] - xhat * sums[1]) / root
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("The way through the variance counts twice: ∂σ²/∂x has a factor 2, and ∂s/∂σ² the "
                                   "factor 1/2 that cancels it.")
def counts_the_variance_twice(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True)
    grad = grad - 2 * xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("The sign of the way through the variance is wrong: a larger spread makes x̂ "
                                   "smaller, so this part is taken away.")
def turns_the_sign_of_the_variance(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True) + xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return _wide(weight, x) * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You rebuilt the root as √var + eps. On the way forward `eps` stood inside it.")
def goes_back_with_eps_outside(grad_out, x, weight, eps=1e-5):
    std, mean = torch.std_mean(x, _others(x), correction=0, keepdim=True)
    xhat = (x - mean) / (std + eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True) - xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    grad_x = _wide(weight, x) * grad / (std + eps)
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You went back with 1e-5 whatever `eps` the caller gave.")
def goes_back_with_the_default_eps(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, 1e-5)
    return _right_grad_x(grad_out, x, weight, 1e-5), (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("`weight` met the last axis of x instead of the channels: it needs as many ones in "
                                   "its shape as x has axes after them.")
def weighs_the_last_axis(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(_others(x), keepdim=True) - xhat * (grad_out * xhat).mean(_others(x), keepdim=True)
    return weight * grad / root, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You subtracted the mean from `x` in place: the caller's x has changed.")
def centres_x_in_place(grad_out, x, weight, eps=1e-5):
    x -= x.mean(_others(x), keepdim=True)
    xhat, _ = _normalised(x, eps)
    return _right_grad_x(grad_out, x, weight, eps), (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


@batch_norm_backward.misconception("You multiplied `grad_out` by γ in place: the gradient that others still need has "
                                   "changed.")
def overwrites_grad_out(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad_weight, grad_bias = (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))
    grad = grad_out.mul_(_wide(weight, x))
    grad_x = grad - grad.mean(_others(x), keepdim=True) - xhat * (grad * xhat).mean(_others(x), keepdim=True)
    return grad_x / root, grad_weight, grad_bias


@batch_norm_backward.alternative
def step_by_step(grad_out, x, weight, eps=1e-5):
    axes = _others(x)
    n = x.numel() // x.shape[1]
    centred = x - x.mean(axes, keepdim=True)
    var = (centred**2).sum(axes, keepdim=True) / n
    inverse = 1 / (var + eps).sqrt()
    dxhat = grad_out * _wide(weight, x)
    dvar = (dxhat * centred).sum(axes, keepdim=True) * -0.5 * inverse**3
    dmean = -(dxhat * inverse).sum(axes, keepdim=True)
    dx = dxhat * inverse + dvar * 2 * centred / n + dmean / n
    return dx, (grad_out * centred * inverse).sum(axes), grad_out.sum(axes)


@batch_norm_backward.alternative
def one_fraction(grad_out, x, weight, eps=1e-5):
    rows, grads = x.movedim(1, 0).flatten(1), grad_out.movedim(1, 0).flatten(1)
    n = rows.shape[1]
    root = torch.sqrt(rows.var(1, correction=0) + eps)[:, None]
    xhat = (rows - rows.mean(1, keepdim=True)) / root
    grad_bias, grad_weight = grads.sum(1), torch.einsum("cn,cn->c", grads, xhat)
    grad_rows = weight[:, None] / (n * root) * (n * grads - grad_bias[:, None] - xhat * grad_weight[:, None])
    grad_x = grad_rows.unflatten(1, (x.shape[0], *x.shape[2:])).movedim(0, 1)
    return grad_x, grad_weight, grad_bias


@batch_norm_backward.alternative
def by_the_jacobian(grad_out, x, weight, eps=1e-5):
    rows, grads = x.movedim(1, 0).flatten(1).double(), grad_out.movedim(1, 0).flatten(1).double()
    n = rows.shape[1]
    grad_rows, grad_weight = [], []
    for row, grad, w in zip(rows, grads, weight, strict=True):
        centred = row - row.mean()
        root = (centred.square().mean() + eps).sqrt()
        xhat = centred / root
        jacobian = (torch.eye(n, dtype=row.dtype) - 1 / n - torch.outer(xhat, xhat) / n) / root
        grad_rows.append(w * (grad @ jacobian))
        grad_weight.append(grad @ xhat)
    grad_x = torch.stack(grad_rows).unflatten(1, (x.shape[0], *x.shape[2:])).movedim(0, 1)
    return grad_x.to(x.dtype), torch.stack(grad_weight).to(x.dtype), grads.sum(1).to(x.dtype)


# ---------------------------------------------------------------- running_after


def _running_after(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, kept + (1 - kept) * var


@exercise(points=7, reference=_running_after)
def running_after(impl, draw):
    impl = _Naming(impl, "running_mean", "running_var")
    yield aspect("one step", "After one step, a share of `momentum` comes from the batch and the rest from the start, "
                 "0 for the mean and 1 for the variance.",
                 lambda: {"the notes' example": impl(0.5, 1 / 12, 0.1, 1),
                          "another batch": _float_case(impl, draw, 1)})
    yield aspect("many steps", "Every further step mixes in the batch in the same way, `steps` times in all.",
                 lambda: {f"{steps} steps": _float_case(impl, draw, steps) for steps in (2, 3, 10, 50)})
    yield aspect("no step", "After 0 steps the running statistics are 0 and 1.",
                 lambda: {f"{steps} steps": _float_case(impl, draw, steps) for steps in (0, 7)})
    yield aspect("extremes", "With `momentum` 1 only the last batch counts; with 0 the statistics stay at 0 and 1.",
                 lambda: {f"momentum {momentum:g}": impl(draw.normal(1).item(), 2.5, momentum, 3)
                          for momentum in (1.0, 0.0)})
    yield aspect("tensors", "Numbers give numbers; tensors of shape (C,) give tensors of shape (C,), also after 0 "
                 "steps.",
                 lambda: {f"{steps} steps": impl(draw.normal(4), draw.uniform(4, high=3), 0.25, steps)
                          for steps in (3, 0)})
    yield aspect("inputs left alone", "The given tensors stay as they were, and float64 stays float64.",
                 lambda: _left_alone(impl, draw.normal(3, dtype=torch.float64), draw.uniform(3).double()))


def _float_case(impl, draw, steps):
    mean, var, momentum = draw.normal(1).item(), draw.uniform(1, high=4).item(), draw.uniform(1, low=0.05, high=0.4)
    return impl(mean, var, momentum.item(), steps)


def _left_alone(impl, mean, var):
    return {"4 steps": impl(mean, var, 0.2, 4), "no step": impl(mean, var, 0.2, 0),
            "the given mean": mean, "the given var": var}


@running_after.misconception("You turned `momentum` round. In PyTorch it is the share of the NEW batch: with 0.1, "
                             "nine tenths of the old value stay. (An optimiser's momentum is meant the other way.)")
def turns_momentum_round(mean, var, momentum, steps):
    kept = momentum**steps
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("Your running variance starts from 0. PyTorch starts it from 1, so that a net in eval "
                             "mode does no harm before its first batch.")
def starts_the_variance_at_zero(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, (1 - kept) * var


@running_after.misconception("Your running mean starts from 1. It starts from 0; only the variance starts from 1.")
def starts_the_mean_at_one(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You counted one step only. The same mixing happens `steps` times.")
def stops_after_one_step(mean, var, momentum, steps):
    return momentum * mean, (1 - momentum) + momentum * var


@running_after.misconception("You multiplied momentum by the number of steps. The steps do not add up: each one also "
                             "shrinks what the earlier ones brought in.")
def adds_the_steps_up(mean, var, momentum, steps):
    share = momentum * steps
    return share * mean, (1 - share) + share * var


@running_after.misconception("You took one step too many. After `steps` batches the start has been multiplied by (1 − "
                             "momentum) exactly `steps` times.")
def takes_a_step_too_many(mean, var, momentum, steps):
    kept = (1 - momentum) ** (steps + 1)
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You took one step too few: a loop from 1, or steps − 1 in the power. The first batch "
                             "mixes in as well.")
def takes_a_step_too_few(mean, var, momentum, steps):
    kept = (1 - momentum) ** max(steps - 1, 0)
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You exchanged the two starts: the running mean starts from 0, the running variance from "
                             "1.")
def exchanges_the_starts(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * mean, (1 - kept) * var


@running_after.misconception("You returned the variance first. The task asks for (running_mean, running_var).")
def returns_the_variance_first(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * var, (1 - kept) * mean


@running_after.misconception("You returned what the batches have, as a plain average would from the first batch on. "
                             "Here the start, 0 and 1, fades only little by little.")
def forgets_the_start_at_once(mean, var, momentum, steps):
    return (mean, var) if steps else (mean * 0, var * 0 + 1)


@running_after.misconception("You started from the plain numbers 0 and 1. With no step to take, numbers come back "
                             "even where tensors went in.")
def starts_from_numbers(mean, var, momentum, steps):
    running_mean, running_var = 0.0, 1.0
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.misconception("You started from `torch.zeros` and `torch.ones` in float32. Take the dtype from what is "
                             "given: float64 stays float64, also after 0 steps.")
def starts_in_float32(mean, var, momentum, steps):
    running_mean, running_var = 0.0, 1.0
    if isinstance(mean, torch.Tensor):
        running_mean, running_var = torch.zeros(mean.shape), torch.ones(var.shape)
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.misconception("You added a share of the batch without shrinking the old value. The two shares, "
                             "momentum and 1 − momentum, must add up to 1.")
def never_forgets(mean, var, momentum, steps):
    return momentum * mean * steps, 1 + momentum * var * steps


@running_after.misconception("You averaged the standard deviation. What runs is the variance; take no root here.")
def runs_the_deviation(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, kept + (1 - kept) * var**0.5


@running_after.misconception("You wrote the steps into the tensor you were given (`*=`, `+=`): the caller's "
                             "statistics are gone.")
def writes_into_the_given(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    mean *= 1 - kept
    var *= 1 - kept
    var += kept
    return mean, var


@running_after.alternative
def step_after_step(mean, var, momentum, steps):
    running_mean, running_var = mean * 0, var * 0 + 1
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.alternative
def as_a_geometric_sum(mean, var, momentum, steps):
    shares = [momentum * (1 - momentum) ** age for age in range(steps)]
    return mean * sum(shares), var * sum(shares) + (1 - momentum) ** steps


@running_after.alternative
def by_calling_itself(mean, var, momentum, steps):
    if not steps:
        return mean - mean, var - var + 1
    running_mean, running_var = by_calling_itself(mean, var, momentum, steps - 1)
    return running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)


# ---------------------------------------------------------------- BatchNorm2d


@exercise(points=20, reference=nn.BatchNorm2d, bans=ops.NORM)
def BatchNorm2d(impl, draw):
    yield aspect("training", "In training mode the output is normalised with the mean and variance of the batch itself "
                 "(divisor n), whatever the running statistics are.",
                 lambda: draw.fill_(impl(4))(_lively(draw, 3, 4, 4, 5)))
    yield aspect("start", "At the start `weight` and `running_var` are ones, `bias` and `running_mean` zeros, and "
                 "`num_batches_tracked` is an int64 zero.", lambda: _start(impl(3), _lively(draw, 2, 3, 3, 3)))
    yield aspect("running statistics", "Each training batch moves them: running = (1 − momentum) · running + momentum "
                 "· batch, with the batch's mean and its unbiased variance (divisor n − 1).",
                 lambda: _running(impl(3), [_lively(draw, 2, 3, 2, 2) for _ in range(3)]))
    yield aspect("momentum", "`momentum` is the share of the new batch: 1 forgets all before it, 0 learns nothing.",
                 lambda: {f"momentum={momentum:g}": _running(impl(2, momentum=momentum),
                                                             [_lively(draw, 2, 2, 3, 3) for _ in range(2)])
                          for momentum in (0.3, 1.0, 0.0)})
    yield aspect("momentum None", "With `momentum=None` they are the plain average over all batches since the start.",
                 lambda: _running(impl(2, momentum=None), [_lively(draw, 2, 2, 3, 3) for _ in range(3)]))
    yield aspect("counter", "`num_batches_tracked` counts the training batches, not those seen in evaluation.",
                 lambda: _counted(impl(2), [_lively(draw, 2, 2, 3, 3) for _ in range(4)]))
    yield aspect("evaluation", "In evaluation mode the running statistics normalise, so that a picture's result does "
                 "not depend on the rest of the batch.",
                 lambda: _alone_and_together(draw.fill_(impl(3)), _lively(draw, 4, 3, 3, 4)))
    yield aspect("statistics at rest", "Evaluation changes no statistic.",
                 lambda: _evaluated(draw.fill_(impl(3)), _lively(draw, 4, 3, 3, 4)))
    yield aspect("mode, not gradients", "`self.training` alone decides: under `torch.no_grad()` a training batch still "
                 "counts as one.", lambda: _without_gradients(draw.fill_(impl(3)), _lively(draw, 4, 3, 3, 3)))
    yield aspect("eps", "`eps` stands inside the root, in both modes.",
                 lambda: _both_modes(draw.fill_(impl(3, eps=0.5)), _lively(draw, 4, 3, 3, 3)))
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are still normalised to a thousandth.",
                 lambda: draw.fill_(impl(16))(1000 + draw.normal(4, 16, 5, 5)), rtol=2e-3, atol=2e-3)
    yield aspect("affine", "With `affine=False`, `weight` and `bias` are None, and neither is in the state dict.",
                 lambda: _furnished(draw.fill_(impl(3, 1e-5, 0.1, False)), _lively(draw, 4, 3, 3, 3)))
    yield aspect("no tracking", "With `track_running_stats=False` there are no statistics (all three are None), and "
                 "every batch is normalised with its own, also in evaluation mode.",
                 lambda: _furnished(impl(3, track_running_stats=False), _lively(draw, 4, 3, 3, 3)))
    yield aspect("state dict", "Its state dict goes into an `nn.BatchNorm2d` and back: the same five names, `weight` "
                 "and `bias` parameters, the other three buffers.", lambda: _both_ways(impl, draw))
    yield aspect("no graph kept", "The statistics remember no graph: `running_mean.requires_grad` stays False.",
                 lambda: _graphs(impl(3), _lively(draw, 2, 3, 3, 3)))
    yield aspect("float64", "After `.double()` all but the counter is float64, and gradients flow through the batch's "
                 "mean and variance.", lambda: _doubled(draw.fill_(impl(2).double()), _lively(draw, 3, 2, 3, 3)))
    yield aspect("ten steps of SGD", "A net with your layer, trained for ten steps of plain SGD, ends where the same "
                 "net with PyTorch's layer ends, to 1e-5.", lambda: _ten_steps(impl, draw), rtol=1e-5, atol=1e-5)


_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _of(module, name):
    """An attribute; the error for a missing one is the same whatever the class is called."""
    if not hasattr(module, name):
        raise AttributeError(f"the layer has no attribute `{name}`")
    return getattr(module, name)


def _statistics(module):
    return {name: _of(module, name) for name in ("running_mean", "running_var")}


def _copied(value):
    """A tensor as it is now; what is no tensor will be told."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def _start(module, x):
    return {**{name: _copied(_of(module, name)) for name in _NAMES}, "output": module(x)}


def _running(module, batches):
    outputs = [module(batch) for batch in batches]
    return {"last output": outputs[-1], **_statistics(module)}


def _counted(module, batches):
    first, second, third, fourth = batches
    outputs = [module(first), module(second), module.eval()(third), module.train()(fourth)]
    return {"output": outputs[0], "num_batches_tracked": int(_of(module, "num_batches_tracked"))}


def _alone_and_together(module, x):
    module.eval()
    return {"four pictures": module(x), "the first alone": module(x[:1]), "the others, brighter": module(x[1:] + 5)}


def _evaluated(module, x):
    module.eval()
    return {"output": module(x), **_statistics(module)}


def _without_gradients(module, x):
    with torch.no_grad():
        trained = module(x)
    moved = {name: _copied(value) for name, value in _statistics(module).items()}
    return {"training output": trained, **moved, "evaluation output": module.eval()(x)}


def _both_modes(module, x):
    module.eval()
    evaluated = module(x)
    return {"in evaluation": evaluated, "in training": module.train()(x)}


def _furnished(module, x):
    nothing = {f"{name} is None": _of(module, name) is None for name in _NAMES}
    outputs = {"first batch": module(x), "second batch": module(x * 2 + 1), "in evaluation": module.eval()(x * 3 - 1)}
    return {**nothing, "state dict": ", ".join(sorted(module.state_dict())), **outputs}


def _both_ways(impl, draw):
    donor, heir, module = draw.fill_(nn.BatchNorm2d(3)), nn.BatchNorm2d(3), impl(3)
    names = sorted(module.state_dict())
    if names != sorted(_NAMES):
        raise ValueError(f"the names in its state dict are {', '.join(names)}")
    module.load_state_dict(donor.state_dict())
    output = module(_lively(draw, 2, 3, 4, 4))
    heir.load_state_dict(module.state_dict())
    return {"parameters": ", ".join(sorted(name for name, _ in module.named_parameters())),
            "buffers": ", ".join(sorted(name for name, _ in module.named_buffers())),
            "with PyTorch's state": output, "given back": heir.state_dict()}


def _graphs(module, x):
    leaf = x.requires_grad_()
    outputs = [module(leaf), module(leaf * 2)]
    remembered = {f"{name}.requires_grad": value.requires_grad for name, value in _statistics(module).items()}
    return {"output": outputs[1], **remembered}


def _doubled(module, x):
    grad_x, = gradients(module, x)
    grads = {f"gradient of {name}": _of(module, name).grad for name in ("weight", "bias")}
    for name, grad in grads.items():
        if grad is None:
            raise RuntimeError(f"there is no {name}: it takes no part in the output, or it is no parameter")
    return {"gradient of x": grad_x, **grads, **_statistics(module)}


def _ten_steps(impl, draw):
    x, y = _lively(draw, 12, 1, 6, 6), draw.integers(0, 3, 12)
    net = draw.fill_(nn.Sequential(nn.Conv2d(1, 4, 3), impl(4, eps=0.01), nn.ReLU(),
                                   nn.Conv2d(4, 4, 3), impl(4, eps=0.01), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return {"output": net.eval()(x), "state dict": net.state_dict()}


class _Base(nn.Module):
    """A right BatchNorm2d in small methods, for the mistakes to be made one at a time."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.furnish()

    def furnish(self):
        count = self.num_features
        self.register_parameter("weight", nn.Parameter(torch.ones(count)) if self.affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(count)) if self.affine else None)
        tracks = self.track_running_stats
        self.register_buffer("running_mean", torch.zeros(count) if tracks else None)
        self.register_buffer("running_var", torch.ones(count) if tracks else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracks else None)

    def uses_the_batch(self):
        return self.training or not self.track_running_stats

    def moves_the_statistics(self):
        return self.training and self.track_running_stats

    def share(self):
        return 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum

    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())

    def statistics(self, x):
        if self.uses_the_batch():
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            return mean, var
        return self.running_mean, self.running_var

    def root(self, var):
        return torch.sqrt(var + self.eps)

    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        x = (x - mean[:, None, None]) / self.root(var)[:, None, None]
        return x if self.weight is None else x * self.weight[:, None, None] + self.bias[:, None, None]


@BatchNorm2d.misconception("The running variance was fed the variance divided by n. The batch is a sample of what "
                           "evaluation will see, so the running variance takes the unbiased one, divided by n − 1.")
class FeedsTheBiasedVariance(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("Momentum the other way round: you kept a tenth of the old value and took nine tenths of "
                           "the new. Here `momentum` is the share of the NEW batch.")
class TurnsMomentumRound(_Base):
    def share(self):
        return 1 / int(self.num_batches_tracked) if self.momentum is None else 1 - self.momentum


@BatchNorm2d.misconception("The batch's variance is computed as E[x²] − E[x]². Far from zero float32 has no digits "
                           "left for the difference: square the distances from the mean.")
class SubtractsLargeSquares(_Base):
    def statistics(self, x):
        mean, var = super().statistics(x)
        if self.uses_the_batch():
            mean = x.mean((0, 2, 3))
            var = ((x**2).mean((0, 2, 3)) - mean**2).clamp_min(0)
        return mean, var


@BatchNorm2d.misconception("`eps` stands outside the root: √var + eps. It belongs inside: √(var + eps).")
class PutsEpsOutside(_Base):
    def root(self, var):
        return torch.sqrt(var) + self.eps


@BatchNorm2d.misconception("The running statistics are plain attributes, not buffers. They are not saved, and "
                           "`.double()` and `.to(device)` leave them behind: see `register_buffer`.")
class KeepsPlainAttributes(_Base):
    def furnish(self):
        count = self.num_features
        self.weight = nn.Parameter(torch.ones(count)) if self.affine else None
        self.bias = nn.Parameter(torch.zeros(count)) if self.affine else None
        tracks = self.track_running_stats
        self.running_mean = torch.zeros(count) if tracks else None
        self.running_var = torch.ones(count) if tracks else None
        self.num_batches_tracked = torch.tensor(0) if tracks else None


@BatchNorm2d.misconception("γ and β have names of their own here. The task calls them `weight` and `bias`, as PyTorch "
                           "does: under other names no state dict fits.")
class CallsThemGammaAndBeta(_Base):
    def furnish(self):
        super().furnish()
        del self.weight, self.bias
        self.gamma = nn.Parameter(torch.ones(self.num_features)) if self.affine else None
        self.beta = nn.Parameter(torch.zeros(self.num_features)) if self.affine else None

    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        x = (x - mean[:, None, None]) / self.root(var)[:, None, None]
        return x if self.gamma is None else x * self.gamma[:, None, None] + self.beta[:, None, None]


@BatchNorm2d.misconception("`weight` and `bias` are buffers. No optimiser will find them and they never learn: what "
                           "is to be trained is an `nn.Parameter`.")
class MakesTheWeightsBuffers(_Base):
    def furnish(self):
        super().furnish()
        if self.affine:
            del self.weight, self.bias
            self.register_buffer("weight", torch.ones(self.num_features))
            self.register_buffer("bias", torch.zeros(self.num_features))


@BatchNorm2d.misconception("The statistics are parameters. An optimiser would then be given them to train, and weight "
                           "decay would shrink them: they are buffers.")
class MakesThemParameters(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            mean, var = self.running_mean, self.running_var
            del self.running_mean, self.running_var
            self.running_mean = nn.Parameter(mean, requires_grad=False)
            self.running_var = nn.Parameter(var, requires_grad=False)


@BatchNorm2d.misconception("The running statistics carry the graph of every batch they have seen, and memory grows "
                           "with each step. Update them without gradients.")
class KeepsTheGraph(_Base):
    def update(self, x):
        self.num_batches_tracked += 1
        var, mean = torch.var_mean(x, (0, 2, 3))
        share = self.share()
        self.running_mean = (1 - share) * self.running_mean + share * mean
        self.running_var = (1 - share) * self.running_var + share * var


@BatchNorm2d.misconception("You asked whether gradients are recorded. That is another switch: one may evaluate with "
                           "gradients, and run training batches without. Ask `self.training`.")
class AsksTheGradMode(_Base):
    def uses_the_batch(self):
        return torch.is_grad_enabled() or not self.track_running_stats

    def moves_the_statistics(self):
        return torch.is_grad_enabled() and self.track_running_stats


@BatchNorm2d.misconception("`affine=False` was ignored: `weight` and `bias` are there all the same.")
class IgnoresAffine(_Base):
    def furnish(self):
        self.affine = True
        super().furnish()


@BatchNorm2d.misconception("`affine=False` leaves the weights out of the arithmetic, but they are still parameters: "
                           "they would be saved, and shown to the optimiser. Let them be None.")
class AffineOnlyInForward(_Base):
    def furnish(self):
        self.multiplies, self.affine = self.affine, True
        super().furnish()

    def forward(self, x):
        weight, bias = self._parameters["weight"], self._parameters["bias"]
        out = super().forward(x)
        return out if self.multiplies else (out - bias[:, None, None]) / weight[:, None, None]


@BatchNorm2d.misconception("In evaluation mode you still normalise with the batch's own statistics. A picture's "
                           "result then depends on its neighbours, and a batch of one pixel becomes all zeros.")
class EvaluatesWithTheBatch(_Base):
    def uses_the_batch(self):
        return True


@BatchNorm2d.misconception("Evaluation moves the running statistics. Looking at the test pictures must change "
                           "nothing: update in training mode only.")
class MovesInEvaluation(_Base):
    def moves_the_statistics(self):
        return self.track_running_stats


@BatchNorm2d.misconception("In training mode you normalised with the running statistics. They lag behind, and no "
                           "gradient goes through them; training uses the batch's own.")
class TrainsWithTheRunning(_Base):
    def statistics(self, x):
        if not self.track_running_stats:
            return super().statistics(x)
        if self.training:
            self.update(x)
        return self.running_mean.clone(), self.running_var.clone()

    def moves_the_statistics(self):
        return False


@BatchNorm2d.misconception("`momentum=None` was taken for 0.1. It asks for the plain average over all batches: the "
                           "k-th batch has the share 1/k.")
class TakesNoneForTheDefault(_Base):
    def share(self):
        return 0.1 if self.momentum is None else self.momentum


@BatchNorm2d.misconception("You computed with `momentum` although it may be None: None is no number. Then the share "
                           "is one over the number of batches so far.")
class ComputesWithNone(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.mul_(1 - self.momentum).add_(mean * self.momentum)
            self.running_var.mul_(1 - self.momentum).add_(var * self.momentum)


@BatchNorm2d.misconception("`momentum=0` was taken for None (`if momentum:`, `momentum or …`). Zero is a share like "
                           "any other: nothing is learned. Ask `is None`.")
class TakesZeroForNone(_Base):
    def share(self):
        return self.momentum or 1 / int(self.num_batches_tracked)


@BatchNorm2d.misconception("`track_running_stats=False` was ignored: the statistics are kept and used all the same.")
class AlwaysTracks(_Base):
    def furnish(self):
        self.track_running_stats = True
        super().furnish()


@BatchNorm2d.misconception("With `track_running_stats=False` evaluation reaches for running statistics that are None. "
                           "Where there are none, the batch's own do the work in both modes.")
class ReachesForWhatIsNotThere(_Base):
    def uses_the_batch(self):
        return self.training


@BatchNorm2d.misconception("With `track_running_stats=False` evaluation normalises with mean 0 and variance 1, which "
                           "nobody has measured. Take the batch's own.")
class EvaluatesWithTheStart(_Base):
    def statistics(self, x):
        if self.training or self.track_running_stats:
            return super().statistics(x)
        return x.new_zeros(self.num_features), x.new_ones(self.num_features)

    def uses_the_batch(self):
        return self.training


@BatchNorm2d.misconception("`eps` is 1e-5 here, whatever was asked for when the layer was made.")
class KeepsItsOwnEps(_Base):
    def root(self, var):
        return torch.sqrt(var + 1e-5)


@BatchNorm2d.misconception("Without gradients your layer does not move its statistics. `torch.no_grad()` says nothing "
                           "of the mode: ask `self.training` alone.")
class RestsWithoutGradients(_Base):
    def moves_the_statistics(self):
        return super().moves_the_statistics() and torch.is_grad_enabled()


@BatchNorm2d.misconception("The first batch was taken over whole. Only with `momentum=None` does it count fully; "
                           "otherwise it, too, has the share `momentum`, and the start 0 and 1 the rest.")
class TakesTheFirstBatchWhole(_Base):
    def share(self):
        return 1.0 if self.num_batches_tracked == 1 else super().share()


@BatchNorm2d.misconception("`bias` is not added: your layer multiplies by `weight` and stops.")
class NeverAddsTheBias(_Base):
    def forward(self, x):
        return super().forward(x) if self.bias is None else super().forward(x) - self.bias.detach()[:, None, None]


@BatchNorm2d.misconception("`running_var` starts from zeros. Before the first batch eval mode then divides by √eps: "
                           "everything is 300 times too large. Start from ones.")
class StartsTheVarianceAtZero(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            self.running_var.zero_()


@BatchNorm2d.misconception("The training output was divided by the unbiased deviation (n − 1). Only the running "
                           "variance is unbiased; the batch itself is normalised with divisor n.")
class NormalisesWithNMinus1(_Base):
    def statistics(self, x):
        if self.uses_the_batch():
            var, mean = torch.var_mean(x, (0, 2, 3))
            return mean, var
        return self.running_mean, self.running_var


@BatchNorm2d.misconception("The running variance never moves; only the running mean does.")
class FreezesTheVariance(_Base):
    def update(self, x):
        self.num_batches_tracked += 1
        self.running_mean.lerp_(x.detach().mean((0, 2, 3)), self.share())


@BatchNorm2d.misconception("`running_var` collects standard deviations. It holds a variance: PyTorch takes the root "
                           "of it later.")
class RunsTheDeviation(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            std, mean = torch.std_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(std, self.share())


@BatchNorm2d.misconception("The batch's mean and variance were cut from the graph (`detach`, `no_grad`). Outputs are "
                           "right, gradients are not, and training drifts away from PyTorch's.")
class CutsTheStatistics(_Base):
    def statistics(self, x):
        return super().statistics(x.detach())


@BatchNorm2d.misconception("`num_batches_tracked` is missing. PyTorch saves it with the layer: without it the state "
                           "dicts do not fit each other.")
class HasNoCounter(_Base):
    def furnish(self):
        super().furnish()
        del self.num_batches_tracked
        self.seen = 0

    def share(self):
        return 1 / self.seen if self.momentum is None else self.momentum

    def update(self, x):
        self.seen += 1
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("`num_batches_tracked` is there but never counts.")
class NeverCounts(_Base):
    def furnish(self):
        super().furnish()
        self.seen = 0

    def share(self):
        return 1 / self.seen if self.momentum is None else self.momentum

    def update(self, x):
        self.seen += 1
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("In evaluation mode you left out `weight` and `bias`. They were learned; both modes use "
                           "them.")
class EvaluatesWithoutAffine(_Base):
    def forward(self, x):
        if self.training or not self.track_running_stats:
            return super().forward(x)
        return (x - self.running_mean[:, None, None]) / self.root(self.running_var)[:, None, None]


@BatchNorm2d.alternative
class InOnePiece(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.affine, self.track = eps, momentum, affine, track_running_stats
        if affine:
            self.weight, self.bias = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        else:
            self.register_parameter("weight", None)
            self.register_parameter("bias", None)
        for name, value in [("running_mean", torch.zeros(num_features)), ("running_var", torch.ones(num_features)),
                            ("num_batches_tracked", torch.zeros((), dtype=torch.long))]:
            self.register_buffer(name, value if track_running_stats else None)

    def forward(self, x):
        shape = (1, -1, 1, 1)
        if self.training or not self.track:
            mean = x.mean(dim=(0, 2, 3))
            var = ((x - mean.view(shape)) ** 2).mean(dim=(0, 2, 3))
            if self.track:
                n = x.numel() / x.size(1)
                self.num_batches_tracked.add_(1)
                factor = 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean = (1 - factor) * self.running_mean + factor * mean.detach()
                self.running_var = (1 - factor) * self.running_var + factor * var.detach() * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        out = (x - mean.view(shape)) * torch.rsqrt(var.view(shape) + self.eps)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out


@BatchNorm2d.alternative
class OnTopOfPyTorchs(nn.BatchNorm2d):
    def forward(self, x):
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            share = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
            samples = x.detach().transpose(0, 1).flatten(1)
            self.running_mean += share * (samples.mean(1) - self.running_mean)
            self.running_var += share * (samples.var(1) - self.running_var)
        if self.training or self.running_mean is None:
            mean = x.mean((0, 2, 3), keepdim=True)
            var = (x - mean).square().mean((0, 2, 3), keepdim=True)
        else:
            mean, var = self.running_mean[None, :, None, None], self.running_var[None, :, None, None]
        out = (x - mean) / torch.sqrt(var + self.eps)
        return out if self.weight is None else out * self.weight[None, :, None, None] + self.bias[None, :, None, None]


@BatchNorm2d.alternative
class InSmallMethods(_Base):
    pass


@BatchNorm2d.alternative
class AsScaleAndShift(_Base):
    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        scale = 1 / self.root(var) if self.weight is None else self.weight / self.root(var)
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return torch.einsum("nchw,c->nchw", x, scale) + shift.reshape(-1, 1, 1)


BatchNorm2d.equivalent(
    "share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum -> "
    "share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum",
    "A tensor of one number divides and multiplies as the number in it does.")


# ---------------------------------------------------------------- layer_norm


def _layer_norm(x, weight, bias, eps=1e-5):
    return F.layer_norm(x, weight.shape, weight, bias, eps)


@exercise(points=8, reference=_layer_norm, bans=ops.NORM)
def layer_norm(impl, draw):
    yield aspect("vectors", "For (N, D) and a weight of shape (D,), every row is normalised on its own.",
                 lambda: impl(10 * draw.normal(4, 6) + draw.normal(4, 1), torch.ones(6), torch.zeros(6)))
    yield aspect("tokens", "For (N, L, D) and a weight of shape (D,), every position of every example is.",
                 lambda: impl(10 * draw.normal(2, 4, 5) + draw.normal(2, 4, 1), *_affine(draw, 5)))
    yield aspect("images", "For (N, C, H, W) and a weight of shape (C, H, W), every picture is normalised as a whole, "
                 "and each of its numbers has a weight and a bias of its own.",
                 lambda: impl(draw.normal(3, 2, 4, 3) + draw.normal(3, 1, 1, 1), *_affine(draw, 2, 4, 3)))
    yield aspect("trailing axes", "In general the last `weight.ndim` axes are averaged, as many as `weight` has.",
                 lambda: {f"x of {len(shape)} axes, weight of {count}": _trailing_case(impl, draw, shape, count)
                          for shape, count in [((3, 3, 3, 3), 2), ((2, 3, 4), 2), ((2, 3, 2, 5), 1),
                                               ((4, 2, 3, 2), 3)]})
    yield aspect("divisor", "The variance is divided by the number of averaged values, not by one less.",
                 lambda: impl(_apart(10 * draw.normal(4, 3), 1), *_affine(draw, 3)))
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised to a thousandth here, too.",
                 lambda: impl(1000 + draw.normal(16, 12), *_affine(draw, 12)), rtol=2e-3, atol=2e-3)
    yield aspect("eps", "`eps` stands inside the root, as before.",
                 lambda: {"eps=0.5": impl(draw.normal(3, 5), *_affine(draw, 5), 0.5),
                          "eps left to you": impl(0.003 * draw.normal(3, 5), *_affine(draw, 5))})
    yield habits("Nothing given is changed; float64 in gives float64 out; gradients flow through all of it.", impl,
                 lambda: (draw.normal(3, 2, 5), *_affine(draw, 5)))


def _trailing_case(impl, draw, shape, count):
    x = 10 * draw.normal(*shape) + draw.normal(*shape[:-count], *[1] * count)
    return impl(x, *_affine(draw, *shape[-count:]))


def _trailing(x, weight):
    return list(range(x.ndim - weight.ndim, x.ndim))


@layer_norm.misconception("The variance is computed as E[x²] − E[x]²: a small difference of large numbers, which "
                          "float32 cannot hold. Square the distances from the mean.")
def subtracts_large_squares(x, weight, bias, eps=1e-5):
    axes = _trailing(x, weight)
    mean = x.mean(axes, keepdim=True)
    var = ((x**2).mean(axes, keepdim=True) - mean**2).clamp_min(0)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You averaged over the batch. Layer norm never looks at another example: it averages the "
                          "trailing axes of each one.")
def averages_over_examples(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, 0, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You always averaged the last axis alone. `weight` says how many axes there are: one for "
                          "(D,), three for (C, H, W).")
def averages_the_last_axis(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You always averaged everything but the batch axis. `weight` says which axes: with a weight "
                          "of shape (D,), the positions of (N, L, D) stay apart.")
def averages_all_but_the_batch(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, list(range(1, x.ndim)), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You chose the axes by the shape of x: three for pictures, one for the rest. The weight's "
                          "shape decides, for every x.")
def chooses_by_the_shape_of_x(x, weight, bias, eps=1e-5):
    axes = (-3, -2, -1) if x.ndim == 4 else (-1,)
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You took care of weights with one axis and with three. Two, or four, are just as possible: "
                          "count them.")
def knows_one_and_three(x, weight, bias, eps=1e-5):
    axes = (-3, -2, -1) if weight.ndim == 3 else (-1,)
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You averaged the FIRST axes, as many as `weight` has. Count from behind: the first axis "
                          "holds the examples.")
def counts_from_the_front(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, list(range(weight.ndim)), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You divided by the variance, not by its root.")
def divides_by_what_is_under_the_root(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps) * weight + bias


@layer_norm.misconception("`eps` is missing. A row of equal numbers would become 0/0.")
def goes_without_eps(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / var.sqrt() * weight + bias


@layer_norm.misconception("Something you were given was changed in place (`-=`, `div_`, …). Others still need it.")
def writes_into_x(x, weight, bias, eps=1e-5):
    x -= x.mean(_trailing(x, weight), keepdim=True)
    return x / (x.square().mean(_trailing(x, weight), keepdim=True) + eps).sqrt() * weight + bias


@layer_norm.misconception("You divided by one less than the number of values (torch's default for `var` and `std`). "
                          "Layer norm, too, divides by the number itself.")
def takes_the_unbiased_spread(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("`eps` was added to the deviation, after the root. It belongs under it.")
def adds_eps_to_the_deviation(x, weight, bias, eps=1e-5):
    std, mean = torch.std_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (std + eps) * weight + bias


@layer_norm.misconception("You divided by the root mean square without subtracting the mean: that is RMS norm. Layer "
                          "norm first moves the mean to zero.")
def leaves_the_mean(x, weight, bias, eps=1e-5):
    square = x.square().mean(_trailing(x, weight), keepdim=True)
    return x / (square + eps).sqrt() * weight + bias


@layer_norm.misconception("No gradient arrives at one of the tensors: on its way it left the graph (`detach`, "
                          "`.data`, `.item()`, NumPy).")
def cuts_the_learned_part_off(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight.detach() + bias.detach()


@layer_norm.misconception("You left out `weight` and `bias`: every normalised number has a scale and a shift to be "
                          "learned.")
def leaves_out_the_learned_part(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt()


@layer_norm.misconception("The statistics were taken outside the graph. Forward is right; backward misses the ways "
                          "through the mean and the variance.")
def takes_statistics_outside_the_graph(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x.detach(), _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("`eps` is 1e-5 here even when the caller gives another.")
def keeps_the_default_eps(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


@layer_norm.alternative
def flattened_from_behind(x, weight, bias, eps=1e-5):
    rows = x.reshape(-1, weight.numel())
    centred = rows - rows.mean(1, keepdim=True)
    scaled = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + eps)
    return (scaled * weight.reshape(-1) + bias.reshape(-1)).reshape(x.shape)


@layer_norm.alternative
def example_after_example(x, weight, bias, eps=1e-5):
    if x.ndim > weight.ndim:
        return torch.stack([example_after_example(part, weight, bias, eps) for part in x])
    centred = x - x.mean()
    return weight * centred / torch.sqrt((centred**2).mean() + eps) + bias


@layer_norm.alternative
def by_sums_in_float64(x, weight, bias, eps=1e-5):
    wide, count = x.double(), weight.numel()
    axes = tuple(-1 - axis for axis in range(weight.ndim))
    mean = wide.sum(axes, keepdim=True) / count
    var = (wide - mean).pow(2).sum(axes, keepdim=True) / count
    return torch.addcmul(bias.double(), (wide - mean) / (var + eps).sqrt(), weight.double()).to(x.dtype)


# ---------------------------------------------------------------- group_norm


def _group_norm(x, num_groups, weight, bias, eps=1e-5):
    return F.group_norm(x, num_groups, weight, bias, eps)


@exercise(points=9, reference=_group_norm, bans=ops.NORM)
def group_norm(impl, draw):
    yield aspect("groups", "Neighbouring channels form a group, C / `num_groups` of them, and each picture's group is "
                 "normalised over its channels and all positions.",
                 lambda: impl(_lively(draw, 3, 6, 2, 4), 2, torch.ones(6), torch.zeros(6)))
    yield aspect("weight and bias", "`weight` and `bias` have the shape (C,): one number a channel, not one a group.",
                 lambda: impl(_lively(draw, 2, 6, 3, 3), 3, *_affine(draw, 6)))
    yield aspect("one group", "One group is layer norm over the whole picture.",
                 lambda: impl(_lively(draw, 3, 4, 3, 2), 1, *_affine(draw, 4)))
    yield aspect("a group a channel", "C groups are instance norm: each channel of each picture on its own.",
                 lambda: impl(5 * _lively(draw, 3, 4, 4, 4), 4, *_affine(draw, 4)))
    yield aspect("vectors and sequences", "It takes (N, C), (N, C, L) and (N, C, H, W), also where x is not "
                 "contiguous: a transposed x, for one.",
                 lambda: {"(N, C)": impl(_apart(5 * draw.normal(3, 6), 1), 3, *_affine(draw, 6)),
                          "(N, C, L)": impl(10 * _lively(draw, 2, 4, 5), 2, *_affine(draw, 4)),
                          "(N, C, L), transposed": impl(10 * draw.normal(2, 5, 4).mT, 2, *_affine(draw, 4))})
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised to a thousandth, as ever.",
                 lambda: impl(1000 + draw.normal(8, 4, 4, 4), 2, *_affine(draw, 4)), rtol=2e-3, atol=2e-3)
    yield aspect("eps", "`eps` is added to the variance, which is divided by the number of values in the group.",
                 lambda: {"eps=0.5": impl(_lively(draw, 2, 4, 2, 1), 2, *_affine(draw, 4), 0.5),
                          "eps left to you": impl(0.003 * draw.normal(2, 4, 3, 3), 2, *_affine(draw, 4))})
    yield habits("What is given stays as it was; float64 stays float64; gradients flow through, statistics included.",
                 _Grouped(impl), lambda: (_lively(draw, 2, 4, 3, 3), *_affine(draw, 4)))


class _Grouped:
    """The answer with two groups, so that its tensors alone remain."""

    def __init__(self, impl):
        self.impl = impl

    def __call__(self, x, weight, bias):
        return self.impl(x, 2, weight, bias)


def _group_mean_and_var(x, num_groups, correction=0):
    groups = x.unflatten(1, (num_groups, -1))
    var, mean = torch.var_mean(groups, list(range(2, groups.ndim)), correction=correction, keepdim=True)
    return groups, mean, var


def _finish(groups, mean, root, x, weight, bias):
    return ((groups - mean) / root).reshape(x.shape) * _wide(weight, x) + _wide(bias, x)


@group_norm.misconception("A group's variance is computed as E[x²] − E[x]², where both are near a million at 1000 ± 1 "
                          "and float32 keeps seven digits. Square the distances from the mean.")
def subtracts_the_groups_large_squares(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, _ = _group_mean_and_var(x, num_groups)
    var = ((groups**2).mean(list(range(2, groups.ndim)), keepdim=True) - mean**2).clamp_min(0)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("Your groups take every second or third channel. A group is a block of neighbours: first "
                          "the groups' axis, then the channels within a group.")
def deals_the_channels_out(x, num_groups, weight, bias, eps=1e-5):
    groups = x.unflatten(1, (-1, num_groups))
    var, mean = torch.var_mean(groups, [1, *range(3, groups.ndim)], correction=0, keepdim=True)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("You took `num_groups` for the size of a group. It is how many groups there are.")
def takes_the_number_for_the_size(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, x.shape[1] // num_groups)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("You averaged over the batch as well. Group norm was made for tiny batches: it never looks "
                          "at another picture.")
def averages_over_the_batch_as_well(x, num_groups, weight, bias, eps=1e-5):
    groups = x.unflatten(1, (num_groups, -1))
    var, mean = torch.var_mean(groups, [0, *range(2, groups.ndim)], correction=0, keepdim=True)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("You averaged over the channels of a group but not over the positions: every pixel was "
                          "normalised on its own.")
def leaves_the_positions_apart(x, num_groups, weight, bias, eps=1e-5):
    groups = x.unflatten(1, (num_groups, -1))
    var, mean = torch.var_mean(groups, 2, correction=0, keepdim=True)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("Only the first weight and bias of each group were used. There is one a channel: apply them "
                          "after the groups have been put back together.")
def gives_a_group_one_weight(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    size = x.shape[1] // num_groups
    return _finish(groups, mean, (var + eps).sqrt(), x, weight[::size].repeat_interleave(size),
                   bias[::size].repeat_interleave(size))


@group_norm.misconception("One of the tensors got no gradient, because it left the graph (`detach`, `.data`, "
                          "`.item()`, NumPy).")
def takes_the_weights_as_numbers(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight.detach(), bias.detach())


@group_norm.misconception("You normalised and stopped: `weight` and `bias` are still to be applied, channel by "
                          "channel.")
def stops_after_normalising(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return ((groups - mean) / (var + eps).sqrt()).reshape(x.shape)


@group_norm.misconception("Your `eps` comes after the root. Add it to the variance, then take the root.")
def adds_eps_after_the_root(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, var.sqrt() + eps, x, weight, bias)


@group_norm.misconception("You used the unbiased variance. Every norm of this chapter divides by the number of values "
                          "it has averaged.")
def uses_the_unbiased_variance(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups, correction=1)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("Your groups ignore `num_groups`: each channel was normalised alone, which is instance "
                          "norm.")
def gives_every_channel_a_group(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, x.shape[1])
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("You normalised every picture as a whole, whatever `num_groups`: that is one group.")
def gives_a_picture_one_group(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, 1)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("`weight` and `bias` met the last axis. They belong to the channels: give their shape as "
                          "many ones as x has axes after them.")
def weighs_the_positions(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return ((groups - mean) / (var + eps).sqrt()).reshape(x.shape) * weight + bias


@group_norm.misconception("The variance under the root lacks `eps`. A group of equal numbers would become NaN.")
def groups_without_eps(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, var.sqrt(), x, weight, bias)


@group_norm.misconception("You set `eps` to 1e-5, whatever the caller asked for.")
def groups_with_the_default_eps(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, (var + 1e-5).sqrt(), x, weight, bias)


@group_norm.misconception("You scaled and shifted before you normalised. That undoes what `weight` and `bias` are "
                          "for: they come last.")
def scales_before_it_normalises(x, num_groups, weight, bias, eps=1e-5):
    x = x * _wide(weight, x) + _wide(bias, x)
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return ((groups - mean) / (var + eps).sqrt()).reshape(x.shape)


@group_norm.misconception("`view` needs neighbours in memory, and a transposed x has none. Another function does the "
                          "same and copies where it must.")
def insists_on_views(x, num_groups, weight, bias, eps=1e-5):
    groups = x.view(x.shape[0], num_groups, -1)
    var, mean = torch.var_mean(groups, 2, correction=0, keepdim=True)
    return ((groups - mean) / (var + eps).sqrt()).view(x.shape) * _wide(weight, x) + _wide(bias, x)


@group_norm.misconception("You normalised in place: x, or a view of it, was overwritten.")
def overwrites_the_groups(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    groups -= mean
    groups /= (var + eps).sqrt()
    return groups.reshape(x.shape) * _wide(weight, x) + _wide(bias, x)


@group_norm.misconception("The mean and the variance of the groups are cut from the graph: outputs are right, "
                          "gradients are wrong.")
def cuts_the_groups_from_the_graph(x, num_groups, weight, bias, eps=1e-5):
    _, mean, var = _group_mean_and_var(x.detach(), num_groups)
    return _finish(x.unflatten(1, (num_groups, -1)), mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.alternative
def one_row_a_group(x, num_groups, weight, bias, eps=1e-5):
    rows = x.reshape(len(x) * num_groups, -1)
    centred = rows - rows.mean(1, keepdim=True)
    rows = centred * torch.rsqrt(centred.square().mean(1, keepdim=True) + eps)
    return torch.einsum("nc...,c->nc...", rows.reshape(x.shape), weight) + _wide(bias, x)


@group_norm.alternative
def chunk_after_chunk(x, num_groups, weight, bias, eps=1e-5):
    done = []
    for chunk in x.chunk(num_groups, dim=1):
        axes = tuple(range(1, x.ndim))
        mean = chunk.mean(axes, keepdim=True)
        var = ((chunk - mean) ** 2).mean(axes, keepdim=True)
        done.append((chunk - mean) / torch.sqrt(var + eps))
    return torch.cat(done, 1) * _wide(weight, x) + _wide(bias, x)


@group_norm.alternative
def picture_by_picture(x, num_groups, weight, bias, eps=1e-5):
    size = x.shape[1] // num_groups
    out = []
    for picture in x.double():
        channels = []
        for channel in range(len(picture)):
            start = channel // size * size
            group = picture[start:start + size]
            deviation = (group.var(correction=0) + eps).sqrt()
            channels.append((picture[channel] - group.mean()) / deviation * weight[channel] + bias[channel])
        out.append(torch.stack(channels))
    return torch.stack(out).to(x.dtype)


# ---------------------------------------------------------------- fold_batch_norm


def _fold_batch_norm(conv, bn):
    folded = copy.deepcopy(conv)
    folded.weight, folded.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return folded


@exercise(points=10, reference=_fold_batch_norm)
def fold_batch_norm(impl, draw):
    yield aspect("with a bias", "For every x the new layer gives what `bn(conv(x))` gives in evaluation mode.",
                 lambda: _folded(impl, draw, nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))
    yield aspect("as many in as out", "The scale belongs to the output channels, also where there are as many going "
                 "in.",
                 lambda: _folded(impl, draw, nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)))
    yield aspect("without a bias", "A convolution without a bias gets one.",
                 lambda: _folded(impl, draw, nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)))
    yield aspect("geometry", "Channels, kernel size, stride, padding, dilation, groups and padding mode are those of "
                 "`conv`.",
                 lambda: {"oblong": _folded(impl, draw, nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2),
                                                                  dilation=(1, 2)), nn.BatchNorm2d(3)),
                          "reflecting": _folded(impl, draw, nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
                                                nn.BatchNorm2d(3))})
    yield aspect("groups", "It works for grouped and depthwise convolutions.",
                 lambda: {"two groups": _folded(impl, draw, nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
                          "depthwise": _folded(impl, draw, nn.Conv2d(3, 3, 3, groups=3, bias=False),
                                               nn.BatchNorm2d(3))})
    yield aspect("not affine", "A `bn` with `affine=False` counts as γ = 1, β = 0.",
                 lambda: _folded(impl, draw, nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, affine=False)))
    yield aspect("eps", "`eps` is that of `bn`, inside the root.",
                 lambda: {"eps=0.5": _folded(impl, draw, nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=0.5)),
                          "quiet channels": _folded(impl, draw, nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), quiet=1e-5)})
    yield aspect("training mode", "Fold the running statistics also while `bn` is in training mode; the mode stays.",
                 lambda: _folded_while_training(impl, draw))
    yield aspect("inputs left alone", "`conv` and `bn` stay as they were, and share no memory with the new layer.",
                 lambda: _folded_apart(impl, draw))
    yield aspect("parameters", "The result is an `nn.Conv2d`; its `weight` and `bias` are `nn.Parameter`s without a "
                 "graph, of the dtype of `conv`.", lambda: _folded_double(impl, draw))


def _convolution(folded):
    """What was returned, if it is a convolution."""
    if not isinstance(folded, nn.Conv2d):
        given = "None (is a `return` missing?)" if folded is None else "something else"
        raise ValueError(f"the task asks for one nn.Conv2d; this is {given}")
    return folded


def _folded(impl, draw, conv, bn, quiet=1.0):
    draw.fill_(bn).eval().running_var.mul_(quiet)
    folded, x = _convolution(impl(draw.fill_(conv), bn)), draw.normal(2, conv.in_channels, 6, 7)
    same = _geometry(folded) == _geometry(conv) and folded.weight.dtype == conv.weight.dtype
    return {"nothing but an nn.Conv2d": type(folded) is nn.Conv2d, **_geometry(folded),
            "has a bias": folded.bias is not None, "weight": folded.weight, "output": folded(x) if same else x}


def _geometry(conv):
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    return {name: getattr(conv, name) for name in names}


def _folded_while_training(impl, draw):
    seen = {}
    for training in (True, False):
        conv, bn = draw.fill_(nn.Conv2d(2, 3, 3)), draw.fill_(nn.BatchNorm2d(3)).train(training)
        folded = _convolution(impl(conv, bn))
        seen["bn in training mode" if training else "bn in evaluation mode"] = {
            "output": folded(draw.normal(2, 2, 5, 5)), "bn.training": bn.training, "conv.training": conv.training,
            "running_mean": bn.running_mean, "running_var": bn.running_var}
    return seen


def _folded_apart(impl, draw):
    conv, bn = draw.fill_(nn.Conv2d(2, 3, 3)), draw.fill_(nn.BatchNorm2d(3)).eval()
    folded = _convolution(impl(conv, bn))
    output = folded(draw.normal(2, 2, 5, 5))
    kept = {name: {part: tensor.clone() for part, tensor in layer.state_dict().items()}
            for name, layer in [("conv", conv), ("bn", bn)]}
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.zero_()
    return {"output": output, **kept, "conv, the new layer set to zero": conv.state_dict(),
            "bn, the new layer set to zero": bn.state_dict()}


def _folded_double(impl, draw):
    conv, bn = draw.fill_(nn.Conv2d(2, 3, 3).double()), draw.fill_(nn.BatchNorm2d(3).double()).eval()
    folded = _convolution(impl(conv, bn))
    parameters = {name: getattr(folded, name) for name in ("weight", "bias")}
    facts = {f"{name} is a parameter, without a graph": isinstance(value, nn.Parameter) and value.is_leaf
             for name, value in parameters.items()}
    right = all(value is not None and value.dtype == torch.float64 for value in parameters.values())
    x = draw.normal(1, 2, 4, 4).double()
    return {"nothing but an nn.Conv2d": type(folded) is nn.Conv2d, **facts, **parameters,
            "output": folded(x) if right else x}


def _assembled(conv, weight, bias):
    """A convolution like `conv` with another weight and bias."""
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
                       conv.groups, True, conv.padding_mode, dtype=conv.weight.dtype)
    with torch.no_grad():
        folded.weight.copy_(weight)
        folded.bias.copy_(bias)
    return folded


def _gamma_beta(bn):
    ones = torch.ones_like(bn.running_mean)
    return (ones, 0 * ones) if bn.weight is None else (bn.weight, bn.bias)


def _bias_of(conv):
    return torch.zeros_like(conv.weight[:, 0, 0, 0]) if conv.bias is None else conv.bias


def _tall(vector):
    return vector[:, None, None, None]


@fold_batch_norm.misconception("The convolution's own bias is lost. BatchNorm subtracts its mean from conv(x), bias "
                               "included: b must take part in the new bias.")
def forgets_the_bias(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta - bn.running_mean * scale)


@fold_batch_norm.misconception("The convolution's bias was added without being scaled. It passes through BatchNorm "
                               "like everything else: it is shifted by the mean and scaled.")
def adds_the_bias_unscaled(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta - bn.running_mean * scale + _bias_of(conv))


@fold_batch_norm.misconception("`eps` is missing under the root. With eps = 1e-5 the difference hides; it is there "
                               "all the same, and large where a channel's variance is small.")
def forgets_eps(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / bn.running_var.sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You assumed eps = 1e-5. Read it from the layer: `bn.eps`.")
def assumes_eps(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + 1e-5).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("`eps` was added after the root. Fold exactly what BatchNorm does: √(var + eps).")
def folds_eps_outside(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var.sqrt() + bn.eps)
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You divided by the running variance. BatchNorm divides by its root.")
def folds_without_the_root(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps)
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You scaled the input channels (axis 1 of the weight). BatchNorm comes after the "
                               "convolution: it scales what comes out, axis 0.")
def scales_the_input_channels(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * scale[:, None, None], beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("γ is missing: the scale is γ/√(var + eps), not 1/√(var + eps).")
def forgets_gamma(conv, bn):
    _, beta = _gamma_beta(bn)
    scale = 1 / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("The running mean is missing. BatchNorm subtracts μ before it scales, so −μ, scaled, "
                               "must be in the new bias.")
def forgets_the_mean_of_the_bn(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + _bias_of(conv) * scale)


@fold_batch_norm.misconception("Where the convolution has no bias, the new layer has none either. −μ and β must go "
                               "somewhere: give it one.")
def keeps_a_layer_without_bias(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    if conv.bias is not None:
        return _assembled(conv, conv.weight * _tall(scale), beta + (conv.bias - bn.running_mean) * scale)
    folded = copy.deepcopy(conv)
    folded.weight = nn.Parameter((conv.weight * _tall(scale)).detach())
    return folded


@fold_batch_norm.misconception("You set `weight` with its graph still on it, not as an `nn.Parameter` of its own: it "
                               "hangs on the old layers and no optimiser sees it.")
def leaves_the_graph_on(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    folded = _assembled(conv, conv.weight, beta + (_bias_of(conv) - bn.running_mean) * scale)
    del folded.weight
    folded.weight = conv.weight * _tall(scale)
    return folded


@fold_batch_norm.misconception("β is missing: what BatchNorm adds at its end must be in the new bias.")
def forgets_beta(conv, bn):
    gamma, _ = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You computed with the bias of a convolution that has none: `conv.bias` is None. Count "
                               "it as zero.")
def needs_a_bias(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (conv.bias - bn.running_mean) * scale)


@fold_batch_norm.misconception("You computed with γ and β of a BatchNorm that is not affine: its `weight` and `bias` "
                               "are None. Count them as 1 and 0.")
def needs_gamma_and_beta(conv, bn):
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), bn.bias + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("The new layer was built from the channels and the kernel size alone. Stride, padding, "
                               "dilation, groups and padding mode belong to the convolution, too.")
def forgets_the_geometry(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, dtype=conv.weight.dtype)
    with torch.no_grad():
        folded.weight.copy_(conv.weight * _tall(scale))
        folded.bias.copy_(beta + (_bias_of(conv) - bn.running_mean) * scale)
    return folded


@fold_batch_norm.misconception("You folded into `conv` itself. The net that still uses it, followed by its BatchNorm, "
                               "now normalises twice: build a new layer.")
def folds_into_the_given(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    with torch.no_grad():
        bias = beta + (_bias_of(conv) - bn.running_mean) * scale
        conv.weight.mul_(_tall(scale))
        conv.bias = nn.Parameter(bias)
    return conv


@fold_batch_norm.misconception("You put `bn` into evaluation mode and left it there. The caller's training goes on "
                               "without batch statistics, and nobody notices.")
def leaves_it_in_evaluation(conv, bn):
    bn.eval()
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You switched `bn` to training mode at the end, although it may have come in "
                               "evaluation mode. Fold from its attributes, and no switching is needed.")
def always_switches_back_to_training(conv, bn):
    bn.eval()
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    bn.train()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.alternative
def with_a_deep_copy(conv, bn):
    folded = copy.deepcopy(conv)
    gamma, beta = _gamma_beta(bn)
    scale = (gamma / torch.sqrt(bn.running_var + bn.eps)).detach()
    folded.weight.data.mul_(scale.reshape(-1, 1, 1, 1))
    folded.bias = nn.Parameter((_bias_of(conv) - bn.running_mean).detach() * scale + beta.detach())
    return folded


@fold_batch_norm.alternative
def with_einsum(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma * torch.rsqrt(bn.running_var + bn.eps)
    weight = torch.einsum("oikl,o->oikl", conv.weight, scale)
    return _assembled(conv, weight, torch.addcmul(beta, _bias_of(conv) - bn.running_mean, scale))


@fold_batch_norm.alternative
def by_what_bn_does_to_zero_and_one(conv, bn):
    twin = copy.deepcopy(bn).eval()
    with torch.no_grad():
        shift = twin(torch.zeros(1, conv.out_channels, 1, 1, dtype=conv.weight.dtype)).flatten()
        scale = twin(torch.ones(1, conv.out_channels, 1, 1, dtype=conv.weight.dtype)).flatten() - shift
        return _assembled(conv, conv.weight * scale.reshape(-1, 1, 1, 1), shift + _bias_of(conv) * scale)
