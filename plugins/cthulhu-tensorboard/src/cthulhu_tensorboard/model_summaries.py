"""What is written of the model itself, and when. How, is said in the modules of histograms, images and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cthulhu_tensorboard.batches import EveryGradients
from cthulhu_tensorboard.embeddings import Embeddings
from cthulhu_tensorboard.folders import Folders
from cthulhu_tensorboard.histograms import Activations, Gradients, Histograms, weights
from cthulhu_tensorboard.images import write_images

if TYPE_CHECKING:
    from cthulhu_core import Run


def is_due(frequency: int, epoch: int) -> bool:
    """Whether something is written in ``epoch`` that is written every ``frequency`` epochs, 0 for never.

    Example:
        >>> [epoch for epoch in range(5) if is_due(2, epoch)]
        [0, 2, 4]
    """
    return frequency > 0 and epoch % frequency == 0


class HistogramSummaries:
    """Histograms of weights, of activations in the validation, and of the gradients of an epoch's last batch.

    Args:
        frequency: every how many epochs; 0 for never.
        batch_size: how many samples of activations are counted at once.
        write_grads: whether gradients are counted.

    Attributes:
        hook: whose hook must be the callback's, if there is one.
    """

    def __init__(self, frequency: int, batch_size: int | None, write_grads: bool) -> None:
        self._frequency = frequency
        self._batch_size = batch_size
        self._gradients = Gradients()
        self.hook = EveryGradients(self._take) if write_grads else None
        self._activations: Activations | None = None
        self._counted: dict[str, Any] = {}
        self._histograms: Histograms | None = None

    def _take(self, run: Run) -> None:
        self._gradients.take(run.model)

    def check(self, run: Run) -> None:
        """See that there is something to count.

        Raises:
            ValueError: there is no validation.
        """
        if self._frequency and not run.params["do_validation"]:
            raise ValueError(
                f"TensorBoard(histogram_freq={self._frequency}): activations are counted over validation data, and "
                "there is none: pass validation_data or validation_split to summon, or leave histogram_freq out"
            )

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins."""
        self._counted = {}
        if self.hook is not None:
            self.hook.due = is_due(self._frequency, epoch)

    def begin_test(self, run: Run) -> None:
        """The validation of an epoch begins."""
        if run.epoch is not None and is_due(self._frequency, run.epoch):
            self._activations = Activations(run.model, self._batch_size)
            self._activations.watch()

    def end_test(self) -> None:
        """It has ended."""
        if self._activations is not None:
            activations, self._activations = self._activations, None
            self._counted = activations.counted()

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write what there is at the end of an epoch, if it is due."""
        if not is_due(self._frequency, epoch):
            return
        if self._histograms is None:
            self._histograms = Histograms(folders.writer("train"))
        counted, self._counted = self._counted, {}
        self._histograms.write({**weights(run.model), **self._gradients.counted(run.model), **counted}, step)
        self._gradients.forget()

    def end(self) -> None:
        """The run is over: take every hook off the model, and keep nothing of it."""
        if self._activations is not None:
            self._activations.stop()
        self._gradients.forget()
        self._activations, self._counted, self._histograms = None, {}, None


class ImageSummaries:
    """Images of the weights, in the epochs of the histograms; in each, where there are none.

    Args:
        wanted: whether there are any.
        histogram_freq: every how many epochs; 0 for each.
    """

    def __init__(self, wanted: bool, histogram_freq: int) -> None:
        self._frequency = (histogram_freq or 1) if wanted else 0

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write them at the end of an epoch, if it is due."""
        if is_due(self._frequency, epoch):
            write_images(folders.writer("train"), run.model, step)


class EmbeddingSummaries:
    """Embeddings, for the projector.

    Args:
        frequency: every how many epochs; 0 for never.
        embeddings: which.
    """

    def __init__(self, frequency: int, embeddings: Embeddings) -> None:
        self._frequency = frequency
        self._embeddings = embeddings

    def check(self, run: Run) -> None:
        """Before training: errors as in :meth:`Embeddings.check`."""
        if self._frequency:
            self._embeddings.check(run.model)

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write them at the end of an epoch, if it is due."""
        if is_due(self._frequency, epoch):
            self._embeddings.write(run.model, folders.writer("train").log_dir, step)
