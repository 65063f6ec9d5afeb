"""The Python examples in the pages run as they are printed, each page from its first to its last."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from examples_in_pages import all_blocks, blocks, follow, run

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if blocks(page))


def name_of(page: Path) -> str:
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_examples_run_in_the_order_of_the_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = run(page)
    EXPECTED.get(name_of(page), lambda left: None)(left)


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


EXPECTED = {
    "index": start,
    "coming-from/own-loop": own_loop,
    "coming-from/keras": keras,
    "coming-from/lightning": lightning,
}


def test_pages_of_which_something_is_expected_are_there():
    assert set(EXPECTED) <= set(map(name_of, PAGES))


def test_commands_for_operators_print_what_the_page_says(tmp_path):
    programs = str(Path(sys.executable).parent)
    unset = ("CTHULHU_CONFIG", "CTHULHU_DISABLE")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment["PATH"] = programs + os.pathsep + os.environ["PATH"]
    printed = follow(DOCS / "operators.md", tmp_path, environment)
    assert len(printed) == 8


def test_python_that_is_no_file_and_not_run_is_of_somebody_else_and_says_so():
    every = [block for page in DOCS.rglob("*.md") for block in all_blocks(page) if block.language == "python"]
    assert {block.title for block in every if not block.title.endswith(".py")} <= {"", "Keras", "Lightning"}
