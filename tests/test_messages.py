"""What a chapter says, taken out of it and put back in another language."""

import ast
import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import polib
import pytest
from click.testing import CliRunner
from conftest import CHAPTERS

from convcraft import plots
from convcraft.author import assets, check, notebooks
from convcraft.author.font import lacking, used
from convcraft.author.messages import blocks, state
from convcraft.author.messages.catalogue import Message, text
from convcraft.author.messages.cells import reworded
from convcraft.author.messages.drawn import drawing, said
from convcraft.author.messages.extract import messages
from convcraft.author.messages.faults import Term, faults, glossary, other_words
from convcraft.author.messages.pieces import literal, parsed, template, width, wrapped
from convcraft.author.messages.script import reworded as all_reworded
from convcraft.author.messages.shown import learn, literals
from convcraft.author.source import Chapter, SourceError, chapters
from convcraft.commands import ROOT, main
from convcraft.language import using

TOY = Path(__file__).parent / "toy_course"
TRANSLATED = [pytest.param(chapter, id=chapter.name) for chapter in CHAPTERS
              if chapter.catalogue("zh").translations]


def _heard(markdown: str) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []

    def say(kind: str, text: str) -> str:
        heard.append((kind, text))
        return text

    assert blocks.reworded(markdown, say) == markdown
    return heard


# Markdown


def test_markdown_is_cut_into_what_is_translated_at_a_time() -> None:
    assert _heard("""### [](#max_pool2d) Keep the strongest ●●○○○ 15 min

Two lines of
one paragraph, see [](#other).
<br>**You need** this.

- one item,
  wrapped
- another one
  1. deeper down

> Quoted, with `code`.

| unit 0 | 12 | `x` |
|--|--:|--|
| a word | $x$ | 3 |

![A picture
of a roof](../../assets/a.svg)

<details><summary>Hint 1: where to start</summary>

Look there.

</details>""") == [
        ("heading", "Keep the strongest"), ("paragraph", "Two lines of one paragraph, see [](#other)."),
        ("paragraph", "**You need** this."), ("list item", "one item, wrapped"), ("list item", "another one"),
        ("list item", "deeper down"), ("paragraph", "Quoted, with `code`."), ("table", "unit 0"), ("table", "a word"),
        ("alt text", "A picture of a roof"), ("hint's title", "Hint 1: where to start"), ("paragraph", "Look there.")]


def test_code_numbers_and_formulas_without_words_are_left_alone() -> None:
    assert _heard("```python\nthe_answer = 42\n```\n\n$$x = \\frac{1}{2}$$\n\n`conv2d(x)`, $y$\n\n1, 2, 3") == []
    assert [kind for kind, _ in _heard("$$x \\text{ and } y$$")] == ["formula"]


def test_a_number_that_begins_a_line_by_chance_is_no_list() -> None:
    assert _heard("It was in\n2015. Then came more.") == [("paragraph", "It was in 2015. Then came more.")]
    assert _heard("1. One,\n   in\n0. 5 steps\n2. Two") == [
        ("list item", "One, in 0. 5 steps"), ("list item", "Two")]


def test_what_is_translated_stands_where_the_english_stood() -> None:
    says = {"Keep it": "留下它", "one item, wrapped": "一项", "A roof": "屋顶", "a word": "一个词"}
    written = "## [](#a) Keep it ●○○○○ 5 min\n\n- one item,\n  wrapped\n\n![A roof](a.svg)\n\n| a word | 3 |"
    assert blocks.reworded(written, lambda _, text: says[text]) == (
        "## [](#a) 留下它 ●○○○○ 5 min\n\n- 一项\n\n![屋顶](a.svg)\n\n| 一个词 | 3 |")


# Cells


CELL = '''
import torch

RUNS = {"plain": 1, "with a norm": 2}


def through(x, mode="bilinear"):
    """What comes out.

    Args:
        x: the input, of any
            shape.

    Returns:
        (N, C).
    """
    # nobody knows why,
    # but it helps
    return F.interpolate(x, mode=mode)  # noqa


for name, value in RUNS.items():
    print(f"{name:16} after {value:.2f} steps")
if RUNS["plain"] > 3:
    raise ValueError("too many runs")
photograph = photo("china", mode="bilinear")
axes.set(title="a roof", xlabel="step", cmap="gray")
for which in ("moon", "grass"):
    F.load(which)
### BEGIN SOLUTION
'''


