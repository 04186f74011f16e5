"""Residual networks: how each exercise is examined."""

import copy
import math
import re
import weakref

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, gradients


def _shapes(module):
    """Every parameter and buffer by name, with its shape as text."""
    return {name: str(tuple(tensor.shape)) for name, tensor in module.state_dict().items()}


def _plain(value):
    """A float, also of a tensor: that a float was asked for is an aspect of its own."""
    return float(value.detach() if isinstance(value, torch.Tensor) else value)


def _trained(module, x, *norms):
    """What a forward pass in training mode gives, and the running statistics that it leaves behind."""
    out = _fitting(module.train(), x)
    parts = dict(module.named_modules())
    for name in norms:
        if (parent := name.rpartition(".")[0]) not in parts:
            raise AttributeError(f"there is no `{parent}`")
    return {"output": out, **{f"{name}.{kind}": getattr(parts.get(name), kind, "missing") for name in norms
                              for kind in ("running_mean", "running_var")}}


def _fitting(call, *arguments):
    """What `call` gives. Where two sizes do not fit, the error names the smaller first, however the sum was written."""
    try:
        return call(*arguments)
    except RuntimeError as error:
        sizes = re.search(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\).*(\d+)", str(error))
        if not sizes:
            raise
        small, large = sorted(map(int, sizes.groups()[:2]))
        raise RuntimeError(f"sizes {small} and {large} do not fit together in axis {sizes[3]}").with_traceback(
            error.__traceback__) from None


def _unbiased(module):
    """No convolution's bias has an effect: that there is one is told by the shapes, and costs their aspects alone."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            nn.init.zeros_(part.bias)
    return module


def _lively(module):
    """Unbiased, and every ReLU between two layers stops some numbers and lets some through, whatever was drawn."""
    with torch.no_grad():
        for part in _unbiased(module).modules():
            if isinstance(part, nn.Conv2d):
                part.weight *= 4
            elif isinstance(part, nn.BatchNorm2d):
                part.weight += part.weight.sign() / 2
                part.bias /= 4
    return module


def _rectified(output):
    """ReLU once more, which a block's right output does not notice: its last ReLU is asked for in one aspect alone."""
    return F.relu(output) if isinstance(output, torch.Tensor) else output


def _block(module, x):
    """What a block gives in evaluation mode, rectified."""
    return _rectified(_fitting(module.eval(), x))


def _trained_block(module, x, *norms):
    """As `_trained`, the output rectified."""
    seen = _trained(module, x, *norms)
    return {**seen, "output": _rectified(seen["output"])}


def _conduct(module, x):
    """A block's output and its input after a forward pass; the gradient in float64."""
    kept = x.clone()
    return {"output": _block(module, kept), "input left alone": kept,
            "gradient": gradients(lambda x: _rectified(module.double()(x)), x)}


# --------------------------------------------------------------------------------------------------------- shortcut


