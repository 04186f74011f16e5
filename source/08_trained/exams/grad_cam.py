"""How `grad_cam` is examined: on nets whose answer can be worked out, and on small drawn ones."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, error_of, exercise

from .shared import _hooks


class _Net(nn.Module):
    """Two convolutions, the second with a stride; a head that is no plain mean."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 5, 3, 2, padding=1)
        self.norm, self.classifier = nn.BatchNorm2d(5), nn.Linear(5, 3)

    def forward(self, x):
        x = self.norm(self.second(torch.tanh(self.first(x))))
        return self.classifier(torch.sigmoid(x).square().mean((2, 3)))


class _Stops(nn.Module):
    """Fails behind its layer."""

    def __init__(self):
        super().__init__()
        self.layer, self.classifier = nn.Conv2d(1, 2, 1), nn.Linear(3, 2)

    def forward(self, x):
        return self.classifier(self.layer(x).mean((2, 3)))


def _seen(net, layer, x):
    """The layer's output, cut off from what comes before, and the net's answer, which depends on it."""
    kept = []

    def keep(module, inputs, output):
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_hook(keep)
    try:
        answer = net(x)
    finally:
        handle.remove()
    return kept[0], answer


def _cam(net, layer, x, label):
    maps, answer = _seen(net, layer, x)
    gradient, = torch.autograd.grad(answer[0, label], maps)
    return F.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1))[0].detach()


def _same_map(one, other):
    tensors = isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor)
    return tensors and one.shape == other.shape and torch.equal(one, other)


def _shape(result):
    """The map's shape, for what other aspects look at is not looked at again."""
    return str(tuple(result.shape)) if isinstance(result, torch.Tensor) else result


