"""A verdict as a reader sees it: plain text, and HTML with pictures."""

import html as escape_html
import re
import textwrap
from dataclasses import replace
from unicodedata import east_asian_width

from convcraft.exam.judge import Row, Verdict
from convcraft.exam.picture import picture
from convcraft.language import N_, _, current, ngettext
from convcraft.scores import score

_WIDTH = 100
_NAME = 22
_MESSAGE = 94  # columns of what is said of a failed aspect; a diagnosis has two lines of them at most
_LINES = 5
_PICTURES = 3
_AGAIN = N_("The same mistake.")
_PRINTED = N_("What your code printed while it was examined:")


def bundle(verdict: Verdict) -> dict[str, str]:
    """The verdict under its two MIME types."""
    return {"text/plain": text(verdict), "text/html": html(verdict)}


def text(verdict: Verdict) -> str:
    """The verdict as a table of at most 120 columns. A failed aspect takes five lines at most, that of its name too."""
    of_all = score(verdict.points, verdict.max_points)
    lines = [verdict.exercise + " " * max(80 - len(verdict.exercise) - _columns(of_all), 0) + of_all]
    for row in _rows(verdict):
        mark = "✓" if row.passed else "✗"
        parts = [_wrap(row.says, _WIDTH - _NAME - 4, 2)] if row.passed else _message(row)
        wrapped = [line for part in parts for line in part] or [""]
        lines.append(f"  {mark} {row.name}{' ' * max(_NAME - 1 - _columns(row.name), 0)} {wrapped[0]}")
        if _columns(row.name) > _NAME - 1:
            lines[-1:] = [f"  {mark} {row.name}", " " * (_NAME + 4) + wrapped[0]]
        lines += [" " * (_NAME + 4) + line for line in wrapped[1:]]
    if verdict.output.strip():
        lines.append(f"  {_(_PRINTED)}")
        printed = verdict.output.strip("\n").split("\n")
        lines += ["    " + line[:_WIDTH - 4] for line in printed[:5]]
        if len(printed) > 5:
            more = len(printed) - 5
            lines.append("    " + ngettext("… and {count} line more", "… and {count} lines more", more).format(
                count=more))
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """The verdict as a table, with yours, expected and difference drawn for tensors that differ.

    Colours come from JupyterLab's theme where there is one; every style is inline and every picture embedded.
    """
    e = escape_html.escape
    body, drawn = [], 0
    for row in _rows(verdict):
        mark, colour, word = ("✓", "#1a7f37", _("passed")) if row.passed else ("✗", "#c5221f", _("failed"))
        first, *rest = [row.says] if row.passed else map(_joined, _parts(row), _message(row))
        cell = f'<span style="{"opacity:.75" if row.passed else "font-weight:600"}">{e(first)}</span>'
        cell += "".join(f'<div style="opacity:.85">{e(part)}</div>' for part in rest)
        if row.diagnosis != _(_AGAIN) and drawn < _PICTURES and (drawing := _drawing(row)):
            cell, drawn = cell + drawing, drawn + 1
        body.append(
            f'<tr style="background:transparent"><td style="{_CELL}"><span role="img" aria-label="{word}" '
            f'style="{_MARK};background:{colour}">{mark}</span></td>'
            f'<td style="{_CELL};white-space:nowrap">{e(row.name)}</td><td style="{_CELL}">{cell}</td></tr>')
    output = ""
    if verdict.output.strip():
        output = ('<details style="margin:.3em 0 0 .6em">'
                  f"<summary>{e(_(_PRINTED).rstrip(':：'))}</summary>"
                  f'<pre style="max-height:16em;overflow:auto">{e(verdict.output)}</pre></details>')
    return (
        '<div class="convcraft-verdict" style="max-width:62em;color:var(--jp-ui-font-color1,inherit);'
        'font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:14px;line-height:1.45">'
        '<div style="display:flex;justify-content:space-between;gap:2em;padding:.3em .6em;'
        'border-bottom:1px solid var(--jp-border-color1,#8888)">'
        f"<strong>{e(verdict.exercise)}</strong>"
        f"<strong>{score(verdict.points, verdict.max_points)}</strong></div>"
        f'<table style="border-collapse:collapse;margin:0;font-size:inherit">{"".join(body)}</table>{output}</div>')


