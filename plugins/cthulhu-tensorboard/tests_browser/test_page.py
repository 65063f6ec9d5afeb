"""What a person sees: a TensorBoard server over a training, through its data API and its page in Chromium."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

TRAINING = Path(__file__).with_name("training.py")
EPOCHS, WORDS, BATCHES = 5, 40, 10
SETTLED = 2000
"""Milliseconds after which what the page moves has come to rest."""
# Nothing but the page is asked for.
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-quic", "--no-first-run",
]  # fmt: skip


class Server:
    """TensorBoard on loopback."""

    def __init__(self, url: str) -> None:
        self.url = url

    def bytes(self, path: str) -> bytes:
        with urlopen(self.url + "data/" + path, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def get(self, path: str) -> Any:
        return json.loads(self.bytes(path))

    def values(self, run: str, tag: str) -> dict[int, float]:
        """The points of a curve, by step."""
        return {step: value for _, step, value in self.get(f"plugin/scalars/scalars?run={run}&tag={tag}")}

    def has_read_all(self) -> bool:
        tags = self.get("plugin/scalars/tags")
        runs = [run for run in ("train", "validation") if "epoch_acc" in tags.get(run, ())]
        return len(runs) == 2 and all(len(self.values(run, "epoch_acc")) == EPOCHS for run in runs)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has read all of a training."""
    folder = tmp_path_factory.mktemp("training")
    subprocess.run([sys.executable, str(TRAINING), str(folder)], check=True, timeout=120)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder / "logs"), "--port", "0"]
    command += ["--host", "127.0.0.1", "--load_fast", "false"]
    with (
        (folder / "errors").open("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            found = None
            deadline = time.monotonic() + 60
            while found is None:
                assert process.poll() is None, (folder / "errors").read_text()
                assert time.monotonic() < deadline, "the server does not say where it is"
                time.sleep(0.1)
                found = re.search(r"http://127\.0\.0\.1:\d+/", (folder / "errors").read_text())
            server = Server(found[0])
            while not server.has_read_all():
                assert time.monotonic() < deadline, "the server has not read the runs"
                time.sleep(0.2)
            yield server
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page, of which a picture is kept when the test has passed; what it complains about fails the test."""
    page: Page = chromium.new_page(viewport={"width": 1400, "height": 900})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    pictures = Path(os.environ["SCREENSHOTS"])
    pictures.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=pictures / f"{request.node.name.removeprefix('test_')}.png")
    page.close()
    assert complaints == []


def test_curves_of_training_and_validation_share_a_chart(server: Server, page: Page) -> None:
    tags = {run: set(found) for run, found in server.get("plugin/scalars/tags").items()}
    both = {"epoch_loss", "epoch_acc"}
    assert tags == {"train": {*both, "epoch_lr", "batch_loss", "batch_acc"}, "validation": both}
    last = {}
    for run in ("train", "validation"):
        curve = server.values(run, "epoch_loss")
        assert list(curve) == list(range(EPOCHS))
        last[run] = curve[EPOCHS - 1]
    assert len(server.values("train", "batch_loss")) == EPOCHS * BATCHES

    page.goto(server.url + "?tagFilter=^epoch_loss$#timeseries")
    card = page.locator("scalar-card")
    expect(card).to_have_count(1)
    for run, value in last.items():
        # The table below the chart has the values of both at the last step.
        row = re.compile(rf"{run}\s+[\d.]+\s+{value:.4g}\d*\s+{EPOCHS - 1}\b")
        expect(card).to_contain_text(run)
        assert row.search(card.inner_text()), card.inner_text()
    page.wait_for_timeout(SETTLED)
    chart = Image.open(io.BytesIO(card.locator("line-chart").first.screenshot())).convert("RGB")
    pixels = np.asarray(chart, dtype=float)
    for run, colour in {"train": (66, 80, 102), "validation": (18, 181, 203)}.items():
        assert (np.linalg.norm(pixels - colour, axis=2) < 40).sum() > 100, run


def test_histograms_of_weights_gradients_and_activations(server: Server, page: Page) -> None:
    tags = set(server.get("plugin/histograms/tags")["train"])
    assert {"hidden/kernel", "hidden/kernel_grad", "hidden_out", "words/embeddings", "conv1d_1/weight"} <= tags
    histograms = server.get("plugin/histograms/histograms?run=train&tag=answer_out")
    assert [step for _, step, _ in histograms] == list(range(EPOCHS))
    # 400 sentences, a quarter of them for validation.
    assert [sum(count for *_, count in bars) for *_, bars in histograms] == [100.0] * EPOCHS

    page.goto(server.url + "#histograms")
    expect(page.locator("vz-histogram-timeseries").first).to_be_visible()
    expect(page.locator("vz-histogram-timeseries path").first).to_be_attached()


def test_graph_shows_the_layers_by_their_names(server: Server, page: Page) -> None:
    graph = server.bytes("plugin/graphs/graph?run=train&conceptual=false").decode()
    for layer in ("TheHydra[words]", "Conv1d[conv1d_1]", "Daoloth[hidden]", "Daoloth[answer]"):
        assert f'name: "Pile/{layer}' in graph

    page.goto(server.url + "#graphs")
    pile = page.locator("g.node", has_text="Pile").first
    expect(pile).to_be_visible()
    pile.dblclick()
    expect(page.locator("g.node", has_text="Daoloth[hidden]").first).to_be_attached()
    page.wait_for_timeout(SETTLED)
    page.get_by_text("Fit to screen").click()
    page.wait_for_timeout(SETTLED)


def test_images_of_weights(server: Server, page: Page) -> None:
    assert set(server.get("plugin/images/tags")["train"]) == {
        f"{weight}/image"
        for weight in (
            "words/embeddings", "conv1d_1/weight", "conv1d_1/bias", "hidden/kernel", "hidden/bias", "answer/kernel",
            "answer/bias",
        )
    }  # fmt: skip
    images = server.get(f"plugin/images/images?run=train&tag={quote('hidden/kernel/image')}&sample=0")
    assert [image["step"] for image in images] == list(range(EPOCHS))
    assert server.bytes(f"plugin/images/individualImage?{images[-1]['query']}").startswith(b"\x89PNG")

    page.goto(server.url + "#images")
    page.locator("tf-tag-filterer input").fill("conv1d_1/weight|words")
    picture = page.locator("tf-image-loader img").first
    expect(picture).to_be_visible()
    # Of four filters of 6 by 3 there are three in a row, and one below them, with lines between.
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [3 * 3 + 2, 2 * 6 + 1]


def test_projector_shows_a_point_for_each_word(server: Server, page: Page) -> None:
    assert server.get("plugin/projector/runs") == ["train"]
    (embedding,) = server.get("plugin/projector/info?run=train")["embeddings"]
    # Six words, each a vector of eight numbers.
    assert embedding["tensorShape"] == [WORDS, 48]
    name = quote(embedding["tensorName"])
    assert len(server.bytes(f"plugin/projector/tensor?run=train&name={name}")) == WORDS * 48 * 4
    words = server.bytes(f"plugin/projector/metadata?run=train&name={name}").decode().split()
    assert words == [f"word{number}" for number in range(WORDS)]

    page.goto(server.url + "#projector")
    projector = page.frame_locator("iframe").frame_locator("iframe")
    expect(projector.locator(".numDataPoints")).to_have_text(str(WORDS), timeout=30_000)
    page.wait_for_timeout(SETTLED)


def test_what_the_model_was_told_is_in_the_tab_of_hyperparameters(server: Server, page: Page) -> None:
    page.goto(server.url + "#hparams")
    table = page.locator("tf-hparams-table-view")
    # The page shows the first five hyperparameters, and the others only if somebody ticks them.
    for value in ("Adam", "0.0010000", "binary_crossentropy", "acc", "32.000", "train"):
        expect(table).to_contain_text(value)
