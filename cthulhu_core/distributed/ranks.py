"""The processes of a distributed training: which one this is, and what they agree on.

torch is imported where there are several of them; who trains alone needs nothing of it.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def group() -> Any:
    """``torch.distributed``, where there is a process group; else None."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed


def rank() -> int:
    """The number of this process, from 0; 0 where training is not distributed.

    Example:
        >>> rank()
        0
    """
    distributed = group()
    return 0 if distributed is None else int(distributed.get_rank())


def world_size() -> int:
    """How many processes train together; 1 where training is not distributed.

    Example:
        >>> world_size()
        1
    """
    distributed = group()
    return 1 if distributed is None else int(distributed.get_world_size())


def join() -> None:
    """Join the other processes that ``torchrun`` has started, unless the script has done that, or there are none.

    The group is ``gloo``, and ``nccl`` for what is on a GPU. It is left when Python ends.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2 or group() is not None:
        return
    import atexit

    import torch
    import torch.distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed: Any = torch.distributed  # not all of its names are typed
    store, number, size = next(distributed.rendezvous("env://"))
    # torchrun may start processes again with the store of those that were there before: who reads what they have left
    # in it looks for them.
    attempt = distributed.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=attempt, rank=number, world_size=size)
    atexit.register(_leave)


def _leave() -> None:
    distributed = group()
    if distributed is not None:
        gc.collect()  # what is left of a model that was trained holds on to the group
        distributed.destroy_process_group()


def store() -> Any:
    """Where the processes have met: keys and values that all of them can set and get; None where there is one alone."""
    distributed = group()
    if distributed is None or world_size() == 1:
        return None
    # There is no public way to it, and no other way to say something to a process that does not listen.
    return distributed.distributed_c10d._get_default_store()


def local_device(device: torch.device) -> torch.device:
    """Where this process trains a model that the script put on ``device``: ``torchrun`` gives each a GPU of its own."""
    import torch

    if device.type != "cuda" or world_size() == 1 or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
