# %% [markdown] with_reading=220
# # 9 · A photograph made clean
#
# ![A cut-out of a portrait four times: grainy with noise; smoothed by a Gaussian, soft and still blotchy; cleaned by a
# small net, with sharp edges; and as it was photographed](../../assets/09_clean/before_after.svg)
#
# Somebody photographed in bad light. The second picture is what a Gaussian filter makes of it: it takes the noise, and
# the edges with it. The third was made by a net of 118,305 numbers that never saw this photograph. It learned from
# sixteen others what photographs look like. In this chapter you build that net from the parts of all the chapters
# before, train it, and put it beside the filters that people used for thirty years.
#
# - **You will be able to** plan, build, train and judge a net that turns a picture into a picture: data, crops, a
#   U-Net, a schedule, pictures of any size, and an honest table at the end.
# - **You need** convolution, pooling and upsampling, ReLU, BatchNorm, modules and augmentation: chapters 1 to 7. Of
#   chapter 8 nothing.
# - **It takes** about {hours} hours; the {exercises} exercises ({points} points) are {minutes} minutes of it.
# - **The short way** ({minutes add_noise psnr DoubleConv UNet train denoise} minutes, {points add_noise psnr DoubleConv
#   UNet train denoise} points): `add_noise`, `psnr`, `DoubleConv`, `UNet`, `train`, `denoise`, and of the text all but
#   [](#eight_turns), [](#at_the_end) and [](#tiles). As long as `crops` waits, the training pieces come from a fixed
#   grid. The exercises that it leaves out are marked *long*, the hardest sections *hard*.

# %%
import math
import time

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import display, update_display
from torch import nn

from convcraft import data, examine, plots, try_it

plots.use_style()

SIGMA = 25 / 255  # the noise of this chapter: 25 of 255 grey levels

# %% [markdown]
# ## Six photographs that the net never sees
#
# Before anything else we put six photographs away. The net is trained on the others, and judged on these. They were
# picked before the first net was trained: a portrait, a man with a tripod, a cat, coins, a flower and a rocket. They
# stay held out whoever wins on them. All are grey and 200 pixels high.
#
# There is one trap. Two of the photographs, `motorcycle_left` and `motorcycle_right`, are what a left and a right eye
# see of the same motorcycle. With one half in training and the other held out, the net would be judged on what it has
# seen. Both halves must lie on one side; here they are trained on.

# %%
HELD_OUT = ("astronaut", "camera", "chelsea", "coins", "flower", "rocket")
TRAINING = tuple(name for name in data.PHOTOS if name not in HELD_OUT)
HEIGHT = 200

# %% tags=["demo"]
held_out = data.photos(*HELD_OUT, height=HEIGHT, grey=True)
training = data.photos(*TRAINING, height=HEIGHT, grey=True)
print(f"{len(training)} photographs to learn from:", *TRAINING)
print("a stereo pair on both sides:", len({"motorcycle_left", "motorcycle_right"} & {*HELD_OUT}) == 1)
plots.images([*held_out.values()], HELD_OUT, height=1.5)
plt.show()

# %% [markdown]
# ## Noise
#
# A sensor counts photons, and its electronics add a little of their own. In bad light the count is small and the
# trembling large beside it. The usual model adds to each pixel a draw from the normal distribution with mean 0 and
# standard deviation σ, and every pixel gets a draw of its own:
#
# $$\text{noisy} = \text{clean} + \sigma\,\varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1)$$
#
# ### [](#add_noise) Bad light, made at home ●○○○○ 5 min
#
# Write `add_noise(x, sigma, generator=None)` for `x` of any shape. It returns a tensor of that shape.
#
# By hand: where the generator draws (0.5, −2, 1) and σ is 0.1, the pixels (0.2, 0.1, 0.9) become (0.25, −0.1, 1.0).
# The second is darker than black.
#
# - Each number of the result is that of `x` plus a draw of its own from the normal distribution with mean 0 and
#   standard deviation `sigma`.
# - The result may lie below 0 and above 1: nothing is clipped.
# - The noise is drawn from `generator` alone: the same seed, the same noise.
# - Without a generator, torch's own numbers make the noise.
# - `add_noise` leaves `x` as it was and keeps its dtype.
#
# <details><summary>Hint 1: which function</summary>
#
# `torch.rand` is even between 0 and 1. `torch.randn` is the normal distribution, and takes a shape, a dtype and a
# generator.
#
# </details>

# %% nbgrader={"grade_id": "add_noise", "solution": true}
def add_noise(x, sigma, generator=None):
    """x plus normal noise of standard deviation sigma, a draw of its own for each number."""
    ### BEGIN SOLUTION
    return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("add_noise"):
    noisy = [add_noise(held_out["camera"], sigma / 255, torch.Generator().manual_seed(0)) for sigma in (0, 10, 25, 50)]
    plots.images(noisy, ["σ = 0", "σ = 10 / 255", "σ = 25 / 255", "σ = 50 / 255"], vmin=0, vmax=1)
    plt.show()

# %% nbgrader={"grade_id": "add_noise_exam", "grade": true}
examine("add_noise", add_noise)

# %% [markdown]
# ## How good is good?
#
# "Looks better" is no number. The usual one is the **peak signal-to-noise ratio**, PSNR, in decibels. It compares the
# largest value that a pixel can have, here 1, with the mean squared error:
#
# $$\mathrm{PSNR} = 10\,\log_{10}\frac{1}{\mathrm{MSE}}$$
#
# Ten decibels more are a tenth of the error, three are about half. At 20 dB a picture is plainly grainy, at 30 one has
# to look, at 40 nobody sees a difference.
#
# ### [](#psnr) Decibels ●○○○○ 5 min
#
# Write `psnr(x, y)` for two tensors of the same shape with values around [0, 1]. It returns a number.
#
# By hand: x = (0.2, 0.5), y = (0.3, 0.5). The squared differences are 0.01 and 0, their mean 0.005, and 10 · log₁₀ 200
# = 23.01.
#
# - The result is 10 · log₁₀(1 / MSE); MSE is the mean of the squared differences.
# - Equal pictures have infinity, `math.inf`, and no error is raised.
# - Whatever the shape, also of a batch, there is one mean over all numbers.
# - The result is a Python float.
#
# <details><summary>Hint 1: the case that divides by zero</summary>
#
# Python's `1 / 0.0` is an error, `math.log10(0)`, too. Ask for it before you divide.
#
# </details>

# %% nbgrader={"grade_id": "psnr", "solution": true}
def psnr(x, y):
    """Peak signal-to-noise ratio of two tensors with values around [0, 1], in decibels: a float."""
    ### BEGIN SOLUTION
    error = (x - y).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(1 / error)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("psnr"):
    x = torch.tensor([0.2, 0.5])
    print(f"{psnr(x, torch.tensor([0.3, 0.5])):.2f} dB, and for equals {psnr(x, x)}")
with try_it("psnr and add_noise"):
    for sigma in (10, 25, 50):
        grainy = add_noise(held_out["camera"], sigma / 255, torch.Generator().manual_seed(0))
        print(f"σ = {sigma:2} / 255: {psnr(grainy, held_out['camera']):.1f} dB")

