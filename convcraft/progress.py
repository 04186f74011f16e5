"""How far a reader is: the best that each exercise got, kept beside the chapters, shown as a bar.

It is kept in one file of the reader's own folder, which `convcraft lab` lays out: never in a chapter's folder, which is
compared and handed in. Where there is no such file (a notebook alone, a class's server) it lasts as long as the kernel.
"""

import html
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcraft.language import N_, _
from convcraft.layout import RELEASED, replace_file
from convcraft.place import COURSE
from convcraft.scores import points, score
from convcraft.sentences import of_exam

if TYPE_CHECKING:  # PyTorch takes seconds to import
    from convcraft.exam import Verdict

FILE = ".progress.json"
STUB = N_("Not written yet.")
_PATIENCE = 5.0  # seconds to wait for another notebook that writes
_BAR = 24  # characters
_GRADING = ("NBGRADER_EXECUTION", "NBGRADER_VALIDATING", "PYTEST_CURRENT_TEST")  # nbgrader's, and nbval's

Outline = dict[str, dict[str, float]]  # chapter → exercise → points, in their order


@dataclass(frozen=True)
class Seen:
    """The best that an exercise got; `left` names the aspects that failed then."""

    points: float
    left: tuple[str, ...] = ()
    begun: bool = True


class ProgressError(OSError):
    """The file cannot be read or written; the message says what to do."""


_session: dict[str, Seen] = {}  # of this kernel


def note(verdict: "Verdict", folder: Path) -> None:
    """Keep what an exercise got, for this kernel and in the file of the reader's own folder, unless it once got more.

    For chapters examine wrong answers, too, to show what is said of them.

    Args:
        folder: where the notebook is.

    Raises:
        ProgressError: it could not be kept in the file.
    """
    left = [row for row in verdict.rows if not row.passed]
    seen = Seen(verdict.points, tuple(row.aspect for row in left),
                not all(row.detail == _(STUB) for row in left) or len(left) < len(verdict.rows))
    _session[verdict.exercise] = _better(seen, _session.get(verdict.exercise))
    if path := file_for(folder):
        from filelock import FileLock, Timeout  # with asyncio: not for everybody who imports the course

        try:
            with FileLock(f"{path}.lock", timeout=_PATIENCE):
                kept = read(path)
                _write(path, {**kept, verdict.exercise: _better(seen, kept.get(verdict.exercise))})
        except Timeout as error:
            raise ProgressError(_("{path}: another notebook has been writing for {patience:g} seconds; end what "
                                  "holds {name}.lock").format(path=path, patience=_PATIENCE, name=path.name)) from error


def _better(new: Seen, old: Seen | None) -> Seen:
    return old if old and old.points > new.points else new


def file_for(folder: Path) -> Path | None:
    """Where progress is kept for a notebook in `folder`; None where it is not.

    That is beside the chapter's folder, where `convcraft lab` has begun the file. An older copy of a chapter does not
    count, and while nbgrader or nbval runs a notebook nothing is kept: nobody answers there.
    """
    path = folder.parent / FILE
    graded = any(name in os.environ for name in _GRADING)
    return path if not graded and path.is_file() and (COURSE / RELEASED / folder.name).is_dir() else None


def begin(work: Path) -> None:
    """Let progress be kept in the reader's own folder from now on."""
    if not (work / FILE).exists():
        _write(work / FILE, {})


def read(path: Path) -> dict[str, Seen]:
    """What was kept, by exercise.

    Raises:
        ProgressError: the file is not as it was written.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _seen(facts) for name, facts in kept.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ProgressError(_("{path} cannot be read ({reason}); delete it: your answers are in the chapters, and "
                              "examining them brings it back").format(
            path=path, reason=type(error).__name__)) from error


def outline(course: Path, work: Path) -> Outline:
    """What the chapters ask: those of a reader's own copies, and of the release where he has none."""
    found = {}
    for folder in sorted((course / RELEASED).glob("*/")):
        asked = _asked(work / folder.name) or _asked(folder)
        if asked:
            found[folder.name] = asked
    return found


@dataclass(frozen=True)
class Progress:
    """How far a reader is.

    Attributes:
        course: all that is asked.
        whole: whether that is the course, or one chapter alone.
    """

    course: Outline
    seen: dict[str, Seen]
    whole: bool = True

    def got(self, chapter: str) -> float:
        """Points in a chapter."""
        return sum(self.seen[name].points for name in self.course[chapter] if name in self.seen)

    def most(self, chapter: str) -> float:
        """Points that a chapter is worth."""
        return sum(self.course[chapter].values())

    def all(self) -> tuple[float, float]:
        """Points in the course, and what it is worth."""
        return sum(map(self.got, self.course)), sum(map(self.most, self.course))

    def next_step(self, first: str = "") -> str:
        """The next thing to do, `first` in the chapter of that name."""
        for chapter in sorted(self.course, key=lambda name: name != first):
            for name, most in self.course[chapter].items():
                seen = self.seen.get(name, Seen(0, begun=False))
                if seen.points < most:
                    facts = {"name": name, "chapter": chapter, "left": _left(chapter, name, seen)}
                    if chapter == first:
                        return (_("Next: {name}; left are {left}.") if facts["left"] else _("Next: {name}.")).format(
                            **facts)
                    return (_("Next: {name} in {chapter}; left are {left}.") if facts["left"] else
                            _("Next: {name} in {chapter}.")).format(**facts)
        return _("All is done.") if self.whole else _("This chapter is done.")


