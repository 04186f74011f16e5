"""How `gradient_norms` is examined."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _plain


def _norms(net, x, y):
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, [layer.weight for layer in layers])]


class _Twisted(nn.Module):
    """The last layer to run is the first that was made, and others have weights of as many dimensions."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 4)
        self.shade = nn.Parameter(torch.zeros(5, 5))
        self.deep = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), nn.ReLU())
        self.wide = nn.ConvTranspose2d(6, 6, 2)
        self.first = nn.Conv2d(2, 3, 1, bias=False)

    def forward(self, x):
        return self.last(self.wide(self.deep(self.first(x + self.shade))).mean((2, 3)))


def _small_net(norm=False):
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3) if norm else nn.Tanh(), nn.ReLU(), nn.Flatten(),
                         nn.Linear(27, 5), nn.ReLU(), nn.Linear(5, 4))


def _awake(net):
    """The same with a last ReLU that lets through what comes: for one picture all of them may be off, and all is 0."""
    with torch.no_grad():
        net[4].bias += 3
    return net


@exercise(points=8, reference=_norms)
def gradient_norms(impl, draw):
    def batch(count=7, size=5):
        return draw.normal(count, 2, size, size), draw.integers(0, 4, count)

    def leftovers():
        net = _awake(draw.fill_(_small_net()))
        for parameter in net.parameters():
            parameter.grad = draw.normal(*parameter.shape)
        return _numbers(impl(net, *batch(1)))

    def conduct():
        net = _awake(draw.fill_(_small_net(norm=True))).eval()
        net[1].train()
        x, y = batch(1)
        norms = _numbers(impl(net, x, y))
        return {"result": norms, "in training mode": [module.training for module in net.modules()],
                "parameters": dict(net.named_parameters()), "x": x}

    yield aspect("values", "Each number is the L2 norm of the gradient of the mean cross-entropy with respect to one "
                 "weight.", lambda: _numbers(impl(draw.fill_(_small_net()), *batch())), weight=2)
    yield aspect("order", "The weights are those of every `Conv2d` and `Linear`, however deep, in the order of "
                 "`net.modules()`.", lambda: _numbers(impl(draw.fill_(_Twisted()), *batch(1))))
    yield aspect("leftovers", "Gradients that were there before do not count.", leftovers)
    yield aspect("floats", "The result is a list of Python floats.",
                 lambda: impl(_awake(draw.fill_(_small_net())), *batch(1)))
    yield aspect("conduct", "The net keeps its mode and its weights.", conduct)


def _numbers(values):
    return [_plain(value) for value in values]


@gradient_norms.misconception("The loss was summed over the batch. With the mean the numbers do not depend on how "
                              "many pictures you happened to take.")
def sums_the_losses(net, x, y):
    return [len(x) * norm for norm in _norms(net, x, y)]


@gradient_norms.misconception("The list runs from the last layer to the first. Backpropagation does; the list follows "
                              "`net.modules()`.")
def lists_backwards(net, x, y):
    return _norms(net, x, y)[::-1]


@gradient_norms.misconception("Gradients that were there before were counted in: `backward()` adds to `.grad`. Clear "
                              "it first.")
def adds_to_what_was_there(net, x, y):
    F.cross_entropy(net(x), y).backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@gradient_norms.misconception("All parameters are in the list: biases and the weights of norms, too. Asked for are "
                              "the weights of convolutions and linear layers.")
def lists_all_parameters(net, x, y):
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, list(net.parameters()))]


@gradient_norms.misconception("Linear layers are missing from the list.")
def lists_convolutions_alone(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, nn.Conv2d)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("Squares were summed, but no root was taken: an L2 norm has one.")
def takes_no_root(net, x, y):
    return [norm**2 for norm in _norms(net, x, y)]


@gradient_norms.misconception("These are the norms of the weights themselves. Asked for are their gradients'.")
def measures_the_weights(net, x, y):
    F.cross_entropy(net(x), y)
    return [module.weight.norm().item() for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@gradient_norms.misconception("The gradient of the sum of all outputs was taken. The loss is the cross-entropy of the "
                              "outputs and the labels `y`.")
def sums_the_outputs(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), layers)]


@gradient_norms.misconception("The gradients' mean absolute value was taken. The L2 norm is the root of the sum of "
                              "squares.")
def takes_mean_sizes(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.abs().mean().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The net was switched to evaluation mode for the measurement. It is measured in the "
                              "mode in which it comes, and keeps it.")
def measures_in_eval_mode(net, x, y):
    return _norms(net.eval(), x, y)


@gradient_norms.misconception("The net was put into training mode for the measurement. It is measured as it comes, and "
                              "a part that was frozen stays frozen.")
def measures_in_train_mode(net, x, y):
    return _norms(net.train(), x, y)


@gradient_norms.misconception("An optimizer stepped: the net's weights have changed. This is a measurement, and "
                              "nothing is trained.")
def trains_the_net(net, x, y):
    norms = _norms(net, x, y)
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= 0.1 * parameter.grad
    return norms


@gradient_norms.misconception("The norms' weights are in the list, too. A BatchNorm has a `weight`, but only "
                              "convolutions and linear layers were asked for.")
def lists_every_weight(net, x, y):
    weights = [module.weight for module in net.modules() if hasattr(module, "weight")]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), weights)]


