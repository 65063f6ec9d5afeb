"""The steps of values, which continue over several runs with one object and over resumed runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_core import Run


@dataclass
class Steps:
    """The position of a training, counted from its first run.

    Attributes:
        next_epoch: step of the next epoch. None before the first run.
        batches: number of batches trained in earlier runs.
        samples: number of samples counted by :meth:`passed`.
        epochs_before: offset of the epochs of this run.
        batches_before: offset of its batches.
    """

    next_epoch: int | None = None
    batches: int = 0
    samples: int = 0
    epochs_before: int = 0
    batches_before: int = 0

    def begin(self, run: Run) -> None:
        """Begin a run, at zero or at the end of the last one."""
        self.epochs_before = max(0, (self.next_epoch or 0) - run.initial_epoch)
        if run.resumed:  # Its own count continues.
            self.batches_before = 0
        elif self.next_epoch is None:
            self.batches_before = run.initial_epoch * (run.params["steps"] or 0)
        else:
            self.batches_before = self.batches
        self.next_epoch = run.initial_epoch + self.epochs_before

    def epoch(self, epoch: int) -> int:
        """Return the step of an epoch of this run."""
        return epoch + self.epochs_before

    def batch(self, run: Run) -> int:
        """Return the step of the batch that ended: the number of batches including it."""
        return run.step + self.batches_before

    def passed(self, every: int, size: int) -> bool:
        """Count ``size`` samples, and return whether they reach a multiple of ``every``."""
        before, self.samples = self.samples // every, self.samples + size
        return self.samples // every > before

    def end_epoch(self, epoch: int) -> None:
        """End an epoch."""
        self.next_epoch = self.epoch(epoch) + 1

    def end(self, run: Run) -> None:
        """End the run."""
        self.batches = self.batch(run)

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the attributes."""
        self.__dict__.update(state)
