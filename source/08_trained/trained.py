# %% [markdown] with_reading=210
# # 8 · A network that has seen a million pictures
#
# ![Three photographs, a cup of coffee, a cat and a tripod, each given three times to one trained net. Fed rightly it
# says espresso, striped cat, tripod; fed bytes it says music speaker, pillow, and tripod without conviction; fed by
# reshape, which leaves coloured stripes in which nothing can be recognised, it says window screen, window screen,
# shower curtain](../../assets/08_trained/fed_wrongly.svg)
#
# One net, one set of weights, the same three photographs in each row. In the first row the net is right three times. In
# the second it sees a pillow where there is a cat, in the third a window screen, and nothing in the program failed: no
# error, no warning. The weights are perfect; the net was fed wrongly. Anybody who uses a trained net meets such a row
# sooner or later.
#
# **At the end you can** build a modern net from its parts, load weights that somebody else trained on more than a
# million photographs, feed it what it expects, ask it where it looked, and use what it has learned for pictures of your
# own. Everything runs without a network connection.
# <br>**You need before** convolutions, BatchNorm and modules (chapters 1, 4 and 6); residual blocks help (chapter 5).
# <br>**It takes** about {hours} hours: {minutes} minutes for the {exercises} exercises ({points} points), the rest for
# reading and playing.
# <br>**The short way** ({minutes pad_same MBConv EfficientNetLite0 translate prepare top_k} minutes, {points pad_same
# MBConv EfficientNetLite0 translate prepare top_k} points): `pad_same`, `MBConv`, `EfficientNetLite0`, `translate`,
# `prepare`, `top_k`, and your net names photographs. Left out are the exercises marked *long*: the split of a
# convolution, freezing, the new head, and the heat maps; and of the text [](#looked), [](#new_head) and [](#few). The
# hardest section is marked *hard*.

# %%
import copy
from functools import cache

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import examine, plots, try_it
from convcraft.data import class_names, digits, pixels, trained

plots.use_style()

# A photograph of your own: the path of any file that holds a picture, as "/home/ada/dog.jpg".
MY_PHOTO = None

# %% [markdown]
# ## A convolution in two steps
#
# A 3×3 convolution from 32 channels to 64 has 9 · 32 · 64 = 18,432 weights. It does two things at once: it looks
# *around*, at nine pixels, and it looks *across*, at 32 channels. Every output sees all 288 numbers. Do the two one
# after the other, and it gets cheap:
#
# ![Three drawings of channels as dots. In a convolution every output is joined to every input. In a depthwise one each
# output is joined to the one input above it. In a 1 by 1 convolution every output is joined to every input again, but
# each line is a single number](../../assets/08_trained/separable.svg)
#
# - **Depthwise**: each channel gets one 3×3 kernel of its own and sees no other channel. 9 · 32 = 288 weights.
# - **Pointwise** (1×1): at each pixel the 32 channels are mixed to 64. 32 · 64 = 2,048 weights.
#
# Together 2,336: an eighth. With k×k kernels and O outputs the share is 1/O + 1/k², which for 3×3 kernels and many
# channels is about one ninth. The price: two steps cannot do everything that one can (a kernel of the pair is one
# pattern times one number for each pair of channels). In practice the saved work buys more layers, and these are worth
# more.
#
# **Predict, then run.** Two stacks on 56×56 pixels, 128 channels in and out, 5×5 kernels. The split one has (a) a fifth
# of the multiplications, for there are five columns in a kernel; (b) about a twentieth; (c) a half, for it has two
# layers in place of one.

# %% tags=["demo"]
def macs(conv, size):
    """Multiplications of one convolution for one picture of so many output pixels a side."""
    return conv.weight.numel() * size**2


whole = nn.Conv2d(128, 128, 5, padding=2, bias=False)
around = nn.Conv2d(128, 128, 5, padding=2, groups=128, bias=False)
across = nn.Conv2d(128, 128, 1, bias=False)
print(f"whole {macs(whole, 56):,}, split {macs(around, 56):,} + {macs(across, 56):,},",
      f"share {(macs(around, 56) + macs(across, 56)) / macs(whole, 56):.3f}")

# %% [markdown]
# (b): 1/128 + 1/25 = 0.048. The kernel counts with its square, which makes (a) tempting and wrong; and the two layers
# of (c) are each so thin that their number does not matter. Five sixths of what is left are in the 1×1 convolution.
#
# ### [](#depthwise_separable) The split (long) ●●○○○ 10 min
#
# Write `depthwise_separable(in_channels, out_channels, kernel_size, stride=1)`: the two convolutions, one after the
# other. For x of shape (N, in_channels, H, W) they give (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉); `kernel_size` is
# odd.
#
# By hand: `depthwise_separable(32, 64, 3)` has weights of shape (32, 1, 3, 3) and (64, 32, 1, 1), 288 + 2,048 numbers.
#
# - The result is an `nn.Sequential` of two convolutions without biases and nothing else, with the keys 0 and 1.
# - The first convolution is depthwise: it looks at each channel alone, with a kernel of `kernel_size` by `kernel_size`.
# - The second one is 1×1: at each pixel it mixes all channels to `out_channels`, also where there are fewer of them
#   than before.
# - Zeros are padded so that with a stride of 1 the picture keeps its size, for any odd kernel.
# - The depthwise convolution carries the stride, which is 1 unless given.
#
# <details><summary>Hint 1: one kernel a channel</summary>
#
# `groups=g` cuts the channels into g groups that do not see each other. How many groups, so that each is one channel?
#
# </details>
# <details><summary>Hint 2: the padding</summary>
#
# A window of three reaches one pixel to each side, a window of five two.
#
# </details>

# %% nbgrader={"grade_id": "depthwise_separable", "solution": true}
def depthwise_separable(in_channels, out_channels, kernel_size, stride=1):
    """A depthwise convolution, then a 1×1: (N, in_channels, H, W) to (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)."""
    ### BEGIN SOLUTION
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False))
    ### END SOLUTION

# %% tags=["demo"]
with try_it("depthwise_separable"):
    for channels in (16, 64, 256):
        layers = depthwise_separable(channels, 2 * channels, 3)
        split, whole = sum(one.numel() for one in layers.parameters()), 9 * channels * 2 * channels
        print(f"{channels:3} → {2 * channels:3} channels: {whole:9,} weights in one step, {split:7,} in two,",
              f"share {split / whole:.3f}")

# %% nbgrader={"grade_id": "depthwise_separable_exam", "grade": true}
examine("depthwise_separable", depthwise_separable)

# %% [markdown]
# ## Padding is part of the weights
#
# The net of this chapter was trained with TensorFlow, whose padding is called SAME. With a stride of 1 it is what you
# know: one zero on each side of a 3×3 kernel. With a stride of 2 and an even size it is not:
#
# ![A row of eight pixels, a to h, and windows of three with stride two. Padded by one on both sides they begin at minus
# 1, 1, 3, 5 and no window reaches the zero on the right; padded as SAME, with one zero on the right alone, they begin
# at 0, 2, 4, 6](../../assets/08_trained/same_padding.svg)
#
# Both give four numbers for eight pixels. But PyTorch's `padding=1` begins one pixel further to the left. A net's every
# kernel was trained for the one grid; on the other it sees everything shifted by a pixel, five times on the way down:
#
# ![Bars for seven photographs, the probability of what they show: with SAME padding and with padding on both sides
# alike. The daisy falls from 0.33 to 0.19, the tripod hardly](../../assets/08_trained/padding_matters.svg)
#
# No shape tells you. Play with it first; the blue cells are pixels, the yellow ones zeros, and each line is a window:

