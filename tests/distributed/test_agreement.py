"""Several processes agree: when to stop, how many batches there are, what an epoch gave; and none waits for ever."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cthulhu_core.testing import run_ranks

BEGIN = dedent("""
    import json
    import torch
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump

    torch.set_num_threads(1)
    X, Y = torch.randn(160, 6), torch.randint(0, 4, (160,))

    def new_model(loss=None):
        torch.manual_seed(rank)  # the weights of the main process are those of all
        model = Lump(torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 4)))
        model.conjure("sgd", loss or torch.nn.CrossEntropyLoss(), ["acc"])
        return model

    def checksum(model):
        return [float(weight.detach().double().sum()) for weight in model.parameters()]
""")


def agreed(code: str, folder: Path, timeout: float = 60) -> str:
    """What all ranks have printed, which must be the same."""
    first, second = run_ranks(BEGIN + dedent(code), folder, timeout)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    assert first.printed == second.printed
    return first.printed


def test_stop_asked_by_one_stops_all_after_the_same_batch(tmp_path: Path) -> None:
    printed = agreed(
        """
        class StopAt(Callback):
            def on_batch_end(self, batch, logs):
                if rank == 1 and self.run.step == 7:
                    self.run.stop()

        class StopAtEnd(Callback):
            def on_epoch_end(self, epoch, logs):
                if rank == 1:
                    self.run.stop()

        model = new_model()
        history = model.summon(X.repeat(10, 1), Y.repeat(10), 8, epochs=3, verbose=0, callbacks=StopAt())
        print(history.epoch, history.run.step)
        history = new_model().summon(X, Y, 8, epochs=3, verbose=0, callbacks=StopAtEnd())
        print(history.epoch, checksum(model))
        """,
        tmp_path,
    )
    first, second = printed.splitlines()
    assert first == "[0] 50"  # they agree on it every fifty batches
    assert second.startswith("[0] [")


@pytest.mark.slow
def test_data_of_different_lengths_end_with_the_shortest(tmp_path: Path) -> None:
    printed = agreed(
        """
        batches = [(X[:4], Y[:4])] * (3 + rank)

        class Unsized:
            def __iter__(self):
                return iter(batches)

        for data in (batches, Unsized()):
            model = new_model()
            history = model.summon(data, epochs=2, verbose=0)
            print(history.epoch, history.run.step, checksum(model))
        """,
        tmp_path,
    )
    assert [line.split("[")[1].split("]")[1].strip() for line in printed.splitlines()] == ["6", "6"]


@pytest.mark.slow
def test_callback_of_the_main_process_may_evaluate_and_ask_for_averages(tmp_path: Path) -> None:
    printed = agreed(
        """
        import torchmetrics

        class Main(Callback):
            ranks = "main"

            def on_batch_end(self, batch, logs):
                assert set(logs) >= {"loss", "MulticlassAccuracy"}
                assert self.run.averages()["MulticlassAccuracy"] >= 0

            def on_epoch_end(self, epoch, logs):
                self.model.evaluate(X, Y, verbose=0)

        model = new_model()
        model.conjure("sgd", torch.nn.CrossEntropyLoss(), [torchmetrics.Accuracy("multiclass", num_classes=4)])
        print(model.summon(X[:84], Y[:84], 8, epochs=2, verbose=0, callbacks=Main()).history, checksum(model))
        """,
        tmp_path,
    )
    assert "MulticlassAccuracy" in printed


def test_messages_of_a_step_are_those_of_its_gradients(tmp_path: Path) -> None:
    """Counted by PyTorch's profiler, so that those of its engine are among them."""
    printed = agreed(
        """
        from torch.profiler import ProfilerActivity, profile

        def messages(batches, **options):
            model = Lump(torch.nn.Sequential(torch.nn.Linear(6, 60000), torch.nn.Linear(60000, 4)))
            model.conjure("sgd", torch.nn.CrossEntropyLoss(), ["acc"], **options)
            x, y = X[:2].repeat(batches, 1), Y[:2].repeat(batches)
            with profile(activities=[ProfilerActivity.CPU]) as profiled:
                model.summon(x, y, 1, verbose=0)
            return sum(event.name.startswith("gloo:") for event in profiled.events())

        for options in ({}, {"accumulate": 4}):
            print((messages(32, **options) - messages(16, **options)) / 16)
        """,
        tmp_path,
    )
    # PyTorch sums up gradients of 2.6 MB in two buckets.
    assert printed.split() == ["2.0", "0.5"]


SCRIPT = """
import torch
from cthulhu.models import Lump

torch.manual_seed(0)
torch.set_num_threads(1)
model = Lump(torch.nn.Linear(6, 4))
model.conjure("adam", torch.nn.CrossEntropyLoss())
history = model.summon(torch.randn(64, 6), torch.randint(0, 4, (64,)), 8, epochs=2, verbose=2)
print(f"steps {history.run.step}", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun needs gloo over TCP as Linux and macOS have it")
def test_unchanged_script_under_torchrun(torchrun: Any) -> None:
    assert torchrun(SCRIPT, CTHULHU_DISABLE="*").count("steps 8") == 2
