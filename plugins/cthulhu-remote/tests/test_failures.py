"""Servers that misbehave: training ends normally, and where the server recovers every event comes once, in order."""

from __future__ import annotations

import ssl
import threading
import time
import warnings
from collections.abc import Callable

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matching_warnings import warned
from servers import HANG, RESET, TAKE, TAKE_AND_RESET, Server, closed_port

from cthulhu.callbacks import Callback, RemoteMonitor

LOGS = [{"loss": float(epoch)} for epoch in range(5)]


class Wait(Callback):
    """Waits at the end of an epoch, so that a warning has its cause by the next."""

    def __init__(self, until: Callable[[], object], epoch: int = 0) -> None:
        self.until = until
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs):
        if epoch == self.epoch:
            deadline = time.monotonic() + 20
            while not self.until():
                assert time.monotonic() < deadline
                time.sleep(0.005)


def test_server_that_fails_for_a_while_gets_everything_in_order_once(train, start, impatient):
    server = start(Server(lambda number: TAKE if number >= 4 else [500, 503, 502, 429][number]))
    monitor = RemoteMonitor(server.url)
    with warned("RemoteMonitor cannot deliver") as messages:
        train([monitor, Wait(lambda: server.taken, 2)], LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]
    (message,) = messages
    assert message.startswith(f"RemoteMonitor cannot deliver to {server.url}/publish/epoch/end/: it answers ")
    assert message.endswith("waiting events are sent when possible")


def test_server_that_resets_connections_gets_everything_in_order_once(train, start, impatient):
    server = start(Server(lambda number: TAKE if number % 3 == 2 else RESET))
    with warned("Connection reset by peer|without an answer"):
        train([RemoteMonitor(server.url), Wait(lambda: server.taken, 1)], LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]


def test_server_that_is_slow_delays_nothing_but_its_own_events(train, start):
    server = start(Server(delay=0.4))
    took = []

    class Stopwatch(Callback):
        def on_epoch_begin(self, epoch, logs):
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch, logs):
            took.append(time.perf_counter() - self.begun)

    train([RemoteMonitor(server.url), Stopwatch()], LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]
    assert sum(took) < 0.4


def test_server_that_hangs_is_left_after_flush_timeout(train, start):
    server = start(Server(lambda number: HANG))
    monitor = RemoteMonitor(server.url, flush_timeout=0.3)
    begun = time.perf_counter()
    with warned("5 epochs were not delivered") as messages:
        train(monitor, LOGS)
    assert 0.3 <= time.perf_counter() - begun < 2
    assert messages[-1].endswith("it has not answered yet; they are lost; spool='unsent.sqlite3' would have kept them")


def test_server_that_hangs_once_is_asked_again_after_the_timeout(train, start, impatient):
    server = start(Server(lambda number: HANG if number == 0 else TAKE))
    with warned("no answer within 0.3 s"):
        train([RemoteMonitor(server.url, timeout=0.3), Wait(lambda: server.taken, 0)], LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]


def test_server_that_is_not_there_is_said_to_be_with_the_cure(train):
    url = f"http://127.0.0.1:{closed_port()}"
    with warned("RemoteMonitor") as messages:
        train([RemoteMonitor(url, flush_timeout=0.2)], LOGS)
    last = messages[-1]
    assert last == (
        f"RemoteMonitor: 5 epochs were not delivered to {url}/publish/epoch/end/: Connection refused; they are lost; "
        "spool='unsent.sqlite3' would have kept them"
    )


def test_first_failure_on_this_machine_says_what_server_there_could_be(train):
    monitor = RemoteMonitor(f"http://127.0.0.1:{closed_port()}", flush_timeout=0)
    with warned("Connection refused; training continues, .*: start a server with cthulhu-monitor$"):
        train([monitor, Wait(lambda: monitor._sender.cause)], LOGS)


def test_server_that_comes_while_training_ends_gets_everything(train, start, impatient):
    port = closed_port()
    late: list[Server] = []
    timer = threading.Timer(0.5, lambda: late.append(start(Server(port=port))))
    timer.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether the cause is known before the last event is a matter of moments
        train(RemoteMonitor(f"http://127.0.0.1:{port}"), LOGS)
    timer.join()
    assert late[0].epochs == [0, 1, 2, 3, 4]


def test_host_that_nobody_knows_is_named_as_the_cause(train):
    with warned(r"http://nowhere\.invalid/publish/epoch/end/: .*(name|Name)"):
        train(RemoteMonitor("http://nowhere.invalid", flush_timeout=2), LOGS[:1])


