"""A class hands in in two languages: the same marks, each answered in its own."""

import json
import shutil
import warnings
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import grading_course as toy
import nbformat
import pytest
from nbgrader.apps import NbGraderAPI

from convcraft.author.notebooks import call
from convcraft.commands import ROOT
from convcraft.grading.classroom import grade_class
from convcraft.grading.notebook.editions import editions
from convcraft.grading.notebook.released import released_notebook
from convcraft.grading.reader import grade_work
from convcraft.grading.report import gather, mistakes, write
from convcraft.language import UnknownLanguageError, using
from convcraft.layout import RELEASES, course_config

pytestmark = [pytest.mark.xdist_group("grading"), pytest.mark.sandbox]

SAID = {  # what the toy chapter says, in Chinese
    "# Toys": "# 玩具",
    "Negative numbers become zero. The input stays as it was.": "负数变成零。输入保持原样。",
    "Scale, then shift. Without a shift nothing is added. It takes whole numbers, too.": "先缩放，再平移。",
    "Zero where x is negative, x elsewhere; any shape.": "x 为负处是零，其余处是 x；形状任意。",
    "x scaled, then shifted; any shape.": "x 先缩放再平移；形状任意。",
    "# YOUR CODE HERE": "# 在这里写你的代码",
}
EXAM = {
    "toy_affine": {"The shift was added before scaling.": "平移加在了缩放之前。", "values": "数值",
                   "Scale, then shift.": "先缩放，再平移。"},
}
CHINESE = {
    **toy.RIGHT,
    "toy_relu": "def toy_relu(x):\n    负数 = x < 0  # 哪些是负数\n    return x * ~负数",
    "toy_affine": "def toy_affine(x, scale, shift=0.0):\n    # 先加，再乘\n    return (x + shift) * scale",
}


def _said(text: str) -> str:
    for english, chinese in SAID.items():
        text = text.replace(english, chinese)
    return text


def _in_chinese(book: dict) -> dict:
    """The toy chapter in Chinese: what it says, and a first cell that says so."""
    book = json.loads(_said(json.dumps(book, ensure_ascii=False)))
    book["cells"].insert(1, {
        "cell_type": "code", "id": "needs", "metadata": {}, "outputs": [], "execution_count": None,
        "source": 'from convcraft.language import language\n\nlanguage("zh")'})
    return book


