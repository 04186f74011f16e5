"""Machines of a test's own: network namespaces joined by a bridge, each with a folder that no other sees."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(sys.executable).parent
_HOME = "/mnt"  # each host's own folder, on that host
AGAIN = "It has ended, and is started again."
_SUPERVISED = f'while :; do "$@"; echo "{AGAIN}"; sleep 0.2; done'  # as systemd does with Restart=always
_numbers = itertools.count(1)


def why_not() -> str:
    """Why no such machines can be made; empty where they can."""
    name = f"cc{os.getpid()}try"
    try:
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
        if made.returncode:
            return made.stderr.strip()
        veth = subprocess.run(["ip", "-n", name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"],
                              capture_output=True, text=True)
        subprocess.run(["ip", "netns", "del", name], check=True)
        return veth.stderr.strip()
    except FileNotFoundError:
        return "there is no program 'ip'"


class Network:
    """Some hosts; closed, it ends all that runs on them."""

    def __init__(self, scratch: Path):
        self.scratch, self.hosts = scratch, []
        self._bridge = f"cc{os.getpid()}"
        _ip("netns", "add", self._bridge)
        _ip("-n", self._bridge, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._bridge, "link", "set", "bridge", "up")

    def host(self, name: str) -> "Host":
        """One more machine."""
        host = Host(name, next(_numbers), self.scratch)
        _ip("netns", "add", host.namespace)
        _ip("-n", host.namespace, "link", "set", "lo", "up")
        _ip("-n", host.namespace, "link", "add", "eth0", "type", "veth", "peer", "name", f"to{host.number}",
            "netns", self._bridge)
        _ip("-n", self._bridge, "link", "set", f"to{host.number}", "master", "bridge", "up")
        _ip("-n", host.namespace, "addr", "add", f"{host.address}/24", "dev", "eth0")
        _ip("-n", host.namespace, "link", "set", "eth0", "up")
        self.hosts.append(host)
        return host

    def close(self) -> None:
        for host in self.hosts:
            host.end()
            _ip("netns", "del", host.namespace)
        _ip("netns", "del", self._bridge)


class Host:
    """A machine: `folder` is what it sees as /mnt, and the only part of `scratch` that it sees."""

    def __init__(self, name: str, number: int, scratch: Path):
        self.name, self.number, self._scratch = name, number, scratch
        self.namespace, self.address = f"cc{os.getpid()}{name}", f"10.77.0.{number}"
        self.folder = scratch / name
        self.folder.mkdir(parents=True)
        self._running: list[subprocess.Popen] = []

    def command(self, *argv: str, bare: bool = False) -> list[str]:
        """A command as it is run there; `bare`: with no program but Python's within reach."""
        path = str(PROGRAMS) if bare else f"{PROGRAMS}:{os.environ['PATH']}"
        enter = (f'mount --bind {self.folder} {_HOME} && mount -t tmpfs none {self._scratch} && cd {_HOME} && '
                 f'PATH={path} OMP_NUM_THREADS=1 HOME={_HOME} exec "$@"')
        return ["ip", "netns", "exec", self.namespace, "/bin/sh", "-c", enter, "-", *argv]

    def run(self, *argv: str, timeout: float = 900) -> subprocess.CompletedProcess:
        """Run a command there to its end."""
        return subprocess.run(self.command(*argv), capture_output=True, text=True, timeout=timeout)

    def start(self, *argv: str, bare: bool = False, supervised: bool = False, **environment: str) -> subprocess.Popen:
        """Start a program there, whose output goes to its own file beside `folder`; supervised: again when it ends."""
        argv = ("/bin/sh", "-c", _SUPERVISED, "-", *argv) if supervised else argv
        with open(self.folder.with_suffix(".log"), "a") as log:
            process = subprocess.Popen(self.command(*argv, bare=bare), stdout=log, stderr=log, start_new_session=True,
                                       env=os.environ | environment)
        self._running.append(process)
        return process

    def pids(self, kind: str = "") -> list[int]:
        """All processes there; those of `dask scheduler` or `dask worker` where such a `kind` is named."""
        found = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True).stdout.split()
        return [int(pid) for pid in found if not kind or _is_dask(pid, kind)]

    def log(self) -> str:
        """What its programs have said."""
        path = self.folder.with_suffix(".log")
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        """End all that runs there."""
        for process in self._running:
            process.kill()
        while pids := self.pids():
            for pid in pids:
                subprocess.run(["kill", "-9", str(pid)], capture_output=True)
        for process in self._running:
            process.wait()
        self._running.clear()


def _is_dask(pid: str, kind: str) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # ended meanwhile
        return False
    return len(line) > 2 and line[1].endswith("/dask") and line[2] == kind


def _ip(*argv: str) -> None:
    done = subprocess.run(["ip", *argv], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(argv)}: {done.stderr}"
