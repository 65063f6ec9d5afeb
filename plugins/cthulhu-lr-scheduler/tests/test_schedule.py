"""What a schedule may be: found once, from its signature; and what it may give."""

from __future__ import annotations

import functools
import inspect
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cthulhu_core import Run
from cthulhu_lr_scheduler import LearningRateScheduler, schedule


def rates(callback: LearningRateScheduler, epochs: int = 1) -> list[float]:
    """The rate logged in each epoch of a run whose optimizer begins with 0.1."""
    model = torch.nn.Linear(1, 1)
    with Run(model, torch.optim.SGD(model.parameters(), lr=0.1), epochs, callback) as run:
        for _ in run.epochs():
            pass
    return run.history.history["lr"]


class Halving:
    def __call__(self, epoch, lr):
        return lr / 2

    def of_epoch(self, epoch):
        return 0.5 / (epoch + 1)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda epoch, lr: lr / 2, [0.05, 0.025]),
        (lambda epoch: 0.5 / (epoch + 1), [0.5, 0.25]),
        (Halving(), [0.05, 0.025]),
        (Halving().of_epoch, [0.5, 0.25]),
        (functools.partial(lambda factor, epoch, lr: lr * factor, 0.5), [0.05, 0.025]),
        (lambda *given: given[1] / 2, [0.05, 0.025]),
        (lambda epoch, lr=None: lr / 2, [0.05, 0.025]),
        (lambda epoch, *, floor=0.3: max(floor, 0.5 / (epoch + 1)), [0.5, 0.3]),
        ({0: 0.5}.get, [0.5, 0.5]),
    ],
    ids=["both", "epoch", "object", "method", "partial", "star", "default", "keyword", "dict"],
)
def test_takes_epoch_and_rate_or_epoch_alone(function, expected):
    assert rates(LearningRateScheduler(function), epochs=2) == pytest.approx(expected)


def test_signature_is_looked_at_once(monkeypatch):
    looked_at = []

    def signature(function):
        looked_at.append(function)
        return inspect.signature(function)

    monkeypatch.setattr(schedule, "inspect", SimpleNamespace(signature=signature))

    def constant(epoch):
        return 0.5

    callback = LearningRateScheduler(constant)
    assert rates(callback, epochs=3) == [0.5, 0.5, 0.5]
    assert looked_at == [constant]


def test_type_error_inside_a_schedule_is_shown():
    calls = []

    def broken(epoch, lr):
        calls.append(epoch)
        return "0.1" + lr

    with pytest.raises(TypeError, match="can only concatenate str"):
        rates(LearningRateScheduler(broken))
    assert calls == [0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (0.1, "LearningRateScheduler(schedule=0.1): expected a function of (epoch, lr) or (epoch), e.g. lambda"),
        (None, "LearningRateScheduler(schedule=None): expected a function"),
        (lambda: 0.1, "expected a function of (epoch, lr) or (epoch), but it takes ()"),
        (
            lambda epoch, lr, extra: 0.1,
            "expected a function of (epoch, lr) or (epoch), but it takes (epoch, lr, extra)",
        ),
        (lambda epoch, *, lr: 0.1, "it takes (epoch, *, lr)"),
        (max, "but the signature of this one is unknown: wrap it in lambda epoch, lr: ..."),
    ],
    ids=["number", "none", "nothing", "three", "keyword", "builtin"],
)
def test_what_cannot_be_a_schedule_is_refused_at_once(function, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        LearningRateScheduler(function)


@pytest.mark.parametrize(
    "rate",
    [
        2,
        0,
        0.25,
        np.float32(0.25),
        np.float64(0.25),
        np.int64(2),
        np.array(0.25),
        torch.tensor(0.25),
        torch.tensor(2),
        torch.tensor(0.25, dtype=torch.bfloat16),
    ],
    ids=lambda rate: f"{type(rate).__name__}({rate})",
)
def test_numbers_of_every_kind_are_rates(rate):
    (logged,) = rates(LearningRateScheduler(lambda epoch: rate))
    assert logged == float(rate)
    assert type(logged) is float


def test_a_rate_that_takes_part_in_a_graph_is_taken_by_its_value():
    assert rates(LearningRateScheduler(lambda epoch: torch.tensor(0.25, requires_grad=True))) == [0.25]


@pytest.mark.parametrize(
    ("rate", "problem"),
    [
        (None, "returned None for epoch 1 (from 0), which is a NoneType: expected a number"),
        ("0.1", "returned '0.1' for epoch 1 (from 0), which is a str: expected a number"),
        (True, "returned True for epoch 1 (from 0), which is a bool: expected a number"),
        (1j, "returned 1j for epoch 1 (from 0), which is a complex: expected a number"),
        ([0.1], "returned [0.1] for epoch 1 (from 0), which is a list: expected a number"),
        (np.array([0.1]), "returned array([0.1]) for epoch 1 (from 0), which is a ndarray: expected a number"),
        (torch.tensor([0.5]), "returned tensor([0.5000]) for epoch 1 (from 0), which is a Tensor: expected a number"),
        (np.datetime64("2020-01-01"), "which is a datetime64: expected a number"),
        (
            math.nan,
            "returned nan for epoch 1 (from 0), which is not a learning rate: expected a finite number of at least 0",
        ),
        (math.inf, "returned inf for epoch 1 (from 0), which is not a learning rate"),
        (torch.tensor(math.nan), "returned tensor(nan) for epoch 1 (from 0), which is not a learning rate"),
        (-0.1, "returned -0.1 for epoch 1 (from 0), which is not a learning rate"),
        (np.float32(-1), "for epoch 1 (from 0), which is not a learning rate"),
    ],
    ids=str,
)
def test_what_is_no_rate_is_an_error_that_shows_it_and_the_epoch(rate, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        rates(LearningRateScheduler(lambda epoch: rate if epoch == 1 else 0.1), epochs=2)
