"""A class's submissions to marks: `submitted/` to `autograded/`, the gradebook and feedback."""

import contextlib
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SQLAlchemyError

from convcraft.grading.course import Course, Task
from convcraft.grading.errors import STANDS, GradingError, gradebook_error
from convcraft.grading.lock import only_grader
from convcraft.grading.mark import MarkedSubmission
from convcraft.grading.nbgrader.feedback import Feedback
from convcraft.grading.nbgrader.gradebook import GradebookWriter
from convcraft.grading.nbgrader.release import released_notebooks, translations
from convcraft.grading.nbgrader.students import NOT_A_NAME, is_name
from convcraft.grading.notebook.released import ReleasedNotebook, released_notebook
from convcraft.grading.notebook.submitted import chapter_of, shown, strays
from convcraft.grading.pool import Problem, results
from convcraft.grading.sandbox.walls import check
from convcraft.grading.seeds import secret_seed, seed_for
from convcraft.language import N_, _
from convcraft.layout import course_config
from convcraft.place import source_of

RENAME = N_("{reason} Rename the folder, and grade again.")
UNKNOWN_FOLDER = N_("{folder}: there is no assignment of this name. Move what is in it, and grade again.")
NEAR_FOLDER = N_("{folder}: there is no assignment of this name; did you mean {near}? Move what is in it, and grade "
                 "again.")
FOUND = N_("{file}: it holds {assignment} and lies in another place; it was graded with that. Move it there.")
LOOSE_FILE = N_("{file}: it lies beside the folders of the assignments. Move it into its assignment's folder; grade "
                "again.")
ARCHIVE = N_("{file}: an archive is not opened. Unpack it into its assignment's folder, and grade again.")
OUTSIDE = N_("{file}: it lies beside the students' folders. Move it into its student's and assignment's folder, and "
             "grade again.")
_MAX_MISPLACED = 100
_HANDED_IN = re.compile(r"\.ipynb|(?P<archive>\.(zip|rar|7z|tar|tgz|gz|xz|bz2))$", re.I)


@dataclass(frozen=True)
class Graded:
    """A submission that has its marks; `exercises` as `mark.answer_facts` gives them."""

    student: str
    assignment: str
    points: float
    max_points: float
    seconds: float
    remarks: list[str]
    exercises: list[dict[str, Any]]


