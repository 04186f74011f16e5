"""How `kaiming_normal_` is examined."""

import torch
from torch import nn

from convcraft.exam import aspect, exercise


def _kaiming(weight, negative_slope=0.0, generator=None):
    return nn.init.kaiming_normal_(weight, a=negative_slope, generator=generator)


def _spread(weight, fan_in):
    """The standard deviation in units that make it comparable: √2 is what a ReLU wants."""
    if len(weight) > 1 and torch.equal(weight, weight[:1].expand_as(weight)):
        return "the same row again and again"
    return weight.detach().double().std().item() * fan_in**0.5


def _is_filled(weight, fan_in):
    """Whether it holds random numbers of the right size, more or less: how large exactly is for other aspects."""
    return 0.5 < weight.detach().double().std().item() * fan_in**0.5 < 4


def _filled(impl, draw, *shape, **arguments):
    """A weight that holds 7 everywhere until `impl` fills it in place."""
    weight = torch.full(shape, 7.0)
    impl(weight, **arguments, generator=draw.generator())
    return weight


@exercise(points=16, reference=_kaiming)
def kaiming_normal_(impl, draw):
    def shape_of_the_distribution():
        weight = _filled(impl, draw, 200, 200).double()
        spread = weight.std()
        generator, small = draw.generator(), torch.full((300, 4, 8), 7.0)
        for each in small:
            impl(each, generator=generator)
        spreads = small.double().flatten(1).std(1)
        return {"some lie beyond 3.2 σ": bool((weight.abs() > 3.2 * spread).any()),  # 55 of 40,000 do
                "mean over σ": (weight.mean() / spread).item(),
                "share within 1 σ": (weight.abs() < spread).double().mean().item(),
                "largest over σ, cut at 3": min(3.0, (weight.abs().max() / spread).item()),
                "how the deviations of 300 small weights vary": (spreads.std() / spreads.mean()).item(),
                "rows differ": bool(weight.std(0).mean() > spread / 2),
                "columns differ": bool(weight.std(1).mean() > spread / 2)}

    def slopes():
        seen = {f"standard deviation times √fan-in, a = {slope:g}":
                _spread(_filled(impl, draw, 200, 60, negative_slope=slope), 60) for slope in (0.5, 1.5)}
        seed, weights = draw.seed(), [torch.full((20, 30), 7.0) for _ in range(3)]
        for weight, slope in zip(weights, ({}, {"negative_slope": 0.0}, {"negative_slope": 1e-5}), strict=True):
            torch.default_generator.manual_seed(seed)  # whichever generator is used: that is not the question here
            impl(weight, **slope, generator=torch.Generator().manual_seed(seed))
        return {**seen, "left out, it is 0": torch.equal(*weights[:2]),
                "0 and 0.00001 are nearly the same": torch.allclose(*weights[1:], rtol=1e-5, atol=0)}

    def in_place():
        weight = nn.Parameter(torch.full((100, 50), 7.0))
        memory = weight.detach()
        result = impl(weight, generator=draw.generator())
        returns = "the weight" if result is weight else "nothing" if result is None else "something else"
        if isinstance(result, torch.Tensor) and result is not weight and result.data_ptr() == memory.data_ptr():
            returns = "another tensor in its memory"
        return {"filled": _is_filled(memory, 50), "returns": returns,
                "is still trained": weight.requires_grad, "is still a leaf": weight.is_leaf}

    def generator_alone():
        seed, outside = draw.seed(), torch.get_rng_state()
        same = [torch.full((50, 40), 7.0) for _ in range(2)]
        for weight in same:
            impl(weight, generator=torch.Generator().manual_seed(seed))
        twice, generator = [torch.full((50, 40), 7.0) for _ in range(2)], draw.generator()
        for weight in twice:
            impl(weight, generator=generator)
        return {"filled": _is_filled(same[0], 40), "same seed, same weights": torch.equal(*same),
                "twice from one generator, the same weights": torch.equal(*twice),
                "another seed, the same weights": torch.equal(same[0], _filled(impl, draw, 50, 40)),
                "PyTorch's own generator untouched": torch.equal(outside, torch.get_rng_state())}

    def no_generator():
        weights = [torch.full((50, 40), 7.0) for _ in range(2)]
        for weight in weights:
            impl(weight)
        return {"filled": _is_filled(weights[0], 40), "the same twice": torch.equal(*weights)}

    def thirty_layers():
        x, generator = draw.normal(40, 128), draw.generator()
        before = x.square().mean()
        for _ in range(30):
            weight = torch.full((128, 128), 7.0)
            impl(weight, generator=generator)
            x = (x @ weight.T).clamp(min=0)
        return {"logarithm of the mean square, behind the layers over before": (x.double().square().mean() / before)
                .log().item()}

    yield aspect("linear weights", "For a linear weight (out_features, in_features), fan-in is in_features. There may "
                 "be a single output.", lambda: {
                     f"standard deviation times √fan-in, {fan_in} → {outputs}":
                         _spread(_filled(impl, draw, outputs, fan_in), fan_in)
                     for fan_in, outputs in ((50, 400), (20_000, 1), (3, 6000), (2, 9000))}, rtol=0.05, atol=0)
    yield aspect("convolution weights", "For a convolution weight (out_channels, in_channels / groups, kH, kW), "
                 "fan-in is in_channels / groups · kH · kW: the numbers that one output adds up.",
                 lambda: {
                     f"standard deviation times √fan-in, {layer}": _spread(_filled(impl, draw, *shape), fan_in)
                     for layer, shape, fan_in in (("16 → 24, 3×5", (24, 16, 3, 5), 240),
                                                  ("12 → 40, 5×2", (40, 12, 5, 2), 120),
                                                  ("depthwise, 5×5", (200, 1, 5, 5), 25),
                                                  ("16 → 60, length 5", (60, 16, 5), 80))}, rtol=0.09, atol=0)
    yield aspect("negative_slope", "A leaky ReLU passes more, so the variance is 2 / ((1 + a²) · fan-in), where a is "
                 "the `negative_slope`.", slopes, rtol=0.05, atol=0)
    yield aspect("normal distribution", "The numbers are normally distributed around 0, each drawn for itself.",
                 shape_of_the_distribution, rtol=0, atol=0.045)
    yield aspect("in place", "It fills `weight` in place and returns it; `weight` may be an `nn.Parameter`, which is "
                 "still trained afterwards.", in_place)
    yield aspect("generator", "All randomness comes from `generator`: the same seed gives the same weights, and "
                 "PyTorch's own generator is not touched.", generator_alone)
    yield aspect("no generator", "Without one, PyTorch's own generator is used, and two calls give two different "
                 "weights.", no_generator)
    yield aspect("thirty layers", "Through 30 linear layers with ReLU, the mean square of the activations then stays "
                 "of the same order of magnitude.", thirty_layers, rtol=0, atol=9)


