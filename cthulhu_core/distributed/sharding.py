"""Weights of which each process holds a part (``fully_shard``)."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cthulhu_core.distributed.agreement import broadcast_from_main
from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.distributed.unwrap import inner

CONTAINER = "_contains_layers"
"""A module with this attribute is a container, like ``nn.Sequential``: its layers are sharded one by one."""


def is_sharded(tensor: object) -> bool:
    """Return whether this process holds only a part of ``tensor``.

    Example:
        >>> is_sharded(torch.ones(2))
        False
    """
    # If nobody has imported the module, there is no DTensor; importing it takes time.
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(tensor, distributed.DTensor)


def has_parts(model: Any) -> bool:
    """Return whether each process holds a part of the weights of ``model``, which may be any object."""
    return any(is_sharded(weight) for weight in getattr(model, "parameters", tuple)())


def shard(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Shard the weights of ``model`` and the state of ``optimizer`` over all processes.

    All processes start from the weights of the main one. Layers of a ``Pile``, ``Sequential`` or ``ModuleList`` are
    gathered one at a time in the forward pass. A sharded model is left as it is.

    Raises:
        ImportError: this version of PyTorch has no ``fully_shard``.
    """
    if has_parts(model):
        return
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        raise ImportError(
            f"strategy='fsdp' needs PyTorch 2.6 or newer, and this is {torch.__version__}: use strategy='ddp'"
        ) from None
    from torch.distributed.device_mesh import init_device_mesh

    names = {id(weight): name for name, weight in model.named_parameters()}
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.copy_(broadcast_from_main(tensor))
    root = inner(model)
    mesh = init_device_mesh(next(root.parameters()).device.type, (world_size(),))
    for block in _blocks(root):
        fully_shard(block, mesh=mesh)
    fully_shard(root, mesh=mesh)
    parts = dict(model.named_parameters())
    _move(optimizer, {whole: parts[name] for whole, name in names.items()})


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if not isinstance(module, (nn.Sequential, nn.ModuleList)) and not getattr(module, CONTAINER, False):
            yield from _blocks(child)
        elif not isinstance(child, (nn.ModuleList, nn.ModuleDict)) and any(True for _ in child.parameters()):
            yield child


def _move(optimizer: torch.optim.Optimizer, parts: dict[int, nn.Parameter]) -> None:
    """Make ``optimizer`` train the parts instead of the whole weights, which are given by their ids."""
    state: defaultdict[Any, Any] = defaultdict(dict)
    for whole, values in optimizer.state.items():
        part = parts[id(whole)]
        state[part] = {name: alike(value, part) for name, value in values.items()}
    optimizer.state = state
    for group in optimizer.param_groups:
        group["params"] = [parts[id(whole)] for whole in group["params"]]
        if group.get("fused") and not isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
            # Only Adam and AdamW have fused kernels for sharded weights.
            group["fused"] = None
            optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def alike(value: Any, weight: Tensor) -> Any:
    """Return ``value`` sharded as ``weight`` is if it has its shape; anything else unchanged."""
    if not isinstance(value, Tensor) or value.shape != weight.shape or is_sharded(value) == is_sharded(weight):
        return value
    if not is_sharded(weight):
        return _whole(value)
    from torch.distributed.tensor import distribute_tensor

    part: Any = weight
    # All processes have the whole tensor, so none needs to send it.
    return distribute_tensor(value.to(part.device), part.device_mesh, part.placements, src_data_rank=None)


def copy_into(view: Any, value: Any) -> None:
    """Copy ``value`` into ``view``. Either may be sharded; if one is, all processes must call this."""
    value = alike(value, view)
    if is_sharded(view):
        value = value.redistribute(view.device_mesh, view.placements)
    view.copy_(value)


def _whole(value: Any) -> Tensor:
    whole: Tensor = value.full_tensor()
    return whole


def state_alike(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an optimizer, sharded as the weights are that ``optimizer`` trains."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    of = dict(zip(numbers, weights, strict=True))
    return {
        **state,
        "state": {
            number: {name: alike(value, of[number]) for name, value in values.items()} if number in of else values
            for number, values in state["state"].items()
        },
    }
