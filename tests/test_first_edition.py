"""What the first edition left behind (`first_edition/make.py`): answers and marks stay; each is told what is new."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from convcraft.commands import ROOT
from convcraft.grading.classroom import grade_class
from convcraft.grading.report import gather
from convcraft.lab.work import lay_out
from convcraft.layout import CONFIG, RELEASED

OLD = Path(__file__).parent / "first_edition/course.tar.xz"
BOOK = "02_pooling/pooling.ipynb"


@pytest.fixture
def course(tmp_path):
    with tarfile.open(OLD) as packed:
        packed.extractall(tmp_path)  # our own archive
    return tmp_path


def test_a_readers_answers_stay_and_the_new_release_lies_beside_them(course):
    work = course / "work"
    answers = (work / BOOK).read_bytes()
    messages = lay_out(ROOT, work)
    assert (work / BOOK).read_bytes() == answers
    (message,) = [message for message in messages if "A new release of 02_pooling is out" in message]
    assert f"Your work in {work / '02_pooling'} stays as it is" in message
    (beside,) = work.glob("02_pooling-release-*/pooling.ipynb")
    assert beside.read_bytes() == (ROOT / RELEASED / BOOK).read_bytes()
    assert (work / ".progress.json").is_file()


CHAPTER = "02_pooling"
STUDENTS = ("ada", "ben", "cleo")


@pytest.fixture
def taught(course):
    """The class of the first edition, in a folder whose release is today's."""
    shutil.copy(ROOT / CONFIG, course)
    shutil.move(course / RELEASED / CHAPTER, course / "kept")
    return course


def marks(root: Path, student: str) -> dict[str, tuple[float, float]]:
    """A student's points, and how many there were, by exercise."""
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}") as book:
        (notebook,) = book.find_submission(CHAPTER, student).notebooks
        return {grade.name.removesuffix("_exam"): (grade.score, grade.max_score) for grade in notebook.grades}


def handed_in(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in (root / "submitted").rglob("*.ipynb")}


def points_of(folder: Path) -> dict[str, float]:
    """What a release promises for each exercise."""
    (path,) = folder.glob("*.ipynb")
    cells = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    return {cell["grade_id"].removesuffix("_exam"): cell["points"] for cell in cells if cell.get("grade")}


@pytest.mark.sandbox
@pytest.mark.xdist_group("grading")
def test_the_gradebook_follows_the_new_release_and_no_mark_is_lost(taught):
    before = {student: marks(taught, student) for student in STUDENTS}
    shares = {student: _shares(before[student]) for student in STUDENTS}
    work, today = handed_in(taught), points_of(ROOT / RELEASED / CHAPTER)
    summary = grade_class(taught, assignments=[CHAPTER])
    assert (summary.skipped, summary.graded, summary.problems) == (3, [], [])
    for student in STUDENTS:
        after = marks(taught, student)
        for name, (points, most) in before[student].items():
            if name in today:
                assert after[name] == (pytest.approx(points * today[name] / most), today[name])
            else:
                assert after[name] == (points, 0)
    copied, *said = summary.changes
    assert copied.startswith("The gradebook as it was before: ")
    changed = {name for name, (_, most) in before["ada"].items() if today.get(name) != most}
    assert all(any(f"{name}_exam " in each for each in said) for name in changed | today.keys() - before["ada"].keys())
    (chapter,) = gather(taught)
    assert {name: share for name, share in _reported(chapter).items() if name in before["ada"]} == {
        name: pytest.approx([shares[student][name] for student in STUDENTS]) for name in today.keys() & before["ada"]}
    assert handed_in(taught) == work


@pytest.mark.sandbox
@pytest.mark.xdist_group("grading")
def test_graded_again_an_old_answer_has_what_it_is_worth_today(taught):
    work, today = handed_in(taught), points_of(ROOT / RELEASED / CHAPTER)
    with Gradebook(f"sqlite:///{taught / 'gradebook.db'}") as book:
        book.find_grade("max_pool2d_exam", "pooling", CHAPTER, "ada").manual_score = 1.5
        book.db.commit()
    old = marks(taught, "ada")
    summary = grade_class(taught, students=["ada"], assignments=[CHAPTER], force=True, feedback=True)
    assert (len(summary.graded), summary.problems) == (1, [])
    after = marks(taught, "ada")
    assert after.pop("max_pool2d")[0] == pytest.approx(1.5)
    assert {name: points for name, (points, _) in after.items() if name in old and name in today} == {
        name: points for name, points in today.items() if name in after and name in old}
    assert {name for name, (points, most) in after.items() if most and not points} == today.keys() - old.keys()
    assert (taught / "feedback/ada" / CHAPTER / "pooling.html").is_file()
    assert handed_in(taught) == work


@pytest.mark.sandbox
@pytest.mark.xdist_group("grading")
def test_a_class_that_keeps_the_old_release_is_paid_in_its_points(taught):
    shutil.move(taught / "kept", taught / RELEASED / CHAPTER)
    promised, old = points_of(taught / RELEASED / CHAPTER), marks(taught, "ben")
    summary = grade_class(taught, students=["ben"], assignments=[CHAPTER], force=True, feedback=True)
    assert summary.changes == []
    (graded,) = summary.graded
    assert graded.max_points == sum(promised.values()) == 100
    after = marks(taught, "ben")
    assert {name: most for name, (_, most) in after.items()} == promised
    assert {name for name, (points, most) in after.items() if points < most} == {"global_avg_pool2d"}
    assert after["global_avg_pool2d"][0] <= old["global_avg_pool2d"][0]
    page = (taught / "feedback/ben" / CHAPTER / "pooling.html").read_text(encoding="utf-8")
    assert f"{promised['max_pool2d']:g} of {promised['max_pool2d']:g} points" in page


def _shares(given: dict[str, tuple[float, float]]) -> dict[str, float]:
    return {name: points / most for name, (points, most) in given.items()}


def _reported(chapter) -> dict[str, list[float]]:
    return {name: exercise.shares for name, exercise in chapter.exercises.items()}
