"""What a command costs: wall and CPU seconds and memory of it and of all that it starts."""

import contextlib
import datetime
import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

_GLANCE = 0.3  # seconds between two looks at the clock of each process
_STARE = 0.02  # the same for memory
Tree = list[psutil.Process]


@dataclass(frozen=True)
class Cost:
    """Of one command; seconds of `cpu` with all processes that it started."""

    wall: float
    cpu: float
    status: int
    output: str


@dataclass(frozen=True)
class Memory:
    """Bytes at the worst moment.

    Attributes:
        whole: all processes together, pages that they share counted once.
        child: what one child of the warm process has to itself, the process that minds it included; 0 without one.
    """

    whole: int
    child: int
    status: int
    output: str


def machine() -> str:
    """What the figures were measured on."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    model = re.search(r"^model name\s*: (.*)$", text, re.M)
    others = os.getloadavg()[0]
    return (f"{len(os.sched_getaffinity(0))} cores ({model[1] if model else platform.machine()}), "
            f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.0f} GB, {platform.system()} "
            f"{platform.release()}, Python {platform.python_version()}, torch {version('torch')}, nbgrader "
            f"{version('nbgrader')}; load before the run {others:.1f}; {datetime.date.today()}")


def cost(command: list[str], folder: Path, **environment: str) -> Cost:
    """Run `command` in `folder` and measure its time.

    CPU time is summed while the processes live: one that is killed together with its parent is in nobody's account
    afterwards.
    """
    most = 0.0

    def glance(tree: Tree) -> None:
        nonlocal most
        most = max(most, sum(map(_seconds, tree)))

    before = os.times()
    wall, status, output = _watch(command, folder, environment, glance, _GLANCE)
    after = os.times()
    waited_for = sum(after[2:4]) - sum(before[2:4])
    return Cost(wall, max(most, waited_for), status, output)


def memory(command: list[str], folder: Path, **environment: str) -> Memory:
    """Run `command` in `folder` and measure its memory. The warm process is the one that bubblewrap starts."""
    whole = most = 0

    def stare(tree: Tree) -> None:
        nonlocal whole, most
        facts = {process.pid: found for process in tree if (found := _memory(process))}
        whole = max(whole, sum(found.pss for found in facts.values()))
        for warm in (process for process in tree if _is_warm(process)):
            for minder in warm.children():
                family = [minder, *minder.children(recursive=True)]
                found = [facts.get(process.pid) or _memory(process) for process in family]  # some began just now
                most = max(most, sum(each.uss for each in found if each))

    _, status, output = _watch(command, folder, environment, stare, _STARE)
    return Memory(whole, most, status, output)


def _watch(command: list[str], folder: Path, environment: dict[str, str], look: Callable[[Tree], None],
           pause: float) -> tuple[float, int, str]:
    """Run the command and look at its tree of processes time and again: (wall seconds, exit status, output)."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=os.environ | environment, stdout=output,
                                   stderr=subprocess.STDOUT)
        root = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):  # one has ended meanwhile
                look([root, *root.children(recursive=True)])
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(pause)
        wall = time.perf_counter() - begin
        output.seek(0)
        return wall, process.returncode, output.read().decode(errors="replace")


def _seconds(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])  # its own, and those of children that it has waited for
    except psutil.Error:
        return 0.0


def _memory(process: psutil.Process):
    try:
        return process.memory_full_info()
    except psutil.Error:
        return None


def _is_warm(process: psutil.Process) -> bool:
    parent = process.parent()
    return process.name() != "bwrap" and parent is not None and parent.name() == "bwrap"
