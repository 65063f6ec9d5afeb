"""Build objects from the descriptions of ``describe.py``.

Only names in ``allowed.py`` and in the user's ``custom_objects`` are looked up, and nothing is ever imported.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from cthulhu_core.models.serialization.allowed import CLASSES, CONTAINERS, FUNCTIONS, WRAPPERS
from cthulhu_core.models.serialization.describe import FUNCTION, LEVELS, PARTIAL, attributes_of, constructor_of

_RECURRENT_LAYERS = 1000


@dataclass
class Builder:
    """Builds objects from their descriptions.

    Args:
        custom_objects: other classes and functions by name; they are trusted.
        max_bytes: the most bytes that the weights of allowed classes may take together; None for no limit.
        itemsize: the size in bytes that each of their numbers counts as.
    """

    custom_objects: Mapping[str, Any] = field(default_factory=dict)
    max_bytes: int | None = None
    itemsize: int = 4

    def build(self, description: Any, where: str, level: int = 0) -> Any:
        """Return the object that ``description`` describes.

        Raises:
            ValueError: it names something unknown, is malformed, or needs more than ``max_bytes``.
        """
        if level > LEVELS:
            raise ValueError(f"{where} is nested in more than {LEVELS} modules: expected fewer")
        parts = _Parts(description, where)
        cls: Any = (
            partial if parts.name == PARTIAL else CLASSES.get(parts.name) or self.custom("class", parts.name, where)
        )
        arguments = {
            **parts.arguments,
            **{name: self.function(each, f"{where}: {name}") for name, each in parts.functions.items()},
            **{name: self.build(each, f"{where}: {name}", level + 1) for name, each in parts.objects.items()},
        }
        if cls is partial:
            return _make(partial, parts, arguments, where)
        if cls in CONTAINERS:
            return self._container(cls, arguments, parts, where, level)
        if parts.children:
            raise ValueError(f"{where}: {parts.name} has children: expected none")
        if parts.name in CLASSES:
            self._check(cls, arguments, parts, where)
        made = _make(getattr(cls, "from_config", None) or cls, parts, arguments, where)
        return made if parts.inputs is None else _with_inputs(made, parts, where)

    def function(self, name: Any, where: str) -> Any:
        """Return the function of this name. Raises the errors of :meth:`build`."""
        if not isinstance(name, str):
            raise ValueError(f"{where}: found {reprlib.repr(name)} where the name of a function was expected")
        return FUNCTIONS.get(name) or self.custom("function", name, where)

    def custom(self, kind: str, name: str, where: str) -> Any:
        """Return the entry of ``custom_objects``. Raises the errors of :meth:`build`."""
        if name in self.custom_objects and callable(self.custom_objects[name]):
            return self.custom_objects[name]
        short = name.rpartition(".")[2]
        known = ", or a newer PyTorch" if name.startswith("torch.") else ""
        raise ValueError(
            f"{where}: there is no {kind} {name!r}: pass custom_objects={{{name!r}: {short}}}{known} to have it again"
        )

    def _container(self, cls: type, arguments: dict[str, Any], parts: _Parts, where: str, level: int) -> Any:
        _allow(arguments, set(CONTAINERS[cls]), parts, where)
        if not isinstance(arguments.get("name"), str | None):
            raise ValueError(
                f"{where}: the name of a Pile is {reprlib.repr(arguments['name'])}: expected a string or None"
            )
        container: Any = _make(cls, parts, arguments, where)
        put = getattr(container, "_put", container.add_module)
        for name, child in parts.children:
            made = self.build(child, f"{where}, layer {name!r}", level + 1)
            if not isinstance(made, nn.Module):
                raise ValueError(f"{where}, layer {name!r} is a {type(made).__name__}: expected a torch.nn.Module")
            try:
                put(name, made)
            except Exception as error:
                raise ValueError(f"{where}: layer {name!r} cannot be added: {error}") from error
        return container

    def _check(self, cls: type[nn.Module], arguments: dict[str, Any], parts: _Parts, where: str) -> None:
        """Refuse unknown arguments, and weights that are too large, before any are allocated."""
        _allow(arguments, set(attributes_of(constructor_of(cls), where)), parts, where)
        layers = arguments.get("num_layers", 1)
        if type(layers) is not int or not 1 <= layers <= _RECURRENT_LAYERS:
            raise ValueError(f"{where}: num_layers is {reprlib.repr(layers)}: expected 1 to {_RECURRENT_LAYERS}")
        if self.max_bytes is None or cls in WRAPPERS:
            return
        # Meta tensors take no memory. Initializers may be the user's, and would need some.
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


class _Parts:
    """A description whose parts have the right types."""

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
            return partial(arguments.pop(FUNCTION), **arguments)
        return make(arguments) if inspect.ismethod(make) else make(**arguments)
    except Exception as error:
        raise ValueError(
            f"{where}: {parts.name} cannot be made with {reprlib.repr(arguments)}: {type(error).__name__}: {error}"
        ) from error


def _with_inputs(layer: Any, parts: _Parts, where: str) -> Any:
    if not hasattr(layer, "_learn_inputs"):
        raise ValueError(f"{where}: {parts.name} has inputs: expected a Daoloth")
    try:
        if layer.has_uninitialized_params():
            layer._learn_inputs(parts.inputs or 0)
    except Exception as error:
        raise ValueError(f"{where}: {parts.name} cannot have {parts.inputs} inputs: {error}") from error
    if layer.in_features != parts.inputs:
        raise ValueError(f"{where}: inputs is {parts.inputs}: expected {layer.in_features}, as the input_shape says")
    return layer
