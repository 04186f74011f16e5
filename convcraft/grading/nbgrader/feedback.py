"""Graded notebooks as HTML, by nbgrader's own template, rendered only where something has changed."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
from jinja2.ext import Extension
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import GetGrades
from traitlets.config import Config

from convcraft.grading.mark import MarkedNotebook
from convcraft.grading.nbgrader.notes import copy_notes
from convcraft.grading.notebook.rebuilt import LANGUAGE
from convcraft.language import N_, _, current, known, using
from convcraft.layout import replace_file

_KEY = "<!-- made from {} -->\n"


_WORDS = (  # of nbgrader's template
    N_("Score"), N_("Test cell"), N_("Coding free-response"), N_("Written response"), N_("Task"), N_("Comment"),
    N_("Late submission penalty"), N_("Student's answer"), N_("Student's task"), N_("Grade cell"), N_("Comments"),
    N_("Top"))
_WORD = re.compile(rf"(?<=[>(\s])({'|'.join(map(re.escape, _WORDS))})(?=[<:) ])")


class _Words(Extension):
    """Lets what stands in nbgrader's template be said in the language in force."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        if "nbgrader" not in source:  # one of nbconvert's
            return source
        source = _WORD.sub(lambda found: f"{{{{ said({found[1]!r}) }}}}", source)
        return source.replace("<html>", '<html lang="{{ spoken() }}">')


class Feedback:
    """Renders feedback; its template is compiled once."""

    def __init__(self, coursedir: CourseDirectory, config: Config):
        converter = GenerateFeedback(coursedir=coursedir, config=config)
        self._coursedir = coursedir
        self._grades = GetGrades(config=converter.config)
        self._exporter = HTMLExporter(parent=converter, config=converter.config)
        for preprocessor in converter.preprocessors:
            if preprocessor is not GetGrades:
                self._exporter.register_preprocessor(preprocessor, enabled=True)
        self._exporter.environment.add_extension(_Words)
        self._exporter.environment.globals.update(said=_, spoken=current)

    def refresh(self, student: str, assignment: str) -> int:
        """Write a submission's feedback where it is missing or old; how many files were written."""
        coursedir = self._coursedir
        source = Path(coursedir.format_path(coursedir.autograded_directory, student, assignment))
        target = Path(coursedir.format_path(coursedir.feedback_directory, student, assignment))
        written = 0
        for path in sorted(source.glob("*.ipynb")):
            notebook = nbformat.read(path, 4)
            facts = {"notebook": path.stem, "assignment": assignment, "student": student,
                     "db_url": coursedir.db_url}
            notebook, resources = self._grades.preprocess(notebook, {"nbgrader": facts, "unique_key": path.stem})
            written += self._write(notebook, resources, target / f"{path.stem}.html")
        if written:
            copy_notes(source, target)
        return written

    def render(self, marked: MarkedNotebook, target: Path) -> None:
        """The same for a graded notebook that is in no gradebook."""
        notebook = nbformat.reads(marked.text, 4)
        by_cell = {mark.grade_id: mark for mark in marked.marks}
        comments = {mark.solution_id: mark.comment for mark in marked.marks}
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in by_cell:
                cell.metadata.nbgrader.update(score=by_cell[name].points, points=by_cell[name].max_points)
            elif name in comments:
                cell.metadata.nbgrader["comment"] = comments[name]
        facts = {"notebook": marked.name, "score": sum(mark.points for mark in marked.marks),
                 "max_score": sum(mark.max_points for mark in marked.marks), "late_penalty": 0}
        self._write(notebook, {"nbgrader": facts, "unique_key": marked.name}, target)

    def _write(self, notebook: NotebookNode, resources: dict[str, Any], target: Path) -> bool:
        """Write the page unless it is there already, made from the very same."""
        language = known(notebook.metadata.get(LANGUAGE, "en"))
        facts = json.dumps([notebook, resources["nbgrader"]], sort_keys=True)
        key = _KEY.format(hashlib.sha256(facts.encode("utf-8", "replace")).hexdigest()[:32])
        if target.is_file() and not target.is_symlink() and target.read_bytes().endswith(key.encode()):
            return False
        with using(language):
            html = self._exporter.from_notebook_node(notebook, resources)[0]
        target.parent.mkdir(parents=True, exist_ok=True)
        page = (html + "\n" + key).encode("utf-8", "replace")
        replace_file(target, page, 0o644)  # nbgrader's release copies the mode; the folders around it are closed
        return True
