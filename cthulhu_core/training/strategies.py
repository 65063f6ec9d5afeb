"""How a model is trained by several processes: PyTorch's own engines, and when their gradients are summed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from cthulhu_core.training.distributed import of_main, world_size

Strategy = Literal["ddp", "fsdp"]


def distributed(model: nn.Module, strategy: Strategy | None, device: torch.device) -> nn.Module:
    """What is called in the place of ``model`` where gradients are computed; itself where one process trains alone.

    Args:
        model: where it is to be trained, with weights of known sizes.
        strategy: ``"fsdp"`` for a model that :func:`shard` has been called for.
        device: where it is.
    """
    if world_size() == 1 or strategy == "fsdp":
        return model
    return nn.parallel.DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


def shard(model: nn.Module, device: torch.device) -> None:
    """Keep of each weight in each process a part alone: of the weights of a layer that has some, layer by layer.

    The optimizer is to be made after it: parameters become others.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (world_size(),))
    for module in model.modules():
        if module is not model and any(True for _ in module.parameters(recurse=False)):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh)


def share_buffers(model: nn.Module) -> None:
    """Take the buffers of the main process, whose are saved: each has the statistics of its own batches."""
    if world_size() > 1:
        for buffer in model.buffers():
            buffer.copy_(of_main(buffer))


def sum_up(model: Any, optimizer: torch.optim.Optimizer) -> None:
    """Make of gradients that were left as they are their mean over all processes, without a batch.

    Where weights are in parts there is no such way, and the gradients are given up.
    """
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if isinstance(model, nn.parallel.DistributedDataParallel) and weight.grad is not None:
                torch.distributed.all_reduce(weight.grad)
                weight.grad /= world_size()
            elif hasattr(model, "set_requires_gradient_sync"):
                weight.grad = None


@contextmanager
def unsummed(model: Any) -> Iterator[None]:
    """Leave gradients as they are in each process: more are added to them."""
    if isinstance(model, nn.parallel.DistributedDataParallel):
        with model.no_sync():
            yield
    elif hasattr(model, "set_requires_gradient_sync"):
        model.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            model.set_requires_gradient_sync(True)
    else:
        yield
