"""The teacher's side of a notebook: the released cells, and which of them are answered, examined or only shown."""

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from convcraft.language import LANGUAGES, _

Cell = dict[str, Any]
_SPOKEN = re.compile(r"^language\([\"'](\w+)[\"']\)$", re.M)


@dataclass(frozen=True)
class Exam:
    """A graded cell: `examine("name", answer)`."""

    grade_id: str
    exercise: str
    answer: str
    points: float


@dataclass(eq=False)
class ReleasedNotebook:
    """A released notebook.

    Attributes:
        assignment, name: the folder's name, and the notebook's without `.ipynb`.
        cells: as released, sources as strings, without outputs.
        exams: by the cell's position.
        solutions: grade_id → position.
        language: that its first cell chooses.
        others: the same notebook in other languages, whose cells count as untouched, too.
    """

    assignment: str
    name: str
    cells: list[Cell]
    metadata: dict[str, Any]
    exams: dict[int, Exam] = field(default_factory=dict)
    solutions: dict[str, int] = field(default_factory=dict)
    language: str = "en"
    others: tuple["ReleasedNotebook", ...] = ()

    @cached_property
    def by_id(self) -> dict[str, int]:
        """Cell id → position."""
        return {cell["id"]: position for position, cell in enumerate(self.cells) if "id" in cell}

    @cached_property
    def by_grade_id(self) -> dict[str, int]:
        """grade_id → position."""
        return {grade_id(cell): position for position, cell in enumerate(self.cells) if grade_id(cell)}

    @cached_property
    def by_source(self) -> dict[str, int]:
        """Source of a plain code cell → position, in any language."""
        return {source: position for position, cell in enumerate(self.cells)
                if cell["cell_type"] == "code" and not grade_id(cell) for source in self._texts[position]}

    @cached_property
    def by_stub(self) -> dict[str, int]:
        """Source of a solution cell as released → position, in any language."""
        return {source: position for position in self.solutions.values() for source in self._texts[position]}

    def is_untouched(self, source: str, position: int) -> bool:
        """Whether a source is what was released there, in any language."""
        return normal(source) in self._texts[position]

    @cached_property
    def _texts(self) -> list[set[str]]:
        """For each cell what stands there, in all languages."""
        texts = [{normal(cell["source"])} for cell in self.cells]
        for other in self.others:
            for cell in other.cells:
                position = self.by_grade_id.get(grade_id(cell), self.by_id.get(cell.get("id", "")))
                if position is not None:
                    texts[position].add(normal(cell["source"]))
        return texts

    @cached_property
    def as_written(self) -> list[str]:
        """Each cell as it stands in a notebook file."""
        return [as_written(cell) for cell in self.cells]


def released_notebook(path: Path) -> ReleasedNotebook:
    """The released notebook at `path`, taken apart once for each content of the file."""
    return load(path, path.read_bytes())


@lru_cache(maxsize=64)
def load(path: Path, content: bytes) -> ReleasedNotebook:
    """Take a released notebook apart: the file's path and what it holds.

    Raises:
        ValueError: a graded cell is not `examine("name", answer)`; the message says which.
    """
    read = json.loads(content)
    for cell in read["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    released = ReleasedNotebook(path.parent.name, path.stem, read["cells"], read["metadata"],
                                language=language_of(read["cells"]))
    for position, cell in enumerate(released.cells):
        facts = cell["metadata"].get("nbgrader", {})
        if facts.get("grade"):
            released.exams[position] = _exam(path, cell["source"], facts)
        elif facts.get("solution"):
            released.solutions[facts["grade_id"]] = position
    return released


def language_of(cells: Iterable[Cell]) -> str:
    """The language that a notebook of ours speaks: what its cells choose; English where none does."""
    said = (_SPOKEN.search(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return next((found[1] for found in said if found and found[1] in LANGUAGES), "en")


def grade_id(cell: Cell) -> str:
    """The cell's grade_id, empty where it has none worth the name."""
    metadata = cell.get("metadata")
    facts = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = facts.get("grade_id") if isinstance(facts, dict) else None
    return name if isinstance(name, str) else ""


def normal(source: str) -> str:
    """The source without what an editor changes by itself."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def as_written(cell: Cell) -> str:
    """The cell as nbformat writes it, indented for its place in a notebook."""
    lines = {**cell, "source": cell["source"].splitlines(keepends=True)}
    return json.dumps(lines, indent=1, sort_keys=True, ensure_ascii=False).replace("\n", "\n  ")


def _exam(path: Path, source: str, facts: dict[str, Any]) -> Exam:
    try:
        (statement,) = ast.parse(source).body
        call: Any = getattr(statement, "value", None)
        name, answer = call.args
        if call.func.id != "examine" or call.keywords or not isinstance(name.value, str):
            raise ValueError(source)
    except (SyntaxError, ValueError, AttributeError) as error:
        raise ValueError(_("{path}: the graded cell {name!r} is not `examine(\"name\", answer)`: {source!r}").format(
            path=path, name=facts["grade_id"], source=source)) from error
    return Exam(facts["grade_id"], name.value, ast.unparse(answer), float(facts["points"]))
