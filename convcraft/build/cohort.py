"""A class made out of the exercises themselves: students whose answers, and so whose marks, are known."""

import ast
import copy
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from convcraft.build.notebooks import RELEASED
from convcraft.build.source import Chapter, unmarked
from convcraft.exam import Exercise

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
    """A student, and the source of an answer for each exercise; what is not answered stays a stub."""

    name: str
    answers: dict[str, str]


def make(chapters: list[Chapter]) -> list[Student]:
    """One who hands in the references, one the release, one a mess, and student k with everyone's k-th mistake."""
    exercises = [(chapter, exercise) for chapter in chapters for exercise in chapter.exercises.values()]
    students = [
        Student("reference", {name: source for chapter in chapters for name, source in solutions(chapter).items()}),
        Student("empty", {}),
        Student("mess", {exercise.name: MESSES[index % len(MESSES)].format(name=exercise.name)
                         for index, (_, exercise) in enumerate(exercises)}),
    ]
    for number in range(max(len(exercise.misconceptions) for _, exercise in exercises)):
        students.append(Student(f"mistake-{number + 1}", {
            exercise.name: (source_of(chapter, exercise, exercise.misconceptions[number].answer)
                            if number < len(exercise.misconceptions) else solutions(chapter)[exercise.name])
            for chapter, exercise in exercises}))
    return students


def hand_in(student: Student, chapter: Chapter, folder: Path) -> Path:
    """Write the student's notebook of a chapter into `folder`."""
    notebook = copy.deepcopy(_released(chapter.root / RELEASED / chapter.name / f"{chapter.script.stem}.ipynb"))
    for cell in notebook["cells"]:
        facts = cell["metadata"].get("nbgrader", {})
        if facts.get("solution") and facts["grade_id"] in student.answers:
            cell["source"] = student.answers[facts["grade_id"]]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{chapter.script.stem}.ipynb"
    path.write_text(json.dumps(notebook, ensure_ascii=False), encoding="utf-8")
    return path


@cache
def _released(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def solutions(chapter: Chapter) -> dict[str, str]:
    """The chapter's solution cells by exercise."""
    return {cell.metadata.nbgrader.grade_id: unmarked(cell.source) for cell in chapter.notebook().cells
            if cell.metadata.get("nbgrader", {}).get("solution")}


def source_of(chapter: Chapter, exercise: Exercise, answer: Callable) -> str:
    """A cell that answers `exercise` as `answer` does: its source, with all that it needs from `exercises.py`."""
    path = chapter.folder / "exercises.py"
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    provided: dict[str, ast.stmt] = {}
    target = None
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            if node.name == answer.__name__ and _decorates(node, exercise.name):
                target = node
            elif not node.decorator_list or not _is_examiners(node):
                provided[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            provided |= {(alias.asname or alias.name).partition(".")[0]: node for alias in node.names}
        elif isinstance(node, ast.Assign):
            provided |= {name.id: node for name in ast.walk(node) if isinstance(name, ast.Name)
                         and isinstance(name.ctx, ast.Store)}
    if target is None:
        raise ValueError(f"{path}: {exercise.name} has no answer {answer.__name__!r} as a top-level function or class")
    needed, waiting = {target}, [target]
    while waiting:
        for name in (node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)):
            node = provided.get(name)
            if node is not None and node not in needed:
                needed.add(node)
                waiting.append(node)
    parts = [_text(text, node) for node in tree.body if node in needed]
    return "\n\n".join([*parts, f"{exercise.name} = {answer.__name__}"])


def _decorates(node: ast.stmt, exercise: str) -> bool:
    return any(ast.unparse(decorator).startswith((f"{exercise}.misconception", f"{exercise}.alternative"))
               for decorator in node.decorator_list)


def _is_examiners(node: ast.stmt) -> bool:
    return any(ast.unparse(decorator).startswith("exercise(") for decorator in node.decorator_list)


def _text(text: str, node: ast.stmt) -> str:
    """The statement without the decorators that only an exam knows."""
    lines = text.splitlines()[node.lineno - 1:node.end_lineno]
    kept = [f"@{ast.unparse(decorator)}" for decorator in getattr(node, "decorator_list", [])
            if ".misconception" not in ast.unparse(decorator) and ".alternative" not in ast.unparse(decorator)]
    return textwrap.dedent("\n".join([*kept, *lines]))
