"""The life of this machine's warm process: started once for a course, inherited by every worker that is forked.

It starts before this process has imported PyTorch, so that the two import at the same time.
"""

from __future__ import annotations

import atexit
import importlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from convcraft.grading.sandbox.process import WarmProcess
from convcraft.grading.sandbox.walls import need_forks

if TYPE_CHECKING:
    from convcraft.grading.course import Course
    from convcraft.grading.exercises import Chapter

_processes: dict[tuple[Path, bool], WarmProcess] = {}


def start_process(root: Path, *, sealed: bool) -> WarmProcess:
    """The warm process of this machine, which may still be starting: inherited from the parent, else a new one.

    Raises:
        NoSandboxError: no process can be forked here.
    """
    need_forks()
    running = _processes.get((root, sealed))
    if running is None or not running.alive():
        running = _processes[root, sealed] = WarmProcess(root, sealed=sealed)
        owner = os.getpid()
        atexit.register(lambda: running.close() if os.getpid() == owner else None)
    return running


def ready_process(course: Course, chapters: Iterable[Chapter]) -> WarmProcess:
    """The same, ready to run notebooks that ask exercises of these chapters.

    Raises:
        SandboxError: it did not start.
    """
    running = start_process(course.root, sealed=course.sealed)
    for chapter in chapters:
        if running.known.get(chapter.folder) != chapter.version:
            running.learn(chapter.needs, chapter.may_need, chapter.exercises)
            running.known[chapter.folder] = chapter.version
            for module in chapter.needs:
                importlib.import_module(module)  # while the other one does; and for all forks of this one
    running.get_ready()
    return running
