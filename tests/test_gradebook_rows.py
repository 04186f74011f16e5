"""What the one that records writes for a batch is what nbgrader would have written, one submission after another."""

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta

import grading_course as toy
import pytest
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from convcraft.grading.course import Task
from convcraft.grading.mark import CellMark, MarkedNotebook, MarkedSubmission
from convcraft.grading.nbgrader.gradebook import GradebookWriter
from convcraft.layout import course_config

_DUE = datetime(2030, 1, 1)


@pytest.fixture
def course(toy_root, tmp_path):
    """A course that takes all points from whoever is late."""
    root = toy.copied(toy_root, tmp_path / "course")
    with open(root / "nbgrader_config.py", "a") as config:
        config.write("\nc.LateSubmissionPlugin.penalty_method = 'zero'\n")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.update_or_create_assignment("01_toy", duedate=_DUE)
    return root


def _result(root, student, hours: float | None = None, *, points: float = 40.0) -> MarkedSubmission:
    """A result of somebody who handed in so many hours before it was due (None: does not say when)."""
    folder = toy.submit(root, student, toy.notebook(root, {}))
    if hours is not None:
        (folder / "timestamp.txt").write_text(f"{_DUE - timedelta(hours=hours):%Y-%m-%d %H:%M:%S} UTC")
    marks = [CellMark("toy_relu_exam", "toy_relu", points, 40, f"for {student}", {})]
    return MarkedSubmission(Task(student, "01_toy", folder, (), 1), [MarkedNotebook("toy", "{}", marks, [])])


def _write(root, *batches: list[MarkedSubmission]) -> None:
    config = course_config(root)
    with contextlib.closing(GradebookWriter(CourseDirectory(config=config), config)) as writer:
        for batch in batches:
            writer.write(batch)


def _penalties(root) -> dict[str, float | None]:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        return {each.student.id: each.notebooks[0].late_submission_penalty
                for each in gradebook.assignment_submissions("01_toy")}


def test_a_batch_has_the_rows_of_submissions_written_one_by_one(course, tmp_path):
    results = [_result(course, f"s{number}", 1, points=number) for number in range(4)]
    other = toy.copied(course, tmp_path / "other")
    _write(course, results)
    _write(other, *([each] for each in results))
    assert toy.points(course) == {f"s{number}": number for number in range(4)} == toy.points(other)
    assert toy.rows(course, "s3") == toy.rows(other, "s3")
    assert set(toy.rows(course, "s3")) == {
        ("toy_relu_exam", 3.0, None, False), ("toy_affine_exam", None, None, True),
        ("toy_average_exam", None, None, True), ("toy_relu", "for s3", None), ("toy_affine", None, None),
        ("toy_average", None, None)}


def test_a_second_mark_takes_the_place_of_the_first_and_a_persons_stands(course):
    first = [_result(course, "ada", 1), _result(course, "ben", 1)]
    _write(course, first)
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.find_grade("toy_relu_exam", "toy", "01_toy", "ben").manual_score = 7.0
        gradebook.db.commit()
    _write(course, [_result(course, "cleo", 1, points=2.0), _result(course, "ada", 1, points=1.0),
                    _result(course, "ben", 1, points=5.0)])
    assert toy.points(course) == {"ada": 1.0, "ben": 7.0, "cleo": 2.0}
    assert ("toy_relu_exam", 5.0, 7.0, True) in toy.rows(course, "ben")
    assert len(toy.rows(course, "ada")) == len(toy.rows(course, "cleo"))


def test_whoever_is_late_has_the_penalty_that_the_configuration_names(course):
    results = [_result(course, "early", 1), _result(course, "late", -1), _result(course, "extended", -1),
               _result(course, "silent")]
    _write(course, results)
    assert _penalties(course) == {"early": None, "late": 40.0, "extended": 40.0, "silent": None}
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        gradebook.grant_extension("01_toy", "extended", hours=2)
    _write(course, [replace(each) for each in results])
    assert _penalties(course) == {"early": None, "late": 40.0, "extended": None, "silent": None}
