# %% [markdown] with_reading=240
# # 7 · Data augmentation
#
# You have 200 handwritten digits and no way to get more. A small net learns all 200 by heart and still misreads one new
# digit in sixteen. Nobody can write you more digits, but everybody knows something that the net does not: an 8 that
# stands a little to the left is an 8. *Data augmentation* is how you tell it. Each time a picture is fetched, change it
# in a way that does not change what it shows. At the end of the chapter the same net, taught so, misreads one digit in
# twenty-five; and taught with one wrong claim, more than one in four.
#
# **At the end** you will have built the transforms that image recognition is trained with (mirrors, crops, turns,
# holes, mixtures, colours) and the loaders that apply them to training pictures and to no others, and you will know
# which of them a label survives. **Before** you need tensors, `Dataset` and `DataLoader` by name, and a training loop
# (chapter 5, *ResNet*). **It takes** about {hours} hours: {minutes} minutes for the {exercises} exercises ({points}
# points), the rest for reading.
#
# **The short way**
# ({minutes turn_over RandomApply Compose random_crop cutout mixup label_preserving compare} minutes,
# {points turn_over RandomApply Compose random_crop cutout mixup label_preserving compare} points): `turn_over`,
# `RandomApply`, `Compose`, `random_crop`, `cutout`, `mixup`, `label_preserving`, `compare`. The exercises that it
# leaves out are marked *long*; of the text it leaves out the hardest section, marked *hard*.
#
# ## A picture, and what we may do to it
#
# ![The photograph of a flower, and seven pictures made of it: mirrored, cropped, turned by 20 degrees, resized to a
# coarse grid, with a black hole, mixed with a temple, with a box of the temple pasted
# in](../../assets/07_augmentation/one_flower.svg)
#
# One flower, eight training pictures. You build everything that was used for them, but for `resize`, which is given.
#
# The lecture notes this course grew out of have such a chain of transforms for MNIST, and skip it: "omitted". We shall
# not. A transform is a *claim*: "whatever this picture shows, it still shows it afterwards". The claim above holds for
# flowers. Look at what it does to digits:
#
# ![Ten digits as they are, mirrored, upside down, turned by 90, 180 and 270 degrees; at 180 degrees the 6 and the 9 are
# framed: each has become the other](../../assets/07_augmentation/digits_turned.svg)
#
# Half a turn makes a perfect 9 of a 6. The label still says 6. A net trained on that is not taught what does not
# matter; it is lied to. So this chapter has two questions: *how* is a picture changed, and *which* changes keep its
# label?

# %%
import copy
import inspect
import math
from functools import cache, partial

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from convcraft import examine, plots, try_it
from convcraft.data import digits, mnist, photo

plots.use_style()

# Real handwritten digits that ship with the course. If you have MNIST's own files, name their folder here.
MNIST_FOLDER = None
images, labels = digits() if MNIST_FOLDER is None else [part[:2000] for part in mnist(MNIST_FOLDER)]


def show(pictures, titles=None, **options):
    """Draw pictures in a row."""
    plots.images(pictures, titles, **options)


def pair(size):
    """(height, width) of a size that is given as one number or as a pair."""
    return (size, size) if isinstance(size, int) else tuple(size)


@cache  # asking takes longer than flipping: remember the answer
def takes_generator(transform):
    """Whether a transform has a parameter called `generator`."""
    return "generator" in inspect.signature(transform).parameters


def draw_beta(alpha, generator=None):
    """One number from Beta(alpha, alpha), drawn from a torch.Generator (torch.distributions cannot take one)."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


# %% tags=["demo"]
print("images", tuple(images.shape), images.dtype, f"from {images.min():g} to {images.max():g}")
print("labels", tuple(labels.shape), labels.dtype, labels[:10].tolist())
show(list(images[:10]), [str(int(label)) for label in labels[:10]], height=1)

# %% [markdown]
# ## Mirrors and quarter turns
#
# Pictures here have the shape (C, H, W), batches (N, C, H, W). Row 0 is at the top and column 0 at the left. The two
# axes that a mirror works on are always the last two, so count from the back: width is −1, height is −2. Then the same
# line serves a bare (H, W), a picture and a batch.
#
# ### [](#turn_over) Mirrors and quarter turns ●●○○○ 8 min
#
# Write `turn_over(x, horizontally=False, vertically=False, turns=0)`: a mirror, or two, then `turns` quarter turns
# counter-clockwise, against the hands of a clock. On a picture of two rows:
#
# | x | | | horizontally | | | vertically | | | one turn | |
# |--|--|--|--|--|--|--|--|--|--|--|
# | 1 | 2 | 3 | 3 | 2 | 1 | 4 | 5 | 6 | 3 | 6 |
# | 4 | 5 | 6 | 6 | 5 | 4 | 1 | 2 | 3 | 2 | 5 |
# | | | | | | | | | | 1 | 4 |
#
# - With `horizontally` left and right are exchanged: column j moves to column W − 1 − j.
# - With `vertically` top and bottom are exchanged: row i moves to row H − 1 − i.
# - One turn takes the right border to the top, counter-clockwise; height and width change places.
# - `turns` is any whole number: 0 and 4 change nothing, −1 is clockwise, 5 is 1.
# - The mirrors come first, then the turns: in the other order the picture is another one.
# - What is left out is not done: no mirror, no turn.
# - The last two axes are meant, whatever stands before them: (H, W), (C, H, W), (N, C, H, W).
# - House rules hold: `x` stays as it was, dtype in is dtype out, bytes included, any layout in memory, gradients flow.
#
# <details><summary>Hint 1: where to start</summary>
#
# NumPy writes `x[..., ::-1]`. PyTorch does not allow a negative step. Look for a method that reverses an axis.
#
# </details>
# <details><summary>Hint 2: a turn of two mirrors</summary>
#
# A turn can be put together from two reflections: the one in the diagonal (transpose) and one of your mirrors. In which
# order? Try it with the table above. And what does Python give for `-1 % 4`?
#
# </details>


# %% nbgrader={"grade_id": "turn_over", "solution": true}
def turn_over(x, horizontally=False, vertically=False, turns=0):
    """Mirrors, then quarter turns counter-clockwise: (..., H, W) to (..., H, W) or, for odd turns, (..., W, H)."""
    ### BEGIN SOLUTION
    if horizontally:
        x = x.flip(-1)
    if vertically:
        x = x.flip(-2)
    for _ in range(turns % 4):
        x = x.mT.flip(-2)
    return x
    ### END SOLUTION


# %% tags=["demo"]
with try_it("turn_over"):
    print(turn_over(torch.tensor([[1, 2, 3], [4, 5, 6]]), turns=1).tolist())
    temple = photo("china", height=90)
    show([turn_over(temple, horizontally=True), turn_over(temple, vertically=True),
          *(turn_over(temple, turns=turns) for turns in range(1, 4))],
         ["horizontally", "vertically", *(f"turns = {turns}" for turns in range(1, 4))], height=1.6)

# %% nbgrader={"grade_id": "turn_over_exam", "grade": true}
examine("turn_over", turn_over)

# %% [markdown]
# Three names for what comes often:


# %%
def mirrored(x):
    """Left and right exchanged."""
    return turn_over(x, horizontally=True)


def upside_down(x):
    """Top and bottom exchanged."""
    return turn_over(x, vertically=True)


def turned(x, turns):
    """Quarter turns, counter-clockwise."""
    return turn_over(x, turns=turns)


# %% [markdown]
# ## Chance with a seed
#
# A flip alone makes the data set twice as large, once. What makes it endless is chance: toss a coin for each picture,
# each time. But chance is the enemy of debugging ("it failed, and now it does not") and of honest comparison ("was it
# the transform, or luck?"). The way out is a `torch.Generator`: a source of random numbers that starts from a seed.
# From the same seed come the same numbers, always.

# %% tags=["demo"]
for seed in (0, 0, 1):
    generator = torch.Generator().manual_seed(seed)
    print(f"seed {seed}:", [round(torch.rand((), generator=generator).item(), 2) for _ in range(4)])

# %% [markdown]
# So in this chapter **a transform is anything that can be called as `t(x, generator=None)`**, and what it draws it
# draws from that generator. A mirror draws nothing and is called as `mirrored(x)`. To tell the two apart, the first
# cell defines `takes_generator(t)`.
#
# ### [](#RandomApply) Now and then ●●○○○ 10 min
#
# Write `class RandomApply(p, transform)`. Its objects are transforms: `t = RandomApply(0.3, mirrored)`, then
# `t(x, generator=generator)` mirrors three pictures in ten.
#
# By hand: from seed 0 the generator draws 0.50, 0.77, 0.09, 0.13 (see above). With p = 0.3 the first two pictures stay
# as they are and the next two are mirrored.
#
# - With p = 1 the transform is always applied, with p = 0 never: then `x` comes back.
# - Each call decides anew, and applies the transform with probability p. One number decides for the whole picture.
# - The decision is drawn from `generator` alone: the same seed, the same decisions.
# - A transform that takes a generator is given the same one. (By its name, `generator=`: it need not be the second
#   parameter.)
# - Without a generator torch's own numbers decide, so `torch.manual_seed` repeats them.
#
# <details><summary>Hint 1: a coin that is not fair</summary>
#
# `torch.rand((), generator=generator)` is a number in [0, 1). In which share of the cases is it below p?
#
# </details>
# <details><summary>Hint 2: what belongs where</summary>
#
# `__init__` runs once, when the pipeline is built. `__call__` runs for each picture.
#
# </details>


# %% nbgrader={"grade_id": "RandomApply", "solution": true}
class RandomApply:
    """Applies a transform with probability p, anew at each call."""

    def __init__(self, p, transform):
        """p: the probability. transform: called as `transform(x)`, or with `generator=` if it takes one."""
        ### BEGIN SOLUTION
        self.p = p
        self.transform = transform
        ### END SOLUTION

    def __call__(self, x, generator=None):
        """x transformed, or x as it is. What is random comes from `generator`, or from torch's own if it is None."""
        ### BEGIN SOLUTION
        if torch.rand((), generator=generator) >= self.p:
            return x
        if takes_generator(self.transform):
            return self.transform(x, generator=generator)
        return self.transform(x)
        ### END SOLUTION


