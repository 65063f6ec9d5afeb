"""BaseLogger and History, the callbacks of every run."""

from __future__ import annotations

import copy
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cthulhu_core import BaseLogger, Callback, History, Run

Train = Callable[..., Run]


def test_base_logger_of_ones_own_decides_what_is_not_averaged(train: Train) -> None:
    class Rate(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs["lr"] = 0.1

    run = train([Rate(), BaseLogger(stateful_metrics=["loss"])], [[1.0, 2.0]])
    assert run.history.history == {"loss": [2.0], "lr": [0.1]}


def test_stateful_metrics_of_the_run_are_logged_as_they_are(train: Train) -> None:
    assert train(None, [[1.0, 4.0]], stateful_metrics=["loss"]).history.history == {"loss": [4.0]}


def test_validation_stands_after_training_values_in_the_logs(no_plugins: None) -> None:
    model: Any = SimpleNamespace()
    with Run(model) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0]):
                run.record(loss=loss, acc=0.5)
            for loss in run.test([2.0]):
                run.record(loss=loss, acc=0.25)
    assert list(run.history.history) == ["loss", "acc", "val_loss", "val_acc"]


def test_epoch_without_batches_has_no_averages(train: Train) -> None:
    run = train(None, [[], [1.0]])
    assert run.history.epoch == [0, 1]
    assert run.history.history == {"loss": [1.0]}
    assert run.history.epochs_of("loss") == [1]


# --- History --------------------------------------------------------------------------------------------------------


@pytest.fixture
def history(no_plugins: None) -> History:
    """Of four epochs from 3 on, every second one validated."""
    model: Any = SimpleNamespace()
    with Run(model, epochs=7, initial_epoch=3) as run:
        for epoch in run.epochs():
            for loss in run.batches([1.0, 3.0]):
                run.record(loss=loss / epoch)
            if epoch % 2:
                for loss in run.test([float(epoch)]):
                    run.record(loss=loss)
    return run.history


def test_history_knows_to_which_epochs_values_belong(history: History) -> None:
    assert history.epoch == [3, 4, 5, 6]
    assert history.history == {"loss": [2 / 3, 2 / 4, 2 / 5, 2 / 6], "val_loss": [3.0, 5.0]}
    assert history.epochs_of("loss") == [3, 4, 5, 6]
    assert history.epochs_of("val_loss") == [3, 5]


def test_epochs_of_an_unknown_name(history: History) -> None:
    with pytest.raises(KeyError, match=r"no 'acc' in this history; it has \['loss', 'val_loss'\]"):
        history.epochs_of("acc")


@pytest.mark.parametrize("copied", [lambda each: pickle.loads(pickle.dumps(each)), copy.deepcopy])
def test_history_goes_anywhere_without_its_model(history: History, copied: Callable[[History], History]) -> None:
    history.model.cannot_be_pickled = lambda: None
    again = copied(history)
    assert again.history == history.history
    assert again.epoch == history.epoch
    assert again.epochs_of("val_loss") == [3, 5]
    assert again.params == history.params
    assert not hasattr(again, "model")
    assert not hasattr(again, "run")


def test_history_that_is_used_again_starts_anew(train: Train) -> None:
    mine = History()
    train(mine, [[1.0], [2.0]])
    assert mine.history == {"loss": [1.0, 2.0]}
    train(mine, [[5.0]])
    assert mine.history == {"loss": [5.0]}
    assert mine.epoch == mine.epochs_of("loss") == [0]


def test_history_goes_on_from_its_state(history: History) -> None:
    other = History()
    other.load_state_dict(history.state_dict())
    assert (other.epoch, other.history) == (history.epoch, history.history)
    last = history.epoch[-1] + 1
    other.on_epoch_end(last, {"loss": 0.5})
    assert other.epochs_of("loss") == [*history.epochs_of("loss"), last]
    # The state was not the other's to change.
    assert last not in history.epoch
    assert history.history["loss"] == other.history["loss"][:-1]


def test_plot_writes_a_picture_with_a_chart_for_each_quantity(history: History, tmp_path: Path) -> None:
    history.history["acc"], history._epochs["acc"] = [0.5] * 4, [3, 4, 5, 6]
    figure = history.plot(str(tmp_path / "curves.png"))
    charts = {axes.get_title(): axes for axes in figure.axes}
    assert list(charts) == ["loss", "acc"]
    training, validation = charts["loss"].get_lines()
    assert np.asarray(training.get_xdata()).tolist() == [4, 5, 6, 7]  # people count epochs from 1
    assert np.asarray(validation.get_xdata()).tolist() == [4, 6]
    assert np.asarray(validation.get_ydata()).tolist() == [3.0, 5.0]
    picture = (tmp_path / "curves.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == (1500, 600)
    assert len(picture) > 10_000


def test_plot_leaves_out_what_is_no_number(history: History) -> None:
    history.history["note"], history._epochs["note"] = ["fine"], [3]
    assert [axes.get_title() for axes in history.plot().axes] == ["loss"]


def test_plot_without_epochs() -> None:
    with pytest.raises(ValueError, match="this history has no epochs to draw: train first"):
        History().plot()


def test_plot_without_matplotlib_says_what_to_install(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="draws with matplotlib: pip install matplotlib"):
        history.plot()
