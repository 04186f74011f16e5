"""Is what the reader's code did what the reference did? If not, where not?"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from convcraft.exam.observation import Failure, Observation, Opaque
from convcraft.exam.told import (
    BUT_FOR_SCALE,
    CUT,
    CUT_OF,
    ELSEWHERE,
    HIDDEN_MESSAGE,
    IN_ANY_ORDER,
    LINE,
    NO_FUNCTION,
    NO_MESSAGE,
    NOTHING,
    OPAQUE,
    RAN_ON,
    SOME_LINE,
    STOPPED,
    STOPPED_AT,
)
from convcraft.language import N_, _, retold

_TOLERANCE = {  # dtype: relative, absolute; wide enough for a sum taken in another order
    torch.float64: (1e-7, 1e-9),
    torch.complex64: (1e-4, 1e-5),
    torch.float32: (1e-4, 1e-5),
    torch.float16: (1e-2, 1e-3),
    torch.bfloat16: (3e-2, 1e-2),
}
_CALL = re.compile(r"\bpositional argument|\bkeyword argument|multiple values for argument|takes no arguments|"
                   r"combination of arguments")

_KNOWN = (  # what PyTorch's messages mean that everybody meets
    (r"view size is not compatible", N_("`view` wants numbers that lie in memory one after the other, and here they do "
                                        "not. `reshape` and `flatten` copy where they must.")),
    (r"^a (view of a )?leaf [Vv]ariable that requires grad",
     N_("A tensor that asks for a gradient was changed in place while autograd was watching. Make a new one; a "
        "parameter is filled under `torch.no_grad()`.")),
    (r"^Boolean value of Tensor with more than one value",
     N_("A tensor of several numbers was asked whether it is true, by `if`, `and`, `not` or `max`: it has no one "
        "answer.")),
    (r"^Can't call numpy\(\) on Tensor that requires grad",
     N_("NumPy takes no tensor that autograd watches. PyTorch's own operations keep the gradient.")),
    (r"have (the )?same (dtype|scalar type)|expected scalar type|dtypes match|^Input type \((c10::)?\w+\) and \w+ type",
     N_("Your code mixes numbers of two dtypes. New tensors need that of the input: `x.new_zeros(…)` or "
        "`dtype=x.dtype`.")),
    (r"before Module\.__init__\(\) call",
     N_("A module's parts were assigned before `super().__init__()` had made the dictionaries that keep them.")),
    (r"-9223372036854775808", N_("A whole number was made of NaN or infinity, as 0/0 gives, and used as an index.")),
)
_NUMBER = N_("a number")
_KINDS: dict[type, str] = {  # a bool is an int, too: it comes first
    Tensor: N_("a tensor"), bool: N_("True or False"), int: _NUMBER, float: _NUMBER, str: N_("a string"),
    list: N_("a list or tuple"), dict: N_("a dictionary"), type(None): "None"}
_OBJECT = N_("an object")
_TOLD = (RAN_ON, NOTHING, NO_FUNCTION, STOPPED_AT, STOPPED)  # what an observation itself says, whole


@dataclass(frozen=True)
class Comparison:
    """The outcome of a comparison.

    Attributes:
        say: makes the sentence, which few of many comparisons are asked for; None where nothing differs.
        path: the names of the part that differs, from the outermost on; empty for the whole.
        ratio: the largest error over its tolerance (at most 1 where all is well), infinite where kinds differ.
        yours, expected: the two tensors that differ, in value, shape or dtype.
    """

    say: Callable[[], str] | None = None
    path: tuple[str, ...] = ()
    ratio: float = 0.0
    yours: Tensor | None = None
    expected: Tensor | None = None

    @cached_property
    def sentence(self) -> str:
        """What differs, for the reader, in the language in force when it is first asked for; empty where nothing does.
        """
        return self.say() if self.say else ""

    @property
    def where(self) -> str:
        """The part that differs, as one text."""
        return " ".join(self.path)

    def __bool__(self) -> bool:
        return self.say is None


def compare(yours: Observation, expected: Observation, rtol: float | None = None, atol: float | None = None,
            *, dtype: bool = True, values: bool = True, path: tuple[str, ...] = ()) -> Comparison:
    """Compare two observations part by part; the first difference speaks.

    Args:
        rtol, atol: in place of the tolerance that belongs to the dtype.
        dtype: False compares floating and whole numbers by their values, whatever their dtype; a coarser dtype's
            rounding is no difference then.
        values: False compares kinds, shapes and dtypes alone.
        path: the names of the part that is compared, for the message.
    """
    def differs(say: Callable[[], str], ratio: float = math.inf, **tensors: Tensor) -> Comparison:
        return Comparison(say, path, ratio, **tensors)

    part = partial(compare, rtol=rtol, atol=atol, dtype=dtype, values=values)
    if isinstance(yours, Failure) or isinstance(expected, Failure):
        if isinstance(yours, Failure) and isinstance(expected, Failure) and yours.kind == expected.kind:
            return Comparison()
        return differs(lambda: explain(yours) if isinstance(yours, Failure)
                       else _("It should have raised an error here."))
    if isinstance(yours, Opaque) or _kind(yours) != _kind(expected):
        return differs(lambda: _wrong_kind(yours, expected))
    if isinstance(expected, Tensor) and isinstance(yours, Tensor):
        return _compare_tensors(yours, expected, rtol, atol, dtype, values, differs)
    if isinstance(expected, list) and isinstance(yours, list):
        if len(yours) != len(expected):
            return differs(lambda: _("There are {yours} results here; {expected} were expected.").format(
                yours=len(yours), expected=len(expected)))
        return _first(part(mine, right, path=(*path, f"part {index + 1}"))
                      for index, (mine, right) in enumerate(zip(yours, expected, strict=True)))
    if isinstance(expected, dict) and isinstance(yours, dict):
        missing, extra = sorted(expected.keys() - yours.keys()), sorted(yours.keys() - expected.keys())
        if missing or extra:
            return differs(lambda: _("Missing: {missing}. Not expected: {extra}.").format(
                missing=_names(missing), extra=_names(extra)))
        return _first(part(yours[name], expected[name], path=(*path, name)) for name in expected)
    if not values:
        return Comparison()
    if isinstance(expected, float) and isinstance(yours, (int, float)):
        relative, absolute = _TOLERANCE[torch.float32]
        ratio = _ratio(float(yours), expected, relative if rtol is None else rtol, absolute if atol is None else atol)
        return Comparison(ratio=ratio) if ratio <= 1 else differs(
            lambda: _two(*_numbers(float(yours), expected)), ratio)
    if isinstance(expected, int) and isinstance(yours, float):
        return differs(lambda: _("Yours is the float {yours!r}; a whole number (int) was expected.").format(
            yours=yours))
    if yours != expected:
        if isinstance(expected, str) and isinstance(yours, str) and "\n" in expected:
            return differs(lambda: _first_line(yours, expected))
        return differs(lambda: _two(_short(yours), _short(expected)))
    return Comparison()


def explain(failure: Failure) -> str:
    """A sentence for an answer that raised, in the language in force."""
    message, place = failure.message, retold(failure.place, LINE, SOME_LINE)
    match failure.kind:
        case "NotImplementedError" if message == NO_MESSAGE:  # the stub's; PyTorch's own says what is missing
            return _("Not written yet.")
        case "OutOfTime" | "NotCallableError" | "StoppedError":
            return retold(message, *_TOLD)
        case "RuntimeError" if re.search(r"same device|expected device", message):
            return _("Your code mixes tensors of two devices; what it was given lies on the CPU. Make new tensors "
                     "where the input is: `device=x.device`, or `torch.zeros_like(x)`. ({place})").format(
                         place=place or message)
        case "RuntimeError" if message.startswith("autograd cannot see"):  # what the exam itself found
            return retold(f"A{message[1:]}", CUT, CUT_OF)
        case "TypeError" if not place and _CALL.search(message):
            return _("The exam could not call your code as the task describes it: {message}. Compare its parameters "
                     "with the task's.").format(message=message.rstrip("."))
        case "TypeError" | "AttributeError" if not place and "'NoneType'" in message:
            return _("Your code returned None, or None inside of what it returned. Is a `return` missing?")
    if said := next((said for pattern, said in _KNOWN if re.search(pattern, message)), ""):
        return _("{sentence} ({place})").format(sentence=_(said), place=place) if place else _(said)
    message = _(message) if message in (NO_MESSAGE, HIDDEN_MESSAGE) else message
    if place:
        return _("Your code stopped with {kind}: {message} ({place})").format(
            kind=failure.kind, message=message, place=place)
    return _("What your code returned could not be used: {kind}: {message}").format(kind=failure.kind, message=message)


def _first(parts: Iterable[Comparison]) -> Comparison:
    worst = 0.0
    for part in parts:
        if not part:
            return part
        worst = max(worst, part.ratio)
    return Comparison(ratio=worst)


def _compare_tensors(yours: Tensor, expected: Tensor, rtol: float | None, atol: float | None, dtype: bool, values: bool,
                     differs: Callable[..., Comparison]) -> Comparison:
    if yours.shape != expected.shape:
        return differs(lambda: _("Yours has shape {yours}; {expected} was expected.").format(
                           yours=tuple(yours.shape), expected=tuple(expected.shape)),
                       yours=yours, expected=expected)
    if yours.dtype != expected.dtype and (dtype or not (_is_number(yours) and _is_number(expected))):
        return differs(lambda: _("Yours has dtype {yours}; {expected} was expected.").format(
                           yours=_dtype(yours), expected=_dtype(expected)),
                       yours=yours, expected=expected)
    if not values or not expected.numel() or (yours.dtype == expected.dtype and torch.equal(yours, expected)):
        return Comparison()
    error = errors(yours, expected, rtol, atol)
    wrong, ratio = error > 1, error.max().item()
    if not wrong.any():
        return Comparison(ratio=ratio)
    return differs(lambda: _values_sentence(yours, expected, wrong), ratio, yours=yours, expected=expected)


def errors(yours: Tensor, expected: Tensor, rtol: float | None, atol: float | None) -> Tensor:
    """The error of each value over its tolerance. Of two floating dtypes the coarser one's tolerance counts."""
    known = [_TOLERANCE[tensor.dtype] for tensor in (yours, expected) if tensor.dtype in _TOLERANCE]
    if not known:
        return torch.where(yours == expected, 0.0, math.inf)
    relative, absolute = max(known)
    finite = expected[expected.isfinite()].abs()
    absolute *= max(1.0, finite.max().item()) if finite.numel() else 1.0
    if yours.dtype == expected.dtype:
        relative, absolute = relative if rtol is None else rtol, absolute if atol is None else atol
    else:
        relative, absolute = max(relative, rtol or 0), max(absolute, atol or 0)
    wide = torch.complex128 if expected.is_complex() else torch.float64
    mine, right = yours.to(wide), expected.to(wide)
    error = (mine - right).abs() / (absolute + relative * right.abs()).clamp_min(1e-300)
    error[(mine == right) | (mine.isnan() & right.isnan())] = 0
    return error.nan_to_num(nan=math.inf)


