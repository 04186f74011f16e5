"""How far a reader is: kept beside the chapters where he answers, shown as a bar, and nowhere else."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook, new_output

import convcraft
from convcraft import notebook, progress
from convcraft.commands import main
from convcraft.exam import Row, Verdict, load_chapter
from convcraft.exam.sealed import seal

RIGHT = {
    "toy_relu": lambda x: x * (x > 0),
    "toy_affine": lambda x, scale, shift=0.0: x * scale + shift,
}
ASKED = {"toy_relu": 40, "toy_affine": 30, "toy_average": 30}


@pytest.fixture
def work(toy_root, tmp_path, monkeypatch):
    """A reader's own folder, laid out for the toy course; a notebook of its chapter runs."""
    for exercise in load_chapter(toy_root / "source/01_toy/exams").values():
        seal(exercise, tmp_path / "exams")
    folder = tmp_path / "work"
    (folder / "01_toy").mkdir(parents=True)
    progress.begin(folder)
    monkeypatch.setenv("CONVCRAFT_EXAMS", str(tmp_path / "exams"))
    monkeypatch.setattr(progress, "_GRADING", progress._GRADING[:2])  # without the one that pytest sets for this test
    for name in progress._GRADING:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(progress, "COURSE", toy_root)
    monkeypatch.setattr(progress, "_session", {})
    monkeypatch.setattr(notebook, "_told", set())
    monkeypatch.chdir(folder / "01_toy")
    return folder


def shown(capsys):
    capsys.readouterr()
    convcraft.show_progress("01_toy", ASKED)
    return capsys.readouterr().out.splitlines()


def test_the_last_cell_shows_points_what_is_left_and_what_is_next(work, capsys):
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    convcraft.examine("toy_affine", lambda x, scale, shift=0.0: (x + shift) * scale)
    assert shown(capsys) == [
        "01_toy             ████████████░░░░░░░░░░░░  50 of 100 points",
        "  ✓ toy_relu                        40 of 40",
        "  ✗ toy_affine                      10 of 30   left: values, third",
        "  · toy_average                      0 of 30   not begun",
        "the course         ████████████░░░░░░░░░░░░  50 of 100 points",
        "Next: toy_affine; left are values, third.",
    ]


def test_it_is_kept_for_the_next_kernel_and_the_best_verdict_counts(work, capsys, monkeypatch):
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    convcraft.examine("toy_affine", RIGHT["toy_affine"])
    convcraft.examine("toy_relu", lambda x: x.abs())  # as chapters do, to show what is said of a mistake
    monkeypatch.setattr(progress, "_session", {})
    assert shown(capsys)[1:4] == ["  ✓ toy_relu                        40 of 40",
                                  "  ✓ toy_affine                      30 of 30",
                                  "  · toy_average                      0 of 30   not begun"]
    assert [path.name for path in (work / "01_toy").iterdir()] == []  # it is compared, and handed in


def test_a_stub_is_not_begun(work, capsys):
    def stub(x):
        raise NotImplementedError

    convcraft.examine("toy_relu", stub)
    assert shown(capsys)[1] == "  · toy_relu                         0 of 40   not begun"
    assert shown(capsys)[-1] == "Next: toy_relu."


def test_the_page_is_whole_html_and_shows_nobodys_markup(work):
    verdict = Verdict("toy_relu", 0, 40, [Row("<script>", "", False, aspect="<script>")])
    progress.note(verdict, Path.cwd())
    page = progress.page(progress.of_notebook("01_toy", ASKED, Path.cwd()), "01_toy")
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert page.count("<progress value='0' max='100'") == 2


GRADING = progress._GRADING


@pytest.mark.parametrize("name", GRADING)
def test_nothing_is_written_while_a_notebook_is_graded(work, name, monkeypatch):
    monkeypatch.setattr(progress, "_GRADING", GRADING)
    if name != "PYTEST_CURRENT_TEST":  # which is set
        monkeypatch.delenv("PYTEST_CURRENT_TEST")
        monkeypatch.setenv(name, "autograde")
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    assert json.loads((work / ".progress.json").read_text()) == {}


def test_nbval_is_known_by_what_pytest_sets(tmp_path):
    cell = new_code_cell("import os\nprint('PYTEST_CURRENT_TEST' in os.environ)", execution_count=1,
                         outputs=[new_output("stream", name="stdout", text="True\n")])
    path = tmp_path / "book.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(new_notebook(cells=[cell], metadata={"kernelspec": kernel}), path)
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c",
                           os.devnull, "--rootdir", str(tmp_path), "--nbval", str(path)],
                          env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["01_toy-old-1", "scratch"])
