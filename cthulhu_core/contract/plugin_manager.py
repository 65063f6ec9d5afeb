"""The pluggy plugin manager that knows the hook specifications."""

from __future__ import annotations

import pluggy

from cthulhu_core.contract import hookspecs


def new_manager() -> pluggy.PluginManager:
    """Return a plugin manager that knows the hook specifications and holds no plugin."""
    manager = pluggy.PluginManager("cthulhu")
    manager.add_hookspecs(hookspecs)
    return manager
