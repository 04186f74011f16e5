"""A class on one server: JupyterHub with the course. `deploy/README.md` says how it is set up and what to change."""

import os
import pwd
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
MEMORY = 4 * 2**30  # bytes of address space for each process of a student; a chapter's kernel maps 2 GiB, holds 0.5
IDLE = 3600  # seconds without activity after which a server is stopped
OPEN = {"convcraft", "deploy", ".venv"}  # all of the course that students may read: no answer is in it


def account(name: str) -> pwd.struct_passwd:
    """The system user of that name.

    Raises:
        SystemExit: there is none.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        sys.exit(f"This machine has no user {name}. Make one with `useradd --create-home {name}`, or name the teacher "
                 "with CONVCRAFT_TEACHER.")


def close(folder: Path, teacher: pwd.struct_passwd) -> None:
    """Close the course to students, but for `OPEN`: none can read an answer or a mark, however it came to be there."""
    folder.chmod(0o711)
    submitted = folder / "submitted"  # nbgrader would make it by the umask of whoever collects
    submitted.mkdir(exist_ok=True)
    os.chown(submitted, teacher.pw_uid, teacher.pw_gid)
    for path in folder.iterdir():
        if path.name not in OPEN and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)


def exchange(folder: Path, teacher: pwd.struct_passwd) -> None:
    """Make the exchange, and in it the course's folders as nbgrader makes them, before anybody else can.

    nbgrader works only where everybody can write to the exchange itself. The sticky bit keeps what is in it its
    owner's: a student can neither move the course's folder away nor put his own in its place.

    Raises:
        SystemExit: what is in the place of the course's folder is not the teacher's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o1777)
    os.chown(folder, teacher.pw_uid, teacher.pw_gid)
    course = folder / "convcraft"
    for path, mode in ((course, 0o755), (course / "outbound", 0o755), (course / "inbound", 0o2733),
                       (course / "feedback", 0o711)):
        if not os.path.lexists(path):
            path.mkdir()
            os.chown(path, teacher.pw_uid, teacher.pw_gid)
        if path.is_symlink() or not path.is_dir() or path.stat().st_uid != teacher.pw_uid:
            sys.exit(f"{path}: is no folder of {teacher.pw_name}'s; whoever has put it there could read what students "
                     "submit. Look into it, move it away, and start again.")
        path.chmod(mode)


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


close(COURSE, account(TEACHER))
exchange(EXCHANGE, account(TEACHER))
STATE.mkdir(parents=True, exist_ok=True)
STATE.chmod(0o700)
if DIAGNOSE:
    seal(EXAMS)
elif EXAMS.is_dir():
    EXAMS.chmod(0o700)  # an earlier start's

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
