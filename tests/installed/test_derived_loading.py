"""A format that implements ``cthulhu_load_checkpoint`` loads models and weights without further hooks."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile, load_model
from cthulhu_core import CheckpointError
from foreign import install

FORMAT = """
    from pathlib import PurePath

    from cthulhu_core import Checkpoint, hookimpl

    saved = {}

    @hookimpl
    def cthulhu_saved_suffixes():
        return (".acme",)

    @hookimpl
    def cthulhu_save_model(run, model, filepath, weights_only):
        if PurePath(filepath).suffix != ".acme":
            return None
        saved[str(filepath)] = Checkpoint.of(model, run, weights_only).copied()
        return True

    @hookimpl
    def cthulhu_load_checkpoint(filepath):
        return saved.get(str(filepath))
"""


@pytest.fixture
def acme(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that saves ``.acme`` and offers no other way to load than checkpoints."""
    monkeypatch.setenv("CTHULHU_DISABLE", ",".join(point.name for point in entry_points(group="cthulhu.plugins")))
    install(site, "acme-format", modules={"acme": FORMAT}, plugins={"acme": "acme"})


def trained() -> Pile:
    torch.manual_seed(0)
    model = Pile([Daoloth(3, input_dim=4, activation="relu"), Daoloth(2)])
    model.conjure("adam", "mse")
    model.summon(np.ones((8, 4), "float32"), np.zeros((8, 2), "float32"), verbose=0)
    return model


def test_model_is_built_from_the_checkpoint(acme: None) -> None:
    model = trained()
    model.save("model.acme")
    loaded = load_model("model.acme")
    assert isinstance(loaded, Pile)
    assert [weight.tolist() for weight in loaded.get_weights()] == [weight.tolist() for weight in model.get_weights()]
    assert loaded.optimizer.state_dict()["state"][0]["step"] == model.optimizer.state_dict()["state"][0]["step"]


def test_weights_are_loaded_from_the_checkpoint(acme: None) -> None:
    model = trained()
    model.save_weights("weights.acme")
    other = Pile([Daoloth(3, input_dim=4, activation="relu"), Daoloth(2)])
    other.load_weights("weights.acme")
    assert [weight.tolist() for weight in other.get_weights()] == [weight.tolist() for weight in model.get_weights()]


def test_model_larger_than_its_weights_is_refused_before_it_takes_memory(acme: None) -> None:
    trained().save("model.acme")
    checkpoint = sys.modules["acme"].saved["model.acme"]
    checkpoint.state["model"]["architecture"]["children"][0][1]["arguments"]["units"] = 10**12
    with pytest.raises(CheckpointError, match="asks for more bytes of weights than there can be") as caught:
        load_model("model.acme")
    assert str(caught.value).startswith("model.acme: ")


def test_suffix_that_nobody_loads_is_an_error(acme: None) -> None:
    for load in (load_model, Lump(torch.nn.Linear(1, 1)).load_weights):
        with pytest.raises(ImportError, match=r"no installed package loads \.zip files"):
            load("model.zip")
