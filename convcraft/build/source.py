"""Reading a chapter's source: a percent script becomes a notebook that nbgrader understands."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from convcraft.exam import Exercise, load_chapter

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


class SourceError(ValueError):
    """A chapter's source is not as it should be; the message names the file, the place and the remedy."""


@dataclass(frozen=True)
class Chapter:
    """One chapter's folder, as `source/01_convolution`."""

    folder: Path

    @property
    def root(self) -> Path:
        """The repository, or the course."""
        return self.folder.parents[1]

    @property
    def name(self) -> str:
        """The assignment's name, as `01_convolution`."""
        return self.folder.name

    @property
    def script(self) -> Path:
        """The percent script."""
        return self.folder / f"{self.name.partition('_')[2]}.py"

    @property
    def assets(self) -> Path:
        """Where its figures are."""
        return self.root / "assets" / self.name

    @property
    def solution(self) -> Path:
        """The executed reference notebook."""
        return self.root / "solutions" / f"{self.name}.ipynb"

    @cached_property
    def exercises(self) -> dict[str, Exercise]:
        """Its exercises by name."""
        return load_chapter(self.folder / "exercises.py")

    def notebook(self) -> NotebookNode:
        """The whole chapter, solutions included.

        Raises:
            SourceError: the script is missing, or a cell's nbgrader key does not fit `exercises.py`.
        """
        if not self.script.is_file():
            raise SourceError(f"{self.script} is missing; a chapter's script is named after its folder")
        notebook = jupytext.read(self.script, fmt="py:percent")
        notebook.metadata = NotebookNode(METADATA)
        notebook.nbformat, notebook.nbformat_minor = 4, 5
        seen: dict[str, int] = {}
        for cell in notebook.cells:
            _complete(cell, self)
            digest = hashlib.sha256(f"{self.name}/{cell.cell_type}/{cell.source}".encode()).hexdigest()[:12]
            seen[digest] = seen.get(digest, 0) + 1
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id:
                if grade_id in seen:
                    raise SourceError(f"{self.script}: the grade_id {grade_id!r} is there twice; rename one")
                seen[grade_id] = 1
            cell.id = grade_id or f"{digest}-{seen[digest]}"
        return notebook

    def pictures(self) -> list[tuple[str, Path]]:
        """Alt text and file of every picture that the script shows."""
        text = self.script.read_text(encoding="utf-8")
        return [(alt, (self.folder / path).resolve()) for alt, path in _PICTURE.findall(text)]


def chapters(root: Path, names: tuple[str, ...] = ()) -> list[Chapter]:
    """The chapters of a course, in order; only those named where names are given.

    Raises:
        SourceError: there is no chapter of a given name.
    """
    found = [Chapter(path.parent) for path in sorted((root / "source").glob("*/exercises.py"))]
    missing = sorted(set(names) - {chapter.name for chapter in found})
    if missing:
        raise SourceError(f"{root / 'source'}: no chapter {missing[0]!r}; there are "
                          f"{', '.join(chapter.name for chapter in found)}")
    return [chapter for chapter in found if not names or chapter.name in names]


def unmarked(source: str) -> str:
    """A solution cell's source without the lines that mark the solution in it."""
    return "\n".join(line for line in source.splitlines() if line.strip() not in _MARKERS)


def is_demo(cell: NotebookNode) -> bool:
    """Whether the cell only shows something."""
    return "demo" in cell.metadata.get("tags", [])


def relink(notebook: NotebookNode, folder: str) -> None:
    """Let the pictures be looked for in `folder`."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _PICTURE.sub(lambda found: f"![{found[1]}]({folder}/{Path(found[2]).name})", cell.source)


def _complete(cell: NotebookNode, chapter: Chapter) -> None:
    """Fill in what nbgrader's schema wants besides what the script says."""
    short = cell.metadata.get("nbgrader")
    tags = cell.metadata.get("tags")
    cell.metadata = NotebookNode({"tags": tags} if tags else {})
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if not short:
        return
    grade_id, graded = short.get("grade_id", ""), bool(short.get("grade"))
    name = grade_id.removesuffix("_exam") if graded else grade_id
    if name not in chapter.exercises:
        raise SourceError(f"{chapter.script}: the cell {grade_id!r} belongs to no exercise of "
                          f"{chapter.folder / 'exercises.py'}; rename one of them")
    if graded and cell.source.strip() != f'examine("{name}", {name})':
        raise SourceError(f'{chapter.script}: the graded cell {grade_id!r} must be examine("{name}", {name})')
    if graded == bool(short.get("solution")):
        raise SourceError(f"{chapter.script}: the cell {grade_id!r} must be either a solution or graded")
    cell.metadata["nbgrader"] = NotebookNode(
        grade_id=grade_id, grade=graded, solution=not graded, locked=graded, task=False, schema_version=3)
    if graded:
        cell.metadata["nbgrader"]["points"] = chapter.exercises[name].points
