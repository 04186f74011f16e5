"""With what an exam called an answer: heard as it happens, written as a line that a reader can paste."""

import functools
import itertools
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from convcraft.exam import ops
from convcraft.exam.initialised import module

MOST = 40  # calls of one aspect that are written down; the rest is counted by nobody
_FEW, _FEWER = 12, 3  # numbers of a tensor that are written out, and where the line gets long
_LINE = 84  # characters that fit a verdict's line
_TWO, _LONG = 160, 270  # characters that fit two lines of it, and three: no call is longer

Listener = Callable[[str, tuple[Any, ...], dict[str, Any]], None]


def heard(name: str, answer: Callable[..., object], listen: Listener,
          make: Callable[..., object] | None = None) -> Any:
    """Stands for `answer` and tells `listen(name, args, kwargs)` of each call before it is made.

    A class stays a class to whoever asks: it can be derived from, its attributes are there, its instances are its
    instances.

    Args:
        make: what makes an instance in the class's place.
    """
    if isinstance(answer, type):
        return _HeardClass(name, answer, listen, make or answer)

    def call(*args: object, **kwargs: object) -> object:
        listen(name, args, kwargs)
        return answer(*args, **kwargs)

    functools.update_wrapper(call, answer, updated=())
    return call


class _HeardClass:
    """A class whose making of instances is heard. What is asked of it, the class itself answers."""

    def __init__(self, name: str, answer: type, listen: Listener, make: Callable[..., object]):
        self._name, self._answer, self._listen, self.__wrapped__ = name, answer, listen, answer
        self._make = make

    def __call__(self, *args: object, **kwargs: object) -> object:
        self._listen(self._name, args, kwargs)
        return self._make(*args, **kwargs)

    def __getattr__(self, attribute: str) -> object:
        found: Any = getattr(self._answer, attribute)
        if attribute == "apply":  # of an `autograd.Function`, which is called by it
            return heard(f"{self._name}.apply", found, self._listen)
        return found

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (self._answer,)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._answer)

    def __subclasscheck__(self, other: type) -> bool:
        return issubclass(other, self._answer)


class Calls:
    """Writes down the calls of an answer, and of the modules that it made."""

    def __init__(self, name: str, answer: Callable[..., object]):
        self.lines: list[str] = []
        self._class = answer if isinstance(answer, type) and issubclass(answer, nn.Module) else None
        self._mended = False
        self.answer = heard(name, answer, self._listen, self._module if self._class else None)
        self._name, self._made, self._last = name, weakref.WeakKeyDictionary[nn.Module, str](), ""

    def _listen(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if len(self.lines) < MOST:
            with ops.unwatched():
                self._last = written(name, args, kwargs)
            self.lines.append(self._last)

    def _forward(self, called: nn.Module, args: tuple[Any, ...]) -> None:
        if self._class is not None and type(called) is self._class and len(self.lines) < MOST:
            made = self._made.setdefault(called, self._last or self._name)
            with ops.unwatched():
                self.lines.append(written(made, args, {}))

    def _module(self, *args: object, **kwargs: object) -> nn.Module:
        assert self._class is not None
        return module(self._class, args, kwargs, mended=self._mended)

    @contextmanager
    def listening(self, *, mended: bool = False) -> Iterator[None]:
        """A block in which calls are heard, from the first one on.

        Args:
            mended: modules are made as if their `__init__` began with `super().__init__()`.
        """
        self.lines.clear()
        self._mended = mended
        hook = None if self._class is None else nn.modules.module.register_module_forward_pre_hook(self._forward)
        try:
            yield
        finally:
            if hook is not None:
                hook.remove()


def written(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """`name(args)` as it can be pasted: small tensors by value, large ones as a draw of their kind and shape."""
    line = ""
    for few, fits in ((_FEW, _LINE), (_FEWER, _TWO), (0, _LONG)):
        parts = [_written(value, few) for value in args]
        parts += [f"{key}={_written(value, few)}" for key, value in kwargs.items()]
        line = f"{name}({', '.join(parts)})"
        if len(line) <= fits:
            break
    return line if len(line) <= _LONG else line[:_LONG - 1] + "…"


def _written(value: object, few: int, depth: int = 0) -> str:
    # The names of types are asked, never the objects: what a reader's own object answers could be anything.
    kind = type(value)
    if issubclass(kind, Tensor):
        return _tensor(value, few)  # type: ignore[arg-type]
    if kind in (bool, int, type(None)):
        return repr(value)
    if kind is float:
        return f"{value:.6g}"
    if kind is str:
        return repr(value) if len(str(value)) <= 40 else repr(str(value)[:39] + "…")
    if kind in (tuple, list) and depth < 3:
        parts = [_written(part, few, depth + 1) for part in value]  # type: ignore[attr-defined]
        if not few and kind is list:
            return _runs(parts)
        if len(parts) > 8:
            parts[7:] = ["…"]
        return f"[{', '.join(parts)}]" if kind is list else f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    if kind is torch.Generator:
        return "torch.Generator()"  # without its seed, which is the exam's own
    if isinstance(value, (torch.dtype, torch.device)):
        return str(value) if isinstance(value, torch.dtype) else repr(str(value))
    if isinstance(value, (type, type(written))):
        return value.__name__
    return f"{kind.__name__[:40]}(…)"


def _runs(parts: list[str]) -> str:
    """A list of which some neighbours are written alike, as a loader's batches are."""
    runs = [(part, len(list(alike))) for part, alike in itertools.groupby(parts)]
    return " + ".join(f"[{part}]{f' * {count}' if count > 1 else ''}" for part, count in runs) or "[]"


def _tensor(tensor: Tensor, few: int) -> str:
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        shape, dtype = tuple(tensor.shape), tensor.dtype
        if tensor.numel() <= few and tensor.device.type == "cpu" and tensor.layout is torch.strided:
            said = "" if dtype in (torch.float32, torch.int64, torch.bool) else f", dtype={dtype}"
            return f"torch.tensor({_numbers(tensor.detach().tolist())}{said})"
        sizes = ", ".join(map(str, shape))
        if dtype is torch.bool:
            return f"(torch.rand({sizes}) < 0.5)"
        if tensor.is_floating_point():
            if dtype is torch.float64 and not few:
                return f"torch.randn({sizes}).double()"
            return f"torch.randn({sizes}{'' if dtype is torch.float32 else f', dtype={dtype}'})"
        if tensor.is_complex() or tensor.device.type != "cpu":
            return f"a tensor of shape {shape}"
        low, high = min(0, int(tensor.min())), int(tensor.max()) + 1
        return f"torch.randint({low}, {high}, {shape}{'' if dtype is torch.int64 else f', dtype={dtype}'})"


def _numbers(values: object) -> str:
    if isinstance(values, list):
        return f"[{', '.join(map(_numbers, values))}]"
    if isinstance(values, float):
        return "math.nan" if values != values else f"{values:.4g}" + ("." if float(f"{values:.4g}").is_integer()
                                                                     and "e" not in f"{values:.4g}" else "")
    return repr(values)
