# %% [markdown] with_reading=270
# # 6 · What a module is
#
# Two nets with the same four layers, the same first numbers, the same digits and the same optimizer. One keeps its
# layers in a `Sequential`, the other in a Python list. After sixty steps one reads most digits; in the other the first
# layer has not moved at all, and nothing was reported. You see it happen in a moment. Who keeps the books of a net, and
# how do they know what is in it? This chapter builds the books.
#
# **At the end** you can build `nn.Module`'s bookkeeping from nothing, find the layer that makes a net fail, and save
# your training so that a power cut costs you one epoch at most.
#
# **You need** classes in Python (`__init__`, `self`, inheritance) and what a convolution and a pool do to a shape.
#
# **It takes** about {hours} hours: {minutes} minutes for the {exercises} exercises ({points} points), the rest for
# reading and playing.
#
# **The short way** ({minutes Linear Flatten TestNet save_checkpoint load_checkpoint record_shapes} minutes,
# {points Linear Flatten TestNet save_checkpoint load_checkpoint record_shapes} points): `Linear`, `Flatten`, `TestNet`,
# `save_checkpoint`, `load_checkpoint`, `record_shapes`. The exercises that it leaves out are marked *long*;
# of the text it leaves out the hardest section, marked *hard*, and [](#boxes), [](#tree) and [](#half).

# %%
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import examine, plots, try_it
from convcraft.data import digits

plots.use_style()

# %% [markdown]
# ## Nobody told the optimizer
#
# Here are the two nets:

# %% tags=["demo", "nbval-ignore-output"]
class ThreeLayers(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers
        self.last = nn.Linear(10, 10)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.last(x)


for holder in (nn.Sequential, list):
    torch.manual_seed(0)
    layers = [nn.Flatten(), nn.Linear(64, 10), nn.ReLU()]
    net = ThreeLayers(layers if holder is list else holder(*layers))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    first_pictures, first_labels = (part[:1000] for part in digits())
    for _ in range(60):
        loss = F.cross_entropy(net(first_pictures), first_labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"layers in a {holder.__name__:10}: loss {loss.item():.2f} after 60 steps")

# %% [markdown]
# No error, no warning, and a loss that falls in both: the second net trains its last layer, on top of a first one that
# stays as random as it was. What does a module see, and what does it miss? Whoever cannot answer that loses days. Here
# are four lines that everybody writes in one form or another who builds a net:

# %% tags=["demo"]
class Guess(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)


print([name for name, _ in Guess().named_parameters()])

# %% [markdown]
# We assigned a layer to an attribute, in plain Python: `self.fc = …`. We entered it into no list. Yet the net knows
# that it has two parameters, and knows their names. Everything depends on that: training (`optimizer =
# SGD(net.parameters())`), moving (`net.to(device)`), saving (`net.state_dict()`), and the switch between training and
# evaluation.
#
# **How does it know?** That is the question of this chapter. We walk towards the answer from the outside: a layer, a
# net that fails in five ways, nets inside nets. Then you build the thing itself, without `torch.nn`. Then we put it
# to its best use: not losing a night's training.
#
# ## A layer is an object with numbers
#
# The lecture notes this course grew out of begin with a linear layer of their own. Its first line already has a slip in
# it. Run it and read the message:

# %% tags=["demo", "raises-exception"]
class MyLinear(nn.Model):
    def __init__(self, inp, outp):
        super().__init__()


MyLinear(784, 10)

# %% [markdown]
# *A module has no attribute*: the word "module" here is Python's, what `import` gives; this one is the package
# `torch.nn`, a folder of files. In it there is no class `Model`.
# The class is called `nn.Module`, because a layer is one, and a net is one, and a part of a net is one. A "model" would
# be only the whole.
#
# Mended, the notes' layer reads as follows. An `nn.Parameter` is a tensor with a flag on it that says "train me"; it
# requires grad without being asked.

# %% tags=["demo"]
class MyLinear(nn.Module):
    def __init__(self, inp, outp):
        super().__init__()
        self.w = nn.Parameter(torch.randn(outp, inp))
        self.b = nn.Parameter(torch.randn(outp))

    def forward(self, x):
        return x @ self.w.t() + self.b


torch.manual_seed(0)
layer = MyLinear(784, 10)
print(layer(torch.randn(5, 784)).shape, layer.w.requires_grad)

# %% [markdown]
# It runs. But how large is what comes out? A sum of 784 products of standard normal numbers has a standard deviation of
# √784 = 28. Stack five such layers, and look:

# %% tags=["demo"]
def spread(make):
    """Standard deviation after each of five layers, 784 wide."""
    torch.manual_seed(0)
    x, seen = torch.randn(64, 784), []
    for _ in range(5):
        x = make(784, 784)(x).detach()
        seen.append(f"{x.std().item():.2g}")
    return seen


print("the notes' start:", *spread(MyLinear))
print("PyTorch's start: ", *spread(nn.Linear))

# %% [markdown]
# The notes' numbers grow 28-fold with each layer, to over ten million after five. PyTorch's shrink gently; a
# normalisation or a better scale takes care of that. So `nn.Linear` starts its numbers small: uniform, and the wider
# the input, the smaller. There is a second reason to do exactly as PyTorch does, names included: then every
# checkpoint in the world that holds an `nn.Linear` fits into yours.
#
# ### [](#Linear) Your own linear layer ●●○○○ 12 min
#
# Write `class Linear(nn.Module)` with `Linear(in_features, out_features, bias=True)`.
#
# By hand: with `in_features=2`, `out_features=1`, weight `[[2, −1]]` and bias `[0.5]`, the row `[3, 4]` gives 3·2 +
# 4·(−1) + 0.5 = 2.5.
#
# - For `x` of shape (N, in_features) it returns `x @ weight.T + bias`, of shape (N, out_features).
# - Any number of dimensions may come before the last: (in_features,), (N, in_features), (N, T, in_features).
# - `weight` (out_features, in_features) and `bias` (out_features,) are parameters: `named_parameters()` lists them, and
#   they require grad.
# - Both start uniform between −1/√in_features and +1/√in_features, as PyTorch's do. (The numbers you draw are your own:
#   the exam looks at how they are distributed.)
# - Two layers that are made one after the other start differently, and making one does not seed PyTorch's random
#   numbers.
# - With `bias=False` nothing is added, `layer.bias` is None, and the state dict holds `weight` alone.
# - State dicts are interchangeable: yours loads `nn.Linear`'s, and `nn.Linear` loads yours.
# - Gradients reach `weight`, `bias` and `x`.
# - `nn.Linear` itself is off limits, as a base class and inside; `F.linear` is allowed.
#
# <details><summary>Hint 1: drawing in an interval</summary>
#
# `torch.empty(3, 2).uniform_(-0.1, 0.1)` draws in place. Do it before the tensor becomes a parameter, or with
# `nn.init`.
#
# </details>
#
# <details><summary>Hint 2: the names in the state dict</summary>
#
# A parameter's name is the attribute it was assigned to. Assigning None to an attribute enters nothing.
#
# </details>

# %% nbgrader={"grade_id": "Linear", "solution": true}
class Linear(nn.Module):
    """x @ weight.T + bias, over the last dimension.

    Shapes: x (..., in_features) to (..., out_features); weight (out_features, in_features); bias (out_features,).
    """

    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        ### BEGIN SOLUTION
        bound = in_features ** -0.5
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return F.linear(x, self.weight, self.bias)
        ### END SOLUTION

# %% tags=["demo"]
with try_it("Linear"):
    layer = Linear(2, 1)
    layer.load_state_dict({"weight": torch.tensor([[2.0, -1.0]]), "bias": torch.tensor([0.5])})
    print("by hand 2.5, by your layer", layer(torch.tensor([[3.0, 4.0]])).item())
    print("five of yours in a row:", *spread(Linear))

# %% nbgrader={"grade_id": "Linear_exam", "grade": true}
examine("Linear", Linear)

# %% [markdown]
# ## A layer without numbers
#
# Not every module learns. Between the last pool and the first linear layer someone has to turn a stack of pictures into
# a row of numbers. The notes write a class for that, with one line in it: `input.view(input.size(0), -1)`. As a module,
# and not only a line in `forward`, it can stand in a `Sequential` like any layer.
#
# The line works on most days. `view` gives the same memory another shape, and never moves a number. Where the numbers
# do not lie in the order in which they are read, it must refuse to lay them in one row:

# %% tags=["demo", "raises-exception"]
picture = torch.arange(12.0).reshape(1, 2, 2, 3)  # (N, H, W, C), as an image file gives it
channels_first = picture.permute(0, 3, 1, 2)  # (N, C, H, W): only the reading order changes
channels_first.view(channels_first.size(0), -1)

# %% [markdown]
# The message names the cure: a function that copies when it has to.
#
# ### [](#Flatten) Flatten ●○○○○ 8 min
#
# Write `class Flatten(nn.Module)` with `Flatten(start_dim=1)`.
#
# By hand: two channels of 2×2, `[[1, 2], [3, 4]]` and `[[5, 6], [7, 8]]`, of shape (1, 2, 2, 2), become the one row
# `[1, 2, 3, 4, 5, 6, 7, 8]`, of shape (1, 8). With `start_dim=2` they become two rows of four, of shape (1, 2, 4).
#
# - With `start_dim=1` it keeps the batch: (N, C, H, W) becomes (N, C·H·W), channel after channel and row after row.
# - `start_dim` counts from the front or, negative, from the back: every dimension from there on becomes one.
# - The input need not be contiguous: a permuted or a cut-out tensor is flattened in the order in which it is read, too.
# - An empty batch (0, C, H, W) becomes (0, C·H·W).
# - It is a module without parameters: it stands inside `nn.Sequential`, and gradients flow through it.
# - PyTorch's class `nn.Flatten` is off limits; every method of a tensor is yours.
#
# <details><summary>Hint: the empty batch</summary>
#
# A size of −1 is worked out by division: 0 numbers in 0 rows could be rows of any length. Do not leave it to be
# guessed.
#
# </details>

# %% nbgrader={"grade_id": "Flatten", "solution": true}
class Flatten(nn.Module):
    """Makes one dimension of all from start_dim on: (N, C, H, W) to (N, C·H·W) with start_dim=1."""

    def __init__(self, start_dim=1):
        super().__init__()
        ### BEGIN SOLUTION
        self.start_dim = start_dim
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return x.flatten(self.start_dim)
        ### END SOLUTION

# %% tags=["demo"]
with try_it("Flatten"):
    two_channels = torch.arange(1.0, 9.0).reshape(1, 2, 2, 2)
    print(Flatten()(two_channels).int().tolist())
    print(Flatten(start_dim=2)(two_channels).int().tolist())
    print("what view refused:", Flatten()(channels_first).int().tolist())

# %% nbgrader={"grade_id": "Flatten_exam", "grade": true}
examine("Flatten", Flatten)

# %% [markdown]
# ## A net that fails, and fails again
#
# The notes now put a net together: a convolution, a pool, a flatten, a linear layer, for handwritten digits of 28×28.
# We type it as it is printed there.

# %% tags=["demo", "raises-exception", "active-ipynb"]
# class NotesNet(nn.Module):
#     def __init__(self):
#         super().__init__()
#         self.net = nn.Sequential(nn.Conv2d(1, 16, stride=1, padding=1)
#                                  nn.MaxPool2d(2, 2)
#                                  nn.Flatten()
#                                  nn.Linear(1*14*14, 10))

# %% [markdown]
# **Failure one: missing commas.** A `SyntaxError` comes before anything runs: Python cannot even read the cell. Where
# two things stand side by side with nothing between them it suspects a comma, and it is right. The layers of a
# `Sequential` are the arguments of a call.

# %% tags=["demo", "raises-exception"]
class NotesNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, stride=1, padding=1),
                                 nn.MaxPool2d(2, 2),
                                 nn.Flatten(),
                                 nn.Linear(1*14*14, 10))


