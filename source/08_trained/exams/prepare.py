"""How `prepare` is examined."""

import math

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise


def _sized(high, wide, size):
    """How large the whole picture is to become: its short side is what it takes."""
    short = round(size * 8 / 7)
    return (short, round(wide * short / high)) if high <= wide else (round(high * short / wide), short)


def _resized(image, sides, antialias=True, mode="bilinear"):
    options = {} if mode == "nearest" else {"antialias": antialias}
    return F.interpolate(image.permute(2, 0, 1)[None].float(), sides, mode=mode, **options)


def _middle(x, size):
    top, left = (x.shape[-2] - size) // 2, (x.shape[-1] - size) // 2
    return x[..., top:top + size, left:left + size]


def _scaled(x):
    return (x - 127) / 128


def _one_by_one(make):
    """`prepare` for a list, from what is done to one picture."""
    def answer(images, size=224):
        return torch.cat([make(image, size) for image in images])

    answer.__name__ = make.__name__
    return answer


def _one(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size)), size))


_prepare = _one_by_one(_one)


@exercise(points=10, reference=_prepare)
def prepare(impl, draw):
    def small(images, size, every=1):
        """What comes of small pictures, of every so many rows and columns: a sealed exam holds all that is seen."""
        result = impl(images, size)
        if not isinstance(result, torch.Tensor):
            return result
        if result.numel() > 20_000:
            raise ValueError(f"it has shape {tuple(result.shape)}; ({len(images)}, 3, {size}, {size}) was asked for")
        return result[..., ::every, ::every]

    def bytes_of(high, wide):
        """A picture that is smooth, so that no way to resize it ends in other numbers by accident, and not alike."""
        coarse = draw.uniform(1, 3, 4, 5, low=0, high=255)
        smooth = F.interpolate(coarse, (high, wide), mode="bicubic", align_corners=True).clamp(0, 255)
        return smooth[0].permute(1, 2, 0).round().to(torch.uint8)

    def noise(high, wide):
        return draw.integers(0, 256, high, wide, 3).to(torch.uint8)

    def several():
        images = [bytes_of(16, 16), bytes_of(28, 28), bytes_of(31, 31)]
        mixed = [bytes_of(12, 12), bytes_of(10, 18)]
        together = impl(mixed, 14)
        return {"three pictures": small(images, 14, every=3),
                "beside a square one a wide one is as it is alone": torch.equal(together[1:], impl(mixed[1:], 14))}

    def conduct():
        image = bytes_of(16, 16)
        kept = image.clone()
        return {"result": small([kept], 14, every=3), "input left alone": kept}

    yield aspect("scaled", "The bytes 0 to 255 become (x − 127) / 128, from −0.99 to 1, as float32.",
                 lambda: small([noise(16, 16)], 14, every=3), dtype=True)
    yield aspect("channels first", "(H, W, 3) becomes (3, size, size): the colours move, no pixel does.",
                 lambda: small([bytes_of(16, 16)], 14))
    yield aspect("short side", "The short side becomes size · 8 / 7 (256 for 224), the long one in proportion, each "
                 "rounded to a whole number; nothing is distorted.",
                 lambda: {"wide": small([bytes_of(10, 16)], 14), "high": small([bytes_of(24, 10)], 14),
                          "a size of 27": small([bytes_of(24, 24)], 27, every=5),
                          "a size of 17": small([bytes_of(24, 24)], 17, every=3)}, weight=2)
    yield aspect("antialias", "It is resized by `F.interpolate`, bilinear, with `antialias=True`, and before anything "
                 "is rounded.",
                 lambda: {"smaller": small([noise(64, 64)], 14), "larger": small([noise(9, 9)], 14, every=2)}, weight=2)
    yield aspect("the middle", "Of that the middle `size` by `size` pixels are taken; where the rest is odd, the "
                 "smaller half is left out at the top and on the left.",
                 lambda: {"a size of 14": small([bytes_of(32, 32)], 14),
                          "a size of 21": small([bytes_of(24, 24)], 21, every=2)})
    yield aspect("a list", "`images` is a list of pictures, each of its own size; the result has one for each, in "
                 "order.",
                 several)
    yield aspect("size", "The size is 224 unless given.",
                 lambda: {"not given": impl([bytes_of(256, 256)])[..., ::32, ::32],
                          "28": small([bytes_of(32, 32)], 28, every=4)})
    yield aspect("left alone", "The pictures stay as they were.", conduct)