# %% nbgrader={"grade_id": "psnr_exam", "grade": true}
examine("psnr", psnr)

# %% [markdown]
# Noise of σ alone gives an MSE of σ², so 25 / 255 means 10 · log₁₀(255² / 25²) = 20.2 dB. That is where we start.
#
# ## The filters of thirty years
#
# Three old friends. A **Gaussian** takes a weighted mean of each pixel's neighbourhood: a convolution with fixed
# weights. A **median** takes the middle of the sorted neighbourhood. **Non-local means** (Buades, Coll and Morel, 2005)
# looks for pieces elsewhere in the picture that look alike, and takes their mean: noise differs from piece to piece,
# what they show does not. scikit-image has it.

# %% tags=["demo"]
from scipy.ndimage import gaussian_filter, median_filter
from skimage.restoration import denoise_nl_means


def gaussian(picture, width):
    return torch.from_numpy(gaussian_filter(picture[0].numpy(), width))[None]


def median(picture, size):
    return torch.from_numpy(median_filter(picture[0].numpy(), size))[None]


def non_local_means(picture, strength):
    return torch.from_numpy(denoise_nl_means(picture[0].numpy(), patch_size=5, patch_distance=6, h=strength * SIGMA,
                                             sigma=SIGMA, fast_mode=True))[None]


def noisy_pictures(sigma=SIGMA):
    """The held-out photographs with the noise that all methods are given: the same for each of them."""
    return {name: add_noise(clean, sigma, torch.Generator().manual_seed(number))
            for number, (name, clean) in enumerate(held_out.items())}


def score(picture, name):
    """PSNR against the clean photograph; what is darker than black or brighter than white is clipped first."""
    return psnr(picture.clamp(0, 1), held_out[name])


def mean_score(pictures):
    """The mean PSNR of pictures by name."""
    return sum(score(picture, name) for name, picture in pictures.items()) / len(pictures)


# %% [markdown]
# **Predict, then run.** A Gaussian of width 0 leaves the picture as it is. As its width grows, PSNR (a) rises, and then
# stays as high as it is; (b) rises, and falls again, at the same width for all photographs; (c) rises, and falls again,
# at a width that depends on the photograph.

# %% tags=["demo"]
with try_it("add_noise and psnr"):
    noisy, widths = noisy_pictures(), torch.arange(0, 3.01, 0.2).tolist()
    figure, axes = plt.subplots(figsize=(6.5, 3))
    for name, colour in (("astronaut", plots.BLUE), ("coins", plots.ORANGE), ("rocket", plots.GREEN)):
        curve = [score(gaussian(noisy[name], width), name) for width in widths]
        axes.plot(widths, curve, color=colour, label=name)
        axes.plot(widths[curve.index(max(curve))], max(curve), "o", color=colour)
    axes.set(xlabel="width of the Gaussian, pixels", ylabel="PSNR, dB")
    axes.legend()
    plt.show()

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# It is (c). (a) forgets what a mean does to an edge: from some width on more is lost of the picture than of the noise.
# (b) would be so if all photographs were alike. A night sky is smooth and bears a wide mean, a face full of detail does
# not. A fixed filter has one width for the sky and the rocket in it. *That* is what a net can do better: decide at each
# place.
#
# </details>

# %% tags=["demo", "nbval-ignore-output"] frames={"noise": [10, 25, 50], "width": [1.0, 1.6, 2.2, 3.0]}
def show_filters(photograph, noise, width, strength):
    """The noisy picture, a Gaussian and non-local means at these settings, with their decibels."""
    clean = held_out[photograph]
    noisy = add_noise(clean, noise / 255, torch.Generator().manual_seed(0))
    shown = {"noisy": noisy, "Gaussian": gaussian(noisy, width), "non-local means": non_local_means(noisy, strength)}
    titles = [f"{name}, {score(picture, photograph):.1f} dB" for name, picture in shown.items()]
    return plots.images([*shown.values()], titles, vmin=0, vmax=1, height=2.6)


with try_it("add_noise and psnr"):
    plots.explore(show_filters, photograph=list(HELD_OUT), noise=[25, 10, 50], width=(1.0, 3.0, 0.2),
                  strength=[0.6, 0.4, 0.8, 1.2])

# %% [markdown]
# For the table at the end each filter may try several settings and take the best for *each photograph*, by a look at
# the clean one. No real use could do that. We give it to them, so that nobody can say that they were set badly.

# %% tags=["demo"]
FILTERS = {"Gaussian": (gaussian, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0)), "median": (median, (3, 5, 7)),
           "NL means": (non_local_means, (0.4, 0.6, 0.8))}


def filter_scores():
    """For each filter, by photograph, the decibels of its best setting."""
    return {kind: {name: max(score(apply(picture, setting), name) for setting in settings)
                   for name, picture in noisy_pictures().items()} for kind, (apply, settings) in FILTERS.items()}


def table(columns):
    """A row for each photograph, a column for each method, the best of each row marked with a star, the mean below."""
    print(f"{'':10}" + "".join(f"{kind:>12}" for kind in columns))
    rows = {name: [column[name] for column in columns.values()] for name in HELD_OUT}
    rows["mean"] = [sum(values) / len(HELD_OUT) for values in zip(*rows.values(), strict=True)]
    for name, values in rows.items():
        print(f"{name:10}" + "".join(f"{value:11.2f}{'*' if value == max(values) else ' '}" for value in values))


with try_it("add_noise and psnr"):
    classical = {"noisy": {name: score(picture, name) for name, picture in noisy_pictures().items()}, **filter_scores()}
    table(classical)

# %% [markdown]
# Non-local means is hard to beat: on the coins and the tripod it is more than two decibels ahead of the Gaussian. Only
# the cat's fur, where no two pieces are alike, goes to the Gaussian. These are the numbers to beat.
#
# ## A net shaped like a U (hard)
#
# What must a denoiser see? To know whether a bright pixel is noise or a star, it must look at its neighbours. To know
# that it lies on the edge of a coin, it must look further. And its answer must be exact to a pixel. Looking far is
# cheap on a small picture (chapter 2), being exact needs the large one. The **U-Net** (Ronneberger, Fischer and Brox,
# 2015) does both:
#
# ![A net drawn as a U. Going down three levels, 16, 32 and 64 channels, each half the size of the one above; on the
# right the way up again. Arrows go across from left to right at the upper two levels, and one from the input over the
# top to a minus sign](../../assets/09_clean/unet.svg)
#
# On the left the picture gets smaller and the channels more, so each pixel of the lowest level has seen a large
# neighbourhood. On the right it grows again. Growing alone would leave it blurred (chapter 2), so the maps of the way
# down are brought across and laid beside what comes from below. And like a residual block (chapter 5) the net does not
# paint the picture: it finds the *noise*, which is then taken off. Doing nothing is easy for it.
#
# ### [](#DoubleConv) The brick ●●○○○ 10 min
#
# Each box of the drawing but `out` is the same brick. Write `class DoubleConv(nn.Module)` with `__init__(self,
# in_channels, out_channels)`. It makes (N, out_channels, H, W) of (N, in_channels, H, W):
#
# $$x \to \mathrm{ReLU}(\mathrm{bn1}(\mathrm{conv1}(x))) \to \mathrm{ReLU}(\mathrm{bn2}(\mathrm{conv2}(\cdot)))$$
#
# By hand: `DoubleConv(1, 16)` has 144 weights in its first convolution, 2,304 in its second and 64 numbers in its
# norms, 2,512 in all.
#
# - The parts are called `conv1`, `bn1`, `conv2` and `bn2`; both convolutions are 3×3, and neither has a bias. The first
#   goes from `in_channels` to `out_channels`, the second stays there.
# - The order is convolution, norm, ReLU, and the same again.
# - Height and width stay: each convolution has a frame of one zero around its input.
# - In training mode each norm uses the batch and updates its own running statistics.
# - The brick leaves its input as it was, and gradients flow through.
#
# <details><summary>Hint 1: as in chapter 5</summary>
#
# It is a `ResBlock` without its shortcut and without a stride. `super().__init__()` comes first.
#
# </details>

