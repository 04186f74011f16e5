"""Where a class stumbles: one HTML page and a table for the terminal."""

import base64
import html
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from convcraft.language import N_, _, current, ngettext
from convcraft.layout import course_config
from convcraft.place import source_of
from convcraft.plots import families
from convcraft.sentences import of_exam

BANDS = (N_("none of the points"), N_("less than half"), N_("half or more"), N_("all of the points"))
_COLOURS = ("#D55E00", "#E69F00", "#56B4E9", "#0072B2")  # Okabe and Ito's: told apart with any colour vision
_NAMES = 20
_RETIRED = N_("{name}: mean {points:.1f} points; counts toward nobody's maximum.")
_NOTHING = N_("Handed in nothing: {names}")


class NoMarksError(LookupError):
    """There is nothing to report; the message says what to do."""


@dataclass
class ExerciseMarks:
    """What a class did with one exercise; `shares` are points over all points, an entry a student who submitted.

    `mistakes` and `failed` are counted by the English, whatever language a student handed in; `said` has the teacher's.
    """

    name: str
    max_points: float
    shares: list[float] = field(default_factory=list)
    unanswered: int = 0
    mistakes: Counter[str] = field(default_factory=Counter[str])
    failed: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)

    @property
    def bands(self) -> list[int]:
        """How many got none, less than half, half or more, all."""
        counts = [0, 0, 0, 0]
        for share in self.shares:
            counts[0 if share <= 0 else 3 if share >= 1 else 1 if share < 0.5 else 2] += 1
        return counts


@dataclass
class ChapterMarks:
    """One assignment: its exercises in order, each student's share of the points, and who handed in nothing.

    `retired` has the points in exercises that the release no longer has: they count toward nobody's maximum.
    """

    name: str
    exercises: dict[str, ExerciseMarks] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    retired: dict[str, list[float]] = field(default_factory=dict)


def gather(root: Path) -> list[ChapterMarks]:
    """Read gradebook and `autograded/`: the marks as they stand (those changed by hand, too) and why they are so.

    Raises:
        NoMarksError: nothing has been graded yet.
    """
    coursedir = CourseDirectory(config=course_config(root))
    submitted = Path(coursedir.root, coursedir.submitted_directory)
    nothing = NoMarksError(_("{file} holds no marks of a class yet. A report is about what students handed in: "
                             "collect it into {folder}, then `make grade`. What is in your own work/, `make grade` "
                             "prints by itself").format(file=root / "gradebook.db", folder=submitted))
    if not (root / "gradebook.db").is_file():
        raise nothing
    chapters = []
    with Gradebook(coursedir.db_url) as gradebook:
        students = {student.id for student in gradebook.students}
        for assignment in gradebook.assignments:
            chapter = ChapterMarks(assignment.name)
            for submission in assignment.submissions:
                scores = {grade.cell.name: (grade.score, grade.cell.max_score) for notebook in submission.notebooks
                          for grade in notebook.grades if grade.cell.max_score}
                retired = {grade.cell.name: grade.score for notebook in submission.notebooks
                           for grade in notebook.grades if not grade.cell.max_score}
                folder = Path(coursedir.format_path(coursedir.autograded_directory, submission.student_id,
                                                    assignment.name))
                _add(chapter, submission.student_id, scores, folder)
                for name, score in retired.items():
                    title = _("{exercise} (retired)").format(exercise=name.removesuffix("_exam"))
                    chapter.retired.setdefault(title, []).append(score)
            for exercise in chapter.exercises.values():
                exercise.said = of_exam(source_of(root) / chapter.name, exercise.name)
            if chapter.totals:
                chapter.missing = sorted(students - chapter.totals.keys())
                chapters.append(chapter)
    if not chapters:
        raise nothing
    return sorted(chapters, key=lambda chapter: chapter.name)


