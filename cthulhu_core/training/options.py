"""The options of ``conjure`` that say how a step is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch

PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}
STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True)
class Options:
    """How a step is computed; by default, as in plain PyTorch.

    Args:
        jit_compile: compile forward pass, loss and backward pass with ``torch.compile``.
        autocast: ``"bfloat16"`` or ``"float16"``: the precision of the forward pass where PyTorch considers it safe.
            Weights, outputs, loss and metrics keep theirs; with float16, the loss is scaled.
        accumulate: number of batches in one optimizer step.
        clipnorm: the largest norm of all gradients together.
        clipvalue: the largest absolute value of an element of a gradient.
        strategy: the weights that each of several processes holds: all with ``"ddp"`` or None, a part with ``"fsdp"``.

    Raises:
        ValueError: an option has another value.
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
