# %% [markdown] with_reading=210
# # 3 · ReLU: the bend that makes a network more than a sum
#
# Here are two nets. Each has 30 layers of 64 units and the same weights, and each sees the same digits. In one of them
# the gradient that reaches the first layer has the size 4,000. In the other it has the size 0.000000000002, and no
# training in the world moves that layer. The two nets differ in one word: `ReLU` stands in one where `Sigmoid` stands
# in the other. This chapter is about that word. At its end you find a sick net by two numbers, and train a net that is
# made of your own parts.
#
# **At the end** you can write ReLU and its relatives, forward and backward, say why deep sigmoid networks did not learn
# and ReLU networks do, and start a 30-layer network so that its gradients arrive.
#
# **Before** you need tensors, `requires_grad` and `backward()`, and the idea of a layer with weights.
#
# **Time**: about {hours} hours: {minutes} minutes for the {exercises} exercises ({points} points), the rest for the
# text and the experiments.
#
# **The short way** ({minutes relu ReLUFunction sigmoid layer_gradients kaiming_normal_} minutes,
# {points relu ReLUFunction sigmoid layer_gradients kaiming_normal_} points): `relu`, `ReLUFunction`, `sigmoid`,
# `layer_gradients`, `kaiming_normal_`. Read [](#two_layers), [](#way_back), [](#older_curve), [](#thirty_layers) and
# [](#right_start), and run the cells between. The hardest of them is marked *hard*: take your time there.

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import data, examine, plots, try_it

plots.use_style()

# %% [markdown]
# ## [](#two_layers) Two layers that are one
#
# Stack a linear layer on a linear layer. How much more can two do than one? Count before you run the cell: the two
# below have 64·32 + 32·10 = 2,368 weights.

# %% tags=["demo"]
torch.manual_seed(0)
first, second = nn.Linear(64, 32, bias=False), nn.Linear(32, 10, bias=False)
digits, labels = data.digits()
x = digits[:100].flatten(1)

merged = second.weight @ first.weight
difference = (second(first(x)) - x @ merged.T).abs().max().item()
print("one matrix:", tuple(merged.shape), "with", merged.numel(), "weights")
print(f"largest difference between both ways: {difference:.5f}")

# %% [markdown]
# Nothing more. A sum of sums is a sum, so a hundred linear layers (or convolutions, which are linear, too) collapse
# into one. Something has to bend between them. The simplest bend there is:
#
# $$\mathrm{ReLU}(x) = \max(x, 0)$$
#
# ReLU stands for *rectified linear unit*. It has no weights and looks at each number alone. You can call it as a
# function or put it into a net as a module; both do the same.

# %% tags=["demo"]
row = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
print(F.relu(row).tolist())
print(nn.ReLU()(row).tolist())

# %% [markdown]
# What is lost is visible. A filter for vertical edges answers to a photograph with both signs: positive where the
# picture gets brighter to the right, negative where it gets darker. ReLU keeps one half. A second filter with the
# opposite sign keeps the other, and the layers above now know which is which.
#
# ![A photograph of a pagoda; its vertical edges in two colours, one for each sign; and the two halves that ReLU keeps,
# white on black](../../assets/03_relu/photograph.svg)
#
# ### [](#relu) The bend ●○○○○ 5 min
#
# Write `relu(x)`, element by element:
#
# $$y_i = \max(x_i, 0)$$
#
# By hand: `[-2, 0, 0.5, 3]` becomes `[0, 0, 0.5, 3]`.
#
# - What is above 0 passes; everything else becomes 0.
# - `x` has any shape, from a single number to (N, C, H, W); the result has the same shape.
# - `x` stays as it was: the result is a new tensor.
# - Gradients flow through, 1 where `x` passed and 0 where it did not. (At exactly 0 they are not examined.)
# - The dtype stays (float32, float64), and `x` need not be contiguous.
# - PyTorch's own ReLU is off limits, under any name: `torch.relu`, `F.relu`, `nn.ReLU`, and `F.threshold`, `F.prelu`,
#   `F.leaky_relu`, `F.rrelu`. Everything else is yours.
#
# <details><summary>Hint 1: which operation?</summary>
#
# There are several that need no loop: cutting off at a floor, choosing between two tensors by a condition, comparing
# two tensors number by number. Beware of `torch.max(x, 0)`: read what its second argument means.
#
# </details>

# %% nbgrader={"grade_id": "relu", "solution": true}
def relu(x):
    """The rectified linear unit, element by element.

    Args:
        x: any shape, floating dtype; left alone.

    Returns:
        A new tensor of the same shape and dtype: max(x, 0).
    """
    ### BEGIN SOLUTION
    return x.clamp(min=0)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("relu"):
    print(relu(torch.tensor([-2.0, 0.0, 0.5, 3.0])).tolist())
    grey = data.photo("china", 150).mean(0)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    edges = F.conv2d(grey[None, None], sobel[None, None])[0, 0]
    plots.images([relu(edges), relu(-edges), relu(edges) - relu(-edges)],
                 ["relu(edges)", "relu(−edges)", "their difference"], vmin=-1, vmax=1)
    print("relu(e) − relu(−e) is e again:", torch.equal(relu(edges) - relu(-edges), edges))

# %% nbgrader={"grade_id": "relu_exam", "grade": true}
examine("relu", relu)

# %% [markdown]
# ## In place: half the memory, and a trap
#
# The lecture notes this course grew out of write `nn.ReLU(inplace=True)`. The result then goes into the memory of the
# input:

# %% tags=["demo"]
row = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0])
result = nn.ReLU(inplace=True)(row)
print("row is now:   ", row.tolist())
print("same tensor:  ", result is row)

# %% [markdown]
# Why would one want that? The output of the first convolution of a ResNet, for a batch of 256 photographs, is (256, 64,
# 112, 112): 206 million numbers, 822 MB. A second tensor for its ReLU costs 822 MB more; in place costs nothing. The
# price: whoever still needs the old numbers has lost them. What that does to a shortcut, and to autograd, you will see
# under "What can go wrong".
#
# In PyTorch a method that works in place ends in an underscore and returns the tensor it changed.
#
# ### [](#relu_) The same bend, in place ●●○○○ 10 min
#
# Write `relu_(x)`: after the call, every number of `x` that was not above 0 is 0.
#
# By hand: `x = torch.tensor([-1., 2.])`; after `y = relu_(x)`, `x` is `[0, 2]`, and `y is x` is `True`.
#
# - What comes back holds the same numbers as `relu(x)`.
# - After the call, `x` itself holds them.
# - It returns `x`: not a copy, not a second name for the same memory, but the very tensor that it was given.
# - It allocates nothing of `x`'s size on the way: no copy, and no mask either. (`x < 0` is a mask: a tensor with a byte
#   for each number of `x`.)
# - `x` may be a view, every second column of a larger tensor for instance. Those columns change, the others do not.
# - Any shape and any floating dtype will do.
# - `x` takes no part in autograd here (it does not require a gradient). PyTorch's own ReLUs are off limits, as before.
#
# <details><summary>Hint 1: the shortest way</summary>
#
# Look at your `relu`. Does the method it uses have a twin that works in place?
#
# </details>
#
# <details><summary>Hint 2: my x does not change</summary>
#
# `x = something` gives the name `x` to another tensor. It changes no memory. Methods with an underscore at the end do,
# and so do functions with an `out=` argument.
#
# </details>

# %% nbgrader={"grade_id": "relu_", "solution": true}
def relu_(x):
    """ReLU in place: x is overwritten by max(x, 0), without a second tensor.

    Args:
        x: any shape, floating dtype, any layout in memory; requires no gradient.

    Returns:
        `x` itself.
    """
    ### BEGIN SOLUTION
    return x.clamp_(min=0)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("relu_"):
    whole = torch.tensor([[-1.0, -1, 5, -1], [-2, -2, -2, 7]])
    view = whole[:, ::2]
    result = relu_(view)
    print("columns 0 and 2 are rectified, 1 and 3 are not:", whole.tolist())
    print("the very tensor:", result is view)

# %% nbgrader={"grade_id": "relu__exam", "grade": true}
examine("relu_", relu_)

