"""Faults in the course of a run."""

from __future__ import annotations

from typing import Any

from cthulhu_core import Callback, Logs


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