@dataclass
class Summary:
    """What a run did.

    Attributes:
        misplaced: what was handed in where it does not belong, and was not graded.
        changes: what was changed in the gradebook because a release has changed.
        skipped: submissions that had their marks already.
        feedback: pages written to `feedback_folder`, which is empty where none were asked for.
    """

    graded: list[Graded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    misplaced: list[Problem] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    skipped: int = 0
    feedback: int = 0
    feedback_folder: str = ""
    seconds: float = 0.0


class Watcher(Protocol):
    """Follows a run; the command's progress bar is one."""

    def start(self, total: int) -> None:
        """So many submissions will be graded."""

    def done(self, item: Graded | Problem) -> None:
        """One is."""


class _Nobody:
    """Follows a run in silence."""

    def start(self, total: int) -> None:
        pass

    def done(self, item: Graded | Problem) -> None:
        pass


def grade_class(root: Path, *, students: Iterable[str] = (), assignments: Iterable[str] = (), workers: int = 1,
          force: bool = False, feedback: bool = False, course: Course | None = None, watcher: Watcher | None = None,
          executor: Executor | None = None) -> Summary:
    """Grade what is in `submitted/` and has no marks yet; what is new since its marks, again.

    Args:
        root: the course's folder, with `nbgrader_config.py`.
        students, assignments: only these; empty for all.
        workers: processes that grade, each running one answer at a time.
        force: grade again what has its marks. Marks given by hand stand.
        feedback: write feedback, too, where it is missing or has changed.
        course: limits, and whether answers are sealed off, where the defaults do not fit.
        executor: whose workers to use in place of own processes, as a `cluster.executor.Workers`. They need no file of
            this machine's, but the same package, and the same exams in the folder they were started in.

    Raises:
        NoCourseError: `root` is no course's folder.
        GradingError: it cannot go on; what was recorded until then stands, and another run continues.
        NoSandboxError: answers cannot be sealed off on this machine.
    """
    root = root.resolve()
    course = course or Course(root, source_of(root))
    if course.sealed and executor is None:
        check(root)
    begin, summary, watcher = time.perf_counter(), Summary(), watcher or _Nobody()
    config = course_config(root)
    coursedir = CourseDirectory(config=config)
    with _plain_errors(), only_grader(root), contextlib.closing(GradebookWriter(coursedir, config)) as writer:
        plan = _Plan(coursedir, secret_seed(root), set(students), set(assignments))
        summary.changes = writer.follow_release(plan.notebooks, plan.translations)
        todo = [task for task in plan.tasks if force or not writer.has_marks(task.student, task.assignment)]
        summary.skipped, summary.problems = len(plan.tasks) - len(todo), list(plan.problems)
        summary.misplaced = list(plan.misplaced)
        watcher.start(len(todo))
        for several in results(course, todo, workers, executor):
            writer.write([item for item in several if isinstance(item, MarkedSubmission)])
            for item in several:
                _note(item, summary, watcher)
        if feedback:
            renderer = Feedback(coursedir, config)
            summary.feedback_folder = str(Path(coursedir.root, coursedir.feedback_directory))
            failed = {(problem.student, problem.assignment) for problem in summary.problems}
            summary.feedback = sum(renderer.refresh(task.student, task.assignment) for task in plan.tasks
                                   if (task.student, task.assignment) not in failed)
    summary.seconds = time.perf_counter() - begin
    return summary


def _note(item: MarkedSubmission | Problem, summary: Summary, watcher: Watcher) -> None:
    if isinstance(item, MarkedSubmission):
        summary.misplaced += [Problem(item.task.student, item.task.assignment, each) for each in item.misplaced]
        summary.graded.append(without_notebooks(item))
        watcher.done(summary.graded[-1])
    else:
        summary.problems.append(item)
        watcher.done(item)


def without_notebooks(result: MarkedSubmission) -> Graded:
    """A result without its notebooks."""
    return Graded(result.task.student, result.task.assignment, result.points, result.max_points,
                  round(result.seconds, 3), [remark for each in result.notebooks for remark in each.remarks],
                  [mark.facts for each in result.notebooks for mark in each.marks])


class _Plan:
    """What there is to grade."""

    def __init__(self, coursedir: CourseDirectory, secret: int, students: set[str], assignments: set[str]):
        self.notebooks = released_notebooks(coursedir)
        self._everything = [path for several in self.notebooks.values() for path in several]
        self.translations = {path: translations(coursedir, path) for path in self._everything}
        known = set(self.notebooks)
        if unknown := assignments - self.notebooks.keys():
            raise GradingError(_("{folder}: no assignment {name!r}; there are {names}.").format(
                folder=Path(coursedir.root, coursedir.release_directory), name=min(unknown),
                names=", ".join(self.notebooks) or _("none")))
        if assignments:
            self.notebooks = {name: self.notebooks[name] for name in sorted(assignments)}
        self.tasks: list[Task] = []
        self.problems: list[Problem] = []
        self.misplaced: list[Problem] = []
        submitted = Path(coursedir.root, coursedir.submitted_directory)
        present = {path.name for path in submitted.iterdir()} if submitted.is_dir() else set()
        if missing := students - present:
            raise GradingError(_("{folder}: nothing from {name!r}.").format(folder=submitted, name=min(missing)))
        for student in sorted(students or {name for name in present if not name.startswith(".")}):
            own = submitted / student
            if own.is_file():
                if _HANDED_IN.search(student):
                    self.misplaced.append(Problem(shown(student), submitted.name, _(OUTSIDE).format(
                        file=shown(student))))
            elif is_name(student):
                self._plan(coursedir, student, secret, () if assignments else known)
            else:
                why = _(RENAME).format(reason=_(NOT_A_NAME).format(name=shown(student)))
                self.problems += [Problem(shown(student), name, why) for name in
                                  [name for name in self.notebooks if os.path.lexists(own / name)]
                                  or ([] if assignments else _anything(own))]

    def _plan(self, coursedir: CourseDirectory, student: str, secret: int, known: Collection[str]) -> None:
        """One student's tasks: what lies in the folders of the assignments, and what holds one and lies elsewhere."""
        own = Path(coursedir.root, coursedir.submitted_directory, student)
        found = {} if own.is_symlink() else self._elsewhere(own)
        if known:
            self.misplaced += _misplaced(own, student, known, found)
        for name, notebooks in self.notebooks.items():
            folder = Path(coursedir.format_path(coursedir.submitted_directory, student, name))
            elsewhere = tuple(path for path, released in found.items() if released.assignment == name)
            if os.path.lexists(folder) or elsewhere:
                others = tuple(path for path in self._everything if path not in notebooks)
                self.tasks.append(Task(student, name, folder, tuple(notebooks), seed_for(secret, name), others,
                                       elsewhere, tuple(self.translations[path] for path in notebooks)))

    def _elsewhere(self, own: Path) -> dict[Path, ReleasedNotebook]:
        """The files that hold an assignment and do not lie in its folder."""
        names: dict[str, set[str]] = {}
        for path in self._everything:
            names.setdefault(path.parent.name, set()).add(path.name)
        found = {}
        for path in strays(own, names):
            home = chapter_of(path, [released_notebook(each) for each in self._everything])
            if home and home.assignment != path.relative_to(own).parts[0]:
                found[path] = home
        return found


def _misplaced(folder: Path, student: str, known: Collection[str],
               found: dict[Path, ReleasedNotebook]) -> list[Problem]:
    """What lies in a student's folder and in no assignment's; `found` was recognised all the same."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    plain = {_plain(name): name for name in known}
    said = [Problem(student, shown(str(path.relative_to(folder))), _(FOUND).format(
        file=shown(str(path.relative_to(folder))), assignment=released.assignment)) for path, released in found.items()]
    told = {path.relative_to(folder).parts[0] for path in found}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)[:_MAX_MISPLACED]:
        name = shown(entry.name)
        if entry.name.startswith(".") or entry.name in {*known, *told, "__MACOSX"}:
            continue
        if entry.is_dir(follow_symlinks=False):
            near = plain.get(_plain(entry.name))
            sentence = _(NEAR_FOLDER if near else UNKNOWN_FOLDER)
            said.append(Problem(student, name, sentence.format(folder=name, near=near)))
        elif kind := _HANDED_IN.search(entry.name):
            said.append(Problem(student, name, _(ARCHIVE if kind["archive"] else LOOSE_FILE).format(file=name)))
    return said


def _anything(folder: Path) -> list[str]:
    """One thing that lies in a folder and is not hidden, if there is any."""
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:  # it leads nowhere, or may not be read
        names = [folder.name]
    return list(map(shown, names[:1]))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """A full disk and the like, said plainly."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise GradingError(f"{where}{error.strerror or error}. {_(STANDS)}") from error
    except SQLAlchemyError as error:
        raise gradebook_error(error) from error