# %% nbgrader={"grade_id": "DoubleConv", "solution": true}
class DoubleConv(nn.Module):
    """Convolution, norm, ReLU, twice: (N, in_channels, H, W) to (N, out_channels, H, W)."""

    def __init__(self, in_channels, out_channels):
        ### BEGIN SOLUTION
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)))
        ### END SOLUTION

# %% tags=["demo"]
with try_it("DoubleConv"):
    brick = DoubleConv(1, 16)
    print(f"{sum(parameter.numel() for parameter in brick.parameters()):,} numbers,",
          (1, 1, 40, 40), "→", tuple(brick(torch.zeros(1, 1, 40, 40)).shape))

# %% nbgrader={"grade_id": "DoubleConv_exam", "grade": true}
examine("DoubleConv", DoubleConv)

# %% [markdown]
# ### [](#UNet) The U ●●●●○ 30 min
#
# Write `class UNet(nn.Module)` with `__init__(self, channels=1, width=16, depth=2)`. For x of shape (N, channels, H, W)
# it returns the same shape; H and W are multiples of 2 to the power of `depth`.
#
# At the top level the maps have `width` channels, and each halving doubles them. For `UNet(1, 16, 2)`:
#
# | part | channels | at size | is given |
# |--|--|--|--|
# | `down[0]` | 1 → 16 | H × W | x |
# | `down[1]` | 16 → 32 | H/2 × W/2 | `down[0]`'s result, halved |
# | `bottom` | 32 → 64 | H/4 × W/4 | `down[1]`'s result, halved |
# | `up[0]` | 96 → 32 | H/2 × W/2 | `down[1]`'s result, and `bottom`'s enlarged: 32 + 64 channels |
# | `up[1]` | 48 → 16 | H × W | `down[0]`'s result, and `up[0]`'s enlarged: 16 + 32 channels |
# | `out` | 16 → 1 | H × W | `up[1]`'s result |
#
# All but `out` are bricks: use your `DoubleConv`. Together they have 118,305 parameters.
#
# - The parts are called `down` (a list of `depth` bricks), `bottom`, `up` (a list of `depth` bricks, in the order of
#   their use) and `out`, a 1×1 convolution with a bias. The lists are `nn.ModuleList`s.
# - Behind each brick of `down` the picture is halved: of each 2×2 pixels the largest stays.
# - Each brick of `up` is given two maps side by side: first what the brick of `down` at that size gave, then what comes
#   from below, every pixel of it repeated to 2×2.
# - `out` gives the noise, and the net returns its input minus that.
# - `channels`, `width` and `depth` are what they were asked to be.
# - `UNet()` is `UNet(1, 16, 2)`, and the attribute `depth` tells how often it halves.
# - The net leaves its input as it was, and gradients reach every part.
#
# The exam looks at the parts' channels, then puts its own bricks in their places and notes what each is given. A slip
# in the order of your `DoubleConv`'s layers costs you nothing here; it must be made without an error, and its channels
# must be right.
#
# <details><summary>Hint 1: the list of widths</summary>
#
# `widths = [width * 2**level for level in range(depth + 1)]` is 16, 32, 64. Write down by hand which pairs of them each
# list needs, then the loop.
#
# </details>
# <details><summary>Hint 2: what must be remembered</summary>
#
# On the way down keep each brick's result in a list, *before* you halve it. On the way up the last one is needed first:
# `list.pop()`.
#
# </details>
# <details><summary>Hint 3: halving, doubling, side by side</summary>
#
# `F.max_pool2d(x, 2)`, `F.interpolate(x, scale_factor=2)`, `torch.cat([first, second], 1)`.
#
# </details>

# %% nbgrader={"grade_id": "UNet", "solution": true}
class UNet(nn.Module):
    """A denoiser: (N, channels, H, W) to the same shape, H and W multiples of 2 ** depth."""

    def __init__(self, channels=1, width=16, depth=2):
        ### BEGIN SOLUTION
        super().__init__()
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList()
        for taken, given in zip([channels, *widths], widths[:-1], strict=False):
            self.down.append(DoubleConv(taken, given))
        self.bottom = DoubleConv(widths[-2], widths[-1])
        self.up = nn.ModuleList()
        for level in reversed(range(depth)):
            self.up.append(DoubleConv(widths[level] + widths[level + 1], widths[level]))
        self.out = nn.Conv2d(width, channels, 1)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        maps, skips = x, []
        for brick in self.down:
            maps = brick(maps)
            skips.append(maps)
            maps = F.max_pool2d(maps, 2)
        maps = self.bottom(maps)
        for brick in self.up:
            maps = brick(torch.cat([skips.pop(), F.interpolate(maps, scale_factor=2)], 1))
        return x - self.out(maps)
        ### END SOLUTION

# %% tags=["demo"]
with try_it("UNet and DoubleConv"):
    for arguments in ((), (3, 16, 2), (1, 8, 4)):
        net = UNet(*arguments)
        x = torch.zeros(1, net.out.out_channels, 48, 64)
        print(f"UNet{arguments}: {sum(parameter.numel() for parameter in net.parameters()):9,} parameters,",
              tuple(x.shape), "→", tuple(net(x).shape))

# %% nbgrader={"grade_id": "UNet_exam", "grade": true}
examine("UNet", UNet)