NotesNet()

# %% [markdown]
# **Failure two: no `kernel_size`.** The class could be read; it fails when it is *called*. Stride and padding have
# defaults, the window's size has none: there is no convolution without a window. (The last line of the message is the
# one to read first. The lines above it tell how Python got there.)

# %% tags=["demo"]
class NotesNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, kernel_size=3, stride=1, padding=1),
                                 nn.MaxPool2d(2, 2),
                                 nn.Flatten(),
                                 nn.Linear(1*14*14, 10))

    def forward(self, x):
        return self.net(x)


notes_net = NotesNet()
print("built")

# %% [markdown]
# It is built. Nothing has told the linear layer yet what it will be fed, so nothing could complain. The first picture
# tells:

# %% tags=["demo", "raises-exception"]
notes_net(torch.zeros(2, 1, 28, 28))

# %% [markdown]
# **Failure three: `Linear(1*14*14)`.** Two pictures came as rows of 3,136 numbers to a layer made for 196. 3,136 =
# 16·14·14. The picture went in with one channel, but the convolution made sixteen of it, and the flatten lays all of
# them in a row.
#
# ![A handwritten seven of 28 by 28 pixels on its way through the net: sixteen feature maps of 28 by 28, sixteen of 14
# by 14 after the pool, a strip of 3,136 numbers, ten scores](../../assets/06_module/journey.svg)
#
# *A real digit (8×8 in scikit-learn, enlarged) in the net of the next exercise. Above each stage, what one image is
# made of.*
#
# How many numbers reach the linear layer depends on every choice before it. Move them:

# %% tags=["demo", "nbval-ignore-output"] frames={"pool": [1, 2, 4], "kernel_size": [1, 3, 5, 7, 9]}
seven = F.interpolate(digits()[0][7:8], (28, 28), mode="bilinear")


