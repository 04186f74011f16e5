"""The words in figures: every text that matplotlib or Pillow draws goes by here, to be noted or to be said anew."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from matplotlib import rcParams
from matplotlib.text import Text
from PIL import ImageFont
from PIL.ImageDraw import ImageDraw

from convcraft.author.messages.blocks import has_words
from convcraft.plots import CHINESE, FONT

_NAME = re.compile(r"[\w.()=]*_[\w.()=]*")  # grad_out, align_corners=False: as in the code
_NUMBER = re.compile(r"(?<![\w.×^])[−-]?\d+(?:[.,]\d+)*(?![\w×])")


@contextmanager
def drawing(say: Callable[[str], str]) -> Iterator[None]:
    """A block in which whatever is drawn says what `say` makes of it."""
    put, draw, choose = Text.set_text, ImageDraw.text, Text.set_fontfamily
    fallback = [CHINESE] if CHINESE in rcParams["font.family"] else []

    def set_text(self: Text, s: Any) -> None:
        put(self, said(s, say) if isinstance(s, str) else s)

    def text(self: ImageDraw, xy: Any, text: str, *args: Any, **kwargs: Any) -> Any:
        new = said(text, say)
        if not new.isascii() and new != text:  # Pillow's own font has no Chinese letters
            kwargs["font"] = ImageFont.truetype(FONT, kwargs["font"].size)
        return draw(self, xy, new, *args, **kwargs)

    def set_fontfamily(self: Text, fontname: Any) -> None:
        families = [fontname] if isinstance(fontname, str) else fontname
        choose(self, [*families, *fallback] if families and fallback else fontname)  # monospace has no Chinese letters

    with (patch.object(Text, "set_text", set_text), patch.object(Text, "set_fontfamily", set_fontfamily),
          patch.object(ImageDraw, "text", text)):
        yield


def said(text: str, say: Callable[[str], str]) -> str:
    """A text in a figure with its words said anew. Numbers are placeholders, since they may be measured: {1}, {2}."""
    numbers: list[str] = []

    def take(found: re.Match[str]) -> str:
        numbers.append(found[0])
        return f"{{{len(numbers)}}}"

    if not has_words(text) or _NAME.fullmatch(text):
        return text
    template = _NUMBER.sub(take, text)
    new = say(template)
    return re.sub(r"\{(\d+)\}", lambda found: numbers[int(found[1]) - 1], new) if new != template else text
