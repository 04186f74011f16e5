"""How `count_cost` is examined."""

import math

from torch import nn

from convcraft.exam import aspect, error_of, exercise

from .shared import _item, _pair, _whole, _whole_or_not


def _cost(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    """Counts on the layer's own weight."""
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias, device="meta")
    height, width = _pair(out_size)
    return sum(parameter.numel() for parameter in layer.parameters()), layer.weight.numel() * height * width


def _layer(draw, groups=1):
    """in_channels, out_channels, kernel_size, out_size: no two the same by chance where it matters."""
    in_channels = groups * _whole(draw, 2, 6)
    return in_channels, in_channels + groups * _whole(draw, 1, 5), _whole(draw, 2, 6), _whole(draw, 7, 30)


def _count(impl, index, *layer, **options):
    return _whole_or_not(_item(impl(*layer, **options), index, 2))


@exercise(points=8, reference=_cost)
def count_cost(impl, draw):
    yield aspect("parameters", "A filter has one weight for each kernel place in each input channel, and one bias.",
                 lambda: [_count(impl, 0, *layer)
                          for layer in (_layer(draw), _layer(draw), (3, 64, 7, 112), (5, 2, 3, 8), (1, 6, 1, 9))])
    yield aspect("multiplications", "Every weight is used once at every output pixel; adding the bias is not counted.",
                 lambda: [_count(impl, 1, *layer)
                          for layer in (_layer(draw), _layer(draw), (3, 64, 7, 112), (5, 2, 3, 8), (7, 3, 1, 1))])
    yield aspect("no bias", "With `bias=False` there are no biases to count.",
                 lambda: [_count(impl, 0, *_layer(draw), bias=False), _count(impl, 0, *_layer(draw), 1, False)])
    yield aspect("groups", "With `groups=g`, a filter sees only one g-th of the input channels.",
                 lambda: [[_count(impl, index, *_layer(draw, groups), groups) for groups in (2, 3, 4)]
                          + [_count(impl, index, 8, 4, 3, _whole(draw, 7, 30), 2)] for index in (0, 1)])
    yield aspect("depthwise", "Depthwise means `groups=in_channels`: every filter sees a single channel.",
                 lambda: [_count(impl, index, channels, factor * channels, 3, 14, groups=channels, bias=False)
                          for channels, factor in ((_whole(draw, 3, 9), 1), (_whole(draw, 16, 64), 1), (4, 2))
                          for index in (0, 1)])
    yield aspect("pairs", "`kernel_size` and `out_size` are a number or a pair (height, width).",
                 lambda: [_count(impl, 0, *_layer(draw)[:2], (tall, _whole(draw, 5, 9)), 9) for tall in (1, 2, 3, 4)]
                 + [_count(impl, 1, *_layer(draw)[:3], (_whole(draw, 7, 15), _whole(draw, 15, 30)))
                    for _ in range(4)]
                 + [_count(impl, index, *_layer(draw)[:2], (7, 2), (30, 11)) for index in (0, 1)])
    yield aspect("bad groups", "Where `groups` does not divide both channel numbers, raise a `ValueError`.",
                 lambda: [_count(impl, 0, 6, 9, 3, 10, 3, False)]
                 + [error_of(lambda: impl(*layer, 3, 10, groups=groups), ValueError)  # noqa: B023  called at once
                    for *layer, groups in ((6, 9, 2), (8, 6, 4), (10, 8, 5), (12, 4, 6),
                                           (9, 6, 2), (6, 8, 4), (8, 10, 5), (4, 12, 6), (9, 3, 2),
                                           (7, 9, 4), (6, 10, 4))])
    yield aspect("whole numbers", "Both numbers are whole (`int`), with groups, too.",
                 lambda: [[type(_item(impl(*layer), index, 2)).__name__ for index in (0, 1)]
                          + [_count(impl, 1, *layer)] for layer in ((4, 8, 3, 5, 2, False), (3, 5, 2, 7, 1, False))])