# %% tags=["demo"]
with try_it("turn_over and RandomApply"):
    sometimes = RandomApply(0.3, mirrored)
    generator = torch.Generator().manual_seed(0)
    seven = images[7]
    shown = [sometimes(seven, generator=generator) for _ in range(8)]
    print("mirrored:", [not torch.equal(picture, seven) for picture in shown])
    show(shown, height=1)

# %% nbgrader={"grade_id": "RandomApply_exam", "grade": true}
examine("RandomApply", RandomApply)

# %% [markdown]
# ### [](#Compose) One after the other ●●○○○ 10 min
#
# Write `class Compose(transforms)`: a list of transforms that is a transform itself.
#
# By hand: `Compose([add_one, double])` makes 8 of 3. In the other order it would be 7.
#
# - The transforms are applied one after the other, the first one first.
# - It can be called as often as you like.
# - All that take a generator draw from the same one, in turn.
# - Functions, objects with `__call__`, `functools.partial`: a generator goes to those that take one.
# - Without a generator the transforms draw from torch's own numbers.
# - `Compose([])` gives back `x`.
#
# The third rule matters more than it seems. If each transform got a fresh copy of the generator, all of them would draw
# the *same* numbers: a picture shifted far to the right would always be turned far to the left.
#
# <details><summary>Hint 1: what the second transform gets</summary>
#
# Not the picture that came in: what the first transform made of it. One name for "the picture so far" is enough, and
# with an empty list it still names what came in.
#
# </details>
# <details><summary>Hint 2: who gets the generator</summary>
#
# The question of `RandomApply`, asked of each transform in the list. Drawing changes a generator's state, so whoever is
# handed the very same object goes on where the one before has stopped.
#
# </details>


# %% nbgrader={"grade_id": "Compose", "solution": true}
class Compose:
    """Several transforms as one."""

    def __init__(self, transforms):
        """transforms: a list; each is called as `transform(x)`, or with `generator=` if it takes one."""
        ### BEGIN SOLUTION
        self.transforms = transforms
        ### END SOLUTION

    def __call__(self, x, generator=None):
        """x after all transforms; those that take a generator are given `generator`."""
        ### BEGIN SOLUTION
        for transform in self.transforms:
            x = transform(x, generator=generator) if takes_generator(transform) else transform(x)
        return x
        ### END SOLUTION


# %% tags=["demo"]
with try_it("Compose"):
    print(Compose([lambda x: x + 1, lambda x: 2 * x])(3), Compose([lambda x: 2 * x, lambda x: x + 1])(3))

# %% nbgrader={"grade_id": "Compose_exam", "grade": true}
examine("Compose", Compose)

# %% [markdown]
# ## Moving the picture
#
# Where on the sheet a digit stands says nothing about which digit it is. So cut a window out of the picture, each time
# at another place.
#
# ![A photograph with a frame of zeros, and the four windows at its corners; each keeps part of the
# frame](../../assets/07_augmentation/places.svg)
#
# ### [](#random_crop) A window somewhere ●●○○○ 12 min
#
# Write `random_crop(x, size, padding=0, generator=None)` for `x` of shape (..., H, W); it returns (..., h, w), a window
# of the size asked for.
#
# How many places are there? A window of width w on a picture of width W can start at column 0, 1, …, W − w. These are
# **W − w + 1** places, not W − w. By hand: a 5 × 6 picture and a 3 × 3 window give 3 · 4 = 12 windows. A 3 × 4 picture
# with a frame of one zero is 5 × 6, too.
#
# - Every output is a window of the picture, and every window can come.
# - All windows come equally often.
# - With `padding` the picture gets a frame of that many zeros on every side first, and every window of the framed
#   picture can come.
# - `size` is a number, or a pair (height, width). (The notebook's `pair(size)` makes a pair of both.)
# - A window as large as the framed picture has one place only.
# - Where the window lies is drawn from `generator` alone: the same seed, the same window.
# - Without a generator, torch's own numbers say where the window lies.
# - One call draws one place: a batch (N, C, H, W) is cut at the same place throughout.
# - `random_crop` leaves `x` as it was and keeps its dtype.
#
# <details><summary>Hint 1: drawing a whole number</summary>
#
# `torch.randint(n, (), generator=generator)` is one of 0, 1, …, n − 1. There are two numbers to draw.
#
# </details>
# <details><summary>Hint 2: the frame</summary>
#
# `F.pad` takes the numbers for the last axis first: (left, right, top, bottom).
#
# </details>


# %% nbgrader={"grade_id": "random_crop", "solution": true}
def random_crop(x, size, padding=0, generator=None):
    """A window of x at a random place: (..., H, W) to (..., h, w).

    size: a number or (height, width). padding: zeros added on each side first.
    """
    ### BEGIN SOLUTION
    height, width = pair(size)
    x = F.pad(x, [padding] * 4)
    top = torch.randint(x.shape[-2] - height + 1, (), generator=generator)
    left = torch.randint(x.shape[-1] - width + 1, (), generator=generator)
    return x[..., top:top + height, left:left + width]
    ### END SOLUTION


