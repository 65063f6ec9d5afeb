"""One object that takes part in a run."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

from cthulhu_core.contract.conformance import name_of
from cthulhu_core.installed.registry import package_of, provider


@dataclass(eq=False)
class Participant:
    """One object that takes part in a run: a callback, or a plugin with ``hookimpl`` functions."""

    plugin: object
    reason: str
    """Why it takes part, for ``run.explain()``."""
    disabled: bool = False
    failures: dict[str, int] = field(default_factory=dict)
    """Consecutive failures by implementation: a participant may have two implementations of one hook."""

    @property
    def name(self) -> str:
        return name_of(self.plugin)

    @property
    def main_only(self) -> bool:
        return getattr(self.plugin, "ranks", "all") == "main"

    @property
    def forgiving(self) -> bool:
        return getattr(self.plugin, "on_error", "raise") == "disable"

    @property
    def module(self) -> str:
        return self.plugin.__name__ if inspect.ismodule(self.plugin) else type(self.plugin).__module__

    @property
    def package(self) -> str:
        """Name and version of the distribution that provides it; empty if none does."""
        return " ".join(package_of(self.module)).strip()

    def __str__(self) -> str:
        return f"{self.name} ({provider(self.module) or f'module {self.module}'})"
