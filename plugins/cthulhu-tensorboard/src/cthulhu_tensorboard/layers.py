"""The layers of a model with their names in checkpoints, their outputs, and the call of a model."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cthulhu_core import inner

if TYPE_CHECKING:
    import torch
    from torch import nn


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of the model by name: its children, or the model itself if it has none.

    Lists and dicts of modules, which are never called, are replaced by their elements: ``blocks.0``.

    Example:
        >>> list(layers(nn.Sequential(nn.Linear(2, 1), nn.ReLU())))
        ['0', '1']
        >>> list(layers(nn.Linear(2, 1)))
        ['linear']
    """
    model = inner(model)
    return dict(_called(model, "")) or {type(model).__name__.lower(): model}


def _called(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    from torch import nn

    for name, child in module.named_children():
        if type(child).forward is nn.Module.forward:
            yield from _called(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


def modules(model: nn.Module) -> dict[str, nn.Module]:
    """Return all modules of the model by name: ``thehydra_1`` in a Pile, ``encoder.embed`` in nested modules.

    Example:
        >>> list(modules(nn.Sequential(nn.Sequential(nn.ReLU()))))
        ['0', '0.0']
    """
    model = inner(model)
    named = {name: module for name, module in model.named_modules() if name}
    return named or layers(model)


def unknown(given: Iterable[str], known: Iterable[str], argument: str) -> ValueError | None:
    """Return an error for the ``given`` names of layers that are not ``known``, with similar names, or None.

    Example:
        >>> unknown(["thehydra"], ["thehydra_1", "daoloth_1"], "embeddings_layer_names")
        ValueError("embeddings_layer_names: there is no layer 'thehydra': did you mean 'thehydra_1'?")
    """
    known = list(known)
    said = []
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(known)}"
            said.append(f"there is no layer {name!r}: {hint}")
    return ValueError(f"{argument}: {'; '.join(said)}") if said else None


def tensors(outputs: Any) -> dict[str, torch.Tensor]:
    """Return the tensors in the output of a layer by suffix: empty for a single one, else positions and keys.

    Example:
        >>> list(tensors((torch.zeros(1), {"hidden": torch.zeros(1)}, None)))
        ['_0', '_1_hidden']
    """
    from torch import Tensor

    if isinstance(outputs, Tensor):
        return {"": outputs}
    if isinstance(outputs, Mapping):
        parts: Iterable[tuple[Any, Any]] = outputs.items()
    elif isinstance(outputs, (list, tuple)):
        parts = enumerate(outputs)
    else:
        return {}
    return {f"_{key}{suffix}": tensor for key, part in parts for suffix, tensor in tensors(part).items()}


def call(model: nn.Module, inputs: Any) -> Any:
    """Return the output of ``model`` for inputs as in ``summon``: a list is passed by position, a dict by name."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)