def _fill(weight, deviation, generator):
    """For the wrong answers: normal numbers with a standard deviation, in place."""
    with torch.no_grad():
        return weight.normal_(0, deviation, generator=generator)


@kaiming_normal_.misconception("You divided by the fan-out, the number of outputs (a weight's first axis). In the "
                               "forward pass what counts is how many numbers are added up into one output: the fan-in.")
def takes_fan_out(weight, negative_slope=0.0, generator=None):
    fan_out = weight.shape[0] * weight[0, 0].numel()
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_out)) ** 0.5, generator)


@kaiming_normal_.misconception("The numbers were cut off at two or three standard deviations. A normal distribution "
                               "has tails: of 10,000 numbers some 27 lie beyond 3 σ.", literal=True)
def cuts_off_the_tails(weight, negative_slope=0.0, generator=None):
    deviation = (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        return _fill(weight, deviation, generator).clamp_(-2.5 * deviation, 2.5 * deviation)


@kaiming_normal_.misconception("`weight.data = ...` gave the weight other memory. An optimizer, a view or a shared "
                               "layer that holds the old one sees nothing of it: fill the memory that is there.",
                               literal=True)
def exchanges_the_memory(weight, negative_slope=0.0, generator=None):
    deviation = (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    weight.data = _fill(torch.empty_like(weight), deviation, generator)
    return weight


@kaiming_normal_.misconception("The gain is missing: the variance is 1 / fan-in. ReLU throws half of the signal away, "
                               "and the 2 makes up for it; without it, 30 layers shrink the mean square to a "
                               "billionth.")
def forgets_the_gain(weight, negative_slope=0.0, generator=None):
    return _fill(weight, weight[0].numel() ** -0.5, generator)


@kaiming_normal_.misconception("Only the input channels were counted. One output of a convolution adds up kH · kW "
                               "numbers of each of them; all belong to the fan-in.")
def forgets_the_window(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight.shape[1])) ** 0.5, generator)


