"""What a student handed in, read without believing any of it."""

import contextlib
import itertools
import json
import os
import re
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convcraft.grading.notebook.answers import answered
from convcraft.grading.notebook.released import ReleasedNotebook, grade_id
from convcraft.language import N_, _

MAX_BYTES = 64 * 2**20
_MAX_PARTS = 3_000_000  # lists, dictionaries and commas: what costs memory when JSON is read
_MAX_CELLS = 2_000
_MAX_SOURCE = 200_000
_MAX_FILES = 6  # that are read for one notebook
_MAX_ENTRIES = 1_000  # of one folder that are looked at
_NOTEBOOK = re.compile(r"\.ipynb(\.json|\.txt)?( ?\(\d+\))?$|\.ipynb \(\d+\)", re.I)
_CONFLICT = re.compile(rb"^<{7} ", re.M)
_NOT_HANDED_IN = ("feedback", "__MACOSX")  # what nbgrader fetched for the student; a Mac's zip

MISSING = N_("No notebook was handed in: {name} is missing.")
RENAMED = N_("{name} is missing; {found} holds this chapter's cells and was graded in its place.")
BETTER = N_("{name} holds fewer answers than {found}, which was graded in its place.")
EXTRA = N_("{found} was not graded: this chapter's notebook is {name}.")
LEFT_OUT = N_("{count} more files were not looked at.")
OTHERS = N_("{found} holds the chapter {chapter}: it belongs in that chapter's folder, and was not graded here.")
LINK = N_("{name} is a link; only a file itself is graded. Hand in the notebook again.")
NO_FILE = N_("{name} is no file, so there is nothing to grade. Hand in the notebook again.")
INSTEAD = N_("{found} was graded in place of {name}.")
CONFLICT = N_("{name} cannot be read: it holds a merge conflict (lines that begin with <<<<<<< and >>>>>>>). Keep "
              "one side of each, and hand it in again.")
TOO_LARGE = N_("{name} has {size} MB; more than {limit} MB are not read. Clear its outputs and hand it in again.")
TOO_COMPLEX = N_("{name} holds too many parts to be read. Clear its outputs and hand it in again.")
NOT_UTF8 = N_("{name} cannot be read: its text is not UTF-8. Save it in Jupyter and hand it in again.")
NOT_JSON = N_("{name} cannot be read: it is empty, cut off, or no notebook. Save it in Jupyter and hand it in again.")
NOT_NOTEBOOK = N_("{name} is no notebook of a version that can be read. Save it in Jupyter and hand it in again.")
TOO_MANY_CELLS = N_("{name} has {count} cells; those after the first {limit} were left out.")
LONG_CELL = N_("A cell of {size} characters was left out; {limit} are the limit.")


@dataclass
class SubmittedNotebook:
    """The cells that could be read, and remarks on what could not; `misplaced` are those on another chapter's files."""

    cells: list[dict[str, Any]] | None = None
    remarks: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class HandedIn:
    """What lies in a submission's folder, as bytes.

    Attributes:
        names: all files that may be notebooks, relative to the folder.
        files: name → what it holds, or why that cannot be read, of those that are looked at.
        refusal: why the folder itself cannot be read.
    """

    names: tuple[str, ...] = ()
    files: dict[str, bytes | str] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True)
class Other:
    """Another released notebook, which a file may belong to: its chapter and its cells' grade_ids."""

    assignment: str
    grade_ids: tuple[str, ...]

    @classmethod
    def of(cls, released: ReleasedNotebook) -> "Other":
        """What of a released notebook tells its files."""
        return cls(released.assignment, tuple(released.by_grade_id))


