"""Whatever a reader has left switched on is no part of the verdict, and is left as it was."""

import contextlib
import random

import numpy
import pytest
import torch
import torch.nn.functional as F
from conftest import EXAMS

from convcraft.author.prove import examined
from convcraft.exam import find
from convcraft.exam.exercise import Exercise
from convcraft.exam.neutral import neutral


@contextlib.contextmanager
def _switched(switch, back, *to):
    switch(*to)
    try:
        yield
    finally:
        switch(*back)


STATES = {
    "default dtype": lambda: _switched(torch.set_default_dtype, (torch.float32,), torch.float64),
    "default device": lambda: _switched(torch.set_default_device, (None,), "meta"),
    "a device's block": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "threads": lambda: _switched(torch.set_num_threads, (1,), 3),
    "deterministic": lambda: _switched(torch.use_deterministic_algorithms, (False,), True),
    "precision": lambda: _switched(torch.set_float32_matmul_precision, ("highest",), "medium"),
}


def _state():
    with torch.device("cpu") if torch.get_default_device().type == "meta" else contextlib.nullcontext():
        numbers = torch.get_rng_state().sum().item()
    return (torch.get_default_dtype(), torch.get_default_device().type, torch.is_inference_mode_enabled(),
            torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.is_anomaly_enabled(),
            torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(), numbers, random.getstate(), numpy.random.get_state()[1].sum())


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", ["cross_correlate", "batch_norm", "hat", "BatchNorm2d", "load_matching"])
def test_a_readers_state_changes_no_verdict_and_is_left_alone(name, state):
    known = EXAMS[name]
    fresh = Exercise(known.name, known.points, known.probe, known.reference, known.bans,
                     misconceptions=known.misconceptions[:2])  # nothing is cached of it yet
    with STATES[state]():
        before = _state()
        right = examined(fresh, known.alternatives[0])
        wrong = examined(fresh, known.misconceptions[0].answer, banning=False)
        assert _state() == before
    assert right.points == known.points
    assert wrong.diagnoses == [known.misconceptions[0].sentence]
    assert examined(fresh, known.alternatives[0]).points == known.points  # what was cached is not of that state


@pytest.mark.parametrize("switch", [
    lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_device("meta"),
    lambda: torch.set_grad_enabled(False), lambda: torch.set_autocast_enabled("cpu", True),
    lambda: torch.set_anomaly_enabled(True), lambda: torch.set_num_threads(2),
    lambda: torch.use_deterministic_algorithms(True), lambda: torch.set_float32_matmul_precision("medium"),
    lambda: (torch.manual_seed(1), random.seed(1), numpy.random.seed(1)),
], ids=["dtype", "device", "grad", "autocast", "anomaly", "threads", "deterministic", "precision", "seeds"])
def test_what_an_answer_switches_is_put_back(switch):
    before = _state()

    def meddles(image, kernel):
        switch()
        return F.conv2d(image[None, None], kernel[None, None])[0, 0]

    examined(find("cross_correlate"), meddles)
    assert _state() == before


def test_a_state_inside_a_state_is_put_back_also_after_an_error():
    before = _state()
    with contextlib.suppress(KeyError), neutral():
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        raise KeyError
    assert _state() == before


@pytest.mark.parametrize(("answer", "says"), [
    (lambda image, kernel: torch.empty(2, 2, device="meta"), "on the device meta; what it was given lies on the CPU"),
    (lambda image, kernel: image[0] * kernel[:1, :1].to("meta"), "two devices"),
])
def test_an_answer_on_another_device_is_told_so(answer, says):
    row = examined(find("cross_correlate"), answer).rows[0]
    assert says in row.detail
    assert "device=x.device" in row.detail
