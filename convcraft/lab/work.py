"""A reader's own copies in `work/`: laid out once, never overwritten."""

import hashlib
import json
import shutil
from pathlib import Path

from convcraft import progress
from convcraft.language import _, current
from convcraft.layout import RELEASED, copied, released, replace_file

_NOTE = ".released.json"
LaidOut = dict[str, dict[str, str]]  # chapter → digests, "release" and "copy" as it was laid out, and its "language"


class WorkError(OSError):
    """`work/` cannot be used; the message says what to do."""


def lay_out(root: Path, work: Path, language: str = "") -> list[str]:
    """Copy every released chapter that `work` does not have; returns a message for each that needs one.

    A new release of a chapter replaces a copy that nobody has changed and goes beside one that somebody has. A chapter
    in another language than the copy's goes beside it, whoever has changed what.

    Args:
        language: which edition; unless told, each copy's own, and for new ones that of the others, or the one in force.

    Raises:
        WorkError: `work` is a file or cannot be written, or nothing has been released.
    """
    names = _released(root)
    if not names:
        raise WorkError(_("{folder} holds no chapter; `make notebooks` first").format(folder=root / RELEASED))
    try:
        work.mkdir(parents=True, exist_ok=True)
        laid_out = _read(work / _NOTE)
        messages = [_lay_out_chapter(_edition(root, name, _wanted(laid_out, name, language)), work, laid_out)
                    for name in names]
        _write(work / _NOTE, laid_out)
        progress.begin(work)
    except (FileExistsError, NotADirectoryError) as error:
        raise WorkError(_("{work} is a file; move it away: the readers' copies belong there").format(
            work=work)) from error
    except PermissionError as error:
        raise WorkError(_("{file}: cannot be written; make {work} your own folder").format(
            file=error.filename, work=work)) from error
    return [message for message in messages if message]


def fresh(root: Path, work: Path, chapter: str, language: str = "") -> str:
    """Put a new copy of a chapter into `work`, the old one beside it; returns what was done.

    Args:
        language: as for `lay_out`.

    Raises:
        WorkError: there is no released chapter of that name.
    """
    names, target = _released(root), work / chapter
    if chapter not in names:
        raise WorkError(_("{folder}: no chapter {chapter!r}; there are {names}").format(
            folder=root / RELEASED, chapter=chapter, names=", ".join(names) or _("none")))
    message = _("{folder} is new.").format(folder=target)
    if target.exists():
        number = 1
        while (kept := work / f"{chapter}-old-{number}").exists():
            number += 1
        target.rename(kept)
        message = _("{folder} is new. What you had is in {kept}.").format(folder=target, kept=kept)
    laid_out = _read(work / _NOTE)
    source = _edition(root, chapter, _wanted(laid_out, chapter, language))
    copied(source, target)
    laid_out[chapter] = {"release": _digest(source), "copy": _digest(target), "language": source.parent.name}
    _write(work / _NOTE, laid_out)
    return message


def _released(root: Path) -> list[str]:
    """The chapters that have been released; in English all of them are."""
    return sorted(path.parent.name for path in (root / RELEASED).glob("*/*.ipynb"))


def _edition(root: Path, name: str, language: str) -> Path:
    """A chapter's folder in a language; in English where it has not been translated."""
    folder = root / released(language) / name
    return folder if any(folder.glob("*.ipynb")) else root / RELEASED / name


def _wanted(laid_out: LaidOut, name: str, language: str) -> str:
    """The language of a chapter that is asked for, or goes with what is there."""
    if language or not laid_out:
        return language or current()
    others = [note.get("language", "en") for note in laid_out.values()]
    return laid_out[name].get("language", "en") if name in laid_out else max(others, key=others.count)


def _lay_out_chapter(source: Path, work: Path, laid_out: LaidOut) -> str:
    name, target, release, language = source.name, work / source.name, _digest(source), source.parent.name
    before = laid_out.get(name, {})
    note = {"release": release, "copy": release, "language": language}
    if not target.exists():
        copied(source, target)
        laid_out[name] = note
        return _("{folder} is new.").format(folder=target) if before else ""
    if _digest(target) == release:
        laid_out[name] = {**note, "copy": before.get("copy", release)}
        return ""
    if before.get("language", "en") != language:
        return _put_beside(source, work, release)
    if before.get("release") == release:
        return ""
    if _digest(target) == before.get("copy"):
        shutil.rmtree(target)
        copied(source, target)
        laid_out[name] = note
        return _("{target} was brought up to date: a new release is out, and you had changed nothing.").format(
            target=target)
    beside = work / f"{name}-release-{release[:8]}"
    if not beside.exists():
        copied(source, beside)
    laid_out[name] = {**before, "release": release}
    return _("A new release of {name} is out. Your work in {target} stays as it is; the new release is beside it in "
             "{beside}. `make fresh CHAPTER={name}` changes over and keeps yours.").format(
        name=name, target=target, beside=beside)


def _put_beside(source: Path, work: Path, release: str) -> str:
    """A chapter in another language than that of the copy, which stays."""
    name, language = source.name, source.parent.name
    beside = work / f"{name}-{language}-{release[:8]}"
    if beside.exists():
        return ""
    copied(source, beside)
    return _("Your copy of {name} in {target} stays as it is, in its language; the other one is beside it in {beside}. "
             "`make fresh CHAPTER={name} LANGUAGE={language}` changes over and keeps yours.").format(
        name=name, target=work / name, beside=beside, language=language)


def _digest(folder: Path) -> str:
    """One number for all files of a folder, Jupyter's checkpoints apart."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".ipynb_checkpoints" not in path.parts:
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> LaidOut:
    """What was laid out before."""
    try:
        read = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or not all(map(_is_note, read.values())):
        raise WorkError(_("{path} cannot be read; delete it (chapters that you changed are then left as they "
                          "are)").format(path=path))
    return read


def _is_note(digests: object) -> bool:
    return isinstance(digests, dict) and all(isinstance(each, str) for each in digests.values())


def _write(path: Path, laid_out: LaidOut) -> None:
    replace_file(path, (json.dumps(laid_out, indent=1, sort_keys=True) + "\n").encode(), 0o644)
