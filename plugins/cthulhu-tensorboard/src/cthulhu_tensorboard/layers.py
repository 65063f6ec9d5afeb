"""The layers of a model and their names, which are those of its checkpoints; what they give; how a model is called."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cthulhu_core import inner

if TYPE_CHECKING:
    import torch
    from torch import nn


def layers(model: nn.Module) -> dict[str, nn.Module]:
    """What the model is made of, by name: its children, or the model itself if it has none.

    Lists and dicts of modules, which are never called, are replaced by what is in them: ``blocks.0``.

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
    """All modules of the model by name: ``thehydra_1`` in a Pile, ``encoder.embed`` deeper down.

    Example:
        >>> list(modules(nn.Sequential(nn.Sequential(nn.ReLU()))))
        ['0', '0.0']
    """
    model = inner(model)
    named = {name: module for name, module in model.named_modules() if name}
    return named or layers(model)


def unknown(given: Iterable[str], known: Iterable[str], argument: str) -> ValueError | None:
    """The error that says which of the ``given`` names of layers are not ``known``, and which are close; else None.

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
    """The tensors in what a layer gave, by a suffix: none for the only one, else the position or the key of each.

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
    """What ``model`` gives for inputs as in ``summon``: several are passed by place, those of a dict by name."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)
