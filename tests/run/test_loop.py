"""Run in handwritten loops: hooks, their order and arguments, and what a loop may do."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from cthulhu_core import Batch, Callback, Run
from loops import Recorder, new_run

pytestmark = pytest.mark.usefixtures("no_plugins")


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
