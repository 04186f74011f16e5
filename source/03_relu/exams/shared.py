"""What several exams of this chapter need."""

import torch

RELUS = frozenset({"aten::relu", "aten::relu_", "aten::threshold", "aten::threshold_", "aten::_prelu_kernel",
                   "aten::prelu", "aten::leaky_relu", "aten::leaky_relu_", "aten::rrelu", "aten::rrelu_with_noise"})


def plain(value):
    """The number that a tensor of one element holds: that a float was asked for is an aspect of its own."""
    return value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value


def gradient_of(function, x):
    """The gradient of the sum of `function(x)`, in the dtype of x; what is no tensor comes back as it is."""
    leaf = x.detach().clone().requires_grad_()
    result = function(leaf)
    if not isinstance(result, torch.Tensor):
        return result
    result.sum().backward()
    return leaf.grad


def far_numbers(draw):
    """Ordinary numbers, then far ones on both sides: below and above 100, 500 and where float64's `exp` ends, 1000."""
    far = torch.cat([draw.uniform(3, low=90, high=99), draw.uniform(2, low=110, high=300),
                     draw.uniform(2, low=400, high=490), draw.uniform(2, low=510, high=700),
                     draw.uniform(14, low=720, high=990), torch.tensor([1000.0])])
    return torch.cat([draw.normal(4), far, -far])


def a_billion_times(result):
    """A tensor's numbers so large that those which are merely small are seen; what is no tensor stays as it is."""
    return {"a billion times the values far below 0": 1e9 * result} if isinstance(result, torch.Tensor) else result
