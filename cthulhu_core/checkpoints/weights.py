"""The weights of a module as arrays, and by layer for files; Daoloth and TheHydra have the layout of Keras."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from cthulhu_core.checkpoints.host_copies import as_numpy
from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.distributed.sharding import copy_into, is_sharded
from cthulhu_core.distributed.unwrap import class_of, inner

Weights = dict[str, dict[str, Tensor]]
"""Weights by layer and name, in the order of the model; layers without weights included."""

_EXTRA = "_extra_state"


def get_weights(module: nn.Module) -> list[np.ndarray]:
    """Return all weights, in the order of ``state_dict``; kernels of Daoloth have shape (in, units)."""
    return [weight for part in _parts(module) for weight in _weights_of(part)]


def set_weights(module: nn.Module, weights: Sequence[Any]) -> None:
    """Set weights of the number and shapes that :func:`get_weights` returns.

    Raises:
        ValueError: their number or shapes differ; nothing is changed.
    """
    expected = [weight.shape for weight in get_weights(module)]
    given = [np.shape(weight) for weight in weights]
    if given != expected:
        raise ValueError(f"weights of shapes {given} do not fit this model: expected {expected}")
    remaining = list(weights)
    for part in _parts(module):
        count = len(_weights_of(part))
        _set_weights_of(part, remaining[:count])
        del remaining[:count]


def _parts(module: nn.Module) -> Iterator[nn.Module | Tensor]:
    """Yield what holds the weights of ``module``, in the order of its ``state_dict``.

    These are layers with a layout of their own, and the parameters and buffers of all others.
    """
    yield from _own(module).values()
    for child in module.children():
        if hasattr(child, "get_weights"):
            yield child
        else:
            yield from _parts(child)


def _own(module: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers of ``module`` itself, without those of its children."""
    return {
        name: value
        for name, value in module.state_dict().items()
        if "." not in name and isinstance(value, Tensor) and name != _EXTRA
    }


def _weights_of(part: Any) -> list[np.ndarray]:
    return [as_numpy(part).copy()] if isinstance(part, Tensor) else part.get_weights()


def _set_weights_of(part: Any, weights: Sequence[Any]) -> None:
    if isinstance(part, Tensor):
        part.copy_(torch.as_tensor(np.asarray(weights[0])))
    else:
        part.set_weights(weights)


# --- by layer -------------------------------------------------------------------------------------------------------


def layer_weights(model: nn.Module) -> Weights:
    """Return views of the weights by layer: of Daoloth and TheHydra in the layout of Keras, all others as they are.

    Weights of the model itself, outside its children, are in a layer named after the model's class.

    Raises:
        CheckpointError: a layer has no weights yet.
    """
    model = inner(model)
    waiting = [name for name, weight in model.named_parameters() if is_lazy(weight)]
    if waiting:
        raise CheckpointError(
            f"{', '.join(waiting)} {'has' if len(waiting) == 1 else 'have'} no size yet: it is learned from the first "
            "data; give the layer its input size, or call the model once"
        )
    layers = {name: _below(child) for name, child in model.named_children()}
    own = _of(model)
    if own:
        name = class_of(model).__name__.lower()
        while name in layers:
            name += "_"
        layers = {name: own, **layers}
    return layers


def _below(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights of ``module`` and its children."""
    weights = _of(module)
    for name, child in module.named_children():
        weights.update({f"{name}.{below}": weight for below, weight in _below(child).items()})
    return weights


def _of(module: nn.Module) -> dict[str, Tensor]:
    """Return the weights of ``module`` itself, with the names and in the layout that it defines, if it does."""
    views: Any = getattr(module, "named_weights", dict)
    named: dict[str, Tensor] = views()
    known = {_address(weight) for weight in named.values()}
    return {**named, **{name: weight for name, weight in _own(module).items() if _address(weight) not in known}}


def _address(weight: Any) -> int:
    """Return the address of the numbers; of a sharded weight, those of this process."""
    address: int = (weight.to_local() if is_sharded(weight) else weight).data_ptr()
    return address


def extra_state(model: nn.Module) -> dict[str, Any]:
    """Return the extra state of modules by its name in ``state_dict``."""
    return {name: value for name, value in inner(model).state_dict().items() if _is_extra(name)}


def _is_extra(name: str) -> bool:
    return name.rpartition(".")[2] == _EXTRA


Pairs = list[tuple[Tensor, Tensor]]
"""Views into a model, each with the values for it."""


def load_layers(model: nn.Module, weights: Mapping[str, Mapping[str, Tensor]], extra: Mapping[str, Any]) -> None:
    """Copy ``weights`` and ``extra`` state into ``model``. Raises the errors of :func:`pairs`."""
    with torch.no_grad():
        for view, weight in pairs(model, weights, extra):
            copy_into(view, weight)
    modules = dict(inner(model).named_modules())
    for name, value in extra.items():
        modules[name.rpartition(".")[0]].set_extra_state(value)


def pairs(model: nn.Module, weights: Mapping[str, Mapping[str, Tensor]], extra: Mapping[str, Any]) -> Pairs:
    """Return the weights of ``model`` with the values for them, by name, or by order if Keras named the layers.

    Raises:
        CheckpointError: they do not fit; the message lists every difference.
    """
    here = dict(_flat(layer_weights(model)))
    there = dict(_flat(weights))
    if here.keys() != there.keys() and _same_order(here, there):
        there = dict(zip(here, there.values(), strict=True))
    differences = [_difference(key, here.get(key), there.get(key)) for key in {**here, **there}]
    found = [difference for difference in differences if difference]
    wanted = set(extra_state(model))
    found += [f"{name}: {'only here' if name in wanted else 'only in the checkpoint'}" for name in wanted ^ set(extra)]
    if found:
        raise CheckpointError(
            "its weights are those of another architecture; the model is unchanged:\n  " + "\n  ".join(found)
        )
    return [(view, there[key]) for key, view in here.items()]


def _flat(weights: Mapping[str, Mapping[str, Tensor]]) -> Iterator[tuple[tuple[str, str], Tensor]]:
    for layer, named in weights.items():
        for name, weight in named.items():
            yield (layer, name), weight


def _same_order(here: Mapping[tuple[str, str], Tensor], there: Mapping[tuple[str, str], Tensor]) -> bool:
    """Return whether both have the same weights in the same order, under other names of layers."""
    return [(name, view.shape) for (_, name), view in here.items()] == [
        (name, weight.shape) for (_, name), weight in there.items()
    ]


def _difference(key: tuple[str, str], here: Tensor | None, there: Tensor | None) -> str:
    name = "/".join(key)
    if here is None and there is not None:
        return f"{name}: not here, {_shape(there)} in the checkpoint"
    if there is None and here is not None:
        return f"{name}: {_shape(here)} here, not in the checkpoint"
    if here is not None and there is not None and here.shape != there.shape:
        return f"{name}: {_shape(here)} here, {_shape(there)} in the checkpoint"
    return ""


def _shape(tensor: Tensor) -> str:
    return str(tuple(tensor.shape))
