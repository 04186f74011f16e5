"""Running a probe on an answer, in the process that the answer may do anything to."""

import contextlib
import io
import linecache
import re
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import NoReturn, Protocol

import torch

from convcraft.exam import ops
from convcraft.exam.call import Calls
from convcraft.exam.draw import Draw, key
from convcraft.exam.limits import OutOfTime, time_limit
from convcraft.exam.neutral import neutral
from convcraft.exam.observation import Failure, Record, snapshot
from convcraft.exam.told import HIDDEN_MESSAGE, LINE, NO_FUNCTION, NO_MESSAGE, NOTHING, RAN_ON, SOME_LINE

_OUTPUT = 10_000
_TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"/tmp\w+")
_HINT = re.compile(r"(?<=')\. Did you mean '\w+'\?$")  # Python 3.13 and later end a wrong keyword's message so
_MACHINERY = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parents[1]),  # convcraft, site-packages
              str(Path(traceback.__file__).parent), "<frozen ")  # Python's own


class Looked(Protocol):
    """What is observed of an aspect: what its `look` gives, under its name."""

    @property
    def name(self) -> str: ...
    @property
    def look(self) -> Callable[[], object]: ...


class Observer:
    """Observes an answer, one aspect at a time, in any order; nothing that it does raises here, but Ctrl-C.

    Args:
        name: the exercise's name; it and `seed` fix the inputs.
        seconds: the limit for one aspect.
    """

    def __init__(self, name: str, probe: Callable[[Callable[..., object], Draw], Iterable[Looked]], impl: object, *,
                 seed: int, bans: frozenset[str] = frozenset(), seconds: float = 10.0):
        self._name, self._own_name = name, _name_of(impl)
        self._seed, self._bans, self._seconds = seed, bans, seconds
        self._draw, self._calls = Draw(seed, name), Calls(name, impl if callable(impl) else _refusal(name, impl))
        with neutral():
            self._items = {item.name: item for item in probe(self._calls.answer, self._draw)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def observe(self, aspect: str) -> Record:
        """What the answer shows in one aspect."""
        # A forgotten `super().__init__()` is one slip: the first aspect shows it, in the others it is made up for.
        with neutral(), self._calls.listening(mended=aspect != next(iter(self._items))):
            record = _observe_aspect(self._items[aspect], self._draw, key(self._seed, self._name, aspect), self._bans,
                                     self._seconds)
        if isinstance(record.observation, Failure) and self._own_name not in ("", self._name):
            # Python's messages name the answer; whatever it is called, the same mistake reads the same.
            message = re.sub(rf"(?<!\w){re.escape(self._own_name)}(?!\w)", self._name, record.observation.message)
            record = replace(record, observation=replace(record.observation, message=message))
        return replace(record, calls=tuple(self._calls.lines))


def observe(name: str, probe: Callable[[Callable[..., object], Draw], Iterable[Looked]], impl: object, *, seed: int,
            bans: frozenset[str] = frozenset(), seconds: float = 10.0) -> Iterator[Record]:
    """Observe an answer in all aspects, one after another. See `Observer`.

    After the first aspect that runs out of time the rest is not tried.
    """
    observer = Observer(name, probe, impl, seed=seed, bans=bans, seconds=seconds)
    for aspect in observer:
        record = observer.observe(aspect)
        yield record
        if record.ran_out:
            return


def _name_of(impl: object) -> str:
    """What a plain function or class calls itself; nothing else is asked, for its answer could do anything."""
    return impl.__name__ if type(impl) is FunctionType or type(impl) is type else ""


class NotCallableError(TypeError):
    """`examine` was given no function and no class."""


def _refusal(name: str, given: object) -> Callable[..., NoReturn]:
    told = (NOTHING if given is None else NO_FUNCTION).format(type=type(given).__name__[:40], name=name)

    def answer(*args: object, **kwargs: object) -> NoReturn:
        raise NotCallableError(told)

    return answer


def _observe_aspect(item: Looked, draw: Draw, seed: int, bans: frozenset[str], seconds: float) -> Record:
    draw.begin(item.name)
    printed = _Printed()
    banned: set[str] = set()
    start = time.perf_counter()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        torch.default_generator.manual_seed(seed)  # the CPU's alone: torch.manual_seed looks for every other device
        try:
            with time_limit(seconds), ops.watched(bans) as banned:
                observation = snapshot(item.look())
        except KeyboardInterrupt:
            raise
        except OutOfTime:
            observation = Failure(OutOfTime.__name__, RAN_ON.format(seconds=f"{seconds:g}"))
        except BaseException as error:  # whatever an answer raises is what was observed of it
            observation = _failure(error)
    return Record(item.name, observation, tuple(sorted(banned)), printed.text(), time.perf_counter() - start)


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
        message = HIDDEN_MESSAGE
    message = _HINT.sub("", _TEMPORARY.sub("…", message))  # the same mistake reads the same everywhere
    message = message if len(message) <= 160 else message[:159] + "…"
    return Failure(type(error).__name__[:80], message or NO_MESSAGE, _place(error))


def _place(error: BaseException) -> str:
    """The deepest line that is the reader's own: `line 3: return x.foo`."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        if file.startswith(_MACHINERY) or Path(file).parent.name == "exams":
            continue
        code = " ".join(linecache.getline(file, number).split())[:60]
        return LINE.format(number=number, code=code) if code else SOME_LINE.format(number=number)
    return ""
