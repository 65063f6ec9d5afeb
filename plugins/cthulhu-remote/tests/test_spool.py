"""The spool: what is not delivered outlives the run and the process, and is delivered first by the next one."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matching_warnings import warned
from servers import TAKE, Server, closed_port

from cthulhu.callbacks import RemoteMonitor
from cthulhu_core import Run
from cthulhu_remote.events import Event
from cthulhu_remote.queue import Memory, Spool

LOGS = [{"loss": float(epoch)} for epoch in range(3)]


def event(number: int, kind: str = "epoch", sender: str = "s") -> Event:
    return Event(kind, "r", sender, number, float(number), {"epoch": number})  # type: ignore[arg-type]


@pytest.fixture
def spool(tmp_path: Path) -> str:
    return str(tmp_path / "deep" / "unsent.sqlite3")


def test_next_training_delivers_first_what_the_last_one_kept(train, start, spool):
    with warned("RemoteMonitor") as messages:
        train(RemoteMonitor(f"http://127.0.0.1:{closed_port()}", spool=spool, flush_timeout=0.1), LOGS)
    assert messages[-1].endswith(
        f"Connection refused; they are kept in {spool!r}, and the next training with this spool delivers them first"
    )
    server = start(Server(is_monitor=True))
    train(RemoteMonitor(server.url, spool=spool), [{"loss": 9.0}])
    assert [payload.get("loss") for payload in server.payloads] == [None, 0.0, 1.0, 2.0, None, None, 9.0, None]
    assert [next(iter(payload)) for payload in server.payloads] == [
        "begin", "epoch", "epoch", "epoch", "end", "begin", "epoch", "end",
    ]  # fmt: skip
    runs = [json.loads(request.headers["Cthulhu-Event"])["run"] for request in server.taken]
    assert len(set(runs)) == 2
    # Nothing is left that a third one could deliver.
    train(RemoteMonitor(server.url, spool=spool), [])
    assert server.epochs == [0, 1, 2, 0]


def test_what_was_delivered_is_not_kept(train, start, spool, impatient):
    server = start(Server(lambda number: TAKE if number < 2 else 500))
    with warned("1 epochs were not delivered"):
        train(RemoteMonitor(server.url, spool=spool, flush_timeout=0.3), LOGS)
    wait_for_senders()  # what was being sent when training ended may yet arrive
    server.behaviour = lambda number: TAKE
    train(RemoteMonitor(server.url, spool=spool), [])
    assert server.epochs == [0, 1, 2]


def test_values_come_as_they_were(train, start, spool):
    with warned("RemoteMonitor"):
        train(
            RemoteMonitor(f"http://127.0.0.1:{closed_port()}", spool=spool, flush_timeout=0, every="batch"),
            [{"text": "\U0001f600\u00e4", "nan": float("nan"), "list": [1, 2.5]}], batches=[0.1, 1e300],
        )  # fmt: skip
    server = start(Server())
    train(RemoteMonitor(server.url, spool=spool), [])
    assert server.payloads == [
        {"epoch": 0, "batch": 0, "size": 1, "loss": 0.1},
        {"epoch": 0, "batch": 1, "size": 1, "loss": 1e300},
        {"epoch": 0, "loss": 5e299, "text": "\U0001f600\u00e4", "nan": None, "list": [1, 2.5]},
    ]


KILLED = """
import os, signal, sys
from types import SimpleNamespace
from cthulhu.callbacks import RemoteMonitor
from cthulhu_core import Run

url, spool, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
with Run(SimpleNamespace(), epochs=100, callbacks=RemoteMonitor(url, spool=spool)) as run:
    for epoch in run.epochs():
        if epoch == epochs:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("epochs", [1, 5])
