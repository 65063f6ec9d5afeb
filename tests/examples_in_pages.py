"""The examples in Markdown pages, for the tests that run them as they are printed.

Python blocks are run in their order. In pages that are followed at a terminal, a block whose title is the name of a
file is that file, a block of ``sh`` is a command, which succeeds unless its title says that it fails, and a block of
``text`` is what the command before it prints, ``…`` for what is left out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

FENCED = re.compile(r'^(````?)(\w+)(?: title="([^"\n]+)")?\n(.*?)^\1$', re.DOTALL | re.MULTILINE)
NOT_RUN = "Not run by the tests"
FAILS = "This fails"


class Block(NamedTuple):
    """What stands between two fences."""

    language: str
    title: str
    text: str


def all_blocks(page: Path) -> list[Block]:
    """Every block of a page with a language."""
    return [Block(*found[1:]) for found in FENCED.findall(page.read_text(encoding="utf-8"))]


def blocks(page: Path, language: str = "python") -> list[str]:
    """The blocks of a language, those with a title left out: they are files, or show what is not ours."""
    return [block.text for block in all_blocks(page) if block.language == language and not block.title]


def run(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page, one after the other in the current folder; the names that they leave."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
    return namespace


def follow(page: Path, folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Do what a page says: write its files, run its commands, compare what they print; what each has printed.

    It begins in ``folder``, and goes along where a command changes it.
    """
    printed: list[str] = []
    where = folder / ".where"
    for block in all_blocks(page):
        if block.title.startswith(NOT_RUN):
            continue
        if block.title and block.title != FAILS:
            file = folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            command = ["sh", "-e", "-c", f"{block.text}\npwd > '{where}'"]
            done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
            printed.append(done.stdout + done.stderr)
            assert (done.returncode != 0) == (block.title == FAILS), f"{page.name}: {block.text}{printed[-1]}"
            folder = folder if block.title else Path(where.read_text().strip())
        elif block.language == "text":
            pattern = ".*".join(map(re.escape, block.text.strip().split("…")))
            assert re.search(pattern, printed[-1], re.DOTALL), f"{page.name} says\n{block.text}\nand is\n{printed[-1]}"
    return printed
