"""What a notebook's cells call: `examine`, `try_it`, `show_progress`."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from convcraft import progress
from convcraft.exam import NoExamError, Verdict, find, judge, observe
from convcraft.exam.present import bundle, text
from convcraft.language import _

_examiner: Callable[[str, object], float | None] | None = None
_told: set[str] = set()


def set_examiner(examiner: Callable[[str, object], float | None] | None) -> None:
    """Let another callable answer `examine(name, impl)`: the grader's, which only observes. None puts it back."""
    global _examiner
    _examiner = examiner


def examine(name: str, impl: object) -> float | None:
    """Examine an answer: show what passed, what failed and why, and return the points.

    Args:
        name: the exercise's name, as `"conv2d"`.
        impl: the function or class itself, not its result.

    Returns:
        The points earned, which nbgrader reads as partial credit. None where no exam can be reached.

    Raises:
        NoExamError: no exam can be reached while nbgrader is grading.
    """
    if _examiner is not None:
        return _examiner(name, impl)
    try:
        exercise = find(name)
    except NoExamError as error:
        if os.environ.get("NBGRADER_EXECUTION"):
            raise
        _show({"text/plain": str(error)})
        return None
    records = observe(name, exercise.probe, impl, seed=0, bans=exercise.bans, seconds=_seconds())
    verdict: Verdict = judge(exercise, records, seed=0)
    if os.environ.get("NBGRADER_VALIDATING") and verdict.points < verdict.max_points:
        print(text(verdict), file=sys.stderr)  # nbgrader's Validate shows this stream, and no marks come of it
    else:
        _show(bundle(verdict))
    try:
        progress.note(verdict, Path.cwd())
    except OSError as error:
        _tell_once(_("Your progress could not be kept: {error}").format(error=error))
    return Points(verdict.points)


class Points(float):
    """Points as a cell's value: nbgrader reads its text; the table above it has told the reader, who sees nothing."""

    def __repr__(self) -> str:
        return f"{self:g}"

    def _repr_html_(self) -> str:
        return ""


@contextmanager
def try_it(name: str) -> Iterator[None]:
    """A block that tries the reader's answer, or says that it waits for one."""
    try:
        yield
    except NotImplementedError as error:
        if str(error):  # PyTorch's own, of a module without a `forward` for one; the stub's says nothing
            raise
        _show({"text/plain": _("This cell waits for your {name}.").format(name=name)})


def show_progress(chapter: str, asked: dict[str, float]) -> None:
    """Show how far the reader is in a chapter and, where that is known, in the course.

    Args:
        asked: the chapter's exercises and their points, as the build writes them.
    """
    try:
        known = progress.of_notebook(chapter, asked, Path.cwd())
    except OSError as error:
        _show({"text/plain": str(error)})
        return
    _show({"text/plain": progress.text(known, chapter), "text/html": progress.page(known, chapter)})


def _tell_once(sentence: str) -> None:
    """Show it, but not after every exercise."""
    if sentence not in _told:
        _told.add(sentence)
        _show({"text/plain": sentence})


def _seconds() -> float:
    """The limit for one aspect, from the environment."""
    given = os.environ.get("CONVCRAFT_SECONDS", "10")
    try:
        return float(given)
    except ValueError as error:
        raise ValueError(_("CONVCRAFT_SECONDS must be a number of seconds, not {given!r}; change or unset it").format(
            given=given)) from error


def _show(data: dict[str, str]) -> None:
    """Display in a notebook; print elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        shell = None
    else:
        shell = get_ipython()
    if shell is None:
        print(data["text/plain"])
    else:
        display(data, raw=True)
