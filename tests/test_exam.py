"""The examiner itself: aspects, comparisons, diagnoses, bans, limits."""

import math
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import (
    Failure,
    aspect,
    error_of,
    exercise,
    gradients,
    habits,
    in_any_order,
    judge,
    load_chapter,
    observe,
    ops,
    own_numbers,
    seed_facts,
    seeded,
)
from convcraft.exam.compare import compare, explain
from convcraft.exam.draw import Draw
from convcraft.exam.judge import _points
from convcraft.exam.limits import OutOfTime, time_limit
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


@scaling.misconception("The given factor was halved.")
def halves(x, factor=None):
    return x * 2.0 if factor is None else x * factor / 2


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


@exercise(points=1, reference=lambda x, factor: x * factor)
def named(impl, draw):
    yield aspect("by name", "The parameters have these names.", lambda: impl(x=draw.normal(3), factor=2.0))


def test_a_wrong_name_of_a_parameter_reads_the_same_in_every_python():
    def slip(x, facto):
        return x * facto
    (row,) = verdict(slip, of=named).rows
    assert "named() got an unexpected keyword argument 'factor' (line" in row.detail  # and not: Did you mean 'facto'?


def test_inputs_that_are_not_contiguous_cannot_be_viewed():
    def flattens(x, factor=2.0):
        return (x.view(-1) * factor).view(x.shape)
    assert "view" in outcome(flattens, name="habits").detail
    assert verdict(lambda x, factor=2.0: (x.reshape(-1) * factor).reshape(x.shape)).points == 10


@pytest.mark.parametrize(("slip", "says"), [
    (lambda: torch.ones(2, 3).T.view(-1), "`reshape` and `flatten` copy"),
    (lambda: torch.ones(2, 2) @ torch.ones(2, 2).double(), "two dtypes"),
    (lambda: torch.ones(2).index_add_(0, torch.tensor([0]), torch.ones(1).double()), "two dtypes"),
    (lambda: torch.ones(2).requires_grad_().add_(1), "while autograd was watching"),
    (lambda: max(torch.ones(2), 0), "no one answer"),
    (lambda: torch.ones(2, requires_grad=True).numpy(), "NumPy takes no tensor"),
    (lambda: torch.ones(2)[torch.tensor(math.nan).long()], "NaN or infinity"),
    (lambda: setattr(torch.nn.Module.__new__(torch.nn.Module), "part", torch.nn.ReLU()), "super().__init__()"),
])
def test_pytorchs_own_messages_are_put_into_words(slip, says):
    row = outcome(lambda x, factor=2.0: slip())
    assert says in row.detail
    assert "line" in row.detail


@pytest.mark.parametrize(("slip", "code"), [
    (lambda: random.sample([1], 2), "random.sample([1], 2)"),
    (lambda: os.makedirs("/dev/null/there"), "os.makedirs("),  # of a module that is frozen into the interpreter
])
def test_an_error_in_pythons_own_modules_is_told_by_the_readers_line(slip, code):
    assert code in outcome(lambda x, factor=2.0: slip()).detail


@exercise(points=2, reference=lambda x, p=0: torch.nn.functional.pad(x.square(), (p, p)))
def bordered(impl, draw):
    yield aspect("numbers", "They are squared.", lambda: in_any_order(impl(draw.normal(3, 4))))
    yield habits("Gradients flow.", impl, lambda: (draw.normal(2, 3),), further=lambda: (draw.normal(2, 3), 1))


def test_in_any_order_asks_for_no_shape_and_for_every_number():
    assert verdict(lambda x, p=0: bordered.reference(x, p).mT, of=bordered).rows[0].passed
    row = outcome(lambda x, p=0: x.abs(), name="numbers", of=bordered)
    assert row.detail.startswith("all numbers, from small to large: yours")
    assert in_any_order("text") == "text"


def test_habits_look_at_the_gradients_of_a_further_call():
    def cuts_where_there_is_a_border(x, p=0):
        return bordered.reference(x.detach() if p else x, p)
    assert verdict(bordered.reference, of=bordered).points == 2
    assert "graph is cut" in outcome(cuts_where_there_is_a_border, name="habits", of=bordered).detail


def test_a_difference_in_the_further_call_shows_that_call():
    def doubles_the_gradient_where_there_is_a_border(x, p=0):
        out = bordered.reference(x, p)
        return 2 * out - out.detach() if p else out
    row = outcome(doubles_the_gradient_where_there_is_a_border, name="habits", of=bordered)
    assert row.where.startswith("gradient, once more")
    assert row.call.endswith(", 1)")


def test_an_error_of_its_own_beside_a_rich_match_is_another_mistake():
    def adds_and_stops(x, factor=2.0):
        if x.dtype == torch.float64:
            raise KeyError("mine")
        return x + factor
    result = verdict(adds_and_stops)
    assert result.diagnoses == ["You added."]
    assert "KeyError" in result.rows[-1].detail


def test_two_mistakes_give_two_sentences():
    def both(x, factor=None):
        return x * 3.0 if factor is None else x * factor / 2
    assert verdict(both).diagnoses == ["The given factor was halved.", "The default is not two."]


