"""Transfers from host memory to a device, while the device computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")


def moved(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Return ``tensor`` on ``device``, converted to ``dtype`` unless that is None.

    Transfers to a GPU have a stream of their own: the GPU continues its work, and waits for the tensor when it is used.
    Python does not wait.
    """
    if tensor.device.type != "cpu" or device.type != "cuda":
        # To the CPU, non_blocking would return the tensor before its numbers have arrived.
        return tensor.to(device, dtype, non_blocking=device.type != "cpu")
    stream, user = _stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(stream):
        # A copy from pageable memory is made in two steps, and Python waits for it.
        pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
        there = pinned.to(device, dtype, non_blocking=True)
    user.wait_stream(stream)
    # Its memory must not be reused before the user's stream is done with it.
    there.record_stream(user)
    return there


@cache
def _stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items, each made one step ahead, so that its transfer has begun."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting
