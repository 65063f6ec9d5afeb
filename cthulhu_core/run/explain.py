"""The loop as pseudocode with every participant of a run in its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cthulhu_core.contract import hookspecs
from cthulhu_core.contract.hookspecs import HOOKS, PREFIX, SERVICES

if TYPE_CHECKING:
    from cthulhu_core.run.dispatch import Dispatch


def explain(dispatch: Dispatch) -> str:
    """Return the pseudocode of the hook specifications, with the participants of each hook below it, in order.

    The services, which are called outside the loop, follow.
    """
    lines = []
    for line in _pseudocode():
        lines.append(line)
        found = re.search(r"run\.(\w+)\(", line)
        if found:
            lines += _participants(dispatch, PREFIX + found[1], len(line) - len(line.lstrip()) + 4)
    offered = {service: _participants(dispatch, service, 8) for service in SERVICES}
    if any(offered.values()):
        lines.append("services, outside the loop:")
    for service, participants in offered.items():
        if participants:
            lines += [f"    {service.removeprefix(PREFIX)}({', '.join(HOOKS[service])})", *participants]
    return "\n".join(lines)


def _participants(dispatch: Dispatch, hook: str, indent: int) -> list[str]:
    """Return a line for each participant that is called at ``hook``, with the reason why it takes part."""
    call = dispatch.snapshot(hook)
    called = [] if call is None else [*call.wrappers, *call.calls]
    return [f"{' ' * indent}- {participant}: {participant.reason}" for participant, _, _ in called]


def _pseudocode() -> list[str]:
    """Return the indented block at the top of the docstring of the specifications."""
    text = (hookspecs.__doc__ or "").split("::\n", 1)[1]
    block = re.match(r"(?:\n|    .*\n)+", text)
    return [line[4:] for line in block[0].splitlines() if line] if block else []
