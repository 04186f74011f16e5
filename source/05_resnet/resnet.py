# %% [markdown] with_reading=210
# # 5 · Residual networks
#
# Take a net that works. Put twenty more layers on top. Can it get worse?
#
# It should not: the new layers could do *nothing*, and the deep net would be as good as the shallow one. Yet in 2015
# He, Zhang, Ren and Sun trained a plain net of 20 layers and one of 56, and the deeper one was worse, on the *training*
# pictures, too. So this was not overfitting, learning too much by heart. It had failed to learn. One addition a block
# mended it, and nearly every deep net since has it. You will see the failure, measure it yourself, and mend it.
#
# **Afterwards you can** build ResNet-18 and ResNet-50 from their parts, with the names and shapes that let trained
# weights load, and train a small one to 98 % on handwritten digits it has never seen.
#
# **You need** convolutions, pooling, ReLU and batch normalisation: the first four chapters.
#
# **It takes** about {hours} hours, {minutes} minutes of them at the {exercises} exercises ({points} points). **The
# short way** ({minutes shortcut ResBlock make_stage gradient_norms zero_init_residual train_epoch evaluate} minutes,
# {points shortcut ResBlock make_stage gradient_norms zero_init_residual train_epoch evaluate} points): `shortcut`,
# `ResBlock`, `make_stage`, `gradient_norms`, `zero_init_residual`, `train_epoch` and `evaluate`. It leaves out
# `Bottleneck`, `ResNet` and `without_block`, marked *long*, and of the text [](#narrow) and [](#worth). The hardest
# section is marked *hard*.

# %%
from contextlib import contextmanager

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import display, update_display
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from convcraft import examine, plots, try_it
from convcraft.data import digits, photo

plots.use_style()

# %% [markdown]
# ## Deeper should not be worse
#
# Why does a deeper net fail? The trouble is that "do nothing" is hard to say for two convolutions with a ReLU between
# them. Their weights start at random, and random layers do a lot:
#
# ![A photograph of a pagoda behind 0, 2, 8 and 20 random blocks. Plain blocks leave noise; behind residual blocks the
# pagoda is still there](../../assets/05_resnet/photo_through_layers.svg)
#
# The upper row is plain: after 8 blocks the outline is all that is left, after 20 nobody would call it a pagoda, and
# later layers have only that to work with. The lower row has the same random weights and one thing more. Each block
# *adds* a little to what came in (here γ = 0.1):
#
# $$x \;\longrightarrow\; \mathrm{ReLU}\bigl(x + \gamma\, F(x)\bigr)$$
#
# F is the **residual branch**: two convolutions with their norms. The other way, on which x goes by, is the
# **shortcut**. Now doing nothing is easy: F must give 0, and weights reach 0 more easily than they reach an identity.
# Try it. With γ = 0 the picture passes untouched, however many blocks there are.

# %% tags=["demo", "nbval-ignore-output"] frames={"gamma": [0.1, 1.0], "blocks": [4, 8, 12, 16, 20, 24]}
picture = photo("china", height=100)[None]


def through(blocks, gamma):
    """The photograph behind so many random blocks: (plain, residual), both (1, 3, H, W)."""
    generator = torch.Generator().manual_seed(3)
    plain = residual = picture
    for _ in range(blocks):
        kernels = torch.randn(2, 3, 3, 3, 3, generator=generator) * (2 / 27) ** 0.5
        plain = F.relu(branch(plain, kernels))
        residual = F.relu(residual + gamma * branch(residual, kernels))
    return plain, residual


def branch(x, kernels):
    """Convolution, norm, ReLU, convolution, norm."""
    for number, kernel in enumerate(kernels):
        x = F.relu(x) if number else x
        x = F.batch_norm(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel), None, None, training=True)
    return x


def show_through(blocks, gamma):
    return plots.images([x.mean(1) for x in through(blocks, gamma)],
                        [f"{blocks} plain blocks", f"{blocks} residual blocks, γ = {gamma}"])


plots.explore(show_through, blocks=(4, 24, 4), gamma=[0.1, 0.0, 0.25, 0.5, 1.0])

# %% [markdown]
# ## The way around
#
# An addition needs two things of the same shape. Most blocks change nothing, and x is added as it is. Some blocks halve
# the picture and double the channels. There x has to be made to fit, and cheaply:
#
# ![Four blocks as chains of boxes. The plain one has no way around. In the ResBlock the input itself goes around two
# convolutions. Where the shape changes, a 1 by 1 convolution and a BatchNorm sit on the way around. The Bottleneck has
# three convolutions](../../assets/05_resnet/blocks.svg)
#
# A 1×1 convolution is the cheapest one that mixes all channels: at each pixel it is one small matrix. With a stride of
# 2 it takes every second pixel of every second row and forgets the others.

# %% [markdown]
# ### [](#shortcut) The way around ●○○○○ 10 min
#
# Write `shortcut(in_channels, out_channels, stride)`. It returns the module that goes beside a residual branch with
# these numbers; for x of shape (N, in_channels, H, W) the module gives (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).
#
# By hand: `shortcut(64, 64, 1)` has 0 parameters. `shortcut(64, 128, 2)` has a weight of shape (128, 64, 1, 1), that is
# 8,192 numbers, and a BatchNorm with 128 weights and 128 biases: 8,448 in all. It makes (N, 128, 28, 28) of (N, 64, 56,
# 56).
#
# - Where stride is 1 and the channels stay the same, it is the identity and has no parameters.
# - Otherwise it is a 1×1 convolution followed by a BatchNorm, and nothing else.
# - The convolution carries the stride, also where only the stride changes something. A stride is one whole number here.
# - The convolution has the key 0 and no bias, the BatchNorm has the key 1. In an `nn.Sequential` the keys are 0, 1, …
# - In training mode the BatchNorm uses the batch and updates its running statistics, and gradients flow through both
#   layers. Leave the norm's settings at PyTorch's defaults.
#
# <details><summary>Hint 1: a module that does nothing</summary>
#
# PyTorch has one. Look in `torch.nn` for the mathematician's word.
#
# </details>
# <details><summary>Hint 2: when to project</summary>
#
# Two things can change: the number of channels, and the size. One is enough.
#
# </details>

# %% nbgrader={"grade_id": "shortcut", "solution": true}
def shortcut(in_channels, out_channels, stride):
    """What is added to a residual branch that turns in_channels into out_channels.

    (N, in_channels, H, W) becomes (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).
    """
    ### BEGIN SOLUTION
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
    ### END SOLUTION

# %% tags=["demo"]
with try_it("shortcut"):
    x = torch.zeros(2, 64, 56, 56)
    for arguments in ((64, 64, 1), (64, 128, 1), (64, 64, 2), (64, 128, 2)):
        module = shortcut(*arguments)
        parameters = sum(parameter.numel() for parameter in module.parameters())
        print(f"shortcut{arguments}: {parameters:5,} parameters, {tuple(x.shape)} → {tuple(module(x).shape)}")

# %% nbgrader={"grade_id": "shortcut_exam", "grade": true}
examine("shortcut", shortcut)

# %% [markdown]
# ## The notes' block
#
# The lecture notes this course grew out of have a residual block. Its shortcut is called `extra`: nothing where the
# number of channels stays the same, a 1×1 convolution and a BatchNorm where it changes. Here it is, mistakes and all.
# It looks complete. Make one:

# %% tags=["demo", "raises-exception"]
class NotesBlock(nn.Module):
    def __init__(self, in_channel, out_channel):
        self.conv1 = nn.Conv2d(in_channel, out_channel, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channel)
        self.conv2 = nn.Conv2d(out_channel, out_channel, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channel)
        self.extra = nn.Sequential()
        if in_channel != out_channel:
            self.extra = nn.Sequential(nn.Conv2d(in_channel, out_channel, kernel_size=1), nn.BatchNorm2d(out_channel))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.extra(x) + y


try:
    NotesBlock(16, 32)
except AttributeError as error:
    raise error.with_traceback(None) from None  # the message without PyTorch's own lines

# %% [markdown]
# **The first mistake: no `super().__init__()`.** `self.conv1 = …` is no ordinary assignment. An `nn.Module` catches it
# and files the layer in a dictionary, so that `parameters()`, `state_dict()` and `to(device)` find it.
# `nn.Module.__init__` makes that dictionary. Nobody called it, so there is nowhere to file anything, and PyTorch says
# so. One line mends it, the first one:

# %% tags=["demo"]
class NotesBlock(nn.Module):
    def __init__(self, in_channel, out_channel):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channel, out_channel, kernel_size=3, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channel)
        self.conv2 = nn.Conv2d(out_channel, out_channel, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channel)
        self.extra = nn.Sequential()
        if in_channel != out_channel:
            self.extra = nn.Sequential(nn.Conv2d(in_channel, out_channel, kernel_size=1), nn.BatchNorm2d(out_channel))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.extra(x) + y


print(NotesBlock(16, 32)(torch.zeros(2, 16, 8, 8)).shape)

# %% [markdown]
# It runs. Now halve the picture, as ResNet-18 does in three of its blocks:

# %% tags=["demo", "raises-exception"]
NotesBlock(16, 32, 2)

# %% [markdown]
# **The second mistake: no stride.** The block has no way to make a picture smaller. A net made of such blocks
# is possible, but it carries the full picture through all layers while the channels double. Multiplications of one 3×3
# convolution, per picture:

# %% tags=["demo"]
print("stage   channels   with strides   multiplications   without   multiplications")
for stage, channels in enumerate((64, 128, 256, 512)):
    size = 56 // 2**stage
    macs = [channels**2 * 9 * side**2 for side in (size, 56)]
    print(f"layer{stage + 1}  {channels:8}   {size:6}×{size:<5} {macs[0]:16,}   56×56 {macs[1]:18,}")

# %% [markdown]
# With strides such a convolution costs the same in each stage: half the side is a quarter of the pixels, twice the
# channels is four times the matrix. Without, the last stage costs 64 times as much. And a stride needs `extra` to
# stride along, *also where the channels stay the same*: the notes ask for the channels alone.
#
# Now the third. Nothing fails here, which makes it the worst. A block ends in a ReLU, so no number that leaves it is
# negative:

# %% tags=["demo", "raises-exception"]
torch.manual_seed(0)
out = NotesBlock(16, 16)(torch.rand(4, 16, 8, 8))
negative = (out < 0).double().mean().item()
assert negative == 0, f"{negative:.0%} of the numbers that leave the block are negative"

# %% [markdown]
# **The third mistake: the ReLU after the sum is left out.** The last convolution of this block then meets the first one
# of the next block, and on the branch's way there is only a norm between them: two linear maps in a row are one. Every
# second ReLU of the net is missing, and it computes less than its layers could. Where exactly does the ReLU go? Take
# three numbers:
#
# | | | | |
# |--|--|--|--|
# | x | 2 | 0 | 1 |
# | F(x) | −3 | 1 | −0.5 |
# | **ReLU(x + F(x))** | **0** | **1** | **0.5** |
# | x + ReLU(F(x)) | 2 | 1 | 1 |
# | x + F(x), as in the notes | −1 | 1 | 0.5 |
#
# With the ReLU *before* the sum (fourth row) the branch can only add, never take away.
#
# There is a fourth thing the notes say: that the kernel of `extra` grows where a layer is bad. Keep it in mind. We
# shall measure it once we can train ([](#bad_layer)). First mend the block.

# %% [markdown]
# ### [](#ResBlock) The notes' block, mended ●●●○○ 25 min
#
# Write `class ResBlock(nn.Module)` with `__init__(self, in_channels, out_channels, stride=1)`. It turns (N,
# in_channels, H, W) into (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉).
#
# $$\mathrm{branch}(x) = \mathrm{bn2}(\mathrm{conv2}(\mathrm{ReLU}(\mathrm{bn1}(\mathrm{conv1}(x)))))$$
#
# Both convolutions are 3×3 with padding 1. The worked example is the table above: its third row.
#
# - The block returns ReLU(branch + shortcut): the last ReLU comes after the sum.
# - The parts are called `conv1`, `bn1`, `conv2`, `bn2` and `downsample`; no convolution has a bias. `downsample` is the
#   shortcut, with the keys 0 and 1 as in [](#shortcut). These are torchvision's names, and trained weights are stored
#   under them.
# - Where nothing changes, `downsample` has no parameters: the input itself is added. (torchvision has `None` there. An
#   identity will do as well.)
# - Where the channels change, the shortcut is a 1×1 convolution and a BatchNorm. So it is where the stride is not 1,
#   whatever else it is.
# - The first convolution carries the stride, and so does the shortcut. The stride is a whole number.
# - In training mode each BatchNorm uses the batch and updates its own running statistics.
# - The block leaves its input as it was, and gradients flow through both ways.
# - `expansion = 1` is there already: a block says how many times `channels` it gives. The next exercise has a 4 there.
#
# Write the shortcut's two layers out here, do not call your `shortcut`: exams look at one exercise at a time, and a
# slip in one should not cost you points in another.
#
# <details><summary>Hint 1: the order of things in `__init__`</summary>
#
# `super().__init__()` first. Then five attributes. Only one of them depends on an `if`.
#
# </details>
# <details><summary>Hint 2: no bias?</summary>
#
# BatchNorm subtracts each channel's mean. What happens to a number that was added to the whole channel?
#
# </details>
# <details><summary>Hint 3: the input left alone</summary>
#
# `+=` on a tensor writes into it. Whose tensor is it?
#
# </details>

