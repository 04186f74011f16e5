"""How `depthwise_separable` is examined."""

from torch import nn

from convcraft.exam import aspect, exercise, nets


def _separable(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False))


@exercise(points=7, reference=_separable)
def depthwise_separable(impl, draw):
    def given(in_channels, out_channels, kernel_size, high, wide, *stride):
        layers = nets.unbiased(draw.fill_(impl(in_channels, out_channels, kernel_size, *stride)))
        return layers(draw.normal(2, in_channels, high, wide))

    def strided(in_channels, out_channels, kernel_size, high, wide, stride):
        layers = nets.unbiased(draw.fill_(impl(in_channels, out_channels, kernel_size, stride)))
        x = draw.normal(1, in_channels, high, wide)
        return {"after the first": layers[0](x), "after both": layers(x)}

    yield aspect("names and shapes", "The result is an `nn.Sequential` of two convolutions without biases and nothing "
                 "else, with the keys 0 and 1.",
                 lambda: {"5 → 7, 3×3": nets.shapes(impl(5, 7, 3)), "4 → 4, 5×5": nets.shapes(impl(4, 4, 5, 2))})
    yield aspect("values", "The first convolution is depthwise: it looks at each channel alone, with a kernel of "
                 "`kernel_size` by `kernel_size`.", lambda: given(4, 6, 3, 6, 8), weight=2)
    yield aspect("the mixture", "The second one is 1×1: at each pixel it mixes all channels to `out_channels`, also "
                 "where there are fewer of them than before.",
                 lambda: {"6 → 2": given(6, 2, 3, 5, 6), "3 → 3": given(3, 3, 3, 5, 6), "1 → 4": given(1, 4, 3, 5, 6)})
    yield aspect("padding", "Zeros are padded so that with a stride of 1 the picture keeps its size, for any odd "
                 "kernel.", lambda: {"5×5": given(3, 4, 5, 7, 6), "1×1": given(3, 4, 1, 4, 5),
                                     "7×7": given(2, 3, 7, 8, 7)})
    yield aspect("stride", "The depthwise convolution carries the stride, which is 1 unless given.",
                 lambda: {"2": strided(3, 5, 3, 7, 8, 2), "3": strided(3, 5, 5, 9, 10, 3)})


@depthwise_separable.misconception("The first convolution is not depthwise: every output sees all channels, and it has "
                                   "`in_channels` times the weights. `groups=in_channels` gives each channel a kernel.")
def forgets_the_groups(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, bias=False),
                         nn.Conv2d(in_channels, out_channels, 1, bias=False))


@depthwise_separable.misconception("The two stand in the wrong order: first the depthwise one, which looks around, "
                                   "then the 1×1, which mixes channels.")
def mixes_first(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False),
                         nn.Conv2d(out_channels, out_channels, kernel_size, stride, kernel_size // 2,
                                   groups=out_channels, bias=False))


@depthwise_separable.misconception("The depthwise convolution was to give `out_channels` already. It gives as many "
                                   "channels as it takes; the 1×1 makes `out_channels` of them.")
def widens_at_once(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2,
                                   groups=in_channels, bias=False),
                         nn.Conv2d(out_channels, out_channels, 1, bias=False))


@depthwise_separable.misconception("The 1×1 convolution carries the stride. Shapes come out right, but the depthwise "
                                   "one worked on pixels that are then thrown away: give the stride to the first.")
