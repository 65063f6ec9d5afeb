"""The module that is meant, below what others have wrapped around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def inner(model: nn.Module) -> nn.Module:
    """``model`` without what is only wrapped around it: a Lump, DistributedDataParallel, ``torch.compile``.

    Example:
        >>> module = nn.Linear(2, 1)
        >>> inner(nn.DataParallel(module)) is module
        True
    """
    from torch import nn

    from cthulhu_core.models.lump import Lump

    while True:
        if type(model) is Lump or isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            name = "module"
        elif "_orig_mod" in model._modules:  # as torch.compile calls what it wraps
            name = "_orig_mod"
        else:
            return model
        wrapped = model._modules.get(name)
        if wrapped is None:
            return model
        model = wrapped
