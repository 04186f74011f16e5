"""How `Bottleneck` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _beside_the_branch, _block, _conduct, _lively, _shortcut, _trained_block, by_a_module_list


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * channels)
        self.downsample = _shortcut(in_channels, 4 * channels, stride)

    def branch(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))

    def forward(self, x):
        return F.relu(self.branch(x) + self.downsample(x))


@exercise(points=12, reference=_Bottleneck)
def Bottleneck(impl, draw):
    def filled(*arguments):
        return _lively(draw.fill_(impl(*arguments)))

    yield aspect("names and shapes", "The parts are called `conv1`, `bn1`, `conv2`, `bn2`, `conv3`, `bn3` and "
                 "`downsample`; no convolution has a bias.",
                 lambda: {"expansion": impl.expansion, **nets.shapes(impl(5, 4, 2))})
    yield aspect("no needless parts", "Where `in_channels` is 4 · `channels` and the stride is 1, `downsample` has no "
                 "parameters.", lambda: {"parts beside the branch": _beside_the_branch(impl(16, 4)),
                                         "output": _block(filled(16, 4), draw.normal(2, 16, 4, 5))})
    yield aspect("identity shortcut", "The last ReLU comes after the sum; the third convolution has none of its own.",
                 lambda: nets.fitting(filled(16, 4, 1).eval(), 8 * draw.normal(2, 16, 5, 6)), weight=2)
    yield aspect("projection", "Everything else is projected to 4 · `channels`, also where `in_channels` equals "
                 "`channels`.",
                 lambda: {f"Bottleneck{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 5, 6))
                          for sizes in ((5, 4), (4, 4), (24, 4))})
    yield aspect("stride", "The 3×3 convolution carries the stride, and so does the shortcut.",
                 lambda: {f"Bottleneck{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 7, wide))
                          for sizes, wide in (((5, 4, 2), 8), ((16, 4, 2), 5), ((16, 4, 3), 9))})
    yield aspect("training", "In training mode each of its norms uses the batch and updates its own running "
                 "statistics.",
                 lambda: _trained_block(filled(5, 4, 2), draw.normal(3, 5, 6, 7), "bn1", "bn2", "bn3", "downsample.1"))
    yield aspect("conduct", "It leaves its input as it was, and gradients flow through branch and shortcut.",
                 lambda: {"identity": _conduct(filled(16, 4), draw.normal(2, 16, 5, 5)),
                          "projection": _conduct(filled(5, 4, 2), draw.normal(2, 5, 5, 5))})


@Bottleneck.misconception("The first 1×1 convolution carries the stride. It then skips three pixels of four before "
                          "anybody has looked at them. The 3×3 convolution sees all of them: it is the one to stride.")
class StridesTheFirst(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)


@Bottleneck.misconception("The last 1×1 convolution carries the stride. Three quarters of what the 3×3 convolution "
                          "computed is thrown away. Stride the 3×3 convolution.")
class StridesTheLast(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, stride, bias=False)


@Bottleneck.misconception("The block gives `channels` channels. The last convolution widens: 4 · `channels` come out.")
class DoesNotExpand(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv3 = nn.Conv2d(channels, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample = _shortcut(in_channels, channels, stride)


@Bottleneck.misconception("`channels` was taken for what comes out, and a quarter of it for the narrow middle. It is "
                          "the other way round: the middle has `channels`, four times as many come out.")
class TakesChannelsForTheOutput(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, max(1, channels // 4), stride)


@Bottleneck.misconception("The shortcut is projected everywhere. Where stride and channels stay the same, add the "
                          "input itself.")
class ProjectsEverywhere(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.downsample = nn.Sequential(nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False),
                                        nn.BatchNorm2d(4 * channels))


@Bottleneck.misconception("Whether to project was decided by comparing `in_channels` with `channels`. What comes out "
                          "has 4 · `channels`: compare with that.")
class ComparesWithTheMiddle(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        same = stride == 1 and in_channels == channels
        self.downsample = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False), nn.BatchNorm2d(4 * channels))


@Bottleneck.misconception("Where only the stride changes the shortcut is not projected. The input is then larger than "
                          "what it is added to.")
class ProjectsOnlyForChannels(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if in_channels == 4 * channels:
            self.downsample = nn.Identity()


@Bottleneck.misconception("The shortcut is never added: these are three convolutions in a row. Add it behind the "
                          "third BatchNorm.")
class IsPlain(_Bottleneck):
    def forward(self, x):
        return F.relu(self.branch(x))


@Bottleneck.misconception("There are two ReLUs at the end: the third BatchNorm has one of its own, before the sum. The "
                          "branch can then only add, never take away.")
class RectifiesTheThird(_Bottleneck):
    def forward(self, x):
        return F.relu(F.relu(self.branch(x)) + self.downsample(x))


@Bottleneck.misconception("The ReLU after the sum is missing: negative numbers leave the block.")
class EndsWithTheSum(_Bottleneck):
    def forward(self, x):
        return self.branch(x) + self.downsample(x)


@Bottleneck.misconception("There is no ReLU between the 3×3 and the last convolution. Without it the two are one "
                          "linear map.")
class RectifiesOnce(_Bottleneck):
    def branch(self, x):
        return self.bn3(self.conv3(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))))


@Bottleneck.misconception("The convolutions have biases, which the BatchNorm behind each removes again: `bias=False`.")
class HasThreeBiases(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1)


@Bottleneck.misconception("The 3×3 convolution has no padding: it eats the border, and the branch no longer fits the "
                          "shortcut.")
class HasNoPadding(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, bias=False)


@Bottleneck.misconception("`super().__init__()` comes too late or not at all. Call it first: it makes the place where "
                          "a module keeps its layers.")
class StartsWithoutSuper(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        for name, part in _Bottleneck(in_channels, channels, stride).named_children():
            setattr(self, name, part)


@Bottleneck.misconception("All three convolutions are 3×3. The point of a bottleneck is that only the narrow middle "
                          "one is: the 1×1 convolutions around it narrow and widen cheaply.")
class UsesLargeKernels(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 3, padding=1, bias=False)


@Bottleneck.misconception("The last ReLU stands before the sum. The branch can then only add, and nothing rectifies "
                          "what leaves the block: add first.")
class RectifiesTooEarly(_Bottleneck):
    def forward(self, x):
        return F.relu(self.branch(x)) + self.downsample(x)


@Bottleneck.misconception("There is no ReLU between the first 1×1 and the 3×3 convolution. With a norm alone between "
                          "them the two are one linear map.")
class SkipsTheFirstRelu(_Bottleneck):
    def branch(self, x):
        return self.bn3(self.conv3(F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))))


@Bottleneck.misconception("ReLU comes before BatchNorm in the branch. The order is convolution, BatchNorm, ReLU.")
class RectifiesBeforeTheNorms(_Bottleneck):
    def branch(self, x):
        out = self.bn1(F.relu(self.conv1(x)))
        return self.bn3(self.conv3(self.bn2(F.relu(self.conv2(out)))))


@Bottleneck.misconception("One BatchNorm serves the first two convolutions. They have as many channels, but not the "
                          "same means: each needs a norm of its own.")
class SharesANorm(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.bn2 = self.bn1


@Bottleneck.misconception("`bn3` is there but never called: the last convolution's output is added as it comes.")
class SkipsTheThirdNorm(_Bottleneck):
    def branch(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return self.conv3(F.relu(self.bn2(self.conv2(out))))


@Bottleneck.misconception("`bn1` is called behind the first two convolutions, and `bn2` never.")
class CallsBn1Twice(_Bottleneck):
    def branch(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return self.bn3(self.conv3(F.relu(self.bn1(self.conv2(out)))))


@Bottleneck.misconception("No convolution carries the stride: what comes out is as large as what went in.")
class StridesNowhere(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels)


@Bottleneck.misconception("Every convolution has a bias, the shortcut's, too. All of them stand before a BatchNorm, "
                          "which removes it.")
class HasFourBiases(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample[0] = nn.Conv2d(in_channels, 4 * channels, 1, stride)


@Bottleneck.misconception("The projection's convolution has a bias: `bias=False` goes there, too.")
class ProjectsWithABias(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample[0] = nn.Conv2d(in_channels, 4 * channels, 1, stride)


@Bottleneck.misconception("The projection is a convolution alone. Its BatchNorm, key 1, is missing.")
class ProjectsWithoutItsNorm(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample = self.downsample[:1]


@Bottleneck.misconception("The stride reaches one of the two ways alone: what they give differs in size, and cannot be "
                          "added. Have the 3×3 convolution and the shortcut's the stride, and is `downsample` "
                          "called?")
class LeavesTheShortcutLarge(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample[0] = nn.Conv2d(in_channels, 4 * channels, 1, bias=False)


@Bottleneck.misconception("Where the stride is 1 the shortcut is never projected. It must be wherever `in_channels` is "
                          "not 4 · `channels`.")
class ProjectsOnlyForTheStride(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride == 1:
            self.downsample = nn.Identity()


@Bottleneck.misconception("Where the channels fit, the shortcut is projected for a stride of 2 alone. A stride of 3 "
                          "makes the picture smaller, too.")
class ProjectsOnlyForTwo(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 2 and in_channels == 4 * channels:
            self.downsample = nn.Identity()


@Bottleneck.misconception("`in_channels` was compared with 4 · `channels` by `>=` or `<`. Where fewer come out, the "
                          "input does not fit the sum either: ask whether the two are the same.")
class ProjectsWhereTheyGrow(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride == 1 and in_channels >= 4 * channels:
            self.downsample = nn.Identity()


@Bottleneck.misconception("`expansion` is not 4. Whoever builds a stage reads there how many times `channels` come "
                          "out.", literal=True)
class SaysItDoesNotExpand(_Bottleneck):
    expansion = 1


@Bottleneck.misconception("`downsample` is a bare 1×1 convolution. It needs its BatchNorm, and the keys 0 and 1.")
class ProjectsBare(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample = nn.Conv2d(in_channels, 4 * channels, 1, stride, bias=False)


@Bottleneck.misconception("No gradient comes through the projection (`no_grad`, `detach`): it could never learn.")
class ProjectsUnseen(_Bottleneck):
    def forward(self, x):
        around = self.downsample(x)
        return F.relu(self.branch(x) + (around if around is x else around.detach()))


@Bottleneck.misconception("The input is written into in place, by `+=` or by an in-place ReLU. It belongs to whoever "
                          "gave it: make a new tensor.")
class WritesIntoTheInput(_Bottleneck):
    def forward(self, x):
        if not isinstance(self.downsample, nn.Identity):
            return super().forward(x)
        x += self.branch(x)
        return F.relu(x)


@Bottleneck.misconception("The shortcut was cut from the graph (`detach`, `no_grad`). Then the gradient goes through "
                          "the branch alone, and the way that keeps it alive in a deep net is closed.")
class CutsTheShortcut(_Bottleneck):
    def forward(self, x):
        return F.relu(self.branch(x) + self.downsample(x).detach())


@Bottleneck.misconception("The shortcut is projected to `channels`. It is added to what the branch gives, and that has "
                          "4 · `channels`.")
class ProjectsToTheMiddle(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        if stride != 1 or in_channels != 4 * channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(channels))


@Bottleneck.misconception("The shortcut starts from what the branch gives: `x` was written over on the way. Call the "
                          "branch's results by another name, and `downsample(x)` finds what came in.")
class WritesOverTheName(_Bottleneck):
    def forward(self, x):
        x = self.branch(x)
        return F.relu(x + self.downsample(x))


@Bottleneck.misconception("The branch has no ReLU at all. With nothing but norms between them its three convolutions "
                          "are one linear map: the first two norms have a ReLU behind them.")
class RectifiesNowhereInTheBranch(_Bottleneck):
    def branch(self, x):
        return self.bn3(self.conv3(self.bn2(self.conv2(self.bn1(self.conv1(x))))))


@Bottleneck.misconception("The 1×1 convolutions of the branch have a padding of 1, too. They look at one pixel, and "
                          "need none: with it the picture grows by a border at each. The 3×3 convolution alone is "
                          "padded.")
class PadsAllThree(_Bottleneck):
    def __init__(self, in_channels, channels, stride=1):
        super().__init__(in_channels, channels, stride)
        self.conv1 = nn.Conv2d(in_channels, channels, 1, padding=1, bias=False)
        self.conv3 = nn.Conv2d(channels, 4 * channels, 1, padding=1, bias=False)


@Bottleneck.misconception("What the projection gives passes a ReLU before the sum. What is negative there must "
                          "reach the sum: the one ReLU comes after it.")
class RectifiesTheProjection(_Bottleneck):
    def forward(self, x):
        around = self.downsample(x)
        return F.relu(self.branch(x) + (around if around is x else F.relu(around)))


@Bottleneck.alternative
class WithoutDownsample(nn.Module):
    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        width = channels * self.expansion
        self.conv1, self.bn1 = nn.Conv2d(in_channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        if stride != 1 or in_channels != width:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        else:
            self.downsample = None

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


@Bottleneck.alternative
class InALoop(nn.Module):
    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.downsample = by_a_module_list(in_channels, 4 * channels, stride)
        plan = [(in_channels, channels, 1, 1), (channels, channels, 3, stride), (channels, 4 * channels, 1, 1)]
        for number, (inputs, outputs, size, step) in enumerate(plan, 1):
            setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, size, step, size // 2, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))

    def forward(self, x):
        out = x
        for number in (1, 2, 3):
            out = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(out))
            out = out + self.downsample(x) if number == 3 else out
            out = out.clamp(min=0)
        return out


@Bottleneck.alternative
class ByMatrixProducts(_Bottleneck):
    def forward(self, x):
        out = torch.einsum("nchw,oc->nohw", x, self.conv1.weight[:, :, 0, 0])
        out = torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(out)))))
        out = self.bn3(torch.einsum("nchw,oc->nohw", out, self.conv3.weight.flatten(1)))
        return torch.relu(torch.add(out, self.downsample(x)))
