"""When a callback's state is loaded, and what a run does with what was loaded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, Run


class Count(Callback):
    def on_train_begin(self, logs: dict[str, Any]) -> None:
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.epochs += 1

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = state["epochs"]


def train(run: Run, state: dict[str, Any] | None = None) -> list[int]:
    with run:
        if state is not None:
            run.callbacks[1].load_state_dict(state)
        return list(run.epochs())


def test_state_loaded_after_train_begin_goes_on(no_plugins: None) -> None:
    first, second = Count(), Count()
    train(Run(SimpleNamespace(), epochs=3, callbacks=first))
    assert train(Run(SimpleNamespace(), epochs=5, initial_epoch=3, callbacks=second), first.state_dict()) == [3, 4]
    assert second.state_dict() == {"epochs": 5}


def test_stop_asked_before_the_first_epoch_leaves_none(no_plugins: None) -> None:
    class Over(Count):
        def load_state_dict(self, state: dict[str, Any]) -> None:
            super().load_state_dict(state)
            self.run.stop()

    run = Run(SimpleNamespace(), epochs=9, initial_epoch=3, callbacks=Over())
    assert train(run, {"epochs": 3}) == []
    assert run.history.epoch == []


@pytest.mark.parametrize(("rank", "is_main"), [(0, True), (1, False)])
def test_main_process_is_the_one_of_rank_zero(
    no_plugins: None, monkeypatch: pytest.MonkeyPatch, rank: int, is_main: bool
) -> None:
    run = Run(SimpleNamespace())
    monkeypatch.setattr("cthulhu_core.run.participation.rank", lambda: rank)
    assert run.is_main is is_main
