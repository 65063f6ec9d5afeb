"""The curves: which there are, their values and their steps."""

from __future__ import annotations

import math
import re
import warnings

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

from cthulhu.callbacks import Callback, TensorBoard
from cthulhu_core import Run, set_learning_rate

BATCHES = 4
"""Batches of an epoch."""


def events(path):
    return list(LegacyEventFileLoader(str(path)).Load())


def float32(values):
    return [float(np.float32(value)) for value in values]


def test_each_value_of_an_epoch_is_a_curve_that_training_and_validation_share(
    train, model, data, log_dir, tags, points
):
    history = train(model, TensorBoard(log_dir), epochs=3, validation_data=data)
    assert tags("scalars") == {
        ("train", "epoch_loss"), ("train", "epoch_acc"), ("train", "epoch_lr"),
        ("validation", "epoch_loss"), ("validation", "epoch_acc"),
    }  # fmt: skip
    for name in ("loss", "acc"):
        assert points("train", f"epoch_{name}") == list(enumerate(float32(history[name])))
        assert points("validation", f"epoch_{name}") == list(enumerate(float32(history[f"val_{name}"])))


def test_without_validation_there_is_no_folder_for_it(train, model, log_dir):
    train(model, TensorBoard(log_dir))
    assert [path.name for path in log_dir.iterdir()] == ["train"]


def test_epochs_without_validation_have_no_point(train, model, data, log_dir, points):
    history = train(model, TensorBoard(log_dir), epochs=4, validation_data=data, validation_freq=2)
    assert points("validation", "epoch_loss") == list(zip([1, 3], float32(history["val_loss"]), strict=True))
    assert [step for step, _ in points("train", "epoch_loss")] == [0, 1, 2, 3]


def test_initial_epoch_is_the_first_step(train, model, log_dir, points):
    train(model, TensorBoard(log_dir), initial_epoch=3, epochs=5)
    assert [step for step, _ in points("train", "epoch_loss")] == [3, 4]


class Halve(Callback):
    """Halves the rate at the beginning of each epoch, and again at its end."""

    def on_epoch_begin(self, epoch, logs):
        set_learning_rate(self.run.optimizer, 2.0 ** -(2 * epoch + 1))

    def on_epoch_end(self, epoch, logs):
        set_learning_rate(self.run.optimizer, 2.0 ** -(2 * epoch + 2))


@pytest.mark.parametrize("first", [False, True])
def test_rate_is_that_which_the_epoch_used(train, model, log_dir, points, first):
    tensorboard = TensorBoard(log_dir)
    train(model, [tensorboard, Halve()] if first else [Halve(), tensorboard], epochs=3)
    assert points("train", "epoch_lr") == [(0, 0.5), (1, 0.125), (2, 0.03125)]


def test_rate_that_a_callback_logs_is_taken(train, model, log_dir, points, calls):
    log = calls(on_epoch_end=lambda epoch, logs: logs.update(lr=epoch + 0.5))
    train(model, [log, TensorBoard(log_dir)])
    assert points("train", "epoch_lr") == [(0, 0.5), (1, 1.5)]


def test_loop_of_ones_own_without_optimizer_has_no_rate(log_dir, tags, points):
    with Run(torch.nn.Linear(1, 1), epochs=2, callbacks=[TensorBoard(log_dir, write_graph=False)]) as run:
        for _ in run.epochs():
            for value in run.batches([0.5, 1.0]):
                run.record(loss=value)
    assert tags("scalars") == {("train", "epoch_loss")}
    assert points("train", "epoch_loss") == [(0, 0.75), (1, 0.75)]


# --- batches ------------------------------------------------------------------------------------------------------


class Batches(Callback):
    """Keeps the values of each batch."""

    def __init__(self):
        self.losses = []

    def on_batch_end(self, batch, logs):
        self.losses.append(logs["loss"])


def test_values_of_each_batch_are_at_the_global_step(train, model, data, log_dir, tags, points):
    batches = Batches()
    train(model, [batches, TensorBoard(log_dir, update_freq="batch")], validation_data=data)
    assert tags("scalars") == {
        ("train", "epoch_loss"), ("train", "epoch_acc"), ("train", "epoch_lr"),
        ("train", "batch_loss"), ("train", "batch_acc"),
        ("validation", "epoch_loss"), ("validation", "epoch_acc"),
    }  # fmt: skip
    assert points("train", "batch_loss") == list(enumerate(float32(batches.losses), 1))
    assert len(batches.losses) == 2 * BATCHES


