"""The examiner itself: aspects, comparisons, diagnoses, bans, limits."""

import math
import time
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import Failure, aspect, error_of, exercise, gradients, habits, judge, load_chapter, observe, ops
from convcraft.exam.compare import compare, explain
from convcraft.exam.draw import Draw
from convcraft.exam.judge import _points
from convcraft.exam.observation import Opaque, Record, snapshot
from convcraft.exam.present import html, text


def scale(x, factor=2.0):
    return x * factor


@exercise(points=10, reference=scale)
def scaling(impl, draw):
    yield aspect("values", "Multiply.", lambda: impl(draw.normal(3, 4), 3.0))
    yield aspect("default", "By two where nothing is said.", lambda: impl(draw.normal(5)))
    yield habits("The input stays as it was.", impl, lambda: (draw.normal(2, 3),))


@scaling.misconception("You added.")
def adds(x, factor=2.0):
    return x + factor


@scaling.misconception("The default is not two.")
def other_default(x, factor=3.0):
    return x * factor


def verdict(answer, seed=0, seconds=10.0, of=scaling):
    records = observe(of.name, of.probe, answer, seed=seed, bans=of.bans, seconds=seconds)
    return judge(of, [Record.from_bytes(record.to_bytes()) for record in records], seed)


def outcome(answer, name="values", **kwargs):
    return next(row for row in verdict(answer, **kwargs).rows if row.name == name)


def test_the_reference_gets_exactly_all_points():
    assert verdict(scale).points == 10


def test_points_are_shared_equally_and_all_is_never_rounded():
    assert verdict(other_default).points == pytest.approx(3.33)  # two of three aspects use the default
    assert _points(10 * Fraction(3, 3)) == 10


def test_a_failing_aspect_fails_alone():
    def raises_on_pairs(x, factor=2.0):
        if x.ndim == 1:
            raise KeyError("no vectors here")
        return x * factor
    assert [row.passed for row in verdict(raises_on_pairs).rows] == [True, False, True]


def test_an_answer_that_ruins_its_input_fails_the_habit_alone():
    def in_place(x, factor=2.0):
        with torch.no_grad():
            result = x * factor
            x.zero_()
        return result.requires_grad_(x.requires_grad) if x.requires_grad else result
    rows = verdict(in_place).rows
    assert [row.passed for row in rows] == [True, True, False]


def test_a_misconception_is_named():
    assert outcome(adds).diagnosis == "You added."


def test_the_misconception_that_explains_most_speaks():
    assert verdict(other_default).diagnoses == ["The default is not two."]


def test_an_unknown_mistake_has_no_diagnosis_but_a_place():
    row = outcome(lambda x, factor=2.0: x * factor + (x > 0))
    assert not row.diagnosis
    assert "expected" in row.detail and "values differ" in row.detail


@exercise(points=2, reference=lambda x, w: w * x)
def weighed(impl, draw):
    yield aspect("sign", "The weight counts with its sign.", lambda: impl(draw.normal(4), torch.tensor(-2.0)) > 0)
    yield habits("Gradients flow.", impl, lambda: (draw.normal(2, 3), torch.tensor(2.0)))


@weighed.misconception("The weight was left out.")
def weightless(x, w):
    return x + 0 * w.detach()


def test_an_error_speaks_for_a_mistake_only_where_all_else_fits():
    def cut(x, w):
        return w.detach() * x
    assert verdict(weightless, of=weighed).diagnoses == ["The weight was left out."]
    assert verdict(cut, of=weighed).diagnoses == []
    assert "input 2 of 2" in outcome(cut, name="habits", of=weighed).detail


@pytest.mark.parametrize(("message", "says"), [
    ("'NoneType' object is not subscriptable", "a `return` missing"),
    ("'int' object is not subscriptable", "could not be used"),
    ("answer() takes 0 positional arguments but 1 was given", "could not call"),
    ("answer() got an unexpected keyword argument 'stride'", "could not call"),
])
def test_what_was_returned_is_not_taken_for_the_call(message, says):
    assert says in explain(Failure("TypeError", message, ""))


def test_inputs_that_are_not_contiguous_cannot_be_viewed():
    def flattens(x, factor=2.0):
        return (x.view(-1) * factor).view(x.shape)
    assert "view" in outcome(flattens, name="habits").detail
    assert verdict(lambda x, factor=2.0: (x.reshape(-1) * factor).reshape(x.shape)).points == 10


def test_two_mistakes_give_two_sentences():
    def both(x, factor=3.0):
        return x + factor if factor == 3.0 and x.ndim == 2 and x.shape[0] == 3 else x * factor
    assert verdict(both).diagnoses == ["You added.", "The default is not two."]


