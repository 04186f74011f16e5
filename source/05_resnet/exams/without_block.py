"""How `without_block` is examined."""

import contextlib
import copy

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, error_of, exercise

_MISSING = object()


class _Block(nn.Module):
    """The exam's own block. Its shortcut is None, an identity, a projection, or not there at all."""

    def __init__(self, channels, width, downsample=_MISSING):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)
        if downsample is not _MISSING:
            self.downsample = downsample

    def forward(self, x):
        around = getattr(self, "downsample", None)
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(branch + (x if around is None else around(x)))


class _Net(nn.Module):
    """Four blocks, some deep inside, in an order of `modules()` that is the order of running.

    Its own `conv1` and `bn1`, as a ResNet has them, make no block of it.
    """

    def __init__(self):
        super().__init__()
        projection = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4))
        self.conv1, self.bn1 = nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3)
        self.layer1 = nn.Sequential(_Block(3, 3, None), nn.Sequential(_Block(3, 3, nn.Identity())))
        self.layer2 = nn.Sequential(_Block(3, 4, projection))
        self.last = _Block(4, 4)

    def forward(self, x):
        return self.last(self.layer2(self.layer1(self.bn1(self.conv1(x)))))


def _blocks(net):
    return [module for module in net.modules() if hasattr(module, "bn2")]


def _around(block, x):
    """What a block without its branch gives."""
    downsample = getattr(block, "downsample", None)
    return F.relu(x if downsample is None else downsample(x))


@contextlib.contextmanager
def _without(net, index):
    block = _blocks(net)[index]
    block.forward = lambda x: _around(block, x)
    try:
        yield net
    finally:
        del block.forward


@exercise(points=7, reference=_without)
def without_block(impl, draw):
    def lively(net):
        draw.fill_(net).eval()
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight += module.weight.sign()
        return net

    def inside(net, index, x):
        with impl(net, index):
            return net(x)

    def child(block, channels):
        return inside(lively(nn.Sequential(block)), 0, draw.normal(2, channels, 5, 6))

    def projected():
        projection = nn.Sequential(nn.Conv2d(3, 5, 1, 2, bias=False), nn.BatchNorm2d(5))
        return child(_Block(3, 5, projection), 3)

    def numbered():
        net, x = lively(_Net()), draw.normal(2, 1, 6, 7)
        found = {f"without block {index}": inside(net, index, x) for index in range(4)}
        return {**found, "the net is a block": inside(lively(_Block(3, 3)), 0, draw.normal(2, 3, 4, 5))}

    def put_back():
        net, x = lively(_Net()), draw.normal(2, 1, 6, 7)
        before = list(net.modules())
        seen = {"inside": inside(net, 3, x), "afterwards": net(x), "once more inside": inside(net, 3, x)}
        return {**seen, "the same modules": list(map(id, before)) == list(map(id, net.modules())),
                "hooks left": sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in before),
                "names": ", ".join(net.state_dict())}

    def after_an_error():
        net, x = lively(_Net()), draw.normal(2, 1, 6, 7)

        def interrupted():
            with impl(net, 2):
                raise KeyError("the reader's own")

        return {"inside": inside(net, 2, x), "what came out": error_of(interrupted, KeyError), "afterwards": net(x)}

    def at_rest():
        net, x = lively(_Net()).train(), draw.normal(3, 1, 6, 7)
        output, block = inside(net, 0, x), net.layer1[0]
        return {"output": output, "bn1.running_mean": block.bn1.running_mean,
                "bn2.num_batches_tracked": int(block.bn2.num_batches_tracked),
                "names inside": _names_inside(impl, net)}

    def two():
        net, x = lively(_Net()), draw.normal(2, 1, 6, 7)
        with impl(net, 0):
            with impl(net, 3):
                both = net(x)
            one = net(x)
        return {"both out": both, "one back": one, "both back": net(x)}

    def no_such_block():
        net, x = lively(_Net()), draw.normal(2, 1, 6, 7)

        def enter():
            with impl(net, 4):
                pass

        return {"error": error_of(enter, IndexError), "inside": inside(net, 3, x)}

    yield aspect("identity", "Inside the `with`, a block whose `downsample` is None, an identity or missing gives "
                 "ReLU(x).",
                 lambda: {"None": child(_Block(3, 3, None), 3), "an identity": child(_Block(4, 4, nn.Identity()), 4),
                          "missing": child(_Block(3, 3), 3)})
    yield aspect("projection", "A block that projects gives ReLU(downsample(x)).", projected)
    yield aspect("numbers", "A block is any module with an attribute `bn2`; they are numbered from 0 in the order of "
                 "`net.modules()`, however deep they sit.", numbered)
    yield aspect("put back", "Afterwards the net is as it was: the same modules, no hook left.", put_back)
    yield aspect("after an error", "So it is after an error inside the `with`, and the error goes on.", after_an_error)
    yield aspect("branch at rest", "The branch is not run, so that its norms' statistics do not move; inside, too, "
                 "every parameter keeps its name.", at_rest)
    yield aspect("two at once", "Two may be out at once, one `with` inside the other.", two)
    yield aspect("no such block", "An index beyond the last block raises IndexError.", no_such_block)


