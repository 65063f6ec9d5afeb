"""Who is called at each hook, in which order, and what happens when one of them fails.

pluggy validates and holds the implementations; :class:`Dispatch` has one plugin manager for a run and registers
in reverse, because pluggy calls the last registered first. :meth:`Dispatch.snapshot` takes what pluggy holds for a
hook and makes it a :class:`HookCall`, which does the same calls in the same order at the cost of the calls alone.
Not here: which participants a run has (run.py), and what is installed (registry.py).

Failures. An exception of a participant gets a note that says whose it is and where, and ends the run, unless
the participant says ``on_error = "disable"``: then it is logged, and the third in a row in one hook takes the
participant out of the run. In ``train_begin`` an exception always ends the run: what cannot work is said before
the training, not after it. Interrupts always end the run.
"""

from __future__ import annotations

import contextlib
import difflib
import inspect
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from types import MethodType
from typing import TYPE_CHECKING, Any

import pluggy

from cthulhu_core import hookspecs
from cthulhu_core.callback import Callback
from cthulhu_core.hookspecs import PREFIX, hookimpl
from cthulhu_core.training.distributed import rank

if TYPE_CHECKING:
    from cthulhu_core.run import Run

logger = logging.getLogger("cthulhu")

FAILURES_IN_A_ROW = 3

HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(spec).parameters)
    for name, spec in vars(hookspecs).items()
    if name.startswith(PREFIX)
}
"""Every hook and its arguments, read from the specifications."""

METHODS: dict[str, str] = {
    "on_" + hook.removeprefix(PREFIX): hook
    for hook in HOOKS
    if hasattr(Callback, "on_" + hook.removeprefix(PREFIX))
}
"""The methods of a callback and the hooks that call them."""


class RefusedCallback(TypeError):
    """What was given cannot take part in a run; the message says why and what to do."""


@dataclass(eq=False)
class Participant:
    """One object that takes part in a run: a callback, or a plugin with ``hookimpl`` functions."""

    plugin: object
    reason: str
    """Why it is here, for ``run.explain()``."""
    disabled: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    """Failures in a row, by hook."""

    @property
    def name(self) -> str:
        if inspect.ismodule(self.plugin):
            return self.plugin.__name__
        return type(self.plugin).__name__

    @property
    def main_only(self) -> bool:
        return getattr(self.plugin, "ranks", "all") == "main"

    @property
    def forgiving(self) -> bool:
        return getattr(self.plugin, "on_error", "raise") == "disable"

    def __str__(self) -> str:
        from cthulhu_core.registry import provider

        module = self.plugin.__name__ if inspect.ismodule(self.plugin) else type(self.plugin).__module__
        package = provider(module)
        return f"{self.name} ({package})" if package else f"{self.name} (module {module})"


# --- validation ---------------------------------------------------------------------------------------------------


def validate(plugin: object) -> None:
    """Refuse, with a sentence that says the cure, what cannot take part in a run.

    Raises:
        RefusedCallback: ``plugin`` is a class, is neither a callback nor has hook implementations, implements a
            hook that does not exist, or takes arguments that the hook does not give.
    """
    if inspect.isclass(plugin):
        raise RefusedCallback(f"{plugin.__name__} is a class, not an instance: write {plugin.__name__}(...)")
    marked = _marked(plugin)
    for name in HOOKS:
        if name not in marked and inspect.isroutine(getattr(plugin, name, None)):
            where = f"{Participant(plugin, '').name}.{name}"
            raise RefusedCallback(f"{where} would never be called: write @hookimpl above it")
    if not isinstance(plugin, Callback) and not marked:
        raise RefusedCallback(
            f"{plugin!r} is not a callback: expected an instance of cthulhu.callbacks.Callback, "
            "or an object with functions marked @hookimpl"
        )
    for name, options in marked.items():
        _validate_hookimpl(plugin, name, options)
    if isinstance(plugin, Callback):
        _validate_methods(plugin, marked)


def _marked(plugin: object) -> dict[str, dict[str, Any]]:
    """The functions of ``plugin`` that bear the mark of ``hookimpl``, with its options. Runs no property."""
    found: dict[str, dict[str, Any]] = {}
    for namespace in (*(vars(each) for each in reversed(type(plugin).__mro__)), getattr(plugin, "__dict__", {})):
        for name, value in namespace.items():
            function = value.__func__ if isinstance(value, (staticmethod, classmethod, MethodType)) else value
            options = getattr(function, "cthulhu_impl", None) if inspect.isfunction(function) else None
            found.pop(name, None)
            if options is not None:
                found[name] = options
    return found


