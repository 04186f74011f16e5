# %% [markdown] with_reading=240
# # 4 · BatchNorm
#
# Two nets are trained on the same digits, with the same weights at the start and the same learning rate. After sixty
# steps one still does little more than guess: its loss has never left 2.3, the loss of guessing among ten. The other
# reads nine digits out of ten. They differ in one kind of layer, which computes a mean and a variance. What does it do,
# and why is it so strong? And what can go wrong with a layer that looks so harmless? You write the layer, and then you
# train the two nets.
#
# - **At the end** you can normalise pictures, write BatchNorm and its gradient by hand, predict its running statistics,
#   tell batch, layer, instance and group norm apart, and make a trained BatchNorm vanish into a convolution.
# - **You need** tensors of shape (N, C, H, W), broadcasting, mean and variance, and the chain rule.
# - **It takes** about {hours} hours, {minutes} minutes of them for the {exercises} exercises ({points} points). **The
#   short way** ({minutes channel_stats normalize denormalize batch_norm running_after layer_norm group_norm
#   recalibrate} minutes, {points channel_stats normalize denormalize batch_norm running_after layer_norm group_norm
#   recalibrate} points) leaves out `batch_norm_backward`, `BatchNorm2d` and `fold_batch_norm`, the three marked *long*,
#   and of the text the hardest section, marked *hard*, and [](#disappears).

# %%
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import examine, plots, try_it
from convcraft.data import digits, photo

plots.use_style()

# %% [markdown]
# ## Numbers of the wrong size
#
# We start with the smallest learner there is: two numbers, w and b. It is to guess how blue a pixel is from how red
# it is: blue ≈ w · red + b. The data is a photograph, its pixels between 0 and 1. The loss is the mean squared
# error, so over the plane of all (w, b) it is a bowl. Gradient descent rolls down in it.
#
# ![Two contour plots of the loss over w and b. Left, raw pixels: a long tilted valley in which the path of gradient
# descent zigzags and is far from the minimum after 12 steps. Right, normalised pixels: round circles, and the path
# runs straight into the centre.](../../assets/04_batchnorm/surfaces.svg)
#
# Left, the pixels as they are. All are positive, so a larger w and a larger b do nearly the same, and the bowl is a
# long tilted valley. The step must be small enough for the steep walls, and so it is far too small for the gentle
# floor. Right, the same pixels after subtracting their mean and dividing by their standard deviation. The bowl is
# round: the steepest way down leads to the minimum. (Each bowl has a longest step that does not leap out of it. Left,
# the step is three quarters of the left bowl's longest; right, a third of the right bowl's longest is enough.)
#
# How long the valley is can be measured: it is the ratio of the largest to the smallest curvature, the *condition
# number*. Gradient descent needs a number of steps in proportion to it.

# %% tags=["demo"]
red = photo("china", height=120)[0].flatten()


def curvatures(x):
    """Smallest and largest curvature of mean((w x + b − y)²) / 2, whatever y is."""
    design = torch.stack([x, torch.ones_like(x)]).double()
    return torch.linalg.eigvalsh(design @ design.T / len(x)).tolist()


for name, x in {"0 to 255": 255 * red, "0 to 1": red, "normalised": (red - red.mean()) / red.std()}.items():
    low, high = curvatures(x)
    ratio = float(f"{high / low:.2g}")
    print(f"pixels {name:10}  curvatures {low:4.2f} and {high:7.1f}   condition number {ratio:7,.0f}")

# %% [markdown]
# From 0 to 255, the pixels turn an easy problem into one that needs a hundred thousand times as many steps.
# Shrinking them to between 0 and 1 gains a factor of 6,000; moving their mean to 0 and stretching their spread to 1
# gains the remaining 20. So the first thing to do with pictures is to find their mean and their spread.
#
# ### [](#channel_stats) Mean and spread of a colour ●○○○○ 10 min
#
# Write `channel_stats(images)` for `images` of shape (N, C, H, W). It returns the pair `(mean, std)`, one number a
# channel:
#
# $$\mu_c = \frac1n \sum_{n,h,w} x_{nchw}, \qquad \sigma_c = \sqrt{\frac1n \sum_{n,h,w} (x_{nchw} - \mu_c)^2},
# \qquad n = N \cdot H \cdot W$$
#
# By hand: two pictures of one channel and two pixels, `[1, 3]` and `[5, 7]`. The mean is 16 / 4 = **4**. The
# distances from it are −3, −1, 1, 3, their squares add up to 20, so the standard deviation is √(20 / 4) = √5 ≈
# **2.236**. (Within each picture the deviation is only 1.)
#
# - The mean of a channel is taken over all pictures, rows and columns together.
# - The standard deviation is the root of the mean squared distance from that mean: divide by n, not by n − 1.
# - In a stack of a dark and a bright picture, the distance between the two counts, too, not only the spread within
#   each.
# - Both results have the shape (C,), also for one picture or one channel.
# - Numbers far from zero, such as 1000 ± 1, keep a standard deviation that is right to a thousandth.
# - `images` stay as they were; float64 in gives float64 out.
#
# <details><summary>Hint 1: several axes at once</summary>
#
# A reduction in PyTorch takes a tuple of axes. Which axes must disappear so that (C,) is left?
#
# </details>
# <details><summary>Hint 2: n or n − 1</summary>
#
# PyTorch's spread divides by n − 1 unless its argument `correction` says otherwise.
#
# </details>

# %% nbgrader={"grade_id": "channel_stats", "solution": true}
def channel_stats(images):
    """The mean and the standard deviation of every channel.

    Args:
        images: (N, C, H, W).

    Returns:
        (mean, std), each of shape (C,); the divisor is n = N·H·W.
    """
    ### BEGIN SOLUTION
    std, mean = torch.std_mean(images, (0, 2, 3), correction=0)
    return mean, std
    ### END SOLUTION

# %% tags=["demo"]
with try_it("channel_stats"):
    print("by hand: ", channel_stats(torch.tensor([1.0, 3, 5, 7]).reshape(2, 1, 1, 2)))
    for name in ("china", "flower"):
        mean, std = channel_stats(photo(name)[None])
        print(f"{name:7}   mean {[round(m, 2) for m in mean.tolist()]}   std {[round(s, 2) for s in std.tolist()]}")
    mean, std = channel_stats(digits()[0])
    print(f"digits    mean {mean.item():.2f}   std {std.item():.2f}")

# %% nbgrader={"grade_id": "channel_stats_exam", "grade": true}
examine("channel_stats", channel_stats)

# %% [markdown]
# ### [](#normalize) Put every channel on the same scale ●●○○○ 10 min
#
# With mean and standard deviation known, two steps give every channel mean 0 and spread 1:
#
# $$y_{chw} = \frac{x_{chw} - \mu_c}{\sigma_c}$$
#
# Write `normalize(x, mean, std)` for `x` of shape (N, C, H, W) or (C, H, W), and `mean` and `std` of shape (C,).
# torchvision calls it `transforms.Normalize(mean, std)`. The lecture notes this course grew out of use it with the
# two famous triples `mean=[0.485, 0.456, 0.406]` and `std=[0.229, 0.224, 0.225]`. They were measured on ImageNet,
# and a net that was trained with them must be fed with them.
#
# (Measured how? As far as anybody has found out, the deviations are the mean of *each picture's own* deviation: the
# spread within pictures alone. Your `channel_stats` counts how far the pictures lie from one another, too, and gives
# more. So with the famous triples the spread is not quite 1. That does no harm as long as everybody uses the same.)
#
# By hand: a white pixel (1, 1, 1) becomes ((1 − 0.485) / 0.229, (1 − 0.456) / 0.224, (1 − 0.406) / 0.225) ≈ **(2.25,
# 2.43, 2.64)**, a black one **(−2.12, −2.04, −1.80)**.
#
# - Subtract the channel's mean, then divide by the channel's standard deviation.
# - A single picture (C, H, W) gives (C, H, W).
# - `mean[c]` and `std[c]` belong to channel c, also where a picture is as wide, or a batch as long, as it has
#   channels.
# - Nothing is added to `std`, however small, and no result is clipped.
# - `x`, `mean` and `std` stay as they were; float64 in gives float64 out; gradients flow through.
#
# <details><summary>Hint 1: what broadcasting does</summary>
#
# Shapes are lined up at their last axis. (3,) beside (N, 3, H, W) is therefore lined up with the *columns*. Which
# shape must the mean have to be lined up with the channels of (C, H, W) and of (N, C, H, W) alike?
#
# </details>

# %% nbgrader={"grade_id": "normalize", "solution": true}
def normalize(x, mean, std):
    """Subtract each channel's mean and divide by its standard deviation.

    Args:
        x: (N, C, H, W) or (C, H, W).
        mean, std: (C,).

    Returns:
        A new tensor of the shape of x.
    """
    ### BEGIN SOLUTION
    return (x - mean[:, None, None]) / std[:, None, None]
    ### END SOLUTION

# %% tags=["demo"]
imagenet_mean, imagenet_std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
with try_it("channel_stats and normalize"):
    white_and_black = torch.stack([torch.ones(3, 1, 1), torch.zeros(3, 1, 1)])
    print("white and black:", (normalize(white_and_black, imagenet_mean, imagenet_std).flatten(1) * 100).round() / 100)
    garden = photo("china", height=160)
    mean, std = channel_stats(normalize(garden, *channel_stats(garden[None]))[None])
    print("with its own statistics: mean", mean.abs().round(decimals=3), " std", std.round(decimals=3))

# %% nbgrader={"grade_id": "normalize_exam", "grade": true}
examine("normalize", normalize)

