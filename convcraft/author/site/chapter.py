"""A chapter's page: its executed reference notebook, the answers folded, what may be looked at beside them."""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from convcraft.author.alone import PROGRESS, raster
from convcraft.author.site.edition import Edition, SiteError
from convcraft.author.site.pictures import Pictures
from convcraft.author.site.shown import explorer, fenced, gallery, kept
from convcraft.author.source import PICTURE

_HEADING = re.compile(r'^(#{2,6}) <a id="(\w+)"></a>(.+?)(?: ([●○]+) (.+))?$', re.MULTILINE)
_FACTS = re.compile(r"^(?=\*\*[^\n]*(?:\n(?!\n)[^\n]*)*\n<br>\*\*)", re.MULTILINE)
_OPENING = re.compile(r"# [^\n]*\s+!\[")  # the title, and at once a picture: it is in sight when the page opens
_FIRST_FRAME = "<details><summary>"  # of the picture that the notebook shows beside an explorer
_WIDGET = "application/vnd.jupyter.widget-view+json"


def page(edition: Edition, chapter: str, pictures: Pictures) -> NotebookNode:
    """The notebook that myst-nb makes a page of.

    Raises:
        SiteError: the released notebook lacks a cell that the solutions have.
    """
    notebook = nbformat.read(edition.solution(chapter), as_version=4)
    return Page(edition, chapter, pictures, notebook).made()


class Page:
    """The making of one page: the notebook's cells, one after another, become the page's."""

    def __init__(self, edition: Edition, chapter: str, pictures: Pictures, notebook: NotebookNode):
        self._edition, self._chapter, self._pictures, self._notebook = edition, chapter, pictures, notebook
        self._words, self._data = edition.words, edition.data(chapter)
        self._gallery, self._frames = kept(self._data, "gallery"), kept(self._data, "frames")
        self._points = {cell.id: cell.metadata.nbgrader.points for cell in notebook.cells
                        if cell.metadata.get("nbgrader", {}).get("grade")}
        released = nbformat.read(edition.root / edition.released(chapter), as_version=4)
        self._stubs = {cell.id: cell.source for cell in released.cells}
        self._opening = bool(_OPENING.match(notebook.cells[0].source))

    def made(self) -> NotebookNode:
        cells = [made for cell in self._notebook.cells if cell.id != PROGRESS for made in self._cell(cell)]
        cells[0].source = _with_launches(cells[0].source, self._edition, self._chapter)
        return NotebookNode(new_notebook(cells=cells, metadata=self._notebook.metadata))

    def _cell(self, cell: NotebookNode) -> Iterator[NotebookNode]:
        grading = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown":
            yield new_markdown_cell(self._prose(cell.source), id=cell.id)
        elif grading.get("solution"):
            yield from self._answer(cell)
        else:
            outputs = [made for output in cell.outputs if (made := self._output(cell.id, output))]
            yield new_code_cell(cell.source, id=cell.id, outputs=outputs, execution_count=cell.execution_count)
            if mistakes := self._gallery.get(cell.id.removesuffix("_exam") if grading.get("grade") else ""):
                yield new_markdown_cell(gallery(mistakes, self._data, self._pictures, self._words),
                                        id=f"{cell.id}-gallery")

    def _prose(self, text: str) -> str:
        text = PICTURE.sub(lambda found: self._picture(found[1], found[2]), text)
        text = _FACTS.sub("{.facts}\n", text)
        return _HEADING.sub(self._heading, text)

    def _picture(self, alt: str, path: str) -> str:
        """A figure, found from where the notebook lies."""
        first, self._opening = self._opening, False
        return self._pictures.img(Path(os.path.normpath(self._edition.solution(self._chapter).parent / path)), alt,
                                  first=first)

    def _heading(self, found: re.Match[str]) -> str:
        level, name, title, dots, time = found.groups()
        lines = f"({name})=\n{level} {title}"
        if not dots:
            return lines
        points = self._points.get(f"{name}_exam")
        difficulty = self._words["difficulty"].format(reached=dots.count("●"), most=len(dots))
        score = f" · {self._words['points'].format(points=f'{points:g}')}" if points else ""
        return (f'{lines}\n\n<p class="effort"><span class="dots" role="img" aria-label="{difficulty}">{dots}</span> '
                f"{time}{score}</p>")

    def _answer(self, cell: NotebookNode) -> Iterator[NotebookNode]:
        """The stub, and the reference solution behind a question."""
        if cell.id not in self._stubs:
            raise SiteError(f"{self._edition.released(self._chapter)} has no cell {cell.id!r}; "
                            f"`make notebooks CHAPTER={self._chapter}`")
        yield new_code_cell(self._stubs[cell.id], id=cell.id, metadata={"tags": ["stub"]})
        yield new_markdown_cell(f'<details class="solution"><summary>{self._words["solution"]}</summary>\n\n'
                                f"{fenced(cell.source)}\n\n</details>", id=f"{cell.id}-solution")

    def _output(self, cell_id: str, output: NotebookNode) -> NotebookNode | None:
        """What a cell shows; of an explorer, its frames, or where it has none, its first."""
        data = output.get("data", {})
        text = data.get("text/html", "")
        if _WIDGET in data:
            drawn = self._frames.get(cell_id)
            return _html(explorer(drawn, self._data, self._pictures, self._words)) if drawn else None
        if text.startswith(_FIRST_FRAME):
            if cell_id in self._frames:
                return None
            note = f'<p class="note">{self._words["explorer_note"]}</p>'
            text = re.sub(r"^<details><summary>.*?</summary>|</details>$", "", text) + note
        if output.output_type in ("display_data", "execute_result"):
            return _html(self._pictures.extracted(text, self._chapter)) if text else (
                None if "text/html" in data else output)
        return output


def _html(text: str) -> NotebookNode:
    return NotebookNode(new_output("display_data", {"text/html": text}))


def _with_launches(source: str, edition: Edition, chapter: str) -> str:
    """The first cell with links under its title that open the notebook, or bring it."""
    links = [(edition.words["launch"].format(service=name), address)
             for name, address in edition.published.launches(edition.released(chapter).as_posix())]
    links.append((edition.words["download"], f"../notebooks/{chapter}.ipynb"))
    bar = " ".join(f'<a href="{html.escape(address)}">{html.escape(name)}</a>' for name, address in links)
    title, _, rest = source.partition("\n")
    return f'{title}\n\n<p class="launch">{bar}</p>\n{rest}'


def opening(edition: Edition, chapter: str) -> tuple[str, Path | None]:
    """A chapter's title, as its first heading says it, and the pixels of the picture that it begins with."""
    path = edition.solution(chapter)
    cells: list[Any] = nbformat.read(path, as_version=4).cells
    title = cells[0].source.partition("\n")[0].removeprefix("# ")
    links = (found[2] for cell in cells if cell.cell_type == "markdown" for found in PICTURE.finditer(cell.source))
    link = next(links, None)
    return title, raster(Path(os.path.normpath(path.parent / link))) if link else None
