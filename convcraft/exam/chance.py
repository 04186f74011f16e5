"""What exams of answers that draw random numbers look at: which seed gave what."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from convcraft.exam.draw import Draw


def seeded(call: Callable[[torch.Generator], Any], draw: Draw) -> list[Any]:
    """What `call(generator)` gives: twice from one seed while torch's own numbers differ, then from another seed."""
    seed = draw.seed()
    shown = []
    for number, own in ((seed, 1), (seed, 2), (seed + 1, 1)):
        torch.manual_seed(own)
        shown.append(call(torch.Generator().manual_seed(number)))
    return shown


def own_numbers(call: Callable[[], Any]) -> list[Any]:
    """What `call()` gives without a generator: twice after one `torch.manual_seed`, then after another."""
    shown = []
    for seed in (1, 1, 3):
        torch.manual_seed(seed)
        shown.append(call())
    return shown


def seed_facts(seen: Sequence[Tensor], right: object) -> dict[str, bool]:
    """A view of what `seeded` or `own_numbers` gives, three tensors whose first dimension counts calls: nothing of
    which numbers were drawn, all of what they hang on.
    """
    once, again, other = seen
    return {"the same seed gives the same": torch.equal(once, again),
            "another seed gives another": not torch.equal(once, other),
            "one call differs from the next": bool((once[1:] != once[:1]).any())}
