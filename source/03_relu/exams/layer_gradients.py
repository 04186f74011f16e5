"""How `layer_gradients` is examined."""

import numpy as np
import torch
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import plain


def _norms(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


class _TwoBranches(nn.Module):
    """Made in another order than it runs, and with layers inside of layers."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(5, 2)
        self.body = nn.Sequential(nn.Sequential(nn.Linear(4, 6), nn.Tanh()), nn.Linear(6, 5, bias=False))
        self.shortcut = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(torch.tanh(self.body(x) + self.shortcut(x)))


def _small_net():
    return nn.Sequential(nn.Linear(6, 5), nn.Sigmoid(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


def _drawn(draw, net):
    """Filled with weights so large that no activation is almost linear: no gradient has rank one by chance."""
    with torch.no_grad():
        for layer in draw.fill_(net).modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= 4
    return net


class _Offsets(nn.Module):
    """A matrix that is learned and belongs to no linear layer, like the positions of a transformer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 4))

    def forward(self, x):
        return x + self.weight.flatten()


class _LouderInTraining(nn.Module):
    """What tells the two modes apart, and keeps nothing."""

    def forward(self, x):
        return 2 * x if self.training else x


def _mixed_net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Flatten(), _Offsets(), nn.LayerNorm(8), nn.Linear(8, 4),
                         nn.Tanh(), nn.Linear(4, 3), nn.Tanh())


def _and_kinds(result):
    """A list's entries, and the kinds of those that are no Python floats; tensors are seen as such."""
    if not isinstance(result, (list, tuple)):
        return result
    others = {type(entry).__name__ for entry in result if not isinstance(entry, (float, torch.Tensor))}
    return {"numbers": list(result), "besides Python's floats": " ".join(sorted(others)) or "nothing"}


@exercise(points=10, reference=_norms)
def layer_gradients(impl, draw):
    def norms_of(net, x):
        result = impl(net, x)
        return [plain(norm) for norm in result] if isinstance(result, (list, tuple, torch.Tensor)) else result

    def old_gradients():
        net, x = _drawn(draw, _small_net()), draw.normal(7, 6)
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        return [norms_of(net, x), norms_of(net, x)]

    def mode():
        net = _drawn(draw, nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), _LouderInTraining(),
                                         nn.Linear(5, 4)))
        net[1].eval()  # what belongs to one part may differ from its neighbours'
        norms = norms_of(net, draw.normal(7, 6))
        return {"norms": norms, "modes afterwards": [part.training for part in net.modules()]}

    yield aspect("values", "One number for each linear layer: the L2 norm of the gradient of s = net(x).sum() with "
                 "respect to the layer's weight.", lambda: norms_of(_drawn(draw, _small_net()), draw.normal(7, 6)))
    yield aspect("order", "They come in the order of `net.modules()`, layers inside of other modules included.",
                 lambda: norms_of(_drawn(draw, _TwoBranches()), draw.normal(6, 4)))
    yield aspect("linear layers alone", "Biases, convolutions, normalisation layers and all other weights are left "
                 "out.", lambda: norms_of(_drawn(draw, _mixed_net()), 4 * draw.normal(6, 1, 4, 4)))
    yield aspect("old gradients", "Gradients that were there before the call do not count: call it twice, and the "
                 "numbers are the same.", old_gradients)
    yield aspect("mode", "The net is measured in the mode it is in, and stays in it.", mode)
    yield aspect("floats", "The result is a list of Python floats.",
                 lambda: _and_kinds(impl(_drawn(draw, _small_net()), draw.normal(5, 6))))


@layer_gradients.misconception("The net was put into evaluation mode. Measure it in the mode it is in: in training, "
                               "that is where its gradients come from. And leave the mode as it was.", literal=True)
def puts_into_evaluation_mode(net, x):
    return _norms(net.eval(), x)


