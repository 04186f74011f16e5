"""Reading a chapter's source: a percent script becomes a notebook that nbgrader understands."""

import hashlib
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import jupytext
from nbformat import NotebookNode

from convcraft.author.messages import script
from convcraft.author.messages.catalogue import Catalogue
from convcraft.author.prose import Facts, facts, written
from convcraft.exam import Exercise, load_chapter
from convcraft.language import LANGUAGES, using
from convcraft.layout import released

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_MARKERS = ("### BEGIN SOLUTION", "### END SOLUTION")
_TRIED = re.compile(r"^with try_it\(", re.MULTILINE)
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


class SourceError(ValueError):
    """A chapter's source is not as it should be; the message names the file, the place and the remedy."""


@dataclass(frozen=True)
class Chapter:
    """One chapter's folder, as `source/01_convolution`, read in one language.

    Attributes:
        language: `"en"`, in which it is written, or one that it is translated to: what it says then comes from
            `zh.po`, and in English where that says nothing.
    """

    folder: Path
    language: str = "en"

    @property
    def root(self) -> Path:
        """The repository, or the course."""
        return self.folder.parents[1]

    @property
    def name(self) -> str:
        """The assignment's name, as `01_convolution`."""
        return self.folder.name

    @property
    def script(self) -> Path:
        """The percent script."""
        return self.folder / f"{self.name.partition('_')[2]}.py"

    @property
    def exams(self) -> Path:
        """Where its exercises are examined: a file each."""
        return self.folder / "exams"

    @property
    def assets(self) -> Path:
        """Where its figures are."""
        return self.root / "assets" / self._within / self.name

    @property
    def solution(self) -> Path:
        """The executed reference notebook."""
        return self.root / "solutions" / self._within / f"{self.name}.ipynb"

    @property
    def released(self) -> Path:
        """The folder that students get."""
        return self.root / released(self.language) / self.name

    @property
    def _within(self) -> str:
        """Where a language has a folder of its own: English has none."""
        return "" if self.language == "en" else self.language

    def edition(self, language: str) -> "Chapter":
        """The same chapter in another language."""
        other = replace(self, language=language)
        if "_examined" in self.__dict__:  # exams are loaded once
            other.__dict__["_examined"] = self._examined
        return other

    def editions(self, *, drafts: bool = False) -> list["Chapter"]:
        """The chapter in each language that it can be had in, English first.

        Args:
            drafts: count those, too, whose catalogue says that it is a draft.
        """
        return [self, *(self.edition(language) for language in LANGUAGES if language != "en"
                        and (drafts or not self.catalogue(language).is_draft))]

    def spoken(self, language: str) -> "Chapter":
        """The chapter in a language, in English where it is not to be had in that one."""
        return {each.language: each for each in self.editions()}.get(language, self)

    def catalogue(self, language: str) -> Catalogue:
        """What it says in another language.

        Raises:
            SourceError: the file is no catalogue: two people's changes that were not brought together, say.
        """
        try:
            return Catalogue(self.folder / f"{language}.po")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{self.folder / f'{language}.po'} cannot be read as a catalogue: {error}; mend it "
                              "there, or take the last one that held from git") from error

    def say(self, context: str, text: str) -> str:
        """A text of the chapter's in its language."""
        return text if self.language == "en" else self._catalogue.say(context, text)

    @cached_property
    def _catalogue(self) -> Catalogue:
        return self.catalogue(self.language)

    @property
    def site(self) -> Path:
        """What the site shows of it and only a run can tell: gallery and frames."""
        return self.root / "site" / self.language / self.name

    @property
    def exercises(self) -> dict[str, Exercise]:
        """What it asks, by name."""
        return {name: exercise for name, exercise in self._examined.items() if exercise.listed}

    @property
    def unlisted(self) -> dict[str, Exercise]:
        """What it asked once and asks no longer, by name: for older copies and submissions."""
        return {name: exercise for name, exercise in self._examined.items() if not exercise.listed}

    def exercise(self, name: str) -> Exercise:
        """One of either."""
        return self._examined[name]

    @cached_property
    def _examined(self) -> dict[str, Exercise]:
        try:
            return load_chapter(self.exams)
        except Exception as error:  # whatever an author's module raises
            place = line_of(error, self.exams)
            raise SourceError(f"{place}: {type(error).__name__}: {error}" if place else str(error)) from error

    def notebook(self) -> NotebookNode:
        """The whole chapter, solutions included.

        Raises:
            SourceError: the script is missing, or a cell's nbgrader key fits no exam.
        """
        if not self.script.is_file():
            raise SourceError(f"{self.script} is missing; a chapter's script is named after its folder")
        notebook: NotebookNode = jupytext.read(self.script, fmt="py:percent")
        with using(self.language):
            return self._completed(notebook)

    def _completed(self, notebook: NotebookNode) -> NotebookNode:
        notebook.metadata = NotebookNode(METADATA)
        notebook.nbformat, notebook.nbformat_minor = 4, 5
        seen: dict[str, int] = {}
        for place, cell, said in zip(self.places(), notebook.cells, self._said(notebook.cells), strict=True):
            _complete(cell, self, place)
            digest = hashlib.sha256(f"{self.name}/{cell.cell_type}/{cell.source}".encode()).hexdigest()[:12]
            seen[digest] = seen.get(digest, 0) + 1
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
            if grade_id:
                if grade_id in seen:
                    raise SourceError(f"{place}: the grade_id {grade_id!r} is there twice; rename one")
                seen[grade_id] = 1
            cell.id = grade_id or f"{digest}-{seen[digest]}"
            cell.source = said  # after its id was made, which is the same in every language
            if cell.cell_type == "markdown":
                try:
                    cell.source = written(cell.source, self.facts)
                except ValueError as error:
                    raise SourceError(f"{place}: {error}") from error
        return notebook

    def places(self) -> list[str]:
        """Where each cell begins, as `source/05_resnet/resnet.py:250`."""
        lines = self.script.read_text(encoding="utf-8").splitlines()
        return [f"{self.script}:{number}" for number, line in enumerate(lines, 1) if line.startswith("# %%")]

    def cells(self) -> list[tuple[str, NotebookNode]]:
        """Every cell as the author wrote it, with its place."""
        return list(zip(self.places(), jupytext.read(self.script, fmt="py:percent").cells, strict=True))

    def _said(self, cells: list[NotebookNode]) -> list[str]:
        """What each cell, as the author wrote it, says in the chapter's language."""
        if self.language == "en":
            return [cell.source for cell in cells]
        return script.reworded(cells, lambda context, _, text: self.say(context, text))

    def picture(self, link: str) -> Path:
        """The file that a link in the script shows, as it is drawn in the chapter's language."""
        path, assets = (self.folder / link).resolve(), (self.root / "assets").resolve()
        if self.language != "en" and path.is_relative_to(assets):
            return assets / self.language / path.relative_to(assets)
        return path

    @cached_property
    def facts(self) -> Facts:
        """What its prose may name."""
        cells = [cell for _, cell in self.cells()]
        prose = [said for cell, said in zip(cells, self._said(cells), strict=True) if cell.cell_type == "markdown"]
        return facts(self.folder, self.exercises, prose, cells[0].metadata.get("with_reading", 0))

    def pictures(self) -> list[tuple[str, Path]]:
        """Alt text and file of every picture that the script shows."""
        text = self.script.read_text(encoding="utf-8")
        return [(alt, self.picture(path)) for alt, path in PICTURE.findall(text)]