def test_what_is_no_chapter_counts_nowhere(work, name, monkeypatch):
    (work / name).mkdir()
    monkeypatch.chdir(work / name)
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    assert json.loads((work / ".progress.json").read_text()) == {}


def test_a_notebook_alone_shows_its_own_chapter_as_long_as_the_kernel_lives(work, capsys, monkeypatch):
    (work / ".progress.json").unlink()
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    lines = shown(capsys)
    assert lines[0] == "01_toy             █████████░░░░░░░░░░░░░░░  40 of 100 points"
    assert not [line for line in lines if "the course" in line]
    assert lines[-1] == "Next: toy_affine."
    for name, points in ASKED.items():
        progress.note(Verdict(name, points, points, [Row("values", "", True)]), Path.cwd())
    assert shown(capsys)[-1] == "This chapter is done."
    assert not (work / ".progress.json").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"toy_relu": 3}', '{"toy_relu": {"points": "many"}}', '{"a": ' * 2000])
def test_a_file_that_cannot_be_read_is_named_once_and_costs_no_verdict(work, content, capsys):
    (work / ".progress.json").write_text(content)
    assert convcraft.examine("toy_relu", RIGHT["toy_relu"]) == 40
    assert convcraft.examine("toy_relu", RIGHT["toy_relu"]) == 40
    out = capsys.readouterr().out
    assert out.count("Your progress could not be kept") == 1 and "delete it: your answers are in the chapters" in out
    assert len(shown(capsys)) == 1
    result = CliRunner().invoke(main, ["progress", "--folder", str(work)])
    assert result.exit_code == 1 and ".progress.json cannot be read" in result.output


def test_a_link_is_replaced_and_not_followed(work, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("{}")
    (work / ".progress.json").unlink()
    (work / ".progress.json").symlink_to(precious)
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    assert precious.read_text() == "{}" and not (work / ".progress.json").is_symlink()


def test_two_notebooks_that_write_at_once_lose_nothing(work):
    verdicts = [Verdict(f"toy_{number}", 1, 1, [Row("values", "", True)]) for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda verdict: progress.note(verdict, Path.cwd()), verdicts))
    assert len(progress.read(work / ".progress.json")) == 24
    assert not list(work.glob(".unfinished-*"))


def test_the_command_shows_every_chapter_and_the_next_thing_to_do(work, monkeypatch):
    monkeypatch.setattr("convcraft.commands.reader.ROOT", progress.COURSE)
    call = ["progress", "--folder", str(work)]
    before = CliRunner().invoke(main, call)
    assert before.output.splitlines() == ["01_toy             ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 100 points",
                                          "the course         ░░░░░░░░░░░░░░░░░░░░░░░░  0 of 100 points",
                                          "Next: toy_relu in 01_toy."]
    convcraft.examine("toy_relu", RIGHT["toy_relu"])
    assert "  ✓ toy_relu                        40 of 40" in CliRunner().invoke(main, call).output.splitlines()
    assert "no chapter '09_x'; there are 01_toy" in CliRunner().invoke(main, [*call, "09_x"]).output
    for name, points in ASKED.items():
        progress.note(Verdict(name, points, points, [Row("values", "", True)]), Path.cwd())
    assert CliRunner().invoke(main, call).output.splitlines()[-1] == "All is done."
    nothing = CliRunner().invoke(main, ["progress", "--folder", str(work / "elsewhere")])
    assert nothing.exit_code == 1 and "`convcraft lab` opens the course" in nothing.output


def test_a_readers_own_copy_says_what_it_asks(work, toy_root):
    """An older one has other exercises; they count for its reader."""
    book = json.loads((toy_root / "notebooks/en/01_toy/toy.ipynb").read_text())
    book["cells"] = [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id")
                     != "toy_average_exam"]
    (work / "01_toy/toy.ipynb").write_text(json.dumps(book))
    assert progress.outline(toy_root, work) == {"01_toy": {"toy_relu": 40, "toy_affine": 30}}
    (work / "01_toy/toy.ipynb").write_text("cut o")
    assert progress.outline(toy_root, work) == {"01_toy": ASKED}
