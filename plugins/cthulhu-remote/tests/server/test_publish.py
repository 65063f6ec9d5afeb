"""What may be published, in which forms, and what is kept of it."""

from __future__ import annotations

import json
import math
import socket
import time

import pytest
import requests
from requests.adapters import HTTPAdapter

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PUBLISH = "/publish/epoch/end/"


def newest(monitor):
    return monitor.run(monitor.get("/api/runs").json()["runs"][0]["id"])


def begin(monitor, name="train", **fields):
    """Begin an anonymous run: what follows belongs to it, and not to that of another test."""
    assert monitor.post({"begin": {"name": name, **fields}}).status_code == 204


# --- forms of a request -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PUBLISH, PUBLISH.rstrip("/")])
def test_epoch_is_taken_as_keras_sends_it(monitor, path):
    begin(monitor)
    logs = {"epoch": 0, "loss": float("nan"), "acc": 0.5}
    answer = requests.post(monitor.url + path, {"data": json.dumps(logs)}, timeout=10)
    assert (answer.status_code, answer.content, answer.headers["Cthulhu-Monitor"]) == (204, b"", "1")
    (point,) = newest(monitor)["epochs"]
    assert point["values"] == {"loss": None, "acc": 0.5}
    assert (point["epoch"], point["batch"]) == (0, None)
    assert abs(point["time"] - time.time()) < 60


def test_epoch_is_taken_as_keras_sends_it_as_json(monitor):
    begin(monitor)
    answer = requests.post(monitor.url + PUBLISH, json={"epoch": 0, "loss": 0.25}, timeout=10)
    assert answer.status_code == 204
    assert newest(monitor)["epochs"][0]["values"] == {"loss": 0.25}


@pytest.mark.parametrize(
    "body",
    [
        'data={"epoch":0,"näme":0.5}'.encode(),
        b"data=%7B%22epoch%22%3A0%2C%22n%C3%A4me%22%3A0.5%7D",
        b"other=&data=%7B%22epoch%22%3a+0%2C+%22n%c3%a4me%22:0.5%7D&more=1",
    ],
    ids=["as curl sends it", "as browsers encode it", "among other fields"],
)
def test_form_is_read(monitor, body):
    begin(monitor)
    answer = monitor.session.post(monitor.url + PUBLISH, body, headers=FORM, timeout=10)
    assert answer.status_code == 204, answer.text
    assert newest(monitor)["epochs"][0]["values"] == {"näme": 0.5}


def test_list_of_events_is_taken_in_its_order(monitor):
    id = monitor.new_id()
    events = [
        {"begin": {"name": "fit", "epochs": 2, "initial_epoch": 0, "steps": 2, "epoch": 0, "batch": 0}},
        {"epoch": 0, "batch": 0, "size": 64, "loss": 1.0},
        {"epoch": 0, "batch": 1, "size": 64, "loss": 0.5},
        {"epoch": 0, "loss": 0.75},
        {"end": {"state": "failed", "reason": "ValueError"}},
    ]
    assert monitor.publish(id, *events, at=100.0).status_code == 204
    run = monitor.run(id)
    assert run["epochs"] == [{"epoch": 0, "batch": None, "time": 103.0, "values": {"loss": 0.75}}]
    assert run["batches"] == [
        {"epoch": 0, "batch": 0, "time": 101.0, "values": {"size": 64, "loss": 1.0}},
        {"epoch": 0, "batch": 1, "time": 102.0, "values": {"size": 64, "loss": 0.5}},
    ]
    assert {name: run["run"][name] for name in ("name", "state", "reason", "begun", "updated", "ended", "part")} == {
        "name": "fit",
        "state": "failed",
        "reason": "ValueError",
        "begun": 100.0,
        "updated": 104.0,
        "ended": 104.0,
        "part": 1,
    }


def test_a_thousand_events_are_taken_at_once(monitor):
    id = monitor.new_id()
    assert monitor.publish(id, *({"epoch": 0, "batch": n, "loss": n} for n in range(1000))).status_code == 204
    assert [point["values"]["loss"] for point in monitor.run(id)["batches"]] == list(range(1000))


def test_large_body_is_taken(monitor):
    id = monitor.new_id()
    text = "x" * 10_000
    assert monitor.publish(id, {"epoch": 0, **{f"text {n}": text for n in range(100)}}).status_code == 204
    assert monitor.values(id)[0, None] == {f"text {n}": text for n in range(100)}


def test_options_says_what_is_allowed(monitor):
    answer = requests.options(monitor.url + PUBLISH, timeout=10)
    assert (answer.status_code, answer.headers["Allow"]) == (204, "POST, OPTIONS")
    assert answer.headers["Cthulhu-Monitor"] == "1"


def test_body_in_pieces_is_put_together(monitor):
    begin(monitor)
    body = b'{"epoch":0,"loss":0.125}'
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", monitor.port), 10) as client:
        client.sendall(
            f"POST {PUBLISH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for at in range(0, len(pieces), 7):
            client.sendall(pieces[at : at + 7])
        assert client.recv(1000).startswith(b"HTTP/1.1 204")
    assert newest(monitor)["epochs"][0]["values"] == {"loss": 0.125}


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0.1", 0.1),
        ("-17", -17),
        ("9007199254740993", 9007199254740993),
        ("1" + "0" * 30, 1e30),
        ("1" + "0" * 400, None),
        ("-1" + "0" * 400, None),
        ("7" * 5000, None),
        ("1e999", None),
        ("NaN", None),
        ("Infinity", None),
        ("-Infinity", None),
        ("null", None),
        ("true", True),
        ('"a text"', "a text"),
        ('"\\ud800\\u0000"', "\ufffd\ufffd"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("[1, NaN, [2]]", [1, None, [2]]),
        ('{"a": {"b": Infinity}}', {"a": {"b": None}}),
        ("[[[[[[[[1]]]]]]]]", [[[[[[[[1]]]]]]]]),
    ],
)
def test_value_is_kept(monitor, sent, kept):
    begin(monitor)
    assert monitor.post(f'{{"epoch": 0, "value": {sent}}}').status_code == 204
    (point,) = newest(monitor)["epochs"]
    assert point["values"] == {"value": kept}
    assert type(point["values"]["value"]) is type(kept)


