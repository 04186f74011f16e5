"""What an exam ever draws: each argument's classes of values, over all aspects, and those that never come."""

import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from convcraft.author.prove import answers
from convcraft.author.source import Chapter
from convcraft.exam import Exercise
from convcraft.exam.call import heard
from convcraft.exam.observe import Observer

Classes = dict[str, bool]  # a class of values, and whether a value is in it


def show(chapters: list[Chapter], names: tuple[str, ...], console: Console) -> None:
    """Print the table of draws of the exercises or chapters named, of all where none is."""
    for chapter in chapters:
        chosen = [name for name in chapter.exercises if not names or {chapter.name, name} & set(names)]
        solutions = answers(chapter)[0] if chosen else {}
        for name in chosen:
            if name in solutions:
                console.print(escape("\n".join(draws(chapter.exercises[name], solutions[name]))), soft_wrap=True)


def draws(exercise: Exercise, solution: Callable[..., object]) -> Iterator[str]:
    """Lines of a table: for each argument, which classes of values come, in how many aspects, and which never.

    Args:
        solution: the chapter's, whose parameters name the arguments.
    """
    seen: dict[str, dict[str, set[str]]] = {}
    signature, aspect = list(inspect.signature(solution).parameters), ""

    def listen(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for argument, value in {**dict(zip(signature, args, strict=False)), **kwargs}.items():
            for known, held in _classes(value).items():
                where = seen.setdefault(argument, {}).setdefault(known, set())
                if held:
                    where.add(aspect)

    answer = heard(exercise.name, exercise.reference, listen)
    observer = Observer(exercise.name, exercise.probe, answer, seed=0, seconds=60)
    for aspect in observer:  # `listen` knows each call by its aspect
        observer.observe(aspect)
    yield f"{exercise.name}: {len(observer)} aspects"
    for argument, classes in seen.items():
        drawn = [f"{known} ({len(where)})" for known, where in classes.items() if where]
        never = [known for known, where in classes.items() if not where]
        yield f"  {argument:16} {', '.join(drawn)}"
        if never:
            yield f"  {'':16} never: {', '.join(never)}"


def _classes(value: object) -> Classes:
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, bool) or value is None:
        return {"True": value is True, "False": value is False, "None": value is None}
    if isinstance(value, int):
        return {"0": value == 0, "1": value == 1, "2": value == 2, "more": value > 2, "negative": value < 0}
    if isinstance(value, float):
        return {"0.0": value == 0, "in (0, 1)": 0 < value < 1, "1.0": value == 1, "above 1": value > 1,
                "negative": value < 0}
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value):
        first, second = value
        return {"a pair, alike": first == second, "a pair, first larger": first > second,
                "a pair, second larger": first < second, "a pair with a zero": 0 in value and first != second}
    if isinstance(value, (list, tuple, dict, str)):
        return {"empty": not value, "one": len(value) == 1, "several": len(value) > 1}
    return {type(value).__name__: True}


def _of_tensor(tensor: Tensor) -> Classes:
    with torch.no_grad():
        shape, floating = tensor.shape, tensor.is_floating_point()
        found = {f"{tensor.ndim} axes": True, str(tensor.dtype).removeprefix("torch."): True,
                 "empty": not tensor.numel(), "not contiguous": not tensor.is_contiguous(),
                 "a zero": bool((tensor == 0).any()), "negative": bool((tensor < 0).any())}
        if floating:
            found["tiny (below 1e-2)"] = bool(((tensor != 0) & (tensor.abs() < 1e-2)).any())
            found["large (above 100)"] = bool((tensor.abs() > 100).any())
            found["NaN or infinite"] = not all(map(math.isfinite, tensor.flatten().tolist()))
    if tensor.ndim >= 2:
        high, wide = shape[-2:]
        found |= {"H = W": high == wide, "H < W": high < wide, "H > W": high > wide}
    if tensor.ndim >= 3:
        depth = shape[-3]
        found |= {"C = 1": depth == 1, "C = 2": depth == 2, "C = 3": depth == 3, "C above 3": depth > 3}
    if tensor.ndim == 4:
        first = shape[0]
        found |= {"first axis 1": first == 1, "first axis < C": first < shape[1], "first axis = C": first == shape[1],
                  "first axis > C": first > shape[1]}
    return found
