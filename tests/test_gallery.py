"""What the site shows that must be run: the gallery of mistakes, the explorers' frames."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import CHAPTERS, EXERCISES
from PIL import Image

from convcraft.author import frames, gallery, solutions
from convcraft.author.alike import same_picture, same_text
from convcraft.author.excerpt import readable
from convcraft.author.source import Chapter, SourceError, chapters
from convcraft.exam.course import load_chapter
from convcraft.language import LANGUAGES

TOY = Path(__file__).parent / "toy_course"
EDITIONS = [pytest.param(edition, id=f"{chapter.name} {edition.language}")
            for chapter in CHAPTERS for edition in chapter.editions()]
MOST = 3_000  # bytes for each mistake that is shown

EXPLORER = '''
# %% tags=["demo", "nbval-ignore-output"] frames={"height": [1, 2, 3], "filled": [false, true]}
from convcraft import plots


def bar(height, filled, depth):
    assert depth == 2
    figure, axes = plots.plt.subplots(figsize=(2, 2))
    axes.bar([0], [height], fill=filled)
    axes.set_title(f"{height} high")
    return figure


plots.explore(bar, height=(1, 4), filled=True, depth=[2, 5])
'''
MORE = '''
_FACTOR = 3


def _doubled(x):
    return 2 * x


def _long(x):
    """Says what it does."""
''' + "    x = x + 0 + _shifts_by\n" * 30 + '''    return x


@toy_relu.misconception("Three times too much.")
@torch.no_grad()
def tripled(x):
    return _long(_doubled(x)) * _FACTOR / 2


class _Base:
    """The plainest."""

    kind = 1

    def first(self, x):
        """What is hidden."""
        return _doubled(x)

    @property
    def second(self):
        x = 1
''' + "        x = x + 0\n" * 30 + '''        return x


@toy_relu.misconception("Nothing but a base.")
class Based(_Base):
    def __new__(cls, x):
        return -x


@toy_relu.misconception("Too much by far.")
class Tripled:
    def __new__(cls, x):
        assert cls is Tripled
        return F.relu(x) * _FACTOR + toy.Tripled


def _shifts_by(number, sentence):
    @toy_relu.misconception(sentence)
    def shifted(x):
        return F.relu(x) + number
    shifted.__name__ += f"_by_{number}"


_shifts_by(4, "Four too much.")
'''


CHINESE = '''msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgctxt "exam toy_affine"
msgid "The shift was added before scaling."
msgstr "先加了偏移，再缩放。"

msgctxt "exam toy_affine"
msgid "values"
msgstr "数值"
'''


@pytest.fixture
def toy(tmp_path) -> Chapter:
    root = shutil.copytree(TOY, tmp_path / "toy")
    gallery.write(chapters(root)[0])
    return chapters(root)[0]


def entry(chapter, exercise, number=0):
    return json.loads((chapter.site / gallery.FILE).read_text(encoding="utf-8"))[exercise][number]


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def complaints(chapter):
    return list(gallery.problems(chapters(chapter.root)[0]))


def test_the_gallery_says_what_the_examiner_says(toy):
    shown = entry(toy, "toy_affine")
    assert shown == {
        "name": "shifts_first", "sentence": "The shift was added before scaling.", "failed": ["values", "third"],
        "passed": 1, "points": "10 of 30", "code": "def toy_affine(x, scale, shift=0.0):\n"
                                                   "    return (x + shift) * scale",
        "picture": "toy_affine-shifts_first.svg", "alt": shown["alt"]}
    assert shown["alt"].startswith("Three pictures of values: yours ")
    assert shown["alt"].endswith("differ. The first is yours. The second is what was expected. The third is the "
                                 "difference.")
    assert entry(toy, "toy_average")["picture"] is None
    picture = (toy.site / shown["picture"]).read_text(encoding="utf-8")
    assert picture.count("<image") == 6 and ">yours</text>" in picture and 'fill="#fff"' in picture
    assert complaints(toy) == []


def test_a_second_writing_changes_no_byte(toy):
    before = {path.name: path.read_bytes() for path in toy.site.iterdir()}
    gallery.write(chapters(toy.root)[0])
    assert {path.name: path.read_bytes() for path in toy.site.iterdir()} == before


@pytest.mark.parametrize(("old", "new", "told"), [
    ("(x + shift) * scale", "(x + 2 * shift) * scale", "'code'"),
    ("The shift was added before", "You added the shift before", "'sentence'"),
    ("def shifts_first", "def shifts_before", "other misconceptions"),
])
def test_a_changed_misconception_is_seen(toy, old, new, told):
    edit(toy.exams / "toy_affine.py", old, new)
    found = complaints(toy)
    assert told in found[0] and "`make gallery CHAPTER=01_toy`" in found[0]


def test_a_changed_exam_is_seen(toy):
    edit(toy.exams / "toy_affine.py", "points=30", "points=60")
    assert "toy_affine, shifts_first: 'points'" in complaints(toy)[0]
    edit(toy.exams / "toy_affine.py", "points=60", "points=30")
    edit(toy.exams / "toy_affine.py", "draw.normal(3, 4)", "draw.normal(3, 4) + 1")
    assert any("toy_affine-shifts_first.svg" in line for line in complaints(toy))


def test_pictures_that_are_missing_or_left_over_are_named(toy):
    (toy.site / "toy_affine-shifts_first.svg").rename(toy.site / "toy_affine-gone.svg")
    assert [line.partition(";")[0].rpartition("/")[2] for line in complaints(toy)] == [
        "toy_affine-gone.svg: no exam draws it", "toy_affine-shifts_first.svg: it is missing"]
    (toy.site / gallery.FILE).unlink()
    assert "is missing" in complaints(toy)[0]


def test_a_misconception_without_its_own_sentence_is_a_fault(toy):
    edit(toy.exams / "toy_affine.py", "return (x + shift) * scale", "return x * scale + shift")
    with pytest.raises(SourceError, match=r"toy_affine\.py: the misconception 'shifts_first' should be told its own"):
        gallery.write(chapters(toy.root)[0])


def test_code_is_shown_as_its_writer_wrote_it(toy):
    path = toy.exams / "toy_relu.py"
    path.write_text(path.read_text(encoding="utf-8").replace("import torch.nn", "import torch\nimport torch.nn") + MORE,
                    encoding="utf-8")
    known = load_chapter(toy.exams)["toy_relu"]
    shown = {misconception.answer.__name__: readable(known, misconception.answer)
             for misconception in known.misconceptions}
    assert shown["tripled"] == (
        '_FACTOR = 3\n\n\ndef _doubled(x):\n    return 2 * x\n\n\ndef _long(x):\n    """Says what it does."""\n    ...'
        "\n\n\n@torch.no_grad()\ndef toy_relu(x):\n    return _long(_doubled(x)) * _FACTOR / 2")
    assert shown["Based"] == (
        'class _Base:\n    """The plainest."""\n\n    kind = 1\n\n    def first(self, x):\n        ...\n\n'
        "    @property\n    def second(self):\n        ...\n\n\n"
        "class toy_relu(_Base):\n    def __new__(cls, x):\n        return -x")
    assert shown["Tripled"] == ("_FACTOR = 3\n\n\nclass toy_relu:\n    def __new__(cls, x):\n"
                                "        assert cls is toy_relu\n        return F.relu(x) * _FACTOR + toy.Tripled")
    assert shown["shifted_by_4"] == "number = 4\n\n\ndef toy_relu(x):\n    return F.relu(x) + number"


def test_the_gallery_speaks_the_chapters_language(toy):
    (toy.folder / "zh.po").write_text(CHINESE, encoding="utf-8")
    _, chinese = toy.editions()
    gallery.write(chinese)
    assert chinese.site == toy.root / "site/zh/01_toy"
    shown = entry(chinese, "toy_affine")
    assert shown["sentence"] == "先加了偏移，再缩放。" and shown["failed"] == ["数值", "third"]
    assert entry(toy, "toy_affine")["sentence"] == "The shift was added before scaling."
    assert (chinese.site / shown["picture"]).is_file()
    assert list(gallery.problems(chinese)) == []
    edit(toy.folder / "zh.po", "先加了偏移", "偏移先加了")
    assert complaints(toy) == []
    (line,) = gallery.problems(toy.editions()[1])
    assert "site/zh/01_toy/gallery.json: toy_affine, shifts_first: 'sentence'" in line


def test_what_rounding_changes_makes_no_difference(tmp_path):
    assert same_text("yours 0.12345 at (0, 1)", "yours 0.12346 at (0, 1)")
    assert not same_text("yours 0.12 at (0, 1)", "yours 0.45 at (0, 1)")
    assert not same_text("yours", "expected")
    for name, shift in (("one", 0), ("near", 1), ("far", 90)):
        picture = Image.new("L", (4, 4), 100)
        picture.paste(100 + shift, (0, 0, 2, 2))
        picture.save(tmp_path / f"{name}.png")
    assert same_picture(tmp_path / "one.png", tmp_path / "near.png")
    assert not same_picture(tmp_path / "one.png", tmp_path / "far.png")


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_every_misconception_is_in_the_gallery(chapter, name):
    known = chapter.exercises[name]
    for edition in chapter.editions():
        kept = json.loads((edition.site / gallery.FILE).read_text(encoding="utf-8"))[name]
        assert [(shown["name"], shown["sentence"], shown["code"]) for shown in kept] == [
            (misconception.answer.__name__, edition.say(f"exam {name}", misconception.sentence),
             readable(known, misconception.answer)) for misconception in known.misconceptions]
        for shown in kept:
            compile(shown["code"], name, "exec")
            assert f" {name}" in shown["code"] and shown["failed"]
            assert shown["picture"] is None or (shown["alt"] and (edition.site / shown["picture"]).is_file())


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_explorer_has_frames(edition):
    wanted = frames.plan(edition)
    assert len(wanted) == edition.script.read_text(encoding="utf-8").count("plots.explore(") > 0
    assert list(frames.problems(edition, solutions.solved(edition))) == []
    for explorer in json.loads((edition.site / frames.FILE).read_text(encoding="utf-8")).values():
        assert len({frame["label"] for frame in explorer["frames"]}) == len(explorer["frames"])
        for frame in explorer["frames"]:
            assert frame["label"] in frame["alt"] and len(frame["alt"]) > len(frame["label"]) + 12
            assert Image.open(edition.site / frame["picture"]).width > 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_site_shows_is_light(language):
    shown = [edition for chapter in CHAPTERS for edition in chapter.editions() if edition.language == language]
    mistakes = sum(len(exercise.misconceptions) for chapter in CHAPTERS for exercise in chapter.exercises.values())
    assert sum(path.stat().st_size for edition in shown for path in edition.site.iterdir()) < MOST * mistakes


@pytest.fixture(scope="module")
def explored(tmp_path_factory) -> Chapter:
    """A toy chapter with an explorer, run."""
    root = shutil.copytree(TOY, tmp_path_factory.mktemp("site") / "toy")
    (chapter,) = chapters(root)
    with chapter.script.open("a", encoding="utf-8") as script:
        script.write(EXPLORER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONVCRAFT_EXAMS", "")
        solutions.execute(chapter)
    return chapter


@pytest.fixture
def explorer(explored, tmp_path) -> Chapter:
    (chapter,) = chapters(shutil.copytree(explored.root, tmp_path / "toy"))
    return chapter


def test_an_explorer_draws_its_frames(explorer):
    (shown,) = json.loads((explorer.site / frames.FILE).read_text(encoding="utf-8")).values()
    assert shown["controls"] == ["height", "filled"]
    assert [frame["values"] for frame in shown["frames"]] == [
        {"height": height, "filled": filled} for height in (1, 2, 3) for filled in (False, True)]
    assert shown["frames"][3]["label"] == "height 2, filled True"
    assert shown["frames"][3]["alt"] == "The explorer at height 2, filled True. Plot: 2 high."
    pictures = [Image.open(explorer.site / frame["picture"]).convert("RGBA").tobytes() for frame in shown["frames"]]
    assert len(set(pictures)) == 6
    assert list(frames.problems(explorer, solutions.solved(explorer))) == []


def test_code_that_changed_before_an_explorer_is_seen(explorer):
    edit(explorer.script, "import torch\n", "import torch  # the same\n")
    (line,) = frames.problems(explorer, solutions.solved(explorer))
    assert "are not what" in line and "`make solutions CHAPTER=01_toy`" in line
    edit(explorer.script, "import torch  # the same\n", "import torch\n")
    edit(explorer.script, '"height": [1, 2, 3]', '"height": [1, 2, 4]')
    assert len(list(frames.problems(explorer, solutions.solved(explorer)))) == 1


def test_a_frame_that_is_lost_is_named(explorer):
    next(explorer.site.glob("*-03.webp")).rename(explorer.site / "other.webp")
    assert [line.partition(";")[0].rpartition("/")[2].split("-")[-1] for line in frames.problems(
        explorer, solutions.solved(explorer))] == ["03.webp is missing", "other.webp is no frame"]


@pytest.mark.parametrize(("chosen", "told"), [
    ("", "has 0 frames; choose 6 to 24"),
    (' frames={"height": [1, 2]}', "has 2 frames"),
])
def test_an_explorer_says_which_frames(toy, chosen, told):
    text = toy.script.read_text(encoding="utf-8")
    toy.script.write_text(text + EXPLORER.replace(' frames={"height": [1, 2, 3], "filled": [false, true]}', chosen),
                          encoding="utf-8")
    with pytest.raises(SourceError, match=told):
        frames.plan(toy)


@pytest.mark.parametrize(("chosen", "told"), [
    ({"width": [1]}, "no control 'width'"),
    ({"height": [9]}, "cannot set height to 9"),
    ({"filled": [1]}, "cannot set filled to 1"),
    ({"depth": [3]}, "cannot set depth to 3"),
])
def test_a_frame_that_no_reader_could_set_is_refused(tmp_path, chosen, told, monkeypatch):
    monkeypatch.setattr(frames.plots, "explore", lambda draw, **ranges: None)
    frames.record(str(tmp_path), {"cell": chosen})
    with pytest.raises(SourceError, match=told):
        frames.plots.explore(None, height=(1, 4), filled=True, depth=[2, 5])
