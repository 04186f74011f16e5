"""A verdict as a reader sees it: plain text, and HTML with pictures."""

import html as escape_html
import textwrap
from dataclasses import replace

from convcraft.exam.judge import Row, Verdict
from convcraft.exam.picture import picture

_WIDTH = 100
_NAME = 22
_MESSAGE = 94  # columns of what is said of a failed aspect; a diagnosis has two lines of them at most
_LINES = 4
_PICTURES = 3
_AGAIN = "The same mistake."


def bundle(verdict: Verdict) -> dict[str, str]:
    """The verdict under its two MIME types."""
    return {"text/plain": text(verdict), "text/html": html(verdict)}


def points(value: float) -> str:
    """Points as they are shown: at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def text(verdict: Verdict) -> str:
    """The verdict as a table of at most 120 columns. A failed aspect takes four lines at most, that of its name too."""
    score = f"{points(verdict.points)} of {verdict.max_points} points"
    lines = [verdict.exercise + score.rjust(80 - len(verdict.exercise))]
    for row in _rows(verdict):
        mark = "✓" if row.passed else "✗"
        parts = [_wrap(row.says, _WIDTH - _NAME - 4, 2)] if row.passed else _message(row)
        wrapped = [line for part in parts for line in part] or [""]
        lines.append(f"  {mark} {row.name.ljust(_NAME - 1)} {wrapped[0]}")
        if len(row.name) > _NAME - 1:
            lines[-1:] = [f"  {mark} {row.name}", " " * (_NAME + 4) + wrapped[0]]
        lines += [" " * (_NAME + 4) + line for line in wrapped[1:]]
    if verdict.output.strip():
        lines.append("  What your code printed while it was examined:")
        printed = verdict.output.strip("\n").split("\n")
        lines += ["    " + line[:_WIDTH - 4] for line in printed[:5]]
        if len(printed) > 5:
            lines.append(f"    … and {len(printed) - 5} lines more")
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """The verdict as a table, with yours, expected and difference drawn for tensors that differ.

    Colours come from JupyterLab's theme where there is one; every style is inline and every picture embedded.
    """
    e = escape_html.escape
    body, drawn = [], 0
    for row in _rows(verdict):
        mark, colour, word = ("✓", "#1a7f37", "passed") if row.passed else ("✗", "#c5221f", "failed")
        first, *rest = [row.says] if row.passed else map(" ".join, _message(row))
        cell = f'<span style="{"opacity:.75" if row.passed else "font-weight:600"}">{e(first)}</span>'
        cell += "".join(f'<div style="opacity:.85">{e(part)}</div>' for part in rest)
        if row.diagnosis != _AGAIN and drawn < _PICTURES and (drawing := _drawing(row)):
            cell, drawn = cell + drawing, drawn + 1
        body.append(
            f'<tr style="background:transparent"><td style="{_CELL}"><span role="img" aria-label="{word}" '
            f'style="{_MARK};background:{colour}">{mark}</span></td>'
            f'<td style="{_CELL};white-space:nowrap">{e(row.name)}</td><td style="{_CELL}">{cell}</td></tr>')
    output = ""
    if verdict.output.strip():
        output = ('<details style="margin:.3em 0 0 .6em">'
                  "<summary>What your code printed while it was examined</summary>"
                  f'<pre style="max-height:16em;overflow:auto">{e(verdict.output)}</pre></details>')
    return (
        '<div class="convcraft-verdict" style="max-width:62em;color:var(--jp-ui-font-color1,inherit);'
        'font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:14px;line-height:1.45">'
        '<div style="display:flex;justify-content:space-between;gap:2em;padding:.3em .6em;'
        'border-bottom:1px solid var(--jp-border-color1,#8888)">'
        f"<strong>{e(verdict.exercise)}</strong>"
        f"<strong>{points(verdict.points)} of {verdict.max_points} points</strong></div>"
        f'<table style="border-collapse:collapse;margin:0;font-size:inherit">{"".join(body)}</table>{output}</div>')


_MARK = "display:inline-block;width:1.4em;text-align:center;border-radius:.25em;color:#fff;font-weight:700"
_CELL = "padding:.2em .6em;text-align:left;vertical-align:top;white-space:normal;border:none"


def _rows(verdict: Verdict) -> list[Row]:
    """The rows; a single one where everything failed for one and the same reason. A sentence is said once."""
    rows = verdict.rows
    reasons = {(row.diagnosis, row.detail) for row in rows}
    if len(rows) > 1 and len(reasons) == 1 and not any(row.passed for row in rows) and not rows[0].comparison.where:
        return [Row("everything", "", False, rows[0].diagnosis, rows[0].comparison)]
    said: set[str] = set()
    shown = []
    for row in rows:
        shown.append(replace(row, diagnosis=_AGAIN) if row.diagnosis in said else row)
        said |= {row.diagnosis} - {""}
    return shown


def _message(row: Row) -> list[list[str]]:
    """The lines of what is said of a failed aspect: the diagnosis, what differs, what the task says.

    They are four at most, and each part has one at least. The earlier a part, the more it may take; what does not fit
    ends in "…".
    """
    parts = [part for part in (row.diagnosis, row.detail, row.says and f"The task says: “{row.says}”") if part]
    message: list[list[str]] = []
    for later, part in zip(reversed(range(len(parts))), parts, strict=True):
        message.append(_wrap(part, _MESSAGE, _LINES - later - sum(map(len, message))))
    return message


def _wrap(part: str, width: int, lines: int) -> list[str]:
    return textwrap.wrap(" ".join(part.split()), width, max_lines=lines, placeholder=" …", break_on_hyphens=False)


def _drawing(row: Row) -> str:
    yours, expected = row.comparison.yours, row.comparison.expected
    return "" if yours is None or expected is None else picture(yours, expected, f"{row.name}. {row.detail}")
