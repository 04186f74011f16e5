"""What a student may be called: one pattern, wherever a name comes from outside.

A name becomes a folder, a part of a web address, a line in a CSV and a row of the gradebook.
"""

import re

from nbgrader.api import Student
from sqlalchemy import event

from convcraft.language import N_, _

NAMES = (r"(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$))"  # no folder can be called so on Windows
         r"[A-Za-z0-9_](?:[A-Za-z0-9._@-]{0,62}[A-Za-z0-9_@-])?")
NOT_A_NAME = N_("{name} is no name for a student here: up to 64 letters, digits and . _ @ - are, or what "
                "`name_students` in nbgrader_config.py allows.")
_allowed = re.compile(NAMES)


def name_students(pattern: str = NAMES) -> None:
    """Let students be called what the whole of a regular expression fits; the course's configuration calls this.

    From then on nothing of this process enters another name into a gradebook.
    """
    global _allowed
    _allowed = re.compile(pattern)


def is_name(text: str) -> bool:
    """Whether a student may be called so."""
    return len(text) <= 128 and _allowed.fullmatch(text) is not None  # 128 is the gradebook's own limit


@event.listens_for(Student.id, "set")
def _check(student: Student, value: str, *others: object) -> None:
    """Nobody enters the gradebook under another name: by import, by the formgrader, by grading."""
    if not is_name(value):
        raise ValueError(_(NOT_A_NAME).format(name=ascii(value)))
