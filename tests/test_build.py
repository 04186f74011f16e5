"""From source to what is committed; and the checks that it is what the source gives."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import CHAPTERS
from nbformat.v4 import new_code_cell, new_output

from convcraft.author import assets, notebooks, readme, solutions
from convcraft.author.check import problems
from convcraft.author.prove import answers, held_table
from convcraft.author.source import SourceError, chapters
from convcraft.commands import ROOT
from convcraft.exam.sealed import seal

pytestmark = pytest.mark.xdist_group("build")
TOY = Path(__file__).parent / "toy_course"
SANITIZE = Path(__file__).parent / "nbval_sanitize.cfg"
FIGURES = '''
import matplotlib.pyplot as plt
from PIL import Image

def line():
    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 3])
    assert callable(_helper)
    return figure

def blink():
    return [Image.new("RGB", (8, 8), colour) for colour in ("white", "black")], 300

def _helper():
    raise AssertionError("a private function is no figure")
'''


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The toy course, built once; tests take copies."""
    root = tmp_path_factory.mktemp("course with a space 课程") / "toy"
    shutil.copytree(TOY, root)
    folder = root / "source/01_toy"
    (folder / "figures.py").write_text(FIGURES)
    script = folder / "toy.py"
    script.write_text(script.read_text().replace(
        "# # Toys\n#\n", "# # Toys\n#\n# ![a line that rises](../../assets/01_toy/line.svg)\n"
                         "# ![a square that blinks](../../assets/01_toy/blink.gif)\n#\n"))
    (chapter,) = chapters(root)
    assets.draw(chapter, chapter.assets)
    notebooks.release([chapter], root)
    for exercise in chapter.exercises.values():
        seal(exercise, root.parent / "exams")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVCRAFT_EXAMS", str(root.parent / "exams"))  # those that the course has of itself are others
        solutions.execute(chapter)
    return root


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVCRAFT_EXAMS", str(built.parent / "exams"))
    return shutil.copytree(built, tmp_path / "toy")


def complaints(root):
    return list(problems(chapters(root), root, furnished=False))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def released(root):
    return root / "notebooks/en/01_toy/toy.ipynb"


def test_a_built_course_has_no_problem(course):
    assert complaints(course) == []


