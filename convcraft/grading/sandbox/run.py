"""Runs a rebuilt notebook in the sandbox and brings back outputs and observations; believes neither."""

import socket
import time
from dataclasses import dataclass, field
from typing import Any

from convcraft.exam import Failure, Record
from convcraft.exam.limits import OutOfTime
from convcraft.exam.observation import MAX_BYTES
from convcraft.grading.sandbox import turns, wire
from convcraft.grading.sandbox.process import START, SandboxError, WarmProcess
from convcraft.grading.sandbox.received import checked_output, checked_record
from convcraft.language import N_, _

_GRACE = 3.0  # seconds that a child gets to notice its own time limit
_TOGETHER = 512 * 2**20  # bytes that all processes of a notebook may use beyond one's limit
_MAX_TOTAL = 256 * 2**20  # bytes from one child
# Kept for one notebook, however often it is begun anew: bytes, and what each output or record costs besides.
_MAX_OUTPUT, _OUTPUT_COSTS = 4 * 2**20, 500
_MAX_RECORDS, _RECORD_COSTS = 64 * 2**20, 2**14

TOO_LONG = N_("This ran longer than {seconds:g} seconds and was ended from outside.")
DIED = N_("Python ended here (a crash, an exit, or too much memory); what it did not reach was run without it.")
GARBLED = N_("Something else than the exam wrote into the grader's channel; the run was ended here.")
FLOOD = N_("This sent more data than a notebook may; the run was ended here.")
NO_TIME = N_("The time for a notebook's exams, {seconds:g} seconds, was used up before this was reached.")
STOPPED = N_("This ran longer than {seconds:g} seconds and was stopped.")
CUT = N_("… (what this notebook showed from here on was too much to keep)")
NO_OWN_TIME = N_("This was not run: the time for cells of your own, {seconds:g} seconds, was used up.")


@dataclass(frozen=True)
class Limits:
    """What one notebook may use.

    Attributes:
        seconds: for one cell, or one aspect of an exam.
        memory: bytes for one process, beyond what Python and PyTorch need.
        own_seconds: for all cells of the student's own together; twelve times `seconds` unless told otherwise.
    """

    seconds: float = 10.0
    memory: int = 2**30
    own_seconds: float | None = None

    @property
    def own(self) -> float:
        """Seconds for all cells of the student's own."""
        return 12 * self.seconds if self.own_seconds is None else self.own_seconds

    @property
    def exams(self) -> float:
        """Seconds for all answers and exams of one notebook, whatever its own cells took."""
        return 12 * self.seconds


@dataclass
class StepResult:
    """What came of one step: nbformat outputs, observations, why it was cut short, if it was, and how long it took."""

    outputs: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    ended: str = ""
    seconds: float = 0.0
    out_of_time: bool = False

    @property
    def failures(self) -> set[str]:
        """The kinds of the errors that were observed."""
        return {record.observation.kind for record in self.records if isinstance(record.observation, Failure)}


@dataclass
class _Notebook:
    """What is known so far of one notebook, however many processes it takes.

    Attributes:
        finished: steps that need not run again: exams that are done, and what brought a process down.
        deadline: when the last process must have ended (time.monotonic).
        room: bytes of outputs, and of records, that may still be kept.
    """

    steps: list[dict[str, Any]]
    limits: Limits
    results: dict[int, StepResult]
    finished: set[int] = field(default_factory=set)
    deadline: float = 0.0
    room: dict[bytes, int] = field(default_factory=lambda: {wire.OUTPUT: _MAX_OUTPUT, wire.RECORD: _MAX_RECORDS})

    def todo(self) -> list[dict[str, Any]]:
        return [step for step in self.steps if step["number"] not in self.finished]


def run_notebook(warm: WarmProcess, steps: list[dict[str, Any]], limits: Limits) -> dict[int, StepResult]:
    """Run the steps of one notebook; the result has each step's number.

    A step that brings the process down (an exit, a crash, a loop in C, too much memory) is left out and the notebook
    run again in a fresh process, without the exams that are done: it costs what it was worth and no other's points.
    An exam that ran out of time while others had a part of the machine is tried once more, alone.
    """
    results: dict[int, StepResult] = {step["number"]: StepResult() for step in steps}
    with turns.beside_others() as was_alone:
        _run(warm, _Notebook(steps, limits, results))
        late = set() if was_alone() else _out_of_time(steps, results)
    if late:
        done = {step["number"] for step in steps if "exam" in step} - late
        with turns.alone():
            _run(warm, _Notebook(steps, limits, results, done))
    return results


def _out_of_time(steps: list[dict[str, Any]], results: dict[int, StepResult]) -> set[int]:
    """The exams that time may have cost points: their own, or that of the cells that they need."""
    slow = {step["number"] for step in steps if results[step["number"]].out_of_time}
    exams = {step["number"] for step in steps if "exam" in step}
    needing = {number for number in exams if results[number].failures & {wire.StoppedError.__name__, "NameError"}}
    return slow & exams | (needing if slow - exams else set())


