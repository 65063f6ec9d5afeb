"""What there is to say of a run in a line: where it is, how fast, and how long it will still take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from cthulhu_remote.server.runs import Run

EPOCHS_IN_MEAN = 5

#: The index of an epoch, and when it ended in Unix seconds.
Mark = tuple[int, float]


class Summary(TypedDict):
    """A run, as the page and the API have it. Times are Unix seconds."""

    id: str
    name: str
    state: str
    reason: str | None
    begun: float
    updated: float
    ended: float | None
    initial_epoch: int
    epochs: int | None
    steps: int | None
    epoch: int | None
    batch: int | None
    seconds_per_epoch: float | None
    seconds_left: float | None
    part: int


def summarize(run: Run, ends: Sequence[Mark]) -> Summary:
    """Say it.

    Args:
        run: the run.
        ends: its last epochs, one more than ``EPOCHS_IN_MEAN``, in their order.
    """
    marks = _marks(run, ends)
    epoch, batch = where(run)
    return Summary(
        id=run.id,
        name=run.name,
        state=run.state,
        reason=run.reason,
        begun=run.begun,
        updated=run.updated,
        ended=run.ended,
        initial_epoch=run.initial_epoch,
        epochs=run.epochs,
        steps=run.steps,
        epoch=epoch,
        batch=batch,
        seconds_per_epoch=seconds_per_epoch(marks),
        seconds_left=seconds_left(run, marks),
        part=run.part,
    )


def where(run: Run) -> tuple[int | None, int | None]:
    """The epoch in which a run is, or was the last one when it ended, and the last batch known in it."""
    if run.epoch is None or (run.part_epoch is not None and run.last < (run.part_epoch, 0)):
        return run.part_epoch, None
    if run.batch is not None:
        return run.epoch, run.batch
    goes_on = run.state == "training" and (run.epochs is None or run.epoch + 1 < run.epochs)
    return (run.epoch + 1 if goes_on else run.epoch), None


def seconds_per_epoch(marks: Sequence[Mark]) -> float | None:
    """How long the last epochs took in the mean; None before one has ended.

    >>> seconds_per_epoch([(-1, 100.0), (0, 103.0), (1, 105.0)])
    2.5
    """
    if len(marks) < 2:
        return None
    (first, begun), (last, ended) = marks[0], marks[-1]
    # Clocks are set now and then.
    return (ended - begun) / (last - first) if ended >= begun else None


def seconds_left(run: Run, marks: Sequence[Mark]) -> float | None:
    """How long a run will still take, counted from its last event; None if there is no telling."""
    if run.state != "training" or run.epochs is None or not marks:
        return None
    last, ended = marks[-1]
    seconds, since = seconds_per_epoch(marks), max(run.updated - ended, 0.0)
    if seconds is not None:
        return max((run.epochs - 1 - last) * seconds - since, 0.0)
    # In the first epoch, its batches tell.
    if run.steps and run.batch is not None and run.epoch == last + 1 and since > 0:
        done = (run.batch + 1) / run.steps
        return max((run.epochs - run.epoch) / done - 1, 0.0) * since
    return None


def _marks(run: Run, ends: Sequence[Mark]) -> list[Mark]:
    """When the last epochs ended that this part of the run trained, and before them, when the first of them began."""
    if run.part_begun is None or run.part_epoch is None:
        return list(ends)[-EPOCHS_IN_MEAN - 1 :]
    marks = [mark for mark in ends if mark[0] >= run.part_epoch]
    # The first epoch of a run that was resumed within it says nothing of how long an epoch takes.
    if not run.part_batch:
        marks.insert(0, (run.part_epoch - 1, run.part_begun))
    return marks[-EPOCHS_IN_MEAN - 1 :]
