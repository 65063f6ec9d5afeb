"""A resumed training is the same run to a monitor, which is told where it goes on."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from servers import Server

from cthulhu.callbacks import Callback, RemoteMonitor
from cthulhu_core import Run, hookimpl


class Killed(Exception):
    pass


def resumed(monitor: RemoteMonitor, state: dict[str, Any], epoch: int, batch: int) -> None:
    """A run of own means that goes on at a place, as a resumed one does."""
    run = Run(SimpleNamespace(), epochs=4, initial_epoch=epoch, callbacks=monitor)
    run.resumed = True
    with run:
        if not batch:
            monitor.load_state_dict(state)
        for number in run.epochs():
            if batch and number == epoch:
                monitor.load_state_dict(state)
            for _ in run.batches([1.0]):
                run.record(loss=1.0)


def test_state_is_plain_and_says_which_run_and_where(start):
    server = start(Server(is_monitor=True))
    monitor = RemoteMonitor(server.url)
    assert monitor.state_dict() == {}
    states = []

    class Save(Callback):
        @hookimpl
        def cthulhu_save_point(self):
            states.append(json.loads(json.dumps(monitor.state_dict())))

    with Run(SimpleNamespace(), epochs=2, callbacks=[monitor, Save()]) as run:
        for _ in run.epochs():
            for _ in run.batches([1.0, 1.0]):
                run.record(loss=1.0)
    places = [(state["epoch"], state["batch"]) for state in states]
    assert places == [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    assert len({state["run"] for state in states}) == 1


@pytest.mark.parametrize("batch", [0, 3])
def test_resumed_run_begins_again_where_the_state_was_taken(start, batch):
    server = start(Server(is_monitor=True))
    resumed(RemoteMonitor(server.url), {"run": "abc", "epoch": 2, "batch": batch}, 2, batch)
    begun = server.payloads[0]["begin"]
    assert (begun["epoch"], begun["batch"]) == (2, batch)
    events = [json.loads(request.headers["Cthulhu-Event"]) for request in server.taken]
    assert {event["run"] for event in events} == {"abc"}
    # Its numbers begin anew: it is another process that sends.
    assert {event["sender"] for event in events} & {"abc"} == set()
    assert server.epochs == [2, 3]


def test_resumed_run_without_a_state_is_a_new_one(start):
    server = start(Server(is_monitor=True))
    resumed(RemoteMonitor(server.url), {}, 1, 0)
    assert "begin" in server.payloads[0]
    assert server.epochs == [1, 2, 3]