# %% [markdown]
# ## [](#way_back) The way back
#
# A layer is understood when its backward is written by hand. For ReLU that is one line, which can go wrong in three
# ways.
#
# Let $L$ be the loss and $y = \mathrm{ReLU}(x)$. What comes in from above is $\partial L/\partial y$, a tensor of the
# shape of $y$. The chain rule multiplies it by the slope of ReLU:
#
# $$\frac{\partial L}{\partial x_i} = \frac{\partial L}{\partial y_i}\cdot
# \begin{cases}1 & x_i > 0\\ 0 & x_i \le 0\end{cases}$$
#
# ![Grids of numbers: forward, three blue numbers above 0 pass and the others become 0; backward, the gradients in the
# same three places pass and the others become 0](../../assets/03_relu/backward.svg)
#
# The places that passed on the way up pass on the way down. The sign of the gradient itself does not matter: −0.3 comes
# through.
#
# **The corner.** At exactly 0 there is no slope: from the left it is 0, from the right 1. Any number between would be a
# fair choice (a *subgradient*). PyTorch's ReLU chose 0 (its `clamp` chose 1), and `ReLUFunction` takes 0. Exact zeros
# are common: where a picture is black, or the ReLUs below give nothing but 0, a unit without a bias gets exactly 0.
#
# **The memory.** Between forward and backward, something must be kept: how else would `backward` know which numbers
# passed? `torch.autograd.Function` has a place for it. Here is a function that squares, as a pattern:

# %% tags=["demo"]
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)            # ctx is new in each call; it lives until backward has run
        return x * x

    @staticmethod
    def backward(ctx, grad_out):            # grad_out: the gradient that comes in, of the result's shape
        (x,) = ctx.saved_tensors
        return grad_out * 2 * x             # one gradient for each input of forward


x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
Square.apply(x).sum().backward()            # apply, not forward: only apply tells autograd of the backward
print(x.grad.tolist())

# %% [markdown]
# ### [](#ReLUFunction) Forward and backward by hand ●●●○○ 20 min
#
# Write the class `ReLUFunction(torch.autograd.Function)` with the static methods `forward(ctx, x)` and
# `backward(ctx, grad_out)`. It is called as `ReLUFunction.apply(x)`.
#
# By hand: for `x = [1.5, -2, 0]` and an incoming gradient `[0.2, 0.7, -0.4]`, the gradient of `x` is `[0.2, 0, 0]`.
#
# - `forward` returns ReLU(x) as a new tensor; `x` stays as it was.
# - `backward` multiplies the gradient that comes in by the slope: 1 where `x` was above 0, 0 elsewhere.
# - At exactly 0, where the curve has its corner, the gradient is 0.
# - Keep one tensor for `backward`, with no more bytes than `x` has, and hand it over through `ctx.save_for_backward`.
#   (`ctx.x = x` would hide `x` from autograd, which can then not warn you when somebody overwrites it. Only a mask,
#   which nobody else holds, may be an attribute.)
# - The gradient that comes in is not yours: it stays as it was.
# - Two calls do not disturb each other: each `backward` uses what its own `forward` kept.
# - PyTorch's own ReLUs are off limits, as before.
#
# <details><summary>Hint 1: what to keep</summary>
#
# Three different tensors would do, each of them alone: the input, the output, a mask. Is there a number for which input
# and output disagree about "above 0"?
#
# </details>
#
# <details><summary>Hint 2: the gradient changed under my hands</summary>
#
# `grad_out[...] = 0` and `grad_out *= ...` write into a tensor that autograd may hand to somebody else as well. A
# product or `torch.where` makes a new one.
#
# </details>

# %% nbgrader={"grade_id": "ReLUFunction", "solution": true}
class ReLUFunction(torch.autograd.Function):
    """ReLU with a backward pass written by hand; called as `ReLUFunction.apply(x)`."""

    @staticmethod
    def forward(ctx, x):
        """max(x, 0) as a new tensor; `x` has any shape. Keeps one tensor in `ctx`, no larger than `x`."""
        ### BEGIN SOLUTION
        result = x.clamp(min=0)
        ctx.save_for_backward(result)
        return result
        ### END SOLUTION

    @staticmethod
    def backward(ctx, grad_out):
        """The gradient with respect to `x`, from `grad_out`, the gradient with respect to the result."""
        ### BEGIN SOLUTION
        (result,) = ctx.saved_tensors
        return grad_out * (result > 0)
        ### END SOLUTION

# %% tags=["demo"]
with try_it("ReLUFunction"):
    x = torch.tensor([[1.5, -2.0, 0.0], [-0.5, 3.0, 0.5]], requires_grad=True)
    y = ReLUFunction.apply(x)
    y.backward(torch.tensor([[0.2, 0.7, -0.4], [-0.1, 0.6, -0.3]]))
    figure, axes = plt.subplots(1, 3, figsize=(7.5, 2))
    for axis, title, grid in zip(axes, ("x", "ReLUFunction.apply(x)", "x.grad"), (x, y, x.grad), strict=True):
        plots.numbers(axis, grid.detach() + 0.0, fmt="{:.1f}")
        axis.set_title(title)

# %% nbgrader={"grade_id": "ReLUFunction_exam", "grade": true}
examine("ReLUFunction", ReLUFunction)

# %% [markdown]
# ## [](#never_wake) Units that never wake up
#
# Where ReLU gives 0 it also hands down 0. Now suppose a unit gives 0 for *every* example. Then none of its weights gets
# a gradient, and plain gradient descent does not change them. In the first layer, whose inputs are always the same
# pictures, it gives 0 for ever; higher up, only luck can save it: the layers below may shift under it. Such a unit is
# dead. It costs as much as a living one and does nothing.
#
# Here is how that happens. The same small net (64 inputs, 64 and 64 ReLUs, 10 classes) learns the digits twice, once
# with a sensible learning rate of 0.1 and once with one of 2, which is 20 times as large, for ten epochs each.
#
# **Predict, then run.** What becomes of the second net? (a) It learns faster. (b) Its numbers grow until they are NaN.
# (c) It comes to rest and recognises next to nothing. Write your letter down; then run the cell.

# %% tags=["demo", "nbval-ignore-output"]
digits, labels = data.digits()
inputs = ((digits - digits.mean()) / digits.std()).flatten(1)
train_x, train_y, test_x, test_y = inputs[:1400], labels[:1400], inputs[1400:], labels[1400:]


def classifier(activation, hidden=(64, 64)):
    """A small net for the digits, its weights scaled for ReLU."""
    sizes = [64, *hidden]
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    net = nn.Sequential(*layers, nn.Linear(sizes[-1], 10))
    for module in net:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            nn.init.zeros_(module.bias)
    return net


