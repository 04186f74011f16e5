"""Of what lies in the exchange nothing is collected but regular files of their owner, whatever else is put there."""

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import exchange
import grading_course as toy
import pytest
from exchange import TIME, collect, collected, hand_in
from nbgrader.apps import NbGraderAPI
from needs import need

from convcraft.grading.classroom import grade_class
from convcraft.grading.foreign_files import Bounds, take
from convcraft.grading.lock import only_grader

pytestmark = pytest.mark.xdist_group("odd")
NOTES = {"timestamp.txt", "submission_secret.txt"}
SECRET = b"what a student may not read"


@pytest.fixture
def course(toy_root, tmp_path) -> Path:
    root = toy.copied(toy_root, tmp_path / "course")
    (root / "solution.ipynb").write_bytes(SECRET)
    hand_in(root, "zoe", {"toy.ipynb": b"{}"})  # the last in every order
    return root


def _socket(path: Path) -> None:
    opened = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(path.parent)  # a socket's address has 108 bytes
    try:
        opened.bind(path.name[:90])
        os.rename(path.name[:90], path.name)
    finally:
        os.chdir(here)
        opened.close()


ENTRIES = {
    "no time": ("ada+01_toy+not a time+x", Path.mkdir),
    "an endless time": ("ada+01_toy+99999999999999999999999999999h+x", Path.mkdir),
    "a file": (f"ada+01_toy+{TIME}+x", Path.touch),
    "a pipe": (f"ada+01_toy+{TIME}+x", os.mkfifo),
    "a socket": (f"ada+01_toy+{TIME}+x", _socket),
    "a dangling link": (f"ada+01_toy+{TIME}+x", lambda path: path.symlink_to("nowhere")),
    "a loop": (f"ada+01_toy+{TIME}+x", lambda path: path.symlink_to(path.name)),
    "a link to a folder": (f"ada+01_toy+{TIME}+x", lambda path: path.symlink_to(path.parents[3] / "course")),
    "no random part": ("ada+01_toy+x+y+z", Path.mkdir),
    "HTML": (f"<img src=x onerror=alert(1)>+01_toy+{TIME}+x", Path.mkdir),
    "JavaScript": (f'q";alert(1);"+01_toy+{TIME}+x', Path.mkdir),
    "a newline": (f"a\nb+01_toy+{TIME}+x", Path.mkdir),
    "half a letter": (f"a\udc80+01_toy+{TIME}+x", Path.mkdir),
    "the folder above": (f"..+01_toy+{TIME}+x", Path.mkdir),
    "an option": (f"-rf+01_toy+{TIME}+x", Path.mkdir),
    "a device of Windows": (f"CON+01_toy+{TIME}+x", Path.mkdir),
    "nobody": (f"+01_toy+{TIME}+x", Path.mkdir),
    "255 bytes": ("a" * (255 - len(f"+01_toy+{TIME}+x")) + f"+01_toy+{TIME}+x", Path.mkdir),
    "another alphabet": (f"\u0430da+01_toy+{TIME}+x", Path.mkdir),
    "the other direction": (f"ada\u202e+01_toy+{TIME}+x", Path.mkdir),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_what_is_no_submission_is_named_and_stops_nobody(kind, course):
    name, make = ENTRIES[kind]
    make(exchange.inbound(course) / name)
    log = collect(course)
    assert collected(course) == {"zoe": {"toy.ipynb", *NOTES}}
    assert "eft out" in log or "is no name for a student" in log
    assert {path.name for path in (course / "submitted").iterdir()} == {"zoe"}


def test_no_link_in_a_submission_is_followed(course):
    neighbour = hand_in(course, "ben", {"toy.ipynb": SECRET})
    (course / "gradebook.db").chmod(0o600)
    hand_in(course, "ada", {
        "toy.ipynb": str(course / "solution.ipynb"), "x.html": str(course / "gradebook.db"), "own.txt": b"1",
        "deep/y.ipynb": str(neighbour / "toy.ipynb"), "folder": str(course), "up": "..", "loop": "loop"})
    log = collect(course)
    assert collected(course)["ada"] == {"own.txt", *NOTES}
    assert log.count("is a link; only a file itself is collected") == 6


@pytest.mark.sandbox
def test_a_link_to_a_solution_earns_nothing(course):
    (course / "solution.ipynb").write_bytes(toy.json.dumps(toy.notebook(course, toy.RIGHT)).encode())
    hand_in(course, "ada", {"toy.ipynb": str(course / "solution.ipynb")})
    collect(course)
    grade_class(course)
    assert toy.points(course)["ada"] == 0


def test_what_is_no_file_is_left_out_and_named(course):
    folder = hand_in(course, "ada", {"toy.ipynb": b"1", "Toy.ipynb": b"2", "e\u0301.txt": b"3", "\u00e9.txt": b"4"})
    os.mkfifo(folder / "pipe.ipynb")
    _socket(folder / "socket.ipynb")
    (folder / "a folder.ipynb").mkdir()
    (folder / "line\nbreak.ipynb").touch()
    (folder / b"half\x80.ipynb".decode("utf-8", "surrogateescape")).touch()
    (folder / ("n" * 249 + ".ipynb")).write_bytes(b"5")
    (folder / "sparse.ipynb").touch()
    os.truncate(folder / "sparse.ipynb", 3 * 2**30)
    (folder / "setuid.py").touch()
    (folder / "setuid.sh").write_bytes(b"6")
    (folder / "setuid.sh").chmod(0o6777)
    deep = folder
    for _ in range(60):
        deep = deep / "d"
        deep.mkdir()
    (deep / "toy.ipynb").touch()
    log = collect(course)
    assert collected(course)["ada"] == {"toy.ipynb", "Toy.ipynb", "e\u0301.txt", "\u00e9.txt", "n" * 249 + ".ipynb",
                                        "setuid.sh", *NOTES}
    assert stat.S_IMODE((course / "submitted/ada/01_toy/setuid.sh").stat().st_mode) == 0o600
    for words in ("pipe.ipynb is neither", "socket.ipynb is neither", "line\\x0abreak.ipynb: no file may be called so",
                  "half\\udc80.ipynb: no file", "sparse.ipynb has more than 64 MB", "d/d/d/d lies too deep"):
        assert f"ada, 01_toy: {words}" in log


def test_a_folder_of_very_many_entries_costs_little_and_hides_no_notebook(course):
    folder = hand_in(course, "ada", {})
    for number in range(20_000):
        os.close(os.open(folder / f"{number}.txt", os.O_CREAT))
    (folder / "toy.ipynb").write_bytes(b"1")
    log = collect(course)
    assert "toy.ipynb" in collected(course)["ada"] and len(collected(course)["ada"]) == 1_003
    assert "has more than 1000 entries" in log


def test_a_submission_has_a_limit_in_sum(course):
    config = exchange.config_of(course)
    config.CourseDirectory.max_dir_size = 3  # kB
    hand_in(course, "ada", {"toy.ipynb": b"1", **{f"{number}.txt": bytes(1000) for number in range(5)}})
    answer = NbGraderAPI(config=config).collect("01_toy")
    assert answer["success"] and "no more than" in answer["log"]
    assert collected(course).keys() == {"ada", "zoe"} and "toy.ipynb" in collected(course)["ada"]


def test_a_file_that_becomes_a_link_meanwhile_is_never_followed(tmp_path):
    folder = tmp_path / "handed in"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(SECRET)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            (folder / "a").write_bytes(b"mine")
            (folder / "b").symlink_to(tmp_path / "secret")
            os.rename(folder / "a", folder / "toy.ipynb")
            os.rename(folder / "b", folder / "toy.ipynb")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = [take(folder, os.getuid()).files.values() for _ in range(60)]
    finally:
        over.set()
        thread.join()
    assert SECRET not in {content for contents in seen for content in contents}


def test_a_file_that_grows_meanwhile_is_read_no_further_than_the_limit(tmp_path):
    (tmp_path / "toy.ipynb").write_bytes(bytes(1001))
    found = take(tmp_path, os.getuid(), bounds=Bounds(file=1000))
    assert not found.files and "toy.ipynb has more than" in found.left_out[0]


def test_a_reader_that_does_not_end_is_ended(tmp_path):
    found = take(tmp_path, os.getuid(), ignored=lambda name: bool(threading.Event().wait(60)), first=(".",),
                 bounds=Bounds(seconds=0.5))
    assert not found.whole and "could not be read to its end" in found.left_out[0]


# --- whose it is ---------------------------------------------------------------------------------------------------

def _users() -> None:
    need(os.getuid() == 0, "root", "files of several users are made by root: run the test as root")


def test_another_ones_file_is_left_out_even_as_a_hard_link(course):
    _users()
    folder = hand_in(course, "ada", {"own.ipynb": b"1", "unreadable.ipynb": b"2"})
    neighbour = hand_in(course, "ben", {"toy.ipynb": SECRET})
    os.link(neighbour / "toy.ipynb", folder / "toy.ipynb")
    for path in folder.iterdir():
        if path.name != "toy.ipynb":
            os.chown(path, 4002, 4002)
    os.chown(folder, 4002, 4002)
    (folder / "unreadable.ipynb").chmod(0)
    log = collect(course)
    assert collected(course)["ada"] == {"own.ipynb", *NOTES}
    assert "toy.ipynb belongs to somebody else" in log
    assert "unreadable.ipynb cannot be read (Permission denied)" in log  # not even by root, who became ada


def test_who_hands_in_under_anothers_name_is_named_and_takes_nobodys_place(course):
    _users()
    hand_in(course, "ben", {"toy.ipynb": b"forged"}, time="2040-01-01 00:00:00.000000 UTC")  # root's
    real = hand_in(course, "nobody", {"toy.ipynb": b"real"})
    forged = hand_in(course, "nobody", {"toy.ipynb": b"forged"}, time="2040-01-01 00:00:00.000000 UTC")
    for path in (real, *real.iterdir()):
        os.chown(path, 65534, 65534)
    for path in (forged, *forged.iterdir()):
        os.chown(path, 1, 1)
    log = collect(course, check_owner=True)
    assert (course / "submitted/nobody/01_toy/toy.ipynb").read_bytes() == b"real"
    assert collected(course).keys() == {"nobody"}
    assert "it is ben's and belongs to root: a cheating attempt?" in log


def test_the_reader_can_open_nothing_else():
    """Where the kernel knows Landlock, the process that reads a folder is held to it."""
    program = ("import os, sys, tempfile\n"
               "from convcraft.grading import foreign_files\n"
               "folder = tempfile.mkdtemp()\n"
               "open(folder + '/a', 'w').write('mine')\n"
               "foreign_files._hold_to(os.open(folder, os.O_RDONLY))\n"
               "print(open(folder + '/a').read())\n"
               "try: print(open('/etc/passwd').read(4))\n"
               "except PermissionError: print('closed')\n")
    if "landlock" not in _kernel():
        pytest.skip("this kernel has no Landlock")
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.split() == ["mine", "closed"]


def _kernel() -> str:
    import ctypes

    return "landlock" if ctypes.CDLL(None).syscall(444, None, 0, 1) > 0 else ""


# --- what stays as nbgrader has it ---------------------------------------------------------------------------------

def test_the_newest_counts_and_an_older_one_replaces_nothing(course):
    for year, content in ((2031, b"2"), (2030, b"1")):
        hand_in(course, "ada", {"toy.ipynb": content}, time=f"{year}-05-01 00:00:00.000000 UTC")
    collect(course)
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"2"
    hand_in(course, "ada", {"toy.ipynb": b"3"}, time="2032-05-01 00:00:00.000000 UTC")
    collect(course)
    assert (course / "submitted/ada/01_toy/toy.ipynb").read_bytes() == b"3"
    assert not list((course / "submitted").rglob(".unfinished*"))


@pytest.mark.parametrize("note", [b"", b"99999999999999999999999999999h", b"2025-01-01 00:00:00 ../../../x",
                                  b"2000-01-01 00:00:00.000000 UTC", bytes(3000)])
def test_the_time_is_the_exchanges_whatever_the_note_says(note, course):
    hand_in(course, "ada", {"toy.ipynb": b"1", "timestamp.txt": note})
    assert "timestamp.txt says another time than the exchange" in collect(course)
    assert (course / "submitted/ada/01_toy/timestamp.txt").read_text() == TIME


def test_nobody_collects_while_somebody_grades(course):
    with only_grader(course):
        answer = NbGraderAPI(config=exchange.config_of(course)).collect("01_toy")
    assert not answer["success"] and "Another grader is at work" in answer["error"]
    assert not collected(course)


def test_what_is_listed_is_what_can_be_collected(course):
    for name, make in ENTRIES.values():
        if not os.path.lexists(exchange.inbound(course) / name):
            make(exchange.inbound(course) / name)
    config = exchange.config_of(course)
    config.CourseDirectory.assignment_id = "01_toy"
    api = NbGraderAPI(config=config)
    listed = api.exchange.List(coursedir=api.coursedir, authenticator=api.authenticator, inbound=True, parent=api)
    assert {item["student_id"] for item in listed.start()} == {"zoe"}


# --- what comes out again ------------------------------------------------------------------------------------------

@pytest.mark.sandbox
def test_nothing_but_pages_of_released_notebooks_comes_out_as_feedback(course):
    """By the formgrader's own steps, of folders that were laid out by hand."""
    folder = toy.submit(course, "ada", toy.notebook(course, toy.RIGHT))
    for name, content in {"timestamp.txt": TIME, "submission_secret.txt": "0" * 128}.items():
        (folder / name).write_text(content)
    (folder / "x.html").symlink_to(course / "gradebook.db")
    (folder / "y.html").write_text("<script>alert(1)</script>")
    os.mkfifo(folder / "z.html")
    toy.submit(course, "ben", toy.notebook(course, toy.RIGHT))  # without notes
    (course.parent / "exchange/toy/feedback").mkdir()
    api = NbGraderAPI(config=exchange.config_of(course))
    for student in ("ada", "ben"):
        answer = api.autograde("01_toy", student)
        assert answer["success"], answer
    assert api.generate_feedback("01_toy")["success"]
    assert not (course / "feedback/ada/01_toy/x.html").exists()
    answer = api.release_feedback("01_toy")
    assert answer["success"], answer
    assert "ada: y.html is no feedback; left out" in answer["log"]
    assert "ben: toy.html was not released" in answer["log"]
    (page,) = (course.parent / "exchange/toy/feedback").iterdir()
    assert b"toy_relu" in page.read_bytes()
