"""A failing observer (on_error = "disable") is logged, and training continues."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from cthulhu_core import Callback, Run, hookimpl
from failing import Witness, failing

pytestmark = pytest.mark.usefixtures("no_plugins")


class Flaky(Callback):
    """An observer that fails in the batches whose loss is negative."""

    on_error = "disable"

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.heard.append(logs["loss"])
        if logs["loss"] < 0:
            raise OSError("disk full")

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.heard.append("epoch_end")

    def on_teardown(self) -> None:
        self.heard.append("teardown")


def test_failing_observer_is_logged_with_traceback_and_training_goes_on(
    train: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    flaky = Flaky()
    run = train(flaky, [[-1.0, 2.0, 3.0]])
    assert run.history.history == {"loss": [4.0 / 3.0]}
    assert flaky.heard == [-1.0, 2.0, 3.0, "epoch_end", "teardown"]
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("cthulhu", logging.ERROR)
    assert record.getMessage() == (
        f"Flaky (module {__name__}) failed in hook cthulhu_batch_end, epoch 0, batch 0; "
        "training continues (failure 1 of 3 in a row)"
    )
    assert 'raise OSError("disk full")' in caplog.text


def test_third_failure_in_a_row_takes_the_observer_out_and_the_end_says_so(
    train: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    flaky = Flaky()
    run = train(flaky, [[-1.0] * 5, [1.0]])
    assert flaky.heard == [-1.0, -1.0, -1.0, "teardown"]
    assert run.history.history == {"loss": [-1.0, 1.0]}
    messages = [record.getMessage() for record in caplog.records]
    assert [message.rpartition("(")[2] for message in messages[:3]] == [
        f"failure {count} of 3 in a row)" for count in (1, 2, 3)
    ]
    assert messages[3] == (
        f"Flaky (module {__name__}) was taken out of the run after 3 failures in a row: "
        "its record of this run is incomplete"
    )
    assert len(messages) == 4


def test_success_starts_the_count_again(train: Callable[..., Run]) -> None:
    flaky = Flaky()
    train(flaky, [[-1.0, -1.0, 1.0, -1.0, -1.0, 1.0]])
    assert flaky.heard == [-1.0, -1.0, 1.0, -1.0, -1.0, 1.0, "epoch_end", "teardown"]


def test_failures_are_counted_for_each_of_two_implementations_of_a_hook(train: Callable[..., Run]) -> None:
    heard = []

    class Twice(Callback):
        on_error = "disable"

        @hookimpl(specname="cthulhu_epoch_end")
        def first(self) -> None:
            """Never fails."""

        @hookimpl(trylast=True)
        def cthulhu_epoch_end(self, epoch: int) -> None:
            heard.append(epoch)
            raise OSError("disk full")

    train(Twice(), [[1.0]] * 5)
    assert heard == [0, 1, 2]


def test_failures_are_counted_for_each_hook_by_itself(train: Callable[..., Run]) -> None:
    # A file that is written at epoch ends and fails there is not saved by batch ends that do nothing.
    heard = []

    class Writer(Callback):
        on_error = "disable"

        def on_batch_end(self, batch: int, logs: Any) -> None: ...

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            heard.append(epoch)
            raise OSError("disk full")

    train(Writer(), [[1.0]] * 5)
    assert heard == [0, 1, 2]


def test_explaining_does_not_start_the_count_again(
    train: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    flaky = Flaky()

    class Explainer(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.run.explain()

    train([flaky, Explainer()], [[-1.0] * 5])
    assert flaky.heard == [-1.0, -1.0, -1.0, "teardown"]


def test_failure_of_an_observer_at_the_end_does_not_fail_the_run(
    train: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    witness = Witness()
    train([failing("on_train_end", on_error="disable"), failing("on_teardown", on_error="disable"), witness], [[1.0]])
    assert witness.heard == ["witness train_end {'loss': 1.0}", "witness teardown"]
    assert len(caplog.records) == 2


def test_plain_object_may_be_an_observer(train: Callable[..., Run], caplog: pytest.LogCaptureFixture) -> None:
    class Plain:
        on_error = "disable"

        @hookimpl
        def cthulhu_epoch_end(self) -> None:
            raise OSError("disk full")

    assert train(Plain()).history.epoch == [0]
    assert "disk full" in caplog.text
