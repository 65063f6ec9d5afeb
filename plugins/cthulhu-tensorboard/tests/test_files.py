"""The files: when they are there, how they end, and what happens where they cannot be written."""

from __future__ import annotations

import logging
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cthulhu.callbacks import Callback, TensorBoard
from cthulhu_core import Run


def scalars(folder: Path, tag: str) -> list[int]:
    return [event.step for event in EventAccumulator(str(folder)).Reload().Scalars(tag)]


def test_slow_batches_are_there_when_they_end_and_fast_ones_when_the_epoch_ends(train, model, data, log_dir, calls):
    def there():
        return len(scalars(log_dir / "train", "batch_loss"))

    slow, fast = [], []
    watch = calls(
        on_batch_begin=lambda batch, logs: time.sleep(0.11 if model.history.epoch == [] else 0),
        on_batch_end=lambda batch, logs: slow.append(there()) if model.history.epoch == [] else None,
        on_test_batch_begin=lambda batch, logs: fast.append(there()),
    )
    train(model, [TensorBoard(log_dir, update_freq="batch"), watch], validation_data=data)
    assert slow == [1, 2, 3, 4]
    assert fast == [4] * 4 + [8] * 4


def test_a_process_that_is_killed_leaves_everything(tmp_path):
    code = f"""
import os, signal, time, torch
from cthulhu.callbacks import TensorBoard
from cthulhu_core import Run

with Run(torch.nn.Linear(1, 1), epochs=4, callbacks=[TensorBoard({str(tmp_path)!r}, update_freq="batch")]) as run:
    for epoch in run.epochs():
        for value in run.batches([torch.zeros(1, 1)] * 3):
            if run.step == 7:
                time.sleep(0.2)
            if run.step == 8:
                os.kill(os.getpid(), signal.SIGKILL)
            run.record(loss=0.5)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert scalars(tmp_path / "train", "epoch_loss") == [0, 1]
    assert scalars(tmp_path / "train", "batch_loss") == [1, 2, 3, 4, 5, 6, 7, 8]


# --- every way out ------------------------------------------------------------------------------------------------


def open_files(folder: Path) -> list[str]:
    found = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [path for path in found if path.startswith(str(folder))]


class End(Callback):
    """Ends a run at its second batch."""

    def __init__(self, how):
        self.how = how

    def on_batch_begin(self, batch, logs):
        if batch == 1 and self.how == "stop":
            self.model.stop_training = True
        elif batch == 1 and isinstance(self.how, BaseException):
            raise self.how


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("how", ["end", "stop", RuntimeError("disk on fire"), KeyboardInterrupt()], ids=str)
def test_files_are_closed_on_every_way_out(train, model, data, log_dir, how):
    threads = threading.active_count()
    callbacks = [TensorBoard(log_dir, histogram_freq=1, write_grads=True), End(how)]
    if isinstance(how, BaseException):
        with pytest.raises(type(how)):
            train(model, callbacks, validation_data=data)
    else:
        train(model, callbacks, validation_data=data)
    assert open_files(log_dir) == []
    assert threading.active_count() == threads
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_files_are_closed_where_training_does_not_begin(train, model, log_dir, calls):
    def fail(logs):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        train(model, [TensorBoard(log_dir), calls(on_train_begin=fail)])
    assert open_files(log_dir) == []


# --- failures -----------------------------------------------------------------------------------------------------


def test_a_log_dir_that_cannot_be_written_is_an_error_before_training(train, model, tmp_path, calls):
    (tmp_path / "file").write_text("")
    batches = []
    watch = calls(on_batch_begin=lambda batch, logs: batches.append(batch))
    with pytest.raises(
        OSError, match=r"TensorBoard cannot write to its log_dir \(.+\): choose a writable fold"
    ) as caught:
        train(model, [watch, TensorBoard(tmp_path / "file" / "logs")])
    assert caught.value.filename == str(tmp_path / "file" / "logs")
    assert batches == []


FULL = """
import resource, sys
import torch
from cthulhu.callbacks import TensorBoard
from cthulhu_core import Run

