"""Faults in files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cthulhu_core import Callback, Logs


class WritesAtHome(Callback):
    """It keeps a file at home, of which nobody has told it."""

    caught_by = "test_it_writes_nowhere_else"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        Path("~/.last_run").expanduser().write_text("begun", encoding="utf-8")


class FindsOutLate(Callback):
    """It makes its folder when there is something to write, after an epoch that is lost then."""

    caught_by = "test_folder_that_is_read_only_is_said_before_training"
    ranks = "main"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        Path("logs").mkdir(exist_ok=True)


class EndsTheProcess(Callback):
    """An observer ends everything when it cannot write."""

    caught_by = "test_disk_that_is_full_ends_no_training_of_an_observer"
    on_error = "disable"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        Path("log.txt").touch()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        try:
            with Path("log.txt").open("a", encoding="utf-8") as file:
                file.write("done\n")
        except OSError as error:
            sys.exit(str(error))


class WritesInPlace(Callback):
    """It writes its file anew each time, and loses the old one when it cannot."""

    caught_by = "test_disk_that_is_full_spoils_no_file"
    on_error = "disable"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        Path("log.json").touch()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        Path("log.json").write_text(json.dumps(logs), encoding="utf-8")


class WritesEverywhere(Callback):
    """Every process writes the same file."""

    caught_by = "test_second_rank_writes_nothing"

    def on_train_begin(self, logs: Logs) -> None:
        Path("log.json").touch()
