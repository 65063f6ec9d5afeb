"""Parse and validate the events in a request.

The body is either a form with JSON in the field ``data``, as the RemoteMonitor of Keras 2 sends it, or JSON itself. See
values.py for the values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from cthulhu_remote.server import values
from cthulhu_remote.server.errors import Refused
from cthulhu_remote.server.publication import Begin, End, Event, Point, Publication, Timed

EVENTS = 1000
HEADER = "Cthulhu-Event"
STATES = ("finished", "stopped", "failed", "interrupted")

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_FIELDS = 100
_GREATEST = 2**53 - 1
_LATEST = 1e11  # The year 5138, a limit that catches times in milliseconds.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NOT_METRICS = {"epoch", "batch"}


def is_id(text: str) -> bool:
    """Return whether this is a valid id of a run or a sender."""
    return _ID.fullmatch(text) is not None


def check_type(headers: Mapping[str, str]) -> None:
    """Check the type of the body.

    Raises:
        Refused: If it is not supported.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refused(415, f"the Content-Encoding is {encoding[:40]!a}: send the body without an encoding")
    if _type(headers) not in (_FORM, _JSON):
        given = headers.get("content-type")
        what = "there is no Content-Type" if given is None else f"the Content-Type is {given[:80]!a}"
        raise Refused(415, f"{what}: expected {_FORM} with the field data, or {_JSON}")


def publication(headers: Mapping[str, str], body: bytes, peer: str, now: float) -> Publication:
    """Parse the events of a request.

    Args:
        headers: headers of the request, with lower-case names.
        body: body of the request.
        peer: address of the client.
        now: time of events without a time of their own.

    Raises:
        Refused: If the request is invalid.
    """
    sent = values.decode(_json(headers, body), "the body")
    listed = sent if isinstance(sent, list) else [sent]
    if not 1 <= len(listed) <= EVENTS:
        raise Refused(400, f"the list has {len(listed)} events: expected 1 to {EVENTS}; send them in several requests")
    events = [_event(element) for element in listed]
    header = headers.get(HEADER.lower())
    if header is None:
        return Publication(None, None, peer, [Timed(0, now, event) for event in events])
    run, sender, marks = _marks(header, len(events))
    return Publication(run, sender, peer, [Timed(*mark, event) for mark, event in zip(marks, events, strict=True)])


