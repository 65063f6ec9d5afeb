"""Stops, breaks and exceptions in handwritten loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cthulhu_core import Callback, Run
from loops import Recorder, new_run

pytestmark = pytest.mark.usefixtures("no_plugins")


def stop_at(where: str, at: int) -> Callback:
    class Stop(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if where == "batch" and batch == at:
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if where == "epoch" and epoch == at:
                self.run.stop()

    return Stop()


def test_stop_in_a_batch_ends_batches_then_the_epoch_then_training(train: Callable[..., Run]) -> None:
    recorder = Recorder()
    train([stop_at("batch", 1), recorder], [[1.0, 2.0, 3.0], [1.0]])
    assert [event[:2] for event in recorder.of("batch_end", "epoch_end")] == [
        *(("batch_end", 0), ("batch_end", 1)),
        ("epoch_end", 0),
    ]
    assert recorder.heard[-1] == ("train_end", {"loss": 1.5})


def test_stop_at_the_end_of_an_epoch(train: Callable[..., Run]) -> None:
    assert train(stop_at("epoch", 1), [[1.0]] * 5).history.epoch == [0, 1]


def test_stop_asked_in_last_batch_survives_validation() -> None:
    with new_run(stop_at("batch", 1), epochs=3) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0, 2.0]):
                run.record(loss=loss)
            assert run.model.stop_training is True
            for loss in run.test([3.0, 5.0]):
                run.record(loss=loss)
    assert run.history.history == {"loss": [1.5], "val_loss": [4.0]}


def test_stop_of_an_earlier_training_is_forgotten(train: Callable[..., Run]) -> None:
    run = new_run(epochs=2)
    run.model.stop_training = True
    with run:
        assert run.model.stop_training is False
        assert list(run.epochs()) == [0, 1]


def test_initial_epoch_at_the_end_begins_and_ends_training_without_an_epoch() -> None:
    recorder = Recorder()
    with new_run(recorder, epochs=3, initial_epoch=3) as run:
        assert list(run.epochs()) == []
    assert recorder.heard == [("train_begin", {}), ("train_end", {})]
    assert run.history.epoch == []


def test_epochs_start_at_initial_epoch() -> None:
    with new_run(epochs=5, initial_epoch=3) as run:
        assert list(run.epochs()) == [3, 4]
    assert run.history.epoch == [3, 4]


def test_break_out_of_batches_still_ends_the_batch() -> None:
    recorder = Recorder()
    with new_run(recorder) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0, 2.0, 3.0]):
                run.record(loss=loss)
                if loss == 2.0:
                    break
    assert recorder.names()[2:] == [*("batch_begin", "batch_end") * 2, "epoch_end", "train_end"]
    assert run.history.history == {"loss": [1.5]}
    assert run.step == 2


def test_break_out_of_batches_ends_the_batch_before_validation_and_before_more_batches() -> None:
    recorder = Recorder()
    with new_run(recorder) as run:
        for _ in run.epochs():
            for data in ([1.0, 9.0], [2.0, 9.0]):
                for loss in run.batches(data):
                    run.record(loss=loss)
                    break
            for loss in run.test([5.0]):
                run.record(loss=loss)
    assert recorder.names()[2:8] == [*("batch_begin", "batch_end") * 2, "test_begin", "test_batch_begin"]
    assert run.history.history == {"loss": [1.5], "val_loss": [5.0]}


def test_break_out_of_test_ends_the_validation_and_leaves_training_alone() -> None:
    recorder = Recorder()
    with new_run(recorder) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0, 2.0]):
                run.record(loss=loss)
            for loss in run.test([10.0, 20.0, 30.0]):
                run.record(loss=loss)
                if loss == 20.0:
                    break
    assert recorder.of("test_end") == [("test_end", {"loss": 15.0})]
    assert recorder.names()[-4:] == ["test_batch_end", "test_end", "epoch_end", "train_end"]
    assert run.history.history == {"loss": [1.5], "val_loss": [15.0]}
    assert run.step == 2


def test_break_out_of_epochs_still_ends_the_epoch() -> None:
    # Many loops of one's own stop early like this.
    recorder = Recorder()
    with new_run(recorder, epochs=9) as run:
        for epoch in run.epochs():
            for loss in run.batches([1.0, 2.0]):
                run.record(loss=loss)
            if epoch == 1:
                break
    assert run.history.history == {"loss": [1.5, 1.5]}
    assert recorder.heard[-1] == ("train_end", {"loss": 1.5})


def test_break_out_of_evaluation_ends_it() -> None:
    recorder = Recorder()
    run = new_run(recorder)
    with run.opened():
        for loss in run.test([1.0, 2.0]):
            run.record(loss=loss)
            break
    assert recorder.names() == ["test_begin", "test_batch_begin", "test_batch_end", "test_end"]
    assert run.test_logs == {"loss": 1.0}


def test_break_out_of_prediction_ends_it() -> None:
    heard: list[str] = []

    class Listener(Callback):
        def on_predict_batch_end(self, batch: int, logs: Any) -> None:
            heard.append(f"batch_end {batch}")

        def on_predict_end(self, logs: Any) -> None:
            heard.append("end")

    run = new_run(Listener())
    with run.opened():
        for _ in run.predict([1.0, 2.0]):
            break
    assert heard == ["batch_end 0", "end"]


def test_exception_in_a_batch_ends_neither_batch_nor_epoch() -> None:
    recorder = Recorder()
    run = new_run(recorder)

    def loop() -> None:
        with run:
            for _ in run.epochs():
                for _ in run.batches([1.0]):
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop()
    assert recorder.names() == ["train_begin", "epoch_begin", "batch_begin", "train_end"]


def test_run_can_be_used_again_after_a_failure() -> None:
    run = new_run(epochs=1)

    def loop(divisor: float) -> None:
        with run:
            for _ in run.epochs():
                for loss in run.batches([3.0]):
                    run.record(loss=loss / divisor)

    with pytest.raises(ZeroDivisionError):
        loop(0)
    loop(1)
    assert run.history.history == {"loss": [3.0]}
