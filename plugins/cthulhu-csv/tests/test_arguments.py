"""What CSVLogger refuses, and when."""

from __future__ import annotations

import os
import re

import pytest

from cthulhu.callbacks import CSVLogger
from cthulhu_core import Callback


class Epochs(Callback):
    """Counts the epochs that were trained."""

    def __init__(self):
        self.count = 0

    def on_epoch_begin(self, epoch, logs):
        self.count += 1


def test_documented_defaults():
    csv_logger = CSVLogger("training.log")
    assert (csv_logger.filename, csv_logger.separator, csv_logger.append) == ("training.log", ",", False)
    assert CSVLogger("log.csv", ";", True).append is True


@pytest.mark.parametrize("separator", ["", ", ", "\n", '"', None, 7])
def test_separator_that_is_not_one_character_is_refused(separator):
    with pytest.raises(ValueError, match=re.escape(f"separator={separator!r}): expected one character")):
        CSVLogger("log.csv", separator=separator)


def test_filename_that_is_no_path_is_refused():
    with pytest.raises(TypeError, match=r"filename=None\): expected a path, e.g. 'run/log.csv'"):
        CSVLogger(None)


@pytest.mark.parametrize("append", [False, True])
def test_path_of_a_folder_is_an_error_before_training(train, tmp_path, append):
    epochs = Epochs()
    with pytest.raises(IsADirectoryError, match=r"CSVLogger cannot write its file .* in a writable folder") as refusal:
        train([CSVLogger(tmp_path, append=append), epochs], [{"loss": 0.5}])
    assert refusal.value.filename == str(tmp_path)
    assert epochs.count == 0


def test_path_below_a_file_is_an_error_before_training(train, tmp_path):
    (tmp_path / "file").touch()
    epochs = Epochs()
    with pytest.raises(OSError, match="CSVLogger cannot write its file"):
        train([CSVLogger(tmp_path / "file" / "log.csv"), epochs], [{"loss": 0.5}])
    assert epochs.count == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission_is_an_error_before_training(train, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="CSVLogger cannot write its file"):
        train(CSVLogger(tmp_path / "log.csv"), [{"loss": 0.5}])
