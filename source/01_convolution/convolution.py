# %% [markdown] with_reading=270
# # 1 · Convolution
#
# ![The photograph of the palace; its vertical edges; its horizontal edges; and both together, a drawing in black lines
# on white.](../../assets/01_convolution/edges_of_the_palace.svg)
#
# No hand drew the lines in the last picture. They were made from the photograph by eighteen numbers, and in this
# chapter you find out which. Further on nine of them come back, found by nobody: training finds them, from examples,
# with gradients that you have computed yourself.
#
# **At the end you will be able to** build the convolution layer yourself, forwards and backwards, and to say of any
# such layer how large its output is, what it costs and how far it sees.
# <br>**You need before** a little Python, and some tensors; the warm-up below shows how much. One section needs the
# chain rule.
# <br>**It takes** about {hours} hours: {minutes} minutes for the {exercises} exercises ({points} points), the rest
# for reading and playing.
# <br>**The short way** ({minutes cross_correlate edge_kernels conv_output_size conv2d count_cost receptive_field}
# minutes, {points cross_correlate edge_kernels conv_output_size conv2d count_cost receptive_field} points):
# `cross_correlate`, `edge_kernels`, `conv_output_size`, `conv2d`, `count_cost`, `receptive_field`, and of the text
# the sections up to [](#channels), then [](#cost) and [](#view). Left out are the hardest sections of the
# chapter, marked *hard*; nothing later in the course breaks without them.
#
# Every exercise has four parts: the task, a cell for your answer, a cell to try it, and a cell that examines it. The
# exam says which mistake was made, not only that there is one. Run it as often as you like.

# %%
import torch
import torch.nn.functional as F
from torch import nn

from convcraft import data, examine, plots, try_it

plots.use_style()

# %% [markdown]
# ## Warm-up
#
# Ten minutes, no points. Say what each line will print before you run the cell. Where you were right every time, you
# know enough about tensors for this chapter.
#
# **Shapes and indices.** A tensor has a shape. A number as an index takes a dimension away, a slice keeps it, and
# `None` puts in a new one of size 1.

# %% tags=["demo"]
x = torch.arange(12.0).reshape(3, 4)
print(x)
print(x[1, 2].item(), x[1].shape, x[1:2].shape, x[:, ::2].shape, x[None, None].shape)
print(x.T.shape, x.sum().item(), x.sum(0).shape)

# %% [markdown]
# **Broadcasting.** Two tensors of different shapes are lined up from the *last* dimension. A size of 1, or a missing
# dimension, is repeated. So (3, 4) and (4,) fit, (3, 4) and (3, 1) fit, and (3, 4) and (3,) do not.

# %% tags=["demo"]
print((x + torch.tensor([0.0, 100, 200, 300]))[0])
print((x + torch.tensor([0.0, 100, 200])[:, None])[:, 0])
try:
    x + torch.tensor([0.0, 100, 200])
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# **Autograd.** A tensor with `requires_grad` remembers what was computed from it. `backward()` walks back and leaves in
# `grad` how much the result would change for each unit of every number.

# %% tags=["demo"]
w = torch.tensor([1.0, -2, 3], requires_grad=True)
(w**2).sum().backward()
print("2 · w:", w.grad.tolist())

# %% [markdown]
# ## A window that slides
#
# Here is a photograph of the Summer Palace in Beijing. You see at once where the roof ends and the sky begins. A
# computer gets numbers: one for each pixel, 0 for black and 1 for white. Some of the numbers at the top of the roof
# are printed below, in percent.

# %% tags=["demo"]
palace = data.photo("china", height=120).mean(dim=0)  # the mean of red, green and blue is a grey picture
roof = palace[8:28, 48:78]
plots.images([palace, roof], [f"the palace {tuple(palace.shape)}", f"its top {tuple(roof.shape)}"])
print((100 * roof[2:8, 6:18]).int().numpy())

# %% [markdown]
# **How does one find an edge in a grid of numbers?** One way is to let a network find out: connect every pixel with
# every output, and let training do the rest. That has two faults. The first one can be counted.

# %% tags=["demo"]
def count_parameters(layer):
    return sum(parameter.numel() for parameter in layer.parameters())


print("fully connected, 28×28 to 28×28:", count_parameters(nn.Linear(28 * 28, 28 * 28)))
print("one 3×3 window:                 ", count_parameters(nn.Conv2d(1, 1, kernel_size=3)))

# %% [markdown]
# 615,440 numbers to learn, for a picture as small as a digit. The second fault is worse: what the layer learns about an
# edge in the upper left corner says nothing about the same edge one pixel further on. Each place has weights of its
# own.
#
# The way out rests on two observations. **An edge is a local thing**: to know whether there is one, it is enough to
# look at a few neighbouring pixels. **An edge is an edge everywhere**: the same look works at all places. So take one
# small grid of weights, the *kernel*, and slide it over the image. At each place, multiply the numbers that meet, and
# add up. From left to right: the image, the kernel, the nine products with their sum, and the result:
#
# ![A 3×3 window slides over a 5×5 image. At each of its nine places the nine products are written out and added up, and
# the sum goes into a 3×3 result.](../../assets/01_convolution/sliding_window.gif)
#
# Nine weights, whatever the size of the image (the tenth number above is a bias; of that later). This is the whole
# idea; the rest of the chapter is bookkeeping.

# %% [markdown]
# ### [](#cross_correlate) The sliding window ●○○○○ 15 min
#
# Take an image $x$ of shape (H, W) and a kernel $w$ of shape (kH, kW). Lay the kernel on the image, multiply the
# numbers that meet, and add the products. Do this at every place where the kernel lies wholly on the image:
#
# $$y[p, q] = \sum_{i=0}^{kH-1} \sum_{j=0}^{kW-1} x[p + i,\; q + j] \cdot w[i, j]$$
#
# By hand, with a 2×2 kernel on a 3×3 image:
#
# $$\begin{bmatrix} 1 & 2 & 0 \\ 0 & 1 & 3 \\ 2 & 1 & 1 \end{bmatrix} \text{ and }
# \begin{bmatrix} 1 & -1 \\ 0 & 2 \end{bmatrix} \text{ give }
# \begin{bmatrix} 1 & 8 \\ 1 & 0 \end{bmatrix}$$
#
# The upper left number is 1·1 + 2·(−1) + 0·0 + 1·2 = 1. A kernel of 2 finds two places on 3 numbers, so the result is
# 2×2.
#
# Write `cross_correlate(image, kernel)`. (Why it is not called `convolve`: see the next section.)
#
# - Two loops over the places (p, q) are fine.
# - Neither the image nor the kernel has to be square.
# - The smallest kernel is 1×1; the largest is as large as the image and leaves one number.
# - Both inputs stay as they were, and gradients flow to both. (They flow by themselves as long as every sum stays a
#   tensor.)
# - PyTorch's own convolutions and `F.unfold` are off limits, here and wherever this chapter builds a convolution.
#
# <details><summary>Hint 1: where to start</summary>
#
# On paper first: at how many places does a kernel of 3 fit on 5 numbers? On 6? On n? That gives the shape of the
# result. Make an empty tensor of that shape, and let two loops fill it.
#
# </details>
# <details><summary>Hint 2: one number of the result</summary>
#
# `image[p:p + 2, q:q + 5]` cuts out a window of 2 rows and 5 columns. `*` multiplies two tensors of one shape number by
# number.
#
# </details>

# %% nbgrader={"grade_id": "cross_correlate", "solution": true}
def cross_correlate(image, kernel):
    """Slide a kernel over an image; at each place, add up the products of the numbers that meet.

    Args:
        image: (H, W).
        kernel: (kH, kW), no larger than the image.

    Returns:
        (H - kH + 1, W - kW + 1).
    """
    ### BEGIN SOLUTION
    kernel_height, kernel_width = kernel.shape
    height = image.shape[0] - kernel_height + 1
    width = image.shape[1] - kernel_width + 1
    out = torch.empty(height, width, dtype=image.dtype)
    for p in range(height):
        for q in range(width):
            window = image[p:p + kernel_height, q:q + kernel_width]
            out[p, q] = (window * kernel).sum()
    return out
    ### END SOLUTION

# %% [markdown]
# Try it on the example above. It should print `[[1, 8], [1, 0]]`.

# %% tags=["demo"]
with try_it("cross_correlate"):
    image = torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 1.0, 1.0]])
    kernel = torch.tensor([[1.0, -1.0], [0.0, 2.0]])
    print(cross_correlate(image, kernel))

# %% nbgrader={"grade_id": "cross_correlate_exam", "grade": true}
examine("cross_correlate", cross_correlate)

# %% [markdown]
# ### Convolution, or what goes by that name
#
# Long before there were networks, mathematicians meant something else by *convolution*: they turn the kernel by 180°
# first. What you have just written is their *cross-correlation*. One bright pixel shows the difference:
#
# ![One bright pixel in a 5×5 image, the kernel 1 to 9, and two results: cross-correlation gives the kernel turned
# around, 9 to 1, convolution gives the kernel itself.](../../assets/01_convolution/two_conventions.svg)
#
# The figure says which of the two PyTorch computes. Do not believe it, ask PyTorch.
#
# **Predict, then run.** What will `F.conv2d` make of one bright pixel and the kernel 1 to 9? (a) The kernel as it is, 1
# to 9. (b) The kernel turned around, 9 to 1. (c) Nine times the same number. Write your letter down.

