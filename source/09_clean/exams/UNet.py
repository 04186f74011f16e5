"""How `UNet` is examined: by its parts, and by what each part is given while the exam's own stand in their places."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _Brick


class _Plain(nn.Module):
    """The plainest U-Net; what others do otherwise is a method."""

    def __init__(self, channels=1, width=16, depth=2):
        super().__init__()
        self.depth = depth
        widths = [width * 2 ** level for level in range(depth + 1)]
        self.down = nn.ModuleList(_Brick(taken, given) for taken, given in zip([channels, *widths], widths[:-1],
                                                                               strict=False))
        self.bottom = _Brick(widths[-2], widths[-1])
        self.up = nn.ModuleList(_Brick(below + same, same) for below, same in zip(widths[:0:-1], widths[-2::-1],
                                                                                  strict=True))
        self.out = nn.Conv2d(width, channels, 1)

    def forward(self, x):
        return x - self.noise(x)

    def noise(self, x):
        skips = []
        for brick in self.down:
            x = brick(x)
            skips.append(self.skip(x))
            x = self.smaller(x)
        x = self.bottom(x)
        for brick in self.up:
            x = brick(self.join(skips.pop(), self.larger(x)))
        return self.out(x)

    def skip(self, x):
        return x

    def smaller(self, x):
        return F.max_pool2d(x, 2)

    def larger(self, x):
        return F.interpolate(x, scale_factor=2)

    def join(self, skip, x):
        return torch.cat([skip, x], 1)


class _Station(nn.Module):
    """Stands in the place of a part: notes what it is given, and gives numbers that do not depend on it."""

    def __init__(self, name, numbers, log):
        super().__init__()
        self.name, self.numbers, self.log = name, numbers, log

    def forward(self, x):
        self.log.append((self.name, x.detach().clone()))
        height, width = x.shape[-2:]
        return self.numbers[:, :height, :width].expand(len(x), -1, -1, -1)


def _places(channels, width, depth):
    """Every part's name and how many channels it gives, in the order of use."""
    widths = [width * 2 ** level for level in range(depth + 1)]
    return {**{f"down.{level}": widths[level] for level in range(depth)}, "bottom": widths[-1],
            **{f"up.{number}": widths[depth - 1 - number] for number in range(depth)}, "out": channels}


def _part(net, name):
    """A part by its name."""
    if name not in dict(net.named_modules()):
        raise AttributeError(f"the net has no part that is called `{name}`")
    return net.get_submodule(name)


def _replaced(net, parts):
    """The net with other modules in the places of its parts."""
    for name, module in parts.items():
        _part(net, name)
        holder, _, last = name.rpartition(".")
        setattr(net.get_submodule(holder), last, module)
    return net.eval()


def _sizes(net, names):
    """How many channels each part takes and gives, by its own convolutions."""
    found = {}
    for name in names:
        layers = [part for part in _part(net, name).modules() if isinstance(part, nn.Conv2d)]
        found[name] = f"{layers[0].in_channels} → {layers[-1].out_channels}" if layers else "no convolution"
    return found


def _quiet(net, out, x):
    """`out` made to give 2.5 to 3.5 everywhere: neither a ReLU nor an edge at 0 or 1 is met by chance."""
    heard = []
    handle = out.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].abs().max()))
    with torch.no_grad():
        net(x)
        handle.remove()
        for largest in heard:
            out.weight /= 2 * largest * out.weight.abs().sum()
        out.bias.fill_(3)
    return net


