"""What pages are told while they listen."""

from __future__ import annotations

import itertools
import socket
import time
from contextlib import suppress

import pytest
import requests


def begin(**fields):
    return {"begin": {"name": "train", "epochs": 3, "steps": 2, **fields}}


def of(id, messages):
    """Messages that tell of a run."""
    return (message for message in messages if id in {run["id"] for run in message["runs"]})


def settled(monitor):
    """Once nothing of what other tests did is left to be told."""
    time.sleep(0.6)
    return monitor


def test_page_is_told_what_has_changed(monitor, listen):
    id = monitor.new_id()
    events = listen(settled(monitor))
    monitor.publish(id, begin(), {"epoch": 0, "batch": 1, "loss": 0.5}, {"epoch": 0, "loss": float("nan")}, at=100.0)
    message = next(of(id, events))
    assert set(message) == {"now", "runs", "points"}
    assert abs(message["now"] - time.time()) < 10
    (listed,) = [run for run in monitor.get("/api/runs").json()["runs"] if run["id"] == id]
    assert message["runs"] == [listed]
    assert message["points"] == [
        {"run": id, "epoch": 0, "batch": 1, "time": 101.0, "values": {"loss": 0.5}},
        {"run": id, "epoch": 0, "batch": None, "time": 102.0, "values": {"loss": None}},
    ]


def test_stream_is_one_of_events(monitor, listen):
    id = monitor.new_id()
    events = listen(settled(monitor))
    assert events.answer.headers["Content-Type"].startswith("text/event-stream")
    assert events.answer.headers["Cache-Control"] == "no-store"
    monitor.publish(id, {"epoch": 0, "text": "a\nb\r\nc\u2028d"})
    lines = list(itertools.islice((line for line in events._lines if line), 2))
    assert lines[0] == b"event: update"
    assert lines[1].startswith(b"data: {")
    assert rb'"text":"a\nb\r\nc' in lines[1]


def test_pages_are_told_the_same_at_most_four_times_a_second(monitor, listen):
    id = monitor.new_id()
    pages = [listen(settled(monitor)) for _ in range(3)]
    for number in range(100):
        monitor.publish(id, {"epoch": 0, "batch": number})
        time.sleep(0.01)
    monitor.publish(id, {"end": {"state": "finished"}})
    told = []
    for page in pages:
        messages, state, batches = [], None, []
        while state != "finished" or len(batches) < 100:  # what is said of a run may be ahead of its points
            message = next(of(id, page))
            messages.append(message)
            state = message["runs"][0]["state"]
            batches += [point["batch"] for point in message["points"]]
        told.append(messages)
        assert batches == list(range(100))
        assert len(messages) <= (messages[-1]["now"] - messages[0]["now"]) / 0.25 + 2
    assert told[0] == told[1] == told[2]


def test_later_point_replaces_one_that_was_not_told_yet(monitor, listen):
    id = monitor.new_id()
    events = listen(settled(monitor))
    monitor.publish(id, {"epoch": 0, "loss": 1}, {"epoch": 0, "loss": 2})
    assert [point["values"] for point in next(of(id, events))["points"]] == [{"loss": 2}]


def test_points_that_a_resumed_run_has_removed_are_not_told(monitor, listen):
    id = monitor.new_id()
    monitor.publish(id, begin())
    events = listen(settled(monitor))
    monitor.publish(id, {"epoch": 0})
    next(of(id, events))
    for event in ({"epoch": 1, "loss": 1}, begin(epoch=1), {"epoch": 1, "loss": 2}):
        monitor.publish(id, event)
    message = next(message for message in of(id, events) if message["runs"][0]["part"] == 2 and message["points"])
    assert message["runs"][0]["part"] == 2
    assert [(point["epoch"], point["values"]) for point in message["points"]] == [(1, {"loss": 2})]


def test_repetition_is_not_told(monitor, listen):
    id = monitor.new_id()
    monitor.publish(id, begin(), first=0)
    events = listen(settled(monitor))
    monitor.publish(id, begin(), first=0)
    monitor.publish(id, {"epoch": 0, "loss": 1}, first=1)
    message = next(of(id, events))
    assert (message["runs"][0]["part"], len(message["points"])) == (1, 1)


@pytest.mark.slow
def test_page_that_takes_nothing_is_disconnected_and_the_others_are_not(start, listen):
    monitor = start()
    slow = socket.create_connection(("127.0.0.1", monitor.port), 10)
    slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert slow.recv(100).startswith(b"HTTP/1.1 200")
    events = iter(listen(monitor))
    values = {f"name {n}": "x" * 9000 for n in range(100)}
    for epoch in range(26):  # what the network holds, and the sixteen messages that wait
        monitor.publish("run", {"epoch": epoch, **values})
        assert next(events)["points"][-1]["epoch"] == epoch
    slow.settimeout(5)
    with suppress(ConnectionError):
        while slow.recv(2**20):  # until it ends
            pass
    slow.close()
    assert monitor.end() == (0, "", "")


def test_pages_too_many_are_refused(start, listen):
    monitor = start()
    pages = [listen(monitor) for _ in range(256)]
    answer = monitor.get("/api/events")
    assert answer.status_code == 429
    assert answer.json()["reason"] == "256 pages are open, the maximum is 256: close some"
    pages[0].close()
    for _ in range(100):
        answer = requests.get(f"{monitor.url}/api/events", stream=True, timeout=10)
        answer.close()
        if answer.status_code == 200:
            break
        time.sleep(0.05)
    assert answer.status_code == 200
    for page in pages:
        page.close()


@pytest.mark.slow
def test_page_is_pinged_when_nothing_happens(start, listen):
    events = listen(start())
    begun = time.monotonic()
    assert next(line for line in events._lines if line).startswith(b": ping")
    assert 10 < time.monotonic() - begun < 20