@prepare.misconception("The bytes were divided by 255. That gives 0 to 1; this net was trained on −1 to 1: (x − 127) / "
                       "128.")
@_one_by_one
def divides_by_255(image, size):
    return (_one(image, size) * 128 + 127) / 255


@prepare.misconception("The bytes became (x − 127.5) / 127.5, from −1 to 1. That is nearly it, and other nets want it: "
                       "this one was trained on (x − 127) / 128.")
@_one_by_one
def centres_at_127_and_a_half(image, size):
    return (_one(image, size) * 128 + 127 - 127.5) / 127.5


@prepare.misconception("The bytes were not scaled at all. For a net that was trained on −1 to 1 all of them are far "
                       "too large: (x − 127) / 128.")
@_one_by_one
def leaves_bytes(image, size):
    return _one(image, size) * 128 + 127


@prepare.misconception("ImageNet's mean and deviation were used, as torchvision's nets want it. This one was trained "
                       "on (x − 127) / 128: what a net was fed belongs to its weights.")
@_one_by_one
def normalises_as_torchvision(image, size):
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((_one(image, size) * 128 + 127) / 255 - mean[:, None, None]) / std[:, None, None]


@prepare.misconception("127 was subtracted while the numbers were still bytes (uint8). There is no −1 among bytes: "
                       "below 0 they begin again at 255. Make floats first.")
@_one_by_one
def subtracts_bytes(image, size):
    return _middle(_resized(image - 127, _sized(*image.shape[:2], size)), size) / 128


@prepare.misconception("The colours were moved to the front by `reshape` or `view`. That keeps the order in memory and "
                       "cuts each row into three strips: use `permute(2, 0, 1)`.")
@_one_by_one
def reshapes_the_channels(image, size):
    high, wide = image.shape[:2]
    return _one(image.reshape(3, high, wide).permute(1, 2, 0), size)


@prepare.misconception("Rows and columns are exchanged: the picture lies on its side. `permute(2, 0, 1)` keeps height "
                       "before width; `.T` does not.")
@_one_by_one
def transposes(image, size):
    return _one(image, size).transpose(-1, -2)


@prepare.misconception("The whole picture was pressed into a square. A wide motorcycle becomes a narrow one: resize in "
                       "proportion, then take the middle.")
@_one_by_one
def presses_into_a_square(image, size):
    short = round(size * 8 / 7)
    return _scaled(_middle(_resized(image, (short, short)), size))


@prepare.misconception("The picture was brought to `size` by `size` at once: pressed, and with nothing cut off. First "
                       "the short side to size · 8 / 7 in proportion, then the middle.")
@_one_by_one
def presses_into_the_size(image, size):
    return _scaled(_resized(image, (size, size)))


@prepare.misconception("The middle begins half a pixel too late, rounded up. Where the rest is odd, the smaller half "
                       "is left out at the top and on the left: `//` rounds down.")
@_one_by_one
def rounds_the_middle_up(image, size):
    x = _resized(image, _sized(*image.shape[:2], size))
    top, left = (x.shape[-2] - size + 1) // 2, (x.shape[-1] - size + 1) // 2
    return _scaled(x[..., top:top + size, left:left + size])


