"""What all tests share."""

import os

import pytest
import torch

from convcraft.build.source import chapters
from convcraft.cli import ROOT

torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # for processes that tests start

CHAPTERS = chapters(ROOT)
EXERCISES = [pytest.param(chapter, name, id=name) for chapter in CHAPTERS for name in chapter.exercises]


def messages(table: str) -> list[str]:
    """What a printed verdict says of each failed aspect, from its name on."""
    rows = table.split("\n  What your code printed")[0]
    return [part.split("\n  ✓ ")[0] for part in rows.split("\n  ✗ ")[1:]]


@pytest.fixture(scope="session")
def toy_root(tmp_path_factory):
    """The toy course, released and empty: to be copied, not changed."""
    import grading_course

    return grading_course.make(tmp_path_factory.mktemp("toy") / "course")
