"""One language of the site: where its parts lie, and which of them are there."""

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from convcraft.author.published import Published, published
from convcraft.layout import released

LANGUAGES = {"en": "en", "zh": "zh_CN"}  # the course's name of a language → Sphinx's

# Every page that is written outside `source/`: its name on the site → its file in the repository.
GUIDES = {
    "guide/start": "README.md",
    "guide/teaching": "docs/teaching.md",
    "guide/grading": "docs/grading.md",
    "guide/deploy": "deploy/README.md",
    "guide/cluster": "deploy/cluster.md",
    "guide/authoring": "docs/authoring.md",
    "guide/architecture": "docs/architecture.md",
    "guide/contributing": "CONTRIBUTING.md",
    "guide/glossary": "docs/glossary.md",
    "guide/bench": "bench/README.md",
    "guide/changelog": "CHANGELOG.md",
}
_BILINGUAL = {"guide/glossary"}  # one file serves all languages


class SiteError(ValueError):
    """The site cannot be built; the message names what is missing and the remedy."""


@dataclass(frozen=True)
class Edition:
    """The site in one language.

    Attributes:
        root: the repository.
        language: `en` or `zh`.
    """

    root: Path
    language: str

    @property
    def folder(self) -> str:
        """Where it lies on the site: English at the top, `zh/` beneath."""
        return "" if self.language == "en" else f"{self.language}/"

    @cached_property
    def words(self) -> dict[str, str]:
        """What the site itself says, by key."""
        return tomllib.loads((self.root / f"site/{self.language}.toml").read_text(encoding="utf-8"))

    @cached_property
    def published(self) -> Published:
        """Where readers find the course."""
        return published(self.root)

    @cached_property
    def chapters(self) -> list[str]:
        """The chapters that it has, in order, as `01_convolution`."""
        return [path.stem for path in sorted(self.solution("").parent.glob("[0-9]*.ipynb"))]

    @property
    def missing(self) -> list[str]:
        """The chapters of the course that have no solutions in this language."""
        course = {path.parent.name for path in (self.root / "source").glob("*/exams")}
        return sorted(course - set(self.chapters))

    def solution(self, chapter: str) -> Path:
        """The executed reference notebook."""
        return self.root / "solutions" / self.folder / f"{chapter}.ipynb"

    def released(self, chapter: str) -> Path:
        """The notebook that students open, seen from the repository."""
        return released(self.language) / chapter / f"{chapter.partition('_')[2]}.ipynb"

    def data(self, chapter: str) -> Path:
        """What was run for the site: the gallery of mistakes, the explorers' frames."""
        return self.root / "site" / self.language / chapter

    def source_of(self, guide: str) -> Path | None:
        """The file that a page of `GUIDES` is made from in this language; None where it is not translated."""
        path = self.root / GUIDES[guide]
        if self.language != "en" and guide not in _BILINGUAL:
            path = path.with_suffix(f".{self.language}.md")
        return path if path.is_file() else None

    @cached_property
    def guides(self) -> dict[str, Path]:
        """The pages of `GUIDES` that it has."""
        return {guide: path for guide in GUIDES if (path := self.source_of(guide))}

    def has(self, guide: str) -> bool:
        """Whether it has that page of `GUIDES`, or the exams' API, which is written in English alone."""
        return guide in self.guides or (guide == "guide/api" and self.language == "en")
