"""Whether everything that was generated is what the source gives, and whether the course holds together."""

import ast
import html
import json
import multiprocessing
import os
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from convcraft.author import assets, frames, gallery, notebooks, readme, rules, solutions
from convcraft.author.alike import same_picture
from convcraft.author.alone import MOST, raster
from convcraft.author.messages import state
from convcraft.author.published import PublishedError
from convcraft.author.source import Chapter, SourceError
from convcraft.author.source import chapters as all_chapters
from convcraft.exam.probe import SHARED
from convcraft.language import LANGUAGES
from convcraft.layout import RELEASED, released
from convcraft.place import INSTALLED

_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)[^>]+(?:src|href)=\"([^\"]+)\"")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_POINTS = 100


def problems(chapters: list[Chapter], root: Path, *, drawing: bool = True, furnished: bool = True) -> Iterator[str]:
    """Everything that is wrong, a line each: the file, what is wrong, the command that mends it.

    Args:
        drawing: False leaves out drawing the figures again.
        furnished: False does without enough misconceptions and alternatives.
    """
    told = _problems(chapters, root, drawing, furnished)
    yield from dict.fromkeys(told)  # a source that cannot be read is met more than once


def _problems(chapters: list[Chapter], root: Path, drawing: bool, furnished: bool) -> Iterator[str]:
    yield from _twice(root)
    look = partial(_of_chapter, drawing=drawing, furnished=furnished)
    if len(chapters) < 2:
        for chapter in chapters:
            yield from look(chapter)
    else:  # figures take most of the time: a process a core, each begun afresh, for PyTorch has threads here
        with ProcessPoolExecutor(min(len(chapters), os.cpu_count() or 1), multiprocessing.get_context("spawn")) as pool:
            for lines in pool.map(look, (Chapter(chapter.folder) for chapter in chapters)):
                yield from lines
    for step in (_notebooks(chapters, root), readme.problems(root), rules.quotes(root), state.of_package(root)):
        try:
            yield from step
        except (SourceError, PublishedError) as error:
            yield str(error)
    yield from _strays(root)
    yield from _pages(root)


def _of_chapter(chapter: Chapter, drawing: bool, furnished: bool) -> list[str]:
    lines: list[str] = []
    try:
        for name in chapter.unlisted:
            lines += rules.exam(chapter, name)
        lines += rules.problems(chapter)
        if furnished:
            for name in chapter.exercises:
                lines += rules.furniture(chapter, name)
        lines += _source(chapter)
        heard: list[tuple[str, str]] = []
        for edition in chapter.editions():
            if drawing:
                lines += _assets(edition, heard if edition is chapter else None)
            solved = solutions.solved(edition)
            lines += _solution(edition, solved)
            if chapter.root != INSTALLED:  # what the site shows is no part of the wheel
                lines += frames.problems(edition, solved)
                lines += gallery.problems(edition)
        lines += state.problems(chapter, heard if drawing else None)
    except SourceError as error:
        lines.append(str(error))
    return lines


def _twice(root: Path) -> Iterator[str]:
    """Names are unique over the course."""
    known: dict[str, Path] = {}
    for path in sorted((root / "source").glob("*/exams/*.py")):
        if path.stem != SHARED and known.setdefault(path.stem, path) != path:
            yield (f"{path}: the exercise {path.stem!r} is also in {known[path.stem].parents[1].name}; names are "
                   "unique over the course, rename one")


def _source(chapter: Chapter) -> Iterator[str]:
    notebook = chapter.notebook()
    grade_ids = {cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata}
    for name in chapter.exercises:
        for wanted in (name, f"{name}_exam"):
            if wanted not in grade_ids:
                yield f"{chapter.script}: no cell has the grade_id {wanted!r}; add it"
    total = sum(exercise.points for exercise in chapter.exercises.values())
    if total != _POINTS:
        yield f"{chapter.exams}: the points add up to {total}, not to {_POINTS}; change `points=`"
    for alt, path in chapter.pictures():
        if len(alt.split()) < 3:
            yield f"{chapter.script}: the picture {path.name} has no alt text that says what is seen; write one"
    prose = _squeezed("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown"))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from (f"{chapter.script}: a relative link to {link} breaks in a released chapter; name the chapter "
                        "by its title" for link in _links(cell.source))
    for exercise in chapter.exercises.values():
        for aspect in rules.aspects(chapter, exercise.name):
            if not aspect.says.strip() or _squeezed(aspect.says) not in prose:
                yield (f"{chapter.exams / exercise.name}.py: aspect {aspect.name!r}: the task does not "
                       f"say {aspect.says!r}; copy the sentence from {chapter.script.name}")


