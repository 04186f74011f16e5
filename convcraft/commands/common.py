"""What several commands need."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from convcraft.language import LANGUAGES
from convcraft.layout import NoCourseError
from convcraft.place import COURSE, state

ROOT = COURSE
STATE = state()
LANGUAGE = click.option("--language", type=click.Choice(LANGUAGES), show_default="that of your copies",
                        help="In which language the chapters come.")
FOLDER = click.Path(file_okay=False, path_type=Path)
console = Console(highlight=False, soft_wrap=True)


def plain(text: object) -> str:
    """What others wrote, for `console.print`: neither rich's markup in it nor a terminal's own codes mean anything."""
    return escape(_printable(str(text)))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\n" else f"\\x{ord(letter):02x}" for letter in text)


@contextlib.contextmanager
def plainly(*errors: type[Exception]) -> Iterator[None]:
    """Let errors whose message says what to do end the command with that message, and status 1."""
    caught: tuple[type[Exception], ...] = (NoCourseError, *errors)
    try:
        yield
    except caught as error:
        raise click.ClickException(_printable(str(error))) from error
