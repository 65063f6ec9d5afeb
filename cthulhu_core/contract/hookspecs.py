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

    and where a model predicts:
        run.predict_begin(logs)
        for batch, inputs in enumerate(data):
            run.predict_batch_begin(batch, logs)
            forward
            run.predict_batch_end(batch, logs)
        run.predict_end(logs)

``evaluate`` calls the hooks of the test above. A hook is named ``cthulhu_`` and the word above. An implementation is a
function of that name, marked with :data:`hookimpl`, which takes those of the arguments below that it wants, by name.

``logs`` is a dict from names to Python numbers and is never None. The ``logs`` of a batch hook are read from the
device when an implementation of that hook names ``logs``, once for all of them; who can work with the tensors in
``run.batch`` does not name ``logs`` and costs no wait for the device. The ``logs`` of ``epoch_end`` are one dict
shared by all in their order: what one adds, later ones see.

Participants are called in the order of the run (``run.explain()`` prints it), ``teardown`` in reverse.
What happens to an exception is said in :mod:`cthulhu_core.run.dispatch`.
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
"""Mark a function or method as the implementation of the hook whose name it bears.

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
    """Training has ended, by itself, by a stop or by an exception. ``logs`` are the last finished epoch's.

    Not called where ``train_begin`` failed: then nothing has begun that could end, and ``teardown`` follows.
    """


@hookspec
def cthulhu_epoch_begin(run: Run, epoch: int, logs: Logs) -> None:
    """Epoch ``epoch`` (from 0) begins. ``logs`` is empty."""


@hookspec
def cthulhu_epoch_end(run: Run, epoch: int, logs: Logs) -> None:
    """Epoch ``epoch`` has ended. ``logs``: averages, ``val_*`` where validated, then what participants add."""


@hookspec
def cthulhu_batch_begin(run: Run, batch: int, logs: Logs) -> None:
    """Batch ``batch`` (from 0 in each epoch) begins. ``logs``: ``batch`` and ``size``, the number of samples."""


@hookspec
def cthulhu_gradients(run: Run, batch: int) -> None:
    """The gradients of a step are there, and the optimizer has not taken it; a step may be one of several batches."""


@hookspec
def cthulhu_batch_end(run: Run, batch: int, logs: Logs) -> None:
    """Batch ``batch`` has ended. ``logs``: ``batch``, ``size``, ``loss`` and the metrics of this batch."""


@hookspec
def cthulhu_save_point(run: Run) -> None:
    """Everybody has had the end of a batch, or of an epoch: what is saved now can be resumed without a difference.

    ``run.batch`` is the batch that has ended, None at the end of an epoch.
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
    """``error`` (an interrupt, too) ends the run. It goes on its way when ``train_end`` and ``teardown`` are done."""


@hookspec
def cthulhu_teardown(run: Run) -> None:
    """The run is over, however it ended: close files, end threads. Called last, and in reverse order."""


# --- services: what a plugin does for every run -------------------------------------------------------------------


@hookspec
def cthulhu_default_callbacks(run: Run) -> Iterable[Callback] | None:
    """The callbacks that this plugin adds to ``run`` on its own, before the user's; None for none."""


@hookspec
def cthulhu_saved_suffixes() -> Iterable[str] | None:
    """The suffixes of the files that this plugin saves, in small letters, e.g. ``(".h5", ".hdf5")``.

    Who is going to save asks before training (``check_format``): what nobody names here is refused then.
    """


# The four that follow answer for the suffixes that they know, and give None for all others. A CheckpointError of theirs
# need not name the file: who asks does.


@hookspec(firstresult=True)
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool, background: bool
) -> bool | Future[None] | None:
    """Save ``model`` to ``filepath``: True when it is saved, None when the suffix is not yours.

    ``Checkpoint.of(model, run, weights_only)`` is what there is to save. ``run`` is the run in which the model is
    being trained, or was last trained; None if there was none. Where ``background`` is true, training waits for no
    more than a copy in memory: what writes that copy is returned as a Future. Who only ever saves at once does not
    name ``background``.

    Raises ``CheckpointError`` or ``OSError``; a file that was there before is then as it was.
    """


@hookspec(firstresult=True)
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """What was saved in ``filepath``; raises ``CheckpointError`` if that cannot be said."""


@hookspec(firstresult=True)
def cthulhu_load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None
) -> torch.nn.Module | None:
    """The model saved in ``filepath``. ``custom_objects``: from name to class or function."""


@hookspec(firstresult=True)
def cthulhu_load_weights(model: torch.nn.Module, filepath: str | os.PathLike[str]) -> bool | None:
    """Load the weights in ``filepath`` into ``model``: True when loaded."""


HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(spec).parameters) for name, spec in globals().items() if name.startswith(PREFIX)
}
"""Every hook and its arguments, read from the specifications."""

SERVICES = ("cthulhu_default_callbacks", "cthulhu_saved_suffixes", "cthulhu_save_model", "cthulhu_load_checkpoint",
            "cthulhu_load_model", "cthulhu_load_weights")  # fmt: skip
"""Those that are asked of installed plugins, outside of the loop."""
