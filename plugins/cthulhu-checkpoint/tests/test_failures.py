"""A failed save warns with its cause: existing files stay, training continues, and the next epoch tries again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu_checkpoint import CheckpointWarning
from cthulhu_core import Callback, CheckpointError

# Runs epochs that a test spoils; prints the files with the epoch in them, the warnings, and the best.
SCRIPT = """
import os, signal, sys, warnings
from pathlib import Path
import torch
from cthulhu.callbacks import Callback, LumpCheckpoint
from cthulhu.models import Lump
from cthulhu_checkpoint import writer
from cthulhu_core import Run

class Counter(Lump):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size))

class Spoil(Callback):
    def on_epoch_begin(self, epoch, logs):
        if writer._Background.executor is not None:
            writer._Background.executor.submit(int).result()  # what is being written is not to be spoiled
        spoil(epoch, folder)

{spoil}

folder, size = Path(sys.argv[1]), 50_000
model = Counter(size)
checkpoint = LumpCheckpoint(folder / "w.h5", "loss", save_best_only=True, background={background})
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    with Run(model, epochs=4, callbacks=[Spoil(), checkpoint]) as run:
        for epoch in run.epochs():
            for _ in run.batches([0]):
                torch.nn.init.constant_(model.weight, epoch + 1)
                run.record(loss=1 / (epoch + 1))
for each in caught:
    print(each.category.__name__, each.message)
again = Counter(size)
again.load_weights(folder / "w.h5")
print("the file is of epoch", int(again.weight[0]), "and the best is", checkpoint.best)
print(sorted(os.listdir(folder)))
"""

DISK_FULL = """
def spoil(epoch, folder):
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000 if {full} else resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""

NO_PERMISSION = """
os.chown(sys.argv[1], {user}, -1)
def spoil(epoch, folder):
    if os.getuid() == 0:
        os.seteuid(0)
        os.seteuid({user} if epoch else 0)
    folder.chmod(0o500 if {full} else 0o700)
"""


def spoiled(folder, spoil, background):
    script = SCRIPT.format(spoil=spoil, background=background)
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(os.name == "nt", reason="there are no such limits and permissions")
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
    ("spoil", "cause"),
    [(DISK_FULL, "File too large"), (NO_PERMISSION, "Permission denied")],
    ids=["disk", "permission"],
)
class TestDiskFullOrPermissionLost:
    def test_the_next_epoch_tries_again(self, public, spoil, cause, background):
        *warned, outcome, files = spoiled(public, spoil.format(full="epoch in (1, 2)", user=65534), background)
        again = "An existing file keeps its content, and training continues. The next try is after the next epoch"
        assert warned == [
            f"CheckpointWarning LumpCheckpoint: epoch {epoch:05d} could not be saved to {public}/w.h5: {cause}. {again}"
            for epoch in (2, 3)
        ]
        assert outcome == "the file is of epoch 4 and the best is 0.25"
        assert files == "['w.h5']"

    def test_the_end_of_training_says_what_is_not_saved(self, public, spoil, cause, background):
        *warned, outcome, files = spoiled(public, spoil.format(full="epoch > 0", user=65534), background)
        problem = f"epoch 00004 could not be saved to {public}/w.h5: {cause}"
        assert len(warned) == 4
        assert warned[3].endswith(f"LumpCheckpoint: training ended, and its best state is not saved: {problem}")
        assert outcome == "the file is of epoch 1 and the best is 1.0"
        assert files == "['w.h5']"


# --- in this process --------------------------------------------------------------------------------------------------


class At(Callback):
    """Does something as an epoch begins, given by its index."""

    def __init__(self, **what):
        self.what = {int(name.removeprefix("epoch_")): do for name, do in what.items()}

    def on_epoch_begin(self, epoch, logs):
        self.what.get(epoch, lambda: None)()


def test_folder_that_is_gone_is_made_anew_with_a_warning(folder, train, files_in):
    checkpoint = LumpCheckpoint("run/w.{epoch}.h5")
    with pytest.warns(
        CheckpointWarning, match=r"the folder .*run was deleted, with its content, and is created"
    ) as caught:
        train(checkpoint, [0.5, 0.25, 0.75], after=[At(epoch_1=lambda: shutil.rmtree(folder / "run"))])
    assert len(caught) == 1
    assert files_in(folder / "run") == {"w.2.h5": 2, "w.3.h5": 3}


def test_folder_that_cannot_be_made_anew_is_tried_again(folder, train, files_in):
    def spoil():
        shutil.rmtree(folder / "run")
        (folder / "run").write_text("in the way")

    with pytest.warns(CheckpointWarning) as caught:
        train(LumpCheckpoint("run/w.{epoch}.h5"), [0.5] * 3, [At(epoch_1=spoil, epoch_2=(folder / "run").unlink)])
    first, second = (str(each.message) for each in caught)
    assert f"epoch 00002 could not be saved to {folder / 'run' / 'w.2.h5'}: File exists" in first
    assert "was deleted" in second
    assert files_in(folder / "run") == {"w.3.h5": 3}


