"""What a translation must not lose, and which words it must translate alike: checked entry by entry."""

import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import polib
from markdown_it import MarkdownIt

_PLACEHOLDER = re.compile(r"(?<!\\)\{(?:[^{}]|\{[^{}]*\})*\}")
_CODE = re.compile(r"`+[^`]+`+")
_FORMULA = re.compile(r"\$\$.+?\$\$|\$[^$]+\$", re.DOTALL)
_SAID = re.compile(r"\\text\{[^{}]*\}")
_LINK = re.compile(r"\]\(([^)\s]+)\)|(https?://[^\s)，。]+)")
_TERM = re.compile(r"^\| *([^|]+?) *\| *([^|]+?) *\|[^|]*\|$", re.MULTILINE)
_MARKDOWN = MarkdownIt()


def faults(entries: Iterable[polib.POEntry]) -> Iterator[str]:
    """What makes a translation unusable, a line each. Fuzzy entries are left out: nobody is shown them."""
    yield from _told(entries, _faults)


def other_words(entries: Iterable[polib.POEntry], terms: "list[Term]") -> Iterator[str]:
    """Where a term of the glossary is translated otherwise, or not at all, a line each."""
    yield from _told(entries, lambda context, text, translation: _other_words(text, translation, terms))


def _told(entries: Iterable[polib.POEntry], look: Callable[[str, str, str], Iterator[str]]) -> Iterator[str]:
    for entry in entries:
        if entry.translated() and not entry.msgid_plural:
            yield from (f"{textwrap.shorten(entry.msgid, 60, placeholder=' …')!r} ({entry.msgctxt}): {fault}"
                        for fault in look(entry.msgctxt or "", entry.msgid, entry.msgstr))


def _faults(context: str, text: str, translation: str) -> Iterator[str]:
    prose = context.startswith(("prose", "exam"))
    bare, said = (_FORMULA.sub("", _CODE.sub("", each)) if prose else each for each in (text, translation))
    for what, pattern, one, other in (
            ("the placeholder", _PLACEHOLDER, bare, said), ("the code", _CODE, text, translation),
            ("the formula", _FORMULA, text if prose else "", translation if prose else ""),
            ("the link to", _LINK, text, translation)):
        mine, theirs = (Counter(_found(pattern, each)) for each in (one, other))
        if pattern is not _PLACEHOLDER:  # a name may be said twice, or once less: not so what is filled in
            mine, theirs = Counter(set(mine)), Counter(set(theirs))
        yield from (f"{what} {lost} is missing" for lost in (mine - theirs))
        yield from (f"{what} {new} is not in the English text" for new in (theirs - mine))
    if prose and "*" in _shown(translation) and "*" not in _shown(text):
        yield "asterisks show: between full-width punctuation and a letter ** neither begins nor ends; move them"


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    found = (match[0] if match.re.groups == 0 else next(filter(None, match.groups()))
             for match in pattern.finditer(text))
    return ["".join(_SAID.sub("", part).split()) for part in found]  # a formula's words are the translator's


def _shown(text: str) -> str:
    """What is left of a text where Markdown has been understood: code and formulas apart."""
    tokens = _MARKDOWN.parseInline(_FORMULA.sub("", text))[0].children or []
    return "".join(token.content for token in tokens if token.type == "text")


class Term:
    """A word of the field's and what it is called in Chinese; several where the glossary has several, in `、`."""

    def __init__(self, english: str, chinese: str):
        self.english, self.chinese = english, [word.strip() for word in re.split("[、/]", chinese)]
        self.pattern = re.compile(rf"(?<![\w-]){re.escape(english)}(?:s|es)?(?![\w-])", re.IGNORECASE)


@cache
def glossary(path: Path) -> list[Term]:
    """The terms of `docs/glossary.md`, long ones first: "transposed convolution" is no "convolution"."""
    if not path.is_file():
        return []
    rows = _TERM.findall(path.read_text(encoding="utf-8"))
    terms = [Term(english, chinese) for english, chinese in rows[2:] if not set(english) <= {"-", ":"}]
    return sorted(terms, key=lambda term: -len(term.english))


def _other_words(text: str, translation: str, terms: list[Term]) -> Iterator[str]:
    rest = _PLACEHOLDER.sub(" ", _FORMULA.sub(" ", _CODE.sub(" ", text)))
    for term in terms:
        if term.pattern.search(rest):
            rest = term.pattern.sub(" ", rest)
            if not any(word.lower() in translation.lower() for word in term.chinese):
                yield f"{term.english!r} is {' or '.join(term.chinese)} in docs/glossary.md"
