"""An installed distribution as the rules see it, and their findings."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cthulhu_core.authoring.checks.importing import Imported, find_out
from cthulhu_core.contract.callback import Callback
from cthulhu_core.installed.registry import GROUPS, PluginError, Row, installed, load, rows


@dataclass(frozen=True)
class Finding:
    """A problem of a package.

    Attributes:
        what: what was found.
        where: the file and line, or the key in ``pyproject.toml``.
        cure: what to do.
    """

    what: str
    where: str
    cure: str


@dataclass(frozen=True)
class Package:
    """An installed distribution and its entry points.

    Args:
        distribution: a distribution of ``importlib_metadata``.
        rows: its entry points for cthulhu, with their states.
    """

    distribution: Any
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """The name of the distribution."""
        return str(self.distribution.name)

    @property
    def canonical_name(self) -> str:
        """Its normalized name."""
        from packaging.utils import canonicalize_name

        return canonicalize_name(self.name)

    @property
    def version(self) -> str:
        """Its version."""
        return str(self.distribution.version)

    @functools.cached_property
    def folders(self) -> dict[str, Path]:
        """The folders of its import packages, and the files of single modules, by name."""
        found = {}
        for module in sorted({row.record.module.partition(".")[0] for row in self.rows}):
            spec = importlib.util.find_spec(module) if module.isidentifier() else None
            if spec is None:
                continue  # the registry reports it
            if spec.submodule_search_locations:
                found[module] = Path(next(iter(spec.submodule_search_locations)))
            elif spec.origin:
                found[module] = Path(spec.origin)
        return found

    def sources(self) -> Iterator[Path]:
        """Yield the files with its code."""
        for folder in self.folders.values():
            yield from sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]

    def where(self, file: Path, line: int) -> str:
        """Return a place in its code for printing."""
        for folder in self.folders.values():
            if file.is_relative_to(folder):
                return f"{file.relative_to(folder.parent).as_posix()}:{line}"
        return f"{file}:{line}"

    def place_of(self, row: Row, offered: Any, member: str = "") -> str:
        """Return where the object of an entry point, or one of its members, is defined, or else the entry point."""
        defined: Any = offered if inspect.isclass(offered) or inspect.ismodule(offered) else type(offered)
        function = getattr(defined, member, None) if member else None
        if inspect.isfunction(function):
            defined = inspect.unwrap(function)
        try:
            file = inspect.getsourcefile(defined)
            line = 1 if inspect.ismodule(defined) else inspect.getsourcelines(defined)[1]
        except (OSError, TypeError):  # it is built in, or made at run time
            file = None
        return entry_point(row) if file is None else self.where(Path(file), line)

    @functools.cached_property
    def imported(self) -> Imported:
        """The result of importing it in a new process."""
        return find_out(sorted({row.record.module for row in self.rows if row.state not in ("broken", "clash")}))

    @functools.cached_property
    def _entries(self) -> list[tuple[Row, Any, str]]:
        """Return its usable entry points with the object of each, or the reason why it cannot be imported."""
        found = []
        for row in self.rows:
            module = row.record.module
            if row.state in ("broken", "clash"):
                continue
            if module in self.imported.failed:
                found.append((row, None, self.imported.failed[module]))
                continue
            try:
                found.append((row, load(row), ""))
            except PluginError as error:
                found.append((row, None, str(error.__cause__)))
        return found

    @property
    def loaded(self) -> list[tuple[Row, Any]]:
        """The objects of its entry points that can be imported."""
        return [(row, offered) for row, offered, cause in self._entries if not cause]

    @property
    def failures(self) -> list[tuple[Row, str]]:
        """The entry points that cannot be imported, with the reasons."""
        return [(row, cause) for row, _, cause in self._entries if cause]

    def callbacks(self) -> Iterator[tuple[Row, type[Callback]]]:
        """Yield its callbacks, without objects that only claim to be one."""
        for row, offered in self.loaded:
            if row.record.kind == "callback" and inspect.isclass(offered) and issubclass(offered, Callback):
                yield row, offered


def entry_point(row: Row) -> str:
    """Return the place of an entry point for printing."""
    (group,) = (group for group, kind in GROUPS.items() if kind == row.record.kind)
    return f'pyproject.toml, [project.entry-points."{group}"] {row.record.name}'


def find(name: str) -> Package | None:
    """Return the installed distribution with this name, in any spelling; None if there is none."""
    from importlib_metadata import PackageNotFoundError, distribution
    from packaging.utils import canonicalize_name

    try:
        found = distribution(name)
    except (PackageNotFoundError, ValueError):
        return None
    wanted = canonicalize_name(found.name)
    return Package(found, tuple(row for row in rows() if canonicalize_name(row.record.distribution) == wanted))


def offering() -> list[str]:
    """Return the names of all installed distributions with entry points for cthulhu."""
    return sorted({record.distribution for record in installed()})
