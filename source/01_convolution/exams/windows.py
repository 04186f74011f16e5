"""How `windows` is examined: all windows of a picture, as a view of the picture's own memory."""

import torch

from convcraft.exam import aspect, exercise, gradients, in_any_order

from .shared import _pair

_CUTTING = frozenset({"aten::unfold", "aten::unfold_copy", "aten::im2col"})


def _cut(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    return x.unfold(2, tall, down).unfold(3, wide, right)


def _strided(x, kernel_size, stride=1, *, count=None, steps=None, offset=None):
    """The view that follows from a count of windows and from steps in memory; both default to the right ones."""
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    picture, channel, row, pixel = steps or x.stride()
    height, width = count or ((x.shape[2] - tall) // down + 1, (x.shape[3] - wide) // right + 1)
    return x.as_strided((*x.shape[:2], height, width, tall, wide),
                        (picture, channel, row * down, pixel * right, row, pixel), offset)


def _after_a_change(impl, x, *arguments):
    """The windows before and after every number of `x` was changed."""
    seen = impl(x, *arguments)
    if not isinstance(seen, torch.Tensor):
        return seen
    before = seen.detach().clone()
    x.mul_(-3)
    return [in_any_order(before), in_any_order(seen)]


def _and_x(impl, x):
    return [impl(x, 2), x]


def _odd_layouts(draw):
    """Pictures that do not lie in memory one number after the other."""
    wide = draw.normal(2, 3, 6, 9)
    return [draw.normal(2, 3, 5, 4).mT, wide[:, :, 1:, ::2], wide[1:, 1:, 2:, 3:],
            draw.normal(2, 6, 5, 3).permute(0, 3, 1, 2)]


@exercise(points=8, reference=_cut, bans=_CUTTING)
def windows(impl, draw):
    yield aspect("values", "`result[n, c, p, q]` is the window whose upper left corner is at place (p, q) of channel c "
                 "in picture n.",
                 lambda: [impl(draw.normal(1, 2, 5, 5), 3), impl(draw.normal(3, 1, 4, 4), 2)])
    yield aspect("shapes", "Neither pictures nor windows have to be square; the largest window is the whole picture.",
                 lambda: [impl(draw.normal(2, 1, 4, 7), (2, 3)), impl(draw.normal(1, 4, 6, 5), (6, 1)),
                          impl(draw.normal(2, 3, 3, 4), (3, 4)), impl(draw.normal(1, 2, 3, 4), 1)])
    yield aspect("stride", "With a stride, windows start that many pixels apart; a last step that leads off the "
                 "picture is left out.",
                 lambda: [in_any_order(impl(draw.normal(1, 2, 7, 9), 3, 2)),
                          in_any_order(impl(draw.normal(2, 1, 9, 9), 2, stride=3)),
                          in_any_order(impl(draw.normal(1, 1, 8, 8), 3, 2))])
    yield aspect("pairs", "`kernel_size` and `stride` are a number or a pair (height, width).",
                 lambda: [in_any_order(impl(draw.normal(2, 2, 7, 9)[:1], (2, 3), (3, 1))),
                          in_any_order(impl(draw.normal(3, 3, 8, 6)[:2], 2, (1, 2)))])
    yield aspect("no copy", "The result shares its memory with `x`, whatever its layout: whoever changes a pixel of "
                 "`x` afterwards, sees it in all windows that hold it.",
                 lambda: [_after_a_change(impl, draw.normal(*shape), 2) for shape in ((2, 3, 5, 6), (1, 1, 4, 4))]
                 + [_after_a_change(impl, x, 2) for x in _odd_layouts(draw)])
    yield aspect("any layout", "`x` may lie in memory in any way: transposed, every second column, a part of a larger "
                 "picture.", lambda: [in_any_order(impl(x, 2)) for x in _odd_layouts(draw)])
    yield aspect("gradients", "`windows` leaves `x` as it was, and gradients flow to it: a pixel that stands in "
                 "several windows gets the sum.",
                 lambda: [gradients(lambda x: impl(x, 2), draw.normal(2, 2, 4, 5)),
                          _and_x(impl, draw.normal(2, 2, 4, 5))])


@windows.misconception("The steps were computed from the shape, as if the picture lay in memory row after row. It may "
                       "not: ask `x.stride()`.")
def assumes_a_contiguous_picture(x, kernel_size, stride=1):
    _, channels, height, width = x.shape
    return _strided(x, kernel_size, stride, steps=(channels * height * width, height * width, width, 1))


@windows.misconception("A picture that is not contiguous was copied first, by `contiguous()` or `reshape`, so the "
                       "result does not share its memory. `x.stride()` knows the steps, whatever the layout.")
def copies_what_is_not_contiguous(x, kernel_size, stride=1):
    return _strided(x.contiguous(), kernel_size, stride)


@windows.misconception("The windows are a copy: `stack`, `clone`, `reshape` or indexing with a tensor make new memory. "
                       "A view is made by a shape and by steps, with `as_strided`.")
def copies_the_windows(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride).clone()


@windows.misconception("The view starts where the memory starts (an offset of 0). A part of a larger picture starts "
                       "further on: leave the offset out, and `as_strided` takes that of `x`.")
def starts_where_the_memory_starts(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride, offset=0)


@windows.misconception("The window's own dimensions come before the places: yours is (N, C, kH, kW, H′, W′). The task "
                       "wants (N, C, H′, W′, kH, kW).")
def puts_the_places_last(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride).permute(0, 1, 4, 5, 2, 3)


@windows.misconception("The stride went into the window: its pixels lie `stride` apart. Within a window pixels are "
                       "neighbours; the stride lies between the corners of two windows.")
def strides_inside_the_window(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    picture, channel, row, pixel = x.stride()
    height = (x.shape[2] - down * (tall - 1) - 1) // down + 1
    width = (x.shape[3] - right * (wide - 1) - 1) // right + 1
    return x.as_strided((*x.shape[:2], max(height, 0), max(width, 0), tall, wide),
                        (picture, channel, row, pixel, row * down, pixel * right))


@windows.misconception("The stride changes how many windows there are, but not where they start: the step from one "
                       "window to the next is still one pixel. Multiply it by the stride.")
def counts_with_the_stride_alone(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    return _strided(x, kernel_size, 1, count=((x.shape[2] - tall) // down + 1, (x.shape[3] - wide) // right + 1))


@windows.misconception("The stride was ignored: all windows at stride 1 are there.")
def ignores_the_stride_of_windows(x, kernel_size, stride=1):
    return _strided(x, kernel_size)


@windows.misconception("The last window of each row and column is missing. A window of 3 finds two places on 4 "
                       "pixels.")
def leaves_out_the_last_windows(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride)[:, :, :-1, :-1]


@windows.misconception("There are as many places as if every pixel could start a window. The last ones reach beyond "
                       "the picture, into whatever lies there in memory.")
def reads_beyond_the_picture(x, kernel_size, stride=1):
    down, right = _pair(stride)
    return _strided(x, kernel_size, stride, count=(x.shape[2] // down, x.shape[3] // right))


@windows.misconception("Height and width of the window are exchanged: `kernel_size` is (height, width).")
def exchanges_the_window(x, kernel_size, stride=1):
    return _strided(x, _pair(kernel_size)[::-1], stride)


@windows.misconception("The two numbers of the stride are exchanged: the first one is the step downwards.")
def exchanges_the_stride_of_windows(x, kernel_size, stride=1):
    return _strided(x, kernel_size, _pair(stride)[::-1])


@windows.misconception("The window was taken to be square, as wide as it is high. `kernel_size` may be a pair of two "
                       "different numbers.")
def takes_windows_to_be_square(x, kernel_size, stride=1):
    return _strided(x, _pair(kernel_size)[0], stride)


@windows.misconception("A window's rows and columns are exchanged: yours is (N, C, H′, W′, kW, kH). The task wants the "
                       "height first.")
def lays_windows_on_their_side(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride).mT


@windows.misconception("The stride stands at the wrong steps: it was multiplied onto the steps inside of the window "
                       "instead of those from window to window.")
def multiplies_the_steps_inside(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    picture, channel, row, pixel = x.stride()
    height, width = (x.shape[2] - tall) // down + 1, (x.shape[3] - wide) // right + 1
    return x.as_strided((*x.shape[:2], height, width, tall, wide),
                        (picture, channel, row, pixel, row * down, pixel * right))


@windows.misconception("The graph to `x` is cut, by `.detach()` or `.data`. `as_strided` of `x` itself keeps it.")
def cuts_the_graph_of_windows(x, kernel_size, stride=1):
    return _strided(x.detach(), kernel_size, stride)


@windows.misconception("The two numbers of the stride are exchanged in the steps: the first one is the step downwards "
                       "(height).")
def exchanges_the_stride_in_the_steps(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    height, width = (x.shape[2] - tall) // down + 1, (x.shape[3] - wide) // right + 1
    picture, channel, row, pixel = x.stride()
    return x.as_strided((*x.shape[:2], height, width, tall, wide),
                        (picture, channel, row * right, pixel * down, row, pixel))


@windows.misconception("The number of places was divided by the stride. Of the places 0 to 4, a stride of 2 keeps "
                       "three: divide the room to move, and the first place comes on top.")
def divides_the_places(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    return _strided(x, kernel_size, stride, count=((x.shape[2] - tall + 1) // down, (x.shape[3] - wide + 1) // right))


@windows.misconception("The step from one pixel to the next was taken to be 1. In every second column of a larger "
                       "picture it is 2: ask `x.stride()` for all four.")
def steps_from_pixel_to_pixel_by_one(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride, steps=(*x.stride()[:3], 1))


@windows.misconception("Left out, the stride is the window's size in your code. That is pooling's default; here it is "
                       "1.")
def cuts_windows_side_by_side(x, kernel_size, stride=None):
    return _strided(x, kernel_size, kernel_size if stride is None else stride)


@windows.misconception("Of a pair for `stride` only the first number was used, for both directions. The second one is "
                       "the step to the right.")
def takes_the_first_stride(x, kernel_size, stride=1):
    return _strided(x, kernel_size, _pair(stride)[0])


@windows.misconception("The picture was taken to be square: the places to the right were counted by its height. Count "
                       "them by `x.shape[3]`.")
def takes_pictures_to_be_square(x, kernel_size, stride=1):
    places = (x.shape[2] - _pair(kernel_size)[0]) // _pair(stride)[0] + 1
    return _strided(x, kernel_size, stride, count=(places, places))


@windows.misconception("Only the first picture of the batch was cut into windows. The result has as many pictures as "
                       "`x`.")
def cuts_the_first_picture(x, kernel_size, stride=1):
    return _strided(x[:1], kernel_size, stride)


@windows.alternative
def one_direction_after_the_other(x, kernel_size, stride=1):
    for dim, size, step in zip((2, 3), _pair(kernel_size), _pair(stride), strict=True):
        shape, steps = list(x.shape), list(x.stride())
        shape[dim], steps[dim] = (shape[dim] - size) // step + 1, steps[dim] * step
        x = x.as_strided((*shape, size), (*steps, x.stride(dim)))
    return x


@windows.alternative
def all_windows_then_some(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    count, channels, height, width = x.shape
    shape = (count, channels, height - tall + 1, width - wide + 1, tall, wide)
    every = torch.as_strided(x, shape, (*x.stride(), *x.stride()[2:]), x.storage_offset())
    return every[:, :, ::down, ::right]


@windows.alternative
def by_steps_in_memory(x, kernel_size, stride=1):
    return _strided(x, kernel_size, stride)


@windows.alternative
def picture_seen_as_four_numbers(x, kernel_size, stride=1):
    (tall, wide), (down, right) = _pair(kernel_size), _pair(stride)
    shape = [*x.shape[:2], len(range(0, x.shape[2] - tall + 1, down)), len(range(0, x.shape[3] - wide + 1, right)),
             tall, wide]
    steps = [x.stride(0), x.stride(1), down * x.stride(2), right * x.stride(3), x.stride(2), x.stride(3)]
    return torch.as_strided(x, shape, steps)