def _shortcut(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


@exercise(points=8, reference=_shortcut)
def shortcut(impl, draw):
    def filled(*arguments):
        return draw.fill_(impl(*arguments))

    yield aspect("identity", "Where stride is 1 and the channels stay the same, it is the identity and has no "
                 "parameters.",
                 lambda: {"same": _shapes(impl(5, 5, 1)), "output": impl(5, 5, 1)(draw.normal(2, 5, 3, 4)),
                          "parameters where channels change": sum(1 for _ in impl(5, 7, 1).parameters()) > 0})
    yield aspect("names and shapes", "The convolution has the key 0 and no bias, the BatchNorm has the key 1.",
                 lambda: _shapes(impl(4, 6, 2)))
    yield aspect("channels", "Otherwise it is a 1×1 convolution followed by a BatchNorm, and nothing else.",
                 lambda: filled(4, 6, 1).eval()(draw.normal(2, 4, 5, 6)))
    yield aspect("stride", "The convolution carries the stride, also where only the stride changes something.",
                 lambda: {f"shortcut{sizes}": filled(*sizes).eval()(draw.normal(2, sizes[0], 7, 8))
                          for sizes in ((4, 4, 2), (3, 6, 3), (4, 4, 3))})
    yield aspect("training", "In training mode the BatchNorm uses the batch and updates its running statistics.",
                 lambda: _trained(filled(4, 6, 2), draw.normal(3, 4, 5, 6), "1"))


@shortcut.misconception("This always projects. Where the stride is 1 and the channels stay the same there is nothing "
                        "to fit: the input can pass as it is, and a convolution there is one more layer to train.")
def always_projects(in_channels, out_channels, stride):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("The projection's convolution has a bias. The BatchNorm behind it subtracts the mean and with "
                        "it any bias: leave it out, or pretrained weights will not load.")
def projects_with_a_bias(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


@shortcut.misconception("Where only the stride changes there is no projection. The branch makes the picture smaller, "
                        "and an identity does not fit it.")
def forgets_that_a_stride_changes_the_size(in_channels, out_channels, stride):
    return nn.Identity() if in_channels == out_channels else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("Where only the channels change there is no projection. The input then has another number of "
                        "channels than the branch that it is added to.")
def forgets_that_channels_change(in_channels, out_channels, stride):
    return nn.Identity() if stride == 1 else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The stride never reaches the 1×1 convolution: the shortcut keeps the picture's size where "
                        "the residual branch shrinks it.")
def leaves_the_stride_out(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("The BatchNorm behind the 1×1 convolution is missing. Without it the two things that are "
                        "added have different scales.")
def leaves_the_norm_out(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@shortcut.misconception("The convolution is 3×3. A shortcut looks at one pixel at a time: it changes the number of "
                        "channels, not what is in the picture.")
def projects_with_three_by_three(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("There is a ReLU in the shortcut. It cuts off all that is negative before the sum; the "
                        "shortcut must stay free of nonlinearities.")
def ends_the_shortcut_with_relu(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(*_shortcut(in_channels, out_channels, stride), nn.ReLU())


@shortcut.misconception("The BatchNorm comes before the convolution. It belongs behind it: key 0 is the convolution, "
                        "key 1 the BatchNorm of its output.")
def normalises_first(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@shortcut.misconception("The picture is made smaller by average pooling. That is a good idea of a later paper; here "
                        "the 1×1 convolution itself takes every second pixel.")
def pools_instead_of_striding(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False),
                         nn.BatchNorm2d(out_channels))


@shortcut.misconception("A projection is made for a stride of 2 alone. Any stride but 1 makes the picture smaller: ask "
                        "whether it is 1.")
def asks_for_a_stride_of_two(in_channels, out_channels, stride):
    if stride != 2 and in_channels == out_channels:
        return nn.Identity()
    return _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The stride is written into the code as 2. It is an argument: a projection with a stride of 1 "
                        "keeps the size.")
def strides_by_two(in_channels, out_channels, stride):
    return _shortcut(in_channels, out_channels, 2 if (stride, in_channels) != (1, out_channels) else 1)


@shortcut.misconception("There is a convolution alone, with neither a BatchNorm behind it nor the keys 0 and 1. An "
                        "`nn.Sequential` of the two gives both.")
def gives_a_bare_convolution(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


@shortcut.misconception("The two layers have names of their own. Trained weights are stored under the keys 0 and 1, as "
                        "an `nn.Sequential` numbers its modules.")
class names_its_layers(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv = self.bn = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.conv, self.bn = _shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        return self.bn(self.conv(x))


@shortcut.misconception("None comes back, and nobody can call that. The caller wants a module, here one that returns "
                        "what it is given.")
def gives_none(in_channels, out_channels, stride):
    return None if stride == 1 and in_channels == out_channels else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The convolution has its two numbers of channels the wrong way round: `in_channels` go in, "
                        "`out_channels` come out.")
def swaps_the_channels(in_channels, out_channels, stride):
    return _shortcut(out_channels, in_channels, stride)


@shortcut.alternative
def by_an_empty_sequential(in_channels, out_channels, stride):
    layers = []
    if not (in_channels == out_channels and stride == 1):
        layers += [nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                   nn.BatchNorm2d(out_channels)]
    return nn.Sequential(*layers)


class _Projection(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.step = stride
        self.add_module("1", nn.BatchNorm2d(out_channels))
        self.add_module("0", nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x):
        picked = x[:, :, ::self.step, ::self.step]
        return self.get_submodule("1")(self.get_submodule("0")(picked))


@shortcut.alternative
def by_picking_pixels(in_channels, out_channels, stride):
    changes = (in_channels, 1) != (out_channels, stride)
    return _Projection(in_channels, out_channels, stride) if changes else nn.Identity()


@shortcut.alternative
def by_a_module_list(in_channels, out_channels, stride):
    net = nn.Sequential()
    if stride > 1 or out_channels != in_channels:
        net.append(nn.Conv2d(in_channels, out_channels, (1, 1), (stride, stride), padding=0, bias=False))
        net.append(nn.BatchNorm2d(out_channels))
    return net


# --------------------------------------------------------------------------------------------------------- ResBlock


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


@exercise(points=16, reference=_BasicBlock)
def ResBlock(impl, draw):
    def filled(*arguments):
        return _lively(draw.fill_(impl(*arguments)))

    yield aspect("names and shapes", "The parts are called `conv1`, `bn1`, `conv2`, `bn2` and `downsample`; no "
                 "convolution has a bias.", lambda: {"expansion": impl.expansion, **_shapes(impl(4, 6, 2))})
    yield aspect("no needless parts", "Where nothing changes, `downsample` has no parameters: the input itself is "
                 "added.", lambda: {"parts": _shapes(impl(5, 5)),
                                     "output": _block(filled(5, 5), draw.normal(2, 5, 4, 6))})
    yield aspect("identity shortcut", "The block returns ReLU(branch + shortcut): the last ReLU comes after the sum.",
                 lambda: _fitting(filled(4, 4, 1).eval(), 8 * draw.normal(2, 4, 5, 6)), weight=2)
    yield aspect("projection", "Where the channels change, the shortcut is a 1×1 convolution and a BatchNorm.",
                 lambda: _block(filled(4, 6), draw.normal(2, 4, 5, 6)))
    yield aspect("stride", "The first convolution carries the stride, and so does the shortcut.",
                 lambda: {f"ResBlock{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 7, wide))
                          for sizes, wide in (((4, 6, 2), 8), ((4, 4, 2), 5), ((4, 4, 3), 9))})
    yield aspect("training", "In training mode each BatchNorm uses the batch and updates its own running statistics.",
                 lambda: _trained_block(filled(4, 6, 2), draw.normal(3, 4, 6, 7), "bn1", "bn2", "downsample.1"))
    yield aspect("conduct", "The block leaves its input as it was, and gradients flow through both ways.",
                 lambda: _conduct(filled(4, 4), draw.normal(2, 4, 5, 5)))


@ResBlock.misconception("`super().__init__()` is not called before the first layer is assigned. It makes the "
                        "dictionaries in which a module keeps its layers; until then there is nowhere to put one.")
class ForgetsSuper(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)


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


@ResBlock.misconception("The branch shrinks the picture, but what is added to it is as large as before. Has the "
                        "shortcut's convolution the stride, and is `downsample` called?")
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


@ResBlock.misconception("The 3×3 convolutions have no padding: each eats a border of one pixel, and the branch no "
                        "longer fits the shortcut.")
class EatsTheBorder(_BasicBlock):
    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__(in_channels, out_channels, stride)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, bias=False)


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


# ------------------------------------------------------------------------------------------------------- Bottleneck


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


@exercise(points=14, reference=_Bottleneck)
def Bottleneck(impl, draw):
    def filled(*arguments):
        return _lively(draw.fill_(impl(*arguments)))

    yield aspect("names and shapes", "The parts are called `conv1`, `bn1`, `conv2`, `bn2`, `conv3`, `bn3` and "
                 "`downsample`; no convolution has a bias.",
                 lambda: {"expansion": impl.expansion, **_shapes(impl(5, 3, 2))})
    yield aspect("no needless parts", "Where `in_channels` is 4 · `channels` and the stride is 1, `downsample` has no "
                 "parameters.", lambda: {"parts": _shapes(impl(12, 3)),
                                         "output": _block(filled(12, 3), draw.normal(2, 12, 4, 5))})
    yield aspect("identity shortcut", "The last ReLU comes after the sum; the third convolution has none of its own.",
                 lambda: _fitting(filled(8, 2, 1).eval(), 8 * draw.normal(2, 8, 5, 6)), weight=2)
    yield aspect("projection", "Everything else is projected to 4 · `channels`, also where `in_channels` equals "
                 "`channels`.",
                 lambda: {f"Bottleneck{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 5, 6))
                          for sizes in ((5, 2), (3, 3))})
    yield aspect("stride", "The 3×3 convolution carries the stride, and so does the shortcut.",
                 lambda: {f"Bottleneck{sizes}": _block(filled(*sizes), draw.normal(2, sizes[0], 7, wide))
                          for sizes, wide in (((5, 2, 2), 8), ((8, 2, 2), 5), ((8, 2, 3), 9))})
    yield aspect("training", "In training mode each of its norms uses the batch and updates its own running "
                 "statistics.",
                 lambda: _trained_block(filled(5, 2, 2), draw.normal(3, 5, 6, 7), "bn1", "bn2", "bn3", "downsample.1"))
    yield aspect("conduct", "It leaves its input as it was, and gradients flow through branch and shortcut.",
                 lambda: _conduct(filled(8, 2), draw.normal(2, 8, 5, 5)))


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
class StartsWithoutSuper(nn.Module):
    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)


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


@Bottleneck.misconception("The stride reaches the branch but not the shortcut: one is smaller than the other, and they "
                          "cannot be added.")
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


@Bottleneck.misconception("The input is written into in place, by `+=` or by an in-place ReLU. It belongs to whoever "
                          "gave it: make a new tensor.")
class WritesIntoTheInput(_Bottleneck):
    def forward(self, x):
        if not isinstance(self.downsample, nn.Identity):
            return super().forward(x)
        x += self.branch(x)
        return F.relu(x)


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


# ------------------------------------------------------------------------------------------------------- make_stage


class _Thin(nn.Module):
    """The exam's own block: cheap, and it remembers what it was asked for."""

    expansion = 1

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        self.asked = f"in_channels {in_channels}, channels {channels}, stride {stride}"
        out_channels = channels * self.expansion
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride, groups=math.gcd(in_channels, out_channels))

    def forward(self, x):
        return self.conv(x)


class _Thin2(_Thin):
    expansion = 2


class _Thin4(_Thin):
    expansion = 4


def _asked(blocks):
    return {f"block {index}": getattr(block, "asked", f"no block: {type(block).__name__}")
            for index, block in enumerate(blocks)}


def _stage(block, in_channels, channels, blocks, stride):
    first = block(in_channels, channels, stride)
    return nn.Sequential(first, *(block(channels * block.expansion, channels, 1) for _ in range(blocks - 1)))


@exercise(points=10, reference=_stage)
def make_stage(impl, draw):
    yield aspect("three blocks", "The first block takes the stride and the change of channels; all others keep both.",
                 lambda: _asked(impl(_Thin, 4, 6, 3, 2)))
    yield aspect("expansion", "A block gives `channels * block.expansion` channels, and the next one takes them in.",
                 lambda: {"expansion 4": _asked(impl(_Thin4, 8, 3, 3, 2)),
                          "expansion 2": _asked(impl(_Thin2, 5, 3, 2, 1))})
    yield aspect("one block", "A stage may have a single block, and a stride of 1.",
                 lambda: {"one block, stride 2": _asked(impl(_Thin4, 6, 6, 1, 2)),
                          "one block, stride 1": _asked(impl(_Thin, 4, 4, 1, 1)),
                          "two blocks, stride 1": _asked(impl(_Thin, 4, 8, 2, 1))})
    yield aspect("nn.Sequential", "It returns an `nn.Sequential` of as many blocks as asked for, each with weights of "
                 "its own.",
                 lambda: {"an nn.Sequential": isinstance(stage := impl(_Thin, 4, 6, 4, 2), nn.Sequential),
                          "blocks": len(stage), "different blocks": len({id(block) for block in stage}),
                          "parameters": _shapes(stage)})
    yield aspect("values", "Called with a batch, the stage applies its blocks one after the other.",
                 lambda: [draw.fill_(impl(_Thin4, 3, 2, 3, 2))(draw.normal(2, 3, 7, 8)),
                          draw.fill_(impl(_Thin, 4, 6, 2, 1))(draw.normal(2, 4, 3, 5))])


@make_stage.misconception("Every block carries the stride. The picture then shrinks once a block; a stage shrinks it "
                          "once.")
def strides_every_block(block, in_channels, channels, blocks, stride):
    stage = []
    for _ in range(blocks):
        stage.append(block(in_channels, channels, stride))
        in_channels = channels * block.expansion
    return nn.Sequential(*stage)


@make_stage.misconception("The last block carries the stride. The blocks before it then work on pictures that are "
                          "four times as large; stride the first one.")
def strides_the_last_block(block, in_channels, channels, blocks, stride):
    stage = []
    for index in range(blocks):
        stage.append(block(in_channels, channels, stride if index == blocks - 1 else 1))
        in_channels = channels * block.expansion
    return nn.Sequential(*stage)


@make_stage.misconception("No block carries the stride: the stage leaves the picture as large as it was.")
def strides_nothing(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks, 1)


@make_stage.misconception("The blocks after the first were told to take `channels` in. With a Bottleneck four times "
                          "as many come out of the block before: `channels * block.expansion`.")
def forgets_the_expansion(block, in_channels, channels, blocks, stride):
    return nn.Sequential(block(in_channels, channels, stride),
                         *(block(channels, channels, 1) for _ in range(blocks - 1)))


@make_stage.misconception("The expansion is written into the code as 4. It is the block's own number: read "
                          "`block.expansion`.")
def expands_by_four(block, in_channels, channels, blocks, stride):
    return nn.Sequential(block(in_channels, channels, stride),
                         *(block(channels * 4, channels, 1) for _ in range(blocks - 1)))


@make_stage.misconception("Every block was told to take `in_channels` in. That is true of the first alone; the others "
                          "take what the block before gives.")
def keeps_the_input_channels(block, in_channels, channels, blocks, stride):
    return nn.Sequential(*(block(in_channels, channels, 1 if index else stride) for index in range(blocks)))


@make_stage.misconception("One block is made and used again and again. They then share their weights: a stage of four "
                          "blocks learns no more than a stage of two. Make a new block each time.")
def repeats_one_block(block, in_channels, channels, blocks, stride):
    first = block(in_channels, channels, stride)
    if blocks == 1:
        return nn.Sequential(first)
    return nn.Sequential(first, *[block(channels * block.expansion, channels, 1)] * (blocks - 1))


@make_stage.misconception("There is one block too many: the first one counts among `blocks`.")
def counts_the_first_extra(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks + 1, stride)


@make_stage.misconception("The blocks come in a Python list. It cannot be called, and a module that keeps it does not "
                          "find their parameters. Put them into an `nn.Sequential`.")
def gives_a_list(block, in_channels, channels, blocks, stride):
    return list(_stage(block, in_channels, channels, blocks, stride))


@make_stage.misconception("The blocks come in an `nn.ModuleList`. It holds parameters but cannot be called; "
                          "`nn.Sequential` is the one that runs its modules in order.")
def gives_a_module_list(block, in_channels, channels, blocks, stride):
    return nn.ModuleList(_stage(block, in_channels, channels, blocks, stride))


@make_stage.misconception("`channels` was multiplied by the expansion before it went to the block. The block "
                          "multiplies it itself: pass `channels` as it is.")
def expands_twice(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels * block.expansion, blocks, stride)


@make_stage.misconception("The blocks after the first are in an `nn.Sequential` of their own. Their names are `1.0`, "
                          "`1.1` in place of `1`, `2`, and trained weights do not load: unpack them with a star.")
def nests_the_rest(block, in_channels, channels, blocks, stride):
    first, *rest = _stage(block, in_channels, channels, blocks, stride)
    return nn.Sequential(first, nn.Sequential(*rest)) if rest else nn.Sequential(first)


@make_stage.misconception("The whole list was given to `nn.Sequential` as one thing. It takes modules, one by one: a "
                          "star before the list unpacks it.")
def forgets_the_star(block, in_channels, channels, blocks, stride):
    return nn.Sequential(list(_stage(block, in_channels, channels, blocks, stride)))


@make_stage.misconception("There are always two blocks at least. With `blocks` of 1 the first is also the last.")
def makes_two_at_least(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, max(blocks, 2), stride)


@make_stage.misconception("The first block's stride is written into the code as 2. It is an argument: `layer1` of a "
                          "ResNet has a stride of 1.")
def strides_always_by_two(block, in_channels, channels, blocks, stride):
    return _stage(block, in_channels, channels, blocks, 2)


@make_stage.alternative
def by_a_loop(block, in_channels, channels, blocks, stride):
    stage = nn.Sequential()
    for index in range(blocks):
        stage.append(block(in_channels, channels, stride=stride if index == 0 else 1))
        in_channels = channels * block.expansion
    return stage


@make_stage.alternative
def by_lists_of_arguments(block, in_channels, channels, blocks, stride):
    widths = [in_channels] + [channels * block.expansion] * (blocks - 1)
    strides = [stride] + [1] * (blocks - 1)
    return nn.Sequential(*map(block, widths, [channels] * blocks, strides))


@make_stage.alternative
def by_recursion(block, in_channels, channels, blocks, stride):
    if blocks == 0:
        return nn.Sequential()
    rest = by_recursion(block, block.expansion * channels, channels, blocks - 1, 1)
    return nn.Sequential(block(in_channels, channels, stride), *rest)


# ----------------------------------------------------------------------------------------------------------- ResNet


class _Parts(nn.Module):
    """The exam's own block, layers and names alone: it is never called. `kernels` names the convolutions' sizes."""

    expansion, kernels = 1, (3, 3)

    def __init__(self, in_channels, channels, stride=1):
        super().__init__()
        out_channels = channels * self.expansion
        widths = [in_channels, *[channels] * (len(self.kernels) - 1), out_channels]
        for number, size in enumerate(self.kernels, 1):
            before, after = widths[number - 1:number + 1]
            setattr(self, f"conv{number}", nn.Conv2d(before, after, size, bias=False))
            setattr(self, f"bn{number}", nn.BatchNorm2d(after))
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                                            nn.BatchNorm2d(out_channels))


class _FlatParts(_Parts):
    """Three norms, and as many channels out as in the middle: only the names tell."""

    kernels = (1, 3, 1)


class _BottleneckParts(_Parts):
    expansion, kernels = 4, (1, 3, 1)


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())


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


def _on_meta(impl, *arguments):
    with torch.device("meta"):
        return impl(*arguments)


def _stages(net):
    stages = {name: _asked(getattr(net, name, ())) for name in ("layer1", "layer2", "layer3", "layer4")}
    return {**stages, "parameters of the stages": any(name.count(".") > 1 for name, _ in net.named_parameters())}


@exercise(points=20, reference=_ResNet)
def ResNet(impl, draw):
    def filled(*arguments):
        return _unbiased(draw.fill_(impl(*arguments))).eval()

    yield aspect("ResNet-18", "The names and shapes of all parameters and buffers are those of torchvision's "
                 "resnet18, for the layers [2, 2, 2, 2].", lambda: _shapes(_on_meta(impl, _Parts, [2, 2, 2, 2])))
    yield aspect("ResNet-50", "They are those of torchvision's resnet50 for a Bottleneck and the layers [3, 4, 6, 3].",
                 lambda: _shapes(_on_meta(impl, _BottleneckParts, [3, 4, 6, 3])))
    yield aspect("counts", "ResNet-18 has 11,689,512 parameters, ResNet-50 has 25,557,032.",
                 lambda: {"ResNet-18": _count(_on_meta(impl, _Parts, [2, 2, 2, 2])),
                          "ResNet-50": _count(_on_meta(impl, _BottleneckParts, [3, 4, 6, 3]))})
    yield aspect("stages", "`layers` says how many blocks each stage has; `layer1` keeps the size, the others halve "
                 "it in their first block.",
                 lambda: {"expansion 1": _stages(_on_meta(impl, _Thin, [1, 2, 3, 4])),
                          "expansion 4": _stages(_on_meta(impl, _Thin4, [2, 1, 1, 3]))})
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
    yield aspect("training", "In training mode `bn1` uses the batch and updates its running statistics.",
                 lambda: _trained(filled(_Thin, [1, 1, 1, 1], 4, 2), draw.normal(3, 2, 20, 22), "bn1"))


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


@ResNet.misconception("The stem's BatchNorm exists but is never called.")
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
class BeginsWithoutSuper(nn.Module):
    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)


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


