"""What a chapter no longer asks is still examined in older copies, and counts nowhere else."""

import io
import shutil
from pathlib import Path

import grading_course as toy
import pytest
from rich.console import Console

from convcraft.author import readme, rules
from convcraft.author.prove import prove
from convcraft.author.source import SourceError, chapters
from convcraft.exam import find
from convcraft.grading.classroom import grade_class

AVERAGE = "exams/toy_average.py"


def retire(root: Path, *, cells: bool = True) -> Path:
    """The course at `root` no longer asks for `toy_average`."""
    folder = root / "source/01_toy"
    exam = folder / AVERAGE
    exam.write_text(exam.read_text().replace("points=30,", "points=30, listed=False,"))
    script = folder / "toy.py"
    if cells:
        text = script.read_text().replace("# ### [](#toy_average) The middle ●●○○○ 10 min\n#\n", "")
        script.write_text(text[:text.index('# %% nbgrader={"grade_id": "toy_average"')])
    return folder


@pytest.fixture
def folder(tmp_path):
    return retire(shutil.copytree(toy.TOY, tmp_path / "toy"))


def test_the_chapter_counts_what_it_asks(folder):
    (chapter,) = chapters(folder.parents[1])
    assert list(chapter.exercises) == ["toy_relu", "toy_affine"] and list(chapter.unlisted) == ["toy_average"]
    assert list(rules.problems(chapter)) == []
    assert "2 exercises (70 points) in 10 minutes." in chapter.notebook().cells[0].source
    table = folder.parents[1] / "README.md"
    table.write_text("| 1 Toys | toys | | | |\n")
    readme.renew(folder.parents[1])
    assert table.read_text() == "| 1 Toys | toys | 10 | 30 | 70 |\n"


def test_a_cell_that_asks_it_all_the_same_is_named(tmp_path):
    folder = retire(shutil.copytree(toy.TOY, tmp_path / "toy"), cells=False)
    with pytest.raises(SourceError, match=r"toy.py:\d+: the cell 'toy_average' asks what .*toy_average.py calls "):
        chapters(folder.parents[1])[0].notebook()


def test_it_is_still_proved(folder):
    console = Console(record=True, width=200, file=io.StringIO())
    prove(chapters(folder.parents[1]), ("toy_average",), console)
    shown = console.export_text()
    assert "✓ misconception sums: 0" in shown and "✓ an answer that returns None: 0" in shown
    assert "the chapter's solution" not in shown and "the released stub" not in shown


def test_it_is_still_found(folder, monkeypatch):
    monkeypatch.delenv("CONVCRAFT_EXAMS", raising=False)
    monkeypatch.setattr("convcraft.exam.course.SOURCE", folder.parent)
    assert find("toy_average").points == 30


@pytest.mark.sandbox
def test_an_older_release_is_still_graded(toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    retire(root)
    toy.submit(root, "ada", toy.notebook(root, toy.RIGHT))
    toy.submit(root, "ben", toy.notebook(root, {**toy.RIGHT, "toy_average": toy.WRONG["toy_average"]}))
    grade_class(root)
    assert toy.points(root) == {"ada": 100, "ben": 70}
