"""A chapter's `zh.po`: what the chapter says now, and what the translators have made of it."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polib

_ALIKE = 0.6  # of a sentence that has changed, how much must be left for its translation to be a help
DRAFT = "X-Draft"  # a header's line: no edition is made of the catalogue yet
_HEADER = {
    "Project-Id-Version": "ConvCraft",
    "Language": "zh",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
}

Key = tuple[str, str]  # context and English text


@dataclass(frozen=True)
class Message:
    """One text that readers see.

    Attributes:
        context: kind and place, as `prose`, `code max_pool2d`, `exam max_pool2d`, `figure padding`.
        place: what a translator wants to know: under which heading it stands, and what it is.
        file: where it is written.
    """

    context: str
    text: str
    place: str
    file: str

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.context, self.text


class Catalogue:
    """A catalogue as it is on disk; one that is not there yet is empty."""

    def __init__(self, path: Path):
        self.path = path
        self._file = polib.pofile(str(path)) if path.is_file() else polib.POFile()

    @property
    def entries(self) -> list[polib.POEntry]:
        """All of them, in their order."""
        return list(self._file)

    @property
    def figures(self) -> list[tuple[str, str]]:
        """What figures say, each with its figure's name, as far as the catalogue knows."""
        return [(entry.msgctxt.partition(" ")[2], entry.msgid) for entry in self._file
                if entry.msgctxt.startswith("figure ")]

    @property
    def is_draft(self) -> bool:
        """Whether it is not there, or says of itself that no edition shall be made of it yet."""
        return not self.path.is_file() or DRAFT in self._file.metadata

    @cached_property
    def translations(self) -> dict[Key, str]:
        """What is translated and holds."""
        return {(entry.msgctxt or "", entry.msgid): entry.msgstr for entry in self._file if entry.translated()}

    @property
    def counts(self) -> str:
        """As `659 entries: 12 translated, 3 fuzzy, 644 untranslated`."""
        fuzzy = sum(entry.fuzzy for entry in self._file)
        done = len(self.translations)
        return (f"{len(self._file)} entries: {done} translated, {fuzzy} fuzzy, "
                f"{len(self._file) - done - fuzzy} untranslated")

    def say(self, context: str, text: str) -> str:
        """The translation; the English text where there is none, or an outdated one."""
        return self.translations.get((context, text), text)

    def merged(self, messages: Iterable[Message]) -> "polib.POFile":
        """The catalogue of what is said now: kept where nothing changed, outdated ("fuzzy") where a little did.

        A changed text takes over the translation of the one that it resembles most among those that are gone, of the
        same context; what resembles none has no translation yet. What is no longer said is left out.
        """
        said: dict[Key, list[Message]] = {}
        for message in messages:
            said.setdefault(message.key, []).append(message)
        kept = {(entry.msgctxt or "", entry.msgid): entry for entry in self._file if not entry.obsolete}
        gone = [entry for key, entry in kept.items() if key not in said and entry.msgstr]
        inherited = dict(_heirs([key for key in said if key not in kept], gone))
        result = polib.POFile(wrapwidth=0)
        result.header = _OF_TRANSLATORS
        kept_lines = {name: value for name, value in self._file.metadata.items()
                      if name in _KEPT or name.startswith("X-")}
        result.metadata = {**_HEADER, **(kept_lines if self.path.is_file() else {DRAFT: "yes"})}
        result.extend(_entry(places, kept.get(key), inherited.get(key)) for key, places in said.items())
        return result

    def renew(self, messages: Iterable[Message]) -> None:
        """Write what `merged` gives."""
        self.path.write_text(text(self.merged(messages)), encoding="utf-8")


_OF_TRANSLATORS = "Written by `make messages`; the translations are yours. CONTRIBUTING.md says how."
_KEPT = ("Last-Translator", "Language-Team", "PO-Revision-Date", "Plural-Forms")


def text(file: polib.POFile) -> str:
    """A catalogue as it is written; the same messages give the same bytes."""
    return f"{file}".rstrip("\n") + "\n"


def _heirs(new: list[Key], gone: list[polib.POEntry]) -> Iterable[tuple[Key, polib.POEntry]]:
    """For each new text the one that it grew out of; the closest pairs find each other first, each is used once."""
    pairs = []
    for key in new:
        for number, entry in enumerate(gone):
            if (entry.msgctxt or "") == key[0]:
                matcher = difflib.SequenceMatcher(None, entry.msgid, key[1], autojunk=False)
                if matcher.real_quick_ratio() >= _ALIKE and matcher.quick_ratio() >= _ALIKE:
                    pairs.append((-matcher.ratio(), number, key))
    used: set[int] = set()
    found: dict[Key, polib.POEntry] = {}
    for worth, number, key in sorted(pairs):
        if -worth >= _ALIKE and number not in used and key not in found:
            used.add(number)
            found[key] = gone[number]
    return found.items()


def _entry(places: list[Message], kept: polib.POEntry | None, heir_of: polib.POEntry | None) -> polib.POEntry:
    first = places[0]
    entry = polib.POEntry(
        msgctxt=first.context, msgid=first.text, comment="\n".join(dict.fromkeys(message.place for message in places)),
        occurrences=[(file, "") for file in dict.fromkeys(message.file for message in places)])
    if old := kept or heir_of:
        entry.msgstr, entry.tcomment, entry.flags = old.msgstr, old.tcomment, list(old.flags)
        if old.fuzzy:  # what has been translated again has nothing to be compared with
            entry.previous_msgid, entry.previous_msgctxt = old.previous_msgid, old.previous_msgctxt
    if heir_of and not kept:
        if not heir_of.fuzzy:
            entry.previous_msgid = heir_of.msgid
        entry.flags = ["fuzzy"]
    return entry
