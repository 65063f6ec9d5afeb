"""Callbacks from configuration: the tables of a TOML file, or bare names.

    CTHULHU_CONFIG=run.toml python train.py

attaches the callbacks of ``run.toml`` to every training of a script. The file has a table for each callback, with the
arguments of its constructor, or several tables in double brackets, and ``[run]`` for the run itself::

    [callbacks.CSVLogger]
    filename = "log.csv"

    [run]
    manifest = "manifest.json"

In a file called ``pyproject.toml``, these are ``[tool.cthulhu.callbacks.CSVLogger]`` and ``[tool.cthulhu.run]``.
Every mistake is an error before training that names file, table and key. Only installed callbacks can be named: a file
cannot import modules or run code other than what packages offer.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.conformance import RefusedCallback
from cthulhu_core.contract.constructor_arguments import SECRET, is_secret
from cthulhu_core.installed import registry
from cthulhu_core.installed.annotations import Unfit, convert, hints
from cthulhu_core.names import did_you_mean

VARIABLE = "CTHULHU_CONFIG"
TOOL = "cthulhu"


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, table and key, what was expected, and the cure."""


class Attached(NamedTuple):
    """A callback that takes part in a run, and where it was named."""

    callback: Callback
    reason: str
    """``callbacks[0]``, or file and table: ``run.toml [callbacks.CSVLogger]``."""


class Config(NamedTuple):
    """The content of a configuration."""

    callbacks: tuple[Attached, ...] = ()
    manifest: Path | None = None
    """The file to which the manifest of each training is written."""


def configuration() -> Config:
    """Return the content of the file that ``CTHULHU_CONFIG`` names, with new callbacks; empty if it names none.

    Raises:
        ConfigError: the file cannot be read or used.
    """
    name = os.environ.get(VARIABLE, "")
    return read(name) if name else Config()


def read(filename: str | os.PathLike[str]) -> Config:
    """Return the content of a TOML file.

    Raises:
        ConfigError: the file cannot be read or used; the message names file, table and key.
    """
    path = Path(filename)
    document = _Table(path, "", _parsed(path))
    if path.name == "pyproject.toml":
        document = document.table("tool", {}).table(TOOL, {})
    document.refuse_all_but({name: f"[{document.full(name)}]" for name in ("callbacks", "run")})
    settings = document.table("run", {})
    settings.refuse_all_but({"manifest": "manifest"})
    manifest = settings.value.get("manifest")
    if manifest is not None and not isinstance(manifest, str):
        raise settings.error(f"manifest is {manifest!r}: expected the path of a file, e.g. manifest = 'manifest.json'")
    tables = document.table("callbacks", {})
    attached = [_attached(table, name) for name in tables.value for table in tables.tables(name)]
    return Config(tuple(attached), None if manifest is None else Path(manifest))


def named(name: str) -> Callback:
    """Return the installed callback ``name``, made without arguments.

    Raises:
        PluginError: it is not installed, misspelt, or cannot be used.
        RefusedCallback: no installed callback has a similar name, or it needs arguments; the message names them.
    """
    try:
        cls = _class(name)
    except AttributeError as error:
        raise RefusedCallback(f"callbacks={[name]!r}: {error}") from error
    missing = _missing(_parameters(cls), ())
    if missing:
        raise RefusedCallback(
            f"callbacks={[name]!r}: {name} cannot be made without {' and '.join(missing)}: "
            f"write {name}({', '.join(f'{each}=...' for each in missing)})"
        )
    callback: Callback = cls()
    return callback


# --- the file ---------------------------------------------------------------------------------------------------------


class _Table(NamedTuple):
    """A table of the file, which errors name."""

    path: Path
    name: str
    value: Mapping[str, Any]

    @property
    def heading(self) -> str:
        return f"{self.path} [{self.name}]" if self.name else str(self.path)

    def error(self, text: str) -> ConfigError:
        return ConfigError(f"{self.heading}: {text}")

    def table(self, name: str, default: Any) -> _Table:
        value = self.value.get(name, default)
        if not isinstance(value, Mapping):
            raise self.error(f"{name} is {value!r}: expected a table, [{self.full(name)}]")
        return _Table(self.path, self.full(name), value)

    def tables(self, name: str) -> Iterable[_Table]:
        """Return the table ``name``, or all tables of that name in double brackets."""
        value = self.value[name]
        if isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            return [_Table(self.path, self.full(name), each) for each in value]
        return [self.table(name, value)]

    def refuse_all_but(self, known: Mapping[str, str]) -> None:
        """Refuse keys other than those of ``known``, whose values say how each is written."""
        for name in self.value:
            if name not in known:
                there_is = f"there is {', '.join(known.values())}"
                raise self.error(f"{name} is not known here: {_meant(name, known, there_is)}")

    def full(self, name: str) -> str:
        """Return the full name of the table ``name`` in this one."""
        return f"{self.name}.{name}" if self.name else name


def _parsed(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}): expected the TOML file that {VARIABLE} or --config names; "
            f"looked in {Path.cwd()}"
        ) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: this is not TOML: {error}") from error


# --- from a table to a callback ---------------------------------------------------------------------------------------


def _attached(table: _Table, name: str) -> Attached:
    try:
        cls = _class(name)
    except (registry.PluginError, AttributeError) as error:
        raise table.error(str(error)) from error
    parameters = _parameters(cls)
    expected = hints(cls)
    arguments = {}
    for key, value in table.value.items():
        if key not in parameters and not _takes_others(parameters):
            takes = f"it takes {', '.join(parameters) or 'no arguments'}"
            raise table.error(f"{name} has no argument {key}: {_meant(key, parameters, takes)}")
        parameter = parameters.get(key)
        if parameter is not None and parameter.kind is parameter.POSITIONAL_ONLY:
            raise table.error(f"{key} cannot be given by name: {name} takes it by position only, in Python")
        try:
            arguments[key] = convert(value, expected.get(key, Any))
        except Unfit as error:
            given = SECRET if is_secret(key, cls) else repr(value)
            raise table.error(f"{key} is {given}: expected {error}") from error
    for key in _missing(parameters, arguments):
        raise table.error(f"{key} is missing{_expected(parameters[key])}, which {name} cannot be made without")
    try:
        callback = cls(**arguments)
    except Exception as error:
        raise table.error(f"{type(error).__name__}: {error}") from error
    return Attached(callback, table.heading)


def _class(name: str) -> Any:
    if name in registry.CORE_NAMES:
        raise registry.PluginError(f"{name} cannot be attached: it is a base class, or part of every run")
    return registry.callback(name)


def _parameters(cls: Any) -> dict[str, inspect.Parameter]:
    if cls.__init__ is object.__init__:
        return {}
    return dict(list(inspect.signature(cls.__init__).parameters.items())[1:])


def _missing(parameters: Mapping[str, inspect.Parameter], given: Iterable[str]) -> list[str]:
    return [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in given
    ]


def _takes_others(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())


def _expected(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return ""
    return f": expected {annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)}"


def _meant(name: str, known: Iterable[str], there_is: str) -> str:
    """Return a hint at the name in ``known`` that was probably meant, and what there is."""
    hint = did_you_mean(name, known, cutoff=0.6)
    return f"{hint} {there_is[:1].upper()}{there_is[1:]}" if hint else there_is