def gather(folder: Path, notebooks: Iterable[str], elsewhere: Sequence[Path] = ()) -> HandedIn:
    """The files of a folder that may be one of the released `notebooks` (names without `.ipynb`).

    Files of any name are looked at, as browsers and mail rename them (`.ipynb.json`, `Copy of …`, ` (1)`), and those a
    folder or two deeper.

    Args:
        elsewhere: files of the same student's that hold such a notebook and lie in another folder.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        return HandedIn(refusal=_(LINK).format(name=shown(folder.name)))
    try:
        found = _notebooks(folder)
    except OSError:
        if not elsewhere:
            return HandedIn(refusal=_(NO_FILE).format(name=shown(folder.name)))
        found = []
    places = {name: folder / name for name in found} | {os.path.relpath(path, folder): path for path in elsewhere}
    wanted = dict.fromkeys(name for notebook in notebooks for name in _looked_at(places, f"{notebook}.ipynb"))
    return HandedIn(tuple(places), {name: _content(places[name], name) for name in wanted})


def read(handed_in: HandedIn, released: ReleasedNotebook, others: Sequence[Other] = ()) -> SubmittedNotebook:
    """Read the student's file for a released notebook: of all that might be it, the one with most answers.

    Args:
        others: the other released notebooks.
    """
    wanted = f"{released.name}.ipynb"
    if handed_in.refusal:
        return SubmittedNotebook(None, [handed_in.refusal])
    looked_at = _looked_at(handed_in.names, wanted)
    read_files = {name: _parsed(handed_in.files[name], shown(name)) for name in looked_at}
    homes = {name: _home(released, others, read_files[name]) for name in looked_at}
    fitness = {name: _fitness(released, read_files[name], name == wanted) for name in looked_at if not homes[name]}
    best = max(fitness, key=lambda name: fitness[name], default=None)
    if best is None or not fitness[best][0]:
        result, best = SubmittedNotebook(None, [_(MISSING).format(name=wanted)]), None
    elif best == wanted:
        result = read_files[best]
    else:
        result = read_files[best]
        named_so = read_files.get(wanted)
        sentence = RENAMED if named_so is None else INSTEAD if named_so.cells is None else BETTER
        result.remarks.insert(0, _(sentence).format(name=wanted, found=shown(best)))
    for name in looked_at:
        if name == best:
            continue
        home = homes[name]
        if home == released.assignment:  # another notebook of this very assignment
            continue
        if home:
            result.misplaced.append(_(OTHERS).format(found=shown(name), chapter=shown(home)))
        elif read_files[name].cells is None:
            result.remarks += read_files[name].remarks
        elif name != wanted:
            result.remarks.append(_(EXTRA).format(found=shown(name), name=shown(best or wanted)))
    result.remarks += result.misplaced
    if len(handed_in.names) > len(looked_at):
        result.remarks.append(_(LEFT_OUT).format(count=len(handed_in.names) - len(looked_at)))
    return result


def strays(folder: Path, names: Mapping[str, Collection[str]]) -> list[Path]:
    """The files of a student's folder that may be notebooks and are not called as those of the folder they lie in.

    Args:
        names: assignment → what its notebooks' files are called.
    """
    try:
        found = [name for name in sorted(_notebooks(folder))
                 if name.rpartition("/")[2] not in names.get(name.partition("/")[0], ())]
    except OSError:
        return []
    return [folder / name for name in found[:2 * _MAX_FILES]]


def chapter_of(path: Path, releases: Sequence[ReleasedNotebook]) -> ReleasedNotebook | None:
    """The chapter that a file holds most of, by its grade_ids and by what it defines; None where it holds none."""
    cells = _parsed(_content(path, path.name), shown(path.name)).cells or []
    ids = {grade_id(cell) for cell in cells}
    scores = [(len(released.by_grade_id.keys() & ids), len(answered(released, cells))) for released in releases]
    best = max(range(len(scores)), key=scores.__getitem__, default=0)
    return releases[best] if scores and any(scores[best]) else None


def _looked_at(found: Iterable[str], wanted: str) -> list[str]:
    return sorted(found, key=lambda name: (name != wanted, name.count("/"), name))[:_MAX_FILES]


def _notebooks(folder: Path, depth: int = 2) -> list[str]:
    """The files that may be notebooks, relative to `folder`; no link is followed, and no hidden folder entered."""
    found = []
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, _MAX_ENTRIES):
            if entry.is_dir(follow_symlinks=False):
                if depth and not entry.name.startswith(".") and entry.name not in _NOT_HANDED_IN:
                    with contextlib.suppress(OSError):  # a folder that cannot be read holds nothing for us
                        found += [f"{entry.name}/{name}" for name in _notebooks(Path(entry.path), depth - 1)]
            elif _NOTEBOOK.search(entry.name) and not entry.name.startswith("._"):  # a Mac's notes on the file
                found.append(entry.name)
    return found


def _fitness(released: ReleasedNotebook, submitted: SubmittedNotebook,
             is_named_so: bool) -> tuple[bool, int, bool, int]:
    """Whether it is this chapter's at all, then what makes one file better than another."""
    cells = submitted.cells
    if cells is None:
        return is_named_so, -1, is_named_so, 0
    ids = len(released.by_grade_id.keys() & {grade_id(cell) for cell in cells})
    answers = len(answered(released, cells))
    return is_named_so or bool(ids or answers), answers, is_named_so, ids