def test_process_that_is_killed_loses_no_event(train, start, spool, epochs):
    url = f"http://127.0.0.1:{closed_port()}"
    killed = subprocess.run([sys.executable, "-c", KILLED, url, spool, str(epochs)], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    server = start(Server())
    train(RemoteMonitor(server.url, spool=spool), [{"loss": 9.0}])
    assert server.epochs == [*range(epochs), 0]


HOLDING = """
import sys
from cthulhu_remote.queue import Spool
spool = Spool(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_two_trainings_cannot_use_one_spool_at_once(train, spool):
    command = [sys.executable, "-c", HOLDING, spool]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        begun = time.perf_counter()
        with pytest.raises(OSError, match="another training is using it: give each training its own file"):
            train(RemoteMonitor(spool=spool), LOGS)
        assert time.perf_counter() - begun < 2
        other.communicate("")
    Spool(spool).close()
    with pytest.raises(OSError, match="another training is using it"):
        train([RemoteMonitor(spool=spool), RemoteMonitor(spool=spool)], LOGS)
    Spool(spool).close()


def test_file_of_another_kind_is_refused_and_kept(train, tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n" * 100)
    with pytest.raises(ValueError, match="expected a file of unsent events, or a new file: file is not a database"):
        train(RemoteMonitor(spool=tmp_path / "log.csv"), LOGS)
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n" * 100


def test_file_of_a_newer_layout_is_refused(train, spool):
    Spool(spool).close()
    with sqlite3.connect(spool) as file:
        file.execute("PRAGMA user_version=99")
    file.close()
    with pytest.raises(ValueError, match="it was written by a newer version"):
        train(RemoteMonitor(spool=spool), LOGS)


def test_folder_that_cannot_be_made_is_an_error_before_training(train, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="choose a file in a writable folder"):
        train(RemoteMonitor(spool=tmp_path / "file" / "unsent.sqlite3"), LOGS)


def test_file_that_can_no_longer_be_written_costs_no_event(start, spool):
    server = start(Server(delay=0.05))
    monitor = RemoteMonitor(server.url, spool=spool)
    with Run(SimpleNamespace(), epochs=6, callbacks=monitor) as run:
        for epoch in run.epochs():
            if epoch == 2:
                fill(monitor)
            run.logs["text"] = "x" * 10_000
    assert server.epochs == [0, 1, 2, 3, 4, 5]


def test_what_cannot_be_kept_is_counted(start, spool):
    monitor = RemoteMonitor(f"http://127.0.0.1:{closed_port()}", spool=spool, flush_timeout=0)
    with (
        warned("1 epochs were not delivered .* they are kept in .*; [12] events are lost: the spool cannot be written"),
        Run(SimpleNamespace(), epochs=2, callbacks=monitor) as run,
    ):
        for epoch in run.epochs():
            if epoch == 1:
                fill(monitor)
            run.logs["text"] = "x" * 10_000


def fill(monitor: RemoteMonitor) -> None:
    """As on a full disk: the spool has no page more than there are."""
    assert monitor._sender is not None
    assert monitor._sender._spool is not None
    file = monitor._sender._spool._file
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count={pages}")


# --- order and bounds ------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 4).map(lambda n: ("put", n)), st.tuples(st.just("take"), st.integers(1, 5)))))
def test_memory_and_spool_are_queues(tmp_path_factory, steps):
    file = Spool(str(tmp_path_factory.mktemp("spool") / "unsent.sqlite3"))
    queues, model, number = (file, Memory()), [], 0
    for step, count in steps:
        if step == "put":
            for _ in range(count):
                number += 1
                model.append(event(number))
                assert [queue.put(event(number)) for queue in queues] == [True, True]
        else:
            heads = [queue.head(count) for queue in queues]
            assert heads == [model[:count]] * 2
            for queue in queues if heads[0] else ():
                queue.remove(len(heads[0]))
            model = model[count:]
        assert [queue.counts() for queue in queues] == [Counter({"epoch": len(model)} if model else {})] * 2
    file.close()


def test_memory_takes_few_batches_more_epochs_and_never_more_than_twice_its_size():
    memory = Memory(most=3)
    assert [memory.put(event(number, "batch")) for number in range(5)] == [True, True, True, False, False]
    assert [memory.put(event(number)) for number in range(5)] == [True, True, True, False, False]
    assert memory.counts() == {"batch": 3, "epoch": 3}
    memory.remove(4)
    assert memory.put(event(9, "batch"))
    assert [each.number for each in memory.head(10)] == [1, 2, 9]


def test_events_for_which_there_is_no_room_are_counted(train, monkeypatch):
    monkeypatch.setattr(Memory.__init__, "__defaults__", (4,))
    monitor = RemoteMonitor(f"http://127.0.0.1:{closed_port()}", every="batch", flush_timeout=0)
    with warned(r"7 events were dropped, .* with a larger N in every=N"):
        train(monitor, [{}], batches=[1.0] * 10)


def test_sender_thread_ends_with_the_training(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url), LOGS)
    wait_for_senders()


def wait_for_senders() -> None:
    """Wait until the threads of all trainings have ended."""
    deadline = time.monotonic() + 15
    while any(thread.name == "RemoteMonitor" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
