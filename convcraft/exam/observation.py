"""What was observed of an answer, and how it travels: JSON and safetensors, nothing that can carry code."""

import json
import math
import numbers
from dataclasses import dataclass, field

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

MAX_BYTES = 64 * 2**20
_MAX_NUMBERS = 4_000_000
_MAX_ITEMS = 10_000
_MAX_DEPTH = 8
_MAX_TEXT = 10_000
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


Observation = Tensor | bool | int | float | str | None | list | dict | Opaque | Failure


@dataclass(frozen=True)
class Record:
    """One aspect, as it was observed in the process that ran the answer.

    `banned` are the banned operators that ran; `output` is what the answer printed or warned.
    """

    aspect: str
    observation: Observation
    banned: tuple[str, ...] = ()
    output: str = ""
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """The record as safetensors, the structure in its header."""
        tensors: dict[str, Tensor] = {}
        header = {
            "aspect": self.aspect, "banned": list(self.banned), "output": self.output, "seconds": self.seconds,
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
            tensors = safetensors.torch.load(data)
            record = Record(header["aspect"], _decode(header["observation"], tensors), tuple(header["banned"]),
                            header["output"], header["seconds"])
        except (SafetensorError, json.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError,
                RecursionError, UnicodeDecodeError, OverflowError, RuntimeError) as error:
            raise ValueError(f"not a record: {type(error).__name__}") from error
        texts = (record.aspect, record.output, *record.banned)
        if not all(isinstance(text, str) for text in texts) or not isinstance(record.seconds, (int, float)):
            raise ValueError("not a record: a field of the wrong type")
        return record


@dataclass
class _Budget:
    items: int = field(default=_MAX_ITEMS)


def snapshot(value: object, depth: int = 0, budget: _Budget | None = None) -> Observation:
    """A copy of `value` that nothing can change afterwards; what cannot be compared becomes `Opaque`."""
    budget = budget or _Budget()
    budget.items -= 1
    if budget.items < 0 or depth > _MAX_DEPTH:
        return Opaque("a collection too large or too deep to look at")
    kind = type(value)
    if value is None or kind is bool or isinstance(value, (Opaque, Failure)):
        return value
    if issubclass(kind, Tensor):
        return _snapshot_tensor(value)
    if issubclass(kind, str):
        return str.__str__(value)[:_MAX_TEXT]
    if issubclass(kind, numbers.Integral):
        number = int(value)
        return number if abs(number) < 2**63 else Opaque("a whole number of more than 63 bits")
    if issubclass(kind, numbers.Real):
        return float(value)
    if issubclass(kind, (list, tuple)):
        return [snapshot(item, depth + 1, budget) for item in value]
    if issubclass(kind, dict):
        return {str(name)[:200]: snapshot(item, depth + 1, budget) for name, item in value.items()}
    return Opaque(f"an object of type {kind.__name__[:80]}")


def _snapshot_tensor(tensor: Tensor) -> Observation:
    with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
        if tensor.is_nested:
            return Opaque("a nested tensor")
        if tensor.layout is not torch.strided:
            return Opaque("a sparse tensor")
        if tensor.device.type != "cpu":
            return Opaque(f"a tensor on the device {tensor.device.type}")
        if tensor.dtype not in _DTYPES:
            return Opaque(f"a tensor of dtype {str(tensor.dtype).removeprefix('torch.')}")
        if tensor.numel() > _MAX_NUMBERS:
            return Opaque(f"a tensor of {tensor.numel()} numbers")
        return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())


def _encode(value: Observation, tensors: dict[str, Tensor]) -> list:
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


def _decode(node: list, tensors: dict[str, Tensor], depth: int = 0) -> Observation:
    if depth > _MAX_DEPTH + 4:
        raise ValueError("not a record: too deep")
    tag, *rest = node
    match tag:
        case "tensor":
            return tensors[rest[0]]
        case "failure":
            kind, message, place = (str(text) for text in rest)
            return Failure(kind, message, place)
        case "opaque":
            return Opaque(str(rest[0]))
        case "list":
            return [_decode(item, tensors, depth + 1) for item in rest[0]]
        case "dict":
            return {str(name): _decode(item, tensors, depth + 1) for name, item in rest[0].items()}
        case "float":
            return float(rest[0])
        case "plain" if rest[0] is None or isinstance(rest[0], (bool, int, float, str)):
            return rest[0]
    raise ValueError(f"not a record: {tag!r}")
