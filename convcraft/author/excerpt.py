"""A wrong answer as its writer would have written it: under the exercise's name, with the helpers that it calls."""

import ast
import builtins
import inspect
import io
import textwrap
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from convcraft.exam import Exercise
from convcraft.exam.exercise import Answer
from convcraft.exam.probe import SHARED

_LONG = 30  # lines; of a longer helper, signatures and docstring are shown
_PLAIN = (int, float, complex, bool, str, type(None))


@cache  # each language shows it
def readable(exercise: Exercise, answer: Answer) -> str:
    """The source of a misconception, to be read without the exam's file.

    Its decorators stay, `misconception` apart. Imports are left out. Where a function of the exam's file made it, the
    values that it was made with stand before it.
    """
    lines, _ = inspect.getsourcelines(answer)
    node = _definition("".join(lines))
    known = _definitions(exercise)
    wanted: dict[str, str] = {}
    waiting = list(_needs(node))
    while waiting:
        name = waiting.pop()
        if name in known and name not in (*wanted, exercise.name, node.name):
            helper, text = known[name]
            wanted[name] = text
            waiting += _needs(helper)
    parts = [*(wanted[name] for name in known if name in wanted), *_made_with(answer),
             _renamed(_text(node, "".join(lines)), node.name, exercise.name)]
    return "\n\n\n".join(dict.fromkeys(parts))


def _definition(source: str) -> ast.FunctionDef | ast.ClassDef:
    node = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef)), f"no function and no class: {source[:60]!r}"
    return node


def _definitions(exercise: Exercise) -> dict[str, tuple[ast.stmt, str]]:
    """What the exam's file and `shared.py` define at their outermost level, in that order, and how it is shown."""
    path = Path(inspect.getfile(exercise.probe))
    shared = path.with_name(f"{SHARED}.py")
    return (_defined(shared.read_text(encoding="utf-8")) if shared.is_file() else {}) | _defined(
        path.read_text(encoding="utf-8"))


@cache
def _defined(source: str) -> dict[str, tuple[ast.stmt, str]]:
    """What is needed and what is shown of each, by name."""
    found: dict[str, tuple[ast.stmt, str]] = {}
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                name, text = node.name, _text(node, source)
                if text.count("\n") >= _LONG:
                    text = "\n".join(_outline(node, source.splitlines()))
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                text = ast.get_source_segment(source, node) or ""
            case _:
                continue
        found[name] = ast.parse(text).body[0], text
    return found


def _outline(node: ast.FunctionDef | ast.ClassDef, lines: list[str]) -> Iterator[str]:
    """Signature and docstring; of a class, each method's signature."""
    first, *rest = node.body
    last = first.end_lineno if ast.get_docstring(node) is not None else first.lineno - 1
    yield from lines[node.lineno - 1:last]
    if isinstance(node, ast.FunctionDef):
        yield " " * first.col_offset + "..."
        return
    for part in rest if ast.get_docstring(node) is not None else node.body:
        yield ""
        if isinstance(part, ast.FunctionDef):
            yield from (" " * part.col_offset + f"@{ast.unparse(decorator)}" for decorator in part.decorator_list)
            yield from lines[part.lineno - 1:part.body[0].lineno - 1]
            yield " " * part.body[0].col_offset + "..."
        else:
            yield from lines[part.lineno - 1:part.end_lineno]


def _text(node: ast.FunctionDef | ast.ClassDef, source: str) -> str:
    """Its lines with those of its decorators that are not the exam's."""
    lines = textwrap.dedent(source).splitlines()
    kept = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list
            if not ast.unparse(decorator).partition("(")[0].endswith((".misconception", ".alternative"))]
    return "\n".join([*kept, *lines[node.lineno - 1:node.end_lineno]])


def _needs(node: ast.stmt) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} - set(dir(builtins))


def _made_with(answer: Answer) -> Iterator[str]:
    """The plain values that a function closes over, an assignment each; of a function, its source."""
    closed = inspect.getclosurevars(inspect.unwrap(answer)).nonlocals if inspect.isfunction(answer) else {}
    for name, value in sorted(closed.items()):
        if isinstance(value, _PLAIN):
            yield f"{name} = {value!r}"
        elif inspect.isfunction(value):
            yield textwrap.dedent(inspect.getsource(value)).rstrip()


def _renamed(source: str, old: str, new: str) -> str:
    """The source with one name changed where it stands for itself, not for an attribute of that name."""
    lines = source.splitlines(keepends=True)
    before = ""
    places = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and token.string == old and before != ".":
            places.append(token.start)
        before = token.string
    for row, column in reversed(places):
        line = lines[row - 1]
        lines[row - 1] = line[:column] + new + line[column + len(old):]
    return "".join(lines)
