"""What cannot work is said before the first epoch, or before the first file, with what was given and the cure."""

from __future__ import annotations

import math
import os
import re
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from cthulhu.callbacks import LumpCheckpoint
from cthulhu_core import Callback

UNPRIVILEGED = 65534


class Mine(Callback):
    """May add anything, for all that anybody knows."""


# --- when it is made -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "maximum"}, "mode is 'maximum': expected 'auto', 'min' or 'max'"),
        ({"period": 0}, "period is 0: expected a whole number of epochs, 1 or more"),
        ({"period": 1.5}, "period is 1.5: expected a whole number of epochs, 1 or more"),
        ({"period": None}, "period is None: expected a whole number of epochs"),
        ({"keep": 0}, "keep is 0: expected a whole number of files, 1 or more"),
        ({"keep": "3"}, "keep is '3': expected a whole number of files"),
        ({"keep": True}, "keep is True: expected a whole number of files"),
        ({"save_every": 0}, "save_every is 0: expected a number of batches, 1 or more, or a positive datetime"),
        ({"save_every": -3}, "save_every is -3: expected a number of batches"),
        ({"save_every": 0.5}, "save_every is 0.5: expected a number of batches"),
        ({"save_every": math.nan}, "save_every is nan: expected a number of batches"),
        ({"save_every": True}, "save_every is True: expected a number of batches"),
        ({"save_every": timedelta(0)}, "save_every is datetime.timedelta(0): expected a number of batches"),
        ({"filepath": "w.{}.h5"}, "LumpCheckpoint(filepath='w.{}.h5'): a placeholder without a name, {}"),
        ({"filepath": "w.{0}.h5"}, "a placeholder without a name, {0}: name what it is filled with, e.g. {epoch:02d}"),
        ({"filepath": "w.{loss:{}}.h5"}, "a placeholder without a name, {}"),
        ({"filepath": "w.{epoch.h5"}, "braces enclose a name; double them for literal braces"),
        ({"filepath": "w.epoch}.h5"}, "Single '}' encountered in format string: braces enclose a name"),
        ({"filepath": "w.{epoch:.2q}.h5"}, "{epoch:.2q} cannot be filled"),
        ({"filepath": "w.{epoch!x}.h5"}, "{epoch!x} cannot be filled"),
    ],
)
def test_argument_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        LumpCheckpoint(**{"filepath": "w.h5", **arguments})


@pytest.mark.parametrize("filepath", [3, None, b"w.h5", ["w.h5"], Path])
def test_filepath_that_is_no_path_is_refused(filepath):
    with pytest.raises(TypeError, match=re.escape(f"LumpCheckpoint(filepath={filepath!r}): expected a path, e.g.")):
        LumpCheckpoint(filepath)


def test_attributes_are_those_that_users_of_keras_know():
    checkpoint = LumpCheckpoint("w.h5", "val_acc", 1, True, True, "max", 2)
    attributes = ("filepath", "monitor", "verbose", "save_best_only", "save_weights_only", "period", "best")
    assert [getattr(checkpoint, name) for name in attributes] == ["w.h5", "val_acc", 1, True, True, 2, -math.inf]


# --- placeholders ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filepath", "message"),
    [
        ("w.{val_los:.2f}.h5", "nothing logs 'val_los', did you mean val_loss? The names of this run are epoch, loss,"),
        ("w.{epochs}.h5", "nothing logs 'epochs', did you mean epoch?"),
        ("w.{lr}.h5", "nothing logs 'lr'. The names of this run are epoch, loss, mae, val_loss, val_mae"),
        ("w.{val_loss:{lenght}}.h5", "nothing logs 'lenght'"),
        ("w.{val_loss:d}.h5", "{val_loss:d} cannot be filled (Unknown format code 'd' for object of type 'float')"),
        ("w.{mae:s}.h5", "{mae:s} cannot be filled (Unknown format code 's'"),
    ],
)
def test_placeholder_that_no_log_can_fill_is_an_error_before_training(folder, model, data, filepath, message):
    checkpoint = LumpCheckpoint(filepath)
    with pytest.raises(ValueError, match=re.escape(f"LumpCheckpoint(filepath={filepath!r}): {message}")):
        model.summon(*data, verbose=0, validation_split=0.25, callbacks=[checkpoint])
    assert model.history.epoch == []
    assert list(folder.iterdir()) == []


def test_validated_metric_without_validation_is_an_error_before_training(folder, model, data):
    with pytest.raises(ValueError, match="'val_loss' is only logged with validation: pass validation_data"):
        model.summon(*data, verbose=0, callbacks=[LumpCheckpoint("w.{val_loss}.h5")])


@pytest.mark.parametrize("names", ["{lr:.3f}", "{val_mae:.{epoch}f}", "{loss!r}", "{mae!s:>9}"])
def test_placeholders_that_can_be_filled_are_fine(folder, model, data, names):
    rates = LearningRate()
    callbacks = [rates, LumpCheckpoint(f"w.{names}.h5")]
    model.summon(*data, epochs=1, verbose=0, validation_split=0.25, callbacks=callbacks)
    assert len(list(folder.iterdir())) == 1


