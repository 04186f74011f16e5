"""Running a probe on an answer, in the process that the answer may do anything to."""

import contextlib
import importlib
import io
import linecache
import re
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FunctionType

import torch

from convcraft.exam import ops
from convcraft.exam.draw import Draw, key
from convcraft.exam.limits import OutOfTime, time_limit
from convcraft.exam.observation import Failure, Record, snapshot

_OUTPUT = 10_000
_MACHINERY = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parents[1]))  # convcraft, site-packages


def observe(name: str, probe: Callable, impl: Callable, *, seed: int, bans: frozenset[str] = frozenset(),
            seconds: float = 10.0) -> Iterator[Record]:
    """Observe an answer aspect by aspect; nothing that it does raises here, but Ctrl-C.

    Args:
        name: the exercise's name; it and `seed` fix the inputs.
        seconds: the limit for one aspect. After the first one that runs out of time the rest is not tried.
    """
    # Operator modes import it when first used: under a time limit it could stay half imported.
    importlib.import_module("torch._dynamo")

    if not callable(impl):
        impl = _refusal(name, impl)
    draw, own_name = Draw(seed, name), _name_of(impl)
    for item in probe(impl, draw):
        record = _observe_aspect(item, draw, key(seed, name, item.name), bans, seconds)
        if isinstance(record.observation, Failure) and own_name not in ("", name):
            # Python's messages name the answer; whatever it is called, the same mistake reads the same.
            message = re.sub(rf"(?<!\w){re.escape(own_name)}(?!\w)", name, record.observation.message)
            record = replace(record, observation=replace(record.observation, message=message))
        yield record
        if isinstance(record.observation, Failure) and record.observation.kind == OutOfTime.__name__:
            return


def _name_of(impl: object) -> str:
    """What a plain function or class calls itself; nothing else is asked, for its answer could do anything."""
    return impl.__name__ if type(impl) in (FunctionType, type) else ""


class NotCallableError(TypeError):
    """`examine` was given no function and no class."""


def _refusal(name: str, given: object) -> Callable:
    kind = "None" if given is None else f"an object of type {type(given).__name__[:40]}"

    def answer(*args, **kwargs):
        raise NotCallableError(f'The exam was given {kind}. Give it the function or class itself: '
                               f'examine("{name}", {name}).')

    return answer


def _observe_aspect(item, draw: Draw, seed: int, bans: frozenset[str], seconds: float) -> Record:
    draw.begin(item.name)
    printed, banned = _Printed(), set()
    start = time.perf_counter()
    with _as_it_was(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed looks for every other device
        try:
            with time_limit(seconds), ops.watched(bans) as banned:
                observation = snapshot(item.look())
        except KeyboardInterrupt:
            raise
        except OutOfTime:
            observation = Failure(OutOfTime.__name__,
                                  f"Your code was still running after {seconds:g} seconds and was stopped. "
                                  "Is there a loop that never ends?")
        except BaseException as error:  # whatever an answer raises is what was observed of it
            observation = _failure(error)
    return Record(item.name, observation, tuple(sorted(banned)), printed.text(), time.perf_counter() - start)


@contextlib.contextmanager
def _as_it_was() -> Iterator[None]:
    """Puts back what an answer may have switched: random state, grad mode, default dtype, warnings."""
    dtype = torch.get_default_dtype()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("always")
            yield
    finally:
        torch.set_default_dtype(dtype)


class _Printed(io.StringIO):
    """Keeps the beginning of what is printed; a million lines cost no memory."""

    def write(self, text: str) -> int:
        if self.tell() < _OUTPUT:
            super().write(text[:_OUTPUT])
        return len(text)

    def text(self) -> str:
        whole = self.getvalue()
        return whole if len(whole) < _OUTPUT else whole[:_OUTPUT] + "\n…"


def _failure(error: BaseException) -> Failure:
    try:
        message = " ".join(str(error).split())
    except Exception:
        message = "(its message cannot be shown)"
    message = message if len(message) <= 160 else message[:159] + "…"
    return Failure(type(error).__name__[:80], message or "no message", _place(error))


def _place(error: BaseException) -> str:
    """The deepest line that is the reader's own: `line 3: return x.foo`."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if file.startswith(_MACHINERY) or Path(file).name == "exercises.py":
            continue
        code = " ".join(linecache.getline(file, number).split())[:60]
        return f"line {number}: {code}" if code else f"line {number}"
    return ""