def test_a_second_build_changes_no_byte(course):
    (chapter,) = chapters(course)
    folders = [course / "assets", course / "notebooks"]
    before = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    assets.draw(chapter, chapter.assets)
    notebooks.release([chapter], course)
    after = {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert before == after
    assert {path.name for path in after} == {"line.svg", "line.webp", "blink.gif", "toy.ipynb"}


def test_a_second_run_of_the_solutions_changes_outputs_at_most(course):
    (chapter,) = chapters(course)
    before = nbformat.read(chapter.solution, as_version=4)
    solutions.execute(chapter)
    after = nbformat.read(chapter.solution, as_version=4)
    assert solutions.without_outputs(before) == solutions.without_outputs(after)


def test_what_students_open_holds_stubs_exams_and_pictures(course):
    notebook = nbformat.read(released(course), as_version=4)
    nbformat.validate(notebook)
    facts = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert sum(fact.points for fact in facts if fact.grade) == 100
    assert all(fact.locked == fact.grade for fact in facts)
    text = released(course).read_text()
    assert text.count("raise NotImplementedError") == 3
    assert "x * (x > 0)" not in text
    assert "![a line that rises][line]" in text and "[line]: data:image/webp;base64," in text
    assert "[blink]: data:image/gif;base64," in text


def test_cells_keep_their_ids_where_nothing_changed(course):
    (chapter,) = chapters(course)
    before = [cell.id for cell in chapter.notebook().cells]
    edit(chapter.script, "Scale, then shift.", "Scale, and then shift.")
    after = [cell.id for cell in chapters(course)[0].notebook().cells]
    assert len(set(after)) == len(after)
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_solutions_show_no_markers(course):
    assert "### BEGIN" not in (course / "solutions/01_toy.ipynb").read_text()


def test_everyone_who_is_known_to_answer_gets_what_is_due(course):
    (chapter,) = chapters(course)
    solution, stub = answers(chapter)
    for name, exercise in chapter.exercises.items():
        assert [item.complaint for item in held_table(exercise, solution[name], stub[name])] == [""] * 5


@pytest.mark.parametrize(("spoil", "says", "remedy"), [
    (lambda root: edit(released(root), "Toys", "Games"), "toy.ipynb is not what", "make notebooks"),
    (lambda root: released(root).unlink(), "toy.ipynb is missing", "make notebooks"),
    (lambda root: edit(root / "solutions/01_toy.ipynb", "Toys", "Games"), "01_toy.ipynb is not what", "make solutions"),
    (lambda root: (root / "solutions/01_toy.ipynb").unlink(), "01_toy.ipynb is missing", "make solutions"),
    (lambda root: edit(root / "solutions/01_toy.ipynb", '"text/plain"', '"image/png"'), "no alt text", "use_style()"),
    (lambda root: (root / "assets/01_toy/line.svg").unlink(), "line.svg is missing", "make assets"),
    (lambda root: edit(root / "source/01_toy/figures.py", "[1, 3]", "[1, 2]"), "line.svg is not what", "make assets"),
    (lambda root: edit(root / "source/01_toy/figures.py", '"black"', '"grey"'), "blink.gif is not what", "make assets"),
    (lambda root: (root / "assets/01_toy/old.svg").write_text("<svg/>"), "old.svg is drawn by no code", "make assets"),
    (lambda root: edit(root / "source/01_toy/toy.py", "a line that rises", ""), "no alt text", "write one"),
    (lambda root: edit(root / "source/01_toy/toy.py", "Scale, then shift.", ""),
     "the task does not say 'Scale, then shift.'", "copy"),
    (lambda root: [edit(root / "source/01_toy" / file, "Scale, then shift.", "Scale, and shift after.")
                   for file in ("toy.py", "exams/toy_affine.py")],
     "the verdict of toy_affine does not say 'Scale, and shift after.'", "make solutions"),
    (lambda root: edit(root / "source/01_toy/exams/toy_relu.py", "points=40", "points=41"), "add up to 101",
     "points="),
    (lambda root: edit(root / "source/01_toy/toy.py", "not [](#toy_affine)", "not Exercise 1.2"),
     "toy.py:13: the number in 'Exercise 1.2' is typed by hand", "[](#name)"),
    (lambda root: edit(root / "source/01_toy/toy.py", "Scale, then shift.", "Scale, then shift: 1\n# + 2."),
     "a line that begins with + is shown as a bullet", "+ 2."),
    (lambda root: edit(root / "source/01_toy/toy.py", "{minutes} minutes", "20 minutes"),
     "toy.py:13: '20 minutes' is typed by hand", "{minutes}"),
    (lambda root: edit(root / "source/01_toy/toy.py", "not [](#toy_affine)", "not [](#toy_line)"),
     "toy.py:13: [](#toy_line) leads nowhere", "name an exercise"),
    (lambda root: edit(root / "source/01_toy/toy.py", "[](#toy_average) The middle", "The middle"),
     "toy_average has no heading", "### [](#toy_average) A title"),
    (lambda root: edit(root / "source/01_toy/toy.py", " 10 min", ""), "how long does toy_average take?", "15 min"),
    (lambda root: edit(root / "source/01_toy/toy.py", " with_reading=30", ""),
     "toy.py:13: it does not say how many minutes", "with_reading=240"),
    (lambda root: edit(root / "source/01_toy/toy.py", "The middle", "The middle (hard)"),
     "a heading is marked (hard), and the chapter's opening does not say", "*hard*"),
    (lambda root: edit(root / "source/01_toy/toy.py", "{minutes} minutes", "{minutes} minutes, some of them *long*"),
     "toy.py:13: the opening speaks of *long*, and no heading is marked (long)", "behind a title"),
    (lambda root: edit(root / "source/01_toy/exams/toy_relu.py", "The sign was", "As in Exercise 1.2, the sign was"),
     "toy_relu.py:14: 'Exercise 1.2' changes", "say its name"),
    (lambda root: (root / "README.md").write_text("| 1 Toys | toys | 20 | 30 | 99 |\n"),
     "README.md:1: the chapter's row should read '| 1 Toys | toys | 20 | 30 | 100 |'", "make notebooks"),
    (lambda root: [(root / "docs").mkdir(), (root / "docs/more.md").write_text("[lost](lost.md) `[code](is no link)`")],
     "more.md: the link lost.md leads nowhere", "mend it"),
    (lambda root: (root / "README.md").write_text("| 2 Toys | toys | 20 | 30 | 99 |\n"),
     "no row for chapter 1", "write | 1"),
    (lambda root: edit(root / "source/01_toy/toy.py", '"toy_relu_exam"', '"toy_affine_exam"'), "must be examine", ""),
    (lambda root: (root / "source/01_toy/toy.py").write_text((root / "source/01_toy/toy.py").read_text() + '''
# %% nbgrader={"grade_id": "toy_relu_exam", "grade": true}
examine("toy_relu", toy_relu)
'''), "grade_id 'toy_relu_exam' is there twice", "rename"),
    (lambda root: edit(root / "source/01_toy/toy.py", '"grade_id": "toy_relu"', '"grade_id": "toy_rule"'),
     "'toy_rule' belongs to no exercise", "rename"),
    (lambda root: edit(released(root), "![a line that rises][line]", "![a line that rises](line.svg)"), "is not in",
     "whole"),
    (lambda root: edit(released(root), "    raise NotImplementedError", "    return x * (x > 0)"),
     "this line of an answer is in it: 'return x * (x > 0)'", "make notebooks"),
    (lambda root: edit(released(root), "    raise NotImplementedError", "    return (x + shift) * scale"),
     "this line of an answer is in it: 'return (x + shift) * scale'", "make notebooks"),
    (lambda root: shutil.copy(root / "source/01_toy/exams/toy_affine.py", released(root).parent),
     "must not be released",
     "make notebooks"),
    *((lambda root, stray=stray: (root / stray).mkdir(), f"{stray} belongs to no chapter", "delete it")
      for stray in ("notebooks/en/99_old", "notebooks/old", "solutions/old.ipynb", "assets/99_old")),
])
def test_what_is_wrong_is_named_with_its_remedy(course, spoil, says, remedy):
    spoil(course)
    found = [problem for problem in complaints(course) if says in problem]
    assert found, complaints(course)
    assert remedy in found[0]


def test_numbers_links_minutes_and_points_are_written_by_the_build(course):
    prose = (chapters(course)[0].notebook().cells[0].source)
    assert "3 exercises (100 points) in 20 minutes." in prose
    assert '### <a id="toy_average"></a>Exercise 1.3 · The middle ●●○○○ 10 min' in prose
    assert "It is not [Exercise 1.2](#toy_affine)." in prose


def test_another_chapters_exercise_is_named_without_a_link(course):
    other = shutil.copytree(course / "source/01_toy", course / "source/02_other")
    (other / "toy.py").rename(other / "other.py")
    for old in other.glob("exams/*.py"):
        old.rename(old.with_name(f"other_{old.name}"))
        edit(old.with_name(f"other_{old.name}"), "toy_", "other_toy_")
    edit(other / "other.py", "toy_", "other_toy_")
    edit(other / "other.py", "[](#other_toy_affine).", "[](#toy_average).")
    assert "It is not Exercise 1.3." in chapters(course)[1].notebook().cells[0].source


def test_changed_prose_needs_no_new_run(course):
    edit(course / "source/01_toy/toy.py", "It is not", "It differs from")
    (chapter,) = chapters(course)
    before = nbformat.read(chapter.solution, as_version=4)
    solutions.reword(chapter)
    after = nbformat.read(chapter.solution, as_version=4)
    assert [cell.get("outputs") for cell in after.cells] == [cell.get("outputs") for cell in before.cells]
    assert "It differs from [Exercise 1.2]" in after.cells[0].source
    edit(chapter.script, "return x * (x > 0)", "return x.clamp(0)")
    with pytest.raises(SourceError, match=r"not prose alone has changed.*make solutions CHAPTER=01_toy"):
        solutions.reword(chapter)


def test_the_course_table_has_the_chapters_numbers(course):
    table = course / "README.md"
    table.write_text("# Toys\n\n| chapter | you build | minutes | with reading | points |\n"
                     "| --- | --- | --: | --: | --: |\n| 1 Toys | toys | | | |\n")
    readme.renew(course)
    assert table.read_text().endswith("| 1 Toys | toys | 20 | 30 | 100 |\n")
    assert complaints(course) == []


def test_a_build_that_fails_deletes_nothing(course):
    kept = released(course).read_bytes()
    edit(course / "source/01_toy/toy.py", '"grade_id": "toy_relu", "solution": true', '"grade_id": "toy_relu"')
    with pytest.raises(SourceError, match=r"toy.py:39: the cell 'toy_relu' must"):
        notebooks.release(chapters(course), course)
    assert released(course).read_bytes() == kept
    assert [path.name for path in released(course).parents[1].iterdir()] == ["01_toy"]


def test_what_nbgrader_refuses_is_one_line_and_deletes_nothing(course, monkeypatch):
    kept = released(course).read_bytes()
    answer = {"success": False, "log": "INFO: a\n[ERROR] No stub\nINFO: b"}
    monkeypatch.setattr(notebooks, "call", lambda *_, **__: answer)
    with pytest.raises(SourceError, match=r"toy.py: nbgrader could not release it: \[ERROR\] No stub$"):
        notebooks.release(chapters(course), course)
    assert released(course).read_bytes() == kept


def test_two_exercises_of_one_name_are_told_apart(course):
    shutil.copytree(course / "source/01_toy", course / "source/02_toy")
    with pytest.raises(ValueError, match="also in 01_toy"):
        from convcraft.exam import load_course
        load_course(course / "source")


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone")
def test_nothing_is_committed_that_git_is_told_to_ignore():
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert not subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_an_unknown_chapter_is_named(course):
    with pytest.raises(SourceError, match="no chapter '09_nothing'; there are 01_toy"):
        chapters(course, ("09_nothing",))


def nbval(root):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-sanitize-with", SANITIZE, "-p", "no:cacheprovider",
         "--rootdir", root, "solutions"], cwd=root, capture_output=True, text=True, check=False)


