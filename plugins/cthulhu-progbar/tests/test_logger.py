"""When the bar is there, what it counts, and what it reads from the device."""

from __future__ import annotations

import io
import re
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

import cthulhu_progbar.logger as logger
from cthulhu.callbacks import ProgbarLogger
from cthulhu_core import Callback, Run
from cthulhu_progbar.displays import Lines, TerminalLine, Widget
from cthulhu_progbar.text import Progress


class Recorder:
    """A display that remembers what it was shown."""

    running = True

    def __init__(self) -> None:
        self.shown: list[Progress] = []
        self.ended: list[Progress] = []

    def wants(self, progress):
        return True

    def show(self, progress):
        self.shown.append(progress)

    def clear(self):
        pass

    def end(self, progress):
        self.ended.append(progress)


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    monkeypatch.setattr(logger, "choose", lambda verbose: recorder)
    monkeypatch.setattr(logger, "INTERVAL", 0.0)
    monkeypatch.setattr(logger, "SHARE", float("inf"))
    return recorder


def train(callbacks: Any = None, batches: int = 2, epochs: int = 1, **arguments: Any) -> Run:
    data = [(np.zeros((8, 1)), None)] * batches
    with Run(SimpleNamespace(), epochs=epochs, callbacks=callbacks, **{"verbose": 1, **arguments}) as run:
        for _ in run.epochs():
            for batch, _ in enumerate(run.batches(data)):
                run.record(loss=float(batch + 1), best=float(batch + 1))
    return run


def bars(run: Run) -> list[ProgbarLogger]:
    return [callback for callback in run.callbacks if isinstance(callback, ProgbarLogger)]


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count_mode", ["batches", "Samples", None, 1])
def test_an_unknown_count_mode_is_an_error_that_lists_the_two(count_mode):
    message = f"ProgbarLogger(count_mode={count_mode!r}): expected 'samples' or 'steps'"
    with pytest.raises(ValueError, match=re.escape(message)):
        ProgbarLogger(count_mode)


@pytest.mark.parametrize(
    ("count_mode", "told", "counted"),
    [
        ("samples", {"samples": 16, "steps": 2, "batch_size": 8}, [(0, 16), (8, 16), (16, 16)]),
        ("steps", {"samples": 16, "steps": 2, "batch_size": 8}, [(0, 2), (1, 2), (2, 2)]),
        ("samples", {"samples": None, "steps": 2}, [(0, 2), (1, 2), (2, 2)]),
        ("samples", {"samples": None, "steps": None}, [(0, None), (1, None), (2, None)]),
        ("steps", {"samples": 16, "steps": None}, [(0, None), (1, None), (2, None)]),
        ("samples", {"samples": 1000, "steps": 2, "batch_size": 8}, [(0, 16), (8, 16), (16, 16)]),
        ("samples", {"samples": 13, "steps": 2, "batch_size": 8}, [(0, 13), (8, 13), (16, 13)]),
    ],
)
def test_counts_samples_or_steps_as_far_as_they_are_known(recorder, count_mode, told, counted):
    train(ProgbarLogger(count_mode), **told)
    assert [(progress.done, progress.total) for progress in recorder.shown] == counted


def test_values_are_averaged_unless_they_are_stateful(recorder):
    train(ProgbarLogger(stateful_metrics=["best"]))
    assert [progress.values for progress in recorder.shown] == [
        [],
        ["loss 1.0000", "best 1.0000"],
        ["loss 1.5000", "best 2.0000"],
    ]


def test_what_the_run_declares_stateful_is_not_averaged(recorder):
    train(stateful_metrics=["best"])
    assert recorder.shown[-1].values == ["loss 1.5000", "best 2.0000"]
    assert recorder.ended[-1].values == ["loss 1.5000", "best 2.0000"]


# --- when it is there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verbose", "count"), [(0, 0), (1, 1), (2, 1), (True, 1), (False, 0)])
def test_adds_itself_unless_the_run_is_silent(verbose, count):
    run = Run(SimpleNamespace(), verbose=verbose)
    assert len(bars(run)) == count


def test_stands_after_base_logger_and_before_the_callbacks_of_the_user():
    class Mine(Callback):
        pass

    names = [type(callback).__name__ for callback in Run(SimpleNamespace(), callbacks=Mine(), verbose=1).callbacks]
    assert names == ["BaseLogger", "ProgbarLogger", "Mine", "History"]


def test_does_not_add_itself_beside_one_of_the_user():
    mine = ProgbarLogger("steps")
    assert bars(Run(SimpleNamespace(), callbacks=[[mine]], verbose=1)) == [mine]


def test_can_be_switched_off(monkeypatch, capsys):
    monkeypatch.setenv("CTHULHU_DISABLE", "progbar")
    train()
    assert capsys.readouterr().out == ""


def test_one_of_the_user_is_as_silent_as_the_run(capsys):
    train(ProgbarLogger(), verbose=0)
    assert capsys.readouterr().out == ""


