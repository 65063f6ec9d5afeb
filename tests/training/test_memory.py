"""Memory does not grow with the number of batches or epochs."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from cthulhu.callbacks import Callback
from cthulhu.models import Lump

pytestmark = pytest.mark.usefixtures("no_plugins")

MANY = """
    import torch
    from torch import nn
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump

    torch.set_num_threads(1)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096 / 2**20

    class Measures(Callback):
        def __init__(self):
            self.sizes = []

        def on_gradients(self, batch):
            if batch in (2_000, 24_999):
                self.sizes.append(resident())

    class ReadsLogs(Callback):
        def on_batch_end(self, batch, logs):
            pass

    model = Lump(nn.Linear(2, 1))
    model.conjure("sgd", "mse", ["mae"])
    for others in ([], [ReadsLogs()]):
        measures = Measures()
        model.summon(torch.ones(25_000, 2), torch.ones(25_000), batch_size=1, verbose=0, callbacks=[measures, others])
        print(measures.sizes[1] - measures.sizes[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of the process from /proc")
@pytest.mark.slow
def test_fifty_thousand_batches_leave_nothing_behind() -> None:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MANY)], capture_output=True, text=True, check=True, timeout=300
    )
    # A float kept for each batch would be 0.7 MiB, a tensor 10 MiB.
    growth = [float(line) for line in result.stdout.splitlines()]
    assert len(growth) == 2
    assert max(growth) < 0.6


def test_batches_are_let_go() -> None:
    class Holds(Callback):
        def on_train_begin(self, logs: Any) -> None:
            self.batches: list[weakref.ref[torch.Tensor]] = []

        def on_gradients(self, batch: int) -> None:
            self.batches.append(weakref.ref(self.run.current.inputs))

    holds = Holds()
    model = Lump(nn.Linear(2, 1))
    model.conjure("sgd", "mse")
    # Without the collector: what is let go is let go at once.
    gc.disable()
    try:
        model.summon(torch.ones(100, 2), torch.ones(100), batch_size=10, epochs=2, verbose=0, callbacks=holds)
        assert [reference() for reference in holds.batches] == [None] * 20
    finally:
        gc.enable()


def test_model_is_let_go_after_training() -> None:
    model = Lump(nn.Linear(2, 1))
    model.conjure("adam", "mse", ["mae"])
    model.summon(torch.ones(10, 2), torch.ones(10), verbose=0, validation_split=0.5)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None
