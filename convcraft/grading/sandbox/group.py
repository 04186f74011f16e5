"""A control group for each notebook, where the system lets one be made.

The kernel then holds its memory in sum, whoever it belongs to (processes, files, sockets, pipes), and gives all its
processes together as much of the processors as any other notebook. Where none can be made, the limits in `inside` and
the minder's looks at the sum stand in. Source: the kernel's admin-guide, cgroup-v1 and cgroup-v2.
"""

import contextlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PREFIX = "convcraft"
_LIMITS = {  # kind of group: the files that take the limit, and what takes nothing
    "unified": (("memory.max",), ("memory.swap.max",)),
    "memory": (("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"), ()),
    "cpu": ((), ()),
}


class Group:
    """One notebook's: `doors` are open files, and who writes 0 into each is inside, with all that it starts."""

    def __init__(self, folders: dict[str, Path]):
        self._folders = folders
        self.holds_memory = bool({"unified", "memory"} & folders.keys())

    @contextlib.contextmanager
    def doors(self) -> Iterator[list[int]]:
        """The files, open while they are handed on."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(open(folder / "cgroup.procs", "wb", buffering=0)).fileno()
                   for folder in self._folders.values()]

    def remove(self) -> None:
        """Take the group away.

        Raises:
            OSError: somebody is still inside.
        """
        for kind, folder in list(self._folders.items()):
            folder.rmdir()
            del self._folders[kind]


def make(name: str, memory: int) -> Group:
    """A group of this name, which may use that many bytes; one without any power where the system lets none be made."""
    folders: dict[str, Path] = {}
    for kind, parent in _parents().items():
        folder = parent / f"{_PREFIX}-{name}"
        try:
            _made(folder, kind, memory)
        except OSError:
            continue
        folders[kind] = folder
    return Group(folders)


def remove_all(owner: int) -> None:
    """Remove what is left of the groups whose names begin with that process's number."""
    for parent in _parents().values():
        for folder in parent.glob(f"{_PREFIX}-{owner}-*"):
            with contextlib.suppress(OSError):  # not empty yet: whoever comes next removes it
                folder.rmdir()


@cache
def _parents() -> dict[str, Path]:
    """Kind of group → the folder beneath which such a group can be made."""
    found: dict[str, Path] = {}
    for kind, candidates in _candidates(Path("/proc/self")).items():
        for parent in candidates:
            trial = parent / f"{_PREFIX}-{os.getpid()}-trial"
            try:
                _made(trial, kind, 2**30)
                trial.rmdir()
            except OSError:
                continue
            found[kind] = parent
            _tidy(parent)
            break
    return found


def _candidates(process: Path) -> dict[str, list[Path]]:
    """Kind of group → folders to try: that which the process is in; of the new kind those above that hand memory on."""
    found: dict[str, list[Path]] = {}
    try:
        lines = (process / "cgroup").read_text().splitlines()
        mounts = [line.split()[1:4] for line in (process / "mounts").read_text().splitlines()]
    except OSError:  # no Linux
        return {}
    mine = {kind: path.strip("/") for _, kinds, path in (line.split(":", 2) for line in lines)
            for kind in kinds.split(",")}
    for place, system, options in mounts:
        if system == "cgroup2" and "" in mine:
            here = Path(place, mine[""])
            above = [folder for folder in (here, *here.parents) if folder.is_relative_to(place)]
            found["unified"] = [folder for folder in above if "memory" in _text(folder / "cgroup.subtree_control")]
        for kind in {"memory", "cpu"} & set(options.split(",")) & mine.keys():
            if system == "cgroup":
                found[kind] = [Path(place, mine[kind])]
    return found


def _text(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _made(folder: Path, kind: str, memory: int) -> None:
    folder.mkdir()
    try:
        limited, nothing = _LIMITS[kind]
        for names, value in ((limited, memory), (nothing, 0)):
            for number, name in enumerate(names):
                path = folder / name
                if path.exists() or (number == 0 and value):  # where there is no swap, nothing can limit it
                    path.write_text(str(value))
    except OSError:
        folder.rmdir()
        raise


def _tidy(parent: Path) -> None:
    """Remove what graders have left that were ended."""
    for folder in parent.glob(f"{_PREFIX}-[0-9]*-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
