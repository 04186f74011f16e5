"""Why grading cannot go on."""

from sqlalchemy.exc import SQLAlchemyError

from convcraft.language import N_, _

STANDS = N_("Marks recorded before this stand; mend it and grade again.")


OLDER = N_("It was made by another version of nbgrader: copy it, then run `nbgrader db upgrade` in the course's "
           "folder and grade again.")
GAVE_UP = N_("This was not run a third time: the worker at {first} was lost while it ran, and at {second} a process of "
             "its own ended ({how}). It has no points until somebody has looked at it.")
_OLDER_SAYS = ("no such column", "no such table", "has no column", "UndefinedColumn", "UndefinedTable")


class GradingError(RuntimeError):
    """Grading cannot go on; the message says why and what to do."""


class GaveUpError(RuntimeError):
    """A submission ends whatever grades it; the message, in English, becomes its remark."""


class UngradedError(RuntimeError):
    """A submission could not be graded, and nobody knows that it is at fault; the message says why."""


def gradebook_error(error: SQLAlchemyError) -> GradingError:
    """What the gradebook's own error means, and what to do."""
    return GradingError(_("The gradebook: {reason}. {remedy}").format(reason=reason(error), remedy=remedy(error)))


def reason(error: Exception) -> object:
    """Why, in the words of the library or the system that could not go on."""
    return getattr(error, "orig", None) or getattr(error, "strerror", None) or error


def remedy(error: Exception) -> str:
    """What to do about a gradebook or a file that cannot be written."""
    said = f"{type(reason(error)).__name__}: {reason(error)}"
    return _(OLDER) if any(words in said for words in _OLDER_SAYS) else _(STANDS)
