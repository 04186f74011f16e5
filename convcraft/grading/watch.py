"""Marks as the work comes in: from the exchange to feedback in the exchange, round after round, until it is stopped.

Nothing is remembered but what is on the disk: whatever ends this, the next start goes on. A submission is collected
when its copy in the exchange is whole, which nbgrader shows by writing `submission_secret.txt` last.
"""

import contextlib
import glob
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from nbgrader.apps import NbGraderAPI
from nbgrader.exchange import ExchangeError
from nbgrader.utils import parse_utc

from convcraft.grading.classroom import Summary, grade_class
from convcraft.grading.course import Course
from convcraft.grading.errors import GradingError
from convcraft.grading.nbgrader.exchange import NOT_COLLECTED as LEFT
from convcraft.grading.nbgrader.exchange import OF_SUBMISSION
from convcraft.grading.nbgrader.notes import timestamp
from convcraft.grading.nbgrader.release import released_notebooks
from convcraft.grading.notebook.submitted import shown
from convcraft.language import N_, _
from convcraft.layout import course_config
from convcraft.scores import points

_PAUSE = 3.0  # seconds between two looks at the exchange
_LONGEST = 300.0  # seconds until something that failed is tried again
_COPYING = 60.0  # seconds that handing in may take

GRADED = N_("{student}, {assignment}: {points} of {most} points{since}.")
SINCE = N_(", {seconds:.0f} s after it was handed in")
NOT_GRADED = N_("{student}, {assignment}: not graded: {reason}")
NOT_COLLECTED = N_("{student}, {assignment}: not collected: {reason} It is tried again.")
REFUSED = N_("what collects left it out, and did not say why.")
NOT_RELEASED = N_("{student}, {assignment}: the feedback was not released: {reason} It is tried again.")
WAITING = N_("{reason} This waits, and tries again.")
ON = N_("It goes on.")
NO_EXCHANGE = N_("The exchange cannot be read: {reason}")


@dataclass(frozen=True)
class _Arrival:
    """A submission in the exchange."""

    path: Path
    student: str
    assignment: str
    when: datetime


@dataclass
class _Later:
    """What failed, and when it is tried again: after twice as long each time."""

    due: dict[Any, float] = field(default_factory=dict)
    pause: dict[Any, float] = field(default_factory=dict)

    def waits(self, what: Any) -> bool:
        return time.monotonic() < self.due.get(what, 0.0)

    def failed(self, what: Any) -> bool:
        """Note a failure; whether it is the first one."""
        is_first = what not in self.pause
        self.pause[what] = min(2 * self.pause.get(what, _PAUSE), _LONGEST)
        self.due[what] = time.monotonic() + self.pause[what]
        return is_first

    def forget(self, what: Any) -> None:
        self.due.pop(what, None)
        self.pause.pop(what, None)


def watch(course: Course, executors: Callable[[], AbstractContextManager[Executor | None]],
          say: Callable[[str], None], *, workers: int = 1, release: bool = False, pause: float = _PAUSE) -> NoReturn:
    """Collect, grade and give feedback while students hand in; ends by an interrupt alone.

    Args:
        executors: opens whose workers to use (None: own processes); opened anew after an error.
        say: is told a sentence about each submission, and about what is in the way.
        release: put feedback into the exchange, too.
    """
    rounds, trouble = Rounds(course, say, release=release), ""
    while True:
        try:
            with executors() as executor:
                while True:
                    rounds.once(workers, executor)
                    if trouble:
                        say(_(ON))
                        trouble = ""
                    time.sleep(pause)
        except (GradingError, ExchangeError, OSError) as error:
            reason = str(error) if isinstance(error, GradingError) else _(NO_EXCHANGE).format(reason=_reason(error))
            if reason != trouble:
                say(_(WAITING).format(reason=reason))
            trouble = reason
        time.sleep(pause)


