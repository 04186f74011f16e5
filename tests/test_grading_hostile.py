"""Nobody's code gains a mark, touches another's, or stops the batch."""

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grading_course as toy
import hostile
import pytest

from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.sandbox.run import Limits

pytestmark = [pytest.mark.xdist_group("hostile"), pytest.mark.sandbox, pytest.mark.long]
_HONEST = 6


def _hand_in_honestly(root: Path) -> None:
    for number in range(_HONEST):
        answers = toy.RIGHT if number % 2 else toy.WRONG
        toy.submit(root, f"honest-{number}", toy.notebook(root, answers))


def _course(root: Path) -> Course:
    return Course(root, root / "source", limits=Limits(seconds=2.0, memory=512 * 2**20))


@contextlib.contextmanager
def _listening(folder: Path, abstract: str) -> Iterator[tuple[list[socket.socket], tuple]]:
    """Sockets for TCP, UDP, DNS, a path and an abstract name; and where they are, as `hostile.reaching` takes it."""
    path, loopback, datagram = str(folder / "s"), ("127.0.0.1", 0), (socket.AF_INET, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as stack:
        opened = []
        for kind, address in (((socket.AF_INET, socket.SOCK_STREAM), loopback), (datagram, loopback),
                              (datagram, loopback), ((socket.AF_UNIX, socket.SOCK_STREAM), path),
                              ((socket.AF_UNIX, socket.SOCK_STREAM), abstract)):
            each = stack.enter_context(socket.socket(*kind))
            each.bind(address)
            each.setblocking(False)
            if each.type == socket.SOCK_STREAM:
                each.listen()
            opened.append(each)
        yield opened, (*(each.getsockname()[1] for each in opened[:3]), path, abstract)


@pytest.fixture(scope="session")
def listeners(tmp_path_factory):
    """Sockets that nobody must reach, and where they are."""
    with _listening(tmp_path_factory.mktemp("socket"), f"\0{hostile.MINE}") as found:
        yield found


@pytest.fixture(scope="session")
def nothing_survives():
    """Whatever an attack has left is ended when the tests are."""
    yield
    for pid in _left():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _left() -> list[int]:
    """The processes that bear an attack's name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if path.read_text().strip() == hostile.MINE:
                found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="session")
def graded(tmp_path_factory, listeners, toy_root, nothing_survives):
    """The attacked class, graded; and how long it took."""
    root = toy.copied(toy_root, tmp_path_factory.mktemp("hostile") / "course")
    hostile.network(*listeners[1])
    _hand_in_honestly(root)
    for attack in hostile.ATTACKS:
        attack.place(root, f"h-{attack.name}")
    begin = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVCRAFT_TEST", hostile.SECRET)
        summary = grade_class(root, workers=2, course=_course(root))
    return root, summary, time.monotonic() - begin


@pytest.fixture(scope="session")
def points(graded) -> dict[str, float]:
    return toy.points(graded[0])


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


def test_the_others_are_as_if_alone(graded, toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    _hand_in_honestly(root)
    (root / "exam_seed").write_text((graded[0] / "exam_seed").read_text())
    grade_class(root, course=_course(root))
    for number in range(_HONEST):
        student = f"honest-{number}"
        assert toy.rows(root, student) == toy.rows(graded[0], student)
        assert toy.graded_notebook(root, student) == toy.graded_notebook(graded[0], student)


def test_nobody_was_reached(graded, listeners):
    for listener in listeners[0]:
        with pytest.raises(BlockingIOError):
            listener.recv(1) if listener.type == socket.SOCK_DGRAM else listener.accept()


def test_without_walls_all_would_have_been_reached(tmp_path, capsys):
    abstract = f"\0{hostile.MINE}-open"
    with _listening(tmp_path, abstract) as (sockets, places):
        exec(hostile.reaching(*places), {})
        assert capsys.readouterr().out.strip() == "FOUND ['TCP', 'UDP', 'DNS', 'Unix', 'abstract']"
        question = sockets[2].recv(512)
    assert question[4:6] == b"\0\1" and b"\6stolen\7example\0" in question
    exec(hostile.reaching(*places), {})  # nobody listens any more
    assert capsys.readouterr().out.strip() == "nothing []"


def test_nothing_stays_behind(graded):
    assert not _left()
    assert not list(Path("/tmp").glob(f"{hostile.MINE}*"))


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
