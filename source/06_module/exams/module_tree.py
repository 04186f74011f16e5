"""How `module_tree` is examined."""

import math

import torch
from torch import nn

from convcraft.exam import aspect, exercise


def plain_tree(module):
    """A line a module, indented by depth."""
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


class _Block(nn.Module):
    """A net with a number of its own, a child that is itself a tree, and None where a child could be."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.stem = nn.Sequential(nn.Linear(4, 6), nn.Sequential(nn.Tanh(), nn.Linear(6, 2)))
        self.register_module("shortcut", None)
        self.head = nn.Linear(2, 5, bias=False)


class _Tied(nn.Module):
    """Two layers, one weight."""

    def __init__(self, width):
        super().__init__()
        self.code = nn.Linear(width, width)
        self.decode = nn.Linear(width, width)
        self.decode.weight = self.code.weight


def _named(text):
    """The lines of the children, without their indent: each of these one aspect alone looks at."""
    return "\n".join(line.lstrip() for line in text.split("\n") if ": " in line) if isinstance(text, str) else text


@exercise(points=5, reference=plain_tree)
def module_tree(impl, draw):
    def size():
        return int(draw.integers(2, 9))

    def nested():
        block = _Block()
        block.stem[1].append(nn.Sequential(nn.Linear(2, size())))
        return impl(block).rstrip("\n")

    def row():
        text = impl(nn.Sequential(nn.Linear(size(), 3), nn.ReLU(), nn.Linear(3, size())))
        return "\n".join(line.lstrip() for line in text.rstrip("\n").split("\n"))

    def same_module():
        layer = nn.Linear(size(), 3)
        return _named(impl(nn.Sequential(layer, nn.ReLU(), layer)))

    def frozen():
        net = nn.Sequential(nn.Linear(size(), 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4))
        net[0].requires_grad_(False)
        return _named(impl(net))

    def large():
        width = 1000 + size()
        with torch.device("meta"):
            net = nn.Sequential(nn.Linear(width, 1000), nn.Linear(1000, 9))
        return _named(impl(net.to_empty(device="cpu")))

    yield aspect("a row of layers",
                 "The first line is the module itself, `Class (count)`; under it every child has a line `name: Class "
                 "(count)`.",
                 row)
    yield aspect("nested",
                 "A child stands two spaces further in than the module that it belongs to; below it stand its own "
                 "children, and so on, in the order in which they were registered.",
                 nested)
    yield aspect("shared parameters",
                 "`count` is the number of numbers in all parameters of the module and everything below it; a "
                 "parameter that is shared counts once.",
                 lambda: _named(impl(nn.Sequential(_Tied(3), _Tied(size() + 3), _Tied(13)))))
    yield aspect("the same module twice",
                 "A module under two names has a line for each name.",
                 same_module)
    yield aspect("frozen and buffers",
                 "Frozen parameters count, buffers do not: they are no parameters.",
                 frozen)
    yield aspect("thousands",
                 "Commas separate the thousands: `1,005,000`.",
                 large)
    yield aspect("a single module",
                 "A module without children has one line, and no line break follows the last line.",
                 lambda: impl(nn.Conv2d(size(), 3, 3)))


@module_tree.misconception("The counts of the children were added up. A parameter that two of them share was counted "
                           "twice: `parameters()` of the whole gives each tensor once.")
def adds_up_children(module, name="", depth=0):
    def count(module):
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        return own + sum(count(child) for child in module._modules.values() if child is not None)

    lines = ["  " * depth + (f"{name}: " if depth else "") + f"{type(module).__name__} ({count(module):,})"]
    for child_name, child in module._modules.items():
        if child is not None:
            lines.append(adds_up_children(child, child_name, depth + 1))
    return "\n".join(lines)


@module_tree.misconception("Each tensor was counted on one line only: what one part has counted, its twin no longer "
                           "shows. A shared parameter counts once within each line, and in every line that holds it.",
                           literal=True)
def counts_once_in_the_text(module, name=None, depth=0, seen=None):
    seen = set() if seen is None else seen
    count, below = 0, []
    for parameter in module._parameters.values():
        if parameter is not None and id(parameter) not in seen:
            seen.add(id(parameter))
            count += parameter.numel()
    for child_name, child in module._modules.items():
        if child is not None:
            inner, text = counts_once_in_the_text(child, child_name, depth + 1, seen)
            count += inner
            below.append(text)
    label = "  " * depth + (f"{name}: " if depth else "") + f"{type(module).__name__} ({count:,})"
    text = "\n".join([label, *below])
    return (count, text) if depth else text


@module_tree.misconception("Only the module's own parameters were counted. A container has none itself; its count is "
                           "that of everything below it.")
def counts_its_own(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters(recurse=False))
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The state dict was counted, and with it the buffers: BatchNorm's running mean, variance "
                           "and step counter. They are state, but no parameters.")
def counts_buffers(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(tensor.numel() for tensor in child.state_dict().values())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("Frozen parameters were left out. They do not train, but they are there, take memory and "
                           "are saved.", literal=True)
def counts_what_trains(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters() if parameter.requires_grad)
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("Tensors were counted, not the numbers in them: a linear layer has two tensors, whatever "
                           "its size. `numel()` counts numbers.")
def counts_tensors(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        label = f"{type(child).__name__} ({len(list(child.parameters())):,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("`named_children()` or `named_modules()` names a module once. Where it stands under two "
                           "names, the second line is missing: `named_modules(remove_duplicate=False)` gives all "
                           "names.", literal=True)
def names_each_once(module):
    lines = []
    for name, child in module.named_modules():
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The module itself is missing: the tree starts with its first child. The root has a line of "
                           "its own, without a name and without indent.")
def leaves_the_root_out(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        if name:
            count = sum(parameter.numel() for parameter in child.parameters())
            lines.append("  " * name.count(".") + f"{name.split('.')[-1]}: {type(child).__name__} ({count:,})")
    return "\n".join(lines)


@module_tree.misconception("The tree stops after the first level. Children have children: call yourself for each, one "
                           "step further in.")
def stops_after_children(module):
    lines = [f"{type(module).__name__} ({sum(p.numel() for p in module.parameters()):,})"]
    for name, child in module._modules.items():
        if child is not None:
            lines.append(f"  {name}: {type(child).__name__} ({sum(p.numel() for p in child.parameters()):,})")
    return "\n".join(lines)


@module_tree.misconception("Every line below the root has the same indent. Two spaces more a level show who belongs to "
                           "whom.", literal=True)
def indents_once(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append(f"  {name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("A step inwards is four spaces wide. The task's has two.", literal=True)
def indents_by_four(module, name="", depth=0):
    count = sum(parameter.numel() for parameter in module.parameters())
    lines = ["    " * depth + f"{name}{type(module).__name__} ({count:,})"]
    lines += [indents_by_four(child, f"{key}: ", depth + 1) for key, child in module._modules.items()
              if child is not None]
    return "\n".join(lines)


@module_tree.misconception("A step inwards is a tab. The task's has two spaces.", literal=True)
def indents_by_tabs(module):
    return plain_tree(module).replace("  ", "\t")


@module_tree.misconception("The children were put into a dictionary with the module as the key. Under two names it is "
                           "one key: the last name alone is left.", literal=True)
def keeps_the_last_name(module, name="", depth=0):
    count = sum(parameter.numel() for parameter in module.parameters())
    lines = ["  " * depth + f"{name}{type(module).__name__} ({count:,})"]
    for child, key in {child: key for key, child in module._modules.items() if child is not None}.items():
        lines.append(keeps_the_last_name(child, f"{key}: ", depth + 1))
    return "\n".join(lines)


@module_tree.misconception("The children are sorted by name. They stand in the order in which they were registered.",
                           literal=True)
def sorts_the_children(module, name="", depth=0):
    count = sum(parameter.numel() for parameter in module.parameters())
    lines = ["  " * depth + f"{name}{type(module).__name__} ({count:,})"]
    lines += [sorts_the_children(child, f"{key}: ", depth + 1) for key, child in sorted(module._modules.items())
              if child is not None]
    return "\n".join(lines)


@module_tree.misconception("The lines carry the whole path, `body.1.0`. The indent already says where a child hangs: "
                           "its own name is enough.")
def prints_the_path(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in child.parameters())
        label = f"{type(child).__name__} ({count:,})"
        lines.append("  " * len(name.split(".")) + f"{name}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("The thousands are not separated. In a format string, `:,` does it.", literal=True)
def separates_nothing(module):
    lines = []
    for name, child in module.named_modules(remove_duplicate=False):
        label = f"{type(child).__name__} ({sum(parameter.numel() for parameter in child.parameters())})"
        lines.append("  " * len(name.split(".")) + f"{name.split('.')[-1]}: {label}" if name else label)
    return "\n".join(lines)


@module_tree.misconception("None was taken for a module: a child that is switched off, such as a shortcut that is not "
                           "needed, is kept in the register as None. Pass it over.")
def stumbles_over_none(module, name="", indent=""):
    count = sum(parameter.numel() for parameter in module.parameters())
    lines = [f"{indent}{name}{type(module).__name__} ({count:,})"]
    for child_name, child in module._modules.items():
        lines.append(stumbles_over_none(child, f"{child_name}: ", indent + "  "))
    return "\n".join(lines)


@module_tree.misconception("A line break follows the last line. Join the lines with line breaks between them.",
                           literal=True)
def ends_in_a_line_break(module):
    return plain_tree(module) + "\n"


@module_tree.misconception("The tree was printed and nothing returned. Return the text; whoever wants to see it prints "
                           "it.")
def prints_the_tree(module):
    print(plain_tree(module))


@module_tree.misconception("The first line has a name before it. The module itself has none: `Class (count)`.")
def names_the_root(module):
    return f"model: {plain_tree(module)}"


@module_tree.misconception("A step inwards is one space wide. The task's has two.", literal=True)
def indents_by_one(module):
    return "\n".join(" " * ((len(line) - len(line.lstrip())) // 2) + line.lstrip()
                     for line in plain_tree(module).split("\n"))


@module_tree.misconception("The thousands are separated by points. The task's have commas.", literal=True)
def separates_by_points(module):
    return plain_tree(module).replace(",", ".")


@module_tree.misconception("The thousands are separated by underscores, as `:_` does it. The task's have commas.",
                           literal=True)
def separates_by_underscores(module):
    return plain_tree(module).replace(",", "_")


@module_tree.misconception("The lines came in a list. Asked for is one text, the lines joined by line breaks.")
def gives_a_list_of_lines(module):
    return plain_tree(module).split("\n")


@module_tree.alternative
def by_recursion(module):
    def lines(name, module, indent):
        count = sum(p.numel() for p in module.parameters())
        yield f"{indent}{name}{type(module).__name__} ({count:,})"
        for key, child in module._modules.items():
            if child is not None:
                yield from lines(f"{key}: ", child, indent + "  ")

    return "\n".join(lines("", module, ""))


@module_tree.alternative
def by_a_set_of_ids(module, name=None, depth=0):
    seen = {}
    for _, inner in module.named_modules():
        for tensor in inner._parameters.values():
            if tensor is not None:
                seen[id(tensor)] = math.prod(tensor.shape)
    text = " " * (2 * depth) + ("" if name is None else name + ": ")
    text += type(module).__name__ + " (" + format(sum(seen.values()), ",") + ")"
    for key in module._modules:
        child = module._modules[key]
        if child is not None:
            text += "\n" + by_a_set_of_ids(child, key, depth + 1)
    return text


@module_tree.alternative
def by_a_stack(module):
    lines, waiting = [], [("", module, 0)]
    while waiting:
        name, current, depth = waiting.pop()
        count = sum(torch.Size(p.shape).numel() for p in set(current.parameters()))
        lines.append("{}{}{} ({:,})".format("  " * depth, name, current.__class__.__name__, count))
        children = [(key + ": ", child, depth + 1) for key, child in current._modules.items() if child is not None]
        waiting.extend(reversed(children))
    return "\n".join(lines)