def test_last_of_two_values_of_one_name_is_kept(monitor):
    begin(monitor)
    assert monitor.post('{"epoch": 7, "loss": 1, "epoch": 0, "loss": 2}').status_code == 204
    assert newest(monitor)["epochs"][0]["values"] == {"loss": 2}


def test_names_may_be_any_text(monitor):
    begin(monitor)
    names = {"": 1, "begin": 2, "end": 3, "';DROP TABLE runs": 4, "a" * 200: 5, "\U0001f600": 6, "\x00\ud800": 7}
    assert monitor.post({"epoch": 0, **names}).status_code == 204
    assert newest(monitor)["epochs"][0]["values"] == {**dict(list(names.items())[:-1]), "\ufffd\ufffd": 7}


def test_five_hundred_names_are_kept(monitor):
    begin(monitor)
    names = {f"name {n}": n for n in range(500)}
    assert monitor.post({"epoch": 0, "batch": 3, **names}).status_code == 204
    assert newest(monitor)["batches"][0]["values"] == names


def test_greatest_position_is_kept(monitor):
    id = monitor.new_id()
    greatest = 2**53 - 1
    assert monitor.publish(id, {"epoch": greatest, "batch": greatest}, {"epoch": greatest}).status_code == 204
    assert monitor.values(id) == {(greatest, greatest): {}, (greatest, None): {}}
    assert len(monitor.get(f"/api/runs/{id}.csv").text.splitlines()) == 3


# --- anonymous runs ---------------------------------------------------------------------------------------------------


def test_positions_that_go_on_belong_to_one_anonymous_run(monitor):
    begin(monitor, name="first")
    events = [{"epoch": 0, "batch": 0}, {"epoch": 0, "batch": 5}, {"epoch": 0}, {"epoch": 1, "batch": 0}, {"epoch": 1}]
    for event in events:
        assert monitor.post(event).status_code == 204
    run = newest(monitor)
    assert run["run"]["name"] == "first"
    assert [point["epoch"] for point in run["epochs"]] == [0, 1]
    assert [(point["epoch"], point["batch"]) for point in run["batches"]] == [(0, 0), (0, 5), (1, 0)]


@pytest.mark.parametrize("again", [{"epoch": 1}, {"epoch": 0}, {"epoch": 1, "batch": 99}, {"epoch": 0, "batch": 0}])
def test_position_that_is_not_after_the_last_one_begins_an_anonymous_run(monitor, again):
    begin(monitor, name="first")
    assert monitor.post([{"epoch": 1, "loss": 1}, {**again, "loss": 2}]).status_code == 204
    second, first = monitor.get("/api/runs").json()["runs"][:2]
    assert (first["name"], second["name"], second["part"]) == ("first", "unnamed", 0)
    assert [point["values"] for point in monitor.run(first["id"])["epochs"]] == [{"loss": 1}]
    run = monitor.run(second["id"])
    assert [point["values"] for point in run["epochs"] + run["batches"]] == [{"loss": 2}]


def test_epoch_after_the_end_begins_an_anonymous_run(monitor):
    begin(monitor)
    assert monitor.post([{"epoch": 0}, {"end": {"state": "finished"}}]).status_code == 204
    first = newest(monitor)
    assert monitor.post({"epoch": 1}).status_code == 204
    assert newest(monitor)["run"]["id"] != first["run"]["id"]
    assert monitor.run(first["run"]["id"]) == first


@pytest.mark.skipif(not hasattr(socket, "SO_DOMAIN"), reason="only Linux has all of 127.0.0.0/8")
def test_anonymous_runs_of_two_addresses_are_two(monitor):
    class From(HTTPAdapter):
        def __init__(self, address):
            self.address = address
            super().__init__()

        def init_poolmanager(self, *args, **options):
            super().init_poolmanager(*args, **options, source_address=(self.address, 0))

    for epoch in range(3):
        for last in (7, 8):
            with requests.Session() as session:
                session.mount("http://", From(f"127.0.0.{last}"))
                event = {"epoch": epoch, "from": last}
                assert session.post(monitor.url + PUBLISH, json=event, timeout=10).status_code == 204
    newest_two = [monitor.run(run["id"])["epochs"] for run in monitor.get("/api/runs").json()["runs"][:2]]
    assert [[point["values"]["from"] for point in epochs] for epochs in newest_two] == [[8, 8, 8], [7, 7, 7]]


def test_time_of_an_event_that_does_not_say_it_is_now(monitor):
    before = math.floor(time.time())
    begin(monitor)
    assert monitor.post({"epoch": 0}).status_code == 204
    run = newest(monitor)
    begun, updated = run["run"]["begun"], run["run"]["updated"]
    assert before <= begun <= run["epochs"][0]["time"] == updated <= time.time()
