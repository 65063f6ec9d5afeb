"""Two processes with every callback: the same decisions in both, and one file, one line, one event of each."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from cthulhu.callbacks import CSVLogger
from cthulhu.models import Lump
from cthulhu_core.testing import run_ranks

BEGIN = dedent("""
    import json
    import torch
    from cthulhu.callbacks import *
    from cthulhu.callbacks import (
        CSVLogger, EarlyStopping, LearningRateScheduler, LumpCheckpoint, ReduceLROnPlateau, RemoteMonitor, TensorBoard,
        TerminateOnNaN,
    )
    from cthulhu.models import Lump
    from cthulhu_core import hookimpl

    torch.set_num_threads(1)
    X = torch.randn(83, 6, generator=torch.Generator().manual_seed(0))
    Y = torch.randint(0, 4, (83,), generator=torch.Generator().manual_seed(1))

    def new_model(rate=0.1):
        torch.manual_seed(0)
        model = Lump(torch.nn.Linear(6, 4))
        model.conjure(lambda weights: torch.optim.SGD(weights, lr=rate), torch.nn.CrossEntropyLoss(), ["acc"])
        return model

    def outcome(model, history):
        weights = [float(weight.detach().double().sum()) for weight in model.parameters()]
        return json.dumps([history.epoch, history.history, weights])
