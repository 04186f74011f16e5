"""The numbers in README's course table: minutes and points, as the chapters have them."""

import re
from collections.abc import Iterator
from pathlib import Path

from convcraft.author.source import Chapter, chapters

_ROW = re.compile(r"^\| (\d+) ([^|]+) \| ([^|]+) \|(?: *\d* *\|){3}$", re.MULTILINE)


def renew(root: Path) -> None:
    """Write the numbers into every `README*.md` of the root that has the table."""
    rows = _rows(root)
    for path in sorted(root.glob("README*.md")):
        path.write_text(_renewed(path.read_text(encoding="utf-8"), rows), encoding="utf-8")


def problems(root: Path) -> Iterator[str]:
    """Rows whose numbers are not the chapters', and chapters without a row."""
    rows = _rows(root)
    for path in sorted(root.glob("README*.md")):
        text = path.read_text(encoding="utf-8")
        lines = zip(text.splitlines(), _renewed(text, rows).splitlines(), strict=True)
        yield from (f"{path}:{number}: the chapter's row should read {new!r}; `make notebooks`"
                    for number, (old, new) in enumerate(lines, 1) if old != new)
        named = {int(found[0]) for found in _ROW.findall(text)}
        yield from (f"{path}: the course table has no row for chapter {number}; write | {number} its title | what one "
                    "builds | | | |, then `make notebooks`" for number in sorted(rows.keys() - named) if named)


def _rows(root: Path) -> dict[int, str]:
    return {chapter.facts.chapter: _numbers(chapter) for chapter in chapters(root)}


def _numbers(chapter: Chapter) -> str:
    known = chapter.facts
    points = sum(exercise.points for exercise in known.exercises.values())
    return f"{sum(known.minutes.values())} | {known.with_reading} | {points}"


def _renewed(text: str, rows: dict[int, str]) -> str:
    def renew_row(found: re.Match[str]) -> str:
        number = int(found[1])
        return f"| {number} {found[2]} | {found[3]} | {rows[number]} |" if number in rows else found[0]

    return _ROW.sub(renew_row, text)