@exercise(points=10, reference=_cam)
def grad_cam(impl, draw):
    def net():
        made = draw.fill_(_Net()).eval()
        with torch.no_grad():
            made.first.weight *= 3
        return made

    def hand_built():
        """Channel 0 speaks for class 0, channel 1 against it; so class 0 looks where the left half is bright."""
        layer, head = nn.Conv2d(1, 2, 1, bias=False), nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1))
            head.weight.copy_(torch.tensor([[8.0, -4.0], [-2.0, 6.0]]))
        built = nn.Sequential(layer, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
        x = draw.normal(1, 1, 3, 4)
        return {f"class {label}": impl(built, layer, x, label) for label in (0, 1)}

    def shape_of(result):
        """The map but for its scale, which is looked at by hand."""
        return result / result.max().clamp_min(1e-12) if isinstance(result, torch.Tensor) else result

    def unlikely(one, x):
        """A label that the net does not think most likely."""
        return (int(one(x).argmax()) + 1) % 3

    def layers():
        one, x = net(), draw.normal(1, 2, 6, 8)
        label = unlikely(one, x)
        return {"first": shape_of(impl(one, one.first, x, label)),
                "second": shape_of(impl(one, one.second, x, label))}

    def labels():
        one, x = net(), draw.normal(1, 2, 6, 6)
        return {f"label {label}": shape_of(impl(one, one.second, x, label)) for label in (0, 1, 2)}

    def frozen():
        one, x = net(), draw.normal(1, 2, 6, 8)
        one.requires_grad_(False)
        return {f"label {label}": shape_of(impl(one, one.second, x, label)) for label in (0, 1, 2)}

    def left_alone():
        one, x = net(), draw.normal(1, 2, 6, 6)
        kept, label = x.clone(), unlikely(one, x)
        heard = []
        one.second.register_forward_hook(lambda module, inputs, output: heard.append(1))
        before = _hooks(one)
        one.classifier.requires_grad_(False)
        one.first.weight.grad = torch.ones_like(one.first.weight)
        result = impl(one, one.second, kept, label)
        earlier = one.first.weight.grad
        return {"map's shape": _shape(result), "input": kept, "input wants a gradient": kept.requires_grad,
                "a graph hangs on it": bool(isinstance(result, torch.Tensor) and result.requires_grad),
                "gradients left": sum(each.grad is not None for name, each in one.named_parameters()
                                      if name != "first.weight"),
                "a gradient from before": "gone" if earlier is None else "another" if (earlier != 1).any() else "there",
                "hooks left": _hooks(one) - before, "another's hook was run": bool(heard),
                "parameters that learn": sum(each.requires_grad for each in one.parameters())}

    def after_an_error():
        stops, one, x = draw.fill_(_Stops()).eval(), net(), draw.normal(1, 2, 6, 6)
        label = unlikely(one, x)
        before = impl(one, one.first, x, label)
        error = error_of(lambda: impl(stops, stops.layer, draw.normal(1, 1, 4, 4), 0), RuntimeError)
        after = impl(one, one.first, x, label)
        return {"error": error, "hooks left": _hooks(stops), "map's shape": _shape(after),
                "the next map is as before": _same_map(before, after)}

    yield aspect("by hand", "The map is the weighted sum of the layer's output over its channels; a channel's weight "
                 "is the mean of the gradient of the label's logit over that channel's pixels.", hand_built, weight=2)
    yield aspect("layers", "`layer` is any module inside `net`; the map is as large as its output, (H′, W′).", layers)
    yield aspect("labels", "It is the label's own logit that counts, before any softmax, and what speaks against it is "
                 "cut off at 0.", labels)
    yield aspect("frozen", "It works on a frozen net, too, whose parameters want no gradient.", frozen)
    yield aspect("left alone", "Afterwards all is as before: no hook, no graph on the map, nothing in any `.grad`, `x` "
                 "untouched.", left_alone)
    yield aspect("after an error", "If the net raises, the error comes through, and no hook is left either.",
                 after_an_error)


def _variant(weigh=None, answer=None, finish=None):
    """A map with one step done otherwise."""
    def answered(net, layer, x, label):
        maps, logits = _seen(net, layer, x)
        value = answer(logits, label) if answer else logits[0, label]
        gradient, = torch.autograd.grad(value, maps)
        total = weigh(gradient, maps) if weigh else (gradient.mean((2, 3), keepdim=True) * maps).sum(1)[0]
        return (finish(total) if finish else F.relu(total)).detach()

    return answered


@grad_cam.misconception("What speaks against the label was not cut off: the map has negative numbers. ReLU the sum.")
def keeps_negatives(net, layer, x, label):
    return _variant(finish=lambda total: total)(net, layer, x, label)


@grad_cam.misconception("The absolute value was taken. What speaks against the label then shines as brightly as "
                        "what speaks for it: ReLU.")
def takes_absolute_values(net, layer, x, label):
    return _variant(finish=torch.abs)(net, layer, x, label)


@grad_cam.misconception("Each pixel was weighted by its own gradient. A channel has one weight: the mean of its "
                        "gradient over all pixels.")
def weighs_each_pixel(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (gradient * maps).sum(1)[0])(net, layer, x, label)


@grad_cam.misconception("The channels' weights are left out: this is the sum of the layer's output, whatever the "
                        "label.")
def forgets_the_weights(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: maps.sum(1)[0])(net, layer, x, label)


@grad_cam.misconception("This is the gradient alone. It is to weigh the layer's output, channel by channel.")
def shows_the_gradient(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: gradient.sum(1)[0])(net, layer, x, label)


@grad_cam.misconception("The gradient was summed over the pixels, not averaged: the map is too large by the number "
                        "of pixels.")
def sums_the_gradient(net, layer, x, label):
    answered = _variant(weigh=lambda gradient, maps: (gradient.sum((2, 3), keepdim=True) * maps).sum(1)[0])
    return answered(net, layer, x, label)


@grad_cam.misconception("The mean over the channels was taken. It is their sum.")
def averages_channels(net, layer, x, label):
    answered = _variant(weigh=lambda gradient, maps: (gradient.mean((2, 3), keepdim=True) * maps).mean(1)[0])
    return answered(net, layer, x, label)


@grad_cam.misconception("The gradient is that of the probability. Where the net is sure, the softmax is flat and "
                        "the map fades: take the logit.")
def takes_the_probability(net, layer, x, label):
    return _variant(answer=lambda logits, label: logits.softmax(1)[0, label])(net, layer, x, label)


@grad_cam.misconception("The gradient is that of all logits together. `label` picks one.")
def sums_all_logits(net, layer, x, label):
    return _variant(answer=lambda logits, label: logits.sum())(net, layer, x, label)


@grad_cam.misconception("`label` is not used: the map is for what the net thinks most likely.")
def takes_the_best(net, layer, x, label):
    return _variant(answer=lambda logits, label: logits.max())(net, layer, x, label)


@grad_cam.misconception("The gradient is that of the loss. A loss falls where the label's logit rises, so the map "
                        "shows what speaks against the label: take the logit.")
def takes_the_loss(net, layer, x, label):
    return _variant(answer=lambda logits, label: F.cross_entropy(logits, torch.tensor([label])))(net, layer, x, label)


@grad_cam.misconception("The gradient is that of the log-probability. All other logits are in it, too: take the "
                        "label's logit, before any softmax.")
def takes_the_log_probability(net, layer, x, label):
    return _variant(answer=lambda logits, label: logits.log_softmax(1)[0, label])(net, layer, x, label)


@grad_cam.misconception("A channel's weight is its largest gradient. It is the mean of the gradient over the channel's "
                        "pixels.")
def takes_the_largest_gradient(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (gradient.amax((2, 3), keepdim=True) * maps).sum(1)[0])(
        net, layer, x, label)


@grad_cam.misconception("A channel's weight is the mean of the gradient's absolute values. With its sign goes what "
                        "speaks against the label.")
def takes_absolute_gradients(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (gradient.abs().mean((2, 3), keepdim=True) * maps).sum(1)[0])(
        net, layer, x, label)


@grad_cam.misconception("All channels have one weight: the mean was taken over the channels, too. Each has its own, "
                        "the mean over its pixels.")
def takes_one_mean(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (gradient.mean() * maps).sum(1)[0])(net, layer, x, label)


@grad_cam.misconception("Map and gradient changed places: the channels' means weigh the gradient. The gradient's means "
                        "weigh the layer's output.")
def weighs_the_gradient(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (maps.mean((2, 3), keepdim=True) * gradient).sum(1)[0])(
        net, layer, x, label)


@grad_cam.misconception("What goes into the layer was kept, not what comes out of it. A forward hook is given both: "
                        "module, inputs, output.")
def keeps_the_input(net, layer, x, label):
    kept = []

    def keep(module, inputs):
        kept.append(inputs[0].detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_pre_hook(keep)
    try:
        answer = net(x)
    finally:
        handle.remove()
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@grad_cam.misconception("`x` itself was told to want a gradient (`x.requires_grad_()`) and still does. It is the "
                        "caller's: take a detached one, or let the hook begin the graph.", literal=True)
def makes_the_picture_want_a_gradient(net, layer, x, label):
    kept, answer = _hooked(net, layer, x.requires_grad_())
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@grad_cam.misconception("The net's frozen parameters were made to want a gradient, and stay so: the next training "
                        "would change them. Let the hook begin the graph.", literal=True)
def thaws_the_net(net, layer, x, label):
    for parameter in net.parameters():
        parameter.requires_grad_(True)
    kept, answer = _hooked(net, layer, x)
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@grad_cam.misconception("Other people's hooks on the layer were removed, too. Remove your own, by its handle.",
                        literal=True)
def removes_all_hooks(net, layer, x, label):
    result = _cam(net, layer, x, label)
    layer._forward_hooks.clear()
    return result


@grad_cam.misconception("The net's error was caught and kept. Whoever called must hear of it: `finally` lets it "
                        "through, `except` does not.", literal=True)
def catches_the_error(net, layer, x, label):
    try:
        return _cam(net, layer, x, label)
    except RuntimeError:
        return torch.zeros(())


@grad_cam.misconception("The map was divided by its largest number. It comes as it is; whoever draws it may scale "
                        "it.")
def scales_the_map(net, layer, x, label):
    return _variant(finish=lambda total: F.relu(total) / F.relu(total).max().clamp_min(1e-9))(net, layer, x, label)


@grad_cam.misconception("Each channel was cut off at 0 before the sum. Only the sum is: channels for and against a "
                        "label settle it among themselves.")
def cuts_each_channel(net, layer, x, label):
    answered = _variant(weigh=lambda gradient, maps: F.relu(gradient.mean((2, 3), keepdim=True) * maps).sum(1)[0])
    return answered(net, layer, x, label)


@grad_cam.misconception("The channels' weights were cut off at 0: what a channel has to say against the label is lost. "
                        "Only the sum is cut.")
def cuts_the_weights(net, layer, x, label):
    return _variant(weigh=lambda gradient, maps: (F.relu(gradient.mean((2, 3), keepdim=True)) * maps).sum(1)[0])(
        net, layer, x, label)


@grad_cam.misconception("The net's gradients were cleared (`zero_grad()`): what a training step had left there is "
                        "gone. `torch.autograd.grad` writes none, and then none has to be cleared.", literal=True)
def clears_the_gradients(net, layer, x, label):
    result = _cam(net, layer, x, label)
    net.zero_grad()
    return result


@grad_cam.misconception("The map was enlarged to the picture's size. Asked for is the map as the layer sees it; the "
                        "chapter's picture enlarges it.")
def enlarges_the_map(net, layer, x, label):
    return F.interpolate(_cam(net, layer, x, label)[None, None], x.shape[-2:], mode="bilinear")[0, 0]


@grad_cam.misconception("The hook stays on the layer. Each later call of the net runs it: keep the handle and call its "
                        "`remove()`, in a `finally`.", literal=True)
def leaves_its_hook(net, layer, x, label):
    kept = []

    def keep(module, inputs, output):
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    layer.register_forward_hook(keep)
    answer = net(x)
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@grad_cam.misconception("The hook is removed after `net(x)`, but when that raises, the line is never reached. What "
                        "must happen in any case belongs into `finally`.", literal=True)
def removes_it_if_all_goes_well(net, layer, x, label):
    kept = []

    def keep(module, inputs, output):
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_hook(keep)
    answer = net(x)
    handle.remove()
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


def _hooked(net, layer, x):
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output))
    try:
        return kept, net(x)
    finally:
        handle.remove()


