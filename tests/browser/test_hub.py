"""A class on one server, for real: a hub, a teacher, two students, one of whom looks where he should not."""

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

import hub as hubs
import pytest
from conftest import CHAPTER, CHAPTERS, PROXY
from needs import need

from convcraft.demo.cohort import solutions, source_of

NOTEBOOK = CHAPTER.partition("_")[2]
READ_EVERYTHING = """
import os
found, forbidden = [], []
for top in {places}:
    for folder, folders, names in os.walk(top, onerror=lambda error: forbidden.append(error.filename)):
        for name in names:
            path = os.path.join(folder, name)
            try:
                with open(path, "rb") as file: content = file.read()
            except OSError: continue
            if any(text in content for text in {wanted}): found.append(path)
for path in {files}:
    try:
        open(path, "rb").read(1)
        found.append(path)
    except OSError as error: forbidden.append(path)
print("FOUND", found, "FORBIDDEN", sorted(forbidden))
"""

TAKE_THE_EXCHANGE = """
import os
exchange = os.environ["CONVCRAFT_EXCHANGE"]
course = f"{exchange}/convcraft"
taken = f"{exchange}/taken"
for attempt in (lambda: os.rename(course, taken), lambda: os.rename(f"{course}/inbound", taken),
                lambda: os.rmdir(f"{course}/inbound"), lambda: os.mkdir(f"{course}/more"),
                lambda: os.chmod(exchange, 0o777), lambda: os.chmod(course, 0o777)):
    try: print(attempt())
    except OSError as error: print(type(error).__name__)
"""
WHO_RUNS_IT = """
import os
open(f"/srv/convcraft/exchange/run by {os.getuid()}", "w").close()
"""
GRADE_IN_A_SHELL = """
import os, subprocess
os.umask(0o022)  # as over SSH
done = subprocess.run(["convcraft", "grade", "--everything", "--course", "/srv/convcraft/course"],
                      capture_output=True, text=True)
print(done.stdout, done.stderr)
"""
WATCH = """
import subprocess
with open("/home/teacher/watch.log", "w") as log:
    print(subprocess.Popen(["convcraft", "grade", "--watch", "--release", "--course", "/srv/convcraft/course"],
                           stdout=log, stderr=log, start_new_session=True).pid)
"""


@pytest.fixture(scope="module")
def hub():
    need(shutil.which("bwrap"), "bubblewrap", "`make system`")
    need((PROXY / "configurable-http-proxy").exists(), "the hub's proxy", "`make system`, then `make browser`")
    need(os.getuid() == 0, "root", "the hub's servers run as users of their own: run the test as root")
    scratch = Path(tempfile.mkdtemp(prefix="convcraft-hub-"))
    try:
        running = hubs.Hub(scratch)
        with (running.course / "source" / CHAPTER / "exams/conv2d.py").open("a") as exam:
            exam.write(WHO_RUNS_IT)
        running.start()
        yield running
        running.stop()
    finally:
        shutil.rmtree(scratch)


def closed(path: Path) -> bool:
    """Whether nobody but owner and group can do anything with it."""
    return not path.stat().st_mode & 0o007


def answer(person, sources: dict[str, str]) -> None:
    """Write answers into the fetched notebook, through the server's own contents API."""
    path = f"/api/contents/{CHAPTER}/{NOTEBOOK}.ipynb"
    model = person.get(path).json()
    for cell in model["content"]["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id")
        if name in sources:
            cell["source"] = sources[name]
    person.put(path, {"type": "notebook", "format": "json", "content": model["content"]})


def fetched(person) -> dict:
    """What the Assignment List shows of the chapter, by status."""
    listed = person.get("/assignments", course_id="convcraft").json()["value"]
    return {item["status"]: item for item in listed if item["assignment_id"] == CHAPTER}


def test_root_runs_nothing_of_the_teachers(hub):
    """The exams were sealed at the start, so what the teacher has written did run."""
    assert {path.name for path in hub.exchange.glob("run by *")} == {"run by 4001"}
    shown = hub.login("teacher").run(
        "import os\nfor name in ('deploy', '.venv', 'convcraft'):\n"
        "    try: print(os.rename(f'/srv/convcraft/course/{name}', '/srv/convcraft/course/other'))\n"
        "    except OSError as error: print(type(error).__name__)")
    assert shown.split() == ["PermissionError"] * 3, shown


