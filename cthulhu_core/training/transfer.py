"""From the memory of the host to a device, while the device computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")


def moved(tensor: torch.Tensor, device: torch.device, dtype: torch.dtype | None = None) -> torch.Tensor:
    """``tensor`` on ``device``, and of ``dtype`` unless that is None; itself where it is both.

    What goes to a GPU goes there on a stream of its own: the GPU goes on with what it was given before, and waits for
    this tensor where it is used. Python does not wait.
    """
    if tensor.device.type != "cpu" or device.type != "cuda":
        # To the CPU, non_blocking would give the tensor away before its numbers have arrived.
        return tensor.to(device, dtype, non_blocking=device.type != "cpu")
    stream, user = _stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(stream):
        # From memory that may be swapped out, it would be copied twice, and waited for.
        pinned = tensor if tensor.is_pinned() else tensor.pin_memory()
        there = pinned.to(device, dtype, non_blocking=True)
    user.wait_stream(stream)
    # Its memory is not given to others before its user is done with it.
    there.record_stream(user)
    return there


@cache
def _stream(device: torch.device) -> Any:
    return torch.cuda.Stream(device)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, each of them made before the one in front of it is given: so that it is on its way by then."""
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        if len(waiting) > 1:
            yield waiting.pop(0)
    yield from waiting
