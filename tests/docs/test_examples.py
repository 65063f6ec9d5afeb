"""The Python examples in the pages run as they are printed, each page from its first to its last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples_in_pages import blocks, run

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if blocks(page))
TUTORIAL = {"writing", "testing", "publishing"}
"""Their blocks are files and commands: test_tutorial.py."""


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem not in TUTORIAL], ids=lambda page: str(page.relative_to(DOCS))
)
def test_examples_run_in_the_order_of_the_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = run(page)
    EXPECTED.get(page.stem, lambda left: None)(left)


def start(left):
    assert 20 < len(left["history"].epoch) < 200
    assert Path("run/curves.png").stat().st_size > 10_000
    assert Path("run/own.csv").read_text().splitlines()[0] == "epoch,loss"
    assert left["run"].history.epoch == [0, 1, 2]


def own_loop(left):
    assert left["run"].history.epoch == [0, 1, 2, 3, 4]
    assert Path("run/steps.csv").read_text().count("\n") == 2


def keras(left):
    assert len(left["losses"].losses) == 2 * 8


def lightning(left):
    assert Path("run/log.csv").read_text().splitlines()[0] == "epoch,acc,gradient_norm,loss"


EXPECTED = {"index": start, "own-loop": own_loop, "keras": keras, "lightning": lightning}


def test_pages_of_which_something_is_expected_are_there():
    assert set(EXPECTED) <= {page.stem for page in PAGES}


def test_code_that_is_not_run_is_of_somebody_else_and_says_so():
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    titles = set(re.findall(r"^```python (.*)$", text, re.MULTILINE))
    assert titles <= {'title="Keras"', 'title="Lightning"'}
