"""The notebooks that students open: nbgrader's own `generate_assignment`, over a gradebook that is thrown away."""

import contextlib
import io
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbgrader.apps import NbGraderAPI
from traitlets.config import Config, PyFileConfigLoader

from convcraft.build.source import Chapter, SourceError, relink

RELEASED = Path("notebooks/en")
PICTURES = "pictures"


def prepare(chapter: Chapter) -> None:
    """Put beside the script what nbgrader releases: the notebook and the pictures. Neither is committed.

    Raises:
        SourceError: a picture is missing, or the script is not as it should be.
    """
    notebook = chapter.notebook()
    relink(notebook, PICTURES)
    nbformat.write(notebook, chapter.script.with_suffix(".ipynb"))
    target = chapter.folder / PICTURES
    shutil.rmtree(target, ignore_errors=True)
    shown = sorted({path for _, path in chapter.pictures()})
    if shown:
        target.mkdir()
    for path in shown:
        if not path.is_file():
            raise SourceError(f"{chapter.script}: the picture {path.name} is missing; `make assets`, or mend the link")
        shutil.copyfile(path, target / path.name)


def release(chapters: list[Chapter], root: Path) -> None:
    """Write `notebooks/en/<chapter>/` under `root`, each folder whole.

    Raises:
        RuntimeError: nbgrader refused a chapter; the message carries its log.
    """
    for chapter in chapters:
        prepare(chapter)
    with tempfile.TemporaryDirectory() as scratch:
        config = course_config(chapters[0].root)
        config.CourseDirectory.db_url = f"sqlite:///{scratch}/gradebook.db"
        config.CourseDirectory.release_directory = str(root / RELEASED)
        api = NbGraderAPI(config=config)
        for chapter in chapters:
            answer = call(api.generate_assignment, chapter.name, force=True, create=True)
            shutil.rmtree(root / RELEASED / chapter.name / "__pycache__", ignore_errors=True)
            if not answer["success"]:
                raise RuntimeError(f"{chapter.script}: nbgrader could not release it:\n{answer.get('log', answer)}")


def course_config(root: Path) -> Config:
    """The configuration of the course at `root`, its `nbgrader_config.py` read."""
    # nbgrader asks the program alembic, which an environment that is not activated does not find.
    programs = str(Path(sys.executable).parent)
    if programs not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + os.environ["PATH"]
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    return config


def call(method, *args, **kwargs) -> dict:
    """Call one of nbgrader's API methods quietly; its log is in the answer."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        return method(*args, **kwargs)
