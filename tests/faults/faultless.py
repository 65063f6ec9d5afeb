"""Callbacks without a fault."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from cthulhu_core import Callback, Logs, hookimpl


class Faultless(Callback):
    """Does most of what the others do, and does it right: it counts batches, logs, writes, has a thread."""

    on_error = "disable"
    ranks = "main"
    logged = ("seen",)

    def __init__(self) -> None:
        self.seen = 0
        self._file: Any = None
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    def on_train_begin(self, logs: Logs) -> None:
        self.seen = 0
        self._file = Path("log.jsonl").open("a" if self.run.resumed else "w", encoding="utf-8")  # noqa: SIM115
        self._done.clear()
        self._thread = threading.Thread(target=self._done.wait)
        self._thread.start()

    @hookimpl
    def cthulhu_batch_end(self, batch: int) -> None:
        self.seen += 1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["seen"] = self.seen
        self._file.write(json.dumps({"epoch": epoch, **logs}) + "\n")
        self._file.flush()

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]

    def on_teardown(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        if self._file is not None:
            self._file.close()


class IsNoCallback:
    """An object with a hook and without a fault: nobody has to subclass ``Callback``."""

    @hookimpl
    def cthulhu_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["next"] = epoch + 1