# %% nbgrader={"grade_id": "ResBlock", "solution": true}
class ResBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: (N, in_channels, H, W) to (N, out_channels, ⌈H/stride⌉, ⌈W/stride⌉)."""

    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        ### BEGIN SOLUTION
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.downsample(x))
        ### END SOLUTION

# %% tags=["demo"]
with try_it("ResBlock"):
    torch.manual_seed(0)
    images, labels = digits()
    block = ResBlock(1, 5, stride=2)
    maps = block(images[:32])[0].detach()
    print("It can be made, and it takes a stride:", tuple(images[:1].shape), "→", (1, *maps.shape))
    print(f"Negative numbers that leave the block: {(maps < 0).double().mean():.0%}")
    plots.images([images[0], *maps], ["a digit", *(f"channel {channel}" for channel in range(5))])
    plt.show()

# %% nbgrader={"grade_id": "ResBlock_exam", "grade": true}
examine("ResBlock", ResBlock)

# %% [markdown]
# ## [](#narrow) Narrow, look, widen
#
# A 3×3 convolution on 256 channels has 9 · 256 · 256 = 589,824 weights. Two of them are 1.2 million, for one block. The
# **Bottleneck** of the deeper ResNets first narrows 256 channels to 64, looks at the neighbourhood there, and widens
# again:
#
# | | weights |
# |--|--:|
# | 1×1, 256 → 64 | 16,384 |
# | 3×3, 64 → 64 | 36,864 |
# | 1×1, 64 → 256 | 16,384 |
# | three convolutions | **69,632** |
#
# Seventeen times fewer than two 3×3 convolutions on 256 channels, and one more nonlinearity.
#
# Which of the three should carry the stride? The first paper gave it to the first one, the 1×1 that narrows.
# Look at what it then sees; the darker a pixel, the more windows it is in:
#
# ![Two grids of 9 by 9 pixels. A 1 by 1 convolution with stride 2 sees 25 pixels, every second in each direction; a 3
# by 3 convolution with stride 2 sees all 81](../../assets/05_resnet/which_pixels_are_seen.svg)
#
# About three quarters of the pixels (here 56 of 81) would be thrown away before anybody had looked at them. So today's
# implementations, torchvision's among them, stride the 3×3 convolution. Counts and shapes are the same either way; the
# values are not.

# %% [markdown]
# ### [](#Bottleneck) Narrow, look, widen (long) ●●●○○ 20 min
#
# Write `class Bottleneck(nn.Module)` with `__init__(self, in_channels, channels, stride=1)`. `channels` is the width of
# the narrow middle; four times as many come out: (N, in_channels, H, W) becomes (N, 4 · channels, ⌈H/stride⌉,
# ⌈W/stride⌉).
#
# 1. 1×1 convolution to `channels`, BatchNorm, ReLU
# 2. 3×3 convolution with padding 1, BatchNorm, ReLU
# 3. 1×1 convolution to 4 · `channels`, BatchNorm
# 4. plus the shortcut, then ReLU
#
# By hand: `Bottleneck(256, 64)` has 69,632 weights in convolutions and 2 · (64 + 64 + 256) = 768 in norms, together
# 70,400. Its shortcut is the identity, because 256 = 4 · 64.
#
# - The parts are called `conv1`, `bn1`, `conv2`, `bn2`, `conv3`, `bn3` and `downsample`; no convolution has a bias.
# - The 3×3 convolution carries the stride, and so does the shortcut. The stride is a whole number.
# - The last ReLU comes after the sum; the third convolution has none of its own.
# - Where `in_channels` is 4 · `channels` and the stride is 1, `downsample` has no parameters.
# - Everything else is projected to 4 · `channels`, also where `in_channels` equals `channels`. The projection is a 1×1
#   convolution and a BatchNorm, keys 0 and 1.
# - In training mode each of its norms uses the batch and updates its own running statistics.
# - It leaves its input as it was, and gradients flow through branch and shortcut.
#
# Write it out in full again, without your other answers.
#
# <details><summary>Hint 1: what to compare</summary>
#
# The shortcut must fit what the branch *gives*. How many channels is that?
#
# </details>

# %% nbgrader={"grade_id": "Bottleneck", "solution": true}
class Bottleneck(nn.Module):
    """Narrow, look, widen, and a shortcut: (N, in_channels, H, W) to (N, 4 * channels, ⌈H/stride⌉, ⌈W/stride⌉)."""

    expansion = 4

    def __init__(self, in_channels, channels, stride=1):
        ### BEGIN SOLUTION
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.downsample(x))
        ### END SOLUTION

# %% tags=["demo"]
with try_it("Bottleneck"):
    x = torch.zeros(1, 256, 14, 14)
    for arguments in ((256, 64), (256, 128, 2)):
        block = Bottleneck(*arguments)
        parameters = sum(parameter.numel() for parameter in block.parameters())
        print(f"Bottleneck{arguments}: {parameters:7,} parameters, {tuple(x.shape)} → {tuple(block(x).shape)}")

# %% nbgrader={"grade_id": "Bottleneck_exam", "grade": true}
examine("Bottleneck", Bottleneck)

# %% [markdown]
# ## Blocks make stages, stages make a net (hard)
#
# A ResNet is a **stem** that shrinks the picture quickly, four **stages** of blocks, and a **head** that averages what
# is left. A stage changes the shape in its first block alone. From stage to stage the picture is halved and the
# channels double:
#
# ![ResNet-18 as a row of boxes: a picture of 3 channels and 224 by 224 pixels becomes 64 channels of 112, then 56, then
# 128 of 28, 256 of 14, 512 of 7, and after the average 512 numbers and 1000 classes. Each of the four stages is two
# blocks, with an arc over each: the shortcut, dashed where it projects](../../assets/05_resnet/resnet18.svg)
#
# Where does the 18 come from? Count the layers with weights on the longest way: one convolution in the stem, two in
# each of the 2 + 2 + 2 + 2 blocks, and the linear layer: 1 + 16 + 1 = 18. With Bottlenecks there are three in each of
# 3 + 4 + 6 + 3 blocks: 1 + 48 + 1 = 50. The 1×1 convolutions of the shortcuts do not count.
#
# So a stage needs five things: which block, how many channels come in, how wide it is, how many blocks, and the stride.

# %% [markdown]
# ### [](#make_stage) A stage ●●○○○ 12 min
#
# Write `make_stage(block, in_channels, channels, blocks, stride)`. `block` is a class that is called as
# `block(in_channels, channels, stride)`: your two, or anybody's. It has an attribute `block.expansion`.
#
# By hand: `make_stage(Bottleneck, 256, 128, 4, 2)` makes
#
# | block | in_channels | channels | stride | gives |
# |--|--|--|--|--|
# | 0 | 256 | 128 | 2 | 512 |
# | 1, 2, 3 | 512 | 128 | 1 | 512 |
#
# - The first block takes the stride and the change of channels; all others keep size and channels.
# - A block gives `channels * block.expansion` channels, and the next one takes them in.
# - A stage may have a single block, and a stride of 1.
# - It returns an `nn.Sequential` of as many blocks as asked for, with the keys 0, 1, …, each with weights of its own.
# - Called with a batch, the stage applies its blocks one after the other.
#
# Pass the first two numbers by position: `ResBlock` calls its second one `out_channels`, `Bottleneck` calls it
# `channels`. The exam brings blocks of its own.
#
# <details><summary>Hint 1: two kinds of blocks</summary>
#
# The first is one kind, all others are another. How many others are there?
#
# </details>

# %% nbgrader={"grade_id": "make_stage", "solution": true}
def make_stage(block, in_channels, channels, blocks, stride):
    """An nn.Sequential of so many blocks; the first one carries the stride and the change of channels.

    (N, in_channels, H, W) becomes (N, channels * block.expansion, ⌈H/stride⌉, ⌈W/stride⌉).
    """
    ### BEGIN SOLUTION
    stage = [block(in_channels, channels, stride)]
    for _ in range(blocks - 1):
        stage.append(block(channels * block.expansion, channels, 1))
    return nn.Sequential(*stage)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("make_stage and the two blocks"), torch.device("meta"):
    x = torch.zeros(1, 64, 56, 56)
    for block in (ResBlock, Bottleneck):
        stage = make_stage(block, 64, 128, 3, 2)
        print(block.__name__, [tuple(stage[:count](x).shape[1:]) for count in (1, 2, 3)])

# %% nbgrader={"grade_id": "make_stage_exam", "grade": true}
examine("make_stage", make_stage)

# %% [markdown]
# ### [](#ResNet) The whole net (long) ●●●●○ 30 min
#
# Write `class ResNet(nn.Module)` with `__init__(self, block, layers, num_classes=1000, in_channels=3)`. It turns (N,
# in_channels, H, W) into (N, num_classes): one number a class, before any softmax.
#
# | part | what it is | 224×224 becomes |
# |--|--|--|
# | `conv1`, `bn1` | 7×7 convolution to 64 channels, no bias; BatchNorm; ReLU | 64 × 112×112 |
# | (no name needed) | max pooling | 64 × 56×56 |
# | `layer1` | `layers[0]` blocks of 64 channels, stride 1 | 64 × 56×56 |
# | `layer2` | `layers[1]` blocks of 128 channels, stride 2 | 128 × 28×28 |
# | `layer3` | `layers[2]` blocks of 256 channels, stride 2 | 256 × 14×14 |
# | `layer4` | `layers[3]` blocks of 512 channels, stride 2 | 512 × 7×7 |
# | `fc` | mean over all pixels, then `nn.Linear` | `num_classes` |
#
# The sizes on the right are for a block with expansion 1; with a Bottleneck each stage gives four times as many
# channels.
#
# - The stem is a 7×7 convolution with stride 2 and padding 3, BatchNorm, ReLU, and a 3×3 max pooling with stride 2 and
#   padding 1.
# - `layers` says how many blocks each stage has; `layer1` keeps the size, the others halve it in their first block.
#   `layer1` to `layer4` can be looped over, block by block.
# - The head averages each channel over whatever picture is left, and one linear layer gives a number a class.
# - `num_classes` and `in_channels` are 1000 and 3 unless given.
# - The names and shapes of all parameters and buffers are those of torchvision's resnet18, for the layers [2, 2, 2, 2].
#   So the first block of the second stage is `layer2.0`, and its first weight is `layer2.0.conv1.weight`.
# - They are those of torchvision's resnet50 for a Bottleneck and the layers [3, 4, 6, 3].
# - ResNet-18 has 11,689,512 parameters, ResNet-50 has 25,557,032. (Buffers are no parameters.)
# - In training mode `bn1` uses the batch and updates its running statistics, and a gradient reaches every parameter.
#
# How parameters are initialised, and in which order the parts are made, is yours to choose. The exam brings blocks of
# its own; call them as in `make_stage`, the first two numbers by position. It does not need your `make_stage`; if you
# call it here, a mistake in it will show here, too.
#
# By hand, for ResNet-18: the stem has 64 · 3 · 49 + 128 = 9,536 parameters, the stages 147,968 + 525,568 + 2,099,712 +
# 8,393,728, the head 512 · 1000 + 1000 = 513,000. The sum is 11,689,512.
#
# <details><summary>Hint 1: one number to carry along</summary>
#
# How many channels come into the next block? Keep that in a variable, and let each block change it.
#
# </details>
# <details><summary>Hint 2: four names</summary>
#
# `self.layer1 = …` four times is fine. `setattr(self, f"layer{number}", …)` in a loop does the same.
#
# </details>
# <details><summary>Hint 3: any size</summary>
#
# The mean over the last two axes does not ask how long they are.
#
# </details>

# %% nbgrader={"grade_id": "ResNet", "solution": true}
class ResNet(nn.Module):
    """Stem, four stages of blocks, head: (N, in_channels, H, W) to (N, num_classes)."""

    def __init__(self, block, layers, num_classes=1000, in_channels=3):
        ### BEGIN SOLUTION
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        width = 64
        for number, blocks in enumerate(layers, 1):
            channels = 32 * 2**number
            stage = nn.Sequential()
            for index in range(blocks):
                stage.append(block(width, channels, 2 if number > 1 and index == 0 else 1))
                width = channels * block.expansion
            setattr(self, f"layer{number}", stage)
        self.fc = nn.Linear(width, num_classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))
        ### END SOLUTION

# %% [markdown]
# No need to fill 25 million numbers to count them. Under `torch.device("meta")` tensors have a shape and no content.
# And what should the names be? That follows from the architecture, so we write the list out of its definition and
# compare, entry by entry:

# %% tags=["demo"]
def norm(name, channels):
    """The five entries of a BatchNorm."""
    shapes = {kind: (channels,) for kind in ("weight", "bias", "running_mean", "running_var")}
    return {f"{name}.{kind}": shape for kind, shape in (shapes | {"num_batches_tracked": ()}).items()}


def architecture(kernels, expansion, layers):
    """Every entry of a ResNet's state dict, from the sizes of a block's kernels, its expansion, and the stages."""
    entries = {"conv1.weight": (64, 3, 7, 7), **norm("bn1", 64)}
    before = 64
    for stage, blocks in enumerate(layers):
        channels = 64 * 2**stage
        after = channels * expansion
        for index in range(blocks):
            name = f"layer{stage + 1}.{index}"
            widths = [before] + [channels] * (len(kernels) - 1) + [after]
            for number, size in enumerate(kernels, 1):
                entries[f"{name}.conv{number}.weight"] = (widths[number], widths[number - 1], size, size)
                entries |= norm(f"{name}.bn{number}", widths[number])
            if index == 0 and (stage > 0 or before != after):
                entries[f"{name}.downsample.0.weight"] = (after, before, 1, 1)
                entries |= norm(f"{name}.downsample.1", after)
            before = after
    return entries | {"fc.weight": (1000, before), "fc.bias": (1000,)}


with try_it("ResNet and the two blocks"), torch.device("meta"):
    for name, block, kernels, layers in (("ResNet-18", ResBlock, (3, 3), [2, 2, 2, 2]),
                                         ("ResNet-50", Bottleneck, (1, 3, 1), [3, 4, 6, 3])):
        net = ResNet(block, layers)
        yours = {entry: tuple(tensor.shape) for entry, tensor in net.state_dict().items()}
        wanted = architecture(kernels, block.expansion, layers)
        print(f"{name}: {sum(parameter.numel() for parameter in net.parameters()):,} parameters,",
              f"{len(yours)} entries, {len(yours.items() ^ wanted.items())} of them unlike the architecture's;",
              f"(2, 3, 224, 224) → {tuple(net(torch.zeros(2, 3, 224, 224)).shape)}")

# %% nbgrader={"grade_id": "ResNet_exam", "grade": true}
examine("ResNet", ResNet)

# %% [markdown]
# ## Does the gradient arrive?
#
# We looked at the way forward. The shortcut works backward, too. For y = x + F(x), the last ReLU left aside, the chain
# rule gives
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}\bigl(1 + F'(x)\bigr)$$
#
# Through k plain layers the gradient is multiplied by k factors F′. If each is 0.8, thirty of them leave 0.001; if each
# is 1.2, they make 237. With the 1 there is always one way that multiplies by nothing at all. Let us measure it.

# %% [markdown]
# ### [](#gradient_norms) Measure the gradient ●●○○○ 12 min
#
# Write `gradient_norms(net, x, y)` for a classifier `net`, a batch x (N, C, H, W) and its labels y (N,). It returns a
# list, first layer to last.
#
# By hand: a single linear layer with two classes, two inputs and all weights 0 gives the softmax (½, ½). For x = (1, 0)
# and the label 0 the gradient is [[−½, 0], [½, 0]], and its norm √(¼ + ¼) ≈ 0.707.
#
# - Each number is the L2 norm of the gradient of the mean cross-entropy with respect to one weight.
# - The weights are those of every `Conv2d` and `Linear`, however deep, in the order of `net.modules()`. Biases and
#   norms are left out.
# - Gradients that were there before do not count.
# - The result is a list of Python floats.
# - The net keeps its mode and its weights. It is measured in the mode in which it comes. (What is in `.grad` afterwards
#   is up to you.)
#
# <details><summary>Hint 1: two ways to a gradient</summary>
#
# `loss.backward()` *adds* to every `.grad`. `torch.autograd.grad(loss, tensors)` returns gradients and touches nothing.
#
# </details>

# %% nbgrader={"grade_id": "gradient_norms", "solution": true}
def gradient_norms(net, x, y):
    """The L2 norm of the loss's gradient for each Conv2d's and Linear's weight, in the order of net.modules().

    x is (N, C, H, W), y is (N,); the loss is the mean cross-entropy.
    """
    ### BEGIN SOLUTION
    weights = [module.weight for module in net.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    loss = F.cross_entropy(net(x), y)
    return [gradient.norm().item() for gradient in torch.autograd.grad(loss, weights)]
    ### END SOLUTION

# %% tags=["demo"]
def plain_net(depth, channels=8):
    """A stem, depth - 2 layers one after the other, a head."""
    layers = [nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    for _ in range(depth - 2):
        layers += [nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


def residual_net(depth, channels=8):
    """The same, two layers a ResBlock."""
    stem = [nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    blocks = [ResBlock(channels, channels) for _ in range((depth - 2) // 2)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


with try_it("gradient_norms and ResBlock"):
    images, labels = digits()
    measured = {}
    for make in (plain_net, residual_net):
        for depth in (8, 20, 32, 44, 56):
            torch.manual_seed(1)
            norms = measured[make, depth] = gradient_norms(make(depth), images[:48], labels[:48])[:-1]
        print(f"{make.__name__}, 56 layers: the first gradient is", "more" if norms[0] > 20 * norms[-1] else "less",
              "than 20 times the last one")
    figure, row = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
    for (make, depth), norms in measured.items():
        axes = row[0] if make is plain_net else row[1]
        axes.semilogy(torch.linspace(0, 1, len(norms)), norms, label=f"{depth} layers")
        axes.set(title=make.__name__.replace("_", " "), xlabel="first layer → last layer", xticks=[])
    row[0].set_ylabel("norm of the gradient")
    row[1].legend(fontsize=8)
    plt.show()

# %% nbgrader={"grade_id": "gradient_norms_exam", "grade": true}
examine("gradient_norms", gradient_norms)

# %% [markdown]
# The same with more care, two starts averaged, and with plain nets that have no norm at all:
#
# ![Three panels of gradient norms from the first to the last layer, for 8 to 56 layers. Plain without BatchNorm: from
# 10 to the minus 4 down to 10 to the minus 24. Plain with BatchNorm: growing towards the first layer, over a hundred
# for 56 layers. Residual with BatchNorm: all depths between 0.2 and 3](../../assets/05_resnet/gradient_norms.svg)
#
# Read it from the left.
#
# - **Plain, no norm** (PyTorch's standard initialisation): every layer makes signal and gradient smaller, and 56 layers
#   leave 10⁻²⁴. Nothing is learned. (Why are the curves flat? A weight's gradient is the signal that comes in times the
#   gradient that comes back. The first layers have much of the one and little of the other, the last layers the
#   reverse.)
# - **Plain, BatchNorm**: the norm keeps the signal at size 1. The gradient now *grows* on its way back: with 56 layers
#   the first ones get a thousand times what the last ones get, and from the one start of the cell above some two
#   thousand times. No single learning rate suits both.
# - **Residual, BatchNorm**: 8 layers or 56, all layers get gradients of about the same size: within a factor of twenty,
#   here and in the cell above. That is what lets a ResNet be deep.
#
# So "shortcuts cure vanishing gradients" is half of it. With BatchNorm the danger is the other one.
#
# But He and his colleagues write that in their plain nets with BatchNorm the gradients have *healthy norms*. Both are
# true, at different times. The growth is there at the start, with random weights. It does not last: BatchNorm does not
# mind how large a weight is, and a weight that gets a huge gradient takes a huge step, becomes large, and from then on
# gets a small gradient. Let us look again after a few steps:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("gradient_norms"):
    for steps in (0, 5, 20):
        torch.manual_seed(1)
        net, shuffled = plain_net(56), torch.Generator().manual_seed(0)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
        for _ in range(steps):
            picked = torch.randint(0, len(images), (48,), generator=shuffled)
            optimizer.zero_grad()
            F.cross_entropy(net(images[picked]), labels[picked]).backward()
            optimizer.step()
        norms = gradient_norms(net, images[:48], labels[:48])
        print(f"plain, 56 layers, after {steps:2} steps:",
              *(f"{name} layer {norms[index]:.2g}  " for name, index in (("first", 0), ("middle", 28), ("last", -2))))

# %% [markdown]
# After five steps the first layers' thousandfold lead is gone. What it did in these five steps cannot be undone,
# though: the first layers have been thrown far from where they began. How a deep plain net then does is measured
# below.

# %% [markdown]
# ### [](#zero_init_residual) Begin with nothing ●●○○○ 10 min
#
# A block should be able to do nothing. Why not let it *begin* so? The last thing in a branch is a BatchNorm, and it
# multiplies by its weight γ, which starts at 1. Start it at 0, and the branch is silent: a block with an identity
# shortcut starts as ReLU(x), and a ResNet of 50 layers starts as a shallow net.
#
# Write `zero_init_residual(net)`. It changes `net` and needs to return nothing.
#
# - A block is any module in `net` that has an attribute `bn2`. Ask for that and not for a class: the exam brings blocks
#   of its own.
# - In a block without `bn3` the weight of `bn2` becomes 0.
# - In a block with `bn3` the weight of `bn3` becomes 0, and `bn2` stays as it is.
# - Nothing else changes: no bias, no running statistics, no norm of the stem or of a shortcut.
# - Blocks may sit anywhere in the net, however deep, and the net itself may be one.
# - Parameters are changed in place: they stay the same objects in the same memory, still require gradients, and the net
#   keeps its mode.
#
# By hand: a ResNet-18 has 8 blocks, so 8 weights become zero: 2 of 64 numbers, 2 of 128, 2 of 256, 2 of 512. A
# ResNet-50 has 16.
#
# <details><summary>Hint 1: does it have one?</summary>
#
# `hasattr(module, "bn3")`.
#
# </details>
# <details><summary>Hint 2: in place, unseen by autograd</summary>
#
# `torch.nn.init` has functions that fill a tensor in place; they switch autograd off for it.
#
# </details>

# %% nbgrader={"grade_id": "zero_init_residual", "solution": true}
def zero_init_residual(net):
    """Set the weight of each block's last BatchNorm to 0, in place."""
    ### BEGIN SOLUTION
    for module in net.modules():
        if hasattr(module, "bn2"):
            last = module.bn3 if hasattr(module, "bn3") else module.bn2
            nn.init.zeros_(last.weight)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("zero_init_residual and ResBlock"):
    torch.manual_seed(0)
    block, x = ResBlock(4, 4), torch.randn(8, 4, 6, 6)
    print(f"largest distance from ReLU(x) before: {(block(x) - F.relu(x)).abs().max():.0f}")
    zero_init_residual(block)
    print(f"largest distance from ReLU(x) after:  {(block(x) - F.relu(x)).abs().max():.0f}")
    (block(x) ** 2).sum().backward()
    for name, parameter in block.named_parameters():
        print(f"{name:13}", "gets a gradient" if parameter.grad.any() else "gets none, only zeros")