def of_notebook(chapter: str, asked: dict[str, float], folder: Path) -> Progress:
    """As a notebook shows it: kept where it is kept, else of this kernel alone.

    Raises:
        ProgressError: the file is not as it was written.
    """
    if path := file_for(folder):
        return Progress({**outline(COURSE, path.parent), chapter: asked}, {**read(path), **_session})
    return Progress({chapter: asked}, dict(_session), whole=False)


def chapter_lines(progress: Progress, chapter: str) -> Iterator[str]:
    """A chapter's bar, and a line an exercise."""
    yield bar_line(chapter, progress.got(chapter), progress.most(chapter))
    for name, most in progress.course[chapter].items():
        mark, told, left = _facts(progress, chapter, name, most)
        yield f"  {mark} {name:<28}{told:>12}{'   ' + left if left else ''}"


def course_lines(progress: Progress, named: Collection[str] = ()) -> Iterator[str]:
    """A bar a chapter, with the exercises of those named, else of those begun and not done; then the course's bar."""
    for chapter in progress.course:
        got, most = progress.got(chapter), progress.most(chapter)
        begun = any(progress.seen[name].begun for name in progress.course[chapter] if name in progress.seen)
        if chapter in named if named else begun and got < most:
            yield from chapter_lines(progress, chapter)
        elif not named:
            yield bar_line(chapter, got, most)
    yield course_line(progress)
    yield progress.next_step()


def text(progress: Progress, chapter: str) -> str:
    """A chapter's progress, and the course's, in plain text."""
    lines = list(chapter_lines(progress, chapter))
    lines += [course_line(progress)] if progress.whole else []
    return "\n".join([*lines, progress.next_step(chapter)])


def course_line(progress: Progress) -> str:
    """The course's bar."""
    return bar_line(_("the course"), *progress.all())


def bar_line(name: str, got: float, most: float) -> str:
    """`01_convolution ████████░░░░ 62 of 100 points`; the bar is full for all points alone."""
    full = int(_BAR * got / most) if most else 0
    return f"{name:<18} {'█' * full}{'░' * (_BAR - full)}  {score(got, most)}"


def page(progress: Progress, chapter: str) -> str:
    """The same as HTML, in the colours of JupyterLab's theme."""
    e, rows = html.escape, []
    for name, most in progress.course[chapter].items():
        mark, told, left = _facts(progress, chapter, name, most)
        cells = (mark, f"<code>{e(name)}</code>", told, e(left))
        rows.append("<tr style='background:transparent'>" + "".join(
            f"<td style='padding:.1em .6em;text-align:left'>{cell}</td>" for cell in cells) + "</tr>")
    totals = [(chapter, progress.got(chapter), progress.most(chapter))]
    if progress.whole:
        totals.append((_("the course"), *progress.all()))
    bars = "".join(
        f"<div style='padding:.2em .6em'><progress value='{got:g}' max='{most:g}' aria-label='{e(name)}' "
        f"style='width:16em'></progress> <strong>{e(name)}</strong> {score(got, most)}</div>"
        for name, got, most in totals)
    return ("<div style='max-width:62em;color:var(--jp-ui-font-color1,inherit);font-size:14px;line-height:1.45'>"
            f"{bars}<table style='border-collapse:collapse;margin:0;font-size:inherit'>{''.join(rows)}</table>"
            f"<div style='padding:.2em .6em'>{e(progress.next_step(chapter))}</div></div>")


def _left(chapter: str, name: str, seen: Seen) -> str:
    """The aspects that are left of an exercise that was begun, by the names that the reader knows."""
    said = of_exam(COURSE / "source" / chapter, name) if seen.left else {}
    return _(", ").join(said.get(each, _(each)) for each in seen.left) if seen.begun else ""


def _facts(progress: Progress, chapter: str, name: str, most: float) -> tuple[str, str, str]:
    """An exercise's mark, points, and what is left of it."""
    seen = progress.seen.get(name, Seen(0, begun=False))
    mark = "✓" if seen.points >= most else "✗" if seen.begun else "·"
    told = _("{points} of {most}").format(points=points(seen.points), most=points(most))
    if seen.points >= most:
        return mark, told, ""
    left = _("left: {left}").format(left=_left(chapter, name, seen)) if seen.begun else _("not begun")
    return mark, told, left


def _asked(folder: Path) -> dict[str, float]:
    """The exercises of the notebooks in a folder, with their points; of what cannot be read none."""
    asked: dict[str, float] = {}
    for path in sorted(folder.glob("*.ipynb")):
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            graded = [cell["metadata"].get("nbgrader", {}) for cell in cells]
            asked |= {str(facts["grade_id"]).removesuffix("_exam"): float(facts["points"])
                      for facts in graded if facts.get("grade")}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # a reader's own file, and not ours to mend
    return asked


def _seen(facts: dict[str, Any]) -> Seen:
    return Seen(float(facts["points"]), tuple(str(name)[:80] for name in facts["left"]), bool(facts["begun"]))


def _write(path: Path, seen: dict[str, Seen]) -> None:
    kept = {name: asdict(each) for name, each in seen.items()}
    replace_file(path, (json.dumps(kept, indent=1, sort_keys=True) + "\n").encode(), 0o600)