@prepare.misconception("The long side was rounded down (`int`). It is rounded to the nearest whole number: `round`.")
@_one_by_one
def rounds_the_long_side_down(image, size):
    short = round(size * 8 / 7)
    sides = tuple(int(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("Both sides were rounded down (`//`, `int`). Each is rounded to the nearest whole number: "
                       "`round`.")
@_one_by_one
def rounds_both_sides_down(image, size):
    short = size * 8 // 7
    sides = tuple(int(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("The short side was rounded down (`//`, `int`). It is rounded to the nearest whole number: "
                       "`round`.")
@_one_by_one
def rounds_the_short_side_down(image, size):
    short = size * 8 // 7
    sides = tuple(round(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("Both sides were rounded up (`ceil`). Each is rounded to the nearest whole number: `round`.")
@_one_by_one
def rounds_both_sides_up(image, size):
    short = math.ceil(size * 8 / 7)
    sides = tuple(math.ceil(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("The long side was rounded up (`ceil`). It is rounded to the nearest whole number: `round`.")
@_one_by_one
def rounds_the_long_side_up(image, size):
    short = round(size * 8 / 7)
    sides = tuple(math.ceil(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("The short side became size + 32. That is 256 for 224 alone: in general it is size · 8 / 7.")
@_one_by_one
def adds_a_margin_of_32(image, size):
    short = size + 32
    sides = tuple(round(side * short / min(image.shape[:2])) for side in image.shape[:2])
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("All pictures were resized to what the first one needs. Each has sides of its own: work them "
                       "out inside the loop.", literal=True)
def resizes_all_as_the_first(images, size=224):
    sides = _sized(*images[0].shape[:2], size)
    return torch.cat([_scaled(_middle(_resized(image, sides), size)) for image in images])


@prepare.misconception("The two sides were exchanged: `F.interpolate` takes the height first, then the width.")
@_one_by_one
def exchanges_the_sides(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size)[::-1]), size))


@prepare.misconception("It was resized with `align_corners=True`: the outermost pixels' centres then stay at the "
                       "border. This net was tested without.")
@_one_by_one
def aligns_the_corners(image, size):
    x = F.interpolate(image.permute(2, 0, 1)[None].float(), _sized(*image.shape[:2], size), mode="bilinear",
                      antialias=True, align_corners=True)
    return _scaled(_middle(x, size))


@prepare.misconception("It was resized bicubically. The task says bilinear: other weights may want other ways.")
@_one_by_one
def resizes_bicubically(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size), mode="bicubic"), size))


@prepare.misconception("The bytes were resized as bytes: `F.interpolate` then rounds its result to bytes. Make floats "
                       "first.")
@_one_by_one
def resizes_bytes(image, size):
    x = F.interpolate(image.permute(2, 0, 1)[None], _sized(*image.shape[:2], size), mode="bilinear", antialias=True)
    return _scaled(_middle(x, size).float())


@prepare.misconception("The middle square was cut out first and resized then. At its border the resizing then misses "
                       "pixels that were cut off: resize the whole picture.")
@_one_by_one
def crops_a_square_first(image, size):
    square = _middle(image.permute(2, 0, 1), min(image.shape[:2])).permute(1, 2, 0)
    short = round(size * 8 / 7)
    return _scaled(_middle(_resized(square, (short, short)), size))


@prepare.misconception("Only the first picture was prepared: the `return` stands inside the loop, or the list was "
                       "taken for one picture.")
def prepares_the_first_alone(images, size=224):
    return _one(images[0], size)


@prepare.misconception("A list of pictures came back. The task asks for one tensor, (N, 3, size, size): join them.",
                       literal=True)
def gives_a_list(images, size=224):
    return [_one(image, size)[0] for image in images]


@prepare.misconception("The long side became size · 8 / 7. Then the short one is too short for the middle: it is the "
                       "short side that counts.")
@_one_by_one
def fits_the_long_side(image, size):
    high, wide = image.shape[:2]
    long = round(size * 8 / 7)
    sides = (long, round(wide * long / high)) if high >= wide else (round(high * long / wide), long)
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("The short side became `size`, not size · 8 / 7: of a square picture nothing is cut off, and "
                       "everything is smaller than what the net was trained on.")
@_one_by_one
def leaves_no_margin(image, size):
    high, wide = image.shape[:2]
    sides = (size, round(wide * size / high)) if high <= wide else (round(high * size / wide), size)
    return _scaled(_middle(_resized(image, sides), size))


@prepare.misconception("The short side became 256 whatever `size` is. 256 belongs to 224: it is size · 8 / 7.")
@_one_by_one
def always_resizes_to_256(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], 224)), size))


@prepare.misconception("The upper left corner was taken, not the middle. What a photograph shows is mostly in the "
                       "middle.")
