"""The package's own catalogue: what the code marks with `_`, `N_` and `ngettext`, and its translations.

Babel merges; what has changed keeps its old translation as a suggestion ("fuzzy"), which is not shown.
"""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import polib
from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po

from convcraft.language import CATALOGUES, DOMAIN, LANGUAGES
from convcraft.place import INSTALLED, PACKAGE

_HEADER = "# Written by `make messages`; the translations are yours. CONTRIBUTING.md says how."
_CHANGING = re.compile(r'^"(POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Language-Team'
                       r'|Report-Msgid-Bugs-To)[^\n]*\n', re.M)


def catalogue(language: str, folder: Path = CATALOGUES) -> Path:
    """A language's file; what the package reads, `.mo`, lies beside it."""
    return folder / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def translated_to() -> list[str]:
    """The languages that have one: all but English."""
    return [language for language in LANGUAGES if language != "en"]


def renewed(path: Path, language: str, package: Path = PACKAGE) -> str:
    """A catalogue as it should be: with what the code says now, and of its translations what still holds."""
    said = Catalog(project="ConvCraft", version="1")
    for file in sorted(package.rglob("*.py"), key=lambda file: (file.parent, file.name)):
        if INSTALLED not in file.parents:
            for message in _marked(ast.parse(file.read_text(encoding="utf-8"))):
                said.add(message, locations=[(f"convcraft/{file.relative_to(package).as_posix()}", 0)])
    known, before = Catalog(locale=language, project="ConvCraft", version="1"), dict[str, str]()
    if path.is_file():
        known = read_po(BytesIO(path.read_bytes()), locale=language)
        before = {entry.msgid: entry.previous_msgid for entry in polib.pofile(str(path)) if entry.previous_msgid}
    known.update(said)
    known.obsolete.clear()
    known.header_comment, known.fuzzy = _HEADER, False
    known.revision_date = datetime(2026, 1, 1, tzinfo=UTC)
    written = BytesIO()
    write_po(written, known, width=0, include_lineno=False, sort_by_file=True)
    result = polib.pofile(_CHANGING.sub("", written.getvalue().decode("utf-8")), wrapwidth=0)
    for entry in result:  # Babel writes what was said before in a way that not everybody reads
        if entry.fuzzy:
            entry.previous_msgid = before.get(entry.msgid) or next(iter(known[entry.msgid].previous_id), None)
    return f"{result}".rstrip("\n") + "\n"


def _marked(node: ast.AST) -> Iterator[str | tuple[str, str]]:
    """The sentences that code marks, in its order; of `ngettext` one and many.

    Babel's own reader goes by tokens: before Python 3.12 it sees nothing of what stands inside an f-string.
    """
    match node:
        case ast.Call(func=ast.Name(id="_" | "N_"), args=[ast.Constant(value=str(sentence)), *_]):
            yield sentence
        case ast.Call(func=ast.Name(id="ngettext"),
                      args=[ast.Constant(value=str(one)), ast.Constant(value=str(many)), *_]):
            yield one, many
    for child in ast.iter_child_nodes(node):
        yield from _marked(child)


def compiled(text: str) -> bytes:
    """The `.mo` of a catalogue's text: what is translated, and not outdated."""
    binary: bytes = polib.pofile(text).to_binary()
    return binary


def renew(folder: Path = CATALOGUES, package: Path = PACKAGE) -> list[Path]:
    """Write all catalogues anew; returns those that changed."""
    changed = []
    for language in translated_to():
        path = catalogue(language, folder)
        text = renewed(path, language, package)
        for file, content in ((path, text.encode()), (path.with_suffix(".mo"), compiled(text))):
            if not file.is_file() or file.read_bytes() != content:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
                changed.append(file)
    return changed
