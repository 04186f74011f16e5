"""A small course on a throwaway folder, for the grader's tests."""

import json
import shutil
from functools import cache
from pathlib import Path

import jupytext
import nbformat
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

from convcraft.layout import course_config

TOY = Path(__file__).parent / "toy_course"
POINTS = {"toy_relu": 40, "toy_affine": 30, "toy_average": 30}
RIGHT = {
    "toy_relu": "def toy_relu(x):\n    return x * (x > 0)",
    "toy_affine": "def toy_affine(x, scale, shift=0.0):\n    return x * scale + shift",
    "toy_average": "def toy_average(x):\n    if not x.numel():\n        raise ValueError('empty')\n    return x.mean()",
}
WRONG = {
    "toy_relu": "def toy_relu(x):\n    return x.abs()",
    "toy_affine": "def toy_affine(x, scale, shift=0.0):\n    return (x + shift) * scale",
    "toy_average": "def toy_average(x):\n    if not x.numel():\n        raise ValueError('empty')\n    return x.sum()",
}


def make(root: Path) -> Path:
    """A course at `root` with the toy chapter released and entered into its gradebook."""
    shutil.copytree(TOY, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    notebook = jupytext.read(root / "source/01_toy/toy.py")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"toy-{number}"
        facts = cell.metadata.get("nbgrader")
        if facts:
            graded = facts.get("grade", False)
            facts.update(grade=graded, solution=not graded, locked=graded, schema_version=3, task=False)
            if graded:
                facts["points"] = POINTS[facts["grade_id"].removesuffix("_exam")]
    nbformat.write(notebook, root / "source/01_toy/toy.ipynb")
    api = NbGraderAPI(config=course_config(root))
    answer = api.generate_assignment("01_toy", force=True)
    assert answer["success"], answer
    return root


@cache
def released(root: Path) -> str:
    return (root / "notebooks/en/01_toy/toy.ipynb").read_text()


def notebook(root: Path, answers: dict[str, str]) -> dict:
    """The released notebook with answers put into its solution cells."""
    result = json.loads(released(root))
    for cell in result["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in answers:
            cell["source"] = answers[name]
    return result


def solution(book: dict, name: str) -> dict:
    """The cell with that grade_id."""
    return next(cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") == name)


def code(source: str, **metadata) -> dict:
    """A code cell of the student's own."""
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def submit(root: Path, student: str, book: dict | bytes, name: str = "toy.ipynb") -> Path:
    """Put a notebook, or a file's raw bytes, where nbgrader collects it."""
    folder = root / "submitted" / student / "01_toy"
    folder.mkdir(parents=True, exist_ok=True)
    data = book if isinstance(book, bytes) else json.dumps(book).encode("utf-8", "surrogatepass")
    (folder / name).write_bytes(data)
    return folder


def copied(root: Path, target: Path) -> Path:
    """A copy of a course that `make` has made."""
    shutil.copytree(root, target, symlinks=True)
    return target


def rows(root: Path, student: str) -> list[tuple]:
    """All that the gradebook says of a student, ids and times apart."""
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        return rows_of(gradebook, student)


def rows_of(gradebook: Gradebook, student: str) -> list[tuple]:
    """The same of a gradebook that is open."""
    (notebook,) = gradebook.find_submission("01_toy", student).notebooks
    return [*((grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade)
              for grade in notebook.grades),
            *((comment.name, comment.auto_comment, comment.manual_comment) for comment in notebook.comments)]


def points(root: Path) -> dict[str, float]:
    """Student → points, for all who have marks."""
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        return {submission.student.id: submission.score for submission in gradebook.assignment_submissions("01_toy")}


def graded_notebook(root: Path, student: str) -> list[dict]:
    """The cells of a graded notebook, without how long they took."""
    cells = nbformat.read(root / "autograded" / student / "01_toy" / "toy.ipynb", 4).cells
    for cell in cells:
        cell["metadata"].get("convcraft", {}).pop("seconds", None)
    return cells
