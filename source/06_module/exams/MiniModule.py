"""How `MiniModule` is examined."""

import copy
from typing import ClassVar

import torch
from torch import nn

from convcraft.exam import aspect, error_of, exercise, nets

from .shared import _same_objects, _state


def _is_parameter(value):
    return isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad


class PlainMini:
    """nn.Module's bookkeeping, and nothing of torch.nn."""

    def __init__(self):
        self._parameters, self._buffers, self._modules, self.training = {}, {}, {}, True

    def __setattr__(self, name, value):
        entered = _is_parameter(value) or isinstance(value, PlainMini)
        if entered and "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        stays = self._stays_a_buffer(name, value)
        self._forget(name)
        if entered:
            (self._parameters if _is_parameter(value) else self._modules)[name] = value
        elif stays:
            self._buffers[name] = value
        object.__setattr__(self, name, value)

    def _stays_a_buffer(self, name, value):
        return isinstance(value, torch.Tensor) and name in self.__dict__.get("_buffers", {})

    def _forget(self, name):
        for register in ("_parameters", "_buffers", "_modules"):
            self.__dict__.get(register, {}).pop(name, None)

    def register_buffer(self, name, tensor):
        self._buffers[name] = tensor
        object.__setattr__(self, name, tensor)

    def apply(self, function):
        for child in self._modules.values():
            child.apply(function)
        function(self)
        return self

    def __call__(self, *args):
        return self.forward(*args)

    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            yield from child._all(f"{prefix}{name}.")

    def _kept(self, prefix=""):
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            yield prefix + name, tensor
        for name, child in self._modules.items():
            yield from child._kept(f"{prefix}{name}.")

    def named_parameters(self):
        seen = set()
        for name, parameter in self._all():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self):
        for _, parameter in self.named_parameters():
            yield parameter

    def train(self, mode=True):
        self.training = mode
        for child in self._modules.values():
            child.train(mode)
        return self

    def eval(self):
        return self.train(False)

    def state_dict(self):
        return {name: tensor.detach() for name, tensor in self._kept()}

    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


def _leaf(*values):
    return torch.tensor(values, requires_grad=True)


def _net(impl, draw):
    """An object of a class built on impl: own numbers, a child, a grandchild; drawn values."""
    class Affine(impl):
        def __init__(self, size):
            super().__init__()
            self.weight = draw.normal(size).requires_grad_()
            self.size = size
            self.shift = draw.normal(size).requires_grad_()

        def forward(self, x):
            return x * self.weight + self.shift

    class Pair(impl):
        def __init__(self):
            super().__init__()
            self.inner = Affine(3)
            self.gain = draw.normal(1).requires_grad_()

        def forward(self, x):
            return self.inner(x) * self.gain

    class Whole(impl):
        def __init__(self):
            super().__init__()
            self.name = "whole"
            self.start = draw.normal(3).requires_grad_()
            self.head = Affine(3)
            self.pair = Pair()
            self.offset = draw.normal(3).requires_grad_()

        def forward(self, x):
            return self.pair(self.head(x + self.start)) + self.offset

    _empty(impl)
    return Whole()


def _norm(impl, features):
    """BatchNorm1d of impl's own, with the names of PyTorch's."""
    class Norm(impl):
        def __init__(self):
            super().__init__()
            self.weight = torch.ones(features, requires_grad=True)
            self.bias = torch.zeros(features, requires_grad=True)
            self.register_buffer("running_mean", torch.zeros(features))
            self.register_buffer("running_var", torch.ones(features))
            self.register_buffer("num_batches_tracked", torch.tensor(0))

        def forward(self, x):
            if self.training:
                self.running_mean = 0.9 * self.running_mean + 0.1 * x.detach().mean(0)
                self.running_var = 0.9 * self.running_var + 0.1 * x.detach().var(0)
                self.num_batches_tracked += 1
            mean, var = (x.mean(0), x.var(0, correction=0)) if self.training else (self.running_mean, self.running_var)
            return (x - mean) / (var + 1e-5).sqrt() * self.weight + self.bias

    _empty(impl)
    return Norm()


def _empty(impl):
    """An object of a class built on impl that has nothing yet."""
    class Empty(impl):
        def __init__(self):
            super().__init__()

    module = Empty()
    if any(True for _ in module.named_parameters()):  # in every aspect, so that none depends on those before it
        raise RuntimeError("a new object lists parameters that another object was given: they share a register")
    return module


def _listed(module):
    """The parameters by name, as copies."""
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


