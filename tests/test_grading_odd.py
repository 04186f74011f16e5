"""What people really hand in, graded: a right answer that is there earns its points; what is not run is named."""

import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import grading_course as toy
import nbformat
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

from convcraft.commands import main
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.sandbox.run import Limits
from convcraft.layout import course_config

pytestmark = pytest.mark.xdist_group("odd")


def _first(statement: str) -> dict[str, str]:
    """Right answers, with something above the first one in its cell."""
    return {**toy.RIGHT, "toy_relu": f"{statement}\n{toy.RIGHT['toy_relu']}"}


def _with_cells(position: int, *sources: str, **answers: str):
    def make(root: Path) -> dict:
        book = toy.notebook(root, {**toy.RIGHT, **answers})
        book["cells"][position:position] = [toy.code(source) for source in sources]
        return book

    return make


def _without_metadata(root: Path) -> dict:
    book = toy.notebook(root, toy.RIGHT)
    for cell in book["cells"]:
        cell["metadata"] = {}
    return book


_NO_TK = "ImportError" if find_spec("_tkinter") and find_spec("tkinter") else "ModuleNotFoundError"  # or no display
_SLOW = [f"import time; time.sleep(1.1)  # {number}" for number in range(14)]
_IMPORTS = "from mypool import two\n\ndef toy_relu(x):\n    return x * (x > 0) * two / 2"

# student: what is handed in, points, and what the remarks or the comment on toy_relu say
ODD = {
    "without-metadata": (_without_metadata, 100, ""),
    "matplotlib-inline": (_first("%matplotlib inline"), 100, ""),
    "matplotlib-widget": (_first("%matplotlib widget"), 100, ""),
    "matplotlib-notebook": (_first("%matplotlib notebook"), 100, ""),
    "unknown-magic": (_first("%load_ext not_there"), 100, "The magic %load_ext was skipped here"),
    "unknown-line-magic": (_first("%not_a_magic 3"), 100, "The magic %not_a_magic was skipped here"),
    "cell-magic": ({**toy.RIGHT, "toy_relu": "%%time\n" + toy.RIGHT["toy_relu"]}, 100, ""),
    "unknown-cell-magic": ({**toy.RIGHT, "toy_relu": "%%nothing\n" + toy.RIGHT["toy_relu"]}, 100, "%%nothing"),
    "writefile": (_with_cells(1, "%%writefile mypool.py\ntwo = 2", toy_relu=_IMPORTS), 100, ""),
    "input": (_first("name = input()"), 60, "the cell that defines it stopped at line 1: "),
    "colab": (_first("\nfrom google.colab import drive"), 60, "at line 2: ModuleNotFoundError: No module named"),
    "tk": (_first("import matplotlib\nmatplotlib.use('TkAgg')"), 60, f"at line 2: {_NO_TK}"),
    "syntax": ({**toy.RIGHT, "toy_relu": "def toy_relu(x:\n    return x"}, 60, "at line 1: "),
    "slow-own-cells": (_with_cells(5, *_SLOW), 100, "the time for cells of your own, 4 seconds, was used up"),
    "endless-own-cell": (_with_cells(5, "while True: pass"), 100, "This ran longer than 2 seconds and was stopped."),
    "broken": (b"{", 0, "cannot be read: it is empty, cut off, or no notebook"),
}


@pytest.fixture(scope="module")
def unmarked(toy_root, tmp_path_factory) -> Path:
    root = toy.copied(toy_root, tmp_path_factory.mktemp("odd") / "course")
    for student, (made, _, _) in ODD.items():
        if isinstance(made, dict):
            made = toy.notebook(root, made)
        toy.submit(root, student, made(root) if callable(made) else made)
    return root


@pytest.fixture(scope="module")
def marked(unmarked) -> Path:
    limits = Limits(seconds=2.0, memory=512 * 2**20, own_seconds=4.0)
    course = Course(unmarked, unmarked / "source", limits=limits)
    assert not grade_class(unmarked, feedback=True, course=course).problems
    return unmarked


@pytest.mark.parametrize("student", ODD)
def test_what_is_right_earns_its_points_and_what_was_not_run_is_named(student, marked):
    _, points, said = ODD[student]
    assert toy.points(marked)[student] == points
    cells = toy.graded_notebook(marked, student)
    remarks = cells[0]["source"] if cells[0].get("id") == "remarks" else ""
    (comment,) = [row[1] or "" for row in toy.rows(marked, student) if row[0] == "toy_relu" and len(row) == 3]
    assert said in re.sub(r"\\(.)", r"\1", remarks) + comment
    if not said:
        assert not remarks and not comment


def test_remarks_are_on_the_page_that_the_student_gets(marked):
    page = (marked / "feedback/broken/01_toy/toy.html").read_text()
    assert "Remarks of the grader" in page and "cut off, or no notebook" in page


def test_remarks_are_on_nbgraders_pages_too(marked, tmp_path):
    """Its feedback and the formgrader use the exporter's preprocessors that `nbgrader_config.py` names."""
    from convcraft.grading.nbgrader.pages import Answers

    book = nbformat.read(marked / "autograded/broken/01_toy/toy.ipynb", 4)
    shown, _ = Answers().preprocess(book, {})
    assert "Remarks of the grader" in shown.cells[0].source


