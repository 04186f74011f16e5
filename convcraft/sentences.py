"""What an exam says in the language in force: from its chapter's catalogue, `source/<chapter>/zh.po`."""

from functools import lru_cache
from pathlib import Path

from convcraft.language import current

ENGLISH: dict[str, str] = {}  # English is what the exams are written in


def of_exam(chapter: Path, exercise: str) -> dict[str, str]:
    """The sentences of an exercise that are translated, by the English ones.

    Args:
        chapter: the folder, as `source/01_convolution`.
    """
    return ENGLISH if current() == "en" else in_language(chapter, exercise, current())


def in_language(chapter: Path, exercise: str, language: str) -> dict[str, str]:
    """The same in a given language; empty where there is no catalogue to be read."""
    path = chapter / f"{language}.po"
    try:
        facts = path.stat()
        return _read(path, exercise, facts.st_mtime_ns, facts.st_size)
    except OSError:  # none, or closed to students, as on a class's server
        return {}


@lru_cache(maxsize=1024)
def _read(path: Path, exercise: str, *_version: int) -> dict[str, str]:
    """The exercise's entries alone are parsed: a whole chapter's take a tenth of a second."""
    import polib  # not for those who read English

    context = f'\nmsgctxt "exam {exercise}"\n'
    header, *entries = path.read_text(encoding="utf-8").split("\n\n")
    wanted = "\n\n".join([header, *(entry for entry in entries if context in f"\n{entry}")])
    return {entry.msgid: entry.msgstr for entry in polib.pofile(wanted) if entry.translated()}
