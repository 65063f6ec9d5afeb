"""A training that is resumed at any save point ends with the bits of the one that was never interrupted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from cthulhu.models import Lump
from cthulhu_core import Callback, Run
from cthulhu_core.resume import ResumeWarning
from foreign import install

# A file format as somebody else may write it: this one keeps what would be in the file, as text and tensors.
FORMAT = """
    import os

    from cthulhu_core import Checkpoint, hookimpl
    from cthulhu_core.plain import pack, unpack

    saved = {}

    @hookimpl
    def cthulhu_save_model(run, model, filepath, weights_only):
        if os.fspath(filepath).endswith(".mem"):
            checkpoint = Checkpoint.of(model, run, weights_only).copied()
            saved[os.fspath(filepath)] = checkpoint.weights, checkpoint.extra, pack(checkpoint.state)
            return True

    @hookimpl
    def cthulhu_load_checkpoint(filepath):
        if os.fspath(filepath).endswith(".mem"):
            weights, extra, state = saved[os.fspath(filepath)]
            return Checkpoint(weights, extra, unpack(*state))
"""

EPOCHS, BATCHES = 3, 4
X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))
Y = (X.sum(1) > 0).long()


@pytest.fixture(autouse=True)
def saved(site: Path) -> dict[str, Any]:
    """What has been saved in the format ``.mem``, by path."""
    install(site, "memory-format", modules={"memory_format": FORMAT}, plugins={"memory": "memory_format"})
    import importlib

    return importlib.import_module("memory_format").saved


class Save(Callback):
    """Saves at every save point, as ``<epoch>-<batch>.mem``."""

    def on_save_point(self) -> None:
        self.run.save("{}-{}.mem".format(*self.run.next_batch))


class Drift(Callback):
    """Changes the rate at each batch, from what it remembers."""

    def on_train_begin(self, logs: Any) -> None:
        self.seen = 0

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.seen += 1
        self.model.optimizer.param_groups[0]["lr"] *= 0.99 + 0.001 * (self.seen % 3)

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.model.optimizer.param_groups[0]["lr"] *= 1.1

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        logs["seen"] = self.seen

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def new_model(metrics: Any = None) -> Lump:
    model = Lump(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 2)))
    model.conjure(
        lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9), nn.CrossEntropyLoss(), metrics or ["acc"]
    )
    return model


class Noisy(Dataset[Any]):
    """Draws from all generators whenever a sample is read."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        return X[index] + 0.01 * noise, Y[index]


def batches_for_ever() -> Iterator[Any]:
    number = 0
    while True:
        yield X[number % 3 :: 4], Y[number % 3 :: 4]
        number += 1


DATA: dict[str, Callable[[], dict[str, Any]]] = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.1},
    "arrays in order": lambda: {"x": X, "y": Y, "batch_size": 8, "shuffle": False},
    "loader": lambda: {"x": DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True)},
    "loader that draws": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True)},
    "loader with workers": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=1)},
    "generator": lambda: {"x": batches_for_ever(), "steps_per_epoch": BATCHES},
}


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


def outcome(model: Lump, history: dict[str, Any]) -> dict[str, Any]:
    return {
        "history": history,
        "weights": {name: weight.tolist() for name, weight in model.state_dict().items()},
        "optimizer": {
            number: state["momentum_buffer"].tolist() for number, state in model.optimizer.state_dict()["state"].items()
        },
        "lr": model.optimizer.param_groups[0]["lr"],
        "random": (random.random(), np.random.rand(), torch.rand(1).item()),
    }


def summon(data: Callable[[], dict[str, Any]], callbacks: list[Callback], metrics: Any = None, **arguments: Any) -> Any:
    model = new_model(metrics)
    history = model.summon(**data(), epochs=EPOCHS, verbose=0, callbacks=callbacks, **arguments)
    return outcome(model, history.history)


@pytest.mark.parametrize("kind", DATA)
def test_resumed_at_any_save_point_it_ends_with_the_same_bits(kind: str, saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA[kind], [Drift(), Save()])
    assert len(whole["history"]["loss"]) == EPOCHS
    points = sorted(saved)
    assert len(points) == EPOCHS * (BATCHES + 1)
    for number, point in enumerate(points):
        seed(100 + number)
        assert summon(DATA[kind], [Drift(), Save()], resume_from=point) == whole, point


def test_metrics_that_keep_a_state_go_on(saved: dict[str, Any]) -> None:
    def metrics() -> Any:
        return ["acc", torchmetrics.MeanMetric()] if False else [torchmetrics.Accuracy("multiclass", num_classes=2)]

    seed(0)
    whole = summon(DATA["arrays"], [Drift(), Save()], metrics())
    for point in sorted(saved):
        seed(1)
        assert summon(DATA["arrays"], [Drift(), Save()], metrics(), resume_from=point) == whole, point


def test_a_loop_by_hand_goes_on(saved: dict[str, Any]) -> None:
    def train(**arguments: Any) -> Any:
        model = new_model()
        loader = DataLoader(Noisy(), batch_size=8, shuffle=True)
        model.train()
        with Run(model, model.optimizer, EPOCHS, [Drift(), Save()], **arguments) as run:
            for _ in run.epochs():
                for x, y in run.batches(loader):
                    loss = nn.functional.cross_entropy(model(x), y)
                    model.optimizer.zero_grad()
                    loss.backward()
                    model.optimizer.step()
                    run.record(loss=loss)
        return outcome(model, run.history.history)

    seed(0)
    whole = train()
    for point in sorted(saved):
        seed(1)
        assert train(resume_from=point) == whole, point


def test_a_model_saved_after_training_goes_on_to_more_epochs(saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA["arrays"], [Drift()])
    seed(0)
    model = new_model()
    model.summon(**DATA["arrays"](), epochs=2, verbose=0, callbacks=[Drift()])
    model.save("after.mem")
    assert summon(DATA["arrays"], [Drift()], resume_from="after.mem") == whole


def test_interrupted_training_can_be_saved_and_resumed(saved: dict[str, Any]) -> None:
    class Interrupt(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if self.run.step == 6:
                raise KeyboardInterrupt

    seed(0)
    whole = summon(DATA["arrays"], [Drift()])
    seed(0)
    model = new_model()
    with pytest.raises(KeyboardInterrupt):
        model.summon(**DATA["arrays"](), epochs=EPOCHS, verbose=0, callbacks=[Drift(), Interrupt()])
    model.save("interrupted.mem")
    with pytest.warns(ResumeWarning, match="Interrupt took part and does not now"):
        assert summon(DATA["arrays"], [Drift()], resume_from="interrupted.mem") == whole


def test_whole_training_resumed_trains_nothing(saved: dict[str, Any]) -> None:
    seed(0)
    whole = summon(DATA["arrays"], [Drift(), Save()])
    assert summon(DATA["arrays"], [Drift(), Save()], resume_from=f"{EPOCHS}-0.mem") == whole


def test_a_stop_that_was_asked_for_is_kept(saved: dict[str, Any]) -> None:
    class Stop(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            if self.run.step == 6:
                self.run.stop()

    seed(0)
    whole = summon(DATA["arrays"], [Stop(), Save()])
    assert len(whole["history"]["loss"]) == 2
    assert sorted(saved)[-2:] == ["1-2.mem", "2-0.mem"]
    for point in saved:
        assert summon(DATA["arrays"], [Stop(), Save()], resume_from=point) == whole, point
