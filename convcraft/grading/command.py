"""The command `convcraft grade`."""

import dataclasses
import json
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

_REMARKS = 20


@click.command()
@click.option("--course", "root", type=click.Path(file_okay=False, path_type=Path), default=Path(__file__).parents[2],
              help="The course's folder. [default: this one]")
@click.option("--work", type=click.Path(file_okay=False, exists=True, path_type=Path),
              help="Grade a reader's own folder in place of a class; marks go nowhere but to the screen.")
@click.option("--student", "students", multiple=True, metavar="NAME", help="Only this student; may be repeated.")
@click.option("--assignment", "assignments", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes that grade; each uses one core and up to --memory.")
@click.option("--force", is_flag=True, help="Grade again what has its marks; marks given by hand stand.")
@click.option("--feedback", is_flag=True, help="Write feedback/, too, where it is missing or has changed.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, show_default=True,
              help="Seconds for a cell, or for one aspect of an exam.")
@click.option("--memory", type=click.IntRange(min=64), default=1024, show_default=True,
              help="MiB that an answer may use.")
@click.option("--no-sandbox", is_flag=True, help="Run answers unsealed: they could read and change your files.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else.")
def grade(root: Path, work: Path | None, students: tuple[str, ...], assignments: tuple[str, ...], workers: int,
          force: bool, feedback: bool, timeout: float, memory: int, no_sandbox: bool, as_json: bool) -> None:
    """Grade a class: submitted/ to autograded/ and the gradebook; or, with --work, a reader's own folder.

    What has its marks is left alone, so an interrupted run goes on where it was. Exit status: 0 all graded, 1 it could
    not go on, 3 some submissions could not be graded (they are named), 130 interrupted.
    """
    from convcraft.grading.grade import grade as grade_class
    from convcraft.grading.mark import Course
    from convcraft.grading.own import can_seal
    from convcraft.grading.record import GradingError
    from convcraft.grading.run import Limits
    from convcraft.grading.sandbox import NoSandboxError

    root = root.resolve()
    sealed = not no_sandbox and (work is None or can_seal(root))
    course = Course(root, root / "source", sealed, Limits(timeout, memory * 2**20))
    progress = _Progress(quiet=as_json)
    try:
        if work is not None:
            _grade_own(work, course, assignments, as_json)
            return
        with progress.bar:
            summary = grade_class(root, students=students, assignments=assignments, workers=workers, force=force,
                                  feedback=feedback, course=course, watcher=progress)
    except NoSandboxError as error:
        raise click.ClickException(f"{error}\nTo run answers without walls, as yourself: --no-sandbox.") from error
    except GradingError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted. What was graded stands; the same command goes on from here.", err=True)
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(summary)))
    else:
        _tell(summary)
    if summary.problems:
        sys.exit(3)


class _Progress:
    """A bar: students done, marks so far, time left."""

    def __init__(self, quiet: bool):
        self.bar = Progress(SpinnerColumn(), TextColumn("grading"), BarColumn(), MofNCompleteColumn(),
                            TextColumn("{task.fields[marks]}"), TimeRemainingColumn(elapsed_when_finished=True),
                            console=Console(stderr=True), disable=quiet, transient=True)
        self._points = self._most = 0.0

    def start(self, total: int) -> None:
        self._task = self.bar.add_task("", total=total, marks="")

    def done(self, item) -> None:
        self._points += getattr(item, "points", 0)
        self._most += getattr(item, "max_points", 0)
        marks = f"marks so far {self._points / self._most:.0%}" if self._most else ""
        self.bar.update(self._task, advance=1, marks=marks)


def _tell(summary) -> None:
    console = Console(highlight=False, soft_wrap=True)
    remarks = [(item, remark) for item in summary.graded for remark in item.remarks]
    for item, remark in remarks[:_REMARKS]:
        console.print(f"[yellow]{escape(item.student)}, {escape(item.assignment)}:[/] {escape(remark)}")
    if len(remarks) > _REMARKS:
        console.print(f"… and {len(remarks) - _REMARKS} remarks more; each stands in its notebook.")
    for problem in summary.problems:
        console.print(f"[red]Not graded: {escape(problem.student)}, {escape(problem.assignment)}:[/] "
                      f"{escape(problem.message)}")
    console.print(_sentence(summary))


def _sentence(summary) -> str:
    parts = [f"Graded {len(summary.graded)} submissions in {summary.seconds:.1f} s."]
    if summary.graded:
        most = sum(item.max_points for item in summary.graded)
        parts.append(f"Mean {sum(item.points for item in summary.graded) / max(most, 1):.0%} of the points.")
    if summary.skipped:
        parts.append(f"{summary.skipped} had their marks already (--force grades them again).")
    if summary.feedback:
        parts.append(f"Wrote {summary.feedback} pages of feedback.")
    return " ".join(parts)


def _grade_own(work: Path, course, assignments: tuple[str, ...], as_json: bool) -> None:
    from convcraft.grading.own import grade_work

    console = Console(highlight=False, soft_wrap=True, quiet=as_json)
    if not course.sealed:
        console.print("[dim]Your code runs without a sandbox here.[/]")
    found, begin = [], time.perf_counter()
    for chapter in grade_work(work, course.root, assignments=assignments, course=course):
        found.append(chapter)
        _tell_chapter(console, chapter)
    if as_json:
        click.echo(json.dumps({"chapters": [
            {**dataclasses.asdict(chapter.graded), "pages": [str(page) for page in chapter.pages]}
            for chapter in found]}))
        return
    points, most = (sum(getattr(chapter.graded, name) for chapter in found) for name in ("points", "max_points"))
    console.print(f"[bold]{points:g} of {most:g} points[/] "
                  f"in {time.perf_counter() - begin:.1f} s. With pictures, to open in a browser:")
    for chapter in found:
        for page in chapter.pages:
            console.print(f"  {escape(page.as_uri())}")


def _tell_chapter(console: Console, chapter) -> None:
    from convcraft.exam.present import points

    graded = chapter.graded
    console.print(f"[bold]{graded.assignment}[/]  {points(graded.points)} of {points(graded.max_points)} points")
    for remark in graded.remarks:
        console.print(f"  [yellow]{escape(remark)}[/]")
    for facts in graded.exercises:
        full = facts["points"] == facts["max_points"]
        mark = "[green]✓[/]" if full else "[red]✗[/]" if facts["answered"] else "[dim]·[/]"
        score = f"{points(facts['points'])} of {facts['max_points']}"
        console.print(f"  {mark} {facts['exercise']:<28}{score:>12}{'' if facts['answered'] else '  not answered yet'}")
        if facts["answered"]:
            _tell_failures(console, facts["failed"])


def _tell_failures(console: Console, failed: list[dict]) -> None:
    reasons: dict[str, list[str]] = {}
    for row in failed:
        reasons.setdefault(row["diagnosis"] or row["detail"], []).append(row["aspect"])
    for reason, aspects in reasons.items():
        console.print(f"      [red]{escape(', '.join(aspects))}[/]: {escape(reason)}")
