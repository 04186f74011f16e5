"""A student's name, time and text mean nothing to a browser, a terminal or a batch."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from pathlib import Path

import grading_course as toy
import pytest
import requests
from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI

from convcraft.commands import main
from convcraft.exam import load_course
from convcraft.exam.draw import key
from convcraft.grading.classroom import grade_class
from convcraft.grading.nbgrader.students import is_name, name_students
from convcraft.grading.seeds import secret_seed, seed_for
from convcraft.layout import course_config
from convcraft.place import COURSE

pytestmark = pytest.mark.xdist_group("odd")
IMAGE = "<img src=x onerror=alert(1)>"
ODD = ["", ".", "..", "-rf", "CON", "nul.txt", "a/b", "a\\b", "a b", "a\n", "\u0430da", "ada\u202e", "a'", IMAGE,
       'q";x;"', "a&b", "a+b", "a" * 65, "ada.", "a\udc80", "\x1b[2J"]


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_name(name):
    assert not is_name(name)


@pytest.mark.parametrize("name", ["ada", "Ada.Lovelace", "s1234567", "ada@example.org", "a", "console", "_x", "a" * 64])
def test_what_is_a_name(name):
    assert is_name(name)


def test_a_course_can_have_other_names():
    try:
        name_students(r"\w+( \w+)?")
        assert is_name("张三") and is_name("Ada Lovelace") and not is_name(IMAGE) and not is_name("ada@b")
    finally:
        name_students()


@pytest.fixture
def course(toy_root, tmp_path) -> Path:
    return toy.copied(toy_root, tmp_path / "course")


@pytest.mark.sandbox
def test_a_folder_of_no_name_is_not_graded_and_named(course):
    for name in ("ada", "-rf", IMAGE.replace("/", ""), "\x1b[2Jada"):
        toy.submit(course, name, toy.notebook(course, toy.RIGHT))
    result = CliRunner().invoke(main, ["grade", "--course", str(course)])
    assert result.exit_code == 3
    assert toy.points(course) == {"ada": 100}
    assert "-rf is no name for a student here" in result.output and "\x1b" not in result.output
    api = NbGraderAPI(config=course_config(course))
    assert not api.autograde("01_toy", "-rf")["success"]
    assert toy.points(course) == {"ada": 100}


@pytest.mark.parametrize("name", [IMAGE, "a b"])
def test_no_other_name_is_imported(name, course):
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook, pytest.raises(ValueError, match="is no name"):
        gradebook.update_or_create_student(name)
    (course / "class.csv").write_text(f"id\n{name}\n")
    done = subprocess.run([sys.executable, "-m", "nbgrader", "db", "student", "import", "class.csv"], cwd=course,
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(COURSE)})
    assert "is no name for a student here" in done.stderr
    with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
        assert not gradebook.students


# --- times ---------------------------------------------------------------------------------------------------------

TIMES = {"endless": "9" * 29 + "h", "path": "2025-01-01 00:00:00 ../../../x", "empty": "", "binary": "\0\1\2",
         "year": "10000-01-01 00:00:00 UTC", "month": "2030-13-01 00:00:00 UTC"}


@pytest.fixture
def odd_times(course) -> Path:
    for name, text in TIMES.items():
        (toy.submit(course, name, toy.notebook(course, {})) / "timestamp.txt").write_text(text)
    sparse = toy.submit(course, "sparse", toy.notebook(course, {})) / "timestamp.txt"
    sparse.touch()
    os.truncate(sparse, 3 * 2**30)
    (toy.submit(course, "link", toy.notebook(course, {})) / "timestamp.txt").symlink_to(course / "exam_seed")
    os.mkfifo(toy.submit(course, "pipe", toy.notebook(course, {})) / "timestamp.txt")
    (toy.submit(course, "folder", toy.notebook(course, {})) / "timestamp.txt").mkdir()
    return course


def test_the_formgraders_list_does_not_fail_for_an_odd_time(odd_times):
    listed = NbGraderAPI(config=course_config(odd_times)).get_submissions("01_toy")
    assert {item["timestamp"] for item in listed} == {None} and len(listed) == 10


@pytest.mark.sandbox
def test_an_odd_time_is_none_and_is_named(odd_times):
    summary = grade_class(odd_times)
    assert not summary.problems and len(summary.graded) == 10
    assert all("timestamp.txt holds no time" in item.remarks[0] for item in summary.graded)
    assert grade_class(odd_times).skipped == 10
    assert not [path for path in odd_times.glob("autograded/*/01_toy/timestamp.txt")]
    answer = NbGraderAPI(config=course_config(odd_times)).autograde("01_toy", "endless")
    assert answer["success"], answer


# --- pages ---------------------------------------------------------------------------------------------------------

class Formgrader:
    """A Jupyter server with the formgrader, asked as a browser asks."""

    def __init__(self, url: str, token: str):
        self.url, self._headers = url, {"Authorization": f"token {token}"}

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}/formgrader/{path}", headers=self._headers, timeout=60)


@pytest.fixture(scope="module")
def formgrader(toy_root, tmp_path_factory):
    """The formgrader of a course whose gradebook has such a name from before."""
    root = toy.copied(toy_root, tmp_path_factory.mktemp("pages") / "course")
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        gradebook.add_student("ada", first_name=IMAGE, last_name='q";alert(1);"')
        gradebook.add_submission("01_toy", "ada")
        gradebook.add_student("bad")
        gradebook.add_submission("01_toy", "bad")
    with sqlite3.connect(root / "gradebook.db") as database:
        for table, column in (("student", "id"), ("submitted_assignment", "student_id")):
            database.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = 'bad'", (IMAGE,))
    for student in ("ada", IMAGE):
        folder = root / "autograded" / student / "01_toy"
        folder.mkdir(parents=True)
        (folder / "toy.ipynb").write_text(toy.released(root))
    (root / "autograded/ada/01_toy/evil.html").write_text("<script>alert(1)</script>")
    token, log = uuid.uuid4().hex, root.parent / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", f"--ServerApp.root_dir={root}",
             f"--IdentityProvider.token={token}", "--ServerApp.port=0"], cwd=root, stdout=output, stderr=output,
            env={**os.environ, "PYTHONPATH": str(COURSE), "JUPYTER_CONFIG_PATH": str(root)})
    try:
        until = time.monotonic() + 120
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text())):
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        found_at = Formgrader(f"http://127.0.0.1:{found[1]}", token)
        found_at.root = root
        yield found_at
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _submissions(root: Path) -> dict[str, str]:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        return {each.student.id: each.id for each in gradebook.notebook_submissions("toy", "01_toy")}


def _runs_only_its_own(answer: requests.Response) -> None:
    """Every script of the page bears the number that its header allows, and nothing else may run."""
    policy = answer.headers["Content-Security-Policy"]
    (allowed,) = (part for part in policy.split(";") if "script-src" in part)
    (nonce,) = re.findall(r"'nonce-([\w-]+)'", allowed)
    assert "'unsafe-inline'" not in policy and "'self'" not in allowed and "http" not in allowed
    scripts = re.findall(r"<script\b([^>]*)", answer.text)
    assert scripts and all(f'nonce="{nonce}"' in each for each in scripts)


@pytest.mark.parametrize("student", ["ada", IMAGE])
def test_the_page_of_a_submission_shows_a_name_and_runs_nothing(student, formgrader):
    answer = formgrader.get(f"submissions/{_submissions(formgrader.root)[student]}/")
    assert answer.status_code == 200
    _runs_only_its_own(answer)
    assert IMAGE not in answer.text and "&lt;img src=x onerror=alert(1)&gt;" in answer.text
    assert not [script for script in re.findall(r"<script.*?</script>", answer.text, re.S) if "alert" in script]


@pytest.mark.parametrize("path", ["manage_assignments", "gradebook", "gradebook/01_toy", "gradebook/01_toy/toy",
                                  "manage_students", "manage_students/ada", "manage_students/ada/01_toy",
                                  "manage_submissions/01_toy"])
def test_the_formgraders_other_pages_run_their_own_scripts_alone(path, formgrader):
    answer = formgrader.get(path)
    assert answer.status_code == 200
    _runs_only_its_own(answer)
    handlers = re.findall(r'onclick="([^"]*)"', answer.text, re.I)
    assert not handlers or "'unsafe-hashes' 'sha256-" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("part", ["%3Cimg%20src=x%20onerror=alert(1)%3E", "q%22;alert(1);%22", "x%5C", "a%0Ab", "'"])
def test_an_address_with_code_in_it_is_no_page(part, formgrader):
    for path in (f"manage_students/{part}", f"manage_students/x/{part}", f"manage_submissions/{part}",
                 f"gradebook/{part}", f"gradebook/01_toy/{part}"):
        assert formgrader.get(path).status_code == 404, path


def test_a_file_beside_a_notebook_runs_nothing(formgrader):
    answer = formgrader.get(f"submissions/{_submissions(formgrader.root)['ada']}/evil.html")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;") or answer.status_code == 404


@pytest.mark.sandbox
def test_a_page_of_feedback_runs_nothing(course):
    toy.submit(course, "ada", toy.notebook(course, toy.RIGHT))
    grade_class(course, feedback=True)
    policy = "script-src 'none'"
    assert policy in (course / "feedback/ada/01_toy/toy.html").read_text().split("<body", 1)[0]
    answer = NbGraderAPI(config=course_config(course)).generate_feedback("01_toy")
    assert answer["success"], answer
    assert policy in (course / "feedback/ada/01_toy/toy.html").read_text().split("<body", 1)[0]


# --- a reader's own folder, as a stranger sends it ------------------------------------------------------------------

@pytest.mark.sandbox
def test_a_strangers_work_writes_nowhere_else_and_sends_a_terminal_nothing(course, tmp_path):
    work, victim, elsewhere = tmp_path / "work", tmp_path / "victim", tmp_path / "elsewhere"
    victim.write_text("mine")
    elsewhere.mkdir()
    says = "def toy_relu(x):\n    raise ValueError('gone \\x1b[2J \\x9b \\u202e [bold]')"
    (work / "01_toy").mkdir(parents=True)
    (work / "01_toy/toy.ipynb").write_text(json.dumps(toy.notebook(course, {**toy.RIGHT, "toy_relu": says})))
    (work / "01_toy/\x1b[2J.ipynb").write_text("{")
    (work / "feedback").mkdir()
    for name in (".01_toy.html.half", "01_toy.html"):
        (work / "feedback" / name).symlink_to(victim)
    command = ["grade", "--course", str(course), "--work", str(work)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert victim.read_text() == "mine" and not (work / "feedback/01_toy.html").is_symlink()
    assert "gone \\x1b[2J \\x9b ⟨U+202E⟩ [bold]" in result.output
    assert not set("\x1b\x9b\u202e") & set(result.output)
    shutil.rmtree(work / "feedback")
    (work / "feedback").symlink_to(elsewhere)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1 and "feedback: is a link" in result.output and not list(elsewhere.iterdir())


# --- the draw's seed -------------------------------------------------------------------------------------------------

_LOOKING = """def toy_relu(x):
    import sys, torch
    frame, found = sys._getframe(), [torch.initial_seed()]
    while frame:
        found += [value for value in frame.f_locals.values() if type(value) is int and value > 10**9]
        found += [each for value in frame.f_locals.values() if isinstance(value, dict)
                  for each in value.values() if type(each) is int and each > 10**9]
        found += [each["seed"] for each in frame.f_locals.get("job", {}).get("steps", []) if "seed" in each]
        frame = frame.f_back
    print("FOUND", found, [hex(each) for each in found])
    raise ValueError(f"FOUND {found}")"""


@pytest.mark.sandbox
def test_the_draws_seed_is_not_shown(course):
    toy.submit(course, "ada", toy.notebook(course, {**toy.RIGHT, "toy_relu": _LOOKING}))
    summary = grade_class(course, feedback=True)
    secret = secret_seed(course)
    exam, aspects = seed_for(secret, "01_toy", "toy_relu"), load_course(course / "source")["toy_relu"].aspects()
    numbers = {secret, seed_for(secret, "01_toy"), exam, *(key(exam, "toy_relu", item.name) for item in aspects)}
    texts = {path.name: path.read_text() for name in ("autograded", "feedback")
             for path in (course / name / "ada/01_toy").iterdir()}
    texts |= {"rows": str(toy.rows(course, "ada")), "facts": str(summary.graded)}
    assert "FOUND" in texts["toy.ipynb"] and "FOUND" in texts["toy.html"]
    assert not [(name, number) for name, text in texts.items() for number in numbers
                if str(number) in text or f"{number:x}" in text]
