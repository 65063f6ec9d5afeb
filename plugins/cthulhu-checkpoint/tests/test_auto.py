"""``resume_from="auto"``: a script that is started again resumes from what its LumpCheckpoint wrote before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu.models import Lump
from cthulhu_core import Callback, CheckpointError, History

X, Y = np.ones((24, 3), dtype=np.float32), np.ones((24, 2), dtype=np.float32)


class Interrupt(Callback):
    """Ends training after ``batches`` batches, as if the script were stopped. None never does."""

    def __init__(self, batches: int | None) -> None:
        self.batches = batches

    def on_save_point(self) -> None:
        if self.run.step == self.batches:
            raise KeyboardInterrupt


def script(filepath: Path | str, until: int | None = None, epochs: int = 3, **options: object) -> History:
    """What a script does each time that it is started."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(3, 2))
    model.conjure("adam", "mse")
    callbacks = [LumpCheckpoint(filepath, **options), Interrupt(until)]  # type: ignore[arg-type]
    return model.summon(X, Y, 4, epochs=epochs, verbose=0, callbacks=callbacks, resume_from="auto")


def test_begins_where_there_is_none_and_goes_on_from_the_end_of_an_epoch(tmp_path: Path) -> None:
    expected = script(tmp_path / "whole" / "{epoch}.h5").history
    with pytest.raises(KeyboardInterrupt):
        script(tmp_path / "run" / "{epoch}.h5", until=15)
    history = script(tmp_path / "run" / "{epoch}.h5")
    assert history.run.initial_epoch == 2
    assert history.history == expected


def test_goes_on_from_the_middle_of_an_epoch(tmp_path: Path) -> None:
    expected = script(tmp_path / "whole.h5").history
    with pytest.raises(KeyboardInterrupt):
        script(tmp_path / "run.h5", until=9, save_every=2)
    history = script(tmp_path / "run.h5", save_every=2)
    assert (history.run.initial_epoch, history.run.step) == (1, 18)
    assert history.history == expected


def test_relative_path_is_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script("w.h5", epochs=1)
    assert script("w.h5", epochs=2).run.initial_epoch == 1
    script("a/{epoch}/w.h5", epochs=1)
    assert script("a/{epoch}/w.h5", epochs=2).run.initial_epoch == 1


def test_files_under_other_names_are_left_alone(tmp_path: Path) -> None:
    script(tmp_path / "other.h5", epochs=3)
    script(tmp_path / "below" / "run.1.h5", epochs=3)
    assert script(tmp_path / "run.{epoch}.h5", epochs=1).run.initial_epoch == 0


def test_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first = script(tmp_path / "w.h5")
    again = script(tmp_path / "w.h5")
    assert again.run.step == first.run.step
    assert again.history == first.history


def test_files_that_are_all_damaged_are_no_beginning(tmp_path: Path) -> None:
    script(tmp_path / "w.h5", epochs=1)
    content = (tmp_path / "w.h5").read_bytes()
    (tmp_path / "w.h5").write_bytes(content[:-9])
    with pytest.raises(CheckpointError, match=r"no file that was found is a whole checkpoint .*\n.*w\.h5: "):
        script(tmp_path / "w.h5")


def test_weights_alone_are_no_place_to_go_on_from(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no callback of this run writes any from which training can go on: add one"):
        script(tmp_path / "w.h5", save_weights_only=True)


def test_it_needs_a_callback_that_writes(tmp_path: Path) -> None:
    model = Lump(torch.nn.Linear(3, 2))
    model.conjure("adam", "mse")
    with pytest.raises(ValueError, match=r"no callback of this run writes any .* add one, e\.g\. LumpCheckpoint\("):
        model.summon(X, Y, verbose=0, resume_from="auto")