def fit(net, rate, epochs=10):
    """Plain stochastic gradient descent, 50 digits a step; returns the accuracy on held-out digits."""
    optimizer = torch.optim.SGD(net.parameters(), rate)
    for _ in range(epochs):
        for chosen in torch.randperm(len(train_x)).split(50):
            loss = F.cross_entropy(net(train_x[chosen]), train_y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return accuracy(net)


def accuracy(net):
    with torch.no_grad():
        return (net(test_x).argmax(1) == test_y).float().mean().item()


nets, scores = {}, {}
for rate in (0.1, 2.0):
    torch.manual_seed(0)
    nets[rate] = classifier(nn.ReLU)
    scores[rate] = fit(nets[rate], rate)

figure, rows = plt.subplots(2, 1, figsize=(9, 4.6))
for axes, (rate, net) in zip(rows, nets.items(), strict=True):
    fired = net[:2](train_x[:120]).detach() > 0
    axes.imshow(fired.T, cmap="gray", aspect="auto", interpolation="nearest")
    axes.set(title=f"learning rate {rate:g}: white where a unit fires; {scores[rate]:.0%} of new digits right",
             xlabel="120 digits", ylabel="64 units", xticks=[], yticks=[])
for rate, score in scores.items():
    print(f"learning rate {rate:g}: {score:.0%} of new digits right")

# %% [markdown]
# It is (c). A black line is a unit that fires for none of these digits. A few giant steps threw the weights so far that
# for most units the sum is negative, whatever the picture. From there, no gradient leads back. The net gives the same
# answer to every digit, and one answer out of ten is right. (a) is tempting because a larger step does go further, as
# long as the slope it follows still holds where it lands. (b) happens to nets without ReLUs: here the dead units put an
# end to the growth, and nothing in the loss says why.
#
# To find out whether a net suffers from this you need a number. It is worth a line in every training log.
#
# ### [](#dead_fraction) Count the dead ●●○○○ 10 min
#
# Write `dead_fraction(activations)`: the share of units that fire for no example of the batch. By hand, for 3 examples
# and 4 units:
#
# | | unit 0 | unit 1 | unit 2 | unit 3 |
# |--|--|--|--|--|
# | example 0 | 0 | 2 | 0 | −1 |
# | example 1 | 0 | 0 | 0 | −3 |
# | example 2 | 0 | 0 | 5 | 0 |
#
# Ten of the twelve numbers are not above 0, and every example leaves units silent. But units 1 and 2 fire once each;
# units 0 and 3 never do. The result is 2/4 = `0.5`.
#
# - For a linear layer, activations are (N, C): N examples, C units.
# - For a convolution they are (N, C, H, W), and a unit is a whole channel: it is alive if it fires for any example, at
#   any place.
# - Units are always dimension 1, whatever follows: (N, C, L) works, too.
# - To fire means to be above 0. A unit that gives only zeros or negative numbers is dead.
# - The result is 0.0 where every unit fires and 1.0 where none does. It is a Python float, not a tensor.
# - `activations` are only looked at: shape and numbers stay.
#
# <details><summary>Hint 1: two steps</summary>
#
# First one answer a unit: does it fire anywhere? Then the share of those that do not. Which axes does the first step
# run over?
#
# </details>
#
# <details><summary>Hint 2: all axes but one</summary>
#
# `activations[:, 0]` is the first unit, for all examples and places. Go from unit to unit, or bring dimension 1 to the
# front and flatten the rest. (Beware of methods with an underscore: they turn the caller's tensor, too.)
#
# </details>

# %% nbgrader={"grade_id": "dead_fraction", "solution": true}
def dead_fraction(activations):
    """The share of units that are never above 0.

    Args:
        activations: (N, C), (N, C, L) or (N, C, H, W); units are dimension 1; left alone.

    Returns:
        A float from 0.0 to 1.0.
    """
    ### BEGIN SOLUTION
    silent = [(unit <= 0).all().item() for unit in activations.unbind(1)]
    return sum(silent) / len(silent)
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("dead_fraction"):
    print(dead_fraction(torch.tensor([[0.0, 2, 0, -1], [0, 0, 0, -3], [0, 0, 5, 0]])))
    for rate, net in nets.items():
        shares = [dead_fraction(net[:place](train_x)) for place in (2, 4)]
        print(f"learning rate {rate:g}: {shares[0]:.0%} of the first layer is dead, {shares[1]:.0%} of the second")

# %% nbgrader={"grade_id": "dead_fraction_exam", "grade": true}
examine("dead_fraction", dead_fraction)

# %% [markdown]
# ## A leak
#
# The cure is small. Let a little through on the negative side, and there is always a gradient, however small, that
# leads back:
#
# $$\mathrm{LeakyReLU}(x) = \begin{cases}x & x > 0\\ a\,x & x \le 0\end{cases}$$
#
# Here it stands beside ReLU and the sigmoid, the older curve that [a later section](#older_curve) is about, each
# above its slope:
#
# ![Three curves over their slopes: the sigmoid, flat at both ends, its slope at most one quarter; ReLU, slope 0 or 1;
# leaky ReLU, slope 0.1 or 1](../../assets/03_relu/curves.svg)
#
# ### [](#leaky_relu) Leaky ReLU ●○○○○ 10 min
#
# Write `leaky_relu(x, negative_slope=0.01)`.
#
# By hand: with slope 0.2, `[-5, 0, 3]` becomes `[-1, 0, 3]`; with slope 2 it becomes `[-10, 0, 3]`.
#
# - What is above 0 passes; everything else is multiplied by `negative_slope`.
# - Without a `negative_slope` the slope is 0.01.
# - With a `negative_slope` of 0 it is ReLU.
# - A slope above 1 is allowed: the negative side is then the steeper one.
# - `x` is not changed.
# - Gradients flow: 1 on the positive side, `negative_slope` on the negative one. (At exactly 0 they are not examined.)
# - Shape and dtype stay, whatever they are.
# - `F.leaky_relu`, `nn.LeakyReLU`, `F.prelu` and `F.rrelu` are off limits; ReLU is allowed.
#
# <details><summary>Hint 1: a formula that is too clever</summary>
#
# You may have seen max(x, a·x). Draw both lines for a = 2 before you use it.
#
# </details>

# %% nbgrader={"grade_id": "leaky_relu", "solution": true}
def leaky_relu(x, negative_slope=0.01):
    """ReLU with a leak: x above 0, negative_slope · x elsewhere.

    Args:
        x: any shape, floating dtype; left alone.
        negative_slope: any number from 0 upwards, also above 1.

    Returns:
        A new tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return x.clamp(min=0) + negative_slope * x.clamp(max=0)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("leaky_relu"):
    print(leaky_relu(torch.tensor([-5.0, 0.0, 3.0]), 2).tolist())
    line = torch.linspace(-3, 3, 121)
    figure, axes = plt.subplots(figsize=(5, 3))
    for slope, colour in ((0.0, plots.BLUE), (0.2, plots.GREEN), (1.0, plots.GREY), (2.0, plots.RED)):
        axes.plot(line, leaky_relu(line, slope), color=colour, label=f"slope {slope:g}", linewidth=2)
    axes.legend()
    axes.set(xlabel="x", ylabel="leaky_relu(x)", ylim=(-4, 3.2))

# %% nbgrader={"grade_id": "leaky_relu_exam", "grade": true}
examine("leaky_relu", leaky_relu)

# %% [markdown]
# Does the leak bring the dead back? Take a net whose accident has already happened: a step threw all biases of its
# hidden layer to −6, and no unit fires any more. Train it on, with a good learning rate, as it stands and with a leak
# of 0.1.

# %% tags=["demo", "nbval-ignore-output"]
recovered = {}
for name, activation in (("ReLU", nn.ReLU), ("leaky ReLU", lambda: nn.LeakyReLU(0.1))):
    torch.manual_seed(0)
    net = classifier(activation, hidden=(64,))
    with torch.no_grad():
        net[0].bias.fill_(-6)
    curve = [accuracy(net)] + [fit(net, 0.3, epochs=1) for _ in range(20)]
    recovered[name] = curve

figure, axes = plt.subplots(figsize=(6, 3))
for (name, curve), colour in zip(recovered.items(), (plots.BLUE, plots.GREEN), strict=True):
    axes.plot(curve, color=colour, label=name, linewidth=2)
axes.set(xlabel="epochs after the accident", ylabel="accuracy on new digits", xticks=range(0, 21, 5), ylim=(0, 1))
axes.legend()
for name, curve in recovered.items():
    print(f"{name:10} after the accident {curve[0]:.0%}, 20 epochs later {curve[-1]:.0%} of new digits right")

# %% [markdown]
# With ReLU the first layer is lost: only the last layer's bias still learns, so the net gives the same answer to every
# picture. The leaky one climbs out.
#
# ## [](#older_curve) The curve that came before (hard)
#
# Until about 2010 the bend was the sigmoid, or its sibling tanh:
#
# $$\sigma(x) = \frac{1}{1 + e^{-x}}, \qquad \sigma'(x) = \sigma(x)\,(1-\sigma(x))$$
#
# It still sits at the end of nets that answer yes or no, and inside recurrent nets, where it decides how much of a
# number is let through. As a bend between layers it has a flaw, and the notes name it: *badly scaled weights drive a
# sigmoid's gradient to nothing.* In numbers, for one sigmoid behind one weight:

# %% tags=["demo"]
print("   w·x       σ        slope σ'")
for z in (0.0, 1.0, 5.0, 10.0, 20.0):
    value = torch.tensor(z, dtype=torch.float64).sigmoid().item()
    print(f"{z:6.0f}   {value:8.5f}   {value * (1 - value):10.1e}")
print(f"\nthe best case, 30 sigmoids deep: 0.25^30 = {0.25**30:.1e}")

# %% [markdown]
# A weight ten times too large turns w·x = 1 into 10, and the slope falls from 0.197 to 0.000045, by a factor of 4,331.
# The weight's own gradient is x·σ′ and shrinks by all of that. What is handed down to x is w·σ′: there the large weight
# gives a factor of 10 back, and 433 remain. But read the last line, too: even the best slope is only 1/4, and slopes
# multiply. The section [](#thirty_layers) comes back to what that does, and to where the notes tell only half of the
# story.
#
# First build it. The formula is one line of code, and it is wrong in a way that no test of values will show you.

# %% tags=["demo"]
big = torch.tensor([-100.0, 0.0, 100.0], requires_grad=True)
value = 1 / (1 + torch.exp(-big))
value.sum().backward()
print("values:   ", value.tolist())
print("gradients:", big.grad.tolist())

# %% [markdown]
# The value at −100 is right by luck: $e^{100}$ does not fit into a float32 and becomes ∞, and 1/∞ is 0. Its gradient is
# 0·∞, and that is NaN. One such number in a batch, and after the next step there are weights below that are NaN; one
# batch later nothing but NaN comes out.
#
# ### [](#sigmoid) A sigmoid that survives ●●●●○ 20 min
#
# Write `sigmoid(x)`, in any form that is stable.
#
# By hand: σ(0) = 1/2. σ(ln 3) = 1/(1 + 1/3) = 3/4, and there the gradient is 3/4 · 1/4 = 3/16.
#
# - σ(x) = 1 / (1 + e⁻ˣ), for each number of `x` alone; the shape stays.
# - In float32, far out to −1000 and 1000, the result is 0 and 1, never NaN.
# - Gradients flow through; they equal σ(x)·(1 − σ(x)).
# - The gradient is as well-behaved as the value: 0 at −1000 and at 1000, never NaN.
# - At exactly 0 the gradient is 1/4, the steepest point of the curve.
# - float64 stays float64, a non-contiguous `x` is welcome, and `x` is left untouched.
# - PyTorch's sigmoid is off limits, under any name (`torch.sigmoid`, `F.sigmoid`, `nn.Sigmoid`, `torch.special.expit`),
#   and so are `F.silu` and `F.glu`, which contain it. `exp`, `tanh` and the rest are yours.
#
# The exam allows for rounding: in float32 an error of 0.00001 is forgiven, so any stable form will do.
#
# <details><summary>Hint 1: where it hurts</summary>
#
# `exp` of a large positive number is the only thing that overflows. `exp` of a large negative number is 0, and
# harmless. For which sign of x is 1/(1 + e⁻ˣ) safe? Multiply numerator and denominator by eˣ: for which sign is the
# result safe?
#
# </details>
#
# <details><summary>Hint 2: I use torch.where and still get NaN</summary>
#
# `torch.where` computes both sides and then chooses. On the way back, the side not chosen gets the gradient 0, and 0
# times an infinite slope is NaN. Choose *before* `exp`, so that it never sees a number that is too large.
#
# </details>
#
# <details><summary>Hint 3: another curve of the same shape</summary>
#
# tanh(z) = (eᶻ − e⁻ᶻ)/(eᶻ + e⁻ᶻ) runs from −1 to 1, and PyTorch's is stable. Put z = x/2 and divide both by eᶻ.
#
# </details>

# %% nbgrader={"grade_id": "sigmoid", "solution": true}
def sigmoid(x):
    """The logistic function 1 / (1 + exp(-x)), stable in value and gradient.

    Args:
        x: any shape, floating dtype; left alone.

    Returns:
        A new tensor of the same shape and dtype, in [0, 1].
    """
    ### BEGIN SOLUTION
    return (1 + torch.tanh(x / 2)) / 2
    ### END SOLUTION

# %% tags=["demo"]
with try_it("sigmoid"):
    far = torch.tensor([-1000.0, -1.0986, 0.0, 1.0986, 1000.0], requires_grad=True)
    value = sigmoid(far)
    value.sum().backward()
    print("values:   ", [round(number, 4) for number in value.tolist()])
    print("gradients:", [round(number, 4) for number in far.grad.tolist()])

# %% nbgrader={"grade_id": "sigmoid_exam", "grade": true}
examine("sigmoid", sigmoid)

# %% [markdown]
# ## [](#thirty_layers) Thirty layers
#
# Now stack them. To see what arrives where, you need one number a layer: how large is the gradient of its weight?
#
# ### [](#layer_gradients) Measure the gradient ●●●○○ 15 min
#
# Write `layer_gradients(net, x)`. It feeds the batch `x` to `net`, adds all outputs up to one number $s$, and measures
# for each `nn.Linear` in the net
#
# $$\lVert\partial s/\partial W\rVert_2 = \sqrt{\textstyle\sum_{ij} (\partial s/\partial W_{ij})^2}$$
#
# By hand: for `net = nn.Linear(2, 1)` and `x = torch.tensor([[3., 4.]])`, s = 3w₁ + 4w₂ + b, the gradient of the weight
# is `[[3, 4]]`, and the result is `[5.0]`.
#
# - One number for each linear layer: the L2 norm of the gradient of s = net(x).sum() with respect to the layer's
#   weight.
# - They come in the order of `net.modules()`, layers inside of other modules included.
# - Biases, convolutions, normalisation layers and all other weights are left out.
# - Gradients that were there before the call do not count: call it twice, and the numbers are the same.
# - The net is measured in the mode it is in, and stays in it.
# - The result is a list of Python floats.
#
# <details><summary>Hint 1: finding the layers</summary>
#
# `net.modules()` runs over the net, its children, their children and so on. `isinstance` tells you which of them is an
# `nn.Linear`.
#
# </details>
#
# <details><summary>Hint 2: my numbers grow with every call</summary>
#
# `backward` adds to `.grad`. Either empty it first, or use `torch.autograd.grad(s, weights)`, which returns the
# gradients and leaves `.grad` alone.
#
# </details>

# %% nbgrader={"grade_id": "layer_gradients", "solution": true}
def layer_gradients(net, x):
    """The L2 norm of the gradient of net(x).sum() with respect to each linear layer's weight.

    Args:
        net: any module that takes `x`.
        x: a batch, as `net` wants it.

    Returns:
        A list of floats, one for each `nn.Linear`, in the order of `net.modules()`.
    """
    ### BEGIN SOLUTION
    weights = [module.weight for module in net.modules() if isinstance(module, nn.Linear)]
    return [gradient.norm().item() for gradient in torch.autograd.grad(net(x).sum(), weights)]
    ### END SOLUTION

# %% tags=["demo"]
with try_it("layer_gradients"):
    print(layer_gradients(nn.Linear(2, 1), torch.tensor([[3.0, 4.0]])))

# %% nbgrader={"grade_id": "layer_gradients_exam", "grade": true}
examine("layer_gradients", layer_gradients)

# %% [markdown]
# Use it on 30 layers of 64 units each, with real digits going in: once with sigmoids, once with ReLUs, the same weights
# in both.

# %% tags=["demo"]
def deep_net(activation, std, depth=30, width=64):
    """`depth` linear layers, each with an activation behind it; weights normal with a standard deviation, biases 0."""
    generator = torch.Generator().manual_seed(0)
    layers = []
    for _ in range(depth):
        layer = nn.Linear(width, width)
        nn.init.normal_(layer.weight, 0, std, generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, activation()]
    return nn.Sequential(*layers)


batch = inputs[:128]
std = math.sqrt(2 / 64)
with try_it("layer_gradients"):
    measured = {name: layer_gradients(deep_net(activation, std), batch)
                for name, activation in (("ReLU", nn.ReLU), ("sigmoid", nn.Sigmoid))}
    figure, axes = plt.subplots(figsize=(6.5, 3.4))
    for (name, norms), colour in zip(measured.items(), (plots.BLUE, plots.ORANGE), strict=True):
        axes.semilogy(range(1, 31), norms, "o-", color=colour, label=name, markersize=4)
        print(f"{name:8} layer 30: {norms[-1]:6.0e}   layer 1: {norms[0]:6.0e}")
    axes.set(xlabel="layer (1 is next to the input)", ylabel="norm of the weight's gradient")
    axes.legend()

# %% [markdown]
# With sigmoids the first layer's gradient is fifteen orders of magnitude smaller than the last one's. A step of
# training that moves the last layer by a thousandth does not move the first at all: float32 keeps seven digits, and the
# change is lost in rounding. With ReLUs all 30 layers get about the same. Here are both once more, and a third net
# beside them:
#
# ![Gradient norm over 30 layers on a logarithmic axis: for sigmoids a straight line that falls from a thousand at layer
# 30 to a millionth of a millionth at layer 1; for ReLU two flat lines, one for each scale of the
# weights](../../assets/03_relu/depth.svg)
#
# The lower ReLU line belongs to weights that are smaller by the factor √2: it is as flat as the upper one, but 23,000
# times lower. The section [](#right_start) puts that right.
#
# **So are the weights to blame, as the notes say?** Change their scale and look.
#
# **Predict, then run.** Sigmoids, 30 layers: the weights are much too small, of ordinary size, or much too large. Where
# does a gradient reach layer 1? (a) With small weights, for then no sigmoid is saturated. (b) With weights of ordinary
# size alone. (c) With none of the three.

# %% tags=["demo"]
with try_it("layer_gradients"):
    print("sigmoid, 30 layers      gradient in layer 1    median slope in layer 1")
    for std, name in ((0.01, "much too small"), (math.sqrt(2 / 64), "right for ReLU"), (1000.0, "much too large")):
        net = deep_net(nn.Sigmoid, std)
        slope = (net[:2](batch) * (1 - net[:2](batch))).median().item()
        print(f"std {std:8.2f} {name:14} {layer_gradients(net, batch)[0]:12.0e} {slope:20.2f}")

# %% [markdown]
# It is (c): 2·10⁻¹² is as good as nothing where ReLU had 4,000. (a) is tempting because saturation is what one hears of
# most; (b) because it is how ReLU behaves. Half of the notes' story is true. Weights much too large push nearly every
# sigmoid into its flat ends: slope 0, gradient exactly 0. Weights much too small shrink the gradient at each step down:
# again
# 0. What the notes leave out is the row between. With weights of a sensible size hardly a sigmoid is saturated (the
# slope is near its best, 1/4), and the gradient is gone all the same: each layer multiplies it by at most 1/4, thirty
# times, and the weights do not make up for that. No scale mends it well. Another bend does: ReLU's slope is exactly 1
# where it passes.
#
# But ReLU needs the right scale, too, for another reason.
#
# ## [](#right_start) The right start
#
# Follow one number through one layer. It is a sum over the *fan-in*, the number of inputs that enter it:
#
# $$y = \sum_{i=1}^{\text{fan-in}} w_i\,h_i$$
#
# Draw the $w_i$ independently, with mean 0 and variance $v$. Mixed terms vanish on average, and
#
# $$\mathrm{E}[y^2] = \text{fan-in}\cdot v\cdot \mathrm{E}[h^2]$$
#
# $y$ is as often negative as positive. ReLU throws the negative half away, and with it half of the mean square. So one
# layer multiplies the mean square by fan-in · v / 2. For that to be 1:
#
# $$v = \frac{2}{\text{fan-in}}$$
#
# The 2 is the square of what is called the *gain*, √2. Without it each layer halves the signal: thirty layers leave
# 2⁻³⁰, a billionth.
#
# ![Mean square of the activations over 30 ReLU layers: with variance 3 over fan-in it grows to about fifty thousand,
# with 2 over fan-in it ends near a quarter, with 1 over fan-in it falls below a
# billionth](../../assets/03_relu/scale.svg)
#
# A leaky ReLU with slope $a$ keeps 1 of the positive half and $a^2$ of the negative half, so the 2 becomes $2/(1+a^2)$.
#
# ### [](#kaiming_normal_) Kaiming's rule ●●●○○ 20 min
#
# Write `kaiming_normal_(weight, negative_slope=0.0, generator=None)`: it fills a weight with random numbers of mean 0
# and variance 2 / ((1 + a²) · fan-in).
#
# By hand: a linear weight of shape (10, 50) has fan-in 50; for ReLU the variance is 2/50 = 0.04, the standard deviation
# 0.2. A convolution's weight (24, 16, 3, 3) has fan-in 16 · 3 · 3 = 144: variance 0.0139, standard deviation 0.118.
#
# - For a linear weight (out_features, in_features), fan-in is in_features. There may be a single output.
# - For a convolution weight (out_channels, in_channels / groups, kH, kW), fan-in is in_channels / groups · kH · kW: the
#   numbers that one output adds up. One-dimensional convolutions (out, in, k) go the same way.
# - A leaky ReLU passes more, so the variance is 2 / ((1 + a²) · fan-in), where a is the `negative_slope`. Left out, it
#   is 0.
# - The numbers are normally distributed around 0, each drawn for itself.
# - It fills `weight` in place and returns it; `weight` may be an `nn.Parameter`, which is still trained afterwards.
# - All randomness comes from `generator`: the same seed gives the same weights, and PyTorch's own generator is not
#   touched.
# - Without one, PyTorch's own generator is used, and two calls give two different weights.
# - Through 30 linear layers with ReLU, the mean square of the activations then stays of the same order of magnitude.
# - Do the arithmetic yourself: `nn.init.kaiming_normal_` would pass, and you would have learned nothing.
#
# The exam measures means and spreads. It does not ask in which order you draw.
#
# <details><summary>Hint 1: fan-in from any weight</summary>
#
# The first axis of a weight runs over the outputs. Which axes are left, and how many numbers do they hold? (There may
# be one output alone.)
#
# </details>
#
# <details><summary>Hint 2: "a leaf Variable that requires grad is being used in an in-place operation"</summary>
#
# Autograd must not watch you fill a parameter. `torch.no_grad()` is a block and a decorator. `normal_` takes the
# standard deviation (not the variance) and a generator.
#
# </details>

# %% nbgrader={"grade_id": "kaiming_normal_", "solution": true}
def kaiming_normal_(weight, negative_slope=0.0, generator=None):
    """Fill a weight with normal numbers of variance 2 / ((1 + negative_slope²) · fan-in), in place.

    Source: He, Zhang, Ren, Sun, Delving Deep into Rectifiers, 2015.

    Args:
        weight: (out_features, in_features) or (out_channels, in_channels / groups, kernel...), may require a gradient.
        negative_slope: of the leaky ReLU behind the layer; 0 for ReLU.
        generator: a `torch.Generator`, the only source of randomness; None for PyTorch's own.

    Returns:
        `weight` itself.
    """
    ### BEGIN SOLUTION
    fan_in = weight.shape[1:].numel()
    variance = 2 / ((1 + negative_slope**2) * fan_in)
    with torch.no_grad():
        return weight.normal_(0, variance**0.5, generator=generator)
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("kaiming_normal_"):
    generator = torch.Generator().manual_seed(0)
    for shape in ((1000, 50), (240, 16, 3, 3)):
        weight = kaiming_normal_(torch.empty(shape), generator=generator)
        print(f"{shape!s:18} standard deviation {weight.std():.2f}")
    h = batch
    for _ in range(30):
        h = torch.relu(h @ kaiming_normal_(torch.empty(512, h.shape[1]), generator=generator).T)
    print(f"mean square before {batch.square().mean():.2f}, after 30 layers {h.square().mean():.2f}")

# %% nbgrader={"grade_id": "kaiming_normal__exam", "grade": true}
examine("kaiming_normal_", kaiming_normal_)

# %% [markdown]
# Should you do this by hand in every net? PyTorch has its own default, and it is not this one:

# %% tags=["demo"]
torch.manual_seed(0)
for layer in (nn.Linear(1000, 1000), nn.Conv2d(100, 200, 3)):
    fan_in = layer.weight[0].numel()
    print(f"{type(layer).__name__:7} variance · fan-in = {layer.weight.var().item() * fan_in:.2f}")

deep = nn.Sequential(*[module for _ in range(30) for module in (nn.Linear(64, 64), nn.ReLU())])(batch)
for name, layer in (("at the input", batch), ("30 such layers later", deep)):
    print(f"a 0 and a 1, {name}: their largest difference is {(layer[0] - layer[1]).abs().max():.6f}")

# %% [markdown]
# One third, where ReLU wants 2: a sixth. In a few layers nobody notices. In thirty, 6⁻³⁰ of the picture's mean square
# is left, and the biases, which are not 0 by default, drown it: all pictures look alike. Deep nets in PyTorch set their
# weights themselves, or have normalisation layers that put the scale right after each layer, or both, as torchvision's
# ResNet; such layers are the subject of the next chapter.
#
# ### Explore: bend, scale, depth
#
# Left: the mean square of what each layer gives out. Right: the gradient of each layer's weight. `scale` is variance ·
# fan-in. Things to try: for ReLU, find the scale where the left curve is flat. For tanh, see what a scale well above 1
# does to the right one. For the sigmoid, look for a scale where the right curve is level. (There is one, near 150, with
# weights nine times as large as ReLU's. The price: most units are then stuck at 0 or 1, and a few hand down enormous
# gradients. A net like that is no start for training.)

# %% tags=["demo", "nbval-ignore-output"] frames={"activation": ["ReLU", "tanh", "sigmoid"], "scale": [1, 2, 3, 10, 30]}
def through_the_layers(activation, scale, depth):
    kinds = {"ReLU": nn.ReLU, "leaky ReLU": lambda: nn.LeakyReLU(0.2), "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    net = deep_net(kinds[activation], math.sqrt(scale / 64), depth)
    h, sizes = batch, []
    for module in net:
        h = module(h)
        if not isinstance(module, nn.Linear):
            sizes.append(h.square().mean().item())
    weights = [module.weight for module in net if isinstance(module, nn.Linear)]
    norms = [gradient.norm().item() for gradient in torch.autograd.grad(h.sum(), weights)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    for axes, series, title in ((left, sizes, "mean square of the output"), (right, norms, "norm of the gradient")):
        axes.plot(range(1, depth + 1), [max(number, 1e-30) for number in series], "o-", markersize=4)
        axes.set(yscale="log", ylim=(1e-16, 1e16), xlabel="layer", title=title)
        axes.axhline(1, color="#BBBBBB", linewidth=0.8, zorder=0)
    figure.suptitle(f"{activation}, variance {scale:g} / fan-in, {depth} layers")
    return figure


plots.explore(through_the_layers, activation=["ReLU", "leaky ReLU", "tanh", "sigmoid"],
              scale=[1, 2, 3, 10, 30, 100, 150, 300], depth=(30, 60, 5))

# %% [markdown]
# ## What ReLUs can build
#
# One bend looks poor next to the smooth curves of mathematics. But corners add up. A term $c\cdot\mathrm{ReLU}(x-t)$
# changes the slope by $c$ at the place $t$, and does nothing to the left of it. So you can read a curve of straight
# pieces from left to right and write down one ReLU for each corner. The plateau in the figure below has the slopes 0,
# 1, 0, −1, 0. At its four corners they change by 1, −1, −1 and 1, and these are the factors of its four ReLUs.
#
# ![Left, four ReLUs that start at 0, 1, 2 and 3 with slopes 1, −1, −1 and 1; right, their sum, a plateau: up from 0 to
# 1, level, and down to 0 again](../../assets/03_relu/corners.svg)
#
# ### [](#hat) A hat ●●○○○ 10 min
#
# Write `hat(x)`, a triangle on [0, 2], as a sum of ReLUs with constant factors and shifts.
#
# | x | −3 | 0 | 0.5 | 1 | 1.5 | 2 | 7 |
# |--|--|--|--|--|--|--|--|
# | hat(x) | 0 | 0 | 0.5 | 1 | 0.5 | 0 | 0 |
#
# - From 0 to 1 it rises in a straight line from 0 to 1; from 1 to 2 it falls back to 0.
# - Its corners are (0, 0), (1, 1) and (2, 0).
# - To the left of 0 and to the right of 2 it is 0.
# - Gradients flow (1 on the way up, −1 on the way down, 0 outside); shape and dtype stay, and so does `x`.
# - ReLUs, sums and constants alone. A ReLU is `torch.relu`, `F.relu`, `nn.ReLU` or `clamp(min=0)`. Off limits are
#   `abs`, `minimum`, `hardtanh`, a cut-off from above (`clamp` with a `max`, `relu6`), comparisons, `where`, roots and
#   powers.
#
# <details><summary>Hint 1: slopes</summary>
#
# From left to right the slopes are 0, 1, −1, 0. By how much does the slope change at each of the three corners?
#
# </details>

# %% nbgrader={"grade_id": "hat", "solution": true}
def hat(x):
    """A triangle of height 1 on [0, 2], 0 elsewhere, as a sum of ReLUs.

    Args:
        x: any shape, floating dtype; left alone.

    Returns:
        A new tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return F.relu(x) - 2 * F.relu(x - 1) + F.relu(x - 2)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("hat"):
    print([round(number, 2) for number in hat(torch.tensor([-3.0, 0, 0.5, 1, 1.5, 2, 7])).tolist()])
    grey = data.photo("china", 200).mean(0)
    line = grey[60]
    place = torch.arange(len(line), dtype=torch.float32)
    figure, rows = plt.subplots(3, 1, figsize=(8, 5.2), height_ratios=(2.2, 2, 2))
    rows[0].imshow(grey[20:100], cmap="gray", aspect="auto")
    rows[0].axhline(40, color=plots.ORANGE, linewidth=1.5)
    rows[0].set(title="one row of a photograph …", xticks=[], yticks=[])
    for axes, step in zip(rows[1:], (30, 6), strict=True):
        knots = range(0, len(line) + step, step)
        curve = sum(line[min(knot, len(line) - 1)] * hat((place - knot) / step + 1) for knot in knots)
        axes.plot(place, line, color=plots.GREY, linewidth=1)
        axes.plot(place, curve, color=plots.ORANGE, linewidth=1.8)
        axes.set(title=f"… and the sum of {len(knots)} hats", xlim=(0, len(line)), ylim=(0, 1))

# %% nbgrader={"grade_id": "hat_exam", "grade": true}
examine("hat", hat)

# %% [markdown]
# Each hat is moved to its place and scaled to the brightness there. With enough of them, the sum follows any row of any
# photograph. How many ReLUs does that take? Three a hat, but neighbours share their corners: a sum of n hats has n + 2
# corners, and one ReLU a corner is enough. A sum of ReLUs of shifted and scaled inputs is nothing but a linear layer,
# ReLU, and another linear layer: on any interval, both ends included, a net with one hidden layer can follow a
# continuous curve as closely as you like. (Outside of the interval it goes on in straight lines.) What training must
# find are the places and the heights.
#
# ## Bends without a corner
#
# Nets that were designed after 2017 often bend smoothly. Two curves have become common: **SiLU**, also called *swish*,
# in EfficientNet and in many language models, and **GELU** in BERT, GPT-2 and most vision transformers. Both are built
# alike: x times a gate that opens from 0 to 1. ReLU is such a product, too. Its gate is a switch.
#
# $$\mathrm{ReLU}(x) = x\cdot[x>0] \qquad \mathrm{SiLU}(x) = x\cdot\sigma(x) \qquad \mathrm{GELU}(x) = x\cdot\Phi(x)$$
#
# σ is the sigmoid. Φ(x) is the share of normally distributed numbers that lie below x:
# $\Phi(x) = \tfrac12\bigl(1 + \mathrm{erf}(x/\sqrt2)\bigr)$, where erf is the *error function*, `torch.erf`.
#
# ![Left, ReLU, SiLU and GELU from −4 to 4: far out all three agree, below 0 the smooth ones dip, SiLU to −0.28 and GELU
# to −0.17. Right, their slopes: ReLU jumps from 0 to 1, the other two pass below 0 and above 1 on the
# way](../../assets/03_relu/bends.svg)
#
# Two things are new. On the negative side something comes through, and near 0 its slope is not 0: units die less
# easily. (Far out the slope is 0 here, too.) And the curve is not monotone: it falls before it rises. The price is
# arithmetic. An exponential, or erf, costs several times what a comparison costs, which is why nets for telephones keep
# ReLU or ReLU6 (chapter 8's net has ReLU6).
#
# ### [](#silu) SiLU ●●○○○ 10 min
#
# Write `silu(x)`.
#
# By hand: silu(0) = 0, and silu(ln 3) = ln 3 · 3/4 = 0.824. The lowest point is −0.278, at x = −1.278.
#
# - SiLU is x · σ(x), for each number of `x` alone; the shape stays.
# - Far out, at −1000 and 1000, the result is 0 and 1000, never NaN.
# - Gradients flow through; they equal σ(x) · (1 + x · (1 − σ(x))).
# - Far out the gradient is 0 on the left and 1 on the right, never NaN.
# - The dtype stays, and `x` stays as it was.
# - PyTorch's SiLU (`F.silu`, `nn.SiLU`) and `F.hardswish` are off limits. The sigmoid is allowed, PyTorch's or your
#   own.
#
# <details><summary>Hint 1: NaN far out</summary>
#
# x / (1 + e⁻ˣ) is the same curve, and has the same trouble as the sigmoid's formula: its gradient at −1000 is NaN.
# Build on a sigmoid that survives.
#
# </details>

# %% nbgrader={"grade_id": "silu", "solution": true}
def silu(x):
    """The sigmoid linear unit x · sigmoid(x), element by element.

    Source: Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2017; Ramachandran, Zoph and Le, Searching for
    activation functions, 2017.

    Args:
        x: any shape, floating dtype; left alone.

    Returns:
        A new tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return x * torch.sigmoid(x)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("silu"):
    print([round(number, 3) for number in silu(torch.tensor([-1000.0, -1.278, 0.0, math.log(3), 1000.0])).tolist()])

# %% nbgrader={"grade_id": "silu_exam", "grade": true}
examine("silu", silu)

# %% [markdown]
# <details><summary>Where the gradient of SiLU comes from</summary>
#
# The product rule: $(x\,\sigma)' = \sigma + x\,\sigma'$. With $\sigma' = \sigma(1-\sigma)$ from [](#older_curve) this
# is $\sigma\,(1 + x\,(1-\sigma))$. The lowest point is where it is 0: $x\,(1-\sigma(x)) = -1$, which is at −1.278.
#
# </details>
#
# ### [](#gelu) GELU ●●○○○ 10 min
#
# Write `gelu(x)`, the exact one.
#
# By hand: 84.13 % of all normally distributed numbers lie below 1, so gelu(1) = 0.8413, and gelu(−1) = −1 · 0.1587 =
# −0.1587.
#
# - GELU is x · Φ(x), for each number of `x` alone; the shape stays.
# - It is the exact curve, by erf. A well-known formula with tanh is off by up to 0.0005, and the exam notices.
# - Gradients flow through; they equal Φ(x) + x · φ(x), where φ(x) = e^(−x²/2) / √(2π) is the density.
# - Far out, at −1000 and 1000, values are 0 and 1000, and gradients 0 and 1, never NaN.
# - The dtype stays, and `x` stays as it was.
# - PyTorch's GELU (`F.gelu`, `nn.GELU`) is off limits. `torch.erf`, `torch.special.ndtr` and the rest are yours.
#
# <details><summary>Hint 1: where the halves go</summary>
#
# erf runs from −1 to 1, Φ from 0 to 1. What must be added, and by what divided? And erf wants x/√2, for it belongs to a
# bell of another width.
#
# </details>

# %% nbgrader={"grade_id": "gelu", "solution": true}
def gelu(x):
    """The Gaussian error linear unit x · Φ(x), exact, element by element.

    Source: Hendrycks and Gimpel, Gaussian error linear units, 2016.

    Args:
        x: any shape, floating dtype; left alone.

    Returns:
        A new tensor of the same shape and dtype.
    """
    ### BEGIN SOLUTION
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2
    ### END SOLUTION

# %% tags=["demo"]
with try_it("gelu"):
    print([round(number, 4) for number in gelu(torch.tensor([-1000.0, -1.0, 0.0, 1.0, 1000.0])).tolist()])
    line = torch.linspace(-4, 4, 801, dtype=torch.float64)
    formula = line * (1 + torch.tanh(math.sqrt(2 / math.pi) * (line + 0.044715 * line**3))) / 2
    print(f"the formula with tanh is off by up to {(formula - gelu(line)).abs().max():.5f}")

# %% nbgrader={"grade_id": "gelu_exam", "grade": true}
examine("gelu", gelu)

# %% [markdown]
# <details><summary>Where the gradient of GELU comes from</summary>
#
# The product rule again: $(x\,\Phi)' = \Phi + x\,\Phi'$, and the slope of a share is a density: $\Phi' = \varphi$. From
# erf: $\tfrac{d}{dz}\mathrm{erf}(z) = \tfrac{2}{\sqrt\pi}e^{-z^2}$ at $z = x/\sqrt2$, times the inner slope
# $1/\sqrt2$ and the factor 1/2, is $e^{-x^2/2}/\sqrt{2\pi}$.
#
# </details>
#
# ## A net of your own parts learns
#
# Chapter 1 began with a claim. A fully connected layer has weights of its own for each place, so that what it learns
# about an edge in one corner says nothing about the same edge one pixel further on. A convolution looks everywhere with
# the same weights. Now you have all it takes to test that: a convolution with its backward (chapter 1), a bend with its
# backward (this chapter), and weights that start at the right size.
#
# The task: digits in a frame of 14×14, each moved by up to 3 pixels in each direction. Every layer below that bends or
# convolves is written by hand, in an `autograd.Function`; pooling, the linear layers, the loss and the optimizer's
# steps are PyTorch's. The convolution is the matrix product of chapter 1, so that the cell needs no other notebook. Put
# your own `conv2d` and `conv2d_backward` in its place, if you like: it will be as right, and slower.

# %% tags=["demo"]
class ConvolutionFunction(torch.autograd.Function):
    """Convolution and its gradients, each as one matrix product over unfolded windows."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        windows = F.unfold(x, weight.shape[2:])                                      # (N, C·kH·kW, L)
        return (weight.flatten(1) @ windows).unflatten(2, (x.shape[2] - weight.shape[2] + 1, -1))

    @staticmethod
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        grad_out, windows = grad_out.flatten(2), F.unfold(x, weight.shape[2:])       # (N, O, L), (N, C·kH·kW, L)
        grad_weight = (grad_out @ windows.transpose(1, 2)).sum(0).reshape(weight.shape)
        grad_x = F.fold(weight.flatten(1).T @ grad_out, x.shape[2:], weight.shape[2:])
        return grad_x, grad_weight


class Convolution(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.weight = nn.Parameter(kaiming_normal_(torch.empty(out_channels, in_channels, 3, 3)))
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1))

    def forward(self, x):
        return ConvolutionFunction.apply(x, self.weight) + self.bias


