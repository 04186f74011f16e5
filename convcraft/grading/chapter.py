"""The teacher's side of a notebook: the released cells, and which of them are answered, examined or only shown."""

import ast
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

Cell = dict


@dataclass(frozen=True)
class Exam:
    """A graded cell: `examine("name", answer)`."""

    grade_id: str
    exercise: str
    answer: str
    points: float


@dataclass(eq=False)
class Chapter:
    """A released notebook.

    Attributes:
        assignment, name: the folder's name, and the notebook's without `.ipynb`.
        cells: as released, sources as strings, without outputs.
        exams: by the cell's position.
        solutions: grade_id → position.
    """

    assignment: str
    name: str
    cells: list[Cell]
    metadata: dict
    exams: dict[int, Exam] = field(default_factory=dict)
    solutions: dict[str, int] = field(default_factory=dict)

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
        """Source of a plain code cell → position."""
        return {normal(cell["source"]): position for position, cell in enumerate(self.cells)
                if cell["cell_type"] == "code" and not grade_id(cell)}

    @cached_property
    def written(self) -> list[str]:
        """Each cell as it stands in a notebook file."""
        return [written(cell) for cell in self.cells]


def load(path: Path) -> Chapter:
    """Read a released notebook.

    Raises:
        ValueError: a graded cell is not `examine("name", answer)`; the message says which.
    """
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    chapter = Chapter(path.parent.name, path.stem, notebook["cells"], notebook["metadata"])
    for position, cell in enumerate(chapter.cells):
        facts = cell["metadata"].get("nbgrader", {})
        if facts.get("grade"):
            chapter.exams[position] = _exam(path, cell["source"], facts)
        elif facts.get("solution"):
            chapter.solutions[facts["grade_id"]] = position
    return chapter


def grade_id(cell: Cell) -> str:
    """The cell's grade_id, empty where it has none worth the name."""
    metadata = cell.get("metadata")
    facts = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = facts.get("grade_id") if isinstance(facts, dict) else None
    return name if isinstance(name, str) else ""


def is_demo(cell: Cell) -> bool:
    """Whether the cell only shows something."""
    return "demo" in cell["metadata"].get("tags", [])


def normal(source: str) -> str:
    """The source without what an editor changes by itself."""
    return "\n".join(line.rstrip() for line in source.strip().splitlines())


def written(cell: Cell) -> str:
    """The cell as nbformat writes it, indented for its place in a notebook."""
    lines = {**cell, "source": cell["source"].splitlines(keepends=True)}
    return json.dumps(lines, indent=1, sort_keys=True, ensure_ascii=False).replace("\n", "\n  ")


def _exam(path: Path, source: str, facts: dict) -> Exam:
    try:
        (statement,) = ast.parse(source).body
        call = statement.value
        name, answer = call.args
        if call.func.id != "examine" or call.keywords or not isinstance(name.value, str):
            raise ValueError(source)
    except (SyntaxError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: the graded cell {facts['grade_id']!r} is not `examine(\"name\", answer)`: "
                         f"{source!r}") from error
    return Exam(facts["grade_id"], name.value, ast.unparse(answer), float(facts["points"]))
