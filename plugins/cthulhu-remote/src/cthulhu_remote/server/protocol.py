"""HTTP, as uvicorn speaks it, with bounds and answers of this server's own."""

from __future__ import annotations

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SIZE = 256 * 1024


class Protocol(HttpToolsProtocol):
    """Bounds what comes before the body, says in JSON what is no HTTP, and lets the application drop a connection.

    A connection whose other side takes nothing cannot be closed otherwise: what is to be sent waits for ever. The
    application finds ``cthulhu.abort`` among the extensions of the scope.
    """

    _head = 0

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head = 0
        self.scope["extensions"] = {"cthulhu.abort": self.transport.abort}  # type: ignore[dict-item]

    def on_url(self, url: bytes) -> None:
        """A piece of the address has come."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header has come."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_SIZE:
            # Whatever is raised in here is an invalid request to uvicorn.
            raise ValueError("the headers are too large")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        reason = f"this is no HTTP request, or its headers are larger than {HEAD_SIZE} bytes: send HTTP/1.1"
        content = json.dumps({"reason": reason}).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
        ]
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in headers), b"", content]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()
