"""The course's exercises as they are written now: a chapter's are read when needed, and anew where it changed."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from convcraft.exam import Exercise, load_chapter


@dataclass(frozen=True, eq=False)
class Chapter:
    """A chapter's exams, of one version; its exercises are called by name."""

    folder: Path
    version: tuple[Any, ...]

    @property
    def exercises(self) -> dict[str, Exercise]:
        """Its exercises by name."""
        return _exercises(self.folder, self.version)

    @property
    def needs(self) -> list[str]:
        """Modules that take a second to import, and that its exams need in every process."""
        return ["torch._dynamo"] if self._mentions("torch.optim") else []  # an optimizer imports it

    @property
    def may_need(self) -> list[str]:
        """Modules that some answers import, and that can wait until there is nothing else to do."""
        return ["torch.fx.experimental.symbolic_shapes"] if self._mentions('device="meta"') else []  # such a layer does

    def _mentions(self, words: str) -> bool:
        return any(words in path.read_text(encoding="utf-8") for path in self.folder.glob("*.py"))


def chapters_of(source: Path, names: Iterable[str]) -> list[Chapter]:
    """The chapters that these exercises are from."""
    homes = {path.stem: path.parent for path in source.glob("*/exams/*.py")}
    folders = {homes[name] for name in names if name in homes}
    return [Chapter(folder, version(folder.glob("*.py"), source)) for folder in sorted(folders)]


@cache
def _exercises(folder: Path, version: tuple[Any, ...]) -> dict[str, Exercise]:
    torch.set_num_threads(1)  # so that a process may still fork afterwards
    return load_chapter(folder)


def version(files: Iterable[Path], source: Path) -> tuple[Any, ...]:
    """Differs where an exercise may: by what the files in `source` hold, for their times can be alike."""
    return tuple((path.relative_to(source), hashlib.sha256(path.read_bytes()).digest()) for path in sorted(files))