def _names_inside(impl, net):
    with impl(net, 0):
        return ", ".join(net.state_dict())


@without_block.misconception("The branch is silent but the ReLU is gone with it: without its branch a block gives "
                             "ReLU(shortcut), as it would with γ = 0.")
@contextlib.contextmanager
def passes_everything(net, index):
    block = _blocks(net)[index]

    def forward(x):
        downsample = getattr(block, "downsample", None)
        return x if downsample is None else downsample(x)

    block.forward = forward
    try:
        yield
    finally:
        del block.forward


@without_block.misconception("The whole block is skipped, shortcut and all. Where it projects, its output then has the "
                             "wrong shape: what goes around the branch stays.")
@contextlib.contextmanager
def skips_the_shortcut(net, index):
    block = _blocks(net)[index]
    block.forward = F.relu
    try:
        yield
    finally:
        del block.forward


@without_block.misconception("The block is not put back: after the `with` the net is still without it. What follows "
                             "the `yield` runs at the end.")
@contextlib.contextmanager
def leaves_it_out(net, index):
    block = _blocks(net)[index]
    block.forward = lambda x: _around(block, x)
    yield


@without_block.misconception("After an error inside the `with` the block stays out. The end of a `with` always comes: "
                             "put the `yield` into `try` and the rest into `finally`.")
@contextlib.contextmanager
def forgets_finally(net, index):
    block = _blocks(net)[index]
    block.forward = lambda x: _around(block, x)
    yield
    del block.forward


@without_block.misconception("The branch still runs, and its result is thrown away (by a hook) or made 0. In training "
                             "mode its norms then count a batch that nobody used: replace what the block does.")
@contextlib.contextmanager
def lets_the_branch_run(net, index):
    handle = _blocks(net)[index].register_forward_hook(lambda block, inputs, output: _around(block, inputs[0]))
    try:
        yield
    finally:
        handle.remove()


@without_block.misconception("γ of the last norm was set to 0. Its β is still added, and in training mode the branch "
                             "still counts batches: leave the branch out.")
@contextlib.contextmanager
def sets_gamma_to_zero(net, index):
    norm = _blocks(net)[index].bn2
    kept = norm.weight.detach().clone()
    nn.init.zeros_(norm.weight)
    try:
        yield
    finally:
        with torch.no_grad():
            norm.weight.copy_(kept)


