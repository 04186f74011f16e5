"""In which language the package speaks, and what it says there."""

import gettext
import re
from dataclasses import replace
from pathlib import Path
from unicodedata import east_asian_width

import polib
import pytest
import torch

from convcraft import language
from convcraft.author.messages import package as spoken
from convcraft.exam import Exercise, Verdict, find, judge, observe
from convcraft.exam.present import html, text
from convcraft.exam.sealed import load_sealed, seal
from convcraft.language import using


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been chosen yet."""
    monkeypatch.setattr(language, "_notebook", "")
    monkeypatch.delenv(language.VARIABLE, raising=False)


def test_notebooks_language_counts_and_a_block_may_speak_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert language.current() == "en"
    monkeypatch.setenv(language.VARIABLE, "zh")
    assert language.current() == "zh"
    language.language("en")
    assert language.current() == "en"
    with language.using("zh"):
        with language.using("en"):
            assert language.current() == "en"
        assert language.current() == "zh"
    assert language.current() == "en"


def test_unknown_language_is_refused_and_the_known_ones_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(language.UnknownLanguageError, match=r"no language 'fr' here; there are en, zh"):
        language.language("fr")
    monkeypatch.setenv(language.VARIABLE, "chinese")
    with pytest.raises(language.UnknownLanguageError, match=r"CONVCRAFT_LANGUAGE: there is no language 'chinese'"):
        language.current()


@pytest.mark.parametrize(("environment", "expected"), [
    ({}, "en"),
    ({"LANG": "C"}, "en"),
    ({"LANG": "zh_CN.UTF-8"}, "zh"),
    ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
    ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_CN.GBK"}, "zh"),
    ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_CN:en"}, "zh"),
    ({"LANG": "de_DE.UTF-8"}, "en"),
    ({"LANG": "zh_CN.UTF-8", "CONVCRAFT_LANGUAGE": "en"}, "en"),
])
def test_commands_speak_the_systems_language(environment: dict[str, str], expected: str) -> None:
    assert language.of_system(environment) == expected


def test_catalogue_is_what_the_code_says_and_what_the_package_reads_is_the_catalogue() -> None:
    for name in spoken.translated_to():
        path = spoken.catalogue(name)
        text = path.read_text(encoding="utf-8")
        assert spoken.renewed(path, name) == text, "`make messages` writes it anew"
        assert spoken.compiled(text) == path.with_suffix(".mo").read_bytes(), "`make messages` writes it anew"


def test_sentence_that_is_added_changed_or_removed_is_seen(tmp_path: Path) -> None:
    package, path = tmp_path / "package", tmp_path / "zh.po"
    package.mkdir()
    (package / "said.py").write_text('_("The border is wrong.")\nN_("It goes on.")\n')
    path.write_text(spoken.renewed(path, "zh", package))
    known = polib.pofile(str(path))
    known.find("The border is wrong.").msgstr, known.find("It goes on.").msgstr = "边界不对。", "继续。"
    path.write_text(str(known))
    (package / "said.py").write_text('_("The whole border is wrong.")\nngettext("{n} cell", "{n} cells", n)\n')
    renewed = polib.pofile(spoken.renewed(path, "zh", package))
    changed, added = renewed.find("The whole border is wrong."), renewed.find("{n} cell")
    assert changed.fuzzy and changed.msgstr == "边界不对。" and changed.previous_msgid == "The border is wrong."
    assert added.msgid_plural == "{n} cells" and not added.translated()
    assert renewed.find("It goes on.") is None
    assert "边界".encode() not in spoken.compiled(str(renewed)), "what is outdated is not shown"


def test_sentence_inside_an_f_string_is_seen_in_every_python(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    code = """f"{_('It goes on.')} {_(name)}", f'{ngettext("{n} cell", "{n} cells", n)}'\n"""
    (package / "said.py").write_text(code)
    renewed = polib.pofile(spoken.renewed(tmp_path / "zh.po", "zh", package))
    assert [(entry.msgid, entry.msgid_plural) for entry in renewed] == [("It goes on.", ""), ("{n} cell", "{n} cells")]


@pytest.fixture
def in_words(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A catalogue for a test: what is put into it is what Chinese readers are told."""
    translations: dict[str, str] = {}

    class Catalogue(gettext.NullTranslations):
        def gettext(self, message: str) -> str:
            return translations.get(message, message)

    monkeypatch.setattr(language, "_catalogue", lambda name: Catalogue())
    return translations