# %% tags=["demo"]
bright_pixel = torch.zeros(1, 1, 5, 5)
bright_pixel[0, 0, 2, 2] = 1
kernel = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)

print("F.conv2d with the kernel:", F.conv2d(bright_pixel, kernel)[0, 0], sep="\n")
print("F.conv2d with the kernel turned by 180°:", F.conv2d(bright_pixel, kernel.flip(2, 3))[0, 0], sep="\n")

# %% [markdown]
# It is (b). (a) is tempting because of the name: it is what a *convolution* gives. The kernel comes out turned around,
# so PyTorch computes the cross-correlation, and so do nearly all libraries for deep learning. (Theano turned the
# kernel.) It does no harm: a network *learns* its kernels, and learns them the right way round for what the layer does.
# From here on "convolution" means what `conv2d` does. You will meet the turned kernel once more, where gradients go
# back.

# %% [markdown]
# ## What a kernel sees
#
# Nine numbers decide what the window looks for. Nine times 1/9 takes the mean of a neighbourhood and blurs. A 1 in
# the middle and zeros around it copies the image. Which nine numbers find an edge?
#
# An edge is a place where brightness changes. To see a change, one has to **subtract**: this side minus that side.

# %% [markdown]
# ### [](#edge_kernels) A pair of eyes for edges ●○○○○ 10 min
#
# Irwin Sobel's two kernels of 1968 are still in use. One looks for edges that run up and down, where left and right
# differ. The other looks for edges that run from side to side, where above and below differ.
#
# - Kernel 0 answers to vertical edges: it compares the column on the right with the column on the left. In each of the
#   three rows it takes the right number minus the left one, and it adds the three differences. The middle row counts
#   twice.
# - Kernel 1 answers to horizontal edges: it compares the row below with the row above. It adds, for the three columns,
#   the lower number minus the upper one. The middle column counts twice.
#
# By hand, on one window:
#
# $$\begin{bmatrix} 1 & 1 & 4 \\ 1 & 2 & 6 \\ 0 & 1 & 2 \end{bmatrix}$$
#
# Kernel 0 gives (4 − 1) + 2·(6 − 1) + (2 − 0) = 15. Kernel 1 gives (0 − 1) + 2·(1 − 1) + (2 − 4) = −3. The window lies
# on an edge that runs up and down.
#
# Write `edge_kernels()`, without arguments. It returns both kernels in the form that `F.conv2d` wants them: kernel 0 at
# `[0, 0]`, kernel 1 at `[1, 0]`.
#
# - The result is one float32 tensor of shape (2, 1, 3, 3), its numbers are 0, ±1 and ±2.
# - Either sign is right for each of them: left minus right finds the same edges as right minus left.
# - On flat ground both answer 0; where brightness grows by 1 per pixel, the kernel whose business it is answers 8 or
#   −8, the other 0.
#
# <details><summary>Hint 1: from words to numbers</summary>
#
# "The right number minus the left one" is a sum of three products: the left number times …, the middle one times …, the
# right one times …
#
# </details>
# <details><summary>Hint 2: the second kernel</summary>
#
# If you lay the picture on its side, edges that ran up and down run from side to side. `.T` exchanges the rows and the
# columns of a matrix.
#
# </details>

# %% nbgrader={"grade_id": "edge_kernels", "solution": true}
def edge_kernels():
    """Sobel's pair of kernels: the first answers to vertical edges, the second to horizontal ones.

    Returns:
        (2, 1, 3, 3), float32: two filters for pictures of one channel.
    """
    ### BEGIN SOLUTION
    vertical = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    return torch.stack([vertical, vertical.T])[:, None]
    ### END SOLUTION

# %% [markdown]
# Try it on the photograph. The first answer should show the pillars, the second one the roofs.

# %% tags=["demo"]
with try_it("edge_kernels"):
    vertical, horizontal = F.conv2d(palace[None, None], edge_kernels())[0]
    plots.images([vertical, horizontal], ["kernel 0", "kernel 1"], cmap="PuOr", vmin=-1.5, vmax=1.5)

# %% nbgrader={"grade_id": "edge_kernels_exam", "grade": true}
examine("edge_kernels", edge_kernels)

# %% [markdown]
# Compare with the pictures at the top of the chapter, made from a sharper copy of the photograph. Purple means
# "brighter to the right" or "brighter below", orange the opposite, white "no change"; with the other sign the two
# colours change places. Take the two answers as the sides of a right angle, and the length of the slanting side,
# $\sqrt{a^2 + b^2}$, is the strength of an edge in any direction: that is the drawing. Twice nine numbers, and no
# more.
#
# Nobody tells a network to look for edges. Yet when A. Krizhevsky and colleagues trained a network on a million
# photographs in 2012, many kernels of its first layer became much like these, for edges in all directions. In
# the section [](#gradients) you will watch one being learned.

# %% [markdown]
# ## How large is the result?
#
# In PyTorch the sliding window is a layer, `nn.Conv2d`. The lecture notes this course grew out of begin with the
# lines below: one picture of 28×28 pixels goes in, and there are three kernels, hence three pictures (*channels*)
# come out.

# %% tags=["demo"]
x = torch.ones(1, 1, 28, 28)  # (N, C, H, W): one picture, one channel, 28 rows, 28 columns

for settings in (dict(), dict(padding=1), dict(padding=1, stride=2)):
    layer = nn.Conv2d(1, 3, kernel_size=3, **settings)
    print(f"{settings!s:<28}", tuple(x.shape), "->", tuple(layer(x).shape))

# %% [markdown]
# 26, 28, 14. The first you know from [](#cross_correlate): a kernel of 3 fits at 28 − 3 + 1 places. The other two
# come from the first two of these three settings:
#
# - **`padding=1`** puts one ring of zeros around the picture, so the window can also stand on the border.
# - **`stride=2`** moves the window by two pixels at a time, and the result has about half the size.
# - **`dilation=2`** pulls the kernel apart: its neighbours look at pixels that lie two apart.
#
# ![Four times 7×7 pixels with a first 3×3 window and a dot in the middle of every place where the window may stand.
# Plain: 5×5 places. Padding 1: 7×7. Padding 1 and stride 2: 4×4. Dilation 2:
# 3×3.](../../assets/01_convolution/window_places.svg)
#
# Orange is the first window, and there is a dot in the middle of every window. Counting the dots is the next exercise.
#
# Before that, two more things that the notes show. The layer holds what will be learned in `weight` and `bias`, and
# both are trainable, that is, they ask for a gradient:

# %% tags=["demo"]
for name, parameter in layer.named_parameters():
    print(f"{name:<7}", f"{tuple(parameter.shape)!s:<13}", "trainable:", parameter.requires_grad)

# %% [markdown]
# Three filters, each for one input channel, each 3×3: (3, 1, 3, 3). And one number to add for each filter: (3,).
#
# ### Why `layer(x)`, not `layer.forward(x)`
#
# The notes call `layer.forward(x)`. It gives the same numbers, and still it is the wrong habit. `layer(x)` runs
# `forward` *and all that has been hooked on the layer*: tools that watch shapes, measure times, record activations or
# prune weights. `layer.forward(x)` walks past them, and says nothing:

# %% tags=["demo"]
hook = layer.register_forward_hook(lambda module, inputs, output: print("  the hook sees", tuple(output.shape)))

print("layer(x):")
called = layer(x)
print("layer.forward(x):")
forwarded = layer.forward(x)
print("the same numbers:", torch.equal(called, forwarded))
hook.remove()

# %% [markdown]
# So: `layer(x)`, always. You will write `forward` and never call it.

# %% [markdown]
# ### [](#conv_output_size) Count the places ●●○○○ 10 min
#
# Height and width do not know of each other, so think of one row of `size` numbers.
#
# - Without stride, padding and dilation there are `size - kernel_size + 1` windows.
# - `padding` is added on both sides. The row then has `size + 2 * padding` numbers.
# - With a dilation of d, neighbours in the kernel look at numbers that lie d apart. So a kernel of 3 with dilation 2
#   reaches over 5 numbers: three that it looks at and two holes.
# - The window starts at the left end and moves by `stride`. A last step that leads off the picture is left out: round
#   down.
# - All five numbers may be given at once, in the order of the signature below.
# - Where not even one window fits, raise a `ValueError`; a window that just fits counts.
# - The result is a whole number (`int`).
#
# By hand: 28 numbers with padding 1 are 30. A kernel of 3 can start at 0, 1, …, 27. With a stride of 2 it starts at
# 0, 2, …, 26: that is 14 times, as PyTorch said above. With a dilation of 4 as well, the kernel reaches over 9
# numbers, and the starts are 0, 2, …, 20: 11.
#
# Write `conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1)`.
#
# <details><summary>Hint 1: in two steps</summary>
#
# First: over how many numbers does the dilated kernel reach? Second: how much room is left for it to move, and how many
# strides go into that room?
#
# </details>
# <details><summary>Hint 2: whole numbers</summary>
#
# `7 / 2` is 3.5 and `8 / 2` is 4.0, a float. `7 // 2` is 3, an int.
#
# </details>

