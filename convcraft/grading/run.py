"""Runs a rebuilt notebook in the sandbox and brings back outputs and observations; believes neither."""

import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import cloudpickle

from convcraft.exam import Exercise, Record
from convcraft.exam.observation import MAX_BYTES
from convcraft.grading import sandbox, wire

_GRACE = 3.0  # seconds that a child gets to notice its own time limit
_START = 120.0
_MAX_TOTAL = 256 * 2**20  # bytes from one child
_MAX_HEADER = 2**20
_MAX_OUTPUT = 4 * 2**20  # bytes of outputs kept for one notebook
_MAX_TEXT = 10_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\n]*={0,2}\n?")

TOO_LONG = "This ran longer than {seconds:g} seconds and was ended from outside."
DIED = "Python ended here (a crash, an exit, or too much memory); what it did not reach was run without it."
GARBLED = "Something else than the exam wrote into the grader's channel; the run was ended here."
FLOOD = "This sent more data than a notebook may; the run was ended here."
NO_TIME = "The notebook's time, {seconds:g} seconds, was used up before this was reached."


@dataclass(frozen=True)
class Limits:
    """Seconds for one cell or aspect; bytes for one process, beyond what Python and PyTorch need."""

    seconds: float = 10.0
    memory: int = 2**30

    @property
    def notebook(self) -> float:
        """Seconds for all of one notebook."""
        return 12 * self.seconds


@dataclass
class Ran:
    """What came of one step: nbformat outputs, observations, and the reason why it was cut short, if it was."""

    outputs: list[dict] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    ended: str = ""


class SandboxError(RuntimeError):
    """The sandbox itself does not work; no answer can be blamed."""


