"""Live: what happens, to all pages that are open. One message is made for all of them, and made once.

There is no replay: a page that connects fetches what it shows.
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
    """A page that listens, and the messages it has not taken yet."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.messages: asyncio.Queue[bytes | None] = asyncio.Queue(_MESSAGES_WAITING)
        self.abort = abort


class _Stream(EventSourceResponse):
    """A stream that ends as an answer ends: sse-starlette breaks it off when the server is asked to end."""

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
    """Tells pages of changes, at most once in ``INTERVAL``.

    Args:
        path: the store.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages: set[_Page] = set()
        self._changes: dict[int, Change] = {}
        self._points = 0
        self._changed = asyncio.Event()
        self._ended = False

    def changed(self, changes: Iterable[Change]) -> None:
        """Runs have changed: pages are told with the next message."""
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
            # More than pages could draw: they fetch it.
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
                    # Pages that miss a message have to fetch what was in it.
                    self.disconnect()
            await asyncio.sleep(INTERVAL)

    def response(self, request: Request) -> Response:
        """The stream of one page.

        Raises:
            Refused: there are too many.
        """
        if len(self._pages) >= PAGES:
            raise Refused(429, f"{len(self._pages)} pages listen already, and {PAGES} may: close some")
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        extensions = request.scope.get("extensions") or {}
        return _Stream(self._messages(extensions.get("cthulhu.abort", lambda: None)), ping=_PING)

    def disconnect(self) -> None:
        """End all streams: pages come again, and fetch what they show."""
        for page in list(self._pages):
            self._end(page)

    def end(self) -> None:
        """End all streams, those that are only about to begin, too: the server ends."""
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
            page.abort()  # what takes no messages may take no end, either
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
