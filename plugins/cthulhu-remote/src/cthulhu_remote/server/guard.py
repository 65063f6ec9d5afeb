"""Access control: check the host, the origin and the token of each request before anything else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cthulhu_remote.server.errors import Refused

BODY_SIZE = 2**20

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

#: Headers of every answer. All scripts and styles of the page are in files of their own.
HEADERS = [
    ("Cthulhu-Monitor", "1"),
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
]

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# If the connection closes while a client still sends, it may miss the answer. So this many bytes are read and dropped.
_PATIENCE = 8 * BODY_SIZE


class Token:
    """The token of the server, and the cookie of browsers that have logged in with it.

    Args:
        token: value of ``--token``.
        cookie: name of the cookie.
    """

    def __init__(self, token: str, cookie: str) -> None:
        self.cookie = cookie
        self._token = token.encode()

    @property
    def proof(self) -> str:
        """The value of the cookie, which does not reveal the token."""
        return hmac.new(self._token, b"cthulhu-monitor: the page", hashlib.sha256).hexdigest()

    def is_right(self, given: str) -> bool:
        """Return whether this is the token."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._token)

    def is_given(self, request: Request) -> bool:
        """Return whether the request has the token or the cookie."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_right(given.strip())
        cookie = request.cookies.get(self.cookie, "")
        return hmac.compare_digest(cookie.encode("utf-8", "surrogatepass"), self.proof.encode())


class Guard:
    """An ASGI middleware that rejects forbidden requests.

    Args:
        app: the application for all other requests.
        token: the token that requests must have. Without one, requests must name the server by a name of this
            computer.
        open_paths: prefixes of paths that can be read without the token.
    """

    def __init__(self, app: ASGIApp, token: Token | None, open_paths: Iterable[str] = ()) -> None:
        self._app = app
        self._token = token
        self._open = tuple(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                self._check(request)
            except Refused as refused:
                # Browsers are redirected to the login.
                asks = refused.status == 401 and request.scope["path"] == "/"
                answer: Response = RedirectResponse("/login", 303) if asks else refused.answer()
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, request: Request) -> None:
        if "\0" in request.scope["path"]:
            # Static files do not support it.
            raise Refused(400, "the path has a NUL character: ask for one without")
        if self._token is None:
            _check_host(request)
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            _check_origin(request)
        if self._token is None or request.scope["path"].startswith(self._open) or self._token.is_given(request):
            return
        given = "is wrong" if "authorization" in request.headers else "is missing"
        raise Refused(
            401,
            f"the token {given}: send the header 'Authorization: Bearer TOKEN' with the --token of the server, as in "
            "RemoteMonitor(headers={'Authorization': 'Bearer TOKEN'}), or log in at /login",
            {"WWW-Authenticate": "Bearer"},
        )


def _check_host(request: Request) -> None:
    """Reject foreign names of this server, with which other pages could reach it (DNS rebinding)."""
    for host in request.headers.getlist("host") or [""]:
        name, port = host, ""
        if not host.endswith("]"):
            name, _, port = host.rpartition(":") if ":" in host else (host, "", "")
        if name.lower() not in _LOOPBACK or not (not port or port.isdecimal()):
            raise Refused(
                403,
                f"the Host is {host[:80]!a}: expected localhost, 127.0.0.1 or [::1], because the server has no token; "
                "start it with --token to use another name",
            )


def _check_origin(request: Request) -> None:
    """Reject requests that another page makes a browser send."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "").lower()
    if site not in ("same-origin", "none") or (
        origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}")
    ):
        raise Refused(
            403,
            f"the request comes from another page (Origin: {str(origin)[:80]!a}, Sec-Fetch-Site: {site[:20]!a}): "
            "expected a request from a program or from the page of this server",
        )


async def body(request: Request) -> bytes:
    """Read the body of a request.

    Raises:
        Refused: If it is too large, in which case the rest is not read, or if the client disconnects.
    """
    length = request.headers.get("content-length")
    if length is not None and int(length) > BODY_SIZE:
        raise _too_large(f"{length[:20]} bytes", int(length) < _PATIENCE)
    parts = []
    size = 0
    try:
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > BODY_SIZE:
                raise _too_large("more than the maximum", goes_on=False)
    except ClientDisconnect:
        raise Refused(400, "the connection ended before the body did: send it again") from None
    return b"".join(parts)


def _too_large(given: str, goes_on: bool) -> Refused:
    return Refused(
        413,
        f"the body has {given}, but at most {BODY_SIZE} bytes are allowed: send fewer events at once",
        None if goes_on else {"Connection": "close"},
    )
