"""Marks as rows of nbgrader's gradebook: some statements for a whole batch.

nbgrader's objects, made and linked one by one, take several times as long, and one process writes for all workers.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    GradeCell,
    Notebook,
    SolutionCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from convcraft.grading.mark import CellMark, MarkedSubmission
from convcraft.grading.nbgrader.notes import timestamp

Row = dict[str, Any]


@dataclass(frozen=True)
class Book:
    """A notebook of an assignment: cell's id → name, of what has a grade and of what has a comment."""

    name: str
    grades: dict[str, str]
    comments: dict[str, str]


Books = dict[str, dict[str, Book]]  # assignment → notebook's id → the notebook


@dataclass(frozen=True)
class _Submission:
    """A result, and the row that it has or will have."""

    id: str
    result: MarkedSubmission
    is_new: bool
    is_late: bool


@dataclass(frozen=True)
class _Notebook:
    """The row of a submission's notebook, and the marks for it."""

    id: str
    book: Book
    is_new: bool
    marks: list[CellMark]


def write(session: Session, results: Sequence[MarkedSubmission], books: Books) -> list[str]:
    """Write results into their rows, made where there are none; a person's marks and comments stand. No commit.

    Args:
        books: what `books_of` gives for the results' assignments.

    Returns:
        The ids of the submissions that are late.
    """
    submissions = list(_submissions(session, results))
    notebooks = _notebooks(session, submissions, books)
    _write_grades(session, notebooks)
    _write_comments(session, notebooks)
    return [each.id for each in submissions if each.is_late]


def books_of(session: Session, assignments: Iterable[str]) -> Books:
    """The gradebook's notebooks of these assignments."""
    found: Books = {name: {} for name in assignments}
    of_these = Assignment.name.in_(found)
    for id_, name, assignment in session.execute(
            select(Notebook.id, Notebook.name, Assignment.name).join(Notebook.assignment).where(of_these)):
        found[assignment][id_] = Book(name, {}, {})
    each = {id_: book for several in found.values() for id_, book in several.items()}
    for kind, cells in ((GradeCell, "grades"), (SolutionCell, "comments")):
        for id_, name, book in session.execute(
                select(kind.id, kind.name, kind.notebook_id).where(kind.notebook_id.in_(each))):
            getattr(each[book], cells)[id_] = name
    return found


def _submissions(session: Session, results: Sequence[MarkedSubmission]) -> Iterator[_Submission]:
    """The results' rows of students and submissions, written."""
    names = {result.task.student for result in results}
    known_names = set(session.scalars(select(Student.id).where(Student.id.in_(names))))
    _insert(session, Student, [{"id": name} for name in sorted(names - known_names)])
    assignments = {name: (id_, due) for id_, name, due in session.execute(
        select(Assignment.id, Assignment.name, Assignment.duedate).where(
            Assignment.name.in_({result.task.assignment for result in results})))}
    known = {(student, assignment): (id_, extension) for id_, student, assignment, extension in _found(
        session, [SubmittedAssignment.id, SubmittedAssignment.student_id, SubmittedAssignment.assignment_id,
                  SubmittedAssignment.extension], {
            SubmittedAssignment.assignment_id: [id_ for id_, _ in assignments.values()],
            SubmittedAssignment.student_id: known_names})}
    new: list[Row] = []
    old: list[Row] = []
    for result in results:
        assignment, due = assignments[result.task.assignment]
        id_, extension = known.get((result.task.student, assignment), ("", None))
        when = timestamp(result.task.folder)
        if id_:
            old.append({"id": id_, "timestamp": when})
        else:
            new.append({"id": new_uuid(), "assignment_id": assignment, "student_id": result.task.student,
                        "timestamp": when})
        yield _Submission(id_ or new[-1]["id"], result, not id_, _is_late(when, due, extension))
    _insert(session, SubmittedAssignment, new)
    _update(session, SubmittedAssignment, old)


def _is_late(when: datetime | None, due: datetime | None, extension: timedelta | None) -> bool:
    """As `SubmittedAssignment.total_seconds_late` has it."""
    return when is not None and due is not None and when > due + (extension or timedelta())


