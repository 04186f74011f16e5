"""Answers of every type and shape: never an error out of `examine`, never a point, always a short message."""

import contextlib
import io

import pytest
import torch
from conftest import EXERCISES, messages
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import convcraft
from convcraft.exam.compare import _TOLERANCE
from convcraft.notebook import judge

_DTYPES = [*_TOLERANCE, torch.bool, torch.uint8, torch.int8, torch.int32, torch.int64, torch.complex128]


def _tensor(shape, dtype, how):
    tensor = torch.full(shape, 7.25).to(dtype)
    match how:
        case "meta":
            return tensor.to("meta")
        case "sparse":
            return tensor.to_sparse()
        case "nested":
            return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
        case "nan" if dtype.is_floating_point:
            return tensor * float("nan")
        case "infinite" if dtype.is_floating_point:
            return tensor * float("inf")
        case "grad" if dtype.is_floating_point:
            return tensor.requires_grad_()
        case "subclass":
            return nn.Parameter(tensor, requires_grad=False)
    return tensor


class _Hostile:
    """Raises or lies whatever is asked of it."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0

    def __repr__(self):
        raise RuntimeError("no representation")

    def __len__(self):
        return -1

    def __iter__(self):
        raise RuntimeError("no items")


tensors = st.builds(_tensor, st.lists(st.integers(0, 5), max_size=5), st.sampled_from(_DTYPES), st.sampled_from(
    ["plain", "meta", "sparse", "nested", "nan", "infinite", "grad", "subclass"]))
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.text(max_size=30),
                    st.binary(max_size=10))
values = st.recursive(
    st.one_of(scalars, tensors, st.builds(_Hostile), st.just(Ellipsis), st.just(NotImplemented), st.just(torch)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.tuples(inner, inner), st.sets(scalars, max_size=3),
                            st.dictionaries(st.text(max_size=5), inner, max_size=3),
                            st.builds(lambda item: (each for each in [item]), inner)), max_leaves=6)


def _returning(value):
    return lambda *args, **kwargs: value


def _raising(kind):
    def answer(*args, **kwargs):
        raise kind("as told")
    return answer


def _module(value):
    class Answer(nn.Module):
        def __init__(self, *args, **kwargs):
            super().__init__()

        def forward(self, *args, **kwargs):
            return value
    return Answer


def _generator(*args, **kwargs):
    yield 1


functions = st.one_of(
    st.builds(_returning, values), st.builds(_module, values),
    st.builds(_raising, st.sampled_from([ValueError, KeyError, SystemExit, MemoryError, StopIteration])),
    st.sampled_from([_generator, lambda: None, lambda x: x, print, int, type, object, nn.Module, _Hostile]))


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(answer=st.one_of(functions, values))
def test_garbage_earns_nothing_but_a_message(chapter, name, answer):
    verdicts, shown = [], io.StringIO()

    def kept(*args, **kwargs):
        verdicts.append(judge(*args, **kwargs))
        return verdicts[-1]

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(shown):
        patch.setattr("convcraft.notebook.judge", kept)
        assert convcraft.examine(name, answer) == 0
    (verdict,) = verdicts
    assert all(row.detail or row.passed for row in verdict.rows)
    assert messages(shown.getvalue())
    for message in messages(shown.getvalue()):
        assert len(message.splitlines()) <= 5, message
