"""How `DoubleConv` is examined."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, gradients, nets

from .shared import _Brick


def _middle(out, height, width):
    """The middle of a picture: what padding has no part in, and all of it where nothing was padded."""
    top, left = (out.shape[-2] - height) // 2, (out.shape[-1] - width) // 2
    return out[..., top:top + height, left:left + width]


def _open(module):
    """The ReLU in the middle lets everything through: whether there is one is asked for in one aspect alone."""
    with torch.no_grad():
        module.bn1.weight.clamp_(-0.5, 0.5)
        module.bn1.bias.fill_(10)
    return nets.unbiased(module)


def _counts(norm, heard):
    """Whether a norm was called once, and keeps count of what it is given as PyTorch's does by default."""
    return len(heard) == 1 and norm.running_mean is not None and norm.momentum == 0.1 and int(
        norm.num_batches_tracked) > 0


@exercise(points=8, reference=_Brick)
def DoubleConv(impl, draw):
    def filled(*arguments):
        return draw.fill_(impl(*arguments))

    def order():
        seen = {}
        for sizes in ((3, 4), (4, 4)):
            module = nets.unbiased(filled(*sizes)).eval()
            with torch.no_grad():
                for part in (module.conv1, module.conv2):
                    part.weight *= 3  # so that each ReLU stops some numbers and lets some through
            seen[f"DoubleConv{sizes}"] = _middle(module(draw.normal(2, sizes[0], 8, 9)), 4, 5)
        return seen

    def size():
        module = _open(filled(2, 3)).eval()
        return F.relu(module(draw.normal(1, 2, 5, 6)))

    def training():
        module, heard = _open(filled(3, 4)).train(), []
        handle = module.bn2.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].detach()))
        out = module(draw.normal(4, 3, 7, 8))
        handle.remove()
        return {"output": F.relu(_middle(out, 3, 4)), "bn2 keeps count of what it is given": _counts(module.bn2, heard),
                **{f"{name}.{kind}": getattr(module.get_submodule(name), kind)
                for name in ("bn1",) for kind in ("running_mean", "running_var")}}

    def conduct():
        module, x = _open(filled(3, 4)).train(), draw.normal(2, 3, 6, 7)
        module.bn2.momentum = 1  # it takes over what it sees here, so that the last ReLU cuts some of each channel
        with torch.no_grad():
            module.bn2.bias.zero_()
            module(x)
        module.eval()
        kept = x.clone()
        out = _middle(module(kept), 2, 3)
        return {"output": F.relu(out), "input left alone": kept,
                "gradient": gradients(lambda x: F.relu(_middle(module.double()(x), 2, 3)), x)}

    yield aspect("names and shapes", "The parts are called `conv1`, `bn1`, `conv2` and `bn2`; both convolutions are "
                 "3×3, and neither has a bias.",
                 lambda: {str(sizes): nets.shapes(impl(*sizes)) for sizes in ((3, 5), (4, 4))})
    yield aspect("order", "The order is convolution, norm, ReLU, and the same again.", order, weight=2)
    yield aspect("size", "Height and width stay: each convolution has a frame of one zero around its input.", size)
    yield aspect("training", "In training mode each norm uses the batch and updates its own running statistics.",
                 training)
    yield aspect("conduct", "The brick leaves its input as it was, and gradients flow through.", conduct)


@DoubleConv.misconception("`super().__init__()` is not called before the first layer is assigned. It makes the "
                          "dictionaries in which a module keeps its layers; until then there is nowhere to put one.")
class ForgetsSuper(_Brick):
    def __init__(self, in_channels, out_channels):
        for name, part in _Brick(in_channels, out_channels).named_children():
            setattr(self, name, part)


@DoubleConv.misconception("The last ReLU is missing: negative numbers leave the brick, and the next convolution meets "
                          "this one's norm with no bend between them.")
class LeavesTheLastReluOut(_Brick):
    def forward(self, x):
        return self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))


@DoubleConv.misconception("There is no ReLU between the two convolutions. Two linear maps in a row are one: the second "
                          "convolution adds next to nothing.")
class LeavesTheMiddleReluOut(_Brick):
    def forward(self, x):
        return F.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))


@DoubleConv.misconception("ReLU comes before the norm here. The order is convolution, norm, ReLU.")
class RectifiesBeforeTheNorm(_Brick):
    def forward(self, x):
        return self.bn2(F.relu(self.conv2(self.bn1(F.relu(self.conv1(x))))))


@DoubleConv.misconception("The input is added at the end, as in a residual block. A U-Net's bricks are plain; its "
                          "shortcuts go from level to level.")
class AddsTheInput(_Brick):
    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + x if out.shape == x.shape else out)


@DoubleConv.misconception("The convolutions have biases. The norm behind each removes them again: `bias=False`.")
class HasBiases(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)


