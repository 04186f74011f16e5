"""How `Compose` is examined."""

import inspect
from functools import partial

import torch
from torch import nn

from convcraft.exam import aspect, exercise, own_numbers, seed_facts

from .shared import _Noise, _noisy, _plus_one, _scaled_noise, _takes_generator


def _doubled(x):
    return 2 * x


def _negated(x):
    return -x


class _InOrder:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@exercise(points=6, reference=_InOrder)
def Compose(impl, draw):
    def twice():
        chain = impl([_plus_one, _doubled])
        return [chain(draw.normal(2, 3)), chain(draw.normal(2, 3))]

    def stream():
        x = draw.normal(2, 3)
        return impl([_noisy, _doubled, _noisy])(x, generator=draw.generator())

    def kinds():
        chain = impl([_Noise(), _plus_one, partial(_scaled_noise, scale=2.0)])
        generator = draw.generator()
        return [chain(draw.normal(2, 3), generator=generator) for _ in range(2)]

    def empty():
        return [impl([])(draw.normal(2, 3)), impl([])(draw.normal(2, 3), generator=draw.generator())]

    def own():
        chain = impl([_noisy, _doubled, _noisy])
        return torch.stack([chain(torch.zeros(2, 3)) for _ in range(2)])

    yield aspect("order", "The transforms are applied one after the other, the first one first.",
                 lambda: [impl([_plus_one, _doubled])(draw.normal(2, 3)),
                          impl([_doubled, _negated, _plus_one])(draw.normal(2, 3))])
    yield aspect("again", "It can be called as often as you like.", twice)
    yield aspect("one generator", "All that take a generator draw from the same one, in turn.", stream)
    yield aspect("those that take one", "Functions, objects with `__call__`, `functools.partial`: a generator goes to "
                                        "those that take one.", kinds)
    yield aspect("without one", "Without a generator the transforms draw from torch's own numbers.",
                 lambda: own_numbers(own), view=seed_facts)
    yield aspect("none at all", "`Compose([])` gives back `x`.", empty)


@Compose.misconception("The last transform is applied first, as in f(g(x)) on paper. In a pipeline the list is read "
                       "from left to right.")
class ComposesBackwards:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in reversed(self.transforms):
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Each transform is applied to the picture as it came, and only the last result is kept. Each "
                       "must go on with what the one before it returned.")
class StartsAfresh:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        result = x
        for transform in self.transforms:
            result = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return result


@Compose.misconception("The generator stops at this class: the transforms draw from elsewhere, so no seed repeats a "
                       "picture. Give it to each transform that takes one.")
class SwallowsTheGenerator:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x)
        return x


@Compose.misconception("Every transform is handed the generator, also one that has no such parameter. Ask first: the "
                       "notebook has `takes_generator` for it.")
class HandsItToAll:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator)
        return x


@Compose.misconception("The generator is the second argument of each call, and where a transform has another second "
                       "parameter it lands there. Pass it by its name.")
class HandsItByPosition:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Each transform starts from a copy of the generator, so all of them draw the same numbers: the "
                       "shift then always goes with the turn. Pass the one generator on; it moves by itself.")
class CopiesTheGenerator:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            own = None if generator is None else generator.clone_state()
            x = transform(x, generator=own) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("The transforms are used up, and the second picture meets none: they were taken out of the "
                       "list, or kept as what can be walked through once. Keep a list, and leave it as it is.")
class UsesUpItsList:
    def __init__(self, transforms):
        self.transforms = list(transforms)

    def __call__(self, x, generator=None):
        while self.transforms:
            transform = self.transforms.pop(0)
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
        return x


@Compose.misconception("Only the first transform is applied: the `return` stands inside the loop. Move it out by one "
                       "level.")
class ReturnsInsideTheLoop:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            x = transform(x, generator=generator) if _takes_generator(transform) else transform(x)
            return x
        return x


@Compose.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                       "number, so every picture comes out alike. Pass None on: torch's own numbers serve then.")
class ComposesWithANewOne(_InOrder):
    def __call__(self, x, generator=None):
        return super().__call__(x, generator or torch.Generator())


@Compose.alternative
class ComposesAsModule(nn.Module):
    def __init__(self, transforms):
        super().__init__()
        self.steps = tuple(transforms)

    def forward(self, x, generator=None):
        for step in self.steps:
            extra = {"generator": generator} if "generator" in inspect.signature(step).parameters else {}
            x = step(x, **extra)
        return x


@Compose.alternative
class ComposesByRecursion:
    def __init__(self, transforms):
        self.all = list(transforms)

    def __call__(self, x, generator=None):
        if not self.all:
            return x
        first, rest = self.all[0], ComposesByRecursion(self.all[1:])
        return rest(first(x, generator=generator) if _takes_generator(first) else first(x), generator)


@Compose.alternative
class ComposesByTrying:
    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, x, generator=None):
        for transform in self.transforms:
            try:
                x = transform(x, generator=generator)
            except TypeError:
                x = transform(x)
        return x
