"""The gallery of mistakes: what `examine` says to every misconception of a chapter, for the site.

`site/en/<chapter>/gallery.json` has a list of entries for each exercise, `<exercise>-<misconception>.svg` the pictures;
what is said in Chinese stands in `site/zh/<chapter>/`.
"""

import html
import json
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from convcraft.author.alike import same_picture, same_text
from convcraft.author.excerpt import readable
from convcraft.author.source import Chapter, SourceError
from convcraft.exam import Exercise, Row, Verdict, judge
from convcraft.exam.exercise import Misconception
from convcraft.exam.picture import SIDE, Panel, data_url, number, panels, pixels
from convcraft.exam.present import caption
from convcraft.language import _, using
from convcraft.scores import points

FILE = "gallery.json"
_GAP, _LINE, _BAR = 16, 18, 60  # of a picture, in pixels
_COLOURS = 12  # of a bar; a browser draws what lies between


def write(chapter: Chapter, folder: Path | None = None) -> Path:
    """Examine every misconception, and write what came of it to the chapter's folder of the site.

    Args:
        folder: another one in its place.

    Raises:
        SourceError: a misconception is not told its own sentence.
    """
    target = folder or chapter.site
    entries: dict[str, list[dict[str, Any]]] = {}
    pictures: dict[str, str] = {}
    for name, exercise in chapter.exercises.items():
        entries[name] = []
        for index, misconception in enumerate(exercise.misconceptions):
            with using(chapter.language):
                verdict = judge(exercise, exercise.mistaken(index, 0).values(), 0)
                entry, picture = _entry(chapter, exercise, misconception, verdict)
            entries[name].append(entry)
            if picture:
                pictures[entry["picture"]] = picture
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("*.svg"):
        old.unlink()
    for file, picture in pictures.items():
        (target / file).write_text(picture, encoding="utf-8")
    (target / FILE).write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return target / FILE


def problems(chapter: Chapter) -> Iterator[str]:
    """Where the gallery that is kept is not what the exams say now, a line each."""
    remedy = f"`make gallery CHAPTER={chapter.name}`"
    path = chapter.site / FILE
    if not path.is_file():
        yield f"{path} is missing; {remedy}"
        return
    kept = json.loads(path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as scratch:
        fresh = json.loads(write(chapter, Path(scratch)).read_text(encoding="utf-8"))
        if list(kept) != list(fresh):
            yield f"{path}: it has other exercises than {chapter.script}; {remedy}"
            return
        for name, entries in fresh.items():
            if [entry["name"] for entry in kept[name]] != [entry["name"] for entry in entries]:
                yield f"{path}: {name} has other misconceptions than {chapter.exams / name}.py; {remedy}"
                continue
            for old, new in zip(kept[name], entries, strict=True):
                yield from (f"{path}: {name}, {new['name']}: {key!r} is not what {chapter.exams / name}.py gives; "
                            f"{remedy}" for key in new if not _same(old.get(key), new[key]))
        yield from (f"{chapter.site / file}: {wrong}; {remedy}" for file, wrong in _other_pictures(
            chapter.site, Path(scratch)))


def _same(old: object, new: object) -> bool:
    return same_text(old, new) if isinstance(old, str) and isinstance(new, str) else old == new


def _other_pictures(kept: Path, fresh: Path) -> Iterator[tuple[str, str]]:
    for name in sorted({path.name for folder in (kept, fresh) for path in folder.glob("*.svg")}):
        if not (kept / name).is_file():
            yield name, "it is missing"
        elif not (fresh / name).is_file():
            yield name, "no exam draws it"
        elif not same_picture(fresh / name, kept / name):
            yield name, "it is not what the exam draws"


def _entry(chapter: Chapter, exercise: Exercise, misconception: Misconception,
           verdict: Verdict) -> tuple[dict[str, Any], str]:
    """What the site shows of a misconception, and its picture; empty where there is nothing to draw."""
    say = partial(chapter.say, f"exam {exercise.name}")
    name, sentence = misconception.answer.__name__, say(misconception.sentence)
    own = [row for row in verdict.rows if say(row.diagnosis) == sentence]
    if not own:
        raise SourceError(f"{chapter.exams / exercise.name}.py: the misconception {name!r} should be told its own "
                          f"sentence, was told {verdict.diagnoses or 'none'}; `convcraft prove {exercise.name}`")
    drawn = next(filter(None, map(_panels, own)), [])
    entry = {"name": name,
             "sentence": sentence,
             "failed": [say(row.name) for row in verdict.rows if not row.passed],
             "passed": sum(row.passed for row in verdict.rows),
             "points": _("{points} of {most}").format(points=points(verdict.points), most=verdict.max_points),
             "code": readable(exercise, misconception.answer),
             "picture": f"{exercise.name}-{name}.svg" if drawn else None,
             "alt": " ".join(panel.alt for panel in drawn)}
    return entry, _svg(drawn) if drawn else ""


def _panels(row: Row) -> list[Panel]:
    yours, expected = row.comparison.yours, row.comparison.expected
    return [] if yours is None or expected is None else panels(yours, expected, caption(row))


def _svg(drawn: list[Panel]) -> str:
    """The panels in a row on a white plate, so that they read the same on a dark page; a pixel of the file a number."""
    parts, x, height = [], _GAP, 0
    for panel in drawn:
        rows, columns = panel.scaled.shape
        scale = SIDE / max(rows, columns)
        width, tall = round(columns * scale), round(rows * scale)
        wide, below = max(width, SIDE), _GAP // 2 + _LINE + tall + _LINE
        middle = x + wide // 2
        parts += [_words(panel.title, middle, _LINE),
                  _image(panel.scaled, panel.colours, middle - width // 2, _LINE + _GAP // 2, width, tall),
                  _words(_number(panel.low, panel), middle - _BAR // 2 - 5, below, "end"),
                  _image(torch.linspace(0, 1, _COLOURS)[None], panel.colours, middle - _BAR // 2, below - 8, _BAR, 7,
                         "auto"),
                  _words(_number(panel.high, panel), middle + _BAR // 2 + 5, below, "start")]
        x, height = x + wide + _GAP, max(height, below + _GAP // 2)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{x}" height="{height}" viewBox="0 0 {x} {height}" '
            'font-family="system-ui, sans-serif" font-size="12">\n'
            f'<rect width="{x}" height="{height}" rx="4" fill="#fff"/>\n{"".join(parts)}</svg>\n')


def _words(text: str, x: int, y: int, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{html.escape(text)}</text>\n'


def _image(scaled: torch.Tensor, colours: str, x: int, y: int, width: int, height: int,
           rendering: str = "pixelated") -> str:
    return (f'<image x="{x}" y="{y}" width="{width}" height="{height}" preserveAspectRatio="none" '
            f'style="image-rendering:{rendering}" href="{data_url(pixels(scaled, colours))}"/>\n')


def _number(value: float, panel: Panel) -> str:
    """The end of a bar; what rounding has left of a zero is a zero."""
    return number(0.0 if abs(value) < 1e-6 * max(abs(panel.low), abs(panel.high)) else value)
