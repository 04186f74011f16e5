"""What `convcraft grade` shows on a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich import progress
from rich.console import Console

from convcraft.commands.common import plain
from convcraft.language import _, ngettext
from convcraft.scores import points, score

if TYPE_CHECKING:  # PyTorch and nbgrader take seconds to import
    from convcraft.grading.classroom import Graded, Summary
    from convcraft.grading.pool import Problem
    from convcraft.grading.reader import GradedChapter


class Progress:
    """A bar: students done, marks so far, time left."""

    def __init__(self, *, quiet: bool):
        self.bar = progress.Progress(
            progress.SpinnerColumn(), progress.TextColumn(_("grading")), progress.BarColumn(),
            progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[marks]}"),
            progress.TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True), disable=quiet, transient=True)
        self._points = self._most = 0.0

    def start(self, total: int) -> None:
        self._task = self.bar.add_task("", total=total, marks="")

    def done(self, item: Graded | Problem) -> None:
        self._points += getattr(item, "points", 0)
        self._most += getattr(item, "max_points", 0)
        marks = _("marks so far {share:.0%}").format(share=self._points / self._most) if self._most else ""
        self.bar.update(self._task, advance=1, marks=marks)


def show_class(found: Summary, notices: list[str]) -> None:
    """Notices on machines, remarks, what could not be graded, and one line on the whole class."""
    console = _console()
    for notice in notices:
        console.print(f"[red]{plain(notice)}[/]")
    for change in found.changes:
        console.print(f"[cyan]{_('Gradebook:')}[/] {plain(change)}")
    for item in found.graded:
        for remark in item.remarks:
            console.print(f"[yellow]{plain(item.student)}, {plain(item.assignment)}:[/] {plain(remark)}")
    for problem in found.misplaced:
        where = _("In the wrong place: {student}, {assignment}:").format(
            student=plain(problem.student), assignment=plain(problem.assignment))
        console.print(f"[red]{where}[/] {plain(problem.message)}")
    for problem in found.problems:
        what = _("Not graded: {student}, {assignment}:").format(
            student=plain(problem.student), assignment=plain(problem.assignment))
        console.print(f"[red]{what}[/] {plain(problem.message)}")
    console.print(plain(_sentence(found)))


def _sentence(found: Summary) -> str:
    count = len(found.graded)
    parts = [ngettext("Graded {count} submission in {seconds:.1f} s.", "Graded {count} submissions in {seconds:.1f} s.",
                      count).format(count=count, seconds=found.seconds)]
    if found.graded:
        most = sum(item.max_points for item in found.graded)
        parts.append(_("Mean {share:.0%} of the points.").format(
            share=sum(item.points for item in found.graded) / max(most, 1)))
    if found.skipped:
        parts.append(_("{count} had their marks already (--force grades them again).").format(count=found.skipped))
    if found.feedback_folder:
        parts.append(_("Wrote {count} pages of feedback in {folder}.").format(
            count=found.feedback, folder=found.feedback_folder))
    return " ".join(parts)


class Work:
    """A reader's own chapters, shown as they come."""

    def __init__(self, *, quiet: bool, sealed: bool):
        self.chapters: list[GradedChapter] = []
        self._console, self._begin = _console(quiet=quiet), time.perf_counter()
        if not sealed:
            self._console.print(f"[dim]{_('Your code runs without a sandbox here.')}[/]")

    def chapter(self, chapter: GradedChapter) -> None:
        """Points, failed aspects and diagnoses, exercise by exercise."""
        self.chapters.append(chapter)
        say, graded = self._console.print, chapter.graded
        say(f"[bold]{graded.assignment}[/]  {score(graded.points, graded.max_points)}")
        for remark in graded.remarks:
            say(f"  [yellow]{plain(remark)}[/]")
        for facts in graded.exercises:
            full = facts["points"] == facts["max_points"]
            mark = "[green]✓[/]" if full else "[red]✗[/]" if facts["answered"] else "[dim]·[/]"
            got = _("{points} of {most}").format(points=points(facts["points"]), most=facts["max_points"])
            waits = "" if facts["answered"] else f"  {_('not answered yet')}"
            say(f"  {mark} {facts['exercise']:<28}{got:>12}{waits}")
            if facts["answered"]:
                self._failures(facts["failed"])

    def _failures(self, failed: list[dict[str, Any]]) -> None:
        reasons: dict[str, list[str]] = {}
        for row in failed:
            reasons.setdefault(row["diagnosis"] or row["detail"], []).append(row["aspect"])
        for reason, aspects in reasons.items():
            self._console.print(f"      [red]{plain(', '.join(aspects))}[/]: {plain(reason)}")

    def sum(self) -> None:
        """All chapters together, and where the feedback is."""
        got, most = (sum(getattr(chapter.graded, name) for chapter in self.chapters)
                     for name in ("points", "max_points"))
        self._console.print(_("[bold]{score}[/] in {seconds:.1f} s. With pictures, to open in a browser:").format(
            score=score(got, most), seconds=time.perf_counter() - self._begin))
        for chapter in self.chapters:
            for page in chapter.pages:
                self._console.print(f"  {plain(page.as_uri())}")


def _console(*, quiet: bool = False) -> Console:
    return Console(highlight=False, soft_wrap=True, quiet=quiet)