def _assets(chapter: Chapter, heard: list[tuple[str, str]] | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        drawn = {path.name: path for path in assets.draw(chapter, Path(scratch) / "assets", heard)
                 if raster(path) == path or chapter.root != INSTALLED}  # the wheel has no SVGs
        kept = {path.name: path for path in chapter.assets.glob("*")}
        for name in sorted(drawn.keys() | kept.keys()):
            if name not in kept:
                yield f"{chapter.assets / name} is missing; `make assets`"
            elif name not in drawn:
                yield f"{chapter.assets / name} is drawn by no code; `make assets`, or delete it"
            elif not same_picture(drawn[name], kept[name]):
                yield f"{chapter.assets / name} is not what {chapter.folder / 'figures.py'} draws; `make assets`"
    used = {file.name for _, path in chapter.pictures() for file in (path, raster(path))}
    yield from (f"{chapter.assets / name} is shown nowhere; show it in {chapter.script.name} or delete its function"
                for name in sorted(kept.keys() - used))


def _solution(chapter: Chapter, solved: NotebookNode) -> Iterator[str]:
    path, remedy = chapter.solution, f"`make solutions CHAPTER={chapter.name}`"
    if not path.is_file():
        yield f"{path} is missing; {remedy}"
        return
    kept = nbformat.read(path, as_version=4)
    failed = [output.ename for cell in kept.cells if cell.cell_type == "code" for output in cell.outputs
              if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", [])]
    if failed:
        yield f"{path}: a cell ended in {failed[0]}; mend it in {chapter.script}, then {remedy}"
    if any(output.get("name") == "stderr" for cell in kept.cells if cell.cell_type == "code"
           for output in cell.outputs):
        yield f"{path}: a cell writes to stderr; mend it in {chapter.script}, then {remedy}"
    if any("image/png" in output.get("data", {}) for cell in kept.cells if cell.cell_type == "code"
           for output in cell.outputs):
        yield f"{path}: a picture has no alt text; call `plots.use_style()` in {chapter.script.name}, then {remedy}"
    for name, exercise in chapter.exercises.items() if chapter.root != INSTALLED else ():  # the wheel has no outputs
        shown = html.unescape("".join(output.get("data", {}).get("text/html", "") for cell in kept.cells
                                      if cell.cell_type == "code" and f'examine("{name}",' in cell.source
                                      for output in cell.outputs))
        said = [chapter.say(f"exam {name}", item.says) for item in exercise.aspects()]
        yield from (f"{path}: the verdict of {name} does not say {sentence[:60]!r}; {remedy}"
                    for sentence in said if sentence not in shown)
    if solutions.without_outputs(kept) != solved:
        yield f"{path} is not what {chapter.script} gives; {remedy}"


def _notebooks(chapters: list[Chapter], root: Path) -> Iterator[str]:
    remedy = "`make notebooks`"
    with tempfile.TemporaryDirectory() as scratch:
        editions = [edition for chapter in chapters for edition in chapter.editions()]
        notebooks.release(editions, Path(scratch))
        for chapter in editions:
            fresh, kept = (base / released(chapter.language) / chapter.name for base in (Path(scratch), root))
            names = {str(path.relative_to(base)) for base in (fresh, kept) for path in base.rglob("*")
                     if path.is_file() and ".ipynb_checkpoints" not in path.parts}
            for name in sorted(names):
                if not (kept / name).is_file():
                    yield f"{kept / name} is missing; {remedy}"
                elif not (fresh / name).is_file():
                    yield f"{kept / name} is not part of the release; delete it, or {remedy}"
                elif (fresh / name).read_bytes() != (kept / name).read_bytes():
                    yield f"{kept / name} is not what {chapter.folder} gives; {remedy}"
            if kept.is_dir():
                yield from (problem for path in sorted(kept.rglob("*.ipynb")) for problem in _stands_alone(path))
                yield from _secrets(chapter, kept)


def _strays(root: Path) -> Iterator[str]:
    """What stands among generated files and belongs to no chapter: it would be handed to readers."""
    editions = [edition for chapter in all_chapters(root) for edition in chapter.editions()]
    known = {language: {chapter.name for chapter in editions if chapter.language == language} for language in LANGUAGES}
    others = {language for language in LANGUAGES if language != "en" and known[language]}
    among = [(f"{RELEASED.parent}/*", {"en"} | others),
             ("solutions/*", {f"{name}.ipynb" for name in known["en"]} | others),
             ("assets/*", known["en"] | {"readme", "README.md"} | others)]
    for language, names in known.items():
        among += [(f"{released(language)}/*", names), (f"site/{language}/*", names)]
        if language != "en":
            among += [(f"solutions/{language}/*", {f"{name}.ipynb" for name in names}),
                      (f"assets/{language}/*", names)]
    for pattern, allowed in among:
        for path in sorted(root.glob(pattern)):
            if path.name not in allowed | {".ipynb_checkpoints"}:
                yield f"{path} belongs to no chapter; delete it"


def _stands_alone(path: Path) -> Iterator[str]:
    """A notebook may be sent by itself, and opened where large ones are not."""
    size = path.stat().st_size
    if size > MOST:
        yield f"{path} has {size:,} bytes, more than {MOST:,}; let its figures have fewer pixels"
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield from (f"{path}: {link} is not in the notebook, which must be whole by itself; `make notebooks`"
                        for link in _links("".join(cell["source"]), pictures=True))


def _secrets(chapter: Chapter, folder: Path) -> Iterator[str]:
    """Any line of an answer that a student must not see."""
    script = chapter.notebook()
    shown = {line.strip() for cell in script.cells if "nbgrader" not in cell.metadata
             for line in cell.source.splitlines()}
    secret, inside = set(), False
    for cell in script.cells:
        for line in cell.source.splitlines():
            if line.strip() in ("### BEGIN SOLUTION", "### END SOLUTION"):
                inside = "BEGIN" in line
            elif inside:
                secret.add(line.strip())
            else:
                shown.add(line.strip())
    secret |= {line.strip() for path in chapter.exams.glob("*.py") for line in _answers(path)}
    secret = {line for line in secret - shown if len(line) >= 12 and re.search(r"[=(]|return", line)}
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".py":
            yield f"{path} must not be released; `make notebooks`"
        if path.suffix != ".ipynb":
            continue
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for line in "".join(cell["source"]).splitlines():
                if line.strip() in secret or "BEGIN SOLUTION" in line:
                    yield f"{path}: this line of an answer is in it: {line.strip()!r}; `make notebooks`"


def _answers(path: Path) -> Iterator[str]:
    """The lines of everything in an exam that is not a probe: references, misconceptions, alternatives."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if not any(text.startswith("exercise(") for text in decorators):
            yield from lines[node.lineno:node.end_lineno]


def _pages(root: Path) -> Iterator[str]:
    for path in sorted({*root.glob("*.md"), *root.glob("docs/*.md"), *root.glob("*/README.md")}):
        text = _CODE.sub("", path.read_text(encoding="utf-8"))
        yield from (f"{path}: the link {link} leads nowhere; mend it" for link in _links(text, pictures=True)
                    if not (path.parent / link.partition("#")[0]).exists())


def _links(text: str, *, pictures: bool = False) -> list[str]:
    """Relative links, those to pictures only where asked for."""
    found = [first or second for first, second in _LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:|#", link)
            and (pictures or not link.endswith((".svg", ".gif", ".png", ".webp")))]


def _squeezed(text: str) -> str:
    return " ".join(text.split())
