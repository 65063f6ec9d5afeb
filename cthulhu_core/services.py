"""The installed plugins put to work: those that take part in every run, and the services they offer."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import pluggy

from cthulhu_core.dispatch import new_manager
from cthulhu_core.registry import OFFICIAL, PluginError, Record, callback_names, load, misspelt_switches, rows
from cthulhu_core.validation import RefusedCallback, validate

if TYPE_CHECKING:
    from cthulhu_core.run import Run


class PluginWarning(UserWarning):
    """An installed plugin cannot be used; runs go on without it."""


class ActivePlugin(NamedTuple):
    """A plugin that takes part in every run."""

    record: Record
    plugin: object


_warned: set[Record] = set()

_said: set[str] = set()
"""What has been printed in this process and is not to be printed again."""


def active_plugins() -> list[ActivePlugin]:
    """Import the installed plugins that are switched on. One that cannot be used is warned about, once a process."""
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


def default_callbacks(plugins: Iterable[ActivePlugin], run: Run) -> list[tuple[Record, object]]:
    """The callbacks that ``plugins`` add to ``run``, each with who adds it; what cannot be used is warned about."""
    found: list[tuple[Record, object]] = []
    for plugin in plugins:
        try:
            given = service_manager([plugin]).hook.cthulhu_default_callbacks(run=run)
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


def service_manager(plugins: Iterable[ActivePlugin] | None = None) -> pluggy.PluginManager:
    """A plugin manager that holds the installed plugins alone: to ask for what they do outside the loop."""
    manager = new_manager()
    for record, plugin in reversed(list(active_plugins() if plugins is None else plugins)):
        manager.register(plugin, name=str(record))
    return manager
