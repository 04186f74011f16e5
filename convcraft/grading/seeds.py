"""The secret that a class's inputs are drawn from."""

import re
import secrets
from collections.abc import Collection
from pathlib import Path

from convcraft.exam.draw import key
from convcraft.grading.errors import GradingError
from convcraft.language import _
from convcraft.layout import replace_file

_DECIMAL, _HEXADECIMAL = re.compile(r"[0-9]{8,20}"), re.compile(r"[0-9a-f]{8,16}", re.I)
_RUN = re.compile(r"[0-9a-fA-F]{8,}")


def secret_seed(root: Path) -> int:
    """The class's seed, from `exam_seed` beside the gradebook; made once (hold the lock), for its owner alone."""
    path = root / "exam_seed"
    if not path.exists():
        replace_file(path, f"{secrets.randbits(62)}\n".encode(), 0o600)
    try:
        return int(path.read_text())
    except ValueError as error:
        raise GradingError(_("{path}: is no number. Restore it from a copy; without it a regrade draws other inputs. "
                             "Or remove it, and grade everything again with --force.").format(path=path)) from error


def seed_for(secret: int, *parts: str) -> int:
    """The draw's seed for an assignment, and for an exercise in it: what leaks from one says nothing of another."""
    for part in parts:
        secret = key(secret, part)
    return secret


def conceal(text: str, seeds: Collection[int]) -> str:
    """A text without seeds: an answer could find those of its own exam and show them to the whole class."""
    def hidden(found: re.Match[str]) -> str:
        return "…" if found[0].lower() in written else found[0]

    def searched(run: re.Match[str]) -> str:
        return _HEXADECIMAL.sub(hidden, _DECIMAL.sub(hidden, run[0]))

    written = {form for seed in seeds for form in (str(seed), f"{seed:x}")}
    return _RUN.sub(searched, text)  # a notebook has megabytes of pictures: they are gone through once
