"""A task in a process of its own: the worker that gave it one lives to say how that process ended.

A worker that has gone tells nobody why: its machine may have lost its power, or the task may have ended it. Only
who is still there can tell.
"""

import os
import pickle
import signal
import subprocess
import sys
from typing import Any

from convcraft.grading.sandbox.inside import die_with_parent
from convcraft.language import N_, _

NOT_BEGUN = N_("a process of its own for one submission did not begin ({how}).")
_BEGUN = b"!"
_FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}  # an administrator, or want of memory


class EndedError(RuntimeError):
    """The process ended before its task did, or had to be ended.

    Attributes:
        how: a signal's name, a status, or how long it had not ended.
        by_itself: False where somebody else ended it: the system for want of memory, an administrator.
        address: where it was, in the cluster.
    """

    def __init__(self, how: str, by_itself: bool, address: str = ""):
        super().__init__(how, by_itself, address)
        self.how, self.by_itself, self.address = how, by_itself, address


def call_apart(work: bytes, seconds: float) -> Any:
    """Call what is pickled in `work`, as (function, args, kwargs), in a process of its own; its result.

    Raises:
        EndedError: the process ended, or took longer than `seconds`.
        RefusedError: it did not begin.
        Exception: whatever the function raises.
    """
    from convcraft.grading.cluster.worker import NO_FILES, RefusedError, one_at_a_time  # with PyTorch

    with one_at_a_time:
        try:
            status, said = _run(work, seconds)
        except OSError as failed:
            raise RefusedError(_(NO_FILES).format(reason=failed)) from failed
    if status == 0 and said != _BEGUN:
        error, result = pickle.loads(said.removeprefix(_BEGUN))
        if error is not None:
            raise error
        return result
    how = (f"> {seconds:.0f} s" if status is None else f"status {status}" if status >= 0 else
           signal.Signals(-status).name)
    if not said.startswith(_BEGUN):
        raise RefusedError(_(NOT_BEGUN).format(how=how))
    raise EndedError(how, status is None or -status not in _FROM_OUTSIDE)


def _run(work: bytes, seconds: float) -> tuple[int | None, bytes]:
    """The process's exit status, None where it had to be ended, and what it said until then."""
    with subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            said = process.communicate(work, timeout=seconds)[0]
            return process.returncode, said
        except subprocess.TimeoutExpired:
            process.kill()
            return None, process.communicate()[0]


def main() -> None:
    """In that process: the task from stdin, its result to stdout, to which nobody else writes."""
    die_with_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    function, args, kwargs = pickle.load(sys.stdin.buffer)
    answers.write(_BEGUN)
    answers.flush()
    error, result = None, None
    try:
        result = function(*args, **kwargs)
    except Exception as raised:
        error = raised.with_traceback(None)
    pickle.dump((error, result), answers)
    answers.close()


if __name__ == "__main__":
    main()
