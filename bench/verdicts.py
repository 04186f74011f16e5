"""How long a reader waits for a verdict: `python bench/verdicts.py --write`, minutes.

The first verdict of a kernel is the longest: the exam is loaded, the reference and the misconceptions are observed.
So each exercise's first misconception is examined in a fork of its own, of a process that has imported what a chapter
imports, with PyTorch's default number of threads: on the machine as it is, then with as many busy loops as cores.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot  # noqa: F401  what a chapter has imported
import sklearn  # noqa: F401
from measure import machine
from section import write

from convcraft import examine
from convcraft.exam import find

ROOT = Path(__file__).resolve().parents[1]
NAMES = [path.stem for path in sorted(ROOT.glob("source/*/exams/*.py")) if path.stem != "shared"]


def first_verdict(name: str) -> float:
    """Seconds from `examine` to the verdict, in a fork."""
    read, send = os.pipe()
    pid = os.fork()
    if not pid:
        with contextlib.redirect_stdout(None):
            wrong = find(name).misconceptions[0].answer
            start = time.perf_counter()
            examine(name, wrong)
        os.write(send, str(time.perf_counter() - start).encode())
        os._exit(0)
    os.close(send)
    with open(read) as pipe:
        told = pipe.read()
    os.waitpid(pid, 0)
    return float(told)


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """Every core has something else to do."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    arguments = parser.parse_args()
    described = machine()
    alone = {name: first_verdict(name) for name in NAMES}
    with busy():
        beside = {name: first_verdict(name) for name in NAMES}
    slow = sorted(NAMES, key=lambda name: -alone[name])[:12]
    lines = [f"Measured on {described}.", "",
             "| | idle, s | both cores busy, s |", "| --- | --: | --: |",
             f"| the middle one of {len(NAMES)} | {_middle(alone):.2f} | {_middle(beside):.2f} |",
             *(f"| {name} | {alone[name]:.2f} | {beside[name]:.2f} |" for name in slow),
             "| *wanted: every one under* | 2 | 6 |"]
    print("\n".join(lines))
    if arguments.write:
        write("verdicts", lines)


def _middle(seconds: dict[str, float]) -> float:
    return sorted(seconds.values())[len(seconds) // 2]


if __name__ == "__main__":
    main()