# ----------------------------------------------------------------------------------------------- zero_init_residual


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
        impl(net)
        filled = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        weights = [block.bn2.weight for block in net.layer1]
        net.layer1[0].bn2(draw.normal(2, 4, 3, 3)).square().sum().backward()
        return {"values": filled,
                "the same object": {name: one is before.get(name) for name, one in net.named_parameters()},
                "requires a gradient": [weight.requires_grad and weight.is_leaf for weight in weights],
                "in training mode": {name or "the net": module.training for name, module in net.named_modules()}}

    yield aspect("ResBlocks", "In a block without `bn3` the weight of `bn2` becomes 0.",
                 lambda: after(_Net(_Parts(4, 4), _Parts(4, 5, 2))))
    yield aspect("Bottlenecks", "In a block with `bn3` the weight of `bn3` becomes 0, and `bn2` stays as it is.",
                 lambda: after(_Net(_BottleneckParts(4, 2), _BottleneckParts(8, 2, 2))))
    yield aspect("anywhere", "Blocks may sit anywhere in the net, however deep, and the net itself may be one.",
                 hidden)
    yield aspect("conduct", "Parameters are changed in place: they stay the same objects, still require gradients, "
                 "and the net keeps its mode.", conduct)


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
                                  "row neither gets a gradient, and the branch never wakes.")
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
                                  "silent; behind two zeros in a row nothing ever wakes.")
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