def kernels(size):
    """Four filters of any size: left-right, top-bottom, blur, centre against surround."""
    ramp = torch.linspace(-1, 1, size) if size > 1 else torch.ones(1)
    across = ramp.expand(size, size) / size
    blur = torch.full((size, size), 1 / size**2)
    centre = -blur
    centre[size // 2, size // 2] += 1
    return torch.stack([across, across.T, blur, centre])[:, None]


def reach(kernel_size, padding, pool):
    maps = F.conv2d(seven, kernels(kernel_size), padding=padding)
    pooled = F.max_pool2d(maps, pool)
    figure, axes = plt.subplots(2, 4, figsize=(7.5, 4.2))
    for index in range(4):
        for row, tensor in zip(axes, (maps, pooled), strict=True):
            row[index].imshow(tensor[0, index], cmap="gray")
            row[index].set(xticks=[], yticks=[])
    axes[0, 0].set_ylabel("convolved\n{}×{}".format(*maps.shape[2:]))
    axes[1, 0].set_ylabel("pooled\n{}×{}".format(*pooled.shape[2:]))
    height, width = pooled.shape[2:]
    figure.suptitle(f"four of 16 channels · nn.Linear(16·{height}·{width} = {16 * height * width:,}, 10)")
    return figure


plots.explore(reach, kernel_size=[3, 1, 5, 7, 9], padding=(1, 4), pool=[2, 1, 3, 4])

# %% [markdown]
# Nobody has to do this sum in their head. Run one empty picture through the layers before, and ask for the shape:

# %% tags=["demo"]
for kernel_size, padding, pool in ((3, 1, 2), (3, 0, 2), (5, 2, 4)):
    body = nn.Sequential(nn.Conv2d(1, 16, kernel_size, padding=padding), nn.MaxPool2d(pool), nn.Flatten())
    print(f"kernel {kernel_size}, padding {padding}, pool {pool}:", body(torch.zeros(1, 1, 28, 28)).shape[1])

# %% [markdown]
# **Failure four: `nn.BatchNormal2d`.** The notes' next net has a normalisation in it, under a name that PyTorch does
# not know. It normalises a *batch*, and is named after it:

# %% tags=["demo", "raises-exception"]
nn.Sequential(nn.Conv2d(1, 32, 5, 1, 1),
              nn.MaxPool2d(2, 2),
              nn.ReLU(True),
              nn.BatchNormal2d(32))

# %% tags=["demo"]
block = nn.Sequential(nn.Conv2d(1, 32, 5, 1, 1),
                      nn.MaxPool2d(2, 2),
                      nn.ReLU(True),
                      nn.BatchNorm2d(32))
print(tuple(block(torch.zeros(2, 1, 28, 28)).shape))

# %% [markdown]
# The three numbers after the channels are window, stride and padding: 28 + 2·1 − 5 + 1 = 26, halved is 13. (The fifth
# failure waits in [](#power_cut).)
#
# ### [](#TestNet) The notes' net, mended ●●○○○ 12 min
#
# Write `class TestNet(nn.Module)`, without arguments: a 3×3 convolution from 1 to 16 channels with padding 1 and a
# bias; a max pool of 2×2 with stride 2; a flatten; a linear layer to 10. PyTorch's layers are yours to use, and names
# are free.
#
# Shapes by hand for one image: (1, 28, 28), then (16, 28, 28) because 28 + 2·1 − 3 + 1 = 28, then (16, 14, 14), then
# 3,136, then 10. Numbers to train: 16·1·3·3 + 16 = 160 in the convolution, 3,136·10 + 10 = 31,370 in the linear layer.
#
# - Convolution, pool, flatten, linear, in this order and nothing else: what comes out are raw scores, (N, 1, 28, 28) to
#   (N, 10).
# - The batch may have any size, one image included.
# - Four parameters, 31,530 numbers, and all of them are found by `parameters()`.
# - The layers are made once, in `__init__`: the same image gives the same scores twice.
# - A second net that loads the first one's state dict computes what the first one computes.
# - A backward pass leaves a gradient at every parameter.
#
# <details><summary>Hint: two ways to write it</summary>
#
# One attribute that holds an `nn.Sequential`, called in `forward`. Or an attribute a layer, called one after the other.
# The first is shorter, the second lets you look in between.
#
# </details>

# %% nbgrader={"grade_id": "TestNet", "solution": true}
class TestNet(nn.Module):
    """Convolution, pool, flatten, linear: (N, 1, 28, 28) to (N, 10)."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 14 * 14, 10),
        )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return self.net(x)
        ### END SOLUTION

# %% [markdown]
# Try it: thirty steps on real digits. The curve need not be good, it has to fall.

# %% tags=["demo", "nbval-ignore-output"]
images, labels = digits()
large = F.interpolate(images, (28, 28), mode="bilinear")

with try_it("TestNet"):
    torch.manual_seed(0)
    net = TestNet()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for step in range(30):
        batch = slice(32 * step, 32 * step + 32)
        loss = F.cross_entropy(net(large[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    figure, axes = plt.subplots(figsize=(5.5, 2.4))
    axes.plot(losses)
    axes.set(xlabel="step", ylabel="cross-entropy", ylim=(0, None))
    plt.show()

# %% tags=["demo", "nbval-ignore-output"]
with try_it("TestNet"):
    TestNet()
    print(f"mean loss of the first five steps {sum(losses[:5]) / 5:.2f}, of the last five {sum(losses[-5:]) / 5:.2f}")

# %% nbgrader={"grade_id": "TestNet_exam", "grade": true}
examine("TestNet", TestNet)

# %% [markdown]
# ## [](#boxes) Boxes in boxes
#
# A net may stand where a layer stands. The notes show it with two classes; the second has the first inside:

# %%
class BasicNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 3)

    def forward(self, x):
        return self.net(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(BasicNet(),
                                 nn.ReLU(),
                                 nn.Linear(3, 2))

    def forward(self, x):
        return self.net(x)

# %% tags=["demo"]
print(Net())

# %% [markdown]
# `children()` looks one level down, `modules()` all the way, the net itself first. `named_parameters()` walks the same
# way and writes down, dot by dot, how it came there:

# %% tags=["demo"]
net = Net()
print("children:", [type(child).__name__ for child in net.children()])
print("modules: ", [type(module).__name__ for module in net.modules()])
for name, parameter in net.named_parameters():
    print(f"{name:22}", tuple(parameter.shape))

# %% [markdown]
# `net.0.net.weight`: the `weight` of what is called `net`, in the first (`0`) of what is called `net`, in the net. The
# names are paths in a tree. The notes have a picture of such a tree. Ours is drawn by code from a net that exists, a
# small residual net with a single block:
#
# ![The tree of a small residual net: on the left the net, to its right stem, block and head, to the right of these
# their layers, out to Conv2d and BatchNorm2d, each box with its class and number of
# parameters](../../assets/06_module/tree.svg)
#
# *Blue boxes hold numbers of their own, white ones only hold others, grey ones have nothing to learn. The number in a
# box counts its own numbers and those of all boxes that hang on it.*
#
# The simplest box is the one that runs what is in it from the first to the last. You have used `nn.Sequential` in most
# chapters.
#
# ### [](#Sequential) Sequential (long) ●●●○○ 30 min
#
# Write `class Sequential(nn.Module)` with `Sequential(*modules)`.
#
# By hand: with f(x) = 2x and g(x) = x + 1 inside, in this order, 3 becomes 2·3 + 1 = 7. In the other order it becomes
# 8.
#
# - The output of each module is the input of the next, in the order in which they were given. A module is called,
#   `layer(x)`: only the call, not `forward`, runs the hooks of [](#listening).
# - The modules are registered as `0`, `1`, `2`, …, and so are nested ones: `1.0.weight` is the weight of the first
#   module inside the second.
# - `net[i]` is the i-th module itself, `net[-1]` the last; outside there is an IndexError.
# - `net[1:3]` is a Sequential of the same modules, not copies, and they keep their names: `1` and `2`, although its
#   first module is now `net[1:3][0]`. (So a part's state dict fits the whole.) Everything that slices a list
#   works: `net[::2]`, `net[-2:]`, `net[:99]`.
# - `len(net)` counts the modules, and `for layer in net` gives them in order.
# - A module that is put in another's place, `setattr(net, "0", layer)`, runs in its stead: what is registered is the
#   only list.
# - The same module may be given twice: it then works twice, and its parameters count once.
# - A Sequential of nothing returns its input.
# - What is neither a module nor None is refused with a TypeError.
# - `nn.Sequential` itself is off limits. It also takes an OrderedDict; yours need not.
#
# <details><summary>Hint 1: a name that is a number</summary>
#
# `self.0 = …` is no Python. `self.add_module("0", layer)` does what the assignment would do, and refuses what is no
# module (None it lets in).
#
# </details>
#
# <details><summary>Hint 2: where they are kept</summary>
#
# `self._modules` is a dictionary from names to modules, in order, repeats included. `children()` leaves repeats out.
#
# </details>
#
# <details><summary>Hint 3: a slice</summary>
#
# `net[1:3]` calls `__getitem__(slice(1, 3))`. A list of names takes a slice just as well as a number. Make an empty
# Sequential, then add to it.
#
# </details>

# %% nbgrader={"grade_id": "Sequential", "solution": true}
class Sequential(nn.Module):
    """Modules that run one after the other, registered as 0, 1, 2, …"""

    def __init__(self, *modules):
        super().__init__()
        ### BEGIN SOLUTION
        for index, module in enumerate(modules):
            self.add_module(str(index), module)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        for module in self._modules.values():
            x = module(x)
        return x
        ### END SOLUTION

    def __len__(self):
        ### BEGIN SOLUTION
        return len(self._modules)
        ### END SOLUTION

    def __getitem__(self, index):
        """The module at a place, or a Sequential of those in a slice, under the names they have here."""
        ### BEGIN SOLUTION
        names = list(self._modules)
        if isinstance(index, slice):
            part = Sequential()
            for name in names[index]:
                part.add_module(name, self._modules[name])
            return part
        return self._modules[names[index]]
        ### END SOLUTION

# %% tags=["demo"]
class Double(nn.Module):
    def forward(self, x):
        return 2 * x


class AddOne(nn.Module):
    def forward(self, x):
        return x + 1


with try_it("Sequential"):
    print(Sequential(Double(), AddOne())(3), Sequential(AddOne(), Double())(3))
    nested = Sequential(nn.Linear(4, 3), Sequential(nn.ReLU(), nn.Linear(3, 2)))
    print(*nested.state_dict())
    print("the second half on its own:", *nested[1:].state_dict())

# %% nbgrader={"grade_id": "Sequential_exam", "grade": true}
examine("Sequential", Sequential)

# %% [markdown]
# ## How does it know? (hard)
#
# The notes' residual block, which the chapter on residual nets mends, lacks a line at its beginning:

# %% tags=["demo", "raises-exception"]
class NotesBlock(nn.Module):
    def __init__(self, ch_in, ch_out):
        self.conv1 = nn.Conv2d(ch_in, ch_out, kernel_size=3, padding=1)


NotesBlock(64, 128)

# %% [markdown]
# The message gives the secret away. *Cannot assign module before Module.\_\_init\_\_() call*: so an assignment is not
# just an assignment! In Python, `self.conv1 = layer` calls `self.__setattr__("conv1", layer)`, and a class may write
# this method itself. `nn.Module` does. It looks at **what** is assigned, and enters parameters into one register,
# modules into another. `Module.__init__` makes the empty registers. Without it there is nothing to enter into, and
# rather than lose your layer in silence, it raises.
#
# ![An assignment to an attribute arrives at setattr, which sorts it: a Parameter goes into the register of parameters,
# a Module into the register of modules, everything else becomes a plain
# attribute](../../assets/06_module/registration.svg)
#
# The registers are there to be looked at:

# %% tags=["demo"]
net = Net()
net.scale = nn.Parameter(torch.ones(1))
net.label = "mine"
print("parameters:", list(net._parameters))
print("modules:   ", list(net._modules))
print("plain:     ", net.label)

# %% [markdown]
# And everything else follows from these registers (a third one, for buffers, comes soon) by walking down the tree:
# first my own parameters, then each child's, with the child's name and a dot in front. Below the tree stands the prefix
# so far, on the right what was written down.
#
# ![The walk of named_parameters over the tree of Net, step by step: each box that is reached lights up, and the name
# that is written down grows by the box's name and a dot](../../assets/06_module/walk.gif)
#
# ### [](#MiniModule) MiniModule (long) ●●●●● 60 min
#
# Write `class MiniModule` on plain Python: `torch` is yours, `torch.nn` is not. Where PyTorch asks "is it an
# `nn.Parameter`?", you ask "is it a leaf tensor that requires grad?" (`tensor.is_leaf and tensor.requires_grad`).
# Calling the object calls its `forward`, and an optimizer that is given `parameters()` trains it.
#
# By hand: after
#
# ```python
# class Head(MiniModule):
#     def __init__(self):
#         super().__init__()
#         self.weight = torch.ones(2, requires_grad=True)
#
# class Whole(MiniModule):
#     def __init__(self):
#         super().__init__()
#         self.size = 2
#         self.head = Head()
#         self.gain = torch.ones(1, requires_grad=True)
# ```
#
# `Whole().named_parameters()` gives `gain`, then `head.weight`: its own come first, although `head` was assigned
# before.
#
# *Entering*
#
# - A leaf tensor that requires grad becomes a parameter by being assigned to an attribute; every other value is a plain
#   attribute. (A child is an object of a class built on `MiniModule`; a list of children is a plain value.) All of them
#   can be read again as attributes. Each object has registers of its own: two objects of one class share none, and a
#   `copy.deepcopy` has tensors of its own.
# - The last assignment counts: what was a parameter or a child and is overwritten is one no longer.
# - A parameter or a child that is assigned before `MiniModule.__init__` has run raises an AttributeError whose message
#   names `__init__`; numbers may come earlier. (Your registers are attributes, too: making them in `__init__` passes
#   through `__setattr__`.)
# - `register_buffer(name, tensor)` enters a tensor that is saved and not trained: an attribute, in the state dict,
#   among no parameters; a new tensor that is assigned to its name stays a buffer. So a BatchNorm built on `MiniModule`
#   loads the state dict of PyTorch's, and the other way round.
#
# *Walking*
#
# - `named_parameters()` gives pairs (name, tensor): the object's own first, then each child's, in the order of
#   assignment, with dotted names such as `pair.inner.weight`; `parameters()` gives the tensors alone. A list or a
#   generator, as you like.
# - The same tensor under two names comes once, under the first; equal numbers in two tensors are still two.
# - `training` starts as True; `train(mode=True)` and `eval()` set it in the object and everything below it, and return
#   the object.
# - `apply(function)` calls `function` with every module below, in the order of assignment, a module after its children
#   and the object last, and returns the object.
#
# *Saving*
#
# - `state_dict()` is a dictionary from each qualified name to the tensor, detached, but in shared memory; a tensor
#   under two names is in it twice.
# - `load_state_dict(state_dict)` copies the numbers into the tensors that are there, in any order of the names.
# - A missing name, an unexpected name or another shape raises a RuntimeError, and then nothing has been loaded.
#
# <details><summary>Hint 1: setting an attribute inside __setattr__</summary>
#
# `self.x = value` inside `__setattr__` would call it again. `object.__setattr__(self, name, value)` sets the attribute
# and no more.
#
# </details>
#
# <details><summary>Hint 2: has __init__ run?</summary>
#
# `self.__dict__` is the dictionary of the attributes that are there already. What does `__init__` put into it that is
# not there before?
#
# </details>
#
# <details><summary>Hint 3: walking down</summary>
#
# A child knows how to list its own: ask it, and put its name and a dot before each answer. Repeats are found by
# `id(tensor)`: `in` and `==` compare tensors number by number.
#
# </details>

# %% nbgrader={"grade_id": "MiniModule", "solution": true}
class MiniModule:
    """nn.Module's bookkeeping in plain Python: registers, a walk over the tree, a state that can be saved."""

    def __init__(self):
        """Make the registers, and start in train mode."""
        ### BEGIN SOLUTION
        self._parameters = {}
        self._buffers = {}
        self._modules = {}
        self.training = True
        ### END SOLUTION

    def __setattr__(self, name, value):
        """Set an attribute; enter it if it is a parameter or a child. AttributeError where `__init__` has not run."""
        ### BEGIN SOLUTION
        is_parameter = isinstance(value, torch.Tensor) and value.is_leaf and value.requires_grad
        is_child = isinstance(value, MiniModule)
        is_buffer = isinstance(value, torch.Tensor) and name in self.__dict__.get("_buffers", {})
        if "_modules" in self.__dict__:
            for register in (self._parameters, self._buffers, self._modules):
                register.pop(name, None)
        elif is_parameter or is_child:
            raise AttributeError(f"cannot assign {name!r} before MiniModule.__init__() call")
        if is_parameter:
            self._parameters[name] = value
        elif is_child:
            self._modules[name] = value
        elif is_buffer:
            self._buffers[name] = value
        object.__setattr__(self, name, value)
        ### END SOLUTION

    def register_buffer(self, name, tensor):
        """Enter a tensor that is saved and not trained."""
        ### BEGIN SOLUTION
        self._buffers[name] = tensor
        object.__setattr__(self, name, tensor)
        ### END SOLUTION

    def __call__(self, *args):
        """What `forward` returns."""
        ### BEGIN SOLUTION
        return self.forward(*args)
        ### END SOLUTION

    def named_parameters(self):
        """Pairs (qualified name, tensor), own ones first, each tensor once."""
        ### BEGIN SOLUTION
        found = list(self._parameters.items())
        for child_name, child in self._modules.items():
            found += [(f"{child_name}.{name}", tensor) for name, tensor in child.named_parameters()]
        first = {}
        for name, tensor in found:
            first.setdefault(id(tensor), (name, tensor))
        return list(first.values())
        ### END SOLUTION

    def parameters(self):
        """The tensors of `named_parameters`."""
        ### BEGIN SOLUTION
        return [tensor for _, tensor in self.named_parameters()]
        ### END SOLUTION

    def apply(self, function):
        """Call `function` with every module below, then with self; returns self."""
        ### BEGIN SOLUTION
        for child in self._modules.values():
            child.apply(function)
        function(self)
        return self
        ### END SOLUTION

    def train(self, mode=True):
        """Set `training` here and below; returns self."""
        ### BEGIN SOLUTION
        self.training = mode
        for child in self._modules.values():
            child.train(mode)
        return self
        ### END SOLUTION

    def eval(self):
        """`train(False)`."""
        ### BEGIN SOLUTION
        return self.train(False)
        ### END SOLUTION

    def state_dict(self):
        """Every qualified name and its tensor, detached, in shared memory."""
        ### BEGIN SOLUTION
        state = {name: tensor.detach() for name, tensor in (self._parameters | self._buffers).items()}
        for child_name, child in self._modules.items():
            state |= {f"{child_name}.{name}": tensor for name, tensor in child.state_dict().items()}
        return state
        ### END SOLUTION

    def load_state_dict(self, state_dict):
        """Copy numbers in, all or none. RuntimeError where names or shapes do not fit."""
        ### BEGIN SOLUTION
        own = self.state_dict()
        if own.keys() != state_dict.keys():
            raise RuntimeError(f"these names do not fit: {sorted(own.keys() ^ state_dict.keys())}")
        for name, tensor in own.items():
            if tensor.shape != state_dict[name].shape:
                raise RuntimeError(f"{name} has shape {tuple(tensor.shape)}, the state {tuple(state_dict[name].shape)}")
        for name, tensor in own.items():
            tensor.copy_(state_dict[name])
        ### END SOLUTION

# %% [markdown]
# Try it: a net without `torch.nn` learns which digits are sevens, from sixty-four pixels.

# %% tags=["demo", "nbval-ignore-output"]
class MiniLinear(MiniModule):
    def __init__(self, inputs, outputs, generator):
        super().__init__()
        self.weight = (torch.randn(outputs, inputs, generator=generator) / inputs**0.5).requires_grad_()
        self.bias = torch.zeros(outputs, requires_grad=True)

    def forward(self, x):
        return x @ self.weight.T + self.bias


class MiniNet(MiniModule):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.hidden = MiniLinear(64, 16, generator)
        self.head = MiniLinear(16, 1, generator)

    def forward(self, x):
        return self.head(torch.relu(self.hidden(x)))


with try_it("MiniModule"):
    mini = MiniNet()
    print([name for name, _ in mini.named_parameters()])
    pixels, is_seven = images.flatten(1), (labels == 7).float()[:, None]
    optimizer = torch.optim.Adam(mini.parameters(), lr=0.02)
    for _ in range(100):
        loss = F.binary_cross_entropy_with_logits(mini(pixels), is_seven)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = ((mini(pixels) > 0) == (is_seven > 0)).float().mean().item()
    print(f"told right: {right:.1%}")

# %% nbgrader={"grade_id": "MiniModule_exam", "grade": true}
examine("MiniModule", MiniModule)

# %% [markdown]
# You have written the heart of `nn.Module`. What PyTorch's has besides: hooks ([](#listening)), and one line,
# `net.to(device)`, that walks the same tree and moves every parameter and buffer.
#
# ## [](#tree) The tree in text
#
# `print(net)` shows the tree, but not where the numbers are. When a net is too large for the memory, or does not learn,
# the first question is: which part has how many parameters?
#
# ### [](#module_tree) The module tree (long) ●●○○○ 20 min
#
# Write `module_tree(module) -> str`. For the notes' `Net` it returns exactly
#
# ```text
# Net (23)
#   net: Sequential (23)
#     0: BasicNet (15)
#       net: Linear (15)
#     1: ReLU (0)
#     2: Linear (8)
# ```
#
# By hand: `Linear(4, 3)` has 4·3 + 3 = 15 numbers, `Linear(3, 2)` has 3·2 + 2 = 8, together 23.
#
# - The first line is the module itself, `Class (count)`; under it every child has a line `name: Class (count)`.
# - A child stands two spaces further in than the module that it belongs to; below it stand its own children, and so on,
#   in the order in which they were registered.
# - `count` is the number of numbers in all parameters of the module and everything below it; a parameter that is shared
#   counts once. (In *each* line: two layers that share a weight both count it, the module above them counts it once.)
# - A module under two names has a line for each name.
# - Frozen parameters count, buffers do not: they are no parameters.
# - Commas separate the thousands: `1,005,000`.
# - A module without children has one line, and no line break follows the last line.
# - An attribute that is None (a shortcut that is not needed) is no child.
#
# <details><summary>Hint: two ways down</summary>
#
# A function that calls itself for each child and hands the indent on. Or `named_modules(remove_duplicate=False)`, which
# walks the whole tree and gives qualified names: count the dots.
#
# </details>

# %% nbgrader={"grade_id": "module_tree", "solution": true}
def module_tree(module):
    """The tree below a module as text: a line a module, indented, with class and number of parameters."""
    ### BEGIN SOLUTION
    lines = []
    for path, part in module.named_modules(remove_duplicate=False):
        count = sum(parameter.numel() for parameter in part.parameters())
        label = f"{type(part).__name__} ({count:,})"
        if path:
            names = path.split(".")
            label = "  " * len(names) + f"{names[-1]}: {label}"
        lines.append(label)
    return "\n".join(lines)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("module_tree"):
    print(module_tree(Net()))

# %% nbgrader={"grade_id": "module_tree_exam", "grade": true}
examine("module_tree", module_tree)

# %% [markdown]
# ## [](#power_cut) A night's training, and a power cut
#
# Everything that a net has learned is in its state dict: names and tensors. `net.to(device)` moves them, `torch.save`
# writes them, `load_state_dict` puts them back. The notes do these steps in the following order.

# %% tags=["demo", "raises-exception"]
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
net = Net()
net.to(device)

net.load_state_dict(torch.load("ckpt.mdl"))

# train...

torch.save(net.state_dict(), "ckpt.mdl")

# %% [markdown]
# **Failure five: load before save.** On the first run there is nothing to load. Saved first, it works; and a second net
# takes over what the first one knows:

# %% tags=["demo"]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "ckpt.mdl"
    net = Net()
    torch.save(net.state_dict(), path)

    other = Net()
    other.load_state_dict(torch.load(path, weights_only=True))
    x = torch.ones(1, 4)
    print("the same answers:", torch.equal(net(x), other(x)))
    print("on the device:", {parameter.device.type for parameter in net.to("cpu").parameters()})

# %% [markdown]
# `net.to(device)` works in place and returns the net. (For a tensor it is different: `x.to(device)` gives back one that
# lies there, and leaves `x` where it was. Forget the `x =` before it, and you wonder for an hour.)
#
# But is the state dict enough to *go on training*? And what if the power fails while the file is being written?
#
# **What must be in the file.** Adam keeps two running averages for each number of the net. They are not in the net.
# They are in `optimizer.state_dict()`. And someone has to know in which epoch we were.
#
# **How the file must be written.** `torch.save(…, "ckpt.pt")` empties the old file first. From then until the last byte
# is written there is no whole checkpoint on the disk, neither the old nor the new. Write somewhere else, then rename:
# on one file system `os.replace` changes a name in one step. Whoever looks sees the old file or the new one, never half
# of one, and a program that crashes can do no more harm. **A power cut can.** What a program has written stands in
# memory for a while, first in Python's buffer, then in the system's, and the new *name* may reach the disk before the
# new *bytes*. `file.flush()` hands the bytes to the system, and `os.fsync(file.fileno())` waits until the disk has
# them. Only then rename.
#
# ![Two ways of writing a checkpoint drawn along time. Written in place: old file, then a half-written file, then the
# new one; a crash in the middle leaves nothing. Written beside and renamed: at every moment a whole file stands under
# the name](../../assets/06_module/half_written.svg)
#
# ### [](#save_checkpoint) Save a checkpoint ●●●○○ 20 min
#
# Write `save_checkpoint(path, net, optimizer, epoch)`.
#
# By hand: a folder holds `last.pt` of epoch 3. While epoch 4 is being written the folder holds `last.pt` (epoch 3,
# whole) and a second file (epoch 4, growing). After the rename it holds `last.pt` (epoch 4, whole) alone.
#
# - The file holds a dictionary with the keys `net`, `optimizer` and `epoch`: two state dicts, buffers included, and the
#   number; `torch.load(path, weights_only=True)` opens it. The state of random generators is not in it.
# - Where training draws no random numbers, it goes on from the file bit for bit as if it had never stopped, with Adam,
#   too.
# - `path` is a string or a `Path`, and the file has exactly that name.
# - Write to a temporary file in the same folder, then move it into place with `os.replace`; nothing else stays in the
#   folder.
# - If writing fails half-way, the error comes through, the old file is as it was, and no half-written file is left
#   beside it.
# - The same holds where the writing is stopped by Ctrl-C, which raises KeyboardInterrupt.
# - Before the move the temporary file is flushed, and `os.fsync` has waited until all its bytes are on the disk.
# - Other files in the folder stay as they are: give the temporary file the checkpoint's whole name with something
#   added.
# - Net and optimizer are left as they were: numbers, gradients, modes.
#
# <details><summary>Hint 1: a name for the temporary file</summary>
#
# `path.with_name(path.name + ".tmp")` is in the same folder. The system's own temporary folder is often on another
# disk, and from disk to disk `os.replace` raises an OSError.
#
# </details>
#
# <details><summary>Hint 2: waiting for the disk</summary>
#
# `torch.save` also takes an open file: `with open(temporary, "wb") as file: …`. Flush and `fsync` belong inside the
# `with`, the move behind it.
#
# </details>
#
# <details><summary>Hint 3: cleaning up</summary>
#
# `try: … finally: …` runs its end in any case, `except Exception` not after Ctrl-C. After a successful rename the
# temporary name no longer exists:
# `unlink(missing_ok=True)` does not mind.
#
# </details>

# %% nbgrader={"grade_id": "save_checkpoint", "solution": true}
def save_checkpoint(path, net, optimizer, epoch):
    """Write net, optimizer and epoch to `path`, whole or not at all: `{"net": …, "optimizer": …, "epoch": …}`."""
    ### BEGIN SOLUTION
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("save_checkpoint"), tempfile.TemporaryDirectory() as folder:
    net = Net()
    optimizer = torch.optim.Adam(net.parameters())
    for epoch in (3, 4):
        save_checkpoint(Path(folder) / "last.pt", net, optimizer, epoch)
        print("in the folder:", os.listdir(folder), "of epoch",
              torch.load(Path(folder) / "last.pt", weights_only=True)["epoch"])

# %% nbgrader={"grade_id": "save_checkpoint_exam", "grade": true}
examine("save_checkpoint", save_checkpoint)

# %% [markdown]
# ### A file is somebody's program
#
# The notes load with `torch.load("ckpt.mdl")`, and for years that meant: unpickle it. A pickle is a small program that
# builds objects. It may call any function on your computer. Here is one that only prints; it could as well delete:

# %% tags=["demo"]
class Innocent:
    def __reduce__(self):
        return print, ("  … code from the file is running on your computer",)


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "weights from the internet.pt"
    torch.save({"net": {}, "optimizer": {}, "epoch": Innocent()}, path)
    print("weights_only=False:")
    torch.load(path, weights_only=False)
    print("weights_only=True:")
    try:
        torch.load(path, weights_only=True)
    except Exception as error:
        print("  refused,", type(error).__name__)

# %% [markdown]
# `weights_only=True` reads tensors, numbers, strings, lists and dictionaries, and calls nothing but a short list of
# functions that are meant to be harmless. It is a good lock, and no wall: in 2025 and in 2026 holes became known
# through which a file could run code all the same, or spoil memory; PyTorch 2.6 and 2.10 closed them. So keep PyTorch
# current, and take files from people whom you trust. Since 2.6 it is also the default. You do not know on which version
# your program will run, so write it all the same.
#
# ### [](#load_checkpoint) Load a checkpoint ●●○○○ 12 min
#
# Write `load_checkpoint(path, net, optimizer=None, device="cpu") -> int` for files as `save_checkpoint` writes them.
#
# By hand: the file holds `{"net": …, "optimizer": …, "epoch": 4}`. Then `load_checkpoint(path, net, optimizer)` changes
# net and optimizer and returns 4.
#
# - The net's numbers, buffers included, become those of the file, and the epoch is returned, an int.
# - With an optimizer, its state is loaded, too. Where training draws no random numbers, it goes on bit for bit as if it
#   had never stopped, with the learning rate of the file.
# - Without an optimizer the net alone is loaded; `path` is a string or a `Path`; modes and file stay as they are.
# - A file with code in it is refused with an error, before any of the code has run and before anything is loaded.
# - Say so yourself, `weights_only=True`: an older PyTorch, where nothing is said, runs the code.
# - The file's tensors go to `device` while they are read: a checkpoint that was written on a GPU opens on a machine
#   that has none. (The net may be moved there as well, and need not.)
# - Loading before anything was saved is a FileNotFoundError, and the net stays as it was.
# - A checkpoint of another net, with names too many or too few, is a RuntimeError.
#
# <details><summary>Hint: who does the work</summary>
#
# `torch.load` has an argument for the code and one for the device (`map_location`), and raises by itself where it
# should. `load_state_dict` is strict unless told otherwise.
#
# </details>

# %% nbgrader={"grade_id": "load_checkpoint", "solution": true}
def load_checkpoint(path, net, optimizer=None, device="cpu"):
    """Load what `save_checkpoint` wrote into net and, if given, optimizer; returns the epoch.

    Raises FileNotFoundError without a file, RuntimeError for another net, an error for a file with code in it.
    """
    ### BEGIN SOLUTION
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]
    ### END SOLUTION

