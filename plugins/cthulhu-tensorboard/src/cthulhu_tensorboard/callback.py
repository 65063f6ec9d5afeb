"""TensorBoard: decide when to write what. The modules beside this one write it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from cthulhu_core import Callback, hookimpl, learning_rate
from cthulhu_tensorboard import arguments, hparams, run_options
from cthulhu_tensorboard.batches import EveryBatch, EveryBegin, EverySamples, Pending
from cthulhu_tensorboard.embeddings import Embeddings
from cthulhu_tensorboard.folders import Folders
from cthulhu_tensorboard.graph import write_graph
from cthulhu_tensorboard.model_summaries import EmbeddingSummaries, HistogramSummaries, ImageSummaries
from cthulhu_tensorboard.scalars import Scalars
from cthulhu_tensorboard.steps import Steps

if TYPE_CHECKING:
    from cthulhu_core import Logs, Run

_VALIDATION = "val_"


class TensorBoard(Callback):
    """Logs a training for TensorBoard: ``tensorboard --logdir logs``. It does not need TensorFlow.

    ``log_dir`` gets the folders ``train`` and ``validation``. Equal tags in both share a chart: ``epoch_loss``,
    ``epoch_acc``, ... of each epoch, and in ``train`` also ``epoch_lr``, the learning rate of the epoch. The step of an
    epoch is its index. The arguments of ``conjure`` and ``summon`` are shown as text and as hyperparameters, by names
    and numbers that reveal no secrets.

    Steps continue if the same object is used in several runs, with ``initial_epoch``, and in a resumed run, which
    removes what the earlier run wrote after the checkpoint. If a new object writes to a used folder, TensorBoard hides
    earlier points at its steps; their files stay. Everything is written to the files at once, except for the values of
    batches, which follow within a tenth of a second and a batch. Write errors during training are logged and never stop
    it. In distributed training, the main process writes.

    Args:
        log_dir: the folder to write to, created if it is missing. Give each training its own subfolder of a common one,
            so that TensorBoard compares them.
        histogram_freq: number of epochs between histograms of the weights, and of the activations during validation; 0
            for none.
        batch_size: number of samples of the activations to count at once. By default, the batches of the validation.
        write_graph: whether to write the graph of the model at the first batch.
        write_grads: whether to write histograms of the gradients as well.
        write_images: whether to write the weights as images, as often as histograms, or after each epoch if
            ``histogram_freq`` is 0.
        embeddings_freq: number of epochs between embeddings for the projector; 0 for none.
        embeddings_layer_names: the layers whose outputs to write. All embedding layers if None or empty.
        embeddings_metadata: a file with a line for each row of the data, or a dict from names of layers to such files.
        embeddings_data: the data: an array, or a list of arrays for a model with several inputs.
        update_freq: ``"epoch"``; ``"batch"`` to write the values of each batch as well, as ``batch_loss``, ...; or a
            number of samples between writes of a batch's values. The step of a batch is the number of batches trained,
            itself included.

    Raises:
        ValueError, TypeError: If an argument is invalid. Before training, if ``histogram_freq`` is set without
            validation data.
        OSError: Before training, if ``log_dir`` cannot be written to.

    Warns:
        UserWarning: If a value is not a single number, or if files were removed during training.

    Example:
        >>> model.summon(X_train, Y_train, validation_split=0.1, callbacks=[TensorBoard("logs/first")])
    """

    on_error = "disable"
    ranks = "main"
    logged = ()

    cthulhu_batch_begin: Any
    cthulhu_batch_end: Any
    cthulhu_gradients: Any

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "./logs",
        histogram_freq: int = 0,
        batch_size: int | None = None,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Sequence[str] | None = None,
        embeddings_metadata: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
        embeddings_data: Any = None,
        update_freq: int | Literal["batch", "epoch"] = "epoch",
    ) -> None:
        arguments.check_folder(log_dir)
        for name, flag in (("write_graph", write_graph), ("write_grads", write_grads), ("write_images", write_images)):
            arguments.check_flag(name, flag)
        arguments.check_metadata(embeddings_metadata)
        self.log_dir = log_dir
        self.histogram_freq = arguments.frequency("histogram_freq", histogram_freq)
        self.batch_size = arguments.batch_size(batch_size)
        self.write_graph = bool(write_graph)
        self.write_grads = bool(write_grads)
        self.write_images = bool(write_images)
        self.embeddings_freq = arguments.frequency("embeddings_freq", embeddings_freq)
        self.embeddings_layer_names = arguments.layer_names(embeddings_layer_names)
        self.embeddings_metadata = embeddings_metadata
        self.embeddings_data = embeddings_data
        self.update_freq = arguments.update_frequency(update_freq)
        arguments.check_needs(self.histogram_freq, self.write_grads, self.embeddings_freq, embeddings_data)
        self._folders = Folders(log_dir)
        self._steps = Steps()
        self._epochs, self._validations, self._batches = (
            Scalars("epoch_"),
            Scalars("epoch_"),
            Pending(Scalars("batch_")),
        )
        self._rate: float | None = None
        self._failed = False
        self._graph_due = self.write_graph
        self._histograms = HistogramSummaries(self.histogram_freq, self.batch_size, self.write_grads)
        self._embeddings = EmbeddingSummaries(
            self.embeddings_freq,
            Embeddings(self.embeddings_layer_names, embeddings_metadata, embeddings_data, self.batch_size),
        )
        self._images = ImageSummaries(self.write_images, self.histogram_freq)
        # Even a batch hook that does nothing has a cost, so only those needed are set.
        if self.update_freq == "batch":
            self.cthulhu_batch_end = EveryBatch(self._write_batch).cthulhu_batch_end
        elif self.update_freq != "epoch":
            self.cthulhu_batch_end = EverySamples(self.update_freq, self._steps, self._write_batch).cthulhu_batch_end
        if self.write_graph:
            self.cthulhu_batch_begin = EveryBegin(self._write_graph).cthulhu_batch_begin
        if self._histograms.hook is not None:
            self.cthulhu_gradients = self._histograms.hook.cthulhu_gradients

    # --- the run --------------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs, /) -> None:
        run = self.run
        if run.is_sharded:
            self._check_parts()
        self._histograms.check(run)
        self._embeddings.check(run)
        is_first = self._steps.next_epoch is None
        self._failed = False
        try:
            self._folders.writer("train")
            if run.params["do_validation"]:
                self._folders.writer("validation")
            self._steps.begin(run)
            # Batches count steps of their own: hiding epochs from 5 on would hide batches from 5 on.
            if is_first and not run.resumed and (not run.initial_epoch or self.update_freq == "epoch"):
                self._folders.hide_from(run.initial_epoch)
            self._write_options(run)
        except OSError as error:
            raise OSError(
                error.errno,
                f"TensorBoard cannot write to its log_dir ({error.strerror}): choose a writable folder",
                os.fspath(self.log_dir),
            ) from error

    def _check_parts(self) -> None:
        """Check that no option needs weights or outputs of a sharded model."""
        asked = {
            "histogram_freq": self.histogram_freq,
            "write_images": self.write_images,
            "embeddings_freq": self.embeddings_freq,
        }
        names = [name for name, value in asked.items() if value]
        if names:
            raise ValueError(
                f"TensorBoard({', '.join(f'{name}={asked[name]!r}' for name in names)}): the model is sharded over "
                f"processes (strategy='fsdp'), but only the main process writes: leave out {' and '.join(names)}"
            )

    def _write_options(self, run: Run) -> None:
        """Write the arguments of ``conjure`` and ``summon``."""
        model, training = run_options.conjured(run), run_options.summoned(run)
        tags = [f"epoch_{name}" for name in run.params["metrics"] if not name.startswith(_VALIDATION)]
        for writer in self._folders.opened:
            hparams.begin(writer, {**model, **training}, tags)
        writer, step = self._folders.writer("train"), self._steps.epoch(run.initial_epoch)
        writer.add_text("conjure", run_options.table(model), step)
        writer.add_text("summon", run_options.table({**training, "metrics": ", ".join(run.params["metrics"])}), step)

    # Last, after the rate of the epoch is set.
    @hookimpl(trylast=True)
    def cthulhu_epoch_begin(self, run: Run, epoch: int) -> None:
        self._rate = None if run.optimizer is None else learning_rate(run.optimizer)
        self._histograms.begin_epoch(epoch)

    def _write_graph(self, run: Run) -> None:
        """Write the graph at the first batch, whose inputs it needs."""
        run.leave(self, "cthulhu_batch_begin")
        if self._graph_due:
            self._graph_due = False
            write_graph(self._folders.writer("train"), run.model, run.current.inputs)

    def on_test_begin(self, logs: Logs, /) -> None:
        self._write_waiting()
        self._histograms.begin_test(self.run)

    def on_test_end(self, logs: Logs, /) -> None:
        self._histograms.end_test()

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        step = self._steps.epoch(epoch)
        self._steps.end_epoch(epoch)
        self._write_waiting()
        training = {name: value for name, value in logs.items() if not name.startswith(_VALIDATION)}
        if self._rate is not None:
            training.setdefault("lr", self._rate)
        validation = {
            name.removeprefix(_VALIDATION): value for name, value in logs.items() if name.startswith(_VALIDATION)
        }
        self._epochs.write(self._folders.writer("train"), training, step)
        if validation:
            self._validations.write(self._folders.writer("validation"), validation, step)
        for views in (self._histograms, self._images, self._embeddings):
            views.write(self.run, self._folders, epoch, step)
        self._folders.flush()

    def _write_batch(self, run: Run, logs: Logs) -> None:
        self._batches.add(self._folders.writer("train"), logs, self._steps.batch(run))

    def _write_waiting(self) -> None:
        """Write the waiting values of batches."""
        if self._folders.opened:
            self._batches.write(self._folders.writer("train"))

    def on_exception(self, error: BaseException, /) -> None:
        self._failed = True

    def on_train_end(self, logs: Logs, /) -> None:
        self._write_waiting()
        for writer in self._folders.opened:
            hparams.end(writer, succeeded=not self._failed)

    def on_teardown(self) -> None:
        self._histograms.end()
        self._batches.forget()
        if self._folders.opened:  # Otherwise, training has not begun.
            self._steps.end(self.run)
        self._folders.close()

    # --- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the steps, the rate of the epoch, and the sizes of the files."""
        # A write error here must not fail the save: unwritten values wait for the next try.
        with contextlib.suppress(OSError):
            self._write_waiting()
        return {
            "steps": self._steps.state_dict(),
            "rate": self._rate,
            "graph_due": self._graph_due,
            "files": self._folders.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue from these steps, and remove what was written after the state was saved.

        Warns:
            UserWarning: If files are missing or shorter than they were.
        """
        if not self._folders.opened:  # Another process writes.
            return
        self._steps.load_state_dict(state["steps"])
        self._rate = state["rate"]
        self._graph_due = state["graph_due"]
        self._folders.load_state_dict(state["files"])
