"""Nobody's code gains a mark, touches another's, or stops the batch."""

import json
import os
import socket
import time
from pathlib import Path

import grading_course as toy
import hostile
import pytest
from nbgrader.api import Gradebook

from convcraft.grading.grade import grade
from convcraft.grading.mark import Course
from convcraft.grading.run import Limits

_HONEST = 6


def _hand_in_honestly(root: Path) -> None:
    for number in range(_HONEST):
        answers = toy.RIGHT if number % 2 else toy.WRONG
        toy.submit(root, f"honest-{number}", toy.notebook(root, answers))


def _course(root: Path) -> Course:
    return Course(root, root / "source", limits=Limits(seconds=2.0, memory=512 * 2**20))


@pytest.fixture(scope="session")
def listeners(tmp_path_factory):
    """Sockets that nobody must reach."""
    path = str(tmp_path_factory.mktemp("socket") / "s")
    tcp, udp, unix, abstract = (socket.socket(family, kind) for family, kind in (
        (socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM)))
    for each, address in ((tcp, ("127.0.0.1", 0)), (udp, ("127.0.0.1", 0)), (unix, path),
                          (abstract, "\0convcraft-test")):
        each.bind(address)
        each.setblocking(False)
    for each in (tcp, unix, abstract):
        each.listen()
    yield tcp, udp, unix, abstract
    for each in (tcp, udp, unix, abstract):
        each.close()


@pytest.fixture(scope="session")
def graded(tmp_path_factory, listeners):
    """The attacked class, graded; and how long it took."""
    root = toy.make(tmp_path_factory.mktemp("hostile") / "course")
    tcp, udp, unix, _ = listeners
    hostile.network(tcp.getsockname()[1], udp.getsockname()[1], unix.getsockname())
    _hand_in_honestly(root)
    for attack in hostile.ATTACKS:
        attack.place(root, f"h-{attack.name}")
    os.environ["CONVCRAFT_TEST"] = hostile.SECRET
    begin = time.monotonic()
    summary = grade(root, workers=2, course=_course(root))
    return root, summary, time.monotonic() - begin


@pytest.fixture(scope="session")
def points(graded) -> dict[str, float]:
    with Gradebook(f"sqlite:///{graded[0]}/gradebook.db") as gradebook:
        return {submission.student.id: submission.score for submission in gradebook.assignment_submissions("01_toy")}


def test_the_batch_ends(graded):
    _, summary, seconds = graded
    assert not summary.problems
    assert len(summary.graded) == len(hostile.ATTACKS) + _HONEST
    assert seconds < 240


def _names() -> list[str]:
    return [*(attack.name for attack in hostile.ATTACKS), "network"]


@pytest.mark.parametrize("name", _names())
def test_an_attack_gets_what_its_code_earns(name, graded, points):
    attack = next(attack for attack in hostile.ATTACKS if attack.name == name)
    assert attack.fits(points[f"h-{name}"]), _outputs(graded[0], f"h-{name}")
    assert "FOUND" not in _outputs(graded[0], f"h-{name}")


def test_the_others_are_as_if_alone(graded, tmp_path):
    root = toy.make(tmp_path / "course")
    _hand_in_honestly(root)
    (root / "exam_seed").write_text((graded[0] / "exam_seed").read_text())
    grade(root, course=_course(root))
    for number in range(_HONEST):
        student = f"honest-{number}"
        assert _rows(root, student) == _rows(graded[0], student)
        assert _notebook(root, student) == _notebook(graded[0], student)


def test_nobody_was_reached(graded, listeners):
    for listener in listeners:
        with pytest.raises(BlockingIOError):
            listener.recv(1) if listener.type == socket.SOCK_DGRAM else listener.accept()


def test_nothing_stays_behind(graded):
    names = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            names.append(path.read_text().strip())
        except OSError:
            continue
    assert "leftbehind" not in names
    assert not Path("/tmp/written-by-an-answer").exists()
    assert not list(Path("/tmp").glob("convcraft-bomb-*"))


def test_no_notebook_grows_beyond_measure(graded):
    for path in graded[0].glob("autograded/h-*/01_toy/toy.ipynb"):
        assert path.stat().st_size < 8 * 2**20, path
        assert "stolen()</script>" not in _outputs(graded[0], path.parts[-3])


def test_a_link_does_not_bring_a_secret_into_feedback(graded):
    for student in ("h-link_to_passwords", "h-link_to_a_neighbour", "h-folder_is_a_link"):
        text = (graded[0] / f"autograded/{student}/01_toy/toy.ipynb").read_text()
        assert "is a link" in text and "root:" not in text and "x.abs()" not in text


def _outputs(root: Path, student: str) -> str:
    cells = json.loads((root / f"autograded/{student}/01_toy/toy.ipynb").read_text())["cells"]
    return "\n".join(json.dumps(cell.get("outputs", []))[:20_000] for cell in cells)


def _notebook(root: Path, student: str) -> list:
    cells = json.loads((root / f"autograded/{student}/01_toy/toy.ipynb").read_text())["cells"]
    for cell in cells:
        cell["metadata"].get("convcraft", {}).pop("seconds", None)
    return cells


def _rows(root: Path, student: str) -> list:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        submission = gradebook.find_submission("01_toy", student)
        return [(grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade)
                for notebook in submission.notebooks for grade in notebook.grades] + [
            (comment.name, comment.comment) for notebook in submission.notebooks for comment in notebook.comments]
