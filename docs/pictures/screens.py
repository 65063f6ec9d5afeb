"""The pictures of screens: a terminal with a progress bar, pages in Chromium, the output of ``explain``."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text
from style import FOLDER

COLUMNS = 92
PROGRESS = """
import time
import torch
from trainings import train

class Slow(torch.optim.RMSprop):
    def step(self, closure=None):
        time.sleep(0.02)
        return super().step(closure)

train([], epochs=4, verbose=1, optimizer=lambda weights: Slow(weights, lr=0.001))
"""
EXPLAIN = """
from trainings import train
from cthulhu.callbacks import Callback, CSVLogger

class StopWhenGood(Callback):
    def on_epoch_end(self, epoch, logs):
        if epoch == 0:
            self.run.explain()

train([CSVLogger({log!r}), StopWhenGood()], epochs=1)
"""
# Chromium requests only the page.
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--no-first-run",
]  # fmt: skip
# rich's picture of a terminal, without the fonts that readers would download.
WINDOW = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>.{unique_id}-matrix {{ font: {char_height}px/{line_height}px monospace; white-space: pre }}
{styles}</style>
<rect width="{width}" height="{height}" rx="8" fill="#1c1f26"/>
<g transform="translate(17, 20)" class="{unique_id}-matrix">{backgrounds}{matrix}</g>
</svg>
"""


def progress() -> None:
    """A terminal in the middle of the fourth epoch of a slow training."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen([sys.executable, "-c", PROGRESS], stdout=child, stderr=child, cwd=FOLDER)
    os.close(child)
    shown = b""
    with contextlib.suppress(OSError):  # A terminal raises this after its last writer has closed it.
        while part := os.read(parent, 65536):
            shown += part
    os.close(parent)
    if process.wait():
        raise SystemExit(shown.decode())
    _terminal("ProgbarLogger", _cut(shown.decode()), COLUMNS)


def _cut(shown: str) -> list[str]:
    """Return the lines on the screen after two thirds of the drawings of the last epoch."""
    lines = [[drawing for drawing in line.split("\r") if drawing.strip()] for line in shown.rstrip().split("\n")]
    bars = [drawing for drawing in lines[-1] if "%" in drawing and "validating" not in drawing]
    return [*(line[-1] for line in lines[:-1]), bars[len(bars) * 2 // 3]]


def explained() -> None:
    """The output of ``run.explain()`` for a run with two callbacks."""
    with tempfile.TemporaryDirectory() as folder:
        code = EXPLAIN.format(log=f"{folder}/log.csv")
        printed = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=True, capture_output=True, text=True)
    lines = printed.stdout.replace("(module __main__)", "(train.py)").splitlines()
    begin = next(number for number, line in enumerate(lines) if "validation" in line)
    go_on, end = (next(n for n, line in enumerate(lines) if text in line) for text in ("run.epoch_end", "predicts:"))
    loop = lines[:begin] + lines[go_on:end]
    _terminal("Callback", loop, max(map(len, loop)) + 1)


def _terminal(name: str, lines: list[str], width: int) -> None:
    console = Console(record=True, width=width, file=io.StringIO(), highlight=False)
    for line in lines:
        text = Text.from_ansi(line)
        text.highlight_regex(r"^ *- .*$", "bold green")
        console.print(text, overflow="crop", no_wrap=True)
    drawn = console.export_svg(title="", theme=DIMMED_MONOKAI, code_format=WINDOW, unique_id="t", font_aspect_ratio=0.6)
    (FOLDER / f"{name}.svg").write_text(drawn)


# --- pages ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _server(folder: Path, module: str, *arguments: str) -> Iterator[str]:
    """Run a Python module as a server on loopback and yield its address."""
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-um", module, *arguments], stdout=output, stderr=output)
    try:
        found = None
        deadline = time.monotonic() + 60
        while found is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{module} does not say where it is: {log.read_text()}")
            time.sleep(0.1)
            found = re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())
        yield found[0]
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _page(address: str, width: int, height: int) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=SWITCHES)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(address)
        yield page
        browser.close()


def _photograph(page: Page, name: str, **how: Any) -> None:
    """Take a picture of a page, in few colours to keep the file small."""
    page.wait_for_timeout(2500)
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path, **how)
    Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


def tensorboard() -> None:
    """Two curves in a chart, and the histograms of weights, in TensorBoard."""
    from trainings import train

    from cthulhu.callbacks import TensorBoard

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        train([TensorBoard(folder / "logs", histogram_freq=2)], epochs=20)
        arguments = ["--logdir", str(folder / "logs"), "--port", "0", "--host", "127.0.0.1", "--load_fast", "false"]
        with (
            _server(folder, "tensorboard.main", *arguments) as address,
            _page(address + "?tagFilter=epoch_(acc|loss)|daoloth_1.kernel#timeseries", 1280, 560) as page,
        ):
            page.locator("scalar-card").first.wait_for()
            page.get_by_role("button", name="Settings").first.click()  # Close the settings.
            _photograph(page, "TensorBoard")


def remote() -> None:
    """Three trainings on the page of ``cthulhu-monitor``."""
    from trainings import sgd, train

    from cthulhu.callbacks import RemoteMonitor

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        arguments = ["--port", "0", "--store", str(folder / "store.sqlite3")]
        with _server(folder, "cthulhu_remote.server.command", *arguments) as address:
            for name, optimizer in (("rmsprop", "rmsprop"), ("momentum", sgd(0.05)), ("adam", "adam")):
                train([RemoteMonitor(address.rstrip("/"), name=name)], epochs=25, optimizer=optimizer)
            with _page(address, 1280, 560) as page:
                _photograph(page, "RemoteMonitor")


SCREENS = (explained, progress, remote, tensorboard)
