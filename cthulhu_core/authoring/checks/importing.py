"""Import a package in a new process, which reports which module imports what.

Call :func:`find_out`; :func:`report` runs in that process.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.machinery import ModuleSpec
from time import perf_counter
from types import FrameType, ModuleType
from typing import Any

_TIMEOUT = 120
"""Seconds after which an import is aborted."""

_NOT_HEAVY = {"typing_extensions"}
"""Packages of a single small file, which count as the standard library."""

_CHILD = (
    "import json, sys; sys.path[:], modules = json.loads(sys.argv[1]); "
    "from cthulhu_core.authoring.checks.importing import report; report(modules)"
)


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        seconds: the time it took.
        others: imported packages that belong neither to the standard library nor to the core: name, file, line.
        failed: the reason for each module that cannot be imported.
        printed: its output.
        threads: the number of threads it left running.
    """

    seconds: float = 0.0
    others: list[tuple[str, str, int]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    printed: str = ""
    threads: int = 0


def find_out(modules: Sequence[str]) -> Imported:
    """Import ``modules`` in a new process, and return the result."""
    given = json.dumps([sys.path, modules])
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, given], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return Imported(failed=dict.fromkeys(modules, f"it takes more than {_TIMEOUT} seconds"))
    if done.returncode:
        last = "".join(f": {line}" for line in done.stderr.strip().splitlines()[-1:])
        return Imported(failed=dict.fromkeys(modules, f"it ends the process with status {done.returncode}{last}"))
    return Imported(**json.loads(done.stdout.splitlines()[-1]))


def report(modules: Sequence[str]) -> None:
    """Import ``modules`` and print the result as JSON."""
    own = {module.partition(".")[0] for module in modules}
    # The imports of the core itself do not count.
    importlib.import_module("cthulhu_core.run.run")
    watch = _Watch(own)
    sys.meta_path.insert(0, watch)
    failed = {}
    printed, threads = io.StringIO(), threading.active_count()
    began = perf_counter()
    with contextlib.redirect_stdout(printed):
        for module in modules:
            try:
                importlib.import_module(module)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - it is what is reported
                failed[module] = f"{type(error).__name__}: {error}"
    seconds = perf_counter() - began
    others = [(name, *place) for name, place in watch.asked.items() if name in sys.modules]
    found = Imported(seconds, others, failed, printed.getvalue(), threading.active_count() - threads)
    # On its own line, whatever else was printed.
    print("\n" + json.dumps(asdict(found)))  # noqa: T201 - what the other process reads


class _Watch:
    """A meta path finder that finds nothing, and records which line of the package imports what."""

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._passed = {*sys.stdlib_module_names, "cthulhu", "cthulhu_core"}
        self.asked: dict[str, tuple[str, int]] = {}

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if "." not in name and name not in self._passed | self._own | _NOT_HEAVY:
            place = self._importer(sys._getframe(1))
            if place is not None:
                self.asked.setdefault(name, place)
        return None

    def _importer(self, frame: FrameType | None) -> tuple[str, int] | None:
        """Return the line of the package that imports; None if another imported package does."""
        while frame is not None:
            module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
            if module in self._own:
                return frame.f_code.co_filename, frame.f_lineno
            if module not in self._passed:
                return None
            # Frames of the import system, and of lazy names of the core.
            frame = frame.f_back
        return None
