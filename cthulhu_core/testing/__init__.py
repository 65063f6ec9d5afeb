"""Test kit for authors: standard tests of callbacks and packages, and fixtures.

Needs pytest. Nothing in cthulhu imports this package, and pytest does not load it by itself. The fixtures are in
:mod:`cthulhu_core.testing.fixtures`.
"""

from __future__ import annotations

try:
    import pytest  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    raise ImportError('cthulhu_core.testing needs pytest: pip install "cthulhu-core[testing]"') from None

from cthulhu_core.testing.clock import FakeClock
from cthulhu_core.testing.contract import CallbackContract
from cthulhu_core.testing.device_reads import DeviceReads
from cthulhu_core.testing.disk import FailingDisk, read_only
from cthulhu_core.testing.faults import At
from cthulhu_core.testing.network import FailingNetwork
from cthulhu_core.testing.package import PackageContract
from cthulhu_core.testing.processes import Rank, run_ranks
from cthulhu_core.testing.ranks import second_rank
from cthulhu_core.testing.recorder import Call, Recorder
from cthulhu_core.testing.training import Outcome, own_loop, tiny_data, tiny_model, tiny_run, written_run
from cthulhu_core.testing.writes import Writes, watch_writes

__all__ = [
    "At",
    "Call",
    "CallbackContract",
    "DeviceReads",
    "FailingDisk",
    "FailingNetwork",
    "FakeClock",
    "Outcome",
    "PackageContract",
    "Rank",
    "Recorder",
    "Writes",
    "own_loop",
    "read_only",
    "run_ranks",
    "second_rank",
    "tiny_data",
    "tiny_model",
    "tiny_run",
    "watch_writes",
    "written_run",
]
