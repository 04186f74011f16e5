"""Exams that can be handed out: the probes, and what the answers showed, without any answer's code.

A sealed exam is a folder: `exam.json` (names, points, bans, sentences), `probe.pickle` (the probe, by cloudpickle) and
`answers.safetensors` (what reference and misconceptions showed at the fixed draw). Whoever opens one runs its probe, so
a sealed exam is trusted as the course is.
"""

import json
import pickle
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import cloudpickle

from convcraft.exam.exercise import Exercise, Misconception
from convcraft.exam.observation import Record

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(eq=False)
class SealedExercise(Exercise):
    """An exercise whose answers are recorded, for the fixed draw alone."""

    answers: dict[str, dict[str, Record]] = field(default_factory=dict)

    def expected(self, seed: int) -> dict[str, Record]:
        self._check(seed)
        return self.answers["reference"]

    def mistaken(self, index: int, seed: int) -> dict[str, Record]:
        self._check(seed)
        return self.answers[str(index)]

    def _check(self, seed: int) -> None:
        if seed != 0:
            raise ValueError(f"{self.name}: a sealed exam knows the answers for seed 0 alone, not for {seed}")


def seal(exercise: Exercise, folder: Path) -> Path:
    """Write one exercise's sealed exam to `folder/<name>/`; returns that folder."""
    answers = {"reference": exercise.expected(0)}
    answers |= {str(index): exercise.mistaken(index, 0) for index in range(len(exercise.misconceptions))}
    recorded = {who: {name: record.observation for name, record in records.items()}
                for who, records in answers.items()}
    target = folder / exercise.name
    target.mkdir(parents=True, exist_ok=True)
    (target / "exam.json").write_text(json.dumps({
        "name": exercise.name, "chapter": exercise.chapter, "points": exercise.points, "python": _PYTHON,
        "bans": sorted(exercise.bans),
        "misconceptions": [misconception.sentence for misconception in exercise.misconceptions],
    }, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (target / "probe.pickle").write_bytes(cloudpickle.dumps(exercise.probe))
    (target / "answers.safetensors").write_bytes(Record(exercise.name, recorded).to_bytes())
    return target


@cache
def load_sealed(folder: Path) -> dict[str, Exercise]:
    """Every sealed exam in `folder`, by name.

    Raises:
        ValueError: an exam was sealed with another version of Python; the message says what to do.
    """
    return {path.parent.name: _load(path.parent) for path in sorted(folder.glob("*/exam.json"))}


def _load(folder: Path) -> SealedExercise:
    facts = json.loads((folder / "exam.json").read_text(encoding="utf-8"))
    if facts["python"] != _PYTHON:
        raise ValueError(f"{folder}: sealed with Python {facts['python']}, this is {_PYTHON}; "
                         "seal the exams again with `convcraft exams`")
    recorded = Record.from_bytes((folder / "answers.safetensors").read_bytes()).observation
    answers = {who: {name: Record(name, seen) for name, seen in records.items()} for who, records in recorded.items()}
    return SealedExercise(
        facts["name"], facts["points"], pickle.loads((folder / "probe.pickle").read_bytes()), None,
        frozenset(facts["bans"]), facts["chapter"],
        [Misconception(sentence, None) for sentence in facts["misconceptions"]], answers=answers)