def _add(chapter: ChapterMarks, student: str, scores: dict[str, tuple[float, float]], folder: Path) -> None:
    """Add a submission: marks and maxima as the gradebook has them now, by cell, reasons as they were graded."""
    points = most = 0.0
    for path in sorted(folder.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            facts = cell["metadata"].get("convcraft")
            if facts is None or facts["grade_id"] not in scores:
                continue
            score, worth = scores[facts["grade_id"]]
            exercise = chapter.exercises.setdefault(facts["exercise"], ExerciseMarks(facts["exercise"], worth))
            points, most = points + score, most + worth
            exercise.shares.append(score / worth)
            exercise.unanswered += not facts["answered"]
            exercise.seconds.append(facts["seconds"])
            if facts["answered"]:
                exercise.mistakes.update(facts["diagnoses"])
                exercise.failed.update(row["aspect"] for row in facts["failed"])
    if most:
        chapter.totals[student] = points / most


def mistakes(chapter: ChapterMarks) -> list[tuple[int, int, str, str]]:
    """(how many made it, of how many, exercise, sentence), the commonest first."""
    found = [(count, len(exercise.shares), exercise.name, exercise.said.get(sentence, sentence))
             for exercise in chapter.exercises.values() for sentence, count in exercise.mistakes.items()]
    return sorted(found, key=lambda row: (-row[0], row[2], row[3]))


def slowest(chapters: list[ChapterMarks]) -> list[tuple[float, float, str]]:
    """(median, longest, exercise) of the exams' seconds, the longest first."""
    rows = [(median(exercise.seconds), max(exercise.seconds), exercise.name)
            for chapter in chapters for exercise in chapter.exercises.values()]
    return sorted(rows, key=lambda row: -row[1])[:8]


def show(chapters: list[ChapterMarks], console: Console) -> None:
    """Print the report."""
    for chapter in chapters:
        table = Table(title=_("{chapter}: {submissions}, mean {mean:.0%}").format(
            chapter=chapter.name, submissions=_counted(chapter), mean=mean(chapter.totals.values())),
            title_justify="left")
        table.add_column(_("exercise"), no_wrap=True)
        for heading in (_("mean"), _("none"), _("< half"), _("≥ half"), _("all"), _("not answered")):
            table.add_column(heading, justify="right")
        table.add_column(_("fails most"))
        for exercise in chapter.exercises.values():
            worst = [f"{exercise.said.get(aspect, _(aspect))} ({count})"
                     for aspect, count in exercise.failed.most_common(1)]
            table.add_row(exercise.name, f"{mean(exercise.shares):.0%}", *map(str, exercise.bands),
                          str(exercise.unanswered), *(worst or [""]))
        console.print(table)
        for name, points in chapter.retired.items():
            console.print(f"  {_(_RETIRED).format(name=name, points=mean(points))}")
        for count, of, name, sentence in mistakes(chapter)[:8]:
            console.print(_("  {count} of {total}, {exercise}: {sentence}").format(
                count=count, total=of, exercise=name, sentence=escape(sentence)))
        if chapter.missing:
            console.print("  " + _(_NOTHING).format(names=escape(_names(chapter.missing))))
    longest_ones = (_("{exercise} {longest:.1f} s (median {middle:.2f} s)").format(
        exercise=name, longest=longest, middle=middle) for middle, longest, name in slowest(chapters))
    console.print(_("Longest exams: {exams}").format(exams=_(", ").join(longest_ones)))


def write(chapters: list[ChapterMarks], target: Path) -> None:
    """Write the report as one HTML file that needs nothing else."""
    e = html.escape
    parts = []
    for chapter in chapters:
        rows = "".join(_row(_("{count} of {total}").format(count=count, total=of), name, e(sentence))
                       for count, of, name, sentence in mistakes(chapter))
        table = (f"<table><tr><th>{_('students')}</th><th>{_('exercise')}</th><th>{_('what they were told')}</th></tr>"
                 f"{rows}</table>" if rows else f"<p>{_('No known mistake was recognised.')}</p>")
        summary = _("{submissions}, mean {mean:.0%} of the points, median {median:.0%}.").format(
            submissions=_counted(chapter), mean=mean(chapter.totals.values()), median=median(chapter.totals.values()))
        parts.append(f"<h2>{e(chapter.name)}</h2><p>{summary}</p>{_drawing(chapter)}<h3>{_('Mistakes')}</h3>{table}"
                     f"{_retired(chapter)}{_missing(chapter)}")
    times = "".join(f"<tr><td><code>{e(name)}</code></td><td class=n>{middle:.2f} s</td>"
                    f"<td class=n>{longest:.1f} s</td></tr>" for middle, longest, name in slowest(chapters))
    target.touch(0o600)  # it names students
    title = _("Where the class stumbles")
    target.write_text(
        f'<!doctype html><html lang="{current()}"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style><h1>{title}</h1>{''.join(parts)}<h2>{_('What took longest')}</h2><table>"
        f"<tr><th>{_('exam')}</th><th>{_('median')}</th><th>{_('longest')}</th></tr>{times}</table></html>\n",
        encoding="utf-8")


def _row(students: str, exercise: str, sentence: str) -> str:
    return f"<tr><td class=n>{students}</td><td><code>{html.escape(exercise)}</code></td><td>{sentence}</td></tr>"


_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top }
td.n { white-space: nowrap; text-align: right } img { max-width: 100%; background: white; border-radius: 4px }
details { margin: 1rem 0 } summary { cursor: pointer }
h2 { border-top: 1px solid #8888; padding-top: 1rem }
"""


def _drawing(chapter: ChapterMarks) -> str:
    """How the marks are spread, in letters of the language in force."""
    with rc_context({"font.family": families()}):
        return _drawn(chapter)


def _drawn(chapter: ChapterMarks) -> str:
    """A bar an exercise, and a histogram of the whole chapter."""
    exercises = list(chapter.exercises.values())
    figure = Figure(figsize=(9.5, 1.1 + 0.34 * max(len(exercises), 5)), layout="constrained")
    FigureCanvasAgg(figure)
    bars, whole = figure.subplots(1, 2, width_ratios=(2.4, 1))
    left = [0.0] * len(exercises)
    for band, (label, colour) in enumerate(zip(BANDS, _COLOURS, strict=True)):
        widths = [100 * exercise.bands[band] / max(len(exercise.shares), 1) for exercise in exercises]
        bars.barh([exercise.name for exercise in exercises], widths, left=left, color=colour, label=_(label))
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 6:
                bars.text(start + width / 2, row, exercises[row].bands[band], ha="center", va="center", fontsize=8,
                          color="white" if band in (0, 3) else "black")
        left = [start + width for start, width in zip(left, widths, strict=True)]
    bars.invert_yaxis()
    bars.set(xlim=(0, 100), xlabel=_("% of the submissions (numbers: students)"))
    bars.spines[["top", "right", "left"]].set_visible(False)
    bars.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=4, frameon=False, fontsize=8, handlelength=1)
    whole.hist([100 * share for share in chapter.totals.values()], bins=range(0, 101, 10), color="#7A7A7A",
               edgecolor="white")
    whole.set(xlim=(0, 100), xlabel=_("points"), ylabel=_("students"), title=_("whole chapter"))
    whole.yaxis.get_major_locator().set_params(integer=True)
    whole.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    data = base64.b64encode(buffer.getvalue().encode()).decode()
    alt = "; ".join(f"{exercise.name}: " + ", ".join(
        f"{count} {_(label)}" for count, label in zip(exercise.bands, BANDS, strict=True)) for exercise in exercises)
    return f'<img alt="{html.escape(alt, quote=True)}" src="data:image/svg+xml;base64,{data}">'


def _retired(chapter: ChapterMarks) -> str:
    return "".join(f"<p>{html.escape(_(_RETIRED).format(name=name, points=mean(points)))}</p>"
                   for name, points in chapter.retired.items())


def _missing(chapter: ChapterMarks) -> str:
    """Who handed in nothing: a sentence, or, where they are many, their number, with the names folded beneath."""
    names = html.escape(", ".join(chapter.missing))
    if len(chapter.missing) <= _NAMES:
        return f"<p>{_(_NOTHING).format(names=names)}</p>" if names else ""
    count = len(chapter.missing)
    summary = _("Handed in nothing: {count} of {total}").format(count=count, total=count + len(chapter.totals))
    return f"<details><summary>{summary}</summary>{names}</details>"


def _counted(chapter: ChapterMarks) -> str:
    count = len(chapter.totals)
    return ngettext("{count} submission", "{count} submissions", count).format(count=count)


def _names(names: list[str]) -> str:
    first = _(", ").join(names[:_NAMES])
    more = len(names) - _NAMES
    return _("{names} and {count} more").format(names=first, count=more) if more > 0 else first
