"""Make `course.tar.xz`: a reader's work, a release, three students' submissions and marks, by the first edition itself.

    python tests/first_edition/make.py

It needs the whole history: the first edition is checked out of it and run in a process of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FIRST = "7a3b572"  # 1.0.0
CHAPTER, NOTEBOOK = "02_pooling", "pooling.ipynb"
HERE = Path(__file__).resolve().parent
KEPT = ("work/.released.json", f"work/{CHAPTER}/{NOTEBOOK}", f"notebooks/en/{CHAPTER}/{NOTEBOOK}", "submitted",
        "autograded", "gradebook.db", "exam_seed")
MISTAKE = "def global_avg_pool2d(x):\n    return x.mean((1, 2, 3))\n"  # of ben's
STUDENTS = {"ada": {}, "ben": {"global_avg_pool2d": MISTAKE}, "cleo": {"conv_transpose2d": None}}  # None: not answered


def main() -> None:
    """Check out, answer, hand in, grade, pack."""
    with tempfile.TemporaryDirectory() as scratch:
        old = Path(scratch, "old")
        old.mkdir()
        archive = subprocess.run(["git", "archive", FIRST], cwd=HERE.parents[1], check=True, capture_output=True).stdout
        subprocess.run(["tar", "x", "-C", old], input=archive, check=True)
        run(old, "from pathlib import Path; from convcraft.work import lay_out; lay_out(Path('.'), Path('work'))")
        answers = solutions(old / "solutions" / f"{CHAPTER}.ipynb")
        for student, changed in STUDENTS.items():
            folder = old / "submitted" / student / CHAPTER
            shutil.copytree(old / "notebooks/en" / CHAPTER, folder)
            write(folder / NOTEBOOK, {**answers, **changed})
        write(old / "work" / CHAPTER / NOTEBOOK, answers)
        run(old, "import sys; sys.argv = ['convcraft', 'grade']; from convcraft.cli import main; main()")
        for student in STUDENTS:
            shutil.rmtree(old / "submitted" / student / CHAPTER / "pictures", ignore_errors=True)
        with tarfile.open(HERE / "course.tar.xz", "w:xz") as packed:
            for name in KEPT:
                packed.add(old / name, name)


def solutions(path: Path) -> dict[str, str]:
    """The reference solutions, by grade_id."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"]) for cell in cells
            if cell["metadata"].get("nbgrader", {}).get("solution")}


def write(path: Path, answers: dict[str, str | None]) -> None:
    """Put answers into a released notebook."""
    book = json.loads(path.read_text(encoding="utf-8"))
    for cell in book["cells"]:
        answer = answers.get(cell["metadata"].get("nbgrader", {}).get("grade_id", ""))
        if answer is not None:
            cell["source"] = answer.splitlines(keepends=True)
    path.write_text(json.dumps(book, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def run(old: Path, program: str) -> None:
    """Run a program with the first edition's package."""
    subprocess.run([sys.executable, "-c", program], cwd=old, check=True, env={**os.environ, "PYTHONPATH": str(old)})


if __name__ == "__main__":
    main()
