"""A released notebook by itself: what it needs is in it, or named in a sentence."""

import json
import subprocess
import sys

import nbformat
import pytest

from convcraft.author.alone import MOST, begin
from convcraft.author.published import Published, PublishedError, published
from convcraft.author.source import chapters
from convcraft.commands import ROOT
from convcraft.layout import RELEASED

RELEASES = sorted((ROOT / RELEASED).glob("*/*.ipynb"))
SOMEWHERE = Published("someone/course", "v2", "https://example.org/convcraft-2.0.0-py3-none-any.whl")


def _code(notebook: dict) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.parent.name)
def test_it_holds_its_pictures_and_is_small(path):
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert path.stat().st_size < MOST
    notebook = nbformat.read(path, as_version=4)
    shown = {picture.name for chapter in chapters(ROOT, (path.parent.name,)) for _, picture in chapter.pictures()}
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert shown and prose.count("]: data:image/") == len(shown)


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.parent.name)
def test_its_first_cell_says_in_a_sentence_what_to_install(path, tmp_path):
    first = _code(json.loads(path.read_text(encoding="utf-8")))[0]
    done = subprocess.run([sys.executable, "-I", "-S", "-c", first], capture_output=True, text=True, cwd=tmp_path)
    said = done.stderr.strip().splitlines()[-1]
    assert said.startswith("ModuleNotFoundError: The package convcraft is not installed here: ")
    assert "pip install convcraft" not in said  # of that name there may be another one


def test_a_notebook_whose_course_is_published_says_where(tmp_path):
    (chapter,) = chapters(ROOT, ("03_relu",))
    notebook = chapter.notebook()
    begin(notebook, chapter, SOMEWHERE, "notebooks/en/03_relu/relu.ipynb")
    assert "https://colab.research.google.com/github/someone/course/blob/v2/notebooks/en/03_relu/relu.ipynb" in \
        notebook.cells[0].source
    first = _code(notebook)[0]
    assert f"%pip install --quiet --no-deps {SOMEWHERE.wheel}" in first  # Colab's own PyTorch stays
    assert f"`%pip install {SOMEWHERE.wheel}`" in first


def test_nothing_is_shown_of_a_course_that_is_not_published():
    for path in RELEASES:
        text = path.read_text(encoding="utf-8")
        assert "colab.research" not in text and "mybinder" not in text and "--no-deps" not in text


@pytest.mark.parametrize(("setting", "says"), [
    ('repository = "someone/course"', "must be the address of a repository on GitHub"),
    ('wheels = "x"', "knows no 'wheels'"),
])
def test_a_setting_that_cannot_be_used_is_named(setting, says, tmp_path):
    (tmp_path / "pyproject.toml").write_text(f"[tool.convcraft]\n{setting}\n")
    with pytest.raises(PublishedError, match=says):
        published(tmp_path)


def test_a_setting_is_read(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.convcraft]\nrepository = "https://github.com/someone/course"\n')
    assert published(tmp_path) == Published("someone/course", "main", "")
    assert published(tmp_path / "elsewhere") == Published()


def test_no_text_installs_a_package_by_the_bare_name():
    for path in [*ROOT.glob("README*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *RELEASES]:
        assert "pip install convcraft " not in path.read_text(encoding="utf-8").replace("`", " "), path
