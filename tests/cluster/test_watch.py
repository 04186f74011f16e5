"""`convcraft grade --watch --release`: feedback comes back by itself, whatever is taken away meanwhile."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import grading_course as toy
import pytest
from conftest import LIMITS, answers, until
from nbgrader.utils import notebook_hash
from needs import need

from convcraft.grading.course import Course
from convcraft.grading.watch import Rounds

pytestmark = pytest.mark.sandbox


class Exchange:
    """A course, its exchange, and students who hand in as nbgrader's own command does."""

    def __init__(self, toy_root: Path, disk: Path, folder: Path):
        self.root = toy.copied(toy_root, disk / "course")
        self.folder, self._homes = folder / "exchange", folder / "homes"
        for part in ("inbound", "feedback"):
            (self.folder / "toys" / part).mkdir(parents=True)
        with open(self.root / "nbgrader_config.py", "a") as config:
            config.write(f"\nc.Exchange.root = {str(self.folder)!r}\nc.CourseDirectory.course_id = 'toys'\n"
                         "c.ExchangeCollect.check_owner = False\n")

    def hand_in(self, student: str, given: dict[str, str], *, notes: bool = True) -> Path:
        """Hand in; where the feedback will be. Without its notes a submission is still being copied."""
        when, secret = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC", secrets.token_hex(64)
        self.arrived = self.folder / "toys/inbound" / f"{student}+01_toy+{when}+{secret[:8]}"
        shutil.copytree(toy.submit(self._homes, student, toy.notebook(self.root, given)), self.arrived)
        if notes:
            (self.arrived / "timestamp.txt").write_text(when)
            (self.arrived / "submission_secret.txt").write_text(secret)
        return self.folder / "toys/feedback" / f"{notebook_hash(secret=secret, notebook_id='toy')}.html"


@pytest.fixture
def exchange(toy_root):
    """An exchange whose course lies on a small disk of its own."""
    need(os.getuid() == 0, "root", "a disk that gets full is made by root: run the tests as root")
    folder = Path(tempfile.mkdtemp(prefix="convcraft-watch-"))
    disk = folder / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32M", "none", disk], capture_output=True, text=True)
    try:
        need(not made.returncode, "a disk of the test's own", f"{made.stderr.strip()}: run in Docker --privileged")
        yield Exchange(toy_root, disk, folder)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=False)
        shutil.rmtree(folder)


class Watching:
    """The command, as it runs."""

    def __init__(self, root: Path, log: Path):
        command = [Path(sys.executable).with_name("convcraft"), "grade", "--course", root, "--watch", "--release",
                   "--timeout", "2", "--memory", "512"]
        self._log = log
        with open(log, "a") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file, cwd=root)

    def says(self, words: str) -> None:
        """Wait until it has said that."""
        until(lambda: words in self._log.read_text(), f"{words}; it said {self._log.read_text()}")

    def brings(self, page: Path) -> None:
        """Wait for feedback."""
        until(page.exists, f"feedback; it said {self._log.read_text()}")

    def end(self, how: signal.Signals) -> int:
        """End it; its exit status."""
        self._process.send_signal(how)
        return self._process.wait(60)


def test_feedback_comes_back_whatever_is_taken_away_meanwhile(exchange, tmp_path, capsys):
    log = tmp_path / "log"
    watching = Watching(exchange.root, log)
    try:
        for number, student in enumerate(("ada", "ben", "ada")):  # she hands in again
            watching.brings(exchange.hand_in(student, answers(number)))
        assert toy.points(exchange.root).keys() == {"ada", "ben"}

        away = exchange.folder.with_name("away")
        exchange.folder.rename(away)
        watching.says("The exchange cannot be read")
        away.rename(exchange.folder)
        watching.says("It goes on.")
        watching.brings(exchange.hand_in("cleo", toy.RIGHT))

        filler = exchange.root / "filler"
        _fill(filler)
        page = exchange.hand_in("dora", toy.RIGHT)
        watching.says("No space left on device")
        assert not page.exists()
        filler.unlink()
        watching.brings(page)

        assert watching.end(signal.SIGINT) == 130
        page = exchange.hand_in("emma", toy.RIGHT)
        watching = Watching(exchange.root, log)
        until((exchange.root / "submitted/emma").exists, "emma collected")
        watching.end(signal.SIGKILL)
        watching = Watching(exchange.root, log)
        watching.brings(page)
        assert toy.points(exchange.root) == {"ada": toy.points(exchange.root)["ada"], "ben": 100.0, "cleo": 100.0,
                                             "dora": 100.0, "emma": 100.0}
    finally:
        watching.end(signal.SIGKILL)
        with capsys.disabled():
            print(f"\n{log.read_text()}")


def _fill(path: Path) -> None:
    """Fill the disk."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_what_is_still_being_copied_is_left_until_it_is_whole(exchange):
    said: list[str] = []
    rounds = Rounds(Course(exchange.root, exchange.root / "source", limits=LIMITS), said.append, release=True)
    exchange.hand_in("ada", toy.RIGHT, notes=False)
    (exchange.folder / "toys/inbound/nonsense").mkdir()
    (exchange.folder / "toys/inbound/zoe+01_toy+yesterday").mkdir()
    rounds.once()
    assert not said and not (exchange.root / "submitted/ada").exists()
    (exchange.arrived / "timestamp.txt").write_text(exchange.arrived.name.split("+")[2])
    (exchange.arrived / "submission_secret.txt").write_text("5" * 128)
    rounds.once()
    assert len(said) == 1 and "ada, 01_toy: 100 of 100 points" in said[0]
    rounds.once()
    assert len(said) == 1
    assert len(list((exchange.folder / "toys/feedback").glob("*.html"))) == 1
