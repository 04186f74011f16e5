"""nbgrader's view of the course. Every line with its reason."""

import os
from pathlib import Path

from convcraft.grading.nbgrader.exchange import Collect, ListSubmissions, ReleaseFeedback
from convcraft.grading.nbgrader.guard import guard
from convcraft.grading.nbgrader.pages import TEMPLATES, Answers, Bounded, MathML
from convcraft.grading.nbgrader.preprocessors import (
    autograde_preprocessors,
    generate_preprocessors,
    sanitize_preprocessors,
)
from convcraft.grading.nbgrader.students import NAMES, name_students
from convcraft.language import _, using
from convcraft.layout import language_of_releases, reach_programs, released
from convcraft.place import COURSE, state

reach_programs()  # nbgrader calls alembic and jupyter by name, the environment activated or not
guard()  # what students hand in, nbgrader itself reads and shows, too
name_students(NAMES)  # what a student may be called, a regular expression: nobody else is collected, graded or entered
c = get_config()  # noqa: F821  (nbgrader provides it)
folder = Path(__file__).resolve().parent
root = state() if folder == COURSE else folder  # an installed course is only read: marks are kept where one stands

c.CourseDirectory.root = str(root)  # commands work from any folder
c.CourseDirectory.course_id = "convcraft"  # the course's name in the exchange
spoken = language_of_releases()  # `convcraft teach --language zh` sets it
c.CourseDirectory.release_directory = str(released(spoken))  # what is released is committed, a folder a language
c.CourseDirectory.ignore = [  # never to be released, fetched or submitted: *.py has the solutions, *.po the mistakes
    ".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py", "*.po"]
c.GenerateAssignment.force = True  # a released chapter is there already, committed, and not in the gradebook yet
c.Exchange.root = os.environ.get("CONVCRAFT_EXCHANGE", str(root / "exchange"))  # shared by teacher and students
c.ExchangeFactory.collect = Collect  # regular files of their owner: in the exchange everybody can put anything
c.ExchangeFactory.list = ListSubmissions
c.ExchangeFactory.release_feedback = ReleaseFeedback
with using(spoken):
    c.ClearSolutions.code_stub = {  # an unanswered exercise raises, so that no empty cell earns a point
        "python": _("# YOUR CODE HERE") + "\nraise NotImplementedError"}
c.Execute.timeout = 600  # one exam may stop its answer 10 s into each aspect; nbgrader's 30 s would cut it off
c.GenerateAssignment.preprocessors = generate_preprocessors  # the gradebook follows a chapter that changes
c.Autograde.sanitize_preprocessors = sanitize_preprocessors  # the notebook that runs is rebuilt from the teacher's
c.Autograde.autograde_preprocessors = autograde_preprocessors  # and runs in the sandbox, judged outside of it
# feedback and formgrader show the student's work, no more than a page holds, the network unasked
c.HTMLExporter.preprocessors = [Answers, Bounded, MathML]
os.environ["JUPYTER_PATH"] = os.pathsep.join(  # nbconvert's templates would load a script from it
    dict.fromkeys([TEMPLATES, *filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))]))
