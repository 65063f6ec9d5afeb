"""A training that was interrupted and resumed ends as one that was not."""

from __future__ import annotations

import pytest

from cthulhu.callbacks import Callback, ReduceLROnPlateau

# Improvements, plateaus, and an epoch without a value.
VALUES = [5.0, 4.0, 4.0, 4.0, 4.0, None, 4.0, 4.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0]


class Resume(Callback):
    """Loads a state into a callback at the beginning of the first epoch."""

    def __init__(self, callback, state):
        self.callback, self.state = callback, state

    def on_epoch_begin(self, epoch, logs):
        if epoch == self.run.initial_epoch:
            self.callback.load_state_dict(self.state)


@pytest.mark.parametrize("epochs", range(1, len(VALUES)))
def test_training_resumed_after_any_epoch_ends_as_if_nothing_had_happened(train, optimizer, epochs):
    whole, interrupted, resumed = (ReduceLROnPlateau(factor=0.5, patience=2, cooldown=3) for _ in range(3))
    expected = train(whole, VALUES, optimizer(0.8, 0.4))
    assert expected == [0.8] * 4 + [0.4] * 5 + [0.2] * 4 + [0.1]
    groups = optimizer(0.8, 0.4)
    before = train(interrupted, VALUES[:epochs], groups)
    after = train(resumed, VALUES, groups, before=[Resume(resumed, interrupted.state_dict())], initial_epoch=epochs)
    assert before + after == expected
    assert resumed.state_dict() == whole.state_dict()


def test_state_is_plain_data(train):
    reduce_lr = ReduceLROnPlateau(patience=1, cooldown=3)
    train(reduce_lr, [2.0, 1.0, 1.0])
    assert reduce_lr.state_dict() == {
        "monitor": {"monitor": "val_loss", "best": 1.0, "direction": "min"},
        "wait": 0,
        "cooldown_counter": 3,
    }


def test_state_of_another_quantity_is_refused():
    with pytest.raises(ValueError, match="the state is that of 'loss', but 'val_loss' is monitored"):
        ReduceLROnPlateau().load_state_dict(ReduceLROnPlateau("loss").state_dict())