@pytest.mark.parametrize(
    ("samples", "steps"),
    [
        (1, [1, 2, 3, 4, 5, 6, 7, 8]),
        (16, [1, 2, 3, 4, 5, 6, 7, 8]),
        (40, [3, 5, 8]),
        (np.int64(64), [4, 8]),
        (1000, []),
    ],
)
def test_number_counts_samples(train, model, log_dir, read, samples, steps):
    batches = Batches()
    train(model, [batches, TensorBoard(log_dir, update_freq=samples)])
    found = read("train")
    if not steps:
        assert "batch_loss" not in found.Tags()["scalars"]
        return
    assert [event.step for event in found.Scalars("batch_loss")] == steps
    assert [event.value for event in found.Scalars("batch_loss")] == float32(batches.losses[step - 1] for step in steps)


class Reads:
    """A value that counts how often it is read."""

    def __init__(self):
        self.count = 0

    def compute(self):
        self.count += 1
        return 1.0


@pytest.mark.parametrize(("update_freq", "reads"), [("epoch", 0), (4, 2), ("batch", 8)])
def test_values_are_read_only_when_they_are_due(log_dir, update_freq, reads):
    value = Reads()
    tensorboard = TensorBoard(log_dir, update_freq=update_freq, write_graph=False)
    with Run(torch.nn.Linear(1, 1), callbacks=tensorboard) as run:
        for _ in run.epochs():
            for _ in run.batches([torch.zeros(1, 1)] * 8):
                run.record(loss=value)
            assert value.count == reads


def hooks_of_batches(run, capsys):
    """Where the TensorBoard of ``run`` is called within an epoch."""
    run.explain()
    found, hook = set(), ""
    for line in capsys.readouterr().out.splitlines():
        called = re.search(r"run\.(\w+)\(", line)
        hook = called[1] if called else hook
        if "TensorBoard" in line:
            found.add(hook)
    return found & {"batch_begin", "gradients", "batch_end", "save_point"}


@pytest.mark.parametrize("write_graph", [False, True])
def test_epochs_alone_have_no_hook_of_a_batch_once_the_graph_is_written(log_dir, capsys, write_graph):
    tensorboard = TensorBoard(log_dir, write_graph=write_graph)
    for number in range(2):
        with Run(torch.nn.Linear(1, 1), callbacks=tensorboard) as run:
            assert hooks_of_batches(run, capsys) == ({"batch_begin"} if write_graph else set())
            for _ in run.epochs():
                for _ in run.batches([torch.zeros(1, 1)] * 2):
                    assert hooks_of_batches(run, capsys) == set()
    graphs = [event.HasField("graph_def") for path in log_dir.rglob("*tfevents*") for event in events(path)]
    assert graphs.count(True) == write_graph


@pytest.mark.parametrize(("update_freq", "hooks"), [("epoch", set()), ("batch", {"batch_end"}), (8, {"batch_end"})])
def test_batches_have_a_hook_where_their_values_are_wanted(log_dir, capsys, update_freq, hooks):
    tensorboard = TensorBoard(log_dir, update_freq=update_freq, write_graph=False)
    assert hooks_of_batches(Run(torch.nn.Linear(1, 1), callbacks=tensorboard), capsys) == hooks


# --- steps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("initial_epoch", [0, 2])
def test_steps_go_on_over_several_runs_with_one_object(train, model, log_dir, points, initial_epoch):
    tensorboard, batches = TensorBoard(log_dir, update_freq="batch"), Batches()
    first = train(model, [batches, tensorboard])
    second = train(model, [batches, tensorboard], initial_epoch=initial_epoch, epochs=initial_epoch + 2)
    assert points("train", "epoch_loss") == list(enumerate(float32([*first["loss"], *second["loss"]])))
    assert points("train", "batch_loss") == list(enumerate(float32(batches.losses), 1))


def test_steps_go_on_after_an_interrupted_run(train, model, log_dir, points, calls):
    def interrupt(batch, logs):
        if model.history.epoch == [0] and batch == 2:
            raise KeyboardInterrupt

    tensorboard = TensorBoard(log_dir, update_freq="batch")
    with pytest.raises(KeyboardInterrupt):
        train(model, [tensorboard, calls(on_batch_end=interrupt)])
    train(model, tensorboard, epochs=1)
    assert [step for step, _ in points("train", "epoch_loss")] == [0, 1]
    assert [step for step, _ in points("train", "batch_loss")] == list(range(1, 4 + 3 + 4 + 1))