# %% nbgrader={"grade_id": "zero_init_residual_exam", "grade": true}
examine("zero_init_residual", zero_init_residual)

# %% [markdown]
# Look at who gets a gradient. The convolutions get none: behind them everything is multiplied by γ = 0. But γ itself
# gets one. After the first step it is no longer 0, and the whole branch wakes. Had we set both norms' weights to zero,
# both would stay there: each one's gradient is multiplied by the other, or by a map without any spread. Only the last β
# would move, and add a constant.
#
# ## Train it
#
# A picture of 8×8 pixels has no use for a stem that divides its side by four. For small pictures the paper's authors
# took a small stem: one 3×3 convolution. We take two stages of one block each: 6 layers on the longest way, about
# 20,000 parameters.

# %% [markdown]
# ### [](#train_epoch) One epoch ●●○○○ 12 min
#
# Write `train_epoch(net, loader, optimizer)`: once through all batches (x, y) of `loader`, with cross-entropy as the
# loss. It returns the mean loss of the epoch.
#
# By hand: three batches of 8, 8 and 3 pictures have the losses 1.0, 0.8 and 0.2. The mean over the 19 pictures is (8 ·
# 1.0 + 8 · 0.8 + 3 · 0.2) / 19 = 0.789. (The mean over batches, 0.667, would let a picture of the last batch count
# almost three times as much as one of the first.)
#
# - Each batch is one step: clear the gradients, mean cross-entropy, backward, optimizer.
# - The result is the mean loss over all pictures: a batch of 8 weighs more than one of 3. Each batch's loss is the one
#   before its step.
# - Gradients left over from before the epoch do not count.
# - The net trains in training mode, whatever mode it came in. It may stay in training mode.
# - The result is a Python float, and no batch's graph outlives the next batch.
# - `loader` is anything that gives pairs (x, y) when looped over; ask it for nothing else. It may not know its length,
#   and it may give each batch only once.
#
# <details><summary>Hint 1: a number or a tensor?</summary>
#
# `loss` knows how it was computed, all the way back to the picture. `loss.item()` is a number that knows nothing.
#
# </details>

