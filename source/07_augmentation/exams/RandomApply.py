"""How `RandomApply` is examined."""

import inspect
import random
from functools import partial

import torch
from torch import nn

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _Noise, _noisy, _plus_one, _scaled_noise, _takes_generator


class _Applies:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@exercise(points=7, reference=_Applies)
def RandomApply(impl, draw):
    def share(seen, right):
        if (seen != seen[..., :1]).any():
            return "for each pixel"
        decided = seen[..., 0]
        if (decided == decided[:, :1]).all():
            return "the same every time" if (decided == decided[0, 0]).all() else "once for each object"
        part = decided.mean().item()  # of 5,000: 0.042 are 6.5 standard deviations, one false alarm in ten billion
        return "p" if abs(part - 0.3) < 0.042 else "1 − p" if abs(part - 0.7) < 0.042 else "another share"

    def share_look():
        generator, shown = draw.generator(), []
        for number in range(10):
            torch.manual_seed(number)
            apply = impl(0.3, _plus_one)
            shown.append(torch.stack([apply(torch.zeros(3), generator=generator) for _ in range(500)]))
        return torch.stack(shown)

    def ends():
        x, generator = draw.normal(2, 3), draw.generator()
        return [[impl(p, _plus_one)(x, generator=generator) for _ in range(8)] for p in (1.0, 0.0)]

    def passed_on():
        shown = []
        for transform in (_noisy, _Noise(), partial(_scaled_noise, scale=2.0)):
            apply = impl(1.0, transform)
            shown.append(seeded(lambda generator, apply=apply: torch.stack(
                [apply(torch.zeros(3), generator=generator) for _ in range(2)]), draw))
        generator = draw.generator()
        drawn = impl(1.0, _noisy)(torch.zeros(3), generator=generator)
        return {"runs": shown, "drawn, and drawn next": [drawn, torch.rand(3, generator=generator)]}

    def handed_on(seen, right):
        drawn, following = seen["drawn, and drawn next"]
        return {"runs": [seed_facts(shown, None) for shown in seen["runs"]],
                "the generator has moved on": not torch.equal(drawn, following)}

    def own():
        def decisions(p):
            apply = impl(p, _plus_one)
            return torch.stack([apply(torch.zeros(())) for _ in range(24)])

        return torch.stack([torch.stack(own_numbers(partial(decisions, p))) for p in (0.4, 0.6)])

    def own_facts(seen, right):
        return [{**seed_facts(runs, None), "applied":
                 "never" if not runs.any() else "always" if runs.all() else "now and then"} for runs in seen]

    def same_decisions(generator):
        apply = impl(0.5, _plus_one)
        return torch.stack([apply(torch.zeros(()), generator=generator) for _ in range(40)])

    yield aspect("always, never",
                 "With p = 1 the transform is always applied, with p = 0 never: then `x` comes back.",
                 ends)
    yield aspect("share",
                 "Each call decides anew, and applies the transform with probability p.",
                 share_look, view=share)
    yield aspect("seed", "The decision is drawn from `generator` alone: the same seed, the same decisions.",
                 lambda: seeded(same_decisions, draw), view=seed_facts)
    yield aspect("passing on", "A transform that takes a generator is given the same one.", passed_on,
                 view=handed_on)
    yield aspect("without one", "Without a generator torch's own numbers decide, so `torch.manual_seed` repeats them.",
                 own, view=own_facts)


@RandomApply.misconception("The coin is tossed in `__init__`, once for ever. An object that lives for a whole "
                           "training must toss it in `__call__`, for every picture.")
class TossesOnce:
    def __init__(self, p, transform):
        self.applies, self.transform = bool(torch.rand(()) < p), transform

    def __call__(self, x, generator=None):
        if not self.applies:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The transform was handed a copy of the generator, so what it draws is drawn again by "
                           "whoever comes next. Hand on the very object.")
class HandsOnACopy:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) >= self.p:
            return x
        if not _takes_generator(self.transform):
            return self.transform(x)
        if generator is None:
            return self.transform(x)
        return self.transform(x, generator=generator.clone_state())


@RandomApply.misconception("The transform is applied too seldom or too often: what was drawn is not uniform (`randn`, "
                           "a mean of two draws), or p was changed. Compare one `torch.rand` with p.")
