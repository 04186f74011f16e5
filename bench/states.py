"""Proof: what a reader has left switched on changes no verdict, in any exercise.

`python bench/states.py` examines, in each state, every chapter's solution and one known mistake of every exercise, as
if the exams had just been opened, and names those whose points differ from those of a fresh kernel.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from convcraft.author.prove import answers, examined
from convcraft.author.source import chapters
from convcraft.exam.exercise import Exercise

ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def _default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def _default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


STATES = {
    "default dtype float64": _default_dtype, "default device meta": _default_device,
    "inference mode": torch.inference_mode, "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True), "no grad": torch.no_grad,
}


def _points(exercise: Exercise, answer: object) -> list[object]:
    """Of a right answer and a wrong one, by an exam that has been asked nothing yet."""
    fresh = Exercise(exercise.name, exercise.points, exercise.probe, exercise.reference, exercise.bans,
                     misconceptions=exercise.misconceptions)
    wrong = examined(fresh, exercise.misconceptions[0].answer, banning=False)
    return [examined(fresh, answer).points, wrong.points, wrong.diagnoses]


def main() -> int:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    differ = 0
    for chapter in chapters(ROOT):
        solutions, _ = answers(chapter)
        for name, exercise in chapter.exercises.items():
            if name not in solutions:
                continue
            usual = _points(exercise, solutions[name])
            for state, switched in STATES.items():
                with switched():
                    seen = _points(exercise, solutions[name])
                if seen != usual:
                    differ += 1
                    print(f"{chapter.name}/{name} in {state}: {seen}, not {usual}", flush=True)
    print(f"{differ} verdicts differ, in {len(STATES)} states.")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
