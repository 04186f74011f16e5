"""The Chinese letters that figures are drawn with: as many of Noto Sans CJK as the catalogues use, for any machine."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib
import polib
from fontTools import subset
from fontTools.ttLib import TTFont

from convcraft.author.source import SourceError
from convcraft.language import CATALOGUES, DOMAIN
from convcraft.plots import CHINESE, FONT

DEBIAN = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")  # of the package fonts-noto-cjk
_SIMPLIFIED = 2  # of the fonts in that file: the one whose letters are drawn as in mainland China
_MOST = 600_000  # bytes
_ALWAYS = "，。：；？！（）“”‘’、《》…—·"
_DEJAVU = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")  # comes with matplotlib, and is asked first


def used(root: Path) -> set[str]:
    """Every letter that a translation of the course or the package uses."""
    paths = [*root.glob("source/*/zh.po"), CATALOGUES / f"zh/LC_MESSAGES/{DOMAIN}.po"]
    entries = (entry for path in paths if path.is_file() for entry in polib.pofile(str(path)))
    return {letter for entry in entries for text in (entry.msgstr, *entry.msgstr_plural.values()) for letter in text
            if letter.isprintable() and not letter.isspace()}


def lacking(letters: Iterable[str]) -> list[str]:
    """Those that a figure could not show: neither the course's font has them nor matplotlib's."""
    known: set[int] = set()
    for path in (FONT, _DEJAVU):
        if path.is_file():
            known |= set(TTFont(path).getBestCmap())
    return sorted(letter for letter in set(letters) if ord(letter) not in known)


def build(root: Path, full: Path = DEBIAN) -> tuple[int, int]:
    """Write the font with the letters that are used; returns how many, and the bytes.

    Args:
        full: Noto Sans CJK, of which the font is a part.

    Raises:
        SourceError: it is not there, or the part would be too large.
    """
    if not full.is_file():
        raise SourceError(f"{full} is missing; install Debian's fonts-noto-cjk, or name the file: "
                          "`convcraft build font --full NotoSansCJK-Regular.ttc`")
    letters = {letter for letter in used(root) if not letter.isascii()} | set(_ALWAYS)
    options = subset.Options(hinting=False, layout_features=[], name_IDs=[0, 13, 14], notdef_outline=True,
                             font_number=_SIMPLIFIED)
    font = subset.load_font(str(full), options)
    letters = {letter for letter in letters if ord(letter) in font.getBestCmap()}
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(sorted(letters)))
    subsetter.subset(font)
    for number, name in ((1, CHINESE), (2, "Regular"), (3, f"{CHINESE} Regular"), (4, CHINESE),
                         (6, CHINESE.replace(" ", ""))):  # a name of its own: it is not all of the font it was cut from
        font["name"].setName(name, number, 3, 1, 0x409)
    font["head"].created = font["head"].modified = 0  # the same letters give the same bytes
    font.recalcTimestamp = False
    FONT.parent.mkdir(exist_ok=True)
    subset.save_font(font, str(FONT), options)
    if (size := FONT.stat().st_size) > _MOST:
        raise SourceError(f"{FONT} has {size:,} bytes, more than {_MOST:,}; use fewer rare letters")
    return len(letters), size
