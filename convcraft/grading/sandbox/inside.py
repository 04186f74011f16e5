"""The inner walls: what the warm process and its children do to themselves, one set around each notebook."""

import ctypes
import math
import os
import signal
import sys
from typing import Any

from convcraft.grading.sandbox import syscalls
from convcraft.grading.sandbox.walls import NOBODY, SCRATCH

_PROCESSES = 24  # threads count, too
_FILES = 96  # of a process; the buffers of as many sockets are memory that no process is seen to have
_DISK = 64 * 2**20
_MEMORY_DISKS = (SCRATCH, "/dev/shm")

_libc: Any = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_READONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_HUGE, _COLLAPSE = 2**21, 25
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 36, 38


def become_nobody() -> None:
    """Give up root for good, where the warm process has it."""
    if os.getuid() == 0:
        # bubblewrap covers parts of /proc where root could write; no proc can be mounted inside a covered one.
        for cover in ("sys", "sysrq-trigger", "irq", "bus"):
            _libc.umount2(f"/proc/{cover}".encode(), 2)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _call("prctl", _SET_DUMPABLE, 1, 0, 0, 0)  # or /proc/self stays root's, and with it uid_map


def use_huge_pages() -> None:
    """Ask the kernel to gather this process's memory in huge pages: a fork copies one entry for each, not 512.

    Kernels before Linux 6.1 decline, and nothing changes. Source: madvise(2), MADV_COLLAPSE.
    """
    if sys.platform != "linux":
        return
    with open("/proc/self/maps") as file:
        areas = [line.split() for line in file]
    for area, access, _, _, inode, *name in areas:
        if inode != "0" or not access.startswith("rw") or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(address, 16) for address in area.split("-"))
        for page in range(-(-begin // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            _libc.madvise(ctypes.c_void_p(page), ctypes.c_size_t(_HUGE), _COLLAPSE)


def unshare() -> None:
    """Leave every namespace that is shared with the warm process; the next fork is process 1 of its own."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", _NEWUSER | _NEWPID | _NEWNS | _NEWNET | _NEWIPC | _NEWUTS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def close_in() -> None:
    """Make what only this notebook can see: its processes, terminals, scratch. Then give up every capability."""
    closed = _NOSUID | _NODEV | _NOEXEC
    _mount(None, "/", None, _REC | _PRIVATE)
    _mount("proc", "/proc", "proc", closed)
    _mount("devpts", "/dev/pts", "devpts", _NOSUID | _NOEXEC, "newinstance,ptmxmode=0666,mode=0620,max=8")
    for place in _MEMORY_DISKS:
        _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"mode=1777,nr_inodes=10000,size={_DISK}")
    os.chdir(SCRATCH)
    _forbid_more_namespaces()
    # Through /proc a process could write into another's memory and put itself last in line when memory runs short.
    _mount(None, "/proc", None, _REMOUNT | _BIND | _READONLY | closed)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    syscalls.refuse(_libc)


def _forbid_more_namespaces() -> None:
    for kind in ("user", "pid", "net", "mnt", "ipc", "uts"):
        with open(f"/proc/sys/user/max_{kind}_namespaces", "w") as file:
            file.write("0")


def memory_used() -> int:
    """Bytes that a notebook uses in sum, asked by the process that started its first one: processes and files."""
    if os.path.exists("/proc/self"):  # the notebook's own has not been mounted yet: there nobody outside is
        return 0
    disks = (os.statvfs(place) for place in _MEMORY_DISKS)
    files = sum((disk.f_blocks - disk.f_bfree) * disk.f_frsize for disk in disks)
    return files + sum(map(_memory_of, filter(str.isdigit, os.listdir("/proc"))))


def _memory_of(process: str) -> int:
    """Its share of the memory that it uses; where it hides that, all of it."""
    try:
        with open(f"/proc/{process}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    except OSError:
        pass
    try:
        with open(f"/proc/{process}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has just ended
        return 0


def die_with_parent() -> None:
    """Let this process be killed when its parent ends."""
    if sys.platform == "linux":
        _call("prctl", _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def adopt() -> None:
    """Without namespaces: let orphans of our children become ours."""
    if sys.platform == "linux":
        _call("prctl", _SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_family() -> None:
    """Without namespaces: end every process that is left of the notebook."""
    if sys.platform != "linux":
        return
    me = os.getpid()
    while children := _children(me):
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def limit(memory: int, seconds: float, sealed: bool) -> None:
    """Limits that hold for this process and all that it starts.

    Args:
        memory: bytes beyond what the warm process has mapped already.
        seconds: of a processor, for each of them.
        sealed: whether this user's processes are this notebook's alone.
    """
    import resource  # Windows has none, and says so where it would be asked to run answers

    limits = {"CORE": 1, "CPU": math.ceil(seconds), "FSIZE": _DISK, "NOFILE": _FILES}  # 1: no dump to a program, either
    if sys.platform == "linux":
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        limits |= {"AS": mapped + memory, "MSGQUEUE": 0, "MEMLOCK": 0}
        with open("/proc/self/oom_score_adj", "w") as file:  # should the machine run short, the answer goes first
            file.write("1000")
    if sealed:
        limits["NPROC"] = _PROCESSES
    for name, value in limits.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]  # the system's own, which nobody may raise
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))


def _mount(what: str | None, place: str, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (what, place, kind, options)]
    _call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def _call(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
