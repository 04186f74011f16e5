"""How `cross_correlate` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, but_for_scale, exercise, gradients, in_any_order, ops

from .shared import _and_inputs, _correlate


def _correlate_image(image, kernel):
    return F.conv2d(image[None, None], kernel[None, None])[0, 0]


@exercise(points=10, reference=_correlate_image, bans=ops.CONVOLUTION)
def cross_correlate(impl, draw):
    def even(*shape):
        """A kernel that is the same flipped, mirrored or, where it is square, transposed: `values` looks at that."""
        kernel = draw.normal(*shape)
        kernel = kernel + kernel.flip(0)
        kernel = kernel + kernel.flip(1)
        return kernel + kernel.T if kernel.shape[0] == kernel.shape[1] else kernel

    def scaled(image, kernel):
        return but_for_scale(impl(image, kernel))

    def slopes(image, kernel):
        found = gradients(impl, image, kernel)
        return but_for_scale([found[0], in_any_order(found[1])] if isinstance(found, list) else found)

    yield aspect("values", "Lay the kernel on the image, multiply the numbers that meet, and add the products.",
                 lambda: impl(draw.normal(6, 6), draw.normal(3, 3)))
    yield aspect("shapes", "Neither the image nor the kernel has to be square.",
                 lambda: [scaled(draw.normal(5, 9), even(2, 4)), scaled(draw.normal(8, 5), even(4, 1))])
    yield aspect("extremes", "The smallest kernel is 1×1; the largest is as large as the image and leaves one number.",
                 lambda: [impl(draw.normal(3, 4), even(1, 1)), impl(draw.normal(4, 5), even(4, 5))])
    yield aspect("gradients", "Both inputs stay as they were, and gradients flow to both.",
                 lambda: [slopes(draw.normal(5, 5), even(3, 3)),
                          _and_inputs(scaled, draw.normal(4, 4), even(2, 2))], rtol=1e-4, atol=1e-5)


@cross_correlate.misconception("The kernel was flipped: that is the convolution of mathematics. Here the kernel's "
                               "upper left number meets the window's upper left number.")
def flips_the_kernel(image, kernel):
    return _correlate_image_by_windows(image, kernel.flip(0, 1))


def _correlate_image_by_windows(image, kernel):
    return _correlate(image[None, None], kernel[None, None])[0, 0]


@cross_correlate.misconception("The last row and the last column of windows are missing. Count the places where a "
                               "kernel of 3 fits on 4 numbers: there are two.")
def stops_one_early(image, kernel):
    return _correlate_image_by_windows(image, kernel)[:-1, :-1]


@cross_correlate.misconception("A border of zeros was added to keep the image's size. There is no padding in this "
                               "task: a window must lie wholly on the image.")
def keeps_the_size(image, kernel):
    height, width = kernel.shape
    bordered = F.pad(image, ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2))
    return _correlate_image_by_windows(bordered, kernel)


@cross_correlate.misconception("The products were averaged. They are added up: a kernel of nine ones adds nine "
                               "numbers and does not divide by nine.")
def averages(image, kernel):
    return _correlate_image_by_windows(image, kernel) / kernel.numel()


@cross_correlate.misconception("The window and the kernel were multiplied as matrices (`@`). Each number of the "
                               "window meets just one number of the kernel: that product is `*`.")
def multiplies_matrices(image, kernel):
    height, width = kernel.shape
    rows = [torch.stack([(image[i:i + height, j:j + width] @ kernel).sum()
                         for j in range(image.shape[1] - width + 1)]) for i in range(image.shape[0] - height + 1)]
    return torch.stack(rows)


@cross_correlate.misconception("The kernel was laid on its side: rows and columns of the kernel are exchanged.")
def turns_the_kernel(image, kernel):
    return _correlate_image_by_windows(image, kernel.T)


@cross_correlate.misconception("The result lies on its side: what belongs to place (p, q) stands at (q, p). The first "
                               "index counts downwards, in the result as in the image.")
def lays_the_result_on_its_side(image, kernel):
    return _correlate_image_by_windows(image, kernel).T


@cross_correlate.misconception("Height and width of the kernel are exchanged when the window is cut out. In "
                               "`kernel.shape` the height comes first. With square kernels nobody notices.")
def exchanges_height_and_width(image, kernel):
    width, height = kernel.shape
    out = torch.empty(image.shape[0] - height + 1, image.shape[1] - width + 1, dtype=image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + height, j:j + width] * kernel).sum()
    return out


@cross_correlate.misconception("The sums left PyTorch, by `.item()`, `torch.tensor()` or NumPy, so autograd lost "
                               "their trace. Put the 0-dimensional tensor itself into the result.")
def takes_items(image, kernel):
    out = torch.empty(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1, dtype=image.dtype)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + kernel.shape[0], j:j + kernel.shape[1]] * kernel).sum().item()
    return out


def _returned_after(count, image, kernel):
    """Zeros, and the first `count` numbers, as where `return` is indented too far."""
    right = _correlate_image_by_windows(image, kernel).flatten()
    return torch.cat([right[:count], 0 * right[count:]]).reshape(image.shape[0] - kernel.shape[0] + 1, -1)


@cross_correlate.misconception("The function returns after the first row: `return` is indented too far and stands "
                               "inside the loop over p. It belongs behind both loops.")
def returns_after_the_first_row(image, kernel):
    return _returned_after(image.shape[1] - kernel.shape[1] + 1, image, kernel)


@cross_correlate.misconception("The function returns after the first number: `return` is indented too far and stands "
                               "inside both loops. It belongs behind them.")
def returns_after_the_first_number(image, kernel):
    return _returned_after(1, image, kernel)


@cross_correlate.misconception("The result has the right size, but its last row and column were never filled: the "
                               "loops end one place early. `range(n)` ends at n − 1.")
def leaves_the_last_places_empty(image, kernel):
    return F.pad(stops_one_early(image, kernel), (0, 1, 0, 1))


def _as_if_square(image, kernel, side, height, width):
    out = torch.zeros(height, width)
    for i in range(height):
        for j in range(width):
            out[i, j] = (image[i:i + side, j:j + side] * kernel).sum()
    return out


@cross_correlate.misconception("The kernel was taken to be square, as wide as it is high. Its height is "
                               "`kernel.shape[0]`, its width `kernel.shape[1]`.")
def takes_the_kernel_to_be_square(image, kernel):
    side = kernel.shape[0]
    return _as_if_square(image, kernel, side, image.shape[0] - side + 1, image.shape[1] - side + 1)


@cross_correlate.misconception("The kernel was taken to be square, as high as it is wide. Its height is "
                               "`kernel.shape[0]`, its width `kernel.shape[1]`.")
def takes_the_kernel_to_be_as_high_as_wide(image, kernel):
    side = kernel.shape[1]
    return _as_if_square(image, kernel, side, image.shape[0] - side + 1, image.shape[1] - side + 1)


@cross_correlate.misconception("The image was taken to be square: the columns of the result were counted from its "
                               "height. Compute rows from `shape[0]` and columns from `shape[1]`.")
def takes_the_image_to_be_square(image, kernel):
    places = [image.shape[0] - size + 1 for size in kernel.shape]
    out = torch.zeros(*places)
    for i in range(places[0]):
        for j in range(places[1]):
            out[i, j] = (image[i:i + kernel.shape[0], j:j + kernel.shape[1]] * kernel).sum()
    return out


@cross_correlate.misconception("The kernel was turned upside down. Its upper left number meets the window's upper left "
                               "number.")
def turns_the_kernel_upside_down(image, kernel):
    return _correlate_image_by_windows(image, kernel.flip(0))


@cross_correlate.misconception("The kernel was mirrored, left to right. Its upper left number meets the window's upper "
                               "left number.")
def mirrors_the_kernel(image, kernel):
    return _correlate_image_by_windows(image, kernel.flip(1))


@cross_correlate.misconception("The window was multiplied with the transposed kernel as matrices (`@`), and all of the "
                               "product was added up. Each number of the window meets one of the kernel: that is `*`.")
def multiplies_with_the_transposed_kernel(image, kernel):
    windows = image.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows @ kernel.T).sum((-2, -1))


@cross_correlate.misconception("The sum was divided by the kernel's sum. That keeps brightness, and it is no part of "
                               "this task: products are added up, and that is all.")
def divides_by_the_kernels_sum(image, kernel):
    return _correlate_image_by_windows(image, kernel) / kernel.sum()


@cross_correlate.misconception("Windows were begun at places where they hang over the edge, and no longer fit the "
                               "kernel. On n numbers a kernel of k fits at n − k + 1 places.")
def begins_where_no_window_fits(image, kernel):
    height, width = kernel.shape
    return torch.stack([torch.stack([(image[p:p + height, q:q + width] * kernel).sum() for q in range(image.shape[1])])
                        for p in range(image.shape[0])])


@cross_correlate.misconception("The result was made one row and one column too small, and an index ran over its end. "
                               "On n numbers a kernel of k fits at n − k + 1 places: the + 1 is missing.")
def makes_the_result_too_small(image, kernel):
    height, width = kernel.shape
    result = torch.zeros(image.shape[0] - height, image.shape[1] - width)
    for p in range(image.shape[0] - height + 1):
        for q in range(image.shape[1] - width + 1):
            result[p, q] = (image[p:p + height, q:q + width] * kernel).sum()
    return result


@cross_correlate.misconception("The window and the kernel were added where they should be multiplied: number by "
                               "number, `*`, and then the sum of all products.")
def adds_window_and_kernel(image, kernel):
    return _correlate_image(image, torch.ones_like(kernel)) + kernel.sum()


@cross_correlate.misconception("The largest product was kept. All products of a window are added up.")
def keeps_the_largest_product(image, kernel):
    windows = image.unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows * kernel).amax((2, 3))


@cross_correlate.misconception("The sum was never set back to 0: each place holds also all the sums before it. Begin "
                               "anew at every place.")
def never_begins_anew(image, kernel):
    right = _correlate_image(image, kernel)
    return right.flatten().cumsum(0).reshape(right.shape)


@cross_correlate.alternative
def into_a_float32_buffer(image, kernel):
    out = torch.zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + kernel.shape[0], j:j + kernel.shape[1]] * kernel).sum()
    return out


@cross_correlate.alternative
def stacks_rows(image, kernel):
    height, width = kernel.shape
    return torch.stack([
        torch.stack([torch.tensordot(image[i:i + height, j:j + width], kernel, dims=2)
                     for j in range(image.shape[1] - width + 1)])
        for i in range(image.shape[0] - height + 1)])


@cross_correlate.alternative
def shifts_the_image(image, kernel):
    height, width = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    return sum(kernel[i, j] * image[i:i + height, j:j + width]
               for i in range(kernel.shape[0]) for j in range(kernel.shape[1]))


@cross_correlate.alternative
def in_double_precision(image, kernel):
    windows = image.double().unfold(0, kernel.shape[0], 1).unfold(1, kernel.shape[1], 1)
    return (windows * kernel.double()).sum((-2, -1)).to(image.dtype)


@cross_correlate.alternative
def with_python_numbers_added(image, kernel):
    out = image.new_zeros(image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    out[i, j] += image[i + a, j + b] * kernel[a, b]
    return out


cross_correlate.equivalent(
    "out = torch.empty(height, width, dtype=image.dtype) -> out = torch.empty(height, width)",
    "The course's first exercise examines no dtypes.")