# %% [markdown]
# Normalising moves and stretches each of the three histograms until its mean is 0 and its spread 1. It does not
# change their *shape*: the bright sky stays a peak at the right.
#
# ![A photograph of the Summer Palace; beside it the histograms of its red, green and blue pixels, between 0 and 1 and
# centred near 0.57; and the same histograms after normalising, all three centred at 0, between about minus 2 and plus
# 1.4, with the same peaks.](../../assets/04_batchnorm/photograph.svg)
#
# ### [](#denormalize) And back again ●○○○○ 5 min
#
# A normalised picture has negative pixels and cannot be drawn. Write `denormalize(x, mean, std)`, the inverse:
#
# $$x_{chw} = \sigma_c \, y_{chw} + \mu_c$$
#
# By hand, for red in ImageNet's scale: 2.25 · 0.229 + 0.485 ≈ **1.00**.
#
# - Undo the two steps in reverse order.
# - Again (N, C, H, W) or (C, H, W), and channel c has its own `mean[c]` and `std[c]`.
# - Normalising and then denormalising gives the same picture, within rounding.
# - What lies outside [0, 1] stays outside: clip where you draw, not here.
# - `x`, `mean` and `std` stay as they were here, too; gradients flow through, in float32 and float64.
#
# <details><summary>Hint 1: shoes and socks</summary>
#
# Socks went on first, shoes second. In which order do they come off?
#
# </details>

# %% nbgrader={"grade_id": "denormalize", "solution": true}
def denormalize(x, mean, std):
    """Undo `normalize`.

    Args:
        x: (N, C, H, W) or (C, H, W), normalised.
        mean, std: (C,), those it was normalised with.

    Returns:
        A new tensor of the shape of x.
    """
    ### BEGIN SOLUTION
    return x * std[:, None, None] + mean[:, None, None]
    ### END SOLUTION

# %% tags=["demo"]
with try_it("normalize and denormalize"):
    garden = photo("china", height=160)
    sent = normalize(garden, imagenet_mean, imagenet_std)
    back = denormalize(sent, imagenet_mean, imagenet_std)
    print(f"largest difference after the round trip: {(back - garden).abs().max():.5f}")
    plots.images([garden, sent.clamp(0, 1), back.clamp(0, 1)],
                 ["before", "normalised, clipped to be drawn", "after the round trip"])
    plt.show()

# %% nbgrader={"grade_id": "denormalize_exam", "grade": true}
examine("denormalize", denormalize)

# %% [markdown]
# ## The same idea inside the net
#
# The first layer now has a good input. But layer 7 is fed by layer 6, and nobody has normalised what comes out of
# that. Let us follow 128 real digits through ten convolutions, initialised as PyTorch does it, and measure after
# each one how much its numbers still differ from digit to digit.
#
# **Predict, then run.** Write down one of the three. Compared with layer 1, the spread after layer 10 of the plain
# stack is (a) about the same, for each layer passes on what it gets; (b) a tenth; (c) less than a thousandth.

# %% tags=["demo"]
images, labels = digits()