log_dir, limit = sys.argv[1], int(sys.argv[2])
tensorboard = TensorBoard(log_dir, update_freq="batch", write_graph=False)
with Run(torch.nn.Linear(1, 1), epochs=3, callbacks=[tensorboard]) as run:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for epoch in run.epochs():
        for value in run.batches([torch.zeros(1, 1)] * 100):
            run.record(loss=0.5)
print(run.history.history["loss"])
"""


def test_a_full_disk_does_not_end_training_and_is_said_as_often_as_by_any_observer(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), "4000"], capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stdout) == (0, "[0.5, 0.5, 0.5]\n")
    # Once at the end of the first epoch, and in three batches of the second.
    said = re.findall(r"failed in hook (\w+), .*\(failure (\d) of 3 in a row\)", run.stderr)
    assert said == [("cthulhu_epoch_end", "1"), *(("cthulhu_batch_end", number) for number in "123")]
    assert run.stderr.count("OSError: [Errno 27] File too large") == 4
    assert run.stderr.count("was taken out of the run after 3 failures in a row") == 1
    assert "Exception in thread" not in run.stderr
    # What fitted in is whole, to the last record.
    steps = scalars(tmp_path / "train", "batch_loss")
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) > 20
    (file,) = (tmp_path / "train").iterdir()
    assert file.stat().st_size <= 4000


class Full(Callback):
    """Lets no file grow in the second batch of the first epoch, which takes its time."""

    def on_batch_begin(self, batch, logs):
        import resource

        time.sleep(0.11)
        limit = 1 if (self.run.epoch, batch) == (0, 1) else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def test_a_disk_that_has_room_again_gets_what_follows(train, model, log_dir, points, caplog):
    with caplog.at_level(logging.ERROR, logger="cthulhu"):
        history = train(model, [TensorBoard(log_dir, update_freq="batch"), Full()])
    assert [record.getMessage().split(";")[1] for record in caplog.records] == [
        " training continues (failure 1 of 3 in a row)"
    ]
    assert len(history["loss"]) == 2
    assert [step for step, _ in points("train", "batch_loss")] == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_log_dir_that_is_removed_is_begun_again_and_said_once(train, model, data, log_dir, points, calls):
    def remove(epoch, logs):
        if epoch == 1:
            shutil.rmtree(log_dir)

    callbacks = [TensorBoard(log_dir), calls(on_epoch_begin=remove)]
    with pytest.warns(UserWarning, match="was removed during training: its content is lost") as said:
        train(model, callbacks, epochs=4, validation_data=data)
    assert len(said) == 2  # train and validation
    for folder in ("train", "validation"):
        assert [step for step, _ in points(folder, "epoch_loss")] == [2, 3]


def test_a_log_dir_that_cannot_be_begun_again_is_a_failure(train, model, log_dir, caplog, calls):
    def remove(epoch, logs):
        if epoch == 1:
            shutil.rmtree(log_dir)
            log_dir.write_text("")

    with caplog.at_level(logging.ERROR, logger="cthulhu"):
        history = train(model, [TensorBoard(log_dir), calls(on_epoch_begin=remove)], epochs=8)
    assert len(history["loss"]) == 8
    said = [record.getMessage() for record in caplog.records]
    assert [message.split("(failure")[1] for message in said if "continues" in message] == [
        " 1 of 3 in a row)", " 2 of 3 in a row)", " 3 of 3 in a row)",
    ]  # fmt: skip
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} <= {NotADirectoryError, FileExistsError}


def test_files_that_others_wrote_stay(train, model, log_dir):
    other = log_dir / "train" / "events.out.tfevents.0000000001.other"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"theirs")
    with Run(torch.nn.Linear(1, 1), callbacks=TensorBoard(log_dir)):
        pass
    assert other.read_bytes() == b"theirs"
