"""Find, classify and load the callbacks and plugins that installed packages provide.

Finding and classifying read metadata only and import nothing. A distribution offers callbacks in the entry-point group
``cthulhu.callbacks`` (name = class), and plugins that take part in every run in ``cthulhu.plugins`` (name = object with
``hookimpl`` functions). How plugins are activated is in ``services.py``.
"""

from __future__ import annotations

import difflib
import functools
import importlib.util
import inspect
import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from cthulhu_core.names import did_you_mean
from cthulhu_core.version import __version__

GROUPS: dict[str, Literal["callback", "plugin"]] = {"cthulhu.callbacks": "callback", "cthulhu.plugins": "plugin"}

CORE_NAMES = ("BaseLogger", "Callback", "History")

OFFICIAL = {
    "CSVLogger": "cthulhu-csv",
    "EarlyStopping": "cthulhu-early-stopping",
    "LearningRateScheduler": "cthulhu-lr-scheduler",
    "LuKthuCallback": "cthulhu-lukthu",
    "LumpCheckpoint": "cthulhu-checkpoint",
    "ProgbarLogger": "cthulhu-progbar",
    "ReduceLROnPlateau": "cthulhu-reduce-lr",
    "RemoteMonitor": "cthulhu-remote",
    "TensorBoard": "cthulhu-tensorboard",
    "TerminateOnNaN": "cthulhu-terminate-on-nan",
}
"""The documented callbacks that are not in the core, and their packages."""


KERAS_NAMES = {"LambdaCallback": "LuKthuCallback", "ModelCheckpoint": "LumpCheckpoint"}
"""Names that Keras users look for, and their names here."""


class PluginError(ImportError):
    """An installed package that cannot be used; the message names it, the cause and the cure."""


class Record(NamedTuple):
    """One entry point, as its distribution declares it."""

    kind: Literal["callback", "plugin"]
    name: str
    value: str
    distribution: str
    version: str
    core: str = ""
    """The requirement of the distribution on cthulhu-core, e.g. ``>=0.1,<1``."""

    @property
    def package(self) -> str:
        """Name and version of the distribution."""
        return f"{self.distribution} {self.version}"

    @property
    def module(self) -> str:
        """The module that is imported."""
        return self.value.partition(":")[0].strip()

    def __str__(self) -> str:
        return f"{self.name} from {self.package} ({self.value})"


class Row(NamedTuple):
    """A record and its state."""

    record: Record
    state: Literal["offered", "on", "off", "broken", "clash"]
    reason: str = ""


# --- find -----------------------------------------------------------------------------------------------------------


class Records(tuple[Record, ...]):
    """Records, in order."""

    @functools.cached_property
    def distributions(self) -> dict[str, tuple[str, str]]:
        """Name and version of the first distribution that offers each package."""
        return {each.module.partition(".")[0]: (each.distribution, each.version) for each in reversed(self)}


@functools.cache
def installed() -> Records:
    """Return everything that installed distributions declare, sorted. Read once per process.

    A distribution that is on the path twice, as an editable install can be, counts once: the first one is imported.
    """
    from importlib_metadata import entry_points

    points = entry_points()
    found = [(kind, point) for group, kind in GROUPS.items() for point in points.select(group=group)]
    # Reading metadata takes most of the time, so it is read once for each distribution.
    offering = {id(point.dist): point.dist for _, point in found}
    known = {key: _distribution(distribution) for key, distribution in offering.items()}
    records = [(kind, point, known[id(point.dist)]) for kind, point in found]
    return Records(sorted(Record(kind, each.name, each.value, *of) for kind, each, of in records if of is not None))


def _distribution(distribution: Any) -> tuple[str, str, str] | None:
    """Return name, version and requirement on cthulhu-core; None for the remains of a failed uninstall."""
    try:
        metadata = distribution.metadata
    except OSError:
        return None
    if "Name" not in metadata:
        return None
    requires = metadata.get_all("Requires-Dist") or distribution.requires or ()
    return metadata["Name"], metadata["Version"], _core_requirement(requires)


def _core_requirement(requires: Iterable[str]) -> str:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # pip complains about it
        marker = requirement.marker
        if canonicalize_name(requirement.name) == "cthulhu-core" and (marker is None or marker.evaluate({"extra": ""})):
            return str(requirement.specifier)
    return ""


# --- classify ---------------------------------------------------------------------------------------------------------


def rows(records: Iterable[Record] | None = None) -> list[Row]:
    """Return every record with its state.

    ``offered``: a callback that can be named. ``on``: a plugin that takes part in every run. ``off``: a plugin that
    ``CTHULHU_DISABLE`` names. ``clash``: two distributions offer the name. ``broken``: it cannot be imported.
    """
    records = installed() if records is None else list(records)
    off = _switched_off()
    return [_classify(record, records, off) for record in records]


def _switched_off() -> set[str]:
    return {name.strip() for name in os.environ.get("CTHULHU_DISABLE", "").split(",")} - {""}


def misspelt_switches() -> list[str]:
    """Return a line for each name in ``CTHULHU_DISABLE`` that resembles an installed plugin but is not one.

    Other unknown names may be meant for a plugin that is installed elsewhere.
    """
    plugins = sorted({record.name for record in installed() if record.kind == "plugin"})
    hints = {name: did_you_mean(name, plugins, cutoff=0.6) for name in sorted(_switched_off() - {"*", *plugins})}
    return [f"CTHULHU_DISABLE: no installed plugin is called {name}: {hint}" for name, hint in hints.items() if hint]


