"""What holds for every command alike: any terminal's characters, a place that cannot be written, Ctrl-C."""

import codecs
import errno
import sys
from typing import Any

import click

from convcraft.language import UnknownLanguageError, _, language, of_system

_PLAIN = {"✓": "ok", "✗": "x", "·": "-", "…": "...", "−": "-", "×": "x", "≥": ">=", "≤": "<=", "→": "->", "–": "-",
          "─": "-", "│": "|", "█": "#", "░": "."}
_SAMPLES = {"zh": "课程"}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


class Commands(click.Group):
    """A group whose commands end in a sentence where the system says no."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            click.ClickException: a file cannot be read or written; the message names it.
        """
        codecs.register_error("convcraft", _plainer)
        try:
            spoken = of_system()
        except UnknownLanguageError as error:
            raise click.ClickException(str(error)) from error
        language(spoken if _can_show(_SAMPLES.get(spoken, "")) else "en")
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="convcraft")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("\n" + _("Interrupted. What was finished stands; the same command starts what was not again."),
                       err=True)
            sys.exit(130)
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            raise click.ClickException(
                _("{place}: {reason}. What is not yours to write: copy the course to a folder of your own, or name "
                  "one with --folder where the command takes it.").format(
                    place=error.filename or _("The disk"), reason=error.strerror)) from error


def _can_show(sample: str) -> bool:
    """Whether the terminal, or the file, has a language's letters: without them nothing could be read."""
    for stream in (sys.stdout, sys.stderr):
        try:
            sample.encode(getattr(stream, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            return False
    return True


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Characters that the terminal or file does not know, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start:error.end]
    return "".join(_PLAIN.get(character, "?") for character in lost), error.end
