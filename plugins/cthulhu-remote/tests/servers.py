"""Real servers on loopback that misbehave as servers do: ``python servers.py KIND`` runs one and prints its address.

A server takes what is posted to it and answers as its behaviour says; ``taken`` has what it has taken, in order.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

TAKE, RESET, TAKE_AND_RESET, HANG = 200, -1, -2, -3
"""What a server does with a request: a status is an answer, and what is answered with a 200 is taken."""


@dataclass
class Request:
    """A request that was taken."""

    path: str
    headers: dict[str, str]
    payload: Any
    text: str


@dataclass
class Server:
    """A server in a thread.

    Attributes:
        behaviour: what is done with each request to post something, one after the other; the last one goes on.
        delay: seconds before each answer.
        is_monitor: whether it says that it is a cthulhu-monitor, and takes each event once.
        redirect: status and address that answer all requests.
    """

    behaviour: Callable[[int], int] = lambda number: TAKE
    delay: float = 0.0
    is_monitor: bool = False
    redirect: tuple[int, str] | None = None
    form_field: str = "data"
    reason: str = ""
    taken: list[Request] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    numbers: set[tuple[str, int]] = field(default_factory=set)
    port: int = 0
    connections: int = 0

    def __post_init__(self) -> None:
        self.count = itertools.count()
        self.changed = threading.Condition()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def payloads(self) -> list[Any]:
        """What was posted, several at once as one after the other."""
        return [
            payload
            for request in self.taken
            for payload in (request.payload if isinstance(request.payload, list) else [request.payload])
        ]

    @property
    def epochs(self) -> list[int]:
        return [payload["epoch"] for payload in self.payloads if "epoch" in payload and "batch" not in payload]

    def wait_for(self, count: int, seconds: float = 20) -> None:
        """Wait until so many events are taken."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.payloads) >= count, seconds), self.payloads

    def take(self, path: str, headers: dict[str, str], text: str) -> None:
        """Take a request; of events that a monitor knows already, nothing."""
        is_form = headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        payload = json.loads(parse_qs(text, strict_parsing=True)[self.form_field][0] if is_form else text)
        with self.changed:
            if self.is_monitor:
                event = json.loads(headers["Cthulhu-Event"])
                keys = [(event["sender"], number) for number, _ in event["events"]]
                posted = payload if isinstance(payload, list) else [payload]
                # What comes again may come with more, that has been waiting meanwhile.
                new = [each for key, each in zip(keys, posted, strict=True) if key not in self.numbers]
                self.numbers.update(keys)
                payload = new if isinstance(payload, list) else (new or [[]])[0]
            self.taken.append(Request(path, headers, payload, text))
            self.changed.notify_all()

    def serve(self, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
        """Begin to listen; ``port`` says where."""
        server = _Listener(("127.0.0.1", self.port), _handler(self))
        server.tls = tls
        self.port = server.server_address[1]
        return server

    @contextlib.contextmanager
    def running(self, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
        """Run it in a thread."""
        server = self.serve(tls)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.released.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        request.getpeername()  # of a connection that has been reset, wrap_socket would leave a socket open
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or does not trust the certificate, is no error of the server's."""


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else the second of two small packets waits for the first to be acknowledged.
        wbufsize = -1
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if server.redirect is not None:
                server.asked.append("POST")
                self._answer(server.redirect[0], location=server.redirect[1])
                return
            action = server.behaviour(next(server.count))
            if action == HANG:
                server.released.wait()
                self.close_connection = True
                return
            if action in (TAKE, TAKE_AND_RESET):
                server.take(self.path, dict(self.headers), text)
            if action in (RESET, TAKE_AND_RESET):
                self._reset()
                return
            time.sleep(server.delay)
            self._answer(action)

        def do_OPTIONS(self) -> None:
            server.asked.append("OPTIONS")
            if server.redirect is not None:
                self._answer(server.redirect[0], location=server.redirect[1])
            else:
                self._answer(204 if server.is_monitor else 501)

        def _answer(self, status: int, location: str = "") -> None:
            content = json.dumps({"reason": server.reason}).encode() if server.reason else b""
            self.send_response(status)
            if server.is_monitor:
                self.send_header("Cthulhu-Monitor", "1")
            if location:
                self.send_header("Location", location)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def _reset(self) -> None:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.wfile = self.rfile  # type: ignore[assignment] # nothing is written any more

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


KINDS: dict[str, Callable[[], Server]] = {
    "takes": Server,
    "monitor": lambda: Server(is_monitor=True),
    "hangs": lambda: Server(lambda number: HANG),
    "resets": lambda: Server(lambda number: RESET),
    "fails": lambda: Server(lambda number: 500),
    "recovers": lambda: Server(lambda number: 500 if number < 3 else TAKE),
    "slow": lambda: Server(delay=0.5),
}


def main(kind: str) -> None:
    """Serve until standard input ends."""
    tls = None
    if kind == "untrusted":
        import trustme

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    with KINDS["takes" if tls else kind]().running(tls) as server:
        print(server.url.replace("http", "https") if tls else server.url, flush=True)  # noqa: T201 - its purpose
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