def _classify(record: Record, records: Iterable[Record], off: set[str]) -> Row:
    rivals = sorted({r.package for r in records if (r.kind, r.name) == record[:2]} - {record.package})
    if record.kind == "plugin" and off & {record.name, "*"}:
        return Row(record, "off", f"CTHULHU_DISABLE={os.environ['CTHULHU_DISABLE']}")
    if record.kind == "callback" and record.name in CORE_NAMES:
        return Row(record, "clash", f"{record.name} is a callback of cthulhu-core itself")
    if rivals:
        return Row(record, "clash", f"{' and '.join(rivals)} provides it, too: uninstall one of them")
    if problem := _problem(record):
        return Row(record, "broken", problem)
    if record.kind == "callback":
        return Row(record, "offered", f"from cthulhu.callbacks import {record.name}")
    return Row(record, "on", f"in every run; CTHULHU_DISABLE={record.name} switches it off")


def _problem(record: Record) -> str:
    """Return the problem that shows without importing the module, if there is one."""
    from packaging.specifiers import SpecifierSet

    if record.core and not SpecifierSet(record.core).contains(__version__, prereleases=True):
        return (
            f"{record.package} needs cthulhu-core{record.core}, installed is {__version__}: "
            f"pip install --upgrade {record.distribution} cthulhu-core"
        )
    module, separator, attribute = record.value.partition(":")
    names = [*module.split("."), *(attribute.split(".") if separator else [])]
    if not all(name.strip().isidentifier() for name in names) or (record.kind == "callback" and not separator):
        what = (
            "class: expected module:Class" if record.kind == "callback" else "object: expected module:object or module"
        )
        return f"its entry point {record.value!r} names no {what}"
    package = module.strip().partition(".")[0]
    if importlib.util.find_spec(package) is None:
        return f"its module {package} is not there: pip install --force-reinstall {record.distribution}"
    return ""


# --- load -------------------------------------------------------------------------------------------------------------


def load(row: Row) -> Any:
    """Import the object of a row.

    Raises:
        PluginError: it is broken or clashes, or its import fails; the message names package and cause.
    """
    record = row.record
    if row.state == "clash":
        raise PluginError(f"{record}: {row.reason}")
    if row.state == "broken":
        raise PluginError(f"{record} cannot be used: {row.reason}")
    from importlib_metadata import EntryPoint

    try:
        return EntryPoint(record.name, record.value, record.kind).load()
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise PluginError(f"{record} cannot be imported: {cause}") from error


def load_callback(row: Row) -> Any:
    """Import the callback class of a row.

    Raises:
        PluginError: as :func:`load`, or it is not a class.
    """
    loaded = load(row)
    if not inspect.isclass(loaded):
        raise PluginError(f"{row.record} is {loaded!r}: expected a subclass of cthulhu.callbacks.Callback")
    return loaded


def callback_names() -> list[str]:
    """Return the names of all callbacks that can be imported from ``cthulhu.callbacks``, sorted."""
    return sorted({*CORE_NAMES, *(record.name for record in installed() if record.kind == "callback")})


def callback(name: str) -> Any:
    """Return the callback class that is installed under ``name``.

    Raises:
        PluginError: it is official but not installed, misspelt, or cannot be used.
        AttributeError: no known name resembles ``name``.
    """
    offered = _offered(name)
    if not offered:
        installed.cache_clear()  # it may have been installed since, as in a notebook
        offered = _offered(name)
    if not offered:
        raise _missing(name)
    return load_callback(_classify(offered[0], offered, set()))


def _offered(name: str) -> list[Record]:
    return [record for record in installed() if record[:2] == ("callback", name)]


def _missing(name: str) -> Exception:
    if name in OFFICIAL:
        return PluginError(f"{name} is in {OFFICIAL[name]}: pip install {OFFICIAL[name]}")
    close = difflib.get_close_matches(name, {*callback_names(), *OFFICIAL}, n=1, cutoff=0.75)
    if name in KERAS_NAMES or close:
        return PluginError(f"there is no callback {name}: did you mean {KERAS_NAMES.get(name) or close[0]}?")
    return AttributeError(f"no installed package offers a callback {name!r}; there are {', '.join(callback_names())}")


def package_of(module: str) -> tuple[str, str]:
    """Return name and version of the distribution that offers ``module``; empty strings if none does."""
    package = module.partition(".")[0]
    found = installed().distributions.get(package)
    if found is not None:
        return found
    return ("cthulhu-core", __version__) if package in ("cthulhu", "cthulhu_core") else ("", "")


def provider(module: str) -> str:
    """Return name and version of the distribution that ``module`` belongs to; empty if it belongs to none."""
    offered = package_of(module)
    if offered[0]:
        return " ".join(offered)
    package = module.partition(".")[0]
    if package == "__main__":
        return ""
    from importlib_metadata import version

    names = _distributions_of_packages().get(package)
    return f"{names[0]} {version(names[0])}" if names else ""


@functools.cache
def _distributions_of_packages() -> Mapping[str, list[str]]:
    # Slow: reads the list of files of every installed package.
    from importlib_metadata import packages_distributions

    try:
        return packages_distributions()
    except (LookupError, OSError):
        return {}  # a package without metadata is installed; an error message must not fail for that
