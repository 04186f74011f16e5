"""Runs one notebook and observes its answers, in a process that the answers may do anything to.

Nothing in here guards a mark. Whoever patches it gains the power to send observations of his own, which earn what
the same code would have earned: the grader, outside, knows what is expected and compares.
"""

import base64
import json
import re
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import IPython.core.completer  # noqa: F401  (what a first cell would import)
import matplotlib
import matplotlib.pyplot
import matplotlib_inline.backend_inline  # noqa: F401
import numpy
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import convcraft
import convcraft.data
import convcraft.plots
from convcraft.exam import observe, ops, told
from convcraft.exam.exercise import Probe
from convcraft.exam.limits import OutOfTime, time_limit
from convcraft.grading.sandbox import wire

torch.set_num_threads(1)

_OUTPUT = 100_000  # characters of text that one cell may show
_PICTURE = 2_000_000  # bytes
_CONFIG = Config({"HistoryManager": {"enabled": False}, "InteractiveShell": {"colors": "Linux"}})


class _Voice:
    """Sends frames about the current step."""

    def __init__(self, stream: socket.socket):
        self._stream, self.step, self._left, self._pictures = stream, 0, _OUTPUT, _PICTURE

    def begin(self, step: int) -> None:
        self.step, self._left, self._pictures = step, _OUTPUT, _PICTURE
        self.say(wire.START)

    def say(self, kind: bytes, payload: bytes = b"") -> None:
        self._stream.sendall(wire.frame(kind, self.step, payload))

    def show(self, output: dict[str, Any]) -> None:
        self.say(wire.OUTPUT, json.dumps(output).encode())

    def text(self, name: str, text: str) -> None:
        if self._left <= 0:
            return
        if len(text) > self._left:
            text = text[:self._left] + "\n… (output cut here)\n"
        self._left -= len(text)
        self.show({"output_type": "stream", "name": name, "text": text})

    def data(self, kind: str, data: dict[str, Any], **more: object) -> None:
        """An output of MIME types; pictures and plain text are kept, anything that could run in a browser is not."""
        kept = {}
        for mime in ("image/png", "image/jpeg"):
            picture = data.get(mime)
            if isinstance(picture, bytes):
                picture = base64.b64encode(picture).decode()
            if isinstance(picture, str):
                self._pictures -= len(picture)
                if self._pictures > 0:
                    kept[mime] = picture
                else:
                    kept["text/plain"] = "(a picture too large to keep)"
        plain = str(data.get("text/plain", ""))[:max(self._left, 0)]
        self._left -= len(plain)
        self.show({"output_type": kind, "data": {"text/plain": plain, **kept}, "metadata": {}, **more})


class _Stream:
    """Stands for `sys.stdout` and `sys.stderr`; sends by the line, or by the heap."""

    encoding, errors, closed = "utf-8", "replace", False

    def __init__(self, voice: _Voice, name: str):
        self._voice, self.name, self._size = voice, name, 0
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        text = str(text)
        self._parts.append(text[:_OUTPUT])
        self._size += len(self._parts[-1])
        if self._size > 8192:
            self.flush()
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        text, self._parts, self._size = "".join(self._parts), [], 0
        if text:
            self._voice.text(self.name, text)

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1 if self.name == "stdout" else 2