@exercise(points=16, reference=PlainMini)
def MiniModule(impl, draw):
    def registration():
        module, weight = _empty(impl), draw.normal(2, 3).requires_grad_()
        module.weight = weight
        other = _empty(impl)
        module.table = draw.normal(4)
        module.doubled = weight * 2
        module.size, module.label, module.nothing = 3, "mine", None
        module.several = [draw.normal(1).requires_grad_(), _empty(impl)]
        module.row = [_empty(impl)]
        module.row[0].inside = draw.normal(1).requires_grad_()
        module.several[1].inside = draw.normal(1).requires_grad_()
        found = _listed(module)
        other.bias = draw.normal(2).requires_grad_()
        return {"found": found, "found in another object": _listed(other),
                "the tensor itself": [module.weight is weight, *(tensor is weight for tensor in module.parameters())],
                "others are there": [module.table, module.size, module.label, module.nothing],
                "an nn.Module": isinstance(module, nn.Module)}

    def own():
        class Pair(impl):
            def __init__(self):
                super().__init__()
                self.inner = _empty(impl)
                self.gain = draw.normal(2).requires_grad_()

        one, other = Pair(), Pair()
        one.inner.weight = draw.normal(3).requires_grad_()
        twins = []
        copied = error_of(lambda: twins.append(_state(copy.deepcopy(one))))
        with torch.no_grad():
            for tensor in one.parameters():
                tensor.add_(1)
        return {"one": _state(one), "the other": _state(other), "copying": copied, "a copy": twins}

    def nested():
        net = _net(impl, draw)
        net.last = _empty(impl)
        net.last.weight = draw.normal(2).requires_grad_()
        return {"names": " ".join(name for name, _ in net.named_parameters()), "values": _listed(net),
                "without names": [parameter.detach() for parameter in net.parameters()]}

    def repeats():
        module, child, other = _empty(impl), _empty(impl), _empty(impl)
        shared, alike = draw.normal(3).requires_grad_(), torch.ones(3, requires_grad=True)
        child.weight, child.ones, other.tied = shared, alike, shared
        other.ones = torch.ones(3, requires_grad=True)
        module.first, module.second, module.again = child, other, child
        module.own = draw.normal(2).requires_grad_()
        return {"values": _listed(module), "how many": len(list(module.parameters()))}

    def reassigned():
        module = _empty(impl)
        module.weight = draw.normal(2).requires_grad_()
        module.weight = draw.normal(3).requires_grad_()
        module.bias = draw.normal(2).requires_grad_()
        module.bias = 0.5
        module.part = _empty(impl)
        module.part.weight = draw.normal(2).requires_grad_()
        module.part = draw.normal(4).requires_grad_()
        module.other = draw.normal(5).requires_grad_()
        module.other = _empty(impl)
        module.other.scale = draw.normal(1).requires_grad_()
        module.gone, module.gone_part = draw.normal(1).requires_grad_(), _empty(impl)
        module.gone_part.scale = draw.normal(1).requires_grad_()
        module.gone = module.gone_part = None
        held = _empty(impl)
        held.table, held.scale = draw.normal(2).requires_grad_(), draw.normal(3).requires_grad_()
        held.table = draw.normal(2)
        return {"found": _listed(module), "the number": module.bias, "None": [module.gone, module.gone_part],
                "state dict": " ".join(sorted(module.state_dict())),
                "found where a plain tensor took a parameter's place": _listed(held), "the tensor": held.table}

    def too_early():
        said = []

        class Block(impl):
            def __init__(self, value):
                self.size = 3
                try:
                    self.early = value
                except AttributeError as error:
                    said.append("__init__" in str(error))
                    raise
                super().__init__()
                self.late = value

        def attempt(value):
            said.clear()
            return {"raises": error_of(lambda: Block(value), AttributeError), "its message names __init__": any(said)}

        seen = {"a parameter too early": attempt(_leaf(1.0, 2.0)), "a child too early": attempt(_empty(impl))}
        seen["a number early"] = error_of(lambda: Block(4))
        if seen["a number early"] == "no error":
            later = Block(4)
            later.weight = draw.normal(2).requires_grad_()
            seen |= {"numbers": [later.size, later.early], "found": _listed(later)}
        return seen

    def modes():
        net = _net(impl, draw)
        seen, same = {}, {}

        def note(when, returned=net):
            same[when] = returned is net
            below = {"the object": net, "head": net.head, "pair": net.pair, "pair.inner": net.pair.inner}
            seen[when] = {name: bool(module.training) for name, module in below.items()}

        note("at first")
        note("after eval()", net.eval())
        net.pair.train()
        note("after pair.train()")
        note("after train()", net.train())
        net.head.eval()
        note("after head.eval()")
        note("after train() again", net.train())
        note("after train(False)", net.train(False))
        return {"training": seen, "returns itself": same, "found": _listed(net)}

    def state():
        net, tied = _net(impl, draw), _empty(impl)
        net.tied, net.twin = tied, net.head
        tied.weight = net.offset
        before = net.state_dict()
        seen = {name: tensor.clone() for name, tensor in before.items()}
        with torch.no_grad():
            net.offset += 1
        return {"values": seen, "follows the net": before["offset"] - seen["offset"],
                "require grad": [tensor.requires_grad for tensor in before.values()]}

    def buffers():
        net = _net(impl, draw)
        net.head.register_buffer("mean", draw.normal(3))
        net.register_buffer("count", torch.tensor(2))
        first = {"parameters": " ".join(sorted(_listed(net))), "head.mean": net.head.mean.clone(),
                 "state dict": {name: tensor.clone() for name, tensor in net.state_dict().items()}}
        net.head.mean = draw.normal(3)
        given = {name: tensor + 1 for name, tensor in sorted(net.state_dict().items())}
        then = {"state dict": {name: tensor.clone() for name, tensor in net.state_dict().items()}}
        net.load_state_dict(given)
        net.head.register_buffer("gone", draw.normal(2))
        net.head.gone = 3
        then["no longer one"] = [net.head.gone, "head.gone" in net.state_dict()]
        return {"registered": first, "with a new tensor under the name": then,
                "loaded": {"head.mean": net.head.mean.clone(), "count": net.count.clone(),
                           "parameters": " ".join(sorted(_listed(net)))}}

    def real_norm():
        mine, theirs = _norm(impl, 4), draw.fill_(nn.BatchNorm1d(4))
        theirs.num_batches_tracked.fill_(7)
        mine.load_state_dict(theirs.state_dict())
        x = draw.normal(6, 4)
        after = {"in train mode": mine(x).detach(), "its state": _state(mine)}
        return after | {"in eval mode": mine.eval()(x).detach(),
                        "PyTorch's takes it back": error_of(lambda: theirs.load_state_dict(mine.state_dict()))}

    def applied():
        net, called = _net(impl, draw), []
        names = {id(net): "the object", id(net.head): "head", id(net.pair): "pair", id(net.pair.inner): "pair.inner"}

        def grow(module):
            called.append(names.get(id(module), "something else"))
            with torch.no_grad():
                for name, tensor in module.named_parameters():
                    if "." not in name:
                        tensor += len(called)

        returned = net.apply(grow)
        return {"called with": ", ".join(called), "returns itself": returned is net, "afterwards": _listed(net)}

    def loading():
        net = _net(impl, draw)
        tensors, follows = list(net.parameters()), net.state_dict()
        given = {name: draw.normal(*tensor.shape) for name, tensor in sorted(net.state_dict().items())}
        net.load_state_dict(dict(reversed(given.items())))
        given["offset"] += 1
        after = list(net.parameters())
        return {"values": _listed(net), "the same tensors": _same_objects(tensors, after),
                "an earlier state dict follows": {name: tensor.clone() for name, tensor in follows.items()},
                "leaves that require grad": [tensor.is_leaf and tensor.requires_grad for tensor in after],
                "result": net(torch.ones(3)).detach()}

    def strict():
        net = _net(impl, draw)
        kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        fine = {name: tensor + 1 for name, tensor in kept.items()}
        missing = {name: tensor for name, tensor in fine.items() if name != "pair.inner.shift"}
        extra = fine | {"pair.inner.scale": torch.ones(3)}
        mistyped = {name.replace("pair.gain", "pair.gian"): tensor for name, tensor in fine.items()}
        names = {"a missing name": missing, "a name too many": extra, "a mistyped name": mistyped}
        # Each in turn is the one that does not fit: what is loaded before it is found shows, whatever the order.
        shapes = {"a shape that would broadcast": fine | {"offset": torch.ones(1)},
                  "as many numbers in another shape": fine | {"offset": torch.ones(3, 1)}} | {
            f"another shape of {name}": fine | {name: torch.ones(7)} for name in sorted(kept)}

        def attempt(attempts):
            raised = {what: error_of(lambda given=given: net.load_state_dict(given), RuntimeError)
                      for what, given in attempts.items()}
            return raised | {"nothing was loaded": all(torch.equal(tensor, kept[name])
                                                       for name, tensor in net.state_dict().items())}

        seen = {"shapes": attempt(shapes)}
        net = _net(impl, draw)
        kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        seen["names"] = attempt(names)
        net.load_state_dict(fine)
        return seen | {"then all": _listed(net)}

    def training():
        net = _net(impl, draw)
        x, target = draw.normal(6, 3), draw.normal(6, 3)
        losses = []
        for _ in range(3):
            loss = (net(x) - target).square().mean()
            for parameter in net.parameters():
                parameter.grad = None
            loss.backward()
            nets.descend(net.parameters(), lr=0.1)
            losses.append(loss.detach())
        class Difference(impl):
            def forward(self, x, y):
                return x - y

        return {"losses": torch.stack(losses), "afterwards": _listed(net), "called with two": Difference()(x, target)}

    yield aspect("registration",
                 "A leaf tensor that requires grad becomes a parameter by being assigned to an attribute; every other "
                 "value is a plain attribute.",
                 registration)
    yield aspect("objects",
                 "Each object has registers of its own: two objects of one class share none, and a `copy.deepcopy` has "
                 "tensors of its own.",
                 own)
    yield aspect("nested",
                 "`named_parameters()` gives pairs (name, tensor): the object's own first, then each child's, in the "
                 "order of assignment, with dotted names such as `pair.inner.weight`; `parameters()` gives the tensors "
                 "alone.",
                 nested)
    yield aspect("repeats",
                 "The same tensor under two names comes once, under the first; equal numbers in two tensors are still "
                 "two.",
                 repeats)
    yield aspect("assigned again",
                 "The last assignment counts: what was a parameter or a child and is overwritten is one no longer.",
                 reassigned)
    yield aspect("too early",
                 "A parameter or a child that is assigned before `MiniModule.__init__` has run raises an "
                 "AttributeError whose message names `__init__`; numbers may come earlier.",
                 too_early)
    yield aspect("buffers",
                 "`register_buffer(name, tensor)` enters a tensor that is saved and not trained: an attribute, in the "
                 "state dict, among no parameters; a new tensor that is assigned to its name stays a buffer.",
                 buffers)
    yield aspect("a real BatchNorm",
                 "So a BatchNorm built on `MiniModule` loads the state dict of PyTorch's, and the other way round.",
                 real_norm)
    yield aspect("apply",
                 "`apply(function)` calls `function` with every module below, in the order of assignment, a module "
                 "after its children and the object last, and returns the object.",
                 applied)
    yield aspect("modes",
                 "`training` starts as True; `train(mode=True)` and `eval()` set it in the object and everything below "
                 "it, and return the object.",
                 modes)
    yield aspect("state_dict",
                 "`state_dict()` is a dictionary from each qualified name to the tensor, detached, but in shared "
                 "memory; a tensor under two names is in it twice.",
                 state)
    yield aspect("load_state_dict",
                 "`load_state_dict(state_dict)` copies the numbers into the tensors that are there, in any order of "
                 "the names.",
                 loading)
    yield aspect("strict loading",
                 "A missing name, an unexpected name or another shape raises a RuntimeError, and then nothing has been "
                 "loaded.",
                 strict)
    yield aspect("training",
                 "Calling the object calls its `forward`, and an optimizer that is given `parameters()` trains it.",
                 training)


