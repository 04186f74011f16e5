"""A gradebook on PostgreSQL: Debian's server, started by hand on the loopback."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import grading_course as toy
import pytest
from conftest import CLASS, LIMITS, until
from nbgrader.api import Gradebook
from needs import need

from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.nbgrader.changes import NOT_COPIED

pytestmark = pytest.mark.sandbox


def _programs() -> Path | None:
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=None)


@pytest.fixture(scope="module")
def db_url():
    """An empty database's address."""
    programs = _programs()
    need(programs, "PostgreSQL", "`make system` installs it")
    need(os.getuid() == 0, "root", "PostgreSQL refuses root, so that root starts it as somebody else")
    folder = Path(tempfile.mkdtemp(prefix="convcraft-postgres-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)

    def command(name: str, *arguments: str) -> list[str]:
        return ["runuser", "-u", "postgres", "--", str(programs / name), *arguments]

    subprocess.run(command("initdb", "--no-sync", "--encoding", "UTF8", "-D", str(folder / "data")), check=True,
                   capture_output=True)
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command("postgres", "-D", str(folder / "data"), "-p", str(port), "-k", str(folder),
                                          "-c", "listen_addresses=127.0.0.1"), stdout=log, stderr=log)
    try:
        until(lambda: "ready to accept" in (folder / "log").read_text(), (folder / "log").read_text())
        subprocess.run(command("createdb", "-h", "127.0.0.1", "-p", str(port), "gradebook"), check=True)
        yield f"postgresql://postgres@127.0.0.1:{port}/gradebook"
    finally:
        subprocess.run(command("pg_ctl", "stop", "-m", "immediate", "-D", str(folder / "data")), capture_output=True)
        server.wait(60)
        shutil.rmtree(folder)


def _rows(db_url: str, student: str) -> list[tuple]:
    with contextlib.closing(Gradebook(db_url)) as gradebook:
        return toy.rows_of(gradebook, student)


def test_a_gradebook_on_postgresql_says_what_one_on_sqlite_says(db_url, unmarked, marked, tmp_path):
    root = toy.copied(unmarked, tmp_path / "course")
    (root / "gradebook.db").unlink()
    with open(root / "nbgrader_config.py", "a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {db_url!r}\n")
    course = Course(root, root / "source", limits=LIMITS)
    summary = grade_class(root, course=course, feedback=True)
    assert len(summary.graded) == CLASS and summary.feedback == CLASS and not summary.problems
    assert not (root / "gradebook.db").exists()
    students = [f"s{number:03}" for number in range(CLASS)]
    assert [_rows(db_url, student) for student in students] == [toy.rows(marked, student) for student in students]

    path = root / "notebooks/en/01_toy/toy.ipynb"
    path.write_text(path.read_text().replace('"points": 40', '"points": 80'))
    summary = grade_class(root, course=course)
    assert summary.changes[0] == NOT_COPIED and "80 points in place of 40" in summary.changes[1]
    assert ("toy_relu_exam", 80.0, None, False) in _rows(db_url, "s001")
