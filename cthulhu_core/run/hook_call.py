"""All implementations of one hook, called in order at the cost of the calls alone."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import pluggy

from cthulhu_core.contract.hookspecs import HOOKS
from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.installed.participant import Participant
from cthulhu_core.run.call_context import CallContext


class HookCall:
    """All implementations of one hook. Calling it calls them in order.

    Attributes:
        calls: participant, function and index into ``selections`` of each implementation.
        selections: functions that pick, from the arguments of the hook, those that implementations name.
        needs_logs: whether any implementation names ``logs``.
    """

    __slots__ = ("calls", "context", "hook", "needs_logs", "selections", "wrappers")

    def __init__(
        self, context: CallContext, hook: str, implementations: Sequence[tuple[Participant, pluggy.HookImpl]]
    ) -> None:
        self.context = context
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
            self.context.note(error, participant, self.hook)
            raise

    def replaced(
        self, function: Callable[[Participant, Any], Any], wrapper: Callable[[Participant, Any], Any]
    ) -> HookCall:
        """Return the same calls with each function replaced by ``function(participant, it)``; likewise wrappers."""
        twin = copy.copy(self)
        twin.calls = [(participant, function(participant, call), choice) for participant, call, choice in self.calls]
        twin.wrappers = [
            (participant, wrapper(participant, call), choice) for participant, call, choice in self.wrappers
        ]
        return twin

    def guarded(self, *arguments: Any) -> list[BaseException]:
        """Call all implementations even if some raise, and return the exceptions, each with its note."""
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
                        self.context.note(error, participant, self.hook)
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
                    self.context.note(error, participant, self.hook)
                    raise

    def _wrapper(self, participant: Participant, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a hook wrapper, which is a generator around the inner calls, as a context manager."""
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
                if error is not inner:  # the wrapper itself raised
                    self.context.note(error, participant, self.hook)
                raise

        return wrapper

    def _alone(self, function: Callable[..., Any]) -> Callable[..., None]:
        """Return ``function``, called in the main process only."""

        def alone(*arguments: Any) -> None:
            self.context.is_alone = True
            try:
                function(*arguments)
            finally:
                self.context.is_alone = False

        return alone

    def _forgive(self, participant: Participant, function: Callable[..., Any]) -> Callable[..., None]:
        """Return ``function`` with the policy of ``on_error = "disable"``."""
        failures, hook = participant.failures, self.hook
        name = f"{hook} {getattr(function, '__qualname__', function)}"
        failures.setdefault(name, 0)

        def forgiven(*arguments: Any) -> None:
            if participant.disabled and hook != "cthulhu_teardown":
                return
            try:
                function(*arguments)
            except Exception as error:  # noqa: BLE001 - an observer never ends training
                failures[name] += 1
                self.context.forgive(error, participant, hook, failures[name])
            else:
                failures[name] = 0

        return forgiven


def _selection(indices: list[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return a function from a tuple to the tuple of its elements at ``indices``."""
    if len(indices) > 1:
        return itemgetter(*indices)
    return itemgetter(slice(indices[0], indices[0] + 1) if indices else slice(0))
