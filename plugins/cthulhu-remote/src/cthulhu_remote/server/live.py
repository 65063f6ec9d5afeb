"""Live updates for open pages. Each message is built once for all pages.

There is no replay: a page that connects fetches the data it shows.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from cthulhu_remote.server import queries
from cthulhu_remote.server.errors import Refused
from cthulhu_remote.server.ingest import Change

INTERVAL = 0.25  # seconds between two messages
PAGES = 256
_PING = 15  # seconds
_MESSAGES_WAITING = 16  # of one page
_POINTS_WAITING = 10_000  # for the next message


class _Page:
    """A connected page, and its unsent messages."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.messages: asyncio.Queue[bytes | None] = asyncio.Queue(_MESSAGES_WAITING)
        self.abort = abort


class _Stream(EventSourceResponse):
    """A stream that ends regularly. sse-starlette would cut it off when the server stops."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = ended = False

        async def passed_on(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        await super().__call__(scope, receive, passed_on)
        if started and not ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


class Live:
    """Sends changes to pages, at most once per ``INTERVAL``.

    Args:
        path: path of the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages: set[_Page] = set()
        self._changes: dict[int, Change] = {}
        self._points = 0
        self._changed = asyncio.Event()
        self._ended = False

    def changed(self, changes: Iterable[Change]) -> None:
        """Collect changed runs for the next message."""
        if not self._pages:
            return
        for change in changes:
            self._points += len(change.points)
            there = self._changes.get(change.key)
            if there is None or change.has_begun:
                self._changes[change.key] = change
            else:
                there.points.update(change.points)
        if self._points > _POINTS_WAITING:
            # These are more points than pages can draw: they fetch the runs instead.
            self.disconnect()
        self._changed.set()

    async def run(self) -> None:
        """Send messages until cancelled."""
        while True:
            await self._changed.wait()
            changes = self._take()
            if changes and self._pages:
                try:
                    self._send(await run_in_threadpool(_message, self._path, changes))
                except sqlite3.Error:
                    # Pages that miss a message must fetch its data.
                    self.disconnect()
            await asyncio.sleep(INTERVAL)

    def response(self, request: Request) -> Response:
        """Return the stream of one page.

        Raises:
            Refused: If there are too many pages.
        """
        if len(self._pages) >= PAGES:
            raise Refused(429, f"{len(self._pages)} pages are open, the maximum is {PAGES}: close some")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        extensions = request.scope.get("extensions") or {}
        return _Stream(self._messages(extensions.get("cthulhu.abort", lambda: None)), ping=_PING)

    def disconnect(self) -> None:
        """End all streams. Pages reconnect and fetch the data they show."""
        for page in list(self._pages):
            self._end(page)

    def end(self) -> None:
        """End all streams, including those about to begin, because the server stops."""
        self._ended = True
        self.disconnect()

    async def _messages(self, abort: Callable[[], None]) -> AsyncIterator[bytes]:
        page = _Page(abort)
        if self._ended:
            return
        self._pages.add(page)
        try:
            while (message := await page.messages.get()) is not None:
                yield message
        finally:
            self._pages.discard(page)

    def _take(self) -> list[Change]:
        changes = list(self._changes.values())
        self._changes, self._points = {}, 0
        self._changed.clear()
        return changes

    def _send(self, message: bytes) -> None:
        for page in list(self._pages):
            if page.messages.full():
                self._end(page)
            else:
                page.messages.put_nowait(message)

    def _end(self, page: _Page) -> None:
        self._pages.discard(page)
        if not page.messages.empty():
            page.abort()  # A page that reads no messages may not read the end, either.
        while not page.messages.empty():
            page.messages.get_nowait()
        page.messages.put_nowait(None)


def _message(path: Path, changes: list[Change]) -> bytes:
    summaries = queries.summaries(path, [change.key for change in changes])
    update = json.dumps({"now": time.time(), "runs": summaries}, ensure_ascii=False)
    points = ",".join(
        queries.points_json(change.id, [(*place, *point) for place, point in change.points.items()])
        for change in changes
        if change.points
    )
    return f'event: update\r\ndata: {update[:-1]},"points":[{points}]}}\r\n\r\n'.encode()