# %% nbgrader={"grade_id": "conv_output_size", "solution": true}
def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """How many windows fit on a row of `size` pixels.

    Returns:
        The number of places, an int of at least 1.

    Raises:
        ValueError: not even one window fits.
    """
    ### BEGIN SOLUTION
    reach = dilation * (kernel_size - 1) + 1
    room = size + 2 * padding - reach
    if room < 0:
        raise ValueError(f"a window that reaches over {reach} pixels does not fit on {size} with padding {padding}")
    return room // stride + 1
    ### END SOLUTION

# %% [markdown]
# Try it on the sizes from above, and on a layer that cannot be.

# %% tags=["demo"]
with try_it("conv_output_size"):
    print(conv_output_size(28, 3), conv_output_size(28, 3, padding=1), conv_output_size(28, 3, stride=2, padding=1))
    print(conv_output_size(28, 3, stride=2, padding=1, dilation=4))
    try:
        print(conv_output_size(4, 5))
    except ValueError as error:
        print("ValueError:", error)

# %% nbgrader={"grade_id": "conv_output_size_exam", "grade": true}
examine("conv_output_size", conv_output_size)

# %% [markdown]
# Now move the window yourself. The picture has 9×9 pixels; grey is padding. Two things to find out: which padding
# keeps the size for kernels of 3, 5 and 7? And when does a stride leave pixels that no window looks at?

# %% tags=["demo", "nbval-ignore-output"] frames={"dilation": [1, 2], "padding": [0, 1], "stride": [1, 2, 3]}
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle


def draw_window(kernel_size, stride, padding, dilation, window):
    side, reach = 9 + 2 * padding, dilation * (kernel_size - 1) + 1
    starts = range(0, side - reach + 1, stride)
    figure, axes = plt.subplots(figsize=(4.6, 4.6))
    axes.imshow(F.pad(torch.ones(9, 9), (padding,) * 4, value=0.85), cmap="gray", vmin=0, vmax=1,
                extent=(0, side, side, 0))
    for line in range(side + 1):
        axes.plot((0, side), (line, line), (line, line), (0, side), color="#999999", linewidth=0.6)
    if starts:
        window %= len(starts)**2
        top, left = starts[window // len(starts)], starts[window % len(starts)]
        for i in range(0, reach, dilation):
            for j in range(0, reach, dilation):
                axes.add_patch(Rectangle((left + j, top + i), 1, 1, facecolor=plots.ORANGE, alpha=0.5))
        axes.add_patch(Rectangle((left, top), reach, reach, fill=False, edgecolor=plots.ORANGE, linewidth=2.5))
        middles = [start + reach / 2 for start in starts]
        axes.scatter(middles * len(middles), [y for y in middles for _ in middles], s=14, color=plots.BLUE, zorder=3)
    title = f"9×9 → {len(starts)}×{len(starts)}" if starts else "no window fits"
    axes.set(title=title, xlim=(-0.1, side + 0.1), ylim=(side + 0.1, -0.1))
    axes.set_axis_off()
    return figure


plots.explore(draw_window, kernel_size=(3, 7), stride=(1, 4), padding=(0, 3), dilation=(1, 3), window=(0, 48))

# %% [markdown]
# For an odd kernel, a padding of (kernel_size − 1) / 2 keeps the size at stride 1 and dilation 1; with a dilation it
# takes that times the dilation. A stride can lose numbers at the end, where it does not come out even (pixels, or only
# padding), and between the windows, where it is larger than the kernel. With a dilation it can also miss what lies in
# the holes: kernel 3, stride 2, dilation 2 sees every second pixel alone. In PyTorch's documentation your function
# stands as one line:
#
# $$H_\text{out} = \left\lfloor \frac{H + 2 \cdot \text{padding} - \text{dilation} \cdot (\text{kernel\_size} - 1) - 1}
# {\text{stride}} \right\rfloor + 1$$
#
# The floor has a price.
#
# **Predict, then run.** Kernel 3, stride 2, padding 1. Which sizes become 14? (a) 28 alone. (b) 27 and 28. (c) 28 and
# 29.

# %% tags=["demo"]
halve = nn.Conv2d(1, 1, kernel_size=3, stride=2, padding=1)
for size in (26, 27, 28, 29):
    print(size, "->", halve(torch.ones(1, 1, size, size)).shape[-1])

# %% [markdown]
# It is (b). (a) is tempting because half of 28 is 14. But 27 pixels have a window that stands on the last one, too. The
# size that went in cannot be told from the size that came out.

# %% [markdown]
# ### [](#house_rules) House rules
#
# What a good function does, whatever it computes. From here on most tasks ask for it with two words, *house rules*:
#
# > - **Inputs stay as they were.** Who calls you may still need them.
# > - **Dtype in is dtype out.** float64 in gives float64 out. (`torch.zeros(2, 3)` is float32 unless told otherwise; it
# >   takes a `dtype=`, and `x.new_zeros(2, 3)` takes that of `x`.)
# > - **Any layout in memory.** No input need be *contiguous*.
# > - **Gradients flow** to every input: each number of the result was made from tensors, without `.item()`, `.detach()`
# >   or NumPy on the way.
#
# A tensor is a row of numbers in memory, and *steps*, which say how far it is from one number to the next in each
# dimension. `.T` copies nothing: it exchanges the steps. Where the numbers of each row lie side by side and the rows
# one after the other, the tensor is called contiguous:
#
# ![Six numbers in a row in memory. Above, a table of two rows and three columns with steps 3 and 1 reads them from left
# to right. Below, the transposed table of three rows and two columns reads the same six numbers with steps 1 and 3,
# jumping to and fro.](../../assets/01_convolution/in_memory.svg)
#
# `view` gives the same numbers another shape without a copy, and refuses where the steps do not allow that; `reshape`
# and `flatten` copy where they must.

# %% tags=["demo"]
table = torch.arange(1, 7).reshape(2, 3)
for name, tensor in {"table": table, "table.T": table.T, "table[:, ::2]": table[:, ::2]}.items():
    print(f"{name:<14} shape {tuple(tensor.shape)}, steps {tensor.stride()}, contiguous: {tensor.is_contiguous()}")

# %% [markdown]
# ## [](#channels) Many channels, many pictures
#
# A colour photograph has three channels, red, green and blue. How does a kernel look at three pictures at once? It
# becomes three kernels, one for each channel, and what they find is **added up**. Together they are one *filter*. A
# filter makes one output channel; a layer of 16 filters makes 16.
#
# ![Three input channels on the left; two filters of three kernels each in the middle, the kernels of a filter joined by
# plus signs and a bias; two output channels on the right.](../../assets/01_convolution/filters_and_channels.svg)
#
# So the weight has four dimensions: (out_channels, in_channels, kH, kW). The notes' next lines use the function
# `F.conv2d`, which takes the weight from you. Three channels go in, 16 filters of 5×5 look at them:

# %% tags=["demo"]
torch.manual_seed(1)
x = torch.randn(1, 3, 28, 28)
weight = torch.randn(16, 3, 5, 5)

for settings in (dict(padding=1), dict(padding=2), dict(padding=2, stride=2)):
    print(f"{settings!s:<28}", tuple(F.conv2d(x, weight, **settings).shape))

# %% [markdown]
# 26, 28 and 14 again, now for 5×5 kernels. Can you get them from the formula? 28 + 2 − 5 + 1 = 26, then
# 28 + 4 − 5 + 1 = 28, and with stride 2 it is ⌊(28 + 4 − 5) / 2⌋ + 1 = 14.
#
# For sizes that may be a number or a pair, here is a little helper. You may use it in your answers.

# %%
def pair(value):
    """(value, value) for a number; a pair stays a pair."""
    return value if isinstance(value, tuple) else (value, value)


# %% [markdown]
# ### [](#conv2d) The layer ●●●○○ 25 min
#
# Write `conv2d(x, weight, bias=None, stride=1, padding=0)` for a batch `x` of shape (N, C, H, W), a `weight` of shape
# (O, C, kH, kW) and a `bias` of shape (O,) or None. It returns (N, O, H′, W′), with H′ and W′ as in
# [](#conv_output_size). With $\tilde x$ for the padded `x` and strides $s_H, s_W$:
#
# $$y[n, o, p, q] = b[o] + \sum_{c} \sum_{i} \sum_{j} \tilde x[n,\; c,\; p\,s_H + i,\; q\,s_W + j] \cdot w[o, c, i, j]$$
#
# By hand, with one picture of two channels, one filter, and a bias of 10:
#
# $$x = \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}, \begin{bmatrix} 0 & 1 \\ 1 & 0 \end{bmatrix} \qquad
# w = \begin{bmatrix} 1 & 0 \\ 0 & 1 \end{bmatrix}, \begin{bmatrix} 0 & 1 \\ 1 & 0 \end{bmatrix}$$
#
# There is one window. The first channel gives 1 + 4, the second 1 + 1, the bias 10: the result is 17. With `padding=1`
# and `stride=2` there are four windows, each with one pixel of the picture in a corner; the result is `[[11, 11], [11,
# 14]]`.
#
# - An output channel adds up what its kernel finds in all input channels.
# - Every picture of the batch goes through the same filters, square or not.
# - `bias` has one number for each output channel, added once to every pixel of that channel.
# - `padding` puts zeros around the picture, on all four sides.
# - `stride` is the step of the window, downwards and to the right; a last step that leads off the picture is left out.
# - `stride` and `padding` are a number or a pair (height, width).
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
#   ([What that means](#house_rules).)
#
# <details><summary>Hint 1: which loops</summary>
#
# Loops over pictures, filters, channels and pixels are right, and slow. There are few kernel places and many pixels:
# loop over the kernel places (i, j). Which pixels does the weight at (i, j) meet, over all windows? They are a part of
# the padded picture that a slice with a step cuts out.
#
# </details>
# <details><summary>Hint 2: one kernel place</summary>
#
# At place (i, j) you have pixels of shape (N, C, H′, W′) and weights of shape (O, C). You want (N, O, H′, W′), with c
# summed over. `torch.einsum` writes such sums down in letters: `"ik,kj->ij"` is the product of two matrices.
#
# </details>
# <details><summary>Hint 3: padding and bias</summary>
#
# `F.pad(x, (left, right, top, bottom))` begins with the *last* dimension. `out + bias` lines up the *last* dimensions:
# give the bias a shape, (O, 1, 1), in which its numbers meet the channels.
#
# </details>

# %% nbgrader={"grade_id": "conv2d", "solution": true}
def conv2d(x, weight, bias=None, stride=1, padding=0):
    """Convolution as deep learning means it: cross-correlation, summed over the input channels.

    Args:
        x: (N, C, H, W).
        weight: (O, C, kH, kW).
        bias: (O,) or None.
        stride, padding: a number or a pair (height, width).

    Returns:
        (N, O, H', W'), as `torch.nn.functional.conv2d`.
    """
    ### BEGIN SOLUTION
    (down, right), (top, left) = pair(stride), pair(padding)
    x = F.pad(x, (left, left, top, top))
    kernel_height, kernel_width = weight.shape[2:]
    height = (x.shape[2] - kernel_height) // down + 1
    width = (x.shape[3] - kernel_width) // right + 1
    out = 0
    for i in range(kernel_height):
        for j in range(kernel_width):
            pixels = x[:, :, i:i + down * height:down, j:j + right * width:right]
            out += torch.einsum("nchw,oc->nohw", pixels, weight[:, :, i, j])
    if bias is not None:
        out += bias[:, None, None]
    return out
    ### END SOLUTION

# %% [markdown]
# Try it: the two examples, then the notes' layer, against PyTorch's.

# %% tags=["demo"]
with try_it("conv2d"):
    two_channels = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 0.0]]]])
    filter_ = torch.tensor([[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]])
    ten = torch.tensor([10.0])
    print(conv2d(two_channels, filter_, ten))
    print(conv2d(two_channels, filter_, ten, stride=2, padding=1))

    mine, theirs = conv2d(x, weight, stride=2, padding=2), F.conv2d(x, weight, stride=2, padding=2)
    print("as PyTorch:", mine.shape == theirs.shape and torch.allclose(mine, theirs, atol=1e-4))

