"""Nothing is read back from the device inside an epoch, unless a callback names the logs of a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.testing import DeviceReads

pytestmark = pytest.mark.usefixtures("no_plugins")

X, Y = torch.randn(600 * 2, 4), torch.randint(0, 3, (600 * 2,))


class ReadsLoss(Callback):
    def on_batch_end(self, batch: int, logs: Any) -> None:
        pass


def model(loss: Any = "sparse_categorical_crossentropy", metrics: Any = ("acc",)) -> Lump:
    model = Pile([Daoloth(8, activation="relu"), nn.Dropout(0.1), Daoloth(3, activation="softmax")])
    model.conjure("sgd", loss, list(metrics))
    return model


def test_counting_sees_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = DeviceReads(monkeypatch)
    model().summon(X[:40], Y[:40], batch_size=10, epochs=2, verbose=0, callbacks=[counts, ReadsLoss()])
    # One read of each of two values, for each of 2 x 4 batches.
    assert counts.reads == ["tolist"] * 16


def test_what_is_read_for_one_callback_is_read_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = DeviceReads(monkeypatch)
    callbacks = [counts, *(ReadsLoss() for _ in range(20))]
    model().summon(X[:40], Y[:40], batch_size=10, epochs=2, verbose=0, callbacks=callbacks)
    assert counts.reads == ["tolist"] * 16


@pytest.mark.parametrize("shuffle", [True, False])
def test_nothing_is_read_in_a_run_whose_callbacks_name_no_batch_logs(
    monkeypatch: pytest.MonkeyPatch, shuffle: bool
) -> None:
    counts = DeviceReads(monkeypatch)
    # More batches than are kept before they are summed up on the device.
    history = model().summon(X, Y, batch_size=2, epochs=2, shuffle=shuffle, verbose=0, callbacks=counts)
    assert counts.reads == []
    assert [len(history.history[name]) for name in ("loss", "acc")] == [2, 2]


def test_weights_metrics_and_validation_read_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = DeviceReads(monkeypatch)
    one_hot = torch.eye(3)[Y]
    trained = model("categorical_crossentropy", ["acc", "hinge", "mae", nn.L1Loss()])
    trained.summon(
        X, one_hot, batch_size=32, epochs=2, verbose=0, callbacks=counts, class_weight={0: 1, 1: 2, 2: 3},
        sample_weight=torch.ones(len(X)), validation_data=(X, one_hot),
    )  # fmt: skip
    assert counts.reads == []


@pytest.mark.parametrize("loss", ["mse", "hinge", "categorical_hinge", "kld", "logcosh", nn.MSELoss()])
def test_losses_read_nothing(monkeypatch: pytest.MonkeyPatch, loss: Any) -> None:
    counts = DeviceReads(monkeypatch)
    trained = model(loss, ["categorical_accuracy", "top_k_categorical_accuracy"])
    trained.summon(X, torch.eye(3)[Y], batch_size=100, verbose=0, callbacks=counts)
    assert counts.reads == []
