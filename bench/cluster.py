"""Grading on a Dask cluster, beside the grader's own workers; the one process that records, by itself; and feedback
while students hand in.

    python bench/cluster.py [--write]

All on this machine: what a network adds is not measured here. `--only` with `--write` keeps the other parts' tables.
"""

import contextlib
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import click
import section
import watching
from grading import ROOT, Bench, machine, steps_between
from nbgrader.coursedir import CourseDirectory
from rich.console import Console

from convcraft.grading.cluster.worker import Terms, mark_there
from convcraft.grading.course import Course, Task
from convcraft.grading.mark import MarkedSubmission, mark_submission, pack
from convcraft.grading.nbgrader.gradebook import GradebookWriter
from convcraft.grading.nbgrader.release import released_notebooks
from convcraft.layout import course_config
from convcraft.place import source_of

PARTS = ("throughput", "writer", "large", "watch")
_BATCHES = (1, 4, 16, 64)
_MARKED = 6  # real submissions that the writer's are copies of


def throughput(bench: Bench, workers: int) -> list[str]:
    """Seconds from one recorded submission to the next: own workers, and Dask's, in turns; the median of each."""
    root = bench.made("throughput", bench.students).root
    kinds = {"its own": ("--workers", str(workers)), "Dask's": ("--cluster", str(workers))}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(bench.repeat):
        for name, options in kinds.items():
            run = bench.grade(root, *options)
            found[name].append((run.wall, statistics.mean(steps_between(root, bench.chapter))))
    middle = {name: sorted(runs, key=lambda run: run[1])[len(runs) // 2] for name, runs in found.items()}
    lines = [f"| {workers} workers | submissions | the whole command, s | s each, once it runs |",
             "| --- | --: | --: | --: |"]
    lines += [f"| {name} | {bench.students} | {wall:.1f} | {pace:.3f} |" for name, (wall, pace) in middle.items()]
    ratio = middle["its own"][1] / middle["Dask's"][1]
    return [*lines, "", f"Throughput of Dask's workers, times that of its own: {ratio:.2f} (wanted: at least 0.9)."]


def writer(bench: Bench) -> list[str]:
    """What one submission costs the process that gives out and records, by how many go into a transaction."""
    chapter = bench.made("writer", _MARKED)
    config = course_config(chapter.root)
    coursedir = CourseDirectory(config=config)
    course = Course(chapter.root, source_of(chapter.root))
    notebooks = tuple(released_notebooks(coursedir)[bench.chapter])
    marked = [mark_submission(course, Task(folder.parent.name, bench.chapter, folder, notebooks, 1))
              for folder in sorted(chapter.root.glob(f"submitted/*/{bench.chapter}"))]
    marking = statistics.median(each.seconds for each in marked[1:])
    given_out = _given_out(course, marked, bench.students)
    lines = ["| submissions in a transaction | recorded, ms each | of it CPU | given out and taken in, ms each | "
             "workers that keep it busy |", "| --: | --: | --: | --: | --: |"]
    with contextlib.closing(GradebookWriter(coursedir, config)) as book:
        book.follow_release({bench.chapter: list(notebooks)}, dict.fromkeys(notebooks, ()))
        for size in _BATCHES:
            wall, cpu = _recorded(book, marked, size, bench.students)
            lines.append(f"| {size} | {1000 * wall:.1f} | {1000 * cpu:.1f} | {1000 * given_out:.1f} | "
                         f"{marking / (wall + given_out):.0f} |")
    return [*lines, "", f"{bench.students} submissions each, no worker beside it; marking one took "
            f"{1000 * marking:.0f} ms. Wanted: at most 5 ms."]


def _given_out(course: Course, marked: list[MarkedSubmission], count: int) -> float:
    """Read and pack `count` submissions for another machine, and unpack their results: seconds each."""
    answers, released = [pickle.dumps(each) for each in marked], cache(Path.read_bytes)
    work = partial(mark_there, Terms.of(course))
    begin = time.perf_counter()
    for number in range(count):
        pickle.dumps((work, (pack(marked[number % len(marked)].task, released),), {}))
        pickle.loads(answers[number % len(marked)])
    return (time.perf_counter() - begin) / count


def _recorded(book: GradebookWriter, marked: list[MarkedSubmission], size: int, count: int) -> tuple[float, float]:
    """Record `count` submissions of new students: seconds each, (wall, CPU)."""
    results = [replace(each, task=replace(each.task, student=f"of-{size}-{number:05}"))
               for number in range(count) for each in [marked[number % len(marked)]]]
    begin, cpu = time.perf_counter(), time.process_time()
    for first in range(0, count, size):
        book.write(results[first:first + size])
    return (time.perf_counter() - begin) / count, (time.process_time() - cpu) / count


def large(bench: Bench, workers: int, count: int) -> list[str]:
    """A large class, for real."""
    chapter = bench.made("large", count)
    run = bench.grade(chapter.root, "--cluster", str(workers))
    steps = steps_between(chapter.root, bench.chapter)
    tenth = max(count // 10, 1)
    return ["| submissions | wall, s | s each | first tenth, s each | last tenth, s each |",
            "| --: | --: | --: | --: | --: |",
            f"| {count} | {run.wall:.0f} | {run.wall / count:.3f} | {statistics.mean(steps[:tenth]):.3f} | "
            f"{statistics.mean(steps[-tenth:]):.3f} |"]


@click.command()
@click.option("--course", "root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=ROOT,
              help="The course that the chapter is from. [default: this one]")
@click.option("--chapter", default="01_convolution", show_default=True)
@click.option("--students", default=200, show_default=True)
@click.option("--workers", default=2, show_default=True)
@click.option("--large", "count", default=2000, show_default=True, help="Size of the large class.")
@click.option("--minutes", default=3.0, show_default=True, help="How long students hand in while it watches.")
@click.option("--repeat", default=3, show_default=True)
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Measure this alone; may be repeated.")
@click.option("--write", is_flag=True, help="Write the tables to bench/README.md.")
def main(root: Path, chapter: str, students: int, workers: int, count: int, minutes: float, repeat: int,
         only: tuple[str, ...], write: bool) -> None:
    """Measure the cluster."""
    console = Console(highlight=False, soft_wrap=True)
    tables = section.tables("cluster")
    with tempfile.TemporaryDirectory(prefix="convcraft-bench-") as scratch:
        bench = Bench(Path(scratch), root.resolve(), chapter, students, students, repeat)
        parts: dict[str, tuple[str, Callable[[], list[str]]]] = {
            "throughput": ("Throughput", lambda: throughput(bench, workers)),
            "writer": ("The one that records", lambda: writer(bench)),
            "large": (f"A large class, {workers} workers of Dask's", lambda: large(bench, workers, count)),
            "watch": ("Feedback while students hand in", lambda: watching.table(bench, minutes)),
        }
        for part in only or PARTS:
            title, measure = parts[part]
            where = f"Measured on {machine()}. Chapter {chapter}."
            tables[title] = "\n".join([f"### {title}", "", *measure(), "", where])
            console.print(tables[title], markup=False)
    if write:
        section.write("cluster", ["\n\n".join(tables.values())])


if __name__ == "__main__":
    main()
