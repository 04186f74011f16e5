"""The outer walls, around the process that runs answers: bubblewrap's."""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from convcraft.language import _
from convcraft.place import INSTALLED, PACKAGE

SCRATCH = "/scratch"  # the only place where an answer can write; empty for each notebook
_LIBRARY = "/opt/convcraft"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts")
_USED = ("torch", "numpy", "matplotlib", "IPython", "safetensors", "skimage")  # what answers import lies beside these
NOBODY = 65534


class NoSandboxError(RuntimeError):
    """Answers cannot be sealed off on this machine."""


def command(module: str, course: Path) -> list[str]:
    """The command that runs `python -m module` sealed off: no network, nothing of `course`, nothing writable.

    Raises:
        NoSandboxError: this machine cannot; the message says why and what to do.
    """
    if sys.platform != "linux":
        raise NoSandboxError(_("The sandbox needs Linux; this is {system}. Grade on Linux, or in WSL or a Linux "
                               "container.").format(system=platform.system()))
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise NoSandboxError(_("bubblewrap is not installed: no program 'bwrap'. Install the package 'bubblewrap' "
                               "(apt, dnf, pacman and zypper all call it that)."))
    return [bwrap, *_walls(course), "--", os.path.abspath(sys.executable), "-B", "-m", module]


def check(course: Path) -> None:
    """Try the walls once.

    Raises:
        NoSandboxError: bubblewrap is missing, or the system forbids it namespaces, or packages lie where an answer
            would not see them.
    """
    argv = command("convcraft", course)
    _see_packages()
    program = [*argv[:argv.index("--") + 1], os.path.abspath(sys.executable), "-S", "-c", _TRIAL]
    trial = subprocess.run(program, capture_output=True, text=True, timeout=60)
    if trial.returncode:
        reason = (trial.stderr or trial.stdout).strip().splitlines()[-1:] or [_("exit status {status}").format(
            status=trial.returncode)]
        raise NoSandboxError(
            _("This system forbids what the sandbox needs (user namespaces): {reason}. Where an administrator can "
              "help: `sysctl user.max_user_namespaces=10000`, on Debian `kernel.unprivileged_userns_clone=1`, on "
              "Ubuntu `kernel.apparmor_restrict_unprivileged_userns=0`; in Docker `--security-opt "
              "seccomp=unconfined`.").format(reason=reason[0]))


def _see_packages() -> None:
    for name in _USED:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue
        if not any(Path(found.origin).resolve().is_relative_to(Path(shown).resolve()) for shown in _shown()):
            raise NoSandboxError(
                _("{package} lies in {folder}, outside Python's own folder {prefix}: the sandbox shows answers that "
                  "folder and the system's, and nothing else. Install the course into an environment of its own: `make "
                  "install` in a clone, or `python -m venv`, with PYTHONPATH unset.").format(
                      package=name, folder=Path(found.origin).parent.parent, prefix=sys.prefix))


def _shown() -> list[str]:
    """The folders that an answer sees as they are outside."""
    prefixes = dict.fromkeys(map(os.path.abspath, (sys.prefix, sys.base_prefix)))
    return [*filter(os.path.exists, _SYSTEM), *(path for path in prefixes if not path.startswith("/usr"))]


def need_forks() -> None:
    """Nothing is run where no process can be forked.

    Raises:
        NoSandboxError: this is such a system.
    """
    if not hasattr(os, "fork"):
        raise NoSandboxError(_("Each notebook runs in a process forked for it, and {system} forks none. Grade on "
                               "Linux, in WSL or in a Linux container. In a notebook `examine` works here, "
                               "too.").format(system=platform.system()))


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
if os.getuid() == 0: os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare({0x7E020000}): raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))
"""


def _walls(course: Path) -> list[str]:
    shown = _shown()
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
    walls += ["--ro-bind", str(PACKAGE), f"{_LIBRARY}/convcraft"]
    inside = [INSTALLED, Path(_LIBRARY, "convcraft", INSTALLED.name)] if INSTALLED.is_dir() else []
    for place in (course.resolve(), *inside):  # what lies in a folder that is shown is covered
        if any(place.is_relative_to(Path(each).resolve()) for each in (*shown, _LIBRARY)):
            walls += ["--tmpfs", str(place), "--remount-ro", str(place)]
    walls += ["--proc", "/proc", "--dev", "/dev",
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
        "PIP_NO_INDEX": "1",  # `%pip install` above an answer would ask a network that is not there until time is over
    }
