"""Exercises, and how answers to them are observed, judged and diagnosed. Knows nothing of Jupyter or nbgrader."""

from convcraft.exam import ops
from convcraft.exam.course import NoExamError, find, load_chapter, load_course
from convcraft.exam.exercise import (
    Aspect,
    Exercise,
    Misconception,
    aspect,
    error_of,
    exercise,
    gradients,
    habits,
)
from convcraft.exam.judge import Row, Verdict, judge
from convcraft.exam.observation import Failure, Opaque, Record
from convcraft.exam.observe import observe
from convcraft.exam.ops import count_operators

__all__ = [
    "Aspect", "Exercise", "Failure", "Misconception", "NoExamError", "Opaque", "Record", "Row", "Verdict", "aspect",
    "count_operators", "error_of", "exercise", "find", "gradients", "habits", "judge", "load_chapter", "load_course",
    "observe", "ops",
]
