"""Is what the reader's code did what the reference did? If not, where not?"""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from convcraft.exam.observation import Failure, Observation, Opaque

_TOLERANCE = {  # dtype: relative, absolute; wide enough for a sum taken in another order
    torch.float64: (1e-7, 1e-9),
    torch.complex64: (1e-4, 1e-5),
    torch.float32: (1e-4, 1e-5),
    torch.float16: (1e-2, 1e-3),
    torch.bfloat16: (3e-2, 1e-2),
}
_CALL = re.compile(r"\bpositional argument|\bkeyword argument|multiple values for argument|takes no arguments|"
                   r"combination of arguments")


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    Attributes:
        sentence: what differs, for the reader; empty where nothing does.
        where: the part that differs, empty for the whole.
        ratio: the largest error over its tolerance (at most 1 where all is well), infinite where kinds differ.
        yours, expected: the two tensors that differ in value, for a picture.
    """

    sentence: str = ""
    where: str = ""
    ratio: float = 0.0
    yours: Tensor | None = None
    expected: Tensor | None = None

    def __bool__(self) -> bool:
        return not self.sentence


def compare(yours: Observation, expected: Observation, rtol: float | None = None, atol: float | None = None,
            *, values: bool = True, where: str = "") -> Comparison:
    """Compare two observations part by part; the first difference speaks.

    Args:
        rtol, atol: in place of the tolerance that belongs to the dtype.
        values: False compares kinds, shapes and dtypes alone.
        where: the name of the part that is compared, for the message.
    """
    def differs(sentence: str, ratio: float = math.inf, **tensors: Tensor) -> Comparison:
        return Comparison(sentence, where, ratio, **tensors)

    if isinstance(yours, Failure) or isinstance(expected, Failure):
        if isinstance(yours, Failure) and isinstance(expected, Failure) and yours.kind == expected.kind:
            return Comparison()
        return differs(explain(yours) if isinstance(yours, Failure) else "It should have raised an error here.")
    if isinstance(yours, Opaque) or _kind(yours) != _kind(expected):
        return differs(_wrong_kind(yours, expected))
    if isinstance(expected, Tensor):
        return _compare_tensors(yours, expected, rtol, atol, values, differs)
    if isinstance(expected, list):
        if len(yours) != len(expected):
            return differs(f"There are {len(yours)} results here; {len(expected)} were expected.")
        return _first(compare(mine, right, rtol, atol, values=values, where=_join(where, f"part {index + 1}"))
                      for index, (mine, right) in enumerate(zip(yours, expected, strict=True)))
    if isinstance(expected, dict):
        missing, extra = sorted(expected.keys() - yours.keys()), sorted(yours.keys() - expected.keys())
        if missing or extra:
            return differs(f"Missing: {_names(missing)}. Not expected: {_names(extra)}.")
        return _first(compare(yours[name], expected[name], rtol, atol, values=values, where=_join(where, name))
                      for name in expected)
    if not values:
        return Comparison()
    if isinstance(expected, float):
        relative, absolute = _TOLERANCE[torch.float32]
        ratio = _ratio(float(yours), expected, relative if rtol is None else rtol, absolute if atol is None else atol)
        return Comparison(ratio=ratio) if ratio <= 1 else differs(
            "yours {}, expected {}".format(*_numbers(float(yours), expected)), ratio)
    if isinstance(expected, int) and isinstance(yours, float):
        return differs(f"Yours is the float {yours!r}; a whole number (int) was expected.")
    if yours != expected:
        if isinstance(expected, str) and "\n" in expected:
            return differs(_first_line(yours, expected))
        return differs(f"yours {_short(yours)}, expected {_short(expected)}")
    return Comparison()


def explain(failure: Failure) -> str:
    """A sentence for an answer that raised."""
    match failure.kind:
        case "NotImplementedError" if failure.message == "no message":  # the stub's; PyTorch's own says what is missing
            return "Not written yet."
        case "OutOfTime" | "NotCallableError":
            return failure.message
        case "TypeError" if not failure.place and _CALL.search(failure.message):
            return ("The exam could not call your code as the task describes it: "
                    f"{failure.message.rstrip('.')}. Compare its parameters with the task's.")
        case "TypeError" | "AttributeError" if not failure.place and "'NoneType'" in failure.message:
            return "Your code returned None, or None inside of what it returned. Is a `return` missing?"
    if failure.place:
        return f"Your code stopped with {failure.kind}: {failure.message} ({failure.place})"
    return f"What your code returned could not be used: {failure.kind}: {failure.message}"


def _first(parts) -> Comparison:
    worst = 0.0
    for part in parts:
        if not part:
            return part
        worst = max(worst, part.ratio)
    return Comparison(ratio=worst)


def _compare_tensors(yours, expected, rtol, atol, values, differs) -> Comparison:
    if yours.shape != expected.shape:
        return differs(f"Yours has shape {tuple(yours.shape)}; {tuple(expected.shape)} was expected.")
    if yours.dtype != expected.dtype:
        return differs(f"Yours has dtype {_dtype(yours)}; {_dtype(expected)} was expected.")
    if not values or not expected.numel():
        return Comparison()
    if expected.dtype not in _TOLERANCE:
        wrong, ratio = yours != expected, 0.0
        if wrong.any():
            ratio = math.inf
    else:
        relative, absolute = _TOLERANCE[expected.dtype]
        finite = expected[expected.isfinite()].abs()
        scale = max(1.0, finite.max().item()) if finite.numel() else 1.0
        absolute = absolute * scale if atol is None else atol
        relative = relative if rtol is None else rtol
        wide = torch.complex128 if expected.is_complex() else torch.float64
        mine, right = yours.to(wide), expected.to(wide)
        error = (mine - right).abs() / (absolute + relative * right.abs()).clamp_min(1e-300)
        error[(mine == right) | (mine.isnan() & right.isnan())] = 0
        error = error.nan_to_num(nan=math.inf)
        wrong, ratio = error > 1, error.max().item()
    if not wrong.any():
        return Comparison(ratio=ratio)
    return differs(_values_sentence(yours, expected, wrong), ratio, yours=yours, expected=expected)


def _values_sentence(yours: Tensor, expected: Tensor, wrong: Tensor) -> str:
    if not expected.ndim:
        return "yours {}, expected {}".format(*_numbers(yours.item(), expected.item()))
    place = tuple(wrong.nonzero()[0].tolist())
    mine, right = _numbers(yours[place].item(), expected[place].item())
    return (f"yours {mine} at {place if len(place) > 1 else place[0]}, "
            f"expected {right}; {int(wrong.sum())} of {wrong.numel()} values differ")


def _ratio(yours: float, expected: float, rtol: float, atol: float) -> float:
    if yours == expected or (math.isnan(yours) and math.isnan(expected)):
        return 0.0
    if not (math.isfinite(yours) and math.isfinite(expected)):
        return math.inf
    return abs(yours - expected) / max(atol + rtol * abs(expected), 1e-300)


def _kind(value: Observation) -> str:
    if isinstance(value, Tensor):
        return "a tensor"
    for kinds, name in (((bool,), "True or False"), ((int, float), "a number"), ((str,), "a string"),
                        ((list,), "a list or tuple"), ((dict,), "a dictionary")):
        if isinstance(value, kinds):
            return name
    return "None" if value is None else "an object"


def _wrong_kind(yours: Observation, expected: Observation) -> str:
    if yours is None:
        return f"Your code returned None; {_kind(expected)} was expected. Is a `return` missing?"
    kind = yours.kind if isinstance(yours, Opaque) else _kind(yours)
    return f"Your code gave {kind}; {_kind(expected)} was expected."


def _first_line(yours: str, expected: str) -> str:
    mine, right = yours.split("\n"), expected.split("\n")
    for number, (my_line, right_line) in enumerate(zip(mine, right, strict=False), 1):
        if my_line != right_line:
            return f"line {number}: yours {_short(my_line)}, expected {_short(right_line)}"
    return f"yours has {len(mine)} lines, expected {len(right)}"


def _join(where: str, part: str) -> str:
    return f"{where} {part}" if where else part


def _names(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "") if names else "nothing"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _numbers(yours: complex | float, expected: complex | float) -> tuple[str, str]:
    """Both numbers with as few digits as tell them apart, two after the point at least."""
    for digits in range(2, 17):
        texts = [_number(number, digits) for number in (yours, expected)]
        if texts[0] != texts[1]:
            break
    return tuple(texts)


def _number(value: complex | float, digits: int) -> str:
    if isinstance(value, float):
        fixed = value == 0 or 0.01 <= abs(value) < 10_000
        value = f"{value:.{digits}f}" if fixed else f"{value:.{digits + 1}g}"
    return str(value).replace("-", "−")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