@exercise(points=16, reference=_Plain)
def UNet(impl, draw):
    def parts():
        net = impl(1, 4, 2)
        return {**_sizes(net, _places(1, 4, 2)), "out.weight": str(tuple(net.out.weight.shape)),
                "out.bias": net.out.bias is not None}

    def observed(x, channels=1, width=2, depth=2, log=None):
        """(the result, what each part was given in turn)."""
        log = [] if log is None else log
        stations = {name: _Station(name, draw.normal(given, 8, 12), log)
                    for name, given in _places(channels, width, depth).items()}
        return _replaced(impl(channels, width, depth), stations)(x), log

    def given(*names):
        log = []
        try:
            observed(draw.normal(2, 1, 8, 12), log=log)
        except RuntimeError:  # further on: what was seen until then is right or wrong by itself
            if not any(name.startswith(names) for name, _ in log):
                raise
        return {f"{number}. {name}": x for number, (name, x) in enumerate(log, 1) if name.startswith(names)}

    def noise():
        x = draw.normal(2, 1, 8, 12)
        result, log = observed(x.clone())
        return {"result": result, "out is given": [x for name, x in log if name == "out"]}

    def sizes():
        seen = {}
        for arguments in ((3, 2, 1), (2, 3, 3)):
            result, log = observed(draw.normal(1, arguments[0], 8, 8), *arguments)
            seen[f"UNet{arguments}"] = {"given": [f"{name}: {tuple(x.shape)}" for name, x in log],
                                        "result": str(tuple(result.shape)), **_sizes(impl(*arguments), ["out"])}
        return seen

    def conduct():
        net = impl(1, 2, 2)
        taken = {"down.0": 1, "down.1": 2, "bottom": 4, "up.0": 12, "up.1": 6, "out": 2}
        parts = {name: draw.fill_(nn.Conv2d(taken[name], given, 1)) for name, given in _places(1, 2, 2).items()}
        x = draw.uniform(1, 1, 8, 8)
        kept = x.clone()
        result = _quiet(_replaced(net, parts), parts["out"], x.clone())(kept)
        result.square().sum().backward()
        reached = {name: bool(part.weight.grad is not None and part.weight.grad.any()) for name, part in parts.items()}
        for part in parts.values():
            part.weight.grad = None
        net.bottom = _Station("bottom", draw.normal(8, 8, 8), [])  # nothing that is learned comes from it
        _quiet(net, parts["out"], x)(x).square().sum().backward()
        return {"the result differs from x": bool((result != x).any()), "x": kept, "gradients reach": reached,
                "gradients come across": {name: bool(part.weight.grad is not None and part.weight.grad.any())
                                          for name, part in parts.items() if name.startswith("down")}}

    yield aspect("parts", "The parts are called `down` (a list of `depth` bricks), `bottom`, `up` (a list of `depth` "
                 "bricks, in the order of their use) and `out`, a 1×1 convolution with a bias.",
                 parts, weight=2)
    yield aspect("way down", "Behind each brick of `down` the picture is halved: of each 2×2 pixels the largest stays.",
                 lambda: given("down", "bottom"), weight=2)
    yield aspect("way up", "Each brick of `up` is given two maps side by side: first what the brick of `down` at that "
                 "size gave, then what comes from below, every pixel of it repeated to 2×2.", lambda: given("up"),
                 weight=2)
    yield aspect("noise", "`out` gives the noise, and the net returns its input minus that.", noise, weight=2)
    yield aspect("sizes", "`channels`, `width` and `depth` are what they were asked to be.", sizes)
    yield aspect("depth", "`UNet()` is `UNet(1, 16, 2)`, and the attribute `depth` tells how often it halves.",
                 lambda: {"UNet()": _sizes(impl(), ("down.0", "out")), "depth": impl().depth,
                          "depth of UNet(1, 2, 3)": impl(1, 2, 3).depth})
    yield aspect("conduct", "The net leaves its input as it was, and gradients reach every part.", conduct)


@UNet.misconception("The bricks are in plain Python lists, and a module does not look into a list: `parameters()` has "
                    "`bottom` and `out` alone, and the others are never trained. Use `nn.ModuleList`.")
