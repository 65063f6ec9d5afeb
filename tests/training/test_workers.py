"""A DataLoader keeps its workers from epoch to epoch where it was told to, and none is left after training."""

from __future__ import annotations

import gc
import multiprocessing
import os
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback

pytestmark = pytest.mark.usefixtures("no_plugins")


class Workers(Dataset[Any]):
    """Gives the number of the process that read a sample, as its target."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> Any:
        return torch.ones(3), torch.tensor([float(os.getpid())], dtype=torch.float64)


class Seen(Callback):
    def on_train_begin(self, logs: Any) -> None:
        self.training: list[set[float]] = []
        self.testing: list[set[float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.training.append(set())
        self.testing.append(set())

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.training[-1] |= set(self.run.current.targets.reshape(-1).tolist())

    def on_test_batch_end(self, batch: int, logs: Any) -> None:
        self.testing[-1] |= set(self.run.current.targets.reshape(-1).tolist())


def test_persistent_workers_serve_all_epochs_and_validations() -> None:
    def loader() -> Any:
        return DataLoader(Workers(), batch_size=2, num_workers=2, persistent_workers=True)

    seen = Seen()
    # The size of its input is learned from a batch that is looked at before.
    model = Pile([Daoloth(1), nn.Identity()]).double()
    model.conjure("sgd", "mse")
    model.summon(loader(), epochs=3, verbose=0, callbacks=seen, validation_data=loader())
    (first, *later), (tested, *later_tested) = seen.training, seen.testing
    assert len(first) == len(tested) == 2
    assert os.getpid() not in first | tested
    assert later == [first, first]
    assert later_tested == [tested, tested]
    gc.collect()
    assert not {child.pid for child in multiprocessing.active_children()} & (first | tested)
