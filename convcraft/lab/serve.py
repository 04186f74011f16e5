"""Opening JupyterLab: for a reader on `work/`, for a teacher on the course."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from convcraft.language import _
from convcraft.layout import course_config, reach_programs


class ExchangeError(OSError):
    """The exchange between teacher and students cannot be used; the message says what to do."""


def start(roles: list[Path], folder: Path, port: int, options: tuple[str, ...] = ()) -> None:
    """Become JupyterLab with `folder` as its root. Never returns.

    JupyterLab and nbgrader's panels find their configuration in the folders `roles`, by `JUPYTER_CONFIG_PATH`; what is
    fetched comes to `folder`. An occupied port is left to its owner: the next free one is taken, and JupyterLab says
    which.
    """
    paths = [*map(str, roles), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)
    reach_programs()
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in options:
        print(_("You are root, for whom JupyterLab starts only where it is told so: `convcraft lab -- --allow-root`. "
                "Safer is an account of your own."), file=sys.stderr, flush=True)
    os.chdir(folder)
    become([sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", f"--ServerApp.port={port}",
            "--ServerApp.port_retries=50", *options])


def become(command: list[str], *, windows: bool = os.name == "nt") -> NoReturn:
    """Run a program in place of this one."""
    if windows:  # its `execv` quotes nothing, and returns to the shell at once
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program, which asks
        sys.exit(subprocess.run(command).returncode)
    os.execv(command[0], command)


def has_exchange(platform: str = sys.platform) -> bool:
    """Whether nbgrader has an exchange on this system."""
    return platform != "win32"


def open_exchange(root: Path) -> Path:
    """Make sure that the exchange folder is there and can be written.

    Raises:
        ExchangeError: it is a file, cannot be made, or cannot be written.
    """
    folder = Path(course_config(root).Exchange.root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ExchangeError(_("{folder} is a file; it must be the exchange's folder. Move the file away, or name "
                              "another folder with CONVCRAFT_EXCHANGE.").format(folder=folder)) from error
    except OSError as error:
        raise ExchangeError(_("{folder}: the exchange's folder cannot be made ({reason}). Name another one with "
                              "CONVCRAFT_EXCHANGE.").format(folder=folder, reason=error.strerror)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ExchangeError(_("{folder}: the exchange cannot be written. Ask whoever owns it, or name another folder "
                              "with CONVCRAFT_EXCHANGE.").format(folder=folder))
    return folder
