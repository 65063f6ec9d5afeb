"""The files are those of Keras 2.3, read here with plain h5py; ours and Keras' names become the same."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Pile
from cthulhu_checkpoint import writer
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint, CheckpointError


def attribute(found: h5py.Group | h5py.File, name: str) -> list[str]:
    return [each.decode() for each in found.attrs[name]]


@pytest.fixture
def model() -> Pile:
    return Pile([TheHydra(7, 3), Daoloth(4), Azatoth("relu"), Daoloth(2, use_bias=False)])


def test_weights_lie_where_keras_has_them(model, tmp_path):
    writer.save(Checkpoint.of(model, weights_only=True), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert attribute(file, "layer_names") == ["thehydra_1", "daoloth_1", "azatoth_1", "daoloth_2"]
        assert (file.attrs["backend"], file.attrs["keras_version"]) == (b"pytorch", b"2.3.1")
        assert attribute(file["daoloth_1"], "weight_names") == ["daoloth_1/kernel:0", "daoloth_1/bias:0"]
        assert attribute(file["azatoth_1"], "weight_names") == []
        kernel, bias = (file["daoloth_1"][name] for name in attribute(file["daoloth_1"], "weight_names"))
        np.testing.assert_array_equal(kernel, model.layers[1].weight.detach().numpy().T)
        np.testing.assert_array_equal(bias, model.layers[1].bias.detach().numpy())
        np.testing.assert_array_equal(
            file["thehydra_1/thehydra_1/embeddings:0"], model.layers[0].weight.detach().numpy()
        )
        assert set(file) == {"thehydra_1", "daoloth_1", "azatoth_1", "daoloth_2"}


def test_full_model_has_its_weights_in_model_weights(model, tmp_path):
    writer.save(Checkpoint.of(model), tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert set(file) == {"cthulhu", "model_weights"}
        assert attribute(file["model_weights"], "layer_names") == ["thehydra_1", "daoloth_1", "azatoth_1", "daoloth_2"]
        assert file["model_weights/daoloth_2/daoloth_2/kernel:0"].shape == (4, 2)


def test_long_lists_of_names_are_split_as_keras_splits_them(tmp_path):
    weights = {f"layer_{n:05}": {} for n in range(12_000)}
    writer.save(Checkpoint(weights, {}), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs
        parts = [attribute(file, f"layer_names{n}") for n in range(3)]
        assert [name for part in parts for name in part] == list(weights)
        assert max(file.attrs[f"layer_names{n}"].nbytes for n in range(3)) <= 64512
    assert list(load(tmp_path / "w.h5").weights) == list(weights)


def keras_file(path: Path, layers: dict[str, dict[str, np.ndarray]], strings: bool = False) -> None:
    """A file as Keras writes it; ``strings`` as Keras 3 does, with names of variable length."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "x" * 10_000
        group = file.create_group("model_weights") if strings else file
        group.attrs["layer_names"] = list(layers) if strings else np.array([name.encode() for name in layers])
        for layer, weights in layers.items():
            below = group.create_group(layer)
            below.attrs["weight_names"] = list(weights) if strings else np.array([name.encode() for name in weights])
            for name, value in weights.items():
                below.create_dataset(name, data=value)


@pytest.mark.parametrize("strings", [False, True])
@pytest.mark.parametrize("pattern", ["{}/{}:0", "sequential/{}/{}", "model/{}/{}:0", "{}/{}"])
def test_names_of_keras_become_those_of_a_pile(pattern, strings, tmp_path):
    kernel, bias = np.arange(6, dtype="f4").reshape(3, 2), np.arange(2, dtype="f4")
    dense = {pattern.format("dense", "kernel"): kernel, pattern.format("dense", "bias"): bias}
    keras_file(tmp_path / "k.h5", {"input": {}, "dense": dense}, strings)
    weights = load(tmp_path / "k.h5").weights
    assert {layer: list(named) for layer, named in weights.items()} == {"input": [], "dense": ["kernel", "bias"]}
    np.testing.assert_array_equal(weights["dense"]["kernel"].numpy(), kernel)
    model = Pile([Daoloth(2, input_dim=3)])
    Checkpoint(weights, {}).load_into(model)
    np.testing.assert_array_equal(model.get_weights()[0], kernel)
    np.testing.assert_array_equal(model.get_weights()[1], bias)


def test_layer_that_is_a_model_keeps_the_paths_of_its_weights(tmp_path):
    one = np.ones(1, "f4")
    keras_file(tmp_path / "k.h5", {"inner": {"dense_1/kernel:0": one, "dense_2/kernel:0": 2 * one}})
    weights = load(tmp_path / "k.h5").weights
    assert {name: float(each) for name, each in weights["inner"].items()} == {"dense_1/kernel": 1, "dense_2/kernel": 2}


@pytest.mark.parametrize("code", [">f4", ">i8", ">c16", ">u2"])
def test_numbers_of_other_machines_are_turned_round(code, tmp_path):
    keras_file(tmp_path / "k.h5", {"dense": {"kernel": np.arange(5).astype(code)}})
    np.testing.assert_array_equal(load(tmp_path / "k.h5").weights["dense"]["kernel"].numpy(), np.arange(5))


def test_file_of_names_without_weights_says_what_to_do(tmp_path):
    with h5py.File(tmp_path / "k.weights.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", data=np.ones(2))
        file.create_group("vars")
    with pytest.raises(CheckpointError, match=r"weights\.h5 file of Keras 3.*model\.save\('model\.h5'\)"):
        load(tmp_path / "k.weights.h5")


def test_hdf5_of_another_kind_is_refused(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("data", data=np.ones(2))
    with pytest.raises(CheckpointError, match="no weights in the layout of Keras: it has no layer_names"):
        load(tmp_path / "d.h5")


def test_bool_with_other_bytes_than_zero_and_one_is_true(tmp_path):
    keras_file(tmp_path / "k.h5", {"dense": {"mask": np.array([True, False, True])}})
    raw = (tmp_path / "k.h5").read_bytes()
    (tmp_path / "k.h5").write_bytes(raw[:-3] + b"\x07\x00\x01" if raw.endswith(b"\1\0\1") else raw)
    assert load(tmp_path / "k.h5").weights["dense"]["mask"].tolist() == [True, False, True]
    assert load(tmp_path / "k.h5").weights["dense"]["mask"].dtype == torch.bool