@contextlib.contextmanager
def _heard(log: logging.Logger) -> Iterator[list[str]]:
    """The warnings that are logged within the block."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


class Rounds:
    """Rounds of one course: collect, grade, release.

    Args:
        say, release: as for `watch`.
    """

    def __init__(self, course: Course, say: Callable[[str], None], *, release: bool):
        self._course, self._say, self._release = course, say, release
        self._api = NbGraderAPI(config=course_config(course.root))
        self._coursedir = self._api.coursedir
        self._ungraded: set[str] | None = None  # students; None for all
        self._unreleased: set[tuple[str, str]] = set()
        self._collected: set[Path] = set()
        self._later = _Later()

    def once(self, workers: int = 1, executor: Executor | None = None) -> None:
        """One round.

        Raises:
            GradingError, ExchangeError, OSError: something is in the way of all; the next round makes up for this one.
        """
        collected = {arrival.student for arrival in self._arrivals() if self._collect(arrival)}
        if self._ungraded is not None:
            self._ungraded |= collected
        if self._ungraded is None or self._ungraded:
            summary = grade_class(self._course.root, course=self._course, students=self._ungraded or (),
                                  workers=workers, feedback=True, executor=executor)
            self._tell(summary)
            self._unreleased |= set(self._with_feedback(self._ungraded))
            self._ungraded = set()
        if self._release:
            for student, assignment in sorted(self._unreleased):
                self._give(student, assignment)

    def _arrivals(self) -> Iterator[_Arrival]:
        """What is in the exchange whole, and has not been collected."""
        collect = self._api.exchange.Collect(coursedir=self._coursedir, parent=self._api)
        inbound = Path(collect.root, self._coursedir.course_id, "inbound")
        names = list(released_notebooks(self._coursedir))
        with os.scandir(inbound) as entries:
            paths = [Path(entry.path) for entry in entries]
        for path in sorted(paths):
            arrival = _arrival(path, names)
            if path in self._collected or arrival is None or self._later.waits(path):
                continue
            if self._is_collected(arrival):
                self._collected.add(path)
            elif _is_whole(path):
                yield arrival

    def _is_collected(self, arrival: _Arrival) -> bool:
        old = timestamp(self._submitted(arrival.student, arrival.assignment))
        return old is not None and old >= arrival.when

    def _submitted(self, student: str, assignment: str) -> Path:
        return Path(self._coursedir.format_path(self._coursedir.submitted_directory, student, assignment))

    def _collect(self, arrival: _Arrival) -> bool:
        """Whether it has been collected."""
        try:
            with self._only(glob.escape(arrival.student), arrival.assignment):
                collect = self._api.exchange.Collect(coursedir=self._coursedir, authenticator=self._api.authenticator,
                                                     parent=self._api)
                collect.update = True
                with _heard(collect.log) as said:
                    collect.start()
            reason = "" if self._is_collected(arrival) else " ".join(said) or _(REFUSED)
            whose = {"student": shown(arrival.student), "assignment": arrival.assignment}
            for sentence in (_(OF_SUBMISSION).format(sentence="", **whose), _(LEFT).format(reason="", **whose)):
                reason = reason.removeprefix(sentence)
        except (OSError, ExchangeError, RuntimeError, ValueError) as error:  # nbgrader's own, for odd names and sizes
            reason = _reason(error)
        if reason and self._later.failed(arrival.path):
            self._say(_(NOT_COLLECTED).format(student=shown(arrival.student), assignment=arrival.assignment,
                                           reason=reason))
        return not reason

    def _tell(self, summary: Summary) -> None:
        for change in summary.changes:
            self._say(change)
        for item in summary.graded:
            handed_in = timestamp(self._submitted(item.student, item.assignment))
            since = (datetime.now(UTC).replace(tzinfo=None) - handed_in).total_seconds() if handed_in else None
            self._say(_(GRADED).format(student=item.student, assignment=item.assignment, points=points(item.points),
                                    most=points(item.max_points),
                                    since="" if since is None else _(SINCE).format(seconds=since)))
        for problem in (*summary.problems, *summary.misplaced):
            self._say(_(NOT_GRADED).format(student=problem.student, assignment=problem.assignment,
                                           reason=problem.message))

    def _with_feedback(self, students: Iterable[str] | None) -> Iterator[tuple[str, str]]:
        """The submissions from the exchange that have feedback; of all students where none are named."""
        for assignment in released_notebooks(self._coursedir):
            pattern = self._coursedir.format_path(self._coursedir.feedback_directory, "*", assignment)
            for secret in glob.glob(f"{pattern}/submission_secret.txt"):
                student = Path(secret).parent.parent.name
                if students is None or student in students:
                    yield student, assignment

    def _give(self, student: str, assignment: str) -> None:
        if self._later.waits((student, assignment)):
            return
        try:
            with self._only(glob.escape(student), assignment):
                self._api.exchange.ReleaseFeedback(coursedir=self._coursedir, authenticator=self._api.authenticator,
                                                   parent=self._api).start()
            self._unreleased.discard((student, assignment))
            self._later.forget((student, assignment))
        except (OSError, ExchangeError) as error:
            if self._later.failed((student, assignment)):
                self._say(_(NOT_RELEASED).format(student=student, assignment=assignment, reason=_reason(error)))

    @contextlib.contextmanager
    def _only(self, student: str, assignment: str) -> Iterator[None]:
        """nbgrader's own way to name one submission."""
        self._coursedir.student_id, self._coursedir.assignment_id = student, assignment
        try:
            yield
        finally:
            self._coursedir.student_id, self._coursedir.assignment_id = "*", ""


def _arrival(path: Path, assignments: Iterable[str]) -> _Arrival | None:
    """What nbgrader named `student+assignment+time+…` so."""
    for assignment in assignments:
        student, found, rest = path.name.partition(f"+{assignment}+")
        if student and found:
            try:
                when = parse_utc(rest.partition("+")[0])
            except (ValueError, OverflowError):
                return None
            return _Arrival(path, student, assignment, when)
    return None


def _reason(error: Exception) -> str:
    """An error's reason as a sentence: of many files that could not be copied, the first one's."""
    if isinstance(error, shutil.Error):
        error = error.args[0][0][2]
    return f"{error}."


def _is_whole(path: Path) -> bool:
    """Whether its copy has ended, or will never end."""
    try:
        return (path / "submission_secret.txt").exists() or time.time() - path.stat().st_mtime > _COPYING
    except OSError:  # withdrawn meanwhile
        return False