# %% nbgrader={"grade_id": "train_epoch", "solution": true}
def train_epoch(net, loader, optimizer):
    """Train net for one pass over loader, which gives pairs x (N, C, H, W), y (N,); return the mean loss."""
    ### BEGIN SOLUTION
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count
    ### END SOLUTION

# %% tags=["demo"]
with try_it("train_epoch"):
    torch.manual_seed(0)
    images, labels = digits()
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))  # no hidden layer: a first try of the loop
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    loader = DataLoader(TensorDataset(images[:400], labels[:400]), batch_size=64)
    losses = [train_epoch(net, loader, optimizer) for _ in range(5)]
    print("loss by epoch:", *(f"{loss:.1f}" for loss in losses))

# %% nbgrader={"grade_id": "train_epoch_exam", "grade": true}
examine("train_epoch", train_epoch)

# %% [markdown]
# ### [](#evaluate) How good is it? ●●○○○ 12 min
#
# Write `evaluate(net, loader)`: the accuracy of `net` on all batches (x, y) of `loader`.
#
# By hand: of 9, 9 and 2 pictures 7, 5 and 1 are right. That is 13 of 20, or 0.65. (The mean of the three batches'
# shares would be 0.611.)
#
# - The result is the share of all pictures whose largest output is at the label, between 0 and 1.
# - It measures in evaluation mode: no dropout, running statistics used and left alone.
# - Afterwards the net is in the mode in which it came, training or evaluation.
# - Every submodule gets its own mode back: a norm that was frozen on purpose stays frozen.
# - No graph is built while it measures; afterwards gradients are on or off as before.
# - It returns a Python float, and `loader` is any iterable of pairs (x, y). It may be one that gives each batch only
#   once.
#
# <details><summary>Hint 1: many modes</summary>
#
# `net.training` is one flag, and every module in `net.modules()` has its own. `net.train(mode)` sets them all alike.
#
# </details>

# %% nbgrader={"grade_id": "evaluate", "solution": true}
def evaluate(net, loader):
    """The share of pictures that net classifies rightly; loader gives pairs x (N, C, H, W), y (N,)."""
    ### BEGIN SOLUTION
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    for module, mode in modes:
        module.training = mode
    return right / count
    ### END SOLUTION

# %% tags=["demo"]
with try_it("evaluate"):
    torch.manual_seed(0)
    images, labels = digits()
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 10))
    loader = DataLoader(TensorDataset(images, labels), batch_size=256)
    print(f"a net that has learned nothing is right in {evaluate(net, loader):.1f} of the cases")
    print("modules in training mode afterwards:", sum(module.training for module in net.modules()), "of 4")

