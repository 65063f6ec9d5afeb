"""Callback: the class to subclass. It turns hooks into methods; what calls it is in dispatch.py."""

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
    """Base class of callbacks: override the methods you need, all others cost nothing.

    The methods are called positionally, so that their parameters may have any name and any default. ``logs`` is
    a dict from names to Python numbers, never None: ``batch`` and ``size`` in :meth:`on_batch_begin`; ``loss``
    and the metrics of the batch besides in :meth:`on_batch_end`; averages, ``val_*`` and what earlier callbacks
    added in :meth:`on_epoch_end`. Epochs and batches count from 0. A subclass may carry methods marked with
    ``hookimpl`` as well: they are given ``run`` and only the arguments they name.

    Attributes:
        params: what ``summon`` was told: ``batch_size, epochs, steps, samples, verbose, do_validation, metrics``.
        model: the model being trained.
        run: the :class:`cthulhu_core.Run` in which this callback takes part.
        on_error: ``"raise"`` lets an exception of this callback end training. ``"disable"`` is for observers:
            the exception is logged, and the third in a row takes the callback out of the run. What it raises in
            :meth:`on_train_begin`, an unwritable path for one, ends training before it begins.
        ranks: ``"all"``, or ``"main"`` to take part only in the main process of distributed training.
        logged: the names that it adds to the logs of an epoch, ``()`` for none; None where it may add any. Whoever
            must know before training what is going to be logged asks ``planned_names(run)``. Each class says it for
            itself: it is not inherited.
        secret: names of arguments of the constructor that are never written anywhere. What is called ``headers``,
            ``token``, ``password`` or alike is not in any case (see ``contract/constructor_arguments.py``).

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

    if not TYPE_CHECKING:  # a class without a constructor takes no arguments, as far as types are concerned

        def __new__(cls, *arguments: Any, **named: Any) -> Any:
            """Note what the callback is made with, for the manifest of its runs."""
            if (arguments or named) and cls.__init__ is object.__init__:
                raise TypeError(f"{cls.__name__}() takes no arguments")
            callback = super().__new__(cls)
            vars(callback)["_arguments"] = described(cls, arguments, named)
            return callback

        # What a class without a constructor shows in help().
        __new__.__signature__ = inspect.Signature([inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY)])

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what the run was told; called before training begins."""
        self.params = params

    def set_model(self, model: torch.nn.Module) -> None:
        """Take the model; called before training begins."""
        self.model = model

    def state_dict(self) -> dict[str, Any]:
        """What this callback must remember to go on after a restart: numbers, strings, lists, dicts, tensors.

        It stands for the hooks that this callback has been given so far: who saves the end of an epoch asks when all
        callbacks have had it. Tensors may be the callback's own, as in a module's ``state_dict``: who keeps them
        while training goes on copies them.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Take back what :meth:`state_dict` gave.

        Called after :meth:`on_train_begin` and before the first epoch, so that :meth:`on_train_begin` may always start
        afresh: a state loaded earlier would not survive it. Where a run goes on in the midst of an epoch, it is called
        after :meth:`on_epoch_begin`, too. ``run.resumed`` says in both that a state may follow, for what must not
        start afresh: a file is not to be overwritten then.
        """

    def written_checkpoints(self) -> Iterable[str | os.PathLike[str]] | None:
        """The files from which training can go on that this callback wrote, now or in an earlier run of the script.

        Those that are there, in any order: ``resume_from="auto"`` takes the newest that is whole. None, where it never
        writes any. It is asked in all processes of a distributed training, before training begins.
        """
        return None

    def on_train_begin(self, logs: Logs, /) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs, /) -> None:
        """Training has ended, by itself, by a stop or by an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        """An epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        """An epoch has ended, its validation included."""

    def on_batch_begin(self, batch: int, logs: Logs, /) -> None:
        """A training batch begins."""

    def on_gradients(self, batch: int, /) -> None:
        """The gradients of a step are there, and the optimizer has not taken it; ``batch`` is the last in it."""

    def on_batch_end(self, batch: int, logs: Logs, /) -> None:
        """A training batch has ended. Overriding this reads the values of every batch from the device."""

    def on_save_point(self) -> None:
        """Everybody has had the end of a batch (``run.batch``), or of an epoch: the place to save the run."""

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
"""The methods of a callback and the hooks that call them."""
