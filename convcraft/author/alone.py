"""What the build adds to a notebook: its pictures, a first cell that says what to install, a last one with progress."""

import base64
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from convcraft.author.published import Published
from convcraft.author.source import PICTURE, Chapter, SourceError
from convcraft.language import N_, _, using

NEEDS, PROGRESS = "needs", "progress"  # the ids of the first code cell and of the last one
MOST = 3_000_000  # bytes of a released notebook
_KINDS = {".gif": "image/gif", ".webp": "image/webp"}

_MISSING = """\
try:
    import convcraft
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{sentence}",
        name=missing.name) from None
"""
# The package's name alone would be looked up where anybody may have taken it; so the sentence names a file.
_BY_FILE = N_("The package {missing.name} is not installed here: install the course's wheel (`%pip install`, then the "
              "path of the file convcraft-….whl), then run this cell again.")
_BY_ADDRESS = N_("The package {missing.name} is not installed here: install the course with `%pip install WHEEL`, then "
                 "run this cell again.")
_SPOKEN = """\
from convcraft.language import language

language("{language}")
"""
_HOSTED = """\
import importlib.util
import os
import sys

if not importlib.util.find_spec("convcraft") and ("google.colab" in sys.modules or "KAGGLE_URL_BASE" in os.environ):
    %pip install --quiet --no-deps {wheel}
"""


def raster(picture: Path) -> Path:
    """The file that a notebook holds for a figure: of an SVG its twin in pixels, for VS Code shows no SVG as data."""
    return picture.with_suffix(".webp") if picture.suffix == ".svg" else picture


def embed(notebook: NotebookNode, chapter: Chapter) -> None:
    """Put every picture into the cell that shows it, as data that its last lines define.

    Colab shows no attachments; JupyterLab, VS Code, nbconvert and Colab all show such data, of raster pictures.

    Raises:
        SourceError: a picture is missing.
    """
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            continue
        shown = {name: chapter.picture(name) for _alt, name in PICTURE.findall(cell.source)}
        cell.source = PICTURE.sub(lambda found: f"![{found[1]}][{Path(found[2]).stem}]", cell.source)
        lines = [f"[{path.stem}]: {_data(path, chapter)}" for path in shown.values()]
        cell.source = "\n\n".join([cell.source, *lines])


def begin(notebook: NotebookNode, chapter: Chapter, place: Published, path: str) -> None:
    """Say in front how the notebook is opened elsewhere and, in a first cell, what it needs and what it speaks.

    Args:
        path: the notebook's, in the repository.
    """
    with using(chapter.language):
        if links := place.launches(path):
            shown = " · ".join(f"[{name}]({address})" for name, address in links)
            notebook.cells[0].source += "\n\n" + _("Open it in {places}").format(places=shown)
        sentence = _(_BY_ADDRESS).replace("WHEEL", place.wheel) if place.wheel else _(_BY_FILE)
    missing = _MISSING.replace("{sentence}", sentence) + "\n"
    speak(notebook, chapter, (_HOSTED.format(wheel=place.wheel) if place.wheel else "") + missing)


def speak(notebook: NotebookNode, chapter: Chapter, before: str = "") -> None:
    """Let the notebook say in its first code cell in which language it is, after the code `before`."""
    first = next(number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, new_code_cell(
        before + _SPOKEN.format(language=chapter.language).rstrip(), id=NEEDS, metadata={
            "jupyter": {"source_hidden": True}}))


def end(notebook: NotebookNode, chapter: Chapter) -> None:
    """Show in a last cell how far the reader is."""
    asked = "".join(f"    \"{name}\": {exercise.points},\n" for name, exercise in chapter.exercises.items())
    source = ("from convcraft import show_progress\n\n"
              f"show_progress(\"{chapter.name}\", {{\n{asked}}})")
    notebook.cells.append(new_code_cell(
        source, id=PROGRESS, metadata={"tags": ["demo"], "jupyter": {"source_hidden": True}}))


def _data(path: Path, chapter: Chapter) -> str:
    file = raster(path)
    if not file.is_file():
        raise SourceError(f"{chapter.script}: the picture {file.name} is missing; `make assets`, or mend the link")
    return f"data:{_KINDS[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"
