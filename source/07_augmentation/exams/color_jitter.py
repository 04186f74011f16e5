"""How `color_jitter` is examined."""

import random

import torch

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _alike

_GREY = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)[:, None, None]


def _grey(x):
    return (x * _GREY.to(x.dtype)).sum(-3, keepdim=True)


def _factor(strength, generator):
    low, high = max(0.0, 1 - strength), 1 + strength
    return low + (high - low) * torch.rand((), generator=generator).item()


def _jittered(x, brightness, contrast, saturation, generator=None):
    x = (_factor(brightness, generator) * x).clamp(0, 1)
    mean = _grey(x).mean((-2, -1), keepdim=True)
    x = (mean + _factor(contrast, generator) * (x - mean)).clamp(0, 1)
    grey = _grey(x)
    return (grey + _factor(saturation, generator) * (x - grey)).clamp(0, 1)


def _middling(draw, *shape):
    """Pixels from 0.35 to 0.65, much blue: small changes leave none outside 0 to 1, and no two means are near."""
    x = draw.uniform(*shape, low=0.35, high=0.65)
    for channel, least in ((0, 0.35), (1, 0.35), (2, 0.55)):
        x[..., channel, :, :] = least + (x[..., channel, :, :] - 0.35) / 3
    return x


def _factors(seen, picture):
    """Of pictures (n, 3, H, W) made of one: the factors of brightness, contrast and saturation, and what is left over.

    Brightness alone moves the mean of the grey picture; the spread of the grey picture then tells the contrast, and the
    distance of the colours from grey the saturation.
    """
    grey, before = _grey(seen).double(), _grey(picture).double()
    brightness = grey.mean((-3, -2, -1)) / before.mean()
    contrast = grey.std((-3, -2, -1)) / before.std() / brightness
    colour, was = seen.double() - grey, (picture - before).double()
    saturation = (colour * was).sum((-3, -2, -1)) / was.square().sum() / brightness / contrast
    factors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    return factors, (_linear(picture.double(), **factors) - seen).abs().amax()


def _linear(picture, brightness, contrast, saturation):
    """(n, 3, H, W): a picture, changed by n factors of each kind."""
    x = brightness[:, None, None, None] * picture
    mean = _grey(x).mean((-3, -2, -1), keepdim=True)
    x = mean + contrast[:, None, None, None] * (x - mean)
    return _grey(x) + saturation[:, None, None, None] * (x - _grey(x))


def _one(seen, picture, wanted, strength):
    """Whether one factor varies as it should, the others are 1, and nothing else has happened."""
    factors, rest = _factors(seen, picture)
    facts = {"nothing else has changed": bool(rest < 1e-3)}
    for name, values in factors.items():
        if name != wanted:
            facts[f"{name} stays"] = bool(((values - 1).abs() < 2e-3).all())
            continue
        alike = _alike(seen) and bool((values - 1).abs().max() > 1e-3)  # then they are looked at in `all three`
        place = (values - 1) / strength  # uniform from −1 to 1: of 300, 150 in the inner half, 56 more or less
        facts |= {f"{name} within its limits": bool((place.abs() < 1 + 1e-2).all()),
                  f"{name} from end to end": alike or bool(place.min() < -0.85 and place.max() > 0.85),
                  f"{name} evenly": alike or bool(94 < (place.abs() < 0.5).sum() < 206)}
    if wanted == "contrast":
        near = alike and bool((factors[wanted] - 1).abs().max() < 0.1)  # too near to 1 to tell what about
        facts["stretched about"] = "the mean of the grey picture" if near else _about(seen, picture)
    return facts


def _about(seen, picture):
    """The number about which pictures (n, 3, H, W) were stretched: what their grey twins' means moved towards."""
    grey, before = _grey(seen).double(), _grey(picture).double()
    factor = grey.std((-3, -2, -1)) / before.std()
    far = (factor - 1).abs() > 0.1
    middle = ((grey.mean((-3, -2, -1)) - factor * before.mean()) / (1 - factor))[far]
    known = {"the mean of the grey picture": before.mean(), "the mean of red, green and blue": picture.mean(),
             "one half": 0.5}
    return next((name for name, value in known.items() if len(middle) and (middle - value).abs().max() < 4e-3), "other")


def _stepped(x, kind, factor, cut=True):
    """One of the three steps; factors (n, 1, 1, 1) give as many pictures."""
    grey = _grey(x)
    middle = {"brightness": 0, "contrast": grey.mean((-2, -1), keepdim=True), "saturation": grey}[kind]
    x = middle + factor * (x - middle)
    return x.clamp(0, 1) if cut else x