def _notebooks(session: Session, submissions: Sequence[_Submission], books: Books) -> list[_Notebook]:
    """The submissions' rows of notebooks, written."""
    old = [each.id for each in submissions if not each.is_new]
    known = {(submission, book): id_ for id_, submission, book in _found(
        session, [SubmittedNotebook.id, SubmittedNotebook.assignment_id, SubmittedNotebook.notebook_id], {
            SubmittedNotebook.notebook_id: [id_ for several in books.values() for id_ in several],
            SubmittedNotebook.assignment_id: old})}
    found: list[_Notebook] = []
    new: list[Row] = []
    for each in submissions:
        marks = {notebook.name: notebook.marks for notebook in each.result.notebooks}
        for book_id, book in books[each.result.task.assignment].items():
            id_ = known.get((each.id, book_id))
            if id_ is None:
                new.append({"id": new_uuid(), "assignment_id": each.id, "notebook_id": book_id,
                            "late_submission_penalty": None})
            found.append(_Notebook(id_ or new[-1]["id"], book, id_ is None, marks.get(book.name, [])))
    _insert(session, SubmittedNotebook, new)
    _update(session, SubmittedNotebook, [{"id": id_, "late_submission_penalty": None} for id_ in known.values()])
    return found


def _write_grades(session: Session, notebooks: Sequence[_Notebook]) -> None:
    """Points into the rows of grades. A person's mark stands, and is shown for review."""
    known = {(notebook, cell): (id_, by_hand) for id_, notebook, cell, by_hand in _found(
        session, [Grade.id, Grade.notebook_id, Grade.cell_id, Grade.manual_score], {
            Grade.cell_id: {id_ for each in notebooks for id_ in each.book.grades},
            Grade.notebook_id: [each.id for each in notebooks if not each.is_new]})}
    new: list[Row] = []
    old: list[Row] = []
    for each in notebooks:
        marks = {mark.grade_id: mark for mark in each.marks}
        for cell, name in each.book.grades.items():
            mark = marks.get(name)
            points = {"auto_score": mark and mark.points, "needs_manual_grade": mark is None}
            if each.is_new:
                new.append({"notebook_id": each.id, "cell_id": cell, **points})
            elif mark and (each.id, cell) in known:
                id_, by_hand = known[each.id, cell]
                old.append({"id": id_, **points, "needs_manual_grade": by_hand is not None})
    _insert(session, Grade, new)
    _update(session, Grade, old)


def _write_comments(session: Session, notebooks: Sequence[_Notebook]) -> None:
    """What is said of answers into the rows of comments; what a person wrote is in another column."""
    known = {(notebook, cell): id_ for id_, notebook, cell in _found(
        session, [Comment.id, Comment.notebook_id, Comment.cell_id], {
            Comment.cell_id: {id_ for each in notebooks for id_ in each.book.comments},
            Comment.notebook_id: [each.id for each in notebooks if not each.is_new]})}
    new: list[Row] = []
    old: list[Row] = []
    for each in notebooks:
        marks = {mark.solution_id: mark for mark in each.marks}
        for cell, name in each.book.comments.items():
            mark = marks.get(name)
            if each.is_new:
                new.append({"notebook_id": each.id, "cell_id": cell, "auto_comment": mark and mark.comment})
            elif mark and (each.id, cell) in known:
                old.append({"id": known[each.id, cell], "auto_comment": mark.comment})
    _insert(session, Comment, new)
    _update(session, Comment, old)


def _found(session: Session, columns: list[Any], among: dict[Any, Collection[str]]) -> Sequence[Any]:
    """The rows where each column of `among` holds one of its values; name all columns of an index, first one first."""
    if not all(among.values()):
        return []
    return session.execute(select(*columns).where(*(column.in_(values) for column, values in among.items()))).all()


def _insert(session: Session, kind: Any, rows: list[Row]) -> None:
    if rows:
        session.execute(insert(kind), rows, execution_options={"render_nulls": True})  # one statement for all rows


def _update(session: Session, kind: Any, rows: list[Row]) -> None:
    if rows:
        session.execute(update(kind), rows)
