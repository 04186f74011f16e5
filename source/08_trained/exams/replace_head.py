"""How `replace_head` is examined."""

import copy

import torch
from torch import nn

from convcraft.exam import aspect, exercise


class _Net(nn.Module):
    """Two linear layers, the last of them under the name that it has in the chapter."""

    def __init__(self, bias=True):
        super().__init__()
        self.squeeze, self.bend = nn.Linear(4, 5), nn.Tanh()
        self.classifier = nn.Linear(5, 6, bias=bias)

    def forward(self, x):
        return self.classifier(self.bend(self.squeeze(x)))


class _Nested(nn.Module):
    """The last linear layer is deep inside, under a name that nobody guesses."""

    def __init__(self):
        super().__init__()
        self.squeeze = nn.Linear(4, 5)
        self.top = nn.Sequential(nn.Tanh(), nn.Sequential(nn.Linear(5, 6)))
        self.end = nn.Identity()

    def forward(self, x):
        return self.end(self.top(self.squeeze(x)))


def _last(net):
    return [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]


def _replaced(net, classes):
    name = _last(net)
    old = net.get_submodule(name)
    new = nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype)
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, new)
    return net


def _sizes(net):
    return {name: str(tuple(one.shape)) for name, one in net.named_parameters()}


def _result(net, draw, taken):
    """The shape of what the net gives."""
    try:
        return str(tuple(net(draw.normal(2, taken)).shape))
    except RuntimeError:
        return "an error"


@exercise(points=4, reference=_replaced)
def replace_head(impl, draw):
    def made(bias=True):
        return draw.fill_(_Net(bias))

    def others():
        net = made()
        before = dict(net.named_parameters())
        result = impl(net, 3)
        return {"shapes": _sizes(result), "the same net": result is net,
                "the same tensors": sum(one is before.get(name) for name, one in result.named_parameters()),
                "all others learn as before": all(one.requires_grad for name, one in result.named_parameters()
                                                  if name.startswith("squeeze"))}

    def learns():
        net = made()
        net.requires_grad_(False)
        result = impl(net, 3)
        return {"learn": " ".join(name for name, one in result.named_parameters() if one.requires_grad),
                "shapes": _sizes(result)}

    def fresh():
        """The new weights are drawn anew: small, all different, and none of the old ones."""
        net = made()
        old = net.classifier.weight.detach().clone()
        head, other = impl(net, 60).classifier, impl(made(), 60).classifier
        return {"weights": head.weight, "bias": head.bias, "old": old, "of another net": other.weight}

    def drawn(seen, right):
        old = set(seen["old"].flatten().tolist())
        return {"the same in every net": torch.equal(seen["weights"], seen["of another net"]),
                "weights": uniform(seen["weights"], old), "bias": uniform(seen["bias"], old)}

    def uniform(new, old):
        numbers = set(new.flatten().tolist())
        return {"different": len(numbers) > 0.9 * new.numel(), "of the old ones": len(old & numbers),
                "within ±1/√5": bool((new.abs() <= 5 ** -0.5 + 1e-6).all()),
                # Of 60 uniform numbers all are smaller than 0.6 of the limit once in 10 ** 13.
                "nearly as large as that": bool(new.abs().max() > 0.6 * 5 ** -0.5)}

    def shapes():
        nested = impl(draw.fill_(_Nested()), 3)
        row = impl(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), 5)
        return {"nested": _sizes(nested), "a row": _sizes(row),
                "names with dots in them": sum("." in name for part in nested.modules() for name in part._modules),
                "what it gives": [_result(nested, draw, 4), _result(row, draw, 3)]}

    def double():
        head = impl(made().double(), 2).classifier
        return {"weight": head.weight.detach() * 0, "result": tuple(impl(made(), 3)(draw.normal(2, 4)).shape)}

    yield aspect("shape", "The net's last `nn.Linear`, the last one in `net.modules()`, gives `classes` numbers "
                 "afterwards; it stays at its place and takes in what it took.",
                 shapes)
    yield aspect("others", "The net itself is changed and returned, and all its other parameters are the same tensors "
                 "as before.", others)
    yield aspect("fresh", "Its weights are new, as PyTorch draws them for an `nn.Linear`.", fresh, view=drawn)
    yield aspect("learns", "It learns, also where all of the net is frozen.", learns)
    yield aspect("as before", "It has a bias where the old one had, and the old one's dtype.",
                 lambda: {"without a bias": _sizes(impl(made(bias=False), 3)), "float64": double()}, dtype=True)