# %% [markdown]
# ## [](#eight_turns) Sixteen photographs, many pieces
#
# Sixteen photographs are few. But what a net of this size has to learn, edges, skin, leaves, is the same all over a
# picture and does not depend on which way is up. So we do not show it whole photographs. We show it pieces of 40 × 40
# pixels, from anywhere, in any of the **eight turns** of a square: four quarter turns, and four of the mirror image.
#
# ![A cup of coffee in its eight turns: upper row as it is and after one, two and three quarter turns; lower row the
# mirror image in the same four](../../assets/09_clean/eight_turns.svg)
#
# In chapter 7 half a turn made a 9 of a 6. Here no label can be hurt: the clean picture is turned together with the
# noisy one.
#
# ### [](#crops) Pieces from everywhere (long) ●●●○○ 20 min
#
# Write `crops(images, size, count, generator=None)`. `images` is a list of pictures (C, H, W) that differ in size; it
# returns (count, C, size, size).
#
# By hand: one picture of 4 × 5 pixels and size 3 give 2 · 3 = 6 windows; in eight turns that makes 48 different crops.
#
# - Each crop is a window of a picture, all channels of it, and every window can come.
# - Each crop is turned into one of its eight turns, and each of the eight can come.
# - All pictures come equally often, whatever their size, and so do all windows of a picture.
# - Every crop has draws of its own: picture, window and turn.
# - All of it is drawn from `generator` alone: the same seed, the same crops.
# - Without a generator, torch's own numbers decide.
# - `crops` leaves the pictures as they were and keeps their dtype.
#
# <details><summary>Hint 1: one crop</summary>
#
# Four whole numbers and a coin: which picture, which row and column it begins at, how many quarter turns, mirrored or
# not. `torch.randint(n, (), generator=generator)` is one of 0, …, n − 1. How many rows can a window begin at?
#
# </details>
# <details><summary>Hint 2: turns</summary>
#
# `x.rot90(turns, (-2, -1))` turns the last two axes, `x.flip(-1)` mirrors. `torch.stack` makes a batch of a list.
#
# </details>

# %% nbgrader={"grade_id": "crops", "solution": true}
def crops(images, size, count, generator=None):
    """(count, C, size, size): windows of random pictures of a list of (C, H, W), each in one of its eight turns."""
    ### BEGIN SOLUTION
    def draw(count):
        return int(torch.randint(count, (), generator=generator))

    cut = []
    for _ in range(count):
        image = images[draw(len(images))]
        top, left = draw(image.shape[1] - size + 1), draw(image.shape[2] - size + 1)
        crop = image[:, top:top + size, left:left + size].rot90(draw(4), (1, 2))
        cut.append(crop.flip(2) if draw(2) else crop)
    return torch.stack(cut)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("crops"):
    shown = crops(list(training.values()), 40, 16, torch.Generator().manual_seed(4))
    plots.images([torch.cat(list(row), 2) for row in shown.split(8)], height=1.1)
    plt.show()

# %% nbgrader={"grade_id": "crops_exam", "grade": true}
examine("crops", crops)

# %% [markdown]
# A pair for training is a batch of crops and the same crops with noise. They are drawn when they are asked for: new
# pieces and new noise for each batch, so the net cannot learn any by heart.

# %%
def grid_pieces(images, size, count, generator):
    """What stands in as long as `crops` waits for you: pieces from a fixed grid, never turned."""
    grid = torch.cat([image.unfold(1, size, size).unfold(2, size, size).reshape(-1, 1, size, size) for image in images])
    return grid[torch.randint(len(grid), (count,), generator=generator)]


class Batches:
    """So many pairs (noisy, clean), each drawn when it is asked for; every loop begins at `seed` and gives the same."""

    def __init__(self, images, count, per_batch=4, size=40, sigma=SIGMA, seed=0, shown=False):
        self.images, self.count, self.per_batch, self.size = list(images), count, per_batch, size
        self.sigma, self.seed, self.shown = sigma, seed, shown

    def __len__(self):
        return self.count

    def __iter__(self):
        generator, began = torch.Generator().manual_seed(self.seed), time.perf_counter()
        for number in range(self.count):
            try:
                clean = crops(self.images, self.size, self.per_batch, generator)
            except NotImplementedError:
                clean = grid_pieces(self.images, self.size, self.per_batch, generator)
            if self.shown and number % 50 == 0:
                tell(number, self.count, time.perf_counter() - began)
            yield add_noise(clean, self.sigma, generator), clean
        if self.shown:
            tell(self.count, self.count, time.perf_counter() - began)


def tell(done, total, seconds):
    """A progress bar as text and as HTML."""
    filled = round(30 * done / total)
    text = f"{done} of {total} batches · {seconds:.0f} s"
    (update_display if done else display)(
        {"text/plain": f"{'█' * filled}{'░' * (30 - filled)} {text}",
         "text/html": f"<progress value='{done}' max='{total}'></progress> {text}"}, raw=True, display_id="batches")


# %% [markdown]
# ## Training
#
# The loss is the mean squared error, for that is what PSNR measures. The steps are Adam's (Kingma and Ba, 2014), and
# the rate falls along half a cosine: large steps first, to get somewhere, and ever smaller ones, to settle.
#
# ### [](#train) Training ●●●○○ 20 min
#
# Write `train(net, batches, lr)`. `batches` gives pairs (noisy, clean) when looped over. It returns the list of losses.
#
# By hand, for n = 4 batches and lr = 0.01: k = 0, 1, 2, 3 have the rates 0.01, 0.00854, 0.005, 0.00146.
#
# - The result has one number for each batch: the mean squared error between `net(noisy)` and `clean`, before the step.
# - Each step is made from its own batch's gradient alone, whatever gradients were there before.
# - The steps are `torch.optim.Adam`'s, with all its settings but the rate left alone.
# - Step k of n, counted from 0, is made with the rate lr · (1 + cos(πk/n)) / 2.
# - The net trains in training mode, whatever mode it, or a part of it, came in.
# - The numbers are Python floats, and no batch's graph outlives the next batch.
# - `batches` has a length and can be looped over once; each batch is used before the next is drawn.
#
# <details><summary>Hint 1: setting the rate</summary>
#
# By hand: `for group in optimizer.param_groups: group["lr"] = …`. Or let
# `torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(batches))` do it, stepped after the optimizer.
#
# </details>
# <details><summary>Hint 2: the order in the loop</summary>
#
# Rate, clear the gradients, loss, backward, step, note `loss.item()`.
#
# </details>

# %% nbgrader={"grade_id": "train", "solution": true}
def train(net, batches, lr):
    """Train net on pairs (noisy, clean) with Adam, the rate falling from lr to 0 along half a cosine.

    Returns the losses, a float for each batch.
    """
    ### BEGIN SOLUTION
    net.train()
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    losses = []
    for noisy, clean in batches:
        optimizer.zero_grad()
        loss = F.mse_loss(net(noisy), clean)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION

# %% [markdown]
# Eight hundred batches take some twenty seconds on one idle core, and minutes on a busy one. `channels_last` stores
# each pixel's channels side by side, which convolutions on a CPU like: a fifth faster, and but for rounding the same
# result.

# %% tags=["demo", "nbval-ignore-output"]
SETTINGS = {"batches": 800, "per_batch": 4, "size": 40, "lr": 4e-3, "width": 16, "depth": 2, "seed": 0}


def trained(settings, shown=True):
    """(a net trained with these settings, its losses)."""
    torch.manual_seed(settings["seed"])
    net = UNet(1, settings["width"], settings["depth"]).to(memory_format=torch.channels_last)
    batches = Batches(training.values(), settings["batches"], settings["per_batch"], settings["size"],
                      seed=settings["seed"], shown=shown)
    return net, train(net, batches, settings["lr"])


mine, losses = None, []
with try_it("train, UNet, DoubleConv and add_noise"):
    mine, losses = trained(SETTINGS)


