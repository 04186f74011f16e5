"""The notebook that runs, rebuilt from the release and what was handed in: no sandbox, milliseconds each."""

import copy
import json
from pathlib import Path

import pytest
from grading_course import RIGHT, WRONG, code

from convcraft.grading.notebook.answers import answered, bound
from convcraft.grading.notebook.rebuilt import REMARKS, Rebuilt, rebuild
from convcraft.grading.notebook.released import ReleasedNotebook, grade_id, load
from convcraft.grading.notebook.submitted import RENAMED, Other, SubmittedNotebook, from_cells, gather, read

_STUB = "    # YOUR CODE HERE\n    raise NotImplementedError"
_HEADS = {name: source.split("\n")[0] for name, source in RIGHT.items()}
_STUBS = {name: f"{head}\n{_STUB}" for name, head in _HEADS.items()}


def _released_cells() -> list[dict]:
    """The toy chapter as a release: an import, and for each exercise solution, try-it cell and exam."""
    cells = [{"cell_type": "markdown", "id": "toy-0", "metadata": {}, "source": "# Toys"},
             {**code("import torch\nfrom convcraft import examine"), "id": "toy-1"}]
    for name, stub in _STUBS.items():
        facts = {"grade_id": name, "solution": True, "grade": False}
        exam = {"grade_id": f"{name}_exam", "grade": True, "points": 10}
        cells += [{**code(stub, nbgrader=facts), "id": name},
                  {**code(f"print({name})", tags=["demo"]), "id": f"{name}-try"},
                  {**code(f'examine("{name}", {name})', nbgrader=exam), "id": f"{name}_exam"}]
    return cells


@pytest.fixture
def released() -> ReleasedNotebook:
    return _load(_released_cells())


