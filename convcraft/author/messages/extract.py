"""All that a chapter says, in the order in which a reader meets it."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from convcraft.author import assets
from convcraft.author.messages import exams, script
from convcraft.author.messages.catalogue import Message
from convcraft.author.source import Chapter


def messages(chapter: Chapter, figures: Iterable[tuple[str, str]] | None = None) -> list[Message]:
    """Of the script, the exams and the figures of a chapter.

    Args:
        figures: what its figures say, each with its figure's name; None draws them to see.

    Raises:
        SourceError: the chapter's source is not as it should be.
    """
    found: list[Message] = []

    def note(path: Path) -> script.Tell:
        file = path.relative_to(chapter.root).as_posix()

        def tell(context: str, place: str, text: str) -> str:
            found.append(Message(context, text, place, file))
            return text

        return tell

    script.reworded([cell for _, cell in chapter.cells()], note(chapter.script))
    for name in (*chapter.exercises, *chapter.unlisted):
        tell = note(chapter.exams / f"{name}.py")
        for what, sentence in exams.sentences(chapter.exercise(name), chapter.exams):
            tell(f"exam {name}", what, sentence)
    tell = note(chapter.folder / "figures.py")
    for figure, text in _of_figures(chapter) if figures is None else figures:
        tell(f"figure {figure}", "in the picture", text)
    return found


def _of_figures(chapter: Chapter) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        assets.draw(chapter, Path(scratch) / "assets", heard)
    return heard