def chapters(root: Path, names: tuple[str, ...] = ()) -> list[Chapter]:
    """The chapters of a course, in order; only those named where names are given.

    Raises:
        SourceError: there is no chapter of a given name.
    """
    found = [Chapter(path.parent) for path in sorted((root / "source").glob("*/exams"))]
    missing = sorted(set(names) - {chapter.name for chapter in found})
    if missing:
        raise SourceError(f"{root / 'source'}: no chapter {missing[0]!r}; there are "
                          f"{', '.join(chapter.name for chapter in found)}")
    return [chapter for chapter in found if not names or chapter.name in names]


def unmarked(source: str) -> str:
    """A solution cell's source without the lines that mark the solution in it."""
    return "\n".join(line for line in source.splitlines() if line.strip() not in _MARKERS)


def relink(notebook: NotebookNode, folder: str, kept: Callable[[Path], Path] = Path) -> None:
    """Let the pictures be looked for in `folder`, each as the file `kept` of it."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = PICTURE.sub(lambda found: f"![{found[1]}]({folder}/{kept(Path(found[2])).name})", cell.source)


def line_of(error: BaseException, folder: Path) -> str:
    """The file in `folder` and the line in it where `error` arose, as `exams/conv2d.py:12`; empty for none."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).parent == folder:
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).parent == folder]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _slip_of_other(cell: NotebookNode, tags: list[str]) -> str:
    """What an author easily forgets in a code cell that nbgrader has no part in; empty where nothing is forgotten."""
    if any(marker in cell.source for marker in _MARKERS):
        return ("an answer's cell without its key would be released as it is; write "
                '# %% nbgrader={"grade_id": "NAME", "solution": true}')
    if _TRIED.search(cell.source) and "demo" not in tags:
        return 'a cell that tries an answer is not for the grader; write # %% tags=["demo"]'
    return ""


