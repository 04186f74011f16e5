"""What readers call: lab, fresh, progress."""

import os
from pathlib import Path

import click

from convcraft.commands.common import FOLDER, LANGUAGE, ROOT, STATE, console, plain, plainly
from convcraft.language import _


@click.command()
@click.option("--port", default=8888, show_default=True, help="Where it is taken, the next free one is used.")
@click.option("--folder", type=FOLDER, default=STATE / "work", show_default="work/")
@LANGUAGE
@click.argument("options", nargs=-1, metavar="[-- JUPYTERLAB'S OWN OPTIONS]")
def lab(port: int, folder: Path, language: str | None, options: tuple[str, ...]) -> None:
    """Open JupyterLab on a reader's own copies; nothing that was changed is touched."""
    from convcraft.lab.serve import ExchangeError, has_exchange, open_exchange, start
    from convcraft.lab.work import WorkError, lay_out

    with plainly(WorkError, ExchangeError):
        for message in lay_out(ROOT, folder, language or ""):
            console.print(plain(message))
        roles = [ROOT / "deploy" / "student"]
        if has_exchange():
            os.environ["CONVCRAFT_EXCHANGE"] = str(open_exchange(STATE))
        else:
            console.print(_("nbgrader has no exchange on Windows: the panels that fetch and submit are hidden. "
                            "Exercises, their tables and points work all the same."))
            os.environ["CONVCRAFT_EXCHANGE"] = str(folder / "exchange")
            roles.insert(0, ROOT / "deploy" / "no-exchange")
    start(roles, folder.resolve(), port, options)


@click.command()
@click.argument("chapter")
@click.option("--folder", type=FOLDER, default=STATE / "work", show_default="work/")
@LANGUAGE
def fresh(chapter: str, folder: Path, language: str | None) -> None:
    """A new copy of a chapter for a reader, the old one kept beside it."""
    from convcraft.lab import work

    with plainly(work.WorkError):
        console.print(plain(work.fresh(ROOT, folder, chapter, language or "")))


@click.command()
@click.argument("names", nargs=-1, metavar="[CHAPTER]...")
@click.option("--folder", type=FOLDER, default=STATE / "work", show_default="work/")
def progress(names: tuple[str, ...], folder: Path) -> None:
    """How far a reader is: a bar a chapter and one for the course, exercise by exercise, and the next thing to do.

    Without a chapter, the exercises of those that are begun and not yet done.
    """
    from convcraft import progress as kept

    if not (folder / kept.FILE).is_file():
        raise click.ClickException(_("{folder}: nothing is known here yet; `convcraft lab` opens the course, and "
                                     "what you examine there is kept.").format(folder=folder))
    with plainly(kept.ProgressError):
        known = kept.Progress(kept.outline(ROOT, folder), kept.read(folder / kept.FILE))
    if missing := sorted(set(names) - known.course.keys()):
        raise click.ClickException(_("{folder}: no chapter {name!r}; there are {names}").format(
            folder=folder, name=missing[0], names=", ".join(known.course)))
    for line in kept.course_lines(known, names):
        console.print(plain(line))
