"""A class made out of the exercises themselves: students whose answers, and so whose marks, are known."""

import ast
import copy
import json
import textwrap
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from convcraft.author.source import Chapter, unmarked
from convcraft.exam import Exercise
from convcraft.exam.exercise import Answer, Misconception
from convcraft.layout import RELEASED, released

# One for each way of having nothing to show; every one of them is worth no point.
MESSES = (
    "def {name}(*args, **kwargs:\n    return 0",
    "def {name}(*args, **kwargs):\n    return None",
    "def {name}(*args, **kwargs):\n    raise RuntimeError('this is as far as I came')",
    "{name} = 'my answer'",
    "def {name}():\n    return 1",
    "import this_package_is_not_there",
    "",
    "class {name}:\n    pass",
)


@dataclass(frozen=True)
class Student:
    """A student, and the source of an answer for each exercise; what is not answered stays a stub.

    Attributes:
        mistakes: the exercises whose answer is a known mistake.
        works: whether all other answers are right; else they are worth nothing.
        language: in which the student hands in, where the chapter is released in it.
    """

    name: str
    answers: dict[str, str]
    mistakes: dict[str, Misconception] = field(default_factory=dict)
    works: bool = True
    language: str = "en"


def everybody(chapters: list[Chapter]) -> list[Student]:
    """One who hands in the references, one the release, one a mess, and student k with everyone's k-th mistake."""
    exercises = [(chapter, exercise) for chapter in chapters for exercise in chapter.exercises.values()]
    most = max(len(exercise.misconceptions) for _, exercise in exercises)
    return [
        Student("reference", _right(chapters)),
        Student("empty", {}, works=False),
        Student("mess", {exercise.name: MESSES[index % len(MESSES)].format(name=exercise.name)
                         for index, (_, exercise) in enumerate(exercises)}, works=False),
        *(_mistaken(f"mistake-{number + 1}", chapters, {
            exercise.name: exercise.misconceptions[number] for _, exercise in exercises
            if number < len(exercise.misconceptions)}) for number in range(most)),
    ]


def a_few(chapter: Chapter) -> list[Student]:
    """Eight students of one chapter: all right, five with one mistake each, code that does not run, nothing."""
    exercises = [exercise for exercise in chapter.exercises.values() if exercise.misconceptions]
    chosen = [exercises[index * len(exercises) // 5] for index in range(5)] if len(exercises) > 5 else exercises
    return [
        Student("ada", _right([chapter])),
        *(_mistaken(name, [chapter], {exercise.name: exercise.misconceptions[0]})
          for name, exercise in zip(("ben", "chen", "dina", "emil", "fay"), chosen, strict=False)),
        Student("gus", {name: MESSES[0].format(name=name) for name in chapter.exercises}, works=False),
        Student("hana", {}, works=False),
    ]


def _right(chapters: list[Chapter]) -> dict[str, str]:
    return {name: source for chapter in chapters for name, source in solutions(chapter).items()}


def _mistaken(name: str, chapters: list[Chapter], mistakes: dict[str, Misconception]) -> Student:
    wrong = {exercise.name: source_of(chapter, exercise, mistakes[exercise.name].answer)
             for chapter in chapters for exercise in chapter.exercises.values() if exercise.name in mistakes}
    return Student(name, {**_right(chapters), **wrong}, mistakes)


def hand_in(student: Student, chapter: Chapter, folder: Path) -> Path:
    """Write the student's notebook of a chapter into `folder`."""
    name = f"{chapter.name}/{chapter.script.stem}.ipynb"
    path = chapter.root / released(student.language) / name
    notebook = copy.deepcopy(_read(path if path.is_file() else chapter.root / RELEASED / name))
    for cell in notebook["cells"]:
        facts = cell["metadata"].get("nbgrader", {})
        if facts.get("solution") and facts["grade_id"] in student.answers:
            cell["source"] = student.answers[facts["grade_id"]]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chapter.script.stem}.ipynb"
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return path


@cache
def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


@cache
def solutions(chapter: Chapter) -> dict[str, str]:
    """The chapter's solution cells by exercise."""
    return {cell.metadata.nbgrader.grade_id: unmarked(cell.source) for cell in chapter.notebook().cells
            if cell.metadata.get("nbgrader", {}).get("solution")}


def source_of(chapter: Chapter, exercise: Exercise, answer: Answer) -> str:
    """A cell that answers `exercise` as `answer` does: its source, with all that it needs from the exams' files."""
    path = chapter.exams / f"{exercise.name}.py"
    statements = [*_statements(chapter.exams / "shared.py"), *_statements(path)]
    provided: dict[str, ast.stmt] = {}
    target: ast.stmt | None = None
    for node, _ in statements:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.name == answer.__name__ and _decorates(node, exercise.name):
                target = node
            elif not node.decorator_list or not _is_examiners(node):
                provided[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0):
            provided |= {(alias.asname or alias.name).partition(".")[0]: node for alias in node.names}
        elif isinstance(node, ast.Assign):
            provided |= {name.id: node for name in ast.walk(node) if isinstance(name, ast.Name)
                         and isinstance(name.ctx, ast.Store)}
    target = target or provided.get(answer.__name__)
    if target is None:
        raise ValueError(f"{path}: {exercise.name} has no answer {answer.__name__!r} as a top-level function or class")
    needed, waiting = {target}, [target]
    while waiting:
        for name in (node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)):
            provider = provided.get(name)
            if provider is not None and provider not in needed:
                needed.add(provider)
                waiting.append(provider)
    parts = [_text(text, node) for node, text in statements if node in needed]
    return "\n\n".join([*parts, f"{exercise.name} = {answer.__name__}"])


@cache
def _statements(path: Path) -> list[tuple[ast.stmt, str]]:
    """The top-level statements of an exam's file, each with the file's text."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [(node, text) for node in ast.parse(text).body]


def _decorates(node: ast.FunctionDef | ast.ClassDef, exercise: str) -> bool:
    return any(ast.unparse(decorator).startswith((f"{exercise}.misconception", f"{exercise}.alternative"))
               for decorator in node.decorator_list)


def _is_examiners(node: ast.FunctionDef | ast.ClassDef) -> bool:
    return any(ast.unparse(decorator).startswith("exercise(") for decorator in node.decorator_list)


def _text(text: str, node: ast.stmt) -> str:
    """The statement without the decorators that only an exam knows."""
    lines = text.splitlines()[node.lineno - 1:node.end_lineno]
    kept = [f"@{ast.unparse(decorator)}" for decorator in getattr(node, "decorator_list", [])
            if ".misconception" not in ast.unparse(decorator) and ".alternative" not in ast.unparse(decorator)]
    return textwrap.dedent("\n".join([*kept, *lines]))
