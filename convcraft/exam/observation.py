"""What was observed of an answer, and how it travels: JSON and safetensors, nothing that can carry code."""

import json
import math
import numbers
from dataclasses import dataclass, field, replace
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from convcraft.exam.limits import OutOfTime
from convcraft.exam.told import ELSEWHERE, NESTED, OF_COUNT, OF_DTYPE, SPARSE, TOO_LARGE, TOO_LONG, TYPE

MAX_BYTES = 64 * 2**20
_MAX_NUMBERS = 4_000_000
_MAX_ITEMS = 10_000
_MAX_DEPTH = 8
_MAX_TEXT = 10_000
_MAX_TEXTS = 1_000
_MAX_SECONDS = 1e6
_MAX_DIMENSIONS = 64
_MAX_VALUE = {int: 2**63, float: math.inf}
_DTYPES = {
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool, torch.uint8, torch.int8,
    torch.int16, torch.int32, torch.int64,
}


@dataclass(frozen=True)
class Opaque:
    """Something that an exam cannot compare; `kind` says what, with an article."""

    kind: str


@dataclass(frozen=True)
class Failure:
    """An answer that raised, or ran out of time (`kind` is then `"OutOfTime"`).

    `place` is the reader's line that failed, empty where none did: then the call itself went wrong.
    """

    kind: str
    message: str
    place: str = ""


Observation = (Tensor | bool | int | float | str | None | list["Observation"] | dict[str, "Observation"]
               | Opaque | Failure)


@dataclass(frozen=True)
class Record:
    """One aspect, as it was observed in the process that ran the answer.

    `banned` are the banned operators that ran; `output` is what the answer printed or warned; `calls` are the calls of
    the answer, as lines that can be pasted.
    """

    aspect: str
    observation: Observation
    banned: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0
    calls: tuple[str, ...] = ()

    @property
    def ran_out(self) -> bool:
        """Whether the answer ran out of time."""
        return isinstance(self.observation, Failure) and self.observation.kind == OutOfTime.__name__

    def to_bytes(self) -> bytes:
        """The record as safetensors, the structure in its header."""
        tensors: dict[str, Tensor] = {}
        header = {
            "aspect": self.aspect, "banned": list(self.banned), "output": self.output, "seconds": self.seconds,
            "calls": list(self.calls),
            "observation": _encode(self.observation, tensors),
        }
        return safetensors.torch.save(tensors, {"record": json.dumps(header)})

    @staticmethod
    def from_bytes(data: bytes) -> "Record":
        """Read a record that a process nobody trusts has written.

        Raises:
            ValueError: the bytes are no record, or larger than `MAX_BYTES`.
        """
        if len(data) > MAX_BYTES:
            raise ValueError(f"a record of {len(data)} bytes; {MAX_BYTES} are allowed")
        try:
            length = int.from_bytes(data[:8], "little")
            header = json.loads(json.loads(data[8:8 + length])["__metadata__"]["record"])
            tensors = {name: _bounded(tensor) for name, tensor in safetensors.torch.load(data).items()}
            record = Record(header["aspect"], _decode(header["observation"], tensors),
                            _texts(header["banned"]), header["output"], header["seconds"], _texts(header["calls"]))
        except (SafetensorError, json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError,
                RecursionError, UnicodeDecodeError, OverflowError, RuntimeError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from error
        if not all(isinstance(text, str) and len(text) <= 2 * _MAX_TEXT for text in (record.aspect, record.output)):
            raise ValueError("not a record: a text that is none, or too long")
        if type(record.seconds) not in (int, float) or not 0 <= record.seconds <= _MAX_SECONDS:
            raise ValueError("not a record: no time that anything took")
        return replace(record, seconds=float(record.seconds))


@dataclass
class _Budget:
    items: int = field(default=_MAX_ITEMS)


def snapshot(value: Any, depth: int = 0, budget: _Budget | None = None) -> Observation:
    """A copy of `value` that nothing can change afterwards; what cannot be compared becomes `Opaque`."""
    budget = budget or _Budget()
    budget.items -= 1
    if budget.items < 0 or depth > _MAX_DEPTH:
        return Opaque(TOO_LARGE)
    kind = type(value)
    if value is None or value is True or value is False or isinstance(value, (Opaque, Failure)):
        return value
    if issubclass(kind, Tensor):
        return _snapshot_tensor(value)
    if issubclass(kind, str):
        return str.__str__(value)[:_MAX_TEXT]
    if issubclass(kind, numbers.Integral):
        number = int(value)
        return number if abs(number) < 2**63 else Opaque(TOO_LONG)
    if issubclass(kind, numbers.Real):
        return float(value)
    if issubclass(kind, (list, tuple, dict)) and len(value) > budget.items:
        return Opaque(TOO_LARGE)
    if issubclass(kind, (list, tuple)):
        return [snapshot(item, depth + 1, budget) for item in value]
    if issubclass(kind, dict):
        return {str(name)[:200]: snapshot(item, depth + 1, budget) for name, item in value.items()}
    return Opaque(TYPE.format(type=kind.__name__[:80]))


def _snapshot_tensor(tensor: Tensor) -> Observation:
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        if tensor.is_nested:
            return Opaque(NESTED)
        if tensor.layout is not torch.strided:
            return Opaque(SPARSE)
        if tensor.device.type != "cpu":
            return Opaque(ELSEWHERE.format(device=tensor.device.type))
        if tensor.dtype not in _DTYPES:
            return Opaque(OF_DTYPE.format(dtype=str(tensor.dtype).removeprefix("torch.")))
        if tensor.numel() > _MAX_NUMBERS:
            return Opaque(OF_COUNT.format(count=tensor.numel()))
        return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())