@MiniModule.misconception("`named_parameters()` stops at the object's own tensors. A net is a tree: ask every child "
                          "for its own, and put the child's name and a dot before them.")
class StopsAtItsOwn(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter


@MiniModule.misconception("The registers are on the class, an entry for each `id(self)`. A copy has none, and what was "
                          "deleted is kept for ever: make them in `__init__`, on `self`.", literal=True)
class KeepsRegistersOnTheClass(PlainMini):
    registers: ClassVar[dict] = {}

    def __init__(self):
        self.registers[id(self)] = ({}, {}, {}, self)  # kept, so that no later object gets its id and its registers
        object.__setattr__(self, "training", True)

    _parameters, _buffers, _modules = (property(lambda self, place=place: self.registers[id(self)][place])
                                       for place in range(3))

    def __setattr__(self, name, value):
        entered = _is_parameter(value) or isinstance(value, PlainMini)
        if entered and "training" not in vars(self):
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        if "training" in vars(self):
            stays = isinstance(value, torch.Tensor) and name in self._buffers
            for register in self.registers[id(self)][:3]:
                register.pop(name, None)
            if entered:
                (self._parameters if _is_parameter(value) else self._modules)[name] = value
            elif stays:
                self._buffers[name] = value
        object.__setattr__(self, name, value)


@MiniModule.misconception("Own tensors and children are listed in one walk, as they were assigned. The object's own "
                          "come first, wherever they were assigned; then the children.")
class MixesOwnAndChildren(PlainMini):
    def _all(self, prefix=""):
        for name, value in vars(self).items():
            if name in self._parameters:
                yield prefix + name, value
            elif name in self._modules:
                yield from value._all(f"{prefix}{name}.")


@MiniModule.misconception("Modules inside a list were entered, too. A list is a plain value here, as in PyTorch: what "
                          "is in it is found by nobody.", literal=True)
class LooksIntoLists(PlainMini):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, PlainMini):
                    self._modules[f"{name}.{index}"] = item


