"""Files of cthulhu in Keras, and files of Keras here, equal to the last bit. Runs in the nox session ``keras``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Pile, load_model

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of Keras
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="KERAS_BACKEND is not torch"),
]

Models = tuple[Pile, Any, np.ndarray]


def dense() -> Models:
    pile = Pile([Daoloth(16, input_dim=8, activation="relu"), Azatoth("tanh"), Daoloth(3, use_bias=False)])
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(16, activation="relu"),
            layers.Activation("tanh"),
            layers.Dense(3, use_bias=False),
        ]
    )
    return pile, model, np.random.default_rng(0).normal(size=(5, 8)).astype("f4")


def embedding() -> Models:
    pile = Pile([TheHydra(50, 7, input_length=4), torch.nn.Flatten(), Daoloth(2), Azatoth("softmax")])
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((4,)), layers.Embedding(50, 7), layers.Flatten(), layers.Dense(2), layers.Activation("softmax")]
    )
    return pile, model, np.random.default_rng(0).integers(0, 50, (5, 4))


def same(ours: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return [(each.shape, each.dtype, each.tobytes()) for each in ours] == [
        (each.shape, each.dtype, each.tobytes()) for each in theirs
    ]


@pytest.fixture(params=[dense, embedding])
def models(request: pytest.FixtureRequest) -> Models:
    make: Callable[[], Models] = request.param
    pile, model, x = make()
    assert not same(pile.get_weights(), model.get_weights())
    return pile, model, x


@pytest.mark.parametrize("name", ["w.h5", "w.hdf5"])
def test_weights_saved_here_load_in_keras(models, name, tmp_path):
    pile, model, x = models
    pile.save_weights(tmp_path / name)
    model.load_weights(str(tmp_path / name))
    assert same(pile.get_weights(), model.get_weights())
    np.testing.assert_allclose(pile.predict(x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_full_model_saved_here_gives_keras_its_weights(models, tmp_path):
    pile, model, _ = models
    pile.save(tmp_path / "m.h5")
    model.load_weights(str(tmp_path / "m.h5"))
    assert same(pile.get_weights(), model.get_weights())


def test_weights_saved_here_load_in_keras_by_name(models, tmp_path):
    pile, model, _ = models
    pile.save_weights(tmp_path / "w.h5")
    clone = keras.models.clone_model(model)
    for layer, (name, _) in zip(clone.layers, pile.named_children(), strict=True):
        layer.name = name
    clone.load_weights(str(tmp_path / "w.h5"), by_name=True)
    assert same(pile.get_weights(), clone.get_weights())


def test_model_saved_by_keras_loads_here(models, tmp_path):
    pile, model, x = models
    model.save(str(tmp_path / "m.h5"))
    pile.load_weights(tmp_path / "m.h5")
    assert same(pile.get_weights(), model.get_weights())
    np.testing.assert_allclose(pile.predict(x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_weights_in_the_layout_of_keras_2_load_here(models, tmp_path: Path):
    pile, model, _ = models
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    with h5py.File(tmp_path / "w.h5", "w") as file:
        save_weights_to_hdf5_group(file, model)
    pile.load_weights(tmp_path / "w.h5")
    assert same(pile.get_weights(), model.get_weights())


def test_there_and_back_is_the_same(models, tmp_path):
    pile, model, _ = models
    before = pile.get_weights()
    pile.save_weights(tmp_path / "w.h5")
    model.load_weights(str(tmp_path / "w.h5"))
    model.save(str(tmp_path / "m.h5"))
    pile.set_weights([np.zeros_like(each) for each in before])
    pile.load_weights(tmp_path / "m.h5")
    assert same(pile.get_weights(), before)


def test_weights_file_of_keras_3_says_what_to_do(models, tmp_path):
    pile, model, _ = models
    model.save_weights(str(tmp_path / "w.weights.h5"))
    before = pile.get_weights()
    with pytest.raises(Exception, match=r"weights\.h5 file of Keras 3.*model\.save\('model\.h5'\)"):
        pile.load_weights(tmp_path / "w.weights.h5")
    assert same(pile.get_weights(), before)


def test_model_of_keras_is_not_built_here_and_says_what_to_do(models, tmp_path):
    _, model, _ = models
    model.save(str(tmp_path / "m.h5"))
    with pytest.raises(Exception, match="load_weights"):
        load_model(tmp_path / "m.h5")