def _load(cells: list[dict], assignment: str = "01_toy", name: str = "toy") -> ReleasedNotebook:
    book = {"cells": copy.deepcopy(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return load(Path(f"notebooks/en/{assignment}/{name}.ipynb"), json.dumps(book).encode())


def _answers(**changed: str) -> list[dict]:
    cells = _released_cells()
    for cell in cells:
        name = grade_id(cell)
        if name in RIGHT:
            cell["source"] = {**RIGHT, **changed}[name]
    return cells


def _rebuilt(released: ReleasedNotebook, cells: list[dict]) -> Rebuilt:
    return rebuild(released, from_cells(cells, "toy.ipynb"))


def _earns(rebuilt: Rebuilt) -> dict[str, bool]:
    """Run the steps as Python would: exercise → whether its right answer stands when it is examined."""
    names, earned = {}, {}
    for step in rebuilt.steps():
        if "exam" in step:
            source = names.get(step["exam"], "")
            earned[step["exam"]] = source == RIGHT[step["exam"]] or (step["exam"] in source and "right" in source)
        else:
            names |= dict.fromkeys(bound(step["code"], RIGHT.keys()), step["code"])
    return earned


def _without_metadata(cells: list[dict], *, new_ids: bool) -> list[dict]:
    return [{**cell, "metadata": {}, "id": f"new-{number}" if new_ids else cell["id"]}
            for number, cell in enumerate(cells)]


ALL = dict.fromkeys(RIGHT, True)


def test_the_stubs_earn_nothing_and_are_unanswered(released):
    rebuilt = _rebuilt(released, _released_cells())
    assert not any(_earns(rebuilt).values())
    assert rebuilt.unanswered == RIGHT.keys() and not rebuilt.remarks


@pytest.mark.parametrize("new_ids", [False, True])
def test_an_editor_that_drops_metadata_costs_nothing(new_ids, released):
    rebuilt = _rebuilt(released, _without_metadata(_answers(), new_ids=new_ids))
    assert _earns(rebuilt) == ALL and not rebuilt.unanswered


def test_stubs_without_metadata_are_still_unanswered(released):
    assert _rebuilt(released, _without_metadata(_released_cells(), new_ids=True)).unanswered == RIGHT.keys()


def test_an_answer_in_a_try_it_cell_counts(released):
    cells = _answers(toy_relu=_STUBS["toy_relu"])
    cells[3]["source"] = RIGHT["toy_relu"] + "\nprint(toy_relu)  # right"
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL and not rebuilt.unanswered


def test_cells_merged_into_the_try_it_cell_count(released):
    cells = _answers()
    cells[3]["source"] = RIGHT["toy_relu"] + "\nprint(toy_relu)  # right"
    del cells[2]
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL and not rebuilt.remarks


def test_a_helper_in_a_try_it_cell_is_run_where_an_answer_needs_it(released):
    cells = _answers(toy_relu="def toy_relu(x):\n    return helper(x)  # right")
    cells[3]["source"] = "def helper(x):\n    return x * (x > 0)"
    rebuilt = _rebuilt(released, cells)
    assert "def helper" in "\n".join(step.get("code", "") for step in rebuilt.steps())
    assert all("demo" not in cell["metadata"].get("tags", []) for cell in rebuilt.cells if "helper" in cell["source"])


@pytest.mark.parametrize("between", [RIGHT["toy_affine"] + "\ndeeper(1)  # right",
                                     "def helper(x):\n    return deeper(x)"])
def test_what_a_try_it_cell_needs_of_another_one_is_run_too(between, released):
    answer = _STUBS["toy_affine"] if "toy_affine" in between else "def toy_affine(x):\n    return helper(x)  # right"
    cells = _answers(toy_affine=answer)
    cells[3]["source"] = "def deeper(x):\n    return x"
    cells[6]["source"] = between
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL and not rebuilt.remarks
    assert "def deeper" in str(rebuilt.steps()) and between in [step.get("code") for step in rebuilt.steps()]


def test_a_try_it_cell_with_other_numbers_is_not_run(released):
    cells = _answers()
    cells[3]["source"] = "for epoch in range(10 ** 9):\n    print(toy_relu(epoch))"
    assert not any("epoch" in step.get("code", "") for step in _rebuilt(released, cells).steps())


def test_a_stub_pasted_below_an_answer_does_not_override_it(released):
    cells = _answers()
    cells.insert(3, {**cells[2], "id": "pasted", "source": _STUBS["toy_relu"]})
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL and not rebuilt.unanswered


@pytest.mark.parametrize("metadata", [True, False])
def test_the_whole_release_pasted_below_costs_nothing(metadata, released):
    pasted = [{**cell, "id": f"pasted-{number}"} for number, cell in enumerate(_released_cells())]
    rebuilt = _rebuilt(released, _answers() + (pasted if metadata else _without_metadata(pasted, new_ids=True)))
    assert _earns(rebuilt) == ALL and not rebuilt.unanswered


def test_copies_run_where_they_stand(released):
    cells = _answers(toy_relu=WRONG["toy_relu"])
    cells.insert(3, {**cells[2], "id": "better", "source": RIGHT["toy_relu"]})
    cells.append({**cells[2], "id": "later", "source": WRONG["toy_relu"]})
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL
    assert "The cell toy_relu is there 3 times" in rebuilt.remarks[0]


def test_an_answer_below_an_untouched_stub_is_an_answer(released):
    cells = _answers(toy_relu=_STUBS["toy_relu"])
    cells.insert(3, {**code(RIGHT["toy_relu"]), "id": "mine"})
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL and not rebuilt.unanswered
    assert any(cell["source"] == _STUBS["toy_relu"] for cell in rebuilt.cells)  # shown, for the comment's sake


def test_an_answer_below_its_exam_is_examined_there_and_named(released):
    rebuilt = _rebuilt(released, [*_answers(toy_relu=_STUBS["toy_relu"]), {**code(RIGHT["toy_relu"]), "id": "mine"}])
    assert _earns(rebuilt) == ALL
    assert "toy_relu is defined below its graded cell; it was examined there." in rebuilt.remarks


def test_an_answer_merged_into_the_graded_cell_runs_before_the_exam(released):
    cells = _answers(toy_relu=_STUBS["toy_relu"])
    cells[4]["source"] = RIGHT["toy_relu"] + "\n" + cells[4]["source"] + "  # right"
    rebuilt = _rebuilt(released, cells)
    assert _earns(rebuilt) == ALL
    assert "after the code that was put into the cell" in rebuilt.remarks[0]


def test_own_cells_have_a_time_of_their_own_and_answers_do_not(released):
    cells = _answers(toy_relu=_STUBS["toy_relu"])
    cells[3:3] = [{**code("for _ in range(3): pass"), "id": "slow"}, {**code(RIGHT["toy_relu"]), "id": "mine"}]
    own = {step["code"].split("\n")[0]: step["own"] for step in _rebuilt(released, cells).steps() if "code" in step}
    assert own["for _ in range(3): pass"] and not own["def toy_relu(x):"] and not own["import torch"]


def test_a_missing_cell_is_named_unless_another_defines_its_name(released):
    cells = _answers()
    del cells[2]
    assert _rebuilt(released, cells).remarks == [
        "The cell toy_relu is missing, and no other cell defines toy_relu: there is nothing to examine."]
    cells.insert(2, {**code(RIGHT["toy_relu"]), "id": "mine"})
    assert not _rebuilt(released, cells).remarks


def test_remarks_stand_first_and_show_what_they_say(released):
    rebuilt = _rebuilt(released, _answers())
    rebuilt.remarks.append("a_b*c <img src=x> $x$ [y](z) `q`")
    first = json.loads(rebuilt.text())["cells"][0]
    assert first["metadata"] == {REMARKS: True}
    assert "".join(first["source"]).splitlines()[1] == (
        r"- a\_b\*c &lt;img src=x&gt; \$x\$ \[y\](z) \`q\`")


@pytest.mark.parametrize(("source", "names"), [
    ("def f(): a = 1", {"f"}), ("if x:\n    class C: y = 1\nelse:\n    d = 2", {"C", "d"}),
    ("from m import a as b, c", {"b", "c"}), ("%matplotlib inline\nf = lambda: 0", {"f"}), ("%%time\nf = 1", {"f"}),
    ("%%writefile m.py\nf = 1", set()), ("def f(:", set()), ("((" * 50_000, set()), ("!ls\nx, (y, *z) = 1, (2, 3)", {
        "x", "y", "z"})])
def test_what_a_cell_defines(source, names):
    assert bound(source) == names


# --- finding the file ---------------------------------------------------------------------------------------------

def _read(folder: Path, released: ReleasedNotebook, *others: ReleasedNotebook) -> SubmittedNotebook:
    return read(gather(folder, [released.name]), released, [Other.of(other) for other in others])


def _put(folder: Path, **files: list[dict] | bytes) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps({"cells": content}).encode())


@pytest.mark.parametrize("name", ["toy.ipynb.json", "toy.ipynb.txt", "toy.IPYNB", "deeper/toy.ipynb", "a/b/toy.ipynb",
                                  "Copy of toy.ipynb", "toy (1).ipynb", "toy.ipynb (1)", "my homework.ipynb",
                                  "..\\..\\toy.ipynb"])
def test_a_file_that_was_renamed_is_found_and_named(name, released, tmp_path):
    _put(tmp_path, **{name: _answers()})
    submitted = _read(tmp_path, released)
    assert answered(released, submitted.cells) == RIGHT.keys()
    assert submitted.remarks == [RENAMED.format(name="toy.ipynb", found=name)]


def test_of_several_files_the_one_with_most_answers_is_graded(released, tmp_path):
    _put(tmp_path, **{"a.ipynb": _released_cells(), "b.ipynb": _answers(), "._b.ipynb": b"\0\5\26\7 a Mac's own"})
    submitted = _read(tmp_path, released)
    assert answered(released, submitted.cells) == RIGHT.keys()
    assert submitted.remarks == [RENAMED.format(name="toy.ipynb", found="b.ipynb"),
                                 "a.ipynb was not graded: this chapter's notebook is b.ipynb."]


def test_an_untouched_release_beside_the_work_does_not_win_by_its_name(released, tmp_path):
    _put(tmp_path, **{"toy.ipynb": _released_cells(), "toy (1).ipynb": _answers()})
    assert _read(tmp_path, released).remarks == [
        "toy.ipynb holds fewer answers than toy (1).ipynb, which was graded in its place."]


@pytest.mark.parametrize(("content", "words"), [
    (b'{"cells": [\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> b\n]}', "merge conflict"), (b'{"cells": [{"cell_', "cut off"),
    (b"", "empty"), (b"\xff\xfe\x00", "not UTF-8")])
def test_a_broken_file_is_named_with_what_is_wrong(content, words, released, tmp_path):
    _put(tmp_path, **{"toy.ipynb": content})
    submitted = _read(tmp_path, released)
    assert submitted.cells is None and words in submitted.remarks[0]


def test_beside_a_broken_file_another_one_is_graded(released, tmp_path):
    _put(tmp_path, **{"toy.ipynb": b"<<<<<<< HEAD", "toy (1).ipynb": _answers()})
    submitted = _read(tmp_path, released)
    assert answered(released, submitted.cells) == RIGHT.keys()
    assert submitted.remarks[0] == "toy (1).ipynb was graded in place of toy.ipynb."
    assert "merge conflict" in submitted.remarks[1]


def test_another_chapters_notebook_is_misplaced_and_not_graded(released, tmp_path):
    other = [{**code("def other(): pass", nbgrader={"grade_id": "other", "solution": True}), "id": "other"}]
    _put(tmp_path, **{"toy.ipynb": _answers(), "other.ipynb": other})
    submitted = _read(tmp_path, released, _load(other, "02_other", "other"))
    assert submitted.misplaced == ["other.ipynb holds the chapter 02_other: it belongs in that chapter's folder, and "
                                   "was not graded here."]
    assert submitted.cells is not None and submitted.remarks == submitted.misplaced


def test_chapters_that_were_exchanged_are_named(released, tmp_path):
    other = [{**code("def other(): pass", nbgrader={"grade_id": "other", "solution": True}), "id": "other"}]
    _put(tmp_path, **{"toy.ipynb": other})
    submitted = _read(tmp_path, released, _load(other, "02_other", "other"))
    assert len(submitted.misplaced) == 1


def test_a_link_is_followed_nowhere(released, tmp_path):
    _put(tmp_path / "elsewhere", **{"toy.ipynb": _answers()})
    (tmp_path / "work").mkdir()
    (tmp_path / "work/toy.ipynb").symlink_to(tmp_path / "elsewhere/toy.ipynb")
    (tmp_path / "work/more").symlink_to(tmp_path / "elsewhere")
    submitted = _read(tmp_path / "work", released)
    assert submitted.cells is None and "is a link" in submitted.remarks[0]


