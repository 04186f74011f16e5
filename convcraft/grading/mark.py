"""One submission from a student's folder to marks: read, rebuild, run, judge. What a worker does."""

import atexit
import importlib
import math
import os
import time
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path

import torch

from convcraft.exam import Exercise, Verdict, judge, load_course
from convcraft.exam.draw import key
from convcraft.exam.present import bundle
from convcraft.grading import chapter as chapters
from convcraft.grading.chapter import Chapter, grade_id
from convcraft.grading.handed_in import read
from convcraft.grading.rebuild import Rebuilt, rebuild
from convcraft.grading.run import Limits, Ran, Warm, run
from convcraft.grading.sandbox import need_forks

NO_RESPONSE = "No response."
UNJUDGED = "What was observed here is nothing that could be judged."
_MAX_HTML = 2_000_000
_SOON_USED = ("torch._dynamo",)


@dataclass(frozen=True)
class Course:
    """What a worker has to know of the course. `source` has the exercises; `root` is hidden from answers."""

    root: Path
    source: Path
    sealed: bool = True
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Task:
    """One student's folder for one assignment. `notebooks` are the released ones, `seed` the draw's."""

    student: str
    assignment: str
    folder: Path
    notebooks: tuple[Path, ...]
    seed: int


@dataclass(frozen=True)
class Mark:
    """The points of one graded cell, and the comment on its answer (None: nothing to say).

    `facts` is what a report wants to know; it stands in the cell's metadata, too (see `facts`).
    """

    grade_id: str
    solution_id: str
    points: float
    max_points: float
    comment: str | None
    facts: dict


@dataclass(frozen=True)
class Marked:
    """A graded notebook: its file's text and its marks."""

    name: str
    text: str
    marks: list[Mark]
    remarks: list[str]


@dataclass(frozen=True)
class Result:
    """A graded submission; `seconds` is the time it took the worker."""

    task: Task
    notebooks: list[Marked] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def points(self) -> float:
        return sum(mark.points for notebook in self.notebooks for mark in notebook.marks)

    @property
    def max_points(self) -> float:
        return sum(mark.max_points for notebook in self.notebooks for mark in notebook.marks)


def mark(course: Course, task: Task) -> Result:
    """Grade one submission; never raises for anything that a student did."""
    begin = time.perf_counter()
    marked = []
    for path in task.notebooks:
        teacher = chapter(path)
        handed_in = read(task.folder, teacher.name, set(teacher.by_grade_id))
        marked.append(mark_notebook(course, rebuild(teacher, handed_in), task.seed))
    return Result(task, marked, time.perf_counter() - begin)


def facts(verdict: Verdict, grade_id: str, *, answered: bool) -> dict:
    """What a report wants to know of one answer, fit for JSON."""
    failed = [{"aspect": row.name, "detail": _plain(row.detail), "diagnosis": row.diagnosis}
              for row in verdict.rows if not row.passed]
    seconds = verdict.seconds if math.isfinite(verdict.seconds) else 0.0
    return {"exercise": verdict.exercise, "grade_id": grade_id, "points": verdict.points,
            "max_points": verdict.max_points, "answered": answered, "failed": failed,
            "diagnoses": verdict.diagnoses, "seconds": round(seconds, 3)}


def mark_notebook(course: Course, rebuilt: Rebuilt, seed: int) -> Marked:
    """Run and judge a rebuilt notebook."""
    exercises, steps = exercises_of(course.source), rebuilt.steps()
    results = run(warm(course), steps, seed, course.limits)
    marks = []
    exams = {exam.grade_id: exam for exam in rebuilt.chapter.exams.values()}
    for number, ran in results.items():
        cell, name = rebuilt.cells[number], grade_id(rebuilt.cells[number])
        if name not in exams:
            rebuilt.cells[number] = {**cell, "outputs": _outputs(ran)}
            rebuilt.origin[number] = rebuilt.origin[number] if not rebuilt.cells[number]["outputs"] else None
            continue
        exam = exams[name]
        verdict = _judged(exercises[exam.exercise], ran, seed)
        answered = exam.exercise not in rebuilt.unanswered
        known = facts(verdict, name, answered=answered)
        metadata = {**cell["metadata"], "convcraft": known}
        rebuilt.cells[number] = {**cell, "metadata": metadata, "outputs": _shown(verdict, ran)}
        rebuilt.origin[number] = None
        solution = exam.exercise if exam.exercise in rebuilt.chapter.solutions else ""
        comment = "\n\n".join(verdict.diagnoses) or ran.ended or None
        marks.append(Mark(name, solution, verdict.points, exam.points, comment if answered else NO_RESPONSE, known))
    return Marked(rebuilt.chapter.name, rebuilt.text(), marks, rebuilt.remarks)


