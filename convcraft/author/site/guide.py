"""A page that is written outside `source/`: a file of `docs/`, README and the like, its links made the site's."""

import os
import re
from pathlib import Path

from convcraft.author.site.edition import GUIDES, LANGUAGES, Edition, SiteError
from convcraft.author.site.pictures import Pictures

_LINK = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|(?P<picture>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]"
                   r"\((?P<to>[^)\s]+)\)", re.DOTALL)
_FAR = re.compile(r"[a-z]+:|#|//")


def page(edition: Edition, guide: str, pictures: Pictures) -> str:
    """The page's Markdown.

    Raises:
        SiteError: a link leads nowhere.
    """
    path = edition.guides[guide]
    text = path.read_text(encoding="utf-8")
    if guide == "guide/start":
        text = re.sub(r"\A# .*", f"# {edition.words['start']}", text)
    return _LINK.sub(lambda found: found["code"] or _linked(found, path, edition, pictures), text)


def _linked(found: re.Match[str], path: Path, edition: Edition, pictures: Pictures) -> str:
    """A link or a picture as the site has it; its words alone, where it leads to what is nowhere to be read."""
    to, _, anchor = found["to"].partition("#")
    if _FAR.match(found["to"]):
        return found[0]
    target = Path(os.path.normpath(path.parent / to))
    if not target.exists():
        raise SiteError(f"{path}: the link {found['to']} leads nowhere; mend it")
    if found["picture"]:
        return pictures.img(target, found["text"])
    text = _LINK.sub(lambda inner: inner["code"] or _linked(inner, path, edition, pictures), found["text"])
    return _link(text, target, f"#{anchor}" if anchor else "", edition, path)


def _link(text: str, target: Path, anchor: str, edition: Edition, page: Path) -> str:
    """To a page of the site: in the page's own language, but for a translation's link to its original."""
    if target == edition.root / "docs":
        target = edition.root / GUIDES["guide/teaching"]
    for guide, path in GUIDES.items():
        here = edition.guides.get(guide)
        if here and (target == here or (target == edition.root / path and page != here)):
            return f"[{text}]({guide.partition('/')[2]}.md{anchor})"
        for language in LANGUAGES:
            other = Edition(edition.root, language)
            if target == other.guides.get(guide) and not other.missing:
                top = "../../" if edition.folder else "../"
                return foreign(text, f"{top}{other.folder}{guide}.html{anchor}", language)
    place = edition.published
    there = f"https://github.com/{place.repository}/blob/{place.branch}/{target.relative_to(edition.root).as_posix()}"
    return f"[{text}]({there})" if place.repository else text


def foreign(text: str, address: str, language: str = "en") -> str:
    """A link to a page in another language; as HTML, for Sphinx knows only the pages of one."""
    return f'<a href="{address}" hreflang="{LANGUAGES[language].replace("_", "-")}">{text}</a>'
