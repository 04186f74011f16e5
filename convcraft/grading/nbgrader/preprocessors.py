"""The same grading for `nbgrader autograde` and the formgrader's button.

`nbgrader_config.py` names these lists; nbgrader then runs nothing of a student's itself:

    c.GenerateAssignment.preprocessors = generate_preprocessors
    c.Autograde.sanitize_preprocessors = sanitize_preprocessors
    c.Autograde.autograde_preprocessors = autograde_preprocessors

nbgrader opens the notebook first. One that it cannot open (no JSON, renamed) fails for that student there, while
`convcraft grade` gives the marks and a remark.
"""

import contextlib
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.preprocessors import NbGraderPreprocessor, SaveCells
from traitlets import Bool, Float, Integer

from convcraft.grading.nbgrader.changes import FollowCells
from convcraft.language import _


class Blank(NbGraderPreprocessor):
    """Stands where nbgrader would clean up what was handed in: that is read again from the file, by `Mark`."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """An empty notebook, in which nothing can be amiss."""
        return nbformat.v4.new_notebook(), resources


class Mark(NbGraderPreprocessor):
    """Grades one notebook as `convcraft grade` does, and writes its marks."""

    seconds = Float(10.0, help="Seconds for a cell, or for one aspect of an exam.").tag(config=True)
    own_seconds = Float(None, allow_none=True, help="Seconds for all cells of a student's own in one notebook; twelve "
                        "times `seconds` unless told otherwise.").tag(config=True)
    memory = Integer(1024, help="MiB that an answer may use.").tag(config=True)
    sandbox = Bool(True, help="Seal answers off; without, they could read and change your files.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        """The graded notebook, in place of whatever is passed."""
        from convcraft.grading.course import Course, Task
        from convcraft.grading.errors import GradingError
        from convcraft.grading.lock import only_grader
        from convcraft.grading.mark import mark_submission
        from convcraft.grading.nbgrader.gradebook import GradebookWriter
        from convcraft.grading.nbgrader.release import released_notebooks, translations
        from convcraft.grading.sandbox.run import Limits
        from convcraft.grading.sandbox.walls import check
        from convcraft.grading.seeds import secret_seed, seed_for
        from convcraft.place import source_of

        facts, coursedir = resources["nbgrader"], self._coursedir(resources)
        root = Path(coursedir.root).resolve()
        limits = Limits(self.seconds, self.memory * 2**20, self.own_seconds)
        course = Course(root, source_of(root), self.sandbox, limits)
        if self.sandbox:
            check(root)
        student, assignment = facts["student"], facts["assignment"]
        released = released_notebooks(coursedir)
        paths = [path for path in released.get(assignment, ()) if path.stem == facts["notebook"]]
        if not paths:
            raise GradingError(_("{folder}/{assignment}: {notebook} was never released.").format(
                folder=coursedir.release_directory, assignment=assignment, notebook=facts["notebook"]))
        with only_grader(root, patience=10), contextlib.closing(GradebookWriter(coursedir, self.config)) as writer:
            folder = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
            others = tuple(path for several in released.values() for path in several if path not in paths)
            seed = seed_for(secret_seed(root), assignment)
            result = mark_submission(course, Task(
                student, assignment, folder, tuple(paths), seed, others,
                translations=tuple(translations(coursedir, path) for path in paths)))
            writer.write_marks([result])
        return nbformat.reads(result.notebooks[0].text, 4), resources

    def _coursedir(self, resources: dict[str, Any]) -> Any:
        from nbgrader.coursedir import CourseDirectory

        converter = getattr(self.parent, "parent", None)
        return getattr(converter, "coursedir", None) or CourseDirectory(config=self.config)


# Those of `nbgrader generate_assignment` and the formgrader's button: a chapter may change after somebody has marks.
generate_preprocessors = [FollowCells if each is SaveCells else each
                          for each in GenerateAssignment.preprocessors.default_args[0]]
sanitize_preprocessors = [Blank]
autograde_preprocessors = [Mark]
