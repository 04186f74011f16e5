"""Whether everything that was generated is what the source gives, and whether the course holds together."""

import ast
import base64
import json
import re
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image, ImageSequence

from convcraft.build import assets, notebooks, solutions
from convcraft.build.source import Chapter, SourceError
from convcraft.exam import load_course

_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)[^>]+(?:src|href)=\"([^\"]+)\"")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")
_ID = re.compile(r"\b([a-z]+)[0-9a-f]{10}\b")
_POINTS = 100


def problems(chapters: list[Chapter], root: Path, *, drawing: bool = True) -> Iterator[str]:
    """Everything that is wrong, a line each: the file, what is wrong, the command that mends it.

    Args:
        drawing: False leaves out drawing the figures again.
    """
    try:
        load_course(root / "source")
    except ValueError as error:
        yield str(error)
    for chapter in chapters:
        try:
            yield from _source(chapter)
            if drawing:
                yield from _assets(chapter)
            yield from _solution(chapter)
        except SourceError as error:
            yield str(error)
    try:
        yield from _released(chapters, root)
    except SourceError as error:
        yield str(error)
    yield from _strays(root)
    yield from _readme(root)


def _source(chapter: Chapter) -> Iterator[str]:
    notebook = chapter.notebook()
    grade_ids = {cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata}
    for name in chapter.exercises:
        for wanted in (name, f"{name}_exam"):
            if wanted not in grade_ids:
                yield f"{chapter.script}: no cell has the grade_id {wanted!r}; add it"
    total = sum(exercise.points for exercise in chapter.exercises.values())
    if total != _POINTS:
        yield f"{chapter.folder / 'exercises.py'}: the points add up to {total}, not to {_POINTS}; change `points=`"
    for alt, path in chapter.pictures():
        if len(alt.split()) < 3:
            yield f"{chapter.script}: the picture {path.name} has no alt text that says what is seen; write one"
    prose = _squeezed("\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown"))
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield from (f"{chapter.script}: a relative link to {link} breaks in a released chapter; name the chapter "
                        "by its title" for link in _links(cell.source))
    for exercise in chapter.exercises.values():
        for aspect in exercise.aspects():
            if not aspect.says.strip() or _squeezed(aspect.says) not in prose:
                yield (f"{chapter.folder / 'exercises.py'}: {exercise.name}, aspect {aspect.name!r}: the task does not "
                       f"say {aspect.says!r}; copy the sentence from {chapter.script.name}")


def _assets(chapter: Chapter) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as scratch:
        drawn = {path.name: path for path in assets.draw(chapter, Path(scratch) / "assets")}
        kept = {path.name: path for path in chapter.assets.glob("*")}
        for name in sorted(drawn.keys() | kept.keys()):
            if name not in kept:
                yield f"{chapter.assets / name} is missing; `make assets`"
            elif name not in drawn:
                yield f"{chapter.assets / name} is drawn by no code; `make assets`, or delete it"
            elif not _same_picture(drawn[name], kept[name]):
                yield f"{chapter.assets / name} is not what {chapter.folder / 'figures.py'} draws; `make assets`"
    used = {path.name for _, path in chapter.pictures()}
    yield from (f"{chapter.assets / name} is shown nowhere; show it in {chapter.script.name} or delete its function"
                for name in sorted(kept.keys() - used))


def _solution(chapter: Chapter) -> Iterator[str]:
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
    if solutions.without_outputs(kept) != solutions.solved(chapter):
        yield f"{path} is not what {chapter.script} gives; {remedy}"


def _released(chapters: list[Chapter], root: Path) -> Iterator[str]:
    remedy = "`make notebooks`"
    with tempfile.TemporaryDirectory() as scratch:
        notebooks.release(chapters, Path(scratch))
        for chapter in chapters:
            fresh, kept = (base / notebooks.RELEASED / chapter.name for base in (Path(scratch), root))
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
                yield from _self_contained(kept)
                yield from _secrets(chapter, kept)


def _strays(root: Path) -> Iterator[str]:
    """What stands among generated files and belongs to no chapter: it would be handed to readers."""
    known = {path.parent.name for path in (root / "source").glob("*/exercises.py")}
    for pattern, allowed in ((f"{notebooks.RELEASED.parent}/*", {notebooks.RELEASED.name}),
                             (f"{notebooks.RELEASED}/*", known),
                             ("solutions/*", {f"{name}.ipynb" for name in known}), ("assets/*", known | {"readme"})):
        for path in sorted(root.glob(pattern)):
            if path.name not in allowed | {".ipynb_checkpoints"}:
                yield f"{path} belongs to no chapter; delete it"


def _self_contained(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] != "markdown":
                continue
            for link in _links("".join(cell["source"]), pictures=True):
                target = (path.parent / link).resolve()
                if folder.resolve() not in target.parents or not target.is_file():
                    yield f"{path}: {link} is not in {folder}; the folder must be whole wherever it is put"


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
    secret |= {line.strip() for line in _answers(chapter.folder / "exercises.py")}
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
    """The lines of everything in `exercises.py` that is not a probe: references, misconceptions, alternatives."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
        if not any(text.startswith("exercise(") for text in decorators):
            yield from lines[node.lineno:node.end_lineno]


def _readme(root: Path) -> Iterator[str]:
    for path in (root / "README.md", root / "bench" / "README.md", root / "deploy" / "README.md"):
        if path.is_file():
            yield from (f"{path}: the link {link} leads nowhere; mend it"
                        for link in _links(path.read_text(encoding="utf-8"), pictures=True)
                        if not (path.parent / link.partition("#")[0]).exists())


def _links(text: str, *, pictures: bool = False) -> list[str]:
    """Relative links, those to pictures only where asked for."""
    found = [first or second for first, second in _LINK.findall(text)]
    return [link for link in found if not re.match(r"[a-z]+:|#", link)
            and (pictures or not link.endswith((".svg", ".gif", ".png")))]


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _same_picture(one: Path, other: Path) -> bool:
    """The same bytes, or, drawn on another processor, the same to a hair."""
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix == ".gif":
        return _same_frames(one.read_bytes(), other.read_bytes())
    texts = [path.read_text(encoding="utf-8") for path in (one, other)]
    embedded = [[base64.b64decode("".join(data.split())) for data in _EMBEDDED.findall(text)] for text in texts]
    if len(embedded[0]) != len(embedded[1]) or not all(
            _same_frames(mine, theirs) for mine, theirs in zip(*embedded, strict=True)):
        return False
    bare = [_ID.sub(r"\1", _EMBEDDED.sub("", text)) for text in texts]
    numbers = [np.array([float(number) for number in _NUMBER.findall(text)]) for text in bare]
    skeletons = [_NUMBER.sub("#", text) for text in bare]
    return skeletons[0] == skeletons[1] and np.allclose(*numbers, rtol=1e-3, atol=0.05)


def _same_frames(one: bytes, other: bytes) -> bool:
    images = [[np.asarray(frame.convert("RGBA"), dtype=float) for frame in ImageSequence.Iterator(
        Image.open(BytesIO(data)))] for data in (one, other)]
    return len(images[0]) == len(images[1]) and all(
        mine.shape == theirs.shape and np.abs(mine - theirs).mean() < 1
        for mine, theirs in zip(*images, strict=True))
