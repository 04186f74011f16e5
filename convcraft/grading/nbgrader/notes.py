"""The notes that nbgrader's exchange puts beside a submission."""

import os
import re
import stat
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from nbgrader.utils import parse_utc

from convcraft.language import N_

TIME, SECRET = "timestamp.txt", "submission_secret.txt"  # feedback needs them, too
_TIME_BYTES, _SECRET_BYTES = 100, 256
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # Windows has neither
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?( ?([A-Z]{1,5}|[+-]\d{2}:?\d{2}))?", re.ASCII)
_SECRET = re.compile(rb"[0-9a-f]{32,256}")

NO_TIME = N_("timestamp.txt holds no time; this counts as handed in without one.")


def timestamp(folder: Path) -> datetime | None:
    """When a submission was handed in; None where it does not say so in a way that can be read."""
    return parsed(_text(folder / TIME, _TIME_BYTES))


@lru_cache(maxsize=1024)  # a time is asked for where it is planned, recorded and copied, and takes long to be read
def parsed(text: str) -> datetime | None:
    """A time in the one format that counts, `2030-01-02 10:20:30.0 UTC`; None for anything else."""
    if not _TIME.fullmatch(text.strip()):
        return None
    try:
        handed_in: datetime = parse_utc(text.strip())
        return handed_in
    except (ValueError, OverflowError):
        return None


def written(time: datetime) -> str:
    """A time, which is UTC's, as nbgrader writes it."""
    return time.strftime("%Y-%m-%d %H:%M:%S.%f UTC")


def secret(folder: Path) -> str:
    """What keeps a submission's feedback from others; empty where there is none that could."""
    text = _text(folder / SECRET, _SECRET_BYTES)
    return text if is_secret(text.encode()) else ""


def is_secret(content: bytes) -> bool:
    """Whether a note is a secret of nbgrader's."""
    return _SECRET.fullmatch(content) is not None


def copy_notes(source: Path, target: Path) -> None:
    """Copy the notes of a submission that say something."""
    for name, text in ((TIME, _text(source / TIME, _TIME_BYTES) if timestamp(source) else ""),
                       (SECRET, secret(source))):
        if text:
            (target / name).unlink(missing_ok=True)
            (target / name).write_text(text)


def remark(folder: Path) -> str:
    """A sentence where the time of a submission cannot be read, else empty."""
    return NO_TIME if os.path.lexists(folder / TIME) and timestamp(folder) is None else ""


def _text(path: Path, limit: int) -> str:
    """A small file's text; empty where it is none, or longer."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        data = os.read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    return data.decode("ascii", "replace") if len(data) <= limit else ""
