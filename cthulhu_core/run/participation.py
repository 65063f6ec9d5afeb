"""Who takes part in a run, and what they cost it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.conformance import refuse_services
from cthulhu_core.contract.hookspecs import HOOKS
from cthulhu_core.distributed.failures import ending_together
from cthulhu_core.distributed.ranks import rank, world_size
from cthulhu_core.installed.config import Attached, named
from cthulhu_core.installed.manifest import manifest
from cthulhu_core.installed.participant import Participant
from cthulhu_core.installed.services import active_plugins, default_callbacks
from cthulhu_core.run.base_logger import BaseLogger
from cthulhu_core.run.call_context import CallContext
from cthulhu_core.run.costs import Cost, Costs
from cthulhu_core.run.dispatch import Dispatch
from cthulhu_core.run.explain import explain
from cthulhu_core.run.hook_table import HookTable

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


class Participation:
    """The participants of a :class:`Run`."""

    model: Any
    params: dict[str, Any]
    tests_alone: bool
    _given: list[Attached]
    _context: CallContext
    _costs: Costs
    _dispatch: Dispatch
    _hooks: HookTable
    _together: ExitStack

    @property
    def given(self) -> list[Any]:
        """The ``callbacks`` argument as one list, followed by the callbacks of ``CTHULHU_CONFIG``."""
        return [callback for callback, _ in self._given]

    @property
    def participants(self) -> list[Participant]:
        """Everything that takes part, in order: callbacks, and plugins that are in every run."""
        return list(self._dispatch.participants)

    @property
    def callbacks(self) -> list[Callback]:
        """The callbacks that take part, in order."""
        plugins = (participant.plugin for participant in self._dispatch.participants)
        return [plugin for plugin in plugins if isinstance(plugin, Callback)]

    @property
    def is_main(self) -> bool:
        """Whether this is the only process, or the main one of a distributed training, which prints and writes."""
        return rank() == 0

    @property
    def is_alone(self) -> bool:
        """Whether a callback is being called that exists in the main process only."""
        return self._context.is_alone

    def leave(self, plugin: object, hook: str) -> None:
        """Stop calling ``plugin`` at ``hook`` in this run, because its work there is done.

        A batch hook costs time even if its implementation returns immediately; one that everyone has left is free.

        Args:
            plugin: a callback, or an object with ``hookimpl`` functions, that takes part.
            hook: the name, e.g. ``"cthulhu_batch_begin"``; may be the hook that is being called.

        Raises:
            ValueError: there is no such hook.

        Example:
            >>> class FirstBatch(Callback):
            ...     @hookimpl
            ...     def cthulhu_batch_begin(self, run):
            ...         print(run.current.inputs)
            ...         run.leave(self, "cthulhu_batch_begin")
        """
        if hook not in HOOKS:
            raise ValueError(f"there is no hook {hook!r}: hooks are {', '.join(HOOKS)}")
        self._hooks.leave(plugin, hook)

    def explain(self) -> None:
        """Print the loop with every participant in its place, and why it takes part."""
        print(explain(self._dispatch))  # noqa: T201 - its purpose

    def costs(self) -> list[Cost]:
        """Return the time that the run has spent in the hooks of each participant, the most expensive first.

        The time in hooks of batches is estimated from a sample of them (see :mod:`cthulhu_core.run.costs`).

        Returns:
            For each participant and hook: ``name, package, hook, seconds, share``. ``share`` is the fraction of the
            time that the run took, or has taken so far.

        Example:
            >>> for cost in model.summon(x, y, callbacks=[TensorBoard()]).run.costs():
            ...     print(f"{cost.name} in {cost.hook}: {cost.share:.1%}")
        """
        return self._costs.costs()

    def manifest(self) -> dict[str, Any]:
        """Return the active packages and the participants with their arguments, ready for ``json.dumps``.

        Values of headers, tokens, passwords and the like are left out.

        Returns:
            ``packages``: versions by name. ``participants``, in order: dicts of ``name``, ``package``, ``version``,
            ``reason`` and ``arguments``.

        Example:
            >>> Run(model, callbacks=[CSVLogger("log.csv")]).manifest()["participants"][1]["arguments"]
            {'filename': 'log.csv'}
        """
        return manifest(self._dispatch.participants)

    def _open_hooks(self) -> None:
        """Take snapshots of the hooks, and give the callbacks run, params and model."""
        if world_size() > 1 and not self.tests_alone:
            self._together.enter_context(ending_together())
        self._hooks.open()
        for participant in self._dispatch.participants:
            if isinstance(participant.plugin, Callback):
                participant.plugin.run = cast("Run", self)
                self._tell(participant, "set_params", self.params)
                self._tell(participant, "set_model", self.model)

    def _tell(self, participant: Participant, method: str, value: Any) -> None:
        try:
            getattr(participant.plugin, method)(value)
        except Exception as error:
            self._context.note(error, participant, method)
            raise


def given_callbacks(callbacks: Any) -> list[Attached]:
    """Return the ``callbacks`` argument of a run as one list, with installed callbacks made for their names."""
    given = [] if callbacks is None else flatten(callbacks)
    return [Attached(named(each) if isinstance(each, str) else each, f"callbacks[{i}]") for i, each in enumerate(given)]


def flatten(callbacks: Any) -> list[Any]:
    """Return a callback, or lists and tuples of callbacks in any depth, as one list in order."""
    if isinstance(callbacks, (list, tuple)):
        return [callback for each in callbacks for callback in flatten(each)]
    return [callbacks]


def participants_of(run: Run, base_logger: BaseLogger, given: Sequence[Attached]) -> list[Participant]:
    """Return everything that takes part in ``run``.

    Raises:
        RefusedCallback: one of ``given`` implements a service hook, which would never be called.
    """
    plugins = active_plugins()
    for callback, _ in given:
        refuse_services(callback)
    return [
        Participant(base_logger, "in every run, first"),
        *(Participant(plugin.plugin, f"plugin {plugin.record.name}, in every run") for plugin in plugins),
        *(
            Participant(callback, f"added by plugin {record.name}")
            for record, callback in default_callbacks(plugins, run)
        ),
        *(Participant(callback, reason) for callback, reason in given),
        Participant(run.history, "in every run, last"),
    ]