# %% nbgrader={"grade_id": "conv2d_exam", "grade": true}
examine("conv2d", conv2d)

# %% [markdown]
# With three channels a filter can look for colours. Red minus the mean of green and blue, taken over a small window,
# finds what is red, and the same window with other weights finds what is blue:

# %% tags=["demo"]
colours = torch.tensor([[1.0, -0.5, -0.5], [-0.5, -0.5, 1.0]])  # two filters, a weight for each channel
colour_filters = (colours / 9)[:, :, None, None].expand(2, 3, 3, 3)

with try_it("conv2d"):
    photo = data.photo("china", height=150)
    red, blue = conv2d(photo[None], colour_filters, padding=1)[0]
    plots.images([photo, red, blue], ["photograph", "red", "blue"], vmin=0, vmax=0.12, height=1.9)

# %% [markdown]
# ## [](#one_product) The same, as one matrix product (hard)
#
# Three sums for every number of the result: isn't that slow? The answer that made convolutions fast is a trick with
# memory. It has two steps. The first one costs nothing: *see* all windows at once, without copying a single number.
#
# A tensor is numbers in memory and steps. So a tensor of windows needs no numbers of its own. It has six dimensions
# instead of four, picture, channel, place (two) and place in the window (two), and six steps. One pixel to the right is
# the same step in memory, whether a window moves or a place inside it does.

# %% [markdown]
# ### [](#windows) All windows, no copy ●●●○○ 15 min
#
# Write `windows(x, kernel_size, stride=1)` for `x` of shape (N, C, H, W). It returns a view of shape (N, C, H′, W′, kH,
# kW), by `x.as_strided(shape, steps)`:
#
# $$\text{windows}[n, c, p, q, i, j] = x[n,\; c,\; p\,s_H + i,\; q\,s_W + j]$$
#
# By hand: the picture with the rows 1 2 3, 4 5 6 and 7 8 9 lies in memory as nine numbers; one row down is 3 steps,
# one column to the right is 1. Its 2×2 windows have the shape (2, 2, 2, 2) and the steps (3, 1, 3, 1): from place to
# place as from pixel to pixel. Window (0, 1) begins at memory place 1 and reads 2, 3, 5, 6.
#
# - `result[n, c, p, q]` is the window whose upper left corner is at place (p, q) of channel c in picture n. (With a
#   stride, count in strides.)
# - Neither pictures nor windows have to be square; the largest window is the whole picture.
# - With a stride, windows start that many pixels apart; a last step that leads off the picture is left out.
# - `kernel_size` and `stride` are a number or a pair (height, width).
# - The result shares its memory with `x`, whatever its layout: whoever changes a pixel of `x` afterwards, sees it in
#   all windows that hold it.
# - `x` may lie in memory in any way: transposed, every second column, a part of a larger picture.
# - `windows` leaves `x` as it was, and gradients flow to it: a pixel that stands in several windows gets the sum.
# - `x.unfold` and `F.unfold` are off limits: they are what you build.
#
# <details><summary>Hint 1: the steps of x</summary>
#
# `x.stride()` gives four numbers, for picture, channel, row and column. They hold for every layout; numbers computed
# from the shape hold for a contiguous `x` alone.
#
# </details>
# <details><summary>Hint 2: six steps</summary>
#
# Places in the window: the steps of row and column. From window to window: the same, times the stride.
#
# </details>

