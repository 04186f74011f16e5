"""What stands in the way of opening JupyterLab is named, with what to do; or it makes no difference."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import requests
from conftest import answering, copy_course, environment, free_port, served
from lab import TOKEN
from needs import need


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    return copy_course(tmp_path_factory.mktemp("bad") / "a course – 课程")


def run(course, *command, before=(), **more) -> subprocess.CompletedProcess:
    variables = environment(course, course.parent / "home") | more
    program = Path(variables["PATH"].split(":")[0], command[0])
    return subprocess.run([*before, program, *command[1:]], env=variables, capture_output=True, text=True, timeout=180)


def test_an_occupied_port_is_left_to_its_owner(course, tmp_path):
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        log = tmp_path / "lab.log"
        variables = environment(course, tmp_path / "home")
        command = [Path(variables["PATH"].split(":")[0], "convcraft"), "lab", "--port", str(port), "--folder",
                   str(tmp_path / "work"), "--", "--no-browser", f"--IdentityProvider.token={TOKEN}", "--allow-root"]
        process = subprocess.Popen(command, env=variables, stdout=log.open("w"), stderr=subprocess.STDOUT)
        try:
            until, found = time.monotonic() + 180, None
            while not found and time.monotonic() < until:
                time.sleep(0.3)
                found = re.search(r"http://127\.0\.0\.1:(\d+)/lab", log.read_text())
            assert found, log.read_text()[-2000:]
            assert int(found[1]) != port
            assert f"port {port} is already in use" in log.read_text()
            answering(f"http://127.0.0.1:{found[1]}/api?token={TOKEN}", process, log, until)
        finally:
            process.terminate()
            process.wait(120)


def test_a_file_where_work_should_be(course, tmp_path):
    (tmp_path / "work").write_text("mine")
    done = run(course, "convcraft", "lab", "--folder", str(tmp_path / "work"))
    assert done.returncode
    assert re.search(r"work.* is a file", done.stderr.replace("\n", " "))
    assert (tmp_path / "work").read_text() == "mine"


def test_a_missing_exchange_is_made(course, tmp_path):
    exchange = tmp_path / "new" / "exchange"
    code = f"from pathlib import Path; from convcraft.lab import serve; serve.open_exchange(Path({str(course)!r}))"
    done = run(course, "python", "-c", code, CONVCRAFT_EXCHANGE=str(exchange))
    assert done.returncode == 0, done.stderr
    assert exchange.is_dir()


@pytest.mark.parametrize(("place", "says"), [
    ("/proc/convcraft", "cannot be made"),
    ("{file}", "is a file"),
])
def test_an_exchange_that_cannot_be(course, tmp_path, place, says):
    (tmp_path / "file").write_text("")
    exchange = place.format(file=tmp_path / "file")
    done = run(course, "convcraft", "lab", "--folder", str(tmp_path / "work"), CONVCRAFT_EXCHANGE=exchange)
    assert done.returncode
    assert exchange in done.stderr and says in done.stderr and "CONVCRAFT_EXCHANGE" in done.stderr


def test_an_exchange_that_cannot_be_written(course, tmp_path):
    need(shutil.which("bwrap"), "bubblewrap", "`make system`")
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    done = run(course, "convcraft", "lab", "--folder", str(tmp_path / "work"), CONVCRAFT_EXCHANGE=str(exchange),
               before=["bwrap", "--dev-bind", "/", "/", "--ro-bind", exchange, exchange])
    assert done.returncode
    assert str(exchange) in done.stderr and "cannot be written" in done.stderr


@pytest.mark.parametrize(("teacher", "taken", "words"), [
    ("nobody-of-that-name", False, "no user nobody-of-that-name. Make one with"),
    ("daemon", True, "exchange/convcraft: is no folder of daemon's"),
])
def test_the_hub_refuses_to_start_without_a_teacher_or_on_somebody_elses_exchange(
        teacher, taken, words, course):
    need(os.getuid() == 0, "root", "the hub belongs to root: run the test as root")
    with tempfile.TemporaryDirectory() as place:  # unlike tmp_path, others may enter it
        folder = Path(place)
        folder.chmod(0o711)
        shutil.copytree(course / "deploy", folder / "course/deploy")
        (folder / "course").chmod(0o1777)
        if taken:
            (folder / "exchange/convcraft").mkdir(parents=True)
        code = ("import runpy; from traitlets.config import Config; "
                f"runpy.run_path({str(folder / 'course/deploy/jupyterhub_config.py')!r}, {{'get_config': Config}})")
        done = run(course, "python", "-c", code, CONVCRAFT_TEACHER=teacher, CONVCRAFT_EXCHANGE=str(folder / "exchange"),
                   CONVCRAFT_STATE=str(folder / "state"), CONVCRAFT_EXAMS=str(folder / "exams"))
        assert done.returncode
        assert words in done.stderr
        assert not (folder / "state").exists()


def test_the_teachers_lab_opens_on_a_course_with_chinese_characters(course, tmp_path):
    port, variables = free_port(), environment(course, tmp_path / "home")
    command = [Path(variables["PATH"].split(":")[0], "convcraft"), "teach", "--port", str(port), "--", "--no-browser",
               f"--IdentityProvider.token={TOKEN}", "--allow-root"]
    url = f"http://127.0.0.1:{port}"
    with served(command, f"{url}/api?token={TOKEN}", tmp_path / "log", env=variables):
        page = requests.get(f"{url}/formgrader/api/assignments?token={TOKEN}", timeout=30)
        assert page.ok and "01_convolution" in page.text