@pytest.mark.parametrize(("answer", "says"), [
    (lambda x, factor=2.0: None, "returned None"),
    (lambda x, factor=2.0: [1.0], "a list or tuple"),
    (lambda x, factor=2.0: "text", "a string"),
    (lambda x, factor=2.0: (x * factor)[:1], "shape (1, 4); (3, 4) was expected"),
    (lambda x, factor=2.0: x * factor > 0, "dtype bool; float32 was expected"),
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
    toy = load_chapter(Path(__file__).parent / "toy_course/source/01_toy/exams")["toy_affine"]
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


def _in_a_thread(x, w):
    with ThreadPoolExecutor() as pool:
        return pool.submit(F.conv2d, x, w).result()


@pytest.mark.parametrize("answer", [
    lambda x, w: F.conv2d(x, w), lambda x, w: torch.conv2d(x, w), _module,
    lambda x, w: torch.ops.aten.convolution(x, w, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    lambda x, w: (w.flatten() @ F.unfold(x, 3)[0]).reshape(1, 1, 2, 2),
    lambda x, w: F.conv3d(x[:, :, None], w[:, :, None])[:, :, 0],
    lambda x, w: torch.ops.aten.slow_conv_dilated2d(x, w, [3, 3]),
    lambda x, w: torch.ops.aten._slow_conv2d_forward(x, w, [3, 3], None, [1, 1], [0, 0]),
    _in_a_thread,
])
def test_a_ban_sees_every_way_to_call(answer):
    assert "rules out" in outcome(answer, of=banned).detail


@exercise(points=1, reference=lambda x: x.mean((2, 3), keepdim=True), bans=ops.POOLING)
def taken_apart(impl, draw):
    yield aspect("values", "No pooling.", lambda: impl(draw.normal(1, 2, 4, 4)))


@pytest.mark.parametrize("answer", [
    lambda x: F.adaptive_avg_pool2d(x, 1), nn.AdaptiveAvgPool2d(1),
    lambda x: torch.ops.aten.adaptive_avg_pool2d(x, [1, 1]),
    lambda x: F.interpolate(x[:, :, None], size=(1, 1, 1), mode="area")[:, :, 0],
    lambda x: F.interpolate(x[:, :, None], scale_factor=1)[:, :, 0].mean((2, 3), keepdim=True),
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


def test_autograd_is_seen_behind_other_hooks_forwards_and_in_a_thread():
    def saved_on_cpu(x):
        leaf = x.clone().requires_grad_()
        with torch.autograd.graph.save_on_cpu():
            (leaf ** 2).sum().backward()
        return leaf.grad

    def forwards(x):
        return torch.func.jacfwd(lambda x: x * x)(x).diagonal()

    def in_a_thread(x):
        with ThreadPoolExecutor() as pool:
            return pool.submit(torch.func.grad(lambda x: (x * x).sum()), x).result()

    for answer in (saved_on_cpu, forwards, in_a_thread):
        assert "rules out" in outcome(answer, of=by_hand).detail, answer


def test_threads_are_left_as_they_were():
    start = threading.Thread.start
    verdict(_in_a_thread, of=banned)
    assert threading.Thread.start is start


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


def test_tensors_without_numbers_are_alike_whatever_the_dtype_where_it_does_not_count():
    empty = torch.empty(0, 3)
    assert compare(empty.double(), empty, dtype=False)
    assert not compare(empty.double(), empty)


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


def test_the_aspect_that_was_ended_from_outside_was_tried():
    (first, *_) = observe(scaling.name, scaling.probe, scale, seed=0)
    rows = judge(scaling, [first], 0).rows
    assert rows[0].passed
    assert "Tried, but your code did not come to an end here" in rows[1].detail
    assert "Not tried" in rows[2].detail


def test_an_import_is_not_broken_off_half_way(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OutOfTime), time_limit(0.2):
        import slow_to_import
        while True:
            time.sleep(0.1)
    assert slow_to_import.whole


def test_an_import_without_end_is_stopped(tmp_path, monkeypatch):
    (tmp_path / "endless_to_import.py").write_text("while True: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OutOfTime), time_limit(0.2):
        import endless_to_import  # noqa: F401


def drawn(generator=None):
    return torch.rand(3, generator=generator)


@pytest.mark.parametrize(("call", "same", "other", "each"), [
    (drawn, True, True, True),
    (lambda generator=None: torch.rand(3), False, False, True),  # torch's own numbers: 1, 2 and 1 again
    (lambda generator=None: torch.zeros(3), True, False, False),
    (lambda generator=None: torch.rand(1, generator=generator).expand(3), True, True, False),
])
def test_which_seed_gave_what(call, same, other, each):
    draw = Draw(0, "chance")
    draw.begin("seeds")
    assert list(seed_facts(seeded(call, draw), None).values()) == [same, other, each]


@pytest.mark.parametrize(("call", "same", "other"), [
    (drawn, True, True),
    (lambda: torch.rand(3, generator=torch.Generator().manual_seed(0)), True, False),
])
def test_what_torchs_own_numbers_gave(call, same, other):
    facts = seed_facts(own_numbers(call), None)
    assert [facts["the same seed gives the same"], facts["another seed gives another"]] == [same, other]
