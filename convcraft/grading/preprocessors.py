"""The same grading for `nbgrader autograde` and the formgrader's button.

`nbgrader_config.py` names these lists; nbgrader then runs nothing of a student's itself:

    c.Autograde.sanitize_preprocessors = sanitize_preprocessors
    c.Autograde.autograde_preprocessors = autograde_preprocessors

nbgrader opens the notebook first. One that it cannot open (no JSON, renamed) fails for that student there, while
`convcraft grade` gives the marks and a remark.
"""

import contextlib
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Bool, Float, Integer


class Blank(NbGraderPreprocessor):
    """Stands where nbgrader would clean up what was handed in: that is read again from the file, by `Mark`."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """An empty notebook, in which nothing can be amiss."""
        return nbformat.v4.new_notebook(), resources


class Mark(NbGraderPreprocessor):
    """Grades one notebook as `convcraft grade` does, and writes its marks."""

    seconds = Float(10.0, help="Seconds for a cell, or for one aspect of an exam.").tag(config=True)
    memory = Integer(1024, help="MiB that an answer may use.").tag(config=True)
    sandbox = Bool(True, help="Seal answers off; without, they could read and change your files.").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The graded notebook, in place of whatever is passed."""
        from convcraft.grading.grade import Recorder, only_grader, released
        from convcraft.grading.mark import Course, Result, Task, mark, seed_for
        from convcraft.grading.record import GradingError, secret_seed
        from convcraft.grading.run import Limits
        from convcraft.grading.sandbox import check

        facts, coursedir = resources["nbgrader"], self._coursedir(resources)
        root = Path(coursedir.root).resolve()
        course = Course(root, root / "source", self.sandbox, Limits(self.seconds, self.memory * 2**20))
        if self.sandbox:
            check(root)
        student, assignment = facts["student"], facts["assignment"]
        paths = [path for path in released(coursedir).get(assignment, ()) if path.stem == facts["notebook"]]
        if not paths:
            raise GradingError(f"{coursedir.release_directory}/{assignment}: {facts['notebook']} was never released.")
        with only_grader(root, patience=10), contextlib.closing(Recorder(coursedir, self.config)) as recorder:
            folder = Path(coursedir.format_path(coursedir.submitted_directory, student, assignment))
            seed = seed_for(secret_seed(root), assignment)
            result: Result = mark(course, Task(student, assignment, folder, tuple(paths), seed))
            recorder.record_rows(result)
        return nbformat.reads(result.notebooks[0].text, 4), resources

    def _coursedir(self, resources: dict):
        from nbgrader.coursedir import CourseDirectory

        converter = getattr(self.parent, "parent", None)
        return getattr(converter, "coursedir", None) or CourseDirectory(config=self.config)


sanitize_preprocessors = [Blank]
autograde_preprocessors = [Mark]