def _type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(headers: Mapping[str, str], body: bytes) -> str:
    """Return the JSON, from the form or from the body."""
    try:
        sent = body.decode("utf-8")
        if _type(headers) == _JSON:
            return sent
        fields = parse_qsl(sent, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8: {error.reason} at byte {error.start}; send UTF-8") from None
    except ValueError:
        raise Refused(400, f"the form has more than {_FIELDS} fields: expected one, data, with JSON") from None
    data = [value for name, value in fields if name == "data"]
    if len(data) != 1:
        raise Refused(400, f"the form has {len(data)} fields data: expected one, with JSON, as in data={{...}}")
    return data[0]


# --- the header -------------------------------------------------------------------------------------------------------


def _marks(header: str, count: int) -> tuple[str, str, list[tuple[int, float]]]:
    """Return the run, the sender, and the number and time of each event."""
    where = f"the header {HEADER}"
    if not header.isascii():
        raise Refused(400, f"{where} has characters that are not ASCII: send JSON with \\u escapes")
    said = values.decode(header, where)
    expected = f'expected {{"run": id, "sender": id, "events": [[number, time], ...]}}, got {header[:80]!a}'
    if not isinstance(said, dict) or not {"run", "sender", "events"} <= said.keys():
        raise Refused(400, f"{where} is incomplete: {expected}")
    for name in ("run", "sender"):
        if not isinstance(said[name], str) or not is_id(said[name]):
            raise Refused(400, f"{where} has {name} {_shown(said[name])}: expected 1 to 64 of A-Z a-z 0-9 _ -")
    marks = said["events"]
    if not isinstance(marks, list) or len(marks) != count:
        length = f"{len(marks)} events" if isinstance(marks, list) else "no list of events"
        raise Refused(400, f"{where} has {length}, the body {count}: expected one [number, time] for each event")
    checked: list[tuple[int, float]] = []
    for mark in marks:
        if not isinstance(mark, list) or len(mark) != 2:
            raise Refused(400, f"{where} has in events {_shown(mark)}: expected [number, time]")
        number = _whole(mark[0], f"{where}: a number of an event")
        if checked and number <= checked[-1][0]:
            raise Refused(400, f"{where} has the number {number} after {checked[-1][0]}: expected numbers that grow")
        checked.append((number, _time(mark[1], where)))
    return said["run"], said["sender"], checked


def _time(value: Any, where: str) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 <= value <= _LATEST:
        raise Refused(400, f"{where} has the time {_shown(value)}: expected Unix seconds, as from time.time()")
    return float(value)


# --- events -----------------------------------------------------------------------------------------------------------


def _event(sent: Any) -> Event:
    if not isinstance(sent, dict):
        raise Refused(400, f'an event is {_shown(sent)}: expected an object, e.g. {{"epoch": 0, "loss": 0.5}}')
    if "epoch" in sent:
        return _point(sent)
    kinds: list[tuple[str, Callable[[dict[str, Any]], Event]]] = [("begin", _begin), ("end", _end)]
    found = [(name, read) for name, read in kinds if name in sent]
    if len(found) != 1:
        raise Refused(400, f"an event has the keys {_shown(list(sent))}: expected one of epoch, begin, end")
    ((name, read),) = found
    if not isinstance(sent[name], dict):
        raise Refused(400, f"{name} is {_shown(sent[name])}: expected an object")
    return read(sent[name])


def _point(sent: dict[str, Any]) -> Point:
    epoch = _whole(sent["epoch"], "epoch")
    batch = _whole_or_none(sent.get("batch"), "batch")
    if len(sent) > values.NAMES + len(_NOT_METRICS):
        raise Refused(400, f"an event has {len(sent)} names: expected at most {values.NAMES}; send fewer values")
    logged = {
        values.checked_name(name): values.kept(value, name) for name, value in sent.items() if name not in _NOT_METRICS
    }
    return Point(epoch, batch, values.encode(logged))


def _begin(sent: dict[str, Any]) -> Begin:
    name = sent.get("name", "unnamed")
    if not isinstance(name, str):
        raise Refused(400, f"the name of the run is {_shown(name)}: expected a text")
    return Begin(
        values.checked_name(name),
        _whole_or_none(sent.get("epochs"), "epochs"),
        _whole(sent.get("initial_epoch", 0), "initial_epoch"),
        _whole_or_none(sent.get("steps"), "steps"),
        _whole(sent.get("epoch", 0), "epoch"),
        _whole(sent.get("batch", 0), "batch"),
    )


def _end(sent: dict[str, Any]) -> End:
    state, reason = sent.get("state"), sent.get("reason")
    if state not in STATES:
        raise Refused(400, f"the state in end is {_shown(state)}: expected one of {', '.join(STATES)}")
    if reason is not None and not isinstance(reason, str):
        raise Refused(400, f"the reason in end is {_shown(reason)}: expected a text or null")
    return End(state, values.kept(reason, "reason"))


def _whole(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _GREATEST:
        raise Refused(400, f"{what} is {_shown(value)}: expected a whole number from 0 to {_GREATEST}")
    return value


def _whole_or_none(value: Any, what: str) -> int | None:
    return None if value is None else _whole(value, what)


def _shown(value: Any) -> str:
    """Return the beginning of ``value``, which may be large, for a message."""
    if isinstance(value, (list, dict)):
        what = f"a list of {len(value)}" if isinstance(value, list) else f"an object with {len(value)} names"
        names = [name[:40] for name in value if isinstance(name, str)][:5]
        return f"{what} ({', '.join(map(ascii, names))})" if names else what
    if isinstance(value, str):
        return ascii(value[:40])
    return repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a huge integer"
