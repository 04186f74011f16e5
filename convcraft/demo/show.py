"""What the demo prints: who got what, who should have got what, and where to look next."""

from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convcraft.author.prove import examined
from convcraft.author.source import Chapter
from convcraft.demo.cohort import Student
from convcraft.grading.classroom import Graded
from convcraft.grading.seeds import seed_for
from convcraft.scores import points


@dataclass(frozen=True)
class Marked:
    """One student's one exercise.

    Attributes:
        got: its points, None where there is no mark.
        mistake: the sentence that is due, empty where none is.
        told: the sentences that came.
        complaint: what is wrong with the mark, empty where nothing is.
    """

    student: str
    chapter: str
    exercise: str
    got: float | None
    most: int
    mistake: str
    told: list[str]
    complaint: str


def marked(found: list[Chapter], students: list[Student], graded: list[Graded],
           recorded: dict[tuple[str, str], float], secret: int) -> list[Marked]:
    """Hold every mark, `recorded` by student and graded cell, against the one that is due."""
    facts = {(item.student, row["exercise"]): row for item in graded for row in item.exercises}
    rows = []
    for chapter in found:
        for name, exercise in chapter.exercises.items():
            for student in students:
                due, mistake = _due(chapter, student, name, seed_for(secret, chapter.name, name))
                got = recorded.get((student.name, f"{name}_exam"))
                told = facts.get((student.name, name), {"diagnoses": []})["diagnoses"]
                rows.append(Marked(student.name, chapter.name, name, got, exercise.points, mistake, told,
                                   _complaint(due, mistake, got, told, exercise.points)))
    return rows


def _due(chapter: Chapter, student: Student, name: str, seed: int) -> tuple[float, str]:
    """The points that an answer must get and, for a misconception, its sentence."""
    exercise = chapter.exercises[name]
    if name in student.mistakes:
        misconception = student.mistakes[name]
        return examined(exercise, misconception.answer, seed).points, misconception.sentence
    return (exercise.points if student.works else 0), ""


def _complaint(due: float, mistake: str, got: float | None, told: list[str], most: int) -> str:
    if got is None:
        return "has no mark"
    if abs(got - due) > 1e-9:
        return f"has {got}, should have {due}"
    if mistake and got >= most:
        return "lost no point for a mistake"
    if mistake and mistake not in told:
        return f"was not told {mistake!r} but {told}"
    return ""


def brief(console: Console, chapter: Chapter, students: list[Student], rows: list[Marked]) -> None:
    """A line a student: points, and what was told."""
    most = sum(exercise.points for exercise in chapter.exercises.values())
    table = Table(title=f"{chapter.name}: points of {most}, and what the examiner says", title_justify="left",
                  box=SIMPLE, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("student", no_wrap=True, min_width=len("student"))
    table.add_column("points", justify="right", no_wrap=True, min_width=len("points"))
    beside = len("student") + len("points") + 3 + 3 + 2  # the other columns, what parts them, the padding at the end
    table.add_column("told", no_wrap=True, overflow="ellipsis", max_width=max(20, console.width - beside))
    for student in students:
        own = [row for row in rows if row.student == student.name]
        sentences = [f"{row.exercise}: {' '.join(row.told)}" for row in own if row.mistake]
        full = all(row.got == row.most for row in own)
        missing = "nothing was answered" if not student.answers else "no answer runs"
        table.add_row(student.name, points(sum(row.got or 0 for row in own)),
                      escape("; ".join(sentences)) or ("all right" if full else missing))
    console.print(table)


def whole(console: Console, found: list[Chapter], students: list[Student], rows: list[Marked]) -> None:
    """Chapter by chapter: exercises down, students across; then each mistake and what was told."""
    for chapter in found:
        lines, told = [], []
        for name, exercise in chapter.exercises.items():
            own = {row.student: row for row in rows if (row.chapter, row.exercise) == (chapter.name, name)}
            lines.append((f"{name} ({exercise.points})", [
                "none" if row.got is None else f"{points(row.got)}{' ✗' if row.complaint else ''}"
                for row in own.values()]))
            told += [row for row in own.values() if row.mistake]
        _tables(console, chapter, [student.name for student in students], lines)
        for row in told:
            console.print(f"  {row.student}, {row.exercise}, {points(row.got or 0)}: "
                          f"[dim]{escape(' / '.join(row.told))}[/]")


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


def next_steps(console: Console, page: Path, report: Path) -> None:
    """Where to look next."""
    for what, where in (("A student's feedback", _near(page)), ("Where this class stumbles", _near(report)),
                        ("The whole class", "make demo CHAPTER=all"), ("Your own work", "make lab")):
        console.print(f"  {what:<26}{escape(where)}")


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
