"""How `add_noise` is examined."""

import numpy as np
import torch

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded


def _noisy(x, sigma, generator=None):
    return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)


def _spread_of(noise, sigma):
    """How wide the noise is, in words: 7,680 draws tell 5 % from chance (six standard deviations)."""
    found = noise.std().item() / sigma
    known = {"sigma": 1.0, "sigma squared": sigma, "the root of sigma": sigma ** -0.5, "sigma / 255": 1 / 255,
             "one, whatever sigma is": 1 / sigma, "nothing": 0.0}
    return next((name for name, factor in known.items() if abs(found - factor) < 0.05 * factor + 1e-6),
                "another number")


def _shape_of(noise):
    """The normal distribution has 4.6 % beyond two standard deviations, and hardly anything beyond five."""
    scaled = (noise - noise.mean()) / noise.std().clamp(min=1e-12)
    beyond = (scaled.abs() > 2).double().mean().item()
    if not 0.03 < beyond < 0.06:
        return "a box" if scaled.abs().max() < 1.9 else "another shape"
    return "a bell"


def _sharing(noise):
    """Which numbers of (N, C, H, W) noise are the same number."""
    for name, axis in (("pictures", 0), ("channels", 1), ("rows", 2), ("columns", 3)):
        if torch.allclose(noise, noise.narrow(axis, 0, 1).expand_as(noise), atol=1e-6):
            return f"the same in all {name}"
    return "of its own for each pixel"


@exercise(points=7, reference=_noisy)
def add_noise(impl, draw):
    def values():
        x = draw.uniform(2, 3, 32, 40, low=0.45, high=0.55).double()
        noise = impl(x.clone(), 0.06, generator=draw.generator()) - x
        return {"the noise is": _sharing(noise), "its spread is": _spread_of(noise, 0.06),
                "its mean is": "0" if noise.mean().abs() < 5 * noise.std() / 87 else "not 0",
                "its shape is": _shape_of(noise)}

    def range_kept():
        out = impl(torch.tensor([0.0, 1.0]).repeat(1, 1, 20, 10), 0.2, generator=draw.generator())
        return {"below 0": _share(out[..., 0::2] < 0), "above 1": _share(out[..., 1::2] > 1)}

    def left_alone():
        x = draw.uniform(1, 6, 7).double()
        kept = x.clone()
        out = impl(kept, 0.1, generator=draw.generator())
        return {"x": kept, "x is another tensor": out is not kept, "something was added": bool((out != x).any()),
                "of its dtype": [out.new_zeros(1), impl(x.float(), 0.1, generator=draw.generator()).new_zeros(1)]}

    yield aspect("noise", "Each number of the result is that of `x` plus a draw of its own from the normal "
                          "distribution with mean 0 and standard deviation `sigma`.", values, weight=2)
    yield aspect("not clipped", "The result may lie below 0 and above 1: nothing is clipped.", range_kept)
    yield aspect("seed", "The noise is drawn from `generator` alone: the same seed, the same noise.",
                 lambda: seeded(lambda generator: torch.stack([impl(torch.zeros(1, 3, 3), 1.0, generator=generator)
                                                               for _ in range(4)]), draw), view=seed_facts)
    yield aspect("without one", "Without a generator, torch's own numbers make the noise.",
                 lambda: own_numbers(lambda: torch.stack([impl(torch.zeros(1, 3, 3), 1.0) for _ in range(4)])),
                 view=seed_facts)
    yield aspect("left alone", "`add_noise` leaves `x` as it was and keeps its dtype.", left_alone, dtype=True)


def _share(hits):
    """About half of 100 draws, or what else; 45 to 55 of them are within one standard deviation, 15 to 85 within 7."""
    share = hits.double().mean().item()
    return "half of the numbers" if 0.15 < share < 0.85 else "none" if share == 0 else f"{share:.0%}"


@add_noise.misconception("The noise is drawn evenly from an interval (`rand`). A sensor's noise is normal, a bell: "
                         "`torch.randn`.", literal=True)
def draws_evenly(x, sigma, generator=None):
    return x + sigma * (2 * torch.rand(x.shape, generator=generator, dtype=x.dtype) - 1) * 3 ** 0.5


@add_noise.misconception("Noise by `rand` only ever adds: its mean is not 0, and the picture gets brighter. "
                         "`torch.randn` draws on both sides of 0.")
