"""How `channel_stats` is examined."""

import torch

from convcraft.exam import aspect, exercise, habits

from .shared import _Naming


def _channel_stats(images):
    std, mean = torch.std_mean(images, (0, 2, 3), correction=0)
    return mean, std


@exercise(points=7, reference=_channel_stats)
def channel_stats(impl, draw):
    impl = _Naming(impl, "mean", "std")

    def numbers(images):
        """Their shape is one aspect's matter, and the habits'."""
        return {name: part.flatten() if isinstance(part, torch.Tensor) else part for name, part in impl(images).items()}

    close = {"rtol": 5e-3, "atol": 5e-3}  # the divisor is looked at by two aspects alone
    yield aspect("mean", "The mean of a channel is taken over all pictures, rows and columns together.",
                 lambda: numbers(draw.uniform(4, 3, 5, 6) + draw.normal(3, 1, 1))["mean"])
    yield aspect("std", "The standard deviation is the root of the mean squared distance from that mean: divide by n, "
                 "not by n − 1.",
                 lambda: numbers(draw.normal(2, 3, 2, 2) * draw.uniform(3, 1, 1, low=0.5, high=2))["std"])
    yield aspect("pictures that differ", "In a stack of a dark and a bright picture, the distance between the two "
                 "counts, too, not only the spread within each.",
                 lambda: numbers(draw.uniform(3, 2, 8, 9) + 5 * draw.normal(3, 2, 1, 1)), **close)
    yield aspect("one of each", "Both results have the shape (C,), also for one picture or one channel.",
                 lambda: {"one picture": impl(3 * draw.normal(1, 5, 11, 12)),
                          "one channel": impl(3 * draw.normal(5, 1, 6, 6))}, rtol=5e-2, atol=5e-2)
    yield aspect("far from zero", "Numbers far from zero, such as 1000 ± 1, keep a standard deviation that is right to "
                 "a thousandth.", lambda: numbers(1000 + draw.normal(6, 16, 10, 10)), rtol=1e-3, atol=1e-3)
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


@channel_stats.misconception("You averaged within each picture: the mean has a row a picture, (N, C). A channel's mean "
                             "runs over the pictures, too.")
def keeps_the_pictures_apart(images):
    std, mean = torch.std_mean(images, (2, 3), correction=0)
    return mean, std


@channel_stats.misconception("You counted on three channels. Grey pictures have one, the maps inside a net sixteen: "
                             "`images.shape[1]` says how many there are.")
def loops_over_three_channels(images):
    return (torch.stack([images[:, channel].mean() for channel in range(3)]),
            torch.stack([images[:, channel].std(correction=0) for channel in range(3)]))


@channel_stats.misconception("You returned lists of numbers. Two tensors were asked for, each of shape (C,).")
def returns_lists(images):
    return ([channel.mean().item() for channel in images.unbind(1)],
            [channel.std(correction=0).item() for channel in images.unbind(1)])


@channel_stats.misconception("You returned (std, mean). The task asks for the mean first.")
def swaps_the_results(images):
    return torch.std_mean(images, (0, 2, 3), correction=0)


@channel_stats.misconception("You subtracted the mean in place: the caller's pictures are changed for good.")
def centres_in_place(images):
    mean = images.mean((0, 2, 3))
    images -= mean[:, None, None]
    return mean, images.square().mean((0, 2, 3)).sqrt()


@channel_stats.misconception("`squeeze()` dropped the channels' axis where there is one channel: the results have the "
                             "shape (). Name the axes that should go.")
def squeezes_the_channel_away(images):
    std, mean = torch.std_mean(images, (0, 2, 3), correction=0, keepdim=True)
    return mean.squeeze(), std.squeeze()


@channel_stats.misconception("There is one mean and one deviation for all channels together. Each channel has its own: "
                             "leave axis 1 standing.")
def measures_all_channels_together(images):
    return images.mean(), images.std(correction=0)


@channel_stats.misconception("You added a small number to the variance or to the deviation, as BatchNorm does before "
                             "it divides. Here nothing is divided: the root of the mean square is the answer as it "
                             "is.")
def adds_an_epsilon(images):
    var, mean = torch.var_mean(images, (0, 2, 3), correction=0)
    return mean, (var + 1e-5).sqrt()


@channel_stats.misconception("The squared distances were summed and never divided: the standard deviation is the root "
                             "of their mean, not of their sum.")
def sums_the_squares(images):
    mean = images.mean((0, 2, 3))
    return mean, (images - mean[:, None, None]).square().sum((0, 2, 3)).sqrt()


@channel_stats.misconception("The sum of the squares was divided by N, the number of pictures. Every pixel counts: n "
                             "is N·H·W.")
def divides_by_the_pictures(images):
    mean = images.mean((0, 2, 3))
    return mean, ((images - mean[:, None, None]).square().sum((0, 2, 3)) / len(images)).sqrt()


@channel_stats.misconception("Only the first picture was measured. Mean and deviation are those of all pictures "
                             "together.")
def measures_the_first_picture(images):
    std, mean = torch.std_mean(images[0], (1, 2), correction=0)
    return mean, std


@channel_stats.misconception("n was counted as for square pictures, N · H · H. A picture has H rows and W columns: N · "
                             "H · W.")
def counts_on_squares(images):
    count = len(images) * images.shape[2] ** 2
    mean = images.sum((0, 2, 3)) / count
    return mean, ((images - mean[:, None, None]).square().sum((0, 2, 3)) / count).sqrt()


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
