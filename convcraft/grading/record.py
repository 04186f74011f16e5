"""Marks into nbgrader's gradebook, notebooks into `autograded/`: one writer, one transaction a submission."""

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import nbformat
from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Gradebook,
    MissingEntry,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from nbgrader.utils import parse_utc
from sqlalchemy.exc import SQLAlchemyError

from convcraft.grading.mark import Mark, Result, Task

_HALF = ".unfinished-"


NOTES = ("timestamp.txt", "submission_secret.txt")  # nbgrader's own, beside a submission; feedback needs them, too
_NOTE_BYTES = 4096


class GradingError(RuntimeError):
    """Grading cannot go on; the message says why and what to do."""


@contextmanager
def only_grader(root: Path, patience: float = 1.0) -> Iterator[None]:
    """Hold the course's lock.

    Args:
        patience: seconds to wait for another grader to finish.

    Raises:
        GradingError: another grader is at work here.
    """
    path, deadline = root / "gradebook.db.lock", time.monotonic() + patience
    try:
        file = open(path, "a+")  # noqa: SIM115  (closed below, after the lock)
    except OSError as error:
        raise GradingError(f"{path}: {error.strerror}. Make the course's folder writable.") from error
    with file:
        while not _locked(file):
            if time.monotonic() > deadline:
                file.seek(0)
                raise GradingError(f"Another grader is at work in {root} (process {file.read().strip() or 'unknown'}); "
                                   "wait until it has finished.")
            time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _locked(file) -> bool:
    import fcntl  # Windows has none; no grader gets this far there

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def secret_seed(root: Path) -> int:
    """The class's seed, from `exam_seed` beside the gradebook; made once (hold the lock), for its owner alone."""
    path = root / "exam_seed"
    if not path.exists():
        half = root / f"exam_seed{_HALF}"
        half.unlink(missing_ok=True)
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{secrets.randbits(62)}\n")
        os.rename(half, path)
    try:
        return int(path.read_text())
    except ValueError as error:
        raise GradingError(f"{path}: is no number. Restore it from a copy; without it a regrade draws other "
                           "inputs. Or remove it, and grade everything again with --force.") from error


def _private(coursedir: CourseDirectory) -> None:
    """Make what holds a class's work and marks for its owner alone, whatever the umask; close it where it is there."""
    folders = (coursedir.submitted_directory, coursedir.autograded_directory, coursedir.feedback_directory)
    paths = [Path(coursedir.root, name) for name in folders]
    for path in paths:
        path.mkdir(0o700, exist_ok=True)
    kind, _, database = coursedir.db_url.partition(":///")
    if kind == "sqlite":
        paths.append(Path(database))
        paths[-1].touch(0o600)
    for path in paths:
        with suppress(OSError):  # another user's, or read-only: its owner's to close
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)


