"""How `avg_pool_kernel` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, but_for_scale, exercise

from .shared import _pair


def _avg_pool_kernel(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / (kh * kw))


def _as_a_layer(x, weight):
    """What the convolution gives, or `weight` itself where it is none."""
    return F.conv2d(x, weight.to(x.dtype), stride=(3, 2), groups=4) if isinstance(weight, torch.Tensor) else weight


@exercise(points=6, reference=_avg_pool_kernel)
def avg_pool_kernel(impl, draw):
    yield aspect("weight",
                 "Write `avg_pool_kernel(channels, kernel_size)`: the float32 weight, of shape (channels, 1, kH, kW),"
                 " with which `F.conv2d` averages each channel over a window.",
                 lambda: [impl(int(draw.integers(3, 7)), 3), impl(1, 2)], dtype=True)
    yield aspect("pairs",
                 "`kernel_size` is a number or a pair (height, width) again.",
                 lambda: but_for_scale(impl(int(draw.integers(2, 5)), (3, 5))))
    yield aspect("as a layer",
                 "With `groups=channels` and the pooling's stride, the convolution gives what average pooling gives.",
                 lambda: _as_a_layer(draw.normal(2, 4, 7, 9), impl(4, (3, 2))))


@avg_pool_kernel.misconception(
    "Your weights are ones, so the convolution sums. A mean gives each place in the window its equal share.")
def kernel_of_ones(channels, kernel_size):
    return torch.ones(channels, 1, *_pair(kernel_size))


@avg_pool_kernel.misconception(
    "The weight has a kernel for every pair of channels and mixes them. Depthwise means one kernel a channel: the "
    "weight's second dimension is in_channels / groups = 1.")
def kernel_that_mixes_channels(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, channels, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "The weight is (channels, channels, kH, kW) with zeros between different channels. As a dense layer that would "
    "average rightly; a depthwise one leaves those zeros out.")
def kernel_dense_with_zeros(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.eye(channels)[:, :, None, None].expand(-1, -1, kh, kw) / (kh * kw)


@avg_pool_kernel.misconception(
    "The weight's first two dimensions changed places. They are (out_channels, in_channels / groups), here (channels,"
    " 1).")
def kernel_with_axes_swapped(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((1, channels, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "The share was divided by the number of channels, too. Each channel is averaged on its own, so only the window's "
    "places count.")
def kernel_divides_by_channels(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / (channels * kh * kw))


@avg_pool_kernel.misconception(
    "The share is 1/kH². In a window that is not square there are kH·kW places.")
def kernel_divides_by_the_square(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / kh**2)


@avg_pool_kernel.misconception(
    "Every weight is ¼, whatever the kernel's size. That is the share in a window of four places; a 3×3 window has "
    "nine.")
def kernel_of_quarters(channels, kernel_size):
    return torch.full((channels, 1, *_pair(kernel_size)), 0.25)


@avg_pool_kernel.misconception(
    "The kernel lies on its side: you made it kW × kH. A pair is (height, width), and so are the last two dimensions "
    "of a weight.")
def kernel_on_its_side(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kw, kh), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "Your weight is float64. A convolution wants picture and weight of one dtype, and pictures here are float32.")
def kernel_of_doubles(channels, kernel_size):
    return _avg_pool_kernel(channels, kernel_size).double()


@avg_pool_kernel.misconception(
    "Only the middle of the kernel has a weight, so the convolution copies one pixel of each window. The mean needs "
    "them all, equally.")
def kernel_that_picks_the_middle(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    weight = torch.zeros(channels, 1, kh, kw)
    weight[:, :, kh // 2, kw // 2] = 1
    return weight


@avg_pool_kernel.misconception(
    "A pair for `kernel_size` stopped the function: it counts on one number for both sides. Take (height, width) "
    "apart; `pair` makes two numbers of one.")
def kernel_of_numbers_alone(channels, kernel_size):
    return torch.ones(channels, 1, kernel_size, kernel_size) / kernel_size**2


@avg_pool_kernel.misconception(
    "The share is 1/kH, from one side of the window. A window of kH × kW has kH·kW places, and 3×3 makes nine.")
def kernel_divides_by_one_side(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / kh)


@avg_pool_kernel.misconception(
    "All weights are 0: `//` drops the fraction, and `1 // 9` is 0. A share is a fraction, and wants `/`.")
def kernel_drops_the_fraction(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 // (kh * kw))


@avg_pool_kernel.misconception(
    "Your weight has three axes, (channels, kH, kW). A convolution's has four: the second one, in_channels / groups, "
    "is 1.")
def kernel_of_three_axes(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((channels, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.misconception(
    "There is one kernel for all channels, (1, 1, kH, kW). With `groups=channels` each channel has a kernel of its "
    "own.")
def kernel_for_all_channels(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.full((1, 1, kh, kw), 1 / (kh * kw))


@avg_pool_kernel.alternative
def kernel_from_ones(channels, kernel_size):
    weight = torch.ones(channels, 1, *_pair(kernel_size))
    return weight / weight[0].numel()


@avg_pool_kernel.alternative
def kernel_by_expanding(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    return torch.tensor(1 / kh / kw).expand(channels, 1, kh, kw)


@avg_pool_kernel.alternative
def kernel_as_what_pooling_does_to_impulses(channels, kernel_size):
    kh, kw = _pair(kernel_size)
    impulses = torch.eye(kh * kw).reshape(kh * kw, 1, kh, kw)
    return F.avg_pool2d(impulses, (kh, kw)).reshape(1, 1, kh, kw).repeat(channels, 1, 1, 1)
