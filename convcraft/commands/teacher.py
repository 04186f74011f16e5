"""What teachers call, grading apart: teach, demo, report."""

import os
import sys
from pathlib import Path

import click
from rich.markup import escape

from convcraft.commands.common import FOLDER, ROOT, STATE, console, plainly
from convcraft.language import LANGUAGES, _
from convcraft.layout import RELEASES, settle


@click.command()
@click.option("--port", default=8888, show_default=True, help="Where it is taken, the next free one is used.")
@click.option("--language", type=click.Choice(LANGUAGES), envvar=RELEASES, default="en", show_default=True,
              help="In which language the formgrader releases chapters that are translated; students may hand in any.")
@click.argument("options", nargs=-1, metavar="[-- JUPYTERLAB'S OWN OPTIONS]")
def teach(port: int, language: str, options: tuple[str, ...]) -> None:
    """Open JupyterLab as the course's teacher, with the formgrader."""
    from convcraft.author.notebooks import prepare
    from convcraft.author.source import SourceError, chapters
    from convcraft.lab.serve import ExchangeError, has_exchange, open_exchange, start

    with plainly(SourceError, ExchangeError):
        for chapter in chapters(ROOT):  # what the formgrader releases
            prepare(chapter.spoken(language), STATE)
        os.environ[RELEASES] = language  # nbgrader's configuration asks for it
        settle(STATE)
        if has_exchange():
            open_exchange(STATE)
        else:
            console.print(_("nbgrader has no exchange on Windows: the formgrader cannot release or collect there. "
                            "Use WSL or a Linux container, or carry the files by hand into submitted/."))
    start([ROOT / "deploy" / "teacher", STATE], STATE, port, options)


@click.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER|all]...")
@click.option("--folder", type=FOLDER, default=STATE / "demo", show_default="demo/")
def demo(names: tuple[str, ...], folder: Path) -> None:
    """Make up a class, let it submit, grade it, and fail if anybody got the wrong marks.

    Without a chapter, eight students of the first one; else everybody: each known mistake of each exercise.
    """
    console.print(_("A class is made up, hands in and is graded. Starting PyTorch and nbgrader …"))
    from convcraft.demo.play import play
    from convcraft.grading.sandbox.walls import NoSandboxError

    with plainly(FileExistsError, ValueError, NoSandboxError):
        right = play(ROOT, folder, names, console)
    sys.exit(0 if right else 1)


@click.command()
@click.option("--course", "root", type=FOLDER, default=STATE, help="The course's folder. [default: this one]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default="report.html", show_default=True)
def report(root: Path, output: Path) -> None:
    """Where the class stumbles: a table here, and one HTML file."""
    from convcraft.grading.report import NoMarksError, gather, show, write

    with plainly(NoMarksError):
        found = gather(root.resolve())
    show(found, console)
    write(found, output)
    console.print(_("With pictures: {address}").format(address=escape(output.resolve().as_uri())))
