"""The reference solutions, executed: what nbval re-runs."""

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from nbformat import NotebookNode
from nbformat.v4 import new_output

from convcraft import progress
from convcraft.author import frames, gallery
from convcraft.author.alone import NEEDS, PROGRESS, end, raster, speak
from convcraft.author.source import METADATA, Chapter, SourceError, relink, unmarked
from convcraft.language import using
from convcraft.place import INSTALLED

_ENVIRONMENT = re.compile(r"/[^\s\x1b'\"]*/site-packages/")  # where this machine keeps its packages


def solved(chapter: Chapter) -> NotebookNode:
    """The reference notebook, not yet executed; the markers around solutions are gone."""
    notebook = chapter.notebook()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = unmarked(cell.source)
    relink(notebook, Path(os.path.relpath(chapter.assets, chapter.solution.parent)).as_posix(),
           raster if chapter.root == INSTALLED else Path)  # the wheel has no SVGs
    speak(notebook, chapter)
    end(notebook, chapter)
    return notebook


def execute(chapter: Chapter) -> Path:
    """Run the reference notebook from beginning to end and write it to `solutions/`; with it what the site shows.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed that may not.
        SourceError: an explorer has no frames, or a misconception is not told its own sentence.
    """
    notebook = solved(chapter)
    chapter.solution.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(chapter.solution.parent)}},
                            allow_error_names=[], record_timing=False, extra_arguments=frames.arguments(chapter))
    client.execute()
    frames.sign(chapter, notebook)
    gallery.write(chapter)
    nbformat.write(_tidy(notebook), chapter.solution)
    return chapter.solution


def reword(chapter: Chapter) -> Path:
    """Take over prose that has changed into `solutions/`; the outputs stay, and nothing is run.

    The last cell, which the build adds, shows what it shows where all is answered.

    Raises:
        SourceError: something else has changed, too, or nothing was run yet.
    """
    notebook = solved(chapter)
    kept = nbformat.read(chapter.solution, as_version=4) if chapter.solution.is_file() else NotebookNode(cells=[])
    first, *code, last = [cell for cell in notebook.cells if cell.cell_type == "code"]
    kept_code = [cell for cell in kept.cells if cell.cell_type == "code" and cell.id not in (NEEDS, PROGRESS)]
    if [(cell.id, cell.source, cell.metadata) for cell in code] != [
            (cell.id, cell.source, cell.metadata) for cell in kept_code]:
        raise SourceError(f"{chapter.script}: not prose alone has changed since {chapter.solution} was run; "
                          f"`make solutions CHAPTER={chapter.name}`")
    for number, (cell, old) in enumerate(zip(code, kept_code, strict=True), 2):
        cell.outputs, cell.execution_count = _counted(old.outputs, number), number
    asked = {name: float(exercise.points) for name, exercise in chapter.exercises.items()}
    done = progress.Progress({chapter.name: asked}, {name: progress.Seen(most) for name, most in asked.items()},
                             whole=False)
    with using(chapter.language):
        last.outputs = [new_output("display_data", {"text/plain": progress.text(done, chapter.name),
                                                    "text/html": progress.page(done, chapter.name)})]
    first.execution_count, last.execution_count = 1, len(code) + 2
    if (chapter.site / frames.FILE).is_file():
        frames.sign(chapter, notebook)
    nbformat.write(_tidy(notebook), chapter.solution)
    return chapter.solution


def _counted(outputs: list[NotebookNode], number: int) -> list[NotebookNode]:
    """Outputs of the cell that is run as the one of that number."""
    for output in outputs:
        if output.output_type == "execute_result":
            output.execution_count = number
    return outputs


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """The same notebook as the source gives it."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    return notebook


def _tidy(notebook: NotebookNode) -> NotebookNode:
    """Leave out what a run adds besides outputs, so that the same source gives the same file."""
    notebook.metadata = NotebookNode(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = [_ENVIRONMENT.sub("…/site-packages/", line) for line in output.traceback]
    whole: NotebookNode = CoalesceStreamsPreprocessor().preprocess(notebook, {})[0]  # however often a cell flushed
    return whole
