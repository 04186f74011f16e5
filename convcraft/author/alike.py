"""Whether what was generated twice is the same, on whichever processor: numbers may differ by a hair."""

import base64
import re
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")
_POINT = 0.2  # of a drawing, 72 to the inch: what nobody sees
_ID = re.compile(r"\b([a-z]+)[0-9a-f]{10}\b")


def same_picture(one: Path, other: Path) -> bool:
    """The same bytes, or, drawn on another processor, the same to a hair."""
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix != ".svg":
        return _same_frames(one.read_bytes(), other.read_bytes())
    texts = [path.read_text(encoding="utf-8") for path in (one, other)]
    embedded = [[base64.b64decode("".join(data.split())) for data in _EMBEDDED.findall(text)] for text in texts]
    if len(embedded[0]) != len(embedded[1]) or not all(
            _same_frames(mine, theirs) for mine, theirs in zip(*embedded, strict=True)):
        return False
    mine, theirs = (_ID.sub(r"\1", _EMBEDDED.sub("", text)) for text in texts)
    return same_text(mine, theirs, _POINT)


def same_text(one: str, other: str, hair: float = 0.05) -> bool:
    """The same words, and the same numbers to a hair, or to two thousandths."""
    if one == other:
        return True
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    numbers = [np.array([float(number) for number in _NUMBER.findall(text)]) for text in (one, other)]
    return np.allclose(numbers[0], numbers[1], rtol=2e-3, atol=hair)


def _same_frames(one: bytes, other: bytes) -> bool:
    images = [[np.asarray(frame.convert("RGBA"), dtype=float) for frame in ImageSequence.Iterator(
        Image.open(BytesIO(data)))] for data in (one, other)]
    return len(images[0]) == len(images[1]) and all(
        mine.shape == theirs.shape and np.abs(mine - theirs).mean() < 1
        for mine, theirs in zip(*images, strict=True))
