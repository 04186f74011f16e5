"""Marks into nbgrader's gradebook, notebooks into `autograded/`: one writer, a transaction for some submissions."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry, SubmittedAssignment, SubmittedNotebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveCells
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config

from convcraft.grading.course import Task
from convcraft.grading.errors import GradingError, gradebook_error, reason, remedy
from convcraft.grading.mark import MarkedSubmission
from convcraft.grading.nbgrader import rows
from convcraft.grading.nbgrader.changes import follow, keep_copy
from convcraft.grading.nbgrader.notes import copy_notes, timestamp
from convcraft.grading.privacy import close_folders
from convcraft.language import N_, _
from convcraft.layout import reach_programs

NO_DRIVER = N_("c.CourseDirectory.db_url names a database whose driver, {name}, is not installed: pip install it "
               "(for PostgreSQL: 'psycopg[binary]').")
_HALF = ".unfinished-"


class GradebookWriter:
    """Writes results; opened once for a whole class."""

    def __init__(self, coursedir: CourseDirectory, config: Config):
        self.coursedir = coursedir
        close_folders(coursedir)
        reach_programs()  # for a new gradebook nbgrader asks alembic
        try:
            self._gradebook = Gradebook(coursedir.db_url, coursedir.course_id or "default_course")
        except SQLAlchemyError as error:
            raise gradebook_error(error) from error
        except ModuleNotFoundError as error:
            raise GradingError(_(NO_DRIVER).format(name=error.name)) from error
        self._db = self._gradebook.db
        self._books: rows.Books = {}  # of the assignments that were asked for, until a release changes them
        self._penalties = AssignLatePenalties(config=config)
        self._penalties.init_plugin()
        root = Path(coursedir.root, coursedir.autograded_directory)
        for left in root.glob(f"{_HALF}*"):  # an interrupted run's
            shutil.rmtree(left)
        self._half = Path(tempfile.mkdtemp(prefix=_HALF, dir=root))

    def close(self) -> None:
        """Close the gradebook; nothing unfinished stays behind."""
        self._gradebook.close()
        shutil.rmtree(self._half, ignore_errors=True)

    def follow_release(self, released: dict[str, list[Path]],
                       translations: Mapping[Path, tuple[Path, ...]]) -> list[str]:
        """Let the gradebook hold the assignments as they are released now; a sentence for each change of what it held.

        What it holds in another language has not changed. An assignment that it does not know is entered, as `nbgrader
        generate_assignment` does.

        Raises:
            GradingError: it cannot be written, and has not changed then.
        """
        changes: list[str] = []
        self._books.clear()
        try:
            for assignment, paths in released.items():
                self._enter_new(assignment, paths)
            for assignment, paths in released.items():
                books = {book.name: book for book in self._gradebook.find_assignment(assignment).notebooks}
                with self._db.no_autoflush:
                    for path in paths:
                        others = [nbformat.read(other, 4).cells for other in translations[path]]
                        changes += follow(self._db, books[path.stem], nbformat.read(path, 4).cells, others)
            if changes:
                changes.insert(0, keep_copy(self.coursedir.db_url))
            self._db.commit()
        except SQLAlchemyError as error:
            self._db.rollback()
            raise gradebook_error(error) from error
        return changes

    def _enter_new(self, assignment: str, paths: list[Path]) -> None:
        try:
            known = {book.name for book in self._gradebook.find_assignment(assignment).notebooks}
        except MissingEntry:
            self._gradebook.add_assignment(assignment)
            known = set()
        for path in paths:
            if path.stem not in known:
                facts = {"notebook": path.stem, "assignment": assignment, "db_url": self.coursedir.db_url}
                SaveCells().preprocess(nbformat.read(path, 4), {"nbgrader": facts})
        self._db.expire_all()

    def has_marks(self, student: str, assignment: str) -> bool:
        """Whether this very submission has been graded: as nbgrader tells it, by `autograded/` and timestamps."""
        done = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, assignment))
        if not done.is_dir():
            return False
        submitted = Path(self.coursedir.format_path(self.coursedir.submitted_directory, student, assignment))
        new, old = timestamp(submitted), timestamp(done)
        return not (new and (old is None or new > old))

    def write(self, results: Sequence[MarkedSubmission]) -> None:
        """Write some submissions, one transaction for all: whatever ends this process, the next run finds each recorded
        or does it again.

        Raises:
            GradingError: the disk is full, or a file or the gradebook cannot be written; marks have not changed then.
        """
        halves: list[tuple[Path, MarkedSubmission]] = []
        try:
            for result in results:
                with _named(result.task, self._place(self.coursedir.autograded_directory, result)):
                    halves.append((Path(tempfile.mkdtemp(dir=self._half)), result))
                    self._write_files(*halves[-1])
            self.write_marks(results)
            for half, result in halves:
                target = self._place(self.coursedir.autograded_directory, result)
                with _named(result.task, target):
                    _put(half, target)
        finally:
            for half, _ in halves:
                shutil.rmtree(half, ignore_errors=True)
        for result in results:
            stale = self._place(self.coursedir.feedback_directory, result)
            if stale.is_dir():
                shutil.rmtree(stale)

    def _place(self, directory: str, result: MarkedSubmission) -> Path:
        return Path(self.coursedir.format_path(directory, result.task.student, result.task.assignment))

    def write_marks(self, results: Sequence[MarkedSubmission]) -> None:
        """Write submissions' marks into the gradebook, all or none.

        Raises:
            GradingError: it cannot be written.
        """
        try:
            asked = {result.task.assignment for result in results}
            self._books |= rows.books_of(self._db(), asked - self._books.keys())
            for late in rows.write(self._db(), results, self._books):
                submission = self._db.get(SubmittedAssignment, late, populate_existing=True)
                for notebook in submission.notebooks:
                    notebook.late_submission_penalty = self._penalty(submission, notebook)
            self._db.commit()
        except SQLAlchemyError as error:
            self._db.rollback()
            raise _unwritten(results[0].task, error, self.coursedir.db_url) from error

    def _write_files(self, half: Path, result: MarkedSubmission) -> None:
        half.chmod(0o755)
        for notebook in result.notebooks:
            path = half / f"{notebook.name}.ipynb"
            path.write_bytes(notebook.text.encode("utf-8", "replace"))
        copy_notes(result.task.folder, half)
        for path in half.iterdir():
            path.chmod(0o444)

    def _penalty(self, submission: SubmittedAssignment, notebook: SubmittedNotebook) -> float | None:
        self._db.refresh(notebook)
        penalty = self._penalties.plugin_inst.late_submission_penalty(submission.student.id, notebook.score,
                                                                      submission.total_seconds_late)
        return None if penalty is None else self._penalties._check_late_penalty(notebook, penalty)


@contextlib.contextmanager
def _named(task: Task, place: Path) -> Iterator[None]:
    """An error of the disk, said with whose marks and where."""
    try:
        yield
    except OSError as error:
        raise _unwritten(task, error, place) from error


def _unwritten(task: Task, error: Exception, place: object) -> GradingError:
    return GradingError(_("{student}, {assignment}: the marks cannot be written: {reason} ({place}). {remedy}").format(
        student=task.student, assignment=task.assignment, reason=reason(error), place=place, remedy=remedy(error)))


def _put(half: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if target.exists():
        os.rename(target, half.parent / f"{half.name}-old")
    os.rename(half, target)
    shutil.rmtree(half.parent / f"{half.name}-old", ignore_errors=True)
