"""Which known mistake an answer shows: precision before coverage.

Many mistakes look alike where little can be seen: an error, a boolean, a small number. So each thing that an answer
and a misconception both show, and the reference does not, is weighed in bits, about as many as it takes to hit on it by
chance. A misconception's sentence is told where

- the answer passed no aspect that the misconception fails, and
- the answer shows the same in every aspect that the misconception fails (in two thirds of them, where it failed others
  as well or stopped with an error of its own, for then it makes another mistake, too); and either
- what both show there is *rich*, as a handful of odd numbers is, or
- it is less than that, but the whole pattern fits: the answer shows the same in *all* of them, and what else it failed
  is explained as well. A sentence that is *literal*, and says no more than what is seen, needs no more than that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from convcraft.exam.compare import compare, errors
from convcraft.exam.exercise import Aspect, Exercise
from convcraft.exam.observation import Failure, Observation, Record
from convcraft.exam.outcome import outcome, shared

RICH = 20.0  # bits that speak for themselves: five odd numbers
ENOUGH = 6.0  # bits that speak where the whole pattern fits: two odd numbers, two errors, one wrong dtype
_ODD, _PLAIN, _WORD, _TRUTH = 4.0, 2.0, 2.0, 1.0  # a number as 0.2817, as −1 or ½; a word; a boolean
_FEW, _MANY = 15, 12.0  # places that are weighed; bits that a text can bring
_TOLD, _ERROR = 6.0, 3.0  # what the exam itself found (a cut graph, a dtype); an error that many mistakes end in


@dataclass(frozen=True)
class _Suspect:
    """A misconception, the failed aspects in which the answer shows the same, and how much that says."""

    index: int
    explains: frozenset[str]
    fails: frozenset[str]
    bits: float


def diagnose(exercise: Exercise, aspects: Sequence[Aspect], failed: set[str], seen: dict[str, Record],
             seed: int) -> dict[str, str]:
    """For the name of each failed aspect, the sentence of the misconception that shows the same there.

    Of several, the one that explains most failures speaks; then the one that fails the fewest aspects.
    """
    quickest = sorted(aspects, key=lambda item: seen[item.name].seconds if item.name in seen else 0.0)
    suspects = [suspect for index in range(len(exercise.misconceptions))
                if (suspect := _suspect(exercise, index, quickest, failed, seen, seed))]
    told = [suspect for suspect in suspects if suspect.bits >= RICH]
    explained = frozenset().union(*(suspect.explains for suspect in told))
    whole = [suspect for suspect in suspects if suspect.explains == suspect.fails
             and (suspect.bits >= ENOUGH or exercise.misconceptions[suspect.index].literal)]
    if explained.union(*(suspect.explains for suspect in whole)) >= failed:
        told = list(dict.fromkeys(told + whole))
    told.sort(key=lambda suspect: (-len(suspect.explains), len(suspect.fails)))
    return {name: exercise.misconceptions[suspect.index].sentence
            for suspect in reversed(told) for name in suspect.explains}


def _suspect(exercise: Exercise, index: int, aspects: list[Aspect], failed: set[str], seen: dict[str, Record],
             seed: int) -> _Suspect | None:
    """What speaks for one misconception; None where too much speaks against it.

    A misconception is observed no further than it takes to rule it out, aspect by aspect in the order given: what takes
    least time first.
    """
    expected, mistaken = exercise.expected(seed), exercise.mistaken(index, seed)
    explains, fails, bits, otherwise, raised = set(), set(), 0.0, 0, False
    for item in aspects:
        if not _fails(exercise, index, item, seed):
            continue
        if item.name not in failed:
            return None
        fails.add(item.name)
        if item.name not in seen or seen[item.name].banned:
            continue
        common = shared(item, seen[item.name], mistaken[item.name], expected[item.name])
        if common is None:
            otherwise += 1
            raised |= isinstance(seen[item.name].observation, Failure)
            if otherwise > (len(failed) - otherwise) / 2:
                return None
        else:
            explains.add(item.name)
            bits += evidence(*common, item)
    makes_another = raised or len(fails) < len(failed)
    if not explains or otherwise > (len(explains) / 2 if makes_another else 0):
        return None
    return _Suspect(index, frozenset(explains), frozenset(fails), bits)


def _fails(exercise: Exercise, index: int, item: Aspect, seed: int) -> bool:
    """Whether misconception number `index` differs from the reference in an aspect."""
    known = _known_to_fail(exercise, index, seed)
    if item.name not in known:
        known[item.name] = not outcome(item, exercise.mistaken(index, seed)[item.name],
                                       exercise.expected(seed)[item.name])
    return known[item.name]


@lru_cache(maxsize=4096)  # more than the course has mistakes
def _known_to_fail(exercise: Exercise, index: int, seed: int) -> dict[str, bool]:
    return {}


def evidence(shown: Observation, right: Observation, item: Aspect) -> float:
    """How much it says, in bits, that two answers show `shown` where the reference shows `right`."""
    if isinstance(shown, Tensor) and isinstance(right, Tensor):
        return _evidence_of_tensor(shown, right, item)
    if isinstance(shown, list) and isinstance(right, list) and len(shown) == len(right):
        return sum(evidence(part, other, item) for part, other in zip(shown, right, strict=True))
    if isinstance(shown, dict) and isinstance(right, dict) and shown.keys() == right.keys():
        return sum(evidence(part, right[name], item) for name, part in shown.items())
    if isinstance(shown, str) and isinstance(right, str):
        return min(_MANY, _WORD * _words_apart(shown, right))
    return 0.0 if compare(shown, right, item.rtol, item.atol, dtype=item.dtype) else _alone(shown)


def _evidence_of_tensor(shown: Tensor, right: Tensor, item: Aspect) -> float:
    if shown.shape != right.shape:
        return _WORD + _of_numbers(shown)
    told = _TOLD if item.dtype and shown.dtype != right.dtype else 0.0
    wrong = errors(shown, right, item.rtol, item.atol) > 1
    return told + _of_numbers(shown[wrong]) + _of_places(wrong)


def _alone(shown: Observation) -> float:
    """The same where the reference shows nothing of the kind."""
    match shown:
        case Failure():
            return _ERROR if shown.place else _TOLD
        case Tensor():
            return _of_numbers(shown)
        case bool():
            return _TRUTH
        case int() | float():
            return _of_numbers(torch.tensor([shown], dtype=torch.float64))
        case str():
            return _WORD
        case list():
            return _TRUTH + sum(map(_alone, shown))
        case dict():
            return _TRUTH + sum(map(_alone, shown.values()))
    return _TRUTH


def _words_apart(one: str, other: str) -> int:
    ones, others = one.split(), other.split()
    return max(sum(word not in others for word in ones), sum(word not in ones for word in others), one != other)


def _of_places(wrong: Tensor) -> float:
    """To be wrong just where another is, and right where it is right, says something, whatever the numbers."""
    count = int(wrong.sum())
    return math.log2(1 + min(count, wrong.numel() - count, _FEW)) if count else 0.0


def _of_numbers(values: Tensor) -> float:
    """Each number counts once, however often it stands there."""
    if values.is_complex():
        values = torch.view_as_real(values)
    distinct = {float(f"{value:.3g}") for value in values.flatten().tolist()[:4096]}
    plain = sum(not math.isfinite(value) or float(2 * value).is_integer() for value in distinct)
    return _PLAIN * plain + _ODD * (len(distinct) - plain)
