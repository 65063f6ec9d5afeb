"""A callback that acts at a hook: it stops the run, raises, or inspects the run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.callback import METHODS, Callback
from cthulhu_core.contract.hookspecs import PREFIX, hookimpl

if TYPE_CHECKING:
    from cthulhu_core.run.run import Run

HOOKS = tuple(hook.removeprefix(PREFIX) for hook in METHODS.values())
"""The hooks of the loop, without ``cthulhu_``: ``"train_begin"``, ``"epoch_end"``, ..."""

TRAINING = tuple(
    hook for hook in HOOKS if not hook.startswith("predict") and hook not in ("train_end", "exception", "teardown")
)
"""The hooks that a training with validation calls, up to its end."""


class At(Callback):
    """Calls ``action(run)`` at ``hooks``. It does not name ``logs``, so it reads nothing from the device.

    Args:
        hooks: one or more hooks, without ``cthulhu_``: ``"epoch_end"``.
        action: the function to call.

    Example:
        >>> stop_early = At("batch_end", lambda run: run.stop())
    """

    logged = ()

    def __init__(self, hooks: str | Iterable[str], action: Callable[[Run], Any]) -> None:
        for hook in [hooks] if isinstance(hooks, str) else hooks:
            self.plant(hook, action)

    def plant(self, hook: str, action: Callable[[Run], Any]) -> None:
        """Call ``action(run)`` at ``hook`` from the next run on."""

        def implementation(run: Run) -> None:
            action(run)

        setattr(self, PREFIX + hook, hookimpl(implementation))
