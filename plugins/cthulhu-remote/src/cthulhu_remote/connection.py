"""The connection to a server: requests with events, and the meaning of answers.

No message shows the value of a header. Nor does it show the answer of a server that does not identify as a monitor,
because the answer may repeat the headers.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from cthulhu_remote.arguments import without_password
from cthulhu_remote.events import Event

if TYPE_CHECKING:
    import requests

MANY = 100
"""Maximum number of events per request to a server that accepts several."""

# The server has understood the request and will never accept its content.
_REFUSED = {400, 411, 413, 414, 415, 422, 431}
# The server may accept it later without intervention.
_TRANSIENT = {408, 425, 429, *range(500, 600)} - {501, 505}
# 303 is an acceptance that points to another page.
_SEE_OTHER = 303
_REDIRECTS = 5
_BODY = 65536
_REASON = 300
_LONGEST_WAIT = 60.0


class Refused(Exception):
    """The server will never accept this event. The message says why."""


class Unreachable(Exception):
    """The server cannot accept an event now. The message says why.

    Attributes:
        wait: seconds to wait, as requested by the server.
        is_lasting: whether only the user can fix it: a missing token, a wrong path, a certificate.
    """

    def __init__(self, cause: str, wait: float = 0.0, is_lasting: bool = False) -> None:
        super().__init__(cause)
        self.wait = wait
        self.is_lasting = is_lasting


class Connection:
    """A persistent connection to one server, for use in one thread.

    A ``cthulhu-monitor`` identifies itself in a header of its answers. Only such a server gets the beginning and end of
    a training, and several events per request. Others get only the documented requests.

    Args:
        url: URL to which events are sent.
        field: form field for the JSON text.
        headers: headers to send with each request, but never to another server after a redirect.
        as_json: whether to send the JSON without a form.
        timeout: seconds to wait for a connection, and for an answer.

    Raises:
        ValueError: If ``url`` is not a URL.
    """

    def __init__(
        self, url: str, field: str, headers: Mapping[str, str], as_json: bool, timeout: tuple[float, float]
    ) -> None:
        import requests

        try:
            requests.Request("POST", url).prepare()
            str(urlsplit(url).hostname).encode("idna")  # The lookup of its address does the same.
        except (requests.RequestException, UnicodeError) as error:
            raise ValueError(
                f"RemoteMonitor cannot send to {without_password(url)!r} ({type(error).__name__}): expected the "
                "address of a server, e.g. root='http://localhost:9000'"
            ) from None
        self._url = url
        self._field = field
        self._headers = dict(headers)
        self._as_json = as_json
        self._timeout = timeout
        self._session = requests.Session()
        # A password in ~/.netrc would replace the user's own header.
        given = {name.lower() for name in headers}
        self._auth = (lambda request: request) if "authorization" in given else None
        self.is_monitor: bool | None = None
        """Whether the server is a ``cthulhu-monitor``. None before its first answer."""

    @property
    def most(self) -> int:
        """The maximum number of events per request."""
        return MANY if self.is_monitor else 1

    def deliver(self, events: Sequence[Event]) -> None:
        """Send up to :attr:`most` events of one run and one sender, and return once the server has accepted them.

        Raises:
            Refused: If it will never accept them.
            Unreachable: If it cannot accept them now.
        """
        if events[0].kind in ("begin", "end") and not self._takes_all():
            return
        texts = [event.text() for event in events]
        text = texts[0] if len(texts) == 1 else f"[{','.join(texts)}]"
        head = {
            "run": events[0].run,
            "sender": events[0].sender,
            "events": [[event.number, event.time] for event in events],
        }
        headers = {"Cthulhu-Event": json.dumps(head)}
        if self._as_json:
            self._exchange("POST", {"Content-Type": "application/json", **headers}, text.encode())
        else:
            self._exchange("POST", headers, {self._field: text})

    def _takes_all(self) -> bool:
        """Return whether the server is a monitor. This asks once, with a request that changes nothing on any server."""
        if self.is_monitor is None:
            try:
                self._exchange("OPTIONS", {}, None)
            except Refused:
                pass  # A server that does not know the request is not a monitor.
            except Unreachable as error:
                if not error.is_lasting:
                    raise
            self.is_monitor = bool(self.is_monitor)
        return self.is_monitor

    def _exchange(self, method: str, headers: Mapping[str, str], body: Any) -> None:
        import requests

        url, own = self._url, self._headers
        for _ in range(_REDIRECTS + 1):
            try:
                # requests must not follow redirects: it would send the headers along, and turn POST into GET.
                response = self._session.request(
                    method, url, data=body, headers={**headers, **own}, timeout=self._timeout, auth=self._auth,
                    allow_redirects=False, stream=True,
                )  # fmt: skip
            except requests.RequestException as error:
                is_lasting = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error))
                raise Unreachable(self._cause(error), is_lasting=is_lasting) from None
            text = _rest(response)
            if "Cthulhu-Monitor" in response.headers:
                self.is_monitor = True
            if not response.is_redirect or response.status_code == _SEE_OTHER:
                self._judge(response, text)
                return
            target = urljoin(url, response.headers["Location"])
            if not target.startswith(("http://", "https://")):
                break
            if self._session.should_strip_auth(url, target):  # type: ignore[no-untyped-call]
                own = {}
            url = target
        raise Unreachable(f"its redirects lead nowhere, last to {without_password(url)}", is_lasting=True)

    def _judge(self, response: requests.Response, text: str) -> None:
        status = response.status_code
        if status < 300 or status == _SEE_OTHER:
            return
        phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
        cause = f"it answers {status} {phrase}".rstrip()
        if self.is_monitor and (reason := _reason(text)):
            cause += f": {reason}"
        if status in _REFUSED:
            raise Refused(cause)
        raise Unreachable(cause, _wait(response), status not in _TRANSIENT)

    def _cause(self, error: requests.RequestException) -> str:
        """Describe the error without the content of the request."""
        import requests

        connect, answer = self._timeout
        if isinstance(error, requests.ConnectTimeout):
            return f"no connection within {connect:g} s"
        if isinstance(error, requests.Timeout):
            return f"no answer within {answer:g} s"
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return f"its certificate is not accepted: {cause.verify_message}"
        for cause in causes:
            if isinstance(cause, ssl.SSLError):
                return f"TLS failed: {cause.reason or 'it does not speak TLS'}"
        if isinstance(error, requests.exceptions.ProxyError):
            return "the proxy in the environment variables refuses the connection"
        for cause in causes:
            if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
                return cause.strerror
        is_cut_off = isinstance(error, requests.ConnectionError)
        return "it closed the connection without an answer" if is_cut_off else type(error).__name__

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _rest(response: requests.Response) -> str:
    """Read and return the body of an answer, so that the connection can be reused. Return nothing of a long one."""
    import requests

    content = b""
    try:
        for part in response.iter_content(_BODY):
            content += part
            if len(content) >= _BODY:
                response.close()
                return ""
    except requests.RequestException:
        # The status counts, and it arrived before the connection broke.
        response.close()
        return ""
    return content.decode("utf-8", "replace")


def _reason(text: str) -> str:
    """Return the reason in the answer of a monitor."""
    try:
        reason = json.loads(text)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return "".join(filter(str.isprintable, str(reason)))[:_REASON]


def _wait(response: requests.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_WAIT) if seconds.isdecimal() and seconds.isascii() else 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and all its causes, which requests and urllib3 keep in several places."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            waiting += [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
