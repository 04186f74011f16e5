"""What an exercise is, and how one is written down."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from convcraft.exam.draw import Draw
from convcraft.exam.observation import Observation, Record
from convcraft.exam.observe import observe

Look = Callable[[], object]
View = Callable[[Observation, Observation], Observation]


@dataclass(frozen=True)
class Aspect:
    """One thing that is looked at. See `aspect`."""

    name: str
    says: str
    look: Look
    weight: int = 1
    view: View | None = None
    rtol: float | None = None
    atol: float | None = None


def aspect(name: str, says: str, look: Look, *, weight: int = 1, view: View | None = None,
           rtol: float | None = None, atol: float | None = None) -> Aspect:
    """One aspect of an exercise, with inputs of its own.

    Args:
        name: a few words that a reader understands, unique in the exercise.
        says: the sentence of the task that announces it, word for word.
        look: draws the inputs, calls the answer, returns what is to be observed: tensors, numbers, strings, booleans,
            None, and lists, tuples and dictionaries of these. An error that it raises is an observation, too.
        weight: its part of the points, relative to the other aspects'.
        view: `view(observed, expected)` gives the facts to be compared in place of the raw observations; it runs
            where the reference runs, after kinds, shapes and dtypes have been found alike.
        rtol, atol: the tolerance, in place of the one that belongs to the dtype.
    """
    return Aspect(name, says, look, weight, view, rtol, atol)


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation and the sentence that helps the person who wrote it."""

    sentence: str
    answer: Callable


@dataclass(eq=False)
class Exercise:
    """An exercise: how it is examined, and who answers it rightly and wrongly.

    Attributes:
        probe: `probe(impl, draw)`, a generator of aspects. It travels without the answers.
        bans: ATen operators that an answer may not use (see `ops`).
        reference: PyTorch's own implementation, or the plainest one.
        equivalents: mutants of the reference solution that no exam can tell from it, each with the reason.
    """

    name: str
    points: int
    probe: Callable[[Callable | None, Draw], Iterator[Aspect]]
    reference: Callable | None
    bans: frozenset[str] = frozenset()
    chapter: str = ""
    misconceptions: list[Misconception] = field(default_factory=list)
    alternatives: list[Callable] = field(default_factory=list)
    equivalents: dict[str, str] = field(default_factory=dict)

    def misconception(self, sentence: str) -> Callable[[Callable], Callable]:
        """Decorates a wrong answer; `sentence` tells the person who gave it what it does and where to look."""
        def add(answer: Callable) -> Callable:
            self.misconceptions.append(Misconception(sentence, answer))
            return answer

        return add

    def alternative(self, answer: Callable) -> Callable:
        """Decorates another right answer: it must get all points."""
        self.alternatives.append(answer)
        return answer

    def equivalent(self, mutant: str, reason: str) -> None:
        """Lists a mutant of the reference solution that behaves as the solution does, and says why."""
        self.equivalents[mutant] = reason

    def aspects(self) -> list[Aspect]:
        """The aspects, without looking at anything."""
        return list(self.probe(None, Draw(0, self.name)))

    @lru_cache(maxsize=256)  # noqa: B019  (of all exercises together, which live as long as the process)
    def expected(self, seed: int) -> dict[str, Record]:
        """What the reference shows, by aspect."""
        return self._observe(self.reference, seed)

    @lru_cache(maxsize=2048)  # noqa: B019
    def mistaken(self, index: int, seed: int) -> dict[str, Record]:
        """What misconception number `index` shows, by aspect."""
        return self._observe(self.misconceptions[index].answer, seed)

    def _observe(self, answer: Callable, seed: int) -> dict[str, Record]:
        """Without bans: PyTorch's own function may be the reference, and a mistake is one however it is written."""
        return {record.aspect: record for record in observe(self.name, self.probe, answer, seed=seed, seconds=60)}


def exercise(*, points: int, reference: Callable, bans: frozenset[str] = frozenset()) -> Callable[..., Exercise]:
    """Makes an `Exercise` of a probe, which gives it its name.

    Raises:
        TypeError: the probe is no generator function of `(impl, draw)`.
    """
    def make(probe: Callable) -> Exercise:
        if not inspect.isgeneratorfunction(probe) or list(inspect.signature(probe).parameters) != ["impl", "draw"]:
            raise TypeError(f"{probe.__name__}: a probe is `def {probe.__name__}(impl, draw)` and yields aspects")
        return Exercise(probe.__name__, points, probe, reference, frozenset(bans))

    return make


def error_of(thunk: Look, *kinds: type[BaseException]) -> str:
    """Which error `thunk` raises: the first of `kinds` that it is one of, else its own type; "no error" for none."""
    try:
        thunk()
    except Exception as error:
        return next((kind.__name__ for kind in kinds if isinstance(error, kind)), type(error).__name__)
    return "no error"


def gradients(function: Callable[..., Tensor], *tensors: Tensor) -> list[Tensor]:
    """Gradients, in float64, of a fixed weighted sum of `function(*tensors)` with respect to each tensor.

    Raises:
        RuntimeError: the result does not depend on a tensor, as far as autograd can see; its number is named.
    """
    leaves = [tensor.detach().double().clone().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    if not isinstance(result, Tensor):
        return result  # what it is will be told
    weights = torch.cos(torch.arange(result.numel(), dtype=torch.float64)).reshape(result.shape)
    if not result.requires_grad:
        raise RuntimeError("autograd cannot see how the result depends on the input: the graph is cut.")
    (result.double() * weights).sum().backward()
    unseen = [str(number) for number, leaf in enumerate(leaves, 1) if leaf.grad is None]
    if unseen:
        which = f"input {' and '.join(unseen)} of {len(leaves)}" if len(leaves) > 1 else "the input"
        raise RuntimeError(f"autograd cannot see how the result depends on {which}: the graph is cut.")
    return [leaf.grad for leaf in leaves]


def habits(says: str, impl: Callable, arguments: Callable[[], tuple], *, gradient: bool = True,
           weight: int = 1) -> Aspect:
    """One aspect for what every good function does, each observed together with the result.

    Gradients flow, in float64; float64 in gives float64 out; inputs need not be contiguous; inputs are left alone.

    Args:
        arguments: draws the positional arguments.
        gradient: False where gradients are not part of the task.
    """
    def look() -> dict[str, object]:
        given = arguments()
        floating = [index for index, value in enumerate(given)
                    if isinstance(value, Tensor) and value.is_floating_point()]

        def call(tensors: list[Tensor]) -> Tensor:
            filled = list(given)
            for index, tensor in zip(floating, tensors, strict=True):
                filled[index] = tensor
            return impl(*filled)

        tensors = [given[index] for index in floating]
        kept = [tensor.clone() for tensor in tensors]
        seen = {"float64 input": call([tensor.double() for tensor in tensors]),
                "non-contiguous input": call([_spread(tensor) for tensor in tensors]),
                "input left alone": [call(kept), *kept]}
        if gradient:
            seen["gradient"] = gradients(lambda *leaves: call(leaves), *tensors)
        return seen

    return aspect("habits", says, look, weight=weight)


def _spread(tensor: Tensor) -> Tensor:
    """The same numbers with the dimensions stored in reverse order and gaps between: no `view` can merge any."""
    wide = torch.full((*reversed(tensor.shape), 2), float("nan"), dtype=tensor.dtype)
    spread = wide[..., 0].permute(tuple(reversed(range(tensor.ndim))))
    return spread.copy_(tensor)
