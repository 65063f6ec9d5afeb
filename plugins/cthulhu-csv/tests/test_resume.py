"""A resumed run continues the file at the row where its state was taken."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from cthulhu.callbacks import Callback, CSVLogger
from cthulhu_core import Run

ROWS = "epoch,loss\n0,0.0\n1,1.0\n2,2.0\n"


class Epoch(Callback):
    def on_epoch_end(self, epoch, logs):
        logs["loss"] = float(epoch)


def resume(csv_logger, state, epoch, epochs=3):
    run = Run(SimpleNamespace(), epochs=epochs, callbacks=[Epoch(), csv_logger], initial_epoch=epoch)
    run.resumed = True
    with run:
        if state is not None:
            csv_logger.load_state_dict(state)
        for _ in run.epochs():
            pass


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


@pytest.fixture
def states(log: Path) -> list[dict[str, object]]:
    """The states at the end of each epoch of a training that nobody interrupted."""
    taken = []

    class Take(Callback):
        def on_save_point(self):
            taken.append(csv_logger.state_dict())

    csv_logger = CSVLogger(log)
    with Run(SimpleNamespace(), epochs=3, callbacks=[Epoch(), csv_logger, Take()]) as run:
        for _ in run.epochs():
            pass
    assert log.read_text() == ROWS
    return taken


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_rows_after_the_checkpoint_are_written_again(log, states, epoch, append):
    resume(CSVLogger(log, append=append), states[epoch - 1], epoch)
    assert log.read_text() == ROWS


def test_row_that_was_being_written_when_the_run_was_killed_is_cut_off(log, states):
    log.write_text(ROWS + "3,3")
    resume(CSVLogger(log), states[0], 1)
    assert log.read_text() == ROWS


def test_state_of_a_run_that_is_over_goes_on(log):
    csv_logger = CSVLogger(log)
    with Run(SimpleNamespace(), epochs=2, callbacks=[Epoch(), csv_logger]) as run:
        for _ in run.epochs():
            pass
    resume(CSVLogger(log), csv_logger.state_dict(), 2)
    assert log.read_text() == ROWS


def test_rows_that_were_there_before_an_appending_run_stay(log):
    log.write_text("epoch,loss\n7,7.0\n")
    csv_logger = CSVLogger(log, append=True)
    with Run(SimpleNamespace(), epochs=1, callbacks=[Epoch(), csv_logger]) as run:
        for _ in run.epochs():
            pass
    resume(CSVLogger(log, append=True), csv_logger.state_dict(), 1)
    assert log.read_text() == "epoch,loss\n7,7.0\n0,0.0\n1,1.0\n2,2.0\n"


@pytest.mark.parametrize("append", [False, True])
def test_resumed_run_in_which_the_log_is_new_treats_the_file_as_any_run_does(log, append):
    log.write_text("epoch,loss\n7,7.0\n")
    resume(CSVLogger(log, append=append), None, 1)
    begin = "epoch,loss\n7,7.0\n" if append else "epoch,loss\n"
    assert log.read_text() == begin + "1,1.0\n2,2.0\n"


def test_file_that_is_gone_is_begun_anew_with_a_warning(log, states):
    log.unlink()
    with pytest.warns(UserWarning, match=r"lacks rows: it had 23 bytes when the checkpoint was saved, and has 0"):
        resume(CSVLogger(log), states[1], 2)
    assert log.read_text() == "epoch,loss\n2,2.0\n"
