"""PyTorch as it is after its import, whatever has been switched on since."""

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch


@contextmanager
def neutral() -> Iterator[None]:
    """A block in which PyTorch's switches stand as they do after its import; afterwards each is put back.

    Default dtype and device, grad and inference mode, autocast, anomaly mode, threads (one: on small tensors they wait
    for each other), deterministic algorithms, the precision of products, random numbers (PyTorch's, NumPy's and
    Python's) and warnings: what a reader has left on changes no verdict, and what an answer switches lasts for the
    block alone.
    """
    with ExitStack() as stack:
        stack.callback(_numbers())
        for switch in _SWITCHES:
            stack.callback(_setting(*switch))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        if torch.get_default_device().type != "cpu":  # a reader's own `with torch.device(...)`
            stack.enter_context(torch.device("cpu"))
        yield


PutBack = Callable[[], object]


def _setting(read: Callable[[], Any], write: Callable[[Any], object], wanted: object) -> PutBack:
    """A switch to the state wanted; it is touched only where it stands elsewhere, then as well as afterwards."""
    before = read()

    def turn(to: object) -> None:
        if read() != to:
            write(to)

    turn(wanted)
    return lambda: turn(before)


def _chosen() -> torch.device | None:
    """What `torch.set_default_device` was last told."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _numbers() -> PutBack:
    """Python's own random numbers, and NumPy's where it is there."""
    before, numpy = random.getstate(), sys.modules.get("numpy")
    its = numpy.random.get_state() if numpy else None

    def put_back() -> None:
        random.setstate(before)
        if numpy:
            numpy.random.set_state(its)

    return put_back


_SWITCHES: tuple[tuple[Callable[[], Any], Callable[[Any], object], object], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (_chosen, torch.set_default_device, None),
    (lambda: torch.is_autocast_enabled("cpu"), lambda to: torch.set_autocast_enabled("cpu", to), False),
    (lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
     lambda to: torch.set_anomaly_enabled(*to), (False, True)),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode, 0),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "highest"),
    (torch.get_num_threads, torch.set_num_threads, 1),
)
