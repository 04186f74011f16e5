"""A reader's and a student's road through JupyterLab, in a real browser."""

import html
import json
import re
import shutil

import pytest
from conftest import CHAPTER, CHAPTERS, CHROMIUM, copy_course, environment, need
from lab import browser_page, cells, jupyter, outputs

from convcraft.build.cohort import solutions, source_of

NOTEBOOK = f"{CHAPTER.partition('_')[2]}.ipynb"
EXERCISE, MISTAKE = "cross_correlate", 0


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course whose folder has spaces and Chinese characters in its name."""
    need(CHROMIUM, "Chromium", "apt-get install chromium")
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
    lab.shot("chapter opened")
    pictures = lab.pictures()
    assert pictures and all(width > 0 for _, width in pictures), pictures
    assert all(len(alt.split()) >= 3 for alt, _ in pictures), pictures
    lab.command("Run All Cells")
    lab.idle(120)
    lab.save()
    saved = course / "work" / CHAPTER / NOTEBOOK
    assert not outputs(saved, "error")
    shown = json.dumps([cell["outputs"] for cell in cells(saved)], ensure_ascii=False)
    assert "Not written yet." in shown
    assert f"This cell waits for your {EXERCISE}." in shown
    assert not [output for output in outputs(saved, "stream") if output["name"] == "stderr"]


def test_the_explorers_sliders_move_the_picture(url, lab):
    lab.open(url, f"{CHAPTER}/{NOTEBOOK}")
    lab.command("Run All Cells")
    lab.idle(120)
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

    lab.page.get_by_role("button", name="Validate").click()
    dialog = lab.page.locator(".jp-Dialog")
    dialog.wait_for(timeout=120_000)
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
    """From the launcher to a submission without a mouse."""
    exercise = chapter.exercises[EXERCISE]
    shutil.copy(course / "notebooks/en" / CHAPTER / NOTEBOOK, course / "work" / CHAPTER)  # unanswered
    lab.open(url)
    lab.command("Open from Path", opens=".jp-Dialog input")
    lab.page.keyboard.insert_text(f"{CHAPTER}/{NOTEBOOK}")
    lab.page.keyboard.press("Enter")
    lab.notebook.locator(".jp-Cell").first.wait_for()
    lab.idle()
    lab.command("Run All Cells")
    lab.idle(120)
    lab.find(f"def {EXERCISE}")
    lab.page.keyboard.press("Control+A")
    lab.page.keyboard.insert_text(solutions(chapter)[EXERCISE])
    graded = lab.notebook.locator(".jp-Cell.jp-mod-active").filter(has_text=f'examine("{EXERCISE}"')
    for _ in range(5):
        lab.page.keyboard.press("Shift+Enter")  # run, and on to the next cell
        lab.page.wait_for_timeout(300)
        if graded.count():
            break
    lab.page.keyboard.press("Shift+Enter")
    lab.idle()
    lab.page.get_by_text(f"{exercise.points} of {exercise.points} points").first.wait_for()
    lab.save()
    lab.shot("keyboard alone")


def test_fetch_submit_and_read_the_feedback(course, url, lab, chapter):
    teacher = environment(course, course.parent / "teacher")
    run = lambda *command: lab.program(course, teacher, *command)  # noqa: E731
    run("nbgrader", "release_assignment", CHAPTER)
    shutil.rmtree(course / "work" / CHAPTER)  # a student starts from what the teacher has released
    lab.open(url)
    lab.menu("Nbgrader", "Assignment List")
    released = lab.page.locator("#released_assignments_list .list_item", has_text=CHAPTER)
    released.get_by_role("button", name="Fetch").press("Enter")
    fetched = lab.page.locator("#fetched_assignments_list > .list_item", has_text=CHAPTER).first
    fetched.wait_for()
    lab.shot("fetched")
    path = course / "work" / CHAPTER / NOTEBOOK
    notebook = json.loads(path.read_text(encoding="utf-8"))
    exercise = chapter.exercises[EXERCISE]
    mistake = exercise.misconceptions[MISTAKE]
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == EXERCISE:
            cell["source"] = source_of(chapter, exercise, mistake.answer)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    fetched.get_by_role("button", name="Submit").press("Enter")
    submitted = lab.page.locator("#submitted_assignments_list .list_item", has_text=CHAPTER).first
    submitted.wait_for()
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d", submitted.inner_text())
    lab.shot("submitted")

    run("nbgrader", "collect", CHAPTER)
    run("convcraft", "grade", "--course", str(course), "--feedback")
    run("nbgrader", "release_feedback", CHAPTER)
    lab.page.locator("#refresh_assignments_list").press("Enter")
    fetch = lab.page.get_by_role("button", name="Fetch Feedback").first
    fetch.press("Enter")
    lab.page.get_by_text("view feedback").first.wait_for()
    lab.shot("feedback fetched")
    (page,) = (course / "work" / CHAPTER / "feedback").rglob("*.html")
    text = page.read_text(encoding="utf-8")
    assert html.escape(mistake.sentence) in text or mistake.sentence in text
    secret = {line.strip() for source in solutions(chapter).values() for line in source.splitlines()
              if "return" in line and len(line.strip()) > 25}
    assert not [line for line in secret if html.escape(line) in html.unescape(re.sub(r"<[^>]+>", "", text))]
    lab.page.goto(page.as_uri())
    lab.page.get_by_text(mistake.sentence).first.scroll_into_view_if_needed()
    lab.shot("feedback")
    assert lab.page.locator("img").evaluate_all("all => all.every(picture => picture.naturalWidth > 0)")


def test_a_solution_notebook_survives_restart_and_run_all(course, lab):
    home = course.parent / "author"
    work = home / "solutions"
    shutil.copytree(course / "solutions", work, dirs_exist_ok=True)
    shutil.copytree(course / "assets", home / "assets", dirs_exist_ok=True)
    with jupyter("lab", course, home, course.parent / "author.log", "--folder", str(home)) as url:
        lab.open(url, f"solutions/{CHAPTER}.ipynb")
        lab.command("Restart Kernel and Run All Cells")
        lab.page.locator(".jp-Dialog").wait_for()
        lab.page.keyboard.press("Enter")
        lab.idle(180)
        lab.save()
        assert not [output for cell in cells(work / f"{CHAPTER}.ipynb") for output in cell["outputs"]
                    if output["output_type"] == "error" and "raises-exception" not in cell["metadata"].get("tags", [])]
        assert len(outputs(work / f"{CHAPTER}.ipynb", "execute_result")) >= len(
            next(chapter for chapter in CHAPTERS if chapter.name == CHAPTER).exercises)
