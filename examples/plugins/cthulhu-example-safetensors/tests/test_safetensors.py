"""Files keep weights, models, and trainings that end with the same bits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile, load_model
from cthulhu_core import Callback, CheckpointError, check_format

README = Path(__file__).parents[1] / "README.md"
X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()


class Kill(Exception):
    """Ends a training as a kill would: nothing later is saved."""


class SaveAndDie(Callback):
    """Saves after the batch number ``step`` and ends training there. With None, it does nothing."""

    def __init__(self, step, filepath):
        self.step, self.filepath = step, filepath

    def on_save_point(self):
        if self.run.step == self.step:
            self.run.save(self.filepath)
            raise Kill


class Drift(Callback):
    """Changes the rate at each batch, from a state of its own."""

    def on_train_begin(self, logs):
        self.seen = torch.zeros(())

    def on_batch_end(self, batch, logs):
        self.seen += logs["loss"]
        self.model.optimizer.param_groups[0]["lr"] *= 0.99 + 0.01 * float(self.seen % 1)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"].clone()


def conjured(seed=0):
    torch.manual_seed(seed)
    model = Lump(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)))
    model.conjure("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def trained(callbacks, **arguments):
    model = conjured()
    history = model.summon(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=callbacks, **arguments)
    return model.state_dict(), history.history


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("step", [2, 4, 9], ids=["in an epoch", "between epochs", "in the last epoch"])
def test_training_that_was_ended_and_resumed_has_the_same_bits(path, step):
    weights, history = trained([Drift()])
    with pytest.raises(Kill):
        trained([Drift(), SaveAndDie(step, path)])
    torch.manual_seed(99)  # Another process has other random numbers.
    resumed_weights, resumed_history = trained([Drift(), SaveAndDie(None, path)], resume_from=path)
    assert resumed_history == history
    assert {name: torch.equal(weight, weights[name]) for name, weight in resumed_weights.items()} == dict.fromkeys(
        weights, True
    )


def test_newest_file_of_a_folder_is_resumed(tmp_path):
    for step in (2, 5):
        with pytest.raises(Kill):
            trained([Drift(), SaveAndDie(step, tmp_path / f"{step}.safetensors")])
    weights, _ = trained([Drift()])
    resumed, _ = trained([Drift(), SaveAndDie(None, tmp_path)], resume_from=tmp_path)
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)


def test_model_is_rebuilt_with_its_weights_and_goes_on_as_the_saved_one(path):
    model = Pile([Daoloth(3, input_dim=6, activation="relu"), Daoloth(2, activation="softmax")])
    model.conjure("adam", "sparse_categorical_crossentropy")
    model.summon(X, Y, epochs=1, shuffle=False, verbose=0)
    model.save(path)
    loaded = load_model(path)
    for each in (model, loaded):
        each.summon(X, Y, epochs=1, shuffle=False, verbose=0)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_weights_are_loaded_into_a_model_of_the_same_shape_and_no_other(path):
    model = conjured(seed=1)
    model.save_weights(path)
    other = conjured(seed=2)
    other.load_weights(path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(CheckpointError, match=re.escape(str(path))):
        Pile([Daoloth(7, input_dim=6)]).load_weights(path)


def test_other_programs_find_the_weights_by_their_names(path):
    model = Pile([Daoloth(2, input_dim=6)])
    model.save_weights(path)
    found = load_file(path)
    # As in Keras, a kernel has shape (in, units).
    assert {name: tuple(tensor.shape) for name, tensor in found.items()} == {
        "daoloth_1.kernel": (6, 2),
        "daoloth_1.bias": (2,),
    }
    assert torch.equal(found["daoloth_1.kernel"], model.layers[0].weight.detach().t())


def test_weights_that_are_one_tensor_are_saved(path):
    encoder, decoder = nn.Linear(4, 4), nn.Linear(4, 4)
    decoder.weight = encoder.weight
    model = Lump(nn.Sequential(encoder, decoder))
    model.save_weights(path)
    expected = encoder.weight.detach().clone()
    nn.init.zeros_(encoder.weight)
    model.load_weights(path)
    assert torch.equal(decoder.weight, expected)


def test_suffix_is_known_before_training():
    check_format("run/w.safetensors")
    with pytest.raises(ImportError, match=r"expected a name that ends in .*\.safetensors"):
        check_format("run/w.pt")


def test_damaged_file_is_refused_and_the_model_is_as_it_was(path):
    model = conjured()
    model.save_weights(path)
    path.write_bytes(path.read_bytes()[:-8])
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with pytest.raises(CheckpointError, match="damaged, or not of this kind"):
        model.load_weights(path)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_file_of_another_program_is_refused_with_the_way_to_read_it(path):
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"not saved by cthulhu.*load_file"):
        conjured().load_weights(path)


def test_file_that_is_not_there_is_named(path):
    with pytest.raises(CheckpointError, match=rf"{re.escape(str(path))}: there is no such file"):
        load_model(path)


def test_what_cannot_be_stored_is_an_error_and_the_old_file_stays(path):
    conjured().save_weights(path)
    before = path.read_bytes()
    model = Lump(nn.Linear(2, 2, dtype=torch.complex128))
    with pytest.raises(CheckpointError, match="cannot be stored as safetensors"):
        model.save_weights(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "nowhere" / "model.safetensors"
    with pytest.raises(FileNotFoundError) as error:
        conjured().save_weights(path)
    assert error.value.filename == str(path)


def test_example_runs_as_it_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["True", "torch.Size([4, 1])"]
