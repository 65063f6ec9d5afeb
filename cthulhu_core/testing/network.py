"""A network that fails: real sockets of this machine that refuse, hang, hang up or answer with an error."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_LOCAL = "127.0.0.1"


class FailingNetwork:
    """Addresses at which nothing goes well. Close it when the test is over, or use it in a ``with`` statement.

    Example:
        >>> with FailingNetwork() as network:
        ...     monitor = RemoteMonitor(network.hangs_up())
    """

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def refuses(self) -> str:
        """The URL of a port at which nobody listens."""
        with socket.create_server((_LOCAL, 0)) as server:
            return _url(server)

    def hangs(self) -> str:
        """The URL of a server that takes connections and requests, and never answers."""
        return self._serve(lambda connection, closed: closed.wait())

    def hangs_up(self) -> str:
        """The URL of a server that takes a request and closes the connection without an answer."""
        return self._serve(lambda connection, closed: None)

    def answers(self, status: int) -> str:
        """The URL of a server that answers every request with ``status``, such as 500, and an empty page."""
        line = f"HTTP/1.1 {status} Planted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return self._serve(lambda connection, closed: connection.sendall(line.encode("ascii")))

    def close(self) -> None:
        """End all servers and their threads."""
        self._open.close()

    def __enter__(self) -> FailingNetwork:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _serve(self, behave: Callable[[socket.socket, threading.Event], object]) -> str:
        return self._open.enter_context(_serving(behave))


@contextlib.contextmanager
def _serving(behave: Callable[[socket.socket, threading.Event], object]) -> Iterator[str]:
    """Take connections in a thread, and a thread for each, until the end."""
    closed = threading.Event()
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            # A request that fits into one packet is read before the connection is closed: otherwise that is a reset.
            if connection.recv(65536):
                behave(connection, closed)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:  # the server is closed
                return
            connections.append(connection)
            threads.append(threading.Thread(target=talk, args=(connection,)))
            threads[-1].start()

    server = socket.create_server((_LOCAL, 0))
    url = _url(server)
    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield url
    finally:
        closed.set()
        with contextlib.suppress(OSError):  # closing alone does not wake who waits in accept()
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _url(server: socket.socket) -> str:
    return f"http://{_LOCAL}:{server.getsockname()[1]}"