def stack(depth, norm=None, width=16):
    """Convolution, perhaps a norm, ReLU; `depth` times."""
    layers = []
    for index in range(depth):
        layers += [nn.Conv2d(width if index else 1, width, 3, padding=1), *([norm(width)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers)


def spreads(net, x):
    """After every ReLU: the standard deviation over the pictures, averaged over channels and pixels."""
    found = []
    with torch.no_grad():
        for layer in net:
            x = layer(x)
            if isinstance(layer, nn.ReLU):
                found.append(x.std(0).mean().item())
    return found


figure, axes = plt.subplots(figsize=(6, 3))
for name, norm, colour, style in [("plain", None, plots.ORANGE, "o-"),
                                  ("with BatchNorm", nn.BatchNorm2d, plots.BLUE, "s-")]:
    torch.manual_seed(0)
    found = spreads(stack(10, norm), images[:128])
    axes.semilogy(range(1, 11), found, style, color=colour, label=name)
    print(f"{name:15} layer 1: {found[0]:.2f}   layer 5: {found[4]:.3f}   layer 10: {found[-1]:.5f}")
axes.set(xlabel="layer", ylabel="spread over the digits", xticks=range(1, 11))
axes.legend()
plt.show()

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (a) would hold, more or less, if PyTorch's standard start kept the size of the numbers, as chapter 3's
# `kaiming_normal_` does; it does not. (b) is what one gets by guessing a little loss in all; but losses multiply: a
# third kept in each of nine layers leaves one part in 20,000. It is (c).
#
# </details>
#
# Without help the digits fade away: after ten layers a zero and a seven differ by a hundred-thousandth, and all that is
# left is the biases talking to each other. The gradient fades on its way back, too. A good initialisation
# helps at the start, but the weights move, and each layer has to chase what the layers before it do.
#
# BatchNorm (Sergey Ioffe and Christian Szegedy, 2015) says: if a good scale is so useful, *enforce* it. Normalise
# every channel, in the middle of the net, with the mean and the variance of the current batch. Then hand two numbers
# a channel back to the net, a scale γ (`weight`) and a shift β (`bias`), so that it can choose any scale it likes,
# and choose it directly.
#
# ### [](#batch_norm) Normalise a batch ●●○○○ 20 min
#
# Write `batch_norm(x, weight, bias, eps=1e-5)`, the arithmetic of training:
#
# $$\mu_c = \text{mean of channel } c, \qquad \sigma_c^2 = \text{its variance}, \qquad
# \hat x = \frac{x - \mu_c}{\sqrt{\sigma_c^2 + \varepsilon}}, \qquad y = \gamma_c \, \hat x + \beta_c$$
#
# `x` has the shape (N, C), (N, C, L) or (N, C, H, W), `weight` (γ) and `bias` (β) have (C,); the result has the shape
# of `x`.
#
# By hand, one channel with the four values 1, 3, 5, 7 in the batch: μ = 4, σ² = 5, and x̂ = −1.342, −0.447, 0.447,
# 1.342. With γ = 2 and β = 10 the result is **7.317, 9.106, 10.894, 12.683**.
#
# - For images, the mean and the variance of channel c are taken over the batch and all pixels, n = N·H·W numbers.
# - For (N, C) the average runs over the batch alone.
# - For (N, C, L) it runs over the batch and the L positions.
# - The variance is divided by n, not by n − 1.
# - `eps` stands inside the root; it is 1e-5 unless the caller gives another.
# - Channel c is then multiplied by `weight[c]` and shifted by `bias[c]`, also where the picture is as wide as it has
#   channels.
# - A constant channel becomes its `bias`, not NaN.
# - Numbers such as 1000 ± 1 are normalised as well as 0 ± 1, to a thousandth.
# - Gradients flow through the mean and the variance, too; no input is changed; float64 stays float64. PyTorch's own
#   batch, layer and group norms are off limits, whatever name they are called by.
#
# <details><summary>Hint 1: three shapes, one code</summary>
#
# The axes to average are all but axis 1, and `x.ndim` says how many there are. With `keepdim=True` the statistics
# keep a shape that meets x again.
#
# </details>
# <details><summary>Hint 2: the shape of the weight</summary>
#
# `weight` must meet axis 1: its shape is one, C, and then as many ones as x has axes after the channels.
#
# </details>

# %% nbgrader={"grade_id": "batch_norm", "solution": true}
def batch_norm(x, weight, bias, eps=1e-5):
    """Normalise every channel with the statistics of the batch, then scale and shift it.

    Args:
        x: (N, C), (N, C, L) or (N, C, H, W).
        weight, bias: (C,), γ and β.
        eps: added to the variance.

    Returns:
        A new tensor of the shape of x.
    """
    ### BEGIN SOLUTION
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [len(weight) if axis == 1 else 1 for axis in range(x.ndim)]
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    xhat = (x - mean) / torch.sqrt(var + eps)
    return xhat * weight.reshape(shape) + bias.reshape(shape)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("batch_norm"):
    x = torch.tensor([1.0, 3, 5, 7]).reshape(4, 1)
    out = batch_norm(x, torch.tensor([2.0]), torch.tensor([10.0]))
    print("by hand:", [f"{value:.3f}" for value in out.flatten().tolist()])
    noise = torch.rand(100, 16, 784, generator=torch.Generator().manual_seed(0))
    out = batch_norm(noise, torch.ones(16), torch.zeros(16))
    print(f"uniform noise: from {noise.min():.2f} to {noise.max():.2f}, mean {noise.mean():.2f}, std {noise.std():.2f}")
    print(f"normalised:    from {out.min():.2f} to {out.max():.2f}, mean {out.mean().abs():.2f}, std {out.std():.2f}")
    figure, panels = plt.subplots(1, 2, figsize=(7, 2.4), sharey=False)
    bell = torch.linspace(-3.5, 3.5, 200)
    for axes, values, title in zip(panels, (noise, out), ("uniform noise", "after batch_norm"), strict=True):
        axes.hist(values[:, 0].flatten().numpy(), bins=40, density=True, color=plots.SKY)
        axes.set(title=title, yticks=[], xlabel="value")
    panels[1].plot(bell, torch.exp(-bell**2 / 2) / (2 * torch.pi) ** 0.5, color=plots.RED, label="normal distribution")
    panels[1].set(xlim=(-3.6, 3.6), ylim=(0, 0.55))
    panels[1].legend(fontsize=8, loc="upper right")
    plt.show()

# %% nbgrader={"grade_id": "batch_norm_exam", "grade": true}
examine("batch_norm", batch_norm)

# %% [markdown]
# The lecture notes this course grew out of say that after BatchNorm the inputs are distributed as N(0, σ)². What is
# true?
#
# - **The mean is 0.** That part is right (and with a bias it is β).
# - **The variance is 1**, very nearly: it is σ² / (σ² + ε), a little less. After γ it is γ² times that. N(0, σ)² is
#   no notation for it; N(0, 1) was probably meant.
# - **It is not normal.** "Normalise" means shift and stretch. The uniform noise above is still uniform, now from
#   −1.74 to 1.74 (±√3, give or take the luck of the draw), and far from the bell. A ReLU's output stays lopsided, a
#   photograph keeps its sky.
#
# And why γ and β at all? With γ = √(σ² + ε) and β = μ the layer gives back its input (exactly so once μ and σ are
# constants, as in evaluation): nothing that the net could do before is lost. What changes is how the net is *steered*.
# Before, the scale of a channel was a result of all the weights before it. Now it is one number.
#
# ## [](#by_hand) The way back (hard)
#
# In training the gradient passes this layer, too, and here BatchNorm is unlike any layer so far. A pixel reaches the
# loss in three ways: directly, and through the mean and the variance, with which it moves *every* other number of its
# channel.
#
# ![A diagram: x leads to the mean μ and the variance σ², and all three lead to the normalised x̂; x̂ leads with γ and
# β to y and to the loss. Three coloured ways lead from x to x̂: direct, through the mean, through the
# variance.](../../assets/04_batchnorm/three_ways.svg)
#
# ### [](#batch_norm_backward) The gradient, by hand (long) ●●●●○ 35 min
#
# Write `batch_norm_backward(grad_out, x, weight, eps=1e-5)`. Given g = ∂L/∂y (`grad_out`, of the shape of `x`), it
# returns `(grad_x, grad_weight, grad_bias)`. For one channel with n numbers, s = √(σ² + ε), y = γ x̂ + β and x̂ = (x
# − μ) / s:
#
# $$\frac{\partial \mu}{\partial x_i} = \frac1n, \qquad
# \frac{\partial \sigma^2}{\partial x_i} = \frac{2 (x_i - \mu)}{n}, \qquad
# \frac{\partial s}{\partial \sigma^2} = \frac{1}{2 s}$$
#
# (σ² depends on xᵢ through μ as well. That way adds nothing: the distances from the mean sum to zero.) The chain rule
# does the rest. With pencil and paper the three ways become one short formula.
#
# By hand, the four values 1, 3, 5, 7 again, γ = 1, ε = 0, and a loss that looks at the first alone: g = (1, 0, 0, 0).
# Then `grad_bias` = 1, `grad_weight` = x̂₁ = −1.342, and `grad_x` = **(0.134, −0.179, −0.045, 0.089)**. The loss
# looks at one number, and all four have a gradient! They add up to zero: moving all four by the same amount changes
# nothing.
#
# - `grad_bias`, of shape (C,), is the sum of `grad_out` over everything but the channels.
# - `grad_weight`, of shape (C,), is the sum of `grad_out` times the normalised x, also where a weight is 0.
# - `grad_x` has the shape of x and counts all three ways by which x reaches the output: directly, through the mean,
#   through the variance.
# - It takes (N, C), (N, C, L) and (N, C, H, W), as `batch_norm` does.
# - `eps` counts as it did on the way forward: inside the root, 1e-5 by default.
# - No input is changed, and float64 gradients come out where float64 goes in.
# - Autograd is off limits, and so are PyTorch's own norms and their backward functions.
#
# <details><summary>Hint 1: in steps</summary>
#
# Write the forward pass as five lines: the mean, the distances from it, the variance, the root, the quotient. Go
# through them from the last to the first. Where a number is used twice, its two gradients add up; where it was
# broadcast, its gradient is a sum.
#
# </details>
# <details><summary>Hint 2: what the formula will say</summary>
#
# Take a channel's gradient g as a vector of n numbers. The way through the mean takes away its average. The way through
# the variance takes away x̂, times the average of g · x̂. (For ε = 0, and then alone, that is g's part along x̂.) What
# is left is multiplied by γ and divided by s.
#
# </details>

# %% nbgrader={"grade_id": "batch_norm_backward", "solution": true}
def batch_norm_backward(grad_out, x, weight, eps=1e-5):
    """The gradients of `batch_norm`, without autograd.

    Args:
        grad_out: ∂L/∂y, of the shape of x.
        x: (N, C), (N, C, L) or (N, C, H, W).
        weight: (C,), γ.
        eps: as in `batch_norm`.

    Returns:
        (grad_x, grad_weight, grad_bias) of the shapes of x, (C,) and (C,).
    """
    ### BEGIN SOLUTION
    axes = [axis for axis in range(x.ndim) if axis != 1]
    shape = [len(weight) if axis == 1 else 1 for axis in range(x.ndim)]
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    root = torch.sqrt(var + eps)
    xhat = (x - mean) / root
    through_mean = grad_out.mean(axes, keepdim=True)
    through_var = xhat * (grad_out * xhat).mean(axes, keepdim=True)
    grad_x = weight.reshape(shape) / root * (grad_out - through_mean - through_var)
    return grad_x, (grad_out * xhat).sum(axes), grad_out.sum(axes)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("batch_norm_backward"):
    x, g = torch.tensor([[1.0], [3], [5], [7]]), torch.tensor([[1.0], [0], [0], [0]])
    grad_x, grad_weight, grad_bias = batch_norm_backward(g, x, torch.ones(1), eps=0.0)
    print("grad_x", [round(value, 3) for value in grad_x.flatten().tolist()],
          " grad_weight", round(grad_weight.item(), 3), " grad_bias", grad_bias.item())
    x, g = torch.randn(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    grad_x = batch_norm_backward(g, x, torch.ones(3))[0]
    print(f"largest sum of grad_x over a channel:     {grad_x.sum((0, 2, 3)).abs().max():.3f}")
    print(f"largest sum of grad_x · x over a channel: {(grad_x * x).sum((0, 2, 3)).abs().max():.3f}")

# %% nbgrader={"grade_id": "batch_norm_backward_exam", "grade": true}
examine("batch_norm_backward", batch_norm_backward)

# %% [markdown]
# <details><summary>The derivation, to compare with yours</summary>
#
# Write ĝ = γ g for the gradient that reaches x̂ = (x − μ) / s. The loss changes with one xᵢ in three ways:
#
# - directly: ĝᵢ · 1/s;
# - through s: every x̂ⱼ has s below it, ∂x̂ⱼ/∂s = −x̂ⱼ / s. And ∂s/∂xᵢ = 1/(2s) · 2(xᵢ − μ)/n = x̂ᵢ / n. Together −(x̂ᵢ
#   / s) · (1/n) Σⱼ ĝⱼ x̂ⱼ;
# - through μ: ∂x̂ⱼ/∂μ = −1/s and ∂μ/∂xᵢ = 1/n. Together −(1/s) · (1/n) Σⱼ ĝⱼ.
#
# Added up, with the bar for the average over the channel's n numbers:
#
# $$\frac{\partial L}{\partial x_i} =
# \frac{\gamma}{s} \left( g_i - \overline{g} - \hat x_i \, \overline{g \hat x} \right)$$
#
# Nowhere was ε = 0 needed: it hides in s, and in x̂ through s. Check with 1, 3, 5, 7 and g = (1, 0, 0, 0): s = √5, the
# average of g is 1/4, that of g x̂ is −1.342 / 4 = −0.335. So the first entry is (1 − 0.25 − 1.342 · 0.335) / 2.236 =
# 0.134.
#
# </details>
#
# The two sums are zero for a reason. A channel that is shifted, or made larger, comes out of the norm the same; so the
# gradient must not point that way. This is why BatchNorm forgives a bad scale of the weights. Make those of the
# convolution before it ten times larger: what leaves the norm is the same, and the gradient that they get is ten times
# *smaller*. (All this is exact for ε = 0, and very nearly so as long as the variance is far above 1e-5.)
#
# With only two numbers in a channel nothing is left at all: x̂ is −1 and 1 whatever the two are (if they differ, and ε
# is small beside it), and the gradient is zero. BatchNorm needs a crowd.
#
# ## And a single picture?
#
# A crowd is what you do not have when the net is at work. One X-ray comes in; whose mean should be subtracted? That of
# today's batch? Then the answer would depend on who else sits in the waiting room. So the layer keeps a diary while it
# trains: the *running statistics*. Evaluation reads them and does not write in them. Here is the notes' example:

# %% tags=["demo"]
torch.manual_seed(0)
layer = nn.BatchNorm1d(16)
layer(torch.rand(100, 16, 784))
print("running_mean", [round(value, 2) for value in layer.running_mean.tolist()[:4]], "…")
print("running_var ", [round(value, 3) for value in layer.running_var.tolist()[:4]], "…")

# %% [markdown]
# Uniform noise between 0 and 1 has mean 0.5 and variance 1/12 ≈ 0.083. The layer reports **0.05** and **0.908**. Has
# it computed something else? No: it has *begun*. Its diary started at mean 0 and variance 1, and the first batch was
# written into it with the weight `momentum` = 0.1:
#
# $$0.9 \cdot 0 + 0.1 \cdot 0.5 = 0.05, \qquad 0.9 \cdot 1 + 0.1 \cdot 0.0833 = 0.9083$$
#
# Neither figure says much about the noise yet. Sixty more batches, and both are right to two per cent (0.9⁶⁰ = 0.002 of
# the start is left).
#
# ![Two curves over 50 steps. The running mean starts at 0, is 0.05 after one step, marked with a dot, and approaches
# 0.5. The running variance starts at 1, is 0.908 after one step, marked with a dot, and approaches
# 0.083.](../../assets/04_batchnorm/running.svg)
#
# ### [](#running_after) Predict the diary ●●○○○ 12 min
#
# Write `running_after(mean, var, momentum, steps)`. Every batch has the same `mean` and the same unbiased variance
# `var`; the function returns `(running_mean, running_var)` after `steps` batches, starting from 0 and 1. Each batch
# does
#
# $$\text{running} \leftarrow (1 - \text{momentum}) \cdot \text{running} + \text{momentum} \cdot \text{batch}$$
#
# By hand: `running_after(0.5, 1/12, 0.1, 1)` is (0.05, 0.9083), the notes' two figures. A second step gives 0.9 ·
# 0.05 + 0.1 · 0.5 = **0.095** and 0.9 · 0.9083 + 0.1 · 0.0833 = **0.8258**.
#
# - After one step, a share of `momentum` comes from the batch and the rest from the start, 0 for the mean and 1 for
#   the variance.
# - Every further step mixes in the batch in the same way, `steps` times in all.
# - After 0 steps the running statistics are 0 and 1.
# - With `momentum` 1 only the last batch counts; with 0 the statistics stay at 0 and 1.
# - Numbers give numbers; tensors of shape (C,) give tensors of shape (C,), also after 0 steps.
# - The given tensors stay as they were, and float64 stays float64.
#
# A warning about the word: the momentum of an optimiser says how much of the *old* is kept. Here it is the share of
# the *new*.
#
# <details><summary>Hint 1: a loop or a formula</summary>
#
# A loop will do. For a formula, ask how much of the *start* is left after k steps: each step multiplies it by the
# same factor. All the rest has come from the batches.
#
# </details>

# %% nbgrader={"grade_id": "running_after", "solution": true}
def running_after(mean, var, momentum, steps):
    """The running statistics after `steps` batches with the same mean and the same unbiased variance.

    Args:
        mean, var: of every batch; numbers, or tensors of shape (C,).
        momentum: the share of a new batch, between 0 and 1.
        steps: how many batches, 0 or more.

    Returns:
        (running_mean, running_var), numbers or tensors as given.
    """
    ### BEGIN SOLUTION
    left = (1 - momentum) ** steps
    return (1 - left) * mean, left + (1 - left) * var
    ### END SOLUTION

# %% tags=["demo"]
with try_it("running_after"):
    for steps in (0, 1, 2, 10, 40, 100):
        running_mean, running_var = running_after(0.5, 1 / 12, 0.1, steps)
        print(f"after {steps:3} steps: running_mean {running_mean:.3f}   running_var {running_var:.3f}")

# %% nbgrader={"grade_id": "running_after_exam", "grade": true}
examine("running_after", running_after)

# %% [markdown]
# Real batches differ. Then `momentum` is a trade: a large one learns fast and trembles with every batch, a small one
# is steady and slow. Try it: the batches are drawn from noise with mean 0.5 and variance 0.083, and PyTorch's layer
# follows them.

# %% tags=["demo", "nbval-ignore-output"] frames={"batch_size": [4, 16, 64], "momentum": [0.01, 0.03, 0.1, 0.3, 1.0]}
def diary(momentum, batch_size):
    """The running statistics over 60 steps, drawn beside the truth."""
    generator = torch.Generator().manual_seed(0)
    layer, means, variances = nn.BatchNorm1d(1, momentum=momentum), [0.0], [1.0]
    for _ in range(60):
        layer(torch.rand(batch_size, 1, generator=generator))
        means.append(layer.running_mean.item())
        variances.append(layer.running_var.item())
    figure, axes = plt.subplots(figsize=(6.5, 3))
    for values, truth, name, colour in [(variances, 1 / 12, "running_var", plots.ORANGE),
                                        (means, 0.5, "running_mean", plots.BLUE)]:
        axes.plot(values, color=colour, label=name)
        axes.axhline(truth, color=colour, linestyle=":", linewidth=1)
    axes.set(xlabel="batches", ylim=(-0.05, 1.05), title=f"momentum {momentum:g}, {batch_size} numbers a batch")
    axes.legend()
    return figure


plots.explore(diary, momentum=[0.1, 0.01, 0.03, 0.3, 1.0], batch_size=[4, 2, 16, 64, 256])

# %% [markdown]
# Before you build the whole layer, a look at PyTorch's, as the notes show it: γ is called `weight`, β is called
# `bias`, and `eval()` switches the diary from writing to reading.

# %% tags=["demo"]
layer = nn.BatchNorm2d(16)
print(layer)
print("parameters:", [(name, tuple(tensor.shape)) for name, tensor in layer.named_parameters()])
print("buffers:   ", [(name, tuple(tensor.shape)) for name, tensor in layer.named_buffers()])
x = torch.randn(8, 16, 5, 5, generator=torch.Generator().manual_seed(0)) + 3
print(f"training:   output mean {layer(x).mean().abs():.2f}, running_mean about {layer.running_mean.mean():.1f}")
layer.eval()
print(f"evaluation: output mean {layer(x).mean():.1f}, running_mean about {layer.running_mean.mean():.1f}, as before")
colours = nn.BatchNorm1d(3)
colours(torch.rand(6, 3, 28, 28, generator=torch.Generator().manual_seed(0)).flatten(2))  # (6, 3, 784)
print(f"six images of three colours: {len(colours.running_mean)} means and {len(colours.running_var)} variances")

# %% [markdown]
# The running mean is about 0.3 although the numbers lie around 3: one batch has been written in, with a tenth. So in
# evaluation the output's mean is 2.7, not 0. The diary is still far from the truth.
#
# ### [](#BatchNorm2d) The whole layer (long) ●●●●○ 45 min
#
# Write `class BatchNorm2d(nn.Module)` with these arguments of `nn.BatchNorm2d`: `num_features`, `eps=1e-5`,
# `momentum=0.1`, `affine=True`, `track_running_stats=True`. `forward(x)` takes (N, C, H, W). It has five tensors, named
# as in PyTorch: `weight`, `bias`, `running_mean`, `running_var` of shape (C,) and `num_batches_tracked` of shape (). (A
# module's *state dict* is the dictionary of all tensors that are saved with it: its parameters, which are trained, and
# its *buffers*, which are not.)
#
# By hand, one channel, one batch with the values 1, 3, 5, 7: the output uses μ = 4 and σ² = 20/4 = 5. The diary gets
# the mean, 0.9 · 0 + 0.1 · 4 = **0.4**, and the *unbiased* variance 20/3: 0.9 · 1 + 0.1 · 6.667 = **1.567**. In
# evaluation mode the value 5 then becomes (5 − 0.4) / √1.567 ≈ **3.675**.
#
# - In training mode the output is normalised with the mean and variance of the batch itself (divisor n), whatever the
#   running statistics are. Numbers such as 1000 ± 1 are still normalised to a thousandth.
# - Each training batch moves them: running = (1 − momentum) · running + momentum · batch, with the batch's mean and its
#   unbiased variance (divisor n − 1). The statistics remember no graph: `running_mean.requires_grad` stays False.
# - `momentum` is the share of the new batch: 1 forgets all before it, 0 learns nothing. With `momentum=None` they are
#   the plain average over all batches that `num_batches_tracked` counts, also after a state dict was loaded.
# - `num_batches_tracked` counts the training batches, not those seen in evaluation. `self.training` alone decides:
#   under `torch.no_grad()` a training batch still counts as one.
# - In evaluation mode the running statistics normalise, so that a picture's result does not depend on the rest of the
#   batch. Evaluation changes no statistic.
# - At the start `weight` and `running_var` are ones, `bias` and `running_mean` zeros, and `num_batches_tracked` is an
#   int64 zero. `eps` stands inside the root, in both modes.
# - With `affine=False`, `weight` and `bias` are None, and neither is in the state dict. With
#   `track_running_stats=False` there are no statistics (all three are None), and every batch is normalised with its
#   own, also in evaluation mode.
# - Its state dict goes into an `nn.BatchNorm2d` and back: the same five names, `weight` and `bias` parameters, the
#   other three buffers. A net with your layer, trained for ten steps of plain SGD, ends where the same net with
#   PyTorch's layer ends, to 1e-5.
# - After `.double()` all but the counter is float64. Gradients flow through the batch's mean and variance; they flow
#   in evaluation mode, too.
# - PyTorch's own norms are off limits again. (A subclass of `nn.BatchNorm2d` with a `forward` of your own is allowed,
#   but then half of the work was not yours.)
#
# <details><summary>Hint 1: tensors that are saved but not trained</summary>
#
# `self.register_buffer(name, tensor)` makes a tensor part of the state dict and lets `.double()` and `.to(device)`
# find it. It takes None, too, and so does `self.register_parameter`.
#
# </details>
# <details><summary>Hint 2: two variances</summary>
#
# One batch, two divisors: n for the output, n − 1 for the diary. The first is a fact about these numbers, the second
# an estimate for numbers not seen yet.
#
# </details>
# <details><summary>Hint 3: a plain average, one batch at a time</summary>
#
# If the average of k − 1 batches is known, the k-th enters it with a share of 1/k. What counts the k?
#
# </details>

# %% nbgrader={"grade_id": "BatchNorm2d", "solution": true}
class BatchNorm2d(nn.Module):
    """Normalise every channel of (N, C, H, W): with the batch in training, with running statistics in evaluation.

    Args:
        num_features: C.
        eps: added to the variance.
        momentum: the share of a new batch in the running statistics; None for the plain average.
        affine: whether there are `weight` (γ) and `bias` (β); None where not.
        track_running_stats: whether there are `running_mean`, `running_var` and `num_batches_tracked`; None where not.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        ### BEGIN SOLUTION
        super().__init__()
        self.eps, self.momentum, self.track_running_stats = eps, momentum, track_running_stats
        self.register_parameter("weight", nn.Parameter(torch.ones(num_features)) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", torch.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", torch.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if track_running_stats else None)
        ### END SOLUTION

    def forward(self, x):
        """Normalise x (N, C, H, W), and in training mode move the running statistics."""
        ### BEGIN SOLUTION
        if self.training or not self.track_running_stats:
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        else:
            var, mean = self.running_var, self.running_mean
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
            with torch.no_grad():
                unbiased = x.var((0, 2, 3))
                self.running_mean += share * (mean - self.running_mean)
                self.running_var += share * (unbiased - self.running_var)
        out = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + self.eps)
        if self.weight is None:
            return out
        return out * self.weight[:, None, None] + self.bias[:, None, None]
        ### END SOLUTION

# %% tags=["demo"]
with try_it("BatchNorm2d"):
    layer = BatchNorm2d(1)
    batch = torch.tensor([1.0, 3, 5, 7]).reshape(4, 1, 1, 1)
    print("training:  ", [round(value, 3) for value in layer(batch).flatten().tolist()])
    print("the diary: ", round(layer.running_mean.item(), 3), round(layer.running_var.item(), 3))
    layer.eval()
    print("evaluation:", [round(value, 3) for value in layer(batch).flatten().tolist()])

# %% nbgrader={"grade_id": "BatchNorm2d_exam", "grade": true}
examine("BatchNorm2d", BatchNorm2d)

# %% [markdown]
# Back to the two nets of the beginning: five convolutions, real digits, plain SGD. The only difference is *your*
# layer between a convolution and its ReLU.

# %% tags=["demo", "nbval-ignore-output"]
def classifier(norm=None, width=16):
    """Five convolutions for 8×8 digits, the third with stride 2."""
    layers = []
    for index in range(5):
        layers += [nn.Conv2d(width if index else 1, width, 3, stride=2 if index == 2 else 1, padding=1),
                   *([norm(width)] if norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * width, 10))


digit_images, digit_labels = digits()
digit_images = (digit_images - digit_images[:1500].mean()) / digit_images[:1500].std()


def train(norm, lr, steps=60, batch_size=64, scale=1.0):
    """Plain SGD; returns the net and the loss at every step. `scale` multiplies the convolutions' first weights."""
    torch.manual_seed(1)
    net, generator = classifier(norm), torch.Generator().manual_seed(0)
    for layer in net:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data *= scale
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=lr), []
    for _ in range(steps):
        picked = torch.randint(0, 1500, (batch_size,), generator=generator)
        loss = F.cross_entropy(net(digit_images[picked]), digit_labels[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return net, losses


def accuracy(net, images, labels):
    """The share of right answers, in whatever mode the net is."""
    with torch.no_grad():
        return (net(images).argmax(1) == labels).float().mean().item()


with try_it("BatchNorm2d"):
    BatchNorm2d(1)  # waits here as long as the layer is not written
    results = {}
    figure, axes = plt.subplots(figsize=(6.5, 3.2))
    for name, norm, style, colours in [("plain", None, "--", (plots.ORANGE, plots.RED)),
                                       ("your BatchNorm", BatchNorm2d, "-", (plots.SKY, plots.BLUE))]:
        for lr, colour in zip((0.1, 0.5), colours, strict=True):
            net, losses = train(norm, lr)
            results[name, lr] = accuracy(net.eval(), digit_images[1500:], digit_labels[1500:])
            axes.plot(losses, style, color=colour, label=f"{name}, learning rate {lr}: {results[name, lr]:.0%} right")
    axes.set(xlabel="step", ylabel="loss", ylim=(0, 3.6))
    axes.legend(fontsize=8, loc="upper right")
    plt.show()

# %% tags=["demo"]
with try_it("BatchNorm2d"):
    BatchNorm2d(1)
    for name in ("plain", "your BatchNorm"):
        right = results[name, 0.1]
        words = "more than 85 of 100" if right > 0.85 else "less than 40 of 100" if right < 0.4 else f"{right:.0%}"
        print(f"learning rate 0.1, {name}: right in {words}")

# %% [markdown]
# At 0.1 the plain net never leaves 2.3, the loss of guessing among ten. At 0.5 it sits there for some thirty steps, and
# then it learns after all, in leaps up and down. It needs a better initialisation, a better optimiser, or patience.
# With BatchNorm both learning rates will do, although one is five times the other.
#
# How much does BatchNorm forgive? Multiply the first weights of all convolutions by a number, from a thousandth to ten,
# and train sixty steps as before. Group norm ([](#other_axes)) is a relative that never looks at another picture.
#
# **Predict, then run.** With all weights a thousand times too small, the net with BatchNorm (a) guesses, as the plain
# one does; (b) learns, but much less; (c) learns nearly as well as ever.

# %% tags=["demo", "nbval-ignore-output"]
def after_training(norm, scale):
    """Held-out accuracy after sixty steps that began with every convolution's weights times `scale`."""
    net, _ = train(norm, 0.1, scale=scale)
    return accuracy(net.eval(), digit_images[1500:], digit_labels[1500:])


scales = (1e-3, 1e-2, 0.1, 1, 3, 10)
figure, axes = plt.subplots(figsize=(6.5, 3))
for name, norm, style, colour in [("plain", None, "o--", plots.ORANGE),
                                  ("batch norm", nn.BatchNorm2d, "s-", plots.BLUE),
                                  ("group norm, 4 groups", lambda width: nn.GroupNorm(4, width), "^-", plots.GREEN)]:
    right = [after_training(norm, scale) for scale in scales]
    axes.semilogx(scales, right, style, color=colour, label=name)
    print(f"{name:21}", *(f"{scale:g}: {share:.0%}  " for scale, share in zip(scales, right, strict=True)))
axes.set(xlabel="first weights times", ylabel="right after 60 steps", ylim=(0, 1))
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (a) is true of the plain net, whose signal is gone: there is one good scale for it, near 3, and both sides of it fail.
# (b) is a fair guess, for tiny weights get a huge gradient, and one large step undoes the start. It is (c): at a
# thousandth ε is larger than the variance, and the norm does not quite put the scale right; but tiny weights get huge
# gradients, and after the first steps they have a size that suits the learning rate.
#
# </details>
#
# Why it works is still argued about. Its inventors said that it stops the inputs of a layer from drifting while the
# layers before it learn. Shibani Santurkar and others (2018) added drift on purpose, and BatchNorm still helped; they
# measured that the loss surface becomes smoother, as in our first picture.
#
# ## [](#other_axes) Other axes
#
# Mean, variance, scale, shift: the arithmetic is always the same. What one may choose is *who is averaged with whom*.
# In the picture, every square is one channel of one image: H × W numbers. Squares of one shade share a mean and a
# variance; the black frame marks one such set.
#
# ![Four grids of squares, four images as rows and six channels as columns; squares of the same shade share a mean
# and a variance. Batch norm: one shade a column. Layer norm: one shade a row. Instance norm: every square has its own
# shade. Group norm: each row is cut into two halves of three channels.](../../assets/04_batchnorm/axes.svg)
#
# | norm | averages over | how many means | other images matter |
# | --- | --- | --- | --- |
# | batch | N, H, W | C | yes, in training |
# | layer | C, H, W | N | no |
# | instance | H, W | N · C | no |
# | group | H, W and C / G channels | N · G | no |
#
# Only batch norm looks at other images. Only batch norm needs a diary and two modes.
#
# ### [](#layer_norm) Layer norm ●●○○○ 12 min
#
# Layer norm (Jimmy Ba, Jamie Kiros and Geoffrey Hinton, 2016) is what transformers use: every token is normalised on
# its own. Write `layer_norm(x, weight, bias, eps=1e-5)`. It averages the *last* axes of x, as many as `weight` has;
# `weight` and `bias` have the same shape, and each averaged number has its own.
#
# By hand: x = `[[1, 3, 5, 7], [2, 2, 2, 6]]` and a weight of shape (4,), all ones. Row one has mean 4 and variance 5
# and gives −1.342, −0.447, 0.447, 1.342. Row two has mean 3 and variance 3 and gives **−0.577, −0.577, −0.577,
# 1.732**. The rows know nothing of each other.
#
# - For (N, D) and a weight of shape (D,), every row is normalised on its own.
# - For (N, L, D) and a weight of shape (D,), every position of every example is.
# - For (N, C, H, W) and a weight of shape (C, H, W), every picture is normalised as a whole, and each of its numbers
#   has a weight and a bias of its own.
# - In general the last `weight.ndim` axes are averaged, as many as `weight` has.
# - The variance is divided by the number of averaged values, not by one less.
# - `eps` stands inside the root, as before.
# - Numbers such as 1000 ± 1 are normalised to a thousandth here, too.
# - Nothing given is changed; float64 in gives float64 out; gradients flow through all of it.
# - PyTorch's own batch, layer and group norms are off limits.
#
# <details><summary>Hint 1: counting from behind</summary>
#
# Axes may be negative: −1 is the last. And no reshaping of `weight` is needed this time. Why?
#
# </details>

# %% nbgrader={"grade_id": "layer_norm", "solution": true}
def layer_norm(x, weight, bias, eps=1e-5):
    """Normalise the last axes of every example, as many as weight has, then scale and shift each number.

    Args:
        x: (..., *weight.shape).
        weight, bias: of the shape of the averaged axes, as (D,) or (C, H, W).
        eps: added to the variance.

    Returns:
        A new tensor of the shape of x.
    """
    ### BEGIN SOLUTION
    axes = list(range(-weight.ndim, 0))
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / torch.sqrt(var + eps) * weight + bias
    ### END SOLUTION

# %% tags=["demo"]
with try_it("layer_norm"):
    x = torch.tensor([[1.0, 3, 5, 7], [2, 2, 2, 6]])
    print(layer_norm(x, torch.ones(4), torch.zeros(4)).round(decimals=3))
    x[1] = torch.tensor([0.0, 100, 0, 100])  # another neighbour: the first row does not mind
    print(layer_norm(x, torch.ones(4), torch.zeros(4)).round(decimals=3))

# %% nbgrader={"grade_id": "layer_norm_exam", "grade": true}
examine("layer_norm", layer_norm)

# %% [markdown]
# ### [](#group_norm) Group norm ●●●○○ 15 min
#
# Large pictures leave room for two of them in memory, and a mean over two pictures may be a guess. Group norm (Yuxin Wu
# and Kaiming He, 2018) averages within a picture, over a *group* of channels. Write `group_norm(x, num_groups, weight,
# bias, eps=1e-5)`; C is a multiple of `num_groups`.
#
# By hand: one picture, four channels of one pixel, 1, 3, 10, 30, and two groups. The first group is (1, 3): mean 2,
# variance 1, so −1 and 1. The second is (10, 30): mean 20, variance 100, so −1 and 1. With weights (1, 2, 3, 4) and
# zero bias: **−1, 2, −3, 4**.
#
# - Neighbouring channels form a group, C / `num_groups` of them, and each picture's group is normalised over its
#   channels and all positions.
# - `weight` and `bias` have the shape (C,): one number a channel, not one a group.
# - One group is layer norm over the whole picture.
# - C groups are instance norm: each channel of each picture on its own.
# - It takes (N, C), (N, C, L) and (N, C, H, W), also where x is not contiguous: a transposed x, for one.
# - `eps` is added to the variance, which is divided by the number of values in the group.
# - Numbers such as 1000 ± 1 are normalised to a thousandth, as ever.
# - What is given stays as it was; float64 stays float64; gradients flow through, statistics included.
# - PyTorch's own batch, layer and group norms are off limits.
#
# (With one group the statistics are layer norm's; the weight is still one a channel.)
#
# <details><summary>Hint 1: one axis becomes two</summary>
#
# Cut the channel axis C into (groups, channels within a group). Which axes are averaged then? Afterwards put x's
# shape back: the weights belong to channels.
#
# </details>

# %% nbgrader={"grade_id": "group_norm", "solution": true}
def group_norm(x, num_groups, weight, bias, eps=1e-5):
    """Normalise blocks of neighbouring channels of every picture, then scale and shift each channel.

    Args:
        x: (N, C), (N, C, L) or (N, C, H, W).
        num_groups: how many groups; C is a multiple of it.
        weight, bias: (C,).
        eps: added to the variance.

    Returns:
        A new tensor of the shape of x.
    """
    ### BEGIN SOLUTION
    groups = x.reshape(len(x) * num_groups, -1)
    var, mean = torch.var_mean(groups, 1, correction=0, keepdim=True)
    xhat = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    shape = [len(weight) if axis == 1 else 1 for axis in range(x.ndim)]
    return xhat * weight.reshape(shape) + bias.reshape(shape)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("group_norm"):
    x = torch.tensor([[1.0, 3, 10, 30]])
    print("by hand:", group_norm(x, 2, torch.tensor([1.0, 2, 3, 4]), torch.zeros(4), eps=0.0))
    dusk = (photo("china", height=120) * torch.tensor([1, 0.6, 0.35])[:, None, None])[None]
    normed = [group_norm(dusk, groups, torch.ones(3), torch.zeros(3))[0] for groups in (1, 3)]
    plots.images([dusk[0], *((picture / 4 + 0.5).clamp(0, 1) for picture in normed)],
                 ["in orange light", "one group: layer norm", "three groups: instance norm"])
    plt.show()

# %% nbgrader={"grade_id": "group_norm_exam", "grade": true}
examine("group_norm", group_norm)

# %% [markdown]
# In the picture above, one group keeps the orange light, because the three colours are moved together. Three groups
# remove it: each colour is put on its own scale.
#
# What do small batches do to batch norm? Take one real digit and let a convolution look at it. Its channels are
# normalised once in the company of all digits, and then fifty times in small random company. How far is the result
# from the first one?

# %% tags=["demo"]
torch.manual_seed(0)
features = nn.Conv2d(1, 8, 3)(digits()[0]).detach()
wanted = F.batch_norm(features, None, None, training=True)[0]
generator = torch.Generator().manual_seed(0)
for batch_size in (2, 4, 16, 64, 256):
    errors = []
    for _ in range(50):
        company = torch.randint(1, len(features), (batch_size - 1,), generator=generator)
        batch = torch.cat([features[:1], features[company]])
        errors.append((F.batch_norm(batch, None, None, training=True)[0] - wanted).square().mean().sqrt())
    alone = (F.group_norm(batch, 2)[0] - F.group_norm(features, 2)[0]).abs().max()
    print(f"batches of {batch_size:3}: batch norm is off by {torch.stack(errors).mean():.2f},",
          f"group norm by {alone:.2f}")

# %% [markdown]
# In batches of two, the company a digit keeps shifts it by about an eighth of a standard deviation; in batches of 256,
# hardly at all. Some of this noise does good in training, as dropout does (random numbers set to 0). When is it too
# much?
#
# **Predict, then run.** Two kinds of nets, a hundred steps each, batches from 2 to 64: convolutions, where a channel
# has N · H · W numbers, and linear layers, where it has N. With batches of two, batch norm (a) fails in both; (b) fails
# in the linear net alone; (c) beats group norm in both.

# %% tags=["demo", "nbval-ignore-output"]
def linear_net(norm, width=64):
    """Three linear layers and a last one."""
    hidden = [layer for _ in range(3) for layer in (nn.Linear(64, width), norm(width), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, 10))


def with_batches_of(batch_size, make):
    """Held-out accuracy after a hundred steps of plain SGD."""
    torch.manual_seed(1)
    net, generator = make(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03)
    for _ in range(100):
        picked = torch.randint(0, 1500, (batch_size,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(net(digit_images[picked]), digit_labels[picked]).backward()
        optimizer.step()
    return accuracy(net.eval(), digit_images[1500:], digit_labels[1500:])


sizes = (2, 4, 8, 16, 64)
figure, panels = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
for axes, kind, make, batch in zip(panels, ("convolutions", "linear layers"), (classifier, linear_net),
                                   (nn.BatchNorm2d, nn.BatchNorm1d), strict=True):
    for name, norm, style, colour in [("batch norm", batch, "s-", plots.BLUE),
                                      ("group norm", lambda width: nn.GroupNorm(4, width), "^-", plots.GREEN)]:
        right = [with_batches_of(size, lambda make=make, norm=norm: make(norm)) for size in sizes]
        axes.semilogx(sizes, right, style, color=colour, label=name, base=2)
        print(f"{kind:14} {name}", *(f"  {size}: {share:.0%}" for size, share in zip(sizes, right, strict=True)))
    axes.set(title=kind, xlabel="batch size", ylim=(0, 1))
panels[0].set_ylabel("right after 100 steps")
panels[1].legend(fontsize=8)
plt.show()

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (a) is what one often reads, with the advice to take group norm below batches of 16. It comes from large nets on
# photographs: there Wu and He (2018) measured that batch norm's error rises by eleven points from batches of 32 to
# batches of 2, and group norm's not at all. (c) looks only at the left panel. It is (b): two 8×8 pictures are 128
# numbers a channel, and 32 in the later layers, and their mean is no bad guess. In a linear layer a channel has two
# numbers, and after normalising it is −1 and 1 whatever they were.
#
# </details>
#
# So count numbers a channel, too, not pictures alone: with a handful of them, use a norm that does not look at the
# batch. (Many are no guarantee: the pixels of one photograph resemble each other.)
#
# ## [](#disappears) The layer that disappears
#
# In evaluation mode the statistics are constants. BatchNorm then multiplies each channel by one number and adds
# another. The convolution before it multiplies and adds, too, and two such layers in a row are one.
#
# $$\gamma \, \frac{(w * x + b) - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta \;=\; w' * x + b'$$
#
# Programs that only run a net, on a phone for instance, do this first: the BatchNorms are gone, the results are the
# same.
#
# ### [](#fold_batch_norm) Fold it in (long) ●●●○○ 20 min
#
# Write `fold_batch_norm(conv, bn)` for an `nn.Conv2d` and the `nn.BatchNorm2d` that follows it. It returns one new
# `nn.Conv2d`. Solve the equation above for w′ and b′; every output channel has its own γ, β, μ, σ.
#
# By hand: a 1×1 convolution with w = 3 and b = 1, then μ = 2, σ² = 4, ε = 0, γ = 6, β = 5. The scale is 6 / √4 = 3,
# so w′ = 3 · 3 = **9** and b′ = (1 − 2) · 3 + 5 = **2**. Check with x = 1: conv gives 4, BatchNorm gives 6 · (4 − 2)
# / 2 + 5 = 11, and 9 · 1 + 2 = 11.
#
# - For every x the new layer gives what `bn(conv(x))` gives in evaluation mode.
# - The scale belongs to the output channels, also where there are as many going in.
# - A convolution without a bias gets one.
# - Channels, kernel size, stride, padding, dilation, groups and padding mode are those of `conv`.
# - It works for grouped and depthwise convolutions.
# - A `bn` with `affine=False` counts as γ = 1, β = 0.
# - `eps` is that of `bn`, inside the root.
# - Fold the running statistics also while `bn` is in training mode; the mode stays.
# - `conv` and `bn` stay as they were, and share no memory with the new layer. PyTorch's own fusion
#   (`torch.nn.utils.fusion`) is off limits.
# - The result is an `nn.Conv2d`; its `weight` and `bias` are `nn.Parameter`s without a graph, of the dtype of `conv`.
#   (`bn` has the same.)
#
# <details><summary>Hint 1: one scale a channel</summary>
#
# Name the factor γ / √(σ² + ε). Everything that the convolution puts out is multiplied by it: w, b, and −μ.
#
# </details>
# <details><summary>Hint 2: a layer like another</summary>
#
# `copy.deepcopy` makes a layer with the same stride, padding and so on. Or create one from `conv`'s attributes.
#
# </details>

# %% nbgrader={"grade_id": "fold_batch_norm", "solution": true}
def fold_batch_norm(conv, bn):
    """One convolution that does what `bn(conv(x))` does in evaluation mode.

    Args:
        conv: an `nn.Conv2d`, with or without bias, with any groups.
        bn: the `nn.BatchNorm2d` after it, with running statistics, affine or not.

    Returns:
        A new `nn.Conv2d` with a bias. The two given layers are left alone.
    """
    ### BEGIN SOLUTION
    gamma, beta = (bn.weight, bn.bias) if bn.affine else (1, 0)
    bias = 0 if conv.bias is None else conv.bias
    scale = gamma / torch.sqrt(bn.running_var + bn.eps)
    weight, shift = conv.weight * scale[:, None, None, None], beta + (bias - bn.running_mean) * scale
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
                       conv.groups, padding_mode=conv.padding_mode)
    folded.weight, folded.bias = nn.Parameter(weight), nn.Parameter(shift)
    return folded
    ### END SOLUTION

# %% tags=["demo"]
with try_it("fold_batch_norm"):
    conv, bn = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0.0)
    with torch.no_grad():
        for tensor, value in [(conv.weight, 3.0), (conv.bias, 1.0), (bn.running_mean, 2.0), (bn.running_var, 4.0),
                              (bn.weight, 6.0), (bn.bias, 5.0)]:
            tensor.fill_(value)
    folded = fold_batch_norm(conv, bn.eval())
    print("by hand: w′ =", folded.weight.item(), " b′ =", folded.bias.item())

    net, _ = train(nn.BatchNorm2d, 0.1)
    net.eval()
    layers, pieces = [], list(net)
    for piece, following in zip(pieces, [*pieces[1:], None], strict=True):
        if isinstance(following, nn.BatchNorm2d):
            layers.append(fold_batch_norm(piece, following))
        elif not isinstance(piece, nn.BatchNorm2d):
            layers.append(piece)
    short = nn.Sequential(*layers)
    print(f"a trained net: {len(net)} layers, folded: {len(short)};",
          f"largest difference of the outputs: {(net(digit_images) - short(digit_images)).abs().max():.2f}")

# %% nbgrader={"grade_id": "fold_batch_norm_exam", "grade": true}
examine("fold_batch_norm", fold_batch_norm)

# %% [markdown]
# ## Statistics anew
#
# A running statistic is a guess that trails behind. Early in training it describes a net that no longer exists. And who
# forgets `eval()` when he looks at other pictures writes them in. Both leave the weights alone, and both show in
# evaluation only:

# %% tags=["demo", "nbval-ignore-output"]
def held_out_accuracy(net):
    """In evaluation mode."""
    return accuracy(net.eval(), digit_images[1500:], digit_labels[1500:])


young, _ = train(nn.BatchNorm2d, 0.1, steps=10)
print(f"after ten steps, with the batch's statistics: "
      f"{accuracy(young.train(), digit_images[1500:], digit_labels[1500:]):.0%} right")
young, _ = train(nn.BatchNorm2d, 0.1, steps=10)
print(f"after ten steps, with the running ones:       {held_out_accuracy(young):.0%}")
spoiled, _ = train(nn.BatchNorm2d, 0.1)
print(f"after sixty steps:                            {held_out_accuracy(spoiled):.0%}")
spoiled.train()
with torch.no_grad():
    for noise in torch.randn(20, 8, 1, 8, 8, generator=torch.Generator().manual_seed(0)):
        spoiled(noise)
print(f"and after it has seen noise in training mode: {held_out_accuracy(spoiled):.0%}")

# %% [markdown]
# The cure costs no training: forget the statistics and measure them again, on the training pictures, with the weights
# as they are now.
#
# ### [](#recalibrate) Measure again ●●○○○ 12 min
#
# Write `recalibrate(net, loader)`. It gives every BatchNorm in `net` new running statistics, from one pass over
# `loader`, and returns nothing.
#
# By hand: one channel, two batches with the means 1 and 4 and the unbiased variances 2 and 8. Whatever stood there
# before, afterwards `running_mean` is **2.5**, `running_var` **5** and `num_batches_tracked` **2**.
#
# - Afterwards `running_mean` and `running_var` of every norm are the plain average of what the batches had, whatever
#   they were before. (Norms are `nn.BatchNorm1d`, `2d` and `3d`, however deep, each with running statistics.)
# - Each batch counts the same, a smaller last one, too.
# - `num_batches_tracked` is the number of batches.
# - While it measures, the norms are in training mode and all else is in evaluation mode: dropout would change what is
#   measured.
# - `loader` is anything that gives pairs (x, y) when looped over, each batch perhaps only once.
# - Each norm has its own `momentum` back, None among them.
# - Every module has its own mode back.
# - No graph is built, no parameter changes, none gets a gradient.
# - PyTorch's own `torch.optim.swa_utils.update_bn` is off limits.
#
# <details><summary>Hint 1: the plain average</summary>
#
# You have met the setting that makes a BatchNorm average all batches alike. And a BatchNorm has a method that puts its
# statistics and its counter back to the start: look through `dir(nn.BatchNorm2d)`.
#
# </details>
# <details><summary>Hint 2: what to remember</summary>
#
# Two things are changed and must come back: a mode for each module, a momentum for each norm. A dictionary may have
# modules as keys.
#
# </details>

# %% nbgrader={"grade_id": "recalibrate", "solution": true}
def recalibrate(net, loader):
    """Measure the running statistics of every BatchNorm in net anew, in one pass over loader.

    Args:
        net: any module; its modes and its norms' momenta are as before afterwards.
        loader: gives pairs x (N, ...), y; the labels are not needed.
    """
    ### BEGIN SOLUTION
    modes = {module: module.training for module in net.modules()}
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    momenta = {module: module.momentum for module in modes if isinstance(module, kinds)}
    net.eval()
    for norm in momenta:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        for x, _ in loader:
            net(x)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("recalibrate"):
    layer = nn.BatchNorm1d(1)
    recalibrate(layer, [(torch.tensor([[0.0], [2.0]]), None), (torch.tensor([[2.0], [6.0]]), None)])
    print("by hand:", layer.running_mean.item(), layer.running_var.item(), layer.num_batches_tracked.item())
    batches = list(zip(digit_images[:1500].split(100), digit_labels[:1500].split(100), strict=True))
    for name, net in (("ten steps old", young), ("spoiled with noise", spoiled)):
        before = held_out_accuracy(net)
        recalibrate(net, batches)
        print(f"{name:18}  before {before:.0%}, measured again {held_out_accuracy(net):.0%}")

# %% nbgrader={"grade_id": "recalibrate_exam", "grade": true}
examine("recalibrate", recalibrate)

# %% [markdown]
# ## What can go wrong
#
# BatchNorm is behind many strange bugs, because it does one thing in training and another in evaluation. Here are
# the classics, each of them run. Most raise no error: say what you expect before you run a cell.
#
# **`eval()` was forgotten.** The test digits come sorted, all the zeros first, then the ones, in batches of eight.
#
# **Predict, then run.** The net of sixty steps is left in training mode. It sees one digit, first in the company of 31
# zeros, then of 31 ones, then of 31 sevens. The digit is a one. It is least sure that it is a one (a) among the zeros,
# for they are most unlike it; (b) among the ones; (c) never: the weights are the same, so the answer is.

# %% tags=["demo", "nbval-ignore-output"]
net, _ = train(nn.BatchNorm2d, 0.1)
trained = {name: tensor.clone() for name, tensor in net.state_dict().items()}
order = digit_labels[1500:].argsort(stable=True)
held_out, held_labels = digit_images[1500:][order], digit_labels[1500:][order]


def accuracy_in_batches(net, batch_size):
    """Accuracy over the sorted held-out digits, a batch at a time."""
    parts = zip(held_out.split(batch_size), held_labels.split(batch_size), strict=True)
    return sum(accuracy(net, images, labels) * len(labels) for images, labels in parts) / len(held_labels)


errors = {mode: 1 - accuracy_in_batches(net.train(mode), 8) for mode in (False, True)}
print(f"wrong in evaluation mode: {errors[False]:.0%}   in training mode: {errors[True]:.0%}")

net.load_state_dict(trained)
net.train()
one, answer = digit_images[1500:1501], digit_labels[1500].item()
certain, pictures, titles = {}, [one[0]], [f"this {answer}"]
for kind in (0, 1, 7):
    company = digit_images[:1500][digit_labels[:1500] == kind][:31]
    with torch.no_grad():
        certain[kind] = F.softmax(net(torch.cat([one, company])), 1)[0, answer].item()
    pictures.append(company[:16].reshape(4, 4, 8, 8).transpose(1, 2).reshape(32, 32))
    titles.append(f"among {kind}s: {certain[kind]:.0%} sure")
plots.images(pictures, titles)
plt.show()

# %% tags=["demo"]
for found, claim in ((errors[True] > 1.5 * errors[False], "half as many errors again in training mode, or more"),
                     (certain[1] < min(certain[0], certain[7]) - 0.2, "less sure by 20 points or more among its kind")):
    print(claim if found else f"NOT {claim}")

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (c) is true in evaluation mode. (a) sounds right, as if strangers confused it; but unlike company leaves a one what
# makes it a one. It is (b): ones are normalised with ones, and what they have in common, which is that they are ones,
# is subtracted.
#
# </details>
#
# No error was raised, and the result looks plausible. That is what makes this mistake so hard to notice. Such a test
# also *writes into the diary*: afterwards the running statistics hold what the last batches looked like. Here the last
# batches were eights and nines alone; with noise, above, you have seen what such a thing can do.
#
# **Now you.** This layer trains as it should, and in evaluation its outputs are wrong. Numbers of spread 5 go in, so 1
# should come out in both modes. Run the cell, look at the numbers (the running variance, the two spreads), find the
# line and mend it, until both spreads are 1.0.

# %% tags=["demo"]
class Faulty(nn.Module):
    """A BatchNorm for (N, C) without weight and bias. One line is wrong."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))

    def forward(self, x):
        if not self.training:
            return (x - self.mean) / torch.sqrt(self.var + 1e-5)
        var, mean = torch.var_mean(x, 0)
        with torch.no_grad():
            self.mean += 0.1 * (mean - self.mean)
            self.var += 0.1 * (var.sqrt() - self.var)
        return (x - mean) / torch.sqrt(x.var(0, correction=0) + 1e-5)


layer, generator = Faulty(3), torch.Generator().manual_seed(0)
for _ in range(100):
    trained = layer(5 * torch.randn(256, 3, generator=generator))
evaluated = layer.eval()(5 * torch.randn(256, 3, generator=generator))
print("running variance:", [round(value, 1) for value in layer.var.tolist()])
print(f"spread in training {trained.std():.1f}, in evaluation {evaluated.std():.1f}")

# %% [markdown]
# <details><summary>Which line it was</summary>
#
# The running variance is 5. That is the spread itself: the line that updates `self.var` is fed `var.sqrt()`, and
# evaluation takes the root once more. Evaluation divides by √5 where it should divide by 5. Nothing in training ever
# reads this number, so no loss, no gradient and no training accuracy will tell you.
#
# </details>
#
# **A batch of one.** One vector has no spread. PyTorch refuses, and it is right: every output would be β.

# %% tags=["demo"]
try:
    nn.BatchNorm1d(4)(torch.randn(1, 4))
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# You meet it in practice when the last batch of an epoch has one picture left over. The cure is `DataLoader(...,
# drop_last=True)`.
#
# **Statistics that are plain attributes.** The layer works, until it is saved, or moved to another device.

# %% tags=["demo"]
class Forgetful(nn.Module):
    """Keeps its running mean as an attribute like any other."""

    def __init__(self):
        super().__init__()
        self.running_mean = torch.zeros(3)


forgetful = Forgetful().double()
print("in the state dict:", list(forgetful.state_dict()), "  after .double():", forgetful.running_mean.dtype)

# %% [markdown]
# **Statistics that remember a graph.** Written without `no_grad`, the running mean of step 100 still holds on to
# the very first batch.

# %% tags=["demo"]
leaf = torch.ones(4, 3, requires_grad=True)
kept = torch.zeros(3)
for _ in range(100):
    kept = 0.9 * kept + 0.1 * leaf.mean(0)
node, length = kept.grad_fn, 0
while node is not None:
    node, length = next((parent for parent, _ in node.next_functions if parent is not None), None), length + 1
print("operations in a row, remembered after 100 steps:", length)

# %% [markdown]
# **The variance from squares.** E[x²] − E[x]² is a fine formula on paper. Around 10,000 it subtracts a hundred million
# from a hundred million, and float32 knows those in steps of eight.

# %% tags=["demo"]
x = 10_000 + torch.randn(1000, generator=torch.Generator().manual_seed(0))
squares = ((x * x).mean() - x.mean() ** 2).item()
distances = ((x - x.mean()) ** 2).mean().item()
print(f"variance from distances: {distances:.0f}   from squares:",
      "a multiple of eight" if squares % 8 == 0 else f"{squares:.2f}")

# %% [markdown]
# **The wrong variance in the diary.** In training all is well, so nobody notices. With batches of two numbers the
# variance divided by n is on average only half of what evaluation will meet, and every output there is √2 times too
# large.

# %% tags=["demo"]
batches = torch.randn(10_000, 2, generator=torch.Generator().manual_seed(0))
print(f"true variance 1; average of the batches, divided by n: {batches.var(1, correction=0).mean():.1f},",
      f"by n − 1: {batches.var(1).mean():.1f}")

# %% [markdown]
# **Momentum the wrong way round.** Whoever thinks of an optimiser writes 0.9. The diary then remembers little more than
# the last batch.
#
# **Predict, then run.** Around its true value 0.5 the running mean trembles by 0.03 with 0.1. With 0.9 it trembles (a)
# as much, for the batches are the same; (b) four times as much; (c) nine times as much.

# %% tags=["demo"]
for momentum in (0.1, 0.9):
    layer, generator, means = nn.BatchNorm1d(1, momentum=momentum), torch.Generator().manual_seed(0), []
    for _ in range(500):
        layer(torch.rand(4, 1, generator=generator))
        means.append(layer.running_mean.item())
    print(f"momentum {momentum}: running_mean 0.5 ± {torch.tensor(means[100:]).std():.2f}")

# %% [markdown]
# (b). A momentum m leaves √(m / (2 − m)) of a single batch's trembling: 0.23 for 0.1, 0.90 for 0.9.
#
# **No ε, or ε in the wrong place.** A dead channel is constant: without ε it becomes NaN, and the NaN takes the whole
# net with it. Outside the root, ε is a different number.

# %% tags=["demo"]
constant, quiet, eps = torch.full((4,), 3.0), 0.003 * torch.tensor([-1.0, -1, 1, 1]), 1e-5
print("no eps:          ", (constant - constant.mean()) / constant.std(correction=0))
inside = (quiet / torch.sqrt(quiet.var(correction=0) + eps))[-1].item()
outside = (quiet / (quiet.std(correction=0) + eps))[-1].item()
print(f"a channel of ±0.003: eps inside the root gives {inside:.2f}, outside {outside:.2f}")

# %% [markdown]
# **A bias before BatchNorm.** The convolution adds b, BatchNorm subtracts the mean, and with it b. The bias does
# nothing and its gradient is zero, but for rounding; write `nn.Conv2d(..., bias=False)` and save the parameters. β does
# its work.

# %% tags=["demo"]
torch.manual_seed(0)
conv, bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
bn(conv(digits()[0][:64])).pow(3).sum().backward()
print(f"largest gradient of a bias {conv.bias.grad.abs().max():.1f},",
      f"of a weight about {round(conv.weight.grad.abs().max().item(), -2):,.0f}")

# %% [markdown]
# ## What to keep
#
# 1. Normalising shifts and stretches: mean 0, variance 1 (almost, because of ε), then γ and β. It does *not* make
#    anything normally distributed.
# 2. Batch norm averages over N, H and W, one mean a channel. In training it uses the batch, so every picture moves
#    every other one's output and gradient.
# 3. In evaluation it uses running statistics. They start at 0 and 1 and take in a share of `momentum` from every
#    batch: 0.05 and 0.908 after one batch of uniform noise. `net.eval()` before the test, `net.train()` after it.
# 4. The output is normalised with the variance divided by n; the running variance is fed the one divided by n − 1. ε
#    stands inside the root.
# 5. Layer, instance and group norm are the same arithmetic over other axes. They never look at another picture, so they
#    need no running statistics, and their numbers are the same in small batches.
#
# And the two nets of the beginning? The plain one was not worse made. Its digits had faded on the way, and a step of
# 0.1 was far too short for what was left. One layer that measures a mean and a variance gave every step a bowl to roll
# in.
#
# **In production:** `nn.BatchNorm2d(C)` after a convolution with `bias=False`; `nn.LayerNorm`, `nn.GroupNorm`,
# `nn.InstanceNorm2d`; `F.batch_norm`, `F.layer_norm`, `F.group_norm` as functions;
# `torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)` folds; `torch.optim.swa_utils.update_bn(loader, net)` measures
# again.
#
# **Where to read more:**
#
# - *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*, S. Ioffe and C.
#   Szegedy, 2015
# - *Layer Normalization*, J. L. Ba, J. R. Kiros and G. E. Hinton, 2016
# - *Instance Normalization: The Missing Ingredient for Fast Stylization*, D. Ulyanov, A. Vedaldi and V. Lempitsky,
#   2016
# - *Group Normalization*, Y. Wu and K. He, 2018
# - *How Does Batch Normalization Help Optimization?*, S. Santurkar, D. Tsipras, A. Ilyas and A. Mądry, 2018
# - *Efficient BackProp*, Y. LeCun, L. Bottou, G. B. Orr and K.-R. Müller, 1998: why inputs are normalised, from the
#   curvature of the loss
