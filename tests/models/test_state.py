"""A checkpoint becomes a model again: layers, weights, what conjure was told, the optimizer and its state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Checkpoint, CheckpointError
from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.models.model_state import ModelWarning

X = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
Y = (X.sum(1) > 0).astype("float32")


def own_loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (output.squeeze(1) - target).abs().mean()


def pile(optimizer: Any = "adam", loss: Any = "binary_crossentropy") -> Pile:
    model = Pile([Daoloth(4, activation="relu"), nn.BatchNorm1d(4), nn.Dropout(0.3), Daoloth(1), Azatoth("sigmoid")])
    model.conjure(optimizer, loss, metrics=["acc"])
    model.summon(X, Y, epochs=2, verbose=0)
    return model


def through_a_file(checkpoint: Checkpoint) -> Checkpoint:
    """What a file would give back."""
    copied = checkpoint.copied()
    state = None if copied.state is None else unpack(*pack(copied.state))
    return Checkpoint(copied.weights, copied.extra, state)


@pytest.fixture(autouse=True)
def _no_plugins(no_plugins: None) -> None: ...


@pytest.mark.parametrize("optimizer", ["adam", "sgd", lambda w: torch.optim.AdamW(w, lr=0.02, amsgrad=True)])
def test_model_that_comes_back_trains_on_as_the_one_that_was_saved(optimizer: Any) -> None:
    first = pile(optimizer)
    second = through_a_file(Checkpoint.of(first)).build()
    assert isinstance(second, Pile)
    assert second.metrics_names == ["loss", "acc"]
    assert second.evaluate(X, Y, verbose=0) == first.evaluate(X, Y, verbose=0)
    histories = []
    for model in (first, second):
        torch.manual_seed(3)
        histories.append(model.summon(X, Y, epochs=2, verbose=0).history)
    assert histories[0] == histories[1]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_groups_of_the_optimizer_come_back_with_their_rates() -> None:
    model = pile()
    *others, last = model.parameters()
    groups = [{"params": others}, {"params": [last], "lr": 0.5}]
    model.conjure(torch.optim.SGD(groups, lr=0.1, momentum=0.9), "mse")
    model.summon(X, Y, verbose=0)
    built: Any = through_a_file(Checkpoint.of(model)).build()
    assert [(group["lr"], len(group["params"])) for group in built.optimizer.param_groups] == [(0.1, 5), (0.5, 1)]
    momentum = model.optimizer.state[last]["momentum_buffer"]
    assert torch.equal(built.optimizer.state[list(built.parameters())[-1]]["momentum_buffer"], momentum)


def test_dtypes_and_frozen_weights_come_back() -> None:
    model = Pile([Daoloth(4, input_dim=6), Daoloth(1)]).to(torch.bfloat16)
    model.layers[0].requires_grad_(False)
    built = through_a_file(Checkpoint.of(model)).build()
    assert [(weight.dtype, weight.requires_grad) for weight in built.parameters()] == [
        (torch.bfloat16, False), (torch.bfloat16, False), (torch.bfloat16, True), (torch.bfloat16, True),
    ]  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), built.parameters(), strict=True))


def test_model_that_was_not_conjured_comes_back_so() -> None:
    built: Any = through_a_file(Checkpoint.of(Pile([Daoloth(1, input_dim=6)]))).build()
    with pytest.raises(RuntimeError, match=r"summon\(\): call model\.conjure"):
        built.summon(X, Y)


def test_own_loss_comes_from_custom_objects() -> None:
    model = pile(loss=own_loss)
    built: Any = through_a_file(Checkpoint.of(model)).build({"own_loss": own_loss})
    assert built.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_model_whose_loss_nobody_knows_predicts_and_says_what_is_missing() -> None:
    model = pile(loss=own_loss)
    checkpoint = through_a_file(Checkpoint.of(model))
    with pytest.warns(ModelWarning, match=r"cannot be trained before you call model\.conjure.*own_loss"):
        built: Any = checkpoint.build()
    np.testing.assert_array_equal(built.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (Lump(nn.Linear(6, 1)), "the model is a Lump: only the layers of a Pile can be described"),
        (nn.Linear(6, 1), "the model is a Linear: only"),
    ],
)
def test_model_that_is_no_pile_says_to_build_it_first(model: nn.Module, reason: str) -> None:
    checkpoint = through_a_file(Checkpoint.of(model))
    with pytest.raises(CheckpointError, match=reason) as caught:
        checkpoint.build()
    assert "build the model as your code does, then model.load_weights(path), or model.summon(" in str(caught.value)
    other = type(model)(nn.Linear(6, 1)) if isinstance(model, Lump) else nn.Linear(6, 1)
    checkpoint.load_into(other)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_weights_alone_are_no_model() -> None:
    with pytest.raises(CheckpointError, match="it holds only weights, and no architecture: build the model"):
        through_a_file(Checkpoint.of(pile(), weights_only=True)).build()


def test_layer_that_nobody_knows_is_named() -> None:
    class Doubled(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    checkpoint = through_a_file(Checkpoint.of(Pile([Daoloth(1, input_dim=6), Doubled()])))
    with pytest.raises(CheckpointError, match=r"Doubled.*custom_objects=\{'Doubled': Doubled\}"):
        checkpoint.build()
    assert [type(layer) for layer in checkpoint.build({"Doubled": Doubled}).layers] == [Daoloth, Doubled]  # type: ignore[union-attr]


def test_a_model_that_would_take_more_memory_than_its_file_is_refused() -> None:
    with pytest.raises(CheckpointError, match="bytes"):
        through_a_file(Checkpoint.of(Pile([Daoloth(1000, input_dim=1000)]))).build(max_bytes=1_000_000)