class KeepsBricksInALists(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        down, up = list(self.down), list(self.up)
        del self.down, self.up
        self.down, self.up = down, up


@UNet.misconception("The net returns what `out` gives. That is the noise: subtract it from the input.")
class ReturnsTheNoise(_Plain):
    def forward(self, x):
        return self.noise(x)


@UNet.misconception("What `out` gives is added. It is to be the noise, and noise is subtracted.")
class AddsTheNoise(_Plain):
    def forward(self, x):
        return x + self.noise(x)


@UNet.misconception("The sign is wrong: the net returns the noise minus its input.")
class SubtractsTheOtherWay(_Plain):
    def forward(self, x):
        return self.noise(x) - x


@UNet.misconception("What `out` gives goes through a ReLU or is otherwise kept from being negative. Noise has both "
                    "signs: subtract what `out` gives as it is.")
class RectifiesTheNoise(_Plain):
    def noise(self, x):
        return F.relu(super().noise(x))


@UNet.misconception("What `out` gives goes through a sigmoid. Noise has both signs and no limits: subtract what `out` "
                    "gives as it is.")
class SquashesTheNoise(_Plain):
    def noise(self, x):
        return torch.sigmoid(super().noise(x))


@UNet.misconception("What `out` gives goes through a tanh, which lets nothing beyond ±1 through. Subtract what `out` "
                    "gives as it is.")
class BendsTheNoise(_Plain):
    def noise(self, x):
        return torch.tanh(super().noise(x))


@UNet.misconception("The way down looks at 3×3 pixels for each one that it keeps. It takes the largest of 2×2: "
                    "`F.max_pool2d(x, 2)`.")
class OverlapsOnTheWayDown(_Plain):
    def smaller(self, x):
        return F.max_pool2d(x, 3, 2, 1)


@UNet.misconception("The attribute `depth` is one too many, or too few: it is the number of halvings, the length of "
                    "`down`.", literal=True)
class CountsTheBottom(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.depth = depth + 1


@UNet.misconception("`out` always gives one channel. It gives as many as the picture has: `channels`.", literal=True)
class GivesOneChannel(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.out = nn.Conv2d(width, 1, 1)


@UNet.misconception("The result is clamped to [0, 1]. Where it is clamped, no gradient flows; leave that to whoever "
                    "shows the picture.")
class ClampsTheResult(_Plain):
    def forward(self, x):
        return super().forward(x).clamp(0, 1)


@UNet.misconception("The way down takes the mean of each 2×2 pixels. This net keeps the largest: `F.max_pool2d`.")
class AveragesOnTheWayDown(_Plain):
    def smaller(self, x):
        return F.avg_pool2d(x, 2)


@UNet.misconception("The way down takes every second pixel and forgets the others. Keep the largest of each 2×2.")
class SkipsPixels(_Plain):
    def smaller(self, x):
        return x[..., ::2, ::2]


@UNet.misconception("On the way up the map is interpolated between pixels. Here each pixel is repeated: mode nearest, "
                    "which is what `F.interpolate` does unless told otherwise.")
class UpsamplesBilinearly(_Plain):
    def larger(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear")


@UNet.misconception("The two maps are side by side in the other order: first what comes from below. Trained weights "
                    "know one order: what `down` gave goes first.")
class JoinsTheOtherWay(_Plain):
    def join(self, skip, x):
        return torch.cat([x, skip], 1)


@UNet.misconception("The bricks of `up` are kept from the top to the bottom. They stand in the order of their use: the "
                    "lowest, which is the widest, is `up[0]`.")
class KeepsUpFromTheTop(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.up = nn.ModuleList(reversed(self.up))

    def noise(self, x):
        up, self.up = self.up, nn.ModuleList(reversed(self.up))
        try:
            return super().noise(x)
        finally:
            self.up = up


@UNet.misconception("The maps of the way down never come back in. Without them only what fits through the bottom is "
                    "left: put `torch.cat([skip, x], 1)` before each brick of `up`.")
class ForgetsTheSkips(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.up = nn.ModuleList(_Brick(2 * width * 2 ** level, width * 2 ** level) for level in reversed(range(depth)))

    def join(self, skip, x):
        return x


@UNet.misconception("Some parts are given no gradient: what they gave was cut off from the graph on the way, by "
                    "`detach`, `data` or `no_grad`.", literal=True)
class CutsTheGraph(_Plain):
    def skip(self, x):
        return x.detach()

    def smaller(self, x):
        return F.max_pool2d(x.detach(), 2)


@UNet.misconception("What is brought across was cut off from the graph, by `detach` or `data`: the way down learns "
                    "from what comes through the bottom alone.", literal=True)
class CutsWhatIsBroughtAcross(_Plain):
    def skip(self, x):
        return x.detach()


@UNet.misconception("What is brought across was halved already: it is smaller than what comes from below, and the two "
                    "do not fit together. Remember each brick's result before it is halved.")
class RemembersTooLate(_Plain):
    def skip(self, x):
        return F.max_pool2d(x, 2)


@UNet.misconception("What was remembered first came back first: the largest map of the way down meets the smallest "
                    "from below. The last one remembered is needed first: `pop()`.")
class TakesTheFirstFirst(_Plain):
    def noise(self, x):
        skips = []
        for brick in self.down:
            x = brick(x)
            skips.append(x)
            x = self.smaller(x)
        x = self.bottom(x)
        for brick in self.up:
            x = brick(self.join(skips.pop(0), self.larger(x)))
        return self.out(x)


@UNet.misconception("All levels have the same width. Each halving doubles it: `width`, 2 · `width`, 4 · `width`, …")
class StaysNarrow(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.down = nn.ModuleList(_Brick(width if level else channels, width) for level in range(depth))
        self.bottom = _Brick(width, width)
        self.up = nn.ModuleList(_Brick(2 * width, width) for _ in range(depth))


@UNet.misconception("`depth` plays no part: the net halves twice, whatever was asked for. Make and use the bricks in "
                    "loops.")
class HalvesTwice(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, 2)


@UNet.misconception("The input itself was changed: `x -= …` writes into the caller's picture. Write `x - …`.")
class SubtractsInPlace(_Plain):
    def forward(self, x):
        x -= self.noise(x)
        return x


@UNet.misconception("`out` has no bias. The task asks for a 1×1 convolution with one: a small offset in the noise has "
                    "to be corrected somewhere.", literal=True)
class HasNoBiasAtTheEnd(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.out = nn.Conv2d(width, channels, 1, bias=False)


@UNet.misconception("`out` is a 3×3 convolution. It only mixes the channels of each pixel: 1×1.",
                    literal=True)
class LooksAroundAtTheEnd(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.out = nn.Conv2d(width, channels, 3, padding=1)


@UNet.misconception("The attribute `depth` is missing. Whoever pads a picture for this net must know how often it "
                    "halves.")
class TellsNoDepth(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        del self.depth


@UNet.alternative
class WithModulesForEverything(_Plain):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__(channels, width, depth)
        self.pool, self.repeat = nn.MaxPool2d(2), nn.Upsample(scale_factor=2)

    def smaller(self, x):
        return self.pool(x)

    def larger(self, x):
        return self.repeat(x)


@UNet.alternative
class Recursive(nn.Module):
    def __init__(self, channels=1, width=16, depth=2):
        super().__init__()
        self.depth = depth
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        wide = channels
        for level in range(depth):
            self.down.append(_Brick(wide, width << level))
            wide = width << level
            self.up.insert(0, _Brick(3 * wide, wide))
        self.bottom = _Brick(wide, 2 * wide)
        self.out = nn.Conv2d(width, channels, kernel_size=1)

    def forward(self, x):
        return x - self.out(self.level(x, 0))

    def level(self, x, number):
        if number == self.depth:
            return self.bottom(x)
        skip = self.down[number](x)
        below = self.level(skip.unflatten(-1, (-1, 2)).amax(-1).unflatten(-2, (-1, 2)).amax(-2), number + 1)
        below = below.repeat_interleave(2, -1).repeat_interleave(2, -2)
        return self.up[self.depth - 1 - number](torch.concat((skip, below), dim=1))


@UNet.alternative
class ByLevels(_Plain):
    def noise(self, x):
        maps = [x]
        for level in range(self.depth):
            maps.append(self.down[level](maps[-1] if level == 0 else F.max_pool2d(maps[-1], 2, 2)))
        x = self.bottom(F.max_pool2d(maps[-1], kernel_size=2))
        for number, skip in enumerate(reversed(maps[1:])):
            x = self.up[number](torch.cat((skip, F.interpolate(x, size=skip.shape[-2:], mode="nearest")), dim=1))
        return self.out(x)


UNet.equivalent(
    "for taken, given in zip([channels, *widths], widths[:-1], strict=False): -> "
    "for taken, given in zip([channels, *widths], widths[:-1]):",
    "`zip` stops at the shorter list unless it is told otherwise.")
