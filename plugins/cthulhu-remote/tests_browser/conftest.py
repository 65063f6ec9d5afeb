"""A server of its own for each test, and Chromium to look at its page."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

TRAINING = Path(__file__).with_name("training.py")
# Nothing but the page is asked for.
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--no-first-run",
]  # fmt: skip
SECONDS = 30
"""So long a process may take to do what is waited for."""
expect.set_options(timeout=SECONDS * 1000)


class Server:
    """``cthulhu-monitor`` on loopback; it can be stopped and started again with what it keeps.

    Attributes:
        url: where the page is.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.url = ""
        self.numbers: dict[str, int] = {}

    def start(self) -> None:
        port = self.url.rpartition(":")[2].strip("/") or "0"
        command = [sys.executable, "-m", "cthulhu_remote.server.command", "--port", port]
        command += ["--store", str(self.folder / "store.sqlite3"), *self.options]
        errors = (self.folder / "errors").open("a")
        with errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", self.process.stdout.readline())
        assert found, (self.folder / "errors").read_text()
        self.url = found[0]

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=SECONDS)

    def get(self, path: str) -> Any:
        with urlopen(self.url + path, timeout=SECONDS) as answer:
            return json.load(answer)

    def run(self, name: str) -> Any:
        """The run of a name, with its points."""
        (summary,) = [run for run in self.get("api/runs")["runs"] if run["name"] == name]
        return self.get(f"api/runs/{summary['id']}")

    def publish(self, run: str, *events: dict[str, Any], ago: float = 0.0) -> None:
        """Tell of a run what RemoteMonitor would tell."""
        run = run.replace(" ", "_")
        first = self.numbers.get(run, 0) + 1
        self.numbers[run] = first + len(events) - 1
        told = [[first + index, time.time() - ago] for index in range(len(events))]
        header = json.dumps({"run": run, "sender": run, "events": told})
        headers = {"Content-Type": "application/json", "Cthulhu-Event": header}
        request = Request(self.url + "publish/epoch/end/", json.dumps(events).encode(), headers)
        with urlopen(request, timeout=SECONDS) as answer:
            assert answer.status == 204

    def begin(self, run: str, epochs: int = 10, steps: int | None = None, ago: float = 0.0) -> None:
        plan = {"name": run, "epochs": epochs, "initial_epoch": 0, "steps": steps, "epoch": 0, "batch": 0}
        self.publish(run, {"begin": plan}, ago=ago)

    def end(self, run: str, state: str, reason: str | None = None) -> None:
        self.publish(run, {"end": {"state": state, "reason": reason}})


class Trainer:
    """The process that trains, and how far it may."""

    def __init__(self, root: str, name: str, epochs: int, folder: Path) -> None:
        self.file = folder / "epochs"
        self.allow(0)
        command = [sys.executable, str(TRAINING), root.removesuffix("/"), name, str(epochs), str(self.file)]
        self.process = subprocess.Popen(command)

    def allow(self, epochs: int) -> None:
        self.file.write_text(str(epochs))

    def wait(self) -> None:
        assert self.process.wait(SECONDS) == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def train(server: Server, tmp_path: Path) -> Iterator[Callable[[str, int], Trainer]]:
    """``train(name, epochs)``: a training begins in a process of its own, and waits."""
    trainers: list[Trainer] = []

    def train(name: str, epochs: int) -> Trainer:
        trainers.append(Trainer(server.url, name, epochs, tmp_path))
        return trainers[-1]

    yield train
    for trainer in trainers:
        if trainer.process.poll() is None:
            trainer.process.kill()
            trainer.process.wait()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the page complains about: errors, warnings, breaches of its policy, and dialogs, which nobody asked for."""
    return []


@pytest.fixture
def page(chromium: Any, complaints: list[str]) -> Iterator[Page]:
    """A page; what it complains about fails the test."""
    page: Page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(SECONDS * 1000)
    page.on("pageerror", lambda error: complaints.append(error.stack or str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    yield page
    page.close()
    assert complaints == []


def picture(page: Page, name: str) -> None:
    """Keep a picture of the page."""
    # What has just happened has been drawn by then.
    page.wait_for_timeout(500)
    pictures = Path(os.environ["SCREENSHOTS"])
    pictures.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=pictures / f"remote_{name}.png")


@pytest.fixture
def keep_picture() -> Callable[[Page, str], None]:
    """``keep_picture(page, name)``: a picture for people to look at."""
    return picture


def count(element: Locator, colour: str) -> Any:
    """For each column of an element's picture, how many of its pixels have a colour of the style sheet."""
    drawn = Image.open(io.BytesIO(element.screenshot())).convert("RGB")
    name = f"getComputedStyle(document.documentElement).getPropertyValue('{colour}').trim()"
    text = str(element.evaluate(f"() => {name}"))
    wanted = [int(text[index : index + 2], 16) for index in (1, 3, 5)]
    return (np.linalg.norm(np.asarray(drawn, dtype=float) - wanted, axis=2) < 40).sum(axis=0)


@pytest.fixture
def coloured() -> Callable[[Locator, str], Any]:
    """``coloured(element, "--run-0")``: for each column of the picture, how many pixels have the colour."""
    return count
