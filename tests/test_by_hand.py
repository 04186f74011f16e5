"""nbgrader's own commands, typed in the course's folder with the course's own configuration."""

import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import psutil
import pytest
from nbgrader.api import Gradebook

from convcraft.author.notebooks import prepare
from convcraft.author.source import chapters
from convcraft.commands import ROOT
from convcraft.demo.cohort import Student, hand_in, solutions

NAME = "01_convolution"


@pytest.mark.sandbox
def test_every_command_works_by_hand(tmp_path):
    course, home = tmp_path / "course", tmp_path / "home"
    for folder in (f"source/{NAME}", f"assets/{NAME}", f"notebooks/en/{NAME}"):
        shutil.copytree(ROOT / folder, course / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "nbgrader_config.py", course)
    (tmp_path / "exchange").mkdir()
    (tmp_path / "exchange").chmod(0o777)
    home.mkdir()
    environment = os.environ | {"CONVCRAFT_EXCHANGE": str(tmp_path / "exchange"), "JUPYTER_CONFIG_DIR": str(tmp_path),
                                "HOME": str(home)}

    def nbgrader(command: str, folder: Path = course) -> str:
        code, said = _run([sys.executable, "-m", "nbgrader", *command.split()], folder, environment)
        if code == -signal.SIGABRT:  # seen once: a kernel that never answers
            warnings.warn(f"nbgrader {command} hung and is tried once more: {said}", stacklevel=1)
            code, said = _run([sys.executable, "-m", "nbgrader", *command.split()], folder, environment)
        assert code == 0, f"nbgrader {command}: {said}"
        return said

    (chapter,) = chapters(course)
    prepare(chapter, course)  # as `make notebooks` does
    nbgrader(f"generate_assignment {NAME}")
    nbgrader(f"release_assignment {NAME}")
    assert NAME in nbgrader("list")
    exchange = f"--course convcraft --Exchange.root={tmp_path / 'exchange'}"
    nbgrader(f"fetch_assignment {NAME} {exchange}", home)
    answers = solutions(chapter)
    hand_in(Student("root", answers), chapter, home / NAME)
    assert "VALIDATION FAILED" in nbgrader(f"validate notebooks/en/{NAME}/convolution.ipynb")
    nbgrader(f"submit {NAME} {exchange}", home)
    nbgrader(f"collect {NAME}")
    nbgrader(f"autograde {NAME}")
    nbgrader(f"generate_feedback {NAME}")
    nbgrader(f"release_feedback {NAME}")
    nbgrader(f"fetch_feedback {NAME} {exchange}", home)
    assert list((home / NAME / "feedback").rglob("*.html"))
    nbgrader("export")
    assert NAME in (course / "grades.csv").read_text()
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert [submission.score for submission in gradebook.assignment_submissions(NAME)] == [100]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit status and all that was said; what takes five minutes says where it and its kernel stand, and ends."""
    with subprocess.Popen(command, cwd=folder, env=environment | {"PYTHONFAULTHANDLER": "1"}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            said, _ = process.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            for each in (*psutil.Process(process.pid).children(recursive=True), process):
                each.send_signal(signal.SIGABRT)
            said, _ = process.communicate()
        return process.returncode, said
