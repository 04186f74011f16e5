"""A class gets its marks: honest accidents cost what they cost, and every way to grade gives the same."""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, resource_tracker
from pathlib import Path

import grading_course as toy
import psutil
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from convcraft.commands import ROOT, main
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.nbgrader.students import NAMES, name_students
from convcraft.grading.notebook.submitted import shown
from convcraft.grading.pool import follow_parent
from convcraft.grading.sandbox.run import Limits

pytestmark = [pytest.mark.xdist_group("grading"), pytest.mark.sandbox]


def _answers(**changed: str) -> dict[str, str]:
    return {**toy.RIGHT, **changed}


def _saying(statement: str) -> dict[str, str]:
    """A right answer that does something besides."""
    return _answers(toy_relu=f"import sys, warnings\nimport matplotlib.pyplot as plt\n\ndef toy_relu(x):\n"
                             f"    {statement}\n    return x * (x > 0)")


def _elsewhere(root: Path) -> None:
    """A worker on another machine: it knows the course by the folder that it was started in."""
    follow_parent()
    os.chdir(root)


def _with_cell(source: str, answers: dict[str, str], position: int = 0):
    def make(root: Path) -> dict:
        book = toy.notebook(root, answers)
        book["cells"].insert(position, toy.code(source))
        return book

    return make


# student: notebook, points
ACCIDENTS = {
    "right": (_answers(), 100),
    "unanswered": ({}, 0),
    "endless-loop": (_answers(toy_relu="def toy_relu(x):\n    while True: pass"), 60),
    "endless-loop-in-the-last": (_answers(toy_average="def toy_average(x):\n    while True: pass"), 70),
    "python-dies-in-an-answer": (_answers(toy_affine="import os\ndef toy_affine(*a):\n    os._exit(1)"), 70),
    "python-dies-between": (_with_cell("import os; os._exit(1)", _answers(), 5), 100),
    "memory-runs-out": (_answers(toy_relu="def toy_relu(x):\n    return x.repeat(2**40)"), 60),
    "syntax-error": (_answers(toy_relu="def toy_relu(x:\n    return"), 60),
    "own-cell-fails": (_with_cell("1 / 0", _answers(), 3), 100),
    "helper-in-own-cell": (_with_cell("def helper(x):\n    return x * (x > 0)",
                                      _answers(toy_relu="def toy_relu(x):\n    return helper(x)")), 100),
    "answer-in-own-cell": (_with_cell(toy.RIGHT["toy_relu"], _answers(toy_relu="# see above")), 100),
    "prints": (_saying("print('here', x)"), 100),
    "complains": (_saying("print('oh', file=sys.stderr)"), 100),
    "warns": (_saying("warnings.warn('careful')"), 100),
    "draws": (_saying("plt.plot([1, 2]); plt.show()"), 100),
    "prints-around": (_with_cell("print('hello')\nimport sys; print('oh', file=sys.stderr)", _answers(), 7), 100),
}


def _hand_in(root: Path) -> None:
    for student, (book, _) in ACCIDENTS.items():
        toy.submit(root, student, book(root) if callable(book) else toy.notebook(root, book))


@pytest.fixture(scope="module")
def unmarked(toy_root, tmp_path_factory) -> Path:
    root = toy.copied(toy_root, tmp_path_factory.mktemp("accidents") / "course")
    _hand_in(root)
    (root / "exam_seed").write_text("7")
    with open(root / "nbgrader_config.py", "a") as config:
        config.write("\nc.Mark.seconds = 2.0\nc.Mark.memory = 512\n")
    return root


@pytest.fixture(scope="module")
def marked(unmarked, tmp_path_factory) -> Path:
    root = toy.copied(unmarked, tmp_path_factory.mktemp("marked") / "course")
    summary = grade_class(root, feedback=True, course=Course(root, root / "source", limits=Limits(2.0, 512 * 2**20)))
    assert not summary.problems
    return root


@pytest.mark.parametrize("student", ACCIDENTS)
def test_an_accident_costs_what_it_spoils_and_no_more(student, marked):
    assert toy.points(marked)[student] == ACCIDENTS[student][1]


