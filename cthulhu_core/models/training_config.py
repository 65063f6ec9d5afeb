"""The arguments of ``conjure`` as plain data, and back. The state of the optimizer is not part of them.

Each argument is a dict with a single key that says what it is: ``{"name": "mse"}``, ``{"function": "torch.relu"}``,
``{"object": ...}`` as in ``serialization/describe.py``, ``{"list": [...]}``, ``{"unknown": "why"}`` if it cannot be
described.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from functools import partial
from typing import Any

from torch import nn, optim

from cthulhu_core.checkpoints.packing import pack
from cthulhu_core.models.serialization.allowed import OPTIMIZERS, name_of
from cthulhu_core.models.serialization.build import Builder
from cthulhu_core.models.serialization.describe import Indescribable, describe_function
from cthulhu_core.models.serialization.describe import describe as describe_object
from cthulhu_core.training.losses import Loss
from cthulhu_core.training.options import Options

_ARGUMENTS = {"optimizer", "loss", "metrics", "loss_weights"}
_OPTIONS = {field.name for field in fields(Options)}


def describe(model: Any) -> dict[str, Any] | None:
    """Return the arguments of ``model.conjure(...)``; None if it was not called.

    An optimizer made by a function or class is described in its current state: its class, the defaults of its
    arguments, and its parameter groups with their options. A metric object is described by the named arguments of its
    constructor; its ``**kwargs`` are lost. What cannot be described is ``unknown``, which :func:`conjure` refuses.

    Example:
        >>> model = Lump(nn.Linear(2, 1))
        >>> model.conjure("sgd", "mse")
        >>> describe(model)["loss"]
        {'name': 'mse'}
    """
    objective = model._objective
    if objective is None:
        return None
    loss, metrics, weights = objective.given
    return {
        "optimizer": _or_unknown(_optimizer, model, "the optimizer"),
        "loss": _described(loss, "the loss"),
        "metrics": _described(metrics, "metrics"),
        "loss_weights": _or_unknown(_plain, weights, "loss_weights"),
        "options": {"plain": asdict(model._options)},
    }


def conjure(model: Any, description: Any, custom_objects: Mapping[str, Any] | None = None) -> None:
    """Call ``model.conjure(...)`` with the arguments that :func:`describe` returned.

    Args:
        model: a model whose parameters have the same names.
        description: what ``describe`` returned.
        custom_objects: classes and functions by name, other than those of this project and of PyTorch.

    Raises:
        ValueError: a name is unknown, something could not be described, or the description is malformed.
    """
    if not isinstance(description, dict) or set(description) - {"options"} != _ARGUMENTS:
        raise ValueError(
            f"the arguments of conjure() are {reprlib.repr(description)}: expected a dict of {sorted(_ARGUMENTS)}"
        )
    # Files do not hold weights of losses, so a loss that has some is refused.
    builder = Builder(custom_objects or {}, max_bytes=0)
    arguments = {
        "optimizer": _optimizer_of(description["optimizer"], model, builder),
        "loss": _restored(description["loss"], "the loss", builder),
        "metrics": _restored(description["metrics"], "metrics", builder),
        "loss_weights": _restored(description["loss_weights"], "loss_weights", builder),
        **_options_of(description.get("options"), builder),
    }
    try:
        model.conjure(**arguments)
    except Exception as error:
        raise ValueError(f"the arguments of conjure() cannot be restored: {error}") from error


def _options_of(described: Any, builder: Builder) -> dict[str, Any]:
    """Return the arguments of :class:`Options`; earlier versions saved none."""
    options = _restored(described, "options", builder) or {}
    if not isinstance(options, dict) or not set(options) <= _OPTIONS:
        raise ValueError(f"options are {reprlib.repr(options)}: expected a dict of {', '.join(sorted(_OPTIONS))}")
    return options


# --- losses and metrics -----------------------------------------------------------------------------------------------


def _or_unknown(describe_it: Callable[[Any, str], Any], value: Any, where: str) -> Any:
    try:
        return describe_it(value, where)
    except Indescribable as error:
        return {"unknown": str(error)}


def _described(value: Any, where: str) -> Any:
    """Describe names, functions and objects, and lists, tuples and dicts of them."""
    if isinstance(value, Loss):
        value = value.given
    if value is None:
        return None
    if type(value) is str:
        return {"name": value}
    if type(value) in (list, tuple):
        kind = type(value).__name__
        return {kind: [_described(each, f"{where}[{number}]") for number, each in enumerate(value)]}
    if type(value) is dict and all(type(key) is str for key in value):
        return {"dict": {key: _described(each, f"{where}[{key!r}]") for key, each in value.items()}}
    return _or_unknown(_object, value, where)


def _object(value: Any, where: str) -> dict[str, Any]:
    if inspect.isroutine(value):
        return {"function": describe_function(value, where)}
    is_metric = all(hasattr(value, method) for method in ("update", "compute", "reset"))
    return {"object": describe_object(value, where, keywords=is_metric)}


def _plain(value: Any, where: str) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        pack(value, where)
    except TypeError as error:
        raise Indescribable(str(error)) from error
    return {"plain": value}


def _restored(described: Any, where: str, builder: Builder, level: int = 0) -> Any:
    """Return what :func:`_described` or :func:`_plain` described."""
    if described is None:
        return None
    kind, content = _kind_of(described, where)
    if kind == "name" and isinstance(content, str):
        return content
    if kind == "function":
        return builder.function(content, where)
    if kind == "object":
        return builder.build(content, where)
    if kind == "plain":
        return content
    if kind in ("list", "tuple") and isinstance(content, list) and level < 10:
        restored = [_restored(each, f"{where}[{number}]", builder, level + 1) for number, each in enumerate(content)]
        return restored if kind == "list" else tuple(restored)
    if kind == "dict" and isinstance(content, dict) and level < 10:
        return {key: _restored(each, f"{where}[{key!r}]", builder, level + 1) for key, each in content.items()}
    raise ValueError(f"{where} is {reprlib.repr(described)}: expected a name, function, object, list, tuple or dict")


def _kind_of(described: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(described, dict) or len(described) != 1:
        raise ValueError(f"{where} is {reprlib.repr(described)}: expected a dict with one key")
    ((kind, content),) = described.items()
    if kind == "unknown":
        raise ValueError(f"{where} could not be saved: {content}; load the model without it and call model.conjure()")
    return kind, content


# --- the optimizer ----------------------------------------------------------------------------------------------------


def _optimizer(model: Any, where: str) -> dict[str, Any]:
    given, made = model._optimizer_given, model._optimizer
    if made is None and isinstance(given, optim.Optimizer):
        made = given
    if isinstance(given, str) and (made is None or len(made.param_groups) == 1):
        return {"name": given}
    if made is not None:
        return {"made": _made(made, model, where)}
    if isinstance(given, type):
        return {"made": {"class": name_of(given, OPTIMIZERS) or given.__name__, "arguments": {}, "groups": None}}
    return {"function": describe_function(given, where)}


def _made(optimizer: optim.Optimizer, model: Any, where: str) -> dict[str, Any]:
    cls = type(optimizer)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = []
    for number, group in enumerate(optimizer.param_groups):
        if not all(id(parameter) in names for parameter in group["params"]):
            raise Indescribable(f"{where}, {cls.__name__}, has parameters that are not the model's")
        # load_state_dict restores the names of parameters.
        options = {name: value for name, value in group.items() if name not in ("params", "param_names")}
        _plain(options, f"{where}.param_groups[{number}]")
        groups.append({"parameters": [names[id(each)] for each in group["params"]], "options": options})
    arguments = dict(_arguments(optimizer, where))
    _plain(arguments, f"{where}.defaults")
    return {"class": name_of(cls, OPTIMIZERS) or cls.__name__, "arguments": arguments, "groups": groups}


def _arguments(optimizer: optim.Optimizer, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the constructor arguments after the parameters."""
    cls = type(optimizer)
    for name in list(inspect.signature(cls).parameters)[1:]:
        if name in optimizer.defaults:
            yield name, optimizer.defaults[name]
        elif hasattr(optimizer, name):
            yield name, getattr(optimizer, name)
        else:
            raise Indescribable(
                f"{where}: argument {name!r} of {cls.__name__} is not known: expected it in optimizer.defaults or as "
                "an attribute of this name"
            )


