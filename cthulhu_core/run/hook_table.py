"""The hooks of one run: what each of them calls, and which batches are timed."""

from __future__ import annotations

from typing import Any

from cthulhu_core.contract.hookspecs import HOOKS, PREFIX
from cthulhu_core.run.costs import Costs
from cthulhu_core.run.dispatch import Dispatch
from cthulhu_core.run.hook_call import HookCall


class HookTable:
    """The hooks of one run, by name without ``cthulhu_``. A hook that nobody implements is not in it.

    Attributes:
        current: the hooks that the current batch uses, either with timers or without.
        batches_to_skip: how many batches from here on use ``current`` as it is.
    """

    def __init__(self, dispatch: Dispatch, costs: Costs) -> None:
        self._dispatch = dispatch
        self._costs = costs
        self._untimed: dict[str, HookCall] = {}
        self._timed: dict[str, HookCall] = {}
        self.current = self._timed
        self.batches_to_skip = 0

    def open(self) -> None:
        """Take a snapshot of every hook of the loop; participants that left one are back."""
        self._dispatch.return_all()
        self._costs.begin()
        self.time_everything()
        for hook in HOOKS:
            if HOOKS[hook][:1] == ("run",):
                self._take_snapshot(hook)

    def leave(self, plugin: object, hook: str) -> None:
        """Stop calling ``plugin`` at ``hook``."""
        self._dispatch.leave(plugin, hook)
        if hook.removeprefix(PREFIX) in self._untimed:
            self._take_snapshot(hook)

    def _take_snapshot(self, hook: str) -> None:
        name, call = hook.removeprefix(PREFIX), self._dispatch.snapshot(hook)
        if call is None:
            self._untimed.pop(name, None)
            self._timed.pop(name, None)
        else:
            of_batches = "batch" in HOOKS[hook] or name == "save_point"
            self._timed[name] = timed = self._costs.timed(call, of_batches)
            self._untimed[name] = call if of_batches else timed

    def call(self, name: str, *arguments: Any) -> None:
        """Call the implementations of a hook."""
        hook = self.current.get(name)
        if hook is not None:
            hook(*arguments)

    def call_guarded(self, name: str, *arguments: Any) -> list[BaseException]:
        """Call all implementations of a hook and return what they raise."""
        hook = self.current.get(name)
        return [] if hook is None else hook.guarded(*arguments)

    # --- which batches are timed --------------------------------------------------------------------------------------

    def choose(self) -> None:
        """Decide whether the batch that begins, and how many after it, are timed."""
        if self.current is self._timed:
            skipped = self._costs.batches_to_skip()
            if skipped:
                self.current, self.batches_to_skip = self._untimed, skipped - 1
                return
        self.current = self._timed
        self._costs.begin_batch()

    def time_everything(self) -> None:
        """Time everything from here to the end of the next batch."""
        self.current, self.batches_to_skip = self._timed, 0
        self._costs.time_next()