def _validate_hookimpl(plugin: object, name: str, options: dict[str, Any]) -> None:
    hook = options.get("specname") or name
    where = f"{Participant(plugin, '').name}.{name}"
    if hook not in HOOKS:
        raise RefusedCallback(f"{where}: there is no hook {hook}{_did_you_mean(hook, HOOKS)}")
    if options.get("hookwrapper"):
        raise RefusedCallback(f"{where}: hookwrapper=True is pluggy's old style: use wrapper=True")
    function = getattr(plugin, name)
    if options.get("wrapper"):
        if not inspect.isgeneratorfunction(function):
            raise RefusedCallback(f"{where}: a wrapper calls the others where it yields: it needs a yield")
        if Participant(plugin, "").forgiving:
            raise RefusedCallback(
                f"{where}: a wrapper cannot be taken out of the run when it fails: it needs on_error = 'raise'"
            )
    for parameter in inspect.signature(function).parameters.values():
        takes = "takes " + ", ".join(HOOKS[hook])
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            raise RefusedCallback(f"{where}: {parameter} is never given by a hook: name what you want ({hook} {takes})")
        if parameter.default is not parameter.empty:
            raise RefusedCallback(f"{where}: the default of {parameter} would never be used: remove it")
        if parameter.name not in HOOKS[hook]:
            hint = _did_you_mean(parameter.name, HOOKS[hook])
            raise RefusedCallback(f"{where}: {hook} has no argument {parameter.name}{hint}; it {takes}")


def _validate_methods(callback: Callback, marked: Container[str]) -> None:
    name = type(callback).__name__
    for declaration, first, second in (("on_error", "raise", "disable"), ("ranks", "all", "main")):
        value = getattr(callback, declaration)
        if value not in (first, second):
            raise RefusedCallback(f"{name}.{declaration} is {value!r}: expected {first!r} or {second!r}")
    for method, hook in METHODS.items():
        if not _overridden(callback, method):
            continue
        given = HOOKS[hook][1:]
        function = getattr(callback, method)
        if hook in marked:
            raise RefusedCallback(f"{name} has both {method} and {hook}, which are the same hook: keep one of them")
        if not callable(function):
            raise RefusedCallback(f"{name}.{method} is {function!r}: expected a method")
        try:
            inspect.signature(function).bind(*given)
        except TypeError as error:
            raise RefusedCallback(
                f"{name}.{method}{inspect.signature(function)} is called with {len(given)} positional arguments "
                f"({', '.join(given)}): {error}"
            ) from None
    for method in dir(callback):
        if not method.startswith("on_") or hasattr(Callback, method):
            continue
        # From the class, so that no property is run.
        if callable(getattr(type(callback), method, vars(callback).get(method))):
            # Keras also knows the batch hooks of training as on_train_batch_...
            hint = _did_you_mean(method.replace("on_train_batch_", "on_batch_"), METHODS)
            if hint:
                raise RefusedCallback(f"{name}.{method} would never be called: there is no such hook{hint}")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f": did you mean {close[0]}?" if close else ""


def _overridden(callback: Callback, method: str) -> bool:
    return method in vars(callback) or getattr(type(callback), method) is not getattr(Callback, method)


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
                if _overridden(plugin, method):
                    bridge = hookimpl(_BRIDGES[HOOKS[hook][1:]](getattr(plugin, method)))
                    self.methods[bridge] = getattr(plugin, method)
                    setattr(self, hook, bridge)
        for name in _marked(plugin):
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

    def _forgive(self, participant: Participant, function: Callable[..., Any]) -> Callable[..., None]:
        """``function`` under ``on_error = "disable"``."""
        failures, hook = participant.failures, self.hook
        failures.setdefault(hook, 0)

        def forgiven(*arguments: Any) -> None:
            if participant.disabled and hook != "cthulhu_teardown":
                return
            try:
                function(*arguments)
            except Exception as error:
                failures[hook] += 1
                self.dispatch.forgive(error, participant, hook)
            else:
                failures[hook] = 0

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
        """What pluggy would call for ``hook`` now, in its order; None when that is nothing."""
        held = getattr(self.manager.hook, hook).get_hookimpls()
        if not held:
            return None
        # pluggy keeps first what it calls last; a teardown undoes, so it starts with the last.
        order = held if hook == "cthulhu_teardown" else held[::-1]
        return HookCall(self, hook, [(self._of[id(implementation.plugin)], implementation) for implementation in order])

    def note(self, error: BaseException, participant: Participant | None, hook: str) -> None:
        """Say on ``error`` whose it is and where it happened. Python 3.10 keeps notes but does not print them."""
        if isinstance(error, (KeyboardInterrupt, SystemExit)) or participant is None:
            return
        note = f"in {participant}, hook {hook}{self.run.position()}"
        notes = [*getattr(error, "__notes__", ()), note]
        error.__notes__ = notes  # type: ignore[attr-defined]

    def forgive(self, error: Exception, participant: Participant, hook: str) -> None:
        """Log a failure of an observer, and take it out of the run after too many."""
        self.note(error, participant, hook)
        count = participant.failures[hook]
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
