"""The wheel by itself: installed into an environment of its own, used in empty folders with no clone in sight."""

import json
import os
import posixpath
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from convcraft.author.source import PICTURE, chapters
from convcraft.exam import load_course
from convcraft.place import COURSE as ROOT

pytestmark = [pytest.mark.xdist_group("wheel"),
              pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is missing; `make system` brings it")]
MOST = 15_000_000  # bytes, of two languages
CHAPTER, NOTEBOOK = "03_relu", "relu.ipynb"
ANSWER = "def relu(x):\n    return x.clamp(min=0)\n"
EVERYWHERE = ('sys.prefix, sys.base_prefix, os.path.dirname(convcraft.__file__), '
              '"/opt", "/srv", "/home", "/root", "/tmp"')
SEARCH = r'''
import importlib, os, re, sys
found = []
for name in ("convcraft.course", "convcraft.course.source", "source", "exams"):
    try:
        module = importlib.import_module(name)
        found += [name] if any(os.listdir(place) for place in module.__path__) else []
    except ImportError:
        pass
import convcraft
for top in {PLACES}:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if not (name.endswith((".ipynb", ".po")) or name.endswith((".py", ".pyc")) and "site-packages" not in
                    path.replace("site-packages/convcraft", "")):  # other packages hold no answers, and are large
                continue
            try:
                data = open(path, "rb").read()
            except OSError:
                continue
            # nbgrader's own examples have solutions, too; the package has the pattern of an exam
            solved = name.endswith(".ipynb") and b"BEGIN SOL" + b"UTION" in data and b"conv" + b"craft" in data
            if "convcraft/course/" in path or solved or re.search(rb"(?m)^@(?!NAME)\w+\.misconception\(", data):
                found.append(path)
print("FO" + "UND" if found else "nothing", found[:5])
'''


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True,
                   capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory) -> Path:
    """An environment with this one's packages and the wheel's convcraft."""
    target = tmp_path_factory.mktemp("env") / "env"
    shutil.copytree(sys.prefix, target, symlinks=True, copy_function=_linked,
                    ignore=lambda folder, names: [name for name in names if "convcraft" in name or name == "proxy"])
    for path in [*target.glob("bin/*"), *target.glob("share/jupyter/kernels/*/*"), target / "pyvenv.cfg"]:
        text = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        if sys.prefix.encode() in text and len(text) < 100_000:
            mode = path.stat().st_mode
            path.unlink()  # a link to the other one's file
            path.write_bytes(text.replace(sys.prefix.encode(), str(target).encode()))
            path.chmod(mode)
    subprocess.run([target / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel],
                   check=True)
    return target


@pytest.fixture
def call(environment, tmp_path):
    """Runs a program of the environment in an empty folder; the environment is read-only, the clone out of sight."""
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    variables = {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1",
                 "PYTHONDONTWRITEBYTECODE": "1", "JUPYTER_PLATFORM_DIRS": "1"}

    def run(*arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            ["bwrap", "--dev-bind", "/", "/", "--ro-bind", environment, environment, "--tmpfs", ROOT,
             "--chdir", folder, "--", environment / "bin" / arguments[0], *arguments[1:]],
            env=variables, capture_output=True, text=True, timeout=540)
        said = done.stdout + done.stderr
        assert "Traceback" not in said and done.returncode == status, said[-3000:]
        return said

    run.folder = folder
    return run