# %% [markdown]
# Try it: the power cut. A small net trains on real digits for four epochs. In a second run the power fails after epoch
# 2: everything in memory is lost, the checkpoint is not. The order of the pictures in each epoch comes from the epoch's
# number, so that it, too, is the same after resuming.
#
# **Predict, then run.** One net goes on with its optimizer's state, another with a fresh Adam. The other's loss will
# (a) be the same, for the net is the same; (b) be a little higher at first; (c) start from the beginning. Write down
# one of the three.

# %% tags=["demo"]
def digit_net(classes=10):
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(16 * 4 * 4, classes))


def train_epoch(net, optimizer, epoch, images=images, labels=labels):
    """One epoch in batches of 60; returns each step's loss."""
    losses = []
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
    for batch in order.split(60):
        loss = F.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


with try_it("save_checkpoint and load_checkpoint"), tempfile.TemporaryDirectory() as folder:
    net = digit_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    whole = []
    for epoch in (1, 2, 3, 4):
        whole += train_epoch(net, optimizer, epoch)
        if epoch == 2:
            save_checkpoint(Path(folder) / "last.pt", net, optimizer, epoch)

    curves = {}
    for kept in ("net and optimizer", "net alone"):
        again = digit_net()
        its_optimizer = torch.optim.Adam(again.parameters(), lr=0.01)
        epoch = load_checkpoint(Path(folder) / "last.pt", again, its_optimizer if kept != "net alone" else None)
        curves[kept] = [loss for number in (3, 4) for loss in train_epoch(again, its_optimizer, number)]
        same = all(torch.equal(one, other) for one, other in zip(net.parameters(), again.parameters(), strict=True))
        print(f"resumed with {kept}, after epoch {epoch}: bit for bit the same net at the end: {same}")

    figure, axes = plt.subplots(figsize=(7.5, 3.2))
    start = len(whole) // 2
    axes.plot(whole, color=plots.GREY, linewidth=5, alpha=0.4, label="never stopped")
    axes.plot(range(start, len(whole)), curves["net and optimizer"], color=plots.BLUE, label="net and optimizer loaded")
    axes.plot(range(start, len(whole)), curves["net alone"], color=plots.ORANGE, label="net alone loaded")
    axes.axvline(start, color=plots.RED, linestyle="--", label="the power fails")
    axes.set(xlabel="step", ylabel="cross-entropy", yscale="log")
    axes.legend(loc="upper right")
    plt.show()