def _run(warm: WarmProcess, notebook: _Notebook) -> None:
    limits, results = notebook.limits, notebook.results
    own = {step["number"] for step in notebook.steps if step.get("own")}
    own_seconds = limits.own
    notebook.deadline = time.monotonic() + limits.exams + limits.own
    while (todo := notebook.todo()) and any("exam" in step for step in todo):
        if time.monotonic() > notebook.deadline:
            for step in todo:
                late = results[step["number"]]
                late.ended, late.out_of_time = _(NO_TIME).format(seconds=limits.exams), True
            break
        fatal = _once(warm, notebook, own_seconds)
        own_seconds -= sum(results[step["number"]].seconds for step in todo if step["number"] in own)
        if fatal is None:
            break
        notebook.finished.add(fatal)


def _once(warm: WarmProcess, notebook: _Notebook, own_seconds: float) -> int | None:
    """One process. The number of the step that brought it down, or None."""
    limits = notebook.limits
    running = warm.run({"steps": notebook.todo(), "seconds": limits.seconds,
                        "own_seconds": own_seconds, "memory": limits.memory, "together": limits.memory + _TOGETHER,
                        "processor": limits.own + limits.exams})
    try:
        fatal = _Listener(notebook).listen(running.stream)
    finally:
        running.end()
    if fatal is not None:
        warm.see_gone()  # before anybody is blamed: where the warm process itself has ended, that is told here
    return fatal


class _Listener:
    """Follows one process through its steps."""

    def __init__(self, notebook: _Notebook):
        self._notebook, self._limits, self._results = notebook, notebook.limits, notebook.results
        self._order = [step["number"] for step in notebook.todo()]
        self._exams = {step["number"] for step in notebook.todo() if "exam" in step}
        self._current: int | None = None
        self._begin = time.monotonic()
        self._due = self._begin + START

    def listen(self, stream: socket.socket) -> int | None:
        frames, total = wire.Frames(MAX_BYTES), 0
        while True:
            left = min(self._due, self._notebook.deadline + _GRACE) - time.monotonic()
            if left <= 0:  # whatever arrives meanwhile
                return self._end(_(TOO_LONG).format(seconds=self._limits.seconds), out_of_time=True)
            stream.settimeout(left)
            try:
                data = stream.recv(1 << 18)
            except TimeoutError:
                continue
            except ConnectionError:
                data = b""
            if not data:
                return self._end(_(DIED))
            total += len(data)
            if total > _MAX_TOTAL:
                return self._end(_(FLOOD))
            try:
                for kind, step, payload in frames.feed(data):
                    if kind == wire.END:
                        return None
                    self._take(kind, step, payload)
            except ValueError:
                return self._end(_(GARBLED))

    def _take(self, kind: bytes, step: int, payload: bytes) -> None:
        if kind == wire.START:
            if step not in self._order:
                raise wire.BadFrameError(f"step {step}")
            self._current, self._begin = step, time.monotonic()
            self._results[step] = StepResult()
        elif step != self._current:
            raise wire.BadFrameError(f"step {step} within {self._current}")
        result = self._results[step]
        if kind == wire.OUTPUT:
            if self._has_room(kind, len(payload) + _OUTPUT_COSTS):
                result.outputs.append(checked_output(payload))
            return
        self._due = time.monotonic() + self._limits.seconds + _GRACE
        result.seconds = time.monotonic() - self._begin
        if kind == wire.SKIPPED:
            result.ended, result.out_of_time = _(NO_OWN_TIME).format(seconds=self._limits.own), True
        elif kind == wire.LATE:
            result.ended, result.out_of_time = _(STOPPED).format(seconds=self._limits.seconds), True
        elif kind == wire.RECORD and step in self._exams and self._has_room(kind, len(payload) + _RECORD_COSTS):
            result.records.append(checked_record(payload))
            result.out_of_time |= OutOfTime.__name__ in result.failures
        elif kind == wire.DONE and step in self._exams:
            self._notebook.finished.add(step)

    def _has_room(self, kind: bytes, size: int) -> bool:
        """Whether that much may still be kept; the first that may not leaves a note, and nothing after it is kept."""
        room = self._notebook.room
        had_any = room[kind] > 0
        room[kind] = room[kind] - size if size <= room[kind] else 0
        if room[kind] <= 0 and had_any and self._current is not None:
            self._results[self._current].outputs.append(
                {"output_type": "stream", "name": "stderr", "text": _(CUT) + "\n"})
        return room[kind] > 0

    def _end(self, reason: str, *, out_of_time: bool = False) -> int:
        if self._current is None:
            raise SandboxError(_("A notebook's process ended before it began; what it said stands above."))
        result = self._results[self._current]
        result.ended, result.out_of_time = reason, result.out_of_time or out_of_time
        result.seconds = time.monotonic() - self._begin
        return self._current
