"""Reading and setting the learning rate of an optimizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cthulhu_core import learning_rate, set_learning_rate


def sgd(*rates: Any) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.zeros(1)], "lr": rate} for rate in rates])


def rates(optimizer: torch.optim.Optimizer) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def test_rate_is_that_of_the_first_group() -> None:
    assert learning_rate(sgd(0.1, 0.2)) == 0.1


def test_other_groups_keep_their_ratio_to_the_first() -> None:
    optimizer = sgd(0.5, 0.25, 2.0, 0.0)
    set_learning_rate(optimizer, 0.25)
    assert rates(optimizer) == [0.25, 0.125, 1.0, 0.0]


def test_equal_groups_stay_equal_to_the_last_bit() -> None:
    optimizer = sgd(0.3, 0.3)
    for _ in range(50):
        set_learning_rate(optimizer, learning_rate(optimizer) * 0.7)
    assert optimizer.param_groups[0]["lr"] == optimizer.param_groups[1]["lr"]


def test_ratios_outlast_a_rate_of_zero() -> None:
    optimizer = sgd(0.5, 0.25)
    for rate in (0.0, 0.0, 1.0):
        set_learning_rate(optimizer, rate)
    assert rates(optimizer) == [1.0, 0.5]
    assert set(optimizer.param_groups[0]) == set(sgd(0.5).param_groups[0])


def test_ratios_outlast_a_rate_of_zero_that_was_saved_and_loaded() -> None:
    saved, loaded = sgd(0.5, 0.25), sgd(0.5, 0.25)
    set_learning_rate(saved, 0.0)
    loaded.load_state_dict(saved.state_dict())
    set_learning_rate(loaded, 1.0)
    assert rates(loaded) == [1.0, 0.5]


def test_where_the_first_rate_was_always_zero_all_groups_get_the_new_one() -> None:
    optimizer = sgd(0.0, 0.25, 0.0)
    set_learning_rate(optimizer, 0.5)
    assert rates(optimizer) == [0.5, 0.5, 0.5]


def test_setting_zero_where_the_first_rate_is_zero_changes_nothing() -> None:
    optimizer = sgd(0.0, 0.25)
    set_learning_rate(optimizer, 0.0)
    assert rates(optimizer) == [0.0, 0.25]


def test_rate_that_somebody_set_while_the_first_was_zero_has_no_ratio() -> None:
    optimizer = sgd(0.5, 0.25)
    set_learning_rate(optimizer, 0.0)
    optimizer.param_groups[1]["lr"] = 0.125
    set_learning_rate(optimizer, 1.0)
    assert rates(optimizer) == [1.0, 1.0]


def test_tensor_is_filled_in_place() -> None:
    first, second = torch.tensor(0.5), torch.tensor(0.25, dtype=torch.float64)
    optimizer = sgd(first, second)
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] is first
    assert optimizer.param_groups[1]["lr"] is second
    assert (first.item(), second.item()) == (0.25, 0.125)


def test_tensor_that_two_groups_share_is_set_once() -> None:
    optimizer = torch.optim.Adam(
        [{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)]}], lr=torch.tensor(0.5), capturable=True
    )
    set_learning_rate(optimizer, 0.25)
    assert rates(optimizer) == [0.25, 0.25]


@pytest.mark.parametrize("use", [learning_rate, lambda optimizer: set_learning_rate(optimizer, 0.1)])
def test_missing_optimizer_is_an_error_that_says_how_to_give_one(use: Any) -> None:
    with pytest.raises(ValueError, match=r"no optimizer .* Run\(model, optimizer=\.\.\.\)"):
        use(None)
