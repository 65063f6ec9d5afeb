"""Weights of which each process holds a part (``fully_shard``): how they become that, and what is copied into them."""

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
"""A module that sets this attribute is a container, as ``nn.Sequential`` is: its layers are sharded one by one."""


def is_sharded(tensor: object) -> bool:
    """Whether this process holds a part of ``tensor``.

    Example:
        >>> is_sharded(torch.ones(2))
        False
    """
    # Where nobody has imported it, there is none; to import it takes time.
    distributed = sys.modules.get("torch.distributed.tensor")
    return distributed is not None and isinstance(tensor, distributed.DTensor)


def has_parts(model: Any) -> bool:
    """Whether each process holds a part of the weights of ``model``, which may be anything in a loop of one's own."""
    return any(is_sharded(weight) for weight in getattr(model, "parameters", tuple)())


def shard(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Leave to each process its part of the weights of ``model``, and of what ``optimizer`` remembers of them.

    All begin with the weights of the main process. What is gathered at once for a forward pass is a layer of a
    ``Pile``, ``Sequential`` or ``ModuleList``, and what is outside of them. A model that is sharded is left as it is.

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
    """Have ``optimizer`` train the parts in the place of the whole weights, which are named by their ids."""
    state: defaultdict[Any, Any] = defaultdict(dict)
    for whole, values in optimizer.state.items():
        part = parts[id(whole)]
        state[part] = {name: alike(value, part) for name, value in values.items()}
    optimizer.state = state
    for group in optimizer.param_groups:
        group["params"] = [parts[id(whole)] for whole in group["params"]]
        if group.get("fused") and not isinstance(optimizer, (torch.optim.Adam, torch.optim.AdamW)):
            # Parts have a fused kernel for these alone.
            group["fused"] = None
            optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def alike(value: Any, weight: Tensor) -> Any:
    """``value``, a tensor of the shape of ``weight``, whole or in parts as ``weight`` is; anything else as it is."""
    if not isinstance(value, Tensor) or value.shape != weight.shape or is_sharded(value) == is_sharded(weight):
        return value
    if not is_sharded(weight):
        return _whole(value)
    from torch.distributed.tensor import distribute_tensor

    part: Any = weight
    # All processes have the whole of it: none needs to send it.
    return distribute_tensor(value.to(part.device), part.device_mesh, part.placements, src_data_rank=None)


def copy_into(view: Any, value: Any) -> None:
    """Copy ``value`` into ``view``; either may be in parts. Where any is, all processes must do it."""
    value = alike(value, view)
    if is_sharded(view):
        value = value.redistribute(view.device_mesh, view.placements)
    view.copy_(value)


def _whole(value: Any) -> Tensor:
    whole: Tensor = value.full_tensor()
    return whole


def state_alike(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
    """The state of an optimizer, whole or in parts as the weights are that ``optimizer`` trains."""
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
