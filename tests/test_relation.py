"""What is said of a wrong result that no known mistake explains is exactly so, or nothing is said."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from convcraft.exam.relation import relation

SHAPES = st.sampled_from([(2, 3, 5, 6), (3, 4, 4, 4), (3, 5, 5), (4, 7), (6, 6)])
DTYPES = st.sampled_from([torch.float32, torch.float64])


def _drawn(shape, seed, dtype=torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def _roll_channels(x):
    return x.roll(1, -3)


def _frame_spoilt(x):
    out = x + 1
    out[..., 1:-1, 1:-1] = x[..., 1:-1, 1:-1]
    return out


def _shifted(x):
    out = torch.zeros_like(x)
    out[..., 1:] = x[..., :-1]
    return out


def _nan_where_negative(x):
    return x.where(x > 0, torch.nan)


PLANTED = [
    (lambda x: -x, "The sign is wrong", 1),
    (lambda x: x / 9, "Yours is 1/9 times", 1),
    (lambda x: x * 1.7, "Yours is 1.7 times", 1),
    (lambda x: x - 0.25, "Yours is 0.25 less", 1),
    (lambda x: x.flip(-1), "left and right are exchanged", 2),
    (lambda x: x.flip(-2), "top and bottom are exchanged", 2),
    (lambda x: x.flip(-1, -2), "half a turn", 2),
    (_shifted, "shifted by one pixel to the right", 2),
    (lambda x: x.roll(-1, -2), "shifted by one pixel up", 2),
    (_roll_channels, "The channels are in another order", 3),
    (_frame_spoilt, "right but for the border", 2),
    (lambda x: torch.cat([x[:, :1] + 1, x[:, 1:]], 1), "right but for channel 0", 4),
    (lambda x: torch.cat([x[:1], x[1:] + x[1:].abs()]), "Only picture (or filter) 0 is right", 4),
    (lambda x: torch.cat([x[:1] * 3, x[1:]]), "right but for picture (or filter) 0", 4),
    (_nan_where_negative, "Yours is NaN at", 1),
    (lambda x: x.sum(-3), "is the sum of those", 3),
    (lambda x: x.mean(-3, keepdim=True), "is the mean of those", 3),
    (lambda x: x[..., None], "one axis of size 1 too many", 1),
    (lambda x: x.reshape(-1), "only the shape is not", 2),
    (lambda x: x.expand(2, *x.shape), "a shape was broadcast", 1),
    (lambda x: x[..., 1:-1, 1:-1], "Yours is a part", 2),
    (lambda x: torch.nn.functional.pad(x, (0, 2, 0, 1)), "is a part of yours: rows 0 to", 2),
    (lambda x: x.amax(-3), "is the largest of those", 3),
    (lambda x: torch.zeros_like(x), "numbers are 0", 1),
    (lambda x: x.double() if x.dtype == torch.float32 else x.float(), "only their dtype is not", 1),
]


@pytest.mark.parametrize(("plant", "says", "axes"), PLANTED, ids=[says for _, says, _ in PLANTED])
@given(shape=SHAPES, seed=st.integers(0, 10_000), dtype=DTYPES)
@settings(max_examples=15, deadline=None)
def test_a_planted_relation_is_told(plant, says, axes, shape, seed, dtype):
    expected = _drawn(shape, seed, dtype)
    if len(shape) < axes or (axes == 4 and shape[0] == 2):  # of two, "only" and "all but" say the same
        return
    assert says in relation(plant(expected), expected)


@given(seed=st.integers(0, 10_000), shape=st.sampled_from([(4, 4), (2, 3, 4, 4), (5, 7), (2, 3, 4)]))
@settings(max_examples=30, deadline=None)
def test_a_transposed_result_is_told(seed, shape):
    expected = _drawn(shape, seed)
    assert "exchanged" in relation(expected.mT, expected)


def test_exchanged_axes_of_all_windows_are_told():
    windows = _drawn((2, 3, 6, 7), 4).unfold(2, 3, 1).unfold(3, 3, 2)
    assert relation(windows.mT, windows) == "Axes 4 and 5 are exchanged: the numbers are right otherwise."


def test_one_number_wherever_it_is_wrong_is_told():
    expected = _drawn((2, 3, 5, 6), 5)
    spoilt = expected.masked_fill(expected < -0.5, -0.5)
    assert relation(spoilt, expected).startswith("Yours is −0.5 at ")
    spoilt[0, 0, 0, 0] = 7
    assert relation(spoilt, expected) == ""


def test_a_few_numbers_that_lie_in_the_border_by_chance_are_no_border():
    expected = _drawn((4, 6), 5)
    spoilt = expected.clone()
    spoilt[0, 2] = spoilt[3, 1] = spoilt[1, 5] = 7
    assert "border" not in relation(spoilt, expected)
    large = _drawn((2, 3, 20, 20), 6)
    spoilt = large.clone()
    spoilt[..., 0, :5] = 7
    spoilt[0, 0, 0, 0] = 8
    assert "right but for the border" in relation(spoilt, large)


@given(shape=SHAPES, other=SHAPES, seed=st.integers(0, 10_000), dtype=DTYPES)
@settings(max_examples=150, deadline=None)
def test_of_unrelated_results_nothing_is_said(shape, other, seed, dtype):
    assert relation(_drawn(other, seed + 1, dtype), _drawn(shape, seed, dtype)) == ""


@given(shape=SHAPES, seed=st.integers(0, 10_000), plant=st.sampled_from(PLANTED))
@settings(max_examples=150, deadline=None)
def test_almost_is_not_told(shape, seed, plant):
    """One number more, spoilt, and nothing is said of the whole."""
    expected = _drawn(shape, seed)
    if len(shape) < plant[2]:
        return
    spoilt = plant[0](expected).clone()
    if spoilt.is_floating_point():
        middle = tuple(size // 2 for size in spoilt.shape)
        spoilt[middle] = 77.0
    said = relation(spoilt, expected)
    assert "throughout" not in said and "sign" not in said and "exchanged" not in said and "part of" not in said


@given(values=st.lists(st.integers(0, 2), min_size=12, max_size=12), plant=st.sampled_from(PLANTED))
@settings(max_examples=150, deadline=None)
def test_of_few_different_numbers_no_relation_of_the_whole_is_told(values, plant):
    expected = torch.tensor(values, dtype=torch.float32).reshape(1, 1, 3, 4)
    said = relation(plant[0](expected), expected)
    assert "times" not in said and "less" not in said and "exchanged" not in said


def test_what_could_be_either_is_not_told():
    symmetric = _drawn((4, 6), 1)
    symmetric = symmetric + symmetric.flip(0)  # upside down it is the same: mirrored, or turned by half a turn?
    assert relation(symmetric.flip(1), symmetric) == ""
    assert relation(torch.full((3, 4), 4.0), torch.full((3, 4), 2.0)) == "All of your 12 numbers are 4."


def test_float32_on_the_way_is_told():
    expected = _drawn((3, 40), 2, torch.float64)
    assert "float32's precision" in relation(expected.float().double(), expected)
    assert relation(expected + 1e-4 * _drawn((3, 40), 3, torch.float64), expected) == ""
