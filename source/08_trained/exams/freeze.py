"""How `freeze` is examined."""

import torch
from torch import nn

from convcraft.exam import aspect, error_of, exercise


class _Part(nn.Module):
    """A layer, a norm and a Dropout: in training mode each of them shows that it trains."""

    def __init__(self, taken, given):
        super().__init__()
        self.linear, self.norm, self.drop = nn.Linear(taken, given, bias=False), nn.BatchNorm1d(given), nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(self.linear(x)))


class _Net(nn.Module):
    """Names that begin alike: `body.1` and `body.10`, `head` and `head_norm`."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*(_Part(3, 3) for _ in range(11)))
        self.head_norm = nn.BatchNorm1d(3)
        self.head = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4))

    def forward(self, x):
        return self.head(torch.tanh(self.head_norm(self.body(x))))


def _silence(module):
    for part in module.modules():
        part.eval()
        part.train = lambda mode=True, part=part: part


def _freeze(net, prefix):
    module = net.get_submodule(prefix)
    module.requires_grad_(False)
    _silence(module)


def _frozen(net):
    return " ".join(name for name, one in net.named_parameters() if not one.requires_grad) or "nothing"


def _moved(net, steps, draw):
    """Which entries of the state dict a short training moves. Numbers do not matter: Dropout draws its own."""
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    learning = [one for one in net.parameters() if one.requires_grad]
    for _ in range(steps):
        net.train()
        loss = (net(draw.normal(40, 3)) * draw.normal(40, 4)).sum()
        slopes = torch.autograd.grad(loss, learning) if learning else ()
        with torch.no_grad():
            for one, slope in zip(learning, slopes, strict=True):
                one -= 0.1 * slope
    return {name for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


def _by_part(names):
    """Moved entries, counted for each part of the net."""
    counts = {"body.3": 0, "body.5": 0, "other body": 0, "head_norm": 0, "head": 0}
    for name in names:
        first, second, *_ = name.split(".")
        part = f"body.{second}" if f"body.{second}" in counts else "other body" if first == "body" else first
        counts[part] += 1
    return counts


@exercise(points=7, reference=_freeze)
def freeze(impl, draw):
    def net_frozen(*prefixes):
        net = draw.fill_(_Net())
        for prefix in prefixes:
            impl(net, prefix)
        return net

    def still():
        """What the frozen part gives in the middle of training: as in evaluation, no Dropout, running statistics."""
        net, x = net_frozen("body.3"), draw.normal(5, 3)
        at_once = net.body[3](x)
        net.train()
        return {"frozen": _frozen(net), "at once": at_once, "after net.train()": net.body[3](x)}

    def from_inside():
        net = net_frozen("body.2")
        net.body.train()
        net.body[2].train()
        for part in net.body[2].modules():
            part.train(True)
        whole = net_frozen("body")
        whole.body[4].train()
        whole.body[6].norm.train()
        whole.body[8].drop.train()
        return {"frozen": _frozen(net), "output": net.body[2](draw.normal(5, 3)),
                "two levels down": whole.body(draw.normal(5, 3))}

    def unknown():
        net = net_frozen("head")
        return {"error": error_of(lambda: impl(net, "boddy"), AttributeError), "frozen": _frozen(net)}

    yield aspect("parameters", "Every parameter under `prefix` stops learning: its `requires_grad` is False.",
                 lambda: {"body.3": _frozen(net_frozen("body.3")), "body": _frozen(net_frozen("body"))})
    yield aspect("whole names", "`prefix` is a module's whole name: `body.1` is not `body.10`, `head` is not "
                 "`head_norm`.", lambda: {"body.1": _frozen(net_frozen("body.1")), "head": _frozen(net_frozen("head"))})
    yield aspect("still", "At once, and after `net.train()`, the frozen part works as in evaluation mode, its norms "
                 "and its Dropout.",
                 still, weight=2)
    yield aspect("nothing moves", "A training moves nothing under `prefix`, running statistics included, and "
                 "everything else as before.",
                 lambda: {"the rest trains": net_frozen("body.3").head_norm.training,
                          "body.3": _by_part(_moved(net_frozen("body.3"), 2, draw)),
                          "two parts": _by_part(_moved(net_frozen("body.5", "body.3"), 2, draw))})
    yield aspect("from inside", "It stays so, also when `train()` is called on a part of it.", from_inside)
    yield aspect("unknown", "A prefix that names no module raises AttributeError, as `get_submodule` does.", unknown)


@freeze.misconception("`requires_grad` is False, but the norms work in training mode: their running statistics go on "
                      "moving, and what was frozen changes. Keep them in evaluation mode, whatever `train()` says.")
def forgets_the_norms(net, prefix):
    net.get_submodule(prefix).requires_grad_(False)


@freeze.misconception("`eval()` was called once. The next `net.train()`, which every training loop begins with, undoes "
                      "it: see to it that `train` does nothing to this part.")
def calls_eval_once(net, prefix):
    net.get_submodule(prefix).requires_grad_(False).eval()


@freeze.misconception("Names were compared by how they begin, or by what is in them: `body.1` is also in `body.10`, "
                      "and `head` in `head_norm`. Take the module of that name, or compare with the dot.")
def compares_beginnings(net, prefix):
    net.get_submodule(prefix)
    for name, one in net.named_parameters():
        if name.startswith(prefix):
            one.requires_grad_(False)
    for name, part in net.named_modules():
        if name.startswith(prefix):
            _silence(part)


@freeze.misconception("Everything is frozen, whatever the prefix. Nothing is left that could learn.")
def freezes_everything(net, prefix):
    net.get_submodule(prefix)
    net.requires_grad_(False)
    _silence(net)


@freeze.misconception("Only the norms were frozen. The layers' weights still learn: every parameter under the prefix.")
def freezes_norms_alone(net, prefix):
    for part in net.get_submodule(prefix).modules():
        if isinstance(part, nn.BatchNorm1d):
            part.requires_grad_(False)
    _silence(net.get_submodule(prefix))


@freeze.misconception("The norms stay in evaluation mode, but not the Dropout: the frozen part gives other numbers "
                      "each time. All of it works as in evaluation.")
def forgets_the_dropout(net, prefix):
    module = net.get_submodule(prefix)
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            _silence(part)


@freeze.misconception("`train()` called on a part inside still reaches its norms and its Dropout. Keep every one of "
                      "`modules()` in evaluation mode, not the outermost alone.")
def keeps_the_outermost_alone(net, prefix):
    module = net.get_submodule(prefix)
    module.requires_grad_(False).eval()
    module.train = lambda mode=True: module


@freeze.misconception("What lies two levels below the prefix can still be put into training mode: parts and their own "
                      "parts were kept (`children()`), and no deeper ones. Keep every one of `modules()`.")
def keeps_two_levels(net, prefix):
    module = net.get_submodule(prefix)
    module.requires_grad_(False).eval()
    for part in (module, *module.children()):
        part.train = lambda mode=True, part=part: part


@freeze.misconception("The part works in evaluation mode, but its parameters still learn: `requires_grad` is True for "
                      "all that lies inside it. Set it for the parts of the part, too.", literal=True)
def forgets_the_parameters(net, prefix):
    _silence(net.get_submodule(prefix))


@freeze.misconception("A prefix that names no module raises KeyError, as a dictionary does. The task asks for "
                      "AttributeError, which `get_submodule` raises by itself.", literal=True)
def raises_key_error(net, prefix):
    module = dict(net.named_modules())[prefix]
    module.requires_grad_(False)
    _silence(module)


@freeze.misconception("The whole net was put into evaluation mode, not the part alone: the rest is to train as before.",
                      literal=True)
def puts_all_into_evaluation(net, prefix):
    _freeze(net, prefix)
    net.eval()


@freeze.misconception("Everything but the prefix was frozen. It is the other way round: what the prefix names stands "
                      "still, the rest learns.")
def freezes_the_rest(net, prefix):
    chosen = {id(part) for part in net.get_submodule(prefix).modules()}
    for part in net.modules():
        if id(part) not in chosen and not list(part.children()):
            part.requires_grad_(False)
            _silence(part)


@freeze.misconception("A prefix that names no module freezes nothing, and nobody is told. Ask `net.get_submodule` for "
                      "it, which raises AttributeError.", literal=True)
def shrugs(net, prefix):
    if prefix in dict(net.named_modules()):
        _freeze(net, prefix)


@freeze.misconception("`prefix` was looked up among the net's direct parts. It may lie deeper: `body.1` is found by "
                      "`get_submodule`.")
def looks_one_level_deep(net, prefix):
    module = getattr(net, prefix)
    module.requires_grad_(False)
    _silence(module)


@freeze.alternative
def by_names(net, prefix):
    if prefix not in dict(net.named_modules()):
        raise AttributeError(f"no module {prefix!r}")
    inside = f"{prefix}."
    for name, one in net.named_parameters():
        if name.startswith(inside):
            one.requires_grad = False
    for name, part in net.named_modules():
        if name == prefix or name.startswith(inside):
            part.training = False
            part.train = lambda mode=True, part=part: part


@freeze.alternative
def by_hooks(net, prefix):
    """Whatever mode it was put into, it is in evaluation mode when it works."""
    module = net.get_submodule(prefix)
    for one in module.parameters():
        one.requires_grad_(False)
    for part in module.modules():
        part.register_forward_pre_hook(lambda part, inputs: setattr(part, "training", False))


@freeze.alternative
def by_another_class(net, prefix):
    for part in net.get_submodule(prefix).modules():
        part.eval()
        part.requires_grad_(False)
        kind = type(part)
        part.__class__ = type(kind.__name__, (kind,), {"train": lambda self, mode=True: self})
    return net


freeze.equivalent(
    "part.train = lambda mode=True, part=part: part -> part.train = lambda mode=False, part=part: part",
    "Which mode was asked for plays no part: nothing is done.")