# %% nbgrader={"grade_id": "windows", "solution": true}
def windows(x, kernel_size, stride=1):
    """All windows of a picture as a view: no number is copied.

    Args:
        x: (N, C, H, W).
        kernel_size, stride: a number or a pair (height, width).

    Returns:
        (N, C, H', W', kH, kW), in the memory of `x`.
    """
    ### BEGIN SOLUTION
    (height, width), (down, right) = pair(kernel_size), pair(stride)
    picture, channel, row, column = x.stride()
    places = ((x.shape[2] - height) // down + 1, (x.shape[3] - width) // right + 1)
    return x.as_strided((*x.shape[:2], *places, height, width),
                        (picture, channel, row * down, column * right, row, column))
    ### END SOLUTION

# %% [markdown]
# Try it on the picture of the example, and change one pixel afterwards. The 5 in the middle stands in all four windows.

# %% tags=["demo"]
with try_it("windows"):
    nine = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    seen = windows(nine, 2)
    print(tuple(seen.shape), "steps", seen.stride())
    nine[0, 0, 1, 1] = 500
    print(seen[0, 0].flatten(2).int().tolist())

# %% nbgrader={"grade_id": "windows_exam", "grade": true}
examine("windows", windows)

# %% [markdown]
# The second step copies. Every window becomes a column of its own:
#
# ![The four 2×2 windows of a 3×3 picture, each in its own colour, and beside them a 4×4 matrix whose four columns hold
# the numbers of the four windows.](../../assets/01_convolution/windows_to_columns.svg)
#
# Now a filter, written as a row, times this matrix gives what it finds in *all* windows. All filters, one per row,
# times this matrix: the whole layer. One matrix product: the thing that computers do best.

# %% [markdown]
# ### [](#unfold) Windows into columns ●●●●○ 25 min
#
# Write `unfold(x, kernel_size, stride=1, padding=0)`. For `x` of shape (N, C, H, W) it returns (N, C·kH·kW, L), where L
# is the number of windows, H′·W′:
#
# $$\text{columns}[n,\; c \cdot kH \cdot kW + i \cdot kW + j,\; p \cdot W' + q] =
# \tilde x[n,\; c,\; p\,s_H + i,\; q\,s_W + j]$$
#
# By hand: the picture with the rows 1 2 3, 4 5 6 and 7 8 9 and a 2×2 window give the matrix in the figure. Its first
# column is 1, 2, 4, 5: the first window, read like a text. With a second channel, 10 to 18, there are four rows more,
# and the first column goes on with 10, 11, 13, 14.
#
# - Column number l is window number l, counted as one reads: to the right, then down.
# - Row number c·kH·kW + i·kW + j holds what stands at place (i, j) of the window in channel c. So all places of channel
#   0 come first, then all of channel 1.
# - `padding` zeros lie around the picture, on all four sides.
# - The window moves by `stride`, downwards and to the right; a last step that leads off the picture is left out.
# - `kernel_size`, `stride` and `padding` are a number or a pair (height, width).
# - No Python loop over pixels or windows: the number of PyTorch calls must not grow with the picture. A loop over the
#   kernel's places is fine.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory, gradients flow.
# - `F.unfold` is what you build. Your own `windows` is allowed, and so is the *method* `x.unfold(dimension, size,
#   step)`.
#
# <details><summary>Hint 1: two ways</summary>
#
# *Place by place*: in [](#conv2d) you may have cut out the pixels that place (i, j) of the kernel meets. Each such
# part, flattened, is a row of each channel's block. Stack them. *Window by window, all at once*: look up what the
# method `Tensor.unfold` does, and use it for the height, then for the width.
#
# </details>
# <details><summary>Hint 2: the order of dimensions</summary>
#
# Write down the shape that you have, with a letter for each dimension, for instance (N, C, H′, W′, kH, kW). Write below
# it the one that you want: N, then c, i, j from slow to fast, then p, q from slow to fast. `permute` goes from one to
# the other. Only then join dimensions with `reshape` or `flatten`.
#
# </details>

# %% nbgrader={"grade_id": "unfold", "solution": true}
def unfold(x, kernel_size, stride=1, padding=0):
    """Copy every window into a column.

    Args:
        x: (N, C, H, W).
        kernel_size, stride, padding: a number or a pair (height, width).

    Returns:
        (N, C * kH * kW, L), as `torch.nn.functional.unfold`; L is the number of windows.
    """
    ### BEGIN SOLUTION
    (height, width), (down, right), (top, left) = pair(kernel_size), pair(stride), pair(padding)
    windows = F.pad(x, (left, left, top, top)).unfold(2, height, down).unfold(3, width, right)
    windows = windows.permute(0, 1, 4, 5, 2, 3)  # (N, C, H', W', kH, kW) to (N, C, kH, kW, H', W')
    return windows.flatten(4).flatten(1, 3)
    ### END SOLUTION

# %% [markdown]
# Try it on the picture of the figure, with its second channel. There should be eight rows and four columns.

# %% tags=["demo"]
with try_it("unfold"):
    print(unfold(torch.arange(1.0, 19.0).reshape(1, 2, 3, 3), 2)[0].int())

# %% nbgrader={"grade_id": "unfold_exam", "grade": true}
examine("unfold", unfold)

# %% [markdown]
# ### The whole layer in one line
#
# No points here, only the harvest. Flatten each filter into a row, and the layer is `@`, the matrix product. The result
# (N, O, L) becomes (N, O, H′, W′) by a `reshape`:

# %% tags=["demo"]
with try_it("unfold"):
    columns = unfold(x, 5, stride=2, padding=2)  # (1, 75, 196)
    rows = weight.flatten(1)  # (16, 75)
    out = (rows @ columns).reshape(1, 16, 14, 14)
    print(tuple(rows.shape), "@", tuple(columns.shape[1:]), "->", tuple(out.shape))
    print("as PyTorch:", torch.allclose(out, F.conv2d(x, weight, stride=2, padding=2), atol=1e-4))
    copies = unfold(x, 5, padding=2).numel() / x.numel()
    print(f"at stride 1 the columns hold {copies:.0f} numbers for every number of the picture")

# %% [markdown]
# The price stands in the last line: 25 numbers for every number of the picture. (One in the middle stands in 25
# windows, one in the corner in nine; what is left are the border's zeros.) PyTorch's code pays it piece by piece, or
# finds ways around it, but the matrix product stays at its heart. (K. Chellapilla, S. Puri and P. Simard described the
# trick in 2006; you will meet it as *im2col*.)
#
# ### A race
#
# Four ways to compute one layer: window by window, as in `cross_correlate`; kernel place by kernel place, your
# `conv2d`; one matrix product, with your `unfold`; and PyTorch's own.
#
# **Predict, then run.** How many times faster than window by window is the matrix product, here with 16 filters of
# 5×5 on 28×28 pixels? (a) About twice. (b) About ten times. (c) More than fifty times.

# %% tags=["demo", "nbval-ignore-output"]
from time import perf_counter


def window_by_window(x, weight):
    height, width = x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1
    out = torch.empty(len(x), len(weight), height, width)
    for p in range(height):
        for q in range(width):
            window = x[:, :, p:p + weight.shape[2], q:q + weight.shape[3]]
            out[:, :, p, q] = torch.einsum("ncij,ocij->no", window, weight)
    return out


with try_it("conv2d and unfold"):
    ways = {"window by window": window_by_window, "kernel place by kernel place": conv2d,
            "one matrix product": lambda x, weight: weight.flatten(1) @ unfold(x, weight.shape[2:]),
            "F.conv2d": F.conv2d}
    for name, way in ways.items():
        times = []
        for _ in range(5):
            start = perf_counter()
            way(x, weight)
            times.append(perf_counter() - start)
        print(f"{name:<29} {1000 * min(times):7.2f} ms")

# %% [markdown]
# It is (c): on the machine this was written on, several hundred times. (b) is tempting, for the sums are the same ones,
# and as many. But a Python loop pays for each of its 576 calls, whatever a call computes; the matrix product is one
# call. Your `conv2d` lies between: 25 calls, one per kernel place.

# %% [markdown]
# ## [](#gradients) Gradients go back (hard)
#
# A network learns its kernels. For that, training needs up to three gradients of the loss from each layer: with respect
# to its weight, its bias, and its input, where that is the output of the layer before. Autograd delivers them. Here you
# do it by hand, once, to know what happens.
#
# All of it follows from one product. Somewhere in the forward pass stands `out = … + pixel * weight + …`. If the loss
# changes by g for each unit of `out`, then by the chain rule it changes by g · pixel for each unit of the weight, and
# by g · weight for each unit of the pixel. Look at one output:
#
# ![Forward: a window of x and the weight give one output. To the weight: that output's gradient 2 times the same window
# of x is a share in grad_weight. To x: the gradient 2 times the weight, laid on the window's place, is a share in
# grad_x.](../../assets/01_convolution/gradients_go_back.svg)
#
# **To the weight** goes the gradient times the window. **To x** goes the gradient times the kernel, laid down where the
# window was. Then all outputs add up their shares.

# %% [markdown]
# ### Measure a slope
#
# How does one know that a gradient is right? By measuring it. Move one number a little up, a little down, look by how
# much the result changed, and divide. That needs no calculus and works for every smooth function; it is only slow: two
# calls per number. So one computes gradients by formula, and measures a few to find mistakes in the formula. Build the
# ruler first.

# %% [markdown]
# ### [](#numerical_gradient) The ruler ●●○○○ 15 min
#
# Write `numerical_gradient(f, x, eps=1e-6)`. `f` takes a tensor of the shape of `x` and gives one number. For every
# number $x_k$ the result has the *central difference*, with $e_k$ a tensor of zeros with a 1 at place k:
#
# $$\frac{f(x + \text{eps} \cdot e_k) - f(x - \text{eps} \cdot e_k)}{2 \cdot \text{eps}}$$
#
# By hand: f is the sum of the cubes, `x = [1, 2]`, `eps = 0.5`. For the first number, (1.5³ − 0.5³) / 1 = 3.25; for the
# second, (2.5³ − 1.5³) / 1 = 12.25. The true slopes are 3 and 12: the error is eps², here 0.25.
#
# - For each number of `x`: move it up by `eps`, move it down by `eps`, and divide the difference of the two results by
#   2·eps.
# - `eps` says how far; left out, it is 1e-6.
# - While one number is moved, all others are where they were.
# - `x` may have any shape and any layout in memory; the result has the shape of `x`.
# - All of it is done in float64, also where `x` is float32, and the result is float64.
# - `f` gives its number as a tensor of shape () or as a Python float.
# - `x` is not changed, not by a rounding error, and not where `f` stops with an error.
# - Autograd is off limits.
#
# <details><summary>Hint 1: a move</summary>
#
# Make a tensor of zeros of the shape of `x` and put `eps` in one place: then `f(x + move)` and `f(x - move)` leave `x`
# alone. `torch.eye(n)` holds n such tensors, one per row.
#
# </details>
# <details><summary>Hint 2: a trap</summary>
#
# `x.double()` of a float64 tensor is `x` itself, not a copy.
#
# </details>

# %% nbgrader={"grade_id": "numerical_gradient", "solution": true}
def numerical_gradient(f, x, eps=1e-6):
    """The gradient of `f` at `x`, measured by central differences in float64.

    Args:
        f: takes a tensor of the shape of `x`, gives one number.
        x: a tensor of any shape.
        eps: how far each number is moved, up and down.

    Returns:
        A float64 tensor of the shape of `x`.
    """
    ### BEGIN SOLUTION
    x = x.double()
    slopes = []
    for one in torch.eye(x.numel(), dtype=x.dtype):
        move = eps * one.reshape(x.shape)
        slopes.append((float(f(x + move)) - float(f(x - move))) / (2 * eps))
    return torch.tensor(slopes, dtype=torch.float64).reshape(x.shape)
    ### END SOLUTION

# %% [markdown]
# Try it on the example, and on a function whose gradient is known: the derivative of the sine is the cosine.

# %% tags=["demo"]
with try_it("numerical_gradient"):
    print(numerical_gradient(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), eps=0.5))
    angles = torch.linspace(0, 3, 4)
    error = numerical_gradient(lambda x: x.sin().sum(), angles) - angles.double().cos()
    print(f"sine: largest error {error.abs().max():.0e}")

# %% nbgrader={"grade_id": "numerical_gradient_exam", "grade": true}
examine("numerical_gradient", numerical_gradient)

