"""nbgrader's view of the course. Every line with its reason."""

import os
from pathlib import Path

from convcraft.grading.pages import TEMPLATES, Answers, MathML
from convcraft.grading.preprocessors import autograde_preprocessors, sanitize_preprocessors

c = get_config()  # noqa: F821  (nbgrader provides it)
root = Path(__file__).resolve().parent

c.CourseDirectory.root = str(root)  # commands work from any folder
c.CourseDirectory.course_id = "convcraft"  # the course's name in the exchange
c.CourseDirectory.release_directory = "notebooks/en"  # what is released is committed, a folder a language
c.CourseDirectory.ignore = [  # never to be released, fetched or submitted: *.py would publish the solutions
    ".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py"]
c.GenerateAssignment.force = True  # a released chapter is there already, committed, and not in the gradebook yet
c.Exchange.root = os.environ.get("CONVCRAFT_EXCHANGE", str(root / "exchange"))  # shared by teacher and students
c.ClearSolutions.code_stub = {  # an unanswered exercise raises, so that no empty cell earns a point
    "python": "# YOUR CODE HERE\nraise NotImplementedError"}
c.Execute.timeout = 600  # one exam may stop its answer 10 s into each aspect; nbgrader's 30 s would cut it off
c.Autograde.sanitize_preprocessors = sanitize_preprocessors  # the notebook that runs is rebuilt from the teacher's
c.Autograde.autograde_preprocessors = autograde_preprocessors  # and runs in the sandbox, judged outside of it
c.HTMLExporter.preprocessors = [Answers, MathML]  # feedback and formgrader show the student's work, the network unasked
os.environ["JUPYTER_PATH"] = os.pathsep.join(  # nbconvert's templates would load a script from it
    dict.fromkeys([TEMPLATES, *filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))]))
