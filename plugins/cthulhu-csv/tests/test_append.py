"""append=True: the header that a file has rules, and what does not go with it is refused before training."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cthulhu.callbacks import CSVLogger


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def test_second_run_goes_on_without_a_second_header(train, log):
    train(CSVLogger(log), [{"loss": 0.5, "acc": 0.25}])
    train(CSVLogger(log, append=True), [{"acc": 0.75, "loss": 0.125}], initial_epoch=1, metrics=["loss", "acc"])
    assert log.read_text() == "epoch,acc,loss\n0,0.25,0.5\n1,0.75,0.125\n"


@pytest.mark.parametrize("exists", [False, True])
def test_new_and_empty_files_get_a_header(train, log, exists):
    if exists:
        log.touch()
    train(CSVLogger(log, append=True), [{"loss": 0.5}])
    assert log.read_text() == "epoch,loss\n0,0.5\n"


def test_same_object_appends_to_its_own_file(train, log):
    csv_logger = CSVLogger(log, append=True)
    train(csv_logger, [{"loss": 0.5}])
    train(csv_logger, [{"loss": 0.25}], initial_epoch=1)
    assert log.read_text() == "epoch,loss\n0,0.5\n1,0.25\n"


def test_order_of_columns_is_that_of_the_file(train, log):
    log.write_text("epoch,loss,acc\n0,0.5,0.25\n")
    train(CSVLogger(log, append=True), [{"acc": 1.0, "loss": 0.125}], initial_epoch=1)
    assert log.read_text() == "epoch,loss,acc\n0,0.5,0.25\n1,0.125,1.0\n"


def test_column_that_this_run_does_not_log_is_na(train, log):
    log.write_text("epoch,loss,val_loss\n0,0.5,0.75\n")
    train(CSVLogger(log, append=True), [{"loss": 0.25}], initial_epoch=1, metrics=["loss"])
    assert log.read_text() == "epoch,loss,val_loss\n0,0.5,0.75\n1,0.25,NA\n"


def test_name_that_the_file_lacks_and_no_metric_is_left_out_with_a_warning(train, log):
    log.write_text("epoch,loss\n0,0.5\n")
    with pytest.warns(UserWarning, match="leaves out lr: .* its columns are those of its first row: epoch, loss"):
        train(CSVLogger(log, append=True), [{"loss": 0.25, "lr": 0.1}], initial_epoch=1, metrics=["loss"])
    assert log.read_text() == "epoch,loss\n0,0.5\n1,0.25\n"


@pytest.mark.parametrize("end", ["\n1,0.2", "\n1,0.25"])
def test_file_that_was_cut_off_is_continued_on_a_new_line(train, log, end):
    log.write_text("epoch,loss\n0,0.5" + end)
    train(CSVLogger(log, append=True), [{"loss": 0.125}], initial_epoch=2)
    assert log.read_text() == "epoch,loss\n0,0.5" + end + "\n2,0.125\n"


def test_run_that_was_killed_is_continued(train, log):
    code = f"""
import os, signal
from types import SimpleNamespace
from cthulhu.callbacks import Callback, CSVLogger
from cthulhu_core import Run

class Killed(Callback):
    def on_epoch_begin(self, epoch, logs):
        if epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

with Run(SimpleNamespace(), epochs=4, callbacks=[CSVLogger({str(log)!r}), Killed()]) as run:
    for epoch in run.epochs():
        for value in run.batches([1.0]):
            run.record(loss=value / 2**epoch)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert log.read_text() == "epoch,loss\n0,1.0\n1,0.5\n"
    train(CSVLogger(log, append=True), [{"loss": 0.25}, {"loss": 0.125}], initial_epoch=2)
    assert log.read_text() == "epoch,loss\n0,1.0\n1,0.5\n2,0.25\n3,0.125\n"


def test_header_as_a_spreadsheet_saves_it_is_understood(train, log):
    log.write_bytes(b'\xef\xbb\xbf"epoch","loss"\r\n0,0.5\r\n')
    train(CSVLogger(log, append=True), [{"loss": 0.25}], initial_epoch=1)
    assert log.read_bytes() == b'\xef\xbb\xbf"epoch","loss"\r\n0,0.5\r\n1,0.25\n'


def refused(train, log: Path, separator: str = ",", **arguments: object) -> str:
    """The message with which a run on this file is refused, before training and without a change to the file."""
    before = log.read_bytes()
    with pytest.raises(ValueError, match="append=True") as refusal:
        train(CSVLogger(log, separator=separator, append=True), [{"loss": 0.5}], **arguments)
    assert log.read_bytes() == before
    return str(refusal.value).replace(str(log), "log.csv")


def test_planned_metric_without_a_column_is_an_error_before_training(train, log):
    log.write_text("epoch,loss\n0,0.5\n")
    assert refused(train, log, metrics=["loss", "acc"], validation=True) == (
        "CSVLogger('log.csv', separator=',', append=True): this run logs acc, val_loss, val_acc, but the file has no "
        "such column; its header is epoch,loss: use the metrics and validation of the run that began it, or choose "
        "another file, or overwrite this one with append=False"
    )


def test_other_separator_is_an_error_before_training(train, log):
    log.write_text("epoch;acc;loss\n0;0.25;0.5\n")
    assert refused(train, log) == (
        "CSVLogger('log.csv', separator=',', append=True): expected a file whose first column is 'epoch', but it "
        "begins with 'epoch;acc;loss': pass separator=';', which the file seems to use, or choose another file, or "
        "overwrite this one with append=False"
    )


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\n", b"\xff\xfe\x00\x01", b"x" * 200_000])
def test_file_that_is_no_log_is_an_error_before_training(train, log, content):
    log.write_bytes(content)
    assert "expected a file whose first column is 'epoch'" in refused(train, log)
