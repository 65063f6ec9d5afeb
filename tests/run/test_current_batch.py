"""What can be asked for in the middle of an epoch: one value of a batch, and the averages so far."""

from types import SimpleNamespace

import pytest
import torch

from cthulhu_core import Batch, Callback, Run, hookimpl

pytestmark = pytest.mark.usefixtures("no_plugins")


class Unread:
    """A metric that must not be computed."""

    def compute(self):
        raise AssertionError("this value was not asked for")


def test_one_value_is_read_and_no_other():
    batch = Batch(0, None)
    batch.values = {"loss": torch.tensor(0.25), "auc": Unread()}
    assert batch.number("loss") == 0.25


def test_a_value_that_was_read_is_not_read_again():
    batch = Batch(0, None, size=1)
    batch.values = {"loss": torch.tensor(0.25)}
    batch.logs()
    batch.values["loss"] = Unread()
    assert batch.number("loss") == 0.25


def test_a_value_that_was_not_recorded_is_an_error_that_lists_those_that_were():
    batch = Batch(0, None)
    batch.values = {"loss": 1.0, "acc": 0.5}
    with pytest.raises(KeyError, match="no 'auc' was recorded in this batch; recorded are loss, acc"):
        batch.number("auc")


def test_averages_so_far_are_of_the_epoch_and_of_the_validation_while_there_is_one():
    seen = []

    class Asks(Callback):
        @hookimpl
        def cthulhu_batch_end(self, run):
            seen.append(run.averages()["loss"])

    def value(loss):
        run.record(loss=torch.tensor(loss))
        return loss

    with Run(SimpleNamespace(), epochs=2, callbacks=Asks()) as run:
        for _ in run.epochs():
            [value(loss) for loss in run.batches([1.0, 3.0])]
            assert run.averages() == {"loss": 2.0}
            for loss in run.test([5.0, 7.0]):
                seen.append(run.averages())
                value(loss)
            assert run.averages() == {"loss": 2.0}
    assert seen == [1.0, 2.0, {}, {"loss": 5.0}] * 2


def test_averages_after_an_exception_in_validation_are_those_of_the_epoch():
    seen = []

    class Asks(Callback):
        def on_train_end(self, logs):
            seen.append(self.run.averages())

    def train():
        with Run(SimpleNamespace(), callbacks=Asks()) as run:
            for _ in run.epochs():
                for loss in run.batches([1.0, 3.0]):
                    run.record(loss=loss)
                for loss in run.test([5.0, 7.0]):
                    run.record(loss=loss)
                    raise RuntimeError("no paper")

    with pytest.raises(RuntimeError, match="no paper"):
        train()
    assert seen == [{"loss": 2.0}]
