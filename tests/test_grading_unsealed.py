"""Where answers cannot be sealed off: nothing runs unless told to, and then it is still forked, limited and judged."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import grading_course as toy
import hostile
import pytest
from click.testing import CliRunner
from rich.console import Console

from convcraft.commands import ROOT, main
from convcraft.demo import play
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.sandbox import walls
from convcraft.grading.sandbox.run import Limits

pytestmark = pytest.mark.xdist_group("unsealed")


@pytest.fixture
def course(toy_root, tmp_path) -> Path:
    """One student, whose code would leave a file behind."""
    root = toy.copied(toy_root, tmp_path / "course")
    book = toy.notebook(root, toy.RIGHT)
    book["cells"].insert(0, toy.code(f"open({str(tmp_path / 'ran')!r}, 'w').close()"))
    toy.submit(root, "somebody", book)
    return root


def _refused(course: Path) -> str:
    result = CliRunner().invoke(main, ["grade", "--course", str(course)])
    assert result.exit_code == 1
    assert "--no-sandbox" in result.output
    assert not (course.parent / "ran").exists()
    assert not (course / "autograded").exists()
    return result.output


def test_without_bubblewrap_it_says_what_to_install(course, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Install the package 'bubblewrap'" in _refused(course)


def test_without_user_namespaces_it_says_what_to_allow(course, monkeypatch, tmp_path):
    bwrap = tmp_path / "bin/bwrap"
    bwrap.parent.mkdir()
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", str(bwrap.parent), prepend=":")
    said = _refused(course)
    assert "No permissions to create a new namespace" in said
    assert "sysctl user.max_user_namespaces" in said


def test_elsewhere_than_on_linux_it_says_where_to_go(course, monkeypatch):
    monkeypatch.setattr(walls, "sys", type("Elsewhere", (), {"platform": "darwin", "executable": sys.executable}))
    assert "The sandbox needs Linux" in _refused(course)


_WINDOWS = """
import os, sys
sys.modules.update(fcntl=None, resource=None)
del os.fork
from convcraft.commands import main
main()
"""


@pytest.mark.parametrize("command", ["grade", "grade --everything", "grade --no-sandbox", "demo"])
def test_where_nothing_can_be_forked_it_says_where_to_go(command, course):
    name, *options = command.split()
    options += ["--course", str(course)] if name == "grade" else ["--folder", str(course.parent / "demo")]
    result = subprocess.run([sys.executable, "-c", _WINDOWS, name, *options], capture_output=True, text=True)
    assert result.returncode == 1
    assert "Grade on Linux, in WSL or in a Linux container" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (course.parent / "ran").exists()


def test_without_a_sandbox_the_demo_goes_on_and_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(play, "can_seal", lambda course: False)
    monkeypatch.setattr(play, "everybody", lambda found, everybody=play.everybody: everybody(found)[:3])
    assert play.play(ROOT, tmp_path / "demo", ("05_resnet",), Console(soft_wrap=True))
    assert "There is no sandbox here" in capsys.readouterr().out


def test_nbgraders_own_command_refuses_as_well(course, monkeypatch, tmp_path):
    from convcraft.grading.nbgrader.preprocessors import Mark

    monkeypatch.setenv("PATH", str(tmp_path))
    facts = {"student": "somebody", "assignment": "01_toy", "notebook": "toy"}
    with pytest.raises(walls.NoSandboxError, match="bubblewrap"):
        Mark(sandbox=True, parent=None).preprocess(None, {"nbgrader": facts})


def test_packages_outside_pythons_own_folder_are_named(tmp_path):
    """As with `pip install --user`, or a PYTHONPATH: the interpreter under the environment, given its packages."""
    code = "import pathlib; from convcraft.grading.sandbox import walls; walls.check(pathlib.Path.cwd())"
    packages = sysconfig.get_path("purelib")
    run = subprocess.run([sys._base_executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                         env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), packages])})
    said = run.stderr.splitlines()[-1]
    assert said.startswith(f"convcraft.grading.sandbox.walls.NoSandboxError: torch lies in {packages}, outside")
    assert "Install the course into an environment of its own" in said


_STILL = ["os_exit", "os_exit_in_answer", "segfault_in_answer", "endless_loop_in_answer", "endless_loop_in_c_in_answer",
          "memory_bomb", "exam_patched", "examine_patched", "equal_to_everything", "forged_points",
          "searches_gc_for_code", "tag_skip_execution", "left_behind"]


@pytest.fixture(scope="module")
def unsealed(toy_root, tmp_path_factory) -> Path:
    root = toy.copied(toy_root, tmp_path_factory.mktemp("unsealed") / "course")
    for attack in hostile.ATTACKS:
        if attack.name in _STILL:
            attack.place(root, f"h-{attack.name}")
    toy.submit(root, "zz-honest", toy.notebook(root, toy.RIGHT))
    summary = grade_class(root, course=Course(root, root / "source", sealed=False, limits=Limits(2.0, 512 * 2**20)))
    assert not summary.problems
    return root


@pytest.mark.parametrize("name", _STILL)
def test_without_walls_an_answer_still_gets_what_it_earns(name, unsealed):
    (attack,) = (attack for attack in hostile.ATTACKS if attack.name == name)
    assert attack.fits(toy.points(unsealed)[f"h-{name}"])
    assert "FOUND" not in str(toy.graded_notebook(unsealed, f"h-{name}"))


def test_without_walls_the_next_student_is_graded_as_always(unsealed):
    assert toy.points(unsealed)["zz-honest"] == 100


def test_without_walls_nothing_stays_behind(unsealed):
    names = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            names.append(path.read_text().strip())
        except OSError:  # ended meanwhile
            continue
    assert hostile.MINE not in names


_WITHOUT = """
import os, signal
if hasattr(signal, "sigtimedwait"): del signal.sigtimedwait
from convcraft.grading.sandbox.warm import arrival
wanted = {signal.SIGCHLD, signal.SIGTERM}
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
assert arrival(wanted, 0.05) is None
os.kill(os.getpid(), signal.SIGTERM)
assert arrival(wanted, 60) == signal.SIGTERM
"""


def test_where_no_signal_can_be_waited_for_with_a_limit_it_is_looked_for():
    done = subprocess.run([sys.executable, "-c", _WITHOUT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
