"""How several processes train one model: PyTorch's own wrappers, and when they reduce gradients."""

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
    """Return the module to call instead of ``model`` to compute gradients.

    It is ``model`` itself if there is one process, or if each process holds a part of the weights.
    """
    if world_size() == 1 or has_parts(model):
        return model
    return nn.parallel.DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)


@contextmanager
def unsummed(model: Any) -> Iterator[None]:
    """Accumulate gradients in each process without reducing them.

    If each process holds a part of the weights, its part of the gradients is reduced anyway: there is no room for all
    of them.
    """
    if isinstance(model, nn.parallel.DistributedDataParallel):
        with model.no_sync():
            yield
    else:
        yield


def sum_up(optimizer: torch.optim.Optimizer) -> None:
    """Replace gradients that were not reduced by their mean over all processes."""
    if world_size() == 1:
        return
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None and not is_sharded(weight):
                torch.distributed.all_reduce(weight.grad)
                weight.grad /= world_size()


def share_buffers(model: nn.Module) -> None:
    """Copy the buffers of the main process, which saves its own: each process has statistics of its own batches."""
    if world_size() > 1:
        with torch.no_grad():
            for buffer in model.buffers():
                buffer.copy_(broadcast_from_main(buffer))
