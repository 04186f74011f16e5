"""What a long measurement has found so far, a line a finding: an interrupted run goes on where it was.

The lines lie in `.proof/`, or where `CONVCRAFT_PROOF` says. Several machines, each with a shard of the work: put their
files there side by side (`mutants-1.jsonl`, `mutants-2.jsonl`).
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import torch

from convcraft.author.source import Chapter

ROOT = Path(__file__).resolve().parents[1]


class Kept:
    """Findings by key, on disk at once."""

    def __init__(self, name: str):
        folder = Path(os.environ.get("CONVCRAFT_PROOF", ROOT / ".proof"))
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{name}.jsonl"
        self._found: dict[str, Any] = {}
        for path in sorted(folder.glob(f"{name}*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):  # a line that was cut off when the run was: found again
                    key, finding = json.loads(line)
                    self._found[key] = finding

    def get(self, key: str) -> Any:
        """The finding, None where there is none yet."""
        return self._found.get(key)

    def put(self, key: str, finding: Any) -> None:
        """Keep a finding."""
        self._found[key] = finding
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps([key, finding])}\n")


def exam_digest(chapter: Chapter, name: str) -> str:
    """One number for all that decides what an answer gets: exam, examiner, the chapter's code, PyTorch."""
    digest = hashlib.sha256(f"{torch.__version__}\0{name}\0".encode())
    for path in (chapter.exams / f"{name}.py", chapter.exams / "shared.py",
                 *sorted((ROOT / "convcraft/exam").glob("*.py")), ROOT / "convcraft/notebook.py"):
        digest.update(path.read_bytes() if path.is_file() else b"")
    for cell in chapter.notebook().cells:
        digest.update(cell.source.encode() if cell.cell_type == "code" else b"")
    return digest.hexdigest()[:16]


class Shard(click.ParamType):
    """`i/n`: the i-th of n equal parts."""

    name = "i/n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The two numbers."""
        first, slash, all_ = str(value).partition("/")
        if not (slash and first.isdigit() and all_.isdigit() and 1 <= int(first) <= int(all_)):
            self.fail(f"{value!r} is no shard; 2/8 is the second of eight", param, ctx)
        return int(first), int(all_)


def part(items: Sequence[Any], shard: tuple[int, int]) -> list[Any]:
    """The items of a shard; together the shards hold each item once."""
    return list(items[shard[0] - 1::shard[1]])
