"""Standard tests of a callback in runs of any length, however they end."""

from __future__ import annotations

from typing import NoReturn

from cthulhu_core.run.run import Run
from cthulhu_core.testing.comparison import differences
from cthulhu_core.testing.failure_messages import broken, described_error
from cthulhu_core.testing.faults import TRAINING, At
from cthulhu_core.testing.subject import MEND, Subject, succeed
from cthulhu_core.testing.training import (
    EPOCHS,
    Interrupted,
    Outcome,
    Planted,
    own_loop,
    tiny_data,
    tiny_model,
    tiny_run,
    watched,
)


def stop(run: Run) -> None:
    """Ask for the end of training."""
    run.stop()


def fail(run: Run) -> NoReturn:
    """Raise as a bug in another callback would."""
    raise Planted("a bug in another callback")


def interrupt(run: Run) -> NoReturn:
    """Raise as Ctrl-C does, without a message."""
    raise Interrupted


class Lifecycle(Subject):
    """A callback in runs of any length, however they end."""

    def test_training_by_summon_runs_to_its_end(self) -> None:
        """A plain training raises nothing, and has no more epochs than without the callback."""
        callback = self.make()
        succeed(callback, tiny_run(callback), "in a training of two epochs", MEND)

    def test_training_in_a_hand_written_loop_runs_to_its_end(self) -> None:
        """It works in a hand-written loop, where steps, samples and metrics are unknown."""
        callback = self.make()
        succeed(
            callback, own_loop(callback), "in a hand-written loop",
            "use self.model only as a torch.nn.Module, take the optimizer from self.run.optimizer, and expect None "
            "in self.params: custom loops may not know the values",
        )  # fmt: skip

    def test_zero_epochs_are_a_training(self) -> None:
        """A training with ``initial_epoch >= epochs`` has no epoch, and raises nothing."""
        callback = self.make()
        succeed(
            callback, tiny_run(callback, epochs=0), "in a training of zero epochs",
            "set everything that on_train_end() and on_teardown() use in on_train_begin(): there may be no epoch and "
            "no batch",
        )  # fmt: skip

    def test_evaluate_and_predict_take_it(self) -> None:
        """Hooks of tests and predictions may come outside training, without train begin."""
        callback, model = self.make(), tiny_model()
        inputs, targets = tiny_data()
        cure = (
            "set what the hooks of test and predict use in __init__(): on_train_begin() may not be called before them"
        )
        evaluated = watched(model, lambda: model.evaluate(inputs, targets, verbose=0, callbacks=callback))
        succeed(callback, evaluated, "in model.evaluate()", cure)
        predicted = watched(model, lambda: model.predict(inputs, callbacks=callback))
        succeed(callback, predicted, "in model.predict()", cure)

    def test_second_run_of_one_instance_is_as_the_first(self) -> None:
        """The first training leaves nothing in the second."""
        callback = self.make()
        cure = "start afresh in on_train_begin(), not in __init__()"
        first = tiny_run(callback)
        succeed(callback, first, "in its first training", MEND)
        second = tiny_run(callback)
        succeed(callback, second, "in its second training", cure)
        if changed := differences(first.history, second.history, ("in the first", "in the second")):
            broken(
                callback, "keeps state of its first training in the second", expected="the same logs in both",
                found=changed, cure=cure,
            )  # fmt: skip

    def test_two_instances_take_part_in_one_run(self) -> None:
        """Two of them work side by side, or say before training which file they cannot share."""
        callback = self.make()
        outcome = tiny_run([callback, self.make()])
        if not (isinstance(outcome.error, OSError) and outcome.error.filename and not outcome.epochs):
            succeed(
                callback, outcome, "beside another one of its class",
                "keep its state in the instance; if it needs exclusive use of a file, raise OSError(errno.EBUSY, "
                "'what to do', path) in on_train_begin()",
            )  # fmt: skip

    def test_stop_asked_at_any_hook_ends_the_run(self) -> None:
        """A stop that another callback asks for takes effect."""
        for hook in TRAINING:
            alone = tiny_run(At(hook, stop), epochs=EPOCHS + 1)
            callback = self.make()
            outcome = tiny_run([At(hook, stop), callback], epochs=EPOCHS + 1)
            cure = "expect on_epoch_end() and on_train_end() at any time: a stop ends the epoch after this batch"
            succeed(callback, outcome, f"when a stop is requested at {hook}", cure)
            if len(outcome.epochs) > len(alone.epochs):
                broken(
                    callback, f"continues when a stop was requested at {hook}",
                    expected=f"training ends with the epoch: {alone.epochs}", found=f"epochs {outcome.epochs}",
                    cure="never set model.stop_training to False: the run does it before on_train_begin()",
                )  # fmt: skip

    def test_exception_at_any_hook_reaches_the_user(self) -> None:
        """The exception of another callback reaches the user unchanged, and this one ends without an exception."""
        for hook in (*TRAINING, "train_end", "teardown"):
            callback = self.make()
            outcome = tiny_run([callback, At(hook, fail)])
            self._expect(callback, outcome, Planted, f"when another callback raises at {hook}")

    def test_interrupt_reaches_the_user(self) -> None:
        """Ctrl-C ends the run like an exception."""
        for hook in ("train_begin", "epoch_begin", "batch_end", "test_batch_begin"):
            callback = self.make()
            outcome = tiny_run([callback, At(hook, interrupt)])
            self._expect(callback, outcome, Interrupted, f"when Ctrl-C comes at {hook}")

    def _expect(self, callback: object, outcome: Outcome, kind: type[BaseException], when: str) -> None:
        cure = (
            "expect on_exception(), on_train_end() and on_teardown() at any time, also in the middle of an epoch; an "
            "exception may be any BaseException, and have no arguments"
        )
        succeed(callback, outcome, when, cure)
        if not isinstance(outcome.error, kind):
            found = "nothing was raised" if outcome.error is None else described_error(outcome.error)
            broken(
                callback, f"hides an exception {when}", expected="the exception ends training", found=found, cure=cure
            )
