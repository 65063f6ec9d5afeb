"""The example of the documentation, as it is printed there but for the path."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Pile, load_model

EXAMPLE = """
from cthulhu.callbacks import LumpCheckpoint

model = Pile()
model.add(Daoloth(10, input_dim=784, kernel_initializer='uniform'))
model.add(Azatoth('softmax'))
model.conjure(loss='categorical_crossentropy', optimizer='rmsprop')

'''
saves the model weights after each epoch if the validation loss decreased
'''
checkpointer = LumpCheckpoint(filepath='/tmp/weights.hdf5', verbose=1, save_best_only=True)
model.summon(x_train, y_train, batch_size=128, epochs=20, verbose=0, validation_data=(X_test, Y_test), callbacks=[checkpointer])
"""  # noqa: E501 - as it is printed


@pytest.fixture
def digits():
    """Ten patterns of 784 pixels under so much noise that they are soon learnt by heart, and one-hot rows."""
    generator = np.random.default_rng(0)
    patterns = generator.normal(scale=0.1, size=(10, 784)).astype("float32")

    def draw(count):
        labels = generator.integers(0, 10, count)
        noise = generator.normal(scale=6, size=(count, 784)).astype("float32")
        return patterns[labels] + noise, np.eye(10, dtype="float32")[labels]

    return draw(256), draw(128)


def test_example_runs_as_printed(tmp_path, digits, capsys):
    (x_train, y_train), (x_test, y_test) = digits
    names = {"x_train": x_train, "y_train": y_train, "X_test": x_test, "Y_test": y_test}
    names |= {"Pile": Pile, "Daoloth": Daoloth, "Azatoth": Azatoth}
    path = tmp_path / "weights.hdf5"
    torch.manual_seed(0)
    exec(EXAMPLE.replace("/tmp/weights.hdf5", str(path)), names)
    losses, best = names["model"].history.history["val_loss"], float("inf")
    printed = []
    for epoch, loss in enumerate(losses, 1):
        change = f"did not improve from {best:.5f}"
        if loss < best:
            change, best = f"improved from {best:.5f} to {loss:.5f}, saving model to {path}", loss
        printed.append(f"Epoch {epoch:05d}: val_loss {change}")
    assert capsys.readouterr().out.splitlines() == printed
    assert len(printed) == 20
    assert 0 < sum("did not improve" in line for line in printed) < 20
    assert load_model(path).evaluate(x_test, y_test, verbose=0) == pytest.approx(best)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.hdf5"]
