"""Why a distributed training ends: what its processes tell each other through their shared store.

When a process fails, the connections of those that wait for it break, with an error that names nothing but an address.
Therefore each process stores why it ends before it goes, and one that loses a connection looks there.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cthulhu_core.distributed.ranks import rank, store, world_size

logger = logging.getLogger("cthulhu")

PATIENCE = 5.0
"""Seconds that a process waits, after it has lost a connection, for the others to say why."""
_TOLD = "_cthulhu_told"
_LOST = ("gloo", "nccl", "process group")


def _end(error: BaseException | None) -> None:
    """Stop watching the other processes, and tell them about ``error``, once.

    Args:
        error: what ends training here, with a note that names the participant if it is one's; None if training ends
            normally.
    """
    _Watch.dismiss()
    met = store()
    if met is None or error is None or vars(error).get(_TOLD):
        return
    vars(error)[_TOLD] = True
    try:
        _tell(met, error)
    except RuntimeError as lost:  # raised by torch if the process that holds the store is gone
        logger.error(
            "rank %d: the process that hosts the store of the process group is gone as well (%s)", rank(), lost
        )


def _tell(met: Any, error: BaseException) -> None:
    is_consequence = _has_lost_a_connection(error)
    asked = isinstance(error, SystemExit)  # torchrun terminates the others when one process ends
    reasons = _reasons(met)
    if not reasons and not is_consequence:
        met.set(_key("why", rank()), _why(error))
        return
    if not is_consequence and not asked:
        return  # two processes fail, each for its own reason
    met.set(_key("lost", rank()), "")
    until = time.monotonic() + PATIENCE
    while not reasons and time.monotonic() < until and _silent(met):
        time.sleep(0.1)
        reasons = _reasons(met)
    silent = _silent(met)
    if not reasons and silent:
        reasons = dict.fromkeys(silent, "ended without a message: it was killed, or its machine is gone")
    for each, why in reasons.items():
        logger.error("rank %d: training ends here, because rank %d %s", rank(), each, why)
    # The last line of a traceback should not be an address.
    vars(error)["__notes__"] = [
        *getattr(error, "__notes__", ()),
        *(f"rank {each} {why}" for each, why in reasons.items()),
    ]


def _key(what: str, of: int) -> str:
    # Reasons of an earlier training must not be read in this one.
    return f"cthulhu/{_Watch.trainings}/{what}/{of}"


def _others() -> Iterator[int]:
    return (each for each in range(world_size()) if each != rank())


def _reasons(met: Any) -> dict[int, str]:
    """Return why other processes have ended, by rank."""
    return {each: met.get(_key("why", each)).decode() for each in _others() if met.check([_key("why", each)])}


def _silent(met: Any) -> list[int]:
    """Return the ranks that have stored neither why they end nor that they have lost a connection."""
    return [each for each in _others() if not met.check([_key("why", each)]) and not met.check([_key("lost", each)])]


def _has_lost_a_connection(error: BaseException) -> bool:
    import torch

    if not isinstance(error, RuntimeError):
        return False
    distributed = getattr(torch.distributed, "DistError", ())
    return isinstance(error, distributed) or any(each in str(error).lower() for each in _LOST)


def _why(error: BaseException) -> str:
    notes = "".join(f", {note.removesuffix(f', rank {rank()}')}" for note in getattr(error, "__notes__", ()))
    if isinstance(error, KeyboardInterrupt):
        return "was interrupted (Ctrl-C)"
    if isinstance(error, SystemExit):
        return "was asked to end" if error.code == 128 + signal.SIGTERM else f"has left with exit code {error.code}"
    return f"has failed{notes}: {type(error).__name__}: {error}"


class _Watch(threading.Thread):
    """Ends this process if another one has ended and this one waits for it, because nothing else can wake it up.

    No connection breaks if the other process lives on: its script may have caught the exception, or its callbacks may
    take long to close their files.
    """

    _current: _Watch | None = None
    trainings = 0
    """Number of trainings so far, including this one; the same in all processes."""

    def __init__(self, met: Any) -> None:
        super().__init__(name="cthulhu-watch", daemon=True)
        self._met = met
        self._over = threading.Event()

    @classmethod
    def post(cls) -> None:
        """Start to watch if there are other processes."""
        cls.trainings += 1
        met = store()
        if met is not None:
            cls._current = cls(met)
            cls._current.start()

    @classmethod
    def dismiss(cls) -> None:
        """Stop watching: this process ends by itself."""
        watch, cls._current = cls._current, None
        if watch is not None:
            watch._over.set()
            # A thread that returns from PyTorch while Python shuts down would crash.
            watch.join(PATIENCE)

    def run(self) -> None:
        while not self._over.wait(1.0):
            try:
                reasons = _reasons(self._met)
            except RuntimeError:  # the process that holds the store is gone, so connections break
                return
            if reasons and not self._over.wait(2 * PATIENCE):
                for each, why in reasons.items():
                    logger.error("rank %d: this process is ended, because rank %d %s", rank(), each, why)
                for stream in (sys.stdout, sys.stderr):
                    stream.flush()
                os._exit(1)


@contextmanager
def ending_together() -> Iterator[None]:
    """Tell the other processes about an error that leaves this block; log theirs if it is the reason.

    Blocks may be nested: the innermost one tells, as soon as the error leaves it.
    """
    try:
        yield
    except BaseException as error:
        _end(error)
        raise
    _end(None)


@contextmanager
def watched() -> Iterator[None]:
    """End this process if another one has ended and this one waits for it, until training ends here."""
    _Watch.post()
    try:
        yield
    except BaseException:
        # The engine that reduces gradients is part of a reference cycle, and must be gone before the processes part.
        gc.collect()
        raise
    finally:
        _Watch.dismiss()


@contextmanager
def terminable(is_ending: Callable[[], bool]) -> Iterator[None]:
    """Let SIGTERM end a distributed training like an exception, so that callbacks can close their files.

    Does nothing if the script has a handler of its own, or in a thread, where signals do not arrive.

    Args:
        is_ending: whether training is ending already, so that the signal is ignored.

    Raises:
        SystemExit: 143, as in a shell, when the signal arrives.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if world_size() == 1 or not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> None:
        if not is_ending():
            raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
