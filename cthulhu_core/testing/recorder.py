"""Records which hooks a run calls, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cthulhu_core.testing.faults import HOOKS, At

if TYPE_CHECKING:
    from cthulhu_core.run.run import Run


class Call(NamedTuple):
    """One call of a hook, without ``cthulhu_``, and the epoch and batch of the run, both from 0."""

    hook: str
    epoch: int | None
    batch: int | None


class Recorder(At):
    """Records the hooks of a run. It reads nothing from the device.

    Attributes:
        calls: every call, in order.

    Example:
        >>> recorder = Recorder()
        >>> _ = tiny_run(recorder, epochs=1, validation=False)
        >>> recorder.hooks[:3]
        ['train_begin', 'epoch_begin', 'batch_begin']
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        super().__init__((), lambda run: None)
        for hook in HOOKS:
            self._record(hook)

    @property
    def hooks(self) -> list[str]:
        """The hooks that were called, without the position."""
        return [call.hook for call in self.calls]

    def _record(self, hook: str) -> None:
        def record(run: Run) -> None:
            self.calls.append(Call(hook, run.epoch, None if run.batch is None else run.batch.index))

        self.plant(hook, record)
