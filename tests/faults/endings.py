"""Faults at the end of a run."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path
from typing import Any

from cthulhu_core import Callback, Logs


class ClosesWhatIsNotOpen(Callback):
    """Its teardown counts on its train begin."""

    caught_by = "test_teardown_without_a_beginning_is_fine"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        self.file = Path("log.txt").open("a", encoding="utf-8")  # noqa: SIM115

    def on_teardown(self) -> None:
        self.file.close()


class TearsItselfDown(Callback):
    """It does at the end of training what the run will do."""

    caught_by = "test_teardown_happens_once"

    def on_train_end(self, logs: Logs) -> None:
        self.on_teardown()

    def on_teardown(self) -> None:
        self.is_over = True


class LeavesItsFileOpen(Callback):
    """It closes its file at the end of an epoch that may not come."""

    caught_by = "test_no_file_is_left_open"
    ranks = "main"
    file: Any = None

    def on_train_begin(self, logs: Logs) -> None:
        Path("log.txt").touch()

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.file = Path("log.txt").open("a", encoding="utf-8")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.file.close()


class LeavesItsThread(Callback):
    """Its thread sleeps on."""

    caught_by = "test_no_thread_is_left_running"

    def on_train_begin(self, logs: Logs) -> None:
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()


class LeavesASetting(Callback):
    """A variable of the environment tells others of the run, and goes on doing so."""

    caught_by = "test_process_is_left_as_it_was"

    def on_train_begin(self, logs: Logs) -> None:
        os.environ["LEFT_BY_A_FAULT"] = str(time.monotonic_ns())


class DrawsRandomNumbers(Callback):
    """An observer draws from the generator that shuffles the data."""

    caught_by = "test_training_is_the_same_with_an_observer"
    on_error = "disable"

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.chosen = random.random()
