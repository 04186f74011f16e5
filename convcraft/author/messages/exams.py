"""What an exam says to a reader: names and sentences of aspects, sentences of mistakes, names of what is observed."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from convcraft.exam import Exercise
from convcraft.exam.probe import SHARED

_WORD = re.compile(r"[A-Za-z]{3,}")
_NAME = re.compile(r"[\w.]*[_.\d][\w.]*|[A-Z]\w*")  # grad_x, layer1.0, ValueError: as in the code


def sentences(exercise: Exercise, folder: Path) -> Iterator[tuple[str, str]]:
    """What each is, and the English.

    Args:
        folder: the chapter's `exams/`.
    """
    for aspect in exercise.aspects():
        yield "name of what is examined", aspect.name
        yield f"what the task says of “{aspect.name}”", aspect.says
    for misconception in exercise.misconceptions:
        yield f"a mistake ({misconception.answer.__name__})", misconception.sentence
    yield from (("part of what is observed", name) for name in _parts(folder, exercise.name))


def _parts(folder: Path, name: str) -> Iterator[str]:
    """The keys of what the probe observes, and of the helpers that it shares: a verdict names the part that differs."""
    tree = ast.parse((folder / f"{name}.py").read_text(encoding="utf-8"))
    yield from _keys(node for node in tree.body if isinstance(node, ast.FunctionDef) and _observes(node))
    wanted = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) and node.level
              for alias in node.names}
    shared = folder / f"{SHARED}.py"
    if shared.is_file():
        yield from _keys(node for node in ast.parse(shared.read_text(encoding="utf-8")).body
                         if isinstance(node, ast.FunctionDef) and node.name in wanted)


def _observes(function: ast.FunctionDef) -> bool:
    """Whether it is the probe or helps it; what answers, rightly or wrongly, is decorated otherwise."""
    return all(ast.unparse(decorator).startswith("exercise(") for decorator in function.decorator_list)


def _keys(functions: Iterator[ast.FunctionDef]) -> Iterator[str]:
    for node in (node for function in functions for node in ast.walk(function) if isinstance(node, ast.Dict)):
        for key in node.keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str) \
                    and _WORD.search(key.value) and not _NAME.fullmatch(key.value):
                yield key.value
