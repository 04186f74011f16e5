"""The gradebook follows a release that has changed: cells added, changed, retired, in one transaction."""

import contextlib
import os
import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Comment, Grade, GradeCell, MissingEntry, Notebook, SolutionCell, SourceCell
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution
from sqlalchemy.orm import Session

from convcraft.language import LANGUAGES, N_, _
from convcraft.layout import released
from convcraft.place import COURSE

ADDED = N_("{notebook}: {cell} is new, {points:g} points; earlier submissions have no mark in it until they are "
           "graded again.")
POINTS = N_("{notebook}: {cell} counts {new:g} points in place of {old:g}; marks that the grader gave were scaled, "
            "marks given by hand stand.")
RETIRED = N_("{notebook}: {cell} is no longer in the release; its marks stay in the gradebook, and it counts toward "
             "nobody's maximum.")
BACK = N_("{notebook}: {cell} is in the release again, {new:g} points.")
SOURCE = N_("{notebook}: {cell} has another text.")
COPIED = N_("The gradebook as it was before: {path}")
NOT_COPIED = N_("No copy of the gradebook was made before this: it is no SQLite file, and its server's to keep.")


def follow(session: Session, book: Notebook, cells: Sequence[NotebookNode],
           translations: Sequence[Sequence[NotebookNode]] = ()) -> list[str]:
    """Let a notebook in the gradebook have the cells of its release; a sentence for each change, nothing committed.

    Marks are kept: of a cell that is gone they stay, and its maximum becomes 0.

    Args:
        translations: the cells of the same notebook in other languages; a cell that the gradebook holds in one of
            them has not changed.
    """
    released = {cell.metadata.nbgrader.grade_id: cell for cell in cells if "nbgrader" in cell.metadata}
    graded = {name: cell for name, cell in released.items() if is_grade(cell)}
    solutions = {name for name, cell in released.items() if is_solution(cell)}
    told = _grade_cells(session, book, graded)
    known = {cell.name for cell in book.solution_cells}
    for name in sorted(solutions - known):
        cell = SolutionCell(name=name, notebook=book)
        session.add_all([cell, *(Comment(cell=cell, notebook=submitted) for submitted in book.submissions)])
    return [*(change for several in told.values() for change in several),
            *_source_cells(session, book, released, told.keys(), {
                (cell.metadata.nbgrader.grade_id, cell.source) for several in translations for cell in several
                if "nbgrader" in cell.metadata})]


def _grade_cells(session: Session, book: Notebook, graded: dict[str, NotebookNode]) -> dict[str, list[str]]:
    """What has changed, by the cell's name."""
    changes: dict[str, list[str]] = {}
    known = {cell.name: cell for cell in book.grade_cells}
    for name, cell in graded.items():
        points = float(cell.metadata.nbgrader["points"])
        facts = {"notebook": book.name, "cell": name, "points": points, "new": points}
        old = known.get(name)
        if old is None:
            new = GradeCell(name=name, notebook=book, max_score=points, cell_type=cell.cell_type)
            grades = [Grade(cell=new, notebook=submitted) for submitted in book.submissions]
            session.add_all([new, *grades])
            changes[name] = [_(ADDED).format(**facts)]
        elif old.max_score != points:
            changes[name] = [_(POINTS if old.max_score else BACK).format(old=old.max_score, **facts)]
            for grade in old.grades if old.max_score else ():
                if grade.auto_score is not None:
                    grade.auto_score *= points / old.max_score
            old.max_score = points
    for name, old in known.items():
        if name not in graded and old.max_score:
            old.max_score = 0.0
            changes[name] = [_(RETIRED).format(notebook=book.name, cell=name)]
    return changes


def _source_cells(session: Session, book: Notebook, released: dict[str, NotebookNode],
                  told: Collection[str], translated: Collection[tuple[str, str]]) -> list[str]:
    """nbgrader's own copies of what it released; those of retired cells stay with their marks."""
    changes = []
    known = {cell.name: cell for cell in book.source_cells}
    for name, cell in released.items():
        facts = {"cell_type": cell.cell_type, "locked": is_locked(cell), "source": cell.source,
                 "checksum": cell.metadata.nbgrader.get("checksum") or compute_checksum(cell)}
        old = known.get(name)
        if old is None:
            session.add(SourceCell(name=name, notebook=book, **facts))
        elif (old.source != cell.source and (name, old.source) not in translated) or old.cell_type != cell.cell_type:
            for key, value in facts.items():
                setattr(old, key, value)
            changes += [] if name in told else [_(SOURCE).format(notebook=book.name, cell=name)]
    return changes


def keep_copy(db_url: str) -> str:
    """Copy a gradebook beside itself, for its owner alone; a sentence that says where, or that none was made."""
    kind, database = db_url.partition(":///")[::2]
    if kind != "sqlite":
        return _(NOT_COPIED)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S-%f")
    path = Path(f"{database}.before-{now}")
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with contextlib.closing(sqlite3.connect(database)) as old, contextlib.closing(sqlite3.connect(path)) as new:
        old.backup(new)
    return _(COPIED).format(path=path)


class FollowCells(SaveCells):  # type: ignore[misc]
    """In place of nbgrader's SaveCells, which refuses a chapter that has changed after somebody has marks."""

    def _create_notebook(self, nb: NotebookNode) -> None:
        with contextlib.suppress(MissingEntry):
            book = self.gradebook.find_assignment(self.assignment_id)
            books = [each for each in book.notebooks if each.name == self.notebook_id and each.submissions]
            if books:
                with self.gradebook.db.no_autoflush:
                    changes = follow(self.gradebook.db, books[0], nb.cells, self._translations())
                if changes:
                    for change in [keep_copy(self.db_url), *changes]:
                        self.log.warning(change)
                self.gradebook.db.commit()
                return
        super()._create_notebook(nb)

    def _translations(self) -> list[list[NotebookNode]]:
        """The cells of the course's own releases of this notebook, in each language."""
        paths = (COURSE / released(each) / self.assignment_id / f"{self.notebook_id}.ipynb" for each in LANGUAGES)
        return [nbformat.read(path, 4).cells for path in paths if path.is_file()]