@layer_gradients.misconception("The net was put into training mode, and with it parts that were in evaluation mode. "
                               "Measure it in the mode it is in.")
def puts_into_training_mode(net, x):
    return _norms(net.train(), x)


@layer_gradients.misconception("The largest entry was taken. The L2 norm is the root of the sum of all squares.")
def takes_the_largest_entry(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.abs().max().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Old gradients were added in: `backward` accumulates into `.grad`, and nobody had "
                               "emptied it. Clear the gradients first, or ask for them without `.grad`.")
def adds_to_old_gradients(net, x):
    net(x).sum().backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The gradients were emptied after the measurement, not before it. What was in `.grad` "
                               "when your function was called went into its first result.")
def empties_too_late(net, x):
    net(x).sum().backward()
    norms = [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]
    net.zero_grad()
    return norms


@layer_gradients.misconception("`backward` starts from a single number, and `net(x)` has many. Add them up to s first.")
def forgets_the_sum(net, x):
    net.zero_grad()
    net(x).backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The gradient of the bias went into the norm, too. The task asks for the weight's "
                               "alone.")
def mixes_the_bias_in(net, x):
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    found = [torch.autograd.grad(net(x).sum(), list(layer.parameters())) for layer in layers]
    return [sum(gradient.square().sum().item() for gradient in gradients) ** 0.5 for gradients in found]


@layer_gradients.misconception("For a matrix, `torch.linalg.norm(g, 2)` is the largest singular value (the spectral "
                               "norm), smaller than the L2 norm of its entries. Look for the norm of a vector, or "
                               "leave the 2 out.")
def takes_the_spectral_norm(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [torch.linalg.norm(gradient, 2).item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Convolutions are in the list. The task asks for linear layers alone: one kind of "
                               "module.")
def takes_convolutions_too(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Every parameter with two axes was taken for the weight of a linear layer. Other "
                               "modules have matrices, too: ask the module what it is, not the tensor.")
def takes_every_matrix(net, x):
    weights = [parameter for parameter in net.parameters() if parameter.ndim == 2]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The biases are in the list, too. The task asks for one number a linear layer, that of "
                               "its weight.")
def takes_biases_too(net, x):
    parameters = [parameter for module in net.modules() if isinstance(module, nn.Linear)
                  for parameter in module.parameters()]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), parameters)]


@layer_gradients.misconception("This is the squared norm: the root is missing.")
def forgets_the_square_root(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.square().sum().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("This is the sum of absolute values, the L1 norm. The L2 norm is the root of the sum "
                               "of squares.")
def takes_the_l1_norm(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.abs().sum().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("This is the mean absolute value of the gradient. A norm does not divide by the number "
                               "of entries.")
def takes_the_mean(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.abs().mean().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The gradient was taken of the mean of the outputs. The task takes their sum, so your "
                               "numbers are too small by the number of outputs.")
def averages_the_outputs(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).mean(), weights)]


@layer_gradients.misconception("The outputs were squared before they were summed up. The task asks for the plain sum.")
def squares_the_outputs(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).square().sum(), weights)]


@layer_gradients.misconception("The list runs from the last layer to the first, the way backpropagation goes. It "
                               "should follow `net.modules()`.")
def runs_backwards(net, x):
    return _norms(net, x)[::-1]


@layer_gradients.misconception("Only layers at the top of the net were found: `children()` and a loop over a "
                               "Sequential do not look inside of other modules. `modules()` does.")
def looks_at_children_alone(net, x):
    weights = [module.weight for module in net.children() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Everything called `weight` was taken: a convolution and a normalisation layer have "
                               "one, too. Ask each module whether it is an `nn.Linear`.")
def takes_every_weight(net, x):
    weights = [parameter for name, parameter in net.named_parameters() if name.endswith("weight")]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("These are the norms of the weights, not of their gradients: they would be the same "
                               "for any input.")