""")


@pytest.fixture
def events() -> Iterator[tuple[str, list[Any]]]:
    """The address of a server, and what was posted to it."""
    posted: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", posted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_same_decisions_everywhere_and_one_of_everything_that_is_written(
    tmp_path: Path, events: tuple[str, list[Any]]
) -> None:
    url, posted = events
    code = BEGIN + dedent(f"""
        model = new_model(rate=0.0)  # so that nothing ever gets better
        history = model.summon(
            X, Y, 4, epochs=9, verbose=2, validation_data=(X[:31], Y[:31]),
            callbacks=[
                ReduceLROnPlateau(patience=1, factor=0.5),
                EarlyStopping(patience=3, restore_best_weights=True, verbose=0),
                LumpCheckpoint("w.{{epoch:02d}}.hdf5"), CSVLogger("log.csv"), TensorBoard("logs"),
                RemoteMonitor({url!r}, send_as_json=True), TerminateOnNaN(),
            ],
        )
        print("outcome", outcome(model, history))
    """)
    first, second = run_ranks(code, tmp_path, timeout=120)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    *lines, said = first.printed.splitlines()
    assert second.printed.splitlines() == [said]
    epochs = json.loads(said.removeprefix("outcome "))[0]
    assert epochs == [0, 1, 2, 3]
    assert len([line for line in lines if line.startswith("Epoch ") and "loss" in line]) == 4
    assert sorted(path.name for path in tmp_path.glob("*.hdf5")) == [f"w.0{number}.hdf5" for number in (1, 2, 3, 4)]
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3"]
    assert [event["epoch"] for event in posted] == [0, 1, 2, 3]
    assert [len(list((tmp_path / "logs" / name).glob("events*"))) for name in ("train", "validation")] == [1, 1]


@pytest.mark.slow
def test_callbacks_with_a_model_of_which_each_process_holds_a_part(tmp_path: Path) -> None:
    code = BEGIN + dedent("""
        def train(rate=0.1, epochs=9, **named):
            model = Lump(torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 4)))
            optimizer = lambda weights: torch.optim.SGD(weights, lr=rate)
            model.conjure(optimizer, torch.nn.CrossEntropyLoss(), ["acc"], strategy="fsdp")
            return model, model.summon(X[:80], Y[:80], 4, epochs=epochs, verbose=0, **named)

        stopping = EarlyStopping("loss", min_delta=9, patience=2, restore_best_weights=True)
        callbacks = [
            stopping, ReduceLROnPlateau("loss", min_delta=9, patience=1, factor=0.5), TensorBoard("logs"),
            CSVLogger("log.csv"), LumpCheckpoint("{epoch}.dcp", keep=1), TerminateOnNaN(),
        ]
        torch.manual_seed(0)
        model, history = train(callbacks=callbacks)
        weights = [float(weight.full_tensor().detach().double().sum()) for weight in model.parameters()]
        print(json.dumps([history.epoch, history.history, weights]))
        print([float(each.full_tensor().double().sum()) for each in stopping.best_weights.values()] == weights)
        try:
            train(epochs=1, callbacks=TensorBoard("more", histogram_freq=1))
        except Exception as error:
            print(type(error).__name__ if rank else str(error).splitlines()[0])
    """)
    first, second = run_ranks(code, tmp_path, timeout=120)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    mine, best, refused = first.printed.splitlines()
    assert [mine, best] == second.printed.splitlines()[:2]
    assert json.loads(mine)[0] == [0, 1, 2]
    assert best == "True"
    assert json.loads(mine)[1]["lr"] == [0.1, 0.1, 0.05]
    assert "each process holds a part of its weights); its tree of modules is written as text" in first.errors
    assert refused.startswith("TensorBoard(histogram_freq=1): each process holds a part of the model")
    assert sorted(path.name for path in tmp_path.glob("*.dcp")) == ["3.dcp"]


def test_rates_follow_the_schedule_in_both_and_what_is_no_number_in_one_ends_both(tmp_path: Path) -> None:
    code = BEGIN + dedent("""
        model = new_model()
        schedule = LearningRateScheduler(lambda epoch: 0.1 / (epoch + 1))
        print(outcome(model, model.summon(X, Y, 4, epochs=3, verbose=0, callbacks=schedule)))
        model = new_model()
        if rank == 1:
            X[:] = float("nan")
        print("ended", model.summon(X, Y, 4, epochs=3, verbose=0, callbacks=TerminateOnNaN()).epoch)
    """)
    first, second = run_ranks(code, tmp_path, timeout=120)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    scheduled, *said, ended = first.printed.splitlines()
    assert [scheduled, ended] == second.printed.splitlines()
    assert json.loads(scheduled)[1]["lr"] == pytest.approx([0.1, 0.05, 0.1 / 3])
    assert ended == "ended [0]"
    assert said[0] == "Epoch 00001: batch 1: invalid loss nan, terminating training"


@pytest.mark.slow
def test_checkpoint_of_two_goes_on_with_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    code = BEGIN + dedent("""
        model = new_model()
        callbacks = [LumpCheckpoint("last.hdf5"), CSVLogger("log.csv")]
        print(outcome(model, model.summon(X, Y, 4, epochs=2, verbose=0, callbacks=callbacks)))
    """)
    first, second = run_ranks(code, tmp_path, timeout=120)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    before = json.loads(first.printed)[1]["loss"]
    monkeypatch.chdir(tmp_path)
    x = torch.randn(83, 6, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, 4, (83,), generator=torch.Generator().manual_seed(1))
    model = Lump(torch.nn.Linear(6, 4))
    model.conjure(lambda weights: torch.optim.SGD(weights, lr=0.1), torch.nn.CrossEntropyLoss(), ["acc"])
    with pytest.warns(UserWarning, match="LumpCheckpoint .* took part and does not now"):
        history = model.summon(x, y, 8, epochs=3, verbose=0, callbacks=CSVLogger("log.csv", append=True),
                               resume_from="last.hdf5")  # fmt: skip
    assert history.epoch == [0, 1, 2]
    assert history.history["loss"][:2] == before
    assert history.history["loss"][2] < before[1]


RESTARTED = """
import os
import signal
import sys
import torch
from cthulhu.callbacks import Callback, LumpCheckpoint
from cthulhu.models import Lump

how, attempt, rank = sys.argv[1], os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]

class Fail(Callback):
    def on_batch_end(self, batch, logs):
        if (how, rank, attempt, self.run.step) == ("kill", "1", "0", 25):
            os.kill(os.getpid(), signal.SIGKILL)
        if (how, rank, attempt, self.run.step) == ("raise", "1", "0", 25):
            raise ValueError("once")

torch.set_num_threads(1)
torch.manual_seed(0)
model = Lump(torch.nn.Linear(6, 4))
model.conjure("adam", torch.nn.CrossEntropyLoss())
history = model.summon(
    torch.randn(160, 6), torch.randint(0, 4, (160,)), 8, epochs=4, verbose=0, resume_from="auto",
    callbacks=[Fail(), LumpCheckpoint(f"{how}/{{epoch:02d}}.hdf5", save_every=7)],
)
if rank == "0":
    print("outcome", attempt, history.run.resumed, history.history["loss"])