def test_a_student_cannot_take_the_exchanges_place(hub):
    """Before anything is released: whoever put his own folder there would get what the others submit."""
    shown = hub.login("ben").run(TAKE_THE_EXCHANGE)
    assert shown.split() == ["PermissionError"] * 6, shown
    modes = {name: (hub.exchange / name).stat().st_mode & 0o7777
             for name in (".", "convcraft", "convcraft/outbound", "convcraft/inbound", "convcraft/feedback")}
    assert list(modes.values()) == [0o1777, 0o755, 0o755, 0o2733, 0o711]


def test_a_week_of_a_class(hub):
    (chapter,) = (chapter for chapter in CHAPTERS if chapter.name == CHAPTER)
    right = solutions(chapter)
    name, exercise = next(iter(chapter.exercises.items()))
    mistake = exercise.misconceptions[0]

    teacher = hub.login("teacher")
    for step in ("assign", "release"):
        assert teacher.post(f"/formgrader/api/assignment/{CHAPTER}/{step}")["success"]

    ada, ben = hub.login("ada"), hub.login("ben")
    for student in (ada, ben):
        assert "released" in fetched(student)
        assert student.post("/assignments/fetch", course_id="convcraft", assignment_id=CHAPTER)["success"]

    # Sealed exams diagnose in a student's notebook, and no answer's code is anywhere for her to read.
    wrong = source_of(chapter, exercise, mistake.answer)
    shown = ada.run(f"from convcraft import examine\n{wrong}\nexamine({name!r}, {name})")
    assert mistake.sentence.split(". ")[0] in re.sub(r"\s+", " ", shown)
    lines = [line.strip() for line in right[name].splitlines() if "(" in line and len(line.strip()) > 25]
    secret = [lines[-1].encode(), mistake.answer.__name__.encode() + b"("]
    look = READ_EVERYTHING.format(places=["/srv", "/home", "/tmp"], wanted=secret, files=[])
    assert re.match(r"FOUND \[\] FORBIDDEN \[", ben.run(look)), ben.run(look)

    answer(ada, right)
    answer(ben, {name: wrong})
    for student in (ada, ben):
        assert student.post("/assignments/submit", course_id="convcraft", assignment_id=CHAPTER)["success"]
        assert fetched(student)["submitted"]["submissions"][0]["timestamp"]

    assert teacher.post(f"/formgrader/api/assignment/{CHAPTER}/collect")["success"]
    graded = teacher.post(f"/formgrader/api/submission/{CHAPTER}/ada/autograde")
    assert graded["success"], graded
    assert "Wrote 2 pages" in teacher.run(GRADE_IN_A_SHELL)
    marks = {item["student"]: item["score"] for item in teacher.get(f"/formgrader/api/submissions/{CHAPTER}").json()}
    assert marks["ada"] == 100
    assert 0 <= marks["ben"] < exercise.points

    for steps in (["release_feedback"], ["generate_feedback", "release_feedback"]):  # the shell's, the formgrader's
        for step in steps:
            assert teacher.post(f"/formgrader/api/assignment/{CHAPTER}/{step}")["success"]
        for student in (ada, ben):
            assert student.post("/assignments/fetch_feedback", course_id="convcraft", assignment_id=CHAPTER)["success"]
        (page,) = (hub.homes / "ben" / CHAPTER / "feedback").rglob("*.html")
        assert ("<!-- made from" in page.read_text()) == (len(steps) == 1)
    text = page.read_text()
    assert mistake.sentence.split(". ")[0].replace("'", "&#39;") in text or mistake.sentence.split(". ")[0] in text
    assert "BEGIN SOLUTION" not in text


def test_feedback_comes_while_students_hand_in(hub):
    (chapter,) = (chapter for chapter in CHAPTERS if chapter.name == CHAPTER)
    teacher, ben = hub.login("teacher"), hub.login("ben")
    log, pages = hub.homes / "teacher/watch.log", hub.homes / "ben" / CHAPTER / "feedback"
    pid = int(teacher.run(WATCH))
    try:
        answer(ben, solutions(chapter))
        before = set(pages.rglob("*.html"))
        assert ben.post("/assignments/submit", course_id="convcraft", assignment_id=CHAPTER)["success"]
        until = time.monotonic() + 300
        while not (new := set(pages.rglob("*.html")) - before):
            assert time.monotonic() < until, log.read_text()
            time.sleep(1)
            assert ben.post("/assignments/fetch_feedback", course_id="convcraft", assignment_id=CHAPTER)["success"]
        assert "Score: 100" in new.pop().read_text()
        assert f"ben, {CHAPTER}: 100 of 100 points" in log.read_text()
    finally:
        teacher.run(f"import os, signal; os.kill({pid}, signal.SIGINT)")


