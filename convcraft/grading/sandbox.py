"""The walls around the process that runs answers: bubblewrap's outer ones, and one more set around each notebook."""

import ctypes
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from convcraft.grading import syscalls

PACKAGE = Path(__file__).resolve().parents[1]
SCRATCH = "/scratch"  # the only place where an answer can write; empty for each notebook
_LIBRARY = "/opt/convcraft"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
_NOBODY = 65534
_PROCESSES = 48
_FILES = 256
_DISK = 64 * 2**20


class NoSandboxError(RuntimeError):
    """Answers cannot be sealed off on this machine."""


def command(module: str, course: Path) -> list[str]:
    """The command that runs `python -m module` sealed off: no network, nothing of `course`, nothing writable.

    Raises:
        NoSandboxError: this machine cannot; the message says why and what to do.
    """
    if sys.platform != "linux":
        raise NoSandboxError(f"The sandbox needs Linux; this is {platform.system()}. Grade on Linux, or in WSL or a "
                             "Linux container.")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise NoSandboxError("bubblewrap is not installed: no program 'bwrap'. Install the package 'bubblewrap' "
                             "(apt, dnf, pacman and zypper all call it that).")
    return [bwrap, *_walls(course), "--", sys.executable, "-B", "-m", module]


def check(course: Path) -> None:
    """Try the walls once.

    Raises:
        NoSandboxError: bubblewrap is missing, or the system forbids it namespaces.
    """
    argv = command("convcraft", course)
    program = [*argv[:argv.index("--") + 1], sys.executable, "-S", "-c", _TRIAL]
    trial = subprocess.run(program, capture_output=True, text=True, timeout=60)
    if trial.returncode:
        reason = (trial.stderr or trial.stdout).strip().splitlines()[-1:] or [f"exit status {trial.returncode}"]
        raise NoSandboxError(
            f"This system forbids what the sandbox needs (user namespaces): {reason[0]}. Where an administrator can "
            "help: `sysctl user.max_user_namespaces=10000`, on Debian `kernel.unprivileged_userns_clone=1`, on Ubuntu "
            "`kernel.apparmor_restrict_unprivileged_userns=0`; in Docker `--security-opt seccomp=unconfined`.")


def need_forks() -> None:
    """Nothing is run where no process can be forked.

    Raises:
        NoSandboxError: this is such a system.
    """
    if not hasattr(os, "fork"):
        raise NoSandboxError(f"Each notebook runs in a process forked for it, and {platform.system()} forks none. "
                             "Grade on Linux, in WSL or in a Linux container. In a notebook `examine` works here, too.")


def can_seal(course: Path) -> bool:
    """Whether answers can be sealed off here. One's own may run without."""
    try:
        check(course)
    except NoSandboxError:
        return False
    return True


# As root the warm process becomes nobody first: the kernel holds nobody to a number of processes, but never root.
_TRIAL = f"""
import ctypes, os
if os.getuid() == 0: os.setgroups([]); os.setresgid(*[{_NOBODY}] * 3); os.setresuid(*[{_NOBODY}] * 3)
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare({0x7E020000}): raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
"""


def _walls(course: Path) -> list[str]:
    shown = [path for path in _SYSTEM if os.path.exists(path)]
    shown += [path for path in dict.fromkeys((sys.prefix, sys.base_prefix)) if not path.startswith("/usr")]
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
             "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox", "--cap-drop", "ALL"]
    if os.getuid() == 0:
        walls += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SYS_ADMIN"]
    else:
        walls += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    for parent in sorted({str(each) for path in [*shown, f"{_LIBRARY}/convcraft"] for each in Path(path).parents}):
        walls += ["--perms", "0755", "--dir", parent]  # bubblewrap's own are for root's eyes alone
    for path in shown:
        # A link such as /bin stays a link: what it leads to is shown anyway.
        walls += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]
    if any(course.resolve().is_relative_to(Path(path).resolve()) for path in shown):
        walls += ["--tmpfs", str(course.resolve()), "--remount-ro", str(course.resolve())]
    walls += ["--ro-bind", str(PACKAGE), f"{_LIBRARY}/convcraft", "--proc", "/proc", "--dev", "/dev",
              "--remount-ro", "/dev", "--tmpfs", SCRATCH, "--chmod", "1777", SCRATCH]
    if not any(path.startswith("/tmp") for path in shown):
        walls += ["--symlink", SCRATCH, "/tmp"]
    for name, value in environment(SCRATCH, _LIBRARY).items():
        walls += ["--setenv", name, value]
    return [*walls, "--remount-ro", "/", "--chdir", SCRATCH]


def environment(scratch: str, library: str) -> dict[str, str]:
    """All the environment variables that an answer sees."""
    return {
        "HOME": scratch, "TMPDIR": scratch, "MPLCONFIGDIR": scratch, "IPYTHONDIR": scratch, "PYTHONPATH": library,
        "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1", "JOBLIB_MULTIPROCESSING": "0",
    }


# From here on: called by the warm process and its children, inside the walls.

_libc = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
_NOSUID, _NODEV, _NOEXEC, _REC, _PRIVATE = 2, 4, 8, 16384, 1 << 18
_HUGE, _COLLAPSE = 2**21, 25
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_CHILD_SUBREAPER, _SET_NO_NEW_PRIVS = 1, 4, 36, 38


def become_nobody() -> None:
    """Give up root for good, where the warm process has it."""
    if os.getuid() == 0:
        # bubblewrap covers parts of /proc where root could write; no proc can be mounted inside a covered one.
        for cover in ("sys", "sysrq-trigger", "irq", "bus"):
            _libc.umount2(f"/proc/{cover}".encode(), 2)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
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
    """Make what only this notebook can see: its processes, its scratch. Then give up every capability."""
    _call("mount", None, b"/", None, ctypes.c_ulong(_REC | _PRIVATE), None)
    _call("mount", b"proc", b"/proc", b"proc", ctypes.c_ulong(_NOSUID | _NODEV | _NOEXEC), None)
    for place, size in ((SCRATCH.encode(), _DISK), (b"/dev/shm", _DISK)):
        _call("mount", b"tmpfs", place, b"tmpfs", ctypes.c_ulong(_NOSUID | _NODEV),
              b"mode=1777,nr_inodes=10000,size=%d" % size)
    os.chdir(SCRATCH)
    _forbid_more_namespaces()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _call("prctl", _SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    syscalls.refuse(_libc)


def _forbid_more_namespaces() -> None:
    for kind in ("user", "pid", "net", "mnt", "ipc", "uts"):
        with open(f"/proc/sys/user/max_{kind}_namespaces", "w") as file:
            file.write("0")


def memory_used(pid: int) -> int:
    """Bytes that all processes in the process namespace of `pid` use together."""
    def family(process: str) -> int:
        return os.stat(f"/proc/{process}/ns/pid").st_ino

    total = 0
    try:
        mine = family(str(pid))
    except OSError:  # it has just ended
        return 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            if family(process) == mine:
                with open(f"/proc/{process}/smaps_rollup") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except OSError:  # ended meanwhile, or not ours to see
            continue
    return total


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


def limit(memory: int, sealed: bool) -> None:
    """Limits that hold for this process and all that it starts.

    Args:
        memory: bytes beyond what the warm process has mapped already.
        sealed: whether this user's processes are this notebook's alone.
    """
    import resource  # Windows has none, and says so where it would be asked to run answers

    limits = {"CORE": 0, "FSIZE": _DISK, "NOFILE": _FILES}
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


def _call(name: str, *arguments) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
