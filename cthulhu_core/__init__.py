"""What an author of callbacks imports. Importing it imports neither torch nor any installed package."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# Not when it is named: the module has the name of its function.
from cthulhu_core.learning_rate import learning_rate, set_learning_rate
from cthulhu_core.version import __version__

if TYPE_CHECKING:
    from cthulhu_core.atomic import atomic_write
    from cthulhu_core.automatic import BaseLogger, History
    from cthulhu_core.batch import Batch
    from cthulhu_core.callback import Callback
    from cthulhu_core.checkpoint import Checkpoint, CheckpointError
    from cthulhu_core.config import ConfigError
    from cthulhu_core.costs import Cost
    from cthulhu_core.formats import check_format
    from cthulhu_core.generators import random_state, set_random_state
    from cthulhu_core.hookspecs import Logs, hookimpl
    from cthulhu_core.models.inner import inner
    from cthulhu_core.monitor import Monitor, check_epochs
    from cthulhu_core.plain import pack, unpack
    from cthulhu_core.plan import planned_names
    from cthulhu_core.run import Run
    from cthulhu_core.validation import RefusedCallback

__all__ = [
    "BaseLogger",
    "Batch",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "ConfigError",
    "Cost",
    "History",
    "Logs",
    "Monitor",
    "RefusedCallback",
    "Run",
    "__version__",
    "atomic_write",
    "check_epochs",
    "check_format",
    "hookimpl",
    "inner",
    "learning_rate",
    "pack",
    "planned_names",
    "random_state",
    "set_learning_rate",
    "set_random_state",
    "unpack",
]

# A module is imported when one of its names is: a script that is told what to install needs none of them.
_MODULES = {
    "BaseLogger": "automatic",
    "Batch": "batch",
    "Callback": "callback",
    "Checkpoint": "checkpoint",
    "CheckpointError": "checkpoint",
    "ConfigError": "config",
    "Cost": "costs",
    "History": "automatic",
    "Logs": "hookspecs",
    "Monitor": "monitor",
    "RefusedCallback": "validation",
    "Run": "run",
    "atomic_write": "atomic",
    "check_epochs": "monitor",
    "check_format": "formats",
    "hookimpl": "hookspecs",
    "inner": "models.inner",
    "pack": "plain",
    "planned_names": "plan",
    "random_state": "generators",
    "set_random_state": "generators",
    "unpack": "plain",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"cthulhu_core.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cthulhu_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
