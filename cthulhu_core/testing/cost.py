"""Standard tests of the cost of a callback: time, and waits for the device."""

from __future__ import annotations

import inspect
import statistics
import time
from collections import defaultdict
from typing import Any

import pytest

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.conformance import is_overridden, marked
from cthulhu_core.run.run import Run
from cthulhu_core.testing.device_reads import DeviceReads
from cthulhu_core.testing.failure_messages import broken
from cthulhu_core.testing.faults import HOOKS, At
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import BATCHES, EPOCHS, tiny_run

_VALUES = 2
"""The tiny model's loss and metric."""

_ATTEMPTS = 3


class Cost(Subject):
    """The cost of a callback: time, and waits for the device."""

    def test_device_is_read_no_more_than_declared(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The callback reads no more values from the device, batch by batch, than it declares."""
        callback = self.make()
        names_logs = _names_logs(callback, "batch_end")
        with monkeypatch.context() as patch:
            counts = DeviceReads(patch)
            outcome = tiny_run([counts, callback])
        succeed(callback, outcome, "in a training of two epochs", MEND)
        declared = EPOCHS * (
            self.device_reads_per_epoch + BATCHES * (self.device_reads_per_batch + _VALUES * names_logs)
        )
        if len(counts.reads) > declared:
            shared = f", {_VALUES} of each batch because it names its logs" if names_logs else ""
            broken(
                callback, "reads from the device more often than it declares",
                expected=f"{declared} reads while {EPOCHS * BATCHES} batches are trained{shared}",
                found=f"{len(counts.reads)} reads: {', '.join(sorted(set(counts.reads)))}",
                cure="keep tensors until the epoch ends, or sum them up on their device; declare necessary reads in "
                     "the test: device_reads_per_batch = 1, device_reads_per_epoch = 1",
            )  # fmt: skip

    def test_no_hook_takes_longer_than_its_budget(self) -> None:
        """Each hook is fast enough: the median of its calls, in the best of three runs, for busy machines."""
        tiny_run(self.make())  # late imports and compilation are not a cost of every hook
        least: dict[str, float] = {}
        for _ in range(_ATTEMPTS):
            callback = self.make()
            for hook, seconds in _seconds(callback).items():
                least[hook] = min(seconds, least.get(hook, seconds))
            if all(seconds <= self._budget(hook) for hook, seconds in least.items()):
                return
        found = [
            f"{hook}: {least[hook]:.3f} s, of {self._budget(hook)} s"
            for hook in least
            if least[hook] > self._budget(hook)
        ]
        broken(
            callback, "takes longer than its budget",
            expected=f"{self.seconds_per_batch} s for a hook of a batch, {self.seconds_per_epoch} s for one of an "
            f"epoch, {self.seconds_per_run} s for one of a training", found="\n".join(found),
            cure="do it less often, or in a thread that on_teardown() ends; declare a larger budget in the test: "
                 "seconds_per_epoch = 5.0",
        )  # fmt: skip

    def _budget(self, hook: str) -> float:
        if "batch" in hook or hook == "gradients":
            return self.seconds_per_batch
        return self.seconds_per_epoch if hook.startswith(("epoch", "test", "save")) else self.seconds_per_run


def _names_logs(callback: object, hook: str) -> bool:
    """Return whether ``callback`` causes the values of each batch to be read."""
    if isinstance(callback, Callback) and is_overridden(callback, f"on_{hook}"):
        return True
    name = f"cthulhu_{hook}"
    return name in marked(callback) and "logs" in inspect.signature(getattr(callback, name)).parameters


def _seconds(callback: object) -> dict[str, float]:
    """Return the median seconds of each hook of ``callback`` in a training of three epochs."""
    began: dict[str, float] = {}
    taken: dict[str, list[float]] = defaultdict(list)

    def begin(hook: str) -> Any:
        def action(run: Run) -> None:
            began[hook] = time.perf_counter()

        return action

    def end(hook: str) -> Any:
        def action(run: Run) -> None:
            if hook in began:
                taken[hook].append(time.perf_counter() - began.pop(hook))

        return action

    # Teardown runs in reverse order.
    before = [At(hook, end(hook) if hook == "teardown" else begin(hook)) for hook in HOOKS]
    after = [At(hook, begin(hook) if hook == "teardown" else end(hook)) for hook in HOOKS]
    tiny_run([*before, callback, *after], epochs=3)
    return {hook: statistics.median(times) for hook, times in taken.items()}
