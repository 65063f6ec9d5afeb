"""The module that is meant, and its class, below what others have wrapped around it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

WRAPPER = "_wraps_module"
"""A class that sets this attribute only wraps the module in ``module``; its subclasses do more, and are kept."""


def inner(model: nn.Module) -> nn.Module:
    """``model`` without what is only wrapped around it: a Lump, DistributedDataParallel, ``torch.compile``.

    Example:
        >>> module = nn.Linear(2, 1)
        >>> inner(nn.DataParallel(module)) is module
        True
    """
    from torch import nn

    while True:
        is_wrapper = vars(class_of(model)).get(WRAPPER, False)
        if is_wrapper or isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            name = "module"
        elif "_orig_mod" in model._modules:  # as torch.compile calls what it wraps
            name = "_orig_mod"
        else:
            return model
        wrapped = model._modules.get(name)
        if wrapped is None:
            return model
        model = wrapped


def class_of(module: object) -> type:
    """The class of which ``module`` was made: ``fully_shard`` has given it one that is derived from that.

    Example:
        >>> class_of(nn.Linear(2, 1)).__name__
        'Linear'
    """
    cls = type(module)
    fsdp: Any = sys.modules.get("torch.distributed.fsdp")
    # Its class comes first, then that of the parts, then the one that it was.
    return cls.__mro__[2] if hasattr(fsdp, "FSDPModule") and isinstance(module, fsdp.FSDPModule) else cls