# %% [markdown]
# How far should one move? Less is not always better:
#
# ![Error of the slope measured of the cube over eps, both axes logarithmic. In float64 the error falls with eps squared
# to about 2e-11 at an eps near 3e-6, then rises again as eps gets smaller. In float32 it never falls below about 9e-6,
# reached near 3e-3.](../../assets/01_convolution/error_against_eps.svg)
#
# On the right of each valley the function's bend is to blame: the error falls with eps². On the left, numbers have too
# few digits: f(x + eps) and f(x − eps) differ only in the last ones, and what rounding cut off is divided by a small
# number. Float32 has seven digits. A gradient that is measured in it tells little, so gradients are checked in float64.
#
# <details><summary>Why eps²?</summary>
#
# Taylor: f(x ± ε) = f(x) ± ε f′(x) + ε²/2 f″(x) ± ε³/6 f‴(x) + …. In the difference of both, f(x) and f″(x) cancel.
# What is left, divided by 2ε, is f′(x) + ε²/6 f‴(x). With one side alone, f(x + ε) − f(x), f″ stays, and the error is
# ε/2 f″(x). For the cube f‴ is 6: the error is ε², as in the example.
#
# </details>

# %% [markdown]
# ### [](#conv2d_backward) Backwards ●●●●● 40 min
#
# Write `conv2d_backward(grad_out, x, weight, stride=1, padding=0)`. `grad_out` has the shape of the output, (N, O, H′,
# W′); it is the gradient of the loss with respect to the output, given from above. Return the tuple `(grad_x,
# grad_weight, grad_bias)`, each of the shape of what it is the gradient of; the bias has shape (O,).
#
# By hand, with the numbers of the figure, `grad_out` being 1 in the upper left and 2 in the lower right:
#
# $$\text{grad\_weight} = 1 \cdot \begin{bmatrix} 1 & 2 \\ 0 & 1 \end{bmatrix} +
# 2 \cdot \begin{bmatrix} 1 & 3 \\ 1 & 1 \end{bmatrix} =
# \begin{bmatrix} 3 & 8 \\ 2 & 3 \end{bmatrix} \qquad \text{grad\_bias} = 1 + 2 = 3$$
#
# $$\text{grad\_x} = \begin{bmatrix} 1 & -1 & 0 \\ 0 & 2 & 0 \\ 0 & 0 & 0 \end{bmatrix} +
# \begin{bmatrix} 0 & 0 & 0 \\ 0 & 2 & -2 \\ 0 & 0 & 4 \end{bmatrix} =
# \begin{bmatrix} 1 & -1 & 0 \\ 0 & 4 & -2 \\ 0 & 0 & 4 \end{bmatrix}$$
#
# All four windows saw the pixel in the middle. Two of them have a gradient here, and it gets their sum, 4.
#
# - `grad_bias[o]` is the sum of `grad_out` over pictures, rows and columns of channel o.
# - `grad_weight[o, c, i, j]` adds up, over the whole batch, `grad_out` times the number of `x` that this weight met.
# - `grad_x` adds up, for each number of `x`, what comes back through all windows that saw it.
# - Stride and padding decide which number of `x` a weight met.
# - `grad_x` has the shape of `x`: no border, and zeros where no window ever looked.
# - `stride` and `padding` are, as before, a number or a pair (height, width); the kernel may be oblong.
# - House rules hold: inputs stay as they were, dtype in is dtype out, any layout in memory; gradients of these
#   gradients are not asked for.
# - Autograd is off limits: no `requires_grad`, no `backward`. So are PyTorch's convolutions, `F.unfold` and `F.fold`.
#
# <details><summary>Hint 1: where to start</summary>
#
# Take the loop over kernel places from your `conv2d`. Its one line multiplies pixels, (N, C, H′, W′), with a weight,
# (O, C), and adds into the output, (N, O, H′, W′). Both gradients are sums of products of the same three things; write
# down for each which letters are summed over.
#
# </details>
# <details><summary>Hint 2: grad_x</summary>
#
# Work on a padded copy: make zeros of the *padded* shape, let every kernel place add its share to the very slice from
# which the forward pass took its pixels, and cut the border off at the end. What no slice touches stays zero.
#
# </details>
# <details><summary>Hint 3: am I right?</summary>
#
# The cell below your answer compares with autograd, and with your `numerical_gradient`. Begin with one picture, one
# channel, no stride and no padding; then add one thing at a time.
#
# </details>

# %% nbgrader={"grade_id": "conv2d_backward", "solution": true}
def conv2d_backward(grad_out, x, weight, stride=1, padding=0):
    """The gradients of `conv2d`, from the gradient of the loss with respect to its output.

    Args:
        grad_out: (N, O, H', W').
        x: (N, C, H, W), the input of the forward pass.
        weight: (O, C, kH, kW).
        stride, padding: a number or a pair (height, width), as in the forward pass.

    Returns:
        grad_x (N, C, H, W), grad_weight (O, C, kH, kW), grad_bias (O,).
    """
    ### BEGIN SOLUTION
    (down, right), (top, left) = pair(stride), pair(padding)
    padded = F.pad(x, (left, left, top, top))
    grad_padded = torch.zeros_like(padded)
    grad_weight = torch.empty_like(weight)
    height, width = grad_out.shape[2:]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            rows, columns = slice(i, i + down * height, down), slice(j, j + right * width, right)
            pixels = padded[:, :, rows, columns]
            grad_weight[:, :, i, j] = torch.einsum("nohw,nchw->oc", grad_out, pixels)
            grad_padded[:, :, rows, columns] += torch.einsum("nohw,oc->nchw", grad_out, weight[:, :, i, j])
    grad_x = grad_padded[:, :, top:top + x.shape[2], left:left + x.shape[3]]
    return grad_x, grad_weight, grad_out.sum((0, 2, 3))
    ### END SOLUTION

# %% [markdown]
# Try it: first the example by hand, then a batch with everything, against autograd.

# %% tags=["demo"]
def compare_with_autograd(x, weight, **settings):
    """Whether the three gradients are autograd's, for a random gradient from above."""
    x, weight = x.requires_grad_(), weight.requires_grad_()
    bias = torch.zeros(len(weight), requires_grad=True)
    out = F.conv2d(x, weight, bias, **settings)
    grad_out = torch.randn(out.shape)
    theirs = torch.autograd.grad(out, (x, weight, bias), grad_out)
    mine = conv2d_backward(grad_out, x.detach(), weight.detach(), **settings)
    for name, one, other in zip(("grad_x", "grad_weight", "grad_bias"), mine, theirs, strict=True):
        print(f"{name:<12}", one.shape == other.shape and torch.allclose(one, other, atol=1e-3))


with try_it("conv2d_backward"):
    image = torch.tensor([[[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 1.0, 1.0]]]])
    kernel = torch.tensor([[[[1.0, -1.0], [0.0, 2.0]]]])
    for gradient in conv2d_backward(torch.tensor([[[[1.0, 0.0], [0.0, 2.0]]]]), image, kernel):
        print(gradient)
    compare_with_autograd(torch.randn(4, 3, 28, 28), torch.randn(16, 3, 5, 5), stride=2, padding=2)

with try_it("numerical_gradient and conv2d_backward"):
    ones = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    measured = numerical_gradient(lambda kernel: F.conv2d(image.double(), kernel).sum(), kernel)
    print("grad_weight, measured:", torch.allclose(measured, conv2d_backward(ones, image.double(), kernel.double())[1]))

# %% nbgrader={"grade_id": "conv2d_backward_exam", "grade": true}
examine("conv2d_backward", conv2d_backward)

# %% [markdown]
# <details><summary>The derivation, letter by letter</summary>
#
# The forward pass is $y[n,o,p,q] = b[o] + \sum_{c,i,j} \tilde x[n,c,p s_H + i,q s_W + j]\, w[o,c,i,j]$, and the loss
# $L$ depends on $y$ with $g = \partial L / \partial y$. By the chain rule $\partial L / \partial w[o,c,i,j]$ is the
# sum over all $n, p, q$ of $g[n,o,p,q]$ times what stands beside $w[o,c,i,j]$ in $y[n,o,p,q]$:
#
# $$\frac{\partial L}{\partial w[o,c,i,j]} = \sum_{n,p,q} g[n,o,p,q] \cdot \tilde x[n,c,p s_H + i,q s_W + j]$$
#
# The bias stands alone, beside a 1: $\partial L / \partial b[o] = \sum_{n,p,q} g[n,o,p,q]$. A pixel $\tilde
# x[n,c,r,s]$ stands in every $y[n,o,p,q]$ with $r = p s_H + i$ and $s = q s_W + j$ for some place $(i, j)$ of the
# kernel, beside $w[o,c,i,j]$:
#
# $$\frac{\partial L}{\partial \tilde x[n,c,r,s]} =
# \sum_{o} \sum_{\substack{p,\,i:\; p s_H + i = r \\ q,\,j:\; q s_W + j = s}} g[n,o,p,q] \cdot w[o,c,i,j]$$
#
# Nobody searches for such pairs: one goes through all $(p, q)$ and $(i, j)$ and adds each product at its place. At
# stride 1 the pairs are $p = r - i$, $q = s - j$: the kernel's index runs against the picture's. That is the turned
# kernel.
#
# </details>
#
# Look at what goes back to `x`: each gradient, times the kernel, laid down and added up. Seen from one pixel, the
# windows that saw it begin above it and to its left. The next window to the right met it with the kernel's next
# number to the *left*: the order is reversed. At stride 1 and without padding, `grad_x` is therefore the
# cross-correlation of `grad_out` (with kernel_size − 1 zeros around it) and the kernel **turned by 180°**, which is the
# convolution of mathematics. Here it is, after all.
#
# ### A kernel is learned
#
# Now use your gradient. Run Sobel's first kernel over the photograph, and keep nothing but the result. Can training
# find the kernel? Start from zeros, and let each step reduce the mean squared error; its gradient with respect to the
# output is `2 * (out - target) / count`.