# %% nbgrader={"grade_id": "evaluate_exam", "grade": true}
examine("evaluate", evaluate)

# %% [markdown]
# ### The degradation, measured
#
# The chapter began with a claim: deeper plain nets fail on the *training* pictures. Now you can measure it. Nets of 8,
# 20 and 56 layers, plain and residual, sixty steps each, and the mean loss of the last ten. One start would tell how
# lucky it was, so there are five of each. A trick trains the five in one go: they stand side by side in one wide net,
# and `groups=5` keeps their channels apart, so that none knows of the others.
#
# **Predict, then run.** From 8 to 56 layers the training loss (a) falls in both kinds, for more layers can do more; (b)
# rises in the plain ones and falls with every layer in the residual ones; (c) rises in the plain ones, and in the
# residual ones it does not get worse.

# %% tags=["demo", "nbval-ignore-output"]
STARTS = 5


class Pair(nn.Module):
    """Two 3×3 convolutions of 8 channels, for five nets side by side; with or without the shortcut."""

    def __init__(self, residual):
        super().__init__()
        self.residual = residual
        self.conv1, self.conv2 = (nn.Conv2d(8 * STARTS, 8 * STARTS, 3, padding=1, groups=STARTS, bias=False)
                                  for _ in range(2))
        self.bn1, self.bn2 = nn.BatchNorm2d(8 * STARTS), nn.BatchNorm2d(8 * STARTS)

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + x if self.residual else out)


def five_nets(depth, residual):
    """A stem that halves the picture, (depth - 2) / 2 pairs, a head: (N, 1, 8, 8) to (N, 5, 10)."""
    return nn.Sequential(nn.Conv2d(1, 8 * STARTS, 3, 2, 1, bias=False), nn.BatchNorm2d(8 * STARTS), nn.ReLU(),
                         *(Pair(residual) for _ in range((depth - 2) // 2)), nn.AdaptiveAvgPool2d(1),
                         nn.Conv2d(8 * STARTS, 10 * STARTS, 1, groups=STARTS), nn.Flatten(),
                         nn.Unflatten(1, (STARTS, 10)))


def losses_of(nets, steps=60, lr=0.02):
    """The training losses (steps, 5) over one cycle of SGD with momentum."""
    optimizer = torch.optim.SGD(nets.parameters(), lr=lr, momentum=0.9)
    schedule, losses = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps), []
    for picked in torch.randint(0, len(images), (steps, 64)):
        each = torch.stack([F.cross_entropy(scores, labels[picked]) for scores in nets(images[picked]).unbind(1)])
        optimizer.zero_grad()
        each.sum().backward()  # a sum of five losses: each net gets the gradient of its own
        optimizer.step()
        schedule.step()
        losses.append(each.detach())
    return torch.stack(losses)


images, labels = digits()
figure, row = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for axes, residual in zip(row, (False, True), strict=True):
    kind = "residual" if residual else "plain"
    for depth, colour in ((8, plots.SKY), (20, plots.BLUE), (56, plots.RED)):
        torch.manual_seed(0)
        losses = losses_of(five_nets(depth, residual))
        axes.plot(losses.mean(1), color=colour, label=f"{depth} layers")
        axes.fill_between(range(len(losses)), losses.amin(1), losses.amax(1), color=colour, alpha=0.15)
        last = losses[-10:].mean(0)
        print(f"{kind:8} {depth:2} layers: loss {last.mean():.2f}",
              f"(of five starts, {last.min():.2f} to {last.max():.2f})")
    axes.set(title=kind, xlabel="step", ylim=(0, 3))
row[0].set_ylabel("training loss")
row[1].legend(fontsize=8)
plt.show()

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (a) is what one would expect: a deep net can do all that a shallow one can. It can; gradient descent does not find it.
# (b) asks too much: a shortcut makes depth harmless, it does not make every layer useful. In sixty steps the residual
# nets of 56 layers do better than those of 8, and on average no better than those of 20. It is (c). In the plain nets
# the order is the same from every start: the worst of 8 layers beats the best of 56. No test picture was involved: this
# is not overfitting.
#
# </details>
#
# ### Five nets, five splits
#
# Of the 1,797 digits, 360 are held out: the net never sees them in training. Which 360, how the weights begin and in
# which order the pictures come, all that depends on a seed. So we do it five times. A single number would tell you how
# lucky we were; five tell you how good it is.
#
# The recipe is short: SGD with momentum, ten epochs of batches of 64, and a learning rate that rises for three epochs
# and then falls to almost nothing.

# %% tags=["demo", "nbval-ignore-output"]
def small_resnet():
    """(N, 1, 8, 8) to (N, 10)."""
    return nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                         make_stage(ResBlock, 16, 16, 1, 1), make_stage(ResBlock, 16, 32, 1, 2),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def split(seed):
    """Two loaders: 1,437 digits to train with, 360 held out."""
    images, labels = digits()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    train, held_out = (TensorDataset(images[part], labels[part]) for part in (order[360:], order[:360]))
    shuffle = torch.Generator().manual_seed(seed)
    return DataLoader(train, 64, shuffle=True, generator=shuffle), DataLoader(held_out, 360)


def bar(done, total, text):
    """A progress bar as text and as HTML."""
    filled = round(30 * done / total)
    return {"text/plain": f"{'█' * filled}{'░' * (30 - filled)} {done} of {total} epochs · {text}",
            "text/html": f"<progress value='{done}' max='{total}'></progress> {done} of {total} epochs · {text}"}


runs, epochs = [], 10
with try_it("train_epoch, evaluate, make_stage and ResBlock"):
    for seed in range(5):
        torch.manual_seed(seed)
        net, (loader, held_out) = small_resnet(), split(seed)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=epochs, cycle_momentum=False)
        losses, accuracies = [], []
        for epoch in range(epochs):
            losses.append(train_epoch(net, loader, optimizer))
            accuracies.append(evaluate(net, held_out))
            schedule.step()
            show = update_display if runs or epoch else display
            show(bar(seed * epochs + epoch + 1, 5 * epochs,
                     f"seed {seed}, loss {losses[-1]:.3f}, held out {accuracies[-1]:.1%}"), raw=True, display_id="bar")
        runs.append((net, held_out, losses, accuracies))

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    final = torch.tensor([accuracies[-1] for *_, accuracies in runs])
    print("held-out accuracy by seed:", *(f"{accuracy:.1%}" for accuracy in final.tolist()))
    print(f"mean {final.mean():.2%}, standard deviation {final.std():.2%}, worst {final.min():.2%}")
else:
    print("Nothing is trained yet.")

# %% tags=["demo"]
if runs:
    print(f"seeds above 97 %: {(final > 0.97).sum()} of 5; the average is", "above" if final.mean() > 0.98 else "below",
          "98 %")
    print(f"parameters: {sum(parameter.numel() for parameter in runs[0][0].parameters()):,}")

# %% tags=["demo"]
if runs:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    for seed, (_, _, losses, accuracies) in enumerate(runs):
        left.semilogy(range(1, epochs + 1), losses, label=f"seed {seed}")
        right.plot(range(1, epochs + 1), [100 * accuracy for accuracy in accuracies])
    left.set(title="loss in training", xlabel="epoch", ylabel="mean cross-entropy")
    left.legend(fontsize=8)
    right.axhline(98, color="black", linewidth=0.8, linestyle=":")
    right.set(title="accuracy on held-out digits", xlabel="epoch", ylabel="per cent", ylim=(80, 100.5))
    plt.show()

# %% [markdown]
# Look at the right: in epochs 3 to 6 accuracy jumps about, while the learning rate is high, and settles when it falls.
# Which digits are still taken for which? The confusion matrix of all five nets together, 1,800 answers:

