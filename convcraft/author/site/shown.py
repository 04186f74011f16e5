"""What was run for the site and is kept in `site/<language>/<chapter>/`: galleries of mistakes, explorers' frames."""

import html
import json
import re
from pathlib import Path
from typing import Any

from convcraft.author.site.pictures import Pictures

_CODE = re.compile(r"`([^`]+)`")


def kept(folder: Path, name: str) -> dict[str, Any]:
    """The file `gallery` or `frames` of a chapter; nothing where the chapter has none."""
    path = folder / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def gallery(mistakes: list[dict[str, Any]], folder: Path, pictures: Pictures, words: dict[str, str]) -> str:
    """What the examiner says to an exercise's wrong answers, folded, as Markdown with HTML in it."""
    title = words["gallery"].format(count=len(mistakes)) if len(mistakes) != 1 else words["gallery_of_one"]
    cards = "\n".join(_mistake(mistake, folder, pictures, words) for mistake in mistakes)
    return f'<details class="gallery"><summary>{title}</summary>\n<div class="cards">\n\n{cards}\n</div>\n</details>'


def _mistake(mistake: dict[str, Any], folder: Path, pictures: Pictures, words: dict[str, str]) -> str:
    failed = words["listed"].join(html.escape(aspect) for aspect in mistake["failed"])
    score = words["mistake_scored"].format(failed=failed, passed=mistake["passed"], points=mistake["points"])
    picture = (f'<figure>{pictures.img(folder / mistake["picture"], mistake["alt"])}</figure>'
               if mistake["picture"] else "")
    return (f'<div class="mistake">\n<p class="says">{coded(mistake["sentence"])}</p>{picture}\n'
            f'<p class="scored">{score}</p>\n<details class="code"><summary>{words["its_code"]}</summary>\n\n'
            f'{fenced(mistake["code"], "text")}\n\n</details>\n</div>\n')


def explorer(drawn: dict[str, Any], folder: Path, pictures: Pictures, words: dict[str, str]) -> str:
    """An explorer's frames as HTML: a strip, which the page's script makes a slider of."""
    frames = "\n".join(f'<li><figure>{pictures.img(folder / frame["picture"], frame["alt"])}'
                       f'<figcaption>{html.escape(frame["label"])}</figcaption></figure></li>'
                       for frame in drawn["frames"])
    return (f'<div class="explorer" data-label="{html.escape(words["explorer"])}">\n<ol class="frames" tabindex="0" '
            f'aria-label="{html.escape(words["explorer"])}">\n{frames}\n</ol>\n'
            f'<p class="note">{words["explorer_note"]}</p>\n</div>')


def coded(sentence: str) -> str:
    """A sentence as HTML, its code spans set as code."""
    return _CODE.sub(r"<code>\1</code>", html.escape(sentence, quote=False))


def fenced(code: str, language: str = "python") -> str:
    """Code in a fence that nothing in it closes. As `text` it has no colours: a gallery had a megabyte of them."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", code)), 3)
    return f"{fence}{language}\n{code.strip()}\n{fence}"
