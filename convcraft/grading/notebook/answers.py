"""Which of a notebook's cells answer what: by grade_id, by id, else by the names that they define."""

import ast
import re
from collections.abc import Collection
from functools import lru_cache

from convcraft.grading.notebook.released import Cell, ReleasedNotebook, grade_id, normal

_MAGIC = re.compile(r"^(\s*)[%!?].*$", re.M)
_CELL_MAGIC = re.compile(r"%%(\w+)")
_RUN_THE_BODY = ("time", "capture", "prun")
_SHORT = 20_000  # characters of a source that is worth remembering
_OPENS_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def matched(released: ReleasedNotebook, cells: list[Cell]) -> list[int | None]:
    """For each cell the position of the released cell that it is, or a copy of; None for the student's own.

    An editor may drop metadata (the id still tells), or ids (then a stub and a plain cell are known by their source).
    An id that another cell's grade_id contradicts tells nothing.
    """
    claimed = {released.by_grade_id[name] for cell in cells if (name := grade_id(cell)) in released.by_grade_id}
    positions = []
    for cell in cells:
        source = normal(cell["source"])
        position = released.by_grade_id.get(grade_id(cell))
        if position is None and isinstance(cell["id"], str):
            position = released.by_id.get(cell["id"])
            if position in claimed and position in released.solutions.values():
                position = None
        if position is None:
            position = released.by_source.get(source, released.by_stub.get(source))
        positions.append(position)
    return positions


def answered(released: ReleasedNotebook, cells: list[Cell]) -> set[str]:
    """The grade_ids of solutions that the student's code defines, or whose cell says something of his own."""
    names = {position: name for name, position in released.solutions.items()}
    found = set()
    for cell, position in zip(cells, matched(released, cells), strict=True):
        source = normal(cell["source"])
        if not source or source in released.by_stub or source in released.by_source:
            continue
        if position in names:
            found.add(names[position])
        if cell["cell_type"] == "code":
            found |= bound(source, released.solutions.keys())
    return found


def bound(source: str, wanted: Collection[str] | None = None) -> set[str]:
    """The names that a cell defines when it runs; nothing where it cannot be parsed.

    Args:
        wanted: look for these alone.
    """
    if wanted is not None and not any(name in source for name in wanted):
        return set()
    if (found := _CELL_MAGIC.match(source)) and found[1] not in _RUN_THE_BODY:
        return set()
    names = _defined(source) if len(source) <= _SHORT else _defined.__wrapped__(source)
    return set(names if wanted is None else names.intersection(wanted))


@lru_cache(maxsize=1024)  # a notebook's cells are asked about several times, and a class's are much alike
def _defined(source: str) -> frozenset[str]:
    try:
        module = ast.parse(_MAGIC.sub(r"\1pass", source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # whatever a student may have written
        return frozenset()
    names: set[str] = set()
    waiting: list[ast.AST] = list(module.body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name=name, asname=other):
                names.add(other or name.partition(".")[0])
        if not isinstance(node, _OPENS_SCOPE):
            waiting += ast.iter_child_nodes(node)
    return frozenset(names)


def words(sources: list[str]) -> set[str]:
    """Every word of some sources: what they may refer to."""
    return set().union(*(re.findall(r"\w+", source) for source in sources))
