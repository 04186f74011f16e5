"""Every failed aspect can say with what it was called, and the line can be pasted."""

import pytest
import torch
from conftest import EXAMS, EXERCISES
from torch import nn

from convcraft.author.prove import examined
from convcraft.exam import aspect, exercise
from convcraft.exam.call import heard, written
from convcraft.exam.present import html, text


@pytest.mark.parametrize(("args", "kwargs", "line"), [
    ((7, 9), {"stride": 3}, "f(7, 9, stride=3)"),
    ((torch.tensor([[1.0, -2.5]]), (1, 0)), {}, "f(torch.tensor([[1., -2.5]]), (1, 0))"),
    ((torch.tensor([1, 2]),), {}, "f(torch.tensor([1, 2]))"),
    ((torch.zeros(2, 3, 8, 8),), {}, "f(torch.randn(2, 3, 8, 8))"),
    ((torch.zeros(40).double(),), {}, "f(torch.randn(40, dtype=torch.float64))"),
    ((torch.arange(40),), {}, "f(torch.randint(0, 40, (40,)))"),
    ((torch.zeros(40, dtype=torch.bool),), {}, "f((torch.rand(40) < 0.5))"),
    (("relu", None, True, [1, 2]), {}, "f('relu', None, True, [1, 2])"),
    ((nn.ReLU(),), {}, "f(ReLU(…))"),
])
def test_a_call_is_written_as_it_can_be_pasted(args, kwargs, line):
    assert written("f", args, kwargs) == line


def test_a_pasted_call_gives_tensors_of_that_shape_and_dtype():
    given = (torch.randn(3, 20), torch.randn(4).double(), torch.randint(0, 9, (5, 5)), torch.rand(30) < 0.5)
    pasted = eval(written("", given, {}), {"torch": torch})
    assert [(value.shape, value.dtype) for value in pasted] == [(value.shape, value.dtype) for value in given]


@pytest.mark.parametrize(("given", "line"), [
    ((torch.ones(2, 3, 4, 5).double(), torch.ones(3).double(), torch.ones(3).double(), torch.ones(3).double(),
      torch.ones(3).double()),
     "f(torch.randn(2, 3, 4, 5).double(), torch.randn(3).double(), torch.randn(3).double(), torch.randn(3).double(), "
     "torch.randn(3).double())"),
    (([(torch.ones(6, 1, 6, 6), torch.tensor([0, 1, 2, 1, 2, 2]))] * 5,),
     "f([(torch.randn(6, 1, 6, 6), torch.randint(0, 3, (6,)))] * 5)"),
])
def test_a_long_call_is_written_shorter_and_still_whole(given, line):
    assert written("f", given, {}) == line
    eval(line, {"torch": torch, "f": lambda *args: args})


@pytest.mark.parametrize(("chapter", "name"), EXERCISES)
def test_no_exam_calls_an_answer_with_a_line_that_is_cut(chapter, name):
    calls = [call for record in chapter.exercises[name].expected(0).values() for call in record.calls]
    assert [call for call in calls if call.endswith("…")] == []


def test_no_seed_is_written():
    seed = 123_456_789
    assert str(seed) not in written("f", (torch.Generator().manual_seed(seed),), {})


def test_a_failed_aspect_says_with_what_it_was_called():
    def forgets_dilation(size, kernel_size, stride=1, padding=0, dilation=1):
        if size < kernel_size:
            raise ValueError
        return (size + 2 * padding - kernel_size) // stride + 1
    verdict = examined(EXAMS["conv_output_size"], forgets_dilation)
    calls = [row.call for row in verdict.rows if not row.passed]
    assert calls and all(call.startswith("conv_output_size(") and call.endswith(")") for call in calls)
    assert "Called as conv_output_size(" in text(verdict)
    assert "Called as conv_output_size(" in html(verdict)
    part = next(row for row in verdict.rows if row.name == "no room")
    assert not part.detail.startswith("part")  # the call says which


class Doubles(nn.Module):
    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


@exercise(points=2, reference=Doubles)
def doubles(impl, draw):
    def kind():
        class Derived(impl):
            pass
        return [isinstance(impl(), impl), issubclass(Derived, impl), Derived(3)(torch.ones(())), impl.training_is_known]

    yield aspect("values", "Twice.", lambda: impl(2)(draw.normal(3, 9)))
    yield aspect("kind", "It is derived from.", kind)


def test_a_class_stays_a_class_while_it_is_heard():
    class Triples(Doubles):
        training_is_known = True

        def forward(self, x):
            return 3 * x
    doubles.reference.training_is_known = True
    verdict = examined(doubles, Triples)
    assert verdict.rows[0].call == "doubles(2)(torch.randn(3, 9))"
    assert examined(doubles, Doubles).points == 2


def test_an_answer_that_raises_says_with_what():
    def only_square(image, kernel):
        if image.shape[0] != image.shape[1]:
            raise KeyError("square only")
        return torch.nn.functional.conv2d(image[None, None], kernel[None, None])[0, 0]
    row = next(row for row in examined(EXAMS["cross_correlate"], only_square, banning=False).rows if not row.passed)
    assert row.call.startswith("cross_correlate(torch.randn(5, 9), torch.")


def test_what_is_heard_is_what_is_called():
    said = []
    call = heard("f", lambda x, y=1: x + y, lambda name, args, kwargs: said.append((name, args, kwargs)))
    assert call(1, y=2) == 3
    assert said == [("f", (1,), {"y": 2})]
