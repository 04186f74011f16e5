"""The tables in bench/README.md, each between two marks of its name."""

import re
from pathlib import Path

README = Path(__file__).resolve().with_name("README.md")


def read(name: str) -> str:
    """What stands between the marks."""
    return _parts(name)[1]


def write(name: str, lines: list[str]) -> None:
    """Put lines between the marks, in place of what stands there."""
    before, _, after = _parts(name)
    README.write_text("\n".join((before, *lines, after)), encoding="utf-8")


def tables(name: str) -> dict[str, str]:
    """What has been measured before, by title."""
    several = re.split(r"^(?=### )", read(name), flags=re.M)[1:]
    return {each.partition("\n")[0].removeprefix("### "): each.strip() for each in several}


def _parts(name: str) -> tuple[str, str, str]:
    """The text up to the first mark, between the two, and from the second."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = README.read_text(encoding="utf-8").split(f"{begin}\n")
    table, after = rest.split(end)
    return before + begin, table.rstrip("\n"), end + after
