"""A chapter's script, cell by cell, with its words said anew."""

import re
from collections.abc import Callable, Sequence

from nbformat import NotebookNode

from convcraft.author.messages import blocks, cells
from convcraft.author.messages.pieces import parsed
from convcraft.author.messages.shown import learn

Tell = Callable[[str, str, str], str]  # context, place and text: what to write in the text's place

PROSE, CODE = "prose", "code"
_HEADING = re.compile(r"^#{1,6} (?:\[\]\(#\w+\) )?(.*?)(?: [●○]+.*)?$", re.MULTILINE)


def reworded(written: Sequence[NotebookNode], tell: Tell) -> list[str]:
    """What each cell says instead.

    Literals are the whole chapter's: what one cell looks up in another's dictionary must be called alike in both.
    """
    known = learn(parsed(cell.source) for cell in written if cell.cell_type == "code")
    heading, sources = "", []

    def said(context: str) -> blocks.Say:
        return lambda kind, text: tell(CODE if kind == "literal" else context, f"“{heading}”, {kind}", text)

    for cell in written:
        if cell.cell_type == "markdown":
            heading = next(iter(_HEADING.findall(cell.source)), heading)
            sources.append(blocks.reworded(cell.source, said(PROSE)))
        else:
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            sources.append(cells.reworded(cell.source, known, said(f"{CODE} {name}".strip())))
    return sources
