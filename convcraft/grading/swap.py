"""A folder into another's place, whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path


def put(files: Mapping[str, bytes], target: Path, *, shared: bool = False) -> None:
    """Make `target` a folder of just these files, whatever was there; for its owner alone.

    Args:
        files: name, with `/` between folders → content.
        shared: for its group, too.
    """
    folders, plain = (0o2770, 0o660) if shared else (0o700, 0o600)
    target.parent.mkdir(mode=folders, parents=True, exist_ok=True)
    half = target.with_name(f".unfinished-{secrets.token_hex(4)}")
    half.mkdir(mode=folders)
    try:
        for name, content in files.items():
            path = half / "inside" / name
            path.parent.mkdir(mode=folders, parents=True, exist_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, plain), "wb") as file:
                file.write(content)
        if os.path.lexists(target):
            os.rename(target, half / "before")
        os.rename(half / "inside", target)
    finally:
        shutil.rmtree(half, ignore_errors=True)