class _Around(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.downsample = getattr(block, "downsample", None)

    def forward(self, x):
        return F.relu(x if self.downsample is None else self.downsample(x))


@without_block.misconception("Another module stands in the block's place. The others' numbers shift, its parameters "
                             "are gone, and a net that is a block cannot be replaced: change what it does.")
@contextlib.contextmanager
def replaces_the_module(net, index):
    names = [name for name, module in net.named_modules() if hasattr(module, "bn2")]
    parent, _, last = names[index].rpartition(".")
    block = net.get_submodule(names[index])
    setattr(net.get_submodule(parent), last, _Around(block))
    try:
        yield
    finally:
        setattr(net.get_submodule(parent), last, block)


@without_block.misconception("Only the net's direct parts were searched for blocks. They sit in stages: `modules()` "
                             "walks through all levels.")
@contextlib.contextmanager
def searches_the_children(net, index):
    block = [module for module in net.children() if hasattr(module, "bn2")][index]
    with _without(block, 0):
        yield


@without_block.misconception("Blocks were counted from 1. As everywhere in Python, the first one has the index 0.")
@contextlib.contextmanager
def counts_from_one(net, index):
    with _without(net, index - 1):
        yield


@without_block.misconception("`downsample` was asked for as an attribute that every block has. A block of somebody "
                             "else may have none where nothing changes: ask with `getattr` and a default.")
@contextlib.contextmanager
def needs_a_downsample(net, index):
    block = _blocks(net)[index]
    block.forward = lambda x: F.relu(x if block.downsample is None else block.downsample(x))
    try:
        yield
    finally:
        del block.forward


@without_block.misconception("Where no block has the index, nobody is told: no error comes. Ask the list of blocks "
                             "for it, and Python raises IndexError.", literal=True)
@contextlib.contextmanager
def shrugs(net, index):
    if index >= len(_blocks(net)):
        yield
        return
    with _without(net, index):
        yield


@without_block.misconception("The error inside the `with` is swallowed: who calls does not hear of it. `finally` puts "
                             "the block back and lets the error go on; an `except` does not.", literal=True)
@contextlib.contextmanager
def swallows_the_error(net, index):
    block = _blocks(net)[index]
    block.forward = lambda x: _around(block, x)
    with contextlib.suppress(Exception):
        yield
    del block.forward


@without_block.misconception("The class's `forward` was replaced, and with it that of every block of the class: all of "
                             "them are without their branch. `block.forward = …` changes this one object.")
@contextlib.contextmanager
def replaces_the_classs_forward(net, index):
    kind = type(_blocks(net)[index])
    before, kind.forward = kind.forward, _around
    try:
        yield
    finally:
        kind.forward = before


@without_block.misconception("No block was found, though the net has some. Were they asked for their class, or for a "
                             "name? A block is any module with an attribute `bn2`: `hasattr(module, \"bn2\")`.")
@contextlib.contextmanager
def asks_for_the_class(net, index):
    block = [module for module in net.modules() if type(module).__name__ in ("ResBlock", "Bottleneck")][index]
    with _without(block, 0):
        yield


@without_block.misconception("The new forward takes `self` and `x`. Set on an object it is no method, and is called "
                             "with `x` alone: leave `self` out.")
@contextlib.contextmanager
def takes_self(net, index):
    block = _blocks(net)[index]

    def forward(self, x):
        return _around(self, x)

    forward.__qualname__ = "without_block.<locals>.forward"  # the reader's error names the reader's function
    block.forward = forward
    try:
        yield
    finally:
        del block.forward


@without_block.misconception("Inside the `with` nothing has changed: the branch still takes part. Was a copy of the "
                             "net changed, or `__call__`, which Python looks up in the class? Change `block.forward`.")
@contextlib.contextmanager
def changes_a_copy(net, index):
    with _without(copy.deepcopy(net), index) as twin:
        yield twin


@without_block.misconception("`bn2` gives zeros, but what stands before it still runs: in training mode `bn1` "
                             "counts a batch that nobody used. Replace what the whole block does.")
@contextlib.contextmanager
def silences_the_last_norm(net, index):
    norm = _blocks(net)[index].bn2
    norm.forward = torch.zeros_like
    try:
        yield
    finally:
        del norm.forward


@without_block.misconception("The net is in evaluation mode inside the `with`. Its mode is chosen by whoever uses the "
                             "`with`: leave it as it is.")
@contextlib.contextmanager
def switches_the_mode(net, index):
    training = [module for module in net.modules() if module.training]
    net.eval()
    with _without(net, index):
        yield
    for module in training:
        module.training = True


@without_block.alternative
@contextlib.contextmanager
def puts_the_old_forward_back(net, index):
    block = _blocks(net)[index]
    before, block.forward = block.forward, lambda x: _around(block, x)
    try:
        yield
    finally:
        block.forward = before


@without_block.alternative
class AsAClass:
    def __init__(self, net, index):
        self.block = [module for module in net.modules() if hasattr(module, "bn2")][index]

    def __enter__(self):
        block = self.block
        block.forward = lambda x: _around(block, x)
        return self

    def __exit__(self, *error):
        del self.block.__dict__["forward"]


@without_block.alternative
@contextlib.contextmanager
def by_an_exit_stack(net, index):
    block = list(filter(lambda module: hasattr(module, "bn2"), net.modules()))[index]

    def forward(x):
        around = getattr(block, "downsample", None) or nn.Identity()
        return around(x).clamp_min(0)

    with contextlib.ExitStack() as stack:
        object.__setattr__(block, "forward", forward)
        stack.callback(object.__delattr__, block, "forward")
        yield


@without_block.alternative
@contextlib.contextmanager
def by_another_class(net, index):
    block = [module for module in net.modules() if "bn2" in dict(module.named_children())][index]
    kind = type(block)

    class Shortened(kind):
        def forward(self, x):
            return _around(self, x)

    block.__class__ = Shortened
    try:
        yield net
    finally:
        block.__class__ = kind
