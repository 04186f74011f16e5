"""How `psnr` is examined."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise


def _decibels(x, y):
    error = (x.double() - y.double()).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)


def _number(value):
    """A float, also of a tensor: that a float was asked for is an aspect of its own."""
    if isinstance(value, str):
        raise TypeError("a text came back, not a number")
    return float(value.detach() if isinstance(value, torch.Tensor) else value)


def _size(number):
    if math.isnan(number):
        return "not a number"
    return {math.inf: "infinity", -math.inf: "minus infinity", 0: "0"}.get(number, "a finite number")


@exercise(points=6, reference=_decibels)
def psnr(impl, draw):
    def pair(*shape, noise=0.1):
        x = draw.uniform(*shape)
        return x, x + noise * draw.normal(*shape)

    def batch():
        clean = 0.9 * draw.uniform(3, 1, 6, 5)  # no picture has a 1: the peak is one all the same
        noisy = clean + torch.tensor([0.02, 0.1, 0.4])[:, None, None, None] * draw.normal(3, 1, 6, 5)
        return [_number(impl(noisy, clean)), _number(impl(noisy[1:], clean[1:]))]

    def equal():
        x, other = pair(1, 6, 6)
        return {"equal pictures": _size(_number(impl(x, x.clone()))), "others": _size(_number(impl(x, other))),
                "nearly equal ones": _size(_number(impl(x, x + 1e-4)))}

    def kind():
        x, y = (0.3 + 0.4 * picture for picture in pair(1, 5, 7, noise=0.1))  # all of it between 0 and 1
        value = impl(x, y + 0.1)
        return [type(value).__name__, value]

    yield aspect("decibels", "The result is 10 · log₁₀(1 / MSE); MSE is the mean of the squared differences.",
                 lambda: [_number(impl(*pair(1, 7, 9, noise=noise))) for noise in (0.03, 0.1, 0.3)], weight=2,
                 rtol=1e-4, atol=1e-4)
    yield aspect("equal pictures", "Equal pictures have infinity, `math.inf`, and no error is raised.", equal)
    yield aspect("one mean", "Whatever the shape, also of a batch, there is one mean over all numbers.", batch,
                 rtol=1e-4, atol=1e-4)
    yield aspect("float", "The result is a Python float.", kind, rtol=1e-4, atol=1e-4)


def _mse(x, y):
    return ((x - y) ** 2).mean().item()


@psnr.misconception("The logarithm is the natural one. Decibels count powers of ten: `math.log10`.")
def takes_the_natural_logarithm(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log(1 / _mse(x, y))


@psnr.misconception("The sign is wrong: your number falls where the pictures get more alike. The logarithm is of 1 / "
                    "MSE, not of MSE.")
def forgets_the_quotient(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(_mse(x, y))


@psnr.misconception("The factor 20 belongs to the root of the MSE; to the MSE itself belongs 10. Yours are twice the "
                    "decibels.")
def counts_twice(x, y):
    return math.inf if _mse(x, y) == 0 else 20 * math.log10(1 / _mse(x, y))


@psnr.misconception("The factor 10 belongs to the MSE; to its root belongs 20. Yours are half the decibels.")
def takes_the_root(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(1 / math.sqrt(_mse(x, y)))


@psnr.misconception("The mean is of the absolute differences. Large errors count more here: square before the mean.")
def takes_absolute_differences(x, y):
    error = (x - y).abs().mean().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)


@psnr.misconception("The squared differences were added up, not averaged: a large picture would be worse than a small "
                    "one with the same noise.")
def adds_up(x, y):
    error = (x - y).square().sum().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)


@psnr.misconception("The largest value was taken to be 255. These pictures go from 0 to 1.")
def peaks_at_255(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(255 ** 2 / _mse(x, y))


@psnr.misconception("The largest number in x was taken for the peak. The peak is what a pixel can have, 1, whatever is "
                    "in the pictures.")
def peaks_at_the_largest_of_x(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(x.max().item() ** 2 / _mse(x, y))


@psnr.misconception("The largest number in y was taken for the peak. The peak is what a pixel can have, 1, whatever is "
                    "in the pictures.")
def peaks_at_the_largest_of_y(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(y.max().item() ** 2 / _mse(x, y))


@psnr.misconception("The largest number in x took the place of the 1 in 1 / MSE, and not even squared. The peak is 1, "
                    "whatever is in the pictures.")
def puts_the_largest_over_the_error(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(x.max().item() / _mse(x, y))


@psnr.misconception("The range of x, its largest number minus its smallest, was taken for the peak. The peak is what a "
                    "pixel can have, 1, whatever is in the pictures.")
def peaks_at_the_range_of_x(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10((x.max() - x.min()).item() ** 2 / _mse(x, y))


@psnr.misconception("Both pictures were cut off at 0 and 1 first. What lies outside is part of the error: take the "
                    "numbers as they come.")
def cuts_off_first(x, y):
    return _decibels(x.clamp(0, 1), y.clamp(0, 1))


@psnr.misconception("This is the signal-to-noise ratio: the mean square of y stands over the error. Peak "
                    "signal-to-noise has the peak's square there, 1.")
def compares_with_the_signal(x, y):
    return math.inf if _mse(x, y) == 0 else 10 * math.log10(y.square().mean().item() / _mse(x, y))


@psnr.misconception("The variance of the difference was taken. It leaves out the difference's mean, so a picture that "
                    "is too bright throughout counts as right: take the mean of the squares.")
def takes_the_variance(x, y):
    error = (x - y).var().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)


@psnr.misconception("The mean was squared, not the differences. Plus and minus cancel in the mean: square first.")
def squares_the_mean(x, y):
    error = (x - y).mean().item() ** 2
    return math.inf if error == 0 else 10 * math.log10(1 / error)


@psnr.misconception("Equal pictures get minus infinity. No error at all is the best there is: plus infinity.",
                    literal=True)
def gives_minus_infinity(x, y):
    return -math.inf if _mse(x, y) == 0 else _decibels(x, y)


@psnr.misconception("The squared differences were averaged within each picture, or each channel, and then added up. "
                    "One mean is over all numbers, however many axes there are.")
def averages_the_last_axes_alone(x, y):
    error = (x - y).square().mean((-2, -1)).sum().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)


@psnr.misconception("Only the first picture of a batch was compared. One mean is over all numbers.")
def compares_the_first_alone(x, y):
    return _decibels(x[0], y[0])


@psnr.misconception("The factor 10 is missing: your result is in bels, not in decibels.")
def counts_bels(x, y):
    return math.inf if _mse(x, y) == 0 else math.log10(1 / _mse(x, y))


@psnr.misconception("Each picture of a batch got its own decibels, and these were averaged. Take one mean over all "
                    "numbers first, then the logarithm.")
def averages_decibels(x, y):
    if x.ndim < 4:
        return _decibels(x, y)
    values = [_decibels(*both) for both in zip(x, y, strict=True)]
    return sum(values) / len(values)


@psnr.misconception("Equal pictures end in an error: their MSE is 0, and Python does not divide by it. Ask for that "
                    "case first.")
def divides_by_zero(x, y):
    return 10 * math.log10(1 / _mse(x, y))


@psnr.misconception("Equal pictures get a finite number, a constant or what a small number added to the MSE leaves. "
                    "The task asks for infinity.", literal=True)
def stops_at_100(x, y):
    return 100.0 if _mse(x, y) == 0 else _decibels(x, y)


@psnr.misconception("Pictures that are only nearly equal get infinity, too. They have a large number: only where the "
                    "MSE is 0 it is infinity.", literal=True)
def takes_nearly_equal_for_equal(x, y):
    return math.inf if torch.allclose(x, y, atol=1e-3) else _decibels(x, y)


@psnr.misconception("Equal pictures get 0, as if they were the worst. The task asks for infinity.", literal=True)
def gives_zero_to_equals(x, y):
    return 0.0 if _mse(x, y) == 0 else _decibels(x, y)


@psnr.misconception("The result is a tensor. Take the number out of it with `.item()`.", literal=True)
def gives_a_tensor(x, y):
    return 10 * torch.log10(1 / (x - y).square().mean())


@psnr.misconception("The result is a number of NumPy's, not a Python float. `float(...)` makes one of it.",
                    literal=True)
def gives_numpys_number(x, y):
    return np.float64(_decibels(x, y))


@psnr.alternative
def by_mse_loss(x, y):
    error = F.mse_loss(x, y)
    return float("inf") if error == 0 else -10 * torch.log10(error).item()


@psnr.alternative
def by_a_tensor_that_may_divide(x, y):
    return float(10 * torch.log10(1 / (x - y).pow(2).mean()))


@psnr.alternative
def by_the_root(x, y):
    root = math.sqrt(((x - y) ** 2).sum().item() / x.numel())
    if not root:
        return math.inf
    return -20 * math.log10(root)


psnr.equivalent("error = (x - y).square().mean().item() -> error = (x - y).square().mean()",
                "`math.log10` makes a Python float of a tensor of one number.")
