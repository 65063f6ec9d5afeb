"""Saving in the background: in order, one at a time, and complete when training ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cthulhu.callbacks import LumpCheckpoint
from cthulhu_checkpoint import writer
from cthulhu_core import Callback


@pytest.fixture
def slow(monkeypatch):
    """Every file takes until ``slow.set()``; ``slow.started`` lists those begun."""
    gate, save = threading.Event(), writer._save
    gate.started = []

    def wait_and_save(checkpoint, filepath, threads):
        gate.started.append(filepath.name)
        assert gate.wait(10)
        save(checkpoint, filepath, threads)

    monkeypatch.setattr(writer, "_save", wait_and_save)
    return gate


def test_training_goes_on_while_a_file_is_written(folder, train, slow, files_in):
    class Look(Callback):
        def on_epoch_begin(self, epoch, logs):
            if epoch == 1:
                assert list(folder.iterdir()) == []
                slow.set()

    train(LumpCheckpoint("w.{epoch}.h5", background=True), [0.5, 0.25], after=[Look()])
    assert files_in(folder) == {"w.1.h5": 1, "w.2.h5": 2}


def test_the_next_save_waits_for_the_one_before(folder, train, slow, files_in):
    begun = []

    class Look(Callback):
        def on_save_point(self):
            if self.run.batch is None:
                begun.append(list(slow.started))

    with ThreadPoolExecutor() as pool:
        training = pool.submit(train, LumpCheckpoint("w.{epoch}.h5", background=True), [0.5] * 3, [Look()])
        while not slow.started and not training.done():
            time.sleep(0.001)
        time.sleep(0.1)
        assert begun in ([], [[]], [["w.1.h5"]])  # nobody has come to the end of a second epoch
        slow.set()
        training.result()
    assert slow.started == ["w.1.h5", "w.2.h5", "w.3.h5"]
    assert files_in(folder) == {"w.1.h5": 1, "w.2.h5": 2, "w.3.h5": 3}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_however_training_ends_the_file_is_there(folder, train, slow, files_in, error):
    class Break(Callback):
        def on_epoch_begin(self, epoch, logs):
            if epoch == 1:
                threading.Timer(0.1, slow.set).start()
                raise error

    checkpoint = LumpCheckpoint("w.h5", background=True)
    with pytest.raises(error):
        train(checkpoint, [0.5, 0.25], after=[Break()])
    assert slow.is_set()
    assert files_in(folder) == {"w.h5": 1}


def test_an_interrupt_while_the_end_waits_still_leaves_the_whole_file(folder, train, files_in, monkeypatch):
    import concurrent.futures

    waited, wait = [], concurrent.futures.wait

    def interrupted(futures):
        waited.append(futures)
        if len(waited) == 1:
            raise KeyboardInterrupt
        return wait(futures)

    monkeypatch.setattr(concurrent.futures, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(LumpCheckpoint("w.h5", background=True), [0.5])
    assert len(waited) == 2
    assert files_in(folder) == {"w.h5": 1}


def test_files_surplus_are_removed_when_the_last_is_written(folder, train, files_in):
    train(LumpCheckpoint("w.{epoch}.h5", background=True, keep=1), [0.5, 0.25, 0.125])
    assert files_in(folder) == {"w.3.h5": 3}


def test_failure_is_a_warning_when_it_is_seen_and_the_best_is_what_was_saved(folder, train, files_in, capsys):
    class Obstruct(Callback):
        """While the second epoch is saved, a folder is where its file should be."""

        def on_epoch_begin(self, epoch, logs):
            if epoch == 1:
                (folder / "w.2.h5").mkdir()

    checkpoint = LumpCheckpoint("w.{epoch}.h5", background=True, save_best_only=True, verbose=1)
    with pytest.warns(UserWarning, match="epoch 00002 could not be saved to .*w.2.h5: Is a directory") as caught:
        train(checkpoint, [0.5, 0.25, 0.375], after=[Obstruct()])
    assert len(caught) == 1
    assert checkpoint.best == 0.375
    assert "Epoch 00003: val_loss improved from 0.50000 to 0.37500" in capsys.readouterr().out
    (folder / "w.2.h5").rmdir()
    assert files_in(folder) == {"w.1.h5": 1, "w.3.h5": 3}


def test_error_in_the_program_is_raised(folder, train, monkeypatch):
    def fail(checkpoint, filepath, threads):
        raise TypeError("no such thing")

    monkeypatch.setattr(writer, "_save", fail)
    with pytest.raises(TypeError, match="no such thing"):
        train(LumpCheckpoint("w.h5", background=True), [0.5])
