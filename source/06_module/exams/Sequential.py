"""How `Sequential` is examined."""

from itertools import islice

import torch
from torch import nn

from convcraft.exam import aspect, error_of, exercise

from .shared import _linear, _made


class PlainSequential(nn.Module):
    """Modules in a row, named 0, 1, 2, …"""

    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def forward(self, x):
        for module in self._modules.values():
            x = module(x)
        return x

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, index):
        names = list(self._modules)
        if not isinstance(index, slice):
            return self._modules[names[index]]
        part = type(self)()
        for name in names[index]:
            part.add_module(name, self._modules[name])
        return part


def _which(net, index, parts):
    """Which of the parts stands at a place, in words, or what was found or raised in its stead."""
    try:
        found = net[index]
    except (LookupError, AttributeError) as error:
        return type(error).__name__
    return next((f"module {number}" for number, part in enumerate(parts) if part is found), "another object")


@exercise(points=9, reference=PlainSequential)
def Sequential(impl, draw):
    def layers():
        return [_linear(draw, 4, 4), nn.Tanh(), _linear(draw, 4, 4), nn.Softmax(-1)]

    def order():
        with _made(nn.Sequential) as made:
            net, long = impl(*layers()), impl(*layers(), *layers(), *layers())
            result, twelve = net(draw.normal(3, 4)), long(draw.normal(3, 4))
        heard = []
        net[2].register_forward_hook(lambda module, inputs, output: heard.append(1))
        net(draw.normal(3, 4))
        return {"result": result, "twelve in a row": twelve, "times a layer's hook was run": len(heard),
                "PyTorch's own class is used": bool(made)}

    def names():
        inner = impl(nn.Tanh(), _linear(draw, 4, 2))
        net = impl(_linear(draw, 4, 4), inner)
        net.eval()
        return {"state dict": " ".join(net.state_dict()), "modules": " ".join(name for name, _ in net.named_modules()),
                "inner one trains": inner[1].training}

    def exchanged():
        parts, other = layers(), _linear(draw, 4, 4)
        net = impl(*parts)
        setattr(net, "0", other)
        return {"place of the new one": _which(net, 0, [other]), "place of the old one": _which(net, 0, parts),
                "result": net(draw.normal(3, 4)), "and of a part": net[:2](draw.normal(3, 4)),
                "and of another part": net[2:3](draw.normal(3, 4))}

    def indexing():
        parts = layers()
        net = impl(*parts)
        return {"found": {f"net[{index}]": _which(net, index, parts) for index in (0, 2, 3, -1, -4)},
                "too far": error_of(lambda: net[4], IndexError), "too far back": error_of(lambda: net[-5], IndexError)}

    def slicing():
        parts = layers()
        net = impl(*parts)
        middle, ends = net[1:3], net[::2]
        cut = {"net[1:3]": middle, "net[::2]": ends, "net[2:][1:]": net[2:][1:], "net[-2:]": net[-2:],
               "net[:99]": net[:99]}
        return {"is one, too": [isinstance(part, impl) for part in (middle, ends)],
                "names in": {which: " ".join(name for name, _ in part.named_children()) for which, part in cut.items()},
                "same modules": [_which(middle, 0, parts), _which(middle, 1, parts), _which(ends, 1, parts),
                                 _which(net[2:][1:], 0, parts)],
                "the whole is still whole": " ".join(name for name, _ in net.named_children())}

    def length():
        parts = layers()
        net = impl(*parts)
        walked = list(islice(iter(net), 20))
        return {"lengths": {"of four": len(net), "of net[1:]": len(net[1:]), "of nothing": len(impl())},
                "in a loop": [len(walked), *(one is other for one, other in zip(walked, parts, strict=False))],
                "of the kinds": " ".join(type(one).__name__ for one in walked)}

    def repeats():
        first, tanh = _linear(draw, 4, 4), nn.Tanh()
        net = impl(first, tanh, first, tanh)
        return {"result": net(draw.normal(3, 4)), "length": len(net), "net[2] is": _which(net, 2, [first, tanh]),
                "modules in a loop": len(list(islice(iter(net), 20))), "state dict": " ".join(net.state_dict()),
                "numbers to train": sum(parameter.numel() for parameter in net.parameters())}

    def refusals():
        return {"modules, let in": [len(list(impl(*layers()).children())), len(list(impl(nn.Tanh()).children()))],
                "a function": error_of(lambda: impl(nn.Tanh(), torch.tanh), TypeError),
                "None": error_of(lambda: impl(nn.Tanh(), None))}

    yield aspect("order",
                 "The output of each module is the input of the next, in the order in which they were given.",
                 order)
    yield aspect("names",
                 "The modules are registered as `0`, `1`, `2`, …, and so are nested ones: `1.0.weight` is the weight "
                 "of the first module inside the second.",
                 names)
    yield aspect("indexing",
                 "`net[i]` is the i-th module itself, `net[-1]` the last; outside there is an IndexError.",
                 indexing)
    yield aspect("slicing",
                 "`net[1:3]` is a Sequential of the same modules, not copies, and they keep their names: `1` and `2`, "
                 "although its first module is now `net[1:3][0]`.",
                 slicing)
    yield aspect("length",
                 "`len(net)` counts the modules, and `for layer in net` gives them in order.",
                 length)
    yield aspect("exchanged",
                 "A module that is put in another's place, `setattr(net, \"0\", layer)`, runs in its stead: what is "
                 "registered is the only list.",
                 exchanged)
    yield aspect("repeats",
                 "The same module may be given twice: it then works twice, and its parameters count once.",
                 repeats)
    yield aspect("nothing in it",
                 "A Sequential of nothing returns its input.",
                 lambda: {"nothing": impl()(draw.normal(2, 3)), "one module": impl(nn.Tanh())(draw.normal(2, 3))})
    yield aspect("refusals",
                 "What is neither a module nor None is refused with a TypeError.",
                 refusals)


