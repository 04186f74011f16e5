"""How `edge_kernels` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise

from .shared import _whole


def _sobel():
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    return torch.stack([across, across.T])[:, None]


def _either_sign(mine, right):
    """A kernel with the sign that suits the right one; where neither does, with one that does not depend on its own."""
    agreement = (mine * right).sum() or mine.flatten() @ torch.arange(mine.numel(), dtype=mine.dtype)
    return mine if agreement >= 0 else -mine


def _sizes_in_order(kernels):
    """Each kernel's numbers without their signs, sorted; shape and dtype stay as they are."""
    if not isinstance(kernels, torch.Tensor):
        return kernels
    return kernels.abs().flatten(1).sort().values.reshape(kernels.shape)


def _on_ramps(kernels, draw):
    """How strongly each kernel answers to flat ground, and to a slope that rises to the right, or downwards."""
    if not isinstance(kernels, torch.Tensor):
        return kernels
    flat, slope = _whole(draw, 4, 20) / 4, _whole(draw, 4, 12) / 4  # quarters: their sums leave no rounding errors
    to_the_right = (slope * torch.arange(5.0)).expand(5, 5)
    grounds = torch.stack([torch.full((5, 5), flat), to_the_right, to_the_right.T])[:, None]
    return F.conv2d(grounds, kernels.to(grounds.dtype)).abs().mean((2, 3))


@exercise(points=7, reference=_sobel)
def edge_kernels(impl, draw):
    yield aspect("form", "The result is one float32 tensor of shape (2, 1, 3, 3), its numbers are 0, ±1 and ±2.",
                 lambda: _sizes_in_order(impl()), dtype=True)
    yield aspect("vertical edges", "Kernel 0 answers to vertical edges: it compares the column on the right with the "
                 "column on the left.", lambda: impl()[0], view=_either_sign)
    yield aspect("horizontal edges", "Kernel 1 answers to horizontal edges: it compares the row below with the row "
                 "above.", lambda: impl()[1], view=_either_sign)
    yield aspect("slopes", "On flat ground both answer 0; where brightness grows by 1 per pixel, the kernel whose "
                 "business it is answers 8 or −8, the other 0.", lambda: _on_ramps(impl(), draw))


@edge_kernels.misconception("The two kernels are exchanged. A vertical edge separates left from right, so the first "
                            "kernel must compare columns, not rows.")
def exchanges_the_pair():
    return _sobel().flip(0)


@edge_kernels.misconception("Both kernels look for vertical edges. The second one must compare rows: the row below "
                            "with the row above.")
def compares_columns_twice():
    return _sobel()[[0, 0]]


@edge_kernels.misconception("Both kernels look for horizontal edges. The first one must compare columns: the one on "
                            "the right with the one on the left.")
def compares_rows_twice():
    return _sobel()[[1, 1]]


@edge_kernels.misconception("Both sides of the kernel have the same sign, so it adds left and right and answers to "
                            "flat ground. To compare means to subtract: one side is negative.")
def gives_both_sides_one_sign():
    return _sobel().abs()


@edge_kernels.misconception("All weights are ±1 (that is Prewitt's kernel). Sobel's gives the row, or column, through "
                            "the centre twice the weight.")
def forgets_the_twos():
    return _sobel().sign()


@edge_kernels.misconception("The channel dimension is missing. A weight has shape (out_channels, in_channels, kH, kW), "
                            "and there is one input channel.")
def forgets_the_channel():
    return _sobel()[:, 0]


@edge_kernels.misconception("The kernels hold whole numbers (int64), and PyTorch does not convolve a float32 picture "
                            "with them. Write at least one number with a point, or give the dtype.")
def gives_whole_numbers():
    return _sobel().long()


@edge_kernels.misconception("The kernels were divided by 8. That makes them measure the slope itself, but the task "
                            "wants the numbers 0, ±1 and ±2.")
def divides_by_eight():
    return _sobel() / 8


@edge_kernels.misconception("Both kernels sit in one tensor of shape (1, 2, 3, 3): that is one filter for pictures of "
                            "two channels. Here two filters look at one channel.")
def makes_one_filter_of_two_channels():
    return _sobel().transpose(0, 1).contiguous()


@edge_kernels.misconception("The heavy weight 2 is in the corners instead of on the line through the centre.")
def puts_the_twos_in_the_corners():
    across = torch.tensor([[-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0]])
    return torch.stack([across, across.T])[:, None]


@edge_kernels.misconception("The weights are 3 and 10: that is Scharr's kernel. Sobel's are 1 and 2.")
def gives_scharrs_kernels():
    across = torch.outer(torch.tensor([3.0, 10.0, 3.0]), torch.tensor([-1.0, 0.0, 1.0]))
    return torch.stack([across, across.T])[:, None]


@edge_kernels.misconception("The kernels were divided by 4. The task wants the numbers 0, ±1 and ±2.")
def divides_by_four():
    return _sobel() / 4


@edge_kernels.misconception("These are Laplace kernels, −4 amid four ones: they answer to edges of all directions "
                            "alike. Sobel's compare one side with the other.")
def gives_laplace_kernels():
    return torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(2, 1, 3, 3).clone()


@edge_kernels.alternative
def with_the_other_sign():
    return -_sobel()


@edge_kernels.alternative
def as_outer_products():
    smooth, differ = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 0.0, -1.0])
    return torch.stack([torch.outer(smooth, differ), torch.outer(differ, smooth)]).unsqueeze(1)


@edge_kernels.alternative
def with_a_sign_each():
    return torch.tensor([[[[1, 0, -1], [2, 0, -2], [1, 0, -1]]], [[[-1, -2, -1], [0, 0, 0], [1, 2, 1]]]],
                        dtype=torch.float32)
