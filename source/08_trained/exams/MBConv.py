"""How `MBConv` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, gradients, nets

from .shared import _lively, _same


class _MBConv(nn.Module):
    eps = 1e-3

    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__()
        hidden = self.widened(in_channels, out_channels, expansion)
        if expansion > 1:
            self.expand = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(hidden, eps=self.eps)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size, stride, groups=hidden, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden, eps=self.eps)
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(out_channels, eps=self.eps)
        self.skips = stride == 1 and in_channels == out_channels

    def widened(self, in_channels, out_channels, expansion):
        return in_channels * expansion

    def bend(self, x):
        return F.relu6(x)

    def padded(self, x):
        return _same(x, self.depthwise.kernel_size[0], self.depthwise.stride[0])

    def expanded(self, x):
        return self.bend(self.expand_norm(self.expand(x))) if hasattr(self, "expand") else x

    def branch(self, x):
        x = self.bend(self.depthwise_norm(self.depthwise(self.padded(self.expanded(x)))))
        return self.project_norm(self.project(x))

    def forward(self, x):
        return x + self.branch(x) if self.skips else self.branch(x)


NORMS = ("expand_norm", "depthwise_norm", "project_norm")


def _trained(block, x):
    """What a forward pass in training mode gives, and the running means that it leaves behind."""
    out = nets.fitting(block.train(), x)
    return {"output": out, **{f"{name}.running_mean": getattr(getattr(block, name, None), "running_mean", "missing")
                              for name in NORMS}}


def _narrow(block):
    """All that comes to a norm varies little: there its eps is seen."""
    with torch.no_grad():
        for part in block.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_var /= 1000
    return block


@exercise(points=15, reference=_MBConv)
def MBConv(impl, draw):
    def given(*arguments, high, wide):
        block = _lively(draw.fill_(impl(*arguments))).eval()
        return nets.fitting(block, 3 * draw.normal(2, arguments[0], high, wide))

    def around():
        """With an expansion of 1, a branch that gives zeros: what comes out is what went around it."""
        block = draw.fill_(impl(4, 4, 3, 1, 1)).eval()
        with torch.no_grad():
            for number in block.project_norm.parameters():
                number.zero_()
        return nets.fitting(block, draw.normal(2, 4, 5, 6))

    def conduct():
        block, x = _lively(draw.fill_(impl(3, 3, 3, 1, 6))).eval(), 4 * draw.normal(2, 3, 8, 7)
        kept = x.clone()
        return {"output": nets.fitting(block, kept), "input left alone": kept,
                "gradient": gradients(lambda x: block.double()(x), x)}

    yield aspect("names and shapes", "The parts are called `expand`, `expand_norm`, `depthwise`, `depthwise_norm`, "
                 "`project` and `project_norm`; no convolution has a bias.",
                 lambda: {"names": nets.shapes(impl(4, 6, 5, 2, 6))})
    yield aspect("without expansion", "With an expansion of 1 there is no `expand` and no `expand_norm`: the depthwise "
                 "convolution takes the input.",
                 lambda: {"names": nets.shapes(impl(4, 6, 3, 1, 1)), "output": given(4, 6, 3, 1, 1, high=5, wide=6)})
    yield aspect("the branch", "A ReLU6 stands behind the first two norms and none behind the third.",
                 lambda: given(3, 5, 3, 1, 4, high=5, wide=6), weight=2)
    yield aspect("skip", "The input is added where the stride is 1 and the channels stay the same.",
                 lambda: {"expansion 6": given(4, 4, 3, 1, 6, high=5, wide=6),
                          "expansion 2": given(4, 4, 5, 1, 2, high=5, wide=6),
                          "expansion 1, the branch silenced": around()})
    yield aspect("no skip", "Anywhere else nothing is added, also where the size alone changes, or happens to stay.",
                 lambda: {"other channels": given(4, 5, 3, 1, 2, high=4, wide=5),
                          "a stride": given(3, 3, 3, 2, 2, high=6, wide=8),
                          "a stride, one pixel": given(3, 3, 3, 2, 2, high=1, wide=1)})
    yield aspect("padding", "The depthwise convolution carries the stride, and its input is padded as by `pad_same`.",
                 lambda: {"kernel 3": given(2, 3, 3, 2, 3, high=6, wide=7),
                          "kernel 5": given(2, 3, 5, 2, 2, high=9, wide=8),
                          "twelve channels in the middle": given(2, 3, 3, 2, 6, high=8, wide=6)})
    yield aspect("eps", "The norms have an eps of 10⁻³, as in the nets of TensorFlow; all else is PyTorch's default.",
                 lambda: _narrow(draw.fill_(impl(3, 4, 3, 1, 3))).eval()(draw.normal(2, 3, 5, 5)))
    yield aspect("training", "In training mode each norm uses the batch and updates its own running statistics.",
                 lambda: _trained(_lively(draw.fill_(impl(3, 3, 3, 1, 2))), 20 * draw.normal(4, 3, 6, 5)),
                 rtol=1e-3, atol=1e-3)  # a channel that hardly varies would see another eps
    yield aspect("conduct", "The block leaves its input as it was, and gradients flow through.", conduct,
                 rtol=1e-4, atol=1e-3)  # float64 would see another eps


@MBConv.misconception("A ReLU6 stands behind the last norm, too. The projection is narrow, and what a ReLU cuts off "
                      "there is lost: the block ends without one.")
class EndsWithRelu(_MBConv):
    def branch(self, x):
        return self.bend(super().branch(x))


@MBConv.misconception("The bend is a ReLU. Here it is ReLU6, which also cuts at 6: these weights were trained with it.")
class BendsByRelu(_MBConv):
    def bend(self, x):
        return F.relu(x)


@MBConv.misconception("The input is never added. Where the stride is 1 and the channels stay the same, it is: `x +` "
                      "branch.")
class AddsNothing(_MBConv):
    def forward(self, x):
        return self.branch(x)


@MBConv.misconception("The input is added wherever the channels stay the same, also with a stride. The branch is then "
                      "smaller than what is added, or, on one pixel, they fit by accident.")
class SkipsWhateverTheStride(_MBConv):
    def forward(self, x):
        return x + self.branch(x) if x.shape[1] == self.project.out_channels else self.branch(x)


@MBConv.misconception("The input is added wherever the stride is 1, also where the channels change. It does not fit "
                      "there.")
class SkipsWhateverTheChannels(_MBConv):
    def forward(self, x):
        return x + self.branch(x) if self.depthwise.stride[0] == 1 else self.branch(x)


@MBConv.misconception("Whether to add was decided by the shapes that came out. On one pixel a stride changes nothing, "
                      "and the input is added by accident: ask the arguments.")
class SkipsWhereShapesAgree(_MBConv):
    def forward(self, x):
        out = self.branch(x)
        return x + out if out.shape == x.shape else out


@MBConv.misconception("Height and width were padded by kernel_size // 2 on both sides. With a stride of 2 and an even "
                      "size every window then begins one pixel too early: pad as `pad_same` does.")
class PadsBothSidesAlike(_MBConv):
    def padded(self, x):
        return F.pad(x, [self.depthwise.kernel_size[0] // 2] * 4)


@MBConv.misconception("Nothing is padded before the depthwise convolution: each block loses a border.")
class PadsNothing(_MBConv):
    def padded(self, x):
        return x


@MBConv.misconception("With an expansion of 1 there is still a 1×1 convolution in front. The trained net's first block "
                      "has none, and its weights would find no place.")
class ExpandsByOne(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        if expansion == 1:
            self.expand = nn.Conv2d(in_channels, in_channels, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(in_channels, eps=self.eps)


@MBConv.misconception("With an expansion of 1 the input passes a ReLU6, as if it had been expanded. The blocks before "
                      "end without one: what is negative must reach the depthwise convolution.")
class BendsTheInput(_MBConv):
    def expanded(self, x):
        return self.bend(super().expanded(x))


@MBConv.misconception("The middle is `out_channels` · expansion wide. What is expanded is the input: `in_channels` · "
                      "expansion.")
class ExpandsTheOutput(_MBConv):
    def widened(self, in_channels, out_channels, expansion):
        return out_channels * expansion if expansion > 1 else in_channels


@MBConv.misconception("The norms have PyTorch's eps of 10⁻⁵. Where a channel varies little, 10⁻³ makes a difference, "
                      "and these weights were trained with it.")
class KeepsPytorchsEps(_MBConv):
    eps = 1e-5


@MBConv.misconception("`project_norm` has another eps, PyTorch's 10⁻⁵. All three norms have 10⁻³.")
class KeepsTheEpsOfTheLast(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        self.project_norm = nn.BatchNorm2d(out_channels)


@MBConv.misconception("`depthwise_norm` has another eps, PyTorch's 10⁻⁵. All three norms have 10⁻³.")
class KeepsTheEpsOfTheMiddle(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        self.depthwise_norm = nn.BatchNorm2d(self.depthwise.out_channels)


@MBConv.misconception("`expand_norm` has another eps, PyTorch's 10⁻⁵. All three norms have 10⁻³.")
class KeepsTheEpsOfTheFirst(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        if expansion > 1:
            self.expand_norm = nn.BatchNorm2d(self.expand.out_channels)


@MBConv.misconception("The norms have a momentum of 0.01, as TensorFlow's 0.99 becomes in PyTorch. The task changes "
                      "the eps alone: momentum stays PyTorch's.")
class KeepsTensorflowsMomentum(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        for part in self.children():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = 0.01


@MBConv.misconception("The bend is a SiLU (Swish), as in EfficientNet-B0. The Lite nets have ReLU6 in its place.")
class BendsBySilu(_MBConv):
    def bend(self, x):
        return F.silu(x)


@MBConv.misconception("The frame of zeros is put around before the expansion, whose norm makes other numbers of it. "
                      "Pad what goes into the depthwise convolution.")
class PadsBeforeTheExpansion(_MBConv):
    def branch(self, x):
        x = self.expanded(self.padded(x))
        return self.project_norm(self.project(self.bend(self.depthwise_norm(self.depthwise(x)))))


@MBConv.misconception("The expansion's norm serves the depthwise convolution, too: its running statistics are of two "
                      "things, and `depthwise_norm` learns nothing.")
class NormsByTheSame(_MBConv):
    def branch(self, x):
        norm = self.expand_norm if hasattr(self, "expand") else self.depthwise_norm
        x = self.bend(norm(self.depthwise(self.padded(self.expanded(x)))))
        return self.project_norm(self.project(x))


@MBConv.misconception("With an expansion of 1 the input is never added. It is, wherever the stride is 1 and the "
                      "channels stay: the expansion has no say in it.", literal=True)
class SkipsWhereItExpands(_MBConv):
    def forward(self, x):
        return x + self.branch(x) if self.skips and hasattr(self, "expand") else self.branch(x)


@MBConv.misconception("The convolutions have biases. The norm behind each removes them again, and the trained weights "
                      "have none: `bias=False`.")
class HasBiases(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        for name in ("expand", "depthwise", "project"):
            if hasattr(self, name):
                conv = getattr(self, name)
                conv.bias = nn.Parameter(torch.zeros(conv.out_channels))


@MBConv.misconception("The middle convolution is not depthwise: it mixes all channels, with as many times the weights. "
                      "It needs `groups`, one a channel.")
class ForgetsTheGroups(_MBConv):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__(in_channels, out_channels, kernel_size, stride, expansion)
        hidden = self.depthwise.in_channels
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size, stride, bias=False)


@MBConv.misconception("There is no ReLU6 behind the depthwise convolution. It and the projection are then one linear "
                      "map.")
class SkipsTheSecondBend(_MBConv):
    def branch(self, x):
        return self.project_norm(self.project(self.depthwise_norm(self.depthwise(self.padded(self.expanded(x))))))


@MBConv.misconception("There is no ReLU6 behind the expansion. Widening without a bend gains nothing: the wide "
                      "channels are sums of the narrow ones.")
class SkipsTheFirstBend(_MBConv):
    def expanded(self, x):
        return self.expand_norm(self.expand(x)) if hasattr(self, "expand") else x


@MBConv.misconception("The input is written into in place (`x += …`). Whoever gave it finds other numbers in it: make "
                      "a new tensor.")
class AddsIntoTheInput(_MBConv):
    def forward(self, x):
        if not self.skips:
            return self.branch(x)
        x += self.branch(x)
        return x


@MBConv.misconception("A ReLU6 stands behind the sum, as in a ResNet. Here nothing bends the sum: what goes around the "
                      "blocks stays linear from end to end.")
class BendsTheSum(_MBConv):
    def forward(self, x):
        return self.bend(super().forward(x)) if self.skips else self.branch(x)


@MBConv.alternative
class ByLayers(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__()
        wide = expansion * in_channels
        self.project_norm = nn.BatchNorm2d(out_channels, 0.001)
        self.project = nn.Conv2d(wide, out_channels, 1, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(wide, 0.001)
        self.depthwise = nn.Conv2d(wide, wide, kernel_size, stride, bias=False, groups=wide)
        if wide != in_channels:
            self.expand_norm = nn.BatchNorm2d(wide, 0.001)
            self.expand = nn.Conv2d(in_channels, wide, 1, bias=False)
        self.relu = nn.ReLU6(inplace=True)
        self.stride, self.same, self.kernel_size = stride, in_channels == out_channels, kernel_size

    def forward(self, x):
        out = x
        if "expand" in self._modules:
            out = self.relu(self.expand_norm(self.expand(out)))
        out = self.relu(self.depthwise_norm(self.depthwise(_same(out, self.kernel_size, self.stride))))
        out = self.project_norm(self.project(out))
        if self.stride == 1 and self.same:
            out = out + x
        return out


@MBConv.alternative
class ByFunctions(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__()
        hidden = in_channels * expansion
        sizes = {"expand": (in_channels, hidden, 1, 1), "depthwise": (hidden, hidden, kernel_size, hidden),
                 "project": (hidden, out_channels, 1, 1)}
        for name, (taken, given, size, groups) in sizes.items():
            if name != "expand" or expansion != 1:
                self.add_module(name, nn.Conv2d(taken, given, size, groups=groups, bias=False))
                self.add_module(f"{name}_norm", nn.BatchNorm2d(given, eps=1e-3))
        self.stride, self.skip = stride, (stride, in_channels) == (1, out_channels)

    def forward(self, x):
        out = x
        if hasattr(self, "expand"):
            out = self.expand_norm(F.conv2d(out, self.expand.weight)).clamp(0, 6)
        weight = self.depthwise.weight
        out = F.conv2d(_same(out, weight.shape[-1], self.stride), weight, stride=self.stride, groups=len(weight))
        out = self.depthwise_norm(out).clamp(0, 6)
        return self.project_norm(self.project(out)) + (x if self.skip else 0)


@MBConv.alternative
class AsASequential(nn.Sequential):
    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        super().__init__()
        hidden, self.skip = in_channels * expansion, stride == 1 and in_channels == out_channels
        if expansion != 1:
            self.add_module("expand", nn.Conv2d(in_channels, hidden, 1, bias=False))
            self.add_module("expand_norm", nn.BatchNorm2d(hidden, eps=1e-3))
            self.add_module("bend", nn.ReLU6())
        self.add_module("padding", _Padding(kernel_size, stride))
        self.add_module("depthwise", nn.Conv2d(hidden, hidden, kernel_size, stride, 0, 1, hidden, False))
        self.add_module("depthwise_norm", nn.BatchNorm2d(hidden, eps=1e-3))
        self.add_module("bend_again", nn.ReLU6())
        self.add_module("project", nn.Conv2d(hidden, out_channels, 1, bias=False))
        self.add_module("project_norm", nn.BatchNorm2d(out_channels, eps=1e-3))

    def forward(self, x):
        out = super().forward(x)
        return torch.add(x, out) if self.skip else out


class _Padding(nn.Module):
    def __init__(self, kernel_size, stride):
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x):
        return _same(x, self.kernel_size, self.stride)
