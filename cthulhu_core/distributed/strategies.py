"""How several processes train one model: PyTorch's own engine, and when it sums up gradients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from cthulhu_core.distributed.agreement import broadcast_from_main
from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.distributed.sharding import has_parts, is_sharded


def distributed(model: nn.Module, device: torch.device) -> nn.Module:
    """What is called in the place of ``model`` where gradients are computed.

    That is itself where one process trains alone, or where each holds a part of the weights.
    """
    if world_size() == 1 or has_parts(model):
        return model
    return nn.parallel.DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


@contextmanager
def unsummed(model: Any) -> Iterator[None]:
    """Leave gradients as they are in each process: more are added to them.

    Where each holds a part of the weights, it is left with its part of the gradients, summed up: the whole of them is
    what there is no room for.
    """
    if isinstance(model, nn.parallel.DistributedDataParallel):
        with model.no_sync():
            yield
    else:
        yield


def sum_up(optimizer: torch.optim.Optimizer) -> None:
    """Make of gradients that were left as they are their mean over all processes."""
    if world_size() == 1:
        return
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None and not is_sharded(weight):
                torch.distributed.all_reduce(weight.grad)
                weight.grad /= world_size()


def share_buffers(model: nn.Module) -> None:
    """Take the buffers of the main process, whose are saved: each has the statistics of its own batches."""
    if world_size() > 1:
        with torch.no_grad():
            for buffer in model.buffers():
                buffer.copy_(broadcast_from_main(buffer))
