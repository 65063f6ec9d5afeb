"""A model that is called beside its training is as it was, to the bit."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn

from cthulhu.models import Lump
from cthulhu_tensorboard.isolated_call import isolated_call


class Restless(nn.Module):
    """Changes everything of itself that it can in each call."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2).eval()
        self.dropout = nn.Dropout()
        self.register_buffer("calls", torch.zeros(1))
        self.register_buffer("last", torch.zeros(2))
        self.count = 0

    def forward(self, x):
        self.calls += 1
        self.last = x.sum(0)
        self.count += 1
        self.kept = x
        self.norm.train()
        self.norm(x)
        random.random(), np.random.rand(), torch.rand(1)
        return self.dropout(self.linear(x))


def state(model):
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        {name: module.training for name, module in model.named_modules()},
        random.getstate(),
        np.random.get_state(legacy=False)["state"],
        torch.get_rng_state(),
        model.count,
        hasattr(model, "kept"),
    )


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_everything_is_put_back_also_after_an_error(error):
    model = Restless()
    before, objects = state(model), dict(model.named_buffers())
    try:
        with isolated_call(model):
            assert not model.training
            assert not model(torch.ones(4, 2)).requires_grad
            assert model.count == 1
            if error is not None:
                raise error
    except (RuntimeError, KeyboardInterrupt) as raised:
        assert type(raised) is error  # noqa: PT017
    torch.testing.assert_close(state(model)[:2], before[:2], rtol=0, atol=0)
    np.testing.assert_equal(state(model)[2:4], before[2:4])
    assert torch.equal(state(model)[4], before[4])
    assert state(model)[5:] == before[5:] == (0, False)
    assert all(model.get_buffer(name) is buffer for name, buffer in objects.items())


def test_stop_that_is_asked_for_meanwhile_holds():
    model = Lump(Restless())
    model.stop_training = False
    with isolated_call(model):
        model.stop_training = True
    assert model.stop_training