def _two_steps(picture, kinds, firsts, seconds, cut=True):
    """(n, m, 3, H, W): the picture after two steps, by every pair of factors."""
    x = _stepped(picture, kinds[0], firsts[:, None, None, None], cut)[:, None]
    return _stepped(x, kinds[1], seconds[:, None, None, None], cut).clamp(0, 1)


def _fits(seen, picture, kinds, low, high, cut=True):
    """Whether each of the results is what two steps make of the picture with some factors between the limits."""
    grid = torch.linspace(low, high, 81)
    coarse = _two_steps(picture, kinds, grid, grid, cut)
    for result in seen:
        firsts, seconds, made = grid, grid, coarse
        for width in (0.06, 0.006):
            best = int((made - result).abs().amax((-3, -2, -1)).argmin())
            places = torch.linspace(-width, width, 21)
            firsts = (firsts[best // made.shape[1]] + places).clamp(low, high)
            seconds = (seconds[best % made.shape[1]] + places).clamp(low, high)
            made = _two_steps(picture, kinds, firsts, seconds, cut)
        if (made - result).abs().amax((-3, -2, -1)).min() > 0.02:
            return False
    return True


def _way(seen, picture, kinds, strength):
    """In which way two steps with large factors were done."""
    given = seen, picture
    if _fits(*given, kinds, 0, 1 + strength):
        return "as described"
    if _fits(*given, kinds, 0, 1 + strength, cut=False):
        return "without a cut after the first of two steps"
    if _fits(*given, kinds[::-1], 0, 1 + strength):
        return "in another order of steps"
    if _fits(*given, kinds, 1 - strength, 1 + strength):
        return "by factors of which some are negative"
    return "otherwise"


@exercise(points=6, reference=_jittered)
def color_jitter(impl, draw):
    def many(strengths, shape=(3, 5, 6)):
        generator, picture = draw.generator(), _middling(draw, *shape)
        return [picture, torch.stack([impl(picture.clone(), *strengths, generator=generator) for _ in range(300)])]

    def alone(name, strength):
        strengths = [strength if name == other else 0.0 for other in ("brightness", "contrast", "saturation")]
        return aspect(name, _SAYS[name], lambda: many(strengths),
                      view=lambda seen, right: _one(seen[1], right[0], name, strength))

    def together(seen, right):
        factors, rest = _factors(seen[1], right[0])
        draws = torch.stack([(values - 1) / 0.1 for values in factors.values()])
        alike = _alike(seen[1]) and bool((draws.abs() > 1e-2).all())
        return {"nothing else has changed": bool(rest < 1e-3), "within their limits": bool((draws.abs() < 1.02).all()),
                "another picture each time": not _alike(seen[1]),
                "each has its own draw": alike or bool(torch.corrcoef(draws).tril(-1).abs().max() < 0.45)}

    def extreme():
        """What is seen of strong changes; to look for the factors takes long, so it is done once for an answer."""
        picture, generator = draw.uniform(3, 2, 3), draw.generator()

        def strongly(count, *strengths):
            return torch.stack([impl(picture.clone(), *strengths, generator=generator) for _ in range(count)])

        strong, first, second = strongly(24, 3.0, 3.0, 3.0), strongly(24, 2.0, 2.0, 0), strongly(24, 0, 2.0, 2.0)
        if first.shape[1:] != picture.shape or second.shape[1:] != picture.shape:
            raise ValueError(f"it has shape {tuple(first.shape[1:])}; {tuple(picture.shape)} was asked for")
        # Of factors from 0 to 4 all of 200 are above one half once in 10 ** 11.
        lit = strongly(200, 3.0, 0, 0)
        alike = all(map(_alike, (strong, first, second, lit))) and bool((lit != picture).any())
        return {"factors below one half": alike or bool((lit.mean((-3, -2, -1)) < picture.mean() / 2).any()),
                "wholly black": not alike and bool((lit <= 0).flatten(1).all(1).any()),
                "below 0": bool((strong < 0).any()),
                "above 1": bool((strong > 1).any()),
                "black and white are reached": alike or bool((strong == 0).any() and (strong == 1).any()),
                "brightness, then contrast": _way(first, picture, ("brightness", "contrast"), 2.0),
                "contrast, then saturation": _way(second, picture, ("contrast", "saturation"), 2.0)}

    def batch():
        """A picture alone, then with a darker one between itself and itself, by the same numbers."""
        picture, seed = _middling(draw, 3, 4, 5), draw.seed()
        return [impl(given.clone(), 0.3, 0.3, 0.3, generator=torch.Generator().manual_seed(seed))
                for given in (picture, torch.stack([picture, picture - 0.2, picture]))]

    def together_and_alone(seen, right):
        alone, three = seen
        return {"alike": bool(torch.allclose(three[0], three[2], atol=1e-5)), "shape": list(three.shape),
                "as if it were alone": bool(torch.allclose(three[0], alone, atol=1e-5))}

    def left_alone():
        x, wide = draw.uniform(3, 4, 4), draw.uniform(3, 4, 4).double()
        kept = x.clone()
        results = [impl(given.clone(), 0, 0, 0, generator=draw.generator()) for given in (x, wide)]
        impl(x, 0.5, 0.5, 0.5, generator=draw.generator())
        return {"`x` is as it was": torch.equal(x, kept), "by strengths of 0": results}

    def shaken(**generator):
        picture = torch.linspace(0.3, 0.7, 3 * 4 * 4).reshape(4, 4, 3).permute(2, 0, 1)
        return torch.stack([impl(picture, 0.2, 0.2, 0.2, **generator) for _ in range(8)])

    for name, strength in (("brightness", 0.3), ("contrast", 0.4), ("saturation", 0.5)):
        yield alone(name, strength)
    yield aspect("all three", "Each of the three has a draw of its own.", lambda: many((0.1, 0.1, 0.1)), view=together)
    yield aspect("range", "After each step what lies below 0 becomes 0, and what lies above 1 becomes 1; no factor is "
                          "negative.", extreme)
    yield aspect("one draw a call", "A batch (N, 3, H, W) is changed alike throughout, and each picture has its own "
                                    "mean.",
                 batch, view=together_and_alone)
    yield aspect("seed", "The factors are drawn from `generator` alone, without one from torch's own numbers.",
                 lambda: [seeded(lambda generator: shaken(generator=generator), draw), own_numbers(shaken)],
                 view=lambda seen, right: [seed_facts(shown, right) for shown in seen])
    yield aspect("left alone", "`x` stays as it was, its dtype too, and strengths of 0 change nothing.", left_alone,
                 dtype=True)


_SAYS = {
    "brightness": "Brightness: all pixels times f.",
    "contrast": "Contrast: m + f · (x − m), where m is the mean of the grey picture, one number.",
    "saturation": "Saturation: g + f · (x − g), where g is the grey picture, 0.299 R + 0.587 G + 0.114 B.",
}


def _varied(x, strengths, generator, *, factor=_factor, grey=_grey, mean=None, brighten=lambda f, x: f * x,
            clamp=lambda x: x.clamp(0, 1)):
    """A right `color_jitter` with one thing done otherwise."""
    x = clamp(brighten(factor(strengths[0], generator), x))
    middle = grey(x).mean((-2, -1), keepdim=True) if mean is None else mean(x)
    x = clamp(middle + factor(strengths[1], generator) * (x - middle))
    tone = grey(x)
    return clamp(tone + factor(strengths[2], generator) * (x - tone))


@color_jitter.misconception("Brightness was added, not multiplied: black became grey. All pixels times f leaves black "
                            "black.")
def adds_brightness(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, brighten=lambda f, x: x + f - 1)


@color_jitter.misconception("The contrast is stretched about one half, not about the picture's own mean: a dark "
                            "picture becomes darker still.")
def stretches_about_one_half(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, mean=lambda x: 0.5)


@color_jitter.misconception("Grey was taken as the plain mean of red, green and blue. An eye sees green best: 0.299 R "
                            "+ 0.587 G + 0.114 B.")
def averages_the_colours(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, grey=lambda x: x.mean(-3, keepdim=True))


@color_jitter.misconception("The contrast is stretched about the mean of red, green and blue together. m is the mean "
                            "of the grey picture, in which green counts most.")
def stretches_about_all_colours(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator,
                   mean=lambda x: x.mean((-3, -2, -1), keepdim=True))


@color_jitter.misconception("Each channel is stretched about a mean of its own. Then colours move, too: m is one "
                            "number, the mean of the grey picture.")
def stretches_channels_alone(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, mean=lambda x: x.mean((-2, -1), keepdim=True))


@color_jitter.misconception("The factor lies between 0 and the strength, not around 1: nothing is as bright as it was.")
def draws_from_nought(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator,
                   factor=lambda strength, generator: strength * torch.rand((), generator=generator).item())


@color_jitter.misconception("The factors only grow: between 1 and 1 + strength. Half of the pictures should become "
                            "darker, duller, greyer.")
def only_adds(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator,
                   factor=lambda strength, generator: 1 + strength * torch.rand((), generator=generator).item())


@color_jitter.misconception("One number was drawn for all three: what becomes brighter becomes more colourful, always. "
                            "Draw for each.")
def draws_one_for_all(x, brightness, contrast, saturation, generator=None):
    place = torch.rand((), generator=generator).item()
    return _varied(x, (brightness, contrast, saturation), generator, factor=lambda strength, _: (
        max(0.0, 1 - strength) + (1 + strength - max(0.0, 1 - strength)) * place))


@color_jitter.misconception("Nothing keeps the pixels between 0 and 1. What follows, a picture or a net, expects that "
                            "range: clamp.", literal=True)
def leaves_the_range(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, clamp=lambda x: x)


@color_jitter.misconception("Everything was cut to 0 to 1 once, at the end. What one step drives beyond white, the "
                            "next then brings back: cut after each step.")
def cuts_at_the_end(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, clamp=lambda x: x).clamp(0, 1)


@color_jitter.misconception("The steps come in another order. Each one cuts, so the order shows: brightness, contrast, "
                            "saturation.")
def takes_another_order(x, brightness, contrast, saturation, generator=None):
    for kind, strength in (("saturation", saturation), ("contrast", contrast), ("brightness", brightness)):
        x = _stepped(x, kind, _factor(strength, generator))
    return x


@color_jitter.misconception("Some factors are negative: with a strength above 1, 1 − s is below 0, and the picture "
                            "becomes its own negative. Begin at 0 then.")
def draws_negative_factors(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, factor=lambda strength, generator: (
        1 - strength + 2 * strength * torch.rand((), generator=generator).item()))


@color_jitter.misconception("With a strength of 3 some pictures are wholly black: factors below 0 were put at 0, one "
                            "in three of them. The factor is uniform from 0 to 4 then.", literal=True)
def puts_factors_at_0(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, factor=lambda strength, generator: max(
        0.0, 1 - strength + 2 * strength * torch.rand((), generator=generator).item()))


@color_jitter.misconception("One mean was taken over the whole batch: what a picture becomes then depends on its "
                            "neighbours. Each has its own m.", literal=True)
def takes_the_batchs_mean(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, mean=lambda x: _grey(x).mean())


@color_jitter.misconception("The weights of red and blue are exchanged: red counts 0.299, blue 0.114. (OpenCV's "
                            "pictures begin with blue, PyTorch's with red.)")
def weighs_blue_as_red(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, grey=lambda x: _grey(x.flip(-3)))


@color_jitter.misconception("The factors reach only half as far as they should. f is uniform from 1 − s to 1 + s, not "
                            "from 1 − s/2 to 1 + s/2.")
def goes_half_as_far(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator,
                   factor=lambda strength, generator: _factor(strength / 2, generator))


@color_jitter.misconception("The picture that came in was changed itself, by `*=` or `clamp_`. It belongs to the data "
                            "set, and the next epoch finds it darker: make a new one.", literal=True)
def changes_the_picture_itself(x, brightness, contrast, saturation, generator=None):
    return x.copy_(_jittered(x, brightness, contrast, saturation, generator)).clone()


@color_jitter.misconception("The factors come from torch's own numbers, not from `generator`: the same seed gives "
                            "another picture.", literal=True)
def jitters_by_other_numbers(x, brightness, contrast, saturation, generator=None):
    return _jittered(x, brightness, contrast, saturation)


@color_jitter.misconception("Some factors come from the generator and others from torch's own numbers. Hand "
                            "`generator` to all three draws.", literal=True)
def draws_the_last_elsewhere(x, brightness, contrast, saturation, generator=None):
    factors = iter((generator, generator, None))
    return _varied(x, (brightness, contrast, saturation), generator,
                   factor=lambda strength, _: _factor(strength, next(factors)))


@color_jitter.misconception("The factors come from Python's or NumPy's numbers, which know neither `generator` nor "
                            "`torch.manual_seed`: no seed of torch's repeats them.", literal=True)
def jitters_by_pythons_numbers(x, brightness, contrast, saturation, generator=None):
    return _varied(x, (brightness, contrast, saturation), generator, factor=lambda strength, _: random.uniform(
        max(0.0, 1 - strength), 1 + strength))


@color_jitter.misconception("A generator is made, or set back to its seed, in each call: every picture is changed "
                            "alike. Draw from `generator` as it comes.", literal=True)
def jitters_by_a_seed_of_its_own(x, brightness, contrast, saturation, generator=None):
    return _jittered(x, brightness, contrast, saturation, torch.Generator().manual_seed(0))


@color_jitter.misconception("Each call draws from a copy of the generator, or from its first seed again: the next call "
                            "has the same factors. Draw from `generator` itself, so that it moves on.", literal=True)
def jitters_from_a_copy(x, brightness, contrast, saturation, generator=None):
    return _jittered(x, brightness, contrast, saturation, None if generator is None else generator.clone_state())


@color_jitter.misconception("Where no generator is given, a new one is made in each call. All new ones start from the "
                            "same number, so every picture is changed alike. `torch.rand` takes `generator=None`.",
                            literal=True)
def jitters_with_a_new_one(x, brightness, contrast, saturation, generator=None):
    return _jittered(x, brightness, contrast, saturation, generator or torch.Generator())


@color_jitter.misconception("A batch was changed picture by picture, each with draws of its own. One call draws once.",
                            literal=True)
def draws_for_each_picture(x, brightness, contrast, saturation, generator=None):
    if x.ndim == 3:
        return _jittered(x, brightness, contrast, saturation, generator)
    return torch.stack([_jittered(image, brightness, contrast, saturation, generator) for image in x])


@color_jitter.alternative
def by_mixing(x, brightness, contrast, saturation, generator=None):
    weights = _GREY.to(x.dtype)
    places = torch.rand(3, generator=generator).tolist()
    factors = [max(0, 1 - s) + p * (min(1, s) + s) for s, p in zip((brightness, contrast, saturation), places,
                                                                  strict=True)]
    out = torch.lerp(torch.zeros_like(x), x, factors[0]).clamp(0, 1)
    middle = (weights * out).sum(dim=-3, keepdim=True).mean(dim=(-1, -2), keepdim=True)
    out = torch.lerp(middle.expand_as(out), out, factors[1]).clamp(0, 1)
    return torch.lerp((weights * out).sum(-3, keepdim=True).expand_as(out), out, factors[2]).clamp(0, 1)


@color_jitter.alternative
def in_another_order_of_draws(x, brightness, contrast, saturation, generator=None):
    factors = [_factor(strength, generator) for strength in (saturation, contrast, brightness)]
    x = torch.clip(x * factors[2], 0, 1)
    red, green, blue = x.unbind(-3)
    middle = (0.299 * red + 0.587 * green + 0.114 * blue).mean((-2, -1))[..., None, None, None]
    x = torch.clip(factors[1] * x + (1 - factors[1]) * middle, 0, 1)
    red, green, blue = x.unbind(-3)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)
    return torch.clip(factors[0] * x + (1 - factors[0]) * grey, 0, 1)


@color_jitter.alternative
def by_einsum(x, brightness, contrast, saturation, generator=None):
    def grey(x):
        return torch.einsum("...chw,c->...hw", x, _GREY.flatten().to(x.dtype))[..., None, :, :]

    def uniform(strength):
        return float(torch.empty(()).uniform_(max(0, 1 - strength), 1 + strength, generator=generator))

    x = (uniform(brightness) * x).clamp(0, 1)
    pixels = grey(x)
    x = (pixels.mean((-2, -1), True) + uniform(contrast) * (x - pixels.mean((-2, -1), True))).clamp(0, 1)
    return (grey(x) + uniform(saturation) * (x - grey(x))).clamp(0, 1)


color_jitter.equivalent(
    "low, high = max(0.0, 1 - strength), 1 + strength -> low, high = max(1 - strength, 0.0), 1 + strength",
    "The larger of two numbers is the same whichever comes first.")
color_jitter.equivalent(
    "return low + (high - low) * torch.rand((), generator=generator).item() -> "
    "return low + (high - low) * torch.rand((), generator=generator)",
    "A tensor of one number multiplies as the number in it does.")
color_jitter.equivalent("x = (factor(brightness) * x).clamp(0, 1) -> x = (factor(brightness) * x).clamp_(0, 1)",
                        "The product was made in this line: nobody else holds it.")
color_jitter.equivalent("x = (factor(brightness) * x).clamp(0, 1) -> x = (factor(brightness) * x).clamp((-1), 1)",
                        "Neither a pixel nor the factor is below 0, so their product is not.")
color_jitter.equivalent(
    "x = (mean + factor(contrast) * (x - mean)).clamp(0, 1) -> x = (mean + factor(contrast) * (x - mean)).clamp_(0, 1)",
    "The sum was made in this line: nobody else holds it.")
color_jitter.equivalent(
    "return (twin + factor(saturation) * (x - twin)).clamp(0, 1) -> "
    "return (twin + factor(saturation) * (x - twin)).clamp_(0, 1)",
    "The sum was made in this line: nobody else holds it.")