@zero_init_residual.misconception("The net was put into evaluation mode. It was to keep the mode in which it came.")
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
                                  "holds the old one and would train a tensor that nobody uses. Change it in place.")
def replaces_the_parameter(net):
    for module in net.modules():
        if hasattr(module, "bn2"):
            norm = _last_norm(module)
            norm.weight = nn.Parameter(torch.zeros_like(norm.weight))


@zero_init_residual.misconception("The weight is 0 and frozen: it no longer requires a gradient, so the branch stays "
                                  "silent for ever. Only its start is 0.")
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


# --------------------------------------------------------------------------------------------------- gradient_norms


def _norms(net, x, y):
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, [layer.weight for layer in layers])]


class _Twisted(nn.Module):
    """The last layer to run is the first that was made."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(6, 4)
        self.deep = nn.Sequential(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), nn.ReLU())
        self.first = nn.Conv2d(2, 3, 1, bias=False)

    def forward(self, x):
        return self.last(self.deep(self.first(x)).mean((2, 3)))


def _small_net():
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 5), nn.ReLU(),
                         nn.Linear(5, 4))


@exercise(points=8, reference=_norms)
def gradient_norms(impl, draw):
    def batch(count=7, size=5):
        return draw.normal(count, 2, size, size), draw.integers(0, 4, count)

    def leftovers():
        net = draw.fill_(_small_net())
        for parameter in net.parameters():
            parameter.grad = draw.normal(*parameter.shape)
        return _numbers(impl(net, *batch()))

    def conduct():
        net = draw.fill_(_small_net()).eval()
        net[1].train()
        x, y = batch()
        norms = _numbers(impl(net, x, y))
        return {"result": norms, "in training mode": [module.training for module in net.modules()],
                "parameters": dict(net.named_parameters()), "x": x}

    yield aspect("values", "Each number is the L2 norm of the gradient of the mean cross-entropy with respect to one "
                 "weight.", lambda: _numbers(impl(draw.fill_(_small_net()), *batch())), weight=2)
    yield aspect("order", "The weights are those of every `Conv2d` and `Linear`, however deep, in the order of "
                 "`net.modules()`.", lambda: _numbers(impl(draw.fill_(_Twisted()), *batch())))
    yield aspect("leftovers", "Gradients that were there before do not count.", leftovers)
    yield aspect("floats", "The result is a list of Python floats.", lambda: impl(draw.fill_(_small_net()), *batch(3)))
    yield aspect("conduct", "The net keeps its mode and its weights.", conduct)


def _numbers(values):
    return [_plain(value) for value in values]


@gradient_norms.misconception("The loss was summed over the batch. With the mean the numbers do not depend on how "
                              "many pictures you happened to take.")
def sums_the_losses(net, x, y):
    return [len(x) * norm for norm in _norms(net, x, y)]


@gradient_norms.misconception("The list runs from the last layer to the first. Backpropagation does; the list follows "
                              "`net.modules()`.")
def lists_backwards(net, x, y):
    return _norms(net, x, y)[::-1]


@gradient_norms.misconception("Gradients that were there before were counted in: `backward()` adds to `.grad`. Clear "
                              "it first.")
def adds_to_what_was_there(net, x, y):
    F.cross_entropy(net(x), y).backward()
    return [module.weight.grad.norm().item() for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@gradient_norms.misconception("All parameters are in the list: biases and the weights of norms, too. Asked for are "
                              "the weights of convolutions and linear layers.")
def lists_all_parameters(net, x, y):
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, list(net.parameters()))]


@gradient_norms.misconception("Linear layers are missing from the list.")
def lists_convolutions_alone(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, nn.Conv2d)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("Squares were summed, but no root was taken: an L2 norm has one.")
def takes_no_root(net, x, y):
    return [norm**2 for norm in _norms(net, x, y)]


@gradient_norms.misconception("These are the norms of the weights themselves. Asked for are their gradients'.")
def measures_the_weights(net, x, y):
    F.cross_entropy(net(x), y)
    return [module.weight.norm().item() for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]


@gradient_norms.misconception("The gradient of the sum of all outputs was taken. The loss is the cross-entropy of the "
                              "outputs and the labels `y`.")
def sums_the_outputs(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), layers)]


@gradient_norms.misconception("The gradients' mean absolute value was taken. The L2 norm is the root of the sum of "
                              "squares.")
def takes_mean_sizes(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.abs().mean().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The net was switched to evaluation mode for the measurement. It is measured in the "
                              "mode in which it comes, and keeps it.")
def measures_in_eval_mode(net, x, y):
    return _norms(net.eval(), x, y)


@gradient_norms.misconception("The net was put into training mode for the measurement. It is measured as it comes, and "
                              "a part that was frozen stays frozen.")
def measures_in_train_mode(net, x, y):
    return _norms(net.train(), x, y)


@gradient_norms.misconception("An optimizer stepped: the net's weights have changed. This is a measurement, and "
                              "nothing is trained.")
def trains_the_net(net, x, y):
    norms = _norms(net, x, y)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    return norms


@gradient_norms.misconception("The norms' weights are in the list, too. A BatchNorm has a `weight`, but only "
                              "convolutions and linear layers were asked for.")
def lists_every_weight(net, x, y):
    weights = [module.weight for module in net.modules() if hasattr(module, "weight")]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), weights)]


@gradient_norms.misconception("Convolutions are missing from the list.")
def lists_linear_layers_alone(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("Absolute values were summed: that is the L1 norm. L2 squares, sums and takes the root.")
def takes_the_l1_norm(net, x, y):
    layers = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.abs().sum().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.misconception("The biases of convolutions and linear layers are in the list, too. One number a layer: "
                              "its weight's.")
def lists_biases_too(net, x, y):
    layers = [module for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    both = [parameter for layer in layers for parameter in layer.parameters()]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), both)]


@gradient_norms.misconception("The list holds tensors. A tensor may drag its graph along; `.item()` makes a plain "
                              "float of it.")
def lists_tensors(net, x, y):
    return [torch.tensor(norm) for norm in _norms(net, x, y)]


@gradient_norms.misconception("A softmax was taken before the cross-entropy, which does one itself. Give it the net's "
                              "raw outputs.")
def takes_softmax_twice(net, x, y):
    return _norms(nn.Sequential(net, nn.Softmax(1)), x, y)


@gradient_norms.misconception("Only the net's direct parts were searched. `children()` stops at the first level, "
                              "`modules()` goes down to every layer.")
def searches_the_children(net, x, y):
    layers = [module.weight for module in net.children() if isinstance(module, (nn.Conv2d, nn.Linear))]
    return [gradient.norm().item() for gradient in torch.autograd.grad(F.cross_entropy(net(x), y), layers)]


@gradient_norms.alternative
def by_zero_grad(net, x, y):
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()
    return [torch.linalg.vector_norm(module.weight.grad).item() for module in net.modules()
            if isinstance(module, nn.Conv2d | nn.Linear)]


@gradient_norms.alternative
def by_log_softmax(net, x, y):
    chosen = [module.weight for _, module in net.named_modules() if type(module) in (nn.Conv2d, nn.Linear)]
    loss = -net(x).log_softmax(1).gather(1, y[:, None]).mean()
    return [math.sqrt(gradient.double().pow(2).sum().item()) for gradient in torch.autograd.grad(loss, chosen)]


@gradient_norms.alternative
def by_dimensions(net, x, y):
    for parameter in net.parameters():
        parameter.grad = None
    nn.CrossEntropyLoss()(net(x), y).backward()
    weights = [parameter for parameter in net.parameters() if parameter.ndim in (2, 4)]
    return [float(weight.grad.flatten().dot(weight.grad.flatten()).sqrt()) for weight in weights]


# ------------------------------------------------------------------------------------------------------ train_epoch


class _Log(list):
    """A list that a copy of its owner goes on writing into."""

    def __deepcopy__(self, memo):
        return self


class _Watched(nn.Module):
    """The exam's own classifier: it notes, at each call, its mode, the gradient mode and how many graphs are alive."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(dropout)
        self.fc = nn.Linear(6, 4)
        self.modes, self.graphs, self.alive = _Log(), _Log(), _Log()

    def forward(self, x):
        self.modes.append(self.training and self.norm.training)
        self.graphs.append(torch.is_grad_enabled())
        self.alive.append(sum(token() is not None for token in _tokens(self)))
        return _Marked.apply(self.fc(self.drop(self.norm(x.flatten(1)))), self)