@kaiming_normal_.misconception("You looked at a row that is not there: a layer with a single output has one row, "
                               "number 0. The fan-in is a matter of the other axes' sizes alone.")
def looks_at_the_second_row(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[1].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("All numbers of the weight were counted. Fan-in is what enters one output: leave out "
                               "the first axis.")
def counts_the_whole_weight(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight.numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The variance was used as the standard deviation. The formula gives a variance; "
                               "`normal_` and `randn` want its square root.")
def forgets_the_root(weight, negative_slope=0.0, generator=None):
    return _fill(weight, 2 / ((1 + negative_slope**2) * weight[0].numel()), generator)


@kaiming_normal_.misconception("`negative_slope` was not used. A leaky ReLU with slope a passes 1 + a² times as much, "
                               "so its weights must be smaller.")
def ignores_the_leak(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The slope went in as 1 + a. It enters squared, 1 + a², since it is the mean square "
                               "that is to be kept.")
def forgets_to_square_the_slope(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("Left out, `negative_slope` is 0, as the task's signature says, since most layers have "
                               "a plain ReLU behind them. Your default is another number.", literal=True)
def leaks_by_default(weight, negative_slope=0.01, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The variance was multiplied by 1 + a². A leaky ReLU passes more than a ReLU, so its "
                               "weights must be smaller: divide.")
def multiplies_by_the_leak(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 * (1 + negative_slope**2) / weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The slope went in as (1 + a)². Each half of the numbers keeps its own share of the "
                               "mean square, 1 and a²: square first, then add.")
def squares_the_sum(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope) ** 2 * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("Only the 2 (with the slope) is under the root; the fan-in stands outside of it. The "
                               "standard deviation is the root of the whole fraction.")
def leaves_the_fan_in_outside(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / (1 + negative_slope**2)) ** 0.5 / weight[0].numel(), generator)


@kaiming_normal_.misconception("Only the denominator is under the root; the 2 stands outside of it, so each layer "
                               "doubles the mean square. The standard deviation is the root of the whole fraction.")
def leaves_the_2_outside(weight, negative_slope=0.0, generator=None):
    return _fill(weight, 2 / ((1 + negative_slope**2) * weight[0].numel()) ** 0.5, generator)


@kaiming_normal_.misconception("The bias was counted: you divided by fan-in + 1. The fan-in is the number of inputs, "
                               "and a bias that starts at 0 adds nothing.")
def counts_the_bias(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * (weight[0].numel() + 1))) ** 0.5, generator)


@kaiming_normal_.misconception("One side of the window was squared. A window need not be square: multiply its height "
                               "by its width.")
def squares_one_side(weight, negative_slope=0.0, generator=None):
    fan_in = weight.shape[1] * weight.shape[-1] ** (weight.ndim - 2)
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_in)) ** 0.5, generator)


@kaiming_normal_.misconception("This is Glorot's rule, 2 / (fan-in + fan-out), made for tanh. It knows nothing of the "
                               "half that ReLU throws away.")
def takes_glorots_rule(weight, negative_slope=0.0, generator=None):
    fans = weight[0].numel() + weight.shape[0] * weight[0, 0].numel()
    return _fill(weight, (2 / fans) ** 0.5, generator)


@kaiming_normal_.misconception("The numbers are uniformly distributed. Their variance may be right, but the name says "
                               "normal: look for `normal_` or `randn`.")