@MiniModule.misconception("Modules were remembered, not tensors. Two modules may hold the same tensor: it comes twice "
                          "all the same.")
class RemembersModules(PlainMini):
    def named_parameters(self, prefix="", seen=None):
        seen = set() if seen is None else seen
        if id(self) not in seen:
            seen.add(id(self))
            yield from ((prefix + name, tensor) for name, tensor in self._parameters.items())
            for name, child in self._modules.items():
                yield from child.named_parameters(f"{prefix}{name}.", seen)


@MiniModule.misconception("A buffer was entered among the parameters. It is saved with them, but no optimizer moves "
                          "it, and `parameters()` does not list it.")
class TrainsItsBuffers(PlainMini):
    def register_buffer(self, name, tensor):
        self._parameters[name] = tensor
        object.__setattr__(self, name, tensor)

    def _stays_a_buffer(self, name, value):
        return False

    def __setattr__(self, name, value):
        was = isinstance(value, torch.Tensor) and name in self.__dict__.get("_parameters", {})
        super().__setattr__(name, value)
        if was:
            self._parameters[name] = value


@MiniModule.misconception("`register_buffer` only sets an attribute. The state dict has to hold it, too: a BatchNorm "
                          "without its running mean and variance is not the one that was saved.")
class SavesNoBuffers(PlainMini):
    def register_buffer(self, name, tensor):
        object.__setattr__(self, name, tensor)


@MiniModule.misconception("A new tensor under a buffer's name is a plain attribute, or the state dict still holds the "
                          "old one. `self.running_mean = …` in `forward` has to change what is saved.")
class LosesANewBuffer(PlainMini):
    def _stays_a_buffer(self, name, value):
        return False


@MiniModule.misconception("The register of buffers keeps the first tensor. After `self.running_mean = …` the attribute "
                          "is new, and what is saved is old: enter the new one.")
class SavesTheFirstBuffer(PlainMini):
    def __setattr__(self, name, value):
        if self._stays_a_buffer(name, value):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


@MiniModule.misconception("`apply` calls the function with the object first, then with what is below. PyTorch's goes "
                          "from the leaves up, the object last.")
class AppliesFromTheTop(PlainMini):
    def apply(self, function):
        function(self)
        for child in self._modules.values():
            child.apply(function)
        return self


@MiniModule.misconception("`apply` stops one level down. Let each child apply the function, and it reaches all below.")
class AppliesToChildrenAlone(PlainMini):
    def apply(self, function):
        for child in self._modules.values():
            function(child)
        function(self)
        return self


