"""What models, and the loading of checkpoints, find when this package is installed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile, load_model
from cthulhu_core import CheckpointError
from cthulhu_core.installed.model_files import load_checkpoint


@pytest.fixture
def model() -> Pile:
    pile = Pile([TheHydra(9, 4, input_length=3), torch.nn.Flatten(), Daoloth(5, activation="relu"), Azatoth("softmax")])
    pile.conjure("adam", "categorical_crossentropy", ["acc"])
    x, y = np.arange(9).reshape(3, 3), np.eye(5)[:3]
    pile.summon(x, y, epochs=2, verbose=0)
    return pile


def same(left: Lump, right: Lump) -> bool:
    pairs = zip(left.get_weights(), right.get_weights(), strict=True)
    return all(one.tobytes() == other.tobytes() for one, other in pairs)


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.H5", "weights.01-0.50.HDF5"])
def test_model_comes_back_as_it_was(model, name, tmp_path):
    model.save(tmp_path / name)
    back = load_model(tmp_path / name)
    assert isinstance(back, Pile)
    assert same(back, model)
    np.testing.assert_array_equal(back.predict(np.ones((1, 3))), model.predict(np.ones((1, 3))))
    assert type(back.optimizer) is type(model.optimizer)


def test_model_that_came_back_trains_as_the_one_that_was_saved(model, tmp_path):
    model.save(tmp_path / "m.h5")
    back = load_model(tmp_path / "m.h5")
    x, y = np.arange(9).reshape(3, 3), np.eye(5)[:3]
    for each in (model, back):
        each.summon(x, y, epochs=3, verbose=0, shuffle=False)
    assert same(back, model)


def test_weights_alone_come_back(model, tmp_path):
    model.save_weights(tmp_path / "w.h5")
    before = model.get_weights()
    model.set_weights([np.zeros_like(each) for each in before])
    model.load_weights(tmp_path / "w.h5")
    assert all((one == other).all() for one, other in zip(model.get_weights(), before, strict=True))
    assert load_checkpoint(tmp_path / "w.h5").state is None
    with pytest.raises(CheckpointError, match="w.h5"):
        load_model(tmp_path / "w.h5")


def test_any_module_comes_back_by_its_names(tmp_path):
    def make() -> Lump:
        return Lump(
            torch.nn.Sequential(
                torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.LSTM(2, 3).to(torch.bfloat16)
            )
        )

    saved, loaded = make(), make()
    saved.save_weights(tmp_path / "w.h5")
    loaded.load_weights(tmp_path / "w.h5")
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
        assert loaded.state_dict()[name].dtype == tensor.dtype


def test_weights_of_another_architecture_are_refused_with_path_and_all_differences(model, tmp_path):
    Pile([Daoloth(2, input_dim=3), Daoloth(4)]).save_weights(tmp_path / "w.h5")
    before = model.get_weights()
    with pytest.raises(CheckpointError) as error:
        model.load_weights(tmp_path / "w.h5")
    assert error.value.filepath == str(tmp_path / "w.h5")
    assert "thehydra_1/embeddings: (9, 4) here, not in the checkpoint" in str(error.value)
    assert "daoloth_2/kernel: not here, (2, 4) in the checkpoint" in str(error.value)
    assert all((one == other).all() for one, other in zip(model.get_weights(), before, strict=True))


def test_other_suffixes_are_left_to_others(model, tmp_path):
    for name in ("m.pt", "m", "h5"):
        with pytest.raises(ImportError, match=r"no installed package saves"):
            model.save(tmp_path / name)
    with pytest.raises((ImportError, CheckpointError)):
        load_model(tmp_path / "m.pt")


def test_model_without_sizes_is_refused_with_the_path(tmp_path):
    with pytest.raises(CheckpointError, match="no size yet") as error:
        Pile([Daoloth(3)]).save(tmp_path / "m.h5")
    assert error.value.filepath == str(tmp_path / "m.h5")


def test_services_import_nothing_heavy_before_there_is_a_file():
    code = (
        "import cthulhu_checkpoint.plugin as plugin, sys; "
        "assert plugin.cthulhu_load_checkpoint('model.pt') is None; "
        "print(sorted({'torch', 'numpy', 'h5py'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