"""


@pytest.mark.slow
def test_job_continues_by_itself_after_the_loss_of_a_process(torchrun: Any) -> None:
    outcomes = {}
    for how in ("nothing", "raise", "kill"):
        printed = torchrun(RESTARTED, how, options=(*torchrun.TWO_PROCESSES, "--max-restarts", "1"))
        (line,) = (line for line in printed.splitlines() if line.startswith("outcome"))
        _, attempt, resumed, losses = line.split(" ", 3)
        outcomes[how] = attempt, resumed, json.loads(losses)
    assert [each[:2] for each in outcomes.values()] == [("0", "False"), ("1", "True"), ("1", "True")]
    # The mean over the epoch in which it was saved is that of what the main process had of it until then.
    losses = [each[2] for each in outcomes.values()]
    assert losses[1] == losses[2]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert losses[1][3] == pytest.approx(losses[0][3], rel=1e-9)


@pytest.mark.slow
def test_what_only_watches_may_fail_in_the_main_process(tmp_path: Path) -> None:
    code = BEGIN + dedent("""
        from cthulhu.callbacks import ProgbarLogger

        def fail(*arguments):
            raise ValueError("out of luck")

        watching = [CSVLogger("log.csv"), TensorBoard("logs"), RemoteMonitor("http://127.0.0.1:9"), ProgbarLogger()]
        for callback in watching:
            assert (callback.ranks, callback.on_error) == ("main", "disable")
            setattr(type(callback), "_begin" if isinstance(callback, ProgbarLogger) else "on_epoch_end", fail)
        model = new_model()
        print(outcome(model, model.summon(X, Y, 4, epochs=2, verbose=2, callbacks=watching)))
    """)
    first, second = run_ranks(code, tmp_path, timeout=60)
    assert (first.status, second.status) == (0, 0), first.errors + second.errors
    assert first.printed.splitlines()[-1] == second.printed.strip()
    assert json.loads(second.printed)[0] == [0, 1]
    for name in ("CSVLogger", "TensorBoard", "RemoteMonitor", "ProgbarLogger"):
        assert f"{name} (cthulhu-" in first.errors
    assert "failed in hook" not in second.errors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("callback", "hook"),
    [
        ("EarlyStopping(monitor='loss')", "epoch_end"),
        ("ReduceLROnPlateau(monitor='loss')", "epoch_end"),
        ("LearningRateScheduler(lambda epoch: 0.1)", "epoch_begin"),
        ("LumpCheckpoint('w.hdf5')", "save_point"),
        ("TerminateOnNaN()", "batch_end"),
    ],
)
def test_what_changes_training_ends_both_where_it_fails_in_one(tmp_path: Path, callback: str, hook: str) -> None:
    code = BEGIN + dedent(f"""
        def fail(*arguments):
            raise ValueError("out of luck")

        @hookimpl
        def fail_in_hook(self, run):
            fail()

        callback = {callback}
        failing = 0 if callback.ranks == "main" else 1
        name = next(each for each in ("cthulhu_{hook}", "on_{hook}") if hasattr(type(callback), each))
        if rank == failing:
            setattr(type(callback), name, fail_in_hook if name.startswith("cthulhu") else fail)
        print(failing, flush=True)
        new_model().summon(X, Y, 4, epochs=2, verbose=0, callbacks=callback)
    """)
    ranks = run_ranks(code, tmp_path, timeout=60)
    failing = int(ranks[0].printed)
    assert ranks[failing].status == 1
    assert ranks[1 - failing].status != 0
    name = callback.partition("(")[0]
    assert f"rank {1 - failing}: training ends here, because rank {failing} has failed, in {name} (cthulhu-" in (
        ranks[1 - failing].errors
    )
    assert f"hook cthulhu_{hook}" in ranks[1 - failing].errors


@pytest.mark.slow
def test_processes_that_see_different_folders_do_not_begin(tmp_path: Path) -> None:
    code = BEGIN + dedent("""
        folder = f"host{rank}"
        callback = LumpCheckpoint(f"{folder}/{{epoch}}.hdf5")
        new_model().summon(X, Y, 4, epochs=2, verbose=0, callbacks=callback)
        new_model().summon(X, Y, 4, epochs=3, verbose=0, callbacks=callback, resume_from="auto")
    """)
    first, second = run_ranks(code, tmp_path, timeout=60)
    assert (first.status, second.status) == (1, 1)
    assert "auto: rank 0 found one after 22 batches, and others another" in first.errors
    assert "auto: rank 1 found none, and others another: all processes must see the same files" in second.errors