def _is_number(tensor: Tensor) -> bool:
    return tensor.dtype is not torch.bool and not tensor.is_complex()


def in_dtype_of(expected: Observation, yours: Observation) -> Observation:
    """`yours` with its numbers in the dtypes of `expected`, where that changes no value by more than rounding."""
    if isinstance(expected, Tensor) and isinstance(yours, Tensor):
        if yours.dtype == expected.dtype or not (_is_number(yours) and _is_number(expected)):
            return yours
        cast = yours.to(expected.dtype)
        return cast if expected.is_floating_point() or torch.equal(cast.to(yours.dtype), yours) else yours
    if isinstance(expected, list) and isinstance(yours, list):
        return [in_dtype_of(right, mine) for mine, right in zip(yours, expected, strict=True)]
    if isinstance(expected, dict) and isinstance(yours, dict):
        return {name: in_dtype_of(expected[name], mine) for name, mine in yours.items()}
    return yours


def _values_sentence(yours: Tensor, expected: Tensor, wrong: Tensor) -> str:
    if not expected.ndim:
        return _two(*_numbers(yours.item(), expected.item()))
    place = tuple(wrong.nonzero()[0].tolist())
    mine, right = _numbers(yours[place].item(), expected[place].item())
    return _("yours {yours} at {place}, expected {expected}; {count} of {total} values differ").format(
        yours=mine, place=place if len(place) > 1 else place[0], expected=right, count=int(wrong.sum()),
        total=wrong.numel())