def draws_uniform_numbers(weight, negative_slope=0.0, generator=None):
    bound = (6 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        return weight.uniform_(-bound, bound, generator=generator)


@kaiming_normal_.misconception("All weights are positive: `rand` draws uniformly from 0 to 1. The task asks for normal "
                               "numbers around 0; the function you want has one letter more.")
def draws_positive_numbers(weight, negative_slope=0.0, generator=None):
    numbers = torch.rand(weight.shape, generator=generator)
    with torch.no_grad():
        return weight.copy_(numbers * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5)


@kaiming_normal_.misconception("All outputs got the same weights: one row was drawn and repeated. All units of the "
                               "layer then give the same number, and are worth no more than one. Draw every number "
                               "for itself.")
def repeats_one_row(weight, negative_slope=0.0, generator=None):
    row = torch.randn(weight.shape[1:], generator=generator)
    with torch.no_grad():
        return weight.copy_((row * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5).expand_as(weight))


@kaiming_normal_.misconception("A new tensor was returned and `weight` itself never filled: a name was bound anew. "
                               "The layer holds the old tensor and would train from there. Write into `weight`.")
def returns_a_new_tensor(weight, negative_slope=0.0, generator=None):
    weight = torch.randn(weight.shape, generator=generator) * (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    return weight


@kaiming_normal_.misconception("`generator` was not used: the numbers came from PyTorch's own generator. Who asks for "
                               "the same weights again, with the same seed, does not get them. Hand it on.",
                               literal=True)
def ignores_the_generator(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, None)


@kaiming_normal_.misconception("A seed was fixed inside the function, so every layer gets the same numbers, call "
                               "after call. Fixing seeds is the caller's business.", literal=True)
def fixes_a_seed(weight, negative_slope=0.0, generator=None):
    generator = generator or torch.Generator().manual_seed(0)
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("An `nn.Parameter` may not be changed in place while autograd is watching: it is a "
                               "leaf that requires a gradient. Filling it is no part of the computation; tell "
                               "autograd to look away.")
def lets_autograd_watch(weight, negative_slope=0.0, generator=None):
    return weight.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("The weight is filled, but the function returns nothing. Like PyTorch's own, it "
                               "returns the weight, so that `w = kaiming_normal_(torch.empty(…))` works.", literal=True)
def returns_no_weight(weight, negative_slope=0.0, generator=None):
    _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The weight is filled, but what comes back is another tensor that shares its memory "
                               "(`.data` and `detach()` make one). Return the `weight` that you were given.",
                               literal=True)
def returns_its_data(weight, negative_slope=0.0, generator=None):
    return weight.data.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("`requires_grad` was switched off to fill the parameter and never on again "
                               "(`detach_()` does that, too): no optimizer will change this layer. Keep autograd from "
                               "looking for a moment only.", literal=True)
def stops_the_training(weight, negative_slope=0.0, generator=None):
    weight.requires_grad_(False)
    return weight.normal_(0, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("The numerator is 1, where it is 2: ReLU throws half of the signal away, and the 2 "
                               "makes up for it.")
def has_a_1_for_the_2(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (1 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The numbers were cut off at two standard deviations. A normal distribution has tails: "
                               "of 100 numbers some 5 lie beyond 2 σ.", literal=True)
def cuts_off_at_two(weight, negative_slope=0.0, generator=None):
    deviation = (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        return _fill(weight, deviation, generator).clamp_(-2 * deviation, 2 * deviation)


@kaiming_normal_.misconception("One generator gave the same weights twice: a copy of it was used, or its first seed. "
                               "Every layer would start alike: draw from `generator` itself.", literal=True)
def draws_from_a_copy(weight, negative_slope=0.0, generator=None):
    copy = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, copy)


@kaiming_normal_.misconception("Each weight has exactly the wanted deviation: what was drawn was rescaled. Of numbers "
                               "that are drawn each for itself it varies from weight to weight.", literal=True)
def rescales_what_was_drawn(weight, negative_slope=0.0, generator=None):
    deviation = (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        weight.normal_(generator=generator)
        return weight.sub_(weight.mean()).mul_(deviation / weight.std())


@kaiming_normal_.misconception("One generator gave the same weights twice, and PyTorch's own generator was disturbed: "
                               "it was seeded with `generator`'s first seed. Draw from `generator` itself.",
                               literal=True)
def seeds_the_global_generator(weight, negative_slope=0.0, generator=None):
    if generator is not None:
        torch.manual_seed(generator.initial_seed())
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, None)


@kaiming_normal_.misconception("The kernel was taken to be square, as wide as it is high. A window of kH × kW has kH · "
                               "kW numbers.")
def takes_kernels_to_be_square(weight, negative_slope=0.0, generator=None):
    fan_in = weight.shape[1] * (weight.shape[2]**2 if weight.ndim == 4 else weight[0, 0].numel())
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_in)) ** 0.5, generator)


