"""nbgrader's view of the course for whoever works through it: `make lab`, and each student's server on a hub."""

import os

c = get_config()  # noqa: F821  (nbgrader provides it)
c.CourseDirectory.course_id = "convcraft"
c.Exchange.root = os.environ["CONVCRAFT_EXCHANGE"]  # where assignments come from and go to
c.Execute.timeout = 600  # Validate: one exam may stop its answer 10 s into each aspect; 30 s would cut it off
