"""Objects as plain data, and back: of which class they are, and with which arguments they are made.

A class or function is known by its full name (``torch.nn.Linear``, see known.py), or is the user's own and known by
its bare name, which is looked up in ``custom_objects``. Nothing is ever imported by a name. The values of weights
are no part of a description.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from cthulhu_core.models.known import ATTRIBUTES, CLASSES, FUNCTIONS, OBSOLETE, name_of
from cthulhu_core.models.layers import Azatoth, Daoloth
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.pile import Pile
from cthulhu_core.plain import pack

_LEVELS = 25
"""How deep modules may be nested: less than plain data may be."""

_RECURRENT_LAYERS = 1000


_PARTIAL = "functools.partial"
_FUNCTION = "func"
"""The function that a partial calls stands among its arguments, where ``partial`` itself has no name for it."""


class Indescribable(ValueError):
    """The object cannot be described by plain data; the message says why, and the cure where there is one."""


# --- to plain data ----------------------------------------------------------------------------------------------------


def describe(value: Any, where: str, keywords: bool = False, level: int = 0) -> dict[str, Any]:
    """The class and the arguments that make an object like ``value``.

    Args:
        value: an object of a class that is known, or of the user's own: with a ``get_config()`` that gives its
            constructor's arguments by name, or whose attributes have the names of the arguments and are plain data.
        where: what messages call ``value``.
        keywords: whether what a constructor takes as ``**kwargs`` may be forgotten.
        level: in how many modules this one stands.

    Returns:
        ``class``; ``arguments`` that are plain data, ``functions`` and ``objects`` beside them; the ``children`` of a
        Pile or Sequential with their names; and the number of ``inputs`` that a Daoloth has learned.

    Raises:
        Indescribable: that is not possible.
    """
    if level > _LEVELS:
        raise Indescribable(f"{where} stands in more than {_LEVELS} modules: expected fewer")
    if isinstance(value, nn.Module) and is_parametrized(value):
        raise Indescribable(
            f"{where}, a {type(value).__name__}, is parametrized: remove that with "
            "torch.nn.utils.parametrize.remove_parametrizations"
        )
    cls = type(value)
    described: dict[str, Any] = {"class": _PARTIAL if cls is partial else name_of(cls, CLASSES) or cls.__name__}
    if cls in (Pile, nn.Sequential):
        if cls is Pile:
            described["arguments"] = {"name": value.name}
        described["children"] = [
            [name, describe(child, f"{where}, layer {name!r}", level=level + 1)] for name, child in _children(value)
        ]
        return described
    for name, argument in _arguments(value, where, keywords).items():
        _add(described, name, argument, f"{where}: argument {name!r} of {cls.__name__}", level)
    if isinstance(value, Daoloth) and not value.has_uninitialized_params():
        described["inputs"] = value.in_features
    return described


def describe_function(function: Any, where: str) -> str:
    """The full name of a function that is known, or the bare name of any other.

    Raises:
        Indescribable: it has no name by which ``custom_objects`` could give it back.
    """
    known = name_of(function, FUNCTIONS)
    if known is not None:
        return known
    name = getattr(function, "__name__", None)
    if inspect.ismethod(function) or not isinstance(name, str) or not name.isidentifier():
        raise Indescribable(
            f"{where} is {reprlib.repr(function)}, which no name stands for: define it with def, outside of any class, and load "
            "with custom_objects={'name': function}"
        )
    return name


def _children(module: Pile | nn.Sequential) -> Iterator[tuple[str, Any]]:
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
        if value.args:
            raise Indescribable(
                f"{where} is a functools.partial with {reprlib.repr(value.args)}: expected one with named arguments alone"
            )
        return {_FUNCTION: value.func, **value.keywords}
    if type(value) not in CLASSES.values() and hasattr(value, "get_config"):
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
            f"{where}: {type(value).__name__}.get_config() gave {reprlib.repr(config)}: expected a dict of the "
            "constructor's arguments by name"
        )
    return config


def _read(value: Any, where: str, keywords: bool) -> Iterator[tuple[str, Any]]:
    """The arguments of ``value`` that are not the defaults, from its attributes."""
    owner = _owner(type(value))
    if owner is object and any("__new__" in vars(base) for base in type(value).__mro__[:-1]):
        raise Indescribable(
            f"{where} is a {type(value).__name__}, whose arguments are not known: give it a get_config()"
        )
    ours = _is_known(owner)
    for name, attribute in _attributes(owner, where, keywords).items():
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


def _owner(cls: type) -> type:
    """The class whose constructor ``cls`` has."""
    return next(base for base in cls.__mro__ if "__init__" in vars(base))


def _is_known(owner: type) -> bool:
    return owner.__module__.startswith("torch.nn.modules.") or owner in CLASSES.values()


def _attributes(owner: type, where: str, keywords: bool = False) -> Mapping[str, str]:
    """From the arguments of a constructor to the attributes that keep them."""
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
            raise _unreadable(owner, name, where, "was not made by named arguments alone")
        found[name] = name
    return found


def _is_default(owner: type, name: str, argument: Any) -> bool:
    parameter = inspect.signature(owner.__init__).parameters.get(name)  # type: ignore[misc]
    if parameter is None or isinstance(argument, torch.Tensor):
        return False
    return type(argument) is type(parameter.default) and bool(argument == parameter.default)


# --- from plain data --------------------------------------------------------------------------------------------------


@dataclass
class Builder:
    """Makes objects of their descriptions.

    Args:
        custom_objects: from name to class or function, for what is not known; it is trusted.
        max_bytes: how many bytes the weights of known classes may take together; None for any number.
        itemsize: how many bytes each number of them is counted as.
    """

    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    max_bytes: int | None = None
    itemsize: int = 4

    def build(self, description: Any, where: str, level: int = 0) -> Any:
        """The object that ``description`` describes.

        Raises:
            ValueError: a name in it is unknown, or it is malformed, or asks for more than ``max_bytes``.
        """
        if level > _LEVELS:
            raise ValueError(f"{where} stands in more than {_LEVELS} modules: expected fewer")
        parts = _Parts(description, where)
        cls: Any = (
            partial if parts.name == _PARTIAL else CLASSES.get(parts.name) or self.custom("class", parts.name, where)
        )
        arguments = {
            **parts.arguments,
            **{name: self.function(each, f"{where}: {name}") for name, each in parts.functions.items()},
            **{name: self.build(each, f"{where}: {name}", level + 1) for name, each in parts.objects.items()},
        }
        if cls is partial:
            return _make(partial, parts, arguments, where)
        if cls in (Pile, nn.Sequential):
            return self._container(cls, arguments, parts, where, level)
        if parts.children:
            raise ValueError(f"{where}: {parts.name} has children: expected none")
        if parts.name in CLASSES:
            self._check(cls, arguments, parts, where)
        made = _make(getattr(cls, "from_config", None) or cls, parts, arguments, where)
        return made if parts.inputs is None else _with_inputs(made, parts, where)

    def function(self, name: Any, where: str) -> Any:
        """The function of this name; errors as in :meth:`build`."""
        if not isinstance(name, str):
            raise ValueError(f"{where}: found {reprlib.repr(name)} where the name of a function was expected")
        return FUNCTIONS.get(name) or self.custom("function", name, where)

    def custom(self, kind: str, name: str, where: str) -> Any:
        """What ``custom_objects`` has for a name that is not known; errors as in :meth:`build`."""
        if name in self.custom_objects and callable(self.custom_objects[name]):
            return self.custom_objects[name]
        short = name.rpartition(".")[2]
        known = ", or a newer PyTorch" if name.startswith("torch.") else ""
        raise ValueError(
            f"{where}: there is no {kind} {name!r}: pass custom_objects={{{name!r}: {short}}}{known} to have it again"
        )

    def _container(self, cls: type, arguments: dict[str, Any], parts: _Parts, where: str, level: int) -> Any:
        allowed = {"name"} if cls is Pile else set()
        _allow(arguments, allowed, parts, where)
        if not isinstance(arguments.get("name"), str | None):
            raise ValueError(
                f"{where}: the name of a Pile is {reprlib.repr(arguments['name'])}: expected a string or None"
            )
        container: Any = _make(cls, parts, arguments, where)
        for name, child in parts.children:
            made = self.build(child, f"{where}, layer {name!r}", level + 1)
            if not isinstance(made, nn.Module):
                raise ValueError(f"{where}, layer {name!r} is a {type(made).__name__}: expected a torch.nn.Module")
            try:
                container._put(name, made) if cls is Pile else container.add_module(name, made)
            except Exception as error:
                raise ValueError(f"{where}: layer {name!r} cannot be added: {error}") from error
        return container

    def _check(self, cls: type[nn.Module], arguments: dict[str, Any], parts: _Parts, where: str) -> None:
        """Refuse what a known class does not take, and weights that are too large, before there are any."""
        _allow(arguments, set(_attributes(_owner(cls), where)), parts, where)
        layers = arguments.get("num_layers", 1)
        if type(layers) is not int or not 1 <= layers <= _RECURRENT_LAYERS:
            raise ValueError(f"{where}: num_layers is {reprlib.repr(layers)}: expected 1 to {_RECURRENT_LAYERS}")
        if self.max_bytes is None or cls in _WITHOUT_WEIGHTS:
            return
        # On this device tensors have a size and no memory. Initializers may be the user's, and need memory.
        plain = {name: each for name, each in parts.arguments.items() if not name.endswith("_initializer")}
        with torch.device("meta"):
            shapes = _make(cls, parts, plain, where)
            if parts.inputs is not None:
                _with_inputs(shapes, parts, where)
        numbers = [each for each in (*shapes.parameters(), *shapes.buffers()) if not nn.parameter.is_lazy(each)]
        self.max_bytes -= self.itemsize * sum(each.numel() for each in numbers if each.is_meta)
        if self.max_bytes < 0:
            raise ValueError(
                f"{where}: {parts.name} asks for more bytes of weights than there can be: the description is malformed"
            )


_WITHOUT_WEIGHTS = (Lump, Azatoth)
"""Those in their activation or module are counted where these are built."""


class _Parts:
    """A description whose parts are of the right types."""

    def __init__(self, description: Any, where: str) -> None:
        if not isinstance(description, dict) or not isinstance(description.get("class"), str):
            raise ValueError(f"{where} is {reprlib.repr(description)}: expected a dict with a class")
        unknown = set(description) - {"class", "arguments", "functions", "objects", "children", "inputs"}
        if unknown:
            raise ValueError(f"{where}: there is no part {reprlib.repr(sorted(map(str, unknown)))} of a description")
        self._description, self._where = description, where
        self.name: str = description["class"]
        self.arguments = self._named("arguments")
        self.functions = self._named("functions")
        self.objects = self._named("objects")
        self.children = self._children()
        self.inputs: int | None = description.get("inputs")
        if self.inputs is not None and (type(self.inputs) is not int or self.inputs < 0):
            raise ValueError(f"{where}: inputs is {reprlib.repr(self.inputs)}: expected a number of inputs")

    def _named(self, part: str) -> dict[str, Any]:
        found = self._description.get(part, {})
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
            raise ValueError(f"{self._where}: {part} are {reprlib.repr(found)}: expected a dict by name")
        return found

    def _children(self) -> list[tuple[str, Any]]:
        found = self._description.get("children", [])
        if not isinstance(found, list) or not all(
            isinstance(each, (list, tuple)) and len(each) == 2 and isinstance(each[0], str) for each in found
        ):
            raise ValueError(f"{self._where}: children are {reprlib.repr(found)}: expected pairs of name and layer")
        return [(name, child) for name, child in found]


def _allow(arguments: dict[str, Any], allowed: set[str], parts: _Parts, where: str) -> None:
    for name in arguments:
        if name not in allowed:
            takes = ", ".join(sorted(allowed)) or "none"
            raise ValueError(f"{where}: {parts.name} takes no argument {name!r}: known are {takes}")


def _make(make: Any, parts: _Parts, arguments: dict[str, Any], where: str) -> Any:
    try:
        if make is partial:
            return partial(arguments.pop(_FUNCTION), **arguments)
        return make(arguments) if inspect.ismethod(make) else make(**arguments)
    except Exception as error:
        raise ValueError(
            f"{where}: {parts.name} cannot be made with {reprlib.repr(arguments)}: {type(error).__name__}: {error}"
        ) from error


def _with_inputs(layer: Any, parts: _Parts, where: str) -> Any:
    if not isinstance(layer, Daoloth):
        raise ValueError(f"{where}: {parts.name} has inputs: expected a Daoloth")
    try:
        if layer.has_uninitialized_params():
            layer.initialize_parameters(torch.empty(0, parts.inputs or 0))
    except Exception as error:
        raise ValueError(f"{where}: {parts.name} cannot have {parts.inputs} inputs: {error}") from error
    if layer.in_features != parts.inputs:
        raise ValueError(f"{where}: inputs is {parts.inputs}: expected {layer.in_features}, as the input_shape says")
    return layer
