"""A Chinese chapter in a real JupyterLab, whose menus are Chinese, too: a wrong answer, told and drawn in Chinese."""

import json

import pytest
from chromium import CHROMIUM
from conftest import CHAPTERS, copy_course
from lab import browser_page, cells, jupyter
from needs import need

from convcraft.demo.cohort import source_of

CHAPTER = next(chapter for chapter in CHAPTERS if chapter.name == "02_pooling")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    need(CHROMIUM, "Chromium", "`make system`")
    return copy_course(tmp_path_factory.mktemp("chinese") / "课程")


@pytest.fixture(scope="module")
def url(course):
    settings = course.parent / "home/.jupyter/lab/user-settings/@jupyterlab/translation-extension"
    settings.mkdir(parents=True)
    (settings / "plugin.jupyterlab-settings").write_text(json.dumps({"locale": "zh_CN"}))
    with jupyter("lab", course, course.parent / "home", course.parent / "lab.log", "--language", "zh") as address:
        yield address


def test_wrong_answer_is_told_and_drawn_in_chinese(course, url, shots):
    with browser_page(shots) as lab:
        lab.open(url, f"{CHAPTER.name}/pooling.ipynb")
        lab.page.get_by_role("menuitem", name="文件", exact=True).wait_for()
        lab.shot("a Chinese chapter")
        lab.menu("运行")
        lab.page.get_by_role("menuitem", name="运行所有单元格").first.click()
        lab.idle()
        exercise = CHAPTER.exercises["max_pool2d"]
        answer = source_of(CHAPTER, exercise, exercise.misconceptions[0].answer)
        lab.type_into(lab.cell("def max_pool2d("), f"{answer}\n\n答案 = max_pool2d  # 这是我的答案")
        exam = lab.cell('examine("max_pool2d", max_pool2d)')
        lab.run(exam)
        verdict = lab.scroll_to(exam.locator(".convcraft-verdict"))
        lab.shot("a wrong answer")
        told = verdict.inner_text()
        assert exercise.sentences("zh")[exercise.misconceptions[0].sentence] in told
        assert "12.8 / 15 分" in told and "任务说：“" in told and "The task says" not in told
        assert [title for title in ("你的", "应有的", "差") if title in told] == ["你的", "应有的", "差"]
        alts = verdict.locator("img").evaluate_all("all => all.map(picture => [picture.alt, picture.naturalWidth])")
        assert alts[0][0].startswith("三张图：") and all(width > 0 for _, width in alts)
        lab.save()
        assert not lab.strangers
    saved = cells(course / "work" / CHAPTER.name / "pooling.ipynb")
    shown = {cell["id"]: json.dumps(cell["outputs"], ensure_ascii=False) for cell in saved}
    assert "边界填了零" in shown["max_pool2d_exam"] and "还没有写。" in shown["avg_pool2d_exam"]
