"""Describe objects as plain data: their class, and the arguments of its constructor. ``build.py`` reverses it.

Allowed classes and functions have their full names (``torch.nn.Linear``, see ``allowed.py``). Those of the user have
their bare names, which are looked up in ``custom_objects``. Nothing is ever imported by name. The values of weights
are not part of a description.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cthulhu_core.checkpoints.packing import pack
from cthulhu_core.distributed.unwrap import class_of
from cthulhu_core.models.serialization.allowed import ATTRIBUTES, CLASSES, CONTAINERS, FUNCTIONS, OBSOLETE, name_of

LEVELS = 25
"""The deepest nesting of modules, less than that of plain data."""

PARTIAL = "functools.partial"
FUNCTION = "func"
"""The key of the function that a partial calls, among its arguments."""


class Indescribable(ValueError):
    """An object that plain data cannot describe; the message says why, and the cure if there is one."""


def describe(value: Any, where: str, keywords: bool = False, level: int = 0) -> dict[str, Any]:
    """Return the class and the arguments that make an object like ``value``.

    Args:
        value: an object of an allowed class, or of the user's own: either with a ``get_config()`` that returns the
            arguments of its constructor by name, or with plain attributes that have the names of the arguments.
        where: the name of ``value`` in messages.
        keywords: whether ``**kwargs`` of the constructor may be dropped.
        level: the number of modules that contain this one.

    Returns:
        ``class``; plain ``arguments``, and ``functions`` and ``objects`` among the arguments; the ``children`` of a
        Pile or Sequential by name; and the number of ``inputs`` that a Daoloth has learned.

    Raises:
        Indescribable: plain data cannot describe it.
    """
    if level > LEVELS:
        raise Indescribable(f"{where} is nested in more than {LEVELS} modules: expected fewer")
    if isinstance(value, nn.Module) and is_parametrized(value):
        raise Indescribable(
            f"{where}, a {type(value).__name__}, is parametrized: remove that with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    cls = class_of(value)
    described: dict[str, Any] = {"class": PARTIAL if cls is partial else name_of(cls, CLASSES) or cls.__name__}
    if cls in CONTAINERS:
        if CONTAINERS[cls]:
            described["arguments"] = {name: getattr(value, name) for name in CONTAINERS[cls]}
        described["children"] = [
            [name, describe(child, f"{where}, layer {name!r}", level=level + 1)] for name, child in _children(value)
        ]
        return described
    for name, argument in _arguments(value, where, keywords).items():
        _add(described, name, argument, f"{where}: argument {name!r} of {cls.__name__}", level)
    inputs = getattr(value, "_learned_inputs", None)
    if inputs is not None:
        described["inputs"] = inputs
    return described


def describe_function(function: Any, where: str) -> str:
    """Return the full name of an allowed function, or the bare name of another one.

    Raises:
        Indescribable: it has no name under which ``custom_objects`` could hold it.
    """
    known = name_of(function, FUNCTIONS)
    if known is not None:
        return known
    name = getattr(function, "__name__", None)
    if inspect.ismethod(function) or not isinstance(name, str) or not name.isidentifier():
        raise Indescribable(
            f"{where} is {reprlib.repr(function)}, which no name stands for: define it with def, outside of any "
            "class, and load with custom_objects={'name': function}"
        )
    return name


def _children(module: nn.Module) -> Iterator[tuple[str, Any]]:
    return iter(module._modules.items())


def _add(described: dict[str, Any], name: str, argument: Any, where: str, level: int) -> None:
    if inspect.isroutine(argument) or name_of(argument, FUNCTIONS) is not None:
        described.setdefault("functions", {})[name] = describe_function(argument, where)
    elif isinstance(argument, (nn.Module, partial)):
        described.setdefault("objects", {})[name] = describe(argument, where, level=level + 1)
    else:
        try:
            pack(argument, where)
        except TypeError as error:
            raise Indescribable(
                f"{error}; give the class a get_config() that returns its constructor's arguments as plain data"
            ) from error
        described.setdefault("arguments", {})[name] = argument


def _arguments(value: Any, where: str, keywords: bool) -> dict[str, Any]:
    if type(value) is partial:
        if value.args or FUNCTION in value.keywords:
            raise Indescribable(
                f"{where} is a functools.partial with {reprlib.repr(value.args)}: expected one with keyword "
                f"arguments only"
            )
        return {FUNCTION: value.func, **value.keywords}
    if class_of(value) not in CLASSES.values() and hasattr(value, "get_config"):
        return _configured(value, where)
    return dict(_read(value, where, keywords))


def _configured(value: Any, where: str) -> dict[str, Any]:
    try:
        config = value.get_config()
    except Exception as error:
        raise Indescribable(
            f"{where}: {type(value).__name__}.get_config() failed: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        raise Indescribable(
            f"{where}: {type(value).__name__}.get_config() returned {reprlib.repr(config)}: expected a dict of the "
            "constructor's arguments by name"
        )
    return config


def _read(value: Any, where: str, keywords: bool) -> Iterator[tuple[str, Any]]:
    """Yield the arguments of ``value`` that are not defaults, from its attributes."""
    cls = class_of(value)
    owner = constructor_of(cls)
    if owner is object and any("__new__" in vars(base) for base in cls.__mro__[:-1]):
        raise Indescribable(f"{where} is a {cls.__name__}, whose arguments are not known: give it a get_config()")
    ours = _is_known(owner)
    for name, attribute in attributes_of(owner, where, keywords).items():
        if not hasattr(value, attribute):
            raise _unreadable(owner, name, where, f"has no attribute {attribute!r} to read it from")
        argument = getattr(value, attribute)
        if attribute in getattr(value, "_parameters", ()):
            if not ours:
                raise _unreadable(owner, name, where, "has a parameter of this name, which is not the argument")
            argument = argument is not None
        elif not ours and (inspect.isroutine(argument) or isinstance(argument, (nn.Module, partial))):
            raise _unreadable(owner, name, where, f"has a {type(argument).__name__} of this name, not plain data")
        if not (ours and _is_default(owner, name, argument)):
            yield name, argument


def _unreadable(owner: type, name: str, where: str, why: str) -> Indescribable:
    return Indescribable(
        f"{where}: argument {name!r} of {owner.__name__} is not known: the object {why}; give the class a "
        "get_config() that returns its constructor's arguments as plain data"
    )


def constructor_of(cls: type) -> type:
    """Return the class that defines the constructor of ``cls``."""
    return next(base for base in cls.__mro__ if "__init__" in vars(base))


def _is_known(owner: type) -> bool:
    return owner.__module__.startswith("torch.nn.modules.") or owner in CLASSES.values()


def attributes_of(owner: type, where: str, keywords: bool = False) -> Mapping[str, str]:
    """Return the attribute that holds each argument of a constructor."""
    if owner in ATTRIBUTES:
        return ATTRIBUTES[owner]
    if owner in (nn.Module, object):
        return {}
    found = {}
    for name, parameter in list(inspect.signature(owner.__init__).parameters.items())[1:]:  # type: ignore[misc]
        if _is_known(owner) and (name in OBSOLETE or name.startswith("_")):
            continue
        if parameter.kind is parameter.VAR_KEYWORD and keywords:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise _unreadable(owner, name, where, "takes more than keyword arguments")
        found[name] = name
    return found


def _is_default(owner: type, name: str, argument: Any) -> bool:
    parameter = inspect.signature(owner.__init__).parameters.get(name)  # type: ignore[misc]
    if parameter is None or isinstance(argument, torch.Tensor):
        return False
    return type(argument) is type(parameter.default) and bool(argument == parameter.default)
