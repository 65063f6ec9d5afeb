"""All callbacks of the repository in one run: their order, what they tell each other, and who may stop training."""

import csv
import math

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cthulhu.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    LuKthuCallback,
    LumpCheckpoint,
    ProgbarLogger,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from cthulhu.layers import Daoloth
from cthulhu.models import Pile, load_model
from cthulhu_core import planned_names

BATCHES = 4


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 3)).astype("float32")
    return x, x @ np.array([[1.0], [-2.0], [0.5]], dtype="float32")


@pytest.fixture
def model() -> Pile:
    torch.manual_seed(0)
    model = Pile([Daoloth(1, input_dim=3)])
    model.conjure("sgd", "mse")
    return model


def train(model, data, callbacks, **arguments):
    defaults = {"batch_size": 16, "epochs": 4, "verbose": 0, "validation_data": data, "shuffle": False}
    return model.summon(*data, callbacks=callbacks, **{**defaults, **arguments})


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def everything(path, **early):
    return [
        LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1)),
        ReduceLROnPlateau(patience=100),
        EarlyStopping(**early),
        TerminateOnNaN(),
        LuKthuCallback(on_epoch_end=lambda epoch, logs: logs.update(seen=float(epoch))),
        LumpCheckpoint(path.with_name("w.{epoch}-{seen:.0f}-{lr:.3f}.h5"), keep=1, save_every=1, background=True),
        TensorBoard(path.with_suffix(""), histogram_freq=1, update_freq="batch"),
        CSVLogger(path),
    ]


def test_all_but_those_that_call_the_users_functions_say_what_they_log(model, data, tmp_path):
    planned = []

    class Look(Callback):
        logged = ()

        def on_train_begin(self, logs):
            planned.append(planned_names(self.run))

    callbacks = [each for each in everything(tmp_path / "log.csv") if not isinstance(each, LuKthuCallback)]
    callbacks[-3] = LumpCheckpoint(tmp_path / "w.h5")
    train(model, data, [*callbacks, Look()], verbose=2)
    train(model, data, [*everything(tmp_path / "log.csv"), Look()])
    assert planned == [["loss", "val_loss", "lr"], None]


def test_everybody_takes_part_in_the_order_of_the_list(model, data, tmp_path, capsys):
    order = []

    class Watch(Callback):
        def on_train_begin(self, logs):
            order.extend(type(each).__name__ for each in self.run.callbacks)

    train(model, data, [*everything(tmp_path / "log.csv"), Watch()], verbose=2)
    assert order == [
        "BaseLogger", "ProgbarLogger", "LearningRateScheduler", "ReduceLROnPlateau", "EarlyStopping",
        "TerminateOnNaN", "LuKthuCallback", "LumpCheckpoint", "TensorBoard", "CSVLogger", "Watch", "History",
    ]  # fmt: skip
    assert "seen 3.0000" in capsys.readouterr().out


def test_the_csv_log_has_what_earlier_callbacks_added(model, data, tmp_path):
    history = train(model, data, everything(tmp_path / "log.csv", patience=100))
    written = rows(tmp_path / "log.csv")
    assert list(written[0]) == ["epoch", "loss", "lr", "seen", "val_loss"]
    assert [float(row["lr"]) for row in written] == pytest.approx([0.1, 0.05, 0.1 / 3, 0.025])
    assert [float(row["val_loss"]) for row in written] == history.history["val_loss"]
    assert [float(row["seen"]) for row in written] == [0, 1, 2, 3]


def points(folder, tag):
    return [(event.step, event.value) for event in EventAccumulator(str(folder)).Reload().Scalars(tag)]


def test_tensorboard_has_what_earlier_callbacks_added(model, data, tmp_path):
    history = train(model, data, everything(tmp_path / "log.csv", patience=100))
    for tag, values in (("lr", [0.1, 0.05, 0.1 / 3, 0.025]), ("seen", [0, 1, 2, 3]), ("loss", history.history["loss"])):
        assert points(tmp_path / "log" / "train", f"epoch_{tag}") == [
            (step, pytest.approx(value)) for step, value in enumerate(values)
        ]
    assert [step for step, _ in points(tmp_path / "log" / "train", "batch_loss")] == list(range(1, 4 * BATCHES + 1))
    assert [value for _, value in points(tmp_path / "log" / "validation", "epoch_loss")] == pytest.approx(
        history.history["val_loss"]
    )


def test_the_name_of_a_checkpoint_has_what_earlier_callbacks_added(model, data, tmp_path):
    train(model, data, everything(tmp_path / "log.csv", patience=100))
    files = sorted(path.name for path in tmp_path.glob("*.h5"))
    assert files == ["w.4-3-0.025.h5", "w.latest.h5"]
    for name in files:
        again = load_model(tmp_path / name)
        np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_all_of_them_go_on_where_they_were(model, data, tmp_path):
    def fail(batch, logs):
        if len(model.history.epoch) == 2 and batch == 2:
            raise RuntimeError("disk on fire")

    arguments = {"batch_size": 16, "epochs": 4, "verbose": 0, "validation_data": data}
    torch.manual_seed(1)
    whole = model.summon(*data, callbacks=everything(tmp_path / "whole" / "log.csv", patience=100), **arguments)
    weights = model.get_weights()
    for resume_from in (None, tmp_path / "resumed"):
        torch.manual_seed(0)
        model = Pile([Daoloth(1, input_dim=3)])
        model.conjure("sgd", "mse")
        torch.manual_seed(1)
        callbacks = everything(tmp_path / "resumed" / "log.csv", patience=100)
        # The same callbacks take part in both: a missing one would be a warning.
        breaker = LuKthuCallback(on_batch_end=fail if resume_from is None else lambda batch, logs: None)
        try:
            model.summon(*data, callbacks=[*callbacks, breaker], resume_from=resume_from, **arguments)
        except RuntimeError:
            assert resume_from is None
    assert model.history.history == whole.history
    for mine, other in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    for folder, tag in (("train", "epoch_loss"), ("train", "batch_loss"), ("validation", "epoch_loss")):
        assert points(tmp_path / "resumed" / "log" / folder, tag) == points(tmp_path / "whole" / "log" / folder, tag)
    assert sorted(path.name for path in (tmp_path / "resumed").iterdir()) == [
        "log",
        "log.csv",
        "w.4-3-0.025.h5",
        "w.latest.h5",
    ]
    assert (tmp_path / "resumed" / "log.csv").read_text() == (tmp_path / "whole" / "log.csv").read_text()


