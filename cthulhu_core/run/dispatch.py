"""The participants of a run and the order in which each hook calls them.

pluggy validates and holds the implementations. :class:`Dispatch` has one plugin manager for each run and registers in
reverse, because pluggy calls the last registered first. :meth:`Dispatch.snapshot` turns what pluggy holds for a hook
into a :class:`HookCall`, which makes the same calls in the same order without pluggy's overhead.
"""

from __future__ import annotations

from collections.abc import Sequence

from cthulhu_core.contract.conformance import RefusedCallback, validate
from cthulhu_core.contract.plugin_manager import new_manager
from cthulhu_core.distributed.ranks import rank
from cthulhu_core.installed.participant import Participant
from cthulhu_core.run.bridge import Bridge
from cthulhu_core.run.call_context import FAILURES_IN_A_ROW, CallContext, logger
from cthulhu_core.run.hook_call import HookCall


class Dispatch:
    """The participants of one run and the plugin manager that holds them."""

    def __init__(self, participants: Sequence[Participant], context: CallContext) -> None:
        """Register ``participants`` in the order in which they are to be called.

        Raises:
            RefusedCallback: as :func:`validate`, or if one object is given twice.
        """
        self.context = context
        self.participants = list(participants)
        self.manager = new_manager()
        self._of: dict[int, Participant] = {}
        self._left: set[tuple[int, str]] = set()
        for position, participant in reversed(list(enumerate(self.participants))):
            plugin = participant.plugin
            validate(plugin)
            if any(participant.plugin is other.plugin for other in self.participants[:position]):
                raise RefusedCallback(f"{participant.name} is passed twice: pass each object once")
            if participant.main_only and rank() != 0:
                continue
            bridge = Bridge(plugin)
            self._of[id(bridge)] = participant
            self.manager.register(bridge, name=f"{position} {participant.name}")

    def snapshot(self, hook: str) -> HookCall | None:
        """Return what ``hook`` calls now, in order, without participants that left it; None if that is nothing."""
        held = [
            implementation
            for implementation in getattr(self.manager.hook, hook).get_hookimpls()
            if (id(self._of[id(implementation.plugin)].plugin), hook) not in self._left
        ]
        if not held:
            return None
        # pluggy lists first what it calls last. A teardown starts with the last participant.
        order = held if hook == "cthulhu_teardown" else held[::-1]
        return HookCall(
            self.context, hook, [(self._of[id(implementation.plugin)], implementation) for implementation in order]
        )

    def leave(self, plugin: object, hook: str) -> None:
        """Leave ``plugin`` out of later snapshots of ``hook``."""
        self._left.add((id(plugin), hook))

    def return_all(self) -> None:
        """Include in later snapshots everyone that left a hook."""
        self._left.clear()

    def report(self) -> None:
        """Log which participants were taken out of the run."""
        for participant in self.participants:
            if participant.disabled:
                logger.warning(
                    "%s was taken out of the run after %d failures in a row: its record of this run is incomplete",
                    participant, FAILURES_IN_A_ROW,
                )  # fmt: skip
