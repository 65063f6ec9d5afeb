"""What the fixtures stand for: each does what it says, and is over when the test is."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from cthulhu_core.testing import (
    FailingDisk,
    FailingNetwork,
    FakeClock,
    Rank,
    Recorder,
    own_loop,
    read_only,
    second_rank,
    watch_writes,
    written_run,
)

pytestmark = pytest.mark.usefixtures("no_plugins")


def test_tiny_model_is_conjured_and_always_the_same(tiny_model, tiny_run):
    assert tiny_model.get_weights()[0].tolist() == [[0.5, -0.25]]
    first, second = tiny_run(), tiny_run()
    assert first.history == second.history
    assert sorted(first.history) == ["loss", "mae", "val_loss", "val_mae"]
    assert first.history["loss"][0] > first.history["loss"][1]
    assert (first.error, first.forgiven, first.warned) == (None, [], [])


def test_recorder_has_the_hooks_in_the_order_of_the_contract(recorder: Recorder, tiny_run):
    tiny_run(recorder, epochs=1)
    batch = ["batch_begin", "gradients", "batch_end", "save_point"]
    test = ["test_batch_begin", "test_batch_end"]
    assert recorder.hooks == [
        "train_begin", "epoch_begin", *batch * 3, "test_begin", *test * 3, "test_end", "epoch_end", "save_point",
        "train_end", "teardown",
    ]  # fmt: skip
    assert recorder.calls[2] == ("batch_begin", 0, 0)
    assert recorder.calls[-3] == ("save_point", 0, None)


def test_recorder_sees_how_a_hand_written_loop_ends(recorder: Recorder):
    def fail(run):
        raise ValueError("planted")

    from cthulhu_core.testing import At

    outcome = own_loop([recorder, At("gradients", fail)])
    assert str(outcome.error) == "planted"
    assert recorder.hooks == [
        "train_begin", "epoch_begin", "batch_begin", "gradients", "exception", "train_end", "teardown",
    ]  # fmt: skip


def test_written_run_logs_what_is_written(recorder: Recorder):
    outcome = written_run(recorder, [{"loss": 1.0}, {}], [None, {"loss": 3.0}])
    assert outcome.history == {"loss": [1.0], "val_loss": [3.0]}
    assert recorder.hooks.count("batch_end") == 4


def test_fake_clock_goes_on_when_it_is_told(fake_clock: FakeClock):
    began = time.monotonic()
    time.sleep(90.0)
    fake_clock.advance(30.0)
    assert time.monotonic() - began == 120.0
    assert (time.time(), time.perf_counter_ns()) == (120.0, 120_000_000_000)
    assert fake_clock.slept == [90.0]
    with pytest.raises(ValueError, match="a clock never goes back"):
        fake_clock.advance(-1.0)


def test_real_clock_is_back_afterwards():
    with pytest.MonkeyPatch.context() as patch:
        FakeClock(patch)
        assert time.time() == 0.0
    assert time.time() > 1.7e9


def test_disk_is_full_until_it_is_freed(failing_disk: FailingDisk, tmp_path: Path):
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"before")
        failing_disk.fill()
        assert failing_disk.is_full
        with pytest.raises(OSError, match="File too large") as caught:
            file.write(b"while")
        assert caught.value.errno == errno.EFBIG
        sys.stdout.write("goes nowhere")
        failing_disk.free()
        file.write(b" after")
    assert (tmp_path / "log").read_bytes() == b"before after"


def test_disk_is_free_after_the_test_that_filled_it(tmp_path: Path):
    with FailingDisk() as disk:
        disk.fill()
    (tmp_path / "log").write_text("room")
    assert (tmp_path / "log").read_text() == "room"


def test_read_only_folder_takes_no_file_from_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "closed"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with read_only(folder), pytest.raises(PermissionError):
        Path("log").touch()
    Path("log").touch()
    assert [path.name for path in folder.iterdir()] == ["log"]


def get(url: str, timeout: float = 10.0) -> int:
    with urllib.request.urlopen(url, timeout=timeout) as response:
        return int(response.status)


def test_network_fails_in_each_way(failing_network: FailingNetwork):
    with pytest.raises(urllib.error.URLError) as refused:
        get(failing_network.refuses())
    assert isinstance(refused.value.reason, ConnectionRefusedError)
    with pytest.raises(ConnectionError):
        get(failing_network.hangs_up())
    with pytest.raises(TimeoutError):
        get(failing_network.hangs(), timeout=0.1)
    with pytest.raises(urllib.error.HTTPError) as answered:
        get(failing_network.answers(503))
    assert answered.value.code == 503
    answered.value.close()
    assert get(failing_network.answers(204)) == 204


def test_network_leaves_neither_threads_nor_servers():
    before = threading.active_count()
    with FailingNetwork() as network:
        url = network.hangs()
        waiting = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        waiting.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with waiting, contextlib.suppress(ConnectionResetError):  # as it is where the request was still on its way
        assert waiting.recv(1) == b""
    assert threading.active_count() == before
    with pytest.raises(urllib.error.URLError):
        get(url)


@pytest.mark.slow  # both import torch
def test_two_ranks_are_two_processes_of_one_group(two_ranks: Callable[[str], list[Rank]]):
    ranks = two_ranks("""
        import torch, cthulhu_core
        total = torch.tensor([rank + 1.0])
        torch.distributed.all_reduce(total)
        from cthulhu_core.testing import Recorder, tiny_run
        recorder = Recorder()
        recorder.ranks = "main"
        tiny_run(recorder, epochs=1)
        print(rank, total.item(), recorder.hooks.count("batch_end"), len(recorder.calls))
    """)
    # The ranks share the data, six samples in batches of two: three batches in one process, two in each of two ranks.
    assert [(each.status, each.printed) for each in ranks] == [(0, "0 3.0 2 20\n"), (0, "1 3.0 0 0\n")]


def test_second_rank_is_what_anybody_sees():
    import torch.distributed

    from cthulhu_core import Run

    run = Run(None)
    with second_rank():
        assert (torch.distributed.get_rank(), torch.distributed.get_world_size(), run.is_main) == (1, 2, False)
    assert run.is_main
    assert not torch.distributed.is_initialized()


def test_writes_are_seen_wherever_they_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with watch_writes() as writes:
        Path("folder").mkdir()
        Path("folder/made").write_text("new")
        Path("folder/made").rename("renamed")
        Path("renamed").read_text()
        Path("/dev/null").write_text("nothing")
    Path("afterwards").touch()
    assert [path.name for path in writes.paths] == ["folder", "renamed"]
    assert writes.outside("folder") == [tmp_path.resolve() / "renamed"]
