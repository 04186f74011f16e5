"""One notebook in several languages: in which of them was it handed in?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from convcraft.grading.notebook.released import Cell, ReleasedNotebook

_LONGEST = 1_000  # characters of a line that is looked at; pictures are longer


@dataclass(frozen=True)
class Editions:
    """A notebook's releases, the class's own first; each of them counts the others' cells as untouched."""

    releases: tuple[ReleasedNotebook, ...]

    @property
    def first(self) -> ReleasedNotebook:
        """The class's own."""
        return self._joined[0]

    def handed_in(self, cells: Sequence[Cell]) -> ReleasedNotebook:
        """The edition of which a notebook has most, by the lines of prose and code that no other has; else the first.

        Where its exams are not the class's own (a class has changed a chapter, in one language), the class's notebook
        runs, and speaks that language.
        """
        lines = _lines(cells) if len(self.releases) > 1 else set()
        scores = [len(lines & each) for each in self._own_lines]
        return self._joined[scores.index(max(scores))]

    @cached_property
    def _joined(self) -> list[ReleasedNotebook]:
        own = self.releases[0]
        exams = set(own.exams.values())
        return [replace(each if set(each.exams.values()) == exams else own, language=each.language,
                        others=tuple(other for other in self.releases if other is not each))
                for each in self.releases]

    @cached_property
    def _own_lines(self) -> list[set[str]]:
        """Of each edition, the lines that tell it from the others."""
        lines = [_lines(each.cells) for each in self.releases]
        common = set.intersection(*lines)
        return [each - common for each in lines]


@lru_cache(maxsize=64)
def editions(*releases: ReleasedNotebook) -> Editions:
    """The same for the same releases, so that they are compared once."""
    return Editions(releases)


def _lines(cells: Iterable[Cell]) -> set[str]:
    return {line.strip() for cell in cells for line in cell["source"].splitlines() if len(line) <= _LONGEST} - {""}
