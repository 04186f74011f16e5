"""One aspect's outcome: does an answer show there what the reference shows, or what a misconception shows?"""

from convcraft.exam.compare import Comparison, compare, in_dtype_of
from convcraft.exam.exercise import Aspect
from convcraft.exam.observation import Failure, Observation, Record
from convcraft.language import _


def outcome(item: Aspect, record: Record | None, expected: Record) -> Comparison:
    """How what was observed of an answer differs from what the reference shows.

    Raises:
        RuntimeError: the reference itself fails.
    """
    if record is None:
        return Comparison(lambda: _("Not tried: an earlier aspect did not come to an end."), ratio=float("inf"))
    if isinstance(expected.observation, Failure):
        raise RuntimeError(f"the reference itself fails in aspect {item.name!r}: {expected.observation}")
    if record.banned:
        return Comparison(lambda: _banned(record.banned), ratio=float("inf"))
    return _compare(item, record.observation, expected.observation)


def _compare(item: Aspect, mine: Observation, right: Observation) -> Comparison:
    if item.view is None:
        return compare(mine, right, item.rtol, item.atol, dtype=item.dtype)
    alike = compare(mine, right, dtype=item.dtype, values=False)
    if not alike:
        return alike
    facts = item.view(right, right)
    try:
        shown = item.view(in_dtype_of(right, mine), right)
    except Exception as error:  # values of the right shape that cannot be read, NaN for one
        kind, message = type(error).__name__, str(error)
        return Comparison(lambda: _("Your values could not be judged: {kind}: {message}").format(
            kind=kind, message=message), ratio=float("inf"))
    return compare(shown, facts, item.rtol, item.atol, dtype=item.dtype)


def shared(item: Aspect, yours: Record, mistaken: Record, expected: Record) -> tuple[Observation, Observation] | None:
    """What an answer and a misconception both show, and what the reference shows in its place.

    None where the two do not show the same. Where an aspect has a view, two answers that drew other numbers can be
    alike in its facts alone: then those are what they share.
    """
    mine, wrong, right = yours.observation, mistaken.observation, expected.observation
    if isinstance(mine, Failure) or isinstance(wrong, Failure):
        alike = isinstance(mine, Failure) and isinstance(wrong, Failure) \
            and (mine.kind, mine.message) == (wrong.kind, wrong.message)
        return (wrong, right) if alike else None
    if compare(mine, wrong, item.rtol, item.atol, dtype=item.dtype):
        return wrong, right
    if item.view is None or not all(compare(shown, right, dtype=item.dtype, values=False) for shown in (mine, wrong)):
        return None
    try:
        mine, wrong = (item.view(in_dtype_of(right, shown), right) for shown in (mine, wrong))
    except Exception:  # what cannot be read equals nothing
        return None
    return (wrong, item.view(right, right)) if compare(mine, wrong, item.rtol, item.atol, dtype=item.dtype) else None


def _banned(names: tuple[str, ...]) -> str:
    if "autograd" in names:
        return _("This uses autograd, which the task rules out.")
    operators = ", ".join(name.removeprefix("aten::") for name in names)
    return _("This uses what the task rules out: PyTorch's operator {operators}.").format(operators=operators)
