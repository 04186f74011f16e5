"""A class's submissions to marks: `submitted/` to `autograded/`, the gradebook and feedback."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config, PyFileConfigLoader

from convcraft.grading import sandbox
from convcraft.grading.feedback import Feedback
from convcraft.grading.mark import Course, Result, Task, mark, seed_for, warm
from convcraft.grading.record import GradingError, Recorder, only_grader, secret_seed
from convcraft.grading.run import SandboxError, follow_parent

CONFIG = "nbgrader_config.py"
BAD_NAME = "This folder's name is no student's: a gradebook cannot hold it. Rename it and grade again."


@dataclass(frozen=True)
class Graded:
    """A submission that has its marks; `exercises` as `mark.facts` gives them."""

    student: str
    assignment: str
    points: float
    max_points: float
    seconds: float
    remarks: list[str]
    exercises: list[dict]


@dataclass(frozen=True)
class Problem:
    """A submission that could not be graded, through no fault of the student's."""

    student: str
    assignment: str
    message: str


@dataclass
class Summary:
    """What a run did.

    Attributes:
        skipped: submissions that had their marks already.
        feedback: pages written to `feedback_folder`, which is empty where none were asked for.
    """

    graded: list[Graded] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    skipped: int = 0
    feedback: int = 0
    feedback_folder: str = ""
    seconds: float = 0.0


class Watcher:
    """Follows a run; the command's progress bar is one."""

    def start(self, total: int) -> None:
        """So many submissions will be graded."""

    def done(self, item: Graded | Problem) -> None:
        """One is."""


def grade(root: Path, *, students: Iterable[str] = (), assignments: Iterable[str] = (), workers: int = 1,
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
        executor: whose workers to use in place of own processes, as `distributed`'s. They need the same files.

    Raises:
        GradingError: it cannot go on; what was recorded until then stands, and another run continues.
        NoSandboxError: answers cannot be sealed off on this machine.
    """
    root = root.resolve()
    course = course or Course(root, root / "source")
    if course.sealed:
        sandbox.check(root)
    begin, summary, watcher = time.perf_counter(), Summary(), watcher or Watcher()
    config = course_config(root)
    coursedir = CourseDirectory(config=config)
    with _plain_errors(), only_grader(root), contextlib.closing(Recorder(coursedir, config)) as recorder:
        plan = _Plan(coursedir, secret_seed(root), set(students), set(assignments))
        for assignment, notebooks in plan.notebooks.items():
            recorder.register(assignment, notebooks)
        todo = [task for task in plan.tasks if force or not recorder.is_recorded(task.student, task.assignment)]
        summary.skipped, summary.problems = len(plan.tasks) - len(todo), list(plan.problems)
        watcher.start(len(todo))
        for item in _results(course, todo, workers, executor):
            if isinstance(item, Result):
                recorder.record(item)
                item = graded(item)
                summary.graded.append(item)
            else:
                summary.problems.append(item)
            watcher.done(item)
        if feedback:
            renderer = Feedback(coursedir, config)
            summary.feedback_folder = str(Path(coursedir.root, coursedir.feedback_directory))
            failed = {(problem.student, problem.assignment) for problem in summary.problems}
            summary.feedback = sum(renderer.refresh(task.student, task.assignment) for task in plan.tasks
                                   if (task.student, task.assignment) not in failed)
    summary.seconds = time.perf_counter() - begin
    return summary


def course_config(root: Path) -> Config:
    """What the course's `nbgrader_config.py` says, for the course at `root`.

    Raises:
        GradingError: there is none.
    """
    if not (root / CONFIG).is_file():
        raise GradingError(f"{root / CONFIG} is missing; grade in the course's folder.")
    config = PyFileConfigLoader(CONFIG, path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    return config


def released(coursedir: CourseDirectory) -> dict[str, list[Path]]:
    """The released notebooks of each assignment."""
    found: dict[str, list[Path]] = {}
    for path in sorted(Path(coursedir.root, coursedir.release_directory).glob("*/*.ipynb")):
        found.setdefault(path.parent.name, []).append(path)
    return found


def graded(result: Result) -> Graded:
    """A result without its notebooks."""
    return Graded(result.task.student, result.task.assignment, result.points, result.max_points,
                  round(result.seconds, 3), [remark for each in result.notebooks for remark in each.remarks],
                  [mark.facts for each in result.notebooks for mark in each.marks])


class _Plan:
    """What there is to grade."""

    def __init__(self, coursedir: CourseDirectory, secret: int, students: set[str], assignments: set[str]):
        self.notebooks = released(coursedir)
        if unknown := assignments - self.notebooks.keys():
            raise GradingError(f"{Path(coursedir.root, coursedir.release_directory)}: no assignment "
                               f"{min(unknown)!r}; there are {', '.join(self.notebooks) or 'none'}.")
        if assignments:
            self.notebooks = {name: self.notebooks[name] for name in sorted(assignments)}
        self.tasks: list[Task] = []
        self.problems: list[Problem] = []
        submitted = Path(coursedir.root, coursedir.submitted_directory)
        present = {path.name for path in submitted.iterdir()} if submitted.is_dir() else set()
        if missing := students - present:
            raise GradingError(f"{submitted}: nothing from {min(missing)!r}.")
        for student in sorted(students or {name for name in present if not name.startswith(".")}):
            for name, notebooks in self.notebooks.items():
                folder = Path(coursedir.format_path(coursedir.submitted_directory, student, name))
                if not os.path.lexists(folder):
                    continue
                if not student.isprintable() or student != student.strip():
                    self.problems.append(Problem(repr(student), name, BAD_NAME))
                    continue
                self.tasks.append(Task(student, name, folder, tuple(notebooks), seed_for(secret, name)))


def _results(course: Course, tasks: list[Task], workers: int, executor: Executor | None) -> Iterator[Result | Problem]:
    """Each task's result, as it comes; no more tasks under way than workers can take, so that little is in memory."""
    if not tasks:
        return
    with contextlib.ExitStack() as stack:
        if executor is None:
            try:
                warm(course)  # before the fork: all workers share it
            except SandboxError as error:
                raise GradingError(str(error)) from error
            executor = stack.enter_context(_Here() if workers == 1 else ProcessPoolExecutor(
                workers, mp_context=get_context("fork"), initializer=follow_parent))
        waiting = iter(tasks)
        under_way: dict[Future, Task] = {}
        while True:
            window = 1 if isinstance(executor, _Here) else 2 * workers
            while len(under_way) < window and (task := next(waiting, None)):
                under_way[executor.submit(mark, course, task)] = task
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield _result(future, under_way.pop(future))


def _result(future: Future, task: Task) -> Result | Problem:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise GradingError(f"A worker was ended while it graded {task.student}, {task.assignment}: did the machine "
                           "run out of memory? Grade again, with fewer workers.") from error
    except Exception as error:  # one submission must not stop the others
        return Problem(task.student, task.assignment, f"{type(error).__name__}: {error}")


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, function: Callable, /, *args, **kwargs) -> Future:
        future: Future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """A full disk and the like, said plainly."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise GradingError(f"{where}{error.strerror or error}. Marks recorded before this stand; mend it and grade "
                           "again.") from error
    except SQLAlchemyError as error:
        raise GradingError(f"The gradebook: {getattr(error, 'orig', None) or error}. Marks recorded before this "
                           "stand; mend it and grade again.") from error
