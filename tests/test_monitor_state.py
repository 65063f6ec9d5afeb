"""What a monitor remembers from one training to the next, and what it does not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cthulhu_core import Monitor, Run


def run_with(**directions: str) -> Run:
    return Run(SimpleNamespace(), directions=directions)


def test_state_goes_on_where_it_was_taken() -> None:
    first, second = Monitor("val_acc"), Monitor("val_acc")
    first.update(0.5)
    second.load_state_dict(first.state_dict())
    assert (second.best, second.direction) == (0.5, "max")
    assert not second.update(0.4)


def test_direction_that_a_metric_stated_is_part_of_the_state(no_plugins: None) -> None:
    first, second = Monitor("val_score"), Monitor("val_score")
    first.begin(run_with(score="max"))
    first.update(0.5)
    second.load_state_dict(first.state_dict())
    assert (second.update(0.4), second.update(0.6)) == (False, True)


def test_state_of_another_quantity_is_refused() -> None:
    monitor = Monitor("val_acc")
    with pytest.raises(ValueError, match=r"that of 'val_loss', but 'val_acc' is monitored: .* monitor='val_loss'"):
        monitor.load_state_dict(Monitor("val_loss").state_dict())
    assert monitor.direction == "max"


def test_direction_stated_in_one_run_is_forgotten_in_the_next(no_plugins: None) -> None:
    monitor = Monitor("val_score")
    monitor.begin(run_with(score="max"))
    monitor.begin(run_with())
    assert monitor.direction == "min"


def test_mode_of_the_user_wins_over_what_a_metric_states(no_plugins: None) -> None:
    monitor = Monitor("val_score", mode="min")
    monitor.begin(run_with(score="max"))
    assert monitor.direction == "min"


def test_baseline_that_nothing_can_beat_is_refused() -> None:
    with pytest.raises(ValueError, match=r"baseline is nan: expected a number that val_loss has to beat"):
        Monitor("val_loss", baseline=float("nan"))