def my_net():
    """The net trained above; the cells that need it wait as long as there is none."""
    if mine is None:
        raise NotImplementedError
    return mine


# %% tags=["demo", "nbval-ignore-output"]
if losses:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
    smooth = torch.tensor(losses).unfold(0, 50, 25).mean(1)
    left.semilogy(torch.arange(len(smooth)) * 25 + 25, smooth, color=plots.BLUE)
    left.axhline(SIGMA**2, color=plots.GREY, linestyle=":")
    left.text(len(losses), SIGMA**2, "doing nothing", ha="right", va="bottom")
    left.set(title="loss, mean of 50 batches", xlabel="batch")
    steps = torch.arange(len(losses))
    right.plot(steps, SETTINGS["lr"] * (1 + (math.pi * steps / len(losses)).cos()) / 2, color=plots.ORANGE)
    right.set(title="rate", xlabel="batch")
    plt.show()
else:
    print("Nothing is trained yet.")

# %% nbgrader={"grade_id": "train_exam", "grade": true}
examine("train", train)

# %% [markdown]
# The dotted line is what a net would pay that returns its input: σ². A few dozen batches bring the loss below it. Later
# gains hide in the trembling from batch to batch, and are there all the same: ten times the training ends near 0.0013.
#
# ## Any photograph
#
# The net halves twice, so it wants heights and widths that are multiples of 4. Photographs have any size. One pads them
# to the next multiple, and cuts the result back. Pad with what? A black bar is something the net never saw. A
# reflection looks like more of the same photograph, noise included.
#
# ### [](#denoise) Clean this ●●●○○ 15 min
#
# Write `denoise(net, image)` for a picture (C, H, W) and a net with an attribute `depth`. It returns (C, H, W).
#
# By hand: depth 2 wants multiples of 4. A picture of 6 × 9 becomes 8 × 12. A last row that reads 1 2 3 4 5 6 7 8 9
# becomes 1 2 3 4 5 6 7 8 9 8 7 6.
#
# - A picture (C, H, W) comes back as a picture (C, H, W); the net is given a batch of one.
# - H and W may be anything from 2 to the power of `net.depth` on: the net is given the next multiple of that number,
#   not more, and the result has H and W again.
# - What is missing is added at the bottom and on the right, by reflection.
# - The net runs in evaluation mode.
# - Afterwards each part of the net is in the mode it came in, also where the net raised an error.
# - No graph is recorded.
# - `denoise` leaves the picture as it was.
#
# <details><summary>Hint 1: how much is missing</summary>
#
# In Python `-9 % 4` is 3, and `-8 % 4` is 0.
#
# </details>
# <details><summary>Hint 2: reflecting</summary>
#
# `F.pad(batch, (left, right, top, bottom), mode="reflect")` takes a batch (N, C, H, W), or one picture (C, H, W).
#
# </details>
# <details><summary>Hint 3: modes</summary>
#
# A part may be frozen by hand while the rest trains. Note `module.training` for each of `net.modules()`, and put them
# back under `finally:`.
#
# </details>

# %% nbgrader={"grade_id": "denoise", "solution": true}
def denoise(net, image):
    """What net makes of a picture (C, H, W) of any size: (C, H, W)."""
    ### BEGIN SOLUTION
    height, width = image.shape[1:]
    multiple = 2**net.depth
    padded = F.pad(image[None], (0, -width % multiple, 0, -height % multiple), mode="reflect")
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            return net(padded)[0, :, :height, :width]
    finally:
        for module, training in modes:
            module.training = training
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("denoise, and all that training needs"):
    noisy = noisy_pictures()
    for name in ("camera", "chelsea"):
        shown = {"noisy": noisy[name], "Gaussian": gaussian(noisy[name], 1.0), "yours": denoise(my_net(), noisy[name])}
        titles = [f"{kind}, {score(picture, name):.1f} dB" for kind, picture in shown.items()]
        plots.images([*shown.values(), held_out[name]], [*titles, "clean"], vmin=0, vmax=1)
        plt.show()

# %% nbgrader={"grade_id": "denoise_exam", "grade": true}
examine("denoise", denoise)

# %% [markdown]
# ### In colour
#
# The net knows grey alone. A colour photograph is three grey ones, so clean each by itself. For this we take **the
# course's own** net: your `UNet`, with weights that were trained longer (8,000 batches in place of 800;
# `bench/denoiser.py` made them) and lie in a file of 240 kB.

# %% tags=["demo"]
def courses_own():
    """The reader's UNet with the course's weights."""
    net = UNet()
    net.load_state_dict(data.denoiser())
    return net


with try_it("denoise, UNet, DoubleConv, add_noise and psnr"):
    course = courses_own()
    for name in ("flower", "astronaut"):
        clean = data.photo(name, height=300)
        noisy = add_noise(clean, SIGMA, torch.Generator().manual_seed(0))
        cleaned = torch.cat([denoise(course, channel[None]) for channel in noisy]).clamp(0, 1)
        before, after = (psnr(picture.clamp(0, 1), clean) for picture in (noisy, cleaned))
        plots.images([noisy.clamp(0, 1), cleaned], [f"{name}, {before:.1f} dB", f"cleaned, {after:.1f} dB"], height=3.4)
        plt.show()

# %% [markdown]
# **Predict, then run.** The net has seen one noise only, σ = 25 / 255. Now it is given 10 / 255, and 50 / 255. (a) It
# cleans both as well as it can: noise is noise. (b) It takes too much off the first and too little off the second. (c)
# It gives both back untouched, for it does not know them.

# %% tags=["demo"]
with try_it("denoise, UNet, DoubleConv, add_noise and psnr"):
    course = courses_own()
    print("   σ     noisy   cleaned   error left in the flower's dark corner, of σ")
    for sigma in (5, 10, 25, 50):
        noisy = noisy_pictures(sigma / 255)
        cleaned = {name: denoise(course, picture) for name, picture in noisy.items()}
        before, after = mean_score(noisy), mean_score(cleaned)
        rest = (cleaned["flower"] - held_out["flower"])[:, :40, :40].std() / (sigma / 255)
        print(f"{sigma:4} {before:9.1f} {after:9.1f} {rest:10.0%}")

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# It is (b). (a) is what one hopes; but the net has learned how far a pixel may stray before it is no longer noise, and
# that distance is in its weights. Where the noise is weak, fine texture looks like noise to it and goes: at 10 the
# result is hardly better than at 25, and at 5 it is worse than the noisy picture. Where the noise is strong, the
# largest strays look like stars and stay. (c) treats the net as a table of what it has seen. A net for all noises is
# trained on all noises (your own idea, perhaps).
#
# </details>
#
# ## [](#at_the_end) Augmentation at the end
#
# The net saw every piece in all turns. Does it give the same for a picture and for its mirror image? Not quite: its
# kernels are not symmetrical. Eight turns give eight slightly different opinions, and a mean of opinions is better than
# most of them.
#
# **Predict, then run** (in the cell below the exercise). What are eight turns worth? (a) Nothing: it is the same net.
# (b) Some tenths of a decibel. (c) Nine decibels, for a mean of eight has an eighth of the error.
#
# ### [](#average_turns) Eight opinions (long) ●●●○○ 20 min
#
# Write `average_turns(net, image)` for a picture (C, H, W). It returns (C, H, W).
#
# By hand: let a "net" darken the pixel at the upper left by 8, whatever it shows, and leave all others. After the turns
# back that pixel has been at each corner twice, so each corner of the mean is darker by 2 · 8 / 8 = 2.
#
# - The net is given the picture in each of its eight turns, once: four quarter turns of it, and four of its mirror
#   image.
# - Each result is turned back before they are put together.
# - The result is the mean of the eight.
# - The picture need not be a square, and may have several channels; the result has its shape (C, H, W).
# - `average_turns` leaves the picture as it was.
#
# Use your `denoise` for each turn. (In this exam and the next the net is in evaluation mode and its `depth` is 0, so
# that `net(image[None])[0]` will do, too.)
#
# <details><summary>Hint 1: there and back</summary>
#
# `rot90(turns, (1, 2))` is undone by `rot90(-turns, (1, 2))`, a mirror by itself. What was done last is undone first.
#
# </details>

