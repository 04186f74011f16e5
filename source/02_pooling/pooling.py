# %% [markdown] with_reading=240
# # 2 · Pooling, and the way back up
#
# ![A Chinese pavilion, sharp, and three coarse versions of it: every eighth pixel is jagged and has coloured specks,
# the mean is soft, the maximum is too bright](../../assets/02_pooling/three_ways_to_shrink.svg)
#
# The same pavilion four times. The second picture was made in the obvious way, and it came out wrong: roofs break
# into specks, and colours appear that nobody photographed. Nets shrink their pictures every few layers, and most of
# them drop pixels as carelessly, behind a convolution or a maximum with stride 2. At the end of the chapter you will
# know what went wrong, how to measure it on digits, and the nine numbers that mend it.
#
# - **You will be able to** shrink a picture by maxima, means and a blur, send gradients back through a maximum, enlarge
#   a picture again in three ways, and see from a picture alone which of the usual mistakes was made.
# - **You need** chapter 1: windows, stride, padding, the size formula, shapes written (N, C, H, W).
# - **It takes** about {hours} hours; the {exercises} exercises ({points} points) are {minutes} minutes of it.
# - **The short way** ({minutes max_pool2d avg_pool2d avg_pool_kernel global_avg_pool2d blur_pool2d upsample_nearest}
#   minutes, {points max_pool2d avg_pool2d avg_pool_kernel global_avg_pool2d blur_pool2d upsample_nearest} points):
#   `max_pool2d`, `avg_pool2d`, `avg_pool_kernel`, `global_avg_pool2d`, `blur_pool2d`, `upsample_nearest`, and of the
#   text all up to and with [](#before_dropping), then [](#way_up). The hardest sections, marked *hard*,
#   are left out.

# %%
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import data, examine, plots, try_it

plots.use_style()


def pair(value):
    """A number twice, a pair as it is: 3 gives (3, 3), and (3, 2) stays (3, 2)."""
    return value if isinstance(value, tuple) else (value, value)


# %% [markdown]
# `pair` is yours to use in every exercise: most sizes in this chapter are a number or a pair (height, width), as in
# PyTorch.
#
# ## Why pictures must shrink
#
# A 3×3 window sees nine pixels. The photograph of this chapter has 640 columns. When does a net that looks through
# such windows see all of it at once?
#
# Stack convolutions, and each one lets a result see two columns more. Put something that halves the picture between
# them, and each block sees more than twice as far as the one before. Count both:

# %% tags=["demo"]
seen, layers = 1, 0
while seen < 640:
    seen, layers = seen + 2, layers + 1
print(f"3×3 convolutions alone: {layers} layers, and a result sees {seen} columns")

seen, step, blocks = 1, 1, 0
while seen < 640:
    seen = seen + 2 * step  # the convolution: two more neighbours, each `step` columns away
    seen = seen + step      # a 2×2 pooling: one more
    step, blocks = 2 * step, blocks + 1
print(f"with a halving after each: {blocks} convolutions and {blocks} poolings, and a result sees {seen} columns")

# %% [markdown]
# 320 convolutions, or 8 with a pooling after each. That is the first reason to shrink. The second is cost: after one
# halving, every later layer works on a quarter of the pixels.
#
# But how does one make 64 pixels into one? The pictures at the top of the chapter show three answers.
#
# - **Take every eighth pixel**: the roofs break into specks. Which colour a place gets is chance, for 63 of 64 pixels
#   are thrown away unseen.
# - **Take the mean**: calm and true, and everything sharp is gone.
# - **Take the largest value**: too bright as a photograph. But suppose the picture were not light, but an answer to "is
#   there an edge?". Then the largest value says "yes, somewhere here", and a single clear yes among 63 no's survives.
#
# The last two are **average pooling** and **max pooling**. A window, a stride, one number for each window, and no
# weights. Here the window has 2×2 numbers and a stride of 2. The largest numbers fill the table in the middle, and the
# means the one on the right:
#
# ![A window of two by two numbers steps over a four by four table; its largest value and its mean fill two smaller
# tables](../../assets/02_pooling/max_and_average.gif)
#
# The lecture notes this course grew out of try both on a stack of 16 channels. Here is what they print:

# %% tags=["demo"]
x = torch.randn(1, 16, 14, 14, generator=torch.Generator().manual_seed(0))
for layer in (nn.MaxPool2d(kernel_size=2), nn.AvgPool2d(kernel_size=2)):
    print(f"{layer}: {tuple(x.shape)} -> {tuple(layer(x).shape)}, parameters: {len(list(layer.parameters()))}")

# %% [markdown]
# 14 becomes 7, the 16 channels stay 16, and nothing is there to be learned. Turn the knobs yourself before you build
# it: the explorer pools the photograph with any window and stride. With stride 8, compare kernel 1 (every eighth pixel)
# with kernel 8 (windows side by side) and kernel 16 (windows that overlap).

# %% tags=["demo", "nbval-ignore-output"] frames={"method": ["max", "mean"], "kernel_size": [1, 2, 4, 8, 16]}
photo = data.photo("china")[None, :, 16:368, 32:384]


def pooled_photo(kernel_size, stride, method):
    pool = F.max_pool2d if method == "max" else F.avg_pool2d
    small = pool(photo, kernel_size, stride)
    title = f"{method}, kernel {kernel_size}, stride {stride}: {small.shape[2]}×{small.shape[3]}"
    return plots.images([small[0]], [title], height=3.5)


plots.explore(pooled_photo, kernel_size=[8, 1, 2, 4, 12, 16, 32], stride=[8, 1, 2, 4, 16], method=["max", "mean"])

# %% [markdown]
# ### [](#max_pool2d) Keep the strongest ●●○○○ 15 min
#
# Slide a window over each channel and keep its largest value. On one channel, with a 2×2 window and stride 2:
#
# | | | | |
# |--|--|--|--|
# | **1** | 0 | 3 | 2 |
# | 0 | −1 | **5** | 4 |
# | −3 | −2 | −8 | **−6** |
# | **−1** | −4 | −7 | −9 |
#
# gives `[[1, 5], [-1, -6]]`. Sixteen numbers went in, four came out, and no weight was learned.
#
# Write `max_pool2d(x, kernel_size, stride=None, padding=0)` for `x` of shape (N, C, H, W). It returns (N, C, H′, W′)
# with chapter 1's formula, H′ = ⌊(H + 2·padding − kernel) / stride⌋ + 1, and the same for W′.
#
# - The stride is how far the window moves: less than the kernel, windows overlap; more, they leave gaps.
# - Without a stride, windows do not overlap: the stride is the kernel's size.
# - A last window that does not fit is left out.
# - `kernel_size`, `stride` and `padding` are a number or a pair (height, width).
# - With padding, a window may hang over the border, by at most half its size. What does an empty place count in a
#   contest for the largest? (Not zero: look at the lower right window above.) An empty place never wins, however small
#   the numbers in the window are.
# - PyTorch's pooling and upsampling functions are off limits (`F.max_pool2d`, `nn.MaxPool2d`, the adaptive ones,
#   `interpolate` and their kin). Everything else is yours.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow. (Chapter 1
#   has them in a box.)
#
# <details><summary>Hint 1: where to start</summary>
#
# `x.unfold(2, 3, 2)` is a view of all windows of three rows, two rows apart; the window becomes a new last dimension.
# What does a second `unfold`, over the columns, give? Print shapes. Two loops over the output's rows and columns do as
# well.
#
# </details>
#
# <details><summary>Hint 2: the border</summary>
#
# `F.pad(x, (left, right, top, bottom), value=...)` counts from the last dimension. There is a float that is smaller
# than every other: `float("-inf")`.
#
# </details>

