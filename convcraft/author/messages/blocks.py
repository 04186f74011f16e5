"""Markdown, cut into what is translated at a time: a heading, a paragraph, a list item, a cell of a table, a hint."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise

Say = Callable[[str, str], str]  # a kind of text and the text: what to write in its place

_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^(#{1,6} (?:\[\]\(#\w+\) )?)(.*?)((?: [●○]+.*)?)$")
_SUMMARY = re.compile(r"^(\s*<details>\s*<summary>)(.*?)(</summary>.*)$")
_TAGS = re.compile(r"^\s*(?:</?\w+[^>]*>\s*)+$")
_ITEM = re.compile(r"^(\s*)([-*+]|\d+[.)]) +")
_INTERRUPTS = re.compile(r"^\s*([-*+]|1[.)]) ")  # inside of a paragraph a list begins with 1, not with "2015."
_BREAK = re.compile(r"^(\s*<br>)")
_ROW = re.compile(r"^\s*\|")
_RULE = re.compile(r"^\s*\|?[\s:|-]+\|?$")
_CELL = re.compile(r"(\|[ ]*)((?:`[^`]*`|\$[^$]*\$|\\\||[^|`$])*?)(?=[ ]*(?:\||$))")
_PICTURES = re.compile(r"(?:!\[[^\]]*\]\([^)\s]+\)\s*)+")
_ALT = re.compile(r"!\[([^\]]*)\]")
_WORDLESS = re.compile(r"`[^`]*`|\$[^$]*\$|\{[^{}]*\}|\]\([^)\s]*\)|<[^>]+>|https?://\S+")
_WORD = re.compile(r"[A-Za-z]{2,}")
_SAID = re.compile(r"\\text\{([^{}]*)\}")


def has_words(text: str) -> bool:
    """Whether there is anything to translate beside code, formulas, placeholders and addresses."""
    return bool(_WORD.search(_WORDLESS.sub(" ", text)))


def reworded(text: str, say: Say) -> str:
    """Markdown with every block that has words said anew; what stays the same stays as it was wrapped."""
    return "\n".join(_lines(text.split("\n"), say))


def _lines(lines: list[str], say: Say) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if _FENCE.match(line):
            while end < len(lines) and not _FENCE.match(lines[end]):
                end += 1
            end += 1
            yield from lines[at:end]
        elif line.lstrip().startswith("$$"):
            while "\n".join(lines[at:end]).count("$$") < 2 and end < len(lines):
                end += 1
            yield from _formula(lines[at:end], say)
        elif line.startswith(">"):
            while end < len(lines) and lines[end].startswith(">"):
                end += 1
            inner = [quoted[1:].removeprefix(" ") for quoted in lines[at:end]]
            yield from (f"> {said}".rstrip() for said in _lines(inner, say))
        elif _ROW.match(line):
            yield line if _RULE.match(line) else _CELL.sub(lambda found: found[1] + _said(found[2], "table", say), line)
        elif heading := _HEADING.match(line):
            yield heading[1] + _said(heading[2], "heading", say) + heading[3]
        elif summary := _SUMMARY.match(line):
            yield summary[1] + _said(summary[2], "hint's title", say) + summary[3]
        elif not line.strip() or _TAGS.match(line):
            yield line
        else:
            while end < len(lines) and not _begins_anew(lines[end]):
                end += 1
            yield from _paragraph(lines[at:end], say)
        at = end


def _begins_anew(line: str) -> bool:
    return not line.strip() or any(pattern.match(line) for pattern in (
        _FENCE, _HEADING, _SUMMARY, _INTERRUPTS, _BREAK, _ROW)) or line.lstrip().startswith(("$$", "</", ">"))


def _paragraph(lines: list[str], say: Say) -> Iterator[str]:
    """Of a list item, too; its mark stays."""
    starts = [0, *_further_items(lines), len(lines)]
    for begin, end in pairwise(starts):
        yield from _one(lines[begin:end], say)


def _further_items(lines: list[str]) -> Iterator[int]:
    """Where the items after the first one of a numbered list begin: each with the next number, not "2015. Then"."""
    first = _ITEM.match(lines[0])
    if not first or not first[2][:-1].isdigit():
        return
    number = int(first[2][:-1])
    for at, line in enumerate(lines):
        if at and (found := _ITEM.match(line)) and found[1] == first[1] and found[2][:-1] == str(number + 1):
            number += 1
            yield at


def _one(lines: list[str], say: Say) -> list[str]:
    mark = next((found[0] for pattern in (_ITEM, _BREAK) if (found := pattern.match(lines[0]))), "")
    mark = mark or lines[0][:len(lines[0]) - len(lines[0].lstrip())]
    text = " ".join([lines[0][len(mark):].strip(), *(line.strip() for line in lines[1:])])
    if _PICTURES.fullmatch(text):
        said = _ALT.sub(lambda found: f"![{_said(found[1], 'alt text', say)}]", text)
    else:
        said = _said(text, "list item" if _ITEM.match(lines[0]) else "paragraph", say)
    return lines if said == text else [mark + said]


def _formula(lines: list[str], say: Say) -> Iterator[str]:
    text = "\n".join(lines)
    if any(_WORD.search(words) for words in _SAID.findall(text)):
        return iter(say("formula", text).split("\n"))
    return iter(lines)


def _said(text: str, kind: str, say: Say) -> str:
    return say(kind, text) if has_words(text) else text