# %% nbgrader={"grade_id": "average_turns", "solution": true}
def average_turns(net, image):
    """The mean of what net makes of the eight turns of a picture (C, H, W), each turned back."""
    ### BEGIN SOLUTION
    opinions = []
    for mirrored in (False, True):
        for turns in range(4):
            turned = (image.flip(2) if mirrored else image).rot90(turns, (1, 2))
            opinion = denoise(net, turned).rot90(-turns, (1, 2))
            opinions.append(opinion.flip(2) if mirrored else opinion)
    return torch.stack(opinions).mean(0)
    ### END SOLUTION

# %% tags=["demo", "nbval-ignore-output"]
with try_it("average_turns, denoise, and all that training needs"):
    for whose, net in (("yours", my_net()), ("the course's own", courses_own())):
        once, eight = (mean_score({name: clean(net, picture) for name, picture in noisy_pictures().items()})
                       for clean in (denoise, average_turns))
        print(f"{whose:17} once {once:.2f} dB, eight turns {eight:.2f} dB, gained {eight - once:.2f}")

# %% nbgrader={"grade_id": "average_turns_exam", "grade": true}
examine("average_turns", average_turns)

# %% [markdown]
# <details><summary>Your answer, and why it was tempting</summary>
#
# It is (b). (c) would hold if the eight errors had nothing to do with each other. They have: most of the error is what
# nobody can know from this noisy picture, and all eight opinions share it. Only what they disagree about is averaged
# away. (a) overlooks that the net was asked to be the same for all turns, and is so only roughly; the less it was
# trained, the more there is to gain.
#
# </details>
#
# ## [](#tiles) A picture larger than memory (hard)
#
# At its widest our net keeps 48 channels of floats for each pixel: 192 bytes. A photograph of 50 megapixels would need
# some ten gigabytes for that one map. So one cuts the picture into **tiles**, and cleans one after the other. But a
# pixel at a tile's border lacks the neighbours that it would have in the picture, and the net pads with zeros there:
# seams. The cure is to give the net more than is kept:
#
# ![A picture laid out in tiles. One tile in the middle is marked as kept, with a wider frame around it that the net is
# given; the frame of a tile in the corner ends at the picture's border](../../assets/09_clean/tiles.svg)
#
# ### [](#denoise_tiled) Tile by tile (long) ●●●●○ 25 min
#
# Write `denoise_tiled(net, image, tile, overlap)` for a picture (C, H, W). It returns (C, H, W).
#
# By hand: a picture 12 pixels wide, `tile` 4 and `overlap` 2. The first tile keeps columns 0 to 3, and the net is given
# 0 to 5; the second keeps 4 to 7 of 2 to 9; the third 8 to 11 of 6 to 11.
#
# - The picture is laid out in tiles of `tile` × `tile` pixels from the upper left corner, and each is cleaned by
#   itself.
# - The net is given each tile with `overlap` pixels more on every side, as far as the picture reaches; of what it
#   gives, the tile alone is kept.
# - Where `overlap` is at least as far as the net looks, the result is that of the whole picture: no seams. (For a net
#   that halves, `tile` and `overlap` are multiples of 2 to the power of its depth, too.)
# - H and W need not be multiples of `tile`: the last tiles are smaller.
# - No piece that the net is given is larger than `tile` + 2 · `overlap` on a side.
# - `denoise_tiled` leaves the picture as it was.
#
# <details><summary>Hint 1: two rectangles</summary>
#
# For each tile there are two: what is kept, and what the net is given. The second begins at `max(top - overlap, 0)`.
# Where in the second does the first begin?
#
# </details>
# <details><summary>Hint 2: slices that end too late</summary>
#
# `x[8:14]` of 12 columns gives 8 to 11: a slice may end beyond the border, but must not begin before it.
#
# </details>

# %% nbgrader={"grade_id": "denoise_tiled", "solution": true}
def denoise_tiled(net, image, tile, overlap):
    """What net makes of a picture (C, H, W), tile by tile, each with `overlap` pixels of its neighbourhood."""
    ### BEGIN SOLUTION
    clean = torch.empty_like(image)
    for top in range(0, image.shape[1], tile):
        for left in range(0, image.shape[2], tile):
            above, before = max(top - overlap, 0), max(left - overlap, 0)
            piece = denoise(net, image[:, above:top + tile + overlap, before:left + tile + overlap])
            kept = piece[:, top - above:, left - before:][:, :tile, :tile]
            clean[:, top:top + tile, left:left + tile] = kept
    return clean
    ### END SOLUTION

# %% [markdown]
# How far does our net look? Two convolutions at full size, two at half size (each pixel counts double), two at a
# quarter, and the same way up. Measure it: in how large an area does a change of one pixel change anything? Then the
# seams, for more and more overlap. Tiles and overlap are multiples of 4, so that each tile halves where the whole
# picture would.

# %% tags=["demo"]
with try_it("denoise_tiled, denoise, UNet, DoubleConv and add_noise"):
    course = courses_own()
    picture = add_noise(held_out["flower"], SIGMA, torch.Generator().manual_seed(4))
    reach = 0
    for shift in range(4):  # where a pixel lies in its 4 × 4 changes how far it is heard
        touched = picture.clone()
        touched[0, 100 + shift, 150 + shift] += 10
        changed = (denoise(course, touched) != denoise(course, picture))[0].nonzero()
        reach = max(reach, int((changed - torch.tensor([100 + shift, 150 + shift])).abs().max()))
    print("one pixel is heard at most", reach, "pixels away")
    whole = denoise(course, picture)
    for overlap in (0, 4, 8, 16, 24, 28):
        tiled = denoise_tiled(course, picture, 40, overlap)
        print(f"overlap {overlap:2}: largest difference to the whole {(tiled - whole).abs().max():.3f}")
    seams = (denoise_tiled(course, picture, 40, 0) - whole)[0].abs()
    plots.images([picture, whole, seams], ["noisy", "cleaned as a whole", "seams without overlap"], vmin=0)
    plt.show()

