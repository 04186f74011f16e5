"""Where a class stumbles: one HTML page and a table for the terminal."""

import base64
import html
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convcraft.grading.grade import course_config

BANDS = ("none of the points", "less than half", "half or more", "all of the points")
_COLOURS = ("#D55E00", "#E69F00", "#56B4E9", "#0072B2")  # Okabe and Ito's: told apart with any colour vision
_NAMES = 20


class NoMarksError(LookupError):
    """There is nothing to report; the message says what to do."""


@dataclass
class Exercise:
    """What a class did with one exercise; `shares` are points over all points, an entry a student who submitted."""

    name: str
    max_points: float
    shares: list[float] = field(default_factory=list)
    unanswered: int = 0
    mistakes: Counter = field(default_factory=Counter)
    failed: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def bands(self) -> list[int]:
        """How many got none, less than half, half or more, all."""
        counts = [0, 0, 0, 0]
        for share in self.shares:
            counts[0 if share <= 0 else 3 if share >= 1 else 1 if share < 0.5 else 2] += 1
        return counts


@dataclass
class Chapter:
    """One assignment: its exercises in order, each student's share of the points, and who handed in nothing."""

    name: str
    exercises: dict[str, Exercise] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def gather(root: Path) -> list[Chapter]:
    """Read gradebook and `autograded/`: the marks as they stand (those changed by hand, too) and why they are so.

    Raises:
        NoMarksError: nothing has been graded yet.
    """
    coursedir = CourseDirectory(config=course_config(root))
    submitted = Path(coursedir.root, coursedir.submitted_directory)
    nothing = NoMarksError(f"{root / 'gradebook.db'} holds no marks of a class yet. A report is about what students "
                           f"handed in: collect it into {submitted}, then `make grade`. "
                           "What is in your own work/, `make grade` prints by itself")
    if not (root / "gradebook.db").is_file():
        raise nothing
    chapters = []
    with Gradebook(coursedir.db_url) as gradebook:
        students = {student.id for student in gradebook.students}
        for assignment in gradebook.assignments:
            chapter = Chapter(assignment.name)
            for submission in assignment.submissions:
                scores = {grade.cell.name: grade.score for notebook in submission.notebooks
                          for grade in notebook.grades}
                folder = Path(coursedir.format_path(coursedir.autograded_directory, submission.student_id,
                                                    assignment.name))
                _add(chapter, submission.student_id, scores, folder)
            if chapter.totals:
                chapter.missing = sorted(students - chapter.totals.keys())
                chapters.append(chapter)
    if not chapters:
        raise nothing
    return sorted(chapters, key=lambda chapter: chapter.name)


def _add(chapter: Chapter, student: str, scores: dict[str, float], folder: Path) -> None:
    points = most = 0.0
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            facts = cell["metadata"].get("convcraft")
            if facts is None or facts["grade_id"] not in scores:
                continue
            exercise = chapter.exercises.setdefault(
                facts["exercise"], Exercise(facts["exercise"], facts["max_points"]))
            score = scores[facts["grade_id"]]
            points, most = points + score, most + facts["max_points"]
            exercise.shares.append(score / facts["max_points"])
            exercise.unanswered += not facts["answered"]
            exercise.seconds.append(facts["seconds"])
            if facts["answered"]:
                exercise.mistakes.update(facts["diagnoses"])
                exercise.failed.update(row["aspect"] for row in facts["failed"])
    if most:
        chapter.totals[student] = points / most


def mistakes(chapter: Chapter) -> list[tuple[int, int, str, str]]:
    """(how many made it, of how many, exercise, sentence), the commonest first."""
    found = [(count, len(exercise.shares), exercise.name, sentence)
             for exercise in chapter.exercises.values() for sentence, count in exercise.mistakes.items()]
    return sorted(found, key=lambda row: (-row[0], row[2], row[3]))


def slowest(chapters: list[Chapter]) -> list[tuple[float, float, str]]:
    """(median, longest, exercise) of the exams' seconds, the longest first."""
    rows = [(median(exercise.seconds), max(exercise.seconds), exercise.name)
            for chapter in chapters for exercise in chapter.exercises.values()]
    return sorted(rows, key=lambda row: -row[1])[:8]


def show(chapters: list[Chapter], console: Console) -> None:
    """Print the report."""
    for chapter in chapters:
        table = Table(title=f"{chapter.name}: {_counted(chapter)}, "
                            f"mean {mean(chapter.totals.values()):.0%}", title_justify="left")
        table.add_column("exercise", no_wrap=True)
        for heading in ("mean", "none", "< half", "≥ half", "all", "not answered"):
            table.add_column(heading, justify="right")
        table.add_column("fails most")
        for exercise in chapter.exercises.values():
            worst = exercise.failed.most_common(1)
            table.add_row(exercise.name, f"{mean(exercise.shares):.0%}", *map(str, exercise.bands),
                          str(exercise.unanswered), f"{worst[0][0]} ({worst[0][1]})" if worst else "")
        console.print(table)
        for count, of, name, sentence in mistakes(chapter)[:8]:
            console.print(f"  {count} of {of}, {name}: {escape(sentence)}")
        if chapter.missing:
            console.print(f"  Handed in nothing: {escape(_names(chapter.missing))}")
    console.print("Longest exams: " + ", ".join(f"{name} {longest:.1f} s (median {middle:.2f} s)"
                                                for middle, longest, name in slowest(chapters)))


