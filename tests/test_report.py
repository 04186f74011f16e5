"""The report says where a class stumbles."""

import re

import grading_course as toy
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook

from convcraft.cli import main
from convcraft.grading.grade import grade
from convcraft.report import NoMarksError, gather

pytestmark = pytest.mark.xdist_group("grading")
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
    grade(root)
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.add_student("emil")
    return root


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
