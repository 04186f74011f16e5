"""How `global_avg_pool2d` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, but_for_scale, exercise, habits, in_any_order, ops

from .shared import _HOUSE_RULES


def _global_avg_pool2d(x):
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


@exercise(points=6, reference=_global_avg_pool2d, bans=ops.POOLING)
def global_avg_pool2d(impl, draw):
    yield aspect("values",
                 "Average each channel over all its pixels: (N, C, H, W) becomes (N, C).",
                 lambda: impl((draw.normal(2, 3, 6, 4) + 1).clamp_min(0)))
    yield aspect("any size",
                 "Height and width may be anything, one pixel included.",
                 lambda: [but_for_scale(in_any_order(impl(draw.normal(2, 3, height, width))))
                          for height, width in ((7, 7), (1, 5), (9, 2), (1, 1))], weight=2)
    yield aspect("single",
                 "A batch of one picture stays a batch, and a single channel stays a channel.",
                 lambda: [but_for_scale(impl(draw.normal(*shape)))
                          for shape in ((1, 4, 5, 3), (3, 1, 2, 6), (1, 1, 3, 3))])
    yield aspect("transposed",
                 "A transposed picture, whose rows do not lie side by side in memory, is averaged like any other.",
                 lambda: but_for_scale(in_any_order(impl(draw.normal(2, 3, 4, 5).mT))))
    yield habits(_HOUSE_RULES, impl, lambda: (draw.normal(2, 3, 5, 4),))


@global_avg_pool2d.misconception(
    "Two dimensions of size 1 are left over: yours is (N, C, 1, 1). A linear layer wants (N, C).")
def global_keeps_two_dimensions(x):
    return x.mean((2, 3), keepdim=True)


@global_avg_pool2d.misconception(
    "`squeeze()` drops every dimension of size 1, so a batch of one loses its batch dimension. Name the dimensions "
    "that should go.")
def global_squeezes(x):
    return x.mean((2, 3), keepdim=True).squeeze()


@global_avg_pool2d.misconception(
    "The channels were averaged together. Each of the C channels keeps an average of its own.")
def global_mixes_channels(x):
    return x.mean((1, 2, 3))


@global_avg_pool2d.misconception(
    "The pictures of the batch were averaged together. Each of the N pictures keeps averages of its own.")
def global_mixes_pictures(x):
    return x.mean((0, 2, 3))


@global_avg_pool2d.misconception(
    "The pixels were summed and never divided: a larger picture would give larger numbers.")
def global_sums(x):
    return x.sum((2, 3))


@global_avg_pool2d.misconception(
    "The sum was divided by H². The number of pixels is H·W; the two agree on square pictures alone.")
def global_divides_by_the_square(x):
    return x.sum((2, 3)) / x.shape[2] ** 2


@global_avg_pool2d.misconception(
    "The largest pixel of each channel was kept: that is global max pooling. The task asks for the mean.")
def global_takes_the_maximum(x):
    return x.amax((2, 3))


@global_avg_pool2d.misconception(
    "You averaged down the columns alone: one number a column is left, and the shape is (N, C, W). Both H and W must "
    "go.")
def global_averages_one_direction(x):
    return x.mean(2)


@global_avg_pool2d.misconception(
    "You averaged along the rows alone: one number a row is left, and the shape is (N, C, H). Average over the height,"
    " too.")
def global_averages_the_rows_alone(x):
    return x.mean(3)


@global_avg_pool2d.misconception(
    "The sum was divided by how many pixels are not zero. A black pixel is a pixel: it counts in a mean.")
def global_leaves_out_zeros(x):
    return x.sum((2, 3)) / (x != 0).sum((2, 3))


@global_avg_pool2d.misconception(
    "`view` cannot flatten a tensor whose numbers do not lie side by side in memory. `reshape` and `flatten` can, and"
    " a reduction over two dimensions needs neither.")
def global_needs_contiguous(x):
    return x.view(x.shape[0], x.shape[1], -1).mean(2)


@global_avg_pool2d.misconception(
    "The averages are right, but the graph back to `x` is cut: no gradient would reach the net in front. Look for "
    "`.detach()`, `.data`, `.item()` or torch.tensor(...).")
def global_cuts_the_graph(x):
    return x.detach().mean((2, 3))


@global_avg_pool2d.misconception(
    "The averages come out as float32 even where float64 went in. Leave the dtype as it comes.")
def global_in_float32(x):
    return x.float().mean((2, 3))


@global_avg_pool2d.misconception(
    "The sum was divided by W². The number of pixels is H·W; the two agree on square pictures alone.")
def global_divides_by_the_width_squared(x):
    return x.sum((2, 3)) / x.shape[3] ** 2


@global_avg_pool2d.misconception(
    "The sum was divided by how many numbers the whole batch has (`x.numel()`). One channel of one picture has H·W.")
def global_divides_by_everything(x):
    return x.sum((2, 3)) / x.numel()


@global_avg_pool2d.misconception(
    "You averaged over dimensions 1 and 2, channels and rows. Rows and columns are dimensions 2 and 3.")
def global_averages_channels_and_rows(x):
    return x.mean((1, 2))


@global_avg_pool2d.misconception(
    "You averaged over dimensions 0 and 1, pictures and channels. Rows and columns are dimensions 2 and 3.")
def global_averages_pictures_and_channels(x):
    return x.mean((0, 1))


@global_avg_pool2d.misconception(
    "The result is transposed: yours is (C, N), with the channels first.")
def global_puts_channels_first(x):
    return x.mean((2, 3)).T


@global_avg_pool2d.alternative
def global_by_flattening(x):
    return x.flatten(2).mean(-1)


@global_avg_pool2d.alternative
def global_by_einsum(x):
    return torch.einsum("nchw->nc", x) / (x.shape[2] * x.shape[3])


@global_avg_pool2d.alternative
def global_twice(x):
    return x.mean(-1).mean(-1)


@global_avg_pool2d.alternative
def global_picture_by_picture(x):
    return torch.stack([torch.stack([channel.double().mean().to(x.dtype) for channel in picture]) for picture in x])
