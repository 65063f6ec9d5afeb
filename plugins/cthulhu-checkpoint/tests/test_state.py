"""What LumpCheckpoint remembers when a training is resumed."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from cthulhu.callbacks import LumpCheckpoint
from cthulhu_core import Callback, Run


class Values(Callback):
    """Logs val_loss from a list; ends training by an exception where the list ends."""

    def __init__(self, values):
        self.values = values

    def on_epoch_begin(self, epoch, logs):
        if epoch == len(self.values):
            raise InterruptedError

    def on_epoch_end(self, epoch, logs):
        logs["val_loss"] = self.values[epoch]


def summon(model, data, values, checkpoints, epochs=6, **arguments):
    model.summon(*data, epochs=epochs, verbose=0, callbacks=[Values(values), *checkpoints], **arguments)


def test_state_is_plain_data(folder, train):
    checkpoint = LumpCheckpoint("w.{epoch}-{val_loss}.h5", period=2, keep=2)
    train(checkpoint, [0.5, 0.25, 0.75])
    state = checkpoint.state_dict()
    assert state == {
        "monitor": {"monitor": "val_loss", "best": 0.25, "direction": "min"},
        "epochs_since_last_save": 1,
        "files": [["w.2-0.25.h5", 0.25]],
    }
    assert json.loads(json.dumps(state)) == state


def test_resumed_training_keeps_the_best_and_the_files(folder, model, data, capsys):
    with pytest.raises(InterruptedError):
        summon(model, data, [0.5, 0.25, 0.75], [LumpCheckpoint("{epoch}.h5", keep=2, period=1)])
    resumed = LumpCheckpoint("{epoch}.h5", keep=2, verbose=1)
    summon(model, data, [0.5, 0.25, 0.75, 0.75, 0.75, 0.75], [resumed], resume_from="3.h5")
    assert resumed.best == 0.25
    assert sorted(path.name for path in folder.iterdir()) == ["2.h5", "5.h5", "6.h5"]


def test_best_file_survives_the_resumption_from_the_file_of_another_callback(folder, model, data, capsys):
    def checkpoints():
        return [LumpCheckpoint("all/{epoch}.h5"), LumpCheckpoint("best.h5", save_best_only=True, verbose=1)]

    with pytest.raises(InterruptedError):
        summon(model, data, [0.5, 0.25], checkpoints())
    best = (folder / "best.h5").read_bytes()
    capsys.readouterr()
    # This file was written before that of the best, whose callback has its turn later.
    summon(model, data, [0.5, 0.25, 0.375], checkpoints(), epochs=3, resume_from="all/2.h5")
    assert capsys.readouterr().out == "Epoch 00003: val_loss did not improve from 0.25000\n"
    assert (folder / "best.h5").read_bytes() == best


def test_folder_may_have_moved(folder, tmp_path, model, data, monkeypatch):
    with pytest.raises(InterruptedError):
        summon(model, data, [0.5, 0.25], [LumpCheckpoint("run/{epoch}.h5", keep=1)])
    moved = tmp_path / "moved"
    (folder / "run").rename(moved)
    checkpoint = LumpCheckpoint(moved / "{epoch}.h5", keep=1)
    summon(model, data, [0.5, 0.25, 0.125], [checkpoint], epochs=3, resume_from=moved / "2.h5")
    assert [path.name for path in moved.iterdir()] == ["3.h5"]


def loaded(state, keep=1):
    checkpoint = LumpCheckpoint("run/w.{epoch}.h5", keep=keep)
    run = Run(SimpleNamespace(), callbacks=checkpoint)
    run.train_begin()
    checkpoint.load_state_dict(state)
    return checkpoint.state_dict()["files"]


@pytest.mark.parametrize(
    "name", ["../w.1.h5", "/etc/passwd", "v.1.h5", "w.1.hdf5", "w.1.h5.txt", "w.1.h5\n", "w.../../x.h5", "a/w.1.h5", ""]
)
def test_files_that_it_cannot_have_written_are_forgotten_and_so_never_removed(folder, name):
    state = LumpCheckpoint("w.h5").state_dict() | {"files": [[name, 0.5], ["w.1.h5", None]]}
    assert loaded(state) == [["w.1.h5", None]]
    assert loaded(state, keep=None) == []


def test_state_of_another_quantity_is_refused():
    with pytest.raises(ValueError, match="the state is that of 'loss', but 'val_loss' is monitored"):
        LumpCheckpoint("w.h5").load_state_dict(LumpCheckpoint("w.h5", "loss").state_dict())
