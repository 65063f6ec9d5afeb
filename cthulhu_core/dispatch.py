"""Who is called at each hook, in which order, and what happens when one of them fails.

pluggy validates and holds the implementations; :class:`Dispatch` has one plugin manager for a run and registers
in reverse, because pluggy calls the last registered first. :meth:`Dispatch.snapshot` takes what pluggy holds for a
hook and makes it a :class:`HookCall`, which does the same calls in the same order at the cost of the calls alone.
Not here: who is refused (validation.py), which participants a run has (run.py), what is installed (registry.py).

Failures. An exception of a participant gets a note that says whose it is and where, and ends the run, unless
the participant says ``on_error = "disable"``: then it is logged, and the third in a row in one hook takes the
participant out of the run. In ``train_begin`` an exception always ends the run: what cannot work is said before
the training, not after it. Interrupts always end the run.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import pluggy

from cthulhu_core import hookspecs
from cthulhu_core.callback import METHODS, Callback
from cthulhu_core.hookspecs import HOOKS, hookimpl
from cthulhu_core.training.distributed import rank, world_size
from cthulhu_core.validation import RefusedCallback, is_overridden, marked, name_of, validate

if TYPE_CHECKING:
    from cthulhu_core.run import Run

logger = logging.getLogger("cthulhu")

FAILURES_IN_A_ROW = 3


@dataclass(eq=False)
class Participant:
    """One object that takes part in a run: a callback, or a plugin with ``hookimpl`` functions."""

    plugin: object
    reason: str
    """Why it is here, for ``run.explain()``."""
    disabled: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    """Failures in a row, by implementation: a participant may have two of one hook."""

    @property
    def name(self) -> str:
        return name_of(self.plugin)

    @property
    def main_only(self) -> bool:
        return getattr(self.plugin, "ranks", "all") == "main"

    @property
    def forgiving(self) -> bool:
        return getattr(self.plugin, "on_error", "raise") == "disable"

    @property
    def module(self) -> str:
        return self.plugin.__name__ if inspect.ismodule(self.plugin) else type(self.plugin).__module__

    @property
    def package(self) -> str:
        """Name and version of the distribution that offers it; empty if none does."""
        from cthulhu_core.registry import package_of

        return " ".join(package_of(self.module)).strip()

    def __str__(self) -> str:
        from cthulhu_core.registry import provider

        return f"{self.name} ({provider(self.module) or f'module {self.module}'})"


# --- from methods to hooks ------------------------------------------------------------------------------------------

# pluggy reads the names of arguments from the code object, so each shape needs a function of its own.
_BRIDGES: dict[tuple[str, ...], Callable[[Callable[..., None]], Callable[..., None]]] = {
    (): lambda method: lambda: method(),
    ("logs",): lambda method: lambda logs: method(logs),
    ("epoch", "logs"): lambda method: lambda epoch, logs: method(epoch, logs),
    ("batch", "logs"): lambda method: lambda batch, logs: method(batch, logs),
    ("batch",): lambda method: lambda batch: method(batch),
    ("error",): lambda method: lambda error: method(error),
}


class Bridge:
    """What pluggy holds for a participant: its hookimpls and, for a callback, a function for each overridden method.

    Attributes:
        methods: from those functions to the methods, which a snapshot calls directly.
    """

    def __init__(self, plugin: object) -> None:
        self.methods: dict[Callable[..., None], Callable[..., None]] = {}
        if isinstance(plugin, Callback):
            for method, hook in METHODS.items():
                if is_overridden(plugin, method):
                    bridge = hookimpl(_BRIDGES[HOOKS[hook][1:]](getattr(plugin, method)))
                    self.methods[bridge] = getattr(plugin, method)
                    setattr(self, hook, bridge)
        for name in marked(plugin):
            setattr(self, name, getattr(plugin, name))

    def __dir__(self) -> list[str]:
        # pluggy looks at every attribute of what it registers, slowly.
        return [name for name in vars(self) if name != "methods"]


# --- dispatch -------------------------------------------------------------------------------------------------------


def new_manager() -> pluggy.PluginManager:
    """A plugin manager that knows the hook specifications."""
    manager = pluggy.PluginManager("cthulhu")
    manager.add_hookspecs(hookspecs)
    return manager


class HookCall:
    """All implementations of one hook, in order: calling it calls them.

    Attributes:
        calls: for each implementation: whose it is, the function, and which of ``selections`` it takes.
        selections: each takes the hook's arguments to the tuple that some implementations name.
        needs_logs: whether any implementation names ``logs``.
    """

    __slots__ = ("calls", "dispatch", "hook", "needs_logs", "selections", "wrappers")

    def __init__(
        self, dispatch: Dispatch, hook: str, implementations: Sequence[tuple[Participant, pluggy.HookImpl]]
    ) -> None:
        self.dispatch = dispatch
        self.hook = hook
        self.needs_logs = any("logs" in implementation.argnames for _, implementation in implementations)
        self.selections: list[Callable[[tuple[Any, ...]], tuple[Any, ...]]] = []
        self.calls: list[tuple[Participant, Callable[..., Any], int]] = []
        self.wrappers: list[tuple[Participant, Callable[..., Any], int]] = []
        chosen: dict[tuple[str, ...], int] = {}
        for participant, implementation in implementations:
            names = tuple(implementation.argnames)
            if names not in chosen:
                chosen[names] = len(self.selections)
                self.selections.append(_selection([HOOKS[hook].index(name) for name in names]))
            bridge: Any = implementation.plugin
            function = bridge.methods.get(implementation.function, implementation.function)
            if participant.main_only and not implementation.wrapper and world_size() > 1:
                function = self._alone(function)
            if implementation.wrapper:
                self.wrappers.append((participant, self._wrapper(participant, function), chosen[names]))
            elif participant.forgiving and hook != "cthulhu_train_begin":
                self.calls.append((participant, self._forgive(participant, function), chosen[names]))
            else:
                self.calls.append((participant, function, chosen[names]))

    def __call__(self, *arguments: Any) -> None:
        if self.wrappers:
            self._call_wrapped(arguments)
            return
        chosen = [select(arguments) for select in self.selections]
        participant = None
        try:
            for participant, function, selection in self.calls:
                function(*chosen[selection])
        except BaseException as error:
            self.dispatch.note(error, participant, self.hook)
            raise

    def replaced(
        self, function: Callable[[Participant, Any], Any], wrapper: Callable[[Participant, Any], Any]
    ) -> HookCall:
        """The same calls with other functions in the place of theirs: what ``function``, ``wrapper`` make of them."""
        twin = copy.copy(self)
        twin.calls = [(participant, function(participant, call), choice) for participant, call, choice in self.calls]
        twin.wrappers = [
            (participant, wrapper(participant, call), choice) for participant, call, choice in self.wrappers
        ]
        return twin

    def guarded(self, *arguments: Any) -> list[BaseException]:
        """Call all of them, whoever raises; the exceptions are returned, each with its note."""
        errors: list[BaseException] = []
        chosen = [select(arguments) for select in self.selections]
        try:
            with contextlib.ExitStack() as stack:
                for _, wrapper, selection in self.wrappers:
                    try:
                        stack.enter_context(wrapper(*chosen[selection]))
                    except BaseException as error:  # noqa: BLE001 - returned to the caller
                        errors.append(error)
                for participant, function, selection in self.calls:
                    try:
                        function(*chosen[selection])
                    except BaseException as error:  # noqa: BLE001 - returned to the caller
                        self.dispatch.note(error, participant, self.hook)
                        errors.append(error)
        except BaseException as error:  # noqa: BLE001 - returned to the caller
            errors.append(error)
        return errors

    def _call_wrapped(self, arguments: tuple[Any, ...]) -> None:
        chosen = [select(arguments) for select in self.selections]
        with contextlib.ExitStack() as stack:
            for _, wrapper, selection in self.wrappers:
                stack.enter_context(wrapper(*chosen[selection]))
            for participant, function, selection in self.calls:
                try:
                    function(*chosen[selection])
                except BaseException as error:
                    self.dispatch.note(error, participant, self.hook)
                    raise

    def _wrapper(self, participant: Participant, function: Callable[..., Any]) -> Callable[..., Any]:
        """A wrapper, which is a generator around the inner calls, as the context manager that it amounts to."""
        context = contextlib.contextmanager(function)

        @contextlib.contextmanager
        def wrapper(*arguments: Any) -> Iterator[None]:
            inner: BaseException | None = None
            try:
                with context(*arguments):
                    try:
                        yield
                    except BaseException as error:
                        inner = error
                        raise
            except BaseException as error:
                if error is not inner:  # it raised this itself
                    self.dispatch.note(error, participant, self.hook)
                raise

        return wrapper

    def _alone(self, function: Callable[..., Any]) -> Callable[..., None]:
        """``function``, which the main process calls alone."""

        def alone(*arguments: Any) -> None:
            self.dispatch.is_alone = True
            try:
                function(*arguments)
            finally:
                self.dispatch.is_alone = False

        return alone

    def _forgive(self, participant: Participant, function: Callable[..., Any]) -> Callable[..., None]:
        """``function`` under ``on_error = "disable"``."""
        failures, hook = participant.failures, self.hook
        name = f"{hook} {getattr(function, '__qualname__', function)}"
        failures.setdefault(name, 0)

        def forgiven(*arguments: Any) -> None:
            if participant.disabled and hook != "cthulhu_teardown":
                return
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - whatever an observer raises, training goes on
                failures[name] += 1
                self.dispatch.forgive(error, participant, hook, failures[name])
            else:
                failures[name] = 0

        return forgiven


def _selection(indices: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A function that takes a tuple to the tuple of those of its elements."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return itemgetter(slice(indices[0], indices[0] + 1) if indices else slice(0))


class Dispatch:
    """The participants of one run and the plugin manager that holds them."""

    def __init__(self, participants: Sequence[Participant], run: Run) -> None:
        """Register ``participants``, in the order in which they are to be called.

        Raises:
            RefusedCallback: as :func:`validate`, or if one object is given twice.
        """
        self.run = run
        self.participants = list(participants)
        self.manager = new_manager()
        self._of: dict[int, Participant] = {}
        self._left: set[tuple[int, str]] = set()
        self.is_alone = False
        """Whether a participant is being called of which there are no others in the other processes."""
        for position, participant in reversed(list(enumerate(self.participants))):
            plugin = participant.plugin
            validate(plugin)
            if any(participant.plugin is other.plugin for other in self.participants[:position]):
                raise RefusedCallback(f"{participant.name} is given twice: the same object can take part once")
            if participant.main_only and rank() != 0:
                continue
            bridge = Bridge(plugin)
            self._of[id(bridge)] = participant
            self.manager.register(bridge, name=f"{position} {participant.name}")

    def snapshot(self, hook: str) -> HookCall | None:
        """What pluggy would call for ``hook`` now, in its order, but for who has left; None when that is nothing."""
        held = [
            implementation
            for implementation in getattr(self.manager.hook, hook).get_hookimpls()
            if (id(self._of[id(implementation.plugin)].plugin), hook) not in self._left
        ]
        if not held:
            return None
        # pluggy keeps first what it calls last; a teardown undoes, so it starts with the last.
        order = held if hook == "cthulhu_teardown" else held[::-1]
        return HookCall(self, hook, [(self._of[id(implementation.plugin)], implementation) for implementation in order])

    def leave(self, plugin: object, hook: str) -> None:
        """Leave ``plugin`` out of the snapshots of ``hook`` from now on."""
        self._left.add((id(plugin), hook))

    def return_all(self) -> None:
        """Take in again who has left."""
        self._left.clear()

    def note(self, error: BaseException, participant: Participant | None, hook: str) -> None:
        """Say on ``error`` whose it is and where it happened. Python 3.10 keeps notes but does not print them."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)) or participant is None:
            return
        where = f", rank {rank()}" if world_size() > 1 else ""
        note = f"in {participant}, hook {hook}{self.run.position()}{where}"
        notes = [*getattr(error, "__notes__", ()), note]
        error.__notes__ = notes  # type: ignore[attr-defined]

    def forgive(self, error: Exception, participant: Participant, hook: str, count: int) -> None:
        """Log a failure of an observer, and take it out of the run after too many."""
        self.note(error, participant, hook)
        logger.error(
            "%s failed in hook %s%s; training goes on (failure %d of %d in a row)",
            participant, hook, self.run.position(), count, FAILURES_IN_A_ROW, exc_info=error,
        )  # fmt: skip
        if count >= FAILURES_IN_A_ROW:
            participant.disabled = True

    def report(self) -> None:
        """Say at the end of the run who was taken out of it."""
        for participant in self.participants:
            if participant.disabled:
                logger.warning(
                    "%s was taken out of the run after %d failures in a row: its record of this run is incomplete",
                    participant, FAILURES_IN_A_ROW,
                )  # fmt: skip
