"""A reader's own copies in `work/`: laid out once, never overwritten."""

import hashlib
import json
import shutil
from pathlib import Path

from convcraft.build.notebooks import RELEASED

_NOTE = ".released.json"


class WorkError(OSError):
    """`work/` cannot be used; the message says what to do."""


def lay_out(root: Path, work: Path) -> list[str]:
    """Copy every released chapter that `work` does not have; returns a message for each that needs one.

    A new release of a chapter replaces a copy that nobody has changed and goes beside one that somebody has.

    Raises:
        WorkError: `work` is a file or cannot be written, or nothing has been released.
    """
    released = sorted(path.parent for path in (root / RELEASED).glob("*/*.ipynb"))
    if not released:
        raise WorkError(f"{root / RELEASED} holds no chapter; `make notebooks` first")
    try:
        work.mkdir(parents=True, exist_ok=True)
        laid_out = _read(work / _NOTE)
        messages = [_lay_out_chapter(folder, work, laid_out) for folder in released]
        _write(work / _NOTE, laid_out)
    except (FileExistsError, NotADirectoryError) as error:
        raise WorkError(f"{work} is a file; move it away: the readers' copies belong there") from error
    except PermissionError as error:
        raise WorkError(f"{error.filename}: cannot be written; make {work} your own folder") from error
    return [message for message in messages if message]


def fresh(root: Path, work: Path, chapter: str) -> str:
    """Put a new copy of a chapter into `work`, the old one beside it; returns what was done.

    Raises:
        WorkError: there is no released chapter of that name.
    """
    source, target = root / RELEASED / chapter, work / chapter
    names = sorted(path.parent.name for path in (root / RELEASED).glob("*/*.ipynb"))
    if chapter not in names:
        raise WorkError(f"{root / RELEASED}: no chapter {chapter!r}; there are {', '.join(names) or 'none'}")
    message = f"{target} is new."
    if target.exists():
        number = 1
        while (kept := work / f"{chapter}-old-{number}").exists():
            number += 1
        target.rename(kept)
        message += f" What you had is in {kept}."
    laid_out = _read(work / _NOTE)
    shutil.copytree(source, target)
    laid_out[chapter] = {"release": _digest(source), "copy": _digest(target)}
    _write(work / _NOTE, laid_out)
    return message


def _lay_out_chapter(source: Path, work: Path, laid_out: dict) -> str:
    name, target, release = source.name, work / source.name, _digest(source)
    before = laid_out.get(name, {})
    if not target.exists():
        shutil.copytree(source, target)
        laid_out[name] = {"release": release, "copy": release}
        return f"{target} is new." if before else ""
    if before.get("release") == release or _digest(target) == release:
        laid_out[name] = {"release": release, "copy": before.get("copy", release)}
        return ""
    if _digest(target) == before.get("copy"):
        shutil.rmtree(target)
        shutil.copytree(source, target)
        laid_out[name] = {"release": release, "copy": release}
        return f"{target} was brought up to date: a new release is out, and you had changed nothing."
    beside = work / f"{name}-release-{release[:8]}"
    if not beside.exists():
        shutil.copytree(source, beside)
    laid_out[name] = {**before, "release": release}
    return (f"A new release of {name} is out. Your work in {target} stays as it is; the new release is beside it in "
            f"{beside}. `make fresh CHAPTER={name}` changes over and keeps yours.")


def _digest(folder: Path) -> str:
    """One number for all files of a folder, Jupyter's checkpoints apart."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".ipynb_checkpoints" not in path.parts:
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> dict:
    """What was laid out before: chapter → digests of the release and of the copy."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise WorkError(f"{path} cannot be read; delete it (chapters that you changed are then left as they are)"
                        ) from error


def _write(path: Path, laid_out: dict) -> None:
    path.write_text(json.dumps(laid_out, indent=1, sort_keys=True) + "\n", encoding="utf-8")
