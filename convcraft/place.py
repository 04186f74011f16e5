"""Where the course is, read only, and where the work on it is kept: one answer for a clone and for the wheel."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSTALLED = PACKAGE / "course"  # in the wheel the course lies in the package, in a clone around it
COURSE = INSTALLED if INSTALLED.is_dir() else PACKAGE.parent


def state() -> Path:
    """The folder of marks, submissions, exchange and readers' copies: in a clone the clone, else where one stands."""
    return Path.cwd() if COURSE == INSTALLED else COURSE


def source_of(root: Path) -> Path:
    """The sources with the exams for the class in `root`: its own, or those of the course, where it has none."""
    own = root / "source"
    return own if any(own.glob("*/exams")) else COURSE / "source"
