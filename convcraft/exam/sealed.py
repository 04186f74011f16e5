"""Exams that can be handed out: the probes, and what the answers showed, without any answer's code.

A sealed exam is a folder: `exam.json` (names, points, bans, sentences), `probe.py` (see `probe`) and `answers.xz` (what
reference and misconceptions showed at the fixed draw: of a misconception, the aspects that it fails). All of it is text
and numbers, for any version of Python. Whoever opens one runs its probe, so a sealed exam is trusted as the course is.
"""

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from convcraft.exam.exercise import Exercise, Misconception
from convcraft.exam.observation import Observation, Record
from convcraft.exam.outcome import outcome
from convcraft.exam.probe import opened, source_of
from convcraft.language import LANGUAGES, _

_FORMAT = 3  # of `exam.json`, and of what lies beside it


class SealedError(ValueError):
    """A sealed exam cannot be opened; the message says what to do."""


@dataclass(eq=False)
class SealedExercise(Exercise):
    """An exercise whose answers are recorded, for the fixed draw alone, and what it says in each language."""

    answers: dict[str, dict[str, Record]] = field(default_factory=dict)
    translations: dict[str, dict[str, str]] = field(default_factory=dict)

    def sentences(self, language: str) -> Mapping[str, str]:
        return self.translations.get(language, {})

    def expected(self, seed: int) -> dict[str, Record]:
        self._check(seed)
        return self.answers["reference"]

    def mistaken(self, index: int, seed: int) -> dict[str, Record]:
        self._check(seed)
        return self.answers["reference"] | self.answers[str(index)]

    def _check(self, seed: int) -> None:
        if seed != 0:
            raise ValueError(f"{self.name}: a sealed exam knows the answers for seed 0 alone, not for {seed}")


def seal(exercise: Exercise, folder: Path) -> Path:
    """Write one exercise's sealed exam to `folder/<name>/`; returns that folder."""
    recorded: dict[str, Observation] = {"reference": _seen(exercise.expected(0))}
    recorded |= {str(index): _seen(_failed(exercise, index)) for index in range(len(exercise.misconceptions))}
    target = folder / exercise.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "exam.json").write_text(json.dumps({
        "format": _FORMAT, "name": exercise.name, "chapter": exercise.chapter, "points": exercise.points,
        "listed": exercise.listed, "bans": sorted(exercise.bans),
        "misconceptions": [{"sentence": misconception.sentence, "literal": misconception.literal}
                           for misconception in exercise.misconceptions],
        "translations": {language: dict(sorted(exercise.sentences(language).items()))
                         for language in LANGUAGES if exercise.sentences(language)},
    }, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (target / "probe.py").write_text(source_of(exercise), encoding="utf-8")
    (target / "answers.xz").write_bytes(lzma.compress(Record(exercise.name, recorded).to_bytes()))
    return target


def sealed_names(folder: Path) -> list[str]:
    """The sealed exams in `folder`."""
    return [path.parent.name for path in sorted(folder.glob("*/exam.json"))]


@cache
def load_sealed(folder: Path, name: str) -> SealedExercise:
    """One of the sealed exams in `folder`.

    Raises:
        SealedError: another version of the course has sealed it, or it is not whole.
    """
    path = folder / name
    try:
        facts = json.loads((path / "exam.json").read_text(encoding="utf-8"))
        if facts.get("format") != _FORMAT:
            raise SealedError(_("{folder}: another version of the course has sealed this exam; seal the exams again "
                                "with `convcraft exams`").format(folder=path))
        recorded: Any = Record.from_bytes(lzma.decompress((path / "answers.xz").read_bytes())).observation
        probe = opened(name, (path / "probe.py").read_text(encoding="utf-8"))
        misconceptions = [Misconception(known["sentence"], _withheld, known["literal"])
                          for known in facts["misconceptions"]]
        answers = {who: {aspect: Record(aspect, seen) for aspect, seen in records.items()}
                   for who, records in recorded.items()}
        return SealedExercise(name, facts["points"], probe, _withheld, frozenset(facts["bans"]), facts["chapter"],
                              misconceptions, listed=facts["listed"], answers=answers,
                              translations=facts["translations"])
    except SealedError:
        raise
    except Exception as error:  # whatever a file that was cut off, or a probe that this version cannot run, leads to
        raise SealedError(_("{folder} is not whole ({kind}: {message}); seal the exams again with "
                            "`convcraft exams`").format(
            folder=path, kind=type(error).__name__, message=error)) from error


def _failed(exercise: Exercise, index: int) -> dict[str, Record]:
    """What a misconception shows where it differs from the reference."""
    expected, shown = exercise.expected(0), exercise.mistaken(index, 0)
    return {item.name: shown[item.name] for item in exercise.aspects()
            if not outcome(item, shown[item.name], expected[item.name])}


def _seen(records: Mapping[str, Record]) -> Observation:
    return {name: record.observation for name, record in records.items()}


def _withheld(*_: object, **__: object) -> NoReturn:
    raise LookupError("a sealed exam has no answer's code; what the answers showed is recorded")
