"""From observations to points and diagnoses, where the reference runs and the reader's code does not."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from convcraft.exam.call import MOST
from convcraft.exam.compare import Comparison
from convcraft.exam.diagnose import diagnose
from convcraft.exam.exercise import Aspect, Exercise
from convcraft.exam.neutral import neutral
from convcraft.exam.observation import Failure, Record
from convcraft.exam.outcome import outcome
from convcraft.exam.relation import relation
from convcraft.exam.told import PART
from convcraft.language import _, retold

_MOST_PRINTED = 20_000  # characters
_PART = re.compile(r"part (\d+)")


@dataclass(frozen=True)
class Row:
    """One aspect's outcome.

    Attributes:
        name, says: what the aspect is called, and what the task says of it.
        diagnosis: the sentence of the misconception that shows the same, empty where none does.
        comparison: what differs.
        call: with what the answer was called there, as a line that can be pasted.
        relation: how the two tensors that differ hang together, where no misconception explains it.
        where: what the part that differs is called, empty for the whole.
        aspect, mistake: name and diagnosis as the exam has them, in English whatever the language in force.
        detail: what differs and where, in one line; empty where the aspect passed.
    """

    name: str
    says: str
    passed: bool
    diagnosis: str = ""
    comparison: Comparison = field(default_factory=Comparison)
    relation: str = ""
    call: str = ""
    where: str = ""
    aspect: str = ""
    mistake: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """An exercise's outcome: points, a row an aspect, what the answer printed, and how long it took.

    Its sentences are in the language that was in force when it was made.
    """

    exercise: str
    points: float
    max_points: float
    rows: list[Row]
    output: str = ""
    seconds: float = 0.0

    @property
    def diagnoses(self) -> list[str]:
        """The misconceptions that were recognised, each once."""
        return list(dict.fromkeys(row.diagnosis for row in self.rows if row.diagnosis))

    @property
    def mistakes(self) -> list[str]:
        """The same as the exam has them."""
        return list(dict.fromkeys(row.mistake for row in self.rows if row.mistake))


def judge(exercise: Exercise, records: Iterable[Record], seed: int, worth: float | None = None) -> Verdict:
    """Compare what was observed of an answer with what the reference shows for the same draws.

    An aspect without a record has not passed. All aspects passed is exactly all points.

    Args:
        worth: all points, where a class's release promises others than the exercise has today.
    """
    with neutral():
        aspects = exercise.aspects()
        known, seen = {item.name for item in aspects}, dict[str, Record]()
        for record in records:
            if record.aspect in known:
                seen.setdefault(record.aspect, record)
        return _judged(exercise, aspects, seen, seed, Fraction(exercise.points if worth is None else worth))


def _judged(exercise: Exercise, aspects: Sequence[Aspect], seen: dict[str, Record], seed: int,
            worth: Fraction) -> Verdict:
    expected = exercise.expected(seed)
    outcomes = {item.name: outcome(item, seen.get(item.name), expected[item.name]) for item in aspects}
    silent = [item.name for item in aspects if item.name not in seen]
    if silent and not any(record.ran_out for record in seen.values()):  # it was ended from outside, in C for one
        outcomes[silent[0]] = Comparison(lambda: _("Tried, but your code did not come to an end here: it was stopped "
                                                   "from outside, or its process ended."), ratio=float("inf"))
    failed = {name for name, found in outcomes.items() if not found}
    diagnoses = diagnose(exercise, aspects, failed, seen, seed) if failed else {}
    rows = [_row(item, outcomes[item.name], diagnoses.get(item.name, ""), seen.get(item.name), exercise.said)
            for item in aspects]
    share = Fraction(sum(item.weight for item in aspects if outcomes[item.name]), sum(item.weight for item in aspects))
    return Verdict(exercise.name, _points(worth * share), _points(worth), rows, _printed(seen),
                   sum(record.seconds for record in seen.values()))


def _printed(seen: dict[str, Record]) -> str:
    """What the answer printed, what is the same in several aspects once."""
    whole = "".join(dict.fromkeys(record.output for record in seen.values()))
    return whole if len(whole) <= _MOST_PRINTED else whole[:_MOST_PRINTED] + "\n…"


def _row(item: Aspect, comparison: Comparison, mistake: str, record: Record | None, said: Callable[[str], str]) -> Row:
    yours, expected = comparison.yours, comparison.expected
    told = "" if mistake or yours is None or expected is None else relation(yours, expected)
    call = "" if comparison or record is None else _call(record, comparison.where)
    where = " ".join(retold(part, PART) if _PART.fullmatch(part) else said(part) for part in comparison.path)
    detail = comparison.sentence
    if where and detail and not (call and _PART.fullmatch(comparison.where)):  # else the call says which part it is
        detail = _("{where}: {sentence}").format(where=where, sentence=detail)
    return Row(said(item.name), said(item.says), bool(comparison), said(mistake), comparison, told, call, where,
               item.name, mistake, detail)


def _call(record: Record, where: str) -> str:
    """The call that what differs came of: the one, the one that raised, or that of the part that differs."""
    calls, seen = record.calls, record.observation
    if isinstance(seen, Failure) or len(calls) <= 1:
        return calls[-1] if calls else ""
    if isinstance(seen, list) and len(seen) == len(calls) and (part := _PART.match(where)):
        return calls[int(part[1]) - 1]
    if isinstance(seen, dict) and len(seen) == len(calls):
        made = dict(zip(seen, calls, strict=True))
        return made.get(max((name for name in made if where.startswith(name)), key=len, default=""), "")
    if len(calls) == 2 and calls[1].startswith(calls[0]):  # a module was made, then called
        return calls[1]
    if len(calls) < MOST:
        return _("{call}, the first of {count} calls").format(call=calls[0], count=len(calls))
    return _("{call}, the first of many calls").format(call=calls[0])


def _points(exact: Fraction) -> float:
    """Points as a number: whole where they are whole, else to the hundredth, never rounded up to all."""
    return int(exact) if exact.denominator == 1 else float(int(exact * 100) / 100)
