"""What a chapter's source must be like, beyond what a build notices: each slip is told in a line."""

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from convcraft.author.new import TO_REPLACE
from convcraft.author.source import Chapter, SourceError, chapters, line_of
from convcraft.exam import Aspect, Failure
from convcraft.exam.probe import SHARED

_MISCONCEPTIONS, _ALTERNATIVES = 4, 3
_WIDTH = 94  # of a line in the table that `examine` prints
_WORDS = 8  # a shorter quotation need not be an exam's

_TYPED = re.compile(r"\b[Ee]xercises? \d+\.\d+|\b[Ss]ections? \d+\.\d+|^#{2,6} (?:[A-Z]\w+ )?\d+\.\d+.*", re.MULTILINE)
_COUNT = re.compile(r"\b(?:\d+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen)"
                    r"(?: and a half)? (?:hours|minutes|exercises|points)\b", re.IGNORECASE)
_QUOTE = re.compile(r'"([A-Z][^"]+)"')
_BROKEN = re.compile(r'"\s*\n\s*"')  # a string over two lines
_OPENING = "# %% [markdown] with_reading=240"
_BULLET = re.compile(r"^ {0,3}\+ .*", re.MULTILINE)  # a sum that a line break cut in two
_MARK = re.compile(r"^##+ .*\((hard|long)\)", re.MULTILINE)
_HEADING = re.compile(r"^### \[\]\(#(\w+)\) ", re.MULTILINE)


def problems(chapter: Chapter) -> Iterator[str]:
    """Everything in the chapter's source that breaks a rule, a line each: place, what is wrong, remedy.

    Raises:
        SourceError: an exam cannot be read.
    """
    yield from _numbers(chapter)
    yield from _headings(chapter)
    yield from _marks(chapter)
    yield from _bullets(chapter)
    for name in chapter.exercises:
        yield from exam(chapter, name)
    yield from _unused(chapter)
    yield from _left(chapter)


def aspects(chapter: Chapter, name: str) -> list[Aspect]:
    """The aspects of an exercise.

    Raises:
        SourceError: the probe does by itself what belongs into an aspect.
    """
    try:
        return chapter.exercise(name).aspects()
    except Exception as error:  # whatever a probe raises
        raise SourceError(f"{line_of(error, chapter.exams)}: the probe draws, or calls `impl`, before an aspect is "
                          f"looked at ({error}); do both inside the aspect's lambda") from error


def exam(chapter: Chapter, name: str) -> Iterator[str]:
    """What is wrong with an exercise's exam, whatever its answers get.

    Raises:
        SourceError: the probe does by itself what belongs into an aspect.
    """
    exercise, path = chapter.exercise(name), chapter.exams / f"{name}.py"
    names = [item.name for item in aspects(chapter, name)]
    yield from (f"{path}: two aspects are called {twice!r}; rename one"
                for twice in sorted({each for each in names if names.count(each) > 1}))
    yield from (f"{path}: the aspect {record.aspect!r} has the reference raise {record.observation.kind}: "
                f"{record.observation.message}; mend the reference, or observe the error by `error_of`"
                for record in exercise.expected(0).values() if isinstance(record.observation, Failure))


def furniture(chapter: Chapter, name: str) -> Iterator[str]:
    """What an exercise still lacks."""
    exercise, path = chapter.exercise(name), chapter.exams / f"{name}.py"
    sentences = [misconception.sentence for misconception in exercise.misconceptions]
    for kind, count, least in (("misconception", len(sentences), _MISCONCEPTIONS),
                               ("alternative", len(exercise.alternatives), _ALTERNATIVES)):
        if count < least:
            yield f"{path}: every exercise has {least} {kind}s or more, this one {count}; add @{name}.{kind}"
    yield from (f"{path}: two misconceptions say {sentence[:60]!r}; tell them apart"
                for sentence in sorted({each for each in sentences if sentences.count(each) > 1}))
    yield from (f"{path}: {sentence[:60]!r}… takes more than two lines; shorten it to {2 * _WIDTH} letters"
                for sentence in sentences if len(textwrap.wrap(sentence, _WIDTH)) > 2)