@grad_cam.misconception("In a frozen net nothing asks for a gradient, and there is none. Let the hook give back the "
                        "layer's output as a tensor that does: `output.detach().requires_grad_()`.", literal=True)
def needs_learning_parameters(net, layer, x, label):
    kept, answer = _hooked(net, layer, x)
    gradient, = torch.autograd.grad(answer[0, label], kept[0])
    return F.relu((gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@grad_cam.misconception("`backward()` was called, and every parameter of the net keeps a gradient that the next "
                        "training step would add to. `torch.autograd.grad` leaves none.", literal=True)
def leaves_gradients(net, layer, x, label):
    kept = []

    def keep(module, inputs, output):
        output = output.clone() if output.requires_grad else output.detach().requires_grad_()
        output.retain_grad()
        kept.append(output)
        return output

    handle = layer.register_forward_hook(keep)
    try:
        net(x)[0, label].backward()
    finally:
        handle.remove()
    maps, gradient = kept[0].detach(), kept[0].grad
    return F.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1))[0]


@grad_cam.misconception("The net's graph still hangs on the map. Whoever keeps many maps keeps many graphs: "
                        "`detach()`.", literal=True)
def keeps_the_graph(net, layer, x, label):
    maps, answer = _seen(net, layer, x)
    gradient, = torch.autograd.grad(answer[0, label], maps)
    return F.relu((gradient.mean((2, 3), keepdim=True) * maps).sum(1))[0]


