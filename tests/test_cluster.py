"""Who may be asked to grade, and what a worker refuses; real clusters are in tests/cluster."""

import operator
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import grading_course as toy
import pytest
from traitlets.config import Config

from convcraft.grading.cluster import apart, connect, worker
from convcraft.grading.course import Course, Task
from convcraft.grading.errors import GradingError
from convcraft.grading.mark import pack
from convcraft.grading.sandbox.run import Limits


def _refusal(address: str, *, insecure: bool = False, **files: str) -> str:
    config = Config()
    config.Cluster.update(files)
    with pytest.raises(GradingError) as caught, connect.remote(address, Limits(), config, print, insecure=insecure):
        raise AssertionError("it was let in")
    return str(caught.value)


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:8786", "tcp://[2001:db8::1]:8786", "tcp://0.0.0.0:8786"])
def test_another_machines_scheduler_without_tls_is_refused(address):
    assert "--insecure" in _refusal(address) and address in _refusal(address)


def test_tls_without_certificates_is_refused():
    assert "c.Cluster.ca" in _refusal("tls://192.0.2.1:8786")


def test_a_certificate_that_is_missing_is_named(tmp_path):
    (tmp_path / "ca.pem").touch()
    said = _refusal("tls://192.0.2.1:8786", ca=str(tmp_path / "ca.pem"), certificate=str(tmp_path / "none.pem"))
    assert said == f"c.Cluster.certificate: {tmp_path}/none.pem: No such file or directory."
    said = _refusal("tls://192.0.2.1:8786", ca=str(tmp_path / "ca.pem"), certificate=str(tmp_path / "ca.pem"))
    assert said == "c.Cluster.key: it names no file."


@pytest.mark.parametrize("address", ["somewhere", "tcp://", "tcp://host:port", "http://127.0.0.1:8786", "inproc://1"])
def test_what_is_no_address_is_refused(address):
    assert "tls://host:8786" in _refusal(address)


def test_where_nobody_answers_is_said(monkeypatch):
    monkeypatch.setattr(connect, "_WAIT", 0.2)
    assert _refusal("tcp://127.0.0.1:9").startswith("No scheduler answers at tcp://127.0.0.1:9:")


def test_a_worker_refuses_other_exams_and_names_both(toy_root, tmp_path, monkeypatch):
    root = toy.copied(toy_root, tmp_path / "course")
    folder = toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    terms = worker.Terms.of(Course(root, root / "source"))
    parcel = pack(Task("ada", "01_toy", folder, (root / "notebooks/en/01_toy/toy.ipynb",), 7))
    exam = next((root / "source/01_toy/exams").glob("*.py"))
    exam.write_text(exam.read_text() + "\n")
    monkeypatch.chdir(root)
    with pytest.raises(worker.RefusedError) as caught:
        worker.mark_there(terms, parcel)
    theirs = worker.edition(root / "source")
    assert theirs.digest != terms.edition.digest
    assert str(theirs) in caught.value.reason and str(terms.edition) in caught.value.reason


def test_another_package_is_another_edition(tmp_path, monkeypatch):
    before = worker.edition(tmp_path)
    monkeypatch.setattr(worker, "_code", lambda: b"changed")
    assert worker.edition(tmp_path) != before


def _apart(function, *args, seconds: float = 60):
    return apart.call_apart(pickle.dumps((function, args, {})), seconds)


def test_a_task_apart_gives_what_the_function_gives():
    assert _apart(operator.add, [1], [2]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        _apart(operator.truediv, 1, 0)


@pytest.mark.parametrize(("function", "args", "how", "by_itself"), [
    (os.abort, (), "SIGABRT", True),
    (exec, ("import os; os._exit(3)",), "status 3", True),  # `make coverage` has an `os._exit` that cannot be pickled
    (exec, ("import os; os._exit(0)",), "status 0", True),
    (signal.raise_signal, (signal.SIGKILL,), "SIGKILL", False),
])
def test_whoever_gave_a_task_apart_says_how_its_process_ended(function, args, how, by_itself):
    with pytest.raises(apart.EndedError) as caught:
        _apart(function, *args)
    assert (caught.value.how, caught.value.by_itself) == (how, by_itself)


def test_a_task_apart_that_does_not_end_is_ended():
    begin = time.monotonic()
    with pytest.raises(apart.EndedError) as caught:
        _apart(time.sleep, 600, seconds=8)
    assert caught.value.how == "> 8 s" and time.monotonic() - begin < 300


def test_a_process_that_never_began_blames_nobody(monkeypatch):
    monkeypatch.setattr(apart.sys, "executable", "/bin/false")
    with pytest.raises(worker.RefusedError, match=r"did not begin \(status 1\)"):
        _apart(operator.add, 1, 2)


def test_one_kind_of_workers_at_a_time(tmp_path):
    run = subprocess.run([Path(sys.executable).with_name("convcraft"), "grade", "--cluster", "2", "--workers", "2"],
                         cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert run.returncode == 2 and "one at a time" in run.stderr
