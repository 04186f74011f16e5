"""Submissions to workers and results back, as they come."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from convcraft.grading.cluster.worker import Terms, mark_there
from convcraft.grading.course import Course, Task
from convcraft.grading.errors import GaveUpError, GradingError, UngradedError
from convcraft.grading.exercises import chapters_of
from convcraft.grading.mark import MarkedSubmission, Parcel, mark_parcel, pack
from convcraft.grading.notebook.released import released_notebook
from convcraft.grading.sandbox.inside import die_with_parent
from convcraft.grading.sandbox.process import SandboxError
from convcraft.grading.warm_process import ready_process
from convcraft.language import _


@dataclass(frozen=True)
class Problem:
    """A submission that could not be graded, through no fault of the student's."""

    student: str
    assignment: str
    message: str


def results(course: Course, tasks: list[Task], workers: int,
            executor: Executor | None) -> Iterator[list[MarkedSubmission | Problem]]:
    """The tasks' results as they come, all that are there at a time; no more under way than workers can take."""
    if not tasks:
        return
    with contextlib.ExitStack() as stack:
        mark: Callable[[Parcel], MarkedSubmission] = partial(mark_parcel, course)
        if executor is None:
            try:
                ready_process(course, chapters_of(course.source, _asked(tasks)))  # before the fork, for all
            except SandboxError as error:
                raise GradingError(str(error)) from error
            executor = stack.enter_context(_Here() if workers == 1 else ProcessPoolExecutor(
                workers, mp_context=get_context("fork"), initializer=follow_parent))
        else:
            mark = partial(mark_there, Terms.of(course))
        waiting = iter(tasks)
        under_way: dict[Future[Any], Task] = {}
        released = cache(Path.read_bytes)  # as it is now, for all of this run
        while True:
            now = getattr(executor, "workers", workers)  # a cluster's come and go
            window = 1 if isinstance(executor, _Here) else max(2 * now, 1)
            while len(under_way) < window and (task := next(waiting, None)):
                under_way[executor.submit(mark, pack(task, released))] = task
            if not under_way:
                return
            done = wait(under_way, return_when=FIRST_COMPLETED).done
            yield [_result(course, future, under_way.pop(future)) for future in done]


def _asked(tasks: Iterable[Task]) -> set[str]:
    """The exercises that the tasks' notebooks ask."""
    notebooks = {path for task in tasks for path in task.notebooks}
    return {exam.exercise for path in notebooks for exam in released_notebook(path).exams.values()}


def _result(course: Course, future: Future[Any], task: Task) -> MarkedSubmission | Problem:
    try:
        done: MarkedSubmission = future.result()
        return done
    except BrokenExecutor as error:
        raise GradingError(_("A worker was ended while it graded {student}, {assignment}: did the machine run out of "
                             "memory? Grade again, with fewer workers.").format(
            student=task.student, assignment=task.assignment)) from error
    except GradingError:
        raise
    except GaveUpError as error:
        return mark_parcel(course, pack(task), unrun=str(error))
    except UngradedError as error:
        return Problem(task.student, task.assignment, str(error))
    except Exception as error:  # one submission must not stop the others
        return Problem(task.student, task.assignment, f"{type(error).__name__}: {error}")


class _Here(Executor):
    """Does the work at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def follow_parent() -> None:
    """In a worker: leave Ctrl-C to the process that gives out the work, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