def _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias):
    (tall, wide), (height, width) = _pair(kernel_size), _pair(out_size)
    weights = out_channels * (in_channels // groups) * tall * wide
    return weights + out_channels * bias, weights * height * width


def _check_groups(in_channels, out_channels, groups):
    if in_channels % groups or out_channels % groups:
        raise ValueError("groups must divide both channel numbers")


@count_cost.misconception("The bias was counted among the multiplications. The MACs here come from the weights alone.")
def counts_the_bias_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    height, width = _pair(out_size)
    return parameters, macs + bias * out_channels * height * width


@count_cost.misconception("The groups were forgotten: each filter was given all input channels.")
def forgets_the_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, 1, bias)


@count_cost.misconception("Both channel numbers were divided by `groups`. That is one group alone: there are g of "
                          "them, so all output channels exist, and only what each one sees shrinks.")
def divides_twice_by_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels // groups, kernel_size, out_size, groups, False)
    return parameters + bias * out_channels, macs


@count_cost.misconception("The parameters were multiplied by the output's size. The weights are shared by all "
                          "places: a layer has as many on a stamp as on a poster.")
def multiplies_parameters_by_size(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    height, width = _pair(out_size)
    return parameters * height * width, macs


@count_cost.misconception("The MACs were not multiplied by the number of output pixels. Sharing weights saves memory, "
                          "not work: each one multiplies again at every pixel.")
def forgets_the_output_pixels(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, _ = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, parameters - bias * out_channels


@count_cost.misconception("A number for `kernel_size` was taken as the number of weights in a kernel. A kernel of 3 is "
                          "3×3: nine weights.")
def takes_the_kernel_as_a_row(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    kernel_size = kernel_size if isinstance(kernel_size, tuple) else (1, kernel_size)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("A number for `out_size` was taken as the number of output pixels. A size of 28 means "
                          "28×28 pixels.")
def takes_the_size_as_pixels(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    out_size = out_size if isinstance(out_size, tuple) else (1, out_size)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("There is one bias for each input channel. A bias belongs to a filter, so count the output "
                          "channels.")
def gives_inputs_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)
    return parameters + bias * in_channels, macs


@count_cost.misconception("The biases were counted although `bias=False`.")
def always_counts_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, True)


@count_cost.misconception("The biases were not counted where `bias` is left out: by default each filter has one.")
def never_counts_a_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)


@count_cost.misconception("The two numbers came in the other order. Parameters first, then MACs.")
def returns_the_macs_first(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)[::-1]


@count_cost.misconception("Multiplication and addition were counted separately. A MAC is both together: one for each "
                          "weight and output pixel. (Counted in FLOPs, it would be two.)")
def counts_flops(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, 2 * macs


@count_cost.misconception("The MACs ignore the groups. They save work just as they save weights: what is not stored is "
                          "not multiplied.")
def forgets_the_groups_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, macs * groups


@count_cost.misconception("`out_size` was taken for the size of what goes in, and the kernel was subtracted from it. "
                          "It is the output's size already.")
def takes_the_size_of_the_input(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    out_size = [size - window + 1 for size, window in zip(_pair(out_size), _pair(kernel_size), strict=True)]
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("The weights of one filter alone were counted. There are `out_channels` filters.")
def counts_one_filter(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, 1, kernel_size, out_size, groups, False)
    return parameters + bias * out_channels, macs


@count_cost.misconception("The MACs are those of one filter. Each of the `out_channels` filters multiplies at every "
                          "output pixel.")
def counts_one_filter_in_macs(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, macs // out_channels


@count_cost.misconception("One bias was counted for the whole layer. Every filter has its own.")
def counts_one_bias(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)
    return parameters + int(bias), macs


@count_cost.misconception("Groups that do not divide the output channels were accepted: only the input channels were "
                          "checked. The filters, too, are shared out evenly among the groups.")
def checks_the_inputs_alone(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, groups, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Groups that do not divide the input channels were accepted: only the output channels were "
                          "checked. With 9 channels and 2 groups, how many would a filter see?")
def checks_the_outputs_alone(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(groups, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Groups were refused only where they divide neither channel number (`and` for `or`). One "
                          "that they do not divide is enough.")
def refuses_where_neither_is_divided(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    if in_channels % groups and out_channels % groups:
        raise ValueError("groups must divide both channel numbers")
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Groups that do not divide the channels were accepted. Such a layer cannot be built, so "
                          "there is nothing to count: raise a ValueError.")
def accepts_all_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("The numbers are floats, because `/` gives floats. Counts are whole numbers: divide with "
                          "`//`.")
def counts_in_floats(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    (tall, wide), (height, width) = _pair(kernel_size), _pair(out_size)
    weights = out_channels * in_channels / groups * tall * wide
    return weights + out_channels * bias, weights * height * width


@count_cost.misconception("The kernel was taken to be square, as wide as it is high. With a pair, a kernel has "
                          "kH·kW places.")
def takes_kernels_to_be_square(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, _pair(kernel_size)[0], out_size, groups, bias)


@count_cost.misconception("The output was taken to be square, as wide as it is high. With a pair it has H·W pixels.")
def takes_outputs_to_be_square(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, _pair(out_size)[0], groups, bias)


@count_cost.misconception("Both `kernel_size` and `out_size` were squared, so a pair was read as its first number. A "
                          "pair is (height, width), and their product counts.")
def squares_both_sizes(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, _pair(kernel_size)[0], _pair(out_size)[0], groups, bias)


@count_cost.misconception("Groups were checked against the product of both channel numbers. 4 divides 6 · 10, and yet "
                          "neither 6 channels nor 10 can be shared out among 4 groups.")
def checks_the_product(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    if in_channels * out_channels % groups:
        raise ValueError("groups must divide both channel numbers")
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.misconception("Where `groups` is the number of input channels, as many filters were counted as channels "
                          "come in. There are always `out_channels` of them.")
def makes_a_filter_for_each_channel_seen(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    filters = in_channels if groups == in_channels else out_channels
    parameters, macs = _cost_by_formula(in_channels, filters, kernel_size, out_size, groups, False)
    return parameters + out_channels * bias, macs


@count_cost.misconception("The multiplications were divided by `groups` once more. The weights are a g-th already, and "
                          "each of them is used at every pixel.")
def divides_the_macs_again(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    parameters, macs = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)
    return parameters, macs // groups


@count_cost.misconception("The biases were divided by `groups`. Every filter has one, and there are `out_channels` "
                          "filters, whatever the groups.")
def divides_the_biases(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    weights, multiplications = _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, False)
    return weights + out_channels // groups * bias, multiplications


@count_cost.misconception("A pair stopped the function: it squares `kernel_size` or `out_size`, and a pair has no "
                          "square. Turn a single number into a pair first, and multiply the two.", literal=True)
def squares_a_pair(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    weights = out_channels * (in_channels // groups) * kernel_size**2
    return weights + out_channels * bias, weights * out_size**2


@count_cost.misconception("An `assert` refused the groups, which raises an AssertionError. The task wants `raise "
                          "ValueError(...)`: an assert is for what can never happen.", literal=True)
def asserts_the_groups(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    assert in_channels % groups == 0 and out_channels % groups == 0
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.alternative
def by_formula(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    _check_groups(in_channels, out_channels, groups)
    return _cost_by_formula(in_channels, out_channels, kernel_size, out_size, groups, bias)


@count_cost.alternative
def group_by_group(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    if in_channels % groups != 0 or out_channels % groups != 0:
        raise ValueError(f"{groups} groups of {in_channels} and {out_channels} channels")
    weights = 0
    for _ in range(groups):
        weights += (in_channels // groups) * (out_channels // groups) * math.prod(_pair(kernel_size))
    return weights + (out_channels if bias else 0), weights * math.prod(_pair(out_size))


@count_cost.alternative
def by_a_layer_in_memory(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    layer = nn.Conv2d(in_channels, out_channels, kernel_size, groups=groups, bias=bias)
    parameters = sum(parameter.numel() for parameter in layer.parameters())
    weights = parameters - (out_channels if bias else 0)
    return parameters, weights * math.prod(_pair(out_size))
