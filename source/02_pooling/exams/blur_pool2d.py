"""How `blur_pool2d` is examined: a small blur, then every second pixel."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, but_for_scale, exercise, habits, ops

from .shared import _HOUSE_RULES, _pair


def _binomial(x):
    row = torch.tensor([1, 2, 1], dtype=x.dtype) / 4
    return row[:, None] * row


def _depthwise(x, kernel, stride=1):
    return F.conv2d(x, kernel.expand(x.shape[1], 1, *kernel.shape), stride=stride, groups=x.shape[1])


def _mirrored(x, mode="reflect"):
    return F.pad(x, (1, 1, 1, 1), mode=mode)


def _blurred(x, stride=2):
    return _depthwise(_mirrored(x), _binomial(x), stride)


def _inside(result):
    """The result without its outermost pixels, where the border has no say."""
    return result[:, :, 1:-1, 1:-1] if isinstance(result, torch.Tensor) and result.ndim == 4 else result


def _at_the_border(result):
    """The outermost pixels alone."""
    if not isinstance(result, torch.Tensor) or result.ndim != 4:
        return result
    return [result[:, :, 0], result[:, :, -1], result[:, :, :, 0], result[:, :, :, -1]]


def _slopes(draw, *shape):
    """Every channel a slope of its own: inside, any mean that is the same to all sides leaves it as it is."""
    count, channels, height, width = shape
    down, right = draw.normal(2, count, channels, 1, 1)
    return draw.normal(count, channels, 1, 1) + down * torch.arange(height)[:, None] + right * torch.arange(width)


@exercise(points=10, reference=_blurred, bans=ops.POOLING)
def blur_pool2d(impl, draw):
    def inside(*args):
        return but_for_scale(_inside(impl(*args)))

    yield aspect("weights", "Each pixel of the result is a mean of nine, with the weights of the table.",
                 lambda: [_inside(impl(draw.normal(2, 1, *size), 1)) for size in ((6, 7), (8, 4))])
    yield aspect("channels", "Each channel is blurred on its own, however many there are.",
                 lambda: [inside(_slopes(draw, 2, channels, 5, 6), 1) for channels in (1, 2, 3, 5)], weight=2)
    yield aspect("stride", "The windows' centres begin at the first pixel and lie `stride` apart; left out, it is 2.",
                 lambda: [inside(draw.normal(1, 1, 9, 10)), inside(draw.normal(2, 1, 10, 9), 3),
                          but_for_scale(_inside(impl(draw.normal(1, 1, 12, 13), stride=4)))])
    yield aspect("border", "Beyond the border the picture is mirrored: next to the first row lies the second one "
                 "again, next to the last row the last but one.",
                 lambda: but_for_scale([_at_the_border(impl(draw.normal(2, 2, 5, 6) + 3, 1)),
                                        impl(draw.normal(1, 1, 2, 2) + 3, 1)]))
    yield aspect("pairs", "`stride` is a number or a pair (height, width).",
                 lambda: [inside(_slopes(draw, 1, 1, 9, 8), (2, 1)), inside(_slopes(draw, 2, 1, 8, 12), (1, 3))],
                 weight=2)
    yield habits(_HOUSE_RULES, lambda *given: _inside(impl(*given)), lambda: (draw.normal(2, 2, 7, 6), 1))


def _with(kernel, x, stride):
    return _depthwise(_mirrored(x), kernel, stride)


@blur_pool2d.misconception("All nine weights are 1/9: that is the mean of a 3×3 window. Here the middle counts four "
                           "times as much as a corner.")
def blurs_with_equal_weights(x, stride=2):
    return _with(torch.full((3, 3), 1 / 9, dtype=x.dtype), x, stride)


@blur_pool2d.misconception("The weights add up to 16, so the picture gets 16 times as bright. Divide by 16.")
def forgets_to_divide(x, stride=2):
    return 16 * _blurred(x, stride)


@blur_pool2d.misconception("The weights were divided by 9, the number of pixels. Divide by their sum, 16.")
def divides_by_nine(x, stride=2):
    return _blurred(x, stride) * (16 / 9)


@blur_pool2d.misconception("Only along the rows the picture was blurred; downwards every pixel stands alone. The table "
                           "is 1, 2, 1 in both directions.")
def blurs_along_the_rows_alone(x, stride=2):
    row = torch.tensor([[0, 0, 0], [1, 2, 1], [0, 0, 0]], dtype=x.dtype) / 4
    return _with(row, x, stride)


@blur_pool2d.misconception("The corners have no weight (1, 4, 1 on a cross, or 2 around 4). In the table every corner "
                           "is 1.")
def leaves_out_the_corners(x, stride=2):
    return _with(torch.tensor([[0, 2, 0], [2, 4, 2], [0, 2, 0]], dtype=x.dtype) / 12, x, stride)


@blur_pool2d.misconception("The border was filled with zeros, so the edges darken. Mirror the picture there: "
                           "`F.pad` has a mode for it.")
def fills_the_border_with_zeros(x, stride=2):
    return _depthwise(F.pad(x, (1, 1, 1, 1)), _binomial(x), stride)


@blur_pool2d.misconception("The border repeats the outermost pixels. Mirrored means that the second row comes again, "
                           "not the first one.")
def repeats_the_outermost_pixels(x, stride=2):
    return _depthwise(_mirrored(x, "replicate"), _binomial(x), stride)


@blur_pool2d.misconception("There is no border: windows that hang over are missing, and the first window stands on "
                           "pixel (1, 1). The picture is mirrored first, by one pixel on each side.")
def blurs_without_a_border(x, stride=2):
    return _depthwise(x, _binomial(x), stride)


@blur_pool2d.misconception("Pixels were dropped first, and what was left was blurred. What has been dropped unseen "
                           "comes back by no blur: blur first.")
def drops_before_it_blurs(x, stride=2):
    down, right = _pair(stride)
    return _blurred(x[:, :, ::down, ::right], 1)


@blur_pool2d.misconception("The centres begin at the second pixel. The first window's centre is pixel (0, 0).")
def begins_at_the_second_pixel(x, stride=2):
    down, right = _pair(stride)
    return _blurred(x, 1)[:, :, min(1, down - 1)::down, min(1, right - 1)::right]


@blur_pool2d.misconception("The channels were added up: without `groups=channels`, or with a sum over dimension 1, "
                           "each result sees all of them.")
def adds_up_the_channels(x, stride=2):
    return _blurred(x.sum(1, keepdim=True).expand_as(x), stride)


@blur_pool2d.misconception("The picture was blurred, but no pixel was dropped: the stride was not used.")
def drops_nothing(x, stride=2):
    return _blurred(x, 1)


@blur_pool2d.misconception("The picture is always halved, whatever `stride` says.")
def always_halves(x, stride=2):
    return _blurred(x, 2)


@blur_pool2d.misconception("The two numbers of the stride are exchanged: the first one is the step downwards.")
def exchanges_the_steps(x, stride=2):
    return _blurred(x, _pair(stride)[::-1])


@blur_pool2d.misconception("Only a picture of three channels is blurred by your code: the weight was made for three. "
                           "Make it for `x.shape[1]`.")
def blurs_three_channels(x, stride=2):
    return torch.cat([_blurred(x[:, index:index + 1], stride) for index in range(3)], 1)


@blur_pool2d.misconception("Beyond the border the picture begins again at its other side, as with `roll`. Mirrored "
                           "means that next to the first row lies the second one again.")
def goes_round_the_border(x, stride=2):
    return _depthwise(_mirrored(x, "circular"), _binomial(x), stride)


@blur_pool2d.misconception("Only down the columns the picture was blurred; along the rows every pixel stands alone. "
                           "The table is 1, 2, 1 in both directions.")
def blurs_down_the_columns_alone(x, stride=2):
    column = torch.tensor([[0, 1, 0], [0, 2, 0], [0, 1, 0]], dtype=x.dtype) / 4
    return _with(column, x, stride)


@blur_pool2d.misconception("The weights were divided by 4 in all. That is the sum of 1, 2, 1; the whole table adds up "
                           "to 16.")
def divides_by_four(x, stride=2):
    return 4 * _blurred(x, stride)


@blur_pool2d.misconception("Of a pair for `stride` only the first number was used, for both directions. The second one "
                           "is the step to the right.")
def uses_the_first_step_alone(x, stride=2):
    return _blurred(x, _pair(stride)[0])


@blur_pool2d.misconception("Left out, the stride is 1 in your code: no pixel is dropped. The signature's default is 2.")
def drops_nothing_by_default(x, stride=1):
    return _blurred(x, stride)


@blur_pool2d.misconception("The stride was used to the right alone; downwards the window still moves by one pixel.")
def steps_to_the_right_alone(x, stride=2):
    return _blurred(x, (1, _pair(stride)[1]))


@blur_pool2d.misconception("Beyond the border there is nothing: each mean was divided by the weights that met a pixel. "
                           "Mirrored pixels count like all others.")
def leaves_the_border_out(x, stride=2):
    sums, weights = (_depthwise(F.pad(each, (1, 1, 1, 1)), _binomial(x), stride) for each in (x, torch.ones_like(x)))
    return sums / weights


@blur_pool2d.misconception("The whole border was put below and on the right. One mirrored pixel belongs on each side.")
def mirrors_at_the_end_alone(x, stride=2):
    return _depthwise(F.pad(x, (0, 2, 0, 2), mode="reflect"), _binomial(x), stride)


@blur_pool2d.alternative
def rows_then_columns(x, stride=2):
    down, right = _pair(stride)
    x = torch.cat([x[:, :, 1:2], x, x[:, :, -2:-1]], 2)
    x = (x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]) / 4
    x = torch.cat([x[..., 1:2], x, x[..., -2:-1]], 3)
    x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    return x[:, :, ::down, ::right]


@blur_pool2d.alternative
def window_by_window(x, stride=2):
    down, right = _pair(stride)
    cut = _mirrored(x).unfold(2, 3, down).unfold(3, 3, right)
    return torch.einsum("nchwij,ij->nchw", cut, _binomial(x))


@blur_pool2d.alternative
def two_small_means(x, stride=2):
    down, right = _pair(stride)
    x = _mirrored(x)
    for _ in range(2):
        x = (x[:, :, 1:] + x[:, :, :-1]) / 2
        x = (x[..., 1:] + x[..., :-1]) / 2
    return x[:, :, ::down, ::right]


@blur_pool2d.alternative
def pictures_as_the_batch(x, stride=2):
    count, channels, height, width = x.shape
    single = _mirrored(x.reshape(count * channels, 1, height, width))
    out = F.conv2d(single, _binomial(x)[None, None], stride=stride)
    return out.reshape(count, channels, *out.shape[2:])
