"""Callbacks that fail, and one that records what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from cthulhu_core import Callback


class Witness(Callback):
    """Hears how the run ends."""

    def __init__(self, name: str = "witness", heard: list[str] | None = None) -> None:
        self.name, self.heard = name, [] if heard is None else heard

    def on_exception(self, error: BaseException) -> None:
        self.heard.append(f"{self.name} exception {error!r}")

    def on_train_end(self, logs: Any) -> None:
        self.heard.append(f"{self.name} train_end {logs}")

    def on_teardown(self) -> None:
        self.heard.append(f"{self.name} teardown")


def notes(caught: pytest.ExceptionInfo[Any]) -> list[str]:
    return caught.value.__notes__  # type: ignore[no-any-return]


def failing(method: str, error: BaseException | None = None, **attributes: Any) -> Callback:
    """A callback of class Failing that raises ``error`` in ``method``."""

    def fail(self: Any, *arguments: Any) -> None:
        raise ValueError("the bug") if error is None else error

    return type("Failing", (Callback,), {method: fail, **attributes})()  # type: ignore[no-any-return]
