"""The reference solutions, executed: what nbval re-runs."""

import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from convcraft.build.source import METADATA, Chapter, relink, unmarked

_ENVIRONMENT = re.compile(r"/[^\s\x1b'\"]*/site-packages/")  # where this machine keeps its packages


def solved(chapter: Chapter) -> NotebookNode:
    """The reference notebook, not yet executed; the markers around solutions are gone."""
    notebook = chapter.notebook()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = unmarked(cell.source)
    relink(notebook, f"../assets/{chapter.name}")
    return notebook


def execute(chapter: Chapter) -> Path:
    """Run the reference notebook from beginning to end and write it to `solutions/`.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed that may not.
    """
    notebook = solved(chapter)
    chapter.solution.parent.mkdir(exist_ok=True)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(chapter.solution.parent)}},
                            allow_error_names=[], record_timing=False)
    client.execute()
    nbformat.write(_tidy(notebook), chapter.solution)
    return chapter.solution


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
    return notebook