def test_batches_of_a_run_that_begins_later_are_counted_from_there(train, model, log_dir, points):
    train(model, TensorBoard(log_dir, update_freq="batch"), initial_epoch=2, epochs=3)
    assert [step for step, _ in points("train", "batch_loss")] == [9, 10, 11, 12]


def test_epochs_that_another_process_wrote_too_much_are_hidden(train, model, data, log_dir, points):
    train(model, TensorBoard(log_dir), epochs=4, validation_data=data)
    history = train(model, TensorBoard(log_dir), initial_epoch=2, epochs=4, validation_data=data)
    for folder, name in (("train", "loss"), ("validation", "val_loss")):
        assert [step for step, _ in points(folder, "epoch_loss")] == [0, 1, 2, 3]
        assert points(folder, "epoch_loss")[2:] == list(zip([2, 3], float32(history[name]), strict=True))


@pytest.mark.parametrize("update_freq", ["epoch", "batch"])
def test_training_begun_anew_is_shown_alone(train, model, data, log_dir, points, update_freq):
    train(model, TensorBoard(log_dir, update_freq=update_freq), epochs=4, validation_data=data)
    history = train(model, TensorBoard(log_dir, update_freq=update_freq), validation_data=data)
    assert points("train", "epoch_loss") == list(enumerate(float32(history["loss"])))
    assert points("validation", "epoch_loss") == list(enumerate(float32(history["val_loss"])))
    if update_freq == "batch":
        assert [step for step, _ in points("train", "batch_loss")] == list(range(1, 9))


# --- values -------------------------------------------------------------------------------------------------------


class Logged(Callback):
    """Adds to the logs of each epoch."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs):
        logs.update(self.epochs[epoch])


def logged(log_dir, *epochs):
    """A training whose epochs log this."""
    callbacks = [Logged(epochs), TensorBoard(log_dir, write_graph=False)]
    with Run(torch.nn.Linear(1, 1), epochs=len(epochs), callbacks=callbacks) as run:
        for _ in run.epochs():
            pass


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (3, 3.0), (True, 1.0), (np.float64(0.5), 0.5), (np.ones((1, 1)), 1.0), (torch.tensor(0.25), 0.25),
        (torch.tensor([0.25], requires_grad=True), 0.25), (math.inf, math.inf), (-math.inf, -math.inf),
        (1e300, math.inf),
    ],
)  # fmt: skip
def test_whatever_is_one_number_is_shown(log_dir, points, value, shown):
    logged(log_dir, {"value": value})
    assert points("train", "epoch_value") == [(0, shown)]


def test_nan_is_a_value(log_dir, points):
    logged(log_dir, {"loss": math.nan, "val_loss": math.nan}, {"loss": 0.5})
    (_, first), second = points("train", "epoch_loss")
    assert (math.isnan(first), second) == (True, (1, 0.5))
    assert [step for step, _ in points("validation", "epoch_loss")] == [0]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.ones(2), r"ndarray of shape \[2\]"), (torch.ones(1, 2), r"Tensor of shape \[1, 2\]"), ("high", "str"),
        (None, "NoneType"), ([0.5], "list"), (1j, "complex"), (10**400, "int"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_left_out_with_one_warning(log_dir, tags, value, kind):
    with pytest.warns(UserWarning, match=rf"leaves out value \({kind}\): expected a single number") as said:
        logged(log_dir, {"loss": 1.0, "value": value}, {"loss": 0.5, "value": value})
    assert len(said) == 1
    assert tags("scalars") == {("train", "epoch_loss")}


def test_names_may_be_of_any_letters(log_dir, tags, points):
    logged(log_dir, {"größe/µ 损失": 0.5, "val_größe/µ 损失": 0.25})
    assert tags("scalars") == {("train", "epoch_größe/µ 损失"), ("validation", "epoch_größe/µ 损失")}
    assert points("validation", "epoch_größe/µ 损失") == [(0, 0.25)]


def test_names_may_differ_from_epoch_to_epoch(log_dir, points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logged(log_dir, {"a": 1.0}, {"a": 2.0, "b": 3.0}, {"b": 4.0})
    assert points("train", "epoch_a") == [(0, 1.0), (1, 2.0)]
    assert points("train", "epoch_b") == [(1, 3.0), (2, 4.0)]
