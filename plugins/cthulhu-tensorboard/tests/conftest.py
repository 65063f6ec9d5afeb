"""A writer, and what TensorBoard's own reader finds in what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import DEFAULT_SIZE_GUIDANCE, EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Pile

ALL = dict.fromkeys(DEFAULT_SIZE_GUIDANCE, 0)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SummaryWriter]:
    writer = SummaryWriter(str(tmp_path / "train"))
    yield writer
    writer.close()


@pytest.fixture
def written(writer: SummaryWriter) -> Callable[[], EventAccumulator]:
    """``written()``: everything that ``writer`` has written so far."""

    def written() -> EventAccumulator:
        writer.flush()
        return EventAccumulator(writer.log_dir, size_guidance=ALL).Reload()

    return written


# --- trainings ----------------------------------------------------------------------------------------------------


class Calls(Callback):
    """Calls a function at each hook that is named."""

    def __init__(self, **functions: Callable[..., object]) -> None:
        vars(self).update(functions)


@pytest.fixture
def calls() -> type[Callback]:
    """``calls(on_epoch_end=lambda epoch, logs: ...)``: a callback."""
    return Calls


@pytest.fixture
def log_dir(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def read(log_dir: Path) -> Callable[..., EventAccumulator]:
    """``read("train")``: everything in that folder below ``log_dir``."""

    def read(folder: str) -> EventAccumulator:
        return EventAccumulator(str(log_dir / folder), size_guidance=ALL).Reload()

    return read


@pytest.fixture
def points(read: Callable[..., EventAccumulator]) -> Callable[[str, str], list[tuple[int, float]]]:
    """``points("train", "epoch_loss")``: steps and values of a curve."""

    def points(folder: str, tag: str) -> list[tuple[int, float]]:
        return [(event.step, event.value) for event in read(folder).Scalars(tag)]

    return points


@pytest.fixture
def tags(log_dir: Path, read: Callable[..., EventAccumulator]) -> Callable[..., set[tuple[str, str]]]:
    """``tags("scalars")``: each curve as its folder below ``log_dir`` and its tag."""

    def tags(kind: str) -> set[tuple[str, str]]:
        folders = {file.parent.relative_to(log_dir).as_posix() for file in log_dir.rglob("*tfevents*")}
        return {(folder, tag) for folder in folders for tag in read(folder).Tags()[kind]}

    return tags


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(64, 3)).astype("float32")
    return x, (x.sum(axis=1, keepdims=True) > 0).astype("float32")


@pytest.fixture
def model() -> Pile:
    torch.manual_seed(0)
    model = Pile([Daoloth(1, input_dim=3, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy", metrics=["acc"])
    return model


@pytest.fixture
def train(data: tuple[np.ndarray, np.ndarray]) -> Callable[..., dict[str, list[float]]]:
    """``train(model, callbacks)``: the history of two epochs of four batches, or of what ``summon`` is told besides."""

    def train(model: Pile, callbacks: object, **arguments: object) -> dict[str, list[float]]:
        defaults = {"batch_size": 16, "epochs": 2, "verbose": 0, "shuffle": False}
        return model.summon(*data, callbacks=callbacks, **{**defaults, **arguments}).history

    return train
