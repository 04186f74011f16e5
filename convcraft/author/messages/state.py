"""How far the translations are: what is not up to date, what cannot be used, what is still to be done."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polib

from convcraft.author.font import lacking, used
from convcraft.author.messages import package
from convcraft.author.messages.catalogue import Catalogue
from convcraft.author.messages.extract import messages
from convcraft.author.messages.faults import faults, glossary, other_words
from convcraft.author.source import Chapter
from convcraft.place import COURSE


def problems(chapter: Chapter, figures: Iterable[tuple[str, str]] | None) -> Iterator[str]:
    """What is wrong with a chapter's catalogues, a line each.

    Args:
        figures: what its figures say; None takes it that they say what the catalogues have.

    Raises:
        SourceError: the chapter's source is not as it should be.
    """
    for language in package.translated_to():
        catalogue = chapter.catalogue(language)
        if not catalogue.path.is_file():
            continue
        said = messages(chapter, catalogue.figures if figures is None else figures)
        if list(dict.fromkeys(message.key for message in said)) != [
                (entry.msgctxt, entry.msgid) for entry in catalogue.entries]:
            yield f"{catalogue.path} is not what the chapter says; `make messages CHAPTER={chapter.name}`"
        yield from (f"{catalogue.path}: {fault}" for fault in faults(catalogue.entries))


def of_package(root: Path) -> Iterator[str]:
    """What is wrong with the package's own catalogues, and with the font, a line each."""
    if root != COURSE:
        return
    for language in package.translated_to():
        path = package.catalogue(language)
        text = package.renewed(path, language)
        if path.read_text(encoding="utf-8") != text or path.with_suffix(".mo").read_bytes() != package.compiled(text):
            yield f"{path} is not what the package says, or its .mo is older; `make messages`"
        yield from (f"{path}: {fault}" for fault in faults(polib.pofile(str(path))))
    if letters := lacking(used(root)):
        yield f"the font for figures has no {' '.join(letters)}; `make font`"


def waiting(chapters: Iterable[Chapter]) -> Iterator[str]:
    """What is not translated yet, or outdated, a line a catalogue: it is shown in English."""
    catalogues = [chapter.catalogue(language) for chapter in chapters for language in package.translated_to()]
    for catalogue in (*catalogues, *map(Catalogue, map(package.catalogue, package.translated_to()))):
        if not catalogue.path.is_file():
            yield f"{catalogue.path} is missing; `make messages`"
            continue
        entries = catalogue.entries
        fuzzy = sum(entry.fuzzy for entry in entries)
        untranslated = sum(not entry.translated() and not entry.fuzzy for entry in entries)
        if fuzzy or untranslated:
            yield f"{catalogue.path}: {untranslated} untranslated and {fuzzy} fuzzy of {len(entries)}"


def other_terms(chapter: Chapter) -> Iterator[str]:
    """Where the glossary's words are not used, a line each."""
    terms = glossary(chapter.root / "docs/glossary.md")
    for language in package.translated_to():
        catalogue = chapter.catalogue(language)
        yield from (f"{catalogue.path}: {told}" for told in other_words(catalogue.entries, terms))