class _Token:
    """Lives as long as the graph that it was given to."""


class _Marked(torch.autograd.Function):
    """The identity; its node carries a token."""

    @staticmethod
    def forward(ctx, x, net):
        ctx.token = _Token()
        _tokens(net).append(weakref.ref(ctx.token))
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def _tokens(net):
    return net.__dict__.setdefault("tokens", [])


def _batches(draw, *counts):
    return [(draw.normal(count, 1, 2, 3), draw.integers(0, 4, count)) for count in counts]


def _weights(net):
    return dict(net.named_parameters())


def _epoch(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@exercise(points=8, reference=_epoch)
def train_epoch(impl, draw):
    def net_and_optimizer(lr, momentum=0.0):
        net = draw.fill_(_Watched())
        net.fc.weight.data *= 5  # so that no two losses are alike by chance
        return net, torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)

    def mean_loss():
        net, optimizer = net_and_optimizer(0.0)
        return [_plain(impl(net, _batches(draw, 8, 8, 3), optimizer)) for _ in range(4)]

    def steps():
        net, optimizer = net_and_optimizer(0.2, 0.9)
        taken = []
        optimizer.register_step_post_hook(lambda *_: taken.append("step"))
        return {"result": _plain(impl(net, _batches(draw, 6, 6, 6), optimizer)), **_weights(net), "steps": len(taken)}

    def leftovers():
        net, optimizer = net_and_optimizer(0.5)
        for parameter in net.parameters():
            parameter.grad = draw.normal(*parameter.shape)
        return {"result": _plain(impl(net, _batches(draw, 6, 6), optimizer)), **_weights(net)}

    def mode():
        net, optimizer = net_and_optimizer(0.1)
        net.eval()
        return {"result": _plain(impl(net, _batches(draw, 5, 5), optimizer)),
                "in training mode, batch by batch": net.modes, "norm.running_mean": net.norm.running_mean,
                **_weights(net)}

    def graph():
        net, optimizer = net_and_optimizer(0.1)
        result = impl(net, _batches(draw, *[4] * 6), optimizer)
        return {"result": result, "older graphs are gone": max(net.alive) <= 2, **_weights(net)}

    def iterable():
        net, optimizer = net_and_optimizer(0.3)
        return {"result": _plain(impl(net, (batch for batch in _batches(draw, 4, 4, 4)), optimizer)), **_weights(net)}

    yield aspect("mean loss", "The result is the mean loss over all pictures: a batch of 8 weighs more than one of 3.",
                 mean_loss)
    yield aspect("steps", "Each batch is one step: clear the gradients, mean cross-entropy, backward, optimizer.",
                 steps)
    yield aspect("leftovers", "Gradients left over from before the epoch do not count.", leftovers)
    yield aspect("mode", "The net trains in training mode, whatever mode it came in.", mode)
    yield aspect("float", "The result is a Python float, and no batch's graph outlives the next batch.", graph)
    yield aspect("any iterable", "`loader` is anything that gives pairs (x, y) when looped over; ask it for nothing "
                 "else.", iterable)


