"""A class on one server: JupyterHub with the course. `deploy/README.md` says how it is set up and what to change."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

c = get_config()  # noqa: F821  (JupyterHub provides it)

DEPLOY = Path(__file__).resolve().parent
COURSE = DEPLOY.parent  # belongs to the teacher
EXCHANGE = Path(os.environ.get("CONVCRAFT_EXCHANGE", "/srv/convcraft/exchange"))  # between teacher and students
EXAMS = Path(os.environ.get("CONVCRAFT_EXAMS", "/srv/convcraft/exams"))  # sealed; every student can read them
STATE = Path(os.environ.get("CONVCRAFT_STATE", "/srv/convcraft/hub"))  # the hub's own, for root alone
TEACHER = os.environ.get("CONVCRAFT_TEACHER", "teacher")
STUDENTS = set(os.environ.get("CONVCRAFT_STUDENTS", "").split())  # none named: whoever can log in to the machine
DIAGNOSE = True  # False: no exams for students; `examine` then shows no table in their notebooks, only marks count
MEMORY = 4 * 2**30  # bytes of address space for each process of a student; the kernel of a chapter needs 1.1 GB
IDLE = 3600  # seconds without activity after which a server is stopped
OPEN = {"convcraft", "deploy", ".venv"}  # all of the course that students may read: no answer is in it


def closed(folder: Path) -> None:
    """Refuse to start where a student could read an answer or a mark.

    Raises:
        SystemExit: something besides `OPEN` can be read by others; the message says what to do.
    """
    readable = [path.name for path in sorted(folder.iterdir())
                if path.name not in OPEN and not path.is_symlink() and path.stat().st_mode & stat.S_IRWXO]
    if readable:
        sys.exit(f"{folder}: students could read {', '.join(readable)}. Close what is not theirs:\n"
                 f"  chmod o-rwx {' '.join(str(folder / name) for name in readable)}")


def exchange(folder: Path) -> None:
    """Make the exchange's folder: everybody may enter, nbgrader guards what is below."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.chown(folder, TEACHER)
    folder.chmod(0o777)


def seal(folder: Path) -> None:
    """Write the sealed exams afresh, so that they are those of the course as it is."""
    subprocess.run([Path(sys.executable).with_name("convcraft"), "exams", str(folder)], check=True)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def start(spawner) -> None:
    """Give a server the configuration of its owner's role."""
    teacher = spawner.user.name == TEACHER
    roles = [DEPLOY / "teacher", COURSE] if teacher else [DEPLOY / "student"]
    spawner.environment = {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(map(str, roles)),
        "CONVCRAFT_EXCHANGE": str(EXCHANGE),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # nbgrader calls programs by name
        **({"CONVCRAFT_EXAMS": str(EXAMS)} if DIAGNOSE and not teacher else {}),
    }
    spawner.notebook_dir = str(COURSE) if teacher else "~"
    # What a server writes is its owner's alone; nbgrader opens what goes through the exchange.
    spawner.cmd = ["sh", "-c", 'umask 077 && exec "$@"', "server", sys.executable, "-m", "jupyterhub.singleuser"]
    if not teacher:
        # The local spawner ignores mem_limit. This limit holds, for every process that the server starts.
        spawner.cmd = ["prlimit", f"--as={MEMORY}", *spawner.cmd]


closed(COURSE)
STATE.mkdir(parents=True, exist_ok=True)
STATE.chmod(0o700)
exchange(EXCHANGE)
if DIAGNOSE:
    seal(EXAMS)

c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # behind a web server that speaks HTTPS
c.JupyterHub.db_url = f"sqlite:///{STATE / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"  # each server runs as its own system user
c.LocalProcessSpawner.pre_spawn_hook = start
c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = 120  # the first start of JupyterLab on a busy machine
c.Authenticator.allow_all = not STUDENTS
c.Authenticator.allowed_users = STUDENTS | {TEACHER}
c.JupyterHub.services = [{
    "name": "idle",
    "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={IDLE}"],
}]
c.JupyterHub.load_roles = [{
    "name": "idle",
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    "services": ["idle"],
}]
