"""How `fold_batch_norm` is examined."""

import copy
from unittest.mock import patch

import torch
from torch import nn
from torch.nn.utils import fusion
from torch.nn.utils.fusion import fuse_conv_bn_weights

from convcraft.exam import aspect, exercise


def _fold_batch_norm(conv, bn):
    folded = copy.deepcopy(conv)
    folded.weight, folded.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias)
    return folded


@exercise(points=9, reference=_fold_batch_norm)
def fold_batch_norm(impl, draw):
    yield aspect("with a bias", "For every x the new layer gives what `bn(conv(x))` gives in evaluation mode.",
                 lambda: _folded(impl, draw, nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))
    yield aspect("as many in as out", "The scale belongs to the output channels, also where there are as many going "
                 "in.",
                 lambda: _folded(impl, draw, nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), output=False))
    yield aspect("without a bias", "A convolution without a bias gets one.",
                 lambda: _folded(impl, draw, nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4)))
    yield aspect("geometry", "Channels, kernel size, stride, padding, dilation, groups and padding mode are those of "
                 "`conv`.",
                 lambda: {"oblong": _folded(impl, draw, nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 2),
                                                                  dilation=(1, 2)), nn.BatchNorm2d(3), output=False),
                          "reflecting": _folded(impl, draw, nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect"),
                                                nn.BatchNorm2d(3), output=False),
                          "padding 'same'": _folded(impl, draw, nn.Conv2d(2, 3, 3, padding="same"),
                                                    nn.BatchNorm2d(3), output=False)})
    yield aspect("groups", "It works for grouped and depthwise convolutions.",
                 lambda: {"two groups": _folded(impl, draw, nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6),
                                                output=False),
                          "depthwise": _folded(impl, draw, nn.Conv2d(3, 3, 3, groups=3, bias=False),
                                               nn.BatchNorm2d(3), output=False)})
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
                 "graph, of the dtype of `conv`.", lambda: _folded_double(impl, draw), dtype=True)


def _convolution(folded):
    """What was returned, if it is a convolution."""
    if not isinstance(folded, nn.Conv2d):
        given = "None (is a `return` missing?)" if folded is None else "something else"
        raise ValueError(f"the task asks for one nn.Conv2d; this is {given}")
    return folded


def _refused(*arguments, **settings):
    raise RuntimeError("PyTorch's own fusion was called. The task rules it out: scale weight and bias yourself.")


def _by_hand(impl, conv, bn):
    """What `impl` returns, with PyTorch's own fusion out of reach."""
    with patch.object(fusion, "fuse_conv_bn_weights", _refused):
        return _convolution(impl(conv, bn))


def _folded(impl, draw, conv, bn, quiet=1.0, output=True):
    """The new layer's geometry and weight, and what it gives; without `output` where the new bias is not the matter."""
    draw.fill_(bn).eval().running_var.mul_(quiet)
    folded, x = _by_hand(impl, draw.fill_(conv), bn), draw.normal(2, conv.in_channels, 6, 7)
    seen = {"nothing but an nn.Conv2d": type(folded) is nn.Conv2d, **_geometry(folded),
            "has a bias": folded.bias is not None, "weight": folded.weight}
    if not output:
        return seen
    same = _geometry(folded) == _geometry(conv) and folded.weight.dtype == conv.weight.dtype
    return {**seen, "output": folded(x) if same else x}


def _geometry(conv):
    names = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "padding_mode")
    return {name: getattr(conv, name) for name in names}


def _folded_while_training(impl, draw):
    seen = {}
    for training in (True, False):
        conv, bn = draw.fill_(nn.Conv2d(2, 3, 3)), draw.fill_(nn.BatchNorm2d(3)).train(training)
        folded = _by_hand(impl, conv, bn)
        seen["bn in training mode" if training else "bn in evaluation mode"] = {
            "output": folded(draw.normal(2, 2, 5, 5)), "bn.training": bn.training, "conv.training": conv.training,
            "running_mean": bn.running_mean, "running_var": bn.running_var}
    return seen


def _folded_apart(impl, draw):
    conv, bn = draw.fill_(nn.Conv2d(2, 3, 3)), draw.fill_(nn.BatchNorm2d(3)).eval()
    folded = _by_hand(impl, conv, bn)
    weight = folded.weight.clone()
    kept = {name: {part: tensor.clone() for part, tensor in layer.state_dict().items()}
            for name, layer in [("conv", conv), ("bn", bn)]}
    with torch.no_grad():
        for parameter in folded.parameters():
            parameter.zero_()
    return {"weight": weight, **kept, "conv, the new layer set to zero": conv.state_dict(),
            "bn, the new layer set to zero": bn.state_dict()}


def _folded_double(impl, draw):
    conv, bn = draw.fill_(nn.Conv2d(2, 3, 3).double()), draw.fill_(nn.BatchNorm2d(3).double()).eval()
    folded = _by_hand(impl, conv, bn)
    parameters = {name: getattr(folded, name) for name in ("weight", "bias")}
    facts = {f"{name} is a parameter, without a graph": isinstance(value, nn.Parameter) and value.is_leaf
             for name, value in parameters.items()}
    return {"nothing but an nn.Conv2d": type(folded) is nn.Conv2d, **facts, "weight": folded.weight,
            "dtype of the bias": str(getattr(folded.bias, "dtype", "no bias"))}


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


@fold_batch_norm.misconception("μ was subtracted without being scaled. BatchNorm subtracts it before it scales, so it "
                               "must pass through the scale, as b does: (b − μ) · scale + β.")
