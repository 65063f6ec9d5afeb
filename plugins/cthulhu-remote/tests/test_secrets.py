"""The values of headers, and a password in the address, are shown nowhere and sent to no other server."""

from __future__ import annotations

import io
import logging
import pickle
import traceback
import warnings

import pytest
from matching_warnings import warned
from servers import RESET, TAKE, Server

from cthulhu.callbacks import RemoteMonitor

SECRET = "s3cr3t-t0ken"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": f"id={SECRET}"}
LOGS = [{"loss": 1.0}, {"loss": 0.5}]


@pytest.fixture
def log() -> io.StringIO:
    """Everything that is logged, of requests and urllib3 too, in all detail."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("behaviour", [lambda n: TAKE, lambda n: RESET, lambda n: 401, lambda n: 500, lambda n: 400])
@pytest.mark.parametrize("is_monitor", [True, False])
def test_no_log_warning_or_exception_shows_a_header(train, start, impatient, log, behaviour, is_monitor):
    # The server tells back what it was told.
    server = start(Server(behaviour, is_monitor=is_monitor, reason="" if is_monitor else f"no such token: {SECRET}"))
    monitor = RemoteMonitor(server.url, headers=HEADERS, flush_timeout=0.2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = train(monitor, LOGS)
    said = [str(warning.message) for warning in caught]
    shown = [log.getvalue(), *said, repr(monitor.headers), repr(vars(monitor)), repr(monitor.state_dict())]
    assert not any(SECRET in text for text in shown)
    assert SECRET not in repr(run.state_dict())
    if behaviour(0) == TAKE:
        assert server.taken[0].headers["X-Api-Key"] == SECRET
    else:
        assert said


def test_callback_that_is_pickled_keeps_them():
    assert pickle.loads(pickle.dumps(RemoteMonitor(headers=HEADERS))).headers == HEADERS


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Api-Key": f"{SECRET}\n"[:-1] + "\nX-Other: 1"},
        {"X-Api-Key": f"{SECRET}\u20ac"},
        {"X-Api-Key": [SECRET]},
        {"X Key": SECRET},
        [("X-Api-Key", SECRET)],
    ],
)
def test_refused_headers_are_named_without_their_values(headers):
    with pytest.raises((TypeError, ValueError), match=r"RemoteMonitor\(headers=") as caught:
        RemoteMonitor(headers=headers)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_line_end_that_a_file_left_behind_a_token_is_taken_off(train, start):
    server = start(Server())
    with pytest.raises(ValueError, match="strip"):
        RemoteMonitor(server.url, headers={"X-Api-Key": f"{SECRET}\n"})
    train(RemoteMonitor(server.url, headers={"X-Api-Key": f" {SECRET} "}), LOGS[:1])
    assert server.taken[0].headers["X-Api-Key"] == SECRET


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_to_another_host_does_not_carry_them(train, start, status):
    server = start(Server())
    other = start(Server(redirect=(status, server.url.replace("127.0.0.1", "localhost"))))
    train(RemoteMonitor(other.url, headers=HEADERS), LOGS)
    assert server.epochs == [0, 1]
    for request in server.taken:
        assert SECRET not in repr(request)
        assert not {"Authorization", "X-Api-Key", "Cookie"} & set(request.headers)


def test_redirect_within_the_host_carries_them(train, start):
    server = start(Server())
    server_and_path = f"{server.url}/below"
    first = start(Server())
    first.redirect = (307, "/below")
    train(RemoteMonitor(server_and_path, "", headers=HEADERS), LOGS[:1])
    assert server.taken[0].headers["X-Api-Key"] == SECRET
    with warned("redirects lead nowhere"):
        train(RemoteMonitor(first.url, headers=HEADERS), LOGS[:1])


def test_redirect_to_a_file_or_program_leads_nowhere(train, start):
    server = start(Server(redirect=(307, "file:///etc/passwd")))
    with warned("redirects lead nowhere"):
        train(RemoteMonitor(server.url), LOGS)


def test_password_and_query_of_the_address_are_not_shown(train, log):
    url = f"http://user:{SECRET}@127.0.0.1:9"
    with warned("RemoteMonitor") as messages:
        train(RemoteMonitor(url, f"/in?key={SECRET}", flush_timeout=0.1), LOGS)
    assert not any(SECRET in message for message in messages)
    assert "http://127.0.0.1:9/in: " in messages[-1]
    with pytest.raises(ValueError, match="expected the address of a server") as refused:
        RemoteMonitor(f"ftp://user:{SECRET}@host/?key={SECRET}")
    assert SECRET not in str(refused.value)


def test_password_of_the_address_is_sent_to_the_server(train, start):
    server = start(Server())
    train(RemoteMonitor(server.url.replace("//", "//user:word@")), LOGS[:1])
    assert server.taken[0].headers["Authorization"] == "Basic dXNlcjp3b3Jk"