def _home(released: ReleasedNotebook, others: Sequence[Other], submitted: SubmittedNotebook) -> str:
    """The other chapter that a file belongs to, by its grade_ids; empty where it has any of this one's, or nobody's."""
    ids = {grade_id(cell) for cell in submitted.cells or []}
    if ids & released.by_grade_id.keys():
        return ""
    scores = {other.assignment: len(ids.intersection(other.grade_ids)) for other in others}
    best = max(scores, key=lambda name: scores[name], default="")
    return best if best and scores[best] else ""


def from_cells(cells: list[Any], name: str) -> SubmittedNotebook:
    """The same for a notebook that nbgrader has opened already."""
    kept: list[dict[str, Any]] = []
    result = SubmittedNotebook(kept)
    if len(cells) > _MAX_CELLS:
        result.remarks.append(_(TOO_MANY_CELLS).format(name=name, count=len(cells), limit=_MAX_CELLS))
    for cell in cells[:_MAX_CELLS]:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", "")
        if isinstance(source, list):
            source = "".join(part for part in source if isinstance(part, str))
        if not isinstance(source, str):
            continue
        if len(source) > _MAX_SOURCE:
            result.remarks.append(_(LONG_CELL).format(size=len(source), limit=_MAX_SOURCE))
            continue
        source = source.encode("utf-8", "replace").decode("utf-8")
        kept.append({"cell_type": cell.get("cell_type"), "id": cell.get("id"), "source": source,
                     "metadata": cell.get("metadata")})
    return result


def shown(name: str, limit: int = 80) -> str:
    """A file's name as plain text of one line, whatever letters it is made of."""
    name = name.encode("utf-8", "backslashreplace").decode("utf-8")
    name = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in name)
    return name if len(name) <= limit else name[:limit - 1] + "…"


def _content(path: Path, relative: str) -> bytes | str:
    """What a file holds, or why that cannot be read."""
    name = shown(relative)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return _(LINK if path.is_symlink() else NO_FILE).format(name=name)
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        return _(NO_FILE).format(name=name)
    with open(descriptor, "rb") as file:
        if facts.st_size > MAX_BYTES:
            return _(TOO_LARGE).format(name=name, size=facts.st_size // 2**20, limit=MAX_BYTES // 2**20)
        return file.read(MAX_BYTES + 1)


def _parsed(data: bytes | str, name: str) -> SubmittedNotebook:
    if isinstance(data, str):
        return SubmittedNotebook(None, [data])
    if sum(map(data.count, b"[{,")) > _MAX_PARTS:
        return SubmittedNotebook(None, [_(TOO_COMPLEX).format(name=name)])
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return SubmittedNotebook(None, [_(NOT_UTF8).format(name=name)])
    except (ValueError, RecursionError):
        sentence = CONFLICT if _CONFLICT.search(data) else NOT_JSON
        return SubmittedNotebook(None, [_(sentence).format(name=name)])
    cells = _cells(notebook)
    return SubmittedNotebook(None, [_(NOT_NOTEBOOK).format(name=name)]) if cells is None else from_cells(cells, name)


def _cells(notebook: object) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if isinstance(cells, list):
        return cells
    if not isinstance(notebook.get("worksheets"), list):
        return None
    import nbformat  # takes a second, and hardly any class needs it

    try:
        return list(nbformat.convert(nbformat.from_dict(notebook), 4).cells)
    except Exception:  # a converter for old formats, fed with anything, may raise anything
        return None
