"""How `EfficientNetLite0` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import STAGES, _lively, _same


class _Thin(nn.Module):
    """The exam's own block: cheap, and it remembers what it was asked for."""

    def __init__(self, taken, given, size, step, factor):  # names that no reader guesses: they are given by position
        super().__init__()
        self.asked = f"{taken} → {given}, kernel {size}, stride {step}, expansion {factor}"
        self.taken, self.step = taken, step
        self.weight = nn.Parameter(torch.ones(given, 1, 1))

    def forward(self, x):
        if x.shape[1] != self.taken:
            raise ValueError(f"a block for {self.taken} channels was given {x.shape[1]}")
        return x[:, torch.arange(len(self.weight)) % self.taken, ::self.step, ::self.step] * (self.weight + 1)


class _Parts(nn.Module):
    """As many parameters as an MBConv has."""

    def __init__(self, taken, given, size, step, factor):
        super().__init__()
        wide = taken * factor
        count = wide * (size**2 + given + 2) + 2 * given + (wide * (taken + 2) if factor > 1 else 0)
        self.numbers = nn.Parameter(torch.empty(count))


class _Lite(nn.Module):
    stages_of = STAGES
    eps = 1e-3

    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(32, eps=self.eps)
        self.stages = nn.ModuleList()
        width = 32
        for blocks, kernel_size, stride, expansion, channels in self.stages_of:
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(block(width, channels, kernel_size, self.step(stride, index), expansion))
                width = channels
            self.stages.append(stage)
        self.head = nn.Conv2d(320, 1280, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(1280, eps=self.eps)
        self.classifier = nn.Linear(1280, num_classes)

    def step(self, stride, index):
        return 1 if index else stride

    def bend(self, x):
        return F.relu6(x)

    def begin(self, x):
        return self.bend(self.stem_norm(self.stem(_same(x, 3, 2))))

    def body(self, x):
        for stage in self.stages:
            x = stage(x)
        return x

    def pool(self, x):
        return x.mean((2, 3))

    def end(self, x):
        return self.pool(self.bend(self.head_norm(self.head(x))))

    def forward(self, x):
        return self.classifier(self.end(self.body(self.begin(x))))


def _asked(net):
    """What each stage's blocks were asked for."""
    stages = getattr(net, "stages", ())
    return {f"stage {number}": [getattr(block, "asked", "no block") for block in stage]
            for number, stage in enumerate(stages)}


def _narrow(net):
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_var /= 1000
    return net


def _trained(net, x):
    out = nets.fitting(net.train(), x)
    if isinstance(out, torch.Tensor) and out.requires_grad:
        out.square().sum().backward()
    without = [name for name, one in net.named_parameters() if one.grad is None]
    return {"output": out, "stem_norm.running_mean": net.stem_norm.running_mean,
            "head_norm's mean of running means": net.head_norm.running_mean.mean(),
            "without a gradient": ", ".join(without) or "none"}


@exercise(points=15, reference=_Lite)
def EfficientNetLite0(impl, draw):
    def given(classes, **pictures):
        net = _lively(draw.fill_(impl(classes, _Thin))).eval()
        return {name.replace("_", " "): nets.fitting(net, 3 * draw.normal(count, 3, high, wide))
                for name, (count, high, wide) in pictures.items()}

    yield aspect("names and shapes", "The parts are called `stem`, `stem_norm`, `stages`, `head`, `head_norm` and "
                 "`classifier`; block j of stage i is `stages.i.j`; no convolution has a bias.",
                 lambda: nets.shapes(nets.on_meta(impl, 6, _Thin)))
    yield aspect("count", "With your `MBConv`, or any right one, it has 4,652,008 parameters, and 3,383,818 for ten "
                 "classes.", lambda: {"as it is": nets.count(nets.on_meta(lambda: impl(block=_Parts))),
                                      "ten classes": nets.count(nets.on_meta(impl, 10, _Parts))})
    yield aspect("stages", "The seven stages are those of the table: the first block of each takes the stride and the "
                 "change of channels.", lambda: _asked(nets.on_meta(impl, 2, _Thin)), weight=2)
    yield aspect("values", "The stem is a 3×3 convolution to 32 channels with stride 2, padded as by `pad_same`, a "
                 "norm and a ReLU6.", lambda: given(4, even=(2, 32, 48), odd=(2, 33, 31)), weight=2)
    yield aspect("head", "The head is a 1×1 convolution to 1280 channels, a norm, a ReLU6, the mean over whatever "
                 "pixels are left, and one linear layer.",
                 lambda: given(5, one_picture=(1, 32, 32), several_pixels=(2, 96, 64)))
    yield aspect("eps", "The norms of stem and head have an eps of 10⁻³, too.",
                 lambda: _narrow(draw.fill_(impl(4, _Thin))).eval()(draw.normal(2, 3, 32, 32)))
    yield aspect("training", "In training mode the norms use the batch, and a gradient reaches every parameter.",
                 lambda: _trained(_lively(draw.fill_(impl(3, _Thin))), 20 * draw.normal(3, 3, 64, 64)))


@EfficientNetLite0.misconception("The stem is padded by 1 on both sides. On an even size its windows then begin one "
                                 "pixel too early: pad as `pad_same` does, 0 before and 1 after.")
class PadsTheStemAlike(_Lite):
    def begin(self, x):
        return self.bend(self.stem_norm(self.stem(F.pad(x, [1] * 4))))


@EfficientNetLite0.misconception("Every block of a stage takes the stride, and the picture is gone before the end. "
                                 "Only the first one does.")
class StridesEveryBlock(_Lite):
    def step(self, stride, index):
        return stride


@EfficientNetLite0.misconception("No stage has a stride. Four of the seven halve the picture, in their first block.")
class StridesNothing(_Lite):
    def step(self, stride, index):
        return 1


@EfficientNetLite0.misconception("The head has no ReLU6 before the mean. Positive and negative answers then cancel: "
                                 "convolution, norm, ReLU6, mean.")
class ForgetsTheHeadsBend(_Lite):
    def end(self, x):
        return self.pool(self.head_norm(self.head(x)))


@EfficientNetLite0.misconception("The stem has no ReLU6: convolution, norm, ReLU6.")
class ForgetsTheStemsBend(_Lite):
    def begin(self, x):
        return self.stem_norm(self.stem(_same(x, 3, 2)))


@EfficientNetLite0.misconception("The bend is a ReLU in stem and head. It is ReLU6, which also cuts at 6.")
class BendsByRelu(_Lite):
    def bend(self, x):
        return F.relu(x)


@EfficientNetLite0.misconception("The head takes each channel's maximum. It averages over the pixels that are left.")
class TakesTheMaximum(_Lite):
    def pool(self, x):
        return x.amax((2, 3))


@EfficientNetLite0.misconception("The net ends in a softmax. Asked for are the raw numbers, one a class; `top_k` and "
                                 "cross-entropy take the softmax themselves.")
class EndsWithSoftmax(_Lite):
    def forward(self, x):
        return super().forward(x).softmax(1)


@EfficientNetLite0.misconception("The norms of stem and head have PyTorch's eps of 10⁻⁵. They have 10⁻³, as the "
                                 "blocks' norms do.")
class KeepsPytorchsEps(_Lite):
    eps = 1e-5


@EfficientNetLite0.misconception("The stem's norm has another eps, PyTorch's 10⁻⁵. It has 10⁻³, as the head's has.")
class KeepsTheStemsEps(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        self.stem_norm = nn.BatchNorm2d(32)


@EfficientNetLite0.misconception("The head's norm has another eps, PyTorch's 10⁻⁵. It has 10⁻³, as the stem's has.")
class KeepsTheHeadsEps(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        self.head_norm = nn.BatchNorm2d(1280)


@EfficientNetLite0.misconception("The bend is a SiLU (Swish) in stem and head, as in EfficientNet-B0. The Lite nets "
                                 "have ReLU6 in its place.")
class BendsBySilu(_Lite):
    def bend(self, x):
        return F.silu(x)


@EfficientNetLite0.misconception("The stem's bend is a ReLU. It is ReLU6, as the head's is.")
class BendsTheStemByRelu(_Lite):
    def begin(self, x):
        return F.relu(self.stem_norm(self.stem(_same(x, 3, 2))))


@EfficientNetLite0.misconception("The head's bend is a ReLU. It is ReLU6, as the stem's is.")
class BendsTheHeadByRelu(_Lite):
    def end(self, x):
        return self.pool(F.relu(self.head_norm(self.head(x))))


@EfficientNetLite0.misconception("The head adds up its pixels. It averages over them, so that a larger picture gives "
                                 "no larger numbers.")
class AddsUpThePixels(_Lite):
    def pool(self, x):
        return x.sum((2, 3))


@EfficientNetLite0.misconception("The head takes the mean before the ReLU6, and not behind it. What is negative at one "
                                 "pixel then cancels what is positive at another.")
class AveragesBeforeTheBend(_Lite):
    def end(self, x):
        return self.bend(self.pool(self.head_norm(self.head(x))))


@EfficientNetLite0.misconception("The stem is not padded at all. Pad as `pad_same` does: an odd size needs a frame on "
                                 "both sides.")
class PadsNoStem(_Lite):
    def begin(self, x):
        return self.bend(self.stem_norm(self.stem(x)))


@EfficientNetLite0.misconception("The last block of a stage takes the stride. It is the first one, together with the "
                                 "change of channels.")
class StridesTheLastBlock(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        width = 32
        for number, (blocks, kernel_size, stride, expansion, channels) in enumerate(STAGES):
            self.stages[number] = nn.Sequential(*(
                block(channels if index else width, channels, kernel_size, stride if index == blocks - 1 else 1,
                      expansion) for index in range(blocks)))
            width = channels


@EfficientNetLite0.misconception("Stride and expansion are exchanged where the block is made: it takes in_channels, "
                                 "out_channels, kernel_size, stride, expansion.")
class ExchangesStrideAndExpansion(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        width = 32
        for number, (blocks, kernel_size, stride, expansion, channels) in enumerate(STAGES):
            self.stages[number] = nn.Sequential(*(
                block(channels if index else width, channels, kernel_size, expansion, 1 if index else stride)
                for index in range(blocks)))
            width = channels


@EfficientNetLite0.misconception("The first stage expands sixfold, as the others do. Its one block has an expansion of "
                                 "1.")
class ExpandsTheFirstStage(_Lite):
    stages_of = tuple((blocks, size, stride, 6, channels) for blocks, size, stride, _, channels in STAGES)


@EfficientNetLite0.misconception("All blocks have a 3×3 kernel. Three of the stages look at 5×5.")
class LooksAtThreeEverywhere(_Lite):
    stages_of = tuple((blocks, 3, stride, expansion, channels) for blocks, _, stride, expansion, channels in STAGES)


@EfficientNetLite0.misconception("From the second on all blocks of a stage are one and the same module, with one set "
                                 "of weights. Make a new one for each place.")
class RepeatsABlock(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        width = 32
        for number, (blocks, kernel_size, stride, expansion, channels) in enumerate(STAGES):
            again = [block(channels, channels, kernel_size, 1, expansion)] * (blocks - 1) if blocks > 1 else []
            self.stages[number] = nn.Sequential(block(width, channels, kernel_size, stride, expansion), *again)
            width = channels


@EfficientNetLite0.misconception("`num_classes` is ignored: the classifier always gives 1000 numbers.")
class GivesAThousand(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(1000, block)


@EfficientNetLite0.misconception("The stages are in a Python list. A module does not look into one: their parameters "
                                 "are missing from `parameters()`, and nothing of them is loaded or trained.")
class KeepsStagesInAList(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        stages = list(self.stages)
        del self.stages
        self.stages = stages


@EfficientNetLite0.misconception("All blocks are in one row, `stages.0` to `stages.15`. Each stage is an "
                                 "`nn.Sequential` of its own: block j of stage i is `stages.i.j`.")
class PutsBlocksInARow(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        self.stages = nn.Sequential(*(one for stage in self.stages for one in stage))


@EfficientNetLite0.misconception("Every block of a stage was told to take in what the stage takes in. From the second "
                                 "one on it is the stage's own number of channels.")
class KeepsTheWidth(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        width = 32
        for number, (blocks, kernel_size, stride, expansion, channels) in enumerate(STAGES):
            self.stages[number] = nn.Sequential(*(
                block(width, channels, kernel_size, 1 if index else stride, expansion) for index in range(blocks)))
            width = channels


@EfficientNetLite0.misconception("The convolutions of stem and head have biases. The norm behind each removes them "
                                 "again, and the trained weights have none.")
class HasBiases(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        self.stem = nn.Conv2d(3, 32, 3, 2)
        self.head = nn.Conv2d(320, 1280, 1)


@EfficientNetLite0.misconception("`block` is not used: the net is made of `MBConv` whatever was given.")
class IgnoresTheBlock(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, _Parts)


@EfficientNetLite0.misconception("One picture alone loses its batch axis: `squeeze()` drops every axis of length 1. "
                                 "Take the mean over the last two, by number.")
class SqueezesTheBatch(_Lite):
    def pool(self, x):
        return x.mean((2, 3), keepdim=True).squeeze()


@EfficientNetLite0.alternative
class AllInSequentials(nn.Module):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__()
        self.classifier = nn.Linear(1280, num_classes)
        self.head_norm, self.head = nn.BatchNorm2d(1280, 1e-3), nn.Conv2d(320, 1280, (1, 1), bias=False)
        self.stem_norm, self.stem = nn.BatchNorm2d(32, 1e-3), nn.Conv2d(3, 32, (3, 3), (2, 2), bias=False)
        stages, before = [], 32
        for blocks, size, stride, expansion, channels in STAGES:
            stages.append(nn.Sequential(block(before, channels, size, stride, expansion), *(
                block(channels, channels, size, 1, expansion) for _ in range(1, blocks))))
            before = channels
        self.stages = nn.Sequential(*stages)

    def forward(self, x):
        x = self.stages(self.stem_norm(self.stem(_same(x, 3, 2))).clamp(0, 6))
        x = F.adaptive_avg_pool2d(self.head_norm(self.head(x)).clamp(0, 6), 1).flatten(1)
        return self.classifier(x)


@EfficientNetLite0.alternative
class ByColumns(nn.Module):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(32, eps=1e-3)
        channels = [32, 16, 24, 40, 80, 112, 192, 320]
        repeats, kernels, strides = [1, 2, 2, 3, 3, 4, 1], [3, 3, 5, 3, 5, 5, 3], [1, 2, 2, 2, 1, 2, 1]
        self.stages = nn.Sequential()
        for index in range(7):
            stage = nn.Sequential()
            for number in range(repeats[index]):
                first = number == 0
                stage.add_module(str(number), block(channels[index if first else index + 1], channels[index + 1],
                                                    kernels[index], strides[index] if first else 1, 6 if index else 1))
            self.stages.add_module(str(index), stage)
        self.head = nn.Conv2d(channels[-1], 1280, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(1280, eps=1e-3)
        self.classifier = nn.Linear(1280, num_classes)
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x):
        x = self.relu(self.stem_norm(self.stem(_same(x, 3, 2))))
        x = self.relu(self.head_norm(self.head(self.stages(x))))
        return F.linear(x.flatten(2).mean(-1), self.classifier.weight, self.classifier.bias)


@EfficientNetLite0.alternative
class ByAGenerator(_Lite):
    def __init__(self, num_classes=1000, block=_Thin):
        super().__init__(num_classes, block)
        widths = [16, *(channels for *_, channels in STAGES)]
        self.stages = nn.ModuleList(nn.Sequential(*self.made(block, widths[number] if number else 32, *one))
                                    for number, one in enumerate(STAGES))

    @staticmethod
    def made(block, width, blocks, kernel_size, stride, expansion, channels):
        for _ in range(blocks):
            yield block(width, channels, kernel_size, stride, expansion)
            width, stride = channels, 1
