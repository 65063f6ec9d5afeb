"""Logits that activations attach to the probabilities they return, for losses to find.

A loss computed from the logits is exact when the logarithm of a probability is not.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Probabilities = Literal["softmax", "sigmoid"]


def keep_logits(probabilities: Tensor, logits: Tensor, kind: Probabilities) -> Tensor:
    """Attach to ``probabilities`` the ``logits`` that they are the softmax or sigmoid of, and return them."""
    setattr(probabilities, f"_cthulhu_{kind}_of", logits)
    return probabilities


def logits_of(output: Any, kind: Probabilities) -> Tensor | None:
    """Return the logits that ``output`` is the softmax or sigmoid of, if its activation attached them."""
    return getattr(output, f"_cthulhu_{kind}_of", None)


def keep_logits_of(module: nn.Module) -> None:
    """Make an ``nn.Softmax`` or ``nn.Sigmoid``, alone or last in an ``nn.Sequential``, attach its logits."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    if isinstance(module, (nn.Softmax, nn.Sigmoid)):
        module.register_forward_hook(_leave_logits)


def _leave_logits(module: nn.Module, inputs: tuple[Tensor], probabilities: Tensor) -> None:
    if not isinstance(module, nn.Softmax):
        keep_logits(probabilities, inputs[0], "sigmoid")
    elif module.dim in (-1, probabilities.ndim - 1):
        keep_logits(probabilities, inputs[0], "softmax")


def in_single_precision(outputs: Any) -> Any:
    """Return ``outputs``, or lists, tuples and dicts of them, with half precision and its logits as float32."""
    if isinstance(outputs, Tensor):
        return _in_single_precision(outputs) if outputs.dtype in (torch.float16, torch.bfloat16) else outputs
    if type(outputs) in (list, tuple):
        return type(outputs)(map(in_single_precision, outputs))
    if type(outputs) is dict:
        return {name: in_single_precision(output) for name, output in outputs.items()}
    return outputs


def _in_single_precision(output: Tensor) -> Tensor:
    precise = output.float()
    for kind in get_args(Probabilities):
        logits = logits_of(output, kind)
        if logits is not None:
            keep_logits(precise, logits.float(), kind)
    return precise
