"""Who may take part in a run: what pluggy would drop or never call is refused, with a sentence that says the cure."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Container, Iterable
from types import MethodType
from typing import Any

from cthulhu_core.callback import METHODS, Callback
from cthulhu_core.hookspecs import HOOKS, SERVICES


class RefusedCallback(TypeError):
    """What was given cannot take part in a run; the message says why and what to do."""


def validate(plugin: object) -> None:
    """Refuse, with a sentence that says the cure, what cannot take part in a run.

    Raises:
        RefusedCallback: ``plugin`` is a class, is neither a callback nor has hook implementations, implements a
            hook that does not exist, or takes arguments that the hook does not give.
    """
    if inspect.isclass(plugin):
        raise RefusedCallback(f"{plugin.__name__} is a class, not an instance: write {plugin.__name__}(...)")
    marks = marked(plugin)
    for name in HOOKS:
        if name not in marks and inspect.isroutine(getattr(plugin, name, None)):
            where = f"{name_of(plugin)}.{name}"
            raise RefusedCallback(f"{where} would never be called: write @hookimpl above it")
    if not isinstance(plugin, Callback) and not marks:
        raise RefusedCallback(
            f"{plugin!r} is not a callback: expected an instance of cthulhu.callbacks.Callback, "
            "or an object with functions marked @hookimpl"
        )
    for name, options in marks.items():
        _validate_hookimpl(plugin, name, options)
    if isinstance(plugin, Callback):
        _validate_methods(plugin, marks)


def refuse_services(plugin: object) -> None:
    """Refuse, where an object is given to a run, the hooks that only installed plugins are asked.

    Raises:
        RefusedCallback: ``plugin`` implements such a hook, which would never be called.
    """
    for name, options in marked(plugin).items():
        hook = options.get("specname") or name
        if hook in SERVICES:
            raise RefusedCallback(
                f"{name_of(plugin)}.{name} would never be called: {hook} is asked of installed plugins alone; offer "
                'the object as an entry point in the group "cthulhu.plugins"'
            )


def marked(plugin: object) -> dict[str, dict[str, Any]]:
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
    where = f"{name_of(plugin)}.{name}"
    if hook not in HOOKS:
        raise RefusedCallback(f"{where}: there is no hook {hook}{_did_you_mean(hook, HOOKS)}")
    if options.get("hookwrapper"):
        raise RefusedCallback(f"{where}: hookwrapper=True is pluggy's old style: use wrapper=True")
    function = getattr(plugin, name)
    if options.get("wrapper"):
        if not inspect.isgeneratorfunction(function):
            raise RefusedCallback(f"{where}: a wrapper calls the others where it yields: it needs a yield")
        if getattr(plugin, "on_error", "raise") == "disable":
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


def _validate_methods(callback: Callback, marks: Container[str]) -> None:
    name = type(callback).__name__
    for declaration, first, second in (("on_error", "raise", "disable"), ("ranks", "all", "main")):
        value = getattr(callback, declaration)
        if value not in (first, second):
            raise RefusedCallback(f"{name}.{declaration} is {value!r}: expected {first!r} or {second!r}")
    for method, hook in METHODS.items():
        if not is_overridden(callback, method):
            continue
        given = HOOKS[hook][1:]
        function = getattr(callback, method)
        if hook in marks:
            raise RefusedCallback(f"{name} has both {method} and {hook}, which are the same hook: keep one of them")
        if not callable(function):
            raise RefusedCallback(f"{name}.{method} is {function!r}: expected a method")
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            kind = "async" if inspect.iscoroutinefunction(function) else "a generator"
            raise RefusedCallback(f"{name}.{method} is {kind}: a call would do nothing; make it a plain method")
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


def name_of(plugin: object) -> str:
    """What ``plugin`` is called in messages: the name of a module, else that of the class."""
    return plugin.__name__ if inspect.ismodule(plugin) else type(plugin).__name__


def is_overridden(callback: Callback, method: str) -> bool:
    """Whether ``callback``, or its class, has a ``method`` of its own."""
    return method in vars(callback) or getattr(type(callback), method) is not getattr(Callback, method)