# %% tags=["demo"]
picture = data.photo("china", height=60).mean(dim=0)[None, None]
picture = (picture - picture.mean()) / picture.std()

with try_it("edge_kernels, conv2d and conv2d_backward"):
    target = conv2d(picture, edge_kernels()[:1])
    learned, kept = nn.Parameter(torch.zeros(1, 1, 3, 3)), []
    optimizer = torch.optim.SGD([learned], lr=0.2, momentum=0.9)
    for _ in range(151):
        kept.append(learned.detach().clone())
        error = conv2d(picture, kept[-1]) - target
        learned.grad = conv2d_backward(2 * error / error.numel(), picture, kept[-1])[1]
        optimizer.step()
    plots.images([kept[step][0, 0] for step in (1, 10, 30, 150)], [f"step {step}" for step in (1, 10, 30, 150)],
                 cmap="PuOr", vmin=-2, vmax=2, height=1.6)
    print(learned.detach().round(decimals=1)[0, 0] + 0)  # + 0 makes 0 of −0

# %% [markdown]
# Sobel's kernel, found from examples: nine of the eighteen numbers from the top of the chapter. (At step 10 its corners
# have run too far, at step 30 they have swung back: that is the momentum.) The learned kernels of every network are
# found like this one, by these gradients.

# %% [markdown]
# ## [](#cost) What a layer costs
#
# Two bills come with a layer. **Parameters** are numbers to store and to learn. **MACs** (*multiply-accumulates*: one
# multiplication and one addition) are work, once for each picture. A convolution shares its weights among all places,
# so it has few parameters, and still multiplies at every pixel.
#
# Where the bill is too high, `groups` makes it smaller. The channels are split into groups, and a filter looks at its
# own group alone. At the extreme every filter looks at a single channel; that is called *depthwise*.
#
# ![Four input channels and four output channels as dots, a line for each kernel. groups=1: all 16 lines. groups=2: the
# upper two and the lower two are joined among themselves, 8 lines. groups=4: four lines straight
# across.](../../assets/01_convolution/grouped_filters.svg)

# %% [markdown]
# ### [](#count_cost) Two bills ●●○○○ 10 min
#
# Write `count_cost(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True)`; it returns `(parameters,
# macs)` of one convolution layer, both `int`. `out_size` is the size of what comes out, and the MACs are those of one
# picture.
#
# By hand: `nn.Conv2d(3, 16, kernel_size=5)` on 32×32 pixels gives 28×28. A filter has 3·5·5 = 75 weights. 16 filters
# have 1200, and 16 biases: 1216 parameters. Each weight is used at 28·28 = 784 pixels: 940,800 MACs.
#
# - A filter has one weight for each kernel place in each input channel, and one bias.
# - Every weight is used once at every output pixel; adding the bias is not counted. (Windows on the border count like
#   all others.)
# - With `bias=False` there are no biases to count.
# - With `groups=g`, a filter sees only one g-th of the input channels.
# - Depthwise means `groups=in_channels`: every filter sees a single channel.
# - `kernel_size` and `out_size` are a number or a pair (height, width).
# - Where `groups` does not divide both channel numbers, raise a `ValueError`.
# - Both numbers are whole (`int`), with groups, too.
#
# <details><summary>Hint 1: groups</summary>
#
# With groups there are still `out_channels` filters. What changes is how many kernels one filter has: count the lines
# that end in one dot on the right of the figure.
#
# </details>
# <details><summary>Hint 2: a check</summary>
#
# `nn.Conv2d(8, 16, 3, groups=4).weight.shape` shows how many numbers PyTorch stores.
#
# </details>

