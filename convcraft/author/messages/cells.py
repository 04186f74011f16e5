"""A code cell's words: docstrings, comments, and the literals that a reader is shown."""

import ast
import re
import tokenize
from collections.abc import Iterator
from itertools import pairwise

from convcraft.author.messages.blocks import Say
from convcraft.author.messages.pieces import WIDTH, Edit, Lines, comments, edited, literal, parsed, template, wrapped
from convcraft.author.messages.shown import Shown, docstrings, literals

_MARK = re.compile(r"#\s*(?:#|noqa|type:|%)")  # nbgrader's, ruff's, mypy's: nobody reads them
_WORD = re.compile(r"[A-Za-z]{3,}")
_CODE = re.compile(r"`[^`]*`")
_ARGUMENT = re.compile(r"(\s*[\w*]+(?:, [\w*]+)*(?: \([^)]*\))?: )(.*)")
_SECTION = re.compile(r"\s*(Args|Arguments|Returns|Raises|Yields|Attributes|Examples?|Notes?):$")


def reworded(source: str, known: Shown, say: Say) -> str:
    """A cell's code with its words said anew; what stays the same stays as it was written.

    Args:
        known: what the chapter's cells say about its literals.
    """
    tree, lines = parsed(source), Lines(source)
    edits = [*_docstrings(tree, lines, say), *_comments(lines, say), *_literals(tree, lines, known, say)]
    return edited(source, edits)


def _literals(tree: ast.Module, lines: Lines, known: Shown, say: Say) -> Iterator[Edit]:
    for node, place in literals(tree):
        begin, end = lines.span(node)
        written = lines.text[begin:end]
        text = template(written)
        if known.takes(node, place, text) and (said := say("literal", text)) != text:
            yield Edit(begin, end, literal(written, said, lines.column(begin)))


def _docstrings(tree: ast.Module, lines: Lines, say: Say) -> Iterator[Edit]:
    for node in docstrings(tree):
        begin, end = lines.span(node)
        quote = 3 if lines.text[begin:].startswith(('"""', "'''")) else 1
        inner = lines.text[begin + quote:end - quote]
        said = "\n".join(_paragraphs(inner.split("\n"), lines.column(begin), say))
        if said != inner:
            yield Edit(begin + quote, end - quote, said)


def _paragraphs(lines: list[str], column: int, say: Say) -> Iterator[str]:
    """A docstring's lines, paragraph by paragraph and argument by argument."""
    within, at = False, 0
    while at < len(lines):
        line, end = lines[at], at + 1
        if not line.strip() or _SECTION.match(line):
            within = bool(_SECTION.match(line)) or (within and not line.strip() and at + 1 < len(lines)
                                                    and _indent(lines[at + 1]) > column)
            yield line
        else:
            while end < len(lines) and lines[end].strip() and not (
                    within and _indent(lines[end]) <= _indent(line)) and not _SECTION.match(lines[end]):
                end += 1
            argument = _ARGUMENT.match(line) if within else None
            indent = column if at == 0 else _indent(line)
            mark = argument[1] if argument else line[:_indent(line)]
            text = " ".join([line[len(mark):].strip(), *(further.strip() for further in lines[at + 1:end])])
            first = WIDTH - len(mark) - (column + 3 if at == 0 else 0)
            yield from _anew(lines[at:end], text, "docstring", say, mark, " " * (indent + 4 * bool(argument)), first)
        at = end


def _comments(lines: Lines, say: Say) -> Iterator[Edit]:
    """Comment by comment; those that fill lines one below the other, at one indentation, are one."""
    block: list[tokenize.TokenInfo] = []
    found = [token for token in comments(lines.text) if not _MARK.match(token.string)]
    for token, after in pairwise([*found, None]):
        assert token is not None
        block.append(token)
        alone = not token.line[:token.start[1]].strip()
        if after is None or not alone or after.start != (token.start[0] + 1, token.start[1]) \
                or after.line[:after.start[1]].strip():
            yield from _comment(block, lines, say)
            block = []


def _comment(block: list[tokenize.TokenInfo], lines: Lines, say: Say) -> Iterator[Edit]:
    first, last = block[0], block[-1]
    text = " ".join(token.string.lstrip("#").strip() for token in block)
    mark, margin = "# ", first.start[1]
    begin, end = lines.at(*first.start), lines.at(*last.end)
    written = lines.text[begin:end].split("\n")
    alone = not first.line[:margin].strip()
    said = "\n".join(_anew(written, text, "comment", say, mark, " " * margin + mark,
                           WIDTH - margin - 2 if alone else 10**6))
    if said != "\n".join(written):
        yield Edit(begin, end, said)


def _anew(lines: list[str], text: str, kind: str, say: Say, mark: str, further: str, first: int) -> list[str]:
    """The lines of a text with `mark` before the first and `further` before each other, or the old ones."""
    said = say(kind, text) if _WORD.search(_CODE.sub("", text)) and not _is_code(text) else text
    if said == text:
        return lines
    head, *rest = wrapped(said, first, WIDTH - len(further))
    return [mark + head, *(further + line for line in rest)]


def _is_code(text: str) -> bool:
    """Whether a comment is a line of code that is left out."""
    try:
        ast.parse(text.rstrip(","))
    except SyntaxError:
        return False
    return any(sign in text for sign in "([{=")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
