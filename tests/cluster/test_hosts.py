"""Many machines give the marks of one, whatever happens to them."""

import json
import os
import random
import signal
import time

import grading_course as toy
import pytest
from conftest import CLASS, same_marks, until

pytestmark = pytest.mark.sandbox
_SEED = 17
_HANGS = "import time\nworker.mark_parcel = lambda *_: time.sleep(3600)\n"
# An exam of the course that ends, where the marks are given, whatever process has to do with two answers: that of the
# first one always; the worker, or the worker that lives to say what became of a process, where a fuse is left there.
_DEADLY, _UNLUCKY = 666, 667
_EXAM = f"""
import os
import signal
import sys
from pathlib import Path


def _view(observed, expected):
    answer = round(float(observed.flatten()[0]))
    if answer == {_DEADLY}:
        os.abort()
    if answer == {_UNLUCKY} and Path("/mnt/fuse").exists():
        Path("/mnt/fuse").unlink()
        os.kill(os.getppid() if sys.argv[0].endswith("apart.py") else os.getpid(), signal.SIGKILL)
    return observed
"""
_ANSWER = """def toy_affine(x, scale, shift=0.0):
    return x * 0 + {number} if x.shape == (3, 4) else x * scale + shift"""


def _outcome(done) -> dict:
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_many_machines_give_the_marks_of_one(machines, marked):
    root = machines.course("plain")
    outcome = _outcome(machines.recording.run(*machines.grading("plain")))
    assert len(outcome["graded"]) == CLASS and not outcome["notices"] and not outcome["problems"]
    assert same_marks(root, marked)


def test_no_machine_sees_anothers_folder(machines):
    for host in (machines.recording, *machines.workers):
        assert host.run("ls", str(host.folder.parent)).stdout == ""
    assert "submitted" not in machines.workers[0].run("ls", "-R", "/mnt").stdout


def test_a_scheduler_without_certificates_is_not_used(machines):
    root = machines.course("uncertified")
    config = root / "nbgrader_config.py"
    config.write_text(config.read_text().replace("cluster.pem", "none.pem"))
    done = machines.recording.run(*machines.grading("uncertified"))
    assert done.returncode == 1 and "c.Cluster.certificate: /mnt/none.pem" in done.stderr


def _recorded(root) -> dict[str, float]:
    """Whose marks are recorded, and when they were."""
    return {path.parent.name: path.stat().st_mtime for path in root.glob("autograded/s*/01_toy")}


def _grade_while(machines, root, count, happen) -> list[str]:
    """Grade the class, if need be again, and let `happen` be called `count` times once marks come in."""
    told: list[str] = []
    while len(told) < count:
        before = _recorded(root)
        process = machines.recording.start(*machines.grading(root.name, "--force"))
        until(lambda process=process, before=before: _recorded(root) != before or process.poll() is not None, "a mark")
        while process.poll() is None and len(told) < count:
            told.append(happen(len(told)))
        process.wait(600)
        assert process.returncode == 0, machines.recording.log()[-3000:]
    return told


def test_workers_killed_at_ten_random_moments_cost_no_mark(machines, marked, capsys):
    root, draw = machines.course("killed"), random.Random(_SEED)

    def kill(number: int) -> str:
        host = machines.workers[number % 2]
        machines.registered(host)
        pause = draw.uniform(0.0, 5.0)
        time.sleep(pause)
        (pid,) = host.pids("worker")
        os.kill(pid, signal.SIGKILL)
        until(lambda: pid not in host.pids("worker"), "its end")
        return f"{number + 1}. process {pid} on {host.name} ({host.address}) killed {pause:.2f} s after it was back"

    told = _grade_while(machines, root, 10, kill)
    with capsys.disabled():
        print("", *told, sep="\n")
    machines.registered(*machines.workers)
    assert same_marks(root, marked) and len(toy.points(root)) == CLASS


def test_a_restarted_scheduler_is_asked_again(machines, marked):
    root = machines.course("restarted")

    def restart(number: int) -> str:
        (pid,) = machines.giving.pids("scheduler")
        os.kill(pid, signal.SIGKILL)
        return "killed"

    _grade_while(machines, root, 1, restart)
    assert same_marks(root, marked) and len(toy.points(root)) == CLASS


def test_workers_that_cannot_mark_are_named_and_their_work_is_done_by_others(machines, marked):
    root = machines.course("mended", "c.Cluster.patience = 40.0")
    silent = machines.worker("hangs", _HANGS)
    without = machines.worker("bare", bare=True)
    other = machines.worker("other", "from pathlib import Path\n"
                            "exam = next(Path('/mnt/source').glob('*/exams/*.py'))\n"
                            "exam.write_text(exam.read_text() + '\\n')\n")
    try:
        machines.registered(silent, without, other)
        outcome = _outcome(machines.recording.run(*machines.grading("mended")))
    finally:
        for host in (silent, without, other):
            host.end()
            machines.workers.remove(host)
    assert len(outcome["graded"]) == CLASS and not outcome["problems"]
    assert same_marks(root, marked)
    said = {host: [notice for notice in outcome["notices"] if f"//{host.address}:" in notice]
            for host in (silent, without, other)}
    assert [len(each) for each in said.values()] == [1, 1, 1], outcome["notices"]
    assert "has not answered for 40 seconds" in said[silent][0]
    assert "bubblewrap is not installed" in said[without][0]
    assert said[other][0].count("convcraft 1.") == 2


def test_a_submission_is_at_fault_where_a_worker_saw_it_and_not_where_workers_just_went(machines, marked):
    root = machines.course("deadly")
    for student, number in (("s003", _DEADLY), ("s004", _UNLUCKY)):
        toy.submit(root, student, toy.notebook(root, toy.RIGHT | {"toy_affine": _ANSWER.format(number=number)}))
    for folder in (root, *(host.folder for host in machines.workers)):
        exam = folder / "source/01_toy/exams/toy_affine.py"
        text = exam.read_text().replace("2.5, -1.25))", "2.5, -1.25), view=_view)")
        exam.write_text(text.replace("\n\n\ndef _affine", f"\n{_EXAM}\n\ndef _affine", 1))
    for host in machines.workers:
        (host.folder / "fuse").touch()
    outcome = _outcome(machines.recording.run(*machines.grading("deadly")))
    # One worker at least went with it; which of them is given it again, and so whether both do, is the scheduler's.
    assert not outcome["problems"] and not all((host.folder / "fuse").exists() for host in machines.workers)
    graded = {item["student"]: item for item in outcome["graded"]}
    assert graded["s003"]["points"] == 0 and "SIGABRT" in graded["s003"]["remarks"][0]
    assert graded["s004"]["points"] == 90 and graded["s004"]["remarks"] == []
    assert same_marks(root, marked, [f"s{number:03}" for number in range(CLASS) if number not in (3, 4)])
