"""The front page: what the course is, its commands, the map of its chapters, and the tree of all pages."""

import html
import re
from pathlib import Path

from convcraft.author.site.chapter import opening
from convcraft.author.site.edition import Edition, SiteError
from convcraft.author.site.guide import foreign
from convcraft.author.site.pictures import Pictures

_ROW = re.compile(r"^\| (\d+) [^|]+ \| ([^|]+) \| *(\d+) *\| *(\d+) *\| *(\d+) *\|$", re.MULTILINE)
_GUIDE = re.compile(r"\[([^\]]+)\]\((guide/\w+)\.md\)")
_TREE = {  # caption → its pages, as far as the edition has them
    "tree_read": ["guide/start", "guide/glossary"],
    "tree_teach": ["guide/teaching", "guide/grading", "guide/deploy", "guide/cluster"],
    "tree_write": ["guide/authoring", "guide/architecture", "guide/contributing", "guide/api"],
    "tree_more": ["guide/bench", "guide/changelog"],
}
_WIDTH = 640  # pixels of a picture on the map


def page(edition: Edition, pictures: Pictures) -> str:
    """The front page's Markdown.

    Raises:
        SiteError: README has no row for a chapter.
    """
    place = edition.published
    written = (edition.root / f"site/{edition.language}.md").read_text(encoding="utf-8")
    shown = edition.root / f"assets/{edition.folder}readme/diagnosis.png"
    if not shown.is_file():
        shown = edition.root / "assets/readme/diagnosis.png"
    diagnosis = pictures.img(shown, edition.words["diagnosis"], first=True)
    parts = {"{map}": _map(edition, pictures), "{diagnosis}": diagnosis,
             "{clone}": f"git clone https://github.com/{place.repository}\n" if place.repository else "",
             "{trees}": _trees(edition)}
    for mark, text in parts.items():
        written = written.replace(mark, text)
    return _GUIDE.sub(lambda found: found[0] if found[2] in edition.guides else foreign(
        found[1], f"../{found[2]}.html"), written)


def _map(edition: Edition, pictures: Pictures) -> str:
    """A card for each chapter: its first picture, what one builds, how long it takes."""
    readme = edition.guides.get("guide/start") or edition.root / "README.md"
    rows = {int(found[1]): found for found in _ROW.finditer(readme.read_text(encoding="utf-8"))}
    cards = [_card(edition, chapter, rows.get(int(chapter.partition("_")[0])), readme, pictures)
             for chapter in edition.chapters]
    return '<ol class="map">\n' + "\n".join(cards) + "\n</ol>"


def _card(edition: Edition, chapter: str, row: re.Match[str] | None, readme: Path, pictures: Pictures) -> str:
    if row is None:
        raise SiteError(f"{readme}: the course table has no row for {chapter}; write one, then `make notebooks`")
    title, first = opening(edition, chapter)
    picture = pictures.small(first, f"map/{chapter}", "", _WIDTH) if first else ""
    number, _, name = title.partition(" · ")
    builds = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(row[2].strip(), quote=False))
    takes = edition.words["takes"].format(exercises=row[3], all=row[4])
    return (f'<li><a href="chapters/{chapter}.html"><span class="frame">{picture}</span><span class="number">{number}'
            f'</span> <strong>{html.escape(name)}</strong><span class="builds">{builds}</span>'
            f'<span class="minutes">{takes}</span></a></li>')


def _trees(edition: Edition) -> str:
    trees = [_tree(edition.words["tree_chapters"], [f"chapters/{chapter}" for chapter in edition.chapters])]
    for caption, pages in _TREE.items():
        there = [page for page in pages if edition.has(page)]
        if there:
            trees.append(_tree(edition.words[caption], there))
    return "\n\n".join(trees)


def _tree(caption: str, pages: list[str]) -> str:
    lines = "\n".join(pages)
    return f"```{{toctree}}\n:caption: {caption}\n:hidden:\n:titlesonly:\n\n{lines}\n```"
