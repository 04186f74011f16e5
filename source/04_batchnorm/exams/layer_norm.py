"""How `layer_norm` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _affine, _apart


def _layer_norm(x, weight, bias, eps=1e-5):
    return F.layer_norm(x, weight.shape, weight, bias, eps)


@exercise(points=8, reference=_layer_norm, bans=ops.NORM)
def layer_norm(impl, draw):
    close = {"rtol": 2e-2, "atol": 0.1}  # with some hundred numbers a mean: "divisor" and others look closer
    yield aspect("vectors", "For (N, D) and a weight of shape (D,), every row is normalised on its own.",
                 lambda: impl(10 * draw.normal(4, 100) + draw.normal(4, 1), torch.ones(100), torch.zeros(100)), **close)
    yield aspect("tokens", "For (N, L, D) and a weight of shape (D,), every position of every example is.",
                 lambda: impl(10 * draw.normal(2, 3, 100) + draw.normal(2, 3, 1), *_affine(draw, 100)), **close)
    yield aspect("images", "For (N, C, H, W) and a weight of shape (C, H, W), every picture is normalised as a whole, "
                 "and each of its numbers has a weight and a bias of its own.",
                 lambda: impl(draw.normal(3, 2, 8, 7) + draw.normal(3, 1, 1, 1), *_affine(draw, 2, 8, 7)), **close)
    yield aspect("trailing axes", "In general the last `weight.ndim` axes are averaged, as many as `weight` has.",
                 lambda: {f"x of {len(shape)} axes, weight of {count}": _trailing_case(impl, draw, shape, count)
                          for shape, count in [((3, 3, 3, 3), 2), ((2, 3, 4), 2), ((2, 3, 2, 5), 1),
                                               ((4, 2, 3, 2), 3)]})
    yield aspect("divisor", "The variance is divided by the number of averaged values, not by one less.",
                 lambda: impl(_apart(10 * draw.normal(4, 3), 1), *_affine(draw, 3)))
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised to a thousandth here, too.",
                 lambda: impl(1000 + draw.normal(16, 400), *_affine(draw, 400)), rtol=5e-3, atol=2e-2)
    yield aspect("eps", "`eps` stands inside the root, as before.",
                 lambda: {"eps=0.5": impl(draw.normal(3, 100), *_affine(draw, 100), 0.5),
                          "eps left to you": impl(0.003 * draw.normal(3, 100), *_affine(draw, 100))}, **close)
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


@layer_norm.misconception("The shift went through the scale: γ (x̂ + β). First times `weight`, then plus `bias`.")
def scales_the_shift(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return ((x - mean) / (var + eps).sqrt() + bias) * weight


@layer_norm.misconception("`eps` was added after the division, where it keeps nothing from being 0/0. It belongs under "
                          "the root.")
def adds_eps_at_the_end(x, weight, bias, eps=1e-5):
    std, mean = torch.std_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return ((x - mean) / std + eps) * weight + bias


@layer_norm.misconception("`eps` is 1e-5 here even when the caller gives another.")
def keeps_the_default_eps(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


@layer_norm.misconception("`bias` is not added. After `weight` has multiplied comes the shift.")
def leaves_out_the_shift(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight


@layer_norm.misconception("You averaged as many axes as `weight` has, but from axis 1 on. They are the last ones: "
                          "between the examples and them there may be others.")
def counts_from_axis_1(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, list(range(1, weight.ndim + 1)), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You scaled and shifted before you normalised, which undoes what `weight` and `bias` are "
                          "for: they come last.")
def scales_before_it_normalises(x, weight, bias, eps=1e-5):
    x = x * weight + bias
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt()


@layer_norm.misconception("The spread is right, but the mean was never subtracted from x: only the division is there.")
def divides_without_centring(x, weight, bias, eps=1e-5):
    var = x.var(_trailing(x, weight), correction=0, keepdim=True)
    return x / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("`weight` does not multiply. Each normalised number is scaled by its γ before β is added.")
def leaves_out_the_scale(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() + bias


@layer_norm.misconception("There is one mean and one variance for all of x. Every example has its own: average the "
                          "trailing axes alone.")
def averages_all_of_x(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, correction=0)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("The averaged axes were dropped, and what is left of mean and variance meets x from the last "
                          "axis on, the wrong one. Keep them as axes of size 1.")
def drops_the_averaged_axes(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0)
    return (x - mean) / (var + eps).sqrt() * weight + bias


@layer_norm.misconception("You normalised along one trailing axis after another. One mean and one variance belong to "
                          "all of them together.")
def normalises_axis_after_axis(x, weight, bias, eps=1e-5):
    for axis in reversed(_trailing(x, weight)):
        var, mean = torch.var_mean(x, axis, correction=0, keepdim=True)
        x = (x - mean) / (var + eps).sqrt()
    return x * weight + bias


@layer_norm.misconception("The larger of variance and `eps` stands under your root. Their sum belongs there.")
def takes_the_larger(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _trailing(x, weight), correction=0, keepdim=True)
    return (x - mean) / var.clamp_min(eps).sqrt() * weight + bias


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
