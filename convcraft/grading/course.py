"""What a worker has to know: of the course, and of one submission to mark."""

from dataclasses import dataclass, field
from pathlib import Path

from convcraft.grading.sandbox.run import Limits


@dataclass(frozen=True)
class Course:
    """What a worker has to know of the course. `source` has the exercises; `root` is hidden from answers."""

    root: Path
    source: Path
    sealed: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Task:
    """One student's folder for one assignment.

    `notebooks` are the released ones, `translations` the same in other languages, for each notebook; `others` are those
    of other assignments (a file may be in the wrong folder), `seed` is the draw's; `elsewhere` are files of the
    student's that hold this assignment and lie in another folder.
    """

    student: str
    assignment: str
    folder: Path
    notebooks: tuple[Path, ...]
    seed: int
    others: tuple[Path, ...] = ()
    elsewhere: tuple[Path, ...] = ()
    translations: tuple[tuple[Path, ...], ...] = ()
