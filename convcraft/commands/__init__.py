"""The command `convcraft`: a file a group of commands, each command one call into the package."""

import click

from convcraft.commands import author, lms, reader, teacher
from convcraft.commands.common import ROOT
from convcraft.commands.grade import grade
from convcraft.commands.shell import Commands

__all__ = ["ROOT", "main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """ConvCraft: build, prove, grade and look after the course."""


for command in (author.build, author.prove, author.check, author.new, author.messages, author.exams, reader.lab,
                reader.fresh, reader.progress, teacher.teach, teacher.demo, teacher.report, lms.collect, lms.marks,
                grade):
    main.add_command(command)
