"""What all parts of the package agree on: where a course's things lie and are put, nbgrader's configuration, `demo`."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from convcraft.language import _, known
from convcraft.place import COURSE, INSTALLED

CONFIG = "nbgrader_config.py"
RELEASED = Path("notebooks/en")
RELEASES = "CONVCRAFT_RELEASES"  # the variable that names the language in which a class's teacher releases chapters


def released(language: str) -> Path:
    """Where, under the course, the notebooks of a language lie that students get."""
    return RELEASED.with_name(language)


def language_of_releases() -> str:
    """The language in which a class's teacher releases chapters: English, where the variable names none.

    Raises:
        UnknownLanguageError: there is none of that name.
    """
    return known(os.environ.get(RELEASES) or "en", RELEASES)


class NoCourseError(LookupError):
    """A folder is not a course's; the message says what is missing."""


def course_config(root: Path) -> Config:
    """What the course's `nbgrader_config.py` says, for the course at `root`, with nbgrader's programs within reach.

    Raises:
        NoCourseError: there is none.
    """
    folder = COURSE if COURSE == INSTALLED and root.is_dir() and not (root / CONFIG).is_file() else root
    if not (folder / CONFIG).is_file():
        raise NoCourseError(_("{file} is missing; name the course's folder, or go there.").format(file=root / CONFIG))
    reach_programs()
    config: Config = PyFileConfigLoader(CONFIG, path=str(folder)).load_config()
    config.CourseDirectory.root = str(root)
    return config


def settle(root: Path) -> None:
    """Let nbgrader's own commands know the installed course, when they are called in `root`: a teacher's folder."""
    path = root / CONFIG
    if COURSE == INSTALLED and not path.exists():
        path.write_text(_TEACHERS, encoding="utf-8")


_TEACHERS = '''"""nbgrader's view of this folder: the installed course's, and whatever you add below."""

from convcraft.place import COURSE

load_subconfig("nbgrader_config.py", path=str(COURSE))  # noqa: F821  (nbgrader provides it)
c = get_config()  # noqa: F821
'''


def reach_programs() -> None:
    """Let nbgrader find the programs that it calls by name (alembic, jupyter), the environment activated or not."""
    programs = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if programs not in path.split(os.pathsep):
        os.environ["PATH"] = programs + os.pathsep + path


def replace_file(path: Path, content: bytes, mode: int) -> None:
    """Put a file in the place of whatever is there, whole or not at all; a link there is replaced, never followed."""
    descriptor, half = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(half, mode)
        os.replace(half, path)
    except BaseException:
        os.unlink(half)
        raise


def is_demo(cell: Mapping[str, Any]) -> bool:
    """Whether a notebook's cell only shows something: the grader skips it, and no graded cell depends on it."""
    return "demo" in cell["metadata"].get("tags", [])


def copied(source: Path, target: Path, *ignored: str) -> Path:
    """Copy a folder, patterns `ignored` apart, so that its owner can change the copy whatever the original allows."""
    shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(*ignored))
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)
    return target
