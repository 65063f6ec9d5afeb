"""The server at the other end: how an event is put into a request, and what an answer means.

No message of this module shows a header's value, nor what a server answered that does not say it is a monitor: it may
have been told the headers, and tell them back.
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
"""So many events go into one request, to a server that takes several."""

# The server has understood the request, and will never take what is in it.
_REFUSED = {400, 411, 413, 414, 415, 422, 431}
# It may take it later, without anybody's doing.
_TRANSIENT = {408, 425, 429, *range(500, 600)} - {501, 505}
# 303 says where to look after what was sent has been taken.
_SEE_OTHER = 303
_REDIRECTS = 5
_BODY = 65536
_REASON = 300
_LONGEST_WAIT = 60.0


class Refused(Exception):
    """The server will never take this event; the message says why."""


class Unreachable(Exception):
    """The server cannot take an event now; the message says why.

    Attributes:
        wait: for how many seconds the server asks to be left alone.
        is_lasting: whether it takes somebody to mend it: a missing token, a wrong path, a certificate.
    """

    def __init__(self, cause: str, wait: float = 0.0, is_lasting: bool = False) -> None:
        super().__init__(cause)
        self.wait = wait
        self.is_lasting = is_lasting


class Connection:
    """One server, asked over one connection that is kept alive. Belongs to one thread.

    A server that is a ``cthulhu-monitor`` says so in a header of its answers. Only such a one is told of the begin and
    the end of a training, and gets several events in one request: any other gets the documented requests alone.

    Args:
        url: where events are sent.
        field: the field of the form that has the JSON text.
        headers: sent with each request, but to no other server to which this one redirects.
        as_json: send the JSON as it is, without a form.
        timeout: seconds for connecting, and for an answer.

    Raises:
        ValueError: ``url`` is none.
    """

    def __init__(
        self, url: str, field: str, headers: Mapping[str, str], as_json: bool, timeout: tuple[float, float]
    ) -> None:
        import requests

        try:
            requests.Request("POST", url).prepare()
            str(urlsplit(url).hostname).encode("idna")  # as looking up its address does
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
        # A password in ~/.netrc would take the place of the user's own.
        given = {name.lower() for name in headers}
        self._auth = (lambda request: request) if "authorization" in given else None
        self.is_monitor: bool | None = None
        """Whether the server is one; None before it has answered."""

    @property
    def most(self) -> int:
        """How many events may go into one request."""
        return MANY if self.is_monitor else 1

    def deliver(self, events: Sequence[Event]) -> None:
        """Send events of one run and one sender, at most :attr:`most`; at the end, the server has them.

        Raises:
            Refused: it will never take them.
            Unreachable: it cannot take them now.
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
        """Whether the server is a monitor: asked once, in a way that changes nothing at any server."""
        if self.is_monitor is None:
            try:
                self._exchange("OPTIONS", {}, None)
            except Refused:
                pass  # a server that does not know the question is none
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
                # Not followed by requests: it would send the headers along, and turn what is sent into a question.
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
        raise Unreachable(f"redirects lead nowhere, last to {without_password(url)}", is_lasting=True)

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
        """What has happened, without what was sent."""
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
            return "the proxy that the environment names does not let it through"
        for cause in causes:
            if isinstance(cause, OSError) and cause.strerror and not isinstance(cause, requests.RequestException):
                return cause.strerror
        is_cut_off = isinstance(error, requests.ConnectionError)
        return "it closed the connection without an answer" if is_cut_off else type(error).__name__

    def close(self) -> None:
        """End the connection."""
        self._session.close()


def _rest(response: requests.Response) -> str:
    """The answer's body: a connection whose answer has been read can be used again. Of a long one, nothing."""
    import requests

    content = b""
    try:
        for part in response.iter_content(_BODY):
            content += part
            if len(content) >= _BODY:
                response.close()
                return ""
    except requests.RequestException:
        # What counts is the status, which was there before it broke off.
        response.close()
        return ""
    return content.decode("utf-8", "replace")


def _reason(text: str) -> str:
    """Why a monitor says no."""
    try:
        reason = json.loads(text)["reason"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return "".join(filter(str.isprintable, str(reason)))[:_REASON]


def _wait(response: requests.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return min(float(seconds), _LONGEST_WAIT) if seconds.isdecimal() and seconds.isascii() else 0.0


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and everything that led to it: requests and urllib3 keep that in several places."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and each not in seen:
            seen.append(each)
            yield each
            waiting += [getattr(each, "reason", None), each.__cause__, each.__context__, *each.args]
