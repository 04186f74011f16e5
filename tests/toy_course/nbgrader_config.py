"""The toy course's view of nbgrader: as the real one's, in English."""

import os

from convcraft.grading.nbgrader.exchange import Collect, ListSubmissions, ReleaseFeedback
from convcraft.grading.nbgrader.guard import guard
from convcraft.grading.nbgrader.pages import TEMPLATES
from convcraft.grading.nbgrader.preprocessors import (
    autograde_preprocessors,
    generate_preprocessors,
    sanitize_preprocessors,
)

guard()
c = get_config()  # noqa: F821
c.CourseDirectory.source_directory = "source"
c.CourseDirectory.release_directory = "notebooks/en"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py", "*.po"]
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}
c.GenerateAssignment.preprocessors = generate_preprocessors
c.Autograde.sanitize_preprocessors = sanitize_preprocessors
c.Autograde.autograde_preprocessors = autograde_preprocessors
c.ExchangeFactory.collect = Collect
c.ExchangeFactory.list = ListSubmissions
c.ExchangeFactory.release_feedback = ReleaseFeedback
os.environ["JUPYTER_PATH"] = os.pathsep.join(
    dict.fromkeys([TEMPLATES, *filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))]))
