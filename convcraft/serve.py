"""Opening JupyterLab: for a reader on `work/`, for a teacher on the course."""

import os
import sys
from pathlib import Path

from convcraft.build.notebooks import course_config


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
    programs = Path(sys.executable).parent
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls programs by name
    os.chdir(folder)
    os.execv(sys.executable, [
        sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=50", *options])


def open_exchange(root: Path) -> Path:
    """Make sure that the exchange folder is there and can be written.

    Raises:
        ExchangeError: it is a file, cannot be made, or cannot be written.
    """
    folder = Path(course_config(root).Exchange.root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ExchangeError(f"{folder} is a file; it must be the exchange's folder. Move the file away, or name "
                            "another folder with CONVCRAFT_EXCHANGE.") from error
    except OSError as error:
        raise ExchangeError(f"{folder}: the exchange's folder cannot be made ({error.strerror}). Name another one "
                            "with CONVCRAFT_EXCHANGE.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ExchangeError(f"{folder}: the exchange cannot be written. Ask whoever owns it, or name another folder "
                            "with CONVCRAFT_EXCHANGE.")
    return folder