def test_failed_epoch_is_made_up_for_before_the_period_is_over(folder, train, files_in):
    spoil = At(epoch_2=(folder / "3.h5").mkdir, epoch_3=(folder / "3.h5").rmdir)
    with pytest.warns(CheckpointWarning, match="epoch 00003 could not be saved"):
        train(LumpCheckpoint("{epoch}.h5", period=3), [0.5] * 8, after=[spoil])
    assert files_in(folder) == {"4.h5": 4, "7.h5": 7}


def test_what_beats_the_best_saved_one_is_saved_after_a_failure(folder, train, capsys, files_in):
    spoil = At(epoch_1=(folder / "2.h5").mkdir, epoch_2=(folder / "2.h5").rmdir)
    checkpoint = LumpCheckpoint("{epoch}.h5", save_best_only=True, verbose=1, keep=1)
    with pytest.warns(CheckpointWarning, match="epoch 00002 could not be saved"):
        train(checkpoint, [0.5, 0.25, 0.375], after=[spoil])
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Epoch 00003: val_loss improved from 0.50000 to 0.37500, saving model to 3.h5"
    )
    assert files_in(folder) == {"3.h5": 3}


def test_nothing_is_removed_for_a_file_that_could_not_be_saved(folder, train, files_in):
    with pytest.warns(CheckpointWarning) as caught:
        train(LumpCheckpoint("{epoch}.h5", keep=1), [0.5, 0.25, 0.125], after=[At(epoch_2=(folder / "3.h5").mkdir)])
    assert "its last state is not saved: epoch 00003 could not be saved" in str(caught[1].message)
    (folder / "3.h5").rmdir()
    assert files_in(folder) == {"2.h5": 2}


def test_failure_in_the_middle_of_an_epoch_is_a_warning_too(folder, train, files_in):
    spoil = At(epoch_1=lambda: [(folder / "w.latest.h5").unlink(), (folder / "w.latest.h5").mkdir()])
    with pytest.warns(CheckpointWarning) as caught:
        train(LumpCheckpoint("w.h5", save_every=2), [0.5, 0.25], after=[spoil], batches=2)
    (message,) = (str(each.message) for each in caught)
    assert message.startswith(f"LumpCheckpoint: batch 2 of epoch 00002 could not be saved to {folder / 'w.latest.h5'}")
    # The end of the epoch was saved after it, so that nothing is missing at the end of training.
    (folder / "w.latest.h5").rmdir()
    assert files_in(folder) == {"w.h5": 2}


def test_what_the_format_cannot_store_is_a_warning(folder, train):
    class Remember(Callback):
        def state_dict(self):
            raise CheckpointError("there is no room for me in it")

    with pytest.warns(CheckpointWarning) as caught:
        train(LumpCheckpoint("w.h5"), [0.5], after=[Remember()])
    failed, over = (str(each.message) for each in caught)
    assert f"epoch 00001 could not be saved to {folder / 'w.h5'}: there is no room for me in it. An" in failed
    assert "training ended, and its last state is not saved: epoch 00001" in over
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", [TypeError("a bug"), KeyboardInterrupt()])
def test_bug_or_interrupt_while_saving_ends_training_and_nothing_counts_as_saved(folder, train, error):
    class Fail(Callback):
        def state_dict(self):
            raise error

    checkpoint = LumpCheckpoint("w.h5", save_best_only=True)
    with pytest.raises(type(error)):
        train(checkpoint, [0.5], after=[Fail()])
    assert checkpoint.best == float("inf")
    assert list(folder.iterdir()) == []


def test_epoch_that_another_callback_broke_does_not_count_as_saved(folder, train):
    class Fail(Callback):
        def on_epoch_end(self, epoch, logs):
            raise RuntimeError("a bug")

    checkpoint = LumpCheckpoint("w.h5", save_best_only=True)
    with pytest.raises(RuntimeError, match="a bug"):
        train(checkpoint, [0.5], after=[Fail()])
    assert checkpoint.best == float("inf")
    assert list(folder.iterdir()) == []


def test_weights_that_are_not_there_yet_are_a_warning(folder, train):
    class Lazy(Callback):
        def on_epoch_begin(self, epoch, logs):
            self.model.lazy = torch.nn.LazyLinear(1) if epoch == 0 else None

    with pytest.warns(CheckpointWarning, match="epoch 00001 could not be saved") as caught:
        train(LumpCheckpoint("{epoch}.h5"), [0.5, 0.25], after=[Lazy()])
    assert len(caught) == 1
    assert [path.name for path in folder.iterdir()] == ["2.h5"]
