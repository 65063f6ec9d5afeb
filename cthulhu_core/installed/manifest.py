"""The manifest of a run: active packages with their versions, and participants with their arguments.

It is plain data, kept in ``History`` and in checkpoints. Secrets are not in it: arguments are described without them
when a callback is made (see :mod:`cthulhu_core.contract.constructor_arguments`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cthulhu_core.atomic import atomic_write
from cthulhu_core.installed.registry import package_of
from cthulhu_core.version import __version__

if TYPE_CHECKING:
    from cthulhu_core.installed.participant import Participant


def manifest(participants: Iterable[Participant]) -> dict[str, Any]:
    """Return the packages that decide what a run does, and its participants.

    Returns:
        ``packages``: versions by name. ``participants``, in order: ``name``, ``package``, ``version``, ``reason`` (why
        it takes part), ``arguments`` (of its constructor; None if unknown).
    """
    lines = []
    for participant in participants:
        package, version = package_of(participant.module)
        lines.append(
            {
                "name": participant.name,
                "package": package,
                "version": version,
                "reason": participant.reason,
                "arguments": getattr(participant.plugin, "_arguments", None),
            }
        )
    return {"packages": packages(lines), "participants": lines}


def packages(participants: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the versions of the packages of ``participants``, and of those that every run depends on, by name."""
    found = {each["package"]: each["version"] for each in participants if each["package"]}
    # A package that is not imported decides nothing, and asking for its version would import it.
    heavy = {name: str(sys.modules[name].__version__) for name in ("numpy", "torch") if name in sys.modules}
    python = ".".join(map(str, sys.version_info[:3]))
    return {**dict(sorted(found.items())), "cthulhu-core": __version__, "python": python, **heavy}


def save(manifest: Mapping[str, Any], path: Path) -> None:
    """Write ``manifest`` as JSON, creating missing folders.

    Raises:
        OSError: the file cannot be written; an existing one is unchanged.
    """
    import json

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
