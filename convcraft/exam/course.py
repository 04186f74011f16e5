"""Finding exercises: the course's own, or sealed ones."""

import difflib
import hashlib
import importlib
import os
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from convcraft.exam.exercise import Exercise
from convcraft.exam.probe import SHARED
from convcraft.exam.sealed import SealedError, load_sealed, sealed_names
from convcraft.language import _
from convcraft.place import COURSE

SOURCE = COURSE / "source"
_SOLVED = re.compile(r'"grade_id": "(\w+)", "solution": true')


class NoExamError(LookupError):
    """There is no exam to be reached from here."""


@cache
def load_course(folder: Path = SOURCE) -> dict[str, Exercise]:
    """Every exercise of a source folder, by name, chapter by chapter.

    Raises:
        ValueError: two chapters use one name, or a file is no exam.
    """
    exercises: dict[str, Exercise] = {}
    for path in sorted(folder.glob("*/exams")):
        for name, exercise in load_chapter(path).items():
            if name in exercises:
                raise ValueError(f"{path / name}.py: the exercise {name!r} is also in {exercises[name].chapter}; "
                                 "names are unique over the course, rename one")
            exercises[name] = exercise
    return exercises


def load_chapter(folder: Path) -> dict[str, Exercise]:
    """The exercises of a chapter's `exams/`, a file each, as they are written now.

    They come in the order of the chapter's script; those that it does not ask come last.

    Raises:
        ValueError: a file defines no exercise of its own name.
    """
    package = _package(folder, anew=True)
    exercises = {path.stem: _load(package, path) for path in sorted(folder.glob("*.py")) if path.stem != SHARED}
    order = asked(folder)
    return {name: exercises[name] for name in (*(name for name in order if name in exercises),
                                               *(name for name in exercises if name not in order))}


def asked(folder: Path) -> list[str]:
    """The names of the exercises that the script beside the chapter's `exams/` asks, in its order."""
    chapter = folder.parent
    script = chapter / f"{chapter.name.partition('_')[2]}.py"
    return _SOLVED.findall(script.read_text(encoding="utf-8")) if script.is_file() else []


def _package(folder: Path, *, anew: bool = False) -> str:
    """The files in `folder` as a package under a name of its own; `anew` forgets what was imported from it.

    `from .shared import ...` works in it.
    """
    name = f"exams_{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}"
    if anew:
        for old in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[old]
    elif name in sys.modules:
        return name
    package = ModuleType(name, f"The exams in {folder}.")
    package.__path__ = [str(folder)]
    sys.modules[name] = package
    importlib.invalidate_caches()
    return name


def _load(package: str, path: Path) -> Exercise:
    exercise = getattr(importlib.import_module(f"{package}.{path.stem}"), path.stem, None)
    if not isinstance(exercise, Exercise) or exercise.name != path.stem:
        raise ValueError(f"{path}: it defines no exercise {path.stem!r}; name the file and the probe alike")
    exercise.folder = path.parents[1]
    exercise.chapter = exercise.folder.name
    return exercise


@cache
def _load_one(path: Path) -> Exercise:
    return _load(_package(path.parent), path)


def find(name: str) -> Exercise:
    """The exercise of that name: from the folder that `CONVCRAFT_EXAMS` names, else from the course's `source/`.

    Raises:
        NoExamError: neither can be reached, there is no exercise of that name, or it was sealed by another version.
    """
    if folder := os.environ.get("CONVCRAFT_EXAMS"):
        names = sealed_names(Path(folder))
        if name in names:
            try:
                return load_sealed(Path(folder), name)
            except SealedError as error:
                raise NoExamError(str(error)) from error
        if not names:  # not there, empty, or closed since the server was started
            raise NoExamError(_("No exam can be reached from here: CONVCRAFT_EXAMS names {folder}, which shows none. "
                                "On a class's server marks come with the feedback.").format(folder=folder))
        raise _unknown(folder, name, names)
    paths = {path.stem: path for path in sorted(SOURCE.glob("*/exams/*.py")) if path.stem != SHARED}
    if not paths:  # not there, empty, or closed to students, as on a class's server
        raise NoExamError(_("No exam can be reached from here: {source} shows no exercises, and CONVCRAFT_EXAMS "
                            "names no other folder. Open the notebook in a clone of the course; on a class's server "
                            "marks come with the feedback.").format(source=SOURCE))
    if name in paths:
        return _load_one(paths[name])
    raise _unknown(SOURCE, name, list(paths))


def _unknown(folder: str | Path, name: str, known: list[str]) -> NoExamError:
    if near := difflib.get_close_matches(name, known, 1):
        return NoExamError(_("{folder}: no exercise {name!r}; did you mean {near!r}?").format(
            folder=folder, name=name, near=near[0]))
    return NoExamError(_("{folder}: no exercise {name!r}; there are {known}").format(
        folder=folder, name=name, known=", ".join(known) or _("none")))
