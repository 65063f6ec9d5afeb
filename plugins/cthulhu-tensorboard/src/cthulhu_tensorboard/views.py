"""When something of the model itself is written: histograms of its layers. How, is said in the modules of each."""

from __future__ import annotations

from typing import Any

from cthulhu_core import Run
from cthulhu_tensorboard.batches import EveryGradients
from cthulhu_tensorboard.folders import Folders
from cthulhu_tensorboard.histograms import Activations, Gradients, Histograms, weights


class HistogramViews:
    """Histograms of weights, activations and gradients, in epochs that are due.

    Args:
        frequency: every how many epochs; 0 for never.
        batch_size: how many samples of activations are counted at once.
        write_grads: whether gradients are counted.
    """

    def __init__(self, frequency: int, batch_size: int | None, write_grads: bool) -> None:
        self.frequency = frequency
        self._batch_size = batch_size
        self._gradients = Gradients()
        self.hook = EveryGradients(lambda run: self._gradients.take(run.model)) if write_grads else None
        self._activations: Activations | None = None
        self._counted: dict[str, Any] = {}
        self._histograms: Histograms | None = None

    def is_due(self, epoch: int) -> bool:
        """Whether histograms are written at the end of this epoch."""
        return self.frequency > 0 and epoch % self.frequency == 0

    def check(self, run: Run) -> None:
        """See that there is something to count.

        Raises:
            ValueError: there is no validation.
        """
        if self.frequency and not run.params["do_validation"]:
            raise ValueError(
                f"TensorBoard(histogram_freq={self.frequency}): activations are counted over validation data, and "
                "there is none: pass validation_data or validation_split to summon, or leave histogram_freq out"
            )

    def begin(self) -> None:
        """A run begins."""
        self._histograms = None

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins."""
        self._counted = {}
        if self.hook is not None:
            self.hook.due = self.is_due(epoch)

    def begin_test(self, run: Run) -> None:
        """The validation of an epoch begins."""
        if run.epoch is not None and self.is_due(run.epoch):
            self._activations = Activations(run.model, self._batch_size)
            self._activations.watch()

    def end_test(self) -> None:
        """It has ended."""
        if self._activations is not None:
            activations, self._activations = self._activations, None
            self._counted = activations.counted()

    def write(self, run: Run, folders: Folders, step: int) -> None:
        """Write what there is at the end of an epoch that is due."""
        if self._histograms is None:
            self._histograms = Histograms(folders.writer("train"))
        counted, self._counted = self._counted, {}
        self._histograms.write({**weights(run.model), **self._gradients.counted(run.model), **counted}, step)
        self._gradients.forget()

    def end(self) -> None:
        """The run is over: take every hook off the model."""
        if self._activations is not None:
            self._activations.stop()
            self._activations = None
        self._gradients.forget()
        self._counted = {}
