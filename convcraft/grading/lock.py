"""One grader at a time in a course's folder."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from convcraft.grading.errors import GradingError
from convcraft.language import _


@contextmanager
def only_grader(root: Path, patience: float = 1.0) -> Iterator[None]:
    """Hold the course's lock.

    Args:
        patience: seconds to wait for another grader to finish.

    Raises:
        GradingError: another grader is at work here.
    """
    path, deadline = root / "gradebook.db.lock", time.monotonic() + patience
    try:
        file = open(path, "a+")  # noqa: SIM115  (closed below, after the lock)
    except OSError as error:
        raise GradingError(_("{path}: {reason}. Make the course's folder writable.").format(
            path=path, reason=error.strerror)) from error
    with file:
        while not locked_at_once(file):
            if time.monotonic() > deadline:
                file.seek(0)
                raise GradingError(_("Another grader is at work in {root} (process {process}); wait until it has "
                                     "finished.").format(root=root, process=file.read().strip() or "?"))
            time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def locked_at_once(file: TextIO | int) -> bool:
    """Take a file's lock if nobody has it; whether it was taken."""
    import fcntl  # Windows has none; no grader gets this far there

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
