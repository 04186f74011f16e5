"""The command `convcraft grade`."""

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from convcraft.commands import grade_terminal
from convcraft.commands.common import FOLDER, STATE, plainly
from convcraft.language import _
from convcraft.place import source_of

if TYPE_CHECKING:
    from convcraft.grading.course import Course

WORK, SUBMITTED = "work", "submitted"


@click.command()
@click.option("--course", "root", type=FOLDER, default=STATE,
              help="The course's folder. [default: this one]")
@click.option("--work", type=click.Path(file_okay=False, exists=True, path_type=Path),
              help="Grade a reader's own folder in place of a class; marks go nowhere but to the screen.")
@click.option("--everything", is_flag=True,
              help="Grade the course's own work/ and a class, whichever is there, with feedback.")
@click.option("--student", "students", multiple=True, metavar="NAME", help="Only this student; may be repeated.")
@click.option("--assignment", "assignments", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes that grade; each uses one core and up to --memory.")
@click.option("--scheduler", metavar="ADDRESS",
              help="Have a Dask cluster grade in place of --workers, as tls://host:8786.")
@click.option("--cluster", type=click.IntRange(1, 256), metavar="N",
              help="The same with a Dask cluster of N workers on this machine.")
@click.option("--insecure", is_flag=True, help="Use a scheduler on another machine without TLS.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C: collect from the exchange, grade, write feedback.")
@click.option("--release", is_flag=True, help="With --watch: put feedback into the exchange, too.")
@click.option("--force", is_flag=True, help="Grade again what has its marks; marks given by hand stand.")
@click.option("--feedback", is_flag=True, help="Write feedback/, too, where it is missing or has changed.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True,
              help="Seconds for a cell, or for one aspect of an exam; a notebook's exams have twelve times that.")
@click.option("--own-timeout", type=click.FloatRange(min=0.1), show_default="twelve times --timeout",
              help="Seconds for all cells of a student's own in one notebook; exams have time of their own.")
@click.option("--memory", type=click.IntRange(min=64), default=1024, show_default=True,
              help="MiB that an answer may use.")
@click.option("--no-sandbox", is_flag=True, help="Run answers unsealed: they could read and change your files.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def grade(root: Path, work: Path | None, everything: bool, students: tuple[str, ...], assignments: tuple[str, ...],
          workers: int, scheduler: str | None, cluster: int | None, insecure: bool, watch: bool, release: bool,
          force: bool, feedback: bool, timeout: float, own_timeout: float | None, memory: int, no_sandbox: bool,
          as_json: bool) -> None:
    """Grade a class: submitted/ to autograded/ and the gradebook; or, with --work, a reader's own folder.

    What has its marks is left alone, so an interrupted run goes on where it was. Exit status: 0 all graded, 1 it could
    not go on, 2 the options do not fit together, 3 some submissions could not be graded, or lie where they do not
    belong (they are named), 130 interrupted.
    """
    if work and (students or everything):
        raise click.UsageError(_("--work grades one reader's folder; leave out --student and --everything."))
    if (scheduler is not None) + (cluster is not None) + (workers > 1) > 1:
        raise click.UsageError(_("Who shall grade? --workers, --cluster and --scheduler go one at a time."))
    if watch and (work or everything or students or assignments or force or as_json):
        raise click.UsageError(_("--watch takes the whole class as it comes; leave out what chooses, and --json."))
    if release and not watch:
        raise click.UsageError(_("--release goes with --watch; else `nbgrader release_feedback` gives feedback back."))
    from convcraft.grading.sandbox.walls import NoSandboxError, can_seal, check, need_forks

    with plainly(NoSandboxError):
        need_forks()
    from convcraft.grading.warm_process import start_process

    root, sealed = root.resolve(), not no_sandbox
    own = root / WORK if everything and _holds(root / WORK) else work
    of_class = everything and _holds(root / SUBMITTED) if everything else not work
    outcome: dict[str, dict[str, Any]] = {}
    try:
        is_sealed_own = sealed and can_seal(root) if own else sealed
        if own:
            start_process(root, sealed=is_sealed_own)
        if of_class and scheduler is None and cluster is None:
            if sealed:
                check(root)
            start_process(root, sealed=sealed)
        from convcraft.grading.course import Course  # PyTorch, while those processes import it, too
        from convcraft.grading.sandbox.run import Limits

        course = Course(root, source_of(root), sealed, Limits(timeout, memory * 2**20, own_timeout))
        if own:
            freely = dataclasses.replace(course, sealed=is_sealed_own)
            outcome["work"] = _grade_own(own, freely, assignments, as_json)
        if of_class:
            dask = _Dask(scheduler, cluster, insecure)
            if watch:
                _watch(course, dask, workers, release)
            outcome["class"] = _grade_class(course, as_json, dask, students=students,
                                            assignments=assignments, workers=workers, force=force,
                                            feedback=feedback or everything)
    except NoSandboxError as error:
        raise click.ClickException(_("{reason}\nTo run answers without walls, as yourself: --no-sandbox.").format(
            reason=error)) from error
    except KeyboardInterrupt:
        click.echo(_("Interrupted. What was graded stands; the same command goes on from here."), err=True)
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(outcome if everything else next(iter(outcome.values()))))
    elif not outcome:
        click.echo(_("There is nothing to grade: no chapter in {work} (`convcraft lab` puts them there), and nothing "
                     "in {submitted}.").format(work=root / WORK, submitted=root / SUBMITTED))
    if outcome.get("class", {}).get("problems") or outcome.get("class", {}).get("misplaced"):
        sys.exit(3)


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))