@Sequential.misconception("The modules are in a Python list, which a module does not look into: no parameter is found, "
                          "no state saved, and `eval()` reaches none of them. Register each, by name.")
class KeepsAPythonList(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        for module in modules:
            if not isinstance(module, nn.Module):
                raise TypeError(f"{module} is no module")
        self.items = list(modules)

    def forward(self, x):
        for module in self.items:
            x = module(x)
        return x

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return type(self)(*self.items[index]) if isinstance(index, slice) else self.items[index]


@Sequential.misconception("`forward` walks over `children()`, which names a module only once. Where the same module "
                          "was given twice, its second turn is left out.")
class WalksOverChildren(PlainSequential):
    def forward(self, x):
        for module in self.children():
            x = module(x)
        return x


@Sequential.misconception("A slice starts counting from 0 again. Slices keep the names of the whole, so that a part's "
                          "state dict still fits the whole net's.")
class NumbersSlicesAnew(PlainSequential):
    def __getitem__(self, index):
        modules = list(self._modules.values())[index]
        return type(self)(*modules) if isinstance(index, slice) else modules


@Sequential.misconception("A module is looked up by its name, `str(i)`. In a slice names and places differ: the first "
                          "module of `net[1:3]` is called 1. Count places instead.")
class LooksUpByName(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range")
        return getattr(self, str(index % len(self)))


@Sequential.misconception("A negative index finds nothing. As in a list, −1 is the last module and −len(net) the "
                          "first.", literal=True)
class KnowsNoNegativeIndex(PlainSequential):
    def __getitem__(self, index):
        if not isinstance(index, slice) and index < 0:
            raise IndexError(f"index {index} is out of range")
        return super().__getitem__(index)


@Sequential.misconception("A slice is a plain list. It cannot be called, moved or saved: `net[1:3]` should be a net "
                          "again.")
class SlicesToALists(PlainSequential):
    def __getitem__(self, index):
        return list(self._modules.values())[index]


@Sequential.misconception("An index that is too large ends in a KeyError. A `for` loop over the net asks for 0, 1, 2, "
                          "… and stops at an IndexError alone.")
class RaisesKeyErrors(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        names = list(self._modules)
        return self._modules[names[index] if -len(names) <= index < len(names) else str(index)]


@Sequential.misconception("The modules got names of your own, not `0`, `1`, `2`. A state dict is addressed by these "
                          "names: no `nn.Sequential`'s checkpoint would fit.")
class InventsNames(PlainSequential):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            self.add_module(f"layer{index}", module)


@Sequential.misconception("The names count from 1. PyTorch's start at 0, like every index in Python.")
class CountsFromOne(PlainSequential):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules, 1):
            self.add_module(str(index), module)


@Sequential.misconception("A slice holds copies. Train the slice, and the whole net does not notice: share the "
                          "modules.")
class CopiesIntoSlices(PlainSequential):
    def __getitem__(self, index):
        import copy

        part = super().__getitem__(index)
        return copy.deepcopy(part) if isinstance(index, slice) else part


@Sequential.misconception("Every module was given the original input, and the last one's output returned. Each has to "
                          "take what the one before gave.")
class FeedsEachTheInput(PlainSequential):
    def forward(self, x):
        y = x
        for module in self._modules.values():
            y = module(x)
        return y


@Sequential.misconception("`return` stands inside the loop: the first module's output is returned, and no other module "
                          "ever runs. It belongs behind the loop.")
class ReturnsInsideTheLoop(PlainSequential):
    def forward(self, x):
        for module in self._modules.values():
            return module(x)
        return x


@Sequential.misconception("The names were sorted. As text `10` comes before `2`: keep the order in which the modules "
                          "were given.")
class SortsTheNames(PlainSequential):
    def forward(self, x):
        for name in sorted(self._modules):
            x = self._modules[name](x)
        return x


@Sequential.misconception("The modules that run are in a list of your own, beside the registered ones. Who exchanges a "
                          "layer, for a new head for instance, changes the register, and your list still runs the old.")
class KeepsASecondList(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.steps = []
        for number, module in enumerate(modules):
            self._enter(f"{number}", module)

    def _enter(self, name, module):
        self.add_module(name, module)
        self.steps.append((name, module))

    def forward(self, x):
        for _, module in self.steps:
            x = module(x)
        return x

    def __len__(self):
        return len(self.steps)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.steps[index][1]
        other = type(self)()
        for name, module in self.steps[index]:
            other._enter(name, module)
        return other


@Sequential.misconception("A place is counted in `children()`, which leaves repeats out: where a module was given "
                          "twice, `net[i]` is one of the next.", literal=True)
class CountsPlacesInChildren(PlainSequential):
    def __getitem__(self, index):
        return super().__getitem__(index) if isinstance(index, slice) else list(self.children())[index]


@Sequential.misconception("The modules run from the last to the first. f(g(x)) is written from the outside, but a net "
                          "is listed in the order in which it works.")
class RunsBackwards(PlainSequential):
    def forward(self, x):
        for module in reversed(self._modules.values()):
            x = module(x)
        return x


@Sequential.misconception("Anything is let in. A function such as `torch.tanh` seems to work, until `named_modules()` "
                          "or a state dict meets it: check, or let `add_module` check.", literal=True)
class TakesAnything(PlainSequential):
    def __init__(self, *modules):
        nn.Module.__init__(self)
        for index, module in enumerate(modules):
            self._modules[str(index)] = module


@Sequential.misconception("With no module inside, nothing is returned. What passes through an empty net comes out as "
                          "it went in.", literal=True)
class ReturnsNothingForNothing(PlainSequential):
    def forward(self, x):
        y = None
        for module in self._modules.values():
            y = module(x if y is None else y)
        return y


@Sequential.misconception("The modules are in a `ModuleList`, which does register them, but under its own name: "
                          "`layers.0.weight` where `0.weight` was expected. Register each in the net itself.")
class KeepsAModuleList(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self.layers = nn.ModuleList(modules)

    def forward(self, x):
        for module in self.layers:
            x = module(x)
        return x

    def __len__(self):
        return len(self.layers)

    def __getitem__(self, index):
        return type(self)(*self.layers[index]) if isinstance(index, slice) else self.layers[index]


@Sequential.misconception("A slice's start and stop were used as they stand. They may be negative, or lie beyond the "
                          "end, and mean what they mean in a list: let a list of the names be sliced.", literal=True)
class TakesBoundsAsTheyStand(PlainSequential):
    def __getitem__(self, index):
        names = list(self._modules)
        if not isinstance(index, slice):
            return self._modules[names[index]]
        part = type(self)()
        for place in range(index.start or 0, index.stop or len(names), index.step or 1):
            if place < len(names):
                part.add_module(names[place], self._modules[names[place]])
        return part


@Sequential.misconception("An index beyond the end starts from the front again (`%`): nobody hears of the mistake, and "
                          "a `for` loop over the net never ends. Outside there is an IndexError.")
class GoesRound(PlainSequential):
    def __getitem__(self, index):
        if isinstance(index, slice):
            return super().__getitem__(index)
        return list(self._modules.values())[index % len(self)]


@Sequential.misconception("The loop goes over `children()`, which leaves repeats out: a module that was given twice "
                          "comes once in `for layer in net`.", literal=True)
class LoopsOverChildren(PlainSequential):
    def __iter__(self):
        return self.children()


@Sequential.misconception("The length counts different modules (`children()` or `modules()`). A module that was given "
                          "twice stands in two places: `len` counts the places.", literal=True)
class CountsChildren(PlainSequential):
    def __len__(self):
        return len(list(self.children()))


@Sequential.misconception("`forward` calls each module's `forward` directly. Hooks are run by the call, `layer(x)`: "
                          "who listens to a layer of yours hears nothing.", literal=True)
class CallsForward(PlainSequential):
    def forward(self, x):
        for module in self._modules.values():
            x = module.forward(x)
        return x


@Sequential.misconception("PyTorch's `nn.Sequential` does the work, inherited or inside. Write the class yourself, on "
                          "`nn.Module`.", literal=True)
class InheritsSequential(nn.Sequential):
    pass


@Sequential.misconception("`forward` asks for the names `0`, `1`, … one after the other. A slice keeps its names, "
                          "and `net[2:3]` has no `0`: walk over what is registered.")
class RunsByName(PlainSequential):
    def forward(self, x):
        for index in range(len(self)):
            x = getattr(self, str(index))(x)
        return x


@Sequential.misconception("A module is looked up as `self._modules[str(index)]`. No module is called −1, one too "
                          "many is a KeyError, and in a slice names and places differ: count places instead.")
class LooksIntoTheRegisterByName(PlainSequential):
    def __getitem__(self, index):
        return super().__getitem__(index) if isinstance(index, slice) else self._modules[str(index)]


@Sequential.misconception("None was refused. `add_module` lets it in, and so does the task: a TypeError is for what is "
                          "neither a module nor None.", literal=True)
class RefusesNone(PlainSequential):
    def __init__(self, *modules):
        super().__init__(*modules)
        if None in modules:
            raise TypeError("None is no module")


@Sequential.misconception("What is no module is refused with a ValueError. It is its type that is wrong: a TypeError.",
                          literal=True)
class RaisesValueErrors(PlainSequential):
    def __init__(self, *modules):
        if not all(isinstance(module, nn.Module | None) for module in modules):
            raise ValueError("this is no module")
        super().__init__(*modules)


@Sequential.misconception("`for layer in net` gives the modules' names. It gives the modules themselves.")
class LoopsOverNames(PlainSequential):
    def __iter__(self):
        return iter(self._modules)


@Sequential.misconception("`for layer in net` goes from the last module to the first. It gives them in their order.")
class LoopsBackwards(PlainSequential):
    def __iter__(self):
        return reversed(list(self._modules.values()))


@Sequential.misconception("A slice is of another class, PyTorch's `nn.Sequential` for one. `net[1:3]` is a Sequential "
                          "of yours again.", literal=True)
class SlicesToPyTorchs(PlainSequential):
    def __getitem__(self, index):
        if not isinstance(index, slice):
            return super().__getitem__(index)
        part = nn.Sequential()
        for name in list(self._modules)[index]:
            part.add_module(name, self._modules[name])
        return part


@Sequential.misconception("A slice takes its modules out of the whole net (`pop`, `del`), which is shorter afterwards. "
                          "Both hold them: share the modules.")
class TakesOutWhatItSlices(PlainSequential):
    def __getitem__(self, index):
        part = super().__getitem__(index)
        if isinstance(index, slice):
            for name in part._modules:
                del self._modules[name]
        return part


@Sequential.misconception("A module that was given twice is entered once. It works twice: give each place a name.")
class EntersRepeatsOnce(PlainSequential):
    def __init__(self, *modules):
        super().__init__(*dict.fromkeys(modules))


@Sequential.alternative
class ByAttributes(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        for index, module in enumerate(modules):
            self.register_module(str(index), None)
            setattr(self, str(index), module)  # from now on it takes a module or None there, and nothing else

    def __iter__(self):
        return iter(self._modules.values())

    def forward(self, x):
        for module in self:
            x = module(x)
        return x

    def __len__(self):
        return len(self._modules)

    def __getitem__(self, index):
        items = list(self._modules.items())[index]
        if isinstance(index, int):
            return items[1]
        part = type(self)()
        part._modules.update(items)
        return part


@Sequential.alternative
class ByNamesList(nn.Module):
    def __init__(self, *modules, names=None):
        super().__init__()
        self.names = [str(index) for index in range(len(modules))] if names is None else names
        for name, module in zip(self.names, modules, strict=True):
            self.register_module(name, module)

    def forward(self, x):
        if self.names:
            for name in self.names:
                x = getattr(self, name)(x)
        return x

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return ByNamesList(*(getattr(self, name) for name in self.names[index]), names=self.names[index])
        return getattr(self, self.names[index])


@Sequential.alternative
class ByPlaces(nn.Module):
    def __init__(self, *modules):
        super().__init__()
        self._enter((f"{place}", module) for place, module in enumerate(modules))

    def _enter(self, pairs):
        for name, module in pairs:
            self.add_module(name, module)
        return self

    def forward(self, x):
        for place in range(len(self)):
            x = self[place](x)
        return x

    def __len__(self):
        return sum(1 for _ in self._modules)

    def __getitem__(self, index):
        found = [*self._modules.items()][index]
        return ByPlaces()._enter(found) if isinstance(index, slice) else found[1]
