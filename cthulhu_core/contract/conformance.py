"""Checks whether an object can take part in a run, so that nothing is silently dropped or never called."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Container, Iterator, Sequence
from types import MethodType, new_class
from typing import Any, NamedTuple

from cthulhu_core.contract.callback import METHODS, Callback
from cthulhu_core.contract.hookspecs import HOOKS, SERVICES
from cthulhu_core.names import did_you_mean


class RefusedCallback(TypeError):
    """An object that cannot take part in a run; the message says why and what to do."""


class Problem(NamedTuple):
    """A reason to refuse an object, the cure, and the method or attribute concerned, if any."""

    what: str
    cure: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.cure}"


def validate(plugin: object) -> None:
    """Refuse an object that cannot take part in a run, with a message that says the cure.

    Raises:
        RefusedCallback: ``plugin`` is a class, is neither a callback nor has hook implementations, implements a
            hook that does not exist, or takes arguments that the hook does not have.
    """
    for problem in problems(plugin):
        raise RefusedCallback(str(problem))


def problems(plugin: object) -> Iterator[Problem]:
    """Yield every reason to refuse ``plugin``."""
    if inspect.isclass(plugin):
        yield Problem(f"{plugin.__name__} is a class, not an instance", f"write {plugin.__name__}(...)")
        return
    marks = marked(plugin)
    for name in HOOKS:
        if name not in marks and inspect.isroutine(getattr(plugin, name, None)):
            yield Problem(f"{name_of(plugin)}.{name} would never be called", "write @hookimpl above it", name)
    if not isinstance(plugin, Callback) and not marks:
        yield Problem(
            f"{plugin!r} is not a callback",
            "expected an instance of cthulhu.callbacks.Callback, or an object with functions marked @hookimpl",
        )
    for name, options in marks.items():
        yield from (problem._replace(member=name) for problem in _hookimpl_problems(plugin, name, options))
    if isinstance(plugin, Callback):
        yield from _method_problems(plugin, marks)


def problems_of_class(kind: type[Callback]) -> Iterator[Problem]:
    """Yield every reason to refuse instances of ``kind`` that shows before one is made."""
    if hasattr(kind, "__del__"):  # it expects what the constructor sets
        kind = new_class(kind.__name__, (kind,), exec_body=lambda body: body.update(__del__=lambda self: None))
    try:
        unmade = object.__new__(kind)
    except TypeError:  # e.g. a class that is also a dict
        return
    # Attributes that the constructor sets are missing: a property that needs one ends the search.
    with contextlib.suppress(AttributeError):
        yield from problems(unmade)
        yield from service_problems(unmade)


def refuse_services(plugin: object) -> None:
    """Refuse an object given to a run that implements hooks of installed plugins.

    Raises:
        RefusedCallback: ``plugin`` implements such a hook, which would never be called.
    """
    for problem in service_problems(plugin):
        raise RefusedCallback(str(problem))


def service_problems(plugin: object) -> Iterator[Problem]:
    """Yield the hooks of an object given to a run that would never be called."""
    for name, options in marked(plugin).items():
        hook = options.get("specname") or name
        if hook in SERVICES:
            yield Problem(
                f"{name_of(plugin)}.{name} would never be called",
                f"{hook} is asked of installed plugins alone; offer the object as an entry point in the group "
                '"cthulhu.plugins"',
                name,
            )


def marked(plugin: object) -> dict[str, dict[str, Any]]:
    """Return the functions of ``plugin`` marked with ``hookimpl`` and their options, without running properties."""
    found: dict[str, dict[str, Any]] = {}
    for namespace in (*(vars(each) for each in reversed(type(plugin).__mro__)), getattr(plugin, "__dict__", {})):
        for name, value in namespace.items():
            function = value.__func__ if isinstance(value, (staticmethod, classmethod, MethodType)) else value
            options = getattr(function, "cthulhu_impl", None) if inspect.isfunction(function) else None
            found.pop(name, None)
            if options is not None:
                found[name] = options
    return found


def _hookimpl_problems(plugin: object, name: str, options: dict[str, Any]) -> Iterator[Problem]:
    hook = options.get("specname") or name
    where = f"{name_of(plugin)}.{name}"
    if hook not in HOOKS:
        yield Problem(f"{where}: there is no hook {hook}", did_you_mean(hook, HOOKS) or f"hooks are {', '.join(HOOKS)}")
        return
    if options.get("hookwrapper"):
        yield Problem(f"{where}: hookwrapper=True is pluggy's old style", "use wrapper=True")
    function = getattr(plugin, name)
    if options.get("wrapper"):
        if not inspect.isgeneratorfunction(function):
            yield Problem(f"{where}: a wrapper calls the others where it yields", "it needs a yield")
        if getattr(plugin, "on_error", "raise") == "disable":
            taken_out = f"{where}: a wrapper cannot be taken out of the run when it fails"
            yield Problem(taken_out, "it needs on_error = 'raise'")
    for parameter in inspect.signature(function).parameters.values():
        takes = "takes " + ", ".join(HOOKS[hook])
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.KEYWORD_ONLY):
            yield Problem(f"{where}: {parameter} is never given by a hook", f"name what you want ({hook} {takes})")
        elif parameter.default is not parameter.empty:
            yield Problem(f"{where}: the default of {parameter} would never be used", "remove it")
        elif parameter.name not in HOOKS[hook]:
            hint = did_you_mean(parameter.name, HOOKS[hook])
            cure = f"{hint} It {takes}" if hint else f"it {takes}"
            yield Problem(f"{where}: {hook} has no argument {parameter.name}", cure)


def _method_problems(callback: Callback, marks: Container[str]) -> Iterator[Problem]:
    name = type(callback).__name__
    for declaration, first, second in (("on_error", "raise", "disable"), ("ranks", "all", "main")):
        value = getattr(callback, declaration)
        if value not in (first, second):
            yield Problem(f"{name}.{declaration} is {value!r}", f"expected {first!r} or {second!r}")
    for method, hook in METHODS.items():
        if is_overridden(callback, method):
            if hook in marks:
                both = f"{name} has both {method} and {hook}, which are the same hook"
                yield Problem(both, "keep one of them", method)
            for problem in _call_problems(f"{name}.{method}", getattr(callback, method), HOOKS[hook][1:]):
                yield problem._replace(member=method)
    for method in dir(callback):
        if not method.startswith("on_") or hasattr(Callback, method):
            continue
        # Looked up on the class, so that no property runs.
        if callable(getattr(type(callback), method, vars(callback).get(method))):
            # Keras calls the batch hooks of training on_train_batch_..., too.
            hint = did_you_mean(method.replace("on_train_batch_", "on_batch_"), METHODS)
            if hint:
                yield Problem(f"{name}.{method} would never be called: there is no such hook", hint, method)


def _call_problems(where: str, function: Any, given: Sequence[str]) -> Iterator[Problem]:
    """Yield reasons why calling the method with ``given`` would fail, or do nothing."""
    if not callable(function):
        yield Problem(f"{where} is {function!r}", "expected a method")
        return
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        kind = "async" if inspect.iscoroutinefunction(function) else "a generator"
        yield Problem(f"{where} is {kind}", "a call would do nothing; make it a plain method")
    try:
        inspect.signature(function).bind(*given)
    except TypeError as error:
        called = f"is called with {len(given)} positional arguments ({', '.join(given)})"
        cure = f"{error}; write {where.rpartition('.')[2]}({', '.join(['self', *given])})"
        yield Problem(f"{where}{inspect.signature(function)} {called}", cure)


def name_of(plugin: object) -> str:
    """Return the name of ``plugin`` for messages: that of the module, or of the class."""
    return plugin.__name__ if inspect.ismodule(plugin) else type(plugin).__name__


def is_overridden(callback: Callback, method: str) -> bool:
    """Return whether ``callback`` or its class overrides ``method``."""
    return method in vars(callback) or getattr(type(callback), method) is not getattr(Callback, method)
