"""The main job without a person: a made-up class is released to, submits, is graded, and gets feedback."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.auth import Authenticator
from nbgrader.coursedir import CourseDirectory
from nbgrader.exchange import ExchangeFactory
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from traitlets.config import Config

from convcraft.build.cohort import Student, hand_in, make
from convcraft.build.notebooks import call, course_config, prepare
from convcraft.build.prove import examined
from convcraft.build.source import Chapter, chapters
from convcraft.exam.present import points
from convcraft.grading.grade import Graded, grade
from convcraft.grading.mark import Course, seed_for
from convcraft.grading.record import secret_seed
from convcraft.grading.sandbox import can_seal, need_forks

_MINE = ".made-by-convcraft-demo"


@dataclass(frozen=True)
class Expected:
    """What an answer must get: so many points and, for a misconception, its sentence."""

    points: float
    sentence: str = ""


def run(root: Path, folder: Path, names: tuple[str, ...], console: Console) -> bool:
    """Make the class in `folder`, a course of its own, grade it and print the table; True where all marks are right.

    Raises:
        FileExistsError: `folder` holds something that this command has not made.
        NoSandboxError: no process can be forked here.
    """
    need_forks()
    start = time.perf_counter()
    course = _lay_out(root, folder)
    found = chapters(course, names)
    config = _config(course)
    students = make(found)
    _say(console, start, f"A class of {len(students)} for {len(found)} chapters, in {folder}")
    api = NbGraderAPI(config=config)
    for chapter in found:
        prepare(chapter)
        _must(call(api.generate_assignment, chapter.name), "generate", chapter)
        _must(call(api.release_assignment, chapter.name), "release", chapter)
    for student in students:
        submit(student, found, folder / "students" / student.name, config)
    for chapter in found:
        _must(call(api.collect, chapter.name), "collect", chapter)
    _say(console, start, "Released, submitted and collected by nbgrader")
    sealing = Course(course, course / "source", sealed=can_seal(course))
    if not sealing.sealed:
        console.print("There is no sandbox here (`convcraft grade` says why). All answers are the course's own.")
    summary = grade(course, workers=os.cpu_count() or 1, feedback=True, course=sealing)
    _say(console, start, f"Graded {len(summary.graded)} submissions, wrote {summary.feedback} pages of feedback")
    for chapter in found:
        _must(call(api.release_feedback, chapter.name), "release the feedback of", chapter)
    wrong = [f"{problem.student}, {problem.assignment}: {problem.message}" for problem in summary.problems]
    wrong += _show(console, found, students, summary.graded, _recorded(config), secret_seed(course))
    _say(console, start, "Done")
    for line in wrong:
        console.print(f"[red]✗ {escape(line)}[/]")
    if not wrong:
        console.print(f"[green]✓[/] Everybody has the marks that are due. Feedback: {escape(str(folder / 'feedback'))}")
    return not wrong


def _lay_out(root: Path, folder: Path) -> Path:
    """A course of its own; what an earlier run left is thrown away."""
    if folder.exists() and any(folder.iterdir()) and not (folder / _MINE).is_file():
        raise FileExistsError(f"{folder} holds something else; move it away, or choose another --folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MINE).touch()
    for name in ("source", "assets"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb", "pictures"))
    shutil.copy(root / "nbgrader_config.py", folder)
    return folder.resolve()


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


def _must(answer: dict, verb: str, chapter: Chapter) -> None:
    if not answer["success"]:
        raise RuntimeError(f"nbgrader could not {verb} {chapter.name}:\n{answer.get('log', answer)}")


def _recorded(config: Config) -> dict[tuple[str, str], float]:
    """What the gradebook says: student and graded cell → points."""
    with Gradebook(CourseDirectory(config=config).db_url) as gradebook:
        return {(submission.student_id, mark.cell.name): mark.score
                for assignment in gradebook.assignments for submission in assignment.submissions
                for notebook in submission.notebooks for mark in notebook.grades}


def _expected(chapter: Chapter, student: Student, name: str, seed: int) -> Expected:
    exercise = chapter.exercises[name]
    if student.name in ("empty", "mess"):
        return Expected(0)
    number = int(student.name.removeprefix("mistake-")) - 1 if student.name != "reference" else None
    if number is None or number >= len(exercise.misconceptions):
        return Expected(exercise.points)
    misconception = exercise.misconceptions[number]
    return Expected(examined(exercise, misconception.answer, seed).points, misconception.sentence)


def _show(console: Console, found: list[Chapter], students: list[Student], graded: list[Graded],
          recorded: dict[tuple[str, str], float], secret: int) -> list[str]:
    """Print student × exercise; returns what is wrong."""
    facts = {(item.student, row["exercise"]): row for item in graded for row in item.exercises}
    wrong: list[str] = []
    for chapter in found:
        rows, told = [], []
        for name, exercise in chapter.exercises.items():
            cells = []
            for student in students:
                due = _expected(chapter, student, name, seed_for(secret, chapter.name))
                got = recorded.get((student.name, f"{name}_exam"))
                row = facts.get((student.name, name), {"diagnoses": []})
                complaint = _complaint(due, got, row["diagnoses"], exercise.points)
                cells.append("none" if got is None else f"{points(got)}{' ✗' if complaint else ''}")
                wrong += [f"{student.name}, {name}: {complaint}"] if complaint else []
                if due.sentence:
                    told.append((student.name, name, got, row["diagnoses"]))
            rows.append((f"{name} ({exercise.points})", cells))
        _tables(console, chapter, [student.name for student in students], rows)
        for student, name, got, sentences in told:
            console.print(f"  {student}, {name}, {points(got or 0)}: [dim]{escape(' / '.join(sentences))}[/]")
    return wrong


def _tables(console: Console, chapter: Chapter, names: list[str], rows: list[tuple[str, list[str]]]) -> None:
    """Exercises down, students across, as many to a table as the terminal is wide."""
    wide = max(1, (console.width - max(len(label) for label, _ in rows) - 2) // (max(map(len, names)) + 2))
    for start in range(0, len(names), wide):
        table = Table(title=f"{chapter.name}: points" if not start else None, title_justify="left", box=SIMPLE,
                      padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
        table.add_column("exercise", no_wrap=True)
        for name in names[start:start + wide]:
            table.add_column(name, justify="right", no_wrap=True)
        for label, cells in rows:
            table.add_row(label, *cells[start:start + wide])
        console.print(table)
        console.print()


def _complaint(due: Expected, got: float | None, diagnoses: list[str], most: int) -> str:
    if got is None:
        return "has no mark"
    if abs(got - due.points) > 1e-9:
        return f"has {got}, should have {due.points}"
    if due.sentence and got >= most:
        return "lost no point for a mistake"
    if due.sentence and due.sentence not in diagnoses:
        return f"was not told {due.sentence!r} but {diagnoses}"
    return ""


def _say(console: Console, start: float, message: str) -> None:
    console.print(f"[dim]{time.perf_counter() - start:6.1f} s[/] {escape(message)}")