# %% [markdown]
# (b). The blue line lies on the grey one, to the last bit. The orange one, whose Adam had to start anew, jumps at its
# first steps, and from there on walks a way of its own. (a) tempts because the numbers of the net are the same: but a
# step of Adam is made of its averages, and with empty ones the first step moves every number by the full learning rate.

# %% nbgrader={"grade_id": "load_checkpoint_exam", "grade": true}
examine("load_checkpoint", load_checkpoint)

# %% [markdown]
# ## [](#half) Half of a net
#
# A net has learned something, and you need most of it: its body for other classes, say. Then the checkpoint *does not*
# fit, and strict loading raises an error. (What fits PyTorch has copied by then.) `strict=False` forgives names. It
# does not forgive shapes:

# %% tags=["demo", "raises-exception"]
digit_net(classes=3).load_state_dict(digit_net(classes=10).state_dict(), strict=False)

# %% [markdown]
# What is wanted is: load what fits, leave the rest, and **say what was left**. A typing error in a name must not pass
# as "transfer learning from nothing".
#
# ### [](#load_matching) Load what matches (long) ●●●○○ 20 min
#
# Write `load_matching(module, state_dict) -> (missing, unexpected, mismatched)`.
#
# By hand: the module has `a` (2,), `b` (3,) and `c` (4,); the state dict has `a` (2,), `b` (1,) and `d` (5,). `a` is
# loaded, and the answer is `(["c"], ["d"], ["b"])`.
#
# - Every tensor of `state_dict` whose name and shape fit is loaded, buffers included.
# - It returns three lists of names: `missing`, in the module but not in `state_dict`; `unexpected`, in `state_dict` but
#   not in the module; `mismatched`, in both with different shapes, and then in no other list. The order within a list
#   is free.
# - A tensor is loaded whole or not at all: of another shape, nothing of it is loaded, even where it would broadcast or
#   has as many numbers.
# - Where nothing fits, nothing is loaded, and no error is raised.
# - The module keeps its parameters, the same objects, frozen or not, so that an optimizer that holds them goes on
#   working.
# - `state_dict` is left as it was, and shares no memory with the module afterwards.
#
# <details><summary>Hint: filter first</summary>
#
# `module.state_dict()` tells every name and shape on the module's side, buffers included. With the two dictionaries
# side by side the three lists are three comprehensions; what remains can be copied, or handed to `load_state_dict`.
#
# </details>

