"""A network that fails: local sockets that refuse, hang, hang up or return an error."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

_LOCAL = "127.0.0.1"


class FailingNetwork:
    """Servers that fail in different ways. Close it after the test, or use it in a ``with`` statement.

    Example:
        >>> with FailingNetwork() as network:
        ...     monitor = RemoteMonitor(network.hangs_up())
    """

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def refuses(self) -> str:
        """Return the URL of a port on which nothing listens."""
        with socket.create_server((_LOCAL, 0)) as server:
            return _url(server)

    def hangs(self) -> str:
        """Return the URL of a server that accepts requests and never answers."""
        return self._serve(lambda connection, closed: closed.wait())

    def hangs_up(self) -> str:
        """Return the URL of a server that accepts a request and closes the connection."""
        return self._serve(lambda connection, closed: None)

    def answers(self, status: int) -> str:
        """Return the URL of a server that answers every request with ``status``, such as 500, and no content."""
        line = f"HTTP/1.1 {status} Planted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        return self._serve(lambda connection, closed: connection.sendall(line.encode("ascii")))

    def close(self) -> None:
        """Stop all servers and their threads."""
        self._open.close()

    def __enter__(self) -> FailingNetwork:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _serve(self, behave: Callable[[socket.socket, threading.Event], object]) -> str:
        return self._open.enter_context(_serving(behave))


@contextlib.contextmanager
def _serving(behave: Callable[[socket.socket, threading.Event], object]) -> Iterator[str]:
    """Accept connections in a thread, with a thread for each, until the end of the block."""
    closed = threading.Event()
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def talk(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            # Read the request first: closing a connection with unread data is a reset.
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
        with contextlib.suppress(OSError):  # close() alone does not wake a thread in accept()
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
