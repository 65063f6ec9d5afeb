"""RemoteMonitor keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_remote import RemoteMonitor


class TestRemoteMonitor(CallbackContract):
    new_in_each_run = ("run",)

    def make(self) -> RemoteMonitor:
        return RemoteMonitor("http://127.0.0.1:9", flush_timeout=0.02)
