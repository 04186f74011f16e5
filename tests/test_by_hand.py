"""nbgrader's own commands, typed in the course's folder with the course's own configuration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from nbgrader.api import Gradebook

from convcraft.build.cohort import Student, hand_in, solutions
from convcraft.build.notebooks import prepare
from convcraft.build.source import chapters
from convcraft.cli import ROOT

NAME = "01_convolution"


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
        done = subprocess.run([sys.executable, "-m", "nbgrader", *command.split()], cwd=folder, env=environment,
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"nbgrader {command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    (chapter,) = chapters(course)
    prepare(chapter)  # as `make notebooks` does
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