def test_one_object_in_two_runs(capsys):
    mine = ProgbarLogger()
    for _ in range(2):
        train(mine, epochs=2)
        assert re.fullmatch(r"Epoch 1/2  \S+  loss 1.5000  best 1.5000\nEpoch 2/2  .*\n", capsys.readouterr().out)


def test_main_process_prints_and_a_failure_does_not_end_training():
    assert (ProgbarLogger.ranks, ProgbarLogger.on_error) == ("main", "disable")


def test_a_closed_standard_output_does_not_end_training(monkeypatch, caplog):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)

    class Close(Callback):
        def on_batch_end(self, batch, logs):
            stream.close()

    run = train(Close(), epochs=4)
    assert run.history.epoch == [0, 1, 2, 3]
    assert "was taken out of the run after 3 failures in a row" in caplog.text


# --- what it costs ----------------------------------------------------------------------------------------------------


class Counted:
    """A value on a device, which counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def compute(self):
        self.reads += 1
        return 1.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self):
        return self.now


def read_at(monkeypatch: pytest.MonkeyPatch, times: list[float], drawing: float = 0.0) -> list[int]:
    """How often a value has been read after batches that end at these times, where drawing takes ``drawing``."""
    value, clock, recorder = Counted(), Clock(), Recorder()
    monkeypatch.setattr(logger, "perf_counter", clock)
    monkeypatch.setattr(logger, "choose", lambda verbose: recorder)

    def show(progress):
        clock.now += drawing

    monkeypatch.setattr(recorder, "show", show)
    run = Run(SimpleNamespace(), verbose=1)
    run.train_begin()
    run.epoch_begin(0)
    reads = []
    for batch, time in enumerate(times):
        run.batch_begin(batch, 1.0)
        run.record(loss=value)
        clock.now = 1000.0 + time
        run.batch_end()
        reads.append(value.reads)
    return reads


def test_values_are_read_when_they_are_drawn_and_that_is_every_50_ms(monkeypatch):
    times = [0.01, 0.03, 0.05, 0.06, 0.09, 0.11, 0.2]
    assert read_at(monkeypatch, times) == [0, 0, 1, 1, 1, 2, 3]


def test_a_slow_terminal_is_drawn_less_often(monkeypatch):
    # The first drawing, when the epoch begins, takes 5 ms, which may be a two-hundredth of the time.
    assert read_at(monkeypatch, [0.5, 0.9, 1.02, 1.5, 2.1], drawing=0.005) == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("verbose", [1, 2])
def test_values_are_read_once_an_epoch_off_a_terminal(verbose, capsys):
    value = Counted()
    run = Run(SimpleNamespace(), verbose=verbose, epochs=1)
    with run:
        for _ in run.epochs():
            for _ in run.batches([1.0] * 100):
                run.record(loss=value)
            assert value.reads == 0
    assert value.reads == 1  # BaseLogger, for the logs of the epoch


def test_importing_and_adding_it_does_not_import_tqdm(monkeypatch):
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    train(verbose=2)
    assert "tqdm" not in sys.modules


# --- where it is shown ------------------------------------------------------------------------------------------------


def test_a_notebook_has_a_widget_for_each_epoch_which_ends_with_what_was_logged(monkeypatch):
    stream = io.StringIO()
    # The same calls, drawn as text: a widget needs a browser.
    monkeypatch.setattr("tqdm.notebook.tqdm_notebook", tqdm)
    widget = Widget(stream)
    for epoch in (1, 2):
        widget.show(Progress(f"Epoch {epoch}/2", 1, 4, 60.0, ["loss 0.5000"]))
        widget.clear()
        widget.end(Progress(f"Epoch {epoch}/2", 4, 4, 240.0, ["loss 0.2500", "lr 0.0100"]))
    assert [line.rpartition("\r")[2].split("|")[0::2] for line in stream.getvalue().rstrip().split("\n")] == [
        [f"Epoch {epoch}/2: 100%", " 4/4 [04:00<00:00, 60.00s/it, loss 0.2500, lr 0.0100]"] for epoch in (1, 2)
    ]


def test_a_terminal_has_a_line_and_anything_else_has_lines(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert isinstance(logger.choose(1), TerminalLine)
    assert isinstance(logger.choose(2), Lines)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(logger.choose(1), Lines)


def test_bar_of_a_run_resumed_in_the_middle_of_an_epoch_counts_from_there(recorder):
    bar = ProgbarLogger("steps")
    with Run(SimpleNamespace(), epochs=1, callbacks=[bar], steps=5, verbose=1) as run:
        for _ in run.epochs():
            bar.load_state_dict({"count": 3})
            for loss in run.batches([1.0, 1.0]):
                run.record(loss=loss)
    assert [(progress.done, progress.total) for progress in recorder.ended] == [(5, 5)]
    assert bar.state_dict() == {"count": 5}
