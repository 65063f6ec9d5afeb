"""Call a model during its training without any effect on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cthulhu_core import random_state, set_random_state

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def isolated_call(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode, without gradients. Afterwards, restore it to the bit.

    This restores the mode of each module, its buffers, its attributes (a counter, or a tensor that ``forward`` keeps,
    but not the content of a list that it appends to), and the random generators of Python, NumPy and PyTorch. Hooks on
    modules are called as usual.

    Example:
        >>> model = nn.BatchNorm1d(2)
        >>> with isolated_call(model):
        ...     model.training, torch.rand(1).shape
        (False, torch.Size([1]))
        >>> model.training
        True
    """
    import torch

    generators = random_state()
    attributes = [(module, dict(vars(module)), dict(module._buffers)) for module in model.modules()]
    with torch.no_grad():
        contents = [(buffer, buffer.clone()) for buffer in model.buffers() if not torch.nn.parameter.is_lazy(buffer)]
    try:
        model.eval()
        with torch.no_grad():
            yield
    finally:
        for module, attribute, buffers in attributes:
            # The dicts of parameters, buffers, modules and hooks are attributes, too.
            asked = {name: vars(module)[name] for name in ("stop_training",) if name in vars(module)}
            vars(module).clear()
            # Keep a stop that a signal requested meanwhile.
            vars(module).update(attribute | asked)
            module._buffers.clear()
            module._buffers.update(buffers)
        with torch.no_grad():
            for buffer, content in contents:
                buffer.copy_(content)
        set_random_state(generators)
