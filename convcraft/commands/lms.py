"""What teachers call whose students hand in through a learning management system: collect, marks."""

import csv
import sys
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from convcraft.commands.common import FOLDER, ROOT, console, plain, plainly
from convcraft.language import _

_FILE = click.Path(dir_okay=False, path_type=Path)
_MAP = click.Path(dir_okay=False, exists=True, path_type=Path)


@click.command()
@click.argument("archive", metavar="FILE.zip", type=_MAP)
@click.option("--assignment", required=True, metavar="NAME", help="The chapter that the zip is of, as 02_pooling.")
@click.option("--map", "map_file", type=_MAP, help="A CSV with the columns student, and id or name (the system's).")
@click.option("--timezone", default="UTC", show_default=True, help="The zip's, as Europe/Rome: its times name none.")
@click.option("--course", "root", type=FOLDER, default=ROOT, help="The course's folder. [default: this one]")
def collect(archive: Path, assignment: str, map_file: Path | None, timezone: str, root: Path) -> None:
    """Collect what Canvas or Moodle exports: FILE.zip to submitted/, times kept.

    Exit status: 0 all was collected, 1 it could not go on, 3 something was left out (it is named).
    """
    from convcraft.grading import lms
    from convcraft.grading.errors import GradingError

    with plainly(GradingError, ZoneInfoNotFoundError):
        people = lms.read_map(map_file) if map_file else None
        found = lms.collect(root.resolve(), archive, assignment, people, timezone=ZoneInfo(timezone))
    for sentence in found.left_out:
        console.print(f"[yellow]{plain(sentence)}[/]")
    console.print(_("Collected {assignment} from {count} students. `convcraft grade` gives the marks.").format(
        assignment=assignment, count=len(found.students)))
    if found.left_out:
        sys.exit(3)


@click.command()
@click.option("--for", "system", type=click.Choice(["canvas", "moodle"]), required=True, help="Who takes the CSV.")
@click.option("--map", "map_file", type=_MAP, required=True, help="The CSV that `convcraft collect` used.")
@click.option("--assignment", "assignments", multiple=True, metavar="NAME", help="Only this one; may be repeated.")
@click.option("--output", type=_FILE, default="marks.csv", show_default=True)
@click.option("--course", "root", type=FOLDER, default=ROOT, help="The course's folder. [default: this one]")
def marks(system: str, map_file: Path, assignments: tuple[str, ...], output: Path, root: Path) -> None:
    """Write the gradebook's marks as the CSV that Canvas or Moodle imports.

    Exit status: 0 all marks are in it, 1 it could not go on, 3 somebody was left out (and is named).
    """
    from convcraft.grading import lms
    from convcraft.grading.errors import GradingError

    with plainly(GradingError):
        rows, left_out = lms.marks(root.resolve(), system, lms.read_map(map_file), assignments)
    output.touch(0o600)  # it names students
    with open(output, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    for sentence in left_out:
        console.print(f"[yellow]{plain(sentence)}[/]")
    console.print(_("Wrote {file}.").format(file=plain(str(output))))
    if left_out:
        sys.exit(3)
