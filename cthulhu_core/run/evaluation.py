"""Validation and prediction within a run."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from cthulhu_core.contract.hookspecs import Logs
from cthulhu_core.run.averages import Averages
from cthulhu_core.run.base_logger import BaseLogger
from cthulhu_core.run.batch import Batch
from cthulhu_core.run.hook_table import HookTable


class Evaluation:
    """The pushes of a :class:`Run` that validate or predict."""

    batch: Batch | None
    logs: Logs
    validated: bool
    test_logs: Logs
    test_steps: int | None
    tests_alone: bool
    stateful_metrics: Collection[str]
    _base_logger: BaseLogger
    _batch_before_test: Batch | None
    _hooks: HookTable
    _predicting: bool
    _validation: Averages | None

    if TYPE_CHECKING:  # what Run brings

        @property
        def current(self) -> Batch: ...
        def _begin_batch(self, name: str, index: int, item: object) -> None: ...
        def _end_batch(self, name: str) -> None: ...
        def _end_open(self) -> None: ...

    def averages(self) -> Logs:
        """Return the averages so far as Python numbers: of the validation during one, else of the epoch.

        Waits for the device and computes stateful metrics, so call it now and then, not every batch.
        """
        return self._base_logger.averages() if self._validation is None else self._validation.result()

    def test_begin(self, steps: int | None = None) -> None:
        """Begin a validation of ``steps`` batches; None if their number is unknown."""
        self._end_open()
        self._batch_before_test, self._validation = self.batch, Averages(self.stateful_metrics)
        self.test_steps = steps
        self._hooks.time_everything()
        self._hooks.call("test_begin", self, {})

    def test_batch_end(self) -> None:
        """End a batch of validation whose values are recorded."""
        batch = self.current
        assert self._validation is not None
        # Before the hook, so that the averages there include this batch.
        self._validation.add(batch.values, batch.size)
        self._end_batch("test_batch_end")

    def test_end(self) -> None:
        """End a validation: its averages become ``test_logs``, and ``val_*`` in the logs of the epoch."""
        assert self._validation is not None
        self.batch, averages, self._validation = self._batch_before_test, self._validation, None
        self.test_logs = averages.result(not self.tests_alone)
        self._hooks.call("test_end", self, self.test_logs)
        self.logs.update({f"val_{name}": value for name, value in self.test_logs.items()})
        self.validated = True

    def predict_begin(self) -> None:
        """Begin a prediction."""
        self._end_open()
        self._predicting = True
        self._hooks.time_everything()
        self._hooks.call("predict_begin", self, {})

    def predict_batch_end(self) -> None:
        """End a batch of prediction whose outputs are recorded."""
        self._end_batch("predict_batch_end")

    def predict_end(self) -> None:
        """End a prediction."""
        self._predicting = False
        self._hooks.call("predict_end", self, {})
