"""Real pictures without a download: the digits and photographs of scikit-learn, and a reader's own MNIST."""

import gzip
import math
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor


def photo(name: str = "china", height: int | None = None) -> Tensor:
    """A photograph as a float32 tensor (3, H, W) in [0, 1].

    Args:
        name: `"china"` (the Summer Palace in Beijing) or `"flower"`, both 427 x 640.
        height: shrinks it to this height, the width in proportion.

    Raises:
        ValueError: there is no photograph of that name.
    """
    if name not in ("china", "flower"):
        raise ValueError(f"no photograph {name!r}; there are 'china' and 'flower'")
    pixels = torch.from_numpy(load_sample_image(f"{name}.jpg").copy()).permute(2, 0, 1).float() / 255
    if height is None:
        return pixels
    width = round(pixels.shape[2] * height / pixels.shape[1])
    return F.interpolate(pixels[None], (height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)


@cache
def _digits() -> tuple[Tensor, Tensor]:
    bunch = load_digits()
    return torch.from_numpy(bunch.images).float().unsqueeze(1) / 16, torch.from_numpy(bunch.target).long()


def digits() -> tuple[Tensor, Tensor]:
    """1,797 handwritten digits: images (1797, 1, 8, 8) float32 in [0, 1], labels (1797,) int64.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    images, labels = _digits()
    return images.clone(), labels.clone()


_MNIST = {True: "train", False: "t10k"}  # how MNIST's own files are called
_GZIP = b"\x1f\x8b"


def mnist(folder: str | Path, train: bool = True) -> tuple[Tensor, Tensor]:
    """A reader's own MNIST: images (N, 1, 28, 28) float32 in [0, 1], labels (N,) int64.

    Source: Y. LeCun, C. Cortes and C. Burges, The MNIST Database of Handwritten Digits, 1998. Its files are in the IDX
    format: a magic number, the sizes, then one byte a pixel or label. They may be packed with gzip or not.

    Args:
        folder: where the files are.
        train: the 60,000 training digits, or the 10,000 for testing.

    Raises:
        FileNotFoundError: a file is missing; the message says what to put where.
        ValueError: a file is damaged or another one than its name says; the message says which, where and what to do.
    """
    part = _MNIST[train]
    images_path, labels_path = (_find_idx(Path(folder), f"{part}-{rest}") for rest in
                                ("images-idx3-ubyte", "labels-idx1-ubyte"))
    images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(f"{labels_path}: bytes 4 to 7 announce {len(labels)} labels, but {images_path.name} holds "
                         f"{len(images)} images; put the two files of one download together")
    if len(labels) and labels.max() > 9:
        place = int((labels > 9).nonzero()[0])
        raise ValueError(f"{labels_path}: byte {8 + place} is the label {int(labels[place])}, and digits end at 9; "
                         "get the file again")
    return images.unsqueeze(1).float() / 255, labels.long()


def _find_idx(folder: Path, name: str) -> Path:
    """The file, packed or not, under the name of the original or with a dot before `idx`, as some copies have it."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(f"{folder / name} is missing: put MNIST's four files (train-images-idx3-ubyte, "
                            "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; plain or .gz) "
                            f"into the folder {folder}.")


def _read_idx(path: Path, axes: int) -> Tensor:
    """The bytes of an IDX file as a uint8 tensor of so many axes."""
    data = _unpacked(path)
    start = 4 + 4 * axes
    magic = 0x0800 + axes  # 08 says bytes, the last digit how many axes
    if len(data) < start:
        raise ValueError(f"{path}: it ends after {len(data)} bytes, inside its header of {start}; get the file again")
    found, *sizes = struct.unpack(f">{1 + axes}I", data[:start])
    if found != magic:
        raise ValueError(f"{path}: the magic number in bytes 0 to 3 is {found}, not {magic}; this is no MNIST file of "
                         "that name, get it again")
    if len(data) != start + math.prod(sizes):
        raise ValueError(f"{path}: {' x '.join(map(str, sizes))} bytes after the header were announced in bytes 4 to "
                         f"{start - 1}, {len(data) - start} are there; get the file again")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(sizes).copy())


def _unpacked(path: Path) -> bytes:
    """The file's bytes; what it holds, not its name, says whether it is packed."""
    data = path.read_bytes()
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: the gzip data is damaged ({error}); get the file again") from error
