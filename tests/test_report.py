"""The report says where a class stumbles."""

import contextlib
import re
import sqlite3
import time
from pathlib import Path

import grading_course as toy
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from convcraft.commands import main
from convcraft.grading.classroom import grade_class
from convcraft.grading.report import NoMarksError, gather

pytestmark = [pytest.mark.xdist_group("grading"), pytest.mark.sandbox]
CLASS = {
    "ada": toy.RIGHT,
    "ben": {**toy.RIGHT, "toy_affine": toy.WRONG["toy_affine"]},
    "cleo": {**toy.RIGHT, "toy_affine": toy.WRONG["toy_affine"], "toy_relu": toy.WRONG["toy_relu"]},
    "dana": {},
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = toy.make(tmp_path_factory.mktemp("report") / "course")
    for student, answers in CLASS.items():
        toy.submit(root, student, toy.notebook(root, answers))
    grade_class(root)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.add_student("emil")
    return root


def _enlarge(root: Path, like: str, graded: int, students: int) -> None:
    """Let so many more students be there, and so many of them have the marks of one: rows and links, no grading."""
    with contextlib.closing(sqlite3.connect(root / "gradebook.db")) as book, book:
        def copied(table: str, column: str, values: list[str], rename: dict[str, str]) -> list[str]:
            """Copy the rows where `column` is one of `values`, with new names for the ids; the old ids."""
            places = ", ".join("?" * len(values))
            found = book.execute(f"SELECT * FROM {table} WHERE {column} IN ({places})", values)
            ids = []
            for row in found.fetchall():
                ids.append(row[0])
                rename.setdefault(row[0], f"{row[0]}/{student}")
                book.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})",
                             [rename.get(value, value) for value in row])
            return ids

        for number in range(students):
            student = f"student-{number:04}"
            rename = {like: student}
            copied("student", "id", [like], rename)
            if number < graded:
                submitted = copied("submitted_assignment", "student_id", [like], rename)
                copied("grade", "notebook_id", copied("submitted_notebook", "assignment_id", submitted, rename), rename)
                (root / "autograded" / student).symlink_to(root / "autograded" / like)


def test_a_class_of_1000_is_as_readable_as_one_of_5(course, tmp_path):
    root = toy.copied(course, tmp_path / "course")
    _enlarge(root, "cleo", 696, 995)  # with the five: 700 submissions, 1000 students
    page, begin = tmp_path / "report.html", time.monotonic()
    done = CliRunner().invoke(main, ["report", "--course", str(root), "--output", str(page)])
    assert done.exit_code == 0, done.output
    assert time.monotonic() - begin < 30
    assert "698 of 700, toy_affine: The shift was added before scaling." in done.output
    assert "student-0714 and 280 more" in " ".join(done.output.split())
    assert len(done.output) < 3000
    html = page.read_text()
    names = html.split("<summary>Handed in nothing: 300 of 1000</summary>")[1].split("</details>")[0].split(", ")
    assert len(names) == 300 and names[0] == "emil" and names[-1] == "student-0994"
    assert "student-" not in html.split("<details>")[0]


def test_nothing_graded_is_told_so(tmp_path):
    with pytest.raises(NoMarksError, match="make grade"):
        gather(toy.make(tmp_path / "course"))


def test_mistakes_are_counted_and_the_commonest_comes_first(course):
    (chapter,) = gather(course)
    assert chapter.exercises["toy_affine"].mistakes == {"The shift was added before scaling.": 2}
    assert chapter.exercises["toy_affine"].bands == [1, 2, 0, 1]
    assert chapter.exercises["toy_relu"].unanswered == 1
    assert chapter.missing == ["emil"]
    assert chapter.totals == {"ada": 1, "ben": pytest.approx(0.8), "cleo": pytest.approx(0.4), "dana": 0}


def test_the_command_prints_a_table_and_writes_a_page_that_needs_nothing_else(course, tmp_path):
    page = tmp_path / "report.html"
    done = CliRunner().invoke(main, ["report", "--course", str(course), "--output", str(page)])
    assert done.exit_code == 0, done.output
    assert "2 of 4, toy_affine: The shift was added before scaling." in done.output
    assert "Handed in nothing: emil" in done.output
    html = page.read_text()
    assert "2 of 4" in html and "data:image/svg+xml" in html
    assert not re.search(r"(src|href)=\"(?!data:)", html)
    assert re.search(r'alt="toy_relu: \d none of the points', html)


def test_a_mark_changed_by_hand_counts(course):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        mark = gradebook.find_grade("toy_relu_exam", "toy", "01_toy", "dana")
        mark.manual_score = 40
        gradebook.db.commit()
    (chapter,) = gather(course)
    assert chapter.totals["dana"] == pytest.approx(0.4)
