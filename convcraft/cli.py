"""The command `convcraft`: thin, each command one call into the package."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from convcraft.grading.command import grade

ROOT = Path(__file__).resolve().parents[1]
_console = Console(highlight=False, soft_wrap=True)
_folder = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """ConvCraft: build, prove, grade and look after the course."""


@main.group()
def build() -> None:
    """Generate what is committed: assets, notebooks, solutions."""


def _each(names: tuple[str, ...], step: Callable, done: str) -> None:
    from convcraft.build.source import SourceError, chapters

    try:
        for chapter in chapters(ROOT, names):
            start = time.perf_counter()
            step(chapter)
            _console.print(f"{done} {chapter.name} ({time.perf_counter() - start:.1f} s)")
    except SourceError as error:
        raise click.ClickException(str(error)) from error


@build.command("assets")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
def build_assets(names: tuple[str, ...]) -> None:
    """Draw the figures: source/*/figures.py to assets/."""
    from convcraft.build.assets import draw

    _each(names, lambda chapter: draw(chapter, chapter.assets), "Drew the figures of")


@build.command("notebooks")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
def build_notebooks(names: tuple[str, ...]) -> None:
    """Write what students open: source/ to notebooks/en/."""
    from convcraft.build.notebooks import RELEASED, release
    from convcraft.build.source import SourceError, chapters

    try:
        found = chapters(ROOT, names)
        release(found, ROOT)
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    for chapter in found:
        _console.print(f"Wrote {RELEASED / chapter.name}")


@build.command("solutions")
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
def build_solutions(names: tuple[str, ...]) -> None:
    """Run the reference solutions: source/ to solutions/."""
    from convcraft.build.solutions import execute

    _each(names, execute, "Ran the solutions of")


@main.command()
@click.argument("names", nargs=-1, metavar="[EXERCISE|CHAPTER]...")
@click.option("--seed", default=0, help="Draw the inputs from another seed.")
@click.option("-v", "--verbose", is_flag=True, help="Show every answer's whole table.")
def prove(names: tuple[str, ...], seed: int, verbose: bool) -> None:
    """Who answers, gets what: solution, alternatives, misconceptions, stub; for exercises or chapters."""
    from convcraft.build.prove import answers
    from convcraft.build.prove import prove as answered
    from convcraft.build.source import chapters
    from convcraft.exam.present import points, text

    wrong, found = 0, set()
    for chapter in chapters(ROOT):
        if names and not {chapter.name, *chapter.exercises} & set(names):
            continue
        solutions, stubs = answers(chapter)
        for name, exercise in chapter.exercises.items():
            if names and not {chapter.name, name} & set(names):
                continue
            found |= {chapter.name, name}
            start = time.perf_counter()
            _console.print(f"[bold]{name}[/] ({exercise.points} points, {len(exercise.aspects())} aspects)")
            for item in answered(exercise, solutions[name], stubs[name], seed):
                wrong += bool(item.complaint)
                mark = f"[red]✗ {item.complaint}[/]" if item.complaint else "[green]✓[/]"
                _console.print(f"  {mark} {item.who}: {points(item.verdict.points)}")
                for sentence in item.verdict.diagnoses:
                    _console.print(f"      {escape(sentence)}")
                if verbose or (item.complaint and item.verdict.points < exercise.points):
                    _console.print(escape(text(item.verdict)))
            _console.print(f"  {time.perf_counter() - start:.1f} s")
    missing = set(names) - found
    if missing:
        raise click.ClickException(f"{ROOT / 'source'}: no exercise or chapter {sorted(missing)[0]!r}")
    if wrong:
        raise click.ClickException(f"{wrong} answers got what they should not")


@main.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
def check(names: tuple[str, ...]) -> None:
    """Fail, naming file and remedy, where what was generated is not what the source gives."""
    from convcraft.build.check import problems
    from convcraft.build.source import SourceError, chapters

    try:
        found = list(problems(chapters(ROOT, names), ROOT))
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    for problem in found:
        _console.print(f"[red]✗[/] {escape(problem.replace(f'{ROOT}/', ''))}")
    if found:
        sys.exit(1)
    _console.print("Everything that is generated is what the source gives.")


@main.command()
@click.option("--port", default=8888, show_default=True, help="Where it is taken, the next free one is used.")
@click.option("--folder", type=_folder, default=ROOT / "work", show_default="work/")
@click.argument("options", nargs=-1, metavar="[-- JUPYTERLAB'S OWN OPTIONS]")
def lab(port: int, folder: Path, options: tuple[str, ...]) -> None:
    """Open JupyterLab on a reader's own copies; nothing that was changed is touched."""
    from convcraft.serve import ExchangeError, open_exchange, start
    from convcraft.work import WorkError, lay_out

    try:
        for message in lay_out(ROOT, folder):
            _console.print(escape(message))
        os.environ["CONVCRAFT_EXCHANGE"] = str(open_exchange(ROOT))
    except (WorkError, ExchangeError) as error:
        raise click.ClickException(str(error)) from error
    start([ROOT / "deploy" / "student"], folder.resolve(), port, options)


@main.command()
@click.option("--port", default=8888, show_default=True, help="Where it is taken, the next free one is used.")
@click.argument("options", nargs=-1, metavar="[-- JUPYTERLAB'S OWN OPTIONS]")
def teach(port: int, options: tuple[str, ...]) -> None:
    """Open JupyterLab as the course's teacher, with the formgrader."""
    from convcraft.build.notebooks import prepare
    from convcraft.build.source import SourceError, chapters
    from convcraft.serve import ExchangeError, open_exchange, start

    try:
        for chapter in chapters(ROOT):
            prepare(chapter)  # what the formgrader releases
        open_exchange(ROOT)
    except (SourceError, ExchangeError) as error:
        raise click.ClickException(str(error)) from error
    start([ROOT / "deploy" / "teacher", ROOT], ROOT, port, options)


@main.command()
@click.argument("chapter")
@click.option("--folder", type=_folder, default=ROOT / "work", show_default="work/")
def fresh(chapter: str, folder: Path) -> None:
    """A new copy of a chapter for a reader, the old one kept beside it."""
    from convcraft.work import WorkError
    from convcraft.work import fresh as renew

    try:
        _console.print(escape(renew(ROOT, folder, chapter)))
    except WorkError as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.argument("folder", type=_folder)
def exams(folder: Path) -> None:
    """Write sealed exams to FOLDER: they diagnose without any answer's code (see CONVCRAFT_EXAMS)."""
    from convcraft.exam.course import load_course
    from convcraft.exam.sealed import seal

    course = load_course(ROOT / "source")
    for exercise in course.values():
        seal(exercise, folder)
    _console.print(f"Sealed {len(course)} exams in {escape(str(folder))}; set CONVCRAFT_EXAMS to that folder.")


@main.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@click.option("--folder", type=_folder, default=ROOT / "demo", show_default="demo/")
def demo(names: tuple[str, ...], folder: Path) -> None:
    """Make up a class, let it submit, grade it, and fail if anybody got the wrong marks."""
    from convcraft.demo import run
    from convcraft.grading.sandbox import NoSandboxError

    try:
        right = run(ROOT, folder, names, _console)
    except (FileExistsError, ValueError, NoSandboxError) as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if right else 1)


@main.command()
@click.option("--course", "root", type=_folder, default=ROOT, help="The course's folder. [default: this one]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default="report.html", show_default=True)
def report(root: Path, output: Path) -> None:
    """Where the class stumbles: a table here, and one HTML file."""
    from convcraft.report import NoMarksError, gather, show, write

    try:
        found = gather(root.resolve())
    except NoMarksError as error:
        raise click.ClickException(str(error)) from error
    show(found, _console)
    write(found, output)
    _console.print(f"With pictures: {escape(output.resolve().as_uri())}")


main.add_command(grade)
