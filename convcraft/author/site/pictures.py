"""The site's pictures: each is copied once, has a size before it is loaded, and is loaded when it comes into sight."""

import base64
import hashlib
import html
import io
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

_SIZE = re.compile(r'<svg[^>]*? width="([\d.]+)(pt|px|)" height="([\d.]+)(?:pt|px|)"')
_EMBEDDED = re.compile(r'<img ([^>]*?)src="data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)"([^>]*)>')
_INSIDE = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")  # of an SVG
_PIXELS = {"pt": 4 / 3, "px": 1, "": 1}  # of each unit of length


@dataclass(frozen=True)
class Pictures:
    """The folder that one edition's pictures go to.

    Attributes:
        folder: on disk.
        link: the same folder, seen from the pages that show them.
    """

    folder: Path
    link: str

    def img(self, path: Path, alt: str, *, first: bool = False) -> str:
        """A picture of the course as HTML; `first` for one that is in sight when its page opens.

        Raises:
            FileNotFoundError: there is no such picture.
        """
        name = f"{path.parent.name}/{path.name}"
        target = self.folder / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".svg":
                target.write_text(_INSIDE.sub(_smaller, path.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                shutil.copyfile(path, target)
        return self._tag(name, alt, *size(path), first=first)

    def extracted(self, text: str, folder: str) -> str:
        """HTML whose embedded PNGs are files in `folder` instead, without loss and smaller."""
        return _EMBEDDED.sub(lambda found: self._extract(found[1] + found[3], found[2], folder), text)

    def small(self, path: Path, name: str, alt: str, width: int) -> str:
        """A picture made narrow, for the map of the course."""
        target = self.folder / f"{name}.webp"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            picture.seek(getattr(picture, "n_frames", 1) - 1)  # an animation shows most at its end
            frame = picture.convert("RGBA")
            frame.thumbnail((width, width))
            frame.save(target, quality=80, method=4)
            return self._tag(f"{name}.webp", alt, *frame.size)

    def _extract(self, attributes: str, data: str, folder: str) -> str:
        content = base64.b64decode("".join(data.split()))
        name = f"{folder}/{hashlib.sha256(content).hexdigest()[:16]}.webp"
        target = self.folder / name
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(_webp(content))
        with Image.open(target) as picture:
            width, height = picture.size
        sized = "" if 'width="' in attributes else f' width="{width}" height="{height}"'
        return f'<img {attributes.strip()} src="{self.link}/{name}"{sized} loading="lazy" decoding="async">'

    def _tag(self, name: str, alt: str, width: int, height: int, *, first: bool = False) -> str:
        when = 'fetchpriority="high"' if first else 'loading="lazy" decoding="async"'
        return (f'<img alt="{html.escape(" ".join(alt.split()))}" src="{self.link}/{name}" width="{width}" '
                f'height="{height}" {when}>')


def _webp(png: bytes) -> bytes:
    """The same pixels, in half the bytes."""
    written = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(written, "WEBP", lossless=True, quality=50, method=2)
    return written.getvalue()


def _smaller(found: re.Match[str]) -> str:
    return "data:image/webp;base64," + base64.b64encode(_webp(base64.b64decode("".join(found[1].split())))).decode()


def size(path: Path) -> tuple[int, int]:
    """A picture's width and height in CSS pixels.

    Raises:
        ValueError: an SVG does not say.
    """
    if path.suffix != ".svg":
        with Image.open(path) as picture:
            return picture.size
    with path.open(encoding="utf-8") as file:
        found = _SIZE.search(file.read(4000))
    if not found:
        raise ValueError(f"{path} does not say its width and height in points or pixels")
    return round(float(found[1]) * _PIXELS[found[2]]), round(float(found[3]) * _PIXELS[found[2]])
