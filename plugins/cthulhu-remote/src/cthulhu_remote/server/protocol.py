"""HTTP, as uvicorn speaks it, with bounds and answers of this server's own."""

from __future__ import annotations

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SIZE = 256 * 1024
REQUEST_SIZE = 16 * 2**20


class Protocol(HttpToolsProtocol):
    """Bounds what a request may send, says in JSON what is no HTTP, and lets the application drop a connection.

    A connection whose other side takes nothing cannot be closed otherwise: what is to be sent waits for ever. The
    application finds ``cthulhu.abort`` among the extensions of the scope.
    """

    _in_head = True
    _received = 0

    def data_received(self, data: bytes) -> None:
        """Something has come. A header without end, or a body that nobody reads any more, comes no further."""
        self._received += len(data)
        super().data_received(data)
        if self._received > (HEAD_SIZE if self._in_head else REQUEST_SIZE) and not self.transport.is_closing():
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {"cthulhu.abort": self.transport.abort}  # type: ignore[dict-item]

    def on_headers_complete(self) -> None:
        """Its body begins, if it has one."""
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        """A request has ended."""
        super().on_message_complete()
        self._in_head = True
        self._received = 0

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        reason = f"this is no HTTP request, or its headers have more than {HEAD_SIZE} bytes: send HTTP/1.1"
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
