"""The hook of this package: add a ProgbarLogger to every run that is not silent."""

from __future__ import annotations

from collections.abc import Iterable

from cthulhu_core import Callback, Run, hookimpl
from cthulhu_progbar.logger import ProgbarLogger


@hookimpl
def cthulhu_default_callbacks(run: Run) -> Iterable[Callback] | None:
    """Return a ProgbarLogger for a run that is not silent, unless the user passed one."""
    if not run.params["verbose"] or any(isinstance(callback, ProgbarLogger) for callback in run.given):
        return None
    return [ProgbarLogger()]