@train_epoch.misconception("The batches' losses were averaged, each with the same weight. The last batch is smaller: "
                           "its pictures count more than others. Weigh each loss by its batch's size.")
def averages_batches(net, loader, optimizer):
    net.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@train_epoch.misconception("The losses were added up but not divided by the number of pictures.")
def adds_losses_up(net, loader, optimizer):
    batches = list(loader)
    return _epoch(net, batches, optimizer) * sum(len(x) for x, _ in batches)


@train_epoch.misconception("The result is the last batch's loss. The epoch's is the mean over all its pictures.")
def gives_the_last_loss(net, loader, optimizer):
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


@train_epoch.misconception("The gradients are never cleared: each step also takes all earlier batches' gradients. "
                           "Call `optimizer.zero_grad()` for every batch.")
def never_clears_gradients(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The gradients are cleared after the step. The first step then still takes what was there "
                           "before the epoch: clear them before `backward()`.")
def clears_after_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer steps but finds no gradient, and nothing is learned. Either they are cleared "
                           "between `backward()` and `step()`, or `backward()` comes too late or not at all.")
def clears_before_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer never steps: the loss is measured, the weights stay.")
def never_steps(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The net does not train in training mode. After an evaluation its norms would stay "
                           "frozen: call `net.train()`.")
def leaves_the_mode(net, loader, optimizer):
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The loss was added up as a tensor and returned as one. It drags every batch's graph "
                           "along, and memory grows to the end of the epoch. Take `loss.item()`.")
