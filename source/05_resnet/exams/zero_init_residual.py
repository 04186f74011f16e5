"""How `zero_init_residual` is examined."""

import torch
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _BottleneckParts, _Parts


class _FlatParts(_Parts):
    """Three norms, and as many channels out as in the middle: only the names tell."""

    kernels = (1, 3, 1)


class _Net(nn.Module):
    """The exam's own net: a stem, blocks, a linear layer."""

    def __init__(self, *blocks):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(*blocks)
        self.fc = nn.Linear(8, 3)


def _last_norm(block):
    return block.bn3 if hasattr(block, "bn3") else block.bn2


def _zero(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).weight)


@exercise(points=8, reference=_zero)
def zero_init_residual(impl, draw):
    def after(net):
        draw.fill_(net)
        impl(net)
        return dict(net.state_dict())

    def hidden():
        deep = nn.Sequential(_Parts(2, 2), nn.Sequential(_BottleneckParts(2, 1)))
        return {"deep": after(nn.ModuleDict({"stage": deep})),
                "a Sequential": after(nn.Sequential(_Parts(2, 2), _FlatParts(2, 2))),
                "the net is a ResBlock": after(_Parts(3, 3)), "the net is a Bottleneck": after(_BottleneckParts(8, 2))}

    def conduct():
        net = draw.fill_(_Net(_Parts(4, 4), _Parts(4, 5, 2)).eval())
        net.layer1[0].train()
        before = dict(net.named_parameters())
        views = [block.bn2.weight.detach() for block in net.layer1]
        impl(net)
        filled = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        weights = [block.bn2.weight for block in net.layer1]
        net.layer1[0].bn2(draw.normal(2, 4, 3, 3)).square().sum().backward()
        return {"values": filled,
                "the same object": {name: one is before.get(name) for name, one in net.named_parameters()},
                "seen in the same memory": [bool((view == 0).all()) for view in views],
                "requires a gradient": [weight.requires_grad and weight.is_leaf for weight in weights],
                "in training mode": {name or "the net": module.training for name, module in net.named_modules()}}

    yield aspect("ResBlocks", "In a block without `bn3` the weight of `bn2` becomes 0.",
                 lambda: after(_Net(_Parts(4, 4), _Parts(4, 5, 2))))
    yield aspect("Bottlenecks", "In a block with `bn3` the weight of `bn3` becomes 0, and `bn2` stays as it is.",
                 lambda: after(_Net(_BottleneckParts(4, 2), _BottleneckParts(8, 2, 2))))
    yield aspect("anywhere", "Blocks may sit anywhere in the net, however deep, and the net itself may be one.",
                 hidden)
    yield aspect("conduct", "Parameters are changed in place: they stay the same objects in the same memory, still "
                 "require gradients, and the net keeps its mode.", conduct)


@zero_init_residual.misconception("The first BatchNorm was set to 0. It kills the branch, too, but behind it nothing "
                                  "of the input is left to learn from: take the block's last BatchNorm.")
def zeroes_the_first_norm(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn1.weight)


@zero_init_residual.misconception("Every BatchNorm was set to 0, the stem's and the shortcuts' too. Then the whole "
                                  "net gives 0: only the last norm of each branch may be silent.")
def zeroes_every_norm(net):
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.zeros_(module.weight)


@zero_init_residual.misconception("All norms of the branch were set to 0. The last one is enough; with two zeros in a "
                                  "row neither weight gets a gradient, and the branch stays a constant.")
def zeroes_the_whole_branch(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            for norm in (module.bn1, module.bn2, _last_norm(module)):
                nn.init.zeros_(norm.weight)


@zero_init_residual.misconception("In a Bottleneck `bn2` was set to 0. Its last BatchNorm is `bn3`.")
def zeroes_bn2_everywhere(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn2.weight)


@zero_init_residual.misconception("In a Bottleneck both `bn2` and `bn3` were set to 0. Only its last BatchNorm is "
                                  "silent; with two zeros in a row neither weight ever gets a gradient.")
def zeroes_bn2_and_bn3(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.bn2.weight)
            nn.init.zeros_(_last_norm(module).weight)


@zero_init_residual.misconception("The shortcut's BatchNorm was set to 0, too. Then nothing at all gets through the "
                                  "block: only the branch is to be silent.")
def silences_the_shortcut(net):
    _zero(net)
    for module in net.modules():
        if hasattr(module, "bn2") and hasattr(module, "downsample"):
            nn.init.zeros_(module.downsample[1].weight)


@zero_init_residual.misconception("The weight is 0, and its norm's running statistics were reset, too. The task is the "
                                  "weight and nothing else.")
def resets_the_statistics(net):
    _zero(net)
    for module in net.modules():
        if hasattr(module, "bn2"):
            _last_norm(module).reset_running_stats()


@zero_init_residual.misconception("The net was put into evaluation mode. It was to keep the mode in which it came.",
                                  literal=True)
def leaves_it_in_eval_mode(net):
    _zero(net.eval())


@zero_init_residual.misconception("Only the first block was changed: the loop ends too early.")
def stops_at_the_first_block(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).weight)
            return


@zero_init_residual.misconception("Blocks with a `bn3` were zeroed, those that end with `bn2` were left out. A "
                                  "ResBlock has only two norms.")
def zeroes_bn3_alone(net):
    for module in net.modules():
        if hasattr(module, "bn3"):
            nn.init.zeros_(module.bn3.weight)


@zero_init_residual.misconception("The bias was set to 0 and the weight left alone. The branch is scaled by the "
                                  "weight γ; a bias of 0 does not silence it.")
def zeroes_the_bias(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).bias)