@pytest.mark.parametrize(("answer", "says"), [
    (lambda x, factor=2.0: None, "returned None"),
    (lambda x, factor=2.0: [1.0], "a list or tuple"),
    (lambda x, factor=2.0: "text", "a string"),
    (lambda x, factor=2.0: (x * factor)[:1], "shape (1, 4); (3, 4) was expected"),
    (lambda x, factor=2.0: (x * factor).double(), "dtype float64; float32 was expected"),
    (lambda x, factor=2.0: x * math.nan, "nan"),
    (lambda x, factor=2.0: x.nothing, "AttributeError"),
    (lambda x, factor=2.0: (x * factor).to("meta"), "the device meta"),
    (lambda x, factor=2.0: (x * factor).to_sparse(), "a sparse tensor"),
    (lambda x, factor=2.0: iter([1]), "an object of type list_iterator"),
])
def test_answers_of_the_wrong_kind_are_told_so(answer, says):
    row = outcome(answer)
    assert not row.passed
    assert says in row.detail


@pytest.mark.parametrize("answer", [None, 3, "scale", [scale], torch.ones(2)])
def test_what_cannot_be_called_is_told_so(answer):
    result = verdict(answer)
    assert result.points == 0
    assert "Give it the function or class itself" in result.rows[0].detail


def test_a_function_with_another_signature_is_told_so():
    toy = load_chapter(Path(__file__).parent / "toy_course/source/01_toy/exercises.py")["toy_affine"]
    row = outcome(lambda x: x, of=toy)
    assert "takes 1 positional argument" in row.detail
    assert "Compare its parameters with the task's." in row.detail


def test_an_unanswered_exercise_says_so_in_one_row():
    def stub(x, factor=2.0):
        raise NotImplementedError
    assert text(verdict(stub)).count("Not written yet.") == 1


def test_an_endless_answer_is_stopped_once():
    def endless(x, factor=2.0):
        while True:
            pass
    start = time.monotonic()
    result = verdict(endless, seconds=0.5)
    assert time.monotonic() - start < 5
    assert "still running after 0.5 seconds" in result.rows[0].detail
    assert "Not tried" in result.rows[1].detail


def test_an_endless_answer_that_swallows_every_error_is_stopped():
    def stubborn(x, factor=2.0):
        for _ in range(3):
            try:
                while True:
                    pass
            except BaseException:
                continue
        return x
    assert verdict(stubborn, seconds=0.3).points == 0


def test_what_is_printed_is_kept_and_folded(capsys):
    def chatty(x, factor=2.0):
        print("looking at", tuple(x.shape))
        return x * factor
    result = verdict(chatty)
    assert result.points == 10
    assert "looking at (3, 4)" in result.output
    assert "<details" in html(result)
    assert capsys.readouterr().out == ""


def test_an_answer_leaves_no_trace_in_torch():
    def meddles(x, factor=2.0):
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(3)
        torch.set_grad_enabled(False)
        return x * factor
    before = torch.random.get_rng_state()
    verdict(meddles)
    assert torch.get_default_dtype() is torch.float32
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), before)


@exercise(points=1, reference=lambda x, w: F.conv2d(x, w), bans=ops.CONVOLUTION)
def banned(impl, draw):
    yield aspect("values", "No convolution.", lambda: impl(draw.normal(1, 1, 4, 4), draw.normal(1, 1, 3, 3)))


def _module(x, w):
    layer = nn.Conv2d(1, 1, 3, bias=False)
    layer.weight.data = w
    return layer(x)


