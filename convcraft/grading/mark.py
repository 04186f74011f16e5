"""One submission from a student's folder to marks: read, rebuild, run, judge. What a worker does."""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from convcraft.exam import Exercise, Failure, Verdict, judge
from convcraft.exam.compare import explain
from convcraft.exam.draw import key
from convcraft.exam.told import NO_MAGIC, SKIPPED
from convcraft.grading import outputs
from convcraft.grading.course import Course, Task
from convcraft.grading.errors import GAVE_UP
from convcraft.grading.exercises import chapters_of
from convcraft.grading.nbgrader.notes import remark
from convcraft.grading.notebook.editions import Editions, editions
from convcraft.grading.notebook.rebuilt import Rebuilt, rebuild
from convcraft.grading.notebook.released import ReleasedNotebook, grade_id, load
from convcraft.grading.notebook.submitted import HandedIn, Other, SubmittedNotebook, gather, read, shown
from convcraft.grading.sandbox.run import StepResult, run_notebook
from convcraft.grading.sandbox.wire import StoppedError
from convcraft.grading.seeds import conceal, seed_for
from convcraft.grading.warm_process import ready_process
from convcraft.language import N_, _, retold, using

NO_RESPONSE = N_("No response.")
CUT_SHORT = N_("The cell that begins with “{begin}”: {reason}")
UNJUDGED = N_("What was observed here is nothing that could be judged.")


_MAX_REMARKS = 3  # on one cell
_SKIPPED = re.compile(r"^The magic %\S{1,40} was skipped here \(.{0,300}\); the rest of its cell ran\.$", re.M)
_OF_MAGIC = (NO_MAGIC, SKIPPED)


@dataclass(frozen=True)
class CellMark:
    """The points of one graded cell, and the comment on its answer (None: nothing to say).

    `facts` is what a report wants to know; it stands in the cell's metadata, too (see `answer_facts`).
    """

    grade_id: str
    solution_id: str
    points: float
    max_points: float
    comment: str | None
    facts: dict[str, Any]


@dataclass(frozen=True)
class MarkedNotebook:
    """A graded notebook: its file's text, its marks, and the language that it was handed in."""

    name: str
    text: str
    marks: list[CellMark]
    remarks: list[str]
    language: str = "en"


@dataclass(frozen=True)
class MarkedSubmission:
    """A graded submission; `seconds` is the time it took the worker, `misplaced` says what belongs elsewhere."""

    task: Task
    notebooks: list[MarkedNotebook] = field(default_factory=list)
    seconds: float = 0.0
    misplaced: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(mark.points for notebook in self.notebooks for mark in notebook.marks)

    @property
    def max_points(self) -> float:
        return sum(mark.max_points for notebook in self.notebooks for mark in notebook.marks)


@dataclass(frozen=True)
class Parcel:
    """All that marking a task takes besides the course's exams, as bytes: it can go to another machine.

    `released` are the task's notebooks: path and content, each in all its languages, the class's own first. `others`
    are the rest of the course's, `remarks` are about all that was handed in, in English.
    """

    task: Task
    handed_in: HandedIn
    released: tuple[tuple[tuple[Path, bytes], ...], ...]
    others: tuple[Other, ...]
    remarks: tuple[str, ...] = ()


def pack(task: Task, released: Callable[[Path], bytes] = Path.read_bytes) -> Parcel:
    """Read what marking the task takes.

    Args:
        released: gives a released notebook's content; whoever packs for a class need not read it for each student.
    """
    paths = [(path, *others) for path, others in zip_longest(task.notebooks, task.translations, fillvalue=())]
    with using(load(task.notebooks[0], released(task.notebooks[0])).language):
        files = gather(task.folder, [path.stem for path in task.notebooks], task.elsewhere)
    return Parcel(task, files, tuple(tuple((path, released(path)) for path in several) for several in paths),
                  tuple(Other.of(load(path, released(path))) for path in task.others),
                  tuple(filter(None, [remark(task.folder)])))


def mark_submission(course: Course, task: Task) -> MarkedSubmission:
    """Grade one submission; never raises for anything that a student did."""
    return mark_parcel(course, pack(task))


def mark_parcel(course: Course, parcel: Parcel, unrun: str = "") -> MarkedSubmission:
    """The same for a task that is packed already.

    Args:
        unrun: why nothing of it shall run; it has no points then, and this as its remark.
    """
    begin, task = time.perf_counter(), parcel.task
    marked: list[MarkedNotebook] = []
    misplaced: list[str] = []
    notebooks = [editions(*(load(path, content) for path, content in several)) for several in parcel.released]
    for each in notebooks:
        siblings = [Other.of(other.first) for other in notebooks if other is not each]
        released, submitted = _read(parcel.handed_in, each, [*siblings, *parcel.others])
        with using(released.language):
            misplaced += submitted.misplaced
            submitted.remarks += map(_, parcel.remarks)
            marked.append(mark_notebook(course, rebuild(released, submitted), task.seed, unrun))
    return MarkedSubmission(task, marked, time.perf_counter() - begin, misplaced)


def _read(files: HandedIn, known: Editions, others: Sequence[Other]) -> tuple[ReleasedNotebook, SubmittedNotebook]:
    """The edition that was handed in, and what can be read of it, with remarks in its language."""
    with using(known.first.language):
        submitted = read(files, known.first, others)
    released = known.handed_in(submitted.cells or [])
    if submitted.remarks and released.language != known.first.language:
        with using(released.language):
            submitted = read(files, released, others)
    return released, submitted