def _encode(value: Observation, tensors: dict[str, Tensor]) -> list[Any]:
    if isinstance(value, Tensor):
        tensors[str(len(tensors))] = value
        return ["tensor", str(len(tensors) - 1)]
    if isinstance(value, Failure):
        return ["failure", value.kind, value.message, value.place]
    if isinstance(value, Opaque):
        return ["opaque", value.kind]
    if isinstance(value, list):
        return ["list", [_encode(item, tensors) for item in value]]
    if isinstance(value, dict):
        return ["dict", {name: _encode(item, tensors) for name, item in value.items()}]
    if isinstance(value, float) and not math.isfinite(value):
        return ["float", repr(value)]
    return ["plain", value]


def _decode(node: list[Any], tensors: dict[str, Tensor], depth: int = 0) -> Observation:
    """What `snapshot` can have given, and nothing else; `_encode` the other way round."""
    if depth > _MAX_DEPTH + 4:
        raise ValueError("not a record: too deep")
    match node:
        case ["tensor", str(name)]:
            return tensors.pop(name)  # each is there once
        case ["failure", str(kind), str(message), str(place)]:
            return Failure(kind[:_MAX_TEXT], message[:_MAX_TEXT], place[:_MAX_TEXT])
        case ["opaque", str(kind)]:
            return Opaque(kind[:_MAX_TEXT])
        case ["list", list(items)]:
            return [_decode(item, tensors, depth + 1) for item in items]
        case ["dict", dict(named)]:
            return {name[:200]: _decode(item, tensors, depth + 1) for name, item in named.items()}
        case ["float", "nan" | "inf" | "-inf" as text]:
            return float(text)
        case ["plain", None | bool() as value]:
            return value
        case ["plain", str(value)] if len(value) <= _MAX_TEXT:
            return value
        case ["plain", int() | float() as value] if math.isfinite(value) and abs(value) < _MAX_VALUE[type(value)]:
            return value
    raise ValueError("not a record: a part of no known kind, or out of range")


def _texts(items: object) -> tuple[str, ...]:
    if not isinstance(items, list) or len(items) > _MAX_TEXTS:
        raise ValueError("not a record: no list of texts, or too long a one")
    texts = tuple(text for text in items if isinstance(text, str) and len(text) <= _MAX_TEXT)
    if len(texts) < len(items):
        raise ValueError("not a record: a text that is none, or too long")
    return texts


def _bounded(tensor: Tensor) -> Tensor:
    if tensor.dtype not in _DTYPES or tensor.numel() > _MAX_NUMBERS or tensor.dim() > _MAX_DIMENSIONS:
        raise ValueError("not a record: a tensor that no answer can have been observed to give")
    return tensor
