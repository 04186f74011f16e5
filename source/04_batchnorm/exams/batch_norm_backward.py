"""How `batch_norm_backward` is examined."""

import torch

from convcraft.exam import aspect, exercise, habits, ops

from .shared import _batch_norm, _lively, _Naming, _others, _wide


def _batch_norm_backward(grad_out, x, weight, eps=1e-5):
    leaves = [tensor.detach().clone().requires_grad_() for tensor in (x, weight, torch.zeros_like(weight))]
    return torch.autograd.grad(_batch_norm(*leaves, eps), leaves, grad_out)


def _backward_inputs(draw, *shape, scale=1):
    return draw.normal(*shape), scale * _lively(draw, *shape), draw.normal(shape[1]) + 0.5


def _silent_channel(grad_out, x, weight):
    """The same with a first weight of 0."""
    return grad_out, x, torch.cat([torch.zeros(1), weight[1:]])


@exercise(points=14, reference=_batch_norm_backward, bans=ops.NORM | ops.AUTOGRAD)
def batch_norm_backward(impl, draw):
    impl = _Naming(impl, "grad_x", "grad_weight", "grad_bias")
    yield aspect("grad_bias", "`grad_bias`, of shape (C,), is the sum of `grad_out` over everything but the channels.",
                 lambda: impl(*_backward_inputs(draw, 3, 4, 3, 5))["grad_bias"])
    yield aspect("grad_weight", "`grad_weight`, of shape (C,), is the sum of `grad_out` times the normalised x, also "
                 "where a weight is 0.",
                 lambda: {"ordinary weights": impl(*_backward_inputs(draw, 3, 4, 3, 5))["grad_weight"],
                          "a weight of 0": impl(*_silent_channel(*_backward_inputs(draw, 3, 4, 3, 5)))["grad_weight"]})
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


@batch_norm_backward.misconception("`grad_weight` is NaN where a weight is 0. There is no `weight` in it: multiply by "
                                   "none, and divide by none.", literal=True)
