"""What feedback and the formgrader show: pages that need nothing besides themselves.

`nbgrader_config.py` names these for all HTML: `nbgrader generate_feedback`, the formgrader, `convcraft grade`.
"""

import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from convcraft.grading.notebook.rebuilt import REMARKS
from convcraft.grading.text import as_it_is
from convcraft.language import N_, _
from convcraft.layout import is_demo

TEMPLATES = str(Path(__file__).parent / "jupyter")  # stand in for nbconvert's, which load a script from the network
_CODE_OR_FORMULA = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>[^$\n]+)\$",
                              re.DOTALL)

LEFT_OUT = N_("… (what followed is too long for this page; the graded notebook has it)")
_LINE, _CELL, _PAGE = 1_000, 20_000, 400_000  # characters of text that are shown: of a line, a cell or output, in sum
_COLOURED_LINE, _COLOURED_CELL, _COLOURED = 300, 6_000, 24_000  # characters of code that are coloured
_PICTURES = 12_000_000  # characters of pictures, and of tables that exams draw
_EMPTY_LINES = re.compile(r"(?:[^\S\n]*\n){30}")
_DOTTED = re.compile(r"(?:[^\W\d]\w*\.){12}|\d{50}")


class MathML(Preprocessor):
    """Turns the TeX of markdown cells into MathML, which a browser draws by itself."""

    enabled = True

    def preprocess_cell(self, cell: NotebookNode, resources: dict[str, Any],
                        index: int) -> tuple[NotebookNode, dict[str, Any]]:
        """The cell with its formulas as MathML; code is left alone."""
        if cell.cell_type == "markdown":
            cell.source = _CODE_OR_FORMULA.sub(_drawn, cell.source)
        return cell, resources


class Answers(Preprocessor):
    """Leaves of a graded notebook what its student wrote and was told: the chapter itself he has."""

    enabled = True

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The notebook without what only shows something, its prose cut down to headings and the grader's remarks."""
        for cell in nb.cells:
            if cell.cell_type == "markdown" and not {"nbgrader", REMARKS} & cell.metadata.keys():
                cell.source = "\n\n".join(line for line in cell.source.splitlines() if line.startswith("#"))
        nb.cells = [cell for cell in nb.cells if cell.source.strip() and not is_demo(cell)]
        return nb, resources


class Bounded(Preprocessor):
    """Leaves of a graded notebook what a page can show at once; the rest stays in the notebook.

    Colouring takes time that grows with the square of a line's length, and with the cube of some: only code of a
    shape that people write is coloured.
    """

    enabled = True

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The notebook with long lines, long cells and long outputs cut, and no more than a page of them."""
        room = {"text": _PAGE, "coloured": _COLOURED, "pictures": _PICTURES}
        for cell in nb.cells:
            cell.source = _cut(cell.source, room)
            if cell.cell_type != "code":
                continue
            room["coloured"] -= len(cell.source)
            if room["coloured"] < 0 or "magics_language" in cell.metadata or not _looks_written(cell.source):
                cell.metadata["magics_language"] = "text"  # what nbconvert's filter asks for
            for output in cell.outputs:
                _bound(output, room)
        return nb, resources


def _bound(output: NotebookNode, room: dict[str, int]) -> None:
    for name in ("text", "ename", "evalue"):
        if name in output:
            output[name] = _cut(output[name], room)
    if "traceback" in output:
        output.traceback = _cut("\n".join(output.traceback), room).split("\n")
    for mime, content in output.get("data", {}).items():
        if mime == "text/plain":
            output.data[mime] = _cut(content, room)
        elif room["pictures"] < len(content):
            output.data = NotebookNode({"text/plain": _(LEFT_OUT)})
            return
        else:
            room["pictures"] -= len(content)


def _cut(text: str, room: dict[str, int]) -> str:
    """As much of a text as may be shown; takes that from `room`."""
    limit = max(min(_CELL, room["text"]), 0)
    lines = [line if len(line) <= _LINE else line[:_LINE] + "…" for line in as_it_is(text[:limit]).split("\n")]
    room["text"] -= min(len(text), limit)
    return "\n".join(lines) + (f"\n{_(LEFT_OUT)}" if len(text) > limit else "")


def _looks_written(code: str) -> bool:
    return (len(code) <= _COLOURED_CELL and max(map(len, code.split("\n"))) <= _COLOURED_LINE
            and not _EMPTY_LINES.search(code) and not _DOTTED.search(code))


def _drawn(found: re.Match[str]) -> str:
    if found["code"]:
        return found[0]
    formula, display = (found["block"], "block") if found["block"] else (found["inline"], "inline")
    return convert(" ".join(formula.split()), display=display)
