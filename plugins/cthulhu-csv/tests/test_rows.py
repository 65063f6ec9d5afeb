"""What CSVLogger writes, byte for byte."""

from __future__ import annotations

import csv
import logging
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from cthulhu.callbacks import CSVLogger
from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def rows(log: Path) -> list[dict[str, str]]:
    with log.open(newline="") as file:
        return list(csv.DictReader(file))


def test_first_column_is_epoch_from_0_and_the_others_are_sorted(train, log):
    train(CSVLogger(log), [{"loss": 0.5, "acc": 0.25}, {"loss": 0.125, "acc": 1.0}])
    assert log.read_bytes() == b"epoch,acc,loss\n0,0.25,0.5\n1,1.0,0.125\n"


def test_epochs_begin_at_initial_epoch(train, log):
    train(CSVLogger(log), [{"loss": 0.5}], initial_epoch=7)
    assert log.read_text() == "epoch,loss\n7,0.5\n"


def test_separator_stands_between_cells(train, log):
    train(CSVLogger(log, separator=";"), [{"loss": 0.5, "acc": 0.25}])
    assert log.read_text() == "epoch;acc;loss\n0;0.25;0.5\n"


def test_numbers_keep_every_digit(train, log):
    train(CSVLogger(log), [{"loss": 0.1 + 0.2, "tiny": 5e-324, "nan": float("nan"), "inf": float("inf")}])
    assert log.read_text() == "epoch,inf,loss,nan,tiny\n0,inf,0.30000000000000004,nan,5e-324\n"


