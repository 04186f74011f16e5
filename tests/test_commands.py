"""Every command alike: any terminal's characters and width, a folder that is closed, Ctrl-C."""

import errno
import io
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from conftest import CHAPTERS
from rich.console import Console

from convcraft.commands.shell import Commands
from convcraft.demo import show
from convcraft.demo.cohort import a_few
from convcraft.grading.seeds import seed_for
from convcraft.lab import serve
from convcraft.layout import copied


def command(body) -> click.Group:
    group = Commands()
    group.add_command(click.Command("try", callback=body))
    return group


def fail_with(error):
    def body():
        raise error
    return body


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_place_that_cannot_be_written_is_named_in_a_sentence(number):
    error = OSError(number, os.strerror(number), "/a/course/demo")
    result = CliRunner().invoke(command(fail_with(error)), ["try"])
    assert result.exit_code == 1
    assert f"/a/course/demo: {os.strerror(number)}." in result.output


def test_another_error_of_the_system_is_no_matter_of_places():
    error = OSError(errno.EIO, "Input/output error", "/a/disk")
    assert CliRunner().invoke(command(fail_with(error)), ["try"]).exception is error


def test_an_interrupt_ends_in_a_sentence():
    result = CliRunner().invoke(command(fail_with(KeyboardInterrupt())), ["try"])
    assert result.exit_code == 130
    assert "Interrupted." in result.output


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii"])
def test_what_a_file_cannot_hold_is_written_plainly(encoding):
    code = ("import click; from convcraft.commands.shell import Commands; group = Commands(); "
            "group.add_command(click.Command('try', callback=lambda: print('✓ 3 × 4 … 课'))); group(['try'])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True,
                          env=os.environ | {"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    times = "x" if encoding == "ascii" else "×"
    dots = "…" if encoding == "cp1252" else "..."
    assert done.stdout.decode(encoding).strip() == f"ok 3 {times} 4 {dots} ?"


@pytest.mark.parametrize("width", [60, 80])
def test_the_demos_table_fits_a_narrow_terminal_and_one_screen(width):
    chapter = CHAPTERS[0]
    students = a_few(chapter)
    rows = [show.Marked(student.name, chapter.name, name, 1.0, exercise.points, mistake.sentence if mistake else "",
                        [mistake.sentence] if mistake else [], "")
            for name, exercise in chapter.exercises.items() for student in students
            for mistake in [student.mistakes.get(name)]]
    console = Console(width=width, record=True, file=io.StringIO())
    show.brief(console, chapter, students, rows)
    lines = console.export_text().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert len(lines) <= 12
    assert all(name in "\n".join(lines) for student in students for name in [student.name, *student.mistakes])


def test_the_demo_knows_what_is_due_from_the_draws_that_the_grader_uses(monkeypatch):
    chapter, used = CHAPTERS[0], {}
    examined = show.examined
    monkeypatch.setattr(show, "examined", lambda exercise, answer, seed: used.setdefault(exercise.name, seed)
                        and examined(exercise, answer, seed))
    student = next(student for student in a_few(chapter) if student.mistakes)
    show.marked([chapter], [student], [], {}, secret=7)
    assert used == {name: seed_for(seed_for(7, chapter.name), name) for name in student.mistakes}


def test_a_copy_of_what_is_read_only_can_be_changed(tmp_path):
    (tmp_path / "from/inner").mkdir(parents=True)
    (tmp_path / "from/inner/file").write_text("text")
    for path in (tmp_path / "from/inner/file", tmp_path / "from/inner", tmp_path / "from"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    target = copied(tmp_path / "from", tmp_path / "to")
    assert all(path.stat().st_mode & 0o200 for path in (target, *target.rglob("*")))


def test_windows_starts_jupyterlab_with_a_blank_in_its_path(tmp_path, monkeypatch):
    """There `os.execv` would cut a path at its blank."""
    program = tmp_path / "a home" / "program.py"
    program.parent.mkdir()
    program.write_text("import sys; sys.exit(7 if sys.argv[1:] == ['--dir=a b'] else 1)")
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # or Ctrl-C would no more end the tests
    with pytest.raises(SystemExit) as end:
        serve.become([sys.executable, str(program), "--dir=a b"], windows=True)
    assert end.value.code == 7


@pytest.mark.parametrize(("user", "options", "told"), [(0, (), True), (0, ("--allow-root",), False), (1000, (), False)])
def test_root_is_told_how_jupyterlab_starts_for_it(user, options, told, tmp_path, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(serve, "become", started.append)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.chdir(tmp_path)
    serve.start([], tmp_path, 8888, options)
    assert ("`convcraft lab -- --allow-root`" in capsys.readouterr().err) == told
    assert len(started) == 1 and {*options} <= {*started[0]}


@pytest.mark.parametrize(("facts", "said"), [
    ({"LANG": "zh_CN.UTF-8"}, "已中断。"),
    ({"LANG": "C"}, "Interrupted."),
    ({"LANG": "C", "CONVCRAFT_LANGUAGE": "zh"}, "已中断。"),
    ({"LANG": "zh_CN.UTF-8", "CONVCRAFT_LANGUAGE": "en"}, "Interrupted."),
    ({"LANG": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"}, "已中断。"),
    ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "cp1252"}, "Interrupted."),  # its letters would be question marks
])
def test_commands_speak_the_systems_language_where_the_terminal_can_show_it(facts, said):
    code = ("import click; from convcraft.commands.shell import Commands; group = Commands()\n"
            "def stop(): raise KeyboardInterrupt\n"
            "group.add_command(click.Command('try', callback=stop)); group(['try'])")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=bare | facts)
    assert done.returncode == 130 and said in done.stderr.decode(facts.get("PYTHONIOENCODING", "utf-8"))


def test_a_language_that_is_not_there_ends_in_a_sentence(monkeypatch):
    monkeypatch.setenv("CONVCRAFT_LANGUAGE", "klingon")
    result = CliRunner().invoke(command(lambda: None), ["try"])
    assert result.exit_code == 1
    assert "CONVCRAFT_LANGUAGE: there is no language 'klingon' here; there are en, zh" in result.output
