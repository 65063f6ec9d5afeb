"""Run the application in uvicorn, and shut both down."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from types import FrameType

import uvicorn

from cthulhu_remote.server.app import application
from cthulhu_remote.server.guard import HEADERS, Token
from cthulhu_remote.server.live import Live
from cthulhu_remote.server.protocol import Protocol
from cthulhu_remote.server.sockets import ListeningSockets
from cthulhu_remote.server.store import Store

# Trainings report every few seconds or minutes, and keep their connections.
_KEEP_ALIVE = 75
_SWITCH = 0.0005
_PATIENCE = 1.0  # seconds


class Server(uvicorn.Server):
    """A server of one store.

    Args:
        store: the store.
        token: the token that clients must send, if any.
        port: port of the server.
    """

    def __init__(self, store: Store, token: str | None, port: int) -> None:
        self._live = Live(store.path)
        # Browsers share cookies between ports, so the name of the cookie includes the port.
        guards = None if token is None else Token(token, f"cthulhu-monitor-{port}")
        super().__init__(
            uvicorn.Config(
                application(store, self._live, guards),
                http=Protocol,
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_level="error",  # It would warn about every invalid request, so anyone could flood the terminal.
                access_log=False,
                server_header=False,
                proxy_headers=False,
                headers=HEADERS,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=3,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop regularly, even at a second signal. The signal was requested, so it is not raised again."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, for which the server would wait, and stop. Abort connections that do not end soon."""
        self._live.end()
        breaking_off = asyncio.get_running_loop().call_later(_PATIENCE, self._abort)
        try:
            await super().shutdown(sockets)
        finally:
            breaking_off.cancel()

    def _abort(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, Protocol):
                connection.transport.abort()


def serve(listening: ListeningSockets, store: Store, token: str | None) -> None:
    """Serve until SIGINT or SIGTERM."""
    # Publications should not wait for a thread that builds a table: Python's default of 5 ms would add up.
    sys.setswitchinterval(_SWITCH)
    server = Server(store, token, listening.port)
    # uvicorn handles signals only while it runs.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, server.handle_exit)
    try:
        server.run(sockets=listening.sockets)
    finally:
        store.stop()  # If the application could not start, it has not stopped the store.
