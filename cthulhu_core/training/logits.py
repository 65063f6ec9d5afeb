"""Logits, left by activations on the probabilities that they make of them, and found there by losses.

A loss that is computed from the logits is exact where the logarithm of a probability is not.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

Probabilities = Literal["softmax", "sigmoid"]


def keep_logits(probabilities: Tensor, logits: Tensor, kind: Probabilities) -> Tensor:
    """Leave on ``probabilities`` the ``logits`` that they are the softmax or the sigmoid of."""
    setattr(probabilities, f"_cthulhu_{kind}_of", logits)
    return probabilities


def logits_of(output: Any, kind: Probabilities) -> Tensor | None:
    """The logits that ``output`` is the softmax or the sigmoid of, if its activation left them."""
    return getattr(output, f"_cthulhu_{kind}_of", None)


def keep_logits_of(module: nn.Module) -> None:
    """Have ``nn.Softmax`` or ``nn.Sigmoid``, as ``module`` or at the end of a ``nn.Sequential``, leave its logits."""
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
    """``outputs``, or lists, tuples and dicts of them, with what is of half precision as float32, logits included."""
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
