"""The events of a request, as publish.py returns them and the store accepts them."""

from __future__ import annotations

from typing import NamedTuple

#: The position of the end of an epoch, after all of its batches.
END_OF_EPOCH = 2**53

Position = tuple[int, int]


class Begin(NamedTuple):
    """A run begins or resumes at batch ``batch`` of epoch ``epoch``."""

    name: str
    epochs: int | None
    initial_epoch: int
    steps: int | None
    epoch: int
    batch: int


class Point(NamedTuple):
    """The logs of an epoch, or of a batch if ``batch`` is not None. ``values`` is JSON."""

    epoch: int
    batch: int | None
    values: str

    @property
    def position(self) -> Position:
        """The position of the point, for sorting."""
        return position(self.epoch, self.batch)


class End(NamedTuple):
    """The end of a run."""

    state: str
    reason: str | None


Event = Begin | Point | End


class Timed(NamedTuple):
    """An event, its time in Unix seconds, and its number among those of its sender."""

    number: int
    time: float
    event: Event


class Publication(NamedTuple):
    """The events of one request.

    If ``run`` and ``sender`` are None, the request did not name them: the events belong to an anonymous run of
    ``peer``, the address of the client.
    """

    run: str | None
    sender: str | None
    peer: str
    events: list[Timed]


def position(epoch: int, batch: int | None) -> Position:
    """Return the position in a run, for sorting.

    >>> position(3, 17) < position(3, None) < position(4, 0)
    True
    """
    return epoch, END_OF_EPOCH if batch is None else batch
