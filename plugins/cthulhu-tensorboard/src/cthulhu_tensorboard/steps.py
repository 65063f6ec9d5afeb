"""The steps at which values are written: they go on over several runs with one object, and over a resumed one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_core import Run


@dataclass
class Steps:
    """Where a training is, counted from its first run on.

    Attributes:
        next_epoch: the step of the epoch that comes next; None before the first run.
        batches: batches trained in the runs that are over.
        samples: samples counted by :meth:`passed`.
        epochs_before: what is added to the epochs of this run.
        batches_before: what is added to its batches.
    """

    next_epoch: int | None = None
    batches: int = 0
    samples: int = 0
    epochs_before: int = 0
    batches_before: int = 0

    def begin(self, run: Run) -> None:
        """A run begins, from nothing or where the last one ended."""
        self.epochs_before = max(0, (self.next_epoch or 0) - run.initial_epoch)
        if run.resumed:  # which goes on with its own count
            self.batches_before = 0
        elif self.next_epoch is None:
            self.batches_before = run.initial_epoch * (run.params["steps"] or 0)
        else:
            self.batches_before = self.batches
        self.next_epoch = run.initial_epoch + self.epochs_before

    def epoch(self, epoch: int) -> int:
        """The step of an epoch of this run."""
        return epoch + self.epochs_before

    def batch(self, run: Run) -> int:
        """The step of the batch that has ended: how many there were with it."""
        return run.step + self.batches_before

    def passed(self, every: int, size: int) -> bool:
        """Count ``size`` samples; whether a multiple of ``every`` was reached with them."""
        before, self.samples = self.samples // every, self.samples + size
        return self.samples // every > before

    def end_epoch(self, epoch: int) -> None:
        """An epoch has ended."""
        self.next_epoch = self.epoch(epoch) + 1

    def end(self, run: Run) -> None:
        """The run is over."""
        self.batches = self.batch(run)

    def state_dict(self) -> dict[str, Any]:
        """The attributes."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Be where they were."""
        self.__dict__.update(state)
