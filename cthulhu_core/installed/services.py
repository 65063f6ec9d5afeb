"""The installed plugins put to work: those that take part in every run, and the services they offer."""

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
    """An installed plugin cannot be used; runs go on without it."""


class ActivePlugin(NamedTuple):
    """A plugin that takes part in every run."""

    record: Record
    plugin: object


_warned: set[Record] = set()

_said: set[str] = set()
"""What has been printed in this process and is not to be printed again."""


class _Services(NamedTuple):
    """What is put to work of what is installed and switched on."""

    records: tuple[Record, ...]
    switches: str
    plugins: list[ActivePlugin]
    manager: pluggy.PluginManager


_services: _Services | None = None
"""Those of the last call: a run asks for them when it begins and with each save."""


def active_plugins() -> list[ActivePlugin]:
    """Import the installed plugins that are switched on. One that cannot be used is warned about, once a process."""
    return _put_to_work().plugins


def service_manager() -> pluggy.PluginManager:
    """A plugin manager that holds the installed plugins alone: to ask for what they do outside the loop."""
    return _put_to_work().manager


def _put_to_work() -> _Services:
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
    # What could not be imported may be mended before the next run.
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
    """The callbacks that ``plugins`` add to ``run``, each with who adds it; what cannot be used is warned about."""
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
        _say_what_shows_progress()
    return found


def _say_what_shows_progress() -> None:
    """Print, once a process, what to install for the progress that ``verbose`` asks for, if it is not installed."""
    if "ProgbarLogger" in callback_names():
        return
    line = f"verbose asks for progress, and nothing installed shows it: pip install {OFFICIAL['ProgbarLogger']}"
    if line not in _said:
        _said.add(line)
        print(line)  # noqa: T201 - where the progress would be


def _warn(record: Record, error: Exception) -> None:
    if record not in _warned:
        _warned.add(record)
        # A refusal and a failed import are sentences, anything else needs the name of its class.
        cause = error if isinstance(error, (PluginError, RefusedCallback)) else f"{type(error).__name__}: {error}"
        warnings.warn(
            f"the plugin {record} is left out: {cause}. Switch it off with CTHULHU_DISABLE={record.name}",
            PluginWarning,
            stacklevel=2,
        )
