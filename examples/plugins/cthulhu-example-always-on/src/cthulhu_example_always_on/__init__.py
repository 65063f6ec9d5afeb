"""A plugin that joins every run and logs its duration and peak memory at the end.

The entry point names this module. Declarations such as ``on_error`` work in a module as they do in a callback class.
"""

from __future__ import annotations

import logging
import sys
from time import perf_counter
from weakref import WeakKeyDictionary

from cthulhu_core import Run, hookimpl

# The user did not ask for this plugin, so its failures must not stop training.
on_error = "disable"
# One line is enough in distributed training.
ranks = "main"
# It adds nothing to the logs. Callbacks that need the names of all logs before training rely on this.
logged = ()

_logger = logging.getLogger(__name__)
_began: WeakKeyDictionary[Run, float] = WeakKeyDictionary()
"""When each run began, in seconds. Runs may be nested."""


@hookimpl
def cthulhu_train_begin(run: Run) -> None:
    """Record the time."""
    _began[run] = perf_counter()


@hookimpl
def cthulhu_teardown(run: Run) -> None:
    """Log the summary of the run, even if it failed."""
    if run not in _began:
        return  # The run failed before it began.
    seconds = perf_counter() - _began.pop(run)
    _logger.info("run over after %d batches, %.1f s; peak memory %.0f MiB", run.step, seconds, _peak_memory() / 2**20)


def _peak_memory() -> float:
    """Return the peak memory of the process in bytes: on the GPU if it uses one, else in host memory."""
    import torch

    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return _peak_of_process()


def _peak_of_process() -> float:
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # In bytes on macOS, in KiB elsewhere.
    return peak if sys.platform == "darwin" else peak * 1024