def keeps_the_graph(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total = total + loss * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The result is a float, but until the end the losses were kept as tensors, each with its "
                           "batch's graph. Keep `loss.item()`, not `loss`.")
def keeps_the_graph_till_the_end(net, loader, optimizer):
    net.train()
    losses, sizes = [], []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
        sizes.append(len(x))
    return sum(loss.item() * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


@train_epoch.misconception("`len(loader)` was asked for, the number of batches. A loader need not know it, and batches "
                           "differ in size: loop over it, and count the pictures as they come.")
def asks_for_the_length(net, loader, optimizer):
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@train_epoch.misconception("The number of pictures was asked of `loader.dataset`. Not every loader has one, and one "
                           "that drops its last batch gives fewer pictures: count them as they come.")
def asks_for_the_dataset(net, loader, optimizer):
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


@train_epoch.misconception("A softmax was taken before the cross-entropy, which does one itself. The loss then hardly "
                           "moves: give it the net's raw outputs.")
def trains_with_two_softmaxes(net, loader, optimizer):
    return _epoch(nn.Sequential(net, nn.Softmax(1)), loader, optimizer)


@train_epoch.misconception("Each batch's loss was measured again after its step. It is smaller there: take the loss "
                           "that the step was made from.")
def measures_after_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        total += F.cross_entropy(net(x), y).item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The gradient is that of the batch's summed loss. A batch of 64 then takes a step 64 times "
                           "as long: step with the mean, and multiply by the batch's size only what you report.")
