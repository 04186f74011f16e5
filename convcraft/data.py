"""Real pictures without a download: the digits and photographs of scikit-learn, and a reader's own MNIST."""

from functools import cache

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
