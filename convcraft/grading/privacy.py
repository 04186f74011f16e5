"""A class's work and marks are for their owner's eyes alone."""

import stat
from contextlib import suppress
from pathlib import Path

from nbgrader.coursedir import CourseDirectory


def close_folders(coursedir: CourseDirectory) -> None:
    """Make what holds a class's work and marks for its owner alone, whatever the umask; close it where it is there."""
    folders = (coursedir.submitted_directory, coursedir.autograded_directory, coursedir.feedback_directory)
    paths = [Path(coursedir.root, name) for name in folders]
    for path in paths:
        path.mkdir(0o700, exist_ok=True)
    kind, _, database = coursedir.db_url.partition(":///")
    if kind == "sqlite":
        paths.append(Path(database))
        paths[-1].touch(0o600)
    for path in paths:
        with suppress(OSError):  # another user's, or read-only: its owner's to close
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)
