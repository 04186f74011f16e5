"""The main job without a person: a made-up class is released to, submits, is graded, and gets feedback."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, track
from traitlets.config import Config

from convcraft.author.notebooks import call, prepare
from convcraft.author.source import Chapter, chapters
from convcraft.demo import show
from convcraft.demo.cohort import Student, a_few, everybody, hand_in
from convcraft.grading import report
from convcraft.grading.classroom import Graded, Watcher, grade_class
from convcraft.grading.course import Course
from convcraft.grading.pool import Problem
from convcraft.grading.sandbox.walls import can_seal, need_forks
from convcraft.grading.seeds import secret_seed
from convcraft.language import LANGUAGES
from convcraft.layout import RELEASED, copied, course_config, released

_MINE = ".made-by-convcraft-demo"
ALL = "all"


class _Bar(Watcher):
    """Shows how far the grading is."""

    def __init__(self, bar: Progress):
        self._bar = bar

    def start(self, total: int) -> None:
        self._task = self._bar.add_task("grading", total=total)

    def done(self, item: Graded | Problem) -> None:
        self._bar.advance(self._task)


def play(root: Path, folder: Path, names: tuple[str, ...], console: Console) -> bool:
    """Make the class in `folder`, a course of its own, grade it and print who got what; True where all marks are right.

    Args:
        names: chapters, each with everybody; `all` for all of them; none: the first chapter, with a few students.

    Raises:
        FileExistsError: `folder` holds something that this command has not made.
        NoSandboxError: no process can be forked here.
    """
    need_forks()
    start = time.perf_counter()
    course = _lay_out(root, folder)
    found = chapters(course, () if names == (ALL,) else names)
    found = found if names else found[:1]
    students = [replace(student, language=LANGUAGES[number % len(LANGUAGES)])  # one class, all languages
                for number, student in enumerate(everybody(found) if names else a_few(found[0]))]
    config = _config(course)
    _say(console, start, f"A class of {len(students)} for {_counted(found)}, in {folder}")
    _hand_in(found, students, course, config, console)
    _say(console, start, "Released, submitted and collected by nbgrader")
    sealing = Course(course, course / "source", sealed=can_seal(course))
    if not sealing.sealed:
        console.print("There is no sandbox here (`convcraft grade` says why). All answers are the course's own.")
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        summary = grade_class(course, workers=os.cpu_count() or 1, feedback=True, course=sealing, watcher=_Bar(bar))
    _say(console, start, f"Graded {len(summary.graded)} submissions, wrote {summary.feedback} pages of feedback")
    for chapter in found:
        _must(call(NbGraderAPI(config=config).release_feedback, chapter.name), "release the feedback of", chapter)
    rows = show.marked(found, students, summary.graded, _recorded(config), secret_seed(course))
    report.write(report.gather(course), course / "report.html")
    _say(console, start, "Wrote a report, and compared every mark with the one that is due")
    if names:
        show.whole(console, found, students, rows)
    else:
        show.brief(console, found[0], students, rows)
    wrong = [f"{problem.student}, {problem.assignment}: {problem.message}" for problem in summary.problems]
    wrong += [f"{row.student}, {row.exercise}: {row.complaint}" for row in rows if row.complaint]
    for line in wrong:
        console.print(f"[red]✗ {escape(line)}[/]")
    if not wrong:
        console.print(f"[green]✓[/] All {len(rows)} marks are those that are due, and every mistake was named. Next:")
        page = sorted((course / "feedback" / students[1].name).rglob("*.html"))[0]
        show.next_steps(console, page, course / "report.html")
    return not wrong


def _counted(found: list[Chapter]) -> str:
    return found[0].name if len(found) == 1 else f"{len(found)} chapters"


def _lay_out(root: Path, folder: Path) -> Path:
    """A course of its own; what an earlier run left is thrown away."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MINE).is_file():
        raise FileExistsError(f"{folder} holds something else; move it away, or choose another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MINE).touch()
    for name in ("source", "assets"):
        copied(root / name, folder / name, "__pycache__", "*.ipynb")
    for language in LANGUAGES:  # beside English, which nbgrader releases
        if released(language) != RELEASED and (root / released(language)).is_dir():
            copied(root / released(language), folder / released(language))
    shutil.copyfile(root / "nbgrader_config.py", folder / "nbgrader_config.py")
    return folder.resolve()


def _hand_in(found: list[Chapter], students: list[Student], course: Path, config: Config, console: Console) -> None:
    """Release the chapters, let everybody submit, collect."""
    api = NbGraderAPI(config=config)
    for chapter in found:
        prepare(chapter, course)
        _must(call(api.generate_assignment, chapter.name), "generate", chapter)
        _must(call(api.release_assignment, chapter.name), "release", chapter)
    for student in track(students, "submitting", console=console, transient=True,
                         disable=not console.is_terminal):
        submit(student, found, course / "students" / student.name, config)
    for chapter in found:
        _must(call(api.collect, chapter.name), "collect", chapter)


def _config(course: Path) -> Config:
    config = course_config(course)
    config.Exchange.root = str(course / "exchange")
    config.Exchange.cache = str(course / "cache")
    config.ExchangeCollect.check_owner = False  # one system user plays everybody
    (course / "exchange").mkdir()
    return config


def submit(student: Student, found: list[Chapter], home: Path, config: Config) -> None:
    """Let a student hand in every chapter, through nbgrader's exchange, from a folder `home` of his own."""
    for chapter in found:
        hand_in(student, chapter, home / chapter.name)
        own = Config(config)
        own.CourseDirectory.student_id = student.name
        own.CourseDirectory.assignment_id = chapter.name
        own.Exchange.assignment_dir = str(home)
        exchange = ExchangeFactory(config=own)
        submit = exchange.Submit(
            coursedir=CourseDirectory(config=own), authenticator=Authenticator(config=own), config=own)
        call(lambda submit=submit: submit.start() or {"success": True})


def _must(answer: dict[str, Any], verb: str, chapter: Chapter) -> None:
    if not answer["success"]:
        raise RuntimeError(f"nbgrader could not {verb} {chapter.name}:\n{answer.get('log', answer)}")


def _recorded(config: Config) -> dict[tuple[str, str], float]:
    """What the gradebook says: student and graded cell → points."""
    with Gradebook(CourseDirectory(config=config).db_url) as gradebook:
        return {(submission.student_id, mark.cell.name): mark.score
                for assignment in gradebook.assignments for submission in assignment.submissions
                for notebook in submission.notebooks for mark in notebook.grades}


def _say(console: Console, start: float, message: str) -> None:
    console.print(f"[dim]{time.perf_counter() - start:6.1f} s[/] {escape(message)}")