def leaves_the_mean_unscaled(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), _bias_of(conv) * scale - bn.running_mean + beta)


@fold_batch_norm.misconception("β was scaled, too. It is what BatchNorm adds last, behind the scale: (b − μ) · scale + "
                               "β.")
def scales_beta(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), (_bias_of(conv) - bn.running_mean + beta) * scale)


@fold_batch_norm.misconception("PyTorch's own fusion did the work (`fuse_conv_bn_eval`). Out in the world that is the "
                               "right call; here the equation is yours to solve.")
def lets_pytorch_fold(conv, bn):
    return fusion.fuse_conv_bn_eval(copy.deepcopy(conv).eval(), copy.deepcopy(bn).eval())


@fold_batch_norm.misconception("The new layer has the kernel size, stride and padding of `conv`, and defaults for the "
                               "rest. Dilation, groups and padding mode belong to a convolution, too.")
def forgets_dilation_and_groups(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    folded.weight = nn.Parameter((conv.weight * _tall(scale)).detach())
    folded.bias = nn.Parameter((beta + (_bias_of(conv) - bn.running_mean) * scale).detach())
    return folded


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
                               "hangs on the old layers and no optimiser sees it.", literal=True)
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
                               "without batch statistics, and nobody notices.", literal=True)
def leaves_it_in_evaluation(conv, bn):
    bn.eval()
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("You switched `bn` to training mode at the end, although it may have come in "
                               "evaluation mode. Fold from its attributes, and no switching is needed.", literal=True)
def always_switches_back_to_training(conv, bn):
    bn.eval()
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    bn.train()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) - bn.running_mean) * scale)


def _with(conv, bn, **settings):
    """The right numbers in a convolution of these settings, as far as they fit it."""
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, dtype=conv.weight.dtype, **settings)
    with torch.no_grad():
        folded.weight.copy_(conv.weight * _tall(scale))
        folded.bias.copy_(beta + (_bias_of(conv) - bn.running_mean) * scale)
    return folded


@fold_batch_norm.misconception("The padding mode is lost: where `conv` reflects the picture at its border, the new "
                               "layer pads with zeros. It belongs to a convolution, too.", literal=True)
def forgets_the_padding_mode(conv, bn):
    return _with(conv, bn, stride=conv.stride, padding=conv.padding, dilation=conv.dilation, groups=conv.groups)


@fold_batch_norm.misconception("The dilation is lost; the new layer has 1. It belongs to a convolution, too.",
                               literal=True)
def forgets_the_dilation(conv, bn):
    return _with(conv, bn, stride=conv.stride, padding=conv.padding, groups=conv.groups, padding_mode=conv.padding_mode)


@fold_batch_norm.misconception("Dilation and padding mode are lost: the new layer has PyTorch's defaults for both.",
                               literal=True)
def forgets_dilation_and_padding_mode(conv, bn):
    return _with(conv, bn, stride=conv.stride, padding=conv.padding, groups=conv.groups)


@fold_batch_norm.misconception("The stride is lost: the new layer has 1, and its picture comes out too large.",
                               literal=True)
def forgets_the_stride(conv, bn):
    return _with(conv, bn, padding=conv.padding, dilation=conv.dilation, groups=conv.groups,
                 padding_mode=conv.padding_mode)


@fold_batch_norm.misconception("The padding is lost; the new layer has none.", literal=True)
def forgets_the_padding(conv, bn):
    return _with(conv, bn, stride=conv.stride, dilation=conv.dilation, groups=conv.groups,
                 padding_mode=conv.padding_mode)


@fold_batch_norm.misconception("`conv.groups` did not reach the new layer, whose weight then has another shape: with "
                               "groups each filter sees only its own group's channels.", literal=True)
def forgets_the_groups(conv, bn):
    return _with(conv, bn, stride=conv.stride, padding=conv.padding, dilation=conv.dilation,
                 padding_mode=conv.padding_mode)


@fold_batch_norm.misconception("γ and β are missing, as if `bn` had `affine=False`: its `weight` belongs to the scale, "
                               "and its `bias` is added last.")
def forgets_gamma_and_beta(conv, bn):
    scale = 1 / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("The running mean was added. BatchNorm subtracts it: (b − μ) · scale + β.")
def adds_the_mean(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) + bn.running_mean) * scale)


@fold_batch_norm.misconception("The convolution's bias was scaled twice. It passes through BatchNorm once: (b − μ) · "
                               "scale + β.")
def scales_the_bias_twice(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight * _tall(scale), beta + (_bias_of(conv) * scale - bn.running_mean) * scale)


@fold_batch_norm.misconception("The bias is new, the weight is that of `conv` as it was. The scale multiplies what the "
                               "weight gives as well.")
def leaves_the_weight(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    return _assembled(conv, conv.weight, beta + (_bias_of(conv) - bn.running_mean) * scale)


@fold_batch_norm.misconception("`bias` is no `nn.Parameter` of its own: it hangs on the old layers by its graph, and "
                               "no optimiser sees it.", literal=True)
def leaves_the_graph_on_the_bias(conv, bn):
    gamma, beta = _gamma_beta(bn)
    scale = gamma / (bn.running_var + bn.eps).sqrt()
    folded = _assembled(conv, conv.weight * _tall(scale), beta)
    del folded.bias
    folded.bias = beta + (_bias_of(conv) - bn.running_mean) * scale
    return folded


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
