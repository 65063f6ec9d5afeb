"""What a run is going to log, for whoever must know it before the first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cthulhu_core.callback import METHODS, Callback
from cthulhu_core.validation import marked

if TYPE_CHECKING:
    from cthulhu_core.dispatch import Participant
    from cthulhu_core.run import Run

_ADDED: dict[str, tuple[str, ...]] = {
    "cthulhu_checkpoint": (),
    "cthulhu_core": (),
    "cthulhu_csv": (),
    "cthulhu_early_stopping": (),
    "cthulhu_lr_scheduler": ("lr",),
    "cthulhu_progbar": (),
    "cthulhu_reduce_lr": ("lr",),
    "cthulhu_remote": (),
    "cthulhu_tensorboard": (),
    "cthulhu_terminate_on_nan": (),
}
"""What the callbacks of these packages add to the logs. All others may add anything."""


def planned_names(run: Run) -> list[str] | None:
    """Every name that the epochs of ``run`` can log; None where that cannot be known before they have.

    It is known where the run was told its metrics, and nobody takes part who might add values of their own. Those
    with ``val_`` are logged in epochs that are validated.

    Example:
        >>> planned_names(Run(model, metrics=["loss", "acc"], validation=True))
        ['loss', 'acc', 'val_loss', 'val_acc']
    """
    names: list[str] = list(run.params["metrics"])
    for participant in run._dispatch.participants:
        added = _added_by(participant)
        if added is None:
            return None
        names += added
    return list(dict.fromkeys(names)) if run.params["metrics"] else None


def _added_by(participant: Participant) -> tuple[str, ...] | None:
    if not isinstance(participant.plugin, Callback):
        hooks = {options["specname"] or name for name, options in marked(participant.plugin).items()}
        if hooks.isdisjoint(METHODS.values()):
            return ()  # it offers services, and is never called in the loop
    return _ADDED.get(participant.module.partition(".")[0])
