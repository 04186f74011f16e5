"""Exercises, and how answers to them are observed, judged and diagnosed. Knows nothing of Jupyter or nbgrader."""

from convcraft.exam import nets, ops
from convcraft.exam.chance import own_numbers, seed_facts, seeded
from convcraft.exam.course import NoExamError, asked, find, load_chapter, load_course
from convcraft.exam.exercise import (
    Aspect,
    Exercise,
    Misconception,
    aspect,
    but_for_scale,
    error_of,
    exercise,
    gradients,
    habits,
    in_any_order,
)
from convcraft.exam.judge import Row, Verdict, judge
from convcraft.exam.observation import Failure, Opaque, Record
from convcraft.exam.observe import observe
from convcraft.exam.ops import count_operators

__all__ = [
    "Aspect", "Exercise", "Failure", "Misconception", "NoExamError", "Opaque", "Record", "Row", "Verdict", "asked",
    "aspect", "but_for_scale", "count_operators", "error_of", "exercise", "find", "gradients", "habits",
    "in_any_order", "judge", "load_chapter", "load_course", "nets", "observe", "ops", "own_numbers", "seed_facts",
    "seeded",
]
