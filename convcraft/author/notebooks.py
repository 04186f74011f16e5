"""The notebooks that students open: nbgrader's own `generate_assignment`, over a gradebook that is thrown away."""

import contextlib
import io
import logging
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.apps import NbGraderAPI

from convcraft.author.alone import begin, embed, end
from convcraft.author.published import published
from convcraft.author.source import Chapter, SourceError
from convcraft.language import _, using
from convcraft.layout import course_config


def prepare(chapter: Chapter, course: Path) -> None:
    """Put a chapter where nbgrader looks for what it releases: into `source/` of the folder `course`.

    Raises:
        SourceError: a picture is missing, or the script is not as it should be.
    """
    name = chapter.script.with_suffix(".ipynb").name
    notebook = chapter.notebook()
    embed(notebook, chapter)
    end(notebook, chapter)
    released = chapter.released.relative_to(chapter.root)
    begin(notebook, chapter, published(chapter.root), (released / name).as_posix())
    target = course / "source" / chapter.name / name
    target.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, target)


def release(editions: list[Chapter], root: Path) -> None:
    """Write `notebooks/<language>/<chapter>/` under `root`, each folder whole: beside the old one, then in its place.

    Raises:
        SourceError: a chapter's source is not as it should be, or nbgrader refused it. Nothing was changed then.
    """
    with tempfile.TemporaryDirectory() as scratch:
        for chapter in editions:
            _generate(chapter, Path(scratch, chapter.language))
        for chapter in editions:
            fresh = Path(scratch, chapter.language, "released", chapter.name)
            _swap_in(fresh, root / chapter.released.relative_to(chapter.root))


def _generate(chapter: Chapter, folder: Path) -> None:
    """Let nbgrader make of a chapter what students get, in `released/` of a folder that is thrown away."""
    prepare(chapter, folder)
    config = course_config(chapter.root)
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder}/gradebook.db"
    config.CourseDirectory.release_directory = f"{folder}/released"
    with using(chapter.language):
        config.ClearSolutions.code_stub = {"python": _("# YOUR CODE HERE") + "\nraise NotImplementedError"}
    answer = call(NbGraderAPI(config=config).generate_assignment, chapter.name, force=True, create=True)
    if not answer["success"]:
        raise SourceError(f"{chapter.script}: nbgrader could not release it: {_reason(answer)}")


def _reason(answer: dict[str, Any]) -> str:
    """The last thing that nbgrader complained of."""
    lines = [line for line in answer.get("log", "").splitlines() if re.search(r"\b(ERROR|CRITICAL)\b|Error\b", line)]
    return str(lines[-1].strip() if lines else answer.get("error", answer))


def _swap_in(fresh: Path, target: Path) -> None:
    """Let the folder `fresh` stand where `target` is, whatever interrupts it: the old one goes last."""
    beside, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    for path in (beside, old):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(fresh, beside, ignore=shutil.ignore_patterns("__pycache__"))
    if target.exists():
        target.rename(old)
    beside.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def call(method: Callable[..., dict[str, Any]], *args: object, **kwargs: object) -> dict[str, Any]:
    """Call one of nbgrader's API methods quietly; its log is in the answer."""
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    with contextlib.redirect_stderr(io.StringIO()):
        return method(*args, **kwargs)