# %% nbgrader={"grade_id": "load_matching", "solution": true}
def load_matching(module, state_dict):
    """Load what fits by name and shape; returns the names that did not: (missing, unexpected, mismatched)."""
    ### BEGIN SOLUTION
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    common = [name for name in own if name in state_dict]
    mismatched = [name for name in common if own[name].shape != state_dict[name].shape]
    fitting = {name: state_dict[name] for name in common if name not in mismatched}
    module.load_state_dict(fitting, strict=False)
    return missing, unexpected, mismatched
    ### END SOLUTION

# %% [markdown]
# Try it: a net learns the digits 0 to 6, all of them. Another is to learn 7, 8 and 9 from *thirty* examples, in eight
# steps of plain gradient descent. Does it help to start from the first one's body?
#
# **Predict, then run.** From nothing, the new net will read of 100 digits that it has not seen about (a) 33, as if it
# guessed; (b) 50; (c) 75. And from the donor's body? Write down two numbers, for the nets as trained, in evaluation
# mode.

# %% tags=["demo", "nbval-ignore-output"]
def measured_anew(net, pictures):
    """The net in eval mode, its running statistics those of `pictures`, and not those that eight steps have left."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain average
    with torch.no_grad():
        net.train()(pictures)
    return net.eval()


with try_it("load_matching"):
    old = labels < 7
    donor = digit_net(classes=7)
    optimizer = torch.optim.Adam(donor.parameters(), lr=0.01)
    for epoch in range(4):
        train_epoch(donor, optimizer, epoch, images[old], labels[old])

    few, few_labels = images[~old][:30], labels[~old][:30] - 7
    rest, rest_labels = images[~old][30:], labels[~old][30:] - 7
    for start in ("from nothing", "from the donor's body"):
        pupil = digit_net(classes=3)
        if start != "from nothing":
            print("not loaded:", load_matching(pupil, donor.state_dict())[2])
        optimizer = torch.optim.SGD(pupil.parameters(), lr=0.02)
        for epoch in range(8):
            train_epoch(pupil, optimizer, epoch, few, few_labels)
        for when in ("as trained", "statistics measured anew"):
            net = pupil.eval() if when == "as trained" else measured_anew(pupil, few)
            with torch.no_grad():
                share = (net(rest).argmax(1) == rest_labels).float().mean()
            print(f"{start:22} {when:25} {share:.0%}")

# %% nbgrader={"grade_id": "load_matching_exam", "grade": true}
examine("load_matching", load_matching)

# %% [markdown]
# (b). Compare the rows "as trained" first: a large head start, it seems. Most of it is something else. After eight
# steps BatchNorm's running statistics still lag behind, and in eval mode the net normalises with numbers of long ago.
# The donor's statistics came with its body, so it suffered less. Measured anew on both sides, on the same thirty
# pictures, what is left is the body's own share, and it is small. Strokes and corners are the same in a 3 and in an 8.
# Give both nets many more steps, and the head start melts: what half a net saves is time and examples. **A comparison
# is fair when one thing differs.**

# %% [markdown]
# ## [](#listening) Listening in
#
# The tree tells which parts a net has. It does not tell what flows between them; that only `forward` knows. A **forward
# hook** listens: a function that a module calls after each of its own calls, with itself, its inputs and its output.
# It may also meddle: if it returns something, that takes the place of the output. Whoever only listens returns nothing.

# %% tags=["demo"]
net = Net()
handle = net.net[1].register_forward_hook(lambda module, inputs, output: print("heard:", tuple(output.shape)))
net(torch.ones(5, 4))
handle.remove()
net(torch.ones(5, 4))
print("and now silence")

# %% [markdown]
# The handle is the important part: a hook stays until someone removes it.
#
# ### [](#record_shapes) Record the shapes ●●●○○ 15 min
#
# Write `record_shapes(net, x) -> dict[str, tuple]`.
#
# By hand: for `nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten())` and `x` of shape (2, 1, 6, 6) it returns `{"0": (2, 3,
# 4, 4), "1": (2, 48)}`.
#
# - The result is a dictionary from the qualified name of every module inside to the shape of its output, a tuple; the
#   net itself is not in it.
# - `net(x)` runs once, as it is: branches and containers are seen, a module that works twice has the shape of its last
#   output, and one that never works is not in the dictionary.
# - Afterwards no hook is left on any module, and nothing else has been put on one.
# - If the net raises, the error comes through, and no hook is left either.
# - Hooks that others have registered keep working.
# - Modes, numbers and `x` stay as they were. (What a BatchNorm in train mode does to its running statistics, and a
#   first layer with `inplace=True` to `x`, is the net's own business.)
# - Every module's output is one tensor.
#
# <details><summary>Hint 1: which name?</summary>
#
# A hook is told its module, not the module's name. Give each hook its own name when you make it. A loop variable is
# *one* variable: when the hook runs, the loop is long over.
#
# </details>
#
# <details><summary>Hint 2: also when it raises</summary>
#
# Collect the handles in a list; remove them in a `finally`.
#
# </details>

# %% nbgrader={"grade_id": "record_shapes", "solution": true}
def record_shapes(net, x):
    """Run `net(x)` and return the output shape of every module inside, by qualified name; leaves no hook behind."""
    ### BEGIN SOLUTION
    shapes, handles = {}, []

    def listener(name):
        def hook(module, inputs, output):
            shapes[name] = tuple(output.shape)
        return hook

    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(listener(name)))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
    return shapes
    ### END SOLUTION

# %% tags=["demo"]
with try_it("record_shapes"):
    for name, shape in record_shapes(digit_net(), images[:5]).items():
        print(name, shape)

# %% nbgrader={"grade_id": "record_shapes_exam", "grade": true}
examine("record_shapes", record_shapes)

# %% [markdown]
# A hook hears the output itself, too, not only its shape. That makes it the doctor's instrument. A net that does not
# learn raises no error; but somewhere in it the numbers are of the wrong size, or all zero, or all alike, and three
# numbers a layer often show where.
#
# Looking is not always free, though. `record_shapes` in train mode has left a trace in every BatchNorm: what passed was
# averaged into its running statistics. A doctor should leave the patient as he was.
#
# ### [](#activation_stats) Take its pulse (long) ●●●○○ 20 min
#
# Write `activation_stats(net, x) -> dict[str, tuple[float, float, float]]`: for each layer three numbers.
#
# By hand: a layer gives `[[−1, 0, 0, 3]]`. Mean 2/4 = 0.5; deviations −1.5, −0.5, −0.5, 2.5, their mean square 9/4, so
# the standard deviation is 1.5; two of four are zero. Its entry is `(0.5, 1.5, 0.5)`.
#
# - A layer is a module inside `net` that has no children and works; its key is its qualified name.
# - The three are the mean, the standard deviation (divided by n) and the share of exact zeros, between 0 and 1, of all
#   numbers of its output: Python floats.
# - The numbers are those that the layer gave, also where a later layer writes over them in place; a layer that works
#   twice has those of its last output.
# - The net runs in the modes in which it comes: a BatchNorm in train mode uses the batch.
# - Looking moves nothing: parameters, modes, `x` and the running statistics of a BatchNorm in train mode are afterwards
#   what they were. (A first layer with `inplace=True`, which writes into `x`, is the net's own business.)
# - `net(x)` runs once, and no graph is built.
# - No hook is left, also where the net raises, and then the error comes through.
#
# <details><summary>Hint 1: when to count</summary>
#
# Inside the hook. A tensor that is only kept may be another one when the net has run: `nn.ReLU(inplace=True)` writes
# over what it was given.
#
# </details>
#
# <details><summary>Hint 2: putting it back</summary>
#
# `state_dict()` shares memory with the net: clone what you keep. Or look at a copy, `copy.deepcopy(net)`.
#
# </details>

# %% nbgrader={"grade_id": "activation_stats", "solution": true}
def activation_stats(net, x):
    """Mean, standard deviation and share of zeros of each layer's output, by qualified name; leaves no trace."""
    ### BEGIN SOLUTION
    stats, handles = {}, []
    kept = {name: tensor.clone() for name, tensor in net.state_dict().items()}

    def listener(name):
        def hook(module, inputs, output):
            zeros = (output == 0).float().mean().item()
            stats[name] = (output.mean().item(), output.std(correction=0).item(), zeros)
        return hook

    try:
        for name, module in net.named_modules():
            if name and not list(module.children()):
                handles.append(module.register_forward_hook(listener(name)))
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
        net.load_state_dict(kept)
    return stats
    ### END SOLUTION