@_one_by_one
def takes_the_corner(image, size):
    return _scaled(_resized(image, _sized(*image.shape[:2], size))[..., :size, :size])


@prepare.misconception("There was no `antialias=True`. Where a picture becomes smaller, bilinear then looks at four "
                       "pixels and skips the others: chapter 2's aliasing.")
@_one_by_one
def resizes_without_antialias(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size), antialias=False), size))


@prepare.misconception("It was resized by the nearest pixel. That skips pixels and makes edges ragged: bilinear, with "
                       "`antialias=True`.")
@_one_by_one
def takes_the_nearest(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size), mode="nearest"), size))


@prepare.misconception("The numbers were rounded to bytes again after resizing. `F.interpolate` gives floats: scale "
                       "them as they are.")
@_one_by_one
def rounds_to_bytes(image, size):
    return _scaled(_middle(_resized(image, _sized(*image.shape[:2], size)).round().clamp(0, 255), size))


@prepare.misconception("The middle was cut out of the picture as it is, and nothing was resized, or only afterwards. "
                       "A large photograph then shows a detail.")
@_one_by_one
def crops_first(image, size):
    high, wide = image.shape[:2]
    short = min(high, wide)
    square = _middle(image.permute(2, 0, 1)[None].float(), short)
    return _scaled(F.interpolate(square, (size, size), mode="bilinear", antialias=True))


@prepare.misconception("`size` is ignored: every picture becomes 224 by 224.")
def ignores_the_size(images, size=224):
    return _prepare(images)


@prepare.misconception("Red and blue are exchanged, as OpenCV has them. The net knows red, green, blue.")
@_one_by_one
def exchanges_red_and_blue(image, size):
    return _one(image, size).flip(1)


@prepare.alternative
def by_two_cases(images, size=224):
    out = torch.empty(len(images), 3, size, size)
    for number, image in enumerate(images):
        high, wide, _ = image.shape
        factor = round(size / 0.875) / min(high, wide)
        x = image.float().movedim(-1, 0).unsqueeze(0)
        x = F.interpolate(x, size=(round(high * factor), round(wide * factor)), mode="bilinear", antialias=True,
                          align_corners=False)
        top, left = (x.shape[2] - size) // 2, (x.shape[3] - size) // 2
        out[number] = x[0, :, top:top + size, left:left + size]
    return out.sub(127).div(128)


@prepare.alternative
def scaled_first(images, size=224):
    done = []
    for image in images:
        x = ((image.to(torch.float32) - 127.0) / 128.0).permute(2, 0, 1)
        x = F.interpolate(x[None], _sized(*x.shape[1:], size), mode="bilinear", antialias=True)
        done.append(_middle(x, size)[0])
    return torch.stack(done)


@prepare.alternative
def by_a_factor_that_is_not_rounded(images, size=224):
    def one(image):
        factor = size * 8 / 7 / min(image.shape[:2])
        sides = [round(side * factor) for side in image.shape[:2]]
        return _scaled(_middle(_resized(image, sides), size))

    return torch.cat([one(image) for image in images])


@prepare.alternative
def by_narrowing(images, size=224):
    def one(image):
        short = round(size * 8 / 7)
        rows, columns = (round(side * short / min(image.shape[:2])) for side in image.shape[:2])
        x = torch.stack([image[..., colour] for colour in range(3)])[None].float()
        x = F.interpolate(x, [rows, columns], mode="bilinear", antialias=True)
        return x.narrow(2, (rows - size) // 2, size).narrow(3, (columns - size) // 2, size) / 128 - 127 / 128

    return torch.cat(list(map(one, images)))


prepare.equivalent(
    "height, width = (round(side * short / min(x.shape[-2:])) for side in x.shape[-2:]) -> "
    "height, width = (round(side * short / min(x.shape[2:])) for side in x.shape[-2:])",
    "A batch of pictures has four axes: its third is its last but one.")
prepare.equivalent(
    "height, width = (round(side * short / min(x.shape[-2:])) for side in x.shape[-2:]) -> "
    "height, width = (round(side * short / min(x.shape[-2:])) for side in x.shape[2:])",
    "A batch of pictures has four axes: its third is its last but one.")
