"""What is refused, with which status, and what the reason says."""

from __future__ import annotations

import json
import socket

import pytest

PUBLISH = "/publish/epoch/end/"
JSON = "application/json"


def refused(answer, status):
    """The reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == JSON
    assert answer.headers["Cthulhu-Monitor"] == "1"
    assert list(answer.json()) == ["reason"]
    return answer.json()["reason"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the body is not JSON: Expecting value at character 0"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not UTF-8: invalid start byte at byte 0; send UTF-8"),
        (b"[" * 100_000, "the body has lists or objects in more than 8 levels: send numbers"),
        (b"[" * 500_000 + b"]" * 500_000, "the body has lists or objects in more than 8 levels"),
        (b'{"a":' * 100_000, "the body has lists or objects in more than 8 levels"),
        (b"7" * 100_000, "an event is inf: expected an object"),
        (b"[]", "the list has 0 events: expected 1 to 1000"),
        ([{"epoch": 0}] * 1001, "the list has 1001 events: expected 1 to 1000; send them in several requests"),
        (b"null", 'an event is None: expected an object, e.g. {"epoch": 0, "loss": 0.5}'),
        ([[]], "an event is a list of 0: expected an object"),
        ({}, "an event has the keys a list of 0: expected one of epoch, begin, end"),
        ({"loss": 0.5}, "an event has the keys a list of 1 ('loss'): expected one of epoch, begin, end"),
        ({"begin": {}, "end": {}}, "expected one of epoch, begin, end"),
        ({"epoch": None}, "epoch is None: expected a whole number from 0 to 9007199254740991"),
        ({"epoch": -1}, "epoch is -1: expected a whole number"),
        ({"epoch": 1.5}, "epoch is 1.5: expected a whole number"),
        ({"epoch": True}, "epoch is True: expected a whole number"),
        ({"epoch": "3"}, "epoch is '3': expected a whole number"),
        ({"epoch": 2**53}, "epoch is 9007199254740992: expected a whole number"),
        ({"epoch": 10**100}, "epoch is a huge integer: expected a whole number"),
        ({"epoch": 10**400}, "epoch is inf: expected a whole number"),
        ({"epoch": 0, "batch": 10**400}, "batch is inf: expected a whole number"),
        ({"epoch": 0, "batch": -1}, "batch is -1: expected a whole number"),
        (b'{"epoch": 0, "batch": NaN}', "batch is nan: expected a whole number"),
        ({"epoch": 0, "x": [[[[[[[[[1]]]]]]]]]}, "'x' has lists or objects in more than 8 levels"),
        ({"epoch": 0, **{str(n): n for n in range(600)}}, "an event has 601 names: expected at most 500"),
        ({"epoch": 0, "n" * 201: 1}, "has 201 characters: expected at most 200; send it under a shorter name"),
        ({"epoch": 0, "x": {"n" * 201: 1}}, "has 201 characters: expected at most 200"),
        ({"epoch": 0, "x": "t" * 10_001}, "the text 'x' has 10001 characters: expected at most 10000"),
        ({"begin": []}, "begin is a list of 0: expected an object"),
        ({"begin": {"name": 3}}, "the name of the run is 3: expected a text"),
        ({"begin": {"name": "n" * 201}}, "has 201 characters: expected at most 200"),
        ({"begin": {"epochs": "30"}}, "epochs is '30': expected a whole number"),
        ({"begin": {"steps": -1}}, "steps is -1: expected a whole number"),
        ({"begin": {"initial_epoch": None}}, "initial_epoch is None: expected a whole number"),
        ({"begin": {"epoch": 0.5}}, "epoch is 0.5: expected a whole number"),
        ({"end": None}, "end is None: expected an object"),
        (
            {"end": {"state": "done"}},
            "the state in end is 'done': expected one of finished, stopped, failed, interrupted",
        ),
        ({"end": {"state": ["failed"]}}, "the state in end is a list of 1 ('failed')"),
        ({"end": {"state": "failed", "reason": 3}}, "the reason in end is 3: expected a text or null"),
    ],
)
def test_body_is_refused(monitor, body, reason):
    assert reason in refused(monitor.post(body), 400)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the form has 0 fields data: expected one, with JSON"),
        (b"date={}", "the form has 0 fields data"),
        (b"data={}&data={}", "the form has 2 fields data"),
        (b"data=%ff", "the body is not UTF-8: invalid start byte at byte 0"),
        (b"\xff", "the body is not UTF-8"),
        (b"data=%7", "the body is not JSON"),
        (b"&".join([b"a="] * 200), "the form has more than 100 fields: expected one, data, with JSON"),
    ],
)
def test_form_is_refused(monitor, body, reason):
    answer = monitor.post(body, **{"Content-Type": "application/x-www-form-urlencoded"})
    assert reason in refused(answer, 400)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "the header Cthulhu-Event is not JSON"),
        ("é", "the header Cthulhu-Event has characters that are not ASCII: send JSON with \\u escapes"),
        ("[" * 20_000, "the header Cthulhu-Event has lists or objects in more than 8 levels"),
        ("[]", 'is incomplete: expected {"run": id, "sender": id, "events": [[number, time], ...]}, got \'[]\''),
        ('{"run":"a","sender":"b"}', "is incomplete"),
        ('{"run":"a b","sender":"b","events":[[0,0]]}', "has run 'a b': expected 1 to 64 of A-Z a-z 0-9 _ -"),
        ('{"run":"a","sender":"","events":[[0,0]]}', "has sender '': expected 1 to 64"),
        ('{"run":"a\\n","sender":"b","events":[[0,0]]}', "has run 'a\\n': expected 1 to 64"),
        ('{"run":"\\u0661","sender":"b","events":[[0,0]]}', "expected 1 to 64"),
        (f'{{"run":"{"a" * 65}","sender":"b","events":[[0,0]]}}', "expected 1 to 64"),
        ('{"run":7,"sender":"b","events":[[0,0]]}', "has run 7: expected 1 to 64"),
        (
            '{"run":"a","sender":"b","events":[]}',
            "has 0 events, the body 2: expected one [number, time] for each event",
        ),
        ('{"run":"a","sender":"b","events":7}', "has no list of events, the body 2"),
        ('{"run":"a","sender":"b","events":[[0,0],7]}', "has in events 7: expected [number, time]"),
        ('{"run":"a","sender":"b","events":[[0,0],[1]]}', "has in events a list of 1: expected [number, time]"),
        ('{"run":"a","sender":"b","events":[[1,0],[1,0]]}', "has the number 1 after 1: expected numbers that grow"),
        ('{"run":"a","sender":"b","events":[[1,0],[0,0]]}', "has the number 0 after 1"),
        ('{"run":"a","sender":"b","events":[[-1,0],[0,0]]}', "a number of an event is -1: expected a whole number"),
        ('{"run":"a","sender":"b","events":[[0,NaN],[1,0]]}', "has the time nan: expected Unix seconds"),
        ('{"run":"a","sender":"b","events":[[0,true],[1,0]]}', "has the time True: expected Unix seconds"),
        ('{"run":"a","sender":"b","events":[[0,1e12],[1,0]]}', "has the time 1000000000000.0: expected Unix seconds"),
        ('{"run":"a","sender":"b","events":[[0,-1],[1,0]]}', "has the time -1: expected Unix seconds"),
    ],
)
def test_header_is_refused(monitor, header, reason):
    answer = monitor.post([{"epoch": 0}, {"epoch": 1}], **{"Cthulhu-Event": header.encode()})
    assert reason in refused(answer, 400)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (
            {"Content-Type": "text/plain"},
            "the Content-Type is 'text/plain': expected application/x-www-form-urlencoded",
        ),
        ({"Content-Type": "multipart/form-data; boundary=x"}, "the Content-Type is 'multipart/form-data; boundary=x'"),
        ({"Content-Type": ""}, "the Content-Type is '': expected"),
        ({"Content-Type": None}, "there is no Content-Type: expected"),
        ({"Content-Encoding": "gzip"}, "the Content-Encoding is 'gzip': send the body without an encoding"),
    ],
)
def test_type_of_the_body_is_refused(monitor, headers, reason):
    assert reason in refused(monitor.post(b'{"epoch": 0}', **headers), 415)


def test_type_may_say_its_charset(monitor):
    assert monitor.post({"epoch": 0}, **{"Content-Type": "Application/JSON; charset=utf-8"}).status_code == 204


def test_refused_list_leaves_nothing(monitor):
    id = monitor.new_id()
    refused(monitor.publish(id, {"epoch": 0}, {"epoch": -1}), 400)
    assert "there is no run" in refused(monitor.get(f"/api/runs/{id}"), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_method_is_refused(monitor, method):
    answer = monitor.session.request(method, monitor.url + PUBLISH, timeout=10)
    assert f"this path does not support {method}" in refused(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize(
    "path", ["/nix", "/publish", "/api/runs/", "/api/runs/a/b", "/static/nix.js", "/static/../app.py"]
)
def test_path_is_refused(monitor, path):
    assert "there is nothing at this path" in refused(monitor.get(path), 404)


@pytest.mark.parametrize("id", ["nix", "a b", "%ff", "'; DROP TABLE runs; --", "a" * 1000])
def test_run_that_is_not_there_is_refused(monitor, id):
    for path in (f"/api/runs/{id}", f"/api/runs/{id}.csv"):
        assert "there is no run" in refused(monitor.get(path), 404)


@pytest.mark.parametrize("batches", ["-1", "x", "1.5", "9" * 10, "\u0661"])
def test_number_of_batches_is_refused(monitor, batches):
    answer = monitor.get("/api/runs/any", params={"batches": batches})
    assert "expected a maximum number of batches, e.g. batches=2000" in refused(answer, 400)


# --- size -------------------------------------------------------------------------------------------------------------


def exchange(monitor, *sent):
    """What a server answers until it closes, or waits, and how many pieces could be sent."""
    count = 0
    received = b""
    with socket.create_connection(("127.0.0.1", monitor.port), 5) as client:
        try:
            for piece in sent:
                client.sendall(piece)
                count += 1
        except OSError:
            pass
        client.settimeout(1)
        try:
            while piece := client.recv(65536):
                received += piece
        except OSError:
            pass
    return received, count


def head(*headers):
    return "\r\n".join(
        [f"POST {PUBLISH} HTTP/1.1", "Host: localhost", f"Content-Type: {JSON}", *headers, "", ""]
    ).encode()


def test_large_body_is_refused_and_its_sender_may_go_on(monitor):
    assert "the body has 1048577 bytes, but at most 1048576 bytes are allowed" in refused(
        monitor.post(b" " * (2**20 + 1)), 413
    )
    assert monitor.post(json.dumps({"epoch": 0}) + " " * (2**20 - 12)).status_code == 204


def test_large_body_is_refused_before_it_has_come(monitor):
    received, _ = exchange(monitor, head(f"Content-Length: {2**40}"))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in received.lower()


def test_body_without_end_is_not_read_on(monitor):
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    received, count = exchange(monitor, head("Transfer-Encoding: chunked"), *[piece] * 1000)
    assert (
        received.startswith(b"HTTP/1.1 413 ") or not received
    )  # a connection that is reset may lose what was on its way
    assert count < 500


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        head("Content-Length: x"),
        head("Content-Length: -1"),
        head("Content-Length: 1", "Content-Length: 2"),
        head("Content-Length: 1", "Transfer-Encoding: chunked"),
        head("X: " + "y" * 600_000),
        head(*["X: y"] * 100_000),
        b"GET /" + b"x" * 600_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(monitor, request_):
    received, _ = exchange(monitor, request_)
    assert received.startswith(b"HTTP/1.1 400 ")
    headers, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\ncthulhu-monitor: 1\r\n" in headers.lower()
    assert b"this is not an HTTP request" in json.loads(body)["reason"].encode()


@pytest.mark.parametrize(
    "begin", [b"GET / HTTP/1.1\r\nX: ", b"GET /", b"G" * 100, head("Transfer-Encoding: chunked") + b"0\r\nX: "]
)
def test_what_never_ends_is_not_read_on(monitor, begin):
    received, count = exchange(monitor, begin, *[b"x" * 65536] * 1000)
    assert count < 500
    assert received[:13] in (b"HTTP/1.1 400 ", b"")


def test_client_that_goes_leaves_nothing(start):
    monitor = start()
    for sent in (head("Content-Length: 100") + b'{"epoch":', head("Content-Length: 12") + b'{"epoch": 0}'):
        with socket.create_connection(("127.0.0.1", monitor.port), 5) as client:
            client.sendall(sent)
    for path in ("/api/runs", "/api/events"):
        with socket.create_connection(("127.0.0.1", monitor.port), 5) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    (run,) = monitor.get("/api/runs").json()["runs"]
    assert [point["epoch"] for point in monitor.run(run["id"])["epochs"]] == [0]
    assert monitor.end() == (0, "", "")


# --- too many runs ----------------------------------------------------------------------------------------------------


def test_run_too_many_is_refused_and_the_others_go_on(start):
    monitor = start("--max-runs=2")
    assert monitor.publish("a", {"epoch": 0}).status_code == 204
    assert monitor.publish("b", {"epoch": 0}).status_code == 204
    reason = refused(monitor.publish("c", {"epoch": 0}, sender="of-c", first=1), 409)
    assert reason.startswith("the store has 2 runs of at most 2: begin a new file (--store) or allow more")
    assert "the store has 2 runs" in refused(monitor.post({"epoch": 0}), 409)
    assert monitor.publish("a", {"epoch": 1}).status_code == 204
    assert [run["id"] for run in monitor.get("/api/runs").json()["runs"]] == ["b", "a"]
    monitor.end()
    # What was refused has not been taken, and may be sent again.
    monitor = start("--max-runs=3")
    assert monitor.publish("c", {"epoch": 0}, sender="of-c", first=1).status_code == 204
    assert monitor.values("c") == {(0, None): {}}


def test_list_that_would_begin_a_run_too_many_leaves_nothing(start):
    monitor = start("--max-runs=2")
    assert monitor.post([{"epoch": 0}, {"epoch": 1}]).status_code == 204
    refused(monitor.post([{"epoch": 2}, {"epoch": 0}, {"epoch": 1}, {"epoch": 0}]), 409)
    (run,) = monitor.get("/api/runs").json()["runs"]
    assert [point["epoch"] for point in monitor.run(run["id"])["epochs"]] == [0, 1]
