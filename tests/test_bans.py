"""What a task rules out is seen, over all exercises that rule something out, whatever it is called by."""

import _thread
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from conftest import EXAMS

from convcraft.exam import ops

_X, _W = torch.randn(1, 2, 6, 6), torch.randn(2, 2, 3, 3)
_ATEN = torch.ops.aten
_LEAF = torch.randn(3, requires_grad=True)


def _square(x: torch.Tensor) -> torch.Tensor:
    return (x * x).sum()


def _saved_on_cpu() -> object:
    with torch.autograd.graph.save_on_cpu():
        return torch.autograd.grad(_square(_LEAF), _LEAF)


# A ban → what computes the same by another name. What a chapter lists as another right answer is not among them.
_WAYS: dict[str, list[Callable[[], object]]] = {
    "aten::convolution": [
        lambda: F.conv2d(_X, _W), lambda: F.conv3d(_X[:, :, None], _W[:, :, None]), lambda: F.conv_transpose2d(_X, _W),
        lambda: F.conv1d(_X[0], _W[0]), lambda: F.unfold(_X, 3), lambda: F.fold(torch.randn(1, 18, 16), (6, 6), 3),
        lambda: _ATEN.slow_conv_dilated2d(_X, _W, [3, 3]),
        lambda: _ATEN.slow_conv3d(_X[:, :, None], _W[:, :, None], [1, 3, 3]),
        lambda: _ATEN.slow_conv_dilated3d(_X[:, :, None], _W[:, :, None], [1, 3, 3]),
        lambda: _ATEN.slow_conv_transpose2d(_X, _W, [3, 3]), lambda: _ATEN._slow_conv2d_forward(
            _X, _W, [3, 3], None, [1, 1], [0, 0]), lambda: _ATEN.thnn_conv2d(_X, _W, [3, 3]),
        lambda: torch.ops.mkldnn._convolution_pointwise(_X, _W, None, [0, 0], [1, 1], [1, 1], 1, "none", [], ""),
        lambda: torch.mkldnn_convolution(_X, _W, None, [0, 0], [1, 1], [1, 1], 1),
        lambda: _ATEN._conv_depthwise2d(_X, _W[:, :1], [3, 3], None, [1, 1], [0, 0], [1, 1]),
    ],
    "aten::max_pool2d": [
        lambda: F.max_pool2d(_X, 2), lambda: F.max_pool3d(_X[:, :, None], (1, 2, 2)), lambda: F.max_pool1d(_X[0], 2),
        lambda: F.avg_pool2d(_X, 2), lambda: F.avg_pool3d(_X[:, :, None], (1, 2, 2)),
        lambda: F.adaptive_max_pool2d(_X, 2), lambda: F.adaptive_avg_pool2d(_X, 1), lambda: F.lp_pool2d(_X, 1, 2),
        lambda: F.fractional_max_pool2d(_X, 2, 3), lambda: _ATEN.max_pool2d_with_indices(_X, [2, 2]),
    ],
    "aten::upsample_nearest2d": [
        lambda: F.interpolate(_X, scale_factor=2), lambda: F.interpolate(_X[:, :, None], scale_factor=2),
        lambda: F.interpolate(_X[:, :, None], size=(1, 9, 9), mode="trilinear"),
        lambda: F.interpolate(_X[:, :, None], size=(1, 3, 3), mode="area"),
        lambda: F.interpolate(_X[0], scale_factor=2),
        lambda: F.grid_sample(_X, torch.zeros(1, 4, 4, 2), align_corners=False), lambda: F.pixel_shuffle(
            torch.randn(1, 4, 3, 3), 2), lambda: _ATEN._upsample_nearest_exact2d(_X, [9, 9]),
    ],
    "aten::native_batch_norm": [
        lambda: F.batch_norm(_X, None, None, training=True), lambda: F.layer_norm(_X, [6, 6]),
        lambda: F.group_norm(_X, 2), lambda: F.instance_norm(_X), lambda: F.rms_norm(_X, [6, 6]),
        lambda: _ATEN.native_layer_norm(_X, [6, 6], None, None, 1e-5), lambda: _ATEN.native_group_norm(
            _X, None, None, 1, 2, 36, 2, 1e-5), lambda: _ATEN._native_batch_norm_legit.no_stats(
            _X, None, None, True, 0.1, 1e-5),
    ],
    "autograd": [
        lambda: torch.autograd.grad(_square(_LEAF), _LEAF), lambda: torch.func.grad(_square)(_X),
        lambda: torch.func.vjp(_square, _X)[1](torch.tensor(1.0)), lambda: torch.func.jvp(_square, (_X,), (_X,)),
        lambda: torch.func.jacfwd(lambda x: x * x)(_X[0, 0, 0]), lambda: torch.func.jacrev(_square)(_X),
        lambda: torch.func.hessian(_square)(_X[0, 0, 0]), _saved_on_cpu,
        lambda: torch.autograd.functional.jacobian(_square, _X), lambda: torch.func.linearize(_square, _X)[1](_X),
    ],
    "aten::relu": [
        lambda: F.relu(_X), lambda: _X.clone().relu_(), lambda: F.threshold(_X, 0.0, 0.0),
        lambda: F.prelu(_X, torch.zeros(1)), lambda: F.leaky_relu(_X, 0.0), lambda: F.rrelu(_X, 0.0, 0.0),
        lambda: _ATEN._prelu_kernel(_X, torch.zeros(1)),
    ],
    "aten::leaky_relu": [
        lambda: F.leaky_relu(_X), lambda: F.prelu(_X, torch.tensor([0.01])), lambda: F.rrelu(_X, 0.01, 0.01),
        lambda: _ATEN._prelu_kernel(_X, torch.tensor([0.01])),
    ],
    "aten::sigmoid": [
        lambda: torch.sigmoid(_X), lambda: torch.special.expit(_X), lambda: _X.clone().sigmoid_(),
        lambda: F.silu(_X) / _X,
    ],
    "aten::gelu": [lambda: F.gelu(_X), lambda: F.gelu(_X, approximate="tanh"), lambda: torch._C._nn.gelu_(_X.clone())],
    "aten::silu": [lambda: F.silu(_X), lambda: F.silu(_X.clone(), inplace=True)],
}
_BANNED = [(name, exercise.bans) for name, exercise in EXAMS.items() if exercise.bans]
_CASES = [pytest.param(bans, way, id=f"{name}-{ban}-{number}") for name, bans in _BANNED for ban, ways in _WAYS.items()
          if ops._is_banned(ban, bans) for number, way in enumerate(ways)]


