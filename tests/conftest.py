"""What all tests share."""

import os
import signal
import sys
from functools import cache

import nbgrader.api
import needs
import pytest
import torch

from convcraft.author.source import chapters
from convcraft.commands import ROOT
from convcraft.exam import judge
from convcraft.grading.sandbox import walls

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for processes that tests start
signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background ignores Ctrl-C, and so would those
nbgrader.api.get_alembic_version = cache(nbgrader.api.get_alembic_version)  # a process, for each new gradebook

if measuring := os.environ.get("COVERAGE_PROCESS_CONFIG"):  # `make coverage` counts processes without walls, too
    bare = walls.environment
    walls.environment = lambda scratch, library: bare(scratch, library) | (
        {"COVERAGE_PROCESS_CONFIG": measuring} if library == str(walls.PACKAGE.parent) else {})

CHAPTERS = chapters(ROOT)
EXAMS = {name: exercise for chapter in CHAPTERS for name, exercise in chapter.exercises.items()}
# One process tests a chapter's exercises: what is expected of them, and what their mistakes show, is computed once.
EXERCISES = [pytest.param(chapter, name, id=name, marks=pytest.mark.xdist_group(chapter.name))
             for chapter in CHAPTERS for name in chapter.exercises]
UNLISTED = [pytest.param(chapter, name, id=name, marks=pytest.mark.xdist_group(chapter.name))
            for chapter in CHAPTERS for name in chapter.unlisted]


@pytest.hookimpl(tryfirst=True)  # before fixtures that grade
def pytest_runtest_setup(item):
    if item.get_closest_marker("sandbox"):
        needs.need_sandbox()


def pytest_terminal_summary(terminalreporter):
    lines = needs.left_out(terminalreporter.stats.get("skipped", []))
    if lines:
        terminalreporter.write_line("left out:")
        terminalreporter.write_line("\n".join(lines))
        needs.keep(lines)


def messages(table: str) -> list[str]:
    """What a printed verdict says of each failed aspect, from its name on."""
    rows = table.split("\n  What your code printed")[0]
    return [part.split("\n  ✓ ")[0] for part in rows.split("\n  ✗ ")[1:]]


@pytest.fixture
def nobody_is_told(monkeypatch):
    """Verdicts are points alone: a diagnosis observes known mistakes again, and takes longer than the marks do."""
    monkeypatch.setattr(sys.modules[judge.__module__], "diagnose", lambda *_: {})


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory):
    """The toy course, released and empty: to be copied, not changed."""
    import grading_course

    return grading_course.make(tmp_path_factory.mktemp("toy") / "course")
