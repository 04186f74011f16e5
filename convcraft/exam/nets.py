"""What exams of whole nets and blocks have in common: how a module is made plain, asked for its shapes, and run."""

import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Net = TypeVar("Net", bound=nn.Module)


def shapes(module: nn.Module) -> dict[str, str]:
    """Every parameter and buffer by name, with its shape as text."""
    return {name: str(tuple(tensor.shape)) for name, tensor in module.state_dict().items()}


def count(module: nn.Module) -> int:
    """How many parameters it has."""
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(impl: Callable[..., Any], *arguments: Any) -> Any:
    """What `impl` makes where only shapes are looked at: without numbers, however large it is."""
    with torch.device("meta"):
        return impl(*arguments)


def unbiased(module: Net) -> Net:
    """The module, its convolutions' biases 0: that there is one is told by the shapes, and costs their aspect alone."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.bias is not None:
            nn.init.zeros_(part.bias)
    return module


def fitting(call: Callable[..., Any], *arguments: Any) -> Any:
    """What `call` gives.

    Raises:
        RuntimeError: two sizes do not fit; it names the smaller first, however the sum was written.
    """
    try:
        return call(*arguments)
    except RuntimeError as error:
        sizes = re.search(r"size of tensor a \((\d+)\) must match the size of tensor b \((\d+)\).*(\d+)", str(error))
        if not sizes:
            raise
        small, large = sorted(map(int, sizes.groups()[:2]))
        raise RuntimeError(f"sizes {small} and {large} do not fit together in axis {sizes[3]}").with_traceback(
            error.__traceback__) from None


def descend(parameters: Iterable[Tensor], lr: float) -> None:
    """One step of plain gradient descent.

    By hand, where any optimizer will do: PyTorch's import its compiler, a second or two of a reader's first verdict.
    """
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.sub_(lr * parameter.grad)


class Log(list[Any]):
    """A list that a copy of its owner goes on writing into."""

    def __deepcopy__(self, memo: object) -> "Log":
        return self


class _Token:
    """Lives as long as the graph that it was given to."""


class Marked(torch.autograd.Function):
    """The identity; its node carries a token, to which `tokens` gets a weak reference."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tokens: list[weakref.ref[_Token]]) -> Tensor:
        ctx.token = _Token()
        tokens.append(weakref.ref(ctx.token))
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None
