"""What all hook calls of one run share: how failures are reported, and whether the main process is on its own.

An exception of a participant gets a note that names the participant, the hook and the position, and ends the run. If
the participant says ``on_error = "disable"``, the exception is logged instead, and the third in a row in one hook takes
the participant out of the run. An exception in ``train_begin`` always ends the run, so that mistakes show before
training and not after it. Interrupts always end the run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cthulhu_core.distributed.ranks import rank, world_size
from cthulhu_core.installed.participant import Participant

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Run

logger = logging.getLogger("cthulhu")

FAILURES_IN_A_ROW = 3


class CallContext:
    """What all hook calls of ``run`` share.

    Attributes:
        is_alone: whether a participant is being called that exists in the main process only.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.is_alone = False

    def note(self, error: BaseException, participant: Participant | None, hook: str) -> None:
        """Add a note to ``error`` that says whose it is and where it happened.

        Python 3.10 keeps notes but does not print them.
        """
        if isinstance(error, (KeyboardInterrupt, SystemExit)) or participant is None:
            return
        where = f", rank {rank()}" if world_size() > 1 else ""
        note = f"in {participant}, hook {hook}{self._run.position()}{where}"
        notes = [*getattr(error, "__notes__", ()), note]
        error.__notes__ = notes  # type: ignore[attr-defined]

    def forgive(self, error: Exception, participant: Participant, hook: str, count: int) -> None:
        """Log a failure of an observer, and take the observer out of the run after too many."""
        self.note(error, participant, hook)
        logger.error(
            "%s failed in hook %s%s; training continues (failure %d of %d in a row)",
            participant, hook, self._run.position(), count, FAILURES_IN_A_ROW, exc_info=error,
        )  # fmt: skip
        if count >= FAILURES_IN_A_ROW:
            participant.disabled = True
