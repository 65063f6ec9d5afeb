"""Checkpoints of earlier commits load, and training resumed from them ends with the bits of an undisturbed run.

``python test_older_checkpoints.py`` wrote the files in ``older_checkpoints`` before the modules of cthulhu_core were
rearranged. Do not write them again: they stand for the files that users already have. Add files for a later format.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile, load_model
from cthulhu_core import Callback

FOLDER = Path(__file__).parent / "older_checkpoints"
EPOCHS = 4


class Training(NamedTuple):
    """A training of four epochs, and where the checkpoint of a shorter one is.

    Attributes:
        file: the name of the checkpoint in ``older_checkpoints``.
        filepath: the argument of LumpCheckpoint that makes it.
        position: epochs that the checkpoint has finished, and batches of the next one.
        save_every: batches between saves in the middle of epochs.
    """

    file: str
    filepath: str
    position: tuple[int, int]
    save_every: int | None = None

    def model(self) -> Lump:
        """A new model, ready to train."""
        torch.manual_seed(0)
        if self.save_every is None:
            model: Lump = Pile([Daoloth(8, input_dim=4, activation="relu"), Daoloth(1), Azatoth("sigmoid")])
            model.conjure("adam", "binary_crossentropy", metrics=["acc"])
            return model
        layers = (torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.25))
        model = Lump(torch.nn.Sequential(*layers, torch.nn.Linear(8, 1), torch.nn.Sigmoid()))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        model.conjure(optimizer, "binary_crossentropy", metrics=["acc"], accumulate=2)
        return model

    def summon(self, epochs: int, filepath: Path, others: Sequence[Any] = (), **arguments: Any) -> Lump:
        """Train a new model, with checkpoints at ``filepath`` and with ``others`` among its callbacks."""
        generator = np.random.default_rng(0)
        x = generator.normal(size=(64, 4)).astype("float32")
        y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
        model = self.model()
        checkpoint = LumpCheckpoint(filepath, save_every=self.save_every)
        callbacks = [checkpoint, *others]
        model.summon(
            x, y, batch_size=8, epochs=epochs, verbose=0, validation_split=0.25, callbacks=callbacks, **arguments
        )
        return model


TRAININGS = (
    Training("epoch.h5", "epoch.h5", (2, 0)),
    # Six batches an epoch: the ninth batch of the run is the third of its second epoch, in the middle of a step of two.
    Training("middle.latest.h5", "middle.{epoch}.h5", (1, 3), save_every=9),
    Training("folder.dcp", "folder.dcp", (2, 0)),
)

# PyTorch reads and writes the parts of .dcp folders from 2.9 on.
needs_parts = pytest.mark.skipif(
    tuple(map(int, torch.__version__.split(".")[:2])) < (2, 9), reason="parts of .dcp need PyTorch 2.9"
)
each_training = pytest.mark.parametrize(
    "training",
    [
        pytest.param(training, id=training.file, marks=[needs_parts] if training.file.endswith(".dcp") else [])
        for training in TRAININGS
    ],
)


class WeightsAt(Callback):
    """Keeps the weights as they are at a position: after so many epochs and batches of the next one."""

    def __init__(self, position):
        self.position, self.weights = position, None

    def on_batch_end(self, batch, logs):
        if (self.run.epoch, batch + 1) == self.position:
            self.weights = self.model.get_weights()

    def on_epoch_end(self, epoch, logs):
        if (epoch + 1, 0) == self.position:
            self.weights = self.model.get_weights()


def same(mine, others):
    return all(np.array_equal(a, b) for a, b in zip(mine, others, strict=True))


@each_training
def test_weights_are_those_of_the_training_that_wrote_them(training, tmp_path):
    model = training.model()
    model.load_weights(FOLDER / training.file)
    at = WeightsAt(training.position)
    training.summon(EPOCHS, tmp_path / training.filepath, others=[at])
    # Other processors may round the last bits otherwise than the one that wrote the file.
    for mine, other in zip(model.get_weights(), at.weights, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:the resumed run differs")  # in the versions of packages
@each_training
def test_training_goes_on_from_it_as_if_it_had_not_been_interrupted(training, tmp_path):
    at = WeightsAt(training.position)
    undisturbed = training.summon(EPOCHS, tmp_path / "a" / training.filepath, others=[at])
    source = tmp_path / training.file
    (shutil.copytree if source.suffix == ".dcp" else shutil.copy)(FOLDER / training.file, source)
    resumed = training.summon(EPOCHS, tmp_path / "b" / training.filepath, resume_from=source)
    saved = training.model()
    saved.load_weights(source)
    assert resumed.history.epoch == [0, 1, 2, 3]
    if same(saved.get_weights(), at.weights):
        # The processor rounds as the one that wrote the file: every later bit must be the same, too.
        assert resumed.history.history == undisturbed.history.history
        assert same(resumed.get_weights(), undisturbed.get_weights())
    else:
        for name, values in undisturbed.history.history.items():
            assert resumed.history.history[name] == pytest.approx(values, rel=1e-3)
        for mine, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", ["epoch.h5", pytest.param("folder.dcp", marks=needs_parts)])
def test_load_model_builds_it_from_the_file_alone(name):
    training = next(each for each in TRAININGS if each.file == name)
    expected = training.model()
    expected.load_weights(FOLDER / name)
    model = load_model(FOLDER / name)
    x = np.linspace(-1, 1, 32, dtype="float32").reshape(8, 4)
    np.testing.assert_array_equal(model.predict(x), expected.predict(x))
    y = (x.sum(axis=1, keepdims=True) > 0).astype("float32")
    model.summon(x, y, epochs=1, verbose=0)  # it was saved with its optimizer, loss and metrics
    assert sorted(model.history.history) == ["acc", "loss"]


if __name__ == "__main__":
    for training in TRAININGS:
        training.summon(2, FOLDER / training.filepath)
    for path in FOLDER.glob("middle.[0-9].h5"):
        path.unlink()