# %% nbgrader={"grade_id": "max_pool2d", "solution": true}
def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The largest value of each window.

    Args:
        x: (N, C, H, W).
        kernel_size, stride, padding: a number or a pair (height, width); stride None is the kernel's size.

    Returns:
        (N, C, H', W').
    """
    ### BEGIN SOLUTION
    kh, kw = pair(kernel_size)
    sh, sw = pair(kernel_size if stride is None else stride)
    ph, pw = pair(padding)
    padded = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    windows = padded.unfold(2, kh, sh).unfold(3, kw, sw)  # (N, C, H', W', kH, kW)
    return windows.amax((-2, -1))
    ### END SOLUTION

# %% [markdown]
# Try it on the table, and on a real digit (8×8 pixels, so large on the screen that you can count them):

# %% tags=["demo"]
table = torch.tensor([[1.0, 0, 3, 2], [0, -1, 5, 4], [-3, -2, -8, -6], [-1, -4, -7, -9]])
digits, labels = data.digits()
digit = digits[13:14]  # (1, 1, 8, 8)

with try_it("max_pool2d"):
    print(max_pool2d(table[None, None], 2)[0, 0])
    pooled = {"a real 3": digit, "kernel 2": max_pool2d(digit, 2),
              "kernel 3, stride 1,\npadding 1": max_pool2d(digit, 3, 1, 1),
              "kernel 3, stride 2,\npadding 1": max_pool2d(digit, 3, 2, 1)}
    plots.images([picture[0] for picture in pooled.values()], list(pooled), vmin=0, vmax=1)

# %% nbgrader={"grade_id": "max_pool2d_exam", "grade": true}
examine("max_pool2d", max_pool2d)

# %% [markdown]
# With stride 1 and padding 1 the picture keeps its size and every stroke gets fatter. (Image processing calls a maximum
# of neighbours a *dilation*. It has nothing to do with the `dilation=` of chapter 1, which pulls a kernel apart.) With
# stride 2 the same fat picture is thinned out to a quarter.
#
# ### Does pooling make a net blind to small shifts?
#
# You will read it everywhere: move the digit by a pixel, and the pooled picture stays the same. How true is that? Take
# all 1,797 digits, enlarged to 28×28, and move each by one pixel (the column that leaves at the right comes back at the
# left). By how much does each result change, relative to its size?
#
# **Predict, then run.** The pixels themselves change by 23 %. By how much does the largest of 4×4 change? (a) By less
# than 5 %. (b) By about 10 %. (c) By nearly 20 %. Write your letter down.

# %% tags=["demo"]
large = F.interpolate(digits, size=28, mode="bilinear")
moved = large.roll(1, dims=3)
for name, shrink in {"nothing": lambda x: x, "every 4th pixel": lambda x: x[:, :, ::4, ::4],
                     "mean of 4×4": lambda x: F.avg_pool2d(x, 4), "largest of 4×4": lambda x: F.max_pool2d(x, 4),
                     "mean of all": lambda x: x.mean((2, 3))}.items():
    change = (shrink(moved) - shrink(large)).norm() / shrink(large).norm()
    print(f"{name:16} {100 * change:3.0f} %")

# %% [markdown]
# It is (c). (a) is what the saying claims: inside a window a maximum does not move. But a 4×4 maximum takes the change
# from 23 % to 18 % only: where a stroke crosses from one window into the next, the result still jumps. A mean over
# *everything* does not notice at all; that one is `global_avg_pool2d`. Keep the true sentence: pooling forgets *where
# in the window* something was, no more. We come back to these numbers.
#
# ## Means, and what lies beyond the border
#
# A mean instead of a maximum: one word changes in the code. But one question appears. A 3×3 window in the corner, with
# padding 1, has four places inside the picture and five outside. The sum of the outer places is zero. Is the mean over
# four or over nine?
#
# PyTorch lets you choose, and its default is nine. Here is a picture of nothing but ones:
#
# ![Three tables of four by four numbers: places inside a window are 4, 6 and 9; the mean of a picture of ones is 0.44,
# 0.67 and 1 if the border counts, and 1 everywhere if it does not](../../assets/02_pooling/border.svg)
#
# With `count_include_pad=True` the border darkens although the picture has none.
#
# ### [](#avg_pool2d) Keep the mean ●●○○○ 15 min
#
# Now keep each window's mean. Take the top left 2×2 of a picture, and the 3×3 window that hangs over its corner by one
# place on each side:
#
# | | | |
# |--|--|--|
# | · | · | · |
# | · | 4 | 2 |
# | · | 6 | 0 |
#
# The sum is 12. Counting the border, the mean is 12 / 9 = 1.33; leaving it out, 12 / 4 = 3. The 0 at the lower right is
# a pixel: it is counted.
#
# Write `avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True)` for `x` of shape (N, C, H, W). It
# returns (N, C, H′, W′), the sizes as in `max_pool2d`.
#
# - The stride works as before: left out, it is the kernel's size.
# - By default the border's zeros count: the divisor is kH·kW in every window.
# - With `count_include_pad=False` the divisor is the number of places in the window that lie inside the picture.
# - A zero that belongs to the picture counts like any other value, with either setting.
# - Here, too, `kernel_size`, `stride` and `padding` are a number or a pair (height, width).
# - A last window that does not fit is left out, and padding is at most half the kernel, as before.
# - PyTorch's pooling and upsampling functions are off limits.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint 1: which padding</summary>
#
# In a sum an empty place should change nothing. Which number changes nothing when it is added?
#
# </details>
#
# <details><summary>Hint 2: counting the places</summary>
#
# Look at the first table of the picture above. It is what a sum over windows makes of a very simple picture of the same
# size.
#
# </details>

# %% nbgrader={"grade_id": "avg_pool2d", "solution": true}
def avg_pool2d(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    """The mean of each window.

    Args:
        x: (N, C, H, W).
        kernel_size, stride, padding: a number or a pair (height, width); stride None is the kernel's size.
        count_include_pad: whether the places beyond the border count in the divisor.

    Returns:
        (N, C, H', W').
    """
    ### BEGIN SOLUTION
    kh, kw = pair(kernel_size)
    sh, sw = pair(kernel_size if stride is None else stride)
    ph, pw = pair(padding)

    def window_sums(picture):
        return F.pad(picture, (pw, pw, ph, ph)).unfold(2, kh, sh).unfold(3, kw, sw).sum((-2, -1))

    if count_include_pad:
        return window_sums(x) / (kh * kw)
    return window_sums(x) / window_sums(torch.ones_like(x))
    ### END SOLUTION

# %% tags=["demo"]
corner = torch.tensor([[4.0, 2], [6, 0]])[None, None]
with try_it("avg_pool2d"):
    for counted in (True, False):
        mean = avg_pool2d(corner, 3, 1, 1, counted)[0, 0, 0, 0]
        print(f"the corner, border counted: {counted!s:5} {mean:.2f}")
    bright = 1 - digit  # black on white, so that the border is bright
    plots.images([bright[0], avg_pool2d(bright, 3, 1, 1)[0], avg_pool2d(bright, 3, 1, 1, count_include_pad=False)[0]],
                 ["black on white", "mean of 3×3,\nborder counted", "mean of 3×3,\nborder left out"], vmin=0, vmax=1.15)

# %% nbgrader={"grade_id": "avg_pool2d_exam", "grade": true}
examine("avg_pool2d", avg_pool2d)

# %% [markdown]
# See the dark frame in the middle picture? The net behind this layer sees it, too.
#
# ## A mean is a convolution, a maximum is not
#
# A mean of four numbers is ¼ of each, added up. Multiply, add, move on: that is a convolution whose weights nobody
# learns. A maximum is something else, and one line shows it. A convolution of a sum is the sum of the convolutions:

# %% tags=["demo"]
a, b = torch.tensor([[1.0, 0], [0, 0]])[None, None], torch.tensor([[0.0, 0], [0, 1]])[None, None]
for name, pool in {"mean": F.avg_pool2d, "max": F.max_pool2d}.items():
    apart, together = pool(a, 2) + pool(b, 2), pool(a + b, 2)
    print(f"{name:4}  pool(a) + pool(b) = {apart.item():g}   pool(a + b) = {together.item():g}")

# %% [markdown]
# ### [](#avg_pool_kernel) The mean as a weight ●○○○○ 8 min
#
# Write `avg_pool_kernel(channels, kernel_size)`: the float32 weight, of shape (channels, 1, kH, kW), with which
# `F.conv2d` averages each channel over a window.
#
# That is a *depthwise* convolution: with `groups=channels` every channel has one kernel of its own and meets no other
# channel. By hand: for a 2×2 window the one kernel of a channel is `[[¼, ¼], [¼, ¼]]`, and on the window
# `[[3, 2], [5, 4]]` it gives ¾ + ½ + 1¼ + 1 = 3.5.
#
# - `kernel_size` is a number or a pair (height, width) again.
# - With `groups=channels` and the pooling's stride, the convolution gives what average pooling gives.
#
# <details><summary>Hint: the shape</summary>
#
# A convolution's weight is (out_channels, in_channels / groups, kH, kW). As many channels come out as go in, and there
# are as many groups.
#
# </details>

# %% nbgrader={"grade_id": "avg_pool_kernel", "solution": true}
def avg_pool_kernel(channels, kernel_size):
    """The weight of a depthwise convolution that averages each window.

    Args:
        channels: how many channels the picture has.
        kernel_size: a number or a pair (height, width).

    Returns:
        (channels, 1, kH, kW), float32.
    """
    ### BEGIN SOLUTION
    kh, kw = pair(kernel_size)
    return torch.full((channels, 1, kh, kw), 1 / (kh * kw))
    ### END SOLUTION

# %% tags=["demo"]
with try_it("avg_pool_kernel"):
    by_convolution = F.conv2d(photo, avg_pool_kernel(3, 8), stride=8, groups=3)
    by_pooling = F.avg_pool2d(photo, 8)
    print("largest difference below 0.00001:", (by_convolution - by_pooling).abs().max().item() < 1e-5)
    plots.images([by_convolution[0], by_pooling[0]], ["depthwise convolution", "F.avg_pool2d"])

# %% nbgrader={"grade_id": "avg_pool_kernel_exam", "grade": true}
examine("avg_pool_kernel", avg_pool_kernel)

# %% [markdown]
# So a layer could start as an average and *learn* something better: that is a convolution with a stride, and many newer
# nets shrink with nothing else. What a maximum does, no convolution can learn.
#
# ## One number per channel
#
# Let the window be the whole picture, and one mean per channel is left: **global average pooling**. It is how most nets
# that classify pictures have ended since 2014. The last feature maps of VGG-16 are 512 channels of 7×7. Its authors
# flattened them into a linear layer; a ResNet takes 512 means instead:

# %% tags=["demo"]
flattened = nn.Linear(512 * 7 * 7, 4096, device="meta")  # "meta": shapes without memory
averaged = nn.Linear(512, 1000, device="meta")
for name, layer in {"after flattening, as in VGG-16": flattened, "after 512 means": averaged}.items():
    print(f"{name:30} {sum(parameter.numel() for parameter in layer.parameters()):>11,} parameters")

# %% [markdown]
# 200 times fewer. And the net then takes pictures of any size: 7×7 or 20×11 feature maps, 512 numbers come out.
#
# ### [](#global_avg_pool2d) The whole picture at once ●○○○○ 5 min
#
# Average each channel over all its pixels: (N, C, H, W) becomes (N, C). One channel `[[1, 2], [3, 6]]` becomes the
# number 3.
#
# Write `global_avg_pool2d(x)`.
#
# - Height and width may be anything, one pixel included.
# - A batch of one picture stays a batch, and a single channel stays a channel.
# - A transposed picture, whose rows do not lie side by side in memory, is averaged like any other.
# - PyTorch's pooling functions are off limits; taking a mean is not.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint: which dimensions</summary>
#
# `Tensor.mean` takes several dimensions at once. Name them, rather than dropping every dimension that happens to be 1.
#
# </details>

# %% nbgrader={"grade_id": "global_avg_pool2d", "solution": true}
def global_avg_pool2d(x):
    """The mean of each channel, (N, C, H, W) to (N, C)."""
    ### BEGIN SOLUTION
    return x.mean((2, 3))
    ### END SOLUTION

# %% tags=["demo"]
with try_it("global_avg_pool2d"):
    means = global_avg_pool2d(digits)[:, 0]
    print("one number per digit:", tuple(means.shape), " the same after a shift:",
          torch.allclose(means, global_avg_pool2d(digits.roll((1, 2), dims=(2, 3)))[:, 0]))
    ink = torch.stack([means[labels == label].mean() for label in range(10)])
    figure, axes = plt.subplots(figsize=(5, 2.2))
    axes.bar(range(10), ink, color=plots.BLUE)
    axes.set(xticks=range(10), xlabel="digit", ylabel="mean pixel", title="how much ink each digit takes")
    plt.show()

# %% nbgrader={"grade_id": "global_avg_pool2d_exam", "grade": true}
examine("global_avg_pool2d", global_avg_pool2d)

# %% [markdown]
# Shifts do not disturb it, but what does it tell? All ten digits take nearly the same ink: a mean of raw pixels knows
# almost nothing. Means of 512 *learned* channels know a lot: "how much fur, how much wheel, how much sky".

# %% [markdown]
# ## [](#before_dropping) Before pixels are dropped
#
# Back to the picture that came out wrong. Here is the simplest one that comes out wrong: bars, two columns black and
# two columns white, shrunk to a third by keeping every third column.
#
# **Predict, then run.** What will be seen? (a) The same bars, finer. (b) An even grey. (c) Coarser bars that are not
# there.

# %% tags=["demo"]
grille = (torch.arange(96) % 4 < 2).float().expand(1, 1, 24, 96)


def bars(pictures):
    rows = plt.subplots(len(pictures), 1, squeeze=False, figsize=(7, 0.85 * len(pictures) + 0.3))[1][:, 0]
    for axes, (name, picture) in zip(rows, pictures.items(), strict=True):
        axes.imshow(picture[0, 0], cmap="gray", vmin=0, vmax=1, aspect="auto")
        axes.set_title(name)
        axes.set_axis_off()
    plt.show()


bars({"bars, 4 columns per period": grille, "every third pixel": grille[:, :, ::3, ::3]})

# %% [markdown]
# It is (c). (a) is tempting: a smaller picture of bars shows bars. But 24 bars on 32 columns would need 1⅓ columns
# each. What is too fine for the pixels does not disappear, it comes back as something coarser that was never there.
# The name for it is *aliasing*, and the specks on the roofs are the same thing.
#
# So what is too fine must go *before* pixels are dropped: blur, then drop. A mean over a window is a blur, but a rough
# one. Better, for a stride of 2, is one that counts the middle most. The cheapest of these has the numbers 1, 2, 1 in
# each direction, and in both together
#
# $$\frac{1}{16} \begin{bmatrix} 1 & 2 & 1 \\ 2 & 4 & 2 \\ 1 & 2 & 1 \end{bmatrix}$$
#
# which one calls *binomial*: 1 2 1 is a row of Pascal's triangle. R. Zhang put such blurs in front of nearly every
# stride of known nets in 2019, and they became steadier and, a little, better.

# %% [markdown]
# ### [](#blur_pool2d) Blur, then drop ●●○○○ 12 min
#
# Write `blur_pool2d(x, stride=2)` for `x` of shape (N, C, H, W), with H and W at least 2. It returns (N, C, H′, W′),
# with H′ = ⌊(H − 1) / stride⌋ + 1 and the same for W′: the formula for a kernel of 3 with padding 1.
#
# By hand, three rows `[0, 4, 8]`. Beyond the border the row is mirrored: 4 | 0 4 8 | 4. With 1, 2, 1 and divided by 4:
# (4 + 0 + 4) / 4 = 2, then (0 + 8 + 8) / 4 = 4, then (4 + 16 + 4) / 4 = 6. Downwards nothing changes, for the rows are
# alike. Every second pixel of that: `[[2, 6], [2, 6]]`.
#
# - Each pixel of the result is a mean of nine, with the weights of the table.
# - Each channel is blurred on its own, however many there are.
# - The windows' centres begin at the first pixel and lie `stride` apart; left out, it is 2.
# - Beyond the border the picture is mirrored: next to the first row lies the second one again, next to the last row the
#   last but one.
# - `stride` is a number or a pair (height, width).
# - PyTorch's pooling and upsampling functions are off limits; convolutions are not.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint 1: the border</summary>
#
# `F.pad` has a `mode` for it: `"reflect"`.
#
# </details>
#
# <details><summary>Hint 2: one kernel for all channels</summary>
#
# You had it in `avg_pool_kernel`: a depthwise convolution, with a weight of shape (channels, 1, 3, 3) and `groups`. The
# weight needs the dtype of `x`.
#
# </details>

# %% nbgrader={"grade_id": "blur_pool2d", "solution": true}
def blur_pool2d(x, stride=2):
    """A 3×3 binomial blur, then one pixel in each `stride`.

    Args:
        x: (N, C, H, W), H and W at least 2.
        stride: a number or a pair (height, width).

    Returns:
        (N, C, H', W').
    """
    ### BEGIN SOLUTION
    row = torch.tensor([1, 2, 1], dtype=x.dtype) / 4
    weight = (row[:, None] * row).repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, stride=stride, groups=x.shape[1])
    ### END SOLUTION

# %% tags=["demo"]
with try_it("blur_pool2d"):
    print(blur_pool2d(torch.tensor([[0.0, 4, 8]]).repeat(3, 1)[None, None])[0, 0])
    dropped, blurred = photo, photo
    for _ in range(3):  # 8 = 2·2·2
        dropped, blurred = dropped[:, :, ::2, ::2], blur_pool2d(blurred)
    plots.images([dropped[0], blurred[0]], ["every eighth pixel", "blurred, then dropped,\nthree times"], height=2.6)

# %% nbgrader={"grade_id": "blur_pool2d_exam", "grade": true}
examine("blur_pool2d", blur_pool2d)

# %% [markdown]
# The specks are gone. Now the experiment with the shift again, every way down to 7×7. A maximum and a blur go together
# well: take the largest of 4×4 at *every* place (stride 1), and blur before you drop.

# %% tags=["demo"]
with try_it("blur_pool2d"):
    def blur_twice(x):
        return blur_pool2d(blur_pool2d(x))

    for name, shrink in {"every 4th pixel": lambda x: x[:, :, ::4, ::4], "largest of 4×4": lambda x: F.max_pool2d(x, 4),
                         "mean of 4×4": lambda x: F.avg_pool2d(x, 4), "blur, drop, blur, drop": blur_twice,
                         "largest of 4×4, stride 1, then so": lambda x: blur_twice(F.max_pool2d(x, 4, 1))}.items():
        change = (shrink(moved) - shrink(large)).norm() / shrink(large).norm()
        print(f"{name:40} {100 * change:3.0f} %")

# %% [markdown]
# From 21 % to 17 % with a blur alone, and from 18 % to 14 % with a maximum in front. The change does not go to 0, and
# it should not: the digit *has* moved, by a quarter of a small pixel, and a good small picture shows that. What is
# gone is the jumping.

# %% [markdown]
# ## [](#maximum_learns) How a maximum learns (hard)
#
# A mean passes its gradient to all its inputs alike: each of the four moves the mean by ¼ of its own move. And a
# maximum? Wiggle a pixel that is not the largest, and nothing happens at all: its gradient is 0. Wiggle the largest,
# and the result moves exactly as it does: its gradient is 1. Max pooling is a switch, set by the forward pass.
#
# Two windows may have set it to the same pixel:
#
# ![Two windows overlap in a table of two rows and three columns; both have the maximum 5, and the gradients 10 and 7 of
# the two windows meet at its place as 17](../../assets/02_pooling/routing.svg)
#
# And in a tie? With ReLU before the pooling, windows full of zeros are common, so this is no rare case. `F.max_pool2d`
# keeps the first maximum that it meets. `amax` shares the gradient, and the two disagree without a word:

# %% tags=["demo"]
tie = torch.tensor([[2.0, 2.0], [1.0, 2.0]])[None, None]
for name, largest in {"F.max_pool2d": lambda x: F.max_pool2d(x, 2), "amax": lambda x: x.amax((2, 3))}.items():
    leaf = tie.clone().requires_grad_()
    largest(leaf).sum().backward()
    print(f"{name:12}", [f"{value:.2f}" for value in leaf.grad.flatten()])

# %% [markdown]
# ### [](#max_pool2d_backward) Back through the switch ●●●●○ 25 min
#
# Write `max_pool2d_backward(grad_out, x, kernel_size, stride=None)`. `x` (N, C, H, W) went into a max pooling without
# padding; `grad_out` (N, C, H′, W′) is the gradient of the loss with respect to its result. Return the gradient with
# respect to `x`. By hand, with a 2×2 window and stride 1:
#
# x = `[[1, 5, 2], [4, 3, 0]]` and grad_out = `[[10, 7]]` give `[[0, 17, 0], [0, 0, 0]]`, as in the picture.
#
# With x = `[[2, 2], [1, 2]]` and grad_out = `[[3]]`, the result is `[[3, 0], [0, 0]]`.
#
# - Each number in `grad_out` goes to the pixel that was its window's maximum; every other pixel gets 0.
# - A pixel that wins in several windows gets the sum of their gradients.
# - Where the maximum occurs twice in a window, the first one in reading order gets everything.
# - The result has the shape of `x`, with 0 where no window looks.
# - Without a stride it is the kernel's size, as in the forward pass.
# - `kernel_size` and `stride` are a number or a pair (height, width).
# - By hand means by hand: autograd and PyTorch's pooling and upsampling functions are off limits.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory; no gradient of this
#   gradient is asked for.
#
# <details><summary>Hint 1: who won</summary>
#
# Flatten each window to kH·kW numbers, row after row. `argmax` says at which of them the maximum is, and in a tie it
# gives the first. From that number follow the row and the column inside the window: one is a division, the other a
# remainder.
#
# </details>
#
# <details><summary>Hint 2: from the window to the picture</summary>
#
# The window of output (i, j) starts at row i·stride and column j·stride. Its winner's place in the picture is the start
# plus the place inside.
#
# </details>
#
# <details><summary>Hint 3: adding up</summary>
#
# `result[places] += values` writes once where a place occurs twice. In a loop over windows that cannot happen; without
# a loop, look up `scatter_add`.
#
# </details>

# %% nbgrader={"grade_id": "max_pool2d_backward", "solution": true}
def max_pool2d_backward(grad_out, x, kernel_size, stride=None):
    """The gradient of max pooling with respect to its input.

    Args:
        grad_out: (N, C, H', W'), the gradient with respect to the result.
        x: (N, C, H, W), what was pooled.
        kernel_size, stride: a number or a pair (height, width); stride None is the kernel's size.

    Returns:
        (N, C, H, W).
    """
    ### BEGIN SOLUTION
    kh, kw = pair(kernel_size)
    sh, sw = pair(kernel_size if stride is None else stride)
    windows = x.unfold(2, kh, sh).unfold(3, kw, sw)
    winner = windows.flatten(4).argmax(4)  # (N, C, H', W'), the place inside the window
    rows = torch.arange(windows.shape[2])[:, None] * sh + winner // kw
    columns = torch.arange(windows.shape[3]) * sw + winner % kw
    places = (rows * x.shape[3] + columns).flatten(2)
    grad_x = torch.zeros_like(x).flatten(2).scatter_add(2, places, grad_out.flatten(2))
    return grad_x.reshape(x.shape)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("max_pool2d_backward"):
    hand = torch.tensor([[1.0, 5, 2], [4, 3, 0]])[None, None]
    print(max_pool2d_backward(torch.tensor([[[[10.0, 7.0]]]]), hand, 2, 1)[0, 0].tolist())
    leaf = digit.clone().requires_grad_()
    pooled = F.max_pool2d(leaf, 3, 1)
    pooled.sum().backward()
    by_hand = max_pool2d_backward(torch.ones_like(pooled), digit, 3, 1)
    print("as autograd has it:", torch.equal(by_hand, leaf.grad))
    plots.images([digit[0], by_hand[0]], ["a real 3", "windows each pixel wins\n(3×3, stride 1)"])

# %% nbgrader={"grade_id": "max_pool2d_backward_exam", "grade": true}
examine("max_pool2d_backward", max_pool2d_backward)

# %% [markdown]
# Every window votes for one pixel: 36 windows, 36 votes. Nothing is lost and nothing is added, so all numbers of the
# result together are as much as all numbers of `grad_out` together. It is a good test for this backward pass, and one
# you can do in your head. (It holds because each factor is 1. A convolution's backward pass has weights as factors, and
# the two sums differ.)
#
# <details><summary>The derivation</summary>
#
# Let $m(w)$ be the place of the first maximum in window $w$. Near `x`, as long as no other pixel overtakes it, the
# output is $y_w = x_{m(w)}$. So $\partial y_w / \partial x_k$ is 1 where $k = m(w)$ and 0 elsewhere, and with $g_w =
# \partial L / \partial y_w$ the chain rule gives
#
# $$\frac{\partial L}{\partial x_k} = \sum_w g_w \frac{\partial y_w}{\partial x_k} = \sum_{w:\; m(w) = k} g_w$$
#
# At a tie there is no derivative: to one side the first pixel moves the maximum, to the other side the second one does.
# `F.max_pool2d` takes the first one's side, which is one of the two and never their sum. Summed over all $k$, every
# window appears once: $\sum_k \partial L / \partial x_k = \sum_w g_w$.
#
# </details>
#
# ## [](#way_up) The way back up
#
# A classifier may end with 512 numbers. A net that paints must end with a picture: which pixels are road, where is the
# tumour, what would this photograph be at twice the size. So somewhere it has to grow again. The notes do it with
# `F.interpolate`:

# %% tags=["demo"]
x = torch.randn(1, 16, 7, 7, generator=torch.Generator().manual_seed(0))
for factor in (2, 3):
    larger = F.interpolate(x, scale_factor=factor, mode="nearest")
    print(f"scale_factor={factor}: {tuple(x.shape)} -> {tuple(larger.shape)}")

# %% [markdown]
# 7 becomes 14 and 21. `mode="nearest"` copies each pixel into a square. `mode="bilinear"` draws straight lines from
# pixel to pixel:
#
# ![A handwritten 3 of 8 by 8 pixels; enlarged eight times by nearest it keeps its squares, by bilinear it is smooth; a
# section shows steps against straight lines](../../assets/02_pooling/nearest_and_bilinear.svg)
#
# ### [](#upsample_nearest) A pixel becomes a square ●○○○○ 7 min
#
# Write `upsample_nearest(x, scale_factor)`: (N, C, H, W) becomes (N, C, H·scale_factor, W·scale_factor). With the
# factor 2,
#
# `[[1, 2], [3, 4]]` becomes `[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]`.
#
# - Every pixel becomes a square of scale_factor × scale_factor equal pixels.
# - `scale_factor` is a whole number, the same in both directions, and may be 1.
# - A picture of one row, one column or one pixel works like any other.
# - PyTorch's upsampling functions (`interpolate`, `nn.Upsample`, `grid_sample`, `pixel_shuffle`) are off limits.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint: two functions with similar names</summary>
#
# `repeat` lays the whole picture side by side, like tiles. `repeat_interleave` repeats each element beside itself.
#
# </details>

# %% nbgrader={"grade_id": "upsample_nearest", "solution": true}
def upsample_nearest(x, scale_factor):
    """Each pixel as a square, (N, C, H, W) to (N, C, H·scale_factor, W·scale_factor)."""
    ### BEGIN SOLUTION
    return x.repeat_interleave(scale_factor, 2).repeat_interleave(scale_factor, 3)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("upsample_nearest"):
    print(upsample_nearest(torch.tensor([[1.0, 2], [3, 4]])[None, None], 2)[0, 0])
    returned = upsample_nearest(F.avg_pool2d(digit, 2), 2)
    figure = plots.images([digit[0], returned[0], (digit - returned)[0]],
                          ["8×8 pixels", "mean of 2×2,\nand up again", "what was lost"], vmin=0, vmax=1)
    figure.axes[2].images[0].set(cmap="PuOr", clim=(-0.7, 0.7))

# %% nbgrader={"grade_id": "upsample_nearest_exam", "grade": true}
examine("upsample_nearest", upsample_nearest)

# %% [markdown]
# Down and up are closer relatives than they look. What is the gradient of average pooling? Each of the four pixels gets
# a quarter of the window's gradient: the gradient, enlarged by nearest, divided by four. The backward pass of the way
# down is a way up.

# %% tags=["demo"]
leaf = digit.clone().requires_grad_()
pooled = F.avg_pool2d(leaf, 2)
grad_out = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0))
pooled.backward(grad_out)
print("gradient of the mean = nearest / 4:", torch.allclose(leaf.grad, F.interpolate(grad_out, scale_factor=2) / 4))

# %% [markdown]
# ## [](#where) Where is a pixel? (hard)
#
# To draw a line *between* pixels one must know where they are. Is pixel 0 at coordinate 0? Then where does the pixel
# begin, and where does the picture end? There are two conventions, and mixing them moves pictures.
#
# ![Eight small pixels above four large ones, twice. On the left both rows cover the same line and the small pixels'
# centres lie at −0.25, 0.25, 0.75. On the right the first and last centres lie on top of each other, and the small row
# is shorter](../../assets/02_pooling/pixel_centres.svg)
#
# - **Half-pixel centres** (`align_corners=False`, the default). A pixel is a little square, and its centre is its
#   place. The *outer edges* of both pictures coincide. The first new centre then lies at −0.25, outside the first old
#   one.
# - **Aligned corners** (`align_corners=True`). Pixels are points. The first and the last of both pictures coincide, and
#   the others are spread evenly between. In the picture eight points share the way from 0 to 3, so they are 3/7 apart,
#   not ½.
#
# ### [](#upsample_bilinear) Between the pixels ●●●●○ 30 min
#
# Write `upsample_bilinear(x, scale_factor, align_corners=False)`: (N, C, H, W) becomes (N, C, H·scale_factor,
# W·scale_factor), `scale_factor` a whole number. "Bilinear" is linear along the rows, then linear along the columns.
#
# By hand, the row `[0, 8]` with the factor 2. At half-pixel centres the four new pixels look at −0.25, 0.25, 0.75 and
# 1.25, and become `[0, 2, 6, 8]`. With aligned corners they look at 0, ⅓, ⅔ and 1, and become `[0, 2.67, 5.33, 8]`.
#
# - By default pixel i of the result looks at the source coordinate (i + ½) / scale_factor − ½.
# - Between two neighbours the value changes in a straight line: at coordinate 2.25 it is ¾ of pixel 2 plus ¼ of pixel
#   3.
# - A coordinate outside the first or last centre gets that pixel's value: nothing is extrapolated.
# - With `align_corners=True` pixel i looks at i · (H − 1) / (H·scale_factor − 1), so the first and last pixels of both
#   pictures coincide. Columns do the same with W.
# - A picture of one row, one column or one pixel works with both settings, and so does the factor 1.
# - PyTorch's upsampling functions (`interpolate`, `nn.Upsample`, `grid_sample`, `pixel_shuffle`) are off limits.
# - A float64 picture is computed in float64 throughout: coordinates and weights have the dtype of `x`.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint 1: one direction first</summary>
#
# Write a function that enlarges the last dimension alone. Then use it twice: once as it is, once on the transposed
# picture (`x.mT` swaps the last two dimensions).
#
# </details>
#
# <details><summary>Hint 2: two neighbours and a share</summary>
#
# For every new pixel you need three things: the left neighbour's index (a coordinate rounded down, as an integer), the
# right neighbour's (one more, unless that is outside), and how far the coordinate is from the left one. `x[..., index]`
# with a tensor of indices picks many columns at once.
#
# </details>
#
# <details><summary>Hint 3: zero divided by zero</summary>
#
# With aligned corners and one single new pixel, the formula divides by zero. Where must a picture of one pixel look?
#
# </details>

# %% nbgrader={"grade_id": "upsample_bilinear", "solution": true}
def upsample_bilinear(x, scale_factor, align_corners=False):
    """Straight lines between pixels, (N, C, H, W) to (N, C, H·scale_factor, W·scale_factor).

    Args:
        x: (N, C, H, W).
        scale_factor: a whole number.
        align_corners: whether the outermost pixels of both pictures coincide; else their outer edges do.
    """
    ### BEGIN SOLUTION
    def enlarge_columns(picture):
        size = picture.shape[3]
        i = torch.arange(size * scale_factor, dtype=x.dtype)
        if align_corners:
            place = i * (size - 1) / max(size * scale_factor - 1, 1)
        else:
            place = torch.clamp((i + 0.5) / scale_factor - 0.5, min=0)
        left = place.long()
        right = torch.clamp(left + 1, max=size - 1)
        share = place - left
        return picture[..., left] * (1 - share) + picture[..., right] * share

    return enlarge_columns(enlarge_columns(x.mT).mT)
    ### END SOLUTION

# %% tags=["demo"]
with try_it("upsample_bilinear"):
    row = torch.tensor([[[[0.0, 8.0]]]])
    for corners in (False, True):
        print(f"align_corners={corners!s:5}", upsample_bilinear(row, 2, corners)[0, 0, 0])
    half, aligned = (upsample_bilinear(digit, 8, corners) for corners in (False, True))
    figure = plots.images([half[0], aligned[0], (half - aligned)[0]],
                          ["half-pixel centres", "aligned corners", "difference"])
    figure.axes[2].images[0].set(cmap="PuOr", clim=(-0.5, 0.5))

# %% nbgrader={"grade_id": "upsample_bilinear_exam", "grade": true}
examine("upsample_bilinear", upsample_bilinear)

# %% [markdown]
# ## [](#learned) Learned growing (hard)
#
# Nearest and bilinear know nothing about pictures. Can a net learn how to grow? A convolution *gathers*: it looks at a
# window and writes one number. Turn it round: let each pixel *scatter*. It takes a kernel, multiplies it by its own
# value, and stamps it onto a larger canvas. That is a **transposed convolution**, here in one dimension with the kernel
# `[1, 2, 3]` and stride 2. Above are the three pixels, below them their stamps, and in the last row the sum:
#
# ![Three pixels, 1, 10 and 2, stamp the kernel 1 2 3 onto a line, two places apart; where stamps overlap the numbers
# add, 3 and 10 to 13, 30 and 2 to 32](../../assets/02_pooling/stamps.gif)
#
# Why *transposed*? A convolution is linear, so it is a matrix K, large and mostly empty: conv2d(y) is K·y. The stamping
# is the same numbers, read by columns instead of rows: Kᵀ·x. Here is the matrix of a convolution of seven numbers with
# the kernel `[1, 2, 3]` and stride 2, and what its transpose makes of three. (Read a row of K: it is the kernel, at its
# place. So a column of Kᵀ is a stamp.)

# %% tags=["demo"]
kernel = torch.tensor([[[1.0, 2, 3]]])
matrix = F.conv1d(torch.eye(7)[:, None], kernel, stride=2)[:, 0].T  # column j: what a single 1 at place j becomes
print("K", tuple(matrix.shape), matrix.int().tolist(), sep="\n")
x = torch.tensor([1.0, 10, 2])
print("Kᵀ·x              ", (matrix.T @ x).int().tolist())
print("conv_transpose1d  ", F.conv_transpose1d(x[None, None], kernel, stride=2)[0, 0].int().tolist())

# %% [markdown]
# One more thing falls out. Write u · v for the sum of the products of two tensors, number by number. For matrices,
# (K·y) · x = y · (Kᵀ·x), whatever x and y are: one calls Kᵀ the **adjoint** of K. Two numbers that must agree: a test
# that needs no solution to compare with. The exam uses it, and so can you.
#
# And you have met this operation before: the gradient of a convolution with respect to its input, in chapter 1, is Kᵀ
# times the gradient of its output.
#
# ### [](#conv_transpose2d) Stamps ●●●●○ 30 min
#
# Write `conv_transpose2d(x, weight, stride=1, padding=0)` for `x` of shape (N, in_channels, H, W). It returns (N,
# out_channels, H′, W′) with H′ = (H − 1)·stride + kH − 2·padding, and W′ alike.
#
# By hand, one row, kernel `[1, 2, 3]`, stride 2: `[1, 10]` becomes `[1, 2, 3 + 10, 20, 30]` = `[1, 2, 13, 20, 30]`.
# With padding 1 it is `[2, 13, 20]`.
#
# - Every pixel of `x` stamps the kernel, times its value, onto the result; where stamps overlap they add.
# - Every input channel adds to every output channel.
# - The weight has shape (in_channels, out_channels, kH, kW). Mind the order: in a convolution it is out, in.
# - With stride s the stamps are s apart: H′ = (H − 1)·s + kH without padding.
# - Padding does the opposite of what it does in a convolution: `padding` rows and columns are cut off at each side.
# - `stride` and `padding` are a number or a pair (height, width); the kernel need not be square.
# - For every y, the sum of conv2d(y, weight) · x equals the sum of y · conv_transpose2d(x, weight), stride and padding
#   alike. (That holds where the sizes fit, as they do in the exam.)
# - PyTorch's convolutions, transposed or not, `F.fold` and `F.unfold` are off limits; `Tensor.unfold` and loops are
#   allowed.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#
# <details><summary>Hint 1: a canvas</summary>
#
# Make a canvas of zeros, as large as the result without padding. Loop over the pixels of `x` and add a stamp for each,
# for the whole batch at once. Cut off the padding at the end.
#
# </details>
#
# <details><summary>Hint 2: one stamp, all channels</summary>
#
# The pixel (i, j) of all pictures and channels is a matrix (N, in). The weight is (in, out, kH, kW). The stamp you want
# is (N, out, kH, kW): which index is summed over? `torch.einsum` writes it down as you would on paper.
#
# </details>

# %% nbgrader={"grade_id": "conv_transpose2d", "solution": true}
def conv_transpose2d(x, weight, stride=1, padding=0):
    """The transposed convolution: each pixel stamps the kernel.

    Args:
        x: (N, in_channels, H, W).
        weight: (in_channels, out_channels, kH, kW).
        stride, padding: a number or a pair (height, width).

    Returns:
        (N, out_channels, H', W').
    """
    ### BEGIN SOLUTION
    sh, sw = pair(stride)
    ph, pw = pair(padding)
    out_channels, kh, kw = weight.shape[1:]
    batch, _, height, width = x.shape
    canvas = x.new_zeros(batch, out_channels, (height - 1) * sh + kh, (width - 1) * sw + kw)
    for i in range(height):
        for j in range(width):
            stamp = torch.einsum("ni,iokl->nokl", x[:, :, i, j], weight)
            canvas[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] += stamp
    return canvas[:, :, ph:canvas.shape[2] - ph, pw:canvas.shape[3] - pw]
    ### END SOLUTION

# %% tags=["demo"]
with try_it("conv_transpose2d"):
    row, stamp = torch.tensor([[[[1.0, 10.0]]]]), torch.tensor([[[[1.0, 2.0, 3.0]]]])
    for padding in ((0, 0), (0, 1)):
        print(f"padding={padding}:", conv_transpose2d(row, stamp, (1, 2), padding)[0, 0, 0].tolist())
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    kernel = tent[:, None] * tent
    grown = conv_transpose2d(digit, kernel[None, None], stride=2, padding=1)[0]
    error = (grown - F.interpolate(digit, scale_factor=2, mode="bilinear")[0])[:, 1:-1, 1:-1].abs().max()
    print("with this kernel it is bilinear, but for the border:", error.item() < 1e-5)
    plots.images([digit[0], kernel, grown], ["8×8 pixels", "the kernel, 4×4", "stamped, stride 2"])

# %% nbgrader={"grade_id": "conv_transpose2d_exam", "grade": true}
examine("conv_transpose2d", conv_transpose2d)

# %% [markdown]
# A transposed convolution *can* be bilinear: the kernel above is one of those it can learn. It can also learn something
# better. It often learns something worse.
#
# ## The checkerboard
#
# Generated pictures of the years around 2015 share a flaw: a fine, regular pattern, best seen in smooth regions. Its
# cause can be counted. Stamp a kernel of ones, and look how many stamps cover each place:
#
# ![Coverage counts above, pictures below. Kernel 3 with stride 2: counts 1, 2 and 4, and a strong checkerboard. Kernel
# 4 with stride 2: 4 everywhere, and a weaker pattern. Nearest, then convolution: 9 everywhere, and flat
# grey](../../assets/02_pooling/checkerboard.svg)
#
# - **Kernel 3, stride 2**: some places get one stamp, others two or four. A net must work against that with its
#   weights, and seldom quite succeeds.
# - **Kernel 4, stride 2**: four everywhere. The kernel's size is a multiple of the stride, so no place is favoured.
#   What pattern is left comes from the random kernel alone, and training can remove it.
# - **Nearest, then a convolution**: no pattern at all on a flat picture, whatever the kernel.
#
# Does the rule hold both ways? Look for a kernel that is a multiple of its stride and not flat, and for a flat one that
# is no multiple.

# %% tags=["demo", "nbval-ignore-output"] frames={"stride": [2, 3], "kernel_size": [1, 2, 3, 4, 5, 6, 7, 8]}
def coverage(kernel_size, stride):
    stamp = torch.ones(1, 1, kernel_size, kernel_size)
    cover = F.conv_transpose2d(torch.ones(1, 1, 12, 12), stamp, stride=stride)[0, 0]
    middle = cover[kernel_size:kernel_size + 12, kernel_size:kernel_size + 12]
    title = f"kernel {kernel_size}, stride {stride}: {middle.min():g} to {middle.max():g} stamps"
    return plots.images([middle], [title], vmin=0, height=3)


plots.explore(coverage, kernel_size=[3, 1, 2, 4, 5, 6, 7, 8], stride=[2, 3, 4])

# %% [markdown]
# ## What can go wrong
#
# Each of these runs without an error, or nearly. Look at the pictures: you will meet them again.
#
# **1. Zeros around a maximum.** Feature maps before a ReLU are often negative. Pad them with zeros, and the border
# wins:

# %% tags=["demo"]
negative = digit - 1.5  # everything below zero
right, wrong = F.max_pool2d(negative, 3, 1, 1), F.max_pool2d(F.pad(negative, (1, 1, 1, 1)), 3, 1)
plots.images([right[0], wrong[0]], ["border at −∞", "border at zero"], cmap="viridis", vmin=-1.5, vmax=0)
plt.show()

# %% [markdown]
# **2. The stride that is not 1.** A convolution moves by 1 unless told otherwise. Pooling moves by the kernel's size.
# The same last number, 3, means two things:

# %% tags=["demo"]
x = torch.zeros(1, 1, 14, 14)
print("nn.Conv2d(1, 1, 3) ", tuple(nn.Conv2d(1, 1, 3)(x).shape), "  nn.MaxPool2d(3)", tuple(nn.MaxPool2d(3)(x).shape))

# %% [markdown]
# **3. Odd sizes do not come back.** 15 halves to 7, and 7 doubles to 14. A net that joins the way down with the way up
# then stops with this error. The cure: sizes that are divisible by two often enough, or `interpolate(size=...)` with
# the size that is wanted.

# %% tags=["demo", "raises-exception"]
down = torch.zeros(1, 8, 15, 15)
up = F.interpolate(F.max_pool2d(down, 2), scale_factor=2)
torch.cat([down, up], dim=1)

# %% [markdown]
# **4. `squeeze()` after a global mean.** It works for months. Then the last batch of an epoch has one picture, and
# loses its batch dimension:

# %% tags=["demo"]
for batch in (4, 1):
    features = F.adaptive_avg_pool2d(torch.zeros(batch, 512, 7, 7), 1)
    squeezed, flat = features.squeeze(), features.flatten(1)
    print(f"batch of {batch}: squeeze() gives {tuple(squeezed.shape)}, flatten(1) gives {tuple(flat.shape)}")

# %% [markdown]
# **5. Overlaps that overwrite.** In a backward pass over overlapping windows, `=` instead of `+=` loses gradient. The
# sum tells: each window has one vote.

# %% tags=["demo"]
pooled, winners = F.max_pool2d(digit, 3, 1, return_indices=True)
places, votes = winners.flatten(), torch.ones(winners.numel())
added = torch.zeros(64).index_add(0, places, votes)
overwritten = torch.zeros(64)
overwritten[places] = votes
print("votes:", int(votes.sum()), " added:", int(added.sum()), " overwritten:", int(overwritten.sum()))

# %% [markdown]
# **6. Two conventions in one net.** Shrink with a mean (whose windows are half-pixel centred), enlarge with aligned
# corners, and the picture does not come back to where it was. One round trip is hard to see. Here are four, a factor of
# 2 each:

# %% tags=["demo"]
smooth = F.interpolate(digit, scale_factor=8, mode="bilinear")
returned = {}
for name, corners in {"half-pixel centres": False, "aligned corners": True}.items():
    picture = smooth
    for _ in range(4):
        picture = F.interpolate(F.avg_pool2d(picture, 2), scale_factor=2, mode="bilinear", align_corners=corners)
    returned[name] = (picture - smooth)[0]
    print(f"{name:18} mean error {returned[name].abs().mean():.3f}")
figure = plots.images([smooth[0], *returned.values()], ["before", *(f"error with\n{name}" for name in returned)])
for axes in figure.axes[1:]:
    axes.images[0].set(cmap="PuOr", clim=(-0.25, 0.25))
plt.show()

# %% [markdown]
# **7. A weight with its axes swapped.** A convolution's weight is (out, in, kH, kW), a transposed convolution's (in,
# out, kH, kW). With different numbers of channels PyTorch objects. With equal ones nothing does, and the numbers are
# simply wrong:

# %% tags=["demo"]
generator = torch.Generator().manual_seed(0)
weight, y, x = (torch.randn(*shape, generator=generator) for shape in ((3, 3, 3, 3), (1, 3, 8, 8), (1, 3, 6, 6)))
gathered = (F.conv2d(y, weight) * x).sum()
for name, stamps in {"as it is": weight, "axes swapped": weight.transpose(0, 1)}.items():
    scattered = (y * F.conv_transpose2d(x, stamps)).sum()
    print(f"{name:13} sums agree: {torch.isclose(gathered, scattered, rtol=1e-3).item()}")

# %% [markdown]
# **8. A mean that is not wide enough.** The bars once more, shrunk to a third by means:

# %% tags=["demo"]
bars({"every third pixel": grille[:, :, ::3, ::3], "mean, kernel 3, stride 3": F.avg_pool2d(grille, 3),
      "mean, kernel 4, stride 3": F.avg_pool2d(grille, 4, 3)})

# %% [markdown]
# The mean of 3×3 keeps the false bars and dims them to a third. Only windows that cover whole periods tell the truth,
# and with a stride of 3 these overlap: at this size there is nothing but grey.
#
# ### Mend it
#
# Somebody wrote the pooling layer below, for feature maps that are often negative. Three things are wrong, and none
# of them raises an error. Look at the numbers before you read the code: which ones cannot be? Change `pool` until
# every line says what it should.

# %% tags=["demo"]
def pool(x, kernel_size, stride=1):
    x = F.pad(x, (1, 1, 1, 1))
    return x.unfold(2, kernel_size, stride).unfold(3, kernel_size, stride).mean((-2, -1))


maps = torch.rand(2, 5, 9, 9, generator=torch.Generator().manual_seed(0)) - 2  # between −2 and −1
print(f"size of the result, kernel 3, from 9×9:   {tuple(pool(maps, 3).shape[2:])}, should be (3, 3)")
print(f"share of values above −1 (none came in):  {(pool(maps, 3) > -1).float().mean():.2f}, should be 0")
print(f"largest value in and out:                 {maps.max():.2f}, {pool(maps, 3).max():.2f}, should be alike")

# %% [markdown]
# <details><summary>What was wrong</summary>
#
# The stride is 1 where it should be the kernel's size: 9 became 9. The border of zeros counts as the largest number
# in maps of negative numbers; with that stride and no padding asked for, there should be none. And `mean` is no
# maximum: the largest value that went in must come out. `def pool(x, kernel_size, stride=None)`, `stride = stride or
# kernel_size`, no `F.pad`, and `amax((-2, -1))`.
#
# </details>

# %% [markdown]
# ## What to keep
#
# 1. Pooling makes one number of each window, channel by channel, without weights. Its stride is the kernel's size
#    unless you say otherwise; its padding is −∞ for a maximum and, for a mean, zeros that count unless you say
#    otherwise.
# 2. A maximum passes its gradient to one pixel, the first in a tie, and overlaps add up. A mean passes it to all alike.
# 3. A mean is a depthwise convolution with fixed weights. A mean over the whole picture ends a net in C numbers, at any
#    size.
# 4. Growing by interpolation needs a convention. Half-pixel centres are the default; never mix them with aligned
#    corners.
# 5. A transposed convolution stamps: its weight is (in, out, kH, kW), it is the adjoint of the convolution, and its
#    kernel's size should be a multiple of its stride.
# 6. Dropping pixels turns what is too fine into patterns that are not there. Blur first: 1, 2, 1 in each direction,
#    divided by 16. That is what went wrong with the roofs, and what mends them.
#
# In production:
#
# | here | there |
# |--|--|
# | `max_pool2d`, `avg_pool2d` | `nn.MaxPool2d(2)`, `nn.AvgPool2d(2)`, or a convolution with stride 2 |
# | `global_avg_pool2d` | `nn.AdaptiveAvgPool2d(1)` and `flatten(1)` |
# | `upsample_nearest`, `upsample_bilinear` | `nn.Upsample(scale_factor=2, mode="bilinear")`, `F.interpolate` |
# | `conv_transpose2d` | `nn.ConvTranspose2d(in_channels, out_channels, kernel_size=4, stride=2, padding=1)` |
#
# To read on:
#
# - *Gradient-Based Learning Applied to Document Recognition*, Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, 1998:
#   averages that shrink, with a learned weight.
# - *Evaluation of Pooling Operations in Convolutional Architectures for Object Recognition*, D. Scherer, A. Müller, S.
#   Behnke, 2010: maximum against mean.
# - *Network In Network*, M. Lin, Q. Chen, S. Yan, 2013: global average pooling.
# - *Striving for Simplicity: The All Convolutional Net*, J. T. Springenberg, A. Dosovitskiy, T. Brox, M. Riedmiller,
#   2014: do we need pooling at all?
# - *A guide to convolution arithmetic for deep learning*, V. Dumoulin, F. Visin, 2016: all the sizes, drawn.
# - *Deconvolution and Checkerboard Artifacts*, A. Odena, V. Dumoulin, C. Olah, 2016: the pattern and its cure.
# - *Making Convolutional Networks Shift-Invariant Again*, R. Zhang, 2019: why shifts are noticed, and what to do.