@pytest.mark.parametrize(
    "value",
    [
        [1, 2],
        (1, 2),
        np.array([1, 2]),
        torch.tensor([1, 2]),
        range(1, 3),
        [np.int64(1), torch.tensor(2)],
        {1: 0, 2: 0}.keys(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_one_dimensional_value_is_one_cell(train, log, value):
    train(CSVLogger(log), [{"loss": value}])
    assert log.read_text() == 'epoch,loss\n0,"[1, 2]"\n'
    assert rows(log) == [{"epoch": "0", "loss": "[1, 2]"}]


@pytest.mark.parametrize(
    "value", [np.array(0.5), np.float32(0.5), torch.tensor(0.5), torch.tensor(0.5, requires_grad=True)]
)
def test_value_without_dimensions_is_a_number(train, log, value):
    train(CSVLogger(log), [{"loss": value}])
    assert log.read_text() == "epoch,loss\n0,0.5\n"


def test_text_is_quoted_where_it_must_be(train, log):
    train(CSVLogger(log), [{"note": 'a, "b"\nc'}])
    assert rows(log) == [{"epoch": "0", "note": 'a, "b"\nc'}]


def test_missing_value_is_na(train, log):
    train(CSVLogger(log), [{"loss": 0.5, "lr": 0.1}, {"loss": 0.25}, {"loss": 0.125, "lr": None}])
    assert log.read_text() == "epoch,loss,lr\n0,0.5,0.1\n1,0.25,NA\n2,0.125,NA\n"
    assert pandas.read_csv(log)["lr"].isna().tolist() == [False, True, True]


def test_metric_named_epoch_does_not_displace_the_epoch(train, log):
    train(CSVLogger(log), [{"epoch": 99, "loss": 0.5}])
    assert log.read_text() == "epoch,loss\n0,0.5\n"


def test_planned_validation_has_its_columns_from_the_first_row(train, log):
    epochs = [{"loss": 0.5}, {"loss": 0.25, "val_loss": 0.75}]
    train(CSVLogger(log), epochs, metrics=["loss"], validation=True)
    assert log.read_text() == "epoch,loss,val_loss\n0,0.5,NA\n1,0.25,0.75\n"


def test_planned_validation_of_a_loop_that_names_no_metrics_has_its_columns_too(train, log):
    train(CSVLogger(log), [{"loss": 0.5}, {"loss": 0.25, "val_loss": 0.75}], validation=True)
    assert log.read_text() == "epoch,loss,val_loss\n0,0.5,NA\n1,0.25,0.75\n"


def test_without_planned_validation_there_are_no_validation_columns(train, log):
    train(CSVLogger(log), [{"loss": 0.5, "acc": 0.25}], metrics=["loss", "acc"])
    assert log.read_text() == "epoch,acc,loss\n0,0.25,0.5\n"


@pytest.mark.parametrize(
    ("validation_freq", "rows_with_validation"), [(2, [1, 3]), ([1, 4], [0, 3])], ids=["every second", "listed"]
)
def test_validation_freq_leaves_na_between(log, validation_freq, rows_with_validation):
    model = Pile([Daoloth(1, input_dim=2)])
    model.conjure("sgd", "mse", metrics=["mae"])
    x, y = np.ones((8, 2), dtype="float32"), np.ones((8, 1), dtype="float32")
    history = model.summon(
        x, y, epochs=4, verbose=0, validation_data=(x, y), validation_freq=validation_freq, callbacks=CSVLogger(log)
    )
    table = rows(log)
    assert list(table[0]) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert [index for index, row in enumerate(table) if row["val_loss"] != "NA"] == rows_with_validation
    assert [float(row["val_loss"]) for row in table if row["val_loss"] != "NA"] == history.history["val_loss"]
    assert [float(row["mae"]) for row in table] == history.history["mae"]


def test_name_that_appears_later_is_left_out_with_one_warning(train, log):
    epochs = [{"loss": 0.5}, {"loss": 0.25, "lr": 0.1}, {"loss": 0.125, "lr": 0.1, "f1": 1.0}]
    with pytest.warns(UserWarning, match="CSVLogger leaves out") as caught:
        train(CSVLogger(log), epochs)
    assert [str(warning.message).replace(str(log), "log.csv") for warning in caught] == [
        "CSVLogger leaves out lr: 'log.csv' has no such column; its columns are those of its first row: epoch, loss"
    ]
    assert log.read_text() == "epoch,loss\n0,0.5\n1,0.25\n2,0.125\n"


def test_row_is_in_the_file_when_its_epoch_has_ended(train, log):
    class Reader(Callback):
        def __init__(self):
            self.seen = []

        def on_epoch_end(self, epoch, logs):
            self.seen.append(log.read_text())

    reader = Reader()
    train([CSVLogger(log), reader], [{"loss": 0.5}, {"loss": 0.25}])
    assert reader.seen == ["epoch,loss\n0,0.5\n", "epoch,loss\n0,0.5\n1,0.25\n"]


def test_missing_folders_are_made(train, tmp_path):
    train(CSVLogger(str(tmp_path / "run" / "1" / "log.csv")), [{"loss": 0.5}])
    assert (tmp_path / "run" / "1" / "log.csv").read_text() == "epoch,loss\n0,0.5\n"


def test_existing_file_is_overwritten(train, log):
    log.write_text("something else\nentirely\n")
    train(CSVLogger(log), [{"loss": 0.5}])
    assert log.read_text() == "epoch,loss\n0,0.5\n"


def test_object_in_a_second_run_starts_over(train, log):
    csv_logger = CSVLogger(log)
    train(csv_logger, [{"loss": 0.5}])
    train(csv_logger, [{"mae": 0.25}])
    assert log.read_text() == "epoch,mae\n0,0.25\n"


def test_run_without_epochs_leaves_an_empty_file(train, log):
    train(CSVLogger(log), [], initial_epoch=3)
    assert log.read_bytes() == b""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_file_is_whole_and_closed_when_an_exception_ends_training(train, log, error):
    class Fault(Callback):
        def on_epoch_begin(self, epoch, logs):
            if epoch == 1:
                raise error("now")

    csv_logger = CSVLogger(log)
    with pytest.raises(error):
        train([csv_logger, Fault()], [{"loss": 0.5}, {"loss": 0.25}])
    assert csv_logger._file is None
    assert log.read_text() == "epoch,loss\n0,0.5\n"


def test_file_is_closed_when_a_later_callback_fails_at_train_begin(train, log):
    class Fault(Callback):
        def on_train_begin(self, logs):
            raise RuntimeError("now")

    csv_logger = CSVLogger(log)
    with pytest.raises(RuntimeError, match="now"):
        train([csv_logger, Fault()], [{"loss": 0.5}])
    assert csv_logger._file is None


def test_failure_to_write_is_logged_and_training_goes_on(train, caplog):
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs a device that is always full")
    with caplog.at_level(logging.WARNING, logger="cthulhu"):
        run = train(CSVLogger(full), [{"loss": 0.5}] * 4)
    assert run.history.history["loss"] == [0.5] * 4
    assert "No space left on device" in caplog.text
    assert caplog.messages[-1].startswith("CSVLogger (cthulhu-csv 0.1.0) was taken out of the run after 3 failures")