def _seen(bans: frozenset[str], call: Callable[[], object]) -> set[str]:
    seen: set[str] = set()
    with contextlib.suppress(RuntimeError), ops.watched(bans) as found:  # some refuse to be watched, which is seen
        seen = found
        call()
    return seen


@pytest.mark.parametrize(("bans", "way"), _CASES)
def test_what_is_ruled_out_is_seen_by_whatever_name_and_in_a_thread(bans, way):
    assert _seen(bans, way)
    assert _seen(bans, lambda: ThreadPoolExecutor(1).submit(way).result()), "in a thread"


def _by_hand(call: Callable[[], object]) -> None:
    done = threading.Event()
    _thread.start_new_thread(lambda: (call(), done.set()), ())
    assert done.wait(30)


@pytest.mark.parametrize("way", ["from before", "kept", "by hand"])
def test_threads_that_an_answer_keeps_are_seen_in_every_aspect(way):
    bans = ops.CONVOLUTION | ops.AUTOGRAD
    with ops.watched_threads(), ThreadPoolExecutor(1) as pool:
        if way == "from before":
            pool.submit(int).result()
        there = _by_hand if way == "by hand" else lambda call: pool.submit(call).result()
        for _ in range(3):
            assert _seen(bans, lambda: there(lambda: F.conv2d(_X, _W)))
            assert not _seen(bans, lambda: there(lambda: _X * 2))
            assert _seen(bans, lambda: there(lambda: torch.autograd.grad(_square(_LEAF), _LEAF)))


def test_every_exercise_that_rules_something_out_is_among_them():
    assert len({case.id.split("-")[0] for case in _CASES}) + len(_LEFT) == len(_BANNED)


_LEFT = {"windows", "hat"}  # they rule out what nothing else computes
