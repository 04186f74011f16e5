"""How `ResNet` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _asked, _BottleneckParts, _Parts, _stage, _Thin, _Thin2, _Thin4, _trained, by_a_loop, by_recursion


class _ResNet(nn.Module):
    strides = (1, 2, 2, 2)
    channels = (64, 128, 256, 512)

    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = 64
        for number, (channels, blocks, stride) in enumerate(zip(self.channels, layers, self.strides, strict=True), 1):
            setattr(self, f"layer{number}", _stage(block, width, channels, blocks, stride))
            width = channels * block.expansion
        self.fc = nn.Linear(width, num_classes)

    def stem(self, x):
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)

    def head(self, x):
        return self.fc(x.mean((2, 3)))

    def forward(self, x):
        return self.head(self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x))))))


def _stages(net):
    stages = {name: _asked(getattr(net, name, ())) for name in ("layer1", "layer2", "layer3", "layer4")}
    return {**stages, "parameters of the stages": any(name.count(".") > 1 for name, _ in net.named_parameters()),
            "different blocks": len({id(block) for name in stages for block in getattr(net, name, ())})}


@exercise(points=18, reference=_ResNet)
def ResNet(impl, draw):
    def filled(*arguments):
        return nets.unbiased(draw.fill_(impl(*arguments))).eval()

    yield aspect("ResNet-18", "The names and shapes of all parameters and buffers are those of torchvision's "
                 "resnet18, for the layers [2, 2, 2, 2].",
                 lambda: nets.shapes(nets.on_meta(impl, _Parts, [2, 2, 2, 2])))
    yield aspect("ResNet-50", "They are those of torchvision's resnet50 for a Bottleneck and the layers [3, 4, 6, 3].",
                 lambda: nets.shapes(nets.on_meta(impl, _BottleneckParts, [3, 4, 6, 3])))
    yield aspect("counts", "ResNet-18 has 11,689,512 parameters, ResNet-50 has 25,557,032.",
                 lambda: {"ResNet-18": nets.count(nets.on_meta(impl, _Parts, [2, 2, 2, 2])),
                          "ResNet-50": nets.count(nets.on_meta(impl, _BottleneckParts, [3, 4, 6, 3]))})
    yield aspect("stages", "`layers` says how many blocks each stage has; `layer1` keeps the size, the others halve "
                 "it in their first block.",
                 lambda: {"expansion 1": _stages(nets.on_meta(impl, _Thin, [1, 2, 3, 4])),
                          "expansion 4": _stages(nets.on_meta(impl, _Thin4, [2, 1, 1, 3]))})
    yield aspect("values", "The stem is a 7×7 convolution with stride 2 and padding 3, BatchNorm, ReLU, and a 3×3 max "
                 "pooling with stride 2 and padding 1.",
                 lambda: filled(_Thin, [1, 1, 1, 1], 7)(draw.normal(2, 3, 40, 52)), weight=2)
    yield aspect("head", "The head averages each channel over whatever picture is left, and one linear layer gives a "
                 "number a class.",
                 lambda: {f"pictures of {high}×{wide}": filled(_Thin2, [1, 1, 1, 1], 5)(draw.normal(2, 3, high, wide))
                          for high, wide in ((32, 32), (97, 61))})
    yield aspect("other pictures", "`num_classes` and `in_channels` are 1000 and 3 unless given.",
                 lambda: {"10 classes, 1 channel": filled(_Thin, [1, 1, 1, 1], 10, 1)(draw.normal(3, 1, 28, 36)),
                          "as given, one picture": filled(_Thin, [1, 1, 1, 1])(draw.normal(1, 3, 8, 8))})
    yield aspect("training", "In training mode `bn1` uses the batch and updates its running statistics, and a gradient "
                 "reaches every parameter.",
                 lambda: _trained_with_gradients(filled(_Thin, [1, 1, 1, 1], 4, 2), draw.normal(3, 2, 20, 22)))


def _trained_with_gradients(net, x):
    seen = _trained(net, x, "bn1")
    output = seen["output"]
    if isinstance(output, torch.Tensor) and output.requires_grad:
        output.square().sum().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    return {**seen, "without a gradient": ", ".join(without) or "none"}


@ResNet.misconception("`layer1` halves the picture, too. The stem has shrunk it to a quarter already: the first stage "
                      "has stride 1.")
class StridesTheFirstStage(_ResNet):
    strides = (2, 2, 2, 2)


@ResNet.misconception("No stage has a stride. `layer2`, `layer3` and `layer4` each halve the picture in their first "
                      "block.")
class StridesNoStage(_ResNet):
    strides = (1, 1, 1, 1)


@ResNet.misconception("The max pooling in the stem is missing. It has no parameters, so names and counts are right; "
                      "every stage works on four times as many pixels.")
class SkipsTheMaxPooling(_ResNet):
    def stem(self, x):
        return F.relu(self.bn1(self.conv1(x)))


@ResNet.misconception("The stem has no ReLU: BatchNorm, then ReLU, then pooling.")
class SkipsTheStemsRelu(_ResNet):
    def stem(self, x):
        return F.max_pool2d(self.bn1(self.conv1(x)), 3, 2, 1)


@ResNet.misconception("The stem's BatchNorm is not called. The order is convolution, BatchNorm, ReLU, pooling.")
class SkipsTheStemsNorm(_ResNet):
    def stem(self, x):
        return F.max_pool2d(F.relu(self.conv1(x)), 3, 2, 1)


@ResNet.misconception("The stem's convolution has a bias, which the BatchNorm behind it removes again. With it there "
                      "are 64 parameters too many.")
class HasABiasInTheStem(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3)


@ResNet.misconception("The stem's convolution is 3×3 with stride 1, as in the small ResNets for 32×32 pictures. This "
                      "one is made for photographs: 7×7 with stride 2.")
class HasASmallStem(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.conv1 = nn.Conv2d(in_channels, 64, 3, 1, 1, bias=False)


@ResNet.misconception("The stem's convolution has no padding. The pictures' edges are then hardly seen, and sizes come "
                      "out smaller: 7×7 with stride 2 takes a padding of 3.")
class DoesNotPadTheStem(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, bias=False)


@ResNet.misconception("The stem is cut off from the rest (`detach`, `no_grad`): its outputs are right, and it never "
                      "learns.")
class DetachesTheStem(_ResNet):
    def stem(self, x):
        return super().stem(x).detach()


@ResNet.misconception("The stages are registered twice, as `layer1` to `layer4` and once more in a container. Each of "
                      "their tensors then has two names in the state dict: keep the four attributes alone.")
class RegistersStagesTwice(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.layers = nn.Sequential(self.layer1, self.layer2, self.layer3, self.layer4)


@ResNet.misconception("The blocks were called with names for their first two numbers. Any block may be given, and its "
                      "parameters may have any names: pass them by position.")
class CallsBlocksByName(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.layer1 = nn.Sequential(block(in_channels=64, channels=64, stride=1))


@ResNet.misconception("The pooling in the stem has no padding. A 3×3 window with stride 2 then loses the picture's "
                      "last row and column; the padding is 1.")
class PoolsWithoutPadding(_ResNet):
    def stem(self, x):
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2)


@ResNet.misconception("The linear layer takes 512 numbers whatever the block. With Bottlenecks `layer4` gives 2048 "
                      "channels: 512 · `block.expansion`.")
class ForgetsTheExpansionInFc(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.fc = nn.Linear(512, num_classes)


@ResNet.misconception("Each stage was told to take in as many channels as the stage before is wide. With Bottlenecks "
                      "four times as many come out of it: mind `block.expansion` from stage to stage.")
class ForgetsTheExpansionBetweenStages(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        for number in (2, 3, 4):
            setattr(self, f"layer{number}",
                    _stage(block, 32 * 2 ** (number - 1), 64 * 2 ** (number - 1), layers[number - 1], 2))


@ResNet.misconception("The head takes each channel's maximum. It should average: the whole picture has a say, not one "
                      "pixel.")
class TakesTheMaximum(_ResNet):
    def head(self, x):
        return self.fc(x.amax((2, 3)))


@ResNet.misconception("The head ends in a softmax. Cross-entropy expects the raw numbers (logits) and does the "
                      "softmax itself; two in a row make learning slow.")
class EndsWithSoftmax(_ResNet):
    def head(self, x):
        return super().head(x).softmax(1)


@ResNet.misconception("The head pools with a fixed 7×7 window. That fits 224×224 pictures alone; average over all "
                      "that is left.")
class PoolsSevenBySeven(_ResNet):
    def head(self, x):
        return self.fc(F.avg_pool2d(x, 7).flatten(1))


@ResNet.misconception("`in_channels` is ignored: the first convolution always takes three.")
class TakesColoursAlone(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes)


@ResNet.misconception("`num_classes` is ignored: the linear layer always gives 1000.")
class GivesAThousandClasses(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, in_channels=in_channels)


@ResNet.misconception("The stages are in a Python list. A module sees only what is an attribute (or in an "
                      "`nn.ModuleList`): their parameters are missing from `parameters()` and from the state dict.")
class KeepsStagesInAList(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.stages = [self.layer1, self.layer2, self.layer3, self.layer4]
        del self.layer1, self.layer2, self.layer3, self.layer4

    def forward(self, x):
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x)


@ResNet.misconception("The stages have other names. Trained weights are stored under `layer1` to `layer4`, and by "
                      "these names they load.")
class NamesTheStagesByIndex(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.layers = nn.ModuleList([self.layer1, self.layer2, self.layer3, self.layer4])
        del self.layer1, self.layer2, self.layer3, self.layer4

    def forward(self, x):
        x = self.stem(x)
        for stage in self.layers:
            x = stage(x)
        return self.head(x)


@ResNet.misconception("All stages have 64 channels. Where the picture is halved, the channels double: 64, 128, 256, "
                      "512.")
class NeverWidens(_ResNet):
    channels = (64, 64, 64, 64)


@ResNet.misconception("`super().__init__()` is missing at the beginning of `__init__`: a module must be one before it "
                      "can hold layers.")
class BeginsWithoutSuper(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        for name, part in _ResNet(block, layers, num_classes, in_channels).named_children():
            setattr(self, name, part)


@ResNet.misconception("One picture alone loses its batch axis: `squeeze()` drops every axis of length 1. Drop the last "
                      "two, by number.")
class SqueezesTheBatchAway(_ResNet):
    def head(self, x):
        return self.fc(x.mean((2, 3), keepdim=True).squeeze())


@ResNet.misconception("The last pictures are flattened, not averaged: the linear layer gets a number for every pixel "
                      "and channel. It takes one number a channel.")
class FlattensEverything(_ResNet):
    def head(self, x):
        return self.fc(x.flatten(1))


@ResNet.misconception("The head ends in a log-softmax. Asked for are the raw numbers: cross-entropy takes the "
                      "logarithm of the softmax itself.")
class EndsWithLogSoftmax(_ResNet):
    def head(self, x):
        return super().head(x).log_softmax(1)


@ResNet.misconception("The pooling in the stem has a 2×2 window. Here it is 3×3 with stride 2 and padding 1, so that "
                      "windows overlap.")
class PoolsTwoByTwo(_ResNet):
    def stem(self, x):
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)


@ResNet.misconception("The stem averages where it should take the maximum: it ends in a 3×3 max pooling.")
class AveragesInTheStem(_ResNet):
    def stem(self, x):
        return F.avg_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)


@ResNet.misconception("The stem's convolution has a stride of 1. It halves the picture, and the pooling behind it "
                      "halves it again.")
class DoesNotStrideTheStem(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        self.conv1.stride = 1, 1


@ResNet.misconception("In the stem ReLU comes before BatchNorm. The order is convolution, BatchNorm, ReLU.")
class RectifiesTheStemFirst(_ResNet):
    def stem(self, x):
        return F.max_pool2d(self.bn1(F.relu(self.conv1(x))), 3, 2, 1)


@ResNet.misconception("All stages have as many blocks as the first. `layers` has a number for each of the four.")
class RepeatsTheFirstNumber(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, [layers[0]] * 4, num_classes, in_channels)


@ResNet.misconception("`layers` is not read: each stage has two blocks, as in ResNet-18. ResNet-50 has 3, 4, 6 and 3.")
class HasTwoBlocksEverywhere(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, [2, 2, 2, 2], num_classes, in_channels)


@ResNet.misconception("The pooling comes before `bn1`. The order in the stem is convolution, BatchNorm, ReLU, "
                      "pooling: the norm measures all of the map, not what was picked from it.")
class PoolsBeforeTheNorm(_ResNet):
    def stem(self, x):
        return F.relu(self.bn1(F.max_pool2d(self.conv1(x), 3, 2, 1)))


@ResNet.misconception("Every block of a stage has the stage's stride. The first block halves the picture; the others "
                      "keep it, with a stride of 1.")
class StridesEveryBlock(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        for stage, channels, blocks in zip((2, 3, 4), self.channels[1:], layers[1:], strict=True):
            inside = channels * block.expansion
            setattr(self, f"layer{stage}", nn.Sequential(
                *(block(inside if index else inside // 2, channels, 2) for index in range(blocks))))


@ResNet.misconception("Inside a stage the blocks after the first take in `channels`. The block before gives "
                      "`channels * block.expansion`, with Bottlenecks four times as many.")
class ForgetsTheExpansionInsideStages(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        for number, (channels, blocks) in enumerate(zip(self.channels, layers, strict=True), 1):
            first = block(channels // 2 * block.expansion if number > 1 else 64, channels, self.strides[number - 1])
            rest = (block(channels, channels, 1) for _ in range(blocks - 1))
            setattr(self, f"layer{number}", nn.Sequential(first, *rest))


@ResNet.misconception("Blocks of a stage are one and the same block, called again (`[block] * n`). It learns one set "
                      "of weights for all its places: make a new one for each.", literal=True)
class RepeatsABlock(_ResNet):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__(block, layers, num_classes, in_channels)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for index in range(2, len(stage)):
                stage[index] = stage[1]


@ResNet.misconception("The pooling in the stem has a stride of 3: `nn.MaxPool2d` strides by its window where it is "
                      "told nothing else. The stride is 2.")
class PoolsByThree(_ResNet):
    def stem(self, x):
        return F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, padding=1)


@ResNet.misconception("What the average leaves still has four axes, (N, channels, 1, 1), when the linear layer gets "
                      "it. That layer works on the last axis: flatten to (N, channels) first.")
class ForgetsToFlatten(_ResNet):
    def head(self, x):
        return self.fc(F.adaptive_avg_pool2d(x, 1))


@ResNet.alternative
class AsTorchvisionHasIt(nn.Module):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__()
        self.inplanes = 64
        self.conv1 = nn.Conv2d(in_channels, self.inplanes, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], 2)
        self.layer3 = self._make_layer(block, 256, layers[2], 2)
        self.layer4 = self._make_layer(block, 512, layers[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _make_layer(self, block, planes, blocks, stride=1):
        layers = [block(self.inplanes, planes, stride)]
        self.inplanes = planes * block.expansion
        layers += [block(self.inplanes, planes) for _ in range(1, blocks)]
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


@ResNet.alternative
class WithPoolingFirst(nn.Module):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__()
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        width, stages = 64, []
        for channels, blocks in zip((64, 128, 256, 512), layers, strict=True):
            stages.append(by_a_loop(block, width, channels, blocks, 1 if channels == 64 else 2))
            width = channels * block.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)

    def forward(self, x):
        x = F.max_pool2d(self.bn1(self.conv1(x)), 3, 2, 1).relu()  # a maximum and a ReLU may change places
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return F.linear(F.adaptive_avg_pool2d(x, 1)[:, :, 0, 0], self.fc.weight, self.fc.bias)


@ResNet.alternative
class AsASequential(nn.Sequential):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        super().__init__()
        self.add_module("conv1", nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False))
        self.add_module("bn1", nn.BatchNorm2d(64))
        self.add_module("relu", nn.ReLU())
        self.add_module("maxpool", nn.MaxPool2d(3, 2, 1))
        inputs = 64
        for index in range(4):
            stage = by_recursion(block, inputs, 64 << index, layers[index], min(2, index + 1))
            self.add_module(f"layer{index + 1}", stage)
            inputs = (64 << index) * block.expansion
        self.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
        self.add_module("flatten", nn.Flatten())
        self.add_module("fc", nn.Linear(inputs, num_classes))
