"""Whatever is sent, the server answers, with a reason where it refuses; and it keeps what a model of it keeps."""

from __future__ import annotations

import json
import math
import socket
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PUBLISH = "/publish/epoch/end/"
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

numbers = st.integers() | st.floats() | st.just(10**400)
texts = st.text(st.characters(), max_size=20)
leaves = st.none() | st.booleans() | numbers | texts
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
places = st.integers(-1, 3) | st.sampled_from([2**53 - 1, 2**53, None, 1.0])


def nearly(fields):
    """Objects of which some fields are missing, or are anything."""
    return st.fixed_dictionaries({}, optional={name: values | trees for name, values in fields.items()})


points = st.dictionaries(texts, trees, max_size=4).flatmap(
    lambda values: nearly({"epoch": places, "batch": places}).map(lambda place: {**values, **place})
)
begins = nearly({"name": texts, **dict.fromkeys(["epochs", "initial_epoch", "steps", "epoch", "batch"], places)}).map(
    lambda begin: {"begin": begin}
)
ends = nearly({"state": st.sampled_from(["finished", "failed"]), "reason": texts}).map(lambda end: {"end": end})
events = points | begins | ends | trees
bodies = events | st.lists(events, max_size=4)
ids = st.sampled_from(["a", "b"]) | texts
marks = nearly(
    {"run": ids, "sender": ids, "events": st.lists(st.tuples(st.integers(-1, 10), st.floats(0, 10)), max_size=4)}
)
values_of_headers = st.binary(max_size=40).map(lambda value: value.translate(None, b"\0\r\n").strip())


def request(method, path, headers, body):
    lines = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost"]
    lines += [name.encode() + b": " + value for name, value in headers.items()]
    lines += [b"Content-Length: %d" % len(body), b"Connection: close", b"", body]
    return b"\r\n".join(lines)


def answered(monitor, sent):
    """The status and the body of what the server answers until it closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", monitor.port), 10) as client:
        client.sendall(sent)
        try:
            while piece := client.recv(65536):
                received += piece
        except ConnectionResetError:
            assert received
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"\r\ncthulhu-monitor: 1" in head.lower()
    return int(head.split()[1]), body


def check(monitor, sent):
    """It is taken, or refused with a reason; never is it the server's fault."""
    status, body = answered(monitor, sent)
    if status != 204:
        assert 400 <= status < 500, (status, body)
        assert json.loads(body)["reason"].isprintable()
    return status


@SETTINGS
@given(body=bodies, mark=st.none() | marks)
@example(body=10**400, mark=None)
@example(body=[{"epoch": 0, "\ud800": "\0"}], mark={"run": "a", "sender": "a", "events": [[2**53 - 1, 0.0]]})
def test_any_json_is_taken_or_refused_with_a_reason(monitor, body, mark):
    text = _dumps(body)
    headers = {} if mark is None else {"Cthulhu-Event": _dumps(mark).encode()}
    check(monitor, request("POST", PUBLISH, {"Content-Type": b"application/json", **headers}, text.encode()))
    form = urlencode({"data": text}).encode()
    check(monitor, request("POST", PUBLISH, {"Content-Type": b"application/x-www-form-urlencoded", **headers}, form))
    assert monitor.get("/api/runs").status_code == 200


@SETTINGS
@given(
    body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode),
    headers=st.dictionaries(
        st.sampled_from(
            ["Content-Type", "Cthulhu-Event", "Content-Encoding", "Origin", "Sec-Fetch-Site", "Cookie", "Authorization"]
        ),
        st.sampled_from([b"application/json", b"application/x-www-form-urlencoded; charset=x"]) | values_of_headers,
    ),
)
def test_any_bytes_are_refused_with_a_reason(monitor, body, headers):
    check(monitor, request("POST", PUBLISH, {"Content-Type": b"application/json", **headers}, body))


@SETTINGS
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]),
    root=st.sampled_from(["/", "/static/", "/api/", "/api/runs/", "/api/runs?batches=", "/login", PUBLISH]),
    path=st.binary(max_size=20).map(quote) | st.sampled_from(["..%2f..%2fapp.py", "%00", "a" * 5000, "x.csv"]),
)
@example(method="HEAD", root="/api/", path="events")
@example(method="GET", root="/static/", path="%00")
@example(method="GET", root="/static/", path="a" * 5000)
@example(method="GET", root="/static/", path="%ff%fe")
def test_any_path_is_answered(monitor, method, root, path):
    status, body = answered(monitor, request(method, root + path, {}, b""))
    assert status < 500, body
    if status >= 400 and method != "HEAD":
        assert json.loads(body)["reason"]


@SETTINGS
@given(sent=st.lists(st.binary(max_size=30) | st.sampled_from([b"GET / HTTP/1.1\r\n", b"\r\n", b"Host: a\r\n"])))
def test_any_bytes_leave_the_server_well(monitor, sent):
    with socket.create_connection(("127.0.0.1", monitor.port), 10) as client:
        client.sendall(b"".join(sent))
    assert monitor.get("/api/runs").status_code == 200


def _dumps(value):
    """JSON, with integers that Python would not print."""
    return json.dumps(value).replace(str(10**400), "1" + "0" * 400)


# --- a model of what is kept ------------------------------------------------------------------------------------------

small = st.integers(0, 3)
logs = st.dictionaries(st.sampled_from(["loss", "acc", "é"]), st.floats() | st.integers(-9, 9), max_size=2)
point = st.tuples(st.just("point"), small, st.none() | small, logs)
resumed = st.tuples(st.just("begin"), small, small)
sent = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.integers(0, 3), st.lists(point | point | resumed, min_size=1, max_size=4))
)


@settings(SETTINGS, max_examples=50)
@given(requests=sent)
def test_what_is_kept_is_what_a_model_keeps(monitor, requests):
    """Each request is of one of two senders, and begins up to three events before the last one that was taken of it."""
    id = monitor.new_id()
    points: dict[tuple[int, int | None], dict[str, float | None]] = {}
    parts = 0
    taken = [0, 0]
    for sender, again, happened in requests:
        first = max(taken[sender] - again, 0)
        assert monitor.publish(id, *map(_event, happened), sender=f"{id}-{sender}", first=first).status_code == 204
        for number, event in enumerate(happened, first):
            if number < taken[sender]:
                continue
            taken[sender] = number + 1
            if event[0] == "begin":
                parts += 1
                points = {at: values for at, values in points.items() if _place(at) < event[1:]}
            else:
                _, epoch, batch, values = event
                points[epoch, batch] = {name: value if math.isfinite(value) else None for name, value in values.items()}
    if not requests:
        return
    assert monitor.values(id) == points
    run = monitor.run(id)
    assert run["run"]["part"] == parts
    in_order = sorted(points, key=_place)
    assert [(point["epoch"], None) for point in run["epochs"]] == [at for at in in_order if at[1] is None]
    assert [(point["epoch"], point["batch"]) for point in run["batches"]] == [
        at for at in in_order if at[1] is not None
    ]
    rows = monitor.get(f"/api/runs/{id}.csv").text.splitlines()[1:]
    assert [tuple(row.split(",")[:2]) for row in rows] == [
        (str(epoch), "NA" if batch is None else str(batch)) for epoch, batch in in_order
    ]


def _event(happened):
    if happened[0] == "begin":
        return {"begin": {"name": "train", "epoch": happened[1], "batch": happened[2]}}
    _, epoch, batch, values = happened
    return {"epoch": epoch, **({} if batch is None else {"batch": batch}), **values}


def _place(at):
    epoch, batch = at
    return epoch, math.inf if batch is None else batch
