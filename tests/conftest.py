"""What several test files share: runs without installed plugins, and a folder to install foreign packages into."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Run
from cthulhu_core.installed import registry, services


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have no participants but those of the test, whatever is installed."""
    monkeypatch.setenv("CTHULHU_DISABLE", "*")


@pytest.fixture
def train(no_plugins: None) -> Callable[..., Run]:
    """A training without a model: ``train(callbacks, losses=[[of epoch 0's batches], ...])`` gives its run."""

    def train(callbacks: Any = None, losses: list[list[Any]] | None = None, **arguments: Any) -> Run:
        losses = [[1.0, 2.0]] if losses is None else losses
        model: Any = SimpleNamespace()
        run = Run(model, epochs=len(losses), callbacks=callbacks, **arguments)
        with run:
            for epoch in run.epochs():
                for loss in run.batches(losses[epoch]):
                    run.record(loss=loss)
        return run

    return train


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, first on the path: what is installed into it is found by this process."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("CTHULHU_DISABLE", raising=False)
    modules, warned = set(sys.modules), set(services._warned)
    registry.installed.cache_clear()
    yield folder
    registry.installed.cache_clear()
    importlib.invalidate_caches()
    services._warned.clear()
    services._warned.update(warned)
    for name in set(sys.modules) - modules:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