def answer_facts(verdict: Verdict, grade_id: str, *, answered: bool) -> dict[str, Any]:
    """What a report wants to know of one answer, fit for JSON: aspects and diagnoses by the exam's own sentences, in
    English, for a class may have been told them in several languages.
    """
    failed = [{"aspect": row.aspect, "detail": _plain(row.detail), "diagnosis": row.mistake}
              for row in verdict.rows if not row.passed]
    seconds = verdict.seconds if math.isfinite(verdict.seconds) else 0.0
    return {"exercise": verdict.exercise, "grade_id": grade_id, "points": verdict.points,
            "max_points": verdict.max_points, "answered": answered, "failed": failed,
            "diagnoses": verdict.mistakes, "seconds": round(seconds, 3)}


def mark_notebook(course: Course, rebuilt: Rebuilt, seed: int, unrun: str = "") -> MarkedNotebook:
    """Run and judge a rebuilt notebook, in the language in force; where `unrun` says why, run nothing."""
    unrun = retold(unrun, GAVE_UP)
    chapters = chapters_of(course.source, {exam.exercise for exam in rebuilt.released.exams.values()})
    exercises = {name: exercise for chapter in chapters for name, exercise in chapter.exercises.items()}
    steps = rebuilt.steps()
    seeds = {step["exam"]: seed_for(seed, step["exam"]) for step in steps if "exam" in step}
    steps = [{**step, "seed": seeds[step["exam"]]} if "exam" in step else step for step in steps]
    secret = {number for name, each in seeds.items() for number in _seeds(exercises[name], each)}
    if unrun:
        results = {step["number"]: StepResult(ended=unrun) for step in steps if "exam" in step}
        rebuilt.remarks.append(unrun)
    else:
        results = run_notebook(ready_process(course, chapters), steps, course.limits)
    marks = []
    exams = {exam.grade_id: exam for exam in rebuilt.released.exams.values()}
    for number, ran in results.items():
        cell, name = rebuilt.cells[number], grade_id(rebuilt.cells[number])
        if name not in exams:
            rebuilt.remarks += _remarks(cell["source"], ran)
            rebuilt.cells[number] = {**cell, "outputs": outputs.of_cell(ran)}
            rebuilt.origin[number] = rebuilt.origin[number] if not rebuilt.cells[number]["outputs"] else None
            continue
        exam = exams[name]
        verdict = _judged(exercises[exam.exercise], ran, seeds[exam.exercise], exam.points)
        answered = exam.exercise not in rebuilt.unanswered
        known = answer_facts(verdict, name, answered=answered)
        for row in known["failed"]:
            row["detail"] = conceal(row["detail"], secret)
        metadata = {**cell["metadata"], "convcraft": known}
        rebuilt.cells[number] = {**cell, "metadata": metadata, "outputs": outputs.of_exam(verdict, ran)}
        rebuilt.origin[number] = None
        solution = exam.exercise if exam.exercise in rebuilt.released.solutions else ""
        comment = "\n\n".join(verdict.diagnoses) or ran.ended or _never_defined(ran) or None
        comment = conceal(comment or "", secret) or None if answered else _(NO_RESPONSE)
        marks.append(CellMark(name, solution, verdict.points, exam.points, comment, known))
    remarks = [conceal(remark, secret) for remark in rebuilt.remarks]
    return MarkedNotebook(rebuilt.released.name, conceal(rebuilt.text(), secret), marks, remarks,
                          rebuilt.released.language)


def _seeds(exercise: Exercise, seed: int) -> Iterator[int]:
    """All numbers from which an exam's inputs can be drawn again."""
    yield seed
    yield from (key(seed, exercise.name, item.name) for item in exercise.aspects())


def _never_defined(ran: StepResult) -> str:
    """Why there was no answer to examine: its cell had stopped before."""
    for record in ran.records:
        if isinstance(record.observation, Failure) and record.observation.kind == StoppedError.__name__:
            return explain(record.observation)
    return ""


def _remarks(source: str, ran: StepResult) -> list[str]:
    """What a student should know of a cell that did not run as in Jupyter: cut short, or without a magic."""
    reasons = [ran.ended] if ran.ended else []
    for output in ran.outputs:
        if output["output_type"] == "stream":
            reasons += [retold(said, *_OF_MAGIC) for said in _SKIPPED.findall(output["text"])[:_MAX_REMARKS]]
    begin = shown(next((line.strip() for line in source.splitlines() if line.strip()), ""), 60)
    return [_(CUT_SHORT).format(begin=begin, reason=shown(reason, 300)) for reason in reasons[:_MAX_REMARKS]]


def _judged(exercise: Exercise, ran: StepResult, seed: int, worth: float) -> Verdict:
    """The verdict, in the points that the class's release promises: it may be older than the exam."""
    try:
        return judge(exercise, ran.records, seed, worth)
    except Exception:  # no answer makes the judge raise; what was forged may, and earns nothing
        ran.ended = _(UNJUDGED)
        return judge(exercise, [], seed, worth)


def _plain(text: str, limit: int = 300) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[:limit - 1] + "…"
