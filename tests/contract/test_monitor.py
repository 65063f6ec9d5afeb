"""Monitor: which direction, what is better, what is missing."""

from __future__ import annotations

import math
import warnings
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_core import Monitor
from cthulhu_core.contract.monitor import MonitorWarning

MAXIMISED = (
    "acc accuracy binary_accuracy categorical_accuracy sparse_top_k_categorical_accuracy top5_acc auc auroc auc_1 "
    "f1 f1_score F1 f1_macro fmeasure precision precision_1 recall iou mean_iou dice dice_coef r2 r2_score "
    "bleu bleu4 out1_acc BinaryAccuracy MulticlassF1Score cosine_similarity"
)
MINIMISED = (
    "loss mse mae mean_absolute_error kullback_leibler_divergence hinge lr perplexity out1_loss dice_loss "
    "iou_loss precision_error recall_loss placement"
)


def fake_run(directions: dict[str, str] | None = None, validation: bool = False, validated: bool = False) -> Any:
    return SimpleNamespace(directions=directions or {}, params={"do_validation": validation}, validated=validated)


# --- direction ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "val_"])
@pytest.mark.parametrize("name", MAXIMISED.split())
def test_name_says_maximise(name: str, prefix: str) -> None:
    assert Monitor(prefix + name).direction == "max"


@pytest.mark.parametrize("prefix", ["", "val_"])
@pytest.mark.parametrize("name", MINIMISED.split())
def test_all_other_names_are_minimised(name: str, prefix: str) -> None:
    assert Monitor(prefix + name).direction == "min"


@pytest.mark.parametrize("mode", ["min", "max"])
def test_mode_decides(mode: Literal["min", "max"]) -> None:
    assert [Monitor(name, mode=mode).direction for name in ("acc", "loss")] == [mode, mode]


@pytest.mark.parametrize(("stated", "name"), [("max", "val_score"), ("min", "val_acc"), ("max", "score")])
def test_direction_that_the_metric_states_wins_over_its_name(stated: str, name: str) -> None:
    monitor = Monitor(name)
    monitor.begin(fake_run({name.removeprefix("val_"): stated}))
    assert monitor.direction == stated
    assert monitor.best == (-math.inf if stated == "max" else math.inf)


def test_mode_wins_over_the_direction_that_the_metric_states() -> None:
    monitor = Monitor("score", mode="min")
    monitor.begin(fake_run({"score": "max"}))
    assert monitor.direction == "min"


def test_direction_stated_in_one_training_is_forgotten_in_the_next() -> None:
    monitor = Monitor("score")
    monitor.begin(fake_run({"score": "max"}))
    monitor.begin(fake_run())
    assert monitor.direction == "min"


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="mode is 'largest': expected 'auto', 'min' or 'max'"):
        Monitor("loss", mode="largest")  # type: ignore[arg-type]


@pytest.mark.parametrize("min_delta", [math.nan, math.inf])
def test_min_delta_that_is_not_finite(min_delta: float) -> None:
    with pytest.raises(ValueError, match="expected a finite number"):
        Monitor("loss", min_delta=min_delta)


# --- better ---------------------------------------------------------------------------------------------------------


def test_equal_is_not_better() -> None:
    monitor = Monitor("loss")
    assert [monitor.update(value) for value in (1.0, 1.0, 0.5, 0.5, 0.75)] == [True, False, True, False, False]
    assert monitor.best == 0.5


@pytest.mark.parametrize("min_delta", [0.25, -0.25])
def test_sign_of_min_delta_does_not_matter(min_delta: float) -> None:
    down, up = Monitor("loss", min_delta=min_delta), Monitor("acc", min_delta=min_delta)
    assert [down.update(value) for value in (1.0, 0.75, 0.5)] == [True, False, True]
    assert [up.update(value) for value in (0.0, 0.25, 0.5)] == [True, False, True]


def test_baseline_is_the_first_best() -> None:
    monitor = Monitor("acc", baseline=0.5)
    assert [monitor.update(value) for value in (0.4, 0.5, 0.6)] == [False, False, True]
    monitor.reset()
    assert monitor.best == 0.5


def test_baseline_that_nothing_can_beat_is_refused() -> None:
    with pytest.raises(ValueError, match="baseline is nan: expected a number that val_loss has to beat"):
        Monitor("val_loss", baseline=math.nan)


def test_nan_is_never_better_and_never_the_best() -> None:
    for name in ("loss", "acc"):
        monitor = Monitor(name)
        assert not monitor.update(math.nan)
        assert monitor.update(1.0)
        assert not monitor.update(math.nan)
        assert monitor.best == 1.0


