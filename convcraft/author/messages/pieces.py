"""String literals and comments of Python code, found where they stand and written anew."""

import ast
import io
import re
import tokenize
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 120  # columns of a line; a Chinese character takes two
_PIECE = re.compile(r"([rRbBfFuU]*)(\"\"\"|'''|\"|')((?:\\.|(?!\2).)*)\2", re.DOTALL)
_NO_LINE_BEFORE = "，。：；？！、）”’》…"
_NO_LINE_AFTER = "（“‘《"


@dataclass(frozen=True)
class Edit:
    """What stands from `begin` to `end` of a text, in characters, and what is to stand there."""

    begin: int
    end: int
    text: str


def edited(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit made."""
    for edit in sorted(edits, key=lambda edit: edit.begin, reverse=True):
        text = text[:edit.begin] + edit.text + text[edit.end:]
    return text


class Lines:
    """Where the lines of a text begin, to find what `ast` and `tokenize` name by line and column."""

    def __init__(self, text: str):
        self.text = text
        self.lines = text.splitlines(keepends=True)
        self._starts = [0]
        for line in self.lines:
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr) -> tuple[int, int]:
        """Of a node, in characters; `ast` counts bytes."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._of_bytes(node.lineno, node.col_offset), self._of_bytes(node.end_lineno, node.end_col_offset)

    def at(self, line: int, column: int) -> int:
        """Of a token."""
        return self._starts[line - 1] + column

    def column(self, place: int) -> int:
        """How far from its line's beginning a place is."""
        return place - (self.text.rfind("\n", 0, place) + 1)

    def _of_bytes(self, line: int, offset: int) -> int:
        return self._starts[line - 1] + len(self.lines[line - 1].encode()[:offset].decode())


def parsed(source: str) -> ast.Module:
    """A cell's code for `ast`, and what it says; nothing, where the cell is a mistake that Python shall complain of."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def comments(source: str) -> list[tokenize.TokenInfo]:
    """Every comment of a piece of code."""
    return [token for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT]


def template(source: str) -> str:
    """What a literal says: an f-string's placeholders as they are written, `\\n` a line's end, all pieces as one."""
    said, found = [], _PIECE.findall(source)
    filled = any("f" in prefix.lower() for prefix, _, _ in found)
    for prefix, quote, inner in found:
        if "f" in prefix.lower():
            parts = re.split(r"(\{\{|\}\}|\{(?:[^{}]|\{[^{}]*\})*\})", inner)
            said.append("".join(part if at % 2 else _unescaped(prefix, quote, part) for at, part in enumerate(parts)))
        else:
            plain = _unescaped(prefix, quote, inner)
            said.append(plain.replace("{", "{{").replace("}", "}}") if filled else plain)
    return "".join(said)


def literal(source: str, text: str, column: int) -> str:
    """A literal that says `text`, in the manner of the one that is written `source` at `column`."""
    found = _PIECE.findall(source)
    prefix = "f" if any("f" in prefix.lower() for prefix, _, _ in found) else ""
    quote = found[0][1][0]
    parts = re.split(r"(\{(?:[^{}]|\{[^{}]*\})*\})", text) if prefix else [text]
    inner = [part if at % 2 else _escaped(part, quote) for at, part in enumerate(parts)]
    if len(found) == 1:
        return f"{prefix}{quote}{''.join(inner)}{quote}"
    lines = _wrapped_parts(inner, WIDTH - column - 4)
    return ("\n" + " " * column).join(f"{prefix}{quote}{line}{quote}" for line in lines)


def width(text: str) -> int:
    """The columns that a text takes where letters are of one width."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def wrapped(text: str, first: int, room: int) -> list[str]:
    """A text in lines of `room` columns, the first one of `first`; Chinese breaks anywhere but before a full stop."""
    lines, line, left = [], "", first
    for word in _words(text):
        if line and width((line + word).rstrip()) > left:
            lines.append(line.rstrip())
            line, left, word = "", room, word.lstrip()
        line += word
    return [*lines, line.rstrip()]


def _words(text: str) -> list[str]:
    """Pieces between which a line may break; spaces lead their piece."""
    pieces: list[str] = []
    for piece in re.findall(r"\s*`[^`]*`|\s*\$[^$]*\$|\s*[⺀-鿿＀-￯、-〿]|\s*[^\s⺀-鿿＀-￯、-〿`$]+|\s*[`$]", text):
        glued = pieces and not piece[0].isspace() and (
            piece[0] in _NO_LINE_BEFORE or pieces[-1][-1] in _NO_LINE_AFTER
            or not (_is_wide(piece[0]) or _is_wide(pieces[-1][-1])))
        if glued:
            pieces[-1] += piece
        else:
            pieces.append(piece)
    return pieces


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _wrapped_parts(parts: list[str], room: int) -> list[str]:
    """An f-string's parts in lines; no placeholder is cut."""
    lines = [""]
    for at, part in enumerate(parts):
        for piece in [part] if at % 2 else _pieces(part):
            if lines[-1] and width(lines[-1] + piece) > room:
                lines.append("")
            lines[-1] += piece
    return lines


def _pieces(text: str) -> list[str]:
    return re.findall(r"[^\s]+\s*|\s+", text)


def _unescaped(prefix: str, quote: str, inner: str) -> str:
    return inner if "r" in prefix.lower() else str(ast.literal_eval(f'{quote}{inner}{quote}')) if inner else ""


def _escaped(text: str, quote: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace(quote, f"\\{quote}")
