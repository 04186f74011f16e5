"""How `group_norm` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _affine, _apart, _lively, _wide


def _group_norm(x, num_groups, weight, bias, eps=1e-5):
    return F.group_norm(x, num_groups, weight, bias, eps)


@exercise(points=8, reference=_group_norm, bans=ops.NORM)
def group_norm(impl, draw):
    close = {"rtol": 2e-2, "atol": 0.1}  # with some hundred numbers a group: others look closer at the divisor
    yield aspect("groups", "Neighbouring channels form a group, C / `num_groups` of them, and each picture's group is "
                 "normalised over its channels and all positions.",
                 lambda: impl(_lively(draw, 3, 6, 5, 8), 2, torch.ones(6), torch.zeros(6)), **close)
    yield aspect("weight and bias", "`weight` and `bias` have the shape (C,): one number a channel, not one a group.",
                 lambda: impl(_lively(draw, 2, 6, 7, 7), 3, *_affine(draw, 6)), **close)
    yield aspect("one group", "One group is layer norm over the whole picture.",
                 lambda: impl(_lively(draw, 3, 4, 6, 5), 1, *_affine(draw, 4)), **close)
    yield aspect("a group a channel", "C groups are instance norm: each channel of each picture on its own.",
                 lambda: impl(5 * _lively(draw, 3, 4, 10, 10), 4, *_affine(draw, 4)), **close)
    yield aspect("vectors and sequences", "It takes (N, C), (N, C, L) and (N, C, H, W), also where x is not "
                 "contiguous: a transposed x, for one.",
                 lambda: {"(N, C)": impl(_apart(5 * draw.normal(3, 6), 1), 3, *_affine(draw, 6)),
                          "(N, C, L)": impl(10 * _lively(draw, 2, 4, 5), 2, *_affine(draw, 4)),
                          "(N, C, L), transposed": impl(10 * draw.normal(2, 5, 4).mT, 2, *_affine(draw, 4))})
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are normalised to a thousandth, as ever.",
                 lambda: impl(1000 + draw.normal(8, 4, 14, 14), 2, *_affine(draw, 4)), rtol=5e-3, atol=2e-2)
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


@group_norm.misconception("You added `bias` before you multiplied: γ (x̂ + β). A channel's shift comes last.")
def shifts_the_channels_first(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return (((groups - mean) / (var + eps).sqrt()).reshape(x.shape) + _wide(bias, x)) * _wide(weight, x)


@group_norm.misconception("You unpacked four lengths, and x may have two, three or four axes. Only the first two are "
                          "needed: the rest can be flattened.")
def unpacks_four_lengths(x, num_groups, weight, bias, eps=1e-5):
    _n, _c, _h, _w = x.shape
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("The variance is E[x²] − E[x]², and at 1000 ± 1 its digits are gone (below zero it may fall, "
                          "too). Square the distances from the group's mean.")
def loses_the_groups_digits(x, num_groups, weight, bias, eps=1e-5):
    rows = x.reshape(x.shape[0], num_groups, -1)
    mean = rows.mean(2, keepdim=True)
    var = (rows * rows).mean(2, keepdim=True) - mean**2
    return ((rows - mean) / (var + eps).sqrt()).reshape(x.shape) * _wide(weight, x) + _wide(bias, x)


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


@group_norm.misconception("Group number g was scaled by `weight[g]` and shifted by `bias[g]`. There is one a "
                          "channel, C of them: apply them after the groups have been put back together.")
def takes_a_weight_a_group(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    count = x.shape[1] // num_groups
    weight, bias = (vector[:num_groups].repeat_interleave(count) for vector in (weight, bias))
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("You took the larger of variance and `eps`. It is the sum that stands under the root.")
def takes_the_larger(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, var.clamp_min(eps).sqrt(), x, weight, bias)


@group_norm.misconception("You divided by the group's variance. Divide by its root.")
def forgets_the_root(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, var + eps, x, weight, bias)


@group_norm.misconception("`bias` is not added. After each channel's scale comes its shift.")
def leaves_out_the_shift(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, 0 * bias)


@group_norm.misconception("`weight` does not multiply. Each channel is scaled by its γ before β is added.")
def leaves_out_the_scale(x, num_groups, weight, bias, eps=1e-5):
    groups, mean, var = _group_mean_and_var(x, num_groups)
    return ((groups - mean) / (var + eps).sqrt()).reshape(x.shape) + _wide(bias, x)


@group_norm.misconception("The group's mean was never subtracted: only the division is there.")
def divides_without_centring(x, num_groups, weight, bias, eps=1e-5):
    groups, _, var = _group_mean_and_var(x, num_groups)
    return _finish(groups, 0, (var + eps).sqrt(), x, weight, bias)


@group_norm.misconception("The batch's axis went into the groups: you cut all of x, not each picture, into "
                          "`num_groups` parts. Keep x.shape[0] in front.")
def cuts_the_batch(x, num_groups, weight, bias, eps=1e-5):
    groups = x.reshape(num_groups, -1)
    var, mean = torch.var_mean(groups, 1, correction=0, keepdim=True)
    return _finish(groups, mean, (var + eps).sqrt(), x, weight, bias)


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
