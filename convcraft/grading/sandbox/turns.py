"""Who runs a notebook on this machine now: many beside each other, or one that has to have it alone.

Two locks on files that all of a user's graders share. `room` is held by whoever runs a notebook, with others or alone.
`door` is held for a moment by whoever goes in, and by whoever waits to be alone until the others have left: nobody goes
in meanwhile. The file `door` counts who went in.
"""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from convcraft.grading.lock import locked_at_once
from convcraft.grading.sandbox.process import SandboxError
from convcraft.language import _


@contextmanager
def beside_others() -> Iterator[Callable[[], bool]]:
    """Be one of those who run a notebook; gives a function that says whether nobody else has done so meanwhile."""
    import fcntl  # Windows has none, and runs no notebook

    with _opened("room") as room:
        with _opened("door") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            was_empty = locked_at_once(room)
            fcntl.flock(room, fcntl.LOCK_SH)
            number = _count(door) + 1
            os.pwrite(door, b"%d" % number, 0)
        yield lambda: was_empty and _counted() == number


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else runs a notebook, and let nobody begin."""
    import fcntl

    with _opened("room") as room, _opened("door") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(name: str) -> Iterator[int]:
    """A file of the user's own folder for this, which nobody else can have put there.

    Raises:
        SandboxError: somebody else has.
    """
    folder = _folder()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
        if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o022:
            raise FileExistsError(None, _("it is not yours alone"))
        file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SandboxError(_("{folder}: {reason}. Remove it, or let TMPDIR name a folder of yours.").format(
            folder=folder, reason=error.strerror)) from error
    try:
        yield file
    finally:
        os.close(file)


def _folder() -> Path:
    return Path(tempfile.gettempdir(), f"convcraft-{os.getuid()}")


def _counted() -> int:
    with _opened("door") as door:
        return _count(door)


def _count(door: int) -> int:
    text = os.pread(door, 20, 0)
    return int(text) if text.isdigit() else 0
