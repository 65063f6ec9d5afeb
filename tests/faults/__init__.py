"""Callbacks with one fault each, which a standard test is there to catch, and one without any.

Each class says in ``caught_by`` which test that is. What varies in the test is declared in ``declared``.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from cthulhu_core import Callback, Logs, Run, hookimpl


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


# --- made ------------------------------------------------------------------------------------------------------------


class IsMisspelt(Callback):
    """A hook has a name that no hook has."""

    caught_by = "test_run_takes_it"

    def on_epoch_ends(self, epoch: int, logs: Logs) -> None:
        logs["done"] = True


class WritesWhenMade(Callback):
    """Its folder is made before anybody trains."""

    caught_by = "test_making_it_does_nothing"

    def __init__(self) -> None:
        Path("logs").mkdir(exist_ok=True)


class SharesItsList(Callback):
    """What it remembers is an attribute of the class."""

    caught_by = "test_two_instances_share_nothing"
    losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.losses.append(epoch)


# --- runs ------------------------------------------------------------------------------------------------------------


class KnowsTheSteps(Callback):
    """It counts on being told how many batches an epoch has."""

    caught_by = "test_training_in_a_hand_written_loop_runs_to_its_end"

    def on_train_begin(self, logs: Logs) -> None:
        self.total = (self.params["steps"] or self.params["samples"]) * self.params["epochs"]


class DividesByTheEpochs(Callback):
    """It counts on one epoch at least."""

    caught_by = "test_zero_epochs_are_a_training"

    def on_train_begin(self, logs: Logs) -> None:
        self.share = 1 / self.params["epochs"]


class BeginsInTraining(Callback):
    """It counts on training before a test."""

    caught_by = "test_evaluate_and_predict_take_it"

    def on_train_begin(self, logs: Logs) -> None:
        self.tests = 0

    def on_test_end(self, logs: Logs) -> None:
        self.tests += 1


class NeverStartsAfresh(Callback):
    """The counts of the first training are in the second."""

    caught_by = "test_second_run_of_one_instance_is_as_the_first"

    def __init__(self) -> None:
        self.seen = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.seen += 1
        logs["seen"] = self.seen

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


class IsAlone(Callback):
    """Two of its class cannot take part in one run."""

    caught_by = "test_two_instances_take_part_in_one_run"

    def on_train_begin(self, logs: Logs) -> None:
        if sum(type(each) is type(self) for each in self.run.callbacks) > 1:
            raise RuntimeError("locked")


class GoesOn(Callback):
    """It takes back the stop that somebody asked for."""

    caught_by = "test_stop_asked_at_any_hook_ends_the_run"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.model.stop_training = False


class CountsOnWholeEpochs(Callback):
    """It fails where an epoch that began has not ended."""

    caught_by = "test_exception_at_any_hook_reaches_the_user"
    begun: int | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.begun = epoch

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.begun = None

    def on_exception(self, error: BaseException) -> None:
        if isinstance(error, Exception) and self.begun is not None:
            raise RuntimeError(f"epoch {self.begun} has no end")


class ExpectsAMessage(Callback):
    """It expects an exception to have a message, which Ctrl-C has not."""

    caught_by = "test_interrupt_reaches_the_user"

    def on_exception(self, error: BaseException) -> None:
        self.reason = error.args[0]


# --- ends ------------------------------------------------------------------------------------------------------------


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


# --- remembers -------------------------------------------------------------------------------------------------------


class RemembersAPath(Callback):
    """Its state is no plain data."""

    caught_by = "test_state_is_plain_data"

    def state_dict(self) -> dict[str, Any]:
        return {"path": Path("log.csv")}


class ForgetsHalf(Callback):
    """It takes back only a part of its state."""

    caught_by = "test_state_comes_back_as_it_was"
    best, since = 0.5, 0

    def on_train_begin(self, logs: Logs) -> None:
        self.since = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.since += 1

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "since": self.since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


class ForgetsAll(Callback):
    """It counts epochs, and has no state."""

    caught_by = "test_resumed_run_ends_as_one_never_interrupted"

    def on_train_begin(self, logs: Logs) -> None:
        self.seen = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.seen += 1
        logs["seen"] = self.seen


class ForgetsTheEpoch(Callback):
    """It counts the batches of an epoch, and has no state: between two epochs that makes no difference."""

    caught_by = "test_run_resumed_in_the_midst_of_an_epoch_ends_as_one_never_interrupted"
    seen = 0

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.seen = 0

    @hookimpl
    def cthulhu_batch_end(self, batch: int) -> None:
        self.seen += 1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["seen"] = self.seen


class CannotBePickled(Callback):
    """It says that it can be pickled, and holds a function that has no name."""

    caught_by = "test_it_survives_pickling_when_it_says_so"
    declared = {"picklable": True}

    def __init__(self) -> None:
        self.better = lambda new, old: new < old


# --- values ----------------------------------------------------------------------------------------------------------


class RoundsTheLoss(Callback):
    """It makes an integer of what may be NaN."""

    caught_by = "test_values_that_are_not_finite_are_taken"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.percent = int(100 * logs.get("loss", 0.0))


class CountsOnTheLoss(Callback):
    """It takes a value that need not be there."""

    caught_by = "test_missing_values_are_taken"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.last = logs["loss"]


class WritesInTheLanguageOfTheSystem(Callback):
    """It opens a text file without saying how text becomes bytes."""

    caught_by = "test_names_in_any_script_are_taken"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        Path("names.txt").touch()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        with Path("names.txt").open("a") as file:
            file.write("\n".join(logs))


class LogsWithoutSayingSo(Callback):
    """It adds a name that its class does not declare."""

    caught_by = "test_it_logs_what_it_declares"
    logged = ()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["seconds"] = 1.0


class LogsATensor(Callback):
    """It adds a value that only PyTorch understands."""

    caught_by = "test_it_logs_plain_values"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        import torch

        logs["norm"] = torch.tensor(1.0)


class RoundsTheLogs(Callback):
    """It changes logs of others."""

    caught_by = "test_values_of_others_stay"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs.update({name: round(value, 3) if value == value else value for name, value in logs.items()})


# --- files -----------------------------------------------------------------------------------------------------------


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


# --- costs -----------------------------------------------------------------------------------------------------------


class ReadsEachLoss(Callback):
    """It waits for the device in each batch, without declaring it."""

    caught_by = "test_device_is_read_no_more_than_declared"

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        self.last = float(run.current.values.get("loss", 0.0))


class TakesItsTime(Callback):
    """It waits in each batch."""

    caught_by = "test_no_hook_takes_longer_than_its_budget"
    declared = {"seconds_per_batch": 0.005}

    @hookimpl
    def cthulhu_batch_end(self, batch: int) -> None:
        time.sleep(0.01)


FAULTS = [f"{__name__}.{name}" for name, each in list(globals().items()) if hasattr(each, "caught_by")] + [
    f"{__name__}.heavy.ImportsAtOnce",
    f"{__name__}.talkative.PrintsWhenImported",
]
"""Where each of them is."""
