"""Numbers and tensors that the processes of a distributed training agree on.

Each function here is a collective: it waits for all processes, and all of them must call it. With one process, it
returns what it was given and imports nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cthulhu_core.distributed.ranks import group, world_size

if TYPE_CHECKING:
    import torch


def sum_over_ranks(numbers: Sequence[float]) -> list[float]:
    """Return the elementwise sums over all processes, in float64; all must pass the same number of elements."""
    distributed = group()
    if distributed is None or world_size() == 1:
        return list(numbers)
    import torch

    sums = torch.tensor(numbers, dtype=torch.float64, device=_where(distributed))
    distributed.all_reduce(sums)
    return [float(each) for each in sums.tolist()]


def any_rank(asked: bool) -> bool:
    """Return whether ``asked`` is true in any process."""
    return sum_over_ranks([float(asked)])[0] > 0


def min_over_ranks(number: int) -> int:
    """Return the smallest ``number`` of all processes."""
    distributed = group()
    if distributed is None or world_size() == 1:
        return number
    import torch

    smallest = torch.tensor(number, device=_where(distributed))
    distributed.all_reduce(smallest, distributed.ReduceOp.MIN)
    return int(smallest)


def broadcast_from_main(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor of the main process; the others pass one of the same shape and dtype, which is unchanged."""
    distributed = group()
    if distributed is None or world_size() == 1:
        return tensor
    here = tensor if tensor.device.type == "cuda" else tensor.to(_where(distributed))
    here = here.clone() if here is tensor else here
    distributed.broadcast(here, 0)
    return here.to(tensor.device)


def _where(distributed: Any) -> str:
    """Return the device for numbers that may be anywhere: nccl accepts none in host memory."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"
