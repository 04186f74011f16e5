"""Drawing the figures that chapters show."""

import importlib.util
import inspect
import io
import logging
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from convcraft import plots
from convcraft.author.messages.drawn import drawing
from convcraft.author.source import Chapter, SourceError
from convcraft.language import using

_MILLISECONDS = 700
_LETTER = re.compile(rf"\b{plots.CHINESE.replace(' ', '')}-[0-9a-f]+\b")
_DPI = 144  # a figure is 7 to 11 inches wide, a notebook's column some 900 pixels: sharp, and no larger than it must be


def draw(chapter: Chapter, target: Path, heard: list[tuple[str, str]] | None = None) -> list[Path]:
    """Draw every public function of the chapter's `figures.py` into `target`, which holds nothing else afterwards.

    A matplotlib figure becomes an SVG, for pages, and a WebP, which a notebook holds; a list of Pillow images an
    animated GIF. The same code gives the same bytes. What the figures say is said in the chapter's language.

    Args:
        heard: is given what each figure says in English, with the figure's name.

    Raises:
        SourceError: no font has a letter that a figure shows.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    matplotlib.use("agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # Chinese has one weight here, and bold none
    with using(chapter.language):
        plots.use_style()
    written = []
    for name, function in _figures(chapter):

        def say(text: str, name: str = name) -> str:
            if heard is not None:
                heard.append((name, text))
            return chapter.say(f"figure {name}", text)

        with drawing(say), warnings.catch_warnings():
            warnings.filterwarnings("error", message="Glyph .* missing")
            try:
                written += _write(name, function(), target)
            except UserWarning as error:
                raise SourceError(f"{chapter.folder / 'figures.py'}: {name}: {error} `make font`") from error
    return written


def _figures(chapter: Chapter) -> Iterator[tuple[str, Callable[[], object]]]:
    path = chapter.folder / "figures.py"
    spec = importlib.util.spec_from_file_location(f"figures of {chapter.name}", path)
    assert spec and spec.loader, f"{path}: no Python file"
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            yield name, function


def _write(name: str, drawn: object, target: Path) -> list[Path]:
    path = target / name
    if isinstance(drawn, Figure):
        vector, raster = path.with_suffix(".svg"), path.with_suffix(".webp")
        vector.write_text(_svg(drawn, name), encoding="utf-8")
        _pixels(drawn).save(raster, lossless=True, method=6)
        plt.close(drawn)
        return [vector, raster]
    frames, milliseconds = drawn if isinstance(drawn, tuple) else (drawn, _MILLISECONDS)
    path = path.with_suffix(".gif")
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, optimize=True)
    return [path]


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"
    numbers: dict[str, str] = {}  # a letter's place in the font moves with every letter that the font takes in
    return _LETTER.sub(lambda found: numbers.setdefault(found[0], f"chinese-{len(numbers) + 1}"), text)


def _pixels(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return Image.open(buffer)
