"""A plugin that takes part in every run: when a run is over, it logs how long it took and how much memory.

The entry point names this module. What a module declares holds for its hooks as it would for a callback's.
"""

from __future__ import annotations

import logging
import sys
from time import perf_counter
from weakref import WeakKeyDictionary

from cthulhu_core import Run, hookimpl

# Nobody has asked for it by name: it may fail, and no training fails with it.
on_error = "disable"
# In distributed training, one line is enough.
ranks = "main"
# It adds nothing to the logs: who must know before training what is going to be logged need not wait for it.
logged = ()

_logger = logging.getLogger(__name__)
_began: WeakKeyDictionary[Run, float] = WeakKeyDictionary()
"""When each run began, in seconds: a process may have several, one within the other."""


@hookimpl
def cthulhu_train_begin(run: Run) -> None:
    """Note the time."""
    _began[run] = perf_counter()


@hookimpl
def cthulhu_teardown(run: Run) -> None:
    """Log what the run has taken, however it ended."""
    if run not in _began:
        return  # it failed before it began
    seconds = perf_counter() - _began.pop(run)
    _logger.info("run over after %d batches, %.1f s; peak memory %.0f MiB", run.step, seconds, _peak_memory() / 2**20)


def _peak_memory() -> float:
    """Bytes that were in use at most since the process began: on the GPU if it uses one, else in all."""
    import torch

    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return _peak_of_process()


def _peak_of_process() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, all others KiB.
    return peak if sys.platform == "darwin" else peak * 1024
