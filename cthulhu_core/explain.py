"""The loop as pseudocode with every participant of a run in its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cthulhu_core import hookspecs
from cthulhu_core.hookspecs import PREFIX

if TYPE_CHECKING:
    from cthulhu_core.dispatch import Dispatch


def explain(dispatch: Dispatch) -> str:
    """The pseudocode of :mod:`cthulhu_core.hookspecs`, each hook followed by those who are called there, in order."""
    lines = []
    for line in _pseudocode():
        lines.append(line)
        found = re.search(r"run\.(\w+)\(", line)
        call = dispatch.snapshot(PREFIX + found[1]) if found else None
        if call is not None:
            indent = " " * (len(line) - len(line.lstrip()) + 4)
            for participant, _, _ in [*call.wrappers, *call.calls]:
                lines.append(f"{indent}- {participant}: {participant.reason}")
    return "\n".join(lines)


def _pseudocode() -> list[str]:
    """The indented block with which the module of the specifications opens."""
    text = (hookspecs.__doc__ or "").split("::\n", 1)[1]
    block = re.match(r"(?:\n|    .*\n)+", text)
    return [line[4:] for line in block[0].splitlines() if line] if block else []
