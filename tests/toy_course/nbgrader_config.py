"""The toy course's view of nbgrader: as the real one's, in English."""

from convcraft.grading.preprocessors import autograde_preprocessors, sanitize_preprocessors

c = get_config()  # noqa: F821
c.CourseDirectory.source_directory = "source"
c.CourseDirectory.release_directory = "notebooks/en"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py"]
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError"}
c.Autograde.sanitize_preprocessors = sanitize_preprocessors
c.Autograde.autograde_preprocessors = autograde_preprocessors