# %% tags=["demo"]
if runs:
    confusion, mistaken = torch.zeros(10, 10, dtype=torch.int64), []
    for net, held_out, *_ in runs:
        net.eval()
        for x, y in held_out:
            guess = net(x).argmax(1)
            confusion.index_put_((y, guess), torch.ones_like(y), accumulate=True)
            mistaken += [(x[i], y[i].item(), guess[i].item()) for i in (guess != y).nonzero().flatten()]
    figure, axes = plt.subplots(figsize=(4.6, 4.2))
    axes.imshow(confusion.float().sqrt(), cmap="Blues", vmax=18)
    for i in range(10):
        for j in range(10):
            if confusion[i, j]:
                axes.text(j, i, confusion[i, j].item(), ha="center", va="center", fontsize=8,
                          color="white" if i == j else "black")
    axes.set(xticks=range(10), yticks=range(10), xlabel="the net's answer", ylabel="the digit")
    plt.show()
    shown = mistaken[:8]
    plots.images([x for x, *_ in shown], [f"{digit}, taken for {guess}" for _, digit, guess in shown], height=1.3)
    plt.show()

# %% [markdown]
# One honest remark. The digits come from thirteen people, and our split is by picture: the held-out digits are by the
# same hands as the training digits. For a stranger's handwriting expect less.
#
# ## [](#worth) What each block is worth
#
# In a plain net no layer can be missed: the next one gets what it has never seen. In a residual net a block only adds.
# So one can take a block out of a trained net, leaving its shortcut, and look at what it loses (Andreas Veit and
# others, 2016).
#
# ### [](#without_block) Without this block (long) ●●●○○ 20 min
#
# Write `without_block(net, index)`, to be used in a `with`: `with without_block(net, 3): accuracy = evaluate(net,
# loader)`. Inside, the branch of block number `index` is out; afterwards the net is whole again.
#
# By hand: a block with an identity as its shortcut gets x = (2, 0, 1), and its branch would give (−3, 1, −0.5). With
# the branch the block gives ReLU(x + branch) = (0, 1, 0.5). Inside the `with` it gives ReLU(x) = **(2, 0, 1)**.
#
# - Inside the `with`, a block whose `downsample` is None, an identity or missing gives ReLU(x).
# - A block that projects gives ReLU(downsample(x)).
# - A block is any module with an attribute `bn2`; they are numbered from 0 in the order of `net.modules()`, however
#   deep they sit.
# - Afterwards the net is as it was: the same modules, no hook left.
# - So it is after an error inside the `with`, and the error goes on.
# - The branch is not run, so that its norms' statistics do not move; inside, too, every parameter keeps its name.
# - Two may be out at once, one `with` inside the other.
# - An index beyond the last block raises IndexError.
#
# <details><summary>Hint 1: a `with` of your own</summary>
#
# `contextlib.contextmanager` makes one of a function with a single `yield`: what stands before it happens at the
# beginning, what stands after it at the end. With `try:` around the `yield`, what stands under `finally:` happens in
# any case.
#
# </details>
# <details><summary>Hint 2: another forward for one block</summary>
#
# `block.forward = something` gives this one object a forward of its own, which hides its class's. `del block.forward`
# brings the class's back.
#
# </details>