# %% tags=["demo", "nbval-ignore-output"] frames={"kernel_size": [3, 5], "stride": [1, 2, 3], "pixels_in_a_row": [8, 9]}
def show_windows(pixels_in_a_row, kernel_size, stride):
    count = -(-pixels_in_a_row // stride)
    missing = max((count - 1) * stride + kernel_size - pixels_in_a_row, 0)
    figure, row = plt.subplots(1, 2, figsize=(10, 2.6), sharex=True)
    for axes, (name, before, after) in zip(row, (("padded alike", kernel_size // 2, kernel_size // 2),
                                                 ("SAME", missing // 2, missing - missing // 2)), strict=True):
        for place in range(-before, pixels_in_a_row + after):
            inside = 0 <= place < pixels_in_a_row
            axes.add_patch(plt.Rectangle((place, 0), 1, 1, facecolor=plots.BLUE if inside else plots.YELLOW,
                                         edgecolor=plots.INK, alpha=0.75))
        for number in range((pixels_in_a_row + before + after - kernel_size) // stride + 1):
            start, height = number * stride - before, -0.35 - 0.3 * (number % 3)
            axes.plot([start + 0.1, start + kernel_size - 0.1], [height, height], color=plots.RED, linewidth=3)
        axes.set(title=f"{name}: {before} before, {after} after", xlim=(-3, pixels_in_a_row + 3), ylim=(-1.3, 1.3))
        axes.set_axis_off()
    return figure


plots.explore(show_windows, pixels_in_a_row=(8, 13), kernel_size=[3, 5, 1, 2], stride=[2, 1, 3])

# %% [markdown]
# ### [](#pad_same) The padding that was trained with ●●○○○ 12 min
#
# Write `pad_same(x, kernel_size, stride)`. It returns x with zeros around it, to be followed by a convolution *without*
# padding. x is (N, C, H, W), the other two are whole numbers.
#
# By hand: 8 pixels, a kernel of 3, a stride of 2. ⌈8/2⌉ = 4 windows are wanted; the last one begins at 3 · 2 = 6 and
# ends before 6 + 3 = 9. One pixel is missing: **0 before, 1 after**. With 7 pixels there are 4 windows, too, 2 pixels
# are missing: 1 before, 1 after.
#
# - So much is padded each way that ⌈size / stride⌉ windows fit; with a stride of 1 the picture then keeps its size
#   through the convolution.
# - Where the number of rows or columns to be padded is odd, the right and the bottom get the one more.
# - Height and width are looked at apart: one may need more than the other.
# - Where nothing is missing, nothing is padded and nothing is cut off: a stride may be larger than the kernel.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow. (Chapter 1
#   has them in a box.)
#
# <details><summary>Hint 1: ⌈a / b⌉ in whole numbers</summary>
#
# `-(-a // b)`, or `(a + b - 1) // b`, or `math.ceil(a / b)`.
#
# </details>
# <details><summary>Hint 2: the order of F.pad</summary>
#
# `F.pad(x, (left, right, top, bottom))`: the last axis comes first.
#
# </details>

# %% nbgrader={"grade_id": "pad_same", "solution": true}
def pad_same(x, kernel_size, stride):
    """Zeros around x, (N, C, H, W), so that ⌈H/stride⌉ by ⌈W/stride⌉ windows fit; the odd one right and below."""
    ### BEGIN SOLUTION
    sides = []
    for size in (x.shape[-1], x.shape[-2]):
        missing = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        sides += [missing // 2, missing - missing // 2]
    return F.pad(x, sides)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("pad_same"):
    print(pad_same(torch.ones(1, 1, 2, 3), 3, 2)[0, 0])
    for size, kernel_size, stride in ((224, 3, 2), (112, 3, 1), (56, 5, 2), (7, 5, 2)):
        padded = pad_same(torch.ones(1, 1, size, size), kernel_size, stride)
        row = padded[0, 0, kernel_size // 2]
        print(f"{size} pixels, kernel {kernel_size}, stride {stride}: {int(row.argmax())} before,",
              f"{padded.shape[-1] - size - int(row.argmax())} after;",
              f"{(padded.shape[-1] - kernel_size) // stride + 1} windows")

# %% nbgrader={"grade_id": "pad_same_exam", "grade": true}
examine("pad_same", pad_same)

# %% [markdown]
# <details><summary>Where the formula comes from</summary>
#
# Window number n (from 0) begins at n · stride and ends before n · stride + kernel_size. With w = ⌈size / stride⌉
# windows the last one has the number w − 1, so it ends before (w − 1) · stride + kernel_size. What of that lies beyond
# the picture is missing: (w − 1) · stride + kernel_size − size, and nothing where this is negative.
#
# </details>
#
# ## Narrow, wide, narrow
#
# A ResNet's Bottleneck is wide, narrow, wide: the expensive 3×3 convolution works on few channels. A depthwise
# convolution is cheap, so the block of MobileNetV2 and EfficientNet turns it round. It goes in with few channels,
# widens them sixfold, looks around there, and comes back:
#
# ![Two blocks as stacks of bars whose length is the number of channels. The Bottleneck: 256, 64, 64, 256. The MBConv:
# 24, 144, 144, 24; an arc joins the two ends of each](../../assets/08_trained/mbconv.svg)
#
# Why is there no ReLU at the end? A ReLU throws away half of what it gets. Where 144 channels carry 24 channels' worth
# of information, that can be borne; in 24 channels it cannot. So the narrow ends stay linear ("linear bottlenecks"),
# and what goes around the blocks is a sum, never bent.
#
# **ReLU6** is min(max(x, 0), 6). It was chosen for phones that compute with 8 bits: with a fixed upper end, 256 steps
# are enough. For numbers that stay small it is a ReLU.
#
# ### [](#MBConv) The block ●●●○○ 20 min
#
# Write `class MBConv(nn.Module)` with `__init__(self, in_channels, out_channels, kernel_size, stride, expansion)`. It
# turns (N, in_channels, H, W) into (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉). With e = in_channels · expansion:
#
# 1. `expand`: 1×1 convolution to e channels, `expand_norm`, ReLU6
# 2. `depthwise`: depthwise convolution on e channels, `depthwise_norm`, ReLU6
# 3. `project`: 1×1 convolution to out_channels, `project_norm`
#
# By hand: `MBConv(24, 24, 3, 1, 6)` has 24 · 144 + 9 · 144 + 144 · 24 = 8,208 weights in convolutions and 2 · (144 +
# 144 + 24) = 624 in norms: 8,832. A ResBlock of 24 channels has 10,464 and sees 24 channels in the middle, not 144.
#
# - The parts are called `expand`, `expand_norm`, `depthwise`, `depthwise_norm`, `project` and `project_norm`; no
#   convolution has a bias.
# - With an expansion of 1 there is no `expand` and no `expand_norm`: the depthwise convolution takes the input.
# - A ReLU6 stands behind the first two norms and none behind the third.
# - The input is added where the stride is 1 and the channels stay the same.
# - Anywhere else nothing is added, also where the size alone changes, or happens to stay.
# - The depthwise convolution carries the stride, and its input is padded as by `pad_same`.
# - The norms have an eps of 10⁻³, as in the nets of TensorFlow; all else is PyTorch's default.
# - In training mode each norm uses the batch and updates its own running statistics.
# - The block leaves its input as it was, and gradients flow through.
#
# You may call your `pad_same`; a mistake in it will then show here, too.
#
# <details><summary>Hint 1: a part that is not there</summary>
#
# Do not assign it. `hasattr(self, "expand")` says in `forward` whether it is there; so does the expansion, if you keep
# it.
#
# </details>
# <details><summary>Hint 2: when to add</summary>
#
# Two questions to the arguments of `__init__`. Keep the answer in an attribute.
#
# </details>

# %% nbgrader={"grade_id": "MBConv", "solution": true}
class MBConv(nn.Module):
    """Expand, look around, project: (N, in_channels, H, W) to (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, in_channels, out_channels, kernel_size, stride, expansion):
        ### BEGIN SOLUTION
        super().__init__()
        hidden = in_channels * expansion
        if expansion > 1:
            self.expand = nn.Conv2d(in_channels, hidden, 1, bias=False)
            self.expand_norm = nn.BatchNorm2d(hidden, eps=1e-3)
        self.depthwise = nn.Conv2d(hidden, hidden, kernel_size, stride, groups=hidden, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(hidden, eps=1e-3)
        self.project = nn.Conv2d(hidden, out_channels, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.kernel_size, self.stride, self.expansion = kernel_size, stride, expansion
        self.adds = stride == 1 and in_channels == out_channels
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out = x
        if self.expansion > 1:
            out = F.relu6(self.expand_norm(self.expand(out)))
        out = F.relu6(self.depthwise_norm(self.depthwise(pad_same(out, self.kernel_size, self.stride))))
        out = self.project_norm(self.project(out))
        return x + out if self.adds else out
        ### END SOLUTION

# %% tags=["demo"]
with try_it("MBConv"):
    for arguments in ((24, 24, 3, 1, 6), (24, 40, 5, 2, 6), (32, 16, 3, 1, 1)):
        block = MBConv(*arguments)
        print(f"MBConv{arguments}: {sum(one.numel() for one in block.parameters()):6,} parameters,",
              f"{(1, arguments[0], 56, 56)} → {tuple(block(torch.zeros(1, arguments[0], 56, 56)).shape)}")

# %% nbgrader={"grade_id": "MBConv_exam", "grade": true}
examine("MBConv", MBConv)

# %% [markdown]
# ## Seven stages (hard)
#
# EfficientNet-Lite0 (EfficientNet: M. Tan and Q. Le, 2019; the Lite form, Google, 2020, has ReLU6 and leaves out
# "squeeze and excitation", which some phones' accelerators do not support well) is a stem, seven stages of MBConv
# blocks and a head. Its table was not thought out but searched for by a program, among thousands of tables, for
# accuracy at a given cost:
#
# ![The net as a row of boxes, from 224 by 224 pixels of 3 channels over stages of 16, 24, 40, 80, 112, 192 and 320
# channels, sizes 112, 56, 28, 14, 14, 7 and 7, to 1280 channels and 1000 classes](../../assets/08_trained/lite0.svg)

# %%
# A stage a row: blocks, kernel size, stride of the first block, expansion, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)

# %% [markdown]
# ### [](#EfficientNetLite0) The whole net ●●●●○ 20 min
#
# Write `class EfficientNetLite0(nn.Module)` with `__init__(self, num_classes=1000, block=MBConv)`. It turns (N, 3, H,
# W) into (N, num_classes): one number a class, before any softmax, called its *logit*. `block` is called as
# `block(in_channels, out_channels, kernel_size, stride, expansion)`, by position; the exam brings blocks of its own.
#
# By hand: the third stage, (2, 5, 2, 6, 40), follows one that gives 24 channels. It is `block(24, 40, 5, 2, 6)`, then
# `block(40, 40, 5, 1, 6)`.
#
# - The parts are called `stem`, `stem_norm`, `stages`, `head`, `head_norm` and `classifier`; block j of stage i is
#   `stages.i.j`; no convolution has a bias.
# - The stem is a 3×3 convolution to 32 channels with stride 2, padded as by `pad_same`, a norm and a ReLU6.
# - The seven stages are those of the table: the first block of each takes the stride and the change of channels.
# - The head is a 1×1 convolution to 1280 channels, a norm, a ReLU6, the mean over whatever pixels are left, and one
#   linear layer.
# - The norms of stem and head have an eps of 10⁻³, too.
# - With your `MBConv`, or any right one, it has 4,652,008 parameters, and 3,383,818 for ten classes.
# - In training mode the norms use the batch, and a gradient reaches every parameter.
#
# The net was trained with Dropout before the last layer. It does nothing in evaluation mode; leave it out.
#
# <details><summary>Hint 1: one number to carry along</summary>
#
# How many channels come into the next block? 32 at first, then what the last block gave.
#
# </details>
# <details><summary>Hint 2: stages in stages</summary>
#
# An `nn.Sequential` of `nn.Sequential`s gives the names `stages.0.0`, `stages.1.0`, `stages.1.1`, … by itself.
#
# </details>
# <details><summary>Hint 3: you changed MBConv, and nothing happened</summary>
#
# `block=MBConv` is read when the class is made. Run this cell again after a change of MBConv.
#
# </details>

# %% nbgrader={"grade_id": "EfficientNetLite0", "solution": true}
class EfficientNetLite0(nn.Module):
    """Stem, seven stages of blocks, head: (N, 3, H, W) to (N, num_classes)."""

    def __init__(self, num_classes=1000, block=MBConv):
        ### BEGIN SOLUTION
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 3, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(32, eps=1e-3)
        self.stages = nn.Sequential()
        width = 32
        for blocks, kernel_size, stride, expansion, channels in STAGES:
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(block(width, channels, kernel_size, 1 if index else stride, expansion))
                width = channels
            self.stages.append(stage)
        self.head = nn.Conv2d(width, 1280, 1, bias=False)
        self.head_norm = nn.BatchNorm2d(1280, eps=1e-3)
        self.classifier = nn.Linear(1280, num_classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = F.relu6(self.stem_norm(self.stem(pad_same(x, 3, 2))))
        x = F.relu6(self.head_norm(self.head(self.stages(x))))
        return self.classifier(x.mean((2, 3)))
        ### END SOLUTION

# %% tags=["demo"]
with try_it("EfficientNetLite0 and MBConv"):
    net = EfficientNetLite0().eval()
    print(f"{sum(one.numel() for one in net.parameters()):,} parameters, {len(net.state_dict())} entries")
    x = torch.zeros(1, 32, 112, 112)
    for number, stage in enumerate(net.stages):
        x = stage(x)
        print(f"stage {number}: {len(stage)} × MBConv → {tuple(x.shape)}")

# %% nbgrader={"grade_id": "EfficientNetLite0_exam", "grade": true}
examine("EfficientNetLite0", EfficientNetLite0)

# %% [markdown]
# ## Somebody else's weights
#
# The trained weights lie in a package that was installed with the course. Somebody built the same net before you and
# gave its parts other names:

# %% tags=["demo"]
weights = trained()
print(len(weights), "entries,", f"{sum(tensor.numel() for tensor in weights.values()):,} numbers; some of them:")
for name in list(weights)[::37]:
    print(f"  {name:42} {tuple(weights[name].shape)}")

# %% [markdown]
# Two of their words mean two things. `_bn0` is the norm behind the stem where it stands alone, and the norm behind the
# expansion inside a block. `_bn1` is the norm of the head, or of a depthwise convolution. Whoever replaces texts
# wherever they stand loads a head's statistics into no head. And their blocks are numbered from 0 to 15:
#
# | their block | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15 |
# |--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|--|
# | your stage | 0 | 1 | 1 | 2 | 2 | 3 | 3 | 3 | 4 | 4 | 4 | 5 | 5 | 5 | 5 | 6 |
# | block in it | 0 | 0 | 1 | 0 | 1 | 0 | 1 | 2 | 0 | 1 | 2 | 0 | 1 | 2 | 3 | 0 |
#
# ### [](#translate) Their names into yours ●●●○○ 15 min
#
# Write `translate(state_dict)`. It returns a dictionary with the same tensors under the names of your net. Find a rule;
# 296 lines written by hand are not one.
#
# By hand: `_bn1.bias` becomes `head_norm.bias`, `_blocks.2._bn1.bias` becomes `stages.1.1.depthwise_norm.bias`. What
# follows the last dot stays.
#
# - `_conv_stem`, `_bn0`, `_conv_head`, `_bn1` and `_fc` become `stem`, `stem_norm`, `head`, `head_norm` and
#   `classifier`.
# - Inside a block `_expand_conv`, `_bn0`, `_depthwise_conv`, `_bn1`, `_project_conv` and `_bn2` become `expand`,
#   `expand_norm`, `depthwise`, `depthwise_norm`, `project` and `project_norm`.
# - Their blocks are numbered from 0 to 15 through the whole net, yours within each stage: `_blocks.3` is `stages.2.0`.
# - All 296 entries come out, each with its own tensor, in whatever order they went in.
# - A part or a block number that your net does not have raises KeyError: what would be lost in silence is told.
# - The dictionary that was given stays as it was, and the tensors are passed on, not copied.
#
# <details><summary>Hint 1: a name has parts</summary>
#
# `name.split(".")`. If the first part is `_blocks`, three more follow; else one.
#
# </details>
# <details><summary>Hint 2: where block 7 is</summary>
#
# Write down the place of every block in order: `[f"{stage}.{index}" for stage … for index …]`. The eighth of that list
# is what you want. A block number 16 is no place of the list, which raises IndexError, not KeyError; a dictionary
# raises KeyError by itself.
#
# </details>

# %% nbgrader={"grade_id": "translate", "solution": true}
def translate(state_dict):
    """The same tensors under the names of EfficientNetLite0.

    Raises:
        KeyError: a part or a block number that the net does not have.
    """
    ### BEGIN SOLUTION
    outside = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "head", "_bn1": "head_norm",
               "_fc": "classifier"}
    inside = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise",
              "_bn1": "depthwise_norm", "_project_conv": "project", "_bn2": "project_norm"}
    places = dict(enumerate(f"{stage}.{index}" for stage, (blocks, *_) in enumerate(STAGES) for index in range(blocks)))
    result = {}
    for name, tensor in state_dict.items():
        first, *rest = name.split(".")
        if first == "_blocks":
            number, part, kind = rest
            result[f"stages.{places[int(number)]}.{inside[part]}.{kind}"] = tensor
        else:
            result[".".join([outside[first], *rest])] = tensor
    return result
    ### END SOLUTION

# %% [markdown]
# Strict loading, PyTorch's default, is the best friend of whoever translates: it complains of every name that is
# missing and of every one too many, and of every shape. From here on the chapter works with *your* net:

# %% tags=["demo"]
@cache  # one net for the chapter; run this cell again when you have changed a part
def trained_net():
    """The reader's EfficientNetLite0 with the trained weights, in evaluation mode."""
    net = EfficientNetLite0()
    net.load_state_dict(translate(trained()))
    return net.eval()


with try_it("translate, EfficientNetLite0 and MBConv"):
    print(sorted(translate(trained()))[::59])
    print("loaded:", sum(one.numel() for one in trained_net().parameters()), "parameters")

# %% nbgrader={"grade_id": "translate_exam", "grade": true}
examine("translate", translate)

# %% [markdown]
# ## What the net was fed
#
# A net knows nothing of bytes, sizes or colours. It knows numbers as they came in while it was trained. These weights
# were trained on ImageNet, 1.28 million photographs in 1,000 classes, and each byte x became (x − 127) / 128, from
# −0.99 to 1. In training the crops were random (chapter 7); to be tested, the short side of a photograph is brought to
# 256 pixels, and the middle 224 by 224 taken. Other weights were fed otherwise (torchvision's with ImageNet's mean and
# deviation); *how to feed it belongs to the weights*, and a good package of weights says it.
#
# **Predict, then run.** Five ways to feed it wrongly: bytes from 0 to 255; numbers from 0 to 1; red and blue exchanged;
# the whole picture pressed into a square; channels moved to the front by `reshape`. Which one costs most? (a) Red and
# blue: a cup of blue coffee is no coffee; (b) the square: shapes are what a net looks at; (c) `reshape` and bytes, by
# far.
#
# ### [](#prepare) Prepare a photograph ●●○○○ 12 min
#
# Write `prepare(images, size=224)`. `images` is a list of photographs, each a uint8 tensor (H, W, 3), as `pixels` of
# `convcraft.data` gives it; the result is float32, (N, 3, size, size).
#
# By hand: 400 × 600 pixels and a size of 224. The short side becomes 224 · 8 / 7 = 256, the long one 600 · 256 / 400 =
# 384. Of 256 × 384 pixels the middle begins at row (256 − 224) // 2 = 16 and column (384 − 224) // 2 = 80. A byte of
# 255 becomes 1, one of 63 becomes −0.5.
#
# - The bytes 0 to 255 become (x − 127) / 128, from −0.99 to 1, as float32.
# - (H, W, 3) becomes (3, size, size): the colours move, no pixel does.
# - The short side becomes size · 8 / 7 (256 for 224), the long one in proportion, each rounded to a whole number;
#   nothing is distorted.
# - It is resized by `F.interpolate`, bilinear, with `antialias=True`, and before anything is rounded.
# - Of that the middle `size` by `size` pixels are taken; where the rest is odd, the smaller half is left out at the top
#   and on the left.
# - `images` is a list of pictures, each of its own size; the result has one for each, in order.
# - The size is 224 unless given.
# - The pictures stay as they were.
#
# <details><summary>Hint 1: one after the other</summary>
#
# Pictures of different sizes make no batch. Prepare each one to (1, 3, size, size), then `torch.cat`.
#
# </details>
# <details><summary>Hint 2: bytes</summary>
#
# `torch.tensor([3], dtype=torch.uint8) - 127` is 132. Call `float()` first.
#
# </details>

# %% nbgrader={"grade_id": "prepare", "solution": true}
def prepare(images, size=224):
    """Photographs, uint8 (H, W, 3) each, as this net wants them: float32 (N, 3, size, size) in [-1, 1]."""
    ### BEGIN SOLUTION
    prepared = []
    for image in images:
        x = image.permute(2, 0, 1)[None].float()
        short = round(size * 8 / 7)
        height, width = (round(side * short / min(x.shape[-2:])) for side in x.shape[-2:])
        x = F.interpolate(x, (height, width), mode="bilinear", antialias=True)
        top, left = (height - size) // 2, (width - size) // 2
        prepared.append((x[..., top:top + size, left:left + size] - 127) / 128)
    return torch.cat(prepared)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("prepare"):
    x = prepare([pixels("coffee"), pixels("retina"), pixels("astronaut")])
    print(tuple(x.shape), x.dtype, f"from {x.min():.2f} to {x.max():.2f}, mean {x.mean():.2f}")
    plots.images(list(((x + 1) / 2).clamp(0, 1)), ["coffee", "retina", "astronaut"], height=1.8)
    plt.show()

# %% nbgrader={"grade_id": "prepare_exam", "grade": true}
examine("prepare", prepare)

# %% [markdown]
# ### [](#top_k) The best k answers ●○○○○ 6 min
#
# Write `top_k(logits, k)` for the logits of one picture, (classes,).
#
# By hand: the logits (0, ln 2, ln 5) have the powers 1, 2, 5 and the probabilities ⅛, ¼, ⅝. `top_k(logits, 2)` is `[(2,
# 0.625), (1, 0.25)]`.
#
# - The logits become probabilities by a softmax over all classes, and these are given.
# - The k most probable come, the most probable first, each as (class, probability).
# - Logits of 1,000 are as good as small ones.
# - It is a list of pairs (tuples) of a Python int and a Python float.
# - If k is larger than the number of classes, all of them come.
#
# <details><summary>Hint 1: two methods</summary>
#
# A tensor has `softmax` and `topk`; `tolist()` makes Python numbers.
#
# </details>

# %% nbgrader={"grade_id": "top_k", "solution": true}
def top_k(logits, k):
    """The k most probable classes of logits, (classes,), as [(class, probability), ...], the best first."""
    ### BEGIN SOLUTION
    values, classes = logits.softmax(0).topk(min(k, len(logits)))
    return list(zip(classes.tolist(), values.tolist(), strict=True))
    ### END SOLUTION

# %% tags=["demo"]
with try_it("top_k"):
    for number, share in top_k(torch.tensor([1.0, 2, 5]).log(), 2):
        print(number, f"{share:.3f}")

# %% nbgrader={"grade_id": "top_k_exam", "grade": true}
examine("top_k", top_k)

# %% [markdown]
# ## Your net looks at photographs
#
# None of these was among the million it was trained on. Put the path of a file of your own into `MY_PHOTO` above, and
# it stands first.

# %% tags=["demo", "nbval-ignore-output"]
def named(number):
    """A class's name, short enough for a figure. Two classes may have one name: 657 and 744 are both a missile."""
    return class_names()[number][:27]


def answers(photographs, k=3):
    """What the net says of each, k answers a photograph."""
    with torch.no_grad():
        return [top_k(logits, k) for logits in trained_net()(prepare([pixels(one) for one in photographs]))]


with try_it("prepare, top_k, translate, EfficientNetLite0 and MBConv"):
    shown = [*([MY_PHOTO] if MY_PHOTO else []), "chelsea", "coffee", "camera", "flower", "rocket", "motorcycle_left",
             "china", "astronaut"][:8]
    figure, grid = plt.subplots(2, 4, figsize=(11, 6.4), height_ratios=(1, 1))
    for axes, photograph, said in zip(grid.flat, shown, answers(shown), strict=True):
        axes.imshow((prepare([pixels(photograph)])[0].permute(1, 2, 0) + 1).clamp(0, 2) / 2)
        axes.set_axis_off()
        axes.set_title("\n".join(f"{named(number)} {share:.2f}" for number, share in said), fontsize=9)
    plt.show()

# %% [markdown]
# Read them with care. *Espresso* and *tripod* are nearly sure. For the cat three classes share what is one animal to
# us: ImageNet tells five kinds of house cats apart, and a net that is torn between them is not wrong. The flower is a
# dahlia; there is no such class, and *daisy* is as near as the net can come. The astronaut is a bobsleigh, or a
# football helmet, with little conviction: among the 1,000 classes there is no astronaut, and hardly a person (a
# baseball player, a bridegroom, a scuba diver), and a softmax cannot say "none of these".
#
# Now the prediction. Seven photographs, each with what it shows, fed in wrong ways; the numbers are the probability of
# what it shows:

# %% tags=["demo"]
SHOWS = {"coffee": 967, "camera": 872, "china": 698, "flower": 985, "rocket": 657, "motorcycle_left": 665,
         "chelsea": 282}


def pressed(image, size=224):
    """The whole picture, whatever its shape, as a square."""
    x = image.permute(2, 0, 1)[None].float()
    return (F.interpolate(x, (size, size), mode="bilinear", antialias=True) - 127) / 128


def reshaped(image):
    """The channels moved to the front the wrong way."""
    return prepare([image.reshape(3, *image.shape[:2]).permute(1, 2, 0)])


WAYS = {
    "as it wants it": lambda image: prepare([image]),
    "(x / 255) · 2 − 1": lambda image: (prepare([image]) * 128 + 127) / 127.5 - 1,
    "from 0 to 1": lambda image: (prepare([image]) * 128 + 127) / 255,
    "red and blue exchanged": lambda image: prepare([image]).flip(1),
    "pressed into a square": pressed,
    "upside down": lambda image: prepare([image]).flip(2),
    "lying on its side": lambda image: prepare([image]).transpose(2, 3),
    "half the size": lambda image: prepare([image], 112),
    "bytes": lambda image: prepare([image]) * 128 + 127,
    "by reshape": reshaped,
}

with try_it("prepare, translate, EfficientNetLite0 and MBConv"), torch.no_grad():
    print(f"{'':24}", *(f"{name[:10]:>10}" for name in SHOWS), "      mean")
    for way, feed in WAYS.items():
        shares = [trained_net()(feed(pixels(name))).softmax(1)[0, number].item() for name, number in SHOWS.items()]
        print(f"{way:24}", *(f"{share:10.2f}" for share in shares), f"{sum(shares) / len(shares):10.2f}")

# %% [markdown]
# (c). Bytes are a hundred times too large for the first layer, and `reshape` leaves no picture at all. The other
# mistakes are worse in practice, for they *nearly* work: from 0 to 1, or with red and blue exchanged, the coffee is
# still an espresso, and the mean falls by a fifth at most. A program that is tried on three pictures passes. (Half the
# size even helps with three of them, and ruins the other four.) (a) was tempting because we would notice at once; the
# net looks at shapes and textures more than at colours. (b) costs a third: all but one of the pictures are wide, and
# get distorted.
#
# ## [](#looked) Where did it look?
#
# An answer is a number. To trust it one would like to know what it rests on. If the net says *tripod* because of the
# grass around, it will say so of every lawn. Two ways to ask:
#
# **Grad-CAM** (R. Selvaraju and others, 2017) asks a layer inside. Its output is K maps Aₖ of h × w numbers. How much
# does the label's logit y depend on map k? Take the mean of its gradient, and weigh the maps with it:
#
# $$\alpha_k = \frac{1}{hw}\sum_{i,j}\frac{\partial y}{\partial A_{kij}} \qquad\qquad
# M_{ij} = \mathrm{ReLU}\Bigl(\sum_k \alpha_k A_{kij}\Bigr)$$
#
# ### [](#grad_cam) Ask the gradient (long) ●●●○○ 20 min
#
# Write `grad_cam(net, layer, x, label)`. `net` is in evaluation mode, `layer` a module inside it with an output (1, K,
# h, w), x one prepared picture (1, C, H, W), `label` a class. It returns M, of shape (h, w).
#
# By hand: a layer gives two maps of 1 × 2 pixels, A₀ = (3, 1) and A₁ = (0, 2), and the logit is 4 · mean(A₀) − 6 ·
# mean(A₁). The gradient is 4/2 = 2 at each pixel of A₀ and −3 at each of A₁, so α = (2, −3), the sum is (6, 2 − 6), and
# M = **(6, 0)**.
#
# - The map is the weighted sum of the layer's output over its channels; a channel's weight is the mean of the gradient
#   of the label's logit over that channel's pixels.
# - `layer` is any module inside `net`; the map is as large as its output, (H′, W′).
# - It is the label's own logit that counts, before any softmax, and what speaks against it is cut off at 0.
# - It works on a frozen net, too, whose parameters want no gradient.
# - Afterwards all is as before: no hook, no graph on the map, nothing in any `.grad`, `x` untouched.
# - If the net raises, the error comes through, and no hook is left either.
#
# <details><summary>Hint 1: to look inside</summary>
#
# `layer.register_forward_hook(hook)` calls `hook(module, inputs, output)` each time, and returns a handle with a
# `remove()` (chapter 6 has an exercise on it). `try: … finally:` removes it in any case.
#
# </details>
# <details><summary>Hint 2: a gradient where nobody asks for one</summary>
#
# What a hook returns takes the place of the output. `output.detach().requires_grad_()` begins a graph of its own, which
# ends at the logit; `torch.autograd.grad(logit, that)` then writes into no `.grad`.
#
# </details>

# %% nbgrader={"grade_id": "grad_cam", "solution": true}
def grad_cam(net, layer, x, label):
    """Where `layer` speaks for class `label` of one picture x (1, C, H, W): (h, w), not negative."""
    ### BEGIN SOLUTION
    kept = []

    def keep(module, inputs, output):
        kept.append(output.detach().requires_grad_())
        return kept[0]

    handle = layer.register_forward_hook(keep)
    try:
        logit = net(x)[0, label]
    finally:
        handle.remove()
    gradient, = torch.autograd.grad(logit, kept)
    weights = gradient.mean((2, 3), keepdim=True)
    return F.relu((weights * kept[0]).sum(1))[0].detach()
    ### END SOLUTION

# %% tags=["demo"]
def overlaid(axes, x, heat, title):
    """A prepared picture, and over it a map of any size."""
    heat = F.interpolate(heat[None, None], x.shape[-2:], mode="bilinear")[0, 0]
    axes.imshow((x[0].permute(1, 2, 0) + 1).clamp(0, 2) / 2)
    axes.imshow(heat, cmap="inferno", alpha=0.55, vmin=0)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


with try_it("grad_cam, prepare, top_k, translate, EfficientNetLite0 and MBConv"):
    net = trained_net()
    figure, row = plt.subplots(1, 5, figsize=(13, 3))
    for axes, (name, number) in zip(row, (("chelsea", 282), ("coffee", 967), ("camera", 872), ("motorcycle_left", 665),
                                          ("china", 698)), strict=True):
        x = prepare([pixels(name)])
        overlaid(axes, x, grad_cam(net, net.stages[6], x, number), named(number))
    plt.show()

# %% nbgrader={"grade_id": "grad_cam_exam", "grade": true}
examine("grad_cam", grad_cam)

# %% [markdown]
# The cat's cheeks and nose; the rim of the cup with what is in it, not the spoon; the tripod's legs, not the man; the
# engine and the tank; the pagoda, not the lake. The last stage has 7 × 7 pixels, so each of them stands for 32 × 32 of
# the photograph, and the map is coarse.
#
# <details><summary>Why the mean of the gradient</summary>
#
# Suppose that behind the layer came only the mean over pixels and a linear layer: y = Σₖ wₖ · mean(Aₖ) + b. Then
# ∂y/∂Aₖᵢⱼ = wₖ / hw, its mean is αₖ = wₖ / hw, and Σᵢⱼ Σₖ αₖ Aₖᵢⱼ = Σₖ wₖ · mean(Aₖ) = y − b. So the map, before the
# ReLU, adds up to the logit but for the bias: it says how much each pixel brings. This was the older method, CAM, which
# works for such nets alone. Grad-CAM takes the same αₖ from the gradient, and so works for any layer of any net; the
# sum is then no longer exact.
#
# </details>
#
# **Occlusion** (M. Zeiler and R. Fergus, 2014) needs no gradient and no look inside. Cover a part of the picture and
# see what the answer loses. It is slow, one run of the net for each place, and hard to fool: it *does* what the map
# claims.
#
# ### [](#occlusion) Cover it and see (long) ●●●○○ 15 min
#
# Write `occlusion(net, x, label, size, stride)`. `net` is in evaluation mode, x is one prepared picture (1, C, H, W). A
# square of `size` by `size` pixels is laid over it at every place of a grid. It returns a tensor of shape ((H − size)
# // stride + 1, (W − size) // stride + 1).
#
# By hand: a picture of 4 × 4, squares of 2, a stride of 2: four places. If the label has a probability of 0.9 and the
# net only looks at the upper right pixel, without which it would be 0.5, the map is [[0, **0.4**], [0, 0]].
#
# - At each place the number is what the label's probability loses: that of the whole picture minus that of the picture
#   with the square.
# - The square is filled with 0 in all channels: mid grey, as `prepare` scales.
# - The square goes over the picture by `stride` from the upper left corner, and never hangs over the border: (H − size)
#   // stride + 1 places down, as many across as fit.
# - Where the probability grows, the number is negative: nothing is cut off.
# - `x` and the net stay as they were, and no graph hangs on the map.
#
# <details><summary>Hint 1: two loops</summary>
#
# `range(0, H - size + 1, stride)` gives the rows. In each round: a copy of x, zeros into a part of it, the net.
#
# </details>

# %% nbgrader={"grade_id": "occlusion", "solution": true}
def occlusion(net, x, label, size, stride):
    """What the probability of `label` loses when a square of one picture x (1, C, H, W) is covered, place by place."""
    ### BEGIN SOLUTION
    rows, columns = (range(0, side - size + 1, stride) for side in x.shape[-2:])
    lost = torch.empty(len(rows), len(columns), dtype=x.dtype)
    with torch.no_grad():
        whole = net(x).softmax(1)[0, label]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                covered = x.clone()
                covered[..., row:row + size, column:column + size] = 0
                lost[i, j] = whole - net(covered).softmax(1)[0, label]
    return lost
    ### END SOLUTION

# %% tags=["demo"]
with try_it("occlusion, prepare, translate, EfficientNetLite0 and MBConv"):
    net = trained_net()
    figure, row = plt.subplots(1, 3, figsize=(9, 3))
    for axes, (name, number) in zip(row, (("coffee", 967), ("china", 698), ("flower", 985)), strict=True):
        x = prepare([pixels(name)], 160)
        lost = occlusion(net, x, number, 48, 28)
        overlaid(axes, x, lost.clamp_min(0),
                 f"{named(number)}: loses up to {lost.max():.2f},\ngains up to {-lost.min():.2f}")
    plt.show()

# %% nbgrader={"grade_id": "occlusion_exam", "grade": true}
examine("occlusion", occlusion)

# %% [markdown]
# Look at what is *gained*, too. A square over a part that misleads the net makes it surer of the label: with one square
# in the right place the dahlia becomes more of a daisy by as much as it loses with another. Both kinds of maps are
# tools for questions, not proofs: a bright spot says "this mattered", not "this was understood".
#
# ## [](#new_head) A new head on an old body
#
# The net can tell 1,000 classes. Yours are not among them, and you have five pictures of each. The last linear layer,
# your `classifier`, has 1,281,000 of the 4,652,008 parameters and is of no use. In this section it is called the
# *head*, and all before it the *body*. The body is of use: it has learned edges, textures, wheels, eyes. So keep the
# body, put a new head on it, and train the head alone.
#
# ### [](#freeze) Stand still (long) ●●●○○ 15 min
#
# Write `freeze(net, prefix)`: the module of that name, all that is in it, no longer changes, whatever is trained.
#
# By hand: `freeze(net, "stages.0")` stops 896 parameters (the first block of your net has 288 + 512 in convolutions and
# 96 in norms), and the means and variances of two norms, which no gradient moves. `net.train()` then changes nothing
# there.
#
# - Every parameter under `prefix` stops learning: its `requires_grad` is False.
# - `prefix` is a module's whole name: `body.1` is not `body.10`, `head` is not `head_norm`.
# - At once, and after `net.train()`, the frozen part works as in evaluation mode, its norms and its Dropout.
# - A training moves nothing under `prefix`, running statistics included, and everything else as before.
# - It stays so, also when `train()` is called on a part of it.
# - A prefix that names no module raises AttributeError, as `get_submodule` does.
#
# <details><summary>Hint 1: what moves without a gradient</summary>
#
# In training mode a BatchNorm updates its running statistics on every forward pass. No optimizer is needed for that.
#
# </details>
# <details><summary>Hint 2: against net.train()</summary>
#
# `net.train()` calls `train(mode)` of each part. An attribute of one object hides its class's method of the same name:
# `part.train = …`. Every one of `modules()` needs it, and `eval()` before.
#
# </details>

# %% nbgrader={"grade_id": "freeze", "solution": true}
def freeze(net, prefix):
    """Keep the module called `prefix`, and all in it, as it is: no gradients, evaluation mode through `train()`."""
    ### BEGIN SOLUTION
    frozen = net.get_submodule(prefix)
    frozen.requires_grad_(False)
    frozen.eval()
    for part in frozen.modules():
        part.train = lambda mode=True, part=part: part
    ### END SOLUTION

# %% tags=["demo"]
with try_it("freeze"):
    for wanted in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), nn.Linear(4, 2))
        if wanted:
            freeze(net, "0")
        else:
            net[0].requires_grad_(False)  # half of it
        net.train()
        for _ in range(20):
            net(torch.randn(8, 4) + 3)
        state = "frozen" if wanted else "without gradients"
        print(f"{state}: running mean {[round(mean, 3) for mean in net[0][1].running_mean.tolist()]}")

# %% nbgrader={"grade_id": "freeze_exam", "grade": true}
examine("freeze", freeze)

# %% [markdown]
# ### [](#replace_head) A new head (long) ●●○○○ 8 min
#
# Write `replace_head(net, classes)` for any net that ends in a linear layer.
#
# By hand: of `nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))` and 5 it makes 3 → 4 → 5; the first layer is
# the same object as before.
#
# - The net's last `nn.Linear`, the last one in `net.modules()`, gives `classes` numbers afterwards; it stays at its
#   place and takes in what it took.
# - The net itself is changed and returned, and all its other parameters are the same tensors as before.
# - Its weights are new, as PyTorch draws them for an `nn.Linear`.
# - It learns, also where all of the net is frozen.
# - It has a bias where the old one had, and the old one's dtype.
#
# <details><summary>Hint 1: by name</summary>
#
# `net.named_modules()` gives names as `top.1.0`. The parent is `net.get_submodule("top.1")`, and `setattr(parent, "0",
# new)` puts a module into it.
#
# </details>

# %% nbgrader={"grade_id": "replace_head", "solution": true}
def replace_head(net, classes):
    """Put a new nn.Linear with so many outputs in the place of the net's last one; returns the net."""
    ### BEGIN SOLUTION
    name = [name for name, module in net.named_modules() if isinstance(module, nn.Linear)][-1]
    parent, _, own = name.rpartition(".")
    old = net.get_submodule(name)
    new = nn.Linear(old.in_features, classes, bias=old.bias is not None, dtype=old.weight.dtype)
    setattr(net.get_submodule(parent), own, new)
    return net
    ### END SOLUTION

# %% tags=["demo"]
with try_it("replace_head, freeze, translate, EfficientNetLite0 and MBConv"):
    net = copy.deepcopy(trained_net())
    for part in ("stem", "stem_norm", "stages", "head", "head_norm"):
        freeze(net, part)
    replace_head(net, 12)
    learns = {name: one.numel() for name, one in net.named_parameters() if one.requires_grad}
    print(f"{sum(learns.values()):,} of {sum(one.numel() for one in net.parameters()):,} parameters learn:", learns)

# %% nbgrader={"grade_id": "replace_head_exam", "grade": true}
examine("replace_head", replace_head)

# %% [markdown]
# ## [](#few) Few pictures: when the body helps, and when not
#
# Now the question that all this is for. You have few pictures a class. Is the trained body worth having? Two tasks:
#
# - **Which photograph is this a piece of?** Twelve photographs, pieces of 96×96 pixels. To learn from: pieces of the
#   left halves. To be tested: pieces of the right halves. No tested piece shows what a learned one shows. They are
#   pieces of photographs, as ImageNet's pictures are.
# - **Which digit is this?** The 8×8 digits of the earlier chapters, enlarged to 64×64. ImageNet has nothing of the
#   kind.
#
# Each is done twice by one and the same linear head: once on the body's 1,280 numbers, once on the pixels (those of the
# photographs brought to 32×32). So that no setting of an optimizer decides, the head is fitted in one step, as ridge
# regression (least squares that prefers small weights).
#
# **Predict, then run.** With five pictures a class the body's numbers are (a) better than pixels in both tasks, for a
# net that knows so much knows digits, too; (b) better on pieces of photographs, worse on digits; (c) about as good as
# pixels: it is the head that decides.

# %% tags=["demo"]
PIECES = ("brick", "grass", "gravel", "coins", "page", "china", "flower", "coffee", "chelsea", "motorcycle_left",
          "hubble_deep_field", "ihc")


def pieces(half, count, generator):
    """So many pieces of the left (0) or right (1) half of each photograph, prepared, and their labels."""
    cut = []
    for name in PIECES:
        image = pixels(name)
        height, width = image.shape[0], image.shape[1] // 2
        for _ in range(count):
            top = int(torch.randint(height - 95, (), generator=generator))
            left = int(torch.randint(width - 95, (), generator=generator)) + half * (image.shape[1] - width)
            cut.append(image[top:top + 96, left:left + 96])
    return prepare(cut, 96), torch.arange(len(PIECES)).repeat_interleave(count)


def as_photographs(images):
    """Digits (N, 1, 8, 8) in [0, 1] as this net wants pictures: (N, 3, 64, 64)."""
    return (F.interpolate(images, (64, 64), mode="bilinear").expand(-1, 3, -1, -1) * 255 - 127) / 128


def body(x):
    """What the trained net makes of pictures before its head: (N, 1280)."""
    net = copy.copy(trained_net())
    net._modules = {**net._modules, "classifier": nn.Identity()}
    with torch.no_grad():
        return torch.cat([net(part) for part in x.split(50)])


def right_share(x, y, x_new, y_new):
    """A linear head by ridge regression on x (N, D): the share of x_new that it tells rightly."""
    mean, std = x.mean(0), x.std(0) + 1e-6
    x, x_new = (x - mean) / std, (x_new - mean) / std
    wanted = F.one_hot(y).float() - F.one_hot(y).float().mean(0)
    weight = x.T @ torch.linalg.solve(x @ x.T / x.shape[1] + torch.eye(len(x)), wanted)
    return ((x_new @ weight).argmax(1) == y_new).double().mean().item()


# %% tags=["demo", "nbval-ignore-output"]
few = (1, 2, 3, 5, 10)
with try_it("prepare, translate, EfficientNetLite0 and MBConv"):
    generator = torch.Generator().manual_seed(0)
    (x, y), (x_new, y_new) = pieces(0, 10, generator), pieces(1, 10, generator)
    small = [F.interpolate(one, (32, 32), mode="area").flatten(1) for one in (x, x_new)]
    tasks = {"pieces of photographs": (y, y_new, {"the body's numbers": (body(x), body(x_new)), "raw pixels": small})}
    images, labels = digits()
    order = torch.randperm(len(images), generator=generator)
    known = torch.cat([order[labels[order] == digit][:10] for digit in range(10)])
    new = order[~torch.isin(order, known)][:200]
    seen = [body(as_photographs(images[part])) for part in (known, new)]
    flat = [images[part].flatten(1) for part in (known, new)]
    tasks["8×8 digits"] = (labels[known], labels[new], {"the body's numbers": seen, "raw pixels": flat})
    figure, row = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    for axes, (task, (y, y_new, inputs)) in zip(row, tasks.items(), strict=True):
        for (name, (x, x_new)), colour in zip(inputs.items(), (plots.GREEN, plots.ORANGE), strict=True):
            shares = []
            for count in few:
                draws = []
                for seed in range(10):
                    generator = torch.Generator().manual_seed(seed)
                    chosen = torch.cat([(y == kind).nonzero().flatten()[torch.randperm(10, generator=generator)[:count]]
                                        for kind in y.unique()])
                    draws.append(right_share(x[chosen], y[chosen], x_new, y_new))
                shares.append(100 * sum(draws) / len(draws))
            print(f"{task}, {name}:", ", ".join(f"{count} a class {share:.0f} %" for count, share in
                                                zip(few, shares, strict=True)))
            axes.plot(few, shares, "o-", color=colour, label=name)
        axes.set(title=task, xlabel="pictures a class", ylim=(0, 100), xscale="log", xticks=few, xticklabels=few)
        axes.minorticks_off()
    row[0].set_ylabel("per cent right, ten draws")
    row[0].legend(fontsize=9, loc="center right")
    plt.show()

# %% [markdown]
# (b). On pieces of photographs one picture a class is worth more, with the body, than ten without. On digits the body
# is in the way: with five a class about 66 per cent against 85. (a) is tempting because the net "knows so much". But it
# was never asked to tell an open curve from a closed one. Its 1,280 numbers answer other questions, about fur, metal,
# leaves; what makes a 3 of an 8 is lost on the way, while 64 raw pixels have it all. *Transfer helps as far as the new
# task asks what the old one asked.* The remedy for digits is to train the body, too, at least its last stages, and that
# takes more pictures.
#
# ## What can go wrong
#
# Here is a program that you might have written, with your own net. It runs. It has **three** mistakes. Find them by
# looking at the numbers that it prints, mend them one by one, and see the cat come back:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("translate, EfficientNetLite0 and MBConv"):
    torch.manual_seed(0)
    theirs = translate(trained())
    theirs = {name: tensor for name, tensor in theirs.items() if not name.startswith("head_norm")}
    net = EfficientNetLite0()
    net.load_state_dict(theirs, strict=False)
    x = F.interpolate(pixels("chelsea").permute(2, 0, 1)[None].float(), (224, 224))
    with torch.no_grad():
        share, number = net(x).softmax(1)[0].max(0)
    print(f"{class_names()[number]}: {share:.2f}")
    print(f"fed: mean {x.mean():.2f}, deviation {x.std():.2f}")
    print("parts in training mode:", sum(part.training for part in net.modules()))
    norms = {name: part for name, part in net.named_modules() if isinstance(part, nn.BatchNorm2d)}
    print("norms that begin at γ = 1 for all channels:", [name for name, part in norms.items()
                                                         if torch.equal(part.weight, torch.ones_like(part.weight))])

# %% [markdown]
# <details><summary>The three mistakes, and the number that shows each</summary>
#
# 1. *Fed bytes.* The mean is near 115 and the deviation near 42; this net was fed numbers between −1 and 1. Call
#    `prepare`. (The picture was pressed into a square as well, without `antialias`: a smaller mistake, mended by the
#    same call.)
# 2. *In training mode.* All parts are; it should be none. A norm in training mode takes its mean from one cat, and
#    moves its statistics besides: `net.eval()` *before* the first picture.
# 3. *A norm that was never loaded.* `head_norm` begins at γ = 1, as a new norm does. Names were lost, and
#    `strict=False` kept quiet about it (it returns them; who prints that?). Load strictly; where something is to be
#    missing, look at the names that come back.
#
# Mended: `net.load_state_dict(translate(trained()))`, `net.eval()`, `x = prepare([pixels("chelsea")])`.
#
# </details>
#
# **An optimizer that holds frozen parameters.** With weight decay it would have moved them, if their gradient were zero
# and not missing. After `requires_grad_(False)` no new one is made (one from before stays until `zero_grad()`); with
# `grad * 0` there is one:

# %% tags=["demo"]
for how in ("gradient 0", "no gradient"):
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.1, weight_decay=0.5)
    for _ in range(10):
        weight.grad = torch.zeros(3) if how == "gradient 0" else None
        optimizer.step()
    print(f"{how}: after ten steps {weight[0].item():.3f}")

# %% [markdown]
# **A probability that is none.** 0.94 for *tripod* does not mean that the net is right in 94 of 100 such cases. On
# pictures unlike those it was trained on it can be just as sure, and wrong. A tile of a retina:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("prepare, top_k, translate, EfficientNetLite0 and MBConv"):
    for photograph in ("microaneurysms", "clock_motion", "moon"):
        print(f"{photograph:15}", *(f"{named(number)} {share:.2f}" for number, share in answers([photograph], 2)[0]))

# %% [markdown]
# A detail of an eye's background is a *nematode*, a worm, at 0.91. The net has no class for it and no way to say so.
#
# **The licence.** Weights are somebody's work. These are under the Apache licence 2.0: you may use and change them, and
# say where they come from. Others forbid commercial use. And the pictures that they were trained on have owners, too.
#
# ## What to keep
#
# 1. Weights come with three things that no shape tells: the padding, the norms' eps, and how pictures were prepared.
# 2. A depthwise convolution and a 1×1 do with a ninth of the weights nearly what a 3×3 convolution does. MBConv is
#    narrow, wide, narrow, and linear at its narrow ends.
# 3. Load strictly. A name that was lost leaves random weights, and nothing fails.
# 4. Frozen means no gradient *and* evaluation mode; a norm needs no gradient to move.
# 5. A heat map is a question asked well. Transfer helps as far as the new task asks what the old one asked.
#
# And the pillow of the beginning? It was a cat all the time. The net was fed bytes.
#
# **In production:** `timm.create_model("tf_efficientnet_lite0", pretrained=True)` with `timm.data.resolve_data_config`,
# or `torchvision.models.efficientnet_b0(weights=weights)` with `weights = EfficientNet_B0_Weights.DEFAULT` and
# `weights.transforms()`: both bring the preparation along with the weights, and that is the point. Heat maps: the
# package `captum`.
#
# **To read:** M. Tan, Q. Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks* (2019). A.
# Howard and others, *MobileNets* (2017); M. Sandler and others, *MobileNetV2: Inverted Residuals and Linear
# Bottlenecks* (2018). R. Selvaraju and others, *Grad-CAM* (2017). M. Zeiler, R. Fergus, *Visualizing and Understanding
# Convolutional Networks* (2014). J. Yosinski and others, *How Transferable Are Features in Deep Neural Networks?*
# (2014). S. Kornblith, J. Shlens, Q. Le, *Do Better ImageNet Models Transfer Better?* (2019). J. Adebayo and others,
# *Sanity Checks for Saliency Maps* (2018).