@replace_head.misconception("Another linear layer was put behind the last one. The old head is still there, and the "
                            "new one sees only its thousand answers: put the new one in its place.")
def puts_one_behind(net, classes):
    name = _last(net)
    old = net.get_submodule(name)
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, nn.Sequential(old, nn.Linear(old.out_features, classes)))
    return net


@replace_head.misconception("The first linear layer was replaced. The head is the last one.")
def replaces_the_first(net, classes):
    name = next(name for name, module in net.named_modules() if isinstance(module, nn.Linear))
    old = net.get_submodule(name)
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, nn.Linear(old.in_features, classes, bias=old.bias is not None))
    return net


@replace_head.misconception("The new layer was put under the name `classifier`, which this net does not have. Any net "
                            "may come: find its last `nn.Linear`, whatever it is called.")
def knows_one_name(net, classes):
    net.classifier = nn.Linear(5, classes)
    return net


@replace_head.misconception("The new layer is called `classifier` and takes 1280 numbers, as this chapter's does. Any "
                            "net may come: find its last `nn.Linear`, its name, and what it took in.")
def knows_one_net(net, classes):
    net.classifier = nn.Linear(1280, classes)
    return net


@replace_head.misconception("The new layer was put beside the old one, under a name with dots in it (`top.1.0`), and "
                            "the net goes on with the old one. `setattr` wants the parent, and the layer's own name in "
                            "it.",
                            literal=True)
def sets_a_dotted_name(net, classes):
    name = _last(net)
    old = net.get_submodule(name)
    setattr(net, name, nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype))
    return net


@replace_head.misconception("The new layer came back, not the net that has it.")
def returns_the_layer(net, classes):
    return _replaced(net, classes).get_submodule(_last(net))


@replace_head.misconception("`net.classifier` was asked for. Another net calls its last layer otherwise: find the last "
                            "`nn.Linear` of `net.modules()`, and its name.")
def asks_for_one_name(net, classes):
    old = net.classifier
    net.classifier = nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype)
    return net


@replace_head.misconception("Only the number `out_features` was changed, not the weights: the layer still gives as "
                            "many answers as before. Make a new `nn.Linear`.")
def changes_the_number_alone(net, classes):
    net.get_submodule(_last(net)).out_features = classes
    return net


@replace_head.misconception("The old weights were cut to the first rows. They know other classes: a new head begins "
                            "with new weights.")
def cuts_the_old_weights(net, classes):
    old = net.get_submodule(_last(net))
    rows = torch.arange(classes) % len(old.weight)
    old.weight = nn.Parameter(old.weight.detach()[rows].clone())
    if old.bias is not None:
        old.bias = nn.Parameter(old.bias.detach()[rows].clone())
    return net


@replace_head.misconception("The new head starts with all weights zero. They are drawn as PyTorch draws them: make an "
                            "`nn.Linear` and leave it alone.", literal=True)
def starts_from_zero(net, classes):
    net = _replaced(net, classes)
    nn.init.zeros_(net.get_submodule(_last(net)).weight)
    return net


@replace_head.misconception("The head was frozen with the rest. A frozen head keeps its random weights for ever: the "
                            "new one must learn.", literal=True)
def freezes_the_head(net, classes):
    frozen = not any(one.requires_grad for one in net.parameters())
    net = _replaced(net, classes)
    net.get_submodule(_last(net)).requires_grad_(not frozen)
    return net


@replace_head.misconception("The rest of the net was frozen. The head alone is to change: whoever wants the others to "
                            "stand still calls `freeze`.", literal=True)
def freezes_the_rest(net, classes):
    net.requires_grad_(False)
    return _replaced(net, classes)


