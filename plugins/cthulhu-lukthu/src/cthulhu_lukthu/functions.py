"""LuKthuCallback: functions in place of methods."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from cthulhu_core import Callback

Function: TypeAlias = Callable[..., object]

METHODS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(method).parameters)[1:]
    for name, method in vars(Callback).items()
    if name.startswith("on_") and inspect.isfunction(method)
}
"""The methods of a callback and their arguments."""


class LuKthuCallback(Callback):
    """A callback made of functions, for jobs too small for a class.

    Each function is called with positional arguments, so its parameters may have any names: ``epoch, logs`` at the
    beginning and end of an epoch, ``batch, logs`` at those of a batch, ``logs`` at those of training. Return values are
    ignored, and errors stop training. Functions that you leave out cost nothing. Only ``on_batch_end`` reads the values
    of each batch from the device.

    In distributed training, every process calls the functions. If they write a file, set ``ranks = "main"`` on the
    callback before training.

    Args:
        on_epoch_begin: called at the beginning of every epoch.
        on_epoch_end: called at the end of every epoch.
        on_batch_begin: called at the beginning of every training batch.
        on_batch_end: called at the end of every training batch.
        on_train_begin: called when training begins.
        on_train_end: called when training ends.
        others: any other method of ``Callback`` by its name, e.g. ``on_test_end``.

    Raises:
        TypeError: If there is no such method, the value is not callable, or it cannot take the arguments of its
            method. The message names the argument.

    Example:
        >>> losses = open("losses.txt", mode="wt", buffering=1)
        >>> log_loss = LuKthuCallback(
        ...     on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"], file=losses),
        ...     on_train_end=lambda logs: losses.close(),
        ... )
        >>> model.summon(X_train, Y_train, callbacks=[log_loss])
    """

    def __init__(
        self,
        on_epoch_begin: Function | None = None,
        on_epoch_end: Function | None = None,
        on_batch_begin: Function | None = None,
        on_batch_end: Function | None = None,
        on_train_begin: Function | None = None,
        on_train_end: Function | None = None,
        **others: Function | None,
    ) -> None:
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            **others,
        }
        for name, function in given.items():
            _check(name, function)
        # A run registers only the methods that an instance overrides, so the others cost nothing.
        vars(self).update({name: function for name, function in given.items() if function is not None})


def _check(name: str, function: Any) -> None:
    """Check that ``function`` can take the place of the method ``name``.

    Raises:
        TypeError: If it cannot.
    """
    if name not in METHODS:
        # Keras has on_train_batch_... as another name of the batch hooks.
        close = difflib.get_close_matches(name.replace("on_train_batch_", "on_batch_"), METHODS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(METHODS)}"
        raise TypeError(f"LuKthuCallback({name}=...): there is no such method: {hint}")
    if function is None:
        return
    arguments = METHODS[name]
    expected = f"it is called with {', '.join(arguments) or 'no argument'}"
    if not callable(function):
        raise TypeError(f"LuKthuCallback({name}={function!r}): expected a function; {expected}")
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # Some functions written in C have no signature.
    try:
        signature.bind(*arguments)
    except TypeError as error:
        raise TypeError(f"LuKthuCallback({name}=...): the function takes {signature}, {expected}: {error}") from None
