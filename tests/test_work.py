"""A reader's own copies are laid out once and never overwritten."""

import pytest

from convcraft.work import WorkError, fresh, lay_out

NAME = "01_toy"


@pytest.fixture
def root(tmp_path):
    release(tmp_path, "first")
    return tmp_path


def release(root, text):
    folder = root / "notebooks/en" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "toy.ipynb").write_text(text)


def test_chapters_are_laid_out(root):
    assert lay_out(root, root / "work") == []
    assert (root / "work" / NAME / "toy.ipynb").read_text() == "first"


def test_a_readers_work_is_never_touched(root):
    lay_out(root, root / "work")
    mine = root / "work" / NAME / "toy.ipynb"
    mine.write_text("my answers")
    lay_out(root, root / "work")
    release(root, "second")
    (message,) = lay_out(root, root / "work")
    assert mine.read_text() == "my answers"
    (beside,) = (root / "work").glob(f"{NAME}-release-*")
    assert (beside / "toy.ipynb").read_text() == "second"
    assert str(beside) in message and "make fresh" in message
    assert lay_out(root, root / "work") == []  # said once


def test_an_unchanged_copy_follows_the_release(root):
    lay_out(root, root / "work")
    release(root, "second")
    (message,) = lay_out(root, root / "work")
    assert "up to date" in message
    assert (root / "work" / NAME / "toy.ipynb").read_text() == "second"


def test_jupyters_checkpoints_are_no_change(root):
    lay_out(root, root / "work")
    checkpoints = root / "work" / NAME / ".ipynb_checkpoints"
    checkpoints.mkdir()
    (checkpoints / "toy-checkpoint.ipynb").write_text("first")
    release(root, "second")
    assert "up to date" in lay_out(root, root / "work")[0]


def test_a_fresh_copy_keeps_the_old_ones(root):
    lay_out(root, root / "work")
    for text in ("one", "two"):
        (root / "work" / NAME / "toy.ipynb").write_text(text)
        fresh(root, root / "work", NAME)
    assert (root / "work" / NAME / "toy.ipynb").read_text() == "first"
    kept = [(root / "work" / f"{NAME}-old-{number}" / "toy.ipynb").read_text() for number in (1, 2)]
    assert kept == ["one", "two"]


def test_a_fresh_copy_in_a_new_folder(root):
    assert "is new" in fresh(root, root / "elsewhere", NAME)


@pytest.mark.parametrize("chapter", ["", "09_nothing", "../notebooks"])
def test_an_unknown_chapter_is_told_so(root, chapter):
    with pytest.raises(WorkError, match="there are 01_toy"):
        fresh(root, root / "work", chapter)


def test_a_file_in_the_way_is_named(root):
    (root / "work").write_text("")
    with pytest.raises(WorkError, match="is a file; move it away"):
        lay_out(root, root / "work")


def test_nothing_released_is_told_so(tmp_path):
    with pytest.raises(WorkError, match="make notebooks"):
        lay_out(tmp_path, tmp_path / "work")


def test_a_spoilt_note_is_told_so(root):
    lay_out(root, root / "work")
    (root / "work" / ".released.json").write_text("{")
    with pytest.raises(WorkError, match=r"\.released\.json.*delete it"):
        lay_out(root, root / "work")