def test_it_holds_the_course_and_is_small(wheel):
    assert wheel.stat().st_size < MOST
    names = zipfile.ZipFile(wheel).namelist()
    for chapter in sorted(path.parent.name for path in ROOT.glob("source/*/exams")):
        for part in (f"source/{chapter}/exams/", f"assets/{chapter}/", f"notebooks/en/{chapter}/", "solutions/"):
            assert any(name.startswith(f"convcraft/course/{part}") for name in names), (chapter, part)
    for path in ROOT.glob("notebooks/zh/*/*.ipynb"):
        chapter = path.parent.name
        for part in (f"notebooks/zh/{chapter}/{path.name}", f"solutions/zh/{chapter}.ipynb", f"source/{chapter}/zh.po"):
            assert f"convcraft/course/{part}" in names
    assert {"convcraft/fonts/ConvCraftSansSC.otf", "convcraft/fonts/OFL.txt"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {"convcraft", next(n for n in names if "dist-info" in n)
                                                          .partition("/")[0]}
    assert not [name for name in names if "__pycache__" in name or (name.startswith("convcraft/course/source")
                and name.endswith(".ipynb"))]


def test_it_holds_what_students_open_and_its_solutions_lack_outputs_alone(wheel):
    archive = zipfile.ZipFile(wheel)
    names = set(archive.namelist())
    for edition in (edition for chapter in chapters(ROOT) for edition in chapter.editions()):
        for path in sorted(edition.released.glob("*.ipynb")):
            assert archive.read(f"convcraft/course/{path.relative_to(ROOT).as_posix()}") == path.read_bytes()
        place = f"convcraft/course/{edition.solution.relative_to(ROOT).as_posix()}"
        there, here = nbformat.reads(archive.read(place), 4), nbformat.read(edition.solution, 4)
        nbformat.validate(there)
        assert [(cell.id, cell.metadata) for cell in there.cells] == [(cell.id, cell.metadata) for cell in here.cells]
        for cell, clone in zip(there.cells, here.cells, strict=True):
            if cell.cell_type == "code":
                assert (cell.source, cell.outputs) == (clone.source, [])
            shown = PICTURE.findall(cell.source) if cell.cell_type == "markdown" else []
            assert {posixpath.normpath(f"{posixpath.dirname(place)}/{link}") for _alt, link in shown} <= names
            assert PICTURE.sub("", cell.source) == PICTURE.sub("", clone.source)


def test_an_answer_is_examined(call):
    said = call("python", "-c", f"import torch\nfrom convcraft import examine\n{ANSWER}\nexamine('relu', relu)")
    assert "✓" in said and "✗" not in said


def test_one_notebook_alone_runs(call):
    shutil.copy(ROOT / "notebooks/en" / CHAPTER / NOTEBOOK, call.folder)
    call("python", "-m", "nbconvert", "--to", "notebook", "--execute", "--output", "done.ipynb", NOTEBOOK)
    cells = json.loads((call.folder / "done.ipynb").read_text())["cells"]
    shown = json.dumps([cell.get("outputs") for cell in cells], ensure_ascii=False)
    assert "Not written yet." in shown and '"output_type": "error"' not in shown


def test_a_reader_lays_out_and_renews_chapters(call):
    call("convcraft", "lab", "--", "--version")
    assert (call.folder / "work" / CHAPTER / NOTEBOOK).is_file()
    assert (call.folder / "exchange").is_dir()
    (call.folder / "work" / CHAPTER / NOTEBOOK).write_text("{}")  # a copy is its reader's
    assert "is new" in call("convcraft", "fresh", CHAPTER)


def test_commands_work_or_say_what_they_need(call):
    assert "clone" in call("convcraft", "build", "notebooks", status=1)
    assert "holds no marks" in call("convcraft", "report", status=1)
    assert "nothing to grade" in call("convcraft", "grade", "--everything")
    assert f"Sealed {len(load_course())} exams" in call("convcraft", "exams", "sealed")
    assert "is what the source gives" in call("convcraft", "check", CHAPTER)


def test_a_class_is_graded_and_nobody_finds_an_answer(call):
    call("convcraft", "teach", "--", "--version")
    assert "03_relu" in call("nbgrader", "generate_assignment", CHAPTER)
    released = json.loads((call.folder / "notebooks/en" / CHAPTER / NOTEBOOK).read_text())
    for student, extra in (("ada", ""), ("mallory", SEARCH.replace("PLACES", EVERYWHERE))):
        cells = [dict(cell) for cell in released["cells"]]
        for cell in cells:
            if cell["metadata"].get("nbgrader", {}).get("grade_id") == "relu":
                cell["source"] = f"import torch\n{ANSWER}"
        cells.append({"cell_type": "code", "id": "search", "metadata": {}, "outputs": [], "execution_count": None,
                      "source": extra or "1"})
        folder = call.folder / "submitted" / student / CHAPTER
        folder.mkdir(parents=True)
        (folder / NOTEBOOK).write_text(json.dumps({**released, "cells": cells}))
    outcome = json.loads(call("convcraft", "grade", "--json", "--timeout", "60").partition("\n")[0])  # stderr follows
    assert {item["student"] for item in outcome["graded"]} == {"ada", "mallory"}
    assert len({item["points"] for item in outcome["graded"]}) == 1 and outcome["graded"][0]["points"] > 0
    text = (call.folder / "autograded/mallory" / CHAPTER / NOTEBOOK).read_text()
    assert "nothing []" in text and "FOUND" not in text
    assert "mean" in call("convcraft", "report")


def test_the_search_finds_answers_where_nothing_hides_them(call):
    """So that "nothing" above means something."""
    assert "FOUND" in call("python", "-c", SEARCH.replace("PLACES", "os.path.dirname(convcraft.__file__)"))


def test_the_made_up_class_gets_the_right_marks(call):
    call("convcraft", "demo")
