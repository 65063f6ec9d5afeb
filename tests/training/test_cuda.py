"""What only a GPU can show: that an epoch never waits for it, and that it computes what a CPU does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu.models import Lump
from cthulhu_core import Callback
from cthulhu_core.training.transfer import _stream, moved

pytestmark = [
    pytest.mark.usefixtures("no_plugins"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that PyTorch can use"),
]

X = torch.randn(640, 16, generator=torch.Generator().manual_seed(0))
Y = torch.randint(0, 4, (640,), generator=torch.Generator().manual_seed(1))


class NeverWait(Callback):
    """Makes an error of every wait for the GPU, from the second batch of an epoch to its last."""

    def on_gradients(self, batch: int) -> None:
        if batch == 1:
            torch.cuda.set_sync_debug_mode("error")
        elif batch + 1 == self.params["steps"]:
            torch.cuda.set_sync_debug_mode("default")


class ReadsLoss(Callback):
    def on_batch_end(self, batch: int, logs: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def waits_are_allowed_again() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


def conjured(**options: Any) -> Lump:
    torch.manual_seed(5)
    model = Lump(nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))).to("cuda")
    model.conjure("adam", nn.CrossEntropyLoss(), ["acc"], **options)
    return model


@pytest.mark.parametrize(
    "options", [{}, {"autocast": "bfloat16"}, {"autocast": "float16"}, {"accumulate": 2}, {"clipnorm": 1.0}]
)
@pytest.mark.parametrize("kind", ["arrays", "tensors there", "loader"])
def test_epoch_never_waits_for_the_gpu(kind: str, options: dict[str, Any]) -> None:
    data: dict[str, Any] = {
        "arrays": {"x": X.numpy(), "y": Y.numpy(), "batch_size": 64},
        "tensors there": {"x": X.cuda(), "y": Y.cuda(), "batch_size": 64},
        "loader": {"x": DataLoader(TensorDataset(X, Y), 64, pin_memory=True)},
    }[kind]
    history = conjured(**options).summon(**data, epochs=2, verbose=0, callbacks=NeverWait())
    assert len(history.history["acc"]) == 2


def test_logs_of_a_batch_are_waited_for() -> None:
    with pytest.raises(RuntimeError, match="synchroniz"):
        conjured().summon(X, Y, 64, verbose=0, callbacks=[NeverWait(), ReadsLoss()])


def test_it_computes_what_a_cpu_does() -> None:
    model, plain = conjured(), conjured().to("cpu")
    plain.conjure("adam", nn.CrossEntropyLoss(), ["acc"])
    there, here = (each.summon(X, Y, 64, 3, verbose=0, shuffle=False).history for each in (model, plain))
    assert there["loss"] == pytest.approx(here["loss"], rel=1e-4)


def test_compiled_training_is_the_plain_one() -> None:
    compiled, plain = (
        conjured(jit_compile=each).summon(X, Y, 64, 3, verbose=0, shuffle=False) for each in (True, False)
    )
    assert compiled.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-3)


def test_transfer_overlaps_what_the_gpu_computes() -> None:
    size = 4096
    there = torch.randn(size, size, device="cuda")
    here = torch.randn(64, 2**20).pin_memory()
    moved(here, there.device)  # makes the stream
    torch.cuda.synchronize()
    arrived, computed = torch.cuda.Event(), torch.cuda.Event()
    product = there
    for _ in range(200):
        product = product @ there / size
    computed.record()
    copy = moved(here, there.device)
    arrived.record(_stream(there.device))
    arrived.synchronize()
    assert not computed.query()
    torch.cuda.synchronize()
    assert torch.equal(copy.cpu(), here)