class DrawsFromABell:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if self.p < 1 and torch.randn((), generator=generator).abs() >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("A generator is made and given a seed in each call, so each call draws the same first "
                           "number. Draw from the one that is handed in: it moves on by itself.")
class SeedsInEachCall:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        generator = torch.Generator().manual_seed(0)
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("Where no generator is given, a new one is made in each call. All new ones start from the "
                           "same number, so the decision is the same every time. `torch.rand` takes `generator=None`.")
class MakesOneForNone:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        generator = generator or torch.Generator()
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("Without a generator the transform is never applied. No generator does not mean no chance: "
                           "then torch's own numbers decide.")
class SleepsWithoutOne:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if generator is None or torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin is tossed for each pixel, so parts of two pictures are mixed. One number decides "
                           "for the whole picture.")
class TossesForEachPixel:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        chosen = torch.rand(x.shape, generator=generator) < self.p
        given = {"generator": generator} if _takes_generator(self.transform) else {}
        return torch.where(chosen, self.transform(x, **given), x)


@RandomApply.misconception("The transform is left out with probability p. A number from `rand` is below p in a share "
                           "p of the cases: those are the ones to apply it in.")
class LeavesOut:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) < self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin does not come from `generator` but from numbers of somebody else's: with the "
                           "same seed the decisions differ. Hand the generator to `torch.rand`.", literal=True)
class TossesElsewhere:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand(()) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin comes from Python's or NumPy's numbers, which know neither `generator` nor "
                           "`torch.manual_seed`: no seed of torch's repeats the decisions.", literal=True)
class TossesPythonsCoin:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if random.random() >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The generator was handed over by position, and landed in a parameter that comes earlier. "
                           "Not every transform has it second: pass it by its name.")
class HandsOnByPosition:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The coin is right, but the transform never sees the generator: what it draws comes from "
                           "elsewhere, and no seed repeats it. Pass the generator on.")
class KeepsTheGenerator:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        return self.transform(x) if torch.rand((), generator=generator) < self.p else x


@RandomApply.misconception("The generator is handed to every transform, also to one that has no such parameter (a "
                           "flip draws nothing). Ask first: the notebook has `takes_generator` for it.")
class AlwaysHandsOn:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        return self.transform(x, generator=generator) if torch.rand((), generator=generator) < self.p else x


@RandomApply.misconception("Where the transform is not applied, nothing comes back: `None`. The picture itself must.")
class ForgetsThePicture:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator) < self.p:
            return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.misconception("The generator is set back to its seed at each call, so each call draws the same number. A "
                           "generator moves on by itself: use it as it comes.")
class RewindsTheGenerator:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if generator is not None:
            generator.manual_seed(generator.initial_seed())
        if torch.rand((), generator=generator) >= self.p:
            return x
        return self.transform(x, generator=generator) if _takes_generator(self.transform) else self.transform(x)


@RandomApply.alternative
class AppliesByBernoulli(nn.Module):
    def __init__(self, p, transform):
        super().__init__()
        self.probability, self.inner = p, transform

    def forward(self, x, generator=None):
        coin = torch.empty(()).bernoulli_(self.probability, generator=generator)
        if not coin:
            return x
        if "generator" in inspect.signature(self.inner).parameters:
            return self.inner(x, generator=generator)
        return self.inner(x)


@RandomApply.alternative
class AppliesAfterTheFact:
    def __init__(self, p, transform):
        self.p = p
        self.transform = transform if _takes_generator(transform) else lambda x, generator: transform(x)

    def __call__(self, x, generator=None):
        changed = self.transform(x, generator=generator)
        return changed if torch.rand(1, generator=generator).item() < self.p else x


@RandomApply.alternative
class AppliesByTrying:
    def __init__(self, p, transform):
        self.p, self.transform = p, transform

    def __call__(self, x, generator=None):
        if torch.rand((), generator=generator).item() > 1 - self.p:
            try:
                return self.transform(x, generator=generator)
            except TypeError:
                return self.transform(x)
        return x


RandomApply.equivalent(
    "if torch.rand((), generator=generator) >= self.p: -> if torch.rand((), generator=generator) > self.p:",
    "they differ only where a draw equals p, which happens once in 16 million draws")
