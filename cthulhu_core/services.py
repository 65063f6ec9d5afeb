"""The installed plugins put to work: those that take part in every run, and the services they offer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import NamedTuple

import pluggy

from cthulhu_core.dispatch import RefusedCallback, new_manager, validate
from cthulhu_core.registry import PluginError, Record, Row, load, rows


class PluginWarning(UserWarning):
    """An installed plugin cannot be used; runs go on without it."""


class ActivePlugin(NamedTuple):
    """A plugin that takes part in every run."""

    record: Record
    plugin: object


_warned: set[Record] = set()


def active_plugins() -> list[ActivePlugin]:
    """Import the installed plugins that are switched on. One that cannot be used is warned about, once a process."""
    active = []
    for row in rows():
        if row.record.kind != "plugin" or row.state == "off":
            continue
        try:
            plugin = load(row)
            validate(plugin)
        except (PluginError, RefusedCallback) as error:
            _warn(row, error)
        else:
            active.append(ActivePlugin(row.record, plugin))
    return active


def _warn(row: Row, error: Exception) -> None:
    if row.record not in _warned:
        _warned.add(row.record)
        warnings.warn(
            f"the plugin {row.record} is left out: {error}. Switch it off with CTHULHU_DISABLE={row.record.name}",
            PluginWarning,
            stacklevel=2,
        )


def service_manager(plugins: Iterable[ActivePlugin] | None = None) -> pluggy.PluginManager:
    """A plugin manager that holds the installed plugins alone: to ask for what they do outside the loop."""
    manager = new_manager()
    for record, plugin in reversed(list(active_plugins() if plugins is None else plugins)):
        manager.register(plugin, name=str(record))
    return manager