def test_nbgraders_own_command_gives_the_same_marks(unmarked, marked, tmp_path):
    root = toy.copied(unmarked, tmp_path / "course")
    run = subprocess.run([Path(sys.executable).with_name("nbgrader"), "autograde", "01_toy"], cwd=root,
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    for student in ACCIDENTS:
        assert toy.rows(root, student) == toy.rows(marked, student)
        assert toy.graded_notebook(root, student) == toy.graded_notebook(marked, student)


def test_an_executor_of_ones_own_gives_the_same_marks(unmarked, marked, tmp_path):
    root = toy.copied(unmarked, tmp_path / "course")
    students = ["right", "unanswered", "prints", "endless-loop", "python-dies-in-an-answer"]
    course = Course(root, root / "source", limits=Limits(2.0, 512 * 2**20))
    resource_tracker.ensure_running()  # spawning starts it, and it stays
    before = set(psutil.Process().children(recursive=True))
    # Nothing is inherited by spawned workers: as on another machine, each starts its own warm process.
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=_elsewhere, initargs=(root,)) as executor:
        summary = grade_class(root, students=students, workers=2, course=course, executor=executor)
        family = set(psutil.Process().children(recursive=True)) - before
    assert len(family) > 2
    assert not psutil.wait_procs(family, timeout=20)[1]
    assert sorted(item.student for item in summary.graded) == sorted(students) and not summary.problems
    for student in students:
        assert toy.rows(root, student) == toy.rows(marked, student)
        assert toy.graded_notebook(root, student) == toy.graded_notebook(marked, student)


def test_feedback_has_points_diagnoses_and_what_was_printed(marked):
    page = (marked / "feedback/prints/01_toy/toy.html").read_text()
    assert "Score: 100" in page and "here" in page


def test_whoever_answered_nothing_is_told_so(marked):
    assert ("toy_relu", "No response.", None) in toy.rows(marked, "unanswered")


