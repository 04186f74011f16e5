"""The warm process: imports everything once, inside the sandbox, and forks a child a notebook.

Only imports happen here: no thread, no tensor arithmetic, or the children would hang or differ. It believes nothing
that a child says, for it listens to none; what a child observes goes straight to the grader.
"""

import gc
import os
import pickle
import select
import signal
import socket
import sys

from convcraft.grading import sandbox, wire

_TICK = 0.25  # seconds between two looks at a child's memory
_EXTRA = 512 * 2**20  # bytes that all processes of a notebook together may use beyond one's limit


def main() -> None:
    """Serve until the grader goes away: `python -m convcraft.grading.warm sealed|open`, control socket on stdin."""
    sealed = sys.argv[1] == "sealed"
    if sealed:
        sandbox.become_nobody()
    control = socket.socket(fileno=os.dup(0))
    from convcraft.grading import child  # imports torch, matplotlib, IPython

    message, descriptors = wire.receive_control(control)
    if message is None:  # there was nothing to grade
        return
    with open(descriptors[0], "rb") as file:
        exams = pickle.load(file)
    child.prepare()
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    sandbox.use_huge_pages()
    wire.send_control(control, {"ready": os.getpid()})
    minders: dict[str, int] = {}
    parent = os.getppid()
    while os.getppid() == parent:
        _reap(minders)
        if not select.select([control], [], [], 5.0)[0]:
            continue
        message, descriptors = wire.receive_control(control)
        if message is None:
            break
        if "kill" in message:
            if message["kill"] in minders:
                os.kill(minders[message["kill"]], signal.SIGTERM)
            continue
        (stream,) = descriptors
        pid = os.fork()
        if not pid:
            control.close()
            _mind(socket.socket(fileno=stream), exams, sealed, child.run)
        os.close(stream)
        minders[message["run"]] = pid


def _reap(minders: dict[str, int]) -> None:
    for token, pid in list(minders.items()):
        if os.waitpid(pid, os.WNOHANG)[0]:
            del minders[token]


def _mind(stream: socket.socket, exams: dict, sealed: bool, run) -> None:
    """In a fork of its own: start the child, wait for its end, bring it about where asked to. Never returns."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
        job = wire.receive_job(stream)
        if sealed:
            sandbox.unshare()
        else:
            sandbox.adopt()
        pid = os.fork()
        if not pid:
            _become(stream, job, exams, sealed, run)
        stream.close()
        _wait(pid, job["memory"] + _EXTRA, sealed)
        if not sealed:
            sandbox.end_family()
        status = 0
    finally:
        os._exit(status)


def _become(stream: socket.socket, job: dict, exams: dict, sealed: bool, run) -> None:
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
        if sealed:
            sandbox.close_in()
        sandbox.limit(job["memory"], sealed)
        run(socket.socket(fileno=3), job, exams)
        status = 0
    finally:
        os._exit(status)


def _wait(pid: int, memory: int, sealed: bool) -> None:
    wanted = {signal.SIGCHLD, signal.SIGTERM}
    while True:
        arrived = signal.sigtimedwait(wanted, _TICK)
        if arrived is not None and arrived.si_signo == signal.SIGTERM:
            os.kill(pid, signal.SIGKILL)
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        if arrived is None and sealed and sandbox.memory_used(pid) > memory:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