# %% [markdown]
# Try it on six nets. All are built alike, but for their faults, and are asked about the same digits. One is well, five
# have a fault that was planted, one each, and none raises an error.

# %% tags=["demo"]
def ward():
    """Six nets of three hidden layers; in five of them something is wrong."""
    nets = []
    for number in range(6):
        torch.manual_seed(number)
        layers = [nn.Flatten()]
        for inputs, outputs in ((64, 50), (50, 50), (50, 50)):
            linear = nn.Linear(inputs, outputs)
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.ReLU()]
        nets.append(nn.Sequential(*layers, nn.Linear(50, 10)))
    with torch.no_grad():
        nets[0][3].weight *= 1e-3
        nets[1][1].bias -= 20
        nets[3][5].weight.copy_(nets[3][5].weight[:1].expand(50, 50))
        nets[4].insert(4, nn.Sigmoid())
        nets[4][3].weight *= 40
        nets[5][1].weight *= 1000
    return nets


with try_it("activation_stats"):
    for number, net in enumerate(ward()):
        print(f"net {number}    mean, standard deviation, share of zeros")
        for name, (mean, std, zeros) in activation_stats(net, digits()[0][:500]).items():
            print(f"  {name} {type(net[int(name)]).__name__:8} {mean:10.3g} {std:9.2g} {zeros:7.0%}")

