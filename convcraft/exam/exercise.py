"""What an exercise is, and how one is written down."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convcraft.exam.draw import Draw
from convcraft.exam.observation import Observation, Record
from convcraft.exam.observe import Observer
from convcraft.exam.told import BUT_FOR_SCALE, CUT, CUT_OF, IN_ANY_ORDER
from convcraft.language import N_, _, current
from convcraft.sentences import in_language

Answer = Callable[..., Any]  # a function or a class, as a student writes it
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
    dtype: bool = False


def aspect(name: str, says: str, look: Look, *, weight: int = 1, view: View | None = None,
           rtol: float | None = None, atol: float | None = None, dtype: bool = False) -> Aspect:
    """One aspect of an exercise, with inputs of its own.

    One slip costs one share: a wrong dtype is examined by one aspect alone. `habits` is that aspect where an exercise
    has one. Where it has none and the task says something of dtypes, give `dtype=True` to the aspect whose sentence
    says it. Every other aspect compares the values of floating and of whole numbers, whatever their dtype; truth
    values (`torch.bool`) are no numbers.

    Args:
        name: a few words that a reader understands, unique in the exercise.
        says: the sentence of the task that announces it, word for word.
        look: draws the inputs, calls the answer, returns what is to be observed: tensors, numbers, strings, booleans,
            None, and lists, tuples and dictionaries of these. An error that it raises is an observation, too.
        weight: its part of the points, relative to the other aspects'.
        view: `view(observed, expected)` gives the facts to be compared in place of the raw observations; it runs
            where the reference runs, after kinds and shapes have been found alike. It is given the numbers in the
            dtypes that were expected.
        rtol, atol: the tolerance, in place of the one that belongs to the dtype.
        dtype: the tensors' dtypes count, too.
    """
    return Aspect(name, says, look, weight, view, rtol, atol, dtype)


Probe = Callable[[Any, Draw], Iterator[Aspect]]


@dataclass(frozen=True)
class Misconception:
    """A wrong implementation and the sentence that helps the person who wrote it. See `Exercise.misconception`."""

    sentence: str
    answer: Answer
    literal: bool = False


@dataclass(eq=False)
class Exercise:
    """An exercise: how it is examined, and who answers it rightly and wrongly.

    Attributes:
        probe: `probe(impl, draw)`, a generator of aspects. It travels without the answers.
        bans: ATen operators that an answer may not use (see `ops`).
        reference: PyTorch's own implementation, or the plainest one.
        equivalents: mutants of the reference solution that no exam can tell from it, each with the reason.
        folder: its chapter's, where what it says in other languages lies; None where that is known otherwise.
        listed: False for an exercise that its chapter no longer asks. `examine` and the grader know it, so that older
            copies and submissions are examined as ever; the chapter's numbers and points leave it out.
    """

    name: str
    points: int
    probe: Probe
    reference: Answer
    bans: frozenset[str] = frozenset()
    chapter: str = ""
    misconceptions: list[Misconception] = field(default_factory=list)
    alternatives: list[Answer] = field(default_factory=list)
    equivalents: dict[str, str] = field(default_factory=dict)
    listed: bool = True
    folder: Path | None = None

    def misconception(self, sentence: str, *, literal: bool = False) -> Callable[[Answer], Answer]:
        """Decorates a wrong answer; `sentence` tells the person who gave it what it does and where to look.

        Args:
            literal: the sentence says no more than what the aspects themselves see ("a tensor came back", "the net is
                left in evaluation mode"), whatever it came of. It is told also where little is to be seen, a boolean
                or a small number, if the whole pattern fits. A sentence that names a cause is not literal: let the
                aspect look at more numbers until only that cause gives them (see `diagnose`).
        """
        def add(answer: Answer) -> Answer:
            self.misconceptions.append(Misconception(sentence, answer, literal))
            return answer

        return add

    def alternative(self, answer: Answer) -> Answer:
        """Decorates another right answer: it must get all points."""
        self.alternatives.append(answer)
        return answer

    def equivalent(self, mutant: str, reason: str) -> None:
        """Lists a mutant of the reference solution that behaves as the solution does, and says why."""
        self.equivalents[mutant] = reason

    def said(self, sentence: str) -> str:
        """A sentence of the exam's, or of all exams', in the language in force."""
        return self.sentences(current()).get(sentence) or _(sentence)

    def sentences(self, language: str) -> Mapping[str, str]:
        """What it says, by the English: what of it is translated into a language."""
        return {} if language == "en" or self.folder is None else in_language(self.folder, self.name, language)

    def aspects(self) -> list[Aspect]:
        """The aspects, without looking at anything."""
        return list(self.probe(None, Draw(0, self.name)))

    def expected(self, seed: int) -> Mapping[str, Record]:
        """What the reference shows, by aspect."""
        return shown(self, self.reference, seed)

    def mistaken(self, index: int, seed: int) -> Mapping[str, Record]:
        """What misconception number `index` shows, by aspect."""
        return shown(self, self.misconceptions[index].answer, seed)


class Shown(Mapping[str, Record]):
    """What an answer of the exam's own shows, by aspect; each is observed when it is first asked for.

    Without bans: PyTorch's own function may be the reference, and a mistake is one however it is written.
    """

    def __init__(self, exercise: Exercise, answer: Answer, seed: int):
        self._observer = Observer(exercise.name, exercise.probe, answer, seed=seed, seconds=60)
        self._records: dict[str, Record] = {}

    def __getitem__(self, aspect: str) -> Record:
        if aspect not in self._records:
            self._records[aspect] = self._observer.observe(aspect)
        return self._records[aspect]

    def __iter__(self) -> Iterator[str]:
        return iter(self._observer)

    def __len__(self) -> int:
        return len(self._observer)


shown = lru_cache(maxsize=4096)(Shown)  # more than the course has answers of its own


def exercise(*, points: int, reference: Answer, bans: frozenset[str] = frozenset(),
             listed: bool = True) -> Callable[..., Exercise]:
    """Makes an `Exercise` of a probe, which gives it its name.

    Args:
        listed: False where the chapter no longer asks it: see `Exercise`.

    Raises:
        TypeError: the probe is no generator function of `(impl, draw)`.
    """
    def make(probe: Probe) -> Exercise:
        if not inspect.isgeneratorfunction(probe) or list(inspect.signature(probe).parameters) != ["impl", "draw"]:
            raise TypeError(f"{probe.__name__}: a probe is `def {probe.__name__}(impl, draw)` and yields aspects")
        return Exercise(probe.__name__, points, probe, reference, frozenset(bans), listed=listed)

    return make


def error_of(thunk: Look, *kinds: type[BaseException]) -> str:
    """Which error `thunk` raises: the first of `kinds` that it is one of, else its own type; "no error" for none."""
    try:
        thunk()
    except Exception as error:
        return next((kind.__name__ for kind in kinds if isinstance(error, kind)), type(error).__name__)
    return "no error"


def gradients(function: Answer, *tensors: Tensor) -> list[Tensor] | Any:
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
        raise RuntimeError(_as_error(CUT))
    (result.double() * weights).sum().backward()
    unseen = [str(number) for number, leaf in enumerate(leaves, 1) if leaf.grad is None]
    if unseen:
        told = CUT_OF.format(numbers=" and ".join(unseen), count=len(leaves)) if len(leaves) > 1 else CUT
        raise RuntimeError(_as_error(told))
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def _as_error(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def in_any_order(result: Any) -> Any:
    """All numbers of a tensor from small to large, so that its shape and order lose no second share.

    For an aspect whose sentence is about something else; the task's order and shape are examined by another one.
    Whatever is no tensor stays as it is.
    """
    if not isinstance(result, Tensor):
        return result
    return {IN_ANY_ORDER: result.flatten().sort().values}


def but_for_scale(result: Any) -> Any:
    """A tensor divided by the number in it that is furthest from zero, so that a wrong factor loses no second share.

    For an aspect whose sentence is about something else; the scale is examined by another one. A list's or a
    dictionary's tensors are divided each by its own; whatever is no tensor of numbers stays as it is.
    """
    if isinstance(result, (list, tuple)):
        return [but_for_scale(part) for part in result]
    if isinstance(result, dict):
        return {name: but_for_scale(part) for name, part in result.items()}
    if not isinstance(result, Tensor) or result.is_complex() or result.dtype == torch.bool:
        return result
    largest = result.flatten()[result.abs().argmax()] if result.numel() else result
    return {BUT_FOR_SCALE: result / largest if largest.any() else result}


def habits(says: str, impl: Answer, arguments: Callable[[], tuple[Any, ...]], *, gradient: bool = True,
           further: Callable[[], tuple[Any, ...]] | None = None, weight: int = 1) -> Aspect:
    """One aspect for what every good function does, each observed together with the result.

    It is the aspect that looks at dtypes: a right value in a wrong dtype loses its share and no other.
    Gradients flow, in float64; float64 in gives float64 out; inputs need not be contiguous; inputs are left alone.

    Args:
        arguments: draws the positional arguments.
        gradient: False where gradients are not part of the task.
        further: draws another call's arguments, whose gradients are looked at as well: with padding, with a flag set.
    """
    def of_tensors(given: tuple[Any, ...]) -> tuple[list[Tensor], Callable[[Sequence[Tensor]], Any]]:
        """The floating tensors among the arguments, and the call with others in their places."""
        floating = [index for index, value in enumerate(given)
                    if isinstance(value, Tensor) and value.is_floating_point()]

        def call(tensors: Sequence[Tensor]) -> Any:
            filled = list(given)
            for index, tensor in zip(floating, tensors, strict=True):
                filled[index] = tensor
            return impl(*filled)

        return [given[index] for index in floating], call

    def look() -> dict[str, object]:
        tensors, call = of_tensors(arguments())
        kept = [tensor.clone() for tensor in tensors]
        seen = {N_("float64 input"): call([tensor.double() for tensor in tensors]),
                N_("non-contiguous input"): call([_spread(tensor) for tensor in tensors]),
                N_("input left alone"): [call(kept), *kept]}
        if gradient:
            seen[N_("gradient")] = gradients(lambda *leaves: call(leaves), *tensors)
        if further is not None:
            others, call_again = of_tensors(further())
            seen[N_("gradient, once more")] = gradients(lambda *leaves: call_again(leaves), *others)
        return seen

    return aspect(N_("habits"), says, look, weight=weight, dtype=True)


def _spread(tensor: Tensor) -> Tensor:
    """The same numbers with the dimensions stored in reverse order and gaps between: no `view` can merge any."""
    wide = torch.full((*reversed(tensor.shape), 2), float("nan"), dtype=tensor.dtype)
    spread = wide[..., 0].permute(tuple(reversed(range(tensor.ndim))))
    return spread.copy_(tensor)