# %% nbgrader={"grade_id": "denoise_tiled_exam", "grade": true}
examine("denoise_tiled", denoise_tiled)

# %% [markdown]
# One pixel is heard up to 23 pixels away, and with an overlap of 24, the next multiple of 4, no seam is left. Most of
# that reach hardly counts: with 16 the largest difference is 0.002, half a grey level.
#
# ## What can go wrong
#
# Three programs, each run by somebody who was pleased with it or puzzled. None raises an error. Run each, look at the
# numbers, and mend it in place before you open the answer.
#
# **1. Noise that is always the same.** The loss falls, the held-out photographs get better, nobody notices anything.
# Only the last line tells:

# %% tags=["demo", "nbval-ignore-output"]
class SuspiciousBatches(Batches):
    def __iter__(self):
        generator = torch.Generator().manual_seed(1)
        for _ in range(self.count):
            clean = grid_pieces(self.images, self.size, self.per_batch, generator)
            yield add_noise(clean, self.sigma, torch.Generator().manual_seed(self.seed)), clean


with try_it("train, UNet, DoubleConv, add_noise, denoise and psnr"):
    torch.manual_seed(0)
    net, pairs = UNet(), SuspiciousBatches(training.values(), 150)
    loss = train(net, pairs, 4e-3)[-1]
    noises = [noisy - clean for _, (noisy, clean) in zip(range(2), pairs, strict=False)]
    fresh = mean_score({name: denoise(net, picture) for name, picture in noisy_pictures().items()})
    print(f"last loss {loss:.5f}, that is {10 * math.log10(1 / loss):.1f} dB; held-out photographs {fresh:.1f} dB")
    print(f"the noise of two batches differs by {(noises[0] - noises[1]).abs().mean():.4f}, should be about 0.11")

# %% [markdown]
# <details><summary>What was wrong</summary>
#
# Each batch makes its own generator from the same seed, so all get *the same* 6,400 draws. A net that knew where it is
# would learn them by heart. A convolution does the same everywhere and knows its place by the zeros at the border
# alone, so it is mostly spared that, and the loss looks healthy: this net has only seen far less noise than one
# believes. Hand the one `generator` on: `add_noise(clean, self.sigma, generator)`. Two noises that differ by 0 are one;
# no loss curve would have said so.
#
# </details>
#
# **2. Grey levels.** A net that does nothing, and gives its input back, should have a loss of σ² = 0.0096. Here doing
# nothing costs hundreds:

# %% tags=["demo"]
with try_it("UNet, DoubleConv and add_noise"):
    torch.manual_seed(0)
    clean = grid_pieces(list(training.values()), 40, 4, torch.Generator().manual_seed(0))
    noisy = add_noise(clean, 25, torch.Generator().manual_seed(1))
    print(f"clean from {clean.min():.1f} to {clean.max():.1f}, noisy from {noisy.min():.1f} to {noisy.max():.1f}")
    print(f"loss of doing nothing: {F.mse_loss(noisy, clean):.4f}, should be 0.0096")

# %% [markdown]
# <details><summary>What was wrong</summary>
#
# σ is 25 grey levels of 255, and the pictures go from 0 to 1: `25 / 255`. The first thing to print of any batch is its
# range.
#
# </details>
#
# **3. Cleaned while it trains.** The same net, the same photographs. Somebody is disappointed, and by how much depends
# on the picture:

# %% tags=["demo", "nbval-ignore-output"]
def clean_it(net, image):
    height, width = image.shape[1] // 4 * 4, image.shape[2] // 4 * 4
    net.train()
    with torch.no_grad():
        return net(image[None, :, :height, :width])[0]


with try_it("denoise, UNet, DoubleConv, add_noise and psnr"):
    for name, picture in noisy_pictures().items():
        should, cleaned = score(denoise(courses_own(), picture), name), clean_it(courses_own(), picture)
        place = held_out[name][:, :cleaned.shape[1], :cleaned.shape[2]]
        print(f"{name:10} {psnr(cleaned.clamp(0, 1), place):.2f} dB, should be {should:.2f}")

# %% [markdown]
# <details><summary>What was wrong</summary>
#
# `net.train()`: the norms take mean and variance from this one picture, whose sky or fur is not the mean of all
# training pieces. And each call moves the running statistics, so that the damage stays. `net.eval()`. (It also cuts off
# up to three rows and columns in place of padding them: your `denoise` does both right.)
#
# </details>
#
# ## The table
#
# Everything beside everything, on the six photographs, with the same noise. Every row is printed, also those that are
# lost.

# %% tags=["demo", "nbval-ignore-output"]
def net_scores(net, clean):
    """By photograph, the decibels of a net."""
    return {name: score(clean(net, picture), name) for name, picture in noisy_pictures().items()}


with try_it("denoise, and all that training needs"):
    columns = {**classical, "yours": net_scores(my_net(), denoise), "course's": net_scores(courses_own(), denoise)}
    with try_it("average_turns, for two columns more"):
        columns["yours, 8"] = net_scores(my_net(), average_turns)
        columns["course's, 8"] = net_scores(courses_own(), average_turns)
    table(columns)
    print("\nyours:", ", ".join(f"{name} {value}" for name, value in SETTINGS.items()))
    print("8: the mean of eight turns. Each filter at its best setting for each photograph.")

# %% [markdown]
# Read it by rows. Your net is ahead of the Gaussian and the median in the mean after 800 batches of training, but look
# at the cat: without the eight turns it loses her to the Gaussian. It loses the other five to non-local means, and with
# eight turns it comes within a tenth of a decibel of them in the mean. The course's own has the same 118,305 numbers,
# ten times the training, and is ahead of every filter on every row: 30.9 dB in the mean against 29.8, and 31.1 with
# eight turns. So what was missing was not a larger net.
#
# These are the numbers of the run that stands in `solutions/`; yours differ a little from machine to machine.
#
# ## Your own idea
#
# This is the place for yours. Change one thing, say beforehand what you expect, and measure. Some ideas, with what they
# cost:
#
# | idea | why it might help | price |
# |--|--|--|
# | more batches | the course's own had ten times as many | time |
# | a mean of the last weights (`torch.optim.swa_utils`) | the steps' noise averages out | ten lines |
# | GroupNorm for BatchNorm (chapter 4) | a batch of four crops has poor statistics | a `DoubleConv` of another name |
# | residual bricks (chapter 5) | gradients | three lines |
# | `depth` 3 | it sees further than 44 × 44 | a number |
# | σ drawn anew for each crop, from 5 to 50 | one net for all noises | one line in `Batches` |
# | your own photographs to train on (`data.photo("a/path.jpg", 200, grey=True)`) | sixteen are few | a folder |
# | the absolute error as the loss | less blur? PSNR will tell | one word |
#
# The rules: the six photographs stay held out, and you look at them as seldom as you can bear. To choose between
# settings, put two of the training photographs aside and measure on those.

# %% tags=["demo", "nbval-ignore-output"]
IDEA = "more batches"  # what you try, in a few words
EXPECT = "half a decibel more than with 800"  # written down before you run
MY_SETTINGS = None  # {**SETTINGS, "batches": 2400}

