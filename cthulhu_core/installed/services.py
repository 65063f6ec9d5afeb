"""Activate the installed plugins: those that take part in every run, and the services they offer."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from cthulhu_core.contract.conformance import RefusedCallback, validate
from cthulhu_core.contract.plugin_manager import new_manager
from cthulhu_core.installed.registry import (
    OFFICIAL,
    PluginError,
    Record,
    callback_names,
    installed,
    load,
    misspelt_switches,
    rows,
)

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run


class PluginWarning(UserWarning):
    """An installed plugin cannot be used; runs continue without it."""


class ActivePlugin(NamedTuple):
    """A plugin that takes part in every run."""

    record: Record
    plugin: object


_warned: set[Record] = set()

_said: set[str] = set()
"""Lines that are printed only once per process."""


class _Services(NamedTuple):
    """The active plugins, and what they were found for."""

    records: tuple[Record, ...]
    switches: str
    plugins: list[ActivePlugin]
    manager: pluggy.PluginManager


_services: _Services | None = None
"""The result of the last call, which every run and every save needs."""


def active_plugins() -> list[ActivePlugin]:
    """Return the installed plugins that are switched on; warn, once per process, about those that cannot be used."""
    return _activated().plugins


def service_manager() -> pluggy.PluginManager:
    """Return a plugin manager with the installed plugins only, for the services outside the loop."""
    return _activated().manager


def _activated() -> _Services:
    global _services  # noqa: PLW0603 - what is installed is the process's, too
    records, switches = installed(), os.environ.get("CTHULHU_DISABLE", "")
    found = _services
    if found is not None and found.records is records and found.switches == switches:
        return found
    plugins = _import_plugins()
    manager = new_manager()
    for record, plugin in reversed(plugins):
        manager.register(plugin, name=str(record))
    found = _Services(records, switches, plugins, manager)
    # A plugin that could not be imported may be repaired before the next run.
    whole = len(plugins) == sum(row.record.kind == "plugin" and row.state != "off" for row in rows())
    _services = found if whole else None
    return found


def _import_plugins() -> list[ActivePlugin]:
    for line in misspelt_switches():
        if line not in _said:
            _said.add(line)
            warnings.warn(line, PluginWarning, stacklevel=2)
    active = []
    for row in rows():
        if row.record.kind != "plugin" or row.state == "off":
            continue
        try:
            plugin = load(row)
            validate(plugin)
        except (PluginError, RefusedCallback) as error:
            _warn(row.record, error)
        else:
            active.append(ActivePlugin(row.record, plugin))
    return active


def default_callbacks(plugins: Sequence[ActivePlugin], run: Run) -> list[tuple[Record, object]]:
    """Return the callbacks that ``plugins`` add to ``run``, with their records; warn about unusable ones."""
    found: list[tuple[Record, object]] = []
    manager = service_manager()
    adding = {id(implementation.plugin) for implementation in manager.hook.cthulhu_default_callbacks.get_hookimpls()}
    for plugin in plugins:
        if id(plugin.plugin) not in adding:
            continue
        others = [other.plugin for other in plugins if other is not plugin]
        try:
            given = manager.subset_hook_caller("cthulhu_default_callbacks", others)(run=run)
            callbacks = [callback for each in given for callback in each]
            for callback in callbacks:
                validate(callback)
        except Exception as error:  # noqa: BLE001 - nobody asked for it by name: the run goes on without it
            _warn(plugin.record, error)
        else:
            found += [(plugin.record, callback) for callback in callbacks]
    if run.params["verbose"] and not found and run.is_main:
        _print_progress_hint()
    return found


def _print_progress_hint() -> None:
    """Print, once per process, what to install for the progress that ``verbose`` asks for."""
    if "ProgbarLogger" in callback_names():
        return
    line = f"verbose is set, but no installed package shows progress: pip install {OFFICIAL['ProgbarLogger']}"
    if line not in _said:
        _said.add(line)
        print(line)  # noqa: T201 - where the progress would be


def _warn(record: Record, error: Exception) -> None:
    if record not in _warned:
        _warned.add(record)
        # These two errors are sentences; any other needs the name of its class.
        cause = error if isinstance(error, (PluginError, RefusedCallback)) else f"{type(error).__name__}: {error}"
        warnings.warn(
            f"the plugin {record} is left out: {cause}. Switch it off with CTHULHU_DISABLE={record.name}",
            PluginWarning,
            stacklevel=2,
        )
