"""One slip costs one share: a right value in a wrong dtype loses the aspect that looks at dtypes, and no other."""

from functools import cache

import pytest
import torch
from conftest import EXERCISES

from convcraft.author.prove import answers, examined
from convcraft.exam.compare import compare, in_dtype_of

_answers = cache(answers)


def _in(dtype, value):
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(_in(dtype, item) for item in value)
    return value


def _dtypes(value):
    if isinstance(value, (list, tuple)):
        return [_dtypes(item) for item in value]
    return value.dtype if isinstance(value, torch.Tensor) else None


def _functions():
    """Exercises answered by a function that returns what it made; in place, another dtype is another tensor."""
    return [parameter for parameter in EXERCISES if parameter.id.islower() and not parameter.id.endswith("_")]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("chapter", "name"), _functions())
def test_a_right_value_in_a_wrong_dtype_loses_one_share(chapter, name, dtype, nobody_is_told):
    exercise, solution = chapter.exercises[name], _answers(chapter)[0][name]
    right_already = []

    def wrong(*args, **kwargs):
        right = solution(*args, **kwargs)
        cast = _in(dtype, right)
        right_already.append(_dtypes(cast) == _dtypes(right))
        return cast

    verdict = examined(exercise, wrong)
    failed = [row.name for row in verdict.rows if not row.passed]
    looking = [item.name for item in exercise.aspects() if item.dtype]
    if all(right_already):
        assert not failed
    else:
        assert failed == looking or (not looking and len(failed) <= 1)


@pytest.mark.parametrize(("yours", "expected", "alike"), [
    (torch.tensor([1.5]).double(), torch.tensor([1.5]), True),
    (torch.tensor([0.1]), torch.tensor([0.1]).double(), True),
    (torch.tensor([0.1], dtype=torch.float16), torch.tensor([0.1]), True),
    (torch.tensor([0.1]), torch.tensor([0.1], dtype=torch.float64) + 1e-3, False),
    (torch.tensor([3.0]), torch.tensor([3]), True), (torch.tensor([3.5]), torch.tensor([3]), False),
    (torch.tensor([3], dtype=torch.int32), torch.tensor([3]), True),
    (torch.tensor([1]), torch.tensor([True]), False), (torch.tensor([1.0]), torch.tensor([True]), False),
    (torch.tensor([True]), torch.tensor([1.0]), False), (torch.tensor([1j]), torch.tensor([1.0]), False),
])
def test_values_are_compared_whatever_the_dtype_of_the_numbers(yours, expected, alike):
    assert bool(compare(yours, expected, dtype=False)) is alike
    assert not compare(yours, expected)


def test_a_view_is_given_the_numbers_in_the_dtypes_that_were_expected():
    expected = {"a": [torch.zeros(2), torch.tensor([1, 2])], "b": "text"}
    yours = {"a": [torch.ones(2).double(), torch.tensor([1.0, 2.5])], "b": "text"}
    first, second = in_dtype_of(expected, yours)["a"]
    assert first.dtype == torch.float32
    assert second.tolist() == [1.0, 2.5]  # a cast would have made it the 2 that was expected
