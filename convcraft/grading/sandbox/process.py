"""The warm process, seen from outside: started, made ready, asked whether it lives, ended."""

import contextlib
import itertools
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcraft.grading.sandbox import group, walls, wire
from convcraft.language import _
from convcraft.place import PACKAGE

if TYPE_CHECKING:  # it would import PyTorch, and this process shall start another one before
    from convcraft.exam import Exercise

START = 120.0  # seconds that a process gets to begin
_END = 60.0  # seconds that a notebook's processes get to end


class SandboxError(RuntimeError):
    """The sandbox itself does not work; no answer can be blamed."""


class WarmProcess:
    """A warm process, to be shared by all forks of the process that started it.

    It starts at once and imports for seconds; whoever started it goes on meanwhile, and calls `learn` and
    `get_ready` before a notebook is run.
    """

    def __init__(self, course: Path, *, sealed: bool):
        module = "convcraft.grading.sandbox.warm"
        scratch: str | None = None
        environment: dict[str, str] | None = None
        if sealed:
            argv = [*walls.command(module, course), "sealed"]
        else:
            scratch = tempfile.mkdtemp(prefix="convcraft-")
            argv = [sys.executable, "-B", "-m", module, "open"]
            environment = walls.environment(scratch, str(PACKAGE.parent))
        self.control, theirs = socket.socketpair(socket.AF_UNIX, wire.CONTROL)
        self.process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, env=environment,
                                        cwd=scratch)
        theirs.close()
        self._scratch, self._owner = scratch, os.getpid()
        self._last: Running | None = None
        self.is_ready = False
        self.known: dict[Path, object] = {}  # chapter → the version of its exams that was handed over

    def learn(self, needs: list[str], may_need: list[str], exercises: Mapping[str, "Exercise"]) -> None:
        """Hand over exams' probes, never their answers.

        Args:
            needs: modules that their answers will want imported.
            may_need: modules that some may; they are imported when there is nothing else to do.
        """
        from convcraft.exam.probe import source_of  # with PyTorch, which the other process imports meanwhile

        exams = {name: (source_of(exercise), sorted(exercise.bans)) for name, exercise in exercises.items()}
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(exams).encode())
            file.seek(0)
            wire.send_control(self.control, {"exams": len(exams), "needs": needs, "may_need": may_need},
                              file.fileno())

    def get_ready(self) -> None:
        """Wait until all is imported.

        Raises:
            SandboxError: it did not start.
        """
        if self.is_ready:
            return
        wire.send_control(self.control, {"answer": "when ready"})
        if not select.select([self.control], [], [], START)[0] or wire.receive_control(self.control)[0] is None:
            self.close()
            raise SandboxError(_("The warm process did not start; what it said stands above."))
        self.is_ready = True

    def run(self, job: dict[str, Any]) -> "Running":
        """Start a notebook, once nothing is left of the one that was run here before.

        Args:
            job: what `child.run_steps` takes, and limits: `together`, bytes for all its processes; `memory`, bytes for
                one; `processor`, seconds for one.

        Raises:
            SandboxError: something is left of it.
        """
        self.see_gone()
        self._last = Running(self.control, self._owner, job)
        return self._last

    def see_gone(self) -> None:
        """Wait until nothing is left of the notebook that this process has run last.

        Raises:
            SandboxError: something is.
        """
        last, self._last = self._last, None
        if last and last.starter == os.getpid():  # a worker inherits the notebook of the one that forked it
            last.see_gone()

    def alive(self) -> bool:
        """Whether it still listens."""
        return self.control.fileno() >= 0 and not select.select([self.control], [], [], 0)[0]

    def close(self) -> None:
        """End it, with every child that is left."""
        self.control.close()
        self.process.kill()
        self.process.wait()
        group.remove_all(self._owner)
        if self._scratch:
            subprocess.run(["rm", "-rf", self._scratch], check=False)


_numbers = itertools.count()


class Running:
    """A notebook's processes, seen from outside: `stream` is what they say. Nothing of them outlives `see_gone`."""

    def __init__(self, control: socket.socket, owner: int, job: dict[str, Any]):
        self.starter = os.getpid()
        self._control, self._token = control, f"{owner}-{self.starter}-{next(_numbers)}"
        self._group = group.make(self._token, job["together"])
        self.stream, theirs = socket.socketpair()
        self._life, minders = socket.socketpair()
        with theirs, minders, self._group.doors() as doors:
            wire.send_control(control, {"run": self._token}, theirs.fileno(), minders.fileno(), *doors)
        self.stream.settimeout(START)
        wire.send_job(self.stream, {**job, "grouped": self._group.holds_memory})

    def end(self) -> None:
        """Have all of them ended; does not wait."""
        self.stream.close()
        wire.send_control(self._control, {"kill": self._token})

    def see_gone(self) -> None:
        """Wait until none of them is left.

        Raises:
            SandboxError: one is.
        """
        self._life.settimeout(_END)
        with self._life:
            try:
                gone = self._life.recv(1)
            except OSError:
                gone = b""
        if gone != wire.GONE:
            raise SandboxError(_("A notebook's processes could not be ended; what was said of it stands above."))
        deadline = time.monotonic() + _END
        while True:  # whoever said so is just leaving
            with contextlib.suppress(OSError):
                return self._group.remove()
            if time.monotonic() > deadline:
                raise SandboxError(_("A notebook's control group has somebody inside who cannot be ended."))
            time.sleep(0.001)