def _taken(cell: str) -> dict[str, str]:
    taken: dict[str, str] = {}

    def say(kind: str, text: str) -> str:
        taken[text] = kind
        return text

    assert reworded(cell, learn([parsed(cell)]), say) == cell
    return taken


def test_of_a_cell_its_words_are_taken_and_no_data() -> None:
    assert _taken(CELL) == {
        "What comes out.": "docstring", "the input, of any shape.": "docstring",
        "nobody knows why, but it helps": "comment", "plain": "literal", "with a norm": "literal",
        "{name:16} after {value:.2f} steps": "literal", "too many runs": "literal", "a roof": "literal",
        "step": "literal"}


def test_words_are_put_in_alike_wherever_they_stand_and_code_stays() -> None:
    says = {"plain": "普通", "{name:16} after {value:.2f} steps": "{value:.2f} 步之后：{name:16}", "step": "步",
            "nobody knows why, but it helps": "没人知道为什么，但是有用"}
    new = reworded(CELL, learn([parsed(CELL)]), lambda _, text: says.get(text, text))
    assert '{"普通": 1' in new and 'RUNS["普通"]' in new
    assert 'print(f"{value:.2f} 步之后：{name:16}")' in new and 'xlabel="步"' in new
    assert "    # 没人知道为什么，但是有用\n    return" in new
    assert _masked(new) == _masked(CELL)


@pytest.mark.parametrize("written", ['"a\\n\\"b\\""', "'it\\'s'", 'f"{a!r:>{width}} is \\"so\\" {{not}}"',
                                     'f"a {x} b " "c {y}"', 'rf"\\d {x}"'])
def test_a_literal_written_anew_says_the_same(written: str) -> None:
    again = literal(written, template(written), 4)
    assert _value(again) == _value(written)


def _value(written: str) -> str:
    return str(eval(written, {"a": 1, "x": 2, "y": 3, "width": 9}))


def test_lines_break_where_chinese_may() -> None:
    lines = wrapped("一个窗口在每个通道上滑动，留下其中的最大值，见 `kernel_size` 和 stride。", 20, 20)
    assert max(map(width, lines)) <= 20
    assert "".join(lines).replace(" ", "") == "一个窗口在每个通道上滑动，留下其中的最大值，见`kernel_size`和stride。"
    assert not any(line.startswith(("，", "。")) for line in lines)


# The chapters