# %% [markdown]
# **Predict, then open.** Which net is well? In each of the others: which layer, and what is wrong with it? One of the
# faults hardly shows in these three numbers: which one, and what would you look at next?
#
# <details><summary>The diagnoses</summary>
#
# - **Net 0**: layer 3 gives about a thousandth of what it should: its weights are much too small.
# - **Net 1**: layer 2 is all zeros. The biases of layer 1 are −20, and its ReLU lets nothing through. All that follows
#   says nothing of the picture: zeros, and at the end the biases of layer 7, the same for every picture.
# - **Net 2** is well: the size stays through the layers, half of what a ReLU gives is zero.
# - **Net 3** is the one that hides. Layer 5 has fifty equal rows: all outputs of a picture are one number. A share of
#   zeros that is nowhere near a half is what shows most; the standard deviation *across the units* of a picture is 0.
# - **Net 4** has a sigmoid behind layer 3 whose inputs have a standard deviation of 32: it is saturated, its outputs
#   lie at 0 and 1, and hardly any gradient passes.
# - **Net 5**: from layer 1 on all is a thousand times too large. Pixels that come as 0 to 255 do the like.
#
# </details>

# %% [markdown]
# Do the numbers find what a training suffers from? Each net trains for sixty steps:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("activation_stats"):
    activation_stats(nn.Sequential(nn.ReLU()), torch.zeros(2))
    for number, net in enumerate(ward()):
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(60):
            loss = F.cross_entropy(net(digits()[0][:500]), digits()[1][:500])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"net {number}: loss {loss.item():.3g} after 60 steps (guessing is 2.30)")

# %% nbgrader={"grade_id": "activation_stats_exam", "grade": true}
examine("activation_stats", activation_stats)

# %% [markdown]
# So one can also look at what a trained net sees, without changing a line of it:

# %% tags=["demo"]
net = digit_net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(3):
    train_epoch(net, optimizer, epoch)
heard = []
handle = net[2].register_forward_hook(lambda module, inputs, output: heard.append(output.detach()))
net(images[7:8])
handle.remove()
plots.images([images[7], *heard[0][0, :6]], ["the digit", *(f"channel {index}" for index in range(6))], height=1.2)
plt.show()

# %% [markdown]
# ## What can go wrong
#
# Four broken snippets. None raises an error. Run each, find the fault by its numbers, mend it in the cell and run it
# again; then open the answer. The first two need one instrument: how far has each tensor of the net moved?

# %% tags=["demo"]
def moved(net, steps, pictures=images[:300], wanted=labels[:300]):
    """`steps(net, loss_function)`, then the norm of what each tensor in the state dict has moved by."""
    before = {name: tensor.clone().float() for name, tensor in net.state_dict().items()}
    steps(net, lambda: F.cross_entropy(net(pictures), wanted))
    for name, tensor in net.state_dict().items():
        print(f"  {name:22} {(tensor.float() - before[name]).norm().item():.3f}")


def sgd(net, loss_function):
    """Five steps."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        loss_function().backward()
        optimizer.step()

# %% [markdown]
# **One.** The vector `scale` is to be learned.

# %% tags=["demo", "nbval-ignore-output"]
class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.ones(64, requires_grad=True)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        return self.fc(x.flatten(1) * self.scale)


torch.manual_seed(0)
scaled = Scaled()
moved(scaled, sgd)
print("  the gradient of scale has the norm", round(scaled.scale.grad.norm().item(), 3))

# %% [markdown]
# <details><summary>What is wrong</summary>
#
# `scale` is in no row of the list: a plain tensor. It has a gradient and is used in `forward`, but no optimizer moves
# it, `net.to(device)` leaves it behind, and the checkpoint lacks it. `nn.Parameter(torch.ones(64))` is seen. (What is
# not to be learned but to be saved is `register_buffer`.)
#
# </details>
#
# **Two.** A trained net gets a new head for other classes, and trains on.

# %% tags=["demo", "nbval-ignore-output"]
net = digit_net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net[5] = nn.Linear(256, 10)


def with_that_optimizer(net, loss_function):
    for _ in range(5):
        optimizer.zero_grad()
        loss_function().backward()
        optimizer.step()


moved(net, with_that_optimizer)

# %% [markdown]
# <details><summary>What is wrong</summary>
#
# `5.weight` and `5.bias` have moved by 0. (`0.bias` stands still, too, and may: the norm behind it takes any bias
# away.) The optimizer was given a list of tensors once, before the new head was there. Put the head in first, or make
# the optimizer anew.
#
# </details>
#
# **Three.** The net is copied, tensor by tensor, and asked about the digits.

# %% tags=["demo", "nbval-ignore-output"]
trained, copied = digit_net(), digit_net()
optimizer = torch.optim.Adam(trained.parameters(), lr=0.01)
for epoch in range(3):
    train_epoch(trained, optimizer, epoch)
copied.load_state_dict(dict(trained.named_parameters()), strict=False)
for name, each in (("trained", trained.eval()), ("copied", copied.eval())):
    print(f"  {name:8} reads {(each(images).argmax(1) == labels).float().mean().item():.0%} of the digits;",
          f"norm of its parameters {sum(p.norm().item() for p in each.parameters()):.3f}")

# %% [markdown]
# <details><summary>What is wrong</summary>
#
# All parameters agree, and the answers do not: `named_parameters()` is not the state. The buffers, BatchNorm's running
# mean and variance, were not copied, and `strict=False` has kept silent about it. Copy `state_dict()`, strictly.
#
# </details>
#
# **Four.** The best net so far is kept, to come back to it later.

# %% tags=["demo", "nbval-ignore-output"]
best = trained.state_dict()
print(f"  kept:  norm of the head's weight {best['5.weight'].norm().item():.3f}")
train_epoch(trained.train(), torch.optim.SGD(trained.parameters(), lr=1.0), epoch=1)
print(f"  later: norm of the head's weight {best['5.weight'].norm().item():.3f}")

# %% [markdown]
# <details><summary>What is wrong</summary>
#
# What was kept has changed. `state_dict()` shares its memory with the net, so "the best so far" is always the newest.
# Keep `copy.deepcopy(net.state_dict())`, or a file.
#
# </details>
#
# And one that does raise an error, when it is too late: what a crash leaves of a checkpoint that was written in place.

# %% tags=["demo"]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "last.pt"
    torch.save({"net": net.state_dict(), "epoch": 3}, path)
    whole_file = path.read_bytes()
    path.write_bytes(whole_file[:len(whole_file) // 2])
    try:
        torch.load(path, weights_only=True)
        print("loaded")
    except (RuntimeError, OSError):
        print("no way to load it: neither epoch 3 nor epoch 4 is left")

# %% [markdown]
# ## Five facts to keep
#
# 1. `self.x = value` is a call. `nn.Module.__setattr__` sorts parameters and modules into registers, which
#    `super().__init__()` makes: call it first.
# 2. A net is a tree. `parameters()`, `to`, `train`, `state_dict` and the dotted names are all one walk over it, and
#    lists are not part of the tree.
# 3. A linear layer behind a flatten takes channels · height · width numbers. Run one picture, or listen with hooks, and
#    you need not guess.
# 4. A checkpoint is net, optimizer and epoch, written beside the old one, waited for with `os.fsync`, and moved into
#    place with `os.replace`.
# 5. A pickle is a program. `weights_only=True` is the lock on it; keep it current.
#
# And the net of the beginning, whose loss fell and which learned so little? Its first layer stood in a list: in no
# register, in no walk, with no optimizer. `module_tree` would have shown it, and so would the norm of what each layer
# has moved.
#
# | you wrote | in production |
# | --- | --- |
# | `Linear`, `Flatten`, `Sequential` | `nn.Linear`, `nn.Flatten`, `nn.Sequential`, `nn.ModuleList`, `nn.ModuleDict` |
# | `MiniModule` | `nn.Module`, with `register_parameter`, `named_buffers`, `named_modules` besides |
# | `module_tree` | `print(net)`, `net.named_modules()`, `sum(p.numel() for p in net.parameters())` |
# | `save_checkpoint` | `torch.save` to a temporary file, `os.fsync`, then `os.replace` |
# | `load_checkpoint` | `torch.load(path, map_location=device, weights_only=True)`, `load_state_dict` |
# | `load_matching` | `net.load_state_dict(filtered, strict=False)`, which returns what was missing or unexpected |
# | `record_shapes`, `activation_stats` | `module.register_forward_hook` |
#
# **To read.** *PyTorch: An Imperative Style, High-Performance Deep Learning Library*, A. Paszke and others, 2019: why a
# net is a Python object. *Adam: A Method for Stochastic Optimization*, D. Kingma and J. Ba, 2015: what is in the
# optimizer's state. *All File Systems Are Not Created Equal: On the Complexity of Crafting Crash-Consistent
# Applications*, T. S. Pillai and others, 2014: what a crash may leave of a file, and why one renames. *How Transferable
# Are Features in Deep Neural Networks?*, J. Yosinski, J. Clune, Y. Bengio and H. Lipson, 2014: what half a net is
# worth.