# --- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def test_certificate_of_an_unknown_authority_is_not_accepted(train, start, authority):
    server = start(Server(), tls=tls(authority.issue_cert("127.0.0.1")))
    with warned("its certificate is not accepted: .*certificate"):
        train(RemoteMonitor(server.url.replace("http", "https"), flush_timeout=0.5), LOGS)
    assert server.taken == []


def test_certificate_of_another_host_is_not_accepted(train, start, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    server = start(Server(), tls=tls(authority.issue_cert("elsewhere.example")))
    with warned("its certificate is not accepted: .*127.0.0.1"):
        train(RemoteMonitor(server.url.replace("http", "https"), flush_timeout=0.5), LOGS)
    assert server.taken == []


def test_certificate_that_is_trusted_is_accepted(train, start, authority, tmp_path, monkeypatch):
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    server = start(Server(), tls=tls(authority.issue_cert("127.0.0.1")))
    train(RemoteMonitor(server.url.replace("http", "https")), LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_event_that_is_refused_is_left_out_and_counted(train, start, status):
    server = start(Server(lambda number: status if number == 1 else TAKE))
    with warned(f"1 events were rejected by {server.url}.*: it answers {status}"):
        train(RemoteMonitor(server.url), LOGS)
    assert server.epochs == [0, 2, 3, 4]


@pytest.mark.parametrize("status", [401, 403, 404, 405, 501])
def test_server_that_somebody_must_mend_does_not_hold_up_the_end_of_training(train, start, status):
    server = start(Server(lambda number: status))
    begun = time.perf_counter()
    with warned(f"5 epochs were not delivered to .*: it answers {status}"):
        train(RemoteMonitor(server.url, flush_timeout=20), LOGS)
    assert time.perf_counter() - begun < 5


def test_monitor_says_why_it_refuses_and_no_other_server_is_quoted(train, start):
    for is_monitor in (True, False):
        server = start(Server(lambda number: 401, is_monitor=is_monitor, reason="token\nmissing"))
        with warned("RemoteMonitor") as messages:
            train(RemoteMonitor(server.url), LOGS)
        assert ("it answers 401 Unauthorized: tokenmissing" in messages[-1]) is is_monitor


def test_server_says_how_long_it_wants_to_be_left_alone(train, start, impatient, monkeypatch):
    server = start(Server(lambda number: 503 if number == 0 else TAKE))
    waited = []
    from cthulhu_remote import connection

    monkeypatch.setattr(connection, "_wait", lambda response: waited.append(response.headers) or 0.5)
    begun = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train([RemoteMonitor(server.url), Wait(lambda: server.taken, 0)], LOGS)
    assert time.perf_counter() - begun >= 0.5
    assert server.epochs == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_takes_the_event_along(train, start, status):
    server = start(Server())
    other = start(Server(redirect=(status, f"{server.url}/elsewhere")))
    train(RemoteMonitor(other.url), LOGS)
    assert server.epochs == [0, 1, 2, 3, 4]
    assert {request.path for request in server.taken} == {"/elsewhere"}


def test_redirect_that_goes_in_circles_is_given_up(train, start):
    server = start(Server())
    server.redirect = (307, f"{server.url}/again")
    with warned("redirects lead nowhere"):
        train(RemoteMonitor(server.url), LOGS)
    assert server.taken == []


# --- order ----------------------------------------------------------------------------------------------------------

# A test of Hypothesis runs many examples in one call: they share one server, whose behaviour each sets.


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    troubles=st.lists(st.sampled_from([TAKE, 500, 503, RESET, TAKE_AND_RESET]), max_size=12),
    many=st.sampled_from([None, 2, "batch"]),
)
def test_every_event_arrives_in_order_exactly_once(train, impatient, troubles, many):
    with Server(is_monitor=True).running() as server:
        server.behaviour = lambda number: troubles[number] if number < len(troubles) else TAKE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train(RemoteMonitor(server.url, every=many), LOGS, batches=[0.5, 0.25, 0.125])
        assert server.epochs == [0, 1, 2, 3, 4]
        expected = {
            None: [],
            2: [(0, 1), (1, 0), (1, 2), (2, 1), (3, 0), (3, 2), (4, 1)],
            "batch": [(epoch, batch) for epoch in range(5) for batch in range(3)],
        }[many]
        places = [(payload["epoch"], payload["batch"]) for payload in server.payloads if "batch" in payload]
        assert places == expected
        assert list(server.payloads[0]) == ["begin"]
        assert list(server.payloads[-1]) == ["end"]