def test_a_callback_before_the_one_that_adds_does_not_see_it(model, data, tmp_path):
    train(model, data, [CSVLogger(tmp_path / "log.csv"), LearningRateScheduler(lambda epoch: 0.1)])
    assert list(rows(tmp_path / "log.csv")[0]) == ["epoch", "loss", "val_loss"]


def stop_by_nan(model):
    def poison(batch, logs):
        if batch == 1:
            with torch.no_grad():
                next(model.parameters()).fill_(math.nan)

    return [LuKthuCallback(on_batch_begin=poison), TerminateOnNaN()]


def stop_in_last_batch(model):
    def ask(batch, logs):
        if batch == BATCHES - 1:
            model.stop_training = True

    return [LuKthuCallback(on_batch_end=ask)]


@pytest.mark.parametrize(
    ("stoppers", "batches"),
    [
        (lambda model: [EarlyStopping(baseline=-1.0)], BATCHES),
        (stop_by_nan, 2),
        (stop_in_last_batch, BATCHES),
        (lambda model: [LuKthuCallback(on_epoch_begin=lambda *_: setattr(model, "stop_training", True))], 1),
    ],
    ids=["early stopping", "nan", "last batch", "epoch begin"],
)
def test_any_of_them_stops_training_for_all(model, data, tmp_path, stoppers, batches):
    seen = []
    counter = LuKthuCallback(on_batch_end=lambda batch, logs: seen.append(batch))
    history = train(model, data, [counter, *stoppers(model), CSVLogger(tmp_path / "log.csv")])
    assert seen == list(range(batches))
    assert history.epoch == [0]
    assert len(rows(tmp_path / "log.csv")) == 1


@pytest.mark.parametrize(("frequency", "validated"), [(2, [1, 3, 5]), ([1, 4], [0, 3])])
def test_epochs_without_validation_count_for_nobody(model, data, tmp_path, frequency, validated):
    early, reduce = EarlyStopping(patience=2, baseline=-1.0), ReduceLROnPlateau(patience=1, factor=0.5, min_delta=1e9)
    history = train(model, data, [early, reduce, CSVLogger(tmp_path / "log.csv")], epochs=6, validation_freq=frequency)
    # Two validated epochs without improvement stop training, however many epochs lie between them.
    assert history.epoch == list(range(validated[1] + 1))
    assert history.epochs_of("val_loss") == validated[:2]
    column = [row["val_loss"] for row in rows(tmp_path / "log.csv")]
    assert [epoch for epoch, cell in enumerate(column) if cell != "NA"] == validated[:2]
    assert column.count("NA") == len(column) - 2


def test_an_exception_in_an_epoch_leaves_whole_books(model, data, tmp_path, capsys):
    def fail(batch, logs):
        if model.history.epoch == [0] and batch == 2:
            raise RuntimeError("disk on fire")

    early = EarlyStopping(restore_best_weights=True)
    callbacks = [early, LuKthuCallback(on_batch_end=fail), CSVLogger(tmp_path / "log.csv"), ProgbarLogger()]
    best = []
    callbacks.append(LuKthuCallback(on_epoch_end=lambda epoch, logs: best.append(model.get_weights())))
    with pytest.raises(RuntimeError, match="disk on fire") as caught:
        train(model, data, callbacks, verbose=2)
    assert "LuKthuCallback (cthulhu-lukthu" in caught.value.__notes__[0]
    assert "epoch 1, batch 2" in caught.value.__notes__[0]
    assert model.history.epoch == [0]
    assert len(rows(tmp_path / "log.csv")) == 1
    for now, then in zip(model.get_weights(), best[0], strict=True):
        np.testing.assert_array_equal(now, then)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Epoch 1/4")
    assert second.startswith("Epoch 2/4  32/64")


def test_one_object_can_take_part_in_two_runs(model, data, tmp_path):
    callbacks = everything(tmp_path / "log.csv", patience=1)
    first = train(model, data, callbacks).history
    torch.manual_seed(0)
    again = Pile([Daoloth(1, input_dim=3)])
    again.conjure("sgd", "mse")
    second = train(again, data, callbacks).history
    assert second == first
    assert len(rows(tmp_path / "log.csv")) == len(first["loss"])


def test_evaluate_in_a_callback_disturbs_nobody(model, data, tmp_path):
    plain = train(model, data, everything(tmp_path / "a.csv", patience=100)).history
    torch.manual_seed(0)
    other = Pile([Daoloth(1, input_dim=3)])
    other.conjure("sgd", "mse")
    nosy = LuKthuCallback(on_batch_end=lambda batch, logs: other.evaluate(*data, verbose=0))
    assert train(other, data, [nosy, *everything(tmp_path / "b.csv", patience=100)]).history == plain
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