class Warm:
    """A warm process, to be shared by all forks of the process that started it.

    It starts at once and imports for seconds; whoever started it goes on meanwhile and calls `get_ready` before `run`.
    """

    def __init__(self, course: Path, *, sealed: bool):
        module = "convcraft.grading.warm"
        scratch = None
        if sealed:
            argv, environment = [*sandbox.command(module, course), "sealed"], None
        else:
            scratch = tempfile.mkdtemp(prefix="convcraft-")
            argv = [sys.executable, "-B", "-m", module, "open"]
            environment = sandbox.environment(scratch, str(sandbox.PACKAGE.parent))
        self.control, theirs = socket.socketpair(socket.AF_UNIX, wire.CONTROL)
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=subprocess.DEVNULL, env=environment, cwd=scratch)
        theirs.close()
        self._scratch = scratch
        self.is_ready = False

    def get_ready(self, exercises: dict[str, Exercise]) -> None:
        """Hand over the exams' probes, never their answers, and wait until all is imported.

        Raises:
            SandboxError: it did not start.
        """
        exams = {name: (exercise.probe, exercise.bans) for name, exercise in exercises.items()}
        with tempfile.TemporaryFile() as file:
            file.write(cloudpickle.dumps(exams))
            file.seek(0)
            wire.send_control(self.control, {"exams": len(exams)}, file.fileno())
        if not select.select([self.control], [], [], _START)[0] or wire.receive_control(self.control)[0] is None:
            self.close()
            raise SandboxError("The warm process did not start; what it said stands above.")
        self.is_ready = True

    def alive(self) -> bool:
        """Whether it still listens."""
        return self.control.fileno() >= 0 and not select.select([self.control], [], [], 0)[0]

    def close(self) -> None:
        """End it, with every child that is left."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        if self._scratch:
            subprocess.run(["rm", "-rf", self._scratch], check=False)


_tokens = itertools.count()


def run(warm: Warm, steps: list[dict], seed: int, limits: Limits) -> dict[int, Ran]:
    """Run the steps of one notebook; the result has each step's number.

    A step that brings the process down (an exit, a crash, a loop in C, too much memory) is left out and the notebook
    run again in a fresh process, without the exams that are done: it costs what it was worth and no other's points.
    """
    results: dict[int, Ran] = {step["number"]: Ran() for step in steps}
    finished: set[int] = set()
    deadline = time.monotonic() + limits.notebook
    while True:
        todo = [step for step in steps if step["number"] not in finished]
        if not any("exam" in step for step in todo):
            break
        if time.monotonic() > deadline:
            for step in todo:
                results[step["number"]].ended = NO_TIME.format(seconds=limits.notebook)
            break
        fatal = _once(warm, todo, seed, limits, deadline, results, finished)
        if fatal is None:
            break
        finished.add(fatal)
    return results


def _once(warm: Warm, steps: list[dict], seed: int, limits: Limits, deadline: float, results: dict[int, Ran],
          finished: set[int]) -> int | None:
    """One process. The number of the step that brought it down, or None."""
    token = f"{os.getpid()}-{next(_tokens)}"
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            wire.send_control(warm.control, {"run": token}, theirs.fileno())
        ours.settimeout(_START)
        wire.send_job(ours, {"steps": steps, "seed": seed, "seconds": limits.seconds, "memory": limits.memory})
        try:
            return _Listener(steps, limits, deadline, results, finished).listen(ours)
        finally:
            wire.send_control(warm.control, {"kill": token})


class _Listener:
    """Follows one process through its steps."""

    def __init__(self, steps, limits: Limits, deadline: float, results: dict[int, Ran], finished: set[int]):
        self._exams = {step["number"] for step in steps if "exam" in step}
        self._order = [step["number"] for step in steps]
        self._limits, self._deadline, self._results, self._finished = limits, deadline, results, finished
        self._current: int | None = None
        self._kept = 0
        self._due = time.monotonic() + _START

    def listen(self, stream: socket.socket) -> int | None:
        frames, total = wire.Frames(MAX_BYTES), 0
        while True:
            left = min(self._due, self._deadline + _GRACE) - time.monotonic()
            stream.settimeout(max(left, 0.01))
            try:
                data = stream.recv(1 << 18)
            except TimeoutError:
                return self._end(TOO_LONG.format(seconds=self._limits.seconds))
            except ConnectionError:
                data = b""
            if not data:
                return self._end(DIED)
            total += len(data)
            if total > _MAX_TOTAL:
                return self._end(FLOOD)
            try:
                for kind, step, payload in frames.feed(data):
                    if kind == wire.END:
                        return None
                    self._take(kind, step, payload)
            except ValueError:
                return self._end(GARBLED)

    def _take(self, kind: bytes, step: int, payload: bytes) -> None:
        if kind == wire.START:
            if step not in self._order:
                raise wire.BadFrameError(f"step {step}")
            self._current = step
            self._results[step] = Ran()
        elif step != self._current:
            raise wire.BadFrameError(f"step {step} within {self._current}")
        if kind == wire.OUTPUT:
            self._kept += len(payload)
            if self._kept <= _MAX_OUTPUT:
                self._results[step].outputs.append(checked_output(payload))
            return
        self._due = time.monotonic() + self._limits.seconds + _GRACE
        if kind == wire.RECORD and step in self._exams:
            self._results[step].records.append(_checked_record(payload))
        elif kind == wire.DONE and step in self._exams:
            self._finished.add(step)

    def _end(self, reason: str) -> int:
        if self._current is None:
            raise SandboxError("A notebook's process ended before it began; what it said stands above.")
        self._results[self._current].ended = reason
        return self._current


def _checked_record(payload: bytes) -> Record:
    if int.from_bytes(payload[:8], "little") > _MAX_HEADER:
        raise ValueError("a record's header is too long")
    record = Record.from_bytes(payload)
    return replace(record, output=record.output[:_MAX_TEXT])


def checked_output(payload: bytes) -> dict:
    """An output of a kind that a notebook may show and a browser cannot run.

    Raises:
        ValueError: it is none.
    """
    try:
        output = json.loads(payload)
        match output:
            case {"output_type": "stream", "name": ("stdout" | "stderr") as name, "text": str(text)}:
                return {"output_type": "stream", "name": name, "text": _clean(text)}
            case {"output_type": "error", "ename": str(name), "evalue": str(value), "traceback": [*lines]}:
                return {"output_type": "error", "ename": _clean(name), "evalue": _clean(value),
                        "traceback": [_clean(str(line)) for line in lines]}
            case {"output_type": ("display_data" | "execute_result") as kind, "data": {**data}}:
                kept = {"text/plain": _clean(str(data.get("text/plain", "")))}
                kept |= {mime: data[mime].replace("\n", "") for mime in ("image/png", "image/jpeg")
                         if isinstance(data.get(mime), str) and _BASE64.fullmatch(data[mime])}
                result = {"output_type": kind, "data": kept, "metadata": {}}
                return result | {"execution_count": None} if kind == "execute_result" else result
    except RecursionError as error:
        raise ValueError("too deep") from error
    raise ValueError("no output")


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def follow_parent() -> None:
    """In a worker: leave Ctrl-C to the process that gives out the work, and end when it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox.die_with_parent()
