"""The examples in Markdown pages, for the tests that run them as they are printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any


def blocks(page: Path, language: str = "python") -> list[str]:
    """The fenced blocks of a language, those with a title left out: they show what is not ours."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run(page: Path) -> dict[str, Any]:
    """Run the Python blocks of a page, one after the other in the current folder; the names that they leave."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)
    return namespace
