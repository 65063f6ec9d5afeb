"""uvicorn's HTTP with limits and error answers of this server."""

from __future__ import annotations

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SIZE = 256 * 1024
REQUEST_SIZE = 16 * 2**20


class Protocol(HttpToolsProtocol):
    """Limits the size of requests, answers invalid HTTP with JSON, and lets the application abort a connection.

    Without that, a connection whose client reads nothing would never close, because unsent data would wait for ever.
    The application finds ``cthulhu.abort`` among the extensions of the scope.
    """

    _in_head = True
    _received = 0

    def data_received(self, data: bytes) -> None:
        """Handle received bytes. Stop at headers without end, and at bodies that are no longer read."""
        self._received += len(data)
        super().data_received(data)
        if self._received > (HEAD_SIZE if self._in_head else REQUEST_SIZE) and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Handle the beginning of a request."""
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {"cthulhu.abort": self.transport.abort}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """Handle the end of the headers."""
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        """Handle the end of a request."""
        super().on_message_complete()
        self._in_head = True
        self._received = 0

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP."""
        reason = f"this is not an HTTP request, or its headers have more than {HEAD_SIZE} bytes: send HTTP/1.1"
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