def _slip_of_answer(cell: NotebookNode, name: str) -> str:
    """What an author easily forgets in an answer's cell; empty where nothing is forgotten."""
    lines = [line for line in cell.source.splitlines() if line.strip()]
    marked = [line.strip() for line in lines if line.strip() in _MARKERS]
    if not marked:
        return ("the whole cell would be cleared, signature and docstring, too; put ### BEGIN SOLUTION and "
                "### END SOLUTION inside the function, around what the reader is to write")
    if marked != [*_MARKERS] * (len(marked) // 2):
        return "each ### BEGIN SOLUTION needs its ### END SOLUTION after it, before the next one begins"
    if not re.search(rf"^(?:def|class) {re.escape(name)}\b", cell.source, re.MULTILINE):
        return f"it defines no {name!r} at its outermost level; name function or class as the grade_id"
    for line, after in pairwise(lines):
        if line.strip() == _MARKERS[1] and _indent(after) >= _indent(line):
            return f"{after.strip()!r} stands after ### END SOLUTION and would be released; move the marker below it"
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _complete(cell: NotebookNode, chapter: Chapter, place: str) -> None:
    """Fill in what nbgrader's schema wants besides what the script says."""
    short = cell.metadata.get("nbgrader")
    tags = cell.metadata.get("tags")
    cell.metadata = NotebookNode({"tags": tags} if tags else {})
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    if not short:
        if cell.cell_type == "code" and (slip := _slip_of_other(cell, tags or [])):
            raise SourceError(f"{place}: {slip}")
        return
    grade_id, graded = short.get("grade_id", ""), bool(short.get("grade"))
    name = grade_id.removesuffix("_exam") if graded else grade_id
    if name in chapter.unlisted:
        raise SourceError(f"{place}: the cell {grade_id!r} asks what {chapter.exams / name}.py calls `listed=False`; "
                          "delete one of them")
    if name not in chapter.exercises:
        raise SourceError(f"{place}: the cell {grade_id!r} belongs to no exercise of "
                          f"{chapter.exams}; rename one of them")
    if short.get("solution") and (slip := _slip_of_answer(cell, grade_id)):
        raise SourceError(f"{place}: {slip}")
    if graded and cell.source.strip() != f'examine("{name}", {name})':
        raise SourceError(f'{place}: the graded cell {grade_id!r} must be examine("{name}", {name})')
    if graded == bool(short.get("solution")):
        raise SourceError(f'{place}: the cell {grade_id!r} must be either a solution or graded; write '
                          f'"solution": true or "grade": true')
    cell.metadata["nbgrader"] = NotebookNode(
        grade_id=grade_id, grade=graded, solution=not graded, locked=graded, task=False, schema_version=3)
    if graded:
        cell.metadata["nbgrader"]["points"] = chapter.exercises[name].points