def test_sentence_is_looked_up_when_it_is_shown(in_words: dict[str, str]) -> None:
    sentence = language.N_("It goes on.")
    in_words[sentence] = "继续。"
    assert language._(sentence) == "It goes on."
    with language.using("zh"):
        assert language._(sentence) == "继续。"
        assert language._("Not translated.") == "Not translated."
        assert language._("") == ""


def test_what_was_filled_in_in_english_is_retold(in_words: dict[str, str]) -> None:
    first, second = "line {number}: {code}", "line {number}"
    in_words |= {first: "第 {number} 行：{code}", second: "第 {number} 行"}
    assert language.retold("line 3: return {x}", first, second) == "line 3: return {x}"
    with language.using("zh"):
        assert language.retold("line 3: return {x}", first, second) == "第 3 行：return {x}"
        assert language.retold("line 3", first, second) == "第 3 行"
        assert language.retold("column 3", first, second) == "column 3"
        hostile = "line " * 200_000
        assert language.retold(hostile, first, second) == hostile


def _verdict(exercise: Exercise, by: Exercise | None = None) -> Verdict:
    """On an exercise's first known mistake, by the exercise itself or by its sealed exam."""
    mistake = exercise.misconceptions[0].answer
    records = observe(exercise.name, exercise.probe, mistake, seed=0, bans=exercise.bans)
    return judge(by or exercise, records, seed=0)


def test_verdict_speaks_the_language_in_force_and_marks_do_not_depend_on_it(tmp_path: Path) -> None:
    exercise = find("max_pool2d")
    english = _verdict(exercise)
    sealed = load_sealed(seal(exercise, tmp_path).parent, exercise.name)
    with using("zh"):
        chinese, of_sealed = _verdict(exercise), _verdict(exercise, sealed)
        table, page = text(chinese), html(chinese)
    assert chinese.points == english.points and chinese.mistakes == english.mistakes == english.diagnoses
    assert [row.aspect for row in chinese.rows] == [row.name for row in english.rows]
    assert chinese.diagnoses == of_sealed.diagnoses == [exercise.sentences("zh")[english.diagnoses[0]]]
    assert "边界填了零" in table and "任务说：“" in table and "12.8 / 15 分" in table
    assert not re.search(r"[a-z]{2,} [a-z]{2,}", table), "no English sentence is left in it"
    assert 'aria-label="未通过"' in page and "你的" in page and "三张图：" in page
    assert text(_verdict(exercise)) == text(english), "and in English all is as it was"


def test_chinese_table_fits_its_columns() -> None:
    with using("zh"):
        table = text(_verdict(find("max_pool2d")))
    columns = [sum(2 if east_asian_width(letter) in "WF" else 1 for letter in line) for line in table.splitlines()]
    assert max(columns) <= 120
    failed = table.split("✗")[1].split("✓")[0].splitlines()
    assert len(failed) <= 5 and not any(line.strip().startswith(tuple("，。：；”）")) for line in failed)


@pytest.mark.parametrize(("spoken", "sentence"), [
    ("zh", "梯度能流过捷径的 BatchNorm2d 和 1×1 卷积；" * 3),
    ("en", "What is " + "long" * 24 + " flows past the norm."),
])
@pytest.mark.parametrize("before", range(0, 43, 6))
def test_page_says_a_sentence_as_it_stands_wherever_the_table_breaks_it(
        spoken: str, sentence: str, before: int) -> None:
    verdict = _verdict(find("max_pool2d"))
    failed = next(row for row in verdict.rows if not row.passed)
    sentence = "x" * before + sentence
    with using(spoken):
        shown = replace(verdict, rows=[replace(failed, diagnosis=sentence)])
        assert len(text(shown).splitlines()) > 4 and sentence in html(shown)


@pytest.mark.parametrize(("answer", "said"), [
    (lambda x: (_ for _ in ()).throw(NotImplementedError), "还没有写。"),
    (None, "交给考核的是 None。请把函数或类本身交给它"),
    (lambda x: None, "你的代码返回了 None；应该返回张量。"),
    (lambda x: torch.sigmoid(x).flatten(), "你的形状是"),
    (lambda x: 1 / 0, "你的代码停在了 ZeroDivisionError：division by zero（第 "),
    (lambda x: torch.sigmoid(x).detach(), "自动求导看不到结果怎样依赖输入：计算图断了。"),
    (lambda x: 2 * torch.sigmoid(x), "你的结果处处是正确结果的 2 倍。"),
])
def test_what_went_wrong_is_told_in_the_language_in_force(answer: object, said: str) -> None:
    exercise = find("sigmoid")
    with using("zh"):
        shown = text(judge(exercise, observe("sigmoid", exercise.probe, answer, seed=0), seed=0))
    assert said in "".join(line.strip() for line in shown.splitlines())
