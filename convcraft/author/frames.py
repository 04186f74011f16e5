"""The explorers' frames: what the site shows in place of sliders that need a kernel.

A cell that calls `plots.explore` says in its header which frames tell its story: `frames={"stride": [1, 2, 3]}`, a
frame for each combination, the last control changing fastest; a control that is not named stays where it starts.
While `solutions/` are run, each explorer draws them to `site/en/<chapter>/`, in Chinese to `site/zh/<chapter>/`, and
`frames.json` says what they show.
"""

import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from nbformat import NotebookNode
from PIL import Image

from convcraft import plots
from convcraft.author.source import Chapter, SourceError
from convcraft.exam.neutral import neutral

FILE = "frames.json"
_FEWEST, _MOST = 6, 24
_DPI = 100
_LIGHT = 20_000  # bytes; a frame that is larger without loss, as a photograph is, is kept with some
_EXPLORER = re.compile(r"^\s*plots\.explore\(", re.MULTILINE)

Plan = dict[str, dict[str, list[Any]]]  # the explorer's cell id → its controls' values


def plan(chapter: Chapter) -> Plan:
    """What the chapter's explorers are to draw, in its order.

    Raises:
        SourceError: an explorer says nothing of its frames, or they are too few or too many.
    """
    found: Plan = {}
    for (place, written), cell in zip(chapter.cells(), chapter.notebook().cells, strict=True):
        if cell.cell_type != "code" or not _EXPLORER.search(cell.source):
            continue
        chosen = written.metadata.get("frames", {})
        count = len(list(itertools.product(*chosen.values()))) if chosen else 0
        if not _FEWEST <= count <= _MOST:
            raise SourceError(f"{place}: this explorer has {count} frames; choose {_FEWEST} to {_MOST}, as "
                              'frames={"stride": [1, 2], "kernel_size": [3, 5, 7]} in the cell\'s header')
        found[cell.id] = {name: list(values) for name, values in chosen.items()}
    return found


def arguments(chapter: Chapter) -> list[str]:
    """What a kernel is started with so that explorers draw their frames."""
    wanted = plan(chapter)
    return [f"--IPKernelApp.exec_lines=from convcraft.author import frames; "
            f"frames.record({str(chapter.site.resolve())!r}, {wanted!r})"] if wanted else []


def record(folder: str, wanted: Plan) -> None:
    """In a kernel: let every explorer from now on draw its frames to `folder`, too, in the order of `wanted`."""
    explore, waiting, drawn = plots.explore, iter(wanted.items()), dict[str, Any]()

    def explore_and_draw(draw: Callable[..., Figure], **ranges: Any) -> None:
        explore(draw, **ranges)
        name, chosen = next(waiting)
        with neutral(), catch_warnings(action="ignore"):  # the next cell's random numbers must not depend on it
            drawn[name] = {"controls": list(chosen), "frames": list(_drawn(draw, ranges, name, chosen, Path(folder)))}
        text = json.dumps(drawn, indent=1, ensure_ascii=False)
        Path(folder, FILE).write_text(text + "\n", encoding="utf-8")

    Path(folder).mkdir(parents=True, exist_ok=True)
    for old in (*Path(folder).glob("*.webp"), Path(folder, FILE)):
        old.unlink(missing_ok=True)
    plots.explore = explore_and_draw


def _drawn(draw: Callable[..., Figure], ranges: dict[str, Any], name: str, chosen: dict[str, list[Any]],
           folder: Path) -> Iterator[dict[str, Any]]:
    if unknown := chosen.keys() - ranges:
        raise SourceError(f"the explorer {name} has no control {min(unknown)!r}; mend `frames` in its cell's header")
    for number, combination in enumerate(itertools.product(*chosen.values()), 1):
        values = dict(zip(chosen, combination, strict=True))
        for control, value in values.items():
            if not _allowed(value, ranges[control]):
                raise SourceError(f"the explorer {name} cannot set {control} to {value!r}; mend `frames` in its "
                                  "cell's header")
        figure = draw(**{control: plots.start(range_) for control, range_ in ranges.items()} | values)
        file = f"{name}-{number:02}.webp"
        (folder / file).write_bytes(_webp(figure))
        yield {"values": values, "label": plots.settings(values), "picture": file,
               "alt": plots.describe_frame(values, figure)}
        plt.close(figure)


def _allowed(value: Any, range_: Any) -> bool:
    """Whether a reader can set a control to the value."""
    if isinstance(range_, bool):
        return isinstance(value, bool)
    return bool(range_[0] <= value <= range_[1]) if isinstance(range_, tuple) else value in range_


def _webp(figure: Figure) -> bytes:
    png, exact, smaller = io.BytesIO(), io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=_DPI)
    picture = Image.open(png)
    picture.save(exact, "WEBP", lossless=True, method=6)
    if exact.tell() <= _LIGHT:
        return exact.getvalue()
    picture.save(smaller, "WEBP", quality=80, method=6)
    return min(exact.getvalue(), smaller.getvalue(), key=len)


def sign(chapter: Chapter, notebook: NotebookNode) -> None:
    """Note beside each explorer's frames which code drew them.

    Raises:
        SourceError: an explorer was never reached.
    """
    path = chapter.site / FILE
    drawn = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if missing := plan(chapter).keys() - drawn:
        raise SourceError(f"{chapter.script}: the explorer {min(missing)} has drawn nothing while it was run")
    for name, explorer in drawn.items():
        explorer["code"] = _digest(notebook, name)
    if drawn:
        path.write_text(json.dumps(drawn, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def problems(chapter: Chapter, notebook: NotebookNode) -> Iterator[str]:
    """Where the frames that are kept are not what the chapter's `notebook` would draw, a line each.

    Nothing is drawn: the code up to the explorer is compared with the code that drew them.

    Raises:
        SourceError: an explorer's frames are not chosen.
    """
    wanted, path, remedy = plan(chapter), chapter.site / FILE, f"`make solutions CHAPTER={chapter.name}`"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for name in wanted.keys() - kept:
        yield f"{path}: the explorer {name} of {chapter.script} has no frames; {remedy}"
    for name, explorer in kept.items():
        if name not in wanted:
            yield f"{path}: {chapter.script} has no explorer {name}; {remedy}"
        elif explorer["code"] != _digest(notebook, name) or [frame["values"] for frame in explorer["frames"]] != [
                dict(zip(wanted[name], values, strict=True)) for values in itertools.product(*wanted[name].values())]:
            yield f"{path}: the frames of {name} are not what {chapter.script} draws; {remedy}"
    pictures = {frame["picture"] for explorer in kept.values() for frame in explorer["frames"]}
    there = {file.name for file in chapter.site.glob("*.webp")}
    yield from (f"{chapter.site / name} is {'missing' if name in pictures else 'no frame'}; {remedy}"
                for name in sorted(pictures ^ there))


def _digest(notebook: NotebookNode, name: str) -> str:
    """Of all code that runs up to the explorer, its own cell included."""
    code = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            code.append(cell.source)
        if cell.id == name:
            break
    return hashlib.sha256("\n\n".join(code).encode()).hexdigest()[:16]
