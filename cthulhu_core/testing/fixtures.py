"""Fixtures for tests of callbacks: import those you need in ``conftest.py``, or load this module with ``pytest -p``.

``from cthulhu_core.testing.fixtures import fake_clock, failing_disk, recorder  # noqa: F401``
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cthulhu_core.testing import training
from cthulhu_core.testing.clock import FakeClock
from cthulhu_core.testing.disk import FailingDisk
from cthulhu_core.testing.network import FailingNetwork
from cthulhu_core.testing.processes import Rank, run_ranks
from cthulhu_core.testing.recorder import Recorder
from cthulhu_core.testing.training import Outcome

if TYPE_CHECKING:
    from cthulhu_core.models.lump import Lump


@pytest.fixture
def tiny_model() -> Lump:
    """A conjured model with two inputs and one output: :func:`cthulhu_core.testing.training.tiny_model`."""
    return training.tiny_model()


@pytest.fixture
def tiny_run() -> Callable[..., Outcome]:
    """``tiny_run(callbacks)`` trains two epochs of three batches: :func:`cthulhu_core.testing.training.tiny_run`."""
    return training.tiny_run


@pytest.fixture
def recorder() -> Recorder:
    """A callback that records the hooks of its run: :class:`Recorder`."""
    return Recorder()


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock that starts at 0 and advances when the test says so: :class:`FakeClock`."""
    return FakeClock(monkeypatch)


@pytest.fixture
def failing_disk() -> Iterator[FailingDisk]:
    """A disk that is full after ``failing_disk.fill()``, until the test ends: :class:`FailingDisk`."""
    with FailingDisk() as disk:
        yield disk


@pytest.fixture
def failing_network() -> Iterator[FailingNetwork]:
    """URLs of servers that refuse, hang, hang up or return an error: :class:`FailingNetwork`."""
    with FailingNetwork() as network:
        yield network


@pytest.fixture
def two_ranks(tmp_path: Path) -> Callable[[str], list[Rank]]:
    """``two_ranks(code)`` runs Python code in two processes of a ``gloo`` group: :func:`run_ranks`."""
    return lambda code: run_ranks(code, tmp_path / "ranks")
