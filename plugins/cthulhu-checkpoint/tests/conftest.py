"""Trainings that log what a test says, of a model whose files tell in which epoch they were written."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Callback, Run


class Counter(Lump):
    """A parameter that holds how many epochs it was trained, and one for its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))


class Log(Callback):
    """Logs the values of each epoch: a dict, or a number as val_loss, or None for nothing."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values

    def on_epoch_end(self, epoch, logs):
        values = self.values[epoch]
        logs.update(values if isinstance(values, dict) else {} if values is None else {"val_loss": values})


@pytest.fixture
def counts_in() -> Callable[[Path], tuple[int, int]]:
    """``counts_in(file)``: the epoch and the batch, both from 1, that had been trained when it was written."""

    def counts_in(path: Path) -> tuple[int, int]:
        model = Counter()
        model.load_weights(path)
        epoch, batch = model.weight.tolist()
        return int(epoch), int(batch)

    return counts_in


@pytest.fixture
def files_in(counts_in: Callable[[Path], tuple[int, int]]) -> Callable[[Path], dict[str, int]]:
    """``files_in(folder)``: from its files, hidden ones, too, to the epochs, from 1, that they were written at."""
    return lambda folder: {path.name: counts_in(path)[0] for path in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTHULHU_DISABLE", "progbar")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def train() -> Callable[..., Run]:
    """``train(checkpoint, [values of an epoch, ...])``: a training that logs these, of some ``batches`` an epoch."""

    def train(
        checkpoint: Any, values: Sequence[Any], after: Sequence[Any] = (), batches: int = 1, **arguments: Any
    ) -> Run:
        model = Counter()
        callbacks = [Log(values), checkpoint, *after]
        run = Run(model, epochs=len(values), callbacks=callbacks, **{"validation": True, **arguments})
        with run:
            for epoch in run.epochs():
                for batch in run.batches(range(batches)):
                    with torch.no_grad():
                        model.weight.copy_(torch.tensor([epoch + 1.0, batch + 1.0]))
                    run.record(loss=1.0)
        return run

    return train


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 3)).astype("float32")
    return x, x @ np.array([[1.0], [-2.0], [0.5]], dtype="float32")


@pytest.fixture
def model() -> Pile:
    torch.manual_seed(0)
    model = Pile([Daoloth(1, input_dim=3)])
    model.conjure("sgd", "mse", metrics=["mae"])
    return model


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder in which everybody may write, below folders that everybody may enter."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        Path(folder).chmod(0o777)
