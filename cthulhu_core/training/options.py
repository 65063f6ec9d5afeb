"""How a step is computed: what ``conjure`` was told beside what is minimised and measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch

PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True)
class Options:
    """How a step is computed; by default as PyTorch does it.

    Args:
        jit_compile: compile forward, loss and backward with ``torch.compile``.
        autocast: ``"bfloat16"`` or ``"float16"``: the precision of the forward pass where PyTorch deems it safe.
            Weights, outputs, loss and metrics stay what they are; with float16, the loss is scaled.
        accumulate: how many batches there are to a step of the optimizer.
        clipnorm: what the norm of all gradients together may be.
        clipvalue: what the absolute value of an element of a gradient may be.
        strategy: what each of several processes has of the weights: ``"ddp"``, as None, all of them; ``"fsdp"``, a
            part. One process that trains alone has them all in any case.

    Raises:
        ValueError: one of them is not of these.
    """

    jit_compile: bool = False
    autocast: Literal["bfloat16", "float16"] | None = None
    accumulate: int = 1
    clipnorm: float | None = None
    clipvalue: float | None = None
    strategy: Literal["ddp", "fsdp"] | None = None

    def __post_init__(self) -> None:
        if self.jit_compile not in (True, False):
            raise ValueError(f"jit_compile is {self.jit_compile!r}: expected True or False")
        if self.autocast is not None and self.autocast not in PRECISIONS:
            raise ValueError(f"autocast is {self.autocast!r}: expected {' or '.join(map(repr, PRECISIONS))}, or None")
        if isinstance(self.accumulate, bool) or not isinstance(self.accumulate, int) or self.accumulate < 1:
            raise ValueError(f"accumulate is {self.accumulate!r}: expected an integer of at least 1")
        if self.strategy is not None and self.strategy not in STRATEGIES:
            raise ValueError(f"strategy is {self.strategy!r}: expected {' or '.join(map(repr, STRATEGIES))}, or None")
        for name, most in (("clipnorm", self.clipnorm), ("clipvalue", self.clipvalue)):
            if most is not None and not _is_positive(most):
                raise ValueError(f"{name} is {most!r}: expected a finite number above 0, or None")


def _is_positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value > 0
