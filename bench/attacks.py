"""The hostile class through stock nbgrader and through the course's grader: who gains marks, who stops the batch."""

import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from made_up import SEALED, stock
from measure import cost
from nbgrader.api import Gradebook

from convcraft.author.source import chapters
from convcraft.exam.sealed import seal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import grading_course as toy
import hostile

_LAST = "zz-honest"  # whoever stops the batch stops it before this one
_CHAPTER = "01_toy"


@dataclass(frozen=True)
class Fate:
    """What came of one attack: points (None: no mark), and whether the batch ended there."""

    points: float | None
    stopped: bool


def table(folder: Path, classes: int = os.cpu_count() or 1) -> list[str]:
    """Run the attacks that are safe to run without walls both ways; a line an attack, and the sums.

    Args:
        classes: into how many classes the attackers are split for stock nbgrader, to be graded at once.
    """
    attacks = {f"h-{attack.name}": attack for attack in hostile.ATTACKS if attack.safe}
    split = [list(attacks)[number::classes] for number in range(classes)]
    empty = toy.make(folder / "empty")
    roots = [_class(empty, folder / f"theirs-{number}", {name: attacks[name] for name in names})
             for number, names in enumerate(split)]
    with ThreadPoolExecutor(classes) as executor:
        theirs = {name: fate for fates in executor.map(_stock, roots, split) for name, fate in fates.items()}
    ours = _ours(_class(empty, folder / "ours", attacks), list(attacks))
    lines = ["| attack | its code earns | stock nbgrader | here |", "| --- | --: | --: | --: |"]
    gained = {"theirs": 0, "ours": 0}
    for student, attack in attacks.items():
        for who, fates in (("theirs", theirs), ("ours", ours)):
            gained[who] += (fates[student].points or 0) > attack.points
        lines.append(f"| {attack.name} | {attack.points:g} | {_told(theirs[student], attack)} | "
                     f"{_told(ours[student], attack)} |")
    for words, count in (("gained marks", gained), ("stopped the batch", _count(theirs, ours, "stopped")),
                         ("left without a mark", _count(theirs, ours, "points"))):
        lines.append(f"| **{words}, of {len(attacks)}** | | **{count['theirs']}** | **{count['ours']}** |")
    return lines


def _count(theirs: dict[str, Fate], ours: dict[str, Fate], what: str) -> dict[str, int]:
    def of(fates: dict[str, Fate]) -> int:
        return sum(fate.stopped if what == "stopped" else fate.points is None for fate in fates.values())

    return {"theirs": of(theirs), "ours": of(ours)}


def _told(fate: Fate, attack: hostile.Attack) -> str:
    if fate.stopped:
        return "**stops the batch**"
    if fate.points is None:
        return "no mark"
    return f"**{fate.points:g}**" if fate.points > attack.points else f"{fate.points:g}"


def _class(empty: Path, root: Path, attacks: dict[str, hostile.Attack]) -> Path:
    toy.copied(empty, root)
    for name, attack in attacks.items():
        attack.place(root, name)
    toy.submit(root, _LAST, toy.notebook(root, toy.RIGHT))
    (chapter,) = chapters(root)
    for exercise in chapter.exercises.values():
        seal(exercise, root / SEALED)
    return root


def _ours(root: Path, names: list[str]) -> dict[str, Fate]:
    run = cost([str(Path(sys.executable).with_name("convcraft")), "grade", "--course", str(root), "--workers", "2",
                "--timeout", "2"], root)
    if run.status:
        raise RuntimeError(f"convcraft grade ended with {run.status}:\n{run.output}")
    return _fates(root, names, set())


def _stock(root: Path, names: list[str]) -> dict[str, Fate]:
    """Grade; where the batch stops, take its cause out and go on."""
    stock(root)
    stopped: set[str] = set()
    while True:
        run = cost([str(Path(sys.executable).with_name("nbgrader")), "autograde", _CHAPTER], root,
                   CONVCRAFT_EXAMS=str(root / SEALED))
        if (root / "autograded" / _LAST).is_dir():
            return _fates(root, names, stopped)
        culprit = re.findall(r"submitted/(h-\w+)/", run.output)[-1]
        if culprit in stopped:
            raise RuntimeError(f"stock nbgrader does not get past {culprit}:\n{run.output[-3000:]}")
        stopped.add(culprit)
        shutil.rmtree(root / "submitted" / culprit)


def _fates(root: Path, names: list[str], stopped: set[str]) -> dict[str, Fate]:
    with Gradebook(f"sqlite:///{root}/gradebook.db") as gradebook:
        points = {each.student.id: each.score for each in gradebook.assignment_submissions(_CHAPTER)
                  if (root / "autograded" / each.student.id / _CHAPTER / "toy.ipynb").is_file()}
    return {name: Fate(points.get(name), name in stopped) for name in names}
