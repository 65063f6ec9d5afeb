"""Every callback that is installed, by its name. A package is imported when its callback is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.callback import Callback
from cthulhu_core.installed import registry
from cthulhu_core.run.base_logger import BaseLogger
from cthulhu_core.run.history import History

if TYPE_CHECKING:
    from cthulhu_checkpoint import LumpCheckpoint as LumpCheckpoint
    from cthulhu_csv import CSVLogger as CSVLogger
    from cthulhu_early_stopping import EarlyStopping as EarlyStopping
    from cthulhu_lr_scheduler import LearningRateScheduler as LearningRateScheduler
    from cthulhu_lukthu import LuKthuCallback as LuKthuCallback
    from cthulhu_progbar import ProgbarLogger as ProgbarLogger
    from cthulhu_reduce_lr import ReduceLROnPlateau as ReduceLROnPlateau
    from cthulhu_remote import RemoteMonitor as RemoteMonitor
    from cthulhu_tensorboard import TensorBoard as TensorBoard
    from cthulhu_terminate_on_nan import TerminateOnNaN as TerminateOnNaN

__all__ = ["BaseLogger", "Callback", "History"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module 'cthulhu.callbacks' has no attribute {name!r}")
    return registry.callback(name)


def __dir__() -> list[str]:
    return registry.callback_names()
