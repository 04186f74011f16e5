"""An author cannot go wrong unnoticed: each slip is made in a copy of the toy course, and told in one line."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from convcraft.author import new, notebooks, rules
from convcraft.author.prove import prove
from convcraft.author.source import SourceError, chapters

TOY = Path(__file__).parent / "toy_course"
SCRIPT, RELU, AFFINE = "toy.py", "exams/toy_relu.py", "exams/toy_affine.py"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(TOY, tmp_path / "toy") / "source/01_toy"


def edit(path, old, new_text):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new_text, 1))


def told(folder):
    """What `check` says of the source: the rules, then what no notebook can be made of."""
    (chapter,) = chapters(folder.parents[1])
    lines = []
    try:
        lines += rules.problems(chapter)
        chapter.notebook()
        lines += rules.quotes(folder.parents[1])
    except SourceError as error:
        lines.append(str(error))
    return lines


def test_the_toy_course_breaks_no_rule(folder):
    assert told(folder) == []


SLIPS = {
    "solution tag forgotten": (
        SCRIPT, ' nbgrader={"grade_id": "toy_relu", "solution": true}', "",
        "toy.py:36: an answer's cell without its key", '# %% nbgrader={"grade_id": "NAME", "solution": true}'),
    "solution key forgotten": (
        SCRIPT, '"grade_id": "toy_relu", "solution": true', '"grade_id": "toy_relu"',
        "toy.py:36: the cell 'toy_relu' must be either", '"solution": true'),
    "END SOLUTION a line early": (
        SCRIPT, '        raise ValueError("nothing to average")\n    return x.mean()\n    ### END SOLUTION',
        '        raise ValueError("nothing to average")\n    ### END SOLUTION\n    return x.mean()',
        "toy.py:60: 'return x.mean()' stands after ### END SOLUTION", "move the marker below it"),
    "both markers forgotten": (
        SCRIPT, "    ### BEGIN SOLUTION\n    return x * (x > 0)\n    ### END SOLUTION", "    return x * (x > 0)",
        "toy.py:36: the whole cell would be cleared", "### BEGIN SOLUTION"),
    "one marker forgotten": (
        SCRIPT, "    return x * (x > 0)\n    ### END SOLUTION", "    return x * (x > 0)",
        "toy.py:36: each ### BEGIN SOLUTION needs", "### END SOLUTION after it"),
    "another name": (
        SCRIPT, "def toy_relu(x)", "def rectified(x)", "toy.py:36: it defines no 'toy_relu'", "name function or class"),
    "try-it cell without its tag": (
        SCRIPT, ' tags=["demo"]', "", "toy.py:43: a cell that tries an answer", 'tags=["demo"]'),
    "an aspect's name twice": (
        AFFINE, '"default"', '"values"', "toy_affine.py: two aspects are called 'values'", "rename one"),
    "a probe with other parameters": (
        RELU, "def toy_relu(impl, draw)", "def toy_relu(impl)", "toy_relu.py:8: TypeError: toy_relu: a probe is",
        "`def toy_relu(impl, draw)`"),
    "a draw outside its lambda": (
        RELU, "    yield aspect(", "    x = draw.normal(4, 8)\n    yield aspect(", "toy_relu.py:10: the probe draws",
        "inside the aspect's lambda"),
    "a call outside its lambda": (
        RELU, "lambda: impl(draw.normal(4, 8))", "impl(1)", "toy_relu.py:10: the probe draws, or calls `impl`",
        "inside the aspect's lambda"),
    "a reference that raises": (
        AFFINE, "return x * scale + shift", "return x * scale + shifted",
        "toy_affine.py: the aspect 'values' has the reference raise NameError", "mend the reference"),
    "an exam that cannot be read": (
        RELU, "import torch.nn.functional as F", "import torch.nn.functionally as F",
        "toy_relu.py:3: ModuleNotFoundError", "torch.nn.functionally"),
    "an exam that is no Python": (RELU, "def toy_relu(", "def toy_relu((", "toy_relu.py:9: SyntaxError", "("),
    "an exam under another name": (
        RELU, "def toy_relu(impl, draw)", "def toy_rely(impl, draw)", "NameError", "toy_relu"),
    "a misconception that nothing uses": (
        AFFINE, '@toy_affine.misconception("The shift was added before scaling.")\n', "",
        "toy_affine.py:17: nothing uses shifts_first", "decorate it"),
    "a cell that is twice": (
        SCRIPT, '"toy_affine_exam"', '"toy_relu_exam"', "toy.py:57", ""),
}


@pytest.mark.parametrize(("file", "old", "new_text", "says", "remedy"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_told_in_one_line_with_its_remedy(folder, file, old, new_text, says, remedy):
    edit(folder / file, old, new_text)
    lines = [line for line in told(folder) if says in line]
    assert len(lines) == 1, told(folder)
    assert remedy in lines[0] and "\n" not in lines[0]


@pytest.mark.parametrize("slip", ["solution tag forgotten", "END SOLUTION a line early", "both markers forgotten",
                                  "another name", "try-it cell without its tag", "a probe with other parameters"])
def test_build_and_prove_say_it_too(folder, slip):
    file, old, new_text, says, _ = SLIPS[slip]
    edit(folder / file, old, new_text)
    for step in (lambda: notebooks.prepare(chapters(folder.parents[1])[0], folder),
                 lambda: prove(chapters(folder.parents[1]), (), Console(quiet=True))):
        with pytest.raises(SourceError) as raised:
            step()
        assert says in str(raised.value)


def test_a_figure_that_nothing_shows(folder):
    (folder / "figures.py").write_text("def line():\n    return _axes()\n\n\ndef _axes():\n    pass\n")
    assert [line for line in told(folder) if "nothing uses line; show its picture" in line]
    assert not [line for line in told(folder) if "_axes" in line]


def test_a_quotation_that_no_exam_says(folder):
    readme = folder.parents[1] / "README.md"
    readme.write_text('It says "The sign was dropped instead\nof the negative numbers" and "Well done".\n')
    assert told(folder) == []
    edit(folder / RELU, "The sign was dropped", "The sign was lost")
    (line,) = told(folder)
    assert line.endswith("README.md: no exam says 'The sign was dropped instead of the negative numbers'; "
                         "copy its sentence as it is now")
    readme.unlink()
    edit(folder / SCRIPT, "# Negative numbers become zero.",
         '# | you see | the exam says |\n# | --- | --- |\n'
         '# | a V | "The sign was dropped instead of the negative numbers." |\n#\n# Negative numbers become zero.')
    assert [line for line in told(folder) if "toy.py:13: no exam says 'The sign" in line]


def test_an_exercise_has_four_misconceptions_and_three_alternatives_of_two_lines(folder):
    edit(folder / AFFINE, '("The shift was added before scaling.")', f'({"too long " * 30!r})')
    (chapter,) = chapters(folder.parents[1])
    lines = list(rules.furniture(chapter, "toy_affine"))
    assert [line.partition(": ")[2][:18] for line in lines] == [
        "every exercise has", "every exercise has", "'too long too long"]
    console = Console(record=True, width=200, file=io.StringIO(), soft_wrap=True)
    assert prove([chapter], ("toy_affine",), console) == 3
    shown = console.export_text()
    assert all(line.partition("; ")[2] in shown for line in lines)


def test_a_new_exercise_is_whole_and_says_what_is_missing(folder):
    (chapter,) = chapters(folder.parents[1])
    said = list(new.write(chapter, "twice"))
    assert "toy.py:72: four cells" in said[0] and "make prove EXERCISE=twice" in said[2]
    (chapter,) = chapters(folder.parents[1])
    assert list(chapter.exercises) == ["toy_relu", "toy_affine", "toy_average", "twice"]
    lines = told(folder)
    assert len(lines) == 12 and all("what `convcraft new` wrote is still here" in line for line in lines)
    console = Console(record=True, width=200, file=io.StringIO())
    assert prove([chapter], ("twice",), console) == 2
    shown = console.export_text()
    assert "this one 1; add @twice.misconception" in shown and "this one 1; add @twice.alternative" in shown
    assert "✓ the chapter's solution: 10" in shown and "✓ misconception squares_instead: 0" in shown


@pytest.mark.parametrize(("name", "says"), [
    ("toy_relu", "is there already"), ("to-do", "no name"), ("shared", "no name")])
def test_a_new_exercise_needs_a_name_of_its_own(folder, name, says):
    with pytest.raises(SourceError, match=says):
        list(new.write(chapters(folder.parents[1])[0], name))
