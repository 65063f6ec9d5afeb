"""Fifty trainings, each of which reports twenty batches a second, and twenty pages that listen."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

SECONDS = 60
RUNS = 50
EVENTS_A_SECOND = 20
PAGES = 20
EVENTS = SECONDS * EVENTS_A_SECOND
LOGS = '"loss":0.6931471805599453,"acc":0.5078125,"lr":0.001'
TAIL = 512 * 1024


class Publisher(asyncio.Protocol):
    """A connection of one training: one request at a time."""

    def __init__(self, run: int) -> None:
        self.run = run
        self.latencies: list[float] = []
        self.statuses: set[bytes] = set()
        self._answer: asyncio.Future[None] | None = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        # An answer without content fits into one segment.
        self.statuses.add(data[:12])
        self._answer.set_result(None)

    def request(self, number: int) -> bytes:
        body = f'{{"epoch":0,"batch":{number},"size":64,{LOGS}}}'
        said = f'{{"run":"run-{self.run}","sender":"sender-{self.run}","events":[[{number},{time.time()}]]}}'
        return (
            f"POST /publish/epoch/end/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Cthulhu-Event: {said}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    async def publish(self, begin: float) -> None:
        loop = asyncio.get_running_loop()
        for number in range(EVENTS):
            due = begin + (number + self.run / RUNS) / EVENTS_A_SECOND
            await asyncio.sleep(due - loop.time())
            self._answer = loop.create_future()
            sent = loop.time()
            self.transport.write(self.request(number))
            await self._answer
            self.latencies.append(loop.time() - sent)


class Page(asyncio.Protocol):
    """A page that listens, and remembers the last of what it was told."""

    def __init__(self) -> None:
        self.received = 0
        self.tail = bytearray()
        self.is_open = False

    def connection_made(self, transport):
        self.is_open = True
        transport.write(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def connection_lost(self, exc):
        self.is_open = False

    def data_received(self, data):
        self.received += len(data)
        self.tail += data
        if len(self.tail) > 2 * TAIL:
            del self.tail[:TAIL]


def resident(process: int) -> float:
    """MiB of memory that a process has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs /proc")
def test_nothing_is_lost_and_nothing_grows_under_load(start):
    monitor = start()

    async def load():
        loop = asyncio.get_running_loop()
        connect = loop.create_connection
        pages = [(await connect(Page, "127.0.0.1", monitor.port)) for _ in range(PAGES)]
        publishers = [(await connect(lambda run=run: Publisher(run), "127.0.0.1", monitor.port)) for run in range(RUNS)]
        begin = loop.time() + 0.5
        publishing = asyncio.gather(*(publisher.publish(begin) for _, publisher in publishers))
        await asyncio.sleep(SECONDS / 3)
        early = resident(monitor.process.pid)
        await publishing
        late = resident(monitor.process.pid)
        await asyncio.sleep(1.0)
        for transport, _ in [*pages, *publishers]:
            transport.close()
        return early, late, [page for _, page in pages], [publisher for _, publisher in publishers]

    had, waited = processor(monitor.process.pid)
    early, late, pages, publishers = asyncio.run(load())
    had, waited = (after - before for after, before in zip(processor(monitor.process.pid), (had, waited), strict=True))
    latencies = sorted(latency for publisher in publishers for latency in publisher.latencies)
    p50, p99 = (latencies[int(len(latencies) * share)] for share in (0.5, 0.99))
    figures = (
        f"{len(latencies)} publications in {SECONDS} s: p50 {p50 * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, "
        f"max {latencies[-1] * 1e3:.1f} ms; memory {early:.1f} MiB, then {late:.1f} MiB; the event loop ran {had:.1f} "
        f"s, and waited {waited:.1f} s for a processor; {sum(page.received for page in pages) / 2**20:.0f} MiB to pages"
    )
    sys.stdout.write(f"\n{figures}\n")
    assert {status for publisher in publishers for status in publisher.statuses} == {b"HTTP/1.1 204"}
    for run in range(RUNS):
        batches = monitor.run(f"run-{run}")["batches"]
        assert [point["batch"] for point in batches] == list(range(EVENTS))
    for page in pages:
        told = bytes(page.tail).decode()
        for run in range(RUNS):
            assert f'{{"run":"run-{run}","epoch":0,"batch":{EVENTS - 1},' in told
    assert late - early < 10
    if p99 >= 0.1 and waited > SECONDS / 10:
        pytest.skip(f"other processes kept the server from the processor: {figures}")
    assert p99 < 0.1


def processor(process: int) -> tuple[float, float]:
    """For how many seconds the main thread of a process has had a processor, and how many it has waited for one."""
    had, waited, _ = Path(f"/proc/{process}/schedstat").read_text().split()
    return int(had) / 1e9, int(waited) / 1e9


@pytest.mark.slow
def test_publishing_goes_on_while_a_long_run_is_read(start):
    monitor = start()
    for epoch in range(200):
        batches = [{"epoch": epoch, "batch": batch, "loss": batch / 7, "acc": 0.5} for batch in range(1000)]
        assert monitor.publish("long", *batches).status_code == 204
    lengths: list[int] = []

    def read():
        with requests.get(f"{monitor.url}/api/runs/long.csv", stream=True, timeout=60) as answer:
            lengths.append(sum(piece.count(b"\n") for piece in answer.iter_content(2**16)))

    reading = threading.Thread(target=read)
    reading.start()
    latencies = []
    while reading.is_alive():
        sent = time.monotonic()
        assert monitor.publish("short", {"epoch": len(latencies)}).status_code == 204
        latencies.append(time.monotonic() - sent)
        time.sleep(0.02)
    reading.join()
    assert lengths == [200_001]
    assert len(latencies) > 20
    assert sorted(latencies)[int(len(latencies) * 0.95)] < 0.1
