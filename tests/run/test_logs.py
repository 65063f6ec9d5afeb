"""The values and logs of handwritten loops, and when they are read from the device."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cthulhu_core import Callback, Run, hookimpl
from loops import Recorder, new_run

pytestmark = pytest.mark.usefixtures("no_plugins")


class Value:
    """Stands for a tensor: counts how often it is read."""

    reads = 0

    def __init__(self, value: float) -> None:
        self.value = value

    def compute(self) -> Value:
        return self

    def tolist(self) -> float:
        Value.reads += 1
        return self.value

    item = __float__ = tolist


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many values have been read since the test began: of ``Value`` and of tensors."""
    Value.reads = 0

    def counting(original: Any) -> Any:
        def counted(self: Any) -> Any:
            Value.reads += 1
            return original(self)

        return counted

    for name in ("tolist", "item", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, counting(getattr(torch.Tensor, name)))
    return lambda: Value.reads


def test_nothing_is_read_inside_an_epoch_when_nobody_names_logs(reads: Callable[[], int]) -> None:
    seen: list[int] = []

    class Frugal(Callback):
        @hookimpl
        def cthulhu_batch_end(self, run: Run, batch: int) -> None:
            seen.append(run.current.values["loss"].ndim)

        def on_epoch_begin(self, epoch: int, logs: Any) -> None: ...

    with new_run(Frugal()) as run:
        for _ in run.epochs():
            for item in run.batches([torch.ones(4, 1)] * 300):
                run.record(loss=item.mean(), acc=torch.tensor(0.5))
            assert reads() == 0
    assert seen == [0] * 300
    assert reads() == 2  # loss and acc, at the end of the epoch
    assert run.history.history == {"loss": [1.0], "acc": [0.5]}


def test_values_of_a_batch_are_read_once_for_all_who_name_logs(reads: Callable[[], int]) -> None:
    seen: list[Any] = []

    def named() -> Callback:
        class Named(Callback):
            def on_batch_end(self, batch: int, logs: Any) -> None:
                seen.append(logs)

        return Named()

    with new_run([named(), named(), named()]) as run:
        for _ in run.epochs():
            for value in run.batches([1.0, 2.0]):
                run.record(loss=Value(value))
                assert reads() == int(value) - 1
    assert [logs["loss"] for logs in seen] == [1.0] * 3 + [2.0] * 3
    assert reads() == 3  # of each batch, and the last once more as the metric's final state