def _judged(exercise: Exercise, ran: Ran, seed: int) -> Verdict:
    try:
        return judge(exercise, ran.records, seed)
    except Exception:  # no answer makes the judge raise; what was forged may, and earns nothing
        ran.ended = UNJUDGED
        return judge(exercise, [], seed)


@lru_cache(maxsize=64)
def chapter(path: Path) -> Chapter:
    """The released notebook at `path`, read once."""
    return chapters.load(path)


def exercises_of(source: Path) -> dict[str, Exercise]:
    """The course's exercises, as they are written now."""
    return _exercises(source, _version(source))


@cache
def _exercises(source: Path, version: tuple) -> dict[str, Exercise]:
    torch.set_num_threads(1)  # so that a process may still fork afterwards
    load_course.cache_clear()
    return load_course(source)


def _version(source: Path) -> tuple:
    return tuple((path.parent.name, path.stat().st_mtime_ns) for path in sorted(source.glob("*/exercises.py")))


_warm: dict[tuple[Path, bool, tuple], Warm] = {}


def start(course: Course) -> Warm:
    """The warm process of this machine, which may still be starting: inherited from the parent, else a new one.

    Raises:
        NoSandboxError: no process can be forked here.
    """
    need_forks()
    wanted = (course.root, course.sealed, _version(course.source))
    running = _warm.get(wanted)
    if running is None or not running.alive():
        running = _warm[wanted] = Warm(course.root, sealed=course.sealed)
        owner = os.getpid()
        atexit.register(lambda: running.close() if os.getpid() == owner else None)
    return running


def warm(course: Course) -> Warm:
    """The same, ready to run notebooks.

    Raises:
        SandboxError: it did not start.
    """
    running = start(course)
    if not running.is_ready:
        exercises = exercises_of(course.source)
        for module in _SOON_USED:
            importlib.import_module(module)  # while the other one imports; and for all forks of this one
        running.get_ready(exercises)
    return running


def seed_for(secret: int, assignment: str) -> int:
    """The draw's seed for an assignment: what leaks from one says nothing of another."""
    return key(secret, assignment)


def _outputs(ran: Ran) -> list[dict]:
    return [*ran.outputs, *_note(ran.ended)]


def _shown(verdict: Verdict, ran: Ran) -> list[dict]:
    """Nothing on stderr, no error, and the points first: nbgrader gives its marks by that."""
    data = {mime: text for mime, text in _bundle(_Key(verdict)).items() if len(text) <= _MAX_HTML}
    calm = []
    for output in ran.outputs:
        match output["output_type"]:
            case "error":
                output = {"output_type": "stream", "name": "stdout", "text": f"{output['ename']}: {output['evalue']}\n"}
            case "stream":
                output = {**output, "name": "stdout"}
            case "execute_result":
                continue
        calm.append(output)
    points = {"output_type": "execute_result", "data": {"text/plain": repr(verdict.points)}, "metadata": {},
              "execution_count": None}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    return [shown, *calm, *_note(ran.ended), points]


def _plain(text: str, limit: int = 300) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= limit else text[:limit - 1] + "…"


def _note(text: str) -> list[dict]:
    return [{"output_type": "stream", "name": "stdout", "text": text + "\n"}] if text else []


class _Key:
    """A verdict, equal to another that would be shown alike: the same mistakes are drawn once."""

    def __init__(self, verdict: Verdict):
        self.verdict = verdict
        self._key = (verdict.exercise, verdict.points, verdict.output, tuple(
            (row.name, row.passed, row.diagnosis, row.detail, _bytes(row.comparison.yours)) for row in verdict.rows))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._key == other._key


def _bytes(tensor: torch.Tensor | None) -> bytes:
    return b"" if tensor is None else repr((tensor.dtype, tensor.shape)).encode() + tensor.contiguous().view(-1).view(
        torch.uint8).numpy().tobytes()


@lru_cache(maxsize=2000)
def _bundle(key: _Key) -> dict[str, str]:
    return bundle(key.verdict)