def test_nbval_passes_on_what_was_built_and_fails_where_a_reference_breaks(course):
    assert nbval(course).returncode == 0, nbval(course).stdout
    path = course / "solutions/01_toy.ipynb"
    notebook = json.loads(path.read_text())
    for cell in notebook["cells"]:
        cell["source"] = [line.replace("return x * (x > 0)", "return x * (x < 0)") for line in cell["source"]]
    path.write_text(json.dumps(notebook))
    broken = nbval(course)
    assert broken.returncode == 1
    assert "toy.ipynb" in broken.stdout


@pytest.mark.parametrize(("kept", "status"), [("-0.7683442831039429", 0), ("-0.7693442234992981", 1)])
def test_nbval_compares_numbers_but_not_their_last_digits(course, kept, status):
    path = course / "solutions/01_toy.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [new_code_cell("print(-0.7683442234992981)", execution_count=1,
                                    outputs=[new_output("stream", name="stdout", text=f"{kept}\n")])]
    nbformat.write(notebook, path)
    assert nbval(course).returncode == status


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_no_sum_is_left_unwritten_even_where_its_line_breaks(chapter):
    words = "\n".join(cell.source for cell in chapter.notebook().cells if cell.cell_type == "markdown")
    assert not re.search(r"\{(minutes|points|exercises|hours)\b", words)
