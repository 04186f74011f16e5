"""What runs on a worker: a machine with package, bubblewrap and exams of its own, and no file of the grader's."""

import hashlib
import socket
import threading
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from convcraft.grading.course import Course
from convcraft.grading.exercises import version as exams_version
from convcraft.grading.mark import MarkedSubmission, Parcel, mark_parcel
from convcraft.grading.sandbox.process import SandboxError
from convcraft.grading.sandbox.run import Limits
from convcraft.grading.sandbox.walls import NoSandboxError
from convcraft.language import N_, _
from convcraft.place import INSTALLED, PACKAGE, source_of

OTHER_COURSE = N_("its course is {theirs}, this machine's is {ours}. Install the same wheel there, or start the "
                  "worker in a folder with the same source/.")
NO_SANDBOX = N_("it cannot seal answers off: {reason}")
NO_FILES = N_("it cannot write its files: {reason}.")

one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Edition:
    """What marks depend on: the package's version, and a digest of its code and of the exams."""

    version: str
    digest: str

    def __str__(self) -> str:
        return f"convcraft {self.version} ({self.digest})"


@dataclass(frozen=True)
class Terms:
    """What a worker has to know of the course beside its own copy."""

    edition: Edition
    limits: Limits
    sealed: bool

    @classmethod
    def of(cls, course: Course) -> "Terms":
        """Those of this machine's course."""
        return cls(edition(course.source), course.limits, course.sealed)


class RefusedError(RuntimeError):
    """A worker cannot grade, whatever it is given: why and what to do, its machine, its address in the cluster."""

    def __init__(self, reason: str, host: str = "", address: str = ""):
        super().__init__(reason, host, address)
        self.reason, self.host, self.address = reason, host or socket.gethostname(), address


def edition(source: Path) -> Edition:
    """The edition of the exams in `source`, with this package."""
    exams = repr(exams_version(source.glob("*/exams/*.py"), source)).encode()
    return Edition(version("convcraft"), hashlib.sha256(_code() + exams).hexdigest()[:12])


@cache  # a running process keeps the code that it has imported
def _code() -> bytes:
    found = hashlib.sha256()
    for path in sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if INSTALLED not in path.parents):
        found.update(repr((path.parts, (PACKAGE / path).read_bytes())).encode())
    return found.digest()


def mark_there(terms: Terms, parcel: Parcel) -> MarkedSubmission:
    """Mark with this machine's own course: that of the folder in which the worker was started, else the installed one.

    Raises:
        RefusedError: this machine's exams are others, or it has no sandbox, or its disk is full.
    """
    root = Path.cwd()
    source = source_of(root)
    ours = edition(source)
    if ours != terms.edition:
        raise RefusedError(_(OTHER_COURSE).format(theirs=ours, ours=terms.edition))
    try:
        with one_at_a_time:
            return mark_parcel(Course(root, source, terms.sealed, terms.limits), parcel)
    except (NoSandboxError, SandboxError) as error:
        raise RefusedError(_(NO_SANDBOX).format(reason=error)) from error
    except OSError as error:
        raise RefusedError(_(NO_FILES).format(reason=error)) from error
