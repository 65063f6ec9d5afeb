"""A run as a ``with`` statement and ``for`` loops, written on the pushes of :class:`Run`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from cthulhu_core.run.replay import Replay

if TYPE_CHECKING:
    from typing_extensions import Self

    from cthulhu_core.contract.types import Run
    from cthulhu_core.run.resuming import Resumption

Item = TypeVar("Item")


class Iteration:
    """The loops of a :class:`Run`."""

    if TYPE_CHECKING:  # what Run brings
        params: dict[str, Any]
        initial_epoch: int
        step: int
        _data: Any
        _resumption: Resumption | None
        _stop_every: int

        @property
        def is_training(self) -> bool: ...
        def train_begin(self) -> None: ...
        def epoch_begin(self, epoch: int) -> None: ...
        def epoch_end(self) -> None: ...
        def batch_end(self) -> None: ...
        def test_begin(self, steps: int | None = None) -> None: ...
        def test_batch_end(self) -> None: ...
        def test_end(self) -> None: ...
        def predict_begin(self) -> None: ...
        def predict_batch_end(self) -> None: ...
        def predict_end(self) -> None: ...
        def _begin_batch(self, name: str, index: int, item: Any) -> None: ...
        def _open_hooks(self) -> None: ...
        def _end_open(self) -> None: ...
        def _end_open_epoch(self) -> None: ...
        def _is_stopped(self) -> bool: ...
        def _finish(self, error: BaseException | None) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.train_begin()
        except BaseException as error:
            self._finish(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end_open_epoch()
        except BaseException as failure:
            self._finish(failure)
            raise
        self._finish(error)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Self]:
        """Take part without training: participants get the hooks of test and predict, and ``teardown``."""
        try:
            self._open_hooks()
            yield self
            self._end_open()
        except BaseException as error:
            self._finish(error)
            raise
        self._finish(None)

    def epochs(self) -> Iterator[int]:
        """Yield the epochs to train, each between its hooks, until a stop is asked for.

        Yields nothing if the stop was asked for before the first epoch.

        Raises:
            RuntimeError: training has not begun.
        """
        if not self.is_training:
            raise RuntimeError("training has not begun: put the loop into `with Run(...) as run:`")
        for epoch in range(self.initial_epoch, self.params["epochs"]):
            if self._is_stopped():
                break
            self.epoch_begin(epoch)
            yield epoch
            self.epoch_end()

    def batches(self, data: Iterable[Item]) -> Iterator[Item]:
        """Yield the batches of ``data``, each between its hooks, until one ends in which a stop was asked for.

        A batch is ``(inputs, targets)``, or whatever else your loop understands.
        """
        self._end_open()
        self._data = data if hasattr(data, "pass_state") else Replay(data)
        first, source = 0, data
        if self._resumption is not None:
            first, source = self._resumption.batch, self._resumption.batches(cast("Run", self), self._data)
            self._resumption = None
        for index, item in enumerate(source, first):
            self._begin_batch("batch_begin", index, item)
            yield item
            self.batch_end()
            if self.step % self._stop_every == 0 and self._is_stopped():
                break

    def test(self, data: Iterable[Item]) -> Iterator[Item]:
        """Yield the batches of validation ``data``, each between its hooks.

        Recorded values are averaged into ``test_logs``, and into the logs of the epoch as ``val_*``.
        """
        self.test_begin(_steps(data))
        for index, item in enumerate(data):
            self._begin_batch("test_batch_begin", index, item)
            yield item
            self.test_batch_end()
        self.test_end()

    def predict(self, data: Iterable[Item]) -> Iterator[Item]:
        """Yield the batches of ``data``, each between the hooks of prediction; record the outputs of each."""
        self.predict_begin()
        for index, item in enumerate(data):
            self._begin_batch("predict_batch_begin", index, item)
            yield item
            self.predict_batch_end()
        self.predict_end()


def _steps(data: Any) -> int | None:
    """Return how many batches ``data`` has, if it knows."""
    try:
        steps: int | None = data.steps if hasattr(data, "steps") else len(data)
    except TypeError:  # a generator, or a loader whose dataset has no length
        return None
    return steps
