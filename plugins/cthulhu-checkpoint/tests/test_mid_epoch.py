"""States in the middle of epochs have a file of their own, from which training can be resumed."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_checkpoint.filenames import Filenames
from cthulhu_core import Callback


class Look(Callback):
    """Notes what the latest file holds after each save point of a batch."""

    def __init__(self, path, counts_in):
        self.path, self.counts_in, self.seen = path, counts_in, []

    def on_save_point(self):
        if self.run.batch is not None:
            self.seen.append(self.counts_in(self.path) if self.path.exists() else None)


def test_every_so_many_batches_of_the_run_are_saved(folder, train, counts_in):
    look = Look(folder / "w.latest.h5", counts_in)
    train(LumpCheckpoint("w.h5", save_every=3), [0.5, 0.25], after=[look], batches=4)
    assert look.seen == [None, None, (1, 3), (1, 3), (1, 3), (2, 2), (2, 2), (2, 2)]


def test_time_since_the_last_save_decides(folder, train, counts_in, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("cthulhu_checkpoint.interval.monotonic", lambda: clock.now)

    class Tick(Callback):
        def on_batch_end(self, batch, logs):
            clock.now += 1.0

    look = Look(folder / "w.latest.h5", counts_in)
    # Batches end at 1, 2, 3, 4 and 5, 6, 7, 8; the end of the epoch is saved at 4.
    train([Tick(), LumpCheckpoint("w.h5", save_every=timedelta(seconds=3))], [0.5, 0.25], after=[look], batches=4)
    assert look.seen == [None, None, (1, 3), (1, 3), (1, 3), (1, 3), (2, 3), (2, 3)]


def test_the_best_file_and_those_that_keep_counts_are_left_alone(folder, train, files_in):
    train(LumpCheckpoint("w.{epoch}.h5", save_best_only=True, keep=1, save_every=1), [0.5, 0.75], batches=3)
    assert files_in(folder) == {"w.1.h5": 1, "w.latest.h5": 2}


def test_nothing_is_printed_of_it(folder, train, capsys):
    train(LumpCheckpoint("w.{epoch}.h5", verbose=1, save_every=1), [0.5], batches=3)
    assert capsys.readouterr().out == "Epoch 00001: saving model to w.1.h5\n"


@pytest.mark.parametrize(
    ("filepath", "latest"),
    [
        ("w.h5", "w.latest.h5"),
        ("run/w.v2.hdf5", "run/w.v2.latest.hdf5"),
        ("w.{epoch:02d}-{val_loss:.2f}.hdf5", "w.latest.hdf5"),
        ("run/{epoch}.h5", "run/latest.h5"),
        ("run/epoch_{epoch}/w.h5", "run/epoch.latest.h5"),
        ("{epoch}/w.h5", "latest.h5"),
        ("{{w}}-{epoch}.h5", "{w}.latest.h5"),
    ],
)
def test_name_is_what_stands_before_the_placeholders(filepath, latest):
    assert Filenames(filepath).latest == latest


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("resume_from", [".", "w.latest.h5"])
def test_training_goes_on_from_there_with_the_same_bits(folder, data, resume_from, background):
    def summon(epochs, *callbacks, **arguments):
        torch.manual_seed(0)
        model = Pile([Daoloth(4, input_dim=3), torch.nn.Dropout(0.5), Daoloth(1)])
        model.conjure("adam", "mse")
        checkpoint = LumpCheckpoint("w.{epoch}.h5", save_best_only=True, keep=1, save_every=1, background=background)
        with contextlib.suppress(InterruptedError):
            model.summon(
                *data, batch_size=16, epochs=epochs, verbose=0, validation_split=0.25,
                callbacks=[checkpoint, *callbacks], **arguments,
            )  # fmt: skip
        return checkpoint.state_dict(), model.history.history, model.get_weights()

    class Break(Callback):
        def on_batch_begin(self, batch, logs):
            if self.run.epoch == 2 and batch == 2:
                raise InterruptedError

    whole = summon(4)
    for path in folder.iterdir():
        path.unlink()
    summon(4, Break())
    torch.manual_seed(99)
    with pytest.warns(UserWarning, match="Break"):
        state, history, weights = summon(4, resume_from=resume_from)
    assert (state, history) == whole[:2]
    for mine, other in zip(weights, whole[2], strict=True):
        np.testing.assert_array_equal(mine, other)
