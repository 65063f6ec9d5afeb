"""Where a run is, how fast, and how long it still takes."""

from __future__ import annotations

import pytest

from cthulhu_remote.server.publication import Begin, End, Point
from cthulhu_remote.server.runs import Run
from cthulhu_remote.server.summary import summarize


def summary(*events):
    """What there is to say after events, each with its time."""
    run = Run.new(1, "id", None, events[0][0])
    ends = {}
    for time, event in events:
        if isinstance(event, Begin):
            run.take_begin(event, time)
        elif isinstance(event, Point):
            run.take_point(event, time)
            if event.batch is None:
                ends[event.epoch] = time
        else:
            run.take_end(event, time)
    return summarize(run, sorted(ends.items())[-6:])


def begin(epochs=10, steps=None, epoch=0, batch=0, initial_epoch=0):
    return Begin("train", epochs, initial_epoch, steps, epoch, batch)


def point(epoch, batch=None):
    return Point(epoch, batch, "{}")


FINISHED = End("finished", None)


@pytest.mark.parametrize(
    ("events", "where"),
    [
        ([FINISHED], (None, None)),
        ([begin()], (0, None)),
        ([begin(initial_epoch=4)], (4, None)),
        ([begin(), point(0, 7)], (0, 7)),
        ([begin(), point(0)], (1, None)),
        ([begin(), point(0, 7), point(0)], (1, None)),
        ([begin(), point(0), point(1, 3)], (1, 3)),
        ([begin(epochs=2), point(0), point(1)], (1, None)),
        ([begin(), point(0), point(1), End("stopped", None)], (1, None)),
        ([begin(), point(0), point(1, 3), End("failed", "ValueError")], (1, 3)),
        ([point(0)], (1, None)),
        ([begin(), point(0), begin(epoch=1)], (1, None)),
        ([begin(), point(0), point(1, 3), begin(epoch=1, batch=4)], (1, 3)),
        ([begin(epoch=5, batch=2)], (5, None)),
        ([begin(), point(0), begin(epoch=5)], (5, None)),
    ],
)
def test_epoch_and_batch_in_which_it_is(events, where):
    told = summary(*enumerate(events))
    assert (told["epoch"], told["batch"]) == where


def test_seconds_of_the_first_epoch_count_from_the_begin():
    told = summary((100.0, begin()), (108.0, point(0)))
    assert (told["seconds_per_epoch"], told["seconds_left"]) == (8.0, 72.0)


def test_mean_is_that_of_the_last_five_epochs():
    times = [1000.0, 1001.0, 1003.0, 1006.0, 1010.0, 1015.0]
    told = summary((0.0, begin()), *((time, point(epoch)) for epoch, time in enumerate(times)))
    assert told["seconds_per_epoch"] == 3.0
    assert told["seconds_left"] == 4 * 3.0


def test_epochs_that_did_not_report_count():
    told = summary((0.0, begin()), (20.0, point(1)), (40.0, point(3)))
    assert told["seconds_per_epoch"] == 10.0


def test_time_left_is_counted_from_the_last_event():
    told = summary((0.0, begin(epochs=3, steps=4)), (10.0, point(0)), (14.0, point(1, 1)))
    assert (told["seconds_left"], told["updated"]) == (16.0, 14.0)


def test_epoch_that_takes_longer_than_all_before_leaves_no_less_than_nothing():
    told = summary((0.0, begin(epochs=2)), (10.0, point(0)), (99.0, point(1, 1)))
    assert told["seconds_left"] == 0.0


def test_batches_of_the_first_epoch_tell_how_long_it_takes():
    told = summary((0.0, begin(epochs=2, steps=10)), (4.0, point(0, 1)))
    assert (told["seconds_per_epoch"], told["seconds_left"]) == (None, 36.0)


@pytest.mark.parametrize(
    "events",
    [
        [begin(), point(0), FINISHED],
        [begin(epochs=None), point(0)],
        [begin()],
        [begin(), point(0, 1)],
        [point(0)],
    ],
    ids=["ended", "no last epoch", "nothing", "no steps", "no begin"],
)
def test_time_left_is_not_known(events):
    assert summary(*enumerate(events))["seconds_left"] is None


def test_time_between_two_parts_of_a_run_does_not_count():
    told = summary((0.0, begin()), (1.0, point(0)), (2.0, point(1)), (10_000.0, begin(epoch=2)), (10_003.0, point(2)))
    assert told["seconds_per_epoch"] == 3.0


def test_epoch_in_which_a_run_was_resumed_does_not_count():
    told = summary((0.0, begin()), (5.0, point(0)), (10_000.0, begin(epoch=1, batch=3)), (10_001.0, point(1)))
    assert told["seconds_per_epoch"] is None
    told = summary((0.0, begin()), (9_999.0, begin(epoch=1, batch=3)), (10_001.0, point(1)), (10_003.0, point(2)))
    assert told["seconds_per_epoch"] == 2.0


def test_clock_that_was_set_back_tells_nothing():
    told = summary((100.0, begin()), (50.0, point(0)))
    assert (told["seconds_per_epoch"], told["seconds_left"]) == (None, None)