@kaiming_normal_.misconception("The standard deviation was given as the mean: `normal_` takes the mean first. The "
                               "numbers lie around it with a deviation of 1.")
def gives_the_deviation_as_the_mean(weight, negative_slope=0.0, generator=None):
    with torch.no_grad():
        return weight.normal_((2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator=generator)


@kaiming_normal_.misconception("For convolutions you divided by the fan-out: the output channels times the window. "
                               "There, too, it is the input channels that count: weight's second axis times the "
                               "window.")
def takes_fan_out_of_convolutions(weight, negative_slope=0.0, generator=None):
    fan = weight.shape[0] * weight[0, 0].numel() if weight.ndim > 2 else weight.shape[1]
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan)) ** 0.5, generator)


@kaiming_normal_.misconception("A `negative_slope` of 0 was not taken for 0, as by `negative_slope or 0.01`: 0 counts "
                               "as false. The signature's default is enough.", literal=True)
def takes_no_slope_of_zero(weight, negative_slope=0.0, generator=None):
    negative_slope = negative_slope or 0.01
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("A seed was fixed by `torch.manual_seed` inside the function: calls without a generator "
                               "give the same weights, and PyTorch's own generator is disturbed. Leave seeds to the "
                               "caller.", literal=True)
def seeds_pytorch(weight, negative_slope=0.0, generator=None):
    torch.manual_seed(0)
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("The numerator is 6: that is the bound of Kaiming's uniform numbers. A standard "
                               "deviation has a 2 there.")
def takes_the_bound_of_uniform_numbers(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (6 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator)


@kaiming_normal_.misconception("1 + a² stands outside of the root. The standard deviation is the root of the whole "
                               "fraction, slope and all.")
def leaves_the_slope_outside(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / weight[0].numel()) ** 0.5 / (1 + negative_slope**2), generator)


@kaiming_normal_.misconception("The weight is filled, but another tensor came back, a copy for instance. Return the "
                               "`weight` that you were given.", literal=True)
def returns_a_copy(weight, negative_slope=0.0, generator=None):
    return _fill(weight, (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5, generator).detach().clone()


@kaiming_normal_.misconception("The random numbers were added to what the weight held before. They take its place.")
def adds_to_what_was_there(weight, negative_slope=0.0, generator=None):
    deviation = (2 / ((1 + negative_slope**2) * weight[0].numel())) ** 0.5
    with torch.no_grad():
        return weight.add_(deviation * torch.randn(weight.shape, generator=generator))


@kaiming_normal_.misconception("In a one-dimensional convolution's weight, (out, in, k), the k places were not "
                               "counted. They belong to the fan-in as kH · kW do.", literal=True)
def counts_windows_of_two_dimensions_alone(weight, negative_slope=0.0, generator=None):
    fan_in = weight.shape[1] * (weight[0, 0].numel() if weight.ndim == 4 else 1)
    return _fill(weight, (2 / ((1 + negative_slope**2) * fan_in)) ** 0.5, generator)


@kaiming_normal_.alternative
def through_init(weight, negative_slope=0.0, generator=None):
    gain = nn.init.calculate_gain("leaky_relu", negative_slope)
    return nn.init.normal_(weight, 0.0, gain / weight[0].numel() ** 0.5, generator=generator)


@kaiming_normal_.alternative
def by_randn(weight, negative_slope=0.0, generator=None):
    fan_in = weight.numel() // weight.shape[0]
    numbers = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
    with torch.no_grad():
        weight.copy_(numbers * (2 / (fan_in * (1 + negative_slope * negative_slope))) ** 0.5)
    return weight


@kaiming_normal_.alternative
def through_data(weight, negative_slope=0.0, generator=None):
    fan_in = 1
    for size in weight.shape[1:]:
        fan_in *= size
    weight.data.normal_(generator=generator).mul_(((1 + negative_slope**2) * fan_in / 2) ** -0.5)
    return weight


@kaiming_normal_.alternative
@torch.no_grad()
def row_by_row(weight, negative_slope=0.0, generator=None):
    for row in weight.flatten(1):
        row.normal_(0, (2 / (1 + negative_slope**2) / len(row)) ** 0.5, generator=generator)
    return weight
