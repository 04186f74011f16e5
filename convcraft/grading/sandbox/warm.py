"""The warm process: imports everything once, inside the sandbox, and forks a child a notebook.

Only imports happen here: no thread, no tensor arithmetic, or the children would hang or differ. It believes nothing
that a child says, for it listens to none; what a child observes goes straight to the grader.
"""

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from convcraft.grading.sandbox import inside, wire

_TICK = 0.1  # seconds between two looks at a notebook's memory


RunSteps = Callable[[socket.socket, dict[str, Any], dict[str, Any]], None]


def main() -> None:
    """Serve until the grader goes away: `python -m …sandbox.warm sealed|open`, the control socket on stdin."""
    sealed = sys.argv[1] == "sealed"
    if sealed:
        inside.become_nobody()
    control = socket.socket(fileno=os.dup(0))
    from convcraft.grading.sandbox import child  # imports torch, matplotlib, IPython

    child.prepare()
    exams: dict[str, Any] = {}
    minders: dict[str, int] = {}
    later: list[str] = []
    parent = os.getppid()
    while os.getppid() == parent and _reap(minders):
        if not select.select([control], [], [], 0 if later and minders else 5.0)[0]:
            if later:
                importlib.import_module(later.pop())
                _settle()
            continue
        message, descriptors = wire.receive_control(control)
        if message is None:
            break
        if "exams" in message:
            _learn(exams, message["needs"], *descriptors)
            later += message["may_need"]
            continue
        if "answer" in message:
            wire.send_control(control, {"ready": os.getpid()})
            continue
        if "kill" in message:
            if message["kill"] in minders:
                os.kill(minders[message["kill"]], signal.SIGTERM)
            continue
        pid = os.fork()
        if not pid:
            control.close()
            _mind(descriptors, exams, sealed, child.run_steps)
        for descriptor in descriptors:
            os.close(descriptor)
        minders[message["run"]] = pid


def _learn(exams: dict[str, Any], needs: list[str], descriptor: int) -> None:
    """Take over exams, and import what their answers need, once for all children."""
    from convcraft.exam.probe import opened

    for module in needs:
        importlib.import_module(module)
    with open(descriptor, "rb") as file:
        received = json.load(file)
    exams.update({name: (opened(name, source), frozenset(bans)) for name, (source, bans) in received.items()})
    _settle()


def _settle() -> None:
    """Leave little for a fork to copy."""
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    inside.use_huge_pages()


def _reap(minders: dict[str, int]) -> bool:
    """Forget the minders that have ended. False where one was killed: what it minded then lives as long as we do."""
    for token, minder in list(minders.items()):
        pid, status = os.waitpid(minder, os.WNOHANG)
        if pid and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            print("A minder was killed: did the machine run out of memory?", file=sys.stderr)
            return False
        if pid:
            del minders[token]
    return True


def _mind(descriptors: list[int], exams: dict[str, Any], sealed: bool, run_steps: RunSteps) -> None:
    """In a fork of its own: start the child, wait for its end, bring it about where asked to. Never returns."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        stream, life = (socket.socket(fileno=descriptor) for descriptor in descriptors[:2])
        grouped = _enter(descriptors[2:])
        job = wire.receive_job(stream)
        if sealed:
            inside.unshare()
        else:
            inside.adopt()
        pid = os.fork()
        if not pid:
            _become(stream, job, exams, sealed, run_steps)
        stream.close()
        _wait(pid, life, job["together"] if sealed and not (grouped and job["grouped"]) else None)
        if not sealed:
            inside.end_family()
        life.send(wire.GONE)
        status = 0
    finally:
        os._exit(status)


def _enter(doors: list[int]) -> bool:
    """Enter the control groups that these files belong to; False where the system does not let us."""
    entered = True
    for door in doors:
        try:
            os.write(door, b"0")
        except OSError:
            entered = False
        os.close(door)
    return entered


def _become(stream: socket.socket, job: dict[str, Any], exams: dict[str, Any], sealed: bool,
            run_steps: RunSteps) -> None:
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, signal.SIGTERM})
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nowhere, number)
        os.dup2(stream.fileno(), 3, inheritable=False)
        stream.detach()
        os.closerange(4, 1024)
        inside.limit(job["memory"], job["processor"], sealed)
        if sealed:
            inside.close_in()
        run_steps(socket.socket(fileno=3), job, exams)
        status = 0
    finally:
        os._exit(status)


def _wait(pid: int, life: socket.socket, memory: int | None) -> None:
    """Wait until the child, and in its namespace all that it started, has ended.

    It is ended when we are told to, when nobody is left to tell us, and when it uses more than `memory` bytes. Once
    is not always enough: what traces a process can hold up its end.
    """
    ending = False
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if ending:
            os.kill(pid, signal.SIGKILL)
        ending |= arrival({signal.SIGCHLD, signal.SIGTERM}, _TICK) == signal.SIGTERM
        ending |= bool(select.select([life], [], [], 0)[0])
        ending |= memory is not None and inside.memory_used() > memory


def arrival(wanted: set[signal.Signals], seconds: float) -> int | None:
    """The first of these blocked signals to arrive; None where none does in that time."""
    if hasattr(signal, "sigtimedwait"):
        arrived = signal.sigtimedwait(wanted, seconds)
        return None if arrived is None else arrived.si_signo
    until = time.monotonic() + seconds  # macOS
    while time.monotonic() < until:
        if pending := signal.sigpending() & wanted:
            return signal.sigwait(pending)
        time.sleep(0.01)
    return None


if __name__ == "__main__":
    main()
