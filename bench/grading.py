"""The grader beside stock nbgrader: time, memory, growth, and who gains marks by an attack.

    python bench/grading.py --write                     the whole; the tables go to bench/README.md
    python bench/grading.py --students 10 --only speed  a first impression in a minute

Both sides grade the same made-up class: the chapter's notebooks as released, answered by references, alternatives and
misconceptions. Cells that only show something are taken out on both sides, and feedback is left out; what the two add
is a table of its own.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import attacks
import click
import section
from made_up import SEALED, course, stock, submit, without_demos
from measure import Cost, Memory, cost, machine, memory
from rich.console import Console

from convcraft.author.source import Chapter

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("speed", "memory", "extras", "growth", "attacks")
_SEED = 1
_NO_MARKS = "gradebook-without-marks.db"
_NAMES = {"stock": "stock `nbgrader autograde`", "one": "`convcraft grade`, one worker",
          "two": "`convcraft grade`, two workers", "floor": "floor: the cells in bare forks"}


@dataclass(frozen=True)
class Run:
    """Seconds a submission of one command; `pace` leaves out its start and its end, `first` is when the first one
    was recorded.
    """

    whole: Cost
    count: int
    pace: float = 0.0
    first: float = 0.0

    @property
    def wall(self) -> float:
        return self.whole.wall / self.count

    @property
    def cpu(self) -> float:
        return self.whole.cpu / self.count


@dataclass(frozen=True)
class Bench:
    """What is measured where."""

    folder: Path
    root: Path
    chapter: str
    students: int
    stock: int
    repeat: int

    def made(self, name: str, students: int, *, demos: bool = False) -> Chapter:
        """A course of that name with so many submissions."""
        chapter = course(self.root, self.folder / name, self.chapter)
        if not demos:
            without_demos(chapter)
        submit(chapter, students, _SEED)
        shutil.copy(chapter.root / "gradebook.db", chapter.root / _NO_MARKS)
        return chapter

    def grade(self, course: Path, *options: str, measure: Callable = cost) -> Cost | Memory:
        """One run of `convcraft grade`, from nothing to marks."""
        _forget_marks(course)
        return _must(measure([_program("convcraft"), "grade", "--course", str(course), "--json", *options], course))

    def autograde(self, course: Path, measure: Callable = cost) -> Cost | Memory:
        """One run of stock `nbgrader autograde`."""
        return _must(measure([_program("nbgrader"), "autograde", self.chapter], course,
                             CONVCRAFT_EXAMS=str(course / SEALED)))

    def floor(self, course: Path, measure: Callable = cost) -> Cost | Memory:
        """One run of the floor."""
        return _must(measure([sys.executable, str(ROOT / "bench/floor.py"), str(course), self.chapter], course))


def speed(bench: Bench) -> list[str]:
    """Wall and CPU seconds: stock, one worker, two, and the floor, in turns."""
    ours = bench.made("ours", bench.students).root
    theirs = bench.made("theirs", bench.stock).root
    stock(theirs)
    runs: dict[str, list[Run]] = {"floor": [], "one": [], "two": []}
    for _ in range(bench.repeat):
        runs["floor"].append(Run(bench.floor(ours), bench.students))
        for who, workers in (("one", "1"), ("two", "2")):
            begin = time.time()
            run = bench.grade(ours, "--workers", workers)
            runs[who].append(Run(run, bench.students, statistics.mean(steps_between(ours, bench.chapter)),
                                 recorded(ours, bench.chapter)[0] - begin))
    found = {who: sorted(several, key=lambda run: run.wall)[len(several) // 2] for who, several in runs.items()}
    found["stock"] = Run(bench.autograde(theirs), bench.stock, statistics.mean(steps_between(theirs, bench.chapter)))
    lines = ["| | submissions | wall, s each | of it once it runs | first mark after, s | CPU, s each | times stock |",
             "| --- | --: | --: | --: | --: | --: | --: |"]
    for who, name in _NAMES.items():
        run = found[who]
        pace = f"{run.pace:.3f}" if run.pace else ""
        first = f"{run.first:.1f}" if run.first else ""
        lines.append(f"| {name} | {run.count} | {run.wall:.3f} | {pace} | {first} | {run.cpu:.3f} | "
                     f"{found['stock'].wall / run.wall:.1f} |")
    goals = [("one worker, times stock, the whole command", found["stock"].wall / found["one"].wall, ""),
             ("one worker, times stock, once both run", found["stock"].pace / found["one"].pace, "at least 45"),
             ("two workers, times one, the whole command", found["one"].wall / found["two"].wall, ""),
             ("two workers, times one, once it runs", found["one"].pace / found["two"].pace, "at least 1.8"),
             ("CPU of one worker, times the floor's", found["one"].cpu / found["floor"].cpu, "at most 1.3"),
             ("one worker's first mark, seconds", found["one"].first, "at most 3")]
    return [*lines, "", "| ratio | measured | wanted |", "| --- | --: | --: |",
            *(f"| {name} | {measured:.2f} | {wanted} |" for name, measured, wanted in goals)]


def footprint(bench: Bench) -> list[str]:
    """Memory at its worst, everybody's of the same submissions."""
    count = min(bench.students, 10)
    ours, theirs = bench.made("memory", count).root, bench.made("memory-stock", count).root
    stock(theirs)
    found = {"stock": bench.autograde(theirs, memory), "one": bench.grade(ours, "--workers", "1", measure=memory),
             "two": bench.grade(ours, "--workers", "2", measure=memory), "floor": bench.floor(ours, memory)}
    lines = ["| | submissions | whole, MB | a child adds, MB |", "| --- | --: | --: | --: |"]
    for who, name in _NAMES.items():
        child = f"{found[who].child / 1e6:.0f}" if found[who].child else ""
        lines.append(f"| {name} | {count} | {found[who].whole / 1e6:.0f} | {child} |")
    return lines


