"""A teacher's week in the formgrader, in a real browser."""

import csv

import pytest
from chromium import CHROMIUM
from conftest import CHAPTER, copy_course, environment
from lab import browser_page, jupyter
from needs import need

from convcraft.author.source import chapters
from convcraft.demo.cohort import Student, solutions, source_of
from convcraft.demo.play import submit
from convcraft.layout import course_config

NOTEBOOK = CHAPTER.partition("_")[2]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    need(CHROMIUM, "Chromium", "`make system`")
    folder = copy_course(tmp_path_factory.mktemp("teacher") / "course")
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.ExchangeCollect.check_owner = False  # one system user plays every student\n")
    return folder


def press(lab, frame, kind: str) -> str:
    """Press one of the buttons in the chapter's row, wait for the answer, close it; what it said."""
    frame.locator(f"tr:has(td.name:has-text('{CHAPTER}')) td.{kind} a").first.click()
    modal = frame.locator(".modal.in")
    modal.wait_for()
    said = modal.inner_text()
    lab.page.wait_for_timeout(500)  # until it has faded in
    lab.shot(kind)
    modal.get_by_role("button", name="Close").click()
    modal.wait_for(state="hidden")
    lab.page.wait_for_timeout(500)
    return said


def test_a_week_in_the_formgrader(course, shots):
    (chapter,) = chapters(course, (CHAPTER,))
    right = solutions(chapter)
    name, exercise = next(iter(chapter.exercises.items()))
    mistake = exercise.misconceptions[0]
    wrong = source_of(chapter, exercise, mistake.answer)
    home = course.parent / "home"
    teacher = environment(course, home)
    with jupyter("teach", course, home, course.parent / "lab.log") as url, browser_page(shots) as lab:
        lab.open(url)
        assert lab.asks_for_no_news()
        lab.menu("Nbgrader", "Formgrader")
        lab.page.locator("iframe").first.wait_for()
        while (frame := next((frame for frame in lab.page.frames if "formgrader" in frame.url), None)) is None:
            lab.page.wait_for_timeout(250)
        frame.locator("td.name").first.wait_for()
        lab.shot("formgrader")
        assert "Successfully created" in press(lab, frame, "assign")
        assert "Successfully released" in press(lab, frame, "release")

        config = course_config(course)
        for student in (Student("ada", right), Student("ben", {**right, name: wrong})):
            submit(student, [chapter], course.parent / "students" / student.name, config)
        assert "Successfully collected" in press(lab, frame, "collect")
        lab.page.wait_for_timeout(500)

        frame.locator("td.num-submissions a").first.click()
        for student in ("ada", "ben"):
            row = frame.locator(f"tr:has(td.student-id:has-text('{student}'))")
            row.locator("td.autograde a").click()
            modal = frame.locator(".modal.in")
            modal.wait_for()
            assert "Successfully autograded" in modal.inner_text()
            modal.get_by_role("button", name="Close").click()
            modal.wait_for(state="hidden")
        lab.page.wait_for_timeout(500)
        lab.shot("autograded")
        marks = {student: frame.locator(f"tr:has(td.student-id:has-text('{student}')) td.score").inner_text()
                 for student in ("ada", "ben")}
        assert marks["ada"].split("/")[0].strip() == "100"

        lab.program(course, teacher, "convcraft", "grade", "--course", str(course), "--force")
        frame.goto(f"{url}/formgrader/manage_submissions/{CHAPTER}")
        frame.locator("td.score").first.wait_for()
        assert marks == {student: frame.locator(f"tr:has(td.student-id:has-text('{student}')) td.score").inner_text()
                         for student in ("ada", "ben")}  # the button and the command give the same marks

        # Look at one student, change a mark by hand, write a comment.
        identity = lab.page.evaluate("""async ([url, chapter, notebook]) => (await (await fetch(
            `${url}/formgrader/api/submitted_notebooks/${chapter}/${notebook}`)).json())
            .find(item => item.student === "ben").id""", [url, CHAPTER, NOTEBOOK])
        frame.goto(f"{url}/formgrader/submissions/{identity}/?index=0")
        score = frame.locator("input.score").first
        score.wait_for()
        frame.get_by_text(mistake.sentence[:40]).first.scroll_into_view_if_needed()
        lab.shot("one student")
        comment = frame.locator("textarea.comment").first
        comment.fill("Good that you asked on Tuesday.")
        comment.blur()
        score.fill("1.5")
        score.blur()
        score.scroll_into_view_if_needed()
        lab.page.wait_for_timeout(1500)
        lab.shot("mark changed by hand")

        frame.goto(f"{url}/formgrader/manage_assignments")
        frame.locator("td.name").first.wait_for()
        lab.page.wait_for_timeout(500)
        assert "Successfully generated feedback" in press(lab, frame, "generate-feedback")
        assert "Successfully released feedback" in press(lab, frame, "release-feedback")
        page = (course / "feedback" / "ben" / CHAPTER / f"{NOTEBOOK}.html").read_text()
        assert "Good that you asked on Tuesday." in page
        assert "BEGIN SOLUTION" not in page and "<script src" not in page

        lab.program(course, teacher, "nbgrader", "export", "--to", "marks.csv")
        with (course / "marks.csv").open() as file:
            exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)
                        if row["assignment"] == CHAPTER}
        assert exported["ada"] == 100
        assert exported["ben"] == 100 - exercise.points + 1.5
        report = lab.program(course, teacher, "convcraft", "report", "--course", str(course))
        assert mistake.sentence[:40] in report
        assert not lab.strangers

