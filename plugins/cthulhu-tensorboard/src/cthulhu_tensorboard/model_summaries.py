"""Decide when to write histograms, images and embeddings of the model. The modules of those names write them."""

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
    """Return whether a write every ``frequency`` epochs, 0 for never, is due in ``epoch``.

    Example:
        >>> [epoch for epoch in range(5) if is_due(2, epoch)]
        [0, 2, 4]
    """
    return frequency > 0 and epoch % frequency == 0


class HistogramSummaries:
    """Histograms of weights, of activations during validation, and of the gradients of an epoch's last batch.

    Args:
        frequency: number of epochs between histograms, 0 for none.
        batch_size: number of samples of activations to count at once.
        write_grads: whether to count gradients.

    Attributes:
        hook: the object whose hook the callback must adopt, if any.
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
        """Check that there are activations to count.

        Raises:
            ValueError: If the run does not validate.
        """
        if self._frequency and not run.params["do_validation"]:
            raise ValueError(
                f"TensorBoard(histogram_freq={self._frequency}): histograms of activations need validation data: pass "
                "validation_data or validation_split to summon, or leave out histogram_freq"
            )

    def begin_epoch(self, epoch: int) -> None:
        """Handle the beginning of an epoch."""
        self._counted = {}
        if self.hook is not None:
            self.hook.due = is_due(self._frequency, epoch)

    def begin_test(self, run: Run) -> None:
        """Handle the beginning of an epoch's validation."""
        if run.epoch is not None and is_due(self._frequency, run.epoch):
            self._activations = Activations(run.model, self._batch_size)
            self._activations.watch()

    def end_test(self) -> None:
        """Handle the end of an epoch's validation."""
        if self._activations is not None:
            activations, self._activations = self._activations, None
            self._counted = activations.counted()

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write the histograms at the end of an epoch, if they are due."""
        if not is_due(self._frequency, epoch):
            return
        if self._histograms is None:
            self._histograms = Histograms(folders.writer("train"))
        counted, self._counted = self._counted, {}
        self._histograms.write({**weights(run.model), **self._gradients.counted(run.model), **counted}, step)
        self._gradients.forget()

    def end(self) -> None:
        """Remove all hooks from the model, and drop the counts."""
        if self._activations is not None:
            self._activations.stop()
        self._gradients.forget()
        self._activations, self._counted, self._histograms = None, {}, None


class ImageSummaries:
    """Images of the weights, as often as histograms, or after each epoch if there are none.

    Args:
        wanted: whether to write images.
        histogram_freq: number of epochs between histograms; 0 means images after each epoch.
    """

    def __init__(self, wanted: bool, histogram_freq: int) -> None:
        self._frequency = (histogram_freq or 1) if wanted else 0

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write them at the end of an epoch, if it is due."""
        if is_due(self._frequency, epoch):
            write_images(folders.writer("train"), run.model, step)


class EmbeddingSummaries:
    """Embeddings for the projector.

    Args:
        frequency: number of epochs between embeddings, 0 for none.
        embeddings: writes them.
    """

    def __init__(self, frequency: int, embeddings: Embeddings) -> None:
        self._frequency = frequency
        self._embeddings = embeddings

    def check(self, run: Run) -> None:
        """Check the embeddings before training. Errors are those of :meth:`Embeddings.check`."""
        if self._frequency:
            self._embeddings.check(run.model)

    def write(self, run: Run, folders: Folders, epoch: int, step: int) -> None:
        """Write them at the end of an epoch, if it is due."""
        if is_due(self._frequency, epoch):
            self._embeddings.write(run.model, folders.writer("train").log_dir, step)
