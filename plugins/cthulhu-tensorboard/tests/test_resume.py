"""A resumed run goes on where its checkpoint stands: no point is there twice, and none is missing."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from cthulhu.callbacks import Callback, TensorBoard
from cthulhu_core import Run

BATCHES = 4
CURVES = [("train", "epoch_loss"), ("validation", "epoch_loss"), ("train", "epoch_lr"), ("train", "batch_loss")]


class Take(Callback):
    """Keeps a state at each save point."""

    def __init__(self, tensorboard):
        self.tensorboard = tensorboard
        self.states = {}

    def on_save_point(self):
        batch = None if self.run.batch is None else self.run.batch.index
        self.states[self.run.epoch, batch] = self.run.step, copy.deepcopy(self.tensorboard.state_dict())


def loss(run):
    return run.step / 8


def train(tensorboard, epochs, resume_from=None, first=0, more=()):
    """Epochs of four batches with a validation; ``resume_from``: the step, and a state of ``tensorboard``."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    callbacks = [tensorboard, *more]
    done = 0
    run = Run(model, optimizer, epochs, callbacks, initial_epoch=first, metrics=["loss"], validation=True)
    run.resumed = resume_from is not None
    with run:
        if resume_from is not None:
            step, state = resume_from
            tensorboard.load_state_dict(state)
            done = step - first * BATCHES
            run.go_on(step, done, {})
        for epoch in run.epochs():
            for _ in run.batches([torch.zeros(1, 1)] * (BATCHES - (done if epoch == first else 0))):
                run.record(loss=loss(run))
            for _ in run.test([torch.zeros(1, 1)]):
                run.record(loss=float(epoch))


def curves(points):
    return {(folder, tag): points(folder, tag) for folder, tag in CURVES}


@pytest.mark.parametrize("killed_at", [(1, None), (1, 2), (2, 0), (0, None)])
def test_what_was_written_after_the_checkpoint_is_written_again(log_dir, points, killed_at):
    tensorboard = TensorBoard(log_dir, update_freq="batch", write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 4, more=[take])
    expected = curves(points)
    assert [step for step, _ in expected["train", "batch_loss"]] == list(range(1, 17))
    epoch, batch = killed_at
    train(
        TensorBoard(log_dir, update_freq="batch", write_graph=False), 4, take.states[killed_at],
        first=epoch + 1 if batch is None else epoch,
    )  # fmt: skip
    found = curves(points)
    if batch is not None:  # this test's loop knows the rest of the epoch alone
        for curve in expected, found:
            curve["train", "epoch_loss"] = [point for point in curve["train", "epoch_loss"] if point[0] != epoch]
    assert found == expected


def test_number_of_samples_is_counted_on(log_dir, points):
    tensorboard = TensorBoard(log_dir, update_freq=3, write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 3, more=[take])
    expected = points("train", "batch_loss")
    assert [step for step, _ in expected] == [3, 6, 9, 12]
    train(TensorBoard(log_dir, update_freq=3, write_graph=False), 3, take.states[0, None], first=1)
    assert points("train", "batch_loss") == expected


def test_resumed_twice_from_one_checkpoint(log_dir, points):
    tensorboard = TensorBoard(log_dir, update_freq="batch", write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 4, more=[take])
    expected = curves(points)
    for _ in range(2):
        again = TensorBoard(log_dir, update_freq="batch", write_graph=False)
        train(again, 4, take.states[0, None], first=1)
        assert curves(points) == expected
    # The files of the first of the two are gone.
    assert len(list((log_dir / "train").iterdir())) == 2


def test_same_object_can_go_on_from_a_state_of_its_own(log_dir, points):
    tensorboard = TensorBoard(log_dir, update_freq="batch", write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 4, more=[take])
    expected = curves(points)
    train(tensorboard, 4, take.states[1, None], first=2)
    assert curves(points) == expected


def test_files_of_other_trainings_in_the_folder_stay_as_they_are(log_dir):
    tensorboard = TensorBoard(log_dir, write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 2, more=[take])
    mine = set(log_dir.rglob("*tfevents*"))
    train(TensorBoard(log_dir, write_graph=False), 2)
    theirs = {path: path.read_bytes() for path in set(log_dir.rglob("*tfevents*")) - mine}
    train(TensorBoard(log_dir, write_graph=False), 2, take.states[0, None], first=1)
    assert {path: path.read_bytes() for path in theirs} == theirs


def test_what_was_told_is_there_once(log_dir, read):
    tensorboard = TensorBoard(log_dir, write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 2, more=[take])
    train(TensorBoard(log_dir, write_graph=False), 2, take.states[0, None], first=1)
    assert [event.step for event in read("train").Tensors("summon/text_summary")] == [0]


def test_missing_files_are_said(tmp_path, log_dir):
    tensorboard = TensorBoard(log_dir, write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 2, more=[take])
    elsewhere = TensorBoard(tmp_path / "elsewhere", write_graph=False)
    with pytest.warns(UserWarning, match="existed when the checkpoint was saved are missing: train/ev"):
        train(elsewhere, 2, take.states[0, None], first=1)
    assert len(list(Path(tmp_path / "elsewhere" / "train").iterdir())) == 1


def test_process_that_does_not_write_takes_a_state(log_dir):
    tensorboard = TensorBoard(log_dir, write_graph=False)
    take = Take(tensorboard)
    train(tensorboard, 1, more=[take])
    TensorBoard(log_dir).load_state_dict(take.states[0, None][1])
