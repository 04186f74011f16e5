"""An exchange to hand in through, for tests that collect: everybody can put anything into it."""

import os
import secrets
from pathlib import Path

from nbgrader.apps import NbGraderAPI
from traitlets.config import Config

from convcraft.layout import course_config

TIME = "2030-01-02 10:20:30.000000 UTC"


def config_of(root: Path, **collect: object) -> Config:
    """The course's configuration with an exchange beside it, where one system user plays everybody."""
    config = course_config(root)
    config.CourseDirectory.course_id = "toy"
    config.Exchange.root = str(root.parent / "exchange")
    config.ExchangeCollect.check_owner = False
    config.ExchangeCollect.update(collect)
    return config


def inbound(root: Path) -> Path:
    """Where students put what they hand in."""
    folder = root.parent / "exchange/toy/inbound"
    folder.mkdir(parents=True, exist_ok=True)
    folder.parents[1].chmod(0o777)
    return folder


def hand_in(root: Path, student: str, files: dict[str, bytes | str], time: str = TIME) -> Path:
    """A submission as nbgrader's own `submit` makes it; a str is a link's target."""
    folder = inbound(root) / f"{student}+01_toy+{time}+{secrets.token_urlsafe(9)}"
    folder.mkdir()
    notes = {"timestamp.txt": time.encode(), "submission_secret.txt": secrets.token_hex(64).encode()}
    for name, content in {**notes, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            os.symlink(content, path)
        else:
            path.write_bytes(content)
    return folder


def collect(root: Path, **options: object) -> str:
    """Collect as the formgrader's button does; the log."""
    answer = NbGraderAPI(config=config_of(root, **options)).collect("01_toy")
    assert answer["success"], answer
    return answer.get("log", "")


def collected(root: Path) -> dict[str, set[str]]:
    """Student → the names of the files that came."""
    return {folder.parent.name: {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
            for folder in (root / "submitted").glob("*/01_toy")}