@grad_cam.alternative
def by_a_tensor_of_zeros(net, layer, x, label):
    """Zeros are added to the layer's output: their gradient is its gradient."""
    kept = {}

    def keep(module, inputs, output):
        kept["maps"], kept["zeros"] = output.detach(), torch.zeros_like(output, requires_grad=True)
        return output + kept["zeros"]

    handle = layer.register_forward_hook(keep)
    try:
        gradient = torch.autograd.grad(net(x)[0, label], kept_later(kept))[0][0]
    finally:
        handle.remove()
    return torch.einsum("k,khw->hw", gradient.mean((-2, -1)), kept["maps"][0]).clamp_min(0)


def kept_later(kept):
    return kept["zeros"]


@grad_cam.alternative
def through_the_picture(net, layer, x, label):
    """A picture that wants a gradient makes everything behind it want one."""
    wanting = x.detach().clone().requires_grad_()
    kept, answer = _hooked(net, layer, wanting)
    gradient = torch.autograd.grad(answer[0][label], kept)[0]
    weights = gradient.flatten(2).mean(2)[..., None, None]
    return torch.relu((weights * kept[0]).sum(dim=1)).squeeze(0).detach()


@grad_cam.alternative
def by_backward_and_cleaning(net, layer, x, label):
    wanting = x.detach().clone().requires_grad_()
    before = [one.grad for one in net.parameters()]
    for one in net.parameters():
        one.grad = None
    kept, answer = _hooked(net, layer, wanting)
    kept[0].retain_grad()
    answer[0, label].backward()
    for one, gradient in zip(net.parameters(), before, strict=True):
        one.grad = gradient
    maps = kept[0].detach()[0]
    weights = kept[0].grad[0].mean(dim=(1, 2))
    result = sum(weight * one for weight, one in zip(weights, maps, strict=True))
    return torch.where(result > 0, result, torch.zeros_like(result))


grad_cam.equivalent(
    "kept.append(output.detach().requires_grad_()) -> kept.append(output.requires_grad_())",
    "The gradient by a number within the graph is the same; that the graph before it stays costs memory alone.")
grad_cam.equivalent(
    "return kept[0] -> return kept[(-1)]",
    "There is one picture, and one output was kept: the first is the last.")
grad_cam.equivalent(
    "logit = net(x)[0, label] -> logit = net(x)[(-1), label]",
    "There is one picture, and one output was kept: the first is the last.")
grad_cam.equivalent(
    "return F.relu((weights * kept[0]).sum(1))[0].detach() -> return F.relu((weights * kept[(-1)]).sum(1))[0].detach()",
    "There is one picture, and one output was kept: the first is the last.")
grad_cam.equivalent(
    "return F.relu((weights * kept[0]).sum(1))[0].detach() -> return F.relu((weights * kept[0]).sum(1))[(-1)].detach()",
    "There is one picture, and one output was kept: the first is the last.")