@replace_head.misconception("The last linear layer was looked for among the net's direct parts. It may lie deeper: "
                            "`named_modules()` goes through all of them.", literal=True)
def looks_one_level_deep(net, classes):
    name = [name for name, module in net.named_children() if isinstance(module, nn.Linear)][-1]
    old = getattr(net, name)
    setattr(net, name, nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype))
    return net


@replace_head.misconception("Every linear layer was replaced. Only the last one is the head; what the others have "
                            "learned is lost.", literal=True)
def replaces_all(net, classes):
    for name, old in list(net.named_modules()):
        if isinstance(old, nn.Linear):
            parent, _, own = name.rpartition(".")
            setattr(net.get_submodule(parent), own,
                    nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype))
    return net


@replace_head.misconception("The new layer takes in what the old one gave, `out_features`. It stands in the old one's "
                            "place and takes what that took: `in_features`.", literal=True)
def takes_in_what_it_gave(net, classes):
    name = _last(net)
    old = net.get_submodule(name)
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own,
            nn.Linear(old.out_features, classes, bias=old.bias is not None, dtype=old.weight.dtype))
    return net


@replace_head.misconception("Every net gets the same head: torch was given a seed first. Leave the seed to whoever "
                            "calls.", literal=True)
def gives_torch_a_seed(net, classes):
    torch.manual_seed(0)
    return _replaced(net, classes)


@replace_head.misconception("The bias was set to one number throughout. It is drawn as PyTorch draws it: make an "
                            "`nn.Linear` and leave it alone.", literal=True)
def starts_with_no_bias(net, classes):
    net = _replaced(net, classes)
    head = net.get_submodule(_last(net))
    if head.bias is not None:
        nn.init.zeros_(head.bias)
    return net


@replace_head.misconception("All of the net was set to learn again. Who froze it wanted it so: the new head alone "
                            "learns by itself.", literal=True)
def wakes_the_whole_net(net, classes):
    return _replaced(net, classes).requires_grad_(True)


@replace_head.misconception("A copy of the net was changed. An optimizer that holds the old one's parameters would "
                            "train nothing: change the net that was given.", literal=True)
def changes_a_copy(net, classes):
    return _replaced(copy.deepcopy(net), classes)


@replace_head.misconception("The net is changed and not returned. Return it, so that the call can be part of a line.")
def returns_nothing(net, classes):
    _replaced(net, classes)


@replace_head.misconception("The new layer always has a bias. Where the old one had none, a norm or a loss behind it "
                            "does not want one.")
def always_has_a_bias(net, classes):
    name = _last(net)
    old = net.get_submodule(name)
    parent, _, own = name.rpartition(".")
    setattr(net.get_submodule(parent), own, nn.Linear(old.in_features, classes, dtype=old.weight.dtype))
    return net


@replace_head.misconception("The new layer is float32 in a float64 net, and the first batch ends in an error. Give it "
                            "the old weight's dtype.")
def forgets_the_dtype(net, classes):
    return _replaced(net, classes) if net.get_submodule(_last(net)).weight.dtype == torch.float32 else _single(
        net, classes)


def _single(net, classes):
    net = _replaced(net, classes)
    net.get_submodule(_last(net)).float()
    return net


@replace_head.alternative
def by_walking(net, classes):
    for parent in net.modules():
        for own, child in parent.named_children():
            if isinstance(child, nn.Linear):
                found = parent, own, child
    parent, own, old = found
    new = nn.Linear(old.in_features, classes, old.bias is not None).to(old.weight)
    parent.register_module(own, new)
    return net


@replace_head.alternative
def inside_the_layer(net, classes):
    """The layer stays, all that it holds is new."""
    old = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
    old.__init__(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype)
    return net


@replace_head.alternative
def by_item(net, classes):
    place, = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1:]
    *way, own = place.split(".")
    parent = net
    for step in way:
        parent = getattr(parent, step)
    old = getattr(parent, own)
    parent._modules[own] = nn.Linear(old.weight.shape[1], classes, bias=old.bias is not None, dtype=old.weight.dtype)
    return net