class LearningRate(Callback):
    """Logs a rate, as those that change it do."""

    def on_epoch_end(self, epoch, logs):
        logs["lr"] = 0.01


def test_name_that_a_callback_may_add_is_an_error_after_the_first_epoch(folder, model, data):
    (folder / "w.h5").write_text("what was there")
    checkpoint = LumpCheckpoint("w.{val_los}.h5")
    there = r"val_los is not logged; available names are epoch, [\w, ]*val_loss.*\. A callback that adds a value"
    with pytest.raises(ValueError, match=there):
        model.summon(*data, epochs=3, verbose=0, validation_split=0.25, callbacks=[Mine(), checkpoint])
    assert [path.name for path in folder.iterdir()] == ["w.h5"]
    assert (folder / "w.h5").read_text() == "what was there"


def test_format_that_does_not_go_with_what_a_callback_adds_is_an_error_after_the_first_epoch(folder, train):
    with pytest.raises(ValueError, match=r"cannot be filled with mine 'text'"):
        train(LumpCheckpoint("w.{mine:.2f}.h5"), [{"mine": "text"}])
    assert list(folder.iterdir()) == []


def test_value_that_is_missing_later_is_a_skipped_epoch(folder, train, files_in):
    with pytest.warns(UserWarning, match="epoch 00002 is not saved.*mine is not logged") as caught:
        train(LumpCheckpoint("w.{mine}.h5"), [{"mine": 1}, {}, {}, {"mine": 4}])
    assert len(caught) == 1
    assert files_in(folder) == {"w.1.h5": 1, "w.4.h5": 4}


# --- suffixes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filepath", "named"),
    [("w.pt", r"\.pt files"), ("weights", "'weights', which has no suffix"), ("w.h5.{loss:.2f}", r"\.loss files")],
)
def test_suffix_that_nobody_saves_is_an_error_before_training(folder, model, data, filepath, named):
    with pytest.raises(ImportError, match=rf"no installed package saves {named}: .* ends in \.dcp or \.h5 or \.hdf5"):
        model.summon(*data, verbose=0, callbacks=[LumpCheckpoint(filepath)])
    assert model.history.epoch == []


def test_a_format_that_is_switched_off_saves_nothing(folder, model, data, monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")
    with pytest.raises(ImportError, match=r"no installed package saves \.h5 files"):
        model.summon(*data, verbose=0, callbacks=[LumpCheckpoint("w.h5")])


# --- places ----------------------------------------------------------------------------------------------------------


def test_folder_that_cannot_be_made_is_an_error_before_training(folder, model, data):
    (folder / "file").write_text("no folder")
    with pytest.raises(OSError, match="LumpCheckpoint cannot write its file .*: choose a path in a writable"):
        model.summon(*data, verbose=0, callbacks=[LumpCheckpoint("file/run/w.h5")])
    assert model.history.epoch == []


@pytest.mark.parametrize("name", ["w.h5", "w.latest.h5"])
def test_folder_where_the_file_should_be_is_an_error_before_training(folder, model, data, name):
    (folder / name).mkdir()
    with pytest.raises(IsADirectoryError, match=f"a folder of that name exists: choose another name: .*{name}"):
        model.summon(*data, verbose=0, callbacks=[LumpCheckpoint("w.h5", save_every=1)])
    assert model.history.epoch == []


def test_trying_leaves_nothing_behind(folder, train):
    train(LumpCheckpoint("run/w.h5"), [])
    assert [path.name for path in folder.rglob("*")] == ["run"]


UNWRITABLE = """
import os, sys, torch
from cthulhu.callbacks import LumpCheckpoint
from cthulhu_core import Run, check_format
check_format("w.h5")  # imports what an unprivileged user may not be able to read here
if os.geteuid() == 0:
    os.setgid({user}); os.setuid({user})
try:
    with Run(torch.nn.Linear(1, 1), epochs=1, callbacks=[LumpCheckpoint(sys.argv[1])]) as run:
        sys.exit("trained")
except PermissionError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="permissions of folders are those of POSIX")
@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: folder.chmod(0o555), "choose a path in a writable folder"),
        (lambda folder: protected(folder / "w.h5"), "it is write-protected: choose another name"),
    ],
    ids=["folder", "file"],
)
def test_place_that_may_not_be_written_to_is_an_error_before_training(public, prepare, message):
    prepare(public)
    script = UNWRITABLE.format(user=UNPRIVILEGED)
    done = subprocess.run([sys.executable, "-c", script, str(public / "w.h5")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"LumpCheckpoint cannot write its file (Permission denied): {message}" in done.stdout


def protected(path):
    path.write_text("mine")
    path.chmod(stat.S_IRUSR)
