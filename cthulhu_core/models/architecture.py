"""The architecture of a Pile as plain data, and back: layers with their names and arguments, without weights."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cthulhu_core.checkpoints.packing import dtypes_by_name
from cthulhu_core.distributed.unwrap import class_of
from cthulhu_core.models.pile import Pile
from cthulhu_core.models.serialization.build import Builder
from cthulhu_core.models.serialization.describe import Indescribable
from cthulhu_core.models.serialization.describe import describe as describe_object

__all__ = ["Indescribable", "build", "describe"]


def describe(model: nn.Module) -> dict[str, Any]:
    """Return the architecture of ``model``.

    Hooks on layers, devices and the training mode are not part of it.

    Returns:
        Plain data: the layers with their names and arguments (``children``), the names of the parameters that are not
        trained (``frozen``), and the dtypes of floating-point weights (``dtypes``).

    Raises:
        Indescribable: the model is not a Pile, layers share weights, or a layer cannot be described; the message
            names it.

    Example:
        >>> describe(Pile([nn.Linear(2, 3)]))["children"]
        [['linear_1', {'class': 'torch.nn.Linear', 'arguments': {'in_features': 2, 'out_features': 3}}]]
    """
    if class_of(model) is not Pile:
        raise Indescribable(f"the model is a {class_of(model).__name__}: only the layers of a Pile can be described")
    shared = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    shared -= {name for name, _ in model.named_parameters()}
    if shared:
        raise Indescribable(f"the weights {', '.join(sorted(shared))} are shared with those of another layer")
    return {
        **describe_object(model, "the model"),
        "frozen": [name for name, weight in model.named_parameters() if not weight.requires_grad],
        "dtypes": {name: str(each.dtype).removeprefix("torch.") for name, each in _weights(model)},
    }


def build(description: Any, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None) -> Pile:
    """Return a Pile with an architecture that :func:`describe` returned, and new weights.

    The random generators of PyTorch are unchanged.

    Args:
        description: what ``describe`` returned.
        custom_objects: classes and functions by name, other than those of this project and of PyTorch. They are
            trusted: the weights that they make are not counted.
        max_bytes: the most memory that all weights may take, in the dtypes of the description; more is refused before
            it is allocated. A number counts as the smallest of these dtypes.

    Raises:
        ValueError: a class or function is unknown, or the description is malformed; the message says where.

    Example:
        >>> build(describe(Pile([nn.Linear(2, 3)]))).layers
        [Linear(in_features=2, out_features=3, bias=True)]
    """
    if not isinstance(description, dict) or description.get("class") != "cthulhu.models.Pile":
        raise ValueError(f"the description of the model is {reprlib.repr(description)}: expected that of a Pile")
    rest = dict(description)
    frozen, dtypes = _names(rest.pop("frozen", [])), _dtypes(rest.pop("dtypes", {}))
    itemsize = min((each.itemsize for each in dtypes.values()), default=torch.get_default_dtype().itemsize)
    with _generators_kept():
        model: Pile = Builder(custom_objects or {}, max_bytes, itemsize).build(rest, "the model")
    _freeze(model, frozen)
    _convert(model, dtypes)
    return model


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield floating-point parameters and buffers whose sizes are known."""
    for name, weight in (*model.named_parameters(), *model.named_buffers()):
        if not is_lazy(weight) and (weight.is_floating_point() or weight.is_complex()):
            yield name, weight


def _names(found: Any) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"the model: frozen is {reprlib.repr(found)}: expected a list of names of parameters")
    return found


def _dtypes(found: Any) -> dict[str, torch.dtype]:
    if not isinstance(found, dict):
        raise ValueError(f"the model: dtypes is {reprlib.repr(found)}: expected a dict from weight to dtype")
    known = {name: each for name, each in dtypes_by_name().items() if each.is_floating_point or each.is_complex}
    for name, dtype in found.items():
        if not isinstance(name, str) or not isinstance(dtype, str) or dtype not in known:
            raise ValueError(f"the model: the dtype of {name!r} is {reprlib.repr(dtype)}: expected e.g. 'float32'")
    return {name: known[dtype] for name, dtype in found.items()}


def _freeze(model: Pile, names: list[str]) -> None:
    parameters = dict(model.named_parameters())
    for name in names:
        if name not in parameters:
            raise ValueError(f"the model has no parameter {name!r} to freeze: it has {', '.join(parameters) or 'none'}")
        parameters[name].requires_grad_(False)


def _convert(model: Pile, dtypes: dict[str, torch.dtype]) -> None:
    weights = dict(_weights(model))
    for name, dtype in dtypes.items():
        if name not in weights:
            raise ValueError(f"the model has no weight {name!r} of floating-point numbers: it has {', '.join(weights)}")
        try:
            weights[name].data = weights[name].data.to(dtype)
        except Exception as error:
            raise ValueError(f"the model: weight {name!r} cannot be of dtype {dtype}: {error}") from error


@contextmanager
def _generators_kept() -> Iterator[None]:
    # Only if the GPU is in use: asking it for its generators would initialise it.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices):
        yield