@zero_init_residual.misconception("The bias was set to 0 along with the weight. The task is the weight and nothing "
                                  "else: a bias is 0 at the start anyway, and a trained one is not yours to erase.")
def zeroes_weight_and_bias(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).weight)
            nn.init.zeros_(_last_norm(module).bias)


@zero_init_residual.misconception("The last convolution was set to 0 in place of its BatchNorm. A norm divides by the "
                                  "spread of what comes in; make its weight 0 and leave the convolution its random "
                                  "start.")
def zeroes_the_convolution(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_(module.conv3.weight if hasattr(module, "conv3") else module.conv2.weight)


@zero_init_residual.misconception("The weight was overwritten in place while autograd watched. Initialisation is no "
                                  "part of the graph: do it under `torch.no_grad()` or with `nn.init`.")
def zeroes_under_autograd(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            _last_norm(module).weight.mul_(0)


@zero_init_residual.misconception("A new Parameter was put in place of the old one. An optimizer made before still "
                                  "holds the old one and would train a tensor that nobody uses. Change it in place.",
                                  literal=True)
def replaces_the_parameter(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            norm = _last_norm(module)
            norm.weight = nn.Parameter(torch.zeros_like(norm.weight))


@zero_init_residual.misconception("The zeros are in new memory (`weight.data = …` does that). Whatever shares the old "
                                  "one, a flat copy or another process, still sees the old numbers: fill it in place.",
                                  literal=True)
def gives_it_new_memory(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            _last_norm(module).weight.data = torch.zeros_like(_last_norm(module).weight)


@zero_init_residual.misconception("The net itself was left out of the search. It may be a block, too, and `modules()` "
                                  "gives it first.")
def skips_the_net_itself(net):
    for module in list(net.modules())[1:]:
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).weight)


@zero_init_residual.misconception("The weight is 0 and frozen: it no longer requires a gradient, so the branch stays "
                                  "silent for ever. Only its start is 0.", literal=True)
def freezes_the_weight(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            _last_norm(module).weight.requires_grad_(False).zero_()


@zero_init_residual.misconception("Only a net's direct parts were searched. Blocks sit in stages, and stages in nets: "
                                  "`modules()` walks through all levels, `children()` through one.")
def searches_one_level(net):
    for module in net.children():
        if hasattr(module, "bn2"):
            nn.init.zeros_(_last_norm(module).weight)


@zero_init_residual.misconception("Nothing was changed here. A block may be of any class and have any name: ask each "
                                  "module which norms it has, not what it is. And change the net that was given, "
                                  "not a copy.")
def finds_no_block(net):
    """As an answer does that asks for classes of its own."""


@zero_init_residual.misconception("The last BatchNorm was taken in the order of `modules()`. Where a block projects "
                                  "that is the shortcut's, and the branch keeps its γ: ask for `bn3` and `bn2` by "
                                  "name.")
def zeroes_the_last_one_listed(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_([part for part in module.modules() if isinstance(part, nn.BatchNorm2d)][-1].weight)


def _visit(module, levels):
    """Silence the blocks so many levels below a module."""
    for child in module.children() if levels else ():
        if hasattr(child, "bn2"):
            nn.init.zeros_(_last_norm(child).weight)
        _visit(child, levels - 1)


@zero_init_residual.misconception("The search goes two levels down and no further: parts, and parts of parts. Blocks "
                                  "may sit deeper, and the net may be one: `modules()` walks through all levels.")
def searches_two_levels(net):
    _visit(net, 2)


@zero_init_residual.misconception("The net and two levels below it were searched, no more. A block may sit deeper: "
                                  "`modules()` walks through all levels.")
def searches_the_net_and_two_levels(net):
    if hasattr(net, "bn2"):
        nn.init.zeros_(_last_norm(net).weight)
    _visit(net, 2)


@zero_init_residual.misconception("Only parts of the net's parts were asked. Blocks sit on other levels, too, and the "
                                  "net may be one: `modules()` walks through all of them.")
def searches_the_second_level_alone(net):
    for stage in net.children():
        _visit(stage, 1)


@zero_init_residual.misconception("Blocks were found in a net of stages alone (`layer1`, …). They may sit anywhere, "
                                  "under any name, and the net itself may be one: ask all of `modules()`.")
def searches_the_stages(net):
    for name in ("layer1", "layer2", "layer3", "layer4"):
        for block in getattr(net, name, ()):
            nn.init.zeros_(_last_norm(block).weight)


@zero_init_residual.misconception("The net was put into training mode. It was to keep the mode in which it came, each "
                                  "part its own.", literal=True)
def leaves_it_in_training_mode(net):
    _zero(net.train())


@zero_init_residual.misconception("Which norm is a block's last was guessed from its `expansion` or its widths. Ask "
                                  "the block whether it has a `bn3`.")
def trusts_the_expansion(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            nn.init.zeros_((module.bn3 if module.expansion > 1 else module.bn2).weight)


@zero_init_residual.alternative
def by_no_grad(net):
    with torch.no_grad():
        for module in net.modules():
            norm = getattr(module, "bn3", getattr(module, "bn2", None))
            if norm is not None:
                norm.weight.fill_(0.0)


@zero_init_residual.alternative
def by_names(net):
    modules = dict(net.named_modules())
    for name, module in modules.items():
        prefix, _, last = name.rpartition(".")
        prefix = f"{prefix}." if prefix else ""
        if last == "bn3" or (last == "bn2" and f"{prefix}bn3" not in modules):
            module.weight.data.zero_()


@zero_init_residual.alternative
def by_apply(net):
    def visit(module):
        for name in ("bn3", "bn2"):
            if hasattr(module, name):
                nn.init.constant_(getattr(module, name).weight, 0)
                return
    net.apply(visit)