_MARK = "display:inline-block;width:1.4em;text-align:center;border-radius:.25em;color:#fff;font-weight:700"
_CELL = "padding:.2em .6em;text-align:left;vertical-align:top;white-space:normal;border:none"


def _rows(verdict: Verdict) -> list[Row]:
    """The rows; a single one where everything failed for one and the same reason. A sentence is said once."""
    rows = verdict.rows
    reasons = {(row.diagnosis, row.detail) for row in rows}
    if len(rows) > 1 and len(reasons) == 1 and not any(row.passed for row in rows) and not rows[0].comparison.where:
        return [Row(_("everything"), "", False, rows[0].diagnosis, rows[0].comparison, detail=rows[0].detail)]
    said: set[str] = set()
    shown = []
    for row in rows:
        shown.append(replace(row, diagnosis=_(_AGAIN)) if row.diagnosis in said else row)
        said |= {row.diagnosis} - {""}
    return shown


def _message(row: Row) -> list[list[str]]:
    """The lines of what is said of a failed aspect: the diagnosis, what differs and how, the call, what the task says.

    They are five at most, and each part has one at least. The earlier a part, the more it may take; what does not fit
    ends in "…".
    """
    parts = _parts(row)
    message: list[list[str]] = []
    for later, part in zip(reversed(range(len(parts))), parts, strict=True):
        message.append(_wrap(part, _MESSAGE, _LINES - later - sum(map(len, message))))
    return message


def _parts(row: Row) -> list[str]:
    task = row.says and _("The task says: “{sentence}”").format(sentence=row.says)
    call = row.call and _("Called as {call}").format(call=row.call)
    return [" ".join(part.split()) for part in (row.diagnosis, row.detail, row.relation, call, task) if part]


def _joined(part: str, lines: list[str]) -> str:
    """The lines as one again: a blank between two of them where the part has one, as Chinese has none."""
    joined = ""
    for line in lines:
        joined += line if part.startswith(joined + line.removesuffix(" …")) else " " + line
    return joined


def _wrap(part: str, width: int, lines: int) -> list[str]:
    whole = " ".join(part.split())
    if current() == "en":
        return textwrap.wrap(whole, width, max_lines=lines, placeholder=" …", break_on_hyphens=False)
    wrapped: list[str] = []
    line = ""
    for piece in _PIECE.findall(whole):
        if line.strip() and _columns(line + piece.rstrip()) > width:
            wrapped, line = [*wrapped, line.rstrip()], piece.lstrip()
        else:
            line += piece
    wrapped += [line.rstrip()] if line.strip() else []
    if len(wrapped) > lines:
        wrapped[lines - 1:] = [wrapped[lines - 1] + " …"]
    return wrapped


# A line may break behind any Chinese character, but not in front of punctuation, nor behind what opens.
_PIECE = re.compile(r"[（《“‘]*(?:[\u3400-\u9fff]|[^\s\u3400-\u9fff（《“‘，。：；？！、）》”’]{1,60}|.)"
                    r"[，。：；？！、）》”’…]*\s*")


def _columns(shown: str) -> int:
    """How wide a text is in a terminal, or in a notebook's plain output: a Chinese character fills two columns."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in shown)


def caption(row: Row) -> str:
    """What the picture of an aspect is a picture of."""
    return _("{aspect}: {detail}.").format(aspect=row.name, detail=row.detail.rstrip(".。"))


def _drawing(row: Row) -> str:
    yours, expected = row.comparison.yours, row.comparison.expected
    return "" if yours is None or expected is None else picture(yours, expected, caption(row))
