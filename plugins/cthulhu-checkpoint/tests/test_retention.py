"""``keep`` leaves the newest files and the best, and touches no others."""

from __future__ import annotations

import math

import pytest

from cthulhu.callbacks import LumpCheckpoint
from cthulhu_core import Callback


def test_newest_files_and_the_best_are_kept(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", keep=2), [0.5, 0.25, 0.75, 0.75, 0.75, 0.75])
    assert files_in(folder) == {"2.h5": 2, "5.h5": 5, "6.h5": 6}


def test_of_equal_epochs_the_first_is_the_best(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", "val_acc", keep=1), [{"val_acc": value} for value in (0.5, 0.75, 0.75, 0.5)])
    assert files_in(folder) == {"2.h5": 2, "4.h5": 4}


def test_no_epoch_is_the_best_where_none_has_a_number(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", keep=1), [math.nan] * 3)
    assert files_in(folder) == {"3.h5": 3}


def test_keep_does_without_the_monitored_quantity(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", keep=2), [None] * 3, validation=False)
    assert files_in(folder) == {"2.h5": 2, "3.h5": 3}


def test_keep_goes_with_save_best_only(folder, train, files_in):
    train(LumpCheckpoint("{epoch}.h5", keep=2, save_best_only=True), [0.5, 0.4, 0.6, 0.3, 0.2, 0.7])
    assert files_in(folder) == {"4.h5": 4, "5.h5": 5}


def test_files_of_others_stay(folder, train):
    others = ["0.h5", "notes.txt", "1.hdf5", ".h5"]
    for name in others:
        (folder / name).write_text(name)
    train(LumpCheckpoint("{epoch}.h5", keep=1), [0.5, 0.25, 0.125])
    assert sorted(path.name for path in folder.iterdir()) == sorted([*others, "3.h5"])
    assert [(folder / name).read_text() for name in others] == others


def test_a_file_is_removed_only_when_the_next_is_there(folder, train):
    seen = []

    class Watch(Callback):
        def on_save_point(self):
            if self.run.batch is None:
                seen.append(sorted(path.name for path in folder.iterdir()))

    train(LumpCheckpoint("{epoch}.h5", keep=1), [0.5, 0.25, 0.125], after=[Watch()])
    assert seen == [["1.h5"], ["2.h5"], ["3.h5"]]


def test_file_that_is_gone_already_is_no_matter(folder, train, files_in):
    class Remove(Callback):
        def on_epoch_begin(self, epoch, logs):
            (folder / "1.h5").unlink(missing_ok=True)

    train(LumpCheckpoint("{epoch}.h5", keep=1), [0.5, 0.25, 0.125], after=[Remove()])
    assert files_in(folder) == {"3.h5": 3}


def test_file_that_cannot_be_removed_is_a_warning_and_tried_again(folder, train, files_in):
    class Replace(Callback):
        """Puts a folder where the first file was, and takes it away again."""

        def on_epoch_begin(self, epoch, logs):
            if epoch == 1:
                (folder / "1.h5").rename(folder / "kept")
                (folder / "1.h5").mkdir()
            if epoch == 2:
                (folder / "1.h5").rmdir()
                (folder / "kept").rename(folder / "1.h5")

    with pytest.warns(UserWarning, match="1.h5 could not be removed: .*next save tries again") as caught:
        train(LumpCheckpoint("{epoch}.h5", keep=1), [0.5, 0.25, 0.125], after=[Replace()])
    assert len(caught) == 1
    assert files_in(folder) == {"3.h5": 3}


def test_files_in_folders_with_placeholders_are_removed_and_folders_stay(folder, train):
    train(LumpCheckpoint("run/{epoch}/w.h5", keep=1), [0.5, 0.25])
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")) == [
        *("run", "run/1", "run/2", "run/2/w.h5"),
    ]