@MiniModule.misconception("`apply` returns None. It returns the object, as `train` and `eval` do.", literal=True)
class AppliesAndReturnsNothing(PlainMini):
    def apply(self, function):
        super().apply(function)


@MiniModule.misconception("The numbers are right, but lie in new memory (`tensor.data = …clone()`). A state dict that "
                          "was taken before no longer follows the net: copy into the memory that is there.")
class MovesToNewMemory(PlainMini):
    def load_state_dict(self, state_dict):
        own = dict(self._kept())
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.data = state_dict[name].clone()


@MiniModule.misconception("A name too many is not noticed: the loop goes over the net's own names. Compare the two "
                          "sets of names.", literal=True)
class PassesOverExtraNames(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if any(name not in state_dict or own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("Names are compared first, shapes one by one while the tensors are copied. What stands "
                          "before the misfit has been overwritten when it is found: check all shapes first.",
                          literal=True)
class ChecksShapesOnTheWay(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys():
            raise RuntimeError("the names do not fit")
        for name, tensor in own.items():
            if tensor.shape != state_dict[name].shape:
                raise RuntimeError(f"{name} has another shape")
            tensor.copy_(state_dict[name])


@MiniModule.misconception("`eval` sets the mode of the object alone; `train(False)` goes all the way down. Let `eval` "
                          "call it.", literal=True)
class EvaluatesAlone(PlainMini):
    def eval(self):
        self.training = False
        return self


@MiniModule.misconception("On the way down `mode` is lost: `train(False)` lets the children train. Pass `mode` on.",
                          literal=True)
class LosesTheModeOnTheWay(PlainMini):
    def train(self, mode=True):
        self.training = mode
        for child in self._modules.values():
            child.train()
        return self

    def eval(self):
        self.training = False
        for child in self._modules.values():
            child.eval()
        return self


@MiniModule.misconception("Only one level below is asked: a child's own tensors are found, a grandchild's are not. Ask "
                          "the child for all that it has, and it will ask its children.")
class GoesOneLevelDown(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            for inner, parameter in child._parameters.items():
                yield f"{prefix}{name}.{inner}", parameter


@MiniModule.misconception("A tensor under two names is given twice. An optimizer would then move it twice a step: "
                          "remember which tensors were seen.")
class GivesRepeats(PlainMini):
    def named_parameters(self):
        yield from self._all()


@MiniModule.misconception("Repeats were looked for by value. Two tensors that hold equal numbers today, two layers of "
                          "ones for instance, are still two: compare identity, `is` or `id`.")
class ComparesValues(PlainMini):
    def named_parameters(self):
        seen = []
        for name, parameter in self._all():
            if not any(torch.equal(parameter, other) for other in seen):
                seen.append(parameter)
                yield name, parameter


@MiniModule.misconception("Repeats were looked for with `in`, which compares tensors by value, number by number, and "
                          "then does not know which truth to take. Keep a set of `id`s.")
class AsksWithIn(PlainMini):
    def named_parameters(self):
        seen = []
        for name, parameter in self._all():
            if parameter not in seen:
                seen.append(parameter)
                yield name, parameter


@MiniModule.misconception("Every tensor was registered. A table of constants or a result of a computation is no "
                          "parameter: only a leaf that requires grad is.")
class RegistersEveryTensor(PlainMini):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, torch.Tensor):
            self._parameters[name] = value


@MiniModule.misconception("What requires grad was registered without asking whether it is a leaf. The result of a "
                          "computation on parameters is no parameter: an optimizer refuses it.")
class RegistersResults(PlainMini):
    def __setattr__(self, name, value):
        super().__setattr__(name, value)
        if isinstance(value, torch.Tensor) and value.requires_grad:
            self._parameters[name] = value


@MiniModule.misconception("The names lack the way down: `inner.weight` where `pair.inner.weight` was expected. Each "
                          "level puts its child's name before what the child returns.")
class LosesTheWay(PlainMini):
    def _all(self, prefix=""):
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter
        for name, child in self._modules.items():
            yield from child._all(f"{name}.")


@MiniModule.misconception("`train` and `eval` set the mode of the object alone. A Dropout three levels down has to "
                          "hear of it, too: pass it on to every child.")
class KeepsTheModeToItself(PlainMini):
    def train(self, mode=True):
        self.training = mode
        return self


@MiniModule.misconception("`train` and `eval` stop one level down: a child hears of the mode, a grandchild does not. "
                          "Call the child's own `train`, and it passes the mode on.", literal=True)
class TellsTheChildrenAlone(PlainMini):
    def train(self, mode=True):
        self.training = mode
        for child in self._modules.values():
            child.training = mode
        return self


@MiniModule.misconception("`train(False)` switches training on: `mode` is taken and not used, here or on the way down.",
                          literal=True)
class IgnoresTheMode(PlainMini):
    def train(self, mode=True):
        self.training = True
        for child in self._modules.values():
            child.train()
        return self

    def eval(self):
        self.training = False
        for child in self._modules.values():
            child.eval()
        return self


@MiniModule.misconception("`train` and `eval` return None. They return the object, so that one can write `net = "
                          "Net().eval()`.", literal=True)
class ReturnsNoModule(PlainMini):
    def train(self, mode=True):
        super().train(mode)


@MiniModule.misconception("The state dict was made from `named_parameters()`, which leaves repeats out. It has to list "
                          "every name: whoever loads it looks for all of them.")
class LeavesRepeatsOut(PlainMini):
    def state_dict(self):
        state, seen = {}, set()
        for name, tensor in self._kept():
            if id(tensor) not in seen:
                seen.add(id(tensor))
                state[name] = tensor.detach()
        return state


@MiniModule.misconception("The state dict holds the tensors with their history. Detach them: a saved number should not "
                          "drag autograd along.")
class KeepsTheHistory(PlainMini):
    def state_dict(self):
        return dict(self._kept())

    def load_state_dict(self, state_dict):
        PlainMini.state_dict(self)
        with torch.no_grad():
            super().load_state_dict(state_dict)


@MiniModule.misconception("The state dict holds copies. PyTorch's shares memory with the net, which costs nothing and "
                          "is how loading reaches the tensors; who wants a snapshot clones.", literal=True)
class CopiesTheState(PlainMini):
    def state_dict(self):
        return {name: tensor.detach().clone() for name, tensor in self._kept()}

    def load_state_dict(self, state_dict):
        own = dict(self._kept())
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.detach().copy_(state_dict[name])


@MiniModule.misconception("Loading put new tensors in the place of the old ones. An optimizer that was made before "
                          "still holds the old ones and trains those: copy the numbers into the tensors that are "
                          "there.")
class PutsNewTensors(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in state_dict.items():
            *way, last = name.split(".")
            module = self
            for step in way:
                module = getattr(module, step)
            setattr(module, last, tensor.clone().requires_grad_(last not in module._buffers))


@MiniModule.misconception("The given tensors became the net's own memory (`.data = …`). Whoever changes the dictionary "
                          "afterwards changes the net: copy the numbers over.")
class KeepsTheGivenMemory(PlainMini):
    def load_state_dict(self, state_dict):
        own = dict(self._kept())
        if own.keys() != state_dict.keys() or any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.data = state_dict[name]


@MiniModule.misconception("A missing name ends in Python's own KeyError, and a name too many is not noticed at all. "
                          "Compare the two sets of names first, and raise a RuntimeError.")
class RaisesAKeyError(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("The names were counted, not compared. With one missing and another too many, a mistyped "
                          "name for instance, the numbers agree and the names do not.", literal=True)
class CountsTheNames(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if len(own) != len(state_dict):
            raise RuntimeError("the state dict does not fit")
        if any(own[name].shape != state_dict[name].shape for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("Names that do not fit are passed over. Half of a net is then loaded and half is not, and "
                          "nobody hears of it: raise a RuntimeError.")
class LoadsWhatFits(PlainMini):
    def load_state_dict(self, state_dict):
        for name, tensor in self.state_dict().items():
            if name in state_dict and state_dict[name].shape == tensor.shape:
                tensor.copy_(state_dict[name])


@MiniModule.misconception("The shapes were not compared. `copy_` broadcasts: a tensor of one number fills a whole bias "
                          "without a word. Another shape is an error.", literal=True)
class BroadcastsWhenLoading(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys():
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])


@MiniModule.misconception("The error comes when half of the tensors have been overwritten. Check all names and shapes "
                          "first, then copy.", literal=True)
class LoadsHalf(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        for name, tensor in own.items():
            if name not in state_dict or state_dict[name].shape != tensor.shape:
                raise RuntimeError(f"{name} does not fit")
            tensor.copy_(state_dict[name])
        if len(own) != len(state_dict):
            raise RuntimeError("there are names too many")


@MiniModule.misconception("The registers are made when they are first needed, so nothing happens if "
                          "`super().__init__()` comes late. Then it empties them: the early parameter is lost without "
                          "a word.")
class MakesRegistersLate(PlainMini):
    def __setattr__(self, name, value):
        for register in ("_parameters", "_modules"):
            self.__dict__.setdefault(register, {})
        super().__setattr__(name, value)


@MiniModule.misconception("Nothing at all may be assigned before `__init__` has run, not even a number. Only what has "
                          "to be entered needs the registers: let plain values through.")
class RefusesNumbersToo(PlainMini):
    def __init__(self):
        for register in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, register, {})
        self.training = True

    def __setattr__(self, name, value):
        if "_modules" not in self.__dict__:
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        super().__setattr__(name, value)


@MiniModule.misconception("There is an AttributeError, but by accident: it complains of a register that is not there. "
                          "Say what the reader forgot, the call of `__init__`.", literal=True)
class FailsByAccident(PlainMini):
    def __setattr__(self, name, value):
        stays = self._stays_a_buffer(name, value)
        self._forget(name)
        if _is_parameter(value):
            self._parameters[name] = value
        elif isinstance(value, PlainMini):
            self._modules[name] = value
        elif stays:
            self._buffers[name] = value
        object.__setattr__(self, name, value)


@MiniModule.misconception("A name that is overwritten stays in its old register: the number of today is still listed "
                          "as the parameter of yesterday. Take it out first.")
class NeverForgets(PlainMini):
    def _forget(self, name):
        pass


@MiniModule.misconception("What was a parameter or a child and is set to None is still listed. None is a value like "
                          "any other here: the name leaves its register.")
class KeepsWhatBecameNone(PlainMini):
    def __setattr__(self, name, value):
        if value is None:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


@MiniModule.misconception("The children come before the object's own parameters. PyTorch lists the object's own first, "
                          "then goes down.")
class AsksChildrenFirst(PlainMini):
    def _all(self, prefix=""):
        for name, child in self._modules.items():
            yield from child._all(f"{prefix}{name}.")
        for name, parameter in self._parameters.items():
            yield prefix + name, parameter


@MiniModule.misconception("A plain tensor that is assigned to a parameter's name is entered as a parameter. It "
                          "requires no grad: the last assignment counts, and the name is one no longer.")
class KeepsAPlainTensor(PlainMini):
    def __setattr__(self, name, value):
        if isinstance(value, torch.Tensor) and name in self.__dict__.get("_parameters", {}):
            self._parameters[name] = value
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


@MiniModule.misconception("How many numbers there are was compared, not the shape. (3, 1) has as many as (3,) and is "
                          "another shape: an error.", literal=True)
class ComparesHowMany(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if own.keys() != state_dict.keys() or any(own[name].numel() != state_dict[name].numel() for name in own):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name].reshape(tensor.shape))


@MiniModule.misconception("A missing name is not noticed: the loop goes over the names that are given. Compare the "
                          "two sets of names.", literal=True)
class PassesOverMissingNames(PlainMini):
    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if any(name not in own or own[name].shape != tensor.shape for name, tensor in state_dict.items()):
            raise RuntimeError("the state dict does not fit")
        for name, tensor in state_dict.items():
            own[name].copy_(tensor)


@MiniModule.misconception("All objects share a register: it stands in the class body, or is an argument's default "
                          "value. A new object then lists what another was given. Make registers in `__init__`, "
                          "on `self`.")
class SharesItsRegisters(PlainMini):
    _parameters: ClassVar[dict] = {}
    _modules: ClassVar[dict] = {}
    _buffers: ClassVar[dict] = {}

    def __init__(self):
        object.__setattr__(self, "training", True)

    def __setattr__(self, name, value):
        if _is_parameter(value):
            self._parameters[name] = value
        elif isinstance(value, PlainMini):
            self._modules[name] = value
        object.__setattr__(self, name, value)


@MiniModule.misconception("The tree is walked level by level: all children first, then what is inside them. Each child "
                          "comes with everything below it before the next one does.")
class WalksLevelByLevel(PlainMini):
    def _all(self, prefix=""):
        level = [(prefix, self)]
        while level:
            for before, module in level:
                yield from ((before + name, parameter) for name, parameter in module._parameters.items())
            level = [(f"{before}{name}.", child) for before, module in level for name, child in module._modules.items()]


@MiniModule.misconception("What does not fit raises a ValueError. The task asks for a RuntimeError, as PyTorch's `load_"
                          "state_dict` raises.", literal=True)
class RaisesValueErrors(PlainMini):
    def load_state_dict(self, state_dict):
        try:
            super().load_state_dict(state_dict)
        except RuntimeError as error:
            raise ValueError from error


@MiniModule.misconception("The object's own buffers are in its state dict, those of its children are not. Ask every "
                          "child for its buffers, too.")
class SavesItsOwnBuffersAlone(PlainMini):
    def _kept(self, prefix=""):
        yield from ((prefix + name, tensor) for name, tensor in self._all())
        yield from ((prefix + name, tensor) for name, tensor in self._buffers.items())


@MiniModule.misconception("`parameters()` gives a tensor under two names twice; `named_parameters()` does not. Take "
                          "the tensors from there.", literal=True)
class RepeatsWithoutNames(PlainMini):
    def parameters(self):
        return [parameter for _, parameter in self._all()]


@MiniModule.misconception("`__call__` takes a single argument. It passes on to `forward` whatever it is given, two of "
                          "them as well.", literal=True)
class TakesOneArgument(PlainMini):
    def __call__(self, x):
        return self.forward(x)

    __call__.__qualname__ = "MiniModule.__call__"  # the reader's error names the reader's class


@MiniModule.alternative
class LooksThroughItsAttributes:
    """No register but of the buffers' names: the attributes are the register."""

    def __init__(self):
        vars(self).update(training=True, _saved=set())

    def __setattr__(self, name, value):
        if "training" not in vars(self) and (_is_parameter(value) or isinstance(value, LooksThroughItsAttributes)):
            raise AttributeError(f"{name}: call super().__init__() first")
        if not isinstance(value, torch.Tensor):
            vars(self).get("_saved", set()).discard(name)
        vars(self).pop(name, None)
        vars(self)[name] = value

    def register_buffer(self, name, tensor):
        self._saved.add(name)
        setattr(self, name, tensor)

    def apply(self, function):
        for child in self._children().values():
            child.apply(function)
        function(self)
        return self

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def _children(self):
        return {name: value for name, value in vars(self).items() if isinstance(value, LooksThroughItsAttributes)}

    def _everything(self, saved=False):
        found = [(name, value) for name, value in vars(self).items()
                 if _is_parameter(value) or (saved and name in self._saved)]
        for name, child in self._children().items():
            found += [(name + "." + rest, value) for rest, value in child._everything(saved)]
        return found

    def named_parameters(self):
        found = {}
        for name, value in self._everything():
            found.setdefault(id(value), (name, value))
        return list(found.values())

    def parameters(self):
        return [value for _, value in self.named_parameters()]

    def train(self, mode=True):
        for child in self._children().values():
            child.train(mode)
        self.training = mode
        return self

    def eval(self):
        return self.train(mode=False)

    def state_dict(self):
        return {name: value.data for name, value in self._everything(saved=True)}

    def load_state_dict(self, state_dict):
        own = dict(self._everything(saved=True))
        for name in {*own, *state_dict}:
            if name not in own or name not in state_dict or own[name].shape != state_dict[name].shape:
                raise RuntimeError(name)
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(state_dict[name])
        return self


@MiniModule.alternative
class AsPyTorchDoesIt:
    """Parameters and children live in the registers alone, and __getattr__ finds them there."""

    def __init__(self):
        object.__setattr__(self, "training", True)
        for register in ("_parameters", "_modules", "_buffers"):
            object.__setattr__(self, register, {})

    def __setattr__(self, name, value):
        registers = [self.__dict__.get(register) for register in ("_parameters", "_modules", "_buffers")]
        wanted = 0 if _is_parameter(value) else 1 if isinstance(value, AsPyTorchDoesIt) else None
        if wanted is None and isinstance(value, torch.Tensor) and name in (registers[2] or {}):
            wanted = 2
        if wanted is not None and registers[wanted] is None:
            raise AttributeError("cannot assign parameter or module before MiniModule.__init__() call")
        for register in registers:
            if register is not None:
                register.pop(name, None)
        self.__dict__.pop(name, None)
        if wanted is None:
            object.__setattr__(self, name, value)
        else:
            registers[wanted][name] = value

    def __getattr__(self, name):
        for register in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(register, {}):
                return self.__dict__[register][name]
        raise AttributeError(name)

    def register_buffer(self, name, tensor):
        self._buffers[name] = tensor

    def apply(self, function):
        for child in self._modules.values():
            child.apply(function)
        function(self)
        return self

    def __call__(self, *args):
        return self.forward(*args)

    def _walk(self, way=()):
        yield way, self
        for name, child in self._modules.items():
            yield from child._walk((*way, name))

    def _all(self):
        return [(".".join((*way, name)), parameter) for way, module in self._walk()
                for name, parameter in module._parameters.items()]

    def _all_buffers(self):
        return [(".".join((*way, name)), buffer) for way, module in self._walk()
                for name, buffer in module._buffers.items()]

    def named_parameters(self):
        seen = set()
        for name, parameter in self._all():
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            yield name, parameter

    def parameters(self):
        return (parameter for _, parameter in self.named_parameters())

    def train(self, mode=True):
        for _, module in self._walk():
            module.training = mode
        return self

    def eval(self):
        return self.train(False)

    def state_dict(self):
        return {name: tensor.detach() for name, tensor in self._all() + self._all_buffers()}

    def load_state_dict(self, state_dict):
        own = dict(self._all() + self._all_buffers())
        if sorted(own) != sorted(state_dict):
            raise RuntimeError("other names")
        if [own[name].shape for name in own] != [state_dict[name].shape for name in own]:
            raise RuntimeError("other shapes")
        for name, parameter in own.items():
            parameter.data.copy_(state_dict[name])


@MiniModule.alternative
class OneRegister:
    """One register for all kinds."""

    def __init__(self):
        self.__dict__.update(_entries={}, training=True)

    def register_buffer(self, name, tensor):
        self._entries[name] = self.__dict__[name] = tensor

    def apply(self, function):
        waiting = [value for value in self._entries.values() if isinstance(value, OneRegister)]
        for child in waiting:
            child.apply(function)
        function(self)
        return self

    def __setattr__(self, name, value):
        special = _is_parameter(value) or isinstance(value, OneRegister)
        special = special or (isinstance(value, torch.Tensor) and name in self.__dict__.get("_entries", {}))
        if special:
            if "_entries" not in self.__dict__:
                raise AttributeError("OneRegister.__init__() has not been called")
            self._entries.pop(name, None)
            self._entries[name] = value
        elif "_entries" in self.__dict__:
            self._entries.pop(name, None)
        self.__dict__[name] = value

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def _items(self, prefix=""):
        tensors = [(prefix + n, v) for n, v in self._entries.items() if isinstance(v, torch.Tensor)]
        for name, value in self._entries.items():
            if isinstance(value, OneRegister):
                tensors.extend(value._items(prefix + name + "."))
        return tensors

    def named_parameters(self):
        found = []
        for name, tensor in self._items():
            if tensor.requires_grad and all(tensor is not other for _, other in found):
                found.append((name, tensor))
        return found

    def parameters(self):
        return [tensor for _, tensor in self.named_parameters()]

    def train(self, mode=True):
        self.training = mode
        for value in self._entries.values():
            if isinstance(value, OneRegister):
                value.train(mode)
        return self

    def eval(self):
        self.train(False)
        return self

    def state_dict(self):
        state = {}
        for name, tensor in self._items():
            state[name] = tensor.detach()
        return state

    def load_state_dict(self, state_dict):
        own = self.state_dict()
        if set(own) ^ set(state_dict):
            raise RuntimeError(f"these names do not fit: {set(own) ^ set(state_dict)}")
        for name in own:
            if own[name].size() != state_dict[name].size():
                raise RuntimeError(f"{name} has another shape")
        for name in own:
            own[name][...] = state_dict[name]