class _Shell(InteractiveShell):
    """IPython's shell, speaking in notebook outputs."""

    voice: _Voice

    def init_io(self) -> None:
        pass

    def enable_gui(self, gui: str | None = None) -> None:
        """No window opens here."""

    def enable_matplotlib(self, gui: str | None = None) -> tuple[str, str]:
        """Whatever `%matplotlib` asks for: pictures are drawn inline, as from the start."""
        return "inline", matplotlib.get_backend()

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run a magic; one that cannot run here is skipped alone, and the rest of its cell runs."""
        try:
            return super().run_line_magic(magic_name, line, _stack_depth + 1)
        except Exception as error:
            print(told.SKIPPED.format(magic=f"%{magic_name}", reason=_reason(error)), file=sys.stderr)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """Run a cell magic; of one that is not known the body alone."""
        if self.find_cell_magic(magic_name) is not None:  # type: ignore[no-untyped-call]
            return super().run_cell_magic(magic_name, line, cell)  # type: ignore[no-untyped-call]
        print(told.NO_MAGIC.format(magic=f"%%{magic_name}"), file=sys.stderr)
        return self.run_cell(cell, store_history=False).result  # type: ignore[no-untyped-call]

    def _showtraceback(self, etype: type[BaseException], evalue: BaseException, stb: Iterable[str]) -> None:
        sys.stdout.flush()
        lines = [line[:2000] for line in list(stb)[:60]]
        self.voice.show({"output_type": "error", "ename": etype.__name__[:80], "evalue": str(evalue)[:2000],
                         "traceback": lines})


class _Hook(DisplayHook):
    shell: Any

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: object = None) -> None:
        sys.stdout.flush()
        self.shell.voice.data("execute_result", format_dict, execution_count=None)

    def finish_displayhook(self) -> None:
        pass


class _Publisher(DisplayPublisher):
    shell: Any

    def publish(self, data: dict[str, Any], metadata: object = None, source: object = None, *, transient: object = None,
                update: bool = False, **kwargs: object) -> None:
        sys.stdout.flush()
        self.shell.voice.data("display_data", data)


_Shell.displayhook_class.default_value = _Hook
_Shell.display_pub_class.default_value = _Publisher


def prepare() -> None:
    """What every notebook needs first, done once before the fork. It starts no thread."""
    _Shell.instance(config=_CONFIG)
    matplotlib.use("module://matplotlib_inline.backend_inline")
    torch.manual_seed(0)
    numpy.random.seed(0)
    convcraft.set_examiner(lambda name, answer: None)


def run_steps(stream: socket.socket, job: dict[str, Any], exams: dict[str, Any]) -> None:
    """Run the job's steps, in order, in a fork of the process that `prepare` was called in.

    Args:
        job: `steps`, each `{"number", "code"}` or `{"number", "exam", "answer", "seed"}`; `seconds` for a step.
        exams: name → (probe, banned operators).
    """
    voice = _Voice(stream)
    shell = _Shell.instance()
    shell.voice = voice
    sys.path.insert(0, "")  # as in Jupyter: what a cell writes can be imported
    own_seconds: float = job["own_seconds"]
    stopped: list[tuple[str, str]] = []
    sys.stdout, sys.stderr = _Stream(voice, "stdout"), _Stream(voice, "stderr")
    with ops.watched_threads():  # an own cell may start one that an answer uses
        for step in job["steps"]:
            voice.begin(step["number"])
            if "exam" in step:
                probe, bans = exams[step["exam"]]
                _examine(shell, voice, step, stopped, probe, bans, job)
            elif not step["own"] or own_seconds > 0:
                begin = time.monotonic()
                stopped += _run_cell(shell, step["code"], job["seconds"])
                took = time.monotonic() - begin
                own_seconds -= took * step["own"]
                if took >= job["seconds"]:  # told by the clock: the error itself may have been swallowed
                    voice.say(wire.LATE)
            else:
                voice.say(wire.SKIPPED)
            sys.stdout.flush()
            sys.stderr.flush()
            voice.say(wire.DONE)
    voice.say(wire.END)


def _run_cell(shell: _Shell, code: str, seconds: float) -> list[tuple[str, str]]:
    """Run a cell; where it stopped, its code and why, in a list."""
    try:
        with time_limit(seconds):
            result = shell.run_cell(code, store_history=False)  # type: ignore[no-untyped-call]
    except OutOfTime:  # it rang between the cell's end and ours
        shell.showtraceback()
        return [(code, OutOfTime.__name__)]
    error = result.error_before_exec or result.error_in_exec
    return [] if error is None else [(code, f"{_line(error, code)}{_reason(error)}")]


def _reason(error: BaseException) -> str:
    """The error's kind and message on one line."""
    try:
        message = " ".join(str(error).split())[:200]
    except Exception:  # a student's own error may raise when it is shown
        message = ""
    return f"{type(error).__name__[:80]}: {message}" if message else type(error).__name__[:80]


def _line(error: BaseException, code: str) -> str:
    """Where in its cell an error came up; IPython leaves empty lines at the beginning out of its count."""
    left_out = len(code) - len(code.lstrip("\n")) if code.strip() else 0
    if isinstance(error, SyntaxError):
        return f"at line {error.lineno + left_out}: " if error.lineno else ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_name == "<module>":
            return f"at line {number + left_out}: "
    return ""


def _examine(shell: _Shell, voice: _Voice, step: dict[str, Any], stopped: list[tuple[str, str]], probe: Probe,
             bans: frozenset[str], job: dict[str, Any]) -> None:
    try:
        answer = eval(step["answer"], shell.user_ns)
    except NameError as error:
        word = re.compile(rf"\b{re.escape(step['exam'])}\b")
        reasons = [reason for code, reason in stopped if word.search(code)]
        answer = _raising(wire.StoppedError(told.STOPPED.format(name=step["exam"], reason=reasons[-1]))
                          if reasons else error)
    except Exception as error:
        answer = _raising(error)
    for record in observe(step["exam"], probe, answer, seed=step["seed"], bans=bans, seconds=job["seconds"]):
        voice.say(wire.RECORD, record.to_bytes())


def _raising(error: Exception) -> Callable[..., NoReturn]:
    """Stands for an answer that is not there, and says so when it is called."""
    def answer(*args: object, **kwargs: object) -> NoReturn:
        raise error.with_traceback(None)

    return answer
