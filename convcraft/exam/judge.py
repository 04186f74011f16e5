"""From observations to points and diagnoses, where the reference runs and the reader's code does not."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from convcraft.exam.compare import Comparison, compare
from convcraft.exam.exercise import Aspect, Exercise
from convcraft.exam.observation import Failure, Record


@dataclass(frozen=True)
class Row:
    """One aspect's outcome.

    Attributes:
        says: what the task says of it.
        diagnosis: the sentence of the misconception that shows the same, empty where none does.
        comparison: what differs; its sentence is empty where the aspect passed.
    """

    name: str
    says: str
    passed: bool
    diagnosis: str = ""
    comparison: Comparison = field(default_factory=Comparison)

    @property
    def detail(self) -> str:
        """What differs and where, in one line."""
        where, sentence = self.comparison.where, self.comparison.sentence
        return f"{where}: {sentence}" if where and sentence else sentence


@dataclass(frozen=True)
class Verdict:
    """An exercise's outcome: points, a row an aspect, what the answer printed, and how long it took."""

    exercise: str
    points: float
    max_points: int
    rows: list[Row]
    output: str = ""
    seconds: float = 0.0

    @property
    def diagnoses(self) -> list[str]:
        """The misconceptions that were recognised, each once."""
        return list(dict.fromkeys(row.diagnosis for row in self.rows if row.diagnosis))


def judge(exercise: Exercise, records: Iterable[Record], seed: int) -> Verdict:
    """Compare what was observed of an answer with what the reference shows for the same draws.

    An aspect without a record has not passed. All aspects passed is exactly all points.
    """
    seen: dict[str, Record] = {}
    for record in records:
        seen.setdefault(record.aspect, record)
    aspects, expected = exercise.aspects(), exercise.expected(seed)
    outcomes = {item.name: _outcome(item, seen.get(item.name), expected[item.name]) for item in aspects}
    failed = [item for item in aspects if not outcomes[item.name]]
    diagnoses = _diagnose(exercise, failed, seen, expected, seed) if failed else {}
    rows = [Row(item.name, item.says, bool(outcomes[item.name]), diagnoses.get(item.name, ""), outcomes[item.name])
            for item in aspects]
    share = Fraction(sum(item.weight for item in aspects if outcomes[item.name]), sum(item.weight for item in aspects))
    return Verdict(exercise.name, _points(exercise.points * share), exercise.points, rows,
                   "".join(dict.fromkeys(record.output for record in seen.values())),
                   sum(record.seconds for record in seen.values()))


def _points(exact: Fraction) -> float:
    """Points as a number: whole where they are whole, else to the hundredth, never rounded up to all."""
    return int(exact) if exact.denominator == 1 else float(int(exact * 100) / 100)


def _outcome(item: Aspect, record: Record | None, expected: Record) -> Comparison:
    if record is None:
        return Comparison("Not tried: an earlier aspect did not come to an end.", ratio=float("inf"))
    if isinstance(expected.observation, Failure):
        raise RuntimeError(f"the reference itself fails in aspect {item.name!r}: {expected.observation}")
    if record.banned:
        return Comparison(_banned(record.banned), ratio=float("inf"))
    return _compare(item, record, expected)


def _compare(item: Aspect, yours: Record, expected: Record) -> Comparison:
    if item.view is None:
        return compare(yours.observation, expected.observation, item.rtol, item.atol)
    alike = compare(yours.observation, expected.observation, values=False)
    if not alike:
        return alike
    right = item.view(expected.observation, expected.observation)
    try:
        mine = item.view(yours.observation, expected.observation)
    except Exception as error:  # values of the right shape that cannot be read, NaN for one
        return Comparison(f"Your values could not be judged: {type(error).__name__}: {error}", ratio=float("inf"))
    return compare(mine, right, item.rtol, item.atol)


def _diagnose(exercise: Exercise, failed: list[Aspect], seen: dict[str, Record], expected: dict[str, Record],
              seed: int) -> dict[str, str]:
    """For each failed aspect, the sentence of the misconception that shows the same there.

    Of several, the one that explains most failures speaks; then the one that would have failed fewest of what passed.
    One that equals the reference on an aspect explains nothing. The same error can come of many mistakes: it speaks for
    a misconception only where all that this one fails has failed.
    """
    explained: dict[int, set[str]] = {}
    contradicted: dict[int, int] = {}
    passed = seen.keys() - {item.name for item in failed}
    for index in range(len(exercise.misconceptions)):
        mistaken, fails = exercise.mistaken(index, seed), _fails(exercise, index, seed)
        contradicted[index] = len(fails & passed)
        explained[index] = {
            item.name for item in failed
            if item.name in seen and item.name in fails
            and not (contradicted[index] and isinstance(mistaken[item.name].observation, Failure))
            and _same(item, seen[item.name], mistaken[item.name], expected[item.name])
        }
    order = sorted(explained, key=lambda index: (-len(explained[index]), contradicted[index]))
    sentences = {}
    for item in failed:
        for index in order:
            if item.name in explained[index]:
                sentences[item.name] = exercise.misconceptions[index].sentence
                break
    return sentences


@lru_cache(maxsize=2048)
def _fails(exercise: Exercise, index: int, seed: int) -> frozenset[str]:
    """The aspects in which misconception number `index` differs from the reference."""
    mistaken, expected = exercise.mistaken(index, seed), exercise.expected(seed)
    return frozenset(item.name for item in exercise.aspects()
                     if item.name in mistaken and not _outcome(item, mistaken[item.name], expected[item.name]))


def _same(item: Aspect, yours: Record, mistaken: Record, expected: Record) -> bool:
    """Whether an answer shows just what a misconception shows."""
    mine, wrong = yours.observation, mistaken.observation
    if isinstance(wrong, Failure):
        return isinstance(mine, Failure) and (mine.kind, mine.message) == (wrong.kind, wrong.message)
    if isinstance(mine, Failure):
        return False
    if compare(mine, wrong, item.rtol, item.atol):
        return True
    if item.view is None or not compare(mine, expected.observation, values=False) \
            or not compare(wrong, expected.observation, values=False):
        return False
    try:
        views = [item.view(shown, expected.observation) for shown in (mine, wrong)]
    except Exception:  # what cannot be read equals nothing
        return False
    return bool(compare(*views, item.rtol, item.atol))


def _banned(names: tuple[str, ...]) -> str:
    if "autograd" in names:
        return "This uses autograd, which the task rules out."
    operators = ", ".join(name.removeprefix("aten::") for name in names)
    return f"This uses what the task rules out: PyTorch's operator {operators}."