def test_infinity_is_no_improvement_in_the_wrong_direction_and_one_in_the_right() -> None:
    monitor = Monitor("loss")
    assert [monitor.update(value) for value in (math.inf, 1.0, -math.inf, -math.inf)] == [False, True, True, False]


def test_better_than_something_else() -> None:
    monitor = Monitor("loss", min_delta=0.25)
    monitor.update(1.0)
    assert monitor.is_better(0.5)
    assert not monitor.is_better(0.5, than=0.5)
    assert not monitor.is_better(0.5, than=0.0)


@settings(deadline=None)
@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True, width=16)),
    st.sampled_from(["min", "max"]),
    st.floats(0, 4, width=16),
    st.none() | st.floats(-8, 8, width=16),
)
def test_improvements_are_those_of_an_independent_oracle(
    values: list[float], mode: Literal["min", "max"], min_delta: float, baseline: float | None
) -> None:
    monitor = Monitor("anything", mode, min_delta, baseline)
    sign = 1 if mode == "max" else -1
    best = -math.inf if baseline is None else sign * baseline
    for value in values:
        # Both mirrored so that more is better; NaN is put below everything.
        mirrored = -math.inf if math.isnan(value) else sign * value
        improves = mirrored > best + min_delta
        best = mirrored if improves else best
        assert monitor.update(value) == improves
        assert monitor.best == sign * best


def test_state_is_plain_and_comes_back() -> None:
    monitor = Monitor("score")
    monitor.begin(fake_run({"score": "max"}))
    monitor.update(0.5)
    state = monitor.state_dict()
    assert state == {"monitor": "score", "best": 0.5, "direction": "max"}
    again = Monitor("score")
    again.load_state_dict(state)
    assert [again.update(0.25), again.update(0.75)] == [False, True]


def test_state_of_another_quantity_is_refused() -> None:
    monitor = Monitor("val_acc")
    with pytest.raises(ValueError, match=r"that of 'val_loss', but 'val_acc' is monitored: .* monitor='val_loss'"):
        monitor.load_state_dict(Monitor("val_loss").state_dict())
    assert monitor.direction == "max"


# --- missing --------------------------------------------------------------------------------------------------------


def missing(monitor: Monitor, logs: dict[str, Any], run: Any = None) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert monitor.read(logs, run) is None
    assert all(each.category is MonitorWarning for each in caught)
    return [str(each.message) for each in caught]


@pytest.mark.parametrize(
    ("monitored", "close"),
    [("val_accuracy", "val_acc"), ("accuracy", "acc"), ("val_los", "val_loss"), ("acuracy", "acc")],
)
def test_missing_name_is_warned_about_with_the_close_one(monitored: str, close: str) -> None:
    (message,) = missing(Monitor(monitored), {"loss": 1.0, "acc": 0.5, "val_loss": 1.0, "val_acc": 0.5})
    start = f"{monitored!r} is monitored but not logged; logged are loss, acc, val_loss, val_acc: did you mean {close}"
    assert message.startswith(start)


def test_missing_validation_says_what_to_pass() -> None:
    (message,) = missing(Monitor("val_f1"), {"loss": 1.0})
    assert message.endswith("pass validation_data or validation_split to have val_ values")


def test_nothing_logged() -> None:
    (message,) = missing(Monitor("loss"), {})
    assert message == "'loss' is monitored but not logged; logged are no values"


def test_one_warning_a_training() -> None:
    monitor = Monitor("acc")
    assert len(missing(monitor, {"loss": 1.0})) == 1
    assert missing(monitor, {"loss": 1.0}) == []
    monitor.begin(fake_run())
    assert len(missing(monitor, {"loss": 1.0})) == 1


def test_no_warning_in_epochs_without_their_planned_validation() -> None:
    monitor = Monitor("val_loss")
    assert missing(monitor, {"loss": 1.0}, fake_run(validation=True, validated=False)) == []
    assert len(missing(monitor, {"loss": 1.0}, fake_run(validation=True, validated=True))) == 1


def test_training_value_is_missed_in_epochs_without_validation_too() -> None:
    assert len(missing(Monitor("acc"), {"loss": 1.0}, fake_run(validation=True))) == 1


def test_value_is_read_as_a_float() -> None:
    value = Monitor("loss").read({"loss": 1})
    assert type(value) is float
    assert value == 1.0


def test_value_that_is_no_number() -> None:
    with pytest.raises(TypeError, match=r"'loss' is monitored, but its logged value is not a number: \[1, 2\]"):
        Monitor("loss").read({"loss": [1, 2]})
