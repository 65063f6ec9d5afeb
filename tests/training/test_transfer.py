"""What goes to a device is there, one block ahead. What a GPU does meanwhile is in test_cuda.py."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_core.training.array_batches import ArrayBatches
from cthulhu_core.training.placement import Placement
from cthulhu_core.training.transfer import moved, one_ahead


def test_each_is_made_before_the_one_in_front_of_it_is_given() -> None:
    made = []

    def make() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    seen = [(number, list(made)) for number in one_ahead(make())]
    assert seen == [(0, [0, 1]), (1, [0, 1, 2]), (2, [0, 1, 2])]


@given(st.lists(st.integers()))
@settings(deadline=None)
def test_none_is_lost_and_none_changes_its_place(items: list[int]) -> None:
    assert list(one_ahead(items)) == items


def test_batches_one_block_ahead_are_the_same() -> None:
    x, y = torch.randn(50, 3), torch.arange(50)
    given = []
    for ahead in (False, True):
        batches = ArrayBatches(x, y, None, 4, True, None, Placement(torch.nn.Linear(3, 1)))
        batches._block, batches._is_away = 8, ahead
        torch.manual_seed(0)
        given.append([(inputs.tolist(), targets.tolist()) for inputs, targets, _ in batches])
    assert given[0] == given[1]


def test_what_is_there_is_not_copied() -> None:
    tensor = torch.ones(3)
    assert moved(tensor, tensor.device) is tensor
    assert moved(tensor, tensor.device, torch.float64).dtype is torch.float64
