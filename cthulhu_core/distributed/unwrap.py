"""The module inside wrappers such as ``DistributedDataParallel``, and its class."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

WRAPPER = "_wraps_module"
"""A class with this attribute only wraps its child ``module``. Subclasses may do more, and are not unwrapped."""


def inner(model: nn.Module) -> nn.Module:
    """Return the module inside a Lump, ``DistributedDataParallel``, ``torch.compile``, or any nesting of them.

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
        elif "_orig_mod" in model._modules:  # torch.compile's name for what it wraps
            name = "_orig_mod"
        else:
            return model
        wrapped = model._modules.get(name)
        if wrapped is None:
            return model
        model = wrapped


def class_of(module: object) -> type:
    """Return the class that ``module`` was made from; ``fully_shard`` replaces it by a subclass.

    Example:
        >>> class_of(nn.Linear(2, 1)).__name__
        'Linear'
    """
    cls = type(module)
    fsdp: Any = sys.modules.get("torch.distributed.fsdp")
    # The order is: the class made by fully_shard, FSDPModule, the original class.
    return cls.__mro__[2] if hasattr(fsdp, "FSDPModule") and isinstance(module, fsdp.FSDPModule) else cls
