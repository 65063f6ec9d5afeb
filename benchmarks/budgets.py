"""Compare measurements with budgets.toml."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("budgets.toml")


class Budgets:
    """The budgets and the measurements of one benchmark.

    Args:
        benchmark: name of its table in budgets.toml.

    Example:
        >>> budgets = Budgets("overhead")
        >>> budgets.compare("summon", 1.02)
        summon                                                      1.02   budget 1.05
    """

    def __init__(self, benchmark: str) -> None:
        self._allowed: dict[str, float] = tomllib.loads(FILE.read_text())[benchmark]
        self._measured: dict[str, float] = {}

    def compare(self, name: str, measured: float, **context: Any) -> None:
        """Print a measurement beside the budget of that name, and the values that explain it.

        Raises:
            KeyError: If there is no such budget.
        """
        allowed = self._allowed[name]
        self._measured[name] = measured
        over = "   OVER" if self._is_over(name) else ""
        print(line(name, f"{measured:.3g}", f"budget {allowed:g}{over}", **context))

    def _is_over(self, name: str) -> bool:
        measured, allowed = self._measured[name], self._allowed[name]
        return measured < allowed if name.endswith("_at_least") else measured > allowed

    def exit_code(self, check: bool) -> int:
        """Print the exceeded budgets. Return 1 if there are any and ``check`` is True, else 0.

        Raises:
            RuntimeError: If a budget was not compared with anything.
        """
        if missing := set(self._allowed) - set(self._measured):
            raise RuntimeError(f"{FILE.name} has budgets that nothing was compared with: {', '.join(sorted(missing))}")
        over = [name for name in self._measured if self._is_over(name)]
        if over:
            print(f"over budget: {', '.join(over)}")
        return int(check and bool(over))


def line(name: str, value: str, note: str = "", **context: Any) -> str:
    """Return a line of a report."""
    explained = "".join(f"   {key.replace('_', ' ')} {value}" for key, value in context.items())
    return f"{name:50} {value:>14}   {note}{explained}".rstrip()