@DoubleConv.misconception("`conv1` has a bias, `conv2` has none. The norm behind each removes it again: `bias=False` "
                          "for both.", literal=True)
class HasABiasInTheFirst(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)


@DoubleConv.misconception("`conv2` has a bias, `conv1` has none. The norm behind each removes it again: `bias=False` "
                          "for both.", literal=True)
class HasABiasInTheSecond(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)


@DoubleConv.misconception("The frame around the input is a reflection of it. It is one of zeros, which `padding=1` "
                          "gives by itself.")
class ReflectsAtTheBorder(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        for part in (self.conv1, self.conv2):
            part.padding_mode, part._reversed_padding_repeated_twice = "reflect", [1, 1, 1, 1]


@DoubleConv.misconception("The second norm is missing from `forward`: behind the second convolution comes the ReLU at "
                          "once.")
class LeavesTheSecondNormOut(_Brick):
    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.bn1(self.conv1(x)))))


@DoubleConv.misconception("The two norms are exchanged: `bn1` stands behind `conv1`, `bn2` behind `conv2`.")
class ExchangesTheNorms(_Brick):
    def forward(self, x):
        return F.relu(self.bn1(self.conv2(F.relu(self.bn2(self.conv1(x))))))


@DoubleConv.misconception("Where the channels stay the same, the first convolution is used twice. Each place has its "
                          "own: `conv1`, then `conv2`.")
class ConvolvesByTheSame(_Brick):
    def forward(self, x):
        second = self.conv1 if self.conv1.in_channels == self.conv1.out_channels else self.conv2
        return F.relu(self.bn2(second(F.relu(self.bn1(self.conv1(x))))))


@DoubleConv.misconception("The bend is a leaky ReLU: a hundredth of what is negative comes through. ReLU lets nothing "
                          "of it through.")
class BendsLeakily(_Brick):
    def forward(self, x):
        return F.leaky_relu(self.bn2(self.conv2(F.leaky_relu(self.bn1(self.conv1(x))))))


@DoubleConv.misconception("Only the second norm does not keep count as PyTorch's does: another momentum, or no running "
                          "statistics. Both norms are made alike, with PyTorch's defaults.", literal=True)
class GivesTheSecondNormAnotherMomentum(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.bn2.momentum = 0.01


@DoubleConv.misconception("Nothing is padded: each convolution takes a pixel off every side, and the picture shrinks "
                          "by four. `padding=1` keeps its size.")
class PadsNothing(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, bias=False)


@DoubleConv.misconception("Only the first convolution is padded. The second takes a pixel off every side: both need "
                          "`padding=1`.")
class PadsOnce(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, bias=False)


@DoubleConv.misconception("The first convolution gives `in_channels`, and the second widens. Here the first widens: it "
                          "is `in_channels` to `out_channels`, the second `out_channels` to `out_channels`.")
class WidensLate(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x):
        return _Brick.forward(self, x)


@DoubleConv.misconception("`bn1` serves both convolutions: its running statistics are of two different things, and "
                          "`bn2` learns nothing.")
class NormsByTheSame(_Brick):
    def forward(self, x):
        return F.relu(self.bn1(self.conv2(F.relu(self.bn1(self.conv1(x))))))


@DoubleConv.misconception("The norms are made but never called: `forward` goes from convolution to ReLU.")
class LeavesTheNormsOut(_Brick):
    def forward(self, x):
        return F.relu(self.conv2(F.relu(self.conv1(x))))


@DoubleConv.misconception("The second convolution is 1×1. Both look at a neighbourhood of 3×3.")
class LooksOnce(_Brick):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 1, bias=False)


@DoubleConv.alternative
class BrickOfNamedLayers(nn.Sequential):
    def __init__(self, in_channels, out_channels):
        super().__init__(OrderedDict(
            conv1=nn.Conv2d(in_channels, out_channels, 3, padding="same", bias=False),
            bn1=nn.BatchNorm2d(out_channels), relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(out_channels, out_channels, 3, padding="same", bias=False),
            bn2=nn.BatchNorm2d(out_channels), relu2=nn.ReLU(inplace=True)))


@DoubleConv.alternative
class BrickMadeInALoop(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        for number in (1, 2):
            self.add_module(f"conv{number}", nn.Conv2d(in_channels, out_channels, (3, 3), 1, (1, 1), bias=False))
            self.add_module(f"bn{number}", nn.BatchNorm2d(out_channels))
            in_channels = out_channels

    def forward(self, x):
        for number in (1, 2):
            x = self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(x)).clamp(min=0)
        return x


@DoubleConv.alternative
class BrickThatPadsByHand(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.bn2, self.bn1 = nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, bias=False)
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, bias=False)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(F.pad(x, (1, 1, 1, 1)))))
        return torch.relu(self.bn2(self.conv2(F.pad(x, (1, 1, 1, 1)))))