def _masked(source: str) -> str:
    """The syntax tree without what literals say; of f-strings, what is filled in, in any order."""
    tree = parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            filled = [part for part in node.values if isinstance(part, ast.FormattedValue)]
            node.values = sorted(filled, key=ast.dump)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = "…"
    return ast.dump(tree)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_nothing_changes_where_nothing_is_translated_and_no_code_where_all_is(chapter: Chapter) -> None:
    cells = [cell for _, cell in chapter.cells()]
    assert all_reworded(cells, lambda context, place, text: text) == [cell.source for cell in cells]
    turned = all_reworded(cells, lambda context, place, text: f"译文：{text}")
    for cell, new in zip(cells, turned, strict=True):
        if cell.cell_type == "code":
            assert _masked(new) == _masked(cell.source), new


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_place_of_a_literal_that_is_looked_up_is_taken_or_none(chapter: Chapter) -> None:
    """A dictionary's key and what looks it up are called alike in every language."""
    trees = [parsed(cell.source) for _, cell in chapter.cells() if cell.cell_type == "code"]
    known = learn(trees)
    taken: dict[str, set[bool]] = {}
    for node, place in (found for tree in trees for found in literals(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and known.stands(place) == "loose":
            taken.setdefault(node.value, set()).add(known.takes(node, place, node.value))
    assert [text for text, ways in taken.items() if len(ways) > 1] == []


@pytest.mark.parametrize("chapter", TRANSLATED)
def test_both_editions_are_one_course(chapter: Chapter) -> None:
    english, other = chapter.notebook(), chapter.edition("zh").notebook()
    assert [(cell.id, cell.cell_type, cell.metadata) for cell in english.cells] == [
        (cell.id, cell.cell_type, cell.metadata) for cell in other.cells]
    for one, two in zip(english.cells, other.cells, strict=True):
        if one.cell_type == "code":
            assert _masked(one.source) == _masked(two.source)
    if not chapter.catalogue("zh").is_draft:
        released = [nbformat.read(edition.released / f"{chapter.script.stem}.ipynb", as_version=4)
                    for edition in (chapter, chapter.edition("zh"))]
        assert [(cell.id, cell.metadata.get("nbgrader", {}).get("points")) for cell in released[0].cells] == [
            (cell.id, cell.metadata.get("nbgrader", {}).get("points")) for cell in released[1].cells]


@pytest.mark.parametrize("chapter", TRANSLATED)
def test_the_task_says_what_the_exam_says_of_it_in_chinese_too(chapter: Chapter) -> None:
    edition = chapter.edition("zh")
    prose = "".join("".join(cell.source.split()) for cell in edition.notebook().cells if cell.cell_type == "markdown")
    missing = [sentence for name, exercise in chapter.exercises.items() for aspect in exercise.aspects()
               if (sentence := edition.say(f"exam {name}", aspect.says)) != aspect.says
               and _bare(sentence) not in _bare(prose)]
    assert missing == []


def _bare(sentence: str) -> str:
    return re.sub(r"[\s。；：，]", "", sentence)


# Catalogues


@pytest.fixture
def toy(tmp_path: Path) -> Chapter:
    """The toy chapter with a figure."""
    shutil.copytree(TOY, tmp_path / "toy")
    (chapter,) = chapters(tmp_path / "toy")
    (chapter.folder / "figures.py").write_text(
        "import matplotlib.pyplot as plt\n\n"
        "def line():\n    figure, axes = plt.subplots()\n    axes.set(title='a line', xlabel='after 3 steps')\n"
        "    return figure\n", encoding="utf-8")
    chapter.script.write_text(chapter.script.read_text(encoding="utf-8").replace(
        "# # Toys\n#\n", "# # Toys\n#\n# ![a line that rises](../../assets/01_toy/line.svg)\n#\n"), encoding="utf-8")
    return chapter


def _renew(chapter: Chapter, **translations: str) -> dict[str, polib.POEntry]:
    """Bring the catalogue up to date; then translate, by the first word of the English, as a translator would."""
    chapter.catalogue("zh").renew(messages(chapter))
    path = chapter.catalogue("zh").path
    file = polib.pofile(str(path), wrapwidth=0)
    for entry in file:
        first = re.split(r"\W", entry.msgid)[0]
        if first in translations:
            entry.msgstr = translations[first]
            entry.flags = []
    path.write_text(text(file), encoding="utf-8")
    return {entry.msgid: entry for entry in file}


def _put(chapter: Chapter, old: str, new: str) -> None:
    written = chapter.script.read_text(encoding="utf-8")
    assert old in written
    chapter.script.write_text(written.replace(old, new), encoding="utf-8")


def test_a_catalogue_holds_script_exams_and_figures(toy: Chapter) -> None:
    entries = _renew(toy)
    assert entries["Nothing negative"].msgctxt == "prose"
    assert entries["Zero where x is negative, x elsewhere; any shape."].msgctxt == "code toy_relu"
    assert entries["after {1} steps"].msgctxt == "figure line"
    exam = {entry.msgid for entry in entries.values() if entry.msgctxt == "exam toy_relu"}
    exercise = toy.exercises["toy_relu"]
    assert {aspect.name for aspect in exercise.aspects()} <= {*exam, *entries}
    assert all(misconception.sentence in exam for misconception in exercise.misconceptions)
    assert toy.catalogue("zh").is_draft


def test_the_same_chapter_gives_the_same_bytes(toy: Chapter) -> None:
    _renew(toy, Nothing="没有负数")
    before = toy.catalogue("zh").path.read_bytes()
    toy.catalogue("zh").renew(messages(toy))
    assert toy.catalogue("zh").path.read_bytes() == before


def test_a_sentence_is_added_changed_and_removed(toy: Chapter) -> None:
    _renew(toy, Negative="负数变成零。输入保持原样。", Scale="先缩放，再平移。")
    _put(toy, "Negative numbers become zero. The input stays as it was.",
         "Negative numbers become zero. The input stays as it is.")
    _put(toy, "# Scale, then shift. Without a shift nothing is added. It takes whole numbers, too.\n", "")
    _put(toy, "# # Toys\n#\n", "# # Toys\n#\n# A new sentence.\n#\n")
    entries = _renew(toy)
    changed = entries["Negative numbers become zero. The input stays as it is."]
    assert changed.fuzzy and changed.msgstr == "负数变成零。输入保持原样。"
    assert changed.previous_msgid == "Negative numbers become zero. The input stays as it was."
    assert entries["A new sentence."].msgstr == ""
    assert not any(sentence.startswith("Scale, then shift. Without") for sentence in entries)
    _renew(toy, Negative="负数变成零。输入不变。")
    again = _renew(toy)["Negative numbers become zero. The input stays as it is."]
    assert not again.fuzzy and again.previous_msgid is None


def test_what_is_fuzzy_or_missing_is_said_in_english(toy: Chapter) -> None:
    _renew(toy, Negative="负数变成零。", The="所有数的平均。")
    _put(toy, "Negative numbers become zero.", "Negative numbers turn to zero.")
    _renew(toy)
    (chapter,) = chapters(toy.root)
    shown = "\n".join(cell.source for cell in chapter.edition("zh").notebook().cells)
    assert "Negative numbers turn to zero." in shown and "负数" not in shown
    assert "所有数的平均。" in shown and "Nothing negative" in shown


def test_a_heading_keeps_its_name_and_what_the_build_writes_is_said_in_the_language(toy: Chapter) -> None:
    _renew(toy, Nothing="没有负数", The="它不是 [](#toy_affine)。")
    (chapter,) = chapters(toy.root)
    shown = "\n".join(cell.source for cell in chapter.edition("zh").notebook().cells)
    assert '### <a id="toy_relu"></a>练习 1.1 · 没有负数 ●○○○○ 5 分钟' in shown
    assert "它不是 [练习 1.2](#toy_affine)。" in shown
    assert "Exercise 1.2 · A straight line" not in shown and "练习 1.2 · A straight line" in shown


def test_a_chinese_notebook_is_released_beside_the_english_one(toy: Chapter) -> None:
    _renew(toy, Nothing="没有负数", Zero="x 为负时是零。")
    (chapter,) = chapters(toy.root)
    for edition in chapter.editions(drafts=True):
        assets.draw(edition, edition.assets)
    notebooks.release(chapter.editions(drafts=True), toy.root)
    english, other = (nbformat.read(toy.root / f"notebooks/{language}/01_toy/toy.ipynb", as_version=4)
                      for language in ("en", "zh"))
    assert [cell.id for cell in english.cells] == [cell.id for cell in other.cells]
    codes = [{cell.id: cell.source for cell in notebook.cells} for notebook in (english, other)]
    assert codes[0]["needs"].endswith('language("en")') and codes[1]["needs"].endswith('language("zh")')
    assert _masked(codes[0]["needs"]) == _masked(codes[1]["needs"])
    assert '"""x 为负时是零。"""' in codes[1]["toy_relu"] and "raise NotImplementedError" in codes[1]["toy_relu"]
    assert "x * (x > 0)" not in codes[1]["toy_relu"]


def test_a_draft_is_built_by_nobody_and_belongs_to_no_check(toy: Chapter) -> None:
    _renew(toy)
    (chapter,) = chapters(toy.root)
    assert [edition.language for edition in chapter.editions()] == ["en"]
    path = chapter.catalogue("zh").path
    path.write_text(path.read_text(encoding="utf-8").replace('"X-Draft: yes\\n"\n', ""), encoding="utf-8")
    assert [edition.language for edition in chapter.editions()] == ["en", "zh"]


def test_check_tells_a_catalogue_that_is_behind_and_an_edition_that_is_missing(toy: Chapter) -> None:
    _renew(toy, Nothing="没有 {minutes} 负数")
    path = toy.catalogue("zh").path
    path.write_text(path.read_text(encoding="utf-8").replace('"X-Draft: yes\\n"\n', ""), encoding="utf-8")
    _put(toy, "# # Toys\n#\n", "# # Toys\n#\n# A new sentence.\n#\n")
    (chapter,) = chapters(toy.root)
    told = "\n".join(check.problems([chapter], toy.root, drawing=False, furnished=False))
    assert "zh.po is not what the chapter says; `make messages CHAPTER=01_toy`" in told
    assert "the placeholder {minutes} is not in the English text" in told
    assert "solutions/zh/01_toy.ipynb is missing" in told
    waiting = next(iter(state.waiting([chapter])))
    assert re.search(r"zh\.po: \d+ untranslated and 0 fuzzy of \d+", waiting)


def test_a_catalogue_that_cannot_be_read_is_named_with_its_line(toy: Chapter) -> None:
    _renew(toy)
    path = toy.catalogue("zh").path
    path.write_text(path.read_text(encoding="utf-8").replace("msgstr", "<<<<<<< HEAD\nmsgstr", 2), encoding="utf-8")
    with pytest.raises(SourceError, match=r"zh\.po cannot be read as a catalogue: .*line \d+.*mend it there"):
        toy.catalogue("zh")


def test_the_chapters_catalogues_are_what_the_chapters_say() -> None:
    for chapter in CHAPTERS:
        assert list(state.problems(chapter, None)) == []


# Faults


@pytest.mark.parametrize(("context", "english", "chinese", "told"), [
    ("code", "{name:16} after {x:.2f}", "{name} 之后 {x:.2f}", {"the placeholder {name:16} is missing",
                                                             "the placeholder {name} is not in the English text"}),
    ("code", "{}×{}", "{}", {"the placeholder {} is missing"}),
    ("figure line", "{1} of {2}", "{2} 之 {1}", set()),
    ("prose", "see `pad`", "看填充", {"the code `pad` is missing"}),
    ("prose", "so $x$", "于是 $y$", {"the formula $x$ is missing", "the formula $y$ is not in the English text"}),
    ("prose", "$x \\text{ and } y$", "$x \\text{ 和 } y$", set()),
    ("prose", "as [there](#conv2d)", "像[那里](#conv)", {"the link to #conv2d is missing",
                                                        "the link to #conv is not in the English text"}),
    ("prose", "**First.** Then", "**首先。**然后",
     {"asterisks show: between full-width punctuation and a letter ** neither begins nor ends; move them"}),
    ("prose", "**First**, then", "**首先**，然后", set()),
    ("prose", "{minutes} minutes, `a` and again `a`", "`a`，{minutes} 分钟", set()),
])
def test_what_a_translation_has_lost_is_named(context: str, english: str, chinese: str, told: set[str]) -> None:
    entry = polib.POEntry(msgctxt=context, msgid=english, msgstr=chinese)
    assert {line.partition("): ")[2] for line in faults([entry])} == told
    entry.flags = ["fuzzy"]
    assert list(faults([entry])) == []


def test_a_term_that_is_translated_otherwise_is_named() -> None:
    terms = [Term("transposed convolution", "转置卷积"), Term("stride", "步幅、步长"), Term("convolution", "卷积")]
    entries = [polib.POEntry(msgid=english, msgstr=chinese) for english, chinese in (
        ("A transposed convolution", "反卷积"), ("Two strides", "两个步长"), ("a `stride`", "一个 `stride`"))]
    assert [line.partition("): ")[2] for line in other_words(entries, terms)] == [
        "'transposed convolution' is 转置卷积 in docs/glossary.md"]


def test_the_glossary_has_its_terms_once() -> None:
    terms = Counter(term.english.lower() for term in glossary(ROOT / "docs/glossary.md"))
    assert len(terms) >= 150 and max(terms.values()) == 1


# Figures


def test_numbers_in_figures_are_placeholders() -> None:
    assert said("after 3 steps: 98.1 %", lambda text: {"after {1} steps: {2} %": "{2} %，{1} 步之后"}[text]) == \
        "98.1 %，3 步之后"
    assert said("3×3 conv, layer1", lambda text: text) == "3×3 conv, layer1"
    for silent in ("12", "grad_x", "align_corners=False"):
        assert said(silent, lambda text: pytest.fail(text)) == silent


def test_no_letter_is_missing_in_a_chinese_figure_whatever_its_font() -> None:
    with using("zh"), plt.rc_context():
        plots.use_style()
        with drawing(lambda text: "卷积，步幅"), warnings.catch_warnings():
            warnings.simplefilter("error")
            figure, axes = plt.subplots()
            axes.set_title("convolution")
            axes.text(0, 0, "stride", family="monospace")
            figure.canvas.draw()
            assert axes.get_title() == "卷积，步幅"
            plt.close(figure)


def test_the_font_has_every_letter_that_the_catalogues_use() -> None:
    assert lacking(used(ROOT)) == []
    assert lacking("卷积𰻝") == ["𰻝"]


def test_a_message_is_known_by_context_and_text() -> None:
    assert Message("prose", "a", "“Toys”, paragraph", "x.py").key == ("prose", "a")


def test_strict_check_fails_where_a_translation_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "problems", lambda chapters, root: iter(()))
    monkeypatch.setattr(state, "waiting", lambda chapters: iter(["zh.po: 3 untranslated and 1 fuzzy of 9"]))
    lax, strict = (CliRunner().invoke(main, ["check", *options]) for options in ([], ["--strict"]))
    assert lax.exit_code == 0 and "3 untranslated and 1 fuzzy of 9" in lax.output
    assert strict.exit_code == 1 and "catalogues that are not whole: 1" in strict.output