def divides_by_the_weight(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    grad_weight = (grad_out * _wide(weight, x) * xhat).sum(_others(x)) / weight
    return _right_grad_x(grad_out, x, weight, eps), grad_weight, grad_out.sum(_others(x))


@batch_norm_backward.misconception("You took away the projection on x̂ and divided by its length squared. That is n "
                                   "only for eps = 0; the chain rule says x̂ times the mean of g · x̂, whatever eps "
                                   "is.")
def projects_on_the_normalised(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    centred = grad_out - grad_out.mean(_others(x), keepdim=True)
    share = (centred * xhat).sum(_others(x), keepdim=True) / xhat.square().sum(_others(x), keepdim=True)
    grad_x = _wide(weight, x) * (centred - share * xhat) / root
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


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


@batch_norm_backward.misconception("`grad_x` was divided by σ² + ε, not by its root. x̂ was divided by the root "
                                   "once, and so is the gradient on its way back.")
def divides_by_what_is_under_the_root(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad_x = _right_grad_x(grad_out, x, weight, eps) / root
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


def _with_grad_x(grad_x, grad_out, x, eps):
    """A wrong `grad_x` between two right ones."""
    xhat, _ = _normalised(x, eps)
    return grad_x, (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x))


def _averages(grad_out, x, xhat):
    """What the ways through the mean and the variance take away, for a gradient that arrives at the normalised x."""
    return grad_out.mean(_others(x), keepdim=True), xhat * (grad_out * xhat).mean(_others(x), keepdim=True)


@batch_norm_backward.misconception("γ is on the direct way alone. It stands between the output and all three "
                                   "ways: multiply `grad_out` by γ first, or all of them at the end.")
def weighs_the_direct_way_alone(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x((_wide(weight, x) * grad_out - through_mean - through_var) / root, grad_out, x, eps)


@batch_norm_backward.misconception("γ is missing on the direct way: it is in what goes through the mean and the "
                                   "variance alone. All three ways have the factor.")
def leaves_the_direct_way_unweighed(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(_wide(weight, x) * grad_out, x, xhat)
    return _with_grad_x((grad_out - through_mean - through_var) / root, grad_out, x, eps)


@batch_norm_backward.misconception("γ is missing on the way through the variance; the other two have it.")
def leaves_the_variance_unweighed(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x((_wide(weight, x) * (grad_out - through_mean) - through_var) / root, grad_out, x, eps)


@batch_norm_backward.misconception("`grad_x` has γ twice. It multiplied once on the way forward: into `grad_out` at "
                                   "the start, or at the end, not both.")
def weighs_twice(grad_out, x, weight, eps=1e-5):
    return _with_grad_x(_wide(weight, x) * _right_grad_x(grad_out, x, weight, eps), grad_out, x, eps)


@batch_norm_backward.misconception("`grad_x` was divided by γ. The way forward multiplied by it, and so does the way "
                                   "back.")
def divides_grad_x_by_the_weight(grad_out, x, weight, eps=1e-5):
    return _with_grad_x(_right_grad_x(grad_out, x, 1 / weight, eps), grad_out, x, eps)


@batch_norm_backward.misconception("`grad_x` is γ · `grad_out`, the way through the scale alone. x was also divided by "
                                   "s = √(var + eps), and it moves the mean and the variance.")
def goes_back_through_the_scale_alone(grad_out, x, weight, eps=1e-5):
    return _with_grad_x(_wide(weight, x) * grad_out, grad_out, x, eps)


@batch_norm_backward.misconception("The sign of the way through the mean is wrong: μ is subtracted on the way forward, "
                                   "so this part is taken away.")
def turns_the_sign_of_the_mean(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x(_wide(weight, x) * (grad_out + through_mean - through_var) / root, grad_out, x, eps)


@batch_norm_backward.misconception("The way through the variance holds x where x̂ belongs: it pulls along the "
                                   "normalised x, not along x itself.")
def pulls_along_x_itself(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x(_wide(weight, x) * (grad_out - through_mean - through_var / xhat * x) / root, grad_out, x, eps)


@batch_norm_backward.misconception("The way through the variance holds x − μ, not x̂: a division by σ² + ε is missing "
                                   "there.")
def pulls_along_the_centred(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x(_wide(weight, x) * (grad_out - through_mean - through_var * root**2) / root, grad_out, x, eps)


@batch_norm_backward.misconception("The way through the variance counts half: ∂s/∂σ² has the factor 1/2, and ∂σ²/∂x "
                                   "the factor 2 that cancels it.")
def counts_the_variance_half(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    through_mean, through_var = _averages(grad_out, x, xhat)
    return _with_grad_x(_wide(weight, x) * (grad_out - through_mean - through_var / 2) / root, grad_out, x, eps)


@batch_norm_backward.misconception("In `grad_x` the averages run over the batch alone, one for every position. The "
                                   "channel's mean and variance ran over the positions, too.")
def averages_over_the_batch_alone(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    grad = grad_out - grad_out.mean(0, keepdim=True) - xhat * (grad_out * xhat).mean(0, keepdim=True)
    return _with_grad_x(_wide(weight, x) * grad / root, grad_out, x, eps)


@batch_norm_backward.misconception("`grad_weight` holds x − μ. The weight multiplied the normalised x, which is "
                                   "divided by √(var + eps) as well.")
def weighs_with_the_centred(grad_out, x, weight, eps=1e-5):
    xhat, root = _normalised(x, eps)
    return (_right_grad_x(grad_out, x, weight, eps), (grad_out * xhat * root).sum(_others(x)),
            grad_out.sum(_others(x)))


@batch_norm_backward.misconception("`grad_weight` and `grad_bias` were multiplied by γ. It is behind x̂ and no part of "
                                   "either: γ belongs to `grad_x` alone.")
def weighs_all_three(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return (_right_grad_x(grad_out, x, weight, eps), weight * (grad_out * xhat).sum(_others(x)),
            weight * grad_out.sum(_others(x)))


@batch_norm_backward.misconception("`grad_x` comes last. The order is that of x, weight, bias.")
def returns_grad_x_last(grad_out, x, weight, eps=1e-5):
    xhat, _ = _normalised(x, eps)
    return (grad_out * xhat).sum(_others(x)), grad_out.sum(_others(x)), _right_grad_x(grad_out, x, weight, eps)


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
