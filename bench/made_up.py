"""A class for the benches: a course on a folder of its own, and answers drawn with a seed."""

import json
import random
import shutil
from pathlib import Path

from nbgrader.apps import NbGraderAPI

from convcraft.author.notebooks import call, prepare
from convcraft.author.source import Chapter, chapters
from convcraft.demo.cohort import Student, hand_in, solutions, source_of
from convcraft.exam.sealed import seal
from convcraft.layout import RELEASED, course_config, is_demo

SEALED = "sealed"


def course(root: Path, folder: Path, name: str) -> Chapter:
    """Lay out a course with that one chapter in `folder`, released, its exams sealed for stock nbgrader's kernels."""
    shutil.copytree(root / "source" / name, folder / "source" / name,
                    ignore=shutil.ignore_patterns("__pycache__", "*.ipynb"))
    if (root / "assets" / name).is_dir():
        shutil.copytree(root / "assets" / name, folder / "assets" / name)
    shutil.copy(root / "nbgrader_config.py", folder)
    (chapter,) = chapters(folder, (name,))
    prepare(chapter, folder)
    answer = call(NbGraderAPI(config=course_config(folder)).generate_assignment, name)
    if not answer["success"]:
        raise RuntimeError(f"nbgrader could not release {name}:\n{answer.get('log', answer)}")
    for exercise in chapter.exercises.values():
        seal(exercise, folder / SEALED)
    return chapter


def without_demos(chapter: Chapter) -> None:
    """Take the cells that only show something out of what is released."""
    path = chapter.root / RELEASED / chapter.name / f"{chapter.script.stem}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if not is_demo(cell)]
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")


def submit(chapter: Chapter, count: int, seed: int) -> None:
    """Let so many students hand in. The first ones are the same in a class of any size."""
    answers = {name: _answers(chapter, name) for name in chapter.exercises}
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        student = Student(f"student-{number:04}", {name: draw.choice(answers[name]) for name in answers})
        hand_in(student, chapter, chapter.root / "submitted" / student.name / chapter.name)


def _answers(chapter: Chapter, name: str) -> list[str]:
    """What students answer to an exercise: half of them rightly."""
    exercise = chapter.exercises[name]
    right = [solutions(chapter)[name], *(source_of(chapter, exercise, answer) for answer in exercise.alternatives)]
    wrong = [source_of(chapter, exercise, each.answer) for each in exercise.misconceptions]
    return right * len(wrong) + wrong * len(right)


def stock(folder: Path) -> None:
    """Let nbgrader grade this course by its own preprocessors."""
    with open(folder / "nbgrader_config.py", "a", encoding="utf-8") as config:
        config.write('\nc.pop("Autograde")  # nbgrader\'s own preprocessors\n')
