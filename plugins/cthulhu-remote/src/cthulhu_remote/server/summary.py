"""The summary of a run: its position, its speed, and the time left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from cthulhu_remote.server.runs import Run

EPOCHS_IN_MEAN = 5

#: The index of an epoch, and the time of its end in Unix seconds.
Mark = tuple[int, float]


class Summary(TypedDict):
    """A run in the page and the API. Times are Unix seconds."""

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
    """Return the summary of a run.

    Args:
        run: the run.
        ends: its last ``EPOCHS_IN_MEAN + 1`` epochs, in order.
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
    """Return the current epoch of a run, or its last one if it ended, and the last known batch of that epoch."""
    if run.epoch is None or (run.part_epoch is not None and run.last < (run.part_epoch, 0)):
        return run.part_epoch, None
    if run.batch is not None:
        return run.epoch, run.batch
    goes_on = run.state == "training" and (run.epochs is None or run.epoch + 1 < run.epochs)
    return (run.epoch + 1 if goes_on else run.epoch), None


def seconds_per_epoch(marks: Sequence[Mark]) -> float | None:
    """Return the mean duration of the last epochs, or None before the end of the first.

    >>> seconds_per_epoch([(-1, 100.0), (0, 103.0), (1, 105.0)])
    2.5
    """
    if len(marks) < 2:
        return None
    (first, begun), (last, ended) = marks[0], marks[-1]
    # A clock may have been set back.
    return (ended - begun) / (last - first) if ended >= begun else None


def seconds_left(run: Run, marks: Sequence[Mark]) -> float | None:
    """Return the time left of a run, counted from its last event, or None if it is unknown."""
    if run.state != "training" or run.epochs is None or not marks:
        return None
    last, ended = marks[-1]
    seconds, since = seconds_per_epoch(marks), max(run.updated - ended, 0.0)
    if seconds is not None:
        return max((run.epochs - 1 - last) * seconds - since, 0.0)
    # In the first epoch, estimate from its batches.
    if run.steps and run.batch is not None and run.epoch == last + 1 and since > 0:
        done = (run.batch + 1) / run.steps
        return max((run.epochs - run.epoch) / done - 1, 0.0) * since
    return None


def _marks(run: Run, ends: Sequence[Mark]) -> list[Mark]:
    """Return the ends of the last epochs since the run last began, preceded by the beginning of the first of them."""
    if run.part_begun is None or run.part_epoch is None:
        return list(ends)[-EPOCHS_IN_MEAN - 1 :]
    marks = [mark for mark in ends if mark[0] >= run.part_epoch]
    # A run resumed in the middle of an epoch did not train all of it, so it does not count.
    if not run.part_batch:
        marks.insert(0, (run.part_epoch - 1, run.part_begun))
    return marks[-EPOCHS_IN_MEAN - 1 :]