def _optimizer_of(described: Any, model: Any, builder: Builder) -> Any:
    """Return what :func:`_optimizer` described: a name, a function, or an optimizer of the model's parameters."""
    where = "the optimizer"
    kind, content = _kind_of(described, where)
    if kind == "name" and isinstance(content, str):
        return content
    if kind == "function":
        return builder.function(content, where)
    if kind != "made" or not isinstance(content, dict) or set(content) != {"class", "arguments", "groups"}:
        raise ValueError(f"{where} is {reprlib.repr(described)}: expected a name, or a class, arguments and groups")
    name, arguments, groups = content["class"], content["arguments"], content["groups"]
    if (
        not isinstance(name, str)
        or not isinstance(arguments, dict)
        or not all(isinstance(key, str) for key in arguments)
    ):
        raise ValueError(f"{where}: {reprlib.repr(content)}: expected the name of a class and arguments by name")
    cls: Callable[..., Any] = OPTIMIZERS.get(name) or builder.custom("class", name, where)
    make = partial(cls, **arguments)
    if groups is None:
        return make
    parameters = dict(model.named_parameters())
    try:
        return make([dict(_group(group, parameters)) for group in groups])
    except Exception as error:
        raise ValueError(f"{where}: {name} cannot be created again: {type(error).__name__}: {error}") from error


def _group(group: Any, parameters: Mapping[str, nn.Parameter]) -> Iterator[tuple[str, Any]]:
    if not isinstance(group, dict) or not isinstance(group.get("options"), dict) or "params" in group["options"]:
        raise ValueError(f"a group is {reprlib.repr(group)}: expected parameters and options")
    unknown = [name for name in group["parameters"] if name not in parameters]
    if unknown:
        raise ValueError(f"the model has no parameter {unknown[0]!r}: it has {', '.join(parameters)}")
    yield "params", [parameters[name] for name in group["parameters"]]
    yield from group["options"].items()