def test_a_student_cannot_read_what_is_not_his(hub):
    ben = hub.login("ben")
    (hub.homes / "ada" / "diary.txt").write_text("ada's own words")
    files = ["/srv/convcraft/course/gradebook.db", "/srv/convcraft/course/exam_seed",
             f"/srv/convcraft/course/source/{CHAPTER}/exams/conv2d.py",
             f"/srv/convcraft/course/solutions/{CHAPTER}.ipynb",
             f"/srv/convcraft/course/submitted/ada/{CHAPTER}/{NOTEBOOK}.ipynb",
             f"/srv/convcraft/course/autograded/ada/{CHAPTER}/{NOTEBOOK}.ipynb",
             f"/srv/convcraft/course/feedback/ada/{CHAPTER}/{NOTEBOOK}.html",
             f"/home/ada/{CHAPTER}/{NOTEBOOK}.ipynb",
             "/home/ada/diary.txt", "/srv/convcraft/hub/hub.sqlite", "/srv/convcraft/hub/cookie_secret"]
    outside = {path.replace("/srv", str(hub.srv)).replace("/home", str(hub.homes)) for path in files}
    assert not [path for path in outside if not Path(path).exists()]  # they are all there to be read
    shown = ben.run(READ_EVERYTHING.format(places=["/srv", "/home/ada"], wanted=[b"ada's own words"], files=files))
    assert shown.startswith("FOUND []"), shown
    listed = ben.run("import os\nfor part in ('inbound', 'feedback'):\n"
                     "    try: print(os.listdir(f'{os.environ[\"CONVCRAFT_EXCHANGE\"]}/convcraft/{part}'))\n"
                     "    except OSError as error: print(type(error).__name__)")
    assert listed.split() == ["PermissionError", "PermissionError"]
    capabilities = ben.run("print([l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')])")
    assert capabilities.strip() == "['0000000000000000']"


def test_the_formgrader_is_the_teachers_alone(hub):
    assert hub.login("teacher").get("/formgrader").status_code == 200
    assert hub.login("ben").get("/formgrader").status_code == 404
    ben = hub.login("ben")
    assert ben.session.get(f"{hub.url}/user/teacher/lab", timeout=30).status_code in (403, 404)


def test_a_servers_memory_has_a_limit_that_holds(hub):
    ben = hub.login("ben")
    assert "MemoryError" in ben.run("x = bytearray(6 * 2**30)")
    assert ben.run("import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'bytearray(6 * 2**30)'], "
                   "capture_output=True, text=True).stderr)").strip().endswith("MemoryError")
    assert ben.get("/api/status").status_code == 200


def test_a_hub_closes_what_was_opened_and_shows_no_exam_where_none_shall_be(hub):
    hub.stop()
    opened = [hub.course / name for name in ("source", "gradebook.db", "submitted", "autograded", "feedback")]
    for path in opened:
        path.chmod(0o755)
    hub.start(DIAGNOSE=False)
    assert all(map(closed, opened))
    shown = hub.login("ben").run("import os\nfrom convcraft import examine\nexamine('conv2d', None)\n"
                                 "os.environ['CONVCRAFT_EXAMS'] = '/srv/convcraft/exams'\nexamine('conv2d', None)")
    assert len(re.findall("No exam can be reached from here", shown)) == 2, shown


def test_idle_servers_are_stopped(hub):
    hub.stop()
    hub.start(IDLE=3)
    hub.login("ben")
    until = time.monotonic() + 180
    while "ben" in hub.servers():
        assert time.monotonic() < until, (hub.scratch / "hub.log").read_text()[-3000:]
        time.sleep(0.5)


def test_a_hub_does_not_start_where_somebody_else_could_change_what_root_runs(hub):
    hub.stop()
    path = hub.course / "convcraft/place.py"
    os.chown(path, 4001, 4001)
    try:
        assert "convcraft/place.py: root runs what lies here, and somebody else could change it" in hub.refusal()
    finally:
        os.chown(path, 0, 0)
