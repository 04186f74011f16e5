"""What `convcraft grade` shows on a terminal."""

import time

from rich import progress
from rich.console import Console
from rich.markup import escape

from convcraft.exam.present import points

_REMARKS = 20


class Progress:
    """A bar: students done, marks so far, time left."""

    def __init__(self, *, quiet: bool):
        self.bar = progress.Progress(
            progress.SpinnerColumn(), progress.TextColumn("grading"), progress.BarColumn(),
            progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[marks]}"),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True), disable=quiet, transient=True)
        self._points = self._most = 0.0

    def start(self, total: int) -> None:
        self._task = self.bar.add_task("", total=total, marks="")

    def done(self, item) -> None:
        self._points += getattr(item, "points", 0)
        self._most += getattr(item, "max_points", 0)
        marks = f"marks so far {self._points / self._most:.0%}" if self._most else ""
        self.bar.update(self._task, advance=1, marks=marks)


def summary(found) -> None:
    """Remarks, what could not be graded, and one line on the whole class."""
    console = _console()
    remarks = [(item, remark) for item in found.graded for remark in item.remarks]
    for item, remark in remarks[:_REMARKS]:
        console.print(f"[yellow]{escape(item.student)}, {escape(item.assignment)}:[/] {escape(remark)}")
    if len(remarks) > _REMARKS:
        console.print(f"… and {len(remarks) - _REMARKS} remarks more; each stands in its notebook.")
    for problem in found.problems:
        console.print(f"[red]Not graded: {escape(problem.student)}, {escape(problem.assignment)}:[/] "
                      f"{escape(problem.message)}")
    console.print(escape(_sentence(found)))


def _sentence(found) -> str:
    parts = [f"Graded {len(found.graded)} submissions in {found.seconds:.1f} s."]
    if found.graded:
        most = sum(item.max_points for item in found.graded)
        parts.append(f"Mean {sum(item.points for item in found.graded) / max(most, 1):.0%} of the points.")
    if found.skipped:
        parts.append(f"{found.skipped} had their marks already (--force grades them again).")
    if found.feedback_folder:
        parts.append(f"Wrote {found.feedback} pages of feedback in {found.feedback_folder}.")
    return " ".join(parts)


class Own:
    """A reader's own chapters, told as they come."""

    def __init__(self, *, quiet: bool, sealed: bool):
        self.chapters: list = []
        self._console, self._begin = _console(quiet=quiet), time.perf_counter()
        if not sealed:
            self._console.print("[dim]Your code runs without a sandbox here.[/]")

    def chapter(self, chapter) -> None:
        """Points, failed aspects and diagnoses, exercise by exercise."""
        self.chapters.append(chapter)
        say, graded = self._console.print, chapter.graded
        say(f"[bold]{graded.assignment}[/]  {points(graded.points)} of {points(graded.max_points)} points")
        for remark in graded.remarks:
            say(f"  [yellow]{escape(remark)}[/]")
        for facts in graded.exercises:
            full = facts["points"] == facts["max_points"]
            mark = "[green]✓[/]" if full else "[red]✗[/]" if facts["answered"] else "[dim]·[/]"
            score = f"{points(facts['points'])} of {facts['max_points']}"
            waits = "" if facts["answered"] else "  not answered yet"
            say(f"  {mark} {facts['exercise']:<28}{score:>12}{waits}")
            if facts["answered"]:
                self._failures(facts["failed"])

    def _failures(self, failed: list[dict]) -> None:
        reasons: dict[str, list[str]] = {}
        for row in failed:
            reasons.setdefault(row["diagnosis"] or row["detail"], []).append(row["aspect"])
        for reason, aspects in reasons.items():
            self._console.print(f"      [red]{escape(', '.join(aspects))}[/]: {escape(reason)}")

    def sum(self) -> None:
        """All chapters together, and where the feedback is."""
        got, most = (sum(getattr(chapter.graded, name) for chapter in self.chapters)
                     for name in ("points", "max_points"))
        self._console.print(f"[bold]{points(got)} of {points(most)} points[/] in "
                            f"{time.perf_counter() - self._begin:.1f} s. With pictures, to open in a browser:")
        for chapter in self.chapters:
            for page in chapter.pages:
                self._console.print(f"  {escape(page.as_uri())}")


def _console(*, quiet: bool = False) -> Console:
    return Console(highlight=False, soft_wrap=True, quiet=quiet)
