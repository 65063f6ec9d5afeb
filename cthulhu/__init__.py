"""Callbacks for PyTorch training, as packages: the names that users import. There is no logic here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cthulhu_core.version import __version__

if TYPE_CHECKING:
    from cthulhu import callbacks, layers, models
    from cthulhu_core.installed.requirements import require

__all__ = ["__version__", "callbacks", "layers", "models", "require"]


def __getattr__(name: str) -> Any:
    # Models and layers need torch, which takes seconds to import: everything comes when it is named.
    if name in ("callbacks", "layers", "models"):
        return importlib.import_module(f"cthulhu.{name}")
    if name == "require":
        return importlib.import_module("cthulhu_core.installed.requirements").require
    raise AttributeError(f"module 'cthulhu' has no attribute {name!r}")
