"""A reader's own work to points and feedback: no gradebook, nothing of the work changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from convcraft.grading import sandbox
from convcraft.grading.feedback import Feedback
from convcraft.grading.grade import Graded, course_config, graded, released
from convcraft.grading.mark import Course, Task, mark, seed_for
from convcraft.grading.record import GradingError

FOLDER = "feedback"


@dataclass(frozen=True)
class Chapter:
    """A graded chapter, and the pages with its feedback."""

    graded: Graded
    pages: list[Path]


def grade_work(work: Path, root: Path, *, assignments: Iterable[str] = (), course: Course | None = None,
               feedback: Path | None = None) -> Iterator[Chapter]:
    """Grade the chapters in `work`, as `work/01_convolution/convolution.ipynb`, one after another.

    Args:
        root: the course's folder.
        assignments: only these; empty for all that `work` has.
        course: limits, and whether answers are sealed off, where the defaults do not fit.
        feedback: where the pages go; `work/feedback` unless told otherwise.

    Raises:
        GradingError: `work` has no such chapter.
        NoSandboxError: answers cannot be sealed off on this machine.
    """
    root, work = root.resolve(), work.resolve()
    course = course or Course(root, root / "source")
    if course.sealed:
        sandbox.check(root)
    config = course_config(root)
    coursedir = CourseDirectory(config=config)
    chapters = {name: paths for name, paths in released(coursedir).items() if (work / name).is_dir()}
    if missing := set(assignments) - chapters.keys():
        raise GradingError(f"{work}: no chapter {min(missing)!r}; there are {', '.join(chapters) or 'none'}.")
    if not chapters:
        raise GradingError(f"{work}: there is no chapter to grade.")
    pages = Feedback(coursedir, config)
    for name, notebooks in chapters.items():
        if assignments and name not in assignments:
            continue
        result = mark(course, Task("you", name, work / name, tuple(notebooks), seed_for(0, name)))
        written = []
        for marked in result.notebooks:
            page = name if len(result.notebooks) == 1 else f"{name}-{marked.name}"
            written.append((feedback or work / FOLDER) / f"{page}.html")
            pages.render(marked, written[-1])
        yield Chapter(graded(result), written)