def _grade_own(work: Path, course: "Course", assignments: tuple[str, ...], quiet: bool) -> dict[str, Any]:
    from convcraft.grading.errors import GradingError
    from convcraft.grading.reader import grade_work

    shown = grade_terminal.Work(quiet=quiet, sealed=course.sealed)
    with plainly(GradingError):
        for chapter in grade_work(work, course.root, assignments=assignments, course=course):
            shown.chapter(chapter)
    shown.sum()
    return {"chapters": [{**dataclasses.asdict(chapter.graded), "pages": [str(page) for page in chapter.pages]}
                         for chapter in shown.chapters]}


@dataclasses.dataclass(frozen=True)
class _Dask:
    """Which cluster shall grade; none where neither is given."""

    scheduler: str | None
    count: int | None
    insecure: bool

    @contextlib.contextmanager
    def workers(self, course: "Course", notice: Callable[[str], None]) -> Iterator[Executor | None]:
        if self.scheduler is None and self.count is None:
            yield None
            return
        from convcraft.grading.errors import GradingError
        from convcraft.layout import course_config

        try:
            from convcraft.grading.cluster import connect
        except ImportError as error:
            raise GradingError(_("No package {name}: pip install 'convcraft[cluster]' brings it.").format(
                name=error.name)) from error
        with (connect.local(course.root, self.count, course.limits, notice) if self.count else
              connect.remote(self.scheduler or "", course.limits, course_config(course.root), notice,
                             insecure=self.insecure)) as executor:
            yield executor


def _watch(course: "Course", dask: _Dask, workers: int, release: bool) -> None:
    from convcraft.grading.watch import watch

    def say(sentence: str) -> None:
        click.echo(f"{time.strftime('%H:%M:%S')} {sentence}")
        sys.stdout.flush()

    say(_("Watching the exchange of {folder}; Ctrl-C ends it.").format(folder=course.root))
    watch(course, lambda: dask.workers(course, say), say, workers=workers, release=release)


def _grade_class(course: "Course", quiet: bool, dask: _Dask, **options: Any) -> dict[str, Any]:
    from convcraft.grading.classroom import grade_class
    from convcraft.grading.errors import GradingError

    notices: list[str] = []
    progress = grade_terminal.Progress(quiet=quiet)
    with plainly(GradingError), progress.bar, dask.workers(course, notices.append) as executor:
        summary = grade_class(course.root, course=course, watcher=progress, executor=executor, **options)
    if not quiet:
        grade_terminal.show_class(summary, notices)
    return dataclasses.asdict(summary) | {"notices": notices}
