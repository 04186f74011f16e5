"""Drawing the figures that chapters show."""

import importlib.util
import inspect
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from convcraft import plots
from convcraft.build.source import Chapter

_MILLISECONDS = 700


def draw(chapter: Chapter, target: Path) -> list[Path]:
    """Draw every public function of the chapter's `figures.py` into `target`, which holds nothing else afterwards.

    A matplotlib figure becomes an SVG, a list of Pillow images an animated GIF; the same code gives the same bytes.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    matplotlib.use("agg")
    plots.use_style()
    return [_write(name, drawn, target) for name, drawn in _drawings(chapter)]


def _drawings(chapter: Chapter) -> Iterator[tuple[str, object]]:
    path = chapter.folder / "figures.py"
    spec = importlib.util.spec_from_file_location(f"figures of {chapter.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, function in vars(module).items():
        if inspect.isfunction(function) and function.__module__ == module.__name__ and not name.startswith("_"):
            yield name, function()


def _write(name: str, drawn: object, target: Path) -> Path:
    if isinstance(drawn, Figure):
        path = target / f"{name}.svg"
        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
            drawn.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(drawn)
        lines = (line.rstrip() for line in buffer.getvalue().splitlines())
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path
    frames, milliseconds = drawn if isinstance(drawn, tuple) else (drawn, _MILLISECONDS)
    path = target / f"{name}.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, optimize=True)
    return path
