"""A class on one server: JupyterHub with the course. `deploy/README.md` says how it is set up and what to change."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from convcraft.place import INSTALLED

c = get_config()  # noqa: F821  (JupyterHub provides it)

if INSTALLED.is_dir():  # its files are open to whoever may run Python here
    sys.exit(f"{INSTALLED}: students could read the exams and solutions in an installed course. A class's server runs "
             "from a clone, which it closes: see deploy/README.md.")

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


def only_roots(folder: Path) -> None:
    """What root runs or reads at start must be root's: whoever else could change it would be root.

    Raises:
        SystemExit: it is not; the message names the file and what to do.
    """
    top = folder.lstat()
    shared = top.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not top.st_mode & stat.S_ISVTX
    wrong = folder if top.st_uid or shared else next(filter(_is_anothers, _everything(folder, sorted(OPEN))), None)
    if wrong:
        sys.exit(f"{wrong}: root runs what lies here, and somebody else could change it. As root, in {folder}: "
                 f"`chown -R root: {' '.join(sorted(OPEN))} && chmod -R go-w {' '.join(sorted(OPEN))} && chown "
                 f"root:{TEACHER} . && chmod 1771 .`")


def _everything(folder: Path, names: list[str]) -> Iterator[Path]:
    for name in filter(lambda name: os.path.lexists(folder / name), names):
        yield folder / name
        for parent, folders, files in os.walk(folder / name):
            yield from (Path(parent, each) for each in folders + files)


def _is_anothers(path: Path) -> bool:
    facts = path.lstat()
    return bool(facts.st_uid or (not stat.S_ISLNK(facts.st_mode) and facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)))


def as_user(person: pwd.struct_passwd, work: Callable[..., None], *arguments: object) -> None:
    """Do something as that user, who alone bears it: what is his may lead anywhere, and his code may do anything.

    Raises:
        SystemExit: it could not be done.
    """
    child = os.fork()
    if not child:
        try:
            os.initgroups(person.pw_name, person.pw_gid)
            os.setgid(person.pw_gid)
            os.setuid(person.pw_uid)
            os.environ["HOME"] = person.pw_dir
            work(*arguments)
        except BaseException as error:
            print(error, file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"What {person.pw_name} has to do at the hub's start could not be done; the reason stands above.")


def close(folder: Path) -> None:
    """Close the course to students, but for `OPEN`: none can read an answer or a mark, however it came to be there."""
    (folder / "submitted").mkdir(exist_ok=True)  # nbgrader would make it by the umask of whoever collects
    for path in folder.iterdir():
        if path.name not in OPEN and not path.is_symlink() and path.stat().st_uid == os.getuid():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)


def exchange(folder: Path) -> None:
    """Make in the exchange the course's folders as nbgrader makes them, before anybody else can.

    nbgrader works only where everybody can write to the exchange itself. The sticky bit keeps what is in it its
    owner's: a student can neither move the course's folder away nor put his own in its place.

    Raises:
        SystemExit: what is in the place of the course's folder is not the teacher's.
    """
    course = folder / "convcraft"
    for path, mode in ((course, 0o755), (course / "outbound", 0o755), (course / "inbound", 0o2733),
                       (course / "feedback", 0o711)):
        if not os.path.lexists(path):
            path.mkdir()
        if path.is_symlink() or not path.is_dir() or path.stat().st_uid != os.getuid():
            sys.exit(f"{path}: is no folder of {TEACHER}'s; whoever has put it there could read what students "
                     "submit. Look into it, move it away, and start again.")
        path.chmod(mode)


def seal(folder: Path) -> None:
    """Write the sealed exams afresh, so that they are those of the course as it is."""
    subprocess.run([Path(sys.executable).with_name("convcraft"), "exams", str(folder)], check=True)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def give(folder: Path, owner: pwd.struct_passwd, mode: int) -> None:
    """Make a folder that is the teacher's, in a place where root alone can put one."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
    folder.chmod(mode)


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


teacher = account(TEACHER)
only_roots(COURSE)
for path in COURSE.iterdir():  # of a clone that root has made, the teacher reads the rest
    if path.name not in OPEN and path.lstat().st_uid == 0 and not path.is_symlink():
        os.chown(path, 0, teacher.pw_gid)
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~stat.S_IRWXO)
as_user(teacher, close, COURSE)
give(EXCHANGE, teacher, 0o1777)
as_user(teacher, exchange, EXCHANGE)
STATE.mkdir(parents=True, exist_ok=True)
STATE.chmod(0o700)
if DIAGNOSE:
    if EXAMS.is_dir() and EXAMS.stat().st_uid == 0:
        shutil.rmtree(EXAMS)  # an earlier version's
    give(EXAMS, teacher, 0o755)
    as_user(teacher, seal, EXAMS)
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