class Bend(nn.Module):
    def forward(self, x):
        return ReLUFunction.apply(x)


def moved(images, generator):
    """Each picture at a place of its own, up to 3 pixels away from the middle of a frame of 14×14."""
    frame = torch.zeros(len(images), 1, 14, 14)
    for place, (image, (top, left)) in enumerate(zip(images, torch.randint(0, 7, (len(images), 2), generator=generator)
                                                     .tolist(), strict=True)):
        frame[place, :, top:top + 8, left:left + 8] = image
    return frame


with try_it("ReLUFunction and kaiming_normal_"):
    x, weight = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(4, 3, 3, 3, dtype=torch.float64)
    print("the gradients are right:", torch.autograd.gradcheck(ConvolutionFunction.apply, (
        x.requires_grad_(), weight.requires_grad_())))

# %% [markdown]
# **Predict, then run.** Three nets learn 1,400 moved digits for eight epochs and are asked about 397 others, moved as
# well: one linear layer (1,970 weights), two linear layers with a bend between (13,258), a small convolutional net
# (5,130). In which order do they come in? (a) By their weights: 13,258, then 5,130, then 1,970. (b) The two that bend
# are alike, the linear layer is behind. (c) The convolutional net leads, although it has fewer weights than the second.

# %% tags=["demo", "nbval-ignore-output"]
with try_it("ReLUFunction and kaiming_normal_"):
    generator = torch.Generator().manual_seed(0)
    seen, unseen = moved(digits[:1400], generator), moved(digits[1400:], generator)
    torch.manual_seed(0)
    contenders = {
        "one linear layer": nn.Sequential(nn.Flatten(), nn.Linear(196, 10)),
        "two, with a bend": nn.Sequential(nn.Flatten(), nn.Linear(196, 64), Bend(), nn.Linear(64, 10)),
        "convolutional net": nn.Sequential(Convolution(1, 16), Bend(), nn.MaxPool2d(2), Convolution(16, 32), Bend(),
                                           nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, 10)),
    }
    for name, net in contenders.items():
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(8):
            for chosen in torch.randperm(1400, generator=generator).split(50):
                loss = F.cross_entropy(net(seen[chosen]), train_y[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            shares = [(net(x).argmax(1) == y).float().mean() for x, y in ((seen, train_y), (unseen, test_y))]
        size = sum(parameter.numel() for parameter in net.parameters())
        print(f"{name:18} {size:6,} weights: {shares[0]:.0%} of the digits it learned, {shares[1]:.0%} of new ones")

# %% [markdown]
# It is (c). The second net knows most of its training digits, and more than a third of that knowledge is of no use
# elsewhere: it has learned a 3 at this place and a 3 at that place, one by one. The convolutional net learns a 3 once.
# (a) is tempting because more weights can follow more curves. But even on the digits that it learned the smaller
# convolutional net is ahead. What decides is which weights are shared.
#
# And the gradients of its convolutions and its bends came out of code that you wrote, or read on this page.
#
# ## What can go wrong
#
# **The shortcut that was overwritten.** A shortcut adds a layer's input to its output. In place, there is no input left
# to add.

# %% tags=["demo"]
h = torch.tensor([-2.0, 3.0])
print("h + relu(h):           ", (h + F.relu(h)).tolist())
print("h + relu(h), in place: ", (F.relu(h, inplace=True) + h).tolist())

# %% [markdown]
# No error, a wrong number: −2 was to survive, and it is gone. The same happens to your *data* when an in-place ReLU is
# the first layer of a net:

# %% tags=["demo"]
pictures = inputs[:5].clone()
nn.Sequential(nn.ReLU(inplace=True), nn.Linear(64, 10))(pictures)
print("smallest pixel before:", round(inputs[:5].min().item(), 2), " after one look:", pictures.min().item())

# %% [markdown]
# **The number that autograd still needed.** Here autograd helps. It counts the changes of each tensor, and where it
# kept one that changed since, it refuses. (This is why `ctx.save_for_backward` beats `ctx.x = x`: an attribute is not
# watched.)

# %% tags=["demo"]
h = nn.Linear(64, 8)(inputs[:5])
size = h.square().sum()                      # its gradient is 2h: autograd keeps h
F.relu(h, inplace=True)
try:
    size.backward()
except RuntimeError as error:
    print(str(error).partition(":")[0])

# %% [markdown]
# **The choice that came too late.** The values are perfect; NaN waits on the way back, where the side not chosen counts
# 0 · ∞.

# %% tags=["demo"]
x = torch.tensor([-1000.0, 0.0, 1000.0], requires_grad=True)
value = torch.where(x >= 0, 1 / (1 + torch.exp(-x)), torch.exp(x) / (1 + torch.exp(x)))
value.sum().backward()
print("values:   ", value.tolist())
print("gradients:", x.grad.tolist())

# %% [markdown]
# **Zeros to begin with.** If all weights and biases start at 0, all that arrives at a ReLU is exactly 0. Its gradient
# there is 0, so nothing below ever moves. The weights above it see only zeros and get no gradient either: the last bias
# alone can learn.

# %% tags=["demo"]
net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
for parameter in net.parameters():
    nn.init.zeros_(parameter)
F.cross_entropy(net(inputs[:100]), labels[:100]).backward()
for name, parameter in net.named_parameters():
    print(f"{name:9} largest gradient {parameter.grad.abs().max():.3f}")

# %% [markdown]
# **A ReLU too many.** Behind the last layer come scores, and a score must be able to go below 0. With a ReLU there, a
# class whose score is negative for all its pictures gets no gradient from them and is hardly ever learned.

# %% tags=["demo", "nbval-ignore-output"]
figure, axes = plt.subplots(figsize=(7, 2.8))
hits = {}
for shift, name, tail in ((-0.2, "scores as they are", []), (0.2, "ReLU behind the scores", [nn.ReLU()])):
    torch.manual_seed(2)
    net = nn.Sequential(*classifier(nn.ReLU), *tail)
    fit(net, 0.1)
    right = net(test_x).argmax(1) == test_y
    hits[name] = [right[test_y == digit].float().mean().item() for digit in range(10)]
    axes.bar(torch.arange(10) + shift, hits[name], 0.38, label=name)
axes.set(xticks=range(10), xlabel="digit", ylabel="recognised", ylim=(0, 1.35), yticks=(0, 0.5, 1))
axes.legend(ncols=2, loc="upper center")
for name, shares in hits.items():
    print(f"{name}: the digit known worst is recognised in {min(shares):.0%} of its pictures")

# %% [markdown]
# **Three patients.** None of these three nets learns as it should, and none says why: their losses are those of a guess
# among ten, about ln 10 = 2.30 or somewhat more. Find out the reason, without looking at how they were made: you have
# `dead_fraction` and `layer_gradients`. Write down a diagnosis for each. Then change a line or two of `patient`, run
# the cell again, and see whether the gradient arrives.

# %% tags=["demo"]
def patient(letter):
    torch.manual_seed(3)
    activation = nn.Sigmoid if letter == "A" else nn.ReLU
    net = nn.Sequential(*[layer for _ in range(12) for layer in (nn.Linear(64, 64), activation())], nn.Linear(64, 10))
    with torch.no_grad():
        for layer in net[::2]:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if letter == "B":
            net[6].bias.fill_(-30)
        if letter == "C":
            net[0].weight *= 1e-4
            net[24].weight *= 1e-4
    return net


with try_it("dead_fraction and layer_gradients"):
    for letter in "ABC":
        net = patient(letter)
        norms, loss = layer_gradients(net, batch), F.cross_entropy(net(batch), labels[:128])
        dead = [dead_fraction(net[:place](batch)) for place in (2, 8, 24)]
        print(f"{letter}: loss {loss:.2f} | gradient in layers 1, 4, 12, 13: "
              + ", ".join(f"{norms[place]:.0e}" for place in (0, 3, 11, 12))
              + " | dead behind layers 1, 4, 12: " + ", ".join(f"{share:.0%}" for share in dead))

# %% [markdown]
# <details><summary>The diagnoses</summary>
#
# **A** has no dead unit, and its gradient falls from layer to layer: sigmoids, twelve deep. The cure is another bend.
#
# **B** is dead from layer 4 on: that layer's bias is −30, so that its ReLUs give 0 for every digit. Behind it
# everything is constant, before it no gradient arrives. The cure is a bias of 0 (or a leak).
#
# **C** has most of its units alive, and yet the gradients of its middle layers are tiny. The weights of its first and
# of its last layer are too small by a factor of 10,000. The first one shrinks the numbers that run through the net, the
# last one the gradients that run back; in the middle both meet. The cure is the right scale.
#
# </details>
#
# **And the two you have met**: the learning rate that kills ([](#never_wake)), the gain that was forgotten
# ([](#right_start)).
#
# ## Summary
#
# 1. Without a bend between them, any number of linear layers is one linear layer. ReLU, max(x, 0), is the cheapest
#    bend.
# 2. Backward, ReLU lets pass what passed forward, and nothing at exactly 0. It must keep one tensor for that.
# 3. A sigmoid's slope is at most 1/4, and slopes multiply: 30 layers deep, 10⁻¹⁵ of the gradient is left, with weights
#    of a sensible size. ReLU's slope is 1 where it passes.
# 4. A ReLU halves the mean square. Weights of variance 2 / fan-in make up for it; a missing 2 makes a factor of a
#    billion in 30 layers.
# 5. What gives 0 for every example gets no gradient and does not come back by itself. Watch the share of dead units;
#    lower the learning rate; or leave a leak.
#
# The two nets of the opening differ in one word. You know now what it does: 30 slopes of at most 1/4 against slopes of
# 1 wherever a ReLU passes, and weights that keep the size of what passes.
#
# | you built | in production |
# | --- | --- |
# | `relu`, `relu_`, `ReLUFunction` | `F.relu(x)`, `nn.ReLU()`, `nn.ReLU(inplace=True)` where the input is not needed |
# | `leaky_relu` | `F.leaky_relu(x, 0.01)`, `nn.LeakyReLU(0.01)` |
# | `sigmoid` | `torch.sigmoid(x)`; for a loss on top of it `F.binary_cross_entropy_with_logits`, which needs none |
# | `silu`, `gelu` | `F.silu(x)`, `F.gelu(x)`; `nn.SiLU()`, `nn.GELU()` |
# | `kaiming_normal_` | `nn.init.kaiming_normal_(weight, a=0, nonlinearity="leaky_relu")` |
# | `dead_fraction`, `layer_gradients` | a few lines of your own in the training log, as here |
#
# **Read more**
#
# - *Rectified Linear Units Improve Restricted Boltzmann Machines*, Vinod Nair and Geoffrey Hinton, 2010.
# - *Understanding the difficulty of training deep feedforward neural networks*, Xavier Glorot and Yoshua Bengio, 2010.
# - *Deep Sparse Rectifier Neural Networks*, Xavier Glorot, Antoine Bordes and Yoshua Bengio, 2011.
# - *Rectifier Nonlinearities Improve Neural Network Acoustic Models* (the leak), Andrew Maas, Awni Hannun and Andrew
#   Ng, 2013.
# - *Delving Deep into Rectifiers* (the 2 in 2 / fan-in), Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, 2015.
# - *Gaussian Error Linear Units*, Dan Hendrycks and Kevin Gimpel, 2016.
# - *Searching for Activation Functions* (SiLU, as swish), Prajit Ramachandran, Barret Zoph and Quoc Le, 2017.
# - *Dying ReLU and Initialization: Theory and Numerical Examples*, Lu Lu, Yeonjong Shin, Yanhui Su and George
#   Karniadakis, 2020.
