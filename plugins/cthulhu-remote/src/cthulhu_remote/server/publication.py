"""What has been published: events, as publish.py reads them and the store takes them."""

from __future__ import annotations

from typing import NamedTuple

#: No position of a batch is greater: the end of an epoch comes after all of its batches.
END_OF_EPOCH = 2**53

Position = tuple[int, int]


class Begin(NamedTuple):
    """A run begins, or goes on, at batch ``batch`` of epoch ``epoch``."""

    name: str
    epochs: int | None
    initial_epoch: int
    steps: int | None
    epoch: int
    batch: int


class Point(NamedTuple):
    """What was logged at the end of an epoch, or, unless ``batch`` is None, of a batch. ``values`` is JSON."""

    epoch: int
    batch: int | None
    values: str

    @property
    def position(self) -> Position:
        """Orders points as they happen."""
        return position(self.epoch, self.batch)


class End(NamedTuple):
    """A run has ended."""

    state: str
    reason: str | None


Event = Begin | Point | End


class Timed(NamedTuple):
    """An event, when it happened in Unix seconds, and its number among those of its sender."""

    number: int
    time: float
    event: Event


class Publication(NamedTuple):
    """The events of one request.

    ``run`` and ``sender`` are None where the request has not said them: the events belong to an anonymous run of
    ``peer``, the address it came from.
    """

    run: str | None
    sender: str | None
    peer: str
    events: list[Timed]


def position(epoch: int, batch: int | None) -> Position:
    """Where in a run this is.

    >>> position(3, 17) < position(3, None) < position(4, 0)
    True
    """
    return epoch, END_OF_EPOCH if batch is None else batch
