"""Which epochs are saved, under which names, and what is printed."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile, load_model
from cthulhu_core import Callback, Run
from cthulhu_core.contract.monitor import MonitorWarning

NAN = math.nan


def test_every_epoch_is_saved_under_its_name_from_1(folder, train, files_in):
    train(LumpCheckpoint("w.{epoch:02d}-{val_loss:.2f}.hdf5"), [0.5, 0.75])
    assert files_in(folder) == {"w.01-0.50.hdf5": 1, "w.02-0.75.hdf5": 2}


def test_without_placeholders_the_last_epoch_is_in_the_file(folder, train, files_in):
    train(LumpCheckpoint("w.h5"), [0.5, 0.75, 0.25])
    assert files_in(folder) == {"w.h5": 3}


def test_names_take_everything_that_earlier_callbacks_log(folder, train, files_in):
    train(LumpCheckpoint("{mine}-{loss:.1f}-{my.own!r:>5}.h5"), [{"mine": "a", "my.own": 3}])
    assert files_in(folder) == {"a-1.0-    3.h5": 1}


def test_doubled_braces_are_braces(folder, train, files_in):
    train(LumpCheckpoint("{{w}}{epoch}.h5"), [0.5])
    assert files_in(folder) == {"{w}1.h5": 1}


def test_path_objects_and_missing_folders_are_fine(tmp_path, train, files_in):
    train(LumpCheckpoint(tmp_path / "a" / "b" / "epoch {epoch}" / "w.h5"), [0.5, 0.75])
    assert files_in(tmp_path / "a" / "b" / "epoch 1") == {"w.h5": 1}
    assert files_in(tmp_path / "a" / "b" / "epoch 2") == {"w.h5": 2}


def test_files_stay_in_the_folder_where_training_began(folder, tmp_path, train, monkeypatch, files_in):
    class Leave(Callback):
        def on_epoch_begin(self, epoch, logs):
            monkeypatch.chdir(tmp_path)

    train(LumpCheckpoint("run/w.{epoch}.h5", keep=1), [0.5, 0.25, 0.125], after=[Leave()])
    assert files_in(folder / "run") == {"w.3.h5": 3}


# --- save_best_only --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monitor", "values", "saved", "best"),
    [
        ("val_loss", [0.5, 0.7, 0.4, 0.4, 0.45], 3, 0.4),
        ("val_loss", [NAN, 0.5, NAN, 0.6], 2, 0.5),
        ("val_loss", [0.5, -math.inf, 0.1], 2, -math.inf),
        ("val_acc", [0.5, 0.7, 0.7, 0.6], 2, 0.7),
    ],
)
def test_only_the_strictly_best_epoch_is_in_the_file(folder, train, monitor, values, saved, best, files_in):
    checkpoint = LumpCheckpoint("w.h5", monitor, save_best_only=True)
    train(checkpoint, [{monitor: value} for value in values])
    assert files_in(folder) == {"w.h5": saved}
    assert checkpoint.best == best


def test_nothing_is_saved_where_no_epoch_is_best(folder, train, files_in):
    checkpoint = LumpCheckpoint("w.h5", save_best_only=True)
    train(checkpoint, [NAN, math.inf])
    assert files_in(folder) == {}
    assert checkpoint.best == math.inf


def test_mode_decides_against_the_name(folder, train, files_in):
    train(LumpCheckpoint("w.h5", save_best_only=True, mode="max"), [0.5, 0.7, 0.6])
    assert files_in(folder) == {"w.h5": 2}


def test_direction_that_the_metric_states_decides_in_mode_auto(folder, train, files_in):
    train(
        LumpCheckpoint("w.h5", "val_quality", save_best_only=True),
        [{"val_quality": value} for value in (0.5, 0.7, 0.6)],
        directions={"quality": "max"},
    )
    assert files_in(folder) == {"w.h5": 2}


def test_missing_quantity_is_one_warning_and_nothing_is_saved(folder, train, files_in):
    checkpoint = LumpCheckpoint("w.h5", "val_accuracy", save_best_only=True)
    with pytest.warns(
        MonitorWarning, match="'val_accuracy' is monitored but not logged.*did you mean val_acc"
    ) as caught:
        train(checkpoint, [{"val_acc": 0.5}] * 3, validation=False)
    assert len(caught) == 1
    assert files_in(folder) == {}


def test_missing_quantity_does_not_matter_where_nothing_depends_on_it(folder, train, files_in):
    train(LumpCheckpoint("w.h5", "nothing"), [0.5])
    assert files_in(folder) == {"w.h5": 1}


# --- period ----------------------------------------------------------------------------------------------------------


def test_period_saves_every_so_many_epochs(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", period=3), [0.5] * 7)
    assert files_in(folder) == {"3.h5": 3, "6.h5": 6}


def test_better_epoch_is_saved_whatever_the_period(folder, train, capsys, files_in):
    train(LumpCheckpoint("w.h5", save_best_only=True, period=3, verbose=1), [0.5, 0.25, 0.75, 0.75, 0.75, 0.125])
    assert files_in(folder) == {"w.h5": 6}
    assert capsys.readouterr().out == (
        "Epoch 00001: val_loss improved from inf to 0.50000, saving model to w.h5\n"
        "Epoch 00002: val_loss improved from 0.50000 to 0.25000, saving model to w.h5\n"
        "Epoch 00005: val_loss did not improve from 0.25000\n"
        "Epoch 00006: val_loss improved from 0.25000 to 0.12500, saving model to w.h5\n"
    )


# --- messages --------------------------------------------------------------------------------------------------------


def test_verbose_says_what_is_saved(folder, train, capsys):
    train(LumpCheckpoint("w.{epoch}.hdf5", verbose=1), [0.5, 0.25])
    assert capsys.readouterr().out == ("Epoch 00001: saving model to w.1.hdf5\nEpoch 00002: saving model to w.2.hdf5\n")


def test_verbose_says_what_was_best(folder, train, capsys):
    train(LumpCheckpoint("w.hdf5", verbose=1, save_best_only=True), [0.5, 0.4, 0.4])
    assert capsys.readouterr().out == (
        "Epoch 00001: val_loss improved from inf to 0.50000, saving model to w.hdf5\n"
        "Epoch 00002: val_loss improved from 0.50000 to 0.40000, saving model to w.hdf5\n"
        "Epoch 00003: val_loss did not improve from 0.40000\n"
    )


def test_verbose_0_is_silent(folder, train, capsys):
    train(LumpCheckpoint("w.hdf5", save_best_only=True), [0.5, 0.4, 0.4])
    assert capsys.readouterr().out == ""


def test_other_processes_than_the_main_one_neither_save_nor_print(folder, train, capsys, monkeypatch, files_in):
    monkeypatch.setattr("cthulhu_core.run.dispatch.rank", lambda: 1)
    train(LumpCheckpoint("w.hdf5", verbose=1), [0.5])
    assert capsys.readouterr().out == ""
    assert files_in(folder) == {}


# --- epochs without validation ---------------------------------------------------------------------------------------


def test_epoch_without_validation_is_skipped_with_one_warning(folder, model, data):
    checkpoint = LumpCheckpoint("w.{epoch}-{val_loss:.1f}.h5")
    with pytest.warns(UserWarning, match="epoch 00001 is not saved.*val_loss is not logged") as caught:
        history = model.summon(
            *data, epochs=6, verbose=0, validation_split=0.25, validation_freq=2, callbacks=[checkpoint]
        )
    assert len(caught) == 1
    losses = zip((2, 4, 6), history.history["val_loss"], strict=True)
    assert sorted(path.name for path in folder.iterdir()) == [f"w.{epoch}-{loss:.1f}.h5" for epoch, loss in losses]


def test_skipped_epoch_is_made_up_for_by_the_next(folder, model, data):
    checkpoint = LumpCheckpoint("w.{epoch}-{val_loss:.0e}.h5", period=2)
    with pytest.warns(UserWarning, match="epoch 00002 is not saved"):
        model.summon(
            *data, epochs=7, verbose=0, validation_split=0.25, validation_freq=[1, 3, 5], callbacks=[checkpoint]
        )
    assert sorted(path.name[:3] for path in folder.iterdir()) == ["w.3", "w.5"]


def test_monitored_quantity_of_an_epoch_without_validation_is_no_warning(folder, model, data):
    checkpoint = LumpCheckpoint("w.{epoch}.h5", save_best_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.summon(*data, epochs=4, verbose=0, validation_split=0.25, validation_freq=2, callbacks=[checkpoint])
    assert sorted(path.name for path in folder.iterdir()) == ["w.2.h5", "w.4.h5"]


# --- what is in the file ---------------------------------------------------------------------------------------------


def test_full_model_comes_back_and_trains_on(folder, model, data):
    model.summon(*data, epochs=2, verbose=0, callbacks=[LumpCheckpoint("w.h5")])
    again = load_model("w.h5")
    np.testing.assert_array_equal(again.predict(data[0]), model.predict(data[0]))
    for each in (model, again):
        torch.manual_seed(1)
        each.summon(*data, epochs=1, verbose=0, shuffle=False)
    np.testing.assert_array_equal(again.predict(data[0]), model.predict(data[0]))


def test_weights_alone_are_saved_if_asked_for(folder, model, data):
    model.summon(*data, epochs=2, verbose=0, callbacks=[LumpCheckpoint("w.h5", save_weights_only=True)])
    with pytest.raises(Exception, match="it holds only weights"):
        load_model("w.h5")
    other = Pile([Daoloth(1, input_dim=3)])
    other.load_weights("w.h5")
    np.testing.assert_array_equal(other.predict(data[0]), model.predict(data[0]))


def test_it_is_saved_when_everybody_has_had_the_end_of_the_epoch(folder, train, files_in):
    class Change(Callback):
        def on_epoch_end(self, epoch, logs):
            with torch.no_grad():
                self.model.weight[0] = 17

    train(LumpCheckpoint("w.h5"), [0.5], after=[Change()])
    assert files_in(folder) == {"w.h5": 17}


def test_it_works_in_a_loop_of_ones_own_on_any_module(folder):
    net = torch.nn.Linear(2, 1)
    with Run(
        net, epochs=1, callbacks=[LumpCheckpoint("w.h5", "loss", save_best_only=True, save_weights_only=True)]
    ) as run:
        for _ in run.epochs():
            for value in run.batches([1.0, 2.0]):
                run.record(loss=value)
    other = Lump(torch.nn.Linear(2, 1))
    other.load_weights("w.h5")
    for mine, saved in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, saved)


# --- again -----------------------------------------------------------------------------------------------------------


def test_another_training_starts_afresh(folder, train):
    checkpoint = LumpCheckpoint("w.h5", save_best_only=True)
    train(checkpoint, [0.25, 0.5])
    train(checkpoint, [0.5, 0.75])
    assert checkpoint.best == 0.5


def test_training_that_goes_on_keeps_its_best(folder, train, capsys, files_in):
    checkpoint = LumpCheckpoint("w.{epoch}.h5", save_best_only=True, keep=1, verbose=1)
    train(checkpoint, [0.75, 0.25])
    train(checkpoint, [0.75, 0.25, 0.5, 0.125], initial_epoch=2)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "Epoch 00003: val_loss did not improve from 0.25000",
        "Epoch 00004: val_loss improved from 0.25000 to 0.12500, saving model to w.4.h5",
    ]
    assert files_in(folder) == {"w.4.h5": 4}
