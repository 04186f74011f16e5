"""Runs one notebook and observes its answers, in a process that the answers may do anything to.

Nothing in here guards a mark. Whoever patches it gains the power to send observations of his own, which earn what
the same code would have earned: the grader, outside, knows what is expected and compares.
"""

import base64
import json
import socket
import sys

import IPython.core.completer  # noqa: F401  (what a first cell would import)
import matplotlib
import matplotlib.pyplot
import matplotlib_inline.backend_inline  # noqa: F401
import numpy
import torch
import torch._dynamo
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import convcraft
import convcraft.data
import convcraft.plots
from convcraft.exam import observe
from convcraft.exam.limits import OutOfTime, time_limit
from convcraft.grading import wire

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

    def show(self, output: dict) -> None:
        self.say(wire.OUTPUT, json.dumps(output).encode())

    def text(self, name: str, text: str) -> None:
        if self._left <= 0:
            return
        if len(text) > self._left:
            text = text[:self._left] + "\n… (output cut here)\n"
        self._left -= len(text)
        self.show({"output_type": "stream", "name": name, "text": text})

    def data(self, kind: str, data: dict, **more) -> None:
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
        self._voice, self.name, self._parts, self._size = voice, name, [], 0

    def write(self, text: str) -> int:
        text = str(text)
        self._parts.append(text[:_OUTPUT])
        self._size += len(self._parts[-1])
        if self._size > 8192:
            self.flush()
        return len(text)

    def writelines(self, lines) -> None:
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

    def _showtraceback(self, etype, evalue, stb) -> None:
        sys.stdout.flush()
        lines = [line[:2000] for line in list(stb)[:60]]
        self.voice.show({"output_type": "error", "ename": etype.__name__[:80], "evalue": str(evalue)[:2000],
                         "traceback": lines})


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict, md_dict=None) -> None:
        sys.stdout.flush()
        self.shell.voice.data("execute_result", format_dict, execution_count=None)

    def finish_displayhook(self) -> None:
        pass


class _Publisher(DisplayPublisher):
    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs) -> None:
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


def run(stream: socket.socket, job: dict, exams: dict) -> None:
    """Run the job's steps, in order, in a fork of the process that `prepare` was called in.

    Args:
        job: `steps`, each `{"number", "code"}` or `{"number", "exam", "answer"}`; `seed`; `seconds` for a step.
        exams: name → (probe, banned operators).
    """
    voice = _Voice(stream)
    shell = _Shell.instance()
    shell.voice = voice
    sys.stdout, sys.stderr = _Stream(voice, "stdout"), _Stream(voice, "stderr")
    for step in job["steps"]:
        voice.begin(step["number"])
        if "code" in step:
            _run_cell(shell, step["code"], job["seconds"])
        else:
            probe, bans = exams[step["exam"]]
            _examine(shell, voice, step, probe, bans, job)
        sys.stdout.flush()
        sys.stderr.flush()
        voice.say(wire.DONE)
    voice.say(wire.END)


def _run_cell(shell: _Shell, code: str, seconds: float) -> None:
    try:
        with time_limit(seconds):
            shell.run_cell(code, store_history=False)
    except OutOfTime:  # it rang between the cell's end and ours
        shell.showtraceback()


def _examine(shell: _Shell, voice: _Voice, step: dict, probe, bans, job: dict) -> None:
    try:
        answer = eval(step["answer"], shell.user_ns)
    except Exception as error:
        answer = _raising(error)
    for record in observe(step["exam"], probe, answer, seed=job["seed"], bans=bans, seconds=job["seconds"]):
        voice.say(wire.RECORD, record.to_bytes())


def _raising(error: Exception):
    """Stands for an answer that is not there, and says so when it is called."""
    def answer(*args, **kwargs):
        raise error.with_traceback(None)

    return answer
