"""The base class of callbacks, which turns hooks into methods. They are called from ``run/dispatch.py``."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from cthulhu_core.contract.constructor_arguments import described
from cthulhu_core.contract.hookspecs import HOOKS, PREFIX, Logs

if TYPE_CHECKING:
    import torch

    from cthulhu_core.contract.types import Run


class Callback:
    """Base class of callbacks. Override the methods you need; all others cost nothing.

    Methods are called positionally, so that their parameters may have any names and defaults. ``logs`` is a dict of
    Python numbers by name, never None: ``batch`` and ``size`` in :meth:`on_batch_begin`; ``loss`` and the metrics of
    the batch as well in :meth:`on_batch_end`; averages, ``val_*`` and what earlier callbacks added in
    :meth:`on_epoch_end`. Epochs and batches count from 0. A subclass may also have methods marked with ``hookimpl``,
    which get ``run`` and only the arguments they name.

    Attributes:
        params: the arguments of ``summon``: ``batch_size, epochs, steps, samples, verbose, do_validation, metrics``.
        model: the model being trained.
        run: the :class:`cthulhu_core.Run` in which this callback takes part.
        on_error: ``"raise"`` lets an exception of this callback end training. ``"disable"`` is for observers: the
            exception is logged, and the third in a row takes the callback out of the run. An exception in
            :meth:`on_train_begin`, such as an unwritable path, always ends training before it begins.
        ranks: ``"all"``, or ``"main"`` to take part only in the main process of a distributed training.
        logged: the names that it adds to the logs of an epoch; ``()`` for none, None if it may add any. Callbacks that
            need all names before training ask ``planned_names(run)``. Not inherited: each class declares its own.
        secret: names of constructor arguments that are never written anywhere. Arguments called ``headers``,
            ``token``, ``password`` and the like never are (see ``contract/constructor_arguments.py``).

    Example:
        >>> class LossHistory(Callback):
        ...     def on_train_begin(self, logs={}):
        ...         self.losses = []
        ...
        ...     def on_batch_end(self, batch, logs={}):
        ...         self.losses.append(logs.get("loss"))
    """

    on_error: Literal["raise", "disable"] = "raise"
    ranks: Literal["all", "main"] = "all"
    logged: tuple[str, ...] | None = None
    secret: tuple[str, ...] = ()

    params: dict[str, Any]
    model: Any
    run: Run

    if not TYPE_CHECKING:  # for type checkers, a class without a constructor takes no arguments

        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            """Record the arguments of the constructor, for the manifest of its runs."""
            if (arguments or named) and cls.__init__ is object.__init__:
                raise TypeError(f"{cls.__name__}() takes no arguments")
            callback = super().__new__(cls)
            vars(callback)["_arguments"] = described(cls, arguments, named)
            return callback

        # The signature that help() shows for a class without a constructor.
        __new__.__signature__ = inspect.Signature([inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY)])

    def set_params(self, params: dict[str, Any]) -> None:
        """Set ``params``; called before training begins."""
        self.params = params

    def set_model(self, model: torch.nn.Module) -> None:
        """Set ``model``; called before training begins."""
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """Return what this callback must remember after a restart: numbers, strings, lists, dicts, tensors.

        The state covers every hook called so far; at the end of an epoch it is saved after all callbacks have seen it.
        Tensors need not be copies, as in a module's ``state_dict``: they are copied before training continues.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Restore a state that :meth:`state_dict` returned.

        Called after :meth:`on_train_begin` and before the first epoch, so that :meth:`on_train_begin` may always reset
        the callback. If a run resumes in the middle of an epoch, it is called after :meth:`on_epoch_begin`.
        ``run.resumed`` tells both methods that a state may follow, for example so that a file is not overwritten.
        """

    def written_checkpoints(self) -> Iterable[str | os.PathLike[str]] | None:
        """Return the checkpoints that this callback wrote, now or in an earlier process; None if it never writes any.

        Only existing files, in any order: ``resume_from="auto"`` takes the newest one that is whole. Called before
        training begins, in all processes of a distributed training.
        """
        return None

    def on_train_begin(self, logs: Logs, /) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs, /) -> None:
        """Training has ended, by itself, by a stop or by an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        """An epoch has ended, including its validation."""

    def on_batch_begin(self, batch: int, logs: Logs, /) -> None:
        """A training batch begins."""

    def on_gradients(self, batch: int, /) -> None:
        """The gradients of an optimizer step are ready and not applied; ``batch`` is the last one of the step."""

    def on_batch_end(self, batch: int, logs: Logs, /) -> None:
        """A training batch has ended. Overriding this reads the values of every batch from the device."""

    def on_save_point(self) -> None:
        """All participants have seen the end of a batch (``run.batch``) or an epoch: the place to save the run."""

    def on_test_begin(self, logs: Logs, /) -> None:
        """Validation or ``evaluate`` begins."""

    def on_test_batch_begin(self, batch: int, logs: Logs, /) -> None:
        """A batch of validation or ``evaluate`` begins."""

    def on_test_batch_end(self, batch: int, logs: Logs, /) -> None:
        """A batch of validation or ``evaluate`` has ended."""

    def on_test_end(self, logs: Logs, /) -> None:
        """Validation or ``evaluate`` has ended."""

    def on_predict_begin(self, logs: Logs, /) -> None:
        """``predict`` begins."""

    def on_predict_batch_begin(self, batch: int, logs: Logs, /) -> None:
        """A batch of ``predict`` begins."""

    def on_predict_batch_end(self, batch: int, logs: Logs, /) -> None:
        """A batch of ``predict`` has ended."""

    def on_predict_end(self, logs: Logs, /) -> None:
        """``predict`` has ended."""

    def on_exception(self, error: BaseException, /) -> None:
        """``error`` ends the run."""

    def on_teardown(self) -> None:
        """The run is over, however it ended: close what is open."""


METHODS: dict[str, str] = {
    "on_" + hook.removeprefix(PREFIX): hook for hook in HOOKS if hasattr(Callback, "on_" + hook.removeprefix(PREFIX))
}
"""The hook that calls each method of a callback."""