def _unused(chapter: Chapter) -> Iterator[str]:
    """Functions and classes of exams and figures that nobody uses: a decorator forgotten, or left behind."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(chapter.exams.glob("*.py"))}
    figures = chapter.folder / "figures.py"
    if figures.is_file():
        trees[figures] = ast.parse(figures.read_text(encoding="utf-8"))
    imported = {alias.name for tree in trees.values() for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom) and node.level for alias in node.names}
    shown = {path.stem for _, path in chapter.pictures()}
    for path, tree in trees.items():
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        used |= imported if path.stem == SHARED else shown if path == figures else set()
        remedy = ("show its picture in the chapter, or delete it" if path == figures else
                  "decorate it with .misconception(...) or .alternative, or delete it")
        yield from (f"{path}:{node.lineno}: nothing uses {node.name}; {remedy}" for node in tree.body
                    if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.decorator_list
                    and node.name not in used)


def _left(chapter: Chapter) -> Iterator[str]:
    """What `convcraft new` wrote to be replaced, and is still there."""
    for path in (chapter.script, *sorted(chapter.exams.glob("*.py"))):
        yield from (f"{path}:{number}: what `convcraft new` wrote is still here; write your own: {line.strip('# ')}"
                    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
                    if TO_REPLACE in line)


def quotes(root: Path) -> Iterator[str]:
    """Sentences that README or a table of a chapter puts in the exam's mouth, and no exam says any more."""
    course = chapters(root)
    said = [_squeezed(text) for chapter in course for name, exercise in chapter.exercises.items() for text in (
        *(item.sentence for item in exercise.misconceptions), *(item.says for item in aspects(chapter, name)))]
    texts = [(str(path), path.read_text(encoding="utf-8")) for path in sorted(root.glob("README*.md"))]
    texts += [(place, "\n".join(line for line in cell.source.splitlines() if line.startswith("|")))
              for chapter in course for place, cell in chapter.cells() if cell.cell_type == "markdown"]
    for place, text in texts:
        for quote in _QUOTE.findall(_squeezed(_BROKEN.sub("", text))):
            if len(quote.split()) >= _WORDS and not any(quote.rstrip(" .…") in sentence for sentence in said):
                yield f"{place}: no exam says {quote!r}; copy its sentence as it is now"


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _numbers(chapter: Chapter) -> Iterator[str]:
    """Numbers that the build writes, typed by hand."""
    for place, cell in chapter.cells():
        yield from (f"{place}: the number in {typed!r} is typed by hand; write [](#name): the build numbers and links"
                    for typed in _TYPED.findall(cell.source))
    place, opening = chapter.cells()[0]
    yield from (f"{place}: {typed!r} is typed by hand; write {{hours}}, {{minutes}}, {{exercises}}, {{points}}"
                for typed in _COUNT.findall(opening.source.partition("\n## ")[0]))
    if not chapter.facts.with_reading:
        yield f"{place}: it does not say how many minutes the chapter takes with reading; write {_OPENING}"
    for path in (*sorted(chapter.exams.glob("*.py")), chapter.folder / "figures.py"):
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                yield from (f"{path}:{number}: {typed!r} changes with every exercise that is inserted; say its name"
                            for typed in _TYPED.findall(line) if not typed.startswith("#"))


def _marks(chapter: Chapter) -> Iterator[str]:
    """Headings are marked (hard) or (long) where the opening speaks of such marks, and only there."""
    cells = chapter.cells()
    place, opening = cells[0]
    marked = {mark: at for at, cell in cells if cell.cell_type == "markdown" for mark in _MARK.findall(cell.source)}
    for mark in ("hard", "long"):
        if f"*{mark}*" in opening.source and mark not in marked:
            yield f"{place}: the opening speaks of *{mark}*, and no heading is marked ({mark}); write it behind a title"
        if mark in marked and f"*{mark}*" not in opening.source:
            yield (f"{marked[mark]}: a heading is marked ({mark}), and the chapter's opening does not say what that "
                   f"means; write *{mark}* there")


def _bullets(chapter: Chapter) -> Iterator[str]:
    """Lines that Markdown takes for an item of a list, and the author did not."""
    for place, cell in chapter.cells():
        if cell.cell_type == "markdown":
            yield from (f"{place}: a line that begins with + is shown as a bullet; break it elsewhere: "
                        f"{line.strip()[:60]}" for line in _BULLET.findall(cell.source))


def _headings(chapter: Chapter) -> Iterator[str]:
    """Every exercise has a heading with its minutes, in the order of the exercises."""
    cells = chapter.cells()
    headed = [name for _, cell in cells if cell.cell_type == "markdown" for name in _HEADING.findall(cell.source)
              if name in chapter.exercises]
    where = {cell.metadata.get("nbgrader", {}).get("grade_id"): place for place, cell in cells}
    for name in chapter.exercises:
        remedy = f"let its task begin with ### [](#{name}) A title ●●○○○ 15 min"
        if name not in headed:
            yield f"{where.get(name, chapter.script)}: the exercise {name} has no heading; {remedy}"
        elif name not in chapter.facts.minutes:
            yield f"{where.get(name, chapter.script)}: the heading of {name} does not say how long it takes; {remedy}"
    if len(set(headed)) < len(headed):
        twice = next(name for name in headed if headed.count(name) > 1)
        yield f"{chapter.script}: two headings begin with [](#{twice}); rename one"
    order = [name for name in chapter.exercises if name in where]
    placed = [name for name in headed if name in where]
    if set(placed) == set(order) and len(placed) == len(order) and placed != order:
        late = next(name for name, due in zip(placed, order, strict=True) if name != due)
        yield f"{where.get(late, chapter.script)}: the heading of {late} stands before another exercise; move it"
