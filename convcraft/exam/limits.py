"""A limit on time for code that may never return."""

import ctypes
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class OutOfTime(BaseException):
    """Raised inside code that ran too long. Not an `Exception`, so that `except Exception` does not swallow it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block after `seconds`, and again every half second should it be swallowed.

    In the main thread an alarm signal also ends sleeping and waiting; an import may take as long again, for PyTorch
    imports its compiler where it is first used, and broken off it would stay half imported. Elsewhere, and on Windows,
    Python raises the error between two of its instructions. A loop inside C code is beyond both.
    """
    last = time.monotonic() + 2 * seconds
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        def ring(signum: int, frame: FrameType | None) -> None:
            if time.monotonic() > last or not _is_importing(frame):
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

        def wait() -> None:
            pause = seconds
            while not done.wait(pause):
                pause = 0.5
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(OutOfTime))

        watcher = threading.Thread(target=wait, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def _is_importing(frame: FrameType | None) -> bool:
    while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None
