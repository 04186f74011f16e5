"""What a notebook's cells call."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import torch
from nbclient import NotebookClient
from nbformat import from_dict
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade

import convcraft
from convcraft import plots
from convcraft.exam import NoExamError, find, load_chapter
from convcraft.exam.sealed import seal

TOY = Path(__file__).parent / "toy_course/source/01_toy/exams"


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Sealed toy exams, so that `examine` finds exercises that are not the course's."""
    for exercise in load_chapter(TOY).values():
        seal(exercise, tmp_path)
    monkeypatch.setenv("CONVCRAFT_EXAMS", str(tmp_path))
    return tmp_path


def test_examine_returns_points_and_shows_the_table(toy, capsys):
    assert convcraft.examine("toy_affine", lambda x, scale, shift=0.0: x * scale + shift) == 30
    assert "30 of 30 points" in capsys.readouterr().out


def test_partial_credit_is_a_number(toy):
    assert convcraft.examine("toy_affine", lambda x, scale, shift=0.0: (x + shift) * scale) == 10


def test_the_points_are_the_cells_value_without_a_second_display(toy):
    cell = new_code_cell("import convcraft\n"
                         "convcraft.examine('toy_affine', lambda x, scale, shift=0.0: (x + shift) * scale)")
    run = NotebookClient(new_notebook(cells=[cell]), timeout=60).execute()
    table, value = run.cells[0].outputs
    assert "10 of 30 points" in table.data["text/html"]
    assert value.output_type == "execute_result"
    assert value.data == {"text/plain": "10", "text/html": ""}
    partial, most = determine_grade(_graded(run.cells[0], points=30))
    assert (partial, most) == (10, 30)


def _graded(cell, points):
    cell.metadata["nbgrader"] = from_dict({"grade": True, "grade_id": "toy", "points": points, "solution": False,
                                           "locked": True, "schema_version": 3, "cell_type": "code", "checksum": None})
    return cell


def test_an_unknown_name_is_met_with_a_suggestion(toy, capsys):
    assert convcraft.examine("toy_afine", None) is None
    assert "did you mean 'toy_affine'?" in capsys.readouterr().out


def test_without_an_exam_there_are_no_marks_and_no_false_success(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CONVCRAFT_EXAMS", str(tmp_path))
    assert convcraft.examine("conv2d", lambda: None) is None
    assert "No exam can be reached from here" in capsys.readouterr().out
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(NoExamError):
        convcraft.examine("conv2d", lambda: None)


@pytest.mark.parametrize("source", ["missing", "empty", "closed"])
def test_where_no_exercise_can_be_read_no_exam_can_be_reached(source, monkeypatch):
    with tempfile.TemporaryDirectory() as place:  # unlike tmp_path, others may enter it
        os.chmod(place, 0o711)
        folder = Path(place, "source")
        if source == "empty":
            folder.mkdir()
        elif source == "closed":
            shutil.copytree(TOY.parents[1], folder)
            folder.chmod(0)
        monkeypatch.delenv("CONVCRAFT_EXAMS", raising=False)
        monkeypatch.setattr("convcraft.exam.course.SOURCE", folder)
        user = os.geteuid()
        if not user:
            os.seteuid(65534)  # no mode closes a folder to root
        try:
            with pytest.raises(NoExamError, match=r"No exam can be reached from here: .*source shows no exercises"):
                find("toy_relu")
        finally:
            os.seteuid(user)
            if folder.is_dir():
                folder.chmod(0o700)


def test_a_limit_on_time_comes_from_the_environment(toy, monkeypatch, capsys):
    def endless(x):
        while True:
            pass
    monkeypatch.setenv("CONVCRAFT_SECONDS", "0.3")
    assert convcraft.examine("toy_relu", endless) == 0
    assert "after 0.3 seconds" in capsys.readouterr().out


def test_a_limit_on_time_that_is_no_number_is_told_so(toy, monkeypatch):
    monkeypatch.setenv("CONVCRAFT_SECONDS", "soon")
    with pytest.raises(ValueError, match=r"CONVCRAFT_SECONDS.*'soon'"):
        convcraft.examine("toy_relu", abs)


def test_try_it_waits_for_an_answer_and_hides_no_mistake(capsys):
    with convcraft.try_it("conv2d"):
        raise NotImplementedError
    assert capsys.readouterr().out == "This cell waits for your conv2d.\n"
    with pytest.raises(ZeroDivisionError), convcraft.try_it("conv2d"):
        1 / 0  # noqa: B018


def test_the_packages_of_an_exam_know_nothing_of_jupyter():
    code = ("import sys, convcraft.exam; "
            "print(sorted({'IPython', 'nbgrader', 'nbformat', 'jupytext'} & set(sys.modules)))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_validate_is_told_what_fails_and_why(toy, monkeypatch, capsys):
    monkeypatch.setenv("NBGRADER_VALIDATING", "1")
    assert convcraft.examine("toy_affine", lambda x, scale, shift=0.0: (x + shift) * scale) == 10
    assert "The shift was added before scaling." in capsys.readouterr().err
    assert convcraft.examine("toy_affine", lambda x, scale, shift=0.0: x * scale + shift) == 30
    assert capsys.readouterr().err == ""


def test_a_figure_is_told_to_a_reader_who_cannot_see_it():
    figure = plots.images([torch.zeros(3, 3), torch.ones(3, 3)], ["a row\nof zeros", "<ones>"])
    assert plots.describe(figure) == "2 pictures: a row of zeros; <ones>."
    figure, (left, _, right) = plt.subplots(1, 3)
    figure.suptitle("a run")
    left.plot([1, 2], label="with momentum")
    left.legend()
    left.set(title="loss", xlabel="epoch", ylabel="mean")
    plots.numbers(right, torch.tensor([[1, -2], [3, 4]]))
    assert plots.describe(figure) == "a run. 2 plots: loss, mean over epoch, with momentum. Drawing: 1 −2 3 4."
    plt.close("all")


def test_a_notebook_shows_figures_with_an_alt_text():
    notebook = new_notebook(cells=[new_code_cell(source) for source in (
        "from matplotlib import pyplot as plt\nfrom convcraft import plots\nplots.use_style()",
        "plt.plot([1, 2])\nplt.title('up & away')",
        "figure, axes = plt.subplots()\naxes.set_title('shown')\nplt.show()",
        "nothing = plt.figure()",
    )])
    NotebookClient(notebook, timeout=120).execute()
    _, ended, shown, empty = (
        [output.data for output in cell.outputs if output.output_type == "display_data"] for cell in notebook.cells)
    assert [data["text/html"].partition(" src=")[0] for data in ended + shown] == [
        '<img alt="Plot: up &amp; away."', '<img alt="Plot: shown."']
    assert [sorted(data) for data in ended + shown + empty] == [["text/html", "text/plain"]] * 2 + [["text/plain"]]
