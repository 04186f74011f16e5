"""A class on machines of the tests' own: one records, one has the scheduler, two mark; no folder is shared."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import grading_course as toy
import hosts
import pytest
from needs import need

from convcraft.commands import ROOT
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.sandbox.run import Limits

LIMITS = Limits(2.0, 512 * 2**20)
OPTIONS = ("--timeout", "2", "--memory", "512", "--json")
CLASS = 24
_PATIENCE = 240  # seconds, of a busy machine


def until(found: Callable[[], object], what: str) -> None:
    """Wait for something."""
    deadline = time.monotonic() + _PATIENCE
    while not found():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.1)


def answers(number: int) -> dict[str, str]:
    """What the student of that number answers: right, wrong in some, nothing."""
    names = list(toy.RIGHT)
    return {name: (toy.WRONG if number % (index + 2) == 0 else toy.RIGHT)[name]
            for index, name in enumerate(names) if number % 7 or index}


def hand_in(root: Path, numbers: range) -> None:
    """So many students hand in."""
    for number in numbers:
        toy.submit(root, f"s{number:03}", toy.notebook(root, answers(number)))


@pytest.fixture(scope="session")
def unmarked(toy_root, tmp_path_factory) -> Path:
    """A class that has handed in, and has no marks yet."""
    root = toy.copied(toy_root, tmp_path_factory.mktemp("unmarked") / "course")
    hand_in(root, range(CLASS))
    (root / "exam_seed").write_text("7")
    return root


@pytest.fixture(scope="session")
def marked(unmarked, tmp_path_factory) -> Path:
    """The same, graded on one machine."""
    root = toy.copied(unmarked, tmp_path_factory.mktemp("marked") / "course")
    assert not grade_class(root, course=Course(root, root / "source", limits=LIMITS)).problems
    return root


class Class:
    """The machines of a class, and its course on the recording one."""

    def __init__(self, scratch: Path, unmarked: Path):
        self.network = hosts.Network(scratch)
        self.unmarked = unmarked
        self.recording, self.giving = self.network.host("records"), self.network.host("gives")
        self.scheduler = f"tls://{self.giving.address}:8786"
        for line in re.findall(r"^openssl .*$", (ROOT / "deploy/cluster.md").read_text(), re.M):
            done = self.recording.run("/bin/sh", "-c", line)
            assert done.returncode == 0, done.stderr
        self.workers: list[hosts.Host] = []

    def tls(self, host: hosts.Host) -> list[str]:
        """The options of a Dask program there, its certificates brought to it."""
        for name in ("ca.pem", "cluster.pem", "cluster.key"):
            if host is not self.recording:
                shutil.copy(self.recording.folder / name, host.folder)
        return ["--tls-ca-file", "ca.pem", "--tls-cert", "cluster.pem", "--tls-key", "cluster.key"]

    def start_scheduler(self) -> None:
        self.giving.start("dask", "scheduler", "--protocol", "tls", "--port", "8786", "--no-dashboard",
                          *self.tls(self.giving), supervised=True)
        until(lambda: "Scheduler at" in self.giving.log(), "the scheduler")

    def worker(self, name: str, preload: str = "", *, bare: bool = False) -> hosts.Host:
        """One more machine with a worker that is starting; `preload` is Python that it runs first."""
        host = self.network.host(name)
        shutil.copytree(self.unmarked / "source", host.folder / "source")
        (host.folder / "first.py").write_text("import convcraft.grading.cluster.worker as worker\n" + preload)
        self.workers.append(host)
        dask = str(hosts.PROGRAMS / "dask")
        host.start(dask, "worker", self.scheduler, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--preload",
                   "first.py", *self.tls(host), bare=bare, supervised=True)
        return host

    @staticmethod
    def registered(*several: hosts.Host) -> None:
        """Wait until these workers, as they were started last, are known to the scheduler."""
        for host in several:
            until(lambda host=host: "Registered to" in host.log().rpartition(hosts.AGAIN)[2],
                  f"{host.name}: {host.log()[-2000:]}")

    def course(self, name: str, config: str = "") -> Path:
        """A course without marks on the recording machine, as this one sees it; there it is /mnt/`name`."""
        root = toy.copied(self.unmarked, self.recording.folder / name)
        with open(root / "nbgrader_config.py", "a") as file:
            file.write("\nc.Cluster.ca, c.Cluster.certificate, c.Cluster.key = (\n"
                       f"    '/mnt/ca.pem', '/mnt/cluster.pem', '/mnt/cluster.key')\n{config}\n")
        return root

    def grading(self, name: str, *options: str) -> list[str]:
        """The command that grades that course."""
        return ["convcraft", "grade", "--course", f"/mnt/{name}", "--scheduler", self.scheduler, *OPTIONS, *options]


@pytest.fixture(scope="module")
def machines(unmarked):
    """The class's machines, with a scheduler and two workers."""
    need(os.getuid() == 0, "root", "network namespaces are made by root: run the tests as root")
    why = hosts.why_not()
    need(not why, "network namespaces", f"{why} (`make system` installs iproute2; in Docker --privileged)")
    scratch = Path(tempfile.mkdtemp(prefix="convcraft-hosts-"))
    running = Class(scratch, unmarked)
    try:
        running.start_scheduler()
        running.registered(running.worker("a"), running.worker("b"))
        yield running
    finally:
        running.network.close()
        shutil.rmtree(scratch)


def same_marks(root: Path, marked: Path, students: list[str] | None = None) -> bool:
    """Whether gradebook and notebooks say the same as on one machine, each student's."""
    for student in students or [f"s{number:03}" for number in range(CLASS)]:
        assert toy.rows(root, student) == toy.rows(marked, student), student
        assert toy.graded_notebook(root, student) == toy.graded_notebook(marked, student), student
    return True