def only_adds(x, sigma, generator=None):
    return x + sigma * torch.rand(x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("`sigma` was taken for the variance, or its root was drawn: the noise is too wide. The "
                         "standard deviation is the factor itself.")
def takes_sigma_for_the_variance(x, sigma, generator=None):
    return x + sigma ** 0.5 * torch.randn(x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("The noise was multiplied by `sigma` squared: it is too narrow. The standard deviation is the "
                         "factor itself.", literal=True)
def squares_sigma(x, sigma, generator=None):
    return x + sigma ** 2 * torch.randn(x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("`sigma` was divided by 255. It is on the scale of `x` already: who wants 25 grey levels of "
                         "255 calls with 25 / 255.", literal=True)
def divides_by_255(x, sigma, generator=None):
    return x + sigma / 255 * torch.randn(x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("`sigma` plays no part: the noise has a standard deviation of 1.")
def forgets_sigma(x, sigma, generator=None):
    return x + torch.randn(x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("The result was clipped to [0, 1]. Black then only gets brighter, and the noise is no longer "
                         "0 on average: clip when you show a picture, not before.", literal=True)
def clips(x, sigma, generator=None):
    return _noisy(x, sigma, generator).clamp(0, 1)


@add_noise.misconception("The result was cut off at 0, though not at 1. It may lie below 0, too: clip when you show a "
                         "picture, not before.", literal=True)
def clips_below(x, sigma, generator=None):
    return _noisy(x, sigma, generator).clamp(min=0)


@add_noise.misconception("The result was cut off at 1, though not at 0. It may lie above 1, too: clip when you show a "
                         "picture, not before.", literal=True)
def clips_above(x, sigma, generator=None):
    return _noisy(x, sigma, generator).clamp(max=1)


@add_noise.misconception("The noise has the right width, but its mean is not 0: something was added to all of it.",
                         literal=True)
def moves_the_mean(x, sigma, generator=None):
    return _noisy(x + sigma / 4, sigma, generator)


@add_noise.misconception("All channels have the same noise. Each number needs a draw of its own: take all of "
                         "`x.shape`.", literal=True)
def shares_among_channels(x, sigma, generator=None):
    return x + sigma * torch.randn((*x.shape[:-3], 1, *x.shape[-2:]), generator=generator, dtype=x.dtype)


@add_noise.misconception("All pictures of a batch have the same noise. Each number needs a draw of its own: take all "
                         "of `x.shape`.", literal=True)
def shares_among_pictures(x, sigma, generator=None):
    return x + sigma * torch.randn(x.shape[1:] if x.ndim == 4 else x.shape, generator=generator, dtype=x.dtype)


@add_noise.misconception("The noise comes from other numbers than the generator's: the same seed gives another noise. "
                         "Hand `generator` to `torch.randn`; `randn_like` takes none.", literal=True)
def draws_elsewhere(x, sigma, generator=None):
    return x + sigma * torch.randn_like(x)


@add_noise.misconception("Each call starts from the same number, so the noise is always the same, whatever the "
                         "generator. Draw from `generator` as it comes.")
def makes_a_generator_of_its_own(x, sigma, generator=None):
    return _noisy(x, sigma, torch.Generator().manual_seed(0))


@add_noise.misconception("Each call draws from a copy of the generator, or from its first seed again: the next call "
                         "gives the same noise. Draw from `generator` itself, so that it moves on.", literal=True)
def draws_from_a_copy(x, sigma, generator=None):
    return _noisy(x, sigma, None if generator is None else generator.clone_state())


@add_noise.misconception("The noise comes from NumPy's or Python's numbers, which know neither `generator` nor "
                         "`torch.manual_seed`: no seed of torch's repeats it. `torch.randn` takes the generator.",
                         literal=True)
def draws_by_numpy(x, sigma, generator=None):
    return x + sigma * torch.from_numpy(np.random.randn(*x.shape)).to(x.dtype)


@add_noise.misconception("Where no generator is given, a new one is made in each call. New ones all start from the "
                         "same number: the noise is always the same. `torch.randn` takes `generator=None`.",
                         literal=True)
def noisy_from_a_new_one(x, sigma, generator=None):
    return _noisy(x, sigma, generator or torch.Generator())


@add_noise.misconception("The noise was written into `x` itself (`+=`, or a method that ends in `_`). The caller "
                         "still needs the clean picture.")
def adds_in_place(x, sigma, generator=None):
    x += sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x


@add_noise.misconception("The result is the noise alone; the picture is missing from it.")
def gives_the_noise_alone(x, sigma, generator=None):
    return sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)


@add_noise.alternative
def noisy_by_normal(x, sigma, generator=None):
    return torch.normal(x, sigma, generator=generator)


@add_noise.alternative
def noisy_by_filling(x, sigma, generator=None):
    return x + torch.empty_like(x).normal_(0, sigma, generator=generator)


@add_noise.alternative
def noisy_number_by_number(x, sigma, generator=None):
    numbers = [torch.randn((), generator=generator).item() for _ in range(x.numel())]
    return x + torch.tensor(numbers, dtype=x.dtype).reshape(x.shape) * sigma


add_noise.equivalent(
    "return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype) -> "
    "return x - sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)",
    "The normal distribution is the same upside down.")
add_noise.equivalent(
    "return x + sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype) -> "
    "return x + sigma * torch.randn(x.shape, generator=generator)",
    "float64 plus float32 is float64: noise that was drawn in float32 keeps the dtype of x, and the draws are as good.")
