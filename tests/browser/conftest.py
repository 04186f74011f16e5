"""A copy of the course to play with, a real browser, and servers that end with their test."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from convcraft.author.source import chapters
from convcraft.commands import ROOT

PROXY = Path(sys.prefix) / "proxy/node_modules/.bin"
PARTS = (".ci", "assets", "convcraft", "deploy", "notebooks", "solutions", "source")
FILES = ("Makefile", "README.md", "constraints.txt", "nbgrader_config.py", "pyproject.toml")
CHAPTER = "01_convolution"
CHAPTERS = chapters(ROOT)


def copy_course(target: Path) -> Path:
    """The course as a clone has it, with nothing graded yet."""
    for part in PARTS:
        built = ("*.ipynb",) if part == "source" else ()
        shutil.copytree(ROOT / part, target / part,
                        ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", *built))
    for name in FILES:
        shutil.copy(ROOT / name, target)
    return target


def environment(course: Path, home: Path) -> dict[str, str]:
    """Environment variables for a program of the copied course, a home folder of its own included."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM", "CONVCRAFT_CI") if name in os.environ}
    return {**kept, "PYTHONPATH": str(course), "HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _innermost(pid: int) -> int:
    """The program itself where bubblewrap stands around it, so that it can stop what it has started."""
    while Path(f"/proc/{pid}/exe").resolve().name == "bwrap":
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    return pid


def answering(url: str, process: subprocess.Popen, log: Path, until: float) -> None:
    """Wait until a server that was started answers at `url`, or fail with what it has said."""
    while True:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).ok:
                return
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"{' '.join(map(str, process.args[:4]))} does not answer at {url}:\n{log.read_text()[-3000:]}")
        time.sleep(0.2)


@contextlib.contextmanager
def served(command: list[str], url: str, log: Path, seconds: float = 180, **popen):
    """A server that answers at `url` within the block, and is gone after it."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True, **popen)
        try:
            answering(url, process, log, time.monotonic() + seconds)
            yield process
        finally:
            if process.poll() is None:
                os.kill(_innermost(process.pid), signal.SIGTERM)
            try:
                process.wait(120)  # a hub stops everybody's server first
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def shots(request, tmp_path):
    """Where a test's screenshots go; `CONVCRAFT_SHOTS` names a folder to look at them."""
    folder = os.environ.get("CONVCRAFT_SHOTS")
    return Path(folder, request.node.name) if folder else tmp_path
