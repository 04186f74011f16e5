"""A reader's own copies are laid out once and never overwritten."""

import pytest

from convcraft.lab.work import WorkError, fresh, lay_out
from convcraft.language import using

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


@pytest.mark.parametrize("note", ["{", "[]", "[1]", '"x"', "null", '{"01_toy": []}', '{"01_toy": {"copy": 1}}',
                                  "[" * 100_000])
def test_a_spoilt_note_is_told_so(note, root):
    lay_out(root, root / "work")
    (root / "work" / ".released.json").write_text(note)
    with pytest.raises(WorkError, match=r"\.released\.json.*delete it"):
        lay_out(root, root / "work")


def test_a_strangers_link_is_not_written_through(root):
    (root / "mine").write_text("{}")
    (root / "work").mkdir()
    (root / "work/.released.json").symlink_to(root / "mine")
    lay_out(root, root / "work")
    fresh(root, root / "work", NAME)
    assert (root / "mine").read_text() == "{}"
    assert not (root / "work/.released.json").is_symlink()


@pytest.fixture
def two_languages(root):
    (root / "notebooks/zh" / NAME).mkdir(parents=True)
    (root / "notebooks/zh" / NAME / "toy.ipynb").write_text("第一版")
    return root


def test_chapters_come_in_the_language_that_is_asked_for(two_languages):
    work = two_languages / "作业"
    assert lay_out(two_languages, work, "zh") == []
    assert (work / NAME / "toy.ipynb").read_text() == "第一版"
    assert lay_out(two_languages, work) == [], "and go on in it"
    assert [path.name for path in work.glob("01_*")] == [NAME]


def test_new_folder_speaks_the_language_in_force(two_languages):
    with using("zh"):
        lay_out(two_languages, two_languages / "work")
    assert (two_languages / "work" / NAME / "toy.ipynb").read_text() == "第一版"


def test_chapter_that_is_not_translated_comes_in_english(root):
    assert lay_out(root, root / "work", "zh") == []
    assert (root / "work" / NAME / "toy.ipynb").read_text() == "first"


@pytest.mark.parametrize("text", ["first", "my answers"])
def test_copy_in_another_language_is_never_overwritten(two_languages, text):
    work = two_languages / "work"
    lay_out(two_languages, work, "en")
    (work / NAME / "toy.ipynb").write_text(text)
    (message,) = lay_out(two_languages, work, "zh")
    assert (work / NAME / "toy.ipynb").read_text() == text
    (beside,) = work.glob(f"{NAME}-zh-*")
    assert (beside / "toy.ipynb").read_text() == "第一版"
    assert str(beside) in message and f"make fresh CHAPTER={NAME} LANGUAGE=zh" in message
    assert lay_out(two_languages, work, "zh") == []  # said once


def test_fresh_copy_changes_the_language(two_languages):
    work = two_languages / "work"
    lay_out(two_languages, work, "en")
    fresh(two_languages, work, NAME, "zh")
    assert (work / NAME / "toy.ipynb").read_text() == "第一版"
    assert (work / f"{NAME}-old-1/toy.ipynb").read_text() == "first"
    fresh(two_languages, work, NAME)
    assert (work / NAME / "toy.ipynb").read_text() == "第一版", "until another one is asked for"
