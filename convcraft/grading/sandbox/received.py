"""What came out of the sandbox, looked at before anything believes it."""

import base64
import io
import json
import re
from dataclasses import replace
from typing import Any

from PIL import Image

from convcraft.exam import Failure, Record
from convcraft.grading.text import as_it_is

_MAX_HEADER = 2**20
_MAX_TEXT = 10_000
_MAX_LINES = 200  # of a traceback
_MAX_PIXELS = 25_000_000
_BASE64 = re.compile(r"[A-Za-z0-9+/\n]*={0,2}\n?")


def checked_record(payload: bytes) -> Record:
    """A record of one aspect.

    Raises:
        ValueError: it is none.
    """
    if int.from_bytes(payload[:8], "little") > _MAX_HEADER:
        raise ValueError("a record's header is too long")
    record = Record.from_bytes(payload)
    seen = record.observation
    if isinstance(seen, Failure):
        seen = Failure(as_it_is(seen.kind), as_it_is(seen.message), as_it_is(seen.place))
    return replace(record, observation=seen, output=as_it_is(record.output[:_MAX_TEXT]),
                   calls=tuple(map(as_it_is, record.calls)))


def checked_output(payload: bytes) -> dict[str, Any]:
    """An output of a kind that a notebook may show and a browser cannot run.

    Raises:
        ValueError: it is none.
    """
    try:
        output = json.loads(payload)
        match output:
            case {"output_type": "stream", "name": ("stdout" | "stderr") as name, "text": str(text)}:
                return {"output_type": "stream", "name": name, "text": as_it_is(text)}
            case {"output_type": "error", "ename": str(name), "evalue": str(value), "traceback": [*lines]}:
                return {"output_type": "error", "ename": as_it_is(name), "evalue": as_it_is(value),
                        "traceback": [as_it_is(line) for line in lines[:_MAX_LINES] if isinstance(line, str)]}
            case {"output_type": ("display_data" | "execute_result") as kind, "data": {**data}}:
                kept = {"text/plain": as_it_is(str(data.get("text/plain", "")))}
                for mime in ("image/png", "image/jpeg"):
                    picture = data.get(mime)
                    if isinstance(picture, str) and _BASE64.fullmatch(picture) and _can_be_shown(picture, mime):
                        kept[mime] = picture.replace("\n", "")
                result: dict[str, Any] = {"output_type": kind, "data": kept, "metadata": {}}
                return result | {"execution_count": None} if kind == "execute_result" else result
    except RecursionError as error:
        raise ValueError("too deep") from error
    raise ValueError("no output")


def _can_be_shown(picture: str, mime: str) -> bool:
    """Whether it is a picture of its kind, and none that fills a browser's memory: only its beginning is read."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(picture)), formats=[mime.removeprefix("image/")]) as opened:
            return opened.width * opened.height <= _MAX_PIXELS
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, for what is no picture
        return False