def write(chapters: list[Chapter], target: Path) -> None:
    """Write the report as one HTML file that needs nothing else."""
    e = html.escape
    parts = []
    for chapter in chapters:
        rows = "".join(f"<tr><td class=n>{count} of {of}</td><td><code>{e(name)}</code></td><td>{e(sentence)}</td></tr>"
                       for count, of, name, sentence in mistakes(chapter))
        table = (f"<table><tr><th>students</th><th>exercise</th><th>what they were told</th></tr>{rows}</table>"
                 if rows else "<p>No known mistake was recognised.</p>")
        parts.append(f"<h2>{e(chapter.name)}</h2><p>{_counted(chapter)}, mean "
                     f"{mean(chapter.totals.values()):.0%} of the points, median {median(chapter.totals.values()):.0%}."
                     f"</p>{_drawing(chapter)}<h3>Mistakes</h3>{table}{_missing(chapter)}")
    times = "".join(f"<tr><td><code>{e(name)}</code></td><td class=n>{middle:.2f} s</td>"
                    f"<td class=n>{longest:.1f} s</td></tr>" for middle, longest, name in slowest(chapters))
    target.touch(0o600)  # it names students
    target.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Where the class stumbles</title>'
        f"<style>{_STYLE}</style><h1>Where the class stumbles</h1>{''.join(parts)}<h2>What took longest</h2><table>"
        f"<tr><th>exam</th><th>median</th><th>longest</th></tr>{times}</table></html>\n", encoding="utf-8")


_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top }
td.n { white-space: nowrap; text-align: right } img { max-width: 100%; background: white; border-radius: 4px }
details { margin: 1rem 0 } summary { cursor: pointer }
h2 { border-top: 1px solid #8888; padding-top: 1rem }
"""


def _drawing(chapter: Chapter) -> str:
    """How the marks are spread: a bar an exercise, and a histogram of the whole chapter."""
    exercises = list(chapter.exercises.values())
    figure = Figure(figsize=(9.5, 1.1 + 0.34 * max(len(exercises), 5)), layout="constrained")
    FigureCanvasAgg(figure)
    bars, whole = figure.subplots(1, 2, width_ratios=(2.4, 1))
    left = [0.0] * len(exercises)
    for band, (label, colour) in enumerate(zip(BANDS, _COLOURS, strict=True)):
        widths = [100 * exercise.bands[band] / max(len(exercise.shares), 1) for exercise in exercises]
        bars.barh([exercise.name for exercise in exercises], widths, left=left, color=colour, label=label)
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 6:
                bars.text(start + width / 2, row, exercises[row].bands[band], ha="center", va="center", fontsize=8,
                          color="white" if band in (0, 3) else "black")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    bars.invert_yaxis()
    bars.set(xlim=(0, 100), xlabel="% of the submissions (numbers: students)")
    bars.spines[["top", "right", "left"]].set_visible(False)
    bars.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, frameon=False, fontsize=8, handlelength=1)
    whole.hist([100 * share for share in chapter.totals.values()], bins=range(0, 101, 10), color="#7A7A7A",
               edgecolor="white")
    whole.set(xlim=(0, 100), xlabel="points", ylabel="students", title="whole chapter")
    whole.yaxis.get_major_locator().set_params(integer=True)
    whole.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    data = base64.b64encode(buffer.getvalue().encode()).decode()
    alt = "; ".join(f"{exercise.name}: " + ", ".join(
        f"{count} {label}" for count, label in zip(exercise.bands, BANDS, strict=True)) for exercise in exercises)
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/svg+xml;base64,{data}">'


def _missing(chapter: Chapter) -> str:
    """Who handed in nothing: a sentence, or, where they are many, their number, with the names folded beneath."""
    names = html.escape(", ".join(chapter.missing))
    if len(chapter.missing) <= _NAMES:
        return f"<p>Handed in nothing: {names}</p>" if names else ""
    count = len(chapter.missing)
    return f"<details><summary>Handed in nothing: {count} of {count + len(chapter.totals)}</summary>{names}</details>"


def _counted(chapter: Chapter) -> str:
    count = len(chapter.totals)
    return f"{count} submission{'s' * (count != 1)}"


def _names(names: list[str]) -> str:
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")
