"""The contract between a training loop and everything that takes part in it.

A run calls these hooks, in this order::

    run.train_begin(logs)
    for epoch in range(initial_epoch, epochs):
        run.epoch_begin(epoch, logs)
        for batch, (inputs, targets) in enumerate(data):
            run.batch_begin(batch, logs)
            forward, loss, backward
            run.gradients(batch)
            optimizer step
            run.batch_end(batch, logs)
            run.save_point()
            if stop asked: break
        if validation is due:
            run.test_begin(logs)
            for batch, (inputs, targets) in enumerate(validation_data):
                run.test_batch_begin(batch, logs)
                forward, loss
                run.test_batch_end(batch, logs)
            run.test_end(logs)
        run.epoch_end(epoch, logs)
        run.save_point()
        if stop asked: break
    on any exception: run.exception(error)
    run.train_end(logs)
    always, last: run.teardown()

    and when a model predicts:
        run.predict_begin(logs)
        for batch, inputs in enumerate(data):
            run.predict_batch_begin(batch, logs)
            forward
            run.predict_batch_end(batch, logs)
        run.predict_end(logs)

``evaluate`` calls the hooks of the test above. The name of a hook is ``cthulhu_`` followed by the word above. An
implementation is a function of that name, marked with :data:`hookimpl`, that names the arguments it needs.

``logs`` is a dict of Python numbers by name and never None. The ``logs`` of a batch hook are read from the device once,
and only if an implementation of that hook names ``logs``. Implementations that work with the tensors in ``run.batch``
should not name it, so that nothing waits for the device. The ``logs`` of ``epoch_end`` are one dict that all
participants share: later ones see what earlier ones add.

Participants are called in the order of the run (``run.explain()`` prints it), and in reverse for ``teardown``. What
happens when one of them raises is described in :mod:`cthulhu_core.run.call_context`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from concurrent.futures import Future

    import torch

    from cthulhu_core.contract.callback import Callback
    from cthulhu_core.contract.types import Checkpoint, Run

Logs = dict[str, Any]

PREFIX = "cthulhu_"
hookspec = pluggy.HookspecMarker("cthulhu")
hookimpl = pluggy.HookimplMarker("cthulhu")
"""Mark a function or method as an implementation of the hook that it is named after.

