"""The command `convcraft grade`."""

import dataclasses
import json
import sys
from pathlib import Path

import click

from convcraft.grading import tell

WORK, SUBMITTED = "work", "submitted"


@click.command()
@click.option("--course", "root", type=click.Path(file_okay=False, path_type=Path), default=Path(__file__).parents[2],
              help="The course's folder. [default: this one]")
@click.option("--work", type=click.Path(file_okay=False, exists=True, path_type=Path),
              help="Grade a reader's own folder in place of a class; marks go nowhere but to the screen.")
@click.option("--everything", is_flag=True,
              help="Grade the course's own work/ and a class, whichever is there, with feedback.")
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
def grade(root: Path, work: Path | None, everything: bool, students: tuple[str, ...], assignments: tuple[str, ...],
          workers: int, force: bool, feedback: bool, timeout: float, memory: int, no_sandbox: bool,
          as_json: bool) -> None:
    """Grade a class: submitted/ to autograded/ and the gradebook; or, with --work, a reader's own folder.

    What has its marks is left alone, so an interrupted run goes on where it was. Exit status: 0 all graded, 1 it could
    not go on, 2 the options do not fit together, 3 some submissions could not be graded (they are named), 130
    interrupted.
    """
    if work and (students or everything):
        raise click.UsageError("--work grades one reader's folder; leave out --student and --everything.")
    from convcraft.grading.sandbox import NoSandboxError, can_seal, check, need_forks

    try:
        need_forks()
    except NoSandboxError as error:
        raise click.ClickException(str(error)) from error
    from convcraft.grading.mark import Course, start
    from convcraft.grading.run import Limits

    root = root.resolve()
    course = Course(root, root / "source", not no_sandbox, Limits(timeout, memory * 2**20))
    own = root / WORK if everything and _holds(root / WORK) else work
    of_class = everything and _holds(root / SUBMITTED) if everything else not work
    outcome = {}
    try:
        if own:
            freely = course if no_sandbox or can_seal(root) else dataclasses.replace(course, sealed=False)
            start(freely)
            outcome["work"] = _grade_own(own, freely, assignments, as_json)
        if of_class:
            if course.sealed:
                check(root)
            start(course)
            outcome["class"] = _grade_class(course, as_json, students=students, assignments=assignments,
                                            workers=workers, force=force, feedback=feedback or everything)
    except NoSandboxError as error:
        raise click.ClickException(f"{error}\nTo run answers without walls, as yourself: --no-sandbox.") from error
    except KeyboardInterrupt:
        click.echo("Interrupted. What was graded stands; the same command goes on from here.", err=True)
        sys.exit(130)
    if as_json:
        click.echo(json.dumps(outcome if everything else next(iter(outcome.values()))))
    elif not outcome:
        click.echo(f"There is nothing to grade: no chapter in {root / WORK} (`convcraft lab` puts them there), and "
                   f"nothing in {root / SUBMITTED}.")
    if outcome.get("class", {}).get("problems"):
        sys.exit(3)


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))


def _grade_own(work: Path, course, assignments: tuple[str, ...], quiet: bool) -> dict:
    from convcraft.grading.own import grade_work
    from convcraft.grading.record import GradingError

    told = tell.Own(quiet=quiet, sealed=course.sealed)
    try:
        for chapter in grade_work(work, course.root, assignments=assignments, course=course):
            told.chapter(chapter)
    except GradingError as error:
        raise click.ClickException(str(error)) from error
    told.sum()
    return {"chapters": [{**dataclasses.asdict(chapter.graded), "pages": [str(page) for page in chapter.pages]}
                         for chapter in told.chapters]}


def _grade_class(course, quiet: bool, **options) -> dict:
    from convcraft.grading.grade import grade as grade_class
    from convcraft.grading.record import GradingError

    progress = tell.Progress(quiet=quiet)
    try:
        with progress.bar:
            summary = grade_class(course.root, course=course, watcher=progress, **options)
    except GradingError as error:
        raise click.ClickException(str(error)) from error
    if not quiet:
        tell.summary(summary)
    return dataclasses.asdict(summary)
