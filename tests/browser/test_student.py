"""A reader's and a student's road through JupyterLab, in a real browser."""

import html
import json
import re
import shutil

import pytest
from chromium import CHROMIUM
from conftest import CHAPTER, CHAPTERS, copy_course, environment
from lab import browser_page, cells, jupyter, outputs
from needs import need

from convcraft.demo.cohort import solutions, source_of

NOTEBOOK = f"{CHAPTER.partition('_')[2]}.ipynb"
EXERCISE, MISTAKE = "cross_correlate", 0


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course whose folder has spaces and Chinese characters in its name."""
    need(CHROMIUM, "Chromium", "`make system`")
    return copy_course(tmp_path_factory.mktemp("student") / "a course – 课程")


@pytest.fixture(scope="module")
def url(course):
    with jupyter("lab", course, course.parent / "home", course.parent / "lab.log") as address:
        yield address


@pytest.fixture
def lab(shots):
    with browser_page(shots) as page:
        yield page
        assert not page.strangers  # nothing that a page shows comes from the network


@pytest.fixture(scope="module")
def chapter():
    return next(chapter for chapter in CHAPTERS if chapter.name == CHAPTER)


def test_the_untouched_chapter_runs_and_shows_everything(course, url, lab):
    lab.open(url, f"{CHAPTER}/{NOTEBOOK}")
    assert lab.asks_for_no_news()
    lab.shot("chapter opened")
    pictures = lab.pictures()
    assert pictures and all(width > 0 for _, width in pictures), pictures
    assert all(len(alt.split()) >= 3 for alt, _ in pictures), pictures
    lab.run_all()
    lab.save()
    saved = course / "work" / CHAPTER / NOTEBOOK
    assert not outputs(saved, "error")
    figures = lab.pictures(".jp-OutputArea img")
    assert figures and all(alt and width > 0 for alt, width in figures), figures
    shown = json.dumps([cell["outputs"] for cell in cells(saved)], ensure_ascii=False)
    assert "Not written yet." in shown
    assert f"This cell waits for your {EXERCISE}." in shown
    assert not [output for output in outputs(saved, "stream") if output["name"] == "stderr"]


def test_the_explorers_sliders_move_the_picture(url, lab):
    lab.open(url, f"{CHAPTER}/{NOTEBOOK}")
    lab.run_all()
    cell = lab.cell("plots.explore(")
    slider = lab.scroll_to(cell.locator(".noUi-handle").first)
    picture = cell.locator(".jupyter-widgets img").first
    picture.wait_for()
    before = picture.get_attribute("src")
    slider.focus()
    lab.page.keyboard.press("ArrowRight")
    lab.page.wait_for_function("([picture, before]) => document.contains(picture) ? picture.src !== before : true",
                               arg=[picture.element_handle(), before])
    lab.page.wait_for_timeout(500)
    assert cell.locator(".jupyter-widgets img").first.get_attribute("src") != before
    lab.shot("explorer moved")


@pytest.mark.road
def test_a_wrong_answer_is_told_its_mistake_and_a_right_one_has_its_points(url, lab, chapter):
    exercise = chapter.exercises[EXERCISE]
    mistake = exercise.misconceptions[MISTAKE]
    lab.open(url, f"{CHAPTER}/{NOTEBOOK}")
    lab.run(lab.cell("import torch"))
    lab.type_into(lab.cell(f"def {EXERCISE}("), source_of(chapter, exercise, mistake.answer))
    graded = lab.cell(f'examine("{EXERCISE}"')
    lab.run(graded)
    table = graded.locator(".convcraft-verdict")
    table.wait_for()
    assert mistake.sentence in table.inner_text()
    assert table.locator("img").first.evaluate("picture => picture.naturalWidth") > 0
    assert table.locator("img").first.get_attribute("alt").startswith("Three pictures")
    lab.scroll_to(table)
    lab.shot("wrong answer, light")
    assert lab.contrast(table) >= 4.5
    lab.command("Use Theme: JupyterLab Dark")
    lab.page.locator('body[data-jp-theme-light="false"]').wait_for(state="attached")
    lab.page.wait_for_timeout(500)
    lab.shot("wrong answer, dark")
    assert lab.contrast(table) >= 4.5
    lab.command("Use Theme: JupyterLab Light")
    lab.page.locator('body[data-jp-theme-light="true"]').wait_for(state="attached")

    dialog = lab.validate()
    told = re.sub(r"\s+", " ", dialog.inner_text())
    assert re.sub(r"\s+", " ", mistake.sentence) in told
    assert "Not written yet." in told
    lab.shot("validate")
    lab.page.keyboard.press("Escape")

    lab.type_into(lab.cell(f"def {source_name(mistake)}"), solutions(chapter)[EXERCISE])
    graded = lab.cell(f'examine("{EXERCISE}"')
    lab.run(graded)
    assert f"{exercise.points} of {exercise.points} points" in graded.locator(".convcraft-verdict").inner_text()
    lab.shot("right answer")


def source_name(mistake) -> str:
    return mistake.answer.__name__


def test_the_whole_road_by_keyboard(course, url, lab, chapter):
    """Fetch, answer, run, read the table, validate, submit, fetch the feedback and read it, without a mouse."""
    exercise = chapter.exercises[EXERCISE]
    mistake = exercise.misconceptions[MISTAKE]
    teacher = environment(course, course.parent / "teacher")
    run = lambda *command: lab.program(course, teacher, *command)  # noqa: E731
    run("nbgrader", "release_assignment", CHAPTER)
    shutil.rmtree(course / "work" / CHAPTER)  # a student starts from what the teacher has released
    page, keys = lab.page, lab.page.keyboard
    page.add_init_script("addEventListener('pointerdown', () => window.pointed = true, true)")
    lab.open(url)

    released = page.locator("#released_assignments_list .list_item", has_text=CHAPTER)
    lab.command("Assignment List", opens="#nbgrader-assignment-list")
    released.wait_for()
    lab.go_to(released.get_by_role("button", name="Fetch"))
    lab.shot("Tab leads to Fetch")
    keys.press("Enter")
    fetched = page.locator("#fetched_assignments_list > .list_item", has_text=CHAPTER).first
    fetched.wait_for()
    lab.shot("fetched")

    lab.command("Open from Path", opens=".jp-Dialog input")
    keys.insert_text(f"{CHAPTER}/{NOTEBOOK}")
    keys.press("Enter")
    lab.notebook.locator(".jp-Cell").first.wait_for()
    lab.idle()
    lab.run_all()
    lab.find(f"def {EXERCISE}")
    keys.press("Control+A")
    keys.insert_text(source_of(chapter, exercise, mistake.answer))
    graded = lab.notebook.locator(".jp-Cell.jp-mod-active").filter(has_text=f'examine("{EXERCISE}"')
    for _ in range(5):
        lab.run_on()
        if graded.count():
            break
    lab.run_on()
    lab.idle()
    lab.notebook.locator(".convcraft-verdict").get_by_text(mistake.sentence).first.wait_for()
    lab.shot("answered")

    keys.press("Escape")
    toolbar = lab.notebook.get_by_role("toolbar", name="main area toolbar")
    lab.go_to(toolbar.locator("jp-button[tabindex='0']"), "Shift+Tab")
    lab.go_to(toolbar.locator(".validate-button"), "ArrowRight")
    lab.shot("arrows lead to Validate")
    keys.press("Enter")
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for()
    assert re.sub(r"\s+", " ", mistake.sentence) in re.sub(r"\s+", " ", dialog.inner_text())
    lab.shot("validated")
    keys.press("Escape")
    lab.save()

    lab.command("Assignment List")
    lab.go_to(fetched.get_by_role("button", name="Submit"))
    lab.shot("Tab leads to Submit")
    keys.press("Enter")
    submitted = page.locator("#submitted_assignments_list .list_item", has_text=CHAPTER).first
    submitted.wait_for()
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", submitted.inner_text())
    lab.shot("submitted")

    run("nbgrader", "collect", CHAPTER)
    run("convcraft", "grade", "--course", str(course), "--feedback")
    run("nbgrader", "release_feedback", CHAPTER)
    lab.go_to(page.locator("#refresh_assignments_list"))
    keys.press("Enter")
    fetch = page.get_by_role("button", name="Fetch Feedback").first
    fetch.wait_for()
    lab.go_to(fetch)
    keys.press("Enter")
    page.get_by_text("view feedback").first.wait_for()
    lab.shot("feedback fetched")

    # Tab does not lead to nbgrader's link "(view feedback)", but to the file browser.
    lab.command("Open from Path", opens=".jp-Dialog input")
    keys.insert_text(f"{CHAPTER}/feedback")
    keys.press("Enter")
    (feedback,) = (course / "work" / CHAPTER / "feedback").rglob("*.html")
    for name in (feedback.parent.name, feedback.name):
        lab.go_to(page.locator(".jp-DirListing-itemText", has_text=name))
        keys.press("ArrowDown")  # chooses it
        keys.press("Enter")
    page.frame_locator(".jp-HTMLViewer iframe").get_by_text(mistake.sentence).first.wait_for()
    lab.shot("feedback in JupyterLab")
    assert not page.evaluate("window.pointed")

    text = feedback.read_text(encoding="utf-8")
    assert html.escape(mistake.sentence) in text or mistake.sentence in text
    secret = {line.strip() for source in solutions(chapter).values() for line in source.splitlines()
              if "return" in line and len(line.strip()) > 25}
    assert not [line for line in secret if html.escape(line) in html.unescape(re.sub(r"<[^>]+>", "", text))]
    page.goto(feedback.as_uri())
    page.get_by_text(mistake.sentence).first.scroll_into_view_if_needed()
    lab.shot("feedback")
    assert page.locator("img").evaluate_all("all => all.every(picture => picture.naturalWidth > 0)")


def test_a_solution_notebook_survives_restart_and_run_all(course, lab):
    home = course.parent / "author"
    work = home / "solutions"
    shutil.copytree(course / "solutions", work, dirs_exist_ok=True)
    shutil.copytree(course / "assets", home / "assets", dirs_exist_ok=True)
    with jupyter("lab", course, home, course.parent / "author.log", "--folder", str(home)) as url:
        lab.open(url, f"solutions/{CHAPTER}.ipynb")
        figures = lab.pictures(".jp-OutputArea img")  # as saved: nothing has run here, so nothing is trusted
        assert "2 pictures: kernel 0; kernel 1." in dict(figures)
        assert all(alt and width > 0 for alt, width in figures), figures
        lab.run_all(restart=True)
        lab.save()
        assert not [output for cell in cells(work / f"{CHAPTER}.ipynb") for output in cell["outputs"]
                    if output["output_type"] == "error" and "raises-exception" not in cell["metadata"].get("tags", [])]
        assert len(outputs(work / f"{CHAPTER}.ipynb", "execute_result")) >= len(
            next(chapter for chapter in CHAPTERS if chapter.name == CHAPTER).exercises)