def strides_the_mixture(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, 1, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@depthwise_separable.misconception("Both convolutions carry the stride: the picture shrinks twice. Only the first one "
                                   "has it.")
def strides_twice(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@depthwise_separable.misconception("`stride` is taken but reaches no convolution: what comes out is as large as what "
                                   "went in.")
def ignores_the_stride(in_channels, out_channels, kernel_size, stride=1):
    return _separable(in_channels, out_channels, kernel_size)


@depthwise_separable.misconception("The convolutions have biases. Each is followed by a BatchNorm where it is used, "
                                   "which removes them again: `bias=False`.")
def has_biases(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels),
        nn.Conv2d(in_channels, out_channels, 1))


@depthwise_separable.misconception("The first convolution has no bias, but the second has one. The norm behind it "
                                   "removes it again: `bias=False` for both.", literal=True)
def has_a_bias_in_the_mixture(in_channels, out_channels, kernel_size, stride=1):
    first, _ = _separable(in_channels, out_channels, kernel_size, stride)
    return nn.Sequential(first, nn.Conv2d(in_channels, out_channels, 1))


@depthwise_separable.misconception("The second convolution has no bias, but the first has one. `bias=False` belongs to "
                                   "both.", literal=True)
def has_a_bias_in_the_depthwise(in_channels, out_channels, kernel_size, stride=1):
    _, second = _separable(in_channels, out_channels, kernel_size, stride)
    return nn.Sequential(nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2,
                                   groups=in_channels), second)


@depthwise_separable.misconception("A BatchNorm stands between the two convolutions. Here it is the split alone: two "
                                   "convolutions, with the keys 0 and 1.")
def norms_between(in_channels, out_channels, kernel_size, stride=1):
    first, second = _separable(in_channels, out_channels, kernel_size, stride)
    return nn.Sequential(first, nn.BatchNorm2d(in_channels), second)


@depthwise_separable.misconception("The 1×1 convolution carries the padding. It frames the result with zeros after the "
                                   "depthwise one has lost its border: pad the first.")
def pads_the_mixture(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, padding=kernel_size // 2, bias=False))


@depthwise_separable.misconception("Nothing is padded: each side loses (kernel_size − 1) / 2 pixels. That many zeros "
                                   "around the picture keep its size.")
def pads_nothing(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False))


@depthwise_separable.misconception("The padding is 1 whatever the kernel. That keeps the size for a 3×3 kernel alone; "
                                   "for any odd one it is (kernel_size − 1) / 2.")
def pads_one(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, 1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False))


@depthwise_separable.misconception("The second convolution has the large kernel, too. It only mixes channels and looks "
                                   "at one pixel: 1×1.")
def looks_around_twice(in_channels, out_channels, kernel_size, stride=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, kernel_size, 1, kernel_size // 2, bias=False))


@depthwise_separable.misconception("There is more in the `nn.Sequential` than the two convolutions, a norm or a ReLU. "
                                   "Here it is the split alone: one map of two steps, without a bend.")
def bends_between(in_channels, out_channels, kernel_size, stride=1):
    first, second = _separable(in_channels, out_channels, kernel_size, stride)
    return nn.Sequential(first, nn.ReLU(), second)


@depthwise_separable.misconception("The 1×1 convolution is in groups as well. Then no channel ever meets another one: "
                                   "mixing them is what it is there for.")
def never_mixes(in_channels, out_channels, kernel_size, stride=1):
    groups = in_channels if out_channels % in_channels == 0 else 1
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, kernel_size, stride, kernel_size // 2, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, groups=groups, bias=False))


@depthwise_separable.alternative
def by_names(in_channels, out_channels, kernel_size, stride=1):
    depthwise = nn.Conv2d(in_channels=in_channels, out_channels=in_channels, kernel_size=(kernel_size, kernel_size),
                          stride=(stride, stride), padding=(kernel_size - 1) // 2, groups=in_channels, bias=False)
    pointwise = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=1, padding=0, bias=False)
    return nn.Sequential(depthwise, pointwise)


@depthwise_separable.alternative
def by_appending(in_channels, out_channels, kernel_size, stride=1):
    net = nn.Sequential()
    for channels, size, step, groups in ((in_channels, kernel_size, stride, in_channels), (out_channels, 1, 1, 1)):
        net.append(nn.Conv2d(in_channels, channels, size, step, (size - 1) // 2, groups=groups, bias=False))
    return net


@depthwise_separable.alternative
class AsAClass(nn.Sequential):
    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        super().__init__(
            nn.Conv2d(in_channels, in_channels, kernel_size, stride, int(kernel_size / 2), 1, in_channels, False),
            nn.Conv2d(in_channels, out_channels, 1, bias=None))
