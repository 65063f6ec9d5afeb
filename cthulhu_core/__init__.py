"""What an author of callbacks imports. Importing it imports neither torch nor any installed package."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cthulhu_core.version import __version__

if TYPE_CHECKING:
    from cthulhu_core.atomic import atomic_write
    from cthulhu_core.checkpoints.packing import pack, unpack
    from cthulhu_core.contract.argument_checks import check_epochs, whole_number
    from cthulhu_core.contract.callback import Callback
    from cthulhu_core.contract.conformance import RefusedCallback
    from cthulhu_core.contract.errors import CheckpointError
    from cthulhu_core.contract.hookspecs import Logs, hookimpl
    from cthulhu_core.contract.learning_rate import learning_rate, set_learning_rate
    from cthulhu_core.contract.monitor import Monitor
    from cthulhu_core.distributed.unwrap import inner
    from cthulhu_core.installed.config import ConfigError
    from cthulhu_core.installed.model_files import check_format
    from cthulhu_core.models.checkpoint import Checkpoint
    from cthulhu_core.run.base_logger import BaseLogger
    from cthulhu_core.run.batch import Batch
    from cthulhu_core.run.costs import Cost
    from cthulhu_core.run.history import History
    from cthulhu_core.run.planned_logs import planned_names
    from cthulhu_core.run.random_state import random_state, set_random_state
    from cthulhu_core.run.run import Run

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
    "whole_number",
]

# A name imports its module when it is used: a script that is told what to install needs none of them.
_MODULES = {
    "BaseLogger": "run.base_logger",
    "Batch": "run.batch",
    "Callback": "contract.callback",
    "Checkpoint": "models.checkpoint",
    "CheckpointError": "contract.errors",
    "ConfigError": "installed.config",
    "Cost": "run.costs",
    "History": "run.history",
    "Logs": "contract.hookspecs",
    "Monitor": "contract.monitor",
    "RefusedCallback": "contract.conformance",
    "Run": "run.run",
    "atomic_write": "atomic",
    "check_epochs": "contract.argument_checks",
    "check_format": "installed.model_files",
    "hookimpl": "contract.hookspecs",
    "inner": "distributed.unwrap",
    "learning_rate": "contract.learning_rate",
    "pack": "checkpoints.packing",
    "planned_names": "run.planned_logs",
    "random_state": "run.random_state",
    "set_learning_rate": "contract.learning_rate",
    "set_random_state": "run.random_state",
    "unpack": "checkpoints.packing",
    "whole_number": "contract.argument_checks",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"cthulhu_core.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'cthulhu_core' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
