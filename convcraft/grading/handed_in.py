"""What a student handed in, read without believing any of it."""

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from convcraft.grading.chapter import grade_id

MAX_BYTES = 64 * 2**20
_MAX_PARTS = 3_000_000  # lists, dictionaries and commas: what costs memory when JSON is read
_MAX_CELLS = 2_000
_MAX_SOURCE = 200_000

MISSING = "No notebook was handed in: {name} is missing."
RENAMED = "{name} is missing; {found} holds this chapter's cells and was graded in its place."
EXTRA = "{found} was not graded: this chapter's notebook is {name}."
LINK = "{name} is a link; only a file itself is graded. Hand in the notebook again."
NO_FILE = "{name} is no file, so there is nothing to grade. Hand in the notebook again."
TOO_LARGE = "{name} has {size} MB; more than {limit} MB are not read. Clear its outputs and hand it in again."
TOO_COMPLEX = "{name} holds too many parts to be read. Clear its outputs and hand it in again."
NOT_UTF8 = "{name} cannot be read: its text is not UTF-8. Save it in Jupyter and hand it in again."
NOT_JSON = "{name} cannot be read: it is empty, cut off, or no notebook. Save it in Jupyter and hand it in again."
NOT_NOTEBOOK = "{name} is no notebook of a version that can be read. Save it in Jupyter and hand it in again."
TOO_MANY_CELLS = "{name} has {count} cells; those after the first {limit} were left out."
LONG_CELL = "A cell of {size} characters was left out; {limit} are the limit."


@dataclass
class HandedIn:
    """The cells that could be read, and remarks on what could not."""

    cells: list[dict] | None = None
    remarks: list[str] = field(default_factory=list)


def read(folder: Path, name: str, grade_ids: set[str]) -> HandedIn:
    """Read the notebook `name` from a student's folder, or the one that was renamed.

    Args:
        grade_ids: the chapter's; they tell a renamed notebook from another one.
    """
    wanted = f"{name}.ipynb"
    if folder.is_symlink() or folder.parent.is_symlink():
        return HandedIn(None, [LINK.format(name=shown(folder.name))])
    try:
        found = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(".ipynb"))
    except OSError:
        return HandedIn(None, [NO_FILE.format(name=shown(folder.name))])
    others = [other for other in found if other != wanted]
    if wanted in found:
        result = _read_file(folder / wanted)
        result.remarks += [EXTRA.format(found=shown(other), name=wanted) for other in others[:5]]
        return result
    candidates = {other: _read_file(folder / other) for other in others[:5]}
    scores = {other: len(grade_ids & {grade_id(cell) for cell in result.cells or []})
              for other, result in candidates.items()}
    best = max(scores, key=scores.get, default=None)
    if best is not None and scores[best]:
        result = candidates[best]
        result.remarks.insert(0, RENAMED.format(name=wanted, found=shown(best)))
        return result
    remarks = [remark for result in candidates.values() for remark in result.remarks]
    remarks += [EXTRA.format(found=shown(other), name=wanted) for other in others[:5] if not candidates[other].remarks]
    return HandedIn(None, [MISSING.format(name=wanted), *remarks])


def from_cells(cells: list, name: str) -> HandedIn:
    """The same for a notebook that nbgrader has opened already."""
    result = HandedIn([])
    if len(cells) > _MAX_CELLS:
        result.remarks.append(TOO_MANY_CELLS.format(name=name, count=len(cells), limit=_MAX_CELLS))
    for cell in cells[:_MAX_CELLS]:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", "")
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if not isinstance(source, str):
            continue
        if len(source) > _MAX_SOURCE:
            result.remarks.append(LONG_CELL.format(size=len(source), limit=_MAX_SOURCE))
            continue
        source = source.encode("utf-8", "replace").decode("utf-8")
        result.cells.append({"cell_type": cell.get("cell_type"), "id": cell.get("id"), "source": source,
                             "metadata": cell.get("metadata")})
    return result


def shown(name: str, limit: int = 80) -> str:
    """A file's name, fit for Markdown, HTML and a terminal."""
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    name = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in name)
    name = re.sub(r"[`*_<>\[\]&|$\\]", lambda match: "\\" + match[0] if match[0] not in "<>&" else "?", name)
    return name if len(name) <= limit else name[:limit - 1] + "…"


def _read_file(path: Path) -> HandedIn:
    name = shown(path.name)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return HandedIn(None, [(LINK if path.is_symlink() else NO_FILE).format(name=name)])
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        return HandedIn(None, [NO_FILE.format(name=name)])
    with open(descriptor, "rb") as file:
        if facts.st_size > MAX_BYTES:
            return HandedIn(None, [TOO_LARGE.format(name=name, size=facts.st_size // 2**20, limit=MAX_BYTES // 2**20)])
        data = file.read(MAX_BYTES + 1)
    if sum(map(data.count, b"[{,")) > _MAX_PARTS:
        return HandedIn(None, [TOO_COMPLEX.format(name=name)])
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return HandedIn(None, [NOT_UTF8.format(name=name)])
    except (ValueError, RecursionError):
        return HandedIn(None, [NOT_JSON.format(name=name)])
    cells = _cells(notebook)
    return HandedIn(None, [NOT_NOTEBOOK.format(name=name)]) if cells is None else from_cells(cells, name)


def _cells(notebook: object) -> list | None:
    if not isinstance(notebook, dict):
        return None
    if isinstance(notebook.get("cells"), list):
        return notebook["cells"]
    if not isinstance(notebook.get("worksheets"), list):
        return None
    import nbformat  # takes a second, and hardly any class needs it

    try:
        return nbformat.convert(nbformat.from_dict(notebook), 4).cells
    except Exception:  # a converter for old formats, fed with anything, may raise anything
        return None