def _ratio(yours: float, expected: float, rtol: float, atol: float) -> float:
    if yours == expected or (math.isnan(yours) and math.isnan(expected)):
        return 0.0
    if not (math.isfinite(yours) and math.isfinite(expected)):
        return math.inf
    return abs(yours - expected) / max(atol + rtol * abs(expected), 1e-300)


def _kind(value: Observation) -> str:
    """What the value is, in English."""
    return _KINDS.get(type(value)) or next((name for kind, name in _KINDS.items() if isinstance(value, kind)), _OBJECT)


def _wrong_kind(yours: Observation, expected: Observation) -> str:
    while isinstance(expected, dict) and len(expected) == 1 and expected.keys() <= {IN_ANY_ORDER, BUT_FOR_SCALE}:
        (expected,) = expected.values()  # the exam's own, around the tensor that the task wants
    if yours is None:
        return _("Your code returned None; {expected} was expected. Is a `return` missing?").format(
            expected=_(_kind(expected)))
    kind = retold(yours.kind, *OPAQUE) if isinstance(yours, Opaque) else _(_kind(yours))
    if isinstance(yours, Opaque) and yours.kind.startswith(ELSEWHERE.partition("{")[0]):
        return _("Your code gave {kind}; what it was given lies on the CPU. Make new tensors where the input is: "
                 "`device=x.device`, or `torch.zeros_like(x)`.").format(kind=kind)
    return _("Your code gave {kind}; {expected} was expected.").format(kind=kind, expected=_(_kind(expected)))


def _first_line(yours: str, expected: str) -> str:
    mine, right = yours.split("\n"), expected.split("\n")
    for number, (my_line, right_line) in enumerate(zip(mine, right, strict=False), 1):
        if my_line != right_line:
            return _("line {number}: yours {yours}, expected {expected}").format(
                number=number, yours=_short(my_line), expected=_short(right_line))
    return _("yours has {yours} lines, expected {expected}").format(yours=len(mine), expected=len(right))


def _two(yours: str, expected: str) -> str:
    return _("yours {yours}, expected {expected}").format(yours=yours, expected=expected)


def _names(names: list[str]) -> str:
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "") if names else _("nothing")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _numbers(yours: complex | float, expected: complex | float) -> tuple[str, str]:
    """Both numbers with as few digits as tell them apart, two after the point at least."""
    for digits in range(2, 17):
        mine, right = _number(yours, digits), _number(expected, digits)
        if mine != right:
            break
    return mine, right


def _number(value: complex | float, digits: int) -> str:
    if isinstance(value, float):
        fixed = value == 0 or 0.01 <= abs(value) < 10_000
        text = f"{value:.{digits}f}" if fixed else f"{value:.{digits + 1}g}"
    else:
        text = str(value)
    return text.replace("-", "−")


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
