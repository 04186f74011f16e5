"""A limit on time for code that may never return."""

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class OutOfTime(BaseException):
    """Raised inside code that ran too long. Not an `Exception`, so that `except Exception` does not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block after `seconds`, and again every half second should it be swallowed.

    In the main thread an alarm signal also ends sleeping and waiting. Elsewhere, and on Windows, Python
    raises the error between two of its instructions. A loop inside C code is beyond both.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        def ring(signum, frame):
            raise OutOfTime

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    else:
        thread, done = ctypes.c_ulong(threading.get_ident()), threading.Event()

        def wait():
            while not done.wait(wait.pause):
                wait.pause = 0.5
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(OutOfTime))

        wait.pause = seconds
        watcher = threading.Thread(target=wait, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
