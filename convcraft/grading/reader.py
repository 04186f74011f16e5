"""A reader's own work to points and feedback: no gradebook, nothing of the work changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbgrader.coursedir import CourseDirectory

from convcraft.grading.classroom import Graded, without_notebooks
from convcraft.grading.course import Course, Task
from convcraft.grading.errors import GradingError
from convcraft.grading.mark import mark_submission
from convcraft.grading.nbgrader.feedback import Feedback
from convcraft.grading.nbgrader.release import released_notebooks, translations
from convcraft.grading.sandbox.walls import check
from convcraft.grading.seeds import seed_for
from convcraft.language import _
from convcraft.layout import course_config
from convcraft.place import source_of

FOLDER = "feedback"


@dataclass(frozen=True)
class GradedChapter:
    """A graded chapter, and the pages with its feedback."""

    graded: Graded
    pages: list[Path]


def grade_work(work: Path, root: Path, *, assignments: Iterable[str] = (), course: Course | None = None,
               feedback: Path | None = None) -> Iterator[GradedChapter]:
    """Grade the chapters in `work`, as `work/01_convolution/convolution.ipynb`, one after another.

    Args:
        root: the course's folder.
        assignments: only these; empty for all that `work` has.
        course: limits, and whether answers are sealed off, where the defaults do not fit.
        feedback: where the pages go; `work/feedback` unless told otherwise.

    Raises:
        NoCourseError: `root` is no course's folder.
        GradingError: `work` has no such chapter, or its folder for pages leads elsewhere.
        NoSandboxError: answers cannot be sealed off on this machine.
    """
    root, work = root.resolve(), work.resolve()
    course = course or Course(root, source_of(root))
    if course.sealed:
        check(root)
    config = course_config(root)
    coursedir = CourseDirectory(config=config)
    chapters = {name: paths for name, paths in released_notebooks(coursedir).items() if (work / name).is_dir()}
    if missing := set(assignments) - chapters.keys():
        raise GradingError(_("{work}: no chapter {name!r}; there are {names}.").format(
            work=work, name=min(missing), names=", ".join(chapters) or _("none")))
    if not chapters:
        raise GradingError(_("{work}: there is no chapter to grade.").format(work=work))
    folder = feedback or work / FOLDER
    if folder.is_symlink():
        raise GradingError(_("{folder}: is a link; the pages would be written to where it leads. Remove it.").format(
            folder=folder))
    pages = Feedback(coursedir, config)
    for name, notebooks in chapters.items():
        if assignments and name not in assignments:
            continue
        result = mark_submission(course, Task(
            "you", name, work / name, tuple(notebooks), seed_for(0, name),
            translations=tuple(translations(coursedir, path) for path in notebooks)))
        written = []
        for marked in result.notebooks:
            page = name if len(result.notebooks) == 1 else f"{name}-{marked.name}"
            written.append(folder / f"{page}.html")
            pages.render(marked, written[-1])
        yield GradedChapter(without_notebooks(result), written)
