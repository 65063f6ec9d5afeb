"""TensorBoard, the callback: when what is written. How it is written is said in the modules beside this one."""

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
    """Writes a training for TensorBoard to show: ``tensorboard --logdir logs``. TensorFlow is not needed.

    Below ``log_dir`` there are the folders ``train`` and ``validation``. The same tag in both is one chart with two
    curves: ``epoch_loss``, ``epoch_acc``, ... of each epoch, and in ``train`` ``epoch_lr``, the learning rate that was
    used in it. The step of an epoch is its index. What ``conjure`` and ``summon`` were told is shown as text, and as
    hyperparameters: names and numbers, and nothing that may be a secret.

    Steps go on where one object is given to several runs, with ``initial_epoch``, and in a resumed run, which removes
    what the run that it resumes had written after the checkpoint. Of a training that begins with a new object in a
    folder that has been written to, TensorBoard shows no earlier points at its steps; their files stay. What is written
    is in the files at once, the values of batches at most a tenth of a second and a batch later, and stays there
    however the run ends. A failure to write while training is logged and does not end it. In distributed training,
    the main process writes.

    Args:
        log_dir: the folder to write to, made if it is missing. One for each training, in one for all of them, lets
            TensorBoard compare them.
        histogram_freq: every how many epochs histograms are written of the layers' weights, and of their activations
            in the validation; 0 for never.
        batch_size: how many samples of the activations are counted at once; by default, the batches of the validation.
        write_graph: whether the graph of the model is written, at the first batch.
        write_grads: whether histograms of the gradients are written, too.
        write_images: whether the weights are written as images, in the epochs of the histograms; in each epoch, if
            ``histogram_freq`` is 0.
        embeddings_freq: every how many epochs embeddings are written for the projector; 0 for never.
        embeddings_layer_names: the layers whose outputs are written; all embedding layers if None or empty.
        embeddings_metadata: a file that has a line for each row of the data; or a dict from names of layers to files.
        embeddings_data: the data: an array, or a list of arrays where the model has several inputs.
        update_freq: ``"epoch"``; ``"batch"`` to write the values of each batch as well, as ``batch_loss``, ...; or a
            number of samples, after which the values of a batch are written. The step of a batch is the number of
            batches trained with it.

    Raises:
        ValueError, TypeError: an argument cannot be used; the message says why and what to do. Before training:
            ``histogram_freq`` without validation data.
        OSError: before training: ``log_dir`` cannot be written to.

    Warns:
        UserWarning: a value is not one number; or files were removed while training.

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
        # A hook of a batch costs something even if it does nothing: it is there only where it is needed.
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
            # Batches have steps of their own: with the epochs from 5 on, those from 5 on would be hidden.
            if is_first and not run.resumed and (not run.initial_epoch or self.update_freq == "epoch"):
                self._folders.hide_from(run.initial_epoch)
            self._write_options(run)
        except OSError as error:
            raise OSError(
                error.errno,
                f"TensorBoard cannot write to its log_dir ({error.strerror}): name a folder that you may write to",
                os.fspath(self.log_dir),
            ) from error

    def _check_parts(self) -> None:
        """See that nothing asks for weights, of which each process holds a part, or for outputs."""
        asked = {
            "histogram_freq": self.histogram_freq,
            "write_images": self.write_images,
            "embeddings_freq": self.embeddings_freq,
        }
        names = [name for name, value in asked.items() if value]
        if names:
            raise ValueError(
                f"TensorBoard({', '.join(f'{name}={asked[name]!r}' for name in names)}): each process holds a part of "
                f"the model (strategy='fsdp'), and the main process alone writes: leave out {' and '.join(names)}"
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

    # Last: the rate of the epoch is set by then.
    @hookimpl(trylast=True)
    def cthulhu_epoch_begin(self, run: Run, epoch: int) -> None:
        self._rate = None if run.optimizer is None else learning_rate(run.optimizer)
        self._histograms.begin_epoch(epoch)

    def _write_graph(self, run: Run) -> None:
        """Write the graph at the first batch: without inputs there is none."""
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
        """Write the values of batches that wait for the next ones."""
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
        if self._folders.opened:  # else training has not begun
            self._steps.end(self.run)
        self._folders.close()

    # --- state ----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The steps, the rate of the epoch, and what has been written."""
        # Whoever saves is not to fail of it: what cannot be written waits, and is tried again.
        with contextlib.suppress(OSError):
            self._write_waiting()
        return {
            "steps": self._steps.state_dict(),
            "rate": self._rate,
            "graph_due": self._graph_due,
            "files": self._folders.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on at these steps; what was written after the state was taken is removed.

        Warns:
            UserWarning: something that had been written is missing.
        """
        if not self._folders.opened:  # another process writes
            return
        self._steps.load_state_dict(state["steps"])
        self._rate = state["rate"]
        self._graph_due = state["graph_due"]
        self._folders.load_state_dict(state["files"])
