"""The application: the routes of the server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cthulhu_remote.server import export, guard, publish, queries
from cthulhu_remote.server.errors import Refused, answer_http_exception, answer_refused
from cthulhu_remote.server.guard import Guard, Token
from cthulhu_remote.server.live import Live
from cthulhu_remote.server.store import Store
from cthulhu_remote.server.summary import Summary

PUBLISH = "/publish/epoch/end/"

_PAGE = Path(__file__).parent / "page"
_NOT_STORED = {"Cache-Control": "no-store"}
_MONTH = 30 * 24 * 3600
# Larger bodies are parsed in a thread, so that other requests need not wait.
_LARGE = 64 * 1024


def application(store: Store, live: Live, token: Token | None = None) -> Starlette:
    """Return the application that accepts publications into a store and shows it.

    Args:
        store: the store.
        live: sends updates to open pages.
        token: the token that clients must send, if any.
    """
    pages = Environment(loader=FileSystemLoader(_PAGE / "templates"), autoescape=True)
    answers = _Answers(store, live, token, pages)
    app = Starlette(
        routes=[
            *(Route(path, answers.publish, methods=["POST", "OPTIONS"]) for path in (PUBLISH, PUBLISH[:-1])),
            Route("/", answers.page),
            Route("/login", answers.login, methods=["GET", "POST"]),
            Route("/api/runs", answers.runs),
            Route("/api/runs/{id}.csv", answers.table),
            Route("/api/runs/{id}", answers.run),
            Route("/api/events", answers.events),
            Mount("/static", StaticFiles(directory=_PAGE / "static")),
        ],
        middleware=[Middleware(Guard, token=token, open_paths=("/login", "/static/"))],
        exception_handlers={Refused: answer_refused, HTTPException: answer_http_exception},
        lifespan=answers.lifespan,
    )
    app.router.redirect_slashes = False
    return app


class _Answers:
    """The handlers of requests, and their shared state."""

    def __init__(self, store: Store, live: Live, token: Token | None, pages: Environment) -> None:
        self._store = store
        self._live = live
        self._token = token
        self._pages = pages

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run the store and the live updates while the server runs."""
        self._store.start(self._live.changed)
        telling = asyncio.create_task(self._live.run())
        try:
            yield
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            self._store.stop()

    async def publish(self, request: Request) -> Response:
        """Accept events."""
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": "POST, OPTIONS"})
        publish.check_type(request.headers)
        body = await guard.body(request)
        peer = request.client.host if request.client else ""
        arguments = request.headers, body, peer, time.time()
        if len(body) > _LARGE:
            publication = await run_in_threadpool(publish.publication, *arguments)
        else:
            publication = publish.publication(*arguments)
        await self._store.publish(publication)
        return Response(status_code=204)

    async def page(self, request: Request) -> Response:
        """Return the page."""
        runs = await run_in_threadpool(queries.summaries, self._store.path)
        return self._render("page.html", runs=runs, now=time.time())

    async def login(self, request: Request) -> Response:
        """Ask a browser for the token, and set a cookie."""
        to_page = RedirectResponse("/", status_code=303)
        if self._token is None:
            return to_page
        if request.method != "POST":
            return self._render("login.html", wrong=False)
        form = parse_qs((await guard.body(request)).decode("utf-8", "replace"))
        if not self._token.is_right(form.get("token", [""])[-1]):
            return self._render("login.html", 401, wrong=True)
        to_page.set_cookie(
            self._token.cookie,
            self._token.proof,
            max_age=_MONTH,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return to_page

    async def runs(self, request: Request) -> Response:
        """Return all runs."""
        runs = await run_in_threadpool(queries.summaries, self._store.path)
        return JSONResponse({"now": time.time(), "runs": runs}, headers=_NOT_STORED)

    async def run(self, request: Request) -> Response:
        """Return a run and its points."""
        most = _most(request)
        key, summary = await self._find(request)
        pieces = _pieces(self._store.path, key, summary, most)
        return StreamingResponse(pieces, media_type="application/json", headers=_NOT_STORED)

    async def table(self, request: Request) -> Response:
        """Return a run as a table."""
        key, summary = await self._find(request)
        headers = {"Content-Disposition": f'attachment; filename="{summary["id"]}.csv"', **_NOT_STORED}
        return StreamingResponse(export.table(self._store.path, key), media_type="text/csv", headers=headers)

    async def events(self, request: Request) -> Response:
        """Return a stream of updates."""
        return self._live.response(request)

    async def _find(self, request: Request) -> tuple[int, Summary]:
        id = request.path_params["id"]
        found = await run_in_threadpool(queries.run, self._store.path, id) if publish.is_id(id) else None
        if found is None:
            raise Refused(404, f"there is no run {id[:80]!a}: /api/runs lists the runs")
        return found

    def _render(self, name: str, status: int = 200, **variables: object) -> Response:
        content = self._pages.get_template(name).render(**variables)
        return HTMLResponse(content, status, _NOT_STORED)


def _most(request: Request) -> int | None:
    """Return the requested maximum number of batches."""
    given = request.query_params.get("batches")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 9):
        raise Refused(400, f"batches is {given[:20]!a}: expected a maximum number of batches, e.g. batches=2000")
    return int(given)


def _pieces(path: Path, key: int, summary: Summary, most: int | None) -> Iterator[str]:
    """Yield the JSON of a run and its points in pieces."""
    yield f'{{"run":{json.dumps(summary)}'
    for name, pages in (("epochs", queries.epochs(path, key)), ("batches", queries.batches(path, key, most))):
        yield f',"{name}":['
        between = ""
        for page in pages:
            if page:
                yield between + queries.points_json(None, page)
                between = ","
        yield "]"
    yield "}"
