"""Which process of distributed training this one is. Imports nothing: who trains alone needs nothing of it."""

from __future__ import annotations

import sys


def rank() -> int:
    """The number of this process, from 0; 0 where training is not distributed.

    Example:
        >>> rank()
        0
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return 0
    return int(distributed.get_rank())
