"""Inputs for exams, drawn from a seed."""

import hashlib

import torch
from torch import Tensor, nn


def key(*parts: object) -> int:
    """A seed for `torch.Generator`, the same on every machine for the same parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class Draw:
    """Random inputs for one exercise; every aspect has a stream of its own, named by the seed and the aspect.

    Args:
        seed: 0 in a notebook, the class's secret number in grading.
        exercise: the exercise's name.
    """

    def __init__(self, seed: int, exercise: str):
        self._parts = (seed, exercise)
        self._generator: torch.Generator | None = None

    def begin(self, aspect: str) -> None:
        """Start the stream that belongs to `aspect`."""
        self._aspect = aspect
        self._generator = torch.Generator().manual_seed(key(*self._parts, aspect))

    @property
    def _stream(self) -> torch.Generator:
        if self._generator is None:
            raise RuntimeError("draw inside an aspect's lambda: outside of it no aspect's stream has begun")
        return self._generator

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Standard normal numbers of the given shape."""
        return torch.randn(shape, generator=self._stream, dtype=torch.float64).to(dtype)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 numbers, uniform in [low, high)."""
        return torch.rand(shape, generator=self._stream) * (high - low) + low

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """int64 numbers in [low, high)."""
        return torch.randint(low, high, shape, generator=self._stream)

    def distinct(self, *shape: int) -> Tensor:
        """float32 numbers, no two alike and none 0: a shuffled arithmetic progression from -2 to 2.

        The same on every processor, which `torch.linspace` is not; what would be 0 is -2⁻²³.
        """
        count = torch.Size(shape).numel()
        steps = max(count - 1, 1)
        numbers = ((4 * torch.arange(count) - 2 * steps).double() / steps).float()
        numbers[numbers == 0] = -2.0**-23
        return numbers[torch.randperm(count, generator=self._stream)].reshape(shape)

    def seed(self) -> int:
        """A number for `manual_seed`."""
        return int(torch.randint(0, 2**31 - 1, (), generator=self._stream))

    def generator(self) -> torch.Generator:
        """A fresh, seeded `torch.Generator`."""
        return torch.Generator().manual_seed(self.seed())

    def fill_(self, module: nn.Module) -> nn.Module:
        """Fill every floating parameter and buffer in place, each with numbers drawn from its own name.

        The order in which a module creates its parameters makes no difference. `running_var` is positive.
        """
        self._stream  # noqa: B018  (raises outside an aspect)
        with torch.no_grad():
            for name, tensor in module.state_dict(keep_vars=True).items():
                if not tensor.is_floating_point():
                    continue
                generator = torch.Generator().manual_seed(key(*self._parts, self._aspect, name))
                if name.endswith("running_var"):
                    values = torch.rand(tensor.shape, generator=generator) + 0.5
                else:
                    values = torch.randn(tensor.shape, generator=generator) * 0.3
                tensor.copy_(values)
        return module