# %% nbgrader={"grade_id": "count_cost", "solution": true}
def count_cost(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    """What a convolution layer costs.

    Args:
        kernel_size, out_size: a number or a pair (height, width).

    Returns:
        The number of parameters, and the multiply-accumulates of one picture, without the bias's additions.

    Raises:
        ValueError: `groups` does not divide both channel numbers.
    """
    ### BEGIN SOLUTION
    if in_channels % groups != 0 or out_channels % groups != 0:
        raise ValueError(f"{groups} groups do not divide {in_channels} and {out_channels} channels")
    (kernel_height, kernel_width), (height, width) = pair(kernel_size), pair(out_size)
    weights = out_channels * (in_channels // groups) * kernel_height * kernel_width
    parameters = weights + out_channels if bias else weights
    return parameters, weights * height * width
    ### END SOLUTION

# %% [markdown]
# Try it on layers of famous networks: the first layer of ResNet, a layer in the middle of VGG (without its bias), and
# the pair by which MobileNet replaces such a layer.

# %% tags=["demo"]
with try_it("count_cost"):
    layers = {
        "by hand: 3 → 16, 5×5, on 28×28": (3, 16, 5, 28),
        "ResNet's first: 3 → 64, 7×7, on 112×112": (3, 64, 7, 112, 1, False),
        "VGG: 256 → 256, 3×3, on 56×56": (256, 256, 3, 56, 1, False),
        "depthwise: 256, 3×3, on 56×56": (256, 256, 3, 56, 256, False),
        "pointwise: 256 → 256, 1×1, on 56×56": (256, 256, 1, 56, 1, False),
    }
    for name, settings in layers.items():
        parameters, macs = count_cost(*settings)
        print(f"{name:<40} {parameters:>8,} parameters {macs:>14,} MACs")

# %% nbgrader={"grade_id": "count_cost_exam", "grade": true}
examine("count_cost", count_cost)

# %% [markdown]
# A depthwise layer looks around but mixes no channels; a 1×1 layer mixes channels but does not look around. Together
# they see what the full layer above sees, every channel of every neighbour, for (2,304 + 65,536) / 589,824: less than
# an eighth of its weights and of its work. They cannot compute all that it can. In the full layer each of the 256
# filters has a 3×3 kernel of its own for each channel; in the pair all filters share one kernel per channel and
# differ only by how much they take of it. That is often enough, and so networks fit on mobile phones (A. Howard and
# colleagues, 2017).

# %% [markdown]
# ## [](#view) How far a layer sees
#
# A 3×3 window sees three pixels across. No object fits into that. But the next layer looks at outputs that have each
# seen three pixels, and sees five; and where a layer has a stride, all layers behind it take larger steps on the
# picture:
#
# ![Three layers of kernel 3 over a row of 13 pixels; the second has stride 2. The lines from one output of the third
# layer spread over 7 outputs of the first layer and 9 pixels of the
# input.](../../assets/01_convolution/growing_view.svg)
#
# The pixels that one output depends on are its *receptive field*: 3, then 5, then 9 wide. A network that has to
# recognise a whole digit needs one that covers a digit.

# %% [markdown]
# ### [](#receptive_field) The view ●●●○○ 10 min
#
# Write `receptive_field(layers)`. `layers` is a list, from the picture's side, with a tuple `(kernel_size, stride,
# dilation)` of numbers for each layer. The result, an `int`, is the width of what one output of the last layer sees:
# from the first pixel to the last one.
#
# By hand, for the figure, `[(3, 1, 1), (3, 2, 1), (3, 1, 1)]`: at first an output is one pixel wide. The first layer
# adds 2: it sees 3. In the second one, neighbours lie one pixel apart, and it adds 2: it sees 5. In the third one,
# neighbours lie *two* pixels apart, for the layer before had stride 2: it adds 2·2 and sees 9.
#
# - Without a layer an output is an input: `receptive_field([])` is 1. One plain layer sees its kernel.
# - Without strides, each further layer widens the view by `kernel_size - 1`.
# - A stride spreads out all layers behind it, but not the layer itself. Several strides multiply.
# - A dilation pulls the kernel apart; the holes count into the view.
# - Kernel, stride and dilation may change from layer to layer; the list itself stays as it was.
#
# <details><summary>Hint 1: two numbers</summary>
#
# Go through the layers and carry two numbers along: how wide the view is, and how many pixels of the picture lie
# between two neighbours at this level. Each layer changes both. In which order?
#
# </details>
# <details><summary>Hint 2: dilation</summary>
#
# [](#conv_output_size) has it: how far is it from a dilated kernel's first number to its last one?
#
# </details>

# %% nbgrader={"grade_id": "receptive_field", "solution": true}
def receptive_field(layers):
    """How many pixels across one output of the last layer depends on, holes included.

    Args:
        layers: a list of (kernel_size, stride, dilation), the first layer first.

    Returns:
        The width, an int.
    """
    ### BEGIN SOLUTION
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump *= stride
    return field
    ### END SOLUTION

# %% [markdown]
# Try it, and check it against the truth. In these layers all weights are 1: if an output depends on a pixel, its
# gradient with respect to that pixel is not zero. So build the layers, ask autograd for the gradient of the middle
# output, and look where it is not zero:

# %% tags=["demo"]
def gradient_support(layers, size=31):
    """Where one output's gradient is not zero, on (size, size) pixels: 1 there, 0 elsewhere."""
    x = torch.rand(1, 1, size, size, requires_grad=True)
    out = x
    for kernel_size, stride, dilation in layers:
        weight = torch.ones(1, 1, kernel_size, kernel_size)
        out = F.conv2d(out, weight, stride=stride, dilation=dilation)
    gradient, = torch.autograd.grad(out[0, 0, out.shape[2] // 2, out.shape[3] // 2], x)
    return (gradient[0, 0] != 0).float()


stacks = {"one 7×7": [(7, 1, 1)], "three 3×3": [(3, 1, 1)] * 3, "stride 2 each": [(3, 2, 1)] * 3,
          "dilation 1, 2, 4": [(3, 1, 1), (3, 1, 2), (3, 1, 4)], "one 3×3, dilation 8": [(3, 1, 8)]}
views = {name: gradient_support(layers) for name, layers in stacks.items()}
plots.images(list(views.values()), list(views), cmap="Blues", vmin=0, vmax=1, height=1.7)

with try_it("receptive_field"):
    for name, layers in stacks.items():
        rows = views[name].any(dim=1).nonzero()
        print(f"{name:<20} yours {receptive_field(layers):>2}, by gradient {(rows.max() - rows.min()).item() + 1:>2}")

# %% nbgrader={"grade_id": "receptive_field_exam", "grade": true}
examine("receptive_field", receptive_field)

# %% [markdown]
# Three 3×3 layers see as far as one 7×7 layer, with 27 weights instead of 49, and leave room for a nonlinear function
# after each layer (the story of another chapter). That is why most convolutional networks since 2014 are built of 3×3
# kernels (K. Simonyan, A. Zisserman). Strides and dilations see further still, with the same 27; the last picture
# shows what a dilation costs: it looks at nine pixels and misses those in between.

# %% [markdown]
# ## What can go wrong
#
# Some mistakes stop with an error. Read what PyTorch says; you will meet each of these messages again:

# %% tags=["demo"]
from textwrap import fill


def attempt(what, call):
    try:
        print(f"{what}: runs, {tuple(call().shape)}")
    except RuntimeError as error:
        print(fill(f"{what}: {error}", 100, subsequent_indent="    "))


photo, weight = data.photo("china", height=120), torch.randn(16, 3, 5, 5)
attempt("channels last", lambda: F.conv2d(photo.permute(1, 2, 0)[None], weight))
attempt("in and out exchanged", lambda: F.conv2d(photo[None], weight.transpose(0, 1)))
attempt("in and out exchanged, 3 and 3", lambda: F.conv2d(photo[None], weight[:3].transpose(0, 1)))
attempt("bytes, not floats", lambda: F.conv2d((255 * photo).byte()[None], weight))
attempt("no channel dimension", lambda: F.conv2d(palace, weight[:, :1]))
attempt("no batch dimension", lambda: F.conv2d(photo, weight))

# %% [markdown]
# **1. Axes in another order.** Matplotlib and Pillow keep pictures as (H, W, C), PyTorch as (C, H, W). **2. In and
# out exchanged** in the weight: an error where 16 come out of 3, and *not a word* where as many come out as go in;
# then only the numbers are wrong. **3. Bytes.** Divide by 255 first. **4. A missing channel dimension**, the
# commonest of all; `x[None, None]` adds what is missing. The last line is no mistake: a picture without a batch
# dimension is taken as it is, and there is none in the result.
#
# The others run without a word. **5. An even kernel** has no middle. Without dilation, no number as padding keeps the
# size (`padding="same"` does: it puts one zero more on one side); with a dilation of 2 its reach is odd, and one does:

# %% tags=["demo"]
for padding in (1, 2):
    out = F.conv2d(torch.ones(1, 1, 28, 28), torch.ones(1, 1, 4, 4), padding=padding)
    print(f"kernel 4, padding {padding}: 28 -> {out.shape[-1]}")
out = F.conv2d(torch.ones(1, 1, 28, 28), torch.ones(1, 1, 4, 4), padding=3, dilation=2)
print(f"kernel 4, padding 3, dilation 2: 28 -> {out.shape[-1]}")

# %% [markdown]
# **6. The border of zeros is an edge.** Padding keeps the size, but to the kernel the picture then stands in a black
# frame: on the left and on the right Sobel finds edges that nobody photographed. **7. A turned kernel**, where
# somebody's code computes the convolution of mathematics. With a blur, which looks the same from all sides, nothing
# shows. With Sobel's kernel bright and dark change places.

# %% tags=["demo"]
sky, blur = palace[:60, 60:160][None, None], torch.ones(1, 1, 3, 3) / 9
difference = F.conv2d(sky, blur) - F.conv2d(sky, blur.flip(2, 3))
print("a blur, straight and turned: largest difference", difference.abs().max().item())

with try_it("edge_kernels"):
    sobel = edge_kernels()[:1]
    shown = [F.conv2d(sky, sobel, padding=1), F.conv2d(sky, sobel), F.conv2d(sky, sobel.flip(2, 3))]
    plots.images([picture[0, 0] for picture in shown], ["padding 1: false edges", "no padding", "turned kernel"],
                 cmap="PuOr", vmin=-1.5, vmax=1.5, height=1.8)
    print("Sobel turned is Sobel times −1:", torch.allclose(shown[2], -shown[1], atol=1e-5))

# %% [markdown]
# ### Mend it
#
# Somebody wrote the edge finder below. It runs, and its picture looks like something. Three things are wrong. Do not
# search in the code first: look at the numbers. On flat ground an edge finder must say 0 everywhere, the border
# included. On a slope that rises by 1 per pixel to the right, `across` must say ±8 and `down` 0. Change `finder`
# until all numbers are right.

# %% tags=["demo"]
def finder(picture):
    across = torch.tensor([[1.0, 0, 1], [2, 0, 2], [1, 0, 1]])
    down = torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 1, 1]])
    return F.conv2d(picture[None, None], torch.stack([across, down])[:, None], padding=1)[0]


grounds = {"flat": torch.ones(6, 6), "rising to the right": torch.arange(6.0).expand(6, 6)}
for name, ground in grounds.items():
    for kernel_name, answer in zip(("across", "down"), finder(ground), strict=True):
        inside, whole = answer[1:-1, 1:-1].mean().item(), answer.abs().max().item()
        print(f"{name:<20} {kernel_name:<7} middle {inside:6.2f}   largest, border included {whole:6.2f}")

# %% [markdown]
# <details><summary>What was wrong</summary>
#
# `across` adds left and right instead of subtracting: on flat ground it says 8. `down` has 1 in the place of its
# lower 2: it says −1 on flat ground, where it must say 0. And `padding=1` makes a frame of false edges: the middle is
# right, the border is not. Without padding the frame is gone, and the result is two pixels smaller.
#
# </details>

# %% [markdown]
# Test your kernels on a picture that is *not* symmetric, with a kernel that is not symmetric, on sizes that are not
# square. Such inputs find most mistakes of this chapter, and the exams are made of them. Hand in the seventh mistake on
# purpose, and see what the exam says. (These are not your points: those stand under [](#cross_correlate).)

# %% tags=["demo", "nbval-ignore-output"]
def convolve(image, kernel):
    return cross_correlate(image, kernel.flip(0, 1))


examine("cross_correlate", convolve)

# %% [markdown]
# ## To keep
#
# 1. A convolution layer slides one small kernel over the whole picture. It looks at neighbours only, and everywhere
#    with the same weights.
# 2. What deep learning calls convolution is cross-correlation. The turned kernel appears when gradients go back to the
#    input.
# 3. Output size: ⌊(size + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1.
# 4. The weight is (out_channels, in_channels / groups, kH, kW). A filter adds up over its input channels; it has as
#    many parameters on a stamp as on a poster, but works at every pixel.
# 5. Unfolded, the layer is one matrix product. Stacked, layers see further: each adds dilation·(kernel_size − 1) times
#    all strides before it.
#
# And the lines of the palace? Eighteen numbers drew them, two filters that you chose. A net has thousands of filters,
# and nobody chooses: gradients do.
#
# **In production**: `nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias)`,
# called as `layer(x)`; or `F.conv2d(x, weight, bias, stride, padding, dilation, groups)`. `F.unfold` makes the columns,
# and `loss.backward()` does all of [](#conv2d_backward).
#
# **To read more**
#
# - *Gradient-Based Learning Applied to Document Recognition*, Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, 1998: the
#   network that read cheques.
# - *A guide to convolution arithmetic for deep learning*, V. Dumoulin, F. Visin, 2016: padding and strides in pictures.
# - *High Performance Convolutional Neural Networks for Document Processing*, K. Chellapilla, S. Puri, P. Simard, 2006:
#   windows into columns.
# - *ImageNet Classification with Deep Convolutional Neural Networks*, A. Krizhevsky, I. Sutskever, G. Hinton, 2012:
#   look at its figure 3.
# - *Very Deep Convolutional Networks for Large-Scale Image Recognition*, K. Simonyan, A. Zisserman, 2014: why 3×3.
# - *MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications*, A. Howard and others, 2017:
#   depthwise and pointwise.
# - *Computing Receptive Fields of Convolutional Neural Networks*, A. Araujo, W. Norris, J. Sim, 2019: the view, with
#   all its corners.