# %% nbgrader={"grade_id": "without_block", "solution": true}
@contextmanager
def without_block(net, index):
    """Inside the `with`, block number `index` of net gives ReLU(shortcut) alone.

    Blocks are the modules with an attribute `bn2`, in the order of net.modules(). Raises IndexError beyond them.
    """
    ### BEGIN SOLUTION
    block = [module for module in net.modules() if hasattr(module, "bn2")][index]
    downsample = getattr(block, "downsample", None)
    block.forward = lambda x: F.relu(x if downsample is None else downsample(x))
    try:
        yield
    finally:
        del block.forward
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("without_block, ResBlock, make_stage, train_epoch and evaluate"):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
                        make_stage(ResBlock, 16, 16, 4, 1), make_stage(ResBlock, 16, 32, 4, 2),
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    loader, held_out = split(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(4):
        train_epoch(net, loader, optimizer)
    whole, shares = evaluate(net, held_out), []
    for index in range(8):
        with without_block(net, index):
            shares.append(evaluate(net, held_out))
    print(f"whole {whole:.1%}; without block", *(f"{index}: {share:.1%}" for index, share in enumerate(shares)))
    figure, axes = plt.subplots(figsize=(6, 2.6))
    colours = [plots.ORANGE if index == 4 else plots.BLUE for index in range(8)]
    axes.bar(range(8), [100 * share for share in shares], color=colours)
    axes.axhline(100 * whole, color=plots.GREEN, label="the whole net")
    axes.set(xlabel="block taken out (4, in orange, projects)", ylabel="per cent right", xticks=range(8), ylim=(0, 105))
    axes.legend(fontsize=8, loc="lower right")
    plt.show()

# %% nbgrader={"grade_id": "without_block_exam", "grade": true}
examine("without_block", without_block)

# %% [markdown]
# Some blocks can go alone, and hardly anybody notices: four of them when we ran it, two on another machine. Their
# branches have learned little that no other one knows. The first block costs most: all that follows was trained on
# what it gives. The block that projects (4) costs a good deal, too: its shortcut sees one pixel in four, and its
# branch alone sees them all.
#
# ## [](#bad_layer) What happens where a layer is bad
#
# The notes say that the kernel of `extra` grows where a layer is bad, so that the input can go around it. A good
# question: what *does* a ResNet do with a bad layer? First, a small thing. Where nothing changes shape, `extra` is
# empty:

# %% tags=["demo", "raises-exception"]
kernels = list(NotesBlock(16, 16).extra.parameters())
assert kernels, "this shortcut has no kernel that could grow"

# %% [markdown]
# In a ResNet-18 that is so in 5 of 8 blocks. And where there is a kernel, a BatchNorm stands behind it, which divides
# its output by its spread: a kernel twice as large gives the same result. Let us look at one all the same. We break two
# branches: in place of what the first convolution gives, noise comes out, whatever came in. The second of four blocks
# has an identity as its shortcut, the third a projection; both get such a branch. Then we train, and watch.

# %% tags=["demo", "nbval-ignore-output"]
class Broken(nn.Module):
    """Noise, in the shape of what the convolution would have given."""

    def __init__(self, conv):
        super().__init__()
        self.conv = conv

    def forward(self, x):
        return torch.randn_like(self.conv(x))


gammas, kernels = [], []
with try_it("train_epoch and ResBlock"):
    torch.manual_seed(0)
    blocks = [ResBlock(16, 16), ResBlock(16, 16), ResBlock(16, 32, 2), ResBlock(32, 32)]
    for broken in (1, 2):
        blocks[broken].conv1 = Broken(blocks[broken].conv1)
    net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *blocks,
                        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader, held_out = split(0)
    for epoch in range(9):
        if epoch:
            train_epoch(net, loader, optimizer)
        gammas.append([block.bn2.weight.detach().abs().mean().item() for block in blocks])
        kernels.append(blocks[2].downsample[0].weight.detach().norm().item())
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    names = ("first block", "second, broken, identity", "third, broken, projection", "fourth block")
    colours = (plots.BLUE, plots.RED, plots.ORANGE, plots.SKY)
    for name, colour, values in zip(names, colours, zip(*gammas, strict=True), strict=True):
        left.plot(values, color=colour, label=name)
    left.set(title="γ of the branch (mean size of bn2.weight)", xlabel="epoch", ylim=(0, 1.3))
    left.legend(fontsize=8)
    right.plot(kernels, color=plots.ORANGE)
    right.set(title="norm of the broken block's projection kernel", xlabel="epoch", ylim=(0, 1.3 * kernels[0]))
    plt.show()

# %% tags=["demo", "raises-exception"]
if kernels:
    for name, index in (("second block's broken", 1), ("first block's healthy", 0)):
        fell = 1 - gammas[-1][index] / gammas[0][index]
        print(f"γ of the {name} branch", "fell by a quarter or more" if fell > 0.25 else
              "fell" if fell > 0.05 else "did not fall")
    assert kernels[-1] > 1.25 * kernels[0], "the kernel of the shortcut did not grow"

# %% [markdown]
# **The fourth mistake, mended.** The kernel of the shortcut keeps its size, within about five per cent. What changes is
# the *branch*: its last BatchNorm's weight γ goes down, and with it what the branch adds. That is the point of writing
# a block as x + F(x): *nothing has to grow for the input to get through. The branch only has to go towards zero*, and
# zero is where weight decay pulls it anyway. Where a projection is in the way the same happens, only less: there the
# shortcut's own BatchNorm can share the work.
#
# ## What can go wrong
#
# Each of these is run. Say what you expect before you run a cell: most of them raise no error.
#
# **The ReLU before the sum.** Nothing can be taken away any more, and the numbers pile up. Random branches, the mean
# after 1, 10 and 20 blocks. After one block the two ways differ little, 0.7 against 0.9.
#
# **Predict, then run.** After 20 blocks the mean with the ReLU before the sum is (a) about that with the ReLU after it,
# for the same branches are added; (b) two to three times as large; (c) a million times, for it doubles with each block.

# %% tags=["demo"]
generator = torch.Generator().manual_seed(0)
after = before = torch.rand(1, 3, 32, 32, generator=generator)
for count in range(1, 21):
    kernels_of_block = torch.randn(2, 3, 3, 3, 3, generator=generator) * (2 / 27) ** 0.5
    after = F.relu(after + branch(after, kernels_of_block))
    before = before + F.relu(branch(before, kernels_of_block))
    if count in (1, 10, 20):
        print(f"{count:2} blocks: ReLU after the sum {after.mean():.1f}, before the sum {before.mean():.1f}")

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# (a) forgets that half of each branch is negative, and the ReLU before the sum throws that half away. (c) would hold if
# a branch were as large as what it is added to. A branch ends in a norm, so each block adds about the same, 0.4 on
# average: the numbers grow like the number of blocks, not faster. It is (b). With the ReLU after the sum they
# grow as well, for what is cut off at 0 cannot fall, but more slowly.
#
# </details>
#
# **Now you.** This block has the right parts, the right number of parameters and the right shapes, and it learns. Yet
# it cannot do nothing. With its branch silent (γ = 0) it should hand on what came in, a picture without negative
# numbers; the distance should be 0.00. Run the cell, find the name that stands for two things, and mend it in both
# lines.

# %% tags=["demo"]
class Faulty(nn.Module):
    """A residual block with an identity as its shortcut. One name is used for two things."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(x))
        return F.relu(out + x)


torch.manual_seed(0)
block, x = Faulty(3), photo("china", height=60)[None]
nn.init.zeros_(block.bn2.weight)
print(f"distance between what came in and what goes out: {(block(x) - x).abs().mean():.2f}")

# %% [markdown]
# <details><summary>Which name it was</summary>
#
# The first line of `forward` calls its result `x`, and from there on the picture that came in is gone: `out + x` adds
# what the first convolution made of it. The shortcut goes around one layer in place of two, and every block begins with
# a plain layer once more: the very thing that it was to avoid. With `out = F.relu(self.bn1(self.conv1(x)))` and `out =
# self.bn2(self.conv2(out))` the distance is 0.00. A net of a few such blocks trains; a deep one fails as a plain one
# does. Put into the five nets above, 56 layers of it end at a loss of 2.1 to 2.2, where the right block reaches 0.3 to
# 1.1.
#
# </details>
#
# **Blocks in a Python list, or one block many times.** A list hides its blocks from the module. A repeated block is one
# block:

# %% tags=["demo"]
class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = [nn.Conv2d(8, 8, 3) for _ in range(3)]


for name, net in (("a Python list", Hidden()), ("[conv] * 3", nn.Sequential(*[nn.Conv2d(8, 8, 3)] * 3)),
                  ("three convolutions", nn.Sequential(*(nn.Conv2d(8, 8, 3) for _ in range(3))))):
    print(f"{name:18} {len(list(net.parameters()))} parameter tensors,",
          f"{sum(parameter.numel() for parameter in net.parameters()):5,} numbers")

# %% [markdown]
# **`x += out`.** It spares one tensor and overwrites another, which somebody else still needs: the branch, for its own
# gradient, or whoever called the block. With luck autograd notices, though not before `backward`. For x² it needs x as
# it was, for 3x it does not:

# %% tags=["demo"]
def add_in_place(x, branch):
    """x + branch(x), written over x."""
    out = branch(x)
    x += out
    return x


weight = torch.ones(3, requires_grad=True)
x = 2 * weight  # comes from the layer before, as a block's input does
try:
    add_in_place(x, lambda x: x * x).sum().backward()
except RuntimeError as error:
    print("RuntimeError:", str(error).partition(" Hint")[0])
x = 2 * weight
add_in_place(x, lambda x: 3 * x).sum().backward()
print("no error here, but the input has become", x.tolist())


# %% [markdown]
# **Measured in training mode.** A norm in training mode uses the batch, so each picture's answer depends on its
# neighbours. The five trained nets, the held-out digits sorted by label and shown in batches of 30: most neighbours are
# the same digit, and the batch's mean is no longer that of all digits.
#
# **Predict, then run.** In evaluation mode these nets are right 99 times in a hundred. In training mode, on the same
# pictures, they are right about (a) 99 times, for the weights are the same; (b) 10 times, as if they guessed; (c)
# somewhere between.

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    shares = {True: [], False: []}
    for net, held_out, *_ in runs:
        x, y = next(iter(held_out))
        order = y.argsort(stable=True)
        for training in shares:
            net.train(training)
            with torch.no_grad():
                right = [net(x[part]).argmax(1) == y[part] for part in order.split(30)]
            shares[training].append(torch.cat(right).double().mean().item())
        net.eval()
    for name, training in (("evaluation", False), ("training", True)):
        print(f"right in {name} mode: {sum(shares[training]) / 5:.0%}")
else:
    print("Nothing is trained yet.")

# %% [markdown]
# (c). The weights are the same, but what reaches them is not; and where a batch holds two kinds of digits, not all is
# lost. Measuring also changed the running statistics of all five nets. These pictures were digits like any others, so
# in evaluation mode there is little to be seen of it; but nobody should have to rely on that. What was written can be
# measured again, on the training pictures: `recalibrate` of chapter 4 does it, and so does PyTorch's `update_bn`.

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    net, held_out, _, accuracies = runs[0]
    x, y = next(iter(held_out))
    right = {"as trained": accuracies[-1]}
    right["after the measurement"] = evaluate(net, held_out)
    torch.optim.swa_utils.update_bn(split(0)[0], net)
    right["statistics measured anew"] = evaluate(net, held_out)
    for name, share in right.items():
        print(f"{name:26} {share:.1%}")

# %% [markdown]
# **The mean of the batches' means.** A last batch of 3 pictures weighs as much as a full one of 64:

# %% tags=["demo"]
sizes, losses = torch.tensor([64.0, 64, 64, 3]), torch.tensor([0.5, 0.5, 0.5, 2.5])
print(f"mean over pictures {(sizes * losses).sum() / sizes.sum():.3f}, mean over batches {losses.mean():.3f}")

# %% [markdown]
# ## What to keep
#
# 1. A residual block computes ReLU(x + F(x)). Doing nothing is F = 0: easy to reach, and easy to begin with.
# 2. The shortcut is the identity wherever it can be. Where the stride or the channels change, it is a 1×1 convolution
#    and a BatchNorm, without bias.
# 3. The ReLU comes after the sum; a Bottleneck strides its 3×3 convolution; in a stage only the first block strides.
# 4. At the start, with PyTorch's own first numbers, a plain net's gradient vanishes without a norm and explodes with
#    BatchNorm; with shortcuts it keeps its size, 8 layers or 56. Where a layer is bad, γ of its branch shrinks.
# 5. Train in training mode, measure in evaluation mode without a graph, put every mode back, and weigh each batch by
#    its size.
#
# And the question of the beginning? Twenty more layers on top of a net that works can make it worse, for "do nothing"
# is hard to learn. Written as x + F(x) it is where the net starts.
#
# **In production:** `torchvision.models.resnet18(weights="IMAGENET1K_V1")` and `resnet50`. Your `ResNet` has their
# names and shapes, so `net.load_state_dict(torch.load("resnet18.pth", weights_only=True))` loads their weights.
#
# **To read:** K. He, X. Zhang, S. Ren, J. Sun, *Deep Residual Learning for Image Recognition* (2015), and *Identity
# Mappings in Deep Residual Networks* (2016), on where norm and ReLU go. A. Veit, M. Wilber, S. Belongie, *Residual
# Networks Behave Like Ensembles of Relatively Shallow Networks* (2016). P. Goyal and others, *Accurate, Large Minibatch
# SGD* (2017), for the zero start. G. Yang and others, *A Mean Field Theory of Batch Normalization* (2019), on exploding
# gradients. R. Wightman, H. Touvron, H. Jégou, *ResNet Strikes Back* (2021), on how to train one today.
