"""The part of a batch that belongs to one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Part(tuple[Any, ...]):
    """The part of a batch that one process of a distributed training has, if the parts differ in size.

    Attributes:
        samples: number of samples; an empty part holds one row that does not count.
        mean_samples: mean number of samples in a process.
    """

    samples: int
    mean_samples: float

    @classmethod
    def of(cls, item: Sequence[Any], samples: int, mean_samples: float) -> Part:
        """Return ``item`` as a part."""
        part = cls(item)
        part.samples, part.mean_samples = samples, mean_samples
        return part