def _catalogue(chapter: Path) -> None:
    entries = ['msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"']
    entries += [f'msgctxt "exam {name}"\nmsgid "{english}"\nmsgstr "{chinese}"'
                for name, said in EXAM.items() for english, chinese in said.items()]
    (chapter / "zh.po").write_text("\n\n".join(entries) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """The toy course in two languages, with a Chinese path, and a class that has handed in."""
    root = toy.make(tmp_path_factory.mktemp("语言") / "课程")
    _catalogue(root / "source/01_toy")
    folder = root / "notebooks/zh/01_toy"
    folder.mkdir(parents=True)
    (folder / "toy.ipynb").write_text(json.dumps(_in_chinese(toy.notebook(root, {})), ensure_ascii=False))
    for student, answers in {"ada": CHINESE, "empty": {}}.items():
        toy.submit(root, f"{student}-en", toy.notebook(root, answers))
        toy.submit(root, f"{student}-zh", _in_chinese(toy.notebook(root, answers)))
    pasted = _in_chinese(toy.notebook(root, {"toy_affine": CHINESE["toy_affine"]}))
    stub = toy.solution(toy.notebook(root, {}), "toy_relu")["source"]
    toy.solution(pasted, "toy_relu")["source"] = stub  # an English stub in a Chinese notebook
    tried = next(cell for cell in toy.notebook(root, {})["cells"] if "try_it" in "".join(cell["source"]))
    pasted["cells"].append(toy.code("".join(tried["source"])))
    toy.submit(root, "mixed-zh", pasted)
    broken = json.dumps(_in_chinese(toy.notebook(root, CHINESE)), ensure_ascii=False)
    toy.submit(root, "renamed-zh", broken.encode(), name="玩具.ipynb")
    grade_class(root, feedback=True)
    return root


def _comments(root: Path, student: str) -> list[str]:
    return [row[1] for row in toy.rows(root, student) if len(row) == 3 and row[1]]


def test_marks_are_the_same_in_either_language(course: Path) -> None:
    points = toy.points(course)
    assert points["ada-en"] == points["ada-zh"] == points["renamed-zh"] > 70
    assert points["empty-en"] == points["empty-zh"] == 0
    english, chinese = ([row for row in toy.rows(course, f"ada-{each}") if len(row) == 4] for each in ("en", "zh"))
    assert english == chinese


def test_comments_verdicts_and_remarks_speak_the_language_that_was_handed_in(course: Path) -> None:
    assert _comments(course, "ada-en") == ["The shift was added before scaling."]
    assert _comments(course, "ada-zh") == ["平移加在了缩放之前。"]
    assert set(_comments(course, "empty-en")) == {"No response."}
    assert set(_comments(course, "empty-zh")) == {"没有作答。"}
    shown = json.dumps(toy.graded_notebook(course, "ada-zh"), ensure_ascii=False)
    assert "数值" in shown and "未通过" in shown and "任务说：“先缩放，再平移。”" in shown and "你的" in shown
    assert "The task says" not in shown and "points" not in "".join(
        output["data"]["text/plain"] for cell in toy.graded_notebook(course, "ada-zh") if cell.cell_type == "code"
        for output in cell.outputs if output.output_type == "display_data")
    remarks = toy.graded_notebook(course, "renamed-zh")[0]["source"]
    assert "评分程序的说明" in remarks and "缺少 toy.ipynb" in remarks


def test_stubs_and_try_it_cells_of_either_language_are_untouched(course: Path) -> None:
    cells = toy.graded_notebook(course, "mixed-zh")
    known = [cell.metadata.convcraft for cell in cells if "convcraft" in cell.metadata]
    facts = {each.exercise: each for each in known}
    assert not facts["toy_relu"].answered and facts["toy_affine"].answered
    assert not any(str(cell.id).startswith("own-") for cell in cells), "nothing of the student's own is in it"
    assert not any(cell.metadata.get("convcraft_remarks") for cell in cells)


def test_feedback_page_speaks_the_language_that_was_handed_in(course: Path) -> None:
    page = {student: (course / f"feedback/{student}/01_toy/toy.html").read_text() for student in ("ada-en", "ada-zh")}
    assert '<html lang="en">' in page["ada-en"] and "Student's answer" in page["ada-en"]
    assert "(Score: " in page["ada-en"] and "Comments:" in page["ada-en"]
    assert '<html lang="zh">' in page["ada-zh"] and "学生的答案" in page["ada-zh"] and "评语:" in page["ada-zh"]
    assert "(得分: " in page["ada-zh"] and "Score" not in page["ada-zh"]


def test_report_counts_one_mistake_in_either_language_and_speaks_the_teachers(course: Path, tmp_path: Path) -> None:
    (chapter,) = gather(course)
    (row,) = mistakes(chapter)
    assert row[2:] == ("toy_affine", "The shift was added before scaling.") and row[0] == 4
    with using("zh"), warnings.catch_warnings():
        warnings.simplefilter("error")  # a letter that the figure's font lacks
        (chapter,) = gather(course)
        assert mistakes(chapter)[0][2:] == ("toy_affine", "平移加在了缩放之前。")
        write([chapter], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert all(part in page for part in ('<html lang="zh">', "班里在哪里卡住", "不到一半"))
    assert "of the points" not in page


def test_both_ways_of_grading_agree(course: Path, tmp_path: Path) -> None:
    root = toy.copied(course, tmp_path / "course")
    shutil.rmtree(root / "autograded")
    config = course_config(root)
    for student in ("ada-zh", "mixed-zh"):
        answer = call(NbGraderAPI(config=config).autograde, "01_toy", student)
        assert answer["success"], answer
        assert toy.rows(root, student) == toy.rows(course, student)
        assert toy.graded_notebook(root, student) == toy.graded_notebook(course, student)


def test_class_that_releases_chinese_takes_english(course: Path, tmp_path: Path) -> None:
    root = toy.copied(course, tmp_path / "course")
    with (root / "nbgrader_config.py").open("a") as config:
        config.write('\nc.CourseDirectory.release_directory = "notebooks/zh"\n')
    summary = grade_class(root, students=["ada-en", "ada-zh"], force=True)
    assert not summary.changes, "another language is no change of a release"
    assert toy.points(root) == toy.points(course)
    assert _comments(root, "ada-en") == ["The shift was added before scaling."]


def test_what_a_class_releases_is_chosen_apart_from_what_commands_speak(monkeypatch) -> None:
    monkeypatch.setenv("CONVCRAFT_LANGUAGE", "zh")
    config = course_config(ROOT)
    assert config.CourseDirectory.release_directory == "notebooks/en"
    assert config.ClearSolutions.code_stub["python"].startswith("# YOUR CODE HERE")
    monkeypatch.setenv(RELEASES, "zh")
    config = course_config(ROOT)
    assert config.CourseDirectory.release_directory == "notebooks/zh"
    assert config.ClearSolutions.code_stub["python"].startswith("# 在这里写你的代码")
    monkeypatch.setenv(RELEASES, "fr")
    with pytest.raises(UnknownLanguageError, match="CONVCRAFT_RELEASES: there is no language 'fr'"):
        course_config(ROOT)


def test_nothing_that_a_chapter_is_written_in_is_released() -> None:
    ignored = course_config(ROOT).CourseDirectory.ignore
    written = {path.name for path in ROOT.glob("source/*/*.*") if path.suffix != ".ipynb"}
    assert "zh.po" in written
    assert not [name for name in written if not any(fnmatch(name, pattern) for pattern in ignored)]


def test_readers_own_work_is_answered_in_its_language(course: Path, tmp_path: Path) -> None:
    (tmp_path / "作业/01_toy").mkdir(parents=True)
    shutil.copy(course / "submitted/ada-zh/01_toy/toy.ipynb", tmp_path / "作业/01_toy")
    (chapter,) = grade_work(tmp_path / "作业", course)
    assert chapter.graded.points == toy.points(course)["ada-zh"]
    assert "平移加在了缩放之前。" in chapter.pages[0].read_text()


def test_language_is_told_by_content_and_not_by_what_a_notebook_says_of_itself(course: Path) -> None:
    paths = [course / f"notebooks/{language}/01_toy/toy.ipynb" for language in ("en", "zh")]
    known = editions(*map(released_notebook, paths))
    english, chinese = (json.loads(path.read_text()) for path in paths)
    for book in (english, chinese):
        for cell in book["cells"]:
            cell["source"] = "".join(cell["source"])
    assert known.handed_in(english["cells"]).language == "en"
    assert known.handed_in(chinese["cells"]).language == "zh"
    lying = [*english["cells"], toy.code('from convcraft.language import language\n\nlanguage("zh")')]
    assert known.handed_in(lying).language == "en"
    assert known.handed_in([]).language == "en", "of which nothing is known, it is the class's"


def test_class_that_changed_its_chapter_runs_its_own(course: Path, tmp_path: Path) -> None:
    root = toy.copied(course, tmp_path / "course")
    path = root / "notebooks/zh/01_toy/toy.ipynb"
    book = nbformat.read(path, 4)
    for cell in book.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "toy_relu_exam":
            cell.metadata.nbgrader.points = 50
    nbformat.write(book, path)
    grade_class(root, students=["ada-zh"], force=True)
    assert toy.points(root)["ada-zh"] == toy.points(course)["ada-zh"]
    assert _comments(root, "ada-zh") == ["平移加在了缩放之前。"]


def test_threads_speak_each_its_own_language() -> None:
    from convcraft.language import _

    def said(name: str) -> str:
        with using(name):
            return _("passed")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(said, ["en", "zh"] * 20)) == {"passed", "通过"}