# --- where it lies ------------------------------------------------------------------------------------------------

def _two_chapters(root: Path) -> None:
    """The course with the toy chapter released a second time, under other names."""
    text = (root / "notebooks/en/01_toy/toy.ipynb").read_text()
    (root / "notebooks/en/02_top").mkdir()
    (root / "notebooks/en/02_top/top.ipynb").write_text(re.sub(r'("(grade_)?id": ")', r"\1other-", text))


def test_what_lies_where_it_does_not_belong_is_graded_and_named_and_ends_with_3(toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    _two_chapters(root)
    right, empty = toy.notebook(root, toy.RIGHT), toy.notebook(root, {})
    folders = {"folder": "01-Toy", "deeper": "homework/01_toy", "exchanged": "02_top", "none": ".", "right": "01_toy"}
    for student, folder in folders.items():
        target = root / "submitted" / student / folder
        target.mkdir(parents=True)
        (target / "toy.ipynb").write_text(json.dumps(right))
    toy.submit(root, "best", empty)
    (root / "submitted/best/toy.ipynb").write_text(json.dumps(right))
    toy.submit(root, "mine", right)
    (root / "submitted/mine/toy.ipynb").write_text(json.dumps(empty))
    (root / "submitted/notes/02-Top").mkdir(parents=True)
    (root / "submitted/notes/02-Top/recipe.ipynb").write_text('{"cells": []}')
    toy.submit(root, "ben", right, "Copy_of toy (2).ipynb")
    result = CliRunner().invoke(main, ["grade", "--course", str(root)])
    assert result.exit_code == 3
    assert toy.points(root) == dict.fromkeys([*folders, "best", "mine", "ben"], 100)
    for student, place in (("folder", "01-Toy/"), ("deeper", "homework/01_toy/"), ("exchanged", "02_top/"),
                           ("none", ""), ("best", ""), ("mine", "")):
        said = f"{student}, {place}toy.ipynb: {place}toy.ipynb: it holds 01_toy and lies in another place"
        assert said in result.output
    assert "notes, 02-Top: 02-Top: there is no assignment of this name; did you mean 02_top?" in result.output
    assert "Copy_of toy (2).ipynb holds this chapter's cells and was graded in its place." in result.output
    assert "right, " not in result.output
    again = CliRunner().invoke(main, ["grade", "--course", str(root)])
    assert again.exit_code == 3 and "Graded 0 submissions" in again.output


def test_no_submission_is_left_out_in_silence(toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    right, submitted = json.dumps(toy.notebook(root, toy.RIGHT)), root / "submitted"
    for place in ("lovelaceada_11_901_toy.ipynb", "all.ZIP", "notes.txt", "ada/01_toy.zip", "ada/notes.txt",
                  "Ben Béla/toy.ipynb", "Cleo C/01-toy/toy.ipynb"):
        (submitted / place).parent.mkdir(parents=True, exist_ok=True)
        (submitted / place).write_text(right)
    (submitted / "Nobody N").mkdir()
    result = CliRunner().invoke(main, ["grade", "--course", str(root)])
    assert result.exit_code == 3
    for said in ("lovelaceada_11_901_toy.ipynb, submitted: lovelaceada_11_901_toy.ipynb: it lies beside the students'",
                 "all.ZIP, submitted: all.ZIP: it lies beside", "ada, 01_toy.zip: 01_toy.zip: an archive is not",
                 "Ben Béla, toy.ipynb: Ben Béla is no name for a student", "Cleo C, 01-toy: Cleo C is no name for a"):
        assert said in result.output
    assert "notes" not in result.output and "Nobody" not in result.output


def test_a_cell_that_only_shows_something_and_is_not_run_is_named(toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    book = toy.notebook(root, toy.RIGHT)
    demo = next(cell for cell in book["cells"] if "demo" in cell["metadata"].get("tags", []))
    demo["source"] = "\nmine = 3"
    toy.submit(root, "ada", book)
    (item,) = grade_class(root).graded
    assert item.points == 100
    assert item.remarks == ["Cells that only show something were changed and not run, for no answer needs what they "
                            "define: 1, of which the first begins with “mine = 3”."]


# --- chapters that change -----------------------------------------------------------------------------------------

def _released(root: Path) -> dict:
    return json.loads((root / "notebooks/en/01_toy/toy.ipynb").read_text())


def _release(root: Path, book: dict) -> None:
    (root / "notebooks/en/01_toy/toy.ipynb").write_text(json.dumps(book))


def _exam(book: dict, name: str) -> dict:
    return toy.solution(book, f"{name}_exam")


@pytest.fixture
def changing(toy_root, tmp_path) -> Path:
    """A class with marks of two exercises; the release has a third one, and other points, since."""
    root = toy.copied(toy_root, tmp_path / "course")
    whole = _released(root)
    old = json.loads(json.dumps(whole))
    old["cells"] = [cell for cell in old["cells"]
                    if not cell["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("toy_average")]
    _exam(old, "toy_affine")["metadata"]["nbgrader"]["points"] = 60
    (root / "gradebook.db").unlink()
    _release(root, old)
    toy.submit(root, "old", toy.notebook(root, toy.RIGHT))
    grade_class(root)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.find_grade("toy_affine_exam", "toy", "01_toy", "old").auto_score = 60  # all that there were then
        gradebook.db.commit()
    _release(root, whole)
    toy.released.cache_clear()
    return root


def test_the_gradebook_follows_a_release_that_has_changed(changing):
    with Gradebook(f"sqlite:///{changing}/gradebook.db") as gradebook:
        before = gradebook.find_assignment("01_toy").max_score
    toy.submit(changing, "new", toy.notebook(changing, toy.RIGHT))
    result = CliRunner().invoke(main, ["grade", "--course", str(changing), "--feedback"])
    assert result.exit_code == 0, result.output
    assert "toy_average_exam is new, 30 points" in result.output
    assert "toy_affine_exam counts 30 points in place of 60" in result.output
    copies = list(changing.glob("gradebook.db.before-*"))
    assert len(copies) == 1 and copies[0].stat().st_mode & 0o077 == 0
    with Gradebook(f"sqlite:///{copies[0]}") as gradebook:
        assert gradebook.find_assignment("01_toy").max_score == before == 100
    with Gradebook(f"sqlite:///{changing}/gradebook.db") as gradebook:
        assert gradebook.find_assignment("01_toy").max_score == 100
        assert gradebook.find_submission("01_toy", "old").score == 70  # 40, and 60 of 60 now 30 of 30
        assert gradebook.find_submission("01_toy", "new").score == 100
    assert (changing / "feedback/old/01_toy/toy.html").is_file()
    grade_class(changing, force=True)
    assert toy.points(changing) == {"old": 70, "new": 100}  # the old one was handed in without the new exercise
    assert len(list(changing.glob("gradebook.db.before-*"))) == 1  # nothing more has changed


def test_a_retired_exercise_keeps_its_marks_and_counts_toward_nobodys_maximum(changing):
    old = _released(changing)
    old["cells"] = [cell for cell in old["cells"]
                    if not cell["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("toy_relu")]
    _release(changing, old)
    summary = grade_class(changing)
    assert any("toy_relu_exam is no longer in the release" in change for change in summary.changes)
    with Gradebook(f"sqlite:///{changing}/gradebook.db") as gradebook:
        assert gradebook.find_assignment("01_toy").max_score == 60
        assert gradebook.find_grade("toy_relu_exam", "toy", "01_toy", "old").auto_score == 40
        assert gradebook.find_submission("01_toy", "old").score == 70  # its 40, and 30 of the 60 that there are
    report = changing / "report.html"
    result = CliRunner().invoke(main, ["report", "--course", str(changing), "--output", str(report)])
    assert result.exit_code == 0, result.output
    assert "toy_relu (retired)" in result.output


def test_an_older_gradebook_is_told_what_to_do(toy_root, tmp_path):
    import sqlite3

    root = toy.copied(toy_root, tmp_path / "course")
    toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    with sqlite3.connect(root / "gradebook.db") as database:
        database.execute("ALTER TABLE submitted_notebook RENAME COLUMN late_submission_penalty TO penalty")
    result = CliRunner().invoke(main, ["grade", "--course", str(root)])
    assert result.exit_code == 1
    assert "nbgrader db upgrade" in result.output


def test_a_chapter_may_be_generated_anew_after_somebody_has_marks(changing):
    """As the formgrader's Generate does; nbgrader itself refuses."""
    answer = NbGraderAPI(config=course_config(changing)).generate_assignment("01_toy", force=True)
    assert answer["success"], answer
    with Gradebook(f"sqlite:///{changing}/gradebook.db") as gradebook:
        assert gradebook.find_grade("toy_average_exam", "toy", "01_toy", "old").auto_score is None
        assert gradebook.find_assignment("01_toy").max_score == 100
    assert len(list(changing.glob("gradebook.db.before-*"))) == 1


def test_what_has_changed_in_one_session_is_not_graded_by_what_was_kept(toy_root, tmp_path):
    """As in a formgrader that stays open: exam and release are others, and their files as old and as long as before."""
    root = toy.copied(toy_root, tmp_path / "course")
    toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    api = NbGraderAPI(config=course_config(root))
    earned = []
    for file, old, new in ((None, "", ""),
                           (root / "source/01_toy/exams/toy_affine.py", "return x * scale + ", "return x + scale + "),
                           (root / "notebooks/en/01_toy/toy.ipynb", '"points": 40', '"points": 50')):
        if file:
            times = file.stat().st_atime_ns, file.stat().st_mtime_ns
            file.write_text(file.read_text().replace(old, new))
            os.utime(file, ns=times)
        answer = api.autograde("01_toy", "ada", force=True)
        assert answer["success"], answer
        earned.append(toy.points(root)["ada"])
    assert earned == [100, 70, 80]
