"""What an answer may not fall back on, and how it is seen.

A ban names ATen operators, families of them by patterns. They are seen below Python, whatever the call was written as:
`F.conv2d`, `nn.Conv2d`, `torch.ops.aten.convolution` and a compiled function end in the same operator. Some PyTorch
functions are taken apart on the way down, as average pooling to one place is into a mean: so calls are heard by their
names, too. `AUTOGRAD` stands for the use of autograd, which is seen by the tensors that it saves and by its calls.
"""

import _thread
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

AUTOGRAD = frozenset({"autograd"})
CONVOLUTION = frozenset({"*::*conv[!e]*", "aten::im2col", "aten::col2im"})
UPSAMPLING = frozenset({"*::*upsample_*", "*::*interpolate*", "*::grid_sampl*", "*::pixel_shuffle"})
POOLING = UPSAMPLING | frozenset({"*::*_pool[123]d*", "*::max_unpool*"})
NORM = frozenset({"*::*batch_norm*", "*::*layer_norm*", "*::*group_norm*", "*::*instance_norm*", "*::*rms_norm*"})
_DIFFERENTIATES = frozenset({"aten::backward", "aten::grad", "aten::_make_dual", "aten::make_dual",
                             "aten::_unpack_dual", "aten::_fw_primal"})


@cache
def _is_banned(name: str, bans: frozenset[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in bans)


class DispatchMode(TorchDispatchMode):
    """A `TorchDispatchMode` that does not make PyTorch import its compiler: seconds, and operators of its own."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


# What is watched for, and what was seen of it; the last one counts. The first one watches for nothing.
_now: list[tuple[frozenset[str], set[str]]] = [(frozenset(), set())]


class _Counter(DispatchMode):
    """Counts ATen operators."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        self.count += 1
        return function(*args, **(kwargs or {}))


class _Listener(DispatchMode):
    """Notices the ATen operators that run."""

    def __torch_dispatch__(self, function: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        _notice(function._schema.name)
        return function(*args, **(kwargs or {}))


class _Caller(TorchFunctionMode):
    """Notices what PyTorch's functions are called."""

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (),
                           kwargs: dict[str, Any] | None = None) -> Any:
        _notice("aten::" + getattr(function, "__name__", "").partition(".")[0])
        return function(*args, **(kwargs or {}))


def _notice(name: str) -> None:
    bans, seen = _now[-1]
    if _is_banned(name, bans):
        seen.add(name)
    if name in _DIFFERENTIATES:
        _notice_autograd()


def _notice_autograd() -> None:
    bans, seen = _now[-1]
    seen |= bans & AUTOGRAD


@contextmanager
def watched(bans: frozenset[str]) -> Iterator[set[str]]:
    """Yields a set that fills with the banned operators (and `"autograd"`) that run inside the block.

    Threads that start inside the block are watched, too, and go on being so in later ones: an answer may keep them.
    """
    seen: set[str] = set()
    _now.append((bans, seen))
    try:
        with ExitStack() as stack:
            if bans:
                stack.enter_context(watched_threads())
                stack.enter_context(_watched_here())
            yield seen
    except RuntimeError as error:
        if bans >= AUTOGRAD and "saved tensor hooks" in str(error):  # torch.func refuses to be watched
            seen.add("autograd")
        raise
    finally:
        _now.pop()


@contextmanager
def _watched_here() -> Iterator[None]:
    """PyTorch's modes and hooks belong to a thread: here to the one that runs the block."""
    with ExitStack() as stack:
        stack.enter_context(_Listener())  # type: ignore[no-untyped-call]
        stack.enter_context(_Caller())
        if _now[-1][0] >= AUTOGRAD:
            def pack(tensor: Tensor) -> Tensor:
                _notice_autograd()
                return tensor

            stack.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor))
        yield


@contextmanager
def watched_threads() -> Iterator[None]:
    """Every thread that starts inside the block is watched until it ends, for whatever is watched for at the time."""
    start, start_new = threading.Thread.start, _thread.start_new_thread

    def within(run: Callable[..., object]) -> Callable[..., None]:
        def run_watched(*args: Any, **kwargs: Any) -> None:
            with _watched_here():
                run(*args, **kwargs)

        return run_watched

    def start_watched(thread: threading.Thread) -> None:
        thread.run = within(thread.run)  # type: ignore[method-assign]
        start(thread)

    threading.Thread.start = start_watched  # type: ignore[method-assign, assignment]
    _thread.start_new_thread = lambda run, *args: start_new(within(run), *args)
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
        _thread.start_new_thread = start_new


@contextmanager
def unwatched() -> Iterator[None]:
    """A block in which a probe itself may use operators that the exercise bans."""
    saved_as_they_are = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor)
    with torch._C.DisableTorchFunction(), _disable_current_modes(), saved_as_they_are:
        yield


def count_operators(thunk: Callable[[], object]) -> tuple[object, int]:
    """Run `thunk` and count the ATen operators that it runs: (its result, the count)."""
    with _Counter() as counter:
        result = thunk()
    return result, counter.count