# %% tags=["demo"]
with try_it("random_crop"):
    generator = torch.Generator().manual_seed(1)
    side = images.shape[-1]
    shown = [random_crop(images[3], side, padding=side // 8, generator=generator) for _ in range(8)]
    show([images[3], *shown], ["as it is"] + ["crop"] * 8, height=1)

# %% nbgrader={"grade_id": "random_crop_exam", "grade": true}
examine("random_crop", random_crop)

# %% [markdown]
# ### Reading at fractional places
#
# A turn by 15 degrees cannot be made by moving whole pixels: they land between the others. So ask the other way round.
# Do not ask where an input pixel *goes*, ask for each output pixel where in the input it *comes from*. Then every
# output pixel gets a value, exactly one, and no holes are left.
#
# ![Left: the pixel grid of the output, one pixel marked. Right: the same grid, turned clockwise by 30 degrees, over a
# digit; the marked pixel reads between four pixels](../../assets/07_augmentation/backwards.svg)
#
# Look at the direction. To turn the *picture* counter-clockwise, the *places that are read* turn clockwise.
#
# A place between the pixels is read as a mixture of its four neighbours, the nearer the more (*bilinear*). PyTorch does
# the reading: `F.grid_sample(x, grid)` takes a batch (N, C, H, W) and a grid (N, H′, W′, 2) of places. Each place is a
# pair **(x, y): the column first**. It counts from −1 to 1, from edge to edge:
#
# $$ x = \frac{2 \cdot (\text{pixels to the right of the centre})}{W}, \qquad
#    y = \frac{2 \cdot (\text{pixels below the centre})}{H}. $$
#
# This is `align_corners=False`: −1 is the *outer edge* of the first pixel. (With `align_corners=True`, −1 is its
# middle.)

# %% tags=["demo"]
row = torch.tensor([[[[10.0, 20.0, 30.0, 40.0]]]])  # (N, C, H, W) = (1, 1, 1, 4)
places = torch.tensor([-0.75, 0.0, 0.25, 1.0])  # x: middle of pixel 0, centre, middle of pixel 2, right edge
grid = torch.stack([places, torch.zeros(4)], dim=-1).reshape(1, 1, 4, 2)
for mode in ("zeros", "border"):
    print(f"{mode:7}", F.grid_sample(row, grid, padding_mode=mode, align_corners=False).flatten().tolist())

# %% [markdown]
# At the right edge half of what is read lies outside the picture. With `zeros` that half is 0, and (40 + 0) / 2 = 20
# is read; with `border` it is 40 once more.
#
# ### [](#rotate) Turn it (long) ●●●●○ 25 min
#
# Write `rotate(x, degrees)`. The centre of the picture is ((H − 1)/2, (W − 1)/2) in rows and columns. An output pixel
# that lies *r* to the right of it and *d* below it reads at the place
#
# $$ r' = r \cos\theta - d \sin\theta \ \text{ to the right}, \qquad
#    d' = r \sin\theta + d \cos\theta \ \text{ below}. $$
#
# By hand, 3 × 3, the pixel in the middle of the top row: r = 0, d = −1.
#
# - θ = 90°: r′ = 1, d′ = 0. It reads the middle of the right column: the right border has come to the top.
# - θ = 45°: r′ = 0.71, d′ = −0.71, that is row 0.29, column 1.71. Its four neighbours count 0.21 (row 0, column 1),
#   0.50 (row 0, column 2), 0.09 (row 1, column 1) and 0.21 (row 1, column 2).
#
# The rules:
#
# - A positive angle turns counter-clockwise, a negative one clockwise.
# - By 90 degrees the right border comes to the top, as in `rot90` with one turn. (That is `torch.rot90`, and your
#   `turn_over`.)
# - Between the pixels the four neighbours are mixed (bilinear).
# - A picture that is not square is turned, not sheared; its size stays.
# - By 0 degrees nothing changes, and by 360 nothing that is not rounding.
# - Beyond the border everything is 0, so a turned white square has black corners. (A place half a pixel outside reads
#   half of the border pixel, as `grid_sample` does it.)
# - `rotate` takes (..., H, W), as the flips do. (A batch that comes from `permute`, too.)
# - `rotate` leaves `x` as it was and keeps its dtype. (Its pixels are floating numbers; bytes need not be turned.)
#
# `grid_sample` is yours to use; the grid you build.
#
# <details><summary>Hint 1: r and d for all pixels</summary>
#
# One `torch.arange` for the columns, one for the rows, each minus its centre. As a row and a column they broadcast to
# all pixels.
#
# </details>
# <details><summary>Hint 2: not square</summary>
#
# Turn in pixels, where a step to the right is as long as a step down. Only then scale to −1 … 1, each axis by its own
# size.
#
# </details>
# <details><summary>Hint 3: any leading axes</summary>
#
# All pictures are turned alike, so all that stands before H and W may be called channels for a moment: `reshape(1, -1,
# H, W)`.
#
# </details>


# %% nbgrader={"grade_id": "rotate", "solution": true}
def rotate(x, degrees):
    """Turn counter-clockwise about the centre, bilinear, zeros outside: (..., H, W) to (..., H, W)."""
    ### BEGIN SOLUTION
    height, width = x.shape[-2:]
    angle = math.radians(degrees)
    down = torch.arange(height)[:, None] - (height - 1) / 2
    right = torch.arange(width) - (width - 1) / 2
    read_right = math.cos(angle) * right - math.sin(angle) * down
    read_down = math.sin(angle) * right + math.cos(angle) * down
    grid = torch.stack([2 * read_right / width, 2 * read_down / height], dim=-1)
    channels = x.reshape(1, -1, height, width)
    return F.grid_sample(channels, grid[None].to(x.dtype), align_corners=False).reshape(x.shape)
    ### END SOLUTION


# %% tags=["demo"]
with try_it("rotate"):
    temple = photo("china", height=90)
    angles = (0, 15, 45, 90, -15)
    show([rotate(temple, angle) for angle in angles], [f"{angle}°" for angle in angles], height=1.4)

# %% nbgrader={"grade_id": "rotate_exam", "grade": true}
examine("rotate", rotate)

# %% [markdown]
# ### Half a pixel
#
# Resizing is the same reading with another grid, and it hides one classic mistake. A pixel is not a point, it is a
# small square, and its value sits in the middle. Four output pixels over the width of two input pixels:
#
# ![Two wide input pixels and four narrow output pixels on one line; the arrows go from each output pixel's middle to
# the place that it reads, for three conventions; only with the halves do both pictures cover the same
# stretch](../../assets/07_augmentation/half_pixels.svg)
#
# Output pixel j has its middle at (j + ½) · W / W′ from the left edge. Input pixel number k has its middle at k + ½. So
# output pixel j reads at "pixel number" (j + ½) · W / W′ − ½. `F.interpolate` with `align_corners=False` does that:


# %%
def resize(x, size):
    """Bilinear, outer edges aligned, no antialiasing: (..., H, W) to (..., h, w). size: a number or (h, w)."""
    height, width = pair(size)
    channels = x.reshape(1, -1, *x.shape[-2:])
    resized = F.interpolate(channels, (height, width), mode="bilinear", align_corners=False)
    return resized.reshape(*x.shape[:-2], height, width)


# %% tags=["demo"]
print("two pixels become four:", resize(torch.tensor([[0.0, 8.0]]), (1, 4)).tolist())
show([images[5], resize(images[5], 28), resize(images[5], (28, 14)), resize(images[5], 5)],
     ["as it is", "28", "(28, 14)", "5"], height=1.6)

# %% [markdown]
# The four pixels read at −0.25, 0.25, 0.75 and 1.25. A place beyond the middle of a border pixel takes that pixel as it
# is: −0.25 reads 0, and 1.25 reads 8.
#
# ### [](#random_resized_crop) Nearer, further (long) ●●●○○ 20 min
#
# The crop that ImageNet's nets are trained with: a box of any size and nearly any shape, enlarged or shrunk to the size
# that the net wants. A dog that fills the picture and a dog in the distance are both dogs. Write
# `random_resized_crop(x, size, scale, ratio, generator=None)` for (..., H, W).
#
# By hand: a 40 × 60 picture, a share of 0.25 of its area, that is 600 pixels, and r = 1.5. The width is
# √(600 · 1.5) = 30, the height √(600 / 1.5) = 20. (Sides are rounded.)
#
# - The box takes a share of the picture's area that is uniform in `scale`. (A pair, the smallest and the largest.)
# - Its width is r times its height, where log r is uniform: twice as wide comes as often as twice as high. (`ratio` is
#   the pair of the smallest and the largest r.)
# - It lies anywhere in the picture, and wholly in it.
# - What is in the box is resized to `size`, a number or a pair (height, width), bilinear, outer edges aligned, without
#   antialiasing.
# - A box that is too wide or too high is drawn anew; after ten that did not fit it is the whole picture.
# - All is drawn from `generator` alone, without one from torch's own numbers.
# - One call draws one box, for a whole batch, too.
# - `x`, (..., H, W), stays as it was; its dtype stays.
#
# <details><summary>Hint: a ratio whose logarithm is uniform</summary>
#
# Draw a uniform number between log(lowest) and log(highest), and take its exponential. `resize` of above is yours, and
# so is the place of `random_crop`.
#
# </details>


# %% nbgrader={"grade_id": "random_resized_crop", "solution": true}
def random_resized_crop(x, size, scale, ratio, generator=None):
    """A random box of x, resized: (..., H, W) to (..., h, w).

    size: a number or (height, width). scale: the box's share of the area, from and to. ratio: its width over its
    height, from and to.
    """
    ### BEGIN SOLUTION
    def uniform(low, high):
        return low + (high - low) * torch.rand((), generator=generator).item()

    high, wide = x.shape[-2:]
    for _ in range(10):
        area = uniform(*scale) * high * wide
        r = math.exp(uniform(math.log(ratio[0]), math.log(ratio[1])))
        height, width = round(math.sqrt(area / r)), round(math.sqrt(area * r))
        if 0 < height <= high and 0 < width <= wide:
            break
    else:
        height, width = high, wide
    return resize(random_crop(x, (height, width), generator=generator), size)
    ### END SOLUTION


# %% tags=["demo"]
with try_it("random_resized_crop"):
    generator = torch.Generator().manual_seed(2)
    show([random_resized_crop(photo("china", height=120), 80, (0.1, 0.6), (0.75, 4 / 3), generator=generator)
          for _ in range(6)], height=1.3)

# %% nbgrader={"grade_id": "random_resized_crop_exam", "grade": true}
examine("random_resized_crop", random_resized_crop)

# %% [markdown]
# ### [](#color_jitter) Another light (long) ●●●○○ 20 min
#
# The same flower in the evening is darker, in fog it has less contrast, and a cheap camera gives it loud colours. Write
# `color_jitter(x, brightness, contrast, saturation, generator=None)` for (..., 3, H, W) with pixels from 0 to 1. Each
# of the three is a strength s ≥ 0, and for each a factor f is drawn that is uniform between 1 − s (never below 0) and
# 1 + s. Then, in this order:
#
# By hand: one pixel of (0.2, 0.4, 0.8) and a brightness factor of 1.5 give (0.3, 0.6, 1.0): 1.2 is cut to 1.
#
# - Brightness: all pixels times f.
# - Contrast: m + f · (x − m), where m is the mean of the grey picture, one number.
# - Saturation: g + f · (x − g), where g is the grey picture, 0.299 R + 0.587 G + 0.114 B.
# - Each of the three has a draw of its own.
# - After each step what lies below 0 becomes 0, and what lies above 1 becomes 1; no factor is negative.
# - A batch (N, 3, H, W) is changed alike throughout, and each picture has its own mean.
# - The factors are drawn from `generator` alone, without one from torch's own numbers.
# - `x` stays as it was, its dtype too, and strengths of 0 change nothing.
#
# <details><summary>Hint: three times the same</summary>
#
# All three mix the picture with something duller: black, its mean, its grey twin. `torch.lerp(dull, x, f)` is
# dull + f · (x − dull).
#
# </details>


# %% nbgrader={"grade_id": "color_jitter", "solution": true}
def color_jitter(x, brightness, contrast, saturation, generator=None):
    """Other brightness, contrast and saturation, each by a random factor around 1: (..., 3, H, W), from 0 to 1."""
    ### BEGIN SOLUTION
    def factor(strength):
        low, high = max(0.0, 1 - strength), 1 + strength
        return low + (high - low) * torch.rand((), generator=generator).item()

    def grey(x):
        return (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(-3, keepdim=True)

    x = (factor(brightness) * x).clamp(0, 1)
    mean = grey(x).mean((-2, -1), keepdim=True)
    x = (mean + factor(contrast) * (x - mean)).clamp(0, 1)
    twin = grey(x)
    return (twin + factor(saturation) * (x - twin)).clamp(0, 1)
    ### END SOLUTION


# %% tags=["demo"]
with try_it("color_jitter"):
    generator = torch.Generator().manual_seed(0)
    show([color_jitter(photo("flower", height=90), 0.6, 0.6, 0.9, generator=generator) for _ in range(5)], height=1.3)

# %% nbgrader={"grade_id": "color_jitter_exam", "grade": true}
examine("color_jitter", color_jitter)

# %% [markdown]
# ## The notes' pipeline, running
#
# The lecture notes load MNIST like this: a flip left to right and one upside down, a turn by up to ±15°, one more turn
# by 90°, 180° or 270°, resize to 32, crop to 28, `ToTensor`, and a commented-out `Normalize((0.1307,), (0.3081,))`.
# They say of all this: "omitted". With your transforms it is a list. Two steps are still missing. `ToTensor` makes
# numbers from 0 to 1 of bytes from 0 to 255, and an axis for the channel. `Normalize` subtracts a mean and divides by a
# standard deviation. Here is the list, mistakes and all:


# %%
def to_tensor(picture):
    """Bytes (H, W) to float32 (1, H, W) in [0, 1]."""
    return picture[None].to(torch.float32) / 255


def normalize(x, mean, std):
    """Subtract the mean, divide by the standard deviation."""
    return (x - mean) / std


def random_rotate(x, limit, generator=None):
    """Turn by an angle that is uniform in ±limit degrees."""
    return rotate(x, (2 * torch.rand((), generator=generator).item() - 1) * limit)


def quarter_turns(x, generator=None):
    """Turn by 90, 180 or 270 degrees."""
    return turned(x, int(torch.randint(1, 4, (), generator=generator)))


def notes_transform():
    """What the notes do to an MNIST digit."""
    return Compose([
        to_tensor,
        RandomApply(0.5, mirrored),
        RandomApply(0.5, upside_down),
        partial(random_rotate, limit=15),
        quarter_turns,
        partial(resize, size=32),
        partial(random_crop, size=28),
        # partial(normalize, mean=0.1307, std=0.3081),
    ])


# %% tags=["demo"]
as_bytes = (images[:600, 0] * 255).round().to(torch.uint8)  # (N, H, W), as a file of digits has them


def through(transform, pictures, seed=0):
    """Pictures (N, ...) after the transform, one by one, in a batch (N, C, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([transform(picture, generator=generator) for picture in pictures])


with try_it("transforms so far"):
    shown = through(notes_transform(), as_bytes[[int((labels == digit).nonzero()[0]) for digit in range(10)]])
    print("from", as_bytes.dtype, tuple(as_bytes[0].shape), "to", shown.dtype, tuple(shown[0].shape))
    show(list(shown), [f"“{digit}”" for digit in range(10)], height=1)

# %% [markdown]
# It runs. It returns (1, 28, 28), as a net for MNIST wants it. Nothing complains, and yet there are two mistakes in it.
# A mistake that raises no error is found by asking, so let us ask.
#
# First the line that is commented out. After `Normalize` the pixels should have mean 0 and standard deviation 1. Do
# they?


# %% tags=["demo", "raises-exception"]
def check_normalized(x):
    """Insist on mean 0 and standard deviation 1, a tenth more or less."""
    mean, std = x.mean().item(), x.std().item()
    assert abs(mean) < 0.1 and abs(std - 1) < 0.1, f"mean {mean:.2f} and standard deviation {std:.2f}, not 0 and 1"
    print(f"mean {mean:z.1f}, standard deviation {std:.1f}")


with try_it("transforms so far"):
    check_normalized(through(notes_transform(), as_bytes))

# %% [markdown]
# **The first mistake: nothing is normalised.** The pixels are what `to_tensor` made of them, numbers from 0 to 1. None
# is below 0, and their deviation is less than a third of what is asked for. You can train a net on such numbers. But
# chapter 3's initialisation hands on the mean square that comes in, here 0.35² + 0.29² = 0.2 in place of 1. And a net
# that somebody else has trained on normalised pictures finds little contrast in yours.
#
# So put the line back in. (`Compose` makes a transform of transforms; it may stand in a list itself.)

# %% tags=["demo", "raises-exception"]
with try_it("transforms so far"):
    check_normalized(through(Compose([notes_transform(), partial(normalize, mean=0.1307, std=0.3081)]), as_bytes))

# %% [markdown]
# The deviation is nearly 1 now; the mean is far from 0. The notes' numbers are right: 0.1307 and 0.3081 are the mean
# and the standard deviation of MNIST's training pixels. But these are not MNIST's pictures. Other pictures, other
# numbers; and a chain that resizes and crops changes them once more. **Mended**, the numbers are measured on your own
# pictures, as they come out of your own chain:

# %% tags=["demo"]
with try_it("transforms so far"):
    measured = through(notes_transform(), as_bytes, seed=1)
    own = partial(normalize, mean=measured.mean(), std=measured.std())
    print(f"measured: mean {measured.mean():.2f}, standard deviation {measured.std():.2f}")
    check_normalized(through(Compose([notes_transform(), own]), as_bytes))

# %% [markdown]
# The check draws other turns and crops than the measurement did, and it holds all the same. **Behind the chain or
# before it?** Resizing is done to every picture, also to those that are to be read later: what is done always is
# measured with it. What chance does is done to training pictures alone, and a net is used on pictures without it:
# measure without it. Here the notes' chain is all one, so we took what it gives. From [](#make_loaders) on, the numbers
# are taken before augmentation.
#
# The second mistake you can see. Cover the labels of the row above with your hand, and read it. What a net reads there
# is the question of [](#keep_label).
#
# ## Holes and mixtures
#
# The next three transforms do not imitate anything that happens to a sheet of paper. They make the task harder on
# purpose.
#
# ### [](#cutout) Cover a part ●●○○○ 10 min
#
# *Cutout*: black out a rectangle. A net that has seen only the tip of a 7 in one place and only its foot in another
# cannot rely on a single corner of the picture. Write `cutout(x, size, generator=None)` for (..., H, W).
#
# By hand: a 4 × 4 picture, size 3, centre in row 0, column 1. The hole covers rows −1 to 1 and columns 0 to 2; inside
# the picture are rows 0 and 1. So 6 pixels are black, not 9.
#
# - A hole of `size` × `size` pixels is filled with zeros, in every channel at the same place; its centre is uniform
#   over all pixels, so the border may cut the hole.
# - `size` is a number or a pair (height, width); of an even size, either middle may be the centre.
# - The centre is drawn from `generator` alone: the same seed, the same hole.
# - Without a generator the centre is drawn from torch's own numbers.
# - One call of `cutout` draws one hole, for a whole batch, too.
# - `cutout` leaves `x` as it was: the hole is in a copy.
#
# <details><summary>Hint 1: the upper left</summary>
#
# With the centre in row 0, the hole begins at row −1. What does Python take `x[-1:2]` for? Which row should the slice
# start at instead?
#
# </details>


# %% nbgrader={"grade_id": "cutout", "solution": true}
def cutout(x, size, generator=None):
    """A copy of x, (..., H, W), with a hole of zeros around a random pixel. size: a number or (height, width)."""
    ### BEGIN SOLUTION
    height, width = pair(size)
    row = torch.randint(x.shape[-2], (), generator=generator)
    column = torch.randint(x.shape[-1], (), generator=generator)
    top, left = row - height // 2, column - width // 2
    out = x.clone()
    out[..., top.clamp(min=0):top + height, left.clamp(min=0):left + width] = 0
    return out
    ### END SOLUTION


# %% tags=["demo"]
with try_it("cutout"):
    generator = torch.Generator().manual_seed(3)
    flower = photo("flower", height=90)
    show([cutout(flower, 40, generator=generator) for _ in range(4)], height=1.4)

# %% nbgrader={"grade_id": "cutout_exam", "grade": true}
examine("cutout", cutout)

# %% [markdown]
# ### Labels that are shares
#
# If a picture is 70 % a 3 and 30 % an 8, what is its label? Not 4.5. A label that can be mixed is a row of shares, one
# for each class: **one-hot** for a clean digit (1 at its class, 0 elsewhere), and for a mixture 0.7 at place 3 and 0.3
# at place 8. `F.cross_entropy` takes such rows in place of class numbers.
#
# The share λ is drawn, for each batch, from the Beta distribution with both parameters α:
#
# ![Densities of Beta(α, α) for α = 0.2, 1 and 4: a bathtub, a flat line, a hill around one
# half](../../assets/07_augmentation/beta.svg)
#
# A small α gives λ near 0 or 1, so mostly clean pictures with a breath of another. α = 1 is uniform. A large α mixes
# half and half. `torch.distributions.Beta` draws from torch's own numbers and takes no generator, so the first cell has
# `draw_beta(alpha, generator)`.
#
# ### [](#mixup) Two at a time ●●●○○ 15 min
#
# Write `mixup(x, y, alpha, num_classes, generator=None)` for a batch x (N, C, H, W) and class numbers y (N,), int64. It
# returns (x, y), both mixed: each picture i gets a partner π(i) from the same batch (a random permutation does it; a
# picture may meet itself), and with one λ
#
# $$ \tilde x_i = \lambda x_i + (1 - \lambda)\, x_{\pi(i)}, \qquad
#    \tilde y_i = \lambda\, e_{y_i} + (1 - \lambda)\, e_{y_{\pi(i)}}, $$
#
# where $e_k$ is the one-hot row of class k. By hand, two pictures of two pixels, [1, 0] of class 0 and [0, 0.5] of
# class 2, λ = 0.7, partners exchanged, three classes: pixels [0.7, 0.15] and [0.3, 0.35], labels [0.7, 0, 0.3] and
# [0.3, 0, 0.7].
#
# - Each picture becomes λ times itself plus 1 − λ times its partner, another picture of the batch. Partners are drawn
#   anew in each call and differ from picture to picture.
# - Its label becomes λ times its own one-hot label plus 1 − λ times its partner's: the same λ, the same partner as for
#   the pixels.
# - The pixels keep shape and dtype, the labels are float32 of shape (N, num_classes); a partner of the same class, or a
#   batch of one, changes no label.
# - λ is drawn from Beta(α, α), once per batch or once per picture.
# - λ and the partners are drawn from `generator` alone.
# - Without a generator, λ and the partners come from torch's own numbers.
# - `mixup` leaves `x` and `y` as they were.
#
# <details><summary>Hint 1: all partners at once</summary>
#
# `torch.randperm(N, generator=generator)` is a shuffled 0 … N − 1. What is `x` indexed with it?
#
# </details>
# <details><summary>Hint 2: one-hot</summary>
#
# The rows of the identity matrix are the one-hot labels. Or look at `F.one_hot`, and mind its dtype.
#
# </details>


# %% nbgrader={"grade_id": "mixup", "solution": true}
def mixup(x, y, alpha, num_classes, generator=None):
    """Mix each picture with another of the batch, the labels likewise.

    x: (N, C, H, W). y: class numbers (N,). Returns pixels (N, C, H, W) and labels (N, num_classes), float32.
    """
    ### BEGIN SOLUTION
    share = draw_beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    one_hot = torch.eye(num_classes)[y]
    return share * x + (1 - share) * x[partner], share * one_hot + (1 - share) * one_hot[partner]
    ### END SOLUTION


# %% tags=["demo"]
def in_words(label):
    """The two largest shares of a mixed label, as text."""
    shares, classes = label.topk(2)
    return "\n+ ".join(f"{part:.0%} {int(digit)}" for part, digit in zip(shares, classes, strict=True) if part > 0.005)


with try_it("mixup"):
    mixed, shares = mixup(images[:8], labels[:8], 1.0, 10, generator=torch.Generator().manual_seed(4))
    show(list(mixed), [in_words(label) for label in shares], height=1.1)

# %% nbgrader={"grade_id": "mixup_exam", "grade": true}
examine("mixup", mixup)

# %% [markdown]
# ### [](#cutmix) Paste a part (long) ●●●○○ 20 min
#
# Mixed pictures look like nothing on earth. *CutMix* keeps every pixel real: it cuts a box out of the partner and
# pastes it, at the same place. Write `cutmix(x, y, alpha, num_classes, generator=None)`, called like `mixup`.
#
# The paper draws λ, takes a box with the share 1 − λ of the picture (sides $H\sqrt{1-\lambda}$ and $W\sqrt{1-\lambda}$,
# rounded), puts its centre on a random pixel, and lets the border cut it. By hand: 8 × 8 and λ = 0.86 give sides of 3
# pixels. In the middle of the picture the box covers 9 of 64 pixels, and the label is 0.86 : 0.14. With its centre on
# the corner pixel (0, 0) it would cover rows and columns −1 to 1. Only 2 × 2 = 4 pixels of it are there, and the label
# must be **0.94 : 0.06**. The λ that was drawn says 0.86. What counts is what is there.
#
# - A box of each picture is replaced by the same box of its partner: same place, all channels. Where the box lies is
#   drawn, and each picture has a partner of its own.
# - The labels are mixed by the areas that are really there, after the border has cut the box.
# - `cutmix` returns what `mixup` returns: pixels of the old shape and dtype, float32 labels (N, num_classes).
# - λ is drawn from Beta(α, α): for a large α the boxes take about half of the picture, less where the border cuts them.
# - For a small α most boxes take nearly nothing or nearly all.
# - λ, box and partners are drawn from `generator` alone.
# - Without a generator all three come from torch's own numbers.
# - `cutmix` leaves `x` and `y` as they were.
#
# Any rectangle of the right size will do (a box that always fits, a box for each picture); a partner may be the picture
# itself.
#
# <details><summary>Hint 1: counting</summary>
#
# The share can be computed from the clipped corners, or counted: make a mask of the box (True inside), take its mean.
#
# </details>


# %% nbgrader={"grade_id": "cutmix", "solution": true}
def cutmix(x, y, alpha, num_classes, generator=None):
    """Paste a box of another picture of the batch into each one, and mix the labels by area.

    x: (N, C, H, W). y: class numbers (N,). Returns pixels (N, C, H, W) and labels (N, num_classes), float32.
    """
    ### BEGIN SOLUTION
    _, _, height, width = x.shape
    side = math.sqrt(1 - draw_beta(alpha, generator))
    down = torch.arange(height) - torch.randint(height, (), generator=generator)
    right = torch.arange(width) - torch.randint(width, (), generator=generator)
    box = (2 * abs(down) < side * height)[:, None] & (2 * abs(right) < side * width)
    partner = torch.randperm(len(x), generator=generator)
    one_hot = torch.eye(num_classes)[y]
    part = box.float().mean()
    return torch.where(box, x[partner], x), (1 - part) * one_hot + part * one_hot[partner]
    ### END SOLUTION


# %% tags=["demo"]
with try_it("cutmix"):
    mixed, shares = cutmix(images[:8], labels[:8], 1.0, 10, generator=torch.Generator().manual_seed(5))
    show(list(mixed), [in_words(label) for label in shares], height=1.1)

# %% nbgrader={"grade_id": "cutmix_exam", "grade": true}
examine("cutmix", cutmix)

# %% [markdown]
# ## [](#keep_label) Which transforms keep the label?
#
# Time to ask a witness: a net that has learned upright digits, 1,200 of them, and nothing else. It trains in a second
# or two. We show it digits that it has never seen, as they are and transformed, and listen to what it says.


# %%
def small_net(seed, side):
    """A net for digits of side × side pixels: two convolutions and a linear layer."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * (side // 2) ** 2, 10))


def fit(net, fetch, classes, epochs, batch_size, generator, after_epoch=lambda epoch: None, mix=lambda x, y: (x, y)):
    """Train a net; `fetch()` gives an epoch's pictures (N, 1, H, W), in the order of `classes`; `mix` sees batches."""
    steps = epochs * math.ceil(len(classes) / batch_size)
    optimizer = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.008, total_steps=steps)
    for epoch in range(epochs):
        pictures = fetch()
        for batch in torch.randperm(len(classes), generator=generator).split(batch_size):
            x, y = mix(pictures[batch], classes[batch])
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            schedule.step()
        after_epoch(epoch)
    return net


def predict_with(net):
    """A function from pictures (N, 1, H, W) to predicted digits (N,)."""
    @torch.no_grad()
    def predict(pictures):
        return net(pictures).argmax(1)

    return predict


# %% tags=["demo", "nbval-ignore-output"]
generator = torch.Generator().manual_seed(0)
order = torch.randperm(len(images), generator=generator)
known, new = order[:1200], order[1200:]
witness = small_net(0, images.shape[-1])
fit(witness, lambda: images[known], labels[known], 12, 50, generator)
predict = predict_with(witness)
right = (predict(images[new]) == labels[new]).float().mean().item()
print(f"{len(new)} new digits, {right:.1%} of them read rightly")

# %% [markdown]
# A good reader. Now the claim that the notes make with their turns, for one digit: *a 6 that is turned by 180° is still
# a 6*. If that is so, the witness will still read it as one.

# %% [markdown]
# **Predict, then run.** Of its unseen sixes, turned by 180°, the witness will read most as (a) 6, it is good at sixes;
# (b) 9; (c) anything, for it has never seen such pictures.

# %% tags=["demo", "raises-exception"]
with try_it("turn_over"):
    said = int(predict(turned(images[new][labels[new] == 6], 2)).mode().values)
    assert said == 6, f"a 6 that is turned by 180° is most often read as a {said}"

# %% [markdown]
# (b). (c) tempts because a net should not know what it has not seen; but it must say something, and 9 is what this
# looks like. **The second mistake: a claim that is not true.** And the answer is not just any digit. What happens to a
# 9, and to a 0?

# %% tags=["demo", "nbval-ignore-output"]
with try_it("turn_over"):
    for digit in (6, 9, 0):
        them = turned(images[new][labels[new] == digit], 2)
        said = torch.bincount(predict(them), minlength=10)
        print(f"{len(them)} pictures of a {digit}, turned by 180°: most often read as {int(said.argmax())}, "
              f"as {digit} in {said[digit] / len(them):.0%} of the cases")
    sixes = images[new][labels[new] == 6]
    sure = witness(turned(sixes, 2)).softmax(1)[:, 9]
    print(f"the surest of them is called a 9 with {sure.max():.1%}")
    example = sixes[sure.argmax()]
    said = witness(torch.stack([example, turned(example, 2)])).softmax(1)
    show([example, turned(example, 2)], [f"“{int(row.argmax())}”, {row.max():.0%} sure" for row in said], height=1.6)

# %% [markdown]
# The net does not say "I do not know this". It says 9. Anyone would. A 6 turned by 180° **is** a 9, and
# whoever trains with half turns tells a net that this very picture is a 6.
#
# The notes make more such claims: flips, other turns. To mend their list we must know which of them hold, and for which
# digits.
#
# ### [](#label_preserving) Ask for every digit ●●●○○ 15 min
#
# Write `label_preserving(transforms, images, labels, predict, threshold=0.9)`.
#
# | argument | is |
# |--|--|
# | `transforms` | a dictionary: name → transform, called as `t(x)` on one picture or on a batch |
# | `images`, `labels` | (N, C, H, W) and (N,) |
# | `predict` | a function from pictures (N, C, H, W) to predicted digits (N,) |
#
# It returns a dictionary: name → the list of digits that the transform keeps. By hand: of ten sixes, turned by 180°,
# two are still read as 6. The share is 0.2, below 0.9, so 6 is not in the list. Of eight zeros all eight are read as 0,
# so 0 is: `{"180°": [0]}`.
#
# - For each digit count the share of its pictures that are predicted as that digit after the transform; keep the digits
#   whose share is large enough.
# - At least that share: a share equal to the threshold is enough.
# - The threshold is 0.9 if none is given.
# - What counts is the label, not what the net said before the transform.
# - Each transform starts from the original pictures, and the result has its name.
# - Digits come in ascending order as `int`; one without any picture is not in the list, and a transform that keeps none
#   has an empty list.
# - `label_preserving` leaves `images` and `labels` as they were.
#
# <details><summary>Hint 1: one digit</summary>
#
# `labels == digit` is a mask. What do you get if you index the predictions with it?
#
# </details>


# %% nbgrader={"grade_id": "label_preserving", "solution": true}
def label_preserving(transforms, images, labels, predict, threshold=0.9):
    """By name of the transform, the digits of which at least the share `threshold` is still read as itself.

    transforms: name → transform. images: (N, C, H, W). labels: (N,). predict: pictures (N, C, H, W) → digits (N,).
    """
    ### BEGIN SOLUTION
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = []
        for digit in labels.unique().tolist():
            share = (predicted[labels == digit] == digit).float().mean()
            if share >= threshold:
                kept[name].append(digit)
    return kept
    ### END SOLUTION


# %% tags=["demo"]
def shift_right(x):
    """One pixel to the right."""
    return F.pad(x, (1, 0))[..., :-1]


CLAIMS = {
    "as it is": lambda x: x, "mirrored": mirrored, "upside down": upside_down,
    "90°": lambda x: turned(x, 1), "180°": lambda x: turned(x, 2), "270°": lambda x: turned(x, 3),
    "15° left": lambda x: rotate(x, 15), "10° right": lambda x: rotate(x, -10), "one pixel right": shift_right,
}

with try_it("label_preserving and the transforms in CLAIMS"):
    kept = label_preserving(CLAIMS, images[new], labels[new], predict, threshold=0.8)
    table = torch.tensor([[float(digit in kept[name]) for digit in range(10)] for name in CLAIMS])
    figure, axes = plt.subplots(figsize=(5.2, 3.4))
    axes.imshow(table, cmap="Blues", vmin=-0.2, vmax=1.6, aspect="auto")
    for (row, column), value in np.ndenumerate(table.numpy()):
        axes.text(column, row, column if value else "·", ha="center", va="center")
    axes.set_xticks(range(10), [])
    axes.set_yticks(range(len(CLAIMS)), CLAIMS)
    axes.set_title("digits of which 80 % are still read as themselves")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)

# %% nbgrader={"grade_id": "label_preserving_exam", "grade": true}
examine("label_preserving", label_preserving)

# %% [markdown]
# Read the table with care, because it shows **two different things**.
#
# *180°* loses 6 and 9, because the label itself is destroyed: the witness is right, we are wrong. No training can mend
# that. It keeps 0 and 8, as you expected, and 4, as you did not. On 64 pixels a 4 is little more than a broad middle
# with a stroke above and a stroke below; mirrored or turned by 180° it is that again.
#
# The oddest rows are *15° left* and *10° right*: a reader hardly sees a difference, and yet they keep different digits.
# And at 180° the 6 and the 9 are not lost alike. The shares say more than the table:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("rotate and turn_over"):
    for degrees in (15, 10, -10, -15):
        said = predict(rotate(images[new], degrees))
        shares = [(said[labels[new] == digit] == digit).float().mean().item() for digit in range(10)]
        side = "left" if degrees > 0 else "right"
        print(f"{abs(degrees)}° {side:5}", *(f"{digit}: {share:4.0%}" for digit, share in enumerate(shares)), sep="  ")
    said = predict(turned(images[new], 2))
    for digit, other in ((6, 9), (9, 6)):
        part = said[labels[new] == digit]
        print(f"a {digit} turned by 180°: {(part == other).float().mean():.0%} are called a {other},",
              f"{(part == digit).float().mean():.0%} still a {digit}")

# %% [markdown]
# When this was written, a 7 survived 15° to the right every time and 15° to the left every other time; a 9 was kept by
# 97 % to the left and by 82 % to the right. A small turn is not the same claim in both directions, for handwriting
# slants: one direction makes a digit upright, the other slants it further than most people write. And "half a turn
# makes a 9 of a 6" is not the same sentence as "half a turn makes a 6 of a 9": many write a 9 with a straight leg, and
# few a 6. A claim is asked in each direction, and digit by digit.
#
# *One pixel right* loses nearly every digit, too. But a zero one pixel further right is still a zero: here the
# *witness* is wrong. It has only ever seen digits in the middle. This is not a reason against the transform. It is the
# reason *for* it.
#
# And *90°* and *270°* seem to keep the 4, of all digits. Ask how often the witness says 4 at all:

# %% tags=["demo", "nbval-ignore-output"]
with try_it("turn_over"):
    for name in ("mirrored", "180°", "90°", "270°"):
        fours = predict(CLAIMS[name](images[new])) == 4
        print(f"{name:8}  of all digits {fours.float().mean():.0%} are called a 4")

# %% [markdown]
# Whatever lies on its side is a 4 to this net. It has never seen such a thing, and it must say something. So where a
# digit survives that should not, look at what else gets the same answer.
#
# So the net's answer alone does not settle the question. Ask a person first: *would I still give it this label?* If
# not, leave the transform out. If so, the more digits the net loses, the more it has to learn from it.
#
# Turn a digit yourself, and watch where the witness changes its mind.

# %% tags=["demo", "nbval-ignore-output"] frames={"digit": [6, 9], "degrees": [0, 30, 60, 90, 120, 150, 180, 240, 300]}
def turned_digit(degrees, digit, which):
    """The digit, turned, and what the witness makes of it."""
    x = images[new][labels[new] == digit][which]
    x = rotate(x, degrees)
    with torch.no_grad():
        shares = witness(x[None]).softmax(1)[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(6, 2.4), width_ratios=(1, 1.7))
    left.imshow(x[0], cmap="gray")
    left.set_axis_off()
    left.set_title(f"a {digit}, turned by {degrees}°")
    right.bar(range(10), shares, color=[plots.BLUE if number == digit else plots.ORANGE for number in range(10)])
    right.set_xticks(range(10))
    right.set(ylim=(0, 1), ylabel="share", title="what the net says (blue: the label)")
    return figure


with try_it("rotate"):
    plots.explore(turned_digit, degrees=(0, 360, 15), digit=[6, 9, 0, 1, 2, 3, 4, 5, 7, 8], which=(0, 20))

# %% [markdown]
# ## From pictures to batches (hard)
#
# Three things can still go wrong between good transforms and a good training, and all three are common. The validation
# part must **not** be augmented: it stands for the digits that will come, as they will come. It must **not** take part
# in computing the mean and the standard deviation: what you measure with must not have helped to build. And every
# picture must get draws **of its own**, each time it is fetched.
#
# ![From the pictures two roads: 80 per cent go to training, where mean and standard deviation are taken, then
# transform, then normalise; 20 per cent go to validation, which is only normalised, with the numbers of the training
# part](../../assets/07_augmentation/two_roads.svg)
#
# ### [](#make_loaders) Two loaders (long) ●●●●○ 30 min
#
# Write `make_loaders(images, labels, transform, batch_size, generator, num_workers=0)`. It returns two `DataLoader`s,
# (train, validation). `images` are (N, C, H, W) in [0, 1], `labels` (N,). `transform` is called as your `Compose` is,
# `transform(image, generator=...)`.
#
# By hand: 50 pictures, batch size 16. Training has 40 pictures and batches of 16, 16 and 8. Validation has 10, in one
# batch. If the training pixels have mean 0.3 and standard deviation 0.4, a black pixel becomes −0.75 and a white one
# 1.75, in both parts.
#
# - The split is random, 80 % for training and 20 % for validation; no picture is in both, and each keeps its label.
# - Each training picture is transformed when it is fetched: draws of its own for every picture and every epoch, one (C,
#   H, W) picture at a time, before it is normalised.
# - An epoch of training shows each training picture once, in a new order every time.
# - The validation pictures are never transformed, only normalised. (Their order is up to you.)
# - Both parts are normalised channel by channel, with the mean and standard deviation that the training part has
#   before augmentation. (Divided by n or by n − 1, as you like.)
# - Both are `DataLoader`s with `num_workers` processes, none unless asked for, and give batches of (images, labels),
#   the last one smaller where the pictures run out.
# - Split, order and augmentation are drawn from `generator` alone.
# - With two workers each draws numbers of its own, and what is handed to them, the data set's class among it, is not
#   made inside the function.
# - `make_loaders` leaves `images` and `labels` as they were.
#
# About the two workers: other processes fetch the pictures, and each has a *copy* of your generator, in the same state.
# Both would draw the same numbers, and every epoch again. In a worker (`get_worker_info()` is not None there) pass
# `generator=None`: PyTorch seeds its own numbers differently in each worker, and anew each epoch, from the generator
# that you gave to the `DataLoader`. And where workers are started afresh, as on Windows and macOS, all that is handed
# to them is found by its name: a class, or a `collate_fn`, that is made inside a function has none.
#
# <details><summary>Hint 1: where to transform</summary>
#
# In `Pictures`, the data set's class, above the function. The loader calls `__getitem__(i)` each time it needs picture
# i, in whichever process it is.
#
# </details>
# <details><summary>Hint 2: two parts, one class</summary>
#
# The parts differ in two ways: their indices, and whether they are augmented.
#
# </details>
# <details><summary>Hint 3: shapes</summary>
#
# A mean of shape (C,) does not broadcast against (C, H, W) as you want. (C, 1, 1) does.
#
# </details>


# %% nbgrader={"grade_id": "make_loaders", "solution": true}
class Pictures(Dataset):
    """Pictures (N, C, H, W) with labels (N,), each transformed when it is fetched, if at all, and normalised."""

    def __init__(self, images, labels, mean, std, transform=None, generator=None):
        ### BEGIN SOLUTION
        self.images, self.labels = images, labels
        self.mean, self.std = mean, std
        self.transform, self.generator = transform, generator
        ### END SOLUTION

    def __len__(self):
        ### BEGIN SOLUTION
        return len(self.images)
        ### END SOLUTION

    def __getitem__(self, index):
        ### BEGIN SOLUTION
        image = self.images[index]
        if self.transform is not None:
            # A worker has a copy of the generator, the same as the other workers; torch's own is seeded for each.
            image = self.transform(image, generator=self.generator if get_worker_info() is None else None)
        return (image - self.mean) / self.std, self.labels[index]
        ### END SOLUTION


def make_loaders(images, labels, transform, batch_size, generator, num_workers=0):
    """(train, validation) DataLoaders over a random 80/20 split; only training is augmented.

    images: (N, C, H, W). labels: (N,). transform: called as transform(image, generator=...), image (C, H, W).
    """
    ### BEGIN SOLUTION
    order = torch.randperm(len(images), generator=generator)
    count = len(images) * 4 // 5
    training = images[order[:count]]
    mean = training.mean((0, 2, 3)).reshape(-1, 1, 1)
    std = training.std((0, 2, 3)).reshape(-1, 1, 1)
    train = Pictures(training, labels[order[:count]], mean, std, transform, generator)
    validation = Pictures(images[order[count:]], labels[order[count:]], mean, std)
    return (DataLoader(train, batch_size, shuffle=True, generator=generator, num_workers=num_workers),
            DataLoader(validation, batch_size, num_workers=num_workers))
    ### END SOLUTION


# %% [markdown]
# The recipe for digits, after all that has been said. It is the notes' list **mended**: no flip, no quarter turn; small
# turns, small shifts, nothing that a reader would read differently.


# %%
def gentle_transform():
    """What may be done to a digit: a turn of up to 10 degrees, and half of the time a shift of up to an eighth."""
    side = images.shape[-1]
    return Compose([
        partial(random_rotate, limit=10),
        RandomApply(0.5, partial(random_crop, size=side, padding=side // 8)),
    ])


# %% [markdown]
# Ask the witness what half a turn has failed, now for every digit:

# %% tags=["demo"]
with try_it("transforms of the recipe"):
    said = predict(through(gentle_transform(), images[new]))
    for digit in range(10):
        most = int(said[labels[new] == digit].mode().values)
        assert most == digit, f"a {digit} is most often read as a {most}"
    print("every digit is most often read as itself")

# %% [markdown]
# Most often, not always: the shifts are new to this witness, and it is right to learn from them. And the loaders that
# you have built normalise with the right numbers, too:

# %% tags=["demo"]
with try_it("make_loaders, and the transforms of the recipe"):
    train, validation = make_loaders(images, labels, gentle_transform(), 64, torch.Generator().manual_seed(0))
    for name, loader in (("training", train), ("validation", validation)):
        pictures, its_labels = next(iter(loader))
        everything = torch.cat([batch for batch, _ in loader])
        print(f"{name:10}  {len(everything)} pictures, a batch {tuple(pictures.shape)}, mean within 0.1 of 0"
              f"{'' if everything.mean().abs() < 0.1 else ': NO'}, standard deviation {everything.std():.1f}")
    show(list(next(iter(train))[0][:10]), height=1)

# %% nbgrader={"grade_id": "make_loaders_exam", "grade": true}
examine("make_loaders", make_loaders)

# %% [markdown]
# One digit as such a loader gives it, epoch after epoch. The net never sees the same picture twice:
#
# ![A handwritten digit, a little turned and shifted in another way in each frame; below it the number of the
# epoch](../../assets/07_augmentation/epochs.gif)
#
# ### MNIST's own files
#
# If you have MNIST, `convcraft.data.mnist(folder)` reads its four files, packed or not. It needs no other library,
# because the format is simple. Four bytes say what is in the file (`0 0 8 3`: bytes, three axes). Then come four bytes
# for each axis, its size. Then one byte per pixel. The first four bytes and the sizes are checked: a download that
# broke off, or a web page saved under the file's name, is reported to you and not fed to your net.

# %% tags=["demo"]
import struct
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    pixels = (images[:3] * 255).round().to(torch.uint8)
    header = struct.pack(">4I", 0x0803, 3, *pixels.shape[-2:])
    Path(folder, "train-images-idx3-ubyte").write_bytes(header + pixels.numpy().tobytes())
    Path(folder, "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x0801, 3) + bytes(labels[:3].tolist()))
    few, their_labels = mnist(folder)
print("written and read again:", tuple(few.shape), few.dtype, their_labels.tolist())

try:
    mnist("my-mnist")
except FileNotFoundError as error:
    print(error)

# %% [markdown]
# To run this whole chapter on MNIST, put its files into a folder and name it in the first cell (`MNIST_FOLDER`).
#
# ## The experiment
#
# The promise of the beginning: 200 digits, and nothing more. The same small net, the same number of steps; what differs
# is the transform. One run proves nothing: other digits, other first weights, another result. So each recipe is trained
# from four seeds, and all recipes from the same four.
#
# ### [](#compare) Mean and spread ●●○○○ 8 min
#
# Write `compare(recipes, seeds) -> dict[str, tuple[float, float]]`. `recipes` is a dictionary: name → a function that
# is called with a seed, trains, and returns the share of test pictures that are read rightly.
#
# By hand: a recipe gives 0.90, 0.94 and 0.95 for three seeds. The mean is 0.93; the deviations −0.03, 0.01 and 0.02
# have the squares 9, 1 and 4 (times 10⁻⁴), together 14; divided by 2, the root is 0.026. Its entry is `(0.93, 0.026…)`.
#
# - The result has for each name a pair: the mean over the seeds, and the standard deviation, with n − 1, for these
#   seeds are a sample.
# - Names stand in the order of `recipes`; each pair is a tuple of two Python floats.
# - Each recipe is called once with each seed, as `run(seed)`; `seeds` is anything that can be looped over, perhaps only
#   once.
# - Before each run `torch.manual_seed(seed)` is called: which recipes stand beside it changes no result.
# - With a single seed the spread is 0.0.
#
# <details><summary>Hint: a loop that is empty the second time</summary>
#
# `list(seeds)` at the start, before any recipe runs.
#
# </details>


# %% nbgrader={"grade_id": "compare", "solution": true}
def compare(recipes, seeds):
    """By name, mean and standard deviation (n − 1) of what each recipe, a function of a seed, gives over the seeds."""
    ### BEGIN SOLUTION
    seeds, result = list(seeds), {}
    for name, run in recipes.items():
        shares = []
        for seed in seeds:
            torch.manual_seed(seed)
            shares.append(run(seed))
        shares = torch.tensor(shares, dtype=torch.float64)
        result[name] = (shares.mean().item(), shares.std().item() if len(seeds) > 1 else 0.0)
    return result
    ### END SOLUTION


# %% tags=["demo"]
with try_it("compare"):
    made_up = {0: 0.90, 1: 0.94, 2: 0.95}
    print(compare({"made up": made_up.get}, made_up))

# %% nbgrader={"grade_id": "compare_exam", "grade": true}
examine("compare", compare)

# %% [markdown]
# Six recipes, tested on the remaining 1,597 digits:
#
# - **none**: the 200 as they are.
# - **gentle**: turns of up to 10°, shifts of up to one pixel.
# - **the notes'**: flips, turns by ±15° and by 90°, 180° or 270°.
# - **cutout**: a hole of three by three pixels. **mixup** and **cutmix**: each batch mixed, α = 1.
#
# **Predict, then run.** Put them in order, best first, before you go on.


# %%
def careless_transform():
    """The notes' flips and turns, without the resizing, so that all recipes have pictures of one size."""
    return Compose([RandomApply(0.5, mirrored), RandomApply(0.5, upside_down), partial(random_rotate, limit=15),
                    quarter_turns])


def learning_curve(transform, seed, mix=None, epochs=28, every=4):
    """Test accuracy after every few epochs, and the net, trained on 200 digits.

    transform: of a picture, or None. mix: of a batch and its labels, called with `generator=`, or None.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    train, test = order[:200], order[200:]
    mean, std = images[train].mean(), images[train].std()
    pictures, test_pictures = images[train], (images[test] - mean) / std

    def fetch():
        epoch = pictures if transform is None else torch.stack([transform(x, generator=generator) for x in pictures])
        return (epoch - mean) / std

    def measure(epoch):
        if (epoch + 1) % every == 0:
            curve.append((predict_with(net)(test_pictures) == labels[test]).float().mean().item())

    curve, net = [], small_net(seed, images.shape[-1])
    fit(net, fetch, labels[train], epochs, 40, generator, measure,
        (lambda x, y: (x, y)) if mix is None else partial(mix, generator=generator))
    return curve, lambda x: predict_with(net)((x - mean) / std), test


def mixing(function):
    """`mixup` or `cutmix` as a recipe mixes a batch."""
    def mix(x, y, generator):
        return function(x, y, 1.0, 10, generator=generator)

    return mix


# %% tags=["demo", "nbval-ignore-output"]
SEEDS = range(4)
runs = {}


def recipe(name, transform=None, mix=None):
    """A function of a seed that trains, keeps the run under the recipe's name, and returns the test accuracy."""
    def run(seed):
        runs.setdefault(name, []).append(learning_curve(transform, seed, mix))
        return runs[name][-1][0][-1]

    return run


with try_it("compare, and the transforms"):
    compare({"is it there?": float}, [0])
    recipes = {"none": recipe("none"), "gentle": recipe("gentle", gentle_transform()),
               "the notes'": recipe("the notes'", careless_transform()),
               "cutout": recipe("cutout", partial(cutout, size=3)),
               "mixup": recipe("mixup", mix=mixing(mixup)), "cutmix": recipe("cutmix", mix=mixing(cutmix))}
    for name, (mean, spread) in compare(recipes, SEEDS).items():
        print(f"{name:10}  test accuracy {mean:.1%} ± {spread:.1%} over {len(SEEDS)} seeds")
shown = {name: runs[name] for name in ("none", "gentle", "the notes'") if name in runs}

# %% tags=["demo", "nbval-ignore-output"]
if shown:
    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    for (name, results), colour in zip(shown.items(), (plots.GREY, plots.BLUE, plots.RED), strict=True):
        errors = 100 * (1 - torch.tensor([curve for curve, _, _ in results]))
        epochs = torch.arange(1, errors.shape[1] + 1) * 4
        axes.fill_between(epochs, errors.amin(0), errors.amax(0), color=colour, alpha=0.2, linewidth=0)
        axes.plot(epochs, errors.mean(0), color=colour)
        axes.annotate(f" {name}", (epochs[-1], errors.mean(0)[-1]), color=colour, va="center")
    axes.set(yscale="log", xlabel="epochs", ylabel=f"errors in % of {len(images) - 200:,} other digits", xlim=(4, 33),
             title="200 training digits: mean and range over four seeds")
    axes.set_yticks([3, 5, 10, 20, 50, 90], ["3", "5", "10", "20", "50", "90"])
    axes.minorticks_off()

# %% [markdown]
# Look at the spreads before you believe in an order. When this was written, *none* read 93.8 % ± 1.1 and *gentle*
# 96.0 % ± 1.1: that is a difference. *mixup* and *cutmix*, which know nothing of digits, lay between, 95.2 % and
# 94.9 %, with half of the spread; whether *gentle* is better than they, four seeds cannot tell. *cutout* differed from
# *none* by less than either spread, so of it we have learned nothing. And *the notes'*, with 72 %, needs no statistics.
#
# Watch both ends of the curves. In the beginning *gentle* is behind: its net has a harder task, it never sees the same
# picture twice. In the end it is ahead, and a good part of the errors is gone, with not one digit more. (Without
# augmentation the training digits are soon known by heart, and there is nothing left to learn from them.)
#
# And a wrong claim is worse than none. What exactly has *the notes'* net unlearned?

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    figure, panels = plt.subplots(1, 2, figsize=(7, 3.4))
    for axes, name in zip(panels, ("gentle", "the notes'"), strict=True):
        confusion = torch.zeros(10, 10)
        for _, predictor, test in shown[name]:
            pairs = labels[test] * 10 + predictor(images[test])
            confusion += torch.bincount(pairs, minlength=100).reshape(10, 10)
        confusion /= confusion.sum(1, keepdim=True)
        axes.imshow(confusion, cmap="Blues", vmax=0.6)
        for digit, said in (confusion - torch.diag(confusion.diagonal()) > 0.08).nonzero().tolist():
            axes.text(said, digit, f"{100 * confusion[digit, said]:.0f}", ha="center", va="center", fontsize=8)
        axes.set_xticks(range(10))
        axes.set_yticks(range(10))
        axes.set(title=f"{name}: errors above 8 %", xlabel="read as", ylabel="label")

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    for name, results in shown.items():
        wrong, count = 0, 0
        for _, predictor, test in results:
            for digit, other in ((6, 9), (9, 6)):
                said = predictor(images[test][labels[test] == digit])
                wrong, count = wrong + int((said == other).sum()), count + len(said)
        print(f"{name:10}  6 and 9 taken for each other in {wrong / count:.1%} of the cases")

# %% [markdown]
# The 6 and the 9: exactly the pair that half a turn exchanges. (The others are its relatives. A mirrored 2 is nearly a
# 5.)
#
# And what has *gentle* learned? The question that the witness failed, asked again: one pixel to the right.

# %% tags=["demo", "nbval-ignore-output"]
if runs:
    with try_it("label_preserving"):
        for name, results in shown.items():
            kept = [label_preserving({"shift": shift_right}, images[test], labels[test], predictor, 0.8)["shift"]
                    for _, predictor, test in results]
            print(f"{name:10}  digits that survive one pixel to the right, by seed: {kept}")

# %% [markdown]
# ## What can go wrong
#
# Seven classics, each run. None of them raises an error.
#
# **A crop that never reaches the border.** `randint(H - h)` in place of `randint(H - h + 1)`. Nothing fails, no shape
# is wrong. Crops of 8 × 8 are cut out of 12 × 12, two thousand times.
#
# **Predict, then run.** How many of the 144 pixels are in none of the crops? (a) 0, for two thousand crops get
# everywhere; (b) 12, the last row; (c) 23, the last row and the last column.

# %% tags=["demo"]
def crop_counts(offset):
    """How often each pixel of a 12 × 12 picture is in a crop of 8 × 8."""
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(12, 12)
    for _ in range(2000):
        top, left = (int(torch.randint(12 - 8 + offset, (), generator=generator)) for _ in range(2))
        counts[top:top + 8, left:left + 8] += 1
    return counts


print("pixels that are never seen:", int((crop_counts(1) == 0).sum()), "and", int((crop_counts(0) == 0).sum()))
show([crop_counts(1), crop_counts(0)], ["randint(H − h + 1)", "randint(H − h)"], cmap="viridis", vmin=0, vmax=2000)


# %% [markdown]
# (c). (a) is true of the right crop; no number of crops mends the other. (b) forgets that columns are drawn as rows
# are: 12 + 12 pixels, and the corner is in both.
#
# **A turn the other way, and a turn off the centre.** The sign of the sine, and H / 2 in place of (H − 1) / 2. With
# small angles and an eye on the picture both pass. One quarter turn, compared with `rot90`, gives them away.

# %% tags=["demo"]
def wrong_rotate(x, degrees, sign=1.0, centre=0.5):
    """`rotate` with two mistakes to choose from: sign −1 turns the other way, centre 0 is half a pixel off."""
    height, width = x.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), sign * math.sin(math.radians(degrees))
    d = torch.arange(height)[:, None] - height / 2 + centre
    r = torch.arange(width) - width / 2 + centre
    x_read, y_read = (part - centre + 0.5 for part in (r * cos - d * sin, r * sin + d * cos))
    grid = torch.stack([2 * x_read / width, 2 * y_read / height], -1)
    return F.grid_sample(x[None], grid[None], align_corners=False)[0]


five = images[15]
shown = [five, torch.rot90(five, 1, (-2, -1)), wrong_rotate(five, 90, sign=-1.0), wrong_rotate(five, 90, centre=0.0)]
for name, picture in zip(("correct", "other way", "off the centre"), shown[1:], strict=True):
    print(f"{name:15} differs from rot90 by up to {(picture - shown[1]).abs().max():.2f}")
show(shown, ["as it is", "90°", "the other way", "off the centre"], height=1.5)


# %% [markdown]
# **Turning again and again.** Every bilinear turn blurs a little. Twelve turns by 30° are not one turn by 360°: combine
# the turns first, then read the picture once. (And do not write augmented pictures back over the originals.)
#
# **Predict, then run.** How much of the mean step from a pixel to the next is left after twelve turns? (a) 95 per cent,
# for one turn cannot be seen; (b) about half; (c) next to nothing.

# %% tags=["demo"]
temple = photo("china", height=90)[:, :, 20:110]
again = temple
for _ in range(12):
    again = wrong_rotate(again, 30)
shown = {"as it is": temple, "once 360°": wrong_rotate(temple, 360).clamp(0, 1), "12 times 30°": again.clamp(0, 1)}
for name, picture in shown.items():
    steps = picture[:, 20:70, 20:70].diff(dim=-1).abs()
    print(f"{name:13} mean step from a pixel to the next: {steps.mean():.3f}")
show(shown.values(), list(shown))

# %% [markdown]
# (b). The turns in between are read from pictures that are blurred already, so the loss adds up; (a) counts the first
# turn alone. It comes to an end where only slow changes are left, which a turn cannot blur: hence not (c).
#
# **Mixed pictures with labels that do not match.** The shares exchanged: of a picture that is 90 % a 3 the net is told
# that it is 90 % an 8. Its loss falls all the same, towards the wrong labels. What a net that answers *perfectly* pays:

# %% tags=["demo"]
share = 0.9
truth = torch.zeros(1, 10)
truth[0, 3], truth[0, 8] = share, 1 - share  # what is in the picture
exchanged = torch.zeros(1, 10)
exchanged[0, 3], exchanged[0, 8] = 1 - share, share
perfect = (truth + 1e-9).log()
print(f"loss with the right label {F.cross_entropy(perfect, truth):.2f}, with the shares exchanged "
      f"{F.cross_entropy(perfect, exchanged):.2f}")


# %% [markdown]
# **One draw for a whole batch.** The transform is called on (N, C, H, W): no error, since it takes (..., H, W). All
# pictures are turned by the same angle, and one step of training sees one angle.

# %% tags=["demo"]
with try_it("rotate"):
    generator = torch.Generator().manual_seed(6)
    together = random_rotate(images[:6], 40, generator=generator)
    single = torch.stack([random_rotate(image, 40, generator=generator) for image in images[:6]])
    show([*together, *single], ["batch"] * 6 + ["one by one"] * 6, height=0.9)

# %% [markdown]
# **The same numbers in every worker.** A worker process gets a copy of your generator. So does every worker, and so it
# does in every epoch.
#
# **Predict, then run.** Two workers fetch four pictures each, in two epochs. How many different angles do the sixteen
# pictures get? (a) 16; (b) 8, for the workers are alike; (c) 4.

# %% tags=["demo"]
generator = torch.Generator().manual_seed(0)
for epoch in range(2):
    for worker in range(2):
        own = copy.deepcopy(generator.get_state())  # what arrives in the worker's process
        copied = torch.Generator()
        copied.set_state(own)
        angles = [round((2 * torch.rand((), generator=copied).item() - 1) * 15, 1) for _ in range(4)]
        print(f"epoch {epoch}, worker {worker}: turns by {angles}")


# %% [markdown]
# (c): the generator that is copied never moves, for nobody draws from it. Every epoch is the first one again.
#
# **Statistics from pictures that are for validation only.** With many similar pictures it changes little, and that is
# why nobody notices. Take the case where it matters: the pictures to come are brighter than yours. Normalised with the
# training part's figures, their mean is far from 0, and you are warned. Fitted on everything, half of the warning is
# gone.

# %% tags=["demo"]
train_part, bright_part = images[:300], (images[300:600] + 0.5).clamp(max=1)
for name, part in (("training part alone", train_part), ("all pictures", torch.cat([train_part, bright_part]))):
    print(f"fitted on {name:20} mean of the validation part {(bright_part.mean() - part.mean()) / part.std():.2f}")


# %% [markdown]
# ## Summary
#
# 1. A transform is a **claim** about labels. Half a turn makes a 9 of a 6; a mirror is harmless for flowers and not for
#    digits. Ask what a person would say, then what the net says.
# 2. Geometry is **reading**: for each output pixel ask where it comes from. Turn in pixels about ((H − 1)/2, (W −
#    1)/2); a pixel's value sits in its middle.
# 3. Chance comes from a **generator** with a seed, anew for each picture and each epoch; a worker needs numbers of its
#    own.
# 4. If pixels are mixed, **labels** are mixed: the same λ, the same partner, the area that is really there.
# 5. **Training alone** is augmented, and training alone gives the mean and the standard deviation.
#
# In production:
#
# | you wrote | PyTorch and torchvision have |
# |--|--|
# | `turn_over` | `torch.flip`, `torch.rot90`; `v2.RandomHorizontalFlip`, `v2.RandomVerticalFlip` |
# | `RandomApply`, `Compose` | `torchvision.transforms.v2.RandomApply`, `v2.Compose` |
# | `random_crop`, `random_resized_crop` | `v2.RandomCrop`, `v2.RandomResizedCrop` |
# | `rotate`, `color_jitter` | `v2.RandomRotation` (`F.affine_grid` builds the grid), `v2.ColorJitter` |
# | `cutout`, `mixup`, `cutmix` | `v2.RandomErasing`, `v2.MixUp`, `v2.CutMix` |
# | `make_loaders` | `torch.utils.data.random_split`, `DataLoader` |
#
# To read:
#
# - P. Simard, D. Steinkraus, J. Platt, *Best Practices for Convolutional Neural Networks Applied to Visual Document
#   Analysis*, 2003.
# - A. Krizhevsky, I. Sutskever, G. Hinton, *ImageNet Classification with Deep Convolutional Neural Networks*, 2012
#   (its section on data augmentation).
# - T. DeVries, G. Taylor, *Improved Regularization of Convolutional Neural Networks with Cutout*, 2017.
# - H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, *mixup: Beyond Empirical Risk Minimization*, 2018.
# - S. Yun et al., *CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features*, 2019.
# - C. Shorten, T. Khoshgoftaar, *A Survey on Image Data Augmentation for Deep Learning*, 2019.
#
# ## What comes next
#
# The promise of the beginning is kept: 200 digits, a few true sentences about them, and a good part of the errors is
# gone. With this chapter you have written, by hand and checked against PyTorch, every part of a network that recognises
# images: the convolution and its gradients, pooling, activations, normalisation, the residual block and a whole ResNet,
# what `nn.Module` does behind your back, and the data that it is fed. Two chapters put the parts to work: one on a net
# that somebody else has trained on a million photographs, one on a net of your own that takes the noise out of
# photographs.
#
# A good project for a weekend: take this chapter's 200 digits and get as far above the *gentle* curve as you can. The
# rules: no other digits, the same test pictures, four seeds, and look at the test curve as seldom as you can bear.
# Write down each claim that you make about the pictures before you try it.
