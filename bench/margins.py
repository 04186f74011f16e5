"""Luck: right and wrong answers over many secret seeds, and how far each is from the tolerance.

    python bench/margins.py                 50 seeds, every exercise; the table goes to bench/README.md
    python bench/margins.py --seeds 5 conv2d
    python bench/margins.py --shard 2/8     every eighth exercise; what is known already (kept.py) is not done again

An error is measured in tolerances: at most 1 passes. Reported are the largest error of a right answer's aspect and the
smallest of the aspect by which a wrong answer is told from a right one. The exit status is 1 where luck changed a mark:
where a right answer lost a point, a wrong one none, or one seed failed other aspects of it than another seed did.
"""

import dataclasses
import math
import multiprocessing
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import click
import kept
import section
import torch
from rich.console import Console
from rich.progress import track

from convcraft.author.prove import namespace
from convcraft.author.source import Chapter, chapters
from convcraft.exam import Exercise, observe
from convcraft.exam.compare import Comparison
from convcraft.exam.exercise import Answer, shown
from convcraft.exam.neutral import neutral
from convcraft.exam.outcome import outcome

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Margin:
    """Errors of one exercise in tolerances, over all seeds, and what luck changed."""

    name: str
    right: float = 0.0
    wrong: float = math.inf
    failed: dict[str, set[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def measure(folder: Path, name: str, seeds: int) -> Margin:
    """Examine solution, alternatives and misconceptions of one exercise with each seed."""
    torch.set_num_threads(1)
    chapter = Chapter(folder)
    exercise, margin = chapter.exercises[name], Margin(name)
    solution = namespace(chapter.notebook(), chapter.name)[name]
    for seed in range(1, seeds + 1):
        for answer in (exercise.reference, solution, *exercise.alternatives):
            _right(exercise, answer, seed, margin)
        for misconception in exercise.misconceptions:
            _wrong(exercise, misconception.answer, seed, margin)
        shown.cache_clear()
    return margin


def _right(exercise: Exercise, answer: Answer, seed: int, margin: Margin) -> None:
    bans = exercise.bans if answer is not exercise.reference else frozenset()
    found = _outcomes(exercise, answer, seed, bans)
    if lost := [each.sentence for each in found.values() if not each]:
        margin.failures.append(f"seed {seed}: {getattr(answer, '__name__', repr(answer))} lost points: {lost}")
    margin.right = max(margin.right, *(each.ratio for each in found.values()))


def _wrong(exercise: Exercise, answer: Answer, seed: int, margin: Margin) -> None:
    found = {name: each for name, each in _outcomes(exercise, answer, seed, frozenset()).items() if not each}
    if not found:
        margin.failures.append(f"seed {seed}: {answer.__name__} lost no point")
        return
    if found.keys() != margin.failed.setdefault(answer.__name__, set(found)):
        odd = ", ".join(sorted(found.keys() ^ margin.failed[answer.__name__]))
        margin.failures.append(f"seed {seed}: {answer.__name__} fared otherwise than at first in: {odd}")
    margin.wrong = min(margin.wrong, max(each.ratio for each in found.values()))


def _outcomes(exercise: Exercise, answer: Answer, seed: int, bans: frozenset[str]) -> dict[str, Comparison]:
    """What comes of each aspect, by its name; which mistake it is plays no part here, and takes most of a verdict."""
    seen = {record.aspect: record for record in observe(exercise.name, exercise.probe, answer, seed=seed, bans=bans)}
    expected = exercise.expected(seed)
    with neutral():
        return {item.name: outcome(item, seen.get(item.name), expected[item.name]) for item in exercise.aspects()}


def _plain(margin: Margin) -> dict:
    """Fit for JSON; which aspects failed is of use while measuring alone."""
    return {**dataclasses.asdict(margin), "failed": {}}


def _job(job: tuple[Path, str, int]) -> Margin:
    return measure(*job)


@click.command()
@click.argument("names", nargs=-1, metavar="[EXERCISE|CHAPTER]...")
@click.option("--seeds", default=50, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--shard", type=kept.Shard(), default="1/1", show_default=True, help="The i-th of n parts alone.")
@click.option("--write", is_flag=True, help="Write the rows to the table in bench/README.md.")
def main(names: tuple[str, ...], seeds: int, workers: int, shard: tuple[int, int], write: bool) -> None:
    """Measure the margins."""
    console = Console(highlight=False, soft_wrap=True)
    jobs = {f"{seeds} seeds {kept.exam_digest(chapter, name)}": (chapter.folder, name, seeds)
            for chapter in chapters(ROOT) for name in chapter.exercises
            if not names or {chapter.name, name} & set(names)}
    known = kept.Kept("margins")
    todo = [key for key in kept.part(list(jobs), shard) if known.get(key) is None]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        found = pool.imap(_job, [jobs[key] for key in todo])
        shown = track(found, "exercises", len(todo), console=console, transient=True)
        for key, margin in zip(todo, shown, strict=True):
            known.put(key, _plain(margin))
    margins = [Margin(**found) for key in jobs if (found := known.get(key)) is not None]
    rows = {margin.name: f"| {margin.name} | {_number(margin.right)} | {_number(margin.wrong)} "
                         f"| {len(margin.failures)} |" for margin in margins}
    console.print("\n".join(_table(rows, seeds)), markup=False)
    failures = [f"{margin.name}, {failure}" for margin in margins for failure in margin.failures]
    for failure in failures:
        console.print(failure, style="red", markup=False)
    if write:
        table = section.read("margins")
        same = table.startswith(f"{seeds} secret seeds")
        written = {row[1]: row[0] for row in re.finditer(r"^\| (\w+) \|.*\| \d+ \|$", table, re.M)} if same else {}
        known = [name for chapter in chapters(ROOT) for name in chapter.exercises]
        merged = {name: row for name in known if (row := rows.get(name, written.get(name)))}
        section.write("margins", _table(merged, seeds))
    sys.exit(1 if failures else 0)


def _table(rows: dict[str, str], seeds: int) -> list[str]:
    return [f"{seeds} secret seeds; errors in tolerances, of which 1 passes.", "",
            "| exercise | largest error of a right answer | smallest error of a wrong answer | marks changed by luck |",
            "| --- | --: | --: | --: |", *rows.values()]


def _number(ratio: float) -> str:
    return "other kind, shape or value" if math.isinf(ratio) else f"{ratio:.2g}"


if __name__ == "__main__":
    main()
