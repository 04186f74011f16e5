"""Nothing is lost: whatever ends the grader, the next run goes on, and the gradebook stays whole."""

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import grading_course as toy
import psutil
import pytest
from click.testing import CliRunner

from convcraft.commands import main
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.errors import GradingError
from convcraft.grading.exercises import chapters_of
from convcraft.grading.lock import only_grader
from convcraft.grading.warm_process import ready_process

pytestmark = [pytest.mark.xdist_group("kept"), pytest.mark.sandbox]
_STUDENTS = [f"student-{number:02}" for number in range(20)]
_KILLS = int(os.environ.get("CONVCRAFT_KILLS", "10"))  # `make proof` asks for more


@pytest.fixture(scope="module")
def unmarked(toy_root, tmp_path_factory) -> Path:
    root = toy.copied(toy_root, tmp_path_factory.mktemp("kept") / "course")
    for number, student in enumerate(_STUDENTS):
        answers = {name: (toy.WRONG if number >> bit & 1 else toy.RIGHT)[name] for bit, name in enumerate(toy.RIGHT)}
        toy.submit(root, student, toy.notebook(root, answers))
    (root / "exam_seed").write_text("11")
    return root


@pytest.fixture(scope="module")
def undisturbed(unmarked, tmp_path_factory) -> Path:
    root = toy.copied(unmarked, tmp_path_factory.mktemp("undisturbed") / "course")
    assert len(grade_class(root).graded) == len(_STUDENTS)
    return root


def _everything(root: Path) -> list:
    return [(toy.rows(root, student), toy.graded_notebook(root, student)) for student in _STUDENTS]


def _whole(root: Path) -> bool:
    with sqlite3.connect(root / "gradebook.db") as database:
        return database.execute("pragma integrity_check").fetchone() == ("ok",)


# --- killed -------------------------------------------------------------------------------------------------------

def _killed_and_started_again(fresh: Path, root: Path) -> list[tuple[int, list]]:
    """Kill a grader at random moments, each time of a new class: (how many had marks, everything after the next run).

    Runs in a process of its own, which may be forked: all graders inherit one warm process.
    """
    shutil.copytree(fresh, root)
    ready_process(Course(root, root / "source"), chapters_of(root / "source", toy.RIGHT))
    begin = time.monotonic()
    _wait(_grader(root))
    whole_run, draw, outcomes = time.monotonic() - begin, random.Random(1), []
    for number in range(_KILLS):
        shutil.rmtree(root)
        shutil.copytree(fresh, root)
        pid = _grader(root)
        time.sleep((number + draw.random()) / _KILLS * whole_run)  # each part of the run has its moment
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        done = len(list(root.glob("autograded/*/01_toy/toy.ipynb")))
        assert _whole(root)
        assert _wait(_grader(root)) == 0
        assert not list(root.glob("autograded/.unfinished*"))
        outcomes.append((done, _everything(root)))
    return outcomes


def _grader(root: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        status = bool(grade_class(root).problems)
    finally:
        os._exit(status)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.long
def test_a_grader_killed_at_any_moment_gives_the_marks_of_an_undisturbed_one(unmarked, undisturbed, tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        outcomes = executor.submit(_killed_and_started_again, unmarked, tmp_path / "course").result()
    expected = _everything(undisturbed)
    assert all(after == expected for _, after in outcomes)
    assert len({done for done, _ in outcomes}) > 3  # it was hit early, late and between


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_grader_that_is_ended_leaves_no_process_behind(number, status, unmarked, tmp_path):
    root = toy.copied(unmarked, tmp_path / "course")
    command = [Path(sys.executable).with_name("convcraft"), "grade", "--course", root, "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(root.glob("autograded/student-*")):
        assert process.poll() is None
        time.sleep(0.01)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == status
    assert family
    assert not psutil.wait_procs(family, timeout=20)[1]
    assert number == signal.SIGKILL or "What was graded stands; the same command goes on from here." in said


# --- together -----------------------------------------------------------------------------------------------------

def test_a_second_grader_is_sent_away(unmarked):
    with only_grader(unmarked):
        result = CliRunner().invoke(main, ["grade", "--course", str(unmarked), "--no-sandbox"])
    assert result.exit_code == 1
    assert f"Another grader is at work in {unmarked} (process {os.getpid()}); wait until" in result.output


# --- no room, no leave --------------------------------------------------------------------------------------------

@pytest.fixture
def mount():
    """Mounts something for the time of a test; skips where that is not allowed."""
    mounted = []

    def make(*arguments: str, on: Path) -> None:
        if subprocess.run(["mount", *arguments, str(on)], capture_output=True).returncode:
            pytest.skip("only root may mount")
        mounted.append(on)

    yield make
    for place in reversed(mounted):
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_costs_nothing_that_was_recorded(unmarked, undisturbed, mount, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", on=disk)
    root = toy.copied(unmarked, disk / "course")
    room = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(room - 150_000))
    with pytest.raises(GradingError, match=r"(No space left on device|disk is full).*mend it"):
        grade_class(root)
    done = [path.name for path in (root / "autograded").glob("student-*")]
    assert 0 < len(done) < len(_STUDENTS)
    assert _whole(root)
    assert all(toy.rows(root, student) == toy.rows(undisturbed, student) for student in done)
    (disk / "filler").unlink()
    grade_class(root)
    assert _everything(root) == _everything(undisturbed)


def test_a_file_that_may_not_grow_is_named_too(unmarked, undisturbed, tmp_path):
    """Where nobody may mount: a limit on the size of files stands for the full disk."""
    root = toy.copied(unmarked, tmp_path / "course")
    size = (root / "gradebook.db").stat().st_size
    command = [str(Path(sys.executable).with_name("convcraft")), "grade", "--course", str(root)]
    run = subprocess.run(["bash", "-c", f'ulimit -f {size // 1024 + 1}; exec "$@"', "-", *command],
                         capture_output=True, text=True)
    assert run.returncode == 1
    assert "Marks recorded before this stand; mend it and grade again." in run.stderr
    assert _whole(root)
    grade_class(root)
    assert _everything(root) == _everything(undisturbed)


def test_a_read_only_autograded_is_named_and_the_gradebook_left_as_it_was(unmarked, mount, tmp_path):
    root = toy.copied(unmarked, tmp_path / "course")
    autograded = root / "autograded"
    autograded.mkdir()
    before = (root / "gradebook.db").read_bytes()
    mount("-t", "tmpfs", "-o", "ro", "tmpfs", on=autograded)
    with pytest.raises(GradingError, match=r"autograded.*Read-only file system.*mend it"):
        grade_class(root)
    assert (root / "gradebook.db").read_bytes() == before