class Leaving(Callback):
    """Leaves the end of batches when it has had so many of them."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.batches: list[int] = []
        self.others: list[int] = []

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.batches.append(batch)
        if len(self.batches) == self.after:
            self.run.leave(self, "cthulhu_batch_end")

    @hookimpl
    def cthulhu_batch_begin(self, batch: int) -> None:
        self.others.append(batch)


def test_who_has_left_a_hook_is_not_called_there_any_more_and_values_are_not_read_for_it(
    reads: Callable[[], int],
) -> None:
    first, second = Leaving(1), Leaving(3)
    with new_run([first, second]) as run:
        for _ in run.epochs():
            for value in run.batches([1.0, 2.0, 3.0, 4.0, 5.0]):
                run.record(loss=Value(value))
            assert reads() == 3
    assert (first.batches, second.batches) == ([0], [0, 1, 2])
    assert first.others == second.others == [0, 1, 2, 3, 4]


def test_who_has_left_is_back_in_the_next_run_and_when_a_run_is_begun_again() -> None:
    leaving = Leaving(1)
    run = new_run(leaving)
    for each in (run, run, new_run(leaving)):
        leaving.batches = []
        with each:
            for _ in each.batches([1.0, 2.0]):
                pass
        assert leaving.batches == [0]


def test_leaving_a_run_that_has_not_begun_calls_nobody() -> None:
    leaving = Leaving(1)
    run = Run(SimpleNamespace(stop_training=False), callbacks=leaving)  # type: ignore[arg-type]
    run.leave(leaving, "cthulhu_batch_end")
    for _ in run.batches([1.0]):
        pass
    assert leaving.batches == []


def test_hook_that_does_not_exist_cannot_be_left() -> None:
    run = new_run(leaving := Leaving(1))
    with pytest.raises(ValueError, match="there is no hook 'batch_end': hooks are cthulhu_train_begin, "):
        run.leave(leaving, "batch_end")


def test_logs_of_batch_begin_alone_read_nothing(reads: Callable[[], int]) -> None:
    class Begin(Callback):
        def on_batch_begin(self, batch: int, logs: Any) -> None:
            assert logs == {"batch": batch, "size": 1}

    with new_run(Begin()) as run:
        for _ in run.epochs():
            for value in run.batches([1.0, 2.0]):
                run.record(loss=Value(value))
            assert reads() == 0


def test_logs_are_plain_python_numbers() -> None:
    recorder = Recorder()
    with new_run(recorder) as run:
        for _ in run.epochs():
            for _ in run.batches([torch.ones(2, 3)]):
                run.record(loss=torch.tensor(0.5), acc=torch.tensor(0.25, dtype=torch.float64), seen=torch.tensor(3))
    for event in recorder.of("batch_end", "epoch_end"):
        types = {name: type(value) for name, value in event[2].items() if name not in ("batch", "size", "seen")}
        assert set(types.values()) == {float}
    logs = recorder.of("batch_end")[0][2]
    assert [type(logs[name]) for name in ("batch", "size", "seen")] == [int, int, int]


def test_averages_are_weighted_by_samples() -> None:
    sizes, losses = [32, 32, 5], [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(9.0)]
    with new_run() as run:
        for _ in run.epochs():
            for batch, _ in enumerate(run.batches([(torch.zeros(size, 2), torch.zeros(size)) for size in sizes])):
                run.record(loss=losses[batch])
    assert run.history.history == {"loss": [pytest.approx((32 + 64 + 45) / 69, rel=1e-15)]}


@pytest.mark.parametrize("observed", [False, True])
def test_an_observer_changes_no_average(observed: bool) -> None:
    class Running:
        """The share of ones so far, as a metric with a state would have it."""

        def __init__(self) -> None:
            self.seen: list[int] = []

        def compute(self) -> float:
            return sum(self.seen) / len(self.seen)

    metric = Running()
    with new_run([Recorder()] if observed else []) as run:
        for _ in run.epochs():
            for value in run.batches([1, 0, 0, 0]):
                metric.seen.append(value)
                run.record(loss=torch.tensor(float(value)), acc=metric, other=value / 2)
            for value in run.test([1, 0]):
                metric.seen.append(value)
                run.record(acc=metric)
    assert run.history.history == {"loss": [0.25], "acc": [2 / 6], "other": [0.125], "val_acc": [2 / 6]}


def test_recorded_values_do_not_keep_their_graphs() -> None:
    with new_run() as run:
        for _ in run.epochs():
            for _ in run.batches([1.0]):
                run.record(loss=torch.ones((), requires_grad=True) * 2, outputs=3)
                assert run.current.loss.requires_grad is False
                assert run.current.outputs == 3


def test_values_may_be_recorded_in_parts() -> None:
    with new_run() as run:
        for _ in run.epochs():
            for _ in run.batches([1.0]):
                run.record(loss=1.0)
                run.record(acc=0.5)
                assert run.current.metrics == {"acc": 0.5}
    assert run.history.history == {"loss": [1.0], "acc": [0.5]}


def test_epoch_logs_are_shared_in_order_and_fresh_every_epoch(train: Callable[..., Run]) -> None:
    class Adds(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs["lr"] = 0.1 / (epoch + 1)
            if epoch == 0:
                logs["only_once"] = 1.0

    recorder = Recorder()
    run = train([Adds(), recorder], [[1.0], [2.0]])
    assert [event[2] for event in recorder.of("epoch_end")] == [
        {"loss": 1.0, "lr": 0.1, "only_once": 1.0},
        {"loss": 2.0, "lr": 0.05},
    ]
    assert run.history.history == {"loss": [1.0, 2.0], "lr": [0.1, 0.05], "only_once": [1.0]}


def test_loop_may_add_to_the_logs_of_the_epoch() -> None:
    with new_run() as run:
        for _ in run.epochs():
            for loss in run.batches([1.0]):
                run.record(loss=loss)
            run.logs["val_score"] = 0.5
    assert run.history.history == {"loss": [1.0], "val_score": [0.5]}


def test_validation_restores_the_training_batch() -> None:
    recorder = Recorder()
    with new_run(recorder, metrics=["loss"], validation=True) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0, 2.0]):
                run.record(loss=loss)
            assert run.validated is False
            for loss in run.test([5.0]):
                run.record(loss=loss)
                assert run.current.values == {"loss": 5.0}
            assert run.validated is True
            assert run.current.index == 1
            assert run.current.values == {"loss": 2.0}
    assert run.test_logs == {"loss": 5.0}


def test_what_is_added_to_the_logs_of_a_test_belongs_to_validation() -> None:
    class Adds(Callback):
        def on_test_end(self, logs: Any) -> None:
            logs["score"] = 0.5

    with new_run(Adds()) as run:
        for _ in run.epochs():
            for loss in run.test([5.0]):
                run.record(loss=loss)
    assert run.history.history == {"val_loss": [5.0], "val_score": [0.5]}


def test_memory_does_not_grow_with_batches(train: Callable[..., Run]) -> None:
    held: list[int] = []

    class Held(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if batch in (5_000, 49_999):
                held.append(tracemalloc.get_traced_memory()[0])

    losses = [0.5] * 50_000
    tracemalloc.start()
    try:
        run = train(Held(), [losses])
    finally:
        tracemalloc.stop()
    assert held[1] - held[0] < 45_000  # one byte a batch
    assert run.history.history == {"loss": [0.5]}
