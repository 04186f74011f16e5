"""How `batch_norm` is examined."""

import torch

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _affine, _apart, _batch_norm, _lively, _others, _wide


@exercise(points=12, reference=_batch_norm, bans=ops.NORM)
def batch_norm(impl, draw):
    close = {"rtol": 2e-2, "atol": 0.1}  # with some hundred numbers a channel: "divisor" and "habits" look closer
    yield aspect("images", "For images, the mean and the variance of channel c are taken over the batch and all "
                 "pixels, n = N·H·W numbers.", lambda: impl(_lively(draw, 6, 4, 5, 6), torch.ones(4), torch.zeros(4)),
                 **close)
    yield aspect("weight and bias", "Channel c is then multiplied by `weight[c]` and shifted by `bias[c]`, also where "
                 "the picture is as wide as it has channels.",
                 lambda: {"as wide as deep": impl(_lively(draw, 8, 4, 4, 4), *_affine(draw, 4)),
                          "five channels": impl(_lively(draw, 8, 5, 4, 3), *_affine(draw, 5))}, **close)
    yield aspect("vectors", "For (N, C) the average runs over the batch alone.",
                 lambda: impl(10 * _lively(draw, 100, 6), *_affine(draw, 6)), **close)
    yield aspect("sequences", "For (N, C, L) it runs over the batch and the L positions.",
                 lambda: impl(10 * _lively(draw, 12, 6, 8), *_affine(draw, 6)), **close)
    yield aspect("divisor", "The variance is divided by n, not by n − 1.",
                 lambda: impl(_apart(10 * _lively(draw, 2, 3, 1, 2)), *_affine(draw, 3)))
    yield aspect("eps", "`eps` stands inside the root; it is 1e-5 unless the caller gives another.",
                 lambda: {"eps=5": impl(_lively(draw, 6, 6, 4, 4), *_affine(draw, 6), 5.0),
                          "eps left to you": impl(draw.uniform(6, 1, 1, low=0.001, high=0.004)
                                                  * (draw.normal(6, 6, 4, 4) + draw.normal(6, 1, 1, 1)),
                                                  *_affine(draw, 6))}, **close)
    yield aspect("constant channel", "A constant channel becomes its `bias`, not NaN.",
                 lambda: impl((draw.normal(3, 1, 1) * 8).round().expand(2, 3, 4, 4) / 8, *_affine(draw, 3)), atol=1e-3)
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised as well as 0 ± 1, to a thousandth.",
                 lambda: impl(1000 + draw.normal(4, 8, 10, 10) + draw.normal(4, 1, 1, 1), *_affine(draw, 8)),
                 rtol=5e-3, atol=8e-3)
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


@batch_norm.misconception("What there is once a channel (mean, variance, `weight`, `bias`) met the last axis, where "
                          "broadcasting starts: give it the shape (1, C, 1, 1), and fewer ones where x has fewer axes.")
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


@batch_norm.misconception("You added `eps` after the division, to the normalised x. Under the root it keeps the "
                          "divisor from being 0; here it only moves everything by a hair.")
def adds_eps_to_the_quotient(x, weight, bias, eps=1e-5):
    std, mean = torch.std_mean(x, _others(x), correction=0, keepdim=True)
    return ((x - mean) / std + eps) * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You averaged over axis 1, the channels, so that every pixel is normalised on its own. "
                          "Axis 1 is the one axis that must stay.")
def averages_over_axis_1(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, 1, correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You named axes that only (N, C, H, W) has. A vector has no axis 2 and no axis 3: build the "
                          "list of axes from `x.ndim`.")
def names_the_axes_of_images(x, weight, bias, eps=1e-5):
    mean = x.mean((0, 2, 3), keepdim=True)
    var = ((x - mean) ** 2).mean((0, 2, 3), keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


@batch_norm.misconception("You took the larger of variance and `eps`. It is the sum that stands under the root.")
def takes_the_larger(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / var.clamp_min(eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You computed the variance as E[x²] − E[x]². At 1000 ± 1 this is a million minus a million: "
                          "float32 keeps seven digits, and hardly one is left. Square the distances from the mean.")
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


@batch_norm.misconception("Where x is (N, C, L) you averaged over the batch alone. The L positions of a channel "
                          "belong to the same mean: all axes but axis 1.")
def forgets_the_positions(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, 0 if x.ndim == 3 else _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("`weight` and `bias` have the shape (1, C, 1, 1) whatever x is: a vector comes back with "
                          "four axes, a sequence meets them at the wrong one. As many ones as x has axes after the "
                          "channels.")
def always_gives_four_axes(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight.reshape(1, -1, 1, 1) + bias.reshape(1, -1, 1, 1)


@batch_norm.misconception("`weight` does not multiply. Each channel is scaled by its γ before β is added.")
def leaves_out_the_weight(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() + _wide(bias, x)


@batch_norm.misconception("The variance left the graph (`detach`, `no_grad`), the mean did not. x reaches the output "
                          "through both of them.")
def detaches_the_variance(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var.detach() + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("n was counted as for square pictures, N · H · H. A picture has H rows and W columns: N · "
                          "H · W.")
def counts_on_squares(x, weight, bias, eps=1e-5):
    count = len(x) * x.shape[2] ** 2 if x.ndim == 4 else x.numel() // x.shape[1]
    mean = x.sum(_others(x), keepdim=True) / count
    var = ((x - mean) ** 2).sum(_others(x), keepdim=True) / count
    return (x - mean) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("You scaled and shifted before you normalised, which undoes what `weight` and `bias` are "
                          "for: they come last.")
def scales_before_it_normalises(x, weight, bias, eps=1e-5):
    x = x * _wide(weight, x) + _wide(bias, x)
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt()


@batch_norm.misconception("The spread is right, but the mean was never subtracted from x: only the division is there.")
def divides_without_centring(x, weight, bias, eps=1e-5):
    var = x.var(_others(x), correction=0, keepdim=True)
    return x / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("The squared distances were summed and not divided by n: the variance is their mean.")
def sums_the_squares(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var * x.numel() / x.shape[1] + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("The mean left the graph (`detach`, `no_grad`) where it is subtracted; the variance did not. "
                          "x reaches the output through both of them.")
def detaches_the_mean(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean.detach()) / (var + eps).sqrt() * _wide(weight, x) + _wide(bias, x)


@batch_norm.misconception("`weight` and `bias` changed places: the weight multiplies, the bias is added.")
def exchanges_weight_and_bias(x, weight, bias, eps=1e-5):
    var, mean = torch.var_mean(x, _others(x), correction=0, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * _wide(bias, x) + _wide(weight, x)


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