def extras(bench: Bench) -> list[str]:
    """What demos and feedback add, on a part of the class."""
    count = min(bench.stock, 10)
    seconds = {}
    for demos in (False, True):
        ours = bench.made(f"ours-{demos}", count, demos=demos).root
        theirs = bench.made(f"theirs-{demos}", count, demos=demos).root
        stock(theirs)
        seconds["ours", demos], seconds["theirs", demos] = bench.grade(ours).wall, bench.autograde(theirs).wall
    seconds["ours", "feedback"] = bench.grade(ours, "--feedback").wall - seconds["ours", True]
    seconds["theirs", "feedback"] = _must(
        cost([_program("nbgrader"), "generate_feedback", bench.chapter], theirs)).wall

    def line(name: str, what: object, less: object = None) -> str:
        each = [(seconds[who, what] - (seconds[who, less] if less is not None else 0)) / count
                for who in ("theirs", "ours")]
        return f"| {name} | {each[0]:.2f} | {each[1]:.2f} |"

    return [f"| seconds a submission, of {count} | stock | here, one worker |", "| --- | --: | --: |",
            line("without demos, without feedback", False), line("demos add", True, False),
            line("feedback adds (there a run of its own)", "feedback")]


def growth(bench: Bench, sizes: list[int]) -> list[str]:
    """Time as the class grows; the pace at both ends of the run."""
    lines = ["| submissions | wall, s | s each | first tenth, s each | last tenth, s each |",
             "| --: | --: | --: | --: | --: |"]
    for size in sizes:
        chapter = bench.made(f"growth-{size}", size)
        run = bench.grade(chapter.root)
        steps = steps_between(chapter.root, chapter.name)
        tenth = max(size // 10, 1)
        first, last = statistics.mean(steps[:tenth]), statistics.mean(steps[-tenth:])
        lines.append(f"| {size} | {run.wall:.1f} | {run.wall / size:.3f} | {first:.3f} | {last:.3f} |")
        shutil.rmtree(chapter.root)
    return lines


def steps_between(course: Path, chapter: str) -> list[float]:
    """Seconds from each recorded notebook to the next."""
    return [later - earlier for earlier, later in pairwise(recorded(course, chapter))]


def recorded(course: Path, chapter: str) -> list[float]:
    """When each notebook was recorded, the first one first."""
    return sorted(path.stat().st_mtime for path in course.glob(f"autograded/*/{chapter}/*.ipynb"))


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _must(run: Cost | Memory) -> Cost | Memory:
    if run.status:
        raise click.ClickException(f"a run ended with status {run.status}:\n{run.output[-3000:]}")
    return run


def _forget_marks(course: Path) -> None:
    """As if nothing had been graded."""
    shutil.rmtree(course / "autograded", ignore_errors=True)
    shutil.copy(course / _NO_MARKS, course / "gradebook.db")


@click.command()
@click.option("--course", "root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=ROOT,
              help="The course that the chapter is from. [default: this one]")
@click.option("--chapter", default="01_convolution", show_default=True)
@click.option("--students", default=60, show_default=True)
@click.option("--stock", "stock_students", type=int, help="So many for stock nbgrader, seconds each. [default: all]")
@click.option("--repeat", default=3, show_default=True, help="Runs of ours and of the floor; the median counts.")
@click.option("--growth", "sizes", default="10,100,1000", show_default=True, help="Sizes of a growing class.")
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this alone; may be repeated.")
@click.option("--write", is_flag=True, help="Write the tables to bench/README.md.")
def main(root: Path, chapter: str, students: int, stock_students: int | None, repeat: int, sizes: str,
         only: tuple[str, ...], write: bool) -> None:
    """Measure the grader."""
    console = Console(highlight=False, soft_wrap=True)
    tables = section.tables("grading")
    with tempfile.TemporaryDirectory(prefix="convcraft-bench-") as scratch:
        bench = Bench(Path(scratch), root.resolve(), chapter, students, min(stock_students or students, students),
                      repeat)
        parts = {
            "speed": ("Speed", lambda: speed(bench)),
            "memory": ("Memory", lambda: footprint(bench)),
            "extras": ("Demos and feedback", lambda: extras(bench)),
            "growth": ("A growing class, one worker", lambda: growth(bench, [int(size) for size in sizes.split(",")])),
            "attacks": ("Attacks", lambda: attacks.table(bench.folder / "attacks")),
        }
        for part in only or PARTS:
            title, measure = parts[part]
            where = f"Measured on {machine()}. Chapter {chapter}."
            tables[title] = "\n".join([f"### {title}", "", *measure(), "", where])
            console.print(tables[title], markup=False)
    if write:
        section.write("grading", ["\n\n".join(tables.values())])


if __name__ == "__main__":
    main()