>>> @hookimpl
... def cthulhu_epoch_end(run, epoch):
...     print(epoch, run.optimizer)
"""


# --- the loop ---------------------------------------------------------------------------------------------------


@hookspec
def cthulhu_train_begin(run: Run, logs: Logs) -> None:
    """Training begins: ``run.params`` and ``run.model`` are set. ``logs`` is empty."""


@hookspec
def cthulhu_train_end(run: Run, logs: Logs) -> None:
    """Training has ended, by itself, by a stop or by an exception. ``logs`` are those of the last finished epoch.

    Not called if ``train_begin`` failed: then training has not begun, and ``teardown`` follows.
    """


@hookspec
def cthulhu_epoch_begin(run: Run, epoch: int, logs: Logs) -> None:
    """Epoch ``epoch`` (from 0) begins. ``logs`` is empty."""


@hookspec
def cthulhu_epoch_end(run: Run, epoch: int, logs: Logs) -> None:
    """Epoch ``epoch`` has ended. ``logs``: averages, ``val_*`` if it was validated, then what participants add."""


@hookspec
def cthulhu_batch_begin(run: Run, batch: int, logs: Logs) -> None:
    """Batch ``batch`` (from 0 in each epoch) begins. ``logs``: ``batch`` and ``size``, the number of samples."""


@hookspec
def cthulhu_gradients(run: Run, batch: int) -> None:
    """The gradients of an optimizer step are ready and not applied; a step may span several batches."""


@hookspec
def cthulhu_batch_end(run: Run, batch: int, logs: Logs) -> None:
    """Batch ``batch`` has ended. ``logs``: ``batch``, ``size``, ``loss`` and the metrics of this batch."""


@hookspec
def cthulhu_save_point(run: Run) -> None:
    """All participants have seen the end of a batch, or of an epoch: a run saved now can be resumed exactly.

    ``run.batch`` is the batch that has ended, or None at the end of an epoch.
    """


@hookspec
def cthulhu_test_begin(run: Run, logs: Logs) -> None:
    """Validation or ``evaluate`` begins. ``logs`` is empty."""


@hookspec
def cthulhu_test_batch_begin(run: Run, batch: int, logs: Logs) -> None:
    """A batch of validation or ``evaluate`` begins. ``logs``: ``batch`` and ``size``."""


@hookspec
def cthulhu_test_batch_end(run: Run, batch: int, logs: Logs) -> None:
    """A batch of validation or ``evaluate`` has ended. ``logs`` as in :func:`cthulhu_batch_end`."""


@hookspec
def cthulhu_test_end(run: Run, logs: Logs) -> None:
    """Validation or ``evaluate`` has ended. ``logs``: its averages, without ``val_``."""


@hookspec
def cthulhu_predict_begin(run: Run, logs: Logs) -> None:
    """``predict`` begins. ``logs`` is empty."""


@hookspec
def cthulhu_predict_batch_begin(run: Run, batch: int, logs: Logs) -> None:
    """A batch of ``predict`` begins. ``logs``: ``batch`` and ``size``."""


@hookspec
def cthulhu_predict_batch_end(run: Run, batch: int, logs: Logs) -> None:
    """A batch of ``predict`` has ended: its result is ``run.batch.outputs``. ``logs``: ``batch`` and ``size``."""


@hookspec
def cthulhu_predict_end(run: Run, logs: Logs) -> None:
    """``predict`` has ended. ``logs`` is empty."""


@hookspec
def cthulhu_exception(run: Run, error: BaseException) -> None:
    """``error`` ends the run; it may be an interrupt. It propagates after ``train_end`` and ``teardown``."""


@hookspec
def cthulhu_teardown(run: Run) -> None:
    """The run is over, however it ended: close files, stop threads. Called last, and in reverse order."""


# --- services: what a plugin does for every run -------------------------------------------------------------------


@hookspec
def cthulhu_default_callbacks(run: Run) -> Iterable[Callback] | None:
    """Return the callbacks that this plugin adds to ``run``, before the user's; None for none."""


@hookspec
def cthulhu_saved_suffixes() -> Iterable[str] | None:
    """Return the suffixes of the files that this plugin saves, in lower case, e.g. ``(".h5", ".hdf5")``.

    Callbacks that save check theirs before training (``check_format``); a suffix that no plugin names is refused.
    """


# The four that follow handle the suffixes that they know and return None for all others. A CheckpointError that they
# raise need not name the file: the caller adds it.


@hookspec(firstresult=True)
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool, background: bool
) -> bool | Future[None] | None:
    """Save ``model`` to ``filepath``. Return True when it is saved, None if the suffix is not yours.

    ``Checkpoint.of(model, run, weights_only)`` has everything there is to save. ``run`` is the run that trains the
    model, or trained it last; None if there was none. If ``background`` is true, save a copy in memory and return a
    Future that completes when the copy is written. A plugin that cannot do this leaves out the argument.

    Raise ``CheckpointError`` or ``OSError`` if the model cannot be saved; an existing file must be unchanged then.
    """


@hookspec(firstresult=True)
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """Return what was saved in ``filepath``, or raise ``CheckpointError``. Models and weights are loaded through it."""


@hookspec(firstresult=True)
def cthulhu_load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None
) -> torch.nn.Module | None:
    """Return the model saved in ``filepath``; only needed if it cannot be built from ``cthulhu_load_checkpoint``.

    ``custom_objects``: classes and functions by name.
    """


@hookspec(firstresult=True)
def cthulhu_load_weights(model: torch.nn.Module, filepath: str | os.PathLike[str]) -> bool | None:
    """Load the weights in ``filepath`` into ``model`` and return True; only needed as ``cthulhu_load_model`` is."""


HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(spec).parameters) for name, spec in globals().items() if name.startswith(PREFIX)
}
"""Every hook and its arguments, read from the specifications."""

SERVICES = ("cthulhu_default_callbacks", "cthulhu_saved_suffixes", "cthulhu_save_model", "cthulhu_load_checkpoint",
            "cthulhu_load_model", "cthulhu_load_weights")  # fmt: skip
"""The hooks of installed plugins that are called outside the loop."""