class Recorder:
    """Writes results; opened once for a whole class."""

    def __init__(self, coursedir: CourseDirectory, config):
        self.coursedir = coursedir
        _private(coursedir)
        # For a new gradebook nbgrader asks the program alembic, which an environment that is not activated hides.
        os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
        self._gradebook = Gradebook(coursedir.db_url, coursedir.course_id or "default_course")
        self._db = self._gradebook.db
        self._penalties = AssignLatePenalties(config=config)
        self._penalties.init_plugin()
        self._cells: dict[str, dict] = {}
        root = Path(coursedir.root, coursedir.autograded_directory)
        for left in root.glob(f"{_HALF}*"):  # an interrupted run's
            shutil.rmtree(left)
        self._half = Path(tempfile.mkdtemp(prefix=_HALF, dir=root))

    def close(self) -> None:
        """Close the gradebook; nothing unfinished stays behind."""
        self._gradebook.close()
        shutil.rmtree(self._half, ignore_errors=True)

    def register(self, assignment: str, notebooks: list[Path]) -> None:
        """Enter an assignment as `nbgrader generate_assignment` does, where the gradebook does not know it."""
        try:
            known = {notebook.name for notebook in self._gradebook.find_assignment(assignment).notebooks}
        except MissingEntry:
            self._gradebook.add_assignment(assignment)
            known = set()
        for path in notebooks:
            if path.stem not in known:
                facts = {"notebook": path.stem, "assignment": assignment, "db_url": self.coursedir.db_url}
                SaveCells().preprocess(nbformat.read(path, 4), {"nbgrader": facts})
        self._db.expire_all()

    def is_recorded(self, student: str, assignment: str) -> bool:
        """Whether this very submission has been graded: as nbgrader tells it, by `autograded/` and timestamps."""
        done = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, assignment))
        if not done.is_dir():
            return False
        submitted = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
        new, old = timestamp(submitted), timestamp(done)
        return not (new and (old is None or new > old))

    def record(self, result: Result) -> None:
        """Write one submission. Whatever ends this process, the next run finds it recorded or does it again.

        Raises:
            GradingError: the disk is full, or a file or the gradebook cannot be written; neither has changed then.
        """
        task = result.task
        target = Path(self.coursedir.format_path(self.coursedir.autograded_directory, task.student, task.assignment))
        half = None
        try:
            half = Path(tempfile.mkdtemp(dir=self._half))
            self._write_files(half, result)
            self.record_rows(result)
            _put(half, target)
        except OSError as error:
            raise _unwritten(task, error, target) from error
        finally:
            if half:
                shutil.rmtree(half, ignore_errors=True)
        stale = Path(self.coursedir.format_path(self.coursedir.feedback_directory, task.student, task.assignment))
        if stale.is_dir():
            shutil.rmtree(stale)

    def record_rows(self, result: Result) -> None:
        """Write a submission's marks into the gradebook, all or none.

        Raises:
            GradingError: it cannot be written.
        """
        try:
            self._write_rows(result)
            self._db.commit()
        except SQLAlchemyError as error:
            self._db.rollback()
            raise _unwritten(result.task, error, self.coursedir.db_url) from error

    def _write_files(self, half: Path, result: Result) -> None:
        half.chmod(0o755)
        for notebook in result.notebooks:
            path = half / f"{notebook.name}.ipynb"
            path.write_bytes(notebook.text.encode("utf-8", "replace"))
            path.chmod(0o444)
        for name in NOTES:
            note = result.task.folder / name
            if not note.is_symlink() and note.is_file() and note.stat().st_size <= _NOTE_BYTES:
                shutil.copyfile(note, half / name, follow_symlinks=False)
                (half / name).chmod(0o444)

    def _write_rows(self, result: Result) -> None:
        submission = self._submission(result)
        for marked in result.notebooks:
            (notebook,) = [each for each in submission.notebooks if each.name == marked.name]
            by_cell = {mark.grade_id: mark for mark in marked.marks}
            by_solution = {mark.solution_id: mark for mark in marked.marks}
            for grade in notebook.grades:
                if grade.name in by_cell:
                    _write_grade(grade, by_cell[grade.name])
            for comment in notebook.comments:
                if comment.name in by_solution:
                    comment.auto_comment = by_solution[comment.name].comment
        self._db.flush()
        for notebook in submission.notebooks:
            notebook.late_submission_penalty = self._penalty(submission, notebook)

    def _submission(self, result: Result) -> SubmittedAssignment:
        task = result.task
        student = self._db.get(Student, task.student)
        if student is None:
            student = Student(id=task.student)
            self._db.add(student)
        assignment = self._gradebook.find_assignment(task.assignment)
        submission = self._db.query(SubmittedAssignment).filter_by(assignment=assignment, student=student).one_or_none()
        if submission is None:
            with self._db.no_autoflush:
                submission = _mirror(assignment, student)
                self._db.add(submission)
        submission.timestamp = timestamp(task.folder)
        return submission

    def _penalty(self, submission: SubmittedAssignment, notebook: SubmittedNotebook) -> float | None:
        late = submission.total_seconds_late
        if late <= 0:
            return None
        self._db.refresh(notebook)
        penalty = self._penalties.plugin_inst.late_submission_penalty(submission.student.id, notebook.score, late)
        return None if penalty is None else self._penalties._check_late_penalty(notebook, penalty)


def _unwritten(task: Task, error: Exception, place: object) -> GradingError:
    reason = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
    return GradingError(f"{task.student}, {task.assignment}: the marks cannot be written: {reason} ({place}). Marks "
                        "recorded before this stand; mend it and grade again.")


def timestamp(folder: Path) -> datetime | None:
    """When a submission was handed in; None where it does not say so in a way that can be read."""
    path = folder / "timestamp.txt"
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return parse_utc(path.read_bytes()[:100].decode().strip())
    except (ValueError, OverflowError):
        return None


def _mirror(assignment: Assignment, student: Student) -> SubmittedAssignment:
    submission = SubmittedAssignment(assignment=assignment, student=student)
    for notebook in assignment.notebooks:
        submitted = SubmittedNotebook(notebook=notebook, assignment=submission)
        for cell in notebook.grade_cells:
            Grade(cell=cell, notebook=submitted)
        for cell in notebook.solution_cells:
            Comment(cell=cell, notebook=submitted)
    return submission


def _write_grade(grade: Grade, mark: Mark) -> None:
    grade.auto_score = mark.points
    grade.needs_manual_grade = grade.manual_score is not None  # a person's mark stands, and is shown for review


def _put(half: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        os.rename(target, half.parent / f"{half.name}-old")
    os.rename(half, target)
    shutil.rmtree(half.parent / f"{half.name}-old", ignore_errors=True)