def measures_the_weights(net, x):
    return [module.weight.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The list holds tensors. The task asks for Python floats: plain numbers that keep no "
                               "graph and that a plot can take.")
def returns_tensors(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("Every parameter is in the list, biases and all. Ask for one number for each "
                               "`nn.Linear`: that of its weight.")
def takes_every_parameter(net, x):
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), list(net.parameters()))]


@layer_gradients.misconception("This is the root of the mean square of a gradient's entries. The L2 norm is the root "
                               "of their sum: nothing is divided by their number.")
def takes_the_root_of_the_mean_square(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.square().mean().sqrt().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The gradients were divided by the size of the batch. s is the sum of all outputs, of "
                               "all examples, and nothing divides it.")
def averages_over_the_batch(net, x):
    return [norm / len(x) for norm in _norms(net, x)]


@layer_gradients.misconception("The norms are right, but `train(...)` of the whole net set every part's mode, also of "
                               "one that was in another. Leave all modes alone.", literal=True)
def sets_all_modes_afterwards(net, x):
    norms = _norms(net, x)
    net.train()
    return norms



@layer_gradients.misconception("The net was measured in evaluation mode, and `train(...)` afterwards set every part's "
                               "mode. Measure it in the mode it is in, and leave all modes alone.", literal=True)
def measures_in_evaluation_mode_and_goes_back(net, x):
    was = net.training
    norms = _norms(net.eval(), x)
    net.train(was)
    return norms


@layer_gradients.misconception("Before the first `backward`, a parameter's `.grad` is None, and None has no `zero_`. "
                               "`net.zero_grad()` knows that; or ask whether there is one.")
def empties_what_is_not_there(net, x):
    for parameter in net.parameters():
        parameter.grad.zero_()
    net(x).sum().backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The net ran under `no_grad` (or its output was detached): s keeps no graph, and "
                               "`backward` has nowhere to go.")
def looks_away(net, x):
    with torch.no_grad():
        total = net(x).sum()
    total.backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, nn.Linear)]


@layer_gradients.misconception("The net was walked through by `for … in net`, which a Sequential allows and other "
                               "modules do not. `net.modules()` gives all modules of any net.", literal=True)
def takes_every_net_for_a_sequential(net, x):
    weights = [module.weight for module in net if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]


@layer_gradients.misconception("The list holds NumPy's numbers (`np.float32`). The task asks for Python floats: "
                               "`float(...)` makes one.", literal=True)
def returns_numpys_numbers(net, x):
    return list(np.array(_norms(net, x), dtype=np.float32))


@layer_gradients.misconception("The gradient is that of the first example alone. s adds up the outputs of all "
                               "examples.")
def takes_the_first_example(net, x):
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x)[0].sum(), weights)]


@layer_gradients.alternative
def by_backward(net, x):
    net.zero_grad()
    net(x).sum().backward()
    return [float(module.weight.grad.norm()) for module in net.modules() if type(module) is nn.Linear]


@layer_gradients.alternative
def by_functional_call(net, x):
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}
    found = torch.func.grad(lambda given: torch.func.functional_call(net, given, (x,)).sum())(parameters)
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)]
    return [found[f"{name}.weight"].square().sum().sqrt().item() for name in names]


@layer_gradients.alternative
def on_a_deep_copy(net, x):
    import copy

    twin = copy.deepcopy(net)
    for parameter in twin.parameters():
        parameter.grad = None
    twin(x).sum().backward()
    return [torch.linalg.vector_norm(module.weight.grad).item() for module in twin.modules()
            if isinstance(module, nn.Linear)]


@layer_gradients.alternative
def by_flat_lists(net, x):
    layers = [module for module in net.modules() if isinstance(module, nn.Linear)]
    result = []
    for layer in layers:
        (gradient,) = torch.autograd.grad(net(x).sum(), layer.weight)
        result.append(sum(number**2 for number in gradient.flatten().tolist()) ** 0.5)
    return result
