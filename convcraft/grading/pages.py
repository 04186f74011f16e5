"""What feedback and the formgrader show: pages that need nothing besides themselves.

`nbgrader_config.py` names these for all HTML: `nbgrader generate_feedback`, the formgrader, `convcraft grade`.
"""

import re
from pathlib import Path

from latex2mathml.converter import convert
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from convcraft.grading.chapter import is_demo

TEMPLATES = str(Path(__file__).parent / "jupyter")  # stand in for nbconvert's, which load a script from the network
_CODE_OR_FORMULA = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>[^$\n]+)\$",
                              re.DOTALL)


class MathML(Preprocessor):
    """Turns the TeX of markdown cells into MathML, which a browser draws by itself."""

    enabled = True

    def preprocess_cell(self, cell: NotebookNode, resources: dict, index: int) -> tuple[NotebookNode, dict]:
        """The cell with its formulas as MathML; code is left alone."""
        if cell.cell_type == "markdown":
            cell.source = _CODE_OR_FORMULA.sub(_drawn, cell.source)
        return cell, resources


class Answers(Preprocessor):
    """Leaves of a graded notebook what its student wrote and was told: the chapter itself he has."""

    enabled = True

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The notebook without what only shows something, its prose cut down to the headings."""
        for cell in nb.cells:
            if cell.cell_type == "markdown" and "nbgrader" not in cell.metadata:
                cell.source = "\n\n".join(line for line in cell.source.splitlines() if line.startswith("#"))
        nb.cells = [cell for cell in nb.cells if cell.source.strip() and not is_demo(cell)]
        return nb, resources


def _drawn(found: re.Match) -> str:
    if found["code"]:
        return found[0]
    formula, display = (found["block"], "block") if found["block"] else (found["inline"], "inline")
    return convert(" ".join(formula.split()), display=display)