@pytest.mark.parametrize("fresh", [True, False])
def test_nobody_else_on_the_machine_can_read_marks_whatever_the_umask(fresh, toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    closed = [root / name for name in ("gradebook.db", "autograded", "feedback", "submitted")]
    if fresh:
        closed[0].unlink()
    else:
        for path in closed[1:3]:
            path.mkdir()
        for path in closed:
            path.chmod(0o777 if path.is_dir() else 0o666)
    command = 'umask 022; "$@"'
    for program in (["convcraft", "grade", "--course", str(root), "--feedback"],
                    ["convcraft", "report", "--course", str(root), "--output", str(root / "report.html")]):
        program[0] = str(Path(sys.executable).with_name(program[0]))
        run = subprocess.run(["sh", "-c", command, "-", *program], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
    assert not [path for path in (*closed, root / "report.html", root / "exam_seed") if path.stat().st_mode & 0o007]
    assert toy.points(root) == {"ada": 100}


def test_a_page_of_feedback_can_be_released_whatever_the_umask(toy_root, tmp_path):
    """nbgrader copies a page into the exchange with its mode: its student must be able to read it there."""
    root = toy.copied(toy_root, tmp_path / "course")
    toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    before = os.umask(0o077)
    try:
        grade_class(root, feedback=True)
    finally:
        os.umask(before)
    assert (root / "feedback/ada/01_toy/toy.html").stat().st_mode & 0o777 == 0o644


def test_a_mark_given_by_hand_survives_a_regrade(marked, tmp_path):
    root = toy.copied(marked, tmp_path / "course")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        mark = gradebook.find_grade("toy_relu_exam", "toy", "01_toy", "right")
        mark.manual_score, mark.extra_credit = 33.0, 2.0
        gradebook.find_comment("toy_relu", "toy", "01_toy", "right").manual_comment = "Seen."
        gradebook.db.commit()
    grade_class(root, students=["right"], force=True)
    assert toy.points(root)["right"] == 33 + 2 + 60
    assert ("toy_relu", None, "Seen.") in toy.rows(root, "right")
    assert ("toy_relu_exam", 40, 33.0, True) in toy.rows(root, "right")  # shown for review


def test_what_has_marks_is_left_alone_until_it_is_new(marked, tmp_path):
    root = toy.copied(marked, tmp_path / "course")
    toy.submit(root, "right", toy.notebook(root, toy.WRONG))
    assert grade_class(root).skipped == len(ACCIDENTS)
    (root / "submitted/right/01_toy/timestamp.txt").write_text("2030-01-01 10:00:00.0 UTC")
    summary = grade_class(root)
    assert [item.student for item in summary.graded] == ["right"]
    assert toy.points(root)["right"] == 10


@pytest.mark.parametrize(("pattern", "graded"), [
    (NAMES, {"ada"}), (r"[^/\n]+", {"ada", "名前 ü", "--help", "$(touch x)"})])
def test_a_folder_whose_name_is_no_students_is_named_and_the_others_graded(pattern, graded, toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    folders = ["ada", "名前 ü", "--help", "new\nline", "$(touch x)"]
    for student in folders:
        toy.submit(root, student, toy.notebook(root, toy.RIGHT))
    name_students(pattern)
    try:
        result = CliRunner().invoke(main, ["grade", "--course", str(root), "--json"])
    finally:
        name_students()
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert {item["student"]: item["points"] for item in told["graded"]} == dict.fromkeys(graded, 100)
    assert {problem["student"] for problem in told["problems"]} == {shown(each) for each in set(folders) - graded}


@pytest.fixture(scope="module")
def command(marked):
    def run(*options: str, course: Path = marked):
        return CliRunner().invoke(main, ["grade", "--course", str(course), *options])

    return run


def test_the_command_says_what_it_did(command):
    result = command("--force", "--student", "right", "--student", "unanswered", "--workers", "2", "--timeout", "5",
                     "--memory", "512")
    assert result.exit_code == 0
    assert re.search(r"Graded 2 submissions in [\d.]+ s\. Mean 50% of the points\.", result.stdout)


def test_json_is_all_that_is_printed(command):
    told = json.loads(command("--json").output)
    assert told["skipped"] == len(ACCIDENTS) and told["graded"] == told["problems"] == []


@pytest.mark.parametrize(("options", "status", "words"), [
    (["--student", "nobody"], 1, "nothing from 'nobody'"),
    (["--assignment", "09_none"], 1, "no assignment '09_none'; there are 01_toy"),
    (["--workers", "0"], 2, "'--workers'"),
    (["--work", ".", "--student", "right"], 2, "leave out --student"),
])
def test_what_does_not_fit_is_told_so(options, status, words, command):
    result = command(*options)
    assert result.exit_code == status
    assert words in result.output


def test_another_folder_is_told_so(command, tmp_path):
    result = command(course=tmp_path)
    assert result.exit_code == 1
    assert "nbgrader_config.py is missing; name the course's folder, or go there" in result.output


@pytest.fixture
def readers(toy_root, tmp_path) -> Path:
    """A course with a reader's own work, and nobody who has submitted."""
    root = toy.copied(toy_root, tmp_path / "course")
    chapter = root / "work/01_toy"
    chapter.mkdir(parents=True)
    answers = {"toy_relu": toy.WRONG["toy_relu"], "toy_affine": toy.RIGHT["toy_affine"]}
    (chapter / "toy.ipynb").write_text(json.dumps(toy.notebook(root, answers)))
    return root


def test_a_reader_gets_points_and_diagnoses_exercise_by_exercise(readers, command):
    before = (readers / "work/01_toy/toy.ipynb").read_bytes()
    result = command("--everything", course=readers)
    assert result.exit_code == 0
    assert re.search(r"01_toy  30 of 100 points\n"
                     r"  ✗ toy_relu +0 of 40\n"
                     r"      values, habits: The sign was dropped instead of the negative numbers\.\n"
                     r"  ✓ toy_affine +30 of 30\n"
                     r"  · toy_average +0 of 30  not answered yet\n", result.stdout)
    page = Path(re.search(r"file://(\S+\.html)", result.stdout)[1]).read_text()
    assert "The sign was dropped" in page
    assert (readers / "work/01_toy/toy.ipynb").read_bytes() == before
    assert not (readers / "autograded").exists()


def test_a_reader_needs_no_sandbox(readers, command, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    result = command("--everything", course=readers)
    assert result.exit_code == 0
    assert "Your code runs without a sandbox here." in result.stdout
    assert "01_toy  30 of 100 points" in result.stdout


def test_the_class_is_graded_with_the_readers_work(readers, command):
    toy.submit(readers, "somebody", toy.notebook(readers, toy.RIGHT))
    told = json.loads(command("--everything", "--json", course=readers).stdout)
    assert told["work"]["chapters"][0]["points"] == 30
    assert [item["points"] for item in told["class"]["graded"]] == [100]
    assert (readers / "feedback/somebody/01_toy/toy.html").is_file()


def test_nothing_to_grade_is_told_so(toy_root, command):
    result = command("--everything", course=toy_root)
    assert result.exit_code == 0
    assert "There is nothing to grade: no chapter in" in result.output


def test_make_grade_grades_everything():
    assert re.search(r"^grade:.*\n\t@?\$\(BIN\)/convcraft grade --everything$", (ROOT / "Makefile").read_text(), re.M)