idea_net = None
if MY_SETTINGS is None:
    print("Nothing is tried yet: set MY_SETTINGS, change what your idea changes, and run this cell and the next.")
else:
    idea_net, _ = trained(MY_SETTINGS)

# %% [markdown]
# The next cell keeps the best so far, for as long as the notebook runs. It measures on the six: run it when you have
# chosen by two others. With `KEEP_IN = "some/folder"` it also writes settings, decibels and weights there (outside this
# chapter's folder, which is what you hand in), and next time goes on from these decibels and settings.

# %% tags=["demo", "nbval-ignore-output"]
import json
from pathlib import Path

KEEP_IN = None  # a folder of yours


def mean_of(scores):
    return sum(scores.values()) / len(scores)


if KEEP_IN and Path(KEEP_IN, "best.json").is_file():
    best = json.loads(Path(KEEP_IN, "best.json").read_text())
elif "best" not in globals():
    best = None  # else: what was the best when this cell ran last

with try_it("denoise, and all that training needs"):
    best = best or [mean_of(net_scores(my_net(), denoise)), "as in the chapter", SETTINGS]
    if idea_net is not None:
        scores = net_scores(idea_net, denoise)
        mean = mean_of(scores)
        table({**classical, "the chapter's": net_scores(my_net(), denoise), "your idea": scores})
        print(f"\n{IDEA}: {mean:.2f} dB, best before {best[0]:.2f}; you expected: {EXPECT}")
        if mean > best[0]:
            best = [mean, IDEA, MY_SETTINGS]
            if KEEP_IN:
                Path(KEEP_IN).mkdir(parents=True, exist_ok=True)
                torch.save(idea_net.state_dict(), Path(KEEP_IN, "best.pt"))
                Path(KEEP_IN, "best.json").write_text(json.dumps(best))
    print(f"best so far: {best[0]:.2f} dB, {best[1]}")

# %% [markdown]
# Write it up here, in half a page: double-click this cell. It is worth no points by itself; whoever reads it, you or a
# teacher, may go by this:
#
# | | nothing yet | good | very good |
# |--|--|--|--|
# | **the idea** | "better settings" | one change, with a reason | a reason that could turn out wrong |
# | **the expectation** | none, or written afterwards | a direction | a number, written before |
# | **the measurement** | one run | all six rows, also the lost ones | several seeds, and their spread |
# | **the held-out six** | chose the settings by them | looked at once | chose by two others, looked at once |
# | **what failed** | nothing is said | it is said | and what was learned from it |
#
# *Idea:* …
#
# *I expect:* …, because …
#
# *Measured:* …
#
# *What failed, and what I learned:* …

# %% [markdown]
# ## What to keep
#
# 1. Put the test pictures away before you begin, and both halves of a pair on one side. Print every row.
# 2. A U-Net looks far at small sizes and is exact at the large one; maps brought across keep the edges. It predicts
#    what is to be taken off, so that doing nothing is easy.
# 3. Crops in eight turns, new noise each time, mean squared error, Adam, a rate that falls along a cosine. Small
#    batches, many steps.
# 4. At the end: evaluation mode without a graph, sizes padded by reflection, tiles with as much overlap as the net
#    looks far, the mean of eight turns.
# 5. Noise that repeats, a range that is too large, a picture that is worse than it should be: print numbers before you
#    look for reasons.
#
# And the picture of the beginning? You can make it yourself now, with your own net. Look at it once more: what the
# Gaussian does everywhere alike, the net does where it may. It leaves the edges alone because it has seen edges.
#
# **In production:** `torch.optim.lr_scheduler.CosineAnnealingLR`; `skimage.metrics.peak_signal_noise_ratio`; and for
# denoising itself BM3D, the classical filter that came after non-local means (scikit-image does not have it, so it is
# not in our table), or DRUNet, a U-Net a few hundred times as large as ours. A U-Net with attention, asked for the
# noise at every strength, step by step, is what many diffusion models run.
#
# **To read:** O. Ronneberger, P. Fischer, T. Brox, *U-Net: Convolutional Networks for Biomedical Image Segmentation*
# (2015). K. Zhang, W. Zuo, Y. Chen, D. Meng, L. Zhang, *Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for
# Image Denoising* (2017). A. Buades, B. Coll, J.-M. Morel, *A Non-Local Algorithm for Image Denoising* (2005). K.
# Dabov, A. Foi, V. Katkovnik, K. Egiazarian, *Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering*
# (2007), which is BM3D. D. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization* (2014). I. Loshchilov, F.
# Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts* (2016), for the cosine. J. Ho, A. Jain, P. Abbeel,
# *Denoising Diffusion Probabilistic Models* (2020), for where this leads.
#
# ## Where the course ends
#
# You began with a window that slides over a picture. By now you have written every part of these nets by hand and seen
# it checked against PyTorch, and you have put them together twice: around weights that others trained, and from nothing
# for a task of your own. Open the model file of any vision project: you will know most of what you see. And what you
# built comes back:
#
# | you built | it comes back as |
# |--|--|
# | convolution (chapter 1) | the patch embedding of a vision transformer: a convolution whose stride is its kernel |
# | pooling, upsampling (2) | the two halves of a U-Net, and of many diffusion models |
# | ReLU, initialisation (3) | GELU and its relatives; the same question of gradients that live |
# | BatchNorm, LayerNorm, GroupNorm (4) | LayerNorm in transformers, GroupNorm in diffusion models |
# | the shortcut (5) | in every transformer block |
# | `nn.Module`, checkpoints (6) | everywhere |
# | augmentation (7) | learning without labels |
# | a trained body, a new head (8) | how most nets are put to work |
# | the U-Net (9) | segmentation, super-resolution, diffusion |
#
# Four roads lead on.
#
# **Train something real.** Take a data set of your own, a few hundred photographs in five classes. Start from a net
# that somebody has trained, as in chapter 8. Augment with claims that hold for *your* pictures. Look at the errors, one
# by one, before you change the net. Then follow a modern recipe: E. Cubuk, B. Zoph, J. Shlens, Q. Le, *RandAugment*
# (2020); R. Wightman, H. Touvron, H. Jégou, *ResNet Strikes Back* (2021).
#
# **Ask more than "what is it?"** The same layers, with another head, say where a thing is and which pixels belong to
# it: S. Ren, K. He, R. Girshick, J. Sun, *Faster R-CNN* (2015); J. Redmon, S. Divvala, R. Girshick, A. Farhadi, *You
# Only Look Once* (2016). Your U-Net was made for the pixels.
#
# **Look inside.** Which pixels made the net say it, and which mistake does it share with all its kind? R. Geirhos and
# others, *ImageNet-trained CNNs Are Biased Towards Texture* (2019).
#
# **Go beyond.** Attention in place of convolution, and learning without labels (two augmented views of one picture must
# agree: chapter 7 is its heart): A. Dosovitskiy and others, *An Image Is Worth 16x16 Words* (2021); Z. Liu and others,
# *A ConvNet for the 2020s* (2022); T. Chen, S. Kornblith, M. Norouzi, G. Hinton, *A Simple Framework for Contrastive
# Learning of Visual Representations* (2020).
