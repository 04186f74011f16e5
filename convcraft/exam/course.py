"""Finding exercises: the course's own, or sealed ones."""

import difflib
import importlib.util
import os
from functools import cache
from pathlib import Path

from convcraft.exam.exercise import Exercise
from convcraft.exam.sealed import load_sealed

SOURCE = Path(__file__).resolve().parents[2] / "source"


class NoExamError(LookupError):
    """There is no exam to be reached from here."""


@cache
def load_course(folder: Path = SOURCE) -> dict[str, Exercise]:
    """Every exercise of a source folder, by name, chapter by chapter.

    Raises:
        ValueError: two chapters use one name.
    """
    exercises: dict[str, Exercise] = {}
    for path in sorted(folder.glob("*/exercises.py")):
        for name, exercise in load_chapter(path).items():
            if name in exercises:
                raise ValueError(f"{path}: the exercise {name!r} is also in {exercises[name].chapter}; "
                                 "names are unique over the course, rename one")
            exercises[name] = exercise
    return exercises


def load_chapter(path: Path) -> dict[str, Exercise]:
    """The exercises that one `exercises.py` defines, in its order."""
    # The module stays out of sys.modules, so that cloudpickle carries its probes by value.
    spec = importlib.util.spec_from_file_location(f"exercises of {path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = [value for value in vars(module).values() if isinstance(value, Exercise)]
    for exercise in found:
        exercise.chapter = path.parent.name
    return {exercise.name: exercise for exercise in found}


def find(name: str) -> Exercise:
    """The exercise of that name: from the folder that `CONVCRAFT_EXAMS` names, else from the course's `source/`.

    Raises:
        NoExamError: neither can be reached, or there is no exercise of that name.
    """
    folder = os.environ.get("CONVCRAFT_EXAMS")
    exercises = load_sealed(Path(folder)) if folder else load_course(SOURCE)
    if not folder and not exercises:  # not there, empty, or closed to students, as on a class's server
        raise NoExamError(f"No exam can be reached from here: {SOURCE} shows no exercises, and CONVCRAFT_EXAMS names "
                          "no other folder. Open the notebook in a clone of the course; on a class's server marks "
                          "come with the feedback.")
    if name not in exercises:
        near = difflib.get_close_matches(name, exercises, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(exercises) or 'none'}"
        raise NoExamError(f"{folder or SOURCE}: no exercise {name!r}{hint}")
    return exercises[name]
