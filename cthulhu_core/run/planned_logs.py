"""The names that a run is going to log, known before its first epoch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from cthulhu_core.contract.callback import METHODS, Callback
from cthulhu_core.contract.conformance import marked

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


def planned_names(run: Run) -> list[str] | None:
    """Return every name that the epochs of ``run`` can log; None if it cannot be known in advance.

    It is known if the run was given its metrics and all participants declare what they add (``Callback.logged``). Names
    with ``val_`` are logged in epochs that are validated.

    Example:
        >>> planned_names(Run(model, metrics=["loss", "acc"], validation=True))
        ['loss', 'acc', 'val_loss', 'val_acc']
    """
    names: list[str] = list(run.params["metrics"])
    for participant in run.participants:
        added = added_by(participant.plugin)
        if added is None:
            return None
        names += added
    return list(dict.fromkeys(names)) if run.params["metrics"] else None


def added_by(plugin: object) -> tuple[str, ...] | None:
    """Return the names that a callback or plugin declares to add to the logs of an epoch; None if it may add any."""
    if not isinstance(plugin, Callback):
        hooks = {options["specname"] or name for name, options in marked(plugin).items()}
        if hooks.isdisjoint(METHODS.values()):
            return ()  # it only offers services, and is never called in the loop
    # Not inherited: a base class cannot know what its subclass adds. A plugin may be a module.
    logged: tuple[str, ...] | None = vars(plugin if inspect.ismodule(plugin) else type(plugin)).get("logged")
    return logged
