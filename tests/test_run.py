"""Run in loops that somebody wrote by hand: what callbacks are told, when, and what a loop may do."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cthulhu_core import Batch, Callback, Run, hookimpl

pytestmark = pytest.mark.usefixtures("no_plugins")


class Recorder(Callback):
    """Writes down every hook that carries logs, with a copy of them."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def on_train_begin(self, logs: Any) -> None:
        self.heard.append(("train_begin", dict(logs)))

    def on_train_end(self, logs: Any) -> None:
        self.heard.append(("train_end", dict(logs)))

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.heard.append(("epoch_begin", epoch, dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.heard.append(("epoch_end", epoch, dict(logs)))

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        self.heard.append(("batch_begin", batch, dict(logs)))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.heard.append(("batch_end", batch, dict(logs)))

    def on_gradients(self, batch: int) -> None:
        self.heard.append(("gradients", batch))

    def on_test_begin(self, logs: Any) -> None:
        self.heard.append(("test_begin", dict(logs)))

    def on_test_batch_begin(self, batch: int, logs: Any) -> None:
        self.heard.append(("test_batch_begin", batch, dict(logs)))

    def on_test_batch_end(self, batch: int, logs: Any) -> None:
        self.heard.append(("test_batch_end", batch, dict(logs)))

    def on_test_end(self, logs: Any) -> None:
        self.heard.append(("test_end", dict(logs)))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [event for event in self.heard if event[0] in names]

    def names(self) -> list[str]:
        return [event[0] for event in self.heard]


def new_run(callbacks: Any = None, epochs: int = 1, **arguments: Any) -> Run:
    model: Any = SimpleNamespace()
    return Run(model, epochs=epochs, callbacks=callbacks, **arguments)


# --- a whole training -----------------------------------------------------------------------------------------------


def test_hand_written_loop_trains_with_a_callback_that_writes_a_file(tmp_path: Path) -> None:
    class Rows(Callback):
        def on_train_begin(self, logs: Any = {}) -> None:
            self.file = (tmp_path / "log.csv").open("w", newline="")
            self.writer = csv.writer(self.file)

        def on_epoch_end(self, epoch: int, logs: Any = {}) -> None:
            self.writer.writerow([epoch, *(logs[name] for name in sorted(logs))])

        def on_teardown(self) -> None:
            self.file.close()

    torch.manual_seed(0)
    x = torch.randn(10, 3)
    y = x.sum(1, keepdim=True)
    loader = [(x[:4], y[:4]), (x[4:8], y[4:8]), (x[8:], y[8:])]

    def trained(callbacks: Any) -> tuple[nn.Linear, list[float]]:
        torch.manual_seed(1)
        model, losses = nn.Linear(3, 1), []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with Run(model, optimizer=optimizer, epochs=3, callbacks=callbacks) as run:
            for _ in run.epochs():
                total = 0.0
                for inputs, targets in run.batches(loader):
                    loss = nn.functional.mse_loss(model(inputs), targets)
                    optimizer.zero_grad()
                    loss.backward()
                    run.gradients()
                    optimizer.step()
                    run.record(loss=loss)
                    total += loss.item() * len(inputs)
                losses.append(total / 10)
        assert run.history.history == {"loss": pytest.approx(losses, rel=1e-12)}
        assert losses[2] < losses[0] / 2
        return model, losses

    model, losses = trained([Rows()])
    with (tmp_path / "log.csv").open(newline="") as file:
        epochs, written = zip(*csv.reader(file), strict=True)
    assert epochs == ("0", "1", "2")
    assert [float(loss) for loss in written] == pytest.approx(losses, rel=1e-12)
    alone, _ = trained(None)
    assert torch.equal(model.weight, alone.weight)


def test_every_hook_in_its_place_with_its_logs() -> None:
    recorder = Recorder()
    with new_run(recorder) as run:
        for _ in run.epochs():
            for item in run.batches([(torch.zeros(3, 2), torch.zeros(3)), (torch.zeros(1, 2), torch.zeros(1))]):
                run.gradients()
                run.record(loss=torch.tensor(float(len(item[0]))), acc=0.5)
            for _ in run.test([(torch.zeros(2, 2), torch.zeros(2))]):
                run.record(loss=4.0)
    assert recorder.heard == [
        ("train_begin", {}),
        ("epoch_begin", 0, {}),
        ("batch_begin", 0, {"batch": 0, "size": 3}),
        ("gradients", 0),
        ("batch_end", 0, {"batch": 0, "size": 3, "loss": 3.0, "acc": 0.5}),
        ("batch_begin", 1, {"batch": 1, "size": 1}),
        ("gradients", 1),
        ("batch_end", 1, {"batch": 1, "size": 1, "loss": 1.0, "acc": 0.5}),
        ("test_begin", {}),
        ("test_batch_begin", 0, {"batch": 0, "size": 2}),
        ("test_batch_end", 0, {"batch": 0, "size": 2, "loss": 4.0}),
        ("test_end", {"loss": 4.0}),
        ("epoch_end", 0, {"loss": 2.5, "acc": 0.5, "val_loss": 4.0}),
        ("train_end", {"loss": 2.5, "acc": 0.5, "val_loss": 4.0}),
    ]


def test_prediction_has_hooks_of_its_own() -> None:
    heard: list[Any] = []

    class Listener(Callback):
        def on_predict_begin(self, logs: Any) -> None:
            heard.append(("begin", logs))

        def on_predict_batch_begin(self, batch: int, logs: Any) -> None:
            heard.append(("batch_begin", batch, logs))

        def on_predict_batch_end(self, batch: int, logs: Any) -> None:
            heard.append(("batch_end", batch, logs, self.run.current.outputs))

        def on_predict_end(self, logs: Any) -> None:
            heard.append(("end", logs))

        def on_train_begin(self, logs: Any) -> None:
            heard.append("training")

        def on_teardown(self) -> None:
            heard.append("teardown")

    run = new_run(Listener())
    with run.opened():
        for inputs in run.predict([torch.ones(2, 1)]):
            run.record(outputs=inputs.sum().item())
    assert heard == [
        ("begin", {}),
        ("batch_begin", 0, {"batch": 0, "size": 2}),
        ("batch_end", 0, {"batch": 0, "size": 2}, 2.0),
        ("end", {}),
        "teardown",
    ]


# --- stopping -------------------------------------------------------------------------------------------------------


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


# --- break ----------------------------------------------------------------------------------------------------------


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


# --- values ---------------------------------------------------------------------------------------------------------


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


# --- logs of epochs -------------------------------------------------------------------------------------------------


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


# --- what a run says ------------------------------------------------------------------------------------------------


def test_params_are_what_the_loop_told() -> None:
    arguments: dict[str, Any] = {"batch_size": 8, "steps": 2, "samples": 16, "verbose": 2}
    run = new_run(epochs=3, metrics=["loss", "acc"], validation=True, **arguments)
    assert run.params == {
        **arguments,
        "epochs": 3,
        "do_validation": True,
        "metrics": ["loss", "acc", "val_loss", "val_acc"],
    }
    assert new_run(metrics=["loss"]).params["metrics"] == ["loss"]


def test_what_conjure_was_told_is_there_as_plain_data() -> None:
    from cthulhu.models import Lump

    model = Lump(nn.Linear(2, 1))
    assert Run(model).conjured is None
    model.conjure("sgd", "mse", metrics=["acc"], accumulate=2)
    options = {"jit_compile": False, "autocast": None, "accumulate": 2, "clipnorm": None, "clipvalue": None}
    options["strategy"] = None
    assert Run(model).conjured == {
        "optimizer": {"name": "sgd"}, "loss": {"name": "mse"}, "metrics": {"list": [{"name": "acc"}]},
        "loss_weights": None, "options": {"plain": options},
    }  # fmt: skip
    assert Run(nn.Linear(2, 1)).conjured is None


def test_callback_has_params_model_and_run_when_training_begins(train: Callable[..., Run]) -> None:
    seen: list[Any] = []

    class Looks(Callback):
        def on_train_begin(self, logs: Any) -> None:
            seen.append((self.params, self.model, self.run))

    run = train(Looks(), verbose=2)
    ((params, model, seen_run),) = seen
    assert params is run.params
    assert params["verbose"] == 2
    assert model is run.model
    assert seen_run is run


def test_position() -> None:
    run = new_run(epochs=2)
    assert run.position() == ""
    with run:
        for epoch in run.epochs():
            assert run.position() == f", epoch {epoch}"
            for batch in run.batches([0, 1]):
                assert run.position() == f", epoch {epoch}, batch {batch}"


def test_explain_prints_each_participant_where_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    class Early(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None: ...

        def on_teardown(self) -> None: ...

    class Late(Early): ...

    new_run([Early(), [Late()]]).explain()
    lines = capsys.readouterr().out.splitlines()
    here = f"(module {__name__})"
    at = lines.index("    run.epoch_end(epoch, logs)")
    assert [line.partition(" (cthulhu-core")[0] for line in lines[at + 1 : at + 6]] == [
        "        - BaseLogger",
        f"        - Early {here}: callbacks[0]",
        f"        - Late {here}: callbacks[1]",
        "        - History",
        "    run.save_point()",
    ]
    at = lines.index("always, last: run.teardown()")
    assert lines[at + 1 : at + 4] == [
        f"    - Late {here}: callbacks[1]",
        f"    - Early {here}: callbacks[0]",
        "and when a model predicts:",
    ]


# --- mistakes in a loop -----------------------------------------------------------------------------------------------


def test_loop_outside_of_a_with_statement() -> None:
    with pytest.raises(RuntimeError, match=r"training has not begun: put the loop into `with Run\(...\) as run:`"):
        next(new_run().epochs())


def test_record_before_a_batch_has_begun() -> None:
    with pytest.raises(RuntimeError, match="no batch has begun: iterate over run.batches"):
        new_run().record(loss=1.0)


def test_record_after_the_batch_has_ended() -> None:
    with new_run() as run:
        for _ in run.epochs():
            for loss in run.batches([1.0]):
                run.record(loss=loss)
            with pytest.raises(RuntimeError, match="this batch has ended"):
                run.record(val_loss=1.0)


# --- sizes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "size"),
    [
        ((torch.zeros(5, 2), torch.zeros(5)), 5),
        ([torch.zeros(5, 2), torch.zeros(5)], 5),
        (torch.zeros(4, 2), 4),
        ({"ids": torch.zeros(3, 7), "mask": torch.zeros(3, 7)}, 3),
        (([torch.zeros(6, 1), torch.zeros(6, 2)], torch.zeros(6)), 6),
        (({"a": (torch.zeros(7, 1),)}, torch.zeros(7)), 7),
        (torch.tensor(1.0), 1),
        (3, 1),
    ],
)
def test_size_is_the_length_of_the_first_input(item: Any, size: int) -> None:
    assert Batch(0, item).size == size


def test_size_that_the_loop_knows() -> None:
    assert Batch(0, [1, 2], size=64).size == 64


def test_length_of_a_validation_is_known_where_its_data_knows_it(no_plugins: None) -> None:
    run = Run(SimpleNamespace())  # type: ignore[arg-type]
    lengths = []
    with run:
        for _ in run.epochs():
            for data in ([1.0, 2.0], (loss for loss in [1.0])):
                for loss in run.test(data):
                    run.record(loss=loss)
                    lengths.append((run.test_steps, run.averages()))
    # The batch that is worked on is part of the averages once it has ended.
    assert lengths == [(2, {}), (2, {"loss": 1.0}), (None, {})]
