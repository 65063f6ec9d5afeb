"""Serving: the application in uvicorn, and the end of both."""

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

# Trainings report every few seconds or minutes: a connection that is kept is one less to make.
_KEEP_ALIVE = 75
_SWITCH = 0.0005
_PATIENCE = 1.0  # seconds


class Server(uvicorn.Server):
    """A server of one store.

    Args:
        store: what it shows.
        token: what guards it, if it is guarded.
        port: where it is found.
    """

    def __init__(self, store: Store, token: str | None, port: int) -> None:
        self._live = Live(store.path)
        # Browsers tell cookies of two ports of one computer apart by nothing but their names.
        guards = None if token is None else Token(token, f"cthulhu-monitor-{port}")
        super().__init__(
            uvicorn.Config(
                application(store, self._live, guards),
                http=Protocol,
                ws="none",
                loop="asyncio",
                lifespan="on",
                log_level="error",  # it warns of whatever is no HTTP: anybody could fill the terminal
                access_log=False,
                server_header=False,
                proxy_headers=False,
                headers=HEADERS,
                timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=3,
            )
        )

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End, and no differently when asked twice. That is what was asked for, and is not raised again."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and the streams before: the server would wait for them. What is not taken in a while is broken off."""
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
    # Who publishes does not wait for a thread that makes a table: Python's own 5 ms would add up.
    sys.setswitchinterval(_SWITCH)
    server = Server(store, token, listening.port)
    # uvicorn does so only while it runs.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, server.handle_exit)
    try:
        server.run(sockets=listening.sockets)
    finally:
        store.stop()  # the application has not, if it could not start
