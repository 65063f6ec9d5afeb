"""The callback that averages the values of each epoch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.hookspecs import Logs, hookimpl
from cthulhu_core.run.averages import Averages

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


class BaseLogger(Callback):
    """Puts the averages over the epoch into the ``logs`` of ``on_epoch_end``. Every run has one.

    Averages are weighted by the number of samples in each batch. The sums stay on the device and are read once, at the
    end of the epoch.

    Args:
        stateful_metrics: names of metrics that keep their own state and must not be averaged; their last value is
            logged as it is.
    """

    logged = ()

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self._averages = Averages(self.stateful_metrics)

    def averages(self) -> Logs:
        """Return the averages over the epoch so far; waits for the device."""
        return self._averages.result()

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the current epoch."""
        return self._averages.state_dict()

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        weight = next(iter(getattr(self.model, "parameters", tuple)()), None)
        device = None if weight is None else weight.device
        self._averages.load_state_dict(state, device)

    @hookimpl
    def cthulhu_epoch_begin(self) -> None:
        self._averages.reset()

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        batch = run.batch
        assert batch is not None
        self._averages.add(batch.values, batch.size, batch.numbers)

    @hookimpl
    def cthulhu_epoch_end(self, logs: Logs) -> None:
        averages = self._averages.result(of_all=True)
        validation = {name: value for name, value in logs.items() if name not in averages}
        logs.clear()
        logs.update(averages, **validation)
