"""A server as users start it, and what tests ask of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

PUBLISH = "/publish/epoch/end/"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COMMAND = [sys.executable, "-m", "cthulhu_remote.server.command"]


class Monitor:
    """A cthulhu-monitor in a process of its own.

    Args:
        store: its file.
        arguments: further ones of its command line.
        variables: of its environment.
    """

    def __init__(self, store: Path, *arguments: str, **variables: str) -> None:
        self.store = store
        self.process = subprocess.Popen(
            [*COMMAND, "--port=0", f"--store={store}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **variables},
        )
        self.said = [self.process.stdout.readline() for _ in range(4)]
        assert self.said[-1], self.process.communicate()
        self.url = self.said[0].split()[1].rstrip("/")
        self.port = int(self.url.rpartition(":")[2])
        self.session = requests.Session()
        self._count = 0

    def new_id(self) -> str:
        """One that no other test of this process has."""
        self._count += 1
        return f"id-{self._count}"

    def post(self, body: Any, **headers: str) -> requests.Response:
        """Publish a body as JSON, without saying whose it is."""
        content = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.session.post(
            self.url + PUBLISH, data=content, headers={"Content-Type": "application/json", **headers}, timeout=30
        )

    def publish(
        self, run: str, *events: dict[str, Any], sender: str | None = None, first: int | None = None, at: float = 0.0
    ) -> requests.Response:
        """Publish events of a run, each a second after the one before, as RemoteMonitor does."""
        if first is None:
            self._count += 1
            first = self._count * 10_000
        marks = [[first + n, at + n] for n in range(len(events))]
        said = {"run": run, "sender": sender or f"of-{run}", "events": marks}
        return self.post(list(events), **{"Cthulhu-Event": json.dumps(said)})

    def get(self, path: str, **arguments: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **arguments)

    def run(self, id: str, **parameters: Any) -> dict[str, Any]:
        """What the API says of a run, and its points."""
        answer = self.get(f"/api/runs/{id}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def summary(self, id: str) -> dict[str, Any]:
        """What the API says of a run."""
        summary: dict[str, Any] = self.run(id)["run"]
        return summary

    def values(self, id: str) -> dict[tuple[int, int | None], dict[str, Any]]:
        """All points of a run."""
        run = self.run(id)
        points = [*run["epochs"], *run["batches"]]
        return {(point["epoch"], point["batch"]): point["values"] for point in points}

    def end(self, asked: int = signal.SIGTERM) -> tuple[int, str, str]:
        """End it: its exit status, and what else it has said."""
        self.session.close()
        self.process.send_signal(asked)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Monitor]]:
    """``start(*arguments)``: a server of the test's own."""
    started: list[Monitor] = []

    def start(*arguments: str, **options: Any) -> Monitor:
        started.append(Monitor(tmp_path / "store.sqlite3", *arguments, **options))
        return started[-1]

    yield start
    for monitor in started:
        if monitor.process.poll() is None:
            monitor.end(signal.SIGKILL)
        monitor.session.close()
        monitor.process.stdout.close()
        monitor.process.stderr.close()


@pytest.fixture(scope="session")
def monitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitor]:
    """A server that many tests share: each has runs of its own. In the end it has nothing to say."""
    monitor = Monitor(tmp_path_factory.mktemp("monitor") / "store.sqlite3", "--max-runs=100000")
    yield monitor
    status, _, err = monitor.end()
    monitor.process.stdout.close()
    monitor.process.stderr.close()
    assert (status, err) == (0, "")


class Events:
    """A page that listens.

    Args:
        monitor: the server.
        headers: further ones.
    """

    def __init__(self, monitor: Monitor, **headers: str) -> None:
        self.answer = requests.get(f"{monitor.url}/api/events", stream=True, timeout=30, headers=headers)
        assert self.answer.status_code == 200, self.answer.text
        self._lines = self.answer.iter_lines(chunk_size=None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._lines:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))

    def close(self) -> None:
        self.answer.close()


@pytest.fixture
def listen() -> Iterator[Callable[..., Events]]:
    """``listen(monitor)``: a page that listens."""
    opened: list[Events] = []

    def listen(monitor: Monitor, **headers: str) -> Events:
        opened.append(Events(monitor, **headers))
        return opened[-1]

    yield listen
    for events in opened:
        events.close()
