"""The part of a batch that belongs to one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Part(tuple[Any, ...]):
    """The part of a batch that one process of a distributed training has, where the parts are not of equal size.

    Attributes:
        samples: how many; where there are none, a row stands there that does not count.
        mean_samples: how many each process has in the mean.
    """

    samples: int
    mean_samples: float

    @classmethod
    def of(cls, item: Sequence[Any], samples: int, mean_samples: float) -> Part:
        """``item`` as such a part."""
        part = cls(item)
        part.samples, part.mean_samples = samples, mean_samples
        return part
