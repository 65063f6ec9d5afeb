"""The processes of a distributed training, and how this one joins them.

torch is imported only if there are several processes.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def group() -> Any:
    """Return ``torch.distributed`` if there is a process group, else None."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return None
    return distributed


def rank() -> int:
    """Return the number of this process, from 0; 0 if training is not distributed.

    Example:
        >>> rank()
        0
    """
    distributed = group()
    return 0 if distributed is None else int(distributed.get_rank())


def world_size() -> int:
    """Return how many processes train together; 1 if training is not distributed.

    Example:
        >>> world_size()
        1
    """
    distributed = group()
    return 1 if distributed is None else int(distributed.get_world_size())


def join() -> None:
    """Join the other processes that ``torchrun`` has started, unless the script has already done so.

    The backend is ``gloo``, and ``nccl`` for tensors on a GPU. The process leaves the group when Python exits.
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
    # After a restart, torchrun may reuse the store of the processes before: what they left there must not be read.
    attempt = distributed.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, store=attempt, rank=number, world_size=size)
    atexit.register(_leave)


def _leave() -> None:
    distributed = group()
    if distributed is not None:
        gc.collect()  # remains of a trained model keep the group alive
        distributed.destroy_process_group()


def store() -> Any:
    """Return the key-value store that all processes share; None if there is only one process."""
    distributed = group()
    if distributed is None or world_size() == 1:
        return None
    # There is no public accessor, and no other way to reach a process that takes part in no collective.
    return distributed.distributed_c10d._get_default_store()


def local_device(device: torch.device) -> torch.device:
    """Return the device on which this process trains a model that is on ``device``: its own GPU under ``torchrun``."""
    import torch

    if device.type != "cuda" or world_size() == 1 or "LOCAL_RANK" not in os.environ:
        return device
    return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