@gradient_norms.misconception("Convolutions are missing from the list.")
def lists_linear_layers_alone(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("Absolute values were summed: that is the L1 norm. L2 squares, sums and takes the root.")
def takes_the_l1_norm(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.abs().sum().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The biases of convolutions and linear layers are in the list, too. One number a layer: "
                              "its weight's.")
def lists_biases_too(net, x, y):
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    both = [parameter for layer in layers for parameter in layer.parameters()]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), both)]


@gradient_norms.misconception("All convolutions come first, then all linear layers. Asked for is the order of "
                              "`net.modules()`: one loop, one question with both kinds.")
def lists_kind_after_kind(net, x, y):
    layers = [module.weight for kind in (nn.Conv2d, nn.Linear) for module in net.modules() if isinstance(module, kind)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The list holds tensors. A tensor may drag its graph along; `.item()` makes a plain "
                              "float of it.")
def lists_tensors(net, x, y):
    return [torch.tensor(norm) for norm in _norms(net, x, y)]


@gradient_norms.misconception("A softmax was taken before the cross-entropy, which does one itself. Give it the net's "
                              "raw outputs.")
def takes_softmax_twice(net, x, y):
    return _norms(nn.Sequential(net, nn.Softmax(1)), x, y)


@gradient_norms.misconception("Only the net's direct parts were searched. `children()` stops at the first level, "
                              "`modules()` goes down to every layer.")
def searches_the_children(net, x, y):
    layers = [module.weight for module in net.children() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The net was measured in evaluation mode and put back afterwards. It is measured in "
                              "the mode in which it comes.")
def measures_in_eval_mode_and_back(net, x, y):
    modes = {module: module.training for module in net.modules()}
    norms = _norms(net.eval(), x, y)
    for module, mode in modes.items():
        module.training = mode
    return norms


@gradient_norms.misconception("The weights were chosen by their dimensions. Other layers and parameters have as many, "
                              "a transposed convolution for one: ask each module whether it is one of the two.")
def chooses_by_dimensions(net, x, y):
    weights = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), weights)]


@gradient_norms.misconception("The weights were chosen by name and dimensions. A transposed convolution's is called "
                              "`weight`, too, and has four: ask each module whether it is one of the two.")
def chooses_by_name_and_dimensions(net, x, y):
    weights = [parameter for name, parameter in net.named_parameters()
               if name.endswith("weight") and parameter.ndim > 1]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), weights)]


def _by_layer(net, x, y, measure):
    """What `measure` makes of each layer and its weight's gradient."""
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    grads = torch.autograd.grad(F.cross_entropy(net(x), y), [layer.weight for layer in layers])
    return [measure(layer, grad).item() for layer, grad in zip(layers, grads, strict=True)]


@gradient_norms.misconception("The largest number of each gradient was taken. The L2 norm is the root of the sum of "
                              "all squares.")
def takes_the_largest(net, x, y):
    return _by_layer(net, x, y, lambda layer, grad: grad.abs().max())


@gradient_norms.misconception("The squares were averaged: that is the root mean square. The L2 norm is the root of "
                              "their sum.")
def averages_the_squares(net, x, y):
    return _by_layer(net, x, y, lambda layer, grad: grad.square().mean().sqrt())


@gradient_norms.misconception("Each norm was divided by that of the weight. Asked for is the gradient's norm alone.")
def divides_by_the_weights_norm(net, x, y):
    return _by_layer(net, x, y, lambda layer, grad: grad.norm() / layer.weight.norm())


@gradient_norms.misconception("The bias's gradient is in each number as well, in one norm with the weight's. Biases "
                              "are left out.")
def mixes_in_the_bias(net, x, y):
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    return [torch.cat([parameter.grad.flatten() for parameter in module.parameters()]).norm().item()
            for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@gradient_norms.misconception("The outputs went into `nll_loss` as they are. It takes log-softmax's results; the "
                              "cross-entropy is the two together.")
def forgets_the_log_softmax(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.nll_loss(net(x), y), layers)]


@gradient_norms.misconception("A norm was taken for each picture, and these were averaged. Asked for is the norm of "
                              "the gradient of the batch's mean loss: gradients may point against each other.")
def averages_the_pictures_norms(net, x, y):
    norms = [_norms(net, x[index:index + 1], y[index:index + 1]) for index in range(len(x))]
    return [sum(column) / len(column) for column in zip(*norms, strict=True)]


@gradient_norms.alternative
def by_zero_grad(net, x, y):
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    return [torch.linalg.vector_norm(module.weight.grad).item() for module in net.modules()
            if isinstance(module, nn.Conv2d | nn.Linear)]


@gradient_norms.alternative
def by_log_softmax(net, x, y):
    chosen = [module.weight for _, module in net.named_modules() if type(module) in (nn.Conv2d, nn.Linear)]
    loss = -net(x).log_softmax(1).gather(1, y[:, None]).mean()
    return [math.sqrt(gradient.double().pow(2).sum().item()) for gradient in torch.autograd.grad(loss, chosen)]


@gradient_norms.alternative
def by_names(net, x, y):
    for parameter in net.parameters():
        parameter.grad = None
    nn.CrossEntropyLoss()(net(x), y).backward()
    weights = [net.get_parameter(f"{name}.weight") for name, module in net.named_modules()
               if issubclass(type(module), (nn.Conv2d, nn.Linear))]
    return [float(weight.grad.flatten().dot(weight.grad.flatten()).sqrt()) for weight in weights]