@pytest.mark.parametrize("answer", [
    lambda x, w: F.conv2d(x, w), lambda x, w: torch.conv2d(x, w), _module,
    lambda x, w: torch.ops.aten.convolution(x, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    lambda x, w: (w.flatten() @ F.unfold(x, 3)[0]).reshape(1, 1, 2, 2),
])
def test_a_ban_sees_every_way_to_call(answer):
    assert "rules out" in outcome(answer, of=banned).detail


@exercise(points=1, reference=lambda x: x.mean((2, 3), keepdim=True), bans=ops.POOLING)
def taken_apart(impl, draw):
    yield aspect("values", "No pooling.", lambda: impl(draw.normal(1, 2, 4, 4)))


@pytest.mark.parametrize("answer", [
    lambda x: F.adaptive_avg_pool2d(x, 1), nn.AdaptiveAvgPool2d(1),
    lambda x: torch.ops.aten.adaptive_avg_pool2d(x, [1, 1]),
])
def test_a_ban_hears_what_pytorch_takes_apart_on_the_way(answer):
    assert "rules out" in outcome(answer, of=taken_apart).detail


def test_a_ban_lets_the_rest_through():
    def windows(x, w):
        return (x.unfold(2, 3, 1).unfold(3, 3, 1) * w[:, :, None, None]).sum((1, 4, 5))[:, None]
    assert verdict(windows, of=banned).points == 1


@exercise(points=1, reference=lambda x: 2 * x, bans=ops.AUTOGRAD)
def by_hand(impl, draw):
    yield aspect("values", "No autograd.", lambda: impl(draw.normal(3)))


def test_autograd_is_seen():
    def cheat(x):
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad((leaf ** 2).sum(), leaf)[0]
    assert "autograd" in outcome(cheat, of=by_hand).detail
    assert verdict(lambda x: x + x, of=by_hand).points == 1


def test_autograd_in_functional_form_is_seen():
    def functional(x):
        return torch.func.vjp(lambda x: x * x, x)[1](torch.ones_like(x))[0]
    assert "rules out" in outcome(functional, of=by_hand).detail


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_tolerance_belongs_to_the_dtype(dtype):
    right = torch.linspace(-3, 3, 50, dtype=torch.float64).to(dtype)
    hair = {torch.float64: 1e-9, torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    assert compare((right.double() * (1 + hair)).to(dtype), right)
    assert not compare((right.double() * 1.1).to(dtype), right)


@pytest.mark.parametrize(("yours", "expected", "same"), [
    (1, 1, True), (1, 2, False), (1.0, 1, False), (1, 1.0, True), (True, True, True), (True, 1, False),
    (1.0, 1.0 + 1e-6, True), (1.0, 1.1, False), (math.inf, math.inf, True), (math.nan, math.nan, True),
    ("a", "a", True), ("a", "b", False), (None, None, True), ([1, 2], [1, 2], True), ([1], [1, 2], False),
    ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"b": 1}, False),
])
def test_comparison_of_plain_values(yours, expected, same):
    assert bool(compare(yours, expected)) is same


def test_a_comparison_names_the_part_that_differs():
    result = compare({"grad": [torch.zeros(2), torch.ones(2)]}, {"grad": [torch.zeros(2), torch.zeros(2)]})
    assert result.where == "grad part 2"


@pytest.mark.parametrize("value", [
    torch.arange(6).reshape(2, 3), torch.tensor(1.5), torch.zeros(0, 3), 3, 2.5, math.nan, -math.inf, True, None, "é",
    [1, [2.0, None]], {"a": torch.ones(2, dtype=torch.bool)}, Failure("KeyError", "x", "line 1"), Opaque("an object"),
])
def test_a_record_travels_as_bytes(value):
    record = Record("some aspect", snapshot(value), ("aten::relu",), "printed", 0.5)
    back = Record.from_bytes(record.to_bytes())
    assert (back.aspect, back.banned, back.output, back.seconds) == ("some aspect", ("aten::relu",), "printed", 0.5)
    assert compare(back.observation, record.observation) or isinstance(value, Opaque)


@pytest.mark.parametrize("data", [b"", b"x" * 7, b"\xff" * 40, (8).to_bytes(8, "little") + b"{}      "])
def test_bytes_that_are_no_record_are_refused(data):
    with pytest.raises(ValueError, match="not a record"):
        Record.from_bytes(data)


def test_a_snapshot_is_not_changed_afterwards():
    tensor = torch.zeros(3)
    kept = snapshot([tensor])
    tensor.add_(1)
    assert kept[0].sum() == 0


def test_a_snapshot_has_a_bound():
    assert isinstance(snapshot(torch.zeros(3000, 3000)), Opaque)
    endless = []
    endless.append(endless)
    assert "too deep" in str(snapshot(endless))


def test_draws_depend_on_seed_exercise_and_aspect():
    def first(seed, name, aspect_name):
        draw = Draw(seed, name)
        draw.begin(aspect_name)
        return draw.normal(4).tolist()
    assert first(0, "a", "b") == first(0, "a", "b")
    assert len({tuple(first(*key)) for key in [(0, "a", "b"), (1, "a", "b"), (0, "c", "b"), (0, "a", "d")]}) == 4


def test_a_draw_outside_an_aspect_is_refused():
    with pytest.raises(RuntimeError, match="inside an aspect"):
        Draw(0, "a").normal(2)


def test_error_of_names_the_error():
    assert error_of(lambda: int("x"), ValueError) == "ValueError"
    assert error_of(lambda: {}["x"], LookupError) == "LookupError"
    assert error_of(lambda: {}["x"], ValueError) == "KeyError"
    assert error_of(lambda: 1, ValueError) == "no error"


def test_gradients_are_those_of_autograd_in_float64():
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    (grad,) = gradients(lambda leaf: leaf ** 2, x)
    weights = torch.cos(torch.arange(12, dtype=torch.float64)).reshape(3, 4)
    torch.testing.assert_close(grad, 2 * x.double() * weights)


def test_the_text_fits_120_columns():
    assert max(map(len, text(verdict(adds)).splitlines())) <= 120


def test_the_html_reads_nothing_from_the_network():
    page = html(verdict(adds))
    assert "http" not in page
    assert page.count("<img alt=") == page.count("<img")
