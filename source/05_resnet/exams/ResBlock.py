"""How `ResBlock` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _beside_the_branch, _block, _conduct, _lively, _shortcut, _trained_block, by_an_empty_sequential


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def branch(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))

    def forward(self, x):
        return F.relu(self.branch(x) + self.downsample(x))


@exercise(points=14, reference=_BasicBlock)
def ResBlock(impl, draw):
    def filled(*arguments):
        return _lively(draw.fill_(impl(*arguments)))

    yield aspect("names and shapes", "The parts are called `conv1`, `bn1`, `conv2`, `bn2` and `downsample`; no "
                 "convolution has a bias.", lambda: {"expansion": impl.expansion, **nets.shapes(impl(4, 6, 2))})
    yield aspect("no needless parts", "Where nothing changes, `downsample` has no parameters: the input itself is "
                 "added.", lambda: {"parts beside the branch": _beside_the_branch(impl(5, 5)),
                                     "output": _block(filled(5, 5), draw.normal(2, 5, 4, 6))})
    yield aspect("identity shortcut", "The block returns ReLU(branch + shortcut): the last ReLU comes after the sum.",
                 lambda: nets.fitting(filled(4, 4, 1).eval(), 8 * draw.normal(2, 4, 5, 6)), weight=2)
    yield aspect("projection", "Where the channels change, the shortcut is a 1×1 convolution and a BatchNorm.",
                 lambda: {f"ResBlock{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 5, 6))
                          for sizes in ((4, 6), (7, 4))})
    yield aspect("stride", "The first convolution carries the stride, and so does the shortcut.",
                 lambda: {f"ResBlock{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 7, wide))
                          for sizes, wide in (((4, 6, 2), 8), ((4, 4, 2), 5), ((4, 4, 3), 9))})
    yield aspect("training", "In training mode each BatchNorm uses the batch and updates its own running statistics.",
                 lambda: _trained_block(filled(4, 6, 2), draw.normal(3, 4, 6, 7), "bn1", "bn2", "downsample.1"))
    yield aspect("conduct", "The block leaves its input as it was, and gradients flow through both ways.",
                 lambda: {"identity": _conduct(filled(4, 4), draw.normal(2, 4, 5, 5)),
                          "projection": _conduct(filled(4, 6, 2), draw.normal(2, 4, 5, 5))})


@ResBlock.misconception("`super().__init__()` is not called before the first layer is assigned. It makes the "
                        "dictionaries in which a module keeps its layers; until then there is nowhere to put one.")
class ForgetsSuper(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        for name, part in _BasicBlock(in_channels, out_channels, stride).named_children():
            setattr(self, name, part)


@ResBlock.misconception("The block takes no stride, as in the notes. Without one no block can make the picture "
                        "smaller; add a third parameter `stride=1`.")
class TakesNoStride(_BasicBlock):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)

    __init__.__qualname__ = "ResBlock.__init__"  # the reader's error names the reader's class


@ResBlock.misconception("The shortcut is never added: this is a plain block of two convolutions. The input must come "
                        "back in just before the last ReLU.")
class AddsNoShortcut(_BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(x))


@ResBlock.misconception("The last ReLU stands before the sum. The branch can then only add, never take away, and the "
                        "numbers grow from block to block. Add first, then ReLU.")
class RectifiesBeforeTheSum(_BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(x)) + self.downsample(x)


@ResBlock.misconception("The ReLU after the sum is left out, as in the notes. Negative numbers leave the block, and "
                        "the last convolution meets the next block's first one with no ReLU between them.")
class LeavesTheLastReluOut(_BasicBlock):
    def forward(self, x):
        return self.branch(x) + self.downsample(x)


@ResBlock.misconception("There is no ReLU between the two convolutions. Two linear maps in a row are one linear map: "
                        "the second convolution adds next to nothing.")
class LeavesTheFirstReluOut(_BasicBlock):
    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(self.conv1(x))))


@ResBlock.misconception("The shortcut is a projection even where stride and channels stay the same. There the input "
                        "itself is added: it costs nothing, and the gradient passes untouched.")
class ProjectsAlways(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                        nn.BatchNorm2d(out_channels))


@ResBlock.misconception("The 3×3 convolutions have biases. The BatchNorm behind each removes them again: `bias=False`.")
class HasBiases(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)


@ResBlock.misconception("The convolution in `downsample` has a bias. The BatchNorm behind it removes it again: "
                        "`bias=False`.")
class HasABiasInTheProjection(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample[0] = nn.Conv2d(in_channels, out_channels, 1, stride)


@ResBlock.misconception("The second convolution carries the stride. Shapes and counts come out right, values do not, "
                        "and the first convolution works on four times as many pixels as it must.")
class StridesTheSecondConvolution(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False)


@ResBlock.misconception("Both convolutions carry the stride. The branch shrinks twice, the shortcut once, and the two "
                        "cannot be added.")
class StridesBothConvolutions(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False)


@ResBlock.misconception("Where only the stride changes the shortcut is not projected, as in the notes. The input is "
                        "then larger than what it is added to.")
class ProjectsForChannelsAlone(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if in_channels == out_channels:
            self.downsample = nn.Identity()


@ResBlock.misconception("The sum is taken before the second BatchNorm. That norm then rescales the shortcut along "
                        "with the branch, and no clean path is left. Names and counts are right, values are not.")
class AddsBeforeTheNorm(_BasicBlock):
    def forward(self, x):
        out = self.conv2(F.relu(self.bn1(self.conv1(x))))
        return F.relu(self.bn2(out + self.downsample(x)))


@ResBlock.misconception("The layers that fit the shortcut are there under another name. Call them `downsample`: by "
                        "that name the weights of a trained ResNet are stored.")
class CallsItExtra(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.extra = self.downsample
        del self.downsample

    def forward(self, x):
        return F.relu(self.branch(x) + self.extra(x))


@ResBlock.misconception("The input is written into in place, as `x += out` does, or an in-place ReLU on `x`. Whoever "
                        "gave you `x` finds other numbers in it, and autograd objects. Make a new tensor.")
class AddsIntoTheInput(_BasicBlock):
    def forward(self, x):
        if isinstance(self.downsample, nn.Identity):
            x += self.branch(x)
            return F.relu(x)
        return super().forward(x)


@ResBlock.misconception("The projection has no BatchNorm. The branch's output is normalised, so what is added to it "
                        "should be, too.")
class ProjectsWithoutNorm(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@ResBlock.misconception("One BatchNorm serves both convolutions. Each needs its own: their outputs have different "
                        "means, and one set of running statistics cannot describe both.")
class SharesTheNorm(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.bn2 = self.bn1


@ResBlock.misconception("The input is rectified before the branch, too. The block before has done that already; here "
                        "the branch starts with its convolution.")
class RectifiesTheInput(_BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(F.relu(x)) + self.downsample(x))


@ResBlock.misconception("Every convolution has a bias, the shortcut's, too. The BatchNorm behind each removes it "
                        "again, and trained weights have none: `bias=False`.")
class HasBiasesEverywhere(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1)
        if stride != 1 or in_channels != out_channels:
            self.downsample[0] = nn.Conv2d(in_channels, out_channels, 1, stride)


@ResBlock.misconception("There are two ReLUs at the end, one before the sum and one after it. The first must go: "
                        "behind it the branch can only add, never take away.")
class RectifiesTheBranchToo(_BasicBlock):
    def forward(self, x):
        return F.relu(F.relu(self.branch(x)) + self.downsample(x))


@ResBlock.misconception("The projection in `downsample` ends in a ReLU. What is negative must reach the sum; the one "
                        "ReLU comes after it.")
class EndsTheProjectionWithRelu(_BasicBlock):
    def forward(self, x):
        around = self.downsample(x)
        return F.relu(self.branch(x) + (around if around is x else F.relu(around)))


@ResBlock.misconception("The shortcut passes through a ReLU of its own before the sum. It carries the input as it is: "
                        "what is negative there must reach the sum.")
class RectifiesTheShortcut(_BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(x) + F.relu(self.downsample(x)))


@ResBlock.misconception("ReLU comes before BatchNorm in the branch. The order is convolution, norm, ReLU: the norm "
                        "centres, and the ReLU then cuts at its zero.")
class NormalisesBehindTheRelu(_BasicBlock):
    def branch(self, x):
        return self.bn2(self.conv2(self.bn1(F.relu(self.conv1(x)))))


@ResBlock.misconception("`bn2` is there but never called: the second convolution's output is added as it comes.")
class SkipsTheSecondNorm(_BasicBlock):
    def branch(self, x):
        return self.conv2(F.relu(self.bn1(self.conv1(x))))


@ResBlock.misconception("`bn1` is called behind both convolutions, and `bn2` never. Each convolution has a norm of its "
                        "own.")
class CallsTheFirstNormTwice(_BasicBlock):
    def branch(self, x):
        return self.bn1(self.conv2(F.relu(self.bn1(self.conv1(x)))))


@ResBlock.misconception("The stride reaches one of the two ways alone: what they give differs in size, and cannot be "
                        "added. Have `conv1` and the shortcut's convolution the stride, and is `downsample` called?")
class ForgetsTheShortcutsStride(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample[0] = nn.Conv2d(in_channels, out_channels, 1, bias=False)


@ResBlock.misconception("`stride` is taken but reaches no convolution: what comes out is as large as what went in.")
class IgnoresTheStride(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels)


@ResBlock.misconception("Where only the channels change the shortcut is not projected. The input then has too many or "
                        "too few of them for the sum.")
class ProjectsForTheStrideAlone(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride == 1:
            self.downsample = nn.Identity()


@ResBlock.misconception("With equal channels the shortcut is projected for a stride of 2 alone. Any stride but 1 makes "
                        "the picture smaller.")
class ProjectsForAStrideOfTwo(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 2 and in_channels == out_channels:
            self.downsample = nn.Identity()


@ResBlock.misconception("Channels were compared with `>=` or `<`. Where fewer come out than go in, the input does not "
                        "fit the sum either: ask whether the two are the same.")
class ProjectsWhereChannelsGrow(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride == 1 and in_channels >= out_channels:
            self.downsample = nn.Identity()


@ResBlock.misconception("`downsample` is a bare 1×1 convolution. What is added to the branch's normalised output "
                        "should be normalised, too: an `nn.Sequential` of the convolution and a BatchNorm, keys 0 and "
                        "1.")
class ProjectsWithABareConvolution(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


@ResBlock.misconception("No gradient comes through the projection (`no_grad`, `detach`). What the block gives is "
                        "right, but `downsample` could never learn.")
class ProjectsWithoutGradients(_BasicBlock):
    def forward(self, x):
        around = self.downsample(x)
        return F.relu(self.branch(x) + (around if around is x else around.detach()))


@ResBlock.misconception("The shortcut was cut from the graph (`detach`, `no_grad`). Then the gradient goes through the "
                        "branch alone, and the way that keeps it alive in a deep net is closed.")
class DetachesTheShortcut(_BasicBlock):
    def forward(self, x):
        return F.relu(self.branch(x) + self.downsample(x).detach())


@ResBlock.misconception("No gradient flows, in evaluation mode at least (`no_grad`). The mode is the norms' matter: "
                        "gradients are needed in both, to learn and to ask what a trained net looks at.")
class EvaluatesWithoutGradients(_BasicBlock):
    def forward(self, x):
        with torch.set_grad_enabled(self.training):
            return super().forward(x)


@ResBlock.misconception("The branch is never added: only the shortcut comes out. ReLU(branch + shortcut).")
class AddsNoBranch(_BasicBlock):
    def forward(self, x):
        return F.relu(self.downsample(x))


@ResBlock.misconception("The mean of branch and shortcut is taken in place of their sum. Halving what passes in every "
                        "block leaves a millionth after twenty.")
class TakesTheMean(_BasicBlock):
    def forward(self, x):
        return F.relu((self.branch(x) + self.downsample(x)) / 2)


@ResBlock.misconception("The border is filled with reflected or repeated pixels. Padding 1 without a word means zeros, "
                        "as in the nets whose weights are to load here.")
class ReflectsTheBorder(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1.padding_mode = self.conv2.padding_mode = "reflect"
        self.conv1._reversed_padding_repeated_twice = self.conv2._reversed_padding_repeated_twice = [1, 1, 1, 1]


@ResBlock.misconception("The first convolution has no padding: its map is two pixels smaller each way, and the branch "
                        "no longer fits the shortcut.")
class EatsTheBorderFirst(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, bias=False)


@ResBlock.misconception("The second convolution has no padding: its map is two pixels smaller each way, and the branch "
                        "no longer fits the shortcut.")
class EatsTheBorderSecond(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, bias=False)


@ResBlock.misconception("The second convolution is 5×5, and without padding. Both are 3×3 with padding 1.")
class LooksFurtherTheSecondTime(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 5, bias=False)


@ResBlock.misconception("The 3×3 convolutions have no padding: each eats a border of one pixel, and the branch no "
                        "longer fits the shortcut.")
class EatsTheBorder(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, bias=False)


@ResBlock.misconception("No gradient comes back through the branch (`no_grad`, `detach`). What the block gives is "
                        "right, but what stands before it learns through the shortcut alone.")
class CutsTheBranch(_BasicBlock):
    def branch(self, x):
        return super().branch(x.detach())


@ResBlock.misconception("What is added is no longer the input: `x` was written over by the first convolution's "
                        "result, and the shortcut goes around one layer instead of two.")
class GoesAroundOneLayer(_BasicBlock):
    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + self.downsample(x))


@ResBlock.misconception("The shortcut starts from the first convolution's result (`x` was written over) and "
                        "`downsample` is not called: what came in takes no part in the sum.")
class AddsTheMiddle(_BasicBlock):
    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + x)


@ResBlock.misconception("The convolution in `downsample` is 3×3. A shortcut looks at one pixel at a time: it changes "
                        "the number of channels, not what is in the picture.")
class ProjectsWithThreeByThree(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample[0] = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


@ResBlock.misconception("The convolution in `downsample` has a padding of 1, as the 3×3 ones have. A 1×1 convolution "
                        "needs none: with it the picture grows by a border, and the shortcut no longer fits the "
                        "branch.")
class PadsTheProjection(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        if stride != 1 or in_channels != out_channels:
            self.downsample[0] = nn.Conv2d(in_channels, out_channels, 1, stride, 1, bias=False)


@ResBlock.misconception("The second convolution is given `x`, and what the first one made is dropped. It works on the "
                        "first one's result: `self.conv2(out)`.")
class DropsTheFirstResult(_BasicBlock):
    def branch(self, x):
        return self.bn2(self.conv2(x))


@ResBlock.misconception("The second convolution takes `in_channels`. It works on what the first one gives, and that "
                        "has `out_channels`.")
class TakesTheInputsChannelsTwice(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)


@ResBlock.misconception("Both norms stand behind a ReLU, the second convolution has one of its own, too. The order is "
                        "convolution, norm, ReLU; after `bn2` comes the sum, and the last ReLU after that.")
class NormalisesBehindBothRelus(_BasicBlock):
    def branch(self, x):
        return self.bn2(F.relu(self.conv2(self.bn1(F.relu(self.conv1(x))))))


@ResBlock.misconception("`nn.ReLU(out)` makes a layer, and rectifies nothing: `out` is taken for its setting "
                        "`inplace`. Write `F.relu(out)`, or `nn.ReLU()(out)`.")
class MakesALayerOfTheRelu(_BasicBlock):
    def branch(self, x):
        return self.bn2(self.conv2(nn.ReLU(self.bn1(self.conv1(x)))))


@ResBlock.alternative
class WithNothingAsShortcut(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(out_channels))
        self.relu = nn.ReLU(inplace=True)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding="same", bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


@ResBlock.alternative
class ByFunctions(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        nn.Module.__init__(self)
        self.stride = stride
        for name, inputs in (("conv1", in_channels), ("conv2", out_channels)):
            setattr(self, name, nn.Conv2d(inputs, out_channels, 3, bias=False))
        for name in ("bn1", "bn2"):
            setattr(self, name, nn.BatchNorm2d(out_channels))
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        out = F.conv2d(x, self.conv1.weight, stride=self.stride, padding=1)
        out = self.bn1(out).clamp_min(0)
        out = self.bn2(F.conv2d(out, self.conv2.weight, padding=1))
        return torch.maximum(self.downsample(x) + out, torch.zeros(()).to(out))


@ResBlock.alternative
class FromAList(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.downsample = by_an_empty_sequential(in_channels, out_channels, stride)
        self.conv1, self.conv2 = (nn.Conv2d(inputs, out_channels, 3, step, 1, bias=False)
                                  for inputs, step in ((in_channels, stride), (out_channels, 1)))
        self.bn1, self.bn2 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)

    def forward(self, x):
        branch = nn.Sequential(self.conv1, self.bn1, nn.ReLU(), self.conv2, self.bn2)
        return torch.relu(branch(x).add(self.downsample(x)))
