"""A small course on a throwaway folder, for the grader's tests."""

import copy
import json
import os
import shutil
import sys
from functools import cache
from pathlib import Path

import jupytext
import nbformat
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

# nbgrader asks the program alembic, which an environment that is not activated does not find.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
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
    config = Config()
    exec((root / "nbgrader_config.py").read_text(), {"get_config": lambda: config, "__name__": "config"})
    config.CourseDirectory.root = str(root)
    api = NbGraderAPI(config=config)
    answer = api.generate_assignment("01_toy", force=True)
    assert answer["success"], answer
    return root


@cache
def released(root: Path) -> str:
    return (root / "notebooks/en/01_toy/toy.ipynb").read_text()


def notebook(root: Path, answers: dict[str, str]) -> dict:
    """The released notebook with answers put into its solution cells."""
    result = copy.deepcopy(json.loads(released(root)))
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
