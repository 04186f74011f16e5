"""An exam's probe as source: what travels to where answers run, into a sandbox or with a sealed exam.

It is the probe and what that needs of the exam's file and of `shared.py`, line by line as the author wrote it: no
reference, no misconception, no alternative, and nothing that only another version of Python could read.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

from convcraft.exam.exercise import Exercise, Probe

SHARED = "shared"  # the file of what several exams of a chapter need


@dataclass(frozen=True)
class _Part:
    """A statement at a module's outermost level: the names that it defines, those that it needs, its lines."""

    defines: frozenset[str]
    needs: frozenset[str]
    text: str


def source_of(exercise: Exercise) -> str:
    """The source of an exercise's probe, with what it needs.

    Raises:
        ValueError: the exam's file is written so that its parts cannot be told; the message names file and line.
    """
    path = Path(inspect.getfile(exercise.probe))
    own = _parts(path)
    shared = _parts(path.with_name(f"{SHARED}.py")) if path.with_name(f"{SHARED}.py").is_file() else []
    defined = [name for part in (*own, *shared) for name in part.defines if not part.text.startswith(_IMPORTING)]
    if twice := sorted({name for name in defined if defined.count(name) > 1}):
        raise ValueError(f"{path}: {twice[0]} is defined twice, here or in {SHARED}.py; rename one")
    needed, waiting = set(), [exercise.name]
    while waiting:
        name = waiting.pop()
        for part in (*own, *shared):
            if name in part.defines and part not in needed:
                needed.add(part)
                waiting += part.needs
    texts = dict.fromkeys(part.text for part in (*shared, *own) if part in needed)
    return "\n\n\n".join(sorted(texts, key=lambda text: not text.startswith(_IMPORTING))) + "\n"


def opened(name: str, source: str) -> Probe:
    """The probe that `source_of` gave, in a module of its own."""
    module = ModuleType(f"probe_{name}")
    sys.modules[module.__name__] = module  # where dataclasses and pickles look for what a module defines
    exec(compile(source, f"exams/{name}.py", "exec"), module.__dict__)
    probe: Probe = module.__dict__[name]
    return probe


_IMPORTING = ("import ", "from ")


@cache
def _read(path: Path, changed: int) -> list[_Part]:
    text = path.read_text(encoding="utf-8")
    return [part for node in ast.parse(text).body for part in _of(node, text.splitlines(), path)]


def _parts(path: Path) -> list[_Part]:
    return _read(path, path.stat().st_mtime_ns)


def _of(node: ast.stmt, lines: list[str], path: Path) -> Iterator[_Part]:
    """The statement as a part; nothing for what no probe needs: docstrings, `equivalent(...)`, what `shared` brings."""
    needs: ast.AST = node
    first = node.lineno
    match node:
        case ast.ImportFrom(level=1, module="shared") if not any(alias.asname for alias in node.names):
            return
        case ast.Import() | ast.ImportFrom(level=0):
            defines = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        case ast.FunctionDef() | ast.ClassDef():
            defines = {node.name}
            if node.name == path.stem:  # the probe: its decorator names the reference
                needs = ast.Module([*node.body], [])
            else:
                first = min([first, *(decorator.lineno for decorator in node.decorator_list)])
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            defines = {name}
        case ast.Expr():
            return
        case _:
            raise ValueError(f"{path}:{node.lineno}: an exam's file has imports, functions, classes and plain names "
                             f"alone at its outermost level; move this into one of them")
    used = {each.id for each in ast.walk(needs) if isinstance(each, ast.Name)}
    yield _Part(frozenset(defines), frozenset(used), "\n".join(lines[first - 1:node.end_lineno]))