def steps_with_the_sum(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y, reduction="sum")
        loss.backward()
        optimizer.step()
        total += loss.item()
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer steps once, after the last batch. Each batch is a step of its own.")
def steps_once_at_the_end(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    optimizer.zero_grad()
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        total += loss.item() * len(x)
        count += len(x)
    optimizer.step()
    return total / count


@train_epoch.misconception("The epoch ends with its first batch: `return` stands inside the loop, or later batches are "
                           "passed over.")
def returns_in_the_loop(net, loader, optimizer):
    return _epoch(net, [next(iter(loader))], optimizer)


@train_epoch.misconception("The loader was looped over once to count the pictures and again to train. One that gives "
                           "each batch only once has nothing left by then: count while you train.")
def loops_twice(net, loader, optimizer):
    count = sum(len(y) for _, y in loader)
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / count


@train_epoch.misconception("The net trains in evaluation mode: norms are frozen and dropout is off. Call "
                           "`net.train()`, also where the net comes in training mode.")
def trains_in_eval_mode(net, loader, optimizer):
    net.eval()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.alternative
def by_a_tensor_sum(net, loader, optimizer):
    criterion = nn.CrossEntropyLoss()
    net.train(True)
    total, seen = torch.zeros((), dtype=torch.float64), 0
    for x, y in loader:
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * y.numel()
        seen += y.numel()
    return (total / seen).item()


@train_epoch.alternative
def by_lists(net, loader, optimizer):
    losses, sizes = [], []
    for module in net.modules():
        module.train()
    for images, labels in loader:
        net.zero_grad(set_to_none=True)
        loss = F.nll_loss(net(images).log_softmax(dim=1), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        sizes.append(images.shape[0])
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


@train_epoch.alternative
def by_sums_over_pictures(net, loader, optimizer):
    everything = []
    net.train()
    for x, y in loader:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        each = F.cross_entropy(net(x), y, reduction="none")
        each.mean().backward()
        optimizer.step()
        everything.append(each.detach())
    return float(torch.cat(everything).double().mean())


# --------------------------------------------------------------------------------------------------------- evaluate


def _accuracy(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return right / count


def _labelled(draw, net, right, *counts):
    """Batches of which the net, in evaluation mode, gets just so many right: `right` of each in turn."""
    net.eval()
    batches = []
    for count, hits in zip(counts, right, strict=True):
        x = draw.normal(count, 1, 2, 3)
        with torch.no_grad():
            y = net(x).argmax(1)
        y[hits:] = (y[hits:] + 1 + draw.integers(0, 3, count - hits)) % 4
        batches.append((x, y))
    net.modes.clear(), net.graphs.clear()
    return batches


def _of_one_mind(net):
    """It gives the same class to every picture, in either mode: here the mode in which it measures is not asked for."""
    nn.init.zeros_(net.fc.weight)
    return net


def _modes(net):
    return {name or "the net": module.training for name, module in net.named_modules()}


@exercise(points=8, reference=_accuracy)
def evaluate(impl, draw):
    def accuracy():
        net = draw.fill_(_Watched())
        return _plain(_fitting(impl, net, _labelled(draw, net, (7, 5, 1), 9, 9, 2)))

    def mode():
        net = draw.fill_(_Watched(dropout=0.5))
        batches = _labelled(draw, net, (8, 3), 11, 6)
        result = _plain(_fitting(impl, net.train(), batches))
        return {"result": result, "in training mode, batch by batch": net.modes,
                "norm.running_mean": net.norm.running_mean, "norm.num_batches_tracked": net.norm.num_batches_tracked}

    def restored():
        net = _of_one_mind(draw.fill_(_Watched()))
        batches = _labelled(draw, net, (5, 1), 6, 3)
        training = net.train()
        seen = {"came in training mode": _plain(_fitting(impl, training, batches)), "training afterwards": _modes(net)}
        net.eval()
        return {**seen, "came in evaluation mode": _plain(_fitting(impl, net, batches)),
                "training after that": _modes(net)}

    def frozen():
        net = _of_one_mind(draw.fill_(_Watched()))
        batches = _labelled(draw, net, (4, 3), 7, 4)
        seen = {}
        for mode, name in ((True, "norm frozen"), (False, "norm alone in training mode")):
            net.train(mode)
            net.norm.train(not mode)
            seen |= {name: _plain(_fitting(impl, net, batches)), f"{name}, training afterwards": _modes(net)}
        return seen

    def graph():
        net = draw.fill_(_Watched())
        batches = _labelled(draw, net, (2, 2, 4), 5, 5, 5)
        return {"result": _plain(_fitting(impl, net, batches)), "graph built, batch by batch": net.graphs,
                "gradients on afterwards": torch.is_grad_enabled(),
                "require gradients": [parameter.requires_grad for parameter in net.parameters()]}

    def floating():
        net = draw.fill_(_Watched())
        result = _fitting(impl, net, (batch for batch in _labelled(draw, net, (6, 3), 8, 5)))
        return {"result": result, "pictures were seen": bool(net.modes)}

    yield aspect("accuracy", "The result is the share of all pictures whose largest output is at the label, between 0 "
                 "and 1.", accuracy)
    yield aspect("evaluation mode", "It measures in evaluation mode: no dropout, running statistics used and left "
                 "alone.", mode)
    yield aspect("mode put back", "Afterwards the net is in the mode in which it came, training or evaluation.",
                 restored)
    yield aspect("frozen parts", "Every submodule gets its own mode back: a norm that was frozen on purpose stays "
                 "frozen.", frozen)
    yield aspect("no graph", "No graph is built while it measures; afterwards gradients are on as before.", graph)
    yield aspect("float", "It returns a Python float, and `loader` is any iterable of pairs (x, y).", floating)


@evaluate.misconception("The net is left in evaluation mode. The next epoch would train with frozen norms and without "
                        "dropout: put back what was there.")
def leaves_eval_mode_on(net, loader):
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The net was measured in training mode. Norms then use the batch, so a picture's answer "
                        "depends on its neighbours, and the running statistics change.")
def measures_in_training_mode(net, loader):
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The net is always put into training mode at the end. One that came in evaluation mode must "
                        "leave in it.")
def ends_in_training_mode(net, loader):
    result = leaves_eval_mode_on(net, loader)
    net.train()
    return result


@evaluate.misconception("Only the net's own mode was remembered, and `net.train(mode)` gives it to every part. A norm "
                        "that was frozen on purpose is thawed. Remember the mode of each module.")
def remembers_one_mode(net, loader):
    mode = net.training
    result = leaves_eval_mode_on(net, loader)
    net.train(mode)
    return result


@evaluate.misconception("The batches' accuracies were averaged. A small last batch then counts as much as a full one: "
                        "count right answers and pictures.")
def averages_accuracies(net, loader):
    shares = [_accuracy(net, [batch]) for batch in loader]
    return sum(shares) / len(shares)


@evaluate.misconception("The accuracy is given in per cent. Asked for is a share between 0 and 1.")
def gives_per_cent(net, loader):
    return 100 * _accuracy(net, loader)


@evaluate.misconception("This counts the right answers but does not divide by the number of pictures.")
def gives_the_count(net, loader):
    batches = list(loader)
    return float(round(_accuracy(net, batches) * sum(len(y) for _, y in batches)))


@evaluate.misconception("This is the share of mistakes. Asked for is the share of right answers.")
def gives_the_error(net, loader):
    return 1 - _accuracy(net, loader)


@evaluate.misconception("The graph is built while measuring: nobody will call `backward()`, and the memory is wasted. "
                        "Use `torch.no_grad()`.")
def builds_the_graph(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right, count = 0, 0
    for x, y in loader:
        right += (net(x).argmax(1) == y).sum().item()
        count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return right / count


@evaluate.misconception("Gradients were switched off with `set_grad_enabled(False)` and never switched on again: "
                        "nothing can be trained after this. A `with torch.no_grad():` block ends by itself.")
def switches_gradients_off(net, loader):
    torch.set_grad_enabled(False)
    return _accuracy(net, loader)


@evaluate.misconception("The result is a tensor. A plain number can be printed, stored and compared anywhere: "
                        "`.item()`.")
def gives_a_tensor(net, loader):
    return torch.tensor(_accuracy(net, loader))


@evaluate.misconception("The number of pictures was asked of `len(loader.dataset)`. A loader need not have one: count "
                        "the labels as they come.")
def asks_for_a_dataset(net, loader):
    net.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
    net.train()
    return right / len(loader.dataset)


@evaluate.misconception("The last batch alone was counted: the counters start again with every batch.")
def counts_the_last_batch(net, loader):
    return [_accuracy(net, [batch]) for batch in loader][-1]


@evaluate.misconception("The largest output was looked for along axis 0, among the pictures. Each picture has a row of "
                        "outputs: look along its classes.")
def looks_along_the_batch(net, loader):
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(0) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The right answers were divided by `len(loader)`, the number of batches. Divide by the number "
                        "of pictures, and count them as they come: a loader need not know its length.")
def divides_by_the_batches(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
    for module, mode in modes.items():
        module.training = mode
    return right / len(loader)


@evaluate.misconception("The modes of the net's parts were put back, but not its own: `children()` leaves out the net "
                        "itself and all that is deeper. `modules()` has them all.")
def remembers_the_children(net, loader):
    modes = {module: module.training for module in net.children()}
    result = leaves_eval_mode_on(net, loader)
    for module, mode in modes.items():
        module.training = mode
    return result


@evaluate.misconception("The loader was looped over twice. One that gives each batch only once has nothing left the "
                        "second time: count pictures and right answers in one loop.")
def counts_in_a_loop_of_its_own(net, loader):
    count = sum(len(y) for _, y in loader)
    batches = list(loader)
    return _accuracy(net, batches) * sum(len(y) for _, y in batches) / count if batches else 0.0


@evaluate.misconception("`return` stands inside the loop, or the loop breaks off: only the first batch was counted.")
def counts_the_first_batch(net, loader):
    return _accuracy(net, [next(iter(loader))])


@evaluate.alternative
def by_inference_mode(net, loader):
    before = [module.training for module in net.modules()]
    net.train(False)
    hits = []
    with torch.inference_mode():
        for x, y in loader:
            hits.append(net(x).max(dim=1).indices.eq(y))
    for module, mode in zip(net.modules(), before, strict=True):
        module.training = mode
    return torch.cat(hits).double().mean().item()


@evaluate.alternative
def by_ranks(net, loader):
    trained = [module for module in net.modules() if module.training]
    for module in trained:
        module.training = False
    first = []
    with torch.no_grad():
        for images, labels in loader:
            order = net(images).argsort(dim=-1, descending=True)
            first += (order[:, 0] == labels).tolist()
    for module in trained:
        module.training = True
    return sum(first) / len(first)


@evaluate.alternative
@torch.no_grad()
def by_a_decorator(net, loader):
    modes = {name: module.training for name, module in net.named_modules()}
    net.eval()
    try:
        pairs = [(net(x).topk(1).indices.squeeze(1), y) for x, y in loader]
    finally:
        for name, mode in modes.items():
            net.get_submodule(name).training = mode
    guesses, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return float((guesses == labels).double().mean())


@evaluate.alternative
def by_a_copy(net, loader):
    twin = copy.deepcopy(net).eval()
    hits = count = 0
    for x, y in loader:
        with torch.no_grad():
            hits += torch.count_nonzero(twin(x).argmax(-1) == y).item()
        count += y.numel()
    return hits / count
