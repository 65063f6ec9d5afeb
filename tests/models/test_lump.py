"""What is wrapped: a Lump is as exact as a Pile of the same layers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from cthulhu.models import Lump

FAR = torch.tensor([[1000.0, 0.0, -1000.0], [0.0, 1000.0, 0.0]])


@pytest.mark.parametrize("nested", [False, True])
def test_loss_of_a_wrapped_sequence_that_ends_in_softmax_is_computed_from_the_logits(nested: bool) -> None:
    linear = nn.Linear(2, 3, bias=False)
    with torch.no_grad():
        linear.weight.copy_(FAR.t())
    layers = nn.Sequential(linear, nn.Softmax(dim=-1))
    model = copy.deepcopy(Lump(nn.Sequential(layers) if nested else layers))
    model.conjure("sgd", "categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.eye(3)[[2, 1]], verbose=0) == 1000.0


def test_softmax_over_another_dimension_is_taken_as_it_is() -> None:
    model = Lump(nn.Sequential(nn.Identity(), nn.Softmax(dim=0)))
    model.conjure("sgd", "categorical_crossentropy")
    # Over the rows each of two equal numbers is 1/2; over the columns that is 1/3 each.
    assert model.evaluate(np.ones((2, 3)), np.eye(3)[:2], verbose=0) == pytest.approx(np.log(3), abs=1e-6)
