"""Checks values of a TOML file against the annotations of constructor parameters, and converts them.

Values are strings, numbers, booleans, dates, lists and tables. Annotations that say more, or that cannot be resolved
here, are left to the constructor.
"""

from __future__ import annotations

import datetime
import inspect
import os
import pathlib
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

_SCALARS = (bool, int, float, str, datetime.datetime, datetime.date, datetime.time)
_PATHS = (os.PathLike, pathlib.Path, pathlib.PurePath)
_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "a list", dict: "a table",
          datetime.datetime: "a date with a time", datetime.date: "a date", datetime.time: "a time"}  # fmt: skip


class Unfit(ValueError):
    """The value does not fit; the message says in TOML's terms what would."""


def hints(cls: type) -> dict[str, Any]:
    """Return the annotations of a constructor's parameters, as far as they can be resolved."""
    constructor: Any = cls.__init__  # type: ignore[misc]
    if constructor is object.__init__:
        return {}
    try:
        return typing.get_type_hints(constructor)
    except Exception:  # noqa: BLE001 - annotations are code, which may fail in any way where it is evaluated one by one
        names = {**vars(typing), **vars(sys.modules.get(constructor.__module__, types.ModuleType("unknown")))}
        return {name: _resolved(annotation, names) for name, annotation in constructor.__annotations__.items()}


def _resolved(annotation: Any, names: dict[str, Any]) -> Any:
    try:
        return eval(annotation, names) if isinstance(annotation, str) else annotation
    except Exception:  # noqa: BLE001 - e.g. a name that is there for type checkers alone
        return Any


def convert(value: Any, annotation: Any) -> Any:
    """Return ``value`` as a parameter with this annotation expects it: a list as a tuple, a string as a path.

    Raises:
        Unfit: the value does not fit.

    Example:
        >>> convert([1, 2], tuple[int, int])
        (1, 2)
        >>> convert("yes", bool)
        Traceback (most recent call last):
        cthulhu_core.installed.annotations.Unfit: true or false
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return convert(value, arguments[0])
    if origin in (typing.Union, types.UnionType):
        return _first(value, arguments)
    if origin is typing.Literal:
        if any(type(value) is type(each) and value == each for each in arguments):
            return value
        raise Unfit(" or ".join(map(repr, arguments)))
    cls = _class_of(annotation)
    # Whether a class implements a protocol cannot be decided here.
    if cls in (Any, object) or not inspect.isclass(cls) or getattr(cls, "_is_protocol", False):
        return value
    if cls in _SCALARS:
        if type(value) is cls or (cls is float and type(value) is int):
            return value
        raise Unfit(_NAMES[cls])
    if cls in _PATHS:
        if isinstance(value, str):
            return pathlib.Path(value)
        raise Unfit("a path, as a string")
    if isinstance(value, Mapping) and issubclass(dict, cls):
        element = arguments[1] if len(arguments) == 2 else Any
        return {key: convert(each, element) for key, each in value.items()}
    if isinstance(value, list) and any(issubclass(sequence, cls) for sequence in (list, tuple, set, frozenset)):
        return _sequence(value, cls, arguments)
    raise Unfit(_expected(cls))


def _class_of(annotation: Any) -> Any:
    """Return ``list`` for ``list[int]``."""
    origin: Any = typing.get_origin(annotation)
    return annotation if origin is None else origin


def _first(value: Any, annotations: tuple[Any, ...]) -> Any:
    """Return ``value`` as the first fitting one of several annotations expects it."""
    # Annotations without conversion come first: a string that may be a path or a string stays a string.
    texts = []
    for annotation in sorted(annotations, key=lambda each: _class_of(each) in _PATHS):
        if annotation is type(None):
            continue
        try:
            return convert(value, annotation)
        except Unfit as error:
            texts.append(str(error))
    raise Unfit(" or ".join(dict.fromkeys(texts)))


def _sequence(value: list[Any], cls: type, arguments: tuple[Any, ...]) -> Any:
    if cls is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise Unfit(f"a list of {len(arguments)}")
        return tuple(convert(each, argument) for each, argument in zip(value, arguments, strict=True))
    element = arguments[0] if arguments else Any
    try:
        elements = [convert(each, element) for each in value]
    except Unfit as error:
        raise Unfit(f"a list, each element of which is {error}") from None
    return cls(elements) if cls in (tuple, set, frozenset) else elements


def _expected(cls: type) -> str:
    if issubclass(dict, cls):
        return "a table"
    if any(issubclass(sequence, cls) for sequence in (list, tuple, set, frozenset)):
        return "a list"
    return f"a {cls.__name__}, which only Python can make: pass it in the script"
